/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/topic.h"

#include "base/assert.h"

enum { TOPIC_DIGITS_MAX = 9 }; /* of a partition's number */

/* Four bytes, the first being the lowest. */
static uint32_t topic_word(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t ri_topic_hash(ri_str key)
{
    const uint32_t m = 0x5bd1e995u, seed = 0x9747b28cu;
    const unsigned char *p = (const unsigned char *)key.ptr;
    uint32_t h = seed ^ (uint32_t)key.len;
    size_t left = key.len;
    for (; left >= 4; left -= 4, p += 4) {
        uint32_t k = topic_word(p) * m;
        k = (k ^ k >> 24) * m;
        h = h * m ^ k;
    }
    if (left == 3) h ^= (uint32_t)p[2] << 16;
    if (left >= 2) h ^= (uint32_t)p[1] << 8;
    if (left >= 1) h = (h ^ p[0]) * m;
    h = (h ^ h >> 13) * m;
    return h ^ h >> 15;
}

void ri_topic_put(ri_str name, const char *mark, uint32_t partition, ri_buffer *out)
{
    RI_ASSERT(name.len > 0);
    ri_buffer_put_str(out, name);
    if (partition) ri_buffer_printf(out, "%s%u", mark, partition);
}

uint32_t ri_topic_cut(ri_str *name, const char *mark)
{
    size_t digits = 0, marked = strlen(mark), at = name->len;
    uint32_t n = 0, unit = 1;
    for (; at > 0 && digits < TOPIC_DIGITS_MAX; at--, digits++, unit *= 10) {
        char c = name->ptr[at - 1];
        if (c < '0' || c > '9') break;
        n += (uint32_t)(c - '0') * unit;
    }
    if (digits == 0 || name->ptr[at] == '0' || at <= marked) return 0;
    if (memcmp(name->ptr + at - marked, mark, marked) != 0) return 0;
    name->len = at - marked;
    RI_ASSERT(n > 0 && name->len > 0);
    return n;
}

uint32_t ri_topic_of(ri_str *stream, ri_str subject)
{
    ri_str name = *stream;
    uint32_t n = ri_topic_cut(&name, RI_TOPIC_STREAM);
    if (n == 0 || ri_topic_cut(&subject, RI_TOPIC_SUBJECT) != n) return 0;
    *stream = name;
    return n;
}
