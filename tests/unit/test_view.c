/* SPDX-License-Identifier: Apache-2.0 */
/* The records in Kafka batches as readers of a stream see them, and what an append of a batch
 * says. */
#include "engine/streams/purge.h"
#include "engine/streams/view.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/kafka/unpack.h"
#include "codec/limits.h"
#include "engine/streams/js_state.h"
#include "support/fake_os.h"
#include "support/produce.h"
#include "support/suite.h"

#define TOPIC "{\"name\":\"T\",\"subjects\":[\"t.>\"],\"metadata\":{\"rill.batches\":\"on\"}%s}"

static world w;
static ri_stream *topic;
static produce p;
static produced done;

static ri_stream *make(const char *more)
{
    char json[400];
    snprintf(json, sizeof json, TOPIC, more);
    ck_assert_ok(world_stream(&w, json, &topic, NULL));
    return topic;
}

static void setup(void)
{
    memset(&p, 0, sizeof p);
    memset(&done, 0, sizeof done);
    ck_assert_ok(world_init(&w, NULL));
}

static void teardown(void)
{
    produce_fini(&p);
    world_fini(&w);
}

/* n records "k<i>" = "v<i>", i from `from` on. */
static ri_str some(int codec, int from, int n)
{
    produce_begin(&p, &w.f->host, codec, -1, -1);
    for (int i = from; i < from + n; i++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "v%d", i);
        produce_add(&p, key, value, NULL, 1000 + i);
    }
    return produce_end(&p);
}

static void send(int codec, int from, int n)
{
    ck_assert_ok(produce_append(topic, some(codec, from, n), &done));
    world_turn(&w);
    ck_assert_int_eq(done.calls, 1);
    ck_assert_int_eq(done.rc, 0);
}

static void look(uint64_t seq, const char *subject, const char *data)
{
    ri_record r;
    ck_assert_ok(ri_stream_get(topic, seq, &r));
    ck_assert_uint_eq(r.seq, seq);
    ck_assert_span(r.subject, subject);
    ck_assert_span(r.data, data);
    ck_assert_uint_eq(r.flags, 0);
}

START_TEST(test_receipt)
{
    make("");
    ck_assert_ok(produce_append(topic, some(RI_KAFKA_CODEC_NONE, 1, 3), &done));
    ck_assert_uint_eq(done.ask.first_seq, 1);
    ck_assert_uint_eq(done.ask.last_seq, 3);
    ck_assert_int_eq(done.ask.append_time_ms, -1);
    ck_assert_int_eq(done.calls, 0); /* acknowledged with the commit */
    ri_record r;
    ck_assert_rc(ri_stream_get(topic, 1, &r), RILL_ENOENT);
    world_turn(&w);
    ck_assert_int_eq(done.calls, 1);
    look(2, "t.k2", "v2");
    ck_assert_ok(ri_stream_get(topic, 2, &r));
    ck_assert_int_eq(r.time_ns, 1002 * RI_MS);
    done.ask.stamp = true;
    ck_assert_ok(produce_append(topic, some(RI_KAFKA_CODEC_GZIP, 4, 2), &done));
    world_turn(&w);
    ck_assert_int_eq(done.ask.append_time_ms, w.wall_ns / RI_MS);
    ck_assert_uint_eq(done.ask.first_seq, 4);
    ck_assert_ok(ri_stream_get(topic, 5, &r));
    ck_assert_int_eq(r.time_ns, w.wall_ns / RI_MS * RI_MS);
    ck_assert_rc(ri_stream_get(topic, 6, &r), RILL_ENOENT);
}
END_TEST

/* What is too old when it comes stays until a Kafka would look again, and goes then with all that
 * came so meanwhile; what gets too old while it is here goes at once. */
START_TEST(test_old_when_it_came)
{
    enum { HOUR_MS = 3600 * 1000 };
    ri_record r;
    make(",\"max_age\":3600000000000");
    int64_t now_ms = w.wall_ns / RI_MS;
    for (int i = 0; i < 2; i++) {
        produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_NONE, -1, -1);
        produce_add(&p, "k", "v", NULL, i ? now_ms - 2 * HOUR_MS : now_ms - HOUR_MS + 60000);
        ck_assert_ok(produce_append(topic, produce_end(&p), &done));
        world_turn(&w);
    }
    world_wait(&w, 59 * 1000);
    ck_assert_ok(ri_stream_get(topic, 1, &r));
    world_wait(&w, 2 * 1000);
    ck_assert_rc(ri_stream_get(topic, 1, &r), RILL_ENOENT);
    ck_assert_ok(ri_stream_get(topic, 2, &r));
    world_wait(&w, 200 * 1000);
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_NONE, -1, -1);
    produce_add(&p, "k", "v", NULL, 5);
    ck_assert_ok(produce_append(topic, produce_end(&p), &done));
    world_turn(&w);
    ck_assert_ok(ri_stream_get(topic, 2, &r));
    world_wait(&w, 40 * 1000);
    ck_assert_rc(ri_stream_get(topic, 2, &r), RILL_ENOENT);
    ck_assert_rc(ri_stream_get(topic, 3, &r), RILL_ENOENT);
}
END_TEST

/* A batch sent twice is stored once; the second receipt is the first one's. */
START_TEST(test_duplicate)
{
    make("");
    for (int i = 0; i < 2; i++) {
        produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, 7, 0);
        produce_add(&p, "k", "v", NULL, 5);
        ck_assert_ok(produce_append(topic, produce_end(&p), &done));
        world_turn(&w);
        ck_assert_int_eq(done.calls, 1);
        ck_assert_uint_eq(done.ask.first_seq, 1);
        ck_assert_int_eq(done.ask.duplicate, i == 1);
        ck_assert_int_eq(done.ask.verdict, i ? RI_PRODUCERS_DUPLICATE : RI_PRODUCERS_APPEND);
    }
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_NONE, 7, 5);
    produce_add(&p, "k", "v", NULL, 5);
    ck_assert_rc(produce_append(topic, produce_end(&p), &done), RILL_ECONFLICT);
    ck_assert_int_eq(done.ask.verdict, RI_PRODUCERS_OUT_OF_ORDER);
    look(1, "t.k", "v");
    ck_assert_uint_eq(topic->last_seq, 1);
}
END_TEST

static void refuse(ri_str batch, int code, const char *word)
{
    ck_assert_rc(produce_append(topic, batch, &done), code);
    ck_assert_msg(strstr(ri_err_text(), word) != NULL, "%s: %s", word, ri_err_text());
    ck_assert_int_eq(done.calls, 0);
    ck_assert(!ri_log_dirty(w.log));
}

START_TEST(test_refused)
{
    static char big[RI_LIMIT_KAFKA_UNPACKED + 100];
    ri_stream *plain;
    make(",\"max_msg_size\":2000000");
    ck_assert_ok(world_stream(&w, "{\"name\":\"P\",\"subjects\":[\"p\"]}", &plain, NULL));
    ck_assert_rc(produce_append(plain, some(0, 1, 1), &done), RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "stream P takes no record batches"));
    ri_str batch = some(RI_KAFKA_CODEC_NONE, 1, 3);
    refuse((ri_str){batch.ptr, batch.len - 1}, RILL_EPROTO, "length");
    ((char *)(uintptr_t)batch.ptr)[batch.len - 1] ^= 1;
    refuse(batch, RILL_ECORRUPT, "checksum");
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
    produce_add_bytes(&p, RI_STR("k"), (ri_str){big, sizeof big}, 1);
    refuse(produce_end(&p), RILL_ETOOBIG, "unpacks to more than");
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_NONE, -1, -1);
    produce_add_bytes(&p, RI_STR("k"), (ri_str){big, 2000000}, 1);
    refuse(produce_end(&p), RILL_ETOOBIG, "takes 2000000");
    /* Records that are not what the head says, found when they are unpacked. */
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
    produce_add(&p, "k", "v", NULL, 1);
    p.builder.batch.count = 2;
    p.builder.batch.last_offset_delta = 1;
    refuse(produce_end(&p), RILL_EPROTO, "record");
    ck_assert_uint_eq(w.js->nviewed, 0);
    if (ri_unpack_has(RI_KAFKA_CODEC_ZSTD) < 0)
        refuse(some(RI_KAFKA_CODEC_ZSTD, 1, 1), RILL_ENOTSUP, "this build has no zstd");
}
END_TEST

START_TEST(test_full)
{
    make(",\"max_msgs\":4,\"discard\":\"new\"");
    send(RI_KAFKA_CODEC_NONE, 1, 3);
    refuse(some(RI_KAFKA_CODEC_NONE, 4, 2), RILL_EFULL, "maximum messages");
    send(RI_KAFKA_CODEC_NONE, 4, 1);
    make(",\"max_msgs\":4,\"discard\":\"new\"");
    ri_js_stream_request request = {.conf = topic->conf};
    request.conf.discard = RI_DISCARD_OLD;
    ck_assert_ok(ri_stream_update(topic, &request, NULL));
    send(RI_KAFKA_CODEC_GZIP, 5, 2); /* the first two of a batch give way */
    ri_record r;
    ck_assert_rc(ri_stream_get(topic, 2, &r), RILL_ENOENT);
    look(3, "t.k3", "v3");
    look(6, "t.k6", "v6");
}
END_TEST

/* What needs the index of subjects is refused. */
START_TEST(test_configuration)
{
    static const char *const bad[] = {
        ",\"max_msgs_per_subject\":1", ",\"allow_rollup_hdrs\":true", ",\"allow_msg_counter\":true",
        ",\"retention\":\"workqueue\"", ",\"sources\":[{\"name\":\"X\"}]",
        ",\"republish\":{\"dest\":\"r.>\"}",
    };
    char json[400];
    ri_js_error e;
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        snprintf(json, sizeof json, TOPIC, bad[i]);
        ck_assert_int_lt(world_stream(&w, json, NULL, &e), 0);
        ck_assert_msg(strstr(e.text, "record batches") != NULL, "%s: %s", bad[i], e.text);
    }
    ck_assert_int_lt(world_stream(&w, "{\"name\":\"T\",\"subjects\":[\"a.*.b\"],\"metadata\":"
                                      "{\"rill.batches\":\"on\"}}", NULL, &e), 0);
    ck_assert_ptr_nonnull(strstr(e.text, "wildcard"));
    make("");
    ri_js_stream_request request = {.conf = topic->conf};
    request.conf.metadata.len = 0;
    ck_assert_int_lt(ri_stream_update(topic, &request, &e), 0);
    ck_assert_ptr_nonnull(strstr(e.text, "can not be changed"));
    ck_assert_int_lt(world_consumer(&w, "T", "{\"durable_name\":\"c\",\"filter_subject\":\"t.*\","
                                    "\"deliver_policy\":\"last_per_subject\"}", NULL, &e), 0);
    ck_assert_ptr_nonnull(strstr(e.text, "record batches"));
    ck_assert_int_lt(world_consumer(&w, "T", "{\"durable_name\":\"c\",\"filter_subject\":\"t.*\","
                                    "\"deliver_policy\":\"last\"}", NULL, &e), 0);
    ck_assert_ok(world_consumer(&w, "T", "{\"durable_name\":\"c\",\"deliver_policy\":\"last\"}",
                                NULL, &e));
    world_listen(&w, "app", "ack");
    world_publish(&w, "t.a", "ack", "Nats-Expected-Last-Subject-Sequence: 0\r\n", "x");
    world_turn(&w);
    ri_str told = ri_buffer_str(&w.told);
    ck_assert_ptr_nonnull(memmem(told.ptr, told.len, "10193", 5));
}
END_TEST

/* By number, forwards, backwards, by subject and by time, over records of both kinds. */
START_TEST(test_reads)
{
    ri_record r;
    make("");
    world_publish(&w, "t.a", "", "", "one");
    world_turn(&w);
    send(RI_KAFKA_CODEC_GZIP, 2, 40);
    world_publish(&w, "t.k5", "", "", "last of k5");
    world_turn(&w);
    send(RI_KAFKA_CODEC_SNAPPY, 43, 3);
    send(ri_unpack_has(RI_KAFKA_CODEC_LZ4) < 0 ? RI_KAFKA_CODEC_GZIP : RI_KAFKA_CODEC_LZ4, 46, 3);
    look(47, "t.k47", "v47");
    for (uint64_t seq = 41; seq >= 2; seq--) { /* backwards in the batch */
        char subject[16], data[16];
        snprintf(subject, sizeof subject, "t.k%d", (int)seq);
        snprintf(data, sizeof data, "v%d", (int)seq);
        look(seq, subject, data);
    }
    look(42, "t.k5", "last of k5");
    ck_assert_ok(ri_stream_get_last(topic, RI_STR("t.k5"), &r));
    ck_assert_uint_eq(r.seq, 42);
    ck_assert_ok(ri_stream_get_last(topic, RI_STR("t.k30"), &r));
    ck_assert_uint_eq(r.seq, 30);
    ck_assert_rc(ri_stream_get_last(topic, RI_STR("t.none"), &r), RILL_ENOENT);
    ck_assert_ok(ri_stream_get_next(topic, 6, RI_STR("t.k5"), &r));
    ck_assert_uint_eq(r.seq, 42);
    ck_assert_ok(ri_stream_get_next(topic, 42, RI_STR_NONE, &r));
    ck_assert_uint_eq(r.seq, 42);
    ck_assert_uint_eq(ri_stream_seq_at(topic, 1044 * RI_MS), 1); /* the message of now is later */
    ri_purge_whole(topic, RI_STR_NONE, 2, 0, &(uint64_t){0}, NULL);
    ck_assert_uint_eq(ri_stream_seq_at(topic, 1030 * RI_MS), 30);
    ck_assert_uint_eq(ri_track_count(topic->track, 1, &(ri_filter){&RI_STR("t.k5"), 1}), 2);
}
END_TEST

/* Each record of a batch that compaction has left holes in, from any place to any other. */
START_TEST(test_seek)
{
    ri_record r;
    make("");
    send(RI_KAFKA_CODEC_GZIP, 1, 2000);
    for (uint64_t seq = 1; seq <= 2000; seq += 3)
        ck_assert_ok(ri_stream_erase(topic, seq, false, NULL));
    for (int i = 0; i < 4000; i++) {
        uint64_t seq = 1 + (uint64_t)i * 997 % 2000;
        char data[16];
        snprintf(data, sizeof data, "v%d", (int)seq);
        int rc = ri_stream_get(topic, seq, &r);
        ck_quick(rc == (seq % 3 == 1 ? RILL_ENOENT : 0));
        if (rc == 0) ck_quick(ri_str_is(r.data, data));
    }
    ck_assert_uint_eq(w.js->nviewed, 1); /* unpacked once, when it came */
}
END_TEST

/* Transactions' markers have numbers, and no reader sees them, nor waits for them. */
START_TEST(test_hidden)
{
    ri_consumer *c;
    ri_record r;
    make("");
    world_listen(&w, "app", "in");
    for (int i = 0; i < 2; i++) {
        produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_NONE, 7, i);
        p.builder.batch.attributes = RI_KAFKA_TRANSACTIONAL;
        produce_add(&p, "k", i ? "second" : "first", NULL, 5);
        ck_assert_ok(produce_append(topic, produce_end(&p), &done));
        ck_assert_ok(produce_append(topic, produce_marker(&p, &w.f->host, 7, RI_KAFKA_COMMIT),
                                    &done));
        world_turn(&w);
    }
    ck_assert_uint_eq(topic->last_seq, 4);
    ck_assert_rc(ri_stream_get(topic, 2, &r), RILL_ENOENT);
    ck_assert_ok(ri_stream_get_next(topic, 2, RI_STR_NONE, &r));
    ck_assert_uint_eq(r.seq, 3);
    ck_assert_ok(ri_stream_get_last(topic, RI_STR_NONE, &r));
    ck_assert_uint_eq(r.seq, 3);
    ck_assert_ok(world_consumer(&w, "T", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}", &c,
                                NULL));
    ck_assert_ok(world_pull(&w, c, "in", "{\"batch\":5,\"no_wait\":true}"));
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] app: t.k <ACK(1/1/1/2)> first\n"
                   "[     0] app: t.k <ACK(1/3/2/0)> second\n"
                   "[     0] app: in {404 No Messages}\n");
}
END_TEST

/* The stream goes, or is changed, while batches are at hand and a search stands in one. */
START_TEST(test_changes)
{
    ri_record r;
    ri_stream_search search;
    make("");
    send(RI_KAFKA_CODEC_GZIP, 1, 5);
    ri_js_stream_request request = {.conf = topic->conf};
    ri_str subjects[] = {RI_STR("other.>"), RI_STR("t.>")};
    request.conf.subjects = (ri_strs){subjects, 2};
    ck_assert_ok(ri_stream_update(topic, &request, NULL));
    look(3, "other.k3", "v3");
    subjects[0] = RI_STR("a.*.b");
    request.conf = topic->conf;
    request.conf.subjects = (ri_strs){subjects, 2};
    ck_assert_int_lt(ri_stream_update(topic, &request, NULL), 0);
    look(4, "other.k4", "v4");
    ri_stream_search_next(topic, &search, RI_STR("other.k2"), 1);
    ck_assert_ok(ri_stream_search_some(topic, &search, &r));
    ck_assert_span(r.data, "v2");
    ck_assert_ok(ri_stream_delete(topic, NULL));
    ck_assert_uint_eq(w.js->nviewed, 0);
    ck_assert_span(r.data, "v2");
    ri_stream_search_end(&search);
    world_turn(&w);
}
END_TEST

/* One message of a batch is erased, also where others read it: nobody finds it again. */
START_TEST(test_erase)
{
    ri_record r;
    make("");
    send(RI_KAFKA_CODEC_GZIP, 1, 5);
    look(3, "t.k3", "v3");
    ck_assert_ok(ri_stream_erase(topic, 3, true, NULL));
    ck_assert_uint_eq(w.js->nviewed, 0);
    world_turn(&w);
    ck_assert_rc(ri_stream_get(topic, 3, &r), RILL_ENOENT);
    look(2, "t.k2", "v2");
    look(4, "t.k4", "v4");
    ck_assert_ok(world_restart(&w));
    topic = ri_js_stream(w.js, RI_STR("T"));
    ck_assert_rc(ri_stream_get(topic, 3, &r), RILL_ENOENT);
    look(5, "t.k5", "v5");
}
END_TEST

/* Few have the memory: what is at hand goes for what is wanted, and readers in it keep theirs. */
START_TEST(test_memory)
{
    static char value[300000];
    ri_record r;
    make("");
    memset(value, 'x', sizeof value);
    for (int i = 0; i < 40; i++) {
        produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
        for (int k = 0; k < 3; k++) produce_add_bytes(&p, RI_STR("k"), (ri_str){value, 300000}, 1);
        ck_assert_ok(produce_append(topic, produce_end(&p), &done));
        world_turn(&w);
    }
    ck_assert_uint_le(w.js->nviewed, 32);
    uint64_t used = ri_memory_used(&w.router.memory, RI_MEMORY_WORK);
    ck_assert_uint_gt(used, 20 * 900000);
    ri_memory_set_limit(&w.router.memory, 8 * 4000000);
    ri_cursor stands;
    ri_cursor_init(&stands, topic->track);
    ck_assert_ok(ri_cursor_get(&stands, 2, &r));
    ri_record kept = r;
    for (uint64_t seq = 120; seq > 3; seq -= 3) ck_assert_ok(ri_stream_get(topic, seq, &r));
    ck_assert_uint_le(ri_memory_used(&w.router.memory, RI_MEMORY_WORK), 4000000);
    ck_assert_uint_eq(kept.data.len, sizeof value);
    ck_assert(memcmp(kept.data.ptr, value, sizeof value) == 0);
    ri_cursor_fini(&stands);
    ri_memory_set_limit(&w.router.memory, 8 * 100000); /* none has room */
    ck_assert_rc(ri_stream_get(topic, 60, &r), RILL_ENOMEM);
    ri_memory_set_limit(&w.router.memory, 0);
    ck_assert_ok(ri_stream_get(topic, 60, &r));
}
END_TEST

static uint64_t at_work(void)
{
    return ri_memory_used(&w.router.memory, RI_MEMORY_WORK);
}

static int append_slice(ri_str batch)
{
    ri_budget_open(&w.router.budget);
    int rc = produce_append(topic, batch, &done);
    ri_budget_close(&w.router.budget);
    return rc;
}

static void done_later(ri_js_waiter *waiter, int rc)
{
    ck_abort_msg("%p is done: %d", (void *)waiter, rc);
}

/* Who appends one record pays for one, not for as many as are looked at in a piece. */
START_TEST(test_price)
{
    enum { MOST = 16 }; /* units */
    make("");
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
    produce_add_bytes(&p, RI_STR("k"), RI_STR("v"), 1);
    ri_str batch = produce_end(&p);
    ri_budget_init(&w.router.budget);
    ri_budget_open(&w.router.budget);
    int64_t left = w.router.budget.left;
    ck_assert_ok(produce_append(topic, batch, &done));
    ck_assert_int_lt(left - w.router.budget.left, MOST);
    ri_budget_close(&w.router.budget);
    world_turn(&w);
    ck_assert_uint_eq(topic->last_seq, 1);
}
END_TEST

/* A batch that unpacks to much is looked through in slices; who gives it up in between, or loses
 * its stream, leaves nothing. */
START_TEST(test_slices)
{
    static char value[300000];
    int slices = 0, rc;
    make("");
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
    for (int k = 0; k < 10; k++) produce_add_bytes(&p, RI_STR("k"), (ri_str){value, 300000}, 1);
    ri_str batch = produce_end(&p);
    done.ask.slices = true;
    ri_budget_init(&w.router.budget);
    while ((rc = append_slice(batch)) == 1) {
        ck_assert_int_eq(done.calls, 0);
        slices++;
    }
    ck_assert_ok(rc);
    ck_assert_int_gt(slices, 3);
    ck_assert_uint_le(w.router.budget.longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
    ck_assert_ptr_null(done.ask.looked);
    world_turn(&w);
    ck_assert_int_eq(done.calls, 1);
    ck_assert_uint_eq(topic->last_seq, 10);
    uint64_t before = at_work();
    ck_assert_uint_gt(before, 3000000); /* at hand for readers */
    ck_assert_int_eq(append_slice(batch), 1);
    ck_assert_uint_gt(at_work(), before);
    ri_view_ask_drop(&done.ask);
    ri_view_ask_drop(&done.ask);
    ck_assert_uint_eq(at_work(), before);
    ck_assert_int_eq(append_slice(batch), 1);
    ck_assert_ok(ri_stream_delete(topic, NULL));
    ck_assert_uint_eq(at_work(), 0);
    ri_view_ask_drop(&done.ask);
}
END_TEST

/* What was unpacked is moved when it gets more room: who does that pays for it beside the
 * unpacking, and in no turn that is longer. */
START_TEST(test_slices_that_move)
{
    enum { COPIED = 1024 * 1024 }; /* at most: more moves by its pages */
    static char value[300000];
    uint64_t room = 0, held, moved = 0, unpacked = 10 * (uint64_t)sizeof value;
    int rc = 1;
    make("");
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
    for (int k = 0; k < 10; k++) produce_add_bytes(&p, RI_STR("k"), (ri_str){value, 300000}, 1);
    ri_str batch = produce_end(&p);
    done.ask.slices = true;
    ri_budget_init(&w.router.budget);
    for (; rc == 1; room = held) {
        rc = append_slice(batch);
        held = at_work();
        if (held > room) moved += RI_MIN(room / 2, (uint64_t)COPIED); /* which was full */
    }
    ck_assert_ok(rc);
    ck_assert_uint_gt(moved, 1000000);
    ck_assert_uint_ge(w.router.budget.spent, (4 * unpacked + moved) / RI_BUDGET_BYTES);
    ck_assert_uint_le(w.router.budget.longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
}
END_TEST

/* Its memory is wanted by others: it is refused, and can be sent again. */
START_TEST(test_slices_without_room)
{
    static char value[300000];
    int rc;
    make("");
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
    for (int k = 0; k < 10; k++) produce_add_bytes(&p, RI_STR("k"), (ri_str){value, 300000}, 1);
    ri_str batch = produce_end(&p);
    done.ask.slices = true;
    ck_assert_int_eq(append_slice(batch), 1);
    ri_memory_set_limit(&w.router.memory, 8 * 100000);
    while ((rc = append_slice(batch)) == 1) continue;
    ck_assert_int_eq(rc, RILL_ENOMEM);
    ck_assert_ptr_null(done.ask.looked);
    ck_assert_uint_eq(at_work(), 0);
    ri_memory_set_limit(&w.router.memory, 0);
    while ((rc = append_slice(batch)) == 1) continue;
    ck_assert_ok(rc);
    world_turn(&w);
    ck_assert_int_eq(done.rc, 0);
}
END_TEST

/* Who waits for the memory of one that was begun before has next to no work. */
START_TEST(test_price_of_waiting)
{
    static char value[300000];
    enum { MOST = RI_BUDGET_TURN / 20 }; /* units */
    ri_view_ask other = {.slices = true, .waiter.done = done_later};
    make("");
    produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
    for (int k = 0; k < 10; k++) produce_add_bytes(&p, RI_STR("k"), (ri_str){value, 300000}, 1);
    ri_str batch = produce_end(&p);
    done.ask.slices = true;
    ck_assert_int_eq(append_slice(batch), 1);
    ri_memory_set_limit(&w.router.memory, 8 * at_work());
    ri_budget_open(&w.router.budget);
    int64_t left = w.router.budget.left;
    ck_assert_int_eq(ri_view_append_batch(topic, batch, &other), 1);
    ck_assert_int_lt(left - w.router.budget.left, MOST);
    ri_budget_close(&w.router.budget);
    ck_assert_ptr_null(other.looked);
    ck_assert_ptr_nonnull(done.ask.looked);
    ri_view_ask_drop(&done.ask);
}
END_TEST

/* More readers of large batches than there is room for, in slices, by turns: one after the other
 * they come to their end, whether the number of batches is short or the memory. */
static void read_by_turns(ri_budget *turn)
{
    enum { READERS = 40, ROUNDS = 3000 };
    ri_cursor cursors[READERS];
    ri_record r;
    int left = READERS, round = 0;
    for (int i = 0; i < READERS; i++) {
        ri_cursor_init(&cursors[i], topic->track);
        cursors[i].budget = turn;
    }
    for (; left > 0 && round < ROUNDS; round++) {
        for (int i = 0; i < READERS; i++) {
            if (!cursors[i].budget) continue;
            ri_budget_open(turn);
            int rc = ri_cursor_next(&cursors[i], (uint64_t)i * 3 + 1, NULL, &r);
            if (rc == RI_CURSOR_CUT) continue;
            ck_assert_int_eq(rc, 1);
            ck_assert_uint_eq(r.data.len, 300000);
            cursors[i].budget = NULL;
            ri_cursor_fini(&cursors[i]);
            left--;
        }
    }
    ck_assert_msg(left == 0, "%d readers are not done after %d rounds", left, round);
}

START_TEST(test_many_readers)
{
    static char value[300000];
    ri_budget turn;
    make("");
    memset(value, 'x', sizeof value);
    for (int i = 0; i < 40; i++) {
        produce_begin(&p, &w.f->host, RI_KAFKA_CODEC_GZIP, -1, -1);
        for (int k = 0; k < 3; k++) produce_add_bytes(&p, RI_STR("k"), (ri_str){value, 300000}, 1);
        ck_assert_ok(produce_append(topic, produce_end(&p), &done));
        world_turn(&w);
    }
    for (int i = 0; i < 2; i++) {
        ri_budget_init(&turn);
        turn.left = turn.limit = 300;
        ri_memory_set_limit(&w.router.memory, 8 * 1000); /* what is at hand goes */
        ck_assert_rc(ri_stream_get(topic, 1, &(ri_record){0}), RILL_ENOMEM);
        ri_memory_set_limit(&w.router.memory, i ? 8 * 4000000 : 0);
        read_by_turns(&turn);
    }
}
END_TEST

/* A damaged or foreign store may say so. */
START_TEST(test_no_subject)
{
    ri_js_pair batches = {RI_STR("rill.batches"), RI_STR("on")};
    ri_stream_conf conf = {.name = RI_STR("T"), .num_replicas = 1, .metadata = {&batches, 1}};
    ri_stream *s;
    ck_assert_rc(ri_stream_new(w.js, &conf, 2000, &s), RILL_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "has no subject"));
}
END_TEST

/* Of a store that another build wrote: who reads is told which codec is missing, once, and stays
 * where he is. */
START_TEST(test_missing_codec)
{
    static int told;
    ri_consumer *c;
    ri_record r;
    int codec = RI_KAFKA_CODEC_ZSTD;
    if (ri_unpack_has(codec) == 0) return; /* the gate builds without it, too */
    make("");
    ri_str batch = some(codec, 1, 2);
    ri_batch_receipt receipt;
    ck_assert_ok(ri_track_append_batch(topic->track, batch, &receipt));
    topic->last_seq = 2;
    ck_assert_ok(ri_log_commit(w.log));
    world_publish(&w, "t.a", "", "", "behind");
    world_turn(&w);
    ck_assert_rc(ri_stream_get(topic, 1, &r), RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "zstd"));
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "stream T, messages 1 to 2"));
    look(3, "t.a", "behind");
    w.events = true;
    world_listen(&w, "app", "in");
    ck_assert_ok(world_consumer(&w, "T", "{\"durable_name\":\"c\",\"deliver_subject\":\"in\"}", &c,
                                NULL));
    world_wait(&w, 1000);
    ri_str all = ri_buffer_str(&w.told);
    for (told = 0; all.len; all = ri_str_from(all, 1))
        told += ri_str_starts(all, RI_STR("zstd can"));
    ck_assert_int_eq(told, 1);
    ck_assert_ptr_null(memmem(w.told.ptr, w.told.len, "behind", 6));
    ck_assert_ok(ri_stream_erase(topic, 1, false, NULL));
    ck_assert_ok(ri_stream_erase(topic, 2, false, NULL));
    world_wait(&w, 1000);
    ck_assert_ptr_nonnull(memmem(w.told.ptr, w.told.len, "behind", 6));
}
END_TEST

SUITE_MAIN_ROWS("view", SUITE_WITH(setup, teardown, test_receipt, test_old_when_it_came,
                                   test_duplicate, test_refused,
                                   test_full, test_configuration, test_reads, test_seek,
                                   test_hidden, test_changes, test_erase, test_memory,
                                   test_slices, test_slices_that_move, test_price,
                                   test_price_of_waiting, test_slices_without_room,
                                   test_many_readers,
                                   test_no_subject, test_missing_codec))
