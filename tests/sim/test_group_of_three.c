/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: three consumers of one group come, one vanishes in each phase of a
 * rebalance, a static one is restarted, and at last all leave. */
#include <stdio.h>

#include "base/error.h"
#include "support/band.h"
#include "support/suite.h"

static band b;

/* All that are given send a heartbeat every three seconds. */
static void live(int64_t ms, band_player *x, band_player *y)
{
    for (; ms > 0; ms -= 3000) {
        if (x) band_beat(x);
        if (y) band_beat(y);
        band_wait(&b, RI_MIN(ms, 3000));
    }
}

static band_player *ann, *bob, *cid;

static void they_come(void)
{
    /* Each is given an id first. The group waits three seconds for others, and three more as long
     * as somebody comes. */
    band_join(ann);
    band_join(ann);
    band_wait(&b, 2000);
    band_join(bob);
    band_join(bob);
    band_wait(&b, 3000);
    band_join(cid);
    band_join(cid);
    BAND_TOLD(&b, "[     0] ann: join 79 as ann-1\n"
                  "[  2000] bob: join 79 as bob-2\n"
                  "[  5000] cid: join 79 as cid-3\n");
    band_wait(&b, 5000);
    BAND_TOLD(&b, "[  9000] ann: join 0 gen 1 consumer/range leader ann-1 as ann-1 "
                  "{ann-1=, bob-2=, cid-3=}\n"
                  "[  9000] bob: join 0 gen 1 consumer/range leader ann-1 as bob-2\n"
                  "[  9000] cid: join 0 gen 1 consumer/range leader ann-1 as cid-3\n");

    /* Followers wait for what the leader says, and that for the disk. */
    band_sync(bob, "");
    band_wait(&b, 1000);
    band_sync(ann, "ann-1=0 bob-2=1 cid-3=2");
    BAND_TOLD(&b, "");
    band_turn(&b);
    band_sync(cid, "");
    BAND_TOLD(&b, "[ 11000] ann: sync 0 consumer/range \"0\"\n"
                  "[ 11000] bob: sync 0 consumer/range \"1\"\n"
                  "[ 11000] cid: sync 0 consumer/range \"2\"\n");

}

static void they_vanish(void)
{
    /* Cid vanishes: its session ends ten seconds behind its JoinGroup, and the others are asked to
     * join. Bob does, Ann goes on to send heartbeats and does not: her minute is up. */
    live(12000, ann, bob);
    ck_assert_int_eq(band_beat(ann), 27);
    ck_assert_int_eq(band_beat(bob), 27);
    band_join(bob);
    live(57000, ann, NULL);
    BAND_TOLD(&b, "[ 79000] bob: join 0 gen 2 consumer/range leader bob-2 as bob-2 {bob-2=}\n");
    ck_assert_int_eq(band_beat(ann), 25);

    /* Bob, who is to say who reads what, lives and does not say it: his minute is up as well. */
    live(57000, bob, NULL);
    ck_assert_int_eq(band_beat(bob), 0);
    live(3000, bob, NULL);
    ck_assert_int_eq(band_beat(bob), 25);
    band_describe(&b, "g");
    BAND_TOLD(&b, "g: 0 Empty consumer/\n");

}

static void one_is_static(void)
{
    /* A static member and another: when the static one is restarted, nobody notices. */
    cid->id[0] = bob->id[0] = 0;
    cid->instance = "desk";
    band_join(cid);
    band_join(bob);
    band_join(bob);
    band_wait(&b, 6000);
    band_sync(bob, "");
    band_sync(cid, "desk-5=all bob-4=none");
    band_turn(&b);
    ri_buffer_reset(&b.told);
    live(6000, bob, NULL);
    cid->id[0] = 0;
    band_join(cid);
    band_turn(&b);
    live(6000, bob, cid);
    BAND_TOLD(&b, "[152000] cid: join 0 gen 4 consumer/range leader desk-6 as desk-6 skip "
                  "{desk-6=, bob-4=}\n");
    ck_assert_int_eq(band_beat(bob), 0);

    /* The power goes and comes; then all leave. */
    ck_assert_ok(band_restart(&b));
    ck_assert_int_eq(band_beat(bob), 0);
    ck_assert_int_eq(band_beat(cid), 0);
    band_leave(bob);
    ck_assert_int_eq(band_beat(cid), 27);
    band_leave(cid);
    band_turn(&b);
    BAND_TOLD(&b, "[158000] bob: leave 0, 0\n[158000] cid: leave 0, 0\n");
    band_describe(&b, "g");
    BAND_TOLD(&b, "g: 0 Empty consumer/\n");
}

START_TEST(test_group_of_three)
{
    ck_assert_ok(band_init(&b, NULL));
    ann = band_add(&b, "ann", "g");
    bob = band_add(&b, "bob", "g");
    cid = band_add(&b, "cid", "g");
    they_come();
    they_vanish();
    one_is_static();
    band_fini(&b);
}
END_TEST

SUITE_MAIN("group_of_three", test_group_of_three)
