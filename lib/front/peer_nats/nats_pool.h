/* SPDX-License-Identifier: Apache-2.0 */
/* The servers that a handle may dial, and which of them is next. It knows no socket and no clock:
 * it says how long to pause, and its owner does.
 *
 *     URL:  a  b  c          shuffled once, unless the order is to be kept
 *     INFO: d  e             behind them, shuffled; those that the next INFO does not name go
 *
 *     a b c d e | pause | a b c d e | longer pause | ...
 *     a round    no pause within it: another server may be well
 *
 * After a loss the others are dialled at once, beginning with the one behind the server that was
 * lost, and that one behind a pause: its clients do not come all at once. A server that takes us in
 * and does not keep us is one of those that were tried. What a pause is:
 * `first_ns`, doubled for each round in a row that found nobody, at most `most_ns`, and up to a
 * fifth more or less by the dice. */
#ifndef RI_NATS_POOL_H
#define RI_NATS_POOL_H

#include "codec/nats/nats_json.h"
#include "codec/nats/url.h"

enum {
    RI_NATS_POOL_MAX = 1024,     /* servers */
    RI_NATS_POOL_REFUSALS = 2,   /* refused logins in a row after which one is not asked again */
};

typedef struct ri_nats_pool_server {
    char *host;             /* owned; a path if the scheme is unix: */
    uint16_t port;
    bool of_url;            /* stays */
    bool named;             /* by the last INFO */
    bool barred;            /* it has refused the login too often */
    uint8_t refusals;
    /* What the URL says; NULL: nothing. Owned. */
    char *user, *password, *token;
    char *path;             /* of ws:// and wss://, without its first /; likewise */
} ri_nats_pool_server;

typedef struct ri_nats_pool {
    const ri_host *host;
    ri_nats_pool_server *servers;
    uint32_t len, cap;
    uint32_t at;            /* the one that is dialled, or was last */
    uint32_t tried;         /* in this round */
    uint32_t rounds;        /* in a row that found nobody */
    bool begun;             /* `at` means something */
    bool is_unix;
    ri_url_scheme scheme;
    bool fixed;             /* the URL's, in its order, and no others */
    int64_t first_ns, most_ns;
} ri_nats_pool;

/* RILL_ENOMEM. The order is drawn now unless `fixed`. */
int ri_nats_pool_init(ri_nats_pool *pool, const ri_host *host, const ri_url *url, bool fixed);
void ri_nats_pool_fini(ri_nats_pool *pool); /* zeroed is legal */

/* The server to be dialled next, behind *pause_ns; NULL: each one has refused the login. It is lent
 * until the pool changes. */
const ri_nats_pool_server *ri_nats_pool_next(ri_nats_pool *pool, int64_t *pause_ns);
/* Has the round that is under way tried all of them? */
bool ri_nats_pool_is_round(const ri_nats_pool *pool);
const ri_nats_pool_server *ri_nats_pool_current(const ri_nats_pool *pool); /* one was dialled */
/* What the current one is logged in with: its own, or else what the URL gives first. */
const ri_nats_pool_server *ri_nats_pool_login(const ri_nats_pool *pool);
void ri_nats_pool_up(ri_nats_pool *pool);       /* the current one takes the login */
void ri_nats_pool_stood(ri_nats_pool *pool);    /* and has served us for some time */
void ri_nats_pool_refused(ri_nats_pool *pool);  /* the current one refuses the login */
/* An INFO of the current one names these; what is no HOST:PORT is passed over. RILL_ENOMEM. */
int ri_nats_pool_learn(ri_nats_pool *pool, const ri_str_list *urls);
/* Is there another than the current one? */
bool ri_nats_pool_has_other(const ri_nats_pool *pool);
/* Whom the certificate of the current one must be of: its host; if only another server has named
 * it, and by its address, the first name that the URL has. "localhost" at the end of a path. */
const char *ri_nats_pool_name(const ri_nats_pool *pool);
/* "nats://HOST:PORT", or with another scheme, cut to what fits. */
void ri_nats_pool_write(const ri_nats_pool *pool, const ri_nats_pool_server *server, char *out,
                        size_t room);

#endif
