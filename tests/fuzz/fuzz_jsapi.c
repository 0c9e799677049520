/* SPDX-License-Identifier: Apache-2.0 */
/* The JetStream tables and scanners. The first byte chooses the type. What is read and written
 * again reads alike; rules of configurations hold for any. */
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "codec/jetstream/jsapi.h"
#include "codec/jetstream/jsconf.h"
#include "codec/jetstream/jshot.h"
#include "support/fuzz.h"

#define check(holds) fuzz_require((holds), #holds)

static const ri_jsapi_type *type_of(uint8_t n)
{
    static const ri_jsapi_type *const types[] = {
        &ri_jsapi_stream_request, &ri_jsapi_consumer_request, &ri_jsapi_msg_get_request,
        &ri_jsapi_stream_list_reply, &ri_jsapi_consumer_list_reply, &ri_jsapi_pull_request,
        &ri_jsapi_restore_request, &ri_jsapi_account_reply, &ri_jsapi_msg_get_reply,
        &ri_jsapi_pause_reply,
    };
    return types[n % RI_LEN(types)];
}

static void tables(const ri_host *host, const ri_jsapi_type *type, ri_str text)
{
    ri_arena arena;
    ri_arena_init(&arena, host);
    void *in = ri_arena_alloc(&arena, ri_jsapi_size(type));
    void *copy = ri_arena_alloc(&arena, ri_jsapi_size(type));
    void *again = ri_arena_alloc(&arena, ri_jsapi_size(type));
    if (ri_jsapi_decode(type, text, false, &arena, in) == RILL_OK) {
        check(ri_jsapi_copy(type, in, &arena, copy) == RILL_OK);
        check(ri_jsapi_equal(type, in, copy));
        ri_buffer out;
        ri_buffer_init(&out, host);
        ri_jsapi_encode(type, copy, &out);
        check(ri_jsapi_decode(type, ri_buffer_str(&out), true, &arena, again) == RILL_OK);
        ri_buffer_fini(&out);
        ri_js_error e;
        ri_js_stream_request *stream = in;
        ri_js_consumer_request *consumer = in;
        static const ri_stream_conf none = {.num_replicas = 1};
        if (type == &ri_jsapi_stream_request)
            ri_jsconf_stream(&stream->conf, NULL, stream->pedantic, &arena, &e);
        if (type == &ri_jsapi_consumer_request)
            ri_jsconf_consumer(&consumer->conf, &none, NULL, consumer->pedantic, &arena, &e);
    }
    ri_arena_fini(&arena);
}

static void scanners(const ri_host *host, ri_str text)
{
    ri_js_pull_request pull, full;
    ri_js_puback ack;
    ri_js_ack subject;
    ri_js_error e;
    ri_jshot_puback_read(text, &ack, &e);
    if (ri_jshot_ack_read(text, &subject)) check(subject.stream.len && subject.consumer.len);
    if (ri_jshot_pull_read(text, &pull) != RILL_OK || !text.len || text.ptr[0] != '{') return;
    ri_arena arena;
    ri_arena_init(&arena, host);
    check(ri_jsapi_decode(&ri_jsapi_pull_request, text, true, &arena, &full) == RILL_OK);
    if (!full.batch) full.batch = 1;
    check(ri_jsapi_equal(&ri_jsapi_pull_request, &pull, &full));
    ri_arena_fini(&arena);
}

/* Choices of a grammar: random bytes alone are no JSON. */
static ri_str grammar(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "{", "}", "[", "]", ":", ",", "\"name\"", "\"config\"", "\"A\"", "\"subjects\"", "1", "-1",
        "1.5", "true", "null", "\"mirror\"", "\"sources\"", "\"batch\"", "\"seq\"", "\"retention\"",
        "\"workqueue\"", "\"metadata\"", "\"k\"", "\"2020-01-01T00:00:00Z\"", "\"created\"",
        "\"opt_start_time\"", "\"error\"", "\"message\"", "\"data\"", "\"aGk=\"", "\"a.*\"",
        "\"filter_subjects\"", "\"backoff\"", "\"max_age\"", "{\"name\":\"A\",", "\"streams\"",
        "\"durable_name\":\"d\",", "\"state\"", "\"deleted\"", "\"subject_transforms\"",
        "\"republish\"", "\"src\"", "\"dest\"", "\"a.{{wildcard(1)}}\"", "\"priority_groups\"",
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
    tables(&host, type_of(data[0]), in);
    scanners(&host, in);
    return 0;
}
