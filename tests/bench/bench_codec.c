/* SPDX-License-Identifier: Apache-2.0 */
/* What a message costs between the sockets: parsing, matching, writing. Each figure is the
 * median of 5 rounds. The match without cache is measured over the same published subjects while
 * the number of subscriptions around them grows from 10 to 1 M: what a broker's other tenants
 * cost a publisher. The row "spread" publishes on all of the subscriptions' subjects at random, so
 * that each publish meets cold memory, too. Exits with failure if the ratio is above 3. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "codec/jetstream/jsapi.h"
#include "codec/nats/nats.h"
#include "codec/nats/nats_json.h"
#include "engine/live/match_cache.h"
#include "support/rng.h"

enum { ROUNDS = 5, PAYLOAD = 128, STREAM = 1 << 18 };

static ri_host host;
static size_t host_bytes; /* that the code under test has now */
static volatile uint64_t sink; /* keeps the compiler from dropping the work */

static void *host_alloc(void *arg, void *p, size_t old_size, size_t new_size)
{
    (void)arg;
    host_bytes += new_size - old_size;
    if (new_size) return realloc(p, new_size);
    free(p);
    return NULL;
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median ns of a call of `work`, which does its thing `times` times. */
static double measure(void (*work)(void *arg, size_t times), void *arg, size_t times)
{
    double ns[ROUNDS];
    work(arg, times / 10 + 1);
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ns();
        work(arg, times);
        ns[i] = (now_ns() - start) / (double)times;
    }
    qsort(ns, ROUNDS, sizeof *ns, compare);
    return ns[ROUNDS / 2];
}

/* ---- Parsing and writing ---- */

static char stream[STREAM];
static size_t stream_len;

static void fill(ri_str subject, ri_str reply)
{
    static char payload[PAYLOAD];
    memset(payload, 'x', sizeof payload);
    char *out = stream;
    while (out + 2 * PAYLOAD + 100 < stream + sizeof stream) {
        out = ri_nats_put_pub(out, subject, reply, 0, PAYLOAD);
        out = ri_str_put(out, (ri_str){payload, PAYLOAD});
        out = ri_str_put(out, RI_NATS_CRLF);
    }
    stream_len = (size_t)(out - stream);
}

static void parse(void *arg, size_t times)
{
    (void)arg;
    ri_nats p;
    ri_nats_op op;
    ri_nats_init(&p, RI_NATS_FROM_CLIENT);
    const char *s = stream, *end = stream + stream_len;
    for (size_t i = 0; i < times; i++) {
        s += ri_nats_parse(&p, s, end, &op);
        if (s == end) s = stream;
        sink += op.m.data.len;
    }
}

static void write_lines(void *arg, size_t times)
{
    const ri_nats_line *line = arg;
    char out[256];
    for (size_t i = 0; i < times; i++) {
        char *end = ri_nats_put_msg(out, line, i & 1 ? RI_STR("7") : RI_STR("1234"));
        sink += (uint64_t)(end - out) + (unsigned char)out[i & 31];
    }
}

static void begin_lines(void *arg, size_t times)
{
    (void)arg;
    for (size_t i = 0; i < times; i++) {
        ri_nats_line line;
        ri_nats_line_init(&line, RI_STR("a"), RI_STR_NONE, 0, i & 1 ? 128 : 1024);
        sink += line.tail_len;
    }
}

static void bench_lines(void)
{
    ri_nats_line line;
    fill(RI_STR("orders.eu.berlin"), RI_STR_NONE);
    printf("parse a PUB of 128 B                 %7.1f ns\n", measure(parse, NULL, 2000000));
    fill(RI_STR("orders.eu.berlin"), RI_STR("_INBOX.Yq8wZ5qU3k6R1t0p9sXvBn.42"));
    printf("parse one with a reply               %7.1f ns\n", measure(parse, NULL, 2000000));
    ri_nats_line_init(&line, RI_STR("orders.eu.berlin"), RI_STR_NONE, 0, PAYLOAD);
    printf("begin the lines of a message         %7.1f ns\n", measure(begin_lines, NULL, 5000000));
    printf("write one MSG line                   %7.1f ns\n", measure(write_lines, &line, 5000000));
}

/* ---- Matching ---- */

enum { TEXT = 48, PUBLISHED = 512, SPREAD = 65536 };

typedef struct world {
    ri_interest interest;
    ri_interest_entry *entries;
    char (*texts)[TEXT];
    size_t count;
    double add_ns, bytes; /* of one subscription, on average */
    ri_match_cache cache;
    ri_str published[PUBLISHED];
    char published_text[PUBLISHED][TEXT];
    char (*spread)[TEXT]; /* SPREAD subjects, each matched by a subscription taken at random */
    rng r;
} world;

static void check(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench_codec: %s failed\n", what);
    exit(1);
}

/* A third each: literal, one inbox per client, a wildcard in the middle. */
static void subject_of(size_t i, char text[TEXT])
{
    uint64_t id = ri_hash_u64(i + 1);
    if (i % 3 == 0) snprintf(text, TEXT, "orders.%u.item.%zu", (unsigned)(id % 1000), i);
    if (i % 3 == 1) snprintf(text, TEXT, "_INBOX.%016llx.*", (unsigned long long)id);
    if (i % 3 == 2) snprintf(text, TEXT, "fleet.%zu.*.position", i);
}

/* A published subject that the i-th subscription matches. */
static void publish_of(size_t i, char text[TEXT])
{
    uint64_t id = ri_hash_u64(i + 1);
    if (i % 3 == 0) snprintf(text, TEXT, "orders.%u.item.%zu", (unsigned)(id % 1000), i);
    if (i % 3 == 1) snprintf(text, TEXT, "_INBOX.%016llx.17", (unsigned long long)id);
    if (i % 3 == 2) snprintf(text, TEXT, "fleet.%zu.truck.position", i);
}

static void world_open(world *w, size_t count)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->r, 1);
    w->count = count;
    w->entries = calloc(count, sizeof *w->entries);
    w->texts = calloc(count, sizeof *w->texts);
    w->spread = calloc(SPREAD, sizeof *w->spread);
    check(w->entries && w->texts && w->spread, "memory");
    ri_interest_init(&w->interest, &host);
    for (size_t i = 0; i < count; i++) {
        subject_of(i, w->texts[i]);
        w->entries[i].subject = ri_str_of(w->texts[i]);
    }
    size_t before = host_bytes;
    double start = now_ns();
    for (size_t i = 0; i < count; i++)
        check(ri_interest_add(&w->interest, &w->entries[i]) == RILL_OK, "add");
    w->add_ns = (now_ns() - start) / (double)count;
    w->bytes = (double)(host_bytes - before) / (double)count;
    for (size_t i = 0; i < SPREAD; i++) publish_of(rng_below(&w->r, count), w->spread[i]);
    ri_match_cache_init(&w->cache, &host, 0, 0);
}

static void world_publish(world *w, size_t distinct)
{
    for (size_t i = 0; i < PUBLISHED; i++) {
        publish_of(i % distinct, w->published_text[i]);
        w->published[i] = ri_str_of(w->published_text[i]);
    }
}

static void world_close(world *w)
{
    ri_match_cache_fini(&w->cache);
    for (size_t i = 0; i < w->count; i++) ri_interest_remove(&w->interest, &w->entries[i]);
    check(w->interest.count == 0 && !w->interest.root, "remove");
    ri_interest_fini(&w->interest);
    free(w->entries);
    free(w->texts);
    free(w->spread);
}

static void hit(void *arg, size_t times)
{
    world *w = arg;
    for (size_t i = 0; i < times; i++) {
        ri_str subject = w->published[i % PUBLISHED];
        sink += ri_match_cache_get(&w->cache, &w->interest, subject)->nplain;
    }
}

static bool count_ring(void *arg, ri_interest_entry *ring)
{
    (void)ring;
    ++*(uint64_t *)arg;
    return true;
}

static void walk(void *arg, size_t times)
{
    world *w = arg;
    uint64_t found = 0;
    for (size_t i = 0; i < times; i++) {
        ri_str subject = w->published[i % PUBLISHED];
        ri_interest_walk(&w->interest, subject, ri_hash(subject), count_ring, &found);
    }
    check(found == times, "match");
    sink += found;
}

static void spread(void *arg, size_t times)
{
    world *w = arg;
    uint64_t found = 0;
    for (size_t i = 0; i < times; i++) {
        ri_str subject = ri_str_of(w->spread[i % SPREAD]);
        ri_interest_walk(&w->interest, subject, ri_hash(subject), count_ring, &found);
    }
    check(found == times, "match");
    sink += found;
}

/* An answer made and forgotten: caches of one entry, subjects by turns. */
static void miss(void *arg, size_t times)
{
    world *w = arg;
    for (size_t i = 0; i < times; i++) {
        ri_str subject = w->published[i % 9];
        sink += ri_match_cache_get(&w->cache, &w->interest, subject)->nplain;
    }
}

/* Answers kept while clients come and go between publishes, each with its inbox. */
static void bench_churn(world *w)
{
    enum { CHURN = 200000 };
    ri_interest_entry inbox;
    char text[TEXT];
    w->cache.hits = w->cache.misses = 0;
    for (size_t i = 0; i < CHURN; i++) {
        memset(&inbox, 0, sizeof inbox);
        snprintf(text, sizeof text, "_INBOX.%016llx.*", (unsigned long long)rng_next(&w->r));
        inbox.subject = ri_str_of(text);
        check(ri_interest_add(&w->interest, &inbox) == RILL_OK, "add");
        sink += ri_match_cache_get(&w->cache, &w->interest, w->published[i % PUBLISHED])->nplain;
        ri_interest_remove(&w->interest, &inbox);
        sink += ri_match_cache_get(&w->cache, &w->interest,
                                   w->published[i * 7 % PUBLISHED])->nplain;
    }
    uint64_t asked = w->cache.hits + w->cache.misses;
    printf("cache hits, a change before each     %7.2f %%  (512 subjects, inboxes come and go)\n",
           (double)w->cache.hits * 100 / (double)asked);
}

static void bench_cache(world *w)
{
    world_publish(w, 512);
    printf("cache hit, 512 subjects              %7.1f ns\n", measure(hit, w, 5000000));
    world_publish(w, 1);
    printf("cache hit, one subject               %7.1f ns\n", measure(hit, w, 5000000));
    ri_match_cache_fini(&w->cache);
    ri_match_cache_init(&w->cache, &host, 1, 0);
    world_publish(w, 9);
    printf("cache miss, answer made and kept     %7.1f ns\n", measure(miss, w, 1000000));
    ri_match_cache_fini(&w->cache);
    ri_match_cache_init(&w->cache, &host, 0, 0);
    world_publish(w, 512);
    bench_churn(w);
}

/* ---- JSON of requests, into structs ---- */

static const char connect_json[] =
    "{\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"name\":\"a worker\","
    "\"lang\":\"go\",\"version\":\"1.38.0\",\"protocol\":1,\"echo\":true,\"headers\":true,"
    "\"no_responders\":true}";
static const char consumer_json[] =
    "{\"stream_name\":\"ORDERS\",\"config\":{\"durable_name\":\"worker\",\"name\":\"worker\","
    "\"deliver_policy\":\"all\",\"ack_policy\":\"explicit\",\"ack_wait\":30000000000,"
    "\"max_deliver\":5,\"backoff\":[1000000000,5000000000],\"filter_subjects\":[\"orders.a.*\","
    "\"orders.b.>\"],\"replay_policy\":\"instant\",\"max_waiting\":512,\"max_ack_pending\":1000,"
    "\"num_replicas\":0,\"metadata\":{\"owner\":\"team a\",\"note\":\"caf\\u00e9\"}},"
    "\"action\":\"create\"}";

static void read_connect(void *arg, size_t times)
{
    (void)arg;
    for (size_t i = 0; i < times; i++) {
        ri_nats_connect connect;
        ri_arena arena;
        ri_arena_init(&arena, &host);
        ri_nats_connect_init(&connect);
        check(ri_nats_connect_read(&connect, ri_str_of(connect_json), &arena) == RILL_OK, "read");
        sink += connect.name.len;
        ri_arena_fini(&arena);
    }
}

static void read_consumer(void *arg, size_t times)
{
    (void)arg;
    for (size_t i = 0; i < times; i++) {
        ri_js_consumer_request request;
        ri_arena arena;
        ri_arena_init(&arena, &host);
        check(ri_jsapi_decode(&ri_jsapi_consumer_request, ri_str_of(consumer_json), true, &arena,
                              &request) == RILL_OK, "decode");
        sink += request.conf.filter_subjects.len;
        ri_arena_fini(&arena);
    }
}

enum { NAMES_BYTES = 300000 };

static void read_names(void *arg, size_t times)
{
    const ri_buffer *json = arg;
    for (size_t i = 0; i < times; i++) {
        ri_js_consumer_request request;
        ri_arena arena;
        ri_arena_init(&arena, &host);
        check(ri_jsapi_decode(&ri_jsapi_consumer_request, ri_buffer_str(json), true, &arena,
                              &request) == RILL_OK, "decode");
        sink += request.conf.filter_subjects.len;
        ri_arena_fini(&arena);
    }
}

static void bench_json(void)
{
    ri_buffer json;
    printf("JSON, CONNECT of %zu B               %7.1f ns\n", sizeof connect_json - 1,
           measure(read_connect, NULL, 100000));
    printf("JSON, consumer of %zu B              %7.1f ns\n", sizeof consumer_json - 1,
           measure(read_consumer, NULL, 100000));
    ri_buffer_init(&json, &host);
    ri_buffer_puts(&json, "{\"config\":{\"filter_subjects\":[\"first\"");
    for (int i = 0; json.len < NAMES_BYTES; i++) ri_buffer_printf(&json, ",\"orders.%d.*.>\"", i);
    ri_buffer_puts(&json, "]}}");
    check(!json.failed, "memory");
    printf("JSON, a consumer of many filters     %7.2f ns a byte\n",
           measure(read_names, &json, 20) / (double)json.len);
    ri_buffer_fini(&json);
}

/* Turn and turn about, so that what else the machine does falls on both. */
static double ratio(world *small, world *large)
{
    double ratios[ROUNDS];
    world_publish(small, 10);
    world_publish(large, 10);
    for (int i = 0; i < ROUNDS; i++)
        ratios[i] = measure(walk, large, 300000) / measure(walk, small, 300000);
    qsort(ratios, ROUNDS, sizeof *ratios, compare);
    return ratios[ROUNDS / 2];
}

int main(void)
{
    static world small, large;
    ri_host_init(&host, NULL);
    host.alloc = host_alloc;
    bench_lines();
    bench_json();
    world_open(&small, 10);
    for (size_t count = 10; count <= 1000000; count *= 10) {
        world_open(&large, count);
        world_publish(&large, 10);
        double same = measure(walk, &large, 500000);
        printf("%8zu subscriptions: match %6.1f ns, spread %6.1f ns, add %6.1f ns, %4.0f B each\n",
               count, same, measure(spread, &large, 200000), large.add_ns, large.bytes);
        if (count < 1000000) world_close(&large);
    }
    bench_cache(&large);
    double times = ratio(&small, &large);
    world_close(&large);
    world_close(&small);
    printf("match, 1 M subscriptions to 10       %7.2f x  (must be <= 3, aim 2)\n", times);
    return times <= 3 ? 0 : 1;
}
