/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of Kafka's table is in memory. Only the codec's kafka_apis and kafka_frame files look
 * at this. Three numbers are one higher than they are meant, so that 0 says that there is none. */
#ifndef RI_KAFKA_TABLE_H
#define RI_KAFKA_TABLE_H

#include "codec/kafka/kafka_apis.h"

typedef enum ri_kafka_kind {
    KAFKA_KIND_BOOL, KAFKA_KIND_I8, KAFKA_KIND_I16, KAFKA_KIND_U16, KAFKA_KIND_I32,
    KAFKA_KIND_I64, KAFKA_KIND_F64, KAFKA_KIND_UUID, KAFKA_KIND_STR, KAFKA_KIND_BYTES,
    KAFKA_KIND_RECORDS, KAFKA_KIND_LIST, KAFKA_KIND_STRUCT, KAFKA_KIND_POINTER,
} ri_kafka_kind;

typedef struct ri_kafka_row {
    const char *name;
    const ri_kafka_type *(*type)(void); /* STRUCT, POINTER, and LIST of STRUCT */
    int32_t absent;    /* of a number; INT32_MAX of an I64 stands for INT64_MAX */
    uint16_t offset;   /* of the member */
    uint8_t kind;      /* ri_kafka_kind */
    uint8_t item;      /* of a LIST: the kind of its items */
    int8_t from;       /* the first version that has it */
    int8_t end;        /* the first version that has it no more; 0: all behind `from` have it */
    int8_t null_from;  /* 1 + the first version in which it may be null; 0: none */
    int8_t tag;        /* 1 + its number in the tagged section; 0: it stands in the row */
} ri_kafka_row;

struct ri_kafka_type {
    const char *name;
    const ri_kafka_row *rows;
    uint16_t nrows;
    uint16_t size;     /* of the struct */
};

typedef struct ri_kafka_list { /* how every list of the structs lies in memory */
    void *items;
    uint32_t len;
} ri_kafka_list;

static inline bool ri_kafka_row_in(const ri_kafka_row *row, int16_t version)
{
    return version >= row->from && (row->end == 0 || version < row->end);
}

static inline bool ri_kafka_row_nullable(const ri_kafka_row *row, int16_t version)
{
    return row->null_from != 0 && version >= row->null_from - 1;
}

/* kafka_apis.c */
/* Bytes in memory of that kind, which is the row's own or that of its items. */
size_t ri_kafka_size_of(const ri_kafka_row *row, ri_kafka_kind kind);
void ri_kafka_blank_member(const ri_kafka_row *row, void *member);

#endif
