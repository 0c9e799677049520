/* SPDX-License-Identifier: Apache-2.0 */
/* Groups behind a server, which calls them consumers. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/nats/headers.h"
#include "front/peer_nats/nats_ask.h"


static int nats_group_no_stream(const char *stream)
{
    return ri_err(RILL_ENOENT, "there is no stream %s", stream);
}

static int nats_group_check(const char *name)
{
    size_t len = strlen(name);
    if (len > 255) return ri_err(RILL_EINVAL, "the group's name is longer than 255");
    if (len == 0 || strpbrk(name, " \t\r\n\f.*>\\/"))
        return ri_err(RILL_EINVAL, "a group's name has no blanks, dots, slashes or wildcards");
    return RILL_OK;
}

/* One request about a group; RILL_ENOENT says what is not there. */
static int nats_group_request(ri_nats_api *api, ri_nats_api_request *request)
{
    int rc = nats_group_check(request->stream);
    if (rc == RILL_OK && request->name) rc = nats_group_check(request->name);
    if (rc < 0) return rc;
    rc = ri_nats_api_ask(api, request);
    if (api->err_code == RI_JS_STREAM_NOT_FOUND) return nats_group_no_stream(request->stream);
    if (api->err_code == RI_JS_CONSUMER_NOT_FOUND)
        return ri_err(RILL_ENOENT, "there is no group %s", request->name);
    return rc;
}

static int nats_group_check_answer(ri_nats_api *api, const ri_js_consumer_reply *reply)
{
    if (reply->info && reply->info->config && reply->info->name.len &&
        reply->info->name.len < RI_ASK_NAME_MAX) return RILL_OK;
    return ri_err(RILL_EPROTO, "%s says nothing of a consumer", api->peer->server);
}

static int nats_group_info(ri_nats_api *api, const char *stream, const char *name,
                      const ri_consumer_info **info)
{
    ri_js_consumer_reply reply;
    int rc = nats_group_request(api, &(ri_nats_api_request){
        .verb = "CONSUMER.INFO", .stream = stream, .name = name, .reads = true,
        .answer_type = &ri_jsapi_consumer_reply, .answer = &reply});
    if (rc == RILL_OK) rc = nats_group_check_answer(api, &reply);
    if (rc == RILL_OK) *info = reply.info;
    return rc;
}

/* The consumer's name and, if it is one, its filter are part of the subject. `again`: it is asked
 * again when the connection is lost. */
static int nats_group_create(ri_nats_api *api, const char *stream, const ri_consumer_conf *conf,
                             ri_js_action action, bool again, const ri_consumer_info **info)
{
    ri_js_consumer_request body = {.stream_name = ri_str_of(stream), .conf = *conf,
                                   .action = action};
    ri_js_consumer_reply reply;
    char *name = ri_arena_copy(&api->arena, conf->name.ptr, conf->name.len);
    if (!name) return RILL_ENOMEM;
    int rc = nats_group_request(api, &(ri_nats_api_request){
        .verb = "CONSUMER.CREATE", .stream = stream, .name = name, .filter = conf->filter_subject,
        .reads = again,
        .type = &ri_jsapi_consumer_request, .body = &body,
        .answer_type = &ri_jsapi_consumer_reply, .answer = &reply});
    if (rc == RILL_OK) rc = nats_group_check_answer(api, &reply);
    if (rc == RILL_OK) *info = reply.info;
    return rc;
}

static int nats_group_delete(ri_nats_api *api, const char *stream, const char *name, bool again)
{
    ri_js_ok_reply reply;
    return nats_group_request(api, &(ri_nats_api_request){
        .verb = "CONSUMER.DELETE", .stream = stream, .name = name, .reads = again,
        .answer_type = &ri_jsapi_ok_reply, .answer = &reply});
}

/* ---- Joining ---- */

/* Only a server of ours moves dead letters: others would keep the wish and lose the message. */
static int nats_group_check_dead(ri_nats_api *api, const ri_ask *ask)
{
    const ri_stream_info *info;
    ri_str dead = ri_bus_group_dead_letters(&ask->draft->request.conf);
    if (!dead.len) return RILL_OK;
    if (!api->peer->is_rill)
        return ri_err(RILL_ENOTSUP, "dead_letters: %s does not move messages to another stream",
                      api->peer->server);
    if (ri_str_is(dead, ask->stream))
        return ri_err(RILL_EINVAL, "dead_letters: %s is the stream that is read", ask->stream);
    int rc = ri_nats_stream_info(api, ask->draft->opts->dead_letters, &info);
    return rc == RILL_ENOENT ? ri_err_wrap(rc, "dead_letters") : rc;
}

/* A name of its own for a consumer of one reader. */
static int nats_group_name_own(ri_nats_api *api, ri_consumer_conf *conf)
{
    char *name = ri_arena_alloc(&api->arena, RI_NUID_LEN);
    if (!name) return RILL_ENOMEM;
    ri_nuid_next(&api->peer->bus.nuid, name);
    conf->name = (ri_str){name, RI_NUID_LEN};
    return RILL_OK;
}

/* A tail is one reader's, and nothing of it is worth a disk. */
static void nats_group_make_light(ri_consumer_conf *conf)
{
    conf->mem_storage = true;
    conf->num_replicas = 1;
}

/* A group that is made by two at once is there for one of them. */
static int nats_group_join_group(ri_nats_api *api, ri_ask *ask, const ri_consumer_info **info)
{
    const char *group = ask->draft->opts->group;
    int rc = nats_group_info(api, ask->stream, group, info);
    if (rc == RILL_ENOENT && api->err_code == RI_JS_CONSUMER_NOT_FOUND) {
        rc = nats_group_check_dead(api, ask);
        if (rc == RILL_OK)
            rc = nats_group_create(api, ask->stream, &ask->draft->request.conf, RI_ACTION_CREATE,
                                   false, info);
        if (rc != RILL_EEXIST) return rc;
        rc = nats_group_info(api, ask->stream, group, info);
    }
    return rc == RILL_OK ? ri_bus_group_may_join(ask->draft, (*info)->config) : rc;
}

static bool nats_group_is_queue(ri_nats_api *api, const char *stream)
{
    const ri_stream_info *info;
    ri_failure failure;
    ri_failure_keep(&failure, RILL_EINVAL); /* the sentence at hand outlives the question */
    int rc = ri_nats_stream_info(api, stream, &info);
    ri_failure_restore(&failure);
    return rc == RILL_OK && info->config->retention == RI_RETAIN_WORKQUEUE;
}

static int nats_group_join_own(ri_nats_api *api, ri_ask *ask, const ri_consumer_info **info)
{
    ri_consumer_conf conf = ask->draft->request.conf;
    int rc = nats_group_check_dead(api, ask);
    if (rc == RILL_OK) rc = nats_group_name_own(api, &conf);
    if (rc < 0) return rc;
    if (ask->draft->tail) nats_group_make_light(&conf);
    rc = nats_group_create(api, ask->stream, &conf, RI_ACTION_CREATE, false, info);
    if (rc < 0 && ask->draft->tail && nats_group_is_queue(api, ask->stream))
        return ri_err(RILL_ENOTSUP, "%s lets nobody look at a stream of RILL_KEEP_WORK without "
                      "taking its jobs", api->peer->server);
    return rc;
}

int ri_nats_group_join(ri_nats_api *api, ri_ask *ask)
{
    RI_ASSERT(ask->draft && ask->out.joined);
    const ri_consumer_info *info;
    int rc = ask->draft->opts->group ? nats_group_join_group(api, ask, &info)
                                     : nats_group_join_own(api, ask, &info);
    if (rc < 0) return rc;
    const ri_consumer_conf *conf = info->config;
    ri_ask_joined *joined = ask->out.joined;
    *joined = (ri_ask_joined){.acks = conf->ack_policy != RI_ACK_NONE,
                              .counted = conf->max_deliver > 0,
                              .max_unacked = conf->max_ack_pending,
                              .pending = info->num_pending};
    snprintf(joined->name, sizeof joined->name, "%.*s", RI_ARG(info->name));
    return ri_nats_pull_new(api->peer, ask->stream, info, !ask->draft->opts->group,
                            &joined->reader);
}

/* ---- Changing ---- */

/* Where it began stays, whatever is said of that. */
int ri_nats_group_ensure(ri_nats_api *api, ri_ask *ask)
{
    const ri_consumer_info *info;
    ri_consumer_conf conf = ask->draft->request.conf;
    int rc = nats_group_info(api, ask->stream, ask->draft->opts->group, &info);
    bool there = rc == RILL_OK;
    if (rc < 0 && api->err_code != RI_JS_CONSUMER_NOT_FOUND) return rc;
    if (there) {
        conf.deliver_policy = info->config->deliver_policy;
        conf.opt_start_seq = info->config->opt_start_seq;
        conf.opt_start_time = info->config->opt_start_time;
    }
    if ((rc = nats_group_check_dead(api, ask)) < 0) return rc;
    rc = nats_group_create(api, ask->stream, &conf, RI_ACTION_ANY, false, &info);
    if (rc < 0) return there && rc == RILL_EINVAL ? RILL_EEXIST : rc;
    return !there;
}

int ri_nats_group_delete(ri_nats_api *api, ri_ask *ask)
{
    return nats_group_delete(api, ask->stream, ask->group, false);
}

static int nats_group_seq_at(ri_nats_api *api, const ri_ask *ask, uint64_t *seq)
{
    const ri_stream_info *info;
    const rill_at *at = ask->at;
    *seq = at->from == RILL_FROM_SEQ ? at->seq : 1;
    if (at->from == RILL_FROM_TIME)
        return ri_nats_stored_seq_at(api, ask->stream, at->time_ns, seq);
    if (at->from != RILL_FROM_NEW) return RILL_OK;
    int rc = ri_nats_stream_info(api, ask->stream, &info);
    if (rc == RILL_OK) *seq = info->state.last_seq + 1;
    return rc;
}

/* In place, where the server can: its members read on. */
static int nats_group_reset(ri_nats_api *api, const ri_ask *ask, uint64_t seq)
{
    ri_js_reset_request body = {.seq = seq};
    ri_js_reset_reply reply;
    const ri_consumer_info *info;
    int rc = nats_group_info(api, ask->stream, ask->group, &info);
    if (rc < 0) return rc; /* of one that is not there a reset may say nothing at all */
    return nats_group_request(api, &(ri_nats_api_request){
        .verb = "CONSUMER.RESET", .stream = ask->stream, .name = ask->group,
        .type = &ri_jsapi_reset_request, .body = &body, .answer_type = &ri_jsapi_reset_reply,
        .answer = &reply});
}

void ri_nats_group_begin_at(ri_consumer_conf *conf, const rill_at *at, uint64_t seq)
{
    RI_ASSERT(at->from != RILL_FROM_LAST);
    bool by_time = at->from == RILL_FROM_TIME;
    conf->deliver_policy = by_time ? RI_DELIVER_BY_START_TIME : RI_DELIVER_BY_START_SEQUENCE;
    conf->opt_start_seq = by_time ? 0 : seq;
    conf->opt_start_time = by_time ? at->time_ns : 0;
}

/* What is not there is deleted, and what is there, and the same, is made: so both are asked again
 * when an answer is lost. */
static int nats_group_replace(ri_nats_api *api, const ri_ask *ask, const ri_consumer_conf *conf,
                              bool *deleted)
{
    const ri_consumer_info *info;
    int rc = nats_group_delete(api, ask->stream, ask->group, true);
    if (rc < 0 && api->err_code != RI_JS_CONSUMER_NOT_FOUND) return rc;
    *deleted = true;
    return nats_group_create(api, ask->stream, conf, RI_ACTION_CREATE, true, &info);
}

/* It is the one way to send a group elsewhere that an older server has. Once it is deleted, it is
 * made as long as there is time, whatever the server says. */
static int nats_group_make_anew(ri_nats_api *api, const ri_ask *ask, uint64_t seq)
{
    const ri_consumer_info *info;
    bool deleted = false;
    int rc = nats_group_info(api, ask->stream, ask->group, &info);
    if (rc < 0) return rc;
    ri_consumer_conf conf = *info->config;
    ri_nats_group_begin_at(&conf, ask->at, seq);
    conf.name = info->name;
    do rc = nats_group_replace(api, ask, &conf, &deleted);
    while (rc < 0 && deleted && ri_nats_api_pause(api));
    if (rc == RILL_OK || !deleted) return rc;
    return ri_err_wrap(rc, "the group %s is deleted, and could not be made anew", ask->group);
}

/* A group, with all its members. */
static int nats_group_send(ri_nats_api *api, const ri_ask *ask, uint64_t seq, bool resets)
{
    RI_ASSERT(ri_nats_peer_is_entered(api->peer));
    ri_nats_pull_hold(api->peer, ask->stream, ask->group);
    int rc = resets ? nats_group_reset(api, ask, seq) : nats_group_make_anew(api, ask, seq);
    ri_failure why;
    ri_failure_keep(&why, rc);
    ri_nats_pull_go_on(api->peer, ask->stream, ask->group, rc == RILL_OK);
    return ri_failure_restore(&why);
}

int ri_nats_group_seek(ri_nats_api *api, ri_ask *ask)
{
    uint64_t seq = 0;
    bool own = ask->sub && ri_nats_pull_is_own(ask->sub);
    bool resets = !own && ri_nats_peer_needs(api->peer, 2, 14, "seeks") == RILL_OK;
    bool by_seq = resets || ask->at->from != RILL_FROM_TIME;
    int rc = by_seq ? nats_group_seq_at(api, ask, &seq) : RILL_OK;
    if (rc < 0) return rc;
    rc = own ? ri_nats_pull_seek(api, ask->sub, ask->at, seq)
             : nats_group_send(api, ask, seq, resets);
    if (rc == RILL_ENOENT && ask->sub)
        return ri_err(RILL_ECLOSED, "the stream or the group is gone");
    return rc;
}

int ri_nats_group_pause(ri_nats_api *api, ri_ask *ask)
{
    ri_js_pause_request body = {.pause_until = RI_MAX(ask->time_ns, 0)};
    ri_js_pause_reply reply;
    int rc = ri_nats_peer_needs(api->peer, 2, 11, "pauses of groups");
    if (rc < 0) return rc;
    return nats_group_request(api, &(ri_nats_api_request){
        .verb = "CONSUMER.PAUSE", .stream = ask->stream, .name = ask->group,
        .type = &ri_jsapi_pause_request, .body = &body, .answer_type = &ri_jsapi_pause_reply,
        .answer = &reply});
}

/* ---- Looking ---- */

/* The age of the first message that it is behind, and how many bytes all may be: what a message of
 * the stream has on average. */
static void nats_group_fill_lag(ri_nats_api *api, const ri_ask *ask, const ri_consumer_info *info)
{
    rill_msg *m;
    const ri_stream_info *stream;
    rill_group_info *out = ask->out.group;
    if (!out->lag_msgs) return;
    const ri_consumer_conf *conf = info->config;
    ri_ask first = {.kind = RI_ASK_NEXT, .stream = ask->stream, .out.msg = &m,
                    .seq = info->delivered.stream_seq + 1, .subject = conf->filter_subject};
    if (conf->filter_subjects.len == 0 && ri_nats_stored_get(api, &first) == RILL_OK) {
        out->lag_ns = RI_MAX(ri_ns_sub(ri_wall_ns(&api->peer->bus.host), m->time_ns), 0);
        ri_bus_msg_unref(m);
    }
    if (ri_nats_stream_info(api, ask->stream, &stream) == RILL_OK && stream->state.messages)
        out->lag_bytes = ri_u64_mul(stream->state.bytes / stream->state.messages, out->lag_msgs);
}

int ri_nats_group_status(ri_nats_api *api, ri_ask *ask)
{
    const ri_consumer_info *info;
    const char *name = ri_nats_pull_name(api->peer, ask->stream, ask->group);
    int rc = nats_group_info(api, ask->stream, name, &info);
    if (rc < 0) return rc;
    rill_group_info *out = ask->out.group;
    uint64_t unread = ri_nats_pull_unread(api->peer, ask->stream, ask->group,
                                          info->delivered.consumer_seq);
    unread = RI_MIN(unread, info->num_ack_pending);
    out->unacked_msgs = info->num_ack_pending - unread;
    out->lag_msgs = ri_u64_add(info->num_pending, unread);
    out->redelivered_msgs = info->num_redelivered;
    out->delivered_seq = info->delivered.stream_seq;
    out->settled_seq = info->ack_floor.stream_seq;
    out->active_ns = RI_MAX(RI_MAX(info->delivered.last_active, info->ack_floor.last_active), 0);
    out->paused_until_ns = info->paused ? info->config->pause_until : 0;
    out->waiting = (uint32_t)RI_MIN(info->num_waiting, UINT32_MAX);
    nats_group_fill_lag(api, ask, info);
    return RILL_OK;
}

/* Those that are one reader's have no durable name, and are none. */
int ri_nats_group_names(ri_nats_api *api, ri_ask *ask)
{
    ri_js_list_request body = {0};
    ri_js_consumer_list_reply reply;
    ri_buffer *names = ask->out.names;
    do {
        int rc = nats_group_request(api, &(ri_nats_api_request){
            .verb = "CONSUMER.LIST", .stream = ask->stream, .reads = true, .body = &body,
            .type = &ri_jsapi_consumer_list_request, .answer = &reply,
            .answer_type = &ri_jsapi_consumer_list_reply});
        if (rc < 0) return rc;
        for (uint32_t i = 0; i < reply.consumers.len; i++) {
            const ri_consumer_info *info = &reply.consumers.items[i];
            if (!info->config || !info->config->durable_name.len) continue;
            ri_ask_put_name(names, info->name);
        }
        body.offset += reply.consumers.len;
    } while (reply.consumers.len && body.offset < reply.paged.total && !names->failed);
    if (names->failed) return RILL_ENOMEM;
    /* A cluster lists no consumers of a stream that is not there, either. */
    const ri_stream_info *info;
    return body.offset ? RILL_OK : ri_nats_stream_info(api, ask->stream, &info);
}
