/* SPDX-License-Identifier: Apache-2.0 */
/* What $SYS.REQ answers, whole. */
#include <stdio.h>

#include "base/error.h"
#include "support/desk.h"
#include "support/suite.h"

static void ask(desk *d, const char *subject, const char *body)
{
    world_publish(&d->w, subject, "in", "", body);
    desk_turn(d);
}

static desk *desk_new(const char *domain)
{
    static desk d;
    ck_assert_ok(desk_init(&d, NULL, domain));
    ck_assert_ptr_nonnull(world_listen(&d.w, "in", "in"));
    return &d;
}

START_TEST(test_who)
{
    desk *d = desk_new(NULL);
    ask(d, "$SYS.REQ.USER.INFO", "");
    ask(d, "$SYS.REQ.SERVER.PING.IDZ", "");
    ask(d, "$SYS.REQ.SERVER.ID.IDZ", "");
    ask(d, "$SYS.REQ.SERVER.other.IDZ", "");
    DESK_TOLD(d, "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
                 "\"ver\":\"2.12.0\",\"jetstream\":true,\"flags\":1,\"seq\":0,"
                 "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"user\":\"\",\"account\":\"$G\","
                 "\"account_name\":\"$G\"}}\n"
                 "[     0] in: in {\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\"}\n"
                 "[     0] in: in {\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\"}\n");
    desk_fini(d, NULL);
}
END_TEST

static const char jsz_told[] =
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"domain\":\"hub\",\"ver\":\"2.12.0\",\"jetstream\":true,\"flags\":1,\"seq\":4,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"server_id\":\"ID\","
    "\"now\":\"2027-01-15T08:00:00Z\",\"config\":{\"max_memory\":-1,\"max_storage\":-1,"
    "\"strict\":true},\"streams\":2,\"consumers\":1,\"messages\":1,\"bytes\":36,\"total\":1}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"domain\":\"hub\",\"ver\":\"2.12.0\",\"jetstream\":true,\"flags\":1,\"seq\":4,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"server_id\":\"ID\","
    "\"now\":\"2027-01-15T08:00:00Z\",\"config\":{\"max_memory\":-1,\"max_storage\":-1,"
    "\"strict\":true},\"streams\":2,\"consumers\":1,\"messages\":1,\"bytes\":36,"
    "\"account_details\":[{\"name\":\"$G\",\"id\":\"$G\",\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"stream_detail\":[]}],\"total\":1}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"domain\":\"hub\",\"ver\":\"2.12.0\",\"jetstream\":true,\"flags\":1,\"seq\":4,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"server_id\":\"ID\","
    "\"now\":\"2027-01-15T08:00:00Z\",\"config\":{\"max_memory\":-1,\"max_storage\":-1,"
    "\"strict\":true},\"streams\":2,\"consumers\":1,\"messages\":1,\"bytes\":36,"
    "\"account_details\":[{\"name\":\"$G\",\"id\":\"$G\",\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"stream_detail\":[{\"name\":\"B\","
    "\"created\":\"2027-01-15T08:00:00Z\",\"cluster\":{\"leader\":\"desk\"},"
    "\"state\":{\"messages\":0,\"bytes\":0,\"first_seq\":0,\"first_ts\":\"0001-01-01T00:00:00Z\","
    "\"last_seq\":0,\"last_ts\":\"0001-01-01T00:00:00Z\",\"consumer_count\":0}}]}],\"total\":1}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"domain\":\"hub\",\"ver\":\"2.12.0\",\"jetstream\":true,\"flags\":1,\"seq\":4,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"server_id\":\"ID\","
    "\"now\":\"2027-01-15T08:00:00Z\",\"config\":{\"max_memory\":-1,\"max_storage\":-1,"
    "\"strict\":true},\"streams\":2,\"consumers\":1,\"messages\":1,\"bytes\":36,"
    "\"account_details\":[{\"name\":\"$G\",\"id\":\"$G\",\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"stream_detail\":[{\"name\":\"A\","
    "\"created\":\"2027-01-15T08:00:00Z\",\"cluster\":{\"leader\":\"desk\"},"
    "\"config\":{\"name\":\"A\",\"subjects\":[\"a\"],\"retention\":\"limits\","
    "\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0,"
    "\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,\"discard\":\"old\",\"storage\":\"file\","
    "\"num_replicas\":1,\"duplicate_window\":120000000000,\"compression\":\"none\","
    "\"allow_direct\":false,\"mirror_direct\":false,\"sealed\":false,\"deny_delete\":false,"
    "\"deny_purge\":false,\"allow_rollup_hdrs\":false,\"consumer_limits\":{},"
    "\"allow_msg_ttl\":false,\"metadata\":{\"_nats.req.level\":\"0\"}},\"state\":{\"messages\":1,"
    "\"bytes\":36,\"first_seq\":1,\"first_ts\":\"2027-01-15T08:00:00Z\",\"last_seq\":1,"
    "\"last_ts\":\"2027-01-15T08:00:00Z\",\"num_subjects\":1,\"consumer_count\":1},"
    "\"consumer_detail\":[{\"stream_name\":\"A\",\"name\":\"c\","
    "\"created\":\"2027-01-15T08:00:00Z\",\"config\":{\"name\":\"c\",\"deliver_policy\":\"all\","
    "\"ack_policy\":\"none\",\"max_deliver\":-1,\"replay_policy\":\"instant\",\"max_waiting\":512,"
    "\"inactive_threshold\":5000000000,\"num_replicas\":0,"
    "\"metadata\":{\"_nats.req.level\":\"0\"}},\"delivered\":{\"consumer_seq\":0,"
    "\"stream_seq\":0},\"ack_floor\":{\"consumer_seq\":0,\"stream_seq\":0},\"num_ack_pending\":0,"
    "\"num_redelivered\":0,\"num_waiting\":0,\"num_pending\":1,"
    "\"ts\":\"2027-01-15T08:00:00Z\"}]}]}],\"total\":1}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"domain\":\"hub\",\"ver\":\"2.12.0\",\"jetstream\":true,\"flags\":1,\"seq\":4,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"server_id\":\"ID\","
    "\"now\":\"2027-01-15T08:00:00Z\",\"config\":{\"max_memory\":-1,\"max_storage\":-1,"
    "\"strict\":true},\"streams\":2,\"consumers\":1,\"messages\":1,\"bytes\":36,"
    "\"account_details\":[{\"name\":\"$G\",\"id\":\"$G\",\"memory\":0,\"storage\":36,"
    "\"reserved_memory\":0,\"reserved_storage\":0,\"accounts\":1,\"ha_assets\":0,"
    "\"api\":{\"level\":5,\"total\":4,\"errors\":1},\"stream_detail\":[]}],\"total\":1}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"domain\":\"hub\",\"ver\":\"2.12.0\",\"jetstream\":true,\"flags\":1,\"seq\":4,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"error\":{\"code\":400,\"description\":\"invalid "
    "JSON\"}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"domain\":\"hub\",\"ver\":\"2.12.0\",\"jetstream\":true,\"flags\":1,\"seq\":4,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"error\":{\"code\":400,\"description\":\"invalid "
    "JSON\"}}\n";

/* Each level of /jsz brings those around it. */
START_TEST(test_jsz)
{
    desk *d = desk_new("hub");
    desk_ask(d, "STREAM.CREATE.A", "{\"name\":\"A\",\"subjects\":[\"a\"]}");
    desk_ask(d, "STREAM.CREATE.B", "{\"name\":\"B\",\"subjects\":[\"b\"],\"storage\":\"memory\"}");
    desk_ask(d, "CONSUMER.CREATE.A.c", "{\"stream_name\":\"A\",\"config\":{\"name\":\"c\"}}");
    desk_ask(d, "STREAM.INFO.none", "");
    world_publish(&d->w, "a", "", "", "hello");
    desk_turn(d);
    desk_forget(d);
    ask(d, "$SYS.REQ.SERVER.PING.JSZ", "");
    ask(d, "$SYS.REQ.SERVER.ID.JSZ", "{\"accounts\":true}");
    ask(d, "$SYS.REQ.SERVER.ID.JSZ", "{\"streams\":true,\"offset\":1}");
    ask(d, "$SYS.REQ.SERVER.ID.JSZ", "{\"account\":\"$G\",\"consumer\":true,\"config\":true,"
                                     "\"limit\":1}");
    ask(d, "$SYS.REQ.SERVER.ID.JSZ", "{\"streams\":true,\"offset\":9}");
    ask(d, "$SYS.REQ.SERVER.ID.JSZ", "{\"streams\":");
    ask(d, "$SYS.REQ.SERVER.ID.JSZ", "[]");
    DESK_TOLD(d, jsz_told);
    desk_fini(d, NULL);
}
END_TEST

static const char off_told[] =
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.account_info_response\","
    "\"error\":{\"code\":503,\"err_code\":10039,\"description\":\"JetStream not enabled for "
    "account\"}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"ver\":\"2.12.0\",\"jetstream\":false,\"flags\":0,\"seq\":1,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"server_id\":\"ID\","
    "\"now\":\"2027-01-15T08:00:00Z\",\"disabled\":true,\"streams\":0,\"consumers\":0,"
    "\"messages\":0,\"bytes\":0,\"total\":0}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"ver\":\"2.12.0\",\"jetstream\":false,\"flags\":0,\"seq\":1,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"user\":\"\",\"account\":\"$G\","
    "\"account_name\":\"$G\"}}\n";

/* A server without JetStream says so, to the API and to /jsz. */
START_TEST(test_off)
{
    desk *d = desk_new(NULL);
    ri_jetstream_api_close(d->api);
    ri_jetstream_api_opts opts = {.host = &d->w.own.host, .router = &d->w.router,
                                  .server_name = "desk", .server_id = "ID", .version = "2.12.0"};
    ck_assert_ok(ri_jetstream_api_open(&d->api, &opts));
    ck_assert_ok(ri_jetstream_api_start(d->api, NULL));
    desk_ask(d, "INFO", "");
    ask(d, "$SYS.REQ.SERVER.PING.JSZ", "");
    ask(d, "$SYS.REQ.USER.INFO", "");
    DESK_TOLD(d, off_told);
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("js_system", test_who, test_jsz, test_off)
