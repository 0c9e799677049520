/* SPDX-License-Identifier: Apache-2.0 */
/* Offsets of groups: who may commit in which state, what is found, deleted and over, what is known
 * after a restart, and that no answer leaves before the disk has it. */
#include <stdio.h>

#include "base/error.h"
#include "support/band.h"
#include "support/rng.h"
#include "support/suite.h"

static band b;

static void setup(void)
{
    ck_assert_ok(band_init(&b, NULL));
}

static void teardown(void)
{
    band_fini(&b);
}

/* A subscription of version 3 to one topic, of one letter, with something behind it. */
static const char *subscribe(char topic)
{
    static char bytes[64];
    memset(bytes, 0, sizeof bytes);
    bytes[1] = 3;
    bytes[5] = bytes[7] = 1;
    bytes[8] = topic;
    return bytes;
}

/* A group with one member, in the state Stable or one of those before it. */
static band_player *member(const char *group, const char *until)
{
    band_player *p = band_add(&b, "m", group);
    band_join(p);
    band_join(p);
    if (strcmp(until, "PreparingRebalance") != 0) band_wait(&b, 3000);
    if (strcmp(until, "Stable") == 0) {
        band_sync(p, "");
        band_turn(&b);
    }
    ri_buffer_reset(&b.told);
    return p;
}

/* Who is no member commits to a group that is not there, or has no member. */
START_TEST(test_simple)
{
    band_player *p = band_add(&b, "p", "g");
    band_commit(p, "t/0=5 t/1=7,note u/0=-3");
    BAND_TOLD(&b, "");
    band_fetch(&b, "g");
    BAND_TOLD(&b, ""); /* what it says is not on disk yet */
    band_turn(&b);
    BAND_TOLD(&b, "[     0] p: commit 0\n[     0] fetch: 0 t/0=5 t/1=7,note u/0=-3\n");
    band_list(&b);
    BAND_TOLD(&b, "g classic Empty \n");
    band_commit(p, "t/1=8");
    band_turn(&b);
    ck_assert_ok(band_restart(&b));
    band_fetch(&b, "g");
    band_list(&b);
    band_fetch(&b, "nobody");
    BAND_TOLD(&b, "[     0] p: commit 0\n[     0] fetch: 0 t/0=5 t/1=8 u/0=-3\n"
                  "g classic Empty \n[     0] fetch: 0\n");
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 1), 8);
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 2), -1);
    ck_assert_int_eq(band_fetch_one(&b, "g", "v", NULL, 0), -1);
    ck_assert_int_eq(band_fetch_one(&b, "h", "t", NULL, 1), -1);
}
END_TEST

/* In Kafka's order: the group, the member, its generation, the state. */
START_TEST(test_faults)
{
    band_player *p = band_add(&b, "p", "g"), *m;
    p->generation = 1;
    band_commit(p, "t/0=1");
    p->old = true;
    band_commit(p, "t/0=1");
    p->group = NULL;
    band_commit(p, "t/0=1");
    BAND_TOLD(&b, "[     0] p: commit 69\n[     0] p: commit 22\n[     0] p: commit 24\n");
    m = member("g", "Stable");
    p->group = "g";
    p->generation = -1;
    band_commit(p, "t/0=1");
    snprintf(p->id, sizeof p->id, "other");
    band_commit(p, "t/0=1");
    p->instance = "i";
    band_commit(p, "t/0=1");
    m->generation = 2;
    band_commit(m, "t/0=1");
    m->generation = 1;
    band_commit(m, "t/0=1");
    BAND_TOLD(&b, "[  3000] p: commit 25\n[  3000] p: commit 25\n[  3000] p: commit 25\n"
                  "[  3000] m: commit 22\n");
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] m: commit 0\n");
    /* One that has no member any more knows no generation; who says -1 may commit. */
    band_leave(m);
    band_turn(&b);
    m->generation = 2;
    band_commit(m, "t/0=1");
    m->generation = -1;
    band_commit(m, "t/0=2");
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] m: leave 0, 0\n[  3000] m: commit 25\n[  3000] m: commit 0\n");
}
END_TEST

/* While a rebalance is prepared, members of the generation commit; not while it completes. */
START_TEST(test_states)
{
    band_player *m = member("g", "Stable"), *n = band_add(&b, "n", "g");
    band_join(n);
    band_join(n);
    band_commit(m, "t/0=1");
    band_turn(&b);
    ck_assert_int_eq(band_beat(m), 27);
    band_join(m);
    ri_buffer_reset(&b.told);
    band_commit(m, "t/0=2");
    m->generation = 1;
    band_commit(m, "t/0=2");
    BAND_TOLD(&b, "[  3000] m: commit 27\n[  3000] m: commit 22\n");
    band_sync(n, "");
    m->generation = 2;
    band_sync(m, "");
    band_turn(&b);
    ri_buffer_reset(&b.told);
    /* A commit is a sign of life. */
    for (int i = 0; i < 5; i++) {
        band_wait(&b, 6000);
        band_beat(n);
        band_commit(m, "t/0=3");
    }
    band_turn(&b);
    ck_assert_int_eq(band_beat(m), 0);
    band_wait(&b, 6000);
    band_beat(n);
    band_wait(&b, 6000);
    ck_assert_int_eq(band_beat(m), 25);
    ri_buffer_reset(&b.told);
}
END_TEST

START_TEST(test_metadata)
{
    static char big[RI_LIMIT_OFFSET_METADATA + 2];
    memset(big, 'x', sizeof big - 1);
    band_player *p = band_add(&b, "p", "g");
    ck_assert_int_eq(band_commit_one(p, "t", NULL, 0, 1, big), 12);
    band_turn(&b);
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 0), -1);
    big[sizeof big - 2] = 0;
    ck_assert_int_eq(band_commit_one(p, "t", NULL, 0, 1, big), 0);
    band_turn(&b);
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 0), 1);
    ck_assert_int_eq(band_commit_one(p, "t", NULL, 0, 2, ""), 0);
    band_turn(&b);
    ri_buffer_reset(&b.told);
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[     0] fetch: 0 t/0=2\n");
}
END_TEST

/* An offset is of the topic that it was committed for, as far as ids are known. */
START_TEST(test_topic_ids)
{
    static const uint8_t one[RI_GROUP_TOPIC_ID] = {1}, two[RI_GROUP_TOPIC_ID] = {2};
    band_player *p = band_add(&b, "p", "g");
    b.quiet = true;
    band_commit_one(p, "t", one, 0, 5, "");
    band_turn(&b);
    band_commit_one(p, "t", NULL, 1, 6, "");
    band_turn(&b);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(band_fetch_one(&b, "g", "t", one, 0), 5);
        ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 0), 5);
        ck_assert_int_eq(band_fetch_one(&b, "g", "t", two, 0), -1);
        ck_assert_int_eq(band_fetch_one(&b, "g", "t", two, 1), 6);
        ck_assert_ok(band_restart(&b));
    }
    /* The topic was made anew, and somebody has committed for it, before the old one's go. */
    band_commit_one(p, "t", two, 1, 7, "");
    band_turn(&b);
    ck_assert_ok(ri_groups_topic_gone(b.groups, RI_STR("t"), one));
    band_turn(&b);
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 0), -1);
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", two, 1), 7);
    ck_assert_ok(band_restart(&b));
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 0), -1);
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", two, 1), 7);
}
END_TEST

/* Of topics that a member reads nothing is deleted; of a group that is not of consumers nothing is
 * as long as it has members. */
START_TEST(test_erase)
{
    band_player *m = band_add(&b, "m", "g"), *c = band_add(&b, "c", "h");
    m->old = c->old = true;
    c->type = "connect";
    m->protocols[0].metadata = "";
    band_join(m);
    band_join(c);
    band_wait(&b, 3000);
    band_sync(m, "");
    band_sync(c, "");
    band_turn(&b);
    band_commit(m, "t/0=1 u/0=2 u/1=3");
    band_turn(&b);
    ri_buffer_reset(&b.told);
    band_erase(&b, "", "t/0");
    band_erase(&b, "none", "t/0");
    band_erase(&b, "h", "t/0");
    BAND_TOLD(&b, "[  3000] erase: 24\n[  3000] erase: 69\n[  3000] erase: 68\n");
    band_erase(&b, "g", "t/0 u/0"); /* its subscription cannot be read */
    BAND_TOLD(&b, "t/0 86\nu/0 86\n[  3000] erase: 0\n");
    band_leave(m);
    band_leave(c);
    band_turn(&b);
    band_erase(&b, "h", "t/0");
    band_erase(&b, "g", "t/0 u/0 u/7");
    ri_buffer_reset(&b.told);
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] erase: 0\n");
    band_fetch(&b, "g");
    ck_assert_ok(band_restart(&b));
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[  3000] fetch: 0 u/1=3\n[  3000] fetch: 0 u/1=3\n");
}
END_TEST

START_TEST(test_subscribed)
{
    band_player *m = band_add(&b, "m", "g");
    m->old = true;
    m->protocols[0].metadata = subscribe('t');
    m->protocols[0].len = 20;
    band_join(m);
    band_wait(&b, 3000);
    band_sync(m, "");
    band_turn(&b);
    band_commit(m, "t/0=1 u/0=2");
    band_turn(&b);
    ri_buffer_reset(&b.told);
    band_erase(&b, "g", "t/0 u/0");
    band_turn(&b);
    band_fetch(&b, "g");
    BAND_TOLD(&b, "t/0 86\n[  3000] erase: 0\n[  3000] fetch: 0 t/0=1\n");
    /* After the retention what nobody reads is gone, also of a group that lives. */
    band_commit(m, "u/0=2");
    b.quiet = true;
    for (int i = 0; i < (7 * 24 * 60 + 20) * 10; i++) {
        band_wait(&b, 6000);
        ck_quick(band_beat(m) == 0);
    }
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 0), 1);
    ck_assert_int_eq(band_fetch_one(&b, "g", "u", NULL, 0), -1);
}
END_TEST

/* A group that is empty keeps what it has committed for seven days, a simple one each offset. */
START_TEST(test_retention)
{
    band_player *m = member("g", "Stable"), *s = band_add(&b, "s", "simple");
    b.quiet = true;
    band_commit(m, "t/0=1");
    band_commit(s, "t/0=1 t/1=1");
    band_turn(&b);
    band_leave(m);
    band_wait(&b, 6 * 86400 * 1000LL);
    band_commit(s, "t/1=2");
    band_wait(&b, 86400 * 1000LL - 20 * 60000);
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 0), 1);
    band_wait(&b, 40 * 60000);
    b.quiet = false;
    band_fetch(&b, "g");
    band_fetch(&b, "simple");
    band_list(&b);
    BAND_TOLD(&b, "[606003000] fetch: 0\n[606003000] fetch: 0 t/1=2\n"
                  "simple classic Empty \n");
    ck_assert_ok(band_restart(&b));
    band_list(&b);
    BAND_TOLD(&b, "simple classic Empty \n");
    /* Clients of old say themselves how long. */
    s->retention_ms = 60000;
    band_commit(s, "t/2=3");
    band_wait(&b, 660000);
    band_fetch(&b, "simple");
    BAND_TOLD(&b, "[606003000] s: commit 0\n[606663000] fetch: 0 t/1=2\n");
}
END_TEST

/* A group with many offsets is gone at once, and what it had goes in slices; nothing of it is there
 * behind a restart in the middle, and a new group of its name is another. */
START_TEST(test_delete_many)
{
    band_player *p = band_add(&b, "p", "g");
    b.quiet = true;
    for (int i = 0; i < 5000; i++) {
        ck_assert_int_eq(band_commit_one(p, "t", NULL, i, i, ""), 0);
        if (i % 100 == 99) band_turn(&b);
        p->committing = false;
        ri_groups_forget(&p->commit.call);
    }
    band_turn(&b);
    b.w.router.budget.limit = 1000;
    band_delete(&b, "g");
    b.quiet = false;
    band_fetch(&b, "g");
    band_commit(p, "t/1=1");
    world_turn(&b.w);
    band_step(&b);
    ck_assert(ri_groups_waiting(b.groups)); /* it is not through */
    BAND_TOLD(&b, "[     0] fetch: 0\n[     0] g: deleted 0\n[     0] p: commit 0\n");
    world_turn(&b.w);
    ck_assert_ok(band_restart(&b));
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[     0] fetch: 0 t/1=1\n");
    ri_log_stats stats;
    band_turn(&b);
    ck_assert_ok(band_restart(&b));
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[     0] fetch: 0 t/1=1\n");
    ri_log_status(b.w.log, &stats);
    ck_assert_uint_lt(stats.live_bytes, 4096); /* all the rest is dead */
    b.w.router.budget.limit = RI_BUDGET_TURN;
}
END_TEST

static void ended(ri_group_call *call)
{
    ck_assert_int_eq(call->error, 0);
}

/* A fetch of all is cut where the turn is over, and goes on whatever was deleted meanwhile. */
START_TEST(test_fetch_slices)
{
    band_player *p = band_add(&b, "p", "g");
    char text[32];
    b.quiet = true;
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "t%d/%d=%d", i / 3, i % 3, i);
        band_commit(p, text);
        band_turn(&b);
    }
    ri_group_fetch fetch = {.call.done = ended, .group = RI_STR("g")};
    static ri_group_offset got;
    int found = 0, cuts = 0, rc;
    ck_assert_int_eq(ri_groups_fetch_begin(b.groups, &fetch), 0);
    b.w.router.budget.limit = 10;
    ri_budget_open(&b.w.router.budget);
    while ((rc = ri_groups_fetch_next(&fetch, &got)) != 0) {
        if (rc == RI_CURSOR_CUT) {
            cuts++;
            ri_budget_open(&b.w.router.budget);
            continue;
        }
        found++;
        snprintf(text, sizeof text, "%.*s/2", RI_ARG(got.topic));
        if (got.partition == 0) band_erase(&b, "g", text); /* behind the next one */
    }
    ri_budget_close(&b.w.router.budget);
    b.w.router.budget.limit = RI_BUDGET_TURN;
    ck_assert_int_gt(cuts, 10);
    ck_assert_int_eq(found, 200);
    /* A group that is deleted with a fetch in it stays until that is over. */
    band_delete(&b, "g");
    band_turn(&b);
    ck_assert_int_eq(ri_groups_fetch_next(&fetch, &got), 0);
    ri_groups_fetch_end(&fetch);
    band_turn(&b);
}
END_TEST

/* What is committed between a deletion and the end of the request does not make the group anew. */
START_TEST(test_deleted_within)
{
    band_player *p = band_add(&b, "p", "g");
    ri_group_offset given = {.topic = RI_STR("t"), .offset = 1, .metadata = RI_STR("")};
    band_commit(p, "t/0=1");
    band_turn(&b);
    ri_buffer_reset(&b.told);
    ri_group_commit commit = p->commit;
    commit.group = RI_STR("g");
    commit.member = RI_STR("");
    commit.any = false;
    ck_assert_int_eq(ri_groups_commit_begin(b.groups, &commit), 0);
    ck_assert_int_eq(ri_groups_commit_put(&commit, &given), 0);
    band_delete(&b, "g");
    ck_assert_int_eq(ri_groups_commit_put(&commit, &given), 15);
    p->commit = commit;
    ri_groups_commit_end(&p->commit);
    band_turn(&b);
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[     0] g: deleted 0\n[     0] p: commit 0\n[     0] fetch: 0\n");
}
END_TEST

START_TEST(test_bound)
{
    band_player *p = band_add(&b, "p", "g");
    ri_group_offset given = {.topic = RI_STR("t"), .offset = 1, .metadata = RI_STR("")};
    b.quiet = true;
    band_commit(p, "");
    p->commit.group = RI_STR("g");
    p->commit.member = RI_STR("");
    ck_assert_int_eq(ri_groups_commit_begin(b.groups, &p->commit), 0);
    for (int i = 0; i < RI_LIMIT_GROUP_OFFSETS; i++) {
        given.partition = i;
        ck_quick(ri_groups_commit_put(&p->commit, &given) == 0);
    }
    given.partition = -1;
    ck_assert_int_eq(ri_groups_commit_put(&p->commit, &given), 15);
    given.partition = 7;
    given.offset = 2;
    ck_assert_int_eq(ri_groups_commit_put(&p->commit, &given), 0);
    ri_groups_commit_end(&p->commit);
    band_turn(&b);
    ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, 7), 2);
}
END_TEST

/* Commits make the log no longer than what lives in it. */
START_TEST(test_compact)
{
    band_player *p = band_add(&b, "p", "g");
    b.quiet = true;
    ri_log_stats stats;
    for (int i = 0; i < 20000; i++) {
        ck_quick(band_commit_one(p, "t", NULL, i % 10, i, "some text") == 0);
        band_turn(&b);
        if (i % 16 == 0) ri_log_clean(b.w.log);
    }
    while (ri_log_clean(b.w.log) == 1) continue;
    ri_log_status(b.w.log, &stats);
    ck_assert_uint_lt(stats.live_bytes, 4096);
    ck_assert_uint_lt(stats.memory_bytes, 4 << 20);
    ck_assert_ok(band_restart(&b));
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(band_fetch_one(&b, "g", "t", NULL, i), 19990 + i);
}
END_TEST

/* ---- Random histories against a table ---- */

enum { TABLE_GROUPS = 4, TABLE_TOPICS = 3, TABLE_PARTITIONS = 5, TABLE_OPS = 4000 };

START_TEST(test_table)
{
    static int64_t table[TABLE_GROUPS][TABLE_TOPICS][TABLE_PARTITIONS];
    static const char *const groups[] = {"a", "b", "c", "d"}, *const topics[] = {"x", "y", "z"};
    band_player *p[TABLE_GROUPS];
    rng random;
    rng_init(&random, rng_seed(7));
    b.quiet = true;
    memset(table, 0xff, sizeof table);
    for (int i = 0; i < TABLE_GROUPS; i++) p[i] = band_add(&b, "p", groups[i]);
    for (int i = 0; i < TABLE_OPS; i++) {
        size_t g = rng_below(&random, TABLE_GROUPS), t = rng_below(&random, TABLE_TOPICS);
        int32_t k = (int32_t)rng_below(&random, TABLE_PARTITIONS);
        uint64_t what = rng_below(&random, 100);
        char text[16];
        if (what < 70) {
            p[g]->committing = false;
            ri_groups_forget(&p[g]->commit.call);
            ck_quick(band_commit_one(p[g], topics[t], NULL, k, i, "") == 0);
            table[g][t][k] = i;
        } else if (what < 80) {
            snprintf(text, sizeof text, "%s/%d", topics[t], k);
            band_erase(&b, groups[g], text);
            table[g][t][k] = -1;
        } else if (what < 83) {
            band_delete(&b, groups[g]);
            memset(table[g], 0xff, sizeof table[g]);
        } else if (what < 85) {
            uint8_t any[RI_GROUP_TOPIC_ID] = {0};
            ck_assert_ok(ri_groups_topic_gone(b.groups, ri_str_of(topics[t]), any));
            band_turn(&b);
            for (g = 0; g < TABLE_GROUPS; g++) memset(table[g][t], 0xff, sizeof table[g][t]);
        } else if (what < 95) {
            band_turn(&b);
        } else if (what < 97) {
            ck_assert_ok(band_restart(&b)); /* which commits what is open */
        }
        for (g = 0; g < TABLE_GROUPS; g++)
            for (t = 0; t < TABLE_TOPICS; t++)
                for (k = 0; k < TABLE_PARTITIONS; k++)
                    ck_quick(band_fetch_one(&b, groups[g], topics[t], NULL, k) == table[g][t][k]);
    }
    for (int i = 0; i < TABLE_GROUPS; i++) band_hang_up(p[i]);
}
END_TEST

/* The log is full: commits are refused and change nothing, what is there is read, and room that is
 * made is used again. */
START_TEST(test_full)
{
    static fault f;
    ri_log *log;
    fault_init(&f);
    ri_log_opts opts = {.host = &f.host, .segment_bytes = 1 << 16, .budget_bytes = 1 << 18};
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(band_init_with(&b, &f, log));
    b.quiet = true;
    band_player *p = band_add(&b, "p", "g");
    int n = 0, error;
    while ((error = band_commit_one(p, "topic", NULL, n, n, "so that it takes some room")) == 0) {
        band_turn(&b);
        ck_quick(++n < 100000);
    }
    ck_assert_int_eq(error, 15);
    band_turn(&b);
    ck_assert_int_eq(band_fetch_one(&b, "g", "topic", NULL, n), -1);
    ck_assert_int_eq(band_fetch_one(&b, "g", "topic", NULL, n - 1), n - 1);
    for (int i = 0; i < n / 2; i++) {
        char text[32];
        snprintf(text, sizeof text, "topic/%d", i);
        band_erase(&b, "g", text);
        band_turn(&b);
    }
    while (ri_log_clean(b.w.log) == 1) continue;
    ck_assert_int_eq(band_commit_one(p, "topic", NULL, n, n, ""), 0);
    band_turn(&b);
    ck_assert_int_eq(p->error, 0);
    band_fini_with(&b);
    fault_fini(&f);
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
        band_player *p = band_add(&s, "p", "g");
        int64_t known[3] = {-1, -1, -1};
        for (int i = 0; i < 9; i++) {
            int error = band_commit_one(p, "t", NULL, i % 3, i, i % 2 ? "longer metadata" : "m");
            band_turn(&s);
            if (error == 0 && p->error == 0) known[i % 3] = i;
            int64_t got = band_fetch_one(&s, "g", "t", NULL, i % 3);
            if (p->error == 0) ck_quick(got == known[i % 3]);
            known[i % 3] = got;
            band_hang_up(p);
        }
        ri_groups_topic_gone(s.groups, RI_STR("t"), (const uint8_t[RI_GROUP_TOPIC_ID]){0});
        band_turn(&s);
        band_commit_one(p, "t", NULL, 0, 1, "");
        band_turn(&s);
        band_delete(&s, "g");
        band_turn(&s);
        band_hang_up(p);
    }
    band_fini_with(&s);
    return rc;
}

START_TEST(test_scarce)
{
    ck_assert_uint_gt(fault_each(scarce, NULL), 0);
}
END_TEST

SUITE_MAIN_ROWS("offsets",
                SUITE_WITH(setup, teardown, test_simple, test_faults, test_states, test_metadata,
                           test_topic_ids, test_erase, test_subscribed, test_retention,
                           test_delete_many, test_fetch_slices, test_deleted_within,
                           test_bound, test_compact, test_table),
                SUITE_ONCE(test_full, test_scarce))
