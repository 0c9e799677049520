/* SPDX-License-Identifier: Apache-2.0 */
#include "peers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 8192,      /* messages that one byte of credit is for */
    AHEAD = 8,         /* chunks that the source may be ahead */
};

char peers_data[PEERS_SIZE];

static int64_t began_ns, began_cpu_ns;
static int credit = -1; /* written to: a byte for each chunk that has come */
static long chunks_told;

static int64_t peers_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void peers_begin(void)
{
    began_ns = wire_now_ns();
    began_cpu_ns = peers_cpu_ns();
}

void peers_end(long count)
{
    double cpu_ns = (double)(peers_cpu_ns() - began_cpu_ns);
    double wall_ns = (double)(wire_now_ns() - began_ns);
    printf("count=%ld wall_per_s=%.0f per_s=%.0f cpu_ns=%.1f\n", count,
           (double)count / wall_ns * 1e9, (double)count / cpu_ns * 1e9, cpu_ns / (double)count);
}

peers_place peers_place_of(const char *url)
{
    peers_place at;
    if (sscanf(url, "kafka://%127[^#]#%63s", at.broker, at.topic) != 2)
        wire_die("%s: not kafka://HOST:PORT#TOPIC", url);
    return at;
}

/* ---- The other side ---- */

static int port_of(const char *url)
{
    const char *colon = strrchr(url, ':');
    int port = colon ? atoi(colon + 1) : 0;
    if (port <= 0) wire_die("%s: no port", url);
    return port;
}

/* In another process, which ends with this one: true there. `told` is the descriptor that tells it
 * something, in whose process; the child says by `ready` when it is. */
static int peers_fork(int *told, int ready[2])
{
    int down[2];
    if (pipe(down) < 0 || pipe(ready) < 0) wire_die("pipe: %s", strerror(errno));
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) wire_die("fork: %s", strerror(errno));
    close(down[pid ? 0 : 1]);
    close(ready[pid ? 1 : 0]);
    *told = down[pid ? 1 : 0];
    if (pid) return 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    return 1;
}

static void peers_say(int fd)
{
    if (write(fd, "x", 1) != 1) wire_die("the other process has ended");
}

static void peers_hear(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 1) wire_die("the other process has ended");
}

static _Noreturn void source_run(int port, long count, int told)
{
    static char chunk[CHUNK * (PEERS_SIZE + 64)];
    size_t len = 0, frame = 0;
    for (int i = 0; i < CHUNK; i++) {
        frame = (size_t)sprintf(chunk + len, "PUB %s %d\r\n", PEERS_SUBJECT, PEERS_SIZE);
        memset(chunk + len + frame, 'x', PEERS_SIZE);
        memcpy(chunk + len + frame + PEERS_SIZE, "\r\n", 2);
        frame += PEERS_SIZE + 2;
        len += frame;
    }
    wire_conn conn;
    wire_open(&conn, port);
    for (long left = count; left > 0; left -= CHUNK) {
        peers_hear(told);
        wire_send(&conn, chunk, frame * (size_t)(left < CHUNK ? left : CHUNK));
    }
    wire_sync(&conn);
    exit(0);
}

void peers_source(const char *url, long count)
{
    int told, ready[2];
    if (peers_fork(&told, ready)) source_run(port_of(url), count, told);
    credit = told;
    signal(SIGPIPE, SIG_IGN); /* it ends when it has sent all */
}

void peers_came(long count)
{
    for (; chunks_told < AHEAD + count / CHUNK; chunks_told++)
        if (write(credit, "x", 1) != 1 && errno != EPIPE) wire_die("credit: %s", strerror(errno));
}

static void echo_answer(wire_conn *conn, const char *line)
{
    char reply[256], data[PEERS_SIZE + 2];
    size_t size;
    if (sscanf(line, "MSG %*s %*s %255s %zu", reply, &size) != 2 || size > PEERS_SIZE)
        wire_die("not a request: %s", line);
    wire_take(conn, data, size + 2);
    char out[512 + PEERS_SIZE];
    size_t len = (size_t)snprintf(out, 512, "PUB %s %zu\r\n", reply, size);
    memcpy(out + len, data, size + 2);
    wire_send(conn, out, len + size + 2);
}

static _Noreturn void echo_run(int port, int ready)
{
    wire_conn conn;
    wire_open(&conn, port);
    wire_sendf(&conn, "SUB %s 1\r\n", PEERS_ECHO);
    wire_sync(&conn);
    peers_say(ready);
    for (;;) {
        const char *line = wire_line(&conn);
        if (strcmp(line, "PING") == 0) wire_sendf(&conn, "PONG\r\n");
        else if (strncmp(line, "MSG ", 4) == 0) echo_answer(&conn, line);
    }
}

void peers_echo(const char *url)
{
    int told, ready[2];
    if (peers_fork(&told, ready)) echo_run(port_of(url), ready[1]);
    peers_hear(ready[0]);
}

/* ---- Memory ---- */

peers_size peers_measure(void)
{
    peers_size size = {0};
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    if (!file) wire_die("/proc/self/status: %s", strerror(errno));
    while (fgets(line, sizeof line, file)) {
        sscanf(line, "RssAnon: %ld", &size.kib);
        sscanf(line, "Threads: %ld", &size.threads);
    }
    fclose(file);
    return size;
}

void peers_report_idle(const peers_size sizes[3], long count)
{
    printf("first_kib=%ld each_kib=%.2f first_threads=%ld each_threads=%.2f\n",
           sizes[1].kib - sizes[0].kib, (double)(sizes[2].kib - sizes[1].kib) / (double)count,
           sizes[1].threads - sizes[0].threads,
           (double)(sizes[2].threads - sizes[1].threads) / (double)count);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        puts(peers_version());
        return 0;
    }
    if (argc != 4 || atol(argv[3]) < 1) wire_die("usage: %s WORK URL COUNT", argv[0]);
    memset(peers_data, 'x', sizeof peers_data);
    for (const peers_work *work = peers_works; work->name; work++) {
        if (strcmp(work->name, argv[1]) != 0) continue;
        work->run(argv[2], atol(argv[3]));
        return 0;
    }
    wire_die("%s: no such work", argv[1]);
}
