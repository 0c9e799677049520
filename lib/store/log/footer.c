/* SPDX-License-Identifier: Apache-2.0 */
/* Footers: written from the index when a segment is sealed, read when a log is opened. The
 * drawing is in segment.c. The directory alone is read at opening; slots and names when they
 * are first needed. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "store/log/log_private.h"

enum { FOOTER_RUN_MIXED = 1, FOOTER_RUN_INDEXED = 2, FOOTER_DROP = 1, FOOTER_GONE = 2,
       FOOTER_SUM = 24, /* bytes of a sum */
       FOOTER_MOST = 8 /* a track has most subjects: one of so many */ };

typedef struct footer_sum { /* of one subject of one track */
    uint32_t count;
    uint64_t first, last;
} footer_sum;

typedef struct footer_build {
    ri_log *log;
    log_segment *s;
    ri_buffer arrays, tracks, runs, removals, sums;
    ri_buffer made;         /* log_run *: whose rows `runs` has */
    footer_sum *by_id;      /* of the track at hand, by subject id; the others are zeroes */
    uint32_t *ids;          /* of subjects that it has */
    uint32_t nids;
    bool mixed;             /* these are not in order */
    uint32_t nsums;
    uint32_t ntracks, nruns, nremovals;
    uint32_t base;          /* position in the file where the arrays begin */
} footer_build;

static void footer_put32(ri_buffer *b, uint32_t v)
{
    char bytes[4];
    ri_segment_set32(bytes, v);
    ri_buffer_put(b, bytes, sizeof bytes);
}

static void footer_put64(ri_buffer *b, uint64_t v)
{
    char bytes[8];
    ri_segment_set64(bytes, v);
    ri_buffer_put(b, bytes, sizeof bytes);
}

/* Very many numbers: room is made once. */
static void footer_put_all(ri_buffer *b, const uint32_t *numbers, uint32_t n)
{
    char *to = ri_buffer_room(b, (size_t)n * 4);
    if (!to) return;
    for (uint32_t i = 0; i < n; i++) ri_segment_set32(to + 4 * (size_t)i, numbers[i]);
    ri_buffer_added(b, (size_t)n * 4);
}

/* Slots, and subject ids, of a run without what is dead at its ends; their checksum. */
static uint32_t footer_put_slots(footer_build *b, const log_run *run)
{
    RI_ASSERT(run->slots && run->head <= run->last && run->last < run->span);
    size_t from = ri_buffer_size(&b->arrays);
    uint32_t n = run->last - run->head + 1;
    footer_put_all(&b->arrays, run->slots + run->head, n);
    if (run->indexed) footer_put_all(&b->arrays, run->subjects + run->head, n);
    if (b->arrays.failed) return 0;
    ri_str all = ri_buffer_str(&b->arrays);
    return ri_crc32c(b->s->seed, all.ptr + from, all.len - from);
}

static void footer_add_sums(footer_build *b, const log_run *run)
{
    if (!run->indexed || !b->by_id) return;
    for (uint32_t i = run->head; i <= run->last; i++) {
        uint32_t id = run->subjects[i];
        RI_ASSERT(id == RI_SEGMENT_NO_SUBJECT || id < b->s->nsubjects);
        if (run->slots[i] == 0 || id >= b->s->nsubjects) continue;
        footer_sum *sum = &b->by_id[id];
        if (sum->count == 0) {
            b->mixed = b->mixed || (b->nids && b->ids[b->nids - 1] > id);
            b->ids[b->nids++] = id;
        }
        if (sum->count++ == 0) sum->first = run->first_seq + i;
        sum->last = run->first_seq + i;
    }
}

static int footer_by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The ids in order. A segment may have very many tracks of few subjects each: what a track has not
 * is not looked at, unless it has most. */
static void footer_order_ids(footer_build *b)
{
    if (b->mixed && b->nids >= b->s->nsubjects / FOOTER_MOST) {
        b->nids = 0;
        for (uint32_t id = 0; id < b->s->nsubjects; id++)
            if (b->by_id[id].count) b->ids[b->nids++] = id;
    } else if (b->mixed) {
        qsort(b->ids, b->nids, sizeof *b->ids, footer_by_id);
    }
    b->mixed = false;
}

static void footer_put_sums(footer_build *b)
{
    char *to = b->nids ? ri_buffer_room(&b->sums, b->nids * (size_t)FOOTER_SUM) : NULL;
    footer_order_ids(b);
    for (uint32_t i = 0; i < b->nids; i++) {
        footer_sum *sum = &b->by_id[b->ids[i]];
        if (to) {
            ri_segment_set32(to, b->ids[i]);
            ri_segment_set32(to + 4, sum->count);
            ri_segment_set64(to + 8, sum->first);
            ri_segment_set64(to + 16, sum->last);
            to += FOOTER_SUM;
        }
        *sum = (footer_sum){0};
    }
    if (to) ri_buffer_added(&b->sums, b->nids * (size_t)FOOTER_SUM);
    b->nsums += b->nids;
    b->nids = 0;
}

static void footer_put_run(footer_build *b, ri_track *track, log_run *run)
{
    ri_run_tighten(track, run);
    RI_ASSERT(ri_log_run_is_sound(run));
    uint32_t at = b->base + (uint32_t)ri_buffer_size(&b->arrays);
    uint32_t crc = footer_put_slots(b, run);
    footer_add_sums(b, run);
    run->crc = crc;
    run->stored_at = at; /* before it learns where the file has the arrays */
    run->dirty = true;
    char row[RI_SEGMENT_FOOT_RUN] = {0};
    ri_segment_set32(row, track->number);
    ri_segment_set32(row + 4, run->last - run->head + 1);
    ri_segment_set64(row + 8, run->first_seq + run->head);
    ri_segment_set32(row + 16, run->live);
    ri_segment_set32(row + 20, at);
    ri_segment_set32(row + 24, (run->mixed ? FOOTER_RUN_MIXED : 0) |
                                   (run->indexed ? FOOTER_RUN_INDEXED : 0));
    ri_segment_set32(row + 28, crc);
    ri_segment_set64(row + 32, run->bytes);
    ri_segment_set64(row + 40, run->room);
    ri_segment_set64(row + 48, (uint64_t)run->min_time_ns);
    ri_segment_set64(row + 56, (uint64_t)run->max_time_ns);
    ri_buffer_put(&b->runs, row, sizeof row);
    ri_buffer_put(&b->made, &run, sizeof run);
    b->nruns++;
}

static int footer_put_track(footer_build *b, ri_track *track)
{
    char row[RI_SEGMENT_FOOT_TRACK];
    uint32_t sums = b->nsums;
    for (uint32_t i = 0; i < track->nruns; i++) {
        log_run *run = track->runs[i];
        if (run->segment != b->s) continue;
        bool used = run->used;
        int rc = ri_run_subjects(track, run);
        if (rc < 0) return rc;
        run->used = used; /* by others */
        footer_put_run(b, track, run);
    }
    footer_put_sums(b);
    ri_segment_set32(row, track->number);
    ri_segment_set32(row + 4, ri_track_bits(track));
    ri_segment_set64(row + 8, track->id);
    ri_segment_set64(row + 16, track->last_seq + 1);
    ri_segment_set64(row + 24, track->floor);
    ri_segment_set32(row + 32, sums);
    ri_segment_set32(row + 36, b->nsums - sums);
    ri_buffer_put(&b->tracks, row, sizeof row);
    b->ntracks++;
    return RILL_OK;
}

/* Where each begins, and behind that their bytes. */
static void footer_put_names(footer_build *b, ri_buffer *out)
{
    uint32_t n = b->s->nsubjects, at = 8 + 4 * n;
    char *heads = ri_buffer_room(out, at);
    if (!heads) return;
    ri_buffer_added(out, at);
    ri_segment_set32(heads, n);
    for (uint32_t i = 0; i < n; i++) {
        ri_str name = RI_STR_NONE;
        ri_segment_set32(out->ptr + 4 + 4 * (size_t)i, at);
        if (!b->s->subjects[i] || ri_names_get(b->log, b->s, i, &name) < 0) continue;
        ri_buffer_put_str(out, name);
        if (out->failed) return;
        at += (uint32_t)name.len;
    }
    ri_segment_set32(out->ptr + 4 + 4 * (size_t)n, at);
}

static void footer_put_removals(footer_build *b)
{
    for (uint32_t i = 0; i < b->s->nremovals; i++) {
        const log_removal *r = &b->s->removals[i];
        if (!ri_removals_needed(b->log, b->s, r)) continue;
        b->nremovals++;
        footer_put32(&b->removals, r->track);
        footer_put32(&b->removals, r->gone ? FOOTER_GONE : r->drop ? FOOTER_DROP : 0);
        footer_put64(&b->removals, r->first);
        footer_put64(&b->removals, r->last);
        footer_put64(&b->removals, r->home);
        footer_put64(&b->removals, r->also);
    }
}

/* arrays | names | directory | trailer, at the end of the file. */
static void footer_join(footer_build *b, const ri_buffer *names, ri_buffer *all)
{
    RI_ASSERT(b->s->sealed);
    log_segment *s = b->s;
    uint32_t names_at = b->base + (uint32_t)ri_buffer_size(&b->arrays);
    const ri_buffer *parts[] = {&b->tracks, &b->runs, &b->removals, &b->sums};
    ri_buffer_put_str(all, ri_buffer_str(&b->arrays));
    ri_buffer_put_str(all, ri_buffer_str(names));
    size_t from = ri_buffer_size(all);
    footer_put32(all, b->ntracks);
    footer_put32(all, b->nruns);
    footer_put32(all, b->nremovals);
    footer_put32(all, b->nsums);
    s->names_at = names_at;
    s->names_len = (uint32_t)ri_buffer_size(names);
    s->names_crc = ri_crc32c(s->seed, ri_buffer_str(names).ptr, s->names_len);
    footer_put32(all, s->names_at);
    footer_put32(all, s->names_len);
    footer_put32(all, s->names_crc);
    footer_put32(all, s->nsubjects);
    for (size_t i = 0; i < RI_LEN(parts); i++) ri_buffer_put_str(all, ri_buffer_str(parts[i]));
    ri_str bytes = ri_buffer_str(all);
    ri_segment_trailer t = {
        .number = s->number, .last_commit = s->last_commit, .end = s->end, .chain = s->chain,
        .position = b->base + (uint32_t)from, .head_bytes = (uint32_t)(bytes.len - from),
        .head_crc = ri_crc32c(s->seed, bytes.ptr + from, bytes.len - from), .names = names_at,
    };
    char trailer[RI_SEGMENT_TRAILER];
    ri_segment_put_trailer(trailer, s->seed, &t);
    if (s->version > 1) ri_buffer_put(all, s->image, RI_SEGMENT_HEAD); /* the copy of the header */
    ri_buffer_put(all, trailer, sizeof trailer);
}

/* Rows of very many tracks are not moved again and again. */
static void footer_reserve(footer_build *b)
{
    size_t n = b->s->ntouched;
    ri_buffer_room(&b->tracks, n * RI_SEGMENT_FOOT_TRACK);
    ri_buffer_room(&b->runs, n * RI_SEGMENT_FOOT_RUN);
    ri_buffer_room(&b->made, n * sizeof(log_run *));
}

static int footer_collect(footer_build *b)
{
    RI_ASSERT(b->s->touched || b->s->ntouched == 0);
    log_segment *s = b->s;
    footer_reserve(b);
    for (uint32_t i = 0; i < s->ntouched; i++) {
        ri_track *track = ri_track_touched(b->log, s, i);
        if (!track) continue;
        int rc = footer_put_track(b, track);
        if (rc < 0) return rc;
    }
    footer_put_removals(b);
    bool failed = b->arrays.failed || b->tracks.failed || b->runs.failed || b->removals.failed ||
                  b->sums.failed || b->made.failed;
    return failed ? RILL_ENOMEM : RILL_OK;
}

/* The footer is made: the runs may be loaded from it, once it is in the file. */
static void footer_settle_runs(footer_build *b)
{
    log_run *run;
    ri_str all = ri_buffer_str(&b->made);
    RI_ASSERT(all.len == b->nruns * sizeof run);
    for (size_t at = 0; at < all.len; at += sizeof run) {
        memcpy(&run, all.ptr + at, sizeof run);
        if (!run->dirty) continue;
        run->stored_at += b->base;
        run->dirty = false;
    }
}

/* Where the runs' slots stand once the file has the footer. */
static void footer_place_runs(footer_build *b, uint32_t moved)
{
    const char *in = ri_buffer_str(&b->runs).ptr;
    for (uint32_t i = 0; i < b->nruns; i++, in += RI_SEGMENT_FOOT_RUN) {
        char *at = (char *)in + 20;
        ri_segment_set32(at, ri_segment_u32(at) + moved);
    }
}

static int footer_put_tail(footer_build *b, ri_buffer *names)
{
    log_segment *s = b->s;
    const ri_buffer *parts[] = {&b->arrays, names, &b->tracks, &b->runs, &b->removals, &b->sums};
    uint32_t bytes = RI_SEGMENT_FOOT_HEAD + ri_segment_tail(s->version);
    for (size_t i = 0; i < RI_LEN(parts); i++) bytes += (uint32_t)ri_buffer_size(parts[i]);
    RI_ASSERT(bytes <= s->foot_need && s->end + bytes <= s->size);
    ri_buffer all = {.host = &b->log->host, .ptr = ri_alloc(&b->log->host, bytes), .cap = bytes};
    if (!all.ptr) return RILL_ENOMEM;
    b->base = s->size - bytes;
    footer_place_runs(b, b->base);
    footer_join(b, names, &all);
    RI_ASSERT(!all.failed && ri_buffer_size(&all) == bytes && all.cap == bytes);
    s->tail = all.ptr;
    s->tail_bytes = bytes;
    footer_settle_runs(b);
    return RILL_OK;
}

static int footer_make(footer_build *b, ri_buffer *names)
{
    uint32_t n = b->s->nsubjects;
    if (n) {
        b->by_id = ri_calloc(&b->log->host, ri_size_mul(n, sizeof *b->by_id));
        b->ids = ri_alloc(&b->log->host, ri_size_mul(n, sizeof *b->ids));
        if (!b->by_id || !b->ids) return RILL_ENOMEM;
    }
    int rc = footer_collect(b);
    if (rc < 0) return rc;
    footer_put_names(b, names);
    return names->failed ? RILL_ENOMEM : footer_put_tail(b, names);
}

int ri_footer_make(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(s->sealed && !s->stored);
    if (s->tail) { /* made for a job that failed; the index may have changed */
        ri_free(&log->host, s->tail, s->tail_bytes);
        s->tail = NULL;
    }
    footer_build b = {.log = log, .s = s};
    ri_buffer names;
    ri_buffer *parts[] = {&b.arrays, &b.tracks, &b.runs, &b.removals, &b.sums, &b.made, &names};
    for (size_t i = 0; i < RI_LEN(parts); i++) ri_buffer_init(parts[i], &log->host);
    int rc = footer_make(&b, &names);
    ri_free(&log->host, b.by_id, s->nsubjects * sizeof *b.by_id);
    ri_free(&log->host, b.ids, s->nsubjects * sizeof *b.ids);
    for (size_t i = 0; i < RI_LEN(parts); i++) ri_buffer_fini(parts[i]);
    return rc;
}

/* ---- Reading ---- */

/* The footer fails its checksum, or says what cannot be. An opening goes on without it, and
 * says. */
static int footer_bad(ri_log *log, const log_segment *s, uint32_t at, uint32_t len)
{
    if (!log->opening && !ri_damage_covers(log, s, at))
        ri_log_damage_at(log, s, &(ri_damage){.position = at, .end = at + len, .whole = true},
                         "the footer is damaged");
    return ri_err(RILL_ECORRUPT, "%s/%08x.seg: the footer is damaged", log->dir, s->slot);
}

int ri_footer_load(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    if (s->foot) return RILL_OK;
    char bytes[RI_SEGMENT_TRAILER];
    uint32_t at = s->size - RI_SEGMENT_TRAILER;
    int rc = ri_space_read(log, s, bytes, sizeof bytes, at);
    if (rc < 0) return rc;
    ri_segment_trailer t;
    if (ri_segment_get_trailer(bytes, log->id, &t) < 0 || t.number != s->number)
        return footer_bad(log, s, at, RI_SEGMENT_TRAILER);
    if ((uint64_t)t.position + t.head_bytes + ri_segment_tail(s->version) != s->size ||
        t.head_bytes < RI_SEGMENT_FOOT_HEAD || t.end > t.position)
        return footer_bad(log, s, at, RI_SEGMENT_TRAILER);
    char *foot = ri_alloc(&log->host, t.head_bytes);
    if (!foot) return RILL_ENOMEM;
    rc = ri_space_read(log, s, foot, t.head_bytes, t.position);
    if (rc == 0 && ri_crc32c(s->seed, foot, t.head_bytes) != t.head_crc)
        rc = footer_bad(log, s, t.position, t.head_bytes);
    if (rc < 0) {
        ri_free(&log->host, foot, t.head_bytes);
        return rc;
    }
    s->foot = foot;
    s->foot_bytes = t.head_bytes;
    log->names_bytes += t.head_bytes;
    s->names_at = ri_segment_u32(foot + 16);
    s->names_len = ri_segment_u32(foot + 20);
    s->names_crc = ri_segment_u32(foot + 24);
    s->end = t.end;
    s->chain = t.chain;
    s->last_commit = t.last_commit;
    return RILL_OK;
}

int ri_footer_view(const log_segment *s, log_foot *out)
{
    RI_ASSERT(s->foot && s->foot_bytes >= RI_SEGMENT_FOOT_HEAD);
    const char *in = s->foot;
    *out = (log_foot){
        .ntracks = ri_segment_u32(in), .nruns = ri_segment_u32(in + 4),
        .nremovals = ri_segment_u32(in + 8), .nsums = ri_segment_u32(in + 12),
        .names_at = ri_segment_u32(in + 16), .names_len = ri_segment_u32(in + 20),
        .names_crc = ri_segment_u32(in + 24), .nsubjects = ri_segment_u32(in + 28),
    };
    uint64_t need = RI_SEGMENT_FOOT_HEAD + (uint64_t)out->ntracks * RI_SEGMENT_FOOT_TRACK +
                    (uint64_t)out->nruns * RI_SEGMENT_FOOT_RUN +
                    (uint64_t)out->nremovals * RI_SEGMENT_FOOT_REMOVE +
                    (uint64_t)out->nsums * RI_SEGMENT_FOOT_SUM;
    if (need != s->foot_bytes || out->names_len < 8 || out->nsubjects > out->names_len / 4 ||
        (uint64_t)out->names_at + out->names_len > s->size)
        return ri_err(RILL_ECORRUPT, "%08x.seg: the footer's counts are wrong", s->slot);
    out->tracks = in + RI_SEGMENT_FOOT_HEAD;
    out->runs = out->tracks + (size_t)out->ntracks * RI_SEGMENT_FOOT_TRACK;
    out->removals = out->runs + (size_t)out->nruns * RI_SEGMENT_FOOT_RUN;
    out->sums = out->removals + (size_t)out->nremovals * RI_SEGMENT_FOOT_REMOVE;
    return RILL_OK;
}

void ri_footer_removal(const log_foot *foot, uint32_t i, log_removal *r)
{
    RI_ASSERT(i < foot->nremovals);
    const char *in = foot->removals + (size_t)i * RI_SEGMENT_FOOT_REMOVE;
    *r = (log_removal){
        .track = ri_segment_u32(in), .drop = ri_segment_u32(in + 4) == FOOTER_DROP,
        .gone = ri_segment_u32(in + 4) == FOOTER_GONE,
        .first = ri_segment_u64(in + 8), .last = ri_segment_u64(in + 16),
        .home = ri_segment_u64(in + 24), .also = ri_segment_u64(in + 32),
    };
}

/* Put together what the index knows of a subject with what a run of an opened segment adds. */
static int footer_merge(ri_track *track, ri_str subject, uint64_t first, uint64_t last,
                        uint64_t count)
{
    ri_subject_entry e, add = {first, last, count, true, true};
    int rc = ri_subject_index_find(track->index, subject, &e);
    if (rc == 0) {
        add.count = ri_u64_add(count, e.count);
        if (e.first_seq < first) {
            add.first_seq = e.first_seq;
            add.first_known = e.first_known;
        }
        if (e.last_seq > last) {
            add.last_seq = e.last_seq;
            add.last_known = e.last_known;
        }
        add.count = RI_MIN(add.count, add.last_seq - add.first_seq + 1);
    }
    return ri_subject_index_put(track->index, subject, &add);
}

int ri_footer_index(ri_track *track, ri_str subject, uint64_t seq)
{
    if (!track->index || !subject.len) return RILL_OK;
    return footer_merge(track, subject, seq, seq, 1);
}

/* The run's records are known one by one: some of them may be in the index already, because the
 * segment that they were moved from is still there. */
static int footer_apply_each(ri_log *log, ri_track *track, log_run *run)
{
    int rc = ri_run_load(track, run);
    for (uint32_t i = 0; rc == 0 && i < run->span; i++) {
        uint64_t seq = run->first_seq + i;
        ri_segment_entry e;
        ri_str subject = RI_STR_NONE;
        if (run->slots[i] == 0 || seq < track->floor) continue;
        uint32_t id = RI_SEGMENT_NO_SUBJECT;
        rc = ri_track_peek(log, run->segment, run->slots[i], &e);
        if (rc == 0 && e.kind == RI_SEGMENT_KIND_RECORD)
            rc = ri_names_get(log, run->segment, id = e.subject, &subject);
        if (rc == 0) {
            log_place p = {.seq = seq, .n = 1, .segment = run->segment, .subject = id,
                           .position = run->slots[i], .time_ns = e.time_ns};
            uint32_t room;
            ri_track_share(log, &e, subject.len, &p.bytes, &room);
            p.room = room;
            if (e.kind == RI_SEGMENT_KIND_BATCH) p.time_ns = ri_track_batch_time(e.data);
            rc = ri_recover_place(track, &p, subject);
        }
        if (rc == RILL_ECORRUPT) {
            run->segment->damaged = true;
            ri_log_damage_at(log, run->segment, &(ri_damage){.position = run->slots[i],
                             .track = track->id, .first_seq = seq, .last_seq = seq, .record = true},
                             "sequence %" PRIu64 ": %s", seq, ri_err_text());
            rc = RILL_OK;
        }
    }
    ri_run_free(log, run);
    return rc;
}

static int footer_apply_sums(ri_log *log, log_segment *s, ri_track *track, const log_foot *foot,
                             const char *in)
{
    uint32_t from = ri_segment_u32(in + 32), n = ri_segment_u32(in + 36);
    if (!track->index) return RILL_OK;
    RI_ASSERT(from <= foot->nsums && n <= foot->nsums - from);
    const char *sum = foot->sums + (size_t)from * RI_SEGMENT_FOOT_SUM;
    for (; n; n--, sum += RI_SEGMENT_FOOT_SUM) {
        ri_str subject;
        int rc = ri_names_get(log, s, ri_segment_u32(sum), &subject);
        if (rc == 0 && subject.len)
            rc = footer_merge(track, subject, ri_segment_u64(sum + 8), ri_segment_u64(sum + 16),
                              ri_segment_u32(sum + 4));
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

static log_run *footer_run(ri_log *log, log_segment *s, const char *in)
{
    log_run *run = ri_new(&log->host, log_run);
    if (!run) return NULL;
    uint32_t bits = ri_segment_u32(in + 24);
    *run = (log_run){
        .segment = s, .span = ri_segment_u32(in + 4), .first_seq = ri_segment_u64(in + 8),
        .live = ri_segment_u32(in + 16), .stored_at = ri_segment_u32(in + 20),
        .mixed = bits & FOOTER_RUN_MIXED, .indexed = bits & FOOTER_RUN_INDEXED,
        .crc = ri_segment_u32(in + 28), .bytes = ri_segment_u64(in + 32),
        .room = ri_segment_u64(in + 40), .min_time_ns = (int64_t)ri_segment_u64(in + 48),
        .max_time_ns = (int64_t)ri_segment_u64(in + 56),
    };
    run->last = run->span - 1;
    return run;
}

/* May the run go into the index as a whole? Not if others are where it goes: the segment that
 * its records were moved from is still there. */
static bool footer_is_plain(const ri_track *track, const char *in)
{
    uint64_t first = ri_segment_u64(in + 8), end = first + ri_segment_u32(in + 4);
    bool indexed = ri_segment_u32(in + 24) & FOOTER_RUN_INDEXED;
    if (track->opts.single_tail || first < track->floor) return false;
    if (indexed != (track->index != NULL)) return false;
    uint32_t at = ri_run_after(track, first);
    return at == track->nruns || track->runs[at]->first_seq >= end;
}

static int footer_apply_run(ri_log *log, log_segment *s, ri_track *track, const char *in,
                            bool plain)
{
    log_run *run = footer_run(log, s, in);
    RI_ASSERT(!run || run->segment == s);
    if (!run) return RILL_ENOMEM;
    if (!plain) return footer_apply_each(log, track, run);
    int rc = ri_run_insert(track, run);
    if (rc < 0) {
        ri_run_free(log, run);
        return rc;
    }
    track->count += run->live;
    track->bytes += run->bytes;
    s->live += run->room;
    log->live_bytes += run->room;
    return RILL_OK;
}

/* Are the slots within the file, and the sequences some that there can be? */
static bool footer_run_fits(const log_segment *s, const char *in)
{
    uint32_t span = ri_segment_u32(in + 4), live = ri_segment_u32(in + 16);
    uint32_t stored_at = ri_segment_u32(in + 20), bits = ri_segment_u32(in + 24);
    uint64_t first = ri_segment_u64(in + 8);
    uint64_t bytes = (uint64_t)span * (bits & FOOTER_RUN_INDEXED ? 8 : 4);
    return span > 0 && live > 0 && live <= span && first > 0 && first < UINT64_MAX - span &&
           stored_at > 0 && stored_at + bytes <= s->size;
}

/* Declare the track and put its runs, which begin at *run, into the index. */
static int footer_apply_track(ri_log *log, log_segment *s, const log_foot *foot, const char *in,
                              uint32_t *run)
{
    ri_segment_entry e = {
        .kind = RI_SEGMENT_KIND_TRACK, .track = ri_segment_u32(in),
        .flags = ri_segment_u32(in + 4), .id = ri_segment_u64(in + 8),
        .seq = ri_segment_u64(in + 16), .last = ri_segment_u64(in + 24),
    };
    int rc = ri_recover_track(log, s, &e);
    if (rc < 0) return rc;
    ri_track *track = ri_track_by_number(log, e.track);
    uint32_t from = *run;
    bool plain = true;
    for (; *run < foot->nruns; ++*run) {
        const char *at = foot->runs + (size_t)*run * RI_SEGMENT_FOOT_RUN;
        if (ri_segment_u32(at) != e.track) break;
        plain = plain && track && footer_is_plain(track, at);
    }
    for (uint32_t i = from; track && i < *run; i++) {
        rc = footer_apply_run(log, s, track, foot->runs + (size_t)i * RI_SEGMENT_FOOT_RUN, plain);
        if (rc < 0) return rc;
    }
    return track && plain ? footer_apply_sums(log, s, track, foot, in) : RILL_OK;
}

/* Is it a track that there can be, and are its sums some? */
static bool footer_track_fits(const log_foot *foot, const char *in)
{
    uint32_t from = ri_segment_u32(in + 32), n = ri_segment_u32(in + 36);
    if (!ri_segment_is_track(ri_segment_u32(in), ri_segment_u64(in + 8))) return false;
    if (from > foot->nsums || n > foot->nsums - from) return false;
    const char *sum = foot->sums + (size_t)from * RI_SEGMENT_FOOT_SUM;
    for (; n; n--, sum += RI_SEGMENT_FOOT_SUM) {
        uint64_t count = ri_segment_u32(sum + 4);
        uint64_t first = ri_segment_u64(sum + 8), last = ri_segment_u64(sum + 16);
        if (count == 0 || first == 0 || last < first || count - 1 > last - first) return false;
    }
    return true;
}

int ri_footer_check(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    log_foot foot;
    int rc = ri_footer_view(s, &foot);
    for (uint32_t i = 0; rc == 0 && i < foot.nruns; i++)
        if (!footer_run_fits(s, foot.runs + (size_t)i * RI_SEGMENT_FOOT_RUN))
            rc = footer_bad(log, s, 0, 0);
    for (uint32_t i = 0; rc == 0 && i < foot.ntracks; i++)
        if (!footer_track_fits(&foot, foot.tracks + (size_t)i * RI_SEGMENT_FOOT_TRACK))
            rc = footer_bad(log, s, 0, 0);
    return rc == 0 && foot.nsubjects ? ri_names_load(log, s) : rc;
}

int ri_footer_apply(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    log_foot foot;
    int rc = ri_footer_view(s, &foot);
    for (uint32_t i = 0; rc == 0 && i < foot.nremovals; i++) {
        log_removal r;
        ri_footer_removal(&foot, i, &r);
        rc = ri_recover_removal(log, &r);
    }
    uint32_t run = 0;
    for (uint32_t i = 0; rc == 0 && i < foot.ntracks; i++)
        rc = footer_apply_track(log, s, &foot, foot.tracks + (size_t)i * RI_SEGMENT_FOOT_TRACK,
                                &run);
    return rc;
}
