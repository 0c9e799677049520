/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/error.h"
#include "codec/kafka/kafka_frame.h"
#include "codec/kafka/kafka_table.h"
#include "codec/limits.h"

typedef ri_kafka_reading frame_reader;

/* ---- Bytes ---- */

static int frame_fail(frame_reader *r, int rc, const ri_kafka_row *row, const char *why)
{
    if (r->rc < 0) return r->rc;
    r->rc = ri_err(rc, "%s v%d: %s%s%s at byte %zu", r->api ? r->api->word : "request header",
                   r->version, row ? row->name : "", row ? ": " : "", why,
                   (size_t)(r->p - r->start));
    r->p = r->end;
    return r->rc;
}

static size_t frame_left(const frame_reader *r)
{
    RI_ASSERT(r->p <= r->end);
    return (size_t)(r->end - r->p);
}

static uint64_t frame_number(frame_reader *r, const ri_kafka_row *row, size_t width)
{
    uint64_t v = 0;
    if (frame_left(r) < width) {
        frame_fail(r, RILL_EPROTO, row, "the frame ends");
        return 0;
    }
    for (size_t i = 0; i < width; i++) v = v << 8 | (unsigned char)r->p[i];
    r->p += width;
    return v;
}

static uint32_t frame_varint(frame_reader *r, const ri_kafka_row *row)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (r->p == r->end) {
            frame_fail(r, RILL_EPROTO, row, "the frame ends");
            return 0;
        }
        unsigned char byte = (unsigned char)*r->p++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80) continue;
        if (v > UINT32_MAX) break;
        return (uint32_t)v;
    }
    frame_fail(r, RILL_EPROTO, row, "a number of more than 32 bits");
    return 0;
}

/* A length or a count as it stands there: -1 is null. */
static int64_t frame_length(frame_reader *r, const ri_kafka_row *row, bool is_text)
{
    if (r->flexible) return (int64_t)frame_varint(r, row) - 1;
    return is_text ? (int16_t)frame_number(r, row, 2) : (int32_t)frame_number(r, row, 4);
}

/* May it be null, and is it within the frame, if each takes `least` bytes there? */
static bool frame_length_ok(frame_reader *r, const ri_kafka_row *row, int64_t length, size_t least)
{
    if (r->rc < 0) return false;
    if (length == -1) {
        if (ri_kafka_row_nullable(row, r->version)) return false;
        frame_fail(r, RILL_EPROTO, row, "null where there is none");
        return false;
    }
    if (length < 0) frame_fail(r, RILL_EPROTO, row, "a negative length");
    else if ((uint64_t)length > frame_left(r) / least)
        frame_fail(r, RILL_EPROTO, row, "a length beyond the end of the frame");
    return r->rc == RILL_OK;
}

static ri_str frame_span(frame_reader *r, const ri_kafka_row *row, bool is_text)
{
    int64_t length = frame_length(r, row, is_text);
    if (!frame_length_ok(r, row, length, 1)) return RI_STR_NONE;
    if (is_text && length > INT16_MAX) {
        frame_fail(r, RILL_EPROTO, row, "a text of more than 32767 bytes");
        return RI_STR_NONE;
    }
    ri_str span = {r->p, (size_t)length};
    r->p += length;
    return span;
}

/* ---- How many bytes something takes on the wire at least ---- */

static size_t frame_least_of_type(const frame_reader *r, const ri_kafka_type *type);

static size_t frame_least(const frame_reader *r, const ri_kafka_row *row, ri_kafka_kind kind)
{
    switch (kind) {
    case KAFKA_KIND_BOOL:
    case KAFKA_KIND_I8: return 1;
    case KAFKA_KIND_I16:
    case KAFKA_KIND_U16: return 2;
    case KAFKA_KIND_I32: return 4;
    case KAFKA_KIND_I64:
    case KAFKA_KIND_F64: return 8;
    case KAFKA_KIND_UUID: return sizeof(ri_kafka_uuid);
    case KAFKA_KIND_STR: return r->flexible ? 1 : 2;
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS:
    case KAFKA_KIND_LIST: return r->flexible ? 1 : 4;
    case KAFKA_KIND_STRUCT: return frame_least_of_type(r, row->type());
    case KAFKA_KIND_POINTER: break;
    }
    return 1;
}

static size_t frame_least_of_type(const frame_reader *r, const ri_kafka_type *type)
{
    size_t least = r->flexible;
    for (uint16_t i = 0; i < type->nrows; i++) {
        const ri_kafka_row *row = &type->rows[i];
        if (row->tag == 0 && ri_kafka_row_in(row, r->version))
            least += frame_least(r, row, row->kind);
    }
    return RI_MAX(least, (size_t)1);
}

/* ---- Members ---- */

static void frame_read_type(frame_reader *r, const ri_kafka_type *type, void *out);

/* Room in the arena for `n` items, which the bytes on the wire are enough for. */
static void *frame_room(frame_reader *r, const ri_kafka_row *row, size_t n, size_t size)
{
    if (n > r->lists / size) {
        frame_fail(r, RILL_ETOOBIG, row, "more items than are taken");
        return NULL;
    }
    r->lists -= n * size;
    void *room = ri_arena_alloc(r->arena, ri_size_mul(RI_MAX(n, (size_t)1), size));
    if (!room) frame_fail(r, RILL_ENOMEM, row, "out of memory");
    return room;
}

static void frame_read_item(frame_reader *r, const ri_kafka_row *row, void *item)
{
    switch (row->item) {
    case KAFKA_KIND_I8: *(int8_t *)item = (int8_t)frame_number(r, row, 1); break;
    case KAFKA_KIND_I32: *(int32_t *)item = (int32_t)frame_number(r, row, 4); break;
    case KAFKA_KIND_I64: *(int64_t *)item = (int64_t)frame_number(r, row, 8); break;
    case KAFKA_KIND_STR: *(ri_str *)item = frame_span(r, row, true); break;
    default: frame_read_type(r, row->type(), item); break;
    }
}

/* Its length and its room; false: it is null, or there is a fault. */
static bool frame_open_list(frame_reader *r, const ri_kafka_row *row, ri_kafka_level *level)
{
    int64_t n = frame_length(r, row, false);
    if (!frame_length_ok(r, row, n, frame_least(r, row, row->item))) return false;
    level->items = frame_room(r, row, (size_t)n, ri_kafka_size_of(row, row->item));
    level->n = (uint32_t)n;
    level->at = 0;
    return r->rc == RILL_OK;
}

/* Is the slice over? Not where the way back here is not known. */
static bool frame_is_cut(frame_reader *r)
{
    r->cut = r->cut || (--r->left <= 0 && r->whole == 0);
    return r->cut;
}

/* One that was left in its midst goes on with the item at which that was, or behind that, if it was
 * read to its end. */
static void frame_read_list(frame_reader *r, const ri_kafka_row *row, ri_kafka_list *out)
{
    RI_ASSERT(r->depth > 0 && r->depth <= RI_KAFKA_DEPTH);
    ri_kafka_level *level = &r->path[r->depth - 1];
    if (r->resumes) {
        r->resumes = r->depth < r->deepest;
    } else {
        *out = (ri_kafka_list){0};
        if (!frame_open_list(r, row, level)) return;
    }
    size_t size = ri_kafka_size_of(row, row->item);
    while (level->at < level->n && r->rc == RILL_OK) {
        frame_read_item(r, row, (char *)level->items + level->at * size);
        if (r->cut) return;
        if (++level->at == level->n || !frame_is_cut(r)) continue;
        r->deepest = r->depth;
        return;
    }
    if (r->rc == RILL_OK) *out = (ri_kafka_list){level->items, level->n};
}

static void frame_read_pointer(frame_reader *r, const ri_kafka_row *row, void **out)
{
    *out = NULL;
    int8_t there = (int8_t)frame_number(r, row, 1);
    if (there < 0 || r->rc < 0) return;
    const ri_kafka_type *type = row->type();
    void *room = frame_room(r, row, 1, type->size);
    if (!room) return;
    r->whole++;
    frame_read_type(r, type, room);
    r->whole--;
    *out = room;
}

static void frame_read_member(frame_reader *r, const ri_kafka_row *row, void *member)
{
    switch ((ri_kafka_kind)row->kind) {
    case KAFKA_KIND_BOOL: *(bool *)member = frame_number(r, row, 1) != 0; break;
    case KAFKA_KIND_I8: *(int8_t *)member = (int8_t)frame_number(r, row, 1); break;
    case KAFKA_KIND_I16: *(int16_t *)member = (int16_t)frame_number(r, row, 2); break;
    case KAFKA_KIND_U16: *(uint16_t *)member = (uint16_t)frame_number(r, row, 2); break;
    case KAFKA_KIND_I32: *(int32_t *)member = (int32_t)frame_number(r, row, 4); break;
    case KAFKA_KIND_I64: *(int64_t *)member = (int64_t)frame_number(r, row, 8); break;
    case KAFKA_KIND_F64: {
        uint64_t bits = frame_number(r, row, 8);
        memcpy(member, &bits, sizeof bits);
        break;
    }
    case KAFKA_KIND_UUID:
        memset(member, 0, sizeof(ri_kafka_uuid));
        if (frame_left(r) < sizeof(ri_kafka_uuid)) {
            frame_fail(r, RILL_EPROTO, row, "the frame ends");
            break;
        }
        memcpy(member, r->p, sizeof(ri_kafka_uuid));
        r->p += sizeof(ri_kafka_uuid);
        break;
    case KAFKA_KIND_STR: *(ri_str *)member = frame_span(r, row, true); break;
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS: *(ri_str *)member = frame_span(r, row, false); break;
    case KAFKA_KIND_LIST: frame_read_list(r, row, member); break;
    case KAFKA_KIND_STRUCT: frame_read_type(r, row->type(), member); break;
    case KAFKA_KIND_POINTER: frame_read_pointer(r, row, member); break;
    }
}

static const ri_kafka_row *frame_tagged(const ri_kafka_type *type, uint32_t tag)
{
    for (uint16_t i = 0; i < type->nrows; i++) {
        const ri_kafka_row *row = &type->rows[i];
        if (row->tag && (uint32_t)row->tag - 1 == tag) return row;
    }
    return NULL;
}

/* The tagged section. What nobody knows is passed; what another version has, and this one has not,
 * is a fault, as it is to Kafka. `type` NULL: nothing is known. Each is of the slice, as an item
 * is. */
static void frame_read_tags(frame_reader *r, const ri_kafka_type *type, void *out)
{
    uint32_t n = frame_varint(r, NULL);
    if (n > RI_LIMIT_KAFKA_TAGS) frame_fail(r, RILL_EPROTO, NULL, "too many tagged fields");
    r->left -= n;
    for (uint32_t i = 0; i < n && r->rc == RILL_OK; i++) {
        uint32_t tag = frame_varint(r, NULL), size = frame_varint(r, NULL);
        if (size > frame_left(r)) {
            frame_fail(r, RILL_EPROTO, NULL, "a tagged field beyond the end of the frame");
            return;
        }
        const char *end = r->end, *behind = r->p + size;
        const ri_kafka_row *row = type ? frame_tagged(type, tag) : NULL;
        if (row && !ri_kafka_row_in(row, r->version))
            frame_fail(r, RILL_EPROTO, row, "a tagged field of another version");
        else if (row) {
            r->end = behind;
            r->whole++;
            frame_read_member(r, row, (char *)out + row->offset);
            r->whole--;
            if (r->p != behind) frame_fail(r, RILL_EPROTO, row, "a tagged field of another size");
        }
        r->end = end;
        r->p = r->rc < 0 ? end : behind;
    }
}

static void frame_read_type(frame_reader *r, const ri_kafka_type *type, void *out)
{
    RI_ASSERT(r->depth < RI_KAFKA_DEPTH);
    ri_kafka_level *level = &r->path[r->depth++];
    for (uint16_t i = r->resumes ? level->row : 0; i < type->nrows && !r->cut; i++) {
        const ri_kafka_row *row = &type->rows[i];
        void *member = (char *)out + row->offset;
        level->row = i;
        if (row->tag == 0 && ri_kafka_row_in(row, r->version)) frame_read_member(r, row, member);
        else ri_kafka_blank_member(row, member);
    }
    if (r->flexible && !r->cut) frame_read_tags(r, type, out);
    r->depth--;
}

/* ---- Frames ---- */

int ri_kafka_frame_head(ri_str *frame, ri_kafka_head *head)
{
    static const ri_kafka_row client_id = {.name = "client id", .kind = KAFKA_KIND_STR,
                                           .null_from = 1};
    RI_ASSERT(frame->ptr || frame->len == 0);
    frame_reader r = {.start = frame->ptr, .p = frame->ptr, .end = frame->ptr + frame->len};
    *head = (ri_kafka_head){.key = (int16_t)frame_number(&r, NULL, 2)};
    head->version = r.version = (int16_t)frame_number(&r, NULL, 2);
    head->correlation_id = (int32_t)frame_number(&r, NULL, 4);
    head->client_id = frame_span(&r, &client_id, true);
    if (r.rc < 0) return r.rc;
    head->api = ri_kafka_api_of(head->key);
    if (!head->api) return ri_err(RILL_ENOTSUP, "no API has the key %d", head->key);
    if (!ri_kafka_api_has(head->api, head->version))
        return ri_err(RILL_ENOTSUP, "%s v%d is none of v%d to v%d", head->api->word, head->version,
                      head->api->first, head->api->last);
    r.flexible = ri_kafka_frame_is_flexible(head->api, head->version);
    if (r.flexible) frame_read_tags(&r, NULL, NULL);
    if (r.rc < 0) return r.rc;
    *frame = (ri_str){r.p, (size_t)(r.end - r.p)};
    return RILL_OK;
}

void ri_kafka_frame_begin(ri_kafka_reading *r, const ri_kafka_api *api, const ri_kafka_type *type,
                          int16_t version, ri_str in, ri_arena *arena, void *out)
{
    RI_ASSERT(ri_kafka_api_has(api, version) && type && arena && out);
    RI_ASSERT(in.ptr || in.len == 0);
    *r = (ri_kafka_reading){.api = api, .type = type, .out = out, .start = in.ptr, .p = in.ptr,
                            .end = in.ptr + in.len, .arena = arena,
                            .lists = RI_LIMIT_KAFKA_LISTS, .version = version,
                            .flexible = ri_kafka_frame_is_flexible(api, version)};
}

int ri_kafka_frame_read_some(ri_kafka_reading *r, int64_t items)
{
    RI_ASSERT(r->depth == 0 && r->whole == 0 && items > 0);
    r->resumes = r->cut;
    r->cut = false;
    r->left = items;
    frame_read_type(r, r->type, r->out);
    return r->rc < 0 ? r->rc : r->cut;
}

int ri_kafka_frame_read(const ri_kafka_api *api, const ri_kafka_type *type, int16_t version,
                        ri_str *in, ri_arena *arena, void *out)
{
    ri_kafka_reading r;
    ri_kafka_frame_begin(&r, api, type, version, *in, arena, out);
    int rc = ri_kafka_frame_read_some(&r, INT64_MAX);
    if (rc < 0) return rc;
    RI_ASSERT(!r.cut);
    *in = (ri_str){r.p, (size_t)(r.end - r.p)};
    return RILL_OK;
}
