/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a JetStream server, by the dice: the first byte chooses which one is read. What was
 * read is within the text that it came from, and a changed configuration is JSON again. */
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "codec/jetstream/js_answers.h"
#include "support/fuzz.h"

#define check(holds) fuzz_require((holds), #holds)

static bool is_within(ri_str part, ri_str whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void json(const ri_host *host, uint8_t which, ri_str text)
{
    static const ri_jsapi_type *const types[] = {
        &ri_jsapi_ok_reply, &ri_jsapi_stream_reply, &ri_jsapi_stream_info_reply,
        &ri_jsapi_stream_names_reply, &ri_jsapi_consumer_reply, &ri_jsapi_consumer_names_reply,
        &ri_jsapi_consumer_list_reply, &ri_jsapi_purge_reply, &ri_jsapi_msg_get_reply,
        &ri_jsapi_pause_reply, &ri_jsapi_reset_reply, &ri_jsapi_account_reply,
    };
    const ri_jsapi_type *type = types[which % RI_LEN(types)];
    ri_arena arena;
    ri_arena_init(&arena, host);
    void *out = ri_arena_alloc(&arena, ri_jsapi_size(type));
    int err_code, rc = ri_js_answers_read(type, text, &arena, out, &err_code);
    check(rc == RILL_OK || rc < 0);
    check(err_code >= 0 && (err_code == 0 || rc < 0));
    if (rc == RILL_OK) {
        ri_buffer again;
        ri_buffer_init(&again, host);
        ri_jsapi_encode(type, out, &again);
        void *back = ri_arena_alloc(&arena, ri_jsapi_size(type));
        check(ri_js_answers_read(type, ri_buffer_str(&again), &arena, back, &err_code) == RILL_OK);
        ri_buffer_fini(&again);
    }
    ri_arena_fini(&arena);
}

static void headers(ri_str text)
{
    ri_js_found found;
    ri_js_status status;
    if (ri_js_answers_message(text, &found)) {
        check(found.seq > 0 && found.subject.len > 0);
        check(is_within(found.subject, text) && is_within(found.stream, text));
        check(is_within(found.headers, text) && found.headers.len < text.len);
    }
    if (ri_js_answers_status(text, &status)) check(is_within(status.text, text));
}

static void change(const ri_host *host, ri_str text)
{
    ri_buffer out;
    ri_json root;
    ri_buffer_init(&out, host);
    if (ri_js_answers_change(text, "sealed", RI_STR("true"), &out) == RILL_OK) {
        check(ri_json_parse(&root, ri_buffer_str(&out)) == RILL_OK);
        check(ri_json_bool(ri_json_get(root, "sealed")));
    }
    ri_buffer_fini(&out);
}

/* Choices of a grammar: random bytes alone are neither JSON nor headers. */
static ri_str grammar(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "{", "}", "[", "]", ":", ",", "\"config\":{", "\"name\":\"A\"", "\"sealed\":false",
        "\"state\":{", "\"messages\":", "\"error\":{", "\"code\":", "\"err_code\":", "10059",
        "404", "-1",
        "18446744073709551615", "99999999999999999999", "1.5", "true", "null", "\"num_pending\":",
        "\"streams\":[", "\"consumers\":[", "\"ack_policy\":\"new\"", "\"purged\":", "\"seq\":",
        "\"message\":{", "\"data\":\"aGk=\"", "\"time\":\"2020-01-01T00:00:00Z\"",
        "\"description\":\"x\"", "NATS/1.0", " 408 Request Timeout", " 100 ",
        " 409 Consumer Deleted", "\r\n", "Nats-Stream: S",
        "Nats-Subject: a.b", "Nats-Sequence: ", "Nats-Time-Stamp: 2020-01-01T00:00:00Z",
        "Nats-Num-Pending: ", "Nats-Pending-Messages: ", "Nats-Last-Consumer: ", "7",
    };
    return (ri_str){text, fuzz_words(text, cap, words, RI_LEN(words), data, size)};
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static ri_host host;
    if (!host.alloc) ri_host_init(&host, NULL);
    if (size < 2) return 0;
    char text[4096];
    ri_str in = {(const char *)data + 2, size - 2};
    if (data[1] & 1) in = grammar(text, sizeof text, data + 2, size - 2);
    json(&host, data[0], in);
    headers(in);
    change(&host, in);
    return 0;
}
