/* SPDX-License-Identifier: Apache-2.0 */
/* A byte buffer that grows at its end and is eaten from its front. A failed growth sets `failed`
 * and changes nothing more, so that a writer checks once, after its last append. */
#ifndef RI_BUFFER_H
#define RI_BUFFER_H

#include "base/alloc.h"
#include "base/str.h"

typedef struct ri_buffer {
    const ri_host *host;
    char *ptr;       /* owned; NULL while empty */
    size_t head;     /* first byte not yet eaten */
    size_t len;      /* end of the bytes, so len - head are there */
    size_t cap;      /* allocated */
    bool failed;     /* an allocation failed since init or reset */
    bool secret;     /* what it held is wiped when it grows or ends; set behind init */
} ri_buffer;

/* What holds between any two calls; for assertions. */
static inline bool ri_buffer_is_sound(const ri_buffer *b)
{
    return b->head <= b->len && b->len <= b->cap && (b->ptr != NULL) == (b->cap > 0);
}

void ri_buffer_init(ri_buffer *b, const ri_host *host);
void ri_buffer_fini(ri_buffer *b);              /* leaves it empty and usable */
char *ri_buffer_grow(ri_buffer *b, size_t n);
/* Room for `n` more bytes at the returned place, or NULL; ri_buffer_added() makes them count. */
static inline char *ri_buffer_room(ri_buffer *b, size_t n)
{
    if (ri_likely(b->cap - b->len >= n && b->ptr && !b->failed)) return b->ptr + b->len;
    return ri_buffer_grow(b, n);
}
void ri_buffer_added(ri_buffer *b, size_t n);
void ri_buffer_put(ri_buffer *b, const void *data, size_t n);
void ri_buffer_puts(ri_buffer *b, const char *text);
void ri_buffer_printf(ri_buffer *b, const char *fmt, ...) RI_PRINTF(2, 3);
void ri_buffer_eat(ri_buffer *b, size_t n);     /* drop from the front */
void ri_buffer_cut(ri_buffer *b, size_t size);  /* keep so many bytes of those that are there */
void ri_buffer_reset(ri_buffer *b);             /* empty, keeps the memory, clears `failed` */

static inline size_t ri_buffer_size(const ri_buffer *b)
{
    return b->len - b->head;
}

static inline ri_str ri_buffer_str(const ri_buffer *b)
{
    return (ri_str){b->ptr ? b->ptr + b->head : NULL, b->len - b->head};
}

static inline void ri_buffer_put_str(ri_buffer *b, ri_str s)
{
    ri_buffer_put(b, s.ptr, s.len);
}

#endif
