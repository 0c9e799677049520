/* SPDX-License-Identifier: Apache-2.0 */
/* Topics and streams: names, ids, partitions; and what Kafka's settings mean for a stream. */
#include "front/kafka/kafka_catalog.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/jetstream/jsconf.h"
#include "front/kafka/kafka_configs.h"
#include "support/suite.h"
#include "support/world.h"

static world w;
static ri_kafka_catalog *catalog;

static void setup(void)
{
    ck_assert_ok(world_init(&w, NULL));
    ck_assert_ok(ri_kafka_catalog_open(&catalog, &w.f->host));
}

static void teardown(void)
{
    ri_kafka_catalog_close(catalog);
    world_fini(&w);
}

static ri_stream *make(const char *json)
{
    ri_stream *stream;
    ck_assert_ok(world_stream(&w, json, &stream, NULL));
    return stream;
}

START_TEST(test_names)
{
    static const char *const good[] = {"a", "a.b", "A_b-9", "...", "a..b", "-"};
    static const char *const bad[] = {"", ".", "..", "a b", "a~1", "ä", "a/b", "a*", "$a", "a:b"};
    for (size_t i = 0; i < RI_LEN(good); i++)
        ck_assert_msg(ri_kafka_catalog_name_ok(ri_str_of(good[i])), "%s", good[i]);
    for (size_t i = 0; i < RI_LEN(bad); i++)
        ck_assert_msg(!ri_kafka_catalog_name_ok(ri_str_of(bad[i])), "%s", bad[i]);
    char longest[RI_KAFKA_NAME_MAX + 1];
    memset(longest, 'x', sizeof longest);
    ck_assert(ri_kafka_catalog_name_ok((ri_str){longest, RI_KAFKA_NAME_MAX}));
    ck_assert(!ri_kafka_catalog_name_ok((ri_str){longest, sizeof longest}));
}
END_TEST

static void put(const char *topic, int32_t index, const char *stream, const char *subject)
{
    ri_buffer text;
    ri_buffer_init(&text, &w.f->host);
    ri_kafka_catalog_put_stream(ri_str_of(topic), index, &text);
    ck_assert_span(ri_buffer_str(&text), stream);
    ri_buffer_reset(&text);
    ri_kafka_catalog_put_subject(ri_str_of(topic), index, &text);
    ck_assert_span(ri_buffer_str(&text), subject);
    ri_buffer_fini(&text);
}

START_TEST(test_put)
{
    put("orders", 0, "orders", "orders");
    put("orders", 12, "orders~12", "orders.~12");
    put("my.topic", 0, "my_topic", "my.topic");
    put("my.topic", 1, "my_topic~1", "my.topic.~1");
    put("a..b", 0, "a__b", "a__b");
    put("a..b", 2, "a__b~2", "a__b.~2");
}
END_TEST

static bool found(const char *topic, ri_kafka_topic *t)
{
    return ri_kafka_catalog_find(w.js, ri_str_of(topic), t);
}

START_TEST(test_find)
{
    ri_kafka_topic t;
    make("{\"name\":\"ORDERS\",\"subjects\":[\"orders.>\"]}");
    make("{\"name\":\"my_topic\",\"subjects\":[\"my.topic\"],"
         "\"metadata\":{\"rill.topic\":\"my.topic\"}}");
    make("{\"name\":\"lies\",\"subjects\":[\"lies\"],\"metadata\":{\"rill.topic\":\"truth\"}}");
    make("{\"name\":\"no:topic\",\"subjects\":[\"no.topic\"]}");
    ck_assert(found("ORDERS", &t));
    ck_assert_span(t.name, "ORDERS");
    ck_assert_int_eq(ri_kafka_catalog_partitions(w.js, &t), 1);
    ck_assert(found("my.topic", &t));
    ck_assert_span(t.name, "my.topic");
    ck_assert(!found("my_topic", &t)); /* that is another topic, which is not there */
    ck_assert(!found("orders", &t));
    ck_assert(!found("lies", &t));
    ck_assert(!found("truth", &t));
    ck_assert(!found("no:topic", &t));
    /* In the order of the streams' names, those that are topics. */
    ri_str after = RI_STR_NONE;
    const char *const names[] = {"ORDERS", "my.topic"};
    for (size_t i = 0; i < RI_LEN(names); i++) {
        ck_assert(ri_kafka_catalog_next(w.js, after, &t));
        ck_assert_span(t.name, names[i]);
        after = ri_stream_conf_of(t.stream)->name;
    }
    ck_assert(!ri_kafka_catalog_next(w.js, after, &t));
}
END_TEST

START_TEST(test_partitions)
{
    ri_kafka_topic t;
    make("{\"name\":\"p\",\"subjects\":[\"p\"]}");
    ri_stream *one = make("{\"name\":\"p~1\",\"subjects\":[\"p.~1\"]}");
    make("{\"name\":\"p~3\",\"subjects\":[\"p.~3\"]}"); /* behind one that is not there */
    ck_assert(found("p", &t));
    ck_assert_int_eq(ri_kafka_catalog_partitions(w.js, &t), 2);
    ck_assert_ptr_eq(ri_kafka_catalog_partition(w.js, &t, 0), t.stream);
    ck_assert_ptr_eq(ri_kafka_catalog_partition(w.js, &t, 1), one);
    ck_assert_ptr_null(ri_kafka_catalog_partition(w.js, &t, 2));
    ck_assert_ptr_null(ri_kafka_catalog_partition(w.js, &t, -1));
    ck_assert_ptr_null(ri_kafka_catalog_partition(w.js, &t, INT32_MAX));
    ck_assert(ri_kafka_catalog_next(w.js, RI_STR_NONE, &t));
    ck_assert(!ri_kafka_catalog_next(w.js, RI_STR("p"), &t));
}
END_TEST

/* An id stays for the life of a topic, over a restart, too, and never comes again. */
START_TEST(test_ids)
{
    ri_kafka_topic t;
    const ri_kafka_uuid none = {{0}};
    make("{\"name\":\"a\",\"subjects\":[\"a\"]}");
    make("{\"name\":\"b\",\"subjects\":[\"b\"]}");
    ck_assert(found("a", &t));
    ri_kafka_uuid first = ri_kafka_catalog_id(&t), again;
    ck_assert(!ri_kafka_catalog_is_none(&first));
    ck_assert(first.bytes[0] < 0x80);
    for (int i = 0; i < 3; i++) { /* searched, and remembered */
        ck_assert(ri_kafka_catalog_find_id(catalog, w.js, &first, &t));
        ck_assert_span(t.name, "a");
        if (i == 1) ck_assert_ok(world_restart(&w));
    }
    ck_assert_ok(ri_stream_delete(ri_js_stream(w.js, RI_STR("a")), NULL));
    ck_assert(!ri_kafka_catalog_find_id(catalog, w.js, &first, &t));
    make("{\"name\":\"a\",\"subjects\":[\"a\"]}");
    ck_assert(!ri_kafka_catalog_find_id(catalog, w.js, &first, &t));
    ck_assert(found("a", &t));
    again = ri_kafka_catalog_id(&t);
    ck_assert_mem_ne(&again, &first, sizeof first);
    ck_assert(!ri_kafka_catalog_find_id(catalog, w.js, &none, &t));
}
END_TEST

/* ---- Settings ---- */

START_TEST(test_settings_are_known)
{
    const ri_kafka_config *config;
    const char *before = "";
    size_t n = 0;
    for (; (config = ri_kafka_config_at(n)) != NULL; n++) {
        ck_assert_int_gt(strcmp(config->name, before), 0);
        before = config->name;
        ck_assert_ptr_eq(ri_kafka_config_of(ri_str_of(config->name)), config);
        ck_assert_msg(ri_kafka_config_check(config, ri_str_of(config->value)) == RILL_OK, "%s",
                      ri_err_text());
    }
    ck_assert_uint_eq(n, 37);
    ck_assert_ptr_null(ri_kafka_config_of(RI_STR("no.such.key")));
}
END_TEST

static int check(const char *name, const char *value)
{
    return ri_kafka_config_check(ri_kafka_config_of(ri_str_of(name)), ri_str_of(value));
}

START_TEST(test_settings_are_checked)
{
    ck_assert_rc(check("retention.ms", "abc"), RILL_EINVAL);
    ck_assert_str_eq(ri_err_text(), "retention.ms is a whole number, not abc");
    ck_assert_rc(check("retention.ms", "-2"), RILL_EINVAL);
    ck_assert_rc(check("retention.ms", ""), RILL_EINVAL);
    ck_assert_rc(check("retention.ms", "9223372036854775808"), RILL_EINVAL);
    ck_assert_ok(check("retention.ms", "9223372036854775807"));
    ck_assert_ok(check("retention.bytes", "-9223372036854775808"));
    ck_assert_rc(check("segment.bytes", "1048575"), RILL_EINVAL);
    ck_assert_ok(check("cleanup.policy", "compact,delete"));
    ck_assert_rc(check("cleanup.policy", "compact,keep"), RILL_EINVAL);
    ck_assert_str_eq(ri_err_text(), "cleanup.policy may be compact,delete, not keep");
    ck_assert_rc(check("compression.type", "zstd,lz4"), RILL_EINVAL);
    ck_assert_ok(check("compression.type", "zstd"));
    ck_assert_rc(check("preallocate", "yes"), RILL_EINVAL);
    ck_assert_ok(check("min.cleanable.dirty.ratio", "0.25"));
    ck_assert_rc(check("min.cleanable.dirty.ratio", "1.25"), RILL_EINVAL);
    ck_assert_rc(check("min.cleanable.dirty.ratio", "nan"), RILL_EINVAL);
}
END_TEST

static void apply(ri_arena *arena, ri_stream_conf *conf, const char *topic,
                  const ri_kafka_value *settings, size_t n)
{
    *conf = (ri_stream_conf){0};
    ck_assert_ok(ri_kafka_configs_apply(settings, n, ri_str_of(topic), arena, conf));
}

static void shows(const ri_stream_conf *conf, const char *name, const char *value, int source)
{
    ri_buffer text;
    ri_str got;
    ri_buffer_init(&text, &w.f->host);
    ck_assert_int_eq(ri_kafka_configs_get(conf, ri_kafka_config_of(ri_str_of(name)), &text, &got),
                     source);
    ck_assert_span(got, value);
    ri_buffer_fini(&text);
}

START_TEST(test_settings_are_followed)
{
    ri_arena arena;
    ri_stream_conf conf;
    int64_t tombstone_ns;
    ri_arena_init(&arena, &w.f->host);
    apply(&arena, &conf, "t", NULL, 0);
    ck_assert_int_eq(conf.max_age, 7 * 86400 * RI_SEC);
    ck_assert_int_eq(conf.max_bytes, -1);
    ck_assert_int_eq(conf.max_msg_size, -1);
    ck_assert_int_eq(ri_jsconf_batches(&conf), 1);
    ck_assert_int_eq(ri_jsconf_compact(&conf, &tombstone_ns), 0);
    shows(&conf, "retention.ms", "604800000", RI_KAFKA_CONFIG_DEFAULT);
    const ri_kafka_value compact[] = {
        {RI_STR("retention.ms"), RI_STR("5")},
        {RI_STR("cleanup.policy"), RI_STR("delete")},
        {RI_STR("cleanup.policy"), RI_STR("compact")}, /* the last one counts */
        {RI_STR("delete.retention.ms"), RI_STR("1500")},
        {RI_STR("message.timestamp.type"), RI_STR("LogAppendTime")},
        {RI_STR("max.message.bytes"), RI_STR("1000")},
        {RI_STR("min.cleanable.dirty.ratio"), RI_STR("0.01")},
        {RI_STR("max.compaction.lag.ms"), RI_STR("100")},
    };
    uint32_t dirty;
    int64_t lag_ns;
    ck_assert_ok(ri_jsconf_compact_when(&conf, &dirty, &lag_ns));
    ck_assert_uint_eq(dirty, 500);
    ck_assert_int_eq(lag_ns, INT64_MAX);
    apply(&arena, &conf, "my.topic", compact, RI_LEN(compact));
    ck_assert_int_eq(conf.max_age, 0);
    ck_assert_int_eq(conf.max_msg_size, 1000);
    ck_assert_int_eq(ri_jsconf_compact(&conf, &tombstone_ns), 1);
    ck_assert_int_eq(tombstone_ns, 1500 * RI_MS);
    ck_assert_ok(ri_jsconf_compact_when(&conf, &dirty, &lag_ns));
    ck_assert_uint_eq(dirty, 10);
    ck_assert_int_eq(lag_ns, 100 * RI_MS);
    ck_assert(ri_kafka_configs_times(&conf).stamps);
    shows(&conf, "cleanup.policy", "compact", RI_KAFKA_CONFIG_TOPIC);
    shows(&conf, "retention.ms", "5", RI_KAFKA_CONFIG_TOPIC);
    shows(&conf, "delete.retention.ms", "1500", RI_KAFKA_CONFIG_TOPIC);
    for (uint32_t i = 1; i < conf.metadata.len; i++)
        ck_assert_int_lt(ri_str_cmp(conf.metadata.items[i - 1].key, conf.metadata.items[i].key), 0);
    const ri_kafka_value both[] = {
        {RI_STR("cleanup.policy"), RI_STR("compact,delete")},
        {RI_STR("retention.ms"), RI_STR("0")},
        {RI_STR("retention.bytes"), RI_STR("77")},
    };
    apply(&arena, &conf, "t", both, RI_LEN(both));
    ck_assert_int_eq(conf.max_age, 100 * RI_MS); /* the least that a stream has */
    ck_assert_int_eq(conf.max_bytes, 77);
    ri_arena_fini(&arena);
}
END_TEST

/* What batches are held against is what clients are shown. */
START_TEST(test_times_are_those_shown)
{
    ri_arena arena;
    ri_stream_conf conf;
    char before[24], after[24];
    ri_arena_init(&arena, &w.f->host);
    apply(&arena, &conf, "t", NULL, 0);
    ri_kafka_times times = ri_kafka_configs_times(&conf);
    ck_assert(!times.stamps);
    snprintf(before, sizeof before, "%lld", (long long)times.before_ms);
    snprintf(after, sizeof after, "%lld", (long long)times.after_ms);
    shows(&conf, "message.timestamp.before.max.ms", before, RI_KAFKA_CONFIG_DEFAULT);
    shows(&conf, "message.timestamp.after.max.ms", after, RI_KAFKA_CONFIG_DEFAULT);
    const ri_kafka_value set[] = {
        {RI_STR("message.timestamp.before.max.ms"), RI_STR("7")},
        {RI_STR("message.timestamp.after.max.ms"), RI_STR("8")},
        {RI_STR("message.timestamp.type"), RI_STR("CreateTime")},
    };
    apply(&arena, &conf, "t", set, RI_LEN(set));
    times = ri_kafka_configs_times(&conf);
    ck_assert(!times.stamps);
    ck_assert_int_eq(times.before_ms, 7);
    ck_assert_int_eq(times.after_ms, 8);
    ri_arena_fini(&arena);
}
END_TEST

START_TEST(test_streams_show_settings)
{
    const ri_stream_conf *conf = ri_stream_conf_of(
        make("{\"name\":\"S\",\"subjects\":[\"s\"],\"max_age\":60000000000,\"max_bytes\":500}"));
    shows(conf, "retention.ms", "60000", RI_KAFKA_CONFIG_TOPIC);
    shows(conf, "retention.bytes", "500", RI_KAFKA_CONFIG_TOPIC);
    shows(conf, "message.timestamp.type", "LogAppendTime", RI_KAFKA_CONFIG_TOPIC);
    shows(conf, "cleanup.policy", "delete", RI_KAFKA_CONFIG_DEFAULT);
    conf = ri_stream_conf_of(make("{\"name\":\"C\",\"subjects\":[\"c\"],"
                                  "\"metadata\":{\"rill.compact\":\"2s\"}}"));
    shows(conf, "retention.ms", "-1", RI_KAFKA_CONFIG_TOPIC);
    shows(conf, "cleanup.policy", "compact", RI_KAFKA_CONFIG_TOPIC);
    shows(conf, "delete.retention.ms", "2000", RI_KAFKA_CONFIG_TOPIC);
}
END_TEST

SUITE_MAIN_ROWS("kafka_catalog",
                SUITE_WITH(setup, teardown, test_names, test_put, test_find, test_partitions,
                           test_ids, test_settings_are_known, test_settings_are_checked,
                           test_settings_are_followed, test_times_are_those_shown,
                           test_streams_show_settings))
