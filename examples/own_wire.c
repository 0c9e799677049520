/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection whose bytes the program moves itself, here over a socketpair. Prints
 *
 *     dial depot:4222
 *     the oven has 21 degrees
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rill.h"

#define CHECK(call) ((call) < 0 ? (void)(puts(rill_errmsg()), exit(1)) : (void)0)
static int ends[2]; /* a wire's `arg` points to one of them */

static int64_t answer(ssize_t n)
{
    return n >= 0 ? n : errno == EAGAIN ? RILL_EAGAIN : RILL_ECONN;
}
static int64_t take(void *arg, void *buf, size_t len)
{
    return answer(recv(*(int *)arg, buf, len, 0));
}
static int64_t give(void *arg, const void *buf, size_t len)
{
    return answer(send(*(int *)arg, buf, len, MSG_NOSIGNAL));
}
static void hang_up(void *arg) { close(*(int *)arg); }
static int descriptor(void *arg) { return *(int *)arg; }
static const rill_wire_ops ops = {sizeof ops, take, give, hang_up, descriptor};

static int dial(rill_wire **wire, const char *address, void *broker)
{
    rill_wire *other;
    printf("dial %s\n", address);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0) return RILL_ECONN;
    CHECK(rill_wire_new(wire, &ops, &ends[0], NULL));
    CHECK(rill_wire_new(&other, &ops, &ends[1], NULL));
    return rill_broker_accept(broker, "nats://the-other-end", other);
}

int main(void)
{
    rill_broker *broker;
    rill_bus *here, *there;
    rill_sub *sub;
    const rill_msg *m;
    CHECK(rill_broker_open(&broker, NULL));
    CHECK(rill_broker_bus(broker, &here, NULL));
    CHECK(rill_subscribe(here, &sub, "oven", NULL));
    CHECK(rill_open(&there, "nats://depot", RILL_OPTS(rill_opts, .arg = broker, .dial = dial)));
    CHECK(rill_publish(there, "oven", "21 degrees", 10, NULL));
    CHECK(rill_next(sub, &m, 5000));
    printf("the %.*s has %.*s\n", RILL_ARG(m->subject), RILL_ARG(m->data));
    rill_sub_close(sub);
    CHECK(rill_close(there, 1000) | rill_close(here, 1000) | rill_broker_close(broker, 1000));
}
