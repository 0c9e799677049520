/* SPDX-License-Identifier: Apache-2.0 */
#include "api/copy.h"

#include <string.h>

#include "api/args.h"
#include "base/saturate.h"

typedef enum copy_kind {
    COPY_TEXT,    /* const char * */
    COPY_BYTES,   /* `count` bytes */
    COPY_U32S,    /* `count` numbers */
    COPY_U64,     /* one */
    COPY_HEADERS, /* `count` rill_header */
    COPY_STRUCT,  /* a struct with a size */
    COPY_ROWS,    /* `count` pointers to such */
} copy_kind;

typedef struct copy_row {
    copy_kind kind;
    size_t at, count;        /* offsets: of the pointer, and of how many, a size_t */
    const ri_copy_type *type; /* of STRUCT and ROWS */
} copy_row;

struct ri_copy_type {
    const char *name;
    size_t size;
    const copy_row *rows;
    size_t nrows;
};

#define COPY_TYPE(T) {#T, sizeof(T), T##_rows, RI_LEN(T##_rows)}
#define COPY_AT(T, kind, field) {kind, offsetof(T, field), 0, NULL}
#define COPY_MANY(T, kind, field, n) {kind, offsetof(T, field), offsetof(T, n), NULL}
#define COPY_SUB(T, field, sub) {COPY_STRUCT, offsetof(T, field), 0, sub}

/* ---- The tables ---- */

static const copy_row rill_post_rows[] = {
    COPY_AT(rill_post, COPY_TEXT, reply),
    COPY_MANY(rill_post, COPY_HEADERS, headers, nheaders),
    COPY_AT(rill_post, COPY_TEXT, msg_id),
    COPY_AT(rill_post, COPY_U64, expect_last_seq),
    COPY_AT(rill_post, COPY_TEXT, expect_subject),
    COPY_AT(rill_post, COPY_TEXT, deliver_to),
    COPY_AT(rill_post, COPY_TEXT, schedule),
    COPY_AT(rill_post, COPY_TEXT, schedule_zone),
};
static const ri_copy_type copy_post = COPY_TYPE(rill_post);

static const copy_row rill_sub_opts_rows[] = {
    COPY_AT(rill_sub_opts, COPY_TEXT, group),
    COPY_AT(rill_sub_opts, COPY_TEXT, filter),
    COPY_MANY(rill_sub_opts, COPY_U32S, backoff_ms, nbackoff),
    COPY_AT(rill_sub_opts, COPY_TEXT, dead_letters),
};
static const ri_copy_type copy_sub_opts = COPY_TYPE(rill_sub_opts);

static const copy_row rill_source_rows[] = {
    COPY_AT(rill_source, COPY_TEXT, stream),
    COPY_AT(rill_source, COPY_TEXT, filter),
    COPY_AT(rill_source, COPY_TEXT, to),
};
static const ri_copy_type copy_source = COPY_TYPE(rill_source);

static const copy_row rill_stream_opts_rows[] = {
    COPY_AT(rill_stream_opts, COPY_TEXT, subjects),
    COPY_AT(rill_stream_opts, COPY_TEXT, description),
    COPY_SUB(rill_stream_opts, mirror, &copy_source),
    {COPY_ROWS, offsetof(rill_stream_opts, sources), offsetof(rill_stream_opts, nsources),
     &copy_source},
    COPY_AT(rill_stream_opts, COPY_TEXT, transform_from),
    COPY_AT(rill_stream_opts, COPY_TEXT, transform_to),
    COPY_AT(rill_stream_opts, COPY_TEXT, republish_from),
    COPY_AT(rill_stream_opts, COPY_TEXT, republish_to),
};
const ri_copy_type ri_copy_stream_opts = COPY_TYPE(rill_stream_opts);

static const ri_copy_type copy_bucket_opts = {"rill_bucket_opts", sizeof(rill_bucket_opts), NULL,
                                              0};

static const copy_row rill_kv_opts_rows[] = {
    COPY_AT(rill_kv_opts, COPY_U64, expect),
};
static const ri_copy_type copy_kv_opts = COPY_TYPE(rill_kv_opts);

static const copy_row rill_purge_opts_rows[] = {
    COPY_AT(rill_purge_opts, COPY_TEXT, filter),
};
static const ri_copy_type copy_purge_opts = COPY_TYPE(rill_purge_opts);

static const copy_row rill_at_rows[] = {
    COPY_AT(rill_at, COPY_TEXT, filter),
};
static const ri_copy_type copy_at = COPY_TYPE(rill_at);

static const copy_row rill_call_rows[] = {
    COPY_AT(rill_call, COPY_TEXT, name),
    COPY_AT(rill_call, COPY_TEXT, group),
    COPY_MANY(rill_call, COPY_BYTES, data, len),
    COPY_SUB(rill_call, post, &copy_post),
    COPY_SUB(rill_call, sub_opts, &copy_sub_opts),
    COPY_SUB(rill_call, stream_opts, &ri_copy_stream_opts),
    COPY_SUB(rill_call, bucket_opts, &copy_bucket_opts),
    COPY_SUB(rill_call, kv_opts, &copy_kv_opts),
    COPY_SUB(rill_call, purge_opts, &copy_purge_opts),
    COPY_SUB(rill_call, at, &copy_at),
};
const ri_copy_type ri_copy_call = COPY_TYPE(rill_call);

/* ---- Copying ---- */

enum { COPY_ROWS_MAX = 65536 }; /* of an array: more is no array of a program that works */

static int copy_bytes(ri_arena *arena, const void *from, size_t len, const void **to)
{
    return (*to = ri_arena_copy(arena, from, len)) ? RILL_OK : RILL_ENOMEM;
}

static int copy_span(ri_arena *arena, rill_str *span)
{
    const void *bytes;
    if (!span->ptr && span->len) return ri_err(RILL_EINVAL, "a header's text is NULL");
    int rc = copy_bytes(arena, span->ptr, span->len, &bytes);
    if (rc == RILL_OK) span->ptr = bytes;
    return rc;
}

static int copy_headers(ri_arena *arena, const rill_header *from, size_t n, const void **out)
{
    RI_ASSERT(from || n == 0);
    int rc = copy_bytes(arena, from, ri_size_mul(n, sizeof *from), out);
    rill_header *headers = (rill_header *)(uintptr_t)*out;
    for (size_t i = 0; rc == RILL_OK && i < n; i++) {
        rc = copy_span(arena, &headers[i].name);
        if (rc == RILL_OK) rc = copy_span(arena, &headers[i].value);
    }
    return rc;
}

static int copy_rows(ri_arena *arena, const ri_copy_type *type, const void *const *from, size_t n,
                     const void **out)
{
    RI_ASSERT(type && n <= COPY_ROWS_MAX);
    const void **rows = ri_arena_alloc(arena, ri_size_mul(n, sizeof *rows));
    int rc = rows ? RILL_OK : RILL_ENOMEM;
    for (size_t i = 0; rc == RILL_OK && i < n; i++)
        rc = from[i] ? ri_copy_in(arena, type, from[i], &rows[i])
                     : ri_err(RILL_EINVAL, "%s %zu is NULL", type->name, i);
    *out = rows;
    return rc;
}

static int copy_field(ri_arena *arena, const copy_row *row, const char *name, void *own)
{
    const void *from, *to = NULL;
    size_t n = 0;
    RI_ASSERT(row->at > 0 && row->at % sizeof from == 0);
    RI_ASSERT(row->count % sizeof(uint32_t) == 0);
    memcpy(&from, (char *)own + row->at, sizeof from);
    if (row->count) memcpy(&n, (char *)own + row->count, sizeof n);
    if (!from) return RILL_OK;
    if (row->kind != COPY_BYTES && n > COPY_ROWS_MAX)
        return ri_err(RILL_EINVAL, "%s: an array of %zu", name, n);
    int rc = RILL_OK;
    switch (row->kind) {
    case COPY_TEXT: rc = copy_bytes(arena, from, strlen(from), &to); break;
    case COPY_BYTES: rc = copy_bytes(arena, from, n, &to); break;
    case COPY_U32S: rc = copy_bytes(arena, from, ri_size_mul(n, sizeof(uint32_t)), &to); break;
    case COPY_U64: rc = copy_bytes(arena, from, sizeof(uint64_t), &to); break;
    case COPY_HEADERS: rc = copy_headers(arena, from, n, &to); break;
    case COPY_STRUCT: rc = ri_copy_in(arena, row->type, from, &to); break;
    case COPY_ROWS: rc = copy_rows(arena, row->type, from, n, &to); break;
    }
    memcpy((char *)own + row->at, &to, sizeof to);
    return rc;
}

int ri_copy_in(ri_arena *arena, const ri_copy_type *type, const void *given, const void **out)
{
    RI_ASSERT(given && type->size >= sizeof(size_t));
    void *own = ri_arena_alloc(arena, type->size);
    if (!own) return RILL_ENOMEM;
    int rc = ri_args_opts(own, type->size, given, type->name);
    if (rc == RILL_OK) memcpy(own, &type->size, sizeof type->size);
    for (size_t i = 0; rc == RILL_OK && i < type->nrows; i++)
        rc = copy_field(arena, &type->rows[i], type->name, own);
    *out = own;
    return rc;
}
