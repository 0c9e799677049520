/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: all or none, over one stream and over several, in memory and on disk. */
#include "kinds.h"

static uint64_t messages(rill_bus *bus, const char *stream)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, stream, &info));
    return info.msgs;
}

static rill_batch *begin(rill_bus *bus)
{
    rill_batch *batch;
    OK(rill_batch_begin(bus, &batch, NULL));
    return batch;
}

static void add(rill_batch *batch, const char *subject, const char *text)
{
    OK(rill_batch_add(batch, subject, text, strlen(text), NULL));
}

/* And let it go. */
static int commit(rill_batch *batch, rill_receipt *last)
{
    int rc = rill_batch_commit(batch, last, 10000);
    rill_batch_close(batch);
    return rc;
}

START_TEST(all_of_a_batch_is_stored)
{
    rill_bus *bus = begin_kind(_i);
    rill_sub *live;
    const rill_msg *m;
    rill_receipt last = {.size = sizeof last};
    OK(rill_stream_ensure(bus, "A", RILL_OPTS(rill_stream_opts, .subjects = "a.>")));
    OK(rill_stream_ensure(bus, "B", RILL_OPTS(rill_stream_opts, .subjects = "b.>")));
    OK(rill_subscribe(bus, &live, "*.>", NULL));
    append(bus, "a.0", "before");
    OK(rill_next(live, &m, 20000));
    rill_batch *batch = begin(bus);
    add(batch, "a.1", "one");
    add(batch, "b.1", "debit");
    add(batch, "a.2", "two");
    ck_assert_uint_eq(messages(bus, "A"), 1);
    FAILS(rill_next(live, &m, 0), RILL_EAGAIN);
    OK(commit(batch, &last));
    ck_assert_uint_eq(last.seq, 3);
    bus = reopen_kind(bus, _i);
    ck_assert_uint_eq(messages(bus, "A"), 3);
    ck_assert_uint_eq(messages(bus, "B"), 1);
    rill_msg *kept;
    OK(rill_stream_get(bus, "A", RILL_AT(3), &kept));
    TEXT_IS(kept->data, "two");
    rill_msg_unref(kept);
    if (_i == 0) { /* live subscribers get each once, in order */
        static const char *const want[] = {"one", "debit", "two"};
        for (int i = 0; i < 3; i++) {
            OK(rill_next(live, &m, 20000));
            TEXT_IS(m->data, want[i]);
        }
        FAILS(rill_next(live, &m, 0), RILL_EAGAIN);
    }
    rill_sub_close(live);
    end_kind(bus);
}
END_TEST

START_TEST(none_of_a_refused_batch_is_stored)
{
    rill_bus *bus = begin_kind(_i);
    rill_receipt last = {.size = sizeof last};
    const uint64_t ten = 10;
    OK(rill_stream_ensure(bus, "A", RILL_OPTS(rill_stream_opts, .subjects = "a.>")));
    OK(rill_stream_ensure(bus, "B", RILL_OPTS(rill_stream_opts, .subjects = "b", .max_msgs = 2,
                                              .reject_when_full = true)));
    append(bus, "a.0", "before");
    rill_batch *batch = begin(bus); /* the last one is wrong */
    add(batch, "a.1", "one");
    OK(rill_batch_add(batch, "a.2", "two", 3, RILL_OPTS(rill_post, .expect_last_seq = &ten,
                                                         .expect_subject = "a.2")));
    last.seq = 77;
    FAILS(commit(batch, &last), RILL_ECONFLICT);
    ck_assert_uint_eq(last.seq, 0);
    batch = begin(bus); /* another stream is full */
    add(batch, "a.1", "one");
    for (int i = 0; i < 3; i++) add(batch, "b", "x");
    FAILS(commit(batch, NULL), RILL_EFULL);
    uint64_t two = 2 * (kind_overhead(_i) + 11); /* messages of this one fit */
    OK(rill_stream_ensure(bus, "C", RILL_OPTS(rill_stream_opts, .subjects = "c", .max_bytes = two,
                                              .max_msgs_per_subject = 9,
                                              .reject_when_full = true)));
    batch = begin(bus); /* each has room by itself, all have not */
    add(batch, "a.1", "one");
    for (int i = 0; i < 3; i++) add(batch, "c", "0123456789");
    FAILS(commit(batch, NULL), RILL_EFULL);
    batch = begin(bus); /* one has no stream */
    add(batch, "a.1", "one");
    add(batch, "none", "x");
    FAILS(commit(batch, NULL), RILL_ENOREPLY);
    FAILS(commit(begin(bus), NULL), RILL_EINVAL);
    batch = begin(bus);
    add(batch, "a.1", "one");
    rill_batch_close(batch);
    rill_batch_close(NULL);
    bus = reopen_kind(bus, _i);
    ck_assert_uint_eq(messages(bus, "A"), 1);
    ck_assert_uint_eq(messages(bus, "B"), 0);
    ck_assert_uint_eq(messages(bus, "C"), 0);
    ck_assert_uint_eq(append(bus, "a.1", "after"), 2);
    end_kind(bus);
}
END_TEST

START_TEST(a_batch_that_is_sent_again_says_so)
{
    rill_bus *bus = begin_kind(_i);
    OK(rill_stream_ensure(bus, "A", RILL_OPTS(rill_stream_opts, .subjects = "a.>")));
    for (int turn = 0; turn < 3; turn++) {
        rill_batch *batch = begin(bus);
        add(batch, "a.1", "one");
        OK(rill_batch_add(batch, "a.2", "two", 3, RILL_OPTS(rill_post, .msg_id = "order 7")));
        FAILS(commit(batch, NULL), turn ? RILL_EEXIST : RILL_OK);
        bus = reopen_kind(bus, _i);
    }
    ck_assert_uint_eq(messages(bus, "A"), 2);
    rill_batch *twice = begin(bus);
    for (int i = 0; i < 2; i++)
        OK(rill_batch_add(twice, "a.3", "x", 1, RILL_OPTS(rill_post, .msg_id = "same")));
    FAILS(commit(twice, NULL), RILL_EEXIST);
    ck_assert_uint_eq(messages(bus, "A"), 2);
    end_kind(bus);
}
END_TEST

START_TEST(batches_have_bounds)
{
    rill_bus *bus = begin_kind(1);
    OK(rill_stream_ensure(bus, "A", NULL));
    OK(rill_stream_ensure(bus, "M", RILL_OPTS(rill_stream_opts, .in_memory = true)));
    rill_batch *batch = begin(bus);
    for (int i = 0; i < RILL_BATCH_MAX; i++) add(batch, "A", "x");
    FAILS(rill_batch_add(batch, "A", "x", 1, NULL), RILL_EFULL);
    OK(commit(batch, NULL));
    ck_assert_uint_eq(messages(bus, "A"), RILL_BATCH_MAX);
    static char big[1 << 20];
    batch = begin(bus);
    FAILS(rill_batch_add(batch, "A", big, sizeof big + 1, NULL), RILL_ETOOBIG);
    FAILS(rill_batch_add(batch, "a b", "", 0, NULL), RILL_EINVAL);
    FAILS(rill_batch_add(batch, "A", "", 0, RILL_OPTS(rill_post, .reply = "r")), RILL_EINVAL);
    for (int i = 0; i < 63; i++) OK(rill_batch_add(batch, "A", big, sizeof big, NULL));
    FAILS(rill_batch_add(batch, "A", big, sizeof big, NULL), RILL_EFULL);
    rill_batch_close(batch);
    batch = begin(bus);
    add(batch, "A", "x");
    add(batch, "M", "x");
    FAILS(commit(batch, NULL), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "M in memory"));
    batch = begin(bus);
    add(batch, "A", "x");
    OK(rill_close(bus, 20000));
    FAILS(rill_batch_add(batch, "A", "x", 1, NULL), RILL_ECLOSED);
    FAILS(commit(batch, NULL), RILL_ECLOSED);
    remove_dir();
}
END_TEST

START_TEST(the_end_of_a_batch_is_told_again)
{
    rill_bus *bus = begin_kind(_i);
    rill_receipt last = {.size = sizeof last}, again = {.size = sizeof again};
    OK(rill_stream_ensure(bus, "A", RILL_OPTS(rill_stream_opts, .subjects = "a.>")));
    rill_batch *batch = begin(bus);
    add(batch, "a.1", "one");
    add(batch, "a.2", "two");
    OK(rill_batch_commit(batch, &last, 20000));
    ck_assert_uint_eq(last.seq, 2);
    FAILS(rill_batch_add(batch, "a.3", "x", 1, NULL), RILL_EINVAL);
    OK(rill_batch_commit(batch, &again, 0));
    ck_assert_uint_eq(again.seq, 2);
    ck_assert_uint_eq(messages(bus, "A"), 2);
    rill_batch_close(batch);
    batch = begin(bus);
    add(batch, "none", "x");
    for (int i = 0; i < 2; i++) {
        FAILS(rill_batch_commit(batch, NULL, 10000), RILL_ENOREPLY);
        ck_assert_ptr_nonnull(strstr(rill_errmsg(), "no stream"));
    }
    rill_batch_close(batch);
    end_kind(bus);
}
END_TEST

SUITE_MAIN_ROWS("batch",
    SUITE_ONCE(batches_have_bounds),
    LOCAL_KINDS("a batch is of one stream there, and live subscribers see it as it comes",
                all_of_a_batch_is_stored, none_of_a_refused_batch_is_stored),
    EACH_KIND(a_batch_that_is_sent_again_says_so, the_end_of_a_batch_is_told_again))
