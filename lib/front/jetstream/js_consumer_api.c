/* SPDX-License-Identifier: Apache-2.0 */
/* $JS.API.CONSUMER.*: the checks of each request in nats-server's order, then the engine. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/jetstream/jsconf.h"
#include "codec/jetstream/jshot.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "engine/streams/outset.h"
#include "front/jetstream/js_request.h"

/* The API level is shown as the configuration needs it now: pausing changes it. */
bool ri_js_consumer_api_fill(ri_js_request *r, ri_consumer *consumer, ri_consumer_info *info)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_consumer_info_of(consumer, info);
    ri_consumer_conf *conf = ri_arena_alloc(&r->arena, sizeof *conf);
    if (!conf) return false;
    *conf = *info->config;
    info->config = conf;
    return ri_jsconf_level(&conf->metadata, ri_jsconf_consumer_level(conf), &r->arena) == RILL_OK;
}

static ri_consumer_info *consumer_api_describe(ri_js_request *r, ri_consumer *consumer)
{
    ri_consumer_info *info = ri_arena_alloc(&r->arena, sizeof *info);
    if (!info) return NULL;
    *info = (ri_consumer_info){0};
    if (!ri_js_consumer_api_fill(r, consumer, info)) return NULL;
    ri_consumer_conf *conf = (ri_consumer_conf *)(uintptr_t)info->config; /* our copy */
    ri_budget_spend(ri_js_request_budget(r), conf->filter_subjects.len);
    return ri_js_request_metadata(r, &conf->metadata) == RILL_OK ? info : NULL;
}

/* ---- Create ---- */

typedef enum consumer_api_form {
    CONSUMER_API_EPHEMERAL, /* CREATE.<stream> */
    CONSUMER_API_NAMED,     /* CREATE.<stream>.<name>[.<filter>] */
    CONSUMER_API_DURABLE,   /* DURABLE.CREATE.<stream>.<name> */
} consumer_api_form;

/* What the subject and the configuration say of the name must agree. */
static int consumer_api_name(ri_js_request *r, consumer_api_form form, ri_consumer_conf *conf,
                             ri_js_error *e)
{
    ri_str name = form == CONSUMER_API_EPHEMERAL ? conf->name : r->consumer;
    if (name.len && (memchr(name.ptr, '/', name.len) || memchr(name.ptr, '\\', name.len)))
        return ri_jserror_set(e, RI_JS_CONSUMER_NAME_CONTAINS_PATH_SEPARATORS, NULL);
    switch (form) {
    case CONSUMER_API_DURABLE:
        if (!conf->durable_name.len)
            return ri_jserror_set(e, RI_JS_CONSUMER_DURABLE_NAME_NOT_SET, NULL);
        if (!ri_str_eq(name, conf->durable_name))
            return ri_jserror_set(e, RI_JS_CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT, NULL);
        break;
    case CONSUMER_API_NAMED:
        if (conf->durable_name.len && !ri_str_eq(name, conf->durable_name))
            return ri_jserror_set(e, RI_JS_CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT, NULL);
        break;
    case CONSUMER_API_EPHEMERAL:
        if (conf->durable_name.len)
            return ri_jserror_set(e, RI_JS_CONSUMER_EPHEMERAL_WITH_DURABLE_NAME, NULL);
        break;
    }
    conf->name = name;
    return RILL_OK;
}

/* The filter that the subject names, for permissions' sake, must be that of the configuration. */
static int consumer_api_filter(ri_js_request *r, consumer_api_form form,
                               const ri_consumer_conf *conf, ri_js_error *e)
{
    ri_str filter = r->rest, name;
    if (form != CONSUMER_API_NAMED || !ri_subject_token(&filter, &name) || !filter.len)
        return RILL_OK;
    if (conf->filter_subjects.len)
        return ri_jserror_set(e, RI_JS_CONSUMER_MULTIPLE_FILTERS_NOT_ALLOWED, NULL);
    if (!ri_str_eq(conf->filter_subject, filter))
        return ri_jserror_set(e, RI_JS_CONSUMER_CREATE_FILTER_SUBJECT_MISMATCH, NULL);
    return RILL_OK;
}

/* Find where it begins, make it, count what is there for it: in slices. */
typedef struct consumer_api_change {
    ri_js_consumer_request request;
    ri_outset outset;
    bool finding;          /* where it begins */
    ri_str name;           /* of the one that was made, and is being counted for; empty: not yet */
} consumer_api_change;

/* Where it begins is known; it may be there already. False: answered. */
static bool consumer_api_made(ri_js_request *r, ri_stream *stream, consumer_api_change *w)
{
    ri_js_consumer_request *request = &w->request;
    ri_consumer *consumer =
        request->conf.name.len ? ri_stream_consumer(stream, request->conf.name) : NULL;
    /* Pausing has a request of its own: what a later create says of it does not count. */
    if (consumer) request->conf.pause_until = ri_consumer_conf_of(consumer)->pause_until;
    ri_js_error e = {0};
    int rc = ri_consumer_create(stream, request, &consumer, &e);
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_CONSUMER_CREATE);
        return false;
    }
    ri_str name = ri_consumer_name(consumer);
    w->name = (ri_str){ri_arena_copy(&r->arena, name.ptr, name.len), name.len};
    return w->name.ptr != NULL;
}

static bool consumer_api_change_step(ri_js_request *r)
{
    consumer_api_change *w = r->work;
    ri_js_error e = {0};
    ri_stream *stream = ri_js_request_again(r);
    if (!stream) return false;
    int rc = w->finding ? ri_outset_some(&w->outset, stream) : RILL_OK;
    r->held = w->outset.cap * sizeof *w->outset.seqs;
    if (rc == 1) return true;
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_CONSUMER_CREATE);
        return false;
    }
    w->finding = false;
    if (!w->name.len && !consumer_api_made(r, stream, w)) return false;
    ri_consumer *consumer = ri_stream_consumer(stream, w->name);
    if (!consumer) { /* it was deleted meanwhile */
        ri_js_request_fail_with(r, RI_JS_CONSUMER_NOT_FOUND);
        return false;
    }
    if (!ri_ahead_count_on(consumer)) return true;
    ri_js_consumer_reply reply = {.info = consumer_api_describe(r, consumer)};
    if (reply.info) ri_js_request_answer_committed(r, ri_stream_log(stream), &reply);
    return false;
}

static void consumer_api_change_drop(ri_js_request *r)
{
    consumer_api_change *w = r->work;
    if (w->request.outset) ri_outset_fini(&w->outset);
}

static void consumer_api_make(ri_js_request *r, const ri_js_consumer_request *request)
{
    ri_stream *stream = ri_js_request_stream(r);
    if (!stream) return;
    consumer_api_change *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (consumer_api_change){.request = *request};
    const ri_consumer_conf *conf = &w->request.conf;
    bool there = conf->name.len && ri_stream_consumer(stream, conf->name);
    if (!there && ri_outset_is_long(conf)) {
        ri_outset_init(&w->outset, &r->api->host, conf, ri_js_request_budget(r));
        w->request.outset = &w->outset;
        w->finding = true;
    }
    r->work = w;
    r->drop = consumer_api_change_drop;
    ri_js_request_go_on(r, consumer_api_change_step);
}

static void consumer_api_create(ri_js_request *r, consumer_api_form form)
{
    ri_js_consumer_request request;
    if (!ri_js_request_decode(r, &ri_jsapi_consumer_request, &request)) return;
    ri_js_error e = {0};
    if (!ri_str_eq(r->stream, request.stream_name))
        ri_jserror_set(&e, RI_JS_STREAM_MISMATCH, NULL);
    else if (consumer_api_name(r, form, &request.conf, &e) >= 0 &&
             consumer_api_filter(r, form, &request.conf, &e) >= 0 && request.conf.num_replicas > 1)
        ri_jserror_set(&e, RI_JS_STREAM_REPLICAS_NOT_SUPPORTED, NULL);
    if (e.code)
        ri_js_request_fail(r, &e);
    else
        consumer_api_make(r, &request);
}

void ri_js_consumer_api_create(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    consumer_api_create(r, r->consumer.len ? CONSUMER_API_NAMED : CONSUMER_API_EPHEMERAL);
}

void ri_js_consumer_api_create_durable(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    consumer_api_create(r, CONSUMER_API_DURABLE);
}

/* ---- Info, delete ---- */

static bool consumer_api_info_step(ri_js_request *r)
{
    ri_stream *stream = ri_js_request_again(r);
    ri_consumer *consumer = stream ? ri_js_request_consumer(r) : NULL;
    if (!consumer) return false;
    if (!ri_ahead_count_on(consumer)) return true;
    ri_js_consumer_reply reply = {.info = consumer_api_describe(r, consumer)};
    if (reply.info) ri_js_request_answer(r, &reply);
    return false;
}

void ri_js_consumer_api_info(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    if (ri_js_request_consumer(r)) ri_js_request_go_on(r, consumer_api_info_step);
}

void ri_js_consumer_api_delete(ri_js_request *r)
{
    ri_stream *stream = ri_js_request_stream(r);
    if (!stream) return;
    ri_js_error e = {0};
    ri_consumer *consumer = ri_stream_consumer(stream, r->consumer);
    ri_log *log = ri_stream_log(stream);
    int rc = consumer ? ri_consumer_delete(consumer)
                      : ri_fence_delete_consumer(stream, r->consumer, &e);
    ri_js_ok_reply reply = {.success = true};
    if (rc < 0)
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_GENERAL);
    else
        ri_js_request_answer_committed(r, log, &reply);
}

/* ---- Pause, reset, unpin ---- */

void ri_js_consumer_api_pause(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_pause_request request;
    if (!ri_js_request_decode_optional(r, &ri_jsapi_pause_request, &request)) return;
    ri_consumer *consumer = ri_js_request_consumer(r);
    if (!consumer) return;
    int rc = ri_consumer_pause(consumer, RI_MAX(request.pause_until, 0));
    ri_js_error e = {0};
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_GENERAL);
        return;
    }
    ri_js_pause_reply reply = {.pause_until = request.pause_until};
    reply.paused = request.pause_until > r->api->wall_ns;
    if (reply.paused) reply.pause_remaining = ri_ns_sub(request.pause_until, r->api->wall_ns);
    ri_js_request_answer_committed(r, ri_stream_log(ri_consumer_stream(consumer)), &reply);
}

void ri_js_consumer_api_reset(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_reset_request request;
    ri_stream *stream = ri_js_stream(r->js, r->stream);
    ri_consumer *consumer = stream ? ri_stream_consumer(stream, r->consumer) : NULL;
    if (!consumer) return; /* as nats-server: silence */
    ri_js_error e = {0};
    int rc = ri_jsapi_decode(&ri_jsapi_reset_request, r->body, false, &r->arena, &request);
    if (rc < 0) {
        ri_jserror_set(&e, RI_JS_INVALID_JSON, "%.*s", RI_JS_TEXT_MAX - 1, ri_err_text());
        ri_js_request_fail(r, &e);
        return;
    }
    ri_js_reset_reply reply = {0};
    rc = ri_consumer_reset(consumer, request.seq, &reply.reset_seq, &e);
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_CONSUMER_INVALID_RESET);
        return;
    }
    reply.info = consumer_api_describe(r, consumer);
    if (reply.info)
        ri_js_request_answer_committed(r, ri_stream_log(ri_consumer_stream(consumer)), &reply);
}

void ri_js_consumer_api_unpin(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_unpin_request request;
    ri_js_error e = {0};
    if (!r->body.len) {
        ri_jserror_set(&e, RI_JS_INVALID_JSON, "unexpected end of JSON input");
        ri_js_request_fail(r, &e);
        return;
    }
    int rc = ri_jsapi_decode(&ri_jsapi_unpin_request, r->body, false, &r->arena, &request);
    if (rc < 0)
        ri_jserror_set(&e, RI_JS_INVALID_JSON, "%.*s", RI_JS_TEXT_MAX - 1, ri_err_text());
    else if (!request.group.len)
        ri_jserror_set(&e, RI_JS_INVALID_JSON, "consumer group not specified");
    else if (!ri_jsconf_group_ok(request.group))
        ri_jserror_set(&e, RI_JS_CONSUMER_INVALID_GROUP_NAME, NULL);
    if (e.code) {
        ri_js_request_fail(r, &e);
        return;
    }
    ri_consumer *consumer = ri_js_request_consumer(r);
    if (!consumer) return;
    ri_js_ok_reply reply = {.success = false};
    if ((rc = ri_consumer_unpin(consumer, request.group, &e)) < 0)
        ri_js_request_fail_rc(r, rc, &e, RI_JS_CONSUMER_INVALID_PRIORITY_GROUP);
    else
        ri_js_request_answer(r, &reply);
}

/* ---- Pull ---- */

/* True: it goes on, as it wants what is there at once, which is not counted yet. */
static bool consumer_api_next_step(ri_js_request *r)
{
    ri_stream *stream = r->reply.len ? ri_js_stream(r->js, r->stream) : NULL;
    ri_consumer *consumer = stream ? ri_stream_consumer(stream, r->consumer) : NULL;
    if (!consumer) {
        ri_js_request_nobody(r);
        return false;
    }
    if (ri_js_request_level_too_high(r->headers)) {
        ri_js_request_status(r, "412 Required Api Level");
        return false;
    }
    ri_js_pull_request pull;
    if (ri_consumer_pull_read(r->body, &r->arena, &pull) < 0) {
        char status[160];
        snprintf(status, sizeof status, "400 Bad Request - %.100s", ri_err_text());
        ri_js_request_status(r, status);
        return false;
    }
    if (pull.no_wait && !ri_ahead_count_on(consumer)) return true;
    ri_consumer_pull(consumer, r->reply, &pull);
    return false;
}

/* Counts first and reads the body after it: what a reading takes stays until the answer. */
static bool consumer_api_next_counted(ri_js_request *r)
{
    ri_stream *stream = ri_js_stream(r->js, r->stream);
    ri_consumer *consumer = stream ? ri_stream_consumer(stream, r->consumer) : NULL;
    return (consumer && !ri_ahead_count_on(consumer)) || consumer_api_next_step(r);
}

void ri_js_consumer_api_next(ri_js_request *r)
{
    if (consumer_api_next_step(r)) ri_js_request_go_on(r, consumer_api_next_counted);
}
