/* SPDX-License-Identifier: Apache-2.0 */
/* Stored messages from within the program that has the broker: what linking buys.
 *
 *     bench_append DIR always|lazy SIZE COUNT WINDOW
 *
 * One thread appends to a stream in DIR over a hundred subjects, with WINDOW of them under way
 * (rill_append_async), or one at a time (WINDOW 1, rill_append). All must be there in the end.
 * Prints the line that loadgen_js prints; the CPU is the whole program's. */
#include "rill.h"
#include "wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUBJECTS = 100 };

typedef struct append_load {
    atomic_ullong stored;
    atomic_ullong wanted; /* so many wake the thread that appends */
    pthread_mutex_t lock;
    pthread_cond_t enough;
} append_load;

static void append_check(int rc, const char *what)
{
    if (rc < 0) wire_die("%s: %s", what, rill_errmsg());
}

static void append_stored(int err, const rill_receipt *receipt, void *arg)
{
    append_load *load = arg;
    (void)receipt;
    append_check(err, "append");
    if (atomic_fetch_add(&load->stored, 1) + 1 != atomic_load(&load->wanted)) return;
    pthread_mutex_lock(&load->lock);
    pthread_cond_signal(&load->enough);
    pthread_mutex_unlock(&load->lock);
}

static void append_await(append_load *load, unsigned long long wanted)
{
    pthread_mutex_lock(&load->lock);
    atomic_store(&load->wanted, wanted);
    while (atomic_load(&load->stored) < wanted) pthread_cond_wait(&load->enough, &load->lock);
    pthread_mutex_unlock(&load->lock);
}

static void append_window(rill_bus *bus, const char *data, size_t size, uint64_t count,
                          uint64_t window)
{
    append_load load = {.lock = PTHREAD_MUTEX_INITIALIZER, .enough = PTHREAD_COND_INITIALIZER};
    char subject[16];
    for (uint64_t i = 0; i < count; i++) {
        if (i - atomic_load(&load.stored) >= window) append_await(&load, i - window / 2);
        snprintf(subject, sizeof subject, "js.%02d", (int)(i % SUBJECTS));
        append_check(rill_append_async(bus, subject, data, size, NULL, append_stored, &load),
                     "append");
    }
    append_await(&load, count);
}

static void append_one_by_one(rill_bus *bus, const char *data, size_t size, uint64_t count)
{
    char subject[16];
    for (uint64_t i = 0; i < count; i++) {
        snprintf(subject, sizeof subject, "js.%02d", (int)(i % SUBJECTS));
        append_check(rill_append(bus, subject, data, size, NULL, NULL, 10000), "append");
    }
}

int main(int argc, char **argv)
{
    if (argc != 6) wire_die("usage: bench_append DIR always|lazy SIZE COUNT WINDOW");
    size_t size = strtoull(argv[3], NULL, 10);
    uint64_t count = strtoull(argv[4], NULL, 10), window = strtoull(argv[5], NULL, 10);
    if (size == 0 || count == 0 || window == 0) wire_die("zero is no amount");
    char url[4096], *data = wire_alloc(size);
    memset(data, 'x', size);
    snprintf(url, sizeof url, "file:%s", argv[1]);
    bool lazy = strcmp(argv[2], "lazy") == 0; /* as nats-server: a sync each two minutes */
    rill_bus *bus;
    append_check(rill_open(&bus, url, RILL_OPTS(rill_opts, .sync = lazy ? RILL_SYNC_LAZY
                                                                        : RILL_SYNC_ALWAYS,
                                                .sync_interval_ms = lazy ? 120000 : 0)), "open");
    append_check(rill_stream_ensure(bus, "B", RILL_OPTS(rill_stream_opts, .subjects = "js.>")),
                 "stream");
    int64_t cpu = wire_cpu_ns(getpid()), start = wire_now_ns();
    if (window > 1) append_window(bus, data, size, count, window);
    else append_one_by_one(bus, data, size, count);
    int64_t end = wire_now_ns();
    printf("append count=%llu wall_s=%.4f per_s=%.0f cpu_ns=%.1f\n", (unsigned long long)count,
           (double)(end - start) / 1e9, (double)count * 1e9 / (double)(end - start),
           (double)(wire_cpu_ns(getpid()) - cpu) / (double)count);
    rill_stream_info info = {.size = sizeof info};
    append_check(rill_stream_status(bus, "B", &info), "status");
    if (info.msgs != count) wire_die("the stream holds %llu", (unsigned long long)info.msgs);
    append_check(rill_close(bus, 10000), "close");
    free(data);
    return 0;
}
