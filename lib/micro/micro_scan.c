/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro_scan.h"

#include "base/assert.h"
#include "base/number.h"

typedef struct micro_scan {
    const char *at, *end;
} micro_scan;

static void micro_scan_blanks(micro_scan *scan)
{
    while (scan->at < scan->end && (unsigned char)*scan->at <= ' ') scan->at++;
}

/* Behind the opening quote: the text up to the closing one, which is passed. */
static bool micro_scan_text(micro_scan *scan, ri_str *text)
{
    RI_ASSERT(scan->at <= scan->end);
    const char *from = scan->at;
    for (; scan->at < scan->end; scan->at++) {
        if (*scan->at == '\\' && scan->at + 1 < scan->end) {
            scan->at++;
        } else if (*scan->at == '"') {
            *text = (ri_str){from, (size_t)(scan->at++ - from)};
            return true;
        }
    }
    return false;
}

/* An object or list, its brace included; braces within texts do not count. */
static bool micro_scan_nest(micro_scan *scan, ri_str *value)
{
    RI_ASSERT(scan->at < scan->end && (*scan->at == '{' || *scan->at == '['));
    const char *from = scan->at;
    ri_str text;
    for (size_t depth = 0; scan->at < scan->end;) {
        char c = *scan->at++;
        if (c == '"' && !micro_scan_text(scan, &text)) return false;
        if (c == '{' || c == '[') depth++;
        if ((c == '}' || c == ']') && --depth == 0) {
            *value = (ri_str){from, (size_t)(scan->at - from)};
            return true;
        }
    }
    return false;
}

static bool micro_scan_value(micro_scan *scan, ri_str *value)
{
    micro_scan_blanks(scan);
    if (scan->at == scan->end) return false;
    if (*scan->at == '"') {
        scan->at++;
        return micro_scan_text(scan, value);
    }
    if (*scan->at == '{' || *scan->at == '[') return micro_scan_nest(scan, value);
    const char *from = scan->at;
    while (scan->at < scan->end && *scan->at != ',' && *scan->at != '}' &&
           (unsigned char)*scan->at > ' ')
        scan->at++;
    *value = (ri_str){from, (size_t)(scan->at - from)};
    return scan->at < scan->end && value->len > 0;
}

bool ri_micro_scan_find(ri_str json, const char *name, ri_str *value)
{
    RI_ASSERT(json.ptr || json.len == 0);
    micro_scan scan = {json.ptr, json.ptr + json.len};
    ri_str key;
    *value = RI_STR_NONE;
    micro_scan_blanks(&scan);
    if (scan.at == scan.end || *scan.at != '{') return false;
    for (;;) {
        scan.at++; /* the brace or comma */
        micro_scan_blanks(&scan);
        if (scan.at == scan.end || *scan.at++ != '"' || !micro_scan_text(&scan, &key)) return false;
        micro_scan_blanks(&scan);
        if (scan.at == scan.end || *scan.at++ != ':') return false;
        if (!micro_scan_value(&scan, value)) break;
        if (ri_str_is(key, name)) return true;
        micro_scan_blanks(&scan);
        if (scan.at == scan.end || *scan.at != ',') break;
    }
    *value = RI_STR_NONE;
    return false;
}

bool ri_micro_scan_number(ri_str json, const char *name, uint64_t *n)
{
    ri_str value;
    return ri_micro_scan_find(json, name, &value) && ri_number_read(value, n);
}

bool ri_micro_scan_is_true(ri_str json, const char *name)
{
    ri_str value;
    return ri_micro_scan_find(json, name, &value) && ri_str_is(value, "true");
}

static bool micro_scan_needs_u(unsigned char c)
{
    return c < ' ' || c == 0x7f;
}

size_t ri_micro_scan_quoted(ri_str text)
{
    size_t n = text.len;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        n += micro_scan_needs_u(c) ? 5 : (size_t)(c == '"' || c == '\\');
    }
    return n;
}

char *ri_micro_scan_quote(char *out, ri_str text)
{
    RI_ASSERT(text.ptr || text.len == 0);
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (micro_scan_needs_u(c)) {
            memcpy(out, "\\u00", 4);
            out[4] = digits[c >> 4];
            out[5] = digits[c & 15];
            out += 6;
            continue;
        }
        if (c == '"' || c == '\\') *out++ = '\\';
        *out++ = (char)c;
    }
    return out;
}
