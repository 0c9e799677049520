/* SPDX-License-Identifier: Apache-2.0 */
/* One record of a batch is erased: its bytes go from the disk, the others of the batch stay, and
 * whenever the power goes, an opening finds no damage and loses none of them. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/kafka/gzip.h"
#include "codec/kafka/kafka_batch.h"
#include "store/log/log.h"
#include "support/fake_os.h"
#include "support/suite.h"

enum { BATCHES = 3, EACH = 6, FILL = 120 };

static fake_os disk;
static ri_host host;
static ri_log *store;
static ri_track *track;
static unsigned damages;

static void note_damage(void *arg, const ri_damage *damage)
{
    (void)arg;
    fprintf(stderr, "%s\n", damage->sentence);
    damages++;
}

static void open_store(void)
{
    ri_log_opts opts = {.host = &host, .os = &disk.os, .dir = "/log", .segment_bytes = 16384,
                        .damage = note_damage};
    ck_assert_ok(ri_log_open(&store, &opts));
    ck_assert_ok(ri_log_track(store, 7, &(ri_track_opts){.batches = true}, &track));
}

static void send(uint64_t first, int codec)
{
    ri_buffer plain, packed;
    ri_kafka_builder b;
    ri_buffer_init(&plain, &host);
    ri_buffer_init(&packed, &host);
    ri_kafka_builder_begin(&b, &plain, NULL);
    for (uint64_t i = 0; i < EACH; i++) {
        char value[32];
        int len = snprintf(value, sizeof value, "SECRET-%03d-", (int)(first + i));
        ck_assert_ok(ri_kafka_builder_add(&b, &(ri_kafka_record){
            .offset = (int64_t)i, .value = {value, (size_t)len}}));
    }
    ck_assert_int_gt(ri_kafka_builder_end(&b), 0);
    ri_str bytes = ri_buffer_str(&plain);
    if (codec) {
        ri_buffer_put(&packed, bytes.ptr, RI_KAFKA_BATCH_HEADER);
        ck_assert_ok(ri_gzip_pack(ri_str_from(bytes, RI_KAFKA_BATCH_HEADER), &packed));
        ri_kafka_batch_seal(packed.ptr, packed.len, codec);
        bytes = ri_buffer_str(&packed);
    }
    ri_batch_receipt receipt;
    ck_assert_ok(ri_track_append_batch(track, bytes, &receipt));
    ck_assert_uint_eq(receipt.first_seq, first);
    ri_buffer_fini(&plain);
    ri_buffer_fini(&packed);
}

/* Batches; if `sealed`, so much behind them that their segment is full. */
static void setup(int codec, bool sealed)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    damages = 0;
    open_store();
    for (int i = 0; i < BATCHES; i++) send(1 + (uint64_t)i * EACH, codec);
    ck_assert_ok(ri_log_commit(store));
    static char fill[200];
    for (int i = 0; sealed && i < FILL; i++) {
        ri_record r = {.subject = RI_STR("fill"), .data = {fill, sizeof fill}};
        ck_assert_ok(ri_track_append(track, &r));
        ck_assert_ok(ri_log_commit(store));
    }
}

static void teardown(void)
{
    ri_log_close(store);
    fake_os_fini(&disk);
}

/* The record's value in its batch; false: it is not there. */
static bool is_there(uint64_t seq)
{
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    int rc = ri_cursor_get(&c, seq, &r);
    bool found = false;
    if (rc == RILL_OK) {
        ri_kafka_batch b;
        ri_kafka_record k;
        ri_buffer plain;
        ri_buffer_init(&plain, &host);
        ck_assert_int_gt(ri_kafka_batch_parse(r.data, r.data.len, &b), 0);
        ck_assert_ok(ri_kafka_batch_verify(&b));
        ri_str records = b.records;
        if (ri_kafka_batch_codec(&b)) {
            ck_assert_ok(ri_unpack_all(RI_KAFKA_CODEC_GZIP, b.records, 100000, &plain));
            records = ri_buffer_str(&plain);
        }
        ri_kafka_records it;
        ri_kafka_records_init(&it, &b, records);
        char want[32];
        snprintf(want, sizeof want, "SECRET-%03d-", (int)seq);
        while (!found && ri_kafka_records_next(&it, &k) == 1)
            found = (uint64_t)k.offset + 1 == seq && ri_str_is(k.value, want);
        ri_buffer_fini(&plain);
        ck_assert(found);
    } else {
        ck_assert_rc(rc, RILL_ENOENT);
    }
    ri_cursor_fini(&c);
    return found;
}

static bool on_disk(uint64_t seq)
{
    char secret[32];
    snprintf(secret, sizeof secret, "SECRET-%03d-", (int)seq);
    for (size_t i = 0; fake_os_name(&disk, i); i++) {
        size_t len;
        const unsigned char *bytes = fake_os_bytes(&disk, fake_os_name(&disk, i), &len);
        if (bytes && memmem(bytes, len, secret, strlen(secret))) return true;
    }
    return false;
}

static void check_store(void)
{
    ri_scrub scrub = {.damage = note_damage};
    while (ri_log_scrub(store, &scrub) == 1) {}
    ck_assert_uint_eq(damages, 0);
}

static void check_all(const bool gone[])
{
    for (uint64_t seq = 1; seq <= BATCHES * EACH; seq++)
        ck_assert_msg(is_there(seq) != gone[seq], "sequence %d", (int)seq);
}

START_TEST(test_erase)
{
    bool gone[BATCHES * EACH + 1] = {0};
    int codec = _i & 1 ? RI_KAFKA_CODEC_GZIP : RI_KAFKA_CODEC_NONE;
    static const uint64_t seqs[] = {9, 1, 18, 8, 10, 7, 11, 12}; /* a whole batch at last */
    setup(codec, _i & 2);
    if (!codec) ck_assert(on_disk(9));
    for (size_t i = 0; i < RI_LEN(seqs); i++) {
        ck_assert_ok(ri_track_remove(track, seqs[i], true));
        gone[seqs[i]] = true;
        check_all(gone);
        ck_assert_ok(ri_log_commit(store));
        check_all(gone);
        ck_assert(!on_disk(seqs[i]));
        check_store();
        if (!codec) ck_assert(on_disk(2) && on_disk(17));
        ri_log_close(store);
        open_store();
        ck_assert_uint_eq(damages, 0);
        check_all(gone);
        check_store();
    }
    ck_assert_rc(ri_track_remove(track, 9, true), RILL_ENOENT);
    teardown();
}
END_TEST

/* The power goes at each call in turn, with what was not synced kept, dropped or torn. */
START_TEST(test_power)
{
    bool over = false;
    for (size_t n = 1; !over; n++) {
        ck_assert_uint_lt(n, 100);
        setup(RI_KAFKA_CODEC_NONE, _i & 1);
        disk.fail_at = disk.calls + n;
        disk.fail_errno = 5;
        disk.power_at_fail = true;
        int rc = ri_track_remove(track, 9, true);
        if (rc == 0) rc = ri_track_remove(track, 4, true);
        if (rc == 0) rc = ri_log_commit(store);
        over = !disk.off;
        if (over) ck_assert_ok(rc);
        ri_log_close(store);
        disk.fail_at = 0;
        fake_os_crash(&disk, (fake_os_loss)(_i / 2 % 3), n);
        open_store();
        ck_assert_uint_eq(damages, 0);
        for (uint64_t seq = 1; seq <= BATCHES * EACH; seq++)
            ck_assert_msg(is_there(seq) || seq == 9 || seq == 4, "call %zu: %d", n, (int)seq);
        ck_assert(is_there(9) == is_there(4)); /* one commit */
        if (over) ck_assert(!is_there(9) && !on_disk(9) && !on_disk(4));
        /* Of torn zeros a check tells that they are no record, as it does of a message's. */
        if (_i / 2 % 3 != FAKE_OS_RANDOM) check_store();
        if (is_there(9)) ck_assert_ok(ri_track_remove(track, 9, true));
        ck_assert_ok(ri_log_commit(store));
        ri_log_close(store);
        open_store();
        ck_assert(!is_there(9));
        ck_assert_uint_eq(damages, 0);
        teardown();
    }
}
END_TEST

/* What cannot be unpacked keeps its records: none goes without its bytes. */
START_TEST(test_missing_codec)
{
    ri_buffer plain;
    ri_kafka_builder b;
    ri_batch_receipt receipt;
    setup(RI_KAFKA_CODEC_NONE, false);
    ri_buffer_init(&plain, &host);
    ri_kafka_builder_begin(&b, &plain, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_ok(ri_kafka_builder_add(&b, &(ri_kafka_record){.offset = i}));
    ck_assert_int_gt(ri_kafka_builder_end(&b), 0);
    ri_kafka_batch_seal(plain.ptr, plain.len, RI_KAFKA_CODEC_GZIP); /* which it is not */
    ck_assert_ok(ri_track_append_batch(track, ri_buffer_str(&plain), &receipt));
    ck_assert_ok(ri_log_commit(store));
    ri_track_info before, after;
    ri_track_counts(track, &before);
    ck_assert_rc(ri_track_remove(track, receipt.first_seq + 1, true), RILL_EPROTO);
    ri_track_counts(track, &after);
    ck_assert_uint_eq(before.count, after.count);
    ck_assert_ok(ri_track_remove(track, receipt.first_seq + 1, false));
    ri_buffer_fini(&plain);
    teardown();
}
END_TEST

SUITE_MAIN_ROWS("batch_erase", SUITE_EACH(4, test_erase), SUITE_EACH(6, test_power),
                SUITE_ONCE(test_missing_codec))
