/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of records that are lent. Everything else of such a record is in the image and in the index
 * when it is appended: its place, its sum, its commit's sum. The bytes follow before the commit is
 * written, by the thread that does so, outside of the gate; what is in a commit that is under way
 * is read by its owner where it was lent from, so that the two never meet. */
#include "base/assert.h"
#include "store/log/log_private.h"

enum { LENT_STEP = 65536 }; /* bytes copied before the budget is asked */

void ri_lent_sum(ri_lent *lent, ri_str headers, ri_str data)
{
    RI_ASSERT(!headers.len || !data.len || headers.ptr + headers.len == data.ptr);
    lent->bytes = headers.len ? headers.ptr : data.ptr;
    lent->sum = ri_segment_lent_sum(headers, data, &lent->power);
}

int ri_fills_room(ri_log *log)
{
    return ri_array_reserve(&log->host, &log->fills.all, &log->fills.cap, log->fills.n + 1,
                            sizeof *log->fills.all);
}

void ri_fills_add(ri_log *log, const log_fill *fill)
{
    RI_ASSERT(log->fills.n < log->fills.cap);
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(fill->segment && fill->lender && fill->bytes);
    fill->lender->records++;
    log->fills.all[log->fills.n++] = *fill;
}

bool ri_fills_copy(log_fills *fills, ri_budget *budget)
{
    RI_ASSERT(fills->done <= fills->n && fills->n <= fills->cap);
    uint64_t bytes = 0;
    while (fills->done < fills->n) {
        const log_fill *fill = &fills->all[fills->done++];
        memcpy(fill->segment->image + fill->position + fill->at, fill->bytes, fill->len);
        if (!budget || (bytes += fill->len) < LENT_STEP) continue;
        if (!ri_budget_spend(budget, ri_budget_bytes(bytes))) break;
        bytes = 0;
    }
    return fills->done < fills->n;
}

void ri_fills_end(log_fills *fills)
{
    uint32_t n = fills->n;
    RI_ASSERT(fills->done == n);
    fills->n = fills->done = 0;
    for (uint32_t i = 0; i < n; i++) {
        ri_lender *lender = fills->all[i].lender;
        if (--lender->records == 0) lender->done(lender);
    }
}

void ri_fills_free(ri_log *log)
{
    RI_ASSERT(!ri_fills_any(log));
    ri_free(&log->host, log->fills.all, log->fills.cap * sizeof *log->fills.all);
    ri_free(&log->host, log->job.fills.all, log->job.fills.cap * sizeof *log->job.fills.all);
}

static const log_fill *lent_find(const log_fills *fills, const log_segment *s, uint32_t position)
{
    RI_ASSERT(fills->n <= fills->cap);
    uint32_t low = 0, high = fills->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const log_fill *fill = &fills->all[mid];
        bool before = fill->segment->number < s->number ||
                      (fill->segment == s && fill->position < position);
        if (before) low = mid + 1;
        else high = mid;
    }
    const log_fill *fill = &fills->all[low];
    return low < fills->n && fill->segment == s && fill->position == position ? fill : NULL;
}

void ri_fills_show(const ri_log *log, const log_segment *s, uint32_t position, ri_segment_entry *e)
{
    RI_ASSERT(ri_log_is_sound(log));
    const log_fill *fill = lent_find(&log->job.fills, s, position);
    if (!fill) fill = lent_find(&log->fills, s, position);
    if (!fill) return;
    if (e->headers.len) e->headers.ptr = fill->bytes;
    e->data.ptr = fill->bytes + e->headers.len;
}

void ri_log_take_lent(ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    ri_fills_copy(&log->job.fills, NULL);
    ri_fills_end(&log->job.fills);
    ri_fills_copy(&log->fills, NULL);
    ri_fills_end(&log->fills);
}
