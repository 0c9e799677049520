/* SPDX-License-Identifier: Apache-2.0 */
/* Times at the ends of what a number can say: in memory, on disk, driven by the host. All calls
 * return, and a store that has seen them opens again. */
#include "kinds.h"

static int append_with(rill_bus *bus, const char *subject, const rill_post *post)
{
    return rill_append(bus, subject, "x", 1, post, NULL, 10000);
}

/* Read one that waits, and give it back for as long as possible. */
static void read_and_return(rill_sub *sub, const char *subject)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, 20000));
    TEXT_IS(m->subject, subject);
    OK(rill_nak(m, UINT32_MAX));
}

static void nothing_comes(rill_sub *sub)
{
    const rill_msg *m;
    FAILS(rill_next(sub, &m, 50), RILL_ETIMEDOUT);
}

START_TEST(groups_that_wait_as_long_as_can_be_said)
{
    static const int64_t inactive_ms[] = {INT64_MAX / 1000000, INT64_MAX / 1000000 + 1, INT64_MAX};
    static const uint32_t backoff[] = {UINT32_MAX, UINT32_MAX};
    rill_sub *sub;
    rill_bus *bus = begin_kind(_i);
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    OK(rill_stream_ensure(bus, "OTHER", NULL));
    append(bus, "s.1", "x");
    append(bus, "s.2", "x");
    for (size_t i = 0; i < 3; i++) {
        char group[8];
        snprintf(group, sizeof group, "g%zu", i);
        for (int again = 0; again < 2; again++) {
            OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = group, .nbackoff = 2,
                                                      .backoff_ms = backoff, .max_deliveries = 9,
                                                      .inactive_ms = inactive_ms[i])));
            if (!again) read_and_return(sub, "s.1");
            if (!again) read_and_return(sub, "s.2");
            append(bus, "OTHER", "x"); /* what was returned goes into the same commit */
            nothing_comes(sub);
            rill_sub_close(sub);
            bus = reopen_kind(bus, _i);
        }
    }
    FAILS(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .inactive_ms = -1)), RILL_EINVAL);
    ck_assert(strstr(rill_errmsg(), "inactive_ms"));
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .inactive_ms = INT64_MAX,
                                              .ack_wait_ms = UINT32_MAX)));
    read_and_return(sub, "s.1");
    OK(rill_seek(sub, RILL_AT_TIME(INT64_MAX)));
    OK(rill_seek(sub, RILL_AT_TIME(INT64_MIN)));
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(streams_that_keep_as_long_as_can_be_said)
{
    rill_sub *sub;
    rill_kv *kv;
    rill_msg *m;
    rill_bus *bus = begin_kind(_i);
    for (int again = 0; again < 2; again++) {
        OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>",
                                                  .max_age_ms = INT64_MAX, .allow_ttl = true,
                                                  .dedupe_window_ms = UINT32_MAX,
                                                  .marker_ttl_ms = INT64_MAX, .compact = true,
                                                  .tombstone_ms = INT64_MAX)));
        OK(rill_kv_open(bus, &kv, "B", RILL_OPTS(rill_bucket_opts, .ttl_ms = INT64_MAX)));
        OK(append_with(bus, "s.1", RILL_OPTS(rill_post, .ttl_ms = UINT32_MAX - 1, .msg_id = "1")));
        OK(rill_stream_get(bus, "S", RILL_AT_LAST("s.1"), &m));
        ck_assert_uint_eq(m->seq, 1);
        rill_msg_unref(m);
        rill_kv_close(kv);
        bus = reopen_kind(bus, _i);
    }
    OK(rill_tail(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_TIME,
                                           .from_time_ns = INT64_MAX)));
    nothing_comes(sub);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(what_was_due_long_ago_comes_at_once)
{
    static const int64_t times_ns[] = {1, -1, 1000000000, INT64_MIN, INT64_MIN + 1};
    rill_sub *sub;
    const rill_msg *m;
    rill_bus *bus = begin_kind(_i);
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "later.> now.>",
                                              .allow_schedules = true)));
    OK(append_with(bus, "later.never", RILL_OPTS(rill_post, .deliver_to = "now.never",
                                                 .deliver_at_ns = INT64_MAX)));
    OK(append_with(bus, "later.never", RILL_OPTS(rill_post, .deliver_to = "now.never",
                                                 .schedule = "@every 2200000h")));
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .filter = "now.>")));
    for (size_t i = 0; i < sizeof times_ns / sizeof *times_ns; i++) {
        OK(append_with(bus, "later.1", RILL_OPTS(rill_post, .deliver_to = "now.1",
                                                 .deliver_at_ns = times_ns[i])));
        OK(rill_next(sub, &m, 20000));
        TEXT_IS(m->subject, "now.1");
    }
    nothing_comes(sub);
    rill_sub_close(sub);
    bus = reopen_kind(bus, _i);
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .filter = "now.never")));
    nothing_comes(sub);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(waits_that_never_end_are_ended_by_what_they_wait_for)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "a", NULL));
    api_send(bus, "a", "x");
    OK(rill_next(sub, &m, INT32_MAX));
    OK(rill_flush(bus, INT32_MAX));
    rill_sub_close(sub);
    OK(rill_close(bus, INT32_MAX));
}
END_TEST

/* A number of a message that no stream reaches: nothing is there, and the store opens again. */
START_TEST(starts_behind_all_that_can_be)
{
    static const uint64_t seqs[] = {INT64_MAX, UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX};
    rill_sub *sub;
    rill_bus *bus = begin_kind(_i);
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    append(bus, "s.1", "x");
    for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%zu", i);
        const rill_source *source = RILL_OPTS(rill_source, .stream = "S", .from_seq = seqs[i]);
        const rill_stream_opts copies = {.size = sizeof copies, .subjects = name,
                                         .sources = &source, .nsources = 1};
        OK(rill_stream_ensure(bus, name, &copies));
        for (int again = 0; again < 2; again++) {
            OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = name,
                                                      .from = RILL_FROM_SEQ, .from_seq = seqs[i])));
            nothing_comes(sub);
            rill_sub_close(sub);
            bus = reopen_kind(bus, _i);
        }
    }
    end_kind(bus);
}
END_TEST

SUITE_MAIN_ROWS("far",
    SUITE_ONCE(waits_that_never_end_are_ended_by_what_they_wait_for),
    EACH_KIND(groups_that_wait_as_long_as_can_be_said, streams_that_keep_as_long_as_can_be_said,
              what_was_due_long_ago_comes_at_once, starts_behind_all_that_can_be))
