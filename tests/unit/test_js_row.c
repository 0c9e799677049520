/* SPDX-License-Identifier: Apache-2.0 */
/* Who has asked the JetStream API, and whose turn it is. */
#include <stdio.h>

#include "base/error.h"
#include "codec/limits.h"
#include "support/desk.h"
#include "support/suite.h"

typedef struct row_asker { /* a client that asks, and hears the answers */
    ri_client client;
    ri_subscription sub;
    char inbox[32];
    int id;
    uint64_t got;
    size_t bytes;
} row_asker;

static int order[8192]; /* whose answers came */
static size_t norder;

static bool row_deliver(ri_client *client, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    row_asker *a = ri_container_of(client, row_asker, client);
    a->got++;
    a->bytes += d->m->data.len;
    if (norder < RI_LEN(order)) order[norder++] = a->id;
    return true;
}

static void row_ended(ri_client *client, ri_subscription *sub)
{
    (void)client, (void)sub;
}

static const ri_client_ops row_ops = {.deliver = row_deliver, .ended = row_ended};

static void asker_init(row_asker *a, desk *d, int id)
{
    *a = (row_asker){.id = id};
    snprintf(a->inbox, sizeof a->inbox, "inbox.%d", id);
    ri_client_init(&a->client, &d->w.router, &row_ops);
    a->sub.entry.subject = ri_str_of(a->inbox);
    ck_assert_ok(ri_router_subscribe(&a->client, &a->sub));
}

static void ask(row_asker *a, const char *path, const char *body)
{
    char subject[300];
    snprintf(subject, sizeof subject, "$JS.API.%s", path);
    ri_message m = {.subject = ri_str_of(subject), .reply = ri_str_of(a->inbox),
                    .data = ri_str_of(body)};
    ck_assert_int_ge(ri_router_publish(&a->client, &m, NULL), 0);
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
    ri_client_fini(&greedy.client);
    ri_client_fini(&modest.client);
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
    ri_client_fini(&cheap.client);
    ri_client_fini(&dear.client);
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
        ck_assert_uint_le(askers[i].client.asker->waiting, RI_LIMIT_JS_API_ROW);
    }
    uint64_t asked = (uint64_t)ASKERS * (RI_LIMIT_JS_API_ROW + 1);
    ck_assert_uint_eq(stats_of(d).waiting, RI_LIMIT_JS_API_QUEUE);
    ck_assert_uint_eq(stats_of(d).dropped, asked - RI_LIMIT_JS_API_QUEUE);
    desk_turn(d);
    uint64_t got = 0;
    for (int i = 0; i < ASKERS; i++) got += askers[i].got;
    ck_assert_uint_eq(got, RI_LIMIT_JS_API_QUEUE);
    for (int i = 0; i < ASKERS; i++) ri_client_fini(&askers[i].client);
    desk_fini(d, NULL);
}
END_TEST

/* What changes something is done though its asker has gone; what is in a row at a close is freed. */
START_TEST(test_gone)
{
    desk *d = row_desk();
    static row_asker a;
    asker_init(&a, d, 1);
    ask(&a, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s\"],\"allow_direct\":true}");
    ask(&a, "STREAM.NAMES", "");
    ask(&a, "DIRECT.GET.S", "{\"last_by_subj\":\"s\"}");
    ri_client_fini(&a.client);
    desk_turn(d);
    ck_assert_ptr_nonnull(ri_js_stream(d->w.js, RI_STR("S")));
    ck_assert_uint_eq(stats_of(d).waiting, 0);
    ck_assert_uint_eq(a.got, 0);

    asker_init(&a, d, 2);
    for (int i = 0; i < 100; i++) ask(&a, "STREAM.NAMES", "");
    desk_slice(d);
    for (int i = 0; i < 1000; i++) ask(&a, "STREAM.NAMES", "");
    ck_assert_uint_gt(a.client.asker->waiting, 900);
    d->w.also = NULL;
    ri_jetstream_api_close(d->api);
    d->api = NULL;
    ck_assert_uint_ge(a.got, 100);
    ck_assert_uint_eq(a.client.asker->waiting, 0);
    ck_assert_uint_eq(a.client.asker->refs, 1);
    ri_client_fini(&a.client);
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("js_row", test_fair, test_shares, test_bounds, test_gone)
