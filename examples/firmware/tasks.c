/* SPDX-License-Identifier: Apache-2.0 */
/* Two tasks at one handle: one waits for what the server says, and answers, which takes it long;
 * the other asks the server again and again. rill_host says who calls, and holds the lock. */
#include "board.h"
#include "rill.h"
#include "scheduler.h"
#include "uart_wire.h"

static _Alignas(8) char arena[16 * 1024], listener_stack[4096], asker_stack[4096];
static rill_bus *bus;

static int64_t host_now(void *arg)
{
    (void)arg;
    return board_ns();
}

static void host_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    board_random(out, len);
}

static void host_idle(void *arg, int64_t ns)
{
    (void)arg;
    task_wait(ns);
}

static void host_lock(void *arg, bool enter)
{
    (void)arg;
    task_lock(enter);
}

static void *host_task(void *arg)
{
    (void)arg;
    return task_current();
}

static void slow(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    for (int64_t until = board_ns() + 100000000; board_ns() < until;) task_wait(10000000);
    if (rill_reply(m, m->data.ptr, m->data.len, NULL) < 0) board_print("no reply\n");
}

static void listener(void)
{
    for (;;) rill_poll(bus, -1);
}

static void asker(void)
{
    for (uint32_t asked = 1;; asked++) {
        rill_msg *answer = NULL;
        int rc = rill_request(bus, "server.ask", &asked, sizeof asked, NULL, &answer, 1000);
        board_print(rc < 0 ? rill_errname(rc) : "answered");
        board_print("\n");
        rill_msg_unref(answer);
        task_wait(20000000);
    }
}

int main(void)
{
    static const rill_host host = {.size = sizeof host, .mono_ns = host_now,
                                   .entropy = host_entropy, .idle = host_idle,
                                   .lock = host_lock, .task = host_task};
    const rill_memory memory = {.size = sizeof memory, .arena = arena, .arena_bytes = sizeof arena,
                                .max_subs = 2, .max_pending = 8, .max_calls = 2,
                                .max_msg_bytes = 256};
    rill_sub *sub;
    board_start();
    if (rill_open(&bus, "nats://bridge", RILL_OPTS(rill_opts, .host = &host, .no_wait = true,
                  .drive = RILL_DRIVE_HOST, .dial = uart_dial, .memory = &memory)) < 0 ||
        rill_subscribe(bus, &sub, "device.slow", RILL_OPTS(rill_sub_opts, .on_msg = slow)) < 0)
        board_print(rill_errmsg());
    task_start(listener, listener_stack, sizeof listener_stack);
    task_start(asker, asker_stack, sizeof asker_stack);
    scheduler_run();
}
