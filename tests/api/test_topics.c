/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream is to a program whatever its peer, Kafka among them: one subject, which is its
 * name, and no option that only some have. tests/contract runs these over every kind of server. */
#include "topic.h"

enum { MANY = 300 };

static rill_sub *tail(rill_bus *bus, const rill_sub_opts *opts)
{
    rill_sub *sub = NULL;
    OK(rill_tail(bus, &sub, T, opts));
    return sub;
}

/* What a peer cannot do it says, and why. */
static void lacks(int rc, const char *what)
{
    ck_assert_msg(rc == RILL_ENOTSUP, "%s is %s: %s", what, rill_errname(rc), rill_errmsg());
    ck_assert_msg(strlen(rill_errmsg()) > 20, "%s: %s", what, rill_errmsg());
}

/* ---- What goes out ---- */

typedef struct answers {
    atomic_int stored, failed;
    uint64_t last;
} answers;

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    answers *a = arg;
    if (err == RILL_OK && receipt->seq != a->last + 1) err = RILL_EPROTO;
    if (err == RILL_OK) a->last = receipt->seq;
    if (err == RILL_OK) a->stored++;
    else a->failed++;
}

START_TEST(appends_have_receipts)
{
    rill_bus *bus = begin(_i);
    rill_receipt receipt = {.size = sizeof receipt, .seq = 99};
    answers a = {.last = 3};
    for (uint64_t i = 1; i <= 3; i++) {
        OK(rill_append(bus, T, "x", 1, NULL, &receipt, WAIT_MS));
        ck_assert_uint_eq(receipt.seq, i);
        ck_assert_uint_eq(receipt.partition, 0);
        ck_assert(!receipt.duplicate);
    }
    for (int i = 0; i < MANY; i++)
        OK(rill_append_async(bus, T, &i, sizeof i, NULL, on_stored, &a));
    COMES(bus, a.stored + a.failed == MANY);
    ck_assert_int_eq(a.failed, 0);
    OK(rill_flush(bus, WAIT_MS));
    OK(rill_append(bus, T, "", 0, NULL, &receipt, WAIT_MS));
    ck_assert_uint_eq(receipt.seq, MANY + 4);
    rill_sub *sub = tail(bus, NULL);
    for (uint64_t i = 1; i <= MANY + 4; i++) {
        const rill_msg *m = next(sub);
        int value = -1;
        ck_assert_uint_eq(m->seq, i);
        if (i < 4 || i == MANY + 4) continue;
        ck_assert_uint_eq(m->data.len, sizeof value);
        memcpy(&value, m->data.ptr, sizeof value);
        ck_assert_int_eq(value, (int)i - 4);
    }
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(nobody_takes_what_has_no_stream)
{
    rill_bus *bus = begin(_i);
    FAILS(rill_append(bus, "no_such_stream", "x", 1, NULL, NULL, 20000), RILL_ENOREPLY);
    ck_assert(*rill_errmsg());
    end_kind(bus);
}
END_TEST

START_TEST(headers_come_back)
{
    rill_bus *bus = begin(_i);
    const rill_header headers[] = {{RILL_STR("trace"), RILL_STR("7")},
                                   {RILL_STR("trace"), RILL_STR("8")},
                                   {RILL_STR("Kafka-Key"), RILL_STR("k1")}};
    rill_str value;
    OK(rill_append(bus, T, "v", 1, RILL_OPTS(rill_post, .headers = headers, .nheaders = 3), NULL,
                   WAIT_MS));
    rill_sub *sub = tail(bus, NULL);
    const rill_msg *m = next(sub);
    TEXT_IS(m->subject, T);
    TEXT_IS(m->stream, T);
    TEXT_IS(m->reply, "");
    TEXT_IS(m->data, "v");
    ck_assert_int_eq(rill_header_get(m, "trace", &value), 1);
    TEXT_IS(value, "7");
    ck_assert_int_eq(rill_header_get(m, "Kafka-Key", &value), 1);
    TEXT_IS(value, "k1");
    ck_assert_int_gt(m->time_ns, 1600000000000000000);
    rill_msg *kept = rill_msg_ref(m);
    rill_sub_close(sub);
    end_kind(bus);
    TEXT_IS(kept->data, "v"); /* it outlives its bus */
    rill_msg_unref(kept);
}
END_TEST

START_TEST(records_have_keys)
{
    rill_bus *bus = begin(_i);
    const rill_header key = {RILL_STR("Kafka-Key"), RILL_STR("k1")};
    OK(rill_append(bus, T, "v", 1, RILL_OPTS(rill_post, .headers = &key, .nheaders = 1), NULL,
                   WAIT_MS));
    rill_sub *sub = tail(bus, NULL);
    const rill_msg *m = next(sub);
    TEXT_IS(m->key, rill_caps(bus) & RILL_CAN_KV ? "" : "k1"); /* that of a bucket, elsewhere */
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(keys_pick_partitions)
{
    rill_bus *bus = begin(_i);
    rill_stream_info info = {.size = sizeof info};
    uint64_t seen[3] = {0}, got[3] = {0};
    int rc = rill_stream_ensure(bus, "W", RILL_OPTS(rill_stream_opts, .partitions = 3));
    if (_i >= KIND_NATS) {
        lacks(rc, "partitions");
        end_kind(bus);
        return;
    }
    OK(rc);
    for (int i = 0; i < 60; i++) {
        char text[16];
        const rill_header key = {RILL_STR("Kafka-Key"),
                                 {text, (size_t)snprintf(text, sizeof text, "key %d", i)}};
        rill_receipt receipt = {.size = sizeof receipt};
        OK(rill_append(bus, "W", text, strlen(text),
                       RILL_OPTS(rill_post, .headers = &key, .nheaders = 1), &receipt, WAIT_MS));
        ck_assert_uint_lt(receipt.partition, 3);
        ck_assert_uint_eq(receipt.seq, ++got[receipt.partition]);
    }
    ck_assert(got[0] && got[1] && got[2]);
    rill_sub *sub;
    OK(rill_tail(bus, &sub, "W", NULL));
    for (int i = 0; i < 60; i++) {
        const rill_msg *m = next(sub);
        ck_assert_uint_lt(m->partition, 3);
        ck_assert_uint_eq(m->seq, ++seen[m->partition]); /* in order within each */
    }
    OK(rill_stream_status(bus, "W", &info));
    ck_assert_uint_eq(info.partitions, 3);
    ck_assert_uint_eq(info.msgs, 60);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

/* ---- What comes ---- */

START_TEST(tails_begin_where_they_are_told)
{
    rill_bus *bus = begin(_i);
    const rill_msg *m;
    append_numbers(bus, T, 1, 10);
    rill_sub *first = tail(bus, NULL);
    rill_sub *last = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_LAST));
    rill_sub *new = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_NEW));
    rill_sub *at = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_SEQ, .from_seq = 4));
    next_are(first, 1, 10);
    next_are(last, 10, 10);
    next_are(at, 4, 10);
    FAILS(rill_next(new, &m, 0), RILL_EAGAIN);
    append_numbers(bus, T, 11, 12);
    next_are(first, 11, 12);
    next_are(last, 11, 12);
    next_are(new, 11, 12);
    next_are(at, 11, 12);
    FAILS(rill_next(at, &m, 100), RILL_ETIMEDOUT);
    rill_sub_close(first);
    rill_sub_close(last);
    rill_sub_close(new);
    rill_sub_close(at);
    end_kind(bus);
}
END_TEST

START_TEST(times_are_places)
{
    rill_bus *bus = begin(_i);
    rill_msg *m;
    append_numbers(bus, T, 1, 2);
    nanosleep(&(struct timespec){0, 20000000}, NULL); /* Kafka's times are whole milliseconds */
    append_numbers(bus, T, 3, 4);
    OK(rill_stream_get(bus, T, RILL_AT(3), &m));
    int64_t then = m->time_ns;
    rill_msg_unref(m);
    OK(rill_stream_get(bus, T, RILL_AT_TIME(then), &m));
    ck_assert_uint_eq(m->seq, 3);
    rill_msg_unref(m);
    rill_sub *sub = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_TIME,
                                        .from_time_ns = then));
    next_are(sub, 3, 4);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(a_reader_goes_back_and_ahead)
{
    rill_bus *bus = begin(_i);
    append_numbers(bus, T, 1, 10);
    rill_sub *sub = tail(bus, NULL);
    next_are(sub, 1, 3);
    OK(rill_seek(sub, RILL_AT(8)));
    next_are(sub, 8, 10);
    OK(rill_seek(sub, RILL_AT(2)));
    next_are(sub, 2, 2);
    OK(rill_seek(sub, RILL_OPTS(rill_at, .from = RILL_FROM_NEW)));
    append_numbers(bus, T, 11, 11);
    next_are(sub, 11, 11);
    OK(rill_seek(sub, RILL_OPTS(rill_at, .from = RILL_FROM_FIRST)));
    next_are(sub, 1, 11);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

static uint64_t lag_of(rill_sub *sub)
{
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(sub, &info));
    return info.lag_msgs + info.pending_msgs;
}

START_TEST(a_lag_is_told)
{
    rill_bus *bus = begin(_i);
    append_numbers(bus, T, 1, 10);
    rill_sub *sub = tail(bus, RILL_OPTS(rill_sub_opts, .pending_msgs = 2));
    next_are(sub, 1, 1);
    ck_assert_uint_le(lag_of(sub), 9);
    next_are(sub, 2, 10);
    COMES(bus, lag_of(sub) == 0);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

static void count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    atomic_int *n = arg;
    if (m->seq == (uint64_t)*n + 1) ++*n;
}

START_TEST(callbacks_have_messages_in_order)
{
    rill_bus *bus = begin(_i);
    atomic_int n = 0;
    rill_sub *sub = tail(bus, RILL_OPTS(rill_sub_opts, .on_msg = count, .arg = (void *)&n));
    append_numbers(bus, T, 1, 100);
    COMES(bus, n == 100);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(messages_are_had_by_their_places)
{
    rill_bus *bus = begin(_i);
    rill_msg *m = NULL;
    FAILS(rill_stream_get(bus, T, RILL_AT_LAST(NULL), &m), RILL_ENOENT);
    append_numbers(bus, T, 1, 3);
    OK(rill_stream_get(bus, T, RILL_AT_LAST(NULL), &m));
    TEXT_IS(m->data, "3");
    TEXT_IS(m->stream, T);
    rill_msg_unref(m);
    OK(rill_stream_get(bus, T, RILL_AT(2), &m));
    TEXT_IS(m->data, "2");
    ck_assert_uint_eq(m->seq, 2);
    rill_msg_unref(m);
    FAILS(rill_stream_get(bus, T, RILL_AT(4), &m), RILL_ENOENT);
    end_kind(bus);
}
END_TEST

START_TEST(the_first_message_is_had)
{
    rill_bus *bus = begin(_i);
    rill_msg *m = NULL;
    append_numbers(bus, T, 1, 3);
    OK(rill_stream_get(bus, T, RILL_OPTS(rill_at, .from = RILL_FROM_FIRST), &m));
    TEXT_IS(m->data, "1");
    rill_msg_unref(m);
    end_kind(bus);
}
END_TEST

/* ---- Streams ---- */

static int is_name(const char *name, void *arg)
{
    int *n = arg;
    *n += strcmp(name, T) == 0 || strcmp(name, U) == 0;
    return 0;
}

START_TEST(streams_are_made_listed_and_deleted)
{
    rill_bus *bus = begin_with(_i, (rill_opts){0});
    rill_stream_info info = {.size = sizeof info};
    int n = 0;
    FAILS(rill_stream_status(bus, T, &info), RILL_ENOENT);
    FAILS(rill_stream_ensure(bus, T, NULL), 1);
    FAILS(rill_stream_ensure(bus, T, NULL), 0);
    FAILS(rill_stream_ensure(bus, U, NULL), 1);
    OK(rill_stream_each(bus, is_name, &n));
    ck_assert_int_eq(n, 2);
    append_numbers(bus, T, 1, 3);
    OK(rill_stream_status(bus, T, &info));
    ck_assert_uint_eq(info.msgs, 3);
    ck_assert_uint_eq(info.first_seq, 1);
    ck_assert_uint_eq(info.last_seq, 3);
    ck_assert_uint_eq(info.partitions, 1);
    OK(rill_stream_delete(bus, T));
    FAILS(rill_stream_delete(bus, T), RILL_ENOENT);
    FAILS(rill_stream_status(bus, T, &info), RILL_ENOENT);
    n = 0;
    OK(rill_stream_each(bus, is_name, &n));
    ck_assert_int_eq(n, 1);
    end_kind(bus);
}
END_TEST

START_TEST(what_is_there_is_counted)
{
    rill_bus *bus = begin(_i);
    rill_stream_info info = {.size = sizeof info};
    append_numbers(bus, T, 1, 5);
    OK(rill_stream_status(bus, T, &info));
    ck_assert_uint_eq(info.msgs, 5);
    ck_assert_uint_eq(info.first_seq, 1);
    ck_assert_uint_eq(info.last_seq, 5);
    end_kind(bus);
}
END_TEST

START_TEST(a_purge_empties_from_the_front)
{
    rill_bus *bus = begin(_i);
    rill_stream_info info = {.size = sizeof info};
    rill_msg *m;
    uint64_t purged = 0;
    append_numbers(bus, T, 1, 10);
    OK(rill_stream_purge(bus, T, RILL_OPTS(rill_purge_opts, .before_seq = 4), &purged));
    ck_assert_uint_eq(purged, 3);
    OK(rill_stream_purge(bus, T, RILL_OPTS(rill_purge_opts, .keep_msgs = 5), &purged));
    ck_assert_uint_eq(purged, 2);
    OK(rill_stream_status(bus, T, &info));
    ck_assert_uint_eq(info.msgs, 5);
    ck_assert_uint_eq(info.first_seq, 6);
    FAILS(rill_stream_get(bus, T, RILL_AT(5), &m), RILL_ENOENT);
    rill_sub *sub = tail(bus, NULL);
    next_are(sub, 6, 10);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

/* ---- Groups ---- */

static rill_sub *join(rill_bus *bus, const char *group)
{
    rill_sub *sub = NULL;
    OK(rill_consume(bus, &sub, T, RILL_OPTS(rill_sub_opts, .group = group)));
    return sub;
}

static void settle(rill_sub *sub, int first, int last)
{
    for (int i = first; i <= last; i++) {
        const rill_msg *m = next(sub);
        ck_assert_uint_eq(m->seq, (uint64_t)i);
        OK(rill_ack(m));
    }
}

static rill_group_info group_of(rill_bus *bus)
{
    rill_group_info info = {.size = sizeof info};
    OK(rill_group_status(bus, T, "g", &info));
    return info;
}

START_TEST(a_group_goes_on_where_it_was)
{
    rill_bus *bus = begin(_i);
    append_numbers(bus, T, 1, 6);
    rill_sub *sub = join(bus, "g");
    settle(sub, 1, 4);
    OK(rill_flush(bus, WAIT_MS));
    COMES(bus, group_of(bus).settled_seq == 4);
    rill_sub_close(sub);
    append_numbers(bus, T, 7, 8);
    sub = join(bus, "g");
    const rill_msg *m = next(sub); /* what was handed out and not settled may come later */
    ck_assert_uint_ge(m->seq, 5);
    OK(rill_ack(m));
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(what_a_group_has_not_read_is_its_lag)
{
    rill_bus *bus = begin(_i);
    append_numbers(bus, T, 1, 3);
    rill_sub *sub = join(bus, "g");
    settle(sub, 1, 3);
    OK(rill_flush(bus, WAIT_MS));
    COMES(bus, group_of(bus).settled_seq == 3 && group_of(bus).lag_msgs == 0);
    FAILS(rill_group_status(bus, T, "nobody", &(rill_group_info){.size =
                            sizeof(rill_group_info)}), RILL_ENOENT);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

static int is_group(const char *name, void *arg)
{
    *(int *)arg += strcmp(name, "g") == 0;
    return 0;
}

START_TEST(groups_are_listed_moved_and_deleted)
{
    rill_bus *bus = begin(_i);
    int n = 0, rc;
    append_numbers(bus, T, 1, 6);
    rill_sub *sub = join(bus, "g");
    settle(sub, 1, 6);
    OK(rill_flush(bus, WAIT_MS));
    rill_sub_close(sub);
    OK(rill_group_each(bus, T, is_group, &n));
    ck_assert_int_eq(n, 1);
    COMES(bus, (rc = rill_group_seek(bus, T, "g", RILL_AT(3))) != RILL_EBUSY);
    OK(rc);
    sub = join(bus, "g");
    settle(sub, 3, 4);
    rill_sub_close(sub);
    COMES(bus, (rc = rill_group_delete(bus, T, "g")) != RILL_EBUSY);
    OK(rc);
    FAILS(rill_group_delete(bus, T, "g"), RILL_ENOENT);
    end_kind(bus);
}
END_TEST

/* ---- Calls that do not wait ---- */

typedef struct asked {
    atomic_bool over;
    int err;
    uint64_t msgs, seq;
    char data[32];
    rill_sub *sub;
} asked;

static void note_item(const rill_item *item, void *arg)
{
    asked *a = arg;
    a->err = item->err;
    if (item->err < 0 && !item->detail) a->err = RILL_EPROTO;
    if (item->stream_info) a->msgs = item->stream_info->msgs;
    if (item->receipt) a->seq = item->receipt->seq;
    if (item->msg) snprintf(a->data, sizeof a->data, "%.*s", RILL_ARG(item->msg->data));
    a->sub = item->sub;
    atomic_store(&a->over, true);
}

static int ask(rill_bus *bus, asked *a, const rill_call *call)
{
    *a = (asked){.err = 1};
    OK(rill_start(bus, call, note_item, a));
    COMES(bus, atomic_load(&a->over));
    return a->err;
}
#define ASK(verb_, ...) ask(bus, &a, RILL_OPTS(rill_call, .verb = RILL_DO_##verb_, __VA_ARGS__))

START_TEST(calls_that_do_not_wait)
{
    asked a;
    rill_bus *bus = begin(_i);
    for (int n = 0; n < 3; n++)
        ck_assert_int_eq(ASK(APPEND, .name = T, .data = "one", .len = 3), RILL_OK);
    ck_assert_uint_eq(a.seq, 3);
    ck_assert_int_eq(ASK(STREAM_STATUS, .name = T), RILL_OK);
    ck_assert_uint_eq(a.msgs, 3);
    ck_assert_int_eq(ASK(STREAM_GET, .name = T, .at = RILL_AT(3)), RILL_OK);
    ck_assert_str_eq(a.data, "one");
    ck_assert_int_eq(ASK(STREAM_GET, .name = T, .at = RILL_AT(4)), RILL_ENOENT);
    ck_assert_int_eq(ASK(FLUSH, .timeout_ms = 20000), RILL_OK);
    ck_assert_int_eq(ASK(TAIL, .name = T), RILL_OK);
    const rill_msg *m = next(a.sub);
    TEXT_IS(m->data, "one");
    rill_sub_close(a.sub);
    end_kind(bus);
}
END_TEST

START_TEST(what_is_taken_back_ends)
{
    rill_bus *bus = begin(_i);
    asked a[5];
    for (size_t n = 0; n < 5; n++) {
        a[n] = (asked){.err = 1};
        OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_STATUS, .name = T),
                      note_item, &a[n]));
    }
    for (size_t n = 0; n < 5; n++) OK(rill_cancel(bus, &a[n]));
    for (size_t n = 0; n < 5; n++) {
        COMES(bus, atomic_load(&a[n].over));
        ck_assert_msg(a[n].err == RILL_ECANCELED || a[n].err == RILL_OK, "%s",
                      rill_errname(a[n].err));
    }
    end_kind(bus);
}
END_TEST

START_TEST(items_are_reaped)
{
    rill_bus *bus = begin_with(_i, (rill_opts){.reap = true});
    rill_sub *sub;
    int msgs = 0, dones = 0, bad = 0;
    OK(rill_stream_ensure(bus, T, NULL));
    OK(rill_tail(bus, &sub, T, NULL));
    for (int n = 0; n < 10; n++) OK(rill_append_async(bus, T, "x", 1, NULL, NULL, NULL));
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_STATUS, .name = T), NULL,
                  NULL));
    for (int64_t until = api_now_ms() + 50000; msgs < 10 || dones < 11;) {
        rill_reaped *reaped;
        int rc = rill_reap(bus, &reaped, 100, 1000);
        ck_assert_int_lt(api_now_ms(), until);
        if (rc == RILL_ETIMEDOUT) continue;
        OK(rc);
        for (size_t n = 0; reaped && n < reaped->n; n++) {
            msgs += reaped->items[n]->kind == RILL_ITEM_MSG;
            dones += reaped->items[n]->kind == RILL_ITEM_DONE;
            bad += reaped->items[n]->kind == RILL_ITEM_DONE && reaped->items[n]->err < 0;
        }
        rill_reaped_free(reaped);
    }
    ck_assert_int_eq(bad, 0);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

/* ---- Ends ---- */

typedef struct seen {
    atomic_int ups, downs, closed, others, n;
} seen;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    seen *s = arg;
    (void)bus;
    s->n++;
    if (ev->kind == RILL_EV_UP) s->ups++;
    else if (ev->kind == RILL_EV_DOWN) s->downs++;
    else if (ev->kind == RILL_EV_CLOSED) s->closed = (int)s->n;
    else s->others++;
}

START_TEST(up_comes_once_and_closed_last)
{
    seen s = {0};
    rill_bus *bus = begin_with(_i, (rill_opts){.on_event = on_event, .arg = &s});
    OK(rill_stream_ensure(bus, T, NULL));
    append_numbers(bus, T, 1, 3);
    COMES(bus, s.ups == 1);
    end_kind(bus);
    ck_assert_int_eq(s.closed, s.n);
    ck_assert_int_eq(s.ups, 1);
    ck_assert_int_eq(s.downs, 0);
    ck_assert_int_eq(s.others, 0);
}
END_TEST

/* Readers, members and appends of which none is over: each ends, and the close has its time. */
START_TEST(a_close_ends_what_is_under_way)
{
    rill_bus *bus = begin(_i);
    answers a = {0};
    const rill_msg *m;
    asked begun = {.err = 1};
    append_numbers(bus, T, 1, 3);
    a.last = 3;
    rill_sub *reader = tail(bus, NULL), *member = join(bus, "g");
    for (int i = 0; i < 100; i++) OK(rill_append_async(bus, T, "x", 1, NULL, on_stored, &a));
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_STATUS, .name = T), note_item,
                  &begun));
    int64_t from = api_now_ms();
    OK(rill_close(bus, 20000));
    ck_assert_int_lt(api_now_ms() - from, 20000);
    ck_assert_int_eq(a.stored + a.failed, 100);
    ck_assert(atomic_load(&begun.over));
    int rc;
    do rc = rill_next(reader, &m, 0);
    while (rc == RILL_OK);
    ck_assert_int_eq(rc, RILL_ECLOSED);
    rill_sub_close(reader);
    rill_sub_close(member);
    remove_dir();
}
END_TEST

/* ---- What a peer cannot ---- */

/* Either it can, and does, or it says that it cannot, and why; and rill_caps() has said so. */
START_TEST(what_it_can_is_told)
{
    rill_bus *bus = begin(_i);
    uint32_t caps = rill_caps(bus);
    rill_sub *sub;
    rill_kv *kv;
    rill_objs *objs;
    ck_assert(caps & RILL_CAN_STREAM);
    int rc = rill_subscribe(bus, &sub, "live.>", NULL);
    if (caps & RILL_CAN_REQUEST) OK(rc);
    else lacks(rc, "rill_subscribe");
    if (rc == RILL_OK) rill_sub_close(sub);
    rc = rill_kv_open(bus, &kv, "B", NULL);
    if (caps & RILL_CAN_KV) OK(rc);
    else lacks(rc, "rill_kv_open");
    if (rc == RILL_OK) rill_kv_close(kv);
    rc = rill_objs_open(bus, &objs, "O", NULL);
    if (caps & RILL_CAN_OBJECTS) OK(rc);
    else lacks(rc, "rill_objs_open");
    if (rc == RILL_OK) rill_objs_close(objs);
    end_kind(bus);
}
END_TEST

SUITE_MAIN_ROWS("topics",
    EACH_TOPIC(appends_have_receipts, nobody_takes_what_has_no_stream,
               headers_come_back, records_have_keys, keys_pick_partitions,
               tails_begin_where_they_are_told, times_are_places, a_reader_goes_back_and_ahead,
               a_lag_is_told, callbacks_have_messages_in_order, messages_are_had_by_their_places,
               the_first_message_is_had, streams_are_made_listed_and_deleted,
               what_is_there_is_counted, a_purge_empties_from_the_front,
               a_group_goes_on_where_it_was, what_a_group_has_not_read_is_its_lag,
               groups_are_listed_moved_and_deleted, calls_that_do_not_wait, what_is_taken_back_ends,
               items_are_reaped, up_comes_once_and_closed_last, a_close_ends_what_is_under_way,
               what_it_can_is_told))
