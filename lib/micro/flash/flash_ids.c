/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of messages: one that comes with an id that is known is not stored again.
 *
 * What is known are the last max_ids that were stored, of all streams. Of an id 64 bits of a hash
 * are kept, HalfSipHash-2-4 keyed by the log id, so that nobody can choose ids that are taken for
 * others; two that are equal are taken for the same id. The hash stands behind the data of its
 * message, and STATE has the whole table; so a mount knows what was known before, whatever has been
 * collected. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

static uint32_t flash_ids_turn(uint32_t n, unsigned by)
{
    return n << by | n >> (32 - by);
}

static void flash_ids_rounds(uint32_t v[4], int rounds)
{
    for (; rounds > 0; rounds--) {
        v[0] += v[1];
        v[1] = flash_ids_turn(v[1], 5) ^ v[0];
        v[0] = flash_ids_turn(v[0], 16);
        v[2] += v[3];
        v[3] = flash_ids_turn(v[3], 8) ^ v[2];
        v[0] += v[3];
        v[3] = flash_ids_turn(v[3], 7) ^ v[0];
        v[2] += v[1];
        v[1] = flash_ids_turn(v[1], 13) ^ v[2];
        v[2] = flash_ids_turn(v[2], 16);
    }
}

void ri_flash_ids_hash(const uint32_t key[2], ri_str id, uint8_t out[RI_FLASH_ID])
{
    uint32_t v[4] = {key[0], key[1] ^ 0xee, 0x6c796765 ^ key[0], 0x74656462 ^ key[1]};
    for (size_t i = 0; i <= id.len / 4; i++) {
        uint32_t word = i == id.len / 4 ? (uint32_t)id.len << 24 : 0;
        for (size_t b = 0; b < 4 && 4 * i + b < id.len; b++)
            word |= (uint32_t)(uint8_t)id.ptr[4 * i + b] << (8 * b);
        v[3] ^= word;
        flash_ids_rounds(v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xee;
    flash_ids_rounds(v, 4);
    ri_flash_put32(out, v[1] ^ v[3]);
    v[1] ^= 0xdd;
    flash_ids_rounds(v, 4);
    ri_flash_put32(out + 4, v[1] ^ v[3]);
}

void ri_flash_ids_make(const ri_flash *f, ri_str id, uint8_t out[RI_FLASH_ID])
{
    const uint32_t key[2] = {f->conf.log_id, ~f->conf.log_id};
    RI_ASSERT(id.len > 0);
    ri_flash_ids_hash(key, id, out);
}

/* The number of the message of this stream that had the id; 0: none that is known. */
uint32_t ri_flash_ids_find(const ri_flash *f, uint32_t stream, const uint8_t hash[RI_FLASH_ID])
{
    for (uint32_t i = 0; i < f->conf.max_ids; i++)
        if (f->ids[i].seq && f->ids[i].stream == stream &&
            memcmp(f->ids[i].hash, hash, RI_FLASH_ID) == 0)
            return f->ids[i].seq;
    return 0;
}

void ri_flash_ids_add(ri_flash *f, uint32_t stream, uint32_t seq, const uint8_t hash[RI_FLASH_ID])
{
    RI_ASSERT(seq > 0 && stream < f->conf.max_streams);
    if (f->conf.max_ids == 0) return;
    ri_flash_known *id = &f->ids[f->ids_next];
    *id = (ri_flash_known){.seq = seq, .stream = (uint8_t)stream};
    memcpy(id->hash, hash, RI_FLASH_ID);
    f->ids_next = (f->ids_next + 1) % f->conf.max_ids;
}

/* The i-th, the oldest first. */
const ri_flash_known *ri_flash_ids_at(const ri_flash *f, uint32_t i)
{
    RI_ASSERT(i < f->conf.max_ids);
    return &f->ids[(f->ids_next + i) % f->conf.max_ids];
}

/* The stream is deleted: its number may be another's. */
void ri_flash_ids_drop(ri_flash *f, uint32_t stream)
{
    for (uint32_t i = 0; i < f->conf.max_ids; i++)
        if (f->ids[i].stream == stream) f->ids[i].seq = 0;
}

/* A message that a mount meets, and that was not known when STATE was written. */
int ri_flash_ids_seen(ri_flash *f, const ri_flash_record *r)
{
    uint8_t hash[RI_FLASH_ID];
    if (!(r->flags & RI_FLASH_HAS_ID)) return RILL_OK;
    int rc = ri_flash_record_holds(f, r);
    if (rc == RILL_OK) rc = ri_flash_read(f, r->at + r->len - RI_FLASH_ID, hash, RI_FLASH_ID);
    if (rc == RILL_OK) ri_flash_ids_add(f, r->stream, r->seq, hash);
    return rc == RILL_ECORRUPT ? RILL_OK : rc; /* it is counted where it is read */
}

#endif
