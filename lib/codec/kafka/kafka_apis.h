/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's requests and answers as structs, and the one table by which they are read and written.
 *
 * A field is said once, in a row of kafka_rows_data.h, kafka_rows_groups.h or kafka_rows_admin.h:
 *
 *     TYPE(metadata_answer_topic)
 *         FIELD(I16, error_code)
 *         FIELD(STR, name, NULL_FROM(12))
 *         FIELD(UUID, topic_id, FROM(10))
 *         FIELD(LIST(metadata_answer_partition), partitions)
 *         FIELD(I32, topic_auth_ops, FROM(8), ABSENT(INT32_MIN))
 *     DONE(metadata_answer_topic)
 *
 * These files are included twice. Here each TYPE becomes a struct, ri_kafka_metadata_answer_topic,
 * with a member for each row; in kafka_apis.c it becomes an array of rows with the offsets of those
 * members. So there is no second list that could disagree. Rows stand in the order of the wire, of
 * all versions in one; what a version has is what its rows say:
 *
 *     FROM(v), UPTO(v)   the versions that have the field; all of them without these
 *     NULL_FROM(v)       from that version on it may be null; never without it
 *     TAG(n)             it stands in the tagged section of a flexible version, as number n
 *     ABSENT(x)          what a number is where it does not stand; 0 without it (INT32_MAX says
 *                        INT64_MAX of an I64)
 *
 *     kind               member                        on the wire; in flexible versions
 *     BOOL, I8 ... F64   bool, int8_t ... double       big-endian
 *     UUID               ri_kafka_uuid                 16 bytes
 *     STR                ri_str                        length i16; varint
 *     BYTES, RECORDS     ri_str                        length i32; varint
 *     LIST_I32, LIST(T)  struct {items, len}           count i32; varint, then the items
 *     STRUCT(T)          T                             its fields
 *     POINTER(T)         T *                           i8 that is -1 for null, then its fields
 *
 * Null is a pointer that is NULL: of a span, of the items of a list, or of a POINTER. A list that
 * is empty and not null has items that are not NULL. The names are Kafka's, in lower case.
 *
 * What is read points into the frame; lists lie in an arena, and so does all that a writer needs
 * beside them. ri_kafka_<type>_type() names the rows of a type for these calls. */
#ifndef RI_KAFKA_APIS_H
#define RI_KAFKA_APIS_H

#include "base/alloc.h"
#include "base/str.h"

typedef struct ri_kafka_uuid { /* all zero: none */
    unsigned char bytes[16];
} ri_kafka_uuid;

typedef struct ri_kafka_type ri_kafka_type;

#define KAFKA_MEMBER_BOOL bool
#define KAFKA_MEMBER_I8 int8_t
#define KAFKA_MEMBER_I16 int16_t
#define KAFKA_MEMBER_U16 uint16_t
#define KAFKA_MEMBER_I32 int32_t
#define KAFKA_MEMBER_I64 int64_t
#define KAFKA_MEMBER_F64 double
#define KAFKA_MEMBER_UUID ri_kafka_uuid
#define KAFKA_MEMBER_STR ri_str
#define KAFKA_MEMBER_BYTES ri_str
#define KAFKA_MEMBER_RECORDS ri_str
#define KAFKA_MEMBER_LIST_OF(item) struct { item *items; uint32_t len; }
#define KAFKA_MEMBER_LIST_I8 KAFKA_MEMBER_LIST_OF(int8_t)
#define KAFKA_MEMBER_LIST_I32 KAFKA_MEMBER_LIST_OF(int32_t)
#define KAFKA_MEMBER_LIST_I64 KAFKA_MEMBER_LIST_OF(int64_t)
#define KAFKA_MEMBER_LIST_STR KAFKA_MEMBER_LIST_OF(ri_str)
#define KAFKA_MEMBER_LIST(type) KAFKA_MEMBER_LIST_OF(ri_kafka_##type)
#define KAFKA_MEMBER_STRUCT(type) ri_kafka_##type
#define KAFKA_MEMBER_POINTER(type) ri_kafka_##type *

#define TYPE(name) typedef struct ri_kafka_##name {
#define FIELD(kind, name, ...) KAFKA_MEMBER_##kind name;
#define DONE(name) } ri_kafka_##name; const ri_kafka_type *ri_kafka_##name##_type(void);
#include "codec/kafka/kafka_rows_admin.h"
#include "codec/kafka/kafka_rows_data.h"
#include "codec/kafka/kafka_rows_groups.h"
#undef TYPE
#undef FIELD
#undef DONE

enum ri_kafka_key { /* RI_KAFKA_FETCH ... */
#define API(key, KEY, name, word, first, last, flexible) RI_KAFKA_##KEY = key,
#include "codec/kafka/kafka_rows_apis.h"
#undef API
};

typedef struct ri_kafka_api {
    const char *word;         /* as Kafka calls it */
    int16_t key;
    int16_t first, last;      /* versions that the rows know */
    int16_t flexible;         /* from this version on; INT16_MAX: never */
    const ri_kafka_type *(*request)(void), *(*answer)(void);
} ri_kafka_api;

/* NULL: no rows are known. */
const ri_kafka_api *ri_kafka_api_of(int16_t key);
/* The i-th of those that are known, by their keys; NULL behind the last. */
const ri_kafka_api *ri_kafka_api_at(size_t i);

static inline bool ri_kafka_api_has(const ri_kafka_api *api, int16_t version)
{
    return version >= api->first && version <= api->last;
}

/* All members are what they are where they do not stand. `out` has the size of the type's struct.
 */
void ri_kafka_blank(const ri_kafka_type *type, void *out);
/* The same of `n` structs one behind the other, in the arena. NULL: out of memory; never NULL if
 * `n` is 0. */
void *ri_kafka_items(const ri_kafka_type *type, ri_arena *arena, size_t n);

#endif
