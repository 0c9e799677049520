/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping the last record of each key: rounds over a track, in slices.
 *
 *     seq   1 ........... done ................. end ....
 *           |   clean      |       dirty          |  open, or of an open transaction
 *     note                 |--------------------->|       newest sequence of each key
 *     judge |------------------------------------>|       older ones die, old tombstones, too
 *
 * A track with a subject index has no need to note: the index knows each key's last. A record's
 * key is its subject; a batch's records have their own. A record that is a tombstone, and the last
 * of its key, dies when it is tombstone_ns old; one in a batch when the batch says so, which the
 * cleaner has it say (rewrite.c): so segments with tombstones without a date are cleaned even if
 * they are well filled.
 *
 * A round reads all of the track. One for few new records, as a rule or a tombstone may ask for it,
 * waits behind the round before: for as long as that one took, and a while at least. So a record a
 * second never has a large track read without end.
 *
 * What cannot be read (batches of other codecs) stays and pushes nothing out; a tombstone behind
 * it stays as well, or what it deleted would be seen again. Records of transactions may be pushed
 * out, but push out nothing: they may have been aborted. Control batches stay. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/kafka/kafka_batch.h"
#include "store/keep/compaction.h"
#include "store/log/log_private.h"

enum {
    COMPACTOR_SLICE = 262144, /* bytes read by one call, and what else it does counted as bytes: */
    COMPACTOR_EACH = 256,    /* a record looked at */
    COMPACTOR_DEATH = 512,   /* one that dies */
    COMPACTOR_SEARCH = 65536, /* a look for the last of a key that the index does not know */
    COMPACTOR_SMALL = 256,   /* records of a track that is always worth a round */
    COMPACTOR_REST_MS = 15000, /* behind a round, unless ... */
    COMPACTOR_MUCH = 16,     /* ... one of so many records is new */
    COMPACTOR_KEYS = 1 << 21, /* of a round */
    COMPACTOR_SOON = 16,     /* tombstones go at most 1/16 of their time, or a second, late */
};

typedef enum compactor_phase { COMPACTOR_IDLE, COMPACTOR_NOTE, COMPACTOR_JUDGE } compactor_phase;

struct ri_compactor {
    ri_track *track;
    ri_compact_rule rule;
    ri_list link;            /* in log->compactors */
    ri_cursor cursor;
    ri_compaction table;     /* of a track without index */
    compactor_phase phase;
    uint64_t next, end;      /* to be looked at next; where this round ends */
    uint64_t done;           /* all below were looked at by rounds that ended */
    int64_t due_ns;          /* a tombstone may go; INT64_MAX: none waits */
    int64_t next_due_ns;     /* the same, as this round finds it */
    int64_t dirty_ns;        /* since when some wait that no round has looked at; 0: none does */
    int64_t begun_ns, ended_ns; /* the last round */
    int64_t rest_ns;         /* until when the next one waits, if little is new */
    bool put_off;            /* it does, and there is something to do */
    bool blind;              /* this round met records that it could not read */
    bool more;               /* the table was full: another round at once */
    ri_buffer plain;         /* an unpacked batch */
    ri_buffer key;           /* of a record, as a subject */
    uint64_t *dead;          /* that the entries looked at leave behind */
    uint32_t ndead, cap_dead, nburied;
    int64_t budget;          /* what is left of the slice */
};

uint64_t ri_compactor_done(const ri_track *track)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(track->compactor && track->compactor->track == track);
    const struct ri_compactor *c = track->compactor;
    return c->phase == COMPACTOR_JUDGE ? RI_MAX(c->done, c->next) : c->done;
}

int64_t ri_compactor_tombstone_ms(const ri_track *track)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    return track->compactor->rule.tombstone_ns / RI_MS;
}

/* ---- With the track ---- */

void ri_compactor_free(ri_track *track)
{
    struct ri_compactor *c = track->compactor;
    const ri_host *host = &track->log->host;
    if (!c) return;
    ri_list_remove(&c->link);
    ri_cursor_fini(&c->cursor);
    ri_compaction_fini(&c->table);
    ri_buffer_fini(&c->plain);
    ri_buffer_fini(&c->key);
    ri_free(host, c->dead, c->cap_dead * sizeof *c->dead);
    ri_delete(host, c);
    track->compactor = NULL;
}

int ri_track_compact(ri_track *track, const ri_compact_rule *rule)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    if (!rule) {
        ri_compactor_free(track);
        return RILL_OK;
    }
    if (track->opts.single_tail)
        return ri_err(RILL_ENOTSUP, "the track keeps its last record only");
    struct ri_compactor *c = track->compactor;
    if (!c) {
        if (!(c = ri_new(&track->log->host, struct ri_compactor))) return RILL_ENOMEM;
        c->track = track;
        c->due_ns = INT64_MAX;
        c->done = 1;
        ri_cursor_init(&c->cursor, track);
        c->cursor.raw = true;
        ri_buffer_init(&c->plain, &track->log->host);
        ri_buffer_init(&c->key, &track->log->host);
        ri_list_push(&track->log->compactors, &c->link);
        track->compactor = c;
    }
    c->rule = *rule;
    return RILL_OK;
}

/* ---- One record ---- */

static int64_t compactor_horizon(const struct ri_compactor *c, int64_t time_ns)
{
    RI_ASSERT(c->rule.tombstone_ns >= 0);
    int64_t kept = c->rule.tombstone_ns;
    return ri_ns_add(time_ns, kept);
}

static void compactor_wait(struct ri_compactor *c, int64_t due_ns)
{
    c->next_due_ns = RI_MIN(c->next_due_ns, due_ns);
}

static int compactor_dies(struct ri_compactor *c, uint64_t seq)
{
    RI_ASSERT(seq > 0 && c->phase == COMPACTOR_JUDGE);
    int rc = ri_array_reserve(&c->track->log->host, &c->dead, &c->cap_dead, c->ndead + 1,
                              sizeof *c->dead);
    if (rc == 0) c->dead[c->ndead++] = seq;
    return rc;
}

/* Is there a newer live one? As a rule the index knows the last of each. */
static bool compactor_superseded(struct ri_compactor *c, const ri_compaction_record *r)
{
    ri_subject_entry e;
    ri_subject_info info;
    if (ri_subject_index_find(c->track->index, r->key, &e) < 0 || e.count < 2) return false;
    if (e.last_known) return e.last_seq > r->seq;
    c->budget -= COMPACTOR_SEARCH;
    return ri_track_subject(c->track, r->key, &info) == 0 && info.last_seq > r->seq;
}

static ri_compaction_verdict compactor_judge(struct ri_compactor *c,
                                             const ri_compaction_record *r, int64_t now_ms)
{
    if (!c->track->index) return ri_compaction_judge(&c->table, r, now_ms);
    if (compactor_superseded(c, r)) return RI_COMPACTION_DEAD;
    return r->tombstone && now_ms >= r->horizon_ms ? RI_COMPACTION_DEAD : RI_COMPACTION_KEEP;
}

static int compactor_record(struct ri_compactor *c, const ri_record *rec, int64_t now_ns)
{
    c->budget -= COMPACTOR_EACH + (int64_t)(rec->headers.len + rec->data.len);
    ri_compaction_record r = {.key = rec->subject, .seq = rec->seq, .horizon_ms = INT64_MAX};
    if (!rec->subject.len) return RILL_OK; /* nobody's key */
    if (c->phase == COMPACTOR_NOTE) return ri_compaction_note(&c->table, r.key, r.seq);
    r.tombstone = c->rule.is_tombstone && c->rule.is_tombstone(c->rule.arg, rec);
    if (r.tombstone && !c->blind) r.horizon_ms = compactor_horizon(c, rec->time_ns) / RI_MS;
    if (compactor_judge(c, &r, now_ns / RI_MS) == RI_COMPACTION_DEAD)
        return compactor_dies(c, rec->seq);
    if (r.tombstone && !c->blind) compactor_wait(c, compactor_horizon(c, rec->time_ns));
    return RILL_OK;
}

/* ---- A batch ---- */

/* The cleaner has to come by and give it a date. */
static void compactor_stamp(struct ri_compactor *c, uint64_t seq, int64_t now_ns)
{
    uint32_t slot;
    log_run *run = ri_run_find(c->track, seq, &slot);
    if (run) run->segment->undated = true;
    compactor_wait(c, compactor_horizon(c, now_ns));
}

/* A record without a key is nobody's; else lent until the next. */
static int compactor_key(struct ri_compactor *c, ri_str given, ri_str *key)
{
    *key = given;
    if (!given.ptr || !c->rule.subject) return RILL_OK;
    ri_buffer_reset(&c->key);
    c->rule.subject(c->rule.arg, given, &c->key);
    *key = ri_buffer_str(&c->key);
    return c->key.failed ? RILL_ENOMEM : RILL_OK;
}

static int compactor_judge_one(struct ri_compactor *c, const ri_kafka_batch *b,
                               const ri_kafka_record *r, int64_t now_ns)
{
    RI_ASSERT(c->phase == COMPACTOR_JUDGE || c->phase == COMPACTOR_NOTE);
    bool dated = b->attributes & RI_KAFKA_DELETE_HORIZON;
    bool stays = c->blind || b->attributes & RI_KAFKA_TRANSACTIONAL;
    ri_compaction_record record = {
        .seq = (uint64_t)r->offset + 1, .tombstone = !r->value.ptr,
        .horizon_ms = stays ? INT64_MAX : dated ? b->base_timestamp_ms : -1,
    };
    int rc = compactor_key(c, r->key, &record.key);
    if (rc < 0) return rc;
    switch (compactor_judge(c, &record, now_ns / RI_MS)) {
    case RI_COMPACTION_DEAD: return compactor_dies(c, record.seq);
    case RI_COMPACTION_STAMP: compactor_stamp(c, record.seq, now_ns); break;
    case RI_COMPACTION_KEEP:
        if (record.tombstone && dated && !stays)
            compactor_wait(c, ri_ns_of_ms(b->base_timestamp_ms));
        break;
    }
    return RILL_OK;
}

/* A long one is gone on with by the next slice. */
static int compactor_batch(struct ri_compactor *c, const ri_record *rec, int64_t now_ns)
{
    ri_kafka_batch b;
    ri_kafka_records it;
    ri_kafka_record r;
    ri_str plain;
    int rc = ri_kafka_batch_parse(rec->data, rec->data.len, &b);
    c->next = rec->seq + 1;
    if (rc > 0) c->next = RI_MAX(c->next, (uint64_t)ri_kafka_batch_last_offset(&b) + 2);
    if (rc > 0 && b.attributes & RI_KAFKA_CONTROL) return RILL_OK;
    if (rc > 0) rc = ri_rewrite_plain(&b, &c->plain, &plain);
    if (rc == RILL_ENOMEM) return rc;
    c->blind = c->blind || rc < 0;
    if (rc < 0 || (c->phase == COMPACTOR_NOTE && b.attributes & RI_KAFKA_TRANSACTIONAL))
        return RILL_OK;
    ri_kafka_records_init(&it, &b, plain);
    while ((rc = ri_kafka_records_next(&it, &r)) == 1) {
        uint64_t seq = (uint64_t)r.offset + 1;
        if (seq < rec->seq || seq >= c->end || !ri_rewrite_is_live(c->track, seq)) continue;
        if (c->budget <= 0) {
            c->next = seq;
            return RILL_OK;
        }
        c->budget -= COMPACTOR_EACH;
        ri_str key;
        if (c->phase == COMPACTOR_NOTE && seq >= c->table.end_seq)
            rc = (rc = compactor_key(c, r.key, &key)) < 0
                     ? rc : ri_compaction_note(&c->table, key, seq);
        else if (c->phase == COMPACTOR_JUDGE)
            rc = compactor_judge_one(c, &b, &r, now_ns);
        if (rc == RILL_EFULL) c->next = seq;
        if (rc < 0) return rc;
    }
    c->blind = c->blind || rc < 0;
    c->budget -= (int64_t)(rec->data.len + plain.len);
    return RILL_OK;
}

/* ---- Rounds ---- */

static uint64_t compactor_limit(const struct ri_compactor *c)
{
    return ri_partition_stable(c->track) + 1;
}

/* When what waits has waited for long enough. */
static int64_t compactor_lag_due_ns(const struct ri_compactor *c)
{
    bool lags = c->dirty_ns && c->rule.lag_ns > 0;
    return lags ? ri_ns_add(c->dirty_ns, c->rule.lag_ns) : INT64_MAX;
}

static uint64_t compactor_news(const struct ri_compactor *c)
{
    uint64_t end = compactor_limit(c);
    return end > c->done ? end - c->done : 0;
}

/* A clock that was set back ends it. */
static bool compactor_rests(const struct ri_compactor *c, int64_t now_ns)
{
    bool much = ri_u64_mul(compactor_news(c), COMPACTOR_MUCH) >= c->track->count;
    return c->track->count > COMPACTOR_SMALL && !much && now_ns >= c->ended_ns &&
           now_ns < c->rest_ns;
}

static bool compactor_is_due(const struct ri_compactor *c, int64_t now_ns)
{
    const ri_track *track = c->track;
    uint64_t dirty = compactor_news(c);
    RI_ASSERT(c->phase == COMPACTOR_IDLE);
    if (now_ns >= c->due_ns) return true;
    if (dirty && now_ns >= compactor_lag_due_ns(c)) return true;
    if (dirty && track->index && track->count > track->index->len)
        dirty = RI_MAX(dirty, track->count - track->index->len);
    return dirty && (track->count <= COMPACTOR_SMALL ||
                     ri_u64_mul(dirty, 1000) >= ri_u64_mul(track->count, c->rule.dirty));
}

static bool compactor_wants(struct ri_compactor *c, int64_t now_ns)
{
    c->put_off = false;
    if (c->track->count == 0) return false;
    if (c->more) return true;
    if (!c->dirty_ns && compactor_news(c)) c->dirty_ns = now_ns;
    if (!compactor_is_due(c, now_ns)) return false;
    c->put_off = compactor_rests(c, now_ns);
    return !c->put_off;
}

static void compactor_begin(struct ri_compactor *c, int64_t now_ns)
{
    RI_ASSERT(c->phase == COMPACTOR_IDLE && c->ndead == 0);
    c->begun_ns = now_ns;
    c->end = compactor_limit(c);
    c->dirty_ns = 0;
    c->blind = c->more = false;
    c->next_due_ns = INT64_MAX;
    if (c->track->index) {
        c->phase = COMPACTOR_JUDGE;
        c->next = 1;
        return;
    }
    ri_compaction_init(&c->table, &c->track->log->host, COMPACTOR_KEYS);
    c->phase = COMPACTOR_NOTE;
    c->next = c->done;
}

/* All of the phase was looked at. */
static void compactor_turn(struct ri_compactor *c, int64_t now_ns)
{
    RI_ASSERT(c->phase != COMPACTOR_IDLE);
    if (c->phase == COMPACTOR_NOTE) {
        c->table.end_seq = RI_MAX(c->table.end_seq, c->end);
        c->phase = COMPACTOR_JUDGE;
        c->next = 1;
        c->blind = false; /* judging meets them again, in order */
        return;
    }
    ri_compaction_fini(&c->table);
    c->phase = COMPACTOR_IDLE;
    c->done = RI_MAX(c->done, c->end);
    c->ended_ns = now_ns;
    c->rest_ns = ri_ns_add(now_ns, RI_MAX(ri_ns_sub(now_ns, c->begun_ns),
                                          ri_ns_of_ms(COMPACTOR_REST_MS)));
    c->due_ns = c->next_due_ns;
    int64_t soonest_ns = ri_ns_add(now_ns, RI_MAX(c->rule.tombstone_ns / COMPACTOR_SOON, RI_SEC));
    if (c->due_ns != INT64_MAX) c->due_ns = RI_MAX(c->due_ns, soonest_ns);
}

/* Of the dead as many as the slice allows; somebody else may have removed one meanwhile. */
static int compactor_bury(struct ri_compactor *c)
{
    RI_ASSERT(c->nburied <= c->ndead && c->ndead <= c->cap_dead);
    while (c->nburied < c->ndead && c->budget > 0) {
        uint64_t seq = c->dead[c->nburied];
        int rc = ri_track_remove(c->track, seq, false);
        if (rc < 0 && rc != RILL_ENOENT) return rc;
        c->nburied++;
        c->budget -= COMPACTOR_DEATH;
        if (rc == 0 && c->rule.removed) c->rule.removed(c->rule.arg, seq);
    }
    if (c->nburied == c->ndead) c->nburied = c->ndead = 0;
    return 1;
}

/* One record or batch; 0 when the phase is over. */
static int compactor_step(struct ri_compactor *c, int64_t now_ns)
{
    RI_ASSERT(c->phase != COMPACTOR_IDLE); /* a batch may have led beyond c->end */
    ri_record rec;
    uint64_t from = c->next;
    int rc = from < c->end ? ri_cursor_next(&c->cursor, from, NULL, &rec) : 0;
    if (rc == RILL_ECORRUPT) { /* reported when it is read, or checked */
        c->next = RI_MAX(rec.seq, from) + 1;
        c->blind = true;
        return 1;
    }
    if (rc < 0) return rc;
    if (rc == 0 || rec.seq >= c->end) return 0;
    c->next = rec.seq + 1;
    rc = rec.flags & RI_RECORD_BATCH ? compactor_batch(c, &rec, now_ns)
                                     : compactor_record(c, &rec, now_ns);
    if (rc == RILL_EFULL && c->phase == COMPACTOR_NOTE) { /* the round ends before this one */
        c->end = c->table.end_seq;
        c->more = true;
        return 0;
    }
    if (rc < 0) { /* all of it again, the next time */
        c->next = from;
        c->ndead = c->nburied = 0;
        return rc;
    }
    return 1;
}

static int compactor_slice(struct ri_compactor *c, int64_t now_ns)
{
    RI_ASSERT(c->track->compactor == c);
    int rc = 1;
    c->budget = COMPACTOR_SLICE;
    while (rc == 1 && c->budget > 0) rc = c->ndead ? compactor_bury(c) : compactor_step(c, now_ns);
    if (rc == 0) compactor_turn(c, now_ns);
    return rc;
}

int ri_log_compact(ri_log *log, int64_t now_ns)
{
    RI_ASSERT(ri_log_is_sound(log));
    log->now_ns = now_ns;
    if (ri_log_check(log) < 0 || log->stuck.code) return 0;
    ri_list_each (link, &log->compactors) {
        struct ri_compactor *c = ri_container_of(link, struct ri_compactor, link);
        if (c->phase == COMPACTOR_IDLE && !compactor_wants(c, now_ns)) continue;
        if (c->phase == COMPACTOR_IDLE) compactor_begin(c, now_ns);
        int rc = compactor_slice(c, now_ns);
        if (rc >= 0) return 1;
        if (rc != RILL_EFULL) return rc;
    }
    return 0;
}

int64_t ri_log_compact_due_ns(const ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    int64_t due_ns = INT64_MAX;
    ri_list_each (link, &log->compactors) {
        const struct ri_compactor *c = ri_container_of(link, struct ri_compactor, link);
        if (!c->track->count) continue;
        int64_t own_ns = RI_MIN(c->due_ns, compactor_lag_due_ns(c));
        due_ns = RI_MIN(due_ns, c->put_off ? c->rest_ns : own_ns);
    }
    return due_ns;
}
