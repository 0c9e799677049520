/* SPDX-License-Identifier: Apache-2.0 */
/* Forwards from each kind of store to each: here, on disk, over nats:// to a broker of this
 * process; with threads, and driven by the test. Looped, _i is the way. */
#include <limits.h>
#include <unistd.h>

#include "listening.h"
#include "support/scratch.h"

enum { WAY_MEM, WAY_FILE, WAY_HOST, WAY_TO_NATS, WAY_FROM_NATS, WAY_NATS_HOST, WAYS };
enum { MANY = 5000, SOME = 200 };

typedef struct end { /* of a forward */
    rill_bus *bus;
    rill_broker *broker; /* that `bus` speaks to over nats://; NULL: none */
    int port;
    char dir[SCRATCH_LEN];
    bool far, disk, driven;
} end;

static end from, to;
static rill_forward *forward;
static atomic_int unstored;

static void end_serve(end *e)
{
    char url[64];
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", e->port);
    OK(rill_broker_open(&e->broker, RILL_OPTS(rill_broker_opts, .dir = e->dir, .jetstream = true)));
    OK(e->port = e->port ? rill_broker_listen(e->broker, url, NULL) : listen_to_return(e->broker));
}

static void end_open(end *e)
{
    char url[PATH_MAX];
    if (e->far && !e->broker) end_serve(e);
    if (e->far) snprintf(url, sizeof url, "nats://127.0.0.1:%d", e->port);
    else snprintf(url, sizeof url, "%s%s", e->disk ? "file:" : "mem:", e->disk ? e->dir : "");
    OK(rill_open(&e->bus, url, RILL_OPTS(rill_opts, .drive = e->driven ? RILL_DRIVE_HOST
                                                                       : RILL_DRIVE_THREAD,
                                         .redial_min_ms = 10, .redial_max_ms = 50)));
}

static void end_close(end *e)
{
    OK(rill_close(e->bus, 20000));
    if (e->broker) OK(rill_broker_close(e->broker, 20000));
    e->bus = NULL;
    e->broker = NULL;
}

static void begin(int way)
{
    from = (end){.far = way == WAY_FROM_NATS || way == WAY_NATS_HOST, .disk = way != WAY_MEM,
                 .driven = way == WAY_HOST || way == WAY_NATS_HOST};
    to = (end){.far = way == WAY_TO_NATS || way == WAY_NATS_HOST, .disk = way != WAY_MEM,
               .driven = from.driven};
    scratch_make(from.dir);
    scratch_make(to.dir);
    end_open(&from);
    end_open(&to);
    OK(rill_stream_ensure(from.bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    OK(rill_stream_ensure(to.bus, "T", RILL_OPTS(rill_stream_opts, .subjects = "s.> t.>")));
}

static void stop(void)
{
    OK(rill_forward_close(forward, 20000));
    forward = NULL;
}

static void finish(void)
{
    if (forward) stop();
    end_close(&from);
    end_close(&to);
    scratch_remove(from.dir);
    scratch_remove(to.dir);
}

static void carry(const rill_forward_opts *opts)
{
    OK(rill_forward_open(&forward, from.bus, "S", to.bus, "T",
                         opts ? opts : RILL_OPTS(rill_forward_opts, .name = "f")));
}

static rill_forward_info status(void)
{
    rill_forward_info info = {.size = sizeof info};
    if (forward) OK(rill_forward_status(forward, &info));
    return info;
}

/* A while in which both ends work. */
static void pass(void)
{
    if (from.driven) OK(rill_poll(from.bus, 1));
    if (to.driven) OK(rill_poll(to.bus, 1));
    if (!from.driven && !to.driven) nanosleep(&(struct timespec){0, 500000}, NULL);
}

/* Until a condition is true that the forward makes so. */
#define PASSES(condition)                                                                \
    do {                                                                                 \
        int64_t until_ = api_now_ms() + 50000;                                           \
        while (!(condition) && api_now_ms() < until_) pass();                            \
        ck_assert_msg(condition, "%s did not come true: %s", #condition, status().why);  \
    } while (0)

static rill_stream_info stream_of(const end *e, const char *stream)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(e->bus, stream, &info));
    return info;
}

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    (void)arg;
    OK(err);
    unstored--;
}

/* Messages `first` and the next n - 1 into the source; odd and even ones have a subject each. */
static void fill(int first, int n)
{
    for (int i = first; i < first + n; i++) {
        char text[16], value[16];
        snprintf(text, sizeof text, "%d", i);
        snprintf(value, sizeof value, "v%d", i);
        const rill_header headers[] = {{RILL_STR("k"), {value, strlen(value)}}};
        PASSES(unstored < 1000);
        unstored++;
        OK(rill_append_async(from.bus, i % 2 ? "s.odd" : "s.even", text, strlen(text),
                             RILL_OPTS(rill_post, .headers = headers, .nheaders = 1,
                                       .msg_id = text), on_stored, NULL));
    }
    PASSES(unstored == 0);
}

/* The target has messages `first`, first + step .. in that order, once each, n in all. */
static void has(int first, int step, int n)
{
    rill_sub *sub;
    const rill_msg *m;
    ck_assert_uint_eq(stream_of(&to, "T").msgs, (uint64_t)n);
    OK(rill_tail(to.bus, &sub, "T", NULL));
    for (int i = 0; i < n; i++) {
        char text[16], value[16];
        rill_str v;
        OK(rill_next(sub, &m, 20000));
        snprintf(text, sizeof text, "%d", first + i * step);
        snprintf(value, sizeof value, "v%d", first + i * step);
        TEXT_IS(m->data, text);
        ck_assert_int_eq(rill_header_get(m, "k", &v), 1);
        TEXT_IS(v, value);
        ck_assert_int_eq(rill_header_get(m, "Nats-Msg-Id", &v), 1);
        ck_assert_int_eq(strncmp(v.ptr, "f/S/0/", 6), 0);
        ck_assert_uint_eq(m->nheaders, 2);
    }
    rill_sub_close(sub);
}

START_TEST(carries)
{
    begin(_i);
    fill(0, MANY / 2);
    carry(NULL);
    fill(MANY / 2, MANY / 2);
    PASSES(stream_of(&to, "T").msgs == MANY);
    PASSES(status().lag_known && status().lag_msgs == 0);
    PASSES(status().msgs + status().known_msgs == MANY); /* it is settled before it is counted */
    rill_forward_info info = status();
    ck_assert_uint_eq(info.dead_msgs, 0);
    ck_assert(info.up && !info.closed && info.under_way == 0 && info.lag_ns == 0);
    ck_assert_uint_gt(info.bytes, MANY * 10);
    has(0, 1, MANY);
    finish();
}
END_TEST

/* Closed and opened again, with its buses, whatever was under way. */
START_TEST(goes_on)
{
    begin(_i);
    int filled = 0;
    for (int round = 0; round < 6; round++) {
        carry(RILL_OPTS(rill_forward_opts, .name = "f", .window = 16));
        fill(filled, SOME);
        filled += SOME;
        PASSES(status().msgs > 0);
        if (round % 2) stop();
        else rill_forward_close(forward, 0); /* with messages under way, maybe */
        forward = NULL;
        if (_i == WAY_MEM) continue;
        end_close(&from);
        end_close(&to);
        end_open(&from);
        end_open(&to);
    }
    carry(NULL);
    PASSES(stream_of(&to, "T").msgs >= (uint64_t)filled);
    PASSES(status().lag_known && status().lag_msgs == 0);
    has(0, 1, filled);
    finish();
}
END_TEST

/* Jobs leave the source when the target has them. */
START_TEST(moves_jobs)
{
    begin(_i);
    OK(rill_stream_delete(from.bus, "S"));
    OK(rill_stream_ensure(from.bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>",
                                                   .keep = RILL_KEEP_WORK)));
    carry(NULL);
    fill(0, SOME);
    PASSES(stream_of(&from, "S").msgs == 0);
    has(0, 1, SOME);
    finish();
}
END_TEST

START_TEST(filters_and_maps)
{
    const rill_msg *m;
    rill_sub *sub;
    begin(_i);
    fill(0, SOME);
    carry(RILL_OPTS(rill_forward_opts, .name = "f", .filter = "s.odd", .map_from = "s.*",
                    .map_to = "t.$1.x"));
    PASSES(status().lag_known && status().lag_msgs == 0 && status().msgs == SOME / 2);
    has(1, 2, SOME / 2);
    OK(rill_tail(to.bus, &sub, "T", NULL));
    OK(rill_next(sub, &m, 20000));
    TEXT_IS(m->subject, "t.odd.x");
    rill_sub_close(sub);
    finish();
}
END_TEST

/* What is not there yet is waited for, and says so. */
START_TEST(waits_for_streams)
{
    begin(_i);
    OK(rill_stream_delete(to.bus, "T"));
    OK(rill_stream_delete(from.bus, "S"));
    carry(RILL_OPTS(rill_forward_opts, .name = "f", .retry_max_ms = 100));
    PASSES(status().err == RILL_ENOENT);
    ck_assert(!status().up);
    ck_assert_ptr_nonnull(strstr(status().why, "S"));
    OK(rill_stream_ensure(from.bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    fill(0, 10);
    PASSES(status().err == RILL_ENOREPLY);
    OK(rill_stream_ensure(to.bus, "T", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    PASSES(status().up && status().msgs == 10);
    has(0, 1, 10);
    finish();
}
END_TEST

/* A target that is full is tried again until it is not; all comes, in order. */
START_TEST(waits_for_room)
{
    begin(_i);
    OK(rill_stream_ensure(to.bus, "T", RILL_OPTS(rill_stream_opts, .subjects = "s.>",
                                                 .max_msgs = 50, .reject_when_full = true)));
    carry(RILL_OPTS(rill_forward_opts, .name = "f", .retry_max_ms = 100));
    fill(0, SOME);
    PASSES(status().err == RILL_EFULL);
    ck_assert_uint_ge(status().lag_msgs, SOME - 50);
    OK(rill_stream_ensure(to.bus, "T", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    PASSES(stream_of(&to, "T").msgs == SOME);
    has(0, 1, SOME);
    finish();
}
END_TEST

/* What the target will never take blocks, or goes to the dead letters. */
START_TEST(dead_letters)
{
    char big[2000];
    memset(big, 'x', sizeof big);
    begin(_i);
    OK(rill_stream_ensure(from.bus, "DEAD", NULL));
    OK(rill_stream_ensure(to.bus, "T", RILL_OPTS(rill_stream_opts, .subjects = "s.>",
                                                 .max_msg_bytes = 1000)));
    fill(0, 10);
    OK(rill_append(from.bus, "s.big", big, sizeof big, NULL, NULL, 20000));
    fill(10, 10);
    carry(RILL_OPTS(rill_forward_opts, .name = "f", .retry_max_ms = 100));
    PASSES(status().err == RILL_ETOOBIG && status().failures > 1);
    ck_assert_uint_ge(status().lag_msgs, 1);
    stop();
    carry(RILL_OPTS(rill_forward_opts, .name = "f", .dead_letters = "DEAD"));
    PASSES(status().lag_known && status().lag_msgs == 0 && status().dead_msgs == 1);
    PASSES(stream_of(&from, "DEAD").msgs == 1);
    ck_assert_uint_eq(stream_of(&to, "T").msgs, 20);
    finish();
}
END_TEST

/* The window of ids is over, and the source sends all again: what the target has is found there. */
START_TEST(finds_what_is_there)
{
    begin(_i);
    OK(rill_stream_ensure(to.bus, "T", RILL_OPTS(rill_stream_opts, .subjects = "s.> t.>",
                                                 .dedupe_window_ms = 100)));
    fill(0, MANY);
    carry(NULL);
    PASSES(stream_of(&to, "T").msgs == MANY);
    stop();
    OK(rill_group_seek(from.bus, "S", "f", RILL_AT(MANY / 2 + 1)));
    int64_t over_ms = api_now_ms() + 200;
    PASSES(api_now_ms() > over_ms);
    fill(MANY, 10);
    carry(NULL);
    PASSES(status().lag_known && status().lag_msgs == 0);
    PASSES(status().msgs + status().known_msgs == MANY / 2 + 10); /* as above */
    ck_assert_uint_eq(status().known_msgs, MANY / 2);
    ck_assert_uint_eq(status().msgs, 10);
    has(0, 1, MANY + 10);
    finish();
}
END_TEST

/* The server goes away and comes again, in the middle of it, many times. */
START_TEST(survives_servers)
{
    begin(_i ? WAY_FROM_NATS : WAY_TO_NATS);
    end *far = from.far ? &from : &to;
    carry(RILL_OPTS(rill_forward_opts, .name = "f", .retry_min_ms = 10, .retry_max_ms = 50,
                    .window = 64));
    int filled = 0;
    for (int round = 0; round < 8; round++) {
        uint64_t msgs = status().msgs;
        fill(filled, SOME);
        filled += SOME;
        PASSES(status().msgs > msgs + (uint64_t)(round * 20));
        OK(rill_broker_close(far->broker, 0));
        if (!from.far) fill(filled, 10);
        filled += from.far ? 0 : 10;
        end_serve(far);
        PASSES(status().up && rill_flush(far->bus, 1000) == RILL_OK);
    }
    PASSES(status().lag_known && status().lag_msgs == 0);
    if (to.far) ck_assert_uint_gt(status().failures, 0);
    has(0, 1, filled);
    finish();
}
END_TEST

static int opening(const rill_forward_opts *opts)
{
    return rill_forward_open(&forward, from.bus, "S", to.bus, "T", opts);
}

START_TEST(arguments)
{
    begin(WAY_MEM);
    rill_forward *other;
    rill_forward_info info = {.size = sizeof info};
    FAILS(opening(NULL), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "name"));
    static const char *const bad[] = {"", "a b", "a/b", "a.b", "a*", ">"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(opening(RILL_OPTS(rill_forward_opts, .name = bad[i])), RILL_EINVAL);
    FAILS(opening(RILL_OPTS(rill_forward_opts, .name = "f", .window = 4097)), RILL_EINVAL);
    FAILS(opening(RILL_OPTS(rill_forward_opts, .name = "f", .map_from = "a.*")), RILL_EINVAL);
    FAILS(opening(RILL_OPTS(rill_forward_opts, .name = "f", .map_to = "a.$1")), RILL_EINVAL);
    FAILS(opening(RILL_OPTS(rill_forward_opts, .name = "f", .filter = "a..b")), RILL_EINVAL);
    FAILS(opening(RILL_OPTS(rill_forward_opts, .name = "f", .from_seq = 5)), RILL_EINVAL);
    FAILS(opening(RILL_OPTS(rill_forward_opts, .name = "f", .retry_min_ms = 9, .retry_max_ms = 8)),
          RILL_EINVAL);
    FAILS(rill_forward_open(&forward, from.bus, "S/x", to.bus, "T",
                            RILL_OPTS(rill_forward_opts, .name = "f")), RILL_EINVAL);
    FAILS(rill_forward_open(&forward, from.bus, "S", NULL, "T",
                            RILL_OPTS(rill_forward_opts, .name = "f")), RILL_EINVAL);
    ck_assert_ptr_null(forward);
    OK(opening(RILL_OPTS(rill_forward_opts, .name = "f")));
    FAILS(rill_forward_open(&other, from.bus, "S", to.bus, "T",
                            RILL_OPTS(rill_forward_opts, .name = "f")), RILL_EBUSY);
    OK(rill_forward_open(&other, from.bus, "S", to.bus, "T",
                         RILL_OPTS(rill_forward_opts, .name = "g")));
    OK(rill_forward_close(other, 20000));
    OK(rill_forward_close(NULL, 0));
    FAILS(rill_forward_status(NULL, &info), RILL_EINVAL);
    FAILS(rill_forward_status(forward, &(rill_forward_info){.size = 0}), RILL_EINVAL);
    finish();
}
END_TEST

/* A store here counts the deliveries of each partition by itself. */
START_TEST(not_of_partitions)
{
    begin(_i);
    OK(rill_stream_ensure(from.bus, "P", RILL_OPTS(rill_stream_opts, .subjects = "p",
                                                   .partitions = 3)));
    OK(rill_forward_open(&forward, from.bus, "P", to.bus, "T",
                         RILL_OPTS(rill_forward_opts, .name = "f", .retry_min_ms = 1)));
    PASSES(status().err == RILL_ENOTSUP && status().failures > 1);
    ck_assert_ptr_nonnull(strstr(status().why, "P has 3 partitions"));
    ck_assert_uint_eq(status().msgs, 0);
    finish();
}
END_TEST

static void closes_in_callback(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    FAILS(rill_forward_close(forward, 1000), RILL_EDEADLK);
    atomic_store((atomic_bool *)arg, true);
}

START_TEST(closed_in_any_order)
{
    atomic_bool tried = false;
    rill_sub *sub;
    begin(_i);
    fill(0, SOME);
    OK(rill_subscribe(to.bus, &sub, "t.call", RILL_OPTS(rill_sub_opts, .on_msg = closes_in_callback,
                                                        .arg = &tried)));
    carry(NULL);
    api_send(to.bus, "t.call", "x");
    PASSES(tried);
    rill_sub_close(sub);
    rill_bus *first = to.bus, *last = from.bus;
    OK(rill_close(first, 20000));
    ck_assert(status().closed);
    OK(rill_close(last, 20000));
    ck_assert(status().closed && !status().lag_known);
    OK(rill_forward_close(forward, 20000));
    forward = NULL;
    if (from.broker) OK(rill_broker_close(from.broker, 20000));
    if (to.broker) OK(rill_broker_close(to.broker, 20000));
    scratch_remove(from.dir);
    scratch_remove(to.dir);
}
END_TEST

SUITE_MAIN_ROWS("forward",
    SUITE_EACH(WAYS, carries, goes_on, moves_jobs, filters_and_maps, waits_for_streams,
               waits_for_room, dead_letters, finds_what_is_there, closed_in_any_order),
    SUITE_EACH(2, survives_servers, not_of_partitions), SUITE_ONCE(arguments))
