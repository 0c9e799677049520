/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/stream.h"

#include "base/error.h"
#include "support/suite.h"
#include "support/world.h"

static world *open_world(void)
{
    static world w;
    ck_assert_ok(world_init(&w, NULL));
    return &w;
}

START_TEST(test_store_and_ack)
{
    world *w = open_world();
    ri_stream *s;
    ck_assert_ok(world_stream(w, "{\"name\":\"ORDERS\",\"subjects\":[\"orders.>\"]}", &s, NULL));
    world_listen(w, "app", "ack.*");
    ck_assert_int_eq(world_publish(w, "orders.1", "ack.1", "", "one"), 1);
    ck_assert_int_eq(world_publish(w, "orders.2", "", "", "two"), 1);
    ck_assert_int_eq(world_publish(w, "other", "ack.3", "", "none"), 0);
    WORLD_TOLD(w, ""); /* nothing leaves before the commit */
    world_turn(w);
    WORLD_TOLD(w, "[     0] app: ack.1 {\"stream\":\"ORDERS\",\"seq\":1}\n");
    ri_record r;
    ck_assert_ok(ri_stream_get(s, 2, &r));
    ck_assert_span(r.data, "two");
    ck_assert_rc(ri_stream_get(s, 3, &r), RILL_ENOENT);
    ck_assert_ok(ri_stream_get_last(s, RI_STR("orders.*"), &r));
    ck_assert_uint_eq(r.seq, 2);
    ri_stream_info info;
    ri_stream_info_of(s, &info);
    ck_assert_uint_eq(info.state.messages, 2);
    ck_assert_uint_eq(info.state.num_subjects, 2);
    world_fini(w);
}
END_TEST

SUITE_MAIN("stream", test_store_and_ack)
