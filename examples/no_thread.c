/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker and a client in one thread, over a line of bytes (line.h): they have neither a
 * descriptor nor a thread, and go on in rill_poll(). Prints
 *
 *     the broker's side answers
 *     the oven has 21 degrees
 */
#include <stdio.h>
#include <stdlib.h>

#include "line.h"

static int check(int rc)
{
    if (rc >= 0) return rc;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

static int dial(rill_wire **wire, const char *address, void *arg)
{
    (void)address;
    return line_wire(arg, wire);
}

static void answer(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)arg;
    puts("the broker's side answers");
    check(rill_reply(m, "21 degrees", 10, NULL));
}

static void hear(int err, const rill_msg *reply, void *over)
{
    printf("the oven has %s\n", err ? rill_errname(err) : reply->data.ptr);
    *(int *)over = 1;
}

int main(void)
{
    static line far, near = {.other = &far};
    rill_broker *broker;
    rill_bus *here, *there;
    rill_sub *sub;
    int over = 0;
    far.other = &near;
    check(line_wire(&near, &near.wire));
    check(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .drive = RILL_DRIVE_HOST)));
    check(rill_broker_accept(broker, "nats://line", near.wire));
    check(rill_broker_bus(broker, &here, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    check(rill_subscribe(here, &sub, "oven", RILL_OPTS(rill_sub_opts, .on_msg = answer)));
    check(rill_open(&there, "nats://line", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST,
                                                     .arg = &far, .no_wait = true, .dial = dial)));
    check(rill_request_async(there, "oven", NULL, 0, NULL, 5000, hear, &over));
    while (!over) check(rill_poll(here, 0)), check(rill_poll(there, 0));
    rill_sub_close(sub);
    rill_close(there, 0); /* RILL_ETIMEDOUT: nobody turns the broker while this waits */
    return check(rill_close(here, 1000)) || check(rill_broker_close(broker, 1000));
}
