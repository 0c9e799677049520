/* SPDX-License-Identifier: Apache-2.0 */
/* A stream as Kafka's clients read it. */
#include "engine/streams/purge.h"
#include "engine/streams/fetch.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/kafka/unpack.h"
#include "codec/limits.h"
#include "engine/streams/js_state.h"
#include "support/produce.h"
#include "support/suite.h"

#define TOPIC "{\"name\":\"T\",\"subjects\":[\"t\"],\"metadata\":{\"rill.batches\":\"on\"}}"

static world w;
static ri_stream *stream;
static produce p;
static ri_buffer out, shown;
static ri_fetch reader;

static void make(const char *json)
{
    ck_assert_ok(world_stream(&w, json, &stream, NULL));
    ri_fetch_open(&reader, stream);
}

static void setup(void)
{
    memset(&p, 0, sizeof p);
    memset(&reader, 0, sizeof reader);
    ck_assert_ok(world_init(&w, NULL));
    ri_buffer_init(&out, &w.f->host);
    ri_buffer_init(&shown, &w.f->host);
}

static void teardown(void)
{
    ri_fetch_close(&reader);
    ri_buffer_fini(&out);
    ri_buffer_fini(&shown);
    produce_fini(&p);
    world_fini(&w);
}

static void send(int codec, int from, int n)
{
    produced done;
    memset(&done, 0, sizeof done);
    produce_begin(&p, &w.f->host, codec, -1, -1);
    for (int i = from; i < from + n; i++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "v%d", i);
        produce_add(&p, key, value, i % 2 ? NULL : "h=x", 1000 + i);
    }
    ck_assert_ok(produce_append(stream, produce_end(&p), &done));
    world_turn(&w);
    ck_assert_int_eq(done.rc, 0);
}

static void say(const char *subject, const char *headers, const char *data)
{
    ck_assert_int_ge(world_publish(&w, subject, "", headers, data), 1);
    world_turn(&w);
}

static void show_span(ri_str s)
{
    if (s.ptr) ri_buffer_printf(&shown, "%.*s", RI_ARG(s));
    else ri_buffer_puts(&shown, "null");
}

static void show_record(const ri_kafka_record *r)
{
    ri_str rest = r->headers, name, value;
    ri_buffer_printf(&shown, " %lld:", (long long)r->offset);
    show_span(r->key);
    ri_buffer_puts(&shown, "=");
    show_span(r->value);
    while (ri_kafka_headers_next(&rest, &name, &value) == 1) {
        ri_buffer_printf(&shown, " {%.*s: ", RI_ARG(name));
        show_span(value);
        ri_buffer_puts(&shown, "}");
    }
}

/* Batches of the buffer: "[0..2 0:null=a 1:null=b 2:null=c]". */
static const char *show(ri_str bytes)
{
    ri_kafka_batch b;
    ri_kafka_record r;
    ri_buffer_reset(&shown);
    while (bytes.len) {
        int size = ri_kafka_batch_parse(bytes, RI_LIMIT_KAFKA_BATCH_MAX, &b);
        ck_assert_int_gt(size, 0);
        ck_assert_ok(ri_kafka_batch_verify(&b));
        ck_assert_int_eq(b.leader_epoch, 0);
        ri_buffer_printf(&shown, "[%lld..%lld", (long long)b.base_offset,
                         (long long)ri_kafka_batch_last_offset(&b));
        if (ri_kafka_batch_codec(&b)) {
            ri_buffer_puts(&shown, " packed");
        } else {
            ri_kafka_records it;
            ri_kafka_records_init(&it, &b, b.records);
            while (ri_kafka_records_next(&it, &r) == 1) show_record(&r);
        }
        ri_buffer_puts(&shown, "]");
        bytes = ri_str_from(bytes, (size_t)size);
    }
    ri_buffer_put(&shown, "", 1);
    return shown.ptr;
}

/* What is read from the offset on, with the place behind it: "[...] 5". */
static const char *fetched(int64_t offset, size_t max, bool whole)
{
    ri_buffer_reset(&out);
    int rc;
    do {
        ri_budget_open(&w.router.budget);
        rc = ri_fetch_some(&reader, stream, &offset, max, whole, &out);
        ri_budget_close(&w.router.budget);
    } while (rc == 1);
    ck_assert_ok(rc);
    show(ri_buffer_str(&out));
    shown.len--;
    ri_buffer_printf(&shown, " %lld", (long long)offset);
    ri_buffer_put(&shown, "", 1);
    return shown.ptr;
}

static void ends(int64_t start, int64_t end)
{
    ri_fetch_ends e;
    ri_fetch_ends_of(stream, &e);
    ck_assert_int_eq(e.start, start);
    ck_assert_int_eq(e.end, end);
}

enum { ALL = 1 << 20 };

START_TEST(test_both_kinds)
{
    make(TOPIC);
    ends(0, 0);
    ck_assert_str_eq(fetched(0, ALL, true), " 0");
    say("t", "", "a");
    say("t", "Color: red\r\n", "b");
    send(RI_KAFKA_CODEC_NONE, 1, 2);
    send(RI_KAFKA_CODEC_GZIP, 3, 3);
    say("t", "Kafka-Key: key\r\n", "c");
    ends(0, 8);
    ck_assert_str_eq(fetched(0, ALL, true), "[0..1 0:null=a 1:null=b {Color: red}]"
                                            "[2..3 2:k1=v1 3:k2=v2 {h: x}][4..6 packed]"
                                            "[7..7 7:key=c] 8");
    /* From within: a batch comes whole, messages from there on. */
    ck_assert_str_eq(fetched(1, ALL, true), "[1..1 1:null=b {Color: red}]"
                                            "[2..3 2:k1=v1 3:k2=v2 {h: x}][4..6 packed]"
                                            "[7..7 7:key=c] 8");
    ck_assert_str_eq(fetched(6, ALL, true), "[4..6 packed][7..7 7:key=c] 8");
    ck_assert_str_eq(fetched(8, ALL, true), " 8");
}
END_TEST

/* A batch goes out as it came in, but for its offset and epoch, which the checksum leaves out. */
START_TEST(test_verbatim)
{
    make(TOPIC);
    say("t", "", "a");
    bool zstd = ri_unpack_has(RI_KAFKA_CODEC_ZSTD) == RILL_OK;
    send(zstd ? RI_KAFKA_CODEC_ZSTD : RI_KAFKA_CODEC_GZIP, 1, 100);
    ri_str sent = ri_buffer_str(p.codec ? &p.packed : &p.plain);
    int64_t offset = 1;
    ck_assert_ok(ri_fetch_some(&reader, stream, &offset, ALL, true, &out));
    ck_assert_uint_eq(out.len, sent.len);
    ck_assert_mem_eq(out.ptr + 8, sent.ptr + 8, 4);
    ck_assert_mem_eq(out.ptr + 16, sent.ptr + 16, sent.len - 16);
}
END_TEST

START_TEST(test_limits)
{
    make(TOPIC);
    send(RI_KAFKA_CODEC_NONE, 1, 2);
    size_t one = p.plain.len;
    send(RI_KAFKA_CODEC_NONE, 3, 2);
    say("t", "", "a");
    say("t", "", "b");
    ck_assert_str_eq(fetched(0, one - 1, false), " 0");
    ck_assert_str_eq(fetched(0, one - 1, true), "[0..1 0:k1=v1 1:k2=v2 {h: x}] 2");
    ck_assert_str_eq(fetched(0, 2 * one - 1, true), "[0..1 0:k1=v1 1:k2=v2 {h: x}] 2");
    ck_assert_str_eq(fetched(2, 2 * one, false), "[2..3 2:k3=v3 3:k4=v4 {h: x}] 4");
    ck_assert_str_eq(fetched(4, 1, false), " 4");
    ck_assert_str_eq(fetched(4, 1, true), "[4..4 4:null=a] 5");
    ck_assert_str_eq(fetched(4, 200, true), "[4..5 4:null=a 5:null=b] 6");
}
END_TEST

START_TEST(test_out_of_range)
{
    make(TOPIC);
    send(RI_KAFKA_CODEC_NONE, 1, 4);
    ri_js_error e;
    uint64_t purged;
    ck_assert_ok(ri_purge_whole(stream, RI_STR_NONE, 3, 0, &purged, &e));
    world_turn(&w);
    ends(2, 4);
    for (int64_t offset = -1; offset <= 5; offset++) {
        int64_t at = offset;
        ck_assert_rc(ri_fetch_some(&reader, stream, &at, ALL, true, &out),
                     offset < 2 || offset > 4 ? RILL_EINVAL : RILL_OK);
    }
    ck_assert_str_eq(ri_err_text(), "offset 5 is not within 2 and 4");
    ck_assert_str_eq(fetched(2, ALL, true),
                     "[0..3 0:k1=v1 1:k2=v2 {h: x} 2:k3=v3 3:k4=v4 {h: x}] 4");
}
END_TEST

/* Where messages are gone there is a gap; at the end a batch without records leads behind it. */
START_TEST(test_gaps)
{
    ri_js_error e;
    make("{\"name\":\"T\",\"subjects\":[\"t\"]}");
    for (int i = 0; i < 6; i++) say("t", "", "a");
    ck_assert_ok(ri_stream_erase(stream, 3, false, &e));
    ck_assert_ok(ri_stream_erase(stream, 5, false, &e));
    ck_assert_ok(ri_stream_erase(stream, 6, false, &e));
    world_turn(&w);
    ends(0, 6);
    ck_assert_str_eq(fetched(0, ALL, true), "[0..3 0:null=a 1:null=a 3:null=a][4..5] 6");
    ck_assert_str_eq(fetched(2, ALL, true), "[3..3 3:null=a][4..5] 6");
    ck_assert_str_eq(fetched(5, 10, false), " 5");
    ck_assert_str_eq(fetched(5, 10, true), "[5..5] 6");
    uint64_t purged;
    ck_assert_ok(ri_purge_whole(stream, RI_STR_NONE, 0, 0, &purged, &e));
    world_turn(&w);
    ends(6, 6);
}
END_TEST

/* Records that compaction has taken, or somebody has deleted: no reader gets them, however the
 * batch is packed, and who asks for one that is gone begins with the next. */
START_TEST(test_thinned)
{
    ri_js_error e;
    make(TOPIC);
    send(RI_KAFKA_CODEC_NONE, 1, 4);
    send(RI_KAFKA_CODEC_GZIP, 5, 4);
    for (uint64_t seq = 1; seq <= 8; seq += seq == 2 ? 2 : 1)
        if (seq != 5 && seq != 7) ck_assert_ok(ri_stream_erase(stream, seq, false, &e));
    world_turn(&w);
    ends(2, 8);
    ck_assert_str_eq(fetched(2, ALL, true), "[2..3 2:k3=v3][4..7 4:k5=v5 6:k7=v7] 8");
    ck_assert_str_eq(fetched(5, ALL, true), "[6..7 6:k7=v7] 8");
    ck_assert_str_eq(fetched(4, 150, true), "[4..5 4:k5=v5] 6");
    ck_assert_str_eq(fetched(4, 1, false), " 4");
}
END_TEST

/* A client takes all that comes behind the offset that it asked for: what follows on the piece with
 * the gap is no whole batch, though nothing is gone behind it. */
START_TEST(test_thinned_at_the_front)
{
    ri_js_error e;
    enum { N = 9000 };
    make(TOPIC);
    send(RI_KAFKA_CODEC_NONE, 0, N);
    ck_assert_ok(ri_stream_erase(stream, 2, false, &e));
    world_turn(&w);
    int64_t offset = 0, last = -1;
    int rc;
    do {
        ri_budget_open(&w.router.budget);
        rc = ri_fetch_some(&reader, stream, &offset, ALL * 8, true, &out);
        ri_budget_close(&w.router.budget);
    } while (rc == 1);
    ck_assert_ok(rc);
    ri_kafka_batch b;
    ri_kafka_record r;
    for (ri_str rest = ri_buffer_str(&out); rest.len; rest = ri_str_from(rest, b.bytes.len)) {
        ri_kafka_records it;
        ck_quick(ri_kafka_batch_parse(rest, ALL, &b) > 0);
        ri_kafka_records_init(&it, &b, b.records);
        for (; ri_kafka_records_next(&it, &r) == 1; last = r.offset)
            ck_quick(r.offset == (last == 0 ? 2 : last + 1));
    }
    ck_assert_int_eq(last, N - 1);
}
END_TEST

/* A long one comes in pieces, in slices of the turn; the last says where the batch ended. */
START_TEST(test_thinned_slices)
{
    ri_js_error e;
    enum { N = 20000 };
    make(TOPIC);
    send(RI_KAFKA_CODEC_GZIP, 0, N);
    for (uint64_t seq = 2; seq <= N; seq += 2)
        ck_quick(ri_stream_erase(stream, seq, false, &e) == RILL_OK);
    world_turn(&w);
    int64_t offset = 0, next = 0;
    int rc;
    do {
        ri_budget_open(&w.router.budget);
        rc = ri_fetch_some(&reader, stream, &offset, ALL * 8, true, &out);
        ri_budget_close(&w.router.budget);
    } while (rc == 1);
    ck_assert_ok(rc);
    ck_assert_int_eq(offset, N);
    ri_kafka_batch b;
    ri_kafka_record r;
    int pieces = 0;
    for (ri_str rest = ri_buffer_str(&out); rest.len; rest = ri_str_from(rest, b.bytes.len)) {
        ri_kafka_records it;
        ck_quick(ri_kafka_batch_parse(rest, ALL, &b) > 0);
        ck_quick(ri_kafka_batch_verify(&b) == RILL_OK);
        ri_kafka_records_init(&it, &b, b.records);
        for (; ri_kafka_records_next(&it, &r) == 1; next += 2) {
            ck_quick(r.offset == next);
            ck_quick(r.timestamp_ms == 1000 + next);
        }
        pieces++;
    }
    ck_assert_int_eq(next, N);
    ck_assert_int_eq(ri_kafka_batch_last_offset(&b), N - 1);
    ck_assert_int_gt(pieces, 2);
}
END_TEST

START_TEST(test_not_committed)
{
    make(TOPIC);
    say("t", "", "a");
    ck_assert_int_ge(world_publish(&w, "t", "", "", "b"), 1);
    ends(0, 1);
    ck_assert_str_eq(fetched(0, ALL, true), "[0..0 0:null=a] 1");
    world_turn(&w);
    ck_assert_str_eq(fetched(1, ALL, true), "[1..1 1:null=b] 2");
}
END_TEST

START_TEST(test_subjects)
{
    make("{\"name\":\"T\",\"subjects\":[\"t.>\"]}");
    say("t.k", "", "a");
    say("t.=a2V5", "", "b");
    say("t.deep.er", "", "c");
    say("t.k", "KV-Operation: DEL\r\n", "");
    say("t.k", "Kafka-Next: base64\r\nx: no base64!\r\n", "d");
    ck_assert_str_eq(fetched(0, ALL, true),
                     "[0..4 0:k=a 1:key=b 2:null=c {Nats-Subject: t.deep.er} 3:k=null"
                     " 4:null=d {Nats-Subject: t.k}] 5");
    ri_fetch_close(&reader);
    make("{\"name\":\"U\",\"subjects\":[\"u\",\"v.*\"]}");
    say("u", "", "a");
    say("v.1", "", "b");
    ck_assert_str_eq(fetched(0, ALL, true), "[0..1 0:null=a {Nats-Subject: u}"
                                            " 1:null=b {Nats-Subject: v.1}] 2");
}
END_TEST

/* However many there are, a turn is no longer than it may be, which the world asserts, and what
 * comes in slices is all of it. */
START_TEST(test_slices)
{
    make(TOPIC);
    for (int i = 0; i < 9000; i++) ck_assert_int_ge(world_publish(&w, "t", "", "", "x"), 1);
    world_turn(&w);
    int64_t offset = 0, seen = 0;
    int rc, slices = 0;
    do {
        ri_budget_open(&w.router.budget);
        rc = ri_fetch_some(&reader, stream, &offset, ALL * 8, true, &out);
        ri_budget_close(&w.router.budget);
        slices++;
    } while (rc == 1);
    ck_assert_ok(rc);
    ck_assert_int_gt(slices, 2);
    ck_assert_int_eq(offset, 9000);
    ri_kafka_batch b;
    for (ri_str rest = ri_buffer_str(&out); rest.len; rest = ri_str_from(rest, b.bytes.len)) {
        ck_quick(ri_kafka_batch_parse(rest, ALL, &b) > 0);
        ck_quick(b.base_offset == seen && b.count == b.last_offset_delta + 1);
        seen += b.count;
    }
    ck_assert_int_eq(seen, 9000);
}
END_TEST

static int read_all(fault *f, void *arg)
{
    (void)arg;
    ri_buffer bytes;
    int64_t offset = 0;
    ri_buffer_init(&bytes, &f->host);
    int rc = ri_fetch_some(&reader, stream, &offset, ALL, true, &bytes);
    ri_buffer_fini(&bytes);
    return rc;
}

START_TEST(test_without_memory)
{
    make(TOPIC);
    say("t", "Color: red\r\n", "b");
    send(RI_KAFKA_CODEC_NONE, 1, 2);
    send(RI_KAFKA_CODEC_GZIP, 3, 4);
    ck_assert_uint_ge(fault_each(read_all, NULL), 1);
    ri_js_error e;
    ck_assert_ok(ri_stream_erase(stream, 5, false, &e));
    world_turn(&w);
    ck_assert_uint_ge(fault_each(read_all, NULL), 1);
}
END_TEST

/* Without room to unpack it a batch does not go out with what was deleted of it: the reader comes
 * again. */
START_TEST(test_without_room)
{
    ri_js_error e;
    int64_t offset = 0;
    make(TOPIC);
    send(RI_KAFKA_CODEC_GZIP, 0, 4);
    ck_assert_ok(ri_stream_erase(stream, 2, false, &e));
    world_turn(&w);
    for (int i = 4; i < 200; i += 4) send(RI_KAFKA_CODEC_GZIP, i, 4); /* it is not at hand then */
    ri_memory_set_limit(&w.router.memory, 8 * 10);
    ck_assert_rc(ri_fetch_some(&reader, stream, &offset, ALL, true, &out), RILL_ENOMEM);
    ck_assert_uint_eq(ri_buffer_size(&out), 0);
    ck_assert_int_eq(offset, 0);
    ri_memory_set_limit(&w.router.memory, 0);
    ck_assert_str_eq(fetched(0, 1, true), "[0..1 0:k0=v0 {h: x}] 2");
}
END_TEST

/* ---- Who waits ---- */

static int grown;

static void on_grew(ri_watch *watch)
{
    (void)watch;
    grown++;
}

START_TEST(test_watch)
{
    ri_watch a = {.grew = on_grew}, b = {.grew = on_grew};
    grown = 0;
    make(TOPIC);
    ri_watch_begin(&a, stream);
    ri_watch_begin(&b, stream);
    ck_assert_int_ge(world_publish(&w, "t", "", "", "b"), 1);
    ck_assert_int_eq(grown, 0);
    world_turn(&w);
    ck_assert_int_eq(grown, 2);
    ri_watch_end(&b);
    ri_watch_end(&b);
    send(RI_KAFKA_CODEC_NONE, 1, 2);
    ck_assert_int_eq(grown, 3);
    ck_assert_ptr_eq(a.stream, stream);
    ri_fetch_close(&reader);
    ck_assert_ok(ri_stream_delete(stream, NULL));
    ck_assert_int_eq(grown, 4);
    ck_assert_ptr_null(a.stream);
    ri_watch_end(&a);
}
END_TEST

/* Very many streams of one commit hear of it in slices of the turn; one that is appended to while
 * it waits for that hears of both commits. */
START_TEST(test_many_grown)
{
    enum { MANY = 4000 };
    static ri_watch watches[MANY];
    ri_stream *last = NULL;
    char text[128];
    grown = 0;
    make(TOPIC);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "{\"name\":\"S%d\",\"subjects\":[\"s.%d\"]}", i, i);
        ck_assert_ok(world_stream(&w, text, &last, NULL));
        watches[i] = (ri_watch){.grew = on_grew};
        ri_watch_begin(&watches[i], last);
    }
    world_turn(&w);
    w.router.budget.longest = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "s.%d", i);
        ck_assert_int_ge(world_publish(&w, text, "", "", "b"), 1);
    }
    ri_js_prepare(w.js, w.log);
    ck_assert_ok(ri_log_commit(w.log));
    ri_budget_open(&w.router.budget);
    ri_js_committed(w.js, w.log, RILL_OK, w.wall_ns, w.mono_ns);
    ri_budget_close(&w.router.budget);
    ck_assert_int_gt(grown, 0);
    ck_assert_int_lt(grown, MANY);
    ck_assert(ri_js_waiting(w.js));
    ck_assert_int_ge(world_publish(&w, text, "", "", "b"), 1); /* to the last of them */
    world_turn(&w);
    ck_assert_int_ge(grown, MANY);
    ri_fetch_ends ends;
    ri_fetch_ends_of(last, &ends);
    ck_assert_int_eq(ends.end, 2);
    ck_assert_uint_le(w.router.budget.longest, RI_BUDGET_TURN + RI_BUDGET_SLICE);
    for (int i = 0; i < MANY; i++) ri_watch_end(&watches[i]);
}
END_TEST

SUITE_MAIN_ROWS("fetch", SUITE_WITH(setup, teardown, test_both_kinds, test_verbatim, test_limits,
                                    test_out_of_range, test_gaps, test_thinned,
                                    test_thinned_slices, test_thinned_at_the_front,
                                    test_without_room,
                                    test_not_committed, test_subjects, test_slices,
                                    test_without_memory, test_watch, test_many_grown))
