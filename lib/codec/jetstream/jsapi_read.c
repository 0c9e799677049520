/* SPDX-License-Identifier: Apache-2.0 */
/* JSON to struct by the tables, with the sentences of nats-server's decoder for what is wrong:
 * clients and test suites of that world compare them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "codec/jetstream/jsapi_table.h"
#include "codec/limits.h"

enum { JSAPI_PATH_MAX = 200, JSAPI_NUMBER_MAX = 40 };

typedef struct jsapi_reader {
    ri_arena *arena;
    bool strict;
    bool answer; /* of a server: what it says is taken as far as it can be */
    char path[JSAPI_PATH_MAX]; /* names of the fields around, with their dots, for errors */
    size_t path_len;
    const ri_jsapi_type *around; /* the struct that holds the field being read */
} jsapi_reader;

/* Where a member belongs. */
typedef struct jsapi_place {
    const jsapi_row *row;
    const jsapi_row *around; /* the row that embeds the struct which holds it; NULL: none does */
} jsapi_place;

static int jsapi_read_object(jsapi_reader *r, const ri_jsapi_type *type, ri_json value,
                             char *base);

static int jsapi_nomem(void)
{
    return RILL_ENOMEM; /* the arena's allocation made the sentence */
}

static const char *jsapi_go_kind(ri_json value)
{
    switch (ri_json_kind_of(value)) {
    case RI_JSON_NULL: return "null";
    case RI_JSON_BOOL: return "bool";
    case RI_JSON_INTEGER:
    case RI_JSON_REAL: return "number";
    case RI_JSON_STRING: return "string";
    case RI_JSON_ARRAY: return "array";
    case RI_JSON_OBJECT: return "object";
    }
    return "value";
}

static int jsapi_mismatch(const jsapi_reader *r, ri_json value, bool literal,
                          const char *want)
{
    RI_ASSERT(want && want[0]);
    char number[JSAPI_NUMBER_MAX] = "";
    if (literal)
        snprintf(number, sizeof number, " %.*s", RI_ARG(ri_json_literal(value)));
    if (!r->around)
        return ri_err(RILL_EPROTO, "json: cannot unmarshal %s into Go value of type server.%s",
                      jsapi_go_kind(value), want);
    return ri_err(RILL_EPROTO,
                  "json: cannot unmarshal %s%s into Go struct field %s.%.*s of type %s",
                  jsapi_go_kind(value), number, r->around->word, (int)r->path_len, r->path, want);
}

/* How well a name fits a row. Clients write names in any case; one that is the same goes first. */
typedef enum jsapi_fit { JSAPI_OTHER, JSAPI_ALIKE, JSAPI_SAME } jsapi_fit;

/* A request may have very many names that fit none: most rows are ruled out by one byte. */
static jsapi_fit jsapi_fit_of(const char *field, ri_str name)
{
    if (!name.len || (field[0] ^ name.ptr[0]) & ~('a' ^ 'A')) return JSAPI_OTHER;
    if (!ri_str_eq_nocase(ri_str_of(field), name)) return JSAPI_OTHER;
    return memcmp(field, name.ptr, name.len) == 0 ? JSAPI_SAME : JSAPI_ALIKE;
}

static jsapi_fit jsapi_find(const ri_jsapi_type *type, ri_str name, jsapi_place *place)
{
    RI_ASSERT(type->nrows > 0);
    jsapi_fit best = JSAPI_OTHER;
    for (size_t i = 0; i < type->nrows && best != JSAPI_SAME; i++) {
        const jsapi_row *row = &type->rows[i];
        jsapi_place at = {.row = row};
        jsapi_fit fit = row->name ? jsapi_fit_of(row->name, name)
                                  : jsapi_find(row->of.type, name, &at);
        if (fit <= best) continue;
        RI_ASSERT(!at.around); /* what is embedded embeds nothing */
        if (!row->name) at.around = row;
        best = fit;
        *place = at;
    }
    return best;
}

/* The struct that holds the member; NULL: there is no memory for it. */
static char *jsapi_holder(const jsapi_reader *r, const jsapi_place *place, char *base)
{
    const jsapi_row *around = place->around;
    if (!around) return base;
    RI_ASSERT(around->kind == JSAPI_EMBED || around->kind == JSAPI_EMBED_PTR);
    void **at = (void **)(void *)(base + around->offset);
    if (around->kind == JSAPI_EMBED) return base + around->offset;
    if (!*at && (*at = ri_arena_alloc(r->arena, around->of.type->size)) != NULL)
        memset(*at, 0, around->of.type->size);
    return *at;
}

static int jsapi_read_string(jsapi_reader *r, ri_json value, ri_str *out)
{
    if (ri_json_kind_of(value) != RI_JSON_STRING) return jsapi_mismatch(r, value, false, "string");
    return ri_json_string(value, r->arena, out);
}

/* The number that the field can hold and that is nearest; false: it is no whole number. */
static bool jsapi_read_nearest(ri_json value, jsapi_kind kind, char *at)
{
    ri_str digits = ri_json_literal(value);
    bool below = digits.len && digits.ptr[0] == '-';
    if (below) digits = ri_str_from(digits, 1);
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') return false;
    uint64_t n, most = kind == JSAPI_INT32 ? INT32_MAX
                       : kind == JSAPI_UINT ? UINT64_MAX : INT64_MAX;
    if (!ri_number_read(digits, &n)) n = UINT64_MAX;
    n = RI_MIN(n, most);
    int64_t is = kind == JSAPI_UINT && below ? 0 : below ? -(int64_t)n : (int64_t)n;
    int32_t small = (int32_t)is;
    if (kind == JSAPI_INT32) memcpy(at, &small, sizeof small);
    else memcpy(at, &is, sizeof is);
    return true;
}

static int jsapi_read_int(jsapi_reader *r, ri_json value, const jsapi_row *row, char *at)
{
    const char *word = row->kind == JSAPI_UINT    ? "uint64"
                       : row->kind == JSAPI_INT32 ? "int32"
                       : row->of.word             ? row->of.word
                                                  : "int";
    ri_json_kind kind = ri_json_kind_of(value);
    if (r->answer && (kind == RI_JSON_INTEGER || kind == RI_JSON_REAL) &&
        jsapi_read_nearest(value, (jsapi_kind)row->kind, at)) return RILL_OK;
    if (kind != RI_JSON_INTEGER) return jsapi_mismatch(r, value, kind == RI_JSON_REAL, word);
    int64_t n = ri_json_integer(value);
    if (row->kind == JSAPI_INT32) {
        if (n < INT32_MIN || n > INT32_MAX) return jsapi_mismatch(r, value, true, word);
        *(int32_t *)(void *)at = (int32_t)n;
        return RILL_OK;
    }
    if (row->kind == JSAPI_UINT && n < 0) return jsapi_mismatch(r, value, true, word);
    memcpy(at, &n, sizeof n);
    return RILL_OK;
}

static int jsapi_read_time(jsapi_reader *r, ri_json value, int64_t *out)
{
    ri_str s;
    if (ri_json_kind_of(value) != RI_JSON_STRING)
        return ri_err(RILL_EPROTO, "Time.UnmarshalJSON: input is not a JSON string");
    if (ri_json_text(value, r->arena, &s) < 0) return jsapi_nomem();
    if (!ri_rfc3339_read(s, out))
        return ri_err(RILL_EPROTO,
                      "parsing time \"%.*s\" as \"2006-01-02T15:04:05Z07:00\": cannot parse "
                      "\"%.*s\" as \"2006\"", RI_ARG(s), RI_ARG(s));
    if (*out == 0) *out = 1; /* 0 is "not given" */
    return RILL_OK;
}

/* The text of a value as it stood in the request, for the errors that quote it. */
static void jsapi_quote(ri_json value, bool raw, ri_buffer *out)
{
    ri_str s = ri_json_literal(value);
    switch (ri_json_kind_of(value)) {
    case RI_JSON_STRING:
        s = (ri_str){s.ptr + 1, s.len - 2};
        ri_buffer_puts(out, raw ? "\\\"" : "\"");
        ri_buffer_put_str(out, s);
        ri_buffer_puts(out, raw ? "\\\"" : "\"");
        break;
    case RI_JSON_INTEGER:
    case RI_JSON_REAL:
    case RI_JSON_BOOL: ri_buffer_put_str(out, s); break;
    case RI_JSON_ARRAY: ri_buffer_puts(out, "[]"); break;
    case RI_JSON_OBJECT: ri_buffer_puts(out, "{}"); break;
    case RI_JSON_NULL: ri_buffer_puts(out, "null"); break;
    }
}

static int jsapi_bad_enum(const jsapi_reader *r, const jsapi_names *names, ri_json value)
{
    ri_buffer quoted;
    ri_buffer_init(&quoted, r->arena->host);
    jsapi_quote(value, !names->bad, &quoted);
    int rc = quoted.failed ? RILL_ENOMEM : RILL_EPROTO;
    ri_str q = ri_buffer_str(&quoted);
    if (rc != RILL_ENOMEM) {
        const char *percent = names->bad ? strchr(names->bad, '%') : NULL;
        if (!names->bad)
            ri_err(rc, "can not unmarshal \"%.*s\"", RI_ARG(q));
        else if (!percent)
            ri_err(rc, "%s", names->bad);
        else
            ri_err(rc, "%.*s%.*s", (int)(percent - names->bad), names->bad, RI_ARG(q));
    }
    ri_buffer_fini(&quoted);
    return rc;
}

static int jsapi_read_enum(const jsapi_reader *r, const jsapi_names *names, ri_json value,
                           char *at)
{
    RI_ASSERT(names->len > 0);
    if (ri_json_kind_of(value) == RI_JSON_STRING) {
        bool empty = ri_json_is(value, RI_STR(""));
        for (uint32_t i = 0; i < names->len; i++) {
            /* An empty name is how older clients spell the first value. */
            if (!ri_json_is(value, ri_str_of(names->names[i])) && (!empty || i || !names->bad))
                continue;
            memcpy(at, &i, sizeof i);
            return RILL_OK;
        }
    } else if (names->bad && !strchr(names->bad, '%')) {
        return jsapi_mismatch(r, value, false, "string");
    }
    if (r->answer && ri_json_kind_of(value) == RI_JSON_STRING) return RILL_OK; /* a newer word */
    return jsapi_bad_enum(r, names, value);
}

static int jsapi_read_base64(jsapi_reader *r, ri_json value, ri_str *out)
{
    if (ri_json_kind_of(value) != RI_JSON_STRING) return jsapi_mismatch(r, value, false, "[]uint8");
    ri_str s;
    if (ri_json_text(value, r->arena, &s) < 0) return jsapi_nomem();
    char *bytes = ri_arena_alloc(r->arena, ri_base64_size(s));
    if (!bytes) return jsapi_nomem();
    *out = (ri_str){bytes, 0};
    return ri_base64_read(s, bytes, &out->len);
}

static int jsapi_read_error(jsapi_reader *r, ri_json value, ri_js_error **out)
{
    if (ri_json_kind_of(value) != RI_JSON_OBJECT)
        return jsapi_mismatch(r, value, false, "server.ApiError");
    ri_js_error *e = ri_arena_alloc(r->arena, sizeof *e);
    if (!e) return jsapi_nomem();
    ri_jserror_read(e, value);
    *out = e;
    return RILL_OK;
}

/* ---- Lists and maps ---- */

static size_t jsapi_item_size(const jsapi_row *row)
{
    switch ((jsapi_kind)row->kind) {
    case JSAPI_STRS: return sizeof(ri_str);
    case JSAPI_INTS: return sizeof(int64_t);
    case JSAPI_MAP: return sizeof(ri_js_pair);
    case JSAPI_COUNTS: return sizeof(ri_js_count);
    case JSAPI_LIST: return row->of.type->size;
    default: break;
    }
    RI_ASSERT(false);
    return 0;
}

static int jsapi_read_item(jsapi_reader *r, const jsapi_row *row, ri_json value, char *at)
{
    if (ri_json_kind_of(value) == RI_JSON_NULL) return RILL_OK;
    if (row->kind == JSAPI_STRS) return jsapi_read_string(r, value, (ri_str *)(void *)at);
    if (row->kind == JSAPI_LIST) {
        if (ri_json_kind_of(value) != RI_JSON_OBJECT) {
            char word[80];
            snprintf(word, sizeof word, "server.%s", row->of.type->word);
            return jsapi_mismatch(r, value, false, word);
        }
        return jsapi_read_object(r, row->of.type, value, at);
    }
    jsapi_row item = {.kind = row->flags & JSAPI_UNSIGNED ? JSAPI_UINT : JSAPI_INT,
                      .of.word = "time.Duration"};
    return jsapi_read_int(r, value, &item, at);
}

static int jsapi_read_list(jsapi_reader *r, const jsapi_row *row, ri_json value, char *at)
{
    if (ri_json_kind_of(value) != RI_JSON_ARRAY) {
        char word[80];
        if (row->kind == JSAPI_LIST)
            snprintf(word, sizeof word, "[]%sserver.%s",
                     row->of.type == &ri_jsapi_source ? "*" : "", row->of.type->word);
        return jsapi_mismatch(r, value, false,
                              row->kind == JSAPI_STRS             ? "[]string"
                              : row->kind == JSAPI_LIST           ? word
                              : row->flags & JSAPI_UNSIGNED ? "[]uint64"
                                                                  : "[]time.Duration");
    }
    size_t n = ri_json_len(value), size = jsapi_item_size(row);
    jsapi_list *list = (jsapi_list *)(void *)at;
    if (n == 0) return RILL_OK;
    size_t bytes = ri_size_mul(n, size);
    if (bytes > RI_LIMIT_JS_LIST_BYTES) return ri_err(RILL_EPROTO, "a list of %zu items", n);
    char *items = ri_arena_alloc(r->arena, bytes);
    if (!items) return jsapi_nomem();
    memset(items, 0, bytes);
    ri_json rest = ri_json_first(value), item;
    for (size_t i = 0; ri_json_item(&rest, &item); i++) {
        int rc = jsapi_read_item(r, row, item, items + i * size);
        if (rc < 0) return rc;
    }
    *list = (jsapi_list){items, (uint32_t)n};
    return RILL_OK;
}

typedef struct jsapi_member { /* of a map that is being read */
    ri_str key;
    ri_json value;
} jsapi_member;

/* By key; of one key in the order of the text. */
static int jsapi_by_key(const void *a, const void *b)
{
    const jsapi_member *x = a, *y = b;
    int order = ri_str_cmp(x->key, y->key);
    return order ? order : x->value.at < y->value.at ? -1 : 1;
}

/* The members in order, of one key the last. */
static int jsapi_sort_map(jsapi_reader *r, ri_json map, jsapi_member *members, size_t *n)
{
    ri_json rest = ri_json_first(map), name;
    for (size_t i = 0; ri_json_member(&rest, &name, &members[i].value); i++)
        if (ri_json_string(name, r->arena, &members[i].key) < 0) return jsapi_nomem();
    qsort(members, *n, sizeof *members, jsapi_by_key);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (i + 1 == *n || !ri_str_eq(members[i].key, members[i + 1].key))
            members[kept++] = members[i];
    *n = kept;
    return RILL_OK;
}

static int jsapi_read_members(jsapi_reader *r, const jsapi_row *row, const jsapi_member *members,
                              size_t n, char *items)
{
    RI_ASSERT(row->kind == JSAPI_MAP || row->kind == JSAPI_COUNTS);
    static const jsapi_row number = {.kind = JSAPI_UINT};
    size_t size = jsapi_item_size(row);
    for (size_t i = 0; i < n; i++, items += size) {
        *(ri_str *)(void *)items = members[i].key;
        ri_json value = members[i].value;
        if (ri_json_kind_of(value) == RI_JSON_NULL) continue;
        int rc = row->kind == JSAPI_COUNTS
                     ? jsapi_read_int(r, value, &number, items + offsetof(ri_js_count, count))
                     : jsapi_read_string(r, value, &((ri_js_pair *)(void *)items)->value);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

static int jsapi_read_map(jsapi_reader *r, const jsapi_row *row, ri_json value, char *at)
{
    RI_ASSERT(row->kind == JSAPI_MAP || row->kind == JSAPI_COUNTS);
    bool counts = row->kind == JSAPI_COUNTS;
    if (ri_json_kind_of(value) != RI_JSON_OBJECT)
        return jsapi_mismatch(r, value, false, counts ? "map[string]uint64" : "map[string]string");
    size_t n = ri_json_len(value), all = n, size = jsapi_item_size(row);
    if (n == 0) return RILL_OK;
    const ri_host *host = r->arena->host;
    jsapi_member *members = ri_alloc(host, ri_size_mul(n, sizeof *members));
    char *items = members ? ri_arena_alloc(r->arena, ri_size_mul(n, size)) : NULL;
    int rc = items ? jsapi_sort_map(r, value, members, &n) : jsapi_nomem();
    if (rc == RILL_OK) {
        memset(items, 0, n * size);
        rc = jsapi_read_members(r, row, members, n, items);
    }
    if (rc == RILL_OK) *(jsapi_list *)(void *)at = (jsapi_list){items, (uint32_t)n};
    ri_free(host, members, all * sizeof *members);
    return rc;
}

/* ---- Objects ---- */

static int jsapi_read_inner(jsapi_reader *r, const jsapi_row *row, ri_json value, char *at)
{
    const ri_jsapi_type *type = row->of.type;
    if (ri_json_kind_of(value) != RI_JSON_OBJECT) {
        char word[80];
        snprintf(word, sizeof word, "server.%s", type->word);
        return jsapi_mismatch(r, value, false, word);
    }
    if (row->kind == JSAPI_POINTER) {
        char *inner = ri_arena_alloc(r->arena, type->size);
        if (!inner) return jsapi_nomem();
        memset(inner, 0, type->size);
        *(void **)(void *)at = inner;
        at = inner;
    }
    return jsapi_read_object(r, type, value, at);
}

static int jsapi_read_value(jsapi_reader *r, const jsapi_row *row, ri_json value, char *at)
{
    switch ((jsapi_kind)row->kind) {
    case JSAPI_STR: return jsapi_read_string(r, value, (ri_str *)(void *)at);
    case JSAPI_BOOL:
        if (ri_json_kind_of(value) != RI_JSON_BOOL) return jsapi_mismatch(r, value, false, "bool");
        *(bool *)at = ri_json_bool(value);
        return RILL_OK;
    case JSAPI_INT:
    case JSAPI_INT32:
    case JSAPI_UINT: return jsapi_read_int(r, value, row, at);
    case JSAPI_TIME: return jsapi_read_time(r, value, (int64_t *)(void *)at);
    case JSAPI_ENUM: return jsapi_read_enum(r, row->of.names, value, at);
    case JSAPI_BASE64: return jsapi_read_base64(r, value, (ri_str *)(void *)at);
    case JSAPI_ERROR: return jsapi_read_error(r, value, (ri_js_error **)(void *)at);
    case JSAPI_STRS:
    case JSAPI_INTS:
    case JSAPI_LIST: return jsapi_read_list(r, row, value, at);
    case JSAPI_MAP:
    case JSAPI_COUNTS: return jsapi_read_map(r, row, value, at);
    case JSAPI_OBJECT:
    case JSAPI_GROUP:
    case JSAPI_POINTER: return jsapi_read_inner(r, row, value, at);
    case JSAPI_EMBED:
    case JSAPI_EMBED_PTR: break;
    }
    RI_ASSERT(false);
    return RILL_EBUG;
}

static void jsapi_path_add(jsapi_reader *r, const char *embedded, const char *name)
{
    RI_ASSERT(r->path_len < sizeof r->path);
    int n = snprintf(r->path + r->path_len, sizeof r->path - r->path_len, "%s%s%s%s",
                     r->path_len ? "." : "", embedded ? embedded : "", embedded ? "." : "", name);
    r->path_len = RI_MIN(r->path_len + (size_t)RI_MAX(n, 0), sizeof r->path - 1);
}

static int jsapi_read_member(jsapi_reader *r, const ri_jsapi_type *type, ri_str name,
                             ri_json value, char *base)
{
    jsapi_place place = {0};
    if (jsapi_find(type, name, &place) == JSAPI_OTHER)
        return r->strict ? ri_err(RILL_EPROTO, "json: unknown field \"%.*s\"", RI_ARG(name))
                         : RILL_OK;
    char *holder = jsapi_holder(r, &place, base);
    if (!holder) return jsapi_nomem();
    if (ri_json_kind_of(value) == RI_JSON_NULL) return RILL_OK;
    const ri_jsapi_type *around = r->around;
    size_t path_len = r->path_len;
    r->around = type;
    jsapi_path_add(r, place.around ? place.around->of.type->word : NULL, place.row->name);
    int rc = jsapi_read_value(r, place.row, value, holder + place.row->offset);
    r->around = around;
    r->path_len = path_len;
    return rc;
}

static int jsapi_read_object(jsapi_reader *r, const ri_jsapi_type *type, ri_json value,
                             char *base)
{
    RI_ASSERT(ri_json_kind_of(value) == RI_JSON_OBJECT);
    ri_str text;
    ri_json rest = ri_json_first(value), name, member;
    while (ri_json_member(&rest, &name, &member)) {
        if (ri_json_text(name, r->arena, &text) < 0) return jsapi_nomem();
        int rc = jsapi_read_member(r, type, text, member, base);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

static int jsapi_decode(const ri_jsapi_type *type, ri_str json, jsapi_reader *r, void *out)
{
    RI_ASSERT(r->arena->host);
    RI_ASSERT(type->size > 0 && type->nrows > 0);
    memset(out, 0, type->size);
    while (json.len && strchr(" \t\r\n", json.ptr[0]) && json.ptr[0]) json = ri_str_from(json, 1);
    if (!json.len) return RILL_OK; /* no text at all is an empty request */
    ri_json root;
    int rc = ri_json_parse(&root, json);
    if (rc < 0) return rc;
    if (ri_json_kind_of(root) == RI_JSON_OBJECT)
        rc = jsapi_read_object(r, type, root, out);
    else if (ri_json_kind_of(root) != RI_JSON_NULL)
        rc = jsapi_mismatch(r, root, false, type->word);
    return rc;
}

int ri_jsapi_decode(const ri_jsapi_type *type, ri_str json, bool strict, ri_arena *arena, void *out)
{
    jsapi_reader r = {.arena = arena, .strict = strict};
    return jsapi_decode(type, json, &r, out);
}

int ri_jsapi_decode_answer(const ri_jsapi_type *type, ri_str json, ri_arena *arena, void *out)
{
    jsapi_reader r = {.arena = arena, .answer = true};
    return jsapi_decode(type, json, &r, out);
}
