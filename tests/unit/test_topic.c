/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/topic.h"

#include "support/fault.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

/* What Kafka's Java clients reckon. */
START_TEST(test_hash)
{
    static const struct {
        const char *key;
        int32_t hash;
    } rows[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        size_t len = strlen(rows[i].key);
        ri_str key = {guard_copy(rows[i].key, len), len};
        ck_assert_int_eq((int32_t)ri_topic_hash(key), rows[i].hash);
        ck_assert_uint_eq(ri_topic_pick(key, 7), (uint32_t)(rows[i].hash & INT32_MAX) % 7);
    }
    ck_assert_uint_eq(ri_topic_pick(RI_STR(""), 1), 0);
}
END_TEST

static uint32_t cut(const char *name, const char *mark, const char *want)
{
    ri_str left = {guard_copy(name, strlen(name)), strlen(name)};
    uint32_t n = ri_topic_cut(&left, mark);
    ck_assert_msg(ri_str_is(left, want), "%s leaves %.*s", name, RI_ARG(left));
    return n;
}

START_TEST(test_cut)
{
    ck_assert_uint_eq(cut("orders~1", "~", "orders"), 1);
    ck_assert_uint_eq(cut("orders.~10", ".~", "orders"), 10);
    ck_assert_uint_eq(cut("a~1~999999999", "~", "a~1"), 999999999);
    ck_assert_uint_eq(cut("a~9999999999", "~", "a~9999999999"), 0);
    ck_assert_uint_eq(cut("a~01", "~", "a~01"), 0);
    ck_assert_uint_eq(cut("a~0", "~", "a~0"), 0);
    ck_assert_uint_eq(cut("a~", "~", "a~"), 0);
    ck_assert_uint_eq(cut("~1", "~", "~1"), 0);
    ck_assert_uint_eq(cut("1", "~", "1"), 0);
    ck_assert_uint_eq(cut("", "~", ""), 0);
    ck_assert_uint_eq(cut("orders~1", ".~", "orders~1"), 0);
}
END_TEST

static uint32_t of(const char *stream, const char *subject, const char *want)
{
    ri_str name = ri_str_of(stream);
    uint32_t n = ri_topic_of(&name, ri_str_of(subject));
    ck_assert_msg(ri_str_is(name, want), "%s is %.*s", stream, RI_ARG(name));
    return n;
}

START_TEST(test_of)
{
    ck_assert_uint_eq(of("orders~2", "orders.~2", "orders"), 2);
    ck_assert_uint_eq(of("my_topic~2", "my.topic.~2", "my_topic"), 2);
    ck_assert_uint_eq(of("orders~2", "orders.~3", "orders~2"), 0);
    ck_assert_uint_eq(of("orders~2", "orders", "orders~2"), 0);
    ck_assert_uint_eq(of("orders", "orders.~2", "orders"), 0);
}
END_TEST

/* What was put is cut again, whatever the name and the number. */
START_TEST(test_round_trip)
{
    rng r;
    fault f;
    ri_buffer out;
    rng_init(&r, rng_seed(1));
    fault_init(&f);
    ri_buffer_init(&out, &f.host);
    for (int i = 0; i < 1000; i++) {
        uint32_t n = (uint32_t)rng_below(&r, 1000000000);
        ri_buffer_reset(&out);
        ri_topic_put(RI_STR("a~7"), i % 2 ? RI_TOPIC_STREAM : RI_TOPIC_SUBJECT, n, &out);
        ri_str left = ri_buffer_str(&out);
        uint32_t want = n ? n : i % 2 ? 7 : 0;
        ck_assert_uint_eq(ri_topic_cut(&left, i % 2 ? RI_TOPIC_STREAM : RI_TOPIC_SUBJECT), want);
        ck_assert(ri_str_is(left, n || i % 2 == 0 ? "a~7" : "a"));
    }
    ri_buffer_fini(&out);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("topic", test_hash, test_cut, test_of, test_round_trip)
