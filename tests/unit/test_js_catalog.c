/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the catalogue and of consumers' states that cannot be understood: they are told, and
 * all the rest is served. */
#include <stdio.h>

#include "base/error.h"
#include "engine/streams/fence.h"
#include "engine/streams/js_state.h"
#include "support/fake_os.h"
#include "support/suite.h"
#include "support/world.h"

typedef struct news {
    int unreadable;
    char last[RI_ERROR_TEXT_MAX];
} news;

static void hear(void *arg, const ri_js_event *event)
{
    news *n = arg;
    if (event->kind != RI_JS_UNREADABLE) return;
    ck_assert_int_eq(event->code, RILL_ECORRUPT);
    snprintf(n->last, sizeof n->last, "%.*s", RI_ARG(event->reason));
    n->unreadable++;
}

static void begin(world *w, news *n)
{
    ck_assert_ok(world_init(w, NULL));
    *n = (news){0};
    w->also = hear;
    w->also_arg = n;
    ck_assert_ok(world_stream(w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, NULL));
    ck_assert_ok(world_consumer(w, "S", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}",
                                NULL, NULL));
    world_publish(w, "s.1", "", "", "hello");
    world_turn(w);
}

static void plant(world *w, uint64_t track_id, const char *subject, const char *data)
{
    ri_track *track;
    ri_record record = {.time_ns = 1, .subject = ri_str_of(subject), .data = ri_str_of(data)};
    ri_track_opts opts = {.subjects = track_id >= RI_JS_TRACK_FIRST};
    ck_assert_ok(ri_log_track(w->log, track_id, &opts, &track));
    ck_assert_ok(ri_track_append(track, &record));
    ck_assert_ok(ri_log_commit(w->log));
}

static uint64_t messages(world *w, const char *name)
{
    ri_stream *stream = ri_js_stream(w->js, ri_str_of(name));
    ck_assert_ptr_nonnull(stream);
    ri_stream_info info;
    ri_stream_info_of(stream, &info);
    return info.state.messages;
}

START_TEST(test_configurations)
{
    static const struct { const char *subject, *data, *told; } records[] = {
        {"s.BAD", "2000 5 {\"name\":\"BAD\",\"max_age\":\"x\"}", "BAD"},
        {"s.WORSE", "2001 5 {\"name\":", "WORSE"},
        {"c.S.bad", "77 5 {\"durable_name\":7}", "bad"},
        {"s.X", "no number", "record"},
        {"x", "", "record"},
    };
    for (size_t i = 0; i < RI_LEN(records); i++) {
        world w;
        news n;
        begin(&w, &n);
        plant(&w, RI_JS_TRACK_CATALOG, records[i].subject, records[i].data);
        ck_assert_ok(world_restart(&w));
        ck_assert_int_eq(n.unreadable, 1);
        ck_assert_msg(strstr(n.last, records[i].told), "%s", n.last);
        ck_assert_uint_eq(messages(&w, "S"), 1);
        ck_assert_ptr_nonnull(ri_stream_consumer(ri_js_stream(w.js, RI_STR("S")), RI_STR("c")));
        ck_assert_uint_gt(w.js->next_track, i < 2 ? 2000 + i : 0); /* theirs goes to nobody */
        ck_assert_uint_gt(w.js->next_consumer, i == 2 ? 77 : 0);
        ck_assert_ok(world_restart(&w)); /* it is kept, and told again */
        ck_assert_int_eq(n.unreadable, 2);
        world_fini(&w);
    }
}
END_TEST

START_TEST(test_states)
{
    world w;
    news n;
    begin(&w, &n);
    uint64_t id = ri_stream_consumer(ri_js_stream(w.js, RI_STR("S")), RI_STR("c"))->id;
    char state[8] = {(char)id, '?', 0};
    ck_assert_uint_lt(id, 128); /* one byte of a varint */
    plant(&w, RI_JS_TRACK_STATES, "c", state);
    ck_assert_ok(world_restart(&w));
    ck_assert_int_eq(n.unreadable, 1);
    ck_assert_msg(strstr(n.last, "state of the consumer c"), "%s", n.last);
    ck_assert_uint_eq(messages(&w, "S"), 1);
    world_ear *ear = world_listen(&w, "worker", "in");
    ri_consumer *c = ri_stream_consumer(ri_js_stream(w.js, RI_STR("S")), RI_STR("c"));
    ck_assert_ok(world_pull(&w, c, "in", "{\"batch\":1}"));
    world_turn(&w);
    ck_assert_uint_eq(ear->got, 1);
    world_fini(&w);
}
END_TEST

/* ---- What is there and cannot be read is not absent ---- */

static void refused(int rc, const ri_js_error *e, int err_code, const char *text)
{
    ck_assert_int_eq(rc, RILL_ECORRUPT);
    ck_assert_int_eq(e->err_code, err_code);
    ck_assert_msg(strstr(e->text, text), "%s", e->text);
}

/* A stream whose configuration says what this version does not know. */
static void begin_offline(world *w, news *n, const char *conf)
{
    char data[256];
    begin(w, n);
    snprintf(data, sizeof data, "2000 5 {\"name\":\"BAD\",%s}", conf);
    plant(w, RI_JS_TRACK_CATALOG, "s.BAD", data);
    plant(w, RI_JS_TRACK_CATALOG, "c.BAD.w", "77 5 {\"durable_name\":\"w\"}");
    plant(w, 2000, "b.1", "kept");
    ck_assert_ok(world_restart(w));
    ck_assert_int_eq(n->unreadable, 1);
    n->unreadable = 0;
    ck_assert_ptr_null(ri_js_stream(w->js, RI_STR("BAD")));
    world_listen(w, "app", "ack");
}

START_TEST(test_stream_is_fenced)
{
    world w;
    news n;
    ri_js_error e;
    begin_offline(&w, &n, "\"subjects\":[\"b.>\"],\"retention\":\"for ever\"");
    int rc = world_stream(&w, "{\"name\":\"BAD\",\"subjects\":[\"c.>\"]}", NULL, &e);
    refused(rc, &e, 10194, "stream is offline: ");
    rc = world_stream(&w, "{\"name\":\"OTHER\",\"subjects\":[\"b.1\"]}", NULL, &e);
    refused(rc, &e, 10194, "stream is offline: ");
    ck_assert(ri_fence_why(w.js, RI_STR("BAD"), &e) && e.err_code == 10194);
    ck_assert(!ri_fence_why(w.js, RI_STR("S"), &e));
    world_publish(&w, "b.1", "ack", "", "hello");
    world_turn(&w);
    ck_assert_ptr_nonnull(strstr(w.told.ptr,
                                 "\"err_code\":10194,\"description\":\"stream is offline"));
    ck_assert_int_eq(n.unreadable, 0);

    /* It is there as long as nobody deletes it; then its name is free, and nothing comes back. */
    ck_assert_ok(world_restart(&w));
    ck_assert_int_eq(n.unreadable, 1);
    ck_assert_ok(ri_fence_delete(w.js, RI_STR("BAD"), &e));
    ck_assert_int_eq(ri_fence_delete(w.js, RI_STR("BAD"), &e), RILL_ENOENT);
    ck_assert_int_eq(e.err_code, 10059);
    ck_assert_ok(world_stream(&w, "{\"name\":\"BAD\",\"subjects\":[\"b.>\"]}", NULL, &e));
    ck_assert_ok(world_restart(&w));
    ck_assert_int_eq(n.unreadable, 1);
    ck_assert_uint_eq(messages(&w, "BAD"), 0);
    ck_assert_ptr_null(ri_stream_consumer(ri_js_stream(w.js, RI_STR("BAD")), RI_STR("w")));
    world_fini(&w);
}
END_TEST

/* Its subjects cannot be read either: those of its messages are what is known. */
START_TEST(test_subjects_are_not_known)
{
    static const char *const confs[] = {"\"subjects\":7", "\"subjects\":[\"b.>\"],",
                                        "\"metadata\":{\"_nats.req.level\":\"99\"},\"subjects\":7"};
    for (size_t i = 0; i < RI_LEN(confs); i++) {
        world w;
        news n;
        ri_js_error e;
        begin_offline(&w, &n, confs[i]);
        int rc = world_stream(&w, "{\"name\":\"OTHER\",\"subjects\":[\"b.*\"]}", NULL, &e);
        refused(rc, &e, 10194, "stream is offline: ");
        ck_assert_ok(world_stream(&w, "{\"name\":\"OTHER\",\"subjects\":[\"c.*\"]}", NULL, &e));
        ck_assert_int_eq(ri_fence_no_stream(w.js, RI_STR("b.1"), &e), RILL_ECORRUPT);
        ck_assert_int_eq(e.err_code, 10194);
        world_fini(&w);
    }
}
END_TEST

START_TEST(test_level_is_too_high)
{
    world w;
    news n;
    begin_offline(&w, &n, "\"subjects\":[\"b.>\"],\"metadata\":{\"_nats.req.level\":\"99\"}");
    ck_assert_msg(strstr(n.last, "unsupported - required API level: 99, current API level: 5"),
                  "%s", n.last);
    world_fini(&w);
}
END_TEST

/* A stream keeps what a consumer that cannot be read has not settled. */
static void begin_keeping(world *w, news *n, const char *retention)
{
    char json[128];
    ri_consumer *c, *d;
    ck_assert_ok(world_init(w, NULL));
    *n = (news){0};
    w->also = hear;
    w->also_arg = n;
    world_listen(w, "app", "in")->auto_ack = true;
    snprintf(json, sizeof json, "{\"name\":\"K\",\"subjects\":[\"k.*\"],\"retention\":\"%s\"}",
             retention);
    ck_assert_ok(world_stream(w, json, NULL, NULL));
    ck_assert_ok(world_consumer(w, "K", "{\"durable_name\":\"bad\",\"ack_policy\":\"explicit\","
                                "\"filter_subject\":\"k.a\"}", &c, NULL));
    ck_assert_ok(world_consumer(w, "K", "{\"durable_name\":\"good\",\"ack_policy\":\"explicit\","
                                "\"filter_subject\":\"k.b\"}", &d, NULL));
    for (int i = 0; i < 3; i++) {
        world_publish(w, "k.a", "", "", "");
        world_publish(w, "k.b", "", "", "");
    }
    world_turn(w);
    ck_assert_ok(world_pull(w, c, "in", "{\"batch\":1}")); /* the first is settled by `bad` */
    world_turn(w);
    world_turn(w);
    ck_assert_uint_eq(messages(w, "K"), 5);
    char data[96];
    snprintf(data, sizeof data, "%llu 5 {\"durable_name\":\"bad\",\"ack_policy\":\"sometimes\"}",
             (unsigned long long)c->id);
    ri_catalog_drop(w->js, &w->js->files, &c->catalog_seq);
    plant(w, RI_JS_TRACK_CATALOG, "c.K.bad", data);
    ck_assert_ok(world_restart(w));
    ck_assert_int_eq(n->unreadable, 1);
}

static void take_all(world *w, const char *name)
{
    ri_consumer *c = ri_stream_consumer(ri_js_stream(w->js, RI_STR("K")), ri_str_of(name));
    ck_assert_ptr_nonnull(c);
    ck_assert_ok(world_pull(w, c, "in", "{\"batch\":100,\"no_wait\":true}"));
    world_turn(w);
    world_turn(w);
}

START_TEST(test_consumer_is_fenced)
{
    static const char *const kinds[] = {"interest", "workqueue"};
    for (size_t i = 0; i < RI_LEN(kinds); i++) {
        world w;
        news n;
        ri_js_error e;
        begin_keeping(&w, &n, kinds[i]);
        ri_stream *k = ri_js_stream(w.js, RI_STR("K"));
        ck_assert_ptr_null(ri_stream_consumer(k, RI_STR("bad")));
        ck_assert(ri_fence_why_consumer(k, RI_STR("bad"), &e) && e.err_code == 10195);
        int rc = world_consumer(&w, "K", "{\"durable_name\":\"bad\",\"ack_policy\":\"explicit\"}",
                                NULL, &e);
        refused(rc, &e, 10195, "consumer is offline: ");
        /* A job that only the unknown one may have is given to no other. */
        if (i == 1) {
            rc = world_consumer(&w, "K", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                                "\"filter_subject\":\"k.c\"}", NULL, &e);
            refused(rc, &e, 10195, "consumer is offline: ");
        }
        take_all(&w, "good");
        uint64_t kept = i == 0 ? 5 : 2; /* by interest, it may want any subject */
        ck_assert_uint_eq(messages(&w, "K"), kept);
        world_publish(&w, "k.z", "", "", "");
        world_turn(&w);
        ck_assert_uint_eq(messages(&w, "K"), kept + 1);
        ck_assert_ok(world_restart(&w));
        ck_assert_uint_eq(messages(&w, "K"), kept + 1);

        k = ri_js_stream(w.js, RI_STR("K"));
        ck_assert_ok(ri_fence_delete_consumer(k, RI_STR("bad"), &e));
        ck_assert_int_eq(ri_fence_delete_consumer(k, RI_STR("bad"), &e), RILL_ENOENT);
        world_turn(&w);
        ck_assert_uint_eq(messages(&w, "K"), i == 0 ? 0 : kept + 1);
        n.unreadable = 0;
        ck_assert_ok(world_restart(&w));
        ck_assert_int_eq(n.unreadable, 0);
        world_fini(&w);
    }
}
END_TEST

/* A stream that copies, and cannot be read, may want any message. */
START_TEST(test_copy_is_fenced)
{
    world w;
    news n;
    ri_js_error e;
    begin_keeping(&w, &n, "interest");
    ck_assert_ok(ri_fence_delete_consumer(ri_js_stream(w.js, RI_STR("K")), RI_STR("bad"), &e));
    plant(&w, RI_JS_TRACK_CATALOG, "s.COPY",
          "2000 5 {\"sources\":[{\"name\":\"K\"}],\"max_age\":\"x\"}");
    plant(&w, RI_JS_TRACK_CATALOG, "s.ELSE",
          "2001 5 {\"sources\":[{\"name\":\"X\"}],\"max_age\":\"x\"}");
    world_turn(&w);
    uint64_t before = messages(&w, "K");
    ck_assert_ok(world_restart(&w));
    take_all(&w, "good");
    ck_assert_uint_eq(messages(&w, "K"), before);
    ck_assert_ok(ri_fence_delete(w.js, RI_STR("COPY"), &e));
    world_turn(&w);
    ck_assert_uint_eq(messages(&w, "K"), 0);
    world_fini(&w);
}
END_TEST

/* ---- Records that are lost with their names ---- */

static int open_log(fake_os *disk, ri_log **log)
{
    static ri_host host;
    ri_host_init(&host, NULL);
    ri_log_opts opts = {.host = &host, .os = &disk->os, .dir = "/log",
                        .segment_bytes = 1 << 20};
    return ri_log_open(log, &opts);
}

/* A world with the stream S, over a log on the disk that the test hurts. */
static void begin_on(world *w, news *n, fake_os *disk)
{
    ri_log *log;
    *n = (news){0};
    fake_os_init(disk);
    ck_assert_ok(open_log(disk, &log));
    ck_assert_ok(world_init(w, log));
    w->also = hear;
    w->also_arg = n;
    ck_assert_ok(world_stream(w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, NULL));
}

/* Change a byte behind the last place where the disk has `text`. */
static void hurt(fake_os *disk, const char *text)
{
    const char *name;
    for (size_t i = 0; (name = fake_os_name(disk, i)) != NULL; i++) {
        size_t len, at = 0;
        unsigned char *bytes = fake_os_bytes(disk, name, &len);
        for (unsigned char *p = bytes; p; p++) {
            p = memmem(p, len - (size_t)(p - bytes), text, strlen(text));
            if (!p) break;
            at = (size_t)(p - bytes) + strlen(text);
        }
        if (!at) continue;
        bytes[at] ^= 1;
        return;
    }
    ck_abort_msg("the disk has no %s", text);
}

static void reopen_hurt(world *w, fake_os *disk, const char *text)
{
    ri_log *log;
    ck_assert_ok(ri_log_commit(w->log));
    world_down(w);
    hurt(disk, text);
    ck_assert_ok(open_log(disk, &log));
    ck_assert_ok(world_up(w, log));
}

START_TEST(test_records_are_lost)
{
    static const struct { const char *hurt; bool stream; } losses[] = {
        {"{\"name\":\"S\"", true}, {"{\"durable_name\":\"good\"", false},
    };
    for (size_t i = 0; i < RI_LEN(losses); i++) {
        world w;
        ri_js_error e;
        fake_os disk;
        news n;
        begin_on(&w, &n, &disk);
        ck_assert_ok(world_stream(&w, "{\"name\":\"K\",\"subjects\":[\"k.*\"],"
                                  "\"retention\":\"interest\"}", NULL, NULL));
        for (int k = 0; k < 2; k++)
            ck_assert_ok(world_consumer(&w, "K", k ? "{\"durable_name\":\"good\"}"
                                                   : "{\"durable_name\":\"last\"}", NULL, NULL));
        world_publish(&w, "s.1", "", "", "hello");
        world_publish(&w, "k.1", "", "", "hello");
        world_turn(&w);
        reopen_hurt(&w, &disk, losses[i].hurt);
        ck_assert_int_eq(n.unreadable > 0, losses[i].stream);
        ck_assert(w.js->damaged);
        if (losses[i].stream) {
            ck_assert_ptr_null(ri_js_stream(w.js, RI_STR("S")));
            int rc = world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", NULL, &e);
            refused(rc, &e, 10194, "stream is offline: ");
        }
        /* Whoever is lost with the record may want what is here. */
        ri_stream *k = ri_js_stream(w.js, RI_STR("K"));
        ri_consumer *last = ri_stream_consumer(k, RI_STR("last"));
        ck_assert_ok(ri_consumer_delete(last));
        world_turn(&w);
        ck_assert_uint_eq(messages(&w, "K"), 1);
        world_publish(&w, "k.2", "", "", "hello");
        world_turn(&w);
        ck_assert_uint_eq(messages(&w, "K"), 2);
        world_fini(&w);
        fake_os_fini(&disk);
    }
}
END_TEST

/* A stream that copies from others tells of what they have lost, once, and copies all the rest. */
START_TEST(test_copies_tell_of_losses)
{
    enum { MESSAGES = 6 };
    world w;
    fake_os disk;
    news n;
    begin_on(&w, &n, &disk);
    for (int i = 1; i <= MESSAGES; i++) {
        char body[32];
        snprintf(body, sizeof body, "body-%d!", i);
        world_publish(&w, "s.1", "", "", body);
        world_turn(&w);
    }
    reopen_hurt(&w, &disk, "body-3");
    ck_assert_uint_eq(messages(&w, "S"), MESSAGES - 1);
    ck_assert_int_eq(n.unreadable, 0);
    static const char *const confs[] = {"{\"name\":\"M\",\"mirror\":{\"name\":\"S\"}}",
                                        "{\"name\":\"Q\",\"sources\":[{\"name\":\"S\"}]}"};
    for (int i = 0; i < 2; i++) {
        ck_assert_ok(world_stream(&w, confs[i], NULL, NULL));
        world_turn(&w);
        ck_assert_uint_eq(messages(&w, i ? "Q" : "M"), MESSAGES - 1);
        ck_assert_int_eq(n.unreadable, i + 1);
        ck_assert_msg(strstr(n.last, i ? "stream Q cannot copy messages 3 to 3 of the stream S"
                                       : "stream M cannot copy messages 3 to 3 of the stream S"),
                      "%s", n.last);
    }
    world_publish(&w, "s.1", "", "", "more");
    world_turn(&w);
    ck_assert_uint_eq(messages(&w, "M"), MESSAGES);
    ck_assert_ok(world_restart(&w));
    world_turn(&w);
    ck_assert_int_eq(n.unreadable, 2);
    world_fini(&w);
    fake_os_fini(&disk);
}
END_TEST

SUITE_MAIN("js_catalog", test_configurations, test_states, test_stream_is_fenced,
           test_subjects_are_not_known, test_level_is_too_high, test_consumer_is_fenced,
           test_copy_is_fenced, test_records_are_lost, test_copies_tell_of_losses)
