/* SPDX-License-Identifier: Apache-2.0 */
/* Struct to JSON by the tables: the rows in their order, left out where the row says so. */
#include "base/assert.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "codec/jetstream/jsapi_table.h"

typedef struct jsapi_writer {
    ri_buffer *out;
    bool begun; /* a member stands in front of the next */
} jsapi_writer;

static void jsapi_write_object(ri_buffer *out, const ri_jsapi_type *type, const char *base);

static void jsapi_write_uint(ri_buffer *out, uint64_t n)
{
    char digits[RI_NUMBER_MAX];
    ri_buffer_put(out, digits, ri_number_write(digits, n));
}

static void jsapi_write_int(ri_buffer *out, int64_t n)
{
    if (n < 0) ri_buffer_puts(out, "-");
    jsapi_write_uint(out, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

static int64_t jsapi_int_at(const char *at)
{
    int64_t n;
    memcpy(&n, at, sizeof n);
    return n;
}

static bool jsapi_is_empty(const jsapi_row *row, const char *at)
{
    switch ((jsapi_kind)row->kind) {
    case JSAPI_STR:
    case JSAPI_BASE64: return ((const ri_str *)(const void *)at)->len == 0;
    case JSAPI_BOOL: return !*(const bool *)at;
    case JSAPI_INT32: return *(const int32_t *)(const void *)at == 0;
    case JSAPI_ENUM: return *(const uint32_t *)(const void *)at == 0;
    case JSAPI_INT:
    case JSAPI_UINT:
    case JSAPI_TIME: return jsapi_int_at(at) == 0;
    case JSAPI_STRS:
    case JSAPI_INTS:
    case JSAPI_MAP:
    case JSAPI_COUNTS:
    case JSAPI_LIST: return ((const jsapi_list *)(const void *)at)->len == 0;
    case JSAPI_ERROR:
    case JSAPI_POINTER:
    case JSAPI_EMBED_PTR: return *(void *const *)(const void *)at == NULL;
    case JSAPI_OBJECT:
    case JSAPI_GROUP:
    case JSAPI_EMBED: return false;
    }
    return false;
}

static void jsapi_write_time(ri_buffer *out, int64_t time_ns)
{
    char text[RI_RFC3339_MAX];
    ri_buffer_puts(out, "\"");
    ri_buffer_put(out, text, ri_rfc3339_write(text, time_ns ? time_ns : RI_RFC3339_YEAR1));
    ri_buffer_puts(out, "\"");
}

static void jsapi_write_error(ri_buffer *out, const ri_js_error *e)
{
    ri_buffer_printf(out, "{\"code\":%d", (int)e->code);
    if (e->err_code) ri_buffer_printf(out, ",\"err_code\":%d", (int)e->err_code);
    if (e->text[0]) {
        ri_buffer_puts(out, ",\"description\":");
        ri_json_put_string(out, ri_str_of(e->text));
    }
    ri_buffer_puts(out, "}");
}

static void jsapi_write_list(ri_buffer *out, const jsapi_row *row, const jsapi_list *list)
{
    RI_ASSERT(list->items || list->len == 0);
    if (!list->len && row->flags & JSAPI_NULL) {
        ri_buffer_puts(out, "null");
        return;
    }
    ri_buffer_puts(out, "[");
    for (uint32_t i = 0; i < list->len; i++) {
        if (i) ri_buffer_puts(out, ",");
        if (row->kind == JSAPI_STRS)
            ri_json_put_string(out, ((const ri_str *)list->items)[i]);
        else if (row->kind == JSAPI_INTS)
            jsapi_write_int(out, ((const int64_t *)list->items)[i]);
        else
            jsapi_write_object(out, row->of.type,
                               (const char *)list->items + (size_t)i * row->of.type->size);
    }
    ri_buffer_puts(out, "]");
}

static void jsapi_write_map(ri_buffer *out, const jsapi_row *row, const jsapi_list *list)
{
    RI_ASSERT(list->items || list->len == 0);
    ri_buffer_puts(out, "{");
    for (uint32_t i = 0; i < list->len; i++) {
        if (i) ri_buffer_puts(out, ",");
        if (row->kind == JSAPI_MAP) {
            const ri_js_pair *pair = &((const ri_js_pair *)list->items)[i];
            ri_json_put_string(out, pair->key);
            ri_buffer_puts(out, ":");
            ri_json_put_string(out, pair->value);
        } else {
            const ri_js_count *count = &((const ri_js_count *)list->items)[i];
            ri_json_put_string(out, count->subject);
            ri_buffer_puts(out, ":");
            jsapi_write_uint(out, count->count);
        }
    }
    ri_buffer_puts(out, "}");
}

static void jsapi_write_counts(ri_buffer *out, const jsapi_row *row, const char *at)
{
    const ri_js_counts *counts = (const ri_js_counts *)(const void *)at;
    if (!counts->json.ptr) {
        jsapi_write_map(out, row, (const jsapi_list *)(const void *)at);
        return;
    }
    ri_buffer_puts(out, "{");
    ri_buffer_put_str(out, counts->json);
    ri_buffer_puts(out, "}");
}

static void jsapi_write_enum(ri_buffer *out, const jsapi_names *names, const char *at)
{
    uint32_t i;
    memcpy(&i, at, sizeof i);
    RI_ASSERT(i < names->len);
    ri_buffer_puts(out, "\"");
    ri_buffer_puts(out, names->names[i]);
    ri_buffer_puts(out, "\"");
}

static void jsapi_write_pointer(ri_buffer *out, const jsapi_row *row, const char *at)
{
    const char *inner = *(const char *const *)(const void *)at;
    if (inner)
        jsapi_write_object(out, row->of.type, inner);
    else
        ri_buffer_puts(out, "null");
}

static void jsapi_write_value(ri_buffer *out, const jsapi_row *row, const char *at)
{
    switch ((jsapi_kind)row->kind) {
    case JSAPI_STR: ri_json_put_string(out, *(const ri_str *)(const void *)at); break;
    case JSAPI_BOOL: ri_buffer_puts(out, *(const bool *)at ? "true" : "false"); break;
    case JSAPI_INT: jsapi_write_int(out, jsapi_int_at(at)); break;
    case JSAPI_INT32: jsapi_write_int(out, *(const int32_t *)(const void *)at); break;
    case JSAPI_UINT: jsapi_write_uint(out, (uint64_t)jsapi_int_at(at)); break;
    case JSAPI_TIME: jsapi_write_time(out, jsapi_int_at(at)); break;
    case JSAPI_ENUM: jsapi_write_enum(out, row->of.names, at); break;
    case JSAPI_BASE64:
        ri_buffer_puts(out, "\"");
        ri_base64_put(out, *(const ri_str *)(const void *)at);
        ri_buffer_puts(out, "\"");
        break;
    case JSAPI_ERROR: jsapi_write_error(out, *(ri_js_error *const *)(const void *)at); break;
    case JSAPI_STRS:
    case JSAPI_INTS:
    case JSAPI_LIST: jsapi_write_list(out, row, (const jsapi_list *)(const void *)at); break;
    case JSAPI_MAP: jsapi_write_map(out, row, (const jsapi_list *)(const void *)at); break;
    case JSAPI_COUNTS: jsapi_write_counts(out, row, at); break;
    case JSAPI_OBJECT:
    case JSAPI_GROUP: jsapi_write_object(out, row->of.type, at); break;
    case JSAPI_POINTER: jsapi_write_pointer(out, row, at); break;
    case JSAPI_EMBED:
    case JSAPI_EMBED_PTR: RI_ASSERT(false); break;
    }
}

static void jsapi_write_rows(jsapi_writer *w, const ri_jsapi_type *type, const char *base)
{
    RI_ASSERT(type->nrows > 0);
    for (size_t i = 0; i < type->nrows; i++) {
        const jsapi_row *row = &type->rows[i];
        const char *at = base + row->offset;
        if (!row->name) {
            if (row->kind == JSAPI_EMBED_PTR) at = *(const char *const *)(const void *)at;
            if (at) jsapi_write_rows(w, row->of.type, at);
            continue;
        }
        if (row->flags & JSAPI_OMIT && jsapi_is_empty(row, at)) continue;
        ri_buffer_puts(w->out, w->begun ? ",\"" : "\"");
        ri_buffer_puts(w->out, row->name);
        ri_buffer_puts(w->out, "\":");
        jsapi_write_value(w->out, row, at);
        w->begun = true;
    }
}

static void jsapi_write_object(ri_buffer *out, const ri_jsapi_type *type, const char *base)
{
    jsapi_writer w = {.out = out};
    ri_buffer_puts(out, "{");
    jsapi_write_rows(&w, type, base);
    ri_buffer_puts(out, "}");
}

void ri_jsapi_encode(const ri_jsapi_type *type, const void *in, ri_buffer *out)
{
    RI_ASSERT(ri_buffer_is_sound(out));
    jsapi_write_object(out, type, in);
}
