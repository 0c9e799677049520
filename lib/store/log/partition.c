/* SPDX-License-Identifier: Apache-2.0 */
/* A track that takes Kafka's record batches (ri_track_opts.batches), and what it knows of their
 * producers, so that a batch sent twice is stored once.
 *
 *     batches     ... [seq 1..5] [6..6] [7..40] [41..52] ...       track `id`
 *                                          |
 *     saved states                     [40, state]                 track `id` | 1 << 63
 *
 * The state is a function of the batches, control batches included. Reading them all at an opening
 * would take long, so the state is recorded now and then, as the newest record of a track beside
 * this one, behind the last sequence that it knows (u64, little-endian). What came later is read
 * when the state is first needed. So no batch behind the newest saved state may go: whatever
 * removes one records the state first, in the same commit. */
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/kafka/kafka_batch.h"
#include "codec/limits.h"
#include "store/log/log_private.h"
#include "store/memory/producers.h"

enum {
    PARTITION_UNSAVED = 4194304, /* bytes of batches after which the state is recorded ... */
    PARTITION_SHARE = 4,         /* ... or, if that is more, so many times the size of the state */
    PARTITION_HEAD = 8,          /* of a record of it: the sequence */
};

#define PARTITION_STATES (1ull << 63) /* of the id of the track beside */

struct ri_partition {
    ri_producers producers;
    uint64_t saved_seq;      /* the state up to here is recorded */
    uint64_t unsaved_bytes;  /* of batches since */
    uint64_t state_bytes;    /* of the newest record */
};

static ri_track *partition_states(const ri_track *track)
{
    uint64_t id = track->id | PARTITION_STATES;
    return ri_map_get(&track->log->tracks_by_id, ri_hash_u64(id), &id);
}

static int partition_make_states(ri_track *track, ri_track **out)
{
    static const ri_track_opts single = {.single_tail = true};
    return ri_log_track(track->log, track->id | PARTITION_STATES, &single, out);
}

/* ---- The state, batch by batch ---- */

/* Offsets count also what compaction took out of a batch. */
static ri_producers_batch partition_batch_of(const ri_kafka_batch *b)
{
    RI_ASSERT(b->count >= 0 && b->last_offset_delta >= 0);
    return (ri_producers_batch){
        .producer_id = b->producer_id, .epoch = b->producer_epoch,
        .base_sequence = b->base_sequence, .count = b->last_offset_delta + 1,
        .transactional = b->attributes & RI_KAFKA_TRANSACTIONAL,
    };
}

/* It stands in the log. RILL_ENOMEM, RILL_EFULL unless there is room for its producer. */
static int partition_learn(struct ri_partition *p, const ri_kafka_batch *b)
{
    int64_t time_ns = ri_track_batch_time(b->bytes), first;
    ri_kafka_marker marker;
    int32_t epoch;
    p->unsaved_bytes += b->bytes.len;
    if (b->producer_id < 0) return RILL_OK;
    if (!(b->attributes & RI_KAFKA_CONTROL)) {
        ri_producers_batch batch = partition_batch_of(b);
        if (batch.base_sequence < 0 || batch.epoch < 0) return RILL_OK;
        return ri_producers_add(&p->producers, &batch, b->base_offset, time_ns);
    }
    if (ri_kafka_marker_read(b, &marker, &epoch) <= 0) return RILL_OK;
    return ri_producers_end(&p->producers, b->producer_id, b->producer_epoch, epoch, time_ns,
                            &first);
}

/* ---- Recording ---- */

static int partition_save(ri_track *track)
{
    RI_ASSERT(track->partition && track->opts.batches);
    struct ri_partition *p = track->partition;
    ri_track *states;
    ri_buffer state;
    if (!p->unsaved_bytes) return RILL_OK;
    int rc = partition_make_states(track, &states);
    if (rc < 0) return rc;
    if (track->log->now_ns) ri_producers_expire(&p->producers, track->log->now_ns);
    char seq[PARTITION_HEAD];
    ri_segment_set64(seq, track->last_seq);
    ri_buffer_init(&state, &track->log->host);
    ri_buffer_put(&state, seq, sizeof seq);
    ri_producers_write(&p->producers, &state);
    ri_record record = {.data = ri_buffer_str(&state)};
    rc = state.failed ? ri_err_nomem(0) : ri_track_put(states, &record, true, NULL);
    if (rc == 0) {
        p->saved_seq = track->last_seq;
        p->unsaved_bytes = 0;
        p->state_bytes = record.data.len;
    }
    ri_buffer_fini(&state);
    return rc;
}

int ri_partition_before_removal(ri_track *track, uint64_t last)
{
    if (!track->opts.batches || track->log->raw) return RILL_OK;
    int rc = ri_partition_load(track);
    if (rc < 0 || last <= track->partition->saved_seq) return rc;
    return partition_save(track);
}

int ri_partition_drop(ri_track *track)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_track *states = track->opts.batches ? partition_states(track) : NULL;
    return states ? ri_track_drop(states) : RILL_OK;
}

void ri_partition_close(ri_track *track)
{
    if (track->partition && partition_states(track))
        partition_save(track); /* else the next opening reads more */
}

/* ---- Opening ---- */

static int partition_read_state(ri_track *track, struct ri_partition *p)
{
    RI_ASSERT(track->opts.batches);
    ri_track *states = partition_states(track);
    ri_cursor c;
    ri_record record;
    if (!states) return RILL_OK;
    ri_cursor_init(&c, states);
    int rc = ri_cursor_prev(&c, UINT64_MAX, NULL, &record);
    if (rc > 0) {
        rc = RILL_OK;
        if (record.data.len < PARTITION_HEAD)
            rc = ri_err(RILL_ECORRUPT, "a state without its sequence");
        if (rc == 0) {
            ri_str state = ri_str_from(record.data, PARTITION_HEAD);
            rc = ri_producers_read(&p->producers, state.ptr, state.len);
        }
        if (rc == 0) p->saved_seq = ri_segment_u64(record.data.ptr);
        p->state_bytes = record.data.len;
    }
    ri_cursor_fini(&c);
    return rc;
}

/* All that came after the saved state; nobody has removed any of it. */
static int partition_replay(ri_track *track, struct ri_partition *p)
{
    ri_cursor c;
    ri_record record;
    int rc;
    ri_cursor_init(&c, track);
    c.raw = true;
    for (uint64_t from = p->saved_seq + 1; (rc = ri_cursor_next(&c, from, NULL, &record)) > 0;) {
        ri_kafka_batch b;
        from = record.seq + 1;
        if (!(record.flags & RI_RECORD_BATCH)) continue;
        if (ri_kafka_batch_parse(record.data, record.data.len, &b) <= 0) continue;
        from = (uint64_t)ri_kafka_batch_last_offset(&b) + 2;
        if ((rc = partition_learn(p, &b)) < 0) break;
    }
    ri_cursor_fini(&c);
    return rc;
}

/* Damage to the state is reported and survived: producers that are not known may send anything. */
int ri_partition_load(ri_track *track)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    if (track->partition) return RILL_OK;
    ri_log *log = track->log;
    struct ri_partition *p = ri_new(&log->host, struct ri_partition);
    if (!p) return RILL_ENOMEM;
    ri_producers_init(&p->producers, &log->host, &(ri_producers_opts){0});
    int rc = partition_read_state(track, p);
    if (rc == 0) rc = partition_replay(track, p);
    if (rc == RILL_ECORRUPT) {
        ri_log_damage_at(log, NULL, &(ri_damage){.track = track->id},
                         "what is known of producers is damaged: %s", ri_err_text());
        rc = RILL_OK;
    }
    track->partition = p;
    if (rc < 0) ri_partition_free(track);
    return rc;
}

void ri_partition_free(ri_track *track)
{
    if (!track->partition) return;
    ri_producers_fini(&track->partition->producers);
    ri_delete(&track->log->host, track->partition);
    track->partition = NULL;
}

/* ---- Appending ---- */

static const struct {
    int code;
    const char *why;
} partition_refusals[] = {
    [RI_PRODUCERS_OUT_OF_ORDER] = {RILL_ECONFLICT, "is not the next of its producer"},
    [RI_PRODUCERS_FENCED] = {RILL_EFENCED, "is of an epoch that a newer one has ended"},
    [RI_PRODUCERS_BAD_STATE] = {RILL_EINVAL, "is outside the transaction that is open"},
    [RI_PRODUCERS_STALE_COORDINATOR] = {RILL_EFENCED, "is of a coordinator that was replaced"},
};

static int partition_refuse(const ri_kafka_batch *b, ri_producers_verdict verdict)
{
    RI_ASSERT(verdict != RI_PRODUCERS_APPEND && verdict != RI_PRODUCERS_DUPLICATE);
    return ri_err(partition_refusals[verdict].code,
                  "the batch of producer %lld, epoch %d, sequence %d %s",
                  (long long)b->producer_id, b->producer_epoch, b->base_sequence,
                  partition_refusals[verdict].why);
}

/* A batch as a producer or a coordinator sent it: is it what it says? */
static int partition_check_bytes(ri_str bytes, ri_kafka_batch *b)
{
    int rc = ri_kafka_batch_parse(bytes, RI_LIMIT_KAFKA_BATCH_MAX, b);
    if (rc < 0) return rc;
    if (rc == 0 || (size_t)rc != bytes.len)
        return ri_err(RILL_EPROTO, "a record batch of %zu bytes that says another length",
                      bytes.len);
    if ((rc = ri_kafka_batch_verify(b)) < 0) return rc;
    if (!(b->attributes & RI_KAFKA_CONTROL)) return ri_kafka_batch_check_produced(b);
    if (b->base_offset == 0 && b->last_offset_delta == 0 && b->producer_id >= 0) return RILL_OK;
    return ri_err(RILL_EPROTO, "not a control batch that a coordinator sends");
}

static int partition_verdict(ri_track *track, const ri_kafka_batch *b, ri_batch_receipt *receipt)
{
    RI_ASSERT(track->partition);
    const ri_producers *producers = &track->partition->producers;
    ri_kafka_marker marker;
    int32_t epoch;
    int64_t offset = 0;
    receipt->verdict = RI_PRODUCERS_APPEND;
    if (b->producer_id < 0) return RILL_OK;
    if (b->attributes & RI_KAFKA_CONTROL) {
        int rc = ri_kafka_marker_read(b, &marker, &epoch);
        if (rc <= 0) return rc < 0 ? rc : ri_err(RILL_EPROTO, "a control batch that is no marker");
        receipt->verdict = ri_producers_check_marker(producers, b->producer_id, b->producer_epoch,
                                                     epoch);
    } else {
        ri_producers_batch batch = partition_batch_of(b);
        receipt->verdict = ri_producers_check(producers, &batch, &offset);
    }
    if (receipt->verdict == RI_PRODUCERS_DUPLICATE) {
        receipt->first_seq = (uint64_t)offset + 1;
        return 1;
    }
    if (receipt->verdict == RI_PRODUCERS_APPEND) return RILL_OK;
    return partition_refuse(b, receipt->verdict);
}

int ri_track_append_batch(ri_track *track, ri_str bytes, ri_batch_receipt *receipt)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    RI_ASSERT(receipt && (bytes.ptr || bytes.len == 0));
    ri_kafka_batch b;
    *receipt = (ri_batch_receipt){0};
    if (!track->opts.batches)
        return ri_err(RILL_ENOTSUP, "the track was not made to take record batches");
    int rc = partition_check_bytes(bytes, &b);
    if (rc < 0 || (rc = ri_partition_load(track)) < 0) return rc;
    struct ri_partition *p = track->partition;
    if ((rc = partition_verdict(track, &b, receipt)) != 0) return rc;
    ri_track *states; /* there before it is needed: a close may make no track */
    if ((rc = partition_make_states(track, &states)) < 0) return rc;
    if (b.producer_id >= 0 && (rc = ri_producers_reserve(&p->producers, b.producer_id)) < 0)
        return rc;
    if ((rc = ri_track_put_batch(track, bytes, &receipt->first_seq)) < 0) return rc;
    b.base_offset = (int64_t)receipt->first_seq - 1;
    partition_learn(p, &b);
    if (p->unsaved_bytes >= RI_MAX((uint64_t)PARTITION_UNSAVED, PARTITION_SHARE * p->state_bytes))
        partition_save(track); /* else with the next batch */
    return RILL_OK;
}

/* ---- Asking ---- */

int ri_track_producer(ri_track *track, int64_t producer_id, int16_t *epoch, int32_t *last_sequence)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    int rc = ri_partition_load(track);
    if (rc < 0) return rc;
    return ri_producers_find(&track->partition->producers, producer_id, epoch, last_sequence);
}

int ri_track_producers(ri_track *track, ri_producers_one *out, uint32_t most)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    if (!track->opts.batches) return 0;
    int rc = ri_partition_load(track);
    return rc < 0 ? rc : (int)ri_producers_list(&track->partition->producers, out, most);
}

uint64_t ri_partition_stable(const ri_track *track)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    int64_t offset = track->partition ? ri_producers_stable(&track->partition->producers)
                                      : RI_PRODUCERS_NO_OFFSET;
    return offset == RI_PRODUCERS_NO_OFFSET ? track->visible_seq
                                            : RI_MIN(track->visible_seq, (uint64_t)offset);
}
