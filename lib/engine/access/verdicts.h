/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts that were given before, of all users of a broker: may this user publish there? Rules are
 * seldom asked then, however many a user has (access.h).
 *
 *     hash(user, subject) --> row: [user 17 | len | may | "orders.new"]     of one at a time
 *
 * One table for all, and not one for each user: that would be as large as a stranger, or a program
 * that lets strangers in, makes users. It begins small, and is twice as large when it has forgotten
 * as many verdicts as it has rows, up to VERDICTS_MAX rows. Its bytes are in the budget of what
 * peers make the broker hold (base/memory.h); without room there it stays as it is. A verdict that
 * is forgotten is asked of the rules again. The number of a user is never given again. */
#ifndef RI_VERDICTS_H
#define RI_VERDICTS_H

#include "base/alloc.h"
#include "base/memory.h"
#include "base/str.h"

typedef struct ri_verdict ri_verdict;

typedef struct ri_verdicts { /* guarded by its owner */
    const ri_host *host;
    ri_memory *memory;
    ri_verdict *rows;        /* a power of two; NULL: none yet */
    uint32_t n, forgotten;
} ri_verdicts;

void ri_verdicts_init(ri_verdicts *v, const ri_host *host, ri_memory *memory);
void ri_verdicts_fini(ri_verdicts *v); /* also of one that is zeroed */
/* False: it is not known. */
bool ri_verdicts_get(const ri_verdicts *v, uint64_t user, ri_str subject, bool *may);
void ri_verdicts_put(ri_verdicts *v, uint64_t user, ri_str subject, bool may);
uint64_t ri_verdicts_bytes(const ri_verdicts *v);

#endif
