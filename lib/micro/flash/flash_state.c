/* SPDX-License-Identifier: Apache-2.0 */
/* The records that say what streams and groups there are, one by one or all of them.
 *
 *   STATE    0 streams u8, 1 groups u8, 2 bad blocks u16, then of each
 *     stream    0 flags u8, 1 bytes of the name u8, 2 max_msgs u32, 6 max_bytes u32, 10 first u32,
 *              14 last u32, 18 bytes u32, 22 the name. One that is deleted has no name, and `last`
 *     group     0 stream u8, 1 bytes of the name u8, 2 position u32, 6 behind it u32, 10 the name
 *     block     its number u16
 *            then, if any are taken, how many ids are known u16, and of each, the oldest first:
 *     id        0 its hash 8 bytes, 8 the number of its message u32, 12 stream u8
 *   STREAM   the name, then max_msgs u32, max_bytes u32
 *   GROUP    the name */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

enum { FLASH_STATE_TOP = 4, FLASH_STATE_STREAM = 22, FLASH_STATE_GROUP = 10,
       FLASH_STATE_ID = RI_FLASH_ID + 5 };

uint32_t ri_flash_state_max(const ri_flash *f)
{
    return RI_FLASH_RECORD + FLASH_STATE_TOP +
           f->conf.max_streams * (FLASH_STATE_STREAM + RI_FLASH_TITLE) +
           f->conf.max_groups * (FLASH_STATE_GROUP + RI_FLASH_NAME) + RI_FLASH_BAD * 2 +
           (f->conf.max_ids ? 2 + f->conf.max_ids * FLASH_STATE_ID : 0);
}

/* Where the bytes go: first they are counted and summed, then written. */
typedef struct flash_state_out {
    ri_flash *f;
    uint32_t len, sum;
    bool writes;
    int rc;
} flash_state_out;

static void flash_state_add(flash_state_out *out, const void *bytes, uint32_t len)
{
    RI_ASSERT(out->rc <= 0);
    if (out->rc < 0) return;
    if (out->writes) out->rc = ri_flash_pen_put(out->f, bytes, len);
    else out->sum = ri_flash_sum(out->sum, bytes, len), out->len += len;
}

static void flash_state_add_stream(flash_state_out *out, const ri_flash_stream *s)
{
    uint8_t b[FLASH_STATE_STREAM] = {(uint8_t)s->limits.flags, s->name_len};
    ri_flash_put32(b + 2, s->limits.max_msgs);
    ri_flash_put32(b + 6, s->limits.max_bytes);
    ri_flash_put32(b + 10, s->first);
    ri_flash_put32(b + 14, s->last);
    ri_flash_put32(b + 18, s->sum);
    flash_state_add(out, b, sizeof b);
    flash_state_add(out, s->name, s->name_len);
}

static void flash_state_add_group(flash_state_out *out, const ri_flash_group *g)
{
    uint8_t b[FLASH_STATE_GROUP] = {g->stream, g->name_len};
    ri_flash_put32(b + 2, g->floor);
    ri_flash_put32(b + 6, g->acked);
    flash_state_add(out, b, sizeof b);
    flash_state_add(out, g->name, g->name_len);
}

static void flash_state_add_ids(flash_state_out *out)
{
    const ri_flash *f = out->f;
    uint8_t b[FLASH_STATE_ID];
    uint32_t known = 0;
    for (uint32_t i = 0; i < f->conf.max_ids; i++) known += f->ids[i].seq != 0;
    ri_flash_put16(b, known);
    if (f->conf.max_ids > 0) flash_state_add(out, b, 2);
    for (uint32_t i = 0; i < f->conf.max_ids; i++) {
        const ri_flash_known *id = ri_flash_ids_at(f, i);
        if (id->seq == 0) continue;
        memcpy(b, id->hash, RI_FLASH_ID);
        ri_flash_put32(b + RI_FLASH_ID, id->seq);
        b[RI_FLASH_ID + 4] = id->stream;
        flash_state_add(out, b, sizeof b);
    }
}

static void flash_state_add_all(flash_state_out *out)
{
    const ri_flash *f = out->f;
    uint8_t b[FLASH_STATE_TOP] = {f->conf.max_streams, f->conf.max_groups};
    ri_flash_put16(b + 2, f->nbad);
    flash_state_add(out, b, sizeof b);
    for (uint32_t i = 0; i < f->conf.max_streams; i++) flash_state_add_stream(out, &f->streams[i]);
    for (uint32_t i = 0; i < f->conf.max_groups; i++) flash_state_add_group(out, &f->groups[i]);
    for (uint32_t i = 0; i < f->nbad; i++) {
        ri_flash_put16(b, f->bad[i]);
        flash_state_add(out, b, 2);
    }
    flash_state_add_ids(out);
}

int ri_flash_state_put(ri_flash *f, ri_flash_record *r)
{
    flash_state_out out = {.f = f};
    RI_ASSERT(f->pos == 2 * f->chunk && r->kind == RI_FLASH_KIND_STATE);
    uint8_t head[RI_FLASH_RECORD];
    flash_state_add_all(&out);
    r->len = (uint16_t)(RI_FLASH_RECORD + out.len);
    RI_ASSERT(r->len <= ri_flash_state_max(f));
    r->sum = out.sum;
    r->at = ri_flash_at(f, f->head, f->pos);
    ri_flash_put_record(head, ri_flash_seed(f->conf.log_id, f->head_seq, f->pos), r);
    ri_flash_pen_at(f, r->at);
    out.writes = true;
    flash_state_add(&out, head, sizeof head);
    flash_state_add_all(&out);
    if (out.rc == RILL_OK) out.rc = ri_flash_pen_end(f);
    f->pos += ri_flash_round(f, r->len);
    return out.rc;
}

/* Where they come from: a record, whose sum is known to hold. */
typedef struct flash_state_in {
    ri_flash *f;
    uint32_t at, left;
    int rc;
} flash_state_in;

static bool flash_state_take(flash_state_in *in, void *out, uint32_t len)
{
    if (in->rc == RILL_OK && len > in->left)
        in->rc = ri_err(RILL_ECORRUPT, "the state on flash is cut");
    if (in->rc == RILL_OK && len > 0) in->rc = ri_flash_read(in->f, in->at, out, len);
    in->at += len;
    in->left -= RI_MIN(len, in->left);
    return in->rc == RILL_OK;
}

static bool flash_state_take_name(flash_state_in *in, char *name, uint8_t *name_len, uint8_t len,
                                  uint8_t most)
{
    if (len > most) in->rc = ri_err(RILL_ECORRUPT, "a name on flash is too long");
    if (in->rc < 0 || !flash_state_take(in, name, len)) return false;
    *name_len = len;
    name[len] = 0;
    return true;
}

static bool flash_state_take_stream(flash_state_in *in, ri_flash_stream *s)
{
    uint8_t b[FLASH_STATE_STREAM];
    if (!flash_state_take(in, b, sizeof b)) return false;
    memset(s, 0, sizeof *s);
    s->limits = (ri_flash_limits){b[0], ri_flash_get32(b + 2), ri_flash_get32(b + 6)};
    s->first = ri_flash_get32(b + 10);
    s->last = ri_flash_get32(b + 14);
    s->sum = s->limits.flags & RI_FLASH_BUCKET ? 0 : ri_flash_get32(b + 18);
    if (s->last == UINT32_MAX || s->first > s->last + 1)
        in->rc = ri_err(RILL_ECORRUPT, "the numbers of a stream on flash are not sound");
    return flash_state_take_name(in, s->name, &s->name_len, b[1], RI_FLASH_TITLE);
}

/* What a group has settled, in order or not, was in its stream, also where the record of it is
 * damaged: its number is given to no other message. False: there is no such number. */
static bool flash_state_keep_settled(ri_flash *f, const ri_flash_group *g)
{
    ri_flash_stream *s = &f->streams[g->stream];
    uint32_t n = RI_FLASH_WINDOW;
    while (n > 0 && !(g->acked >> (n - 1) & 1)) n--;
    if (g->floor >= UINT32_MAX - n) return false;
    s->last = RI_MAX(s->last, g->floor + n);
    return true;
}

static bool flash_state_take_group(flash_state_in *in, ri_flash_group *g)
{
    uint8_t b[FLASH_STATE_GROUP];
    if (!flash_state_take(in, b, sizeof b)) return false;
    memset(g, 0, sizeof *g);
    g->stream = b[0];
    g->floor = ri_flash_get32(b + 2);
    g->acked = ri_flash_get32(b + 6);
    if (b[1] > 0 && (g->stream >= in->f->conf.max_streams ||
                     g->floor > in->f->streams[g->stream].last ||
                     !flash_state_keep_settled(in->f, g)))
        in->rc = ri_err(RILL_ECORRUPT, "a group on flash is not sound");
    return flash_state_take_name(in, g->name, &g->name_len, b[1], RI_FLASH_NAME);
}

static int flash_state_take_ids(flash_state_in *in)
{
    ri_flash *f = in->f;
    uint8_t b[FLASH_STATE_ID];
    if (f->conf.max_ids == 0) return RILL_OK;
    if (!flash_state_take(in, b, 2)) return in->rc;
    uint32_t known = ri_flash_get16(b);
    if (known > f->conf.max_ids) return ri_err(RILL_ECORRUPT, "the flash has too many ids");
    memset(f->ids, 0, f->conf.max_ids * sizeof *f->ids);
    for (f->ids_next = 0; known > 0; known--) {
        if (!flash_state_take(in, b, sizeof b)) return in->rc;
        uint32_t seq = ri_flash_get32(b + RI_FLASH_ID), stream = b[RI_FLASH_ID + 4];
        if (seq == 0 || stream >= f->conf.max_streams)
            return ri_err(RILL_ECORRUPT, "an id on flash is not sound");
        ri_flash_ids_add(f, stream, seq, b);
    }
    return RILL_OK;
}

int ri_flash_state_get(ri_flash *f, const ri_flash_record *r)
{
    flash_state_in in = {f, r->at + RI_FLASH_RECORD, r->len - RI_FLASH_RECORD, RILL_OK};
    uint8_t b[FLASH_STATE_TOP];
    if (!flash_state_take(&in, b, sizeof b)) return in.rc;
    uint32_t nbad = ri_flash_get16(b + 2);
    if (b[0] != f->conf.max_streams || b[1] != f->conf.max_groups || nbad > RI_FLASH_BAD)
        return ri_err(RILL_ECORRUPT, "the state on flash is not of this store");
    for (uint32_t i = 0; i < f->conf.max_streams; i++)
        if (!flash_state_take_stream(&in, &f->streams[i])) return in.rc;
    for (uint32_t i = 0; i < f->conf.max_groups; i++)
        if (!flash_state_take_group(&in, &f->groups[i])) return in.rc;
    for (f->nbad = 0; f->nbad < nbad; f->nbad++) {
        if (!flash_state_take(&in, b, 2)) return in.rc;
        f->bad[f->nbad] = (uint16_t)ri_flash_get16(b);
        if (f->bad[f->nbad] >= f->dev->blocks)
            return ri_err(RILL_ECORRUPT, "a bad block on flash is none");
    }
    return flash_state_take_ids(&in);
}

static int flash_state_apply_stream(ri_flash *f, const ri_flash_record *r)
{
    ri_flash_stream *s = &f->streams[r->stream];
    flash_state_in in = {f, r->at + RI_FLASH_RECORD, r->len - RI_FLASH_RECORD, RILL_OK};
    uint8_t b[8] = {0};
    uint32_t was_bucket = s->limits.flags & RI_FLASH_BUCKET;
    if (!flash_state_take_name(&in, s->name, &s->name_len, r->subject, RI_FLASH_TITLE) ||
        !flash_state_take(&in, b, sizeof b))
        return in.rc;
    s->limits = (ri_flash_limits){r->mark, ri_flash_get32(b), ri_flash_get32(b + 4)};
    s->first = RI_MIN(r->seq, UINT32_MAX - 1);
    if (s->last + 1 < s->first) s->last = s->first - 1; /* it was there, and is damaged */
    int rc = was_bucket ? ri_flash_keys_drop(f, r->stream, s->first) : RILL_OK;
    if (was_bucket != (r->mark & RI_FLASH_BUCKET)) s->sum = 0;
    if (s->name_len == 0) {
        ri_flash_groups_drop(f, r->stream);
        ri_flash_ids_drop(f, r->stream);
    }
    return rc;
}

static int flash_state_apply_group(ri_flash *f, const ri_flash_record *r)
{
    if (r->mark >= f->conf.max_groups) return RILL_OK;
    ri_flash_group *g = &f->groups[r->mark];
    flash_state_in in = {f, r->at + RI_FLASH_RECORD, r->len - RI_FLASH_RECORD, RILL_OK};
    g->stream = r->stream;
    g->floor = RI_MIN(r->seq, UINT32_MAX - 1 - RI_FLASH_WINDOW);
    g->acked = (uint32_t)(uint64_t)r->time;
    (void)flash_state_keep_settled(f, g); /* below that bound there always is */
    if (r->flags & RI_FLASH_POSITION) return RILL_OK;
    flash_state_take_name(&in, g->name, &g->name_len, r->subject, RI_FLASH_NAME);
    return in.rc;
}

int ri_flash_state_apply(ri_flash *f, const ri_flash_record *r)
{
    RI_ASSERT(r->kind == RI_FLASH_KIND_STREAM || r->kind == RI_FLASH_KIND_GROUP);
    int rc = ri_flash_record_holds(f, r);
    if (rc == RILL_ECORRUPT) f->stats.damaged++;
    if (rc < 0) return rc == RILL_ECORRUPT ? RILL_OK : rc;
    return r->kind == RI_FLASH_KIND_STREAM ? flash_state_apply_stream(f, r)
                                           : flash_state_apply_group(f, r);
}

int ri_flash_stream_write(ri_flash *f, uint32_t stream, const ri_flash_stream *as)
{
    uint8_t b[8];
    RI_ASSERT(stream < f->conf.max_streams && as->name_len <= RI_FLASH_TITLE);
    ri_flash_record r = {.kind = RI_FLASH_KIND_STREAM, .stream = (uint8_t)stream, .seq = as->first,
                         .mark = as->limits.flags, .subject = as->name_len};
    ri_flash_part parts[2] = {{as->name, as->name_len}, {b, sizeof b}};
    ri_flash_put32(b, as->limits.max_msgs);
    ri_flash_put32(b + 4, as->limits.max_bytes);
    return ri_flash_write(f, &r, parts, 2);
}

int ri_flash_group_write(ri_flash *f, uint32_t group, uint8_t stream, uint32_t floor,
                         uint32_t acked, const ri_str *name)
{
    ri_flash_record r = {.kind = RI_FLASH_KIND_GROUP, .stream = stream, .seq = floor,
                         .mark = group, .time = acked};
    ri_flash_part part = {name ? name->ptr : NULL, name ? (uint32_t)name->len : 0};
    RI_ASSERT(group < f->conf.max_groups && stream < f->conf.max_streams);
    if (!name) r.flags = RI_FLASH_POSITION;
    r.subject = (uint8_t)part.len;
    return ri_flash_write(f, &r, &part, name ? 1 : 0);
}

#endif
