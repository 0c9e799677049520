/* SPDX-License-Identifier: Apache-2.0 */
/* Who has asked the JetStream API, and whose turn it is. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "codec/limits.h"
#include "engine/streams/js_state.h"
#include "support/desk.h"
#include "support/suite.h"

typedef struct row_asker { /* a client that asks, and hears the answers */
    ri_party party;
    ri_subscription sub;
    char inbox[32];
    int id;
    uint64_t got;
    size_t bytes;
    uint64_t room;         /* for so many bytes */
    char last[512];        /* beginning of the last answer: headers, or data if there are none */
} row_asker;

static int order[8192]; /* whose answers came */
static size_t norder;

static bool row_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    row_asker *a = ri_container_of(party, row_asker, party);
    a->got++;
    size_t bytes = d->m->headers.len + d->m->data.len;
    ri_str told = d->m->headers.len ? d->m->headers : d->m->data;
    a->bytes += bytes;
    a->room -= RI_MIN(a->room, bytes);
    snprintf(a->last, sizeof a->last, "%.*s", (int)RI_MIN(told.len, sizeof a->last - 1), told.ptr);
    if (norder < RI_LEN(order)) order[norder++] = a->id;
    return true;
}

static void row_ended(ri_party *party, ri_subscription *sub)
{
    (void)party, (void)sub;
}

static uint64_t row_room(const ri_party *party)
{
    return ri_container_of((ri_party *)(uintptr_t)party, row_asker, party)->room;
}

static const ri_party_ops row_ops = {.deliver = row_deliver, .ended = row_ended,
                                      .room = row_room};

static void asker_init(row_asker *a, desk *d, int id)
{
    *a = (row_asker){.id = id, .room = UINT64_MAX / 2};
    snprintf(a->inbox, sizeof a->inbox, "inbox.%d", id);
    ri_party_init(&a->party, &d->w.router, &row_ops);
    a->sub.entry.subject = ri_str_of(a->inbox);
    ck_assert_ok(ri_router_subscribe(&a->party, &a->sub));
}

static void ask(row_asker *a, const char *path, const char *body)
{
    char subject[300];
    snprintf(subject, sizeof subject, "$JS.API.%s", path);
    ri_message m = {.subject = ri_str_of(subject), .reply = ri_str_of(a->inbox),
                    .data = ri_str_of(body)};
    ck_assert_int_ge(ri_router_publish(&a->party, &(ri_publish){.m = &m}), 0);
}

static desk *row_desk(void)
{
    static desk d;
    norder = 0;
    ck_assert_ok(desk_init(&d, NULL, NULL));
    return &d;
}

static ri_jetstream_api_stats stats_of(const desk *d)
{
    ri_jetstream_api_stats stats;
    ri_jetstream_api_stats_of(d->api, &stats);
    return stats;
}

/* One who asks two thousand times is served beside one who asks once. */
START_TEST(test_fair)
{
    desk *d = row_desk();
    static row_asker greedy, modest;
    asker_init(&greedy, d, 1);
    asker_init(&modest, d, 2);
    for (int i = 0; i < 2000; i++) ask(&greedy, "STREAM.NAMES", "");
    ask(&modest, "STREAM.NAMES", "");
    ck_assert_uint_eq(stats_of(d).waiting, 2001);
    desk_slice(d);
    ck_assert_uint_eq(modest.got, 1);
    ck_assert_uint_lt(greedy.got, 1000);
    ck_assert_uint_gt(greedy.got, 10);
    desk_turn(d);
    ck_assert_uint_eq(greedy.got, 2000);
    ck_assert_uint_eq(stats_of(d).waiting, 0);
    ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN);
    ri_party_fini(&greedy.party);
    ri_party_fini(&modest.party);
    desk_fini(d, NULL);
}
END_TEST

/* Both ask much: their shares are about equal, whatever one of their requests costs. */
START_TEST(test_shares)
{
    desk *d = row_desk();
    static row_asker cheap, dear;
    static char body[16000];
    asker_init(&cheap, d, 1);
    asker_init(&dear, d, 2);
    memset(body, ' ', sizeof body - 1); /* reading it costs */
    for (int i = 0; i < 1500; i++) ask(&cheap, "STREAM.NAMES", "");
    for (int i = 0; i < 1500; i++) ask(&dear, "STREAM.NAMES", body);
    for (int i = 0; i < 4; i++) desk_slice(d);
    ck_assert_uint_gt(dear.got, 0);
    ck_assert_uint_gt(cheap.got, 3 * dear.got);
    ck_assert_uint_lt(cheap.got, 20 * dear.got);
    ri_party_fini(&cheap.party);
    ri_party_fini(&dear.party);
    desk_turn(d);
    desk_fini(d, NULL);
}
END_TEST

/* No more than so many wait for one, nor for all. */
START_TEST(test_bounds)
{
    enum { ASKERS = RI_LIMIT_JS_API_QUEUE / RI_LIMIT_JS_API_ROW + 1 };
    desk *d = row_desk();
    static row_asker askers[ASKERS];
    for (int i = 0; i < ASKERS; i++) {
        asker_init(&askers[i], d, i);
        for (int n = 0; n <= RI_LIMIT_JS_API_ROW; n++) ask(&askers[i], "INFO", "");
        ck_assert_uint_le(stats_of(d).waiting, RI_LIMIT_JS_API_QUEUE);
        ck_assert_uint_le(askers[i].party.asker->waiting, RI_LIMIT_JS_API_ROW);
    }
    uint64_t asked = (uint64_t)ASKERS * (RI_LIMIT_JS_API_ROW + 1);
    ck_assert_uint_eq(stats_of(d).waiting, RI_LIMIT_JS_API_QUEUE);
    ck_assert_uint_eq(stats_of(d).dropped, asked - RI_LIMIT_JS_API_QUEUE);
    desk_turn(d);
    uint64_t got = 0;
    for (int i = 0; i < ASKERS; i++) got += askers[i].got;
    ck_assert_uint_eq(got, RI_LIMIT_JS_API_QUEUE);
    for (int i = 0; i < ASKERS; i++) ri_party_fini(&askers[i].party);
    desk_fini(d, NULL);
}
END_TEST

/* What changes something is done though its asker has gone; what is in a row at a close is
 * freed. */
START_TEST(test_gone)
{
    desk *d = row_desk();
    static row_asker a;
    asker_init(&a, d, 1);
    ask(&a, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s\"],\"allow_direct\":true}");
    ask(&a, "STREAM.NAMES", "");
    ask(&a, "DIRECT.GET.S", "{\"last_by_subj\":\"s\"}");
    ri_party_fini(&a.party);
    desk_turn(d);
    ck_assert_ptr_nonnull(ri_js_stream(d->w.js, RI_STR("S")));
    ck_assert_uint_eq(stats_of(d).waiting, 0);
    ck_assert_uint_eq(a.got, 0);

    asker_init(&a, d, 2);
    for (int i = 0; i < 100; i++) ask(&a, "STREAM.NAMES", "");
    desk_slice(d);
    for (int i = 0; i < 1000; i++) ask(&a, "STREAM.NAMES", "");
    ck_assert_uint_gt(a.party.asker->waiting, 900);
    d->w.also = NULL;
    ri_jetstream_api_close(d->api);
    d->api = NULL;
    ck_assert_uint_ge(a.got, 100);
    ck_assert_uint_eq(a.party.asker->waiting, 0);
    ck_assert_uint_eq(a.party.asker->refs, 1);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

enum { SUBJECTS = 20000 };

/* A stream of many subjects, one message each. */
static desk *desk_of_many(void)
{
    desk *d = row_desk();
    char subject[32];
    ck_assert_ok(world_stream(&d->w,
                              "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true}",
                              NULL, NULL));
    for (int i = 0; i < SUBJECTS; i++) {
        snprintf(subject, sizeof subject, "s.%d", i);
        world_publish(&d->w, subject, "", "", "0123456789");
    }
    desk_turn(d);
    ri_budget_init(&d->w.router.budget);
    return d;
}

static bool told(const row_asker *a, const char *what)
{
    return strstr(a->last, what) != NULL;
}

/* Long requests are done in slices, beside short ones of others. */
START_TEST(test_long)
{
    static const struct { const char *path, *body, *end; uint64_t answers; } asked[] = {
        {"STREAM.INFO.S", "{\"subjects_filter\":\">\"}", "stream_info_response", 1},
        {"STREAM.INFO.S", "{\"subjects_filter\":\"*.*.nobody\"}", "stream_info_response", 1},
        {"DIRECT.GET.S", "{\"seq\":1,\"batch\":100000}", "204 EOB", SUBJECTS + 1},
        {"DIRECT.GET.S", "{\"multi_last\":[\"s.1*\",\"s.17\"],\"up_to_seq\":19999}", "204 EOB", 2},
        {"DIRECT.GET.S", "{\"multi_last\":[\"s.*\"]}", "413 Too Many Results", 1},
        {"DIRECT.GET.S", "{\"multi_last\":[\"*.*.nobody\"]}", "404 No Results", 1},
    };
    desk *d = desk_of_many();
    static row_asker a, bystander;
    for (size_t i = 0; i < RI_LEN(asked); i++) {
        asker_init(&a, d, 1);
        asker_init(&bystander, d, 2);
        ask(&a, asked[i].path, asked[i].body);
        ask(&bystander, "STREAM.NAMES", "");
        desk_slice(d);
        ck_assert_uint_eq(bystander.got, 1);
        desk_turn(d);
        ck_assert_msg(told(&a, asked[i].end), "%s: %s", asked[i].body, a.last);
        ck_assert_uint_eq(a.got, asked[i].answers);
        ri_party_fini(&a.party);
        ri_party_fini(&bystander.party);
    }
    ck_assert_uint_gt(d->w.router.budget.turns, 20);
    ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN);
    desk_fini(d, NULL);
}
END_TEST

/* Purges are done in slices, and to the end though the asker goes; what comes meanwhile stays. */
START_TEST(test_purge)
{
    static const struct { const char *body; uint64_t left; } asked[] = {
        {"", 1}, {"{\"filter\":\"s.>\"}", 1}, {"{\"keep\":100}", 101}, {"{\"seq\":19001}", 1001},
        {"{\"filter\":\"s.1*\"}", SUBJECTS + 1},
    };
    for (size_t i = 0; i < RI_LEN(asked); i++) {
        desk *d = desk_of_many();
        static row_asker a;
        ri_stream_info info = {0};
        asker_init(&a, d, 1);
        ask(&a, "STREAM.PURGE.S", asked[i].body);
        desk_slice(d);
        if (i % 2) ri_party_fini(&a.party);
        world_publish(&d->w, "s.x", "", "", "meanwhile");
        desk_turn(d);
        ri_stream_info_of(ri_js_stream(d->w.js, RI_STR("S")), &info);
        ck_assert_uint_eq(info.state.messages, asked[i].left);
        ck_assert_uint_eq(info.state.last_seq, SUBJECTS + 1);
        ck_assert_uint_eq(a.got, i % 2 ? 0 : 1);
        ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
        ck_assert_uint_eq(stats_of(d).waiting, 0);
        ri_party_fini(&a.party);
        desk_fini(d, NULL);
    }
}
END_TEST

/* A stream goes with its consumers in slices, to the end though the asker goes; from the first on
 * it takes nothing any more. */
START_TEST(test_delete)
{
    enum { CONSUMERS = 3000 };
    desk *d = row_desk();
    static row_asker a, bystander;
    char json[128];
    ck_assert_ok(world_stream(&d->w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, NULL));
    for (int i = 0; i < CONSUMERS; i++) {
        snprintf(json, sizeof json, "{\"durable_name\":\"c%d\",\"ack_policy\":\"explicit\"}", i);
        ck_assert_ok(world_consumer(&d->w, "S", json, NULL, NULL));
    }
    desk_turn(d);
    for (int gone = 0; gone < 2; gone++) {
        ri_budget_init(&d->w.router.budget);
        asker_init(&a, d, 1);
        asker_init(&bystander, d, 2);
        ask(&a, gone ? "STREAM.DELETE.T" : "STREAM.DELETE.S", "");
        ask(&bystander, "INFO", "");
        desk_slice(d);
        ck_assert_uint_eq(bystander.got, 1);
        if (!gone) {
            ck_assert_uint_eq(a.got, 0);
            ck_assert_ptr_nonnull(ri_js_stream(d->w.js, RI_STR("S")));
            ask(&bystander, "CONSUMER.CREATE.S.late", "{\"stream_name\":\"S\",\"config\":"
                                                      "{\"name\":\"late\"}}");
            ask(&bystander, "STREAM.DELETE.S", "");
            ri_party_fini(&a.party);
        }
        desk_turn(d);
        ck_assert_ptr_null(ri_js_stream(d->w.js, RI_STR("S")));
        if (!gone) ck_assert_uint_eq(bystander.got, 3);
        ck_assert_uint_eq(a.got, gone ? 1 : 0);
        ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN);
        ck_assert_uint_eq(stats_of(d).waiting, 0);
        ri_party_fini(&bystander.party);
    }
    ck_assert_msg(told(&a, "10059"), "%s", a.last);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

/* Whatever is too old, or over a limit that was lowered, goes in slices: no turn is long. */
START_TEST(test_retention)
{
    static const char *const confs[] = {
        "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"max_age\":1000000000}",
        "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"max_age\":1000000000,\"allow_msg_ttl\":true}",
        "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"max_msgs\":10}",
        "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"max_msgs_per_subject\":1}",
        "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"max_bytes\":1000}",
    };
    static const uint64_t left[] = {0, 0, 10, 10000, 21};
    for (size_t i = 0; i < RI_LEN(confs); i++) {
        desk *d = row_desk();
        ri_stream_info info = {0};
        char subject[32];
        ck_assert_ok(world_stream(&d->w,
                                  i == 1 ? confs[1] : "{\"name\":\"S\",\"subjects\":[\"s.>\"]}",
                                  NULL, NULL));
        for (int n = 0; n < 20000; n++) {
            snprintf(subject, sizeof subject, "s.%d", n / 2);
            world_publish(&d->w, subject, "", "", "0123456789");
        }
        desk_turn(d);
        world_listen(&d->w, "in", "in")->quiet = true;
        ri_budget_init(&d->w.router.budget);
        desk_ask(d, "STREAM.UPDATE.S", confs[i]);
        desk_wait(d, 3000);
        ri_stream_info_of(ri_js_stream(d->w.js, RI_STR("S")), &info);
        ck_assert_msg(info.state.messages <= left[i] && info.state.messages + 2 >= left[i],
                      "%s: %llu", confs[i], (unsigned long long)info.state.messages);
        ck_assert_msg(d->w.router.budget.longest <= RI_BUDGET_TURN + RI_BUDGET_SLICE, "%s: %llu",
                      confs[i], (unsigned long long)d->w.router.budget.longest);
        ck_assert_uint_gt(d->w.router.budget.turns, 4);
        desk_fini(d, NULL);
    }
}
END_TEST

/* Pages of lists come in slices; what goes in between, before or behind the place, does no harm. */
START_TEST(test_lists)
{
    enum { STREAMS = 700 };
    static const struct { const char *path, *body, *total; } asked[] = {
        {"STREAM.NAMES", "", "\"total\":700,\"offset\":0,\"limit\":1024"},
        {"STREAM.NAMES", "{\"offset\":690}", "\"total\":700,\"offset\":690"},
        {"STREAM.NAMES", "{\"subject\":\"t.69*\"}", "\"total\":0"},
        {"STREAM.LIST", "{\"offset\":600}", "\"total\":700,\"offset\":600,\"limit\":256"},
        {"CONSUMER.NAMES.S000", "", "\"total\":600,\"offset\":0"},
        {"CONSUMER.LIST.S000", "{\"offset\":590}", "\"total\":600,\"offset\":590"},
    };
    desk *d = row_desk();
    char json[128], name[32];
    for (int i = 0; i < STREAMS; i++) {
        snprintf(json, sizeof json, "{\"name\":\"S%03d\",\"subjects\":[\"t.%d\"]}", i, i);
        ck_assert_ok(world_stream(&d->w, json, NULL, NULL));
    }
    for (int i = 0; i < 600; i++) {
        snprintf(json, sizeof json, "{\"durable_name\":\"c%03d\",\"ack_policy\":\"explicit\"}", i);
        ck_assert_ok(world_consumer(&d->w, "S000", json, NULL, NULL));
    }
    static row_asker a, bystander;
    ri_budget_init(&d->w.router.budget);
    for (size_t i = 0; i < RI_LEN(asked); i++) {
        asker_init(&a, d, 1);
        asker_init(&bystander, d, 2);
        ask(&a, asked[i].path, asked[i].body);
        ask(&bystander, "INFO", "");
        desk_slice(d);
        ck_assert_uint_eq(bystander.got, 1);
        desk_turn(d);
        ck_assert_msg(told(&a, asked[i].total), "%s: %s", asked[i].path, a.last);
        ri_party_fini(&a.party);
        ri_party_fini(&bystander.party);
    }
    ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN);

    asker_init(&a, d, 1);
    for (int i = 0; i < 4; i++) ask(&a, "STREAM.LIST", "");
    desk_slice(d);
    ck_assert_uint_lt(a.got, 4);
    for (int i = 0; i < STREAMS; i += 2) {
        snprintf(name, sizeof name, "S%03d", i);
        ck_assert_ok(ri_stream_delete(ri_js_stream(d->w.js, ri_str_of(name)), NULL));
    }
    desk_turn(d);
    ck_assert_uint_eq(a.got, 4);
    ck_assert_msg(told(&a, "\"total\":350,"), "%s", a.last);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

/* A number that an answer tells at its beginning. */
static uint64_t number_of(const row_asker *a, const char *name)
{
    const char *at = strstr(a->last, name);
    ck_assert_msg(at != NULL, "%s: %s", name, a->last);
    return strtoull(at + strlen(name), NULL, 10);
}

/* Pages end at so many bytes, too; who goes on behind what it got is told of all. */
START_TEST(test_long_lists)
{
    enum { NAMED = 1500 };
    const uint64_t streams = under_valgrind() ? 30 : 60;
    desk *d = row_desk();
    static char json[NAMED * 32];
    for (int i = 0; i < (int)streams; i++) {
        size_t n = (size_t)snprintf(json, sizeof json,
                                    "{\"name\":\"S%03d\",\"subjects\":[\"s.%d\"", i,
                                    i);
        for (int k = 0; k < NAMED; k++)
            n += (size_t)snprintf(json + n, sizeof json - n, ",\"t.%03d.%016d\"", i, k);
        snprintf(json + n, sizeof json - n, "]}");
        ck_assert_ok(world_stream(&d->w, json, NULL, NULL));
    }
    desk_turn(d);
    static row_asker a;
    asker_init(&a, d, 1);
    uint64_t got = 0, pages = 0;
    ri_budget_init(&d->w.router.budget);
    for (; got < streams; pages++) {
        size_t before = a.bytes;
        snprintf(json, sizeof json, "{\"offset\":%llu}", (unsigned long long)got);
        ask(&a, "STREAM.LIST", json);
        desk_turn(d);
        ck_assert_uint_eq(number_of(&a, "\"total\":"), streams);
        uint64_t len = number_of(&a, "\"limit\":");
        ck_assert_uint_gt(len, 0);
        got += len == RI_LIMIT_JS_INFOS ? streams - got : len;
        ck_assert_uint_lt(a.bytes - before, RI_LIMIT_JS_PAGE + NAMED * 32);
    }
    ck_assert_uint_gt(pages, 1);
    ck_assert_uint_eq(got, streams);
    ck_assert_uint_le(d->w.router.budget.longest, 2 * RI_BUDGET_TURN);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

/* The page of the subjects of a stream is one of bytes, too; what is deleted is looked for in
 * slices. */
START_TEST(test_long_infos)
{
    desk *d = row_desk();
    static row_asker a;
    static char subject[512];
    enum { LEN = 200, MANY = 12000 };
    ck_assert_ok(world_stream(&d->w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, NULL));
    for (int i = 0; i < MANY; i++) {
        snprintf(subject, sizeof subject, "s.%d.%0*d", i, LEN, 0);
        world_publish(&d->w, subject, "", "", "");
    }
    desk_turn(d);
    asker_init(&a, d, 1);
    ri_budget_init(&d->w.router.budget);
    uint64_t got = 0, pages = 0;
    for (; got < MANY && pages < 100; pages++) {
        size_t before = a.bytes;
        snprintf(subject, sizeof subject, "{\"subjects_filter\":\">\",\"offset\":%llu}",
                 (unsigned long long)got);
        ask(&a, "STREAM.INFO.S", subject);
        desk_turn(d);
        ck_assert_uint_eq(number_of(&a, "\"total\":"), MANY);
        uint64_t len = number_of(&a, "\"limit\":");
        got += len == RI_LIMIT_JS_SUBJECTS ? MANY - got : len;
        ck_assert_uint_lt(a.bytes - before, RI_LIMIT_JS_PAGE + 4096);
    }
    ck_assert_uint_eq(pages, 3);
    ck_assert_uint_le(d->w.router.budget.longest, 2 * RI_BUDGET_TURN);
    for (int i = 0; i < 300000; i++) {
        world_publish(&d->w, i % 8 ? "s.a" : "s.b", "", "", "");
        if (i % 10000 == 0) desk_turn(d);
    }
    desk_turn(d);
    ask(&a, "STREAM.PURGE.S", "{\"filter\":\"s.b\"}");
    desk_turn(d);
    ri_budget_init(&d->w.router.budget);
    size_t before = a.bytes;
    ask(&a, "STREAM.INFO.S", "{\"deleted_details\":true}");
    desk_turn(d);
    ck_assert_uint_gt(a.bytes - before, RI_LIMIT_JS_DELETED * 6);
    ck_assert_uint_gt(d->w.router.budget.turns, 1);
    ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

/* {"name":name,"subjects":[n of the form, which has a number]} */
static const char *naming(const char *name, const char *form, int n)
{
    static char json[RI_LIMIT_JS_BODY];
    size_t len = (size_t)snprintf(json, sizeof json, "{\"name\":\"%s\",\"subjects\":[", name);
    for (int i = 0; i < n; i++) {
        len += (size_t)snprintf(json + len, sizeof json - len, i ? ",\"" : "\"");
        len += (size_t)snprintf(json + len, sizeof json - len, form, i);
        len += (size_t)snprintf(json + len, sizeof json - len, "\"");
    }
    snprintf(json + len, sizeof json - len, "]}");
    return json;
}

/* To name as many subjects as may be takes a few turns at most, and to look for them at those of
 * all other streams takes slices. */
START_TEST(test_many_subjects)
{
    enum { OTHERS = 20, SLACK = RI_BUDGET_TURN };
    desk *d = row_desk();
    static row_asker a, b;
    char path[64], name[8], form[16];
    d->w.js->opts.max_subjects = RI_LIMIT_JS_NAMED;
    asker_init(&a, d, 1);
    asker_init(&b, d, 2);
    for (int i = 0; i < OTHERS; i++) {
        snprintf(path, sizeof path, "STREAM.CREATE.S%d", i);
        snprintf(name, sizeof name, "S%d", i);
        snprintf(form, sizeof form, "s%d.%%d%s", i, i % 2 ? "" : ".*");
        ask(&a, path, naming(name, form, RI_LIMIT_JS_NAMED));
        desk_turn(d);
        ck_assert_msg(told(&a, "did_create") || !told(&a, "error"), "%s", a.last);
    }
    ask(&a, "STREAM.UPDATE.S1", naming("S1", "s1.x.%d", RI_LIMIT_JS_NAMED));
    desk_turn(d);
    ck_assert_msg(told(&a, "s1.x.0"), "%s", a.last);
    ck_assert_uint_le(d->w.router.budget.longest, 2 * RI_BUDGET_TURN + SLACK);
    ask(&a, "STREAM.CREATE.T", naming("T", "t%d", RI_LIMIT_JS_NAMED + 1));
    desk_turn(d);
    ck_assert_msg(told(&a, "10052") && told(&a, "at most 4096 subjects"), "%s", a.last);

    ri_budget_init(&d->w.router.budget);
    ask(&a, "STREAM.CREATE.T", "{\"name\":\"T\",\"subjects\":[\"s4.77.y\"]}");
    desk_turn(d);
    ck_assert_msg(told(&a, "10065"), "%s", a.last);
    ask(&a, "STREAM.CREATE.T", "{\"name\":\"T\",\"subjects\":[\"t.>\",\"t1.>\",\"t2\",\"t3.*\"]}");
    desk_slice(d);
    ck_assert_ptr_null(ri_js_stream(d->w.js, RI_STR("T"))); /* before its end nothing is seen */
    ask(&b, "STREAM.CREATE.U", "{\"name\":\"U\",\"subjects\":[\"t.x\"]}");
    desk_turn(d);
    ck_assert_msg(told(&a, "10065") != told(&b, "10065"), "%s", b.last); /* one has it */
    ask(&a, "STREAM.CREATE.V", naming("V", "v%d", RI_LIMIT_JS_NAMED));
    desk_slice(d);
    ck_assert_ok(world_stream(&d->w, "{\"name\":\"A\",\"subjects\":[\"v77\"]}", NULL, NULL));
    desk_turn(d); /* who was first has it */
    ck_assert_msg(told(&a, "10065"), "%s", a.last);
    ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN + SLACK);
    ck_assert_uint_gt(d->w.router.budget.turns, 20);
    ri_party_fini(&a.party);
    ri_party_fini(&b.party);
    desk_fini(d, NULL);
}
END_TEST

/* A request of many bytes is refused, whatever the server's max_payload is, and is not read. */
START_TEST(test_long_body)
{
    desk *d = row_desk();
    static row_asker a;
    static char body[8 << 20];
    memset(body, '[', sizeof body - 1);
    d->w.js->opts.max_subjects = RI_LIMIT_JS_NAMED;
    asker_init(&a, d, 1);
    ask(&a, "STREAM.NAMES", body);
    ck_assert_uint_lt(ri_memory_used(&d->w.router.memory, RI_MEMORY_WORK), 4096); /* not kept */
    desk_turn(d);
    ck_assert_msg(told(&a, "10025") && told(&a, "at most 262144 bytes"), "%s", a.last);
    ask(&a, "CONSUMER.MSG.NEXT.S.c", body);
    desk_turn(d);
    ck_assert_msg(told(&a, "400 Bad Request"), "%s", a.last);
    ck_assert_uint_eq(a.got, 2);
    ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

/* Between two slices the asker goes, or ends its subscription: nothing more is done. */
START_TEST(test_cancelled)
{
    static const char *const asked[][2] = {
        {"STREAM.INFO.S", "{\"subjects_filter\":\">\"}"},
        {"DIRECT.GET.S", "{\"seq\":1,\"batch\":100000}"},
        {"DIRECT.GET.S", "{\"multi_last\":[\"s.*.a\",\"s.*.b\",\"s.*.c\"]}"},
    };
    desk *d = desk_of_many();
    static row_asker a;
    for (size_t i = 0; i < 2 * RI_LEN(asked); i++) {
        asker_init(&a, d, 1);
        ask(&a, asked[i / 2][0], asked[i / 2][1]);
        desk_slice(d);
        ck_assert_uint_eq(stats_of(d).waiting, 1);
        if (i % 2) ri_party_fini(&a.party);
        else ri_router_unsubscribe(&a.sub);
        uint64_t got = a.got, spent = d->w.router.budget.spent;
        desk_slice(d);
        ck_assert_uint_eq(stats_of(d).waiting, 0);
        ck_assert_uint_eq(a.got, got);
        ck_assert_uint_lt(d->w.router.budget.spent, spent + 100);
        ri_party_fini(&a.party);
    }
    /* A batch to somebody who does not listen is not even begun. */
    asker_init(&a, d, 1);
    ri_router_unsubscribe(&a.sub);
    uint64_t spent = d->w.router.budget.spent;
    for (int i = 0; i < 100; i++) ask(&a, asked[1][0], asked[1][1]);
    desk_turn(d);
    ck_assert_uint_lt(d->w.router.budget.spent, spent + 100 * 30);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

/* Between two slices the stream goes, and perhaps one of its name comes: that is told. */
START_TEST(test_stream_gone)
{
    desk *d = desk_of_many();
    static row_asker a;
    asker_init(&a, d, 1);
    ask(&a, "STREAM.INFO.S", "{\"subjects_filter\":\">\"}");
    desk_slice(d);
    ck_assert_uint_eq(a.got, 0);
    ck_assert_ok(ri_stream_delete(ri_js_stream(d->w.js, RI_STR("S")), NULL));
    ck_assert_ok(world_stream(&d->w,
                              "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_direct\":true}",
                              NULL, NULL));
    desk_turn(d);
    ck_assert_msg(told(&a, "10059"), "%s", a.last);
    for (int i = 0; i < SUBJECTS; i++) world_publish(&d->w, "s.x", "", "", "0123456789");
    desk_turn(d);
    ask(&a, "DIRECT.GET.S", "{\"seq\":1,\"batch\":100000}");
    desk_slice(d);
    ck_assert_ok(ri_stream_delete(ri_js_stream(d->w.js, RI_STR("S")), NULL));
    uint64_t got = a.got;
    ck_assert_uint_lt(got, SUBJECTS);
    desk_turn(d);
    ck_assert_uint_eq(a.got, got + 1);
    ck_assert_msg(told(&a, "503"), "%s", a.last);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

/* A batch without max_bytes ends where the asker could take no more, and says what is left. */
START_TEST(test_room)
{
    desk *d = desk_of_many();
    static row_asker a;
    asker_init(&a, d, 1);
    a.room = 100000;
    ask(&a, "DIRECT.GET.S", "{\"seq\":1,\"batch\":100000}");
    desk_turn(d);
    ck_assert_uint_le(a.bytes, 100000 + 300); /* the end itself */
    ck_assert_uint_gt(a.bytes, 90000);
    char want[64];
    snprintf(want, sizeof want, "Nats-Num-Pending: %llu\r\n",
             (unsigned long long)(SUBJECTS - (a.got - 1)));
    ck_assert_msg(told(&a, "204 EOB") && told(&a, want), "%s", a.last);
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

static uint64_t work_of(const desk *d)
{
    return ri_memory_used(&d->w.router.memory, RI_MEMORY_WORK);
}

/* What waits has its share with all other work; where that is used up, who has least goes on, and
 * who has most is told that there is no memory. */
START_TEST(test_memory)
{
    desk *d = row_desk();
    static row_asker greedy, modest;
    static char body[1024 * 1024];
    ri_memory *memory = &d->w.router.memory;
    ri_claim other;
    ri_memory_set_limit(memory, 64 * 1024 * 1024);
    uint64_t share = ri_memory_share(memory, RI_MEMORY_WORK);
    asker_init(&greedy, d, 1);
    asker_init(&modest, d, 2);
    memset(body, ' ', sizeof body - 1);
    ri_claim_init(&other, NULL);
    ck_assert(ri_claim_grow(&d->w.router.work, &other, share / 2));
    for (int i = 0; i < 8; i++) ask(&greedy, "STREAM.NAMES", body);
    ck_assert_uint_eq(greedy.party.asker->waiting, 3);
    ck_assert_uint_eq(stats_of(d).dropped, 5);
    ask(&modest, "STREAM.NAMES", body);
    ask(&modest, "STREAM.NAMES", "");
    ck_assert_uint_eq(modest.party.asker->waiting, 2);
    ck_assert_uint_le(work_of(d), share);
    ask(&greedy, "STREAM.NAMES", "");
    ck_assert_uint_eq(stats_of(d).dropped, 6);
    desk_turn(d);
    ck_assert_uint_eq(greedy.got, 3);
    ck_assert_msg(told(&greedy, "\"err_code\":10023"), "%s", greedy.last);
    ck_assert_uint_eq(modest.got, 2);
    ck_assert_msg(told(&modest, "\"streams\":null"), "%s", modest.last);
    ask(&greedy, "STREAM.NAMES", ""); /* and then it may ask as others do */
    desk_turn(d);
    ck_assert_msg(told(&greedy, "\"streams\":null"), "%s", greedy.last);
    ri_claim_end(&d->w.router.work, &other);
    ck_assert_uint_eq(work_of(d), 0);
    ri_party_fini(&greedy.party);
    ri_party_fini(&modest.party);
    desk_fini(d, NULL);
}
END_TEST

/* So has an answer that is put together in slices. */
START_TEST(test_memory_of_answers)
{
    static const char *const asked[][2] = {{"STREAM.INFO.S", "{\"subjects_filter\":\">\"}"},
                                           {"CONSUMER.LIST.S", ""}};
    desk *d = desk_of_many();
    static row_asker a;
    char json[128];
    asker_init(&a, d, 1);
    for (int i = 0; i < 300; i++) {
        snprintf(json, sizeof json, "{\"durable_name\":\"c%03d\",\"ack_policy\":\"explicit\"}", i);
        ck_assert_ok(world_consumer(&d->w, "S", json, NULL, NULL));
    }
    for (size_t i = 0; i < RI_LEN(asked); i++) {
        ri_memory_set_limit(&d->w.router.memory, 8 * 64 * 1024);
        ask(&a, asked[i][0], asked[i][1]);
        desk_turn(d);
        ck_assert_msg(told(&a, "\"err_code\":10023"), "%s", a.last);
        ck_assert_uint_eq(work_of(d), 0);
        ri_memory_set_limit(&d->w.router.memory, 64 * 1024 * 1024);
        ask(&a, asked[i][0], asked[i][1]);
        desk_turn(d);
        ck_assert_msg(!told(&a, "error"), "%s", a.last);
        ck_assert_uint_eq(work_of(d), 0);
    }
    ri_party_fini(&a.party);
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("js_row", test_fair, test_shares, test_bounds, test_gone, test_long, test_purge,
           test_delete, test_lists, test_long_lists, test_long_infos, test_many_subjects,
           test_long_body, test_retention, test_cancelled, test_stream_gone, test_room,
           test_memory, test_memory_of_answers)
