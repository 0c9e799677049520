/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/origin.h"

#include "base/assert.h"

char *ri_origin_write(char *at, const ri_origin *origin)
{
    RI_ASSERT(origin->time_ns >= 0 && origin->seq > 0);
    at += ri_number_write(at, origin->partition);
    *at++ = '/';
    at += ri_number_write(at, origin->seq);
    *at++ = '/';
    return at + ri_number_write(at, (uint64_t)origin->time_ns);
}

/* The number up to the next slash, or to the end. */
static bool origin_number(ri_str *rest, uint64_t most, uint64_t *n)
{
    const char *slash = memchr(rest->ptr, '/', rest->len);
    ri_str digits = {rest->ptr, slash ? (size_t)(slash - rest->ptr) : rest->len};
    *rest = slash ? ri_str_from(*rest, digits.len + 1) : RI_STR_NONE;
    return ri_number_read(digits, n) && *n <= most;
}

bool ri_origin_read(ri_str text, ri_str names, ri_origin *origin)
{
    uint64_t partition, time_ns;
    RI_ASSERT(names.len > 0);
    if (!ri_str_starts(text, names)) return false;
    ri_str rest = ri_str_from(text, names.len);
    if (!origin_number(&rest, UINT32_MAX, &partition) || !rest.ptr) return false;
    if (!origin_number(&rest, UINT64_MAX, &origin->seq) || !rest.ptr || !origin->seq) return false;
    if (!origin_number(&rest, INT64_MAX, &time_ns) || rest.ptr) return false;
    origin->partition = (uint32_t)partition;
    origin->time_ns = (int64_t)time_ns;
    return true;
}

int ri_origin_compare(const ri_origin *a, const ri_origin *b)
{
    if (a->partition != b->partition) return a->partition < b->partition ? -1 : 1;
    if (a->seq != b->seq) return a->seq < b->seq ? -1 : 1;
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    return 0;
}
