/* SPDX-License-Identifier: Apache-2.0
 *
 * A service that answers, a caller that asks and waits, and what a caller hears when nobody
 * listens. Prints
 *
 *     ping -> you said ping
 *     nobody: ENOREPLY
 */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

static void check(int rc)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

/* Runs on rill's thread; the request is lent until this returns. */
static void echo(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)arg;
    char answer[64];
    int len = snprintf(answer, sizeof answer, "you said %.*s", RILL_ARG(m->data));
    check(rill_reply(m, answer, (size_t)len, NULL));
}

int main(void)
{
    rill_bus *bus;
    rill_sub *service;
    rill_msg *reply;
    check(rill_open(&bus, "mem:", NULL));
    check(rill_subscribe(bus, &service, "echo", RILL_OPTS(rill_sub_opts, .on_msg = echo)));

    check(rill_request(bus, "echo", "ping", 4, NULL, &reply, 1000));
    printf("ping -> %.*s\n", RILL_ARG(reply->data));
    rill_msg_unref(reply); /* not const: it is ours */

    printf("nobody: %s\n", rill_errname(rill_request(bus, "nobody", "", 0, NULL, &reply, 1000)));
    rill_sub_close(service);
    return rill_close(bus, 1000) < 0;
}
