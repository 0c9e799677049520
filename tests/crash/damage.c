/* SPDX-License-Identifier: Apache-2.0 */
/* Damages by the dice to stores of several segments with spares, and what becomes of them:
 *
 *     damage [--count N] [--from SEED] [-v]     N damages, some to each store
 *
 * After each: nothing that was acknowledged vanishes in silence, nothing that was removed comes
 * back in silence, no byte is served that was not written, no sequence is given twice, what is
 * damaged is not written to, and opening and readers, check and salvage tell the same. A damage
 * that nobody tells of is harmless (the log shows all that it should), or it is proven
 * undetectable: the log shows exactly one of the states that it was in, so a power loss might have
 * left these files. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "support/fake_os.h"
#include "support/log_model.h"

enum {
    SEGMENT = 16384, FILES_MAX = 64, MOMENTS = 4, STATES_MAX = 120, STEPS = 500, EACH = 40,
    TOLD_MAX = 64
};

typedef enum hurt { /* what is done to a store */
    HURT_ZERO_64, HURT_ZERO_512, HURT_ZERO_4096, HURT_HEAD, HURT_BIT, HURT_BYTE, HURT_CUT,
    HURT_GONE, HURT_SWAP, HURT_STALE, HURT_TWICE, HURT_NOISE, HURTS
} hurt;
static const char *const hurt_names[HURTS] = {
    "64 bytes zeroed", "512 bytes zeroed", "4096 bytes zeroed", "first bytes zeroed",
    "a bit flipped", "a byte changed", "file cut short", "file deleted", "two files swapped",
    "file of an earlier moment", "file there twice", "512 bytes of noise",
};

typedef struct file {
    char path[64], why[200]; /* why: what was told of it */
    unsigned char *bytes;
    size_t len, damaged_to;
} file;

typedef struct moment { /* all files at one time */
    file files[FILES_MAX];
    size_t n;
} moment;

typedef struct store {
    moment moments[MOMENTS];   /* the last: as it was left */
    model states[STATES_MAX];  /* that were committed, the last one in the end */
    size_t nstates;
    bool closed;               /* in order */
} store;

typedef struct told {
    uint64_t n;
    char files[TOLD_MAX][64], sentences[TOLD_MAX][200];
    uint64_t ends[TOLD_MAX]; /* of the damaged bytes */
} told;

typedef struct tally {
    uint64_t done, told, harmless, undetectable, refused;
} tally;

static ri_host host;
static uint64_t seed_now, damage_now;
static bool verbose;
static hurt hurt_now;
static char what_now[200];

#define NEED(holds, ...)                                                                          \
    do {                                                                                          \
        if (holds) break;                                                                         \
        fprintf(stderr, "seed %" PRIu64 ", damage %" PRIu64 " (%s): ", seed_now, damage_now,      \
                what_now);                                                                        \
        fprintf(stderr, __VA_ARGS__);                                                             \
        fputc('\n', stderr);                                                                      \
        exit(EXIT_FAILURE);                                                                       \
    } while (0)

static void hear(void *arg, const ri_damage *damage)
{
    told *t = arg;
    if (t->n < TOLD_MAX) {
        snprintf(t->files[t->n], sizeof t->files[0], "%s", damage->file ? damage->file : "");
        snprintf(t->sentences[t->n], sizeof t->sentences[0], "%s", damage->sentence);
        t->ends[t->n] = damage->end ? damage->end : damage->position;
    }
    t->n++;
}

static void entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0x5a, len); /* the log's id: the same each run */
}

static ri_log_opts opts_of(fake_os *disk, told *t)
{
    return (ri_log_opts){.host = &host, .os = &disk->os, .dir = "/log", .segment_bytes = SEGMENT,
                         .damage = hear, .arg = t};
}

/* ---- Stores ---- */

static void moment_take(moment *m, fake_os *disk)
{
    const char *name;
    for (size_t i = 0; (name = fake_os_name(disk, i)) != NULL && m->n < FILES_MAX; i++) {
        file *f = &m->files[m->n++];
        const unsigned char *bytes = fake_os_bytes(disk, name, &f->len);
        snprintf(f->path, sizeof f->path, "%s", name);
        f->bytes = malloc(f->len + 1);
        NEED(f->bytes, "out of memory");
        if (f->len) memcpy(f->bytes, bytes, f->len);
    }
}

static void moment_free(moment *m)
{
    for (size_t i = 0; i < m->n; i++) free(m->files[i].bytes);
    m->n = 0;
}

static file *moment_file(moment *m, const char *path)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->files[i].path, path) == 0) return &m->files[i];
    return NULL;
}

static void moment_copy(moment *to, const moment *from)
{
    to->n = from->n;
    for (size_t i = 0; i < from->n; i++) {
        to->files[i] = from->files[i];
        to->files[i].bytes = malloc(from->files[i].len + 1);
        NEED(to->files[i].bytes, "out of memory");
        memcpy(to->files[i].bytes, from->files[i].bytes, from->files[i].len);
    }
}

static void moment_put(const moment *m, fake_os *disk)
{
    fake_os_init(disk);
    for (size_t i = 0; i < m->n; i++) {
        const file *f = &m->files[i];
        int fd = disk->os.open(disk, f->path, O_RDWR | O_CREAT, 0600);
        NEED(fd >= 0, "open %s", f->path);
        if (f->len) disk->os.pwrite(disk, fd, f->bytes, f->len, 0);
        disk->os.close(disk, fd);
    }
}

static void store_state(store *s, const model *now)
{
    if (s->nstates == STATES_MAX) { /* the oldest is given up */
        model_free(&s->states[0]);
        memmove(s->states, s->states + 1, (STATES_MAX - 1) * sizeof s->states[0]);
        s->states[--s->nstates] = (model){0};
    }
    model_copy(&s->states[s->nstates++], now);
}

/* Random work, which is what crash_sim does, too; the rest is appended faster than it dies. */
static void store_build(store *s, rng *r)
{
    fake_os disk;
    told t = {0};
    model now = {.gapless = true};
    ri_log *log;
    fake_os_init(&disk);
    ri_log_opts opts = opts_of(&disk, &t);
    NEED(ri_log_open(&log, &opts) == 0, "open: %s", ri_err_text());
    size_t steps = STEPS + rng_below(r, STEPS);
    for (size_t i = 0; i < steps; i++) {
        NEED(model_change(&now, log, r) == 0, "change: %s", ri_err_text());
        if (i * MOMENTS / steps < (i + 1) * MOMENTS / steps && i + 1 < steps)
            moment_take(&s->moments[i * MOMENTS / steps], &disk);
        if (rng_below(r, 3) == 0) NEED(ri_log_clean(log) >= 0, "clean: %s", ri_err_text());
        if (rng_below(r, 5)) continue;
        NEED(ri_log_commit(log) == 0, "commit: %s", ri_err_text());
        store_state(s, &now);
    }
    NEED(ri_log_commit(log) == 0, "commit: %s", ri_err_text());
    store_state(s, &now);
    s->closed = rng_below(r, 2);
    disk.off = !s->closed;
    ri_log_close(log);
    disk.off = false;
    moment_take(&s->moments[MOMENTS - 1], &disk);
    NEED(t.n == 0, "a damage in a good store: %s", t.sentences[0]);
    model_free(&now);
    fake_os_fini(&disk);
}

static void store_free(store *s)
{
    for (size_t i = 0; i < MOMENTS; i++) moment_free(&s->moments[i]);
    for (size_t i = 0; i < s->nstates; i++) model_free(&s->states[i]);
    free(s);
}

/* ---- Damages ---- */

static void hurt_bytes(file *f, rng *r)
{
    static const size_t sizes[] = {64, 512, 4096, 0, 1, 1, 0, 0, 0, 0, 0, 512};
    size_t len = sizes[hurt_now], at = len ? rng_below(r, f->len / len + 1) * len : 0;
    if (hurt_now == HURT_HEAD) len = (size_t)64 << rng_below(r, 8);
    if (f->len <= len) at = 0;
    if (at >= f->len) at = f->len - len;
    len = len < f->len ? len : f->len;
    for (size_t i = at; i < at + len; i++) {
        if (hurt_now == HURT_BIT) f->bytes[i] ^= (unsigned char)(1u << rng_below(r, 8));
        else if (hurt_now == HURT_BYTE) f->bytes[i] ^= (unsigned char)(1 + rng_below(r, 255));
        else if (hurt_now == HURT_NOISE) f->bytes[i] = (unsigned char)rng_next(r);
        else f->bytes[i] = 0;
    }
    snprintf(what_now, sizeof what_now, "%s: %zu at %zu of %s", hurt_names[hurt_now], len, at,
             f->path);
}

static void hurt_swap(file *a, file *b)
{
    unsigned char *bytes = a->bytes;
    size_t len = a->len;
    a->bytes = b->bytes;
    a->len = b->len;
    b->bytes = bytes;
    b->len = len;
    snprintf(what_now, sizeof what_now, "%s and %s swapped", a->path, b->path);
}

static void hurt_copy(file *to, const file *from)
{
    free(to->bytes);
    to->len = from->len;
    to->bytes = malloc(from->len + 1);
    NEED(to->bytes, "out of memory");
    memcpy(to->bytes, from->bytes, from->len);
}

static void hurt_stale(store *s, file *f, rng *r)
{
    size_t which = rng_below(r, MOMENTS - 1);
    const file *old = moment_file(&s->moments[which], f->path);
    snprintf(what_now, sizeof what_now, "%s as it was at moment %zu", f->path, which);
    if (old) hurt_copy(f, old);
}

static void hurt_twice(store *s, moment *m, file *f, rng *r)
{
    size_t which = rng_below(r, MOMENTS);
    const file *old = moment_file(&s->moments[which], f->path);
    if (m->n == FILES_MAX || !old) return;
    file *twin = &m->files[m->n++];
    *twin = (file){.len = 0};
    snprintf(twin->path, sizeof twin->path, "/log/%08x.seg", (unsigned)rng_below(r, 4096) + 64);
    hurt_copy(twin, old);
    snprintf(what_now, sizeof what_now, "%s of moment %zu as %s, too", f->path, which, twin->path);
}

static void hurt_store(store *s, moment *m, rng *r)
{
    file *f = &m->files[rng_below(r, m->n)];
    hurt_now = (hurt)rng_below(r, HURTS);
    switch (hurt_now) {
    case HURT_ZERO_64:
    case HURT_ZERO_512:
    case HURT_ZERO_4096:
    case HURT_HEAD:
    case HURT_BIT:
    case HURT_BYTE:
    case HURT_NOISE:
        snprintf(what_now, sizeof what_now, "nothing");
        if (f->len) hurt_bytes(f, r);
        return;
    case HURT_CUT:
        f->len = f->len ? rng_below(r, f->len) : 0;
        snprintf(what_now, sizeof what_now, "%s cut at %zu", f->path, f->len);
        return;
    case HURT_GONE:
        snprintf(what_now, sizeof what_now, "%s deleted", f->path);
        free(f->bytes);
        *f = m->files[--m->n];
        return;
    case HURT_SWAP: hurt_swap(f, &m->files[rng_below(r, m->n)]); return;
    case HURT_STALE: hurt_stale(s, f, r); return;
    case HURT_TWICE: hurt_twice(s, m, f, r); return;
    case HURTS: return;
    }
}

/* ---- Judgement ---- */

static void scrub_all(ri_log *log, told *t)
{
    ri_scrub scrub = {.damage = hear, .arg = t};
    int rc, n = 0;
    while ((rc = ri_log_scrub(log, &scrub)) == 1) NEED(n++ < 1000, "the check does not end");
    NEED(rc == 0, "check: %d %s", rc, ri_err_text());
    NEED(scrub.damages == t->n, "the check counts %" PRIu64 " and tells %" PRIu64, scrub.damages,
         t->n);
}

/* Does the log show a state that it once was in? */
static bool was_a_state(const store *s, ri_log *log)
{
    char why[300];
    for (size_t i = s->nstates; i-- > 0;)
        if (!model_compare(&s->states[i], log, why, sizeof why)) return true;
    return false;
}

/* The files that the opening spoke of, as they are; what is derived may be made anew. */
static size_t note_files(fake_os *disk, const told *t, file *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n && i < TOLD_MAX; i++) {
        size_t len;
        const unsigned char *bytes = fake_os_bytes(disk, t->files[i], &len);
        if (!bytes || strstr(t->sentences[i], "made anew") || n == FILES_MAX) continue;
        if (strstr(t->sentences[i], "found again") || strstr(t->sentences[i], "twice")) continue;
        file *f = &out[n++];
        *f = (file){.len = len, .bytes = malloc(len + 1), .damaged_to = t->ends[i]};
        NEED(f->bytes, "out of memory");
        memcpy(f->bytes, bytes, len);
        snprintf(f->path, sizeof f->path, "%s", t->files[i]);
        snprintf(f->why, sizeof f->why, "%s", t->sentences[i]);
    }
    return n;
}

/* What stands behind the last commit may have been blanked: it counts no more than what it held. */
static bool same_or_blank(const file *f, const unsigned char *bytes, size_t len)
{
    size_t at = 0, end = len;
    if (len != f->len) return false;
    while (at < len && bytes[at] == f->bytes[at]) at++;
    while (end > at && bytes[end - 1] == f->bytes[end - 1]) end--;
    for (size_t i = at; i < end; i++)
        if (bytes[i]) return false;
    return at == len || at >= f->damaged_to;
}

static void check_files(fake_os *disk, file *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len;
        const unsigned char *bytes = fake_os_bytes(disk, files[i].path, &len);
        NEED(bytes && same_or_blank(&files[i], bytes, len),
             "the damaged file %s was written to: %s", files[i].path, files[i].why);
        free(files[i].bytes);
    }
}

static void check_sequences(const model *m, ri_log *log)
{
    for (unsigned i = 0; i < MODEL_TRACKS; i++) {
        ri_track *track;
        ri_track_info info;
        if (m->tracks[i].last_seq == 0) continue;
        if (ri_log_track(log, i + 1, model_opts(i), &track) < 0) continue;
        ri_track_status(track, &info);
        if (info.last_seq == 0) continue; /* nothing is left that says that there was one */
        NEED(info.last_seq >= m->tracks[i].last_seq, "track %u goes on behind %" PRIu64
             ", it was at %" PRIu64, i + 1, info.last_seq, m->tracks[i].last_seq);
    }
}

/* The log goes on for some segments: what it showed is there again, and what was added. */
static void work_on(fake_os *disk, ri_log *log, rng *r)
{
    ri_track *track;
    char data[400];
    memset(data, 'w', sizeof data);
    NEED(ri_log_track(log, 1, model_opts(0), &track) == 0, "track: %s", ri_err_text());
    uint64_t first = 0;
    for (int i = 0; i < 120; i++) {
        ri_record rec = {.subject = RI_STR("work"), .data = {data, 100 + rng_below(r, 300)}};
        NEED(ri_track_append(track, &rec) == 0, "append: %s", ri_err_text());
        if (!first) first = rec.seq;
        if (i % 10 == 9) NEED(ri_log_commit(log) == 0, "commit: %s", ri_err_text());
        NEED(ri_log_clean(log) >= 0, "clean: %s", ri_err_text());
    }
    NEED(ri_log_commit(log) == 0, "commit: %s", ri_err_text());
    ri_log_close(log);
    told t = {0};
    ri_log_opts opts = opts_of(disk, &t);
    NEED(ri_log_open(&log, &opts) == 0, "open again: %s", ri_err_text());
    NEED(ri_log_track(log, 1, model_opts(0), &track) == 0, "track: %s", ri_err_text());
    ri_cursor c;
    ri_record rec;
    ri_cursor_init(&c, track);
    for (uint64_t seq = first; seq < first + 120; seq++)
        NEED(ri_cursor_get(&c, seq, &rec) == 0, "%" PRIu64 " was added and is gone: %s", seq,
             ri_err_text());
    ri_cursor_fini(&c);
    ri_log_close(log);
}

static void print_told(const char *who, const told *t)
{
    for (size_t i = 0; i < t->n && i < TOLD_MAX; i++)
        fprintf(stderr, "   %s: %s\n", who, t->sentences[i]);
}

static void compare_salvage(const moment *m, const model_diff *shown, const told *all,
                            const model *now)
{
    fake_os disk;
    told t = {0};
    uint64_t records;
    model_diff saved;
    moment_put(m, &disk);
    ri_log_opts opts = opts_of(&disk, &t);
    int rc = ri_log_salvage(&opts, "/saved", &records);
    NEED(rc == 0, "salvage: %s", ri_err_text());
    if (t.n != all->n) {
        print_told("check", all);
        print_told("salvage", &t);
    }
    NEED(t.n == all->n, "salvage tells %" PRIu64 " damages, opening and check %" PRIu64, t.n,
         all->n);
    t = (told){0};
    opts.dir = "/saved";
    ri_log *log;
    NEED(ri_log_open(&log, &opts) == 0 && !t.n, "what was saved: %s", ri_err_text());
    model_differ(now, log, &saved);
    NEED(saved.lost == shown->lost && saved.changed <= shown->changed + shown->revived,
         "%" PRIu64 " are lost, %" PRIu64 " other, %" PRIu64 " back; of what was saved %" PRIu64
         ", %" PRIu64 ", %" PRIu64, shown->lost, shown->changed, shown->revived, saved.lost,
         saved.changed, saved.revived);
    ri_log_close(log);
    fake_os_fini(&disk);
}

static void judge(store *s, const moment *m, tally *tallies, rng *r)
{
    fake_os disk;
    ri_log *log;
    told opening = {0}, all = {0};
    tally *count = &tallies[hurt_now];
    const model *now = &s->states[s->nstates - 1];
    file kept[FILES_MAX];
    moment_put(m, &disk);
    ri_log_opts opts = opts_of(&disk, &opening);
    int rc = ri_log_open(&log, &opts);
    count->done++;
    if (rc < 0) {
        NEED(rc == RILL_ECORRUPT, "open: %d %s", rc, ri_err_text());
        count->refused++;
        fake_os_fini(&disk);
        return;
    }
    size_t nkept = note_files(&disk, &opening, kept);
    model_diff diff;
    uint64_t found = opening.n;
    model_differ(now, log, &diff); /* who reads meets what opening did not see */
    scrub_all(log, &all);
    ri_log_stats stats;
    ri_log_status(log, &stats);
    NEED(all.n == opening.n && all.n == stats.damages, "told are %" PRIu64 ", counted %" PRIu64
         ", the check tells %" PRIu64, opening.n, stats.damages, all.n);
    /* What comes back may be of a track that had the same id: then it has other bytes. */
    bool silent = !all.n && (diff.lost || diff.revived || diff.short_by || diff.changed);
    if (silent) NEED(was_a_state(s, log), "%" PRIu64 " lost, %" PRIu64 " back, %" PRIu64 " other, "
                     "%" PRIu64 " sequences short, in silence", diff.lost, diff.revived,
                     diff.changed, diff.short_by);
    if (silent) NEED(!s->closed, "an earlier state, although the log was closed in order");
    count->undetectable += silent;
    count->told += all.n > 0;
    count->harmless += !all.n && !silent;
    if (verbose && (silent || all.n))
        printf("%s: %s\n", what_now, silent ? "undetectable" : all.sentences[0]);
    /* Of a log that was not closed the end may go without trace; that a check finds what was erased
     * there comes too late for its numbers. */
    if (found || s->closed) check_sequences(now, log);
    if (!silent) compare_salvage(m, &diff, &all, now);
    work_on(&disk, log, r);
    check_files(&disk, kept, nkept);
    fake_os_fini(&disk);
}

static void store_run(uint64_t seed, uint64_t *left, tally *tallies)
{
    rng r;
    rng_init(&r, seed);
    store *s = calloc(1, sizeof *s);
    seed_now = seed;
    NEED(s, "out of memory");
    store_build(s, &r);
    for (damage_now = 0; damage_now < EACH && *left; damage_now++, --*left) {
        moment *m = calloc(1, sizeof *m);
        NEED(m, "out of memory");
        moment_copy(m, &s->moments[MOMENTS - 1]);
        rng each;
        rng_init(&each, seed * 1000 + damage_now);
        hurt_store(s, m, &each);
        judge(s, m, tallies, &each);
        moment_free(m);
        free(m);
    }
    store_free(s);
}

int main(int argc, char **argv)
{
    uint64_t count = 1000, from = 1;
    tally tallies[HURTS] = {0}, sum = {0};
    for (int i = 1; i < argc; i++) {
        uint64_t *to = strcmp(argv[i], "--count") == 0 ? &count
                       : strcmp(argv[i], "--from") == 0 ? &from : NULL;
        if (strcmp(argv[i], "-v") == 0) verbose = true;
        else if (to && i + 1 < argc) *to = strtoull(argv[++i], NULL, 0);
        else return 2;
    }
    ri_host_init(&host, NULL);
    host.entropy = entropy;
    for (uint64_t seed = from, left = count; left; seed++) store_run(seed, &left, tallies);
    printf("%-28s %7s %7s %9s %8s %13s\n", "damage", "done", "told", "refused", "harmless",
           "undetectable");
    for (int i = 0; i <= HURTS; i++) {
        const tally *t = i < HURTS ? &tallies[i] : &sum;
        printf("%-28s %7" PRIu64 " %7" PRIu64 " %9" PRIu64 " %8" PRIu64 " %13" PRIu64 "\n",
               i < HURTS ? hurt_names[i] : "all", t->done, t->told, t->refused, t->harmless,
               t->undetectable);
        sum = (tally){sum.done + t->done, sum.told + t->told, sum.harmless + t->harmless,
                      sum.undetectable + t->undetectable, sum.refused + t->refused};
    }
    return EXIT_SUCCESS;
}
