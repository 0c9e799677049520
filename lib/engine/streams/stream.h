/* SPDX-License-Identifier: Apache-2.0 */
/* One stream: a client of the router that stores what is published on its subjects in a track of
 * a log, bounded by its limits, and the consumers that read it.
 *
 * Calls that fail return RILL_E* and fill in `e` (may be NULL) with the JetStream error that
 * belongs there. What they change is part of the log's open commit: answer after ri_js_wait(). */
#ifndef RI_STREAM_H
#define RI_STREAM_H

#include "engine/streams/js.h"

/* Create, or find the one with an equal configuration (after defaults). Defaults and rules are
 * applied here. Changes the interest. */
int ri_stream_create(ri_js *js, const ri_js_stream_request *request, ri_stream **stream,
                     ri_js_error *e);
int ri_stream_update(ri_stream *stream, const ri_js_stream_request *request, ri_js_error *e);
/* With its records and consumers; waiting pull requests are answered. Publishes. */
int ri_stream_delete(ri_stream *stream, ri_js_error *e);
/* The same in slices of the turn's budget: 1 if there is more. From the first on it takes neither
 * messages nor consumers, and is neither changed nor made again; it is found by its name up to the
 * last. */
int ri_stream_delete_some(ri_stream *stream, ri_js_error *e);

const ri_stream_conf *ri_stream_conf_of(const ri_stream *stream);
bool ri_stream_is_closing(const ri_stream *stream); /* it is being deleted, in slices */
ri_js *ri_stream_js(const ri_stream *stream);
ri_log *ri_stream_log(const ri_stream *stream);
ri_track *ri_stream_track(const ri_stream *stream);
/* Message ids that left the window of duplicates before their time, since it was opened. */
uint64_t ri_stream_ids_forgotten(const ri_stream *stream);
/* Of its track: another one that is made later under this name has another. */
uint64_t ri_stream_id(const ri_stream *stream);
int64_t ri_stream_created_ns(const ri_stream *stream); /* wall clock */
/* All but `subjects`, `deleted`, `domain`, `cluster`: config, created, state, mirror, sources.
 * Spans are lent until the stream changes. */
void ri_stream_info_of(ri_stream *stream, ri_stream_info *out);
/* The state as it is known without a read, for who asks very many streams: first_ts is 0 where it
 * would have to be read. */
void ri_stream_state_at_hand(const ri_stream *stream, ri_stream_state *out);

/* Reading: committed records; by subject, when none of these is left, those of the open commit,
 * since what takes the place of another there has removed it. The record is lent until the
 * stream's next call. */
int ri_stream_get(ri_stream *stream, uint64_t seq, ri_record *out); /* RILL_ENOENT */
/* in the open commit, too */
int ri_stream_get_open(ri_stream *stream, uint64_t seq, ri_record *out);
int ri_stream_get_last(ri_stream *stream, ri_str subject, ri_record *out); /* may be a filter */
/* The first with seq >= from on a subject that `filter` matches (empty: all). */
int ri_stream_get_next(ri_stream *stream, uint64_t from, ri_str filter, ri_record *out);
/* The same in slices of the turn's budget: begin with the first from `from` on, or with the last,
 * and then some until it is not 1. The search may go on with a higher `from` when it has found one.
 * `filter` is lent until the end. */
typedef struct ri_stream_search {
    ri_cursor cursor; /* its own */
    ri_str filter;    /* empty: all */
    uint64_t from;    /* next to be looked at */
    bool last;        /* downwards */
} ri_stream_search;
void ri_stream_search_next(ri_stream *stream, ri_stream_search *s, ri_str filter, uint64_t from);
void ri_stream_search_last(ri_stream *stream, ri_stream_search *s, ri_str filter);
int ri_stream_search_some(ri_stream *stream, ri_stream_search *s, ri_record *out);
void ri_stream_search_end(ri_stream_search *s); /* the stream may be gone */
/* Sequence of the first at or after a time; last + 1 if none. */
uint64_t ri_stream_seq_at(ri_stream *stream, int64_t time_ns);

int ri_stream_erase(ri_stream *stream, uint64_t seq, bool erase, ri_js_error *e);
ri_consumer *ri_stream_consumer(ri_stream *stream, ri_str name); /* NULL: none */
/* All that are served or not, in order of their names; lent until one is created or deleted. */
ri_consumer *const *ri_stream_consumers(ri_stream *stream, size_t *n);

#endif
