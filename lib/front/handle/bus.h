/* SPDX-License-Identifier: Apache-2.0 */
/* A handle, which is a bus that any thread may call: what it has whoever its peer is (peer.h). It
 * stands at a broker of this process, as a member and as a party at its router. So a message comes
 * the same way from that router and from a peer that is elsewhere:
 *
 *     publish, or a connection                  the bus's one dispatcher, or a reader
 *     enter gate                                      ^
 *       match, copy once into a packet                | take packets, outside the gate
 *       push the packet to each queue ------------> chain of each subscription
 *       wake whoever sleeps                           |
 *     leave gate                                      v on_msg, or what rill_next() lends
 *     run on_publisher callbacks
 *
 * Callbacks of a bus (messages, events, answers) run on its dispatcher: a thread of its own, or
 * whoever is in rill_poll() or a wait under RILL_DRIVE_HOST. There is one at a time.
 *
 * Lifetimes. The handle, each subscription and each kept message hold a reference to the bus; a
 * bus holds one to its broker. `closed` is what makes calls answer RILL_ECLOSED. A subscription
 * is freed by rill_sub_close(), or by whoever runs its callback when that is where it was called.
 *
 * Who runs a subscription's callback, the dispatcher or, for on_publisher, a publisher, has set
 * BUS_RUNNING in `run`, inside the gate. What arrives meanwhile is queued, and the runner takes
 * it before it stops; so callbacks of a subscription never overlap, and none recurses.
 *
 *              start, inside the gate             nothing happened: one CAS, no gate
 *     (idle) ------------------------> RUNNING --------------------------------------> (idle)
 *                                         |  a push, or a close: BUS_ATTENTION
 *                                         v
 *                              RUNNING | ATTENTION --> enter the gate: take what is queued,
 *                                                      or stop and wake the closer
 *
 * A runner that has left by the CAS never touches the subscription again: it may be gone. */
#ifndef RI_BUS_H
#define RI_BUS_H

#include <stdatomic.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "base/chain.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/nuid.h"
#include "codec/nats/headers.h"
#include "engine/streams/js.h"
#include "front/broker/member.h"
#include "front/handle/bus_asked.h"
#include "front/handle/bus_call.h"
#include "store/log/log.h"

#define RI_BUS_MAGIC 0xb0550001u
#define RI_SUB_MAGIC 0x50b50001u

/* A message as it is lent: the public struct and where its bytes are. */
typedef struct ri_bus_msg {
    rill_msg m;
    rill_bus *bus;       /* the bus that brought the message; a reference is held if refs > 0 */
    ri_packet *packet;   /* NULL if the bytes are behind this struct */
    ri_str headers;      /* the whole block, or empty */
    ri_str ack;          /* the name by which the message's consumer knows it, or empty */
    atomic_bool settled; /* the reader has settled it: RILL_ACK_AUTO does not */
    atomic_uint refs;    /* 0: lent, part of a subscription or of a dispatcher's stack */
    size_t size;         /* of the allocation, for free; 0 if lent */
} ri_bus_msg;

/* The callbacks that this thread is in, innermost first. */
typedef struct ri_bus_frame {
    rill_bus *bus;
    rill_sub *sub; /* NULL: an event or an answer */
    struct ri_bus_frame *outer;
} ri_bus_frame;

typedef struct ri_bus_consumer ri_bus_consumer;
typedef struct ri_peer_ops ri_peer_ops;

/* Work of the library's own that is done where callbacks run, one piece at a time: so it may ask
 * peers, as callbacks may. Who has such a job embeds it. */
typedef struct ri_bus_job {
    rill_bus *bus;         /* a reference is held; NULL: it was not begun, or is over */
    void (*run)(struct ri_bus_job *job);  /* outside the gate, by the dispatcher */
    void (*shut)(struct ri_bus_job *job); /* inside it, once: the bus is closed */
    /* Guarded by the gate. */
    ri_list link;          /* in bus->jobs */
    ri_list due_link;      /* in bus->due_jobs: it is to be run */
    ri_bus_timer timer;
    bool running, ended;
} ri_bus_job;

struct rill_sub {
    uint32_t magic;
    rill_bus *bus;             /* a reference is held */
    rill_msg_fn on_msg;
    void *arg;
    rill_full when_full;
    bool on_publisher;
    bool watched;              /* rill_sub_fd() was called: `park` has an fd; inside the gate */
    uint32_t pending_msgs_max;
    uint64_t pending_bytes_max;
    size_t size;               /* of this allocation, with the strings behind it */
    ri_bus_consumer *consumer; /* of rill_consume() and rill_tail(); NULL: live messages */
    bool auto_ack;             /* RILL_ACK_AUTO */
    bool exact;                /* popped_msgs is so: the peer looks at it */
    bool no_headers;           /* its messages are shown without */
    uint32_t key_at;           /* watch of a bucket: where in a subject the key begins; else 0 */
    ri_bus_job *owner;         /* called when it ends, whatever ends it; NULL: nobody's */

    char apart_from_producer[RI_CACHE_LINE]; /* what is above is read by both sides */
    ri_subscription core;      /* on the router until ended */
    ri_list link;              /* in bus->subs */
    ri_list ready_link;        /* in bus->ready: callbacks to run */
    ri_list slow_link;         /* in bus->slow: drops to report */
    ri_list deferred_link;     /* in bus->deferred */

    /* Guarded by the gate. */
    bool ended;                /* no more will come */
    bool finishing;            /* the peer was asked to send no more: what is on its way comes */
    bool blocking;             /* counted in broker->blocking_subs */
    bool slow_end;             /* ended by RILL_FULL_DISCONNECT */
    bool orphan;               /* closed within its callback: the runner frees it */
    bool sleeping;             /* a reader sleeps on `park` */
    atomic_bool held;          /* its callback is not run: see ri_bus_sub_hold(); written inside */
    uint32_t asks;             /* questions about it that are out: it is not freed meanwhile */
    uint64_t pushed_msgs, pushed_bytes;
    uint64_t seen_msgs, seen_bytes; /* popped_msgs and popped_bytes when last looked at */
    uint64_t offered_msgs;     /* all that matched, those that were dropped included */
    uint64_t dropped_msgs;     /* in all */
    uint64_t dropped_new;      /* since the last report */
    uint64_t dropped_first;    /* number, among the offered, of the first not reported */
    struct rill_sub *next_inline; /* in a publisher's list ... */
    ri_packet *inline_packet;     /* ... which owes it a callback with this; NULL: the message
                                     that is published, copied to the publisher's stack */
    atomic_uint run;           /* BUS_RUNNING, BUS_ATTENTION */
    atomic_bool closing;       /* rill_sub_close() was called; written inside the gate */

    ri_chain chain;            /* of ri_packet: pushed inside the gate, taken by the reader */

    char apart_from_reader[RI_CACHE_LINE]; /* what the producer writes is above, the reader below */
    /* The reader's, who is in rill_next() or rill_read(), or runs the callback. */
    atomic_uint reading;       /* BUS_READING: somebody reads; BUS_AWAITED: a closer waits */
    _Atomic uint64_t popped_msgs, popped_bytes; /* reported to the producer now and then */
    uint64_t taken_msgs, taken_bytes;           /* exact */
    atomic_bool room_wanted;   /* a publisher waits for room */
    ri_packet *debt;           /* some packet of a slab of which ... */
    uint32_t ndebt;            /* ... so many references are to be dropped */
    uint32_t nlent, cap_lent;  /* what the last read lent; allocated in the next two */
    ri_bus_msg *views;
    ri_packet **lent;
    ri_bus_msg view;         /* of a read that lent one: no allocation */
    ri_packet *view_packet;
    ri_park park;              /* where the reader sleeps */

    bool reaped;               /* its messages are items of rill_reap(); on_msg is never called */
    bool end_reaped;           /* so was its end; the dispatcher's */
    bool caught_up;            /* watch of a bucket: the last value that was there was seen */

    _Atomic uint64_t skip_to;  /* of the pushed: those up to here are dropped unread (seek) */
    uint64_t taken_reported;   /* taken_msgs when a consumer was asked for more; inside the gate */
};

enum {
    BUS_RUNNING = 1,
    BUS_ATTENTION = 2,
    RI_BUS_INLINE_MAX = 1024, /* a message up to this is copied to the publisher's stack */
};

/* Subscriptions whose callback the publisher is to run when it has left the gate. */
typedef struct ri_bus_inline {
    rill_sub *first, *last;
    const ri_message *m; /* the message that is published; the publisher's */
    int64_t time_ns;
} ri_bus_inline;

typedef struct ri_bus_request ri_bus_request;
typedef struct ri_bus_storing ri_bus_storing;
typedef struct ri_bus_reaping ri_bus_reaping;

/* Who hears how a request or an append has ended. */
typedef struct ri_bus_done {
    enum { RI_BUS_DONE_ITEM, RI_BUS_DONE_CALL, RI_BUS_DONE_STORED, RI_BUS_DONE_REPLY } kind;
    union {                  /* ITEM: nobody, it is an item of a reap */
        rill_done_fn call;
        rill_stored_fn stored;
        rill_reply_fn reply;
    };
    void *arg;
} ri_bus_done;

struct rill_bus {
    uint32_t magic;
    uint32_t stamp;            /* of the process that opened the bus */
    atomic_uint refs;
    const ri_peer_ops *ops;    /* the table of the bus's peer */
    ri_broker *broker;         /* whose gate guards the bus; a reference is held */
    ri_host host;
    rill_drive drive;
    void (*on_event)(rill_bus *bus, const rill_event *ev, void *arg);
    void *arg;
    void (*on_ready)(void *arg);
    atomic_bool readied;       /* on_ready() was called since somebody looked last */
    bool reap;                 /* what has no callback is for rill_reap() */
    int32_t send_timeout_ms;
    int64_t answer_ns;         /* what nobody set a time for is waited for so long, if the peer is a
                                  late one */

    /* Guarded by the broker's gate. */
    ri_party party;
    ri_member member;          /* the bus as a member of the broker */
    atomic_bool closed;        /* written inside the gate */
    atomic_bool ended;         /* rill_close() has begun to end it: nobody reaps, or is woken */
    ri_list deferred;          /* rill_sub.deferred_link: to end when the publish is over */
    ri_list asking;            /* readers of streams whose request found no memory */
    ri_list subs, ready, slow; /* rill_sub.link, .ready_link, .slow_link */
    ri_list jobs, due_jobs;    /* ri_bus_job.link, .due_link */
    uint32_t events;           /* kinds to report, a bit each */
    uint64_t troubles_given;    /* events of the peer's, as it counts them */
    uint64_t refusals;         /* publishes that streams refused, not reported yet; the last one: */
    ri_failure *refused;       /* NULL: there was none so far, or no memory for it */
    uint64_t lost_msgs;        /* drops of closed subscriptions that were not reported before */
    bool sleeping;             /* the dispatcher, or a wait of a host-driven bus, sleeps */
    bool watched;              /* rill_fd() was called */
    bool dispatching;          /* somebody runs callbacks */
    ri_bus_reaping *reaping;   /* where items go; NULL: nobody reaps */
    bool finished;             /* the CLOSED event has been given */
    int64_t finish_ns;         /* until then rill_close() waits for calls; INT64_MAX: for ever */
    char checked[64];          /* the last subject that was found valid, while short */
    size_t checked_len;

    /* Requests; front/handle/bus_request.c. */
    ri_subscription inbox;     /* _INBOX.<nuid>.*, once a request was made ... */
    bool has_inbox;            /* ... and the peer knows of it */
    char inbox_prefix[32];     /* with its last dot and a 0 */
    ri_map requests;           /* ri_bus_request, by their number */
    ri_bus_asked_table asked;      /* what waits for answers, if ops->refuses: theirs, the peer's */
    ri_heap timers;            /* ri_bus_timer */
    ri_list answered;          /* asynchronous ones whose callback is due */
    ri_nuid nuid;

    /* Asynchronous appends; front/handle/bus_append.c. */
    ri_list appending;         /* not committed yet */
    ri_list stored;            /* appends whose callback is due */
    ri_list held;              /* ... and those that come to it together, with the release */
    bool holding;
    bool all_stored;           /* `appending` is empty */
    ri_bus_timer append_timer; /* of a peer that answers late; armed while some are under way */
    ri_list spare;             /* ended ones, for the next */
    uint32_t nspare;
    ri_list strays;            /* ri_bus_stray.link: appends that nobody waits for any more */

    ri_bus_calls calls;        /* of rill_start(); front/handle/bus_call.c */

    ri_park park;              /* where the dispatcher sleeps, and who waits for it */
    ri_park quiet;             /* signalled when a callback has ended, and by each dispatch */
    ri_park rest;              /* signalled when a started drain may find that all has rest */
    uint32_t draining;         /* such drains, guarded by the gate */
    ri_park answer;            /* signalled when something that a late peer was asked is over */
    pthread_t thread;
    bool has_thread;
};

extern const ri_party_ops ri_bus_client_ops;

/* For assertions: handles that are not freed. */
static inline bool ri_bus_is_sound(const rill_bus *bus)
{
    return bus->magic == RI_BUS_MAGIC &&
           atomic_load_explicit(&bus->refs, memory_order_relaxed) > 0;
}

static inline bool ri_bus_sub_is_sound(const rill_sub *sub)
{
    return sub->magic == RI_SUB_MAGIC && sub->bus->magic == RI_BUS_MAGIC;
}

/* ---- bus.c ---- */
int ri_bus_open(rill_bus **bus, const ri_peer_ops *ops, ri_broker *broker, const rill_opts *opts);
/* The same in two steps: until it begins, none of the program's functions has it. */
int ri_bus_make(rill_bus **bus, const ri_peer_ops *ops, ri_broker *broker, const rill_opts *opts);
int ri_bus_begin(rill_bus *bus); /* else it is given up */
/* The handle stands at a new broker that it has for itself, which listens nowhere: the peer is far
 * away. max_msg_bytes 0: the default. */
int ri_bus_open_alone(rill_bus **bus, const ri_peer_ops *ops, uint32_t max_msg_bytes,
                      const rill_opts *opts);
/* The peer could not begin: the handle is closed. Returns `rc`, with its sentence. */
int ri_bus_give_up(rill_bus *bus, int rc);
int ri_bus_close(rill_bus *bus, int timeout_ms);
int ri_bus_drain(rill_bus *bus, int timeout_ms); /* bus_drain.c */
/* Inside the gate: has every callback of what came run, but for the one that asks? */
bool ri_bus_has_rest(rill_bus *bus);
/* Inside the gate: nothing comes in from now on, and who waits is notified. */
void ri_bus_shut(rill_bus *bus);
void ri_bus_ref(rill_bus *bus);
void ri_bus_unref(rill_bus *bus);
bool ri_bus_in_callback(const rill_bus *bus) RI_APART; /* does this thread run one of it? */
bool ri_bus_in_callback_of(const rill_sub *sub) RI_APART;
void ri_bus_frame_push(ri_bus_frame *frame, rill_bus *bus, rill_sub *sub) RI_APART;
void ri_bus_frame_pop(ri_bus_frame *frame) RI_APART;
/* Is this thread in any callback that began on the stack of the task which it runs, if any? */
bool ri_bus_has_frames(void) RI_APART;
/* A task is resumed by the frame `floor`, or was; what the floor was before. */
ri_bus_frame *ri_bus_floor_swap(ri_bus_frame *floor) RI_APART;
/* Callbacks are about to be possible: the thread that runs them, if the bus is to have one. */
int ri_bus_need_thread(rill_bus *bus);
/* Inside the gate: there is something for the dispatcher. */
void ri_bus_work(rill_bus *bus);
/* Any thread, inside or outside: the dispatcher shall look. */
void ri_bus_ring(rill_bus *bus);
/* Does anybody hear of events? */
static inline bool ri_bus_hears(const rill_bus *bus)
{
    return bus->on_event || bus->reap;
}
/* Inside the gate: the peer has an event. */
void ri_bus_trouble(rill_bus *bus);
/* Inside the gate: something that somebody may wait for is over. */
void ri_bus_notify(rill_bus *bus);
/* Inside the gate: the callback of a sub that has ended has run for the last time. */
void ri_bus_rested(rill_bus *bus);
/* Inside the gate, which it leaves and enters again: until *over or the time is up (false), or, if
 * the peer is a late one, until the bus is closed. */
bool ri_bus_await(rill_bus *bus, const bool *over, int64_t timeout_ns);
/* Enter the gate, ready for what is stored; < 0: outside still. */
int ri_bus_enter(rill_bus *bus);
int ri_bus_enter_append(rill_bus *bus); /* the same before an append, which may have to wait */
/* Inside the gate: is it a subject to publish on, and small enough? */
int ri_bus_check_subject(rill_bus *bus, ri_str subject);
int ri_bus_check_size(rill_bus *bus, const ri_message *m);
/* Inside the gate: a stream has refused what was published, and nobody waits for that. */
void ri_bus_report_refused(rill_bus *bus, const ri_failure *refused);
/* Inside the gate: what is in bus->asking asks anew. */
void ri_bus_consume_again(rill_bus *bus);
/* Run what is due; how many callbacks that were. RILL_EBUSY if another thread is at it. */
int ri_bus_dispatch(rill_bus *bus);
/* The same, and what has no callback goes there: only so does a bus with `reap` run anything. */
int ri_bus_dispatch_reaping(rill_bus *bus, ri_bus_reaping *reaping);
/* Sleep until there is something for the dispatcher, or `timeout_ns` has passed. */
void ri_bus_doze(rill_bus *bus, int64_t timeout_ns);
int ri_bus_poll(rill_bus *bus, int64_t timeout_ns);
int ri_bus_fd(rill_bus *bus); /* a descriptor, or a negative errno */
void ri_bus_stats(rill_bus *bus, rill_stats *out); /* bus_drain.c */
int64_t ri_bus_due_ns(rill_bus *bus); /* inside the gate: until the next timer; -1: none */
/* Sleep in a call that waits: on `park`, or, under RILL_DRIVE_HOST, running what is due. `seen`
 * as for ri_park_wait(); false when the time is up. */
bool ri_bus_sleep(rill_bus *bus, ri_park *park, uint32_t seen, int64_t timeout_ns);

/* ---- bus_sub.c ---- */
int ri_bus_sub_open(rill_bus *bus, rill_sub **sub, const char *subject,
                       const rill_sub_opts *opts);
int ri_bus_sub_read(rill_sub *sub, const rill_msg **msgs, size_t max, int64_t timeout_ns);
/* Until something changes, or the time is up (< 0, as if there is nothing to wait for); *until,
 * < 0 at first, is kept for the next of the same wait. */
int ri_bus_sub_sleep(rill_sub *sub, int64_t timeout_ns, int64_t *until);
/* Inside the gate: a message has come for whoever reads it. */
void ri_bus_sub_wake(rill_sub *sub);
/* The reader's: room for so many views. */
int ri_bus_sub_reserve(rill_sub *sub, size_t max);
int ri_bus_sub_stop(rill_sub *sub);
/* Ends and frees it, once nobody is inside it: RILL_ETIMEDOUT if that takes longer, and it may be
 * closed again. */
int ri_bus_sub_close(rill_sub *sub, int64_t timeout_ns);
void ri_bus_sub_status(rill_sub *sub, rill_sub_info *out);
/* Allocated, not on the router yet; ri_bus_sub_close() frees it, attached or not. */
rill_sub *ri_bus_sub_new(rill_bus *bus, const char *subject, const rill_sub_opts *opts);
int ri_bus_sub_attach(rill_bus *bus, rill_sub *sub); /* inside the gate: listens from now on */
/* Inside the gate: queue an empty message of ours. */
int ri_bus_sub_mark(rill_sub *sub, ri_str subject);
void ri_bus_sub_end(rill_sub *sub);                  /* inside the gate, not in a publish */
/* The same; but what a peer has sent comes before it ends. */
void ri_bus_sub_finish(rill_sub *sub);
void ri_bus_sub_end_later(rill_sub *sub);            /* inside the gate, in a publish */
bool ri_bus_sub_full(rill_sub *sub, size_t bytes);   /* inside the gate */
/* Run its callback for what is queued, at most `most`; it is marked running. */
int ri_bus_sub_run(rill_sub *sub, int most);
void ri_bus_sub_run_one(rill_sub *sub, ri_packet *packet);
void ri_bus_sub_run_view(rill_sub *sub, ri_bus_msg *view); /* runs its callback with `view` */
/* Inside the gate: its end is an item that was not reaped yet. */
bool ri_bus_sub_owes_end(rill_sub *sub);
/* Mark `sub` as running; false if somebody runs its callback. Inside the gate. */
bool ri_bus_sub_start(rill_sub *sub);
/* Stop running, unless there is more (false). Frees an orphan. Inside the gate. */
bool ri_bus_sub_rest(rill_sub *sub);
/* Stop running if nobody wanted anything meanwhile: true, and `sub` may be gone. Outside
 * the gate. */
bool ri_bus_sub_rest_quick(rill_sub *sub);
/* Inside the gate: whoever runs the callback shall come through the gate to stop. Does anybody? */
bool ri_bus_sub_call_runner(rill_sub *sub);
bool ri_bus_sub_slow_event(rill_sub *sub, rill_event *ev, char *text, size_t size);
/* Outside the gate: this thread asks something about `sub`, and it has been answered, after which
 * `sub` may be gone. Who closes it meanwhile waits, but not in a callback within that wait. */
void ri_bus_sub_ask_begin(rill_sub *sub, ri_bus_frame *frame);
void ri_bus_sub_ask_end(rill_sub *sub, ri_bus_frame *frame);
/* Inside the gate: does a message wait for the callback of `sub`, or does it run? */
bool ri_bus_sub_is_busy(rill_sub *sub);
/* Inside the gate, when no callback of `sub` runs any more: messages that wait count as dropped. */
void ri_bus_sub_abandon(rill_sub *sub);

/* Inside the gate: what waits for the callback of `sub` waits on, from the next message on, until
 * the hold ends. */
void ri_bus_sub_hold(rill_sub *sub, bool held);

/* ---- bus_pull.c ---- */
/* Do its messages stay with the peer until they are read? Then a read is ri_bus_pull_read(). */
bool ri_bus_is_pulled(const rill_sub *sub);
int ri_bus_pull_read(rill_sub *sub, const rill_msg **msgs, size_t max, int64_t timeout_ns);
/* Inside the gate, by the reader's thread: is it such a one, and has the peer something for it? */
bool ri_bus_pull_waits(rill_sub *sub);
/* Inside the gate, by the peer: it has. */
void ri_bus_pull_ready(rill_sub *sub);
void ri_bus_pull_calm(rill_sub *sub); /* by the reader's thread, when it has read */
int ri_bus_sub_fd(rill_sub *sub);

/* ---- bus_job.c ---- */
/* Zeroed, or begun and ended, before. RILL_ECLOSED, RILL_ENOMEM: it was not begun. */
int ri_bus_job_begin(ri_bus_job *job, rill_bus *bus, void (*run)(ri_bus_job *job),
                     void (*shut)(ri_bus_job *job));
/* Inside the gate: it is run soon, once however often this is called until then; or in so many
 * nanoseconds, whatever was said of that before. */
void ri_bus_job_call(ri_bus_job *job);
void ri_bus_job_call_in(ri_bus_job *job, int64_t ns);
/* Outside the gate, and not by itself: waits until it does not run, and it never will. */
void ri_bus_job_end(ri_bus_job *job);
int ri_bus_jobs_run(rill_bus *bus);   /* dispatcher: those that are due */
void ri_bus_jobs_shut(rill_bus *bus); /* inside the gate: the bus is closed */

/* ---- bus_draft.c ---- */
/* The message of a call: subject checked, headers written into `mem`. RILL_EINVAL, ETOOBIG. */
typedef struct ri_bus_draft {
    ri_message m;
    const ri_safety *safety; /* that the message needs when it is stored; NULL: the log's */
    ri_buffer mem;
    ri_buffer routed; /* the subject of its partition, which its key has picked */
} ri_bus_draft;
int ri_bus_draft_init(ri_bus_draft *draft, rill_bus *bus, const char *subject,
                      const rill_post *post);
void ri_bus_draft_fini(ri_bus_draft *draft);

/* ---- bus_request.c ---- */
/* `key` is the request's number, a uint64_t */
bool ri_bus_request_same(const void *item, const void *key);
int ri_bus_request_wait(rill_bus *bus, ri_message *m, rill_msg **reply, int64_t timeout_ns);
int ri_bus_request_async(rill_bus *bus, ri_message *m, int64_t timeout_ns,
                         const ri_bus_done *done);
int ri_bus_request_cancel(rill_bus *bus, const void *arg);   /* inside the gate; how many */
bool ri_bus_request_answer(rill_bus *bus, ri_delivery *d);   /* inside the gate */
void ri_bus_requests_fail(rill_bus *bus);            /* inside the gate: the bus is closed */
/* Inside the gate: the peer lets nobody have answers; those that wait end so. */
void ri_bus_requests_refused(rill_bus *bus, int err);
int ri_bus_request_hand_over(rill_bus *bus); /* dispatcher, outside the gate: due answers */
void ri_bus_requests_fini(rill_bus *bus);
void ri_bus_request_inbox(rill_bus *bus, char out[RILL_INBOX_LEN]);

/* ---- bus_append.c ---- */
/* `safety`: what the message needs; NULL: that of the log. */
int ri_bus_append(rill_bus *bus, const ri_message *m, const ri_safety *safety, rill_receipt *out,
                  int64_t timeout_ns);
/* Outside the gate, when nobody took messages on these n subjects. A stream of a cluster has no
 * leader for some seconds when it is new or when a server has gone. If each subject has a stream
 * all the same, this call makes a pause and returns RILL_OK: the messages are to be sent again.
 * It returns RILL_ENOREPLY if one has none (the thread's error stays), and RILL_ETIMEDOUT when
 * the time is over. `until`: a monotonic time, of ri_deadline_in(). *awaits: set here, false
 * before the first call. */
int ri_bus_append_again(rill_bus *bus, const ri_str *subjects, size_t n, int64_t until,
                        bool *awaits);
int ri_bus_append_async(rill_bus *bus, const ri_message *m, const ri_safety *safety,
                        const ri_bus_done *done);
int ri_bus_append_cancel(rill_bus *bus, const void *arg);    /* inside the gate; how many */
/* An append that is waited for later. After begin() it is under way, or refused; after end() or
 * forget() it is not. */
typedef struct ri_bus_appending {
    ri_js_append append;
    ri_failure why;        /* its room */
    rill_bus *bus;         /* NULL: not under way */
    bool over;
} ri_bus_appending;
int ri_bus_append_begin(rill_bus *bus, ri_bus_appending *a, const ri_message *m);
int ri_bus_append_end(ri_bus_appending *a, rill_receipt *out, int64_t timeout_ns);
void ri_bus_append_forget(ri_bus_appending *a);
/* An append whose answer a peer owes, whoever waits for it: when its owner has gone the bus keeps
 * it until it is answered, and so knows that something may still be stored. */
typedef struct ri_bus_stray {
    ri_js_append append;
    ri_failure why;        /* its room */
    ri_list link;          /* in bus->strays */
    rill_bus *bus;
    size_t size;           /* of the allocation that begins with this */
} ri_bus_stray;
void ri_bus_stray_init(ri_bus_stray *stray, rill_bus *bus, size_t size,
                       void (*done)(ri_js_waiter *waiter, int rc));
/* Inside the gate: its answer is not wanted, and it is not sent any more if it was not yet. */
void ri_bus_stray_give_up(ri_bus_stray *stray);
/* Inside the gate: it is the bus's from now on, and is freed when it is answered. */
void ri_bus_stray_leave(ri_bus_stray *stray);
/* It ended with `rc`, which is kept with the sentence of the thread unless it failed before. */
void ri_bus_append_over(ri_js_append *append, int rc);
/* How the append has ended. */
int ri_bus_append_result(const ri_js_append *append, rill_receipt *out);
void ri_bus_appends_fini(rill_bus *bus); /* the last reference goes */
int ri_bus_append_hand_over(rill_bus *bus);  /* dispatcher, outside the gate: due receipts */
/* Inside the gate, of a peer that `dates`: the time of all that were begun runs from now on. */
void ri_bus_appends_date(rill_bus *bus);
/* Inside the gate, by a peer: receipts of appends that end from now on wait for the release, which
 * wakes who takes them once for all of them. */
void ri_bus_appends_hold(rill_bus *bus);
void ri_bus_appends_release(rill_bus *bus);
void ri_bus_appends_fail(rill_bus *bus); /* inside the gate: the bus is closed */
/* Outside the gate: until nothing is under way; false when the time is up. */
bool ri_bus_appends_wait(rill_bus *bus, int64_t timeout_ns);

/* Outside the gate: the callbacks that a publish owes. */
void ri_bus_inline_run(ri_broker *broker, const ri_bus_inline *list);

/* ---- bus_words.c ---- */
/* The thread's sentence, if it is one of JetStream's, becomes one in the words of rill.h. Returns
 * `rc`, which is negative. */
int ri_bus_words_say(int rc);
/* The code of ours for an error of JetStream's, with such a sentence: `rc`, with which the error
 * came, or, if that is 0, the nearest to the error's own. */
int ri_bus_js_error(const ri_js_error *e, int rc);

/* ---- bus_msg.c ---- */
void ri_bus_msg_view(ri_bus_msg *view, rill_bus *bus, ri_packet *packet);
/* A consumer's message carries all about it in its reply subject. */
void ri_bus_msg_view_stored(ri_bus_msg *view);
/* All of it but subject, reply, data, headers and packet, which are there. */
static inline void ri_bus_msg_view_init(ri_bus_msg *view, rill_bus *bus, int64_t time_ns)
{
    view->m.time_ns = time_ns;
    view->m.nheaders = ri_unlikely(view->headers.len) ? ri_headers_count(view->headers) : 0;
    view->m.deliveries = 0;
    view->m.seq = view->m.pending = 0;
    /* Field by field: to copy a pair that was just written in halves would wait for the cache. */
    view->m.stream = (ri_str){"", 0};
    view->m.key = (ri_str){"", 0};
    view->ack = (ri_str){"", 0};
    view->m.flags = view->m.partition = 0;
    view->bus = bus;
    view->size = 0;
    atomic_init(&view->settled, false);
    atomic_init(&view->refs, 0);
    if (ri_unlikely(view->m.reply.len > 8 && view->m.reply.ptr[0] == '$'))
        ri_bus_msg_view_stored(view);
}
/* The message is of a bucket whose keys begin at `key_at` in the subject. */
bool ri_bus_msg_is_deletion(ri_str headers); /* do they say that a key is deleted? */
void ri_bus_msg_view_key(ri_bus_msg *view, uint32_t key_at);
static inline void ri_bus_msg_view_bare(ri_bus_msg *view) /* without headers */
{
    view->headers = (ri_str){"", 0};
    view->m.nheaders = 0;
}
rill_msg *ri_bus_msg_ref(const rill_msg *m);
void ri_bus_msg_unref(rill_msg *m);
/* A message of one's own out of a packet, whose reference it takes over; NULL: out of memory,
 * and the reference is dropped. */
rill_msg *ri_bus_msg_own(rill_bus *bus, ri_packet *packet);
/* A message, the caller's, that is a copy of a stored record; inside the gate. */
int ri_bus_msg_stored(rill_bus *bus, ri_str stream, const ri_record *record, rill_msg **m);

/* Inside the gate: may this bus publish it? Programs publish on the same few subjects: the last
 * short one that was found valid is not read again. */
static inline int ri_bus_check(rill_bus *bus, const ri_message *m)
{
    size_t len = m->data.len + m->headers.len;
    if (ri_unlikely(atomic_load_explicit(&bus->closed, memory_order_relaxed) ||
                    len > bus->broker->conf.max_msg_bytes)) return ri_bus_check_size(bus, m);
    if (m->subject.len && m->subject.len == bus->checked_len &&
        memcmp(m->subject.ptr, bus->checked, m->subject.len) == 0)
        return RILL_OK;
    return ri_bus_check_subject(bus, m->subject);
}

static inline ri_bus_msg *ri_bus_msg_of(const rill_msg *m)
{
    return ri_container_of((rill_msg *)(uintptr_t)m, ri_bus_msg, m);
}

#endif
