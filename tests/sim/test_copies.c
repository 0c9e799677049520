/* SPDX-License-Identifier: Apache-2.0 */
/* Narratives of streams that copy from others: the place of a copy is stored with it, so nothing is
 * copied twice, whatever has become of the copies, and though the power goes in between. */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "codec/nats/headers.h"
#include "engine/streams/carry.h"
#include "engine/streams/purge.h"
#include "support/fake_os.h"
#include "support/suite.h"
#include "support/world.h"

static ri_log *open_log(fake_os *disk, world *w)
{
    ri_log *log;
    ri_log_opts opts = {.host = &w->own.host, .os = &disk->os, .dir = "/data",
                        .segment_bytes = 1 << 20};
    ck_assert_ok(ri_log_open(&log, &opts));
    return log;
}

static void begin(world *w, fake_os *disk)
{
    fake_os_init(disk);
    fault_init(&w->own);
    ck_assert_ok(world_init_with(w, &w->own, open_log(disk, w)));
}

static void end(world *w, fake_os *disk)
{
    world_fini(w);
    fake_os_fini(disk);
}

/* The power goes; what was not synced is lost. */
static void power_cut(world *w, fake_os *disk)
{
    world_down(w);
    fake_os_crash(disk, FAKE_OS_DROP, 1);
    ck_assert_ok(world_up(w, open_log(disk, w)));
    world_turn(w);
}

static ri_stream *stream(world *w, const char *name)
{
    ri_stream *s = ri_js_stream(w->js, ri_str_of(name));
    ck_assert_ptr_nonnull(s);
    return s;
}

static ri_stream_state state_of(world *w, const char *name)
{
    ri_stream_info info;
    ri_stream_info_of(stream(w, name), &info);
    return info.state;
}

static void make(world *w, const char *json)
{
    ck_assert_ok(world_stream(w, json, NULL, NULL));
}

static void publish(world *w, const char *subject, int n)
{
    for (int i = 0; i < n; i++) world_publish(w, subject, "", "", "x");
    world_turn(w);
}

/* ---- Ways for a copy to go ---- */

static void go_by_purge(world *w)
{
    uint64_t purged;
    ck_assert_ok(ri_purge_whole(stream(w, "Q"), RI_STR_NONE, 0, 0, &purged, NULL));
    ck_assert_uint_eq(purged, 5);
}

static void go_by_delete(world *w)
{
    for (uint64_t seq = 1; seq <= 5; seq++)
        ck_assert_ok(ri_stream_erase(stream(w, "Q"), seq, seq == 5, NULL));
}

static void go_by_age(world *w)
{
    world_wait(w, 2100);
}

static void go_by_ack(world *w)
{
    ri_consumer *c = ri_stream_consumer(stream(w, "Q"), RI_STR("c"));
    world_ear *in = world_listen(w, "in", "in");
    in->auto_ack = in->quiet = true;
    ck_assert_ok(world_pull(w, c, "in", "5"));
    world_turn(w);
    ck_assert_uint_eq(in->got, 5);
    world_deafen(w, in);
}

static void go_by_rollup(world *w)
{
    world_publish(w, "q", "", "Nats-Rollup: all\r\n", "");
    world_turn(w);
    ck_assert_ok(ri_stream_erase(stream(w, "Q"), 6, false, NULL));
}

static void go_by_limit(world *w)
{
    publish(w, "q", 1);
    ck_assert_ok(ri_stream_erase(stream(w, "Q"), 6, false, NULL));
}

static void go_by_nobody(world *w)
{
    (void)w; /* no consumer wants it: it has only its number */
}

typedef struct way {
    const char *name, *conf;
    bool consumer;
    void (*go)(world *w);
} way;

static const way ways[] = {
    {"purge", "", false, go_by_purge},
    {"delete", "", false, go_by_delete},
    {"max_age", ",\"max_age\":2000000000", false, go_by_age},
    {"ack in a work queue", ",\"retention\":\"workqueue\"", true, go_by_ack},
    {"ack of the interested", ",\"retention\":\"interest\"", true, go_by_ack},
    {"nobody interested", ",\"retention\":\"interest\"", false, go_by_nobody},
    {"rollup", ",\"allow_rollup_hdrs\":true", false, go_by_rollup},
    {"max_msgs", ",\"max_msgs\":1", false, go_by_limit},
};

static void once(const way *by, bool cut)
{
    static world w;
    fake_os disk;
    char json[256];
    begin(&w, &disk);
    make(&w, "{\"name\":\"O\",\"subjects\":[\"o\"]}");
    snprintf(json, sizeof json,
             "{\"name\":\"Q\",\"subjects\":[\"q\"],\"sources\":[{\"name\":\"O\"}]%s}",
             by->conf);
    make(&w, json);
    if (by->consumer)
        ck_assert_ok(world_consumer(&w, "Q", "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}",
                                    NULL, NULL));
    publish(&w, "o", 5);
    by->go(&w);
    world_turn(&w);
    ck_assert_uint_eq(state_of(&w, "Q").messages, 0);
    uint64_t last = state_of(&w, "Q").last_seq;
    for (int i = 0; i < 2; i++) {
        if (cut) {
            power_cut(&w, &disk);
        } else {
            ck_assert_ok(world_restart(&w));
            world_turn(&w);
        }
        ck_assert_msg(state_of(&w, "Q").last_seq == last, "after %s: copied again", by->name);
    }
    publish(&w, "o", 1);
    ck_assert_uint_eq(state_of(&w, "Q").last_seq, last + 1);
    end(&w, &disk);
}

START_TEST(test_once_after_a_restart)
{
    for (size_t i = 0; i < RI_LEN(ways); i++) once(&ways[i], false);
}
END_TEST

START_TEST(test_once_after_a_power_cut)
{
    for (size_t i = 0; i < RI_LEN(ways); i++) once(&ways[i], true);
}
END_TEST

/* One step and one commit; false: the power has gone. */
static bool commit(world *w)
{
    ri_js_step(w->js, w->wall_ns, w->mono_ns);
    if (!ri_log_dirty(w->log)) return true;
    ri_js_prepare(w->js, w->log);
    int rc = ri_log_commit(w->log);
    ri_js_committed(w->js, w->log, rc, w->wall_ns, w->mono_ns);
    return rc >= 0;
}

/* The power goes at every sync of the disk: each message of the origin was copied once, and
 * none is missing when all is over, though each copy is removed as soon as it is there. */
START_TEST(test_power_cuts_while_copying)
{
    static world w;
    fake_os disk;
    for (size_t at = 1;; at++) {
        begin(&w, &disk);
        make(&w, "{\"name\":\"O\",\"subjects\":[\"o\"],\"retention\":\"workqueue\"}");
        make(&w, "{\"name\":\"Q\",\"sources\":[{\"name\":\"O\"}]}");
        publish(&w, "o", 2);
        uint64_t purged;
        ck_assert_ok(ri_purge_whole(stream(&w, "Q"), RI_STR_NONE, 0, 0, &purged, NULL));
        world_turn(&w);
        disk.fail_syncs_only = true;
        disk.fail_at = disk.syncs + at;
        disk.fail_errno = EIO;
        disk.power_at_fail = true;
        bool failed = false;
        for (int i = 0; i < 12 && !failed; i++) {
            if (i % 4 == 0) world_publish(&w, "o", "", "", "x");
            if (i % 4 == 3) ri_purge_whole(stream(&w, "Q"), RI_STR_NONE, 0, 0, &purged, NULL);
            failed = !commit(&w);
        }
        disk.fail_at = 0;
        power_cut(&w, &disk);
        uint64_t stored = state_of(&w, "O").last_seq;
        ck_assert_uint_eq(state_of(&w, "Q").last_seq, stored);
        ck_assert_uint_eq(state_of(&w, "O").messages, 0);
        publish(&w, "o", 1);
        ck_assert_uint_eq(state_of(&w, "Q").last_seq, stored + 1);
        end(&w, &disk);
        if (!failed) {
            ck_assert_uint_gt(at, 8);
            break;
        }
    }
}
END_TEST

/* A source that is configured away, or beside another, goes on where it was when it is back. */
START_TEST(test_update_goes_on)
{
    static world w;
    fake_os disk;
    static const char *const confs[] = {
        "{\"name\":\"Q\",\"sources\":[{\"name\":\"P\"},{\"name\":\"O\"}]}",
        "{\"name\":\"Q\",\"sources\":[{\"name\":\"P\"}]}",
        "{\"name\":\"Q\",\"sources\":[{\"name\":\"O\"},{\"name\":\"P\"}]}",
        "{\"name\":\"Q\",\"sources\":[{\"name\":\"O\"}]}",
    };
    begin(&w, &disk);
    make(&w, "{\"name\":\"O\",\"subjects\":[\"o\"]}");
    make(&w, "{\"name\":\"P\",\"subjects\":[\"p\"]}");
    make(&w, confs[3]);
    publish(&w, "o", 3);
    publish(&w, "p", 3);
    uint64_t purged;
    ck_assert_ok(ri_purge_whole(stream(&w, "Q"), RI_STR_NONE, 0, 0, &purged, NULL));
    for (size_t i = 0; i < 2 * RI_LEN(confs); i++) {
        ri_arena arena;
        ri_js_stream_request request = {0};
        ri_arena_init(&arena, &w.own.host);
        ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf, ri_str_of(confs[i % RI_LEN(confs)]),
                                     false, &arena, &request.conf));
        ck_assert_ok(ri_stream_update(stream(&w, "Q"), &request, NULL));
        if (i == 5) power_cut(&w, &disk);
        world_turn(&w);
        ri_arena_fini(&arena);
    }
    ck_assert_uint_eq(state_of(&w, "Q").last_seq, 6);
    ck_assert_uint_eq(state_of(&w, "Q").messages, 3);
    /* A mirror that becomes a stream of its own. */
    make(&w, "{\"name\":\"M\",\"mirror\":{\"name\":\"O\"}}");
    world_turn(&w);
    ri_str subject = RI_STR("m");
    ri_js_stream_request promoted = {.conf = {.name = RI_STR("M"), .subjects = {&subject, 1},
                                              .max_msgs = -1, .max_bytes = -1, .max_consumers = -1,
                                              .max_msgs_per_subject = -1, .max_msg_size = -1,
                                              .num_replicas = 1}};
    ck_assert_ok(ri_stream_update(stream(&w, "M"), &promoted, NULL));
    publish(&w, "o", 1);
    publish(&w, "m", 1);
    ck_assert_uint_eq(state_of(&w, "M").messages, 4);
    end(&w, &disk);
}
END_TEST

/* A stream of the same name and the same sources is another: it has no place yet. */
START_TEST(test_a_place_goes_with_its_stream)
{
    static world w;
    fake_os disk;
    begin(&w, &disk);
    make(&w, "{\"name\":\"O\",\"subjects\":[\"o\"]}");
    for (int i = 1; i < 4; i++) {
        make(&w, "{\"name\":\"Q\",\"sources\":[{\"name\":\"O\"}]}");
        publish(&w, "o", 1);
        ck_assert_uint_eq(state_of(&w, "Q").messages, (uint64_t)i);
        ck_assert_ok(ri_stream_delete(stream(&w, "Q"), NULL));
        world_turn(&w);
        if (i == 2) power_cut(&w, &disk);
    }
    end(&w, &disk);
}
END_TEST

/* ---- What a copy does and does not ---- */

/* Headers of a copy that its stream does not allow say nothing to it. */
START_TEST(test_headers_of_copies)
{
    static world w;
    fake_os disk;
    static const char *const copies[] = {
        "{\"name\":\"M\",\"mirror\":{\"name\":\"O\"}}",
        "{\"name\":\"S\",\"sources\":[{\"name\":\"O\"}]}",
    };
    begin(&w, &disk);
    make(&w, "{\"name\":\"O\",\"subjects\":[\"o.*\"],\"allow_msg_ttl\":true,"
             "\"allow_msg_schedules\":true,\"allow_rollup_hdrs\":true}");
    for (size_t i = 0; i < RI_LEN(copies); i++) make(&w, copies[i]);
    world_publish(&w, "o.ttl", "", "Nats-TTL: 1s\r\n", "x");
    for (int i = 0; i < 2; i++)
        world_publish(&w, "o.s", "", "Nats-Schedule: @every 1s\r\nNats-Schedule-Target: o.t\r\n",
                      "x");
    world_turn(&w);
    ck_assert_uint_eq(state_of(&w, "O").messages, 2);
    for (size_t i = 0; i < RI_LEN(copies); i++) {
        const char *name = i ? "S" : "M";
        /* the first schedule went before it was copied */
        ck_assert_uint_eq(state_of(&w, name).messages, 2);
    }
    power_cut(&w, &disk);
    world_publish(&w, "o.s", "", "Nats-Schedule: @every 1h\r\nNats-Schedule-Target: o.t\r\n", "x");
    world_wait(&w, 3500);
    ck_assert_uint_eq(state_of(&w, "O").messages, 1);
    for (size_t i = 0; i < RI_LEN(copies); i++)
        ck_assert_uint_eq(state_of(&w, i ? "S" : "M").messages, 3);
    end(&w, &disk);
}
END_TEST

/* A message that comes on two ways into a stream with a window of duplicates is there once. */
START_TEST(test_duplicates_of_copies)
{
    static world w;
    fake_os disk;
    begin(&w, &disk);
    make(&w, "{\"name\":\"O\",\"subjects\":[\"o\"]}");
    make(&w, "{\"name\":\"P\",\"subjects\":[\"p\"]}");
    make(&w, "{\"name\":\"Q\",\"sources\":[{\"name\":\"O\"},{\"name\":\"P\"}],"
             "\"duplicate_window\":60000000000}");
    make(&w, "{\"name\":\"R\",\"sources\":[{\"name\":\"O\"},{\"name\":\"P\"}]}");
    for (int i = 0; i < 2; i++) {
        world_publish(&w, "o", "", "Nats-Msg-Id: one\r\n", "x");
        world_publish(&w, "p", "", "Nats-Msg-Id: one\r\n", "x");
        world_turn(&w);
        ck_assert_uint_eq(state_of(&w, "Q").messages, 1);
        ck_assert_uint_eq(state_of(&w, "R").messages, 2);
        power_cut(&w, &disk);
    }
    world_publish(&w, "p", "", "Nats-Msg-Id: two\r\n", "x");
    world_turn(&w);
    ck_assert_uint_eq(state_of(&w, "Q").messages, 2);
    end(&w, &disk);
}
END_TEST

static int refused(world *w, const char *json, bool update)
{
    ri_arena arena;
    ri_js_stream_request request = {0};
    ri_js_error e = {0};
    ri_stream *made;
    ri_arena_init(&arena, &w->own.host);
    ck_assert_ok(ri_jsapi_decode(&ri_jsapi_stream_conf, ri_str_of(json), false, &arena,
                                 &request.conf));
    int rc = update ? ri_stream_update(ri_js_stream(w->js, request.conf.name), &request, &e)
                    : ri_stream_create(w->js, &request, &made, &e);
    ri_arena_fini(&arena);
    world_turn(w);
    if (rc >= 0) return 0;
    ck_assert_str_eq(e.text, "detected cycle");
    return e.err_code;
}

START_TEST(test_rings)
{
    static world w;
    fake_os disk;
    begin(&w, &disk);
    make(&w, "{\"name\":\"A\",\"subjects\":[\"a.>\"]}");
    make(&w, "{\"name\":\"B\",\"sources\":[{\"name\":\"A\"}]}");
    make(&w, "{\"name\":\"C\",\"sources\":[{\"name\":\"B\"}]}");
    make(&w, "{\"name\":\"M\",\"mirror\":{\"name\":\"A\"}}");
    make(&w, "{\"name\":\"F\",\"sources\":[{\"name\":\"G\"}]}"); /* it is not there yet */
    ck_assert_int_eq(refused(&w, "{\"name\":\"A\",\"subjects\":[\"a.>\"],"
                                 "\"sources\":[{\"name\":\"B\"}]}", true), 10052);
    ck_assert_int_eq(refused(&w, "{\"name\":\"A\",\"subjects\":[\"a.>\"],"
                                 "\"sources\":[{\"name\":\"C\"}]}", true), 10052);
    ck_assert_int_eq(refused(&w, "{\"name\":\"A\",\"subjects\":[\"a.>\"],"
                                 "\"sources\":[{\"name\":\"M\"}]}", true), 10052);
    ck_assert_int_eq(refused(&w, "{\"name\":\"S\",\"sources\":[{\"name\":\"A\"},{\"name\":\"M\"}]}",
                             false), 10052);
    ck_assert_int_eq(refused(&w, "{\"name\":\"G\",\"sources\":[{\"name\":\"F\"}]}", false), 10052);
    ck_assert_int_eq(refused(&w, "{\"name\":\"G\",\"mirror\":{\"name\":\"F\"}}", false), 10052);
    ck_assert_int_eq(refused(&w, "{\"name\":\"N\",\"mirror\":{\"name\":\"M\"}}", false), 0);
    ck_assert_int_eq(refused(&w,
                             "{\"name\":\"D\",\"sources\":[{\"name\":\"C\"},{\"name\":\"C\","
                             "\"filter_subject\":\"x\"}]}", false), 0);
    world_publish(&w, "a.1", "", "", "x");
    world_turn(&w);
    ck_assert_uint_eq(state_of(&w, "C").messages, 1);
    end(&w, &disk);
}
END_TEST

/* What has expired while the broker was down is gone before anybody can ask for it. */
START_TEST(test_expired_meanwhile)
{
    static world w;
    fake_os disk;
    begin(&w, &disk);
    make(&w, "{\"name\":\"A\",\"subjects\":[\"a\"],\"max_age\":2000000000}");
    make(&w, "{\"name\":\"T\",\"subjects\":[\"t\"],\"allow_msg_ttl\":true}");
    world_publish(&w, "a", "", "", "x");
    world_publish(&w, "t", "", "Nats-TTL: 2s\r\n", "x");
    world_turn(&w);
    world_down(&w);
    w.wall_ns += 10 * RI_SEC;
    w.mono_ns += 10 * RI_SEC;
    fake_os_crash(&disk, FAKE_OS_DROP, 1);
    ck_assert_ok(world_up(&w, open_log(&disk, &w)));
    ck_assert_uint_eq(state_of(&w, "A").messages, 0);
    ck_assert_uint_eq(state_of(&w, "T").messages, 0);
    end(&w, &disk);
}
END_TEST

/* An origin that is deleted and restored from an archive is the same stream: it is not copied
 * again, also if what was copied last is deleted in it. */
START_TEST(test_restored_origin)
{
    for (uint64_t there = 3; there <= 5; there++) {
        static world w;
        fake_os disk;
        ri_js_stream_request request = {0};
        ri_str subject = RI_STR("o"), hidden = RI_STR("hidden");
        ri_stream *o;
        begin(&w, &disk);
        make(&w, "{\"name\":\"O\",\"subjects\":[\"o\"]}");
        make(&w, "{\"name\":\"Q\",\"sources\":[{\"name\":\"O\"}]}");
        ri_arena arena;
        ri_arena_init(&arena, &w.own.host);
        ck_assert_ok(ri_jsapi_copy_stream_conf(&request.conf, ri_stream_conf_of(stream(&w, "O")),
                                               &arena));
        publish(&w, "o", 5);
        int64_t time_ns = w.wall_ns;
        ck_assert_ok(ri_stream_delete(stream(&w, "O"), NULL));
        world_wait(&w, 1000);
        if (there == 4) power_cut(&w, &disk);
        request.conf.subjects = (ri_strs){&hidden, 1};
        ck_assert_ok(ri_carry_create(w.js, &request, &o, NULL));
        world_turn(&w);
        for (uint64_t seq = 1; seq <= there; seq++) {
            ri_record record = {.seq = seq, .time_ns = time_ns, .subject = subject,
                                .data = RI_STR("x")};
            ck_assert_ok(ri_carry_message(o, &record, 100, NULL));
            world_turn(&w);
        }
        ck_assert_ok(ri_carry_skip(o, 5));
        request.conf.subjects = (ri_strs){&subject, 1};
        ck_assert_ok(ri_stream_update(o, &request, NULL));
        ri_carry_whole(o);
        world_turn(&w);
        ck_assert_uint_eq(state_of(&w, "Q").messages, 5);
        publish(&w, "o", 1);
        ck_assert_uint_eq(state_of(&w, "Q").messages, 6);
        power_cut(&w, &disk);
        ck_assert_uint_eq(state_of(&w, "Q").messages, 6);
        ri_arena_fini(&arena);
        end(&w, &disk);
    }
}
END_TEST

static void last_is(world *w, const char *name, const char *subject, const char *data,
                    const char *sources)
{
    ri_record record;
    ri_str found = RI_STR_NONE;
    ck_assert_ok(ri_stream_get_last(stream(w, name), ri_str_of(subject), &record));
    ck_assert_span(record.data, data);
    ri_headers_find(record.headers, RI_STR("Nats-Counter-Sources"), &found);
    ck_assert_span(found, sources);
}

/* What counters of other streams add is the difference to what they added before. */
START_TEST(test_counters)
{
    static world w;
    fake_os disk;
    begin(&w, &disk);
    make(&w, "{\"name\":\"ES\",\"subjects\":[\"es\"],\"allow_msg_counter\":true}");
    make(&w, "{\"name\":\"PL\",\"subjects\":[\"pl\"],\"allow_msg_counter\":true}");
    make(&w, "{\"name\":\"EU\",\"subjects\":[\"eu\"],\"allow_msg_counter\":true,\"sources\":["
             "{\"name\":\"ES\",\"subject_transforms\":[{\"src\":\"es\",\"dest\":\"eu\"}]},"
             "{\"name\":\"PL\",\"subject_transforms\":[{\"src\":\"pl\",\"dest\":\"eu\"}]}]}");
    world_publish(&w, "es", "", "Nats-Incr: +100\r\n", "");
    world_turn(&w);
    last_is(&w, "EU", "eu", "{\"val\":\"100\"}", "{\"ES\":{\"es\":\"100\"}}");
    world_publish(&w, "pl", "", "Nats-Incr: 150\r\n", "");
    world_turn(&w);
    world_publish(&w, "es", "", "Nats-Incr: 1\r\n", "");
    world_turn(&w);
    last_is(&w, "EU", "eu", "{\"val\":\"251\"}",
            "{\"ES\":{\"es\":\"101\"},\"PL\":{\"pl\":\"150\"}}");
    power_cut(&w, &disk);
    for (int i = 0; i < 3; i++) { /* in one commit, where no cursor of committed records sees
                                     them */
        world_publish(&w, "es", "", "Nats-Incr: -60\r\n", "");
        world_publish(&w, "eu", "", "Nats-Incr: 10\r\n", "");
        world_publish(&w, "pl", "", "Nats-Incr: 0\r\n", "");
    }
    world_turn(&w);
    last_is(&w, "EU", "eu", "{\"val\":\"101\"}",
            "{\"ES\":{\"es\":\"-79\"},\"PL\":{\"pl\":\"150\"}}");
    world_publish(&w, "eu", "", "Nats-Incr: 1\r\n", "");
    world_turn(&w);
    last_is(&w, "EU", "eu", "{\"val\":\"102\"}",
            "{\"ES\":{\"es\":\"-79\"},\"PL\":{\"pl\":\"150\"}}");
    end(&w, &disk);
}
END_TEST

/* A mirror is read directly as its origin is, whatever it asks for. */
START_TEST(test_mirror_direct)
{
    static world w;
    fake_os disk;
    ri_js_error e = {0};
    begin(&w, &disk);
    make(&w, "{\"name\":\"A\",\"subjects\":[\"a\"],\"allow_direct\":true}");
    make(&w, "{\"name\":\"N\",\"subjects\":[\"n\"]}");
    make(&w, "{\"name\":\"MA\",\"mirror\":{\"name\":\"A\"}}");
    make(&w, "{\"name\":\"MN\",\"mirror\":{\"name\":\"N\"},\"mirror_direct\":true}");
    make(&w, "{\"name\":\"MX\",\"mirror\":{\"name\":\"X\"},\"mirror_direct\":true}");
    ck_assert(ri_stream_conf_of(stream(&w, "MA"))->mirror_direct);
    ck_assert(!ri_stream_conf_of(stream(&w, "MN"))->mirror_direct);
    ck_assert(ri_stream_conf_of(stream(&w, "MX"))->mirror_direct);
    ri_js_source from = {.name = RI_STR("A")};
    ri_js_stream_request request = {.conf = {.name = RI_STR("P"), .mirror = &from},
                                    .pedantic = true};
    ri_stream *made;
    ck_assert_int_lt(ri_stream_create(w.js, &request, &made, &e), 0);
    ck_assert_int_eq(e.err_code, RI_JS_PEDANTIC);
    end(&w, &disk);
}
END_TEST

SUITE_MAIN("copies", test_mirror_direct, test_restored_origin, test_counters,
           test_headers_of_copies, test_duplicates_of_copies, test_rings,
           test_expired_meanwhile, test_once_after_a_restart, test_once_after_a_power_cut,
           test_power_cuts_while_copying, test_update_goes_on, test_a_place_goes_with_its_stream)
