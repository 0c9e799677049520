/* SPDX-License-Identifier: Apache-2.0 */
/* The peer that is a NATS server, or a cluster of them: nats://HOST:PORT,HOST:PORT...
 *
 * THE ROOM
 *
 *     nats_peer.c   the table of functions, open and close, events, flush
 *     nats_pool.c   which servers there are and which is dialled next; knows no socket
 *     nats_link.c   one connection after the other: dial, login, up, lost, dial again
 *     nats_link_tls.c   its TLS, and its WebSocket
 *     nats_keys.c  what CONNECT says: names, passwords, keys
 *     nats_creds.c  the same, where rill_opts.on_creds is asked
 *     nats_subs.c   what is listened to: subscriptions by their numbers, and how they end
 *     nats_send.c   what goes out, how much of it may wait, and what survives a lost connection
 *     nats_take.c   what comes in: operations to deliveries
 *     nats_calls.c  what was asked and is answered by number: one inbox for all of it
 *
 *     program's threads                      the loop's thread, or whoever is in rill_poll()
 *       |                                       |
 *       | publish, subscribe, ask    (gate)     | dial, INFO, CONNECT + PING, PONG: up
 *       v                                       v
 *     out |PUB..|PUB..|SUB..| --take--> conn.sending --writev--> server
 *       ^                                       |
 *       | what is not taken yet survives        | readv
 *     calls [slot|slot|slot] <--- PubAck, JSON -+--- MSG, HMSG --> subs by sid --> queue of a sub
 *
 * WHO OWNS WHAT
 *
 * The handle stands at a broker of its own, which listens nowhere and routes nothing; its gate is
 * the lock of this peer. All fields below are guarded by it, but those that are marked LOOP, which
 * only the loop's thread touches: the thread of the hub (net/hub.h), which is one for all handles
 * with the same host table, or, under RILL_DRIVE_HOST, whoever has set `turning`. The loop's thread
 * enters the gate of one handle at a time, and never runs a callback of the program: so a callback
 * may wait for an answer, whatever it does. The hub holds no reference to the bus. peer_fini()
 * waits until the loop's thread has let go of it, which takes one turn, since nothing in there
 * waits.
 *
 * Names of servers are looked up by getaddrinfo() in a helper thread (net/resolve.h), at most
 * RI_RESOLVE_THREADS of them in a process; addresses in digits need none. libevent's resolver
 * would need no thread, but it reads neither nsswitch.conf nor answers that a datagram cannot
 * hold, so a program would find other servers than all other programs of its machine do. A helper
 * owns its question: whoever closes the handle leaves it behind, and does not wait for it.
 *
 * THE CONNECTION
 *
 *              open                       connected        INFO           PONG
 *     (start) ------> DIALLING ---------------------> HELLO ----> LOGIN ------> UP
 *                       ^  ^   \________ the next server ___________/             |
 *                       |  |_______ fails, connect_timeout_ms for all three ______|  lost, stale,
 *                       |                                                         |  lame duck
 *                    PAUSE <--------- every server was tried once ----------------+
 *                       |
 *                       |  shut, or no redial left, or every server refuses the login
 *                       v
 *                     CLOSED: the handle is shut; nothing comes out of it any more
 *
 * One timer serves all states: the deadline of DIALLING, HELLO and LOGIN, the end of a PAUSE, the
 * next PING in UP. A pause is redial_min_ms, doubled for each round up to redial_max_ms, and 20 %
 * more or less by the dice, so that the clients of a server that has died do not come at once. A
 * server that refuses the same login twice is not asked again, and one that takes it and ends the
 * connection within RI_NATS_STOOD_NS counts as one that failed. What a server says of others in
 * INFO joins the pool, at most RI_NATS_SERVERS_MAX; those that it does not name any more leave it,
 * unless the URL has them.
 *
 * UP: each PING that we send is one entry of `pings`, a PONG answers the oldest. A flush is a PING
 * of the caller's. With ping_max of the timer's unanswered the connection is stale.
 *
 * A server that is a lame duck is left, if another one is known: a last PING is sent, and all that
 * comes behind it waits in `out`. When the PONG has come, and what was asked is answered, or
 * RI_NATS_LEAVE_NS have passed, the connection ends.
 *
 * Nothing that a server sends can hang or blow up a handle: a line has RI_NATS_LINE_MAX bytes at
 * most, a message the max_payload that we take, memory grows with what has really come, an INFO
 * that stops midway ends with the deadline, nonsense ends the connection with RILL_EPROTO.
 *
 * WHAT GOES OUT
 *
 * Publishers put whole operations into `out`; the loop's thread takes all of it when the last take
 * has been written. So there are three kinds of bytes when a connection is lost:
 *
 *     written or taken      may have arrived, or not. Messages are at most once: they are gone.
 *                           Appends and asks that change something end with RILL_EUNSURE; asks that
 *                           only read go again by themselves
 *     in `out`              have certainly not arrived: they are sent when there is a connection
 *                           again, but for SUB, UNSUB, PING and requests for messages, which the
 *                           new connection gets anew; and for calls whose time has run out, which
 *                           are not sent any more. An append that is to go `once` is over then,
 *                           too: so of a row of these a connection brings the beginning, and no
 *                           other brings the rest ahead of what is sent again
 *
 * `takes` counts the takes; a call remembers the number of its time, and that is its kind.
 *
 * Bytes of both kinds together have a bound, whoever causes them:
 *
 *     messages, appends     send_buffer_bytes. A publisher that finds more than half of it used
 *                           pauses (RI_NATS_PAUSE_NS at most) while the connection takes bytes;
 *                           who finds it full gets RILL_EAGAIN, after send_timeout_ms
 *     acks, SUB             twice as much, so that what keeps others going has room when messages
 *                           have none; then RILL_EAGAIN
 *     requests for messages one that has not left for each reader, and the same room
 *     naks, +WPI, deletions what finds no room is not sent: times that run out do the same
 *     asks                  one of each thread that waits
 *     UNSUB, PING           one for each SUB; one behind something else
 *     PONG                  RI_NATS_PONGS_MAX
 *
 * SUBSCRIPTIONS
 *
 * A subscription keeps its sid as long as its subject; sids are never used twice. A new connection
 * gets SUB for each, and UNSUB with what is left of its maximum: max - came. We count ourselves,
 * too, and end it when its maximum has come: a server that counts otherwise does no harm. One
 * whose maximum came while the connection was lost is not subscribed again. rill_sub_stop() and
 * rill_drain() send UNSUB, and what was on its way comes, until the PONG behind it; so what a
 * server has handed out is read, and acked, by whom it has handed it to. rill_sub_close() passes it
 * over.
 *
 * CALLS
 *
 * Appends and asks are answered on one inbox, _INBOX.<22 random characters>.<number>, to which SUB
 * goes with the first of them. A number is a slot and 44 random bits: who sees one number cannot
 * guess another, and a late answer finds that its slot has another number. At most max_inflight
 * appends are under way, then RILL_EAGAIN; a call that waits (rill_append()) is one of a thread and
 * passes that bound. A server that lets us have no answers is found out by its -ERR, and all of
 * them end; of what it does not let us publish the oldest that waits on that subject ends
 * (front/handle/bus_asked.h).
 *
 * WHAT A TURN COSTS
 *
 * A read of up to 256 KiB enters the gate once, whatever is in it; a delivered message costs a
 * parse, a look-up of its sid (none if the line before was the same), and one copy into a packet.
 * A turn that writes enters the gate twice, whatever it writes. A publish enters the gate once,
 * writes its line and copies its data once; it makes no system call unless the loop's thread
 * sleeps. A handle that is idle has no timer but its PING, and no buffers.
 *
 * FORKS. In a child all handles of the parent answer RILL_ECLOSED before anything in here is
 * called. The hub that a child opens is its own: it knows its process by its stamp. */
#ifndef RI_NATS_PEER_H
#define RI_NATS_PEER_H

#include "codec/limits.h"
#include "codec/nats/nats.h"
#include "codec/nats/nats_err.h"
#include "codec/web/creds.h"
#include "codec/web/nkey.h"
#include "front/handle/peer.h"
#include "front/peer_nats/nats_calls.h"
#include "front/peer_nats/nats_pool.h"
#include "net/conn.h"
#include "net/dial.h"
#include "net/hub.h"
#include "net/tls.h"

enum {
    RI_NATS_LINE_MAX = 128 * 1024, /* bytes of a line that a server sends */
    RI_NATS_API_MAX = 280,      /* bytes of the prefix of the API's subjects, with its 0 */
    RI_NATS_EVENTS_MAX = 32,    /* that wait to be reported: of more the newest are dropped */
    RI_NATS_PONGS_MAX = 1024,   /* that we owe: a server that asks and does not listen is left */
    RI_NATS_SERVER_MAX = 288,   /* bytes of "nats://HOST:PORT", with its 0 */
    RI_NATS_AGAIN_STEP = 64,    /* a line that is kept is copied in steps of so many bytes ... */
    RI_NATS_AGAIN_MAX = 2 * RI_NATS_AGAIN_STEP, /* ... and no longer than so many */
    RI_NATS_AGAIN_MISSES = 16,
};
#define RI_NATS_PAUSE_NS (10 * RI_MS) /* of a publisher whose connection is slow, at most */
#define RI_NATS_STOOD_NS (5 * RI_SEC) /* that a connection stands, or it counts as a failed one */
#define RI_NATS_LEAVE_NS (5 * RI_SEC) /* that a lame duck may take to answer, at most ... */
#define RI_NATS_LOOK_NS (20 * RI_MS)  /* ... and how often we look whether it has */

typedef enum ri_nats_state {
    RI_NATS_PAUSED,
    RI_NATS_DIALLING,
    RI_NATS_HELLO,     /* connected; INFO is to come */
    RI_NATS_LOGIN,     /* CONNECT and PING were sent; PONG is to come */
    RI_NATS_UP,
    RI_NATS_LOST,      /* the next server is chosen in the next turn */
    RI_NATS_CLOSED,
} ri_nats_state;

typedef struct ri_nats_conf { /* the options with their defaults */
    int64_t connect_ns, ping_ns;
    uint64_t send_bytes;
    uint32_t ping_max, max_redials, max_inflight;
    bool no_redial, no_echo;
    bool ws_compress;         /* is offered to a server of WebSocket */
    bool tls_wanted;          /* of every server */
    ri_tls_conf *tls;         /* LOOP: a reference; NULL: nobody has asked for it yet */
    char *name;               /* owned; NULL: none */
    char *api;                /* "$JS.API.", or that of a domain; owned */
} ri_nats_conf;

typedef struct ri_nats_keys { /* owned texts, which are wiped; NULL: none */
    char *user, *password, *token; /* of rill_opts, in place of the URL's */
    char *seed;               /* nkey_seed */
    char *creds_file;
    char *creds;              /* what stood in it before the last dial, with a 0; wiped */
    size_t creds_size;        /* of that allocation */
    int (*on_creds)(rill_creds *creds, void *arg); /* NULL: the above is all */
    char *nonce;              /* he is to be asked now, for that; empty: the server has sent none */
} ri_nats_keys;

/* Who connects, in place of sockets: tests, and programs with a wire of their own. It gives a wire
 * on which bytes may not flow yet, or an error; it does not wait. */
typedef struct ri_nats_dialler {
    int (*dial)(void *arg, const char *host, uint16_t port, ri_wire **wire);
    void *arg;
} ri_nats_dialler;

typedef struct ri_nats_news { /* what the program is to hear, with the thread's sentence */
    rill_event_kind kind;
    int code;                 /* 0: good news */
    ri_str subject;           /* empty: none */
    uint64_t sid;             /* of the subscription that it is about; 0: none */
} ri_nats_news;

typedef struct ri_nats_event {
    struct ri_nats_event *next;
    rill_event_kind kind;
    uint64_t sid;             /* of the subscription that it is about; 0: none */
    ri_failure what;          /* its text is there without a code, too */
    char server[RI_NATS_SERVER_MAX];
    char subject[];           /* with a 0; empty: none */
} ri_nats_event;

/* The line of a message that has neither headers nor a reply, as it went: programs publish to the
 * same subject, and in the same size, again and again, and what is the same is not written, nor
 * its subject read, anew. */
typedef struct ri_nats_again {
    char line[RI_NATS_AGAIN_MAX]; /* "PUB SUBJECT SIZE" CRLF */
    uint32_t line_len;
    uint32_t subject_len;     /* 0: there is none */
    size_t data_len;
    bool used;                /* it has gone again; one that has not is rarely replaced ... */
    uint32_t misses;          /* ... as each RI_NATS_AGAIN_MISSES-th that is another */
} ri_nats_again;

typedef struct ri_nats_finish { /* a subscription that ends with the PONG of that PING */
    uint64_t sid, ping;
} ri_nats_finish;

typedef struct ri_nats_peer {
    rill_bus bus;
    /* Set when it is opened, and not changed. */
    ri_nats_conf conf;
    ri_hub *hub;              /* NULL: opening has failed before */
    bool begun;               /* what is below is there; false: opening has failed before */
    const ri_nats_dialler *dialler; /* NULL: sockets */
    ri_nats_dialler own;      /* that one, where it is the program's rill_opts.dial: */
    int (*dial_program)(rill_wire **wire, const char *address, void *arg);

    /* LOOP */
    ri_nats_keys keys;
    ri_nats_pool pool;
    ri_dial dial;
    ri_conn conn;             /* out and pending are the gate's; without a wire: none */
    ri_nats parser;
    int64_t taken_ns;         /* when the bytes came that are obeyed now, or were last */
    bool tls_due;             /* INFO has come in clear: TLS is next */
    ri_loop_timer timer;
    ri_loop_timer watch;      /* when readers are looked after */
    int why;                  /* what ends the connection, or the attempt; 0: nothing does */
    ri_failure *sentence;     /* ... and its sentence; NULL: nothing does, or no memory for it */
    bool ever_up, down_reported;  /* the program has heard of it, since it was up last */

    /* Guarded by the gate; `state` is changed by the loop alone, which may look outside. */
    ri_hub_guest guest;       /* not called once `gone` */
    ri_nats_state state;
    bool closing;             /* the handle is shut */
    bool gone;                /* the loop has let go of this peer */
    bool settled;             /* the first round is over: up, or *first says why not */
    ri_failure *first;        /* of who opens it, and waits; else NULL */
    char server[RI_NATS_SERVER_MAX]; /* that is dialled, or was last */
    bool jetstream, headers;  /* what its INFO said */
    bool is_rill;             /* it is a broker of ours */
    atomic_bool clustered;    /* it is one of several */
    uint32_t readers;         /* numbers given to readers of streams */
    uint32_t version[2];      /* 2.10; 0.0: not known */
    char version_text[32];
    bool leaving;             /* it is a lame duck: over when it has answered ... */
    uint64_t leave_at;        /* ... this ping, which left with ... */
    uint64_t leave_takes;     /* ... the take that follows this one, and what was asked, ... */
    int64_t leave_ns;         /* ... or then, at the latest */
    int64_t up_ns;            /* since when it is up, or was, last */

    ri_outq_pool chunks;
    ri_outq out;              /* whole operations, which were not taken */
    ri_nats_again again;
    size_t over_bytes;        /* of these, of calls that nobody waits for any more */
    uint64_t takes;
    uint32_t pongs_owed;      /* since the last take */
    uint32_t connections;     /* that were up, so far */
    uint64_t pings, pongs;    /* of this connection */
    bool unflushed;           /* something was put behind the last PING */
    uint64_t beat;            /* the PING of the timer that is not answered yet; 0: none */
    uint32_t missed;          /* times that it was not, when the next was due */
    ri_nats_calls calls;
    ri_list reading;          /* ri_nats_reader.link */
    bool watches;             /* some of them wait for messages */
    bool hurries;             /* one of them is due sooner than the watch */
    bool holds_pulls;         /* one of them asks when something has left */
    ri_park room;             /* signalled when output has gone, if somebody wants to know */
    bool room_wanted;

    ri_map subs;              /* ri_subscription, by sid, which stands in `fanned` */
    uint64_t last_sid;
    ri_nats_finish *finishes; /* in the order of their PINGs */
    uint32_t nfinishes, cap_finishes;
    ri_nats_event *events, **events_end; /* to be reported; `end` NULL while there was none yet */
    ri_nats_event *last_event; /* of these, while there are any */
    uint32_t nevents;
    ri_nats_event *shown;     /* the program has it, or had it last; NULL: none */

    /* RILL_DRIVE_HOST. */
    bool turning;             /* somebody is the loop's thread */
    bool turn_awaited;        /* somebody sleeps until that is over */
    bool driven;              /* somebody sleeps on the loop's descriptor */
    uint32_t followers;       /* others sleep until he wakes */
} ri_nats_peer;

static inline ri_nats_peer *ri_nats_peer_of(rill_bus *bus)
{
    return ri_container_of(bus, ri_nats_peer, bus);
}

static inline bool ri_nats_peer_is_entered(const ri_nats_peer *peer)
{
    return ri_broker_is_entered(peer->bus.broker);
}

/* ---- nats_peer.c ---- */
extern const ri_peer_ops ri_nats_peer_ops;
/* As by the URL, over the dialler's wires, which must outlive it. */
int ri_nats_peer_open(rill_bus **bus, const ri_url *url, const rill_opts *opts,
                      const ri_nats_dialler *dialler);
/* Inside the gate: an event for the program. */
void ri_nats_peer_report(ri_nats_peer *peer, const ri_nats_news *news);
/* Inside the gate: RILL_ENOTSUP if the server is older than that, `what` being what needs it. */
int ri_nats_peer_needs(const ri_nats_peer *peer, uint32_t major, uint32_t minor, const char *what);
/* Inside the gate: the loop's thread has something to do. */
static inline void ri_nats_peer_call(ri_nats_peer *peer)
{
    if (!peer->gone) ri_hub_call(peer->hub, &peer->guest);
}

/* ---- nats_link.c: on the loop's thread, outside the gate unless it says otherwise ---- */
void ri_nats_link_init(ri_nats_peer *peer);
void ri_nats_link_turn(ri_hub_guest *guest);
/* The connection, or the attempt, ends in the next turn, with the thread's sentence; inside the
 * gate or outside. The first reason counts. */
void ri_nats_link_fail(ri_nats_peer *peer, int code);
/* Inside the gate: an INFO has come; PONG, when the login waits for one. */
int ri_nats_link_info(ri_nats_peer *peer, ri_str json);
void ri_nats_link_up(ri_nats_peer *peer);

/* ---- nats_link_tls.c: on the loop's thread, outside the gate unless it says otherwise ---- */
/* When the handle is opened, on its thread. RILL_EINVAL and RILL_EIO, as of rill_tls. */
int ri_nats_link_tls_configure(ri_nats_peer *peer, const ri_url *url, const rill_opts *opts);
/* It is connected: TLS now, if it comes first, and WebSocket. */
int ri_nats_link_tls_first(ri_nats_peer *peer);
/* Inside the gate: what INFO says of it; sets peer->tls_due. RILL_ENOTSUP: it offers none. */
int ri_nats_link_tls_info(ri_nats_peer *peer, const ri_nats_info *info);
int ri_nats_link_tls_go_on(ri_nats_peer *peer); /* it is due: what is written goes through it */
bool ri_nats_link_tls_is_there(const ri_nats_peer *peer);
bool ri_nats_link_tls_is_under_way(const ri_nats_peer *peer); /* not agreed upon yet */
/* The connection has failed with the thread's sentence: its code; the sentence names the server. */
int ri_nats_link_tls_code(const ri_nats_peer *peer);
void ri_nats_link_tls_up(ri_nats_peer *peer);   /* inside the gate: reports who is not verified */
void ri_nats_link_pong(ri_nats_peer *peer); /* another PONG, of a connection that is up */
/* Inside the gate: all that this server is to hear of us has left. */
bool ri_nats_link_is_done(const ri_nats_peer *peer);

/* ---- nats_keys.c ---- */
/* RILL_EINVAL, RILL_EIO, RILL_ENOTSUP: what is wrong with creds_file, nkey_seed, user and so on. */
int ri_nats_keys_init(ri_nats_peer *peer, const ri_url *url, const rill_opts *opts);
void ri_nats_keys_fini(ri_nats_peer *peer);
void ri_nats_keys_wipe(ri_nats_peer *peer, char **text); /* and frees it; NULL is legal */
/* On the loop's thread, outside the gate, before a dial: what is in the file now. */
int ri_nats_keys_load(ri_nats_peer *peer);
/* On the loop's thread: CONNECT and PING. */
int ri_nats_keys_write(ri_nats_peer *peer, ri_str nonce, ri_buffer *out);
/* What the nonce is signed with, and what goes with it: the JWT, or else the seed's key, which
 * `key` holds. */
int ri_nats_keys_sign(const ri_creds *creds, ri_str nonce, ri_nats_connect *connect,
                      char key[RI_NKEY_LEN + 1], ri_buffer *signature);
/* CONNECT and PING, as `connect` says, which has only who this is: the rest is filled in. */
int ri_nats_keys_put(ri_nats_peer *peer, ri_nats_connect *connect, ri_buffer *out);

/* ---- nats_creds.c: on the loop's thread ---- */
/* on_creds() is to be asked when the gate is left. RILL_ENOMEM. */
int ri_nats_creds_need(ri_nats_peer *peer, ri_str nonce);
static inline bool ri_nats_creds_are_due(const ri_nats_peer *peer)
{
    return peer->keys.nonce != NULL;
}
/* Outside the gate: asks, and writes CONNECT and PING. RILL_EAUTH says what is wrong with what it
 * has given, and shows nothing of it. */
int ri_nats_creds_write(ri_nats_peer *peer, ri_buffer *out);

/* ---- nats_subs.c: inside the gate ---- */
/* RILL_EAGAIN: there is no room for SUB. */
int ri_nats_subs_subscribe(rill_bus *bus, ri_subscription *core);
void ri_nats_subs_unsubscribe(rill_bus *bus, ri_subscription *core);
bool ri_nats_subs_finish(rill_bus *bus, ri_subscription *core);
ri_subscription *ri_nats_subs_find(ri_nats_peer *peer, uint64_t sid);
void ri_nats_subs_end(ri_nats_peer *peer, ri_subscription *core); /* the server sends no more */
int ri_nats_subs_subscribe_all(ri_nats_peer *peer); /* over a new connection */
void ri_nats_subs_pong(ri_nats_peer *peer);         /* another PONG: what has finished? */
void ri_nats_subs_lost(ri_nats_peer *peer);         /* the connection is */
/* With the thread's sentence. */
void ri_nats_subs_refused(ri_nats_peer *peer, const ri_nats_err *err);
void ri_nats_subs_init(ri_nats_peer *peer);
void ri_nats_subs_fini(ri_nats_peer *peer);

/* ---- nats_send.c ---- */
int ri_nats_send_publish(rill_bus *bus, const ri_message *m);
size_t ri_nats_send_more(rill_bus *bus, ri_str subject, const rill_str *data, size_t n);
int ri_nats_send_flush(rill_bus *bus, int timeout_ms, bool stored);
/* Inside the gate. */
bool ri_nats_send_ping(ri_nats_peer *peer); /* counts in `pings`; false: out of memory */
int ri_nats_send_message(ri_nats_peer *peer, const ri_message *m);
int ri_nats_send_has_room(const ri_nats_peer *peer); /* for a message; RILL_EAGAIN */
int ri_nats_send_has_spare(const ri_nats_peer *peer); /* for what keeps others going; likewise */
bool ri_nats_send_is_easy(const ri_nats_peer *peer); /* at least half of the room is there */
void ri_nats_send_notify_room(ri_nats_peer *peer); /* there may be room again: who waits looks */
/* So many bytes of `out` are of a call that is under way no more: they are not sent. */
void ri_nats_send_is_over(ri_nats_peer *peer, size_t bytes);
void ri_nats_send_lost(ri_nats_peer *peer);  /* the connection is: `out` keeps what survives */
/* On the loop's thread, outside the gate: write what there is. */
void ri_nats_send_write(ri_nats_peer *peer);
void ri_nats_send_init(ri_nats_peer *peer);
void ri_nats_send_fini(ri_nats_peer *peer);

/* ---- nats_append.c ---- */
/* Outside the gate: into it, after a pause of RI_NATS_PAUSE_NS at most if much is under way. */
int ri_nats_append_enter(rill_bus *bus);
int ri_nats_append(rill_bus *bus, const ri_publish *p, bool awaited);
int ri_nats_append_batch(rill_bus *bus, ri_js_batch *batch, ri_js_append *append);
bool ri_nats_append_give_up(rill_bus *bus, ri_js_append *append);

/* ---- nats_pull.c: inside the gate ---- */
/* A message or a status has come for `core`: may the handle have it? */
bool ri_nats_pull_take(ri_nats_peer *peer, ri_subscription *core, const ri_message *m);
/* It was taken, and found no room. */
void ri_nats_pull_dropped(ri_nats_peer *peer, ri_subscription *core, const ri_message *m);
void ri_nats_pull_again(ri_nats_peer *peer); /* something has left: those that were held ask */
void ri_nats_pull_lost(ri_nats_peer *peer);
void ri_nats_pull_up(ri_nats_peer *peer);
/* Look for readers to which nothing has come for long; when to look again, -1: never. */
int64_t ri_nats_pull_watch(ri_nats_peer *peer, int64_t now_ns);
void ri_nats_pull_fini(ri_nats_peer *peer);

/* ---- nats_take.c: on the loop's thread, outside the gate ---- */
/* Obeys whole operations; how many bytes these were. */
size_t ri_nats_take(ri_nats_peer *peer, ri_str bytes);

#endif
