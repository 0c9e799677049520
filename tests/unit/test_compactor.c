/* SPDX-License-Identifier: Apache-2.0 */
/* Compaction of record batches against a naive model: all that was ever sent, in an array. (Tracks
 * of rill records, crashes and full disks: log_model.c, crash_sim.c.) */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/kafka/gzip.h"
#include "codec/kafka/kafka_batch.h"
#include "store/log/log.h"
#include "support/fake_os.h"
#include "support/rng.h"
#include "support/suite.h"

enum { SENT_MAX = 6000, KEYS = 40 };

#define DAY_NS (86400 * RI_SEC)

typedef struct sent {
    unsigned key, value; /* value 0: null */
} sent;

static fake_os disk;
static ri_host host;
static ri_log *store;
static ri_track *track;
static int64_t now_ns;
static sent all[SENT_MAX + 1]; /* by sequence */
static uint64_t last;

static void reopen(void)
{
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 16384};
    ri_log_close(store);
    ck_assert_ok(ri_log_open(&store, &opts));
    ck_assert_ok(ri_log_track(store, 7, &(ri_track_opts){.batches = true}, &track));
    ck_assert_ok(ri_track_compact(track, &(ri_compact_rule){.tombstone_ns = DAY_NS, .dirty = 500}));
}

static void setup(void)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    store = NULL;
    now_ns = 1000 * DAY_NS;
    last = 0;
    memset(all, 0, sizeof all);
    reopen();
}

static void teardown(void)
{
    ri_log_close(store);
    fake_os_fini(&disk);
}

/* A batch of n records, each with a key and a value (or null) in `all` from last + 1 on. */
static void send(unsigned n, int codec, int attributes)
{
    ri_buffer plain, packed;
    ri_kafka_builder b;
    ri_kafka_batch head = {.leader_epoch = -1, .max_timestamp_ms = -1, .producer_id = 3,
                           .base_sequence = (int32_t)last, .attributes = (int16_t)attributes};
    if (!(attributes & RI_KAFKA_TRANSACTIONAL)) head.producer_id = head.base_sequence = -1;
    if (head.producer_id < 0) head.producer_epoch = -1;
    ri_buffer_init(&plain, &host);
    ri_buffer_init(&packed, &host);
    ri_kafka_builder_begin(&b, &plain, &head);
    for (unsigned i = 0; i < n; i++) {
        char key[16], value[64];
        const sent *s = &all[last + 1 + i];
        snprintf(key, sizeof key, "key-%u", s->key);
        int len = snprintf(value, sizeof value, "value %u ..........................", s->value);
        ck_assert_ok(ri_kafka_builder_add(&b, &(ri_kafka_record){
            .offset = i, .timestamp_ms = now_ns / RI_MS, .key = ri_str_of(key),
            .value = {s->value ? value : NULL, s->value ? (size_t)len : 0}}));
    }
    ck_assert_int_gt(ri_kafka_builder_end(&b), 0);
    ri_str bytes = ri_buffer_str(&plain);
    if (codec) {
        ri_buffer_put(&packed, bytes.ptr, RI_KAFKA_BATCH_HEADER);
        ck_assert_ok(ri_gzip_pack(ri_str_from(bytes, RI_KAFKA_BATCH_HEADER), &packed));
        ri_kafka_batch_seal(packed.ptr + packed.head, ri_buffer_size(&packed), codec);
        bytes = ri_buffer_str(&packed);
    }
    ri_batch_receipt receipt;
    ck_assert_ok(ri_track_append_batch(track, bytes, &receipt));
    ck_assert_uint_eq(receipt.first_seq, last + 1);
    last += n;
    ri_buffer_fini(&plain);
    ri_buffer_fini(&packed);
}

static void say(unsigned key, unsigned value, int codec, int attributes)
{
    all[last + 1] = (sent){key, value};
    send(1, codec, attributes);
}

/* Until nothing is left to do; no call does much. */
static void tidy(void)
{
    int more = 1;
    for (int i = 0; more && i < 20000; i++) {
        more = ri_log_clean(store);
        if (more == 0) more = ri_log_compact(store, now_ns);
        ck_assert_msg(more >= 0, "%d: %s", more, ri_err_text());
        if (i % 3 == 0 || !more) ck_assert_ok(ri_log_commit(store));
        if (!more && ri_log_dirty(store)) more = 1;
    }
    ck_assert_int_eq(more, 0);
}

/* Is the record there, and what it was? */
static bool is_there(uint64_t seq)
{
    ri_cursor c;
    ri_record rec;
    ri_buffer plain;
    bool found = false;
    ri_cursor_init(&c, track);
    ri_buffer_init(&plain, &host);
    int rc = ri_cursor_get(&c, seq, &rec);
    ck_assert_msg(rc == 0 || rc == RILL_ENOENT, "%d: %s", rc, ri_err_text());
    if (rc == 0) {
        char key[16], value[64];
        ri_kafka_batch b;
        ri_kafka_records it;
        ri_kafka_record r;
        ck_assert(rec.flags & RI_RECORD_BATCH);
        ck_assert_int_gt(ri_kafka_batch_parse(rec.data, rec.data.len, &b), 0);
        ck_assert_ok(ri_kafka_batch_verify(&b));
        ri_str records = b.records;
        if (ri_kafka_batch_codec(&b)) {
            ck_assert_ok(ri_unpack_all(RI_KAFKA_CODEC_GZIP, b.records, 1 << 20, &plain));
            records = ri_buffer_str(&plain);
        }
        snprintf(key, sizeof key, "key-%u", all[seq].key);
        int len = snprintf(value, sizeof value, "value %u ..........................",
                           all[seq].value);
        ri_kafka_records_init(&it, &b, records);
        while (!found && ri_kafka_records_next(&it, &r) == 1) found = r.offset == (int64_t)seq - 1;
        ck_assert(found);
        ck_assert_span(r.key, key);
        if (all[seq].value) ck_assert(ri_str_eq(r.value, (ri_str){value, (size_t)len}));
        else ck_assert_ptr_null(r.value.ptr);
    }
    ri_buffer_fini(&plain);
    ri_cursor_fini(&c);
    return found;
}

static uint64_t newest_of(unsigned key)
{
    uint64_t seq = last;
    while (seq && all[seq].key != key) seq--;
    return seq;
}

/* The last of each key, tombstones only if they are to be. */
static void check_all(bool tombstones)
{
    for (uint64_t seq = 1; seq <= last; seq++) {
        bool want = newest_of(all[seq].key) == seq && (all[seq].value || tombstones);
        ck_assert_msg(is_there(seq) == want, "record %d of key %u is%s there", (int)seq,
                      all[seq].key,
                      want ? " not" : "");
    }
}

START_TEST(test_against_the_model)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        setup();
        rng r;
        rng_init(&r, seed);
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < 60; i++) {
                unsigned n = 1 + (unsigned)rng_below(&r, rng_below(&r, 4) ? 8 : 60);
                if (last + n > SENT_MAX) break;
                for (unsigned k = 1; k <= n; k++) /* some keys are rare, and scattered in batches */
                    all[last + k] = (sent){(unsigned)rng_below(&r, rng_below(&r, 9) ? 6 : KEYS),
                                           rng_below(&r, 6) ? 1 + (unsigned)rng_below(&r, 9999)
                                               : 0};
                send(n, rng_below(&r, 3) == 0 ? RI_KAFKA_CODEC_GZIP : 0, 0);
                if (rng_below(&r, 3) == 0) ck_assert_ok(ri_log_commit(store));
                if (rng_below(&r, 4) == 0) ck_assert_int_ge(ri_log_compact(store, now_ns), 0);
                if (rng_below(&r, 4) == 0) ck_assert_int_ge(ri_log_clean(store), 0);
            }
            ck_assert_ok(ri_log_commit(store));
            tidy();
            check_all(true);
            if (round % 2) reopen();
            check_all(true);
        }
        ri_log_stats stats;
        ri_log_status(store, &stats);
        ck_assert_uint_le(stats.live_bytes, KEYS * 300 + 2000);
        ck_assert_uint_le(stats.used_bytes, 16384 * 4);
        ri_scrub scrub = {0};
        while (ri_log_scrub(store, &scrub) == 1) continue;
        ck_assert_uint_eq(scrub.damages, 0);

        /* A tombstone gets its date when its segment is full; then it stays for a day. */
        for (int half = 0; half < 8; half++) {
            for (int i = 0; i < 150; i++) say(0, 1 + (unsigned)i, 0, 0);
            ck_assert_ok(ri_log_commit(store));
            tidy();
            if (half < 2) check_all(true);
            if (half == 1) reopen();
            now_ns += DAY_NS / 2;
        }
        tidy();
        check_all(false);
        ck_assert_int_eq(ri_log_compact_due_ns(store), INT64_MAX);
        teardown();
    }
}
END_TEST

/* What cannot be read stays, and so does the tombstone that may have deleted it. */
START_TEST(test_unreadable)
{
    setup();
    say(1, 1, 0, 0);
    say(2, 1, RI_KAFKA_CODEC_ZSTD, 0); /* its records are no zstd at all: nobody looks */
    say(2, 0, 0, 0);
    say(1, 2, 0, 0);
    say(1, 0, 0, 0);
    for (int i = 0; i < 300; i++) say(3, 7, 0, 0);
    ck_assert_ok(ri_log_commit(store));
    for (int i = 0; i < 4; i++) {
        tidy();
        now_ns += DAY_NS;
    }
    ri_cursor c;
    ri_record rec;
    ri_cursor_init(&c, track);
    static const int want[] = {RILL_ENOENT, 0, 0, RILL_ENOENT, 0};
    for (uint64_t seq = 1; seq <= 5; seq++)
        ck_assert_rc(ri_cursor_get(&c, seq, &rec), want[seq - 1]);
    ri_cursor_fini(&c);
    teardown();
}
END_TEST

/* A record of a transaction pushes out nothing, since it may be aborted; nor is anything judged
 * that stands behind one that is open. */
START_TEST(test_transactions)
{
    setup();
    say(1, 1, 0, 0);
    say(1, 2, 0, 0);
    say(1, 3, 0, RI_KAFKA_TRANSACTIONAL);
    say(2, 1, 0, 0);
    say(2, 2, 0, 0);
    ck_assert_ok(ri_log_commit(store));
    tidy();
    ck_assert(!is_there(1) && is_there(2) && is_there(3) && is_there(4) && is_there(5));
    ri_buffer out;
    ri_batch_receipt receipt;
    ri_buffer_init(&out, &host);
    ck_assert_int_gt(ri_kafka_marker_write(&out, &(ri_kafka_batch){.producer_id = 3},
                                           RI_KAFKA_ABORT, 0, 1), 0);
    ck_assert_ok(ri_track_append_batch(track, ri_buffer_str(&out), &receipt));
    ri_buffer_fini(&out);
    last++;
    ck_assert_ok(ri_log_commit(store));
    tidy();
    ck_assert(is_there(2) && is_there(3) && !is_there(4) && is_there(5));
    all[last + 1] = (sent){1, 9};
    send(1, 0, 0);
    ck_assert_ok(ri_log_commit(store));
    tidy();
    ck_assert(!is_there(2) && !is_there(3) && is_there(7));
    teardown();
}
END_TEST

static unsigned removed;

static void count_removed(void *arg, uint64_t seq)
{
    (void)arg;
    (void)seq;
    removed++;
}

/* Of batches with thousands of records no call looks at all, or buries all; one that somebody else
 * removes meanwhile is no failure, and not told. */
START_TEST(test_slices)
{
    enum { LONG = 2900, SLICE = 1024 };
    setup();
    ri_log_close(store);
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 1048576};
    ck_assert_ok(ri_log_open(&store, &opts));
    ck_assert_ok(ri_log_track(store, 7, &(ri_track_opts){.batches = true}, &track));
    ri_compact_rule rule = {.tombstone_ns = DAY_NS, .dirty = 500, .removed = count_removed};
    ck_assert_ok(ri_track_compact(track, &rule));
    for (unsigned n = 0; n < 2; n++) {
        for (unsigned k = 0; k < LONG; k++) all[last + 1 + k] = (sent){k, 1 + n};
        send(LONG, n ? RI_KAFKA_CODEC_GZIP : 0, 0);
    }
    ck_assert_ok(ri_log_commit(store));
    unsigned calls = 0, died = 0;
    removed = 0;
    for (int more = 1; more; calls++) {
        unsigned before = removed;
        more = ri_log_compact(store, now_ns);
        ck_assert_int_ge(more, 0);
        ck_assert_uint_le(removed - before, SLICE);
        if (removed > before && removed < LONG && died == 0) { /* the next to go */
            ck_assert_ok(ri_track_remove(track, removed + 1, false));
            died = 1;
        }
    }
    ck_assert_uint_eq(died, 1);
    ck_assert_uint_eq(removed, LONG - 1);
    ck_assert_uint_ge(calls, 4 * LONG / SLICE); /* noted, judged */
    check_all(true);
    teardown();
}
END_TEST

/* One round; then one more record, which is looked at when the rule says so. */
static void wait_for_a_round(const ri_compact_rule *rule)
{
    setup();
    for (unsigned k = 0; k < 750; k++) all[1 + k] = (sent){k, 1};
    for (int i = 0; i < 5; i++) send(150, 0, 0);
    ck_assert_ok(ri_log_commit(store));
    tidy();
    ck_assert_ok(ri_track_compact(track, rule));
    now_ns += 15 * RI_SEC; /* the rest behind a round */
    say(5, 2, 0, 0);
    ck_assert_ok(ri_log_commit(store));
    tidy();
}

START_TEST(test_when)
{
    wait_for_a_round(&(ri_compact_rule){.tombstone_ns = DAY_NS, .dirty = 500});
    ck_assert(is_there(6));
    ck_assert_int_eq(ri_log_compact_due_ns(store), INT64_MAX);
    teardown();
    wait_for_a_round(&(ri_compact_rule){.tombstone_ns = DAY_NS, .dirty = 1});
    ck_assert(!is_there(6));
    teardown();
    wait_for_a_round(&(ri_compact_rule){.tombstone_ns = DAY_NS, .dirty = 500, .lag_ns = RI_SEC});
    ck_assert(is_there(6));
    ck_assert_int_eq(ri_log_compact_due_ns(store), now_ns + RI_SEC);
    now_ns += RI_SEC - 1;
    tidy();
    ck_assert(is_there(6));
    now_ns++;
    tidy();
    ck_assert(!is_there(6));
    ck_assert_int_eq(ri_log_compact_due_ns(store), INT64_MAX);
    teardown();
}
END_TEST

/* What was clean is not known behind a restart: a round comes then, also if one was waited for. */
START_TEST(test_waits_no_more)
{
    const ri_compact_rule rule = {.tombstone_ns = DAY_NS, .dirty = 500, .lag_ns = RI_SEC};
    wait_for_a_round(&rule);
    ck_assert(is_there(6));
    reopen();
    ck_assert_ok(ri_track_compact(track, &rule));
    tidy();
    ck_assert(!is_there(6));
    teardown();
}
END_TEST

/* With a rule that lets each record begin a round there is none for a while behind one, and then
 * there is; but at once where much is new. */
START_TEST(test_rests)
{
    wait_for_a_round(&(ri_compact_rule){.tombstone_ns = DAY_NS, .dirty = 0});
    ck_assert(!is_there(6));
    say(6, 2, 0, 0);
    ck_assert_ok(ri_log_commit(store));
    tidy();
    ck_assert(is_there(7));
    ck_assert_int_eq(ri_log_compact_due_ns(store), now_ns + 15 * RI_SEC);
    now_ns += 15 * RI_SEC - 1;
    tidy();
    ck_assert(is_there(7));
    now_ns++;
    tidy();
    ck_assert(!is_there(7));
    ck_assert_int_eq(ri_log_compact_due_ns(store), INT64_MAX);
    for (unsigned k = 7; k < 57; k++) say(k, 2, 0, 0);
    ck_assert_ok(ri_log_commit(store));
    tidy();
    ck_assert(!is_there(8));
    say(57, 2, 0, 0);
    ck_assert_ok(ri_log_commit(store));
    now_ns -= RI_SEC; /* the clock was set back */
    tidy();
    ck_assert(!is_there(58));
    teardown();
}
END_TEST

SUITE_MAIN("compactor", test_when, test_rests, test_waits_no_more, test_against_the_model,
           test_unreadable, test_transactions, test_slices)
