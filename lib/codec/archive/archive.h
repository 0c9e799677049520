/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of a stream, as nats-server makes and takes them: what is inside of the S2 stream
 * (codec/archive/s2_frame.h) in which they travel.
 *
 * There are two forms, with different first bytes.
 *
 *   entries   since 2.15: "NATSARC1", and then entries one after the other, each
 *
 *                 name length, time (zigzag), sequence, header size, payload size: varints
 *                 name | headers | payload
 *
 *             "state.json" comes first and says how many consumers follow; each of these is
 *             "consumers/NAME" with {"config": .., "state": ..} as its payload; then come the
 *             messages, named by their subjects, in the order of their sequences; an entry of
 *             nothing but zeros is the end.
 *
 *   tar       before 2.15: the files of a store. meta.inf is the stream's configuration, msgs/N.blk
 *             are blocks of records, msgs/index.db says what of them is gone (archive_index.c),
 *             obs/NAME/meta.inf and obs/NAME/o.dat are consumers; each meta.sum is the checksum
 *             of the meta.inf beside it.
 *
 * Reading takes bytes as they come and hands out items; what it keeps in between is bounded by the
 * limits below, whatever the archive claims. It checks the form and checksums, not what a message
 * may be. Written is the form of entries. Pure. */
#ifndef RI_ARCHIVE_H
#define RI_ARCHIVE_H

#include "base/buffer.h"
#include "codec/archive/highway.h"

#define RI_ARCHIVE_MAGIC "NATSARC1"

typedef enum ri_archive_kind {
    RI_ARCHIVE_FIRST,    /* numbers below `seq` were assigned, and are gone */
    RI_ARCHIVE_CONSUMER, /* `name` with `config` as JSON and `state`, in one of its forms */
    RI_ARCHIVE_MESSAGE,  /* of `name` as subject, `headers`, `data`, `seq`, `time_ns` */
    RI_ARCHIVE_GONE,     /* `seq` to `last` were assigned; messages among them are deleted */
    RI_ARCHIVE_NOTHING,  /* some work was done: there may be more */
    RI_ARCHIVE_END,      /* all is well; `seq` is the last number assigned, and `time_ns` when, as
                            far as it is known */
} ri_archive_kind;

/* Spans are lent until the next call on the archive, or on the buffer that it reads. */
typedef struct ri_archive_item {
    ri_archive_kind kind;
    uint64_t seq, last;
    int64_t time_ns;
    ri_str name, headers, data; /* of a message: its subject, header block, data */
    ri_str config, state;       /* of a consumer */
    ri_str more;                /* of a consumer: what only rill keeps of it, as JSON; or empty */
} ri_archive_item;

typedef struct ri_archive {
    const ri_host *host;
    ri_str stream;       /* its name, lent: part of the checksums of a tar */
    uint64_t max_data;   /* bytes of a message's data, at most; may be set after init */
    int form;            /* archive.c */
    int phase;           /* of the form */
    uint64_t lent;       /* bytes of the item that was handed out: eaten by the next call */
    uint64_t last_seq;   /* of the state, or of what was seen */
    int64_t last_ns;     /* when it was stored; 0: not known */
    uint64_t consumers;  /* entries: that are still to come */
    /* tar: the file at hand */
    uint64_t left, pad;  /* its bytes that were not eaten; those behind it */
    int file;            /* what it is: archive_tar.c */
    uint64_t renamed;    /* size that an extended header gave the next file; UINT64_MAX: none */
    ri_buffer path;      /* the file's; and of an extended header, the next one's */
    bool has_path;
    ri_buffer config;    /* a meta.inf, until its meta.sum and o.dat have come */
    ri_buffer consumer;  /* whose it is; empty: the stream's */
    bool pending;        /* the meta.inf of a consumer has come and no state of it */
    bool checked;        /* the stream's meta.inf has come */
    bool unsummed;       /* a meta.inf has come and no meta.sum of it */
    ri_highway key;      /* of the block or index at hand, as keyed */
    ri_highway sum;      /* of what of the index was eaten */
    /* tar: the index */
    int index;           /* archive_index.c */
    int version;
    uint64_t count;      /* subjects, or blocks, that are still to come */
    uint64_t nodes;      /* of the set of deleted numbers that are still to come */
    uint64_t next;       /* the number behind the blocks before */
    uint64_t base;       /* the number that bit 0 of `bits` stands for */
    uint64_t bits[64];
    uint32_t bit, nbits; /* the next one to look at, and their number */
} ri_archive;

void ri_archive_init(ri_archive *a, const ri_host *host, ri_str stream);
void ri_archive_fini(ri_archive *a);
/* The next item out of the bytes in `in`, which are eaten: 1, or 0 when more of them are needed.
 * RILL_EPROTO says what is wrong with it; RILL_ENOMEM. `last`: no more bytes will come, so that
 * where 0 would be returned the archive is cut short, which is RILL_EPROTO. After the end 0. */
int ri_archive_next(ri_archive *a, ri_buffer *in, bool last, ri_archive_item *item);

/* ---- A consumer's state ---- */

typedef struct ri_archive_place {
    uint64_t delivered_consumer, delivered_stream;
    uint64_t floor_consumer, floor_stream;
} ri_archive_place;

typedef struct ri_archive_pending { /* delivered and not acknowledged */
    uint64_t stream_seq, consumer_seq;
    int64_t sent_ns;                /* wall clock */
    uint64_t deliveries;            /* at least 1 */
    bool again;                     /* stream_seq and deliveries only, of one that came before */
} ri_archive_pending;

typedef struct ri_archive_state {
    ri_archive_place place;
    ri_str pending;      /* JSON: its members; binary: all that follows */
    ri_str again;        /* JSON: the members of "redelivered" */
    uint64_t left;       /* binary: of those at hand */
    int64_t base_s;      /* binary: to which times refer */
    int form;            /* archive_state.c */
} ri_archive_state;

/* `state` as an item has it; an empty one is of a consumer that has delivered nothing: 0, else 1
 * or RILL_EPROTO. */
int ri_archive_state_open(ri_archive_state *s, ri_str state);
/* One pending message after the other, in any order, and then how often those were delivered that
 * were delivered more than once; 1, 0 at the end, RILL_EPROTO. */
int ri_archive_state_next(ri_archive_state *s, ri_archive_pending *out);

/* ---- What only rill keeps of a consumer ---- */

typedef struct ri_archive_more {
    int64_t created_ns, delivered_ns, acked_ns;
    uint64_t next_seq; /* the first that was neither delivered nor passed over */
    ri_str picks;      /* of JSON numbers: what is delivered before next_seq, in order */
} ri_archive_more;
int ri_archive_more_read(ri_str json, ri_archive_more *out);
int ri_archive_more_pick(ri_archive_more *more, uint64_t *seq); /* 1, or 0 at the end */

/* ---- Writing ---- */

void ri_archive_put_begin(ri_buffer *out, ri_str state_json, int64_t now_ns);
void ri_archive_put_message(ri_buffer *out, const ri_archive_item *message);
void ri_archive_put_consumer(ri_buffer *out, ri_str name, ri_str json, int64_t now_ns);
void ri_archive_put_end(ri_buffer *out);
/* The payload of a consumer: begin, each pending one, each again that was delivered more than once,
 * then what only rill keeps, each pick, and the end. */
typedef struct ri_archive_writer {
    ri_buffer *out;
    int part; /* of the object; archive_state.c */
} ri_archive_writer;
void ri_archive_state_begin(ri_archive_writer *w, ri_buffer *out, ri_str config,
                            const ri_archive_place *place);
void ri_archive_state_put(ri_archive_writer *w, const ri_archive_pending *pending);
void ri_archive_state_more(ri_archive_writer *w, const ri_archive_more *more);
void ri_archive_state_pick(ri_archive_writer *w, uint64_t seq);
void ri_archive_state_end(ri_archive_writer *w);

#endif
