/* SPDX-License-Identifier: Apache-2.0 */
/* Does a NATS filter match a subject, token by token: the plainest way to say it. An empty filter
 * matches nothing. */
#ifndef RI_TEST_MATCH_H
#define RI_TEST_MATCH_H

#include "base/str.h"

static inline bool match_subject(ri_str filter, ri_str subject)
{
    if (filter.len == 0) return false;
    ri_str rest_f = filter, rest_s = subject, token_f, token_s;
    for (;;) {
        bool have_f = ri_str_cut(&rest_f, '.', &token_f);
        bool have_s = ri_str_cut(&rest_s, '.', &token_s);
        if (!have_f || !have_s) return have_f == have_s;
        bool last_f = token_f.ptr + token_f.len == filter.ptr + filter.len;
        if (ri_str_is(token_f, ">") && last_f) return true;
        if (!ri_str_is(token_f, "*") && !ri_str_eq(token_f, token_s)) return false;
    }
}

#endif
