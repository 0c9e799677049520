/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are begun and not waited for: each verb over each kind of bus, taken back, many at a
 * time, at the end of the bus, and with arguments that cannot be. */
#include "kinds.h"
#include "tasks.h"

/* ---- One that is under way ---- */

typedef struct started {
    rill_bus *bus;
    bool drives;
    atomic_bool over;
    int err;
    char detail[512];
    uint64_t count, seq;
    size_t n;
    char names[256];     /* joined by spaces */
    char data[256];      /* of a message, or an object; of messages joined by spaces */
    uint64_t msgs;       /* of an info */
    rill_sub *sub;
    rill_kv *kv;
    rill_objs *objs;
} started;

static void add_word(char *to, size_t room, rill_str word)
{
    size_t len = strlen(to);
    snprintf(to + len, room - len, "%s%.*s", len ? " " : "", RILL_ARG(word));
}

static void note_lists(started *s, const rill_item *item)
{
    for (size_t i = 0; i < item->n; i++) {
        if (item->names) add_word(s->names, sizeof s->names, item->names[i]);
        if (item->msgs) add_word(s->data, sizeof s->data, item->msgs[i]->data);
        if (item->descs) {
            const rill_stream_desc *d = item->descs[i];
            add_word(s->names, sizeof s->names, (rill_str){d->name, strlen(d->name)});
            s->msgs += d->info->msgs;
            ck_assert_ptr_nonnull(d->opts->subjects);
        }
    }
}

static void note_item(const rill_item *item, void *arg)
{
    started *s = arg;
    ck_assert_int_eq(item->kind, RILL_ITEM_DONE);
    ck_assert_ptr_eq(item->arg, arg);
    ck_assert_int_eq(item->err < 0, item->detail != NULL);
    s->err = item->err;
    if (item->detail) snprintf(s->detail, sizeof s->detail, "%s", item->detail);
    s->count = item->count;
    s->n = item->n;
    if (item->receipt) s->seq = item->receipt->seq;
    if (item->msg) add_word(s->data, sizeof s->data, item->msg->data);
    if (item->data.ptr) add_word(s->data, sizeof s->data, item->data);
    if (item->stream_info) s->msgs = item->stream_info->msgs;
    if (item->group_info) s->msgs = item->group_info->lag_msgs;
    if (item->sub_info) s->msgs = item->sub_info->lag_msgs;
    if (item->obj_info) s->msgs = item->obj_info->bytes;
    note_lists(s, item);
    s->sub = item->sub;
    s->kv = item->kv;
    s->objs = item->objs;
    atomic_store(&s->over, true);
}

static void await(started *s)
{
    while (s->drives && !atomic_load(&s->over)) OK(rill_poll(s->bus, 10000));
    EVENTUALLY(atomic_load(&s->over));
}

static int run_call(rill_bus *bus, int kind, started *s, const rill_call *call)
{
    *s = (started){.bus = bus, .drives = kind_drives(kind)};
    OK(rill_start(bus, call, note_item, s));
    await(s);
    return s->err;
}

#define RUN(verb_, ...) \
    run_call(bus, _i, &s, RILL_OPTS(rill_call, .verb = RILL_DO_##verb_, __VA_ARGS__))
#define RUNS(verb_, ...)                                                                  \
    do {                                                                                  \
        int rc_ = RUN(verb_, __VA_ARGS__);                                                \
        ck_assert_msg(rc_ == RILL_OK, #verb_ ": %s: %s", rill_errname(rc_), s.detail);    \
    } while (0)
#define FAILS_WITH(want, verb_, ...)                                                      \
    do {                                                                                  \
        int rc_ = RUN(verb_, __VA_ARGS__);                                                \
        ck_assert_msg(rc_ == (want), #verb_ " is %s, not %s", rill_errname(rc_),          \
                      rill_errname(want));                                                \
    } while (0)
#define TEXT(text) .data = (text), .len = strlen(text)

START_TEST(streams)
{
    rill_bus *bus = begin_kind(_i);
    started s;
    RUNS(STREAM_ENSURE, .name = "S", .stream_opts = RILL_OPTS(rill_stream_opts, .subjects = "s.>"));
    ck_assert_uint_eq(s.count, 1);
    RUNS(STREAM_ENSURE, .name = "S", .stream_opts = RILL_OPTS(rill_stream_opts, .subjects = "s.>"));
    ck_assert_uint_eq(s.count, 0);
    RUNS(STREAM_ENSURE, .name = "T", .timeout_ms = 20000);
    for (int i = 0; i < 5; i++) RUNS(APPEND, .name = "s.a", TEXT("one"));
    ck_assert_uint_eq(s.seq, 5);
    RUNS(APPEND, .name = "s.b", TEXT("two"), .timeout_ms = 20000,
         .post = RILL_OPTS(rill_post, .msg_id = "x"));
    ck_assert_uint_eq(s.seq, 6);
    FAILS_WITH(RILL_ECONFLICT, APPEND, .name = "s.b", .timeout_ms = -1,
               .post = RILL_OPTS(rill_post, .expect_last_seq = &(uint64_t){3}));
    FAILS_WITH(RILL_ENOREPLY, APPEND, .name = "nobody.takes.it", .timeout_ms = 20000);
    RUNS(STREAM_STATUS, .name = "S");
    ck_assert_uint_eq(s.msgs, 6);
    RUNS(STREAM_EACH, .timeout_ms = 0);
    ck_assert_str_eq(s.names, "S T");
    RUNS(STREAM_DESCRIBE, .name = "S");
    ck_assert_str_eq(s.names, "S");
    RUNS(STREAM_DESCRIBE, .name = NULL);
    ck_assert_uint_eq(s.n, 2);
    ck_assert_uint_eq(s.msgs, 6);
    RUNS(STREAM_GET, .name = "S", .at = RILL_AT(6));
    ck_assert_str_eq(s.data, "two");
    RUNS(STREAM_GET, .name = "S", .at = RILL_AT_LAST("s.a"));
    ck_assert_str_eq(s.data, "one");
    RUNS(STREAM_ERASE, .name = "S", .at = RILL_AT(1));
    RUNS(STREAM_PURGE, .name = "S", .purge_opts = RILL_OPTS(rill_purge_opts, .filter = "s.a"));
    ck_assert_uint_eq(s.count, 4);
    FAILS_WITH(RILL_ENOENT, STREAM_STATUS, .name = "none");
    RUNS(STREAM_DELETE, .name = "T");
    FAILS_WITH(RILL_ENOENT, STREAM_DELETE, .name = "T");
    RUNS(FLUSH, .timeout_ms = 20000);
    end_kind(bus);
}
END_TEST

START_TEST(groups)
{
    rill_bus *bus = begin_kind(_i);
    started s;
    OK(rill_stream_ensure(bus, "S", NULL));
    for (int i = 0; i < 5; i++) append(bus, "S", "x");
    RUNS(GROUP_ENSURE, .name = "S", .group = "g",
         .sub_opts = RILL_OPTS(rill_sub_opts, .backoff_ms = (const uint32_t[]){100, 200},
                               .nbackoff = 2, .max_deliveries = 3));
    ck_assert_uint_eq(s.count, 1);
    RUNS(GROUP_STATUS, .name = "S", .group = "g");
    ck_assert_uint_eq(s.msgs, 5);
    RUNS(GROUP_EACH, .name = "S");
    ck_assert_str_eq(s.names, "g");
    RUNS(GROUP_SEEK, .name = "S", .group = "g", .at = RILL_AT(4));
    RUNS(GROUP_STATUS, .name = "S", .group = "g");
    ck_assert_uint_eq(s.msgs, 2);
    RUNS(GROUP_PAUSE, .name = "S", .group = "g", .time_ns = 1);
    RUNS(CONSUME, .name = "S", .sub_opts = RILL_OPTS(rill_sub_opts, .group = "g"));
    rill_sub *sub = s.sub;
    const rill_msg *m;
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->seq, 4);
    OK(rill_ack(m));
    RUNS(SUB_STATUS, .sub = sub);
    RUNS(SEEK, .sub = sub, .at = RILL_AT(2));
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->seq, 2);
    rill_sub_close(sub);
    RUNS(GROUP_DELETE, .name = "S", .group = "g");
    FAILS_WITH(RILL_ENOENT, GROUP_DELETE, .name = "S", .group = "g");
    RUNS(TAIL, .name = "S", .sub_opts = RILL_OPTS(rill_sub_opts, .from = RILL_FROM_LAST));
    OK(rill_next(s.sub, &m, 20000));
    ck_assert_uint_eq(m->seq, 5);
    rill_sub_close(s.sub);
    FAILS_WITH(RILL_ENOENT, TAIL, .name = "none");
    end_kind(bus);
}
END_TEST

START_TEST(live)
{
    rill_bus *bus = begin_kind(_i);
    started s;
    const rill_msg *m;
    RUNS(SUBSCRIBE, .name = "a.*", .sub_opts = RILL_OPTS(rill_sub_opts, .pending_msgs = 7));
    OK(rill_publish(bus, "a.b", "hi", 2, NULL));
    OK(rill_next(s.sub, &m, 20000));
    TEXT_IS(m->data, "hi");
    rill_sub *sub = s.sub;
    FAILS_WITH(RILL_EINVAL, SUBSCRIBE, .name = "a..b");
    FAILS_WITH(RILL_ENOREPLY, REQUEST, .name = "nobody");
    s = (started){.bus = bus, .drives = kind_drives(_i)};
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_REQUEST, .name = "a.x", TEXT("?")),
                  note_item, &s));
    OK(rill_next(sub, &m, 20000));
    OK(rill_reply(m, "answer", 6, NULL));
    await(&s);
    ck_assert_int_eq(s.err, RILL_OK);
    ck_assert_str_eq(s.data, "answer");
    FAILS_WITH(RILL_ETIMEDOUT, REQUEST, .name = "a.y", .timeout_ms = 20);
    rill_sub_close(sub);
    RUNS(DRAIN, .timeout_ms = 20000);
    end_kind(bus);
}
END_TEST

START_TEST(batches)
{
    rill_bus *bus = begin_kind(_i);
    started s;
    rill_batch *batch;
    OK(rill_stream_ensure(bus, "S", NULL));
    OK(rill_batch_begin(bus, &batch, NULL));
    FAILS_WITH(RILL_EINVAL, BATCH_COMMIT, .batch = batch);
    rill_batch_close(batch);
    OK(rill_batch_begin(bus, &batch, NULL));
    for (int i = 0; i < 3; i++) OK(rill_batch_add(batch, "S", "x", 1, NULL));
    RUNS(BATCH_COMMIT, .batch = batch, .timeout_ms = 20000);
    ck_assert_uint_eq(s.seq, 3);
    rill_batch_close(batch);
    end_kind(bus);
}
END_TEST

START_TEST(keys)
{
    rill_bus *bus = begin_kind(_i);
    started s;
    const rill_msg *m;
    FAILS_WITH(RILL_ENOENT, KV_OPEN, .name = "B",
               .bucket_opts = RILL_OPTS(rill_bucket_opts, .must_exist = true));
    RUNS(KV_OPEN, .name = "B", .bucket_opts = RILL_OPTS(rill_bucket_opts, .history = 5));
    rill_kv *kv = s.kv;
    RUNS(KV_PUT, .kv = kv, .name = "k", TEXT("one"));
    uint64_t rev = s.count;
    ck_assert_uint_gt(rev, 0);
    FAILS_WITH(RILL_EEXIST, KV_CREATE, .kv = kv, .name = "k", TEXT("no"));
    RUNS(KV_CREATE, .kv = kv, .name = "l", TEXT("two"));
    RUNS(KV_PUT, .kv = kv, .name = "k", TEXT("three"),
         .kv_opts = RILL_OPTS(rill_kv_opts, .expect = &rev));
    FAILS_WITH(RILL_ECONFLICT, KV_PUT, .kv = kv, .name = "k", TEXT("four"),
               .kv_opts = RILL_OPTS(rill_kv_opts, .expect = &rev));
    RUNS(KV_GET, .kv = kv, .name = "k");
    ck_assert_str_eq(s.data, "three");
    RUNS(KV_HISTORY, .kv = kv, .name = "k");
    ck_assert_str_eq(s.data, "one three");
    RUNS(KV_EACH, .kv = kv);
    ck_assert_uint_eq(s.n, 2);
    RUNS(KV_EACH, .kv = kv, .name = "l");
    ck_assert_str_eq(s.names, "l");
    RUNS(KV_DELETE, .kv = kv, .name = "k");
    FAILS_WITH(RILL_ENOENT, KV_GET, .kv = kv, .name = "k");
    RUNS(KV_PURGE, .kv = kv, .name = "k");
    RUNS(KV_WATCH, .kv = kv);
    OK(rill_next(s.sub, &m, 20000));
    rill_sub_close(s.sub);
    rill_kv_close(kv);
    end_kind(bus);
}
END_TEST

START_TEST(objects)
{
    rill_bus *bus = begin_kind(_i);
    started s;
    const rill_msg *m;
    RUNS(OBJS_OPEN, .name = "B");
    rill_objs *objs = s.objs;
    size_t big = 300000;
    char *bytes = malloc(big);
    memset(bytes, 'x', big);
    RUNS(OBJ_PUT, .objs = objs, .name = "big", .data = bytes, .len = big);
    RUNS(OBJ_PUT, .objs = objs, .name = "small", TEXT("three"));
    RUNS(OBJ_GET, .objs = objs, .name = "small");
    ck_assert_str_eq(s.data, "three");
    RUNS(OBJ_STATUS, .objs = objs, .name = "big");
    ck_assert_uint_eq(s.msgs, big);
    RUNS(OBJ_GET, .objs = objs, .name = "big");
    RUNS(OBJ_LINK, .objs = objs, .name = "link", .to = objs, .group = "small");
    RUNS(OBJ_GET, .objs = objs, .name = "link");
    ck_assert_str_eq(s.data, "three");
    RUNS(OBJ_EACH, .objs = objs);
    ck_assert_uint_eq(s.n, 3);
    RUNS(OBJ_DELETE, .objs = objs, .name = "big");
    FAILS_WITH(RILL_ENOENT, OBJ_GET, .objs = objs, .name = "big");
    RUNS(OBJ_WATCH, .objs = objs);
    OK(rill_next(s.sub, &m, 20000));
    rill_sub_close(s.sub);
    RUNS(OBJS_SEAL, .objs = objs);
    rill_objs_close(objs);
    free(bytes);
    end_kind(bus);
}
END_TEST


/* ---- Many at a time ---- */

typedef struct crowd {
    atomic_int over, failed, cancelled, closed;
    atomic_bool within;
} crowd;

static void count_item(const rill_item *item, void *arg)
{
    crowd *c = arg;
    if (atomic_exchange(&c->within, true)) atomic_fetch_add(&c->failed, 1); /* two at a time */
    if (item->err == RILL_ECANCELED) atomic_fetch_add(&c->cancelled, 1);
    else if (item->err == RILL_ECLOSED || item->err == RILL_EUNSURE)
        atomic_fetch_add(&c->closed, 1);
    else if (item->err < 0) {
        atomic_fetch_add(&c->failed, 1);
        fprintf(stderr, "%s: %s\n", rill_errname(item->err), item->detail);
    }
    atomic_fetch_add(&c->over, 1);
    atomic_store(&c->within, false);
}

static void await_crowd(rill_bus *bus, int kind, crowd *c, int n)
{
    while (kind_drives(kind) && atomic_load(&c->over) < n) OK(rill_poll(bus, 10000));
    EVENTUALLY(atomic_load(&c->over) == n);
}

/* More than have a stack at a time, in the order of their beginning where that matters. */
START_TEST(many_are_under_way)
{
    enum { COUNT = 500 };
    rill_bus *bus = begin_kind(_i);
    crowd c = {0};
    rill_kv *kv;
    rill_msg *m;
    char key[16];
    OK(rill_kv_open(bus, &kv, "B", NULL));
    for (int i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "k%d", i % 50);
        OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = kv, .name = key,
                                     .data = &i, .len = sizeof i, .timeout_ms = 50000),
                      count_item, &c));
        memset(key, 'x', sizeof key); /* it has been copied */
    }
    await_crowd(bus, _i, &c, COUNT);
    ck_assert_int_eq(atomic_load(&c.failed), 0);
    OK(rill_kv_get(kv, "k7", &m));
    ck_assert_uint_eq(m->data.len, sizeof(int));
    rill_msg_unref(m);
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "KV_B", &info));
    ck_assert_uint_eq(info.msgs, 50);
    rill_kv_close(kv);
    end_kind(bus);
}
END_TEST

static void start_next(const rill_item *item, void *arg);
typedef struct chain {
    rill_bus *bus;
    rill_kv *kv;
    atomic_int left;
} chain;

/* From a callback, which does not wait: each begins the next. */
static void start_next(const rill_item *item, void *arg)
{
    chain *c = arg;
    OK(item->err);
    if (atomic_fetch_sub(&c->left, 1) <= 1) return;
    OK(rill_start(c->bus, RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = c->kv, .name = "k"),
                  start_next, c));
}

START_TEST(each_begins_the_next)
{
    rill_bus *bus = begin_kind(_i);
    chain c = {.bus = bus, .left = 100};
    OK(rill_kv_open(bus, &c.kv, "B", NULL));
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = c.kv, .name = "k"),
                  start_next, &c));
    while (kind_drives(_i) && atomic_load(&c.left) > 0) OK(rill_poll(bus, 10000));
    EVENTUALLY(atomic_load(&c.left) <= 0);
    rill_kv_close(c.kv);
    end_kind(bus);
}
END_TEST

/* ---- Callbacks on the stack of a call ---- */

typedef struct above {
    rill_bus *bus, *other;
    rill_kv *kv;
    int close, flush, request;
    started far;
    atomic_int ran;
} above;

/* It would wait for the thread that it runs on; another bus is driven as from anywhere. */
static void on_stack(rill_sub *sub, const rill_msg *m, void *arg)
{
    above *a = arg;
    rill_msg *reply;
    (void)sub, (void)m;
    a->close = rill_close(a->bus, 1000);
    a->flush = rill_flush(a->bus, 1000);
    a->request = rill_request(a->bus, "x", NULL, 0, NULL, &reply, 1000);
    a->far = (started){.bus = a->other, .drives = true};
    OK(rill_start(a->other, RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = a->kv,
                                      .name = "k", TEXT("v")), note_item, &a->far));
    await(&a->far);
    atomic_fetch_add(&a->ran, 1);
}

START_TEST(a_callback_above_a_call)
{
    above a = {0};
    started s;
    rill_sub *sub;
    rill_drive drive = _i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD;
    OK(rill_open(&a.bus, "mem:", RILL_OPTS(rill_opts, .drive = drive)));
    OK(rill_open(&a.other, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    OK(rill_kv_open(a.other, &a.kv, "B", NULL));
    ck_assert_int_ge(rill_stream_ensure(a.bus, "orders", NULL), 0);
    OK(rill_subscribe(a.bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .on_msg = on_stack,
                                                       .arg = &a, .on_publisher = true)));
    for (int n = 1; n <= 2; n++) { /* by a call that goes on behind it */
        s = (started){.bus = a.bus, .drives = _i};
        OK(rill_start(a.bus, RILL_OPTS(rill_call, .verb = RILL_DO_APPEND, .name = "orders",
                                       TEXT("one"), .timeout_ms = 20000), note_item, &s));
        await(&s);
        ck_assert_msg(s.err == RILL_OK && s.seq == (uint64_t)n, "%d %s", s.err, s.detail);
        ck_assert_int_eq(atomic_load(&a.ran), n);
        ck_assert_int_eq(a.close, RILL_EDEADLK);
        ck_assert_int_eq(a.flush, RILL_EDEADLK);
        ck_assert_int_eq(a.request, RILL_EDEADLK);
        ck_assert_int_eq(a.far.err, RILL_OK);
    }
    rill_sub_close(sub);
    rill_kv_close(a.kv);
    OK(rill_close(a.other, 20000));
    OK(rill_close(a.bus, 20000));
}
END_TEST

/* ---- Taken back ---- */

/* One that has no turn, since others wait for ever, has an end all the same. */
START_TEST(what_has_no_turn_is_late)
{
    enum { COUNT = 64 };
    rill_bus *bus;
    crowd c = {0};
    started s = {.drives = _i};
    OK(rill_open(&bus, "nats://127.0.0.1:1",
                 RILL_OPTS(rill_opts, .drive = _i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD,
                           .no_wait = true, .call_timeout_ms = 100000)));
    s.bus = bus;
    for (int i = 0; i < COUNT; i++)
        OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_STATUS, .name = "S",
                                     .timeout_ms = -1), count_item, &c));
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_STATUS, .name = "S",
                                 .timeout_ms = 50), note_item, &s));
    await(&s);
    ck_assert_int_eq(s.err, RILL_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(s.detail, "begun before it"));
    ck_assert_int_eq(atomic_load(&c.over), 0);
    ck_assert_int_eq(rill_cancel(bus, &c), COUNT);
    while (_i && atomic_load(&c.over) < COUNT) OK(rill_poll(bus, 10000));
    EVENTUALLY(atomic_load(&c.over) == COUNT);
    ck_assert_int_eq(atomic_load(&c.cancelled), COUNT);
    FAILS(rill_close(bus, 0), RILL_ETIMEDOUT);
}
END_TEST

START_TEST(what_waits_is_taken_back)
{
    enum { COUNT = 100 };
    rill_bus *bus = begin_kind(_i);
    crowd c = {0}, others = {0};
    rill_sub *deaf;
    OK(rill_subscribe(bus, &deaf, "deaf", NULL));
    OK(rill_flush(bus, 20000));
    for (int i = 0; i < COUNT; i++) {
        /* half of them by the long way */
        bool asks = i % 2 == 0;
        OK(rill_start(bus, RILL_OPTS(rill_call,
                                     .verb = asks ? RILL_DO_JETSTREAM_ASK : RILL_DO_REQUEST,
                                     .name = asks ? "$JS.API.NOTHING.LIKE.IT" : "deaf",
                                     .timeout_ms = -1), count_item, i % 4 < 2 ? &c : &others));
    }
    FAILS(rill_cancel(bus, NULL), RILL_EINVAL);
    ck_assert_int_eq(rill_cancel(bus, &deaf), 0);
    int n = rill_cancel(bus, &c);
    ck_assert_int_le(n, COUNT / 2);
    await_crowd(bus, _i, &c, COUNT / 2);
    ck_assert_int_eq(rill_cancel(bus, &c), 0);
    ck_assert_int_ge(atomic_load(&c.cancelled), COUNT / 4); /* the requests, at least */
    ck_assert_int_eq(atomic_load(&c.closed), 0);
    OK(rill_cancel(bus, &others));
    await_crowd(bus, _i, &others, COUNT / 2);
    rill_sub_close(deaf);
    end_kind(bus);
}
END_TEST

/* Whatever is under way ends with the bus, once, and before rill_close() has returned. */
START_TEST(the_end_of_the_bus_is_theirs)
{
    enum { COUNT = 200 };
    rill_bus *bus = begin_kind(_i);
    crowd c = {0};
    rill_sub *deaf;
    rill_kv *kv;
    OK(rill_kv_open(bus, &kv, "B", NULL));
    OK(rill_subscribe(bus, &deaf, "deaf", NULL));
    OK(rill_flush(bus, 20000));
    for (int i = 0; i < COUNT; i++)
        OK(rill_start(bus, i % 2 ? RILL_OPTS(rill_call, .verb = RILL_DO_REQUEST, .name = "deaf",
                                             .timeout_ms = -1)
                                 : RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = kv,
                                             .name = "k"), count_item, &c));
    int rc = rill_close(bus, 5000);
    ck_assert_msg(rc == RILL_OK || rc == RILL_ETIMEDOUT, "%s", rill_errmsg());
    ck_assert_int_eq(atomic_load(&c.over), COUNT);
    ck_assert_int_eq(atomic_load(&c.failed), 0);
    ck_assert_int_ge(atomic_load(&c.closed), COUNT / 2);
    rill_sub_close(deaf);
    rill_kv_close(kv);
    remove_dir();
}
END_TEST

/* ---- Arguments ---- */

START_TEST(arguments_are_looked_at)
{
    rill_bus *bus = begin_kind(_i), *other;
    rill_kv *kv;
    started s;
    rill_call call = {.size = sizeof call};
    OK(rill_open(&other, "mem:", NULL));
    OK(rill_kv_open(other, &kv, "B", NULL));
    FAILS(rill_start(NULL, &call, note_item, &s), RILL_EINVAL);
    FAILS(rill_start(bus, NULL, note_item, &s), RILL_EINVAL);
    FAILS(rill_start(bus, &call, note_item, &s), RILL_EINVAL);
    for (int i = -1; i < 1000; i += 1001) {
        call.verb = (rill_verb)i;
        FAILS(rill_start(bus, &call, note_item, &s), RILL_EINVAL);
    }
    for (call.verb = 1; call.verb <= RILL_DO_STORE_SNAPSHOT; call.verb++) { /* all are known */
        call.kv = kv;
        FAILS(rill_start(bus, &call, note_item, &s), RILL_EINVAL);
        ck_assert_ptr_null(strstr(rill_errmsg(), "verb is"));
    }
    call.kv = NULL;
    call.verb = RILL_DO_FLUSH;
    FAILS(rill_start(bus, &call, NULL, &s), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "done is NULL, and there is no reap");
    call.name = "x";
    FAILS(rill_start(bus, &call, note_item, &s), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "RILL_DO_FLUSH does not look at name");
    call = (rill_call){.size = sizeof call, .verb = RILL_DO_KV_GET, .kv = kv, .name = "k"};
    FAILS(rill_start(bus, &call, note_item, &s), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "a handle of the call is not one of this bus");
    call = (rill_call){.size = sizeof call, .verb = RILL_DO_APPEND, .name = "k", .len = 3};
    FAILS(rill_start(bus, &call, note_item, &s), RILL_EINVAL);
    call = (rill_call){.size = 3, .verb = RILL_DO_FLUSH};
    FAILS(rill_start(bus, &call, note_item, &s), RILL_EINVAL);
    call = (rill_call){.size = sizeof call, .verb = RILL_DO_OBJ_PUT, .name = "o", .data = "",
                       .len = RILL_START_DATA_MAX + 1};
    FAILS(rill_start(bus, &call, note_item, &s), RILL_ETOOBIG);
    char longer[sizeof call + 8] = {0};
    call = (rill_call){.size = sizeof longer, .verb = RILL_DO_FLUSH};
    memcpy(longer, &call, sizeof call);
    longer[sizeof longer - 1] = 1;
    FAILS(rill_start(bus, (rill_call *)(void *)longer, note_item, &s), RILL_EINVAL);
    /* What is wrong with the call itself is its answer. */
    FAILS_WITH(RILL_EINVAL, KV_GET, .name = "k");
    FAILS_WITH(RILL_EINVAL, STREAM_STATUS, .name = NULL);
    FAILS_WITH(RILL_EINVAL, APPEND, .name = "a b");
    call = (rill_call){.size = sizeof call, .verb = RILL_DO_STREAM_ENSURE, .name = "S",
                       .stream_opts = RILL_OPTS(rill_stream_opts, .nsources = 1,
                                                .sources = (const rill_source *const[]){NULL})};
    FAILS(rill_start(bus, &call, note_item, &s), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "rill_source 0 is NULL");
    rill_kv_close(kv);
    OK(rill_close(other, 20000));
    end_kind(bus);
}
END_TEST

/* ---- No hidden threads ---- */

static void have_no_thread(int _i)
{
    make_dir();
    char url[80];
    rill_bus *bus;
    started s;
    snprintf(url, sizeof url, "file:%s", dir);
    int before = threads();
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    RUNS(STREAM_ENSURE, .name = "S");
    for (int i = 0; i < 10; i++) RUNS(APPEND, .name = "S", .timeout_ms = 20000);
    RUNS(KV_OPEN, .name = "B");
    rill_kv *kv = s.kv;
    RUNS(KV_PUT, .kv = kv, .name = "k");
    rill_kv_close(kv);
    ck_assert_int_eq(threads(), before);
    RUNS(STORE_CHECK, .timeout_ms = 20000); /* it has one, which stays */
    ck_assert_uint_eq(s.count, 0);
    ck_assert_int_eq(threads(), before + 1);
    char copy[120];
    snprintf(copy, sizeof copy, "%s.copy", dir);
    RUNS(STORE_SNAPSHOT, .name = copy);
    FAILS_WITH(RILL_EEXIST, STORE_SNAPSHOT, .name = copy);
    ck_assert_int_eq(threads(), before + 1);
    OK(rill_close(bus, 20000));
    scratch_remove(copy);
    scratch_remove(dir);
}

START_TEST(a_driven_bus_has_no_thread)
{
    have_no_thread(KIND_FILE_HOST);
}
END_TEST

/* ---- Beside a listener, whose thread commits: in memory that is part of a step ---- */

START_TEST(a_broker_that_listens_commits_for_them)
{
    rill_broker *broker;
    rill_bus *bus;
    started s;
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .jetstream = true)));
    OK(rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    OK(rill_broker_bus(broker, &bus, NULL));
    RUNS(FLUSH, .timeout_ms = 20000);
    RUNS(STREAM_ENSURE, .name = "S", .timeout_ms = 20000);
    for (int i = 0; i < 10; i++) RUNS(APPEND, .name = "S", .timeout_ms = 20000);
    ck_assert_uint_eq(s.seq, 10);
    RUNS(FLUSH, .timeout_ms = 20000);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

SUITE_MAIN_ROWS("start",
    SUITE_ONCE(a_driven_bus_has_no_thread),
    SUITE_ONCE(a_broker_that_listens_commits_for_them),
    SUITE_EACH(2, a_callback_above_a_call, what_has_no_turn_is_late),
    EACH_KIND(streams, groups, live, batches, keys, objects, many_are_under_way,
              each_begins_the_next, what_waits_is_taken_back, the_end_of_the_bus_is_theirs,
              arguments_are_looked_at))
