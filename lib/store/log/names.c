/* SPDX-License-Identifier: Apache-2.0 */
/* Subject names of a segment. The active one has a hash table from name to id, whose names are
 * the subject entries in the image; a sealed one has its footer's list, loaded when needed.
 *
 * The table grows by linear hashing: there are as many buckets as names, and each name that is
 * added splits one bucket in two. So no put moves more than the names of a bucket, which are one
 * or two, or takes more memory than a page and a row of pointers to pages.
 *
 *     pages     [0 .. 63] [64 .. 127] [128 .. ]     never move; name n and bucket n are one struct
 *     bucket    first --> name --next--> name       those with hash & mask == n, or, where that is
 *                                                   no bucket yet, with hash & (mask >> 1) == n
 *
 * A roll empties the table by setting the number of names to 0, as a bucket is made anew with the
 * name of its number. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "store/log/log_private.h"

int ri_names_room(ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    if (log->nnames < log->name_pages * RI_NAMES_PAGE) return RILL_OK;
    int rc = ri_array_reserve(&log->host, &log->names, &log->cap_names, log->name_pages + 1,
                              sizeof *log->names);
    if (rc < 0) return rc;
    log_name *page = ri_alloc(&log->host, RI_NAMES_PAGE * sizeof *page);
    if (!page) return RILL_ENOMEM;
    log->names[log->name_pages++] = page;
    return RILL_OK;
}

/* The bucket `from` keeps the names that do not belong into the new one, `to`. */
static void names_split(ri_log *log, uint32_t from, uint32_t to)
{
    RI_ASSERT(from < to && to < log->nnames);
    uint32_t *kept = &ri_names_nth(log, from)->first, *moved = &ri_names_nth(log, to)->first;
    for (uint32_t at = *kept; at;) {
        log_name *name = ri_names_nth(log, at - 1);
        uint32_t **link = (name->hash & log->name_mask) == to ? &moved : &kept;
        **link = at;
        *link = &name->next;
        at = name->next;
    }
    *kept = *moved = 0;
}

log_name *ri_names_add(ri_log *log, uint32_t hash, uint32_t id, uint32_t position)
{
    RI_ASSERT(log->nnames < log->name_pages * RI_NAMES_PAGE);
    RI_ASSERT(position >= RI_SEGMENT_HEAD && log->active);
    uint32_t n = log->nnames++;
    if (n == 0) log->name_mask = 0;
    if (n > log->name_mask) log->name_mask = log->name_mask * 2 + 1;
    log_name *name = ri_names_nth(log, n);
    *name = (log_name){.hash = hash, .id1 = id + 1, .position = position};
    if (n > 0) names_split(log, n & log->name_mask >> 1, n);
    log_name *bucket = ri_names_nth(log, ri_names_bucket(log, hash));
    name->next = bucket->first;
    bucket->first = n + 1;
    return name;
}

void ri_names_clear(ri_log *log)
{
    log->nnames = 0;
}

void ri_names_free(ri_log *log)
{
    while (log->name_pages > 0)
        ri_free(&log->host, log->names[--log->name_pages], RI_NAMES_PAGE * sizeof **log->names);
    ri_free(&log->host, log->names, log->cap_names * sizeof *log->names);
}

/* Are they what they were? An opening that meets damage reports the whole footer. */
static bool names_are_whole(ri_log *log, const log_segment *s, const char *names)
{
    bool whole = ri_crc32c(s->seed, names, s->names_len) == s->names_crc;
    ri_damage damage = {.position = s->names_at, .end = s->names_at + s->names_len,
                        .whole = true};
    if (!whole && !log->opening && !ri_damage_covers(log, s, s->names_at))
        ri_log_damage_at(log, s, &damage, "the names of subjects are damaged");
    return whole;
}

int ri_names_load(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    s->used_at = ++log->ticks;
    if (s->names || s->image || !s->stored) return RILL_OK;
    int rc = s->names_len ? RILL_OK : ri_footer_load(log, s);
    if (rc < 0) return rc;
    char *names = ri_alloc(&log->host, s->names_len);
    if (!names) return RILL_ENOMEM;
    rc = ri_space_read(log, s, names, s->names_len, s->names_at);
    if (rc == 0 && !names_are_whole(log, s, names))
        rc = ri_err(RILL_ECORRUPT, "%s/%08x.seg: the subject names at %u fail their checksum",
                    log->dir, s->slot, s->names_at);
    if (rc == 0 && ri_segment_u32(names) > (s->names_len - 8) / sizeof(uint32_t))
        rc = ri_err(RILL_ECORRUPT, "%s/%08x.seg: there are not as many subject names as said",
                    log->dir, s->slot);
    if (rc < 0) {
        ri_free(&log->host, names, s->names_len);
        return rc;
    }
    s->names = names;
    s->names_bytes = s->names_len;
    log->names_bytes += s->names_bytes;
    return RILL_OK;
}

int ri_names_get(ri_log *log, log_segment *s, uint32_t id, ri_str *name)
{
    RI_ASSERT(ri_log_is_sound(log));
    *name = RI_STR_NONE;
    if (id == RI_SEGMENT_NO_SUBJECT) return RILL_OK;
    if (s->image && id < s->nsubjects) {
        if (s->subjects[id] == 0) goto bad;
        *name = ri_names_at(s, s->subjects[id]);
        return RILL_OK;
    }
    int rc = ri_names_load(log, s);
    if (rc < 0) return rc;
    if (ri_names_quick(s, id, name)) return RILL_OK;
bad:
    return ri_err(RILL_ECORRUPT, "%s/%08x.seg: subject %u has no name",
                  log->dir ? log->dir : "memory", s->slot, id);
}

uint32_t ri_names_count(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    if (s->image) return s->nsubjects;
    return ri_names_load(log, s) == 0 && s->names ? ri_segment_u32(s->names) : 0;
}
