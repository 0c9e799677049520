/* SPDX-License-Identifier: Apache-2.0 */
/* Publishers, subscribers and closers at once, for ThreadSanitizer above all. */
#include "api.h"

enum { RACE_ROUNDS = 60, RACE_MSGS = 300, RACE_THREADS = 4 };

typedef struct race {
    rill_bus *bus;
    int number;
    atomic_int received;
} race;

static void received(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void *publish_and_subscribe(void *arg)
{
    race *r = arg;
    const rill_msg *m;
    for (int round = 0; round < RACE_ROUNDS; round++) {
        rill_sub *called = NULL, *inlined = NULL, *read = NULL;
        OK(rill_subscribe(r->bus, &called, "race.*",
                          RILL_OPTS(rill_sub_opts, .on_msg = received, .arg = &r->received,
                                    .group = round % 2 ? "g" : NULL)));
        OK(rill_subscribe(r->bus, &inlined, "race.>",
                          RILL_OPTS(rill_sub_opts, .on_msg = received, .arg = &r->received,
                                    .on_publisher = true)));
        OK(rill_subscribe(r->bus, &read, "race.a",
                          RILL_OPTS(rill_sub_opts, .pending_msgs = 50,
                                    .when_full = (rill_full)(round % 2 ? RILL_FULL_DROP_OLD
                                                                       : RILL_FULL_DROP_NEW))));
        for (int i = 0; i < RACE_MSGS; i++) {
            OK(rill_publish(r->bus, i % 2 ? "race.a" : "race.b", "0123456789", 10, NULL));
            if (i % 3 == 0 && rill_next(read, &m, 0) == RILL_OK) TEXT_IS(m->data, "0123456789");
        }
        rill_sub_close(inlined);
        rill_sub_close(read);
        rill_sub_close(called);
    }
    return NULL;
}

START_TEST(publishers_and_subscribers)
{
    rill_bus *shared = api_open("mem:race");
    race races[RACE_THREADS];
    pthread_t threads[RACE_THREADS];
    for (int i = 0; i < RACE_THREADS; i++) {
        races[i] = (race){.bus = i % 2 ? api_open("mem:race") : shared, .number = i};
        pthread_create(&threads[i], NULL, publish_and_subscribe, &races[i]);
    }
    for (int i = 0; i < RACE_THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < RACE_THREADS; i++) {
        ck_assert_int_gt(atomic_load(&races[i].received), RACE_ROUNDS * RACE_MSGS);
        if (races[i].bus != shared) OK(rill_close(races[i].bus, 20000));
    }
    OK(rill_close(shared, 20000));
}
END_TEST

static void *publish_until_closed(void *arg)
{
    int rc;
    while ((rc = rill_publish(arg, "race.c", "x", 1, NULL)) == RILL_OK) {}
    FAILS(rc, RILL_ECLOSED);
    return NULL;
}

static void *read_until_closed(void *arg)
{
    const rill_msg *m;
    int rc;
    while ((rc = rill_next(arg, &m, -1)) == RILL_OK) {}
    FAILS(rc, RILL_ECLOSED);
    return NULL;
}

static void echo(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    rill_reply(m, m->data.ptr, m->data.len, NULL); /* the bus may be closing */
}

static void *request_until_closed(void *arg)
{
    rill_msg *reply;
    int rc;
    while ((rc = rill_request(arg, "race.q", "x", 1, NULL, &reply, 5000)) == RILL_OK)
        rill_msg_unref(reply);
    ck_assert_msg(rc == RILL_ECLOSED || rc == RILL_ENOREPLY, "%s", rill_errname(rc));
    return NULL;
}

/* The broker is closed under everybody; the handles are closed afterwards. */
START_TEST(a_closer_among_them)
{
    for (int round = 0; round < 20; round++) {
        rill_broker *broker;
        rill_bus *bus;
        rill_sub *sub, *answers;
        pthread_t threads[3];
        OK(rill_broker_open(&broker, NULL));
        OK(rill_broker_bus(broker, &bus, NULL));
        OK(rill_subscribe(bus, &sub, "race.c", RILL_OPTS(rill_sub_opts, .pending_msgs = 100)));
        OK(rill_subscribe(bus, &answers, "race.q", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
        pthread_create(&threads[0], NULL, publish_until_closed, bus);
        pthread_create(&threads[1], NULL, read_until_closed, sub);
        pthread_create(&threads[2], NULL, request_until_closed, bus);
        nanosleep(&(struct timespec){0, 1000000 * (round % 4)}, NULL);
        OK(rill_broker_close(broker, 20000));
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
        rill_sub_close(sub);
        rill_sub_close(answers);
        OK(rill_close(bus, 20000));
    }
}
END_TEST

static void *open_and_close(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        rill_bus *bus = api_open("mem:door");
        api_send(bus, "a", "x");
        OK(rill_close(bus, 20000));
    }
    return NULL;
}

START_TEST(a_name_is_opened_while_it_is_closed)
{
    pthread_t threads[RACE_THREADS];
    for (int i = 0; i < RACE_THREADS; i++) pthread_create(&threads[i], NULL, open_and_close, NULL);
    for (int i = 0; i < RACE_THREADS; i++) pthread_join(threads[i], NULL);
}
END_TEST

SUITE_MAIN("races", publishers_and_subscribers, a_closer_among_them,
           a_name_is_opened_while_it_is_closed)
