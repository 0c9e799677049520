/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a segment, part by part, behind checksums that are made right: whatever they say,
 * nothing outside them is read, and what was taken apart and is put together again says the same.
 * The first byte of an input picks the part. */
#include <string.h>

#include "base/crc32c.h"
#include "store/log/segment.h"
#include "support/fuzz.h"
#include "support/guard.h"

enum { SEED = 0x5eed };
#define NUMBERS (UINT64_C(1) << 63) /* no commit has this number, or a greater one */

static void segment_heads(char *p, unsigned which)
{
    ri_segment_head head, head_again;
    ri_segment_commit commit, commit_again;
    ri_segment_trailer trailer, trailer_again;
    char out[RI_SEGMENT_HEAD];
    switch (which % 3) {
    case 0:
        memcpy(p, "rillseg\n\2\0\0\0", 12);
        if (which & 4) memset(p + 12, 0, 4);
        ri_segment_set32(p + 60, ri_crc32c(0, p, 60));
        if (ri_segment_get_head(p, &head) < 0) return;
        ri_segment_put_head(out, &head);
        fuzz_require(memcmp(out, p, sizeof out) == 0, "a header is written as it was read");
        fuzz_require(ri_segment_get_head(out, &head_again) == 0, "reads what it wrote");
        return;
    case 1:
        memcpy(p, "rcmt", 4);
        memset(p + 56, 0, 4);
        ri_segment_set32(p + 60, ri_crc32c(SEED, p, 60));
        if (ri_segment_get_commit(p, SEED, &commit) < 0) {
            fuzz_require(ri_segment_u64(p + 16) >= NUMBERS || ri_segment_u64(p + 24) >= NUMBERS,
                         "a commit header is taken");
            return;
        }
        commit_again = commit;
        ri_segment_put_commit(out, SEED, &commit_again);
        fuzz_require(memcmp(out, p, sizeof out) == 0, "a commit is written as it was read");
        fuzz_require(commit_again.check == commit.check, "check");
        return;
    default:
        memcpy(p, "rillend\n", 8);
        memset(p + 48, 0, 12);
        uint32_t seed = ri_segment_seed(3, ri_segment_u64(p + 8));
        ri_segment_set32(p + 60, ri_crc32c(seed, p, 60));
        if (ri_segment_get_trailer(p, 3, &trailer) < 0) {
            fuzz_require(ri_segment_u64(p + 16) >= NUMBERS, "a trailer is taken");
            return;
        }
        trailer_again = trailer;
        ri_segment_put_trailer(out, seed, &trailer_again);
        fuzz_require(memcmp(out, p, sizeof out) == 0, "a trailer is written as it was read");
    }
}

static bool segment_within(ri_str s, const char *p, size_t len)
{
    return s.len == 0 || (s.ptr >= p && s.len <= len && s.ptr + s.len <= p + len);
}

static void segment_entry(char *p, size_t len, unsigned kind)
{
    static char out[1 << 20];
    ri_segment_entry e, again;
    if (len >= RI_SEGMENT_ENTRY) {
        uint32_t length = ri_segment_u32(p + 4);
        if (length > len || length < 4) ri_segment_set32(p + 4, length = (uint32_t)len);
        if (kind % 11 < 10) p[8] = (char)(kind % 11); /* mostly one there is */
        ri_segment_set32(p, ri_crc32c(SEED, p + 4, length - 4));
    }
    if (ri_segment_get_entry(p, len, SEED, &e) < 0) return;
    fuzz_require(segment_within(e.data, p, len), "data within the entry");
    fuzz_require(segment_within(e.headers, p, len), "headers within the entry");
    if (e.kind == RI_SEGMENT_KIND_BATCH &&
        (e.data.len < 61 || e.data.ptr[16] != 2 || e.seq > INT64_MAX))
        return; /* none that was stored */
    uint32_t size = ri_segment_put_entry(out, SEED, &e);
    fuzz_require(size <= len + 8, "no longer than it was");
    fuzz_require(ri_segment_get_entry(out, size, SEED, &again) == 0, "reads what it wrote");
    fuzz_require(again.kind == e.kind && again.track == e.track && again.seq == e.seq &&
                 again.last == e.last && again.id == e.id && again.subject == e.subject &&
                 again.flags == e.flags && again.data.len == e.data.len &&
                 ri_str_eq(again.headers, e.headers), "says the same");
}

static void segment_body(const char *p, size_t len, uint32_t entries)
{
    ri_segment_commit commit = {.bytes = (uint32_t)len, .entries = entries};
    for (size_t at = 0; at + 4 <= len; at += 8) { /* some prefix of the chain may fit */
        commit.body = ri_segment_chain(commit.body, ri_segment_u32(p + at));
        (void)ri_segment_check_body(p, &commit);
        if (at > 256) break;
    }
}

int fuzz_one(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    char *p = guard_copy(data + 2, size - 2);
    switch (data[0] % 3) {
    case 0:
        if (size - 2 >= 64) segment_heads(p + (size - 2 - 64), data[1]);
        return 0;
    case 1: segment_entry(p, size - 2, data[1]); return 0;
    default: segment_body(p, size - 2, data[1] % 16);
    }
    return 0;
}
