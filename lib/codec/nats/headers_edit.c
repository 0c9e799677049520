/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "codec/nats/headers_private.h"

#define HEADERS_FIRST RI_STR(RI_HEADERS_FIRST)
#define HEADERS_CRLF RI_STR("\r\n")

/* Room for one more header with the block's last CRLF behind it, and the first line if the block
 * is new; after that nothing can fail. */
static int headers_reserve(ri_buffer *b, ri_str name, ri_str value)
{
    RI_ASSERT(ri_buffer_is_sound(b));
    int rc = ri_headers_check_one(name, value);
    if (rc < 0) return rc;
    RI_ASSERT(ri_buffer_size(b) != 1);
    size_t size = ri_buffer_size(b) ? ri_buffer_size(b) : sizeof RI_HEADERS_EMPTY - 1;
    size_t line = ri_headers_line_size(name, value);
    if (size + line > RI_LIMIT_HEADER_BYTES) return ri_headers_too_big();
    bool failed = b->failed;
    if (ri_buffer_room(b, sizeof RI_HEADERS_EMPTY + line)) return RILL_OK;
    b->failed = failed;
    return RILL_ENOMEM;
}

static void headers_append(ri_buffer *b, ri_str name, ri_str value)
{
    RI_ASSERT(ri_buffer_is_sound(b) && !b->failed);
    size_t len = ri_buffer_size(b);
    if (len == 0) ri_buffer_puts(b, RI_HEADERS_EMPTY);
    char *end = b->ptr + b->len;
    RI_ASSERT(end[-2] == '\r' && end[-1] == '\n');
    ri_headers_copy(ri_headers_write_line(end - 2, name, value), HEADERS_CRLF);
    ri_buffer_added(b, ri_headers_line_size(name, value));
}

/* A block that ends as a block does, or nothing: else editing would tear it. */
static int headers_check_end(const ri_buffer *b)
{
    ri_str block = ri_buffer_str(b);
    if (block.len == 0) return RILL_OK;
    if (block.len >= 4 && memcmp(block.ptr + block.len - 4, "\r\n\r\n", 4) == 0) return RILL_OK;
    return ri_err(RILL_EPROTO, "a header block does not end with an empty line");
}

int ri_headers_add(ri_buffer *b, ri_str name, ri_str value)
{
    RI_ASSERT(!b->ptr || name.ptr + name.len <= b->ptr || name.ptr >= b->ptr + b->cap);
    int rc;
    if ((rc = headers_check_end(b)) < 0) return rc;
    if ((rc = headers_reserve(b, name, value)) < 0) return rc;
    headers_append(b, name, value);
    return RILL_OK;
}

int ri_headers_replace(ri_buffer *b, ri_str name, ri_str value)
{
    int rc;
    if ((rc = headers_check_end(b)) < 0) return rc;
    if ((rc = headers_reserve(b, name, value)) < 0) return rc;
    ri_headers_cut(b, name);
    RI_ASSERT(ri_buffer_is_sound(b));
    headers_append(b, name, value);
    return RILL_OK;
}

static int headers_cut(ri_buffer *b, ri_str name, bool (*same)(ri_str, ri_str))
{
    ri_str rest = ri_buffer_str(b), line;
    if (!ri_headers_line(&rest, &line)) return 0;
    bool status = line.len > HEADERS_FIRST.len;
    char *out = b->ptr + (rest.ptr - b->ptr);
    int count = 0;
    for (;;) { /* lines that stay move up over those that go */
        const char *start = rest.ptr;
        rill_header header;
        bool whole = ri_headers_line(&rest, &line);
        size_t len = whole ? line.len + 2 : rest.len;
        if (whole && ri_headers_split(line, &header) && same(header.name, name)) {
            count++;
            continue;
        }
        memmove(out, start, len);
        out += len;
        if (!whole) break;
    }
    b->len = (size_t)(out - b->ptr);
    if (count > 0 && !status && ri_buffer_size(b) <= sizeof RI_HEADERS_EMPTY - 1)
        ri_buffer_eat(b, ri_buffer_size(b));
    return count;
}

static bool headers_same(ri_str a, ri_str b)
{
    return ri_str_eq(a, b);
}

int ri_headers_cut(ri_buffer *b, ri_str name)
{
    return headers_cut(b, name, headers_same);
}

static bool headers_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool headers_alike(ri_str a, ri_str b)
{
    while (a.len && headers_is_blank(a.ptr[a.len - 1])) a.len--;
    while (a.len && headers_is_blank(a.ptr[0])) a = ri_str_from(a, 1);
    return ri_str_eq_nocase(a, b);
}

/* Readers there are that end a line at each of the two. */
static void headers_join_lines(ri_buffer *b)
{
    char *at = b->ptr;
    for (size_t i = b->head; i < b->len; i++) {
        if (at[i] == '\r' && i + 1 < b->len && at[i + 1] == '\n') i++;
        else if (at[i] == '\r' || at[i] == '\n') at[i] = ' ';
    }
}

int ri_headers_cut_alike(ri_buffer *b, ri_str name)
{
    headers_join_lines(b);
    return headers_cut(b, name, headers_alike);
}
