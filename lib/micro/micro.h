/* SPDX-License-Identifier: Apache-2.0 */
/* The profile for microcontrollers: rill.h over one arena, without an allocator, threads, a file
 * system, printf or a wall clock. It is a build of the same floors, not a second library: base and
 * the codec of NATS are those of librill, and this room takes the place of net and front.
 *
 *     rill_opts.memory                      what rill_open() lays into it, in this order
 *     +-----+------+---------+-------+-------+-------+---------------------------------+
 *     | bus | subs | entries | calls | slots | rooms | the peer's: buffers, readers .. |
 *     +-----+------+---------+-------+-------+-------+---------------------------------+
 *
 * Who holds what:
 *   slot   a message, with a room of max_msg_bytes for its texts. It is counted: each entry, each
 *          call that has its answer, and each message that a program keeps holds it. There are
 *          max_pending of them, and one more, which is for the callback that is running.
 *   entry  a place in the queue of one subscription, that holds a slot. A message for several
 *          subscriptions is one slot and several entries.
 *   call   a request, append or question that is under way. Its number is in the reply subject
 *          ("_INBOX.<22 letters>.<number>"), modulo max_calls it is its place in the table.
 *   sub    a subscription. Its number (sid) is its place, and how often that has been used.
 *
 * A turn (ri_micro_bus_turn) moves bytes, puts what has come into queues, runs the callbacks of
 * what was waiting when it began, and returns: it never waits, and it does not call itself. A
 * callback that waits (rill_append() in it) turns the peer alone; what comes then waits in queues.
 *
 * Where the host says which task calls (rill_host.task), the others go on while a callback runs:
 * each call holds the lock but in callbacks and idle(), so that what it has begun is whole between.
 * Only one callback runs at a time.
 *
 * A peer is what a URL names: the bus of this process (micro_mem.c), a server of NATS
 * (micro_nats.c, and micro_js.c for its JetStream), or a store on flash. It fills ri_micro_peer. */
#ifndef RI_MICRO_H
#define RI_MICRO_H

#include "base/alloc.h"
#include "base/assert.h"
#include "base/defs.h"
#include "base/error.h"
#include "base/nuid.h"
#include "base/number.h"
#include "base/saturate.h"
#include "base/str.h"

/* What is built. A build that names none has all. */
#if !defined(RI_MICRO_MEM) && !defined(RI_MICRO_NATS) && !defined(RI_MICRO_FLASH)
#define RI_MICRO_MEM
#define RI_MICRO_NATS
#define RI_MICRO_JETSTREAM
#define RI_MICRO_FLASH
#endif
/* What reads streams: a peer that has some. */
#if defined(RI_MICRO_JETSTREAM) || defined(RI_MICRO_FLASH)
#define RI_MICRO_STORED
#endif

enum {
    RI_MICRO_INBOX_LEN = 7 + RI_NUID_LEN + 1, /* "_INBOX." and "." */
    RI_MICRO_EXTRAS = 5,                      /* headers that a post's fields become, at most */
    RI_MICRO_DETAIL = 96,                     /* bytes kept of the sentence of an event */
    RI_MICRO_TEXT = 256,                      /* bytes of a subject that this makes, at most */
    RI_MICRO_BODY = 448,                      /* bytes of a question to a server */
    RI_MICRO_NAMES = 48,                      /* what max_subject_bytes is at least, for inboxes */
};

typedef struct ri_micro_msg {
    rill_msg m;                /* first: a program's rill_msg is one of these */
    rill_bus *bus;
    ri_str headers;            /* the block, or empty */
    ri_str ack;                /* by what the peer knows it when it is settled; empty: never */
    uint32_t reader;           /* the sid of who got it, of stored ones; else 0 */
    uint16_t refs;             /* 0: the slot is free */
    bool settled;
    struct ri_micro_msg *next; /* of free slots */
    char *room;                /* of the texts */
} ri_micro_msg;

typedef struct ri_micro_entry {
    struct ri_micro_entry *next;
    ri_micro_msg *msg;
} ri_micro_entry;

typedef enum ri_micro_sub_state {
    RI_MICRO_SUB_FREE,
    RI_MICRO_SUB_OPEN,
    RI_MICRO_SUB_STOPPED, /* nothing more comes; what waits can be read */
    RI_MICRO_SUB_ENDING,  /* closed by its program; the peer still has to be asked to end it */
} ri_micro_sub_state;

struct rill_sub {
    rill_bus *bus;
    uint32_t sid, uses;         /* uses: how often this place was taken before */
    ri_micro_sub_state state;
    bool sent;                  /* the peer's: it is in force on this connection */
    bool in_callback;           /* its on_msg runs */
    bool on_publisher, auto_ack;
    rill_full when_full;
    rill_msg_fn on_msg;
    void *arg;
    ri_micro_entry *first, *last; /* what waits */
    ri_micro_entry *lent;         /* what the last read handed out */
    uint32_t pending, pending_max;
    uint32_t pending_bytes, pending_bytes_max;
    uint64_t delivered, dropped, dropped_raised, limit;
    ri_str subject, group;      /* in `text`, with a 0 behind each; no group: empty */
    char *text;                 /* room of max_subject_bytes + 2 */
    void *reader;               /* of stored messages: what the peer knows of it; else NULL */
};

typedef enum ri_micro_call_kind {
    RI_MICRO_CALL_FREE,
    RI_MICRO_CALL_REQUEST, /* ends with a message */
    RI_MICRO_CALL_APPEND,  /* ends with a receipt */
    RI_MICRO_CALL_ASK,     /* a question of the peer's own; `verdict` reads its answer */
} ri_micro_call_kind;

typedef struct ri_micro_call {
    ri_micro_call_kind kind;
    bool over;              /* it has ended: `err`, `answer`, `receipt` are set */
    bool waited;            /* a function of rill.h waits for it, and frees it */
    uint32_t number;
    uint32_t subject_hash;  /* of where it was sent */
    int err;
    int64_t due_ns;
    uint64_t sent_at;       /* the peer's: where its bytes end in all that was ever to be sent */
    ri_micro_msg *answer;   /* a slot that this holds */
    rill_receipt receipt;
    /* The peer's: what `rc`, the error of an answer or RILL_OK, means for its question. */
    int (*verdict)(rill_bus *bus, struct ri_micro_call *call, int rc);
    uint32_t about;         /* the sid of the reader that the question is about, or 0 */
    union {
        rill_reply_fn reply;
        rill_stored_fn stored;
    } done;                 /* NULL: nobody is called */
    void *arg;
} ri_micro_call;

/* What is sent. The spans are the caller's. */
typedef struct ri_micro_out {
    ri_str subject, reply, data;
    const rill_header *headers;
    size_t nheaders;
    rill_header extras[RI_MICRO_EXTRAS]; /* behind these: what a post's fields mean */
    size_t nextras;
    ri_str lines;                        /* and behind all, as they stand in a block */
    size_t header_bytes;                 /* of the block of all; 0: none */
    char digits[2][RI_NUMBER_MAX];       /* texts of extras */
} ri_micro_out;

/* What a program wants to read of a stream. */
typedef struct ri_micro_ask {
    ri_str stream, filter, group; /* no group: empty */
    const rill_sub_opts *opts;    /* never NULL */
    rill_from from;               /* in place of theirs */
    bool ordered;                 /* in order, each once, no acks */
    bool watch;                   /* of a bucket: keys, RILL_MSG_DELETED and RILL_MSG_CAUGHT_UP */
} ri_micro_ask;

typedef enum ri_micro_settle { RI_MICRO_ACK, RI_MICRO_NAK, RI_MICRO_TERM, RI_MICRO_WORKING }
    ri_micro_settle;

/* A peer. Functions that end a call do so by ri_micro_call_end(), then or later. Those that begin
 * with `stored` below may be NULL: RILL_ENOTSUP. */
typedef struct ri_micro_peer {
    const char *scheme;  /* "mem:": the URL's beginning */
    uint32_t caps;       /* RILL_CAN_* */
    bool at_once;        /* a call is over when its function returns: nobody waits for one */
    /* Take room from the arena by ri_micro_bus_carve(), which may be NULL: touch none of it yet. */
    int (*lay)(rill_bus *bus, const char *url, const rill_opts *opts);
    int (*open)(rill_bus *bus, const rill_opts *opts);
    int (*arrive)(rill_bus *bus); /* what rill_open() waits for; NULL: nothing */
    void (*close)(rill_bus *bus);
    /* Move what can be moved without waiting. How much was done, 0: nothing. */
    int (*turn)(rill_bus *bus);
    int64_t (*due)(rill_bus *bus); /* when it must be turned next; INT64_MAX: when bytes come */
    bool (*flushed)(rill_bus *bus, bool begin); /* has all arrived that was sent before `begin`? */
    int (*publish)(rill_bus *bus, const ri_micro_out *out, ri_micro_call *call);
    void (*listen)(rill_bus *bus, rill_sub *sub);   /* it is open */
    void (*unlisten)(rill_bus *bus, rill_sub *sub); /* it is ENDING or STOPPED */
    /* stored: of each call its peer may say at once how it ended, by ri_micro_call_end() */
    int (*append)(rill_bus *bus, ri_micro_out *out, ri_micro_call *call); /* sets the reply */
    int (*get)(rill_bus *bus, ri_str stream, ri_str subject, ri_micro_call *call); /* the last */
    int (*ensure)(rill_bus *bus, ri_str stream, ri_str subjects, const rill_stream_opts *opts,
                  bool must_exist, ri_micro_call *call);
    int (*consume)(rill_bus *bus, rill_sub *sub, const ri_micro_ask *ask, ri_micro_call *call);
    void (*want)(rill_bus *bus, rill_sub *sub, uint32_t msgs, int64_t until_ns); /* it is read */
    void (*forget)(rill_bus *bus, rill_sub *sub); /* it is being freed: so is its reader */
    int (*settle)(rill_bus *bus, ri_micro_msg *msg, ri_micro_settle how, uint32_t delay_ms);
} ri_micro_peer;

struct rill_bus {
    uint32_t magic;
    uint32_t max_subs, max_pending, max_calls, max_msg_bytes, max_subject_bytes;
    uint32_t max_readers, max_buckets;
    char *arena;
    size_t arena_bytes, arena_used; /* used may be more: then the open fails, and says so */
    rill_host host;
    ri_host alloc_host;             /* the same for base; its allocator is the arena */
    ri_nuid nuid;
    const ri_micro_peer *peer;
    void *state;                    /* the peer's */
    rill_sub *subs;
    ri_micro_entry *entries;        /* free ones */
    ri_micro_msg *slots;            /* free ones */
    uint32_t slots_free, entries_free;
    ri_micro_call *calls;
    uint32_t next_call;             /* a number */
    uint32_t calls_open;            /* of the table, that are not free */
    uint32_t subs_end;              /* behind it all of the table are free */
    bool may_block;                 /* a subscription with RILL_FULL_BLOCK was opened */
    struct rill_kv *buckets;
    char *text;                     /* RI_MICRO_TEXT bytes: the subject of a key, being written */
    char inbox[RI_MICRO_INBOX_LEN + 1]; /* "_INBOX.<22 letters>.", and a 0 */
    /* What is being sent, until the peer's function returns or calls back, and its reply subject:
     * here, so that it is in nobody's frame. */
    ri_micro_out out;
    char reply[RI_MICRO_INBOX_LEN + RI_NUMBER_MAX + 1];
    bool in_callback, turning, closed;
    bool turning_below; /* while a callback runs: it was begun within the peer's turn */
    void *callback_task;            /* ... and by whom, if the host can say */
    uint32_t idling;                /* tasks that wait without the lock */
    uint32_t ran;                   /* callbacks, in this turn */
    /* Options that are kept. */
    void (*on_event)(rill_bus *bus, const rill_event *ev, void *arg);
    void *arg;
    void (*on_ready)(void *arg);
    uint32_t call_timeout_ms;
    bool no_echo;
    /* Events that wait until callbacks may run; the newest of a kind. */
    bool ev_up, ev_down, ev_slow;
    int ev_down_err, ev_error;
    uint64_t ev_errors;
    char ev_detail[RI_MICRO_DETAIL];
    rill_stats stats;
};

#define RI_MICRO_MAGIC 0x4d49434du

/* Copies s to `out`, by words that need not be aligned, and returns its end there: what is copied
 * here is short, and lies where the line before it has ended. */
static inline char *ri_micro_copy(char *out, ri_str s)
{
    enum { LONG = 64 };
    const char *from = s.ptr;
    size_t left = s.len;
    if (left > LONG) {
        memcpy(out, from, left);
        return out + left;
    }
    for (; left >= 8; left -= 8, from += 8, out += 8) memcpy(out, from, 8);
    for (; left > 0; left--) *out++ = *from++;
    return out;
}

/* ---- micro_bus.c ---- */
/* Room from the arena, aligned to 8; NULL if it has none left, which is counted all the same. */
void *ri_micro_bus_carve(rill_bus *bus, size_t bytes);
int ri_micro_bus_turn(rill_bus *bus);
/* Turn until `done` says so: RILL_OK, RILL_ETIMEDOUT, RILL_ECLOSED. */
int ri_micro_bus_wait(rill_bus *bus, bool (*done)(void *arg), void *arg, int64_t until_ns);
int64_t ri_micro_bus_now(const rill_bus *bus);
int64_t ri_micro_bus_until(const rill_bus *bus, int timeout_ms);
/* Each function of rill.h enters, and returns by leaving. Callbacks run outside. */
int ri_micro_bus_enter(rill_bus *bus);
int ri_micro_bus_leave(rill_bus *bus, int rc);
void ri_micro_bus_callback(rill_bus *bus, bool begins);
/* Is who calls in a callback of this bus, as far as the host can say? */
bool ri_micro_bus_calls_back(const rill_bus *bus);
/* An event that comes when callbacks may run. `err` 0 and `up`: RILL_EV_UP. */
void ri_micro_bus_went(rill_bus *bus, bool up, int err);
void ri_micro_bus_error(rill_bus *bus, int err); /* the sentence is the last one made */

/* ---- micro_msg.c ---- */
ri_micro_msg *ri_micro_msg_new(rill_bus *bus); /* one reference; NULL: all are held */
void ri_micro_msg_drop(ri_micro_msg *msg);
/* Fill a slot; false if the texts are more than max_msg_bytes. */
bool ri_micro_msg_fill(ri_micro_msg *msg, ri_str subject, ri_str reply, ri_str headers,
                       ri_str data);
bool ri_micro_msg_fill_out(ri_micro_msg *msg, const ri_micro_out *out);

/* ---- micro_sub.c ---- */
rill_sub *ri_micro_sub_of(rill_bus *bus, uint64_t sid); /* NULL: it has gone */
/* A new one that is not open yet, or NULL with the sentence made. */
rill_sub *ri_micro_sub_new(rill_bus *bus, ri_str subject, ri_str group, const rill_sub_opts *opts);
void ri_micro_sub_free(rill_sub *sub);
/* The message is for `sub`: its callback runs, if `at_once`, or it waits, or is dropped. */
void ri_micro_sub_take(rill_sub *sub, ri_micro_msg *msg, bool at_once);
bool ri_micro_sub_has_room(const rill_sub *sub, size_t bytes);
void ri_micro_sub_stop(rill_sub *sub);
void ri_micro_sub_close(rill_sub *sub); /* within the lock */
/* Run what waits for callbacks, up to as much as there is now. */
void ri_micro_sub_dispatch(rill_bus *bus);

/* ---- micro_send.c ---- */
/* Fills bus->out, of which `lines` is given before, and used up by any outcome. */
int ri_micro_send_out(rill_bus *bus, const char *subject, const void *data, size_t len,
                      const rill_post *post);
char *ri_micro_send_headers(char *at, const ri_micro_out *out);
size_t ri_micro_send_bytes(const ri_micro_out *out); /* subject, reply, headers and data */

/* ---- micro_call.c ---- */
ri_micro_call *ri_micro_call_new(rill_bus *bus, ri_micro_call_kind kind, int timeout_ms);
void ri_micro_call_free(rill_bus *bus, ri_micro_call *call);
/* The call that an answer on `subject` is for; NULL: none. */
ri_micro_call *ri_micro_call_of(rill_bus *bus, ri_str subject);
/* The reply subject of a call, written to bus->reply. */
ri_str ri_micro_call_inbox(rill_bus *bus, const ri_micro_call *call);
/* `answer` is lent, and may be NULL. Its function runs in the next turn, ... */
void ri_micro_call_end(rill_bus *bus, ri_micro_call *call, int err, ri_micro_msg *answer);
/* ... or here, within the peer's turn and no other callback. */
void ri_micro_call_answer(rill_bus *bus, ri_micro_call *call, int err, ri_micro_msg *answer);
void ri_micro_call_expire(rill_bus *bus);
int64_t ri_micro_call_due(const rill_bus *bus);
/* Wait for a call that `waited`, free it, and return how it ended. `answer` and `receipt` may be
 * NULL. */
int ri_micro_call_wait(rill_bus *bus, ri_micro_call *call, ri_micro_msg **answer,
                       rill_receipt *receipt);
uint32_t ri_micro_call_hash(ri_str subject);
void ri_micro_call_dispatch(rill_bus *bus);

#ifdef RI_MICRO_STORED
/* ---- micro_stored.c ---- */
/* Begin an append within the lock, of a peer that has streams: its call, or NULL with *rc. */
ri_micro_call *ri_micro_stored_begin(rill_bus *bus, const char *subject, const void *data,
                                     size_t len, const rill_post *post, int timeout_ms, int *rc);
/* rill_append_async(), with more lines of headers. */
int ri_micro_stored_async(rill_bus *bus, const char *subject, ri_str data, const rill_post *post,
                          ri_str lines, rill_stored_fn done, void *arg);
int ri_micro_stored_watch(rill_bus *bus, rill_sub **sub, ri_str stream, ri_str filter,
                          const rill_sub_opts *opts);

/* ---- micro_kv.c ---- */
size_t ri_micro_kv_bytes(const rill_bus *bus); /* of one bucket in the table */
#endif

/* ---- micro_wire.c ---- */
int64_t ri_micro_wire_read(rill_wire *wire, void *buf, size_t len);
int64_t ri_micro_wire_write(rill_wire *wire, const void *buf, size_t len);
int ri_micro_wire_take(rill_wire *wire); /* RILL_EBUSY: somebody has it */
void ri_micro_wire_end(rill_wire *wire);

extern const ri_micro_peer ri_micro_mem_peer, ri_micro_nats_peer, ri_micro_flash_peer;

#endif
