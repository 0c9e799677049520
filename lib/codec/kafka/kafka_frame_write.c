/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/error.h"
#include "codec/kafka/kafka_frame.h"
#include "codec/kafka/kafka_table.h"

typedef struct frame_writer {
    const ri_kafka_api *api;
    ri_buffer *out, *splices;
    size_t spliced; /* bytes in `splices` that belong to this */
    int16_t version;
    bool flexible;
    int rc;
} frame_writer;

/* ---- Bytes ---- */

static void frame_put_number(ri_buffer *out, uint64_t v, size_t width)
{
    char bytes[8];
    RI_ASSERT(width <= sizeof bytes);
    for (size_t i = 0; i < width; i++) bytes[i] = (char)(v >> 8 * (width - 1 - i));
    ri_buffer_put(out, bytes, width);
}

static void frame_put_varint(ri_buffer *out, uint32_t v)
{
    char bytes[5];
    size_t n = 0;
    for (; v > 0x7f; v >>= 7) bytes[n++] = (char)(v | 0x80);
    bytes[n++] = (char)v;
    ri_buffer_put(out, bytes, n);
}

/* -1 is null. */
static void frame_put_length(frame_writer *w, int64_t length, bool is_text)
{
    RI_ASSERT(length >= -1 && length <= INT32_MAX - 1);
    if (w->flexible) frame_put_varint(w->out, (uint32_t)(length + 1));
    else frame_put_number(w->out, (uint64_t)length, is_text ? 2 : 4);
}

static void frame_too_long(frame_writer *w, const ri_kafka_row *row, size_t len)
{
    if (w->rc == RILL_OK)
        w->rc = ri_err(RILL_ETOOBIG, "%s v%d: %s of %zu", w->api->word, w->version, row->name, len);
}

static void frame_put_span(frame_writer *w, const ri_kafka_row *row, ri_str s, ri_kafka_kind kind)
{
    bool is_text = kind == KAFKA_KIND_STR;
    bool null = !s.ptr && ri_kafka_row_nullable(row, w->version);
    if (s.len > (is_text ? (size_t)INT16_MAX : (size_t)INT32_MAX - 1)) {
        frame_too_long(w, row, s.len);
        return;
    }
    frame_put_length(w, null ? -1 : (int64_t)s.len, is_text);
    if (kind != KAFKA_KIND_RECORDS || !w->splices || s.len == 0) {
        ri_buffer_put_str(w->out, s);
        return;
    }
    ri_kafka_splice splice = {ri_buffer_size(w->out), s};
    ri_buffer_put(w->splices, &splice, sizeof splice);
    w->spliced += s.len;
}

/* ---- Is it what a reader takes it for where it does not stand? ---- */

static bool frame_is_absent(const frame_writer *w, const ri_kafka_row *row, const void *member)
{
    const ri_kafka_list *list = member;
    const ri_str *span = member;
    switch ((ri_kafka_kind)row->kind) {
    case KAFKA_KIND_STR:
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS:
        return ri_kafka_row_nullable(row, w->version) ? !span->ptr : !span->len;
    case KAFKA_KIND_LIST:
        return ri_kafka_row_nullable(row, w->version) ? !list->items : !list->len;
    case KAFKA_KIND_POINTER: {
        void *pointer;
        memcpy(&pointer, member, sizeof pointer);
        return !pointer;
    }
    case KAFKA_KIND_STRUCT:
        for (uint16_t i = 0; i < row->type()->nrows; i++) {
            const ri_kafka_row *inner = &row->type()->rows[i];
            if (!frame_is_absent(w, inner, (const char *)member + inner->offset)) return false;
        }
        return true;
    case KAFKA_KIND_BOOL:
    case KAFKA_KIND_I8:
    case KAFKA_KIND_I16:
    case KAFKA_KIND_U16:
    case KAFKA_KIND_I32:
    case KAFKA_KIND_I64:
    case KAFKA_KIND_F64:
    case KAFKA_KIND_UUID: break;
    }
    union { int64_t number; ri_kafka_uuid uuid; } blank; /* as large as the largest of these */
    ri_kafka_blank_member(row, &blank);
    return memcmp(&blank, member, ri_kafka_size_of(row, row->kind)) == 0;
}

/* ---- Members ---- */

static void frame_write_type(frame_writer *w, const ri_kafka_type *type, const void *in);

static void frame_write_item(frame_writer *w, const ri_kafka_row *row, const void *item)
{
    switch (row->item) {
    case KAFKA_KIND_I8: frame_put_number(w->out, (uint64_t)*(const int8_t *)item, 1); break;
    case KAFKA_KIND_I32: frame_put_number(w->out, (uint64_t)*(const int32_t *)item, 4); break;
    case KAFKA_KIND_I64: frame_put_number(w->out, (uint64_t)*(const int64_t *)item, 8); break;
    case KAFKA_KIND_STR: frame_put_span(w, row, *(const ri_str *)item, KAFKA_KIND_STR); break;
    default: frame_write_type(w, row->type(), item); break;
    }
}

static void frame_write_list(frame_writer *w, const ri_kafka_row *row, const ri_kafka_list *list)
{
    bool null = !list->items && ri_kafka_row_nullable(row, w->version);
    RI_ASSERT(list->items || list->len == 0);
    if (list->len > INT32_MAX - 1) {
        frame_too_long(w, row, list->len);
        return;
    }
    frame_put_length(w, null ? -1 : (int64_t)list->len, false);
    size_t size = ri_kafka_size_of(row, row->item);
    for (uint32_t i = 0; i < list->len && w->rc == RILL_OK && !w->out->failed; i++)
        frame_write_item(w, row, (const char *)list->items + i * size);
}

static void frame_write_pointer(frame_writer *w, const ri_kafka_row *row, const void *member)
{
    void *pointer;
    memcpy(&pointer, member, sizeof pointer);
    frame_put_number(w->out, pointer ? 1 : (uint64_t)-1, 1);
    if (pointer) frame_write_type(w, row->type(), pointer);
}

static void frame_write_member(frame_writer *w, const ri_kafka_row *row, const void *member)
{
    switch ((ri_kafka_kind)row->kind) {
    case KAFKA_KIND_BOOL: frame_put_number(w->out, *(const bool *)member, 1); break;
    case KAFKA_KIND_I8: frame_put_number(w->out, (uint64_t)*(const int8_t *)member, 1); break;
    case KAFKA_KIND_I16: frame_put_number(w->out, (uint64_t)*(const int16_t *)member, 2); break;
    case KAFKA_KIND_U16: frame_put_number(w->out, *(const uint16_t *)member, 2); break;
    case KAFKA_KIND_I32: frame_put_number(w->out, (uint64_t)*(const int32_t *)member, 4); break;
    case KAFKA_KIND_I64: frame_put_number(w->out, (uint64_t)*(const int64_t *)member, 8); break;
    case KAFKA_KIND_F64: {
        uint64_t bits;
        memcpy(&bits, member, sizeof bits);
        frame_put_number(w->out, bits, 8);
        break;
    }
    case KAFKA_KIND_UUID: ri_buffer_put(w->out, member, sizeof(ri_kafka_uuid)); break;
    case KAFKA_KIND_STR:
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS: frame_put_span(w, row, *(const ri_str *)member, row->kind); break;
    case KAFKA_KIND_LIST: frame_write_list(w, row, member); break;
    case KAFKA_KIND_STRUCT: frame_write_type(w, row->type(), member); break;
    case KAFKA_KIND_POINTER: frame_write_pointer(w, row, member); break;
    }
}

/* A tagged field; its size, which is a varint ahead of it, is known when it is written. */
static void frame_write_tagged(frame_writer *w, const ri_kafka_row *row, const void *member)
{
    ri_buffer *out = w->out;
    frame_put_varint(out, (uint32_t)row->tag - 1);
    size_t at = ri_buffer_size(out);
    frame_write_member(w, row, member);
    size_t size = ri_buffer_size(out) - at;
    if (size > INT32_MAX) frame_too_long(w, row, size);
    frame_put_varint(out, (uint32_t)size);
    size_t width = ri_buffer_size(out) - at - size;
    if (w->rc < 0 || out->failed) return;
    char varint[5], *field = out->ptr + out->head + at;
    RI_ASSERT(width <= sizeof varint);
    memcpy(varint, field + size, width);
    memmove(field + width, field, size);
    memcpy(field, varint, width);
}

/* Of the tagged fields of this version those that are not absent, by their numbers. */
static void frame_write_tags(frame_writer *w, const ri_kafka_type *type, const char *in)
{
    uint32_t n = 0;
    for (uint16_t pass = 0; pass < 2; pass++) {
        for (uint16_t i = 0; i < type->nrows; i++) {
            const ri_kafka_row *row = &type->rows[i];
            if (row->tag == 0 || !ri_kafka_row_in(row, w->version)) continue;
            if (frame_is_absent(w, row, in + row->offset)) continue;
            if (pass == 0) n++;
            else frame_write_tagged(w, row, in + row->offset);
        }
        if (pass == 0) frame_put_varint(w->out, n);
    }
}

static void frame_write_type(frame_writer *w, const ri_kafka_type *type, const void *in)
{
    for (uint16_t i = 0; i < type->nrows; i++) {
        const ri_kafka_row *row = &type->rows[i];
        if (row->tag == 0 && ri_kafka_row_in(row, w->version))
            frame_write_member(w, row, (const char *)in + row->offset);
    }
    if (w->flexible) frame_write_tags(w, type, in);
}

/* ---- Frames ---- */

static int frame_write(const ri_kafka_writer *to, const ri_kafka_api *api,
                       const ri_kafka_type *type, int16_t version, const void *in, size_t *spliced)
{
    RI_ASSERT(ri_kafka_api_has(api, version) && type && in);
    RI_ASSERT(ri_buffer_is_sound(to->out) && to->splices != to->out);
    frame_writer w = {.api = api, .out = to->out, .splices = to->splices, .version = version,
                      .flexible = ri_kafka_frame_is_flexible(api, version)};
    size_t before = to->out->len, splices = to->splices ? to->splices->len : 0;
    frame_write_type(&w, type, in);
    if (w.rc == RILL_OK && (to->out->failed || (to->splices && to->splices->failed)))
        w.rc = ri_err(RILL_ENOMEM, "out of memory for %s v%d", api->word, version);
    *spliced = w.spliced;
    if (w.rc == RILL_OK) return RILL_OK;
    to->out->len = before;
    if (to->splices) to->splices->len = splices;
    return w.rc;
}

int ri_kafka_frame_write(const ri_kafka_writer *w, const ri_kafka_api *api,
                         const ri_kafka_type *type, int16_t version, const void *in)
{
    size_t spliced;
    return frame_write(w, api, type, version, in, &spliced);
}

int ri_kafka_frame_answer(const ri_kafka_writer *w, const ri_kafka_api *api, int16_t version,
                          int32_t correlation_id, const void *answer)
{
    size_t start = ri_buffer_size(w->out), spliced;
    bool tagged = api->key != RI_KAFKA_API_VERSIONS && ri_kafka_frame_is_flexible(api, version);
    frame_put_number(w->out, 0, RI_KAFKA_FRAME_SIZE);
    frame_put_number(w->out, (uint64_t)correlation_id, 4);
    if (tagged) frame_put_varint(w->out, 0);
    int rc = frame_write(w, api, api->answer(), version, answer, &spliced);
    size_t size = ri_size_add(ri_buffer_size(w->out) - start - RI_KAFKA_FRAME_SIZE, spliced);
    if (rc == RILL_OK && size > INT32_MAX)
        rc = ri_err(RILL_ETOOBIG, "%s v%d: an answer of %zu bytes", api->word, version, size);
    if (rc < 0) {
        w->out->len = w->out->head + start;
        return rc;
    }
    char *p = w->out->ptr + w->out->head + start;
    for (int i = 0; i < RI_KAFKA_FRAME_SIZE; i++) p[i] = (char)(size >> 8 * (3 - i));
    return RILL_OK;
}
