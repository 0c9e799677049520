/* SPDX-License-Identifier: Apache-2.0 */
/* What a publish and a delivery of 32 bytes cost, in instructions: for QEMU with -icount shift=0,
 * whose clock is one nanosecond an instruction, so that a tick of 25 MHz is 40 of them. The server
 * is in memory: what it is sent is thrown away, and what it has to say is ready. */
#include "board.h"
#include "rill.h"

#include <string.h>

enum { ROUNDS = 1000, INSTRUCTIONS = 40 }; /* a tick */

static _Alignas(8) char arena[24 * 1024];
static const char hello[] = "INFO {\"server_id\":\"X\",\"headers\":true,"
                            "\"max_payload\":1048576}\r\n"
                            "PONG\r\n";
static const char message[] = "MSG sensors.kitchen.celsius 2 32\r\n"
                              "0123456789abcdef0123456789abcdef\r\n";
static size_t hello_at, message_at, messages;
static uint32_t came, nap;

static int64_t memory_read(void *arg, void *buf, size_t len)
{
    (void)arg;
    const char *from = hello_at < sizeof hello - 1 ? hello : message;
    size_t *at = from == hello ? &hello_at : &message_at;
    size_t size = (from == hello ? sizeof hello : sizeof message) - 1;
    if (from == message && messages == 0) return RILL_EAGAIN;
    size_t n = size - *at < len ? size - *at : len;
    memcpy(buf, from + *at, n);
    *at += n;
    if (from == message && *at == size) {
        message_at = 0;
        messages--;
    }
    return (int64_t)n;
}

static int64_t memory_write(void *arg, const void *buf, size_t len)
{
    (void)arg;
    (void)buf;
    return (int64_t)len;
}

static void memory_close(void *arg)
{
    (void)arg;
}

static int memory_dial(rill_wire **wire, const char *address, void *arg)
{
    static const rill_wire_ops ops = {sizeof ops, memory_read, memory_write, memory_close, NULL};
    (void)address;
    (void)arg;
    return rill_wire_new(wire, &ops, NULL, NULL);
}

static int64_t now(void *arg)
{
    (void)arg;
    return nap += 1000;
}

static void entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    board_random(out, len);
}

static void count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    came += m->data.len == 32;
}

static void say(const char *what, uint32_t ticks)
{
    board_print(what);
    board_print_number((uint32_t)((uint64_t)ticks * INSTRUCTIONS / ROUNDS));
    board_print(" instructions\n");
}

static void check(bool holds, const char *what)
{
    if (holds) return;
    board_print(what);
    board_print(": ");
    board_print(rill_errmsg());
    board_print("\n");
    board_exit(1);
}

/* A publish, and what follows it until its message, or another, has been handed out. */
static uint32_t rounds(rill_bus *bus, bool server)
{
    board_ticks_begin();
    uint32_t from = board_ticks();
    came = 0;
    for (int i = 0; i < ROUNDS; i++) {
        check(rill_publish(bus, "sensors.kitchen.celsius", message + 34, 32, NULL) == RILL_OK,
              "publish");
        messages += server;
        check(rill_poll(bus, 0) >= 0, "poll");
    }
    uint32_t ticks = (from - board_ticks()) & 0xffffff;
    check(came == ROUNDS, "messages were lost");
    return ticks;
}

static void measure(const char *url, bool server, const char *what)
{
    const rill_host host = {.size = sizeof host, .mono_ns = now, .entropy = entropy};
    const rill_memory memory = {.size = sizeof memory, .arena = arena, .arena_bytes = sizeof arena,
                                .max_subs = 4, .max_pending = 8, .max_calls = 4,
                                .max_msg_bytes = 512};
    rill_bus *bus;
    rill_sub *sub;
    check(rill_open(&bus, url, RILL_OPTS(rill_opts, .host = &host, .drive = RILL_DRIVE_HOST,
                                         .dial = memory_dial, .memory = &memory)) == RILL_OK,
                                             "open");
    check(rill_subscribe(bus, &sub, "sensors.*.celsius", RILL_OPTS(rill_sub_opts,
                                                                   .on_msg = count)) ==
              RILL_OK, "subscribe");
    rill_poll(bus, 0);
    say(what, rounds(bus, server));
    rill_close(bus, 0);
}

int main(void)
{
    board_start();
    measure("mem:", false, "a publish and a delivery of 32 bytes, mem: ");
    measure("nats://server", true, "a publish and a delivery of 32 bytes, nats: ");
    board_exit(0);
}
