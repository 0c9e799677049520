/* SPDX-License-Identifier: Apache-2.0 */
/* Load for a NATS server that wants TLS behind INFO, on loopback, by OpenSSL. Publisher and reader
 * have a thread each, and OpenSSL costs them what it costs any server: judge by the server's CPU
 * where there are fewer than three cores.
 *
 *     loadgen_tls pub    PORT PID CA SIZE COUNT     publish to nobody
 *     loadgen_tls one    PORT PID CA SIZE COUNT     publish to one reader
 *     loadgen_tls full   PORT PID CA COUNT          connect, handshake, log in, PONG, close
 *     loadgen_tls again  PORT PID CA COUNT          the same, each by the session of the one before
 *     loadgen_tls idle   PORT PID CA COUNT          hold connections until stdin ends
 *     loadgen_tls beside PORT PID CA COUNT          PING by PING beside COUNT handshakes at once
 *
 * Each prints one line of key=value; PID is the server's, for its CPU; CA the certificate that has
 * signed the server's. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

enum {
    BLOCK_BYTES = 256 * 1024,        /* of one write, about */
    AHEAD_BYTES = 24 * 1024 * 1024,  /* so far may the publisher be ahead of the reader */
    BYSTAND_MAX = 1000 * 1000,
};

typedef struct secure {
    wire_conn plain;
    SSL *ssl;
} secure;

static SSL_CTX *secure_ctx;
static SSL_SESSION *secure_session; /* the last */
static int secure_port;

static int secure_on_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(secure_session);
    secure_session = session;
    return 1;
}

static void secure_init(const char *ca)
{
    secure_ctx = SSL_CTX_new(TLS_client_method());
    if (!secure_ctx || SSL_CTX_load_verify_locations(secure_ctx, ca, NULL) != 1)
        wire_die("%s cannot be read", ca);
    SSL_CTX_set_verify(secure_ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_ciphersuites(secure_ctx, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_session_cache_mode(secure_ctx, SSL_SESS_CACHE_CLIENT |
                                                   SSL_SESS_CACHE_NO_INTERNAL);
}

/* Dialled, and behind INFO, which has come. */
static void secure_dial(secure *s)
{
    if (!wire_try(&s->plain, secure_port))
        wire_die("connect to port %d: %s", secure_port, strerror(errno));
    if (strncmp(wire_line(&s->plain), "INFO ", 5) != 0)
        wire_die("the server did not begin with INFO");
    s->ssl = SSL_new(secure_ctx);
    if (!s->ssl || SSL_set_fd(s->ssl, s->plain.fd) != 1 || SSL_set1_host(s->ssl, "localhost") != 1)
        wire_die("no memory for TLS");
    SSL_set_connect_state(s->ssl);
}

static void secure_write(secure *s, const void *bytes, size_t len)
{
    if (SSL_write(s->ssl, bytes, (int)len) != (int)len) wire_die("the server took no more");
}

static void secure_say(secure *s, const char *text)
{
    secure_write(s, text, strlen(text));
}

/* Bytes up to those that end in PONG. */
static size_t secure_await_pong(secure *s)
{
    char byte, tail[6] = "";
    size_t n = 0;
    do {
        if (SSL_read(s->ssl, &byte, 1) != 1) wire_die("the server closed the connection");
        memmove(tail, tail + 1, 5);
        tail[5] = byte;
        n++;
    } while (memcmp(tail, "PONG\r\n", 6) != 0);
    return n;
}

static void secure_greet(secure *s)
{
    secure_say(s, "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"protocol\":0,"
                  "\"no_responders\":true,\"lang\":\"C\",\"name\":\"load\"}\r\nPING\r\n");
    secure_await_pong(s);
}

static void secure_open(secure *s)
{
    secure_dial(s);
    if (SSL_do_handshake(s->ssl) != 1) wire_die("the handshake failed");
    secure_greet(s);
}

static void secure_close(secure *s)
{
    SSL_shutdown(s->ssl);
    SSL_free(s->ssl);
    close(s->plain.fd);
}

/* ---- Messages ---- */

typedef struct load {
    size_t msg_len, frame_len;   /* bytes of a message as it is sent, and as it comes */
    size_t msgs;                 /* in a block */
    char *block;
    uint64_t count;
    secure pub, reader;
    atomic_uint_least64_t got;   /* bytes */
} load;

static void load_prepare(load *l, size_t size, uint64_t count)
{
    char head[64];
    size_t head_len = (size_t)snprintf(head, sizeof head, "PUB bench %zu\r\n", size);
    *l = (load){.msg_len = head_len + size + 2, .count = count};
    l->frame_len = (size_t)snprintf(NULL, 0, "MSG bench 1 %zu\r\n", size) + size + 2;
    l->msgs = BLOCK_BYTES / l->msg_len + 1;
    l->block = wire_alloc(l->msgs * l->msg_len);
    for (size_t i = 0; i < l->msgs; i++) {
        char *p = l->block + i * l->msg_len;
        memcpy(p, head, head_len);
        memset(p + head_len, 'x', size);
        memcpy(p + l->msg_len - 2, "\r\n", 2);
    }
}

/* `heard` bytes of each message sent come back to a reader; 0: there is none. */
static void load_publish(load *l, size_t heard)
{
    uint64_t sent = 0;
    while (sent < l->count) {
        uint64_t n = l->count - sent < l->msgs ? l->count - sent : l->msgs;
        while (heard && sent * heard > atomic_load(&l->got) + AHEAD_BYTES)
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        secure_write(&l->pub, l->block, n * l->msg_len);
        sent += n;
    }
}

static void load_report(const char *what, uint64_t count, int64_t wall_ns, int64_t cpu_ns)
{
    printf("%s count=%llu per_s=%.0f cpu_ns=%.1f\n", what, (unsigned long long)count,
           (double)count / ((double)wall_ns / 1e9), (double)cpu_ns / (double)count);
}

static void load_pub(pid_t pid, size_t size, uint64_t count)
{
    load l;
    load_prepare(&l, size, count);
    secure_open(&l.pub);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    load_publish(&l, 0);
    secure_say(&l.pub, "PING\r\n");
    secure_await_pong(&l.pub);
    load_report("pub", count, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    secure_close(&l.pub);
    free(l.block);
}

static void *load_read(void *arg)
{
    static char dropped[64 * 1024];
    load *l = arg;
    while (atomic_load(&l->got) < l->count * l->frame_len) {
        int n = SSL_read(l->reader.ssl, dropped, sizeof dropped);
        if (n <= 0) wire_die("the server closed the reader");
        atomic_fetch_add(&l->got, (uint64_t)n);
    }
    return NULL;
}

static void load_one(pid_t pid, size_t size, uint64_t count)
{
    load l;
    pthread_t reader;
    load_prepare(&l, size, count);
    secure_open(&l.reader);
    secure_say(&l.reader, "SUB bench 1\r\nPING\r\n");
    secure_await_pong(&l.reader);
    secure_open(&l.pub);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    pthread_create(&reader, NULL, load_read, &l);
    load_publish(&l, l.frame_len);
    pthread_join(reader, NULL);
    load_report("one", count, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    /* A server may have put PINGs between: what is then neither was lost or invented. */
    secure_say(&l.reader, "PING\r\n");
    uint64_t extra = atomic_load(&l.got) + secure_await_pong(&l.reader) - count * l.frame_len;
    if (extra % 6 != 0 || extra > 60) wire_die("%llu bytes too many", (unsigned long long)extra);
    secure_close(&l.pub);
    secure_close(&l.reader);
    free(l.block);
}

/* ---- Handshakes ---- */

static void load_shake(pid_t pid, uint64_t count, int again)
{
    secure s;
    uint64_t resumed = 0;
    if (again) SSL_CTX_sess_set_new_cb(secure_ctx, secure_on_session);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        secure_dial(&s);
        if (secure_session) SSL_set_session(s.ssl, secure_session);
        if (SSL_do_handshake(s.ssl) != 1) wire_die("the handshake failed");
        secure_greet(&s);
        resumed += SSL_session_reused(s.ssl) != 0;
        secure_close(&s);
    }
    load_report(again ? "again" : "full", count, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    if (again && resumed + 1 < count) wire_die("only %llu resumed", (unsigned long long)resumed);
}

static void load_idle(uint64_t count)
{
    secure s;
    for (uint64_t i = 0; i < count; i++) secure_open(&s); /* stays open when `s` goes */
    printf("idle conns=%llu\n", (unsigned long long)count);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) continue;
}

typedef struct flood {
    uint64_t count;
    int64_t wall_ns;
    atomic_int over;
} flood;

/* All dial first, and then all handshakes are under way together. */
static void *load_flood(void *arg)
{
    flood *f = arg;
    secure *all = wire_alloc(f->count * sizeof *all);
    struct pollfd *polls = wire_alloc(f->count * sizeof *polls);
    for (uint64_t i = 0; i < f->count; i++) {
        secure_dial(&all[i]);
        wire_nonblocking(&all[i].plain);
        polls[i] = (struct pollfd){.fd = all[i].plain.fd, .events = POLLIN, .revents = POLLIN};
    }
    int64_t start = wire_now_ns();
    for (uint64_t left = f->count; left > 0;) {
        for (uint64_t i = 0; i < f->count; i++) {
            if (polls[i].fd < 0 || !polls[i].revents) continue;
            int rc = SSL_do_handshake(all[i].ssl);
            if (rc != 1 && SSL_get_error(all[i].ssl, rc) == SSL_ERROR_WANT_READ) continue;
            if (rc != 1) wire_die("a handshake of many failed");
            polls[i].fd = -1;
            left--;
        }
        if (left && poll(polls, f->count, 30000) <= 0) wire_die("no handshake went on for 30 s");
    }
    f->wall_ns = wire_now_ns() - start;
    atomic_store(&f->over, 1);
    for (uint64_t i = 0; i < f->count; i++) secure_close(&all[i]);
    free(all);
    free(polls);
    return NULL;
}

static int load_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void load_beside(pid_t pid, uint64_t count)
{
    secure s;
    pthread_t thread;
    flood f = {.count = count};
    int64_t *trips = wire_alloc(BYSTAND_MAX * sizeof *trips);
    size_t n = 0;
    secure_open(&s);
    int64_t cpu = wire_cpu_ns(pid);
    pthread_create(&thread, NULL, load_flood, &f);
    while (!atomic_load(&f.over) && n < BYSTAND_MAX) {
        int64_t sent_ns = wire_now_ns();
        secure_say(&s, "PING\r\n");
        secure_await_pong(&s);
        trips[n++] = wire_now_ns() - sent_ns;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    pthread_join(thread, NULL);
    qsort(trips, n, sizeof *trips, load_compare);
    printf("beside pings=%zu p50_us=%.0f p99_us=%.0f max_us=%.0f per_s=%.0f cpu_ns=%.0f\n", n,
           (double)trips[n / 2] / 1e3, (double)trips[n * 99 / 100] / 1e3,
           (double)trips[n - 1] / 1e3, (double)count / ((double)f.wall_ns / 1e9),
           (double)(wire_cpu_ns(pid) - cpu) / (double)count);
    free(trips);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        wire_die("usage: loadgen_tls pub|one|full|again|idle|beside PORT PID CA [SIZE] COUNT");
    signal(SIGPIPE, SIG_IGN);
    const char *mode = argv[1];
    pid_t pid = (pid_t)atoi(argv[3]);
    uint64_t first = strtoull(argv[5], NULL, 10);
    uint64_t count = argc > 6 ? strtoull(argv[6], NULL, 10) : first;
    if (count == 0) wire_die("%s needs a count", mode);
    secure_port = atoi(argv[2]);
    secure_init(argv[4]);
    if (strcmp(mode, "pub") == 0) load_pub(pid, first, count);
    else if (strcmp(mode, "one") == 0) load_one(pid, first, count);
    else if (strcmp(mode, "full") == 0) load_shake(pid, count, 0);
    else if (strcmp(mode, "again") == 0) load_shake(pid, count, 1);
    else if (strcmp(mode, "idle") == 0) load_idle(count);
    else if (strcmp(mode, "beside") == 0) load_beside(pid, count);
    else wire_die("no mode %s", mode);
    return 0;
}
