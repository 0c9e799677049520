/* SPDX-License-Identifier: Apache-2.0 */
/* What a consumer's filters cost: a publish while it waits, its making and its first messages. The
 * engine by itself, in memory, on one thread. What the wire adds is in filters.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "codec/jetstream/jsapi.h"
#include "engine/streams/consumer.h"
#include "engine/streams/stream.h"

enum { ROUNDS = 2000 };

typedef struct bench {
    ri_host host;
    ri_router router;
    ri_log *log;
    ri_js *js;
    ri_party from, ear;
    ri_subscription inbox;
    ri_stream *stream;
    uint64_t got;
} bench;

static void check(int rc, const char *what)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s: %s\n", what, ri_err_text());
    exit(1);
}

static double now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static bool ear_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub, (void)d;
    ri_container_of(party, bench, ear)->got++;
    return true;
}

static const ri_party_ops ear_ops = {.deliver = ear_deliver};

static void turn(bench *b)
{
    int64_t ns = ri_mono_ns(&b->host);
    b->router.time_ns = ri_wall_ns(&b->host);
    do ri_js_step(b->js, b->router.time_ns, ns);
    while (ri_js_waiting(b->js));
}

static void publish(bench *b, const char *subject)
{
    ri_message m = {.subject = ri_str_of(subject), .data = RI_STR("0123456789abcdef")};
    check(ri_router_publish(&b->from, &(ri_publish){.m = &m}), "publish");
}

static void bench_open(bench *b, int subjects)
{
    memset(b, 0, sizeof *b);
    ri_host_init(&b->host, NULL);
    check(ri_router_init(&b->router, &b->host), "router");
    check(ri_log_open(&b->log, &(ri_log_opts){.host = &b->host}), "log");
    ri_js_opts opts = {.host = &b->host, .router = &b->router, .memory_log = b->log};
    check(ri_js_open(&b->js, &opts, ri_wall_ns(&b->host), ri_mono_ns(&b->host)), "engine");
    ri_party_init(&b->from, &b->router, &ear_ops);
    ri_party_init(&b->ear, &b->router, &ear_ops);
    b->inbox.entry.subject = RI_STR("inbox");
    check(ri_router_subscribe(&b->ear, &b->inbox), "subscribe");
    ri_arena arena;
    ri_arena_init(&arena, &b->host);
    ri_js_stream_request request;
    ri_js_error e = {0};
    check(ri_jsapi_decode(&ri_jsapi_stream_request,
                          RI_STR("{\"name\":\"S\",\"subjects\":[\"s.>\"],\"storage\":\"memory\"}"),
                          true, &arena, &request), "decode");
    check(ri_stream_create(b->js, &request, &b->stream, &e), e.text);
    ri_arena_fini(&arena);
    char subject[40];
    for (int i = 0; i < subjects; i++) {
        snprintf(subject, sizeof subject, "s.%d.x", i);
        publish(b, subject);
        if (i % 1000 == 0) turn(b);
    }
    turn(b);
}

static void bench_close(bench *b)
{
    ri_js_close(b->js);
    ri_party_fini(&b->from);
    ri_party_fini(&b->ear);
    ri_router_fini(&b->router);
    ri_log_close(b->log);
}

/* A pull consumer of `n` filters, of which every tenth has a wildcard; they name subjects that are
 * there, or none that is. */
static ri_consumer *make_consumer(bench *b, int n, bool there, const char *policy)
{
    ri_arena arena;
    ri_arena_init(&arena, &b->host);
    ri_buffer json;
    ri_buffer_init(&json, &b->host);
    ri_buffer_printf(&json, "{\"stream_name\":\"S\",\"config\":{\"name\":\"C\",\"ack_policy\":"
                     "\"none\",\"deliver_policy\":\"%s\",\"filter_subjects\":[", policy);
    for (int i = 0; i < n; i++)
        ri_buffer_printf(&json, i % 10 == 9 ? "%s\"s.%s%d.*\"" : "%s\"s.%s%d.x\"", i ? "," : "",
                         there ? "" : "none", i * 3);
    ri_buffer_puts(&json, "]}}");
    ri_js_consumer_request request;
    ri_js_error e = {0};
    ri_consumer *c = NULL;
    check(ri_jsapi_decode(&ri_jsapi_consumer_request, ri_buffer_str(&json), true, &arena, &request),
          "decode");
    check(ri_consumer_create(b->stream, &request, &c, &e), e.text);
    ri_buffer_fini(&json);
    ri_arena_fini(&arena);
    turn(b);
    return c;
}

static void pull(bench *b, ri_consumer *c, int64_t batch)
{
    ri_js_pull_request request = {.batch = batch, .expires = 3600 * RI_SEC};
    check(ri_consumer_pull(c, RI_STR("inbox"), &request), "pull");
    turn(b);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of a publish and its turn; `longest`: of all of them. */
static double measure(bench *b, const char *subject, double *longest)
{
    static double took[ROUNDS];
    *longest = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_us();
        publish(b, subject);
        turn(b);
        took[i] = now_us() - start;
        *longest = RI_MAX(*longest, took[i]);
    }
    qsort(took, ROUNDS, sizeof *took, by_value);
    return took[ROUNDS / 2];
}

static void row_publish(int subjects, int filters)
{
    bench b;
    double longest, longest_hit;
    bench_open(&b, subjects);
    double alone = measure(&b, "s.1.x", &longest);
    ri_consumer *c = make_consumer(&b, filters, true, "new");
    pull(&b, c, INT32_MAX);
    double miss = measure(&b, "s.1.x", &longest);
    if (b.got) check(RILL_EBUG, "nothing matches");
    double hit = measure(&b, "s.0.x", &longest_hit);
    if (b.got != ROUNDS) check(RILL_EBUG, "all match");
    double must = filters > 20 ? 50 : 10;
    printf("%8d %8d %10.2f %10.2f %10.2f %10.1f %10.1f   %s\n", subjects, filters, alone,
           miss - alone, hit - alone, longest, longest_hit,
           miss - alone < must && hit - alone < must ? "ok" : "MISSED");
    bench_close(&b);
}

static void row_make(int subjects, int filters)
{
    bench b;
    bench_open(&b, subjects);
    double start = now_us();
    ri_consumer *c = make_consumer(&b, filters, true, "all");
    double made = now_us();
    pull(&b, c, 1);
    double pulled = now_us();
    printf("%8d %8d %10.2f ms %10.2f ms\n", subjects, filters, (made - start) / 1e3,
           (pulled - made) / 1e3);
    if (b.got != 1) check(RILL_EBUG, "one message");
    bench_close(&b);
}

/* Subscriptions of tokens that are a or a star, and a last one of its own: as many as are taken of
 * 2^14 deep ones, and all short ones. Publishes that reach as many of their nodes as they can, and
 * nobody; and those of others. */
static void row_explosion(void)
{
    enum { DEEP = 14, SHORT = 8, N = (1 << DEEP) + (1 << SHORT) };
    static ri_subscription subs[N];
    static char text[N][48];
    bench b;
    bench_open(&b, 10);
    double longest, alone = measure(&b, "orders.eu.7", &longest);
    int taken = 0;
    for (int i = 0; i < N; i++) {
        int tokens = i < 1 << DEEP ? DEEP : SHORT;
        size_t len = 0;
        for (int t = 0; t < tokens; t++)
            len += (size_t)sprintf(text[i] + len, "%c.", i >> t & 1 ? '*' : 'a');
        len += (size_t)sprintf(text[i] + len, "u%d", i);
        subs[i].entry.subject = (ri_str){text[i], len};
        taken += ri_router_subscribe(&b.ear, &subs[i]) >= 0;
    }
    double others = measure(&b, "orders.eu.7", &longest);
    static double took[ROUNDS];
    char subject[64];
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(subject, sizeof subject, "a.a.a.a.a.a.a.a.a.a.a.a.a.a.x%d", i);
        double start = now_us();
        publish(&b, subject);
        took[i] = now_us() - start;
    }
    qsort(took, ROUNDS, sizeof *took, by_value);
    printf("\n%d of %d filters of a and * are taken. A publish among them, to nobody: %.1f us, at "
           "99 %% %.1f us (must 100); of others: %.2f us, before %.2f us\n", taken, N,
           took[ROUNDS / 2], took[ROUNDS * 99 / 100], others, alone);
    if (b.got) check(RILL_EBUG, "nobody is reached");
    bench_close(&b);
}

int main(void)
{
    static const int subjects[] = {10000, 150000}, filters[] = {1, 20, 500};
    printf("A publish and its turn, us; what a consumer that waits adds where the message is not "
           "for it, and where it is; the longest.\n%8s %8s %10s %10s %10s %10s %10s\n", "subjects",
           "filters", "alone", "+ miss", "+ hit", "max miss", "max hit");
    for (size_t s = 0; s < RI_LEN(subjects); s++)
        for (size_t f = 0; f < RI_LEN(filters); f++) row_publish(subjects[s], filters[f]);
    printf("\nMaking a consumer, and its first message:\n");
    for (size_t s = 0; s < RI_LEN(subjects); s++) row_make(subjects[s], 3000);
    row_make(150000, 40000);
    row_explosion();
    return 0;
}
