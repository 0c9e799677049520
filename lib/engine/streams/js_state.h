/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of streams and consumers share; nobody else includes it.
 *
 *   ri_js ---- ri_js_store (file log, memory log): catalogue, consumers' states, who waits
 *     |
 *     +------- ri_stream: party at the router, track, dedupe window, limits
 *                  |
 *                  +---- ri_consumer: place, pending set; pull requests or push state
 *
 * Who may do what when: a deliver op (a publish is going on) appends to logs and puts things on
 * lists; it neither publishes nor changes the interest. Steps and commits do. */
#ifndef RI_JS_STATE_H
#define RI_JS_STATE_H

#include "base/assert.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/nuid.h"
#include "base/saturate.h"
#include "codec/jetstream/jsconf.h"
#include "codec/jetstream/jshot.h"
#include "codec/subject/transform.h"
#include "engine/streams/consumer.h"
#include "engine/streams/js.h"
#include "engine/streams/stream.h"
#include "store/memory/dedupe.h"

#define RI_JS_MAGIC 0x6a73e1a1u
#define RI_STREAM_MAGIC 0x73747231u
#define RI_CONSUMER_MAGIC 0x636f6e31u

#define RI_JS_LEAP_NS RI_SEC /* wall and monotonic clock go apart by less, unless one is set */

/* Tracks of a log that we know by number, beside RI_JS_TRACK_GROUPS; streams have those from
 * RI_JS_TRACK_FIRST on. */
enum {
    RI_JS_TRACK_CATALOG = 1,
    RI_JS_TRACK_STATES = 2,
    RI_JS_TRACK_IDS = 3,
    RI_JS_TRACK_PLACES = 4,
    RI_JS_TRACK_FIRST = 1024,
};

/* Flags of stored records: what a reopening stream looks for without reading headers. */
enum {
    RI_RECORD_TTL = 1,       /* has its own time to live (Nats-TTL) */
    RI_RECORD_NEVER = 2,     /* exempt from max_age */
    RI_RECORD_MARKER = 4,    /* a delete marker */
    RI_RECORD_SCHEDULE = 8,  /* a schedule (Nats-Schedule) */
    RI_RECORD_SOURCED = 16,  /* came from another stream */
};

/* ---- The two logs ---- */

/* Answers that leave when a commit ends: for each a head, the subject, the body. */
typedef struct ri_outbox {
    ri_buffer bytes;
} ri_outbox;

typedef struct ri_js_store {
    ri_log *log;           /* lent; NULL: no such storage */
    ri_track *catalog;     /* of what is to be there after a restart; file log only */
    ri_track *states;      /* of consumers: whole states and what came after */
    ri_track *ids;         /* of messages that are gone; file log only */
    ri_cursor ids_cursor;  /* for reading it */
    ri_list gone;          /* ri_stream.gone_link: have removed messages since the last commit */
    ri_track *places;      /* of sources; file log only */
    ri_cursor places_cursor; /* for reading it, the open commit, too */
    ri_list moved;         /* ri_place.moved_link: have copied since the last commit */
    ri_outbox open;        /* answers to what is in the open commit */
    ri_outbox flying;      /* answers to what is being written */
    ri_list waiters;       /* ri_js_waiter.link, of the open commit */
    ri_list flying_waiters;
    ri_list unsaved;       /* ri_consumer.unsaved_link: have changes that are in no record */
    int64_t save_due_ns;   /* when deliveries are recorded at the latest; INT64_MAX: none wait */
    bool save_now;         /* acks wait to be recorded: at the end of this step */
    ri_list touched;       /* ri_stream.touched_link: appended to since the last commit */
    bool flying_now;       /* a commit is under way */
} ri_js_store;

struct ri_js {
    uint32_t magic;
    const ri_host *host;
    ri_js_opts opts;               /* as given */
    ri_js_account_limits limits;
    ri_router *router;
    ri_account *account;           /* that these are the streams of; js->party holds it */
    uint64_t versions;             /* that streams were given (apart.h), and streams that went */
    int64_t wall_ns, mono_ns;      /* of this turn */
    int64_t owner_mono_ns;         /* as the owner gave it last */
    int64_t offset_ns;             /* of the wall clock, when timers were last set by it */
    ri_party party;              /* publishes what the engine has to say */
    ri_party ear;                 /* hears acks and flow control answers */
    ri_subscription ear_acks, ear_flow;
    ri_list grown;                 /* ri_stream.touched_link: will hear of a commit that is over */
    ri_list ear_queue;             /* of what cannot be done within a deliver op; see ack.c */
    ri_list settling;              /* acks that have settled a part of what they are for */
    ri_js_store files, memory;
    ri_map streams;                /* by name */
    ri_stream *found;              /* in there, asked for last; or NULL */
    ri_list fenced;                /* ri_stream.fenced_link: are there and not served; fence.c */
    ri_buffer fenced_ids;          /* uint64_t, of their consumers */
    bool damaged;                  /* records of the catalogue may be lost */
    bool lost_consumers;           /* ... and with them consumers of any stream */
    bool lost_places;              /* records of where copying goes on may be lost */
    ri_stream **sorted;            /* the first `nsorted` by name, those that came since behind */
    size_t nstreams, nsorted, streams_cap;
    ri_list awaiting;              /* ri_js_origin.follower_link: whose stream is not there */
    size_t nconsumers;
    ri_heap stream_timers;         /* ri_stream.timer */
    ri_heap consumer_timers;       /* ri_consumer.timer */
    ri_list ready;                 /* ri_consumer.ready_link: have something to do */
    ri_list unbound;               /* ri_consumer.ready_link: push, wait for a subscription */
    uint64_t interest_changes;     /* of the router when `unbound` was last looked at */
    ri_list busy;                  /* ri_stream.busy_link: have something to do in a step */
    ri_list looking;               /* those of `unbound` that are not looked at yet; the same
                                      link */
    ri_outbox now;                 /* answers that wait for no commit */
    ri_list now_waiters;           /* ri_js_waiter.link: done in the next step */
    ri_outbox leaving;             /* answers whose time has come, in their order */
    ri_list landed;                /* ri_js_waiter.link: what they wait for is committed */
    bool overdue;                  /* a turn was over before all that is due was done */
    bool restoring;                /* the stream that is made now will be filled from an archive */
    ri_list spare;                 /* free ri_pending, by their order_link */
    size_t nspare;                 /* more than are kept, for a while, where many are dropped */
    ri_buffer scratch;             /* a message being put together */
    ri_buffer record;              /* a record being put together */
    ri_buffer headers, subject;    /* of a message on its way in */
    ri_buffer counted;             /* headers of a counter's message that has sources */
    ri_buffer lived;               /* headers of one whose time to live was raised */
    ri_buffer answer;              /* to it; apart from scratch, which may be the message */
    ri_buffer ack_head;            /* beginning of the publish acks of ... */
    const ri_stream *ack_stream;   /* ... this one; NULL */
    ri_buffer status;              /* a status line on its way out */
    ri_nuid nuid;
    uint64_t next_track;           /* ids never come twice */
    uint64_t next_consumer;
    uint64_t walks;                /* marks of walks along the streams, two a walk */
    uint32_t readers;              /* of this process, so far */
    size_t batches_open;           /* atomic batches of all streams */
    ri_commit memory_job;          /* of js->memory, while that is flying */
    ri_ledger ids;                 /* of durable memory, the windows of message ids */
    ri_list lent;                  /* batches whose bytes the log has not copied yet ... */
    ri_list spent;                 /* ... and those that it has: memory to be given back */
    ri_list viewed;                /* Kafka batches that are at hand; see view.c */
    uint32_t nviewed;
    uint64_t views_begun;
    ri_list zones;                 /* those that schedules have named; see schedule.c */
};

/* ---- Streams ---- */

typedef struct ri_js_expiry { /* of a record with a time of its own */
    int64_t due_ns;  /* wall clock */
    uint64_t seq;
} ri_js_expiry;

typedef struct ri_js_agenda { /* records by due time: a binary heap */
    const ri_host *host;
    ri_js_expiry *items;
    size_t len, cap;
} ri_js_agenda;

typedef struct ri_js_lifts ri_js_lifts;
typedef struct ri_js_origin ri_js_origin;
typedef struct ri_batches ri_batches;

struct ri_stream {
    uint32_t magic;
    ri_js *js;
    ri_js_store *store;
    ri_party party;              /* what is published on its subjects comes here */
    ri_subscription *subs;         /* one for each of conf.subjects */
    uint32_t nsubs;
    uint64_t version;              /* of these; see apart.h */
    bool closing;                  /* being deleted */
    bool reopened;                 /* it was there when the store was opened */
    ri_list fenced_link;           /* in js->fenced */
    ri_str offline;                /* why it is not served; empty: it is */
    bool legible;                  /* of one that is not: what conf says of subjects and origins is
                                      so */
    bool restoring;                /* it is being filled from an archive: nothing is copied yet */
    bool restored;                 /* it was, since it was opened */
    bool purged;                   /* since it was opened: an unused one then begins with 1 */
    ri_arena arena;                /* of conf */
    ri_stream_conf conf;
    ri_transform *transform;       /* of conf.subject_transform; NULL */
    ri_transform *republish;       /* of conf.republish; NULL */
    ri_track *track;
    uint64_t track_id;
    struct ri_view *view;          /* of its Kafka batches; NULL: it takes none */
    ri_cursor cursor;              /* for single reads */
    ri_cursor open_cursor;         /* the same, of the open commit, too */
    uint64_t catalog_seq;          /* its record there; 0: none */
    uint64_t work_seq;             /* the one that speaks of work under way; 0: none */
    int64_t created_ns;
    int64_t last_time_ns;          /* of the last that came, gone or not: never goes back */
    int64_t noted_time_ns;         /* of those that are in a record; 0: none is */
    uint64_t last_seq;             /* last assigned; the track's may be behind (interest) */
    ri_dedupe dedupe;
    uint64_t forgotten_reported;       /* of dedupe.forgotten */
    int64_t forgotten_notify_ns;   /* monotonic: not reported again before */
    ri_dedupe_span *gone;          /* removed, their ids not yet recorded; see ids.c */
    uint32_t ngone, gone_cap;
    ri_list gone_link;             /* in store->gone */
    ri_claim ids_claim;            /* of the window, in js->ids */
    uint64_t held;                 /* of the broker's memory; see room.c */
    char *last_id;                 /* Nats-Msg-Id of the last record, NULL: it has none */
    size_t last_id_len;
    ri_map consumers;              /* by name */
    ri_consumer **list;            /* sorted by name when `in_order` */
    size_t nconsumers, list_cap;
    bool in_order;
    uint32_t nunfiltered;          /* consumers that want every subject */
    ri_list active;                /* ri_consumer.active_link: count or have messages pending */
    ri_list hungry;                /* ri_consumer.ready_link: want what is committed next */
    uint64_t review_seq;           /* interest: what is next looked at, whether anybody wants it, */
    uint64_t review_to;            /* ... and last; 0: nothing is */
    ri_list asleep;                /* ri_consumer.ready_link: want what matches; see wake.c */
    ri_interest ears;              /* the filters of those, and of some who will sleep again */
    uint64_t heard_seq;            /* those asleep have heard of all up to here */
    bool enforcing;                /* limits are not kept yet: what is over goes in slices ... */
    ri_buffer enforce_next;        /* ... by subject: from this one on; empty: the first */
    bool aging;                    /* the budget was used up before all that is too old was gone
                                      ... */
    uint64_t age_seq, age_keep;    /* ... of which the one is next to be looked at, before the
                                      other;
                                      0: the first */
    uint64_t late_seq;             /* the first that was too old when it came; 0: none is known */
    int64_t late_until_ns;         /* monotonic: so long it, and all behind it, stay */
    ri_list touched_link;          /* in store->touched, or js->grown */
    ri_list busy_link;             /* in js->busy */
    ri_timer timer;                /* the first of age, own times, batches, schedules */
    ri_js_agenda ttls;
    ri_js_agenda lifted_ttls;      /* of records with a later time than theirs, monotonic */
    ri_js_lifts *lifts;            /* likewise, for max_age; see retention.c; NULL: none */
    ri_js_agenda schedules;
    ri_batches *batches;           /* open atomic batches; NULL until the first */
    ri_map totals;                 /* of counters, not committed yet; see counter.c */
    ri_buffer origins_text;        /* what an info lends of its origins */
    ri_list fast;                  /* ri_fast.link: fast batches that are open; see fast.c */
    size_t nfast;
    ri_claim fast_claim;           /* of these, to the broker's memory for work */
    struct ri_expected *expected;  /* filters that publishes have asked for; NULL until one has */
    uint64_t expected_asked;       /* so often */
    ri_list echoes;                /* ri_js_echo.link: to be republished */
    ri_list spreads;               /* batches that live subscribers are to get: spread.c */
    uint32_t nspreads;
    ri_list watches;               /* ri_watch.link: who waits for what is committed next */
    ri_list origins;               /* ri_js_origin.link: that it copies from */
    uint64_t walk;                 /* the last that came by; see mirror.c */
    uint64_t seek_seq;             /* next to be looked at for where to go on; 0: all is known */
    ri_list *origin_turn;          /* the one whose turn is next; NULL: the first */
    uint32_t origins_left;         /* so many turns until all are known to rest */
    ri_list followers;             /* ri_js_origin.follower_link: that copy from it */
};

/* ---- Consumers ---- */

/* One message that was delivered and is not yet acknowledged; see consumer.c. */
typedef struct ri_pending {
    uint64_t stream_seq, consumer_seq; /* the latter of its first delivery */
    ri_list order_link;                /* by stream_seq */
    ri_list clock_link;                /* in clock, or in again */
    ri_timer late;                     /* instead of clock, for a time of its own */
    int64_t due_ns;                    /* monotonic, when in clock */
    int64_t sent_ns;                   /* wall clock of the last delivery, or WPI */
    uint64_t delivery;                 /* consumer_seq of its last delivery, which names it */
    uint32_t deliveries;
    bool again;                        /* due: in `again` */
    bool leaves;                       /* settled, and its removal failed: tried again when due */
    uint32_t reader;                   /* in whose queue it waits; 0: none */
    bool unread;                       /* it was there, and no program has got it from there */
} ri_pending;

typedef struct ri_ear ri_ear;
typedef struct ri_pulls ri_pulls;
typedef struct ri_push ri_push;

typedef struct ri_js_group { /* a priority group */
    ri_str name;
    char pin[RI_NUID_LEN + 1]; /* of the pinned client; empty: none */
    int64_t pinned_wall_ns;
    int64_t pin_due_ns;        /* monotonic */
} ri_js_group;

typedef enum ri_parked { /* which list ready_link is in */
    RI_PARKED_NO,
    RI_PARKED_READY,
    RI_PARKED_HUNGRY,
    RI_PARKED_ASLEEP,
    RI_PARKED_UNBOUND,
} ri_parked;

typedef struct ri_counting { /* what is ahead, in slices: ri_ahead_count_on() */
    bool on;                       /* it is under way: */
    uint64_t from, to;             /* ... from here on, and due up to here */
    uint64_t n;                    /* ... so many are found */
    ri_cursor cursor;
    uint32_t slices;               /* that it took so far */
    bool once;                     /* it came to its end before */
} ri_counting;

struct ri_consumer {
    uint32_t magic;
    ri_stream *stream;
    uint64_t id;                   /* in records of its state */
    ri_arena arena;                /* of conf and subjects */
    uint64_t held;                 /* of the broker's memory; see room.c */
    ri_consumer_conf conf;
    ri_str name;
    ri_str offline;                /* why it is not served; empty: it is. See fence.c */
    ri_filter filter;
    ri_filters compiled;           /* the same; zeroed: its filters are compared one by one */
    ri_ear *ears;                  /* one for each of its filters; NULL until it sleeps */
    size_t nears, listening;       /* of them; in stream->ears */
    int idle_wakes;                /* messages that were for it while nobody asked */
    ri_cursor cursor;              /* of new messages */
    uint64_t catalog_seq;
    int64_t created_ns;
    /* place */
    uint64_t next_seq;             /* first that was neither delivered nor passed over */
    uint64_t delivered_stream, delivered_consumer;
    int64_t delivered_ns;          /* wall clock; 0: never */
    uint64_t floor_stream, floor_consumer;
    int64_t acked_ns;
    uint64_t *picks;               /* last_per_subject: what is delivered before next_seq.. */
    uint32_t npicks, pick;         /* of them; the next */
    uint64_t counted_to;           /* `ahead` counts what matches from next_seq to here; 0: no */
    uint64_t ahead;
    ri_counting counting;
    /* pending */
    ri_map pending;                /* by stream_seq */
    ri_list order;                 /* ri_pending.order_link */
    ri_list clock;                 /* ri_pending.clock_link, by due_ns */
    ri_heap *late;                 /* those with a time of their own; NULL until needed */
    ri_list again;                 /* to be delivered again, in this order */
    ri_claim claim;                /* of them, to the broker's memory for deliveries */
    bool scarce;                   /* it waits for some of that */
    uint32_t nagain;
    uint32_t nunread;              /* pending ones that no program has got */
    uint32_t nredelivered;         /* pending ones with more than one delivery */
    uint32_t ndead;                /* dead letters that were moved since it was opened */
    uint64_t ack_to;               /* all up to here are acked, and being settled; 0: none are */
    uint64_t gone_to;              /* the same of those that are no longer in the stream */
    /* lists */
    ri_list ready_link;
    ri_parked parked;
    ri_list active_link;           /* in stream->active */
    ri_list unsaved_link;          /* in store->unsaved */
    ri_timer timer;
    int64_t busy_mono_ns;          /* last request, its end, ack, or end of an ack wait, for
                                      inactive_threshold */
    bool paused;                   /* until conf.pause_until, of which end is to be reported */
    int64_t paced_ns;              /* rate limit, replay: nothing before this; 0; or held */
    int64_t replay_ns;             /* original replay: time of the last record; 0: none yet */
    int64_t replay_mono_ns;        /* and when it was delivered */
    /* who gets it */
    ri_pulls *pulls;               /* requests that wait; NULL until the first; consumer_pull.c */
    uint32_t npulls;
    ri_push *push;                 /* NULL: a pull consumer */
    ri_js_group *groups;
    ri_js_group_state *group_states; /* where infos find them */
    uint32_t ngroups;
    uint32_t sample;               /* percent of acks that are reported as a sample */
    /* record of its state */
    bool kept;                     /* its state is recorded */
    bool observer;                 /* it looks only: a work queue loses nothing by it */
    bool whole;                    /* the next record must be a whole state */
    bool gap, gap_wide;            /* records of its state are lost; so many that no more are
                                      read */
    uint64_t *saved;               /* sequences of the live records in states */
    uint32_t nsaved, saved_cap;
    uint64_t saved_bytes, whole_bytes;
    ri_buffer unsaved;             /* operations not recorded yet */
    uint64_t run_first, run_len;   /* deliveries in a row, not yet in `unsaved` */
    uint64_t acks_first, acks_len; /* acks in a row, not yet in `unsaved` */
    int64_t noted_ns;              /* time of deliveries in the operations; 0: none */
    uint64_t noted_stream;         /* delivered_stream in the operations */
};

#define RI_CONSUMER_HELD INT64_MAX /* paced_ns of one whose stream is being restored */

/* What a cursor answers of a record that is gone, or damaged: record.seq names it, and the walk
 * goes on behind it. Any other failure may be over in a while. */
static inline bool ri_js_is_lost(int rc)
{
    return rc == RILL_ENOENT || rc == RILL_ECORRUPT;
}

static inline bool ri_consumer_is_push(const ri_consumer *c)
{
    return c->push != NULL;
}

static inline size_t ri_consumer_npending(const ri_consumer *c)
{
    return c->pending.len;
}

/* What holds between any two calls of whoever is inside the gate; for assertions. */
static inline bool ri_js_is_sound(const ri_js *js)
{
    return js->magic == RI_JS_MAGIC && js->nstreams <= js->streams_cap &&
           js->nstreams == js->streams.len;
}

static inline bool ri_js_stream_is_sound(const ri_stream *stream)
{
    return stream->magic == RI_STREAM_MAGIC && ri_js_is_sound(stream->js) &&
           stream->nconsumers == stream->consumers.len &&
           stream->nconsumers <= stream->list_cap && stream->ngone <= stream->gone_cap;
}

static inline bool ri_consumer_is_sound(const ri_consumer *c)
{
    return c->magic == RI_CONSUMER_MAGIC && c->stream->magic == RI_STREAM_MAGIC &&
           c->nagain <= c->pending.len && c->nunread <= c->pending.len &&
           c->nredelivered <= c->pending.len && c->pick <= c->npicks &&
           c->nsaved <= c->saved_cap && c->listening <= c->nears &&
           (c->parked != RI_PARKED_NO) == ri_list_linked(&c->ready_link);
}

/* ---- js.c ---- */

ri_js_store *ri_js_store_of(ri_js *js, ri_log *log);
/* An answer: at once in the next step (`store` NULL) or with the open commit. */
void ri_js_answer(ri_js *js, ri_js_store *store, ri_str subject, ri_str body);
typedef struct ri_js_draft { /* the same, written where it will wait */
    ri_outbox *box;
    char *body;
    size_t subject_len;
} ri_js_draft;
/* Room for `body_max` bytes at draft->body; false when out of memory: its sender asks again. */
bool ri_js_answer_begin(ri_js *js, ri_js_store *store, ri_str subject, size_t body_max,
                        ri_js_draft *draft);
void ri_js_answer_end(const ri_js_draft *draft, size_t body_len);
void ri_js_notify(ri_js *js, const ri_js_event *event);
void ri_js_ready(ri_consumer *c);     /* put it on the list of those with something to do */
void ri_js_park(ri_consumer *c, ri_parked where);
void ri_js_busy(ri_stream *stream);   /* step it */
size_t ri_js_place(const ri_js *js, const ri_stream *stream); /* in js->sorted, where it is */
void ri_js_arm(ri_stream *stream, int64_t due_ns); /* earlier than armed: moves the timer */
void ri_js_arm_consumer(ri_consumer *c, int64_t due_ns);
/* Within a publish: the clocks of the last step are old if the broker has slept since. It may have
 * been the wall clock that was set: the next step knows, and takes back what was too much. */
static inline void ri_js_catch_up(ri_js *js, int64_t wall_ns)
{
    if (wall_ns <= js->wall_ns) { /* the clock of publishes is a little behind that of steps */
        if (ri_ns_sub(js->wall_ns, wall_ns) > RI_JS_LEAP_NS) js->wall_ns = wall_ns;
        return;
    }
    js->mono_ns = ri_ns_add(js->mono_ns, ri_ns_sub(wall_ns, js->wall_ns));
    js->wall_ns = wall_ns;
}
/* Wall clock time to the monotonic one of timers, and back; INT64_MAX stays "never". */
int64_t ri_js_mono_of(const ri_js *js, int64_t wall_ns);
int64_t ri_js_wall_of(const ri_js *js, int64_t mono_ns);

/* ---- js_catalog.c: what is recorded of configurations ---- */

int ri_catalog_put_stream(ri_stream *stream);
int ri_catalog_put_consumer(ri_consumer *c);
void ri_catalog_drop(ri_js *js, ri_js_store *store, uint64_t *seq);
/* Is something to be removed from the stream in slices? That is recorded, so that a restart in the
 * middle goes on with it. What cannot be recorded is when this is called again. */
void ri_catalog_put_work(ri_stream *stream, bool under_way);
/* The records of the consumers of a stream that is not served. */
int ri_catalog_drop_all_of(ri_js *js, ri_str stream);
int ri_catalog_load(ri_js *js);
/* What a record says cannot be understood, which is no reason not to serve the rest: the host's log
 * and RI_JS_UNREADABLE say `what`, and why by ri_err_text(). False: the failure is of another
 * kind, such as want of memory, and stays one. */
bool ri_catalog_pass_over(ri_js *js, int rc, const char *what, ri_str name);

/* ---- fence.c ---- */

typedef struct ri_fence { /* what is known of a stream or consumer that cannot be served */
    ri_str name, json;
    uint64_t number, seq;  /* its track, or id, and its record; 0: not known */
    int64_t created_ns;
    ri_str reason;
} ri_fence;
int ri_fence_stream(ri_js *js, const ri_fence *what);
int ri_fence_consumer(ri_stream *stream, const ri_fence *what);
/* RILL_EPROTO: this version does not have the API level that the configuration needs. */
int ri_fence_level(const ri_js_map *metadata);
bool ri_fence_is_named(ri_js *js, ri_str name);
ri_consumer *ri_fence_consumer_of(ri_stream *stream, ri_str name); /* NULL: no such one */
/* May a stream of this configuration be made? */
int ri_fence_check(ri_js *js, const ri_stream_conf *conf, ri_js_error *e);
/* No stream took the subject: is it because one is not served? */
int ri_fence_no_stream(ri_js *js, ri_str subject, ri_js_error *e);
/* May there be somebody who is not known and wants the stream's messages? */
bool ri_fence_doubts(const ri_stream *stream);

/* ---- stream.c ---- */

/* A stream of this configuration, which is in its final form, on its track; not yet in js. */
int ri_stream_new(ri_js *js, const ri_stream_conf *conf, uint64_t track_id, ri_stream **out);
int ri_stream_listen(ri_stream *stream);   /* its subjects into the router */
int ri_stream_attach(ri_stream *stream);   /* into js, and its subjects into the router */
void ri_stream_free(ri_stream *stream);    /* no records, no events; consumers are freed, too */
void ri_stream_step(ri_stream *stream);
void ri_stream_due(ri_stream *stream);     /* its timer */
void ri_stream_committed(ri_stream *stream);
void ri_stream_touch(ri_stream *stream);   /* it has appended */
int ri_stream_add_consumer(ri_stream *stream, ri_consumer *c);
void ri_stream_remove_consumer(ri_stream *stream, ri_consumer *c);

/* ---- ingest.c ---- */

extern const ri_party_ops ri_ingest_ops;
/* What is asked for in the headers of a publish. Spans point into the block. */
typedef struct ri_asked {
    ri_str msg_id, expected_stream, expected_msg_id, expected_subject;
    ri_str expected_seq_text, expected_subject_seq_text;
    ri_str ttl, rollup, incr, schedule, schedule_next, scheduler;
    ri_str batch_id, batch_seq, batch_commit, source, marker;
    uint64_t expected_seq, expected_subject_seq;
    bool has_msg_id, has_expected_seq, has_expected_subject_seq, has_ttl, has_incr, has_batch;
    bool has_expected_msg_id, has_expected_subject, has_schedule, has_source, has_marker;
    bool any;            /* one of them is there */
    bool bad_ttl;        /* Nats-TTL says nothing that could be understood */
    int64_t ttl_ns;      /* 0: none; -1: never */
} ri_asked;
void ri_ingest_read(ri_str headers, ri_asked *asked);
void ri_ingest_shift(ri_asked *asked, uintptr_t by); /* its spans, when their block has moved */

typedef struct ri_retention_plan { /* what a stream will have, if all of a batch comes in */
    uint64_t count, bytes;
    ri_map subjects;
    ri_arena arena;      /* of what is in `subjects` */
} ri_retention_plan;

typedef struct ri_ingest { /* one message on its way in */
    ri_stream *stream;
    ri_str subject;      /* that it will be stored under */
    ri_str headers, data;
    ri_asked asked;
    int64_t time_ns;
    uint32_t flags;      /* RI_RECORD_* */
    bool internal;       /* past the checks of what clients may ask */
    bool keep_seq;       /* `seq` is given, and not below the next */
    bool lifted;         /* out: time_ns was before that of the stream's last, and is that now */
    ri_retention_plan *plan; /* of the batch that it comes with; NULL: it comes alone */
    const ri_lent *lent; /* headers and data, if they stand in memory that may be lent; NULL */
    bool known;          /* what the headers ask for is known, unless they will be others */
    ri_js_append *append; /* that learns what becomes of it; NULL */
    /* out */
    uint64_t seq;
    bool duplicate;
    ri_str val;          /* the counter's new total, in js->record */
} ri_ingest;
/* Checks; stores; enforces limits. RILL_OK with in->seq, or the error in `e`. */
int ri_ingest_store(ri_ingest *in, ri_js_error *e);
int ri_ingest_check(ri_ingest *in, ri_js_error *e);
int ri_ingest_append(ri_ingest *in, ri_js_error *e);
/* Subject, headers and what they ask for, as the stream has them; in->stream is set. */
int ri_ingest_prepare(ri_ingest *in, const ri_message *m);
int ri_ingest_reopen(ri_stream *stream); /* dedupe window, last id, own times */
void ri_ingest_set_last_id(ri_stream *stream, ri_str id);

/* A native publish gets word that it fails with `rc`, whose sentence is the thread's; one that
 * knows of a failure already, which the store has said in its own words, keeps that. */
void ri_js_append_refuse(ri_js_append *a, int rc, const ri_js_error *e);

/* The PubAck, or its error, of a message that came with `reply`. */
void ri_ingest_answer(ri_ingest *in, ri_str reply, const ri_js_error *e, ri_str batch,
                      uint64_t count);

/* ---- expected.c ---- */

/* Last sequence on a subject, or on all that a filter matches; 0: none. */
uint64_t ri_expected_last(ri_stream *stream, ri_str subject);
void ri_expected_fini(ri_stream *stream);

/* ---- room.c: memory of what is durable ---- */

/* Is there room for `what`, "another stream"? RILL_EFULL, 10023. */
int ri_room_check(ri_js *js, const char *what, ri_js_error *e);
int ri_room_admit(const ri_ingest *in, ri_js_error *e); /* if its subject is not there yet */
/* Count what it has, now that this is another. */
void ri_room_stream(ri_stream *stream);
void ri_room_consumer(ri_consumer *c);
void ri_room_leave(ri_js *js, uint64_t *held);

/* ---- ids.c: message ids that outlive their messages ---- */

/* Before an id is added: room for it, for which others' oldest ids may leave. RILL_EFULL. */
int ri_ids_make_room(ri_stream *stream, ri_str id);
void ri_ids_count(ri_stream *stream); /* some came, or left */
void ri_ids_due(ri_stream *stream);   /* the stream's timer */
void ri_ids_notify_forgotten(ri_stream *stream);

/* These sequences were just removed: what is known of their ids is recorded with this commit. */
void ri_ids_gone(ri_stream *stream, uint64_t first, uint64_t last);
void ri_ids_save(ri_js_store *store); /* before a commit begins */
typedef struct ri_ids_item {
    uint64_t seq;
    int64_t time_ns;
    size_t at, len;       /* of the id, in bytes */
} ri_ids_item;
typedef struct ri_ids {   /* those recorded of one stream, while it is opened */
    const ri_host *host;
    ri_ids_item *items;   /* by sequence */
    size_t len, cap, next;
    ri_buffer bytes;
} ri_ids;
int ri_ids_load(ri_stream *stream, ri_ids *ids);
/* Those with lower sequences that were not taken yet go into the window. RILL_ENOMEM. */
int ri_ids_take(ri_stream *stream, ri_ids *ids, uint64_t before);
void ri_ids_free(ri_ids *ids);
int ri_ids_drop_some(ri_stream *stream); /* it is deleted: its records die; 1 if there are more */
void ri_ids_fini(ri_stream *stream);

/* ---- place.c: where the copying of a source goes on ---- */

enum {
    RI_PLACE_IDENTITY = 8, /* characters in which a stream differs from others of its name */
    RI_PLACE_LOST = 2,     /* there may have been a record */
};
typedef struct ri_place {
    ri_list moved_link;    /* in store->moved: its record knows less */
    ri_stream *target;     /* that copies */
    char *key;             /* names the source */
    size_t key_len;
    uint64_t seq;          /* of the origin's message that was copied last; 0: none */
    int64_t time_ns;       /* and its time; 0: not known */
    char identity[RI_PLACE_IDENTITY]; /* of the origin that `seq` is of */
    size_t identity_len;   /* 0: not known */
    uint64_t record_seq;   /* of its record; 0: none */
    bool late;             /* its record could not be written: nothing more may be copied */
} ri_place;
/* 1 if there is a record, RI_PLACE_LOST, or 0; RILL_E*. */
int ri_place_init(ri_place *place, ri_stream *target, ri_str key);
void ri_place_fini(ri_place *place); /* zeroed: nothing happens */
void ri_place_identify(ri_place *place, ri_str identity);
void ri_place_move(ri_place *place, uint64_t seq, int64_t time_ns);
int ri_place_save(ri_place *place);      /* now, if it has moved; zeroed: it has not */
void ri_places_save(ri_js_store *store); /* before a commit begins */
bool ri_places_any(ri_stream *stream);   /* is there a record of one of its sources */
void ri_places_drop(ri_stream *stream);  /* the stream is deleted: its records die */
void ri_last_load(ri_stream *stream);    /* when its last message came, though that is gone */
void ri_last_save(ri_stream *stream);    /* that, unless it is written already */

/* ---- republish.c ---- */

/* Note that a stored message is to be published again once it is committed. */
void ri_echo_add(ri_stream *stream, const ri_ingest *in, uint64_t before_seq);
void ri_echo_step(ri_stream *stream);
void ri_echo_fini(ri_stream *stream);

/* ---- spread.c ---- */
/* A batch with these numbers was appended, and is part of the open commit. */
void ri_spread_add(ri_stream *stream, uint64_t first, uint64_t last);
void ri_spread_step(ri_stream *stream);
void ri_spread_fini(ri_stream *stream);

/* ---- watch.c ---- */
void ri_watch_grew(ri_stream *stream); /* something was committed */
void ri_watch_gone(ri_stream *stream); /* it goes: nobody watches it any more */

/* ---- wake.c ---- */

void ri_wake_init(ri_stream *stream);
void ri_wake_fini(ri_stream *stream);
/* It has somebody to deliver to, and all that is visible was looked at: wait for more. */
void ri_wake_sleep(ri_consumer *c);
/* In its turn, and nobody asks it: a slice of forgetting what it listens to, if messages find that
 * often. True if there is more: it is READY again. */
bool ri_wake_idle(ri_consumer *c);
void ri_wake_forget(ri_consumer *c); /* its filters end, or change */
void ri_wake_step(ri_stream *stream); /* wakes sleepers by what is committed, in slices */

/* ---- retention.c ---- */

/* RILL_OK, or why discard new refuses it; behind those of its batch that were asked for before. */
int ri_retention_admit(const ri_ingest *in, ri_js_error *e);
void ri_retention_plan_init(ri_retention_plan *plan, ri_stream *stream);
void ri_retention_plan_fini(ri_retention_plan *plan);
void ri_retention_stored(ri_stream *stream, ri_str subject); /* limits after a record came in */
void ri_retention_enforce(ri_stream *stream);                /* after an update */
bool ri_retention_wanted(const ri_stream *stream, ri_str subject); /* does a consumer want it */
/* Has anybody but `but` use for it? */
bool ri_retention_held(ri_stream *stream, const ri_consumer *but, uint64_t seq);
/* An ack, by `c`: removes the record if nobody else has use for it. */
int ri_retention_acked(ri_stream *stream, ri_consumer *c, uint64_t seq);
/* Interest may have ended: what nobody wants any more goes, in steps. */
void ri_retention_review(ri_stream *stream);
/* The same, recorded at once: what ends the interest comes with the open commit, too. */
void ri_retention_review_noted(ri_stream *stream);
void ri_retention_resume(ri_stream *stream); /* what was under way when the store was closed */
void ri_retention_step(ri_stream *stream); /* as much of that as the budget allows */
/* All up to this sequence was there by now, though their times may say later. */
void ri_retention_lifted(ri_stream *stream, uint64_t seq);
/* What was stored from this sequence on has times up to that one: if it is too old already it stays
 * a while, so that who reads along gets it. */
void ri_retention_came(ri_stream *stream, uint64_t seq, int64_t time_ns);
void ri_retention_due(ri_stream *stream);
void ri_retention_fini(ri_stream *stream);
int64_t ri_retention_next_ns(const ri_stream *stream); /* wall clock; INT64_MAX: never */
int ri_retention_remove(ri_stream *stream, uint64_t seq, bool erase);
int ri_retention_purge(ri_stream *stream, uint64_t before);
/* As many of these as the budget of the turn allows, at least some: 1 if there are more. */
int ri_retention_purge_some(ri_stream *stream, uint64_t before);
int ri_agenda_put(ri_js_agenda *agenda, int64_t due_ns, uint64_t seq);
bool ri_agenda_due(ri_js_agenda *agenda, int64_t now_ns, ri_js_expiry *out);
/* The record that has come due, committed or not; false: it is gone, or cannot be read, and then
 * it is back in the agenda. */
bool ri_retention_get_due(ri_stream *stream, ri_js_agenda *agenda, const ri_js_expiry *due,
                          ri_record *record);
void ri_agenda_fini(ri_js_agenda *agenda);

/* ---- consumer.c, pending.c, ack.c, deliver.c ---- */

/* As configured, with its place at the beginning; not yet in its stream. */
int ri_consumer_new(ri_stream *stream, const ri_consumer_conf *conf, ri_str name, uint64_t id,
                    ri_consumer **out);
void ri_consumer_free(ri_consumer *c);
void ri_consumer_due(ri_consumer *c);           /* its timer */
void ri_ahead_count_anew(ri_consumer *c);    /* what was counted is not so any more */
void ri_ahead_passed(ri_consumer *c, uint64_t seq); /* what it wants next; none before it */
void ri_consumer_removed(ri_stream *stream, uint64_t seq);
/* What is left of those up to gone_to, as the budget allows: false if there are more. */
bool ri_consumer_drop_gone(ri_consumer *c);
void ri_consumer_purged(ri_stream *stream, uint64_t before);
void ri_consumer_purged_all(ri_stream *stream, uint64_t before); /* by request: floors move, too */
/* Is there a consumer that wants nothing but what such a purge takes? Those then stand at `left`,
 * the first that was kept of it. */
bool ri_consumer_any_within(const ri_stream *stream, ri_str subject);
void ri_consumer_purged_subject(ri_stream *stream, ri_str subject, uint64_t left);
void ri_consumer_started(ri_consumer *c);       /* it stands where it starts: let it run */
uint64_t ri_ahead_of(ri_consumer *c);     /* matching and not yet delivered */
bool ri_consumer_wants(const ri_consumer *c, ri_str subject);
/* Would it still want the record: not delivered, or pending? */
bool ri_consumer_holds(const ri_consumer *c, uint64_t seq, ri_str subject);

void ri_pending_init(ri_consumer *c);
ri_pending *ri_pending_find(const ri_consumer *c, uint64_t seq);
/* A first delivery; due_ns monotonic. NULL: out of memory. */
ri_pending *ri_pending_add(ri_consumer *c, uint64_t stream_seq, uint64_t consumer_seq);
void ri_pending_drop(ri_consumer *c, ri_pending *p);
/* Is there no memory for another one now? It has some already: an ack or time makes room. */
bool ri_pending_is_scarce(ri_consumer *c);
void ri_pending_clock(ri_consumer *c, ri_pending *p); /* (re)start its ack wait */
void ri_pending_clock_at(ri_consumer *c, ri_pending *p, int64_t due_ns);
/* It waits in a reader's queue from now on: it goes to others if it is not handed out soon. */
void ri_pending_hold(ri_consumer *c, ri_pending *p, uint32_t reader);
/* It is with a program from now on: its ack wait begins. */
void ri_pending_hand_out(ri_consumer *c, ri_pending *p);
void ri_pending_delay(ri_consumer *c, ri_pending *p, int64_t due_ns);
void ri_pending_retry(ri_consumer *c, ri_pending *p); /* due now, or exhausted */
/* It is settled, and its message shall leave the stream then. */
void ri_pending_leave(ri_consumer *c, ri_pending *p, int64_t due_ns);
void ri_pending_again(ri_consumer *c, ri_pending *p); /* due now */
void ri_pending_clear(ri_consumer *c);
/* Entries that nobody needs any more are freed, as the budget allows. */
void ri_pending_spare_trim(ri_js *js);
bool ri_pending_spare_is_much(const ri_js *js);
void ri_pending_spare_fini(ri_js *js);
int64_t ri_pending_next_ns(const ri_consumer *c);
void ri_pending_due(ri_consumer *c);            /* moves what is due; exhausted ones die */
void ri_pending_floor(ri_consumer *c);          /* recompute the ack floor */
int64_t ri_pending_wait_ns(const ri_consumer *c, uint32_t deliveries);

/* The end of a message for this consumer: acked, or given up for a reason. */
typedef enum ri_fate {
    RI_FATE_ACKED, RI_FATE_TERMINATED, RI_FATE_EXHAUSTED, RI_FATE_REMOVED,
} ri_fate;
/* False: its message cannot leave the stream now; it stays pending, and that is tried again. */
bool ri_ack_settle(ri_consumer *c, ri_pending *p, ri_fate fate, ri_str reason);
/* All up to `seq`, as the budget allows: 1 if that is to be called again; RILL_EFULL: one cannot
 * leave yet, and those behind it are settled with it. */
int ri_ack_all(ri_consumer *c, uint64_t seq);
int ri_ack_init(ri_js *js);
void ri_ack_fini(ri_js *js);
void ri_ack_step(ri_js *js);                    /* what was queued within a publish */

/* ---- state.c: the record of a consumer's state ---- */

void ri_state_delivered(ri_consumer *c, uint64_t seq, bool first); /* note operations */
void ri_state_settled(ri_consumer *c, uint64_t seq);
void ri_state_renewed(ri_consumer *c, uint64_t seq);
void ri_state_delayed(ri_consumer *c, uint64_t seq, int64_t due_wall_ns);
void ri_state_reset(ri_consumer *c);            /* everything changed: a whole state is due */
void ri_state_save(ri_js *js, ri_js_store *store);
void ri_state_forget(ri_consumer *c);           /* its records are removed */
int ri_state_load(ri_js *js, ri_js_store *store);

/* ---- deliver.c, consumer_pull.c, consumer_push.c ---- */

void ri_deliver_step(ri_consumer *c);
typedef struct ri_parcel { /* a message on its way out; all of it lies in js->scratch */
    ri_message m;          /* subject as stored, reply the ack subject */
    uint64_t seq;
    ri_pending *pending;   /* NULL: a first delivery */
    int64_t time_ns;       /* of the record */
    size_t bytes;          /* as max_bytes counts */
    uint32_t reader;       /* of this process, in whose queue it will wait; 0: none */
} ri_parcel;
typedef enum ri_supply {
    RI_SUPPLY_PARCEL,      /* here it is */
    RI_SUPPLY_DRY,         /* nothing yet: HUNGRY */
    RI_SUPPLY_HELD,        /* not now: too many pending, or paced; something will wake it */
} ri_supply;
/* The next message to go out, redeliveries first, with another header ("" or a line with CRLF).
 * Takes nothing. */
ri_supply ri_deliver_next(ri_consumer *c, const char *header, ri_parcel *parcel);
/* Publish it to `inbox`: 1 if somebody took it, and then it counts as delivered; 0 if nobody did;
 * RILL_ENOMEM if that was for want of memory: the consumer looks again in a while. */
int ri_deliver_send(ri_consumer *c, ri_parcel *parcel, ri_str inbox);
/* A status line to an inbox: "404 No Messages", with more headers ("" or lines with CRLF).
 * How many took it. */
int ri_deliver_status(ri_js *js, ri_str inbox, ri_str reply, const char *status,
                      const char *headers);
/* "100 Idle Heartbeat"; `stalled` is empty or the flow control subject that waits. */
void ri_deliver_heartbeat(ri_consumer *c, ri_str inbox, ri_str stalled);

void ri_pull_step(ri_consumer *c);
void ri_pull_due(ri_consumer *c);
int64_t ri_pull_next_ns(const ri_consumer *c);
void ri_pull_asleep(ri_consumer *c, uint32_t reader); /* it does not work off what it has */
void ri_pull_sweep(ri_consumer *c); /* drop requests whose inbox nobody listens to */
bool ri_pull_any(ri_consumer *c);   /* is there one whose inbox somebody listens to */
/* `remainder`: with headers that say what is left of each. */
void ri_pull_end_all(ri_consumer *c, const char *status, bool remainder);
void ri_pull_fini(ri_consumer *c);
ri_js_group_states ri_pull_groups(ri_consumer *c); /* lent until the next call */

int ri_push_init(ri_consumer *c);
void ri_push_fini(ri_consumer *c);
void ri_push_step(ri_consumer *c);
void ri_push_due(ri_consumer *c);
int64_t ri_push_next_ns(const ri_consumer *c);
bool ri_push_bound(const ri_consumer *c);
/* An answer; true: it is to be called again, for the rest of what it settles. */
bool ri_push_flow(ri_consumer *c, ri_str subject, ri_str headers);

/* ---- batch.c, counter.c, schedule.c, mirror.c, dead.c ---- */

/* A message that belongs to an atomic batch; says what to answer. */
void ri_batch_take(ri_ingest *in, ri_str reply);
void ri_batch_step(ri_stream *stream);          /* reports those that were given up */
void ri_batch_due(ri_stream *stream);
int64_t ri_batch_next_ns(const ri_stream *stream);
void ri_batch_fini(ri_stream *stream);
void ri_batch_give_back(ri_js *js);             /* memory of batches that are stored; a slice */
void ri_batch_give_back_all(ri_js *js);

void ri_fast_init(ri_stream *stream);
bool ri_fast_is(ri_str reply);                  /* does it belong to a fast batch */
void ri_fast_take(ri_ingest *in, ri_str reply);
void ri_fast_due(ri_stream *stream);
int64_t ri_fast_next_ns(const ri_stream *stream);
void ri_fast_fini(ri_stream *stream);

int ri_counter_check(const ri_ingest *in, ri_js_error *e);
int ri_counter_apply(ri_ingest *in, ri_js_error *e);
void ri_counter_init(ri_stream *stream);
void ri_counter_fini(ri_stream *stream);
void ri_counter_committed(ri_stream *stream, uint64_t visible_seq);
int ri_schedule_check(ri_ingest *in, ri_js_error *e);
void ri_schedule_stored(ri_ingest *in);         /* one that cancels a schedule */
int ri_schedule_put(ri_stream *stream, ri_str headers, uint64_t seq, int64_t time_ns);
void ri_schedule_again(ri_stream *stream);      /* the wall clock was set: all are due anew */
void ri_schedule_due(ri_stream *stream);
int64_t ri_schedule_next_ns(const ri_stream *stream);
void ri_schedule_fini(ri_js *js);               /* what it keeps of zones */

int ri_mirror_attach(ri_stream *stream);        /* its origins, as far as they are there */
void ri_mirror_detach(ri_stream *stream);       /* from its origins, and its followers from it */
/* No stream may have a message of another on two ways, or its own. */
int ri_mirror_check_ring(ri_js *js, const ri_stream_conf *conf, ri_js_error *e);
/* Before a change of the configuration, and after it: `old` is what it copies from until then. */
void ri_mirror_part(ri_stream *stream, ri_list *old);
int ri_mirror_attach_again(ri_stream *stream, ri_list *old);
void ri_mirror_step(ri_stream *stream);
void ri_mirror_due(ri_stream *stream);
void ri_mirror_review_origins(ri_stream *stream); /* it may want less of them, or is about to end */
void ri_mirror_origin_grew(ri_stream *origin);
void ri_mirror_stream_came(ri_js *js, ri_stream *stream);
void ri_mirror_stream_went(ri_js *js, ri_stream *stream);
/* Does one that copies from it still want what has this number? */
bool ri_mirror_wants(const ri_stream *origin, ri_str subject, uint64_t seq);
void ri_mirror_info(ri_stream *stream, ri_stream_info *out);

typedef enum ri_dead {
    RI_DEAD_NONE,   /* the consumer names no stream for dead letters */
    RI_DEAD_MOVED,  /* stored there, with the open commit */
    RI_DEAD_STUCK,  /* it could not be, which was reported */
} ri_dead;
ri_dead ri_dead_letter(ri_consumer *c, const ri_pending *p, ri_fate fate, ri_str reason);

#endif
