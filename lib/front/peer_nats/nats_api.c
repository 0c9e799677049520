/* SPDX-License-Identifier: Apache-2.0 */
#include "front/peer_nats/nats_api.h"

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "codec/jetstream/js_answers.h"

/* Before something is asked again; half as much more by chance. */
#define API_PAUSE_NS (100 * RI_MS)

void ri_nats_api_begin(ri_nats_api *api, rill_bus *bus, int64_t timeout_ns)
{
    *api = (ri_nats_api){.peer = ri_nats_peer_of(bus)};
    ri_arena_init(&api->arena, &bus->host);
    api->until_ns = ri_deadline_in(&bus->host, timeout_ns);
    api->unawaited = timeout_ns == 0;
}

void ri_nats_api_end(ri_nats_api *api)
{
    ri_arena_fini(&api->arena);
}

static char *api_put_token(char *at, ri_str token)
{
    if (!token.len) return at;
    *at++ = '.';
    return ri_str_put(at, token);
}

ri_str ri_nats_api_subject(ri_nats_api *api, const ri_nats_api_request *r)
{
    ri_str prefix = ri_str_of(api->peer->conf.api), verb = ri_str_of(r->verb);
    ri_str stream = ri_str_of(r->stream), name = ri_str_of(r->name);
    char *text = ri_arena_alloc(&api->arena, prefix.len + verb.len + stream.len + name.len +
                                                 r->filter.len + 4);
    if (!text) return RI_STR_NONE;
    char *at = ri_str_put(ri_str_put(text, prefix), verb);
    at = api_put_token(at, stream);
    at = api_put_token(at, name);
    at = api_put_token(at, r->filter);
    *at = 0;
    return (ri_str){text, (size_t)(at - text)};
}

static int api_wait(ri_nats_api *api, ri_nats_question *q, ri_packet **packet, int *status)
{
    int rc = ri_nats_calls_ask(api->peer, q, api->until_ns);
    if (rc < 0) return rc;
    *status = q->status;
    *packet = q->packet;
    return RILL_OK;
}

int ri_nats_api_raw(ri_nats_api *api, ri_str subject, ri_str body, bool reads, ri_packet **packet,
                    int *status)
{
    RI_ASSERT(ri_nats_peer_is_entered(api->peer) && subject.len);
    ri_nats_question q = {.subject = subject, .body = body, .reads = reads,
                          .unawaited = api->unawaited};
    return api_wait(api, &q, packet, status);
}

int ri_nats_api_put(ri_nats_api *api, const ri_nats_api_request *r, ri_nats_question *q)
{
    ri_buffer body;
    q->subject = ri_nats_api_subject(api, r);
    q->reads = r->reads;
    if (!q->subject.len) return RILL_ENOMEM;
    ri_buffer_init(&body, &api->peer->bus.host);
    if (r->type) ri_jsapi_encode(r->type, r->body, &body);
    q->body = ri_buffer_str(&body);
    int rc = body.failed ? RILL_ENOMEM : ri_nats_calls_put(api->peer, q);
    q->body = RI_STR_NONE;
    ri_buffer_fini(&body);
    return rc;
}

static int api_read(ri_nats_api *api, const ri_nats_api_request *r, ri_str json)
{
    RI_ASSERT(r->answer && r->answer_type);
    int rc = ri_js_answers_read(r->answer_type, json, &api->arena, r->answer, &api->err_code);
    if (rc == RILL_EPROTO)
        return ri_err_wrap(rc, "%s, asked for %s", api->peer->server, r->verb);
    if (api->err_code) return ri_bus_words_say(rc);
    if (rc < 0 || !r->keeps) return rc;
    const char *text = ri_arena_copy(&api->arena, json.ptr, json.len);
    api->text = (ri_str){text, text ? json.len : 0};
    return text ? RILL_OK : RILL_ENOMEM;
}

int ri_nats_api_taken(ri_nats_api *api, ri_nats_question *q, const ri_jsapi_type *answer_type,
                      void *answer)
{
    api->err_code = 0;
    if (q->failure.code < 0) return ri_failure_restore(&q->failure);
    int rc = api_read(api, &(ri_nats_api_request){.verb = "the API", .answer_type = answer_type,
                                                  .answer = answer}, ri_packet_data(q->packet));
    ri_packet_unref(q->packet);
    q->packet = NULL;
    return rc;
}

static int api_ask_once(ri_nats_api *api, const ri_nats_api_request *r)
{
    ri_buffer body;
    ri_packet *packet = NULL;
    int status = 0, rc = RILL_OK;
    ri_str subject = ri_nats_api_subject(api, r);
    if (!subject.len) return RILL_ENOMEM;
    api->err_code = 0;
    ri_buffer_init(&body, &api->peer->bus.host);
    if (r->type) ri_jsapi_encode(r->type, r->body, &body);
    if (body.failed) rc = RILL_ENOMEM;
    ri_nats_question q = {.subject = subject, .body = r->type ? ri_buffer_str(&body) : r->text,
                          .reads = r->reads, .unawaited = api->unawaited};
    if (rc == RILL_OK) rc = api_wait(api, &q, &packet, &status);
    ri_buffer_fini(&body);
    if (rc == RILL_ENOREPLY)
        return ri_err(RILL_ENOTSUP, "there is no JetStream behind %s", api->peer->server);
    if (rc < 0) return rc;
    rc = api_read(api, r, ri_packet_data(packet));
    ri_packet_unref(packet);
    return rc;
}

bool ri_nats_api_is_passing(const ri_nats_api *api)
{
    return api->err_code == RI_JS_CLUSTER_NOT_AVAIL || api->err_code == RI_JS_CLUSTER_NOT_LEADER;
}

bool ri_nats_api_pause(ri_nats_api *api)
{
    rill_bus *bus = &api->peer->bus;
    const bool never = false;
    int64_t left_ns = ri_deadline_left_ns(&bus->host, api->until_ns);
    int64_t pause_ns = API_PAUSE_NS + (int64_t)(ri_nuid_number(&bus->nuid) % (API_PAUSE_NS / 2));
    if (left_ns >= 0 && left_ns <= pause_ns) return false;
    ri_bus_await(bus, &never, pause_ns);
    return !atomic_load(&bus->closed);
}

int ri_nats_api_ask(ri_nats_api *api, const ri_nats_api_request *r)
{
    for (bool leaderless = false;; leaderless = true) {
        int rc = api_ask_once(api, r);
        bool late = leaderless && rc == RILL_ETIMEDOUT;
        if (!late && !ri_nats_api_is_passing(api)) return rc;
        if (late || !ri_nats_api_pause(api))
            return ri_err(RILL_ETIMEDOUT, "%s: the cluster has no leader, and did not get one in "
                          "time", api->peer->server);
    }
}
