/* SPDX-License-Identifier: Apache-2.0 */
/* A timer heap: intrusive entries ordered by due time, the earliest at hand. Four children to a
 * node, because a sift then touches half the cache lines of a binary one. */
#ifndef RI_HEAP_H
#define RI_HEAP_H

#include "base/alloc.h"

typedef struct ri_timer {
    int64_t due_ns;  /* on the owner's monotonic clock */
    size_t place;    /* index + 1 in the heap; 0: not armed */
} ri_timer;

typedef struct ri_heap {
    const ri_host *host;
    ri_timer **timers;
    size_t len, cap;
} ri_heap;

/* What holds between any two calls; for assertions. */
static inline bool ri_heap_is_sound(const ri_heap *heap)
{
    return heap->len <= heap->cap && (heap->timers != NULL) == (heap->cap > 0) &&
           (heap->len == 0 || heap->timers[0]->place == 1);
}

void ri_heap_init(ri_heap *heap, const ri_host *host);
void ri_heap_fini(ri_heap *heap); /* frees no timer: each is its owner's */
/* Arm, or move, a timer. RILL_ENOMEM leaves it as it was. */
int ri_heap_set(ri_heap *heap, ri_timer *timer, int64_t due_ns);
/* Room for `n` timers in all, so that arming any of them cannot fail. */
int ri_heap_reserve(ri_heap *heap, size_t n);
void ri_heap_cancel(ri_heap *heap, ri_timer *timer); /* does nothing if the timer is not armed */
/* The timer that is due first if it is due at `now_ns`, taken out of the heap; or NULL. */
ri_timer *ri_heap_due(ri_heap *heap, int64_t now_ns);

static inline bool ri_timer_armed(const ri_timer *timer)
{
    return timer->place != 0;
}

static inline int64_t ri_heap_next(const ri_heap *heap) /* INT64_MAX when nothing is armed */
{
    return heap->len ? heap->timers[0]->due_ns : INT64_MAX;
}

#endif
