/* SPDX-License-Identifier: Apache-2.0 */
/* Deep copies and comparisons of the API's structs, by their tables. */
#include "base/assert.h"
#include "codec/jetstream/jsapi_table.h"

static int jsapi_copy_rows(const ri_jsapi_type *type, const char *in, ri_arena *arena, char *out);
static bool jsapi_equal_rows(const ri_jsapi_type *type, const char *a, const char *b);

static int jsapi_copy_str(const ri_str *in, ri_arena *arena, ri_str *out)
{
    *out = (ri_str){NULL, 0};
    if (!in->len) return RILL_OK;
    char *copy = ri_arena_copy(arena, in->ptr, in->len);
    if (!copy) return RILL_ENOMEM;
    *out = (ri_str){copy, in->len};
    return RILL_OK;
}

static int jsapi_copy_item(const jsapi_row *row, const void *list, uint32_t i, ri_arena *arena,
                           void *copies)
{
    int rc = RILL_OK;
    switch ((jsapi_kind)row->kind) {
    case JSAPI_STRS: return jsapi_copy_str((const ri_str *)list + i, arena, (ri_str *)copies + i);
    case JSAPI_MAP:
        rc = jsapi_copy_str(&((const ri_js_pair *)list)[i].value, arena,
                            &((ri_js_pair *)copies)[i].value);
        if (rc < 0) return rc;
        return jsapi_copy_str(&((const ri_js_pair *)list)[i].key, arena,
                              &((ri_js_pair *)copies)[i].key);
    case JSAPI_COUNTS:
        return jsapi_copy_str(&((const ri_js_count *)list)[i].subject, arena,
                              &((ri_js_count *)copies)[i].subject);
    case JSAPI_LIST:
        return jsapi_copy_rows(row->of.type, (const char *)list + (size_t)i * row->of.type->size,
                               arena, (char *)copies + (size_t)i * row->of.type->size);
    default: return RILL_OK; /* numbers were copied with the list */
    }
}

static size_t jsapi_list_item(const jsapi_row *row)
{
    return row->kind == JSAPI_STRS     ? sizeof(ri_str)
           : row->kind == JSAPI_INTS   ? sizeof(int64_t)
           : row->kind == JSAPI_MAP    ? sizeof(ri_js_pair)
           : row->kind == JSAPI_COUNTS ? sizeof(ri_js_count)
                                       : row->of.type->size;
}

static int jsapi_copy_list(const jsapi_row *row, const char *in, ri_arena *arena, char *out)
{
    const jsapi_list *list = (const jsapi_list *)(const void *)in;
    jsapi_list *copy = (jsapi_list *)(void *)out;
    *copy = (jsapi_list){NULL, 0};
    if (!list->len) return RILL_OK;
    RI_ASSERT(list->items);
    size_t bytes = list->len * jsapi_list_item(row);
    void *items = ri_arena_alloc(arena, bytes);
    if (!items) return RILL_ENOMEM;
    memcpy(items, list->items, bytes);
    for (uint32_t i = 0; i < list->len; i++) {
        int rc = jsapi_copy_item(row, list->items, i, arena, items);
        if (rc < 0) return rc;
    }
    *copy = (jsapi_list){items, list->len};
    return RILL_OK;
}

static int jsapi_copy_behind(size_t size, const char *in, ri_arena *arena, char *out)
{
    RI_ASSERT(size > 0);
    const void *from = *(const void *const *)(const void *)in;
    void *to = NULL;
    if (from) {
        to = ri_arena_alloc(arena, size);
        if (!to) return RILL_ENOMEM;
        memcpy(to, from, size);
    }
    *(void **)(void *)out = to;
    return RILL_OK;
}

static int jsapi_copy_value(const jsapi_row *row, const char *in, ri_arena *arena, char *out)
{
    int rc = RILL_OK;
    switch ((jsapi_kind)row->kind) {
    case JSAPI_STR:
    case JSAPI_BASE64:
        return jsapi_copy_str((const ri_str *)(const void *)in, arena, (ri_str *)(void *)out);
    case JSAPI_STRS:
    case JSAPI_INTS:
    case JSAPI_MAP:
    case JSAPI_COUNTS:
    case JSAPI_LIST: return jsapi_copy_list(row, in, arena, out);
    case JSAPI_ERROR: return jsapi_copy_behind(sizeof(ri_js_error), in, arena, out);
    case JSAPI_POINTER:
    case JSAPI_EMBED_PTR: {
        rc = jsapi_copy_behind(row->of.type->size, in, arena, out);
        const char *from = *(const char *const *)(const void *)in;
        if (rc < 0 || !from) return rc;
        return jsapi_copy_rows(row->of.type, from, arena, *(char **)(void *)out);
    }
    case JSAPI_OBJECT:
    case JSAPI_GROUP:
    case JSAPI_EMBED: return jsapi_copy_rows(row->of.type, in, arena, out);
    case JSAPI_BOOL:
    case JSAPI_INT:
    case JSAPI_INT32:
    case JSAPI_UINT:
    case JSAPI_TIME:
    case JSAPI_ENUM: return RILL_OK; /* copied with the struct */
    }
    return rc;
}

static int jsapi_copy_rows(const ri_jsapi_type *type, const char *in, ri_arena *arena, char *out)
{
    RI_ASSERT(type->nrows > 0);
    for (size_t i = 0; i < type->nrows; i++) {
        const jsapi_row *row = &type->rows[i];
        int rc = jsapi_copy_value(row, in + row->offset, arena, out + row->offset);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

size_t ri_jsapi_size(const ri_jsapi_type *type)
{
    return type->size;
}

int ri_jsapi_copy(const ri_jsapi_type *type, const void *in, ri_arena *arena, void *out)
{
    RI_ASSERT(in != out);
    memcpy(out, in, type->size);
    return jsapi_copy_rows(type, in, arena, out);
}

/* ---- Comparing ---- */

static bool jsapi_str_eq(const void *a, const void *b)
{
    return ri_str_eq(*(const ri_str *)a, *(const ri_str *)b);
}

/* The next pair at or after *i that is not the server's own. */
static const ri_js_pair *jsapi_pair(const jsapi_list *map, uint32_t *i)
{
    const ri_js_pair *pairs = map->items;
    while (*i < map->len && ri_str_starts(pairs[*i].key, RI_STR("_nats."))) ++*i;
    return *i < map->len ? &pairs[(*i)++] : NULL;
}

static bool jsapi_equal_map(const jsapi_list *a, const jsapi_list *b)
{
    for (uint32_t i = 0, j = 0;;) {
        const ri_js_pair *x = jsapi_pair(a, &i), *y = jsapi_pair(b, &j);
        if (!x || !y) return x == y;
        if (!ri_str_eq(x->key, y->key) || !ri_str_eq(x->value, y->value)) return false;
    }
}

static bool jsapi_equal_list(const jsapi_row *row, const jsapi_list *a, const jsapi_list *b)
{
    if (row->kind == JSAPI_MAP) return jsapi_equal_map(a, b);
    if (a->len != b->len) return false;
    for (uint32_t i = 0; i < a->len; i++) {
        size_t at = (size_t)i * jsapi_list_item(row);
        const char *x = (const char *)a->items + at, *y = (const char *)b->items + at;
        bool same = row->kind == JSAPI_INTS   ? memcmp(x, y, sizeof(int64_t)) == 0
                    : row->kind == JSAPI_LIST ? jsapi_equal_rows(row->of.type, x, y)
                                              : jsapi_str_eq(x, y);
        if (!same) return false;
        if (row->kind == JSAPI_COUNTS && ((const ri_js_count *)(const void *)x)->count !=
                                             ((const ri_js_count *)(const void *)y)->count)
            return false;
    }
    return true;
}

static bool jsapi_equal_value(const jsapi_row *row, const char *a, const char *b)
{
    switch ((jsapi_kind)row->kind) {
    case JSAPI_STR:
    case JSAPI_BASE64: return jsapi_str_eq(a, b);
    case JSAPI_BOOL: return *(const bool *)a == *(const bool *)b;
    case JSAPI_INT:
    case JSAPI_UINT:
    case JSAPI_TIME: return memcmp(a, b, sizeof(int64_t)) == 0;
    case JSAPI_INT32:
    case JSAPI_ENUM: return memcmp(a, b, sizeof(int32_t)) == 0;
    case JSAPI_STRS:
    case JSAPI_INTS:
    case JSAPI_MAP:
    case JSAPI_COUNTS:
    case JSAPI_LIST: return jsapi_equal_list(row, (const void *)a, (const void *)b);
    case JSAPI_OBJECT:
    case JSAPI_GROUP:
    case JSAPI_EMBED: return jsapi_equal_rows(row->of.type, a, b);
    case JSAPI_ERROR:
    case JSAPI_POINTER:
    case JSAPI_EMBED_PTR: break;
    }
    const char *x = *(const char *const *)(const void *)a;
    const char *y = *(const char *const *)(const void *)b;
    if (!x || !y) return x == y;
    if (row->kind != JSAPI_ERROR) return jsapi_equal_rows(row->of.type, x, y);
    return ((const ri_js_error *)(const void *)x)->err_code ==
           ((const ri_js_error *)(const void *)y)->err_code;
}

static bool jsapi_equal_rows(const ri_jsapi_type *type, const char *a, const char *b)
{
    RI_ASSERT(type->nrows > 0);
    for (size_t i = 0; i < type->nrows; i++) {
        const jsapi_row *row = &type->rows[i];
        if (!jsapi_equal_value(row, a + row->offset, b + row->offset)) return false;
    }
    return true;
}

bool ri_jsapi_equal(const ri_jsapi_type *type, const void *a, const void *b)
{
    return jsapi_equal_rows(type, a, b);
}
