/* SPDX-License-Identifier: Apache-2.0 */
/* What was sent and is answered by number, on one inbox for all of it.
 *
 *     append ---> call 3, PUB s _INBOX.<22>.<44 bits, 3> ---> PubAck ---> waiter.done()
 *     ask    ---> call 7, PUB $JS.API... reply             ---> JSON   ---> the asker wakes
 *
 *     slots   [0|1|2|3|4|5|6|7|...]   each points to a call, which is used again and again
 *
 * The low 20 bits of a number are its slot; the others are drawn by lot for each use. Who sees one
 * number cannot guess another, and an answer that is late finds another number in its slot.
 *
 * A call is over when its answer has come, when the connection is lost behind it (`takes` of its
 * time says whether it was taken, and so may have arrived), when the server says that nobody may
 * publish that (front/handle/bus_asked.h), or when its asker gives it up, since
 * its time has run out: what has not left by then does not leave any more, as its reply subject
 * has a number that no call has (nats_send.c).
 *
 * Some are asked without anybody to wait: a call with a time of 0, a batch that was closed. What
 * those ask leaves all the same. Their slots are free when the answer has come, or by the sweep,
 * which is made before the table grows. */
#ifndef RI_NATS_CALLS_H
#define RI_NATS_CALLS_H

#include "base/number.h"
#include "front/handle/peer.h"

struct ri_nats_peer;

enum {
    RI_NATS_CALLS_MAX = (1 << 20) - 1,
    RI_NATS_APPENDS_MAX = 1000000, /* of these at most; the others are for questions */
    RI_NATS_REPLY_MAX = 7 + RI_NUID_LEN + 1 + RI_NUMBER_MAX, /* bytes of a reply subject */
};

typedef struct ri_nats_question ri_nats_question;

typedef struct ri_nats_call {
    uint64_t number;            /* UINT64_MAX: free */
    uint32_t slot;
    uint64_t takes;             /* when it was put into `out` ... */
    size_t bytes;               /* ... so many bytes; 0: it was not */
    ri_list waiters;            /* an append: its waiter.link, or nobody */
    ri_js_append *append;       /* NULL: a question, or free */
    ri_nats_question *question; /* NULL: an append, or free */
    ri_bus_asked asked;             /* by its subject; of a batch by that of its last message */
    bool once;                  /* an append that no other connection shall bring */
    bool batch;                 /* empty answers are none: the last one is awaited */
    struct ri_nats_call *next_free;
} ri_nats_call;

typedef struct ri_nats_calls {
    ri_subscription inbox;      /* _INBOX.<nuid>.*, once something was asked */
    bool has_inbox;
    char prefix[RI_NATS_REPLY_MAX + 1]; /* with its last dot; then "*" and a 0 */
    char nowhere[RI_NATS_REPLY_MAX]; /* of that inbox, and no number */
    ri_nats_call **slots;       /* all that were ever made; len of them, in cap places */
    uint32_t len, cap;
    ri_nats_call *free;
    uint32_t sweep_len;         /* it is swept before it grows beyond so many */
    int64_t sweep_ns;           /* those that are full are not swept again before then */
    uint32_t appends;           /* under way */
} ri_nats_calls;

/* A question: it lies on the asker's stack, who waits for the answer. */
struct ri_nats_question {
    ri_str subject, headers, body;  /* the asker's */
    bool reads;                 /* changes nothing: asked again over another connection */
    bool unawaited;             /* it leaves, although there is no time to wait for the answer */
    bool many;                  /* the answer is several messages; the last one is a status */
    /* Inside the gate, for each message of the answer but the last; NULL: kept in `packet`. */
    int (*take)(ri_nats_question *q, const ri_message *m);
    /* The same, before it is asked, and asked again: nothing was taken. NULL: it takes nothing. */
    void (*begin)(ri_nats_question *q);
    void *arg;
    /* Nobody waits: called inside the gate when it is over, or lost; the asker's frees it. NULL:
     * somebody does. */
    void (*done)(ri_nats_question *q);
    /* The answer. */
    ri_packet *packet;          /* a reference; NULL: none came yet */
    int status;                 /* of its header block; 0: none */
    bool woken;                 /* look again: */
    bool over, lost;            /* it has ended, with `failure`; the connection is lost */
    ri_failure failure;
    ri_nats_call *call;
};

/* All inside the gate. */
void ri_nats_calls_fini(struct ri_nats_peer *peer);
/* A call for this append, which is under way until it is answered. RILL_ENOMEM, RILL_EAGAIN: too
 * many calls. */
int ri_nats_calls_append(struct ri_nats_peer *peer, ri_js_append *append, ri_nats_call **call);
/* Where its answers go to; the text is in `room`. */
ri_str ri_nats_calls_reply(const struct ri_nats_peer *peer, const ri_nats_call *call,
                           char room[RI_NATS_REPLY_MAX]);
/* A message of the call's, which ends when the server does not let it be published: the last one,
 * of several. */
int ri_nats_calls_send(struct ri_nats_peer *peer, ri_nats_call *call, const ri_message *m);
/* It was not sent, after all: nobody is notified. */
void ri_nats_calls_drop(struct ri_nats_peer *peer, ri_nats_call *call);
/* Slots of what has left, and nobody waits for any more, are free again, now or a moment later. */
void ri_nats_calls_sweep(struct ri_nats_peer *peer);
/* The append is not waited for any more. True: it has not left, and does not leave any more. */
bool ri_nats_calls_give_up(struct ri_nats_peer *peer, ri_js_append *append);
/* Is that a reply subject of ours, under which no call is under way any more? */
bool ri_nats_calls_is_over(const struct ri_nats_peer *peer, ri_str reply);
/* Has something left that is waited for, and is not answered yet? */
bool ri_nats_calls_are_under_way(const struct ri_nats_peer *peer);
/* Ask, and wait until that time for the answer; leaves the gate and enters it again. RILL_OK with
 * q->packet, whose reference is the caller's, or, of `many`, all were taken. RILL_ENOREPLY: nobody
 * listens; RILL_ETIMEDOUT, RILL_EUNSURE, RILL_ECLOSED. */
int ri_nats_calls_ask(struct ri_nats_peer *peer, ri_nats_question *q, int64_t until_ns);
/* Ask without waiting: q->done() is called once, unless it is forgotten before. */
int ri_nats_calls_put(struct ri_nats_peer *peer, ri_nats_question *q);
/* It is not asked any more; harmless if it never was, or is over. */
void ri_nats_calls_forget(struct ri_nats_peer *peer, ri_nats_question *q);
/* A reply subject at which nobody waits for anything; empty before the first question. */
ri_str ri_nats_calls_nowhere(const struct ri_nats_peer *peer);
/* The server lets us have no answers: what it has not done ends with `code`, and what it may have
 * done with RILL_EUNSURE. */
void ri_nats_calls_refused(struct ri_nats_peer *peer, int code);
/* On the loop's thread: an answer has come. */
void ri_nats_calls_answer(struct ri_nats_peer *peer, const ri_message *m);
/* The connection is lost. */
void ri_nats_calls_lost(struct ri_nats_peer *peer);

#endif
