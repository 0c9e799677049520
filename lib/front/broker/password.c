/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/password.h"

#include "base/assert.h"

bool ri_password_is_hash(ri_str s)
{
    return s.len >= 7 && s.ptr[0] == '$' && s.ptr[1] == '2' && memchr("abxy", s.ptr[2], 4) &&
           s.ptr[3] == '$' && s.ptr[4] >= '0' && s.ptr[4] <= '9' && s.ptr[5] >= '0' &&
           s.ptr[5] <= '9' && s.ptr[6] == '$';
}

bool ri_password_same(ri_str want, ri_str given)
{
    RI_ASSERT(want.ptr || !want.len);
    size_t diff = want.len ^ given.len, len = want.len ? want.len : 1;
    const char *wanted = want.len ? want.ptr : ""; /* nothing may be asked for, and much given */
    for (size_t i = 0; i < given.len; i++)
        diff |= (size_t)(unsigned char)(given.ptr[i] ^ wanted[i % len]);
    return diff == 0;
}
