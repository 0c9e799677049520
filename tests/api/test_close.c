/* SPDX-License-Identifier: Apache-2.0 */
/* Closing: in any order, from any thread, with callbacks in flight, and always soon. */
#include "api.h"

START_TEST(what_outlives_its_bus_answers_eclosed)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "a", NULL));
    api_send(bus, "a", "waits");
    OK(rill_close(bus, 20000));
    OK(rill_next(sub, &m, 0)); /* it was there before */
    FAILS(rill_next(sub, &m, -1), RILL_ECLOSED);
    FAILS(rill_sub_stop(sub), RILL_ECLOSED);
    rill_sub_close(sub);
}
END_TEST

START_TEST(a_broker_closes_before_its_buses)
{
    rill_broker *broker;
    rill_bus *bus;
    rill_sub *sub, *refused;
    const rill_msg *m;
    OK(rill_broker_open(&broker, NULL));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_subscribe(bus, &sub, "a", NULL));
    OK(rill_broker_close(broker, 20000));
    FAILS(rill_publish(bus, "a", "x", 1, NULL), RILL_ECLOSED);
    FAILS(rill_subscribe(bus, &refused, "a", NULL), RILL_ECLOSED);
    ck_assert_ptr_null(refused);
    FAILS(rill_next(sub, &m, -1), RILL_ECLOSED);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

static void note(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    atomic_fetch_or((atomic_int *)arg, 1 << ev->kind);
}

START_TEST(a_bus_hears_that_its_broker_is_gone)
{
    rill_broker *broker;
    rill_bus *bus;
    atomic_int kinds = 0;
    OK(rill_broker_open(&broker, NULL));
    OK(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .on_event = note, .arg = &kinds)));
    OK(rill_broker_close(broker, 20000));
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(atomic_load(&kinds),
                     1 << RILL_EV_UP | 1 << RILL_EV_DOWN | 1 << RILL_EV_CLOSED);
}
END_TEST

static void *close_bus(void *arg)
{
    nanosleep(&(struct timespec){0, 10000000}, NULL);
    OK(rill_close(arg, 20000));
    return NULL;
}

static void *close_sub(void *arg)
{
    nanosleep(&(struct timespec){0, 10000000}, NULL);
    rill_sub_close(arg);
    return NULL;
}

/* Until somebody else reads it. */
static void await_reader(rill_sub *sub)
{
    const rill_msg *m;
    EVENTUALLY(rill_next(sub, &m, 0) == RILL_EBUSY);
}

static void *close_read_sub(void *arg)
{
    await_reader(arg);
    rill_sub_close(arg);
    return NULL;
}

static void *read_to_the_end(void *arg)
{
    const rill_msg *m;
    int rc;
    while ((rc = rill_next(arg, &m, 20000)) == RILL_EBUSY) sched_yield(); /* await_reader() */
    FAILS(rc, RILL_ECLOSED);
    return NULL;
}

/* A reader waits while another thread closes: its bus, or what it reads. */
static void read_while(rill_sub *sub, void *(*closer)(void *arg), void *what)
{
    pthread_t thread;
    pthread_create(&thread, NULL, closer, what);
    read_to_the_end(sub);
    pthread_join(thread, NULL);
}

START_TEST(closing_wakes_who_waits)
{
    rill_sub *sub;
    rill_bus *bus = api_open("mem:");
    OK(rill_subscribe(bus, &sub, "a", NULL));
    read_while(sub, close_read_sub, sub);
    OK(rill_subscribe(bus, &sub, "a", NULL));
    read_while(sub, close_bus, bus);
    rill_sub_close(sub);
}
END_TEST

typedef struct block {
    atomic_int inside, go_on, after;
} block;

static void block_in_callback(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    block *b = arg;
    atomic_store(&b->inside, 1);
    while (!atomic_load(&b->go_on)) nanosleep(&(struct timespec){0, 200000}, NULL);
    TEXT_IS(m->data, "x");
    atomic_fetch_add(&b->after, 1);
}

START_TEST(close_is_bounded_even_when_a_callback_is_stuck)
{
    rill_bus *bus;
    rill_sub *sub;
    block b = {0};
    atomic_int kinds = 0;
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .on_event = note, .arg = &kinds)));
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .on_msg = block_in_callback, .arg = &b)));
    api_send(bus, "a", "x");
    api_send(bus, "a", "never");
    EVENTUALLY(atomic_load(&b.inside));
    int64_t start = api_now_ms();
    OK(rill_sub_stop(sub)); /* it waits for nobody */
    FAILS(rill_close(bus, 50), RILL_ETIMEDOUT);
    ck_assert_int_lt(api_now_ms() - start, 20000);
    ck_assert(!(atomic_load(&kinds) & 1 << RILL_EV_CLOSED)); /* `b` is in use still */
    atomic_store(&b.go_on, 1);
    rill_sub_close(sub); /* waits for the callback */
    ck_assert_int_eq(atomic_load(&b.after), 1);
    EVENTUALLY(atomic_load(&kinds) & 1 << RILL_EV_CLOSED);
}
END_TEST

static void *poll_bus(void *bus)
{
    rill_poll(bus, 10000);
    return NULL;
}

/* What `to` listens to is known where `from` publishes, which in a cluster is another server: what
 * it has asked for later is known no sooner. */
static void api_wait_known(rill_bus *from, rill_bus *to)
{
    rill_sub *probe;
    const rill_msg *m;
    int rc = RILL_ETIMEDOUT;
    OK(rill_subscribe(to, &probe, "probe", NULL));
    for (int64_t until = api_now_ms() + 50000; rc == RILL_ETIMEDOUT && api_now_ms() < until;) {
        api_send(from, "probe", "");
        rc = rill_next(probe, &m, 10);
    }
    OK(rc);
    rill_sub_close(probe);
}

/* The same where the program turns its bus: on another thread, which is in the callback. */
START_TEST(a_driven_bus_closes_beside_a_stuck_callback)
{
    rill_bus *bus, *other = api_open("mem:stuck");
    rill_sub *sub;
    block b = {0};
    pthread_t thread;
    OK(rill_open(&bus, "mem:stuck", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .on_msg = block_in_callback, .arg = &b)));
    api_wait_known(other, bus);
    api_send(other, "a", "x");
    api_send(other, "a", "never");
    ck_assert_int_eq(pthread_create(&thread, NULL, poll_bus, bus), 0);
    EVENTUALLY(atomic_load(&b.inside));
    int64_t start = api_now_ms();
    OK(rill_sub_stop(sub));
    FAILS(rill_close(bus, 50), RILL_ETIMEDOUT);
    ck_assert_int_lt(api_now_ms() - start, 20000);
    ck_assert_int_eq(atomic_load(&b.after), 0);
    atomic_store(&b.go_on, 1);
    pthread_join(thread, NULL);
    rill_sub_close(sub);
    ck_assert_int_eq(atomic_load(&b.after), 1);
    OK(rill_close(other, 20000));
}
END_TEST

START_TEST(a_sub_close_waits_for_its_running_callback)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    block b = {0};
    pthread_t thread;
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .on_msg = block_in_callback, .arg = &b)));
    api_send(bus, "a", "x");
    EVENTUALLY(atomic_load(&b.inside));
    pthread_create(&thread, NULL, close_sub, sub);
    /* let the close begin; either order is right */
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    atomic_store(&b.go_on, 1);
    pthread_join(thread, NULL);
    ck_assert_int_eq(atomic_load(&b.after), 1);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_sub_ends_within_a_time)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    block b = {0};
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .on_msg = block_in_callback, .arg = &b)));
    api_send(bus, "a", "x");
    api_send(bus, "a", "never");
    EVENTUALLY(atomic_load(&b.inside));
    FAILS(rill_sub_end(sub, 0), RILL_ETIMEDOUT);
    FAILS(rill_sub_end(sub, 20), RILL_ETIMEDOUT);
    FAILS(rill_close(bus, 20), RILL_ETIMEDOUT); /* `b` is in use still */
    ck_assert_int_eq(atomic_load(&b.after), 0);
    atomic_store(&b.go_on, 1);
    OK(rill_sub_end(sub, 20000));
    ck_assert_int_eq(atomic_load(&b.after), 1);
    OK(rill_sub_end(NULL, 0));
}
END_TEST

static void end_in_callback(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)m;
    OK(rill_sub_end(sub, 0)); /* it is freed behind this */
    atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(a_sub_ends_in_its_callback)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    atomic_int calls = 0;
    OK(rill_subscribe(bus, &sub, "a",
                      RILL_OPTS(rill_sub_opts, .on_msg = end_in_callback, .arg = &calls)));
    api_send(bus, "a", "x");
    api_send(bus, "a", "never");
    EVENTUALLY(atomic_load(&calls));
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(atomic_load(&calls), 1);
}
END_TEST

/* Who reads is woken, and is not waited for longer than was said; nothing of the sub is touched
 * behind the call that has freed it. */
START_TEST(a_sub_ends_beside_its_reader)
{
    rill_bus *bus = api_open("mem:");
    for (int i = 0; i < 10; i++) {
        rill_sub *sub;
        pthread_t thread;
        int rc;
        OK(rill_subscribe(bus, &sub, "a", NULL));
        pthread_create(&thread, NULL, read_to_the_end, sub);
        await_reader(sub);
        while ((rc = rill_sub_end(sub, 1)) == RILL_ETIMEDOUT) continue;
        OK(rc);
        pthread_join(thread, NULL);
    }
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(null_is_a_no_op)
{
    OK(rill_close(NULL, 0));
    rill_sub_close(NULL);
    rill_msg_unref(NULL);
    OK(rill_broker_close(NULL, 0));
    ck_assert_ptr_null(rill_msg_ref(NULL));
}
END_TEST

SUITE_MAIN("close", what_outlives_its_bus_answers_eclosed, a_broker_closes_before_its_buses,
           a_bus_hears_that_its_broker_is_gone, closing_wakes_who_waits,
           close_is_bounded_even_when_a_callback_is_stuck,
           a_driven_bus_closes_beside_a_stuck_callback,
           a_sub_close_waits_for_its_running_callback, a_sub_ends_within_a_time,
           a_sub_ends_in_its_callback, a_sub_ends_beside_its_reader, null_is_a_no_op)
