/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are begun and items that are reaped, in one thread: each allocation fails once, and
 * nothing is lost of what says that it will come. */
#include <stdio.h>

#include <pthread.h>

#include "base/error.h"
#include "front/handle/peer.h"
#include "support/fault.h"
#include "support/suite.h"

enum { CALLS = 6, TURNS_MAX = 1000 };

typedef struct desk {
    rill_bus *bus;
    rill_kv *kv;
    rill_sub *sub;
    int begun, over, msgs, errors;
} desk;

static void desk_take(desk *d, const rill_item *item)
{
    if (item->kind == RILL_ITEM_MSG) d->msgs++;
    if (item->kind != RILL_ITEM_DONE) return;
    d->over++;
    if (item->err < 0) d->errors = item->err;
    if (item->err < 0 && !item->detail) d->errors = RILL_EBUG;
    rill_sub_close(item->sub);
}

static void desk_done(const rill_item *item, void *arg)
{
    desk_take(arg, item);
}

static int desk_start(desk *d, rill_done_fn done)
{
    const rill_call calls[CALLS] = {
        {.verb = RILL_DO_KV_PUT, .kv = d->kv, .name = "k", .data = "v", .len = 1},
        {.verb = RILL_DO_KV_GET, .kv = d->kv, .name = "k"},
        {.verb = RILL_DO_KV_EACH, .kv = d->kv},
        {.verb = RILL_DO_STREAM_DESCRIBE},
        {.verb = RILL_DO_SUBSCRIBE, .name = "x",
         .sub_opts = RILL_OPTS(rill_sub_opts, .group = "g")},
        {.verb = RILL_DO_APPEND, .name = "S", .data = "a", .len = 1,
         .post = RILL_OPTS(rill_post, .nheaders = 1,
                           .headers = &(rill_header){RILL_STR("a"), RILL_STR("b")})},
    };
    int rc = RILL_OK;
    for (int i = 0; i < CALLS && rc == RILL_OK; i++) {
        rill_call call = calls[i];
        call.size = sizeof call;
        rc = rill_start(d->bus, &call, done, d);
        d->begun += rc == RILL_OK;
    }
    return rc;
}

static int desk_reap(desk *d, fault *f)
{
    rill_reaped *reaped;
    int rc = rill_reap(d->bus, &reaped, 3, 0);
    for (size_t i = 0; reaped && i < reaped->n; i++) desk_take(d, reaped->items[i]);
    rill_reaped_free(reaped);
    f->now_ns += RI_MS;
    return rc == RILL_EAGAIN || rc > 0 ? RILL_OK : rc;
}

/* Until all that was begun is over, whatever fails meanwhile. */
static int desk_turn(desk *d, fault *f, bool reap)
{
    int rc = RILL_OK;
    for (int i = 0; d->over < d->begun && i < TURNS_MAX; i++) {
        int one = reap ? desk_reap(d, f) : rill_poll(d->bus, 0);
        if (one < 0) rc = one;
        f->now_ns += RI_MS;
    }
    ck_assert_int_eq(d->over, d->begun);
    return rc;
}

static int desk_run(fault *f, bool reap)
{
    desk d = {0};
    int rc = rill_open(&d.bus, "mem:", RILL_OPTS(rill_opts, .host = &f->hooks, .reap = reap,
                                                 .drive = RILL_DRIVE_HOST));
    if (rc == RILL_OK) rc = rill_kv_open(d.bus, &d.kv, "B", NULL);
    if (rc == RILL_OK) rc = rill_stream_ensure(d.bus, "S", NULL) < 0 ? RILL_ENOMEM : RILL_OK;
    if (rc == RILL_OK && reap) rc = rill_subscribe(d.bus, &d.sub, "S", NULL);
    if (rc == RILL_OK) rc = desk_start(&d, reap ? NULL : desk_done);
    int turned = d.bus ? desk_turn(&d, f, reap) : RILL_OK;
    if (rc == RILL_OK) rc = turned;
    if (rc == RILL_OK) rc = d.errors;
    rill_sub_close(d.sub);
    rill_kv_close(d.kv);
    if (d.bus) rill_close(d.bus, 0);
    return rc;
}

static int body_done(fault *f, void *arg)
{
    (void)arg;
    return desk_run(f, false);
}

static int body_reaped(fault *f, void *arg)
{
    (void)arg;
    return desk_run(f, true);
}

START_TEST(each_that_is_begun_ends)
{
    ck_assert_uint_ge(fault_each(body_done, NULL), 20);
}
END_TEST

START_TEST(each_item_comes)
{
    ck_assert_uint_ge(fault_each(body_reaped, NULL), 20);
}
END_TEST

/* ---- On the thread beside ---- */

typedef struct beside {
    ri_bus_call call;
    int done;              /* the err that it was told with; 1: it was not */
    atomic_bool entered, may_go, told, freed;
    atomic_int closed;     /* 1: RILL_EV_CLOSED came behind `done`; -1: before it */
} beside;

static void beside_nap(void)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void beside_free(ri_bus_call *call)
{
    beside *b = ri_container_of(call, beside, call);
    atomic_store(&b->freed, true);
}

static void beside_told(const rill_item *item, void *arg)
{
    beside *b = arg;
    b->done = item->err;
    atomic_store(&b->told, true);
}

/* Sleeps until somebody wakes it who wants it to be over. */
static int beside_sleep(ri_bus_call *call)
{
    beside *b = ri_container_of(call, beside, call);
    rill_bus *bus = call->bus;
    atomic_store(&b->entered, true);
    while (!ri_hurry_is_now()) {
        uint32_t seen = ri_park_count(&bus->answer);
        if (!ri_hurry_is_now()) ri_park_wait(&bus->answer, seen, -1);
    }
    return ri_err(RILL_ETIMEDOUT, "its time was up");
}

/* As if in a function of the program's, which nobody can end. */
static int beside_stay(ri_bus_call *call)
{
    beside *b = ri_container_of(call, beside, call);
    atomic_store(&b->entered, true);
    while (!atomic_load(&b->may_go)) beside_nap();
    return RILL_OK;
}

static void beside_start(beside *b, rill_bus *bus, int (*run)(ri_bus_call *call), int64_t until_ns)
{
    *b = (beside){.done = 1, .call = {.bus = bus, .run = run, .free = beside_free,
                                      .done = beside_told, .arg = b, .beside = true,
                                      .until_ns = until_ns, .begin_ns = INT64_MAX}};
    ck_assert_ok(ri_bus_call_start(&b->call));
    for (int i = 0; !atomic_load(&b->entered) && i < 20000; i++) {
        ck_assert_int_ge(rill_poll(bus, 0), 0);
        beside_nap();
    }
    ck_assert(atomic_load(&b->entered));
}

/* The clock alone ends what sleeps there. */
START_TEST(the_clock_wakes_the_thread_beside)
{
    fault f;
    beside b;
    rill_bus *bus;
    fault_init(&f);
    ck_assert_ok(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .host = &f.hooks,
                                                   .drive = RILL_DRIVE_HOST)));
    beside_start(&b, bus, beside_sleep, f.now_ns + RI_SEC);
    int wait_ms = rill_wait_ms(bus);
    ck_assert_msg(wait_ms >= 0 && wait_ms <= 1000, "%d", wait_ms);
    for (int i = 0; i < 20; i++) ck_assert_int_eq(rill_poll(bus, 0), 0);
    ck_assert_int_eq(b.done, 1);
    f.now_ns += RI_SEC;
    for (int i = 0, ran = 0; ran == 0 && i < 20000; i++) {
        ran = rill_poll(bus, 0);
        beside_nap();
    }
    ck_assert_int_eq(b.done, RILL_ETIMEDOUT);
    ck_assert_ok(rill_close(bus, 0));
    ck_assert(atomic_load(&b.freed));
    fault_fini(&f);
}
END_TEST

/* The peer of a bus, whose turns by any other thread than this one are counted. */
typedef struct strict {
    ri_peer_ops ops;
    const ri_peer_ops *real;
    pthread_t mine;
    atomic_int others;
} strict;

static strict stricts[2]; /* one for each bus: they outlive what is left of it */

static void strict_turn(rill_bus *bus)
{
    strict *s = ri_container_of(bus->ops, strict, ops);
    if (!pthread_equal(pthread_self(), s->mine)) atomic_fetch_add(&s->others, 1);
    s->real->turn(bus);
}

static void strict_set(strict *s, rill_bus *bus)
{
    s->real = bus->ops;
    s->ops = *bus->ops;
    s->ops.turn = strict_turn;
    s->mine = pthread_self();
    bus->ops = &s->ops;
}

static void told_of_close(rill_bus *bus, const rill_event *ev, void *arg)
{
    beside *b = arg;
    (void)bus;
    if (ev->kind == RILL_EV_CLOSED) atomic_store(&b->closed, atomic_load(&b->told) ? 1 : -1);
}

/* A bus that the program drives closes within its time; what stays behind is told once, later, and
 * then that all is over. The thread that tells it is none that drives the peer. */
static void leave_beside(strict *s, int timeout_ms)
{
    beside b = {.done = 1};
    rill_bus *bus;
    ck_assert_ok(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST,
                                                   .on_event = told_of_close, .arg = &b)));
    strict_set(s, bus);
    beside_start(&b, bus, beside_stay, INT64_MAX);
    ck_assert_rc(rill_close(bus, timeout_ms), RILL_ETIMEDOUT);
    ck_assert(!atomic_load(&b.told) && atomic_load(&b.closed) == 0);
    atomic_store(&b.may_go, true);
    for (int i = 0; (!atomic_load(&b.freed) || !atomic_load(&b.closed)) && i < 20000; i++)
        beside_nap();
    ck_assert(atomic_load(&b.freed) && atomic_load(&b.told));
    ck_assert_int_eq(b.done, RILL_OK);
    ck_assert_int_eq(atomic_load(&b.closed), 1);
    ck_assert_int_eq(atomic_load(&s->others), 0);
}

START_TEST(a_close_does_not_wait_for_what_stays_beside)
{
    leave_beside(&stricts[0], 0);
    leave_beside(&stricts[1], 20);
}
END_TEST

/* ---- In the dispatcher's thread ---- */

typedef struct passer {
    ri_bus_call call;
    int turns, freed;
    pthread_t told_by;
    int done;              /* the err that it was told with; 1: it was not */
} passer;

/* Has a way to go, however it is hurried. */
static int passer_run(ri_bus_call *call)
{
    passer *p = ri_container_of(call, passer, call);
    for (; p->turns < 10; p->turns++) ri_task_pass();
    return RILL_OK;
}

static void passer_free(ri_bus_call *call)
{
    ri_container_of(call, passer, call)->freed++;
}

static void passer_told(const rill_item *item, void *arg)
{
    passer *p = arg;
    p->done = item->err;
    p->told_by = pthread_self();
}

/* A close without any time, of a bus that the program drives, ends all that runs here, on the
 * thread of who closes; beside it one may stay. */
static void end_here(bool another)
{
    rill_bus *bus;
    beside b = {.done = 1};
    ck_assert_ok(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    if (another) beside_start(&b, bus, beside_stay, INT64_MAX);
    passer p = {.done = 1, .call = {.bus = bus, .run = passer_run, .free = passer_free,
                                    .done = passer_told, .arg = &p, .until_ns = INT64_MAX,
                                    .begin_ns = INT64_MAX}};
    ck_assert_ok(ri_bus_call_start(&p.call));
    ri_bus_calls *calls = &bus->calls;
    bus->dispatching = true; /* one turn, as of the dispatcher */
    ck_assert_int_eq(ri_bus_calls_turn(bus, false), 0);
    bus->dispatching = false;
    ck_assert_uint_eq(calls->nrunning, 1);
    ck_assert_rc(rill_close(bus, 0), another ? RILL_ETIMEDOUT : RILL_OK);
    ck_assert_int_eq(p.done, RILL_OK);
    ck_assert_int_eq(p.freed, 1);
    ck_assert_int_eq(p.turns, 10);
    ck_assert(pthread_equal(p.told_by, pthread_self()));
    atomic_store(&b.may_go, true);
    for (int i = 0; another && !atomic_load(&b.freed) && i < 20000; i++) beside_nap();
    ck_assert_int_eq(atomic_load(&b.freed), another);
}

START_TEST(a_close_ends_what_runs_here)
{
    end_here(false);
    end_here(true);
}
END_TEST

SUITE_MAIN("calls", each_that_is_begun_ends, each_item_comes, the_clock_wakes_the_thread_beside,
           a_close_does_not_wait_for_what_stays_beside, a_close_ends_what_runs_here)
