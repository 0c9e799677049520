/* SPDX-License-Identifier: Apache-2.0 */
/* Restores over an engine without sockets or clock: what comes back, what is refused, how much is
 * done and kept at a time. After a refusal nothing is left behind. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/archive/archive.h"
#include "codec/limits.h"
#include "codec/archive/s2_frame.h"
#include "support/suite.h"
#include "support/taker.h"

/* ---- Archives that are refused ---- */

typedef struct made { /* an archive by hand */
    ri_buffer plain, framed;
} made;

static void made_init(made *m, desk *d, const char *state)
{
    ri_buffer_init(&m->plain, &d->w.f->host);
    ri_buffer_init(&m->framed, &d->w.f->host);
    ri_archive_put_begin(&m->plain, ri_str_of(state), 1);
}

static void made_put(made *m, uint64_t seq, const char *subject, const char *headers, size_t more)
{
    static char data[2000000];
    ri_archive_put_message(&m->plain, &(ri_archive_item){.seq = seq, .time_ns = 5,
                                                         .name = ri_str_of(subject),
                                                         .headers = ri_str_of(headers),
                                                         .data = {data, more}});
}

static void made_consumer(made *m, const char *name, const char *json)
{
    ri_archive_put_consumer(&m->plain, ri_str_of(name), ri_str_of(json), 1);
}

static void made_fini(made *m)
{
    ri_buffer_fini(&m->plain);
    ri_buffer_fini(&m->framed);
}

static void made_frame(made *m)
{
    ri_s2_frame_begin(&m->framed);
    ri_s2_frame_put(&m->framed, ri_buffer_str(&m->plain));
}

/* Sent, with what it is answered compared; nothing of it is there afterwards. */
static void made_refused_by(made *m, desk *d, const char *body, const char *want)
{
    char to[200];
    made_frame(m);
    ck_assert(restore_begin(d, body, to));
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
    made_fini(m);
}

static void made_refused(made *m, desk *d, const char *want)
{
    made_refused_by(m, d, RESTORE, want);
}

#define NO_CONSUMERS "{\"first_seq\":1,\"last_seq\":9}"
#define TWO_CONSUMERS "{\"first_seq\":1,\"last_seq\":9,\"consumer_count\":2}"
#define IS_AT "\"state\":{\"delivered\":{\"consumer_seq\":0,\"stream_seq\":0}," \
              "\"ack_floor\":{\"consumer_seq\":0,\"stream_seq\":0}}}"

START_TEST(test_wrong_archives)
{
    desk *d = desk_new();
    made m;
    made_init(&m, d, NO_CONSUMERS);
    ri_buffer_eat(&m.plain, 3);
    for (int i = 0; i < 20; i++) ri_buffer_puts(&m.plain, "this is no archive, whoever asks");
    made_refused(&m, d, "it is neither of nats-server's forms");
    made_init(&m, d, NO_CONSUMERS);
    made_refused(&m, d, "unexpected EOF");
    made_init(&m, d, NO_CONSUMERS);
    made_put(&m, 3, "s.a", "", 0);
    made_refused(&m, d, "unexpected EOF");
    made_init(&m, d, NO_CONSUMERS);
    ri_archive_put_end(&m.plain);
    made_put(&m, 4, "s.a", "", 0);
    made_refused(&m, d, "something follows its end");
    made_init(&m, d, NO_CONSUMERS);
    made_put(&m, 4, "s.a", "", 0);
    made_put(&m, 4, "s.b", "", 0);
    made_refused(&m, d, "\"restore failed: sequence 4 is not above the last\"");
    made_init(&m, d, TWO_CONSUMERS);
    made_consumer(&m, "a", "not JSON");
    made_refused(&m, d, "the state of a consumer");
    made_init(&m, d, TWO_CONSUMERS);
    made_consumer(&m, "a b", "{\"config\":{}," IS_AT);
    made_refused(&m, d, "restore failed: consumer name can not contain");
    made_init(&m, d, TWO_CONSUMERS);
    made_consumer(&m, "a", "{\"config\":{\"durable_name\":\"b\"}," IS_AT);
    made_refused(&m, d, "a consumer of two names");
    made_init(&m, d, TWO_CONSUMERS);
    for (int i = 0; i < 2; i++)
        made_consumer(&m, "a", "{\"config\":{\"ack_policy\":\"explicit\"}," IS_AT);
    made_refused(&m, d, "consumer a twice");
    made_init(&m, d, TWO_CONSUMERS);
    made_put(&m, 4, "s.a", "", 0);
    made_refused(&m, d, "fewer consumers than it says");
    desk_fini(d, NULL);
}
END_TEST

static void made_consumers(made *m, desk *d, int n)
{
    char text[80];
    snprintf(text, sizeof text, "{\"first_seq\":1,\"last_seq\":9,\"consumer_count\":%d}", n);
    made_init(m, d, text);
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "c%d", i);
        made_consumer(m, text, "{\"config\":{\"ack_policy\":\"none\"}," IS_AT);
    }
}

/* As many consumers as an archive says it has, up to a bound. Those that were made go again in
 * slices, whether the archive is refused or nothing more comes of it. */
START_TEST(test_many_consumers)
{
    desk *d = desk_new();
    made m;
    char to[200];
    made_consumers(&m, d, RI_LIMIT_ARCHIVE_CONSUMERS + 1);
    ri_archive_put_end(&m.plain);
    made_refused(&m, d, "the archive has more than 65536 consumers");
    made_consumers(&m, d, 5000);
    made_frame(&m);
    ck_assert(restore_begin(d, RESTORE, to));
    restore_send(d, to, ri_buffer_str(&m.framed));
    desk_wait(d, 4999);
    desk_forget(d);
    desk_ask(d, "CONSUMER.NAMES.S", "");
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "\"total\":5000", 12));
    uint64_t turns = d->w.router.budget.turns;
    desk_wait(d, 1);
    ck_assert_uint_gt(d->w.router.budget.turns, turns + 20);
    desk_forget(d);
    restore_send(d, to, RI_STR_NONE); /* nobody is there any more */
    DESK_TOLD(d, "");
    desk_ask(d, "STREAM.NAMES", "");
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "\"total\":0", 9));
    ck_assert_uint_eq(ri_memory_used(&d->w.router.memory, RI_MEMORY_WORK), 0);
    made_fini(&m);
    desk_fini(d, NULL);
}
END_TEST

/* What no publish can bring into a stream, no archive can. */
START_TEST(test_messages_are_checked)
{
    static const struct {
        uint64_t seq;
        const char *subject, *headers;
        size_t more;
        const char *want;
    } rows[] = {
        {3, "s.a\r\nMSG s.b 1 2\r\nhi", "", 0, "message 3: the subject is invalid"},
        {3, "", "", 0, "message 3: the subject is invalid"},
        {3, "s..a", "", 0, "message 3: the subject is invalid"},
        {3, "s.a b", "", 0, "message 3: the subject is invalid"},
        {3, "s.a", "NATS/1.0\r\nno end", 0, "message 3: "},
        {3, "s.a", "K: v\r\n\r\n", 0, "message 3: "},
        {3, "s.a", "NATS/1.0\r\nNats-TTL: soon\r\n\r\n", 0, "message 3: the TTL is invalid"},
        {3, "s.a", "", 1001, "message 3: exceeds maximum message size"},
        {3, "s.a", "NATS/1.0\r\n\r\n", 989, "message 3: exceeds maximum message size"},
        {UINT64_MAX, "s.a", "", 0, "message 18446744073709551615: the sequence is too great"},
        {UINT64_C(1) << 62, "s.a", "", 0, "the sequence is too great"},
    };
    desk *d = desk_new();
    made m;
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        made_init(&m, d, NO_CONSUMERS);
        made_put(&m, 2, "s.b", "", 0);
        made_put(&m, rows[i].seq, rows[i].subject, rows[i].headers, rows[i].more);
        ri_archive_put_end(&m.plain);
        made_refused_by(&m, d, "{\"config\":{\"name\":\"S\",\"subjects\":[\"s.*\"],"
                               "\"max_msg_size\":1000}}", rows[i].want);
    }
    made_init(&m, d, "{\"first_seq\":1,\"last_seq\":18446744073709551615}");
    ri_archive_put_end(&m.plain);
    made_refused(&m, d, "restore failed: ");
    desk_fini(d, NULL);
}
END_TEST

static void made_restored(made *m, desk *d, const char *body)
{
    char to[200];
    ri_archive_put_end(&m->plain);
    made_frame(m);
    ck_assert(restore_begin(d, body, to));
    restore_send(d, to, ri_buffer_str(&m->framed));
    restore_send(d, to, RI_STR_NONE);
    ck_assert_msg(!memmem(d->w.told.ptr, d->w.told.len, "\"error\"", 7), "%.*s",
                  RI_ARG(ri_buffer_str(&d->w.told)));
    desk_forget(d);
    made_fini(m);
}

/* A gap costs nothing, however long it is; of what is told of it the number is right, and the list
 * as long as an answer may be. */
START_TEST(test_gap)
{
    desk *d = desk_new();
    made m;
    taker t;
    size_t before = d->w.f->supply.bytes;
    made_init(&m, d, NO_CONSUMERS);
    made_put(&m, 2, "s.a", "", 0);
    made_put(&m, 3 + (UINT64_C(1) << 61), "s.b", "", 0);
    made_restored(&m, d, RESTORE);
    ck_assert_uint_lt(d->w.f->supply.bytes - before, 2000000);
    ck_assert_ok(taker_init(&t, d, "told"));
    world_publish(&d->w, "$JS.API.STREAM.INFO.S", "told", "", "{\"deleted_details\":true}");
    desk_turn(d);
    ri_str told = ri_buffer_str(&t.bytes);
    ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"num_deleted\":2305843009213693952,", 34));
    ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"deleted\":[3,4,5,", 17));
    ck_assert_ptr_nonnull(memmem(told.ptr, told.len, ",32770]", 7));
    ck_assert_uint_lt(told.len, 300000);
    desk_ask(d, "STREAM.MSG.GET.S", "{\"seq\":4,\"next_by_subj\":\"s.b\"}");
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "2305843009213693955", 19));
    taker_fini(&t);
    desk_fini(d, NULL);
}
END_TEST

/* Messages whose time is over have their numbers and are not there; times do not go back. */
START_TEST(test_times)
{
    desk *d = desk_new();
    made m;
    made_init(&m, d, NO_CONSUMERS);
    made_put(&m, 2, "s.a", "", 0);
    made_put(&m, 3, "s.a", "NATS/1.0\r\nNats-TTL: never\r\n\r\n", 0);
    made_put(&m, 4, "s.a", "NATS/1.0\r\nNats-TTL: 1h\r\n\r\n", 0);
    made_restored(&m, d, "{\"config\":{\"name\":\"S\",\"subjects\":[\"s.*\"],"
                         "\"allow_msg_ttl\":true,\"max_age\":3600000000000}}");
    desk_ask(d, "STREAM.INFO.S", "");
    ri_str told = ri_buffer_str(&d->w.told);
    ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"messages\":1,", 13));
    ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"first_seq\":3,", 14));
    ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"last_seq\":9,", 13));
    desk_fini(d, NULL);
}
END_TEST

/* A stream knows when its last message came, though it is gone. */
START_TEST(test_last_time)
{
    desk *d = desk_new();
    taker t;
    char was[8192], is[8192];
    fill(d);
    desk_wait(d, 1000);
    world_publish(&d->w, "s.b", "", "", "six");
    desk_turn(d);
    desk_ask(d, "STREAM.PURGE.S", "");
    desk_ask(d, "CONSUMER.DELETE.S.c", "");
    look(d, was);
    ck_assert_ptr_nonnull(strstr(was, "\"last_ts\":\"2027-01-15T08:00:01Z\""));
    ck_assert_ok(archive(&t, d, "{\"deliver_subject\":\"chunks.1\"}"));
    desk_ask(d, "STREAM.DELETE.S", "");
    restore_all(d, ri_buffer_str(&t.bytes));
    look(d, is);
    for (char *at = was; (at = strstr(at, "\"created\":")) != NULL; at++) memset(at, '~', 32);
    for (char *at = is; (at = strstr(at, "\"created\":")) != NULL; at++) memset(at, '~', 32);
    ck_assert_str_eq(is, was);
    taker_fini(&t);
    desk_fini(d, NULL);
}
END_TEST

/* ---- Consumers ---- */

/* What a client sees of its consumers. */
static void look_consumers(desk *d, char out[8192])
{
    desk_forget(d);
    desk_ask(d, "CONSUMER.LIST.S", "");
    snprintf(out, 8192, "%.*s", RI_ARG(ri_buffer_str(&d->w.told)));
    desk_forget(d);
}

START_TEST(test_consumers_as_they_were)
{
    desk *d = desk_new();
    taker t;
    char was[8192], is[8192], to[200];
    desk_ask(d, "STREAM.CREATE.S", CONF);
    for (int i = 0; i < 20; i++) world_publish(&d->w, i % 2 ? "s.a" : "s.b", "", "", "x");
    desk_turn(d);
    static const char *const consumers[][2] = {
        {"c", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\",\"ack_wait\":60000000000}"},
        {"last", "{\"durable_name\":\"last\",\"ack_policy\":\"explicit\","
                 "\"deliver_policy\":\"last_per_subject\",\"filter_subject\":\"s.*\"}"},
        {"some", "{\"durable_name\":\"some\",\"ack_policy\":\"all\",\"filter_subject\":\"s.b\"}"},
        {"fresh", "{\"durable_name\":\"fresh\",\"ack_policy\":\"none\","
                  "\"deliver_policy\":\"new\"}"},
        {"brief", "{\"name\":\"brief\",\"ack_policy\":\"explicit\",\"inactive_threshold\":"
                  "9000000000}"},
    };
    for (size_t i = 0; i < RI_LEN(consumers); i++) {
        char path[64], body[300];
        snprintf(path, sizeof path, "CONSUMER.CREATE.S.%s", consumers[i][0]);
        snprintf(body, sizeof body, "{\"stream_name\":\"S\",\"config\":%s}", consumers[i][1]);
        desk_ask(d, path, body);
    }
    for (int i = 0; i < 7; i++) {
        world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.c", "in", "", "1");
        desk_turn(d);
    }
    world_publish(&d->w, "$JS.ACK.S.c.1.1.1.0.0", "", "", "");
    world_publish(&d->w, "$JS.ACK.S.c.1.4.4.0.0", "", "", "");
    world_publish(&d->w, "$JS.ACK.S.c.1.5.5.0.0", "", "", "-NAK");
    desk_turn(d);
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.c", "in", "", "1"); /* the fifth again */
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.last", "in", "", "1");
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.some", "in", "", "3");
    desk_turn(d);
    look_consumers(d, was);
    ck_assert_ptr_nonnull(strstr(was, "\"num_redelivered\":1"));
    ck_assert_ok(archive(&t, d, "{\"deliver_subject\":\"chunks.1\",\"chunk_size\":1024}"));
    desk_ask(d, "STREAM.DELETE.S", "");
    ck_assert(restore_begin(d, RESTORE, to));
    ri_str bytes = ri_buffer_str(&t.bytes);
    /* Nobody is served while it is filled, nor does anything end. */
    restore_send(d, to, (ri_str){bytes.ptr, bytes.len - 100});
    desk_forget(d);
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.last", "in", "", "1");
    for (int i = 0; i < 4; i++) {
        desk_wait(d, 4000);
        restore_send(d, to, ri_str_from((ri_str){bytes.ptr, bytes.len - 100 + 10 * (size_t)(i + 1)},
                                        bytes.len - 100 + 10 * (size_t)i));
    }
    DESK_TOLD(d, "[  4000] in: in\n[  8000] in: in\n[ 12000] in: in\n[ 16000] in: in\n");
    restore_send(d, to, ri_str_from(bytes, bytes.len - 60));
    restore_send(d, to, RI_STR_NONE);
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "in: s.a <ACK(1/20/2/0)>", 23));
    desk_ask(d, "CONSUMER.DELETE.S.last", "");
    look_consumers(d, is);
    char *last = strstr(was, "{\"stream_name\":\"S\",\"name\":\"last\"");
    ck_assert_ptr_nonnull(last);
    ck_assert_ptr_nonnull(strstr(is, "\"num_redelivered\":1"));
    ck_assert_ptr_nonnull(strstr(is, "\"delivered\":{\"consumer_seq\":8,\"stream_seq\":7"));
    ck_assert_ptr_nonnull(strstr(is, "\"ack_floor\":{\"consumer_seq\":1,\"stream_seq\":1"));
    ck_assert_ptr_nonnull(strstr(is, "\"num_ack_pending\":5"));
    ck_assert_ptr_nonnull(strstr(is, "\"name\":\"brief\""));
    ck_assert_ptr_nonnull(strstr(is, "\"name\":\"fresh\""));
    taker_fini(&t);
    desk_fini(d, NULL);
}
END_TEST

/* All of what is told is the same when it is restored at once. */
START_TEST(test_consumers_are_told_as_they_were)
{
    desk *d = desk_new();
    taker t;
    char was[8192], is[8192];
    fill(d);
    desk_ask(d, "CONSUMER.CREATE.S.last",
             "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"last\",\"ack_policy\":"
             "\"explicit\",\"deliver_policy\":\"last_per_subject\",\"filter_subject\":\"s.*\"}}");
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.last", "in", "", "1");
    desk_turn(d);
    look_consumers(d, was);
    ck_assert_ok(archive(&t, d, "{\"deliver_subject\":\"chunks.1\"}"));
    desk_ask(d, "STREAM.DELETE.S", "");
    restore_all(d, ri_buffer_str(&t.bytes));
    look_consumers(d, is);
    ck_assert_str_eq(is, was);
    taker_fini(&t);
    desk_fini(d, NULL);
}
END_TEST

/* A state that contradicts itself, or its stream, hurts nobody. */
START_TEST(test_strange_states)
{
    static const char *const states[] = {
        "{\"delivered\":{\"consumer_seq\":2,\"stream_seq\":2},"
        "\"ack_floor\":{\"consumer_seq\":7,\"stream_seq\":7}}",
        "{\"delivered\":{\"consumer_seq\":5,\"stream_seq\":4611686018427387903},"
        "\"ack_floor\":{\"consumer_seq\":0,\"stream_seq\":0},"
        "\"pending\":{\"4611686018427387903\":{\"Sequence\":0,\"Timestamp\":-5}}}",
        "{\"delivered\":{\"consumer_seq\":5,\"stream_seq\":9},"
        "\"ack_floor\":{\"consumer_seq\":1,\"stream_seq\":1},"
        "\"pending\":{\"9\":{\"Sequence\":18446744073709551615,\"Timestamp\":9223372036854775807},"
        "\"2\":{\"Sequence\":0,\"Timestamp\":0},\"2\":{\"Sequence\":3,\"Timestamp\":1},"
        "\"1\":{\"Sequence\":1,\"Timestamp\":1}},"
        "\"redelivered\":{\"2\":18446744073709551615,\"7\":1,\"9\":0}}",
    };
    static const char *const policies[] = {"none", "all", "explicit"};
    desk *d = desk_new();
    for (size_t i = 0; i < RI_LEN(states); i++) {
        made m;
        made_init(&m, d, "{\"first_seq\":1,\"last_seq\":9,\"consumer_count\":3}");
        for (int k = 0; k < 3; k++) {
            char json[1000], name[2] = {(char)('a' + k), 0};
            snprintf(json, sizeof json,
                     "{\"config\":{\"durable_name\":\"%s\",\"ack_policy\":\"%s\"},\"state\":%s,"
                     "\"rill\":{\"created\":9223372036854775807,\"delivered\":-1,\"acked\":0,"
                     "\"next\":3,\"picks\":[1,%d]}}",
                     name, policies[k], states[i], k);
            made_consumer(&m, name, json);
        }
        made_put(&m, 2, "s.a", "", 0);
        made_put(&m, 3, "s.b", "", 0);
        made_restored(&m, d, RESTORE);
        for (int k = 0; k < 3; k++) {
            char subject[64];
            snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.S.%c", 'a' + k);
            world_publish(&d->w, subject, "in", "", "9");
        }
        desk_wait(d, 40000);
        desk_ask(d, "CONSUMER.LIST.S", "");
        ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "\"total\":3", 9));
        desk_ask(d, "STREAM.DELETE.S", "");
    }
    desk_fini(d, NULL);
}
END_TEST

/* ---- What nats-server made ---- */

static void golden_send(desk *d, const char *name, const char *to)
{
    char path[400], block[700];
    snprintf(path, sizeof path, "%s/backup/%s", GOLDEN_DIR, name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        restore_send(d, to, (ri_str){block, n});
    fclose(file);
    desk_forget(d);
    restore_send(d, to, RI_STR_NONE);
}

START_TEST(test_golden)
{
    static const char *const files[] = {"entries.s2", "tar.s2"};
    desk *d = desk_new();
    for (int i = 0; i < 2; i++) {
        char to[200];
        desk_forget(d);
        desk_ask(d, "STREAM.RESTORE.G", "{\"config\":{\"name\":\"G\",\"subjects\":[\"g.>\"],"
                                        "\"max_msgs_per_subject\":4}}");
        ri_buffer_put(&d->w.told, "", 1);
        const char *found = memmem(d->w.told.ptr, d->w.told.len, "\"deliver_subject\":\"", 19);
        ck_assert(found && sscanf(found, "\"deliver_subject\":\"%199[^\"]", to) == 1);
        golden_send(d, files[i], to);
        ri_str told = ri_buffer_str(&d->w.told);
        ck_assert_msg(memmem(told.ptr, told.len, "\"state\":{\"messages\":13,\"bytes\":3251,"
                                                 "\"first_seq\":10,", 50) != NULL,
                      "%.*s", RI_ARG(told));
        ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"last_seq\":26,", 14));
        ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"num_deleted\":4", 15));
        desk_forget(d);
        desk_ask(d, "CONSUMER.INFO.G.C", "");
        told = ri_buffer_str(&d->w.told);
        ck_assert_ptr_nonnull(memmem(told.ptr, told.len,
                                     "\"delivered\":{\"consumer_seq\":7,\"stream_seq\":19}", 46));
        ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"num_ack_pending\":3,", 20));
        ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"num_pending\":6,", 16));
        desk_forget(d);
        desk_ask(d, "CONSUMER.INFO.G.R", "");
        told = ri_buffer_str(&d->w.told);
        ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"num_redelivered\":1,", 20));
        ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "\"num_pending\":1,", 16));
        desk_ask(d, "STREAM.DELETE.G", "");
    }
    desk_fini(d, NULL);
}
END_TEST

/* ---- Bounds ---- */

/* No turn is longer than its budget allows, whatever the archive is made of. */
START_TEST(test_turns)
{
    desk *d = desk_new();
    made m;
    char to[200];
    ri_buffer json;
    ri_buffer_init(&json, &d->w.f->host);
    ri_buffer_puts(&json, "{\"config\":{\"ack_policy\":\"explicit\"},\"state\":{\"delivered\":{"
                          "\"consumer_seq\":50000,\"stream_seq\":50000},\"ack_floor\":{"
                          "\"consumer_seq\":0,\"stream_seq\":0},\"pending\":{");
    for (int i = 50000; i > 0; i--)
        ri_buffer_printf(&json, "\"%d\":{\"Sequence\":%d,\"Timestamp\":1}%s", i, i,
                         i > 1 ? "," : "}}}");
    made_init(&m, d, "{\"first_seq\":1,\"last_seq\":50000,\"consumer_count\":1}");
    ri_archive_put_consumer(&m.plain, RI_STR("c"), ri_buffer_str(&json), 1);
    for (uint64_t i = 1; i <= 20000; i++) made_put(&m, i, "s.a", "", 10);
    ri_archive_put_end(&m.plain);
    made_frame(&m);
    ck_assert(restore_begin(d, RESTORE, to));
    d->w.router.budget.longest = d->w.router.budget.turns = 0;
    restore_send(d, to, ri_buffer_str(&m.framed));
    restore_send(d, to, RI_STR_NONE);
    ck_assert(!memmem(d->w.told.ptr, d->w.told.len, "\"error\"", 7));
    ck_assert_uint_gt(d->w.router.budget.turns, 20);
    ck_assert_uint_le(d->w.router.budget.longest, RI_BUDGET_TURN * RI_BUDGET_LONG);
    desk_forget(d);
    desk_ask(d, "CONSUMER.INFO.S.c", "");
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "\"num_ack_pending\":50000", 23));
    ri_buffer_fini(&json);
    made_fini(&m);
    desk_fini(d, NULL);
}
END_TEST

/* Chunks that are sent without waiting are taken, up to a bound. */
START_TEST(test_chunks_without_waiting)
{
    desk *d = desk_new();
    taker t;
    char to[200];
    fill(d);
    ck_assert_ok(archive(&t, d, "{\"deliver_subject\":\"chunks.1\"}"));
    desk_ask(d, "STREAM.DELETE.S", "");
    ck_assert(restore_begin(d, RESTORE, to));
    ri_str bytes = ri_buffer_str(&t.bytes);
    for (size_t at = 0; at < bytes.len; at += 10) {
        ri_message m = {.subject = ri_str_of(to), .reply = RI_STR("in"),
                        .data = {bytes.ptr + at, RI_MIN(10, bytes.len - at)}};
        ri_router_publish(&d->w.from, &(ri_publish){.m = &m});
    }
    restore_send(d, to, RI_STR_NONE);
    ck_assert_uint_eq(d->w.ears[0]->got, 6 + (bytes.len + 9) / 10 + 1 + 2);
    desk_ask(d, "STREAM.DELETE.S", "");
    /* One that is never read, since it is a frame that does not end. */
    static char much[1024 * 1024] = "\xff\x06\0\0S2sTwO\x80\xff\xff\x3f";
    ck_assert(restore_begin(d, RESTORE, to));
    for (int i = 0; i < 4 && !memmem(d->w.told.ptr, d->w.told.len, "error", 5); i++)
        restore_send(d, to, (ri_str){much, sizeof much});
    ck_assert(!memmem(d->w.told.ptr, d->w.told.len, "error", 5));
    for (int i = 0; i < 100; i++) {
        ri_message m = {.subject = ri_str_of(to), .reply = RI_STR("in"),
                        .data = {much, sizeof much}};
        ri_router_publish(&d->w.from, &(ri_publish){.m = &m});
    }
    desk_turn(d);
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "\"error\"", 7));
    taker_fini(&t);
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

START_TEST(test_every_byte_flipped)
{
    desk *d = desk_new();
    taker t;
    char to[200];
    fill(d);
    ck_assert_ok(archive(&t, d, "{\"deliver_subject\":\"chunks.1\"}"));
    desk_ask(d, "STREAM.DELETE.S", "");
    for (size_t at = 0; at < t.bytes.len; at++) {
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

/* What a restore keeps is of the broker's memory for work: it ends where that is used up. */
START_TEST(test_memory)
{
    desk *d = desk_new();
    ri_router *router = &d->w.router;
    char to[200];
    static char much[300 * 1024] = "\xff\x06\0\0S2sTwO\x80\xff\xff\x3f"; /* a frame without end */
    ri_memory_set_limit(&router->memory, 8 * 1024 * 1024);
    ck_assert(restore_begin(d, RESTORE, to));
    restore_send(d, to, (ri_str){much, sizeof much});
    ck_assert(!memmem(d->w.told.ptr, d->w.told.len, "error", 5));
    ck_assert_uint_gt(ri_memory_used(&router->memory, RI_MEMORY_WORK), sizeof much);
    for (int i = 0; i < 3; i++) restore_send(d, to, (ri_str){much, sizeof much});
    ck_assert_ptr_nonnull(memmem(d->w.told.ptr, d->w.told.len, "insufficient memory", 19));
    ck_assert_uint_eq(ri_memory_used(&router->memory, RI_MEMORY_WORK), 0);
    desk_forget(d);
    desk_ask(d, "STREAM.NAMES", "");
    DESK_TOLD(d, NOTHING_LEFT);
    /* And for others who have less. */
    ri_claim other;
    ri_claim_init(&other, NULL);
    ck_assert(restore_begin(d, RESTORE, to));
    restore_send(d, to, (ri_str){much, sizeof much});
    uint64_t held = ri_memory_used(&router->memory, RI_MEMORY_WORK);
    ck_assert(!ri_claim_grow(&router->work, &other, 1024 * 1024));
    ck_assert(ri_claim_grow(&router->work, &other, 1024 * 1024 - held));
    ck_assert(!ri_claim_grow(&router->work, &other, held));
    ri_claim_shrink(&router->work, &other, 1024 * 1024 - held);
    ri_claim filling; /* by somebody who is not to be cut */
    ri_claim_init(&filling, NULL);
    ck_assert(ri_claim_grow(&router->work, &filling, 1024 * 1024 - held));
    ck_assert(ri_claim_grow(&router->work, &other, 1000));
    desk_turn(d);
    desk_forget(d);
    desk_ask(d, "STREAM.NAMES", "");
    DESK_TOLD(d, NOTHING_LEFT);
    ri_claim_end(&router->work, &filling);
    ri_claim_end(&router->work, &other);
    ck_assert_uint_eq(ri_memory_used(&router->memory, RI_MEMORY_WORK), 0);
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
        if (!f->supply.failed) ck_assert(s && info.state.messages == 4 && info.state.last_seq == 5);
        if (t.party.router) taker_fini(&t);
    }
    desk_fini(&d, f);
    return f->supply.failed ? RILL_ENOMEM : rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_gt(fault_each(snapshot_body, NULL), 50);
}
END_TEST

SUITE_MAIN("js_restore", test_wrong_archives, test_many_consumers,
           test_messages_are_checked, test_gap, test_times,
           test_last_time,
           test_consumers_as_they_were, test_consumers_are_told_as_they_were, test_strange_states,
           test_golden, test_turns, test_chunks_without_waiting, test_memory,
           test_split_at_every_byte,
           test_every_byte_flipped, test_restore_is_left, test_faults)
