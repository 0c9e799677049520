/* SPDX-License-Identifier: Apache-2.0 */
/* A broker: one engine behind one gate, its members (the buses of this process), and, once it
 * listens, its doors with their connections.
 *
 *     bus (any thread) --\                          /-- connection \
 *     bus (any thread) ---+--> gate --> router <---+--- connection  +  on the door's thread
 *     bus (any thread) --/                          \-- connection /
 *
 * Inside the gate a connection's output only collects in its out-queue. What another thread has
 * put there is written by the door's, which ri_broker_leave() wakes if there is anything.
 *
 * All else that a broker has is a table of functions, whose filler it does not know by name:
 * door.h (what it listens with), member.h (who stands at it in this process), driver.h (who turns
 * the durable half), service.h (what the durable half hosts beside the streams). Where the program
 * wants no thread, hosted.h says who turns the doors. */
#ifndef RI_BROKER_H
#define RI_BROKER_H

#include <stdatomic.h>

#include "base/assert.h"
#include "base/nuid.h"
#include "base/saturate.h"
#include "codec/subject/mapping.h"
#include "engine/access/callout.h"
#include "engine/access/guesses.h"
#include "engine/groups/groups.h"
#include "engine/live/router.h"
#include "front/broker/accounts.h"
#include "front/broker/labels.h"
#include "front/broker/venue.h"
#include "front/broker/door.h"
#include "front/broker/driver.h"
#include "front/broker/hosted.h"
#include "net/gate.h"
#include "net/park.h"

struct ri_durable;

/* The options with defaults filled in; guarded by the gate, changed by a reload: nothing of it may
 * be lent beyond the gate. */
typedef struct ri_broker_conf {
    char *advertise;               /* HOST of what is announced to clients; NULL: the listener's */
    int advertise_port;
    char *user, *password, *token; /* NULL: not asked for */
    ri_access *access;             /* a reference; in place of these; or NULL */
    ri_trust *trust;               /* a reference; JWTs say who comes in, in place of all these */
    ri_accounts *accounts;         /* owned; NULL: there is $G alone */
    char *no_auth_user;            /* one of them, without a key; NULL: none */
    rill_login_fn on_login;        /* in place of all these; or NULL */
    void *on_login_arg;
    ri_callout *callout;           /* a reference: beside users, a service decides; or NULL */
    ri_labels *labels;             /* owned; NULL: none */
    char *kafka_config;            /* owned; NULL: none. What it says: */
    ri_groups_conf groups;
    uint32_t login_epoch;          /* counts how often these were changed */
    ri_guess_bound guess_bound;    /* of logins that fail */
    uint32_t max_msg_bytes, max_conns, max_subs, max_control_line_bytes;
    uint64_t max_pending_bytes, memory_bytes;
    uint64_t slow_bytes;           /* who has more waiting slows those who publish to it */
    uint32_t max_sub_tokens;       /* 0: no limit */
    bool no_headers;
    ri_mappings *mappings;         /* owned; of what NATS clients publish; or NULL */
    uint32_t ping_interval_ms, ping_max, auth_timeout_ms, write_deadline_ms, spin_us;
    bool trace;                    /* every operation goes to the host's log */
    uint32_t trace_data_bytes;     /* of a payload; 0: all */
} ri_broker_conf;

typedef struct ri_broker {
    uint32_t magic;
    uint32_t stamp;                /* of the process that opened it */
    atomic_uint refs;              /* the handle, and each bus */
    ri_host host;
    void (*on_gone)(void *arg);    /* called when the last reference goes; may be NULL */
    void *on_gone_arg;
    char *name, *version;          /* as announced; fixed until the last reference goes */
    ri_gate gate;
    /* All below is guarded by the gate unless said otherwise. */
    ri_broker_conf conf;
    ri_router router;
    ri_verdicts verdicts;          /* of all who act as users */
    ri_guesses guesses;            /* of all who failed to log in; failed_login.h */
    char tls_library[40];          /* its name and version; fixed */
    ri_callout_keys keys;          /* keys.id is server_id: N... as nats-server's. Fixed, but for
                                      the xkey, which is made for the first who is asked about */
    bool closed;
    ri_list members;               /* ri_member.link */
    ri_list settling;              /* members with something to do when the publish is over:
                                      ri_member.settle_link */
    ri_list asking;                /* members with requests that found no memory: .ask_link */
    uint32_t blocking_subs;        /* subscriptions of this process that make publishers wait */
    ri_park room;                  /* signalled when one of those has room again */
    ri_list doors;                 /* ri_door.link; empty until it listens */
    uint32_t ndoors;               /* ever opened */
    ri_list venues;                /* ri_venue.link: where it listens */
    struct ri_departed *departed;  /* owned; connections that have gone; NULL: nobody can look */
    int64_t start_ns, conf_ns;     /* wall clock: when it was opened, and last reloaded */
    uint64_t next_conn_id;         /* the last one that a connection was given */
    ri_party herald;               /* says what happens, in the system's account; system_event.c */
    ri_nuid nuid;                  /* of what it says */
    uint64_t system_seq;           /* answers and events of the system so far */
    int64_t statsz_ns, conns_ns;   /* monotonic: when the next of these are said unasked ... */
    size_t conns_at;               /* ... and of which account, where a turn was not enough */
    ri_hosted hosted;              /* the loops of its doors, where its host turns them */
    ri_driver hosts;
    ri_driver_thread thread;
    ri_list drivers;               /* ri_driver.link, by rank */
    ri_driver *driver;             /* the first of them */
    struct ri_durable *durable;    /* NULL until streams are wanted; lib/front/broker/durable.c */
    bool durable_opening;          /* somebody opens it, outside the gate; ends by `drained` */
    bool rooms_opening;            /* ... or more rooms of it, likewise */
    uint32_t output_waits;         /* bits of doors whose out-queues were filled from outside */
    uint32_t stalled;              /* bits of doors where some connection has over 3/4 of
                                      max_pending_bytes waiting */
    uint64_t pending_cap;          /* while output is short of memory: what a receiver may have
                                      waiting at most; else UINT64_MAX */
    uint64_t shed_at;              /* output of so many bytes is looked at again */
    ri_park drained;               /* signalled when output was written and somebody asked */
    uint32_t drain_waiters;
} ri_broker;

#define RI_BROKER_MAGIC 0x4272ab1eu

/* For assertions: a broker that is not freed; and somebody is inside its gate, which may be another
 * thread. */
static inline bool ri_broker_is_sound(const ri_broker *b)
{
    return b->magic == RI_BROKER_MAGIC; /* who closes it with the last handle has no reference */
}

static inline bool ri_broker_is_entered(const ri_broker *b)
{
    return ri_broker_is_sound(b) && ri_gate_is_taken(&b->gate);
}

static inline void ri_broker_enter(ri_broker *b) /* any thread */
{
    ri_gate_enter(&b->gate);
}
/* What is left to do after publishes: members end subscriptions that asked for it, doors are woken
 * whose connections wait to be written to. Inside the gate. */
void ri_broker_settle(ri_broker *b);

static inline void ri_broker_leave(ri_broker *b) /* any thread */
{
    if (ri_unlikely(b->output_waits || !ri_list_empty(&b->settling))) ri_broker_settle(b);
    ri_gate_leave(&b->gate);
}

/* With one reference, the caller's. RILL_EINVAL names the option that is out of range. */
int ri_broker_new(ri_broker **broker, const rill_broker_opts *opts);
void ri_broker_ref(ri_broker *b);
/* May more output wait, as far as memory goes? If not, ri_broker_shed() is to be called. */
static inline bool ri_broker_has_room(const ri_broker *b)
{
    return ri_likely(ri_router_output_bytes(&b->router) <=
                     ri_memory_share(&b->router.memory, RI_MEMORY_OUTPUT));
}
/* Whoever has most output waiting is held back: connections are closed, subscriptions of this
 * process are full. Inside the gate, any thread, within a delivery, too. */
void ri_broker_shed(ri_broker *b);
/* Output has gone: is there room again? Inside the gate. */
void ri_broker_relieve(ri_broker *b);
bool ri_broker_ref_if_alive(ri_broker *b); /* false: its last reference is gone already */
/* The last reference closes what is still open and frees. */
void ri_broker_unref(ri_broker *b);
/* Ends every bus and the doors; the caller's reference stays. */
int ri_broker_close(ri_broker *b, int timeout_ms);
/* With the first of `kinds` (NULL ends the list) that has the URL's scheme. The port. */
int ri_broker_listen(ri_broker *b, const ri_door_ops *const *kinds, const char *url,
                     const rill_listen_opts *opts);
/* Gives `wire` to the door that has the URL's scheme, "nats://NAME" where NAME is what the other
 * end is called. The wire is the broker's, also after a failure: then it is closed. Outside the
 * gate. */
int ri_broker_accept(ri_broker *b, const ri_door_ops *const *kinds, const char *url,
                     struct ri_wire *wire);
/* What clients are asked to come to, "HOST:PORT" or "HOST": the port is 0 then. The host is the
 * caller's to free; nothing is set if `text` is NULL. RILL_EINVAL. */
int ri_broker_advertise(const ri_host *host, const char *text, char **name, int *port);
/* Streams are wanted: the durable half, opened with these options if it is not there yet (NULL:
 * in memory, driven by a thread). It stays until the broker is closed. */
struct ri_durable_opts;
int ri_broker_need_durable(ri_broker *b, const struct ri_durable_opts *opts);
int ri_broker_flush(ri_broker *b, int timeout_ms);
int ri_broker_reload(ri_broker *b, const rill_broker_opts *opts);
int ri_broker_lame_duck(ri_broker *b, uint32_t grace_ms, uint32_t duration_ms);
void ri_broker_stats(ri_broker *b, rill_stats *out);
void ri_broker_stats_inside(const ri_broker *b, rill_stats *out); /* the gate */
/* The same without what accounts and logs have, which takes time for each of them. */
void ri_broker_counts_inside(const ri_broker *b, rill_stats *out);
/* What one account has: the gate. */
void ri_broker_account_stats(const ri_account *account, rill_stats *add);
const ri_account *ri_broker_account_at(const ri_broker *b, size_t i); /* $G is 0; NULL: no more */
/* A subscription and a connection as their door describes them: lent inside the gate. The texts of
 * `info` are not set. */
typedef struct ri_broker_sub {
    rill_conn_sub info;
    ri_str subject, queue, sid;
} ri_broker_sub;
typedef struct ri_broker_conn {
    rill_conn_info info;
    ri_str peer;     /* with a 0 behind it */
    ri_str user, account, name, lang, version;
    ri_str given;    /* as whom it says that it comes, which need not be who it is; for pages */
    ri_str tls_version, tls_cipher;
    ri_str issuer, name_tag; /* who has signed him, and what his JWT calls him ... */
    ri_str tags;     /* ... and says of him, a JSON array (engine/access/access.h) */
    ri_str jwt;      /* that, but none that lets in whoever has it */
    ri_str subs;     /* of one that has gone: what it had subscribed to (departed.h) */
    int64_t rtt_ns;  /* of its last answer to a PING; 0: not known */
} ri_broker_conn;
typedef struct ri_broker_subs_query {
    const rill_conn_subs_opts *opts;
    uint64_t max;
    void (*put)(void *arg, const ri_broker_sub *sub);
    void *arg;
    ri_str overlaps; /* a filter: only those that have a subject in common with it; empty: all */
    ri_budget *budget; /* where they are compared with something; NULL: it is not cut */
    bool more;       /* out: it is used up, and the connection at hand is asked again ... */
    size_t at;       /* ... from here on (another one: from 0). What comes and goes meanwhile may
                        make one that stays be met twice, or, rarely, not at all */
    uint64_t count;  /* out: listed, ... */
    uint64_t total;  /* ... of so many */
} ri_broker_subs_query;
void ri_broker_subs(ri_broker *b, ri_broker_subs_query *query);
/* The same of the one connection of its options, inside the gate. False: it is not there. */
bool ri_broker_subs_of(ri_broker *b, ri_broker_subs_query *query);
/* Of a door, about one that matches: is it to be listed? */
bool ri_broker_subs_want(ri_broker_subs_query *query);
typedef struct ri_broker_conns_query { /* what is left of it, as it goes on */
    uint64_t after;            /* those with a higher id */
    uint64_t skip, max;        /* behind so many, so many are listed */
    const ri_account *account; /* of that one; NULL: of all */
    bool ids;                  /* of each its id alone is wanted */
    ri_budget *budget;         /* NULL: it is not cut */
    bool again;                /* put() sets it, the budget being used up: that one is met again */
    void (*put)(void *arg, const ri_broker_conn *conn);
    void *arg;
} ri_broker_conns_query;
/* Inside the gate. True: the budget is used up, and there may be more. */
bool ri_broker_list_conns(ri_broker *b, ri_broker_conns_query *query);

/* Inside the gate: so many connections wait to be written to that a message to very many rests. */
bool ri_broker_is_crowded(const ri_broker *b);

/* What a publisher's thread owes slow connections: when some have almost all that they may keep
 * waiting, it pauses for a bounded time. Outside the gate. */
void ri_broker_pause(ri_broker *b);

/* Milliseconds of a call's argument as nanoseconds; < 0 stays "for ever". */
static inline int64_t ri_timeout_ns(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : ri_ns_of_ms(timeout_ms);
}

#endif
