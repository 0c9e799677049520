/* SPDX-License-Identifier: Apache-2.0 */
/* Record batches and their producers: what a broker must answer, before and after it is opened
 * again. Random work and crashes are in log_model.c and crash_sim.c. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "codec/kafka/kafka_batch.h"
#include "store/log/log.h"
#include "support/fake_os.h"
#include "support/fault.h"
#include "support/suite.h"

static fake_os disk;
static ri_host host;
static ri_log *store;
static ri_track *track;
static ri_batch_receipt told;

static void reopen(void)
{
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 1 << 20};
    ri_log_close(store);
    ck_assert_ok(ri_log_open(&store, &opts));
    ck_assert_ok(ri_log_track(store, 7, &(ri_track_opts){.batches = true}, &track));
}

static void setup(void)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    store = NULL;
    reopen();
}

static void teardown(void)
{
    ri_log_close(store);
    fake_os_fini(&disk);
}

typedef struct sending {
    int64_t id;       /* of the producer; -1: none */
    int16_t epoch;
    int32_t sequence; /* the first record's */
    int count;        /* 0: one */
    int16_t attributes;
    size_t value_len;
} sending;

static void build(ri_buffer *out, const sending *s)
{
    static char value[200000];
    ri_kafka_batch head = {.leader_epoch = -1, .max_timestamp_ms = -1, .producer_id = s->id,
                           .producer_epoch = s->epoch, .base_sequence = s->sequence,
                           .attributes = s->attributes};
    ri_kafka_builder b;
    ri_kafka_builder_begin(&b, out, &head);
    for (int i = 0; i < RI_MAX(s->count, 1); i++)
        ck_assert_ok(ri_kafka_builder_add(&b, &(ri_kafka_record){
            .offset = i, .timestamp_ms = 1000, .key = RI_STR("k"),
            .value = {value, s->value_len}}));
    ck_assert_int_gt(ri_kafka_builder_end(&b), 0);
}

static int send(sending s)
{
    ri_buffer out;
    ri_buffer_init(&out, &host);
    build(&out, &s);
    int rc = ri_track_append_batch(track, ri_buffer_str(&out), &told);
    ri_buffer_fini(&out);
    return rc;
}

static int end_transaction(int64_t id, int16_t epoch, int32_t coordinator)
{
    ri_buffer out;
    ri_kafka_batch head = {.leader_epoch = -1, .producer_id = id, .producer_epoch = epoch};
    ri_buffer_init(&out, &host);
    ck_assert_int_gt(ri_kafka_marker_write(&out, &head, RI_KAFKA_COMMIT, coordinator, 1000), 0);
    int rc = ri_track_append_batch(track, ri_buffer_str(&out), &told);
    ri_buffer_fini(&out);
    return rc;
}

static void check_known(void)
{
    ck_assert_rc(send((sending){.id = 5, .epoch = 1, .sequence = 3, .count = 2}), 1); /* again */
    ck_assert_uint_eq(told.first_seq, 4);
    ck_assert_int_eq(told.verdict, RI_PRODUCERS_DUPLICATE);
    ck_assert_rc(send((sending){.id = 5, .epoch = 1, .sequence = 6}), RILL_ECONFLICT);
    ck_assert_int_eq(told.verdict, RI_PRODUCERS_OUT_OF_ORDER);
    ck_assert_rc(send((sending){.id = 5, .epoch = 0, .sequence = 5}), RILL_EFENCED);
    ck_assert_int_eq(told.verdict, RI_PRODUCERS_FENCED);
    ck_assert_rc(send((sending){.id = 9, .epoch = 0, .sequence = 4}), RILL_EINVAL);
    ck_assert_int_eq(told.verdict, RI_PRODUCERS_BAD_STATE);
    ck_assert_rc(end_transaction(9, 0, 1), RILL_EFENCED);
    ck_assert_int_eq(told.verdict, RI_PRODUCERS_STALE_COORDINATOR);
    int16_t epoch;
    int32_t last;
    ck_assert_rc(ri_track_producer(track, 5, &epoch, &last), 1);
    ck_assert_int_eq(epoch, 1);
    ck_assert_int_eq(last, 4);
    ck_assert_rc(ri_track_producer(track, 6, &epoch, &last), 0);
}

START_TEST(test_what_is_known_survives)
{
    setup();
    ck_assert_ok(send((sending){.id = 5, .epoch = 1, .sequence = 0, .count = 3}));
    ck_assert_uint_eq(told.first_seq, 1);
    ck_assert_ok(send((sending){.id = 5, .epoch = 1, .sequence = 3, .count = 2}));
    ck_assert_uint_eq(told.first_seq, 4);
    ck_assert_ok(send((sending){.id = -1, .epoch = -1, .sequence = -1, .count = 4}));
    ck_assert_uint_eq(told.first_seq, 6);
    ck_assert_ok(send((sending){.id = 9, .attributes = RI_KAFKA_TRANSACTIONAL, .count = 2}));
    ck_assert_ok(end_transaction(9, 0, 2));
    ck_assert_ok(send((sending){.id = 9, .sequence = 2, .attributes = RI_KAFKA_TRANSACTIONAL,
                                .count = 2}));
    check_known();
    ck_assert_ok(ri_log_commit(store));
    reopen();
    check_known();
    reopen(); /* and of what was recorded, without a batch behind it */
    check_known();
    ck_assert_ok(ri_track_purge(track, UINT64_MAX)); /* the batches go, what is known stays */
    ck_assert_ok(ri_log_commit(store));
    reopen();
    check_known();
    ri_log_close(store);
    store = NULL;
    uint64_t records;
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 1 << 20};
    ck_assert_ok(ri_log_salvage(&opts, "/saved", &records));
    opts.dir = "/saved";
    ck_assert_ok(ri_log_open(&store, &opts));
    ck_assert_ok(ri_log_track(store, 7, NULL, &track));
    check_known();
    ck_assert_ok(ri_track_drop(track)); /* what is known goes with it */
    ck_assert_ok(ri_log_track(store, 7, &(ri_track_opts){.batches = true}, &track));
    ck_assert_ok(send((sending){.id = 5, .epoch = 0, .sequence = 100}));
    teardown();
}
END_TEST

/* Much is sent: the state is recorded on the way, so that not all is read again. */
START_TEST(test_recorded_on_the_way)
{
    setup();
    for (int32_t i = 0; i < 100; i++) {
        ck_assert_ok(send((sending){.id = 5, .sequence = i, .value_len = 100000}));
        if (i % 10 == 9) ck_assert_ok(ri_log_commit(store));
    }
    ri_track *states;
    ri_track_info info;
    ck_assert_ok(ri_log_track(store, 7 | 1ull << 63, NULL, &states));
    ri_track_counts(states, &info);
    ck_assert_uint_eq(info.count, 1);
    ck_assert_uint_eq(info.last_seq, 2); /* of 10 MB, each 4 MiB */
    disk.off = true;
    ri_log_close(store);
    store = NULL;
    fake_os_crash(&disk, FAKE_OS_DROP, 1);
    reopen();
    ck_assert_rc(send((sending){.id = 5, .sequence = 98, .value_len = 100000}), 1);
    ck_assert_uint_eq(told.first_seq, 99);
    ck_assert_ok(send((sending){.id = 5, .sequence = 100}));
    teardown();
}
END_TEST

START_TEST(test_what_is_no_batch)
{
    setup();
    ri_buffer out;
    ri_buffer_init(&out, &host);
    build(&out, &(sending){.id = 5, .count = 3, .value_len = 10});
    char *bytes = out.ptr + out.head;
    size_t len = ri_buffer_size(&out);
    for (size_t i = 0; i < len; i++) { /* any byte that is not the broker's own */
        bytes[i] ^= 0x10;
        int rc = ri_track_append_batch(track, (ri_str){bytes, len}, &told);
        bool outside = i >= 12 && i < 16;
        ck_assert_msg(outside ? rc >= 0 : rc < 0, "byte %zu: %d", i, rc);
        bytes[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < len; cut++)
        ck_assert_int_lt(ri_track_append_batch(track, (ri_str){bytes, cut}, &told), 0);
    ri_track *plain;
    ck_assert_ok(ri_log_track(store, 8, NULL, &plain));
    ck_assert_rc(ri_track_append_batch(plain, (ri_str){bytes, len}, &told), RILL_ENOTSUP);
    ri_buffer_fini(&out);
    teardown();
}
END_TEST

SUITE_MAIN("partition", test_what_is_known_survives, test_recorded_on_the_way,
           test_what_is_no_batch)
