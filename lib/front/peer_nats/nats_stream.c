/* SPDX-License-Identifier: Apache-2.0 */
/* Streams behind a server: made, changed, looked at. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/jetstream/js_answers.h"
#include "codec/jetstream/jsconf.h"
#include "front/peer_nats/nats_ask.h"

#define STREAM_TAKES_NS RI_SEC /* that it may take to find out who takes a subject */

/* The name of a stream becomes one token of the subject that asks for it. A server is never asked
 * for a name that would be several tokens, or a wildcard. */
static int nats_stream_check_name(const char *name)
{
    size_t len = strlen(name);
    if (len > 255) return ri_err(RILL_EINVAL, "the stream's name is longer than 255");
    if (len == 0 || strpbrk(name, " \t\r\n\f.*>\\/"))
        return ri_err(RILL_EINVAL, "a stream's name has 1 to 255 characters, and no blanks, dots, "
                      "slashes or wildcards");
    return RILL_OK;
}

static int nats_stream_ask_info(ri_nats_api *api, const char *stream,
                                const ri_js_stream_info_request *body,
                                ri_js_stream_info_reply *reply, bool keeps)
{
    int rc = nats_stream_check_name(stream);
    if (rc < 0) return rc;
    rc = ri_nats_api_ask(api, &(ri_nats_api_request){
        .verb = "STREAM.INFO", .stream = stream, .reads = true, .body = body,
        .type = body ? &ri_jsapi_stream_info_request : NULL, .keeps = keeps,
        .answer_type = &ri_jsapi_stream_info_reply, .answer = reply});
    if (api->err_code == RI_JS_STREAM_NOT_FOUND)
        return ri_err(RILL_ENOENT, "there is no stream %s", stream);
    if (rc == RILL_OK && (!reply->info || !reply->info->config))
        return ri_err(RILL_EPROTO, "%s says nothing of the stream %s", api->peer->server, stream);
    return rc;
}

int ri_nats_stream_info(ri_nats_api *api, const char *stream, const ri_stream_info **info)
{
    ri_js_stream_info_reply reply;
    int rc = nats_stream_ask_info(api, stream, NULL, &reply, false);
    if (rc == RILL_OK) *info = reply.info;
    return rc;
}

int ri_nats_stream_deleted(ri_nats_api *api, const char *stream, const ri_stream_info **info)
{
    ri_js_stream_info_request body = {.deleted_details = true};
    ri_js_stream_info_reply reply;
    int rc = nats_stream_ask_info(api, stream, &body, &reply, false);
    if (rc == RILL_OK) *info = reply.info;
    return rc;
}

/* ---- Made and changed ---- */

typedef struct nats_stream_need { /* what is wanted, and which nats-server has it */
    bool wanted;
    uint32_t minor;               /* of 2 */
    const char *what;
} nats_stream_need;

static bool nats_stream_renames(const ri_stream_conf *conf)
{
    bool some = conf->subject_transform || (conf->mirror && conf->mirror->subject_transforms.len);
    for (uint32_t i = 0; i < conf->sources.len && !some; i++)
        some = conf->sources.items[i].subject_transforms.len > 0;
    return some;
}

/* What a server that does not know it would pass over in silence. Ours knows all of it, whatever
 * version it announces. */
static int nats_stream_check(ri_nats_api *api, const ri_stream_conf *conf)
{
    const nats_stream_need needs[] = {
        {conf->first_seq > 1, 10, "streams with a first_seq"},
        {nats_stream_renames(conf), 10, "streams that change subjects"},
        {conf->allow_msg_ttl, 11, "messages with a time to live"},
        {conf->subject_delete_marker_ttl != 0, 11, "markers of what age has removed"},
        {conf->allow_msg_schedules, 12, "schedules"},
    };
    int64_t tombstone_ns;
    int rc = RILL_OK;
    RI_ASSERT(ri_nats_peer_is_entered(api->peer) && conf->name.len);
    if (api->peer->is_rill) return RILL_OK;
    if (ri_jsconf_compact(conf, &tombstone_ns) == 1)
        return ri_err(RILL_ENOTSUP, "compact needs a broker of rill; max_msgs_per_subject = 1 "
                      "keeps the last message of each subject on %s, too", api->peer->server);
    if (ri_jsconf_dedupe_strict(conf) == 1)
        return ri_err(RILL_ENOTSUP, "dedupe_strictly needs a broker of rill, which %s is not",
                      api->peer->server);
    for (size_t i = 0; i < RI_LEN(needs) && rc == RILL_OK; i++)
        if (needs[i].wanted) rc = ri_nats_peer_needs(api->peer, 2, needs[i].minor, needs[i].what);
    return rc;
}

/* What a handle does not say of a stream that is there stays: on how many servers, and which. */
static int nats_stream_put(ri_nats_api *api, const char *verb, const ri_stream_conf *conf,
                           const ri_stream_conf *was)
{
    ri_js_stream_request body = {.conf = *conf};
    if (!conf->num_replicas) body.conf.num_replicas = was ? was->num_replicas : 1;
    if (was) body.conf.placement = was->placement;
    /* A batch needs the stream's leave, which a server may not know. */
    if (!conf->mirror && ri_nats_peer_needs(api->peer, 2, 12, "batches") == RILL_OK)
        body.conf.allow_atomic = true;
    ri_js_stream_reply reply;
    char *name = ri_arena_copy(&api->arena, conf->name.ptr, conf->name.len);
    if (!name) return RILL_ENOMEM;
    if (conf->first_seq > RI_LIMIT_SEQUENCE)
        return ri_err(RILL_EINVAL, "first_seq is too great");
    int rc = nats_stream_check_name(name);
    if (rc == RILL_OK) rc = nats_stream_check(api, conf);
    if (rc < 0) return rc;
    return ri_nats_api_ask(api, &(ri_nats_api_request){
        .verb = verb, .stream = name, .type = &ri_jsapi_stream_request, .body = &body,
        .answer_type = &ri_jsapi_stream_reply, .answer = &reply});
}

int ri_nats_stream_make(ri_nats_api *api, ri_ask *ask)
{
    const ri_stream_info *info;
    int rc = ri_nats_stream_info(api, ask->stream, &info);
    if (rc != RILL_ENOENT || !ask->conf) return rc;
    return nats_stream_put(api, "STREAM.CREATE", ask->conf, NULL);
}

/* A server may add to the configuration what we do not say; what it copies is not ours to drop. */
int ri_nats_stream_ensure(ri_nats_api *api, ri_ask *ask)
{
    RI_ASSERT(ask->conf);
    const ri_stream_info *info;
    int rc = ri_nats_stream_info(api, ask->stream, &info);
    if (rc < 0 && rc != RILL_ENOENT) return rc;
    bool there = rc == RILL_OK;
    rc = there ? nats_stream_put(api, "STREAM.UPDATE", ask->conf, info->config)
               : nats_stream_put(api, "STREAM.CREATE", ask->conf, NULL);
    if (rc < 0) return there && rc == RILL_EINVAL ? RILL_EEXIST : rc;
    return !there;
}

/* The configuration goes back as it came, whatever is in it that we do not know. */
static int nats_stream_put_sealed(ri_nats_api *api, const char *stream, ri_str info)
{
    ri_buffer body;
    ri_js_stream_reply reply;
    ri_buffer_init(&body, &api->peer->bus.host);
    RI_ASSERT(info.len > 0);
    int rc = ri_js_answers_change(info, "sealed", RI_STR("true"), &body);
    if (rc == RILL_OK)
        rc = ri_nats_api_ask(api, &(ri_nats_api_request){
            .verb = "STREAM.UPDATE", .stream = stream, .text = ri_buffer_str(&body),
            .answer_type = &ri_jsapi_stream_reply, .answer = &reply});
    ri_buffer_fini(&body);
    return rc;
}

int ri_nats_stream_seal(ri_nats_api *api, ri_ask *ask)
{
    ri_js_stream_info_reply reply;
    int rc = nats_stream_ask_info(api, ask->stream, NULL, &reply, true);
    return rc < 0 ? rc : nats_stream_put_sealed(api, ask->stream, api->text);
}

int ri_nats_stream_delete(ri_nats_api *api, ri_ask *ask)
{
    ri_js_ok_reply reply;
    int rc = nats_stream_check_name(ask->stream);
    if (rc < 0) return rc;
    rc = ri_nats_api_ask(api, &(ri_nats_api_request){
        .verb = "STREAM.DELETE", .stream = ask->stream, .answer_type = &ri_jsapi_ok_reply,
        .answer = &reply});
    if (api->err_code == RI_JS_STREAM_NOT_FOUND)
        return ri_err(RILL_ENOENT, "there is no stream %s", ask->stream);
    return rc;
}

int ri_nats_stream_purge(ri_nats_api *api, ri_ask *ask)
{
    ri_js_purge_request body = {.filter = ask->subject, .seq = ask->seq, .keep = ask->keep};
    ri_js_purge_reply reply;
    int rc = nats_stream_check_name(ask->stream);
    if (rc < 0) return rc;
    rc = ri_nats_api_ask(api, &(ri_nats_api_request){
        .verb = "STREAM.PURGE", .stream = ask->stream, .type = &ri_jsapi_purge_request,
        .body = &body, .answer_type = &ri_jsapi_purge_reply, .answer = &reply});
    if (api->err_code == RI_JS_STREAM_NOT_FOUND)
        return ri_err(RILL_ENOENT, "there is no stream %s", ask->stream);
    if (rc == RILL_OK && ask->kind == RI_ASK_STREAM_PURGE) *ask->out.count = reply.purged;
    return rc;
}

int ri_nats_stream_erase(ri_nats_api *api, ri_ask *ask)
{
    ri_js_msg_delete_request body = {.seq = ask->seq};
    ri_js_ok_reply reply;
    int rc = nats_stream_check_name(ask->stream);
    if (rc < 0) return rc;
    rc = ri_nats_api_ask(api, &(ri_nats_api_request){
        .verb = "STREAM.MSG.DELETE", .stream = ask->stream, .body = &body,
        .type = &ri_jsapi_msg_delete_request, .answer_type = &ri_jsapi_ok_reply,
        .answer = &reply});
    if (api->err_code == RI_JS_STREAM_NOT_FOUND)
        return ri_err(RILL_ENOENT, "there is no stream %s", ask->stream);
    return rc;
}

/* ---- Looked at ---- */

static void nats_stream_fill(const ri_stream_info *info, rill_stream_info *out)
{
    const ri_stream_state *state = &info->state;
    out->msgs = state->messages;
    out->bytes = state->bytes;
    out->first_seq = state->first_seq;
    out->last_seq = state->last_seq;
    out->first_time_ns = state->first_ts == RI_JS_TIME_ZERO ? 0 : state->first_ts;
    out->last_time_ns = state->last_ts == RI_JS_TIME_ZERO ? 0 : state->last_ts;
    out->subjects = state->num_subjects;
    out->groups = (uint32_t)RI_MIN(state->consumer_count, UINT32_MAX);
}

int ri_nats_stream_status(ri_nats_api *api, ri_ask *ask)
{
    const ri_stream_info *info;
    int rc = ri_nats_stream_info(api, ask->stream, &info);
    if (rc == RILL_OK) nats_stream_fill(info, ask->out.stream);
    return rc;
}

int ri_nats_stream_describe(ri_nats_api *api, ri_ask *ask)
{
    const ri_stream_info *info;
    rill_stream_info out = {.size = sizeof out};
    int rc = ri_nats_stream_info(api, ask->stream, &info);
    if (rc < 0) return rc;
    nats_stream_fill(info, &out);
    return ask->take(ask->arg, info->config, &out);
}

/* Page by page; a page that brings nothing is the last, whatever the total says. */
int ri_nats_stream_names(ri_nats_api *api, ri_ask *ask)
{
    ri_js_list_request body = {0};
    ri_js_stream_names_reply reply;
    do {
        int rc = ri_nats_api_ask(api, &(ri_nats_api_request){
            .verb = "STREAM.NAMES", .reads = true, .type = &ri_jsapi_stream_names_request,
            .body = &body, .answer_type = &ri_jsapi_stream_names_reply, .answer = &reply});
        if (rc < 0) return rc;
        for (uint32_t i = 0; i < reply.streams.len; i++)
            ri_ask_put_name(ask->out.names, reply.streams.items[i]);
        body.offset += reply.streams.len;
    } while (reply.streams.len && body.offset < reply.paged.total && !ask->out.names->failed);
    return ask->out.names->failed ? RILL_ENOMEM : RILL_OK;
}

int ri_nats_stream_subjects(ri_nats_api *api, ri_ask *ask)
{
    ri_js_stream_info_request body = {.subjects_filter = ask->subject};
    ri_js_stream_info_reply reply;
    uint32_t got;
    if (!body.subjects_filter.len) body.subjects_filter = RI_STR(">");
    do {
        int rc = nats_stream_ask_info(api, ask->stream, &body, &reply, false);
        if (rc < 0) return rc;
        const ri_js_counts *subjects = &reply.info->state.subjects;
        got = subjects->items ? subjects->len : 0;
        for (uint32_t i = 0; i < got; i++)
            ri_ask_put_name(ask->out.names, subjects->items[i].subject);
        body.offset += got;
    } while (got && body.offset < reply.paged.total && !ask->out.names->failed);
    return ask->out.names->failed ? RILL_ENOMEM : RILL_OK;
}

/* ---- Who takes a subject ---- */

/* Of a cluster the server that knows all streams is asked. If it does not answer, nobody knows. */
bool ri_nats_stream_takes(rill_bus *bus, ri_str subject, int64_t timeout_ns)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    if (!atomic_load(&peer->clustered)) return false;
    ri_nats_api api;
    ri_js_list_request body = {.subject = subject};
    ri_js_stream_names_reply reply = {0};
    int64_t wait_ns = timeout_ns < 0 ? STREAM_TAKES_NS : RI_MIN(timeout_ns, STREAM_TAKES_NS);
    ri_broker_enter(bus->broker);
    ri_nats_api_begin(&api, bus, wait_ns);
    int rc = ri_nats_api_ask(&api, &(ri_nats_api_request){
        .verb = "STREAM.NAMES", .reads = true, .type = &ri_jsapi_stream_names_request,
        .body = &body, .answer_type = &ri_jsapi_stream_names_reply, .answer = &reply});
    bool takes = rc == RILL_OK ? reply.streams.len > 0
                               : rc == RILL_ETIMEDOUT || ri_nats_api_is_passing(&api);
    ri_nats_api_end(&api);
    ri_broker_leave(bus->broker);
    return takes;
}
