/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered to a path. A route makes its answer in steps:
 *
 *     begin   outside the gate, at once
 *     step    inside the gate, as long as the budget of the turn lasts; true: there is more. NULL:
 *             begin has made all of it
 *     between outside the gate, behind each step; NULL: there is nothing to do
 *     finish  outside the gate, behind the last step; NULL: there is nothing to do
 *     leave   inside the gate, of one that nobody wants any more; NULL: nothing is to be done there
 *     drop    in the end, also of one that nobody wants any more; NULL: nothing is kept
 *
 * A failed allocation shows in body.failed, and is answered with 503. */
#ifndef RI_HTTP_ANSWER_H
#define RI_HTTP_ANSWER_H

#include "base/buffer.h"
#include "codec/web/http_read.h"
#include "front/http/http_login.h"
#include "front/http/http_server.h"
#include "front/pages/page.h"

typedef struct ri_http_answer ri_http_answer;
struct ri_http_session;

typedef struct ri_http_route {
    const char *path, *alias; /* alias: another path; NULL: none */
    const char *bools, *ints, *uints; /* parameters, parted by blanks, whose values have to be such:
                                         else the answer is 400. NULL: none */
    bool guarded; /* for those who have logged in, and pages of this place, alone */
    bool asks;    /* who it is is looked at, and begin() sees what came of that */
    const ri_page_kind *page; /* http_pages.c; NULL: it is none of these */
    void (*begin)(ri_http_answer *a, const ri_http_request *request);
    bool (*step)(ri_http_answer *a);
    void (*between)(ri_http_answer *a);
    void (*finish)(ri_http_answer *a);
    void (*leave)(ri_http_answer *a);
    void (*drop)(ri_http_answer *a);
    void (*join)(struct ri_http_session *s); /* of a stream: its head is queued; outside the gate */
} ri_http_route;

struct ri_http_answer {
    ri_http_server *server;
    struct ri_http_session *session;
    const ri_http_route *route;
    int status;
    const char *location;    /* of a redirection, lives for ever */
    const char *type;        /* lives for ever, or as `own` */
    char *own;               /* a type that a program gave; owned; or NULL */
    const char *policy;      /* Content-Security-Policy of a page; NULL: nothing may be loaded */
    bool packed;             /* the body is gzip already */
    bool stream;             /* without an end: the visitor listens from now on */
    bool open_metrics;       /* the request names that type */
    bool said;               /* a sentence stands in place of it: neither step nor finish follow */
    const char *why;         /* body.failed: the text instead; NULL: it is memory */
    ri_buffer body;
    ri_buffer *more;         /* of `work`: what follows the body, set by finish(); NULL: nothing */
    size_t nmore;
    void *work;              /* the route's own: ri_http_answer_work() */
    size_t work_size;
    uint64_t charged;        /* bytes of body and work that count as work of the broker */
};

/* ---- http_answer.c ---- */

/* A zeroed one. The program is asked first, then the path decides: with 404 if there is no such.
 * What is guarded is answered by the verdict on its login. */
void ri_http_answer_begin(ri_http_answer *a, struct ri_http_session *session,
                          const ri_http_request *request, ri_http_verdict verdict);
/* Does it matter for that path who asks? */
bool ri_http_answer_asks(const ri_http_listener *at, ri_str path);
/* One that says what is wrong: ri_err_text(). */
void ri_http_answer_refuse(ri_http_answer *a, ri_http_server *server, int status);
/* The route has done: gzip, if the visitor takes it and it pays. */
void ri_http_answer_finish(ri_http_answer *a, bool gzips);
/* Bytes of the body and what follows it. */
size_t ri_http_answer_size(const ri_http_answer *a);
/* The status line and the headers, for a body of `len` bytes. */
void ri_http_answer_head(const ri_http_answer *a, bool keeps, bool keep_said, size_t len,
                         ri_buffer *out);
void ri_http_answer_fini(ri_http_answer *a);

/* ---- For routes ---- */

/* Zeroed, and freed with the answer, behind drop(). NULL: there is no memory, which is answered. */
void *ri_http_answer_work(ri_http_answer *a, size_t size);
/* Inside the gate: the body, and `bytes` more, count as work of the broker, which has room for
 * that. False: it has not, and the answer has failed. */
bool ri_http_answer_charge(ri_http_answer *a, uint64_t bytes);
/* Outside the gate, between two steps: a long buffer has room for what the next step puts there. To
 * move it takes long, which nobody in the broker is to wait for. */
void ri_http_answer_grow(ri_buffer *buffer);
/* A sentence as plain text, in place of the body. */
void ri_http_answer_say(ri_http_answer *a, int status, const char *format, ...) RI_PRINTF(3, 4);
/* The body is JSON: an object is opened, which begins with server_id and now, unless `bare`. */
void ri_http_answer_json(ri_http_answer *a, ri_page_json *j, bool bare);
/* How often each route was asked for, as a member of an object. On the loop's thread. */
void ri_http_answer_asked(const ri_http_server *server, ri_page_json *j);

/* ---- Routes ---- */
extern const ri_http_route ri_http_metrics_route;   /* http_metrics.c */
extern const ri_http_route ri_http_page_route;      /* http_page.c */
extern const ri_http_route ri_http_events_route;    /* http_events.c */
extern const ri_http_route ri_http_follow_route;    /* http_follow.c */
extern const ri_http_route ri_http_who_route;
extern const ri_http_route ri_http_login_route;
extern const ri_http_route ri_http_varz_route;      /* http_pages.c, all of these */
extern const ri_http_route ri_http_connz_route;
extern const ri_http_route ri_http_subsz_route;
extern const ri_http_route ri_http_jsz_route;
extern const ri_http_route ri_http_healthz_route;
extern const ri_http_route ri_http_accountz_route;
extern const ri_http_route ri_http_accstatz_route;
extern const ri_http_route ri_http_routez_route;
extern const ri_http_route ri_http_gatewayz_route;
extern const ri_http_route ri_http_leafz_route;
extern const ri_http_route ri_http_ipqueuesz_route;
extern const ri_http_route ri_http_expvarz_route;
extern const ri_http_route ri_http_raftz_route;

#endif
