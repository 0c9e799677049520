/* SPDX-License-Identifier: Apache-2.0 */
/* All streams and consumers of one broker: state machines over its logs. One owner, no socket,
 * no clock, no thread; time comes in as arguments.
 *
 *     publish --> router --> a stream's deliver op: checks, appends to the open commit
 *                            the consumers' ack client: marks, notes what must be written
 *     ri_js_step()           queued acks, due timers, deliveries of what is committed
 *     ri_js_prepare(log)     right before ri_log_commit_begin(log): what consumers still hold is
 *                            appended; who waits from here on waits for the next commit
 *     ri_js_committed(log)   right after ri_log_commit_end(log): PubAcks and other answers leave,
 *                            consumers see the new records (delivered by the next step)
 *
 * The turn of its owner, inside the gate:
 *
 *     read input, publish ...
 *     while (ri_js_waiting(js)) ri_js_step(js, wall, mono);
 *     if (ri_log_dirty(file_log) && no job under way) {
 *         ri_js_prepare(js, file_log);
 *         rc = ri_log_commit_begin(file_log, &job);    < 0: ri_js_committed(js, file_log, rc, ..)
 *         ri_log_commit_io(&job)                       here, or on another thread
 *         rc = ri_log_commit_end(file_log, &job);
 *         ri_js_committed(js, file_log, rc, wall, mono);
 *     }
 *
 * The memory log is committed by ri_js_step() itself.
 *
 * The engine publishes only from ri_js_step() and ri_js_committed(), and from the calls below
 * that say so; it changes the interest only in ri_js_step() and in calls that create, update or
 * delete. */
#ifndef RI_JETSTREAM_H
#define RI_JETSTREAM_H

#include "base/buffer.h"
#include "base/error.h"
#include "codec/jetstream/jsapi.h"
#include "engine/live/router.h"
#include "store/log/log.h"

typedef struct ri_js ri_js;
typedef struct ri_stream ri_stream;
typedef struct ri_consumer ri_consumer;

/* What advisories are made of. Spans are lent for the call. */
typedef enum ri_js_event_kind {
    RI_JS_STREAM_CREATED,
    RI_JS_STREAM_UPDATED,
    RI_JS_STREAM_DELETED,
    RI_JS_CONSUMER_CREATED,
    RI_JS_CONSUMER_DELETED,
    RI_JS_CONSUMER_PAUSED,     /* time_ns: until (0: resumed) */
    RI_JS_CONSUMER_PINNED,     /* group, id */
    RI_JS_CONSUMER_UNPINNED,   /* group, reason */
    RI_JS_MAX_DELIVERIES,      /* stream_seq, deliveries */
    RI_JS_MSG_NAKED,           /* stream_seq, consumer_seq, deliveries */
    RI_JS_MSG_TERMINATED,      /* the same, reason */
    RI_JS_ACK_SAMPLED,         /* the same, time_ns: how long the ack took */
    RI_JS_BATCH_ABANDONED,     /* id: of the batch, reason */
    RI_JS_IDS_FORGOTTEN,       /* count: message ids that left a full window before their time */
    RI_JS_DEAD_LETTER_STUCK,   /* stream_seq, deliveries, code, reason: a sentence; no advisory */
    RI_JS_UNREADABLE,          /* when the store is opened, or read: code, reason: a sentence; no
                                  advisory */
} ri_js_event_kind;

typedef struct ri_js_event {
    ri_js_event_kind kind;
    ri_str stream, consumer;   /* consumer empty: about the stream */
    uint64_t stream_seq, consumer_seq, deliveries, count;
    int64_t time_ns;           /* see the kinds */
    ri_str group, id, reason;
    int code;                  /* RILL_E* */
} ri_js_event;

typedef struct ri_js_opts {
    const ri_host *host;
    ri_router *router;
    ri_account *account;     /* of the router; NULL: $G */
    ri_log *file_log;        /* lent; NULL: no file storage */
    ri_log *memory_log;      /* lent; NULL: no memory storage */
    const char *domain;      /* NULL: none; kept alive by the caller */
    const ri_js_account_limits *limits; /* copied; NULL: none */
    int64_t duplicate_window_ns;        /* the longest a stream may have; 0: no limit */
    int64_t max_ack_pending, max_batch; /* the most a consumer may have; 0: no limit */
    uint64_t max_file_bytes, max_memory_bytes; /* of all streams' max_bytes; 0: no limit */
    uint32_t max_subjects;   /* of a stream, and filters of a consumer; 0: as many as can be */
    /* Each event, from within a step or a call that says so; it may publish. May be NULL. */
    void (*event)(void *arg, const ri_js_event *event);
    void *arg;
    /* Append the tz database's file of a zone (ri_zone_is_name) to `file`; nothing appended is UTC.
     * RILL codes. NULL: schedules know no zone but UTC. */
    int (*zone)(ri_str name, ri_buffer *file);
} ri_js_opts;

/* Reads the catalogue of the file log and reopens its streams and consumers as they were at the
 * last commit. */
int ri_js_open(ri_js **js, const ri_js_opts *opts, int64_t now_wall_ns, int64_t now_mono_ns);
/* Frees; what is not committed is lost: ri_js_prepare() and a last commit of the file log come
 * before. The logs and the router are still the caller's. */
void ri_js_close(ri_js *js);
/* Answer all waiting pull requests that the server shuts down (409); publishes. */
void ri_js_shutdown(ri_js *js);

/* Inside an account whose bounds are others now, in place of those that it was opened with: what is
 * there stays, also if it is more. */
void ri_js_limit(ri_js *js, const ri_js_account_limits *limits, uint64_t max_file_bytes,
                 uint64_t max_memory_bytes);

bool ri_js_waiting(const ri_js *js);
/* The time of what is asked from now on; nothing happens yet. Steps may be far apart, and a
 * deadline counts from when it was asked for. */
void ri_js_clock(ri_js *js, int64_t now_wall_ns, int64_t now_mono_ns);
/* The first part of a step: acks that came in and what was due by now, which must be over before
 * a request of now is looked at. */
void ri_js_arrive(ri_js *js, int64_t now_wall_ns, int64_t now_mono_ns);
void ri_js_step(ri_js *js, int64_t now_wall_ns, int64_t now_mono_ns);
int64_t ri_js_next_due_ns(const ri_js *js); /* monotonic; INT64_MAX: never */
/* Has a consumer of this log done what is in no commit yet? Deliveries alone make no commit: who
 * closes, or copies the log, makes one for them. */
bool ri_js_unsaved(ri_js *js, ri_log *log);
/* Put into the open commit what is written only before a log is closed or copied. */
void ri_js_note_lasts(ri_js *js, ri_log *log);
void ri_js_prepare(ri_js *js, ri_log *log);
void ri_js_committed(ri_js *js, ri_log *log, int rc, int64_t now_wall_ns, int64_t now_mono_ns);

/* Something that waits for what is in the open commit now; embedded in its owner. `done` is
 * called by ri_js_committed(), once, with the commit's rc, and may publish; with RILL_ECLOSED by
 * ri_js_close(), when it may not. */
typedef struct ri_js_waiter {
    ri_list link;
    void (*done)(struct ri_js_waiter *waiter, int rc);
} ri_js_waiter;
/* `log` NULL: the catalogue's. A log that is not dirty: done at the end of the next step. */
void ri_js_wait(ri_js *js, ri_log *log, ri_js_waiter *waiter);

/* ---- A publish with a native receipt, no JSON ---- */

typedef struct ri_js_append {
    ri_js_waiter waiter;  /* done with the rc of the commit; look at `code`, too */
    const ri_safety *safety; /* that the message needs on disk; NULL: that of the log */
    ri_stream *stream;    /* that took it; lent until `done` returns */
    uint64_t seq;
    uint32_t partition;   /* of a stream elsewhere that has several */
    bool taken;           /* a stream has said what becomes of it */
    bool duplicate;
    int code;             /* why it was not stored; 0: it was, if the commit holds */
    int err_code;         /* JetStream's number of that (no stream: 10059); 0: it has none */
    /* Room of the owner's for the sentence of `code`, which is long and seldom needed: there are
     * tens of thousands of these at a time. NULL: the code is all that is kept. */
    ri_failure *why;
} ri_js_append;
/* It ended with `rc`, whose sentence is the thread's. */
void ri_js_append_fail(ri_js_append *append, int rc);
/* Make that sentence the calling thread's again, as far as it was kept; returns the code. */
int ri_js_append_failure(const ri_js_append *append);
/* Publish as `from` does; live subscribers get it as well. p->m has no reply: the one stream that
 * takes it calls p->append when it is committed. Returns what ri_router_publish() does. */
int ri_js_publish(ri_js *js, ri_party *from, const ri_publish *p);

/* ---- Many messages, stored all or none ---- */

#define RI_JS_BATCH_MAX 1000              /* messages */
#define RI_JS_BATCH_BYTES (64u << 20)     /* of them, in all */

typedef struct ri_js_batch { /* put together by anybody, then given to the owner */
    const ri_host *host;
    ri_list chunks;             /* where the bytes are, which never move */
    struct ri_js_staged *all;   /* the messages */
    size_t count, cap;
    size_t bytes;
} ri_js_batch;
void ri_js_batch_init(ri_js_batch *batch, const ri_host *host);
void ri_js_batch_fini(ri_js_batch *batch);
/* To one that is not initialized; `from` is empty then, and as new. */
void ri_js_batch_move(ri_js_batch *to, ri_js_batch *from);
/* A copy of it, but for the reply. RILL_EFULL, RILL_ENOMEM. */
int ri_js_batch_put(ri_js_batch *batch, const ri_message *m);
/* The i-th of them, i < batch->count; lent as long as the batch. */
ri_message ri_js_batch_at(const ri_js_batch *batch, size_t i);
/* Check all against their streams as they are, then append all to one open commit, then publish
 * all to live subscribers as `from` does. The streams may be several, of one storage. `a` is called
 * at the commit, with the number of the last message; not after a failure, which a->code says
 * of. The bytes are the engine's behind it, and the batch empty. */
int ri_js_publish_batch(ri_js *js, ri_party *from, ri_js_batch *batch, ri_js_append *a);

/* ---- Streams ---- */

ri_stream *ri_js_stream(ri_js *js, ri_str name); /* NULL: none */
/* All, in order of their names; lent until one is created or deleted. */
ri_stream *const *ri_js_streams(ri_js *js, size_t *n);
size_t ri_js_nstreams(const ri_js *js); /* of them */
/* Another whenever a stream came, went or was changed; not 0. */
uint64_t ri_js_changes(const ri_js *js);
/* Those of them whose names are behind that one; empty: all. */
ri_stream *const *ri_js_streams_after(ri_js *js, ri_str name, size_t *n);
/* The same of a stream's consumers. */
ri_consumer *const *ri_js_consumers_after(ri_stream *stream, ri_str name, size_t *n);
ri_stream *ri_js_stream_on(ri_js *js, uint64_t track_id); /* that keeps its messages there; NULL */
enum { RI_JS_TRACK_GROUPS = 5 }; /* of the file log: what groups.h keeps there */
/* What a track of the file log is to its user: "stream A", "the states of consumers". `log` may be
 * one that no engine runs on. False: nobody knows. */
bool ri_js_name_track(ri_log *log, uint64_t track_id, char *out, size_t cap);
/* The one that takes this very subject, or NULL; RILL_ENOMEM. */
int ri_js_stream_of(ri_js *js, ri_str subject, ri_stream **stream);

/* A number for a reader of this process that asks consumers; never 0. */
uint32_t ri_js_reader(ri_js *js);

/* All but `api` of what INFO says. */
void ri_js_account_of(const ri_js *js, ri_js_account *out);
const char *ri_js_domain(const ri_js *js); /* NULL: none */
uint32_t ri_js_max_subjects(const ri_js *js); /* that a request may name */
ri_router *ri_js_router(const ri_js *js);
int64_t ri_js_wall_ns(const ri_js *js);    /* of the last step */

#endif
