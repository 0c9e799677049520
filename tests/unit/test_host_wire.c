/* SPDX-License-Identifier: Apache-2.0 */
/* A handle and a broker over wires of a program, both turned by the test, in one thread and in
 * virtual time: every byte is cut from the next one once, and each allocation fails once. What
 * single answers do to a connection is in test_conn.c, which runs over these wires, too. */
#include <stdio.h>

#include "base/error.h"
#include "rill.h"
#include "support/duct.h"
#include "support/fault.h"
#include "support/suite.h"

enum { DUCTS = 8, TURNS_MAX = 20000 };

typedef struct pair {
    fault *f;
    rill_broker *broker;
    rill_bus *inside, *far;
    duct_pair ducts[DUCTS];
    int ndials;
    size_t cut;         /* the first call stops at this byte of each stream; 0: nowhere */
    char answer[32];
    int err;            /* of the request that is under way ... */
    bool over;          /* ... or is not */
} pair;

/* Both wires are there, or none. */
static int pair_dial(rill_wire **wire, const char *address, void *arg)
{
    pair *p = arg;
    rill_wire *other;
    ck_assert_str_eq(address, "far:4222");
    if (p->ndials == DUCTS) return RILL_EFULL;
    duct_pair *d = &p->ducts[p->ndials++];
    duct_init(d);
    for (int i = 0; i < 2; i++) d->end[i].cut = p->cut;
    int rc = rill_wire_new(&d->end[0].wire, &duct_ops, &d->end[0], &p->f->hooks);
    if (rc == RILL_OK) rc = rill_wire_new(&d->end[1].wire, &duct_ops, &d->end[1], &p->f->hooks);
    if (rc < 0) {
        rill_wire_close(d->end[0].wire);
        return rc;
    }
    *wire = d->end[0].wire;
    other = d->end[1].wire;
    return rill_broker_accept(p->broker, "nats://near", other);
}

static int pair_open(pair *p)
{
    const rill_host *host = &p->f->hooks;
    int rc = rill_broker_open(&p->broker, RILL_OPTS(rill_broker_opts, .host = host,
                                                    .drive = RILL_DRIVE_HOST));
    if (rc == RILL_OK)
        rc = rill_broker_bus(p->broker, &p->inside, RILL_OPTS(rill_opts, .host = host,
                                                              .drive = RILL_DRIVE_HOST));
    if (rc == RILL_OK)
        rc = rill_open(&p->far, "nats://far",
                       RILL_OPTS(rill_opts, .host = host, .drive = RILL_DRIVE_HOST, .no_wait = true,
                                 .arg = p, .redial_min_ms = 1, .redial_max_ms = 1,
                                 .dial = pair_dial));
    return rc;
}

static void pair_close(pair *p)
{
    rill_close(p->far, 0);
    rill_close(p->inside, 0);
    rill_broker_close(p->broker, 0);
    for (int i = 0; i < p->ndials; i++)
        for (int end = 0; end < 2; end++)
            ck_assert_msg(p->ducts[i].end[end].closes <= 1 && !p->ducts[i].end[end].wire,
                          "a wire was not closed once");
}

static void pair_on_answer(int err, const rill_msg *reply, void *arg)
{
    pair *p = arg;
    p->err = err;
    p->over = true;
    if (reply) snprintf(p->answer, sizeof p->answer, "%s", reply->data.ptr);
}

static void pair_on_msg(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)arg;
    rill_reply(m, m->data.ptr, m->data.len, NULL);
}

/* Asks over the wires until there is an answer, once in each 10 ms. */
static int pair_ask(pair *p)
{
    for (int i = 0; i < TURNS_MAX && !p->answer[0]; i++) {
        int rc = RILL_OK;
        if (p->over)
            rc = rill_request_async(p->far, "here", "hello", 5, NULL, 10, pair_on_answer, p);
        if (rc < 0) return rc;
        p->over = false;
        rill_poll(p->inside, 0);
        rill_poll(p->far, 0);
        bool idle = rill_wait_ms(p->inside) != 0 && rill_wait_ms(p->far) != 0;
        if (idle) p->f->now_ns += RI_MS;
    }
    return p->answer[0] ? RILL_OK : RILL_ETIMEDOUT;
}

static int pair_run(pair *p)
{
    rill_sub *sub = NULL;
    p->over = true;
    int rc = pair_open(p);
    if (rc == RILL_OK)
        rc = rill_subscribe(p->inside, &sub, "here",
                            RILL_OPTS(rill_sub_opts, .on_msg = pair_on_msg));
    if (rc == RILL_OK) rc = pair_ask(p);
    rill_sub_close(sub);
    pair_close(p);
    return rc;
}

/* INFO, CONNECT, PING, PONG, SUB, PUB and MSG, cut at each byte of either direction. */
START_TEST(every_byte)
{
    enum { BYTES = 700 }; /* more than both directions have */
    for (size_t cut = 1; cut < BYTES; cut++) {
        fault f;
        fault_init(&f);
        pair p = {.f = &f, .cut = cut};
        int rc = pair_run(&p);
        ck_assert_msg(rc == RILL_OK && strcmp(p.answer, "hello") == 0, "cut at %zu: %s: %s", cut,
                      rill_errname(rc), rill_errmsg());
        ck_assert_int_eq(p.ndials, 1);
        fault_fini(&f);
    }
}
END_TEST

static int body_allocations(fault *f, void *arg)
{
    (void)arg;
    pair p = {.f = f};
    return pair_run(&p);
}

/* Some of them end a call, others a connection, which is dialled again. */
START_TEST(allocations)
{
    ck_assert_uint_ge(fault_each(body_allocations, NULL), 20);
}
END_TEST

SUITE_MAIN("host_wire", every_byte, allocations)
