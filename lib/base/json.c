/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/number.h"

/* ---- Checking a text ---- */

typedef struct json_check {
    const char *at, *from, *end;
    const char *what;  /* what is wrong at `at`, or behind a word that begins there */
    uint64_t objects;  /* a bit for each level around: is it an object, or an array */
    unsigned depth;
} json_check;

static bool json_wrong(json_check *c, const char *what)
{
    c->what = what;
    return false;
}

static void json_blank(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\n' || **at == '\r' || **at == '\t')) ++*at;
}

static int json_hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits at `at`; -1 if they are not there. */
static int32_t json_hex4(const char *at, const char *end)
{
    int32_t code = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = json_hex(at[i]);
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* The character of an escape, of which `at` is the byte behind the backslash, and the bytes of
 * it behind the backslash; -1: there is no such escape. */
static int32_t json_escape(const char *at, const char *end, size_t *len)
{
    RI_ASSERT(at <= end);
    static const char plain[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    *len = 1;
    if (at == end) return -1;
    for (size_t i = 0; i + 1 < sizeof plain; i += 2)
        if (*at == plain[i]) return plain[i + 1];
    int32_t code = *at == 'u' ? json_hex4(at + 1, end) : -1;
    *len = 5;
    if (code < 0xd800 || code > 0xdfff) return code;
    int32_t low = -1; /* the second half of a character beyond 16 bits */
    if (code < 0xdc00 && end - at > 10 && at[5] == '\\' && at[6] == 'u')
        low = json_hex4(at + 7, end);
    *len = 11;
    if (low < 0xdc00 || low > 0xdfff) return -1;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* Does the byte stand for itself within a string? */
static bool json_stands(unsigned char c)
{
    return c >= ' ' && c < 0x80 && c != '"' && c != '\\';
}

/* Skip the bytes that stand for themselves, eight at a time. */
static const char *json_pass(const char *at, const char *end)
{
    const uint64_t each = UINT64_MAX / 255;
    for (uint64_t word; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        uint64_t low = word - each * ' ';
        uint64_t quote = (word ^ each * '"') - each, slash = (word ^ each * '\\') - each;
        if ((word | low | quote | slash) & each * 0x80) break;
    }
    while (at < end && json_stands((unsigned char)*at)) at++;
    return at;
}

static bool json_check_string(json_check *c)
{
    const char *at = c->at + 1, *end = c->end;
    for (;;) {
        at = json_pass(at, end);
        size_t len = 1;
        if (at == end) return json_wrong(c, "a string does not end");
        if (*at == '"') break;
        if (*at == '\\') {
            at++;
            if (json_escape(at, end, &len) < 0) return json_wrong(c, "invalid escape");
        } else if ((unsigned char)*at < ' ') {
            c->at = at;
            return json_wrong(c, "control character in a string");
        } else {
            len = ri_json_text_utf8_len((const unsigned char *)at, (size_t)(end - at));
            if (len == 0) {
                c->at = at;
                return json_wrong(c, "a string is not UTF-8");
            }
        }
        at += len;
    }
    c->at = at + 1;
    return true;
}

static const char *json_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at;
}

/* The end of the number at `at`; NULL: it is none. */
static const char *json_number(const char *at, const char *end)
{
    if (at < end && *at == '-') at++;
    const char *whole = at;
    at = json_digits(at, end);
    if (at == whole || (*whole == '0' && at - whole > 1)) return NULL;
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        at = json_digits(fraction, end);
        if (at == fraction) return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        const char *power = at;
        at = json_digits(power, end);
        if (at == power) return NULL;
    }
    return at;
}

static bool json_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A number, true, false or null. */
static bool json_check_scalar(json_check *c)
{
    static const ri_str words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    ri_str rest = {c->at, (size_t)(c->end - c->at)};
    const char *to = NULL;
    if (!json_is_letter(*c->at)) to = json_number(c->at, c->end);
    for (size_t i = 0; !to && i < RI_LEN(words); i++)
        if (ri_str_starts(rest, words[i])) to = c->at + words[i].len;
    if (!to || (to < c->end && json_is_letter(*to))) return json_wrong(c, "invalid token");
    c->at = to;
    return true;
}

static bool json_check_name(json_check *c)
{
    json_blank(&c->at, c->end);
    if (c->at == c->end || *c->at != '"') return json_wrong(c, "string or '}' expected");
    if (!json_check_string(c)) return false;
    json_blank(&c->at, c->end);
    if (c->at == c->end || *c->at != ':') return json_wrong(c, "':' expected");
    c->at++;
    return true;
}

/* Step into an object or array; *open: there is something in it. */
static bool json_check_enter(json_check *c, bool *open)
{
    RI_ASSERT(c->at < c->end && (*c->at == '{' || *c->at == '['));
    bool object = *c->at == '{';
    if (c->depth == RI_JSON_DEPTH_MAX) return json_wrong(c, "maximum parsing depth reached");
    c->at++;
    json_blank(&c->at, c->end);
    *open = c->at == c->end || *c->at != (object ? '}' : ']');
    if (!*open) {
        c->at++;
        return true;
    }
    c->objects = c->objects << 1 | object;
    c->depth++;
    return object ? json_check_name(c) : true;
}

/* Behind a value: out of all that end here, up to where the next one begins. */
static bool json_check_leave(json_check *c)
{
    for (; c->depth; c->depth--, c->objects >>= 1) {
        bool object = c->objects & 1;
        json_blank(&c->at, c->end);
        if (c->at < c->end && *c->at == ',') {
            c->at++;
            return object ? json_check_name(c) : true;
        }
        if (c->at == c->end || *c->at != (object ? '}' : ']'))
            return json_wrong(c, object ? "'}' expected" : "']' expected");
        c->at++;
    }
    return true;
}

static bool json_check_text(json_check *c)
{
    do {
        bool open = false;
        json_blank(&c->at, c->end);
        if (c->at == c->end) return json_wrong(c, "a value is missing");
        if (*c->at == '{' || *c->at == '[') {
            if (!json_check_enter(c, &open)) return false;
        } else if (*c->at == '"' ? !json_check_string(c) : !json_check_scalar(c)) {
            return false;
        }
        if (!open && !json_check_leave(c)) return false;
    } while (c->depth);
    json_blank(&c->at, c->end);
    return c->at == c->end || json_wrong(c, "end of file expected");
}

static RI_COLD int json_fail(const json_check *c)
{
    RI_ASSERT(c->what && c->at >= c->from && c->at <= c->end);
    enum { NEAR_MAX = 20 }; /* bytes that are quoted */
    unsigned line = 1, column = 0;
    const char *to = c->at;
    while (to < c->end && to - c->at < NEAR_MAX && json_is_letter(*to)) to++;
    if (to == c->at && to < c->end && *to > ' ' && *to < 0x7f) to++;
    for (const char *at = c->from; at < to; at++) {
        column = *at == '\n' ? 0 : column + 1;
        line += *at == '\n';
    }
    if (to == c->at)
        return ri_err(RILL_EPROTO, "JSON, line %u, column %u: %s", line, column, c->what);
    return ri_err(RILL_EPROTO, "JSON, line %u, column %u: %s near '%.*s'", line, column, c->what,
                  (int)(to - c->at), c->at);
}

int ri_json_parse(ri_json *root, ri_str text)
{
    const char *from = text.len ? text.ptr : "";
    json_check c = {.at = from, .from = from, .end = from + text.len};
    *root = (ri_json){NULL, NULL};
    if (!json_check_text(&c)) return json_fail(&c);
    json_blank(&from, c.end);
    *root = (ri_json){from, c.end};
    return RILL_OK;
}

/* ---- Values ---- */

/* Behind the quote that ends the string which begins at `at`. */
static const char *json_string_end(const char *at, const char *end)
{
    RI_ASSERT(*at == '"');
    for (at = json_pass(at + 1, end); *at != '"'; at = json_pass(at + 1, end))
        if (*at == '\\') at++;
    return at + 1;
}

static const char *json_scalar_end(const char *at, const char *end)
{
    while (at < end && *at > ' ' && *at != ',' && *at != ']' && *at != '}') at++;
    return at;
}

/* Behind a value. */
static const char *json_skip(ri_json value)
{
    const char *at = value.at;
    unsigned depth = 0;
    do {
        if (*at == '"') {
            at = json_string_end(at, value.end);
            continue;
        }
        if (*at == '{' || *at == '[') depth++;
        else if (*at == '}' || *at == ']') depth--;
        else if (depth == 0) return json_scalar_end(at, value.end);
        at++;
        RI_ASSERT(at <= value.end);
    } while (depth);
    return at;
}

ri_json_kind ri_json_kind_of(ri_json value)
{
    int64_t n;
    if (!value.at) return RI_JSON_NULL;
    switch (*value.at) {
    case '{': return RI_JSON_OBJECT;
    case '[': return RI_JSON_ARRAY;
    case '"': return RI_JSON_STRING;
    case 't':
    case 'f': return RI_JSON_BOOL;
    case 'n': return RI_JSON_NULL;
    default: return ri_number_read_i64(ri_json_literal(value), &n) ? RI_JSON_INTEGER : RI_JSON_REAL;
    }
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

bool ri_json_bool(ri_json value)
{
    return value.at && *value.at == 't';
}

int64_t ri_json_integer(ri_json value)
{
    int64_t n;
    return value.at && ri_number_read_i64(ri_json_literal(value), &n) ? n : 0;
}

ri_str ri_json_literal(ri_json value)
{
    if (!value.at) return RI_STR("");
    return (ri_str){value.at, (size_t)(json_skip(value) - value.at)};
}

/* ---- Strings ---- */

/* What stands between the quotes. */
static ri_str json_inside(ri_json value)
{
    if (!value.at || *value.at != '"') return RI_STR("");
    const char *from = value.at + 1;
    return (ri_str){from, (size_t)(json_string_end(value.at, value.end) - 1 - from)};
}

static size_t json_utf8(int32_t code, char out[4])
{
    RI_ASSERT(code >= 0 && code <= 0x10ffff);
    uint32_t u = (uint32_t)code;
    size_t len = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 1; u >>= 6) out[i] = (char)(0x80 | (u & 0x3f));
    out[0] = (char)(heads[len] | u);
    return len;
}

/* The next bytes of a string, cut off *rest: one that stands for itself, or an escape's. */
static size_t json_step(ri_str *rest, char out[4])
{
    RI_ASSERT(rest->len > 0);
    size_t len = 0, n = 1;
    out[0] = rest->ptr[0];
    if (out[0] == '\\') {
        const char *at = rest->ptr + 1;
        n = json_utf8(json_escape(at, rest->ptr + rest->len, &len), out);
    }
    RI_ASSERT(len + 1 <= rest->len && n > 0);
    *rest = ri_str_from(*rest, len + 1);
    return n;
}

size_t ri_json_copy(ri_json value, char *out, size_t size)
{
    size_t len = 0;
    char bytes[4];
    RI_ASSERT(size > 0);
    for (ri_str rest = json_inside(value); rest.len && len < size - 1;) {
        size_t n = json_step(&rest, bytes);
        for (size_t i = 0; i < n && len < size - 1; i++) out[len++] = bytes[i];
    }
    out[len] = 0;
    return len;
}

int ri_json_text(ri_json value, ri_arena *arena, ri_str *out)
{
    *out = json_inside(value);
    if (!out->len || !memchr(out->ptr, '\\', out->len)) return RILL_OK;
    return ri_json_string(value, arena, out);
}

int ri_json_string(ri_json value, ri_arena *arena, ri_str *out)
{
    ri_str inside = json_inside(value);
    *out = RI_STR("");
    char *copy = ri_arena_alloc(arena, inside.len + 1); /* an escape is longer than its character */
    if (!copy) return RILL_ENOMEM;
    *out = (ri_str){copy, inside.len};
    if (inside.len && memchr(inside.ptr, '\\', inside.len)) {
        out->len = ri_json_copy(value, copy, inside.len + 1);
        return RILL_OK;
    }
    if (inside.len) memcpy(copy, inside.ptr, inside.len);
    copy[inside.len] = 0;
    return RILL_OK;
}

static char json_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool json_same(ri_json value, ri_str text, bool exact)
{
    ri_str rest = json_inside(value);
    char bytes[4];
    if (exact && rest.len == text.len && !memchr(rest.ptr, '\\', rest.len))
        return memcmp(rest.ptr, text.ptr, text.len) == 0;
    while (rest.len) {
        size_t n = json_step(&rest, bytes);
        if (n > text.len) return false;
        for (size_t i = 0; i < n; i++)
            if (exact ? bytes[i] != text.ptr[i] : json_lower(bytes[i]) != json_lower(text.ptr[i]))
                return false;
        text = ri_str_from(text, n);
    }
    return text.len == 0;
}

bool ri_json_is(ri_json value, ri_str text)
{
    return ri_json_kind_of(value) == RI_JSON_STRING && json_same(value, text, true);
}

/* ---- Arrays and objects ---- */

ri_json ri_json_first(ri_json container)
{
    if (!container.at || (*container.at != '{' && *container.at != '['))
        return (ri_json){NULL, NULL};
    return (ri_json){container.at + 1, container.end};
}

/* Up to the next value or name; false where its container ends. */
static bool json_walk(ri_json *rest)
{
    if (!rest->at) return false;
    json_blank(&rest->at, rest->end);
    if (*rest->at == ',') rest->at++;
    json_blank(&rest->at, rest->end);
    if (*rest->at != '}' && *rest->at != ']') return true;
    rest->at = NULL;
    return false;
}

bool ri_json_item(ri_json *rest, ri_json *value)
{
    if (!json_walk(rest)) return false;
    *value = *rest;
    rest->at = json_skip(*value);
    return true;
}

bool ri_json_member(ri_json *rest, ri_json *name, ri_json *value)
{
    if (!ri_json_item(rest, name)) return false;
    json_blank(&rest->at, rest->end);
    RI_ASSERT(*rest->at == ':');
    rest->at++;
    json_blank(&rest->at, rest->end);
    *value = *rest;
    rest->at = json_skip(*value);
    return true;
}

size_t ri_json_len(ri_json container)
{
    ri_json name, value;
    size_t n = 0;
    ri_json rest = ri_json_first(container);
    bool object = ri_json_kind_of(container) == RI_JSON_OBJECT;
    while (object ? ri_json_member(&rest, &name, &value) : ri_json_item(&rest, &value)) n++;
    return n;
}

ri_json ri_json_get(ri_json object, const char *name)
{
    ri_json exact = {NULL, NULL}, like = {NULL, NULL}, key, value;
    ri_str text = ri_str_of(name);
    if (ri_json_kind_of(object) != RI_JSON_OBJECT) return exact;
    for (ri_json rest = ri_json_first(object); ri_json_member(&rest, &key, &value);) {
        if (json_same(key, text, true)) exact = value;
        else if (!like.at && json_same(key, text, false)) like = value;
    }
    return exact.at ? exact : like;
}

/* ---- Writing ---- */

void ri_json_put_string(ri_buffer *out, ri_str s)
{
    RI_ASSERT(ri_buffer_is_sound(out));
    char escape[RI_JSON_TEXT_ESCAPE];
    ri_buffer_puts(out, "\"");
    while (s.len) {
        size_t plain = ri_json_text_plain(s.ptr, s.len);
        ri_buffer_put(out, s.ptr, plain);
        s = ri_str_from(s, plain);
        if (!s.len) break;
        s = ri_str_from(s, ri_json_text_escape(s.ptr, s.len, escape));
        ri_buffer_puts(out, escape);
    }
    ri_buffer_puts(out, "\"");
}
