/* SPDX-License-Identifier: Apache-2.0 */
/* Purging a stream: all of its messages, those of a subject, those below a number, all but the
 * newest. */
#ifndef RI_PURGE_H
#define RI_PURGE_H

#include "engine/streams/stream.h"

/* filter empty: all; seq 0: all, else those below; keep: the newest so many stay. */
int ri_purge_whole(ri_stream *stream, ri_str filter, uint64_t seq, uint64_t keep,
                    uint64_t *purged, ri_js_error *e);
/* The same in slices of the turn's budget: begin, and then some until it is not 1, and the end.
 * What comes in between stays. `filter` is lent until the end. */
typedef struct ri_purging {
    ri_cursor cursor; /* its own */
    ri_str filter;
    uint64_t before;  /* this number and those above it stay */
    uint64_t from;    /* next to be looked at */
    uint64_t keep;    /* so many stay; those that match are counted first */
    uint64_t most;    /* messages that may go, if not all do */
    uint64_t purged;  /* so many are gone */
    bool all;         /* of those below `before` */
    bool counting;    /* ... into `most`, up to `from` */
    bool passing;     /* all that goes is gone; consumers are to pass over it, up to `from` */
} ri_purging;
int ri_purge_begin(ri_stream *stream, ri_str filter, uint64_t seq, uint64_t keep,
                          ri_purging *p, ri_js_error *e);
int ri_purge_some(ri_stream *stream, ri_purging *p, ri_js_error *e);
void ri_purge_end(ri_purging *p); /* the stream may be gone */

#endif
