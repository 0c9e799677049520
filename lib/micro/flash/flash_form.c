/* SPDX-License-Identifier: Apache-2.0 */
/* The format of a store on flash, version 1.
 *
 * A device is a row of erase blocks. Those in use are numbered, one more each, in the order in
 * which they were begun; the log is their records in that order. Only the last one, the head of the
 * log, is written to. All integers are little-endian, all sums CRC-32C (0x82f63b78 reflected, start
 * and end inverted).
 *
 *     device  | 7 tail | free  |  9  |  8  | 11 head | free | 10 |    numbers 7 to 11 are the log
 *
 *     0      C      2C                                                 limit          block_bytes
 *     +------+------+-------+------+---------+---------+-  -  -  -  -  -  +------+------+
 *     | head | head | STATE | TAIL | record  | record  |  erased (0xff)   | TAIL | TAIL |
 *     +------+------+-------+------+---------+---------+-  -  -  -  -  -  +------+------+
 *                                                      ^ end               kept for these two
 *
 * C, a chunk, is program_bytes, but at least 64: no program call crosses a multiple of it. A record
 * begins at a multiple of A = max(program_bytes, 4) and is padded with 0xff. No byte is programmed
 * twice between two erases, but for what was torn and looks erased: with the same once more.
 *
 * Head of a block, 48 bytes, twice:
 *
 *    0  8  "rillnor\n"                       28  1  version: 1
 *    8  4  log id                            29  1  flags; 1: begun to collect into
 *   12  4  number; 0: free                   30  2  program_bytes
 *   16  4  wear: erases so far               32  4  block_bytes
 *   20  4  tail: blocks below are none       36  4  blocks
 *   24  4  where the records of the block    40  1  max_streams     41  1  max_groups
 *          before this one end               42  2  max_ids         44  4  sum of bytes 0..43
 *
 * Record, 32 bytes, then a subject or name, headers, data:
 *
 *    0  4  sum of bytes 4..31, continuing    16  8  time, or what its kind says
 *          that of (log id, number of the    24  4  mark: what its kind says
 *          block, position): see below       28  1  kind
 *    4  2  length, without the padding       29  1  stream
 *    6  2  bytes of headers                  30  1  flags
 *    8  4  sum of what is behind byte 31     31  1  bytes of the subject or name
 *   12  4  seq
 *
 *   1 MESSAGE   seq in its stream; mark: bytes of the stream before it, modulo 2^32; of a bucket
 *               the sum of the key; flags 1: the key is deleted; flags 4: it has an id, whose hash
 *               is the last 8 bytes (flash_ids.c)
 *   2 STATE     seq: tail; mark: the block that is erased next; time: its wear then. Data: of each
 *               stream its options, name, first, last and bytes, of each group its name and
 *               position, the blocks that are bad, and the ids that are known (flash_state.c)
 *   3 STREAM    of one stream: seq: its first, mark: flags; data: max_msgs, max_bytes, name. A name
 *               of no length: it is deleted
 *   4 GROUP     mark: the group, seq: all up to it are settled, time: those behind that are, a bit
 *               each; the name; flags 2: the position alone. No name: it is deleted
 *   5 TAIL      seq, mark and time as in STATE; mark 2^32-1: it does not say
 *
 * Reading: take the newest block that is whole, from it the tail; of the blocks from the tail on
 * the newest STATE; then all records behind it, in order, each of which says what is, not what
 * changes. Messages and keys of blocks before it are found by walking them. A record that does not
 * hold is passed over; the walk goes on at the next place where one may begin. Of two records of
 * one message either will do, since they are equal; of two of one key the later one counts.
 *
 * Collecting: the oldest block is the tail. What lives in it is copied to the head of the log, then
 * a TAIL says that it is none any more. STATE is written in each block, so nothing but messages
 * and keys is ever copied, and a deletion that comes to the tail has nothing older to hide: it is
 * left out. Each block goes round like this, so all wear alike, those with data that rests, too.
 *
 * Why a loss of power cannot hurt. A program call may leave any of its bits unchanged, and what it
 * left may read differently at another time; an erase may leave anything. What matters is that a
 * call only begins when the one before has ended:
 *
 *   - A record that is torn does not hold, and is the last one. Behind anything that is not erased
 *     nothing more is written in that block: the next one is begun before the mount has ended, and
 *     its head says where this one ended, so that what is torn is never met again, whatever it
 *     reads as then.
 *   - The last record may have been the torn one although it holds. If nothing is behind it, it is
 *     written once more, and a TAIL, before the mount has ended, one chunk further on: that chunk
 *     may be torn and look erased. What a program has seen of a store so stays there. Is the last
 *     one a TAIL, then the first that is written behind it is a TAIL, too. So what a mount writes
 *     first is what those before it did, of which nothing may be seen, at the same place.
 *   - The head of a block counts if one of the two holds and two records of the block do. A block
 *     that was begun and has fewer is none, and has its number given out again.
 *   - A TAIL counts if a record stands behind it; so it is written twice before the block that
 *     it frees is erased. A torn erase leaves a head that is below the tail, or none.
 *   - A block that was begun to collect into, and has no TAIL that counts, holds copies only: it is
 *     none, and what it was to free is still there. So a store that is interrupted again and again
 *     while it collects does not fill up with copies.
 *   - The wear of a block without head is what STATE or TAIL said before it was erased.
 *
 * A message that somebody has made to look like a record does not: its sum continues one of the log
 * id and the place where it stands. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

static const uint8_t flash_form_magic[8] = {'r', 'i', 'l', 'l', 'n', 'o', 'r', '\n'};
enum { FLASH_FORM_VERSION = 1 };

/* base/crc32c.c, with a table of 64 bytes in place of one of 8 KB. */
uint32_t ri_flash_sum(uint32_t sum, const void *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const uint8_t *p = data;
    sum = ~sum;
    for (; len > 0; len--, p++) {
        sum ^= *p;
        sum = sum >> 4 ^ table[sum & 15];
        sum = sum >> 4 ^ table[sum & 15];
    }
    return ~sum;
}

void ri_flash_put_head(uint8_t out[RI_FLASH_HEAD], const ri_flash_head *head)
{
    RI_ASSERT(head->tail <= head->seq || head->seq == 0);
    memset(out, 0, RI_FLASH_HEAD);
    memcpy(out, flash_form_magic, sizeof flash_form_magic);
    ri_flash_put32(out + 8, head->log_id);
    ri_flash_put32(out + 12, head->seq);
    ri_flash_put32(out + 16, head->wear);
    ri_flash_put32(out + 20, head->tail);
    ri_flash_put32(out + 24, head->prev_end);
    out[28] = FLASH_FORM_VERSION;
    out[29] = head->flags;
    ri_flash_put16(out + 30, head->program_bytes);
    ri_flash_put32(out + 32, head->block_bytes);
    ri_flash_put32(out + 36, head->blocks);
    out[40] = head->max_streams;
    out[41] = head->max_groups;
    ri_flash_put16(out + 42, head->max_ids);
    ri_flash_put32(out + 44, ri_flash_sum(0, out, 44));
}

int ri_flash_get_head(const uint8_t in[RI_FLASH_HEAD], ri_flash_head *head)
{
    if (memcmp(in, flash_form_magic, sizeof flash_form_magic) != 0 ||
        ri_flash_get32(in + 44) != ri_flash_sum(0, in, 44))
        return RILL_ENOENT;
    if (in[28] != FLASH_FORM_VERSION)
        return ri_err(RILL_ENOTSUP, "the flash is of version %d; this build reads %d", in[28],
                      FLASH_FORM_VERSION);
    *head = (ri_flash_head){
        .log_id = ri_flash_get32(in + 8), .seq = ri_flash_get32(in + 12),
        .wear = ri_flash_get32(in + 16), .tail = ri_flash_get32(in + 20),
        .prev_end = ri_flash_get32(in + 24), .flags = in[29],
        .program_bytes = (uint16_t)ri_flash_get16(in + 30), .block_bytes = ri_flash_get32(in + 32),
        .blocks = ri_flash_get32(in + 36), .max_streams = in[40], .max_groups = in[41],
        .max_ids = (uint16_t)ri_flash_get16(in + 42),
    };
    return RILL_OK;
}

uint32_t ri_flash_seed(uint32_t log_id, uint32_t block_seq, uint32_t off)
{
    uint8_t place[12];
    ri_flash_put32(place, log_id);
    ri_flash_put32(place + 4, block_seq);
    ri_flash_put32(place + 8, off);
    return ri_flash_sum(0, place, sizeof place);
}

void ri_flash_put_record(uint8_t out[RI_FLASH_RECORD], uint32_t seed, const ri_flash_record *r)
{
    RI_ASSERT(r->len >= RI_FLASH_RECORD + r->subject + r->headers);
    RI_ASSERT(r->kind >= RI_FLASH_KIND_MESSAGE && r->kind <= RI_FLASH_KIND_TAIL);
    ri_flash_put16(out + 4, r->len);
    ri_flash_put16(out + 6, r->headers);
    ri_flash_put32(out + 8, r->sum);
    ri_flash_put32(out + 12, r->seq);
    ri_flash_put32(out + 16, (uint32_t)(uint64_t)r->time);
    ri_flash_put32(out + 20, (uint32_t)((uint64_t)r->time >> 32));
    ri_flash_put32(out + 24, r->mark);
    out[28] = r->kind;
    out[29] = r->stream;
    out[30] = r->flags;
    out[31] = r->subject;
    ri_flash_put32(out, ri_flash_sum(seed, out + 4, RI_FLASH_RECORD - 4));
}

bool ri_flash_get_record(const uint8_t in[RI_FLASH_RECORD], uint32_t seed, ri_flash_record *r)
{
    uint32_t len = ri_flash_get16(in + 4), headers = ri_flash_get16(in + 6);
    uint32_t id = in[30] & RI_FLASH_HAS_ID ? RI_FLASH_ID : 0;
    if (len < RI_FLASH_RECORD + headers + in[31] + id || in[28] < RI_FLASH_KIND_MESSAGE ||
        in[28] > RI_FLASH_KIND_TAIL ||
        ri_flash_get32(in) != ri_flash_sum(seed, in + 4, RI_FLASH_RECORD - 4))
        return false;
    uint64_t time = ri_flash_get32(in + 16) | (uint64_t)ri_flash_get32(in + 20) << 32;
    *r = (ri_flash_record){
        .len = (uint16_t)len, .headers = (uint16_t)headers, .sum = ri_flash_get32(in + 8),
        .seq = ri_flash_get32(in + 12), .time = (int64_t)time, .mark = ri_flash_get32(in + 24),
        .kind = in[28], .stream = in[29], .flags = in[30], .subject = in[31],
    };
    return true;
}

#endif
