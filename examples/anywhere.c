/* SPDX-License-Identifier: Apache-2.0
 *
 * One program, any peer: the URL says whether the broker is in this process or is a NATS server.
 * Without arguments it runs over mem: and then over nats:// to a broker of its own. Prints
 *
 *     mem: stored 1, read back "first order"; answered "4"
 *     nats: stored 1, read back "first order"; answered "4"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rill.h"

#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }

static void answer(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    OK(rill_reply(m, arg, strlen(arg), NULL));
}

static void run(const char *url)
{
    rill_bus *bus;
    rill_sub *adder, *orders;
    rill_msg *reply;
    const rill_msg *m;
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_open(&bus, url, NULL));
    OK(rill_stream_ensure(bus, "ANYWHERE", RILL_OPTS(rill_stream_opts, .subjects = "any.orders",
                                                     .in_memory = true)));
    OK(rill_append(bus, "any.orders", "first order", 11, NULL, &receipt, 5000));
    OK(rill_tail(bus, &orders, "ANYWHERE", NULL));
    OK(rill_next(orders, &m, 5000));
    printf("%.*s: stored %d, read back \"%.*s\"; ", (int)strcspn(url, ":"), url, (int)receipt.seq,
           RILL_ARG(m->data));
    OK(rill_subscribe(bus, &adder, "any.add", RILL_OPTS(rill_sub_opts, .on_msg = answer,
                                                       .arg = (void *)"4")));
    OK(rill_request(bus, "any.add", "2 + 2", 5, NULL, &reply, 5000));
    printf("answered \"%.*s\"\n", RILL_ARG(reply->data));
    rill_msg_unref(reply);
    rill_sub_close(adder);
    rill_sub_close(orders);
    OK(rill_stream_delete(bus, "ANYWHERE"));
    OK(rill_close(bus, 5000));
}

int main(int argc, char **argv)
{
    rill_broker *broker;
    char url[64];
    if (argc > 1) return run(argv[1]), 0;
    run("mem:");
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .jetstream = true)));
    int port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    run(url);
    return rill_broker_close(broker, 5000);
}
