/* SPDX-License-Identifier: Apache-2.0 */
/* A device: it says hello when it starts, publishes a reading five times a second, hears what it is
 * asked to do, and answers requests. When the connection is lost rill makes a new one. */
#include "board.h"
#include "rill.h"
#include "uart_wire.h"

static _Alignas(8) char arena[24 * 1024];

static void say(const char *what, const char *text)
{
    board_print(what);
    board_print(text);
    board_print("\n");
}

static void event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    (void)arg;
    say(ev->kind == RILL_EV_UP ? "up: " : ev->kind == RILL_EV_DOWN ? "down: " : "event: ",
        ev->detail);
}

static void asked(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    if (rill_reply(m, m->data.ptr, m->data.len, NULL) < 0) say("no reply: ", rill_errmsg());
}

static void heard(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    say("heard: ", m->data.ptr);
}

/* `n` in digits; returns how many. */
static size_t digits(char out[10], uint32_t n)
{
    size_t len = 0;
    for (uint32_t rest = n; len == 0 || rest > 0; rest /= 10) len++;
    for (size_t i = len; i > 0; n /= 10) out[--i] = (char)('0' + n % 10);
    return len;
}

int main(void)
{
    const rill_memory memory = {.size = sizeof memory, .arena = arena, .arena_bytes = sizeof arena,
                                .max_subs = 4, .max_pending = 8, .max_calls = 4,
                                .max_msg_bytes = 512};
    rill_bus *bus = NULL;
    rill_sub *echo, *orders;
    char text[10];
    board_start();
    while (rill_open(&bus, "nats://bridge", RILL_OPTS(rill_opts, .host = &board_host,
                     .drive = RILL_DRIVE_HOST, .on_event = event, .name = "device",
                     .connect_timeout_ms = 1000, .dial = uart_dial, .memory = &memory)) < 0)
        say("not open: ", rill_errmsg());
    if (rill_subscribe(bus, &echo, "device.echo", RILL_OPTS(rill_sub_opts, .on_msg = asked)) < 0 ||
        rill_subscribe(bus, &orders, "device.orders", RILL_OPTS(rill_sub_opts,
                                                                .on_msg = heard)) < 0)
        say("not subscribed: ", rill_errmsg());
    rill_publish(bus, "device.hello", text, digits(text, board_boots), NULL);
    for (uint32_t reading = 1;; reading++) {
        rill_publish(bus, "device.reading", text, digits(text, reading), NULL);
        for (int64_t until = board_ns() + 200000000; board_ns() < until;)
            rill_poll(bus, (int)((until - board_ns()) / 1000000) + 1);
    }
}
