/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that do not wait, on a bus that the test turns itself: who has a turn, and whether there is
 * anything to do, is counted and not timed. */
#include "api.h"

static rill_bus *turned(rill_opts opts)
{
    rill_bus *bus = NULL;
    opts.size = sizeof opts;
    opts.drive = RILL_DRIVE_HOST;
    OK(rill_open(&bus, "mem:", &opts));
    return bus;
}

/* ---- Places ---- */

static int ended;

static void take_number(const rill_item *item, void *arg)
{
    ck_assert_int_eq(item->kind, RILL_ITEM_DONE);
    *(int *)arg = ++ended;
}

/* What is made on the thread beside, one after the other, takes no place of what is not: that has
 * its turn before many of those that were begun first. */
START_TEST(beside_takes_no_place)
{
    static int checks[200], list;
    rill_bus *bus = turned((rill_opts){0});
    for (int i = 0; i < 200; i++)
        OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STORE_CHECK), take_number,
                      &checks[i]));
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_EACH), take_number, &list));
    while (!list) OK(rill_poll(bus, 10000));
    ck_assert_int_lt(list, 64);
    while (ended < 201) OK(rill_poll(bus, 10000));
    OK(rill_close(bus, 20000));
}
END_TEST

/* ---- A drain ---- */

typedef struct room { /* where a callback stays until it may go */
    rill_bus *bus;
    atomic_bool inside, may_go, drained;
} room;

static void stay(rill_sub *sub, const rill_msg *m, void *arg)
{
    room *r = arg;
    (void)sub, (void)m;
    atomic_store(&r->inside, true);
    EVENTUALLY(atomic_load(&r->may_go));
}

static void *publish_one(void *arg)
{
    room *r = arg;
    OK(rill_publish(r->bus, "a", "x", 1, NULL));
    return NULL;
}

static void note_drained(const rill_item *item, void *arg)
{
    ck_assert_int_eq(item->err, RILL_OK);
    atomic_store(&((room *)arg)->drained, true);
}

/* A drain that was started, and waits for a callback on another thread, keeps nobody awake. */
START_TEST(a_started_drain_sleeps)
{
    room r = {.bus = turned((rill_opts){0})};
    pthread_t thread;
    rill_sub *sub;
    OK(rill_subscribe(r.bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .on_msg = stay, .arg = &r, .on_publisher = true)));
    ck_assert_int_eq(pthread_create(&thread, NULL, publish_one, &r), 0);
    EVENTUALLY(atomic_load(&r.inside));
    OK(rill_start(r.bus, RILL_OPTS(rill_call, .verb = RILL_DO_DRAIN, .timeout_ms = 50000),
                  note_drained, &r));
    for (int i = 0; i < 10; i++) OK(rill_poll(r.bus, 0));
    ck_assert_int_ne(rill_wait_ms(r.bus), 0);
    ck_assert(!atomic_load(&r.drained));
    atomic_store(&r.may_go, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    while (!atomic_load(&r.drained)) OK(rill_poll(r.bus, 10000));
    rill_sub_close(sub);
    OK(rill_close(r.bus, 20000));
}
END_TEST

/* ---- on_ready ---- */

static void ring(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* What a batch had no room for is announced again, and when there is nothing more nothing is. */
START_TEST(what_had_no_room_is_announced)
{
    atomic_int rung = 0;
    rill_bus *bus = turned((rill_opts){.reap = true, .on_ready = ring, .arg = &rung});
    rill_reaped *batch;
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "a", NULL));
    while (rill_reap(bus, &batch, 100, 0) > 0) rill_reaped_free(batch);
    atomic_store(&rung, 0);
    for (int i = 0; i < 10; i++) OK(rill_publish(bus, "a", "x", 1, NULL));
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(atomic_load(&rung), i);
        ck_assert_int_eq(rill_reap(bus, &batch, 4, 0), i < 3 ? 4 : 2);
        rill_reaped_free(batch);
    }
    ck_assert_int_eq(atomic_load(&rung), 3);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

SUITE_MAIN("turns", beside_takes_no_place, a_started_drain_sleeps, what_had_no_room_is_announced)
