/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: what lives of one is all from `first` on, less what its work group has settled. `first`
 * follows from the limits, from what was purged, and, of a stream of work, from the group; it is
 * found again when mounting, so a message that makes room for another costs no record. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

ri_flash_stream *ri_flash_stream_of(const ri_flash *f, uint32_t stream)
{
    RI_CHECK(f, RI_FLASH_MAGIC);
    if (stream < f->conf.max_streams && f->streams[stream].name_len > 0)
        return &f->streams[stream];
    ri_err(RILL_ENOENT, "no stream %u on flash", (unsigned)stream);
    return NULL;
}

static uint32_t flash_stream_bytes(const ri_flash_stream *s)
{
    return s->sum - s->first_sum;
}

static uint32_t flash_stream_msgs(const ri_flash *f, uint32_t stream)
{
    const ri_flash_stream *s = &f->streams[stream];
    if (s->limits.flags & RI_FLASH_BUCKET) return s->keys;
    uint32_t n = s->last + 1 - s->first;
    const ri_flash_group *g = ri_flash_group_of_work(f, stream);
    for (uint32_t i = 0; g && i < RI_FLASH_WINDOW; i++)
        n -= (g->acked >> i & 1) && g->floor + 1 + i >= s->first;
    return n;
}

bool ri_flash_lives(const ri_flash *f, const ri_flash_record *r)
{
    RI_ASSERT(r->kind == RI_FLASH_KIND_MESSAGE);
    if (r->at == f->broken) return false;
    const ri_flash_stream *s = &f->streams[r->stream];
    if (s->name_len == 0 || r->seq < s->first || r->seq > s->last) return false;
    if (s->limits.flags & RI_FLASH_BUCKET) return ri_flash_key_at(f, r) != NULL;
    const ri_flash_group *g = ri_flash_group_of_work(f, r->stream);
    return !g || !ri_flash_group_has(g, r->seq);
}

/* ---- Finding ---- */

/* It may stand behind the one at `at`, which has the number before it, or be that one. */
static bool flash_stream_hint(ri_flash *f, uint32_t stream, uint32_t at, uint32_t seq,
                              ri_flash_record *r)
{
    ri_flash_scan scan;
    if (!at) return false;
    RI_ASSERT(f->blocks[at / f->dev->block_bytes].seq != 0); /* ri_flash_forget_block() */
    ri_flash_scan_start(f, &scan, at / f->dev->block_bytes);
    scan.off = at % f->dev->block_bytes;
    while (ri_flash_scan_next(&scan, r)) {
        if (r->kind != RI_FLASH_KIND_MESSAGE || r->stream != stream) continue;
        if (r->seq == seq) return ri_flash_lives(f, r);
        if (r->seq > seq || r->seq + 1 < seq) return false;
    }
    return false;
}

/* The first of the stream from `seq` on in this block, if it is before `best`, which it becomes. */
static int flash_stream_look(ri_flash *f, uint32_t block, uint32_t stream, uint32_t seq,
                             ri_flash_record *best)
{
    ri_flash_scan scan;
    ri_flash_record r;
    ri_flash_scan_start(f, &scan, block);
    while (ri_flash_scan_next(&scan, &r)) {
        if (r.kind != RI_FLASH_KIND_MESSAGE || r.stream != stream || r.seq < seq) continue;
        if ((best->at && r.seq >= best->seq) || !ri_flash_lives(f, &r)) continue;
        *best = r;
        if (r.seq == seq) break;
    }
    return scan.err;
}

/* RILL_ENOENT without a sentence: none. */
int ri_flash_find(ri_flash *f, uint32_t stream, uint32_t seq, ri_flash_record *r)
{
    const ri_flash_stream *s = &f->streams[stream];
    RI_ASSERT(s->name_len > 0 && !(s->limits.flags & RI_FLASH_BUCKET));
    if (seq < s->first) seq = s->first;
    r->at = 0;
    if (seq > s->last) return RILL_ENOENT;
    if (!flash_stream_hint(f, stream, s->hint_at, seq, r) &&
        !flash_stream_hint(f, stream, s->first_at, seq, r)) {
        r->at = 0;
        for (uint32_t i = 0; i < f->dev->blocks; i++) {
            const ri_flash_range *range = ri_flash_range_of(f, i, stream);
            if (f->blocks[i].seq == 0 || range->max < seq || (r->at && range->min >= r->seq))
                continue;
            int rc = flash_stream_look(f, i, stream, seq, r);
            if (rc < 0) return rc;
            if (r->at && r->seq == seq) break;
        }
    }
    return r->at ? RILL_OK : RILL_ENOENT;
}

void ri_flash_forget_block(ri_flash *f, uint32_t block)
{
    for (uint32_t i = 0; i < f->conf.max_streams; i++) {
        ri_flash_stream *s = &f->streams[i];
        if (s->hint_at / f->dev->block_bytes == block) s->hint_at = 0;
        if (s->first_at / f->dev->block_bytes == block) s->first_at = 0;
    }
}

/* ---- The first that lives ---- */

int ri_flash_stream_settle(ri_flash *f, uint32_t stream)
{
    ri_flash_stream *s = &f->streams[stream];
    ri_flash_record r;
    if (s->name_len == 0 || s->limits.flags & RI_FLASH_BUCKET) return RILL_OK;
    const ri_flash_group *g = ri_flash_group_of_work(f, stream);
    if (g && s->first <= g->floor) s->first = g->floor + 1;
    if (s->first == 0) s->first = 1;
    int rc = ri_flash_find(f, stream, s->first, &r);
    if (rc < 0 && rc != RILL_ENOENT) return rc;
    RI_ASSERT(rc < 0 || r.seq >= s->first);
    s->first = rc < 0 ? s->last + 1 : r.seq;
    s->first_sum = rc < 0 ? s->sum : r.mark;
    s->first_at = rc < 0 ? 0 : r.at;
    return RILL_OK;
}

static bool flash_stream_over(const ri_flash *f, uint32_t stream, uint32_t msgs, uint32_t bytes)
{
    const ri_flash_stream *s = &f->streams[stream];
    if (s->last < s->first) return false;
    return (s->limits.max_msgs && flash_stream_msgs(f, stream) + msgs > s->limits.max_msgs) ||
           flash_stream_bytes(s) + bytes > s->limits.max_bytes;
}

int ri_flash_stream_trim(ri_flash *f, uint32_t stream)
{
    int rc = RILL_OK;
    if (f->streams[stream].limits.flags & (RI_FLASH_BUCKET | RI_FLASH_REJECT)) return rc;
    while (rc == RILL_OK && flash_stream_over(f, stream, 0, 0)) {
        f->streams[stream].first++;
        rc = ri_flash_stream_settle(f, stream);
    }
    return rc;
}

/* ---- Making and removing ---- */

int ri_flash_stream_find(const ri_flash *f, ri_str name)
{
    RI_CHECK(f, RI_FLASH_MAGIC);
    for (uint32_t i = 0; i < f->conf.max_streams; i++)
        if (f->streams[i].name_len > 0 &&
            ri_str_eq(ri_flash_name(f->streams[i].name, f->streams[i].name_len), name))
            return (int)i;
    return RILL_ENOENT;
}

/* Not beyond what a uint32_t holds: what is on flash is not ours to believe. */
static uint32_t flash_stream_more(uint32_t a, uint32_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + b;
}

static uint32_t flash_stream_kept(const ri_flash *f, uint32_t but)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->conf.max_streams; i++)
        if (i != but && f->streams[i].name_len > 0)
            kept = flash_stream_more(kept, f->streams[i].limits.max_bytes);
    return kept;
}

static int flash_stream_free(const ri_flash *f)
{
    for (uint32_t i = 0; i < f->conf.max_streams; i++)
        if (f->streams[i].name_len == 0) return (int)i;
    return ri_err(RILL_EFULL, "the flash was formatted for %u streams", f->conf.max_streams);
}

static int flash_stream_bytes_for(const ri_flash *f, uint32_t stream, ri_flash_limits *limits)
{
    uint32_t kept = flash_stream_kept(f, stream), capacity = ri_flash_capacity(f);
    uint32_t left = capacity > kept ? capacity - kept : 0;
    if (limits->max_bytes == 0) limits->max_bytes = left;
    if (limits->max_bytes > left || left == 0)
        return ri_err(RILL_EFULL, "%u bytes of flash are asked for; %u are not kept for others",
                      (unsigned)limits->max_bytes, (unsigned)left);
    if (limits->max_bytes < ri_flash_round(f, f->conf.max_record))
        return ri_err(RILL_EINVAL, "max_bytes of a stream on flash is less than one record");
    return RILL_OK;
}

int ri_flash_stream_ensure(ri_flash *f, ri_str name, const ri_flash_limits *limits)
{
    RI_ASSERT(ri_flash_is_sound(f));
    int found = ri_flash_stream_find(f, name);
    if (name.len == 0 || name.len > RI_FLASH_TITLE)
        return ri_err(RILL_EINVAL, "the name of a stream on flash has 1 to %d bytes",
                      RI_FLASH_TITLE);
    int stream = found >= 0 ? found : flash_stream_free(f);
    if (stream < 0) return stream;
    ri_flash_stream *s = &f->streams[stream], as = *s;
    if (found >= 0 && s->limits.flags != limits->flags)
        return ri_err(RILL_EEXIST, "the stream %.*s is on flash with other rules", RI_ARG(name));
    as.limits = *limits;
    if (found >= 0 && limits->max_bytes == 0) as.limits.max_bytes = s->limits.max_bytes;
    if (found < 0) {
        memcpy(as.name, name.ptr, name.len);
        as.name[name.len] = 0;
        as.name_len = (uint8_t)name.len;
        as.first = as.last + 1;
        as.sum = as.first_sum = as.keys = as.hint_at = as.first_at = 0;
    } else if (memcmp(&as.limits, &s->limits, sizeof as.limits) == 0) {
        return stream;
    }
    int rc = flash_stream_bytes_for(f, (uint32_t)stream, &as.limits);
    if (rc == RILL_OK) rc = ri_flash_stream_write(f, (uint32_t)stream, &as);
    if (rc < 0) return rc;
    if (found >= 0) s->limits = as.limits;
    else *s = as;
    rc = ri_flash_stream_trim(f, (uint32_t)stream);
    return rc < 0 ? rc : stream;
}

/* All of the stream before `as->first` goes, when flash says so. */
static int flash_stream_cut(ri_flash *f, uint32_t stream, const ri_flash_stream *as)
{
    ri_flash_stream *s = &f->streams[stream];
    RI_ASSERT(as->first >= s->first && as->first <= s->last + 1);
    int rc = ri_flash_stream_write(f, stream, as);
    if (rc < 0) return rc;
    s->first = as->first;
    s->name_len = as->name_len;
    if (s->name_len == 0) {
        ri_flash_groups_drop(f, stream);
        ri_flash_ids_drop(f, stream);
    }
    return s->limits.flags & RI_FLASH_BUCKET ? ri_flash_keys_drop(f, stream, s->first)
                                             : ri_flash_stream_settle(f, stream);
}

int ri_flash_stream_delete(ri_flash *f, uint32_t stream)
{
    const ri_flash_stream *s = ri_flash_stream_of(f, stream);
    if (!s) return RILL_ENOENT;
    ri_flash_stream as = *s;
    as.first = as.last + 1;
    as.name_len = 0;
    return flash_stream_cut(f, stream, &as);
}

int ri_flash_stream_purge(ri_flash *f, uint32_t stream, uint32_t first)
{
    const ri_flash_stream *s = ri_flash_stream_of(f, stream);
    if (!s) return RILL_ENOENT;
    ri_flash_stream as = *s;
    if (first <= as.first) return RILL_OK;
    as.first = first > as.last ? as.last + 1 : first;
    return flash_stream_cut(f, stream, &as);
}

int ri_flash_stream_about(const ri_flash *f, uint32_t stream, ri_flash_stream_info *out)
{
    const ri_flash_stream *s = ri_flash_stream_of(f, stream);
    if (!s) return RILL_ENOENT;
    *out = (ri_flash_stream_info){
        .name = ri_flash_name(s->name, s->name_len), .limits = s->limits,
        .msgs = flash_stream_msgs(f, stream), .bytes = flash_stream_bytes(s),
        .first_seq = s->first, .last_seq = s->last,
    };
    return RILL_OK;
}

/* ---- Messages ---- */

static int flash_stream_check(const ri_flash *f, const ri_flash_stream *s, const ri_flash_msg *msg)
{
    size_t len = RI_FLASH_RECORD + msg->subject.len + (msg->id.len ? RI_FLASH_ID : 0);
    if (msg->id.len > 0 && f->conf.max_ids == 0)
        return ri_err(RILL_ENOTSUP, "the flash was formatted for no ids of messages");
    if (s->limits.flags & RI_FLASH_BUCKET)
        return ri_err(RILL_EINVAL, "%s is a bucket on flash", s->name);
    if (msg->subject.len > RI_FLASH_SUBJECT)
        return ri_err(RILL_ETOOBIG, "a subject on flash has at most %d bytes", RI_FLASH_SUBJECT);
    if (msg->headers.len > f->conf.max_record || msg->data.len > f->conf.max_record ||
        len + msg->headers.len + msg->data.len > f->conf.max_record)
        return ri_err(RILL_ETOOBIG, "a record on flash takes at most %u bytes",
                      (unsigned)f->conf.max_record);
    if (s->last >= UINT32_MAX - 1)
        return ri_err(RILL_EFULL, "the numbers of %s are used up", s->name);
    return RILL_OK;
}

int ri_flash_append(ri_flash *f, uint32_t stream, const ri_flash_msg *msg, uint32_t *seq)
{
    RI_ASSERT(ri_flash_is_sound(f));
    ri_flash_stream *s = ri_flash_stream_of(f, stream);
    uint8_t hash[RI_FLASH_ID];
    uint32_t known = 0, id = msg->id.len ? RI_FLASH_ID : 0;
    int rc = s ? flash_stream_check(f, s, msg) : RILL_ENOENT;
    if (rc < 0) return rc;
    if (id) ri_flash_ids_make(f, msg->id, hash);
    if (id && (known = ri_flash_ids_find(f, stream, hash)) != 0) {
        if (seq) *seq = known;
        return 1;
    }
    ri_flash_record r = {.kind = RI_FLASH_KIND_MESSAGE, .stream = (uint8_t)stream,
                         .seq = s->last + 1, .mark = s->sum, .time = msg->time_ns,
                         .headers = (uint16_t)msg->headers.len,
                         .subject = (uint8_t)msg->subject.len,
                         .flags = id ? RI_FLASH_HAS_ID : 0};
    ri_flash_part parts[4] = {{msg->subject.ptr, (uint32_t)msg->subject.len},
                              {msg->headers.ptr, (uint32_t)msg->headers.len},
                              {msg->data.ptr, (uint32_t)msg->data.len}, {hash, id}};
    uint32_t bytes = ri_flash_round(f, RI_FLASH_RECORD + parts[0].len + parts[1].len +
                                           parts[2].len + id);
    if (s->limits.flags & RI_FLASH_REJECT && flash_stream_over(f, stream, 1, bytes))
        return ri_err(RILL_EFULL, "%s has its %u messages or %u bytes", s->name,
                      (unsigned)s->limits.max_msgs, (unsigned)s->limits.max_bytes);
    rc = ri_flash_write(f, &r, parts, 4);
    if (rc < 0) return rc;
    s->last++;
    s->sum += bytes;
    if (id) ri_flash_ids_add(f, stream, r.seq, hash);
    RI_ASSERT(s->last == r.seq);
    ri_flash_seen(f, &r);
    if (seq) *seq = r.seq;
    return ri_flash_stream_trim(f, stream);
}

int ri_flash_next(ri_flash *f, uint32_t stream, uint32_t seq, void *buf, size_t cap,
                  ri_flash_msg *out)
{
    RI_ASSERT(ri_flash_is_sound(f));
    ri_flash_stream *s = ri_flash_stream_of(f, stream);
    ri_flash_record r;
    uint32_t broken = 0;
    if (!s) return RILL_ENOENT;
    if (s->limits.flags & RI_FLASH_BUCKET)
        return ri_flash_key_after(f, stream, seq > 0 ? seq - 1 : 0, buf, cap, out);
    for (f->broken = 0;;) {
        int rc = ri_flash_find(f, stream, seq, &r);
        if (rc == RILL_ENOENT) ri_err(rc, "%s has nothing from %u on", s->name, (unsigned)seq);
        if (rc == RILL_OK) rc = ri_flash_record_load(f, &r, buf, cap, out);
        if (rc == RILL_OK) s->hint_at = r.at;
        if (rc != RILL_ECORRUPT) {
            f->broken = 0;
            return rc;
        }
        f->stats.damaged++;
        seq = r.seq == broken ? r.seq + 1 : r.seq; /* there may be another one of it */
        broken = r.seq;
        f->broken = r.at;
    }
}

#endif
