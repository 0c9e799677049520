/* SPDX-License-Identifier: Apache-2.0 */
/* No thread of rill's: callbacks run in rill_poll() and in waits, and file descriptors tell
 * when. */
#include "api.h"
#include "kinds.h"
#include "tasks.h"

#include <poll.h>

static rill_bus *open_driven(void (*on_event)(rill_bus *, const rill_event *, void *), void *arg)
{
    rill_bus *bus;
    OK(rill_open(&bus, "mem:",
                 RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST, .on_event = on_event, .arg = arg)));
    return bus;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    ++*(int *)arg;
}

START_TEST(callbacks_run_in_poll_and_nowhere_else)
{
    int n = 0, before = threads();
    rill_bus *bus = open_driven(NULL, NULL);
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_msg = count, .arg = &n)));
    int fd = rill_fd(bus);
    ck_assert_int_ge(fd, 0);
    ck_assert(!readable(fd));
    ck_assert_int_eq(rill_wait_ms(bus), -1);
    api_send(bus, "a", "x");
    api_send(bus, "a", "y");
    ck_assert_int_eq(n, 0);
    ck_assert(readable(fd));
    ck_assert_int_eq(rill_wait_ms(bus), 0);
    ck_assert_int_eq(rill_poll(bus, 0), 2);
    ck_assert_int_eq(n, 2);
    ck_assert(!readable(fd));
    ck_assert_int_eq(rill_poll(bus, 0), 0);
    ck_assert_int_eq(rill_poll(bus, 20), 0);
    ck_assert_int_eq(threads(), before);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_sub_fd_is_readable_while_messages_wait)
{
    rill_bus *bus = open_driven(NULL, NULL);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "a", NULL));
    api_send(bus, "a", "before");
    int fd = rill_sub_fd(sub);
    ck_assert_int_ge(fd, 0);
    ck_assert(readable(fd));
    OK(rill_next(sub, &m, 0));
    ck_assert(!readable(fd));
    api_send(bus, "a", "1");
    api_send(bus, "a", "2");
    OK(rill_next(sub, &m, 0));
    ck_assert(readable(fd));
    OK(rill_next(sub, &m, 0));
    ck_assert(!readable(fd));
    OK(rill_sub_stop(sub));
    OK(rill_flush(bus, 20000)); /* what a server has sent has come, and so has the end */
    ck_assert(readable(fd)); /* ECLOSED can be read */
    FAILS(rill_next(sub, &m, 0), RILL_ECLOSED);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

static void echo(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    OK(rill_reply(m, m->data.ptr, m->data.len, NULL));
}

START_TEST(a_request_drives_the_callback_that_answers_it)
{
    rill_bus *bus = open_driven(NULL, NULL);
    rill_sub *sub;
    rill_msg *reply;
    OK(rill_subscribe(bus, &sub, "echo", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    for (int i = 0; i < 100; i++) {
        OK(rill_request(bus, "echo", "ping", 4, NULL, &reply, 20000));
        TEXT_IS(reply->data, "ping");
        rill_msg_unref(reply);
    }
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

static void on_reply(int err, const rill_msg *reply, void *arg)
{
    (void)reply;
    *(int *)arg = err;
}

typedef struct nesting {
    rill_bus *bus;
    rill_kv *kv;
    atomic_int depth, deepest, n, failed;
} nesting;

/* Asks for all kinds of things, each of which it waits for. */
static void ask_within(rill_sub *sub, const rill_msg *m, void *arg)
{
    nesting *x = arg;
    rill_msg *got = NULL, *reply;
    rill_stream_info info = {.size = sizeof info};
    (void)sub;
    int depth = atomic_fetch_add(&x->depth, 1) + 1;
    if (depth > atomic_load(&x->deepest)) atomic_store(&x->deepest, depth);
    api_send(x->bus, "other", "x"); /* whose callback waits */
    bool ok = rill_append(x->bus, "S", m->data.ptr, m->data.len, NULL, NULL, 10000) >= 0 &&
              rill_stream_get(x->bus, "S", RILL_AT_LAST("S"), &got) >= 0 &&
              rill_kv_put(x->kv, "k", "v", 1, NULL, NULL) >= 0 &&
              rill_stream_status(x->bus, "S", &info) >= 0 && info.msgs > 0 &&
              rill_flush(x->bus, 1000) == RILL_EDEADLK && rill_close(x->bus, 0) == RILL_EDEADLK &&
              rill_request(x->bus, "other", "", 0, NULL, &reply, 1000) == RILL_EDEADLK;
    rill_msg_unref(got);
    if (!ok) atomic_fetch_add(&x->failed, 1);
    atomic_fetch_sub(&x->depth, 1);
    atomic_fetch_add(&x->n, 1);
}

static void count_within(rill_sub *sub, const rill_msg *m, void *arg)
{
    nesting *x = arg;
    (void)sub, (void)m;
    if (atomic_load(&x->depth)) atomic_store(&x->deepest, 99);
    atomic_fetch_add(&x->n, 1);
}

/* A callback may wait for the peer, whichever it is, and no other callback is run meanwhile. */
START_TEST(a_callback_may_ask)
{
    enum { COUNT = 20 };
    nesting x = {.bus = begin_kind(_i)};
    rill_sub *one, *other;
    bool driven = kind_drives(_i);
    OK(rill_stream_ensure(x.bus, "S", NULL));
    OK(rill_kv_open(x.bus, &x.kv, "B", NULL));
    OK(rill_subscribe(x.bus, &one, "one", RILL_OPTS(rill_sub_opts, .on_msg = ask_within,
                                                    .arg = &x)));
    OK(rill_subscribe(x.bus, &other, "other", RILL_OPTS(rill_sub_opts, .on_msg = count_within,
                                                        .arg = &x)));
    for (int i = 0; i < COUNT; i++) api_send(x.bus, "one", "x");
    while (driven && atomic_load(&x.n) < 2 * COUNT) OK(rill_poll(x.bus, 10000));
    EVENTUALLY(atomic_load(&x.n) == 2 * COUNT);
    ck_assert_int_eq(atomic_load(&x.deepest), 1);
    ck_assert_int_eq(atomic_load(&x.failed), 0);
    rill_sub_close(one);
    rill_sub_close(other);
    rill_kv_close(x.kv);
    end_kind(x.bus);
}
END_TEST

START_TEST(a_timeout_is_part_of_the_wait)
{
    int err = 1;
    rill_bus *bus = open_driven(NULL, NULL);
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "deaf", NULL));
    OK(rill_request_async(bus, "deaf", "x", 1, NULL, 600, on_reply, &err));
    int wait_ms = rill_wait_ms(bus);
    ck_assert_int_gt(wait_ms, 0);
    ck_assert_int_le(wait_ms, 601);
    ck_assert_int_eq(rill_poll(bus, 20000), 1);
    ck_assert_int_eq(err, RILL_ETIMEDOUT);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

static void note_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    char *text = arg;
    text[strlen(text)] = "?UDESC"[ev->kind];
}

START_TEST(events_come_in_poll_and_closed_is_the_last)
{
    char text[16] = "";
    rill_bus *bus = open_driven(note_event, text);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(rill_poll(bus, 0), 1);
    ck_assert_str_eq(text, "U");
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .pending_msgs = 1)));
    for (int i = 0; i < 3; i++) api_send(bus, "a", "x");
    ck_assert_int_eq(rill_poll(bus, 0), 1);
    ck_assert_str_eq(text, "US");
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    ck_assert_str_eq(text, "USC");
}
END_TEST

static void *send_later(void *arg)
{
    nanosleep(&(struct timespec){0, 5000000}, NULL);
    api_send(arg, "a", "x");
    return NULL;
}

START_TEST(a_wait_is_woken_by_another_thread)
{
    rill_bus *bus = open_driven(NULL, NULL);
    rill_sub *sub, *called;
    const rill_msg *m;
    pthread_t thread;
    int n = 0;
    OK(rill_subscribe(bus, &sub, "a", NULL));
    OK(rill_subscribe(bus, &called, "a", RILL_OPTS(rill_sub_opts, .on_msg = count, .arg = &n)));
    pthread_create(&thread, NULL, send_later, bus);
    OK(rill_next(sub, &m, 20000));
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, send_later, bus);
    while (n < 2) OK(rill_poll(bus, 20000));
    pthread_join(thread, NULL);
    rill_sub_close(sub);
    rill_sub_close(called);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(only_a_driven_bus_is_polled)
{
    int before = threads();
    rill_bus *bus = api_open("mem:");
    FAILS(rill_poll(bus, 0), RILL_EINVAL);
    FAILS(rill_fd(bus), RILL_EINVAL);
    FAILS(rill_wait_ms(bus), RILL_EINVAL);
    if (rill_caps(bus) & RILL_CAN_REQUEST)
        ck_assert_int_eq(threads(), before); /* nothing has asked for callbacks */
    OK(rill_close(bus, 20000));
}
END_TEST

/* Whichever door came first: its loop turns the streams, and hears of what the other has for it. */
START_TEST(doors_in_either_order)
{
    const char *const urls[] = {"nats://127.0.0.1:0", "kafka://127.0.0.1:0"};
    char url[64];
    rill_broker *broker;
    rill_bus *bus;
    rill_msg *m;
    int ports[2];
    if (api_far_url()) return;
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .jetstream = true)));
    for (int i = 0; i < 2; i++) {
        int door = _i ? 1 - i : i;
        OK(ports[door] = rill_broker_listen(broker, urls[door], NULL));
    }
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", ports[0]);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .call_timeout_ms = 10000)));
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.*",
                                              .in_memory = true)));
    OK(rill_append(bus, "s.a", "x", 1, NULL, NULL, 20000));
    OK(rill_stream_get(bus, "S", RILL_AT_LAST("s.a"), &m));
    ck_assert_uint_eq(m->data.len, 1);
    rill_msg_unref(m);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

SUITE_MAIN_ROWS("drive",
    SUITE_ONCE(callbacks_run_in_poll_and_nowhere_else, a_sub_fd_is_readable_while_messages_wait,
               a_request_drives_the_callback_that_answers_it, a_timeout_is_part_of_the_wait,
               events_come_in_poll_and_closed_is_the_last, a_wait_is_woken_by_another_thread,
               only_a_driven_bus_is_polled),
    SUITE_EACH(2, doors_in_either_order), EACH_KIND(a_callback_may_ask))
