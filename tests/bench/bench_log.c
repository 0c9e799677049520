/* SPDX-License-Identifier: Apache-2.0 */
/* The log by itself: records of 128 bytes, medians of five rounds.
 *
 *     bench_log DIRECTORY [--records N | --gb N]
 *
 * append        memory level, into a log in memory
 * synced        4096 records a commit, write and sync
 * one           a commit each, against pwrite + fdatasync of the same bytes over a written file
 * peers         the synced work by redis, SQLite and LMDB, those that are here, in turns with ours
 * read          all of it back, against copying the segments out of the page cache
 * filter        one subject of a hundred, against reading all
 * fifty         a turn that touches 50 tracks, against one */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "bench_log_peers.h"
#include "store/log.h"

enum { BENCH_STORED = 168 }; /* bytes that a record takes in the file */

static ri_host host;
static char path[4096], data[BENCH_RECORD];
static uint64_t records = 1000000;

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

static ri_log *bench_open(const char *name, bool disk)
{
    ri_log *log;
    static char dir[4200];
    snprintf(dir, sizeof dir, "%s/%s", path, name);
    ri_log_opts opts = {.host = &host, .os = disk ? ri_os_posix() : NULL, .dir = dir};
    bench_need(ri_log_open(&log, &opts));
    return log;
}

static void bench_append(ri_track *track, uint64_t i, bool subjects)
{
    char subject[32];
    int len = subjects ? snprintf(subject, sizeof subject, "orders.%" PRIu64, i % 100)
                       : snprintf(subject, sizeof subject, "orders.eu");
    ri_record r = {.time_ns = (int64_t)i, .subject = {subject, (size_t)len},
                   .data = {data, sizeof data}};
    bench_need(ri_track_append(track, &r));
}

static double bench_memory(void)
{
    double all[BENCH_ROUNDS];
    ri_record r = {.time_ns = 1, .subject = RI_STR("orders.eu"), .data = {data, sizeof data}};
    for (int round = 0; round < BENCH_ROUNDS; round++) {
        ri_log *log = bench_open("none", false);
        ri_track *track;
        bench_need(ri_log_track(log, 1, NULL, &track));
        uint64_t n = 100000;
        double start = 0;
        for (uint64_t i = 0; i < 2 * n; i++) { /* the second half is timed */
            if (i == n) start = bench_now();
            r.seq = 0;
            bench_need(ri_track_append(track, &r));
            if (i % BENCH_TURN == 0) bench_need(ri_log_commit(log));
        }
        all[round] = (bench_now() - start) / (double)n;
        ri_log_close(log);
    }
    return bench_median(all);
}

static double bench_synced(ri_log *log, uint64_t tracks, uint64_t turn, uint64_t n)
{
    ri_track *track[64];
    for (uint64_t i = 0; i < tracks; i++) bench_need(ri_log_track(log, i + 100, NULL, &track[i]));
    double start = bench_now();
    for (uint64_t i = 0; i < n; i++) {
        bench_append(track[i % tracks], i, false);
        if (i % turn == turn - 1) bench_need(ri_log_commit(log));
    }
    bench_need(ri_log_commit(log));
    return (bench_now() - start) / (double)n;
}

static double bench_raw(uint64_t n)
{
    char name[4200], bytes[256] = {1};
    snprintf(name, sizeof name, "%s/raw", path);
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

typedef struct bench_peer {
    const char *name;
    double (*run)(const char *dir, uint64_t n);
    uint64_t n; /* records of a round */
} bench_peer;

/* Ours and theirs in turns, so that a slow moment of the disk meets both. */
static void bench_peers(ri_log *log)
{
    static const bench_peer peers[] = {{"redis, AOF always", bench_redis, 40960},
                                       {"SQLite, WAL FULL", bench_sqlite, 50000},
                                       {"LMDB", bench_lmdb, 50000}};
    for (size_t p = 0; p < sizeof peers / sizeof *peers; p++) {
        double ours[BENCH_ROUNDS], theirs[BENCH_ROUNDS];
        for (int i = 0; i < BENCH_ROUNDS; i++) {
            ours[i] = bench_synced(log, 1, BENCH_TURN, 40 * BENCH_TURN);
            if ((theirs[i] = peers[p].run(path, peers[p].n)) <= 0) break;
            if (i < BENCH_ROUNDS - 1) continue;
            double a = bench_median(ours), b = bench_median(theirs);
            printf("%-25s %8.1f ns a record, ours %.1f: %.1f times faster\n", peers[p].name, b, a,
                   b / a);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    snprintf(path, sizeof path, "%s", argv[1]);
    if (argc == 4) records = strtoull(argv[3], NULL, 0);
    if (argc == 4 && strcmp(argv[2], "--gb") == 0) records = records * 1000000000 / BENCH_STORED;
    ri_host_init(&host, NULL);
    printf("append, memory level       %8.1f ns a record\n", bench_memory());
    ri_log *log = bench_open("log", true);
    double turn[BENCH_ROUNDS], fifty[BENCH_ROUNDS], one[BENCH_ROUNDS], raw[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        turn[i] = bench_synced(log, 1, BENCH_TURN, 200000);
        fifty[i] = bench_synced(log, 50, BENCH_TURN, 200000);
        one[i] = bench_synced(log, 1, 1, 300);
        raw[i] = bench_raw(300);
    }
    double t = bench_median(turn), f = bench_median(fifty), o = bench_median(one);
    double w = bench_median(raw);
    printf("synced, 4096 a commit      %8.1f ns a record, %.2f M/s\n", t, 1e3 / t);
    printf("the same over 50 tracks    %8.1f ns a record, %.2f of the rate\n", f, t / f);
    printf("synced, one at a time      %8.1f us, %.2f of pwrite + fdatasync\n", o / 1e3, o / w);
    bench_peers(log);
    ri_track *track;
    bench_need(ri_log_track(log, 1, &(ri_track_opts){.subjects = true}, &track));
    for (uint64_t i = 0; i < records; i++) {
        bench_append(track, i, true);
        if (i % BENCH_TURN == 0) bench_need(ri_log_commit(log));
    }
    ri_log_close(log);
    double start = bench_now();
    log = bench_open("log", true);
    printf("open                       %8.1f ms\n", (bench_now() - start) / 1e6);
    bench_need(ri_log_track(log, 1, NULL, &track));
    ri_str subject = RI_STR("orders.7");
    ri_filter filter = {&subject, 1};
    uint64_t all, few;
    double full[BENCH_ROUNDS], part[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        full[i] = bench_read(track, NULL, &all);
        part[i] = bench_read(track, &filter, &few);
    }
    double a = bench_median(full), p = bench_median(part);
    printf("read back                  %8.1f ns a record, %.2f GB/s\n", a / (double)all,
           (double)all * BENCH_STORED / a);
    char dir[4300];
    double copy[BENCH_ROUNDS];
    snprintf(dir, sizeof dir, "%s/log", path);
    for (int i = 0; i < BENCH_ROUNDS; i++) copy[i] = bench_page_cache(dir);
    printf("page-cache copy           %8.2f GB/s, read back at %.2f of it\n",
           1 / bench_median(copy), bench_median(copy) / (a / (double)all / BENCH_STORED));
    printf("filtered, %" PRIu64 " of %" PRIu64 "  %8.1f ms, %.0f times faster than all\n", few, all,
           p / 1e6, a / p);
    ri_log_close(log);
    return 0;
}
