/* SPDX-License-Identifier: Apache-2.0 */
/* The JetStream API: requests on $JS.API.>, answered by the engine.
 *
 *     request --router--> deliver op: queued (interest may not change within a publish)
 *     ri_jetstream_api_step()   takes them in order: JSON -> structs -> engine -> structs -> JSON
 *     answers                   leave at once; those that confirm a change, when it is committed
 *
 * The turn of its owner, inside the gate, around the engine's (engine/streams/js.h):
 *
 *     while (ri_jetstream_api_waiting(api) || ri_js_waiting(js)) {
 *         ri_jetstream_api_step(api, wall, mono);
 *         ri_js_step(js, wall, mono);
 *     }
 *
 * Its events make the advisories: give ri_jetstream_api_event and the api to ri_js_opts. The api
 * may be opened before the engine is (js comes with ri_jetstream_api_start), since the engine
 * has events from its first step on. */
#ifndef RI_JETSTREAM_API_H
#define RI_JETSTREAM_API_H

#include "engine/streams/consumer.h"
#include "front/broker/service.h"

typedef struct ri_jetstream_api ri_jetstream_api;

/* The API as what a durable half hosts beside its streams; js_service.c. */
extern const ri_service_ops ri_jetstream_service;
/* NULL: the service is none, or another one. */
ri_jetstream_api *ri_jetstream_api_of(ri_service *service);

struct ri_broker;
struct ri_js_request;

/* What the system's account asks of the broker, in the gate. */
typedef struct ri_js_house {
    const char *(*host)(const struct ri_broker *b); /* where it listens */
    /* What a page says of that account, empty: of all. `inner`: it was asked for that one. */
    void (*page)(struct ri_js_request *r, ri_str verb, ri_str account, bool inner); /* js_pages.c */
    void (*act)(struct ri_js_request *r, ri_str verb); /* js_acts.c */
} ri_js_house;

typedef struct ri_jetstream_api_opts {
    const ri_host *host;
    ri_router *router;
    const char *domain;        /* NULL: none; kept alive by the caller, so the next three */
    const char *server_name;
    const char *server_id;
    const char *version;       /* as announced, and in metadata */
    ri_account *account;       /* of the router; NULL: $G */
    bool lenient;              /* pass over unknown fields of requests */
    uint32_t max_msg_bytes;    /* of a message in an archive; 0: RI_LIMIT_PAYLOAD_MAX */
    void *broker;              /* what $SYS is asked about; NULL: there is none */
    bool attends;              /* no $JS.API is heard: JetStream is off, $SYS.REQ is not */
    const ri_js_house *house;  /* NULL where `broker` is */
} ri_jetstream_api_opts;

int ri_jetstream_api_open(ri_jetstream_api **api, const ri_jetstream_api_opts *opts);
/* Listen: from here on requests are queued. NULL js: JetStream is off, and every request gets the
 * error for that. */
int ri_jetstream_api_start(ri_jetstream_api *api, ri_js *js);
/* Before ri_js_close(). Requests that wait are dropped. */
void ri_jetstream_api_close(ri_jetstream_api *api);

bool ri_jetstream_api_waiting(const ri_jetstream_api *api);
void ri_jetstream_api_step(ri_jetstream_api *api, int64_t now_wall_ns, int64_t now_mono_ns);
int64_t ri_jetstream_api_next_due_ns(const ri_jetstream_api *api); /* monotonic; INT64_MAX: never */

/* For ri_js_opts.event; `arg` is the api. */
void ri_jetstream_api_event(void *arg, const ri_js_event *event);

/* A question of this process, which no bus hears; js_ask.c. Inside the gate, as all here. */
typedef struct ri_js_ask {
    ri_list link;
    ri_packet *packet;         /* the question */
    ri_buffer answer;
    bool over;                 /* the answer is there, or none will come ... */
    bool closed;               /* ... since the API is gone */
} ri_js_ask;
/* Whatever it returns, ri_jetstream_api_ask_end() is legal; after RILL_OK it must come. */
int ri_jetstream_api_ask(ri_jetstream_api *api, ri_js_ask *ask, ri_str subject, ri_str body);
void ri_jetstream_api_ask_end(ri_js_ask *ask);

typedef struct ri_jetstream_api_stats {
    uint64_t total, errors;    /* requests, and those answered with an error */
    uint64_t waiting;          /* requests that wait for the next step */
    uint64_t dropped;          /* refused since RI_LIMIT_JS_API_QUEUE waited */
} ri_jetstream_api_stats;
void ri_jetstream_api_stats_of(const ri_jetstream_api *api, ri_jetstream_api_stats *out);

#endif
