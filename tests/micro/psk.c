/* SPDX-License-Identifier: Apache-2.0 */
/* psk HOST:PORT KEY NAME [first] [BYTES]: the client for firmware with a key that is shared, at a
 * server: messages of all sizes go there and back, and a stream stores one. BYTES: its wire takes
 * so many in a call, and every other time none. */
#include <stdio.h>

#include "socket_wire.h"

enum { ROUNDS = 300, LARGEST = 900 };

static _Alignas(8) char arena[64 * 1024];
static int came;

static void check(int rc, const char *what)
{
    if (rc >= 0) return;
    printf("%s: %s: %s\n", what, rill_errname(rc), rill_errmsg());
    exit(1);
}

static void hear(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    size_t want = (size_t)came * 7 % LARGEST;
    for (size_t i = 0; i < m->data.len; i++)
        if (m->data.ptr[i] != (char)('a' + came % 26)) came = -ROUNDS;
    came = m->data.len == want ? came + 1 : -ROUNDS;
}

int main(int argc, char **argv)
{
    char url[128], data[LARGEST];
    if (argc < 4) return 2;
    bool first = argc > 4 && strcmp(argv[4], "first") == 0;
    if (argc > 4 && !first) socket_most = (size_t)atoi(argv[4]);
    snprintf(url, sizeof url, "nats://%s", argv[1]);
    const rill_memory memory = {.size = sizeof memory, .arena = arena, .arena_bytes = sizeof arena};
    const rill_tls tls = {.size = sizeof tls, .psk = argv[2], .psk_identity = argv[3],
                          .handshake_first = first};
    rill_bus *bus;
    rill_sub *sub;
    check(rill_open(&bus, url, RILL_OPTS(rill_opts, .host = &socket_host,
                    .drive = RILL_DRIVE_HOST, .dial = socket_dial, .memory = &memory,
                    .tls = &tls, .call_timeout_ms = 20000)), "open");
    check(rill_subscribe(bus, &sub, "there.and.back", RILL_OPTS(rill_sub_opts, .on_msg = hear)),
          "subscribe");
    for (int i = 0; i < ROUNDS; i++) {
        memset(data, 'a' + i % 26, sizeof data);
        int rc = RILL_EAGAIN;
        for (int tries = 0; rc == RILL_EAGAIN && tries < 10000; tries++) {
            rc = rill_publish(bus, "there.and.back", data, (size_t)i * 7 % LARGEST, NULL);
            if (rc == RILL_EAGAIN || i % 4 == 0) check(rill_poll(bus, 1), "poll");
        }
        check(rc, "publish");
    }
    check(rill_flush(bus, 50000), "flush");
    for (int64_t end = host_now(NULL) + INT64_C(50000000000); came < ROUNDS && came >= 0;)
        check(host_now(NULL) < end ? rill_poll(bus, 100) : RILL_ETIMEDOUT, "the last one");
    if (came != ROUNDS) check(RILL_EPROTO, "messages came otherwise than they went");
    check(rill_stream_ensure(bus, "S", NULL), "stream");
    check(rill_append(bus, "S", "x", 1, NULL, NULL, 50000), "append");
    check(rill_close(bus, 20000), "close");
    printf("%d messages, there and back\n", came);
}
