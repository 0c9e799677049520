/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <jansson.h>

#include "base/assert.h"
#include "base/error.h"

/* A ri_json is a json_t under another name, so that no other file includes jansson. */
static json_t *json_of(const ri_json *value)
{
    return (json_t *)(void *)(uintptr_t)value;
}

void ri_json_seed(const ri_host *host)
{
    size_t seed = 0;
    host->entropy(host->arg, &seed, sizeof seed);
    json_object_seed(seed | 1); /* 0 would ask it for its own */
}

int ri_json_parse(ri_json **root, ri_str text)
{
    json_error_t error;
    *root = (ri_json *)(void *)json_loadb(text.len ? text.ptr : "", text.len,
                                          JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (*root) return RILL_OK;
    if (json_error_code(&error) == json_error_out_of_memory) return ri_err_nomem(text.len);
    return ri_err(RILL_EPROTO, "JSON, line %d, column %d: %s", error.line, error.column,
                  error.text);
}

void ri_json_free(ri_json *root)
{
    json_decref(json_of(root));
}

ri_json_kind ri_json_kind_of(const ri_json *value)
{
    if (!value) return RI_JSON_NULL;
    switch (json_typeof(json_of(value))) {
    case JSON_OBJECT: return RI_JSON_OBJECT;
    case JSON_ARRAY: return RI_JSON_ARRAY;
    case JSON_STRING: return RI_JSON_STRING;
    case JSON_INTEGER: return RI_JSON_INTEGER;
    case JSON_REAL: return RI_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE: return RI_JSON_BOOL;
    case JSON_NULL: return RI_JSON_NULL;
    }
    return RI_JSON_NULL;
}

const char *ri_json_kind_name(ri_json_kind kind)
{
    switch (kind) {
    case RI_JSON_NULL: return "null";
    case RI_JSON_BOOL: return "a boolean";
    case RI_JSON_INTEGER: return "an integer";
    case RI_JSON_REAL: return "a real number";
    case RI_JSON_STRING: return "a string";
    case RI_JSON_ARRAY: return "an array";
    case RI_JSON_OBJECT: return "an object";
    }
    return "nothing";
}

bool ri_json_bool(const ri_json *value)
{
    return json_is_true(json_of(value));
}

int64_t ri_json_integer(const ri_json *value)
{
    return json_integer_value(json_of(value));
}

double ri_json_real(const ri_json *value)
{
    return json_number_value(json_of(value));
}

ri_str ri_json_string(const ri_json *value)
{
    const char *text = json_string_value(json_of(value));
    return text ? (ri_str){text, json_string_length(json_of(value))} : RI_STR("");
}

size_t ri_json_len(const ri_json *value)
{
    json_t *json = json_of(value);
    return json_is_array(json) ? json_array_size(json) : json_object_size(json);
}

const ri_json *ri_json_at(const ri_json *array, size_t i)
{
    return (const ri_json *)(const void *)json_array_get(json_of(array), i);
}

const ri_json *ri_json_get(const ri_json *object, const char *name)
{
    json_t *exact = json_object_get(json_of(object), name);
    if (exact) return (const ri_json *)(const void *)exact;
    void *at = NULL;
    ri_str key;
    const ri_json *value;
    while (ri_json_next(object, &at, &key, &value))
        if (ri_str_eq_nocase(key, ri_str_of(name))) return value;
    return NULL;
}

bool ri_json_next(const ri_json *object, void **at, ri_str *name, const ri_json **value)
{
    json_t *json = json_of(object);
    void *next = *at ? json_object_iter_next(json, *at) : json_object_iter(json);
    *at = next;
    if (!next) return false;
    *name = ri_str_of(json_object_iter_key(next));
    *value = (const ri_json *)(const void *)json_object_iter_value(next);
    return true;
}

/* ---- Writing ---- */

size_t ri_json_utf8_len(const unsigned char *s, size_t len)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n == 0 || n > len || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : n;
}

static bool json_is_plain(unsigned char c)
{
    return c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* One ASCII character that may not stand for itself. */
static void json_put_escape(ri_buffer *out, unsigned char c)
{
    switch (c) {
    case '"': ri_buffer_puts(out, "\\\""); break;
    case '\\': ri_buffer_puts(out, "\\\\"); break;
    case '\b': ri_buffer_puts(out, "\\b"); break;
    case '\f': ri_buffer_puts(out, "\\f"); break;
    case '\n': ri_buffer_puts(out, "\\n"); break;
    case '\r': ri_buffer_puts(out, "\\r"); break;
    case '\t': ri_buffer_puts(out, "\\t"); break;
    default: ri_buffer_printf(out, "\\u%04x", c);
    }
}

void ri_json_put_string(ri_buffer *out, ri_str s)
{
    const unsigned char *u = (const unsigned char *)s.ptr;
    size_t start = 0; /* of bytes that stand for themselves and are not written yet */
    ri_buffer_puts(out, "\"");
    for (size_t i = 0; i < s.len;) {
        size_t n = ri_json_utf8_len(u + i, s.len - i);
        /* U+2028 and U+2029 end a line of JavaScript */
        bool line = n == 3 && u[i] == 0xe2 && u[i + 1] == 0x80 && (u[i + 2] & 0xfe) == 0xa8;
        if (n > 0 && !line && (n > 1 || json_is_plain(u[i]))) {
            i += n;
            continue;
        }
        if (i > start) ri_buffer_put(out, s.ptr + start, i - start);
        if (n == 0) ri_buffer_puts(out, "\\ufffd");
        else if (line) ri_buffer_printf(out, "\\u202%d", u[i + 2] & 0xf);
        else json_put_escape(out, u[i]);
        i += n ? n : 1;
        start = i;
    }
    if (s.len > start) ri_buffer_put(out, s.ptr + start, s.len - start);
    ri_buffer_puts(out, "\"");
}
