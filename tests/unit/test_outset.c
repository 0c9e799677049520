/* SPDX-License-Identifier: Apache-2.0 */
/* Where a consumer begins is found in slices, and what is there for it is counted in slices: what
 * comes of it is what one go finds, and no turn is long. */
#include "engine/streams/outset.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "engine/streams/js_state.h"
#include "support/desk.h"
#include "support/suite.h"

enum { SUBJECTS = 30000, MESSAGES = 2 * SUBJECTS };

static desk d;
static ri_stream *s;

/* Two messages on each subject: s.<n>.even or s.<n>.odd. */
static void setup(void)
{
    char subject[32];
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ok(world_stream(&d.w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", &s, NULL));
    for (int i = 0; i < MESSAGES; i++) {
        int n = i % SUBJECTS;
        snprintf(subject, sizeof subject, "s.%d.%s", n, n % 2 ? "odd" : "even");
        world_publish(&d.w, subject, "", "", "x");
        if (i % 1000 == 0) desk_turn(&d);
    }
    desk_turn(&d);
    ri_budget_init(&d.w.router.budget);
}

static void teardown(void)
{
    desk_fini(&d, NULL);
}

static ri_consumer_conf conf_of(ri_deliver_policy policy, ri_str filter)
{
    return (ri_consumer_conf){.deliver_policy = policy, .filter_subject = filter};
}

static void find(ri_outset *o, const ri_consumer_conf *conf, ri_budget *budget, int *slices)
{
    int rc = 1;
    ri_outset_init(o, &d.w.f->host, conf, budget);
    for (*slices = 0; rc == 1; ++*slices) {
        if (budget) ri_budget_open(budget);
        rc = ri_outset_some(o, s);
        if (budget) ck_assert_int_gt(budget->left, -budget->limit);
    }
    ck_assert_ok(rc);
}

START_TEST(test_slices)
{
    static const ri_deliver_policy policies[] = {RI_DELIVER_LAST, RI_DELIVER_LAST_PER_SUBJECT};
    ri_consumer_conf conf = conf_of(policies[_i], RI_STR("s.*.odd"));
    ri_outset whole, sliced;
    ri_budget budget;
    int slices;
    if (_i == 0) conf.filter_subject = RI_STR("s.*.none");
    ri_budget_init(&budget);
    budget.left = budget.limit = 500;
    find(&whole, &conf, NULL, &slices);
    ck_assert_int_eq(slices, 1);
    find(&sliced, &conf, &budget, &slices);
    ck_assert_int_gt(slices, 10);
    ck_assert_uint_eq(whole.last, sliced.last);
    ck_assert_uint_eq(whole.n, sliced.n);
    ck_assert_uint_eq(whole.n, _i ? SUBJECTS / 2 : 0);
    for (size_t i = 0; i < whole.n; i++) {
        ck_quick(whole.seqs[i] == sliced.seqs[i]);
        ck_quick(whole.seqs[i] == SUBJECTS + 2 * (i + 1));
    }
    ri_outset_fini(&whole);
    ri_outset_fini(&sliced);
}
END_TEST

/* What is stored between two slices is new to the consumer; it is not missed, nor had twice. */
START_TEST(test_stored_meanwhile)
{
    ri_consumer_conf conf = conf_of(RI_DELIVER_LAST_PER_SUBJECT, RI_STR("s.>"));
    ri_js_consumer_request request = {.stream_name = RI_STR("S")};
    ri_outset o;
    ri_consumer *c;
    ri_budget budget;
    char subject[32];
    int stored = 0;
    ri_budget_init(&budget);
    budget.left = budget.limit = 2000;
    ri_outset_init(&o, &d.w.f->host, &conf, &budget);
    for (int rc = 1; rc == 1;) {
        ri_budget_open(&budget);
        ck_assert_int_ge(rc = ri_outset_some(&o, s), 0);
        snprintf(subject, sizeof subject, "s.%d.%s", stored * 7, stored % 2 ? "odd" : "even");
        world_publish(&d.w, subject, "", "", "x");
        desk_turn(&d);
        stored++;
    }
    ck_assert_int_gt(stored, 5);
    request.conf = conf;
    request.conf.durable_name = request.conf.name = RI_STR("c");
    request.conf.ack_policy = RI_ACK_EXPLICIT;
    request.outset = &o;
    ck_assert_ok(ri_consumer_create(s, &request, &c, NULL));
    ri_outset_fini(&o);
    ck_assert_uint_eq(c->next_seq, MESSAGES + 1);
    ck_assert_uint_ge(c->npicks, (uint64_t)SUBJECTS - (uint64_t)stored);
    ck_assert_uint_le(c->npicks, SUBJECTS);
    ri_consumer_info info = {0};
    ri_consumer_info_of(c, &info);
    ck_assert_uint_eq(info.num_pending, c->npicks + (uint64_t)stored);
}
END_TEST

static bool heard(const char *what)
{
    ri_buffer_put(&d.w.told, "", 1);
    bool found = strstr(d.w.told.ptr, what) != NULL;
    if (!found) printf("%.1500s\n", d.w.told.ptr);
    desk_forget(&d);
    return found;
}

/* Of the requests that make a consumer, look at it and list it none has a long turn. */
START_TEST(test_requests)
{
    static const struct { const char *more, *pending; } asked[] = {
        {"\"deliver_policy\":\"last_per_subject\",\"filter_subject\":\"s.*.odd\"",
         "\"num_pending\":15000,"},
        {"\"deliver_policy\":\"last_per_subject\",\"filter_subject\":\"s.>\"",
         "\"num_pending\":30000,"},
        {"\"deliver_policy\":\"last\",\"filter_subject\":\"s.*.none\"", "\"num_pending\":0,"},
        {"\"deliver_policy\":\"last\",\"filter_subject\":\"s.3.odd\"", "\"num_pending\":1,"},
        {"\"deliver_policy\":\"all\",\"filter_subject\":\"s.*.odd\"", "\"num_pending\":30000,"},
        {"\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":1001,"
         "\"filter_subject\":\"s.*.odd\"", "\"num_pending\":29500,"},
        {"\"deliver_policy\":\"all\",\"filter_subjects\":[\"s.*.odd\",\"s.*.even\"]",
         "\"num_pending\":60000,"},
    };
    world_listen(&d.w, "in", "in");
    for (size_t i = 0; i < RI_LEN(asked); i++) {
        char path[64], body[400];
        snprintf(path, sizeof path, "CONSUMER.CREATE.S.c%zu", i);
        snprintf(body, sizeof body, "{\"stream_name\":\"S\",\"config\":{\"name\":\"c%zu\","
                 "\"ack_policy\":\"explicit\",%s}}", i, asked[i].more);
        desk_ask(&d, path, body);
        ck_assert_msg(heard(asked[i].pending), "%s", asked[i].more);
        ck_assert_msg(d.w.router.budget.longest <= RI_BUDGET_TURN + RI_BUDGET_SLICE, "%s: %llu",
                      asked[i].more, (unsigned long long)d.w.router.budget.longest);
        ck_assert_uint_gt(d.w.router.budget.turns, 2);
    }
    desk_ask(&d, "CONSUMER.INFO.S.c4", "");
    ck_assert(heard(asked[4].pending));
    ck_assert_ok(world_restart(&d.w)); /* nothing is counted then */
}
END_TEST

/* A pull that does not wait counts first, in slices, and then has what is there, or nothing. */
START_TEST(test_pulls)
{
    static const struct { const char *filter, *heard; } asked[] = {
        {"s.*.none", "404 "}, {"s.*.odd", "s.1.odd"},
    };
    ri_budget *budget = &d.w.router.budget;
    world_listen(&d.w, "in", "in");
    for (size_t i = 0; i < RI_LEN(asked); i++) {
        char body[200];
        ri_consumer *c;
        snprintf(body, sizeof body, "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                 "\"filter_subject\":\"%s\"}", asked[i].filter);
        ck_assert_ok(world_consumer(&d.w, "S", body, &c, NULL));
        ri_ahead_count_anew(c); /* as after a removal */
        c->counting.once = false;
        ri_budget_init(budget);
        budget->limit = 2000;
        desk_ask(&d, "CONSUMER.MSG.NEXT.S.c", "{\"no_wait\":true,\"batch\":1}");
        ck_assert(heard(asked[i].heard));
        ck_assert_uint_gt(budget->turns, 5);
        ck_assert_uint_le(budget->longest, 2000 + RI_BUDGET_SLICE);
        ri_consumer_delete(c);
    }
    ri_budget_init(budget);
}
END_TEST

/* Messages that go while they are counted are not counted. */
START_TEST(test_removed_meanwhile)
{
    ri_consumer *c;
    ri_budget *budget = &d.w.router.budget;
    ck_assert_ok(world_consumer(&d.w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                                           "\"deliver_policy\":\"by_start_sequence\","
                                           "\"opt_start_seq\":2,\"filter_subject\":\"s.*.odd\"}",
                                &c, NULL));
    budget->left = budget->limit = 300;
    int slices = 0;
    for (bool done = false; !done; slices++) {
        ri_budget_open(budget);
        done = ri_ahead_count_on(c);
        if (slices == 3) ck_assert_ok(ri_stream_erase(s, 2, false, NULL)); /* s.1.odd */
        if (slices == 5) ck_assert_ok(ri_stream_erase(s, MESSAGES, false, NULL));
    }
    ck_assert_int_gt(slices, 10);
    ck_assert_uint_eq(ri_ahead_of(c), SUBJECTS - 2);
    ck_assert(!c->counting.on);
    ri_budget_init(budget);
    ri_consumer_delete(c);
}
END_TEST

SUITE_MAIN_ROWS("outset", {.times = 2, .setup = setup, .teardown = teardown,
                           SUITE_LIST(test_slices)},
                SUITE_WITH(setup, teardown, test_stored_meanwhile, test_requests, test_pulls,
                           test_removed_meanwhile))
