/* SPDX-License-Identifier: Apache-2.0 */
#include "front/jetstream/jetstream_api.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "codec/nats/headers.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "front/jetstream/js_request.h"

#define API_PREFIX "$JS.API."
#define API_LONG "NATS/1.0 413\r\n\r\n" /* headers of one whose body was too long to be kept */

static void api_info(ri_js_request *r);
static void api_cluster_only(ri_js_request *r);

#define API_TYPE(name) &ri_jsapi_##name
static const ri_js_route api_routes[] = {
    /* Hot first; the last column: reads. */
    {"CONSUMER.MSG.NEXT.", 2, 2, "", API_TYPE(ok_reply), false, true, ri_js_consumer_api_next,
     false},
    {"DIRECT.GET.", 1, -1, "", API_TYPE(ok_reply), false, true, ri_js_direct_get, true},
    {"STREAM.MSG.GET.", 1, 1, "stream_msg_get_response", API_TYPE(msg_get_reply), false, true,
     ri_js_stream_api_msg_get, true},
    {"STREAM.INFO.", 1, 1, "stream_info_response", API_TYPE(stream_info_reply), false, false,
     ri_js_stream_api_info, true},
    {"CONSUMER.INFO.", 2, 2, "consumer_info_response", API_TYPE(consumer_reply), true, false,
     ri_js_consumer_api_info, true},
    {"CONSUMER.CREATE.", 1, -1, "consumer_create_response", API_TYPE(consumer_reply), false, false,
     ri_js_consumer_api_create, false},
    {"CONSUMER.DURABLE.CREATE.", 2, 2, "consumer_create_response", API_TYPE(consumer_reply), false,
     false, ri_js_consumer_api_create_durable, false},
    {"CONSUMER.DELETE.", 2, 2, "consumer_delete_response", API_TYPE(ok_reply), true, false,
     ri_js_consumer_api_delete, false},
    {"CONSUMER.NAMES.", 1, 1, "consumer_names_response", API_TYPE(consumer_names_reply), false,
     false, ri_js_list_consumer_names, true},
    {"CONSUMER.LIST.", 1, 1, "consumer_list_response", API_TYPE(consumer_list_reply), false, false,
     ri_js_list_consumers, true},
    {"CONSUMER.PAUSE.", 2, 2, "consumer_pause_response", API_TYPE(pause_reply), false, false,
     ri_js_consumer_api_pause, false},
    {"CONSUMER.RESET.", 2, 2, "consumer_reset_response", API_TYPE(reset_reply), false, false,
     ri_js_consumer_api_reset, false},
    {"CONSUMER.UNPIN.", 2, 2, "consumer_unpin_response", API_TYPE(ok_reply), false, false,
     ri_js_consumer_api_unpin, false},
    {"CONSUMER.LEADER.STEPDOWN.", 2, 2, "consumer_leader_stepdown_response", API_TYPE(ok_reply),
     false, false, api_cluster_only, false},
    {"STREAM.CREATE.", 1, 1, "stream_create_response", API_TYPE(stream_reply), false, false,
     ri_js_stream_api_create, false},
    {"STREAM.UPDATE.", 1, 1, "stream_update_response", API_TYPE(stream_reply), false, false,
     ri_js_stream_api_update, false},
    {"STREAM.DELETE.", 1, 1, "stream_delete_response", API_TYPE(ok_reply), true, false,
     ri_js_stream_api_delete, false},
    {"STREAM.PURGE.", 1, 1, "stream_purge_response", API_TYPE(purge_reply), false, false,
     ri_js_stream_api_purge, false},
    {"STREAM.NAMES", 0, 0, "stream_names_response", API_TYPE(stream_names_reply), false, false,
     ri_js_list_stream_names, true},
    {"STREAM.LIST", 0, 0, "stream_list_response", API_TYPE(stream_list_reply), false, false,
     ri_js_list_streams, true},
    {"STREAM.MSG.DELETE.", 1, 1, "stream_msg_delete_response", API_TYPE(ok_reply), false, false,
     ri_js_stream_api_msg_delete, false},
    {"STREAM.SNAPSHOT.", 1, 1, "stream_snapshot_response", API_TYPE(snapshot_reply), false, false,
     ri_js_backup_create, false},
    {"STREAM.RESTORE.", 1, 1, "stream_restore_response", API_TYPE(restore_reply), false, false,
     ri_js_restore_create, false},
    {"STREAM.LEADER.STEPDOWN.", 1, 1, "stream_leader_stepdown_response", API_TYPE(ok_reply), false,
     false, api_cluster_only, false},
    {"STREAM.PEER.REMOVE.", 1, 1, "stream_remove_peer_response", API_TYPE(ok_reply), false, false,
     api_cluster_only, false},
    {"INFO", 0, 0, "account_info_response", API_TYPE(account_reply), false, false, api_info, true},
};

/* ---- Publishing ---- */

void ri_js_request_publish(ri_jetstream_api *api, ri_str subject, ri_str reply, ri_str headers,
                           ri_str data)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    ri_message m = {.subject = subject, .reply = reply, .headers = headers, .data = data};
    if (ri_js_ask_take(api, subject, data)) return;
    if (subject.len) ri_router_publish(&api->party, &(ri_publish){.m = &m});
}

ri_str ri_js_request_domain(const ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    return ri_str_of(api->opts.domain);
}

void ri_js_request_status(ri_js_request *r, const char *status)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    char block[200];
    int n = snprintf(block, sizeof block, RI_HEADERS_FIRST " %s\r\n\r\n", status);
    RI_ASSERT(n > 0 && (size_t)n < sizeof block);
    ri_js_request_publish(r->api, r->reply, (ri_str){NULL, 0}, (ri_str){block, (size_t)n},
                          (ri_str){NULL, 0});
}

void ri_js_request_nobody(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_buffer out;
    ri_buffer_init(&out, &r->api->host);
    ri_buffer_printf(&out, RI_HEADERS_FIRST " 503\r\nNats-Subject: %.*s\r\n\r\n",
                     RI_ARG(r->subject));
    ri_str none = {NULL, 0};
    if (!out.failed) ri_js_request_publish(r->api, r->reply, none, ri_buffer_str(&out), none);
    ri_buffer_fini(&out);
}

/* ---- Answers ---- */

typedef struct api_answer_wait { /* one that waits for a commit */
    ri_js_waiter waiter;
    ri_list link;              /* in api->answers */
    ri_jetstream_api *api;
    ri_buffer text;            /* reply subject, then the body */
    size_t reply_len;
    size_t charged;            /* as work in the broker's memory, whether there is room or not */
} api_answer_wait;

static void api_answer_free(api_answer_wait *answer)
{
    const ri_host *host = &answer->api->host;
    ri_list_remove(&answer->link);
    ri_memory_refund(&answer->api->opts.router->memory, RI_MEMORY_WORK, answer->charged);
    ri_buffer_fini(&answer->text);
    ri_delete(host, answer);
}

static void api_answer_done(ri_js_waiter *waiter, int rc)
{
    api_answer_wait *answer = ri_container_of(waiter, api_answer_wait, waiter);
    ri_jetstream_api *api = answer->api;
    ri_str text = ri_buffer_str(&answer->text), none = {NULL, 0};
    ri_str reply = {text.ptr, answer->reply_len}, body = ri_str_from(text, answer->reply_len);
    if (rc == RILL_OK) {
        ri_js_request_publish(api, reply, none, none, body);
    } else if (rc != RILL_ECLOSED) {
        ri_buffer out;
        ri_buffer_init(&out, &api->host);
        ri_js_error e = {0};
        ri_jserror_set(&e, RI_JS_STREAM_STORE_FAILED, "%s", ri_err_class(rc));
        ri_js_ok_reply failed = {.head = {.type = RI_STR("io.nats.jetstream.api.v1."
                                                         "system_response"), .error = &e}};
        ri_jsapi_encode(&ri_jsapi_ok_reply, &failed, &out);
        api->stats.errors++;
        if (!out.failed) ri_js_request_publish(api, reply, none, none, ri_buffer_str(&out));
        ri_buffer_fini(&out);
    }
    api_answer_free(answer);
}

static void api_encode(ri_js_request *r, void *reply, ri_buffer *out)
{
    ri_js_head *head = reply; /* the first member of every reply */
    head->type = r->type;
    ri_jsapi_encode(r->route->type, reply, out);
}

static void api_answer(ri_js_request *r, ri_buffer *text)
{
    ri_budget_spend(ri_js_request_budget(r), ri_budget_bytes(text->len));
    if (!text->failed) {
        ri_str none = {NULL, 0};
        ri_js_request_publish(r->api, r->reply, none, none, ri_buffer_str(text));
        if (!r->route->silent && !ri_js_ask_is_own(r))
            ri_js_advisory_audit(r, ri_buffer_str(text));
    }
    ri_buffer_fini(text);
}

void ri_js_request_answer(ri_js_request *r, void *reply)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_buffer out;
    ri_buffer_init(&out, &r->api->host);
    api_encode(r, reply, &out);
    api_answer(r, &out);
}

void ri_js_request_answer_items(ri_js_request *r, void *reply, ri_str items)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    static const char *const ends[] = {"[]}", "null}"};
    ri_buffer out;
    ri_buffer_init(&out, &r->api->host);
    api_encode(r, reply, &out);
    for (size_t i = 0; items.len && !out.failed && i < RI_LEN(ends); i++) {
        ri_str end = ri_str_of(ends[i]), text = ri_buffer_str(&out);
        if (text.len < end.len || memcmp(text.ptr + text.len - end.len, end.ptr, end.len)) continue;
        out.len -= end.len;
        ri_buffer_puts(&out, "[");
        ri_buffer_put_str(&out, items);
        ri_buffer_puts(&out, "]}");
        break;
    }
    api_answer(r, &out);
}

void ri_js_request_answer_committed(ri_js_request *r, ri_log *log, void *reply)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    api_answer_wait *answer = ri_new(&r->api->host, api_answer_wait);
    if (!answer) return;
    answer->api = r->api;
    answer->reply_len = r->reply.len;
    answer->waiter.done = api_answer_done;
    ri_list_push(&r->api->answers, &answer->link);
    ri_buffer_init(&answer->text, &r->api->host);
    ri_buffer_put_str(&answer->text, r->reply);
    api_encode(r, reply, &answer->text);
    if (answer->text.failed) {
        api_answer_free(answer);
        return;
    }
    answer->charged = sizeof *answer + answer->text.cap;
    ri_memory_charge(&r->api->opts.router->memory, RI_MEMORY_WORK, answer->charged);
    ri_js_advisory_audit(r, ri_str_from(ri_buffer_str(&answer->text), answer->reply_len));
    ri_js_wait(r->js, log, &answer->waiter);
}

void ri_js_request_fail(ri_js_request *r, const ri_js_error *e)
{
    RI_ASSERT(e->code);
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_head *reply = ri_arena_alloc(&r->arena, ri_jsapi_size(r->route->type));
    ri_js_error *copy = ri_arena_alloc(&r->arena, sizeof *copy);
    r->api->stats.errors++;
    if (!reply || !copy) return;
    memset(reply, 0, ri_jsapi_size(r->route->type));
    *copy = *e;
    reply->error = copy;
    ri_js_request_answer(r, reply);
}

void ri_js_request_fail_with(ri_js_request *r, ri_js_code code)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_error e = {0};
    ri_jserror_set(&e, code, NULL);
    ri_js_request_fail(r, &e);
}

void ri_js_request_fail_rc(ri_js_request *r, int rc, ri_js_error *e, ri_js_code otherwise)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    if (!e->code && rc == RILL_ENOMEM) ri_jserror_set(e, RI_JS_INSUFFICIENT_RESOURCES, NULL);
    if (!e->code) ri_jserror_set(e, otherwise, "%s", ri_err_text());
    ri_js_request_fail(r, e);
}

/* ---- Reading requests ---- */

bool ri_js_request_is_empty(ri_str body)
{
    if (!body.len || ri_str_is(body, "{}")) return true;
    ri_json root;
    if (ri_json_parse(&root, body) < 0) return false;
    return ri_json_kind_of(root) == RI_JSON_OBJECT && ri_json_len(root) == 0;
}

bool ri_js_request_level_too_high(ri_str headers)
{
    ri_str value;
    uint64_t level;
    if (!headers.len || !ri_headers_find(headers, RI_STR("Nats-Required-Api-Level"), &value))
        return false;
    return value.len && (!ri_number_read(value, &level) || level > RI_JS_API_LEVEL);
}

bool ri_js_request_decode(ri_js_request *r, const ri_jsapi_type *type, void *out)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_budget_spend(ri_js_request_budget(r), r->body.len / RI_JS_TEXT_BYTES);
    int rc = ri_jsapi_decode(type, r->body, !r->api->opts.lenient, &r->arena, out);
    if (rc >= 0) return true;
    ri_js_error e = {0};
    if (rc == RILL_ENOMEM)
        ri_jserror_set(&e, RI_JS_INSUFFICIENT_RESOURCES, NULL);
    else
        ri_jserror_set(&e, RI_JS_INVALID_JSON, "%.*s", RI_JS_TEXT_MAX - 1, ri_err_text());
    ri_js_request_fail(r, &e);
    return false;
}

bool ri_js_request_decode_optional(ri_js_request *r, const ri_jsapi_type *type, void *out)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    size_t i = 0;
    while (i < r->body.len && (unsigned char)r->body.ptr[i] <= ' ') i++;
    if (i < r->body.len && (r->body.ptr[i] == '{' || r->body.ptr[i] == '['))
        return ri_js_request_decode(r, type, out);
    memset(out, 0, ri_jsapi_size(type));
    return true;
}

ri_stream *ri_js_request_stream(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_stream *stream = ri_js_stream(r->js, r->stream);
    ri_js_error e;
    if (!stream && ri_fence_why(r->js, r->stream, &e))
        ri_js_request_fail(r, &e);
    else if (!stream)
        ri_js_request_fail_with(r, RI_JS_STREAM_NOT_FOUND);
    return stream;
}

ri_consumer *ri_js_request_consumer(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_stream *stream = ri_js_request_stream(r);
    ri_consumer *consumer = stream ? ri_stream_consumer(stream, r->consumer) : NULL;
    ri_js_error e;
    if (!stream || consumer) return consumer;
    if (ri_fence_why_consumer(stream, r->consumer, &e))
        ri_js_request_fail(r, &e);
    else
        ri_js_request_fail_with(r, RI_JS_CONSUMER_NOT_FOUND);
    return NULL;
}

/* ---- Requests that need little ---- */

static void api_info(ri_js_request *r)
{
    ri_js_account account;
    ri_js_account_of(r->js, &account);
    account.domain = ri_js_request_domain(r->api);
    /* The request that asks is not counted in its own answer. */
    account.api = (ri_js_api_stats){.level = RI_JS_API_LEVEL, .total = r->api->stats.total - 1,
                                    .errors = r->api->stats.errors};
    ri_js_account_reply reply = {.account = &account};
    ri_js_request_answer(r, &reply);
}

/* What only a cluster can do. */
static void api_cluster_only(ri_js_request *r)
{
    ri_js_request_fail_with(r, RI_JS_CLUSTER_REQUIRED);
}

/* ---- Dispatch ---- */

static size_t api_tokens(ri_str s)
{
    return s.len ? ri_subject_count(s) : 0;
}

static bool api_route_fits(const ri_js_route *route, ri_str path, ri_str *args)
{
    ri_str prefix = ri_str_of(route->path);
    if (!ri_str_starts(path, prefix)) return false;
    *args = ri_str_from(path, prefix.len);
    if (prefix.ptr[prefix.len - 1] != '.') return args->len == 0;
    size_t n = api_tokens(*args);
    return n >= (size_t)route->tokens_min &&
           (route->tokens_max < 0 || n <= (size_t)route->tokens_max);
}

static const ri_js_route *api_route(ri_js_request *r, ri_str path)
{
    for (size_t i = 0; i < RI_LEN(api_routes); i++) {
        ri_str args;
        if (!api_route_fits(&api_routes[i], path, &args)) continue;
        ri_str token;
        if (ri_subject_token(&args, &token)) r->stream = token;
        r->rest = args;
        if (ri_subject_token(&args, &token)) r->consumer = token;
        return &api_routes[i];
    }
    return NULL;
}

/* The path behind $JS.API. or $JS.<domain>.API.; false for what is not ours. */
static bool api_path(const ri_jetstream_api *api, ri_str subject, ri_str *path)
{
    if (ri_str_starts(subject, RI_STR(API_PREFIX))) {
        *path = ri_str_from(subject, sizeof API_PREFIX - 1);
        return true;
    }
    size_t prefix = api->subs[1].entry.subject.len;
    if (prefix < 2 || subject.len < prefix) return false;
    *path = ri_str_from(subject, prefix - 1);
    return true;
}

/* $JS.<domain>.API.$KV.> and $O.> are publishes to the stream's own subjects. */
static bool api_forward(ri_js_request *r, ri_str path)
{
    if (!ri_str_starts(path, RI_STR("$KV.")) && !ri_str_starts(path, RI_STR("$O."))) return false;
    ri_js_request_publish(r->api, path, r->reply, r->headers, r->body);
    return true;
}

/* Bytes that a request may have. */
static size_t api_most(const ri_jetstream_api *api)
{
    size_t named = api->js ? ri_js_max_subjects(api->js) * (size_t)RI_LIMIT_JS_NAME_BYTES : 0;
    return RI_MAX(named, (size_t)RI_LIMIT_JS_BODY);
}

/* Reading it is one step, which has a bound. */
static void api_too_long(ri_js_request *r)
{
    ri_js_error e = {0};
    ri_jserror_set(&e, RI_JS_INVALID_JSON, "a request has at most %zu bytes",
                   api_most(r->api));
    if (*r->route->reply) ri_js_request_fail(r, &e);
    else ri_js_request_status(r, "400 Bad Request - Too Long");
}

void ri_js_request_cut(ri_js_request *r)
{
    if (!r->route || !r->route->reply) return; /* a question to the system: silence */
    if (*r->route->reply) ri_js_request_fail_with(r, RI_JS_INSUFFICIENT_RESOURCES);
    else ri_js_request_status(r, "503");
}

bool ri_js_request_was_cut(const ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    return ri_str_starts(r->headers, RI_STR("NATS/1.0 503"));
}

static void api_type(ri_js_request *r)
{
    RI_ASSERT(r->route);
    if (!*r->route->reply) return;
    int n = snprintf(r->type_text, sizeof r->type_text, "io.nats.jetstream.api.v1.%s",
                     r->route->reply);
    r->type = (ri_str){r->type_text, (size_t)n};
}

void ri_js_request_handle(ri_js_request *r)
{
    RI_ASSERT(ri_js_api_is_sound(r->api) && r->subject.len > 0);
    ri_jetstream_api *api = r->api;
    ri_str path;
    bool own = ri_js_ask_is_own(r); /* asks only, and as long as it waits */
    if (own && !ri_js_ask_waits(r)) return;
    if (ri_js_system_request(r)) return;
    if (!own && api->ntransfers && ri_js_backup_message(r)) return;
    if (!api_path(api, r->subject, &path)) return;
    if (!own && api->subs[1].entry.subject.len && api_forward(r, path)) return;
    r->route = api_route(r, path);
    if (!r->route) return; /* as nats-server: silence */
    if (own && !r->route->reads) return; /* its answer would wait for a commit */
    api_type(r);
    if (!r->route->silent) api->stats.total++;
    else if (api->nwaiting > 1 && r->route->reads && ri_js_request_is_unheard(r)) return;
    if (!r->js) {
        ri_js_request_fail_with(r, RI_JS_NOT_ENABLED_FOR_ACCOUNT);
    } else if (ri_js_request_was_cut(r)) {
        ri_js_request_cut(r);
    } else if (ri_str_eq(r->headers, RI_STR(API_LONG)) || r->body.len > api_most(api)) {
        api_too_long(r);
    } else if (!(*r->route->reply ? ri_js_request_level_too_high(r->headers) : false)) {
        if (r->route->empty && !ri_js_request_is_empty(r->body))
            ri_js_request_fail_with(r, RI_JS_NOT_EMPTY_REQUEST);
        else
            r->route->handle(r);
    } else {
        ri_js_request_fail_with(r, RI_JS_REQUIRED_API_LEVEL);
    }
}

bool ri_js_request_refusal(ri_jetstream_api *api, ri_str subject, ri_buffer *out)
{
    ri_js_request r = {.api = api, .subject = subject};
    ri_js_error e = {0};
    ri_str path;
    RI_ASSERT(ri_js_api_is_sound(api));
    r.route = api_path(api, subject, &path) ? api_route(&r, path) : NULL;
    if (r.route && !*r.route->reply) return false;
    if (!r.route || !out) return true;
    api_type(&r);
    ri_arena_init(&r.arena, &api->host);
    ri_js_head *reply = ri_arena_alloc(&r.arena, ri_jsapi_size(r.route->type));
    bool cluster = r.route->handle == api_cluster_only;
    ri_jserror_set(&e, cluster ? RI_JS_CLUSTER_REQUIRED : RI_JS_NOT_ENABLED_FOR_ACCOUNT, NULL);
    if (reply) {
        memset(reply, 0, ri_jsapi_size(r.route->type));
        reply->error = &e;
        api_encode(&r, reply, out);
    }
    out->failed = out->failed || !reply;
    ri_arena_fini(&r.arena);
    return true;
}

/* A body that is too long is not kept: its sender is answered when its turn comes. */
static bool api_take_long(ri_jetstream_api *api, ri_delivery *d)
{
    ri_message m = {.subject = d->m->subject, .reply = d->m->reply, .headers = RI_STR(API_LONG)};
    ri_delivery rest = *d;
    rest.m = &m;
    rest.packet = NULL;
    bool taken = ri_js_row_put(api, &rest, false);
    if (rest.packet) ri_packet_take_back(rest.router->pool, rest.packet);
    d->no_memory = rest.no_memory;
    return taken;
}

static bool api_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_jetstream_api *api = ri_container_of(party, ri_jetstream_api, party);
    bool asks = sub == &api->subs[0] || sub == &api->subs[1]; /* else a part of a transfer */
    if (asks && ri_account_is_stopped(api->opts.account)) return false;
    if (asks && ri_unlikely(d->m->data.len > api_most(api))) return api_take_long(api, d);
    if (!asks && !ri_js_system_hears(api, sub)) return false;
    return ri_js_row_put(api, d, false);
}

static void api_ended(ri_party *party, ri_subscription *sub)
{
    (void)party;
    (void)sub;
    RI_ASSERT(false); /* our subscriptions have no maximum */
}

static const ri_party_ops api_ops = {.deliver = api_deliver, .ended = api_ended};

/* ---- Life ---- */

int ri_jetstream_api_open(ri_jetstream_api **out, const ri_jetstream_api_opts *opts)
{
    ri_jetstream_api *api = ri_new(opts->host, ri_jetstream_api);
    if (!api) return RILL_ENOMEM;
    api->opts = *opts;
    api->host = *opts->host;
    if (!api->opts.account) api->opts.account = &opts->router->global;
    ri_list_init(&api->answers);
    ri_list_init(&api->transfers);
    ri_list_init(&api->rows);
    ri_list_init(&api->spare_rows);
    ri_nuid_init(&api->nuid, &api->host);
    ri_party_init(&api->party, opts->router, &api_ops);
    ri_party_init(&api->own, opts->router, &api_ops);
    ri_party_init(&api->system, opts->router, &ri_js_system_ops);
    ri_party_init(&api->absent, opts->router, &ri_js_absent_ops);
    ri_list_init(&api->absent_places);
    ri_list_init(&api->absent_asks);
    ri_party_enter(&api->party, api->opts.account);
    ri_party_enter(&api->own, api->opts.account);
    ri_list_init(&api->asks);
    api->wall_ns = ri_wall_ns(&api->host);
    *out = api;
    return RILL_OK;
}

int ri_jetstream_api_start(ri_jetstream_api *api, ri_js *js)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    api->js = js;
    if (api->opts.attends) return ri_js_system_start(api);
    api->party.queues = js != NULL; /* whose steps deliver it */
    api->subs[0].entry.subject = RI_STR(API_PREFIX ">");
    int rc = ri_router_subscribe(&api->party, &api->subs[0]);
    if (rc >= 0) rc = ri_js_system_start(api);
    if (rc >= 0) ri_js_absent_move(api);
    if (rc < 0 || !api->opts.domain) return rc;
    int n = snprintf(api->domain_subject, sizeof api->domain_subject, "$JS.%s.API.>",
                     api->opts.domain);
    if (n < 0 || (size_t)n >= sizeof api->domain_subject)
        return ri_err(RILL_EINVAL, "the JetStream domain is too long");
    api->subs[1].entry.subject = (ri_str){api->domain_subject, (size_t)n};
    return ri_router_subscribe(&api->party, &api->subs[1]);
}

void ri_jetstream_api_close(ri_jetstream_api *api)
{
    if (!api) return;
    RI_ASSERT(!api->stepping);
    ri_party_fini(&api->party);
    ri_party_fini(&api->own);
    ri_party_fini(&api->system);
    ri_js_absent_close(api);
    ri_party_fini(&api->absent);
    ri_js_row_close_all(api);
    ri_js_ask_close_all(api);
    ri_js_backup_close_all(api);
    /* The engine still holds these: it calls them with RILL_ECLOSED, and they go then. */
    ri_list_each(link, &api->answers)
        ri_list_remove(&ri_container_of(link, api_answer_wait, link)->waiter.link);
    while (!ri_list_empty(&api->answers))
        api_answer_free(ri_container_of(api->answers.next, api_answer_wait, link));
    ri_host host = api->host;
    ri_delete(&host, api);
}

bool ri_jetstream_api_waiting(const ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    return api->nwaiting > 0 || ri_js_absent_waiting(api) || ri_js_backup_waiting(api);
}

void ri_jetstream_api_step(ri_jetstream_api *api, int64_t now_wall_ns, int64_t now_mono_ns)
{
    RI_ASSERT(!api->stepping);
    api->wall_ns = now_wall_ns;
    api->mono_ns = now_mono_ns;
    api->stepping = true;
    /* What was due before a request came is over when it is answered. */
    if (api->js && api->nwaiting) ri_js_arrive(api->js, now_wall_ns, now_mono_ns);
    if (api->nwaiting) ri_js_row_serve(api);
    ri_js_absent_step(api);
    ri_js_backup_step(api);
    api->stepping = false;
}

int64_t ri_jetstream_api_next_due_ns(const ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    return ri_js_backup_due_ns(api);
}

void ri_jetstream_api_event(void *arg, const ri_js_event *event)
{
    ri_jetstream_api *api = arg;
    if (!api->muted) ri_js_advisory_event(api, event);
}

void ri_jetstream_api_stats_of(const ri_jetstream_api *api, ri_jetstream_api_stats *out)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    *out = api->stats;
    out->waiting = api->nwaiting;
}
