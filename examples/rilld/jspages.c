/* SPDX-License-Identifier: Apache-2.0 */
/* /jsz and /healthz: what the JetStream API answers, taken apart and put together anew. The engine
 * of this process is asked, not the bus, where others could answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

enum { JSPAGES_ASK_MS = 1000 };  /* how long a question to the broker may take */

/* Some bytes of an answer: a value. */
typedef struct js_slice {
    const char *ptr;  /* NULL: there is none */
    size_t len;
} js_slice;

/* ---- Taking answers apart ---- */

/* Where the value that begins at `p` ends; at the 0 behind all of it at the latest. */
static const char *slice_skip(const char *p)
{
    int depth = 0;
    do {
        if (!*p) return p;
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++) p += *p == '\\' && p[1] != 0;
            if (!*p) return p;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            depth--;
        } else if (depth == 0) {
            return p + strcspn(p, ",]} \t\r\n");
        }
        p++;
    } while (depth > 0);
    return p;
}

static const char *slice_blank(const char *p)
{
    return p + strspn(p, " \t\r\n,:");
}

/* Walk an object (key not NULL) or an array: *at begins as just behind its bracket. */
static bool slice_next(const char **at, js_slice *key, js_slice *value)
{
    const char *p = slice_blank(*at);
    if (*p == '}' || *p == ']' || !*p) return false;
    if (key) {
        const char *end = slice_skip(p);
        if (*p != '"' || end - p < 2) return false;
        *key = (js_slice){p + 1, (size_t)(end - p) - 2};
        p = slice_blank(end);
    }
    const char *end = slice_skip(p);
    *value = (js_slice){p, (size_t)(end - p)};
    *at = end;
    return true;
}

static js_slice slice_get(js_slice object, const char *name)
{
    js_slice key, value;
    if (!object.ptr || object.ptr[0] != '{') return (js_slice){NULL, 0};
    for (const char *at = object.ptr + 1; slice_next(&at, &key, &value);)
        if (strlen(name) == key.len && memcmp(name, key.ptr, key.len) == 0) return value;
    return (js_slice){NULL, 0};
}

static uint64_t slice_number(js_slice object, const char *name)
{
    js_slice value = slice_get(object, name);
    return value.ptr ? strtoull(value.ptr, NULL, 10) : 0;
}

static void slice_put(js_slice object, const char *name, doc_text *out)
{
    js_slice value = slice_get(object, name);
    if (value.ptr) doc_value(out, name, value.ptr, value.len);
}

/* The answer to a request of the API; NULL if there is none. The caller's to unref. */
static rill_msg *jspages_ask(const monitor *from, const char *subject, const char *body,
                             js_slice *answer)
{
    rill_msg *reply = NULL;
    *answer = (js_slice){NULL, 0};
    if (!from->subject.bus ||
        rill_jetstream_ask(from->subject.bus, subject, body, strlen(body), &reply,
                           JSPAGES_ASK_MS) < 0)
        return NULL;
    *answer = (js_slice){reply->data.ptr, reply->data.len}; /* a 0 ends it */
    return reply;
}

/* ---- /jsz ---- */

void pages_put_js_config(const monitor *from, doc_text *out)
{
    const daemon_options *options = from->subject.options;
    uint64_t sync_ms = options->broker.sync == RILL_SYNC_LAZY ? options->broker.sync_interval_ms
        : 0;
    doc_uint(out, "max_memory", options->broker.max_stream_memory_bytes);
    doc_uint(out, "max_storage", options->broker.max_store_bytes);
    doc_string(out, "store_dir", options->stream_dir);
    if (sync_ms > 0) doc_uint(out, "sync_interval", sync_ms * 1000000);
    if (options->broker.sync == RILL_SYNC_ALWAYS) doc_bool(out, "sync_always", true);
    doc_bool(out, "strict", true);
    if (options->broker.domain) doc_string(out, "domain", options->broker.domain);
}

void pages_put_js_limits(const monitor *from, doc_text *out)
{
    const rill_broker_opts *broker = &from->subject.options->broker;
    doc_open(out, "limits", '{');
    if (broker->max_pull_batch != 0) doc_uint(out, "max_request_batch", broker->max_pull_batch);
    if (broker->max_unacked != 0) doc_uint(out, "max_ack_pending", broker->max_unacked);
    if (broker->max_dedupe_ms != 0)
        doc_uint(out, "max_duplicate_window", (uint64_t)broker->max_dedupe_ms * 1000000);
    doc_close(out, '}');
}

/* Of the server, or of its one account. */
void pages_put_js_stats(const monitor *from, bool account, doc_text *out)
{
    js_slice info;
    rill_msg *reply = jspages_ask(from, "$JS.API.INFO", "", &info);
    doc_uint(out, "memory", slice_number(info, "memory"));
    doc_uint(out, "storage", slice_number(info, "storage"));
    doc_uint(out, "reserved_memory", account ? UINT64_MAX : slice_number(info, "reserved_memory"));
    doc_uint(out, "reserved_storage",
             account ? UINT64_MAX : slice_number(info, "reserved_storage"));
    doc_uint(out, "accounts", account ? 0 : 1);
    doc_uint(out, "ha_assets", 0);
    js_slice api = slice_get(info, "api");
    doc_open(out, "api", '{');
    doc_uint(out, "level", account ? 0 : slice_number(api, "level"));
    doc_uint(out, "total", slice_number(api, "total"));
    doc_uint(out, "errors", slice_number(api, "errors"));
    doc_close(out, '}');
    rill_msg_unref(reply);
}

/* What of its streams a query of /jsz asks for. */
typedef struct jsz_show {
    const monitor *from;
    bool streams, consumers, config;
    uint64_t nstreams, nconsumers, msgs, bytes;  /* out */
} jsz_show;

static void jsz_put_consumer(js_slice consumer, bool config, doc_text *out)
{
    js_slice key, value;
    doc_open(out, NULL, '{');
    for (const char *at = consumer.ptr + 1; slice_next(&at, &key, &value);) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)key.len, key.ptr);
        if (config || strcmp(name, "config") != 0) doc_value(out, name, value.ptr, value.len);
    }
    doc_close(out, '}');
}

static void jsz_put_consumers(const jsz_show *show, const char *stream, doc_text *out)
{
    char subject[300], body[48];
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.LIST.%s", stream);
    doc_open(out, "consumer_detail", '[');
    for (uint64_t offset = 0, total = 1; offset < total;) {
        js_slice answer, consumer;
        snprintf(body, sizeof body, "{\"offset\":%llu}", (unsigned long long)offset);
        rill_msg *reply = jspages_ask(show->from, subject, body, &answer);
        total = slice_number(answer, "total");
        js_slice list = slice_get(answer, "consumers");
        uint64_t before = offset;
        for (const char *at = list.ptr ? list.ptr + 1 : "";
             slice_next(&at, NULL, &consumer);
             offset++) {
            jsz_put_consumer(consumer, show->config, out);
        }
        rill_msg_unref(reply);
        if (offset == before) break;
    }
    doc_close(out, ']');
}

static void jsz_put_stream(const jsz_show *show, js_slice stream, doc_text *out)
{
    char name[256] = "";
    js_slice text = slice_get(slice_get(stream, "config"), "name");
    if (text.len > 2) snprintf(name, sizeof name, "%.*s", (int)text.len - 2, text.ptr + 1);
    doc_open(out, NULL, '{');
    doc_value(out, "name", text.ptr, text.len);
    slice_put(stream, "created", out);
    rill_broker_info info = {.size = sizeof info};
    rill_broker_about(show->from->subject.broker, &info);
    doc_open(out, "cluster", '{');
    doc_string(out, "leader", info.name);
    doc_close(out, '}');
    if (show->config) slice_put(stream, "config", out);
    slice_put(stream, "state", out);
    if (show->consumers) jsz_put_consumers(show, name, out);
    slice_put(stream, "mirror", out);
    slice_put(stream, "sources", out);
    doc_close(out, '}');
}

/* All streams: into `out` if they are asked for, and summed up. */
static void jsz_walk(jsz_show *show, doc_text *out)
{
    char body[48];
    for (uint64_t total = 1; show->nstreams < total;) {
        js_slice answer, stream;
        snprintf(body, sizeof body, "{\"offset\":%llu}", (unsigned long long)show->nstreams);
        rill_msg *reply = jspages_ask(show->from, "$JS.API.STREAM.LIST", body, &answer);
        total = slice_number(answer, "total");
        js_slice list = slice_get(answer, "streams");
        uint64_t before = show->nstreams;
        for (const char *at = list.ptr ? list.ptr + 1 : ""; slice_next(&at, NULL, &stream);
             show->nstreams++) {
            js_slice state = slice_get(stream, "state");
            show->msgs += slice_number(state, "messages");
            show->bytes += slice_number(state, "bytes");
            show->nconsumers += slice_number(state, "consumer_count");
            if (show->streams) jsz_put_stream(show, stream, out);
        }
        rill_msg_unref(reply);
        if (show->nstreams == before) break;
    }
}

static void jsz_put_account(jsz_show *show, doc_text *out)
{
    doc_open(out, "account_details", '[');
    doc_open(out, NULL, '{');
    doc_string(out, "name", "$G");
    doc_string(out, "id", "$G");
    pages_put_js_stats(show->from, true, out);
    if (show->streams) doc_open(out, "stream_detail", '[');
    jsz_walk(show, out);
    if (show->streams) doc_close(out, ']');
    doc_close(out, '}');
    doc_close(out, ']');
}

int pages_jsz(const monitor *from, const char *query, doc_text *out)
{
    char account[64] = "";
    bool named = query_get(query, "acc", account, sizeof account) && account[0];
    jsz_show show = {.from = from, .consumers = query_bool(query, "consumers"),
                     .config = query_bool(query, "config")};
    show.streams = query_bool(query, "streams") || show.consumers;
    bool ours = named ? strcmp(account, "$G") == 0 : show.streams || query_bool(query, "accounts");
    if (named && !ours) show.streams = false;
    doc_open(out, NULL, '{');
    pages_put_id(from, out);
    doc_time(out, "now", pages_now_ns());
    if (!from->subject.bus) {
        doc_bool(out, "disabled", true);
    } else {
        doc_open(out, "config", '{');
        pages_put_js_config(from, out);
        doc_close(out, '}');
        pages_put_js_limits(from, out);
        pages_put_js_stats(from, false, out);
        if (ours) jsz_put_account(&show, out);
        else jsz_walk(&show, out);
        doc_uint(out, "streams", show.nstreams);
        doc_uint(out, "consumers", show.nconsumers);
        doc_uint(out, "messages", show.msgs);
        doc_uint(out, "bytes", show.bytes);
        doc_uint(out, "total", 1);
    }
    doc_close(out, '}');
    return 200;
}

/* ---- /healthz ---- */

static int healthz_say(int status, const char *error, doc_text *out)
{
    doc_open(out, NULL, '{');
    doc_string(out, "status", status == 200 ? "ok" : status == 400 ? "error" : "unavailable");
    if (error) doc_string(out, "error", error);
    doc_close(out, '}');
    return status;
}

int pages_healthz(const monitor *from, const char *query, doc_text *out)
{
    char account[64] = "", stream[256] = "", consumer[256] = "", subject[600], error[800];
    query_get(query, "account", account, sizeof account);
    query_get(query, "stream", stream, sizeof stream);
    query_get(query, "consumer", consumer, sizeof consumer);
    if (!account[0] && stream[0])
        return healthz_say(400, "\"account\" must not be empty when checking stream health", out);
    if (!stream[0] && consumer[0])
        return healthz_say(400, "\"stream\" must not be empty when checking consumer health", out);
    bool asks = query_bool(query, "js-enabled-only") || query_bool(query, "js-enabled") ||
                account[0] != 0;
    if (!from->subject.bus)
        return asks ? healthz_say(503, "JetStream not enabled", out) : healthz_say(200, NULL, out);
    if (account[0] && strcmp(account, "$G") != 0) {
        snprintf(error, sizeof error, "JetStream account \"%s\" not found", account);
        return healthz_say(404, error, out);
    }
    if (!stream[0]) return healthz_say(200, NULL, out);
    js_slice answer;
    bool wants = consumer[0] != 0;
    snprintf(subject, sizeof subject,
             wants ? "$JS.API.CONSUMER.INFO.%s.%s" : "$JS.API.STREAM.INFO.%s",
             stream, consumer);
    rill_msg *reply = jspages_ask(from, subject, "", &answer);
    uint64_t code = slice_number(slice_get(answer, "error"), "err_code");
    bool found = reply && code == 0;
    rill_msg_unref(reply);
    if (found) return healthz_say(200, NULL, out);
    if (wants && code != 10059)
        snprintf(error, sizeof error, "JetStream consumer \"%s\" not found on account \"%s\"",
                 consumer, account);
    else
        snprintf(error, sizeof error, "JetStream stream \"%s\" not found on account \"%s\"",
                 stream, account);
    return healthz_say(404, error, out);
}
