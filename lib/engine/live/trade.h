/* SPDX-License-Identifier: Apache-2.0 */
/* What accounts have of one another: exports and imports.
 *
 *     exporter B                              importer A
 *
 *     "s.>" stream     <--- shadow of --------- SUB in.s.x       import s.> from B to in.s.>
 *       PUB s.x 1      ---- in.s.x ---------->  MSG in.s.x 1
 *
 *     "svc.*" service  <--- svc.q, _R_.b.r ---- PUB do.q INBOX   import svc.* from B to do.*
 *       PUB _R_.b.r 2  ---- INBOX ------------> MSG INBOX 2
 *
 * *A stream* costs its publisher nothing. For each subscription of the importer that meets what is
 * imported, a *shadow* stands in the interest of the exporter, with the same queue: so a message is
 * matched once, groups have members of both accounts, and very many receivers get it in slices, as
 * any others (shadow.c). The party of a shadow is the import's; its deliver op gives the message,
 * by the importer's subject, to the party whose subscription it is, in whose account permissions,
 * echo and bounds are looked at. A shadow has no shadow: what is imported is not exported again,
 * which is how nats-server has it, and why streams cannot go round.
 *
 * *A service* is one subscription of the import's party in the importer's account. Its deliver op
 * cannot publish, since it stands in the walk over a match that a publish may change: it notes an
 * *errand*, which is run when the walk is over (errand.c): the message, with a header that says who
 * asks, is routed in the exporter's account, where it may meet a service that is imported there. An
 * errand is as far from the publisher as p->errands says, at most RI_LIMIT_ERRANDS: no
 * configuration makes a message go round for ever, although most that would are refused before.
 *
 * *An answer* goes to a subject that the exporter's *desk* has made for this request alone, whose
 * subscription is the desk's, in the exporter's account. It is known as long as answer_ms of the
 * export says: one answer by default, or several, up to one without a byte. Of each import so many
 * and so many bytes are known; for a new one the oldest goes of whoever has most there. So who
 * floods a service that never answers forgets his own requests, and nobody else's, in other
 * accounts or in his own. Requests of a party that has gone stay, since their answer may be for
 * somebody else, and are the first that go where there is no memory.
 *
 * *Samples.* An export may say that some requests are sampled: what is kept of one lies behind its
 * reply, and when it is over, by an answer or without, a message in the exporter's account says how
 * long that took (latency.c). What is forgotten, since others need the room, is not reported.
 *
 * *Memory.* Shadows and replies count in the share of interest, and for the party that they are of,
 * in its trade_bytes: where the share is used up whoever has most is found with them. A shadow is
 * one more of the subscriptions that its party may have. Of the ways in which an exporter's filters
 * may place wildcards (codec/subject/shapes.h) all its importers take half, and each a few.
 *
 * *Life.* The rows of an account are made with it and looked at together by ri_trade_check(). They
 * begin to count by ri_trade_link(), and end by ri_trade_unlink(), both inside the gate and outside
 * of a publish: a reload does the one and then the other for all accounts if anything of them is
 * different. Requests that are under way stay known. An import holds its exporter, and a desk both:
 * so whoever lets an account go unlinks it first, for good, by ri_trade_close().
 *
 * *Cost.* An account that imports nothing, and whose exports nobody imports, has a NULL that is
 * looked at when somebody subscribes, and nothing else; none of this is in the way of a message. */
#ifndef RI_TRADE_H
#define RI_TRADE_H

#include "base/heap.h"
#include "base/map.h"
#include "codec/subject/shapes.h"
#include "codec/subject/transform.h"
#include "engine/live/router.h"
#include "rill.h"

typedef struct ri_export {
    char *subject;          /* a filter */
    bool service;
    rill_answers answers;
    uint32_t answer_ms;
    char **accounts;        /* owned; who may import it; NULL: everybody, or by account_token */
    size_t naccounts;
    uint32_t account_token; /* the token that names the importer, from 1; 0: none */
    char *latency_subject;  /* where samples of a service's time go; NULL: nowhere */
    uint32_t latency_percent; /* of requests; 0: of those whose headers ask for it */
} ri_export;

typedef struct ri_import ri_import;
struct ri_import {
    ri_account *account;     /* the importer, which it lies in; NULL: it is not linked */
    ri_account *exporter;    /* a reference while it is linked */
    char *from;              /* the exporter's name */
    char *subject;           /* there; a filter */
    char *to;                /* as it was configured, with $n */
    char *local;             /* the same as a filter */
    ri_transform *inward;    /* subject -> local; NULL: they are the same */
    ri_transform *outward;   /* local -> subject */
    bool service, share;
    rill_answers answers;    /* of the export, as long as it is linked: */
    uint32_t answer_ms;
    uint32_t latency_percent;
    char *latency_subject;   /* owned */
    ri_party party;          /* of a stream in the exporter's account, of a service in this one */
    ri_subscription sub;     /* of a service */
    ri_list replies;         /* requests that wait for answers, the oldest first */
    uint32_t nreplies;
    uint64_t reply_bytes;
    ri_map askers;           /* who waits, by its party, */
    ri_heap asking;          /* ... and all that do, or did until they went; the most first */
    const ri_delivery *of;   /* the delivery under way that one of its shadows has met; or NULL */
    ri_import *touched;      /* the next one that this delivery has met */
    ri_message m;            /* what comes of it here, ... */
    ri_publish p;
    ri_delivery d;
    ri_buffer name;          /* ... by this subject */
};

typedef struct ri_trade {
    const ri_host *host;
    ri_export *exports;
    ri_import *imports;
    size_t nexports, nimports;
    size_t cap_exports, cap_imports;
    ri_shapes shapes;       /* of all shadows of what is imported */
} ri_trade;

/* Of the rows of an account; none: NULL. RILL_EINVAL and RILL_ETOOBIG name what is wrong with one
 * row, RILL_ENOMEM. The rows are not kept. */
int ri_trade_new(const ri_host *host, const rill_account *row, ri_trade **out);
void ri_trade_free(ri_trade *trade); /* that is not linked; NULL is nothing */
bool ri_trade_is_sampled(const ri_trade *trade); /* is what it imports? It is linked, or NULL */
bool ri_trade_same(const ri_trade *a, const ri_trade *b); /* either may be NULL */

/* By whose name an account is found; NULL: there is none. */
typedef ri_account *(*ri_trade_find)(const void *accounts, const char *name);
/* Is what this account imports there, exported to it, and not its own again? RILL_EINVAL says what
 * is not so, with the words of nats-server. */
int ri_trade_check(const ri_account *account, ri_trade_find find, const void *accounts);
/* What it imports of others who do not export it, or in a circle, is no import, which the log says.
 * Before it is linked. */
void ri_trade_prune(ri_account *account, ri_trade_find find, const void *accounts);
/* By which export may `account` import this? NULL: it is not exported, or not to it. */
const ri_export *ri_trade_allows(const ri_trade *exporter, const char *account, bool service,
                                 ri_str subject);

/* What it imports begins to count, also for those who have subscribed already; what finds no memory
 * or no exporter stays away, which the log says. */
void ri_trade_link(ri_account *account, ri_trade_find find, const void *accounts);
void ri_trade_unlink(ri_account *account);
void ri_trade_close(ri_account *account); /* and its desk ends, with all that it knows */

/* ---- shadow.c ---- */

extern const ri_party_ops ri_shadow_ops;
/* Somebody has subscribed where something is imported. RILL_ENOMEM, RILL_EFULL: no shadow is
 * left. */
int ri_shadow_follow(ri_subscription *sub);
int ri_shadow_follow_one(ri_import *import, ri_subscription *sub); /* the same for one import */
void ri_shadow_drop(ri_subscription *sub); /* all of one that goes */
void ri_shadow_drop_all(ri_import *import);
void ri_shadow_release(ri_delivery *d); /* that has met some: it is over */

/* ---- errand.c ---- */

extern const ri_party_ops ri_errand_ops;
/* Runs what `d` has met in its walk, which is over; how many receivers there were. */
int ri_errand_run(ri_delivery *d);
int ri_errand_desk(ri_account *exporter); /* RILL_ENOMEM */
void ri_errand_close(ri_account *exporter);
void ri_errand_detach(ri_import *import); /* its requests are no longer its own */
void ri_errand_leave(ri_party *party); /* that has asked, and goes */
/* There is no memory: some go that are of parties that have gone; false: there are none. */
bool ri_errand_forget_orphans(ri_router *router);
bool ri_errand_same_party(const void *item, const void *key); /* of import->askers */
size_t ri_errand_waiting(const ri_account *exporter); /* requests that its desk knows */
/* What nobody has answered in time is reported where samples go; some, and the rest later. */
void ri_errand_expire(ri_account *importer);

/* ---- latency.c ---- */

/* Is that request sampled, `dice` being below 100? Then what has to be kept of it is in `out`. */
bool ri_latency_begin(const ri_import *import, const ri_delivery *d, uint32_t dice, ri_buffer *out);
/* 200: `responder` has answered; else NULL. `from`, of the exporter, publishes it. */
void ri_latency_report(const ri_import *import, ri_party *from, const ri_party *responder,
                     ri_str sample, int status);

#endif
