/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots over an engine without sockets or clock: there and back, the window, and all that may
 * go wrong on the way. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/limits.h"
#include "support/suite.h"
#include "support/taker.h"

/* ---- There and back ---- */

static const char round_trip_told[] =
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_snapshot_response\","
    "\"config\":{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"limits\","
    "\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0,"
    "\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,\"discard\":\"old\",\"storage\":\"file\","
    "\"num_replicas\":1,\"duplicate_window\":120000000000,\"compression\":\"none\","
    "\"allow_direct\":false,\"mirror_direct\":false,\"sealed\":false,\"deny_delete\":false,"
    "\"deny_purge\":false,\"allow_rollup_hdrs\":false,\"consumer_limits\":{},"
    "\"allow_msg_ttl\":false,\"metadata\":{\"_nats.req.level\":\"0\"}},\"state\":{\"messages\":4,"
    "\"bytes\":164,\"first_seq\":1,\"first_ts\":\"2027-01-15T08:00:00Z\",\"last_seq\":5,"
    "\"last_ts\":\"2027-01-15T08:00:00Z\",\"num_subjects\":3,\"num_deleted\":1,"
    "\"consumer_count\":1}}\n";

static const char round_trip_told2[] =
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_create_response\","
    "\"config\":{\"name\":\"S\",\"subjects\":[\"s.*\"],\"retention\":\"limits\","
    "\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0,"
    "\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,\"discard\":\"old\",\"storage\":\"file\","
    "\"num_replicas\":1,\"duplicate_window\":120000000000,\"compression\":\"none\","
    "\"allow_direct\":false,\"mirror_direct\":false,\"sealed\":false,\"deny_delete\":false,"
    "\"deny_purge\":false,\"allow_rollup_hdrs\":false,\"consumer_limits\":{},"
    "\"allow_msg_ttl\":false,\"metadata\":{\"_nats.level\":\"5\",\"_nats.req.level\":\"0\","
    "\"_nats.ver\":\"2.12.0\"}},\"created\":\"2027-01-15T08:00:00Z\",\"state\":{\"messages\":4,"
    "\"bytes\":164,\"first_seq\":1,\"first_ts\":\"2027-01-15T08:00:00Z\",\"last_seq\":5,"
    "\"last_ts\":\"2027-01-15T08:00:00Z\",\"num_subjects\":3,\"num_deleted\":1,"
    "\"consumer_count\":1},\"ts\":\"2027-01-15T08:00:00Z\"}\n";

START_TEST(test_round_trip)
{
    desk *d = desk_new();
    taker before, after;
    char was[8192], is[8192], to[200];
    fill(d);
    look(d, was);
    ck_assert_ptr_nonnull(strstr(was, "\"hdrs\":\"TkFUUy8xLjANCks6IHYNCg0K\",\"data\":\"dHdv\""));
    ck_assert_ok(archive(&before, d, "{\"deliver_subject\":\"chunks.1\"}"));
    DESK_TOLD(d, round_trip_told);
    ck_assert_uint_eq(before.chunks, 1);
    ck_assert_str_eq(before.ack, "");
    ck_assert_str_eq(before.status, "NATS/1.0 204\r\n\r\n");
    desk_ask(d, "STREAM.DELETE.S", "");

    /* Until it is whole, it takes no publishes. */
    ck_assert(restore_begin(d, RESTORE, to));
    ck_assert_int_eq(world_publish(&d->w, "s.a", "", "", "early"), 0);
    restore_send(d, to, ri_buffer_str(&before.bytes));
    DESK_TOLD(d, "[     0] in: in\n");
    ck_assert_int_eq(world_publish(&d->w, "s.a", "", "", "early"), 0);
    restore_send(d, to, RI_STR_NONE);
    DESK_TOLD(d, round_trip_told2);
    look(d, is);
    ck_assert_str_eq(is, was);

    /* The consumer goes on where it was: what it had comes again when its ack wait is over. */
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.c", "in", "", "9");
    desk_turn(d);
    DESK_TOLD(d, "[     0] in: s.c <ACK(1/4/3/1)>\n"
                 "[     0] in: s.a <ACK(1/5/4/0)> five\n");
    desk_wait(d, 29999);
    DESK_TOLD(d, "");
    desk_wait(d, 1);
    DESK_TOLD(d, "[ 30000] in: s.b <ACK(2/2/5/0)> {K: v} two\n"
                 "[ 30000] in: s.c <ACK(2/4/6/0)>\n"
                 "[ 30000] in: s.a <ACK(2/5/7/0)> five\n");
    taker_fini(&before);

    /* Twice there and back is the same archive, but for its consumers. */
    ck_assert_ok(archive(&before, d, "{\"deliver_subject\":\"chunks.1\",\"no_consumers\":true}"));
    ri_party_fini(&before.party);
    desk_ask(d, "STREAM.DELETE.S", "");
    restore_all(d, ri_buffer_str(&before.bytes));
    ck_assert_ok(archive(&after, d, "{\"deliver_subject\":\"chunks.1\"}"));
    ck_assert(ri_str_eq(ri_buffer_str(&after.bytes), ri_buffer_str(&before.bytes)));
    taker_fini(&before);
    taker_fini(&after);
    desk_fini(d, NULL);
}
END_TEST

/* ---- The window ---- */

/* 20 messages of 1000 bytes. */
static void fill_much(desk *d)
{
    char data[1001];
    memset(data, 'x', 1000);
    data[1000] = 0;
    desk_ask(d, "STREAM.CREATE.S", CONF);
    for (int i = 0; i < 20; i++) world_publish(&d->w, "s.a", "", "", data);
    desk_turn(d);
    desk_forget(d);
}

static void taker_ack(taker *t, desk *d)
{
    world_publish(&d->w, t->ack, "", "", "");
    desk_turn(d);
}

#define SLOWLY "{\"deliver_subject\":\"chunks.1\",\"chunk_size\":1024,\"window_size\":3000}"

START_TEST(test_window)
{
    desk *d = desk_new();
    taker t;
    fill_much(d);
    ck_assert_ok(taker_init(&t, d, "chunks.1"));
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    ck_assert_uint_eq(t.chunks, 2);
    ck_assert_uint_eq(t.bytes.len, 2048);
    ck_assert_ptr_nonnull(strstr(t.ack, ".1024.2"));
    desk_turn(d);
    ck_assert_uint_eq(t.chunks, 2);
    taker_ack(&t, d);
    ck_assert_uint_eq(t.chunks, 3);
    world_publish(&d->w, "$JS.SNAPSHOT.ACK.S.AAAAAAAAAAAAAAAAAAAAAA.1024.3", "", "", "");
    desk_turn(d);
    ck_assert_uint_eq(t.chunks, 3);
    while (!*t.status) taker_ack(&t, d);
    ck_assert_str_eq(t.status, "NATS/1.0 204\r\n\r\n");
    ck_assert_uint_eq(t.chunks, (t.bytes.len + 1023) / 1024);
    ck_assert_str_eq(t.ack, "");
    desk_ask(d, "STREAM.DELETE.S", "");
    restore_all(d, ri_buffer_str(&t.bytes));
    ck_assert_uint_eq(d->w.ears[0]->got, 6); /* two creates, delete, two answers, one more */
    taker_fini(&t);
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_client_vanishes)
{
    desk *d = desk_new();
    taker t;
    fill_much(d);
    /* It stays and is silent for 5 seconds. */
    ck_assert_ok(taker_init(&t, d, "chunks.1"));
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    desk_wait(d, 4999);
    ck_assert_str_eq(t.status, "");
    taker_ack(&t, d);
    desk_wait(d, 4999);
    ck_assert_str_eq(t.status, "");
    desk_wait(d, 1);
    ck_assert_str_eq(t.status, "NATS/1.0 408 No Flow Response\r\n\r\n");
    t.status[0] = 0;
    /* It goes between two chunks. */
    world_listen(&d->w, "ev", "$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.S");
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    ri_router_unsubscribe(&t.sub);
    desk_forget(d);
    taker_ack(&t, d);
    DESK_TOLD(d, "[  9999] ev: $JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.S "
                 "{\"type\":\"io.nats.jetstream.advisory.v1.snapshot_complete\",\"id\":\"ID\","
                 "\"timestamp\":\"2027-01-15T08:00:09.999Z\",\"stream\":\"S\","
                 "\"start\":\"2027-01-15T08:00:09.999Z\",\"end\":\"2027-01-15T08:00:09.999Z\","
                 "\"client\":{\"acc\":\"$G\"},\"error\":\"408 No Interest\"}\n");
    taker_fini(&t);
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_nobody_listens)
{
    desk *d = desk_new();
    taker t, above;
    fill_much(d);
    world_listen(&d->w, "ev", "$JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.S");
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    desk_forget(d);
    desk_wait(d, 1999);
    DESK_TOLD(d, "");
    desk_wait(d, 1);
    DESK_TOLD(d, "[  2000] ev: $JS.EVENT.ADVISORY.STREAM.SNAPSHOT_COMPLETE.S "
                 "{\"type\":\"io.nats.jetstream.advisory.v1.snapshot_complete\",\"id\":\"ID\","
                 "\"timestamp\":\"2027-01-15T08:00:02Z\",\"stream\":\"S\","
                 "\"start\":\"2027-01-15T08:00:00Z\",\"end\":\"2027-01-15T08:00:02Z\","
                 "\"client\":{\"acc\":\"$G\"},\"error\":\"408 No Interest\"}\n");
    /* One with a wildcard above is not whom it is for, until two seconds are over. */
    ck_assert_ok(taker_init(&above, d, "chunks.>"));
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    desk_wait(d, 1000);
    ck_assert_uint_eq(above.chunks, 0);
    ck_assert_ok(taker_init(&t, d, "chunks.1"));
    desk_wait(d, 5);
    ck_assert_uint_eq(t.chunks, 2);
    ck_assert_uint_eq(above.chunks, 2);
    taker_fini(&t);
    desk_ask(d, "STREAM.SNAPSHOT.S", "{\"deliver_subject\":\"chunks.2\"}");
    desk_wait(d, 1999);
    ck_assert_uint_eq(above.chunks, 2);
    desk_wait(d, 1);
    ck_assert_uint_eq(above.chunks, 3);
    taker_fini(&above);
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_stream_goes_meanwhile)
{
    desk *d = desk_new();
    taker t;
    for (int again = 0; again < 2; again++) {
        fill_much(d);
        ck_assert_ok(taker_init(&t, d, "chunks.1"));
        desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
        desk_wait(d, 10);
        desk_ask(d, "STREAM.DELETE.S", "");
        if (again) fill_much(d); /* another of that name */
        taker_ack(&t, d);
        ck_assert_str_eq(t.status, "NATS/1.0 500 the stream was deleted\r\n\r\n");
        taker_fini(&t);
    }
    desk_fini(d, NULL);
}
END_TEST

/* What a snapshot keeps is of the broker's memory for work: it is cut for those who have less. */
START_TEST(test_memory)
{
    desk *d = desk_new();
    ri_router *router = &d->w.router;
    taker t;
    ri_claim filling, other;
    ri_claim_init(&filling, NULL);
    ri_claim_init(&other, NULL);
    ri_memory_set_limit(&router->memory, 8 * 1024 * 1024);
    fill_much(d);
    ck_assert_ok(taker_init(&t, d, "chunks.1"));
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    desk_wait(d, 10);
    uint64_t share = ri_memory_share(&router->memory, RI_MEMORY_WORK);
    uint64_t held = ri_memory_used(&router->memory, RI_MEMORY_WORK);
    ck_assert_uint_gt(held, 1024);
    ck_assert(ri_claim_grow(&router->work, &filling, share - held));
    ck_assert(ri_claim_grow(&router->work, &other, 1000));
    desk_wait(d, 10);
    ck_assert_str_eq(t.status, "NATS/1.0 500 insufficient memory\r\n\r\n");
    ck_assert_uint_eq(ri_memory_used(&router->memory, RI_MEMORY_WORK), share - held + 1000);
    taker_fini(&t);
    /* Without room for one there is none. */
    ck_assert(ri_claim_grow(&router->work, &other, held - 2500));
    desk_forget(d);
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "\"err_code\":10023", 16));
    ri_claim_end(&router->work, &filling);
    ri_claim_end(&router->work, &other);
    desk_fini(d, NULL);
}
END_TEST

/* ---- Requests that are refused ---- */

static const char refused_told[] =
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_snapshot_response\","
    "\"error\":{\"code\":400,\"err_code\":10003,\"description\":\"bad request\"}}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_snapshot_response\","
    "\"error\":{\"code\":400,\"err_code\":10015,\"description\":\"deliver subject not valid\"}}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_snapshot_response\","
    "\"error\":{\"code\":400,\"err_code\":10025,\"description\":\"invalid JSON: json: cannot "
    "unmarshal number into Go struct field JSApiStreamSnapshotRequest.deliver_subject of type "
    "string\"}}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_snapshot_response\","
    "\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_restore_response\","
    "\"error\":{\"code\":400,\"err_code\":10003,\"description\":\"bad request\"},"
    "\"deliver_subject\":\"\"}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_restore_response\","
    "\"error\":{\"code\":400,\"err_code\":10056,\"description\":\"stream name in subject does not "
    "match request\"},\"deliver_subject\":\"\"}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_restore_response\","
    "\"error\":{\"code\":400,\"err_code\":10128,\"description\":\"Stream name can not contain "
    "path separators\"},\"deliver_subject\":\"\"}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_restore_response\","
    "\"error\":{\"code\":500,\"err_code\":10052,\"description\":\"invalid subject\"},"
    "\"deliver_subject\":\"\"}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_restore_response\","
    "\"error\":{\"code\":400,\"err_code\":10130,\"description\":\"stream name already in use, "
    "cannot restore\"},\"deliver_subject\":\"\"}\n"
    "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_restore_response\","
    "\"error\":{\"code\":400,\"err_code\":10025,\"description\":\"invalid JSON: JSON, line 1, "
    "column 1: invalid token near 'x'\"},\"deliver_subject\":\"\"}\n";

START_TEST(test_refused)
{
    desk *d = desk_new();
    static const char *const requests[][2] = {
        {"STREAM.SNAPSHOT.S", ""},
        {"STREAM.SNAPSHOT.S", "{\"deliver_subject\":\"a.*\"}"},
        {"STREAM.SNAPSHOT.S", "{\"deliver_subject\":7}"},
        {"STREAM.SNAPSHOT.T", "{\"deliver_subject\":\"a\"}"},
        {"STREAM.RESTORE.S", "{}"},
        {"STREAM.RESTORE.S", "{\"config\":{\"name\":\"T\"}}"},
        {"STREAM.RESTORE.S/T", "{\"config\":{\"subjects\":[\"a\"]}}"},
        {"STREAM.RESTORE.T", "{\"config\":{\"subjects\":[\"a..b\"]}}"},
        {"STREAM.RESTORE.S", "{\"config\":{\"subjects\":[\"a\"]}}"},
        {"STREAM.RESTORE.T", "x"},
    };
    desk_ask(d, "STREAM.CREATE.S", CONF);
    desk_forget(d);
    for (size_t i = 0; i < RI_LEN(requests); i++) desk_ask(d, requests[i][0], requests[i][1]);
    DESK_TOLD(d, refused_told);
    /* As many as there may be. */
    for (int i = 0; i < RI_LIMIT_JS_TRANSFERS; i++) desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    desk_forget(d);
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    DESK_TOLD(d, "[     0] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_snapshot_response\","
                 "\"error\":{\"code\":503,\"err_code\":10023,\"description\":\"insufficient "
                 "resources\"}}\n");
    desk_wait(d, 10000);
    desk_forget(d);
    desk_ask(d, "STREAM.SNAPSHOT.S", SLOWLY);
    ck_assert(!memmem(d->w.told.ptr, d->w.told.len, "error", 5));
    desk_fini(d, NULL);
}
END_TEST

SUITE_MAIN("js_backup", test_round_trip, test_window, test_client_vanishes, test_nobody_listens,
           test_stream_goes_meanwhile, test_memory, test_refused)
