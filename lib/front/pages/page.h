/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker says of itself, as nats-server's monitoring port has it: one maker for each page,
 * whoever asks, over HTTP or in $SYS.REQ. A kind makes its page in steps:
 *
 *     begin   at once, in the gate or outside: the options are read
 *     step    inside the gate, as long as the budget of the turn lasts; true: there is more. NULL:
 *             begin has made all of it
 *     between behind each step; NULL: there is nothing to do. Outside the gate `budget` is NULL;
 *             inside it is that of the turn, and true says that there is more
 *     finish  behind the last step; NULL: there is nothing to do
 *     drop    in the end, also of one that nobody wants any more; NULL: nothing is kept
 *
 * A failed allocation shows in body.failed. */
#ifndef RI_PAGE_H
#define RI_PAGE_H

#include "front/broker/broker.h"
#include "front/pages/page_json.h"
#include "front/pages/page_query.h"

typedef struct ri_page ri_page;

typedef struct ri_page_kind {
    const char *bools, *ints, *uints; /* options, parted by blanks, whose values have to be such:
                                         else the page is refused. NULL: none */
    void (*begin)(ri_page *page, ri_str query);
    bool (*step)(ri_page *page);
    bool (*between)(ri_page *page, ri_budget *budget);
    void (*finish)(ri_page *page);
    void (*drop)(ri_page *page);
} ri_page_kind;

struct ri_page {
    ri_broker *broker;
    const ri_page_kind *kind;
    /* Set by who asks, before ri_page_begin(): */
    bool system;             /* as $SYS.REQ has it: on one line, and within the bounds of
                                RI_LIMIT_SYSTEM_PAGE and RI_LIMIT_JS_JSZ */
    bool inner;              /* of one account: what it has in the page, alone */
    void (*asked)(const void *arg, ri_page_json *j); /* how often pages were asked for; or NULL */
    const void *asked_arg;

    int status;              /* of HTTP */
    const char *type;        /* lives for ever */
    bool said;               /* a sentence stands in place of it: neither step nor finish follow */
    bool misread;            /* ... since an option is none of its kind */
    bool silent;             /* in $SYS.REQ there is no answer to that */
    const char *why;         /* body.failed: the text instead; NULL: it is memory */
    ri_buffer body;
    ri_buffer *more;         /* of `work`: what follows the body, set by finish(); NULL: nothing */
    size_t nmore;
    void *work;              /* the kind's own: ri_page_work() */
    size_t work_size;
    uint64_t charged;        /* bytes of body and work that count as work of the broker */
};

/* `query` is read at once. ri_page_fini() must follow. */
void ri_page_begin(ri_page *page, const ri_page_kind *kind, ri_broker *broker, ri_str query);
bool ri_page_step(ri_page *page);
bool ri_page_between(ri_page *page, ri_budget *budget);
void ri_page_finish(ri_page *page);
void ri_page_fini(ri_page *page);

/* ---- For kinds ---- */

/* Zeroed, and freed with the page, behind drop(). NULL: there is no memory, which is answered. */
void *ri_page_work(ri_page *page, size_t size);
/* Inside the gate: the body, and `bytes` more, count as work of the broker, which has room for
 * that. False: it has not, and the page has failed. */
bool ri_page_charge(ri_page *page, uint64_t bytes);
/* Outside the gate, between two steps: a long buffer has room for what the next step puts there. To
 * move it takes long, which nobody in the broker is to wait for. */
void ri_page_grow(ri_buffer *buffer);
/* A sentence as plain text, in place of the body. */
void ri_page_say(ri_page *page, int status, const char *format, ...) RI_PRINTF(3, 4);
/* The body is JSON: an object is opened, which begins with server_id and now, unless `bare`. */
void ri_page_json_begin(ri_page *page, ri_page_json *j, bool bare);
/* How subjects are matched, as members: the fan-out is that of a sample. page_subsz.c */
void ri_page_put_matches(const rill_stats *s, ri_page_json *j);
/* One who asks in $SYS.REQ gets no more than fits into a message: `bytes` are so many already. */
bool ri_page_is_full(const ri_page *page, size_t bytes);

/* ---- Kinds ---- */
extern const ri_page_kind ri_page_varz;      /* page_varz.c */
extern const ri_page_kind ri_page_statsz;
extern const ri_page_kind ri_page_expvarz;
extern const ri_page_kind ri_page_connz;     /* page_connz.c */
extern const ri_page_kind ri_page_subsz;     /* page_subsz.c */
extern const ri_page_kind ri_page_jsz;       /* page_jsz.c */
extern const ri_page_kind ri_page_healthz;   /* page_healthz.c */
extern const ri_page_kind ri_page_ipqueuesz;
extern const ri_page_kind ri_page_accountz;  /* page_accountz.c */
extern const ri_page_kind ri_page_accstatz;
extern const ri_page_kind ri_page_routez;    /* page_cluster.c */
extern const ri_page_kind ri_page_leafz;
extern const ri_page_kind ri_page_gatewayz;
extern const ri_page_kind ri_page_raftz;
extern const ri_page_kind ri_page_profilez;

#endif
