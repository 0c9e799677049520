/* SPDX-License-Identifier: Apache-2.0 */
/* Writing: records to the head of the log, new blocks, and collecting the oldest one.
 *
 *     free blocks   keep + 1 ..      keep                  keep - 1            keep
 *                   head is full ->  head is full ->       collecting  ->      head has room, or
 *                   begin a block    begin one to collect  copies, TAIL twice  the same once more
 *
 * A block that fails to be erased or programmed is bad: it is written to no more, what it has is
 * read until it is collected, and then it is left alone. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

bool ri_flash_is_bad(const ri_flash *f, uint32_t block)
{
    for (uint32_t i = 0; i < f->nbad; i++)
        if (f->bad[i] == block) return true;
    return false;
}

static void flash_log_bad(ri_flash *f, uint32_t block)
{
    if (!ri_flash_is_bad(f, block) && f->nbad < RI_FLASH_BAD) f->bad[f->nbad++] = (uint16_t)block;
}

uint32_t ri_flash_free_blocks(const ri_flash *f)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->dev->blocks; i++) n += f->blocks[i].seq == 0;
    for (uint32_t i = 0; i < f->nbad; i++) n -= f->blocks[f->bad[i]].seq == 0;
    return n;
}

/* The free one with the least wear; but the one that was foretold, so that a number that was given
 * out in vain is given to the same block, and no two have one. */
static uint32_t flash_log_next(const ri_flash *f)
{
    uint32_t best = f->dev->blocks;
    if (f->foretold < best && f->blocks[f->foretold].seq == 0 && !ri_flash_is_bad(f, f->foretold))
        return f->foretold;
    for (uint32_t i = 0; i < f->dev->blocks; i++)
        if (f->blocks[i].seq == 0 && !ri_flash_is_bad(f, i) &&
            (best == f->dev->blocks || f->blocks[i].wear < f->blocks[best].wear))
            best = i;
    return best;
}

/* Bytes of records that may live. No record lies in two blocks, so the end of each may be lost. */
uint32_t ri_flash_capacity(const ri_flash *f)
{
    uint32_t apart = f->keep + 1 + f->nbad + f->conf.reserve;
    if (apart >= f->dev->blocks) return 0;
    return (f->dev->blocks - apart) * (f->room - ri_flash_round(f, f->conf.max_record));
}

/* The bytes of the record, at `pos`. */
static int flash_log_put(ri_flash *f, ri_flash_record *r, const ri_flash_part *parts,
                         unsigned nparts)
{
    uint8_t head[RI_FLASH_RECORD];
    uint32_t seq = f->blocks[f->head].seq, off = f->pos;
    RI_ASSERT(off + ri_flash_round(f, r->len) <= f->dev->block_bytes && seq == f->head_seq);
    r->at = ri_flash_at(f, f->head, off);
    ri_flash_put_record(head, ri_flash_seed(f->conf.log_id, seq, off), r);
    ri_flash_pen_at(f, r->at);
    int rc = ri_flash_pen_put(f, head, sizeof head);
    for (unsigned i = 0; i < nparts && rc == RILL_OK; i++)
        rc = ri_flash_pen_put(f, parts[i].ptr, parts[i].len);
    if (rc == RILL_OK) rc = ri_flash_pen_end(f);
    if (rc == RILL_OK) f->pos += ri_flash_round(f, r->len);
    return rc;
}

/* What STATE and TAIL say of the block that is erased next. */
static void flash_log_foretell(ri_flash *f, ri_flash_record *r, uint32_t tail)
{
    uint32_t next = f->foretold = flash_log_next(f);
    r->seq = tail;
    r->stream = RI_FLASH_NONE;
    r->mark = next;
    r->time = next < f->dev->blocks ? (int64_t)f->blocks[next].wear + 1 : 0;
}

int ri_flash_put_tail(ri_flash *f, uint32_t tail)
{
    ri_flash_record r = {.kind = RI_FLASH_KIND_TAIL, .len = RI_FLASH_RECORD};
    flash_log_foretell(f, &r, tail);
    return flash_log_put(f, &r, NULL, 0);
}

RI_APART static int flash_log_heads(ri_flash *f, uint32_t block, uint32_t prev_end, uint8_t flags)
{
    uint8_t out[RI_FLASH_HEAD];
    ri_flash_head head = {
        .log_id = f->conf.log_id, .seq = f->blocks[block].seq, .wear = f->blocks[block].wear,
        .tail = f->tail, .prev_end = prev_end, .flags = flags,
        .block_bytes = f->dev->block_bytes, .blocks = f->dev->blocks,
        .program_bytes = (uint16_t)f->dev->program_bytes,
        .max_streams = f->conf.max_streams, .max_groups = f->conf.max_groups,
        .max_ids = f->conf.max_ids,
    };
    ri_flash_put_head(out, &head);
    int rc = RILL_OK;
    for (uint32_t copy = 0; copy < 2 && rc == RILL_OK; copy++) {
        ri_flash_pen_at(f, ri_flash_at(f, block, copy * f->chunk));
        rc = ri_flash_pen_put(f, out, sizeof out);
        if (rc == RILL_OK) rc = ri_flash_pen_end(f);
    }
    return rc;
}

/* Begin `block` behind the head. What the head was is to be put back if this fails. */
RI_APART static int flash_log_begin(ri_flash *f, uint32_t block, uint8_t flags)
{
    ri_flash_record state = {.kind = RI_FLASH_KIND_STATE};
    uint32_t prev_end = f->pos;
    int rc = ri_flash_erase(f, block);
    if (rc < 0) return rc;
    if (f->head < f->dev->blocks) f->blocks[f->head].end = f->pos;
    f->blocks[block].seq = f->head_seq + 1;
    rc = flash_log_heads(f, block, prev_end, flags);
    if (rc < 0) return rc;
    f->head = block;
    f->head_seq++;
    f->pos = 2 * f->chunk;
    flash_log_foretell(f, &state, f->tail);
    rc = ri_flash_state_put(f, &state);
    if (rc == RILL_OK) rc = ri_flash_put_tail(f, f->tail);
    f->limit = f->pos + f->room;
    RI_ASSERT(rc < 0 || f->limit + 2 * ri_flash_round(f, RI_FLASH_RECORD) <= f->dev->block_bytes);
    return rc;
}

/* `block` does not work, and had nothing that is not elsewhere, too. */
static void flash_log_give_up(ri_flash *f, uint32_t block)
{
    flash_log_bad(f, block);
    f->blocks[block].seq = 0;
    (void)ri_flash_erase(f, block); /* so that its head says nothing; if not, STATE does */
    memset(ri_flash_range_of(f, block, 0), 0, f->conf.max_streams * sizeof(ri_flash_range));
}

/* A new head of the log; blocks that fail are left aside. */
static int flash_log_open(ri_flash *f, uint8_t flags)
{
    uint32_t head = f->head, seq = f->head_seq, pos = f->pos;
    RI_ASSERT(seq < UINT32_MAX && pos <= f->dev->block_bytes);
    for (;;) {
        uint32_t block = flash_log_next(f);
        if (block == f->dev->blocks || f->nbad == RI_FLASH_BAD)
            return ri_err(RILL_EIO, "the flash has no block left that can be written");
        int rc = flash_log_begin(f, block, flags);
        if (rc == RILL_OK) return RILL_OK;
        flash_log_give_up(f, block);
        f->head = head;
        f->head_seq = seq;
        f->limit = f->pos = pos; /* full: it was */
    }
}

int ri_flash_begin_first(ri_flash *f)
{
    f->head = f->dev->blocks;
    f->head_seq = 0;
    f->tail = 1;
    f->pos = 0;
    return flash_log_open(f, 0);
}

/* The record at `from` once more, at the head: it is the same, but for its place. */
int ri_flash_copy(ri_flash *f, const ri_flash_record *from)
{
    ri_flash_record r = *from;
    uint8_t look[RI_FLASH_RECORD];
    uint32_t seq = f->blocks[f->head].seq, off = f->pos;
    RI_ASSERT(off + ri_flash_round(f, r.len) <= f->dev->block_bytes);
    r.at = ri_flash_at(f, f->head, off);
    ri_flash_put_record(look, ri_flash_seed(f->conf.log_id, seq, off), &r);
    ri_flash_pen_at(f, r.at);
    int rc = ri_flash_pen_put(f, look, sizeof look);
    for (uint32_t done = RI_FLASH_RECORD; done < r.len && rc == RILL_OK; done += sizeof look) {
        uint32_t n = RI_MIN(r.len - done, (uint32_t)sizeof look);
        rc = ri_flash_read(f, from->at + done, look, n);
        if (rc == RILL_OK) rc = ri_flash_pen_put(f, look, n);
    }
    if (rc == RILL_OK) rc = ri_flash_pen_end(f);
    if (rc < 0) return rc;
    f->pos += ri_flash_round(f, r.len);
    if (r.kind == RI_FLASH_KIND_MESSAGE) {
        ri_flash_seen(f, &r);
        ri_flash_key_moved(f, from, r.at);
    }
    return RILL_OK;
}

static bool flash_log_twin(const ri_flash_record *a, const ri_flash_record *b)
{
    return b->kind == RI_FLASH_KIND_MESSAGE && b->stream == a->stream && b->seq == a->seq;
}

/* Is the record there once more: as `next`, the one behind it, or, if that is NULL, since it is the
 * last of its block, in the block behind that? A mount leaves such twins (flash_mount.c). */
RI_APART static bool flash_log_again(ri_flash *f, const ri_flash_record *r,
                                     const ri_flash_record *next)
{
    ri_flash_scan scan;
    ri_flash_record other;
    if (next) return flash_log_twin(r, next) && ri_flash_record_holds(f, next) == RILL_OK;
    uint32_t block = ri_flash_block_of(f, f->tail + 1);
    if (block == f->dev->blocks || block == f->head) return false;
    ri_flash_scan_start(f, &scan, block);
    while (ri_flash_scan_next(&scan, &other))
        if (flash_log_twin(r, &other)) return ri_flash_record_holds(f, &other) == RILL_OK;
    return false;
}

static int flash_log_copy_one(ri_flash *f, const ri_flash_record *r, const ri_flash_record *next)
{
    if (r->kind != RI_FLASH_KIND_MESSAGE || !ri_flash_lives(f, r) || flash_log_again(f, r, next))
        return RILL_OK;
    int rc = ri_flash_record_holds(f, r);
    if (rc == RILL_ECORRUPT) {
        ri_flash_key_lost(f, r);
        f->stats.damaged++;
        return RILL_OK;
    }
    if (rc == RILL_OK) rc = ri_flash_copy(f, r);
    f->stats.copied++;
    return rc;
}

/* What lives in `victim` goes to the head, which has room for all of it. */
static int flash_log_copy_all(ri_flash *f, uint32_t victim)
{
    ri_flash_scan scan;
    ri_flash_record r, before = {0};
    int rc = RILL_OK;
    ri_flash_scan_start(f, &scan, victim);
    while (rc == RILL_OK && ri_flash_scan_next(&scan, &r)) {
        if (before.at) rc = flash_log_copy_one(f, &before, &r);
        before = r;
    }
    if (rc == RILL_OK) rc = scan.err;
    if (rc == RILL_OK && before.at) rc = flash_log_copy_one(f, &before, NULL);
    if (rc == RILL_OK) rc = ri_flash_put_tail(f, f->tail + 1);
    return rc < 0 ? rc : ri_flash_put_tail(f, f->tail + 1);
}

/* Keys that were copied to the head, which is given up, are where they were. */
RI_APART static int flash_log_undo(ri_flash *f, uint32_t victim)
{
    ri_flash_scan scan;
    ri_flash_record r, copy;
    RI_ASSERT(victim != f->head);
    ri_flash_scan_start(f, &scan, victim);
    while (ri_flash_scan_next(&scan, &r)) {
        for (uint32_t i = 0; r.kind == RI_FLASH_KIND_MESSAGE && i < f->conf.max_keys; i++) {
            ri_flash_key *key = &f->keys[i];
            if (key->at && key->hash == r.mark && key->bucket == r.stream &&
                key->at / f->dev->block_bytes == f->head && ri_flash_record_at(f, key->at, &copy) &&
                copy.seq == r.seq)
                key->at = r.at;
        }
    }
    return scan.err;
}

/* All that lives in `victim` is elsewhere. */
static void flash_log_freed(ri_flash *f, uint32_t victim)
{
    RI_ASSERT(f->blocks[victim].seq == f->tail && victim != f->head);
    f->tail++;
    f->stats.collected++;
    f->blocks[victim].seq = 0;
    ri_flash_forget_block(f, victim);
    memset(ri_flash_range_of(f, victim, 0), 0, f->conf.max_streams * sizeof(ri_flash_range));
}

/* The oldest block; of those before it that are missing nothing is left to collect. */
static uint32_t flash_log_oldest(ri_flash *f)
{
    uint32_t block = ri_flash_block_of(f, f->tail);
    while (block == f->dev->blocks) block = ri_flash_block_of(f, ++f->tail);
    RI_ASSERT(f->tail <= f->head_seq);
    return block;
}

RI_APART static int flash_log_collect(ri_flash *f)
{
    uint32_t victim = flash_log_oldest(f), head = f->head, seq = f->head_seq, pos = f->pos;
    if (victim == head) return ri_err(RILL_EIO, "the flash has too few blocks left that work");
    for (;;) {
        int rc = flash_log_open(f, RI_FLASH_COLLECTS);
        if (rc < 0) return rc;
        int copied = flash_log_copy_all(f, victim);
        if (copied == RILL_OK) break;
        rc = flash_log_undo(f, victim);
        ri_flash_forget_block(f, f->head);
        flash_log_give_up(f, f->head);
        f->head = head;
        f->head_seq = seq;
        f->limit = f->pos = pos;
        if (rc < 0 || copied != RILL_EIO) return rc < 0 ? rc : copied;
    }
    flash_log_freed(f, victim);
    return RILL_OK;
}

/* Bytes that must be copied before the oldest block is free. */
RI_APART static int flash_log_living(ri_flash *f, uint32_t victim, uint32_t *bytes)
{
    ri_flash_scan scan;
    ri_flash_record r;
    *bytes = 0;
    ri_flash_scan_start(f, &scan, victim);
    while (ri_flash_scan_next(&scan, &r))
        if (r.kind == RI_FLASH_KIND_MESSAGE && ri_flash_lives(f, &r))
            *bytes += ri_flash_round(f, r.len);
    return scan.err;
}

/* Bad blocks have left fewer free ones than there should be: collect the oldest block into what
 * room the head has. False: it has not so much. */
RI_APART static bool flash_log_squeeze(ri_flash *f)
{
    uint32_t victim = flash_log_oldest(f), bytes;
    if (victim == f->head || flash_log_living(f, victim, &bytes) < 0 ||
        f->pos + bytes + 2 * ri_flash_round(f, RI_FLASH_RECORD) > f->limit)
        return false;
    if (flash_log_copy_all(f, victim) == RILL_OK) {
        flash_log_freed(f, victim);
        return true;
    }
    flash_log_bad(f, f->head); /* what was copied before stays, twice */
    f->limit = f->pos;
    return false;
}

/* What is written first behind a mount is the same as at the mounts before it, of which nothing can
 * be seen: so it foretells nothing. */
RI_APART static void flash_log_first(ri_flash *f)
{
    ri_flash_record r = {.kind = RI_FLASH_KIND_TAIL, .len = RI_FLASH_RECORD, .seq = f->tail,
                         .stream = RI_FLASH_NONE, .mark = UINT32_MAX};
    f->first_write = false;
    if (f->pos + ri_flash_round(f, r.len) <= f->limit && flash_log_put(f, &r, NULL, 0) < 0)
        f->limit = f->pos;
}

/* Room for `n` bytes at the head. Once around, and what is dead is gone: then there is room, since
 * no more may live than the capacity. */
int ri_flash_room(ri_flash *f, uint32_t n)
{
    RI_ASSERT(ri_flash_is_sound(f) && n <= f->room);
    if (f->first_write) flash_log_first(f);
    for (uint32_t turns = 2 * f->dev->blocks; turns > 0; turns--) {
        uint32_t spare = ri_flash_free_blocks(f);
        if (spare < f->keep && flash_log_squeeze(f)) continue;
        if (f->pos + n <= f->limit) return RILL_OK;
        int rc = spare > f->keep ? flash_log_open(f, 0) : flash_log_collect(f);
        if (rc < 0) return rc;
    }
    return ri_err(RILL_EFULL, "the flash is full");
}

int ri_flash_write(ri_flash *f, ri_flash_record *r, const ri_flash_part *parts, unsigned nparts)
{
    uint32_t len = RI_FLASH_RECORD;
    r->sum = 0;
    for (unsigned i = 0; i < nparts; i++) {
        r->sum = ri_flash_sum(r->sum, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    r->len = (uint16_t)len;
    RI_ASSERT(len <= UINT16_MAX && ri_flash_round(f, len) <= f->room);
    for (;;) {
        int rc = ri_flash_room(f, ri_flash_round(f, len));
        if (rc < 0) return rc;
        f->stats.asked_bytes += ri_flash_round(f, len);
        rc = flash_log_put(f, r, parts, nparts);
        if (rc != RILL_EIO) return rc;
        if (f->nbad == RI_FLASH_BAD) return rc;
        flash_log_bad(f, f->head);
        f->limit = f->pos; /* what was begun here stays behind its end */
    }
}

#endif
