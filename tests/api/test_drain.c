/* SPDX-License-Identifier: Apache-2.0 */
/* Ends that lose nothing, and ends whose losses are counted. */
#include "api.h"

typedef struct play {
    atomic_bool go_on;      /* callbacks wait for it */
    atomic_bool inside;     /* one is running */
    atomic_int ran;
    _Atomic uint64_t told;  /* drops, by events */
    atomic_int closed;
} play;

static void work(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)m;
    play *p = arg;
    atomic_store(&p->inside, true);
    while (!atomic_load(&p->go_on)) nanosleep(&(struct timespec){0, 200000}, NULL);
    atomic_fetch_add(&p->ran, 1);
}

static void hear(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    play *p = arg;
    if (ev->kind == RILL_EV_SLOW) atomic_fetch_add(&p->told, ev->count);
    if (ev->kind == RILL_EV_SLOW) ck_assert_int_eq(atomic_load(&p->closed), 0);
    if (ev->kind == RILL_EV_CLOSED) atomic_fetch_add(&p->closed, 1);
}

static rill_bus *open_play(play *p, rill_drive drive)
{
    rill_bus *bus;
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .on_event = hear, .arg = p, .drive = drive)));
    return bus;
}

/* With a thread (0), and driven by the caller (1). */
START_TEST(a_drain_runs_the_callbacks_of_all_that_came)
{
    play p = {.go_on = true};
    rill_bus *bus = open_play(&p, _i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD);
    rill_sub *sub, *plain;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_msg = work, .arg = &p)));
    OK(rill_subscribe(bus, &plain, "a", NULL));
    for (int i = 0; i < 500; i++) api_send(bus, "a", "x");
    OK(rill_drain(bus, 20000));
    ck_assert_int_eq(atomic_load(&p.ran), 500);
    api_send(bus, "a", "nobody listens any more");
    for (int i = 0; i < 500; i++) OK(rill_next(plain, &m, 0)); /* what waits can still be read */
    FAILS(rill_next(plain, &m, 0), RILL_ECLOSED);
    OK(rill_drain(bus, 0));
    rill_sub_close(sub);
    rill_sub_close(plain);
    OK(rill_close(bus, 20000));
    ck_assert_uint_eq(atomic_load(&p.told), 0);
}
END_TEST

START_TEST(a_drain_is_bounded)
{
    play p = {0};
    rill_bus *bus = open_play(&p, RILL_DRIVE_THREAD);
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_msg = work, .arg = &p)));
    for (int i = 0; i < 10; i++) api_send(bus, "a", "x");
    FAILS(rill_drain(bus, 20), RILL_ETIMEDOUT);
    atomic_store(&p.go_on, true);
    OK(rill_drain(bus, 20000));
    ck_assert_int_eq(atomic_load(&p.ran), 10);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    FAILS(rill_drain(NULL, 0), RILL_EINVAL);
}
END_TEST

static void *publish_slowly(void *arg)
{
    api_send(arg, "a", "x"); /* its callback runs here, until it may go on */
    return NULL;
}

static void *let_go_later(void *arg)
{
    play *p = arg;
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    atomic_store(&p->go_on, true);
    return NULL;
}

START_TEST(a_drain_waits_for_a_callback_on_a_publishers_thread)
{
    play p = {0};
    rill_bus *bus = open_play(&p, RILL_DRIVE_THREAD);
    rill_sub *sub;
    pthread_t publisher, helper;
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_msg = work, .arg = &p,
                                                .on_publisher = true)));
    pthread_create(&publisher, NULL, publish_slowly, bus);
    EVENTUALLY(atomic_load(&p.inside));
    FAILS(rill_drain(bus, 1), RILL_ETIMEDOUT);
    pthread_create(&helper, NULL, let_go_later, &p);
    OK(rill_drain(bus, -1));
    ck_assert_int_eq(atomic_load(&p.ran), 1);
    pthread_join(publisher, NULL);
    pthread_join(helper, NULL);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

static void drain_within(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)m;
    FAILS(rill_drain(arg, 1000), RILL_EDEADLK);
}

START_TEST(a_callback_cannot_drain_its_bus)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .on_msg = drain_within, .arg = bus)));
    api_send(bus, "a", "x");
    OK(rill_drain(bus, 20000));
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

static void *let_go(void *arg)
{
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    atomic_store(&((play *)arg)->go_on, true);
    return NULL;
}

/* What a close throws away, what overflowed before, and what a closed subscription had dropped: the
 * events tell of each, before the last one. */
START_TEST(events_and_counts_agree_at_a_close)
{
    play p = {0};
    pthread_t thread;
    rill_bus *bus = open_play(&p, RILL_DRIVE_THREAD);
    rill_sub *sub, *gone;
    rill_sub_info info = {.size = sizeof info};
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_msg = work, .arg = &p,
                                                .pending_msgs = 100)));
    OK(rill_subscribe(bus, &gone, "a", RILL_OPTS(rill_sub_opts, .pending_msgs = 3)));
    for (int i = 0; i < 200; i++) api_send(bus, "a", "x");
    rill_sub_close(gone);
    pthread_create(&thread, NULL, let_go, &p); /* of the one message that it has */
    OK(rill_close(bus, 20000));
    pthread_join(thread, NULL);
    ck_assert_int_eq(atomic_load(&p.closed), 1);
    OK(rill_sub_status(sub, &info));
    ck_assert_uint_eq(info.dropped_msgs + (uint64_t)atomic_load(&p.ran), 200);
    ck_assert_uint_eq(atomic_load(&p.told), info.dropped_msgs + 197);
    rill_sub_close(sub);
}
END_TEST

SUITE_MAIN_ROWS("drain",
    SUITE_EACH(2, a_drain_runs_the_callbacks_of_all_that_came),
    SUITE_ONCE(a_drain_is_bounded, a_drain_waits_for_a_callback_on_a_publishers_thread,
               a_callback_cannot_drain_its_bus, events_and_counts_agree_at_a_close))
