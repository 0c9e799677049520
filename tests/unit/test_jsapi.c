/* SPDX-License-Identifier: Apache-2.0 */
/* The JetStream tables: texts of a real server to structs and back, byte for byte; its sentences
 * for what is wrong; copies, comparisons, faults. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "codec/jetstream/jsapi.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

typedef struct golden {
    const ri_jsapi_type *type;
    size_t size;
    const char *text;
} golden;

/* What nats-server 2.15.2 answered, unchanged. */
static const golden goldens[] = {
    {&ri_jsapi_stream_reply, sizeof(ri_js_stream_reply),
     "{\"type\":\"io.nats.jetstream.api.v1.stream_create_response\",\"config\":{\"name\":\"A\","
     "\"subjects\":[\"a.b\"],\"retention\":\"limits\",\"max_consumers\":-1,\"max_msgs\":-1,"
     "\"max_bytes\":-1,\"max_age\":0,\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,"
     "\"discard\":\"old\",\"storage\":\"file\",\"num_replicas\":1,"
     "\"duplicate_window\":120000000000,\"compression\":\"none\",\"allow_direct\":false,"
     "\"mirror_direct\":false,\"sealed\":false,\"deny_delete\":false,\"deny_purge\":false,"
     "\"allow_rollup_hdrs\":false,\"consumer_limits\":{},\"allow_msg_ttl\":false,\"metadata\":{"
     "\"_nats.level\":\"5\",\"_nats.req.level\":\"0\",\"_nats.ver\":\"2.15.2\"}},"
     "\"created\":\"2026-11-22T22:47:51.90124516Z\",\"state\":{\"messages\":0,\"bytes\":0,"
     "\"first_seq\":0,\"first_ts\":\"0001-01-01T00:00:00Z\",\"last_seq\":0,"
     "\"last_ts\":\"0001-01-01T00:00:00Z\",\"consumer_count\":0},"
     "\"ts\":\"2026-11-22T22:47:51.902274886Z\",\"did_create\":true}"},
    {&ri_jsapi_consumer_reply, sizeof(ri_js_consumer_reply),
     "{\"type\":\"io.nats.jetstream.api.v1.consumer_create_response\",\"stream_name\":\"A\","
     "\"name\":\"7wDAgXrt\",\"created\":\"2026-11-22T22:47:51.905648869Z\",\"config\":{"
     "\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"2020-01-01T00:00:00Z\","
     "\"ack_policy\":\"none\",\"max_deliver\":-1,\"replay_policy\":\"instant\","
     "\"max_waiting\":512,\"inactive_threshold\":5000000000,\"num_replicas\":0,\"metadata\":{"
     "\"_nats.level\":\"5\",\"_nats.req.level\":\"0\",\"_nats.ver\":\"2.15.2\"}},\"delivered\":{"
     "\"consumer_seq\":0,\"stream_seq\":0},\"ack_floor\":{\"consumer_seq\":0,\"stream_seq\":0},"
     "\"num_ack_pending\":0,\"num_redelivered\":0,\"num_waiting\":0,\"num_pending\":0,"
     "\"ts\":\"2026-11-22T22:47:51.906098694Z\"}"},
    {&ri_jsapi_stream_reply, sizeof(ri_js_stream_reply),
     "{\"type\":\"io.nats.jetstream.api.v1.stream_create_response\",\"error\":{\"code\":400,"
     "\"err_code\":10056,\"description\":\"stream name in subject does not match request\"}}"},
    {&ri_jsapi_account_reply, sizeof(ri_js_account_reply),
     "{\"type\":\"io.nats.jetstream.api.v1.account_info_response\",\"memory\":0,\"storage\":0,"
     "\"reserved_memory\":0,\"reserved_storage\":0,\"streams\":0,\"consumers\":0,\"limits\":{"
     "\"max_memory\":-1,\"max_storage\":-1,\"max_streams\":-1,\"max_consumers\":-1,"
     "\"max_ack_pending\":-1,\"memory_max_stream_bytes\":-1,\"storage_max_stream_bytes\":-1,"
     "\"max_bytes_required\":false},\"api\":{\"level\":5,\"total\":0,\"errors\":0}}"},
    {&ri_jsapi_stream_names_reply, sizeof(ri_js_stream_names_reply),
     "{\"type\":\"io.nats.jetstream.api.v1.stream_names_response\",\"total\":0,\"offset\":0,"
     "\"limit\":1024,\"streams\":null}"},
    {&ri_jsapi_consumer_names_reply, sizeof(ri_js_consumer_names_reply),
     "{\"type\":\"io.nats.jetstream.api.v1.consumer_names_response\",\"total\":0,\"offset\":0,"
     "\"limit\":1024,\"consumers\":[]}"},
    {&ri_jsapi_msg_get_reply, sizeof(ri_js_msg_get_reply),
     "{\"type\":\"io.nats.jetstream.api.v1.stream_msg_get_response\",\"message\":{\"subject\":"
     "\"a.b\",\"seq\":1,\"hdrs\":\"TkFUUy8xLjANCg0K\",\"data\":\"aGk=\","
     "\"time\":\"2026-11-22T22:47:51Z\"}}"},
    {&ri_jsapi_stream_request, sizeof(ri_js_stream_request),
     "{\"name\":\"M\",\"retention\":\"workqueue\",\"max_consumers\":0,\"max_msgs\":7,"
     "\"max_bytes\":0,\"max_age\":0,\"max_msgs_per_subject\":0,\"discard\":\"new\","
     "\"storage\":\"memory\",\"num_replicas\":0,\"placement\":{\"cluster\":\"c\",\"tags\":"
     "[\"x\",\"y\"]},\"mirror\":{\"name\":\"O\",\"opt_start_seq\":3,\"subject_transforms\":[{"
     "\"src\":\"a.*\",\"dest\":\"b.$1\"}],\"external\":{\"api\":\"$JS.h.API\",\"deliver\":\"\"}},"
     "\"sources\":[{\"name\":\"S1\",\"filter_subject\":\"x.\\u003e\"},{\"name\":\"S2\"}],"
     "\"compression\":\"s2\",\"subject_transform\":{\"src\":\"a\",\"dest\":\"b\"},\"republish\":{"
     "\"src\":\"a\",\"dest\":\"c\",\"headers_only\":true},\"allow_direct\":true,"
     "\"mirror_direct\":false,\"sealed\":false,\"deny_delete\":false,\"deny_purge\":false,"
     "\"allow_rollup_hdrs\":false,\"consumer_limits\":{\"inactive_threshold\":5,"
     "\"max_ack_pending\":6},\"allow_msg_ttl\":false,\"persist_mode\":\"async\",\"metadata\":{"
     "\"a\":\"1\",\"b\":\"\\\"\"},\"pedantic\":true}"},
};

typedef union any_struct { /* room for any of the structs */
    ri_js_stream_request request;
    ri_js_stream_list_reply list;
    ri_js_restore_request restore;
    ri_js_account_reply account;
    char room[2048];
} any_struct;

START_TEST(test_golden)
{
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(goldens); i++) {
        const golden *g = &goldens[i];
        ri_arena arena;
        ri_arena_init(&arena, &host);
        any_struct value, copy;
        size_t len = strlen(g->text);
        char *text = guard_copy(g->text, len);
        ck_assert_ok(ri_jsapi_decode(g->type, (ri_str){text, len}, true, &arena, &value));
        ck_assert_ok(ri_jsapi_copy(g->type, &value, &arena, &copy));
        ck_assert(ri_jsapi_equal(g->type, &value, &copy));
        ri_buffer out;
        ri_buffer_init(&out, &host);
        ri_jsapi_encode(g->type, &copy, &out);
        ck_assert_span(ri_buffer_str(&out), g->text);
        ri_buffer_fini(&out);
        ri_arena_fini(&arena);
    }
    guard_free();
}
END_TEST

/* No prefix of a text reads past its end or is taken for the whole. */
START_TEST(test_split)
{
    ri_host host;
    ri_host_init(&host, NULL);
    const golden *g = &goldens[RI_LEN(goldens) - 1];
    for (size_t n = 1; n < strlen(g->text); n++) {
        ri_arena arena;
        ri_arena_init(&arena, &host);
        any_struct value;
        ck_assert_rc(ri_jsapi_decode(g->type, (ri_str){guard_copy(g->text, n), n}, true, &arena,
                                     &value), RILL_EPROTO);
        ri_arena_fini(&arena);
    }
    guard_free();
}
END_TEST

START_TEST(test_wrong)
{
    static const struct {
        const char *json, *sentence;
    } cases[] = {
        {"{\"foo\":1}", "json: unknown field \"foo\""},
        {"{\"placement\":{\"foo\":1}}", "json: unknown field \"foo\""},
        {"{\"max_msgs\":\"x\"}",
         "json: cannot unmarshal string into Go struct field "
         "StreamConfigRequest.StreamConfig.max_msgs of type int64"},
        {"{\"max_msgs\":1.5}",
         "json: cannot unmarshal number 1.5 into Go struct field "
         "StreamConfigRequest.StreamConfig.max_msgs of type int64"},
        {"{\"first_seq\":-1}",
         "json: cannot unmarshal number -1 into Go struct field "
         "StreamConfigRequest.StreamConfig.first_seq of type uint64"},
        {"{\"max_msg_size\":4294967296}",
         "json: cannot unmarshal number 4294967296 into Go struct field "
         "StreamConfigRequest.StreamConfig.max_msg_size of type int32"},
        {"{\"sources\":[{\"name\":5}]}",
         "json: cannot unmarshal number into Go struct field "
         "StreamSource.StreamConfig.sources.name of type string"},
        {"{\"subjects\":\"x\"}",
         "json: cannot unmarshal string into Go struct field "
         "StreamConfigRequest.StreamConfig.subjects of type []string"},
        {"{\"consumer_limits\":{\"max_ack_pending\":\"z\"}}",
         "json: cannot unmarshal string into Go struct field "
         "StreamConsumerLimits.StreamConfig.consumer_limits.max_ack_pending of type int"},
        {"{\"metadata\":[]}",
         "json: cannot unmarshal array into Go struct field "
         "StreamConfigRequest.StreamConfig.metadata of type map[string]string"},
        {"{\"retention\":\"xx\"}", "can not unmarshal \"\\\"xx\\\"\""},
        {"{\"retention\":5}", "can not unmarshal \"5\""},
        {"{\"compression\":\"x\"}", "unknown compression algorithm"},
        {"{\"mirror\":{\"opt_start_time\":5}}",
         "Time.UnmarshalJSON: input is not a JSON string"},
        {"[]", "json: cannot unmarshal array into Go value of type server.StreamConfigRequest"},
    };
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(cases); i++) {
        ri_arena arena;
        ri_arena_init(&arena, &host);
        ri_js_stream_request request;
        ck_assert_rc(ri_jsapi_decode(&ri_jsapi_stream_request, ri_str_of(cases[i].json), true,
                                     &arena, &request), RILL_EPROTO);
        ck_assert_str_eq(ri_err_text(), cases[i].sentence);
        ri_arena_fini(&arena);
    }
}
END_TEST

START_TEST(test_lenient)
{
    ri_host host;
    ri_host_init(&host, NULL);
    ri_arena arena;
    ri_arena_init(&arena, &host);
    ri_js_stream_request request;
    ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_request,
                                 RI_STR(" {\"Name\":\"A\",\"SUBJECTS\":[\"a\",null],\"zz\":{}} "),
                                 false, &arena, &request));
    ck_assert_span(request.conf.name, "A");
    ck_assert_uint_eq(request.conf.subjects.len, 2);
    ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_request, RI_STR(""), true, &arena, &request));
    ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_request, RI_STR("null"), true, &arena, &request));
    ck_assert_uint_eq(request.conf.name.len, 0);
    ri_arena_fini(&arena);
}
END_TEST

/* Metadata of the server itself does not make two configurations differ; all else does. */
START_TEST(test_equal)
{
    static const char *const same[] = {
        "{\"name\":\"A\",\"metadata\":{\"a\":\"1\",\"_nats.ver\":\"x\"}}",
        "{\"name\":\"A\",\"metadata\":{\"_nats.level\":\"5\",\"a\":\"1\"}}",
    };
    static const char *const other[] = {
        "{\"name\":\"A\",\"metadata\":{\"a\":\"2\"}}", "{\"name\":\"A\"}",
        "{\"name\":\"A\",\"metadata\":{\"a\":\"1\",\"b\":\"\"}}",
        "{\"name\":\"A\",\"metadata\":{\"a\":\"1\"},\"sources\":[{\"name\":\"x\"}]}",
        "{\"name\":\"A\",\"metadata\":{\"a\":\"1\"},\"republish\":{\"dest\":\"x\"}}",
        "{\"name\":\"A\",\"metadata\":{\"a\":\"1\"},\"consumer_limits\":{\"max_ack_pending\":1}}",
        "{\"name\":\"A\",\"metadata\":{\"a\":\"1\"},\"max_msg_size\":1}",
    };
    ri_host host;
    ri_host_init(&host, NULL);
    ri_arena arena;
    ri_arena_init(&arena, &host);
    ri_stream_conf a, b;
    ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf, ri_str_of(same[0]), true, &arena, &a));
    ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf, ri_str_of(same[1]), true, &arena, &b));
    ck_assert(ri_jsapi_equal_stream_conf(&a, &b));
    for (size_t i = 0; i < RI_LEN(other); i++) {
        ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf, ri_str_of(other[i]), true, &arena, &b));
        ck_assert_msg(!ri_jsapi_equal_stream_conf(&a, &b), "%s", other[i]);
        ck_assert_msg(!ri_jsapi_equal_stream_conf(&b, &a), "%s", other[i]);
    }
    ri_arena_fini(&arena);
}
END_TEST

static int jsapi_fault_body(fault *f, void *arg)
{
    const golden *g = arg;
    ri_arena arena;
    ri_arena_init(&arena, &f->host);
    any_struct value, copy;
    int rc = ri_jsapi_decode(g->type, ri_str_of(g->text), true, &arena, &value);
    if (rc >= 0) rc = ri_jsapi_copy(g->type, &value, &arena, &copy);
    if (rc >= 0) {
        ri_buffer out;
        ri_buffer_init(&out, &f->host);
        ri_jsapi_encode(g->type, &copy, &out);
        if (out.failed) rc = RILL_ENOMEM;
        else ck_assert_span(ri_buffer_str(&out), g->text);
        ri_buffer_fini(&out);
    }
    ri_arena_fini(&arena);
    return rc;
}

START_TEST(test_faults)
{
    for (size_t i = 0; i < RI_LEN(goldens); i++)
        ck_assert_uint_gt(fault_each(jsapi_fault_body, (void *)(uintptr_t)&goldens[i]), 0);
}
END_TEST

START_TEST(test_errors)
{
    ri_js_error e;
    ck_assert_rc(ri_jserror_set(&e, RI_JS_STREAM_WRONG_LAST_SEQUENCE, "%d", 7), RILL_ECONFLICT);
    ck_assert_str_eq(e.text, "wrong last sequence: 7");
    ck_assert_int_eq(e.code, 400);
    ck_assert_rc(ri_jserror_set(&e, RI_JS_STREAM_NOT_FOUND, NULL), RILL_ENOENT);
    ck_assert_int_eq(e.err_code, 10059);
    ri_jserror_set(&e, RI_JS_STREAM_EXTERNAL_API_OVERLAP, "%s\n%s", "a.b", "c");
    ck_assert_str_eq(e.text, "stream external api prefix a.b must not overlap with c");
    ck_assert_ptr_null(ri_jserror_text(1));
    ck_assert_int_eq(ri_jserror_http(10039), 503);
}
END_TEST

SUITE_MAIN("jsapi", test_golden, test_split, test_wrong, test_lenient, test_equal, test_faults,
           test_errors)
