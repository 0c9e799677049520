/* SPDX-License-Identifier: Apache-2.0 */
/* One backup or restore under way. Only js_backup.c, which has what is common to them, and
 * js_restore.c look at this. */
#ifndef RI_JS_TRANSFER_H
#define RI_JS_TRANSFER_H

#include "base/heap.h"
#include "codec/archive/archive.h"
#include "engine/streams/carry.h"
#include "front/jetstream/js_request.h"

typedef enum ri_js_transfer_phase {
    RI_TRANSFER_CONSUMERS, /* backup: they are captured, and nothing is sent yet */
    RI_TRANSFER_MESSAGES,  /* backup */
    RI_TRANSFER_ENDED,     /* backup: all is in `bytes` */
    RI_TRANSFER_READING,   /* restore: items are taken as they come */
    RI_TRANSFER_CONSUMER,  /* restore: one is given its state */
    RI_TRANSFER_GONE,      /* restore: messages are deleted again */
    RI_TRANSFER_RELEASE,   /* restore: the stream is whole, its consumers are let go */
    RI_TRANSFER_UNDOING,   /* restore: it came to nothing, and what there is of the stream goes */
} ri_js_transfer_phase;

typedef struct ri_js_carried { /* the consumer that is given its state */
    char name[256];
    size_t name_len;
    ri_archive_state state;
    ri_archive_more more;
    ri_archive_pending next;   /* read ahead, when `ahead` */
    bool ahead;
    ri_heap order;             /* pending ones by their sequences */
    ri_arena arena;            /* in which these are */
    uint64_t *picks;
    uint32_t npicks, cap_picks;
} ri_js_carried;

struct ri_js_transfer {
    ri_list link;               /* in api->transfers */
    ri_jetstream_api *api;
    ri_subscription sub;        /* acks of chunks, or chunks */
    char subject[320];          /* of sub */
    ri_str id;                  /* the nuid, within subject */
    bool restore;
    ri_claim claim;             /* to the broker's memory for work: of all that is kept here */
    ri_js_transfer_phase phase;
    int64_t due_ns;             /* given up then, unless something comes */
    ri_buffer bytes;            /* framed; backup: not yet sent; restore: not yet read */
    ri_buffer plain;            /* likewise, before or after the framing */
    ri_arena arena;
    ri_stream_conf conf;        /* restore: what the stream shall be; else its name counts */
    int64_t begun_ns;           /* wall clock */
    int64_t created;            /* of the stream, to know it from a later one of that name */
    uint64_t nconsumers;        /* captured, or made */
    /* Backup. */
    ri_str deliver;             /* where the chunks go */
    ri_stream_state state;      /* when it began */
    char after[256];            /* the consumer that was captured last */
    size_t after_len;
    ri_buffer consumers;        /* their entries, until the head of the archive was written */
    uint64_t next_seq;          /* first message not yet in the archive */
    uint64_t chunk_bytes, slots; /* of a chunk; how many more may be sent now */
    uint64_t index;             /* of the next chunk, from 1 */
    int64_t look_ns;            /* no chunk before */
    bool heard;                 /* the client listens, or had its time to begin */
    /* Restore. */
    ri_archive archive;
    ri_js_carried consumer;
    uint64_t gone, gone_last;   /* RI_TRANSFER_GONE: the numbers yet to be looked at */
    uint64_t npending;          /* of all consumers */
    uint64_t came;              /* bytes of chunks */
    ri_buffer acks;             /* subjects that the chunks at hand are to be answered on, each
                                   with its length before it */
    size_t nlet_go;             /* RI_TRANSFER_RELEASE: consumers looked at */
    bool busy;                  /* there is work without anything having to come */
    bool ended;                 /* the empty chunk came: the last of `acks` is its subject */
    bool framed;                /* the frame that every S2 stream begins with was seen */
    bool whole;                 /* the archive's end was seen */
    ri_js_error failed;         /* what the engine says of a failure */
};

/* ---- js_backup.c ---- */

/* In the list and subscribed; NULL: answered. */
ri_js_transfer *ri_js_backup_open(ri_js_request *r, const char *verb, const char *tail);
void ri_js_backup_free(ri_js_transfer *t);
void ri_js_backup_touch(ri_js_transfer *t); /* it is alive */
/* Count what it holds; below 0: there is no memory for that. */
int ri_js_backup_charge(ri_js_transfer *t);
/* The stream that it is about, or NULL: somebody deleted it. */
ri_stream *ri_js_backup_stream(const ri_js_transfer *t);

/* ---- js_restore.c ---- */

void ri_js_restore_fini(ri_js_transfer *t);
uint64_t ri_js_restore_bytes(const ri_js_transfer *t); /* that only restores hold */
void ri_js_restore_chunk(ri_js_transfer *t, ri_js_request *r);
/* Work until nothing is left or the budget is used up; it may free the transfer. */
void ri_js_restore_turn(ri_js_transfer *t);
void ri_js_restore_give_up(ri_js_transfer *t);

#endif
