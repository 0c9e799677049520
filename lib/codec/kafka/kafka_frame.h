/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's frames: headers and bodies to structs and back, by the rows of kafka_apis.h.
 *
 *     frame     size i32 | header | body
 *     request   key i16, version i16, correlation id i32, client id STR (i16 length, whatever the
 *               version); in flexible versions a tagged section
 *     answer    correlation id i32; in flexible versions a tagged section, but never for
 *               ApiVersions, since who asks that does not know yet what its answer will look like
 *
 * A reader goes over the bytes once. After the first fault it reads zeros and nothing is kept; the
 * sentence names the API, the field and the place. What it allocates are lists: of no more items
 * than the bytes that are left could hold, and of RI_LIMIT_KAFKA_LISTS bytes in all, since an item
 * of one byte may take sixteen here. Bytes behind the last field are left to the caller: Kafka
 * ignores them. */
#ifndef RI_KAFKA_FRAME_H
#define RI_KAFKA_FRAME_H

#include "base/buffer.h"
#include "codec/kafka/kafka_apis.h"

enum { RI_KAFKA_FRAME_SIZE = 4 }; /* bytes of the size, which the calls below do not see */

typedef struct ri_kafka_head { /* of a request */
    const ri_kafka_api *api;   /* NULL: the rows do not know the key */
    int16_t key, version;
    int32_t correlation_id;
    ri_str client_id;          /* ptr NULL: null */
} ri_kafka_head;

static inline bool ri_kafka_frame_is_flexible(const ri_kafka_api *api, int16_t version)
{
    return version >= api->flexible;
}

/* The header of a request, which is cut off the front of *frame. RILL_EPROTO; RILL_ENOTSUP for a
 * key or version that the rows do not know: *head is all there then, and *frame as it was. */
int ri_kafka_frame_head(ri_str *frame, ri_kafka_head *head);
/* A body, cut off the front of *in, as the struct of its type. RILL_EPROTO, RILL_ETOOBIG,
 * RILL_ENOMEM. Spans point into *in, lists lie in `arena`. */
int ri_kafka_frame_read(const ri_kafka_api *api, const ri_kafka_type *type, int16_t version,
                        ri_str *in, ri_arena *arena, void *out);

/* The same in slices, for bodies whose lists may be long. */
enum { RI_KAFKA_DEPTH = 8 }; /* structs in structs and lists, of any API */

typedef struct ri_kafka_level { /* a struct that is being read */
    uint16_t row;            /* the member at hand; if that is a list: */
    uint32_t at, n;          /* the item at hand, of so many */
    void *items;
} ri_kafka_level;

typedef struct ri_kafka_reading { /* private */
    const ri_kafka_api *api; /* for sentences; NULL while the header is read */
    const ri_kafka_type *type;
    void *out;
    const char *start, *p, *end;
    ri_arena *arena;
    size_t lists;            /* bytes of lists that may still be allocated */
    int64_t left;            /* items until the slice is over */
    int16_t version;
    bool flexible;
    bool cut;                /* the slice is over, and there is more */
    bool resumes;            /* on the way back to where the last one ended */
    uint8_t whole;           /* within what is not left in its midst: tagged members, pointers */
    uint8_t depth, deepest;  /* of `path`; where the slice ended */
    int rc;                  /* the first fault; nothing is read any more */
    ri_kafka_level path[RI_KAFKA_DEPTH];
} ri_kafka_reading;

/* *in, the arena and *out stay until it is over. */
void ri_kafka_frame_begin(ri_kafka_reading *r, const ri_kafka_api *api, const ri_kafka_type *type,
                          int16_t version, ri_str in, ri_arena *arena, void *out);
/* About so many items more. 1: there are more; 0; or a code, and then it is over. */
int ri_kafka_frame_read_some(ri_kafka_reading *r, int64_t items);

/* Bytes of an answer that are not copied: they belong at `at`, a number of bytes written. */
typedef struct ri_kafka_splice {
    size_t at;
    ri_str bytes;
} ri_kafka_splice;

typedef struct ri_kafka_writer {
    ri_buffer *out;       /* the caller's; what is written is appended */
    ri_buffer *splices;   /* the caller's, of ri_kafka_splice: where RECORDS go; NULL: into `out` */
} ri_kafka_writer;

/* A body. RILL_ENOMEM; RILL_ETOOBIG for a text that is longer than its length can say; `out` and
 * `splices` are as before then. */
int ri_kafka_frame_write(const ri_kafka_writer *w, const ri_kafka_api *api,
                         const ri_kafka_type *type, int16_t version, const void *in);
/* An answer as a whole frame, its size ahead, which counts the splices, too; their `at` is of
 * w->out. RILL_ETOOBIG if the size does not fit, either. */
int ri_kafka_frame_answer(const ri_kafka_writer *w, const ri_kafka_api *api, int16_t version,
                          int32_t correlation_id, const void *answer);

#endif
