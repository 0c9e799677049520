/* SPDX-License-Identifier: Apache-2.0 */
/* A stream as Kafka's clients read it: record batches, one behind the other, from an offset on.
 *
 *     track    [1 message] [2 message] [3 message] [4..43 batch] [44..90 batch] [91 message] ...
 *     a read   [built: offsets 0, 1, 2]            [3..42 as it came] [43..89]  [built: 90]
 *
 * A batch goes out as it came in; one of whose records some were compacted away, or deleted, as one
 * or several without these. Messages between batches become records (codec/kafka/
 * kafka_message.h), and those that stand together one batch, which is built anew for each reading,
 * of about FETCH_BUILT bytes. Where messages are gone the offsets have gaps, as compaction leaves
 * them. */
#ifndef RI_FETCH_H
#define RI_FETCH_H

#include "engine/streams/stream.h"

/* Offsets: of the first record that is there, and behind the last that is committed. Equal: there
 * is none. */
typedef struct ri_fetch_ends {
    int64_t start, end;
} ri_fetch_ends;
void ri_fetch_ends_of(const ri_stream *stream, ri_fetch_ends *out);

typedef struct ri_fetch { /* a reader; zeroed and closed is legal */
    ri_cursor cursor;
    ri_buffer text; /* of a message as a record */
    bool open;
} ri_fetch;

void ri_fetch_open(ri_fetch *fetch, ri_stream *stream);
void ri_fetch_close(ri_fetch *fetch); /* before the stream goes */
/* How much room the next call of ri_fetch_some() makes in a buffer that is empty: about what is
 * there behind the offset, or 0 if that is little. */
size_t ri_fetch_likely(const ri_stream *stream, int64_t offset, size_t max);
/* Append to `out` the batches that hold the records from *offset on, as long as they fit into `max`
 * bytes; with `whole`, the first one in any case. *offset is behind them then. 1 if the turn's
 * budget is used up and there may be more; 0; RILL_EINVAL if *offset is neither within the ends nor
 * at the second; RILL_ENOMEM, RILL_ECORRUPT, RILL_EIO: what was appended before stays. */
int ri_fetch_some(ri_fetch *fetch, ri_stream *stream, int64_t *offset, size_t max, bool whole,
                  ri_buffer *out);

/* The record that has the latest time of all, the first of them, and that time. False: there is
 * none, or it cannot be read. */
bool ri_fetch_latest(ri_stream *stream, int64_t *offset, int64_t *time_ms);

/* ---- watch.c: who waits for records ---- */

typedef struct ri_watch ri_watch;
struct ri_watch {
    ri_list link;      /* in the stream's */
    ri_stream *stream; /* NULL: it has gone, or this watches none */
    /* More is committed, or the stream goes, which is NULL then. It neither publishes, nor changes
     * the interest, nor is it the last of its stream's watches to be removed by another. */
    void (*grew)(ri_watch *watch);
};
void ri_watch_begin(ri_watch *watch, ri_stream *stream); /* `grew` is set */
void ri_watch_end(ri_watch *watch);                      /* zeroed: nothing happens */

#endif
