/* SPDX-License-Identifier: Apache-2.0 */
/* Damage that is met while a log is open, and what cannot be read at all: it is told once, with its
 * place, and opening and readers, the count, a check and a salvage agree. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "store/log/log.h"
#include "store/log/segment.h"
#include "support/fake_os.h"
#include "support/suite.h"

enum { SEGMENT = 16384, RECORDS = 300, DATA = 200, BLOCK = 4096 };

typedef struct told {
    uint64_t n, position, first_seq;
    char sentence[RI_ERROR_TEXT_MAX], file[64];
} told;

static fake_os disk;
static ri_host host;
static ri_log *log_;
static ri_track *track;
static told heard;
static uint64_t segment_bytes;

static void hear(void *arg, const ri_damage *damage)
{
    told *t = arg;
    t->n++;
    t->position = damage->position;
    t->first_seq = damage->first_seq;
    snprintf(t->sentence, sizeof t->sentence, "%s", damage->sentence);
    snprintf(t->file, sizeof t->file, "%s", damage->file ? damage->file : "");
}

static ri_log_opts opts_of(told *t)
{
    return (ri_log_opts){.host = &host, .os = &disk.os, .dir = "/log", .no_maps = true,
                         .segment_bytes = segment_bytes, .damage = hear, .arg = t};
}

static void take_track(void)
{
    ck_assert_ok(ri_log_track(log_, 7, &(ri_track_opts){.subjects = true}, &track));
}

static void open_log(void)
{
    heard = (told){0};
    ri_log_opts opts = opts_of(&heard);
    ck_assert_ok(ri_log_open(&log_, &opts));
    take_track();
}

static void append(size_t len)
{
    static char data[24 << 20];
    ri_track_info info;
    ri_track_status(track, &info);
    memset(data, (int)(info.last_seq + 1), len);
    ri_record r = {.time_ns = 5, .subject = info.last_seq % 2 ? RI_STR("a.x") : RI_STR("b.y"),
                   .data = {data, len}};
    ck_assert_ok(ri_track_append(track, &r));
}

static void setup(void)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    segment_bytes = SEGMENT;
    open_log();
    for (int n = 1; n <= RECORDS; n++) {
        append(DATA);
        if (n % 5 == 0) ck_assert_ok(ri_log_commit(log_));
    }
    ri_log_close(log_);
}

static void teardown(void)
{
    ri_log_close(log_);
    fake_os_fini(&disk);
}

static unsigned char *file_bytes(const char *path)
{
    size_t len;
    unsigned char *bytes = fake_os_bytes(&disk, path, &len);
    ck_assert_ptr_nonnull(bytes);
    return bytes;
}

/* Where the record's data stands in the file, of segments as they were built. */
static uint32_t place_of(const char *path, int seq)
{
    char want[DATA];
    const unsigned char *bytes = file_bytes(path);
    memset(want, seq, sizeof want);
    for (uint32_t at = 0; at + DATA <= SEGMENT; at++)
        if (memcmp(bytes + at, want, DATA) == 0) return at;
    ck_abort_msg("%d is not in %s", seq, path);
    return 0;
}

static uint64_t read_all(void)
{
    ri_cursor c;
    ri_record r;
    uint64_t good = 0;
    int rc;
    ri_cursor_init(&c, track);
    for (uint64_t from = 0; (rc = ri_cursor_next(&c, from, NULL, &r)) != 0; from = r.seq + 1) {
        ck_assert(rc == 1 || rc == RILL_ECORRUPT || rc == RILL_EIO);
        if (rc == 1) ck_assert_int_eq((unsigned char)r.data.ptr[0], (unsigned char)r.seq);
        good += rc == 1;
    }
    ri_cursor_fini(&c);
    return good;
}

static uint64_t check_log(void)
{
    told t = {0};
    ri_scrub scrub = {.damage = hear, .arg = &t};
    int rc;
    while ((rc = ri_log_scrub(log_, &scrub)) == 1) continue;
    ck_assert_ok(rc);
    ck_assert_uint_eq(scrub.damages, t.n);
    return t.n;
}

static uint64_t counted(void)
{
    ri_log_stats stats;
    ri_log_status(log_, &stats);
    return stats.damages;
}

/* Told so far, counted, and told by a check are the same; so it is when nothing was read before. */
static void all_agree(uint64_t want)
{
    ck_assert_uint_eq(check_log(), want);
    ck_assert_uint_eq(heard.n, want);
    ck_assert_uint_eq(counted(), want);
    ri_log_close(log_);
    told t = {0};
    uint64_t records;
    ri_log_opts opts = opts_of(&t);
    ck_assert_ok(ri_log_salvage(&opts, "/saved", &records));
    ck_assert_uint_eq(t.n, want);
    open_log();
    ck_assert_uint_eq(check_log(), want);
}

/* One record: told by who reads it first, and not again. */
START_TEST(test_a_reader_tells_of_a_record)
{
    setup();
    open_log();
    uint32_t at = place_of("/log/00000000.seg", 9);
    file_bytes("/log/00000000.seg")[at + 7] ^= 4;
    ck_assert_uint_eq(heard.n, 0);
    for (int again = 0; again < 3; again++) {
        ri_cursor c;
        ri_record r;
        ri_cursor_init(&c, track);
        ck_assert_rc(ri_cursor_get(&c, 9, &r), RILL_ECORRUPT);
        ck_assert_ptr_nonnull(strstr(ri_err_text(), "/log/00000000.seg at "));
        ck_assert_ok(ri_cursor_get(&c, 10, &r));
        ri_cursor_fini(&c);
        ck_assert_uint_eq(heard.n, 1);
        ck_assert_uint_eq(counted(), 1);
    }
    ck_assert_str_eq(heard.file, "/log/00000000.seg");
    ck_assert_uint_eq(heard.position, at - RI_SEGMENT_RECORD);
    ck_assert_uint_eq(heard.first_seq, 9);
    ck_assert_ptr_nonnull(strstr(heard.sentence, "sequence 9, at "));
    ck_assert_uint_eq(read_all(), RECORDS - 1);
    all_agree(1);
    teardown();
}
END_TEST

/* A sector with some records and a commit's header, wherever it is: readers tell of it what a check
 * tells, in whatever order they come. */
START_TEST(test_a_reader_tells_of_a_sector)
{
    for (uint32_t at = 512; at < SEGMENT - 512; at += 512) {
        setup();
        open_log();
        memset(file_bytes("/log/00000001.seg") + at, 0, 512);
        read_all();
        uint64_t met = heard.n;
        uint64_t found = check_log();
        ck_assert_uint_eq(heard.n, found);
        ck_assert(met <= found);
        ri_log_close(log_);
        fake_os_fini(&disk);
        setup();
        open_log();
        memset(file_bytes("/log/00000001.seg") + at, 0, 512);
        ck_assert_msg(check_log() == found, "at %u: %" PRIu64, at, found);
        teardown();
    }
}
END_TEST

/* What is not of a record: names, positions, the directory. */
START_TEST(test_a_reader_tells_of_a_footer)
{
    for (int what = 0; what < 3; what++) {
        setup();
        unsigned char *bytes = file_bytes("/log/00000000.seg");
        ri_segment_head head;
        ri_segment_trailer t;
        ck_assert_ok(ri_segment_get_head((char *)bytes, &head));
        ck_assert_ok(ri_segment_get_trailer((char *)bytes + SEGMENT - RI_SEGMENT_TRAILER,
                                            head.log_id, &t));
        uint32_t at = what == 0 ? t.names + 9 : what == 1 ? t.names - 5 : t.position + 3;
        ri_log_opts opts = opts_of(&heard);
        heard = (told){0};
        opts.cache_bytes = 1; /* nothing is kept: it is read again */
        ck_assert_ok(ri_log_open(&log_, &opts));
        take_track();
        bytes[at] ^= 0x10;
        ri_str subject = RI_STR("a.*");
        ri_filter filter = {&subject, 1};
        ri_cursor c;
        ri_record r;
        ri_cursor_init(&c, track);
        for (int again = 0; again < 2; again++) {
            int rc = ri_cursor_next(&c, 1, &filter, &r);
            ck_assert(rc == 1 || rc == RILL_ECORRUPT);
        }
        ri_cursor_fini(&c);
        if (what < 2) ck_assert_uint_eq(heard.n, 1);
        ck_assert_uint_eq(check_log(), 1);
        ck_assert_uint_eq(heard.n, 1);
        ck_assert_uint_eq(counted(), 1);
        ri_log_close(log_);
        /* Opened with it: told once, and nothing is lost. */
        open_log();
        ck_assert_uint_eq(read_all(), RECORDS);
        ck_assert_uint_eq(heard.n, 1);
        ck_assert_ptr_nonnull(strstr(heard.sentence, what == 1 ? "positions" : "footer"));
        all_agree(1);
        teardown();
    }
}
END_TEST

/* A footer whose sums are right and whose words are not, as somebody may make it: it is not
 * believed, and what it was of is read. */
static void alter_footer(uint32_t part, uint32_t at, uint32_t words, uint32_t value)
{
    char *bytes = (char *)file_bytes("/log/00000000.seg");
    char *trailer = bytes + SEGMENT - RI_SEGMENT_TRAILER;
    ri_segment_head head;
    ri_segment_trailer t;
    ck_assert_ok(ri_segment_get_head(bytes, &head));
    ck_assert_ok(ri_segment_get_trailer(trailer, head.log_id, &t));
    char *foot = bytes + t.position, *in = foot + RI_SEGMENT_FOOT_HEAD;
    if (part > 0) in += ri_segment_u32(foot) * RI_SEGMENT_FOOT_TRACK;
    if (part > 1) in += ri_segment_u32(foot + 4) * RI_SEGMENT_FOOT_RUN +
                        ri_segment_u32(foot + 8) * RI_SEGMENT_FOOT_REMOVE;
    for (uint32_t i = 0; i < words; i++) ri_segment_set32(in + at + 4 * i, value);
    uint32_t seed = ri_segment_seed(head.log_id, head.number);
    t.head_crc = ri_crc32c(seed, foot, t.head_bytes);
    ri_segment_put_trailer(trailer, seed, &t);
}

START_TEST(test_footers_that_lie)
{
    enum { TRACK, RUN, SUM };
    static const struct { uint32_t part, at, words, value; } lies[] = {
        {TRACK, 8, 2, 0},           /* no id */
        {TRACK, 0, 1, 0},           /* no number */
        {TRACK, 0, 1, UINT32_MAX},
        {RUN, 16, 1, 1},            /* fewer are alive than there are */
        {SUM, 4, 1, 0},             /* none on a subject */
        {SUM, 4, 1, UINT32_MAX},
        {SUM, 8, 2, 0},             /* from 0 on */
        {SUM, 8, 2, UINT32_MAX},    /* first behind last */
    };
    for (size_t i = 0; i < RI_LEN(lies); i++) {
        setup();
        alter_footer(lies[i].part, lies[i].at, lies[i].words, lies[i].value);
        open_log();
        ck_assert_uint_eq(read_all(), RECORDS);
        ck_assert_msg(heard.n > 0, "lie %zu is not told", i);
        for (uint64_t seq = 1; seq <= RECORDS; seq++) ck_assert_ok(ri_track_remove(track, seq, 0));
        ri_track_info info;
        ri_track_status(track, &info);
        ck_assert_uint_eq(info.count, 0);
        ck_assert_uint_eq(info.subjects, 0);
        ck_assert_ok(ri_log_commit(log_));
        teardown();
    }
}
END_TEST

/* A record that is damaged in what says how long it is: it is removed, and of those behind it
 * nothing is overwritten. */
START_TEST(test_what_is_erased_takes_no_other)
{
    setup();
    uint32_t at = place_of("/log/00000000.seg", 9) - RI_SEGMENT_RECORD;
    file_bytes("/log/00000000.seg")[at + 5] ^= 4; /* a thousand bytes more */
    open_log();
    ck_assert_ok(ri_track_remove(track, 9, true));
    ck_assert_ok(ri_log_commit(log_));
    ck_assert_uint_eq(heard.n, 1);
    ck_assert(heard.first_seq <= 9 && strstr(heard.file, "00000000.seg"));
    ri_log_close(log_);
    open_log();
    ck_assert_uint_eq(read_all(), RECORDS - 1);
    teardown();
}
END_TEST

/* The cleaner reads, too. */
START_TEST(test_the_cleaner_tells_once)
{
    setup();
    open_log();
    uint32_t at = place_of("/log/00000000.seg", 9);
    file_bytes("/log/00000000.seg")[at + 7] ^= 4;
    for (uint64_t seq = 1; seq <= RECORDS - 10; seq++)
        if (seq % 9) ck_assert_ok(ri_track_remove(track, seq, false));
    ck_assert_ok(ri_log_commit(log_));
    for (int i = 0; i < 100; i++) {
        ck_assert_int_ge(ri_log_clean(log_), 0);
        ck_assert_ok(ri_log_commit(log_));
    }
    ck_assert_uint_eq(heard.n, 1);
    read_all();
    all_agree(1);
    teardown();
}
END_TEST

/* The copy of a header that was never written is none that is damaged. */
START_TEST(test_a_copy_not_yet_written)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    segment_bytes = SEGMENT;
    open_log();
    append(DATA);
    ck_assert_ok(ri_log_commit(log_));
    disk.off = true;
    ri_log_close(log_);
    disk.off = false;
    unsigned char *copy = file_bytes("/log/00000000.seg") + SEGMENT - RI_SEGMENT_TAIL;
    memset(copy, 0, RI_SEGMENT_HEAD);
    open_log();
    ck_assert_uint_eq(check_log(), 0);
    append(DATA);
    ck_assert_ok(ri_log_commit(log_));
    copy = file_bytes("/log/00000000.seg") + SEGMENT - RI_SEGMENT_TAIL;
    ck_assert_int_eq(memcmp(copy, file_bytes("/log/00000000.seg"), RI_SEGMENT_HEAD), 0);
    copy[5] ^= 1;
    ck_assert_uint_eq(check_log(), 1);
    teardown();
}
END_TEST

/* ---- Blocks that cannot be read ---- */

/* A salvage reads around them, saves the rest, and tells of each; who writes is refused with the
 * place, or serves what can be read. */
START_TEST(test_unreadable_blocks)
{
    static const char *const paths[] = {"/log/00000000.seg", "/log/00000003.seg"};
    for (int i = 0; i < 8; i++) {
        setup();
        disk.bad_path = paths[i / 4];
        disk.bad_from = (uint64_t)(i % 4 * BLOCK) + 512;
        disk.bad_to = disk.bad_from + 512;
        char place[40];
        told t = {0};
        uint64_t records, in_block = BLOCK / DATA + 6;
        ri_log_opts opts = opts_of(&t);
        ck_assert_ok(ri_log_salvage(&opts, NULL, &records));
        uint64_t looked = t.n;
        t = (told){0};
        ck_assert_ok(ri_log_salvage(&opts, "/saved", &records));
        ck_assert_uint_ge(records, RECORDS - in_block);
        ck_assert_uint_ge(t.n, 1);
        ck_assert_uint_eq(t.n, looked);
        opts.dir = "/saved";
        t = (told){0};
        ck_assert_ok(ri_log_open(&log_, &opts));
        take_track();
        ck_assert_uint_eq(read_all(), records);
        ck_assert_uint_eq(t.n, 0);
        ri_log_close(log_);
        /* By who writes. */
        opts = opts_of(&t);
        int rc = ri_log_open(&log_, &opts);
        if (rc < 0) {
            ck_assert_rc(rc, RILL_EIO);
            snprintf(place, sizeof place, "%s at ", disk.bad_path);
            ck_assert_ptr_nonnull(strstr(ri_err_text(), place));
            ck_assert_ptr_nonnull(strstr(ri_err_text(), "salvage"));
            log_ = NULL;
        } else {
            take_track();
            ck_assert_uint_ge(read_all(), RECORDS - in_block);
            uint64_t met = t.n;
            heard = t;
            ck_assert_uint_ge(check_log(), RI_MAX(met, 1u));
        }
        teardown();
    }
}
END_TEST


/* A disk that is gone for a while is no damage, for who reads and for a check. */
START_TEST(test_a_disk_that_is_gone)
{
    setup();
    open_log();
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    disk.off = true;
    for (uint64_t seq = 1; seq < 200; seq++) ck_assert_rc(ri_cursor_get(&c, seq, &r), RILL_EIO);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "read /log/0000000"));
    ri_scrub scrub = {0};
    ck_assert_rc(ri_log_scrub(log_, &scrub), RILL_EIO);
    disk.off = false;
    ri_cursor_fini(&c);
    ck_assert_uint_eq(heard.n, 0);
    ck_assert_uint_eq(check_log(), 0);
    ck_assert_uint_eq(read_all(), RECORDS);
    teardown();
}
END_TEST

/* A file that nothing names any more is told of: it is gone when it is closed. */
START_TEST(test_a_file_without_a_name)
{
    char path[64];
    setup();
    open_log();
    ck_assert_uint_eq(check_log(), 0); /* and its files are open */
    size_t i = 0;
    while (!strstr(fake_os_name(&disk, i), ".seg")) i++;
    snprintf(path, sizeof path, "%s", fake_os_name(&disk, i));
    ck_assert_int_eq(disk.os.unlink(disk.os.arg, path), 0);
    ck_assert_uint_ge(check_log(), 1);
    teardown();
}
END_TEST

static int no_link(void *arg, const char *from, const char *to)
{
    (void)arg, (void)from, (void)to;
    return -EXDEV;
}

/* A snapshot of a log that is only read holds what can be read, and tells that it is not all; of
 * one that is written to, it fails and says where. */
START_TEST(test_snapshot_around_a_block)
{
    setup();
    disk.os.link = no_link;
    disk.bad_path = "/log/00000000.seg";
    disk.bad_from = BLOCK;
    disk.bad_to = 2 * BLOCK;
    open_log();
    ck_assert_rc(ri_log_snapshot(log_, "/copy"), RILL_EIO);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "read /log/00000000.seg at 4096"));
    ri_log_close(log_);
    ri_log_opts opts = opts_of(&heard);
    opts.read_only = true;
    heard = (told){0};
    ck_assert_ok(ri_log_open(&log_, &opts));
    ck_assert_uint_eq(heard.n, 0);
    ck_assert_ok(ri_log_snapshot(log_, "/copy"));
    ck_assert_uint_eq(heard.n, 1);
    ck_assert_uint_eq(heard.position, BLOCK);
    ri_log_close(log_);
    disk.bad_path = NULL;
    opts.dir = "/copy";
    opts.read_only = false;
    ck_assert_ok(ri_log_open(&log_, &opts));
    take_track();
    uint64_t good = read_all();
    ck_assert(good < RECORDS && good >= RECORDS - BLOCK / DATA);
    ck_assert_uint_ge(check_log(), 1);
    teardown();
}
END_TEST

/* ---- Segments that were larger ---- */

START_TEST(test_smaller_segments_at_a_later_opening)
{
    enum { LARGE = 3 << 20, BIG = 600000 };
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    segment_bytes = LARGE;
    open_log();
    for (int n = 0; n < 20; n++) {
        append(BIG);
        ck_assert_ok(ri_log_commit(log_));
    }
    ri_log_close(log_);
    segment_bytes = 262144;
    open_log();
    append(BIG); /* as it did */
    for (uint64_t seq = 1; seq <= 18; seq++)
        if (seq % 4) ck_assert_ok(ri_track_remove(track, seq, false));
    ck_assert_ok(ri_log_commit(log_));
    ri_log_stats before, after;
    ri_log_status(log_, &before);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_ge(ri_log_clean(log_), 0);
        ck_assert_ok(ri_log_commit(log_));
    }
    ri_log_status(log_, &after);
    ck_assert_uint_ge(after.cleaned, 1);
    ck_assert_uint_le(after.used_bytes, before.used_bytes);
    ck_assert_uint_eq(heard.n, 0);
    ck_assert_uint_eq(read_all(), 4 + 3);
    teardown();
}
END_TEST

START_TEST(test_salvage_of_a_large_record)
{
    ri_host_init(&host, NULL);
    fake_os_init(&disk);
    segment_bytes = 26 << 20;
    open_log();
    append(20 << 20);
    ck_assert_ok(ri_log_commit(log_));
    ri_log_close(log_);
    segment_bytes = 0;
    told t = {0};
    uint64_t records;
    ri_log_opts opts = opts_of(&t);
    ck_assert_ok(ri_log_salvage(&opts, "/saved", &records));
    ck_assert_uint_eq(records, 1);
    ck_assert_uint_eq(t.n, 0);
    opts.dir = "/saved";
    ck_assert_ok(ri_log_open(&log_, &opts));
    take_track();
    ck_assert_uint_eq(read_all(), 1);
    teardown();
}
END_TEST

SUITE_MAIN("damage", test_a_reader_tells_of_a_record, test_a_reader_tells_of_a_sector,
           test_a_reader_tells_of_a_footer, test_footers_that_lie, test_the_cleaner_tells_once,
           test_what_is_erased_takes_no_other, test_a_copy_not_yet_written, test_unreadable_blocks,
           test_a_disk_that_is_gone, test_a_file_without_a_name, test_snapshot_around_a_block,
           test_smaller_segments_at_a_later_opening, test_salvage_of_a_large_record)
