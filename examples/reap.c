/* SPDX-License-Identifier: Apache-2.0
 *
 * No callbacks: messages of all subscriptions, the ends of calls, and events come as items of one
 * call, in a loop that waits for a descriptor. This is what a binding builds upon. Prints
 *
 *     event: the bus is open
 *     done: first, stored as 1
 *     done: second, stored as 2
 *     live: one
 *     live: two
 *     tail: one
 *     tail: two
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

static int check(int rc)
{
    if (rc >= 0) return rc;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

static void show(const rill_item *item)
{
    if (item->kind == RILL_ITEM_EVENT) printf("event: %s\n", item->event->detail);
    if (item->kind == RILL_ITEM_MSG)
        printf("%s: %.*s\n", (char *)item->arg, RILL_ARG(item->msg->data));
    if (item->kind == RILL_ITEM_DONE)
        printf("done: %s, stored as %d\n", (char *)item->arg, (int)item->receipt->seq);
}

int main(void)
{
    rill_bus *bus;
    rill_sub *live, *tail;
    rill_reaped *reaped;
    size_t n = 0;
    check(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST, .reap = true)));
    check(rill_stream_ensure(bus, "news", NULL));
    check(rill_tail(bus, &tail, "news", RILL_OPTS(rill_sub_opts, .arg = "tail")));
    check(rill_subscribe(bus, &live, "news", RILL_OPTS(rill_sub_opts, .arg = "live")));
    check(rill_append_async(bus, "news", "one", 3, NULL, NULL, "first"));
    check(rill_append_async(bus, "news", "two", 3, NULL, NULL, "second"));
    struct pollfd fd = {.fd = check(rill_fd(bus)), .events = POLLIN};
    while (n < 7 && poll(&fd, 1, rill_wait_ms(bus)) >= 0) {
        if (rill_reap(bus, &reaped, 64, 0) <= 0) continue;
        for (size_t i = 0; i < reaped->n; i++, n++) show(reaped->items[i]);
        rill_reaped_free(reaped); /* until then nothing of it moves */
    }
    rill_sub_close(live);
    rill_sub_close(tail);
    return rill_close(bus, 1000) < 0;
}
