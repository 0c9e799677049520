/* SPDX-License-Identifier: Apache-2.0 */
/* What $SYS.REQ answers where there is no broker, whole; test_pages.c has its pages. */
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

static const char off_told[] =
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.account_info_response\","
    "\"error\":{\"code\":503,\"err_code\":10039,\"description\":\"JetStream not enabled for "
    "account\"}}\n"
    "[     0] in: in {\"server\":{\"name\":\"desk\",\"host\":\"\",\"id\":\"ID\","
    "\"ver\":\"2.12.0\",\"jetstream\":false,\"flags\":0,\"seq\":1,"
    "\"time\":\"2027-01-15T08:00:00Z\"},\"data\":{\"user\":\"\",\"account\":\"$G\","
    "\"account_name\":\"$G\"}}\n";

/* A server without JetStream says so. */
START_TEST(test_off)
{
    desk *d = desk_new(NULL);
    ri_jetstream_api_close(d->api);
    ri_jetstream_api_opts opts = {.host = &d->w.own.host, .router = &d->w.router,
                                  .server_name = "desk", .server_id = "ID", .version = "2.12.0"};
    ck_assert_ok(ri_jetstream_api_open(&d->api, &opts));
    ck_assert_ok(ri_jetstream_api_start(d->api, NULL));
    desk_ask(d, "INFO", "");
    ask(d, "$SYS.REQ.USER.INFO", "");
    DESK_TOLD(d, off_told);
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("js_system", test_who, test_off)
