/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that create streams and consumers, and what nats-server 2.15.2 answered to each: code
 * and text, 0 where it took it. They go through the whole API; test_jsconf.c asks the rules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "support/desk.h"
#include "support/suite.h"

typedef struct verdict {
    const char *stream; /* consumers: what the stream W has besides its name and subjects */
    const char *json;
    int err_code;
    const char *text;
} verdict;

static const verdict streams[] = {
    {"", "{\"name\":\"A\",\"max_age\":1000000000,\"pedantic\":true}",
     10157, "pedantic mode: duplicate window cannot be bigger than max age"},
    {"", "{\"name\":\"A\",\"subject_delete_marker_ttl\":-1}",
     10052, "subject delete marker TTL must not be negative"},
    {"", "{\"name\":\"A\",\"subjects\":[\">\"],\"no_ack\":true,\"num_replicas\":3}",
     10052, "capturing all subjects requires replicas of 1"},
    {"", "{\"name\":\"A\",\"subjects\":[\"$JS.EVENT.>\"]}",
     0, ""},
    {"", "{\"name\":\"A\",\"subjects\":[\"$SYS.ACCOUNT.>\"]}",
     0, ""},
    {"", "{\"name\":\"A\",\"subject_transform\":{\"src\":\"a..b\",\"dest\":\"c\"}}",
     10155, "stream transform source: invalid subject a..b"},
    {"", "{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.{{wildcard(x)}}\"}}",
     10156, ("stream transform: invalid mapping destination: function argument is invalid or in "
            "the wrong format in {{wildcard(x)}}")},
    {"", ("{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.{{partition(3,"
         "1)}}\"}}"),
     0, ""},
    {"", ("{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.{{partition(3,"
         "2)}}\"}}"),
     10156, ("stream transform: invalid mapping destination: wildcard index out of range in "
            "{{partition(3,2)}}: [2]")},
    {"", "{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.{{random(3)}}\"}}",
     0, ""},
    {"", "{\"name\":\"A\",\"subject_transform\":{\"src\":\"a\",\"dest\":\"c.$1\"}}",
     10156, "stream transform: invalid mapping destination: wildcard index out of range in $1"},
    {"", "{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.$1\"}}",
     0, ""},
    {"", "{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.$2\"}}",
     10156, ("stream transform: invalid mapping destination: wildcard index out of range in $2: "
            "[2]")},
    {"", "{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.*\",\"dest\":\"c.*\"}}",
     10156, "stream transform: invalid subject"},
    {"", "{\"name\":\"A\",\"subject_transform\":{\"src\":\"a.>\",\"dest\":\"c.>.d\"}}",
     10156, "stream transform: invalid mapping destination: invalid transform in d"},
    {"", "{\"name\":\"A\",\"republish\":{\"dest\":\"b\"},\"pedantic\":true}",
     10157, "pedantic mode: republish source can not be empty"},
    {"", "{\"name\":\"A\",\"republish\":{\"dest\":\"b.>\",\"src\":\"\"}}",
     0, ""},
    {"", ("{\"name\":\"A\",\"subjects\":[\"a\"],\"subject_transform\":{\"src\":\"a\","
         "\"dest\":\"c\"},\"republish\":{\"src\":\">\",\"dest\":\">\"}}"),
     0, ""},
    {"", ("{\"name\":\"A\",\"subjects\":[\"a\"],\"subject_transform\":{\"src\":\"a\","
         "\"dest\":\"c\"},\"republish\":{\"src\":\">\",\"dest\":\">\"},\"pedantic\":true}"),
     10157, "pedantic mode: implicit republish based on subject transform"},
    {"", "{\"name\":\"A\",\"subjects\":[\"a\"],\"republish\":{\"src\":\"a\",\"dest\":\"a\"}}",
     10052, "stream configuration for republish destination forms a cycle"},
    {"", "{\"name\":\"A\",\"subjects\":[\"a\"],\"republish\":{\"src\":\"a..\",\"dest\":\"b\"}}",
     10052, "stream configuration for republish with transform from 'a..' to 'b' not valid"},
    {"", ("{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"subject_transforms\":[{\"src\":\"a\","
         "\"dest\":\"c.{{nope(1)}}\"}]}}"),
     10154, "mirror transform: invalid mapping destination: unknown function in {{nope(1)}}"},
    {"", ("{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"consumer\":{\"name\":\"x.y\","
         "\"deliver_subject\":\"d\"}}}"),
     10213, "stream mirror consumer config is invalid"},
    {"", ("{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"consumer\":{\"name\":\"x\","
         "\"deliver_subject\":\"d.*\"}}}"),
     10213, "stream mirror consumer config is invalid"},
    {"", ("{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"subject_transforms\":[{\"src\":\"a..\","
         "\"dest\":\"b\"}]}]}"),
     10145, "source transform source: invalid subject a.."},
    {"", ("{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"subject_transforms\":[{\"src\":\"a\","
         "\"dest\":\"b.{{nope(1)}}\"}]}]}"),
     10146, "source transform: invalid mapping destination: unknown function in {{nope(1)}}"},
    {"", ("{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"subject_transforms\":[{\"src\":\"a\","
         "\"dest\":\"b\"},{\"src\":\"a\",\"dest\":\"c\"}]}]}"),
     10147, "source filters can not overlap"},
    {"", ("{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"consumer\":{\"name\":\"x.y\","
         "\"deliver_subject\":\"d\"}}]}"),
     10215, "stream source consumer config is invalid"},
    {"", ("{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"filter_subject\":\"a\","
         "\"consumer\":{\"name\":\"x\",\"deliver_subject\":\"d\"}}]}"),
     10215, "stream source consumer config is invalid"},
    {"", ("{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"consumer\":{\"name\":\"x\","
         "\"deliver_subject\":\"d\"}},{\"name\":\"O\",\"consumer\":{\"name\":\"x\","
         "\"deliver_subject\":\"e\"},\"subject_transforms\":[{\"src\":\"b\",\"dest\":\"c\"}]}]}"),
     10216, "duplicate stream source consumer detected"},
    {"", ("{\"name\":\"A\",\"subjects\":[\"a\"],\"sources\":[{\"name\":\"A\","
         "\"filter_subject\":\"b\"}]}"),
     0, ""},
    {"", ("{\"name\":\"A\",\"subjects\":[\"a\"],\"sources\":[{\"name\":\"A\","
         "\"filter_subject\":\"a\"}]}"),
     10052, "detected cycle"},
    {"", ("{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"filter_subject\":\"a\"},{\"name\":\"O\","
         "\"filter_subject\":\"b\"}]}"),
     0, ""},
    {"", ("{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"subject_transforms\":[{\"src\":\"a\","
         "\"dest\":\"b\"}]},{\"name\":\"O\",\"subject_transforms\":[{\"src\":\"a\","
         "\"dest\":\"b\"}]}]}"),
     10140, "duplicate source configuration detected"},
    {"", "{\"name\":\"A\",\"sources\":[{\"name\":\"O\",\"external\":{\"api\":\"$JS.API\"}}]}",
     10021, "stream external api prefix $JS.API must not overlap with $JS.API"},
    {"", "{\"name\":\"A\",\"allow_msg_schedules\":true,\"discard\":\"new\"}",
     10052, "message scheduling cannot use discard new"},
    {"", "{\"name\":\"A\",\"allow_msg_schedules\":true,\"pedantic\":true}",
     10052, "message scheduling cannot be set if roll-ups are disabled"},
    {"", "{\"name\":\"A\",\"persist_mode\":\"async\",\"storage\":\"memory\"}",
     10052, "async persist mode is only supported on file storage"},
    {"", "{\"name\":\"A\",\"persist_mode\":\"async\",\"num_replicas\":3}",
     10052, "async persist mode is not supported on replicated streams"},
    {"", "{\"name\":\"A\",\"persist_mode\":\"async\",\"allow_atomic\":true}",
     10052, "async persist mode is not supported with atomic batch publish"},
    {"", "{\"name\":\"A\",\"subject_delete_marker_ttl\":1000000000,\"pedantic\":true}",
     10052, "subject delete marker cannot be set if message TTLs are disabled"},
    {"", ("{\"name\":\"A\",\"subject_delete_marker_ttl\":1000000000,\"allow_msg_ttl\":true,"
         "\"pedantic\":true}"),
     10052, "subject delete marker cannot be set if roll-ups are disabled"},
    {"", "{\"name\":\"A\",\"retention\":7}",
     10025, "invalid JSON: can not unmarshal \"7\""},
    {"", "{\"name\":\"A\",\"retention\":\"x\"}",
     10025, "invalid JSON: can not unmarshal \"\\\"x\\\"\""},
    {"", "{\"name\":\"A\",\"storage\":true}",
     10025, "invalid JSON: can not unmarshal \"true\""},
    {"", "{\"name\":\"A\",\"discard\":1.5}",
     10025, "invalid JSON: can not unmarshal \"1.5\""},
    {"", "{\"name\":\"A\",\"compression\":\"x\"}",
     10025, "invalid JSON: unknown compression algorithm"},
    {"", "{\"name\":\"A\",\"compression\":[]}",
     10025, ("invalid JSON: json: cannot unmarshal array into Go struct field "
            "StreamConfigRequest.StreamConfig.compression of type string")},
    {"", "{\"name\":\"A\",\"persist_mode\":{}}",
     10025, "invalid JSON: can not unmarshal \"{}\""},
    {"", "{\"name\":\"A\",\"subjects\":\"a\"}",
     10025, ("invalid JSON: json: cannot unmarshal string into Go struct field "
            "StreamConfigRequest.StreamConfig.subjects of type []string")},
    {"", "{\"name\":\"A\",\"subjects\":{}}",
     10025, ("invalid JSON: json: cannot unmarshal object into Go struct field "
            "StreamConfigRequest.StreamConfig.subjects of type []string")},
    {"", "{\"name\":\"A\",\"subjects\":[1]}",
     10025, ("invalid JSON: json: cannot unmarshal number into Go struct field "
            "StreamConfigRequest.StreamConfig.subjects of type string")},
    {"", "{\"name\":\"A\",\"subjects\":[null]}",
     10052, "invalid subject"},
    {"", "{\"name\":\"A\",\"metadata\":[]}",
     10025, ("invalid JSON: json: cannot unmarshal array into Go struct field "
            "StreamConfigRequest.StreamConfig.metadata of type map[string]string")},
    {"", "{\"name\":\"A\",\"metadata\":{\"a\":1}}",
     10025, ("invalid JSON: json: cannot unmarshal number into Go struct field "
            "StreamConfigRequest.StreamConfig.metadata of type string")},
    {"", "{\"name\":\"A\",\"metadata\":{\"a\":null}}",
     0, ""},
    {"", "{\"name\":\"A\",\"sources\":{}}",
     10025, ("invalid JSON: json: cannot unmarshal object into Go struct field "
            "StreamConfigRequest.StreamConfig.sources of type []*server.StreamSource")},
    {"", "{\"name\":\"A\",\"sources\":[1]}",
     10025, ("invalid JSON: json: cannot unmarshal number into Go struct field "
            "StreamConfigRequest.StreamConfig.sources of type server.StreamSource")},
    {"", "{\"name\":\"A\",\"sources\":[null]}",
     10141, "sourced stream name is invalid"},
    {"", "{\"name\":\"A\",\"mirror\":7}",
     10025, ("invalid JSON: json: cannot unmarshal number into Go struct field "
            "StreamConfigRequest.StreamConfig.mirror of type server.StreamSource")},
    {"", "{\"name\":\"A\",\"placement\":\"x\"}",
     10025, ("invalid JSON: json: cannot unmarshal string into Go struct field "
            "StreamConfigRequest.StreamConfig.placement of type server.Placement")},
    {"", "{\"name\":\"A\",\"max_msgs\":\"1\"}",
     10025, ("invalid JSON: json: cannot unmarshal string into Go struct field "
            "StreamConfigRequest.StreamConfig.max_msgs of type int64")},
    {"", "{\"name\":\"A\",\"max_msgs\":1.5}",
     10025, ("invalid JSON: json: cannot unmarshal number 1.5 into Go struct field "
            "StreamConfigRequest.StreamConfig.max_msgs of type int64")},
    {"", "{\"name\":\"A\",\"max_msg_size\":5000000000}",
     10025, ("invalid JSON: json: cannot unmarshal number 5000000000 into Go struct field "
            "StreamConfigRequest.StreamConfig.max_msg_size of type int32")},
    {"", "{\"name\":\"A\",\"sealed\":1}",
     10025, ("invalid JSON: json: cannot unmarshal number into Go struct field "
            "StreamConfigRequest.StreamConfig.sealed of type bool")},
    {"", "{\"name\":\"A\",\"description\":{}}",
     10025, ("invalid JSON: json: cannot unmarshal object into Go struct field "
            "StreamConfigRequest.StreamConfig.description of type string")},
    {"", "{\"name\":\"A\",\"first_seq\":-1}",
     10025, ("invalid JSON: json: cannot unmarshal number -1 into Go struct field "
            "StreamConfigRequest.StreamConfig.first_seq of type uint64")},
    {"", "{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"opt_start_time\":\"x\"}}",
     10025, ("invalid JSON: parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse "
            "\"x\" as \"2006\"")},
    {"", "{\"name\":\"A\",\"mirror\":{\"name\":\"O\",\"opt_start_time\":7}}",
     10025, "invalid JSON: Time.UnmarshalJSON: input is not a JSON string"},
    {"", "{\"name\":\"A\",\"consumer_limits\":5}",
     10025, ("invalid JSON: json: cannot unmarshal number into Go struct field "
            "StreamConfigRequest.StreamConfig.consumer_limits of type "
            "server.StreamConsumerLimits")},
    {"", "{\"name\":\"A\",\"nonsense\":5}",
     10025, "invalid JSON: json: unknown field \"nonsense\""},
    {"", "[]",
     10025, ("invalid JSON: json: cannot unmarshal array into Go value of type "
            "server.StreamConfigRequest")},
    {"", "7",
     10025, ("invalid JSON: json: cannot unmarshal number into Go value of type "
            "server.StreamConfigRequest")},
    {"", "null",
     10056, "stream name in subject does not match request"},
    {"", "\"x\"",
     10025, ("invalid JSON: json: cannot unmarshal string into Go value of type "
            "server.StreamConfigRequest")},
};

static const verdict consumers[] = {
    {"",
     "{\"name\":\"c\",\"durable_name\":\"c\",\"config\":{}}",
     10025, "invalid JSON: json: unknown field \"name\""},
    {"",
     ("{\"config\":{\"name\":\"c\",\"deliver_subject\":\"d\",\"direct\":true,"
      "\"durable_name\":\"c\"}}"),
     10091, "consumer direct requires an ephemeral consumer"},
    {"",
     "{\"config\":{\"name\":\"c\",\"num_replicas\":3}}",
     10074, "replicas > 1 not supported in non-clustered mode"},
    {"",
     ("{\"config\":{\"name\":\"c\",\"ack_policy\":\"flow_control\",\"deliver_subject\":\"d\","
      "\"max_deliver\":3}}"),
     10222, "flow control ack policy requires unset max deliver"},
    {"",
     ("{\"config\":{\"name\":\"c\",\"ack_policy\":\"flow_control\",\"deliver_subject\":\"d\","
      "\"max_ack_pending\":-1}}"),
     10220, "flow control ack policy requires max ack pending"},
    {"",
     ("{\"config\":{\"name\":\"c\",\"ack_policy\":\"flow_control\",\"deliver_subject\":\"d\","
      "\"flow_control\":true,\"idle_heartbeat\":2000000000},\"pedantic\":true}"),
     10052, "flow control ack policy heartbeat needs to be 1s"},
    {"",
     ("{\"config\":{\"name\":\"c\",\"ack_policy\":\"flow_control\",\"deliver_subject\":\"d\","
      "\"flow_control\":true,\"idle_heartbeat\":1000000000,\"max_ack_pending\":-1},"
      "\"pedantic\":true}"),
     10220, "flow control ack policy requires max ack pending"},
    {"",
     "{\"config\":{\"name\":\"c\",\"max_deliver\":-5}}",
     0, ""},
    {"",
     "{\"config\":{\"name\":\"c\",\"max_deliver\":-5},\"pedantic\":true}",
     10157, "pedantic mode: max_deliver must be set to -1"},
    {",\"retention\":\"workqueue\"",
     "{\"config\":{\"name\":\"c\",\"ack_policy\":\"none\"}}",
     10084, "consumer in pull mode requires explicit ack policy on workqueue stream"},
    {",\"retention\":\"workqueue\"",
     "{\"config\":{\"name\":\"c\",\"deliver_subject\":\"d\"}}",
     10098, "workqueue stream requires explicit ack"},
    {",\"retention\":\"workqueue\"",
     "{\"config\":{\"name\":\"c\",\"ack_policy\":\"all\"}}",
     10098, "workqueue stream requires explicit ack"},
    {",\"retention\":\"workqueue\"",
     "{\"config\":{\"name\":\"c\",\"ack_policy\":\"explicit\",\"deliver_policy\":\"new\"}}",
     10101, "consumer must be deliver all on workqueue stream"},
    {",\"retention\":\"interest\"",
     "{\"config\":{\"name\":\"c\",\"ack_policy\":\"none\",\"num_replicas\":1}}",
     0, ""},
    {",\"consumer_limits\":{\"max_ack_pending\":5}",
     "{\"config\":{\"name\":\"c\",\"ack_policy\":\"explicit\",\"max_ack_pending\":6}}",
     10121, "consumer max ack pending exceeds system limit of 5"},
    {",\"consumer_limits\":{\"max_ack_pending\":5}",
     "{\"config\":{\"name\":\"c\",\"ack_policy\":\"explicit\"}}",
     0, ""},
    {",\"consumer_limits\":{\"max_ack_pending\":5}",
     "{\"config\":{\"name\":\"c\",\"ack_policy\":\"explicit\"},\"pedantic\":true}",
     10157, "pedantic mode: max_ack_pending must be set if it's configured in stream limits"},
    {",\"consumer_limits\":{\"inactive_threshold\":90061001000000}",
     "{\"config\":{\"name\":\"c\",\"inactive_threshold\":90061001000001}}",
     10153, "consumer inactive threshold exceeds system limit of 25h1m1.001s"},
    {",\"consumer_limits\":{\"inactive_threshold\":1500000000}",
     "{\"config\":{\"name\":\"c\",\"inactive_threshold\":3000000000}}",
     10153, "consumer inactive threshold exceeds system limit of 1.5s"},
    {",\"consumer_limits\":{\"inactive_threshold\":1500000}",
     "{\"config\":{\"name\":\"c\",\"inactive_threshold\":3000000000}}",
     10153, "consumer inactive threshold exceeds system limit of 1.5ms"},
    {",\"consumer_limits\":{\"inactive_threshold\":1500}",
     "{\"config\":{\"name\":\"c\",\"inactive_threshold\":3000000000}}",
     10153, "consumer inactive threshold exceeds system limit of 1.5µs"},
    {",\"consumer_limits\":{\"inactive_threshold\":15}",
     "{\"config\":{\"name\":\"c\",\"inactive_threshold\":3000000000}}",
     10153, "consumer inactive threshold exceeds system limit of 15ns"},
    {",\"consumer_limits\":{\"inactive_threshold\":1500000000}",
     "{\"config\":{\"name\":\"c\"},\"pedantic\":true}",
     10157, "pedantic mode: inactive_threshold must be set if it's configured in stream limits"},
    {"",
     "{\"config\":{\"name\":\"c\",\"opt_start_time\":7}}",
     10025, "invalid JSON: Time.UnmarshalJSON: input is not a JSON string"},
    {"",
     "{\"config\":{\"name\":\"c\",\"backoff\":7}}",
     10025, ("invalid JSON: json: cannot unmarshal number into Go struct field "
            "ConsumerConfig.config.backoff of type []time.Duration")},
    {"",
     "{\"config\":{\"name\":\"c\",\"backoff\":[\"x\"]}}",
     10025, ("invalid JSON: json: cannot unmarshal string into Go struct field "
            "ConsumerConfig.config.backoff of type time.Duration")},
    {"",
     "{\"config\":{\"name\":\"c\",\"ack_policy\":\"x\"}}",
     10025, "invalid JSON: can not unmarshal \"\\\"x\\\"\""},
    {"",
     "{\"config\":{\"name\":\"c\",\"deliver_policy\":7}}",
     10025, "invalid JSON: can not unmarshal \"7\""},
    {"",
     "{\"config\":{\"name\":\"c\",\"replay_policy\":\"x\"}}",
     10025, "invalid JSON: can not unmarshal \"\\\"x\\\"\""},
    {"",
     "{\"config\":{\"name\":\"c\",\"priority_policy\":\"x\"}}",
     10025, "invalid JSON: unknown priority policy: \"x\""},
    {"",
     "{\"config\":7}",
     10025, ("invalid JSON: json: cannot unmarshal number into Go struct field "
            "CreateConsumerRequest.config of type server.ConsumerConfig")},
    {"",
     "{\"config\":{\"name\":\"c\",\"filter_subjects\":\"a\"}}",
     10025, ("invalid JSON: json: cannot unmarshal string into Go struct field "
            "ConsumerConfig.config.filter_subjects of type []string")},
};

/* The answer's error; 0 and an empty text if it has none. */
static int desk_error(desk *d, char text[300])
{
    ri_json root;
    ri_str told = ri_buffer_str(&d->w.told), line;
    ck_assert(ri_str_cut(&told, '{', &line));
    told = (ri_str){told.ptr - 1, told.len + 1};
    ck_assert_ok(ri_json_parse(&root, told));
    ri_json error = ri_json_get(root, "error");
    int code = (int)ri_json_integer(ri_json_get(error, "err_code"));
    ri_json_copy(ri_json_get(error, "description"), text, 300);
    desk_forget(d);
    return code;
}

static void check(desk *d, const verdict *v)
{
    char text[300];
    int code = desk_error(d, text);
    ck_assert_msg(code == v->err_code && strcmp(text, v->text) == 0, "%s: %d %s", v->json, code,
                  text);
}

static desk *desk_new(void)
{
    static desk d;
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ptr_nonnull(world_listen(&d.w, "in", "in"));
    return &d;
}

START_TEST(test_streams)
{
    desk *d = desk_new();
    for (size_t i = 0; i < RI_LEN(streams); i++) {
        desk_ask(d, "STREAM.CREATE.A", streams[i].json);
        check(d, &streams[i]);
        desk_ask(d, "STREAM.DELETE.A", "");
        desk_forget(d);
    }
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_consumers)
{
    desk *d = desk_new();
    char body[1024], text[300];
    for (size_t i = 0; i < RI_LEN(consumers); i++) {
        snprintf(body, sizeof body, "{\"name\":\"W\",\"subjects\":[\"w.>\"]%s}",
                 consumers[i].stream);
        desk_ask(d, "STREAM.CREATE.W", body);
        ck_assert_int_eq(desk_error(d, text), 0);
        snprintf(body, sizeof body, "{\"stream_name\":\"W\",%s", consumers[i].json + 1);
        desk_ask(d, "CONSUMER.CREATE.W.c", body);
        check(d, &consumers[i]);
        desk_ask(d, "STREAM.DELETE.W", "");
        desk_forget(d);
    }
    desk_fini(d, NULL);
}
END_TEST

/* Updates of consumer b of a work queue, of which consumer a has w.a and b has w.b. */
static const verdict queue_updates[] = {
    {"", "{\"filter_subject\":\"w.a\"}",
     10100, "filtered consumer not unique on workqueue stream"},
    {"", "{\"filter_subject\":\"w.>\"}",
     10100, "filtered consumer not unique on workqueue stream"},
    {"", "{\"filter_subjects\":[\"w.b\",\"w.a\"]}",
     10100, "filtered consumer not unique on workqueue stream"},
    {"", "{}",
     10099, "multiple non-filtered consumers not allowed on workqueue stream"},
    {"", "{\"filter_subjects\":[\"w.b\",\"w.c\"]}",
     0, ""},
    {"", "{\"filter_subject\":\"w.b\",\"description\":\"mine\"}",
     0, ""},
};

START_TEST(test_queue_updates)
{
    desk *d = desk_new();
    char body[1024], text[300];
    const char *form = "{\"stream_name\":\"W\",\"config\":{\"name\":\"%s\","
                       "\"ack_policy\":\"explicit\",%s}";
    desk_ask(d, "STREAM.CREATE.W", "{\"name\":\"W\",\"subjects\":[\"w.>\"],"
                                   "\"retention\":\"workqueue\"}");
    snprintf(body, sizeof body, form, "a", "\"filter_subject\":\"w.a\"}");
    desk_forget(d);
    desk_ask(d, "CONSUMER.CREATE.W.a", body);
    ck_assert_int_eq(desk_error(d, text), 0);
    snprintf(body, sizeof body, form, "b", "\"filter_subject\":\"w.b\"}");
    desk_ask(d, "CONSUMER.CREATE.W.b", body);
    ck_assert_int_eq(desk_error(d, text), 0);
    for (size_t i = 0; i < RI_LEN(queue_updates); i++) {
        const char *more = queue_updates[i].json + 1;
        snprintf(body, sizeof body, form, "b", *more == '}' ? "\"headers_only\":false}" : more);
        desk_ask(d, "CONSUMER.CREATE.W.b", body);
        check(d, &queue_updates[i]);
    }
    desk_fini(d, NULL);
}
END_TEST

/* What is too long to be written down. */
START_TEST(test_lengths)
{
    static const verdict longs[] = {
        {"description", "", 10052, "stream description is too long, maximum allowed is 4096"},
        {"metadata", "", 10052, "stream metadata exceeds maximum size of 131072 bytes"},
        {"description", "", 10107, "consumer description is too long, maximum allowed is 4096"},
        {"metadata", "", 10135, "consumer metadata exceeds maximum size of 128KB"},
    };
    desk *d = desk_new();
    desk_ask(d, "STREAM.CREATE.W", "{\"name\":\"W\"}");
    desk_forget(d);
    for (size_t i = 0; i < RI_LEN(longs); i++) {
        bool metadata = longs[i].stream[0] == 'm', consumer = i > 1;
        size_t len = metadata ? 131072 : 4097; /* with the key, 131073 */
        char *body = malloc(len + 200);
        ck_assert_ptr_nonnull(body);
        int n = sprintf(body, "%s\"name\":\"%s\",\"%s\":%s\"",
                        consumer ? "{\"stream_name\":\"W\",\"config\":{" : "{",
                        consumer ? "c" : "A", longs[i].stream, metadata ? "{\"k\":" : "");
        memset(body + n, 'x', len);
        sprintf(body + n + len, "\"%s%s}", metadata ? "}" : "", consumer ? "}" : "");
        desk_ask(d, consumer ? "CONSUMER.CREATE.W.c" : "STREAM.CREATE.A", body);
        check(d, &longs[i]);
        free(body);
    }
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("js_verdicts", test_streams, test_consumers, test_queue_updates, test_lengths)
