/* SPDX-License-Identifier: Apache-2.0 */
/* The bus of a process over one arena: what it does, and each of its bounds. */
#include "rig.h"

static rill_sub *bus_listen(const char *subject, const char *group)
{
    rill_sub *sub;
    ck_assert_ok(rill_subscribe(r.bus, &sub, subject,
                                RILL_OPTS(rill_sub_opts, .on_msg = rig_hear, .group = group)));
    return sub;
}

static void bus_begin(void)
{
    rig_init();
    rig_log[0] = 0;
    ck_assert_ok(rig_open("mem:"));
}

START_TEST(test_publish)
{
    bus_begin();
    bus_listen("a.*", NULL);
    bus_listen("a.>", NULL);
    ck_assert_ok(rill_publish(r.bus, "a.b", "one", 3, NULL));
    ck_assert_ok(rill_publish(r.bus, "a.b.c", "two", 3, NULL));
    ck_assert_ok(rill_publish(r.bus, "b", "three", 5, NULL));
    ck_assert_str_eq(rig_log, ""); /* callbacks run in rill_poll() */
    ck_assert_int_eq(rill_poll(r.bus, 0), 4); /* and the event */
    ck_assert_str_eq(rig_log, "a.b=one|a.b=one|a.b.c=two|");
    ck_assert_int_eq(rig_count(RILL_EV_UP), 1);
    ck_assert_uint_eq(rill_caps(r.bus), RILL_CAN_REQUEST);
    rig_done();
    ck_assert_int_eq(rig_count(RILL_EV_CLOSED), 1);
}
END_TEST

static void bus_again(rill_sub *sub, const rill_msg *m, void *arg)
{
    rig_hear(sub, m, NULL);
    if (++*(int *)arg < 100) ck_assert_ok(rill_publish(r.bus, "a.b", "again", 5, NULL));
}

/* A callback that publishes to itself is not called within itself. */
START_TEST(test_on_publisher)
{
    int count = 0;
    rill_sub *sub;
    bus_begin();
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a.b",
                                RILL_OPTS(rill_sub_opts, .on_msg = bus_again, .arg = &count,
                                          .on_publisher = true)));
    ck_assert_ok(rill_publish(r.bus, "a.b", "first", 5, NULL));
    ck_assert_int_eq(count, 1);
    for (int i = 2; i <= 100; i++) {
        ck_assert_int_ge(rill_poll(r.bus, 0), 1);
        ck_assert_int_eq(count, i);
    }
    ck_assert_ok(rill_poll(r.bus, 0));
    rig_done();
}
END_TEST

START_TEST(test_headers)
{
    static const rill_header headers[] = {{{"One", 3}, {"1", 1}}, {{"Two", 3}, {"", 0}}};
    rill_sub *sub;
    const rill_msg *m;
    rill_str value;
    bus_begin();
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a", NULL));
    ck_assert_ok(rill_publish(r.bus, "a", "x", 1,
                              RILL_OPTS(rill_post, .headers = headers, .nheaders = 2, .msg_id = "7",
                                        .reply = "back")));
    ck_assert_ok(rill_next(sub, &m, 0));
    ck_assert_str_eq(m->reply.ptr, "back");
    ck_assert_uint_eq(m->nheaders, 3);
    ck_assert_int_eq(rill_header_get(m, "One", &value), 1);
    ck_assert_span(value, "1");
    ck_assert_int_eq(rill_header_get(m, "Nats-Msg-Id", &value), 1);
    ck_assert_span(value, "7");
    ck_assert_int_eq(rill_header_get(m, "one", &value), 0);
    ck_assert_span(rill_header_at(m, 1).name, "Two");
    ck_assert_span(rill_header_at(m, 3).name, "");
    ck_assert_rc(rill_publish(r.bus, "a", "x", 1,
                              RILL_OPTS(rill_post, .headers = &(rill_header){{"A\r", 2}, {"", 0}},
                                        .nheaders = 1)), RILL_EINVAL);
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    rig_done();
}
END_TEST

static void bus_serve(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    ck_assert_ok(rill_reply(m, "pong", 4, NULL));
}

static void bus_answered(int err, const rill_msg *reply, void *arg)
{
    snprintf(arg, 64, "%s %s", rill_errname(err), reply ? reply->data.ptr : "-");
}

START_TEST(test_request)
{
    char answer[64] = "";
    rill_sub *sub, *mute;
    rill_msg *reply;
    bus_begin();
    ck_assert_ok(rill_subscribe(r.bus, &sub, "ask", RILL_OPTS(rill_sub_opts, .on_msg = bus_serve)));
    ck_assert_ok(rill_subscribe(r.bus, &mute, "mute", NULL));
    ck_assert_ok(rill_request(r.bus, "ask", "ping", 4, NULL, &reply, 1000));
    ck_assert_str_eq(reply->data.ptr, "pong");
    rill_msg_unref(reply);
    ck_assert_rc(rill_request(r.bus, "nobody", "ping", 4, NULL, &reply, 1000), RILL_ENOREPLY);
    ck_assert_ptr_null(reply);
    int64_t before = r.now_ns;
    ck_assert_rc(rill_request(r.bus, "mute", "ping", 4, NULL, &reply, 250), RILL_ETIMEDOUT);
    ck_assert_int_ge(r.now_ns - before, 250 * RI_MS);
    ck_assert_ok(rill_request_async(r.bus, "ask", "", 0, NULL, 1000, bus_answered, answer));
    ck_assert_str_eq(answer, "");
    rig_run(1);
    ck_assert_str_eq(answer, "OK pong");
    ck_assert_ok(rill_request_async(r.bus, "mute", "", 0, NULL, 50, bus_answered, answer));
    rig_run(60);
    ck_assert_str_eq(answer, "ETIMEDOUT -");
    ck_assert_ok(rill_request_async(r.bus, "mute", "", 0, NULL, 50, bus_answered, answer));
    rig_done();
    ck_assert_str_eq(answer, "ECLOSED -");
}
END_TEST

START_TEST(test_groups)
{
    bus_begin();
    char one[] = "1:", two[] = "2:";
    rill_sub *sub;
    ck_assert_ok(rill_subscribe(r.bus, &sub, "job", RILL_OPTS(rill_sub_opts, .on_msg = rig_hear,
                                                              .arg = one, .group = "g")));
    ck_assert_ok(rill_subscribe(r.bus, &sub, "*", RILL_OPTS(rill_sub_opts, .on_msg = rig_hear,
                                                            .arg = two, .group = "g")));
    bus_listen("job", NULL);
    for (int i = 0; i < 2; i++) ck_assert_ok(rill_publish(r.bus, "job", "x", 1, NULL));
    rig_run(1);
    ck_assert_str_eq(rig_log, "1:job=x|2:job=x|job=x|job=x|");
    rig_done();
}
END_TEST

static void bus_close_self(rill_sub *sub, const rill_msg *m, void *arg)
{
    rig_hear(sub, m, arg);
    rill_sub_close(sub);
}

START_TEST(test_ends)
{
    rill_sub *sub;
    const rill_msg *m;
    bus_begin();
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a", RILL_OPTS(rill_sub_opts,
                                                            .on_msg = bus_close_self)));
    ck_assert_ok(rill_publish(r.bus, "a", "1", 1, NULL));
    ck_assert_ok(rill_publish(r.bus, "a", "2", 1, NULL));
    rig_run(1);
    ck_assert_str_eq(rig_log, "a=1|");
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a", RILL_OPTS(rill_sub_opts, .limit_msgs = 2)));
    for (int i = 0; i < 3; i++) ck_assert_ok(rill_publish(r.bus, "a", "3", 1, NULL));
    ck_assert_ok(rill_next(sub, &m, 0));
    ck_assert_ok(rill_next(sub, &m, 0));
    ck_assert_rc(rill_next(sub, &m, 0), RILL_ECLOSED);
    rill_sub_close(sub);
    rill_stats stats = {.size = sizeof stats};
    ck_assert_ok(rill_bus_stats(r.bus, &stats));
    ck_assert_uint_eq(stats.subs, 0);
    ck_assert_uint_eq(r.bus->entries_free, r.bus->max_pending);
    ck_assert_uint_eq(r.bus->slots_free, r.bus->max_pending + 1);
    rig_done();
    ck_assert_rc(rill_publish(r.bus, "a", "1", 1, NULL), RILL_ECLOSED);
}
END_TEST

/* ---- Bounds ---- */

START_TEST(test_full_tables)
{
    rill_sub *subs[4], *more;
    char long_subject[80];
    bus_begin();
    for (int i = 0; i < 4; i++) ck_assert_ok(rill_subscribe(r.bus, &subs[i], "mute", NULL));
    ck_assert_rc(rill_subscribe(r.bus, &more, "a", NULL), RILL_EFULL);
    ck_assert_ptr_null(more);
    rill_sub_close(subs[3]);
    memset(long_subject, 'a', sizeof long_subject);
    long_subject[65] = 0;
    ck_assert_rc(rill_subscribe(r.bus, &more, long_subject, NULL), RILL_ETOOBIG);
    long_subject[64] = 0;
    ck_assert_ok(rill_subscribe(r.bus, &more, long_subject, NULL));
    for (int i = 0; i < 3; i++)
        ck_assert_ok(rill_request_async(r.bus, "mute", "", 0, NULL, 50, NULL, NULL));
    ck_assert_rc(rill_request_async(r.bus, "mute", "", 0, NULL, 50, NULL, NULL), RILL_EAGAIN);
    rig_run(60);
    ck_assert_rc(rill_request_async(r.bus, "a.", "", 0, NULL, 50, NULL, NULL), RILL_EINVAL);
    rig_done();
}
END_TEST

START_TEST(test_too_big)
{
    char data[300] = {0};
    rill_sub *sub;
    const rill_msg *m;
    bus_begin();
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a", NULL));
    ck_assert_rc(rill_publish(r.bus, "a", data, 256, NULL), RILL_ETOOBIG);
    ck_assert_ok(rill_publish(r.bus, "a", data, 255, NULL));
    ck_assert_ok(rill_next(sub, &m, 0));
    ck_assert_uint_eq(m->data.len, 255);
    ck_assert_rc(rill_publish(r.bus, "a", data, SIZE_MAX - 1, NULL), RILL_ETOOBIG);
    rig_done();
}
END_TEST

typedef struct bus_full_case {
    rill_full when_full;
    const char *read; /* what is there behind ten publishes into a queue of three */
    int last, drops;  /* what the eleventh publish returns; what was dropped by then */
} bus_full_case;

static const bus_full_case bus_full_cases[] = {
    {RILL_FULL_DROP_NEW, "012", RILL_OK, 8},
    {RILL_FULL_DROP_OLD, "89+", RILL_OK, 8},
    {RILL_FULL_BLOCK, "012", RILL_EAGAIN, 0},
    {RILL_FULL_DISCONNECT, "012", RILL_OK, 1},
};

START_TEST(test_full_queue)
{
    const bus_full_case *c = &bus_full_cases[_i];
    rill_sub *sub;
    const rill_msg *m;
    bus_begin();
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a", RILL_OPTS(rill_sub_opts,
                                                            .when_full = c->when_full,
                                                            .pending_msgs = 3)));
    for (int i = 0; i < 10; i++) {
        char digit = (char)('0' + i);
        int rc = rill_publish(r.bus, "a", &digit, 1, NULL);
        ck_assert_int_eq(rc, i >= 3 && c->when_full == RILL_FULL_BLOCK ? RILL_EAGAIN : RILL_OK);
    }
    ck_assert_rc(rill_publish(r.bus, "a", "+", 1, NULL), c->last);
    for (const char *want = c->read; *want; want++) {
        ck_assert_ok(rill_next(sub, &m, 0));
        ck_assert_int_eq(m->data.ptr[0], *want);
    }
    ck_assert_rc(rill_next(sub, &m, 0), c->when_full == RILL_FULL_DISCONNECT ? RILL_ECLOSED
                                                                              : RILL_EAGAIN);
    rig_run(1);
    rill_sub_info info = {.size = sizeof info};
    ck_assert_ok(rill_sub_status(sub, &info));
    ck_assert_uint_eq(info.dropped_msgs, (unsigned)c->drops);
    ck_assert_int_eq(rig_count(RILL_EV_SLOW), c->drops > 0);
    rig_done();
}
END_TEST

START_TEST(test_kept)
{
    rill_msg *kept[9];
    rill_sub *sub;
    const rill_msg *m;
    bus_begin();
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a", NULL));
    for (int i = 0; i < 9; i++) {
        ck_assert_ok(rill_publish(r.bus, "a", "x", 1, NULL));
        ck_assert_ok(rill_next(sub, &m, 0));
        kept[i] = rill_msg_ref(m);
        ck_assert_ptr_nonnull(kept[i]);
    }
    ck_assert_rc(rill_publish(r.bus, "a", "x", 1, NULL), RILL_EAGAIN);
    rill_msg_unref(kept[4]);
    ck_assert_ok(rill_publish(r.bus, "a", "y", 1, NULL));
    ck_assert_ok(rill_next(sub, &m, 0));
    ck_assert_str_eq(kept[0]->data.ptr, "x");
    rig_done();
}
END_TEST

/* An arena that is too small says by how much, and one that has that much more is enough. */
START_TEST(test_arena)
{
    static const char *const urls[] = {"mem:", "nats://a:b@host:1,c@[::1]"};
    rig_init();
    size_t whole = r.arena_bytes, enough = 0;
    for (size_t bytes = 0; !enough; bytes += 8) {
        ck_assert_uint_lt(bytes, whole);
        r.arena_bytes = bytes;
        int rc = rig_open(urls[_i]);
        if (rc == RILL_OK) enough = bytes;
        if (rc == RILL_OK) break;
        ck_assert_rc(rc, RILL_ENOMEM);
        ck_assert_ptr_null(r.bus);
        unsigned long have, more;
        if (sscanf(rill_errmsg(), "the arena has %lu bytes, and %lu more are needed", &have,
                   &more) == 2)
            bytes = have + more - 8;
    }
    rig_check_guards();
    rig_done();
    r.arena_bytes = enough - 8;
    ck_assert_rc(rig_open(urls[_i]), RILL_ENOMEM);
}
END_TEST

START_TEST(test_options)
{
    rig_init();
    r.opts.drive = RILL_DRIVE_THREAD;
    ck_assert_rc(rig_open("mem:"), RILL_EINVAL);
    r.opts.drive = RILL_DRIVE_HOST;
    ck_assert_rc(rig_open("file:x"), RILL_EINVAL);
    ck_assert_rc(rig_open(NULL), RILL_EINVAL);
    r.opts.user = "ada";
    ck_assert_rc(rig_open("mem:"), RILL_ENOTSUP);
    r.opts.user = NULL;
    r.host.entropy = NULL;
    ck_assert_rc(rig_open("mem:"), RILL_EINVAL);
    r.host.entropy = rig_entropy;
    r.opts.memory = NULL;
    ck_assert_rc(rig_open("mem:"), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "memory"));
    r.opts.memory = &r.memory;
    r.memory.arena = r.arena + 1;
    ck_assert_rc(rig_open("mem:"), RILL_EINVAL);
    r.memory.arena = r.arena;
    r.opts.dial = NULL;
    ck_assert_rc(rig_open("nats://x"), RILL_EINVAL);
    ck_assert_ok(rig_open("mem:"));
    rill_receipt receipt = {.size = sizeof receipt};
    ck_assert_rc(rill_append(r.bus, "a", "x", 1, NULL, &receipt, 10), RILL_ENOTSUP);
    ck_assert_rc(rill_publish(r.bus, "a..b", "x", 1, NULL), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "subject \"a..b\" has an empty token");
    ck_assert_rc(rill_publish(r.bus, "a\x01", "x", 1, NULL), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "a subject may not contain the control character 0x01");
    rig_done();
}
END_TEST

static int bus_locks;

static void bus_lock(void *arg, bool enter)
{
    (void)arg;
    bus_locks += enter ? 1 : -1;
    ck_assert(bus_locks == 0 || bus_locks == 1);
}

static void bus_unlocked(rill_sub *sub, const rill_msg *m, void *arg)
{
    rig_hear(sub, m, arg);
    ck_assert_int_eq(bus_locks, 0);
    ck_assert_ok(rill_publish(r.bus, "b", "x", 1, NULL));
    ck_assert_rc(rill_poll(r.bus, 0), RILL_EDEADLK);
    ck_assert_rc(rill_flush(r.bus, 0), RILL_EDEADLK);
    ck_assert_rc(rill_close(r.bus, 0), RILL_EDEADLK);
}

START_TEST(test_lock)
{
    rill_sub *sub;
    rig_init();
    bus_locks = 0;
    r.host.lock = bus_lock;
    rig_log[0] = 0;
    ck_assert_ok(rig_open("mem:"));
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a", RILL_OPTS(rill_sub_opts,
                                                            .on_msg = bus_unlocked)));
    ck_assert_ok(rill_publish(r.bus, "a", "1", 1, NULL));
    rig_run(2);
    ck_assert_str_eq(rig_log, "a=1|");
    rill_sub_close(sub);
    rig_done();
    ck_assert_int_eq(bus_locks, 0);
}
END_TEST

/* Two that lose nothing share a table with one place left: neither gets what the other cannot. */
/* ---- Several tasks ---- */

static int tasks[2], task_now, tasks_held;
static rill_sub *tasks_sub;
static bool tasks_publish;

static void *tasks_task(void *arg)
{
    (void)arg;
    return &tasks[task_now];
}

static void tasks_lock(void *arg, bool enter)
{
    (void)arg;
    ck_assert_int_eq(tasks_held, !enter);
    tasks_held = enter;
}

static void tasks_idle(void *arg, int64_t ns)
{
    ck_assert_int_eq(tasks_held, 0);
    if (tasks_publish) ck_assert_ok(rill_publish(r.bus, "late", "x", 1, NULL));
    tasks_publish = false;
    rig_idle(arg, ns < 0 ? -1 : ns);
}

/* What another task may do while this runs, and what this may not. */
static void tasks_hear(rill_sub *sub, const rill_msg *m, void *arg)
{
    const rill_msg *late;
    rill_msg *reply;
    (void)sub;
    (void)m;
    ck_assert_rc(rill_poll(r.bus, 1), RILL_EDEADLK);
    ck_assert_rc(rill_flush(r.bus, 1), RILL_EDEADLK);
    ck_assert_rc(rill_request(r.bus, "nobody", "", 0, NULL, &reply, 1), RILL_EDEADLK);
    ck_assert_rc(rill_next(tasks_sub, &late, 1), RILL_EDEADLK);
    ck_assert_rc(rill_close(r.bus, 1), RILL_EDEADLK);
    task_now = 1;
    tasks_publish = true;
    ck_assert_ok(rill_next(tasks_sub, &late, 100));
    ck_assert_span(late->data, "x");
    ck_assert_int_eq(rill_poll(r.bus, 5), 0); /* no callback runs beside another */
    ck_assert_ok(rill_flush(r.bus, 5));
    ck_assert_rc(rill_request(r.bus, "nobody", "", 0, NULL, &reply, 5), RILL_ENOREPLY);
    task_now = 0;
    ++*(int *)arg;
}

START_TEST(test_tasks)
{
    int came = 0;
    rill_sub *sub;
    rig_init();
    r.host.task = tasks_task;
    r.host.lock = tasks_lock;
    r.host.idle = tasks_idle;
    ck_assert_ok(rig_open("mem:"));
    ck_assert_ok(rill_subscribe(r.bus, &tasks_sub, "late", NULL));
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_msg = tasks_hear,
                                                            .arg = &came)));
    ck_assert_ok(rill_publish(r.bus, "a", "", 0, NULL));
    ck_assert_int_ge(rill_poll(r.bus, 0), 1);
    ck_assert_int_eq(came, 1);
    rig_done();
    ck_assert_int_eq(tasks_held, 0);
}
END_TEST

START_TEST(test_block_two)
{
    rill_sub *subs[2];
    const rill_msg *m;
    bus_begin();
    ck_assert_ok(rill_close(r.bus, 0));
    r.memory.max_pending = 3;
    ck_assert_ok(rig_open("mem:"));
    for (int i = 0; i < 2; i++)
        ck_assert_ok(rill_subscribe(r.bus, &subs[i], "a", RILL_OPTS(rill_sub_opts,
                                                                    .when_full = RILL_FULL_BLOCK)));
    ck_assert_ok(rill_publish(r.bus, "a", "1", 1, NULL));
    ck_assert_rc(rill_publish(r.bus, "a", "2", 1, NULL), RILL_EAGAIN);
    for (int i = 0; i < 2; i++) {
        ck_assert_ok(rill_next(subs[i], &m, 0));
        ck_assert_rc(rill_next(subs[i], &m, 0), RILL_EAGAIN);
    }
    ck_assert_ok(rill_publish(r.bus, "a", "2", 1, NULL));
    for (int i = 0; i < 2; i++) ck_assert_ok(rill_next(subs[i], &m, 0));
    rig_done();
}
END_TEST

START_TEST(test_publish_many)
{
    const rill_str rows[] = {RILL_STR("one"), RILL_STR(""), RILL_STR("two"), {NULL, 1}};
    bus_begin();
    bus_listen("a", NULL);
    ck_assert_int_eq(rill_publish_many(r.bus, "a", rows, 0), 0);
    ck_assert_int_eq(rill_publish_many(r.bus, "a", rows, 4), 3);
    ck_assert_rc(rill_publish_many(r.bus, "a", rows + 3, 1), RILL_EINVAL);
    ck_assert_rc(rill_publish_many(r.bus, "a b", rows, 3), RILL_EINVAL);
    ck_assert_rc(rill_publish_many(r.bus, "a", NULL, 3), RILL_EINVAL);
    ck_assert_int_eq(rill_poll(r.bus, 0), 4); /* and the event */
    ck_assert_str_eq(rig_log, "a=one|a=|a=two|");
    rig_done();
}
END_TEST

SUITE_MAIN_ROWS("micro bus",
                SUITE_ONCE(test_publish, test_publish_many, test_on_publisher, test_headers,
                           test_request, test_groups, test_ends, test_full_tables, test_too_big,
                           test_kept, test_options, test_lock, test_tasks, test_block_two),
                SUITE_EACH(RI_LEN(bus_full_cases), test_full_queue),
                SUITE_EACH(2, test_arena))
