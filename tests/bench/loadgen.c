/* SPDX-License-Identifier: Apache-2.0 */
/* Load for a NATS server on loopback, from one thread and raw sockets. It must never be what
 * limits the figure: the publisher writes one prepared block again and again, and a receiver
 * knows how long its frames are, so it counts bytes and lets the kernel drop them uncopied
 * (MSG_TRUNC). That no message was lost is proved by the count at the end.
 *
 *     loadgen pub   PORT PID SIZE COUNT          publish to nobody
 *     loadgen fan   PORT PID SIZE COUNT READERS  publish to READERS connections
 *     loadgen echo  PORT PID SIZE COUNT          publish to oneself, one at a time
 *     loadgen match PORT PID SUBS COUNT          publish past SUBS literal subscriptions
 *     loadgen hit   PORT PID SUBS COUNT          publish to them, one message to one of them
 *     loadgen idle  PORT PID COUNT               hold connections until stdin ends
 *     loadgen start PROGRAM ARG...               spawn to first PONG; @PORT@ stands for a port
 *
 * Each prints one line of key=value; PID is the server's, for its CPU. */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES (256 * 1024)    /* of one write, about */
#define AHEAD_BYTES (24 * 1024 * 1024) /* so far may the publisher be ahead of a reader: less
                                          than servers allow to wait for one (64 MiB) */
#define READERS_MAX 1000

typedef struct load_block {
    char *data;      /* `msgs` equal frames */
    size_t msgs;
    size_t msg_len;  /* bytes of one */
} load_block;

typedef struct load_reader {
    wire_conn conn;
    uint64_t bytes;  /* received of messages */
} load_reader;

static void load_report(const char *what, uint64_t count, int64_t wall_ns, int64_t cpu_ns)
{
    printf("%s count=%llu wall_s=%.4f per_s=%.0f cpu_ns=%.1f\n", what, (unsigned long long)count,
           (double)wall_ns / 1e9, (double)count / ((double)wall_ns / 1e9),
           (double)cpu_ns / (double)count);
}

static load_block load_prepare(const char *subject, size_t size)
{
    char head[128];
    int head_len = snprintf(head, sizeof head, "PUB %s %zu\r\n", subject, size);
    load_block block = {.msg_len = (size_t)head_len + size + 2};
    block.msgs = BLOCK_BYTES / block.msg_len + 1;
    block.data = wire_alloc(block.msgs * block.msg_len);
    for (size_t i = 0; i < block.msgs; i++) {
        char *p = block.data + i * block.msg_len;
        memcpy(p, head, (size_t)head_len);
        memset(p + head_len, 'x', size);
        memcpy(p + block.msg_len - 2, "\r\n", 2);
    }
    return block;
}

static void load_pub(int port, pid_t pid, size_t size, uint64_t count)
{
    wire_conn conn;
    wire_open(&conn, port);
    load_block block = load_prepare("bench", size);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    for (uint64_t left = count; left > 0;) {
        uint64_t n = left < block.msgs ? left : block.msgs;
        wire_send(&conn, block.data, n * block.msg_len);
        left -= n;
    }
    wire_sync(&conn);
    load_report("pub", count, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    free(block.data);
}

/* ---- One publisher, many readers ---- */

typedef struct load_fan {
    load_reader *readers;
    size_t nreaders;
    size_t frame_len;        /* bytes of a message as a reader gets it */
    uint64_t total_bytes;    /* that each reader must get */
    load_block block;
    uint64_t sent_bytes, send_bytes; /* of the publisher: so far, and in all */
    wire_conn pub;
} load_fan;

/* Drop what waits at a reader. */
static void load_drain(load_reader *reader)
{
    for (int turn = 0; turn < 4; turn++) {
        ssize_t n = recv(reader->conn.fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT);
        if (n == 0) wire_die("the server closed a reader after %llu bytes",
                             (unsigned long long)reader->bytes);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) wire_die("recv: %s", strerror(errno));
        reader->bytes += (uint64_t)n;
    }
}

static uint64_t load_slowest(const load_fan *fan)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < fan->nreaders; i++)
        if (fan->readers[i].bytes < least) least = fan->readers[i].bytes;
    return least;
}

/* Whether the publisher may go on: something is left, and no reader is far behind. */
static int load_may_send(const load_fan *fan)
{
    if (fan->sent_bytes == fan->send_bytes) return 0;
    uint64_t out_bytes = fan->sent_bytes / fan->block.msg_len * fan->frame_len;
    return out_bytes < load_slowest(fan) + AHEAD_BYTES;
}

static void load_push(load_fan *fan)
{
    size_t block_len = fan->block.msgs * fan->block.msg_len;
    size_t at = fan->sent_bytes % block_len;
    uint64_t left = fan->send_bytes - fan->sent_bytes;
    size_t len = left < block_len - at ? left : block_len - at;
    ssize_t n = send(fan->pub.fd, fan->block.data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) wire_die("send: %s", strerror(errno));
    if (n > 0) fan->sent_bytes += (uint64_t)n;
}

static void load_fan_loop(load_fan *fan)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < fan->nreaders; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &fan->readers[i]};
        epoll_ctl(poller, EPOLL_CTL_ADD, fan->readers[i].conn.fd, &ev);
    }
    struct epoll_event out = {.events = EPOLLOUT, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, fan->pub.fd, &out);
    while (load_slowest(fan) < fan->total_bytes) {
        uint32_t want = load_may_send(fan) ? EPOLLOUT : 0;
        if (want != out.events) {
            out.events = want;
            epoll_ctl(poller, EPOLL_CTL_MOD, fan->pub.fd, &out);
        }
        struct epoll_event ready[64];
        int n = epoll_wait(poller, ready, 64, 30000);
        if (n == 0) wire_die("no byte came for 30 s");
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr != NULL)
                load_drain(ready[i].data.ptr);
            else
                load_push(fan);
        }
    }
    close(poller);
}

/* A server may have put PINGs between the messages: 6 bytes each. Read up to the PONG of a
 * last PING; what is then neither message nor PING was lost or invented. */
static void load_prove(load_fan *fan, load_reader *reader)
{
    wire_sendf(&reader->conn, "PING\r\n");
    uint64_t bytes = reader->bytes;
    char tail[6] = "";
    do {
        char byte;
        ssize_t n = recv(reader->conn.fd, &byte, 1, 0);
        if (n != 1) wire_die("a reader was closed at the end");
        memmove(tail, tail + 1, 5);
        tail[5] = byte;
        bytes++;
    } while (memcmp(tail, "PONG\r\n", 6) != 0);
    uint64_t extra = bytes - fan->total_bytes;
    if (bytes < fan->total_bytes || extra % 6 != 0 || extra > 60)
        wire_die("a reader got %llu bytes, not %llu", (unsigned long long)bytes,
                 (unsigned long long)fan->total_bytes);
}

static void load_run_fan(int port, pid_t pid, size_t size, uint64_t count, size_t nreaders)
{
    if (nreaders < 1 || nreaders > READERS_MAX) wire_die("1 to %d readers", READERS_MAX);
    load_fan fan = {.nreaders = nreaders, .block = load_prepare("bench", size)};
    fan.readers = wire_alloc(nreaders * sizeof *fan.readers);
    char head[64];
    fan.frame_len = (size_t)snprintf(head, sizeof head, "MSG bench 1 %zu\r\n", size) + size + 2;
    fan.total_bytes = count * fan.frame_len;
    fan.send_bytes = count * fan.block.msg_len;
    for (size_t i = 0; i < nreaders; i++) {
        fan.readers[i].bytes = 0;
        wire_open(&fan.readers[i].conn, port);
        wire_sendf(&fan.readers[i].conn, "SUB bench 1\r\n");
        wire_sync(&fan.readers[i].conn);
    }
    wire_open(&fan.pub, port);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    load_fan_loop(&fan);
    load_report("fan", count * nreaders, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    for (size_t i = 0; i < nreaders; i++) {
        load_prove(&fan, &fan.readers[i]);
        close(fan.readers[i].conn.fd);
    }
    close(fan.pub.fd);
    free(fan.readers);
    free(fan.block.data);
}

/* ---- The others ---- */

static int load_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void load_echo(int port, pid_t pid, size_t size, uint64_t count)
{
    wire_conn conn;
    wire_open(&conn, port);
    wire_sendf(&conn, "SUB bench 1\r\n");
    wire_sync(&conn);
    load_block block = load_prepare("bench", size);
    int64_t *taken_ns = wire_alloc(count * sizeof *taken_ns);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        int64_t sent_ns = wire_now_ns();
        wire_send(&conn, block.data, block.msg_len);
        while (strncmp(wire_line(&conn), "MSG ", 4) != 0)
            continue; /* a PING of the server */
        wire_take(&conn, NULL, size + 2);
        taken_ns[i] = wire_now_ns() - sent_ns;
    }
    int64_t wall = wire_now_ns() - start;
    qsort(taken_ns, count, sizeof *taken_ns, load_compare);
    printf("echo p50_us=%.1f p99_us=%.1f cpu_ns=%.1f wall_s=%.3f\n",
           (double)taken_ns[count / 2] / 1e3, (double)taken_ns[count * 99 / 100] / 1e3,
           (double)(wire_cpu_ns(pid) - cpu) / (double)count, (double)wall / 1e9);
    free(taken_ns);
    free(block.data);
}

/* Subjects of which nobody publishes two in a row: i of the sequence visits all of `subs`. */
static uint64_t load_pick(uint64_t i, uint64_t subs)
{
    return i * UINT64_C(2654435761) % subs;
}

static void load_subscribe_all(wire_conn *reader, uint64_t subs)
{
    char *text = wire_alloc(subs * 64);
    size_t len = 0;
    for (uint64_t i = 0; i < subs; i++)
        len += (size_t)sprintf(text + len, "SUB match.%07llu.on %07llu\r\n",
                               (unsigned long long)i, (unsigned long long)i);
    wire_send(reader, text, len);
    wire_sync(reader);
    free(text);
}

/* Messages of equal length, of which no two in a row have the same subject. With `off` in place of
 * `on` the whole subject is looked up and nothing is delivered. */
static load_block load_prepare_picks(uint64_t subs, uint64_t count, const char *last)
{
    load_block block = {.data = wire_alloc(count * 64), .msgs = count};
    for (uint64_t i = 0; i < count; i++)
        block.msg_len = (size_t)sprintf(block.data + i * block.msg_len,
                                        "PUB match.%07llu.%s 0\r\n\r\n",
                                        (unsigned long long)load_pick(i, subs), last);
    return block;
}

static void load_match(int port, pid_t pid, uint64_t subs, uint64_t count)
{
    wire_conn reader, pub;
    wire_open(&reader, port);
    load_subscribe_all(&reader, subs);
    wire_open(&pub, port);
    load_block block = load_prepare_picks(subs, count, "off");
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    wire_send(&pub, block.data, block.msgs * block.msg_len);
    wire_sync(&pub);
    load_report("match", count, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    free(block.data);
}

static void load_hit(int port, pid_t pid, uint64_t subs, uint64_t count)
{
    static const char frame[] = "MSG match.0000000.on 0000000 0\r\n\r\n";
    load_reader reader = {.bytes = 0};
    wire_open(&reader.conn, port);
    load_subscribe_all(&reader.conn, subs);
    load_fan fan = {.readers = &reader, .nreaders = 1, .frame_len = sizeof frame - 1,
                    .total_bytes = count * (sizeof frame - 1),
                    .block = load_prepare_picks(subs, count, "on")};
    fan.send_bytes = count * fan.block.msg_len;
    wire_open(&fan.pub, port);
    int64_t cpu = wire_cpu_ns(pid), start = wire_now_ns();
    load_fan_loop(&fan);
    load_report("hit", count, wire_now_ns() - start, wire_cpu_ns(pid) - cpu);
    load_prove(&fan, &reader);
    free(fan.block.data);
}

static void load_idle(int port, pid_t pid, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        wire_conn conn; /* the descriptor stays open when this goes */
        wire_open(&conn, port);
    }
    printf("idle conns=%llu cpu_ns=%lld\n", (unsigned long long)count, (long long)wire_cpu_ns(pid));
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        continue;
}

static int load_free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof addr;
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        wire_die("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(addr.sin_port);
}

/* posix_spawn() neither copies nor shares this process for longer than the exec takes. */
static pid_t load_spawn(char **argv)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t pid;
    int rc = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    if (rc != 0) wire_die("%s: %s", argv[0], strerror(rc));
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* From before the process exists to the PONG on the first connection that it takes. What this
 * program adds, to each server alike: up to one pause of 10 us (without the kernel's usual slack
 * of 50 us, which the server itself keeps) between two tries to connect, and, where the kernel
 * puts both on one core, the time that the tries take, about 20 us each. */
static void load_start(char **argv)
{
    int port = load_free_port();
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    for (char **arg = argv; *arg != NULL; arg++)
        if (strcmp(*arg, "@PORT@") == 0) *arg = text;
    int64_t start = wire_now_ns();
    pid_t pid = load_spawn(argv);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    wire_conn conn;
    while (!wire_try(&conn, port)) {
        if (waitpid(pid, NULL, WNOHANG) == pid) wire_die("%s ended at once", argv[0]);
        if (wire_now_ns() - start > INT64_C(10000000000)) wire_die("%s does not listen", argv[0]);
        nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
    }
    wire_greet(&conn);
    printf("start ms=%.3f\n", (double)(wire_now_ns() - start) / 1e6);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "start") == 0) {
        load_start(argv + 2);
        return 0;
    }
    if (argc < 5)
        wire_die("usage: loadgen pub|fan|echo|match|hit|idle PORT PID SIZE [COUNT [READERS]]");
    const char *mode = argv[1];
    int port = atoi(argv[2]);
    pid_t pid = (pid_t)atoi(argv[3]);
    uint64_t first = strtoull(argv[4], NULL, 10);
    uint64_t count = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    uint64_t readers = argc > 6 ? strtoull(argv[6], NULL, 10) : 1;
    if (strcmp(mode, "idle") == 0)
        load_idle(port, pid, first);
    else if (count == 0)
        wire_die("%s needs a count", mode);
    else if (strcmp(mode, "pub") == 0)
        load_pub(port, pid, first, count);
    else if (strcmp(mode, "fan") == 0)
        load_run_fan(port, pid, first, count, readers);
    else if (strcmp(mode, "echo") == 0)
        load_echo(port, pid, first, count);
    else if (strcmp(mode, "match") == 0)
        load_match(port, pid, first, count);
    else if (strcmp(mode, "hit") == 0)
        load_hit(port, pid, first, count);
    else
        wire_die("no mode %s", mode);
    return 0;
}
