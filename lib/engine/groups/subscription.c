/* SPDX-License-Identifier: Apache-2.0 */
/* What consumers say to each other in the metadata and assignments of the protocol type "consumer".
 * The broker passes these on as they are. It looks into them to know which topics a group reads,
 * and where members of such a group are together with those whose assignments it makes itself.
 * Integers are big-endian:
 *
 *     subscription  i16 version, array of topics, bytes of the assignor's own,
 *                   from version 1:  array of parts, that it has
 *                   from version 2:  i32, the generation of which it has them
 *                   from version 3:  topic, its rack; or length -1: none
 *                   and what later versions have behind it
 *     assignment    i16 version, array of parts, bytes of the assignor's own, and the like
 *     array         i32 count, then so many
 *     topic         i16 length, and so many bytes
 *     parts         topic, array of i32 partitions
 *     bytes         i32 length, and so many; -1: none
 *
 * A reader of an older version takes what a newer one says, too, since these only add. */
#include "engine/groups/subscription.h"

#include "base/assert.h"

static bool subscription_i16(ri_str *rest, int *out)
{
    const unsigned char *p = (const unsigned char *)rest->ptr;
    if (rest->len < 2) return false;
    *out = (int16_t)(p[0] << 8 | p[1]);
    *rest = ri_str_from(*rest, 2);
    return true;
}

static int32_t subscription_number(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;
    return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static bool subscription_i32(ri_str *rest, int64_t *out)
{
    if (rest->len < 4) return false;
    *out = subscription_number(rest->ptr);
    *rest = ri_str_from(*rest, 4);
    return true;
}

static bool subscription_span(ri_str *rest, int64_t len, ri_str *out)
{
    if (len < 0 || (uint64_t)len > rest->len) return false;
    *out = (ri_str){rest->ptr, (size_t)len};
    *rest = ri_str_from(*rest, (size_t)len);
    return true;
}

static bool subscription_text(ri_str *rest, ri_str *out)
{
    int len;
    return subscription_i16(rest, &len) && subscription_span(rest, len, out);
}

/* Which may be null. */
static bool subscription_bytes(ri_str *rest, ri_str *out)
{
    int64_t len;
    *out = RI_STR_NONE;
    if (!subscription_i32(rest, &len)) return false;
    return len == -1 || subscription_span(rest, len, out);
}

static bool subscription_array(ri_subscription_reader *r)
{
    return subscription_i32(&r->rest, &r->topics) && r->topics >= 0;
}

static bool subscription_version(ri_subscription_reader *r, ri_str bytes)
{
    *r = (ri_subscription_reader){.rest = bytes};
    return subscription_i16(&r->rest, &r->version) && r->version >= 0;
}

/* ---- Reading ---- */

bool ri_subscription_begin(ri_subscription_reader *r, ri_str metadata)
{
    return subscription_version(r, metadata) && subscription_array(r);
}

int ri_subscription_topic(ri_subscription_reader *r, ri_str *topic)
{
    RI_ASSERT(r->topics >= 0);
    if (r->topics == 0) return 0;
    r->topics--;
    return subscription_text(&r->rest, topic) ? 1 : -1;
}

bool ri_subscription_begin_owned(ri_subscription_reader *r)
{
    ri_str user_data;
    RI_ASSERT(r->topics == 0);
    return subscription_bytes(&r->rest, &user_data) && (r->version < 1 || subscription_array(r));
}

int ri_subscription_parts(ri_subscription_reader *r, ri_str *topic, ri_str *partitions)
{
    int64_t n;
    RI_ASSERT(r->topics >= 0);
    if (r->topics == 0) return 0;
    r->topics--;
    if (!subscription_text(&r->rest, topic) || !subscription_i32(&r->rest, &n) || n < 0) return -1;
    return subscription_span(&r->rest, n * 4, partitions) ? 1 : -1;
}

bool ri_subscription_end(ri_subscription_reader *r, ri_str *rack)
{
    int64_t generation;
    int len;
    RI_ASSERT(r->topics == 0);
    *rack = RI_STR_NONE;
    if (r->version >= 2 && !subscription_i32(&r->rest, &generation)) return false;
    if (r->version < 3) return true;
    if (!subscription_i16(&r->rest, &len)) return false;
    return len == -1 || subscription_span(&r->rest, len, rack);
}

bool ri_subscription_begin_assignment(ri_subscription_reader *r, ri_str assignment)
{
    return subscription_version(r, assignment) && subscription_array(r);
}

bool ri_subscription_end_assignment(ri_subscription_reader *r, ri_str *user_data)
{
    RI_ASSERT(r->topics == 0);
    return subscription_bytes(&r->rest, user_data);
}

size_t ri_subscription_count(ri_str partitions)
{
    RI_ASSERT(partitions.len % 4 == 0);
    return partitions.len / 4;
}

int32_t ri_subscription_partition(ri_str partitions, size_t i)
{
    RI_ASSERT(i < partitions.len / 4);
    return subscription_number(partitions.ptr + 4 * i);
}

/* ---- Writing ---- */

static void subscription_put(ri_buffer *out, uint32_t value, size_t bytes)
{
    unsigned char text[4];
    for (size_t i = 0; i < bytes; i++)
        text[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
    ri_buffer_put(out, text, bytes);
}

void ri_subscription_put(ri_buffer *out, int version, size_t topics)
{
    RI_ASSERT(version >= 0 && topics <= INT32_MAX);
    subscription_put(out, (uint32_t)RI_MIN(version, RI_SUBSCRIPTION_VERSION), 2);
    subscription_put(out, (uint32_t)topics, 4);
}

void ri_subscription_put_topic(ri_buffer *out, ri_str topic, size_t partitions)
{
    RI_ASSERT(topic.len <= INT16_MAX && partitions <= INT32_MAX);
    subscription_put(out, (uint32_t)topic.len, 2);
    ri_buffer_put_str(out, topic);
    subscription_put(out, (uint32_t)partitions, 4);
}

void ri_subscription_put_partition(ri_buffer *out, int32_t partition)
{
    subscription_put(out, (uint32_t)partition, 4);
}

void ri_subscription_put_end(ri_buffer *out)
{
    subscription_put(out, UINT32_MAX, 4); /* nothing of an assignor's own */
}
