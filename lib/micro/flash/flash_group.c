/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: how far the readers of a stream have come, together. All up to `floor` are settled, and
 * of the RI_FLASH_WINDOW behind it those with a bit in `acked`:
 *
 *     floor 7    acked   8 . 10 . . 13        out   . 9 . 11 . .
 *
 * An acknowledgement is a record with both, so that the last one says it all. What is out, until
 * when and for how often is in memory only: after a loss of power it comes again. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

static ri_flash_group *flash_group_of(const ri_flash *f, uint32_t group)
{
    RI_CHECK(f, RI_FLASH_MAGIC);
    if (group < f->conf.max_groups && f->groups[group].name_len > 0) return &f->groups[group];
    ri_err(RILL_ENOENT, "no group %u on flash", (unsigned)group);
    return NULL;
}

/* The stream is deleted: so are they. */
void ri_flash_groups_drop(ri_flash *f, uint32_t stream)
{
    for (uint32_t i = 0; i < f->conf.max_groups; i++)
        if (f->groups[i].stream == stream) memset(&f->groups[i], 0, sizeof f->groups[i]);
}

bool ri_flash_group_has(const ri_flash_group *g, uint32_t seq)
{
    if (seq <= g->floor) return true;
    uint32_t bit = seq - g->floor - 1;
    return bit < RI_FLASH_WINDOW && (g->acked >> bit & 1);
}

ri_flash_group *ri_flash_group_of_work(const ri_flash *f, uint32_t stream)
{
    if (!(f->streams[stream].limits.flags & RI_FLASH_WORK)) return NULL;
    for (uint32_t i = 0; i < f->conf.max_groups; i++)
        if (f->groups[i].name_len > 0 && f->groups[i].stream == stream) return &f->groups[i];
    return NULL;
}

int ri_flash_group_find(const ri_flash *f, uint32_t stream, ri_str name)
{
    RI_CHECK(f, RI_FLASH_MAGIC);
    for (uint32_t i = 0; i < f->conf.max_groups; i++) {
        const ri_flash_group *g = &f->groups[i];
        if (g->name_len > 0 && g->stream == stream &&
            ri_str_eq(ri_flash_name(g->name, g->name_len), name))
            return (int)i;
    }
    return RILL_ENOENT;
}

int ri_flash_group_ensure(ri_flash *f, uint32_t stream, ri_str name)
{
    const ri_flash_stream *s = ri_flash_stream_of(f, stream);
    if (!s) return RILL_ENOENT;
    if (name.len == 0 || name.len > RI_FLASH_NAME)
        return ri_err(RILL_EINVAL, "the name of a group on flash has 1 to %d bytes", RI_FLASH_NAME);
    if (s->limits.flags & RI_FLASH_BUCKET)
        return ri_err(RILL_EINVAL, "%s on flash is a bucket", s->name);
    int found = ri_flash_group_find(f, stream, name);
    if (found >= 0) return found;
    if (ri_flash_group_of_work(f, stream))
        return ri_err(RILL_EEXIST, "%s on flash has its group", s->name);
    for (uint32_t i = 0; i < f->conf.max_groups; i++) {
        if (f->groups[i].name_len > 0) continue;
        uint32_t floor = s->first - 1;
        int rc = ri_flash_group_write(f, i, (uint8_t)stream, floor, 0, &name);
        if (rc < 0) return rc;
        ri_flash_group *g = &f->groups[i];
        *g = (ri_flash_group){.name_len = (uint8_t)name.len, .stream = (uint8_t)stream,
                              .floor = floor};
        memcpy(g->name, name.ptr, name.len);
        return (int)i;
    }
    return ri_err(RILL_EFULL, "the flash was formatted for %u groups", f->conf.max_groups);
}

int ri_flash_group_delete(ri_flash *f, uint32_t group)
{
    ri_flash_group *g = flash_group_of(f, group);
    if (!g) return RILL_ENOENT;
    const ri_str gone = RI_STR_NONE;
    /* What it has settled behind its floor must not come to life again. */
    if (f->streams[g->stream].limits.flags & RI_FLASH_WORK && g->acked)
        return ri_err(RILL_EBUSY, "%s has settled messages out of their order", g->name);
    int rc = ri_flash_group_write(f, group, g->stream, g->floor, g->acked, &gone);
    if (rc == RILL_OK) memset(g, 0, sizeof *g);
    return rc;
}

int ri_flash_group_about(const ri_flash *f, uint32_t group, ri_flash_group_info *out)
{
    const ri_flash_group *g = flash_group_of(f, group);
    if (!g) return RILL_ENOENT;
    const ri_flash_stream *s = &f->streams[g->stream];
    uint32_t floor = RI_MAX(g->floor + 1, s->first) - 1;
    *out = (ri_flash_group_info){.name = ri_flash_name(g->name, g->name_len), .stream = g->stream,
                                 .acked_seq = floor, .waiting = s->last - RI_MIN(floor, s->last)};
    for (uint32_t i = 0; i < RI_FLASH_WINDOW; i++) {
        if (g->floor + 1 + i <= floor) continue;
        out->out += g->out >> i & 1;
        out->waiting -= (g->acked | g->out) >> i & 1;
    }
    return RILL_OK;
}

static uint32_t flash_group_ms(int64_t now_ns)
{
    return (uint32_t)(uint64_t)(now_ns / RI_MS);
}

/* All up to `floor` is settled. */
static void flash_group_raise(ri_flash_group *g, uint32_t floor)
{
    uint32_t by = floor - g->floor, left = by < RI_FLASH_WINDOW ? RI_FLASH_WINDOW - by : 0;
    RI_ASSERT(floor >= g->floor);
    g->floor = floor;
    if (by == 0) return;
    g->acked = left ? g->acked >> by : 0;
    g->out = left ? g->out >> by : 0;
    memmove(g->due_ms, g->due_ms + (RI_FLASH_WINDOW - left), left * sizeof g->due_ms[0]);
    memmove(g->tries, g->tries + (RI_FLASH_WINDOW - left), left);
    memset(g->tries + left, 0, RI_FLASH_WINDOW - left);
}

/* How many behind the floor are settled, without one between them that is not. */
static uint32_t flash_group_settled(uint32_t acked)
{
    uint32_t by = 0;
    while (by < RI_FLASH_WINDOW && acked >> by & 1) by++;
    return by;
}

static void flash_group_sink(ri_flash_group *g)
{
    flash_group_raise(g, g->floor + flash_group_settled(g->acked));
}

static bool flash_group_is_out(const ri_flash_group *g, uint32_t bit, uint32_t now_ms)
{
    return g->out >> bit & 1 && (int32_t)(now_ms - g->due_ms[bit]) < 0;
}

int ri_flash_group_next(ri_flash *f, uint32_t group, int64_t now_ns, uint32_t wait_ms, void *buf,
                        size_t cap, ri_flash_msg *out)
{
    ri_flash_group *g = flash_group_of(f, group);
    uint32_t now_ms = flash_group_ms(now_ns);
    RI_ASSERT(ri_flash_is_sound(f));
    if (!g) return RILL_ENOENT;
    const ri_flash_stream *s = &f->streams[g->stream];
    if (g->floor + 1 < s->first) flash_group_raise(g, s->first - 1); /* gone without us */
    for (uint32_t bit = 0; bit < RI_FLASH_WINDOW;) {
        if (g->acked >> bit & 1 || flash_group_is_out(g, bit, now_ms)) {
            bit++;
            continue;
        }
        int rc = ri_flash_next(f, g->stream, g->floor + 1 + bit, buf, cap, out);
        if (rc == RILL_ENOENT) return RILL_EAGAIN;
        if (rc < 0) return rc;
        uint32_t found = out->seq - g->floor - 1;
        if (found > 0 && bit == 0) { /* nothing lives before it */
            flash_group_raise(g, out->seq - 1);
            flash_group_sink(g);
            continue;
        }
        if (found != bit) { /* it may be out, or beyond the window */
            bit = RI_MIN(found, RI_FLASH_WINDOW);
            continue;
        }
        RI_ASSERT(found < RI_FLASH_WINDOW && !(g->acked >> found & 1));
        g->out |= (uint32_t)1 << found;
        g->due_ms[found] = now_ms + RI_MIN(wait_ms, INT32_MAX);
        if (g->tries[found] < UINT8_MAX) g->tries[found]++;
        out->tries = g->tries[found];
        return RILL_OK;
    }
    return RILL_EAGAIN;
}

/* All up to `floor` is settled, and of what is behind it `acked`: when flash says so. */
static int flash_group_commit(ri_flash *f, uint32_t group, uint32_t floor, uint32_t acked)
{
    ri_flash_group *g = &f->groups[group];
    uint32_t by = flash_group_settled(acked);
    floor += by;
    acked = by < RI_FLASH_WINDOW ? acked >> by : 0;
    RI_ASSERT(floor >= g->floor && floor <= f->streams[g->stream].last && !(acked & 1));
    int rc = ri_flash_group_write(f, group, g->stream, floor, acked, NULL);
    if (rc < 0) return rc;
    flash_group_raise(g, floor);
    g->acked = acked;
    g->out &= ~acked;
    return f->streams[g->stream].limits.flags & RI_FLASH_WORK
               ? ri_flash_stream_settle(f, g->stream) : RILL_OK;
}

int ri_flash_group_ack(ri_flash *f, uint32_t group, uint32_t seq)
{
    ri_flash_group *g = flash_group_of(f, group);
    if (!g) return RILL_ENOENT;
    RI_ASSERT(ri_flash_is_sound(f));
    if (ri_flash_group_has(g, seq)) return RILL_OK;
    if (seq - g->floor - 1 >= RI_FLASH_WINDOW || seq > f->streams[g->stream].last)
        return ri_err(RILL_EINVAL, "%u was not delivered to %s", (unsigned)seq, g->name);
    return flash_group_commit(f, group, g->floor, g->acked | (uint32_t)1 << (seq - g->floor - 1));
}

int ri_flash_group_ack_all(ri_flash *f, uint32_t group, uint32_t seq)
{
    ri_flash_group *g = flash_group_of(f, group);
    if (!g) return RILL_ENOENT;
    if (seq <= g->floor) return RILL_OK;
    if (seq > f->streams[g->stream].last)
        return ri_err(RILL_EINVAL, "%u was not delivered to %s", (unsigned)seq, g->name);
    uint32_t by = seq - g->floor;
    return flash_group_commit(f, group, seq, by < RI_FLASH_WINDOW ? g->acked >> by : 0);
}

uint32_t ri_flash_group_due(const ri_flash *f, uint32_t group, int64_t now_ns)
{
    const ri_flash_group *g = flash_group_of(f, group);
    uint32_t due = UINT32_MAX, now_ms = flash_group_ms(now_ns);
    for (uint32_t i = 0; g && i < RI_FLASH_WINDOW; i++)
        if (g->out >> i & 1)
            due = RI_MIN(due, flash_group_is_out(g, i, now_ms) ? g->due_ms[i] - now_ms : 0);
    return due;
}

int ri_flash_group_nak(ri_flash *f, uint32_t group, uint32_t seq, int64_t now_ns, uint32_t wait_ms)
{
    ri_flash_group *g = flash_group_of(f, group);
    if (!g) return RILL_ENOENT;
    uint32_t bit = seq - g->floor - 1;
    if (seq <= g->floor || bit >= RI_FLASH_WINDOW || !(g->out >> bit & 1))
        return ri_err(RILL_EINVAL, "%u is not out to %s", (unsigned)seq, g->name);
    g->due_ms[bit] = flash_group_ms(now_ns) + RI_MIN(wait_ms, INT32_MAX);
    return RILL_OK;
}

#endif
