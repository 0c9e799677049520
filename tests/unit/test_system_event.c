/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker says in its system's account without being asked, to one who writes it down; its
 * clock is told. */
#include <stdio.h>
#include <string.h>

#include "front/broker/system_event.h"
#include "support/fault.h"
#include "support/suite.h"

enum { ACCOUNTS = 1200 };

typedef struct ear { /* who listens: how much it has heard, and the last of it */
    ri_party party;
    ri_subscription sub;
    int heard;
    char subject[200], data[2000];
} ear;

static bool ear_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ear *e = ri_container_of(party, ear, party);
    (void)sub;
    e->heard++;
    snprintf(e->subject, sizeof e->subject, "%.*s", RI_ARG(d->m->subject));
    snprintf(e->data, sizeof e->data, "%.*s", RI_ARG(d->m->data));
    return true;
}

static const ri_party_ops ear_ops = {.deliver = ear_deliver};

typedef struct place {
    fault f;
    ri_broker *broker;
    ear e;
    char names[ACCOUNTS][12];
    rill_account rows[ACCOUNTS];
    const rill_account *list[ACCOUNTS];
} place;

static place *place_open(size_t naccounts)
{
    place *p = calloc(1, sizeof *p);
    ck_assert(p && naccounts <= ACCOUNTS);
    fault_init(&p->f);
    for (size_t i = 0; i < naccounts; i++) {
        snprintf(p->names[i], sizeof p->names[i], i ? "A%zu" : "SYS", i);
        p->rows[i] = (rill_account){.size = sizeof p->rows[i], .name = p->names[i]};
        p->list[i] = &p->rows[i];
    }
    const rill_broker_opts opts = {.size = sizeof opts, .host = &p->f.hooks, .accounts = p->list,
                                   .naccounts = naccounts, .name = "n",
                                   .system_account = naccounts ? "SYS" : NULL};
    ck_assert_rc(ri_broker_new(&p->broker, &opts), RILL_OK);
    ri_broker_enter(p->broker);
    return p;
}

static void place_listen(place *p)
{
    ri_party_init(&p->e.party, &p->broker->router, &ear_ops);
    ri_party_enter(&p->e.party, ri_accounts_system(p->broker->conf.accounts));
    p->e.sub = (ri_subscription){.entry.subject = RI_STR("$SYS.>")};
    ck_assert_rc(ri_router_subscribe(&p->e.party, &p->e.sub), RILL_OK);
}

static void place_close(place *p)
{
    ri_party_fini(&p->e.party);
    ri_broker_leave(p->broker);
    ri_broker_close(p->broker, 0);
    ri_broker_unref(p->broker);
    fault_fini(&p->f);
    free(p);
}

static ri_account *place_account(const place *p, const char *name)
{
    return ri_accounts_find(p->broker->conf.accounts, name);
}

static const ri_broker_conn conn = {
    .info = {.id = 7, .in_msgs = 1, .in_bytes = 2, .out_msgs = 3, .out_bytes = 4},
    .peer = {"[::1]:5", 7}, .account = {"A1", 2}, .given = {"u\"", 2}, .rtt_ns = 9};

/* Without a listener nothing is made, nor any memory asked for. */
START_TEST(unheard)
{
    for (size_t n = 0; n <= 2; n += 2) {
        place *p = place_open(n);
        size_t calls = p->f.supply.calls;
        ck_assert(!ri_system_event_heard(p->broker));
        ck_assert_int_eq(ri_system_event_client(p->broker, &(ri_system_client){
            .conn = &conn, .reason = "Kicked", .unknown = true}), 0);
        if (n)
            ck_assert_int_eq(ri_system_event_conns(p->broker, place_account(p, "A1")), 0);
        ri_system_event_lame_duck(p->broker);
        ck_assert(ri_system_event_tend(p->broker) > 0);
        ck_assert_uint_eq(p->f.supply.calls, calls);
        ck_assert_uint_eq(p->broker->system_seq, 0);
        place_close(p);
    }
}
END_TEST

START_TEST(clients)
{
    place *p = place_open(2);
    ear *e = &p->e;
    place_listen(p);
    ck_assert(ri_system_event_heard(p->broker));
    ck_assert_int_eq(ri_system_event_client(p->broker, &(ri_system_client){.conn = &conn}), 1);
    ck_assert_str_eq(e->subject, "$SYS.ACCOUNT.A1.CONNECT");
    ck_assert_ptr_nonnull(strstr(e->data, "\"host\":\"::1\",\"id\":7,\"acc\":\"A1\","
                                 "\"user\":\"u\\\"\",\"rtt\":9,\"name_tag\":\"A1\""));
    ck_assert_ptr_nonnull(strstr(e->data, "\"seq\":1,"));
    ck_assert_ptr_null(strstr(e->data, "sent"));
    const ri_system_client gone = {.conn = &conn, .reason = "Authentication Failure",
                                   .unknown = true};
    ck_assert_int_eq(ri_system_event_client(p->broker, &gone), 2);
    ck_assert_str_eq(e->subject, "$SYS.ACCOUNT.A1.DISCONNECT");
    ck_assert_ptr_nonnull(strstr(e->data, "\"sent\":{\"msgs\":3,\"bytes\":4},\"received\":"
                                 "{\"msgs\":1,\"bytes\":2},\"reason\":\"Auth"));
    ck_assert_ptr_nonnull(strstr(e->data, "\"seq\":3,"));
    ri_broker_conn odd = conn; /* an account whose name is no token has no such subject */
    odd.account = RI_STR("a *");
    ck_assert_int_eq(ri_system_event_client(p->broker, &(ri_system_client){.conn = &odd}), 0);
    ck_assert_int_eq(e->heard, 3);
    ck_assert_int_eq(ri_system_event_conns(p->broker, &p->broker->router.global), 0);
    ck_assert_int_eq(e->heard, 3);
    ck_assert_int_eq(ri_system_event_conns(p->broker, place_account(p, "A1")), 2);
    ck_assert_int_eq(e->heard, 5);
    ri_system_event_lame_duck(p->broker);
    ck_assert_int_eq(strncmp(e->data, "{\"name\":\"n\",", 12), 0);
    place_close(p);
}
END_TEST

/* A text that there is no memory for is not said, and nothing is lost by it. */
START_TEST(faults)
{
    place *p = place_open(2);
    place_listen(p);
    ri_system_event_lame_duck(p->broker);
    int before = p->e.heard, met = 0;
    for (;; met++) {
        p->f.supply.fail_at = p->f.supply.calls + (size_t)met + 1;
        size_t failed = p->f.supply.failed;
        ri_system_event_client(p->broker, &(ri_system_client){.conn = &conn, .reason = "x"});
        p->f.supply.fail_at = 0;
        if (p->f.supply.failed == failed) break;
        ck_assert_int_le(p->e.heard, before + met + 1);
    }
    ck_assert_int_ge(met, 1);
    ck_assert_int_gt(p->e.heard, before);
    place_close(p);
}
END_TEST

/* Of many accounts some are said in a turn, and each once. */
START_TEST(tended)
{
    place *p = place_open(ACCOUNTS);
    int turns = 0;
    place_listen(p);
    ck_assert_int_eq(ri_system_event_tend(p->broker), p->f.now_ns + 10 * RI_SEC);
    ck_assert_int_eq(p->e.heard, 0); /* nobody has connections, and nobody answers STATSZ */
    for (size_t i = 0; i < ACCOUNTS; i++)
        if (i != 1) place_account(p, p->names[i])->nconns = 1;
    p->f.now_ns += 10 * RI_SEC;
    ck_assert_int_eq(ri_system_event_tend(p->broker), p->f.now_ns + 10 * RI_SEC);
    ck_assert_int_eq(p->e.heard, 0);
    p->f.now_ns += 20 * RI_SEC;
    for (int64_t due_ns = 0; due_ns <= p->f.now_ns; turns++) {
        ri_budget_open(&p->broker->router.budget);
        due_ns = ri_system_event_tend(p->broker);
        ri_budget_close(&p->broker->router.budget);
        ck_assert_int_lt(turns, ACCOUNTS);
    }
    ck_assert_int_gt(turns, 1);
    ck_assert_int_eq(p->e.heard, 2 * (ACCOUNTS - 1));
    ck_assert_uint_lt(p->broker->router.budget.longest, 2 * RI_BUDGET_TURN);
    for (size_t i = 0; i < ACCOUNTS; i++) place_account(p, p->names[i])->nconns = 0;
    place_close(p);
}
END_TEST

SUITE_MAIN("system_event", unheard, clients, faults, tended)
