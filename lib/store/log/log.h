/* SPDX-License-Identifier: Apache-2.0 */
/* A log: one append path, one recovery path, many tracks.
 *
 * A *track* is one sequence of records (a stream's partition, a consumer's state, the catalogue).
 * Whatever the owner appends to any tracks goes into the *open commit*; a commit becomes durable
 * as a whole, by one write and one sync, and becomes visible to readers as a whole.
 *
 *     append, append, remove ...          owner, memory only
 *     ri_log_commit_begin(log, &job)      owner: takes what is open; a new commit opens behind it
 *     ri_log_commit_io(&job)              any one thread, without the owner: write + sync
 *     ri_log_commit_end(log, &job)        owner: the records are visible, acks may leave
 *
 * Everything but ri_log_commit_io() is called by the log's one owner. Appends may go on between
 * begin and end; one job is under way at a time. The same calls serve a log on disk and one in
 * memory (ri_log_opts.os NULL).
 *
 * Errors: RILL_EFULL (the disk or the byte budget is full: appends refused, reads, removes and
 * their commits go on), RILL_EIO (a sync failed: the log is fenced until it is opened again),
 * RILL_ECORRUPT (names file, position and sequences), RILL_ENOENT, RILL_ENOMEM, RILL_EBUSY. A block
 * that the disk cannot read is RILL_EIO, with file and position, for who opened the log to write;
 * for one that is only read, and in a check, it is damage, and what is around it is read.
 *
 * Opening reads the footers of sealed segments, and the whole of each segment that has none: the
 * last one, after a crash perhaps the one before, and those whose footer is damaged. Its time is
 * linear in these bytes; its memory is these bytes and some tens of bytes a record, whatever the
 * files hold or claim (recover.c says how). */
#ifndef RI_LOG_H
#define RI_LOG_H

#include "base/alloc.h"
#include "base/budget.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/os.h"
#include "base/str.h"
#include "codec/subject/filters.h"
#include "store/memory/producers.h"

typedef struct ri_log ri_log;
typedef struct ri_track ri_track;

typedef enum ri_safety {
    RI_SAFETY_SYNCED,  /* acknowledged is on disk */
    RI_SAFETY_WRITTEN, /* acknowledged is with the operating system */
    RI_SAFETY_MEMORY,  /* acknowledged is in this process; written when a buffer is full */
} ri_safety;

/* Bytes that are not what was written. */
typedef struct ri_damage {
    ri_log *log;          /* that it is of; NULL if that cannot be opened */
    const char *sentence; /* says it all */
    const char *file;     /* path; NULL: not of one file */
    uint64_t position;    /* in it, bytes */
    uint64_t end;         /* of the bytes; 0: not known */
    uint64_t track;       /* id; 0: not known, or of several */
    uint64_t first_seq, last_seq; /* of the records that it touches; 0: not known */
    bool record;          /* it is one record, and over when that is purged */
    bool whole;           /* no record is lost by it */
} ri_damage;
typedef void (*ri_damage_fn)(void *arg, const ri_damage *damage); /* all lent */

typedef struct ri_log_opts {
    const ri_host *host;
    const ri_os *os;        /* NULL: a log in memory */
    const char *dir;        /* created if absent */
    ri_safety safety;
    uint64_t segment_bytes; /* 0: 8 MiB; no less than the largest segment that is there */
    uint64_t budget_bytes;  /* 0: none; of records kept, memory logs count all they hold */
    uint64_t cache_bytes;   /* 0: 64 MiB; of indexes of sealed segments kept in memory */
    ri_memory *memory;      /* where the index of subjects is counted as durable; NULL: nowhere */
    bool counts_as_memory;  /* records count as those of streams in memory do */
    bool no_maps;           /* never map files: a failing disk is an error, never a SIGBUS */
    bool read_only;         /* nothing in the directory is changed, nor is it locked */
    /* Called while a log is opened, or salvaged, which a result of nonzero ends; may be NULL. */
    int (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
    /* Called for each damage found; may be NULL. The log serves what is whole. */
    ri_damage_fn damage;
    void *arg;
} ri_log_opts;

int ri_log_open(ri_log **log, const ri_log_opts *opts);
/* Another budget_bytes: what is over it stays. */
void ri_log_set_budget(ri_log *log, uint64_t bytes);
uint64_t ri_log_id(const ri_log *log); /* the same as long as its files are */
/* Commits what is open (best effort) and frees. */
void ri_log_close(ri_log *log);

/* ---- Tracks ---- */

typedef struct ri_track_opts {
    bool subjects;     /* keep the per-subject index (first, last, count) */
    bool single_tail;  /* only the newest record matters: older ones are dead (states) */
    bool batches;      /* takes Kafka's record batches, and knows their producers */
} ri_track_opts;

/* Open the track with this id (chosen by the caller, never 0 or above INT64_MAX), or create it. Its
 * options are set at creation. Handles last as long as the log, or until the track is dropped. */
int ri_log_track(ri_log *log, uint64_t id, const ri_track_opts *opts, ri_track **track);
/* All its records die, and its id may be used again; part of the open commit. */
int ri_track_drop(ri_track *track);
/* Each track there is, in no order; nonzero from fn ends it. fn opens no track that is not
 * there. */
int ri_log_each_track(const ri_log *log, int (*fn)(void *arg, uint64_t id), void *arg);
uint64_t ri_log_last_track(const ri_log *log); /* the highest id of all tracks; 0: there is none */

typedef struct ri_track_info {
    uint64_t first_seq, last_seq; /* first live one (last + 1 if empty); last ever assigned */
    uint64_t visible_seq;         /* last that readers may see: committed */
    uint64_t count, bytes;        /* live records; as ri_record_bytes() counts them */
    uint64_t subjects;            /* distinct, if indexed */
    uint64_t live_seq;            /* of the last live one; 0: there is none */
    int64_t first_time_ns, last_time_ns; /* of the first and last live record; 0 if none */
} ri_track_info;
void ri_track_status(const ri_track *track, ri_track_info *out);
bool ri_track_is_indexed(const ri_track *track); /* by subject */
bool ri_track_counts_as_memory(const ri_track *track); /* ri_log_opts.counts_as_memory */
/* The same without the times, which may have to be read: for each message. */
void ri_track_counts(const ri_track *track, ri_track_info *out);
/* The counts, and the first time if that is known without a read; else it is 0. */
void ri_track_at_hand(const ri_track *track, ri_track_info *out);

/* ---- Appending ---- */

typedef struct ri_record {
    uint64_t seq;     /* set by append; starts at 1 */
    int64_t time_ns;
    ri_str subject;
    ri_str headers;   /* a NATS/1.0 block, or empty */
    ri_str data;
    uint32_t flags;   /* the owner's, kept as they are, but for the uppermost bit */
} ri_record;

/* Flag of a record that is read and stands in a Kafka batch, if the track has no view or the
 * cursor is raw: `data` is the whole batch, in which its offset is seq - 1. Records that died
 * may be there, too, or be gone from it. */
#define RI_RECORD_BATCH 0x80000000u

/* As nats-server accounts for a message in its files, or in its memory. */
static inline uint64_t ri_record_bytes(const ri_record *r, bool in_memory)
{
    uint64_t bytes = r->subject.len + r->headers.len + r->data.len;
    return in_memory ? 16 + bytes : 30 + bytes + (r->headers.len ? 4 : 0);
}

/* Bytes are copied. rec->seq: the number that it got (0 given: the next; more than the next: a
 * gap is left). */
int ri_track_append(ri_track *track, ri_record *rec);
/* The same for a small record that belongs to what is in the open commit already: it may take the
 * room that is kept for removals when the disk is full. */
int ri_track_append_kept(ri_track *track, ri_record *rec);
/* Headers and data that stand one behind the other in memory that is lent: they are copied to the
 * log by the thread that writes the commit, and their sum is made before. Until the commit has
 * ended, well or not, the lender keeps them as they are. */
typedef struct ri_lender {
    uint32_t records;               /* that are not copied yet */
    void (*done)(struct ri_lender *lender); /* when there are none any more; frees it, perhaps */
} ri_lender;
typedef struct ri_lent {
    ri_lender *lender;
    const char *bytes;              /* headers, then data */
    uint32_t sum, power;            /* of them, by ri_lent_sum() */
} ri_lent;
void ri_lent_sum(ri_lent *lent, ri_str headers, ri_str data); /* any thread */
/* A record of what is lent; what is not, after all, is copied at once. */
int ri_track_append_lent(ri_track *track, ri_record *rec, const ri_lent *lent);
/* All that is lent is copied now, and given back: the lender goes. Nobody is in a commit's io. */
void ri_log_take_lent(ri_log *log);
/* The next append gets at least `seq`. */
int ri_track_skip_to(ri_track *track, uint64_t seq);
/* A Kafka RecordBatch v2 as a producer or a transaction's coordinator sent it, stored verbatim but
 * for base offset and leader epoch. Its records get consecutive sequences, the first of which is
 * returned. 1 if its producer has sent it before: first_seq is that of then. RILL_ECONFLICT: not
 * the next of its producer; RILL_EFENCED: a newer epoch has taken over; RILL_EINVAL: outside the
 * transaction that is open; `verdict` says which, as Kafka does. RILL_EPROTO or RILL_ECORRUPT: it
 * is not what it says; RILL_ENOTSUP for a track without `batches`. */
typedef struct ri_batch_receipt {
    uint64_t first_seq;
    ri_producers_verdict verdict;
} ri_batch_receipt;
int ri_track_append_batch(ri_track *track, ri_str batch, ri_batch_receipt *receipt);
/* What is known of a producer: 1, or 0 if nothing; last_sequence -1: it has sent nothing yet. */
int ri_track_producer(ri_track *track, int64_t producer_id, int16_t *epoch, int32_t *last_sequence);
/* What is known of those that spoke last, `most` at most: their number, and with `out` they. None
 * for a track without `batches`. */
int ri_track_producers(ri_track *track, ri_producers_one *out, uint32_t most);
/* Remove one live record (RILL_ENOENT), overwriting its bytes at the next commit if `erase`; or
 * all below `before`. Part of the open commit. */
int ri_track_remove(ri_track *track, uint64_t seq, bool erase);
int ri_track_purge(ri_track *track, uint64_t before);

/* ---- Committing ---- */

typedef struct ri_commit { /* a job; opaque but for rc */
    ri_log *log;
    void *work;
    int rc;
} ri_commit;

bool ri_log_dirty(const ri_log *log); /* something waits in the open commit */
uint64_t ri_log_open_bytes(const ri_log *log); /* about how many the open commit will write */
/* Is its directory on a file system that cannot be written? Then it is only read. */
bool ri_log_is_read_only(const ri_log *log);
bool ri_log_lags(const ri_log *log); /* something committed is not written: safety memory */
int ri_log_commit_begin(ri_log *log, ri_commit *job);
int ri_log_commit_io(ri_commit *job);
/* A part of the io of a log in memory, for who has no thread for it: 1 if there is more. */
int ri_log_commit_io_some(ri_commit *job, ri_budget *budget);
int ri_log_commit_end(ri_log *log, ri_commit *job);
int ri_log_commit(ri_log *log); /* the three in a row */
/* Owner, of a log that begins: a job that makes its first file durable and commits nothing, with
 * the io and end of a commit. What comes meanwhile is part of the first commit, which would else do
 * that itself, with what comes waiting for the second. False: that is done, or cannot be now. */
bool ri_log_found_begin(ri_log *log, ri_commit *job);

/* A commit reaches the strongest safety that something in it needs. Entries need the safety of the
 * log; those that are appended from now on need `safety`, until this is called again. */
void ri_log_ease(ri_log *log, ri_safety safety);
ri_safety ri_log_safety(const ri_log *log);
/* The open commit, and it alone, needs at least `safety`. */
void ri_log_need(ri_log *log, ri_safety safety);

/* One bounded slice of cleaning; returns 1 if there is more to do, 0 if not. Owner, when idle. */
int ri_log_clean(ri_log *log);

/* Keep the last record of each key: of its subject, or, in a batch, its own key. Older ones die
 * some time, in slices of ri_log_compact(); so does the last if it is a tombstone: of a batch, a
 * null value. Not stored: to be said again when the log was opened. */
typedef struct ri_compact_rule {
    int64_t tombstone_ns; /* how long a tombstone stays at least */
    uint32_t dirty;       /* thousandths of the records that are new: then all are looked at ... */
    int64_t lag_ns;       /* ... or so long after the first of these; 0: never for that */
    bool (*is_tombstone)(void *arg, const ri_record *record); /* not in a batch; NULL: none is */
    /* The subject that a batch's key counts as, appended to `out`; NULL: keys are not subjects. */
    void (*subject)(void *arg, ri_str key, ri_buffer *out);
    void (*removed)(void *arg, uint64_t seq); /* called for each that has died; may be NULL */
    void *arg;
} ri_compact_rule;
int ri_track_compact(ri_track *track, const ri_compact_rule *rule); /* NULL: no longer */
/* One bounded slice of it, when there is nothing to clean; 1 if there may be more. */
int ri_log_compact(ri_log *log, int64_t now_wall_ns);
/* When there is something to do without anything being appended; INT64_MAX: never. */
int64_t ri_log_compact_due_ns(const ri_log *log);

typedef struct ri_log_stats {
    uint64_t segments, spares;  /* files that hold records, files kept for reuse */
    uint64_t live_bytes;        /* of entries that are live, as stored */
    uint64_t used_bytes;        /* of all segments with records, whole */
    uint64_t memory_bytes;      /* of segments held in memory */
    uint64_t cached_bytes;      /* of indexes of sealed segments, which may go */
    uint64_t map_bytes;         /* of mapped files: the system's memory */
    uint64_t commits, syncs;    /* since opened, as are all below */
    uint64_t appended_bytes;    /* of entries by the owner */
    uint64_t copied_bytes;      /* of entries that the cleaner moved */
    uint64_t written_bytes;     /* all that was given to the disk; by appended: amplification */
    uint64_t cleaned;           /* segments emptied */
    uint64_t damages;           /* reported */
} ri_log_stats;
void ri_log_status(const ri_log *log, ri_log_stats *out);

/* ---- Reading (visible records only, unless a cursor asks for all) ---- */

/* What a reader stands in, so that it stays while others come and go. */
typedef struct ri_held {
    void (*release)(struct ri_held *held);
} ri_held;

/* How the records of a track's batches look to its readers. */
typedef struct ri_track_view {
    /* The record out->seq. `batch` is the whole one that it stands in, lent for the call; NULL: it
     * may stand in one that is at hand. Put together in `text`, or in what *held holds, which is
     * set to a reference for the caller. RI_VIEW_*, RI_CURSOR_CUT if `budget`, which may be NULL,
     * is used up before the batch is unpacked, or RILL_E*. */
    int (*read)(void *arg, const ri_str *batch, ri_budget *budget, ri_buffer *text, ri_record *out,
                ri_held **held);
    void *arg;
} ri_track_view;
enum {
    RI_VIEW_HIDDEN = 0, /* no reader sees it: it is a control record, or not there any more */
    RI_VIEW_RECORD = 1,
    RI_VIEW_AWAY = 3,   /* what is at hand does not have it */
};
/* Lent until the track goes, or another is set. NULL: a batch is read as a whole. */
void ri_track_set_view(ri_track *track, const ri_track_view *view);

/* A reader's place and memory. Records it hands out point into it, or into the log, and are good
 * until the next call on this cursor or the log's next call by the owner that changes it. */
typedef struct ri_cursor {
    ri_track *track;
    void *mem; /* owned by the cursor; NULL until needed */
    bool open; /* set after init: it sees the open commit, too */
    bool raw;  /* set after init: batches come as they are stored, whatever the track's view */
    ri_held *held; /* the batch that its last record stands in; NULL */
    /* Set after init: what all calls give as a filter, compiled; lent. NULL: filters are compared
     * one by one with each subject. */
    const ri_filters *compiled;
    /* Set after init: what a search by a filter looks at is spent, and the search is cut when that
     * is used up. Such a cursor is one asker's own: what was found out so far stays in it. */
    ri_budget *budget;
    ri_budget *counts; /* set after init: it is spent there, but the search is not cut */
} ri_cursor;

void ri_cursor_init(ri_cursor *c, ri_track *track);
void ri_cursor_fini(ri_cursor *c); /* only its memory goes: it may be used again */

/* Subject filters: none (nfilters 0) takes all. Wildcards as in NATS. */
typedef struct ri_filter {
    const ri_str *subjects;
    size_t nsubjects;
} ri_filter;

int ri_cursor_get(ri_cursor *c, uint64_t seq, ri_record *out);            /* RILL_ENOENT */
enum { RI_CURSOR_CUT = 2 }; /* the budget is used up: to be asked again, from out->seq on */
/* The first live record with seq >= from that matches; 1, or 0 when there is none; or cut. */
int ri_cursor_next(ri_cursor *c, uint64_t from, const ri_filter *filter, ri_record *out);
/* The last with seq <= from. */
int ri_cursor_prev(ri_cursor *c, uint64_t from, const ri_filter *filter, ri_record *out);
/* Sequence of the first live record at or after a time; last_seq + 1 if none. */
uint64_t ri_track_seq_at(ri_track *track, int64_t time_ns);
/* Sequence of a live record that has the latest time of all, the first of its batch if it stands in
 * one, whose time is that of its latest record; 0: there is none. */
uint64_t ri_track_latest(ri_track *track, int64_t *time_ns);
/* Counts the live visible records from *from to `to` that match, and adds them to *n: 1 if it is
 * cut, *from being where it goes on. */
int ri_cursor_count_some(ri_cursor *c, uint64_t *from, uint64_t to, const ri_filter *filter,
                         uint64_t *n);
/* The same to the end, if the index of subjects says it within the budget: true. */
bool ri_cursor_count_quickly(ri_cursor *c, uint64_t from, uint64_t to, const ri_filter *filter,
                             uint64_t *n);
/* The same to the end. */
uint64_t ri_cursor_count(ri_cursor *c, uint64_t from, uint64_t to, const ri_filter *filter);
/* How many live visible records with seq >= from match. */
uint64_t ri_track_count(ri_track *track, uint64_t from, const ri_filter *filter);

/* The first stretch of numbers from *first on, up to `last`, that no live record has: 1, and it
 * goes from *first to *end; 0: there is none. However long it is, it is found by what lies before
 * and behind it; *visited grows by the slots that were looked at. */
int ri_track_gap(ri_track *track, uint64_t *first, uint64_t last, uint64_t *end,
                 uint64_t *visited);

/* ---- The subject index (tracks opened with `subjects`); it sees the open commit, too ---- */

typedef struct ri_subject_info {
    ri_str subject;           /* lent until the track changes */
    uint64_t first_seq, last_seq, count;
} ri_subject_info;

int ri_track_subject(ri_track *track, ri_str subject, ri_subject_info *out); /* RILL_ENOENT */
/* The same without a search: the first may be before, the last behind those that there are. */
int ri_track_subject_bounds(ri_track *track, ri_str subject, ri_subject_info *out);
/* Each subject that matches `filter` (empty: all), in byte order; nonzero from fn ends it. */
int ri_track_each_subject(ri_track *track, ri_str filter,
                          int (*fn)(void *arg, const ri_subject_info *info), void *arg);
/* The last sequence of all subjects that `filter` matches, 0 if there is none; `visited` is called
 * how much of the index was looked at. */
uint64_t ri_track_last_of(ri_track *track, ri_str filter, uint64_t *visited);
/* As many of these as a budget allows, from a place on (subject_index.h): 1 if there are more. With
 * `ends` the first and the last are looked for, if need be; else they are bounds. */
struct ri_subject_place;
int ri_track_some_subjects(ri_track *track, ri_str filter, bool ends,
                           struct ri_subject_place *place,
                           int (*fn)(void *arg, const ri_subject_info *info), void *arg);

/* ---- Care ---- */

/* Each damage that is known, found when the log was opened, and since: without the first `from`.
 * How many there are. */
uint32_t ri_log_each_damage(ri_log *log, uint32_t from, ri_damage_fn fn, void *arg);
/* Is the record among those that are known to be lost? */
bool ri_track_lost(const ri_track *track, uint64_t seq);

typedef struct ri_scrub { /* zeroed: from the beginning */
    uint64_t segment;     /* number of the one at hand */
    uint32_t position;    /* in it */
    uint64_t done_bytes, total_bytes; /* of the files; total: as they are now */
    uint64_t damages;     /* found so far, those that were known included */
    uint32_t reported;    /* of what is known, so many were reported */
    ri_damage_fn damage;  /* called for each, as ri_log_opts.damage is for new ones; may be NULL */
    void *arg;            /* of damage */
} ri_scrub;
/* Check the checksums of a slice, about a quarter of a megabyte, but whole commits; 1 if there is
 * more, 0 at the end. A log in memory has none. */
int ri_log_scrub(ri_log *log, ri_scrub *scrub);

/* Make `dir` a log of its own that holds what is committed: sealed segments by hard links, the
 * tail, or all where links cannot lead, as copies. It may be opened as it is, or copied elsewhere
 * first. begin and end are the owner's, while no commit is under way (RILL_EBUSY); io is for any
 * one thread, and may be long: meanwhile no file is used again, and what is erased keeps its bytes
 * until the end. A record erased later is erased there, too. Until the end is good, `dir` is not
 * there: it is made as DIR.part. RILL_EEXIST if one of the two is there. */
typedef struct ri_snapshot { /* opaque */
    ri_log *log;
    char *dir, *part;
    struct log_copy *copies;
    uint32_t ncopies, cap_copies;
    int rc;
} ri_snapshot;
int ri_log_snapshot_begin(ri_log *log, ri_snapshot *snapshot, const char *dir);
int ri_log_snapshot_io(ri_snapshot *snapshot);
int ri_log_snapshot_end(ri_snapshot *snapshot);
int ri_log_snapshot(ri_log *log, const char *dir); /* a commit, and the three in a row */

/* Copy what can be read of a log to a new one in `dir`, under the same track ids and sequences;
 * `dir` NULL: only look at all of it.
 * The old one is only read. opts->damage hears what is lost, opts->progress of the opening, of
 * the check, and then of records instead of bytes. RILL_ENOENT if there is no log, RILL_EBUSY if it
 * is open; RILL_EEXIST if `dir` has one; RILL_ECLOSED if opts->progress ended it. What was copied
 * before a failure stays. */
int ri_log_salvage(const ri_log_opts *opts, const char *dir, uint64_t *records);

#endif
