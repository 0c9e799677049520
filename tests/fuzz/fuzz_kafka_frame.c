/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's requests and answers. The first two bytes choose an API, a version and a direction. With
 * an even third byte the rest is a body: what it is read as is written, and read again as the same.
 * With an odd one the rest are dice, by which a struct of the type is filled: it is written, and
 * what is read of that is written to the same bytes. */
#include <string.h>

#include "base/defs.h"
#include "codec/kafka/kafka_frame.h"
#include "codec/kafka/kafka_table.h"
#include "codec/limits.h"
#include "support/fuzz.h"
#include "support/guard.h"

static ri_host host;

/* ---- A struct by dice ---- */

typedef struct dice {
    const uint8_t *data;
    size_t size;
    ri_arena *arena;
    int16_t version;
    unsigned left; /* items of lists that may still be made */
} dice;

static uint64_t roll(dice *d, uint64_t below)
{
    uint64_t v = 0;
    for (int i = 0; i < 2 && d->size > 0; i++, d->size--) v = v << 8 | *d->data++;
    return below ? v % below : v << 48 | v << 20 | v;
}

static void fill(dice *d, const ri_kafka_type *type, void *out);

static ri_str fill_span(dice *d, bool nullable)
{
    uint64_t len = roll(d, 40);
    if (nullable && len == 0) return RI_STR_NONE;
    char *p = ri_arena_alloc(d->arena, len + 1);
    fuzz_require(p != NULL, "memory");
    memset(p, (int)len + 'a', len);
    return (ri_str){p, len};
}

static void fill_item(dice *d, const ri_kafka_row *row, void *item)
{
    switch (row->item) {
    case KAFKA_KIND_I8: *(int8_t *)item = (int8_t)roll(d, 0); break;
    case KAFKA_KIND_I32: *(int32_t *)item = (int32_t)roll(d, 0); break;
    case KAFKA_KIND_I64: *(int64_t *)item = (int64_t)roll(d, 0); break;
    case KAFKA_KIND_STR: *(ri_str *)item = fill_span(d, false); break;
    default: fill(d, row->type(), item); break;
    }
}

static void fill_list(dice *d, const ri_kafka_row *row, ri_kafka_list *list)
{
    uint64_t n = roll(d, 4);
    n = RI_MIN(n, d->left);
    if (n == 0 && ri_kafka_row_nullable(row, d->version) && roll(d, 2)) return;
    size_t size = ri_kafka_size_of(row, row->item);
    char *items = ri_arena_alloc(d->arena, (n + 1) * size);
    fuzz_require(items != NULL, "memory");
    d->left -= (unsigned)n;
    for (uint64_t i = 0; i < n; i++) fill_item(d, row, items + i * size);
    *list = (ri_kafka_list){items, (uint32_t)n};
}

static void fill_member(dice *d, const ri_kafka_row *row, void *member)
{
    uint64_t number = roll(d, 0);
    switch ((ri_kafka_kind)row->kind) {
    case KAFKA_KIND_BOOL: *(bool *)member = number & 1; break;
    case KAFKA_KIND_I8:
    case KAFKA_KIND_I16:
    case KAFKA_KIND_U16:
    case KAFKA_KIND_I32:
    case KAFKA_KIND_I64:
    case KAFKA_KIND_F64: memcpy(member, &number, ri_kafka_size_of(row, row->kind)); break;
    case KAFKA_KIND_UUID: memset(member, (int)number, sizeof(ri_kafka_uuid)); break;
    case KAFKA_KIND_STR:
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS:
        *(ri_str *)member = fill_span(d, ri_kafka_row_nullable(row, d->version));
        break;
    case KAFKA_KIND_LIST: fill_list(d, row, member); break;
    case KAFKA_KIND_STRUCT: fill(d, row->type(), member); break;
    case KAFKA_KIND_POINTER: {
        const ri_kafka_type *type = row->type();
        void *p = number & 1 ? ri_arena_alloc(d->arena, type->size) : NULL;
        if (p) fill(d, type, p);
        memcpy(member, &p, sizeof p);
        break;
    }
    }
}

static void fill(dice *d, const ri_kafka_type *type, void *out)
{
    ri_kafka_blank(type, out);
    for (uint16_t i = 0; i < type->nrows; i++) {
        const ri_kafka_row *row = &type->rows[i];
        if (row->tag && roll(d, 3)) continue;
        fill_member(d, row, (char *)out + row->offset);
    }
}

/* ---- The laws ---- */

static int read_body(const ri_kafka_api *api, const ri_kafka_type *type, int16_t version,
                     ri_str *bytes, ri_arena *arena, void **out)
{
    *out = ri_arena_alloc(arena, type->size);
    fuzz_require(*out != NULL, "memory");
    return ri_kafka_frame_read(api, type, version, bytes, arena, *out);
}

static void write_body(const ri_kafka_api *api, const ri_kafka_type *type, int16_t version,
                       const void *in, ri_buffer *out)
{
    fuzz_require(ri_kafka_frame_write(&(ri_kafka_writer){.out = out}, api, type, version, in) == 0,
                 "it can be written");
}

static void check_again(const ri_kafka_api *api, const ri_kafka_type *type, int16_t version,
                        const void *in)
{
    ri_arena arena;
    ri_buffer first, second;
    void *back;
    ri_arena_init(&arena, &host);
    ri_buffer_init(&first, &host);
    ri_buffer_init(&second, &host);
    write_body(api, type, version, in, &first);
    ri_str bytes = {guard_copy(ri_buffer_str(&first).ptr, first.len), first.len};
    fuzz_require(read_body(api, type, version, &bytes, &arena, &back) == 0, "it reads");
    fuzz_require(bytes.len == 0, "all of it");
    write_body(api, type, version, back, &second);
    fuzz_require(ri_str_eq(ri_buffer_str(&first), ri_buffer_str(&second)), "and is the same");
    ri_buffer_fini(&first);
    ri_buffer_fini(&second);
    ri_arena_fini(&arena);
}

/* In slices it is the same: code, and what was read. */
static void check_slices(const ri_kafka_api *api, const ri_kafka_type *type, int16_t version,
                         ri_str bytes, int64_t slice, int whole, const void *in)
{
    ri_arena arena;
    ri_buffer first, second;
    ri_kafka_reading reading;
    int rc = 1;
    ri_arena_init(&arena, &host);
    ri_buffer_init(&first, &host);
    ri_buffer_init(&second, &host);
    void *out = ri_arena_alloc(&arena, type->size);
    fuzz_require(out != NULL, "memory");
    ri_kafka_frame_begin(&reading, api, type, version, bytes, &arena, out);
    for (size_t n = 0; rc == 1; n++) {
        fuzz_require(n <= bytes.len, "an item is a byte at least");
        rc = ri_kafka_frame_read_some(&reading, slice);
    }
    fuzz_require(rc == whole, "the same code");
    if (rc == RILL_OK) {
        write_body(api, type, version, in, &first);
        write_body(api, type, version, out, &second);
        fuzz_require(ri_str_eq(ri_buffer_str(&first), ri_buffer_str(&second)), "and the same");
    }
    ri_buffer_fini(&first);
    ri_buffer_fini(&second);
    ri_arena_fini(&arena);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    ri_host_init(&host, NULL);
    if (size < 3) return 0;
    ri_str frame = {guard_copy(data, size), size};
    ri_kafka_head head;
    int rc = ri_kafka_frame_head(&frame, &head);
    fuzz_require(rc == RILL_OK || rc == RILL_EPROTO || rc == RILL_ENOTSUP, "a code that is said");
    size_t napis = 0;
    while (ri_kafka_api_at(napis)) napis++;
    const ri_kafka_api *api = ri_kafka_api_at(data[0] % napis);
    int16_t version = (int16_t)(api->first + (data[1] >> 1) % (api->last - api->first + 1));
    const ri_kafka_type *type = data[1] & 1 ? api->answer() : api->request();
    ri_arena arena;
    ri_arena_init(&arena, &host);
    void *in;
    if (data[2] & 1) {
        dice d = {data + 3, size - 3, &arena, version, 100};
        in = ri_arena_alloc(&arena, type->size);
        fuzz_require(in != NULL, "memory");
        fill(&d, type, in);
        check_again(api, type, version, in);
    } else {
        ri_str bytes = {guard_copy(data + 3, size - 3), size - 3}, all = bytes;
        rc = read_body(api, type, version, &bytes, &arena, &in);
        fuzz_require(rc == RILL_OK || rc == RILL_EPROTO || rc == RILL_ETOOBIG, "a code");
        fuzz_require(arena.bytes <= RI_LIMIT_KAFKA_LISTS + 65536, "bounded memory");
        check_slices(api, type, version, all, 1 + (data[2] >> 1) % 7, rc, in);
        if (rc == RILL_OK) check_again(api, type, version, in);
    }
    ri_arena_fini(&arena);
    return 0;
}
