/* SPDX-License-Identifier: Apache-2.0 */
/* A peer: what a handle speaks to. The handle has all that programs see (queues, readers, the
 * dispatcher, requests, waits, events, buckets, objects, batches, how options become the
 * configuration of a stream or a consumer); the peer takes what leaves it and brings what comes.
 *
 *     program --> api --> handle --ri_peer_ops--> peer: the broker of this process, a server ...
 *                           ^                       |
 *                           |___ ri_bus_* calls ____|   messages, answers, events
 *
 * A handle stands at a broker of this process, whose gate is its lock, and whose packets and memory
 * are its own. For mem: and file: that broker is the peer. A peer that is far away opens a broker
 * for its handle alone, which listens nowhere and routes nothing: its gate is taken by the
 * program's threads and by the thread that reads the connection, for each read once.
 *
 *     publish, flush, check, snapshot, sleep, fd     outside the gate; they may wait
 *     let_go, route, pull                            outside
 *     fini                                           outside, nobody else is left
 *     all others                                     inside the gate; they do not wait, but for
 *                                                    ask() and await(), which leave the gate and
 *                                                    enter it again if they have to
 *
 * No call is made through the table for a message that is read or delivered live. A publish is one
 * call, an append three (enter, append, await), a pull and a settlement two.
 *
 * What is asked is begun, and answered when it is over:
 *
 *     append(), append_batch()   answer by append->waiter.done(), once; refused at once: < 0, never
 *     ask()                      returns how it ended, or RI_PEER_LATER and calls ri_ask_over()
 *
 * both inside the gate and on any thread, maybe before the call returns. Deadlines are the
 * handle's: it unlinks waiter.link, if need be by give_up(), or ask->link, which the peer has
 * pushed to a list of its own;
 * one that is not linked any more is not answered, and nothing of it is touched. So a peer that is
 * answered by number keeps a list head for each number, and looks whether it is empty.
 *
 * `late` says that the peer is such a one. The peer of this process is not: it is through with
 * most of what it is asked when the call returns, knows at once what a stream refuses, commits in
 * the order of the appends, and makes in await() the commit that is waited for. The handle keeps
 * no deadline for those that do not wait, and may leave receipts unread where a later one says
 * it all.
 *
 * Where the answers come from is the peer's: under RILL_DRIVE_THREAD from a thread of its own,
 * which enters the gate; under RILL_DRIVE_HOST from turn(), which each rill_poll() and each wait
 * calls, in a callback, too. A thread does not survive a fork; the handle answers RILL_ECLOSED
 * there and calls nothing of the table. When a connection is lost the peer says what the handle
 * shall hear by event(), and goes through bus->subs when there is another.
 *
 * How a peer on a NATS server fills it stands beside each. */
#ifndef RI_PEER_H
#define RI_PEER_H

#include "codec/jetstream/jshot.h"
#include "codec/nats/url.h"
#include "front/handle/ask.h"
#include "front/handle/bus.h"

/* What ask() returns when it is under way; no answer is that number. */
enum { RI_PEER_LATER = INT32_MAX };

struct ri_peer_ops {
    /* Of its own struct, which begins with the rill_bus; 0: it has none. The rest is 0 when
     * ri_bus_open() returns. */
    size_t bytes;
    bool late;
    bool dates;                             /* late, and calls ri_bus_appends_date() within a few ms
                                               of an append: a look at the clock for many */
    bool partitions;                        /* its streams may have several */
    bool dials;                             /* it takes rill_opts.dial */
    bool ids;                               /* its streams know a msg_id that comes again */
    bool refuses;                           /* it says later what it does not let publish, by its
                                               subject: ri_bus_asked_refuse() */
    const char *key;                        /* its streams have one subject each, their name; their
                                               messages differ by this header. NULL: by subjects */
    bool sleeps;                            /* what is asked of it sleeps elsewhere than on parks */
    uint32_t schemes;                       /* of its URLs: 1 << ri_url_scheme */
    /* A handle on what the URL names, made by ri_bus_open(). The peer may be there already, or come
     * later: then UP is its event. */
    int (*open)(rill_bus **bus, const ri_url *url, const rill_opts *opts);
    uint32_t (*caps)(const rill_bus *bus);  /* RILL_CAN_*. NATS: what INFO says of JetStream */

    /* ---- Its life ---- */
    /* The handle is closed, or its broker: nothing is answered from now on. NULL: nothing to do.
     * NATS: the connection ends. */
    void (*shut)(rill_bus *bus);
    /* Outside the gate, behind shut(): returns when the peer calls nothing of the program's any
     * more, which takes no longer than a turn. NULL: it never does. NATS: until the loop has let go
     * of it, and its wire is closed */
    void (*let_go)(rill_bus *bus);
    void (*fini)(rill_bus *bus);            /* NULL: nothing to do. NATS: its thread is joined */
    /* What was published and settled before is with its receivers, and, `stored`, committed.
     * RILL_ETIMEDOUT. NATS: PING, and ri_bus_await() until its PONG. */
    int (*flush)(rill_bus *bus, int timeout_ms, bool stored);
    /* RILL_DRIVE_HOST: work that needs nobody's thread but the caller's. NULL: none. NATS: read,
     * write, and let due timers run. */
    void (*turn)(rill_bus *bus);
    int64_t (*due_ns)(rill_bus *bus);       /* until turn() has something to do; -1: never */
    /* The next event of the peer's own, ev->kind being RILL_EV_ERROR; false: none. It is asked when
     * ri_bus_trouble() has said that there is one. NULL: there are none. NATS: -ERR, lost,
     * connected again. */
    bool (*event)(rill_bus *bus, rill_event *ev, ri_failure *detail);
    void (*stats)(rill_bus *bus, rill_stats *out);
    /* Inside the gate: is there a connection? NULL: there always is. */
    bool (*up)(const rill_bus *bus);
    /* RILL_DRIVE_HOST: where it sleeps and what rill_fd() returns, if a descriptor of the peer's
     * can end that sleep; NULL: bus->park. sleep() returns when that park's count is not `seen`,
     * too. NATS: the descriptor of its loop, which watches the park's beside the socket. */
    void (*sleep)(rill_bus *bus, uint32_t seen, int64_t timeout_ns);
    int (*fd)(rill_bus *bus);

    /* ---- Live messages ---- */
    /* The number of receivers that are known, at least 1 where they are not; 0: there are none.
     * RILL_EAGAIN: there was no room within send_timeout_ms. NATS: PUB, HPUB */
    int (*publish)(rill_bus *bus, const ri_message *m);
    /* Behind publish() of `m`: more on the same subject with neither headers nor a reply, of which
     * it takes what can go at once. The number. NULL: each is published. */
    size_t (*publish_more)(rill_bus *bus, ri_str subject, const rill_str *data, size_t n);
    /* `core` is that of a rill_sub, or bus->inbox; what comes for it goes to
     * bus->party.ops->deliver(). It is left alone when core->max messages have come. NATS: SUB,
     * and UNSUB with that maximum */
    int (*subscribe)(rill_bus *bus, ri_subscription *core);
    void (*unsubscribe)(rill_bus *bus, ri_subscription *core);    /* NATS: UNSUB */

    /* No more shall be sent for it. What is on its way comes, and then bus->party.ops->ended(), at
     * the latest at the end of a flush that follows; unless unsubscribe() is called before. False:
     * nothing is on its way, and it is as it was. NULL: nothing ever is. NATS: UNSUB, PING */
    bool (*finish)(rill_bus *bus, ri_subscription *core);

    /* ---- What is stored ---- */
    /* Enter the gate, ready for the calls below; < 0: outside still. NULL: nothing is to be ready.
     * All that follow are called within it. */
    int (*enter)(rill_bus *bus);
    /* The same before an append, which may be made to wait a moment if many are under way. NULL: as
     * enter(). */
    int (*enter_append)(rill_bus *bus);
    /* Outside the gate, of a message that has headers and is to be appended: its subject becomes
     * that of the partition which its key picks; the text lies in `text` then. NULL: a stream has
     * one, or the peer looks at keys itself. */
    int (*route)(rill_bus *bus, ri_message *m, ri_buffer *text);
    /* p->m for p->append; `awaited`: await() follows. NATS: PUB with a reply in the inbox; the
     * PubAck has what p->append wants to know, and no responder is its RI_JS_STREAM_NOT_FOUND */
    int (*append)(rill_bus *bus, const ri_publish *p, bool awaited);
    /* The time of an append is up, whose waiter.link is linked still: the peer unlinks it. True: it
     * has not left, and does not leave any more. NULL: the handle unlinks it. NATS: what waits to
     * be sent is not sent */
    bool (*give_up)(rill_bus *bus, ri_js_append *append);
    /* Nobody has taken a message on this subject just now. Is there a stream all the same that
     * takes it? Outside the gate; it asks, for that long at most. NULL: there is none. NATS:
     * STREAM.NAMES, in a cluster, whose streams have no leader at times */
    bool (*takes)(rill_bus *bus, ri_str subject, int64_t timeout_ns);
    /* All or none; the peer takes the messages over, or leaves them to be sent again if nobody took
     * them. NATS: Nats-Batch-Id and -Sequence in each, and Nats-Batch-Commit in the last; left */
    int (*append_batch)(rill_bus *bus, ri_js_batch *batch, ri_js_append *append);
    /* Until *over or the time is up (false). NULL: the handle sleeps until ri_bus_notify(). */
    bool (*await)(rill_bus *bus, const bool *over, int64_t timeout_ns);
    int (*ask)(rill_bus *bus, ri_ask *ask); /* NATS: $JS.API; see ask.h */
    /* Is RI_ASK_SEEK of a group one change, so that a group that nobody reads is never lost by it?
     * NULL: who joins a group gets by himself what it has not settled. NATS: since 2.14 */
    bool (*rewinds)(const rill_bus *bus);

    /* ---- Reading streams: `sub` has a consumer, which RI_ASK_JOIN has described ---- */
    /* So many messages more, to sub->consumer->inbox. RILL_ECLOSED: the consumer is gone;
     * RILL_ENOMEM: ask again later. NATS: CONSUMER.MSG.NEXT */
    int (*more)(rill_sub *sub, uint32_t n);
    /* The same of a reader of whom ri_ask_joined.pulled is said: more(sub, 0) is called once, and
     * then the thread that reads takes up to `max` messages, at least 1, out of where the peer has
     * them: they become `views`, their bytes in sub->consumer->loan, which nobody else touches. 0:
     * there is none, and ri_bus_pull_ready() is called when one comes. NATS: none is pulled */
    int (*pull)(rill_sub *sub, ri_bus_msg *views, uint32_t max);
    bool (*pullable)(rill_sub *sub);        /* would pull() find something? By that same thread */
    /* Messages that were asked for are not wanted. NATS: nothing. */
    void (*enough)(rill_sub *sub);
    /* What came for a consumer of this peer's says about itself in its own words, in its reply
     * subject, which begins with $: makes of them what a program sees, and the name by which
     * settle() knows it. False: it is no such message. NULL: they are JetStream's words. */
    bool (*view)(ri_bus_msg *view);
    /* Does this delivery still stand, so that the program may have it? NULL: it does. `m` lies in
     * the queue, and is lent. NATS: it does, if its time has not run out there; if much of it
     * has, it begins anew: PUB +WPI to its reply */
    bool (*hand_out)(rill_sub *sub, const ri_packet *m);
    /* Messages of one consumer are settled, as `how` says in NATS's words; n is 1 if anybody looks
     * at the result. NATS: PUB `how` to msgs[i].ack */
    int (*settle)(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how);
    /* `sub` is closed; a consumer of its own goes. NATS: CONSUMER.DELETE, whose answer nobody
     * waits for */
    void (*leave)(rill_sub *sub);

    /* ---- Care of a store; NULL: RILL_ENOTSUP, as it is for NATS ---- */
    int (*check)(rill_bus *bus, rill_care_fn fn, void *arg);
    int (*snapshot)(rill_bus *bus, const char *dir);
};

/* How long an answer is waited for when the program has not said it. */
static inline int64_t ri_peer_answer_ns(const rill_bus *bus)
{
    return bus->ops->late ? bus->answer_ns : -1;
}

#endif
