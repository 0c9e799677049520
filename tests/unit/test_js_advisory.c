/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of advisory as it is told. */
#include <string.h>

#include "base/error.h"
#include "front/jetstream/js_request.h"
#include "support/desk.h"
#include "support/suite.h"

static desk *desk_new(const char *domain)
{
    static desk d;
    ck_assert_ok(desk_init(&d, NULL, domain));
    world_listen(&d.w, "ev", "$JS.EVENT.>");
    desk_turn(&d);
    ri_jetstream_api_step(d.api, d.w.wall_ns, d.w.mono_ns);
    return &d;
}

static void tell(desk *d, ri_js_event_kind kind)
{
    ri_js_event e = {.kind = kind, .stream = RI_STR("S"), .consumer = RI_STR("c"),
                     .stream_seq = 7, .consumer_seq = 8, .deliveries = 9, .time_ns = 1500,
                     .group = RI_STR("g"), .id = RI_STR("i\"d"), .reason = RI_STR("why")};
    if (kind == RI_JS_CONSUMER_PAUSED) e.time_ns = d->w.wall_ns + 1500 * RI_MS;
    ri_jetstream_api_event(d->api, &e);
}

static const char events_told[] =
    "[     0] ev: $JS.EVENT.ADVISORY.STREAM.CREATED.S "
    "{\"type\":\"io.nats.jetstream.advisory.v1.stream_action\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"action\":\"create\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.STREAM.UPDATED.S "
    "{\"type\":\"io.nats.jetstream.advisory.v1.stream_action\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"action\":\"modify\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.STREAM.DELETED.S "
    "{\"type\":\"io.nats.jetstream.advisory.v1.stream_action\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"action\":\"delete\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.CREATED.S.c "
    "{\"type\":\"io.nats.jetstream.advisory.v1.consumer_action\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\","
    "\"action\":\"create\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.DELETED.S.c "
    "{\"type\":\"io.nats.jetstream.advisory.v1.consumer_action\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\","
    "\"action\":\"delete\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.c "
    "{\"type\":\"io.nats.jetstream.advisory.v1.consumer_pause\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\",\"paused\":true,"
    "\"pause_until\":\"2027-01-15T08:00:01.5Z\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.PINNED.S.c "
    "{\"type\":\"io.nats.jetstream.advisory.v1.consumer_group_pinned\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"account\":\"$G\",\"stream\":\"S\","
    "\"consumer\":\"c\",\"group\":\"g\",\"pinned_id\":\"i\\\"d\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.UNPINNED.S.c "
    "{\"type\":\"io.nats.jetstream.advisory.v1.consumer_group_unpinned\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"account\":\"$G\",\"stream\":\"S\","
    "\"consumer\":\"c\",\"group\":\"g\",\"reason\":\"why\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.c "
    "{\"type\":\"io.nats.jetstream.advisory.v1.max_deliver\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\",\"stream_seq\":7,"
    "\"deliveries\":9}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.c "
    "{\"type\":\"io.nats.jetstream.advisory.v1.nak\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\","
    "\"consumer_seq\":8,\"stream_seq\":7,\"deliveries\":9}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c "
    "{\"type\":\"io.nats.jetstream.advisory.v1.terminated\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\","
    "\"consumer_seq\":8,\"stream_seq\":7,\"deliveries\":9,\"reason\":\"why\"}\n"
    "[     0] ev: $JS.EVENT.METRIC.CONSUMER.ACK.S.c "
    "{\"type\":\"io.nats.jetstream.metric.v1.consumer_ack\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\","
    "\"consumer_seq\":8,\"stream_seq\":7,\"ack_time\":1500,\"deliveries\":9}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S "
    "{\"type\":\"io.nats.jetstream.advisory.v1.stream_batch_abandoned\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"account\":\"$G\",\"stream\":\"S\","
    "\"batch\":\"i\\\"d\",\"reason\":\"why\"}\n";

START_TEST(test_events)
{
    desk *d = desk_new(NULL);
    for (int kind = 0; kind <= RI_JS_BATCH_ABANDONED; kind++) tell(d, (ri_js_event_kind)kind);
    DESK_TOLD(d, events_told);
    /* Resumed; a domain is told, too. */
    ri_jetstream_api_event(d->api, &(ri_js_event){.kind = RI_JS_CONSUMER_PAUSED,
                                                  .stream = RI_STR("S"), .consumer = RI_STR("c")});
    ri_jetstream_api_event(d->api, &(ri_js_event){.kind = RI_JS_MSG_TERMINATED,
                                                  .stream = RI_STR("S"), .consumer = RI_STR("c")});
    DESK_TOLD(d, "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.c "
                 "{\"type\":\"io.nats.jetstream.advisory.v1.consumer_pause\",\"id\":\"ID\","
                 "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\","
                 "\"paused\":false,\"pause_until\":\"0001-01-01T00:00:00Z\"}\n"
                 "[     0] ev: $JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.c "
                 "{\"type\":\"io.nats.jetstream.advisory.v1.terminated\",\"id\":\"ID\","
                 "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"consumer\":\"c\","
                 "\"consumer_seq\":0,\"stream_seq\":0,\"deliveries\":0}\n");
    desk_fini(d, NULL);
    d = desk_new("hub");
    tell(d, RI_JS_STREAM_CREATED);
    DESK_TOLD(d, "[     0] ev: $JS.EVENT.ADVISORY.STREAM.CREATED.S "
                 "{\"type\":\"io.nats.jetstream.advisory.v1.stream_action\",\"id\":\"ID\","
                 "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"action\":\"create\","
                 "\"domain\":\"hub\"}\n");
    desk_fini(d, NULL);
}
END_TEST

static const char requests_told[] =
    "[     0] ev: $JS.EVENT.ADVISORY.STREAM.CREATED.S "
    "{\"type\":\"io.nats.jetstream.advisory.v1.stream_action\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"action\":\"create\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.API {\"type\":\"io.nats.jetstream.advisory.v1.api_audit\","
    "\"id\":\"ID\",\"timestamp\":\"2027-01-15T08:00:00Z\",\"server\":\"desk\","
    "\"client\":{\"acc\":\"$G\"},\"subject\":\"$JS.API.STREAM.CREATE.S\","
    "\"request\":\"{\\\"name\\\":\\\"S\\\",\\\"subjects\\\":[\\\"s\\\"]}\","
    "\"response\":\"{\\\"type\\\":\\\"io.nats.jetstream.api.v1.stream_create_response\\\","
    "\\\"config\\\":{\\\"name\\\":\\\"S\\\",\\\"subjects\\\":[\\\"s\\\"],"
    "\\\"retention\\\":\\\"limits\\\",\\\"max_consumers\\\":-1,\\\"max_msgs\\\":-1,"
    "\\\"max_bytes\\\":-1,\\\"max_age\\\":0,\\\"max_msgs_per_subject\\\":-1,"
    "\\\"max_msg_size\\\":-1,\\\"discard\\\":\\\"old\\\",\\\"storage\\\":\\\"file\\\","
    "\\\"num_replicas\\\":1,\\\"duplicate_window\\\":120000000000,"
    "\\\"compression\\\":\\\"none\\\",\\\"allow_direct\\\":false,\\\"mirror_direct\\\":false,"
    "\\\"sealed\\\":false,\\\"deny_delete\\\":false,\\\"deny_purge\\\":false,"
    "\\\"allow_rollup_hdrs\\\":false,\\\"consumer_limits\\\":{},\\\"allow_msg_ttl\\\":false,"
    "\\\"metadata\\\":{\\\"_nats.level\\\":\\\"5\\\",\\\"_nats.req.level\\\":\\\"0\\\","
    "\\\"_nats.ver\\\":\\\"2.12.0\\\"}},\\\"created\\\":\\\"2027-01-15T08:00:00Z\\\","
    "\\\"state\\\":{\\\"messages\\\":0,\\\"bytes\\\":0,\\\"first_seq\\\":0,"
    "\\\"first_ts\\\":\\\"0001-01-01T00:00:00Z\\\",\\\"last_seq\\\":0,"
    "\\\"last_ts\\\":\\\"0001-01-01T00:00:00Z\\\",\\\"consumer_count\\\":0},"
    "\\\"ts\\\":\\\"2027-01-15T08:00:00Z\\\",\\\"did_create\\\":true}\"}\n";

static const char requests_told2[] =
    "[     0] ev: $JS.EVENT.ADVISORY.API {\"type\":\"io.nats.jetstream.advisory.v1.api_audit\","
    "\"id\":\"ID\",\"timestamp\":\"2027-01-15T08:00:00Z\",\"server\":\"desk\","
    "\"client\":{\"acc\":\"$G\"},\"subject\":\"$JS.API.STREAM.SNAPSHOT.S\","
    "\"request\":\"{\\\"deliver_subject\\\":\\\"chunks\\\",\\\"no_consumers\\\":true}\","
    "\"response\":\"{\\\"type\\\":\\\"io.nats.jetstream.api.v1.stream_snapshot_response\\\","
    "\\\"config\\\":{\\\"name\\\":\\\"S\\\",\\\"subjects\\\":[\\\"s\\\"],"
    "\\\"retention\\\":\\\"limits\\\",\\\"max_consumers\\\":-1,\\\"max_msgs\\\":-1,"
    "\\\"max_bytes\\\":-1,\\\"max_age\\\":0,\\\"max_msgs_per_subject\\\":-1,"
    "\\\"max_msg_size\\\":-1,\\\"discard\\\":\\\"old\\\",\\\"storage\\\":\\\"file\\\","
    "\\\"num_replicas\\\":1,\\\"duplicate_window\\\":120000000000,"
    "\\\"compression\\\":\\\"none\\\",\\\"allow_direct\\\":false,\\\"mirror_direct\\\":false,"
    "\\\"sealed\\\":false,\\\"deny_delete\\\":false,\\\"deny_purge\\\":false,"
    "\\\"allow_rollup_hdrs\\\":false,\\\"consumer_limits\\\":{},\\\"allow_msg_ttl\\\":false,"
    "\\\"metadata\\\":{\\\"_nats.req.level\\\":\\\"0\\\"}},\\\"state\\\":{\\\"messages\\\":0,"
    "\\\"bytes\\\":0,\\\"first_seq\\\":0,\\\"first_ts\\\":\\\"0001-01-01T00:00:00Z\\\","
    "\\\"last_seq\\\":0,\\\"last_ts\\\":\\\"0001-01-01T00:00:00Z\\\","
    "\\\"consumer_count\\\":0}}\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.STREAM.SNAPSHOT_CREATE.S "
    "{\"type\":\"io.nats.jetstream.advisory.v1.snapshot_create\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"state\":{\"messages\":0,"
    "\"bytes\":0,\"first_seq\":0,\"first_ts\":\"0001-01-01T00:00:00Z\",\"last_seq\":0,"
    "\"last_ts\":\"0001-01-01T00:00:00Z\",\"consumer_count\":0},\"client\":{\"acc\":\"$G\"}}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.S "
    "{\"type\":\"io.nats.jetstream.advisory.v1.snapshot_complete\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"start\":\"2027-01-15T08:00:00Z\","
    "\"end\":\"2027-01-15T08:00:00Z\",\"client\":{\"acc\":\"$G\"}}\n";

static const char requests_told3[] =
    "[     0] ev: $JS.EVENT.ADVISORY.API {\"type\":\"io.nats.jetstream.advisory.v1.api_audit\","
    "\"id\":\"ID\",\"timestamp\":\"2027-01-15T08:00:00Z\",\"server\":\"desk\","
    "\"client\":{\"acc\":\"$G\"},\"subject\":\"$JS.API.STREAM.RESTORE.S\","
    "\"request\":\"{\\\"config\\\":{\\\"name\\\":\\\"S\\\",\\\"subjects\\\":[\\\"s\\\"]}}\","
    "\"response\":\"{\\\"type\\\":\\\"io.nats.jetstream.api.v1.stream_restore_response\\\","
    "\\\"deliver_subject\\\":\\\"$JS.SNAPSHOT.RESTORE.S.ID\\\"}\"}\n"
    "[     0] ev: $JS.EVENT.ADVISORY.STREAM.RESTORE_CREATE.S "
    "{\"type\":\"io.nats.jetstream.advisory.v1.restore_create\",\"id\":\"ID\","
    "\"timestamp\":\"2027-01-15T08:00:00Z\",\"stream\":\"S\",\"client\":{\"acc\":\"$G\"}}\n";

/* What requests cause: audits, and the life of streams and consumers. */
START_TEST(test_requests)
{
    desk *d = desk_new(NULL);
    desk_ask(d, "STREAM.CREATE.S", "{\"name\":\"S\",\"subjects\":[\"s\"]}");
    DESK_TOLD(d, requests_told);
    desk_ask(d, "STREAM.DELETE.T", "");
    DESK_TOLD(d, "[     0] ev: $JS.EVENT.ADVISORY.API {\"type\":\"io.nats.jetstream.advisory.v1.ap"
                 "i_audit\",\"id\":\"ID\",\"timestamp\":\"2027-01-15T08:00:00Z\","
                 "\"server\":\"desk\",\"client\":{\"acc\":\"$G\"},"
                 "\"subject\":\"$JS.API.STREAM.DELETE.T\","
                 "\"response\":\"{\\\"type\\\":\\\"io.nats.jetstream.api.v1.stream_delete_response"
                 "\\\",\\\"error\\\":{\\\"code\\\":404,\\\"err_code\\\":10059,"
                 "\\\"description\\\":\\\"stream not found\\\"}}\"}\n");
    desk_ask(d, "STREAM.MSG.GET.S", "{\"seq\":1}"); /* silent */
    DESK_TOLD(d, "");
    world_listen(&d->w, "in", "chunks")->quiet = true;
    desk_ask(d, "STREAM.SNAPSHOT.S", "{\"deliver_subject\":\"chunks\",\"no_consumers\":true}");
    desk_turn(d);
    DESK_TOLD(d, requests_told2);
    desk_ask(d, "STREAM.DELETE.S", "");
    desk_forget(d);
    desk_ask(d, "STREAM.RESTORE.S", "{\"config\":{\"name\":\"S\",\"subjects\":[\"s\"]}}");
    desk_wait(d, 5000);
    DESK_TOLD(d, requests_told3);
    desk_fini(d, NULL);
}
END_TEST

/* Nothing is made that nobody wants, and a name that makes the subject too long is not told. */
START_TEST(test_nobody)
{
    desk *d = desk_new(NULL);
    char name[1200];
    memset(name, 'n', sizeof name);
    ri_js_event e = {.kind = RI_JS_STREAM_CREATED, .stream = {name, sizeof name}};
    ri_jetstream_api_event(d->api, &e);
    ri_js_advisory_transfer(d->api, &(ri_js_transfer_event){.stream = {name, sizeof name}});
    world_deafen(&d->w, d->w.ears[0]);
    size_t calls = d->w.own.supply.calls;
    for (int kind = 0; kind <= RI_JS_BATCH_ABANDONED; kind++) tell(d, (ri_js_event_kind)kind);
    ri_js_advisory_transfer(d->api, &(ri_js_transfer_event){.stream = RI_STR("S")});
    ck_assert_uint_eq(d->w.own.supply.calls, calls);
    DESK_TOLD(d, "");
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("js_advisory", test_events, test_requests, test_nobody)
