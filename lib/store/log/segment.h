/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a segment file: headers, commits, entries, footer. No state, no I/O; the essay
 * and the drawing stand in segment.c. */
#ifndef RI_SEGMENT_H
#define RI_SEGMENT_H

#include "base/alloc.h"
#include "base/str.h"

enum {
    RI_SEGMENT_VERSION = 2,      /* that is written; 1 is read, too */
    RI_SEGMENT_HEAD = 64,        /* bytes of the segment header, of its copy and of a spare's */
    RI_SEGMENT_COMMIT = 64,      /* of a commit header */
    RI_SEGMENT_TRAILER = 64,     /* of the trailer, the file's last */
    RI_SEGMENT_TAIL = 128,       /* of the copy of the header and the trailer */
    RI_SEGMENT_NOTE = 64,        /* of the note in LOCK */
    RI_SEGMENT_ENTRY = 16,       /* of what all entries begin with */
    RI_SEGMENT_RECORD = 40,      /* of a record entry before its headers and data */
    RI_SEGMENT_BATCH = 32,       /* of a batch entry before the batch */
    RI_SEGMENT_SUBJECT = 20,     /* of a subject entry before the name */
    RI_SEGMENT_TRACK = 48,       /* of a track entry */
    RI_SEGMENT_SKIP = 24,        /* of a skip, purge or drop entry */
    RI_SEGMENT_REMOVE = 48,      /* of a remove entry */
    RI_SEGMENT_GONE = 32,        /* of a gone entry */
    RI_SEGMENT_FOOT_TRACK = 40,  /* of a track in the footer */
    RI_SEGMENT_FOOT_RUN = 72,    /* of a run in the footer */
    RI_SEGMENT_FOOT_REMOVE = 40, /* of a removal in the footer */
    RI_SEGMENT_FOOT_HEAD = 32,   /* of the counts that the footer begins with */
    RI_SEGMENT_FOOT_SUM = 24,    /* of a subject's sum in the footer */
};

typedef enum ri_segment_kind {
    RI_SEGMENT_KIND_RECORD = 1,
    RI_SEGMENT_KIND_BATCH,
    RI_SEGMENT_KIND_SUBJECT,
    RI_SEGMENT_KIND_TRACK,
    RI_SEGMENT_KIND_SKIP,
    RI_SEGMENT_KIND_PURGE,
    RI_SEGMENT_KIND_REMOVE,
    RI_SEGMENT_KIND_DROP,
    RI_SEGMENT_KIND_GONE,
} ri_segment_kind;

#define RI_SEGMENT_BIT_HEADERS 1u /* of a record entry: a headers length follows its fixed part */
#define RI_SEGMENT_NO_SUBJECT UINT32_MAX
/* Segments and commits are numbered up to here: no log comes so far. Greater ones are read, so that
 * a log that is foreign or damaged is, and is not written to. */
#define RI_SEGMENT_NUMBERS (UINT64_C(1) << 62)
#define RI_SEGMENT_UNNAMED UINT64_MAX /* number of a segment that nothing says */
#define RI_SEGMENT_COMMIT_MAGIC 0x746d6372u /* "rcmt" */

typedef struct ri_segment_head {
    uint32_t version;            /* of the format; the newest is written */
    uint32_t required, optional; /* feature bits */
    uint32_t epoch;              /* of the log when the segment was begun */
    uint64_t log_id;             /* random, the same in all segments of a log */
    uint64_t number;             /* of the segment, from 1 on */
    uint64_t prev;               /* of the one before it when it was begun; 0: it was the first;
                                    RI_SEGMENT_UNNAMED in version 1 */
    uint64_t size;               /* of the file */
    uint64_t first_commit;       /* number of its first commit */
    uint32_t chain;              /* check of the commit before that */
} ri_segment_head;

typedef struct ri_segment_commit {
    uint32_t flags;
    uint64_t segment;  /* number of the segment that it stands in */
    uint64_t number;   /* of the commit, one more than the one before */
    uint64_t durable;  /* every commit up to this number was durable when this one was made */
    uint32_t position; /* of this header in the file */
    uint32_t bytes;    /* of the body */
    uint32_t entries;  /* in the body */
    uint32_t epoch;    /* counts the openings of the log */
    uint32_t body;     /* crc32c of the entries' crc words, in order */
    uint32_t prev;     /* check of the commit before */
    uint32_t check;    /* of this header */
} ri_segment_commit;

typedef struct ri_segment_note { /* how far a log had come */
    uint64_t log_id;
    uint64_t number;  /* of the newest segment */
    uint64_t commit;  /* number of a commit that was durable */
} ri_segment_note;

#define RI_SEGMENT_MORE 1u /* the commit goes on in the next segment; whole only with all parts */

typedef struct ri_segment_trailer {
    uint64_t number;      /* of the segment */
    uint64_t last_commit; /* number of its last commit */
    uint32_t position;    /* of the footer in the file; it ends where the trailer begins */
    uint32_t head_bytes;  /* of the footer's directory, its first part */
    uint32_t head_crc;    /* of the directory */
    uint32_t end;         /* of the commits */
    uint32_t chain;       /* check of the last commit */
    uint32_t names;       /* position of the subject names in the file */
} ri_segment_trailer;

/* An entry, taken apart; `data` and `headers` point into the bytes given. */
typedef struct ri_segment_entry {
    ri_segment_kind kind;
    uint32_t bits;
    uint32_t length;  /* in bytes, without the padding */
    uint32_t crc;     /* that the commit's body checksum counts */
    uint32_t track;   /* number of the track */
    uint64_t seq;     /* record; first of a batch; first removed; next of skip; before of purge;
                         of gone: the segment before */
    uint64_t last;    /* of a batch, or removed; of a track: its floor; of gone: the one behind */
    int64_t time_ns;
    uint64_t id;      /* of a track; of a removal: the segment that holds the dead */
    uint64_t also;    /* of a removal: one more such segment, or 0 */
    uint32_t subject; /* id of the subject */
    uint32_t flags;   /* the owner's; of a track: its options */
    ri_str headers, data;
} ri_segment_entry;

/* What each checksum within a segment starts from: bytes left by a file's earlier life, or by
 * another log, fail. */
uint32_t ri_segment_seed(uint64_t log_id, uint64_t number);

void ri_segment_put_head(char *out, const ri_segment_head *head);
/* RILL_ECORRUPT, or RILL_ENOTSUP for a version or required feature that this build lacks. */
int ri_segment_get_head(const char *in, ri_segment_head *head);
void ri_segment_put_spare(char *out, uint64_t log_id, uint32_t size);
bool ri_segment_is_spare(const char *in);
/* Is it one that a track can have? */
static inline bool ri_segment_is_track(uint32_t number, uint64_t id)
{
    return number != 0 && number != UINT32_MAX && id != 0;
}

void ri_segment_put_note(char *out, const ri_segment_note *note);
int ri_segment_get_note(const char *in, ri_segment_note *note); /* RILL_ECORRUPT */
/* Bytes at the end of a file of this version that belong to no footer. */
static inline uint32_t ri_segment_tail(uint32_t version)
{
    return version == 1 ? RI_SEGMENT_TRAILER : RI_SEGMENT_TAIL;
}
void ri_segment_put_commit(char *out, uint32_t seed, ri_segment_commit *commit); /* sets check */
int ri_segment_get_commit(const char *in, uint32_t seed, ri_segment_commit *commit);
/* Could a commit of this segment stand at the position of a file of this size? No sum is made. */
bool ri_segment_fits_commit(const char *in, uint64_t segment, uint32_t position, uint32_t size);
void ri_segment_put_trailer(char *out, uint32_t seed, const ri_segment_trailer *trailer);
int ri_segment_get_trailer(const char *in, uint64_t log_id, ri_segment_trailer *trailer);

/* Bytes that an entry takes, padded; and a record of so many bytes. */
static inline uint32_t ri_segment_record_size(size_t headers, size_t data)
{
    return (uint32_t)RI_ALIGN(RI_SEGMENT_RECORD + (headers ? 4 + headers : 0) + data, 8);
}
uint32_t ri_segment_entry_size(const ri_segment_entry *e);
/* Writes the entry, sets e->length and e->crc, returns its padded size. */
uint32_t ri_segment_put_entry(char *out, uint32_t seed, ri_segment_entry *e);
/* The same for a record whose headers and data will be copied later, to *at; of what stands behind
 * the fixed part `sum` and `power` are known. */
uint32_t ri_segment_put_lent(char *out, uint32_t seed, ri_segment_entry *e, uint32_t sum,
                             uint32_t power, uint32_t *at);
uint32_t ri_segment_lent_sum(ri_str headers, ri_str data, uint32_t *power);
/* Take the entry apart that begins at `in`, of which `len` bytes are there; checks the sums.
 * RILL_EAGAIN: needs e->length bytes; RILL_ECORRUPT. */
int ri_segment_get_entry(const char *in, size_t len, uint32_t seed, ri_segment_entry *e);
/* The same without the checksum, for bytes that this process wrote and never lost. */
int ri_segment_read_entry(const char *in, size_t len, ri_segment_entry *e);
/* Overwrite what the entry of a record or a batch holds, not what it is, nor how many records a
 * batch has: the entry fails its checksum from then on. */
void ri_segment_erase_entry(char *entry);
/* Does an entry of this length look so? */
bool ri_segment_is_erased(const char *entry, uint32_t length);

/* The entry's crc counts towards the commit's body checksum. */
uint32_t ri_segment_chain(uint32_t body, uint32_t crc);
/* Check that the entries of a commit's body are those that its header speaks of; each may still
 * fail its own checksum. */
int ri_segment_check_body(const char *body, const ri_segment_commit *commit);

/* Little-endian, whatever the machine. */
static inline uint32_t ri_segment_u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

static inline uint64_t ri_segment_u64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void ri_segment_set32(char *p, uint32_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(p, &v, 4);
}

static inline void ri_segment_set64(char *p, uint64_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, 8);
}

#endif
