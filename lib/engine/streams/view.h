/* SPDX-License-Identifier: Apache-2.0 */
/* The records in a stream's Kafka batches, as messages: what consumers, direct gets, mirrors and
 * all who read by a cursor see of them. view.c says how. */
#ifndef RI_VIEW_H
#define RI_VIEW_H

#include "codec/kafka/kafka_batch.h"
#include "engine/streams/js.h"

typedef struct ri_view ri_view;

/* Of a stream that takes batches; else nothing happens. RILL_ENOMEM, or RILL_EINVAL for subjects
 * that do not say how those of records are made. Its track is open. */
int ri_view_open(ri_stream *stream);
void ri_view_close(ri_stream *stream); /* its track may be gone */
/* May a stream with this configuration take batches, if it says that it does? */
int ri_view_check(const ri_stream_conf *conf, ri_js_error *e);
/* That message was erased: nothing keeps its bytes. */
void ri_view_erased(ri_stream *stream, uint64_t seq);
void ri_view_step(ri_stream *stream); /* reports what cannot be unpacked */
/* The last number up to `to` that readers may see, unless many behind it are hidden, or it
 * cannot be read now: `to` itself. */
uint64_t ri_view_last(ri_stream *stream, uint64_t to);
/* The first from `seq` on that is not before the time; the track has found `seq` by batches. */
uint64_t ri_view_seq_at(ri_stream *stream, uint64_t seq, int64_t time_ns);
/* The subject that a key counts as when the track is compacted; false: keys are no subjects. */
bool ri_view_keyed(const ri_stream *stream);
void ri_view_subject(void *stream, ri_str key, ri_buffer *out);
/* Of a record that was read raw and stands in a batch: the last number of that. */
uint64_t ri_view_batch_end(const ri_record *record);

/* The records of a batch that was read raw, one by one, as they came in: what Kafka's clients are
 * given of one that has lost some. *held is the batch, unpacked, until it is released. RILL_OK;
 * RI_CURSOR_CUT: the turn's budget is used up before it is unpacked; or a code. */
int ri_view_open_batch(ri_stream *stream, const ri_record *record, ri_held **held);
/* Its record with that number: 1 and the record, lent until the release; 0 if it has none; a
 * code. */
int ri_view_batch_record(ri_held *held, uint64_t seq, ri_kafka_record *out);

/* Append a Kafka RecordBatch v2, as a producer or a transaction's coordinator sent it, to a
 * stream that takes batches (metadata rill.batches). Its records get the next numbers; it is
 * looked through, also if it is compressed, and stored as it is. RILL_OK: ask->waiter is done
 * with the rc of the commit, and the produce is acknowledged then; else it is not called. 1, if
 * ask->slices allows it: the budget of the turn was used up before it was looked through; it is
 * asked for again in a later turn, with the same batch, or ri_view_ask_drop().
 * RILL_ENOTSUP for another stream, or a codec that this build has not; RILL_ETOOBIG, RILL_EFULL
 * for its limits; RILL_EPROTO and RILL_ECORRUPT for bytes that are no such batch; RILL_EINVAL
 * for a record without key where keys count; and what ri_track_append_batch() says of its
 * producer. */
typedef struct ri_view_keyless { /* records of a batch without a key, where each has to have one */
    int32_t *at;              /* which these are: as many as there is room for */
    uint32_t len, cap;
} ri_view_keyless;

typedef struct ri_view_ask {
    ri_js_waiter waiter;      /* `done` is set by the caller */
    const ri_safety *safety;  /* that it needs on disk; NULL: that of the log */
    bool stamp;               /* it gets the time of now, instead of its producer's */
    bool slices;              /* what is packed is unpacked in slices of the turn's budget */
    ri_held *looked;          /* what is unpacked so far */
    ri_view_keyless *keyless; /* for all of them; NULL: the first is enough to refuse the batch */
    /* out */
    uint64_t first_seq, last_seq; /* of its records; of a duplicate: what they were then */
    int64_t append_time_ms;   /* the time that it got; -1: its producer's */
    bool duplicate;           /* its producer has sent it before: it is stored already */
    ri_producers_verdict verdict;
} ri_view_ask;
int ri_view_append_batch(ri_stream *stream, ri_str batch, ri_view_ask *ask);
void ri_view_ask_drop(ri_view_ask *ask); /* it is not asked for again; zeroed: nothing happens */

#endif
