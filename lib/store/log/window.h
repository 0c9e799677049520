/* SPDX-License-Identifier: Apache-2.0 */
/* A reader's bytes of a sealed segment: a window on the file that grows while reads follow one
 * another, and some entries ahead that were checked together. */
#ifndef RI_WINDOW_H
#define RI_WINDOW_H

#include "store/log/log_private.h"

enum { RI_WINDOW_AHEAD = 32 }; /* entries checked at once, at most */

typedef struct ri_window_place { /* an entry that is wanted */
    uint64_t seq;
    uint32_t position;           /* in the segment */
    const char *bytes;           /* where it stands in memory, once it was gathered */
} ri_window_place;

typedef struct ri_window {
    char *memory;           /* allocated */
    uint32_t cap;
    char *bytes;            /* within it: [from, to) of the segment, or entries one by one */
    uint64_t segment;       /* number; 0: no stretch of one is there */
    uint32_t from, to;
    uint32_t fill;          /* bytes of the next read */
    uint32_t pick;          /* bytes of the next read of one entry: as long as the last */
    uint32_t batch;         /* entries that the next gather asks for */
    ri_window_place ahead[RI_WINDOW_AHEAD];
    uint32_t nahead, next;  /* of these, how many there are, and the first not yet handed out */
} ri_window;

void ri_window_init(ri_window *w);
void ri_window_fini(ri_window *w, const ri_host *host);
/* One entry, its checksum compared; good until the next call. RILL_ECORRUPT. */
int ri_window_entry(ri_log *log, ri_window *w, log_segment *s, uint32_t position,
                    ri_segment_entry *e);
/* Bring in w->ahead[0 .. n), n > 0, and compare their checksums; as many as can be had at once,
 * the first in any case. `sparse`: they lie far apart. RILL_ECORRUPT: of the first. */
int ri_window_gather(ri_log *log, ri_window *w, log_segment *s, uint32_t n, bool sparse);

#endif
