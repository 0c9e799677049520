/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/nats/headers.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/nats/headers_private.h"

#define HEADERS_FIRST RI_STR(RI_HEADERS_FIRST)
#define HEADERS_CRLF RI_STR("\r\n")

/* Where the next CRLF is, or NULL. */
static const char *headers_crlf(const char *at, const char *end)
{
    RI_ASSERT(at <= end);
    while (end - at >= 2) {
        const char *cr = memchr(at, '\r', (size_t)(end - at) - 1);
        if (!cr) return NULL;
        if (cr[1] == '\n') return cr;
        at = cr + 1;
    }
    return NULL;
}

/* Cut the next line, without its CRLF, off *rest; false if there is no whole one. */
bool ri_headers_line(ri_str *rest, ri_str *line)
{
    if (rest->len == 0) return false;
    const char *end = rest->ptr + rest->len;
    const char *cr = headers_crlf(rest->ptr, end);
    if (!cr) return false;
    *line = (ri_str){rest->ptr, (size_t)(cr - rest->ptr)};
    RI_ASSERT(line->len + 2 <= rest->len);
    *rest = (ri_str){cr + 2, (size_t)(end - cr) - 2};
    return true;
}

bool ri_headers_split(ri_str line, rill_header *header)
{
    const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
    if (!colon || colon == line.ptr) return false;
    const char *end = line.ptr + line.len, *value = colon + 1;
    while (value < end && *value == ' ') value++;
    header->name = (ri_str){line.ptr, (size_t)(colon - line.ptr)};
    RI_ASSERT(header->name.len > 0 && header->name.len < line.len);
    header->value = (ri_str){value, (size_t)(end - value)};
    return true;
}

int ri_headers_check(ri_str block)
{
    RI_ASSERT(block.ptr || block.len == 0);
    ri_str rest = block, line;
    rill_header header;
    if (block.len > RI_LIMIT_HEADER_BYTES)
        return ri_err(RILL_EPROTO, "a header block of %zu bytes is larger than %d", block.len,
                      RI_LIMIT_HEADER_BYTES);
    if (!ri_headers_line(&rest, &line) || !ri_str_starts(line, HEADERS_FIRST) ||
        (line.len > HEADERS_FIRST.len && line.ptr[HEADERS_FIRST.len] != ' '))
        return ri_err(RILL_EPROTO, "a header block does not begin with " RI_HEADERS_FIRST);
    while (ri_headers_line(&rest, &line)) {
        if (line.len == 0) {
            if (rest.len == 0) return RILL_OK;
            return ri_err(RILL_EPROTO, "a header block goes on behind its empty line");
        }
        if (!ri_headers_split(line, &header))
            return ri_err(RILL_EPROTO, "a header has no name: \"%.*s\"",
                          (int)RI_MIN(line.len, (size_t)80), line.ptr);
    }
    return ri_err(RILL_EPROTO, "a header block does not end with an empty line");
}

/* The next header within *rest, which stands behind a CRLF. */
static bool headers_next_line(ri_str *rest, rill_header *header)
{
    ri_str line;
    while (ri_headers_line(rest, &line))
        if (ri_headers_split(line, header)) return true;
    return false;
}

bool ri_headers_next(ri_str *rest, rill_header *header)
{
    ri_str first;
    bool at_first = rest->len > HEADERS_FIRST.len && ri_str_starts(*rest, HEADERS_FIRST) &&
                    (rest->ptr[HEADERS_FIRST.len] == '\r' || rest->ptr[HEADERS_FIRST.len] == ' ');
    if (at_first && !ri_headers_line(rest, &first)) return false;
    return headers_next_line(rest, header);
}

bool ri_headers_find(ri_str block, ri_str name, ri_str *value)
{
    ri_str rest = block, first;
    rill_header header;
    *value = RI_STR_NONE;
    if (name.len == 0 || !ri_headers_line(&rest, &first)) return false;
    while (headers_next_line(&rest, &header))
        if (ri_str_eq(header.name, name)) {
            *value = header.value;
            return true;
        }
    return false;
}

uint32_t ri_headers_count(ri_str block)
{
    rill_header header;
    uint32_t n = 0;
    while (ri_headers_next(&block, &header)) n++;
    return n;
}

int ri_headers_status(ri_str block, ri_str *description)
{
    enum { DIGITS = 3 };
    ri_str line;
    *description = RI_STR_NONE;
    if (!ri_str_starts(block, HEADERS_FIRST) || !ri_headers_line(&block, &line)) return 0;
    line = ri_str_from(line, HEADERS_FIRST.len);
    while (line.len > 0 && line.ptr[0] == ' ') line = ri_str_from(line, 1);
    if (line.len < DIGITS || (line.len > DIGITS && line.ptr[DIGITS] != ' ')) return 0;
    int status = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9') return 0;
        status = status * 10 + (line.ptr[i] - '0');
    }
    line = ri_str_from(line, DIGITS);
    while (line.len > 0 && line.ptr[0] == ' ') line = ri_str_from(line, 1);
    while (line.len > 0 && line.ptr[line.len - 1] == ' ') line.len--;
    *description = line;
    return status;
}

/* ---- Building ---- */

static int headers_check_name(ri_str name)
{
    if (name.len == 0) return ri_err(RILL_EINVAL, "a header's name is empty");
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= ' ' || c == ':' || c == 0x7f)
            return ri_err(RILL_EINVAL, "a header's name may not contain the byte 0x%02x", c);
    }
    return RILL_OK;
}

static int headers_check_value(ri_str name, ri_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\r' || c == '\n' || c == 0)
            return ri_err(RILL_EINVAL, "the value of header %.*s has a CR, LF or NUL",
                          (int)RI_MIN(name.len, (size_t)80), name.ptr);
    }
    return RILL_OK;
}

int ri_headers_check_one(ri_str name, ri_str value)
{
    int rc = headers_check_name(name);
    return rc < 0 ? rc : headers_check_value(name, value);
}

size_t ri_headers_line_size(ri_str name, ri_str value)
{
    return name.len + 2 + value.len + 2;
}

int ri_headers_too_big(void)
{
    return ri_err(RILL_ETOOBIG, "headers of more than %d bytes", RI_LIMIT_HEADER_BYTES);
}

int ri_headers_size(const rill_header *headers, size_t count)
{
    if (count == 0) return 0;
    if (count > RI_LIMIT_HEADER_COUNT)
        return ri_err(RILL_ETOOBIG, "%zu headers are more than %d", count, RI_LIMIT_HEADER_COUNT);
    size_t size = sizeof RI_HEADERS_EMPTY - 1;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name.len > RI_LIMIT_HEADER_BYTES ||
            headers[i].value.len > RI_LIMIT_HEADER_BYTES)
            return ri_headers_too_big();
        int rc = ri_headers_check_one(headers[i].name, headers[i].value);
        if (rc < 0) return rc;
        size += ri_headers_line_size(headers[i].name, headers[i].value);
    }
    return size > RI_LIMIT_HEADER_BYTES ? ri_headers_too_big() : (int)size;
}

char *ri_headers_copy(char *out, ri_str s)
{
    if (s.len > 0) memcpy(out, s.ptr, s.len);
    return out + s.len;
}

char *ri_headers_write_line(char *out, ri_str name, ri_str value)
{
    out = ri_headers_copy(out, name);
    *out++ = ':';
    *out++ = ' ';
    out = ri_headers_copy(out, value);
    return ri_headers_copy(out, HEADERS_CRLF);
}

char *ri_headers_write(char *out, const rill_header *headers, size_t count)
{
    RI_ASSERT(headers || count == 0);
    RI_ASSERT(count <= RI_LIMIT_HEADER_COUNT);
    if (count == 0) return out;
    out = ri_headers_copy(out, HEADERS_FIRST);
    out = ri_headers_copy(out, HEADERS_CRLF);
    for (size_t i = 0; i < count; i++)
        out = ri_headers_write_line(out, headers[i].name, headers[i].value);
    return ri_headers_copy(out, HEADERS_CRLF);
}
