/* SPDX-License-Identifier: Apache-2.0 */
/* The reply subjects of what a connection was asked, each of which it may answer so often and so
 * long, although its user may not publish there (access.h).
 *
 *     oldest --> [_INBOX.a 0 of 1] --> [_INBOX.b 0 of 1] --> ...     in the order of their coming
 *                       ^ by its keyed hash
 *
 * A subject that comes again begins anew, at the end. Whoever asks can make a connection know as
 * many as REPLIES_MAX, in REPLIES_BYTES, after which the oldest is forgotten: its answer is
 * refused. What is too old is forgotten when another comes, in small steps. */
#ifndef RI_REPLIES_H
#define RI_REPLIES_H

#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

typedef struct ri_replies {
    const ri_host *host;
    ri_memory *memory;   /* where its bytes are counted; NULL: nowhere */
    ri_map by_subject;
    ri_list oldest;
    uint64_t bytes;      /* of all entries, as they are counted */
} ri_replies;

void ri_replies_init(ri_replies *replies, const ri_host *host, ri_memory *memory);
void ri_replies_fini(ri_replies *replies); /* also of one that is zeroed */
/* One that was asked with this reply subject at `now_ns`, which does not go back; `for_ns` is how
 * long that may be answered. Without memory it is not known: its answer is refused. */
void ri_replies_note(ri_replies *replies, ri_str subject, int64_t now_ns, int64_t for_ns);
/* May that be answered, once more? Then that is counted. `max` UINT32_MAX: without end. */
bool ri_replies_use(ri_replies *replies, ri_str subject, int64_t now_ns, int64_t for_ns,
                    uint32_t max);

#endif
