/* SPDX-License-Identifier: Apache-2.0 */
/* Load for a NATS server over WebSocket, on loopback. Publisher and reader have a thread each. What
 * is published is masked once and sent again and again, in frames of what clients have in their
 * buffers, so that the generator costs little: judge by the server's CPU where there are fewer than
 * three cores.
 *
 *     loadgen_ws pub PORT PID SIZE COUNT     publish to nobody
 *     loadgen_ws one PORT PID SIZE COUNT     publish to one reader
 *
 * Each prints one line of key=value; PID is the server's, for its CPU. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum {
    FRAME_BYTES = 32 * 1024,         /* of one frame, about */
    FRAMES = 8,                      /* of one write */
    AHEAD_BYTES = 24 * 1024 * 1024,  /* so far may the publisher be ahead of the reader */
    HEAD_MAX = 14,
};

static const unsigned char web_key[4] = {0x5a, 0x17, 0xc3, 0x88};

/* The payload of frames as it comes. */
typedef struct web {
    wire_conn conn;
    unsigned char head[HEAD_MAX];
    size_t head_len;
    uint64_t left; /* of the frame under way */
} web;

/* A frame of a client around `len` bytes; its bytes. */
static size_t web_frame(unsigned char *out, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    size_t at = 2;
    out[0] = 0x82;
    out[1] = (unsigned char)(0x80 | (len < 126 ? len : len < 65536 ? 126 : 127));
    size_t size = len < 126 ? 0 : len < 65536 ? 2 : 8;
    for (size_t i = 0; i < size; i++) out[at++] = (unsigned char)(len >> 8 * (size - 1 - i));
    memcpy(out + at, web_key, 4);
    at += 4;
    for (size_t i = 0; i < len; i++) out[at + i] = bytes[i] ^ web_key[i & 3];
    return at + len;
}

static void web_say(web *w, const char *text)
{
    unsigned char frame[1024];
    wire_send(&w->conn, frame, web_frame(frame, text, strlen(text)));
}

/* The next byte of a header; true: the header is whole. */
static int web_head(web *w, unsigned char byte)
{
    w->head[w->head_len++] = byte;
    if (w->head_len == 1 && byte != 0x82) wire_die("a frame begins with %02x", byte);
    if (w->head_len < 2) return 0;
    size_t size = w->head[1] == 127 ? 8 : w->head[1] == 126 ? 2 : 0;
    if (w->head_len < 2 + size) return 0;
    w->left = size ? 0 : w->head[1];
    for (size_t i = 0; i < size; i++) w->left = w->left << 8 | w->head[2 + i];
    w->head_len = 0;
    return 1;
}

/* Payload bytes among these, of which the last six stand in `tail`. */
static uint64_t web_take(web *w, const unsigned char *bytes, size_t len, char tail[6])
{
    uint64_t n = 0;
    for (size_t i = 0; i < len;) {
        if (w->left == 0) {
            web_head(w, bytes[i++]);
            continue;
        }
        size_t part = len - i < w->left ? len - i : (size_t)w->left;
        size_t last = part < 6 ? part : 6;
        memmove(tail, tail + last, 6 - last);
        memcpy(tail + 6 - last, bytes + i + part - last, last);
        w->left -= part;
        n += part;
        i += part;
    }
    return n;
}

/* Payload bytes up to a PONG that is the last that comes. */
static uint64_t web_await_pong(web *w)
{
    unsigned char bytes[4096];
    char tail[6] = "";
    uint64_t n = 0;
    do {
        ssize_t got = recv(w->conn.fd, bytes, sizeof bytes, 0);
        if (got <= 0) wire_die("the server closed the connection");
        n += web_take(w, bytes, (size_t)got, tail);
    } while (memcmp(tail, "PONG\r\n", 6) != 0);
    return n;
}

static void web_open(web *w, int port)
{
    *w = (web){.left = 0};
    if (!wire_try(&w->conn, port)) wire_die("nobody listens on port %d", port);
    wire_sendf(&w->conn, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Sec-WebSocket-Version: 13\r\n\r\n", port);
    if (strncmp(wire_line(&w->conn), "HTTP/1.1 101", 12) != 0) wire_die("no WebSocket there");
    while (wire_line(&w->conn)[0]) continue;
    char tail[6];
    web_take(w, (unsigned char *)w->conn.buf + w->conn.pos, w->conn.len, tail);
    web_say(w, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"protocol\":0,"
            "\"no_responders\":true,\"lang\":\"C\",\"name\":\"load\"}\r\nPING\r\n");
    web_await_pong(w);
}

/* ---- Messages ---- */

typedef struct load {
    size_t frame_len;          /* bytes of a message as it comes */
    size_t msgs, block_len;    /* in a frame; bytes of it */
    unsigned char *block;      /* FRAMES of them */
    uint64_t count;
    web pub, reader;
    atomic_uint_least64_t got; /* bytes */
} load;

static void load_prepare(load *l, size_t size, uint64_t count)
{
    char head[64];
    size_t head_len = (size_t)snprintf(head, sizeof head, "PUB bench %zu\r\n", size);
    size_t msg_len = head_len + size + 2;
    *l = (load){.msgs = FRAME_BYTES / msg_len + 1};
    l->frame_len = (size_t)snprintf(NULL, 0, "MSG bench 1 %zu\r\n", size) + size + 2;
    l->count = (count + l->msgs * FRAMES - 1) / (l->msgs * FRAMES) * (l->msgs * FRAMES);
    char *plain = wire_alloc(l->msgs * msg_len);
    for (size_t i = 0; i < l->msgs; i++) {
        char *p = plain + i * msg_len;
        memcpy(p, head, head_len);
        memset(p + head_len, 'x', size);
        memcpy(p + msg_len - 2, "\r\n", 2);
    }
    l->block = wire_alloc(FRAMES * (l->msgs * msg_len + HEAD_MAX));
    for (int i = 0; i < FRAMES; i++)
        l->block_len += web_frame(l->block + l->block_len, plain, l->msgs * msg_len);
    free(plain);
}

/* `heard` bytes of each message sent come back to a reader; 0: there is none. */
static void load_publish(load *l, size_t heard)
{
    for (uint64_t sent = 0; sent < l->count; sent += l->msgs * FRAMES) {
        while (heard && sent * heard > atomic_load(&l->got) + AHEAD_BYTES)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        wire_send(&l->pub.conn, l->block, l->block_len);
    }
}

static void load_report(const char *what, uint64_t count, int64_t wall_ns, int64_t cpu_ns)
{
    printf("%s count=%llu per_s=%.0f cpu_ns=%.1f\n", what, (unsigned long long)count,
           (double)count / ((double)wall_ns / 1e9), (double)cpu_ns / (double)count);
}

static void load_pub(int port, pid_t pid, size_t size, uint64_t count)
{
    load l;
    load_prepare(&l, size, count);
    web_open(&l.pub, port);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    load_publish(&l, 0);
    web_say(&l.pub, "PING\r\n");
    web_await_pong(&l.pub);
    load_report("pub", l.count, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    free(l.block);
}

static void *load_read(void *arg)
{
    static unsigned char bytes[256 * 1024];
    char tail[6];
    load *l = arg;
    while (atomic_load(&l->got) < l->count * l->frame_len) {
        ssize_t n = recv(l->reader.conn.fd, bytes, sizeof bytes, 0);
        if (n <= 0) wire_die("the server closed the reader");
        atomic_fetch_add(&l->got, web_take(&l->reader, bytes, (size_t)n, tail));
    }
    return NULL;
}

static void load_one(int port, pid_t pid, size_t size, uint64_t count)
{
    load l;
    pthread_t reader;
    load_prepare(&l, size, count);
    web_open(&l.reader, port);
    web_say(&l.reader, "SUB bench 1\r\nPING\r\n");
    web_await_pong(&l.reader);
    web_open(&l.pub, port);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    pthread_create(&reader, NULL, load_read, &l);
    load_publish(&l, l.frame_len);
    pthread_join(reader, NULL);
    load_report("one", l.count, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    /* A server may have put PINGs between: what is then neither was lost or invented. */
    web_say(&l.reader, "PING\r\n");
    uint64_t extra = atomic_load(&l.got) + web_await_pong(&l.reader) - l.count * l.frame_len;
    if (extra % 6 != 0 || extra > 60) wire_die("%llu bytes too many", (unsigned long long)extra);
    free(l.block);
}

int main(int argc, char **argv)
{
    if (argc != 6) wire_die("usage: loadgen_ws pub|one PORT PID SIZE COUNT");
    signal(SIGPIPE, SIG_IGN);
    int port = atoi(argv[2]);
    pid_t pid = (pid_t)atoi(argv[3]);
    size_t size = strtoul(argv[4], NULL, 10);
    uint64_t count = strtoull(argv[5], NULL, 10);
    if (strcmp(argv[1], "pub") == 0) load_pub(port, pid, size, count);
    else if (strcmp(argv[1], "one") == 0) load_one(port, pid, size, count);
    else wire_die("no mode %s", argv[1]);
    return 0;
}
