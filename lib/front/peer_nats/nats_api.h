/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the JetStream API of a server, in the structs and by the tables that a server of ours
 * answers with (codec/jetstream/jsapi.h):
 *
 *     ri_js_purge_request --> JSON --> PUB $JS.API.STREAM.PURGE.S
 *     ri_js_purge_reply   <-- JSON <-- its answer, or RILL_E* with the server's sentence
 *
 * What a handle asks (ri_ask) may take several of them, one after the other: each waits for its
 * answer where it is made, out of the gate and in again, so that an ask reads like the list of its
 * steps. They share one deadline, and one arena for what the answers point to. */
#ifndef RI_NATS_API_H
#define RI_NATS_API_H

#include "codec/jetstream/jsapi.h"
#include "front/peer_nats/nats_peer.h"

typedef struct ri_nats_api {
    ri_nats_peer *peer;
    int64_t until_ns;
    bool unawaited;            /* there is no time to wait for an answer */
    ri_arena arena;
    int err_code;              /* JetStream's number of what the last answer said; 0: no error */
    ri_str text;               /* the last answer that was to be kept, in the arena */
} ri_nats_api;

typedef struct ri_nats_api_request {
    const char *verb;          /* "STREAM.PURGE" */
    const char *stream, *name; /* the tokens behind it; NULL: none */
    ri_str filter;             /* and the last; empty: none */
    const ri_jsapi_type *type; /* of `body`; NULL: there is none */
    const void *body;
    ri_str text;               /* the body, where there is no `type` */
    bool reads;                /* it changes nothing, and may be repeated */
    bool keeps;                /* the text of the answer, too */
    const ri_jsapi_type *answer_type;
    void *answer;              /* begins with a ri_js_head; filled, NULL if it is an error */
} ri_nats_api_request;

/* Inside the gate, all of these. */
void ri_nats_api_begin(ri_nats_api *api, rill_bus *bus, int64_t timeout_ns);
void ri_nats_api_end(ri_nats_api *api);
/* RILL_ENOTSUP: there is no JetStream; else what the answer says. A cluster that has no leader now
 * is asked again until the time is up. */
int ri_nats_api_ask(ri_nats_api *api, const ri_nats_api_request *request);
/* Did the last answer say that the cluster has no leader? */
bool ri_nats_api_is_passing(const ri_nats_api *api);
/* Leaves the gate for a moment, by chance, and enters it again. False: the time is up. */
bool ri_nats_api_pause(ri_nats_api *api);
/* Ask without waiting, for q->done(); it and `api` last until then. */
int ri_nats_api_put(ri_nats_api *api, const ri_nats_api_request *request, ri_nats_question *q);
/* Then: what its answer says. `answer` is filled as above. */
int ri_nats_api_taken(ri_nats_api *api, ri_nats_question *q, const ri_jsapi_type *answer_type,
                      void *answer);
/* The same, the answer being what it is: a message on the inbox. `status` of its header block, 0 if
 * it has none; *packet, with a reference, if it is RILL_OK. RILL_ENOREPLY: nobody listens. */
int ri_nats_api_raw(ri_nats_api *api, ri_str subject, ri_str body, bool reads, ri_packet **packet,
                    int *status);
/* "$JS.API.VERB.stream.name" with a 0 behind it, in the arena; empty: out of memory. */
ri_str ri_nats_api_subject(ri_nats_api *api, const ri_nats_api_request *request);

#endif
