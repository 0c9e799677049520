/* SPDX-License-Identifier: Apache-2.0 */
/* A program that calls rill.h as wrongly as it can: options with numbers at and around every limit,
 * names and subjects of every class of characters, settlements out of place, and the store closed
 * and opened again in between. Behind each call must hold
 *
 *     - what it returns is no failure without a name, and a failure has a sentence;
 *     - it comes back, and so does a close;
 *     - of a broker, which every other history has, no turn is longer than CALLS_UNITS;
 *     - a publish to a reader of its own, as a well-behaved program does it, still arrives. */
#include <limits.h>

#include "hostile/machine.h"
#include "rill.h"
#include "support/rng.h"
#include "support/scratch.h"

enum { CALLS_SUBS = 8, CALLS_HELD = 8, CALLS_UNITS = 50000 };

#define CALLS_LEN(list) (sizeof(list) / sizeof *(list))
#define CALLS_PICK(c, list) (list)[rng_below(&(c)->random, CALLS_LEN(list))]

typedef struct calls {
    rng random;
    char dir[SCRATCH_LEN], url[80];
    rill_broker *broker; /* NULL: the bus has its own */
    rill_bus *bus;
    rill_sub *subs[CALLS_SUBS], *own;
    rill_msg *held[CALLS_HELD]; /* messages to be settled, by turns rightly and wrongly */
    uint64_t step;
    bool failed, show, brokers;
} calls;

static void calls_fail(calls *c, const char *what, int rc)
{
    fprintf(stderr, "step %" PRIu64 ": %s: %d %s: %s\n", c->step, what, rc, rill_errname(rc),
            rill_errmsg());
    c->failed = true;
}

/* Whatever it is, it is one of ours. */
static int calls_told(calls *c, const char *what, int rc)
{
    if (c->show) fprintf(stderr, "%" PRIu64 " %s: %s\n", c->step, what, rill_errname(rc));
    if (rc < 0 && strcmp(rill_errname(rc), "EUNKNOWN") == 0) calls_fail(c, what, rc);
    if (rc < 0 && rill_errmsg()[0] == 0) calls_fail(c, what, rc);
    return rc;
}

#define CALL(c, call) calls_told((c), #call, (call))

/* ---- The dice ---- */

static bool calls_chance(calls *c, unsigned percent)
{
    return rng_below(&c->random, 100) < percent;
}

static uint64_t calls_number(calls *c)
{
    static const uint64_t limits[] = {
        0, 1, 2, 63, 64, 65, 255, 256, 1000, 4096, 65535, 65536, INT32_MAX, (uint64_t)INT32_MAX + 1,
        UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX / 1000000, INT64_MAX / 1000000 + 1,
        INT64_MAX - 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX - 1, UINT64_MAX,
    };
    return calls_chance(c, 60) ? rng_below(&c->random, 20) : CALLS_PICK(c, limits);
}

/* A field of an option struct: most often it is left out. */
static uint64_t calls_option(calls *c)
{
    return calls_chance(c, 85) ? 0 : calls_number(c);
}

static bool calls_flag(calls *c)
{
    return calls_chance(c, 10);
}

static const char *calls_long(calls *c, size_t len)
{
    static char text[70000];
    (void)c;
    memset(text, 'n', len);
    text[len] = 0;
    return text;
}

static const char *calls_odd(calls *c)
{
    static const char *const odd[] = {"", ".", "a b", "*", ">", "a..b", "a.>", ">.a", "\r\n", "\t",
                                      "\x01", "\xff", "/", "..", "\\", "$JS.API.INFO", "a*",
                                      "x y z"};
    static const size_t lengths[] = {254, 255, 256, 1023, 1024, 1025, 65535, 65536};
    if (calls_chance(c, 10)) return NULL;
    if (calls_chance(c, 10)) return calls_long(c, CALLS_PICK(c, lengths));
    return CALLS_PICK(c, odd);
}

static const char *calls_stream(calls *c)
{
    static const char *const names[] = {"S0", "S1", "S2", "S3"};
    return calls_chance(c, 5) ? calls_odd(c) : CALLS_PICK(c, names);
}

static const char *calls_group(calls *c)
{
    static const char *const names[] = {"g0", "g1", "g2"};
    return calls_chance(c, 5) ? calls_odd(c) : CALLS_PICK(c, names);
}

static const char *calls_subject(calls *c, bool wild)
{
    static const char *const plain[] = {"s0.a", "s0.b", "s1.a", "s1.b", "s2.a", "s3.a.b"};
    static const char *const filters[] = {"s0.*", "s1.>", ">", "*.a", "s3.a.*", "s2.a"};
    if (calls_chance(c, 5)) return calls_odd(c);
    return wild ? CALLS_PICK(c, filters) : CALLS_PICK(c, plain);
}

/* ---- Calls ---- */

static rill_stream_opts calls_stream_opts(calls *c)
{
    static const char *const subjects[] = {"s0.>", "s1.>", "s2.> s3.>", "s0.a s0.b", "s1.*"};
    rill_stream_opts opts = {
        .size = sizeof opts,
        .subjects = calls_chance(c, 90) ? CALLS_PICK(c, subjects) : calls_odd(c),
        .in_memory = calls_chance(c, 40), .reject_when_full = calls_flag(c),
        .keep = (rill_keep)(calls_chance(c, 95) ? rng_below(&c->random, 3) : 77),
        .max_msgs = calls_option(c), .max_bytes = calls_option(c),
        .max_msgs_per_subject = calls_option(c), .max_age_ms = (int64_t)calls_option(c),
        .max_msg_bytes = (uint32_t)calls_option(c), .dedupe_window_ms = (uint32_t)calls_option(c),
        .first_seq = calls_option(c), .max_groups = (uint32_t)calls_option(c),
        .reject_per_subject = calls_flag(c), .deny_erase = calls_flag(c) && calls_flag(c),
        .allow_ttl = calls_chance(c, 50), .marker_ttl_ms = (int64_t)calls_option(c),
        .allow_schedules = calls_chance(c, 30), .compact = calls_flag(c),
        .tombstone_ms = (int64_t)calls_option(c), .dedupe_strictly = calls_flag(c)};
    return opts;
}

static void calls_ensure(calls *c)
{
    rill_stream_opts opts = calls_stream_opts(c);
    rill_source source = {.size = sizeof source, .stream = calls_stream(c),
                          .from_seq = calls_option(c),
                          .filter = calls_chance(c, 50) ? NULL : calls_subject(c, true),
                          .from_time_ns = (int64_t)calls_option(c)};
    if (calls_flag(c)) opts.mirror = &source;
    const rill_source *sources[] = {&source};
    if (calls_flag(c)) opts.sources = sources, opts.nsources = 1;
    if (calls_flag(c)) opts.transform_from = calls_subject(c, true), opts.transform_to = "s1.a";
    if (calls_flag(c)) opts.republish_from = calls_subject(c, true), opts.republish_to = "s2.a";
    CALL(c, rill_stream_ensure(c->bus, calls_stream(c), &opts));
}

static void calls_send(calls *c)
{
    static const char *const schedules[] = {"@every 1s", "@hourly", "@every 0s", "* * * * * *", "",
                                            "0 0 0 30 2 *", "@every 2562047h47m16s", "@at x"};
    static const char data[100] = "";
    uint64_t expect = calls_number(c);
    rill_post post = {.size = sizeof post, .ttl_ms = (uint32_t)calls_option(c)};
    rill_header headers[] = {{RILL_STR("A"), RILL_STR("b")},
                             {RILL_STR("Nats-TTL"), RILL_STR("5s")}};
    if (calls_flag(c)) post.headers = headers, post.nheaders = 1 + calls_flag(c);
    if (calls_flag(c)) post.msg_id = calls_chance(c, 80) ? "m" : calls_odd(c);
    if (calls_flag(c)) post.expect_last_seq = &expect;
    if (calls_flag(c)) post.expect_subject = calls_subject(c, true);
    if (calls_flag(c)) post.deliver_to = calls_subject(c, false);
    if (calls_flag(c)) post.schedule = CALLS_PICK(c, schedules);
    if (calls_flag(c)) post.schedule_zone = calls_chance(c, 70) ? "Europe/Berlin" : calls_odd(c);
    post.deliver_at_ns = (int64_t)calls_option(c);
    size_t len = rng_below(&c->random, sizeof data);
    const char *subject = calls_subject(c, false);
    if (calls_chance(c, 50)) CALL(c, rill_publish(c->bus, subject, data, len, &post));
    else CALL(c, rill_append(c->bus, subject, data, len, &post, NULL, 2000));
}

static rill_sub_opts calls_sub_opts(calls *c)
{
    static const uint32_t backoff[] = {0, 1, 1000, UINT32_MAX};
    rill_sub_opts opts = {
        .size = sizeof opts, .group = calls_chance(c, 70) ? calls_group(c) : NULL,
        .limit_msgs = calls_option(c), .pending_msgs = (uint32_t)calls_option(c),
        .pending_bytes = calls_option(c), .when_full = (rill_full)rng_below(&c->random, 4),
        .filter = calls_chance(c, 70) ? NULL : calls_subject(c, true),
        .from = (rill_from)(calls_chance(c, 95) ? rng_below(&c->random, 6) : 99),
        .from_seq = calls_option(c), .from_time_ns = (int64_t)calls_option(c),
        .ack = (rill_ack_mode)rng_below(&c->random, 4), .ack_wait_ms = (uint32_t)calls_option(c),
        .max_deliveries = (uint32_t)calls_option(c), .max_unacked = (uint32_t)calls_option(c),
        .dead_letters = calls_flag(c) ? calls_stream(c) : NULL, .headers_only = calls_flag(c),
        .original_speed = calls_flag(c), .inactive_ms = (int64_t)calls_option(c)};
    if (calls_flag(c)) opts.backoff_ms = backoff, opts.nbackoff = rng_below(&c->random, 5);
    return opts;
}

static void calls_drop(calls *c)
{
    for (size_t i = 0; i < CALLS_HELD; i++) {
        rill_msg_unref(c->held[i]);
        c->held[i] = NULL;
    }
}

static void calls_open_sub(calls *c)
{
    rill_sub **sub = &c->subs[rng_below(&c->random, CALLS_SUBS)];
    rill_sub_opts opts = calls_sub_opts(c);
    uint64_t kind = rng_below(&c->random, 5);
    if (*sub != NULL) {
        rill_sub_close(*sub);
        *sub = NULL;
        return;
    }
    if (kind < 1) CALL(c, rill_subscribe(c->bus, sub, calls_subject(c, true), &opts));
    else if (kind < 2) CALL(c, rill_tail(c->bus, sub, calls_stream(c), &opts));
    else if (kind < 3) CALL(c, rill_group_ensure(c->bus, calls_stream(c), calls_group(c), &opts));
    else CALL(c, rill_consume(c->bus, sub, calls_stream(c), &opts));
}

static void calls_read(calls *c)
{
    rill_sub *sub = c->subs[rng_below(&c->random, CALLS_SUBS)];
    const rill_msg *m = NULL;
    if (sub == NULL) return;
    if (calls_chance(c, 5)) CALL(c, rill_seek(sub, RILL_AT(calls_number(c))));
    if (calls_chance(c, 5)) CALL(c, rill_seek(sub, RILL_AT_TIME((int64_t)calls_number(c))));
    if (calls_chance(c, 3)) CALL(c, rill_sub_stop(sub));
    if (CALL(c, rill_next(sub, &m, (int)rng_below(&c->random, 3))) < 0) return;
    rill_msg **held = &c->held[rng_below(&c->random, CALLS_HELD)];
    rill_msg_unref(*held);
    *held = rill_msg_ref(m);
}

static void calls_settle(calls *c)
{
    const rill_msg *m = c->held[rng_below(&c->random, CALLS_HELD)];
    if (m == NULL) return;
    switch (rng_below(&c->random, 5)) {
    case 0: CALL(c, rill_nak(m, (uint32_t)calls_number(c))); break;
    case 1: CALL(c, rill_term(m)); break;
    case 2: CALL(c, rill_working(m)); break;
    default: CALL(c, rill_ack(m)); break;
    }
}

static int calls_name(const char *name, void *arg)
{
    (void)name, (void)arg;
    return 0;
}

static int calls_msg(const rill_msg *m, void *arg)
{
    (void)m, (void)arg;
    return 0;
}

static void calls_look(calls *c)
{
    rill_stream_info info = {.size = sizeof info};
    rill_group_info group = {.size = sizeof group};
    rill_msg *m = NULL;
    uint64_t purged = 0, seq = calls_option(c);
    const char *stream = calls_stream(c);
    switch (rng_below(&c->random, 12)) {
    case 8:
        CALL(c, rill_stream_purge(c->bus, stream,
                                  RILL_OPTS(rill_purge_opts, .filter = calls_subject(c, true),
                                            .before_seq = calls_flag(c) ? seq : 0,
                                            .keep_msgs = calls_flag(c) ? seq : 0), &purged));
        break;
    case 9: CALL(c, rill_group_each(c->bus, stream, calls_name, NULL)); break;
    case 10: CALL(c, rill_stream_each(c->bus, calls_name, NULL)); break;
    case 11: CALL(c, rill_group_status(c->bus, stream, calls_group(c), &group)); break;
    case 0: CALL(c, rill_stream_status(c->bus, stream, &info)); break;
    case 1: CALL(c, rill_stream_get(c->bus, stream, RILL_AT(calls_number(c)), &m)); break;
    case 2:
        CALL(c, rill_stream_get(c->bus, stream, RILL_AT_LAST(calls_subject(c, true)), &m));
        break;
    case 3: CALL(c, rill_stream_erase(c->bus, stream, RILL_AT(calls_number(c)))); break;
    case 4: CALL(c, rill_group_delete(c->bus, stream, calls_group(c))); break;
    case 5: CALL(c, rill_store_check(c->bus, NULL, NULL)); break;
    case 6: if (calls_flag(c)) CALL(c, rill_stream_delete(c->bus, stream)); break;
    default: CALL(c, rill_flush(c->bus, (int)rng_below(&c->random, 50))); break;
    }
    rill_msg_unref(m);
}

static void calls_bucket(calls *c)
{
    rill_bucket_opts opts = {
        .size = sizeof opts, .must_exist = calls_flag(c), .in_memory = calls_flag(c),
        .history = (uint32_t)calls_option(c), .ttl_ms = (int64_t)calls_option(c),
        .max_bytes = calls_option(c), .key_ttl = calls_chance(c, 50)};
    static const char *const keys[] = {"k", "a.b", "a/b=c"};
    rill_kv *kv = NULL;
    rill_msg *m = NULL;
    if (CALL(c, rill_kv_open(c->bus, &kv, calls_chance(c, 90) ? "b" : calls_odd(c), &opts)) < 0)
        return;
    const char *key = calls_chance(c, 90) ? CALLS_PICK(c, keys) : calls_odd(c);
    uint64_t expect = calls_number(c);
    rill_kv_opts how = {.size = sizeof how, .expect = calls_chance(c, 50) ? NULL : &expect,
                        .ttl_ms = calls_chance(c, 90) ? 0 : (uint32_t)calls_option(c)};
    CALL(c, rill_kv_put(kv, key, "v", 1, &how, NULL));
    CALL(c, rill_kv_get(kv, key, &m));
    const char *filter = calls_chance(c, 50) ? NULL : "a.*";
    if (calls_flag(c)) CALL(c, rill_kv_each(kv, filter, calls_name, NULL));
    if (calls_flag(c)) CALL(c, rill_kv_history(kv, key, calls_msg, NULL));
    if (calls_flag(c)) CALL(c, rill_kv_delete(kv, key, &how));
    if (calls_flag(c)) CALL(c, rill_kv_purge(kv, key, &how));
    rill_msg_unref(m);
    rill_kv_close(kv);
}

/* ---- Histories ---- */

static void calls_open(calls *c)
{
    int rc = 0;
    if (!c->brokers)
        rc = rill_open(&c->bus, c->url, RILL_OPTS(rill_opts, .sync = RILL_SYNC_LAZY));
    else if ((rc = rill_broker_open(&c->broker, RILL_OPTS(rill_broker_opts, .dir = c->dir,
                                                          .sync = RILL_SYNC_LAZY))) >= 0)
        rc = rill_broker_bus(c->broker, &c->bus, NULL);
    if (rc >= 0) rc = rill_subscribe(c->bus, &c->own, "own", NULL);
    if (rc < 0) calls_fail(c, "open", rc);
}

static void calls_close(calls *c)
{
    calls_drop(c);
    for (size_t i = 0; i < CALLS_SUBS; i++) {
        if (c->subs[i] != NULL) rill_sub_close(c->subs[i]);
        c->subs[i] = NULL;
    }
    rill_sub_close(c->own);
    int rc = rill_close(c->bus, 20000);
    if (rc >= 0 && c->brokers) rc = rill_broker_close(c->broker, 20000);
    if (rc < 0) calls_fail(c, "close", rc);
}

static void calls_check(calls *c)
{
    const rill_msg *m;
    int rc = rill_publish(c->bus, "own", "hello", 5, NULL);
    if (rc == RILL_EAGAIN) return; /* a reader of all asked that publishers wait for it */
    if (rc >= 0) rc = rill_next(c->own, &m, 20000);
    if (rc < 0) calls_fail(c, "the well-behaved one", rc);
    rill_stats stats = {.size = sizeof stats};
    if (c->brokers) rill_broker_stats(c->broker, &stats);
    machine_note_turn(stats.turn_units_max);
    if (stats.turn_units_max > CALLS_UNITS) calls_fail(c, "a long turn", 0);
}

static void calls_step(calls *c)
{
    uint64_t kind = rng_below(&c->random, 100);
    machine_watch();
    if (c->step < 5 || kind < 8) calls_ensure(c);
    else if (kind < 45) calls_send(c);
    else if (kind < 55) calls_open_sub(c);
    else if (kind < 75) calls_read(c);
    else if (kind < 87) calls_settle(c);
    else if (kind < 95) calls_look(c);
    else if (kind < 99) calls_bucket(c);
    else {
        calls_close(c);
        if (!c->failed) calls_open(c);
    }
    if (!c->failed) calls_check(c);
}

static bool calls_history(const machine_args *args, uint64_t seed)
{
    static calls c;
    c = (calls){.show = args->show, .brokers = seed % 2};
    rng_init(&c.random, seed);
    scratch_make(c.dir);
    snprintf(c.url, sizeof c.url, "file:%s", c.dir);
    calls_open(&c);
    for (; c.step < args->steps && !c.failed; c.step++) calls_step(&c);
    if (c.failed) return false; /* the store stays, to be looked at */
    machine_watch();
    calls_close(&c);
    scratch_remove(c.dir);
    return !c.failed;
}

int main(int argc, char **argv)
{
    machine_args args = machine_arguments(argc, argv, 500);
    return machine_run(&args, calls_history);
}
