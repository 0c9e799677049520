/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and their readers, the same over a broker in memory and one with a disk. */
#include "kinds.h"

START_TEST(what_is_appended_is_read)
{
    rill_bus *bus = begin_kind(_i);
    FAILS(rill_stream_ensure(bus, "ORDERS", RILL_OPTS(rill_stream_opts, .subjects = "orders.>")),
          1);
    FAILS(rill_stream_ensure(bus, "ORDERS", RILL_OPTS(rill_stream_opts, .subjects = "orders.>")),
          0);
    for (int i = 1; i <= 10; i++) {
        char text[16];
        snprintf(text, sizeof text, "order %d", i);
        ck_assert_uint_eq(append(bus, i % 2 ? "orders.eu" : "orders.us", text), (uint64_t)i);
    }
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "ORDERS", &info));
    ck_assert_uint_eq(info.msgs, 10);
    ck_assert_uint_eq(info.first_seq, 1);
    ck_assert_uint_eq(info.last_seq, 10);
    ck_assert_uint_eq(info.subjects, 2);
    rill_msg *m;
    OK(rill_stream_get(bus, "ORDERS", RILL_AT(3), &m));
    TEXT_IS(m->data, "order 3");
    TEXT_IS(m->subject, "orders.eu");
    TEXT_IS(m->stream, "ORDERS");
    ck_assert_uint_eq(m->seq, 3);
    rill_msg_unref(m);
    OK(rill_stream_get(bus, "ORDERS", RILL_AT_LAST("orders.us"), &m));
    TEXT_IS(m->data, "order 10");
    rill_msg_unref(m);
    FAILS(rill_stream_get(bus, "ORDERS", RILL_AT(11), &m), RILL_ENOENT);
    FAILS(rill_stream_get(bus, "ORDERS", RILL_AT_LAST("orders.none"), &m), RILL_ENOENT);
    FAILS(rill_stream_status(bus, "NONE", &info), RILL_ENOENT);
    rill_sub *sub;
    const rill_msg *r;
    OK(rill_tail(bus, &sub, "ORDERS", RILL_OPTS(rill_sub_opts, .filter = "orders.eu")));
    for (uint64_t seq = 1; seq <= 9; seq += 2) {
        OK(rill_next(sub, &r, 20000));
        ck_assert_uint_eq(r->seq, seq);
        TEXT_IS(r->stream, "ORDERS");
        ck_assert_uint_eq(r->pending, (9 - seq) / 2);
    }
    FAILS(rill_next(sub, &r, 20), RILL_ETIMEDOUT);
    append(bus, "orders.eu", "later");
    OK(rill_next(sub, &r, 20000));
    TEXT_IS(r->data, "later");
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(a_group_acks_naks_and_terminates)
{
    rill_bus *bus = begin_kind(_i);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_stream_ensure(bus, "JOBS",
                          RILL_OPTS(rill_stream_opts, .subjects = "jobs", .keep = RILL_KEEP_WORK)));
    for (int i = 0; i < 4; i++) append(bus, "jobs", "job");
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "workers")));
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->seq, 1);
    ck_assert_uint_eq(m->deliveries, 1);
    OK(rill_ack(m));
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->seq, 2);
    OK(rill_nak(m, 0));
    bool again = false;
    for (int i = 0; i < 3; i++) {
        OK(rill_next(sub, &m, 20000));
        if (m->seq == 2) {
            again = true;
            ck_assert_uint_eq(m->deliveries, 2);
            OK(rill_term(m));
        } else {
            OK(rill_working(m));
            OK(rill_ack(m));
        }
    }
    ck_assert(again);
    FAILS(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
    rill_stream_info info = {.size = sizeof info};
    TELLS(rill_stream_status(bus, "JOBS", &info), info.msgs == 0 && info.groups == 1);
    rill_sub_close(sub);
    OK(rill_group_delete(bus, "JOBS", "workers"));
    FAILS(rill_group_delete(bus, "JOBS", "workers"), RILL_ENOENT);
    end_kind(bus);
}
END_TEST

static void on_stuck(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    if (ev->kind == RILL_EV_ERROR && ev->err == RILL_ENOENT && strstr(ev->detail, "DEAD"))
        atomic_fetch_add((atomic_int *)arg, 1);
}

static uint64_t count_of(rill_bus *bus, const char *stream)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, stream, &info));
    return info.msgs;
}

/* A work queue whose jobs are tried three times. */
static rill_bus *open_jobs(int kind, atomic_int *stuck)
{
    char url[80];
    rill_bus *bus = NULL;
    make_dir();
    snprintf(url, sizeof url, kind ? "file:%s" : "mem:%s", kind ? dir : "");
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .on_event = on_stuck, .arg = stuck)));
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    return bus;
}

/* What is given up is moved. A nak without a delay obeys the backoff. */
START_TEST(what_is_given_up_is_moved)
{
    static const uint32_t backoff[] = {200, 200};
    atomic_int stuck = 0;
    rill_bus *bus = open_jobs(_i, &stuck);
    rill_sub *sub;
    const rill_msg *m;
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "g", .max_deliveries = 3,
                                          .dead_letters = "DEAD", .backoff_ms = backoff,
                                          .nbackoff = 2);
    FAILS(rill_consume(bus, &sub, "JOBS", opts), RILL_ENOENT);
    FAILS(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "g",
                                                    .dead_letters = "JOBS")), RILL_EINVAL);
    OK(rill_stream_ensure(bus, "DEAD", RILL_OPTS(rill_stream_opts, .subjects = "dead")));
    OK(rill_consume(bus, &sub, "JOBS", opts));
    append(bus, "JOBS", "one");
    int rc = RILL_ETIMEDOUT;
    for (uint32_t n = 1; n <= 3; n++) {
        if (rc != RILL_OK) OK(rill_next(sub, &m, 20000));
        ck_assert_uint_eq(m->deliveries, n);
        int64_t from_ms = api_now_ms();
        OK(rill_nak(m, 0));
        rc = rill_next(sub, &m, 50);
        if (rc == RILL_OK) ck_assert_int_ge(api_now_ms() - from_ms, 190); /* we were kept so long */
        else FAILS(rc, RILL_ETIMEDOUT);
    }
    FAILS(rc, RILL_ETIMEDOUT);
    EVENTUALLY(count_of(bus, "DEAD") == 1);
    ck_assert_uint_eq(count_of(bus, "JOBS"), 0);
    end_kind(bus);
}
END_TEST

/* What cannot be moved stays, and an event tells. */
START_TEST(what_cannot_be_moved_stays)
{
    atomic_int stuck = 0;
    rill_bus *bus = open_jobs(_i, &stuck);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_stream_ensure(bus, "DEAD", RILL_OPTS(rill_stream_opts, .subjects = "dead")));
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "g",
                                                 .dead_letters = "DEAD")));
    OK(rill_stream_delete(bus, "DEAD"));
    append(bus, "JOBS", "two");
    OK(rill_next(sub, &m, 20000));
    OK(rill_term(m));
    EVENTUALLY(atomic_load(&stuck) == 1);
    ck_assert_uint_eq(count_of(bus, "JOBS"), 1);
    end_kind(bus);
}
END_TEST

/* The clocks of this process, and how far they were moved on. A server has clocks of its own. */
static int64_t moved_ns;

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec + moved_ns;
}

static int64_t mono_ns(void *arg)
{
    (void)arg;
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t wall_ns(void *arg)
{
    (void)arg;
    return clock_ns(CLOCK_REALTIME);
}

static rill_bus *open_moved(int kind)
{
    static const rill_host host = {.size = sizeof host, .mono_ns = mono_ns, .wall_ns = wall_ns};
    char url[80];
    rill_bus *bus = NULL;
    snprintf(url, sizeof url, "file:%s", dir);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .host = &host, .drive = kind_drives(kind) ?
                                      RILL_DRIVE_HOST : RILL_DRIVE_THREAD)));
    return bus;
}

/* A close keeps what was delivered, however soon it comes behind it: a job that ends its worker is
 * not handed out for ever. */
START_TEST(a_delivery_counts_however_soon_the_close_comes)
{
    make_dir();
    rill_sub *sub;
    const rill_msg *m;
    rill_stream_info info = {.size = sizeof info};
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = "g", .max_deliveries = 2,
                                          .ack_wait_ms = api_far_url() ? 1500 : 60000);
    moved_ns = 0;
    rill_bus *bus = open_moved(1);
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    append(bus, "JOBS", "deadly");
    for (uint32_t round = 1; round <= 5; round++) {
        OK(rill_consume(bus, &sub, "JOBS", opts));
        if (round <= 2) {
            OK(rill_next(sub, &m, 20000));
            ck_assert_uint_eq(m->deliveries, round);
        } else {
            FAILS(rill_next(sub, &m, 50), RILL_ETIMEDOUT);
        }
        OK(rill_close(bus, 20000));
        rill_sub_close(sub);
        moved_ns += INT64_C(60000000000);
        bus = open_moved(1 + round % 2);
    }
    OK(rill_stream_status(bus, "JOBS", &info));
    ck_assert_uint_eq(info.msgs, 1);
    end_kind(bus);
}
END_TEST

/* Whoever refuses what is too much has promised to keep what is there. */
START_TEST(a_limit_that_is_lowered_takes_no_job)
{
    const uint64_t least_bytes = 4 * (kind_overhead(_i) + 5);
    const rill_stream_opts lower[] = {
        {.size = sizeof *lower, .keep = RILL_KEEP_WORK, .reject_when_full = true, .max_msgs = 4},
        {.size = sizeof *lower, .keep = RILL_KEEP_WORK, .reject_when_full = true,
         .max_bytes = least_bytes},
    };
    rill_bus *bus = begin_kind(_i);
    rill_stream_info info = {.size = sizeof info};
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK,
                                                 .reject_when_full = true)));
    for (int i = 0; i < 10; i++) append(bus, "JOBS", "x");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(rill_stream_ensure(bus, "JOBS", &lower[i]), 0);
        bus = reopen_kind(bus, _i);
        OK(rill_stream_status(bus, "JOBS", &info));
        ck_assert_uint_eq(info.msgs, 10);
        FAILS(rill_append(bus, "JOBS", "x", 1, NULL, NULL, 10000), RILL_EFULL);
    }
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "g")));
    for (int i = 0; i < 8; i++) {
        OK(rill_next(sub, &m, 20000));
        OK(rill_ack(m));
    }
    OK(rill_flush(bus, 20000));
    TELLS(rill_stream_status(bus, "JOBS", &info), info.msgs == 2);
    append(bus, "JOBS", "there is room");
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(a_reopened_directory_goes_on)
{
    make_dir();
    rill_sub *sub;
    const rill_msg *m;
    for (int round = 0; round < 4; round++) {
        rill_bus *bus = open_kind(1 + round % 2);
        int rc = rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.*"));
        FAILS(rc, round == 0);
        for (int i = 0; i < 5; i++)
            ck_assert_uint_eq(append(bus, "s.a", "x"), (uint64_t)(round * 5 + i + 1));
        OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g")));
        for (int i = 0; i < 5; i++) {
            OK(rill_next(sub, &m, 20000));
            ck_assert_uint_eq(m->seq, (uint64_t)(round * 5 + i + 1));
            ck_assert_uint_eq(m->deliveries, 1);
            OK(rill_ack(m));
        }
        rill_sub_close(sub);
        OK(rill_close(bus, 20000));
    }
    remove_dir();
}
END_TEST

typedef struct stored {
    atomic_int n, failed;
    _Atomic uint64_t last;
} stored;

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    stored *s = arg;
    if (err < 0) atomic_fetch_add(&s->failed, 1);
    ck_assert_uint_eq(receipt->seq, atomic_load(&s->last) + 1);
    atomic_store(&s->last, receipt->seq);
    atomic_fetch_add(&s->n, 1);
}

START_TEST(a_flush_commits_what_was_published_and_settled)
{
    rill_bus *bus = begin_kind(_i);
    rill_sub *sub;
    const rill_msg *m;
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    for (int i = 0; i < 3; i++) api_send(bus, "S", "x"); /* nobody waits for these */
    OK(rill_flush(bus, 20000));
    TELLS(rill_stream_status(bus, "S", &info), info.msgs == 3);
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g")));
    for (int i = 0; i < 3; i++) {
        OK(rill_next(sub, &m, 20000));
        OK(rill_ack(m));
    }
    OK(rill_flush(bus, 20000));
    TELLS(rill_stream_status(bus, "S", &info), info.msgs == 0);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(many_appends_are_under_way_at_once)
{
    rill_bus *bus = begin_kind(_i);
    stored s = {0};
    OK(rill_stream_ensure(bus, "S", NULL));
    for (int i = 0; i < 5000;) {
        int rc = rill_append_async(bus, "S", "x", 1, NULL, on_stored, &s);
        if (rc == RILL_EAGAIN && _i >= KIND_NATS) continue; /* max_inflight; it has paused */
        OK(rc);
        i++;
    }
    if (kind_drives(_i))
        while (atomic_load(&s.n) < 5000) OK(rill_poll(bus, 10000));
    EVENTUALLY(atomic_load(&s.n) == 5000);
    ck_assert_int_eq(atomic_load(&s.failed), 0);
    for (int i = 0; i < 100; i++) OK(rill_append_async(bus, "S", "x", 1, NULL, on_stored, &s));
    OK(rill_close(bus, 20000)); /* what is under way is committed, and told */
    ck_assert_int_eq(atomic_load(&s.n), 5100);
    ck_assert_int_eq(atomic_load(&s.failed), 0);
    remove_dir();
}
END_TEST

typedef struct refusal {
    atomic_int err;
    char text[256];
} refusal;

static void on_refused(int err, const rill_receipt *receipt, void *arg)
{
    refusal *r = arg;
    (void)receipt;
    snprintf(r->text, sizeof r->text, "%s", rill_errmsg());
    atomic_store(&r->err, err);
}

/* Within its callback, on whatever thread, rill_errmsg() is about what failed. */
START_TEST(an_append_that_fails_later_says_why)
{
    rill_bus *bus = begin_kind(_i);
    refusal r = {.err = 1};
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .max_msgs = 1,
                                              .reject_when_full = true)));
    append(bus, "S", "x");
    OK(rill_append_async(bus, "S", "x", 1, NULL, on_refused, &r));
    while (kind_drives(_i) && atomic_load(&r.err) == 1) OK(rill_poll(bus, 10000));
    EVENTUALLY(atomic_load(&r.err) == RILL_EFULL);
    ck_assert_str_eq(r.text, "the stream has max_msgs, and rejects what is more");
    end_kind(bus);
}
END_TEST

typedef struct refusals {
    atomic_int n, err;
    char text[256];
} refusals;

static void on_refusal(rill_bus *bus, const rill_event *ev, void *arg)
{
    refusals *r = arg;
    (void)bus;
    if (ev->kind != RILL_EV_ERROR) return;
    snprintf(r->text, sizeof r->text, "%s", ev->detail);
    atomic_store(&r->err, ev->err);
    atomic_fetch_add(&r->n, (int)ev->count);
}

static void refusals_are(rill_bus *bus, refusals *r, int n, int err, const char *text)
{
    for (int i = 0; i < 100 && atomic_load(&r->n) < n; i++)
        OK(rill_poll(bus, 100));
    ck_assert_int_eq(atomic_load(&r->n), n);
    ck_assert_int_eq(atomic_load(&r->err), err);
    ck_assert_str_eq(r->text, text);
}

/* A publish does not wait for a stream: what that does not store is told by an event. */
START_TEST(what_is_published_and_refused_is_told)
{
    rill_bus *bus, *other;
    rill_sub *live;
    refusals r = {0}, none = {0};
    OK(rill_open(&bus, "mem:refused", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST,
                                                .on_event = on_refusal, .arg = &r)));
    OK(rill_open(&other, "mem:refused", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST,
                                                  .on_event = on_refusal, .arg = &none)));
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .max_msg_bytes = 3, .max_msgs = 1,
                                              .reject_when_full = true, .subjects = "s.*")));
    OK(rill_subscribe(bus, &live, "s.*", NULL));
    OK(rill_publish(bus, "s.a", "long", 4, NULL));
    refusals_are(bus, &r, 1, RILL_ETOOBIG,
                 "stream S does not store a message on s.a: the message is larger than "
                 "max_msg_bytes of the stream");
    OK(rill_publish(bus, "s.a", "x", 1, NULL));
    for (int i = 0; i < 5; i++) OK(rill_publish(bus, "s.b", "x", 1, NULL)); /* one event */
    refusals_are(bus, &r, 6, RILL_EFULL, "stream S does not store a message on s.b: "
                                         "the stream has max_msgs, and rejects what is more");
    FAILS(rill_append(bus, "s.b", "x", 1, NULL, NULL, 1000), RILL_EFULL); /* it waits for that */
    OK(rill_poll(bus, 0));
    ck_assert_int_eq(atomic_load(&r.n), 6);
    OK(rill_poll(other, 0));
    ck_assert_int_eq(atomic_load(&none.n), 0); /* it has published nothing */
    rill_sub_close(live);
    OK(rill_close(other, 20000));
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(ids_and_expectations_are_kept)
{
    rill_bus *bus = begin_kind(_i);
    rill_receipt receipt = {.size = sizeof receipt};
    uint64_t last = 1, none = 0;
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.*")));
    OK(rill_append(bus, "s.a", "x", 1, RILL_OPTS(rill_post, .msg_id = "one"), &receipt, 20000));
    ck_assert(!receipt.duplicate);
    OK(rill_append(bus, "s.a", "x", 1, RILL_OPTS(rill_post, .msg_id = "one"), &receipt, 20000));
    ck_assert(receipt.duplicate);
    ck_assert_uint_eq(receipt.seq, 1);
    FAILS(rill_append(bus, "s.a", "x", 1, RILL_OPTS(rill_post, .expect_last_seq = &none), NULL,
                      10000),
          RILL_ECONFLICT);
    OK(rill_append(bus, "s.a", "x", 1, RILL_OPTS(rill_post, .expect_last_seq = &last), NULL,
                   10000));
    OK(rill_append(bus, "s.b", "x", 1,
                   RILL_OPTS(rill_post, .expect_last_seq = &none, .expect_subject = "s.b"), NULL,
                   10000));
    FAILS(rill_append(bus, "nobody", "x", 1, NULL, NULL, 10000), RILL_ENOREPLY);
    FAILS(rill_append(bus, "s.a", "x", 1, RILL_OPTS(rill_post, .reply = "r"), NULL, 10000),
          RILL_EINVAL);
    end_kind(bus);
}
END_TEST

START_TEST(limits_purges_and_erasures)
{
    rill_bus *bus = begin_kind(_i);
    rill_stream_info info = {.size = sizeof info};
    rill_msg *m;
    uint64_t purged;
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.*", .max_msgs = 5)));
    for (int i = 0; i < 8; i++) append(bus, i % 2 ? "s.a" : "s.b", "x");
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 5);
    ck_assert_uint_eq(info.first_seq, 4);
    OK(rill_stream_erase(bus, "S", RILL_AT(5)));
    FAILS(rill_stream_erase(bus, "S", RILL_AT(5)), RILL_ENOENT);
    FAILS(rill_stream_get(bus, "S", RILL_AT(5), &m), RILL_ENOENT);
    OK(rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .filter = "s.a"), &purged));
    ck_assert_uint_eq(purged, 3);
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 1);
    OK(rill_stream_purge(bus, "S", NULL, &purged));
    ck_assert_uint_eq(purged, 1);
    OK(rill_stream_ensure(bus, "FULL",
                          RILL_OPTS(rill_stream_opts, .max_msgs = 1, .reject_when_full = true)));
    append(bus, "FULL", "x");
    FAILS(rill_append(bus, "FULL", "y", 1, NULL, NULL, 10000), RILL_EFULL);
    FAILS(rill_stream_ensure(bus, "OTHER", RILL_OPTS(rill_stream_opts, .subjects = "s.>")),
          RILL_EEXIST);
    FAILS(rill_stream_ensure(bus, "a.b", NULL), RILL_EINVAL);
    OK(rill_stream_delete(bus, "FULL"));
    FAILS(rill_stream_delete(bus, "FULL"), RILL_ENOENT);
    end_kind(bus);
}
END_TEST

static void ignore_stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    ck_assert_int_eq(err, RILL_OK);
    atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(space_comes_back)
{
    rill_bus *bus = begin_kind(1);
    static char data[16384];
    atomic_int n = 0;
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .max_msgs = 100)));
    for (int i = 0; i < 20000; i++) { /* 320 MB, of which 1.6 MB stay */
        OK(rill_append_async(bus, "S", data, sizeof data, NULL, ignore_stored, &n));
        while (i - atomic_load(&n) > 200) nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    OK(rill_flush(bus, 20000));
    EVENTUALLY(scratch_measure(dir).disk_bytes < 100 << 20);
    end_kind(bus);
}
END_TEST

START_TEST(a_nak_that_comes_alone_is_heeded_in_time)
{
    rill_bus *bus = begin_kind(_i);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_stream_ensure(bus, "JOBS", NULL));
    append(bus, "JOBS", "job");
    OK(rill_consume(bus, &sub, "JOBS",
                    RILL_OPTS(rill_sub_opts, .group = "w", .max_unacked = 1,
                              .ack_wait_ms = 20000)));
    OK(rill_next(sub, &m, 20000));
    OK(rill_nak(m, 20)); /* nobody calls anything afterwards that would look at the clock */
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->deliveries, 2);
    OK(rill_ack(m));
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

static uint64_t stored_in(rill_bus *bus, const char *stream)
{
    rill_stream_info info = {.size = sizeof info};
    rill_poll(bus, 0); /* for a bus that its host drives; else it says no */
    OK(rill_stream_status(bus, stream, &info));
    return info.msgs;
}

START_TEST(a_compacted_stream_keeps_the_last_of_each_subject)
{
    make_dir();
    static const rill_header deleted = {RILL_STR("KV-Operation"), RILL_STR("DEL")};
    const rill_stream_opts compacted = {.size = sizeof compacted, .subjects = "c.*",
                                        .compact = true,
                                        .tombstone_ms = 1500};
    rill_bus *bus = open_kind(_i);
    rill_msg *m;
    OK(rill_stream_ensure(bus, "C", &compacted));
    ck_assert_int_eq(rill_stream_ensure(bus, "C", &compacted), 0);
    for (int i = 0; i < 500; i++) {
        append(bus, "c.a", "old");
        append(bus, "c.b", "old");
    }
    uint64_t last = append(bus, "c.a", "new");
    OK(rill_append(bus, "c.b", "", 0, RILL_OPTS(rill_post, .headers = &deleted, .nheaders = 1),
                   NULL,
                   20000));
    append(bus, "c.c", "");
    int64_t sent_ms = api_now_ms();
    EVENTUALLY(stored_in(bus, "C") <= 3);
    EVENTUALLY(stored_in(bus, "C") == 2); /* c.b is forgotten; c.c is empty and stays */
    ck_assert_int_ge(api_now_ms() - sent_ms, 1400);
    OK(rill_stream_get(bus, "C", RILL_AT_LAST("c.a"), &m));
    ck_assert_uint_eq(m->seq, last);
    rill_msg_unref(m);
    FAILS(rill_stream_get(bus, "C", RILL_AT_LAST("c.b"), &m), RILL_ENOENT);
    OK(rill_stream_get(bus, "C", RILL_AT_LAST("c.c"), &m));
    rill_msg_unref(m);
    OK(rill_stream_ensure(bus, "C", RILL_OPTS(rill_stream_opts, .subjects = "c.*"))); /* no more */
    append(bus, "c.a", "newer");
    OK(rill_flush(bus, 20000));
    ck_assert_uint_eq(stored_in(bus, "C"), 3);
    FAILS(rill_stream_ensure(bus, "D", RILL_OPTS(rill_stream_opts, .compact = true,
                                                 .keep = RILL_KEEP_WORK)), RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "D", RILL_OPTS(rill_stream_opts, .tombstone_ms = 5)),
          RILL_EINVAL);
    end_kind(bus);
}
END_TEST

static int64_t last_came(rill_bus *bus, const char *stream)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, stream, &info));
    return info.last_time_ns;
}

static void take_one(rill_bus *bus, const char *stream)
{
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_consume(bus, &sub, stream, RILL_OPTS(rill_sub_opts, .group = "g")));
    OK(rill_next(sub, &m, 20000));
    OK(rill_ack(m));
    rill_sub_close(sub);
}

/* Taken by its worker, purged, erased, or wanted by nobody: a stream still knows when its last
 * message came, also the next time that it is opened, and until it is deleted. */
START_TEST(the_time_of_a_last_message_outlives_it)
{
    static const char *const names[] = {"WORK", "PURGED", "ERASED", "UNWANTED"};
    int64_t came[4];
    rill_bus *bus = begin_kind(_i);
    for (int i = 0; i < 4; i++) {
        rill_keep keep = i == 0 ? RILL_KEEP_WORK : i == 3 ? RILL_KEEP_INTEREST : RILL_KEEP_LIMITS;
        rill_stream_opts opts = {.size = sizeof opts, .keep = keep};
        FAILS(rill_stream_ensure(bus, names[i], &opts), 1);
        if (i == 2) append(bus, names[i], "stays");
        append(bus, names[i], "goes");
        came[i] = last_came(bus, names[i]);
        ck_assert_int_gt(came[i], 0);
    }
    take_one(bus, "WORK");
    OK(rill_stream_purge(bus, "PURGED", NULL, NULL));
    OK(rill_stream_erase(bus, "ERASED", RILL_AT(2)));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) ck_assert_int_eq(last_came(bus, names[i]), came[i]);
        bus = reopen_kind(bus, _i);
    }
    append(bus, "ERASED", "later");
    came[2] = last_came(bus, "ERASED");
    ck_assert_int_gt(came[2], came[1]);
    OK(rill_stream_delete(bus, "PURGED"));
    ck_assert_int_eq(rill_stream_ensure(bus, "PURGED", NULL), 1);
    bus = reopen_kind(bus, _i);
    ck_assert_int_eq(last_came(bus, "ERASED"), came[2]);
    ck_assert_int_eq(last_came(bus, "PURGED"), 0);
    end_kind(bus);
}
END_TEST

/* timeout_ms 0: the call does not wait, and what it has sent is sent. */
START_TEST(what_is_not_waited_for_is_sent)
{
    rill_bus *bus = begin_kind(_i);
    rill_stream_info info = {.size = sizeof info};
    rill_batch *batch;
    OK(rill_stream_ensure(bus, "S", NULL));
    for (int i = 0; i < 10; i++) {
        int rc = rill_append(bus, "S", "x", 1, NULL, NULL, 0);
        ck_assert_msg(rc == RILL_OK || rc == RILL_ETIMEDOUT, "%s", rill_errname(rc));
    }
    OK(rill_batch_begin(bus, &batch, NULL));
    OK(rill_batch_add(batch, "S", "x", 1, NULL));
    int rc = rill_batch_commit(batch, NULL, 0);
    if (rc != RILL_ETIMEDOUT) OK(rc);
    OK(rill_batch_commit(batch, NULL, -1));
    rill_batch_close(batch);
    OK(rill_flush(bus, 20000));
    EVENTUALLY(rill_flush(bus, 0) == RILL_OK); /* it is so, and nothing is to be waited for */
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 11);
    end_kind(bus);
}
END_TEST

SUITE_MAIN_ROWS("stream",
    EACH_KIND(what_is_appended_is_read, a_group_acks_naks_and_terminates,
              a_nak_that_comes_alone_is_heeded_in_time, what_is_given_up_is_moved,
              many_appends_are_under_way_at_once, an_append_that_fails_later_says_why,
              a_flush_commits_what_was_published_and_settled, ids_and_expectations_are_kept,
              limits_purges_and_erasures, a_limit_that_is_lowered_takes_no_job,
              a_compacted_stream_keeps_the_last_of_each_subject,
              the_time_of_a_last_message_outlives_it, what_is_not_waited_for_is_sent),
    LOCAL_KINDS("that a dead letter cannot be moved is told where it is",
                what_cannot_be_moved_stays),
    SUITE_ONCE(what_is_published_and_refused_is_told, a_reopened_directory_goes_on,
               a_delivery_counts_however_soon_the_close_comes, space_comes_back))
