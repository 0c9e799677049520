/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#include <assert.h>
#include <string.h>

#include "text.h"

enum {
    HISTOGRAM_ROWS_MAX = 16,
    HISTOGRAM_CELLS = 40,
};

/* Below 2^BITS each number has a bucket; above, each doubling has 2^BITS of them. */
static size_t histogram_bucket(uint64_t ns)
{
    size_t exponent = (size_t)(63 - __builtin_clzll(ns | 1));
    if (exponent <= HISTOGRAM_BITS) return (size_t)ns;
    size_t shift = exponent - HISTOGRAM_BITS;
    return (shift << HISTOGRAM_BITS) + (size_t)(ns >> shift);
}

/* The highest number in it. */
static int64_t histogram_top(size_t bucket)
{
    if (bucket < (2U << HISTOGRAM_BITS)) return (int64_t)bucket;
    size_t shift = (bucket >> HISTOGRAM_BITS) - 1;
    uint64_t low = (uint64_t)(bucket - (shift << HISTOGRAM_BITS)) << shift;
    return (int64_t)(low + ((1ULL << shift) - 1));
}

void histogram_add(histogram *h, int64_t ns, uint64_t times)
{
    if (ns < 0) ns = 0;
    size_t bucket = histogram_bucket((uint64_t)ns);
    assert(bucket < HISTOGRAM_BUCKETS && histogram_top(bucket) >= ns);
    h->counts[bucket] += times;
    h->n += times;
    if (ns > h->max_ns) h->max_ns = ns;
}

void histogram_merge(histogram *into, const histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) into->counts[i] += from->counts[i];
    into->n += from->n;
    if (from->max_ns > into->max_ns) into->max_ns = from->max_ns;
}

int64_t histogram_at(const histogram *h, double share)
{
    uint64_t seen = 0, wanted = (uint64_t)(share * (double)h->n + 0.5);
    if (wanted == 0) wanted = 1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && h->n > 0; i++) {
        seen += h->counts[i];
        if (seen < wanted) continue;
        int64_t top = histogram_top(i);
        return top < h->max_ns ? top : h->max_ns;
    }
    return h->max_ns;
}

/* How many took at least `from` and less than `to`. */
static uint64_t histogram_between(const histogram *h, int64_t from, int64_t to)
{
    uint64_t n = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (histogram_top(i) >= from && histogram_top(i) < to) n += h->counts[i];
    return n;
}

static void histogram_row(out *o, const histogram *h, int64_t from, int64_t to, uint64_t most)
{
    text label = {0}, bar = {0};
    uint64_t n = histogram_between(h, from, to);
    size_t cells = most ? (size_t)((double)n * HISTOGRAM_CELLS / (double)most + 0.5) : 0;
    if (n > 0 && cells == 0) cells = 1;
    text_puts(&label, "< ");
    text_add_span(&label, to);
    for (size_t i = 0; i < cells; i++) text_puts(&bar, "#");
    out_say(o, "%20s  %s%-*s%s %5.1f %%", label.ptr, out_on(o->colour, OUT_GREEN), HISTOGRAM_CELLS,
            bar.ptr ? bar.ptr : "", out_off(o->colour), 100.0 * (double)n / (double)h->n);
    text_free(&label);
    text_free(&bar);
}

void histogram_draw(out *o, const histogram *h)
{
    int64_t low = 1, factor = 2;
    uint64_t most = 0;
    if (h->n == 0) return;
    while (low * 2 <= histogram_at(h, 0)) low *= 2;
    for (int64_t span = h->max_ns / low; span >> HISTOGRAM_ROWS_MAX != 0;
         span >>= HISTOGRAM_ROWS_MAX)
        factor *= 2;
    for (int64_t from = low; from <= h->max_ns; from *= factor) {
        uint64_t n = histogram_between(h, from, from * factor);
        if (n > most) most = n;
    }
    out_say(o, "%s", "");
    for (int64_t from = low; from <= h->max_ns; from *= factor)
        histogram_row(o, h, from == low ? 0 : from, from * factor, most);
}
