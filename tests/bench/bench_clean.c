/* SPDX-License-Identifier: Apache-2.0 */
/* What giving space back costs: a store of files whose records die while others are appended.
 *
 *     bench_clean DIRECTORY [RECORDS]
 *
 * A quarter of RECORDS (of 128 bytes) is kept live; for each that is appended one dies:
 *
 *     queue    the oldest: whole segments die by themselves
 *     random   any: every segment has some live ones left, the cleaner's worst case
 *     compact  the one before of its subject, of a quarter of RECORDS subjects, found by compaction
 *     batches  the same of keys, in Kafka's record batches of 100, of which the dead are left out
 *
 * written  bytes given to the disk by bytes of records appended. It holds the removals (48 bytes
 *          each and 40 in a footer, in a row one), the footers, the names of the subjects in each
 *          segment (in `compact` nearly one a record), and what the cleaner moved
 * alone    the same when nothing dies and nothing is cleaned
 * times    the one by the other: what giving space back makes of each byte that is written, which
 *          the essay of cleaner.c bounds
 * moved    the cleaner's part of it
 * files    size of the files by bytes of live records, at the end
 * slices   calls of the cleaner or of the compaction that had something to do; the processor time
 *          of the middle, the 99th of a hundred and the longest, and the most bytes moved by one:
 *          what a turn of the broker may wait
 *
 * Commits are given to the system, not synced: this is about bytes and processor time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "codec/kafka/kafka_batch.h"
#include "store/log/log.h"
#include "support/rng.h"
#include "support/scratch.h"

enum { CLEAN_DATA = 128, CLEAN_COMMIT = 500, CLEAN_BATCH = 100, CLEAN_SLICES_MAX = 1 << 22 };
enum { CLEAN_TURN = 4 }; /* slices between two commits, at most */

#define CLEAN_TIMES_MOST 2.0
#define CLEAN_SLICE_US_MOST 2000.0
#define CLEAN_SLICE_BYTES_MOST 1048576.0

typedef enum clean_kind { CLEAN_QUEUE, CLEAN_RANDOM, CLEAN_COMPACT, CLEAN_BATCHES } clean_kind;

static const char *const clean_names[] = {"queue", "random", "compact", "batches"};
static ri_host host;
static uint64_t records = 2000000;
static uint64_t *live;       /* sequences, in no order */
static float *slices;        /* microseconds */
static size_t nslices;
static uint64_t slice_bytes; /* the most that was moved by one */
static char data[CLEAN_DATA];

static double clean_cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void clean_need(int rc)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s\n", ri_err_text());
    exit(EXIT_FAILURE);
}

static int clean_less(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* As the broker does between two commits; 1 if there is more. */
static int clean_slice(ri_log *log)
{
    ri_log_stats before, after;
    ri_log_status(log, &before);
    double start = clean_cpu_us();
    int more = ri_log_clean(log);
    clean_need(more);
    if (more == 0) clean_need(more = ri_log_compact(log, 1));
    double took = clean_cpu_us() - start;
    ri_log_status(log, &after);
    slice_bytes = RI_MAX(slice_bytes, after.copied_bytes - before.copied_bytes);
    if (more && nslices < CLEAN_SLICES_MAX) slices[nslices++] = (float)took;
    return more;
}

/* One in a hundred records appends a batch. */
static void clean_batch(ri_track *track, uint64_t i, rng *r)
{
    if (i % CLEAN_BATCH) return;
    ri_buffer out;
    ri_kafka_builder b;
    ri_kafka_batch head = {.leader_epoch = -1, .max_timestamp_ms = -1, .producer_id = -1,
                           .producer_epoch = -1, .base_sequence = -1};
    ri_buffer_init(&out, &host);
    ri_kafka_builder_begin(&b, &out, &head);
    for (int n = 0; n < CLEAN_BATCH; n++) {
        char key[32];
        int len = snprintf(key, sizeof key, "orders.%" PRIu64, rng_below(r, records / 4));
        clean_need(ri_kafka_builder_add(&b, &(ri_kafka_record){
            .offset = n, .timestamp_ms = (int64_t)i, .key = {key, (size_t)len},
            .value = {data, sizeof data}}));
    }
    clean_need(ri_kafka_builder_end(&b));
    ri_batch_receipt receipt;
    clean_need(ri_track_append_batch(track, ri_buffer_str(&out), &receipt));
    ri_buffer_fini(&out);
}

static void clean_step(ri_track *track, clean_kind kind, bool dies, uint64_t i, rng *r)
{
    if (kind == CLEAN_BATCHES) {
        clean_batch(track, i, r);
        return;
    }
    char subject[32];
    uint64_t kept = records / 4, key = kind == CLEAN_COMPACT ? rng_below(r, kept) : i % 100;
    int len = snprintf(subject, sizeof subject, "orders.%" PRIu64, key);
    ri_record rec = {.time_ns = (int64_t)i, .subject = {subject, (size_t)len},
                     .data = {data, sizeof data}};
    uint64_t at = kind == CLEAN_RANDOM && i >= kept ? rng_below(r, kept) : i % kept;
    if (kind != CLEAN_COMPACT && dies && i >= kept)
        clean_need(ri_track_remove(track, live[at], false));
    clean_need(ri_track_append(track, &rec));
    live[at] = rec.seq;
}

/* The work, in a directory that is gone behind it; a log that nothing dies in is not cleaned. */
static void clean_run(const char *top, clean_kind kind, bool dies, ri_log_stats *s)
{
    char dir[4200];
    ri_log *log;
    ri_track *track;
    rng r;
    rng_init(&r, 1);
    nslices = slice_bytes = 0;
    snprintf(dir, sizeof dir, "%s/bench-clean-%s-%ld", top, clean_names[kind], (long)time(NULL));
    ri_log_opts opts = {.host = &host, .os = ri_os_posix(), .dir = dir,
                        .safety = RI_SAFETY_WRITTEN};
    ri_track_opts how = {.subjects = kind == CLEAN_COMPACT, .batches = kind == CLEAN_BATCHES};
    clean_need(ri_log_open(&log, &opts));
    clean_need(ri_log_track(log, 1, &how, &track));
    if (dies && kind >= CLEAN_COMPACT)
        clean_need(ri_track_compact(track, &(ri_compact_rule){.tombstone_ns = 1, .dirty = 500}));
    for (uint64_t i = 0; i < records; i++) {
        clean_step(track, kind, dies, i, &r);
        if (i % CLEAN_COMMIT) continue;
        for (int n = 0; dies && n < CLEAN_TURN && clean_slice(log); n++) {}
        clean_need(ri_log_commit(log));
    }
    ri_log_status(log, s);
    ri_log_close(log);
    scratch_remove(dir);
}

static bool clean_row(const char *top, clean_kind kind)
{
    ri_log_stats alone, s;
    clean_run(top, kind, false, &alone);
    clean_run(top, kind, true, &s);
    qsort(slices, nslices, sizeof *slices, clean_less);
    double written = (double)s.written_bytes / (double)s.appended_bytes;
    double append = (double)alone.written_bytes / (double)alone.appended_bytes;
    double longest = nslices ? (double)slices[nslices - 1] : 0;
    bool held = written / append <= CLEAN_TIMES_MOST && longest <= CLEAN_SLICE_US_MOST &&
                (double)slice_bytes <= CLEAN_SLICE_BYTES_MOST;
    printf("%-8s %7.2f %7.2f %7.2f %7.2f %7.2f %8zu %6.0f us %6.0f us %6.0f us %6.0f KiB  %s\n",
           clean_names[kind], written, append, written / append,
           (double)s.copied_bytes / (double)s.appended_bytes,
           (double)s.used_bytes / (double)RI_MAX(s.live_bytes, (uint64_t)1), nslices,
           nslices ? (double)slices[nslices / 2] : 0,
           nslices ? (double)slices[nslices * 99 / 100] : 0, longest,
           (double)slice_bytes / 1024, held ? "held" : "MISSED");
    fflush(stdout);
    return held;
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    if (argc > 2) records = strtoull(argv[2], NULL, 0);
    if (records < 1000) return 2;
    ri_host_init(&host, NULL);
    live = calloc(records / 4, sizeof *live);
    slices = calloc(CLEAN_SLICES_MAX, sizeof *slices);
    if (!live || !slices) return EXIT_FAILURE;
    printf("%" PRIu64 " records of %d bytes, a quarter live; must be: times <= %.1f, a slice"
           " <= %.0f us and %.0f KiB\n", records, CLEAN_DATA, CLEAN_TIMES_MOST,
           CLEAN_SLICE_US_MOST, CLEAN_SLICE_BYTES_MOST / 1024);
    printf("%-8s %7s %7s %7s %7s %7s %8s %9s %9s %9s %10s\n", "", "written", "alone", "times",
           "moved", "files", "slices", "middle", "99 of 100", "longest", "most bytes");
    bool held = true;
    for (int kind = CLEAN_QUEUE; kind <= CLEAN_BATCHES; kind++)
        held = clean_row(argv[1], (clean_kind)kind) && held;
    free(live);
    free(slices);
    return held ? EXIT_SUCCESS : EXIT_FAILURE;
}
