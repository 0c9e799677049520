/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the live records of a log as tests/read_store.py does, or makes a log to print:
 *
 *     dump_store DIRECTORY            one line a record
 *     dump_store --make DIRECTORY S   random work of seed S on a new log there, closed in order
 *     dump_store --grow DIRECTORY     what is there goes on by some files, and is cleaned */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "support/log_model.h"

enum { DUMP_STEPS = 1500, DUMP_COMMIT = 7 };

static ri_host host;

static void dump_damage(void *arg, const ri_damage *damage)
{
    (void)arg;
    fprintf(stderr, "damage: %s\n", damage->sentence);
}

static int dump_entropy_seed;

static void dump_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, dump_entropy_seed, len);
}

static ri_log *dump_open(const char *dir, bool read_only)
{
    ri_log *log;
    ri_log_opts opts = {.host = &host, .os = ri_os_posix(), .dir = dir, .segment_bytes = 16384,
                        .damage = dump_damage, .read_only = read_only};
    if (ri_log_open(&log, &opts) == 0) return log;
    fprintf(stderr, "%s\n", ri_err_text());
    return NULL;
}

static int dump_make(const char *dir, uint64_t seed)
{
    dump_entropy_seed = (int)seed;
    host.entropy = dump_entropy;
    ri_log *log = dump_open(dir, false);
    if (!log) return 1;
    model m = {0};
    rng r;
    rng_init(&r, seed);
    int rc = 0;
    for (int i = 0; rc >= 0 && i < DUMP_STEPS; i++) {
        rc = model_change(&m, log, &r);
        if (rc == 0 && i % DUMP_COMMIT == 0) rc = ri_log_commit(log);
        if (rc == 0 && i % (5 * DUMP_COMMIT) == 0) rc = ri_log_clean(log);
    }
    if (rc < 0) fprintf(stderr, "%s\n", ri_err_text());
    ri_log_close(log);
    model_free(&m);
    return rc < 0;
}

static int dump_grow(const char *dir)
{
    ri_log *log = dump_open(dir, false);
    ri_track *track;
    int rc = log ? ri_log_track(log, 1, NULL, &track) : -1;
    for (int i = 0; rc >= 0 && i < 600; i++) {
        char data[300] = {(char)i};
        ri_record r = {.time_ns = 1000 + i, .subject = RI_STR("grown"),
                       .data = {data, sizeof data}};
        rc = ri_track_append(track, &r);
        if (rc == 0 && i % 3) rc = ri_track_remove(track, r.seq, false);
        if (rc == 0 && i % 9 == 0) rc = ri_log_commit(log);
        if (rc == 0) rc = ri_log_clean(log);
    }
    ri_log_close(log);
    return rc < 0;
}

static int dump_track(ri_track *track, unsigned id)
{
    ri_cursor c;
    ri_record r;
    int rc;
    ri_cursor_init(&c, track);
    for (uint64_t from = 0; (rc = ri_cursor_next(&c, from, NULL, &r)) == 1; from = r.seq + 1) {
        uint32_t crc = ri_crc32c(0, r.headers.ptr, r.headers.len);
        crc = ri_crc32c(crc, r.data.ptr, r.data.len);
        printf("%u %" PRIu64 " %" PRId64 " %.*s %u %08x\n", id, r.seq, r.time_ns,
               r.subject.len ? (int)r.subject.len : 1, r.subject.len ? r.subject.ptr : "-", r.flags,
               crc);
    }
    ri_cursor_fini(&c);
    if (rc < 0) fprintf(stderr, "%s\n", ri_err_text());
    return rc;
}

int main(int argc, char **argv)
{
    ri_host_init(&host, NULL);
    if (argc == 4 && strcmp(argv[1], "--make") == 0)
        return dump_make(argv[2], strtoull(argv[3], NULL, 0));
    if (argc == 3 && strcmp(argv[1], "--grow") == 0) return dump_grow(argv[2]);
    if (argc != 2) return 2;
    ri_log *log = dump_open(argv[1], true);
    if (!log) return 1;
    int rc = 0;
    for (unsigned id = 1; id <= MODEL_TRACKS && rc == 0; id++) {
        ri_track *track;
        if (ri_log_track(log, id, NULL, &track) == 0) rc = dump_track(track, id);
    }
    ri_log_close(log);
    return rc < 0;
}
