/* SPDX-License-Identifier: Apache-2.0 */
/* Groups that become of the other kind while they have members, and groups with members of both:
 * who keeps what, who is told to join anew, what is known after a restart, and which policy allows
 * what. */
#include <stdio.h>

#include "base/error.h"
#include "support/band.h"
#include "support/suite.h"

static band b;

static void setup_as(ri_groups_migration migration)
{
    b.conf.assign_ms = 0;
    b.conf.initial_delay_ms = 0;
    b.conf.migration = migration;
    ri_groups_close(b.groups);
    b.groups = NULL;
    ck_assert_ok(band_reopen(&b));
}

static void setup(void)
{
    ck_assert_ok(band_init(&b, NULL));
    setup_as(RI_GROUPS_BIDIRECTIONAL);
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

static band_player *add_classic(const char *who, const char *subscribes)
{
    band_player *p = add(who, subscribes);
    p->speaks = true;
    return p;
}

static void pulse(band_player *p)
{
    band_pulse(p);
    band_turn(&b);
}

/* JoinGroup, again with the id that is given, and what is on its way to the disk. */
static void join(band_player *p)
{
    band_join(p);
    band_turn(&b);
    if (p->error != 79) return;
    band_join(p);
    band_turn(&b);
}

static void sync(band_player *p, const char *assignments)
{
    band_sync(p, assignments);
    band_turn(&b);
}

static void beat(band_player *p)
{
    char line[64];
    snprintf(line, sizeof line, "%s: beat %d\n", p->who, band_beat(p));
    ri_buffer_puts(&b.told, line);
    band_turn(&b);
}

/* Two classic members, the first of which leads and shares the topic out. */
static void two_classic(band_player *p, band_player *q)
{
    join(p);
    sync(p, "a-1=t/0,t/1,t/2,t/3");
    join(q);
    join(p);
    sync(q, "");
    sync(p, "a-1=t/0,t/1 b-2=t/2,t/3");
}

START_TEST(test_upgrade)
{
    band_player *p = add_classic("a", "t"), *q = add_classic("b", "t"), *n = add("n", "t");
    two_classic(p, q);
    band_commit(p, "t/0=7");
    band_turn(&b);
    pulse(n);
    band_describe_modern(&b, "g");
    band_describe(&b, "g");
    beat(p);
    beat(q);
    join(p);
    sync(p, "");
    join(q);
    sync(q, "");
    pulse(n);
    band_describe_modern(&b, "g");
    join(p);
    sync(p, "");
    join(q);
    sync(q, "");
    pulse(n);
    beat(p);
    band_describe_modern(&b, "g");
    band_list(&b);
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[     0] a: join 79 as a-1\n"
                  "[     0] a: join 0 gen 1 consumer/range leader a-1 as a-1 {a-1=}\n"
                  "[     0] a: sync 0 {t/0 t/1 t/2 t/3}\n[     0] b: join 79 as b-2\n"
                  "[     0] a: join 0 gen 2 consumer/range leader a-1 as a-1 {a-1=, b-2=}\n"
                  "[     0] b: join 0 gen 2 consumer/range leader a-1 as b-2\n"
                  "[     0] a: sync 0 {t/0 t/1}\n[     0] b: sync 0 {t/2 t/3}\n"
                  "[     0] a: commit 0\n[     0] n: beat 0 epoch 3 {}\n"
                  "g: 0 Reconciling uniform epoch 3/3\n"
                  "  a-1 classic epoch 2 {t/0 t/1} {t/0 t/1}\n"
                  "  b-2 classic epoch 2 {t/2 t/3} {t/2}\n  n epoch 3 {} {t/3}\ng: 69 Dead /\n"
                  "a: beat 27\nb: beat 27\n"
                  "[     0] a: join 0 gen 3 consumer/range leader  as a-1\n"
                  "[     0] a: sync 0 {t/0 t/1}\n"
                  "[     0] b: join 0 gen 2 consumer/range leader  as b-2\n"
                  "[     0] b: sync 0 {t/2}\n[     0] n: beat 0 epoch 3\n"
                  "g: 0 Reconciling uniform epoch 3/3\n"
                  "  a-1 classic epoch 3 {t/0 t/1} {t/0 t/1}\n"
                  "  b-2 classic epoch 2 {t/2 t/3} {t/2}\n  n epoch 3 {} {t/3}\n"
                  "[     0] a: join 0 gen 3 consumer/range leader  as a-1\n"
                  "[     0] a: sync 0 {t/0 t/1}\n"
                  "[     0] b: join 0 gen 3 consumer/range leader  as b-2\n"
                  "[     0] b: sync 0 {t/2}\n[     0] n: beat 0 epoch 3 {t/3}\na: beat 0\n"
                  "g: 0 Stable uniform epoch 3/3\n  a-1 classic epoch 3 {t/0 t/1} {t/0 t/1}\n"
                  "  b-2 classic epoch 3 {t/2} {t/2}\n  n epoch 3 {t/3} {t/3}\n"
                  "g consumer Stable consumer\n[     0] fetch: 0 t/0=7\n");
}
END_TEST

/* Who comes into a modern group with JoinGroup is given partitions as the others are. */
START_TEST(test_mixed)
{
    band_player *n = add("n", "t"), *p = add_classic("a", "t"), *q = add_classic("b", "t");
    pulse(n);
    band_join(p);
    band_turn(&b);
    ck_assert_int_eq(p->error, 79);
    join(p);
    sync(p, "");
    beat(p);
    pulse(n);
    pulse(n);
    beat(p);
    join(p);
    sync(p, "");
    beat(p);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] n: beat 0 epoch 1 {t/0 t/1 t/2 t/3}\n[     0] a: join 79 as 1\n"
                  "[     0] a: join 0 gen 2 consumer/range leader  as 1\n[     0] a: sync 0 {}\n"
                  "a: beat 0\n[     0] n: beat 0 epoch 1 {t/0 t/1}\n[     0] n: beat 0 epoch 2\n"
                  "a: beat 27\n[     0] a: join 0 gen 2 consumer/range leader  as 1\n"
                  "[     0] a: sync 0 {t/2 t/3}\na: beat 0\ng: 0 Stable uniform epoch 2/2\n"
                  "  n epoch 2 {t/0 t/1} {t/0 t/1}\n  1 classic epoch 2 {t/2 t/3} {t/2 t/3}\n");
    q->eager = true;
    join(q);
    sync(q, "");
    beat(p);
    pulse(n);
    pulse(n);
    join(p);
    sync(p, "");
    join(p);
    sync(p, "");
    beat(q);
    join(q);
    sync(q, "");
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] b: join 79 as 2\n"
                  "[     0] b: join 0 gen 3 consumer/range leader  as 2\n[     0] b: sync 0 {}\n"
                  "a: beat 27\n[     0] n: beat 0 epoch 3\n[     0] n: beat 0 epoch 3\n"
                  "[     0] a: join 0 gen 2 consumer/range leader  as 1\n"
                  "[     0] a: sync 0 {t/2}\n"
                  "[     0] a: join 0 gen 3 consumer/range leader  as 1\n"
                  "[     0] a: sync 0 {t/2}\nb: beat 27\n"
                  "[     0] b: join 0 gen 3 consumer/range leader  as 2\n"
                  "[     0] b: sync 0 {t/3}\ng: 0 Stable uniform epoch 3/3\n"
                  "  n epoch 3 {t/0 t/1} {t/0 t/1}\n  1 classic epoch 3 {t/2} {t/2}\n"
                  "  2 classic epoch 3 {t/3} {t/3}\n");
    band_leave(p);
    band_turn(&b);
    pulse(n);
    beat(q);
    join(q);
    sync(q, "");
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] a: leave 0, 0\n[     0] n: beat 0 epoch 4\nb: beat 27\n"
                  "[     0] b: join 0 gen 4 consumer/range leader  as 2\n"
                  "[     0] b: sync 0 {t/2 t/3}\ng: 0 Stable uniform epoch 4/4\n"
                  "  n epoch 4 {t/0 t/1} {t/0 t/1}\n  2 classic epoch 4 {t/2 t/3} {t/2 t/3}\n");
}
END_TEST

START_TEST(test_downgrade)
{
    band_player *p = add_classic("a", "t"), *q = add_classic("b", "t"), *n = add("n", "t");
    two_classic(p, q);
    pulse(n);
    join(p);
    sync(p, "");
    join(q);
    sync(q, "");
    band_commit(p, "t/0=7");
    band_turn(&b);
    ri_buffer_reset(&b.told);
    band_pulse_as(n, -1);
    band_turn(&b);
    band_describe_modern(&b, "g");
    band_list(&b);
    beat(p);
    beat(q);
    join(q);
    join(p);
    band_turn(&b);
    sync(p, "a-1=t/0,t/1 b-2=t/2,t/3");
    sync(q, "");
    beat(p);
    band_list(&b);
    band_fetch(&b, "g");
    BAND_TOLD(&b, "[     0] n: beat 0 epoch -1\ng: 69 Dead  epoch 0/0\n"
                  "g classic PreparingRebalance consumer\na: beat 27\nb: beat 22\n"
                  "[     0] a: join 0 gen 4 consumer/range leader a-1 as a-1 {a-1=, b-2=}\n"
                  "[     0] b: join 0 gen 4 consumer/range leader a-1 as b-2\n"
                  "[     0] a: sync 0 {t/0 t/1}\n[     0] b: sync 0 {t/2 t/3}\na: beat 0\n"
                  "g classic Stable consumer\n[     0] fetch: 0 t/0=7\n");
}
END_TEST

/* Who waits in the classic group when the modern member comes is told to join anew; and so is who
 * was given an id, which counts. */
START_TEST(test_upgrade_of_waiting)
{
    band_player *p = add_classic("a", "t"), *q = add_classic("b", "t"), *n = add("n", "t");
    band_player *r = add_classic("c", "t");
    join(p);
    sync(p, "a-1=t/0,t/1,t/2,t/3");
    band_join(r); /* it is given an id */
    join(q);      /* it waits for the others */
    ck_assert(q->joining);
    pulse(n);
    ck_assert(!q->joining);
    join(q);
    sync(q, "");
    join(r);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] a: join 79 as a-1\n"
                  "[     0] a: join 0 gen 1 consumer/range leader a-1 as a-1 {a-1=}\n"
                  "[     0] a: sync 0 {t/0 t/1 t/2 t/3}\n[     0] c: join 79 as c-2\n"
                  "[     0] b: join 79 as b-3\n[     0] b: join 27 as b-3\n"
                  "[     0] n: beat 0 epoch 2 {}\n"
                  "[     0] b: join 0 gen 2 consumer/range leader  as b-3\n"
                  "[     0] b: sync 0 {}\n"
                  "[     0] c: join 0 gen 3 consumer/range leader  as c-2\n"
                  "g: 0 Reconciling uniform epoch 3/3\n"
                  "  a-1 classic epoch 1 {t/0 t/1 t/2 t/3} {t/0}\n"
                  "  b-3 classic epoch 2 {} {t/2}\n  n epoch 2 {} {t/3}\n"
                  "  c-2 classic epoch 3 {} {t/1}\n");
}
END_TEST

START_TEST(test_upgrade_of_syncing)
{
    band_player *p = add_classic("a", "t"), *q = add_classic("b", "t"), *n = add("n", "t");
    join(p);
    sync(p, "a-1=t/0,t/1,t/2,t/3");
    join(q);
    join(p);
    sync(q, ""); /* the leader has not said anything yet */
    ck_assert(q->syncing);
    ri_buffer_reset(&b.told);
    pulse(n);
    sync(p, "a-1=t/0,t/1 b-2=t/2,t/3"); /* which nobody asks it for any more */
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] b: sync 27\n[     0] n: beat 0 epoch 3 {}\n[     0] a: sync 27\n"
                  "g: 0 Reconciling uniform epoch 3/3\n"
                  "  a-1 classic epoch 2 {t/0 t/1 t/2 t/3} {t/0 t/1}\n"
                  "  b-2 classic epoch 2 {} {t/2}\n  n epoch 3 {} {t/3}\n");
}
END_TEST

/* Each has a session of its own kind, a time to join anew, and a time to fetch what it has. */
START_TEST(test_late)
{
    band_player *p = add_classic("a", "t"), *q = add_classic("b", "t"), *n = add("n", "t");
    band_player *r = add_classic("c", "t");
    p->session_ms = q->session_ms = r->session_ms = 60000;
    p->rebalance_ms = 20000;
    r->rebalance_ms = 15000;
    two_classic(p, q);
    pulse(n);
    beat(p); /* which has 20 seconds now to join anew */
    join(r); /* which has 15 seconds to fetch what it has */
    ri_buffer_reset(&b.told);
    for (int i = 0; i < 6; i++) {
        band_wait(&b, 4000);
        pulse(n);
        beat(p);
    }
    beat(r);
    BAND_TOLD(&b, "[  4000] n: beat 0 epoch 4\na: beat 27\n[  8000] n: beat 0 epoch 4\n"
                  "a: beat 27\n[ 12000] n: beat 0 epoch 4\na: beat 27\n"
                  "[ 16000] n: beat 0 epoch 5\na: beat 27\n[ 20000] n: beat 0 epoch 6 {t/1}\n"
                  "a: beat 25\n[ 24000] n: beat 0 epoch 6\na: beat 25\nc: beat 25\n");
    for (int i = 0; i < 9; i++) { /* the other has not been heard of since the upgrade */
        band_wait(&b, 4000);
        pulse(n);
    }
    band_list(&b);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[ 28000] n: beat 0 epoch 6\n[ 32000] n: beat 0 epoch 6\n"
                  "[ 36000] n: beat 0 epoch 6\n[ 40000] n: beat 0 epoch 6\n"
                  "[ 44000] n: beat 0 epoch 6\n[ 48000] n: beat 0 epoch 6\n"
                  "[ 52000] n: beat 0 epoch 6\n[ 56000] n: beat 0 epoch 6\n"
                  "[ 60000] n: beat 0 epoch 7 {t/0 t/1 t/2 t/3}\ng consumer Stable consumer\n"
                  "g: 0 Stable uniform epoch 7/7\n"
                  "  n epoch 7 {t/0 t/1 t/2 t/3} {t/0 t/1 t/2 t/3}\n");
}
END_TEST

/* The only modern member vanishes: the others are a classic group when its session is over. */
START_TEST(test_vanishes)
{
    band_player *p = add_classic("a", "t"), *n = add("n", "t");
    p->session_ms = 60000;
    join(p);
    sync(p, "a-1=t/0,t/1,t/2,t/3");
    pulse(n);
    join(p);
    sync(p, "");
    ri_buffer_reset(&b.told);
    band_wait(&b, 44000);
    band_list(&b);
    band_wait(&b, 2000);
    band_list(&b);
    beat(p);
    join(p);
    sync(p, "a-1=t/0,t/1,t/2,t/3");
    pulse(n); /* it was away for long, and is told so; and then comes again */
    n->generation = 0;
    pulse(n);
    band_list(&b);
    BAND_TOLD(&b, "g consumer Reconciling consumer\ng classic PreparingRebalance consumer\n"
                  "a: beat 22\n[ 46000] a: join 0 gen 3 consumer/range leader a-1 as a-1 {a-1=}\n"
                  "[ 46000] a: sync 0 {t/0 t/1 t/2 t/3}\n[ 46000] n: beat 69\n"
                  "[ 46000] n: beat 0 epoch 4 {}\ng consumer Reconciling consumer\n");
}
END_TEST

/* A static member is the same member in whichever protocol it comes back. */
START_TEST(test_static)
{
    band_player *p = add_classic("a", "t"), *n = add("n", "t"), *m = add("m", "t");
    p->instance = "i", n->instance = "i", m->instance = "j";
    join(p);
    sync(p, "i-1=t/0,t/1,t/2,t/3");
    pulse(m);
    join(p);
    sync(p, "");
    pulse(n); /* in the place of the first */
    beat(p);
    pulse(m);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] a: join 0 gen 1 consumer/range leader i-1 as i-1 {i-1=}\n"
                  "[     0] a: sync 0 {t/0 t/1 t/2 t/3}\n[     0] m: beat 0 epoch 2 {}\n"
                  "[     0] a: join 0 gen 1 consumer/range leader  as i-1\n"
                  "[     0] a: sync 0 {t/0 t/1}\n[     0] n: beat 0 epoch 2 {t/0 t/1}\n"
                  "a: beat 82\n[     0] m: beat 0 epoch 2 {t/2 t/3}\n"
                  "g: 0 Stable uniform epoch 2/2\n  n/i epoch 2 {t/0 t/1} {t/0 t/1}\n"
                  "  m/j epoch 2 {t/2 t/3} {t/2 t/3}\n");
    /* And back again: the second time nobody else is left who is modern. */
    band_player *q = add_classic("b", "t"), *r = add_classic("c", "t");
    q->instance = "i", r->instance = "j";
    join(q);
    sync(q, "");
    pulse(n);
    band_describe_modern(&b, "g");
    band_pulse_as(m, -2);
    band_turn(&b);
    join(r);
    sync(r, "");
    beat(r);
    beat(q);
    band_list(&b);
    band_describe(&b, "g");
    BAND_TOLD(&b, "[     0] b: join 0 gen 2 consumer/range leader  as 2\n"
                  "[     0] b: sync 0 {t/0 t/1}\n[     0] n: beat 82\n"
                  "g: 0 Stable uniform epoch 2/2\n  2/i classic epoch 2 {t/0 t/1} {t/0 t/1}\n"
                  "  m/j epoch 2 {t/2 t/3} {t/2 t/3}\n[     0] m: beat 0 epoch -2\n"
                  "[     0] c: join 0 gen 2 consumer/range leader  as 3\n"
                  "[     0] c: sync 0 {t/2 t/3}\nc: beat 0\nb: beat 0\n"
                  "g classic Stable consumer\ng: 0 Stable consumer/range 2(b/i)=> 3(c/j)=>\n");
}
END_TEST

/* The log knows which kind a group is, what its members speak, and what they have. */
START_TEST(test_restart)
{
    band_player *p = add_classic("a", "t"), *q = add_classic("b", "t"), *n = add("n", "t");
    two_classic(p, q);
    band_commit(p, "t/0=7");
    band_turn(&b);
    ri_buffer_reset(&b.told);
    pulse(n);
    ck_assert_ok(band_restart(&b));
    band_describe_modern(&b, "g");
    beat(p);
    join(p);
    sync(p, "");
    join(q);
    sync(q, "");
    pulse(n);
    BAND_TOLD(&b, "[     0] n: beat 0 epoch 3 {}\ng: 0 Assigning uniform epoch 4/0\n"
                  "  a-1 classic epoch 2 {t/0 t/1} {t/0 t/1}\n"
                  "  b-2 classic epoch 2 {t/2 t/3} {t/2 t/3}\n  n epoch 3 {} {}\na: beat 27\n"
                  "[     0] a: join 0 gen 4 consumer/range leader  as a-1\n"
                  "[     0] a: sync 0 {t/0 t/1}\n"
                  "[     0] b: join 0 gen 2 consumer/range leader  as b-2\n"
                  "[     0] b: sync 0 {t/2}\n[     0] n: beat 0 epoch 4\n");
    ck_assert_ok(band_restart(&b)); /* in the middle: the second is to give something up */
    pulse(n);
    beat(p);
    beat(q);
    band_describe_modern(&b, "g");
    join(p);
    sync(p, "");
    join(q);
    sync(q, "");
    join(q);
    sync(q, "");
    pulse(n);
    pulse(n);
    band_describe_modern(&b, "g");
    BAND_TOLD(&b, "[     0] n: beat 0 epoch 5\na: beat 27\nb: beat 27\n"
                  "g: 0 Reconciling uniform epoch 5/5\n"
                  "  a-1 classic epoch 4 {t/0 t/1} {t/0 t/1}\n"
                  "  b-2 classic epoch 2 {t/2 t/3} {t/2}\n  n epoch 5 {} {t/3}\n"
                  "[     0] a: join 0 gen 5 consumer/range leader  as a-1\n"
                  "[     0] a: sync 0 {t/0 t/1}\n"
                  "[     0] b: join 0 gen 5 consumer/range leader  as b-2\n"
                  "[     0] b: sync 0 {t/2}\n"
                  "[     0] b: join 0 gen 5 consumer/range leader  as b-2\n"
                  "[     0] b: sync 0 {t/2}\n[     0] n: beat 0 epoch 5 {t/3}\n"
                  "[     0] n: beat 0 epoch 5\ng: 0 Stable uniform epoch 5/5\n"
                  "  a-1 classic epoch 5 {t/0 t/1} {t/0 t/1}\n  b-2 classic epoch 5 {t/2} {t/2}\n"
                  "  n epoch 5 {t/3} {t/3}\n");
    band_pulse_as(n, -1);
    band_turn(&b);
    ck_assert_ok(band_restart(&b));
    band_list(&b);
    band_fetch(&b, "g");
    join(p);
    join(q);
    BAND_TOLD(&b, "[     0] n: beat 0 epoch -1\ng classic PreparingRebalance consumer\n"
                  "[     0] fetch: 0 t/0=7\n"
                  "[     0] a: join 0 gen 6 consumer/range leader a-1 as a-1 {a-1=, b-2=}\n"
                  "[     0] b: join 0 gen 6 consumer/range leader a-1 as b-2\n");
}
END_TEST

/* ---- What may not be ---- */

START_TEST(test_policies)
{
    band_player *p = add_classic("a", "t"), *n = add("n", "t"), *q = add_classic("b", "t");
    join(p);
    sync(p, "a-1=t/0,t/1,t/2,t/3");
    setup_as(RI_GROUPS_DOWNGRADE);
    pulse(n);
    setup_as(RI_GROUPS_DISABLED);
    pulse(n);
    setup_as(RI_GROUPS_UPGRADE);
    pulse(n);
    join(p);
    sync(p, "");
    join(q);
    sync(q, "");
    band_pulse_as(n, -1); /* they stay what they are */
    band_turn(&b);
    band_list(&b);
    beat(p);
    join(p);
    sync(p, "");
    band_describe_modern(&b, "g");
    setup_as(RI_GROUPS_DISABLED);
    join(p);
    setup_as(RI_GROUPS_BIDIRECTIONAL);
    band_leave(q); /* the first that goes from a group of classic members only */
    band_turn(&b);
    band_list(&b);
    BAND_TOLD(&b, "[     0] a: join 79 as a-1\n"
                  "[     0] a: join 0 gen 1 consumer/range leader a-1 as a-1 {a-1=}\n"
                  "[     0] a: sync 0 {t/0 t/1 t/2 t/3}\n[     0] n: beat 69\n"
                  "[     0] n: beat 69\n[     0] n: beat 0 epoch 2 {}\n"
                  "[     0] a: join 0 gen 1 consumer/range leader  as a-1\n"
                  "[     0] a: sync 0 {t/0 t/1}\n[     0] b: join 79 as 2\n"
                  "[     0] b: join 0 gen 3 consumer/range leader  as 2\n[     0] b: sync 0 {}\n"
                  "[     0] n: beat 0 epoch -1\ng consumer Assigning consumer\na: beat 27\n"
                  "[     0] a: join 0 gen 4 consumer/range leader  as a-1\n"
                  "[     0] a: sync 0 {t/0 t/1}\ng: 0 Reconciling uniform epoch 4/4\n"
                  "  a-1 classic epoch 4 {t/0 t/1} {t/0 t/1}\n  2 classic epoch 3 {} {t/2 t/3}\n"
                  "[     0] a: join 23 as \n[     0] b: leave 0, 0\n"
                  "g classic PreparingRebalance consumer\n");
}
END_TEST

/* A group stays classic if it is none of consumers, or its assignments cannot be read. */
START_TEST(test_refused)
{
    band_player *p = add("a", "t"), *n = add("n", "t");
    p->type = "connect";
    join(p);
    sync(p, "a-1=x");
    pulse(n);
    BAND_TOLD(&b, "[     0] a: join 79 as a-1\n"
                  "[     0] a: join 0 gen 1 connect/range leader a-1 as a-1 {a-1=}\n"
                  "[     0] a: sync 0 connect/range \"x\"\n[     0] n: beat 69\n");
    band_leave(p);
    band_turn(&b);
    p->type = "consumer";
    p->protocols[0].metadata = "no subscription";
    p->id[0] = 0;
    join(p);
    sync(p, "a-2=x");
    pulse(n);
    BAND_TOLD(&b, "[     0] a: leave 0, 0\n[     0] a: join 79 as a-2\n"
                  "[     0] a: join 0 gen 3 consumer/range leader a-2 as a-2 "
                  "{a-2=no subscription}\n"
                  "[     0] a: sync 0 consumer/range \"x\"\n[     0] n: beat 69\n");
    static const char *const assignments[] = {
        "\0", "\0\1\0\0\0\1", "\0\1\0\0\0\0\0\0\0\1x", "\0\1\0\0\0\0\377\377\377\377"};
    static const size_t lengths[] = {1, 6, 11, 10};
    band_leave(p);
    band_turn(&b);
    p->speaks = true;
    p->id[0] = 0;
    for (size_t i = 0; i < RI_LEN(assignments); i++) {
        join(p);
        ri_group_assignment given = {ri_str_of(p->id), {assignments[i], lengths[i]}};
        p->sync = (ri_group_sync){.call.done = p->sync.call.done, .group = RI_STR("g"),
                                  .member = ri_str_of(p->id), .generation = p->generation,
                                  .assignments = &given, .nassignments = 1};
        p->speaks = false;
        p->syncing = true;
        b.quiet = true;
        ri_groups_sync(b.groups, &p->sync);
        band_turn(&b);
        b.quiet = false;
        p->speaks = true;
        pulse(n);
    }
    BAND_TOLD(&b, "[     0] a: leave 0, 0\n[     0] a: join 79 as a-3\n"
                  "[     0] a: join 0 gen 5 consumer/range leader a-3 as a-3 {a-3=}\n"
                  "[     0] n: beat 69\n"
                  "[     0] a: join 0 gen 6 consumer/range leader a-3 as a-3 {a-3=}\n"
                  "[     0] n: beat 69\n"
                  "[     0] a: join 0 gen 7 consumer/range leader a-3 as a-3 {a-3=}\n"
                  "[     0] n: beat 69\n"
                  "[     0] a: join 0 gen 8 consumer/range leader a-3 as a-3 {a-3=}\n"
                  "[     0] n: beat 0 epoch 9 {t/2 t/3}\n");
}
END_TEST

/* What is wrong with a classic request to a modern group. */
START_TEST(test_faults)
{
    band_player *n = add("n", "t"), *p = add_classic("a", "t"), *q = add_classic("b", "t");
    pulse(n);
    join(p);
    char id[BAND_ID];
    memcpy(id, p->id, sizeof id);
    p->type = "connect";
    join(p);
    p->type = "consumer";
    memcpy(p->id, id, sizeof id);
    q->protocols[0].name = "sticky"; /* which the first does not know */
    join(q);
    q->protocols[0].name = "range";
    q->speaks = false;
    q->protocols[0].metadata = "?";
    join(q);
    ri_buffer_reset(&b.told);
    q->speaks = true;
    q->instance = "i";
    snprintf(q->id, sizeof q->id, "z"); /* an instance that is not there, with an id */
    join(q);
    q->id[0] = 0;
    join(q);
    snprintf(q->id, sizeof q->id, "z");
    join(q);
    sync(q, "");
    beat(q);
    p->generation++;
    sync(p, "");
    beat(p);
    p->generation--;
    band_commit(p, "t/0=1");
    band_turn(&b);
    p->old = true; /* of a version that knows no epochs: it may, being classic */
    band_commit(p, "t/0=2");
    band_turn(&b);
    p->old = false;
    p->generation = 9;
    band_commit(p, "t/0=1");
    snprintf(p->id, sizeof p->id, "n"); /* who speaks the other protocol */
    p->generation = n->generation;
    sync(p, "");
    beat(p);
    snprintf(p->id, sizeof p->id, "nobody");
    sync(p, "");
    beat(p);
    BAND_TOLD(&b, "[     0] b: join 25 as \n"
                  "[     0] b: join 0 gen 3 consumer/range leader  as 3\n"
                  "[     0] b: join 82 as \n[     0] b: sync 82\nb: beat 82\n"
                  "[     0] a: sync 22\na: beat 22\n[     0] a: commit 0\n[     0] a: commit 0\n"
                  "[     0] a: commit 22\n[     0] a: sync 25\na: beat 25\n[     0] a: sync 25\n"
                  "a: beat 25\n");
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
        band_player *p = band_add(&s, "p", "g"), *n = band_add(&s, "n", "g");
        p->subscribes = n->subscribes = "t";
        p->speaks = p->old = true;
        for (int round = 0; round < 6; round++) {
            if (round >= 1 && !n->pulsing) band_pulse_as(n, round < 4 ? RI_MAX(n->generation, 0)
                                                                    : -1);
            if (!p->joining) band_join(p);
            band_wait(&s, 4000);
            if (!p->joining && !p->syncing) band_sync(p, "");
            band_wait(&s, 200);
            if (p->error == 25) p->id[0] = 0;
        }
    }
    band_fini_with(&s);
    return rc;
}

START_TEST(test_scarce)
{
    ck_assert_uint_gt(fault_each(scarce, NULL), 0);
}
END_TEST

SUITE_MAIN_ROWS("migrate",
                SUITE_WITH(setup, teardown, test_upgrade, test_mixed, test_downgrade,
                           test_upgrade_of_waiting, test_upgrade_of_syncing, test_late,
                           test_vanishes, test_static, test_restart, test_policies,
                           test_refused, test_faults),
                SUITE_ONCE(test_scarce))
