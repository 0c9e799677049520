/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the catalogue and of consumers' states that cannot be understood: they are told, and
 * all the rest is served. */
#include <stdio.h>

#include "base/error.h"
#include "engine/js_state.h"
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
    ck_assert_ok(ri_log_track(w->log, track_id, &(ri_track_opts){0}, &track));
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

SUITE_MAIN("js_catalog", test_configurations, test_states)
