/* SPDX-License-Identifier: Apache-2.0 */
/* Request and reply. */
#include "api.h"

static void echo(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    OK(rill_reply(m, m->data.ptr, m->data.len, NULL));
}

static void reply_twice(rill_sub *sub, const rill_msg *m, void *arg)
{
    echo(sub, m, arg);
    echo(sub, m, arg);
}

START_TEST(an_answer_comes_back)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    rill_msg *reply;
    for (int i = 0; i < 3; i++) { /* by the bus's thread, inside the request, and twice */
        OK(rill_subscribe(bus, &sub, "echo",
                          RILL_OPTS(rill_sub_opts, .on_msg = i == 2 ? reply_twice : echo,
                                    .on_publisher = i == 1)));
        for (int n = 0; n < 50; n++) {
            OK(rill_request(bus, "echo", "ping", 4, NULL, &reply, 20000));
            TEXT_IS(reply->data, "ping");
            rill_msg_unref(reply);
        }
        if (i == 1) { /* the answer is there when the publish returns */
            OK(rill_request(bus, "echo", "ping", 4, NULL, &reply, 0));
            rill_msg_unref(reply);
        }
        rill_sub_close(sub);
    }
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(nobody_listens_is_told_at_once)
{
    rill_bus *bus = api_open("mem:");
    rill_msg *reply;
    int64_t start = api_now_ms();
    FAILS(rill_request(bus, "none", "x", 1, NULL, &reply, 50000), RILL_ENOREPLY);
    ck_assert_int_lt(api_now_ms() - start, 20000);
    ck_assert_ptr_null(reply);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "none"));
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(no_answer_times_out_and_a_late_one_is_harmless)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    rill_msg *reply;
    OK(rill_subscribe(bus, &sub, "deaf", NULL));
    FAILS(rill_request(bus, "deaf", "x", 1, NULL, &reply, 20), RILL_ETIMEDOUT);
    FAILS(rill_request(bus, "deaf", "x", 1, NULL, &reply, 0), RILL_ETIMEDOUT);
    OK(rill_next(sub, &m, 0));
    OK(rill_reply(m, "late", 4, NULL));
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

typedef struct told {
    atomic_int calls, err;
    char text[128];
} told;

static void on_reply(int err, const rill_msg *reply, void *arg)
{
    told *t = arg;
    atomic_store(&t->err, err);
    if (reply) snprintf(t->text, sizeof t->text, "%.*s", RILL_ARG(reply->data));
    else snprintf(t->text, sizeof t->text, "%s", rill_errmsg());
    atomic_fetch_add(&t->calls, 1);
}

START_TEST(an_asynchronous_request_is_told_once)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub, *deaf;
    told good = {0}, late = {0}, none = {0}, closed = {0};
    OK(rill_subscribe(bus, &sub, "echo", RILL_OPTS(rill_sub_opts, .on_msg = reply_twice)));
    OK(rill_subscribe(bus, &deaf, "deaf", NULL));
    OK(rill_request_async(bus, "echo", "hi", 2, NULL, 5000, on_reply, &good));
    OK(rill_request_async(bus, "deaf", "hi", 2, NULL, 10, on_reply, &late));
    OK(rill_request_async(bus, "deaf", "hi", 2, NULL, -1, on_reply, &closed));
    FAILS(rill_request_async(bus, "none", "hi", 2, NULL, 10, on_reply, &none), RILL_ENOREPLY);
    EVENTUALLY(atomic_load(&good.calls) == 1 && atomic_load(&late.calls) == 1);
    ck_assert_str_eq(good.text, "hi");
    ck_assert_int_eq(atomic_load(&late.err), RILL_ETIMEDOUT);
    ck_assert_str_eq(late.text, "no answer came in time");
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(atomic_load(&closed.calls), 1);
    ck_assert_int_eq(atomic_load(&closed.err), RILL_ECLOSED);
    ck_assert_str_eq(closed.text, "the bus was closed");
    ck_assert_int_eq(atomic_load(&good.calls), 1);
    ck_assert_int_eq(atomic_load(&none.calls), 0);
    rill_sub_close(deaf);
}
END_TEST

START_TEST(an_inbox_takes_many_answers)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *one, *two, *answers;
    char inbox[RILL_INBOX_LEN], other[RILL_INBOX_LEN];
    const rill_msg *m[4];
    ck_assert_uint_eq((size_t)rill_inbox(bus, inbox, sizeof inbox), strlen(inbox));
    FAILS(rill_inbox(bus, other, strlen(inbox)), RILL_ETOOBIG);
    ck_assert_str_eq(other, "");
    FAILS(rill_inbox(bus, NULL, 0), RILL_EINVAL);
    ck_assert_int_gt(rill_inbox(bus, other, strlen(inbox) + 1), 0);
    ck_assert_str_ne(inbox, other);
    ck_assert_int_eq(strncmp(inbox, "_INBOX.", 7), 0);
    OK(rill_subscribe(bus, &answers, inbox, NULL));
    OK(rill_subscribe(bus, &one, "q",
                      RILL_OPTS(rill_sub_opts, .on_msg = echo, .on_publisher = true)));
    OK(rill_subscribe(bus, &two, "q",
                      RILL_OPTS(rill_sub_opts, .on_msg = echo, .on_publisher = true)));
    OK(rill_publish(bus, "q", "x", 1, RILL_OPTS(rill_post, .reply = inbox)));
    ck_assert_int_eq(rill_read(answers, m, 4, 1000), 2);
    rill_sub_close(one);
    rill_sub_close(two);
    rill_sub_close(answers);
    OK(rill_close(bus, 20000));
}
END_TEST

static void request_inside(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    told *t = arg;
    rill_msg *reply = NULL;
    rill_bus *bus = *(rill_bus *const *)(const void *)m->data.ptr;
    atomic_store(&t->err, rill_request(bus, "x", "", 0, NULL, &reply, 1000));
    FAILS(rill_flush(bus, 1000), RILL_EDEADLK);
    FAILS(rill_close(bus, 1000), RILL_EDEADLK);
    atomic_fetch_add(&t->calls, 1);
}

START_TEST(a_wait_inside_a_callback_is_refused)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    told t = {0};
    for (int on_publisher = 0; on_publisher < 2; on_publisher++) {
        OK(rill_subscribe(bus, &sub, "go",
                          RILL_OPTS(rill_sub_opts, .on_msg = request_inside, .arg = &t,
                                    .on_publisher = on_publisher)));
        OK(rill_publish(bus, "go", &bus, sizeof bus, NULL));
        EVENTUALLY(atomic_load(&t.calls) == 1 + on_publisher);
        ck_assert_int_eq(atomic_load(&t.err), RILL_EDEADLK);
        rill_sub_close(sub);
    }
    OK(rill_close(bus, 20000));
}
END_TEST

static void wait_inside(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    told *t = arg;
    rill_msg *last = NULL;
    rill_sub *own = NULL;
    const rill_msg *first = NULL;
    rill_kv *bucket = NULL;
    rill_bus *bus = *(rill_bus *const *)(const void *)m->data.ptr;
    ck_assert_int_ge(rill_stream_ensure(bus, "S", NULL), 0);
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    OK(rill_stream_get(bus, "S", RILL_AT_LAST("S"), &last));
    rill_msg_unref(last);
    ck_assert_int_ge(rill_kv_open(bus, &bucket, "B", NULL), 0);
    OK(rill_kv_put(bucket, "key", "x", 1, NULL, NULL));
    rill_kv_close(bucket);
    OK(rill_consume(bus, &own, "S", RILL_OPTS(rill_sub_opts, .group = "g")));
    int rc = rill_next(own, &first, 0);
    ck_assert(rc == RILL_OK || rc == RILL_EAGAIN);
    rill_sub_close(own);
    FAILS(rill_poll(bus, 0), atomic_load(&t->err));
    atomic_fetch_add(&t->calls, 1);
}

/* Streams, groups and buckets: on the thread of the bus (0), inside a publish (1), driven (2). */
START_TEST(what_waits_for_a_stream_may_be_called_in_a_callback)
{
    rill_bus *bus = NULL;
    rill_sub *sub;
    told t = {0};
    atomic_store(&t.err, _i == 2 ? RILL_EDEADLK : RILL_EINVAL);
    OK(rill_open(&bus, "mem:",
                 RILL_OPTS(rill_opts, .drive = _i == 2 ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD)));
    OK(rill_subscribe(bus, &sub, "go", RILL_OPTS(rill_sub_opts, .on_msg = wait_inside, .arg = &t,
                                                 .on_publisher = _i == 1)));
    OK(rill_publish(bus, "go", &bus, sizeof bus, NULL));
    if (_i == 2) ck_assert_int_eq(rill_poll(bus, 1000), 1);
    EVENTUALLY(atomic_load(&t.calls) == 1);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

enum { REQUESTS_MAX = 65536 };

static void count_closed(int err, const rill_msg *reply, void *arg)
{
    if (err == RILL_ECLOSED && !reply) ++*(int *)arg;
}

/* Nobody answers: a bus has so many requests, and no more, and each of them ends. */
START_TEST(requests_have_a_bound)
{
    rill_bus *bus;
    rill_sub *sub;
    int closed = 0;
    OK(rill_open(&bus, "mem:", NULL));
    OK(rill_subscribe(bus, &sub, "silent", RILL_OPTS(rill_sub_opts, .pending_msgs = REQUESTS_MAX)));
    int made = 0;
    while (made < REQUESTS_MAX &&
           rill_request_async(bus, "silent", "", 0, NULL, -1, count_closed, &closed) == RILL_OK)
        made++;
    ck_assert_int_eq(made, REQUESTS_MAX);
    FAILS(rill_request_async(bus, "silent", "", 0, NULL, -1, count_closed, &closed), RILL_EAGAIN);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(closed, REQUESTS_MAX);
}
END_TEST

SUITE_MAIN_ROWS(
    "request",
    SUITE_ONCE(an_answer_comes_back, nobody_listens_is_told_at_once,
               no_answer_times_out_and_a_late_one_is_harmless, an_asynchronous_request_is_told_once,
               an_inbox_takes_many_answers, a_wait_inside_a_callback_is_refused,
               requests_have_a_bound),
    SUITE_EACH(3, what_waits_for_a_stream_may_be_called_in_a_callback))
