/* SPDX-License-Identifier: Apache-2.0
 *
 * rill within a libevent loop: one event on rill_fd(), with rill_wait_ms() as its timeout.
 * Requests and their answers run on that loop, without a thread; -levent_core links it. Prints
 *
 *     asked; the loop answers: 42
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

static rill_bus *bus;
static struct event *ready;

static void check(int rc)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

static void serve(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)arg;
    check(rill_reply(m, "42", 2, NULL));
}

static void answered(int err, const rill_msg *reply, void *base)
{
    check(err);
    printf("asked; the loop answers: %.*s\n", RILL_ARG(reply->data));
    event_base_loopbreak(base);
}

/* Each turn: run what is due, then sleep until there is more or time is up. */
static void turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    check(rill_poll(bus, 0));
    int wait = rill_wait_ms(bus);
    event_add(ready, wait < 0 ? NULL : &(struct timeval){wait / 1000, wait % 1000 * 1000});
}

int main(void)
{
    struct event_base *base = event_base_new();
    rill_sub *sub;
    check(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    check(rill_subscribe(bus, &sub, "answer", RILL_OPTS(rill_sub_opts, .on_msg = serve)));
    ready = event_new(base, rill_fd(bus), EV_READ, turn, NULL);
    check(rill_request_async(bus, "answer", "", 0, NULL, 1000, answered, base));
    event_add(ready, &(struct timeval){0}); /* the first turn, at once */
    event_base_dispatch(base);
    event_free(ready);
    event_base_free(base);
    rill_sub_close(sub);
    return rill_close(bus, 1000) < 0;
}
