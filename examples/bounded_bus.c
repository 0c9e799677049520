/* SPDX-License-Identifier: Apache-2.0
 *
 * A bus of this process that is handed to a plug-in, which shall do no more than it was told to: it
 * hears and appends orders, and nothing else. Prints
 *     plug-in: stored order 1
 *     user "plug-in" may not publish to salaries.ada
 *     user "plug-in" may not publish to $JS.API.STREAM.DELETE.orders
 */
#include <stdio.h>
#include <stdlib.h>
#include "rill.h"
#define LIST(field, ...) .field = (const char *const[]){__VA_ARGS__}, \
                         .n##field = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static const rill_user limits = {
    .size = sizeof limits, .user = "plug-in",
    LIST(publish_allow, "orders.>", "$JS.API.CONSUMER.*.orders.>",
         "$JS.API.CONSUMER.MSG.NEXT.orders.*", "$JS.ACK.orders.>"),
    LIST(subscribe_allow, "orders.>", "_INBOX.>")};
static int check(int rc)
{
    return rc >= 0 ? rc : (fprintf(stderr, "%s\n", rill_errmsg()), exit(1), rc);
}

static void plug_in(rill_bus *bus)
{
    rill_sub *sub;
    const rill_msg *m;
    check(rill_append(bus, "orders.new", "a book", 6, NULL, NULL, 5000));
    check(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "plug-in")));
    check(rill_next(sub, &m, 5000));
    printf("plug-in: stored order %llu\n", (unsigned long long)m->seq);
    check(rill_ack(m));
    rill_sub_close(sub);
    if (rill_publish(bus, "salaries.ada", "more", 4, NULL) == RILL_EAUTH) puts(rill_errmsg());
    if (rill_stream_delete(bus, "orders") == RILL_EAUTH) puts(rill_errmsg());
}

int main(void)
{
    rill_broker *broker;
    rill_bus *own, *bounded;
    check(rill_broker_open(&broker, NULL));
    check(rill_broker_bus(broker, &own, NULL));
    check(rill_stream_ensure(own, "orders", RILL_OPTS(rill_stream_opts, .subjects = "orders.>")));
    check(rill_broker_bus(broker, &bounded, RILL_OPTS(rill_opts, .identity = &limits)));
    plug_in(bounded);
    check(rill_close(bounded, 1000));
    check(rill_close(own, 1000));
    return rill_broker_close(broker, 1000) < 0;
}
