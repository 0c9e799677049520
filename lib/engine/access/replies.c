/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/replies.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/saturate.h"

enum {
    REPLIES_MAX = 4096,          /* known at a time */
    REPLIES_BYTES = 1024 * 1024, /* of them, as they are counted */
    REPLIES_PLACE = 48,          /* counted for the place in the table of one */
    REPLIES_AGED = 2,            /* looked at for their age with each that comes */
};

typedef struct replies_entry {
    ri_list link;                /* replies->oldest */
    int64_t asked_ns;
    uint32_t used;               /* answers so far */
    uint32_t len;
    char subject[];
} replies_entry;

static bool replies_is(const void *item, const void *key)
{
    const replies_entry *entry = item;
    return ri_str_eq((ri_str){entry->subject, entry->len}, *(const ri_str *)key);
}

void ri_replies_init(ri_replies *replies, const ri_host *host, ri_memory *memory)
{
    RI_ASSERT(replies && host);
    *replies = (ri_replies){.host = host, .memory = memory};
    ri_map_init(&replies->by_subject, host, replies_is);
    ri_list_init(&replies->oldest);
}

static uint64_t replies_cost(size_t len)
{
    return sizeof(replies_entry) + len + REPLIES_PLACE;
}

static void replies_forget(ri_replies *replies, replies_entry *entry)
{
    ri_str subject = {entry->subject, entry->len};
    void *taken = ri_map_take(&replies->by_subject, ri_hash(subject), &subject);
    RI_ASSERT(taken == NULL || taken == entry);
    (void)taken;
    uint64_t cost = replies_cost(entry->len);
    RI_ASSERT(replies->bytes >= cost);
    replies->bytes -= cost;
    if (replies->memory) ri_memory_refund(replies->memory, RI_MEMORY_INTEREST, cost);
    ri_list_remove(&entry->link);
    ri_free(replies->host, entry, sizeof *entry + entry->len);
}

static replies_entry *replies_oldest(const ri_replies *replies)
{
    if (ri_list_empty(&replies->oldest)) return NULL;
    return ri_container_of(replies->oldest.next, replies_entry, link);
}

void ri_replies_fini(ri_replies *replies)
{
    if (!replies->host) return;
    for (replies_entry *entry; (entry = replies_oldest(replies)) != NULL;)
        replies_forget(replies, entry);
    RI_ASSERT(replies->bytes == 0);
    ri_map_fini(&replies->by_subject);
    *replies = (ri_replies){0};
}

/* Room for one of so many bytes; what is too old goes, and the oldest if it has to. */
static bool replies_make_room(ri_replies *replies, uint64_t cost, int64_t now_ns, int64_t for_ns)
{
    replies_entry *entry;
    for (int i = 0; i < REPLIES_AGED && (entry = replies_oldest(replies)) != NULL; i++) {
        if (ri_ns_sub(now_ns, entry->asked_ns) <= for_ns) break;
        replies_forget(replies, entry);
    }
    while ((entry = replies_oldest(replies)) != NULL &&
           (replies->by_subject.len >= REPLIES_MAX || replies->bytes + cost > REPLIES_BYTES))
        replies_forget(replies, entry);
    if (!replies->memory || ri_memory_take(replies->memory, RI_MEMORY_INTEREST, cost)) return true;
    return false;
}

static replies_entry *replies_new(ri_replies *replies, ri_str subject, uint64_t cost)
{
    replies_entry *entry = ri_alloc(replies->host, sizeof *entry + subject.len);
    if (!entry) return NULL;
    *entry = (replies_entry){.len = (uint32_t)subject.len};
    memcpy(entry->subject, subject.ptr, subject.len);
    ri_list_init(&entry->link);
    ri_list_push(&replies->oldest, &entry->link);
    replies->bytes += cost;
    return entry;
}

void ri_replies_note(ri_replies *replies, ri_str subject, int64_t now_ns, int64_t for_ns)
{
    RI_ASSERT(replies->host && subject.len > 0 && subject.len <= REPLIES_BYTES / 2);
    uint64_t hash = ri_hash(subject), cost = replies_cost(subject.len);
    replies_entry *entry = ri_map_get(&replies->by_subject, hash, &subject);
    if (entry) {
        ri_list_remove(&entry->link);
        ri_list_push(&replies->oldest, &entry->link);
    } else {
        if (!replies_make_room(replies, cost, now_ns, for_ns)) return;
        entry = replies_new(replies, subject, cost);
        if (!entry && replies->memory)
            ri_memory_refund(replies->memory, RI_MEMORY_INTEREST, cost);
        if (!entry) return;
        if (ri_map_put(&replies->by_subject, hash, entry) < 0) {
            replies_forget(replies, entry);
            return;
        }
    }
    entry->asked_ns = now_ns;
    entry->used = 0;
}

bool ri_replies_use(ri_replies *replies, ri_str subject, int64_t now_ns, int64_t for_ns,
                    uint32_t max)
{
    RI_ASSERT(replies->host && subject.len > 0 && max > 0);
    replies_entry *entry = ri_map_get(&replies->by_subject, ri_hash(subject), &subject);
    if (!entry) return false;
    bool late = ri_ns_sub(now_ns, entry->asked_ns) > for_ns;
    if (late || (max != UINT32_MAX && entry->used >= max)) {
        replies_forget(replies, entry);
        return false;
    }
    if (entry->used < UINT32_MAX) entry->used++;
    return true;
}
