/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/array.h"
#include "base/assert.h"

enum { HEAP_WAYS = 4 };

void ri_heap_init(ri_heap *heap, const ri_host *host)
{
    *heap = (ri_heap){.host = host};
}

void ri_heap_fini(ri_heap *heap)
{
    RI_ASSERT(ri_heap_is_sound(heap));
    if (heap->host) ri_free(heap->host, heap->timers, heap->cap * sizeof(ri_timer *));
    *heap = (ri_heap){.host = heap->host};
}

static void heap_put(ri_heap *heap, size_t i, ri_timer *timer)
{
    RI_ASSERT(i < heap->len || i == 0);
    heap->timers[i] = timer;
    timer->place = i + 1;
}

static void heap_up(ri_heap *heap, size_t i, ri_timer *timer)
{
    while (i > 0) {
        size_t parent = (i - 1) / HEAP_WAYS;
        if (heap->timers[parent]->due_ns <= timer->due_ns) break;
        heap_put(heap, i, heap->timers[parent]);
        i = parent;
    }
    heap_put(heap, i, timer);
    RI_ASSERT(timer->place <= heap->cap);
}

static void heap_down(ri_heap *heap, size_t i, ri_timer *timer)
{
    for (;;) {
        size_t first = i * HEAP_WAYS + 1, least = first;
        if (first >= heap->len) break;
        for (size_t c = first + 1; c < first + HEAP_WAYS && c < heap->len; c++)
            if (heap->timers[c]->due_ns < heap->timers[least]->due_ns) least = c;
        if (heap->timers[least]->due_ns >= timer->due_ns) break;
        heap_put(heap, i, heap->timers[least]);
        i = least;
    }
    heap_put(heap, i, timer);
}

int ri_heap_reserve(ri_heap *heap, size_t n)
{
    return ri_array_reserve_long(heap->host, &heap->timers, &heap->cap, n, sizeof(ri_timer *));
}

int ri_heap_set(ri_heap *heap, ri_timer *timer, int64_t due_ns)
{
    RI_ASSERT(ri_heap_is_sound(heap));
    if (!timer->place) {
        if (ri_heap_reserve(heap, heap->len + 1) < 0) return RILL_ENOMEM;
        timer->due_ns = due_ns;
        heap_up(heap, heap->len++, timer);
        return RILL_OK;
    }
    RI_ASSERT(heap->timers[timer->place - 1] == timer);
    RI_ASSERT(timer->place <= heap->len);
    int64_t was = timer->due_ns;
    timer->due_ns = due_ns;
    if (due_ns < was)
        heap_up(heap, timer->place - 1, timer);
    else
        heap_down(heap, timer->place - 1, timer);
    return RILL_OK;
}

void ri_heap_cancel(ri_heap *heap, ri_timer *timer)
{
    RI_ASSERT(ri_heap_is_sound(heap));
    if (!timer->place) return;
    size_t i = timer->place - 1;
    RI_ASSERT(i < heap->len && heap->timers[i] == timer);
    timer->place = 0;
    ri_timer *last = heap->timers[--heap->len];
    if (last == timer) return;
    if (i > 0 && last->due_ns < heap->timers[(i - 1) / HEAP_WAYS]->due_ns)
        heap_up(heap, i, last);
    else
        heap_down(heap, i, last);
}

ri_timer *ri_heap_due(ri_heap *heap, int64_t now_ns)
{
    RI_ASSERT(ri_heap_is_sound(heap));
    if (heap->len == 0 || heap->timers[0]->due_ns > now_ns) return NULL;
    ri_timer *timer = heap->timers[0];
    ri_heap_cancel(heap, timer);
    RI_ASSERT(!ri_timer_armed(timer) && ri_heap_next(heap) >= timer->due_ns);
    return timer;
}
