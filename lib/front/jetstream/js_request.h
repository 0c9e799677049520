/* SPDX-License-Identifier: Apache-2.0 */
/* One request of the JetStream API while it is handled, and the api's insides. Only the front's
 * jetstream_api and js_ files look at this.
 *
 * A handler answers by one of the calls below, exactly once or, where nats-server is silent, not
 * at all. One that may need more than a few hundred units of the turn's budget leaves the rest to a
 * step, which is called slice by slice until it has answered:
 *
 *     handle(r)   checks what is asked; r->work = its place; ri_js_request_go_on(r, step)
 *     step(r)     finds the stream again (ri_js_request_again(): it may have gone meanwhile), works
 *                 while ri_budget_spend() allows, keeps its place in r->work; true: there is more
 *     drop(r)     frees what of r->work lies outside of r->arena, however the request ends
 *
 * The requests of one asker are handled in their order, one at a time; askers have equal shares. */
#ifndef RI_JS_REQUEST_H
#define RI_JS_REQUEST_H

#include "base/assert.h"
#include "base/json.h"
#include "base/nuid.h"
#include "engine/streams/fence.h"
#include "front/jetstream/jetstream_api.h"

enum { RI_JS_TEXT_BYTES = 32 }; /* of JSON that are read, or made, in a unit */

typedef struct ri_js_request ri_js_request;
typedef void (*ri_js_handler)(ri_js_request *r);
typedef bool (*ri_js_step_fn)(ri_js_request *r);

typedef struct ri_js_route { /* a subject of the API */
    const char *path;          /* behind $JS.API., with its last dot if tokens follow */
    int tokens_min, tokens_max; /* that follow; -1: any number */
    const char *reply;         /* of the reply's type */
    const ri_jsapi_type *type; /* of the reply */
    bool empty;                /* the request must have no body */
    bool silent;               /* no audit advisory, not counted */
    ri_js_handler handle;
    bool reads;                /* changes nothing: it ends if nobody listens for the answer */
} ri_js_route;

struct ri_js_request {
    ri_jetstream_api *api;
    ri_js *js;
    const ri_js_route *route;
    ri_str subject;            /* as it was published */
    ri_str reply, headers, body;
    ri_str stream, consumer;   /* of the subject; the second is whatever token follows */
    ri_str rest;               /* all tokens behind `stream` */
    ri_arena arena;            /* dies with the request */
    ri_str type;               /* io.nats.jetstream.api.v1.<reply> */
    char type_text[80];
    const ri_asker *asker;     /* NULL: not known */
    bool there;                /* asked, and answered, in the system's account */
    ri_js_step_fn step;        /* what is left to be done; NULL: nothing */
    ri_js_handler drop;        /* NULL: all of `work` is in the arena */
    uint64_t held;             /* bytes of `work` that are not there, as the step says */
    void *work;                /* the step's place */
    uint64_t stream_id;        /* of the stream that it was begun with */
};

/* What one asker has asked of one API, in its own account or in the system's. Whoever goes from
 * account to account, or is heard by two APIs at once, has a row at each: asker->row is the first
 * of them. */
typedef struct ri_js_row {
    ri_list link;              /* in api->rows, or api->spare_rows */
    ri_asker *asker;           /* a reference */
    struct ri_js_row *beside;  /* the asker's next one; NULL: the last */
    bool there;                /* as in ri_js_request */
    ri_packet **ring;          /* requests in order */
    uint32_t head, len, cap;
    int64_t credit;            /* units that it may spend before the next one's turn */
    ri_claim claim;            /* to the broker's memory for work: of all that follows here */
    uint64_t charged;          /* of it, what `request` has besides its packet */
    bool busy;                 /* `request` is not over yet */
    ri_packet *packet;         /* of `request` */
    ri_js_request request;
} ri_js_row;

typedef struct ri_js_transfer ri_js_transfer; /* js_transfer.h */

enum { RI_JS_SYSTEM_SUBS = 9, RI_JS_SYSTEM_THERE = 5 };

struct ri_jetstream_api {
    ri_service service;        /* `held`: nwaiting and ntransfers */
    ri_jetstream_api_opts opts;
    ri_host host;
    ri_js *js;                 /* NULL: JetStream is off */
    ri_party party;          /* asks nothing, answers all */
    ri_party own;             /* asks for this process; js_ask.c */
    ri_party system;           /* hears and answers in the system's account; js_system.c */
    ri_subscription system_there[RI_JS_SYSTEM_THERE];
    char there_subjects[RI_JS_SYSTEM_THERE][128];
    ri_party absent;           /* hears and answers in accounts without streams; js_absent.c */
    ri_list absent_places;     /* a subscription in each of them */
    ri_list absent_asks;       /* who is to be answered there ... */
    uint32_t nabsent_asks;     /* ... so many */
    ri_list asks;              /* ri_js_ask.link */
    ri_subscription subs[2];   /* $JS.API.>, and $JS.<domain>.API.> */
    char domain_subject[300];
    ri_subscription system_subs[RI_JS_SYSTEM_SUBS]; /* $SYS.REQ; js_system.c */
    char system_subjects[RI_JS_SYSTEM_SUBS][128];
    ri_list rows;              /* ri_js_row.link: who has asked, in turn */
    ri_list spare_rows;        /* for the next asker */
    uint32_t nspare_rows;
    uint32_t nwaiting;         /* requests in all rows, those that are being handled among them */
    ri_list answers;           /* that wait for a commit: js_answer.link */
    ri_list transfers;         /* ri_js_transfer.link */
    uint32_t ntransfers;
    ri_nuid nuid;
    ri_jetstream_api_stats stats;
    int64_t wall_ns, mono_ns;  /* of this step */
    bool stepping;
    bool muted;                /* no advisories: a restore makes its stream in two steps */
};

/* For assertions, between any two calls. */
static inline bool ri_js_api_is_sound(const ri_jetstream_api *api)
{
    return api->host.alloc && api->ntransfers <= RI_LIMIT_JS_TRANSFERS &&
           (api->js != NULL || ri_list_empty(&api->transfers));
}

static inline bool ri_js_request_is_sound(const ri_js_request *r)
{
    return r->subject.len > 0 && ri_js_api_is_sound(r->api);
}

/* ---- js_row.c ---- */

/* Within a publish; `there`: to the system's account. False: it could not be taken. */
bool ri_js_row_put(ri_jetstream_api *api, ri_delivery *d, bool there);
void ri_js_row_serve(ri_jetstream_api *api);
void ri_js_row_close_all(ri_jetstream_api *api);
/* The rest of the request is done by `step`, in this slice and later ones. */
void ri_js_request_go_on(ri_js_request *r, ri_js_step_fn step);
/* Does nobody wait for the answer? */
bool ri_js_request_is_unheard(const ri_js_request *r);
/* Where it came from, and its answer goes, also when its asker is elsewhere by now. */
ri_account *ri_js_request_account(const ri_js_request *r);
/* The stream that the request was begun with; NULL: it is gone, which was answered (10059). */
ri_stream *ri_js_request_again(ri_js_request *r);
ri_budget *ri_js_request_budget(const ri_js_request *r);

/* ---- js_ask.c ---- */

void ri_js_ask_close_all(ri_jetstream_api *api); /* who waits is answered */
bool ri_js_ask_is_own(const ri_js_request *r); /* a question of this process */
bool ri_js_ask_waits(const ri_js_request *r);  /* ... for whose answer somebody still waits */
/* Is that the answer to one? Then it is taken. */
bool ri_js_ask_take(ri_jetstream_api *api, ri_str subject, ri_str data);

/* ---- jetstream_api.c ---- */

/* From its subject to its handler. */
void ri_js_request_handle(ri_js_request *r);

/* The body as a struct; false: answered with 10025. No body is a struct of zeroes. */
bool ri_js_request_decode(ri_js_request *r, const ri_jsapi_type *type, void *out);
/* The same for bodies that count only if they are JSON objects (or arrays). */
bool ri_js_request_decode_optional(ri_js_request *r, const ri_jsapi_type *type, void *out);
/* The stream of the subject; NULL: answered with 10059, or with why it is not served. */
ri_stream *ri_js_request_stream(ri_js_request *r);
ri_consumer *ri_js_request_consumer(ri_js_request *r); /* NULL: answered */
/* Answer with the reply's struct (its head is filled in here), now or when what is in the open
 * commit of `log` is durable. */
void ri_js_request_answer(ri_js_request *r, void *reply);
/* The same of a list that is the last of its fields, and empty: with these items, as JSON. */
void ri_js_request_answer_items(ri_js_request *r, void *reply, ri_str items);
void ri_js_request_answer_committed(ri_js_request *r, ri_log *log, void *reply);
void ri_js_request_fail(ri_js_request *r, const ri_js_error *e);
void ri_js_request_fail_with(ri_js_request *r, ri_js_code code);
/* What `rc` of the engine means when it did not fill in `e`: no memory, or a bug. */
void ri_js_request_fail_rc(ri_js_request *r, int rc, ri_js_error *e, ri_js_code otherwise);
/* A status line to the reply: "404 Message Not Found". */
void ri_js_request_status(ri_js_request *r, const char *status);
/* The status of nobody listening on the request's subject. */
void ri_js_request_nobody(ri_js_request *r);
bool ri_js_request_is_empty(ri_str body);
/* The Nats-Required-Api-Level of the request is more than ours, or no number. */
bool ri_js_request_level_too_high(ri_str headers);
/* It lost its body while it waited, since memory was wanted: js_row.c. */
bool ri_js_request_was_cut(const ri_js_request *r);
void ri_js_request_cut(ri_js_request *r); /* answers so; or that it may have no more */

/* Publish as the api. */
void ri_js_request_publish(ri_jetstream_api *api, ri_str subject, ri_str reply, ri_str headers,
                           ri_str data);
ri_str ri_js_request_domain(const ri_jetstream_api *api);

/* ---- The handlers ---- */

void ri_js_stream_api_create(ri_js_request *r);
void ri_js_stream_api_update(ri_js_request *r);
void ri_js_stream_api_info(ri_js_request *r);
void ri_js_stream_api_delete(ri_js_request *r);
void ri_js_stream_api_purge(ri_js_request *r);
void ri_js_stream_api_msg_get(ri_js_request *r);
void ri_js_stream_api_msg_delete(ri_js_request *r);
/* Adds what only replies carry; RILL_ENOMEM. */
int ri_js_request_metadata(ri_js_request *r, ri_js_map *metadata);
/* An info as it is sent: with the metadata of replies. NULL: out of memory. */
ri_stream_info *ri_js_stream_api_describe(ri_js_request *r, ri_stream *stream);

void ri_js_consumer_api_create(ri_js_request *r);
void ri_js_consumer_api_create_durable(ri_js_request *r);
/* An info as lists have it; false: out of memory. */
bool ri_js_consumer_api_fill(ri_js_request *r, ri_consumer *consumer, ri_consumer_info *info);

void ri_js_list_stream_names(ri_js_request *r);
void ri_js_list_streams(ri_js_request *r);
void ri_js_list_consumer_names(ri_js_request *r);
void ri_js_list_consumers(ri_js_request *r);

void ri_js_consumer_api_info(ri_js_request *r);
void ri_js_consumer_api_delete(ri_js_request *r);
void ri_js_consumer_api_pause(ri_js_request *r);
void ri_js_consumer_api_reset(ri_js_request *r);
void ri_js_consumer_api_unpin(ri_js_request *r);
void ri_js_consumer_api_next(ri_js_request *r);

void ri_js_direct_get(ri_js_request *r);

void ri_js_backup_create(ri_js_request *r);
void ri_js_restore_create(ri_js_request *r);
/* Is it for a transfer? Then it was taken. */
bool ri_js_backup_message(ri_js_request *r);
bool ri_js_backup_waiting(const ri_jetstream_api *api); /* something can be done now */
void ri_js_backup_step(ri_jetstream_api *api);
int64_t ri_js_backup_due_ns(const ri_jetstream_api *api);
void ri_js_backup_close_all(ri_jetstream_api *api);

int ri_js_system_start(ri_jetstream_api *api);
/* The accounts of the broker are others now: it hears in the one that is the system's. */
void ri_js_system_move(ri_jetstream_api *api);
/* May that one of its subscriptions be asked by, in its account? */
bool ri_js_system_hears(const ri_jetstream_api *api, const ri_subscription *sub);
extern const ri_party_ops ri_js_system_ops; /* of api->system */
/* Is it for the system? Then it was answered. */
bool ri_js_system_request(ri_js_request *r);
/* An answer: {"server":{...}, to which members are put, each behind a comma, ... */
void ri_js_system_begin(ri_js_request *r, ri_buffer *out);
void ri_js_system_server(ri_js_request *r, ri_buffer *out); /* that member alone */
void ri_js_system_end(ri_js_request *r, ri_buffer *out); /* ... and its end: it is sent and freed */
/* `page`: of one of these, which then has no data. */
void ri_js_system_fail(ri_js_request *r, int code, bool page, ri_str text);
void ri_js_pages_answer(ri_js_request *r, ri_str verb, ri_str account, bool inner); /* js_pages.c */
/* Is this server meant by the names that are in the options of a request? False: it is not, or was
 * answered that these are none. `root` is the options, if there are any. */
bool ri_js_pages_read(ri_js_request *r, ri_json *root);
void ri_js_acts_answer(ri_js_request *r, ri_str verb); /* js_acts.c */

/* ---- js_absent.c ---- */

extern const ri_party_ops ri_js_absent_ops; /* of api->absent */
/* The accounts of the broker are others now: it hears in those without streams, if it is $G's. */
void ri_js_absent_move(ri_jetstream_api *api);
void ri_js_absent_step(ri_jetstream_api *api);
bool ri_js_absent_waiting(const ri_jetstream_api *api);
void ri_js_absent_close(ri_jetstream_api *api);
/* What an account without streams answers to that, behind `out`, unless that is NULL; nothing: it
 * is silent. False: nobody listens there. */
bool ri_js_request_refusal(ri_jetstream_api *api, ri_str subject, ri_buffer *out);

/* Advisories: built and published only when someone listens. */
void ri_js_advisory_audit(ri_js_request *r, ri_str response);
/* A backup or restore begins or is over. */
typedef struct ri_js_transfer_event {
    bool restore, over;
    ri_str stream;
    const ri_stream_state *state; /* a backup that begins */
    int64_t begun_ns;             /* wall clock; of one that is over */
    uint64_t bytes;               /* a restore that is over: so many came */
    const char *error;            /* a backup that is over: NULL, all went well */
} ri_js_transfer_event;
void ri_js_advisory_transfer(ri_jetstream_api *api, const ri_js_transfer_event *event);
void ri_js_advisory_event(ri_jetstream_api *api, const ri_js_event *event);

#endif
