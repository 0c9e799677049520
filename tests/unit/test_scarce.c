/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of each area's public calls, over and over: in one run each allocation fails once, in
 * others each call that changes the disk does. The call that needed it says so in a sentence (or
 * does without, or tries again); nothing hangs, all memory is given back, the handle goes on or
 * says that it is fenced, and what was acknowledged is there when the store is opened again. The
 * live calls are in tests/api/test_memory.c.
 *
 * The disk is a fake one: ri_os_posix() is defined here, so the library's own is not linked. */
#include <malloc.h>
#include <errno.h>
#include <sys/stat.h>

#include "api/idle.h"
#include "api/kinds.h"
#include "support/fake_os.h"
#include "support/peer.h"
#include "support/supply.h"

enum {
    PATIENCE_MS = 5000, /* far more than anything here takes: what runs into it, hangs */
    CLIENT_MS = 300,    /* how long a client waits that may not be answered */
};

static fake_os disk;

const ri_os *ri_os_posix(void)
{
    return &disk.os;
}

/* Of the room that the store asks for ahead the disk gives only a little, so that a run touches
 * kilobytes; what is written behind it makes the file grow. */
static int (*allocate_all)(void *arg, int fd, uint64_t len);

static int allocate_little(void *arg, int fd, uint64_t len)
{
    uint64_t most = (uint64_t)disk.os.size(arg, fd) + 8192;
    return allocate_all(arg, fd, len < most ? len : most);
}

/* ---- What was promised ---- */

typedef enum promise_kind { IN_STREAM, IN_BUCKET, AN_OBJECT, ACKED } promise_kind;

typedef struct promise {
    promise_kind kind;
    const char *name;  /* of the key or object */
    uint64_t seq;      /* of the message */
    const char *text;  /* NULL: it is gone */
    bool doubt;        /* a change of it was tried: it may be as it was, or changed */
} promise;

typedef struct stage {
    const rill_host *hooks;
    const char *url;
    promise promises[32];
    size_t npromises;
} stage;

static promise *promise_of(stage *st, promise_kind kind, const char *name, uint64_t seq)
{
    for (size_t i = 0; i < st->npromises; i++) {
        promise *p = &st->promises[i];
        if (p->kind == kind && p->seq == seq && (!name || strcmp(p->name, name) == 0)) return p;
    }
    ck_assert_uint_lt(st->npromises, sizeof st->promises / sizeof *st->promises);
    promise *p = &st->promises[st->npromises++];
    *p = (promise){.kind = kind, .name = name, .seq = seq, .doubt = true};
    return p;
}

/* The next call, unless one before it has failed; the first failure is what the session returns. */
#define THEN(call)                   \
    do {                             \
        if (rc >= 0) rc = (call);    \
    } while (0)

/* The same; when it returns, the thing has this text, or is gone. */
#define PROMISED(call, kind, name, seq, content)                             \
    do {                                                                     \
        if (rc >= 0) promise_of(st, (kind), (name), (seq))->doubt = true;    \
        THEN(call);                                                          \
        if (rc >= 0) {                                                       \
            promise_of(st, (kind), (name), (seq))->text = (content);         \
            promise_of(st, (kind), (name), (seq))->doubt = false;            \
        }                                                                    \
    } while (0)

static int open_stage(stage *st, rill_bus **bus)
{
    return rill_open(bus, st->url, RILL_OPTS(rill_opts, .host = st->hooks,
                                             .drive = RILL_DRIVE_HOST));
}

static void stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    *(int *)arg = err;
}

static void counted(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)m;
    ++*(int *)arg;
}

/* ---- Streams ---- */

static int append_later(rill_bus *bus)
{
    int late = RILL_EAGAIN;
    int rc = rill_append_async(bus, "s.b", "two", 3, NULL, stored, &late);
    for (int polls = 0; rc >= 0 && late == RILL_EAGAIN; polls++) {
        ck_assert_int_lt(polls, 100);
        rc = rill_poll(bus, PATIENCE_MS);
    }
    return rc < 0 ? rc : late;
}

static int append_batch(rill_bus *bus)
{
    rill_receipt receipt = {.size = sizeof receipt};
    rill_batch *batch = NULL;
    int rc = rill_batch_begin(bus, &batch, NULL);
    THEN(rill_batch_add(batch, "s.a", "three", 5, NULL));
    THEN(rill_batch_add(batch, "s.b", "four", 4, NULL));
    THEN(rill_batch_commit(batch, &receipt, PATIENCE_MS));
    rill_batch_close(batch);
    return rc;
}

static int append_all(stage *st, rill_bus *bus)
{
    int rc = 0;
    PROMISED(rill_append(bus, "s.a", "one", 3, RILL_OPTS(rill_post, .msg_id = "1"), NULL,
                         PATIENCE_MS), IN_STREAM, NULL, 1, "one");
    PROMISED(append_later(bus), IN_STREAM, NULL, 2, "two");
    promise_of(st, IN_STREAM, NULL, 4);
    PROMISED(append_batch(bus), IN_STREAM, NULL, 3, "three");
    if (rc >= 0)
        *promise_of(st, IN_STREAM, NULL, 4) = (promise){IN_STREAM, NULL, 4, "four", false};
    return rc;
}

static int read_group(stage *st, rill_bus *bus)
{
    rill_sub *sub = NULL;
    const rill_msg *m = NULL;
    rill_sub_info info = {.size = sizeof info};
    int rc = rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g"));
    int (*const settle[])(const rill_msg *) = {rill_working, rill_ack, rill_term, rill_ack};
    for (int i = 0; i < 3; i++) {
        THEN(rill_next(sub, &m, PATIENCE_MS));
        THEN(settle[i](m));
    }
    PROMISED(rill_flush(bus, PATIENCE_MS), ACKED, NULL, 2, NULL);
    if (rc >= 0) *promise_of(st, ACKED, NULL, 3) = (promise){ACKED, NULL, 3, NULL, false};
    THEN(rill_next(sub, &m, PATIENCE_MS));
    THEN(rill_nak(m, 0));
    THEN(rill_next(sub, &m, PATIENCE_MS));
    if (rc >= 0) ck_assert_uint_eq(m->seq, 4);
    THEN(rill_sub_status(sub, &info));
    for (uint64_t seq = 2; rc >= 0 && seq <= 3; seq++)
        promise_of(st, ACKED, NULL, seq)->doubt = true;
    THEN(rill_seek(sub, RILL_AT(1)));
    THEN(rill_next(sub, &m, PATIENCE_MS));
    if (rc >= 0) ck_assert_uint_eq(m->seq, 1);
    rill_sub_close(sub);
    return rc;
}

/* A reader with a small window, which has to ask anew for each few; by a callback at last. */
static int read_tail(rill_bus *bus)
{
    rill_sub *sub = NULL;
    const rill_msg *msgs[4];
    int called = 0;
    int rc = rill_tail(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .filter = "s.a s.c",
                                                 .pending_msgs = 1));
    for (uint64_t seq = 1; seq <= 3; seq += 2) {
        THEN(rill_read(sub, msgs, 4, PATIENCE_MS));
        if (rc >= 0) ck_assert_uint_eq(msgs[0]->seq, seq);
    }
    THEN(rill_seek(sub, RILL_AT_TIME(1)));
    THEN(rill_next(sub, &msgs[0], PATIENCE_MS));
    rill_sub_close(sub);
    sub = NULL;
    THEN(rill_tail(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .pending_msgs = 1, .on_msg = counted,
                                             .arg = &called)));
    for (int polls = 0; rc >= 0 && called < 4; polls++) {
        ck_assert_int_lt(polls, 100);
        rc = rill_poll(bus, PATIENCE_MS);
    }
    rill_sub_close(sub);
    return rc;
}

static int end_streams(stage *st, rill_bus *bus)
{
    int rc = 0;
    PROMISED(rill_stream_erase(bus, "S", RILL_AT(2)), IN_STREAM, NULL, 2, NULL);
    THEN(rill_group_pause(bus, "S", "g", 100));
    THEN(rill_group_delete(bus, "S", "g"));
    if (rc >= 0) promise_of(st, IN_STREAM, NULL, 3)->doubt = true;
    const rill_purge_opts *some = RILL_OPTS(rill_purge_opts, .filter = "s.a");
    PROMISED(rill_stream_purge(bus, "S", some, NULL), IN_STREAM, NULL, 1, NULL);
    if (rc >= 0) *promise_of(st, IN_STREAM, NULL, 3) = (promise){IN_STREAM, NULL, 3, NULL, false};
    THEN(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.> t")));
    PROMISED(rill_append(bus, "t", "five", 4, NULL, NULL, PATIENCE_MS), IN_STREAM, NULL, 5, "five");
    THEN(rill_flush(bus, PATIENCE_MS));
    return rc;
}

static int stream_session(stage *st, rill_bus **out)
{
    rill_bus *bus = NULL;
    rill_msg *m = NULL, *last = NULL;
    rill_stream_info info = {.size = sizeof info};
    int rc = open_stage(st, &bus);
    THEN(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    THEN(append_all(st, bus));
    THEN(rill_stream_get(bus, "S", RILL_AT(1), &m));
    THEN(rill_stream_get(bus, "S", RILL_AT_LAST("s.b"), &last));
    THEN(read_group(st, bus));
    THEN(read_tail(bus));
    THEN(rill_stream_status(bus, "S", &info));
    THEN(rill_stream_each(bus, idle_name, NULL));
    THEN(rill_stream_describe(bus, NULL, idle_stream, NULL));
    THEN(end_streams(st, bus));
    rill_msg_unref(m);
    rill_msg_unref(last);
    *out = bus;
    return rc;
}

/* What is there is opened anew, read, and goes on; then all of it is deleted. */
static int reopen_session(stage *st, rill_bus **out)
{
    rill_msg *m = NULL;
    int rc = stream_session(st, out);
    if (rc < 0 || strncmp(st->url, "mem:", 4) == 0) return rc;
    rill_close(*out, PATIENCE_MS);
    *out = NULL;
    THEN(open_stage(st, out));
    THEN(rill_stream_get(*out, "S", RILL_AT(4), &m));
    PROMISED(rill_append(*out, "s.c", "six", 3, NULL, NULL, PATIENCE_MS),
             IN_STREAM, NULL, 6, "six");
    rill_msg_unref(m);
    for (uint64_t seq = 1; rc >= 0 && seq <= 6; seq++)
        promise_of(st, IN_STREAM, NULL, seq)->doubt = true;
    THEN(rill_stream_delete(*out, "S"));
    return rc;
}

/* ---- Keys and objects ---- */

static int kv_session(stage *st, rill_bus **out)
{
    rill_kv *kv = NULL;
    rill_sub *watch = NULL;
    rill_msg *m = NULL;
    const rill_msg *seen[4];
    uint64_t rev;
    int rc = open_stage(st, out);
    THEN(rill_kv_open(*out, &kv, "b", RILL_OPTS(rill_bucket_opts, .history = 3, .key_ttl = true)));
    PROMISED(rill_kv_put(kv, "a", "1", 1, NULL, &rev), IN_BUCKET, "a", 0, "1");
    const rill_kv_opts *still = RILL_OPTS(rill_kv_opts, .expect = &rev);
    const rill_kv_opts *long_ = RILL_OPTS(rill_kv_opts, .ttl_ms = 500000);
    PROMISED(rill_kv_put(kv, "a", "2", 1, still, NULL), IN_BUCKET, "a", 0, "2");
    PROMISED(rill_kv_create(kv, "b", "3", 1, long_, NULL), IN_BUCKET, "b", 0, "3");
    THEN(rill_kv_get(kv, "a", &m));
    THEN(rill_kv_watch(kv, &watch, NULL));
    for (int n = 0; rc >= 0 && n < 2; n += rc) THEN(rill_read(watch, seen, 4, PATIENCE_MS));
    THEN(rill_kv_history(kv, "a", idle_msg, NULL));
    THEN(rill_kv_each(kv, NULL, idle_name, NULL));
    PROMISED(rill_kv_delete(kv, "b", NULL), IN_BUCKET, "b", 0, NULL);
    THEN(rill_next(watch, &seen[0], PATIENCE_MS));
    PROMISED(rill_kv_purge(kv, "a", NULL), IN_BUCKET, "a", 0, NULL);
    PROMISED(rill_kv_create(kv, "a", "4", 1, NULL, NULL), IN_BUCKET, "a", 0, "4");
    rill_msg_unref(m);
    rill_sub_close(watch);
    rill_kv_close(kv);
    return rc;
}

static int obj_session(stage *st, rill_bus **out)
{
    rill_objs *objs = NULL;
    rill_sub *watch = NULL;
    const rill_msg *m;
    static rill_obj_info info;
    info.size = sizeof info;
    size_t left = 200000, got = 0;
    int rc = open_stage(st, out);
    THEN(rill_objs_open(*out, &objs, "b", NULL));
    PROMISED(rill_obj_put(objs, "o", idle_source, &left), AN_OBJECT, "o", 0, "200000");
    THEN(rill_obj_get(objs, "o", idle_sink, &got));
    if (rc >= 0) ck_assert_uint_eq(got, 200000);
    THEN(rill_obj_status(objs, "o", &info));
    THEN(rill_obj_link(objs, "l", objs, "o"));
    THEN(rill_obj_watch(objs, &watch, NULL));
    THEN(rill_next(watch, &m, PATIENCE_MS));
    THEN(rill_obj_told(m, &info));
    THEN(rill_obj_each(objs, idle_name, NULL));
    THEN(rill_obj_delete(objs, "l"));
    left = 10;
    PROMISED(rill_obj_put(objs, "o", idle_source, &left), AN_OBJECT, "o", 0, "10");
    THEN(rill_objs_seal(objs));
    rill_sub_close(watch);
    rill_objs_close(objs);
    return rc;
}

/* ---- The store ---- */

static int care_session(stage *st, rill_bus **out)
{
    char copy[80], salvaged[80];
    snprintf(copy, sizeof copy, "%s/b", dir);
    snprintf(salvaged, sizeof salvaged, "%s/c", dir);
    int rc = open_stage(st, out);
    THEN(rill_stream_ensure(*out, "S", NULL));
    PROMISED(rill_append(*out, "S", "one", 3, NULL, NULL, PATIENCE_MS), IN_STREAM, NULL, 1, "one");
    THEN(rill_store_check(*out, NULL, NULL));
    THEN(rill_store_snapshot(*out, copy));
    THEN(rill_store_salvage(copy, salvaged, st->hooks, NULL, NULL));
    return rc;
}

/* ---- A broker with a listener ---- */

/* One client that publishes, stores, and asks; it may be thrown out, or not be answered. */
static void client(const char *path)
{
    static const char work[] =
        "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in 1\r\nSUB a.* g 2\r\n"
        "PUB a.b 2\r\nhi\r\nHPUB a.c in 18 20\r\nNATS/1.0\r\nK: v\r\n\r\nhi\r\n"
        "PUB $JS.API.STREAM.CREATE.S in 12\r\n{\"name\":\"S\"}\r\nPUB S in 1\r\nx\r\n"
        "PUB $JS.API.CONSUMER.CREATE.S.c in 64\r\n"
        "{\"stream_name\":\"S\",\"config\":{\"name\":\"c\",\"durable_name\":\"c\"}}  \r\n"
        "PUB $JS.API.CONSUMER.MSG.NEXT.S.c in 1\r\n1\r\nUNSUB 2\r\nPING\r\n";
    peer p = {.fd = peer_dial_unix(path)};
    if (p.fd < 0) return;
    if (peer_try(&p, work, sizeof work - 1))
        while (peer_fill_within(&p, CLIENT_MS) > 0 && !memmem(p.buf, p.len, "PONG\r\n", 6))
            continue;
    close(p.fd);
}

static int broker_session(stage *st, rill_bus **out)
{
    rill_broker *broker = NULL;
    rill_broker_info about = {.size = sizeof about};
    rill_stats stats = {.size = sizeof stats};
    char url[80];
    snprintf(url, sizeof url, "unix:%s/door", dir);
    int rc = rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .host = st->hooks,
                                                 .jetstream = true));
    THEN(rill_broker_listen(broker, url, NULL));
    if (rc >= 0) client(url + 5);
    THEN(rill_broker_bus(broker, out, NULL));
    THEN(rill_publish(*out, "a.b", "x", 1, NULL));
    THEN(rill_broker_about(broker, &about));
    THEN(rill_broker_stats(broker, &stats));
    THEN(rill_broker_conns(broker, NULL, idle_conn, NULL));
    THEN(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .host = st->hooks, .user = "u",
                                              .password = "p", .jetstream = true)));
    THEN(rill_broker_lame_duck(broker, 0, 0));
    rill_broker_close(broker, PATIENCE_MS);
    return rc;
}

/* ---- Each of them, at every place ---- */

typedef struct area {
    const char *name;
    int (*session)(stage *st, rill_bus **out); /* `out` is closed by the caller */
    bool on_disk;
    int least;         /* places that there must be */
} area;

enum { AREAS = 8 };

static const area areas[AREAS] = {
    {"streams in memory", stream_session, false, 50},
    {"streams on disk", reopen_session, true, 50},
    {"keys and values in memory", kv_session, false, 50},
    {"keys and values on disk", kv_session, true, 50},
    {"objects in memory", obj_session, false, 50},
    {"objects on disk", obj_session, true, 50},
    {"care of a store", care_session, true, 50},
    {"a broker that listens", broker_session, false, 50},
};

static void begin_stage(stage *st, const area *a, const rill_host *hooks)
{
    static char url[80];
    /* Files and images of them come and go by the thousand: their pages stay. */
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
    make_dir();
    fake_os_init(&disk);
    allocate_all = disk.os.allocate;
    disk.os.allocate = disk.os.reserve = allocate_little;
    snprintf(url, sizeof url, "%s", "mem:scarce");
    if (a->on_disk) snprintf(url, sizeof url, "file:%s/a", dir);
    if (a->on_disk) ck_assert_int_eq(mkdir(url + 5, 0700), 0);
    *st = (stage){.hooks = hooks, .url = url};
}

static void end_stage(void)
{
    fake_os_fini(&disk);
    remove_dir();
}

START_TEST(memory_runs_out_once)
{
    const area *a = &areas[_i];
    int places = 0;
    for (int n = 1;; n++, places++) {
        stage st;
        rill_bus *bus = NULL;
        supply h;
        supply_init(&h);
        h.fail_at = (size_t)n;
        const rill_host hooks = supply_hooks(&h);
        begin_stage(&st, a, &hooks);
        int rc = a->session(&st, &bus);
        char said[256];
        snprintf(said, sizeof said, "%s", rill_errmsg());
        rill_close(bus, PATIENCE_MS);
        end_stage();
        ck_assert_msg(h.blocks == 0 && h.bytes == 0, "%s, %d: %zu blocks of %zu bytes are out",
                      a->name, n, h.blocks, h.bytes);
        if (!h.failed) {
            ck_assert_msg(rc >= 0, "%s: %s: %s", a->name, rill_errname(rc), said);
            break;
        }
        ck_assert_msg(rc >= 0 || (rc == RILL_ENOMEM && *said), "%s, %d: %s: %s", a->name, n,
                      rill_errname(rc), said);
    }
    ck_assert_int_gt(places, a->least);
}
END_TEST

/* ---- The disk ---- */

static void see_message(rill_bus *bus, const promise *p, const char *where)
{
    rill_msg *m = NULL;
    int rc = rill_stream_get(bus, "S", RILL_AT(p->seq), &m);
    if (p->text) {
        ck_assert_msg(rc == RILL_OK, "%s: message %d: %s", where, (int)p->seq, rill_errmsg());
        TEXT_IS(m->data, p->text);
    } else {
        ck_assert_msg(rc == RILL_ENOENT, "%s: message %d is there", where, (int)p->seq);
    }
    rill_msg_unref(m);
}

static void see_key(rill_bus *bus, const promise *p, const char *where)
{
    rill_kv *kv = NULL;
    rill_msg *m = NULL;
    ck_assert_msg(rill_kv_open(bus, &kv, "b", RILL_OPTS(rill_bucket_opts, .must_exist = true)) ==
                  RILL_OK, "%s: the bucket: %s", where, rill_errmsg());
    int rc = rill_kv_get(kv, p->name, &m);
    ck_assert_msg(rc == (p->text ? RILL_OK : RILL_ENOENT), "%s: key %s: %s", where, p->name,
                  rill_errmsg());
    if (m) TEXT_IS(m->data, p->text);
    rill_msg_unref(m);
    rill_kv_close(kv);
}

static void see_object(rill_bus *bus, const promise *p, const char *where)
{
    rill_objs *objs = NULL;
    size_t got = 0;
    ck_assert_msg(rill_objs_open(bus, &objs, "b", NULL) == RILL_OK, "%s: the bucket: %s", where,
                  rill_errmsg());
    ck_assert_msg(rill_obj_get(objs, p->name, idle_sink, &got) == RILL_OK, "%s: object %s: %s",
                  where,
                  p->name, rill_errmsg());
    ck_assert_uint_eq(got, strtoul(p->text, NULL, 10));
    rill_objs_close(objs);
}

static void see_acked(rill_bus *bus, const promise *p, const char *where)
{
    rill_sub *sub = NULL;
    const rill_msg *m;
    int rc = rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g"));
    ck_assert_msg(rc == RILL_OK, "%s: %s", where, rill_errmsg());
    for (int i = 0; i < 8; i++) {
        OK(rill_poll(bus, 0));
        if (rill_next(sub, &m, 0) > 0)
            ck_assert_msg(m->seq != p->seq, "%s: %d was settled", where, (int)p->seq);
    }
    rill_sub_close(sub);
}

static void see_promises(const stage *st, const char *where)
{
    static void (*const see[])(rill_bus *, const promise *, const char *) = {
        [IN_STREAM] = see_message, [IN_BUCKET] = see_key, [AN_OBJECT] = see_object,
        [ACKED] = see_acked,
    };
    rill_bus *bus = NULL;
    int rc = rill_open(&bus, st->url, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST));
    ck_assert_msg(rc == RILL_OK, "%s: open again: %s", where, rill_errmsg());
    for (size_t i = 0; i < st->npromises; i++)
        if (!st->promises[i].doubt) see[st->promises[i].kind](bus, &st->promises[i], where);
    OK(rill_close(bus, PATIENCE_MS));
}

static int64_t leap_ns; /* of the clock below: what is tried again later is tried at once */

static int64_t leaping_clock(void *arg)
{
    struct timespec t;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec + leap_ns;
}

/* The handle after the fault: a while later it stores, and keeps what it stored, or it says that
 * it is fenced. */
static void go_on(rill_bus *bus, const char *where, bool *stored_it)
{
    leap_ns += INT64_C(1000000000);
    OK(rill_poll(bus, 0));
    int rc = rill_stream_ensure(bus, "AFTER", NULL);
    THEN(rill_append(bus, "AFTER", "x", 1, NULL, NULL, PATIENCE_MS));
    *stored_it = rc >= 0;
    if (rc >= 0) return;
    ck_assert_msg(rc == RILL_EIO && strstr(rill_errmsg(), "until it is opened again"), "%s: %s: %s",
                  where, rill_errname(rc), rill_errmsg());
}

static void see_after(const stage *st, const char *where)
{
    rill_bus *bus = NULL;
    rill_msg *m = NULL;
    OK(rill_open(&bus, st->url, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    ck_assert_msg(rill_stream_get(bus, "AFTER", RILL_AT(1), &m) == RILL_OK, "%s: %s", where,
                  rill_errmsg());
    rill_msg_unref(m);
    OK(rill_close(bus, PATIENCE_MS));
}

/* One run with the disk's change number `n` failing; false when there are not so many. */
static bool disk_fails_at(const area *a, size_t n, int err)
{
    stage st;
    rill_bus *bus = NULL;
    bool stored_it = false;
    char where[128], said[256];
    const rill_host hooks = {.size = sizeof hooks, .mono_ns = leaping_clock};
    begin_stage(&st, a, &hooks);
    disk.fail_at = n;
    disk.fail_errno = err;
    int rc = a->session(&st, &bus);
    snprintf(said, sizeof said, "%s", rill_errmsg());
    snprintf(where, sizeof where, "%s, %s at %d", a->name, strerror(err), (int)n);
    bool hit = disk.calls >= n;
    disk.fail_at = 0;
    ck_assert_msg(rc >= 0 || (hit && (rc == RILL_EIO || rc == RILL_EFULL) && *said), "%s: %s: %s",
                  where, rill_errname(rc), said);
    if (bus) go_on(bus, where, &stored_it);
    rill_close(bus, PATIENCE_MS);
    see_promises(&st, where);
    if (stored_it) see_after(&st, where);
    end_stage();
    return hit;
}

START_TEST(disk_fails_once)
{
    const area *a = &areas[_i % AREAS];
    if (!a->on_disk) return;
    size_t n = 1;
    while (disk_fails_at(a, n, _i < AREAS ? EIO : ENOSPC)) n++;
    ck_assert_uint_gt(n, 10);
}
END_TEST

START_TEST(disk_takes_less_than_it_is_given)
{
    const area *a = &areas[_i];
    for (uint64_t seed = 1; a->on_disk && seed <= 20; seed++) {
        stage st;
        rill_bus *bus = NULL;
        begin_stage(&st, a, NULL);
        disk.short_seed = seed;
        int rc = a->session(&st, &bus);
        ck_assert_msg(rc >= 0, "%s, seed %d: %s", a->name, (int)seed, rill_errmsg());
        OK(rill_close(bus, PATIENCE_MS));
        see_promises(&st, a->name);
        end_stage();
    }
}
END_TEST

SUITE_MAIN_ROWS("scarce",
    SUITE_EACH(AREAS, memory_runs_out_once, disk_takes_less_than_it_is_given),
    SUITE_EACH(2 * AREAS, disk_fails_once))
