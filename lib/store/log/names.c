/* SPDX-License-Identifier: Apache-2.0 */
/* Subject names of a segment. The active one has a hash table from name to id, whose names are
 * the subject entries in the image; a sealed one has its footer's list, loaded when needed. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "store/log/log_private.h"

enum { NAMES_FIRST = 64 };

static log_name *names_slot(log_name *names, uint32_t cap, uint32_t hash)
{
    RI_ASSERT(cap > 0 && (cap & (cap - 1)) == 0);
    uint32_t i = hash & (cap - 1);
    while (names[i].id1) i = (i + 1) & (cap - 1);
    return &names[i];
}

int ri_names_room(ri_log *log)
{
    RI_ASSERT(ri_log_is_sound(log));
    if ((log->nnames + 1) * 2 <= log->cap_names) return RILL_OK;
    uint32_t cap = log->cap_names ? log->cap_names * 2 : NAMES_FIRST;
    RI_ASSERT(cap > log->cap_names);
    log_name *names = ri_calloc(&log->host, cap * sizeof *names);
    if (!names) return RILL_ENOMEM;
    for (uint32_t i = 0; i < log->cap_names; i++)
        if (log->names[i].id1) *names_slot(names, cap, log->names[i].hash) = log->names[i];
    ri_free(&log->host, log->names, log->cap_names * sizeof *names);
    log->names = names;
    log->cap_names = cap;
    return RILL_OK;
}

log_name *ri_names_add(ri_log *log, uint32_t hash, uint32_t id, uint32_t position)
{
    RI_ASSERT((log->nnames + 1) * 2 <= log->cap_names);
    RI_ASSERT(position >= RI_SEGMENT_HEAD && log->active);
    log_name *name = names_slot(log->names, log->cap_names, hash);
    *name = (log_name){.hash = hash, .id1 = id + 1, .position = position};
    log->nnames++;
    return name;
}

void ri_names_clear(ri_log *log)
{
    if (log->nnames) memset(log->names, 0, log->cap_names * sizeof *log->names);
    log->nnames = 0;
}

/* Are they what they were? An opening that meets damage tells of the whole footer. */
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
