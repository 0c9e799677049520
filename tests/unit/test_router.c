/* SPDX-License-Identifier: Apache-2.0 */
/* A message to very many receivers: in slices, to each once, whatever comes and goes in between. */
#include <stdio.h>

#include "base/error.h"
#include "engine/live/router.h"
#include "support/suite.h"

enum { MANY = 100000 };

typedef struct fan_ear { /* a receiver with one subscription */
    ri_party party;
    ri_subscription sub;
    char queue[16];
    uint32_t got[4];     /* by the first digit of what came */
    bool ended;
} fan_ear;

static ri_host host;
static ri_router router;
static fan_ear ears[MANY + 8];
static ri_party from, other;
static uint32_t unanswered, wrong; /* counted: an assertion for each of so many takes long */
static ri_publish carried;         /* what each delivery has to bring along */

static bool fan_take(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    fan_ear *ear = ri_container_of(party, fan_ear, party);
    int i = d->m->data.ptr[0] - '0';
    for (int later = i + 1; d->from == &from && later < 4; later++)
        wrong += ear->got[later] > 0; /* in their order */
    ear->got[i]++;
    wrong += d->p->frame != carried.frame || d->p->stored != carried.stored;
    return true;
}

static void fan_ended(ri_party *party, ri_subscription *sub)
{
    (void)sub;
    ri_container_of(party, fan_ear, party)->ended = true;
}

static void fan_unanswered(ri_party *party, const ri_message *m)
{
    (void)party, (void)m;
    unanswered++;
}

static const ri_party_ops fan_ops = {.deliver = fan_take, .ended = fan_ended,
                                      .no_responders = fan_unanswered};

static void hear(fan_ear *ear, const char *queue, uint64_t max)
{
    *ear = (fan_ear){0};
    ri_party_init(&ear->party, &router, &fan_ops);
    ear->sub.entry.subject = RI_STR("s.all");
    snprintf(ear->queue, sizeof ear->queue, "%s", queue);
    ear->sub.entry.queue = ri_str_of(ear->queue);
    wrong += ri_router_subscribe(&ear->party, &ear->sub) < 0;
    ear->sub.max = max;
}

static void fan_open(void)
{
    ri_host_init(&host, NULL);
    ck_assert_ok(ri_router_init(&router, &host));
    ri_party_init(&from, &router, &fan_ops);
    ri_party_init(&other, &router, &fan_ops);
    unanswered = wrong = 0;
    carried = (ri_publish){0};
}

static void fan_close(size_t n)
{
    ck_assert_ptr_null(router.fan);
    ck_assert_uint_eq(wrong, 0);
    for (size_t i = 0; i < n; i++) ri_party_fini(&ears[i].party);
    ri_party_fini(&from);
    ri_party_fini(&other);
    ri_router_fini(&router);
}

static void say(ri_party *party, const char *data, ri_fan **fan)
{
    ri_message m = {.subject = RI_STR("s.all"), .reply = RI_STR("in"), .data = ri_str_of(data)};
    *fan = NULL;
    ck_assert_int_gt(ri_router_publish(party, &(ri_publish){.m = &m, .fan = fan}), 0);
}

static bool turn(ri_fan **fan)
{
    ri_budget_open(&router.budget);
    bool more = ri_router_fan_on(fan);
    ri_budget_close(&router.budget);
    return more;
}

/* No turn is long; a second message to as many waits for the first. */
START_TEST(test_slices)
{
    ri_fan *one, *two, *three;
    fan_open();
    for (size_t i = 0; i < MANY; i++) hear(&ears[i], "", 0);
    ri_budget_open(&router.budget);
    say(&from, "0", &one);
    ri_budget_close(&router.budget);
    ck_assert_ptr_nonnull(one);
    ck_assert_uint_lt(router.out_msgs, MANY / 4);
    say(&other, "1", &two);
    say(&other, "2", &three);
    ck_assert(turn(&two) && two);
    ck_assert_uint_lt(router.out_msgs, MANY / 4);
    ri_router_fan_drop(&three);
    int turns = 1;
    while (turn(&one)) turns++;
    ck_assert_int_gt(turns, 5);
    ck_assert_int_lt(turns, 20);
    while (turn(&two)) {}
    ck_assert_uint_eq(router.out_msgs, 2 * MANY);
    for (size_t i = 0; i < MANY; i++)
        wrong += ears[i].got[0] != 1 || ears[i].got[1] != 1 || ears[i].got[2] != 0;
    ck_assert_uint_le(router.budget.longest, RI_BUDGET_TURN + 100);
    ck_assert_uint_eq(unanswered, 0);
    fan_close(MANY);
}
END_TEST

/* Between slices some unsubscribe, others come, some subscriptions have their max; a group has it
 * once. */
START_TEST(test_changes)
{
    ri_fan *fan;
    fan_open();
    size_t n = 20000;
    for (size_t i = 0; i < n; i++) {
        char queue[16] = "";
        if (i % 4 == 1) snprintf(queue, sizeof queue, "q%zu", i / 8);
        hear(&ears[i], queue, i % 4 == 2 ? 1 : 0);
    }
    router.budget.left = router.budget.limit = 1000;
    say(&from, "0", &fan);
    for (size_t at = 7; turn(&fan); at += 64) {
        if (at % 128 == 7) ri_router_unsubscribe(&ears[at].sub);
        else if (at < n / 2) hear(&ears[n++], "", 0);
    }
    uint32_t groups[20000 / 8] = {0};
    for (size_t i = 0; i < 20000; i++) {
        if (i % 4 == 1) groups[i / 8] += ears[i].got[0];
        else if (ri_list_linked(&ears[i].sub.link) || i % 4 == 2) wrong += ears[i].got[0] != 1;
        else wrong += ears[i].got[0] > 1;
        wrong += ears[i].ended != (i % 4 == 2);
    }
    for (size_t i = 0; i < RI_LEN(groups); i++) wrong += groups[i] != 1;
    for (size_t i = 20000; i < n; i++) wrong += ears[i].got[0] > 1;
    ck_assert_uint_le(router.budget.longest, 1000 + 2000);
    fan_close(n);
}
END_TEST

/* Who cannot rest has it wait; what is meant for few goes past it. */
START_TEST(test_backlog)
{
    fan_open();
    from.queues = true;
    for (size_t i = 0; i < MANY; i++) hear(&ears[i], "", 0);
    hear(&ears[MANY], "", 0);
    ri_router_unsubscribe(&ears[MANY].sub);
    ears[MANY].sub.entry.subject = RI_STR("s.one");
    ck_assert_ok(ri_router_subscribe(&ears[MANY].party, &ears[MANY].sub));
    ri_message m = {.subject = RI_STR("x"), .data = RI_STR("0")};
    ck_assert_int_eq(ri_router_publish(&from, &(ri_publish){.m = &m, .route = RI_STR("s.all")}), 1);
    m.data = RI_STR("1");
    ck_assert_int_eq(ri_router_publish(&from, &(ri_publish){.m = &m, .route = RI_STR("s.all")}), 1);
    ck_assert_int_eq(ri_router_publish(&from, &(ri_publish){.m = &m, .route = RI_STR("s.one")}), 1);
    ck_assert_uint_eq(ears[MANY].got[1], 1);
    ck_assert_uint_eq(router.out_msgs, 1);
    int turns = 0;
    for (; ri_router_has_backlog(&router); turns++) {
        ri_budget_open(&router.budget);
        ri_router_backlog_some(&router);
        ri_budget_close(&router.budget);
    }
    ck_assert_int_ge(turns, 20);
    ck_assert_uint_eq(router.out_msgs, 2 * MANY + 1);
    for (size_t i = 0; i < MANY; i++) wrong += ears[i].got[0] != 1 || ears[i].got[1] != 1;
    ck_assert_uint_le(router.budget.longest, RI_BUDGET_TURN + 100);
    ck_assert_int_eq(ri_router_publish(&from, &(ri_publish){.m = &m, .route = RI_STR("s.all")}), 1);
    ri_party_fini(&from); /* drops what waits */
    ck_assert(!ri_router_has_backlog(&router));
    fan_close(MANY + 1);
}
END_TEST

/* The few get it at once, and so do all, if there is no memory to wait with. */
START_TEST(test_few)
{
    ri_fan *fan;
    fan_open();
    for (size_t i = 0; i < 2000; i++) hear(&ears[i], "", 0);
    router.budget.left = -1;
    say(&from, "0", &fan);
    ck_assert_ptr_null(fan);
    ck_assert_uint_eq(router.out_msgs, 2000);
    fan_close(2000);
}
END_TEST

static uint32_t shut_asked;

static bool shut_take(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party, (void)sub, (void)d;
    shut_asked++;
    return false;
}

static bool shut_is(const ri_party *party)
{
    (void)party;
    return true;
}

static const ri_party_ops shut_ops = {.deliver = shut_take, .ended = fan_ended, .shut = shut_is};

/* A client that is about to go has very many members of a group: it is tried once a message, the
 * one member that is well gets all, and the members that are passed over are counted. */
START_TEST(test_shut)
{
    enum { MEMBERS = 20000, MESSAGES = 100 };
    static ri_subscription members[MEMBERS];
    ri_party shut;
    fan_open();
    ri_party_init(&shut, &router, &shut_ops);
    for (size_t i = 0; i < MEMBERS; i++) {
        members[i] = (ri_subscription){.entry.subject = RI_STR("s.all"),
                                       .entry.queue = RI_STR("q")};
        wrong += ri_router_subscribe(&shut, &members[i]) < 0;
    }
    hear(&ears[0], "q", 0);
    ri_budget_open(&router.budget);
    shut_asked = 0;
    for (int i = 0; i < MESSAGES; i++) {
        ri_message m = {.subject = RI_STR("s.all"), .data = RI_STR("0")};
        ck_assert_int_eq(ri_router_publish(&from, &(ri_publish){.m = &m}), 1);
    }
    ri_budget_close(&router.budget);
    ck_assert_uint_eq(ears[0].got[0], MESSAGES);
    ck_assert_uint_le(shut_asked, MESSAGES);
    ck_assert_uint_gt(router.budget.spent, 2 * MESSAGES + MEMBERS / 16);
    ri_party_fini(&shut);
    fan_close(1);
}
END_TEST

/* What it carries comes along in each of its slices, also when its publisher has returned; one by a
 * route keeps its subject, and is no message of its publisher's. */
START_TEST(test_carried)
{
    ri_message m = {.subject = RI_STR("s.all"), .data = RI_STR("0")};
    fan_open();
    for (size_t i = 0; i < 10000; i++) hear(&ears[i], "", 0);
    carried = (ri_publish){.frame = &wrong, .stored = true};
    from.queues = true;
    ri_publish p = {.m = &m, .frame = &wrong, .stored = true};
    ck_assert_int_eq(ri_router_publish(&from, &p), 1);
    p = (ri_publish){0};
    ck_assert(ri_router_has_backlog(&router));
    while (ri_router_has_backlog(&router)) {
        ri_budget_open(&router.budget);
        ri_router_backlog_some(&router);
        ri_budget_close(&router.budget);
    }
    for (size_t i = 0; i < 10000; i++) wrong += ears[i].got[0] != 1;
    ck_assert_uint_eq(router.in_msgs, 1);
    carried = (ri_publish){0};
    for (size_t i = 1; i < 10000; i++) ri_router_unsubscribe(&ears[i].sub);
    m = (ri_message){.subject = RI_STR("s.kept"), .reply = RI_STR("in"), .data = RI_STR("1")};
    ck_assert_int_eq(ri_router_publish(&from, &(ri_publish){.m = &m, .route = m.reply}), 0);
    ck_assert_int_eq(ri_router_publish(&from, &(ri_publish){.m = &m, .route = RI_STR("s.all")}), 1);
    ck_assert_uint_eq(ears[0].got[1], 1);
    ck_assert_uint_eq(router.in_msgs, 1);
    ck_assert_uint_eq(unanswered, 0);
    fan_close(10000);
}
END_TEST

SUITE_MAIN("router", test_carried, test_slices, test_changes, test_backlog, test_few, test_shut)
