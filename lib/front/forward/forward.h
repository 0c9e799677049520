/* SPDX-License-Identifier: Apache-2.0 */
/* Forwarding: what a stream gets is carried to a stream elsewhere, once and in order, however often
 * either end, or this process, dies meanwhile.
 *
 *     stream of `from`                                              stream of `to`
 *       |  1 2 3 4 5 6 7 ...                                          ^
 *       v                                                             |
 *     group NAME --> reader --> sent [3|4|5|6] --append, at most W--> peer
 *       ^  3 is settled          |                                    |
 *       '------ writer <---------'<-------- 3 is stored --------------'
 *
 * It stands on two handles, and knows none of their peers: each end may be the broker of this
 * process, a server, a cluster. A store that forwards to a server, and a store that copies one, are
 * the same thing the other way round, so that they are one call.
 *
 * WHO DOES WHAT. A forward has no thread. Its reader is a job (ri_bus_job) and a callback on the
 * dispatcher of `from`, its writer a job on that of `to`; under RILL_DRIVE_HOST both run in
 * rill_poll(). Each asks its own bus alone, and a bus without a connection not at all: so what they
 * block is callbacks of a bus that has one, for as long as an answer takes. Who is at work is the
 * phase's to say, and no gate is entered within another.
 *
 *              .------------------------------------------------------------.
 *              v   pause                                                    |
 *     open -> REST ------> JOIN ---------------------> OPEN ------> FLOW ---+--> DRAIN -> ENDED
 *             reader       reader \                  ^ reader       both    |    reader, then
 *                                  `---> LOOK ------'                       |    writer
 *                                        writer     any failure, or a close |
 *
 * REST    waits: retry_min_ms, doubled each time up to retry_max_ms, a fifth more or less by
 *         chance.
 * JOIN    the group is there, and nothing of it is out: what was handed out and not settled comes
 *         again, in order. A peer that rewinds a group in one step does that; of another the
 *         group's ACK_WAIT runs out first.
 * LOOK    what the target has already is found; see below.
 * OPEN    a reader joins the group.
 * FLOW    messages flow.
 * DRAIN   nothing new is sent. What is on its way is answered, or given up; what was acknowledged
 *         ahead of the first that was not is settled.
 *
 * A failure ends the run of messages, and the next begins as after a restart of the process: there
 * is one way back, and each lost connection tests it.
 *
 * ORDER. Messages leave in the order of the source: a group numbers what it delivers, and when a
 * number is missing, or a message comes late, the run ends before anything is sent ahead of it.
 * When one is not stored, nothing follows it, and of those behind it that are on their way no later
 * connection brings one (ri_publish.once). So what a target has of one run is a beginning of it.
 * Two things break that, within a window: a target that refuses one message and takes the next; and
 * servers that lose one on its way to their leader. A window of 1 excludes both.
 *
 * ONCE. A message that was sent and not acknowledged is in doubt: it is stored, or not. Nothing is
 * sent while there is a doubt that is not resolved.
 *
 *   * A peer whose streams know ids (peer.h: ids) gets as id where a message comes from. What is
 *     sent again is a duplicate there, as long as its window of duplicates lasts. But a connection
 *     may stay away for longer.
 *   * So before a run begins the writer LOOKs: it reads what the target got last, and finds
 *     messages of ours by their ids, or, of a peer without ids, by the header Rill-Origin. Those
 *     are settled at the source when they come, and not sent.
 *
 * How far back must it look? The group hands out W messages beyond its floor at most (max_unacked),
 * so one that is in doubt is followed, in the target, by messages of ours that are within W of it
 * at the source, on either side, and each is there once: by 2 * W_MAX at most. A look that has read
 * so many has seen all that can be in doubt. It may end sooner at what was stored before the first
 * unsettled message was stored at the source, less what clocks may differ (CLOCKS). So it begins a
 * moment back, and goes eight times as far until one of these holds. It goes by time, since a
 * target may have partitions, and time is what they have in common.
 *
 *     partition 0    . . x . y x x y |        x: others'; y: ours
 *     partition 1    . y x . . . . . |
 *                         ^ T        ends, when the look began: read until there
 *
 * A group that was made just now, and one that has nothing before it, leaves nothing to be looked
 * for. A target that has lost its end, or whose messages others have taken out, cannot be looked
 * at; there ids are all there is.
 *
 * What a process that was killed had given to its kernel may be on its way still when the next one
 * looks. Ids catch that. Of a peer without ids the writer waits for SETTLE before it looks, and
 * while this process has appends there without an answer (ri_bus_stray); what a network holds back
 * for longer comes twice. That is said in rill.h.
 *
 * WHAT IS BOUNDED. W messages, and BYTES of them, are under way; then the reader holds. What a look
 * keeps is KNOWN_MAX origins. A message is copied by the peer alone; what is kept of it here is its
 * name at the source.
 *
 * LOCKS. What both ends touch is guarded by the gate of `to`. The look's part is the writer's, the
 * rest of the reader's the reader's. `known` goes from the writer to the reader with the phase. */
#ifndef RI_FORWARD_H
#define RI_FORWARD_H

#include "codec/origin.h"
#include "codec/subject/transform.h"
#include "front/handle/bus_stored.h"
#include "front/handle/peer.h"

#define RI_FORWARD_MAGIC 0xf0f0f001u

enum {
    RI_FORWARD_WINDOW = 1024,     /* messages under way; at most: */
    RI_FORWARD_WINDOW_MAX = 4096,
    RI_FORWARD_BYTES = 16 << 20,  /* of these, beyond which the reader holds */
    RI_FORWARD_ACK_WAIT_MS = 10000, /* of its group */
    RI_FORWARD_KNOWN_MAX = 1 << 20, /* origins that a look finds */
};
#define RI_FORWARD_RETRY_MIN_NS (100 * RI_MS)
#define RI_FORWARD_RETRY_MAX_NS (8 * RI_SEC)
#define RI_FORWARD_SETTLE_NS (2 * RI_SEC)    /* before a peer without ids is looked at */
#define RI_FORWARD_CLOCKS_NS (120 * RI_SEC)  /* that the clocks of both ends may differ */

typedef enum ri_forward_phase {
    RI_FORWARD_REST,
    RI_FORWARD_JOIN,
    RI_FORWARD_LOOK,
    RI_FORWARD_OPEN,
    RI_FORWARD_FLOW,
    RI_FORWARD_DRAIN,
    RI_FORWARD_ENDED,
} ri_forward_phase;

typedef enum ri_forward_fate { /* of a message that was taken from the source */
    RI_FORWARD_SENT,    /* no answer yet */
    RI_FORWARD_STORED,
    RI_FORWARD_KNOWN,   /* the target had it, and it was not sent */
    RI_FORWARD_DEAD,    /* refused for good: to the dead letters */
    RI_FORWARD_FAILED,  /* in doubt, or refused this time */
} ri_forward_fate;

typedef struct ri_forward_sent { /* a message under way */
    ri_bus_stray stray;     /* its append; first: this may outlive the forward */
    ri_list link;           /* in f->sent, in the source's order */
    rill_forward *forward;
    ri_forward_fate fate;
    ri_origin origin;
    int64_t sent_ns;        /* monotonic */
    size_t bytes;
    ri_buffer ack;          /* by which the source knows the message */
} ri_forward_sent;

typedef struct ri_forward_part { /* a partition of the target, as it is looked at */
    uint64_t end;           /* the number of its last message when the look began; 0: it is empty */
    int64_t end_ns;         /* ... and when that was stored */
    uint64_t at;            /* the last that was read */
} ri_forward_part;

typedef struct ri_forward_look {
    rill_sub *sub;          /* reads the target; NULL: not yet */
    ri_forward_part *parts;
    uint32_t nparts, asked; /* of so many the end is known */
    int64_t newest_ns;      /* of their ends */
    int64_t back_ns;        /* so far back from there this round begins */
    int64_t bound_ns;       /* what was stored before cannot be in doubt; INT64_MIN: not known */
    uint64_t floor;         /* settled up to here; 0: the source has several partitions */
    uint64_t read, seen;    /* messages of this round; when its timer looked last */
    uint64_t own;           /* of these, ours */
    bool begun, whole;      /* whole: the peer sends no headers without their data */
} ri_forward_look;

struct rill_forward {
    uint32_t magic;
    rill_bus *from, *to;    /* references are held */
    /* Set when it is opened. */
    ri_arena arena;         /* of all texts */
    const char *name, *stream, *into;
    ri_str names;           /* "NAME/STREAM/" */
    ri_str header;          /* that says where a message comes from, at `to` */
    ri_transform *map;      /* of subjects; NULL: they stay */
    rill_sub_opts group;    /* what the group is to be */
    uint32_t window;
    int64_t retry_min_ns, retry_max_ns;

    ri_bus_job reader;      /* at `from` */
    ri_bus_job writer;      /* at `to` */

    /* Guarded by the gate of `to`. */
    ri_forward_phase phase;
    bool stopping;          /* it is to end */
    bool reading;           /* the reader may send */
    bool failing;           /* nothing more is sent in this run */
    bool broken;            /* one of this run was not stored: what is behind is not settled */
    bool held;              /* the reader holds */
    ri_list sent;           /* ri_forward_sent.link */
    uint32_t nsent;
    uint64_t sent_bytes;
    ri_list spare;          /* ended ones, for the next; as many as were under way at most */
    int64_t drain_ns;       /* since when it drains; monotonic */
    int64_t pause_ns;       /* the last; 0: something was stored since */
    rill_forward_info info; /* what was counted */
    ri_failure why;         /* the last failure */
    ri_park ended;          /* signalled with the phase */

    /* The reader's. */
    rill_sub *sub;          /* NULL: it does not read */
    rill_msg *stuck;        /* found no room at the peer, and goes first */
    uint64_t *last;         /* numbers taken last in this run, by partition */
    uint32_t nlast;         /* places of it */
    uint64_t taken;         /* messages in this run */
    uint64_t delivery;      /* the last one's number, as the group counts them; 0: none yet */
    uint64_t owed;          /* messages that were passed over, and come again next, ... */
    uint64_t owed_first, owed_last; /* ... the lowest and highest of them */
    int64_t rested_ns;      /* when it read last; monotonic */
    ri_buffer block, subject; /* of the message at hand */
    uint64_t dice;          /* for {{random()}} in `map` */

    ri_forward_look look;   /* the writer's; floor and bound_ns are the reader's, with the phase */
    ri_origin *known;       /* sorted; the writer's in LOOK, else the reader's */
    size_t nknown, cap_known;
};

/* ---- forward.c ---- */
/* `opts` as it was checked. RILL_EINVAL, RILL_EBUSY, RILL_ENOMEM, RILL_ECLOSED. */
int ri_forward_open(rill_forward **out, rill_bus *from, const char *stream, rill_bus *to,
                    const char *into, const rill_forward_opts *opts);
int ri_forward_status(rill_forward *f, rill_forward_info *out);
int ri_forward_close(rill_forward *f, int64_t timeout_ns);
static inline bool ri_forward_is_sound(const rill_forward *f)
{
    return f->magic == RI_FORWARD_MAGIC;
}
/* Outside the gates: that phase begins, unless another has taken its place. */
void ri_forward_go(rill_forward *f, ri_forward_phase phase);
/* Outside the gates: the run fails with `rc` and the thread's sentence. */
void ri_forward_fail(rill_forward *f, int rc);
/* Outside the gates: if all is drained, it rests, or ends. */
void ri_forward_drained(rill_forward *f);
ri_forward_phase ri_forward_phase_of(rill_forward *f); /* outside the gates */
/* Outside the gates: is the bus connected? RILL_ECONN. */
int ri_forward_check_up(rill_bus *bus, const char *what);
/* Outside the gates: a job is run, in so many nanoseconds. */
void ri_forward_call(ri_bus_job *job, rill_bus *bus, int64_t ns);

/* ---- forward_read.c: on the dispatcher of `from` ---- */
void ri_forward_read_run(ri_bus_job *job);
void ri_forward_read_fini(rill_forward *f); /* nobody else is left */

/* ---- forward_send.c ---- */
/* By the reader. RILL_EAGAIN, RILL_ENOMEM: there is no room now, and nothing was sent. 1: nor was
 * it since the run fails. */
int ri_forward_send(rill_forward *f, const rill_msg *m);
void ri_forward_send_run(ri_bus_job *job); /* the writer */
/* Is that message under way? */
bool ri_forward_send_has(rill_forward *f, const ri_origin *origin);
void ri_forward_send_fini(rill_forward *f);

/* ---- forward_look.c: by the writer ---- */
void ri_forward_look_run(rill_forward *f);
void ri_forward_look_end(rill_forward *f);
/* By the reader: had the target this message when it was looked at? */
bool ri_forward_look_knows(const rill_forward *f, const ri_origin *origin);
void ri_forward_look_forget(rill_forward *f);

#endif
