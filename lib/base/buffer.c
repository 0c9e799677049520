/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"

enum {
    BUFFER_FIRST = 256,
    BUFFER_LARGE = 2097152, /* bytes of a huge page */
    BUFFER_ODD = 64,        /* keep one that is as large from being some of them */
};

void ri_buffer_init(ri_buffer *b, const ri_host *host)
{
    *b = (ri_buffer){.host = host};
}

void ri_buffer_fini(ri_buffer *b)
{
    RI_ASSERT(ri_buffer_is_sound(b));
    if (b->secret && b->ptr) explicit_bzero(b->ptr, b->cap);
    if (b->host) ri_free(b->host, b->ptr, b->cap);
    *b = (ri_buffer){.host = b->host, .secret = b->secret};
}

/* An allocator may leave the bytes where they were. */
static char *buffer_move(ri_buffer *b, size_t cap)
{
    char *grown = ri_alloc(b->host, cap);
    if (!grown || !b->ptr) return grown;
    memcpy(grown, b->ptr, b->len);
    explicit_bzero(b->ptr, b->cap);
    ri_free(b->host, b->ptr, b->cap);
    return grown;
}

/* Twice as much, and so on. An allocator takes huge pages for a number of them: the first bytes of
 * each would cost the whole of it at once, perhaps inside the gate. */
static bool buffer_make_room(ri_buffer *b, size_t n)
{
    RI_ASSERT(b->cap - b->len < n && b->head == 0);
    size_t need = b->len + n;
    size_t cap = RI_MAX(b->cap, (size_t)BUFFER_FIRST);
    while (cap < need) cap *= 2;
    if (cap >= BUFFER_LARGE) cap |= BUFFER_ODD;
    char *grown = b->secret ? buffer_move(b, cap) : ri_realloc(b->host, b->ptr, b->cap, cap);
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->ptr = grown;
    b->cap = cap;
    RI_ASSERT(ri_buffer_is_sound(b) && b->cap - b->len >= n);
    return true;
}

char *ri_buffer_grow(ri_buffer *b, size_t n)
{
    RI_ASSERT(ri_buffer_is_sound(b));
    if (b->failed) return NULL;
    if (b->cap - b->len < n && b->head > 0) { /* bytes that were eaten leave room, too */
        memmove(b->ptr, b->ptr + b->head, b->len - b->head);
        b->len -= b->head;
        b->head = 0;
    }
    if (b->cap - b->len < n && !buffer_make_room(b, n)) return NULL;
    return b->ptr + b->len;
}

void ri_buffer_added(ri_buffer *b, size_t n)
{
    RI_ASSERT(b->cap - b->len >= n);
    RI_ASSERT(b->ptr || n == 0);
    b->len += n;
}

void ri_buffer_put(ri_buffer *b, const void *data, size_t n)
{
    RI_ASSERT(ri_buffer_is_sound(b));
    RI_ASSERT(data || n == 0);
    if (n == 0) return;
    char *room = ri_buffer_room(b, n);
    if (!room) return;
    memcpy(room, data, n);
    b->len += n;
}

void ri_buffer_puts(ri_buffer *b, const char *text)
{
    ri_buffer_put(b, text, strlen(text));
}

void ri_buffer_printf(ri_buffer *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    RI_ASSERT(n >= 0);
    char *room = ri_buffer_room(b, (size_t)n + 1);
    if (!room) return;
    va_start(ap, fmt);
    vsnprintf(room, (size_t)n + 1, fmt, ap);
    va_end(ap);
    RI_ASSERT(b->cap - b->len > (size_t)n);
    b->len += (size_t)n;
}

void ri_buffer_eat(ri_buffer *b, size_t n)
{
    RI_ASSERT(n <= b->len - b->head);
    RI_ASSERT(ri_buffer_is_sound(b));
    b->head += n;
    if (b->head == b->len) b->head = b->len = 0;
}

void ri_buffer_cut(ri_buffer *b, size_t size)
{
    RI_ASSERT(ri_buffer_is_sound(b));
    RI_ASSERT(size <= ri_buffer_size(b));
    b->len = b->head + size;
}

void ri_buffer_reset(ri_buffer *b)
{
    RI_ASSERT(ri_buffer_is_sound(b));
    b->head = b->len = 0;
    b->failed = false;
}
