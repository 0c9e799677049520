/* SPDX-License-Identifier: Apache-2.0 */
/* One NATS client behind a wire, most often a socket, as the server sees it.
 *
 *                    CONNECT ok                       peer closed, -ERR said, ...
 *     OPEN (greeting) ---------> OPEN (logged in) ------------------> ENDING ---> freed
 *
 * OPEN     operations are obeyed and messages are queued for it.
 * ENDING   off the router; no operation is read any more; what is queued is still written, then
 *          the socket is shut and given a moment to be closed by the peer, so that a last -ERR
 *          is not lost to a reset. How much of this happens depends on why it ends.
 *
 * A session belongs to the loop's thread and to the gate: fields marked L are touched by the
 * loop's thread only; all others only inside the gate. */
#ifndef RI_NATS_SESSION_H
#define RI_NATS_SESSION_H

#include "base/hash.h"
#include "base/map.h"
#include "base/nuid.h"
#include "codec/nats/nats.h"
#include "codec/nats/nats_json.h"
#include "engine/access/replies.h"
#include "engine/live/router.h"
#include "front/broker/broker.h"
#include "front/nats/nats_server.h"
#include "net/conn.h"
#include "net/listen.h"
#include "front/broker/login.h"
#include "front/broker/peer_host.h"
#include "net/tls.h"

/* Why a session ends; the text is nats-server's. */
#define RI_NATS_END_MAP(X)                                          \
    X(CLIENT_CLOSED, "Client Closed")                               \
    X(READ_ERROR, "Read Error")                                     \
    X(WRITE_ERROR, "Write Error")                                   \
    X(PROTOCOL, "Protocol Violation")                               \
    X(CONTROL_LINE, "Maximum Control Line Exceeded")                \
    X(PAYLOAD, "Maximum Message Payload Exceeded")                  \
    X(AUTH, "Authentication Failure")                               \
    X(AUTH_TIMEOUT, "Authentication Timeout")                       \
    X(BAD_CLIENT_PROTOCOL, "Bad Client Protocol Version")           \
    X(NO_RESPONDERS_HEADERS, "No Responders Requires Headers")      \
    X(MAX_CONNS, "Maximum Connections Exceeded")                    \
    X(MAX_ACCOUNT_CONNS, "Maximum Account Connections Exceeded")\
    X(STALE, "Stale Connection")                                    \
    X(SLOW_PENDING, "Slow Consumer (Pending Bytes)")                \
    X(SLOW_DEADLINE, "Slow Consumer (Write Deadline)")              \
    X(NO_MEMORY, "Out Of Memory")                                   \
    X(MEMORY, "Memory Budget Exceeded")                             \
    X(TLS, "TLS Handshake Failure")                                 \
    X(EXPIRED, "Authentication Expired")                            \
    X(REVOKED, "Credentials Revoked")                               \
    X(KICKED, "Kicked")                                             \
    X(SHUTDOWN, "Server Shutdown")

typedef enum ri_nats_end {
    RI_NATS_END_NOT,
#define RI_X(name, text) RI_NATS_END_##name,
    RI_NATS_END_MAP(RI_X)
#undef RI_X
} ri_nats_end;

/* A subscription; its bytes lie behind it. */
typedef struct ri_nats_sub {
    ri_subscription sub;
    ri_str sid;
    uint32_t size;           /* of the allocation */
    uint32_t login;          /* s->logins when it was made: a later CONNECT has ended it */
    uint32_t checked;        /* s->login_epoch when it was last seen that it is allowed */
    bool watch;              /* each message has to be asked for */
    char bytes[];            /* subject, queue, sid */
} ri_nats_sub;

/* What a client has shown of itself; strings owned, NULL: not given. */
typedef struct ri_nats_login {
    char *user, *password, *token, *nkey, *jwt, *sig;
} ri_nats_login;

typedef enum ri_nats_tls_mode { /* nats_tls.c has the drawing */
    RI_NATS_TLS_NONE,
    RI_NATS_TLS_FIRST,
    RI_NATS_TLS_NEXT,
    RI_NATS_TLS_BEGUN,
} ri_nats_tls_mode;

enum { RI_NATS_NONCE_LEN = 15 };            /* 11 bytes in base64 as URLs have it */

typedef struct ri_nats_check ri_nats_check; /* of a hash, by the worker */

typedef enum ri_nats_verdict {
    RI_NATS_VERDICT_NO,
    RI_NATS_VERDICT_YES,
    RI_NATS_VERDICT_LATER, /* a hash is to be checked */
    RI_NATS_VERDICT_ASK,   /* the program is to be asked */
} ri_nats_verdict;

typedef struct ri_nats_session ri_nats_session;
typedef struct ri_nats_window ri_nats_window;

/* How long it may stay, and by what it was judged, where a JWT says so (nats_ticket.c). */
typedef struct ri_nats_ticket {
    ri_nats_session *session;
    ri_trust *trust;            /* a reference; NULL: it is void, which its timer finds */
    ri_loop_timer timer;        /* L */
    int64_t until_s;            /* of Unix; INT64_MAX: for ever */
    bool account_ends;          /* it is the account's time that is over then */
    char asked[RI_NKEY_LEN + 1]; /* a service in this account has let him in; empty: none has */
    bool is_signed;             /* its bearer has shown that the key is his */
    uint32_t login;             /* s->logins when he was let in: a later CONNECT is not known */
} ri_nats_ticket;

/* What the judge is shown, on the worker's thread, and what he says. */
typedef struct ri_nats_hearing {
    ri_trust *trust;            /* a reference */
    char *jwt, *signature;      /* copies; the latter may be NULL */
    const char *type;           /* of the connection */
    bool known;                 /* it was let in before, by the same JWT */
    char nonce[RI_NATS_NONCE_LEN + 1];
    char peer[RI_PEER_HOST_MAX];
    ri_trust_verdict verdict;
    int rc;                     /* RILL_OK: there is one */
} ri_nats_hearing;

/* A service is asked who it is (nats_callout.c). */
typedef struct ri_nats_callout {
    ri_nats_session *session;
    ri_callout_letter *letter;  /* owned; NULL: the worker has it, or it is on its way */
    ri_nats_window *window;     /* where the answer is heard; NULL: it is not asked yet */
    ri_list link;               /* server->asked, in the order of asking; then server->answered */
    int64_t due_ns;             /* the answer is not waited for any longer */
    uint64_t bytes;             /* of an answer, charged as work */
    char token[RI_NUID_LEN];    /* the last of the answer's subject */
} ri_nats_callout;

struct ri_nats_session {
    ri_conn conn;               /* first: L but for its out-queue */
    struct ri_nats_server *server;
    ri_party party;           /* on the router while OPEN */
    uint64_t cid;               /* these three are what a walk over all looks at */
    ri_list link;               /* server->sessions */
    ri_nats_end end;            /* why it ends; NOT: open */
    uint32_t logins;            /* CONNECTs so far; subscriptions of former ones are forgotten */
    ri_nats parser;
    ri_map subs;                /* sid -> ri_nats_sub */
    uint64_t interest_bytes;    /* charged for it and its subscriptions */
    bool verbose, pedantic, no_responders;
    bool connected;             /* a CONNECT was accepted */
    bool verifying;             /* its CONNECT waits for a verdict: nothing more is read */
    ri_access *access;          /* of that; a reference; or NULL */
    ri_access_user *who;        /* of it; NULL: all is allowed */
    ri_account *counted;        /* where it counts as a connection; a reference; or NULL: it has
                                   said nothing yet */
    ri_replies *replies;        /* what it may answer beyond that; owned; NULL: nothing yet */
    uint64_t replies_bytes;     /* of these, in interest_bytes */
    uint32_t login_epoch;       /* of the configuration by which it was let in */
    uint32_t unchecked;         /* subscriptions that may be of before a reload */
    ri_list recheck_link;       /* server->rechecking, while there are such */
    const char *let;            /* subject of this batch that it may publish to; NULL: none yet */
    bool guarded;               /* what comes for it is looked at, since `unchecked` is not 0 */
    bool answers;               /* it may answer, so that reply subjects are noted */
    uint8_t violations;         /* that stand in the log */
    char nonce[RI_NATS_NONCE_LEN + 1]; /* to be signed; empty: nobody was asked to */
    ri_nats_end login_end;      /* what is wrong with its CONNECT beside the credentials */
    ri_nats_check *check;       /* of its credentials, at the worker; or NULL */
    ri_list check_link;         /* server->checking, while it waits for the worker */
    ri_login *asked;            /* the program is asked who it is; or NULL */
    ri_login_seat seat;         /* server->desk, until it is asked */
    uint32_t op_units;          /* L: of the turn, that an operation of the last batch took */
    uint32_t ask_epoch;         /* login_epoch when it was */
    ri_access *granted;         /* what it has answered, or a judge has, on its way to `access`; or
                                   NULL */
    ri_nats_ticket *ticket;     /* owned; NULL: no JWT has let it in */
    ri_nats_callout *callout;   /* owned; NULL: no service is asked about it */
    bool greeted;               /* the first PONG was sent */
    bool async_info;            /* protocol 1: takes INFO at any time */
    bool headers;               /* takes HMSG */
    bool touched;               /* in server->touched, or in server->crowd */
    bool crowded;               /* in the latter */
    bool stalled;               /* over 3/4 of max_pending_bytes wait for it */
    bool stall;                 /* it has published to such a one: read no more for a while */
    bool asks;                  /* L: it is not read since it asks faster than it is answered */
    bool detached;              /* off the router */
    bool shed;                  /* it had most output waiting when there was no memory for more */
    bool dismissed;             /* an -ERR is its last word */
    bool winding;               /* L: its end was taken note of */
    bool shut;                  /* L: our side of the stream is ended */
    bool dead;                  /* L: in server->dead */
    ri_list touched_link;       /* server->touched, or server->crowd */
    ri_list ending_link;        /* server->ending */
    ri_list forget_link;        /* server->forgetting, while old subscriptions are left */
    ri_list work_link;          /* L: server->work, then server->dead */
    ri_list stall_link;         /* L: server->waiting, while it is not read */
    ri_list held_link;          /* L: server->held, while input of it waits for its turn */
    ri_fan *fan;                /* what it published last, if not all have got it yet; NULL */
    ri_list fan_link;           /* L: server->fans, as long: it is not read */
    ri_loop_timer timer;        /* L: login, then pings, then lingering */
    ri_loop_timer stall_timer;  /* L */
    bool ponged;                /* it has answered a PING: from now on only a quiet one is asked */
    uint8_t version_len, lang_len; /* of these in `name`; 0: it has none */
    uint32_t pings_out;         /* unanswered */
    int64_t ping_ns;            /* monotonic: when the oldest of these was queued */
    int64_t rtt_ns;             /* from the last one that was answered to its answer; 0: none */
    uint64_t out_epoch, sending_epoch; /* server->epoch when the oldest of these bytes was queued;
                                          0: there are none */
    int64_t start_ns;           /* wall clock */
    ri_nats_login login;
    char *name;                 /* "vVERSION:LANG:NAME" for log lines, as far as known; owned, or
                                   NULL */
    const ri_listener *at;      /* where it came in; NULL: over a wire that was given */
    ri_tls_about tls;           /* what was agreed upon; no version: nothing, or not yet */
    ri_str cert;                /* that the client had to show, in DER; owned; empty: none */
    uint64_t cert_ca[2];        /* whom its listener believed when TLS began (ri_tls_conf) */
    ri_nats_tls_mode tls_mode;  /* L */
    char peer[];                /* where it comes from, with a 0 */
};

/* ---- nats_session.c: on the loop's thread, inside the gate unless said otherwise ---- */

/* Takes over `wire`, or where that is NULL the socket `fd`, and says INFO. Also when it is one
 * connection too many: that is said then. After a failure the caller has still to close it. */
int ri_nats_session_open(struct ri_nats_server *server, ri_wire *wire, int fd,
                         const ri_listener *at, const char *peer);
/* Any thread; it ends at the loop's next turn. The first reason counts. */
void ri_nats_session_end(ri_nats_session *s, ri_nats_end end);
/* The same, with an -ERR before. */
void ri_nats_session_fail(ri_nats_session *s, ri_nats_end end, const char *text);
/* Off the router, its subscriptions freed, at most *subs of them, which becomes less by as many:
 * true when done, else there are more to go. */
bool ri_nats_session_detach(ri_nats_session *s, uint32_t *subs);
/* What it published has reached all: it is read again. Outside the gate. */
void ri_nats_session_fan_over(ri_nats_session *s);
/* A second CONNECT begins anew: the subscriptions so far get nothing more, and go in slices. */
void ri_nats_session_forget_subs(ri_nats_session *s);
/* At most *subs of them go, as above: true when none is left. */
bool ri_nats_session_drop_forgotten(ri_nats_session *s, uint32_t *subs);
static inline bool ri_nats_session_has_forgotten(const ri_nats_session *s,
                                                 const ri_nats_sub *sub)
{
    return sub->login != s->logins;
}
/* What it may do has changed: whether it may have its subscriptions is seen in slices. */
void ri_nats_session_recheck_subs(ri_nats_session *s);
/* At most *subs of them, as above; those that it may have no more go, which an -ERR says. */
bool ri_nats_session_recheck_some(ri_nats_session *s, uint32_t *subs);
/* What is queued for it is not worth writing any more. */
bool ri_nats_session_ends_hard(const ri_nats_session *s);
/* A subscription of it, which is off the router. */
void ri_nats_session_free_sub(ri_nats_session *s, ri_nats_sub *sub);
/* Count one that is to be made: false if there is no memory for it. */
bool ri_nats_session_charge_sub(ri_nats_session *s, const ri_nats_sub *sub);
void ri_nats_session_free(ri_nats_session *s);
void ri_nats_session_configure(ri_nats_session *s); /* the broker's limits changed */
/* What others may know of it; boot_ns is what the monotonic clock lacks to the wall's. */
void ri_nats_session_describe(const ri_nats_session *s, int64_t boot_ns, ri_broker_conn *out);
const char *ri_nats_session_name(const ri_nats_session *s); /* its own; NULL: it has none */
void ri_nats_session_say_info(ri_nats_session *s, bool connect_info);
/* The server is about to go: false, if it takes no INFO at any time. Any thread. */
bool ri_nats_session_say_lame_duck(ri_nats_session *s);
void ri_nats_session_connected(ri_nats_session *s); /* a CONNECT was accepted */
/* On the loop's thread: the time to log in begins anew. */
void ri_nats_session_hurry(ri_nats_session *s);
void ri_nats_session_set_name(ri_nats_session *s, const ri_nats_connect *connect);
/* Outside the gate: obey more of the input that is held, as much as is its share of a turn. */
void ri_nats_session_go_on(ri_nats_session *s);
/* Outside the gate: how it goes on, step by step, once it is ending. */
void ri_nats_session_wind_down(ri_nats_session *s);
void ri_nats_session_stall(ri_nats_session *s);   /* do not read it for a while; outside the gate */
void ri_nats_session_verified(ri_nats_session *s); /* there was a verdict; outside the gate */
bool ri_nats_session_may_ask(const ri_nats_session *s); /* inside the gate */
void ri_nats_session_unstall(ri_nats_session *s); /* read it again; outside the gate */
const char *ri_nats_session_end_text(ri_nats_end end);

/* ---- nats_op.c: inside the gate ---- */
void ri_nats_op_obey(ri_nats_session *s, const ri_nats_op *op);
/* Look at its credentials again, by what is configured now: true if the verdict comes later. */
bool ri_nats_op_login(ri_nats_session *s);
/* Its credentials are right, or not. */
void ri_nats_op_verdict(ri_nats_session *s, bool right);
void ri_nats_op_refuse(ri_nats_session *s); /* what the parser could not read */

/* ---- nats_trace.c: inside the gate; all but the first are called if conf.trace only ---- */
/* "PEER - cid:N - ... - <what><why>" */
void ri_nats_trace_say(const ri_nats_session *s, rill_level level, const char *what,
                       const char *why);
/* An operation that was read; `bytes` is its beginning. */
void ri_nats_trace_in(const ri_nats_session *s, const ri_nats_op *op, const char *bytes);
void ri_nats_trace_raw(const ri_nats_session *s, ri_str bytes); /* queued for it, up to CRLF */
void ri_nats_trace_msg(const ri_nats_session *s, const ri_message *m,
                       const ri_subscription *sub);
void ri_nats_trace_gone(const ri_nats_session *s, ri_str sid); /* that subscription ended */

/* ---- nats_probe.c: inside the gate ---- */
/* Is it to be published where a message with these headers goes, and on what? */
bool ri_nats_probe_asked(ri_str headers, ri_str *dest);
/* Publishes it and the report; `asked` is the subject before any mapping. */
int ri_nats_probe_publish(ri_nats_session *s, ri_str dest, const ri_message *m, ri_str asked);

/* ---- nats_tls.c: on the loop's thread ---- */
/* Inside the gate, as the next two: how it begins at its listener. *greets: INFO is to be said now.
 * RILL_EIO, RILL_ENOMEM: it ends. */
int ri_nats_tls_open(ri_nats_session *s, bool *greets);
/* The first time that its timer is set for, in place of `ms`. */
uint32_t ri_nats_tls_wait_ms(const ri_nats_session *s, uint32_t ms);
/* The timer is due; true: that is all, but for so many ms more, if they are not 0. */
bool ri_nats_tls_on_timer(ri_nats_session *s, uint32_t *wait_ms);
/* Outside the gate, its mode not being NONE: bytes have come; true: they are used. */
bool ri_nats_tls_on_bytes(ri_nats_session *s, ri_str bytes);
/* Inside the gate: the connection has failed with the thread's sentence: was it within a handshake?
 * Then that is said in the log. */
bool ri_nats_tls_failed(const ri_nats_session *s);
/* It is about to be shut: WebSocket says why. */
void ri_nats_tls_say_end(const ri_nats_session *s);
/* What a CONNECT leaves out is what cookies said, if any came with WebSocket's handshake. */
void ri_nats_tls_show_cookies(const ri_nats_session *s, ri_nats_connect *connect);
void ri_nats_tls_forget_cookies(ri_nats_session *s); /* after that */
/* Bytes could not be parsed: was it a handshake, at a port without TLS? */
void ri_nats_tls_refused(const ri_nats_session *s, ri_str bytes);

/* ---- nats_login.c: inside the gate ---- */
bool ri_nats_login_asked(const ri_nats_session *s); /* may it not come in without a word? */
bool ri_nats_login_guards(const ri_broker_conf *conf); /* is anything asked for at all? */
/* Has it shown nothing, and is let in as no user, since all users are of the system's account? */
bool ri_nats_login_is_nobody(const ri_nats_session *s);
/* Was its certificate, if any, signed by somebody whom its listener still believes? */
bool ri_nats_login_is_believed(const ri_nats_session *s);
/* Does its certificate say who it is? But a key of NATS says more. */
bool ri_nats_login_maps(const ri_nats_session *s);
/* Of those who are configured, by what it has shown, or by its certificate; NULL: none, or there
 * are no users. */
ri_access_user *ri_nats_login_user(const ri_nats_session *s);
ri_nats_verdict ri_nats_login_look(const ri_nats_session *s);
bool ri_nats_login_is_checked(const ri_nats_session *s); /* a verdict is under way */
/* What is to be signed, in INFO; empty if nobody has a key. It is drawn the first time. */
ri_str ri_nats_login_nonce(ri_nats_session *s);
/* True: too many like it have failed, and it is refused without a look. */
bool ri_nats_login_held(ri_nats_session *s);
void ri_nats_login_note(const ri_nats_session *s); /* it has failed, and counts if it guessed */
void ri_nats_login_wait(ri_nats_session *s); /* into the row of those who wait for the worker */
void ri_nats_login_leave(ri_nats_session *s); /* no verdict is wanted any more */
/* The next check, to be put to the worker outside of the gate, since that may start its thread;
 * NULL: none. If that cannot be done, ri_nats_login_fail(). */
ri_job *ri_nats_login_begin(struct ri_nats_server *server);
void ri_nats_login_fail(struct ri_nats_server *server, ri_job *job);
/* That one is over. Its session, if it still wants to know: it has been called. */
ri_nats_session *ri_nats_login_end(struct ri_nats_server *server, ri_job *job);
void ri_nats_login_forget(ri_job *job, const ri_host *host);
/* RILL_ENOMEM leaves it as it was. */
int ri_nats_login_set(ri_nats_login *login, const ri_host *host, const ri_nats_connect *connect);
void ri_nats_login_fini(ri_nats_login *login, const ri_host *host);

/* ---- nats_ticket.c: inside the gate, but for the second ---- */
ri_nats_hearing *ri_nats_ticket_hearing(const ri_nats_session *s); /* NULL: out of memory */
void ri_nats_ticket_hear(ri_nats_hearing *h, const ri_host *host); /* any thread */
void ri_nats_ticket_hearing_free(ri_nats_hearing *h, const ri_host *host);
/* There is a verdict: it comes in, stays, or ends. */
void ri_nats_ticket_obey(ri_nats_session *s, ri_nats_hearing *h);
/* After a reload: does what it was let in by say the same of its account? Then it stays. */
bool ri_nats_ticket_stands(ri_nats_session *s);
void ri_nats_ticket_void(ri_nats_session *s); /* any thread, inside the gate */
void ri_nats_ticket_drop(ri_nats_session *s); /* the loop's */

const char *ri_nats_ticket_type(const ri_nats_session *s); /* of its connection, as JWTs say */
/* He is let in as that verdict says, whose access is taken; `trust` is what it was found by, and
 * `asked` a service's account, of it; or both NULL. */
void ri_nats_ticket_grant(ri_nats_session *s, ri_trust *trust, const char *asked,
                          ri_trust_verdict *verdict);

/* ---- nats_callout.c: inside the gate ---- */
void ri_nats_callout_init(struct ri_nats_server *server);
/* Sessions have gone. */
void ri_nats_callout_fini(struct ri_nats_server *server);
bool ri_nats_callout_decides(const ri_nats_session *s); /* the configuration's, about this one? */
/* It shall be asked about, as the configuration says, or by the account's JWT in that trust. */
void ri_nats_callout_join(ri_nats_session *s, ri_trust *trust, const ri_claims_callout *rules);
void ri_nats_callout_leave(ri_nats_session *s);         /* no answer is wanted any more */
/* Its turn has come: it has a place. */
void ri_nats_callout_begin(ri_nats_session *s);
/* What the worker shall do for it; NULL: nothing. Then it is the worker's, ... */
ri_callout_letter *ri_nats_callout_lend(ri_nats_session *s);
/* ... and back again: it is sent, or there is a verdict. */
void ri_nats_callout_worked(ri_nats_session *s, ri_callout_letter *letter);
/* On the loop's thread: what has come is given to the worker; who had no answer is refused. */
void ri_nats_callout_turn(struct ri_nats_server *server);
void ri_nats_callout_reload(struct ri_nats_server *server); /* any thread; no publish goes on */

/* ---- nats_desk.c: inside the gate, but for a turn ---- */
bool ri_nats_desk_has(const ri_nats_session *s); /* the program is asked, or will be */
void ri_nats_desk_join(ri_nats_session *s);      /* it shall be */
void ri_nats_desk_leave(ri_nats_session *s);     /* no answer is wanted any more */
/* On the loop's thread: answers are obeyed, and the next are asked about. */
void ri_nats_desk_turn(struct ri_nats_server *server);

/* ---- nats_access.c: inside the gate ---- */
/* Its credentials are right: from now on it may do what their user may, in his account, where it
 * counts if it has said who it is. False: it ends, since there is no such account, or no place in
 * it, or it was in another one. */
bool ri_nats_access_enter(ri_nats_session *s);
/* The first that it says is no CONNECT: now it counts in the account that it is in. Before, it
 * takes no place from others. False: there is none, and it ends. */
bool ri_nats_access_count(ri_nats_session *s);
/* It counts no more as a connection of its account: so many messages said so. */
int ri_nats_access_leave(ri_nats_session *s);
/* After a reload, and where a verdict would take its time: has it shown already what is asked for?
 * If not, it may do from now on what its user may do now, until the verdict. */
bool ri_nats_access_known(ri_nats_session *s);
void ri_nats_access_fini(ri_nats_session *s);
/* False: an -ERR says so. `stays`: those bytes are the batch's, so that whoever has the same ones
 * has the same verdict: s->let. */
bool ri_nats_access_publish(ri_nats_session *s, ri_str subject, bool stays);
bool ri_nats_access_subscribe(ri_nats_session *s, ri_nats_sub *sub);
/* The same of one that is there, after a reload. */
bool ri_nats_access_keep(ri_nats_session *s, ri_nats_sub *sub);
/* Does that have to be asked at all? */
static inline bool ri_nats_access_guards(const ri_nats_session *s, const ri_nats_sub *sub,
                                         const ri_message *m)
{
    return s->guarded | sub->watch | (s->answers & (m->reply.len > 0));
}
/* May this come to it? Then its reply subject is noted. `route` is what it was matched by, if that
 * is another subject than the message's. */
bool ri_nats_access_deliver(ri_nats_session *s, ri_nats_sub *sub, const ri_message *m,
                            ri_str route);

/* ---- nats_listed.c: inside the gate ---- */
void ri_nats_session_list_subs(const ri_nats_session *s, ri_broker_subs_query *query);

/* ---- nats_news.c: inside the gate ---- */
/* As whom it comes, as nats-server says it: what it calls itself goes before what its JWT says. */
ri_str ri_nats_news_user(const ri_nats_session *s);
/* It has logged in; it is taken off the router, and leaves its account: that is said in the
 * system's, which takes of what the turn may do with subscriptions. */
void ri_nats_news_enter(const ri_nats_session *s);
void ri_nats_news_leave(ri_nats_session *s, uint32_t *subs);

/* ---- nats_deliver.c: inside the gate ---- */
extern const ri_party_ops ri_nats_deliver_ops;
/* Bytes to the client; ends the session when they are too many. */
void ri_nats_deliver_raw(ri_nats_session *s, ri_str bytes);
/* It has something to be written: the loop looks after it at the end of its turn. */
void ri_nats_deliver_touch(ri_nats_session *s);
/* So much waits for it that those who publish are to be slower. */
void ri_nats_deliver_stalled(ri_nats_session *s);
/* After output was written: is it slow no more? */
void ri_nats_deliver_drained(ri_nats_session *s);

static inline ri_nats_session *ri_nats_session_of(ri_party *party)
{
    return ri_container_of(party, ri_nats_session, party);
}

/* ---- nats_facts.c: ri_party_ops ---- */
void ri_nats_facts_put(const ri_party *party, ri_buffer *out);
int64_t ri_nats_facts_rtt_ns(const ri_party *party);

#endif
