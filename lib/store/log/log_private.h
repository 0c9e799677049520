/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the log share; nobody else includes this.
 *
 *     log.c       open commit, append of entries, rolling, the commit job
 *     space.c     files: segments reserved, read, written, wiped, recycled; images; lock
 *     note.c      how far the log had come, in LOCK; opening: what is there is made durable
 *     damage.c    what was found damaged: reported, and known from then on
 *     holes.c     opening: segments that are missing, files that were given up
 *     footer.c    directory of a sealed segment: written at the roll, read at opening
 *     directory.c opening: which segments there are
 *     recover.c   opening: footers, then a scan of what has none
 *     lost.c      opening: entries that fail their checksums
 *     reread.c    what is stored of a run is damaged
 *     seek.c      what can be found where the row of commits is broken
 *     lent.c      bytes of records that are lent until the commit's thread has copied them
 *     track.c     tracks and their runs; append, remove, purge
 *     cursor.c    reading
 *     lookup.c    records by time, the ends of subjects
 *     cache.c     what is kept in memory of sealed segments
 *     cleaner.c   copies what lives out of mostly dead segments
 *     removals.c  what died, on its way into the log
 *
 * An *image* is a segment's bytes in memory: of the active one, of sealed ones until they are
 * written, and in a memory log of all. The job's thread reads from images (bytes below what the
 * open commit began at, which the owner does not touch while a job is under way) and writes
 * files; all else here is the owner's. */
#ifndef RI_LOG_PRIVATE_H
#define RI_LOG_PRIVATE_H

#include "base/array.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/map.h"
#include "codec/kafka/kafka_batch.h"
#include "store/log/log.h"
#include "store/log/segment.h"
#include "store/index/sets.h"
#include "store/index/subject_index.h"

enum {
    RI_LOG_SEGMENT_MIN = 16384,      /* bytes of the smallest segment */
    RI_LOG_SEGMENT_DEFAULT = 8388608,
    RI_LOG_SEGMENT_LEAST = 262144,   /* the smallest that little room on the disk leads to */
    RI_LOG_SEGMENT_MEMORY = 2097152, /* the default of logs in memory: a huge page */
    RI_LOG_GAP_MAX = 64,             /* dead slots that a run may bridge */
    RI_LOG_SPARES_MAX = 2,           /* files kept for reuse */
    RI_LOG_FILES_MAX = 128,          /* files kept open */
    RI_LOG_CACHE = 67108864,         /* bytes of indexes kept of sealed segments */
    RI_LOG_BUFFER = 262144,          /* bytes that safety memory leaves unwritten */
    RI_LOG_PENDING = 16,             /* removals not yet written */
    RI_LOG_KNOWN_MAX = 4096,         /* damages that are known after they were reported */
};
enum { RI_LOG_KEPT_OWNER, RI_LOG_KEPT_JOB, RI_LOG_KEPT }; /* who may give it up */
#define RI_LOG_NO_SLOT UINT32_MAX

#define RI_LOG_MAPS_MAX (sizeof(void *) > 4 ? UINT64_C(4) << 30 : 0) /* bytes of mapped files */

typedef struct log_removal { /* a removal that must outlive the dead bytes */
    uint32_t track;          /* number */
    bool drop;               /* of the whole track */
    bool gone;               /* of all segments between `first` and `last`, which are numbers */
    uint64_t first, last;    /* sequences */
    uint64_t home, also;     /* numbers of segments that hold the dead; also: 0 if one */
} log_removal;

typedef struct log_known { /* a damage */
    ri_damage damage;
    char *text;              /* its sentence, owned */
    uint32_t slot;           /* names the file; RI_LOG_NO_SLOT: of none */
} log_known;

typedef struct log_segment {
    uint64_t number;        /* order in the log; 0 while spare */
    uint64_t prev;          /* number of the one before it, the cleaned ones left out; UNNAMED */
    uint64_t head_prev;     /* as its header says */
    uint32_t version;       /* of its format */
    uint32_t slot;          /* names the file */
    int fd;                 /* -1: not open */
    uint64_t used_at;       /* tick of the last use of fd */
    uint32_t size;          /* of the file */
    uint32_t seed;          /* of its checksums */
    char *image;            /* its bytes, or NULL: read the file */
    bool image_is_small;    /* in pages of the usual size */
    uint32_t begin;         /* where the open commit's header stands; active only */
    uint32_t end;           /* of its commits */
    uint32_t written;       /* bytes given to the system */
    uint32_t hastened;      /* of these, on their way to the disk before a sync; the job's */
    bool bare;              /* made in haste: the file has room for them, and no zeros ... */
    uint32_t laid;          /* ... but up to here; the job's */
    uint64_t live;          /* bytes of live entries, about */
    uint32_t there;         /* bytes of the file when the log was opened */
    uint32_t missing;       /* bytes at the end that were there before, or more */
    bool uncopied;          /* the copy of the header is still to be written */
    uint64_t emptied_at;    /* commit that moved the last live entry away; 0: not emptied */
    uint64_t first_commit;  /* number of its first commit */
    uint32_t first_chain;   /* check of the commit before that */
    uint64_t last_commit;   /* number of its last commit */
    uint32_t chain;         /* check of that one */
    bool sealed;            /* no more commits go in here */
    bool stored;            /* footer is in the file */
    uint32_t pins;          /* a job uses fd */
    bool fresh;             /* created and not yet in the durable directory */
    bool ground;            /* to be a durable spare before it is written to */
    bool damaged;           /* kept as it is: never recycled */
    bool left;              /* not emptied by the cleaner, who moved some of it: has copies */
    bool undated;           /* has tombstones of batches that wait for their date */
    bool wiped;             /* by the job: nothing of it is left on disk */
    bool linked;            /* the file is gone, a snapshot had a share in it */
    bool settled;           /* sealed, and all of it synced */
    bool leftover;          /* what it holds was never whole: wipe before anything is written */
    uint32_t foot_need;     /* bytes that the footer will take at most */
    uint32_t *touched;      /* numbers of the tracks with entries in here; NULL once stored */
    uint32_t ntouched, cap_touched;
    log_removal *removals;  /* made in here, until stored */
    uint32_t nremovals, cap_removals;
    char *foot;             /* footer's directory; loaded, or made and not yet stored */
    uint32_t foot_bytes;
    char *names;            /* subject names: count, offsets, bytes; loaded */
    uint32_t names_bytes;
    uint32_t *subjects;     /* active: position of the subject entry, by id */
    uint32_t nsubjects, cap_subjects;
    uint32_t names_at, names_crc; /* where the footer has the names, once it is known */
    uint32_t names_len;     /* 0: no names */
    char *map;              /* the whole file, or NULL */
    bool map_failed;        /* it cannot be mapped */
    uint32_t picked;        /* entries that were read one by one, for want of a map */
    char *tail;             /* whole footer with trailer, until written */
    uint32_t tail_bytes;
} log_segment;

/* A stretch of a track's sequences whose records stand in one segment. */
typedef struct log_run {
    log_segment *segment;
    uint64_t first_seq;     /* sequence of slot 0 */
    uint32_t span;          /* slots */
    uint32_t cap;           /* slots allocated */
    uint32_t live;          /* slots not 0 */
    uint32_t stored_at;     /* position of the slots in the file; 0: only here */
    bool indexed;           /* a subject id is known of each slot */
    uint32_t head, last;    /* first and last live slot */
    uint32_t crc;           /* of what is stored */
    bool dirty;             /* slots differ from what is stored */
    bool mixed;             /* times are not in order */
    uint64_t bytes;         /* of the live records, as ri_record_bytes() */
    uint64_t room;          /* of their entries, padded */
    int64_t min_time_ns, max_time_ns;
    uint32_t *slots;        /* position of each record, 0: dead; NULL: load them */
    uint32_t *subjects;     /* subject id of each slot, if indexed; NULL: load them */
    char *sets;             /* slots by subject id, as sets.h says; NULL: not made */
    uint32_t sets_bytes;
    uint32_t cached_bytes;  /* that may go, as they stand in the file: 0 if nothing may */
    ri_list cached;         /* in log->cached, if something may */
    bool used;              /* since the hand of the cache came by */
    bool asked;             /* for sets, once */
} log_run;

struct ri_track {
    ri_log *log;
    uint64_t id;
    uint32_t number;        /* on disk; never used twice */
    ri_track_opts opts;
    struct log_name *memo;  /* the last subject's, in log->names, if ... */
    uint64_t memo_in;       /* ... this is the active segment's number */
    uint64_t last_seq;      /* assigned or skipped */
    uint64_t begun_seq;     /* last_seq when the job was begun */
    uint64_t visible_seq;
    uint64_t changes;       /* counts what may make a place known of a record wrong */
    uint64_t floor;         /* all below are dead */
    uint64_t count, bytes;  /* live */
    uint64_t timed_seq;     /* a record that was the first when a time was looked at; 0: none */
    int64_t timed_ns;       /* of that one */
    uint64_t born_in;       /* number of the oldest segment that may declare it */
    uint64_t touched_in;    /* number of the newest segment with entries, and a declaration */
    uint64_t heard;         /* opening: log->lost_bytes when its last sequence was heard of */
    log_run **runs;         /* by sequence, not overlapping */
    uint32_t nruns, cap_runs;
    ri_subject_index *index; /* NULL: not indexed */
    struct ri_partition *partition; /* of a track with batches; NULL until it is needed */
    const ri_track_view *view; /* lent; NULL: batches are read as they are */
    struct ri_compactor *compactor; /* NULL: not compacted */
    ri_list dirty;          /* in log->dirty or log->begun */
};

typedef struct log_write { /* one piece of a job */
    log_segment *segment;
    uint32_t from, to;      /* of the image */
    bool sync_first;        /* it claims that what stands before it is durable */
    bool sync_after;        /* the segment was full when the job was begun */
} log_write;

typedef struct log_erase { /* bytes to be overwritten by the next job */
    log_segment *segment;
    uint32_t position, length;
    char *bytes;            /* what to write; of a job's only */
} log_erase;

typedef struct log_fill { /* a record whose bytes are still where they came from */
    log_segment *segment;
    uint32_t position;      /* of the entry */
    uint32_t at, len;       /* where headers and data go, from there on; and how many bytes */
    const char *bytes;
    ri_lender *lender;
} log_fill;

typedef struct log_fills { /* by segment and position */
    log_fill *all;
    uint32_t n, cap;
    uint32_t done;          /* copied, by the job's thread */
} log_fills;

typedef struct log_job {
    log_fills fills;
    bool busy;              /* begun and not ended */
    ri_safety safety;         /* that it must reach */
    bool sync;
    uint64_t through;       /* number of the last commit in it */
    log_write *writes;
    uint32_t nwrites, cap_writes;
    log_erase *erases;      /* as of the begin */
    uint32_t nerases, cap_erases;
    log_segment *mark;      /* NULL, or where a commit is written that says all is durable */
    uint32_t mark_at;       /* its position */
    log_segment **seals;    /* segments whose footer is to be written */
    uint32_t nseals, cap_seals;
    log_segment *active;    /* as of the begin */
    bool founds;            /* all it does is to make that one's file durable, as a spare */
    ri_segment_note note;   /* true when all is written and synced */
    uint32_t room_spares;   /* how many wiped files are kept */
    uint64_t syncs, written_bytes; /* counted by the job's thread */
    log_segment **wipes;    /* leftovers of a lost commit first, then emptied segments */
    uint32_t nwipes, cap_wipes;
    log_segment *spare;     /* being made */
    int spare_rc;
    bool sync_failed;
    ri_failure failure;     /* which may have happened on another thread */
} log_job;

typedef struct log_name {
    uint32_t hash;
    uint32_t id1;           /* id + 1 */
    uint32_t first;         /* the bucket of the same number begins with this name; 0: empty */
    uint32_t next;          /* in the bucket that this name is in; 0: it is the last */
    uint32_t position;      /* of the subject's entry in the image */
    uint32_t track;         /* number of the last whose sum of it the footer has room for */
    ri_subject_hint hint;   /* of that track's index */
} log_name;

typedef struct log_place { /* where records go in the index */
    uint64_t seq;           /* of the first */
    uint32_t n;             /* how many: 1, or those of a batch */
    log_segment *segment;
    uint32_t position, subject;
    uint64_t bytes, room;   /* of all n */
    uint64_t was_bytes;     /* of one that moves: in the old place */
    uint32_t was_room;
    int64_t time_ns;
} log_place;

typedef struct log_lost { /* an entry of a whole commit that fails its own checksum */
    log_segment *segment;
    uint32_t position, track, length;
    uint64_t seq, last;
    bool erased;            /* it looks so */
    bool batch;
    bool next_one;          /* its numbers are those that had to come */
    uint32_t next;          /* the first one from here on, in order, that may not be removed */
} log_lost;

typedef struct log_losses {
    log_lost *all;          /* not known to be removed, which would mean: erased */
    uint32_t n, cap;
    bool doubtful;          /* the end of the log may come from damage, not from a crash */
} log_losses;

struct ri_log {
    ri_log_opts opts;
    ri_host host;
    const ri_os *os;        /* NULL: in memory */
    char *dir;
    int lock_fd;
    int kept_fds[RI_LOG_KEPT]; /* -1: none; for when the process has no more descriptors */
    bool read_only;         /* opened for salvage: never writes */
    bool raw;               /* being written by a salvage: states come as they were */
    uint64_t id;
    uint32_t epoch;
    uint32_t segment_bytes; /* of the largest that are made, and of most */
    uint32_t fit_bytes;     /* for more there was no room the last time */
    ri_failure fenced;      /* that every change gets */
    ri_failure stuck;       /* the last write's: appends are refused until one succeeds */
    uint64_t ticks;         /* for fd and names use */
    log_segment **segments; /* by number; the last is active unless sealed */
    uint32_t nsegments, cap_segments;
    log_segment *active;    /* NULL before the first entry */
    log_segment **spares;
    uint32_t nspares, cap_spares;
    log_segment *growing;   /* spare under construction */
    uint32_t next_slot;
    uint64_t next_segment;  /* number */
    log_known *known;       /* what was found damaged */
    uint32_t nknown, cap_known;
    uint32_t nreported;         /* of these */
    bool reporting;         /* somebody gets a report at the moment */
    bool opening;           /* nobody gets a report yet */
    uint64_t lost_bytes;    /* opening: so many, that may have held any track's records */
    bool suspect;           /* opening: what a crash may have left is damage if there is a choice */
    uint64_t *given_up;     /* numbers of segments that are not to be read */
    uint32_t ngiven_up, cap_given_up;
    uint64_t newest;        /* number of the last segment begun that counts, also if missing */
    ri_segment_note note;   /* as it was found; number 0: none */
    uint32_t next_track;    /* number */
    uint64_t next_commit;   /* number of the open commit */
    uint64_t durable;       /* number of the last commit that is on disk */
    uint32_t chain;         /* check of the last commit closed */
    uint32_t body;          /* running checksum of the open commit's part */
    uint32_t entries;       /* in the open commit's part */
    uint32_t parts;         /* of the open commit, closed in earlier segments */
    bool touched;           /* the open commit has something, in whatever segment */
    bool marked;            /* the last commit says that all before it is durable */
    ri_safety want;          /* the strongest safety that something in the open commit needs */
    ri_safety ease;          /* what an entry needs at the moment */
    log_removal pending[RI_LOG_PENDING]; /* removals not yet written */
    uint32_t npending;
    ri_map tracks_by_id, tracks_by_number;
    log_name **names;       /* pages: subjects of the active segment; names.c draws them */
    uint32_t nnames, name_mask; /* names, and so many buckets; their numbers fit into the mask */
    uint32_t name_pages, cap_names; /* pages that there are, and room for them */
    ri_list compactors;     /* of tracks that are compacted */
    ri_list dirty, begun;   /* tracks with appends in the open commit, in the job */
    log_job job;
    log_fills fills;        /* of the open commit */
    log_erase *erases;      /* for the next job */
    uint32_t nerases, cap_erases;
    log_segment *claim;     /* a mark of a job that failed: what is before it must be synced */
    uint32_t claim_at;      /* first, as no erase is done meanwhile there is one at most */
    char *scratch;          /* for reading entries */
    uint32_t scratch_cap;
    uint64_t scratch_segment; /* what of which segment is in it */
    uint32_t scratch_from, scratch_to;
    log_segment *cleaning;  /* being emptied */
    uint32_t clean_track, clean_removal; /* how far, in its directory */
    uint64_t clean_seq;     /* and in the track: it has none that are below this */
    bool reserve;           /* the roll under way is for a removal or the cleaner */
    bool pressed;           /* an append was refused for lack of space */
    int64_t now_ns;         /* wall clock, when the cleaner was last called; 0: never */
    uint32_t held;          /* snapshots under way: no file is wiped, nothing is erased */
    uint64_t stale;         /* number of the segment that is being emptied: it may hold copies */
    uint32_t nleft;         /* segments that are `left` */
    ri_list cached;         /* runs of which something may go; the hand is at the head */
    uint64_t cached_bytes;  /* of these */
    uint64_t names_bytes;   /* of names and directories that may go */
    uint64_t map_bytes;     /* mapped */
    uint64_t cache_most;    /* of cached_bytes; a quarter of it of names_bytes */
    char *side;             /* for subject ids that are summed and not kept */
    uint32_t side_cap;
    uint64_t live_bytes;    /* of all segments */
    uint64_t image_bytes;   /* memory of images */
    char *image_spare;      /* for the next segment */
    ri_log_stats stats;
};

/* What holds between any two calls of the log's owner; for assertions. A job's thread reads the
 * segments that are pinned, so it asks none of these. */
static inline bool ri_log_run_is_sound(const log_run *run)
{
    return run->live <= run->span && run->head <= run->last &&
           (run->live == 0 || run->last < run->span) && (!run->slots || run->span <= run->cap);
}

static inline bool ri_log_is_sound(const ri_log *log)
{
    return log->nsegments <= log->cap_segments && log->nspares <= log->cap_spares &&
           log->npending <= RI_LOG_PENDING && log->nreported <= log->nknown &&
           log->nknown <= log->cap_known && log->name_pages <= log->cap_names;
}

static inline bool ri_log_track_is_sound(const ri_track *track)
{
    return track->number != 0 && track->nruns <= track->cap_runs &&
           (track->count == 0 || track->nruns > 0) && ri_log_is_sound(track->log);
}

/* lent.c */
int ri_fills_room(ri_log *log); /* for one more */
void ri_fills_add(ri_log *log, const log_fill *fill);
bool ri_fills_copy(log_fills *fills, ri_budget *budget); /* true: there are more; NULL: all */
void ri_fills_end(log_fills *fills); /* all are copied: the lenders hear of it */
void ri_fills_free(ri_log *log);
/* The record is perhaps not copied: then its bytes are where they are. */
void ri_fills_show(const ri_log *log, const log_segment *s, uint32_t position, ri_segment_entry *e);
static inline bool ri_fills_any(const ri_log *log)
{
    return log->fills.n || log->job.fills.n;
}

/* space.c */
int ri_space_open(ri_log *log);
void ri_space_close(ri_log *log);
void ri_space_keep(ri_log *log); /* descriptors, as many as there are; while no job is under way */
int ri_space_path(const ri_log *log, uint32_t slot, char *out, size_t cap);
log_segment *ri_space_segment(ri_log *log);
void ri_space_free_segment(ri_log *log, log_segment *s);
int ri_space_fd(ri_log *log, log_segment *s);
int ri_space_read(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position);
/* Of the file. A block that cannot be read is a failure, or damage where nothing is written ... */
int ri_space_read_file(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position);
/* ... and here: it is reported, and noise stands for it. */
int ri_space_read_around(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position);
enum { RI_SPACE_BLOCK = 4096 }; /* what a disk loses at once */
bool ri_space_is_unreadable(ssize_t os_rc); /* did a read fail because of what is there? */
/* Up to the end of the block, of which noise is made if it cannot be read (*os_rc): that looks
 * neither whole nor as if nothing had been written there. */
ssize_t ri_space_read_block(const ri_os *os, int fd, char *buf, uint32_t len, uint32_t at,
                            int *os_rc);
/* As much as there is: *got bytes. */
int ri_space_read_some(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position,
                       uint32_t *got);
bool ri_space_image(ri_log *log, log_segment *s); /* false: out of memory */
void ri_space_drop_image(ri_log *log, log_segment *s);
/* A file, or memory, for the next segment, of `least` bytes or more. */
int ri_space_take(ri_log *log, uint32_t least, log_segment **out);
int ri_space_job_io(ri_log *log, log_job *job);
/* Is its file to be a durable spare before it is a segment? */
static inline bool ri_log_is_unfounded(const log_segment *s)
{
    return s->ground && s->fresh;
}
void ri_space_job_end(ri_log *log, log_job *job);
bool ri_space_job_wants(ri_log *log);
int ri_space_write_all(const ri_os *os, int fd, const char *bytes, size_t len, uint64_t position);

/* note.c */
void ri_note_read(ri_log *log);
void ri_note_write(const ri_log *log, const ri_segment_note *note, bool sync); /* best effort */
/* Opening: what was found is made durable; a commit with entries claims all up to `claimed`. */
int ri_note_settle(ri_log *log, uint64_t claimed);

/* log.c */
int ri_log_check(ri_log *log); /* may it be changed: RILL_OK or why not */
int ri_log_add_segment(ri_log *log, log_segment *s);
log_segment *ri_log_segment_at(const ri_log *log, uint64_t number);
/* Make sure that entries of `need` padded bytes of this track fit into the active segment, and
 * `foot` more bytes of footer; the track gets declared there. `reserve`: the part that is kept
 * for removals and the cleaner may be used. */
int ri_log_prepare(ri_log *log, ri_track *track, uint32_t need, uint32_t foot, bool reserve);
/* May there be no doubt of the same? Asked of most records, and cheap. */
static inline bool ri_log_prepared(const ri_log *log, const ri_track *track, uint32_t need,
                                   uint32_t foot)
{
    enum { REST = RI_SEGMENT_TRACK + 4 * RI_SEGMENT_COMMIT + RI_SEGMENT_FOOT_TRACK +
                  RI_SEGMENT_FOOT_RUN };
    const log_segment *s = log->active;
    if (!s || track->touched_in != s->number || log->npending) return false;
    uint32_t kept = log->os ? s->size / 8 : 0; /* more than is kept for the cleaner */
    return !s->sealed && (uint64_t)s->end + s->foot_need + need + foot + REST + kept <= s->size;
}
/* Write an entry for which there is room; its position. */
uint32_t ri_log_put(ri_log *log, ri_segment_entry *e);
void ri_log_put_lent(ri_log *log, ri_segment_entry *e, const ri_lent *lent);
/* The subject in the active segment, defined there if it is new; the footer has room for the
 * track's sum of it. Needs room. */
int ri_log_subject(ri_track *track, ri_str subject, log_name **name);
/* Bytes that a subject entry takes in a segment, and its name in the footer. */
static inline uint32_t ri_log_subject_size(size_t len)
{
    return (uint32_t)RI_ALIGN(RI_SEGMENT_SUBJECT + len, 8);
}

/* removals.c */
uint32_t ri_removals_room(const ri_log *log); /* that the pending ones will take */
void ri_removals_flush(ri_log *log);          /* write them */
/* Records died, or a track (NULL). RILL_EFULL, RILL_ENOMEM. */
int ri_removals_note(ri_log *log, ri_track *track, const log_removal *r);
/* One that is in the log already, and goes on to be needed; with room for so many more. */
int ri_removals_keep(ri_log *log, ri_track *track, const log_removal *r, uint32_t more);
void ri_removals_leave(ri_log *log, log_segment *s); /* with copies in it */
/* Is one that stands in this segment needed, by what other segments hold? If not, it never will. */
bool ri_removals_needed(const ri_log *log, const log_segment *s, const log_removal *r);

/* cache.c */
void ri_cache_note(ri_log *log, log_run *run); /* what is loaded of it, or may go, has changed */
void ri_cache_sealed(ri_log *log, log_run *run); /* the footer of its segment is written */
void ri_cache_drop_names(ri_log *log, log_segment *s); /* and the footer's directory */
/* For n reads that lie far apart. NULL: it is to be read. */
const char *ri_cache_map(ri_log *log, log_segment *s, uint32_t n);
void ri_cache_unmap(ri_log *log, log_segment *s);
void ri_cache_trim(ri_log *log);     /* pointers to slots, ids and sets of sealed ones end ... */
void ri_cache_trim_all(ri_log *log); /* ... and those to names, which records have */

/* names.c */
static inline ri_str ri_names_at(const log_segment *s, uint32_t position)
{
    const char *entry = s->image + position;
    return (ri_str){entry + RI_SEGMENT_SUBJECT, ri_segment_u32(entry + 4) - RI_SEGMENT_SUBJECT};
}
enum { RI_NAMES_PAGE = 64 }; /* names */
static inline log_name *ri_names_nth(const ri_log *log, uint32_t n)
{
    return &log->names[n / RI_NAMES_PAGE][n % RI_NAMES_PAGE];
}
/* The number of the bucket for a hash: buckets beyond the last are not split off yet. */
static inline uint32_t ri_names_bucket(const ri_log *log, uint32_t hash)
{
    uint32_t n = hash & log->name_mask;
    return n < log->nnames ? n : n & log->name_mask >> 1;
}
static inline log_name *ri_names_find(ri_log *log, ri_str subject, uint32_t hash)
{
    if (log->nnames == 0) return NULL;
    uint32_t at = ri_names_nth(log, ri_names_bucket(log, hash))->first;
    while (at) {
        log_name *name = ri_names_nth(log, at - 1);
        if (name->hash == hash && ri_str_same(ri_names_at(log->active, name->position), subject))
            return name;
        at = name->next;
    }
    return NULL;
}
int ri_names_room(ri_log *log); /* for one more; RILL_ENOMEM changes nothing */
log_name *ri_names_add(ri_log *log, uint32_t hash, uint32_t id, uint32_t position);
void ri_names_clear(ri_log *log); /* at once; the pages stay for the next segment */
void ri_names_free(ri_log *log);
int ri_names_load(ri_log *log, log_segment *s);
/* The same as ri_names_get() where the names of a sealed segment are loaded; false elsewhere, and
 * for an id that is not there. */
static inline bool ri_names_quick(const log_segment *s, uint32_t id, ri_str *name)
{
    if (!s->names || id >= ri_segment_u32(s->names)) return false;
    uint32_t from = ri_segment_u32(s->names + 4 + 4 * (size_t)id);
    uint32_t to = ri_segment_u32(s->names + 8 + 4 * (size_t)id);
    if (from > to || to > s->names_bytes) return false;
    *name = (ri_str){s->names + from, to - from};
    return true;
}
/* RILL_ECORRUPT if it is not known; RI_SEGMENT_NO_SUBJECT is the empty name. */
int ri_names_get(ri_log *log, log_segment *s, uint32_t id, ri_str *name);
uint32_t ri_names_count(ri_log *log, log_segment *s); /* 0 if they cannot be read */

/* footer.c */
typedef struct log_foot { /* a directory's parts */
    const char *tracks, *runs, *removals, *sums;
    uint32_t ntracks, nruns, nremovals, nsums;
    uint32_t names_at, names_len, names_crc, nsubjects;
} log_foot;
int ri_footer_make(ri_log *log, log_segment *s);
int ri_footer_load(ri_log *log, log_segment *s);
int ri_footer_view(const log_segment *s, log_foot *out);
void ri_footer_removal(const log_foot *foot, uint32_t i, log_removal *r);
/* Is all there that ri_footer_apply() needs? RILL_ECORRUPT: not, and nothing is to be applied. */
int ri_footer_check(ri_log *log, log_segment *s);
int ri_footer_apply(ri_log *log, log_segment *s);
int ri_footer_index(ri_track *track, ri_str subject, uint64_t seq); /* one more, in any order */

/* damage.c */
/* Unless it is known, report a damage in the segment's file, whose path is put in front of the
 * sentence, or of none (NULL): is it new? */
bool ri_log_damage_at(ri_log *log, const log_segment *s, const ri_damage *at, const char *fmt, ...)
    RI_PRINTF(4, 5);
/* Was what begins there reported? */
bool ri_damage_covers(const ri_log *log, const log_segment *s, uint32_t from);
bool ri_damage_in(const ri_log *log, const log_segment *s); /* is any of its file known? */
void ri_damage_opened(ri_log *log, int rc); /* it was, or not: what was found so far is reported */
void ri_damage_forget(ri_log *log, uint32_t slot); /* the file is another's */
void ri_damage_free(ri_log *log);

/* holes.c */
void ri_holes_skip_lost(ri_log *log);
/* So many bytes are lost that may be of any track that no segment from `number` on declares. */
void ri_holes_skip(ri_log *log, uint64_t number, uint64_t bytes);
/* `remains`: behind the end of the log stands a commit. RILL_EAGAIN: read again, without what is in
 * log->given_up, and with log->suspect. */
int ri_holes_check(ri_log *log, bool remains);
bool ri_holes_given_up(const ri_log *log, uint64_t number);

/* directory.c: the segments, in order; RILL_EIO, RILL_ENOMEM, RILL_ENOTSUP, RILL_ECORRUPT */
int ri_directory_read(ri_log *log, uint32_t *max_epoch, uint64_t *total_bytes);
/* Was the file of the newest segment, of which these bytes are there, ever synced as one? */
bool ri_directory_was_synced(ri_log *log, const log_segment *s, char *bytes, uint32_t len);

/* recover.c */
int ri_recover_all(ri_log *log);
int ri_recover_track(ri_log *log, log_segment *s, const ri_segment_entry *e);
int ri_recover_removal(ri_log *log, const log_removal *r);
/* One record in the index, in place of an older copy. */
int ri_recover_place(ri_track *track, const log_place *p, ri_str subject);

/* lost.c */
int ri_lost_note(ri_log *log, log_losses *l, log_segment *s, uint32_t position,
                 const ri_segment_entry *e);
void ri_lost_report(ri_log *log, log_losses *l); /* of those that nobody removed */

/* scrub.c */
/* A reader met the entry that should hold the record, and could not read it: `code`, which is
 * returned, and the sentence that was made. What a check would report of them is reported. */
int ri_scrub_met(ri_track *track, log_segment *s, uint32_t position, uint64_t seq, int code);

/* reread.c */
/* Find slots, if none are loaded, and subject ids again by reading the segment: what
 * is stored of them is damaged. */
int ri_reread_run(ri_track *track, log_run *run);

/* track.c */
static inline uint32_t ri_track_bits(const ri_track *track) /* its options on disk */
{
    return (track->opts.subjects ? 1u : 0) | (track->opts.single_tail ? 2u : 0) |
           (track->opts.batches ? 4u : 0);
}
ri_track *ri_track_by_number(const ri_log *log, uint32_t number);
/* The i-th of those that have entries in the segment; NULL: it has gone. */
ri_track *ri_track_touched(const ri_log *log, const log_segment *s, uint32_t i);
int ri_track_new(ri_log *log, uint64_t id, uint32_t number, const ri_track_opts *opts,
                 ri_track **out);
void ri_track_free(ri_track *track);
void ri_track_forget(ri_track *track);
uint64_t ri_track_first(const ri_track *track);
int ri_track_place(ri_track *track, const log_place *p); /* in the index; counts nothing */
int64_t ri_track_batch_time(ri_str batch);
uint32_t ri_track_batch_records(const ri_segment_entry *e);
/* What one record of the entry counts, as ri_record_bytes() and as stored. */
void ri_track_share(const ri_log *log, const ri_segment_entry *e, size_t subject_len,
                    uint64_t *bytes, uint32_t *room);
int ri_track_peek(ri_log *log, log_segment *s, uint32_t position, ri_segment_entry *e);
int ri_track_peek_checked(ri_log *log, log_segment *s, uint32_t position, ri_segment_entry *e);
int ri_track_kill(ri_track *track, uint32_t at, uint32_t slot);
int ri_track_kill_range(ri_track *track, uint64_t first, uint64_t last);

/* An append; from the reserve; of what is lent, or NULL. */
int ri_track_put(ri_track *track, ri_record *rec, bool reserve, const ri_lent *lent);
int ri_track_put_batch(ri_track *track, ri_str batch, uint64_t *first_seq); /* as it is */

/* partition.c: the producers of a track with batches */
int ri_partition_load(ri_track *track);
void ri_partition_free(ri_track *track);
/* Ahead of the removal of any sequence up to `last`. */
int ri_partition_before_removal(ri_track *track, uint64_t last);
int ri_partition_drop(ri_track *track);   /* the track is dropped */
void ri_partition_close(ri_track *track); /* the log is closed */
uint64_t ri_partition_stable(const ri_track *track); /* last before any open transaction */

/* compactor.c */
void ri_compactor_free(ri_track *track);
uint64_t ri_compactor_done(const ri_track *track); /* all below was judged at least once */
int64_t ri_compactor_tombstone_ms(const ri_track *track);

/* cleaner.c: what is left of a batch in which one was erased stands elsewhere, and its entry
 * holds nothing any more. The first asks before anything is changed: can it be unpacked, is
 * there room. */
int ri_cleaner_may_rewrite(ri_track *track, log_segment *s, uint32_t position);
int ri_cleaner_rewrite(ri_track *track, log_segment *s, uint32_t position);

/* rewrite.c */
bool ri_rewrite_is_live(ri_track *track, uint64_t seq);
/* A batch's records, unpacked into `out` if they are packed. RILL_ENOTSUP, EPROTO, ENOMEM. */
int ri_rewrite_plain(const ri_kafka_batch *b, ri_buffer *out, ri_str *plain);
/* The batch without its dead records, from the first live one on, as far as one may span, and up
 * to the sequence `before`; false if it is to be moved as it is. `fresh` points into `out`. */
bool ri_rewrite_batch(ri_track *track, const ri_segment_entry *e, uint64_t from, uint64_t before,
                      ri_buffer *out, ri_segment_entry *fresh);

/* run.c: a track's runs */
int ri_run_load(ri_track *track, log_run *run);     /* the slots */
int ri_run_subjects(ri_track *track, log_run *run); /* slots and, if indexed, subject ids */
/* Make run->sets, if it can be: the run's segment has so many subjects. */
int ri_run_sets(ri_track *track, log_run *run, uint32_t nsubjects);
void ri_run_free(ri_log *log, log_run *run);
uint32_t ri_run_after(const ri_track *track, uint64_t seq); /* first run that ends after seq */
log_run *ri_run_find(const ri_track *track, uint64_t seq, uint32_t *slot);
int ri_run_place(ri_track *track, const log_place *place);
/* Give up what is dead at its ends; slots and subject ids are loaded. */
void ri_run_tighten(ri_track *track, log_run *run);
void ri_run_add(log_run *run, uint32_t slot, const log_place *place);
/* The slot dies; its bytes and room are given up; a run without live slots goes. */
void ri_run_kill(ri_track *track, uint32_t at, uint32_t slot, uint64_t bytes, uint32_t room);
/* One live slot moves to the active segment; RILL_ENOMEM changes nothing. The run keeps the slot,
 * dead, and overlaps the one before it until it is trimmed, if it is still there. */
int ri_run_move(ri_track *track, uint32_t at, uint32_t slot, const log_place *place);
void ri_run_trim(ri_track *track, uint64_t seq); /* the run that ends behind seq */
/* One more at the end of a run that has room for it and is not stored. */
static inline void ri_run_push(log_run *run, const log_place *p)
{
    uint32_t slot = run->span++;
    run->slots[slot] = p->position;
    if (run->indexed) run->subjects[slot] = p->subject;
    run->last = slot;
    if (ri_likely(p->time_ns >= run->max_time_ns)) {
        run->max_time_ns = p->time_ns;
    } else {
        run->mixed = true;
        run->min_time_ns = RI_MIN(run->min_time_ns, p->time_ns);
    }
    run->live++;
    run->bytes += p->bytes;
    run->room += p->room;
    run->dirty = true;
    p->segment->live += p->room;
}
int ri_run_insert(ri_track *track, log_run *run);
void ri_run_drop(ri_track *track, uint32_t at);

#endif
