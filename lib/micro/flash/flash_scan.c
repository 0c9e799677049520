/* SPDX-License-Identifier: Apache-2.0 */
/* Finding records: block by block, and within one from record to record. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

enum { FLASH_SCAN_ERASED = 24 }; /* of so many erased bytes at a place none begins a record */

/* The record whose head is at `off`, if it holds and lies within `end`. */
static bool flash_scan_head(ri_flash *f, uint32_t block, uint32_t off, uint32_t end,
                            const uint8_t in[RI_FLASH_RECORD], ri_flash_record *r)
{
    uint32_t seed = ri_flash_seed(f->conf.log_id, f->blocks[block].seq, off);
    if (!ri_flash_get_record(in, seed, r)) return false;
    bool of_all = r->kind == RI_FLASH_KIND_STATE || r->kind == RI_FLASH_KIND_TAIL;
    if (!of_all && r->stream >= f->conf.max_streams) return false;
    r->at = ri_flash_at(f, block, off);
    return ri_flash_round(f, r->len) <= end - off;
}

static bool flash_scan_erased(const uint8_t *p, uint32_t len)
{
    while (len > 0 && *p == 0xff) p++, len--;
    return len == 0;
}

void ri_flash_scan_start(ri_flash *f, ri_flash_scan *scan, uint32_t block)
{
    RI_ASSERT(block < f->dev->blocks && f->blocks[block].seq != 0);
    uint32_t end = block == f->head ? f->pos : f->blocks[block].end;
    RI_ASSERT(end <= f->dev->block_bytes);
    *scan = (ri_flash_scan){.f = f, .block = block, .off = 2 * f->chunk, .end = end};
}

bool ri_flash_scan_next(ri_flash_scan *scan, ri_flash_record *r)
{
    ri_flash *f = scan->f;
    uint8_t in[RI_FLASH_RECORD];
    while (scan->off + RI_FLASH_RECORD <= scan->end) {
        scan->err = ri_flash_read(f, ri_flash_at(f, scan->block, scan->off), in, sizeof in);
        if (scan->err < 0) return false;
        if (flash_scan_head(f, scan->block, scan->off, scan->end, in, r)) {
            scan->off += ri_flash_round(f, r->len);
            return true;
        }
        uint32_t step = flash_scan_erased(in, sizeof in) ? FLASH_SCAN_ERASED : 1;
        scan->off += ri_flash_round(f, step);
    }
    return false;
}

bool ri_flash_record_at(ri_flash *f, uint32_t at, ri_flash_record *r)
{
    uint8_t in[RI_FLASH_RECORD];
    uint32_t block = at / f->dev->block_bytes, off = at % f->dev->block_bytes;
    RI_ASSERT(block < f->dev->blocks && f->blocks[block].seq != 0);
    uint32_t end = block == f->head ? f->pos : f->blocks[block].end;
    return off + RI_FLASH_RECORD <= end && ri_flash_read(f, at, in, sizeof in) == RILL_OK &&
           flash_scan_head(f, block, off, end, in, r);
}

int ri_flash_record_holds(ri_flash *f, const ri_flash_record *r)
{
    uint8_t look[RI_FLASH_RECORD];
    uint32_t sum = 0;
    for (uint32_t off = RI_FLASH_RECORD; off < r->len; off += sizeof look) {
        uint32_t n = RI_MIN(r->len - off, (uint32_t)sizeof look);
        int rc = ri_flash_read(f, r->at + off, look, n);
        if (rc < 0) return rc;
        sum = ri_flash_sum(sum, look, n);
    }
    return sum == r->sum ? RILL_OK : RILL_ECORRUPT;
}

int ri_flash_record_load(ri_flash *f, const ri_flash_record *r, void *buf, size_t cap,
                         ri_flash_msg *out)
{
    uint32_t len = r->len - RI_FLASH_RECORD;
    char *p = buf;
    if (len > cap)
        return ri_err(RILL_ETOOBIG, "the message takes %u bytes", (unsigned)len);
    int rc = len ? ri_flash_read(f, r->at + RI_FLASH_RECORD, p, len) : RILL_OK;
    if (rc < 0) return rc;
    if (ri_flash_sum(0, p, len) != r->sum)
        return ri_err(RILL_ECORRUPT, "the record at 0x%x does not hold", (unsigned)r->at);
    uint32_t data = (uint32_t)r->subject + r->headers;
    if (r->flags & RI_FLASH_HAS_ID) len -= RI_FLASH_ID;
    RI_ASSERT(len >= data); /* ri_flash_get_record() */
    *out = (ri_flash_msg){.subject = {p, r->subject}, .headers = {p + r->subject, r->headers},
                          .data = {p + data, len - data}, .time_ns = r->time, .seq = r->seq,
                          .deleted = r->flags & RI_FLASH_TOMB};
    return RILL_OK;
}

uint32_t ri_flash_block_of(const ri_flash *f, uint32_t seq)
{
    uint32_t block = 0;
    RI_ASSERT(seq != 0);
    while (block < f->dev->blocks && f->blocks[block].seq != seq) block++;
    return block;
}

void ri_flash_seen(ri_flash *f, const ri_flash_record *r)
{
    RI_ASSERT(r->kind == RI_FLASH_KIND_MESSAGE && r->stream < f->conf.max_streams);
    ri_flash_range *range = ri_flash_range_of(f, r->at / f->dev->block_bytes, r->stream);
    if (range->max == 0 || r->seq < range->min) range->min = r->seq;
    if (r->seq > range->max) range->max = r->seq;
}

#endif
