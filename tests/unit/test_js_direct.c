/* SPDX-License-Identifier: Apache-2.0 */
/* Searches by subject, whoever asks for them: what is looked at is counted, and they go on in later
 * turns. */
#include <stdio.h>

#include "base/error.h"
#include "support/desk.h"
#include "support/suite.h"

enum { SUBJECTS = 20000, TURN = 500, PIECE = 200 };

/* A stream of many subjects, one message each, but for s.0; and short turns. */
static desk *direct_desk(void)
{
    static desk d;
    char subject[32];
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ok(world_stream(&d.w, "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true}",
                              NULL, NULL));
    for (int i = 0; i <= SUBJECTS; i++) {
        snprintf(subject, sizeof subject, "s.%d", i % SUBJECTS);
        world_publish(&d.w, subject, "", "", "0123456789");
    }
    desk_turn(&d);
    ri_budget_init(&d.w.router.budget);
    d.w.router.budget.left = d.w.router.budget.limit = TURN;
    return &d;
}

static bool told(desk *d, const char *what)
{
    ri_buffer_put(&d->w.told, "", 1);
    bool found = strstr(d->w.told.ptr, what) != NULL;
    desk_forget(d);
    return found;
}

START_TEST(test_searches)
{
    static const struct { const char *path, *body, *end; uint64_t answers; } asked[] = {
        {"STREAM.MSG.GET.S", "{\"seq\":1,\"next_by_subj\":\"*.*.nobody\"}", "10037", 1},
        {"STREAM.MSG.GET.S", "{\"last_by_subj\":\"*.*.nobody\"}", "10037", 1},
        {"STREAM.MSG.GET.S", "{\"seq\":2,\"next_by_subj\":\"*.19999\"}", "\"seq\":20000", 1},
        {"STREAM.MSG.GET.S", "{\"last_by_subj\":\"*.1\"}", "\"seq\":2,", 1},
        {"DIRECT.GET.S", "{\"seq\":1,\"next_by_subj\":\"*.*.nobody\"}", "404", 1},
        {"DIRECT.GET.S", "{\"last_by_subj\":\"*.1\"}", "Sequence: 2", 1},
        {"DIRECT.GET.S", "{\"seq\":1,\"next_by_subj\":\"*.19999\",\"batch\":9}", "Num-Pending: 0",
         2},
        {"DIRECT.GET.S", "{\"multi_last\":[\"s.0\"],\"up_to_seq\":20000}", "Sequence: 1", 2},
        {"STREAM.PURGE.S", "{\"filter\":\"*.*.nobody\"}", "\"purged\":0", 1},
        {"STREAM.PURGE.S", "{\"filter\":\"*.19999\",\"keep\":1}", "\"purged\":0", 1},
    };
    desk *d = direct_desk();
    const world_ear *in = world_listen(&d->w, "in", "in");
    ri_budget *budget = &d->w.router.budget;
    for (size_t i = 0; i < RI_LEN(asked); i++) {
        uint64_t spent = budget->spent, got = in->got;
        desk_ask(d, asked[i].path, asked[i].body);
        ck_assert_msg(told(d, asked[i].end), "%s", asked[i].body);
        ck_assert_uint_eq(in->got - got, asked[i].answers);
        ck_assert_msg(budget->spent - spent > SUBJECTS / 16, "%s: %llu", asked[i].body,
                      (unsigned long long)(budget->spent - spent));
    }
    ck_assert_uint_le(budget->longest, TURN + PIECE);
    desk_fini(d, NULL);
}
END_TEST

/* So do those who read on their own: what is passed over is looked at once. */
START_TEST(test_readers)
{
    static const char *const consumers[] = {
        "{\"name\":\"one\",\"deliver_subject\":\"in\",\"filter_subject\":\"s.*.nobody\"}",
        "{\"name\":\"two\",\"deliver_subject\":\"in\","
        "\"filter_subjects\":[\"s.*.nobody\",\"s.none\"]}",
    };
    desk *d = direct_desk();
    ri_budget *budget = &d->w.router.budget;
    const world_ear *in = world_listen(&d->w, "in", "in");
    for (size_t i = 0; i <= RI_LEN(consumers); i++) {
        uint64_t spent = budget->spent;
        if (i < RI_LEN(consumers))
            ck_assert_ok(world_consumer(&d->w, "S", consumers[i], NULL, NULL));
        else
            ck_assert_ok(world_stream(&d->w, "{\"name\":\"M\",\"mirror\":{\"name\":\"S\","
                                      "\"filter_subject\":\"s.*.nobody\"}}", NULL, NULL));
        desk_turn(d);
        ck_assert_uint_gt(budget->spent - spent, SUBJECTS / 16);
        ck_assert_uint_lt(budget->spent - spent, SUBJECTS + SUBJECTS / 2);
    }
    world_publish(&d->w, "s.x.nobody", "", "", "found");
    desk_turn(d);
    ck_assert_uint_eq(in->got, 2);
    ri_stream_info info = {0};
    ri_stream_info_of(ri_js_stream(d->w.js, RI_STR("M")), &info);
    ck_assert_uint_eq(info.state.messages, 1);
    ck_assert_uint_le(budget->longest, TURN + PIECE);
    desk_fini(d, NULL);
}
END_TEST

enum { CROWD = 5000, SENT = 40 };

static ri_subscription crowd_subs[CROWD];
static uint64_t crowd_got[CROWD];

/* Each gets all, in their order: stored messages are as long as they are late. */
static bool crowd_take(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party;
    size_t i = (size_t)(sub - crowd_subs);
    if (d->m->data.len) ck_assert_uint_eq(d->m->data.len, crowd_got[i] % SENT + 1);
    if (d->m->data.len) crowd_got[i]++;
    return true;
}

/* What a consumer delivers to very many, and what the API answers to as many, reaches them in
 * slices. */
START_TEST(test_crowd)
{
    static const ri_party_ops ops = {.deliver = crowd_take};
    static desk d;
    static char data[SENT + 1];
    ri_party party;
    memset(crowd_subs, 0, sizeof crowd_subs);
    memset(crowd_got, 0, sizeof crowd_got);
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ok(world_stream(&d.w, "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true}",
                              NULL, NULL));
    for (int i = 0; i < SENT; i++) {
        data[i] = 'x';
        world_publish(&d.w, "s.x", "", "", data);
    }
    desk_turn(&d);
    ri_party_init(&party, &d.w.router, &ops);
    for (size_t i = 0; i < CROWD; i++) {
        crowd_subs[i].entry.subject = RI_STR("in");
        ck_assert_ok(ri_router_subscribe(&party, &crowd_subs[i]));
    }
    ri_budget_init(&d.w.router.budget);
    ck_assert_ok(world_consumer(&d.w, "S", "{\"name\":\"c\",\"deliver_subject\":\"in\","
                                "\"ack_policy\":\"none\"}", NULL, NULL));
    desk_turn(&d);
    for (size_t i = 0; i < CROWD; i++) ck_assert_uint_eq(crowd_got[i], SENT);
    desk_ask(&d, "DIRECT.GET.S", "{\"seq\":1,\"batch\":100}");
    for (size_t i = 0; i < CROWD; i++) ck_assert_uint_eq(crowd_got[i], 2 * SENT);
    ck_assert_uint_ge(d.w.router.budget.turns, 2 * SENT * CROWD / RI_BUDGET_TURN);
    ck_assert_uint_le(d.w.router.budget.longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
    ri_party_fini(&party);
    desk_fini(&d, NULL);
}
END_TEST

SUITE_MAIN("js_direct", test_searches, test_readers, test_crowd)
