/* SPDX-License-Identifier: Apache-2.0 */
/* The log by itself: records of 128 bytes, medians of five rounds, one row each with the figure,
 * what it is compared with, what it must be and what is aimed at. Exit code 1 if a row falls short.
 *
 *     bench_log DIRECTORY [--only WORD] [--records N | --gb N]
 *
 * --only runs the rows whose work begins with WORD. --records and --gb are the size of the log
 * that is read back, filtered and opened: 10 M records unless told, 1.7 GB. A log of 10 GB,
 *
 *     bench_log DIRECTORY --only stored --gb 10
 *
 * append        memory level, into a log in memory, time of the append and a commit a turn: a track
 *               without a subject index; one with, its subjects drawn at random from 1000, and
 *               from a million (of which nearly every one is new to the segment)
 * synced        4096 records a commit, write and sync, against redis, SQLite and LMDB, those that
 *               are here, in turns with ours
 * fifty tracks  the same turn over 50 tracks, against one
 * one           a commit each, against pwrite + fdatasync of the same bytes over a written file
 * subjects      memory for each of 10 M, one record each
 * stored        a log of many records, subjects drawn at random from 100, is
 *                 opened;
 *                 read back, against copying the segments out of the page cache;
 *                 read by a filter that one subject, 1 % of the records, matches, against all */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "bench_log_peers.h"
#include "store/log/log.h"
#include "store/index/subject_index.h"
#include "support/scratch.h"
#include "table.h"

enum {
    BENCH_STORED = 168, /* bytes that a record takes in the file */
    BENCH_SUBJECTS = 10000000,
};

typedef struct bench_name {
    char text[31];
    uint8_t len;
} bench_name;

static ri_host host;
static char path[4096], data[BENCH_RECORD];
static const char *only = "";
static uint64_t records = 10000000;

double bench_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void bench_need(int rc)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s\n", ri_err_text());
    exit(1);
}

static int bench_less(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double bench_median(double *values)
{
    qsort(values, BENCH_ROUNDS, sizeof *values, bench_less);
    return values[BENCH_ROUNDS / 2];
}

static bool bench_wanted(const char *work)
{
    return strncmp(work, only, strlen(only)) == 0;
}

static uint64_t bench_random(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    return x ^= x << 17;
}

static char *bench_text(double value, const char *fmt) /* one that lives until the sixth after it */
{
    static char texts[6][64];
    static unsigned next;
    char *out = texts[next++ % 6];
    snprintf(out, sizeof texts[0], fmt, value);
    return out;
}

/* ---- Logs ---- */

static void bench_dir(char out[4200], const char *name)
{
    snprintf(out, 4200, "%s/%s", path, name);
}

/* What an earlier run left. */
static void bench_wipe(const char *name)
{
    char dir[4200];
    bench_dir(dir, name);
    scratch_remove(dir);
}

static ri_log *bench_open(const char *name, bool disk)
{
    ri_log *log;
    static char dir[4200];
    bench_dir(dir, name);
    ri_log_opts opts = {.host = &host, .os = disk ? ri_os_posix() : NULL, .dir = dir};
    bench_need(ri_log_open(&log, &opts));
    return log;
}

static void bench_append(ri_track *track, uint64_t i, ri_str subject)
{
    ri_record r = {.time_ns = (int64_t)i, .subject = subject, .data = {data, sizeof data}};
    bench_need(ri_track_append(track, &r));
}

/* ---- Appends in memory ---- */

/* As many names as appends, one after another in memory, drawn at random from `nsubjects`: as they
 * stand in what was just received. */
static bench_name *bench_names(uint64_t n, uint64_t nsubjects)
{
    bench_name *names = malloc(n * sizeof *names);
    if (!names) exit(1);
    for (uint64_t i = 0; i < n; i++) {
        unsigned drawn = (unsigned)(bench_random() % nsubjects);
        names[i].len = (uint8_t)snprintf(names[i].text, sizeof names[i].text, "orders.%02u.%07u",
                                         drawn % 100, drawn);
    }
    return names;
}

/* The second half is timed. */
static double bench_memory_once(const bench_name *names, uint64_t n, bool indexed)
{
    ri_log *log = bench_open("none", false);
    ri_track *track;
    bench_need(ri_log_track(log, 1, &(ri_track_opts){.subjects = indexed}, &track));
    double start = 0;
    for (uint64_t i = 0; i < 2 * n; i++) {
        if (i == n) start = bench_now();
        bench_append(track, 1, (ri_str){names[i].text, names[i].len});
        if (i % BENCH_TURN == 0) bench_need(ri_log_commit(log));
    }
    double each = (bench_now() - start) / (double)n;
    ri_log_close(log);
    return each;
}

static void bench_memory(const char *work, uint64_t n, uint64_t nsubjects, bool judged)
{
    if (!bench_wanted(work)) return;
    bench_name *names = bench_names(2 * n, nsubjects);
    double all[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) all[i] = bench_memory_once(names, n, nsubjects > 1);
    free(names);
    double each = bench_median(all);
    table_put(&(table_row){.work = work, .rill = bench_text(1e3 / each, "%.1f M/s"), .peer = "",
                           .value = each, .unit = " ns", .must = judged ? 60 : 0, .aim = 30,
                           .less = true});
}

static void bench_subjects(const char *work)
{
    if (!bench_wanted(work)) return;
    static ri_subject_index idx;
    ri_subject_index_init(&idx, &host);
    double start = bench_now();
    for (uint64_t i = 0; i < BENCH_SUBJECTS; i++) {
        char text[32];
        uint64_t k = i * 7368787 % BENCH_SUBJECTS; /* jumps about, each once */
        int len = snprintf(text, sizeof text, "orders.%02u.%010" PRIu64, (unsigned)(k % 100), k);
        bench_need(ri_subject_index_add(&idx, (ri_str){text, (size_t)len}, i + 1));
    }
    double each = (bench_now() - start) / BENCH_SUBJECTS;
    table_put(&(table_row){.work = work, .rill = bench_text(each, "%.0f ns to add"), .peer = "",
                           .value = (double)idx.slab.bytes / (double)idx.len, .unit = " B",
                           .must = 96, .aim = 48, .less = true});
    ri_subject_index_fini(&idx);
}

/* ---- Synced appends ---- */

static double bench_synced(ri_log *log, uint64_t tracks, uint64_t turn, uint64_t n)
{
    ri_track *track[64];
    for (uint64_t i = 0; i < tracks; i++) bench_need(ri_log_track(log, i + 100, NULL, &track[i]));
    double start = bench_now();
    for (uint64_t i = 0; i < n; i++) {
        bench_append(track[i % tracks], i, RI_STR("orders.eu"));
        if (i % turn == turn - 1) bench_need(ri_log_commit(log));
    }
    bench_need(ri_log_commit(log));
    return (bench_now() - start) / (double)n;
}

static double bench_raw(uint64_t n)
{
    char name[4200], bytes[256] = {1};
    bench_dir(name, "raw");
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0666);
    for (int i = 0; i < 4096; i++)
        if (pwrite(fd, bytes, sizeof bytes, i * (off_t)sizeof bytes) < 0) exit(1);
    fsync(fd);
    double start = bench_now();
    for (uint64_t i = 0; i < n; i++)
        if (pwrite(fd, bytes, 240, (off_t)(i % 4096) * 240) < 0 || fdatasync(fd) < 0) exit(1);
    double each = (bench_now() - start) / (double)n;
    close(fd);
    return each;
}

/* Ours and theirs in turns, so that a slow moment of the disk meets both. */
static void bench_peer(ri_log *log, const char *work, double must, uint64_t n,
                       double (*run)(const char *dir, uint64_t n))
{
    if (!bench_wanted(work)) return;
    double ours[BENCH_ROUNDS], theirs[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        ours[i] = bench_synced(log, 1, BENCH_TURN, 50 * BENCH_TURN);
        if ((theirs[i] = run(path, n)) <= 0) return;
    }
    double a = bench_median(ours), b = bench_median(theirs);
    table_put(&(table_row){.work = work, .rill = bench_text(1e3 / a, "%.2f M/s"),
                           .peer = bench_text(1e3 / b, "%.2f M/s"), .value = b / a, .unit = "x",
                           .must = must, .aim = 2 * must});
}

static void bench_fifty(ri_log *log, const char *work)
{
    if (!bench_wanted(work)) return;
    double one[BENCH_ROUNDS], fifty[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        one[i] = bench_synced(log, 1, BENCH_TURN, 50 * BENCH_TURN);
        fifty[i] = bench_synced(log, 50, BENCH_TURN, 50 * BENCH_TURN);
    }
    double a = bench_median(fifty), b = bench_median(one);
    table_put(&(table_row){.work = work, .rill = bench_text(1e3 / a, "%.2f M/s"),
                           .peer = bench_text(1e3 / b, "one track %.2f M/s"), .value = b / a,
                           .unit = "x", .must = 0.7, .aim = 0.9});
}

static void bench_one(ri_log *log, const char *work)
{
    if (!bench_wanted(work)) return;
    double ours[BENCH_ROUNDS], raw[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        ours[i] = bench_synced(log, 1, 1, 300);
        raw[i] = bench_raw(300);
    }
    double a = bench_median(ours), b = bench_median(raw);
    table_put(&(table_row){.work = work, .rill = bench_text(a / 1e3, "%.1f us"),
                           .peer = bench_text(b / 1e3, "pwrite+fdatasync %.1f us"),
                           .value = a / b, .unit = "x", .must = 1.3, .aim = 1.1, .less = true});
}

/* ---- A stored log ---- */

static double bench_fill(void)
{
    static const char *const words[] = {"new", "paid", "sent", "back"};
    bench_wipe("stored");
    ri_log *log = bench_open("stored", true);
    ri_track *track;
    bench_need(ri_log_track(log, 1, &(ri_track_opts){.subjects = true}, &track));
    bench_name names[100];
    for (unsigned i = 0; i < 100; i++)
        names[i].len = (uint8_t)snprintf(names[i].text, sizeof names[i].text, "orders.%u.%s", i,
                                         words[i % 4]);
    for (uint64_t i = 0; i < records; i++) {
        const bench_name *name = &names[bench_random() % 100];
        bench_append(track, i, (ri_str){name->text, name->len});
        if (i % BENCH_TURN == 0) bench_need(ri_log_commit(log));
    }
    ri_log_stats stats;
    bench_need(ri_log_commit(log));
    ri_log_status(log, &stats);
    ri_log_close(log);
    return (double)stats.used_bytes / 1e9;
}

static double bench_read(ri_track *track, const ri_filter *filter, uint64_t *seen)
{
    ri_cursor c;
    ri_record r;
    ri_cursor_init(&c, track);
    double start = bench_now();
    *seen = 0;
    for (uint64_t from = 1; ri_cursor_next(&c, from, filter, &r) == 1; from = r.seq + 1) ++*seen;
    double took = bench_now() - start;
    ri_cursor_fini(&c);
    return took;
}

static void bench_reads(ri_track *track)
{
    char dir[4200];
    bench_dir(dir, "stored");
    ri_str subject = RI_STR("orders.7.back");
    ri_filter filter = {&subject, 1};
    uint64_t all, few;
    double full[BENCH_ROUNDS], part[BENCH_ROUNDS], copy[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        full[i] = bench_read(track, NULL, &all);
        part[i] = bench_read(track, &filter, &few);
        copy[i] = bench_page_cache(dir);
    }
    double first = part[0], f = bench_median(full), p = bench_median(part);
    double read = (double)all * BENCH_STORED / f, cached = 1 / bench_median(copy);
    if (all != records) bench_need(ri_err(RILL_ECORRUPT, "%" PRIu64 " records came back", all));
    table_put(&(table_row){.work = "stored: read back", .rill = bench_text(read, "%.2f GB/s"),
                           .peer = bench_text(cached, "page-cache copy %.2f GB/s"),
                           .value = read / cached, .unit = "x", .must = 0.25, .aim = 0.5});
    char rill[64];
    snprintf(rill, sizeof rill, "%.1f ms, first %.1f", p / 1e6, first / 1e6);
    table_put(&(table_row){.work = "stored: filter, 1 % matches", .rill = rill,
                           .peer = bench_text(f / 1e6, "all of it %.1f ms"), .value = f / p,
                           .unit = "x", .must = 20, .aim = 100});
}

static void bench_stored(void)
{
    if (!bench_wanted("stored")) return;
    double gb = bench_fill(), start = bench_now();
    ri_log *log = bench_open("stored", true);
    double took = (bench_now() - start) / 1e6;
    table_put(&(table_row){.work = "stored: open", .rill = bench_text(gb, "a log of %.1f GB"),
                           .peer = "", .value = took, .unit = " ms", .must = 1000, .aim = 100,
                           .less = true});
    ri_track *track;
    bench_need(ri_log_track(log, 1, NULL, &track));
    bench_reads(track);
    ri_log_close(log);
    bench_wipe("stored");
}

static bool bench_args(int argc, char **argv)
{
    if (argc < 2 || argc % 2) return false;
    snprintf(path, sizeof path, "%s", argv[1]);
    for (int i = 2; i < argc; i += 2) {
        if (strcmp(argv[i], "--only") == 0) only = argv[i + 1];
        else records = strtoull(argv[i + 1], NULL, 0);
        if (strcmp(argv[i], "--gb") == 0) records = records * 1000000000 / BENCH_STORED;
    }
    return records > 0;
}

int main(int argc, char **argv)
{
    if (!bench_args(argc, argv)) return 2;
    ri_host_init(&host, NULL);
    bench_memory("append", 100000, 1, true);
    bench_memory("append, 1000 subjects", 100000, 1000, true);
    bench_memory("append, 1 M subjects", 1000000, 1000000, false);
    bench_subjects("subjects, memory of each of 10 M");
    bench_wipe("log");
    ri_log *log = bench_open("log", true);
    bench_peer(log, "synced, 4096 at once: redis", 8, 40960, bench_redis);
    bench_peer(log, "synced, 4096 at once: SQLite", 2, 50000, bench_sqlite);
    bench_peer(log, "synced, 4096 at once: LMDB", 1, 50000, bench_lmdb);
    bench_fifty(log, "fifty tracks a turn");
    bench_one(log, "one at a time, synced");
    ri_log_close(log);
    bench_wipe("log");
    bench_stored();
    return table_end() ? 1 : 0;
}
