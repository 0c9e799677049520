/* SPDX-License-Identifier: Apache-2.0 */
/* The log against a list: random appends, removals, purges, commits, cleanings and reopenings of
 * three tracks (indexed; plain; only the newest counts), and after each commit every way of
 * reading must say what the list says. In half of the runs the first two are compacted: only what
 * may die dies, and in the end all that must. In memory and on disk; RILL_SEED picks other runs. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "store/log/log.h"
#include "support/fault.h"
#include "support/match.h"
#include "support/rng.h"
#include "support/scratch.h"
#include "support/suite.h"

#define RECORDS 3000 /* of a track in one run at most */
#define SUBJECTS 60
#define TRACKS 3
#define DATA_MAX 700
#define TOMBSTONE 20 /* bytes of data that are none */
#define TOMBSTONE_NS RI_MS

typedef struct row {
    uint64_t seq;
    int64_t time_ns;
    uint32_t subject, flags;
    uint16_t headers_len, data_len;
    uint8_t fill; /* of the data: byte i is fill + i */
    bool live;
} row;

typedef struct model {
    row rows[RECORDS];
    size_t n;
    uint64_t last_seq;
    ri_track *track;
} model;

static const ri_track_opts track_opts[TRACKS] = {
    {.subjects = true}, {.subjects = false}, {.single_tail = true}};

static model models[TRACKS];
static char subjects[SUBJECTS][32];
static fault f;
static ri_log *the_log;
static ri_log_opts log_opts;
static rng r;
static int64_t now_ns;
static uint64_t seed;
static size_t step;

#define need(holds, ...)                                                            \
    do {                                                                            \
        if (!(holds)) {                                                             \
            fprintf(stderr, "seed %llu step %zu: ", (unsigned long long)seed, step); \
            fprintf(stderr, __VA_ARGS__);                                           \
            fprintf(stderr, " (%s)\n", ri_err_text());                              \
            ck_abort_msg("%s", #holds);                                             \
        }                                                                           \
    } while (0)

static void damage(void *arg, const ri_damage *told)
{
    (void)arg;
    need(false, "damage: %s", told->sentence);
}

static char pattern_byte(const row *w, size_t i)
{
    return (char)(w->fill + i * 7);
}

/* ---- Compaction ---- */

static bool is_tombstone(void *arg, const ri_record *rec)
{
    (void)arg;
    return rec->data.len < TOMBSTONE;
}

static const row *newer_row(const model *m, const row *w)
{
    for (const row *k = w + 1; k < m->rows + m->n; k++)
        if (k->live && k->subject == w->subject) return k;
    return NULL;
}

static bool may_go(const row *w)
{
    return w->data_len < TOMBSTONE && now_ns / RI_MS >= (w->time_ns + TOMBSTONE_NS) / RI_MS;
}

static void on_removed(void *arg, uint64_t seq)
{
    model *m = arg;
    row *w = m->rows;
    while (w < m->rows + m->n && w->seq != seq) w++;
    need(w < m->rows + m->n && w->live, "%llu was compacted away", (unsigned long long)seq);
    need(newer_row(m, w) || may_go(w), "%llu is the last of its key", (unsigned long long)seq);
    w->live = false;
}

static bool compacts(void)
{
    return seed % 2 == 0;
}

static void set_rule(size_t t)
{
    if (!compacts() || track_opts[t].single_tail) return;
    ri_compact_rule rule = {.tombstone_ns = TOMBSTONE_NS, .is_tombstone = is_tombstone,
                            .removed = on_removed, .arg = &models[t]};
    need(ri_track_compact(models[t].track, &rule) == 0, "compact");
}

static void check_compacted(bool late)
{
    for (size_t t = 0; t < TRACKS; t++) {
        const model *m = &models[t];
        if (track_opts[t].single_tail) continue;
        for (const row *w = m->rows; w < m->rows + m->n; w++) {
            if (!w->live) continue;
            need(!newer_row(m, w), "%llu of track %zu stays", (unsigned long long)w->seq, t);
            need(!late || !may_go(w), "tombstone %llu stays", (unsigned long long)w->seq);
        }
    }
}

/* Until nothing is left to do. Tombstones may go some time late, up to a second. */
static void do_compact(void)
{
    bool late = rng_below(&r, 4) == 0;
    now_ns += late ? 2 * RI_SEC : (int64_t)rng_below(&r, RI_MS);
    need(ri_log_commit(the_log) == 0, "commit");
    int more = 1;
    for (int i = 0; i < 1000 && more; i++) {
        more = ri_log_compact(the_log, now_ns);
        need(more >= 0, "compact");
        if (rng_below(&r, 4) == 0) need(ri_log_commit(the_log) == 0, "commit");
        if (rng_below(&r, 4) == 0) need(ri_log_clean(the_log) >= 0, "clean");
    }
    need(!more, "compaction does not end");
    check_compacted(late);
}

static void open_log(void)
{
    int rc = ri_log_open(&the_log, &log_opts);
    need(rc == 0, "open");
    for (uint64_t t = 0; t < TRACKS; t++) {
        rc = ri_log_track(the_log, t + 1, &track_opts[t], &models[t].track);
        need(rc == 0, "track %d", (int)t);
        set_rule(t);
    }
}

/* ---- Changing both ---- */

static void kill_row(row *w)
{
    w->live = false;
}

static void do_append(model *m, bool single_tail)
{
    if (m->n == RECORDS) return;
    row *w = &m->rows[m->n];
    static char text[DATA_MAX + 64];
    *w = (row){.live = true, .subject = (uint32_t)rng_below(&r, SUBJECTS),
               .flags = (uint32_t)rng_next(&r) & 0xff, .fill = (uint8_t)rng_next(&r)};
    if (rng_below(&r, 3)) w->subject %= 5;
    w->data_len = (uint16_t)rng_below(&r, rng_below(&r, 8) ? 60 : DATA_MAX);
    w->headers_len = rng_below(&r, 3) ? 0 : (uint16_t)(12 + rng_below(&r, 40));
    if (rng_below(&r, 2)) now_ns += (int64_t)rng_below(&r, 1000);
    w->time_ns = now_ns;
    for (size_t i = 0; i < sizeof text; i++) text[i] = pattern_byte(w, i);
    ri_record rec = {.time_ns = now_ns, .subject = ri_str_of(subjects[w->subject]),
                     .headers = {text, w->headers_len}, .data = {text, w->data_len},
                     .flags = w->flags};
    if (rng_below(&r, 30) == 0) rec.seq = m->last_seq + 1 + rng_below(&r, 200);
    uint64_t want = rec.seq ? rec.seq : m->last_seq + 1;
    int rc = ri_track_append(m->track, &rec);
    need(rc == 0 && rec.seq == want, "append %llu", (unsigned long long)want);
    for (size_t i = 0; i < m->n && single_tail; i++) kill_row(&m->rows[i]);
    w->seq = m->last_seq = want;
    m->n++;
}

static void do_remove(model *m)
{
    if (m->n == 0) return;
    row *w = &m->rows[rng_below(&r, 3) ? rng_below(&r, m->n) : m->n - 1 - rng_below(&r, m->n) / 8];
    int rc = ri_track_remove(m->track, w->seq, rng_below(&r, 4) == 0);
    need(rc == (w->live ? 0 : RILL_ENOENT), "remove %llu: %d", (unsigned long long)w->seq, rc);
    kill_row(w);
    need(ri_track_remove(m->track, m->last_seq + 1, false) == RILL_ENOENT, "remove of none");
}

static void do_purge(model *m)
{
    uint64_t before = rng_below(&r, m->last_seq + 3);
    if (rng_below(&r, 4)) before /= 2;
    need(ri_track_purge(m->track, before) == 0, "purge");
    for (size_t i = 0; i < m->n; i++) {
        if (m->rows[i].seq < before) kill_row(&m->rows[i]);
    }
}

static void do_skip(model *m)
{
    uint64_t to = m->last_seq + rng_below(&r, 60);
    need(ri_track_skip_to(m->track, to) == 0, "skip");
    if (to > m->last_seq + 1) m->last_seq = to - 1;
}

static void do_drop(size_t t)
{
    model *m = &models[t];
    need(ri_track_drop(m->track) == 0, "drop");
    m->n = 0;
    m->last_seq = 0;
    need(ri_log_track(the_log, t + 1, &track_opts[t], &m->track) == 0, "track again");
    set_rule(t);
}

/* ---- Comparing ---- */

static bool wanted(const row *w, const ri_str *filters, size_t n)
{
    bool match = n == 0;
    for (size_t i = 0; i < n; i++) {
        match = match || match_subject(filters[i], ri_str_of(subjects[w->subject]));
    }
    return w->live && match;
}

static void same_record(const row *w, const ri_record *rec)
{
    need(rec->seq == w->seq, "sequence %llu, not %llu", (unsigned long long)rec->seq,
         (unsigned long long)w->seq);
    need(rec->time_ns == w->time_ns && rec->flags == w->flags, "time, flags of %llu",
         (unsigned long long)w->seq);
    need(ri_str_is(rec->subject, subjects[w->subject]), "subject of %llu",
         (unsigned long long)w->seq);
    need(rec->data.len == w->data_len && rec->headers.len == w->headers_len, "lengths of %llu",
         (unsigned long long)w->seq);
    for (size_t i = 0; i < w->data_len; i++) {
        need(rec->data.ptr[i] == pattern_byte(w, i), "data of %llu", (unsigned long long)w->seq);
    }
    for (size_t i = 0; i < w->headers_len; i++) {
        need(rec->headers.ptr[i] == pattern_byte(w, i), "headers");
    }
}

static void check_status(const model *m, bool indexed)
{
    ri_track_info info;
    ri_track_status(m->track, &info);
    uint64_t count = 0, bytes = 0, distinct = 0, first = m->last_seq + 1;
    int64_t first_time = 0, last_time = 0;
    bool seen[SUBJECTS] = {false};
    for (size_t i = 0; i < m->n; i++) {
        const row *w = &m->rows[i];
        if (!w->live) continue;
        if (count++ == 0) {
            first = w->seq;
            first_time = w->time_ns;
        }
        last_time = w->time_ns;
        distinct += !seen[w->subject];
        seen[w->subject] = true;
        bytes += ri_record_bytes(&(ri_record){.subject = ri_str_of(subjects[w->subject]),
                                              .headers = {NULL, w->headers_len},
                                              .data = {NULL, w->data_len}}, false);
    }
    need(info.count == count, "count %llu, not %llu", (unsigned long long)info.count,
         (unsigned long long)count);
    need(info.first_seq == first, "first %llu, not %llu", (unsigned long long)info.first_seq,
         (unsigned long long)first);
    need(info.last_seq == m->last_seq && info.visible_seq == m->last_seq,
         "last %llu, visible %llu, not %llu", (unsigned long long)info.last_seq,
         (unsigned long long)info.visible_seq, (unsigned long long)m->last_seq);
    need(info.bytes == bytes, "bytes %llu, not %llu", (unsigned long long)info.bytes,
         (unsigned long long)bytes);
    need(info.first_time_ns == first_time && info.last_time_ns == last_time, "times");
    if (indexed) need(info.subjects == distinct, "%llu subjects, not %llu",
                      (unsigned long long)info.subjects, (unsigned long long)distinct);
}

static size_t make_filters(ri_str *out, char text[2][64])
{
    size_t n = rng_below(&r, 4) == 0 ? 0 : 1 + (rng_below(&r, 5) == 0);
    for (size_t i = 0; i < n; i++) {
        static const char *wild[] = {">", "*", "*.*", "a.>", "*.b", "a.*", "x.>", "*.*.*"};
        const char *s = rng_below(&r, 2) ? wild[rng_below(&r, RI_LEN(wild))]
                                         : subjects[rng_below(&r, SUBJECTS)];
        snprintf(text[i], 64, "%s", s);
        out[i] = ri_str_of(text[i]);
    }
    return n;
}

static void check_reads(const model *m)
{
    ri_cursor c;
    ri_cursor_init(&c, m->track);
    char text[2][64];
    ri_str filters[2];
    for (int i = 0; i < 6; i++) {
        size_t n = make_filters(filters, text);
        ri_filter filter = {filters, n};
        uint64_t from = rng_below(&r, m->last_seq + 3);
        const row *next = NULL, *prev = NULL, *exact = NULL;
        uint64_t count = 0;
        for (size_t k = 0; k < m->n; k++) {
            const row *w = &m->rows[k];
            if (w->seq == from && w->live) exact = w;
            if (!wanted(w, filters, n)) continue;
            if (w->seq >= from && !next) next = w;
            if (w->seq <= from) prev = w;
            count += w->seq >= from;
        }
        ri_record rec;
        int rc = ri_cursor_get(&c, from, &rec);
        need(rc == (exact ? 0 : RILL_ENOENT), "get %llu: %d", (unsigned long long)from, rc);
        if (exact) same_record(exact, &rec);
        rc = ri_cursor_next(&c, from, &filter, &rec);
        need(rc == (next != NULL), "next %llu of %s: %d", (unsigned long long)from,
             n ? text[0] : "all", rc);
        if (next) same_record(next, &rec);
        rc = ri_cursor_prev(&c, from, &filter, &rec);
        need(rc == (prev != NULL), "prev %llu of %s: %d", (unsigned long long)from,
             n ? text[0] : "all", rc);
        if (prev) same_record(prev, &rec);
        uint64_t told = ri_track_count(m->track, from, &filter);
        need(told == count, "count from %llu of %s: %llu, not %llu", (unsigned long long)from,
             n ? text[0] : "all", (unsigned long long)told, (unsigned long long)count);
    }
    ri_cursor_fini(&c);
}

/* All of it in a row, as a reader would. */
static void check_scan(const model *m)
{
    ri_cursor c;
    ri_cursor_init(&c, m->track);
    uint64_t from = 0;
    ri_record rec;
    for (size_t k = 0; k < m->n; k++) {
        if (!m->rows[k].live) continue;
        int rc = ri_cursor_next(&c, from, &(ri_filter){NULL, 0}, &rec);
        need(rc == 1, "scan at %llu: %d", (unsigned long long)from, rc);
        same_record(&m->rows[k], &rec);
        from = rec.seq + 1;
    }
    need(ri_cursor_next(&c, from, &(ri_filter){NULL, 0}, &rec) == 0, "the scan's end");
    ri_cursor_fini(&c);
}

static void check_time(const model *m)
{
    for (int i = 0; i < 3; i++) {
        int64_t at = 1 + (int64_t)rng_below(&r, (uint64_t)now_ns + 2000);
        uint64_t want = m->last_seq + 1;
        for (size_t k = m->n; k-- > 0;) {
            if (m->rows[k].live && m->rows[k].time_ns >= at) want = m->rows[k].seq;
        }
        uint64_t told = ri_track_seq_at(m->track, at);
        need(told == want, "at time %lld: %llu, not %llu", (long long)at,
             (unsigned long long)told, (unsigned long long)want);
    }
}

struct expect {
    const model *m;
    ri_str filter;
    uint64_t subjects, records;
    char before[32];
};

static void subject_of_model(const model *m, ri_str subject, ri_subject_info *out)
{
    *out = (ri_subject_info){.subject = subject};
    for (size_t k = 0; k < m->n; k++) {
        const row *w = &m->rows[k];
        if (!w->live || !ri_str_is(subject, subjects[w->subject])) continue;
        if (out->count++ == 0) out->first_seq = w->seq;
        out->last_seq = w->seq;
    }
}

static void same_info(const ri_subject_info *told, const ri_subject_info *want)
{
    need(told->count == want->count && told->first_seq == want->first_seq &&
         told->last_seq == want->last_seq, "%.*s is %llu..%llu x%llu, not %llu..%llu x%llu",
         RI_ARG(want->subject), (unsigned long long)told->first_seq,
         (unsigned long long)told->last_seq, (unsigned long long)told->count,
         (unsigned long long)want->first_seq, (unsigned long long)want->last_seq,
         (unsigned long long)want->count);
}

static int each_subject(void *arg, const ri_subject_info *info)
{
    struct expect *e = arg;
    ri_subject_info want;
    need(ri_str_cmp(ri_str_of(e->before), info->subject) < 0, "order of subjects");
    snprintf(e->before, sizeof e->before, "%.*s", RI_ARG(info->subject));
    subject_of_model(e->m, info->subject, &want);
    same_info(info, &want);
    need(e->filter.len == 0 || match_subject(e->filter, info->subject), "a subject that fits");
    e->subjects++;
    e->records += info->count;
    return 0;
}

/* The index sees the open commit, too. */
static void check_subjects(const model *m)
{
    ri_str subject = ri_str_of(subjects[rng_below(&r, SUBJECTS)]);
    ri_subject_info told, want;
    subject_of_model(m, subject, &want);
    int rc = ri_track_subject(m->track, subject, &told);
    need(rc == (want.count ? 0 : RILL_ENOENT), "subject %.*s: %d", RI_ARG(subject), rc);
    if (rc == 0) same_info(&told, &want);
    char text[2][64];
    ri_str filters[2] = {RI_STR_NONE};
    make_filters(filters, text);
    struct expect e = {.m = m, .filter = filters[0]};
    uint64_t records = 0;
    for (size_t k = 0; k < m->n; k++) {
        records += wanted(&m->rows[k], filters, filters[0].len ? 1 : 0);
    }
    rc = ri_track_each_subject(m->track, filters[0], each_subject, &e);
    need(rc == 0, "each subject: %d", rc);
    need(e.records == records, "%llu records of %.*s, not %llu", (unsigned long long)e.records,
         RI_ARG(filters[0]), (unsigned long long)records);
}

static void check_track(size_t t, bool all)
{
    const model *m = &models[t];
    check_status(m, track_opts[t].subjects);
    check_reads(m);
    check_time(m);
    if (track_opts[t].subjects) check_subjects(m);
    if (all) check_scan(m);
}

static void do_commit(void)
{
    if (rng_below(&r, 3) == 0) {
        ri_commit job = {0};
        need(ri_log_commit_begin(the_log, &job) == 0, "begin");
        need(ri_log_commit_io(&job) == 0, "io");
        need(ri_log_commit_end(the_log, &job) == 0, "end");
    } else {
        need(ri_log_commit(the_log) == 0, "commit");
    }
    check_track(rng_below(&r, TRACKS), rng_below(&r, 10) == 0);
}

static void do_step(void)
{
    size_t t = rng_below(&r, 10) ? rng_below(&r, 2) : 2;
    model *m = &models[t];
    uint64_t what = rng_below(&r, 1000);
    if (what < 620) {
        do_append(m, track_opts[t].single_tail);
    } else if (what < 820) {
        do_remove(m);
    } else if (what < 823) {
        do_purge(m);
    } else if (what < 835) {
        do_skip(m);
    } else if (what < 836) {
        do_drop(t);
    } else if (what < 860 && track_opts[t].subjects) {
        check_subjects(m);
    } else if (what < 940) {
        do_commit();
    } else if (what < 990) {
        do_commit();
        for (int i = 0; i < 5 && ri_log_clean(the_log) > 0; i++) {}
        do_commit();
    } else if (what < 994 && compacts()) {
        do_compact();
        do_commit();
    } else if (what < 998 && log_opts.os) {
        do_commit();
        ri_log_close(the_log);
        open_log();
        for (size_t k = 0; k < TRACKS; k++) check_track(k, true);
    }
}

static void run(uint64_t with_seed, size_t steps)
{
    seed = with_seed;
    rng_init(&r, seed);
    now_ns = 1000;
    memset(models, 0, sizeof models);
    static const char *words[] = {"a", "b", "x", "orders", "eu"};
    for (size_t i = 0; i < SUBJECTS; i++) {
        if (i < 5) snprintf(subjects[i], sizeof subjects[i], "%s", words[i]);
        else if (i < 30) snprintf(subjects[i], sizeof subjects[i], "%s.%s", words[i % 5],
                                  words[i / 5 - 1]);
        else snprintf(subjects[i], sizeof subjects[i], "%s.%s.%zu", words[i % 5], words[i / 12],
                      i);
    }
    open_log();
    for (step = 0; step < steps; step++) do_step();
    do_commit();
    for (size_t k = 0; k < TRACKS; k++) check_track(k, true);
    ri_log_close(the_log);
}

START_TEST(test_memory)
{
    fault_init(&f);
    log_opts = (ri_log_opts){.host = &f.host, .segment_bytes = 16384, .damage = damage};
    for (uint64_t i = 0; i < 8; i++) run(rng_seed(100) + i, 2000);
    fault_fini(&f);
}
END_TEST

START_TEST(test_disk)
{
    for (uint64_t i = 0; i < 8; i++) {
        char dir[SCRATCH_LEN];
        scratch_make_quick(dir);
        fault_init(&f);
        log_opts = (ri_log_opts){.host = &f.host, .os = ri_os_posix(), .dir = dir,
                                 .safety = RI_SAFETY_WRITTEN, .damage = damage,
                                 .segment_bytes = i % 2 ? 16384 : 65536};
        run(rng_seed(200) + i, 2000);
        fault_fini(&f);
        scratch_remove(dir);
    }
}
END_TEST

SUITE_MAIN("model_log", test_memory, test_disk)
