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
    /* For one that wants nothing but what is purged, what is left of it is searched for, too. */
    ck_assert_ok(world_consumer(&d->w, "S", "{\"durable_name\":\"within\",\"ack_policy\":"
                                "\"explicit\",\"filter_subject\":\"s.*.nobody\"}", NULL, NULL));
    desk_turn(d);
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

/* A consumer that has read all waits: what is published is compared with its filters, and nothing
 * else is looked at, however many subjects and filters there are. */
START_TEST(test_sleepers)
{
    enum { FILTERS = 20, PUBLISHED = 100, EACH = 60 };
    desk *d = direct_desk();
    ri_budget *budget = &d->w.router.budget;
    const world_ear *in = world_listen(&d->w, "in", "in.>");
    for (int found = 0; found < 2; found++) { /* filters of nothing that is there, and of some */
        char json[1024], subject[32];
        ri_consumer *c;
        size_t n = (size_t)snprintf(json, sizeof json, "{\"name\":\"c%d\",\"filter_subjects\":[",
                                    found);
        for (int i = 0; i < FILTERS; i++)
            n += (size_t)snprintf(json + n, sizeof json - n, "%s\"%s.%d\"", i ? "," : "",
                                  found ? "s" : "s.none", i);
        snprintf(json + n, sizeof json - n, "]}");
        ck_assert_ok(world_consumer(&d->w, "S", json, &c, NULL));
        ck_assert_ok(world_pull(&d->w, c, "in.1", "{\"batch\":1000000,\"expires\":60000000000}"));
        desk_turn(d);
        uint64_t spent = budget->spent, got = in->got;
        for (int i = 0; i < PUBLISHED; i++) {
            snprintf(subject, sizeof subject, "s.%d", 10000 + i);
            world_publish(&d->w, subject, "", "", "x");
            desk_turn(d);
        }
        ck_assert_uint_eq(in->got, got);
        ck_assert_msg(budget->spent - spent < PUBLISHED * EACH, "%llu units",
                      (unsigned long long)(budget->spent - spent));
        world_publish(&d->w, found ? "s.7" : "s.none.7", "", "", "x");
        desk_turn(d);
        ck_assert_uint_eq(in->got, got + 1);
        ck_assert_uint_lt(budget->spent - spent, (PUBLISHED + 1) * EACH);
    }
    desk_fini(d, NULL);
}
END_TEST

/* Copies of very many sources of one stream come in turns, and then the stream rests, though a look
 * at each source takes more than a turn. */
START_TEST(test_sources)
{
    enum { SOURCES = 1500, LEN = 48 };
    static char json[SOURCES * LEN + 100];
    desk *d = direct_desk();
    ri_budget *budget = &d->w.router.budget;
    ri_stream_info info = {0};
    desk_ask(d, "STREAM.CREATE.A", "{\"name\":\"A\",\"subjects\":[\"a\"]}");
    size_t n = (size_t)snprintf(json, sizeof json,
                                "{\"name\":\"A\",\"subjects\":[\"a\"],\"sources\":[");
    for (int i = 0; i < SOURCES; i++)
        n += (size_t)snprintf(json + n, sizeof json - n,
                              "%s{\"name\":\"S\",\"filter_subject\":\"s.%d\"}", i ? "," : "", i);
    snprintf(json + n, sizeof json - n, "]}");
    uint64_t turns = budget->turns, spent = budget->spent;
    budget->longest = 0;
    desk_ask(d, "STREAM.UPDATE.A", json);
    ck_assert_uint_le(budget->longest, RI_BUDGET_TURN); /* reading the request is one step */
    budget->longest = 0;
    for (int i = 0; i < 3; i++) {
        ri_stream_info_of(ri_js_stream(d->w.js, RI_STR("A")), &info);
        ck_assert_uint_eq(info.state.messages, SOURCES + 1 + (uint64_t)i); /* two are of s.0 */
        ck_assert(!ri_js_waiting(d->w.js));
        world_publish(&d->w, i ? "s.1499" : "s.750", "", "", "x");
        desk_turn(d);
    }
    ck_assert_uint_gt(budget->spent - spent, SUBJECTS); /* what is looked at is counted */
    ck_assert_uint_gt(budget->turns - turns, SUBJECTS / TURN);
    ck_assert_uint_le(budget->longest, TURN + PIECE);
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("js_direct", test_searches, test_readers, test_sleepers, test_sources, test_crowd)
