/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of configurations: what a real nats-server answered to each, code and text; 0 where it
 * took it. The same requests are compared live by tests/peers/js_diff.py. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/jetstream/jsconf.h"
#include "codec/limits.h"
#include "support/fault.h"
#include "support/suite.h"

typedef struct verdict {
    const char *json;
    int err_code;
    const char *text;
} verdict;

static const verdict stream_verdicts[] = {
    {"{\"name\":\"A\",\"max_age\":-1}",
     10052, "max age can not be negative"},
    {"{\"name\":\"A\",\"max_age\":5}",
     10052, "max age needs to be >= 100ms"},
    {"{\"name\":\"A\",\"max_msgs\":-7}",
     0, ""},
    {"{\"name\":\"A\",\"max_msgs\":-7,\"pedantic\":true}",
     10157, "pedantic mode: max_msgs must be set to -1"},
    {"{\"name\":\"A\",\"num_replicas\":3}",
     10074, "replicas > 1 not supported in non-clustered mode"},
    {"{\"name\":\"A\",\"num_replicas\":7}",
     10052, "maximum replicas is 5"},
    {"{\"name\":\"A\",\"num_replicas\":-1}",
     10133, "replicas count cannot be negative"},
    {"{\"name\":\"A\",\"duplicate_window\":-1}",
     10052, "duplicates window can not be negative"},
    {"{\"name\":\"A\",\"duplicate_window\":5}",
     10052, "duplicates window needs to be >= 100ms"},
    {"{\"name\":\"A\",\"max_age\":1000000000,\"duplicate_window\":2000000000}",
     10052, "duplicates window can not be larger then max age"},
    {"{\"name\":\"A\",\"deny_purge\":true,\"allow_rollup_hdrs\":true}",
     10052, "roll-ups require the purge permission"},
    {"{\"name\":\"A\",\"discard_new_per_subject\":true}",
     10052, "discard new per subject requires discard new policy to be set"},
    {"{\"name\":\"A\",\"discard_new_per_subject\":true,\"discard\":\"new\"}",
     10052, "discard new per subject requires max msgs per subject > 0"},
    {"{\"name\":\"A\",\"subjects\":[\"a..b\"]}",
     10052, "invalid subject"},
    {"{\"name\":\"A\",\"subjects\":[\"a b\"]}",
     10052, "invalid subject"},
    {"{\"name\":\"A\",\"subjects\":[\"a\",\"a\"]}",
     10052, "subject \"a\" overlaps with \"a\""},
    {"{\"name\":\"A\",\"subjects\":[\"a.*\",\"a.b\"]}",
     10052, "subject \"a.*\" overlaps with \"a.b\""},
    {"{\"name\":\"A\",\"subjects\":[\">\"]}",
     10052, "capturing all subjects requires no-ack to be true"},
    {"{\"name\":\"A\",\"subjects\":[\"$JS.>\"]}",
     10052, "subjects that overlap with jetstream api require no-ack to be true"},
    {"{\"name\":\"A\",\"subjects\":[\"$SYS.>\"]}",
     10052, "subjects that overlap with system api require no-ack to be true"},
    {"{\"name\":\"A\",\"subjects\":[\"$JS.API.x\"]}",
     10052, "subjects that overlap with jetstream api require no-ack to be true"},
    {"{\"name\":\"A\",\"subjects\":[\"*\"]}",
     0, ""},
    {"{\"name\":\"A\",\"subjects\":[\"\"]}",
     10052, "invalid subject"},
    {"{\"name\":\"A\",\"subjects\":[\"a\",\"b.>.c\"]}",
     10052, "invalid subject"},
    {"{\"name\":\"A\",\"placement\":{\"preferred\":\"x\"}}",
     10052, "preferred server not permitted in placement"},
    {"{\"name\":\"A\",\"placement\":{\"cluster\":\"x\"}}",
     0, ""},
    {"{\"name\":\"A\",\"allow_msg_counter\":true,\"discard\":\"new\"}",
     10052, "counter stream cannot use discard new"},
    {"{\"name\":\"A\",\"allow_msg_counter\":true,\"allow_msg_ttl\":true}",
     10052, "counter stream cannot use message TTLs"},
    {"{\"name\":\"A\",\"allow_msg_counter\":true,\"retention\":\"workqueue\"}",
     10052, "counter stream can only use limits retention"},
    {"{\"name\":\"A\",\"allow_msg_counter\":true,\"allow_msg_schedules\":true}",
     10052, "counter stream cannot use message schedules"},
    {"{\"name\":\"A\",\"subject_delete_marker_ttl\":5}",
     10052, "subject delete marker TTL must be at least 1 second"},
    {"{\"name\":\"A\",\"subject_delete_marker_ttl\":-5}",
     10052, "subject delete marker TTL must not be negative"},
    {"{\"name\":\"A\",\"subject_delete_marker_ttl\":1000000000,\"pedantic\":true}",
     10052, "subject delete marker cannot be set if message TTLs are disabled"},
    {"{\"name\":\"A\",\"allow_msg_schedules\":true,\"discard\":\"new\"}",
     10052, "message scheduling cannot use discard new"},
    {"{\"name\":\"A\",\"allow_msg_schedules\":true,\"pedantic\":true}",
     10052, "message scheduling cannot be set if roll-ups are disabled"},
    {"{\"name\":\"A\",\"persist_mode\":\"async\",\"storage\":\"memory\"}",
     10052, "async persist mode is only supported on file storage"},
    {"{\"name\":\"A\",\"persist_mode\":\"async\",\"allow_atomic\":true}",
     10052, "async persist mode is not supported with atomic batch publish"},
    {"{\"name\":\"A\",\"republish\":{\"src\":\"a\",\"dest\":\"A\"}}",
     10052, "stream configuration for republish destination forms a cycle"},
    {"{\"name\":\"A\",\"republish\":{\"src\":\">\",\"dest\":\"A.>\"},\"subjects\":[\"A"
     ".>\"]}",
     10052, "stream configuration for republish destination forms a cycle"},
    {"{\"name\":\"A\",\"republish\":{\"src\":\"a.>\",\"dest\":\"b\"},\"subjects\":[\"a"
     ".>\"]}",
     10052, "stream configuration for republish with transform from 'a.>' to 'b' not valid"},
    {"{\"name\":\"A\",\"subject_transform\":{\"src\":\"a..b\",\"dest\":\"c\"}}",
     10155, "stream transform source: invalid subject a..b"},
    {"{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.$2\"}}",
     10156, "stream transform: invalid mapping destination: wildcard index out of range in $2"
     ": [2]"},
    {"{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.{{wildcard(2"
     ")}}\"}}",
     10156, "stream transform: invalid mapping destination: wildcard index out of range in {{"
     "wildcard(2)}}: [2]"},
    {"{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.{{foo(2)}}\""
     "}}",
     10156, "stream transform: invalid mapping destination: unknown function in {{foo(2)}}"},
    {"{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.>\",\"dest\":\"c\"}}",
     10156, "stream transform: invalid subject"},
    {"{\"name\":\"A\",\"subject_transform\":{\"src\":\"a\",\"dest\":\"c..d\"}}",
     10156, "stream transform: invalid mapping destination: invalid transform"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\"},\"subjects\":[\"a\"]}",
     10034, "stream mirrors can not contain subjects"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\"},\"sources\":[{\"name\":\"P\"}]}",
     10031, "stream mirrors can not also contain other sources"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\"},\"first_seq\":5}",
     10143, "stream mirrors can not have first sequence configured"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\"},\"allow_atomic\":true}",
     10198, "stream mirrors can not also use atomic publishing"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\"},\"allow_batched\":true}",
     10209, "stream mirrors can not also use batch publishing"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\"},\"allow_msg_counter\":true}",
     10173, "stream mirrors can not also calculate counters"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\"},\"allow_msg_schedules\":true}",
     10186, "stream mirrors can not also schedule messages"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\"},\"subject_delete_marker_ttl\":100000"
     "0000}",
     10052, "subject delete markers forbidden on mirrors"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O.x\"}}",
     10142, "mirrored stream name is invalid"},
    {"{\"name\":\"A\",\"mirror\":{}}",
     10142, "mirrored stream name is invalid"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"filter_subject\":\"a\",\"subject_tr"
     "ansforms\":[{\"src\":\"a\",\"dest\":\"b\"}]}}",
     10150, "mirror with multiple subject transforms cannot also have a single subject filter"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"subject_transforms\":[{\"src\":\"a"
     "\",\"dest\":\"b\"},{\"src\":\"*\",\"dest\":\"c\"}]}}",
     10152, "mirror subject filters can not overlap"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"subject_transforms\":[{\"src\":\"a."
     ".\",\"dest\":\"b\"}]}}",
     10151, "mirror transform source: invalid subject a.."},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"external\":{\"api\":\"$JS.API\"}}}",
     10021, "stream external api prefix $JS.API must not overlap with $JS.API"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"external\":{\"api\":\"x.>\"}}}",
     10052, "stream external api prefix \"x.>\" must be a valid subject without wildcards"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"external\":{\"api\":\"x\",\"deliver"
     "\":\"d.>\"}}}",
     10024, "stream external delivery prefix d.> must not contain wildcards"},
    {"{\"name\":\"A\",\"sources\":[{\"name\":\"O.x\"}]}",
     10141, "sourced stream name is invalid"},
    {"{\"name\":\"A\",\"sources\":[{\"name\":\"O\"},{\"name\":\"O\"}]}",
     10140, "duplicate source configuration detected"},
    {"{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"filter_subject\":\"a\",\"subject_"
     "transforms\":[{\"src\":\"a\",\"dest\":\"b\"}]}]}",
     10144, "source with multiple subject transforms cannot also have a single subject filter"},
    {"{\"name\":\"A\",\"sources\":[{\"name\":\"A\"}]}",
     10052, "detected cycle"},
    {"{\"name\":\"A\",\"mirror\":{\"name\":\"A\"}}",
     10052, "detected cycle"},
    {"{\"name\":\"A\",\"sources\":[{\"name\":\"O\"}],\"allow_msg_schedules\":true}",
     10187, "stream source can not also schedule messages"},
};

static const verdict consumer_verdicts[] = {
    {"{\"config\":{}}",
     0, ""},
    {"{\"config\":{\"deliver_policy\":\"by_start_sequence\"}}",
     10094, "consumer delivery policy is deliver by start sequence, but optional start sequen"
     "ce is not set"},
    {"{\"config\":{\"deliver_policy\":\"by_start_time\"}}",
     10094, "consumer delivery policy is deliver by start time, but optional start time is no"
     "t set"},
    {"{\"config\":{\"opt_start_seq\":4}}",
     10094, "consumer delivery policy is deliver all, but optional start sequence is also set"},
    {"{\"config\":{\"deliver_policy\":\"last\",\"opt_start_seq\":4}}",
     10094, "consumer delivery policy is deliver last, but optional start sequence is also se"
     "t"},
    {"{\"config\":{\"deliver_policy\":\"new\",\"opt_start_time\":\"2020-01-01T00:00:00"
     "Z\"}}",
     10094, "consumer delivery policy is deliver new, but optional start time is also set"},
    {"{\"config\":{\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"2020-01-0"
     "1T00:00:00Z\",\"opt_start_seq\":5}}",
     10094, "consumer delivery policy is deliver by start time, but optional start start sequ"
     "ence is also set"},
    {"{\"config\":{\"deliver_policy\":\"last_per_subject\"}}",
     10094, "consumer delivery policy is deliver last per subject, but optional filter subjec"
     "t is not set"},
    {"{\"config\":{\"max_deliver\":2,\"backoff\":[1,2,3]}}",
     10116, "max deliver is required to be > length of backoff values"},
    {"{\"config\":{\"max_deliver\":2,\"backoff\":[1,2,3]},\"pedantic\":true}",
     10157, "pedantic mode: first backoff value has to equal batch AckWait"},
    {"{\"config\":{\"backoff\":[-1]}}",
     10184, "consumer backoff needs to be positive"},
    {"{\"config\":{\"backoff\":[-1]},\"pedantic\":true}",
     10157, "pedantic mode: first backoff value has to equal batch AckWait"},
    {"{\"config\":{\"ack_wait\":-1}}",
     10183, "consumer ack wait needs to be positive"},
    {"{\"config\":{\"filter_subject\":\"a\",\"filter_subjects\":[\"b\"]}}",
     10136, "consumer cannot have both FilterSubject and FilterSubjects specified"},
    {"{\"config\":{\"filter_subjects\":[\"\"]}}",
     10139, "consumer filter in FilterSubjects cannot be empty"},
    {"{\"config\":{\"filter_subjects\":[\"a\",\"a.b\",\"*\"]}}",
     10138, "consumer subject filters cannot overlap"},
    {"{\"config\":{\"filter_subject\":\"a..b\"}}",
     10052, "invalid subject"},
    {"{\"config\":{\"filter_subjects\":[\"a\",\"b b\"]}}",
     10052, "invalid subject"},
    {"{\"config\":{\"filter_subject\":\"nomatch\"}}",
     0, ""},
    {"{\"config\":{\"filter_subjects\":[\"w.a\",\"nomatch\"]}}",
     0, ""},
    {"{\"config\":{\"idle_heartbeat\":1000000000}}",
     10088, "consumer idle heartbeat requires a push based consumer"},
    {"{\"config\":{\"flow_control\":true}}",
     10089, "consumer flow control requires a push based consumer"},
    {"{\"config\":{\"rate_limit_bps\":5}}",
     10086, "consumer in pull mode can not have rate limit set"},
    {"{\"config\":{\"deliver_subject\":\"d\",\"idle_heartbeat\":5}}",
     10083, "consumer idle heartbeat needs to be >= 100ms"},
    {"{\"config\":{\"deliver_subject\":\"d\",\"flow_control\":true}}",
     10108, "consumer with flow control also needs heartbeats"},
    {"{\"config\":{\"deliver_subject\":\"d.*\"}}",
     10079, "consumer deliver subject has wildcards"},
    {"{\"config\":{\"deliver_subject\":\"d..e\"}}",
     10112, "invalid push consumer deliver subject"},
    {"{\"config\":{\"deliver_subject\":\"w.x\"}}",
     10081, "consumer deliver subject forms a cycle"},
    {"{\"config\":{\"deliver_subject\":\"d\",\"max_waiting\":5}}",
     10080, "consumer in push mode can not set max waiting"},
    {"{\"config\":{\"deliver_subject\":\"d\",\"max_ack_pending\":5}}",
     10082, "consumer requires ack policy for max ack pending"},
    {"{\"config\":{\"deliver_subject\":\"d\",\"priority_groups\":[\"g\"],\"priority_po"
     "licy\":\"overflow\"}}",
     10178, "priority groups can not be used with push consumers"},
    {"{\"config\":{\"max_batch\":-1}}",
     0, ""},
    {"{\"config\":{\"max_batch\":-1},\"pedantic\":true}",
     10157, "pedantic mode: max_batch must not be negative"},
    {"{\"config\":{\"max_expires\":5}}",
     10115, "consumer max request expires needs to be >= 1ms"},
    {"{\"config\":{\"max_waiting\":-1}}",
     0, ""},
    {"{\"config\":{\"max_waiting\":-1},\"pedantic\":true}",
     10157, "pedantic mode: max_waiting must not be negative"},
    {"{\"config\":{\"num_replicas\":-1}}",
     10133, "replicas count cannot be negative"},
    {"{\"config\":{\"sample_freq\":\"x\"}}",
     10095, "failed to parse consumer sampling configuration: strconv.Atoi: parsing \"x\": in"
     "valid syntax"},
    {"{\"config\":{\"sample_freq\":\"-1\"}}",
     10095, "failed to parse consumer sampling configuration: <nil>"},
    {"{\"config\":{\"sample_freq\":\"30%\"}}",
     0, ""},
    {"{\"config\":{\"direct\":true}}",
     10090, "consumer direct requires a push based consumer"},
    {"{\"config\":{\"priority_groups\":[\"g\"]}}",
     10196, "consumer can not have priority groups when policy is none"},
    {"{\"config\":{\"priority_policy\":\"overflow\"}}",
     10159, "Setting PriorityPolicy requires at least one PriorityGroup to be set"},
    {"{\"config\":{\"priority_policy\":\"overflow\",\"priority_groups\":[\"\"]}}",
     10161, "Group name cannot be an empty string"},
    {"{\"config\":{\"priority_policy\":\"overflow\",\"priority_groups\":[\"a b\"]}}",
     10162, "Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16"
     " characters"},
    {"{\"config\":{\"priority_policy\":\"overflow\",\"priority_groups\":[\"xxxxxxxxxxx"
     "xxxxxx\"]}}",
     10162, "Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16"
     " characters"},
    {"{\"config\":{\"priority_timeout\":5}}",
     10197, "PinnedTTL cannot be set when PriorityPolicy is none"},
    {"{\"config\":{\"ack_policy\":\"flow_control\"}}",
     10218, "flow control ack policy requires a push based consumer"},
    {"{\"config\":{\"ack_policy\":\"flow_control\",\"deliver_subject\":\"d\"}}",
     0, ""},
    {"{\"config\":{\"ack_policy\":\"flow_control\",\"deliver_subject\":\"d\"},\"pedant"
     "ic\":true}",
     10219, "flow control ack policy requires flow control"},
    {"{\"config\":{\"ack_policy\":\"flow_control\",\"deliver_subject\":\"d\",\"ack_wai"
     "t\":1000000000}}",
     10221, "flow control ack policy requires unset ack wait"},
    {"{\"config\":{\"ack_policy\":\"flow_control\",\"deliver_subject\":\"d\",\"ack_wai"
     "t\":1000000000},\"pedantic\":true}",
     10219, "flow control ack policy requires flow control"},
    {"{\"config\":{\"name\":\"x\"}}",
     0, ""},
    {"{\"config\":{\"durable_name\":\"c\",\"name\":\"d\"}}",
     0, ""},
    {"{\"config\":{\"max_ack_pending\":-5}}",
     0, ""},
    {"{\"config\":{\"max_ack_pending\":-5},\"pedantic\":true}",
     10157, "pedantic mode: max_ack_pending must be set to -1"},
    {"{\"config\":{\"inactive_threshold\":-1}}",
     0, ""},
    {"{\"config\":{\"inactive_threshold\":-1},\"pedantic\":true}",
     10157, "pedantic mode: inactive_threshold must not be negative"},
};

static void verdict_check(const verdict *v, int rc, const ri_js_error *e)
{
    ck_assert_msg((rc < 0) == (v->err_code != 0), "%s: %d %s", v->json, rc, ri_err_text());
    if (rc >= 0) return;
    ck_assert_msg(e->err_code == v->err_code, "%s: %d, not %d", v->json, (int)e->err_code,
                  v->err_code);
    ck_assert_msg(strcmp(e->text, v->text) == 0, "%s: %s", v->json, e->text);
    ck_assert_int_eq(e->code, ri_jserror_http(v->err_code));
}

static int verdict_stream(const ri_host *host, const verdict *v, ri_js_error *e)
{
    ri_arena arena;
    ri_arena_init(&arena, host);
    ri_js_stream_request request;
    int rc = ri_jsapi_decode(&ri_jsapi_stream_request, ri_str_of(v->json), true, &arena, &request);
    if (rc >= 0) rc = ri_jsconf_stream(&request.conf, NULL, request.pedantic, &arena, e);
    ri_arena_fini(&arena);
    return rc;
}

START_TEST(test_streams)
{
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(stream_verdicts); i++) {
        ri_js_error e = {0};
        verdict_check(&stream_verdicts[i], verdict_stream(&host, &stream_verdicts[i], &e), &e);
    }
}
END_TEST

START_TEST(test_consumers)
{
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(consumer_verdicts); i++) {
        const verdict *v = &consumer_verdicts[i];
        ri_arena arena;
        ri_arena_init(&arena, &host);
        ri_stream_conf stream;
        ri_js_consumer_request request;
        ri_js_error e = {0};
        ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf,
                                     RI_STR("{\"name\":\"W\",\"subjects\":[\"w.>\"]}"), true,
                                     &arena, &stream));
        ck_assert_ok(ri_jsconf_stream(&stream, NULL, false, &arena, &e));
        ck_assert_ok(ri_jsapi_decode(&ri_jsapi_consumer_request, ri_str_of(v->json), true, &arena,
                                     &request));
        request.conf.name = RI_STR("c"); /* as the request's subject said */
        int rc = ri_jsconf_consumer(&request.conf, &stream, NULL, request.pedantic, &arena, &e);
        verdict_check(v, rc, &e);
        ri_arena_fini(&arena);
    }
}
END_TEST

/* Of {"name":"A"}: what it had besides, what it shall have, and the verdict. */
static const char *const updates[][3] = {
    {"", "", ""},
    {"\"storage\":\"file\"", "\"storage\":\"memory\"",
     "stream configuration update can not change storage type"},
    {"\"retention\":\"workqueue\"", "\"retention\":\"limits\"",
     "stream configuration update can not change retention policy to/from workqueue"},
    {"\"retention\":\"interest\"", "\"retention\":\"limits\"", ""},
    {"\"deny_delete\":true", "", "stream configuration update can not cancel deny message deletes"},
    {"\"deny_purge\":true", "", "stream configuration update can not cancel deny purge"},
    {"\"sealed\":true", "", "stream configuration update can not unseal a sealed stream"},
    {"\"allow_msg_ttl\":true", "", "message TTL status can not be disabled"},
    {"\"allow_msg_counter\":true", "",
     "stream configuration update can not change message counter setting"},
    {"\"allow_msg_schedules\":true", "", "message schedules can not be disabled"},
    {"\"persist_mode\":\"async\"", "",
     "stream configuration update can not change persist mode"},
    {"", "\"mirror\":{\"name\":\"M\"}", "stream mirror configuration can not be updated"},
    {"\"mirror\":{\"name\":\"M\"}", "", ""},
    {"\"max_msgs\":5", "\"max_msgs\":6", ""},
};

static void update_conf(ri_arena *arena, const char *change, ri_stream_conf *out)
{
    char json[200];
    snprintf(json, sizeof json, "{\"name\":\"A\"%s%s}", *change ? "," : "", change);
    ri_js_error e = {0};
    ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf, ri_str_of(json), true, arena, out));
    ck_assert_ok(ri_jsconf_stream(out, NULL, false, arena, &e));
}

START_TEST(test_updates)
{
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(updates); i++) {
        ri_arena arena;
        ri_arena_init(&arena, &host);
        ri_stream_conf before, after;
        update_conf(&arena, updates[i][0], &before);
        update_conf(&arena, updates[i][1], &after);
        ri_js_error e = {0};
        int rc = ri_jsconf_stream_update(&before, &after, false, &e);
        ck_assert_msg((rc < 0) == (updates[i][2][0] != 0), "%s -> %s", updates[i][0],
                      updates[i][1]);
        ck_assert_str_eq(e.text, updates[i][2]);
        ri_arena_fini(&arena);
    }
}
END_TEST

/* What is normalised once is left as it is by a second time. */
START_TEST(test_settled)
{
    static const char *const confs[] = {
        "{\"name\":\"A\"}", "{\"name\":\"A\",\"max_age\":1000000000,\"max_msgs\":-7}",
        "{\"name\":\"A\",\"subject_delete_marker_ttl\":1000000000}",
        ("{\"name\":\"A\",\"republish\":{\"dest\":\"b\",\"src\":\"A\"},\"metadata\":"
         "{\"_nats.ver\":\"1\",\"z\":\"\",\"_nats.req.level\":\"7\"}}"),
    };
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(confs); i++) {
        ri_arena arena;
        ri_arena_init(&arena, &host);
        ri_stream_conf once, twice;
        ri_js_error e = {0};
        ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf, ri_str_of(confs[i]), true, &arena,
                                     &once));
        ck_assert_ok(ri_jsconf_stream(&once, NULL, false, &arena, &e));
        ck_assert_ok(ri_jsapi_copy_stream_conf(&twice, &once, &arena));
        ck_assert_ok(ri_jsconf_stream(&twice, NULL, true, &arena, &e));
        ck_assert(ri_jsapi_equal_stream_conf(&once, &twice));
        ck_assert_span(twice.metadata.items[0].key, "_nats.req.level");
        ri_arena_fini(&arena);
    }
}
END_TEST

static int jsconf_fault_body(fault *f, void *arg)
{
    ri_js_error e = {0};
    return verdict_stream(&f->host, arg, &e);
}

START_TEST(test_faults)
{
    static const verdict good = {"{\"name\":\"A\",\"republish\":{\"src\":\"A\",\"dest\":\"b\"},"
                                 "\"metadata\":{\"a\":\"b\"}}", 0, ""};
    ck_assert_uint_gt(fault_each(jsconf_fault_body, (void *)(uintptr_t)&good), 0);
}
END_TEST

/* ---- Much that is named at once ---- */

/* A stream of `n` subjects that do not overlap, or a consumer of so many filters; the last one is
 * given. */
static int named(const ri_host *host, uint32_t n, const char *last, bool consumer, ri_js_error *e)
{
    ri_arena arena;
    ri_arena_init(&arena, host);
    ri_stream_conf stream = {.name = RI_STR("W"), .max_msgs_per_subject = -1};
    ri_consumer_conf conf = {.name = RI_STR("C"), .ack_policy = RI_ACK_EXPLICIT, .max_deliver = -1};
    ri_str *subjects = ri_arena_alloc(&arena, n * sizeof *subjects);
    for (uint32_t i = 0; i < n; i++) {
        char text[40];
        int len = snprintf(text, sizeof text, i % 3 ? "w.%u.a" : "w.*.b%u", i);
        subjects[i] = (ri_str){ri_arena_copy(&arena, text, (size_t)len), (size_t)len};
    }
    if (last) subjects[n - 1] = ri_str_of(last);
    if (consumer) conf.filter_subjects = (ri_strs){subjects, n};
    else stream.subjects = (ri_strs){subjects, n};
    int rc = ri_jsconf_stream(&stream, NULL, false, &arena, e);
    if (rc >= 0 && consumer) rc = ri_jsconf_consumer(&conf, &stream, NULL, false, &arena, e);
    ri_arena_fini(&arena);
    return rc;
}

START_TEST(test_many)
{
    ri_host host;
    ri_host_init(&host, NULL);
    ri_js_error e = {0};
    ck_assert_ok(named(&host, 60000, NULL, false, &e));
    ck_assert_ok(named(&host, 60000, NULL, true, &e));
    ck_assert_int_lt(named(&host, 60000, "*.59998.*", false, &e), 0);
    ck_assert_str_eq(e.text, "subject \"w.*.b0\" overlaps with \"*.59998.*\"");
    ck_assert_int_lt(named(&host, 60000, "w.59998.a", true, &e), 0);
    ck_assert_int_eq(e.err_code, 10138);
    ck_assert_int_lt(named(&host, 60000, "w..", false, &e), 0);
    ck_assert_str_eq(e.text, "invalid subject");
    ck_assert_int_lt(named(&host, 60000, "w..", true, &e), 0);
    ck_assert_str_eq(e.text, "invalid subject");
    ck_assert_int_lt(named(&host, RI_LIMIT_JS_NAMED_MAX + 1, NULL, false, &e), 0);
    ck_assert_str_eq(e.text, "a stream takes at most 100000 subjects");
    ck_assert_int_lt(named(&host, RI_LIMIT_JS_NAMED_MAX + 1, NULL, true, &e), 0);
    ck_assert_str_eq(e.text, "a consumer has at most 100000 filters");
}
END_TEST

/* Sources are told apart by name, origin and filters, however many there are. */
START_TEST(test_many_sources)
{
    ri_host host;
    ri_host_init(&host, NULL);
    for (int twice = 0; twice < 2; twice++) {
        enum { N = 5000 };
        ri_arena arena;
        ri_arena_init(&arena, &host);
        ri_js_error e = {0};
        ri_js_source *sources = ri_arena_alloc(&arena, N * sizeof *sources);
        for (int i = 0; i < N; i++) {
            char text[40];
            int len = snprintf(text, sizeof text, "f.%d", twice && i == N - 1 ? 17 : i);
            sources[i] = (ri_js_source){.name = RI_STR("O"),
                                        .filter_subject = {ri_arena_copy(&arena, text, (size_t)len),
                                                           (size_t)len}};
        }
        ri_stream_conf stream = {.name = RI_STR("W"), .sources = {sources, N}};
        int rc = ri_jsconf_stream(&stream, NULL, false, &arena, &e);
        ck_assert_int_eq(rc < 0, twice);
        ck_assert_int_eq(e.err_code, twice ? 10140 : 0);
        ri_arena_fini(&arena);
    }
}
END_TEST

SUITE_MAIN("jsconf", test_streams, test_consumers, test_updates, test_settled, test_faults,
           test_many, test_many_sources)
