/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of 128 B within a process, from a publish to a callback inside of it, in nanoseconds:
 * one program of two libraries, that of this machine and that for firmware (MICRO), which micro.py
 * compares. */
#include "rill.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGES = 3000000, SIZE = 128 };

static char payload[SIZE];

static void micro_check(int rc, const char *what)
{
    if (rc < 0) wire_die("%s: %s", what, rill_errmsg());
}

static void micro_count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    *(uint64_t *)arg += m->data.len;
}

#ifdef MICRO
static int64_t micro_now(void *arg)
{
    (void)arg;
    return wire_now_ns();
}

static void micro_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 7, len);
}
#endif

int main(void)
{
    rill_bus *bus;
    rill_sub *sub;
    uint64_t bytes = 0;
#ifdef MICRO
    static _Alignas(8) char arena[65536];
    const rill_host host = {.size = sizeof host, .mono_ns = micro_now, .entropy = micro_entropy};
    const rill_memory memory = {.size = sizeof memory, .arena = arena, .arena_bytes = sizeof arena};
    micro_check(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .host = &host, .memory = &memory,
                                                  .drive = RILL_DRIVE_HOST)), "open");
#else
    micro_check(rill_open(&bus, "mem:", NULL), "open");
#endif
    micro_check(rill_subscribe(bus, &sub, "bench.inproc",
                               RILL_OPTS(rill_sub_opts, .on_msg = micro_count, .arg = &bytes,
                                         .on_publisher = true)), "subscribe");
    int64_t start = wire_now_ns();
    for (int i = 0; i < MESSAGES; i++)
        micro_check(rill_publish(bus, "bench.inproc", payload, SIZE, NULL), "publish");
    double ns = (double)(wire_now_ns() - start) / MESSAGES;
    if (bytes != (uint64_t)MESSAGES * SIZE) wire_die("messages were lost");
    printf("%.2f\n", ns);
    rill_sub_close(sub);
    rill_close(bus, 1000);
    return 0;
}
