/* SPDX-License-Identifier: Apache-2.0 */
/* The durable calls at once: several threads, on two handles of one broker and on handles of their
 * own, in any order, while buses, readers and streams come and go. For ThreadSanitizer above all;
 * what holds without it: no call fails for a reason that is not another thread's doing, nothing
 * hangs, and what was acknowledged is in the store when it is opened again. */
#include "idle.h"
#include "kinds.h"

enum { RACE_THREADS = 5, RACE_RUN_MS = 1300, RACE_TEXT = 32 };

typedef struct race {
    rill_bus *shared;      /* one of two; open all the time */
    const char *url;
    int number;
    uint64_t dice;
    int64_t until_ms;
    uint32_t kept;         /* acknowledged messages in KEEP */
    rill_bus *own;         /* opened and closed again and again; NULL: now closed */
    rill_sub *sub;         /* what outlives its bus at times */
    rill_kv *kv;
    rill_objs *objs;
    atomic_int *called;
} race;

static uint32_t roll(race *r, uint32_t n)
{
    r->dice = r->dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->dice >> 33) % n;
}

static rill_bus *any_bus(race *r)
{
    return r->own && roll(r, 2) ? r->own : r->shared;
}

/* Others delete, purge, close, and take: those answers are theirs. */
static void may_fail(int rc, const char *what)
{
    bool others = rc == RILL_ENOENT || rc == RILL_ECLOSED || rc == RILL_ENOREPLY ||
                  rc == RILL_EAGAIN || rc == RILL_ETIMEDOUT || rc == RILL_ECONFLICT ||
                  rc == RILL_EEXIST || rc == RILL_EBUSY;
    ck_assert_msg(rc >= 0 || others, "%s: %s: %s", what, rill_errname(rc), rill_errmsg());
}
#define MAY(call) may_fail((call), #call)

static void settle(race *r, const rill_msg *m)
{
    int (*const how[])(const rill_msg *) = {rill_ack, rill_term, rill_working, rill_ack};
    if (roll(r, 5) == 0)
        MAY(rill_nak(m, 0));
    else
        MAY(how[roll(r, 4)](m));
}

static void called_back(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    atomic_fetch_add((atomic_int *)arg, 1);
    MAY(rill_ack(m));
}

static void stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    if (err >= 0) atomic_fetch_add((atomic_int *)arg, 1);
}

/* ---- What a thread does, by the dice ---- */

static void race_append(race *r)
{
    char text[RACE_TEXT];
    int len = snprintf(text, sizeof text, "%d %u", r->number, r->kept);
    OK(rill_append(any_bus(r), "KEEP", text, (size_t)len, NULL, NULL, 20000));
    r->kept++;
    MAY(rill_append_async(r->shared, "s.async", "x", 1, NULL, stored, r->called));
    MAY(rill_append(any_bus(r), roll(r, 2) ? "s.a" : "s.b", text, (size_t)len, NULL, NULL, 20000));
}

static void race_batch(race *r)
{
    rill_batch *batch;
    OK(rill_batch_begin(any_bus(r), &batch, NULL));
    for (int i = 0; i < 3; i++) OK(rill_batch_add(batch, "s.batch", "x", 1, NULL));
    unsigned how = roll(r, 4);
    if (how == 1) MAY(rill_batch_commit(batch, NULL, 0));
    if (how > 1) MAY(rill_batch_commit(batch, NULL, 20000));
    rill_batch_close(batch);
}

static void race_consume(race *r)
{
    rill_sub *sub = NULL;
    const rill_msg *msgs[8];
    rill_sub_info info = {.size = sizeof info};
    const char *group = roll(r, 3) ? "g" : NULL;
    int rc = rill_consume(any_bus(r), &sub, "S", RILL_OPTS(rill_sub_opts, .group = group));
    MAY(rc);
    for (int i = 0; rc >= 0 && i < 4; i++) {
        int n = rill_read(sub, msgs, 8, (int)roll(r, 3));
        MAY(n);
        for (int k = 0; k < n; k++) settle(r, msgs[k]);
        if (roll(r, 8) == 0) MAY(rill_seek(sub, RILL_AT(1)));
        MAY(rill_sub_status(sub, &info));
    }
    rill_sub_close(sub);
}

static void race_callback(race *r)
{
    rill_sub *sub = NULL;
    int rc = rill_consume(any_bus(r), &sub, "S",
                          RILL_OPTS(rill_sub_opts, .group = "called", .on_msg = called_back,
                                    .arg = r->called));
    MAY(rc);
    if (rc >= 0) nanosleep(&(struct timespec){0, 1000000}, NULL);
    rill_sub_close(sub);
}

/* A reader that is kept: its bus may be closed under it. */
static void race_tail(race *r)
{
    const rill_msg *m;
    if (!r->sub) MAY(rill_tail(any_bus(r), &r->sub, roll(r, 2) ? "S" : "KEEP", NULL));
    for (int i = 0; r->sub && i < 10; i++) {
        int rc = rill_next(r->sub, &m, (int)roll(r, 2));
        MAY(rc);
        if (rc != RILL_ECLOSED) continue;
        rill_sub_close(r->sub);
        r->sub = NULL;
    }
}

static void race_kv(race *r)
{
    rill_sub *watch = NULL;
    rill_msg *m = NULL;
    const rill_msg *seen[8];
    char key[] = {'k', (char)('0' + roll(r, 3)), 0};
    const rill_bucket_opts *opts = RILL_OPTS(rill_bucket_opts, .history = 4);
    if (!r->kv) MAY(rill_kv_open(any_bus(r), &r->kv, "b", opts));
    if (!r->kv) return;
    MAY(rill_kv_watch(r->kv, &watch, NULL));
    MAY(rill_kv_put(r->kv, key, "1", 1, NULL, NULL));
    MAY(rill_kv_create(r->kv, key, "2", 1, NULL, NULL));
    MAY(rill_kv_get(r->kv, key, &m));
    if (watch) MAY(rill_read(watch, seen, 8, 1));
    MAY(rill_kv_history(r->kv, key, idle_msg, NULL));
    MAY(rill_kv_each(r->kv, NULL, idle_name, NULL));
    MAY(roll(r, 2) ? rill_kv_delete(r->kv, key, NULL) : rill_kv_purge(r->kv, key, NULL));
    rill_msg_unref(m);
    rill_sub_close(watch);
    if (roll(r, 4) != 0) return;
    rill_kv_close(r->kv);
    r->kv = NULL;
}

static void race_objects(race *r)
{
    size_t left = 1000 * roll(r, 300), got = 0;
    rill_obj_info info = {.size = sizeof info};
    const char *name = roll(r, 2) ? "o" : "p";
    if (!r->objs) MAY(rill_objs_open(any_bus(r), &r->objs, "b", NULL));
    if (!r->objs) return;
    MAY(rill_obj_put(r->objs, name, idle_source, &left));
    /* another one may have replaced it meanwhile */
    MAY(rill_obj_get(r->objs, name, idle_sink, &got));
    MAY(rill_obj_status(r->objs, name, &info));
    MAY(rill_obj_each(r->objs, idle_name, NULL));
    if (roll(r, 4) == 0) MAY(rill_obj_delete(r->objs, name));
    if (roll(r, 4) != 0) return;
    rill_objs_close(r->objs);
    r->objs = NULL;
}

static void race_streams(race *r)
{
    rill_stream_info info = {.size = sizeof info};
    rill_msg *m = NULL;
    rill_bus *bus = any_bus(r);
    switch (roll(r, 8)) {
    case 0: MAY(rill_stream_delete(bus, "S")); break;
    case 1:
        MAY(rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .filter = "s.a",
                                                  .before_seq = roll(r, 3)), NULL));
        break;
    case 2: MAY(rill_group_delete(bus, "S", "g")); break;
    case 3: MAY(rill_group_pause(bus, "S", "g", roll(r, 3))); break;
    case 4: MAY(rill_stream_erase(bus, "S", RILL_AT(1 + roll(r, 50)))); break;
    case 5: MAY(rill_stream_get(bus, "S", RILL_AT(1 + roll(r, 50)), &m)); break;
    case 6: MAY(rill_stream_get(bus, "S", RILL_AT_LAST("s.b"), &m)); break;
    default: MAY(rill_flush(bus, 20000)); break;
    }
    rill_msg_unref(m);
    MAY(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>",
                                               .max_msgs = 1000 + roll(r, 2))));
    MAY(rill_stream_status(bus, "S", &info));
    MAY(rill_stream_each(bus, idle_name, NULL));
}

static void race_open(race *r)
{
    if (r->own) {
        MAY(rill_close(r->own, 20000));
        r->own = NULL;
    } else {
        OK(rill_open(&r->own, r->url, NULL));
    }
    if (roll(r, 4) == 0 && r->url[0] == 'f') MAY(rill_store_check(r->shared, NULL, NULL));
}

static void *run_race(void *arg)
{
    static void (*const acts[])(race *) = {
        race_append, race_append, race_batch, race_consume, race_consume, race_callback, race_tail,
        race_kv, race_objects, race_streams, race_open,
    };
    race *r = arg;
    while (api_now_ms() < r->until_ms) acts[roll(r, sizeof acts / sizeof *acts)](r);
    if (roll(r, 2)) { /* the handles on it before the bus, or behind it */
        MAY(rill_close(r->own, 20000));
        r->own = NULL;
    }
    rill_sub_close(r->sub);
    rill_kv_close(r->kv);
    rill_objs_close(r->objs);
    MAY(rill_close(r->own, 20000));
    return NULL;
}

/* ---- All of them ---- */

/* Of each thread all that was acknowledged, in its order. */
static void see_kept(rill_bus *bus, const race *races)
{
    uint32_t next[RACE_THREADS] = {0}, total = 0;
    rill_sub *sub;
    const rill_msg *m;
    for (int i = 0; i < RACE_THREADS; i++) total += races[i].kept;
    OK(rill_tail(bus, &sub, "KEEP", NULL));
    for (uint32_t n = 0; n < total; n++) {
        unsigned thread, number;
        OK(rill_next(sub, &m, 20000));
        ck_assert_int_eq(sscanf(m->data.ptr, "%u %u", &thread, &number), 2);
        ck_assert_uint_lt(thread, RACE_THREADS);
        ck_assert_uint_eq(number, next[thread]++);
    }
    FAILS(rill_next(sub, &m, 0), RILL_EAGAIN);
    rill_sub_close(sub);
}

START_TEST(all_durable_calls_at_once)
{
    char url[80] = "mem:races";
    race races[RACE_THREADS];
    pthread_t threads[RACE_THREADS];
    atomic_int called = 0;
    make_dir();
    if (_i) snprintf(url, sizeof url, "file:%s", dir);
    rill_bus *one = api_open(url), *other = api_open(url);
    OK(rill_stream_ensure(one, "KEEP", NULL));
    OK(rill_stream_ensure(one, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    for (int i = 0; i < RACE_THREADS; i++) {
        races[i] = (race){.shared = i % 2 ? other : one, .url = url, .number = i,
                          .dice = (uint64_t)(i + 1) * 77, .until_ms = api_now_ms() + RACE_RUN_MS,
                          .called = &called};
        pthread_create(&threads[i], NULL, run_race, &races[i]);
    }
    for (int i = 0; i < RACE_THREADS; i++) pthread_join(threads[i], NULL);
    ck_assert_int_gt(atomic_load(&called), 0);
    OK(rill_close(other, 20000));
    if (_i) {
        OK(rill_close(one, 20000));
        one = api_open(url);
    }
    see_kept(one, races);
    OK(rill_close(one, 20000));
    remove_dir();
}
END_TEST

SUITE_MAIN_ROWS("store races", SUITE_EACH(2, all_durable_calls_at_once))
