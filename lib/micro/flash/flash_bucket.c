/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets: of each key the newest record lives. The table of keys says where it is; it is searched
 * from its beginning to its end, since max_keys are few, and names are compared on flash. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

ri_flash_key *ri_flash_key_at(const ri_flash *f, const ri_flash_record *r)
{
    for (uint32_t i = 0; i < f->conf.max_keys; i++)
        if (f->keys[i].at == r->at) return &f->keys[i];
    return NULL;
}

void ri_flash_key_moved(ri_flash *f, const ri_flash_record *from, uint32_t to)
{
    ri_flash_key *key = ri_flash_key_at(f, from);
    RI_ASSERT(to != 0);
    if (key) key->at = to;
}

/* The entry is free; `len`: of its record. */
static void flash_bucket_drop(ri_flash *f, ri_flash_key *key, uint32_t len)
{
    ri_flash_stream *s = &f->streams[key->bucket];
    RI_ASSERT(key->at != 0 && (key->grave ? s->graves : s->keys) > 0);
    if (key->grave) s->graves--;
    else s->keys--;
    key->at = 0;
    key->grave = false;
    s->sum -= RI_MIN(s->sum, ri_flash_round(f, len));
}

void ri_flash_key_lost(ri_flash *f, const ri_flash_record *r)
{
    ri_flash_key *key = ri_flash_key_at(f, r);
    if (key) flash_bucket_drop(f, key, r->len);
}

/* Is the name of the key at `at` this one, or that of another record? */
static bool flash_bucket_same(ri_flash *f, uint32_t at, const char *name, uint32_t other,
                              uint32_t len)
{
    char a[RI_FLASH_RECORD], b[RI_FLASH_RECORD];
    RI_ASSERT(at != 0 && (name || other));
    for (uint32_t done = 0; done < len; done += sizeof a) {
        uint32_t n = RI_MIN(len - done, (uint32_t)sizeof a), off = RI_FLASH_RECORD + done;
        if (ri_flash_read(f, at + off, a, n) < 0 ||
            (!name && ri_flash_read(f, other + off, b, n) < 0) ||
            memcmp(a, name ? name + done : b, n) != 0)
            return false;
    }
    return true;
}

/* The key with this name, which is at `name` or that of the record at `other`, and its record. */
static ri_flash_key *flash_bucket_look(ri_flash *f, uint32_t bucket, uint32_t hash,
                                       const char *name, uint32_t other, uint32_t len,
                                       ri_flash_record *r)
{
    for (uint32_t i = 0; i < f->conf.max_keys; i++) {
        ri_flash_key *key = &f->keys[i];
        if (key->at && key->hash == hash && key->bucket == bucket && !key->grave &&
            ri_flash_record_at(f, key->at, r) && r->subject == len &&
            flash_bucket_same(f, key->at, name, other, len))
            return key;
    }
    return NULL;
}

static ri_flash_key *flash_bucket_free(const ri_flash *f)
{
    for (uint32_t i = 0; i < f->conf.max_keys; i++)
        if (f->keys[i].at == 0) return &f->keys[i];
    return NULL;
}

/* A deletion of this bucket, or RI_FLASH_NONE, that who watches has not read makes room. */
static ri_flash_key *flash_bucket_take_grave(ri_flash *f, uint32_t bucket)
{
    ri_flash_record r = {.len = 0};
    for (uint32_t i = 0; i < f->conf.max_keys; i++) {
        ri_flash_key *key = &f->keys[i];
        if (!key->at || !key->grave || (bucket != RI_FLASH_NONE && key->bucket != bucket))
            continue;
        ri_flash_stream *s = &f->streams[key->bucket];
        if (ri_flash_record_at(f, key->at, &r)) s->lost = RI_MAX(s->lost, r.seq);
        else s->lost = s->last;
        flash_bucket_drop(f, key, r.len);
        return key;
    }
    return NULL;
}

static bool flash_bucket_has_room(const ri_flash *f)
{
    for (uint32_t i = 0; i < f->conf.max_keys; i++)
        if (f->keys[i].at == 0 || f->keys[i].grave) return true;
    return false;
}

/* `r` is the newest of its key, whose entry is `key`, with `old` bytes; NULL: it has none yet. */
static bool flash_bucket_set(ri_flash *f, ri_flash_key *key, uint32_t old, const ri_flash_record *r)
{
    ri_flash_stream *s = &f->streams[r->stream];
    RI_ASSERT(s->limits.flags & RI_FLASH_BUCKET && r->kind == RI_FLASH_KIND_MESSAGE);
    bool grave = r->flags & RI_FLASH_TOMB;
    if (key) flash_bucket_drop(f, key, old);
    if (grave && (s->watched == 0 || r->seq < s->watched)) return true;
    if (!key) key = flash_bucket_free(f);
    if (!key) key = flash_bucket_take_grave(f, RI_FLASH_NONE);
    if (!key) return false;
    *key = (ri_flash_key){r->mark, r->at, r->stream, grave};
    if (grave) s->graves++;
    else s->keys++;
    s->sum += ri_flash_round(f, r->len);
    return true;
}

uint32_t ri_flash_watch(ri_flash *f, uint32_t bucket, uint32_t from)
{
    ri_flash_stream *s = &f->streams[bucket];
    ri_flash_record r;
    RI_ASSERT(bucket < f->conf.max_streams);
    s->watched = from;
    for (uint32_t i = 0; s->graves > 0 && i < f->conf.max_keys; i++) {
        ri_flash_key *key = &f->keys[i];
        if (!key->at || !key->grave || key->bucket != bucket) continue;
        if (ri_flash_record_at(f, key->at, &r) && (from == 0 || r.seq < from))
            flash_bucket_drop(f, key, r.len);
    }
    return s->lost;
}

int ri_flash_key_seen(ri_flash *f, const ri_flash_record *r)
{
    ri_flash_record old;
    int rc = ri_flash_record_holds(f, r); /* its name is compared, and kept */
    if (rc == RILL_ECORRUPT) f->stats.damaged++;
    if (rc < 0) return rc == RILL_ECORRUPT ? RILL_OK : rc;
    ri_flash_key *key = flash_bucket_look(f, r->stream, r->mark, NULL, r->at, r->subject, &old);
    if (key && old.seq > r->seq) return RILL_OK;
    if (flash_bucket_set(f, key, key ? old.len : 0, r)) return RILL_OK;
    return ri_err(RILL_ENOMEM, "the flash has more than %u keys", f->conf.max_keys);
}

int ri_flash_keys_drop(ri_flash *f, uint32_t bucket, uint32_t first)
{
    ri_flash_record r;
    for (uint32_t i = 0; i < f->conf.max_keys; i++) {
        ri_flash_key *key = &f->keys[i];
        if (key->at && key->bucket == bucket && ri_flash_record_at(f, key->at, &r) &&
            r.seq < first)
            flash_bucket_drop(f, key, r.len);
    }
    return RILL_OK;
}

static ri_flash_stream *flash_bucket_of(const ri_flash *f, uint32_t bucket)
{
    ri_flash_stream *s = ri_flash_stream_of(f, bucket);
    if (!s || s->limits.flags & RI_FLASH_BUCKET) return s;
    ri_err(RILL_ENOENT, "%s on flash is no bucket", s->name);
    return NULL;
}

static uint32_t flash_bucket_hash(const ri_flash *f, ri_str key)
{
    uint8_t id[4];
    ri_flash_put32(id, f->conf.log_id);
    return ri_flash_sum(ri_flash_sum(0, id, sizeof id), key.ptr, key.len);
}

static int flash_bucket_check(const ri_flash *f, const ri_flash_stream *s, const ri_flash_msg *msg)
{
    if (msg->subject.len == 0 || msg->subject.len > RI_FLASH_SUBJECT)
        return ri_err(RILL_EINVAL, "a key on flash has 1 to %d bytes", RI_FLASH_SUBJECT);
    if (msg->data.len > f->conf.max_record || msg->headers.len > f->conf.max_record ||
        RI_FLASH_RECORD + msg->subject.len + msg->headers.len + msg->data.len >
            f->conf.max_record)
        return ri_err(RILL_ETOOBIG, "a record on flash takes at most %u bytes",
                      (unsigned)f->conf.max_record);
    if (s->last >= UINT32_MAX - 1)
        return ri_err(RILL_EFULL, "the revisions of %s are used up", s->name);
    return RILL_OK;
}

static int flash_bucket_expected(uint32_t expect, uint32_t revision)
{
    if (expect == RI_FLASH_ANY || expect == revision) return RILL_OK;
    return ri_err(RILL_ECONFLICT, "the revision is %u, not %u", (unsigned)revision,
                  (unsigned)expect);
}

/* Is there room for one of `len` bytes in place of one of `old`, or of none? */
static int flash_bucket_room(ri_flash *f, const ri_flash_stream *s, bool is_new, uint32_t len,
                             uint32_t old)
{
    uint32_t more = ri_flash_round(f, len) - ri_flash_round(f, old);
    bool full = s->limits.max_msgs && s->keys >= s->limits.max_msgs;
    if (is_new && (full || !flash_bucket_has_room(f)))
        return ri_err(RILL_EFULL, "%s has %u keys: as many as it may, or as there is memory for",
                      s->name, (unsigned)s->keys);
    while (s->graves > 0 && s->sum + more > s->limits.max_bytes)
        (void)flash_bucket_take_grave(f, (uint32_t)(s - f->streams));
    if (s->sum + more > s->limits.max_bytes)
        return ri_err(RILL_EFULL, "%s has its %u bytes", s->name, (unsigned)s->limits.max_bytes);
    return RILL_OK;
}

/* The key with this name, its revision and how long its record is; NULL: 0 and 0. */
RI_APART static ri_flash_key *flash_bucket_now(ri_flash *f, uint32_t bucket, uint32_t hash,
                                               ri_str name, uint32_t *seq, uint32_t *len)
{
    ri_flash_record r;
    ri_flash_key *key = flash_bucket_look(f, bucket, hash, name.ptr, 0, (uint32_t)name.len, &r);
    *seq = key ? r.seq : 0;
    *len = key ? r.len : 0;
    return key;
}

static int flash_bucket_write(ri_flash *f, uint32_t bucket, const ri_flash_msg *msg, uint8_t flags,
                              uint32_t expect)
{
    ri_flash_stream *s = flash_bucket_of(f, bucket);
    uint32_t old_seq = 0, old_len = 0;
    RI_ASSERT(ri_flash_is_sound(f));
    int rc = s ? flash_bucket_check(f, s, msg) : RILL_ENOENT;
    if (rc < 0) return rc;
    bool tomb = flags & RI_FLASH_TOMB; /* it has a name, and no more */
    ri_flash_part parts[3] = {{msg->subject.ptr, (uint32_t)msg->subject.len},
                              {msg->headers.ptr, tomb ? 0 : (uint32_t)msg->headers.len},
                              {msg->data.ptr, tomb ? 0 : (uint32_t)msg->data.len}};
    ri_flash_record r = {.kind = RI_FLASH_KIND_MESSAGE, .stream = (uint8_t)bucket, .flags = flags,
                         .seq = s->last + 1, .mark = flash_bucket_hash(f, msg->subject),
                         .time = msg->time_ns, .headers = (uint16_t)parts[1].len,
                         .subject = (uint8_t)msg->subject.len};
    ri_flash_key *key = flash_bucket_now(f, bucket, r.mark, msg->subject, &old_seq, &old_len);
    rc = flash_bucket_expected(expect, old_seq);
    if (rc == RILL_OK && tomb && !key)
        rc = ri_err(RILL_ENOENT, "no key %.*s on flash", RI_ARG(msg->subject));
    if (rc == RILL_OK && !tomb)
        rc = flash_bucket_room(f, s, !key, RI_FLASH_RECORD + parts[0].len + parts[1].len +
                                               parts[2].len, old_len);
    if (rc == RILL_OK) rc = ri_flash_write(f, &r, parts, 3);
    if (rc < 0) return rc;
    s->last++;
    /* What was collected for its room may have moved or lost the old one, but not the entry. */
    if (key && key->at == 0) key = NULL;
    bool set = flash_bucket_set(f, key, key ? old_len : 0, &r);
    RI_ASSERT(set);
    return set ? RILL_OK : RILL_EBUG;
}

int ri_flash_put(ri_flash *f, uint32_t bucket, const ri_flash_msg *msg, uint32_t expect,
                 uint32_t *revision)
{
    int rc = flash_bucket_write(f, bucket, msg, 0, expect);
    if (rc == RILL_OK && revision) *revision = f->streams[bucket].last;
    return rc;
}

int ri_flash_delete(ri_flash *f, uint32_t bucket, const ri_flash_msg *msg, uint32_t expect)
{
    return flash_bucket_write(f, bucket, msg, RI_FLASH_TOMB, expect);
}

int ri_flash_get(ri_flash *f, uint32_t bucket, ri_str key, void *buf, size_t cap, ri_flash_msg *out)
{
    ri_flash_record r;
    RI_ASSERT(ri_flash_is_sound(f));
    if (!flash_bucket_of(f, bucket)) return RILL_ENOENT;
    if (key.len == 0 || key.len > RI_FLASH_SUBJECT ||
        !flash_bucket_look(f, bucket, flash_bucket_hash(f, key), key.ptr, 0, (uint32_t)key.len, &r))
        return ri_err(RILL_ENOENT, "no key %.*s on flash", RI_ARG(key));
    int rc = ri_flash_record_load(f, &r, buf, cap, out);
    if (rc == RILL_ECORRUPT) f->stats.damaged++;
    return rc;
}

int ri_flash_key_after(ri_flash *f, uint32_t bucket, uint32_t revision, void *buf, size_t cap,
                       ri_flash_msg *out)
{
    if (!flash_bucket_of(f, bucket)) return RILL_ENOENT;
    for (;;) {
        ri_flash_record r, best = {0};
        for (uint32_t i = 0; i < f->conf.max_keys; i++) {
            const ri_flash_key *key = &f->keys[i];
            if (key->at && key->bucket == bucket && ri_flash_record_at(f, key->at, &r) &&
                r.seq > revision && (!best.at || r.seq < best.seq))
                best = r;
        }
        if (!best.at) return ri_err(RILL_ENOENT, "no key after %u", (unsigned)revision);
        int rc = ri_flash_record_load(f, &best, buf, cap, out);
        if (rc != RILL_ECORRUPT) return rc;
        f->stats.damaged++;
        revision = best.seq;
    }
}

#endif
