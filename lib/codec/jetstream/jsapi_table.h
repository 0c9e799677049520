/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of the JetStream tables says. Only the codec's jsapi files look at this.
 *
 *     row: "max_age"  kind INT  of time.Duration  at offsetof(ri_stream_conf, max_age)
 *
 * Lists are structs of a pointer and a uint32_t count, whatever their items; a type's size is
 * that of one item. EMBED puts the rows of another table into this one, its struct being at the
 * offset (or, EMBED_PTR, behind a pointer there); a GROUP is an object whose fields lie in the
 * struct around it. */
#ifndef RI_JSAPI_TABLE_H
#define RI_JSAPI_TABLE_H

#include "codec/jetstream/jsapi.h"

typedef enum jsapi_kind {
    JSAPI_STR, JSAPI_BOOL, JSAPI_INT, JSAPI_INT32, JSAPI_UINT, JSAPI_TIME, JSAPI_ENUM,
    JSAPI_BASE64, JSAPI_ERROR,
    JSAPI_STRS, JSAPI_INTS, JSAPI_MAP, JSAPI_COUNTS,
    JSAPI_OBJECT, JSAPI_GROUP, JSAPI_POINTER, JSAPI_LIST, JSAPI_EMBED, JSAPI_EMBED_PTR,
} jsapi_kind;

enum {
    JSAPI_OMIT = 1,    /* left out when it is zero or empty */
    JSAPI_NULL = 2,    /* an empty list is null, not [] */
    JSAPI_UNSIGNED = 4, /* of INTS: sequences, called unsigned in errors */
};

typedef struct jsapi_names { /* an enum's values as text */
    const char *const *names;
    uint32_t len;
    const char *bad;         /* the sentence for another; %s is the text, NULL the usual one */
} jsapi_names;

typedef struct jsapi_row {
    const char *name;        /* NULL for EMBED */
    uint16_t offset;
    uint8_t kind;            /* jsapi_kind */
    uint8_t flags;
    union {
        const ri_jsapi_type *type; /* OBJECT, GROUP, POINTER, LIST, EMBED, EMBED_PTR */
        const jsapi_names *names;  /* ENUM */
        const char *word;          /* INT: how errors call its type; NULL is int */
    } of;
} jsapi_row;

struct ri_jsapi_type {
    const char *word;        /* how errors call the struct */
    const jsapi_row *rows;
    uint16_t nrows;
    uint16_t size;           /* of the struct */
};

typedef struct jsapi_list { /* how every list of the structs lies in memory */
    void *items;
    uint32_t len;
} jsapi_list;

#endif
