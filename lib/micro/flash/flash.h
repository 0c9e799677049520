/* SPDX-License-Identifier: Apache-2.0 */
/* A store on flash, for machines without a file system: a few streams, key-value buckets and the
 * positions of groups, in one log over erase blocks. flash_form.c has the format, and why a loss of
 * power at any moment cannot hurt.
 *
 * All memory is the caller's, laid out once by ri_flash_mount(); nothing is allocated, nothing
 * waits but the device, no function calls itself. One thread at a time. What a function returns 0
 * for is on flash, and stays.
 *
 *     memory   +-------+--------+---------+--------+--------+------+-----+-----------------------+
 *              | store | blocks | streams | groups | ranges | keys | ids | one chunk of programs |
 *              +-------+--------+---------+--------+--------+------+-----+-----------------------+
 *                        12 each            224 each   |      12 each 16 each
 *                                                      8 for each stream of each block
 *
 * What a call costs: a message is found without a table of messages: `ranges` says which blocks
 * may have it, and those are walked, a read of 32 bytes a record. Who reads a stream in order pays
 * one such read a message. When a block is full and no more than a few are free, the oldest
 * one is collected: what lives in it is copied, and it is free. So a write may cost the copy of a
 * block and an erase; how many blocks must be collected in a row is bounded by how full the flash
 * may be made (`reserve`), and is said by the statistics. */
#ifndef RI_FLASH_H
#define RI_FLASH_H

#include "base/assert.h"
#include "base/defs.h"
#include "base/error.h"
#include "base/str.h"

enum {
    RI_FLASH_TITLE = 47,      /* bytes of the name of a stream or bucket */
    RI_FLASH_NAME = 31,       /* bytes of the name of a group */
    RI_FLASH_SUBJECT = 255,   /* bytes of a subject or key */
    RI_FLASH_STREAMS = 16,    /* of one store, buckets among them */
    RI_FLASH_GROUPS = 16,
    RI_FLASH_WINDOW = 32,     /* messages that a group has out at a time */
    RI_FLASH_BAD = 16,        /* blocks that no longer work, until the store takes nothing more */
    RI_FLASH_BLOCKS = 65535,
    RI_FLASH_IDS = 1024,      /* that are known at a time */
};
#define RI_FLASH_ANY UINT32_MAX /* ri_flash_put(): whatever the revision is */

typedef struct ri_flash ri_flash;

typedef struct ri_flash_conf {
    const rill_flash *dev;    /* the functions, the sizes; must outlive the store */
    uint32_t log_id;          /* for ri_flash_format(): by the dice, so that no stranger who chooses
                                 what is stored can make bytes that look like a record */
    uint32_t max_record;      /* bytes that one takes on flash; at least 64, at most 65535 */
    uint16_t max_keys;        /* of all buckets */
    uint16_t reserve;         /* blocks that stay free of data, so that collecting costs little;
                                 0: one in eight */
    uint16_t max_ids;         /* of messages, of all streams: as formatted. 0: none are taken */
    uint8_t max_streams, max_groups; /* as formatted */
    bool accept_loss;         /* mount although whole blocks are missing */
    uint8_t unused;
} ri_flash_conf;

enum {
    RI_FLASH_BUCKET = 1,      /* keys: of each subject the newest record lives */
    RI_FLASH_WORK = 2,        /* what its one group has acknowledged is gone */
    RI_FLASH_REJECT = 4,      /* at a limit RILL_EFULL; else the oldest messages make room */
};
typedef struct ri_flash_limits {
    uint32_t flags;
    uint32_t max_msgs;        /* or keys; 0: no limit but bytes */
    uint32_t max_bytes;       /* as they are on flash, 32 for each record among them. They are kept
                                 for this stream; 0: all that is not kept for others */
} ri_flash_limits;

typedef struct ri_flash_msg { /* the spans are in the reader's buffer */
    ri_str subject, headers, data;
    ri_str id;                /* of one that is appended; empty: none */
    int64_t time_ns;
    uint32_t seq, tries;      /* tries: of a group's, from 1 on */
    bool deleted;             /* of a key: it is gone */
} ri_flash_msg;

typedef struct ri_flash_stream_info {
    ri_str name;              /* lent until the stream is deleted */
    ri_flash_limits limits;
    uint32_t msgs, bytes, first_seq, last_seq;
} ri_flash_stream_info;

typedef struct ri_flash_group_info {
    ri_str name;
    uint32_t stream, acked_seq, out, waiting; /* out: delivered, not settled */
} ri_flash_group_info;

typedef struct ri_flash_stats {
    uint64_t asked_bytes;     /* of records that callers wrote, since the mount */
    uint64_t programmed_bytes; /* all that was programmed for them: the ratio is the write
                                 amplification */
    uint32_t erases, collected, copied; /* blocks, blocks, records */
    uint32_t damaged;         /* records that were met and do not hold */
    uint32_t wear_min, wear_max; /* erases of a block, ever */
    uint32_t free_blocks, bad_blocks, lost_blocks;
    uint32_t capacity_bytes, kept_bytes; /* for streams; promised to them */
} ri_flash_stats;

/* How much memory a mount takes; 0 with the sentence made: `conf` is not valid. */
size_t ri_flash_need(const ri_flash_conf *conf);
/* Erase all, and begin a store. Keeps the counts of erases that it finds. */
int ri_flash_format(const ri_flash_conf *conf, void *memory, size_t bytes);
/* RILL_ENOENT: no block is of a store (or one was not formatted to its end). RILL_ENOTSUP: another
 * version, or formatted for other sizes. RILL_ECORRUPT: it is one, and does not hold. Nothing is
 * written by a mount that fails. */
int ri_flash_mount(ri_flash **out, const ri_flash_conf *conf, void *memory, size_t bytes);
void ri_flash_stats_of(const ri_flash *f, ri_flash_stats *out);
uint32_t ri_flash_id(const ri_flash *f); /* the log id */

/* ---- flash_stream.c; a stream is named by its number, from 0 on ---- */
int ri_flash_stream_find(const ri_flash *f, ri_str name); /* RILL_ENOENT */
/* Make it be so; returns its number. RILL_EFULL: no number, or not so many bytes, are left.
 * RILL_EEXIST: it is there with other flags. What no longer fits into new limits is removed. */
int ri_flash_stream_ensure(ri_flash *f, ri_str name, const ri_flash_limits *limits);
int ri_flash_stream_delete(ri_flash *f, uint32_t stream); /* and its groups */
int ri_flash_stream_about(const ri_flash *f, uint32_t stream, ri_flash_stream_info *out);
int ri_flash_stream_purge(ri_flash *f, uint32_t stream, uint32_t first); /* all before `first` */
/* Store one. *seq, which may be NULL: its number. 1: one with this id is known, and that is its
 * number. RILL_ENOTSUP: it has an id, and max_ids is 0. */
int ri_flash_append(ri_flash *f, uint32_t stream, const ri_flash_msg *msg, uint32_t *seq);
/* The first that lives at or after `seq`. RILL_ENOENT: none. RILL_ETOOBIG: `cap` is too small.
 * Those that are damaged are left out, and counted. */
int ri_flash_next(ri_flash *f, uint32_t stream, uint32_t seq, void *buf, size_t cap,
                  ri_flash_msg *out);

/* ---- flash_bucket.c ---- */
/* `expect`: the revision that the key must have, 0: it must not be there; RI_FLASH_ANY. */
int ri_flash_put(ri_flash *f, uint32_t bucket, const ri_flash_msg *msg, uint32_t expect,
                 uint32_t *revision);
int ri_flash_get(ri_flash *f, uint32_t bucket, ri_str key, void *buf, size_t cap,
                 ri_flash_msg *out);
/* Of `msg` the subject and the time count. */
int ri_flash_delete(ri_flash *f, uint32_t bucket, const ri_flash_msg *msg, uint32_t expect);
/* The key with the least revision after `revision`: all of them in the order they were put, and
 * deletions that are kept. */
int ri_flash_key_after(ri_flash *f, uint32_t bucket, uint32_t revision, void *buf, size_t cap,
                       ri_flash_msg *out);

/* Deletions from the revision `from` on are kept for who watches, an entry of max_keys each, until
 * another key needs it; 0: nobody watches. Returns the last one that was lost by that; 0: none. */
uint32_t ri_flash_watch(ri_flash *f, uint32_t bucket, uint32_t from);

/* ---- flash_group.c ---- */
/* Its number; makes it if it is not there, behind what has gone from the stream already. A stream
 * of RI_FLASH_WORK has one: RILL_EEXIST. */
int ri_flash_group_ensure(ri_flash *f, uint32_t stream, ri_str name);
int ri_flash_group_find(const ri_flash *f, uint32_t stream, ri_str name);
int ri_flash_group_delete(ri_flash *f, uint32_t group);
int ri_flash_group_about(const ri_flash *f, uint32_t group, ri_flash_group_info *out);
/* The next message that is not out, or is out since more than its time. RILL_EAGAIN: none, or
 * RI_FLASH_WINDOW are out. It comes again after `wait_ms` unless it is acknowledged. */
int ri_flash_group_next(ri_flash *f, uint32_t group, int64_t now_ns, uint32_t wait_ms, void *buf,
                        size_t cap, ri_flash_msg *out);
/* Done with it, for ever. RILL_OK, too, if it was already. */
int ri_flash_group_ack(ri_flash *f, uint32_t group, uint32_t seq);
/* Done with all up to it: one record on flash. */
int ri_flash_group_ack_all(ri_flash *f, uint32_t group, uint32_t seq);
/* How long until the first that is out comes again: milliseconds; UINT32_MAX: none is out. */
uint32_t ri_flash_group_due(const ri_flash *f, uint32_t group, int64_t now_ns);
/* It comes again after `wait_ms`. */
int ri_flash_group_nak(ri_flash *f, uint32_t group, uint32_t seq, int64_t now_ns, uint32_t wait_ms);

#endif
