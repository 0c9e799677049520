/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kafka/kafka_apis.h"

#include "base/assert.h"
#include "base/defs.h"
#include "codec/kafka/kafka_table.h"

/* ---- The rows, each type's in a function of its own, where `owner` is its struct ---- */

#define KAFKA_ROW_BOOL .kind = KAFKA_KIND_BOOL
#define KAFKA_ROW_I8 .kind = KAFKA_KIND_I8
#define KAFKA_ROW_I16 .kind = KAFKA_KIND_I16
#define KAFKA_ROW_U16 .kind = KAFKA_KIND_U16
#define KAFKA_ROW_I32 .kind = KAFKA_KIND_I32
#define KAFKA_ROW_I64 .kind = KAFKA_KIND_I64
#define KAFKA_ROW_F64 .kind = KAFKA_KIND_F64
#define KAFKA_ROW_UUID .kind = KAFKA_KIND_UUID
#define KAFKA_ROW_STR .kind = KAFKA_KIND_STR
#define KAFKA_ROW_BYTES .kind = KAFKA_KIND_BYTES
#define KAFKA_ROW_RECORDS .kind = KAFKA_KIND_RECORDS
#define KAFKA_ROW_LIST_I8 .kind = KAFKA_KIND_LIST, .item = KAFKA_KIND_I8
#define KAFKA_ROW_LIST_I32 .kind = KAFKA_KIND_LIST, .item = KAFKA_KIND_I32
#define KAFKA_ROW_LIST_I64 .kind = KAFKA_KIND_LIST, .item = KAFKA_KIND_I64
#define KAFKA_ROW_LIST_STR .kind = KAFKA_KIND_LIST, .item = KAFKA_KIND_STR
#define KAFKA_ROW_LIST(sub) \
    .kind = KAFKA_KIND_LIST, .item = KAFKA_KIND_STRUCT, .type = ri_kafka_##sub##_type
#define KAFKA_ROW_STRUCT(sub) .kind = KAFKA_KIND_STRUCT, .type = ri_kafka_##sub##_type
#define KAFKA_ROW_POINTER(sub) \
    .kind = KAFKA_KIND_POINTER, .null_from = 1, .type = ri_kafka_##sub##_type

#define FROM(version) .from = version
#define UPTO(version) .end = version + 1
#define NULL_FROM(version) .null_from = version + 1
#define TAG(number) .tag = number + 1
#define ABSENT(number) .absent = number
#define TYPE(word) \
    const ri_kafka_type *ri_kafka_##word##_type(void) \
    { \
        typedef ri_kafka_##word owner; \
        static const ri_kafka_row rows[] = {
#define FIELD(kind, member, ...) \
            {.name = #member, .offset = offsetof(owner, member), KAFKA_ROW_##kind, __VA_ARGS__},
#define DONE(word) \
        }; \
        static const ri_kafka_type type = {#word, rows, RI_LEN(rows), sizeof(owner)}; \
        return &type; \
    }
#include "codec/kafka/kafka_rows_admin.h"
#include "codec/kafka/kafka_rows_data.h"
#include "codec/kafka/kafka_rows_groups.h"
#undef TYPE
#undef FIELD
#undef DONE

static const ri_kafka_api apis_known[] = {
#define API(key, KEY, name, word, first, last, flexible) \
    {word, key, first, last, flexible, ri_kafka_##name##_request_type, \
     ri_kafka_##name##_answer_type},
#include "codec/kafka/kafka_rows_apis.h"
#undef API
};

/* ---- Asking the table ---- */

const ri_kafka_api *ri_kafka_api_at(size_t i)
{
    return i < RI_LEN(apis_known) ? &apis_known[i] : NULL;
}

const ri_kafka_api *ri_kafka_api_of(int16_t key)
{
    size_t low = 0, high = RI_LEN(apis_known);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (apis_known[mid].key < key) low = mid + 1;
        else high = mid;
    }
    return low < RI_LEN(apis_known) && apis_known[low].key == key ? &apis_known[low] : NULL;
}

size_t ri_kafka_size_of(const ri_kafka_row *row, ri_kafka_kind kind)
{
    switch (kind) {
    case KAFKA_KIND_BOOL: return sizeof(bool);
    case KAFKA_KIND_I8: return sizeof(int8_t);
    case KAFKA_KIND_I16:
    case KAFKA_KIND_U16: return sizeof(int16_t);
    case KAFKA_KIND_I32: return sizeof(int32_t);
    case KAFKA_KIND_I64:
    case KAFKA_KIND_F64: return sizeof(int64_t);
    case KAFKA_KIND_UUID: return sizeof(ri_kafka_uuid);
    case KAFKA_KIND_STR:
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS: return sizeof(ri_str);
    case KAFKA_KIND_LIST: return sizeof(ri_kafka_list);
    case KAFKA_KIND_POINTER: return sizeof(void *);
    case KAFKA_KIND_STRUCT: break;
    }
    return row->type()->size;
}

/* ---- Members that do not stand on the wire ---- */

void ri_kafka_blank_member(const ri_kafka_row *row, void *member)
{
    int32_t absent = row->absent;
    switch ((ri_kafka_kind)row->kind) {
    case KAFKA_KIND_BOOL: *(bool *)member = absent != 0; break;
    case KAFKA_KIND_I8: *(int8_t *)member = (int8_t)absent; break;
    case KAFKA_KIND_I16: *(int16_t *)member = (int16_t)absent; break;
    case KAFKA_KIND_U16: *(uint16_t *)member = (uint16_t)absent; break;
    case KAFKA_KIND_I32: *(int32_t *)member = absent; break;
    case KAFKA_KIND_I64: *(int64_t *)member = absent == INT32_MAX ? INT64_MAX : absent; break;
    case KAFKA_KIND_F64: *(double *)member = absent; break;
    case KAFKA_KIND_UUID: memset(member, 0, sizeof(ri_kafka_uuid)); break;
    case KAFKA_KIND_STR:
    case KAFKA_KIND_BYTES:
    case KAFKA_KIND_RECORDS: *(ri_str *)member = RI_STR_NONE; break;
    case KAFKA_KIND_LIST: memset(member, 0, sizeof(ri_kafka_list)); break;
    case KAFKA_KIND_STRUCT: ri_kafka_blank(row->type(), member); break;
    case KAFKA_KIND_POINTER: memset(member, 0, sizeof(void *)); break;
    }
}

void ri_kafka_blank(const ri_kafka_type *type, void *out)
{
    RI_ASSERT(type && out);
    for (uint16_t i = 0; i < type->nrows; i++)
        ri_kafka_blank_member(&type->rows[i], (char *)out + type->rows[i].offset);
}

void *ri_kafka_items(const ri_kafka_type *type, ri_arena *arena, size_t n)
{
    RI_ASSERT(type->size > 0 && arena);
    char *items = ri_arena_alloc(arena, ri_size_mul(RI_MAX(n, (size_t)1), type->size));
    for (size_t i = 0; items && i < n; i++) ri_kafka_blank(type, items + i * type->size);
    return items;
}
