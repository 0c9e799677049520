/* SPDX-License-Identifier: Apache-2.0 */
/* What a JetStream server answers: as nats-server and our own write it, cut at each byte, and with
 * nonsense in it. */
#include <stdio.h>

#include "base/error.h"
#include "codec/jetstream/js_answers.h"
#include "codec/nats/headers.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

static ri_str guarded(const char *text)
{
    return (ri_str){guard_copy(text, strlen(text)), strlen(text)};
}

/* ---- JSON ---- */

#define INFO \
    "{\"type\":\"io.nats.jetstream.api.v1.stream_info_response\",\"total\":0,\"offset\":0," \
    "\"limit\":0,\"config\":{\"name\":\"S\",\"subjects\":[\"s.\\u003e\"]," \
    "\"retention\":\"limits\",\"max_consumers\":-1,\"max_msgs\":10,\"storage\":" \
    "\"memory\",\"discard\":\"old\"," \
    "\"num_replicas\":3,\"a_field_of_2030\":{\"x\":[1,2]}},\"created\":" \
    "\"2026-01-02T03:04:05.000000006Z\",\"state\":{\"messages\":2,\"bytes\":80," \
    "\"first_seq\":4,\"first_ts\":\"2026-01-02T03:04:05Z\",\"last_seq\":5," \
    "\"last_ts\":\"2026-01-02T03:04:06Z\",\"num_subjects\":1,\"consumer_count\":7}," \
    "\"cluster\":{\"name\":\"C\",\"leader\":\"n1\"},\"ts\":\"2026-01-02T03:04:07Z\"}"

static int info_read(fault *f, void *arg)
{
    (void)arg;
    ri_arena arena;
    ri_arena_init(&arena, &f->host);
    ri_js_stream_info_reply reply;
    int err_code, rc = ri_js_answers_read(&ri_jsapi_stream_info_reply, guarded(INFO), &arena,
                                          &reply, &err_code);
    if (rc == RILL_OK) {
        ck_assert_int_eq(err_code, 0);
        ck_assert_span(reply.info->config->name, "S");
        ck_assert_span(reply.info->config->subjects.items[0], "s.>");
        ck_assert_int_eq(reply.info->config->num_replicas, 3);
        ck_assert_int_eq(reply.info->config->storage, RI_STORE_MEMORY);
        ck_assert_uint_eq(reply.info->state.last_seq, 5);
        ck_assert_uint_eq(reply.info->state.consumer_count, 7);
        ck_assert_span(reply.info->cluster->leader, "n1");
    }
    ri_arena_fini(&arena);
    guard_free();
    return rc;
}

START_TEST(test_info)
{
    ck_assert_uint_ge(fault_each(info_read, NULL), 1);
}
END_TEST

START_TEST(test_cut)
{
    fault f;
    fault_init(&f);
    for (size_t n = 0; n < strlen(INFO); n++) {
        ri_arena arena;
        ri_arena_init(&arena, &f.host);
        ri_js_stream_info_reply reply;
        int err_code;
        ri_str cut = {guard_copy(INFO, n), n};
        ck_assert_rc(ri_js_answers_read(&ri_jsapi_stream_info_reply, cut, &arena, &reply,
                                        &err_code), RILL_EPROTO);
        ri_arena_fini(&arena);
    }
    guard_free();
    fault_fini(&f);
}
END_TEST

/* The empty items of a list are short in the text, and long in memory: so many are refused, and not
 * made. */
START_TEST(test_long_list)
{
    enum { ITEMS = 1 << 20 };
    fault f;
    ri_arena arena;
    ri_buffer text;
    ri_js_consumer_list_reply reply;
    int err_code;
    fault_init(&f);
    ri_arena_init(&arena, &f.host);
    ri_buffer_init(&text, &f.host);
    ri_buffer_puts(&text, "{\"consumers\":[{}");
    for (int i = 1; i < ITEMS; i++) ri_buffer_puts(&text, ",{}");
    ri_buffer_puts(&text, "]}");
    ck_assert(!text.failed);
    ck_assert_rc(ri_js_answers_read(&ri_jsapi_consumer_list_reply, ri_buffer_str(&text), &arena,
                                    &reply, &err_code), RILL_EPROTO);
    ri_buffer_fini(&text);
    ri_arena_fini(&arena);
    fault_fini(&f);
}
END_TEST

/* What the server says is too great for the field, or is a word that we do not know. */
START_TEST(test_odd)
{
    fault f;
    ri_arena arena;
    fault_init(&f);
    ri_arena_init(&arena, &f.host);
    ri_js_consumer_reply reply;
    int err_code;
    ri_str text = guarded(
        "{\"stream_name\":\"S\",\"name\":\"c\",\"config\":{\"ack_policy\":\"by_telepathy\","
        "\"deliver_policy\":\"last\",\"max_deliver\":99999999999999999999,"
        "\"max_waiting\":-9223372036854775809,"
        "\"opt_start_seq\":-5},\"delivered\":{\"consumer_seq\":18446744073709551615,"
        "\"stream_seq\":99999999999999999999999},\"num_pending\":18446744073709551614,"
        "\"num_waiting\":null,\"Num_Ack_Pending\":4}");
    ck_assert_ok(ri_js_answers_read(&ri_jsapi_consumer_reply, text, &arena, &reply, &err_code));
    const ri_consumer_info *info = reply.info;
    ck_assert_int_eq(info->config->ack_policy, RI_ACK_NONE);
    ck_assert_int_eq(info->config->deliver_policy, RI_DELIVER_LAST);
    ck_assert_int_eq(info->config->max_deliver, INT64_MAX);
    ck_assert_int_eq(info->config->max_waiting, -INT64_MAX);
    ck_assert_uint_eq(info->config->opt_start_seq, 0);
    ck_assert(info->delivered.consumer_seq == UINT64_MAX);
    ck_assert(info->delivered.stream_seq == UINT64_MAX);
    ck_assert(info->num_pending == UINT64_MAX - 1);
    ck_assert_uint_eq(info->num_ack_pending, 4);
    static const char *const wrong[] = {
        "", " ", "[]", "7", "\"x\"", "{", "{} x", "{\"config\":7}", "{\"num_pending\":\"7\"}",
        "{\"num_pending\":1.5}", "{\"num_pending\":1e3}", "{\"created\":\"yesterday\"}",
        "{\"error\":7}", "{\"error\":{}}", "{\"error\":{\"code\":0}}",
    };
    for (size_t i = 0; i < RI_LEN(wrong); i++) {
        int rc = ri_js_answers_read(&ri_jsapi_consumer_reply, guarded(wrong[i]), &arena, &reply,
                                    &err_code);
        ck_assert_msg(rc == RILL_EPROTO, "%s: %d", wrong[i], rc);
    }
    ri_arena_fini(&arena);
    guard_free();
    fault_fini(&f);
}
END_TEST

START_TEST(test_errors)
{
    static const struct {
        const char *error;
        int rc, err_code;
        const char *sentence;
    } cases[] = {
        {"{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}", RILL_ENOENT,
         10059, "stream not found"},
        {"{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence: 3\"}",
         RILL_ECONFLICT, 10071, "wrong last sequence: 3"},
        {"{\"code\":400,\"err_code\":10058,\"description\":\"x\"}", RILL_EEXIST, 10058, "x"},
        {"{\"code\":503,\"err_code\":10008,\"description\":\"x\"}", RILL_EAGAIN, 10008, "x"},
        {"{\"code\":503,\"err_code\":10077,\"description\":\"x\"}", RILL_EFULL, 10077, "x"},
        {"{\"code\":503,\"err_code\":10039,\"description\":\"x\"}", RILL_ENOTSUP, 10039, "x"},
        {"{\"code\":503}", RILL_EFULL, 0, "the error 503, 0"},
        {"{\"code\":404,\"err_code\":99999,\"description\":\"new\"}", RILL_ENOENT, 99999, "new"},
        {"{\"code\":777,\"err_code\":-1}", RILL_EINVAL, 0, "the error 777, 0"},
        {"{\"code\":99999999999999,\"err_code\":4294967296}", RILL_EINVAL, INT32_MAX,
         "the error 2147483647, 2147483647"},
    };
    fault f;
    ri_arena arena;
    fault_init(&f);
    ri_arena_init(&arena, &f.host);
    for (size_t i = 0; i < RI_LEN(cases); i++) {
        char text[300];
        ri_js_purge_reply reply;
        int err_code;
        snprintf(text, sizeof text, "{\"type\":\"t\",\"error\":%s,\"purged\":0}", cases[i].error);
        ck_assert_rc(ri_js_answers_read(&ri_jsapi_purge_reply, guarded(text), &arena, &reply,
                                        &err_code), cases[i].rc);
        ck_assert_int_eq(err_code, cases[i].err_code);
        ck_assert_str_eq(ri_err_text(), cases[i].sentence);
    }
    ri_arena_fini(&arena);
    guard_free();
    fault_fini(&f);
}
END_TEST

/* ---- Messages ---- */

#define TOLD "Nats-Stream: S\r\nNats-Subject: a.b\r\nNats-Sequence: 12\r\n" \
             "Nats-Time-Stamp: 1970-01-01T00:00:01.5Z\r\n"

START_TEST(test_message)
{
    static const struct {
        const char *block, *headers;
        uint64_t pending;
    } cases[] = {
        {"NATS/1.0\r\n" TOLD "\r\n", "", 0},
        {"NATS/1.0\r\nk: v\r\n" TOLD "\r\n", "NATS/1.0\r\nk: v\r\n", 0},
        {"NATS/1.0\r\n" TOLD "Nats-Num-Pending: 7\r\nNats-Last-Sequence: 3\r\n\r\n", "", 7},
        {"NATS/1.0\r\n" TOLD "Nats-Num-Pending: 99999999999999999999\r\n\r\n", "", UINT64_MAX},
        /* It was republished from elsewhere, with headers of these names. */
        {"NATS/1.0\r\nNats-Stream: T\r\nNats-Subject: x\r\n" TOLD "\r\n",
         "NATS/1.0\r\nNats-Stream: T\r\nNats-Subject: x\r\n", 0},
    };
    ri_js_found found;
    for (size_t i = 0; i < RI_LEN(cases); i++) {
        ck_assert(ri_js_answers_message(guarded(cases[i].block), &found));
        ck_assert_span(found.stream, "S");
        ck_assert_span(found.subject, "a.b");
        ck_assert_span(found.headers, cases[i].headers);
        ck_assert_uint_eq(found.seq, 12);
        ck_assert_int_eq(found.time_ns, 1500000000);
        ck_assert(found.pending == cases[i].pending);
    }
    static const char *const wrong[] = {
        "", "NATS/1.0\r\n\r\n", "NATS/1.0 404 Message Not Found\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: x\r\n"
        "Nats-Time-Stamp: 1970-01-01T00:00:01Z\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: \r\nNats-Sequence: 1\r\n"
        "Nats-Time-Stamp: 1970-01-01T00:00:01Z\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: 1\r\n"
        "Nats-Time-Stamp: now\r\n\r\n",
    };
    for (size_t i = 0; i < RI_LEN(wrong); i++)
        ck_assert_msg(!ri_js_answers_message(guarded(wrong[i]), &found), "%s", wrong[i]);
    const char *whole = cases[2].block;
    for (size_t n = 0; n < strlen(whole); n++) /* any part is read without harm */
        ri_js_answers_message((ri_str){guard_copy(whole, n), n}, &found);
    guard_free();
}
END_TEST

/* ---- Status lines ---- */

START_TEST(test_status)
{
    static const struct {
        const char *line;
        ri_js_status_kind kind;
    } cases[] = {
        {"100 Idle Heartbeat", RI_JS_STATUS_BEAT},
        {"100 FlowControl Request", RI_JS_STATUS_STALLED},
        {"100", RI_JS_STATUS_BEAT},
        {"204 EOB", RI_JS_STATUS_END},
        {"400 Bad Request - heartbeat value too large", RI_JS_STATUS_REFUSED},
        {"404 No Messages", RI_JS_STATUS_NOTHING},
        {"404 Message Not Found", RI_JS_STATUS_NOTHING},
        {"408 Request Timeout", RI_JS_STATUS_OVER},
        {"408 request timeout", RI_JS_STATUS_OVER},
        {"408 Requests Pending", RI_JS_STATUS_OVER},
        {"408 Bad Request", RI_JS_STATUS_REFUSED},
        {"409 Consumer Deleted", RI_JS_STATUS_GONE},
        {"409 Consumer is push based", RI_JS_STATUS_REFUSED},
        {"409 Message Size Exceeds MaxBytes", RI_JS_STATUS_OVER},
        {"409 Exceeded MaxWaiting", RI_JS_STATUS_MOVED},
        {"409 Exceeded MaxRequestBatch of 5", RI_JS_STATUS_REFUSED},
        {"409 Leadership Change", RI_JS_STATUS_MOVED},
        {"409 Server Shutdown", RI_JS_STATUS_MOVED},
        {"412 Required Api Level", RI_JS_STATUS_REFUSED},
        {"413 Too Many Results", RI_JS_STATUS_TOO_MANY},
        {"503", RI_JS_STATUS_NOBODY},
        {"503 No Responders Available For Request", RI_JS_STATUS_NOBODY},
        {"999 What", RI_JS_STATUS_REFUSED},
    };
    ri_js_status status;
    for (size_t i = 0; i < RI_LEN(cases); i++) {
        char block[200];
        snprintf(block, sizeof block, "NATS/1.0 %s\r\n\r\n", cases[i].line);
        ck_assert(ri_js_answers_status(guarded(block), &status));
        ck_assert_msg(status.kind == cases[i].kind, "%s is %d", cases[i].line, (int)status.kind);
        ck_assert(!status.counts && !status.places);
    }
    ck_assert(ri_js_answers_status(guarded("NATS/1.0 408 Request Timeout\r\n"
                                           "Nats-Pending-Messages: 5\r\n"
                                           "Nats-Pending-Bytes: 18446744073709551616\r\n\r\n"),
                                   &status));
    ck_assert(status.counts && status.pending_msgs == 5 && status.pending_bytes == UINT64_MAX);
    ck_assert(ri_js_answers_status(guarded("NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3"
                                           "\r\nNats-Last-Stream: 44\r\n\r\n"), &status));
    ck_assert(status.places && status.last_consumer == 3 && status.last_stream == 44);
    ck_assert_span(status.text, "Idle Heartbeat");
    static const char *const none[] = {"", "NATS/1.0\r\n\r\n", "NATS/1.0\r\nStatus: 503\r\n\r\n",
                                       "NATS/1.0 5\r\n\r\n", "NATS/1.0 5033\r\n\r\n", "503"};
    for (size_t i = 0; i < RI_LEN(none); i++)
        ck_assert_msg(!ri_js_answers_status(guarded(none[i]), &status), "%s", none[i]);
    guard_free();
}
END_TEST

/* ---- What is asked ---- */

static int change(fault *f, void *arg)
{
    (void)arg;
    ri_buffer out;
    ri_buffer_init(&out, &f->host);
    int rc = ri_js_answers_change(guarded("{\"config\":{\"name\":\"S\",\"sealed\":false,"
                                          "\"new\":{\"x\":[1, 2]}},\"state\":{}}"), "sealed",
                                  RI_STR("true"), &out);
    if (rc == RILL_OK)
        ck_assert_span(ri_buffer_str(&out),
                       "{\"name\":\"S\",\"new\":{\"x\":[1, 2]},\"sealed\":true}");
    ri_buffer_fini(&out);
    return rc;
}

START_TEST(test_change)
{
    ck_assert_uint_ge(fault_each(change, NULL), 1);
    fault f;
    ri_buffer out;
    fault_init(&f);
    ri_buffer_init(&out, &f.host);
    ck_assert_ok(ri_js_answers_change(guarded("{\"config\":{}}"), "sealed", RI_STR("true"), &out));
    ck_assert_span(ri_buffer_str(&out), "{\"sealed\":true}");
    static const char *const wrong[] = {"", "{", "[]", "{}", "{\"config\":[]}"};
    for (size_t i = 0; i < RI_LEN(wrong); i++)
        ck_assert_rc(ri_js_answers_change(guarded(wrong[i]), "sealed", RI_STR("true"), &out),
                     RILL_EPROTO);
    ri_buffer_fini(&out);
    guard_free();
    fault_fini(&f);
}
END_TEST

/* What the tables write for each request is what our own server reads strictly. */
static void round_trip(const ri_jsapi_type *type, const void *in, const char *want)
{
    ri_host host;
    ri_buffer out;
    ri_arena arena;
    ri_host_init(&host, NULL);
    ri_buffer_init(&out, &host);
    ri_arena_init(&arena, &host);
    ri_jsapi_encode(type, in, &out);
    ck_assert_span(ri_buffer_str(&out), want);
    void *back = ri_arena_alloc(&arena, ri_jsapi_size(type));
    ck_assert_ok(ri_jsapi_decode(type, ri_buffer_str(&out), true, &arena, back));
    ck_assert(ri_jsapi_equal(type, in, back));
    ri_arena_fini(&arena);
    ri_buffer_fini(&out);
}

START_TEST(test_requests)
{
    round_trip(&ri_jsapi_purge_request,
               &(ri_js_purge_request){.filter = RI_STR("a"), .keep = 2},
               "{\"filter\":\"a\",\"keep\":2}");
    round_trip(&ri_jsapi_msg_delete_request, &(ri_js_msg_delete_request){.seq = UINT32_MAX},
               "{\"seq\":4294967295}");
    round_trip(&ri_jsapi_msg_get_request,
               &(ri_js_msg_get_request){.seq = 4, .next_by_subj = RI_STR("a.>"), .batch = 10},
               "{\"seq\":4,\"next_by_subj\":\"a.\\u003e\",\"batch\":10}");
    round_trip(&ri_jsapi_pause_request, &(ri_js_pause_request){.pause_until = 1500000000},
               "{\"pause_until\":\"1970-01-01T00:00:01.5Z\"}");
    round_trip(&ri_jsapi_stream_names_request, &(ri_js_list_request){.offset = 7},
               "{\"offset\":7}");
    round_trip(&ri_jsapi_pull_request,
               &(ri_js_pull_request){.batch = 5, .expires = 10, .idle_heartbeat = 4,
                                     .no_wait = true},
               "{\"expires\":10,\"batch\":5,\"no_wait\":true,\"idle_heartbeat\":4}");
}
END_TEST

SUITE_MAIN("js_answers", test_info, test_cut, test_long_list, test_odd, test_errors, test_message,
           test_status, test_change, test_requests)
