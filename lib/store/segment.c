/* SPDX-License-Identifier: Apache-2.0 */
#include "store/segment.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"

static const char segment_magic[8] = {'r', 'i', 'l', 'l', 's', 'e', 'g', '\n'};
static const char segment_end_magic[8] = {'r', 'i', 'l', 'l', 'e', 'n', 'd', '\n'};
#define SEGMENT_COMMIT_MAGIC 0x746d6372u /* "rcmt" */

uint32_t ri_segment_seed(uint64_t log_id, uint64_t number)
{
    char bytes[16];
    ri_segment_set64(bytes, log_id);
    ri_segment_set64(bytes + 8, number);
    return ri_crc32c(0, bytes, sizeof bytes);
}

void ri_segment_put_head(char *out, const ri_segment_head *head)
{
    memcpy(out, segment_magic, 8);
    ri_segment_set32(out + 8, RI_SEGMENT_VERSION);
    ri_segment_set32(out + 12, head->required);
    ri_segment_set32(out + 16, head->optional);
    ri_segment_set32(out + 20, head->epoch);
    ri_segment_set64(out + 24, head->log_id);
    ri_segment_set64(out + 32, head->number);
    ri_segment_set64(out + 40, head->size);
    ri_segment_set64(out + 48, head->first_commit);
    ri_segment_set32(out + 56, head->chain);
    ri_segment_set32(out + 60, ri_crc32c(0, out, 60));
}

int ri_segment_get_head(const char *in, ri_segment_head *head)
{
    if (memcmp(in, segment_magic, 8) != 0 || ri_segment_u32(in + 60) != ri_crc32c(0, in, 60))
        return ri_err(RILL_ECORRUPT, "no segment header");
    *head = (ri_segment_head){
        .required = ri_segment_u32(in + 12), .optional = ri_segment_u32(in + 16),
        .epoch = ri_segment_u32(in + 20), .log_id = ri_segment_u64(in + 24),
        .number = ri_segment_u64(in + 32), .size = ri_segment_u64(in + 40),
        .first_commit = ri_segment_u64(in + 48), .chain = ri_segment_u32(in + 56),
    };
    uint32_t version = ri_segment_u32(in + 8);
    if (version != RI_SEGMENT_VERSION)
        return ri_err(RILL_ENOTSUP, "written in format version %u; this build reads version %d",
                      version, RI_SEGMENT_VERSION);
    if (head->required)
        return ri_err(RILL_ENOTSUP, "needs features 0x%x that this build does not have",
                      head->required);
    return RILL_OK;
}

void ri_segment_put_commit(char *out, uint32_t seed, ri_segment_commit *commit)
{
    ri_segment_set32(out, SEGMENT_COMMIT_MAGIC);
    ri_segment_set32(out + 4, commit->flags);
    ri_segment_set64(out + 8, commit->segment);
    ri_segment_set64(out + 16, commit->number);
    ri_segment_set64(out + 24, commit->durable);
    ri_segment_set32(out + 32, commit->position);
    ri_segment_set32(out + 36, commit->bytes);
    ri_segment_set32(out + 40, commit->entries);
    ri_segment_set32(out + 44, commit->epoch);
    ri_segment_set32(out + 48, commit->body);
    ri_segment_set32(out + 52, commit->prev);
    ri_segment_set32(out + 56, 0);
    commit->check = ri_crc32c(seed, out, 60);
    ri_segment_set32(out + 60, commit->check);
}

int ri_segment_get_commit(const char *in, uint32_t seed, ri_segment_commit *commit)
{
    if (ri_segment_u32(in) != SEGMENT_COMMIT_MAGIC ||
        ri_segment_u32(in + 60) != ri_crc32c(seed, in, 60))
        return ri_err(RILL_ECORRUPT, "no commit header");
    *commit = (ri_segment_commit){
        .flags = ri_segment_u32(in + 4), .segment = ri_segment_u64(in + 8),
        .number = ri_segment_u64(in + 16), .durable = ri_segment_u64(in + 24),
        .position = ri_segment_u32(in + 32), .bytes = ri_segment_u32(in + 36),
        .entries = ri_segment_u32(in + 40), .epoch = ri_segment_u32(in + 44),
        .body = ri_segment_u32(in + 48), .prev = ri_segment_u32(in + 52),
        .check = ri_segment_u32(in + 60),
    };
    return RILL_OK;
}

void ri_segment_put_trailer(char *out, uint32_t seed, const ri_segment_trailer *trailer)
{
    memcpy(out, segment_end_magic, 8);
    ri_segment_set64(out + 8, trailer->number);
    ri_segment_set64(out + 16, trailer->last_commit);
    ri_segment_set32(out + 24, trailer->position);
    ri_segment_set32(out + 28, trailer->head_bytes);
    ri_segment_set32(out + 32, trailer->head_crc);
    ri_segment_set32(out + 36, trailer->end);
    ri_segment_set32(out + 40, trailer->chain);
    ri_segment_set32(out + 44, trailer->names);
    ri_segment_set32(out + 48, 0);
    ri_segment_set32(out + 52, 0);
    ri_segment_set32(out + 56, 0);
    ri_segment_set32(out + 60, ri_crc32c(seed, out, 60));
}

int ri_segment_get_trailer(const char *in, uint64_t log_id, ri_segment_trailer *trailer)
{
    uint64_t number = ri_segment_u64(in + 8);
    if (memcmp(in, segment_end_magic, 8) != 0 ||
        ri_segment_u32(in + 60) != ri_crc32c(ri_segment_seed(log_id, number), in, 60))
        return ri_err(RILL_ECORRUPT, "no segment trailer");
    *trailer = (ri_segment_trailer){
        .number = number, .last_commit = ri_segment_u64(in + 16),
        .position = ri_segment_u32(in + 24), .head_bytes = ri_segment_u32(in + 28),
        .head_crc = ri_segment_u32(in + 32), .end = ri_segment_u32(in + 36),
        .chain = ri_segment_u32(in + 40), .names = ri_segment_u32(in + 44),
    };
    return RILL_OK;
}

static uint32_t segment_length(const ri_segment_entry *e)
{
    switch (e->kind) {
    case RI_SEGMENT_KIND_RECORD:
        return RI_SEGMENT_RECORD + (e->headers.len ? 4 : 0) +
               (uint32_t)(e->headers.len + e->data.len);
    case RI_SEGMENT_KIND_BATCH: return RI_SEGMENT_BATCH + (uint32_t)e->data.len;
    case RI_SEGMENT_KIND_SUBJECT: return RI_SEGMENT_SUBJECT + (uint32_t)e->data.len;
    case RI_SEGMENT_KIND_TRACK: return RI_SEGMENT_TRACK;
    case RI_SEGMENT_KIND_SKIP:
    case RI_SEGMENT_KIND_PURGE:
    case RI_SEGMENT_KIND_DROP: return RI_SEGMENT_SKIP;
    case RI_SEGMENT_KIND_REMOVE: return RI_SEGMENT_REMOVE;
    }
    return 0;
}

uint32_t ri_segment_entry_size(const ri_segment_entry *e)
{
    return (uint32_t)RI_ALIGN(segment_length(e), 8);
}

/* Base offset and leader epoch of a Kafka batch are the broker's, and outside its checksum. */
static void segment_put_batch(char *out, const ri_segment_entry *e)
{
    ri_segment_set64(out + 16, e->seq);
    ri_segment_set64(out + 24, e->last);
    out += RI_SEGMENT_BATCH;
    memcpy(out, e->data.ptr, e->data.len);
    for (int i = 0; i < 8; i++) out[i] = (char)((e->seq - 1) >> (56 - 8 * i));
    memset(out + 12, 0, 4);
}

static void segment_put_record(char *out, const ri_segment_entry *e)
{
    ri_segment_set64(out + 16, e->seq);
    ri_segment_set64(out + 24, (uint64_t)e->time_ns);
    ri_segment_set32(out + 32, e->subject);
    ri_segment_set32(out + 36, e->flags);
    out += RI_SEGMENT_RECORD;
    if (e->headers.len) {
        ri_segment_set32(out, (uint32_t)e->headers.len);
        memcpy(out + 4, e->headers.ptr, e->headers.len);
        out += 4 + e->headers.len;
    }
    if (e->data.len) memcpy(out, e->data.ptr, e->data.len);
}

uint32_t ri_segment_put_entry(char *out, uint32_t seed, ri_segment_entry *e)
{
    e->length = segment_length(e);
    uint32_t size = (uint32_t)RI_ALIGN(e->length, 8);
    ri_segment_set64(out + size - 8, 0); /* the padding */
    ri_segment_set32(out + 4, e->length);
    e->bits = e->kind == RI_SEGMENT_KIND_RECORD && e->headers.len ? RI_SEGMENT_BIT_HEADERS : 0;
    ri_segment_set32(out + 8, (uint32_t)e->kind | e->bits << 8);
    ri_segment_set32(out + 12, e->track);
    switch (e->kind) {
    case RI_SEGMENT_KIND_RECORD: segment_put_record(out, e); break;
    case RI_SEGMENT_KIND_BATCH: segment_put_batch(out, e); break;
    case RI_SEGMENT_KIND_SUBJECT:
        ri_segment_set32(out + 16, e->subject);
        if (e->data.len) memcpy(out + RI_SEGMENT_SUBJECT, e->data.ptr, e->data.len);
        break;
    case RI_SEGMENT_KIND_TRACK:
        ri_segment_set64(out + 16, e->seq);
        ri_segment_set64(out + 24, e->last);
        ri_segment_set64(out + 32, e->id);
        ri_segment_set32(out + 40, e->flags);
        ri_segment_set32(out + 44, 0);
        break;
    case RI_SEGMENT_KIND_SKIP:
    case RI_SEGMENT_KIND_PURGE:
    case RI_SEGMENT_KIND_DROP: ri_segment_set64(out + 16, e->seq); break;
    case RI_SEGMENT_KIND_REMOVE:
        ri_segment_set64(out + 16, e->seq);
        ri_segment_set64(out + 24, e->last);
        ri_segment_set64(out + 32, e->id);
        ri_segment_set64(out + 40, e->also);
        break;
    }
    e->crc = ri_crc32c(seed, out + 4, e->length - 4);
    ri_segment_set32(out, e->crc);
    return size;
}

static int segment_bad(const char *what)
{
    return ri_err(RILL_ECORRUPT, "%s", what);
}

static int segment_get_record(const char *in, ri_segment_entry *e)
{
    if (e->length < RI_SEGMENT_RECORD) return segment_bad("record too short");
    e->seq = ri_segment_u64(in + 16);
    e->last = e->seq;
    e->time_ns = (int64_t)ri_segment_u64(in + 24);
    e->subject = ri_segment_u32(in + 32);
    e->flags = ri_segment_u32(in + 36);
    uint32_t at = RI_SEGMENT_RECORD;
    if (e->bits & RI_SEGMENT_BIT_HEADERS) {
        if (e->length < at + 4) return segment_bad("record too short");
        uint32_t len = ri_segment_u32(in + at);
        if (len > e->length - at - 4) return segment_bad("headers run past the record");
        e->headers = (ri_str){in + at + 4, len};
        at += 4 + len;
    }
    e->data = (ri_str){in + at, e->length - at};
    return RILL_OK;
}

/* Take apart what follows the common part; the bytes are all there. */
static int segment_get_rest(const char *in, ri_segment_entry *e)
{
    switch (e->kind) {
    case RI_SEGMENT_KIND_RECORD: return segment_get_record(in, e);
    case RI_SEGMENT_KIND_BATCH:
        if (e->length < RI_SEGMENT_BATCH) return segment_bad("batch too short");
        e->seq = ri_segment_u64(in + 16);
        e->last = ri_segment_u64(in + 24);
        if (e->seq == 0 || e->last < e->seq || e->last - e->seq >= e->length)
            return segment_bad("batch without records");
        e->data = (ri_str){in + RI_SEGMENT_BATCH, e->length - RI_SEGMENT_BATCH};
        return RILL_OK;
    case RI_SEGMENT_KIND_SUBJECT:
        if (e->length < RI_SEGMENT_SUBJECT) return segment_bad("subject too short");
        e->subject = ri_segment_u32(in + 16);
        e->data = (ri_str){in + RI_SEGMENT_SUBJECT, e->length - RI_SEGMENT_SUBJECT};
        return RILL_OK;
    case RI_SEGMENT_KIND_TRACK:
        if (e->length != RI_SEGMENT_TRACK) return segment_bad("track of a wrong length");
        e->seq = ri_segment_u64(in + 16);
        e->last = ri_segment_u64(in + 24);
        e->id = ri_segment_u64(in + 32);
        e->flags = ri_segment_u32(in + 40);
        return RILL_OK;
    case RI_SEGMENT_KIND_SKIP:
    case RI_SEGMENT_KIND_PURGE:
    case RI_SEGMENT_KIND_DROP:
        if (e->length != RI_SEGMENT_SKIP) return segment_bad("entry of a wrong length");
        e->seq = ri_segment_u64(in + 16);
        return RILL_OK;
    case RI_SEGMENT_KIND_REMOVE:
        if (e->length != RI_SEGMENT_REMOVE) return segment_bad("removal of a wrong length");
        e->seq = ri_segment_u64(in + 16);
        e->last = ri_segment_u64(in + 24);
        e->id = ri_segment_u64(in + 32);
        e->also = ri_segment_u64(in + 40);
        return e->last < e->seq ? segment_bad("removal of nothing") : RILL_OK;
    }
    return segment_bad("entry of an unknown kind");
}

static int segment_entry_start(const char *in, size_t len, ri_segment_entry *e)
{
    *e = (ri_segment_entry){.length = RI_SEGMENT_ENTRY};
    if (len < RI_SEGMENT_ENTRY) return RILL_EAGAIN;
    e->length = ri_segment_u32(in + 4);
    if (e->length < RI_SEGMENT_SUBJECT || e->length > INT32_MAX)
        return segment_bad("no entry");
    return e->length > len ? RILL_EAGAIN : RILL_OK;
}

static int segment_entry_parts(const char *in, ri_segment_entry *e)
{
    uint32_t kind = ri_segment_u32(in + 8);
    e->crc = ri_segment_u32(in);
    e->kind = (ri_segment_kind)(kind & 255);
    e->bits = kind >> 8;
    e->track = ri_segment_u32(in + 12);
    return segment_get_rest(in, e);
}

int ri_segment_get_entry(const char *in, size_t len, uint32_t seed, ri_segment_entry *e)
{
    int rc = segment_entry_start(in, len, e);
    if (rc < 0) return rc;
    if (ri_segment_u32(in) != ri_crc32c(seed, in + 4, e->length - 4))
        return segment_bad("an entry fails its checksum");
    return segment_entry_parts(in, e);
}

int ri_segment_read_entry(const char *in, size_t len, ri_segment_entry *e)
{
    int rc = segment_entry_start(in, len, e);
    return rc < 0 ? rc : segment_entry_parts(in, e);
}

void ri_segment_erase_entry(char *entry)
{
    uint32_t length = ri_segment_u32(entry + 4);
    RI_ASSERT(length >= RI_SEGMENT_RECORD);
    memset(entry + RI_SEGMENT_RECORD, 0, length - RI_SEGMENT_RECORD);
}

uint32_t ri_segment_chain(uint32_t body, uint32_t crc)
{
    char word[4];
    ri_segment_set32(word, crc);
    return ri_crc32c(body, word, sizeof word);
}

int ri_segment_check_body(const char *body, const ri_segment_commit *commit)
{
    uint32_t sum = 0, at = 0;
    for (uint32_t i = 0; i < commit->entries; i++) {
        ri_segment_entry e;
        if (at >= commit->bytes || segment_entry_start(body + at, commit->bytes - at, &e) < 0)
            return segment_bad("a commit has fewer entries than it says");
        sum = ri_segment_chain(sum, ri_segment_u32(body + at));
        at += (uint32_t)RI_ALIGN(e.length, 8);
    }
    if (at != commit->bytes || sum != commit->body)
        return segment_bad("a commit's entries fail its checksum");
    return RILL_OK;
}
