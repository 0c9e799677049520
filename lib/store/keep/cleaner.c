/* SPDX-License-Identifier: Apache-2.0 */
/* Space comes back in one way: what still lives in a mostly dead segment is copied forward into
 * the open commit, then the segment is wiped and used again.
 *
 *     pick --> per track of its directory: records moved, else a new declaration if this was
 *              the last --> removals that still matter copied --> emptied --> commit --> wiped
 *
 * What must survive a segment besides its live records:
 *
 *   declarations   each segment that has entries of a track declares it with its next sequence
 *                  and floor, so only a track that no later segment declares needs a new one
 *   removals       as long as a file with the dead bytes exists (removals.c)
 *   drops          as long as an older segment, down to the track's birth, exists
 *
 * What it costs. A segment is cleaned when less than u = 1/4 of the file lives: copying u makes
 * room for 1 - u, so of all that is written at most u of it is moved, and the whole is at most
 * 1 / (1 - u) = 4/3 of what the appends and removals alone would write. A record of 168 bytes that
 * dies by itself has 88 for its removal: 256/168 * 4/3 = 2.03 times its bytes; those that die in a
 * row cost next to nothing, and whole segments empty themselves. This holds only if segments get
 * full, so what the footer will take is counted as it is made, not guessed. The price is files of
 * up to 1/u of what lives, about twice in the middle. While an append finds the disk full, u is
 * 3/4: slow, but it goes on.
 *
 * How long it takes. A call moves CLEANER_SLICE bytes and the record at hand, each record and each
 * run that is passed over counted as some bytes, too, and looks at CLEANER_STEPS tracks and
 * removals: well below a millisecond, if the system has what is read in memory. Nothing in
 * it is linear in the records or runs of a track but one pass over the slots of the run at hand.
 *
 * One segment is emptied at a time. Until it is wiped both copies of a moved record exist, so a
 * removal made meanwhile names it as well (log->stale), also after a crash. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/log/log_private.h"

enum {
    CLEANER_SLICE = 262144, /* bytes moved by one call, about */
    CLEANER_EACH = 64,      /* what looking at a record counts, besides its bytes */
    CLEANER_STEPS = 4096,   /* tracks and removals looked at by one call */
    CLEANER_SHARE = 4,      /* a segment is worth it below 1/4 live */
};

static uint32_t cleaner_ntracks(const log_segment *s, const log_foot *foot)
{
    return s->touched ? s->ntouched : foot->ntracks;
}

static uint32_t cleaner_track_number(const log_segment *s, const log_foot *foot, uint32_t i)
{
    RI_ASSERT(i < cleaner_ntracks(s, foot));
    if (s->touched) return s->touched[i];
    return ri_segment_u32(foot->tracks + (size_t)i * RI_SEGMENT_FOOT_TRACK);
}

/* Copy the entry; its new position, or a code. */
static int64_t cleaner_copy(ri_track *track, log_segment *s, ri_segment_entry *e, uint32_t slots)
{
    RI_ASSERT(slots > 0 && e->length > 0);
    ri_log *log = track->log;
    ri_str subject = RI_STR_NONE;
    uint32_t need = (uint32_t)RI_ALIGN(e->length, 8);
    int rc = RILL_OK;
    if (e->kind == RI_SEGMENT_KIND_RECORD) rc = ri_names_get(log, s, e->subject, &subject);
    if (rc < 0) return rc;
    uint32_t foot = (slots + RI_LOG_GAP_MAX) * 8 + 2 * RI_SEGMENT_FOOT_RUN +
                    RI_SEGMENT_FOOT_SUM + 4 + (uint32_t)subject.len;
    need += ri_log_subject_size(subject.len);
    if ((rc = ri_log_prepare(log, track, need, foot, true)) < 0) return rc;
    if (e->kind == RI_SEGMENT_KIND_RECORD) {
        log_name *name;
        if ((rc = ri_log_subject(track, subject, &name)) < 0) return rc;
        e->subject = name->id1 - 1;
    }
    uint32_t position = ri_log_put(log, e);
    log->stats.copied_bytes += RI_ALIGN(e->length, 8);
    log->touched = true;
    return position;
}

/* Those of a copied batch that are dead must be dead in the copy, too. */
static int cleaner_batch_dead(ri_track *track, const ri_segment_entry *e)
{
    for (uint64_t seq = e->seq; seq <= e->last; seq++) {
        uint32_t slot;
        log_run *run = ri_run_find(track, seq, &slot);
        int rc = run ? ri_run_load(track, run) : 0;
        if (rc < 0) return rc;
        if (run && run->slots[slot]) continue;
        log_removal r = {.track = track->number, .first = seq, .last = seq,
                         .home = track->log->active->number};
        if ((rc = ri_removals_note(track->log, track, &r)) < 0) return rc;
    }
    return RILL_OK;
}

/* Each live record of the entry gets its new place. */
static int cleaner_place(ri_track *track, const log_segment *s, const ri_segment_entry *e,
                         log_place *p)
{
    RI_ASSERT(e->seq <= e->last && p->n == 1);
    for (p->seq = e->seq; p->seq <= e->last; p->seq++) {
        uint32_t slot;
        log_run *run = ri_run_find(track, p->seq, &slot);
        int rc = run ? ri_run_load(track, run) : RILL_OK;
        if (rc < 0) return rc;
        if (!run || !run->slots[slot] || run->segment != s) continue;
        rc = ri_run_move(track, ri_run_after(track, p->seq), slot, p);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

/* Write the entry, or what is to take its place, anew; its size, or a code. */
static int64_t cleaner_write(ri_track *track, log_segment *s, ri_segment_entry *e,
                             const ri_segment_entry *old)
{
    RI_ASSERT(e->seq <= e->last);
    ri_log *log = track->log;
    ri_str subject = RI_STR_NONE;
    bool batch = e->kind == RI_SEGMENT_KIND_BATCH;
    int rc = batch ? 0 : ri_names_get(log, s, e->subject, &subject);
    if (rc < 0) return rc;
    uint64_t bytes;
    uint32_t room, n = (uint32_t)(e->last - e->seq + 1);
    log_place p = {.n = 1, .time_ns = batch ? ri_track_batch_time(e->data) : e->time_ns};
    ri_track_share(log, old, subject.len, &p.was_bytes, &p.was_room);
    ri_track_share(log, e, subject.len, &bytes, &room);
    int64_t position = cleaner_copy(track, s, e, n);
    if (position < 0) return position;
    p.segment = log->active;
    p.position = (uint32_t)position;
    p.bytes = bytes;
    p.room = room;
    p.subject = batch ? RI_SEGMENT_NO_SUBJECT : e->subject;
    if (n > 1 && (rc = cleaner_batch_dead(track, e)) < 0) return rc;
    rc = cleaner_place(track, s, e, &p);
    return rc < 0 ? rc : (int64_t)RI_ALIGN(e->length, 8);
}

/* Move the first live entry of the run at `at`, a batch without what is dead in it; bytes copied,
 * or a code. */
static int64_t cleaner_move(ri_track *track, uint32_t at)
{
    RI_ASSERT(at < track->nruns);
    ri_log *log = track->log;
    log_run *run = track->runs[at];
    log_segment *s = run->segment;
    int rc = ri_run_load(track, run);
    if (rc < 0) return rc;
    uint64_t seq = run->first_seq + run->head;
    ri_segment_entry e, fresh;
    rc = ri_track_peek_checked(log, s, run->slots[run->head], &e);
    if (rc == 0 && (e.track != track->number || seq < e.seq || seq > e.last))
        rc = ri_err(RILL_ECORRUPT, "another entry stands there");
    if (rc == RILL_ECORRUPT || rc == RILL_EIO)
        return ri_scrub_met(track, s, run->slots[run->head], seq, rc);
    if (rc < 0) return rc;
    fresh = e;
    if (e.kind != RI_SEGMENT_KIND_BATCH || !track->opts.batches)
        return cleaner_write(track, s, &fresh, &e);
    ri_buffer out;
    ri_buffer_init(&out, &log->host);
    ri_rewrite_batch(track, &e, seq, UINT64_MAX, &out, &fresh);
    int64_t moved = cleaner_write(track, s, &fresh, &e);
    ri_buffer_fini(&out);
    return moved;
}

/* The first live one of the entry at that position, from `seq` on; 0: none. */
static uint64_t cleaner_first(ri_track *track, const log_segment *s, uint32_t position,
                              uint64_t seq, uint64_t last)
{
    for (; seq <= last; seq++) {
        uint32_t slot;
        log_run *run = ri_run_find(track, seq, &slot);
        if (!run || run->segment != s || ri_run_load(track, run) < 0) continue;
        if (run->slots[slot] == position) return seq;
    }
    return 0;
}

/* Whoever reads a batch for good has it unpacked: can it be? */
static int cleaner_may_rewrite(const ri_log *log, const ri_segment_entry *e)
{
    ri_kafka_batch b;
    ri_buffer plain;
    ri_str records;
    int rc = ri_kafka_batch_parse(e->data, e->data.len, &b);
    if (rc <= 0) return ri_err(RILL_ECORRUPT, "what stands there is no record batch");
    ri_buffer_init(&plain, &log->host);
    rc = ri_rewrite_plain(&b, &plain, &records);
    ri_buffer_fini(&plain);
    return rc;
}

/* What stands in an image needs no sum, and has none in a log in memory. */
static int cleaner_peek(ri_log *log, log_segment *s, uint32_t position, ri_segment_entry *e)
{
    return s->image ? ri_track_peek(log, s, position, e)
                    : ri_track_peek_checked(log, s, position, e);
}

int ri_cleaner_may_rewrite(ri_track *track, log_segment *s, uint32_t position)
{
    ri_log *log = track->log;
    ri_segment_entry e;
    int rc = cleaner_peek(log, s, position, &e);
    if (rc == 0 && e.kind == RI_SEGMENT_KIND_BATCH && e.last > e.seq)
        rc = cleaner_may_rewrite(log, &e);
    if (rc < 0) return rc;
    /* Room for what is left of it, so that it is not removed and not erased. */
    uint64_t foot = (e.last - e.seq + RI_LOG_GAP_MAX + 1) * 8 + 2 * RI_SEGMENT_FOOT_RUN;
    uint64_t size = RI_ALIGN((uint64_t)e.length, 8) + RI_SEGMENT_BATCH;
    if (foot + size > INT32_MAX) /* as only a log that is damaged or foreign can say */
        return ri_err(RILL_ECORRUPT, "a record batch of %u bytes", e.length);
    return ri_log_prepare(log, track, (uint32_t)size, (uint32_t)foot, true);
}

int ri_cleaner_rewrite(ri_track *track, log_segment *s, uint32_t position)
{
    ri_log *log = track->log;
    ri_buffer bytes, out;
    ri_segment_entry e = {0}, fresh;
    ri_buffer_init(&bytes, &log->host);
    ri_buffer_init(&out, &log->host);
    int rc = cleaner_peek(log, s, position, &e);
    if (rc == 0) ri_buffer_put_str(&bytes, e.data); /* others are read meanwhile */
    if (bytes.failed) rc = RILL_ENOMEM;
    if (rc == 0) e.data = ri_buffer_str(&bytes);
    uint64_t seq = e.seq;
    bool moved = false, batch = rc == 0 && e.kind == RI_SEGMENT_KIND_BATCH;
    while (rc == 0 && batch && (seq = cleaner_first(track, s, position, seq, e.last)) != 0) {
        if (!ri_rewrite_batch(track, &e, seq, e.last + 1, &out, &fresh)) {
            rc = ri_err(RILL_ENOMEM, "a record batch could not be written anew");
            break;
        }
        int64_t size = cleaner_write(track, s, &fresh, &e);
        rc = size < 0 ? (int)size : RILL_OK;
        seq = fresh.last + 1;
        moved = true;
    }
    if (moved && log->active != s) ri_removals_leave(log, s); /* it has copies until it is wiped */
    ri_buffer_fini(&bytes);
    ri_buffer_fini(&out);
    return rc;
}

/* Take the track out of the segment, as far as the budget goes: from clean_seq on, as nothing of
 * what is before it is left in there. The slots of what was moved are given up all at once. */
static int cleaner_track(ri_log *log, log_segment *s, ri_track *track, int64_t *budget)
{
    RI_ASSERT(s != log->active && track->log == log);
    int64_t moved = 0;
    uint64_t last = 0;
    uint32_t at;
    while ((at = ri_run_after(track, log->clean_seq)) < track->nruns && *budget > 0 && moved >= 0) {
        const log_run *run = track->runs[at];
        uint64_t head = run->first_seq + run->head, end = run->first_seq + run->span;
        bool here = run->segment == s;
        if (here) last = end - 1;
        moved = here ? cleaner_move(track, at) : 0;
        if (moved >= 0) log->clean_seq = here ? head + 1 : end;
        *budget -= moved + CLEANER_EACH;
    }
    if (last) ri_run_trim(track, last);
    if (moved < 0) return (int)moved;
    if (at < track->nruns || track->touched_in > s->number) return RILL_OK;
    log->touched = true;
    return ri_log_prepare(log, track, 0, 0, true);
}

static int cleaner_removal(ri_log *log, log_segment *s, const log_foot *foot, uint32_t i)
{
    RI_ASSERT(s != log->active);
    log_removal r;
    if (s->removals) r = s->removals[i];
    else ri_footer_removal(foot, i, &r);
    if (!ri_removals_needed(log, s, &r)) return RILL_OK;
    log->stats.copied_bytes += RI_SEGMENT_REMOVE;
    return ri_removals_keep(log, r.drop ? NULL : ri_track_by_number(log, r.track), &r, 0);
}

static bool cleaner_may(const ri_log *log, const log_segment *s)
{
    if (s == log->active || !s->sealed || s->damaged || s->leftover || s->emptied_at) return false;
    return !log->os || s->stored;
}

/* The segment that is worth it most; NULL if none is. */
static log_segment *cleaner_pick(ri_log *log)
{
    if (log->stale) {
        log_segment *s = ri_log_segment_at(log, log->stale);
        if (s && cleaner_may(log, s)) return s;
        if (s && !s->damaged) return NULL;
    }
    log_segment *best = NULL;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *s = log->segments[i];
        uint32_t share = log->pressed ? s->size / 4 * 3 : s->size / CLEANER_SHARE;
        if (!cleaner_may(log, s) || (s->live >= share && !s->undated)) continue;
        if (!best || s->live < best->live) best = s;
    }
    return best;
}

static int cleaner_directory(ri_log *log, log_segment *s, log_foot *foot)
{
    RI_ASSERT(s->sealed);
    *foot = (log_foot){0};
    if (!s->stored) return RILL_OK;
    int rc = ri_footer_load(log, s);
    return rc < 0 ? rc : ri_footer_view(s, foot);
}

/* The segment goes: the one behind it follows on the one before. Part of the commit that moves
 * the last of it away. */
static int cleaner_gone(ri_log *log, const log_segment *s)
{
    RI_ASSERT(s->sealed && s != log->active);
    log_segment *behind = NULL;
    for (uint32_t i = log->nsegments; i-- > 0 && log->segments[i]->number > s->number;)
        if (!log->segments[i]->emptied_at) behind = log->segments[i];
    if (!log->os || !behind || behind->prev != s->number) return RILL_OK;
    log_removal r = {.gone = true, .first = s->prev, .last = behind->number};
    behind->prev = s->prev;
    int rc = ri_removals_keep(log, NULL, &r, 0);
    if (rc < 0) behind->prev = s->number;
    return rc;
}

static int cleaner_slice(ri_log *log, log_segment *s)
{
    RI_ASSERT(log->cleaning == s);
    log_foot foot;
    int rc = cleaner_directory(log, s, &foot);
    int64_t budget = CLEANER_SLICE;
    uint32_t steps = CLEANER_STEPS, ntracks = cleaner_ntracks(s, &foot);
    while (rc == 0 && log->clean_track < ntracks && budget > 0 && steps-- > 0) {
        uint32_t number = cleaner_track_number(s, &foot, log->clean_track);
        ri_track *track = ri_track_by_number(log, number);
        if (track) rc = cleaner_track(log, s, track, &budget);
        if (rc < 0 || budget <= 0) break;
        log->clean_track++;
        log->clean_seq = 0;
    }
    if (rc < 0 || log->clean_track < ntracks) return rc;
    uint32_t nremovals = s->removals ? s->nremovals : foot.nremovals;
    for (; log->clean_removal < nremovals && steps-- > 0; log->clean_removal++)
        if ((rc = cleaner_removal(log, s, &foot, log->clean_removal)) < 0) return rc;
    if (log->clean_removal < nremovals) return RILL_OK;
    if ((rc = cleaner_gone(log, s)) < 0) return rc;
    s->emptied_at = log->next_commit;
    log->cleaning = NULL;
    log->touched = true;
    return RILL_OK;
}

int ri_log_clean(ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    if (ri_log_check(log) < 0 || log->stuck.code) return 0;
    if (ri_fills_any(log)) return 1; /* what it copies must be there */
    if (!log->cleaning) {
        log->cleaning = cleaner_pick(log);
        if (!log->cleaning) return 0;
        log->stale = log->cleaning->number;
        log->clean_track = log->clean_removal = 0;
        log->clean_seq = 0;
    }
    log_segment *s = log->cleaning;
    int rc = cleaner_slice(log, s);
    bool unread = rc == RILL_EIO && ri_damage_in(log, s);
    if (rc == RILL_ECORRUPT || rc == RILL_ETOOBIG || unread) {
        if (rc == RILL_ETOOBIG || !ri_damage_in(log, s)) /* else that was reported */
            ri_log_damage_at(log, s, &(ri_damage){.record = true}, "kept as it is: %s",
                             ri_err_text());
        s->damaged = true;
        ri_removals_leave(log, s);
        log->cleaning = NULL;
        log->stale = 0;
        return 1;
    }
    if (rc < 0) return rc == RILL_EFULL ? 0 : rc;
    return 1;
}
