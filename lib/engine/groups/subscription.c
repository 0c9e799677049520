/* SPDX-License-Identifier: Apache-2.0 */
/* What consumers say to each other in the metadata and assignments of the protocol type "consumer".
 * The broker passes these on as they are; it looks into them only to know which topics a group
 * reads. Integers are big-endian:
 *
 *     subscription  i16 version, array of topics, and what later versions have behind them
 *     array         i32 count, then so many
 *     topic         i16 length, and so many bytes
 *
 * A reader of version 0 takes what a newer version says, too, since it only adds. */
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

static bool subscription_i32(ri_str *rest, int64_t *out)
{
    const unsigned char *p = (const unsigned char *)rest->ptr;
    if (rest->len < 4) return false;
    *out = (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
    *rest = ri_str_from(*rest, 4);
    return true;
}

bool ri_subscription_begin(ri_subscription_reader *r, ri_str metadata)
{
    *r = (ri_subscription_reader){.rest = metadata};
    return subscription_i16(&r->rest, &r->version) && r->version >= 0 &&
           subscription_i32(&r->rest, &r->topics) && r->topics >= 0;
}

int ri_subscription_topic(ri_subscription_reader *r, ri_str *topic)
{
    int len;
    RI_ASSERT(r->topics >= 0);
    if (r->topics == 0) return 0;
    if (!subscription_i16(&r->rest, &len) || len < 0 || (size_t)len > r->rest.len) return -1;
    *topic = (ri_str){r->rest.ptr, (size_t)len};
    r->rest = ri_str_from(r->rest, (size_t)len);
    r->topics--;
    return 1;
}
