/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of streams and consumers has half of the memory: where that is used up more is
 * refused, by an error that says so, those who are there go on, and a store opens in any case. */
#include <string.h>

#include "base/error.h"
#include "engine/streams/js_state.h"
#include "engine/streams/purge.h"
#include "support/streams.h"

enum { BUDGET = 512 * 1024, FLOOD = 100000 };

static uint64_t held(const world *w)
{
    return ri_memory_used(&w->router.memory, RI_MEMORY_DURABLE);
}

static uint64_t share(const world *w)
{
    return ri_memory_share(&w->router.memory, RI_MEMORY_DURABLE);
}

/* A world with stream S, which has a message on s.known, and so much memory. */
static world *small_world(const char *more)
{
    world *w = open_world();
    stream(w, more);
    expect(w, "s.known", "", "x", ACK(1));
    ri_memory_set_limit(&w->router.memory, BUDGET);
    return w;
}

static const char *filler(size_t len)
{
    static char text[9000];
    ck_assert_uint_lt(len, sizeof text);
    memset(text, 'm', len);
    text[len] = 0;
    return text;
}

static int make_stream(world *w, int n, size_t metadata, ri_js_error *e)
{
    static char json[10000];
    snprintf(json, sizeof json, "{\"name\":\"A%d\",\"subjects\":[\"a.%d\"],"
             "\"metadata\":{\"m\":\"%s\"}}", n, n, filler(metadata));
    return world_stream(w, json, NULL, e);
}

static void ck_is_full(int rc, const ri_js_error *e)
{
    ck_assert_int_eq(rc, RILL_EFULL);
    ck_assert_int_eq(e->err_code, 10023);
    ck_assert_int_eq(e->code, 503);
    ck_assert_ptr_nonnull(strstr(e->text, "insufficient resources: no room for "));
    ck_assert_ptr_nonnull(strstr(e->text, "memory_bytes"));
}

/* As many as there is room for; how many. */
static int fill_with_streams(world *w, size_t metadata)
{
    ri_js_error e = {0};
    int n = 0, rc = 0;
    while (n < FLOOD && (rc = make_stream(w, n, metadata, &e)) >= 0) n++;
    ck_is_full(rc, &e);
    ck_assert_uint_ge(held(w), share(w));
    ck_assert_uint_le(held(w), share(w) + metadata + 8192);
    return n;
}

START_TEST(test_streams)
{
    world *w = small_world("");
    ri_js_error e = {0};
    uint64_t refusals = atomic_load(&w->router.memory.refusals);
    int n = fill_with_streams(w, 8000);
    ck_assert_int_gt(n, 12);
    ck_assert_int_lt(n, 33);
    ck_assert_uint_gt(atomic_load(&w->router.memory.refusals), refusals);
    ck_assert_ok(make_stream(w, 0, 8000, &e)); /* it is there, as it is asked for */
    expect(w, "s.known", "", "x", ACK(2));
    ck_assert_ok(ri_stream_delete(ri_js_stream(w->js, RI_STR("A0")), &e));
    ck_assert_ok(make_stream(w, 0, 8000, &e));
    ck_is_full(make_stream(w, n, 8000, &e), &e);
    for (int i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "A%d", i);
        ck_assert_ok(ri_stream_delete(ri_js_stream(w->js, ri_str_of(name)), &e));
    }
    ck_assert_uint_lt(held(w), 16384);
    world_fini(w);
}
END_TEST

/* An update that needs more is refused, one that needs less is not. */
START_TEST(test_updates)
{
    world *w = small_world("");
    ri_js_error e = {0};
    static char json[10000];
    ri_arena arena;
    ri_js_stream_request request;
    fill_with_streams(w, 1000);
    ri_stream *s = ri_js_stream(w->js, RI_STR("A1"));
    for (int more = 1; more >= 0; more--) {
        ri_arena_init(&arena, &w->f->host);
        snprintf(json, sizeof json, "{\"name\":\"A1\",\"subjects\":[\"a.1\"],"
                 "\"metadata\":{\"m\":\"%s\"}}", filler(more ? 8000 : 10));
        ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_request, ri_str_of(json), false, &arena,
                                     &request));
        uint64_t before = held(w);
        int rc = ri_stream_update(s, &request, &e);
        if (more) ck_is_full(rc, &e);
        else ck_assert_ok(rc);
        if (more) ck_assert_uint_eq(held(w), before);
        else ck_assert_uint_lt(held(w), before);
        ri_arena_fini(&arena);
    }
    world_fini(w);
}
END_TEST

static int make_consumer(world *w, int n, int filters, ri_js_error *e)
{
    static char json[20000];
    size_t len = (size_t)snprintf(json, sizeof json, "{\"name\":\"c%d\",\"ack_policy\":\"none\","
                                  "\"filter_subjects\":[", n);
    for (int i = 0; i < filters; i++)
        len += (size_t)snprintf(json + len, sizeof json - len, "%s\"s.%d.%d\"", i ? "," : "", n, i);
    snprintf(json + len, sizeof json - len, "]}");
    return world_consumer(w, "S", json, NULL, e);
}

START_TEST(test_consumers)
{
    world *w = small_world("");
    ri_js_error e = {0};
    int n = 0, rc = 0;
    while (n < FLOOD && (rc = make_consumer(w, n, 100, &e)) >= 0) n++;
    ck_is_full(rc, &e);
    ck_assert_int_gt(n, 3);
    ck_assert_int_lt(n, 40);
    ck_is_full(make_consumer(w, 0, 200, &e), &e); /* with other filters, of which there are more */
    ck_assert_ok(make_consumer(w, 0, 50, &e));
    expect(w, "s.known", "", "x", ACK(2));
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    ri_consumer_delete(ri_stream_consumer(s, RI_STR("c1")));
    ck_assert_ok(make_consumer(w, 1, 10, &e));
    size_t left;
    while (ri_stream_consumers(s, &left), left > 0)
        ri_consumer_delete(ri_stream_consumers(s, &left)[0]);
    ck_assert_uint_lt(held(w), 16384);
    world_fini(w);
}
END_TEST

/* Distinct subjects until there is no room for another; how many. */
static int fill_with_subjects(world *w)
{
    char subject[32];
    int n = 0;
    for (; n < FLOOD; n++) {
        snprintf(subject, sizeof subject, "s.%x.%d", (unsigned)n * 2654435761u, n);
        world_publish(w, subject, "ack", "", "x");
        if (n % 64 == 63) world_turn(w);
        if (w->told.len && memmem(w->told.ptr, w->told.len, "10023", 5)) break;
        ri_buffer_reset(&w->told);
    }
    world_turn(w);
    ri_buffer_reset(&w->told);
    return n;
}

#define FULL ERR(503, 10023, "insufficient resources: no room for another subject: half of " \
                 "memory_bytes is taken by what is known of streams")

START_TEST(test_subjects)
{
    world *w = small_world("");
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    int n = fill_with_subjects(w);
    ck_assert_int_gt(n, 2000);
    ck_assert_int_lt(n, FLOOD);
    ck_assert_uint_le(held(w), share(w) + 128 * 1024); /* a chunk of the index */
    uint64_t last = state_of(s).last_seq;
    expect(w, "s.new", "", "x", FULL);
    world_publish(w, "s.known", "", "", "x"); /* as well as before */
    world_turn(w);
    ck_assert_uint_eq(state_of(s).last_seq, last + 1);
    ck_assert_uint_eq(state_of(s).num_subjects, last); /* each has its own, but s.known */
    uint64_t purged;
    ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, 0, 0, &purged, NULL));
    world_turn(w);
    ck_assert_uint_lt(held(w), 16384);
    world_publish(w, "s.new", "", "", "x");
    world_turn(w);
    ck_assert_uint_eq(state_of(s).messages, 1);
    world_fini(w);
}
END_TEST

/* What is there is opened, also by one that would not have had room for it. */
START_TEST(test_reopened)
{
    world *w = small_world("");
    fill_with_subjects(w);
    ri_js_error e = {0};
    uint64_t messages = state_of(ri_js_stream(w->js, RI_STR("S"))).messages;
    ck_assert_ok(world_restart(w));
    ri_memory_set_limit(&w->router.memory, BUDGET / 4);
    ck_assert_ok(world_restart(w));
    ck_assert_uint_gt(held(w), share(w));
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    ck_assert_uint_eq(state_of(s).messages, messages);
    ck_is_full(make_stream(w, 0, 10, &e), &e);
    ck_is_full(make_consumer(w, 0, 1, &e), &e);
    expect(w, "s.new", "", "x", FULL);
    uint64_t last = state_of(s).last_seq;
    world_publish(w, "s.known", "", "", "x");
    world_turn(w);
    ck_assert_uint_eq(state_of(s).last_seq, last + 1);
    ck_assert_uint_gt(ri_memory_share(&w->router.memory, RI_MEMORY_OUTPUT), 0);
    world_fini(w);
}
END_TEST

static void publish_id(world *w, const char *subject, const char *kind, int n)
{
    char headers[64];
    snprintf(headers, sizeof headers, "Nats-Msg-Id: %s-%020d\r\n", kind, n);
    world_publish(w, subject, "ack", headers, "x");
}

static bool is_duplicate(world *w, const char *subject, const char *kind, int n)
{
    ri_buffer_reset(&w->told);
    publish_id(w, subject, kind, n);
    world_turn(w);
    bool found = memmem(w->told.ptr, w->told.len, "duplicate", 9) != NULL;
    ri_buffer_reset(&w->told);
    return found;
}

/* Who floods a window of ids loses the oldest of his own, which is told; another's window grows. */
START_TEST(test_ids)
{
    enum { IDS = 20000, FEW = 300 };
    world *w = small_world("");
    ri_stream *s = ri_js_stream(w->js, RI_STR("S")), *o;
    ck_assert_ok(world_stream(w, "{\"name\":\"O\",\"subjects\":[\"o\"]}", &o, NULL));
    world_publish(w, "o", "", "", "its subject is known");
    for (int n = 0; n < IDS; n++) {
        publish_id(w, "s.known", "s", n);
        if (n % 64 == 0) world_turn(w);
        ri_buffer_reset(&w->told);
    }
    ck_assert_uint_gt(s->dedupe.forgotten, 0);
    ck_assert_uint_gt(s->dedupe.count, 500);
    ck_assert_uint_le(held(w), share(w) + share(w) / 4);
    uint64_t forgotten = s->dedupe.forgotten;
    for (int n = 0; n < FEW; n++) publish_id(w, "o", "o", n);
    world_turn(w);
    ck_assert_uint_eq(o->dedupe.forgotten, 0);
    ck_assert_uint_eq(o->dedupe.count, FEW);
    ck_assert_uint_gt(s->dedupe.forgotten, forgotten);
    ck_assert_uint_eq(s->forgotten_reported > 0, 1);
    for (int n = 0; n < FEW; n += 50) ck_assert(is_duplicate(w, "o", "o", n));
    ck_assert(is_duplicate(w, "s.known", "s", IDS - 1));
    /* And when the window is over they are gone, though nobody publishes. */
    ri_buffer_reset(&w->told);
    world_wait(w, 121000);
    ck_assert_uint_eq(s->dedupe.count, 0);
    ck_assert_uint_eq(ri_dedupe_bytes(&s->dedupe), 0);
    ck_assert_uint_lt(held(w), 32768);
    world_fini(w);
}
END_TEST

/* One that may not forget refuses, and is robbed by nobody. */
START_TEST(test_strict_ids)
{
    enum { IDS = 20000 };
    world *w = small_world("\"metadata\":{\"rill.dedupe_full\":\"refuse\"}");
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    ck_assert(!s->dedupe.opts.forget);
    int n = 0;
    for (; n < IDS; n++) {
        publish_id(w, "s.known", "s", n);
        world_turn(w);
        if (memmem(w->told.ptr, w->told.len, "error", 5)) break;
        ri_buffer_reset(&w->told);
    }
    ck_assert_int_gt(n, 500);
    ck_assert_int_lt(n, IDS);
    ck_assert_ptr_nonnull(memmem(w->told.ptr, w->told.len, "maximum message ids exceeded", 28));
    ck_assert_uint_eq(s->dedupe.forgotten, 0);
    ck_assert(is_duplicate(w, "s.known", "s", 0));
    ck_assert_uint_eq(s->dedupe.count, (uint64_t)n);
    uint64_t last = state_of(s).last_seq;
    world_publish(w, "s.known", "", "", "x"); /* without an id */
    world_turn(w);
    ck_assert_uint_eq(state_of(s).last_seq, last + 1);
    world_fini(w);
}
END_TEST

/* A message with a time of its own takes memory beside its subject, and gives it back. */
START_TEST(test_times)
{
    world *w = small_world("\"allow_msg_ttl\":true");
    ri_stream *s = ri_js_stream(w->js, RI_STR("S"));
    int n = 0;
    for (; n < FLOOD; n++) {
        world_publish(w, "s.known", "ack", "Nats-TTL: 100\r\n", "x");
        if (n % 64 == 63) world_turn(w);
        if (memmem(w->told.ptr, w->told.len, "time of its own", 15)) break;
        ri_buffer_reset(&w->told);
    }
    ck_assert_int_gt(n, 4000);
    ck_assert_int_lt(n, FLOOD);
    world_turn(w);
    uint64_t last = state_of(s).last_seq;
    world_publish(w, "s.known", "", "", "x");
    world_turn(w);
    ck_assert_uint_eq(state_of(s).last_seq, last + 1);
    ri_buffer_reset(&w->told);
    world_wait(w, 101000);
    ck_assert_uint_eq(state_of(s).messages, 2);
    ck_assert_uint_lt(held(w), 16384);
    world_fini(w);
}
END_TEST

/* A mirror waits for room, and loses nothing. */
START_TEST(test_mirror_waits)
{
    world *w = small_world("");
    ri_stream *s = ri_js_stream(w->js, RI_STR("S")), *m;
    ck_assert_ok(world_stream(w, "{\"name\":\"M\",\"mirror\":{\"name\":\"S\"}}", &m, NULL));
    fill_with_subjects(w);
    world_wait(w, 5000);
    ck_assert_uint_lt(state_of(m).messages, state_of(s).messages);
    ri_memory_set_limit(&w->router.memory, BUDGET * 8);
    world_wait(w, 5000);
    ck_assert_uint_eq(state_of(m).messages, state_of(s).messages);
    ck_assert_uint_eq(state_of(m).num_subjects, state_of(s).num_subjects);
    world_fini(w);
}
END_TEST

/* What is durable and what comes and goes share one budget. */
START_TEST(test_shares)
{
    enum { MIB = 1024 * 1024 };
    ri_memory m;
    ri_memory_init(&m);
    ck_assert(!ri_memory_is_full(&m, RI_MEMORY_DURABLE));
    ck_assert_uint_eq(ri_memory_share(&m, RI_MEMORY_DURABLE), UINT64_MAX);
    ri_memory_set_limit(&m, 64 * MIB);
    ck_assert_uint_eq(ri_memory_share(&m, RI_MEMORY_DURABLE), 32 * MIB);
    ck_assert_uint_eq(ri_memory_share(&m, RI_MEMORY_OUTPUT), 24 * MIB);
    ck_assert(ri_memory_charge(&m, RI_MEMORY_DURABLE, 16 * MIB));
    ck_assert_uint_eq(ri_memory_share(&m, RI_MEMORY_OUTPUT), 18 * MIB);
    ck_assert(!ri_memory_charge(&m, RI_MEMORY_DURABLE, 160 * MIB)); /* of a store that was opened */
    ck_assert(ri_memory_is_full(&m, RI_MEMORY_DURABLE));
    ck_assert_uint_eq(ri_memory_share(&m, RI_MEMORY_OUTPUT), 12 * MIB);
    ck_assert_uint_eq(ri_memory_share(&m, RI_MEMORY_WORK), 4 * MIB);
    ri_memory_refund(&m, RI_MEMORY_DURABLE, 176 * MIB);
    ck_assert_uint_eq(ri_memory_share(&m, RI_MEMORY_OUTPUT), 24 * MIB);
    ri_memory_set_limit(&m, 0);
    ck_assert_uint_eq(ri_memory_share(&m, RI_MEMORY_WORK), UINT64_MAX);
}
END_TEST

SUITE_MAIN("room", test_streams, test_updates, test_consumers, test_subjects, test_reopened,
           test_ids, test_strict_ids, test_times, test_mirror_waits, test_shares)
