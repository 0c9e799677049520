/* SPDX-License-Identifier: Apache-2.0 */
/* Four lanes of 64 bits in four vectors. A packet of 32 bytes is added, multiplied in halves, and
 * the bytes of the lanes are mixed in pairs ("zipper"). */
#include "codec/archive/highway.h"

#include "base/assert.h"
#include "base/defs.h"

enum { HIGHWAY_PACKET = 32, HIGHWAY_ROUNDS = 4 };

static const uint64_t highway_mul0[] = {0xdbe6d5d5fe4cce2f, 0xa4093822299f31d0,
                                        0x13198a2e03707344, 0x243f6a8885a308d3};
static const uint64_t highway_mul1[] = {0x3bd39e10cb0ef593, 0xc0acf169b5f18a8c,
                                        0xbe5466cf34e90c6c, 0x452821e638d01377};

static uint64_t highway_load(const unsigned char *p)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) n |= (uint64_t)p[i] << (8 * i);
    return n;
}

static uint64_t highway_swap(uint64_t n)
{
    return n << 32 | n >> 32;
}

/* Byte `from` of n at the place of byte `to`. */
static uint64_t highway_byte(uint64_t n, unsigned from, unsigned to)
{
    RI_ASSERT(from < 8 && to < 8);
    return (n >> (8 * from) & 0xff) << (8 * to);
}

/* The bytes of two lanes change places so that strong bits come to lie over weak ones. */
static void highway_zipper(uint64_t odd, uint64_t even, uint64_t *to_odd, uint64_t *to_even)
{
    *to_even += highway_byte(even, 3, 0) | highway_byte(odd, 4, 1) | highway_byte(even, 2, 2) |
                highway_byte(even, 5, 3) | highway_byte(odd, 6, 4) | highway_byte(even, 1, 5) |
                highway_byte(odd, 7, 6) | highway_byte(even, 0, 7);
    *to_odd += highway_byte(odd, 3, 0) | highway_byte(even, 4, 1) | highway_byte(odd, 2, 2) |
               highway_byte(odd, 5, 3) | highway_byte(odd, 1, 4) | highway_byte(even, 6, 5) |
               highway_byte(odd, 0, 6) | highway_byte(even, 7, 7);
}

static void highway_update(ri_highway *h, const uint64_t lanes[4])
{
    for (int i = 0; i < 4; i++) {
        h->v1[i] += h->mul0[i] + lanes[i];
        h->mul0[i] ^= (h->v1[i] & 0xffffffff) * (h->v0[i] >> 32);
        h->v0[i] += h->mul1[i];
        h->mul1[i] ^= (h->v0[i] & 0xffffffff) * (h->v1[i] >> 32);
    }
    highway_zipper(h->v1[1], h->v1[0], &h->v0[1], &h->v0[0]);
    highway_zipper(h->v1[3], h->v1[2], &h->v0[3], &h->v0[2]);
    highway_zipper(h->v0[1], h->v0[0], &h->v1[1], &h->v1[0]);
    highway_zipper(h->v0[3], h->v0[2], &h->v1[3], &h->v1[2]);
}

static void highway_packet(ri_highway *h, const unsigned char *p)
{
    uint64_t lanes[4];
    for (int i = 0; i < 4; i++) lanes[i] = highway_load(p + 8 * i);
    highway_update(h, lanes);
}

void ri_highway_init(ri_highway *h, const unsigned char key[RI_HIGHWAY_KEY])
{
    h->len = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t lane = highway_load(key + 8 * i);
        h->mul0[i] = highway_mul0[i];
        h->mul1[i] = highway_mul1[i];
        h->v0[i] = highway_mul0[i] ^ lane;
        h->v1[i] = highway_mul1[i] ^ highway_swap(lane);
    }
}

void ri_highway_add(ri_highway *h, ri_str bytes)
{
    RI_ASSERT(h->len < HIGHWAY_PACKET);
    if (h->len && bytes.len) {
        size_t n = RI_MIN(HIGHWAY_PACKET - h->len, bytes.len);
        memcpy(h->rest + h->len, bytes.ptr, n);
        h->len += n;
        bytes = ri_str_from(bytes, n);
        if (h->len < HIGHWAY_PACKET) return;
        highway_packet(h, h->rest);
        h->len = 0;
    }
    for (; bytes.len >= HIGHWAY_PACKET; bytes = ri_str_from(bytes, HIGHWAY_PACKET))
        highway_packet(h, (const unsigned char *)bytes.ptr);
    if (bytes.len) memcpy(h->rest, bytes.ptr, bytes.len);
    h->len += bytes.len;
}

/* Both halves of a lane are turned left by `n` bits. */
static uint64_t highway_turn(uint64_t lane, unsigned n)
{
    RI_ASSERT(n > 0 && n < 32);
    uint32_t low = (uint32_t)lane, high = (uint32_t)(lane >> 32);
    low = low << n | low >> (32 - n);
    high = high << n | high >> (32 - n);
    return (uint64_t)high << 32 | low;
}

/* The last packet, which is not whole: its words, and its odd bytes where they matter. */
static void highway_rest(ri_highway *h)
{
    RI_ASSERT(h->len > 0 && h->len < HIGHWAY_PACKET);
    size_t n = h->len, odd = n & 3, words = n & ~(size_t)3;
    unsigned char packet[HIGHWAY_PACKET] = {0};
    const unsigned char *tail = h->rest + words;
    for (int i = 0; i < 4; i++) {
        h->v0[i] += ((uint64_t)n << 32) + n;
        h->v1[i] = highway_turn(h->v1[i], (unsigned)n);
    }
    memcpy(packet, h->rest, words);
    if (n & 16) {
        memcpy(packet + 28, h->rest + n - 4, 4);
    } else if (odd) {
        packet[16] = tail[0];
        packet[17] = tail[odd >> 1];
        packet[18] = tail[odd - 1];
    }
    highway_packet(h, packet);
}

uint64_t ri_highway_end(ri_highway *h)
{
    RI_ASSERT(h->len < HIGHWAY_PACKET);
    if (h->len) highway_rest(h);
    for (int i = 0; i < HIGHWAY_ROUNDS; i++) {
        const uint64_t lanes[] = {highway_swap(h->v0[2]), highway_swap(h->v0[3]),
                                  highway_swap(h->v0[0]), highway_swap(h->v0[1])};
        highway_update(h, lanes);
    }
    return h->v0[0] + h->v1[0] + h->mul0[0] + h->mul1[0];
}
