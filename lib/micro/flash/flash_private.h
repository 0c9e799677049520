/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef RI_FLASH_PRIVATE_H
#define RI_FLASH_PRIVATE_H

#include "micro/flash/flash.h"

/* In rill_micro.c the parts that are not chosen are left out. */
#if defined(RI_MICRO_H) && !defined(RI_MICRO_FLASH)
#define RI_FLASH_ABSENT
#endif

enum {
    RI_FLASH_HEAD = 48,   /* bytes of a block's head, which is there twice */
    RI_FLASH_RECORD = 32, /* bytes of a record's head */
    RI_FLASH_CHUNK = 64,  /* the least that a program call is for */
    RI_FLASH_LEAST = 4,   /* blocks of a store */
    RI_FLASH_NONE = 0xff, /* no stream */
    RI_FLASH_ID = 8,      /* bytes of the hash of an id */
};
#define RI_FLASH_MAGIC 0x464c5348u

typedef enum ri_flash_kind {
    RI_FLASH_KIND_MESSAGE = 1,
    RI_FLASH_KIND_STATE,
    RI_FLASH_KIND_STREAM,
    RI_FLASH_KIND_GROUP,
    RI_FLASH_KIND_TAIL,
} ri_flash_kind;

enum { RI_FLASH_COLLECTS = 1 };                           /* of a block's head */
enum { RI_FLASH_TOMB = 1, RI_FLASH_POSITION = 2, RI_FLASH_HAS_ID = 4 }; /* of a record */

typedef struct ri_flash_head {
    uint32_t log_id, seq, wear, tail, prev_end, block_bytes, blocks;
    uint16_t program_bytes, max_ids;
    uint8_t flags, max_streams, max_groups;
    bool second; /* the second one holds, too */
} ri_flash_head;

typedef struct ri_flash_record {
    uint32_t at;                 /* where it is on flash, from the beginning of the device */
    uint16_t len, headers;       /* bytes; len: of all, without the padding */
    uint32_t sum, seq, mark;     /* sum: of what is behind the head */
    int64_t time;
    uint8_t kind, stream, flags, subject;
} ri_flash_record;

typedef struct ri_flash_block {
    uint32_t seq;  /* its place in the log; 0: it is free */
    uint32_t wear;
    uint32_t end;  /* of its records; of the head of the log: not known here */
} ri_flash_block;

typedef struct ri_flash_stream {
    char name[RI_FLASH_TITLE + 1]; /* name_len 0: there is none */
    uint8_t name_len;
    ri_flash_limits limits;
    uint32_t first, last;     /* those below `first` are dead; `last` was given out */
    uint32_t sum, first_sum;  /* bytes ever stored, modulo 2^32, and those before `first` */
    uint32_t first_at;        /* where that is; 0: there is none */
    uint32_t hint_at;         /* where what was read last is; 0: nothing was */
    uint32_t keys;            /* of a bucket; their bytes are its `sum` */
    uint32_t watched;         /* deletions from here on are kept; 0: none are */
    uint32_t graves, lost;    /* how many are; the last that was lost */
} ri_flash_stream;

typedef struct ri_flash_group {
    char name[RI_FLASH_NAME + 1];
    uint8_t name_len, stream;
    uint32_t floor;           /* all up to it are settled */
    uint32_t acked, out;      /* bit i: floor + 1 + i */
    uint32_t due_ms[RI_FLASH_WINDOW]; /* of those that are out; a clock that goes round */
    uint8_t tries[RI_FLASH_WINDOW];
} ri_flash_group;

typedef struct ri_flash_range { /* of one stream in one block */
    uint32_t min, max;        /* max 0: none */
} ri_flash_range;

typedef struct ri_flash_key {
    uint32_t hash, at;        /* at 0: none */
    uint8_t bucket;
    bool grave;               /* of a key that is deleted: who watches has not read it */
} ri_flash_key;

typedef struct ri_flash_known {  /* seq 0: none */
    uint8_t hash[RI_FLASH_ID];
    uint32_t seq;
    uint8_t stream;
} ri_flash_known;

struct ri_flash {
    uint32_t magic;
    ri_flash_conf conf;
    const rill_flash *dev;
    uint32_t align, chunk;    /* records begin at multiples of one, programs end at the other's */
    uint32_t keep;            /* blocks that are free whenever nothing is under way */
    uint32_t room;            /* bytes of records in one block */
    uint32_t head, head_seq, tail; /* the block that is written, its place, the oldest place */
    uint32_t foretold;        /* the block that is erased next, as flash says; blocks: none */
    uint32_t pos, limit;      /* within the head: what is written next, and where records end */
    uint32_t pen_at, pen_fill;
    uint8_t *pen;             /* one chunk */
    ri_flash_block *blocks;
    ri_flash_stream *streams;
    ri_flash_group *groups;
    ri_flash_range *ranges;   /* block by block */
    ri_flash_key *keys;
    ri_flash_known *ids;         /* a ring */
    uint32_t ids_next;        /* where the next one goes: the oldest */
    uint16_t bad[RI_FLASH_BAD];
    uint32_t nbad;
    uint32_t broken;          /* the record there does not hold; 0: none is known */
    bool first_write;         /* is still to come, behind what may be torn: a TAIL */
    ri_flash_stats stats;
};

/* A walk over the records of one block, damaged places left out. */
typedef struct ri_flash_scan {
    ri_flash *f;
    uint32_t block, off, end;
    int err;
} ri_flash_scan;

typedef struct ri_flash_part {
    const void *ptr;
    uint32_t len;
} ri_flash_part;

static inline uint32_t ri_flash_get16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t ri_flash_get32(const uint8_t *p)
{
    return ri_flash_get16(p) | ri_flash_get16(p + 2) << 16;
}
static inline void ri_flash_put16(uint8_t *p, uint32_t n)
{
    p[0] = (uint8_t)n;
    p[1] = (uint8_t)(n >> 8);
}
static inline void ri_flash_put32(uint8_t *p, uint32_t n)
{
    ri_flash_put16(p, n);
    ri_flash_put16(p + 2, n >> 16);
}
static inline uint32_t ri_flash_round(const ri_flash *f, uint32_t n)
{
    return (n + f->align - 1) & ~(f->align - 1);
}
static inline uint32_t ri_flash_at(const ri_flash *f, uint32_t block, uint32_t off)
{
    return block * f->dev->block_bytes + off;
}
static inline ri_flash_range *ri_flash_range_of(const ri_flash *f, uint32_t block, uint32_t stream)
{
    return &f->ranges[block * f->conf.max_streams + stream];
}
static inline ri_str ri_flash_name(const char *name, uint8_t len)
{
    return (ri_str){name, len};
}

/* Of a store that is mounted, between any two calls. */
static inline bool ri_flash_is_sound(const ri_flash *f)
{
    return f->magic == RI_FLASH_MAGIC && f->head < f->dev->blocks &&
           f->blocks[f->head].seq == f->head_seq && f->tail > 0 && f->tail <= f->head_seq &&
           f->pos <= f->dev->block_bytes && f->pen_fill == 0 && f->nbad <= RI_FLASH_BAD;
}

/* ---- flash_form.c ---- */
uint32_t ri_flash_sum(uint32_t sum, const void *data, size_t len);
void ri_flash_put_head(uint8_t out[RI_FLASH_HEAD], const ri_flash_head *head);
int ri_flash_get_head(const uint8_t in[RI_FLASH_HEAD], ri_flash_head *head);
/* `seed`: of the place where the record stands. */
void ri_flash_put_record(uint8_t out[RI_FLASH_RECORD], uint32_t seed, const ri_flash_record *r);
bool ri_flash_get_record(const uint8_t in[RI_FLASH_RECORD], uint32_t seed, ri_flash_record *r);
uint32_t ri_flash_seed(uint32_t log_id, uint32_t block_seq, uint32_t off);

/* ---- flash_pen.c ---- */
int ri_flash_read(ri_flash *f, uint32_t at, void *buf, uint32_t len);
void ri_flash_pen_at(ri_flash *f, uint32_t at);
/* Program what is given, chunk by chunk; RILL_EIO: it does not read as it was written. */
int ri_flash_pen_put(ri_flash *f, const void *bytes, uint32_t len);
int ri_flash_pen_end(ri_flash *f);
int ri_flash_erase(ri_flash *f, uint32_t block); /* and counts, and looks */
/* Where the first byte in [from, to) is that is not erased; `to`: nowhere. < 0: an error. */
int ri_flash_blank(ri_flash *f, uint32_t from, uint32_t to, uint32_t *found);

/* ---- flash_scan.c ---- */
void ri_flash_scan_start(ri_flash *f, ri_flash_scan *scan, uint32_t block);
bool ri_flash_scan_next(ri_flash_scan *scan, ri_flash_record *r);
bool ri_flash_record_at(ri_flash *f, uint32_t at, ri_flash_record *r);
/* Does what is behind the head of the record hold? */
int ri_flash_record_holds(ri_flash *f, const ri_flash_record *r);
/* Read it into `buf`, and point into that. RILL_ECORRUPT, RILL_ETOOBIG. */
int ri_flash_record_load(ri_flash *f, const ri_flash_record *r, void *buf, size_t cap,
                         ri_flash_msg *out);
uint32_t ri_flash_block_of(const ri_flash *f, uint32_t seq); /* blocks: none */
void ri_flash_seen(ri_flash *f, const ri_flash_record *r);   /* into the ranges */

/* ---- flash_log.c ---- */
bool ri_flash_is_bad(const ri_flash *f, uint32_t block);
uint32_t ri_flash_free_blocks(const ri_flash *f);
uint32_t ri_flash_capacity(const ri_flash *f);
int ri_flash_room(ri_flash *f, uint32_t n); /* at the head, for n bytes of whole records */
/* Write the record, whose `len`, `sum` and `at` are made here, and make room for it first. */
int ri_flash_write(ri_flash *f, ri_flash_record *r, const ri_flash_part *parts, unsigned nparts);
int ri_flash_copy(ri_flash *f, const ri_flash_record *from);
int ri_flash_begin_first(ri_flash *f); /* of a format */
int ri_flash_put_tail(ri_flash *f, uint32_t tail);

/* ---- flash_state.c ---- */
uint32_t ri_flash_state_max(const ri_flash *f);
int ri_flash_state_put(ri_flash *f, ri_flash_record *r);
int ri_flash_state_get(ri_flash *f, const ri_flash_record *r);
int ri_flash_state_apply(ri_flash *f, const ri_flash_record *r); /* STREAM and GROUP */
int ri_flash_stream_write(ri_flash *f, uint32_t stream, const ri_flash_stream *as);
/* The record of a group. Its name is given when it is made or deleted: then it is empty. NULL: the
 * position alone. */
int ri_flash_group_write(ri_flash *f, uint32_t group, uint8_t stream, uint32_t floor,
                         uint32_t acked, const ri_str *name);

/* ---- flash_stream.c ---- */
bool ri_flash_lives(const ri_flash *f, const ri_flash_record *r);
int ri_flash_find(ri_flash *f, uint32_t stream, uint32_t seq, ri_flash_record *r);
int ri_flash_stream_settle(ri_flash *f, uint32_t stream); /* `first`, and what follows from it */
int ri_flash_stream_trim(ri_flash *f, uint32_t stream);
void ri_flash_forget_block(ri_flash *f, uint32_t block);  /* hints into it */
ri_flash_stream *ri_flash_stream_of(const ri_flash *f, uint32_t stream); /* NULL, sentence made */

/* ---- flash_bucket.c ---- */
void ri_flash_key_lost(ri_flash *f, const ri_flash_record *r); /* it does not hold */
void ri_flash_key_moved(ri_flash *f, const ri_flash_record *from, uint32_t to);
ri_flash_key *ri_flash_key_at(const ri_flash *f, const ri_flash_record *r);
int ri_flash_key_seen(ri_flash *f, const ri_flash_record *r); /* when mounting */
int ri_flash_keys_drop(ri_flash *f, uint32_t bucket, uint32_t first);

/* ---- flash_ids.c ---- */
void ri_flash_ids_hash(const uint32_t key[2], ri_str id, uint8_t out[RI_FLASH_ID]);
void ri_flash_ids_make(const ri_flash *f, ri_str id, uint8_t out[RI_FLASH_ID]);
uint32_t ri_flash_ids_find(const ri_flash *f, uint32_t stream, const uint8_t hash[RI_FLASH_ID]);
void ri_flash_ids_add(ri_flash *f, uint32_t stream, uint32_t seq, const uint8_t hash[RI_FLASH_ID]);
const ri_flash_known *ri_flash_ids_at(const ri_flash *f, uint32_t i);
void ri_flash_ids_drop(ri_flash *f, uint32_t stream);
int ri_flash_ids_seen(ri_flash *f, const ri_flash_record *r);

/* ---- flash_group.c ---- */
void ri_flash_groups_drop(ri_flash *f, uint32_t stream);
bool ri_flash_group_has(const ri_flash_group *g, uint32_t seq); /* settled it */
ri_flash_group *ri_flash_group_of_work(const ri_flash *f, uint32_t stream);

#endif
