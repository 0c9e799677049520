/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots and restores over an engine without sockets or clock: there and back, the window, and
 * all that may go wrong on the way: after a refusal nothing is left behind. */
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/s2_frame.h"
#include "support/desk.h"
#include "support/suite.h"

typedef struct taker { /* a client that is sent the chunks */
    world *w;
    ri_client client;
    ri_subscription sub;
    ri_buffer bytes;
    unsigned chunks;
    char ack[200];       /* the reply of the last chunk; empty: it had none */
    char status[64];     /* of the message that ended it */
    bool acks;           /* in the next turn */
} taker;

static bool taker_deliver(ri_client *client, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    taker *t = ri_container_of(client, taker, client);
    if (d->m->headers.len) {
        snprintf(t->status, sizeof t->status, "%.*s", RI_ARG(d->m->headers));
        return true;
    }
    ri_buffer_put_str(&t->bytes, d->m->data);
    t->chunks++;
    snprintf(t->ack, sizeof t->ack, "%.*s", RI_ARG(d->m->reply));
    if (t->acks && d->m->reply.len) ri_buffer_printf(&t->w->acks, "%s\n", t->ack);
    return true;
}

static void taker_ended(ri_client *client, ri_subscription *sub)
{
    (void)client, (void)sub;
}

static const ri_client_ops taker_ops = {.deliver = taker_deliver, .ended = taker_ended};

static int taker_init(taker *t, desk *d, const char *subject)
{
    *t = (taker){.w = &d->w};
    ri_buffer_init(&t->bytes, &d->w.f->host);
    ri_client_init(&t->client, &d->w.router, &taker_ops);
    t->sub.entry.subject = ri_str_of(subject);
    return ri_router_subscribe(&t->client, &t->sub);
}

static void taker_fini(taker *t)
{
    ri_client_fini(&t->client);
    ri_buffer_fini(&t->bytes);
}

static desk *desk_new(void)
{
    static desk d;
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ptr_nonnull(world_listen(&d.w, "in", "in"));
    return &d;
}

#define CONF "{\"name\":\"S\",\"subjects\":[\"s.*\"]}"
#define RESTORE "{\"config\":" CONF "}"

/* Five messages, of which the third is gone, and a consumer that has two of them. */
static void fill(desk *d)
{
    desk_ask(d, "STREAM.CREATE.S", CONF);
    world_publish(&d->w, "s.a", "", "", "one");
    world_publish(&d->w, "s.b", "", "K: v\r\n", "two");
    world_publish(&d->w, "s.a", "", "", "three");
    world_publish(&d->w, "s.c", "", "", "");
    world_publish(&d->w, "s.a", "", "", "five");
    desk_turn(d);
    desk_ask(d, "STREAM.MSG.DELETE.S", "{\"seq\":3}");
    desk_ask(d, "CONSUMER.CREATE.S.c", "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"c\","
                                       "\"ack_policy\":\"explicit\"}}");
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.c", "in", "", "2");
    desk_turn(d);
    world_publish(&d->w, "$JS.ACK.S.c.1.1.1.0.0", "", "", "");
    desk_turn(d);
    desk_forget(d);
}

/* The archive of S into `t`, which acknowledges. */
static int archive(taker *t, desk *d, const char *request)
{
    int rc = taker_init(t, d, "chunks.1");
    if (rc < 0) return rc;
    t->acks = true;
    desk_ask(d, "STREAM.SNAPSHOT.S", request);
    return RILL_OK;
}

/* Where the chunks of a restore go: out of the answer to its request. */
static bool restore_begin(desk *d, const char *body, char to[200])
{
    desk_forget(d);
    desk_ask(d, "STREAM.RESTORE.S", body);
    char text[2048];
    snprintf(text, sizeof text, "%.*s", RI_ARG(ri_buffer_str(&d->w.told)));
    const char *found = strstr(text, "\"deliver_subject\":\"");
    if (!found || sscanf(found, "\"deliver_subject\":\"%199[^\"]", to) != 1) return false;
    desk_forget(d);
    return true;
}

static void restore_send(desk *d, const char *to, ri_str chunk)
{
    ri_message m = {.subject = ri_str_of(to), .reply = RI_STR("in"), .data = chunk};
    ri_router_publish(&d->w.from, &m, NULL);
    desk_turn(d);
}

static void restore_all(desk *d, ri_str bytes)
{
    char to[200];
    ck_assert(restore_begin(d, RESTORE, to));
    restore_send(d, to, bytes);
    restore_send(d, to, RI_STR_NONE);
}

#define REPLY(type) "in: in {\"type\":\"io.nats.jetstream.api.v1." type "\""
#define NOTHING_LEFT "[     0] " REPLY("stream_names_response") ",\"total\":0,\"offset\":0," \
                     "\"limit\":1024,\"streams\":null}\n"

/* ---- There and back ---- */

/* All that a client may see of the stream. */
static void look(desk *d, char out[8192])
{
    desk_forget(d);
    desk_ask(d, "STREAM.INFO.S", "{\"deleted_details\":true,\"subjects_filter\":\">\"}");
    for (int i = 1; i <= 5; i++) {
        char body[32];
        snprintf(body, sizeof body, "{\"seq\":%d}", i);
        desk_ask(d, "STREAM.MSG.GET.S", body);
    }
    snprintf(out, 8192, "%.*s", RI_ARG(ri_buffer_str(&d->w.told)));
    desk_forget(d);
}

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

    /* The consumer starts behind its ack floor: what it had comes again. */
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.c", "in", "", "9");
    desk_turn(d);
    DESK_TOLD(d, "[     0] in: s.b <ACK(1/2/1/2)> {K: v} two\n"
                 "[     0] in: s.c <ACK(1/4/2/1)>\n"
                 "[     0] in: s.a <ACK(1/5/3/0)> five\n");
    desk_ask(d, "CONSUMER.DELETE.S.c", "");
    desk_ask(d, "CONSUMER.CREATE.S.c", "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"c\","
                                       "\"ack_policy\":\"explicit\",\"deliver_policy\":\"by_start"
                                       "_sequence\",\"opt_start_seq\":2}}");
    taker_fini(&before);

    /* Twice there and back is the same archive, but for its consumers. */
    ck_assert_ok(archive(&before, d, "{\"deliver_subject\":\"chunks.1\",\"no_consumers\":true}"));
    ri_client_fini(&before.client);
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

/* ---- Archives that are refused ---- */

typedef struct made { /* an archive by hand */
    ri_buffer plain, framed;
} made;

static void made_init(made *m, desk *d, const char *magic)
{
    ri_buffer_init(&m->plain, &d->w.f->host);
    ri_buffer_init(&m->framed, &d->w.f->host);
    ri_buffer_puts(&m->plain, magic);
    ri_s2_frame_begin(&m->framed);
}

static void made_number(made *m, uint64_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) ri_buffer_put(&m->plain, &(char){(char)(n >> 8 * i)}, 1);
}

static void made_put(made *m, char kind, uint64_t seq, const char *subject, uint32_t more)
{
    size_t from = ri_buffer_size(&m->plain);
    ri_buffer_put(&m->plain, &kind, 1);
    made_number(m, strlen(subject) + more, 4);
    made_number(m, 0, 8);
    made_number(m, seq, 8);
    made_number(m, 5, 8);
    ri_buffer_puts(&m->plain, subject);
    ri_str entry = ri_str_from(ri_buffer_str(&m->plain), from);
    made_number(m, ri_crc32c(0, entry.ptr, entry.len), 4);
}

/* Sent, with what it is answered compared; nothing of it is there afterwards. */
static void made_refused(made *m, desk *d, const char *want)
{
    char to[200];
    ri_s2_frame_put(&m->framed, ri_buffer_str(&m->plain));
    ck_assert(restore_begin(d, RESTORE, to));
    restore_send(d, to, ri_buffer_str(&m->framed));
    if (ri_str_is(ri_buffer_str(&d->w.told), "[     0] in: in\n")) {
        desk_forget(d);
        restore_send(d, to, RI_STR_NONE);
    }
    char text[600];
    const char *at;
    snprintf(text, sizeof text, "%.*s", RI_ARG(ri_buffer_str(&d->w.told)));
    ck_assert_msg((at = strstr(text, "\"error\":")) != NULL, "%s: %s", want, text);
    ck_assert_ptr_nonnull(strstr(at, "\"code\":500,\"err_code\":10062"));
    ck_assert_msg(strstr(at, want) != NULL, "not %s: %s", want, at);
    desk_forget(d);
    desk_ask(d, "STREAM.NAMES", "");
    DESK_TOLD(d, NOTHING_LEFT);
    ri_buffer_fini(&m->plain);
    ri_buffer_fini(&m->framed);
}

START_TEST(test_wrong_archives)
{
    desk *d = desk_new();
    made m;
    made_init(&m, d, "RILLARC2");
    made_refused(&m, d, "this is no archive of a rill stream");
    made_init(&m, d, "RILL");
    made_refused(&m, d, "unexpected EOF");
    made_init(&m, d, "RILLARC1");
    made_put(&m, 'M', 3, "s.a", 0);
    made_refused(&m, d, "unexpected EOF");
    made_init(&m, d, "RILLARC1");
    made_put(&m, 'X', 3, "s.a", 0);
    made_refused(&m, d, "an unknown entry");
    made_init(&m, d, "RILLARC1");
    made_put(&m, 'E', 3, "", 0);
    made_put(&m, 'M', 4, "s.a", 0);
    made_refused(&m, d, "something follows the archive's end");
    made_init(&m, d, "RILLARC1");
    made_put(&m, 'M', 3, "s.a", 2000000);
    made_refused(&m, d, "the archive is damaged");
    made_init(&m, d, "RILLARC1");
    made_put(&m, 'M', 4, "s.a", 0);
    made_put(&m, 'M', 4, "s.b", 0);
    made_refused(&m, d, "\"restore failed: sequence 4 is not above the last\"");
    made_init(&m, d, "RILLARC1");
    made_put(&m, 'C', 0, "not JSON", 0);
    made_refused(&m, d, "JSON, line 1, column 3: invalid token near 'not'");
    made_init(&m, d, "RILLARC1");
    made_put(&m, 'C', 0, "{\"name\":\"a b\"}", 0);
    made_refused(&m, d, "restore failed: consumer name can not contain");
    desk_fini(d, NULL);
}
END_TEST

START_TEST(test_split_at_every_byte)
{
    desk *d = desk_new();
    taker t;
    char was[8192], is[8192], to[200];
    fill(d);
    look(d, was);
    ck_assert_ok(archive(&t, d, "{\"deliver_subject\":\"chunks.1\"}"));
    desk_ask(d, "STREAM.DELETE.S", "");
    ri_str bytes = ri_buffer_str(&t.bytes);
    for (size_t at = 1; at < bytes.len; at++) {
        ck_assert(restore_begin(d, RESTORE, to));
        restore_send(d, to, (ri_str){bytes.ptr, at});
        restore_send(d, to, ri_str_from(bytes, at));
        restore_send(d, to, RI_STR_NONE);
        look(d, is);
        ck_assert_str_eq(is, was);
        desk_ask(d, "STREAM.DELETE.S", "");
    }
    taker_fini(&t);
    desk_fini(d, NULL);
}
END_TEST

/* But the mark at the front, which is for other tools: it may be passed over. */
START_TEST(test_every_byte_flipped)
{
    desk *d = desk_new();
    taker t;
    char to[200];
    fill(d);
    ck_assert_ok(archive(&t, d, "{\"deliver_subject\":\"chunks.1\"}"));
    desk_ask(d, "STREAM.DELETE.S", "");
    for (size_t at = 10; at < t.bytes.len; at++) {
        for (int bit = 0; bit < 8; bit += 7) {
            t.bytes.ptr[at] ^= (char)(1 << bit);
            ck_assert(restore_begin(d, RESTORE, to));
            restore_send(d, to, ri_buffer_str(&t.bytes));
            restore_send(d, to, RI_STR_NONE);
            ck_assert_msg(memmem(d->w.told.ptr, d->w.told.len, "\"error\":", 8) != NULL,
                          "byte %zu, bit %d: taken", at, bit);
            desk_forget(d);
            desk_ask(d, "STREAM.NAMES", "");
            DESK_TOLD(d, NOTHING_LEFT);
            t.bytes.ptr[at] ^= (char)(1 << bit);
        }
    }
    taker_fini(&t);
    desk_fini(d, NULL);
}
END_TEST

/* ---- A restore that is left alone, or whose stream goes ---- */

START_TEST(test_restore_is_left)
{
    desk *d = desk_new();
    taker t;
    char to[200];
    fill(d);
    ck_assert_ok(archive(&t, d, "{\"deliver_subject\":\"chunks.1\"}"));
    desk_ask(d, "STREAM.DELETE.S", "");
    ck_assert(restore_begin(d, RESTORE, to));
    restore_send(d, to, (ri_str){t.bytes.ptr, 100});
    desk_wait(d, 4999);
    desk_forget(d);
    desk_ask(d, "STREAM.NAMES", "");
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "\"total\":1", 9));
    desk_wait(d, 1);
    desk_forget(d);
    desk_ask(d, "STREAM.NAMES", "");
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "\"total\":0", 9));
    /* What comes later finds nobody. */
    desk_forget(d);
    restore_send(d, to, RI_STR_NONE);
    DESK_TOLD(d, "");
    for (int last = 0; last < 2; last++) {
        ck_assert(restore_begin(d, RESTORE, to));
        if (last) restore_send(d, to, ri_buffer_str(&t.bytes));
        desk_ask(d, "STREAM.DELETE.S", "");
        desk_forget(d);
        restore_send(d, to, last ? RI_STR_NONE : ri_buffer_str(&t.bytes));
        DESK_TOLD(d, "[  5000] in: in {\"type\":\"io.nats.jetstream.api.v1.stream_create_response"
                     "\",\"error\":{\"code\":500,\"err_code\":10062,\"description\":\"restore "
                     "failed: the stream was deleted\"}}\n");
    }
    taker_fini(&t);
    /* Closed in the middle: nothing leaks. */
    ck_assert(restore_begin(d, RESTORE, to));
    desk_fini(d, NULL);
}
END_TEST

/* Once there and back with each allocation failing: an error or nothing, but no half stream. */
static int snapshot_body(fault *f, void *arg)
{
    (void)arg;
    static desk d;
    taker t = {0};
    char to[200];
    int rc = desk_init(&d, f, NULL);
    if (rc >= 0 && world_listen(&d.w, "in", "in")) {
        fill(&d);
        rc = archive(&t, &d, "{\"deliver_subject\":\"chunks.1\"}");
        if (rc >= 0) {
            desk_ask(&d, "STREAM.DELETE.S", "");
            if (restore_begin(&d, RESTORE, to)) {
                restore_send(&d, to, ri_buffer_str(&t.bytes));
                restore_send(&d, to, RI_STR_NONE);
            }
        }
        ri_stream *s = ri_js_stream(d.w.js, RI_STR("S"));
        ri_stream_info info;
        if (s) ri_stream_info_of(s, &info);
        if (!f->failed) ck_assert(s && info.state.messages == 4 && info.state.last_seq == 5);
        if (t.client.router) taker_fini(&t);
    }
    desk_fini(&d, f);
    return f->failed ? RILL_ENOMEM : rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_gt(fault_each(snapshot_body, NULL), 50);
}
END_TEST

SUITE_MAIN("js_snapshot", test_round_trip, test_window, test_client_vanishes, test_nobody_listens,
           test_stream_goes_meanwhile, test_refused, test_wrong_archives, test_split_at_every_byte,
           test_every_byte_flipped, test_restore_is_left, test_faults)
