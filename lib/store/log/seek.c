/* SPDX-License-Identifier: Apache-2.0 */
/* Why this is linear in the bytes of the segment, however they are damaged:
 *
 *   headers    one pass finds those whose checksum holds: only where the magic, the segment's
 *              number and their own position stand is a sum computed, of 60 bytes. The callers'
 *              arguments never fall, so a header that once failed a question fails all later
 *              ones: `next` walks up over such, `claims` walks down, each header once.
 *   entries    a place that cannot be an entry (length, kind, zeros) is passed without a sum. A
 *              sum that was in vain is paid from `left`, SEEK_SHARE times the segment's bytes.
 *   one bit    flipping bit k changes a CRC by a value that depends on its distance from the end
 *              alone, and each bit further from the end by one step of the register more:
 *
 *                  entry   | crc | length | kind ....            b ....... |
 *                                           ^ k-2 ^ k-1 ^ k = last bit asked for
 *                  change                  step(step(d)) step(d)  d
 *
 *              so two sums and one step a bit find the bit, instead of a sum for each. */
#include "store/log/seek.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"

enum { SEEK_SHARE = 8 };
#define SEEK_POLYNOMIAL 0x82f63b78u

void ri_seek_init(ri_seek *seek, const ri_host *host, char *bytes, uint32_t size, uint32_t seed)
{
    RI_ASSERT(bytes || size == 0);
    *seek = (ri_seek){.host = host, .bytes = bytes, .size = size, .seed = seed,
                      .left = (uint64_t)size * SEEK_SHARE};
}

void ri_seek_fini(ri_seek *seek)
{
    ri_free(seek->host, seek->marks, seek->cap_marks * sizeof *seek->marks);
    *seek = (ri_seek){0};
}

/* ---- Commit headers ---- */

static int seek_add(ri_seek *seek, const ri_segment_commit *c)
{
    RI_ASSERT(seek->nmarks <= seek->cap_marks);
    int rc = ri_array_reserve(seek->host, &seek->marks, &seek->cap_marks,
                              (size_t)seek->nmarks + 1, sizeof *seek->marks);
    if (rc < 0) return rc;
    seek->marks[seek->nmarks++] = (ri_seek_mark){c->number, c->durable, c->position, c->epoch};
    seek->max_epoch = RI_MAX(seek->max_epoch, c->epoch);
    return RILL_OK;
}

int ri_seek_marks(ri_seek *seek, uint64_t segment)
{
    RI_ASSERT(seek->nmarks == 0);
    for (uint32_t at = RI_SEGMENT_HEAD; at + RI_SEGMENT_COMMIT <= seek->size; at += 8) {
        const char *p = seek->bytes + at;
        if (ri_likely(ri_segment_u32(p) != RI_SEGMENT_COMMIT_MAGIC)) continue;
        ri_segment_commit c;
        if (!ri_segment_fits_commit(p, segment, at, seek->size)) continue;
        if (ri_segment_get_commit(p, seek->seed, &c) < 0 || c.durable >= c.number) continue;
        int rc = seek_add(seek, &c);
        if (rc < 0) return rc;
    }
    seek->claims = seek->nmarks;
    return RILL_OK;
}

const ri_seek_mark *ri_seek_next(ri_seek *seek, uint32_t at, uint64_t number, uint32_t epoch)
{
    RI_ASSERT(seek->next <= seek->nmarks);
    for (; seek->next < seek->nmarks; seek->next++) {
        const ri_seek_mark *mark = &seek->marks[seek->next];
        if (mark->position >= at && mark->number > number && mark->epoch >= epoch) return mark;
    }
    return NULL;
}

bool ri_seek_claim(ri_seek *seek, uint32_t at, uint64_t number, uint32_t epoch)
{
    RI_ASSERT(seek->claims <= seek->nmarks);
    for (; seek->claims > 0; seek->claims--) {
        const ri_seek_mark *mark = &seek->marks[seek->claims - 1];
        if (mark->durable >= number && mark->epoch >= epoch) return mark->position >= at;
    }
    return false;
}

/* ---- Entries ---- */

/* What no entry of this length looks like; so little is left to chance that a sum is worth it. */
static bool seek_plausible(const char *in, size_t len, uint32_t length)
{
    if (length < RI_SEGMENT_SUBJECT || length > len || ri_segment_u32(in + 8) >> 9) return false;
    if (RI_ALIGN((size_t)length, 8) > len) return false;
    for (uint32_t i = length; i < RI_ALIGN(length, 8); i++)
        if (in[i]) return false;
    switch ((ri_segment_kind)(in[8] & 255)) {
    case RI_SEGMENT_KIND_RECORD: return length >= RI_SEGMENT_RECORD;
    case RI_SEGMENT_KIND_BATCH: return length >= RI_SEGMENT_BATCH;
    case RI_SEGMENT_KIND_SUBJECT: return true;
    case RI_SEGMENT_KIND_TRACK: return length == RI_SEGMENT_TRACK;
    case RI_SEGMENT_KIND_SKIP:
    case RI_SEGMENT_KIND_PURGE:
    case RI_SEGMENT_KIND_DROP: return length == RI_SEGMENT_SKIP;
    case RI_SEGMENT_KIND_REMOVE: return length == RI_SEGMENT_REMOVE;
    case RI_SEGMENT_KIND_GONE: return length == RI_SEGMENT_GONE;
    }
    return false;
}

static bool seek_may_sum(ri_seek *seek, uint32_t length)
{
    if (seek->left >= length) return true;
    seek->given_up = true;
    return false;
}

/* Would the entry be whole if its length were this? */
static bool seek_sums(ri_seek *seek, const char *in, size_t len, uint32_t length)
{
    if (!seek_plausible(in, len, length) || !seek_may_sum(seek, length)) return false;
    char word[4];
    ri_segment_set32(word, length);
    uint32_t crc = ri_crc32c(seek->seed, word, sizeof word);
    if (ri_crc32c(crc, in + 8, length - 8) == ri_segment_u32(in)) return true;
    seek->left -= length;
    return false;
}

bool ri_seek_entry(ri_seek *seek, uint32_t at, uint32_t end, ri_segment_entry *e)
{
    RI_ASSERT(at <= end && end <= seek->size);
    const char *in = seek->bytes + at;
    if (end - at < RI_SEGMENT_SUBJECT) return false;
    return seek_sums(seek, in, end - at, ri_segment_u32(in + 4)) &&
           ri_segment_read_entry(in, end - at, e) == 0;
}

static uint32_t seek_step(uint32_t state)
{
    return state >> 1 ^ (SEEK_POLYNOMIAL & (0u - (state & 1)));
}

bool ri_seek_mend(ri_seek *seek, uint32_t at, uint32_t bytes)
{
    RI_ASSERT(at < seek->size);
    char *in = seek->bytes + at;
    uint32_t length = ri_segment_u32(in + 4);
    if (length < RI_SEGMENT_SUBJECT || length > seek->size - at) return false;
    bytes = RI_MIN(bytes, length);
    uint32_t crc = ri_crc32c(seek->seed, in + 4, length - 4), want = crc ^ ri_segment_u32(in);
    in[bytes - 1] = (char)(in[bytes - 1] ^ 0x80);
    uint32_t change = crc ^ ri_crc32c(seek->seed, in + 4, length - 4);
    in[bytes - 1] = (char)(in[bytes - 1] ^ 0x80);
    for (uint32_t bit = bytes * 8; bit-- > 64; change = seek_step(change)) {
        if (change != want) continue;
        ri_segment_entry e;
        in[bit / 8] = (char)(in[bit / 8] ^ 1 << bit % 8);
        if (ri_segment_get_entry(in, length, seek->seed, &e) == 0) return true;
        in[bit / 8] = (char)(in[bit / 8] ^ 1 << bit % 8);
        return false;
    }
    return false;
}

bool ri_seek_mend_start(ri_seek *seek, uint32_t at, uint32_t end)
{
    RI_ASSERT(at <= end && end <= seek->size);
    char *in = seek->bytes + at;
    if (end - at < RI_SEGMENT_SUBJECT) return false;
    uint32_t length = ri_segment_u32(in + 4), len = end - at;
    if (seek_plausible(in, len, length) && seek_may_sum(seek, length)) {
        uint32_t crc = ri_crc32c(seek->seed, in + 4, length - 4);
        uint32_t wrong = crc ^ ri_segment_u32(in);
        if ((wrong & (wrong - 1)) == 0) {
            ri_segment_set32(in, crc);
            return true;
        }
        seek->left -= length;
    }
    for (uint32_t bit = 0; bit < 32; bit++) {
        if (!seek_sums(seek, in, len, length ^ 1u << bit)) continue;
        ri_segment_set32(in + 4, length ^ 1u << bit);
        return true;
    }
    return false;
}
