/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of the protocol of KIP-848: joining, being given and giving up partitions, epochs that are
 * wrong, static members, what ends a member, assignors, what is known after a restart. */
#include <stdio.h>

#include "base/error.h"
#include "support/band.h"
#include "support/suite.h"

static band b;

static void setup(void)
{
    ck_assert_ok(band_init(&b, NULL));
    b.conf.assign_ms = 0;
    ri_groups_close(b.groups);
    b.groups = NULL;
    ck_assert_ok(band_reopen(&b));
    band_set_topic(&b, "t", 4);
    band_set_topic(&b, "u", 2);
}

static void teardown(void)
{
    band_fini(&b);
}

static band_player *add(const char *who, const char *subscribes)
{
    band_player *p = band_add(&b, who, "g");
    p->subscribes = subscribes;
    return p;
}

/* A heartbeat, and the commit that its answer may wait for. */
static void pulse(band_player *p)
{
    band_pulse(p);
    band_turn(&b);
}

START_TEST(test_alone)
{
    band_player *p = add("a", "t");
    band_pulse(p);
    BAND_TOLD(&b, ""); /* the disk does not know it yet */
    band_turn(&b);
    band_pulse(p);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 1 {t/0 t/1 t/2 t/3}\n[     0] a: beat 0 epoch 1\n");
    band_describe_modern(&b, "g");
    band_describe(&b, "g");
    band_list(&b);
    BAND_TOLD(&b, "g: 0 Stable uniform epoch 1/1\n"
                  "  a epoch 1 {t/0 t/1 t/2 t/3} {t/0 t/1 t/2 t/3}\n"
                  "g: 69 Dead /\ng consumer Stable consumer\n");
    band_pulse_as(p, -1);
    band_turn(&b);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] a: beat 0 epoch -1\ng: 0 Empty uniform epoch 2/2\n");
    pulse(p);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 3 {t/0 t/1 t/2 t/3}\n");
}
END_TEST

/* The second waits until the first has given up its share, and said so. */
START_TEST(test_two)
{
    band_player *p = add("a", "t"), *q = add("b", "t");
    pulse(p);
    pulse(q);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 1 {t/0 t/1 t/2 t/3}\n[     0] b: beat 0 epoch 2 {}\n");
    p->keeps = true;
    pulse(p);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 1 {t/0 t/1}\ng: 0 Reconciling uniform epoch 2/2\n"
                  "  a epoch 1 {t/0 t/1 t/2 t/3} {t/0 t/1}\n  b epoch 2 {} {t/2 t/3}\n");
    pulse(q);
    pulse(p);
    BAND_TOLD(&b, "[     0] b: beat 0 epoch 2\n[     0] a: beat 0 epoch 1\n");
    band_yield(p);
    pulse(p);
    pulse(q);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 2\n[     0] b: beat 0 epoch 2 {t/2 t/3}\n"
                  "g: 0 Stable uniform epoch 2/2\n"
                  "  a epoch 2 {t/0 t/1} {t/0 t/1}\n  b epoch 2 {t/2 t/3} {t/2 t/3}\n");
    /* One leaves, and the other gets all. */
    band_pulse_as(p, -1);
    pulse(q);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch -1\n[     0] b: beat 0 epoch 3 {t/0 t/1 t/2 t/3}\n");
}
END_TEST

/* Who does not give up what it shall goes when its time for that is over. */
START_TEST(test_never_revokes)
{
    band_player *p = add("a", "t"), *q = add("b", "t");
    p->rebalance_ms = 20000;
    pulse(p);
    pulse(q);
    p->keeps = true;
    for (int i = 0; i < 4; i++) {
        pulse(p);
        pulse(q);
        band_wait(&b, 5000);
    }
    pulse(q);
    pulse(p);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 1 {t/0 t/1 t/2 t/3}\n[     0] b: beat 0 epoch 2 {}\n"
                  "[     0] a: beat 0 epoch 1 {t/0 t/1}\n[     0] b: beat 0 epoch 2\n"
                  "[  5000] a: beat 0 epoch 1\n[  5000] b: beat 0 epoch 2\n"
                  "[ 10000] a: beat 0 epoch 1\n[ 10000] b: beat 0 epoch 2\n"
                  "[ 15000] a: beat 0 epoch 1\n[ 15000] b: beat 0 epoch 2\n"
                  "[ 20000] b: beat 0 epoch 3 {t/0 t/1 t/2 t/3}\n[ 20000] a: beat 25\n");
}
END_TEST

START_TEST(test_session)
{
    band_player *p = add("a", "t"), *q = add("b", "t");
    pulse(p);
    pulse(q);
    pulse(p);
    pulse(p);
    ri_buffer_reset(&b.told);
    for (int i = 0; i < 11; i++) {
        band_wait(&b, 5000);
        pulse(q);
    }
    pulse(p);
    BAND_TOLD(&b, "[  5000] b: beat 0 epoch 2 {t/2 t/3}\n[ 10000] b: beat 0 epoch 2\n"
                  "[ 15000] b: beat 0 epoch 2\n[ 20000] b: beat 0 epoch 2\n"
                  "[ 25000] b: beat 0 epoch 2\n[ 30000] b: beat 0 epoch 2\n"
                  "[ 35000] b: beat 0 epoch 2\n[ 40000] b: beat 0 epoch 2\n"
                  "[ 45000] b: beat 0 epoch 3 {t/0 t/1 t/2 t/3}\n[ 50000] b: beat 0 epoch 3\n"
                  "[ 55000] b: beat 0 epoch 3\n[ 55000] a: beat 25\n");
}
END_TEST

/* Epochs: the member's, or the one before if the answer was lost. */
START_TEST(test_epochs)
{
    band_player *p = add("a", "t"), *q = add("b", "t");
    band_pulse_as(p, 5); /* of a group that is not there */
    pulse(p);
    pulse(q);
    band_pulse_as(q, 1);
    ri_buffer_reset(&b.told);
    pulse(q); /* which joins anew: the same epoch */
    BAND_TOLD(&b, "[     0] b: beat 0 epoch 2 {}\n");
    band_pulse_as(q, 3);
    pulse(p);
    pulse(p);
    ri_buffer_reset(&b.told);
    /* The answer that said epoch 2 was lost: epoch 1 is taken with what is among its partitions. */
    p->reports = true;
    band_pulse_as(p, 1);
    band_turn(&b);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 2\n");
    p->reports = true;
    p->has[0] = 15;
    band_pulse_as(p, 1);
    BAND_TOLD(&b, "[     0] a: beat 110\n");
    band_pulse_as(p, 1); /* it does not say what it has */
    BAND_TOLD(&b, "[     0] a: beat 110\n");
}
END_TEST

START_TEST(test_faults)
{
    band_player *p = add("a", "t");
    ri_str names[] = {RI_STR("t")};
    ri_group_pulse good = {.group = RI_STR("g"), .member = RI_STR("a"), .client_id = RI_STR("a"),
                           .client_host = RI_STR(""), .topics = names, .ntopics = 1,
                           .says_topics = true, .says_owned = true, .rebalance_ms = 1000,
                           .makes_id = true};
    pulse(p);
    ri_group_pulse bad[] = {good, good, good, good, good, good, good, good, good, good, good};
    int want[RI_LEN(bad)] = {42, 42, 42, 42, 42, 42, 42, 42, 42, 112, 128};
    bad[0].member = RI_STR("");
    bad[1].group = RI_STR("");
    bad[2].instance = RI_STR("");
    bad[3].rack = RI_STR("");
    bad[4].rebalance_ms = -1;
    bad[5].says_owned = false;
    bad[6].says_topics = false;
    bad[7].epoch = -2;
    bad[8].epoch = -3;
    bad[9].assignor = RI_STR("sticky");
    bad[10].regex = RI_STR("t.*");
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        bad[i].call.done = p->pulse.call.done;
        p->pulse = bad[i];
        ri_groups_pulse(b.groups, &p->pulse);
        ck_assert_int_eq(p->error, want[i]);
        ck_assert_ptr_nonnull(p->pulse.message);
    }
    ri_buffer_reset(&b.told);
    band_player *q = add("b", "t");
    band_pulse_as(q, -1);
    band_pulse_as(q, 1);
    q->instance = "i";
    band_pulse_as(q, -2);
    q->group = "h";
    band_pulse_as(q, -2);
    BAND_TOLD(&b, "[     0] b: beat 25\n[     0] b: beat 25\n[     0] b: beat 25\n"
                  "[     0] b: beat 69\n");
}
END_TEST

/* What is subscribed changes: the epoch, and what the topics are. */
START_TEST(test_subscriptions)
{
    band_player *p = add("a", "t"), *q = add("b", "t u");
    pulse(p);
    pulse(q);
    for (int i = 0; i < 3; i++) pulse(p), pulse(q);
    band_describe_modern(&b, "g");
    ri_buffer_reset(&b.told);
    p->subscribes = "u none";
    p->asks_all = true;
    pulse(p);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 2 {}\n"); /* it has to give up all that it had */
    for (int i = 0; i < 3; i++) pulse(p), pulse(q);
    ri_buffer_reset(&b.told);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "g: 0 Stable uniform epoch 3/3\n"
                  "  a epoch 3 {u/0 u/1} {u/0 u/1}\n"
                  "  b epoch 3 {t/0 t/1 t/2 t/3} {t/0 t/1 t/2 t/3}\n");
    /* The topic that was not there is made; another grows; one is deleted. */
    band_set_topic(&b, "none", 1);
    pulse(p);
    band_set_topic(&b, "t", 5);
    pulse(q);
    band_set_topic(&b, "u", 0);
    pulse(p);
    pulse(p);
    ri_buffer_reset(&b.told);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "g: 0 Reconciling uniform epoch 6/6\n  a epoch 6 {none/0} {none/0}\n"
                  "  b epoch 5 {t/0 t/1 t/2 t/3 t/4} {t/0 t/1 t/2 t/3 t/4}\n");
    pulse(q);
    band_describe_modern(&b, "g");
    ri_buffer_reset(&b.told);
}
END_TEST

/* A static member keeps what it has while it is away, if it says that it comes back. */
START_TEST(test_static)
{
    band_player *s = add("s", "t"), *p = add("a", "t"), *again = add("s2", "t");
    s->instance = again->instance = "i";
    pulse(s);
    pulse(p);
    for (int i = 0; i < 2; i++) pulse(s), pulse(p);
    ri_buffer_reset(&b.told);
    pulse(again); /* it is there */
    BAND_TOLD(&b, "[     0] s2: beat 111\n");
    band_pulse_as(s, -2);
    band_turn(&b);
    pulse(p);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] s: beat 0 epoch -2\n[     0] a: beat 0 epoch 2\n"
                  "g: 0 Reconciling uniform epoch 2/2\n"
                  "  s/i epoch -2 {t/0 t/1} {t/0 t/1}\n  a epoch 2 {t/2 t/3} {t/2 t/3}\n");
    again->generation = 0;
    pulse(again);
    BAND_TOLD(&b, "[     0] s2: beat 0 epoch 2 {t/0 t/1}\n");
    s->generation = 2;
    pulse(s);
    BAND_TOLD(&b, "[     0] s: beat 82\n");
    band_pulse_as(s, -1);
    BAND_TOLD(&b, "[     0] s: beat 82\n");
    /* Away for longer than a session. */
    band_pulse_as(again, -2);
    band_turn(&b);
    for (int i = 0; i < 10; i++) band_wait(&b, 5000), pulse(p);
    ri_buffer_reset(&b.told);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "g: 0 Stable uniform epoch 3/3\n"
                  "  a epoch 3 {t/0 t/1 t/2 t/3} {t/0 t/1 t/2 t/3}\n");
}
END_TEST

/* The first version of the request has ids made by the broker. */
START_TEST(test_made_id)
{
    band_player *p = add("a", "t");
    ri_str names[] = {RI_STR("t")};
    pulse(p);
    ri_group_pulse q = {.call.done = p->pulse.call.done, .group = RI_STR("g"),
                        .member = RI_STR(""), .client_id = RI_STR("a"), .client_host = RI_STR(""),
                        .topics = names, .ntopics = 1, .says_topics = true, .says_owned = true,
                        .rebalance_ms = 1000};
    p->pulse = q;
    ri_groups_pulse(b.groups, &p->pulse);
    band_turn(&b);
    ck_assert_int_eq(p->error, 0);
    ck_assert_uint_eq(strlen(p->id), 36);
    ri_buffer_reset(&b.told);
}
END_TEST

START_TEST(test_range)
{
    band_player *p = add("a", "t u"), *q = add("b", "t u"), *r = add("c", "u");
    p->assignor = "range";
    pulse(p);
    pulse(q);
    pulse(r);
    for (int i = 0; i < 3; i++) pulse(p), pulse(q), pulse(r);
    ri_buffer_reset(&b.told);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "g: 0 Stable range epoch 3/3\n"
                  "  a epoch 3 {t/0 t/1 u/0} {t/0 t/1 u/0}\n"
                  "  b epoch 3 {t/2 t/3 u/1} {t/2 t/3 u/1}\n  c epoch 3 {} {}\n");
    p->assignor = "uniform";
    pulse(p);
    for (int i = 0; i < 3; i++) pulse(p), pulse(q), pulse(r);
    ri_buffer_reset(&b.told);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "g: 0 Stable uniform epoch 4/4\n"
                  "  a epoch 4 {t/0 t/1} {t/0 t/1}\n  b epoch 4 {t/2 t/3} {t/2 t/3}\n"
                  "  c epoch 4 {u/0 u/1} {u/0 u/1}\n");
}
END_TEST

/* The target is not computed more often than once in the interval. */
START_TEST(test_interval)
{
    b.conf.assign_ms = 1000;
    ck_assert_ok(band_restart(&b));
    band_player *p = add("a", "t"), *q = add("b", "t");
    pulse(p);
    pulse(q);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 1 {t/0 t/1 t/2 t/3}\n[     0] b: beat 0 epoch 1 {}\n");
    band_describe_modern(&b, "g");
    band_wait(&b, 1000);
    pulse(q);
    BAND_TOLD(&b, "g: 0 Assigning uniform epoch 2/1\n"
                  "  a epoch 1 {t/0 t/1 t/2 t/3} {t/0 t/1 t/2 t/3}\n  b epoch 1 {} {}\n"
                  "[  1000] b: beat 0 epoch 2\n");
}
END_TEST

/* Members come back as they were; the target is another, for an epoch more. */
START_TEST(test_restart)
{
    band_player *p = add("a", "t"), *q = add("b", "t");
    q->instance = "i";
    pulse(p);
    pulse(q);
    for (int i = 0; i < 2; i++) pulse(p), pulse(q);
    ri_buffer_reset(&b.told);
    ck_assert_ok(band_restart(&b));
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "g: 0 Assigning uniform epoch 3/0\n  a epoch 2 {t/0 t/1} {t/0 t/1}\n"
                  "  b/i epoch 2 {t/2 t/3} {t/2 t/3}\n");
    pulse(p);
    pulse(q);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 3\n[     0] b: beat 0 epoch 3\n"
                  "g: 0 Stable uniform epoch 3/3\n  a epoch 3 {t/0 t/1} {t/0 t/1}\n"
                  "  b/i epoch 3 {t/2 t/3} {t/2 t/3}\n");
    band_pulse_as(p, -1);
    band_pulse_as(q, -1);
    band_turn(&b);
    ri_buffer_reset(&b.told);
    ck_assert_ok(band_restart(&b));
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "g: 0 Empty uniform epoch 5/5\n");
}
END_TEST

/* A group without members may become one of the other kind, and keeps its offsets. */
START_TEST(test_kinds)
{
    band_player *p = add("a", "t"), *c = band_add(&b, "c", "g");
    c->old = true;
    band_commit(c, "t/0=5");
    pulse(p);
    band_join(c);
    BAND_TOLD(&b, "[     0] c: commit 0\n[     0] a: beat 0 epoch 1 {t/0 t/1 t/2 t/3}\n"
                  "[     0] c: join 23 as \n");
    band_pulse_as(p, -1);
    band_join(c);
    band_wait(&b, 3000);
    pulse(p);
    band_describe(&b, "g");
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[     0] a: beat 0 epoch -1\n"
                  "[  3000] c: join 0 gen 1 consumer/range leader c-1 as c-1 {c-1=}\n"
                  "[  3000] a: beat 69\ng: 0 CompletingRebalance consumer/ c-1(c)=>\n"
                  "[  3000] fetch: 0 t/0=5\n");
    band_leave(c);
    band_turn(&b);
    p->generation = 0;
    pulse(p);
    ck_assert_ok(band_restart(&b));
    band_list(&b);
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[  3000] c: leave 0, 0\n[  3000] a: beat 0 epoch 1 {t/0 t/1 t/2 t/3}\n"
                  "g consumer Assigning consumer\n[  3000] fetch: 0 t/0=5\n");
    /* By an administrator, as one of the classic protocol. */
    snprintf(c->id, sizeof c->id, "a");
    band_leave(c);
    band_turn(&b);
    band_delete(&b, "g");
    band_turn(&b);
    ck_assert_ok(band_restart(&b));
    band_list(&b);
    BAND_TOLD(&b, "[  3000] c: leave 0, 0\n[  3000] g: deleted 0\n");
}
END_TEST

/* Commits in an epoch that is behind count for what the member has had since then. */
START_TEST(test_offsets)
{
    static const uint8_t t[RI_GROUP_TOPIC_ID] = {1, [15] = 1};
    band_player *p = add("a", "t"), *q = add("b", "t");
    pulse(p);
    pulse(q);
    for (int i = 0; i < 2; i++) pulse(p), pulse(q);
    ri_buffer_reset(&b.told);
    ck_assert_int_eq(band_commit_one(p, "t", t, 0, 7, ""), 0);
    band_turn(&b);
    p->old = true;
    band_commit(p, "t/0=1");
    p->old = false;
    p->generation = 3;
    band_commit(p, "t/0=1");
    p->generation = 1;
    BAND_TOLD(&b, "[     0] a: commit 0\n[     0] a: commit 35\n[     0] a: commit 113\n");
    ri_group_commit commit = {.call.done = p->commit.call.done, .group = RI_STR("g"),
                              .member = RI_STR("a"), .generation = 1, .retention_ms = -1,
                              .knows_epochs = true};
    ri_group_offset offset = {.topic = RI_STR("t"), .offset = 9, .metadata = RI_STR("")};
    memcpy(offset.topic_id, t, sizeof t);
    p->commit = commit;
    ck_assert_int_eq(ri_groups_commit_begin(b.groups, &p->commit), 0);
    ck_assert(p->commit.checks);
    ck_assert_int_eq(ri_groups_commit_check(&p->commit, &offset), 0);
    offset.partition = 2; /* it is the other's */
    ck_assert_int_eq(ri_groups_commit_check(&p->commit, &offset), 113);
    offset.partition = -1;
    ck_assert_int_eq(ri_groups_commit_check(&p->commit, &offset), 113);
    ri_groups_commit_end(&p->commit);
    p->commit = commit;
    p->commit.member = RI_STR("b");
    ck_assert_int_eq(ri_groups_commit_begin(b.groups, &p->commit), 0);
    offset.partition = 2; /* which it has since epoch 2 */
    ck_assert_int_eq(ri_groups_commit_check(&p->commit, &offset), 113);
    ri_groups_commit_end(&p->commit);
    p->commit.member = RI_STR("nobody");
    ck_assert_int_eq(ri_groups_commit_begin(b.groups, &p->commit), 25);
    ri_buffer_reset(&b.told);
    ri_group_fetch fetch = {.call.done = p->commit.call.done, .group = RI_STR("g"),
                            .member = RI_STR("a"), .epoch = 1};
    ck_assert_int_eq(ri_groups_fetch_begin(b.groups, &fetch), 113);
    fetch.member = RI_STR("c");
    ck_assert_int_eq(ri_groups_fetch_begin(b.groups, &fetch), 25);
    band_erase(&b, "g", "t/0 u/0");
    BAND_TOLD(&b, "t/0 86\n[     0] erase: 0\n");
}
END_TEST

/* Whoever was asked for topics last is: another that goes takes nothing away. */
START_TEST(test_topics)
{
    band_player *p = add("a", "t");
    ri_groups_drop_topics(b.groups, &p);
    pulse(p);
    BAND_TOLD(&b, "[     0] a: beat 0 epoch 1 {t/0 t/1 t/2 t/3}\n");
    ri_groups_drop_topics(b.groups, &b);
    band_player *q = add("b", "u");
    pulse(q);
    BAND_TOLD(&b, "[     0] b: beat 0 epoch 2 {}\n");
}
END_TEST

/* ---- Each allocation fails once ---- */

static int scarce(fault *f, void *arg)
{
    static band s;
    (void)arg;
    int rc = band_init_with(&s, f, NULL);
    s.quiet = true;
    if (rc >= 0) {
        band_set_topic(&s, "t", 5);
        band_set_topic(&s, "u", 3);
        band_player *p = band_add(&s, "p", "g"), *q = band_add(&s, "q", "g");
        p->subscribes = "t u";
        q->subscribes = "t";
        q->instance = "i";
        for (int round = 0; round < 6; round++) {
            if (round == 3) q->subscribes = "u", q->asks_all = true;
            if (!p->pulsing) band_pulse(p);
            if (!q->pulsing) band_pulse(q);
            band_wait(&s, 2000);
        }
        if (!q->pulsing) band_pulse_as(q, -2);
        if (!p->pulsing) band_pulse_as(p, -1);
        band_turn(&s);
    }
    band_fini_with(&s);
    return rc;
}

START_TEST(test_scarce)
{
    ck_assert_uint_gt(fault_each(scarce, NULL), 0);
}
END_TEST

SUITE_MAIN_ROWS("modern",
                SUITE_WITH(setup, teardown, test_alone, test_two, test_never_revokes, test_session,
                           test_epochs, test_faults, test_subscriptions, test_static, test_made_id,
                           test_range, test_interval, test_restart, test_kinds, test_offsets,
                           test_topics),
                SUITE_ONCE(test_scarce))
