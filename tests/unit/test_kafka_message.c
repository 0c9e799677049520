/* SPDX-License-Identifier: Apache-2.0 */
/* A Kafka record as a message, rule by rule; and any record comes back from its message as it
 * was. */
#include "codec/kafka/kafka_message.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

static fault f;
static ri_buffer text, back, wire;

static void setup(void)
{
    fault_init(&f);
    ri_buffer_init(&text, &f.host);
    ri_buffer_init(&back, &f.host);
    ri_buffer_init(&wire, &f.host);
}

static void teardown(void)
{
    ri_buffer_fini(&text);
    ri_buffer_fini(&back);
    ri_buffer_fini(&wire);
    fault_fini(&f);
}

static ri_kafka_names names_of(const char *filter)
{
    ri_kafka_names names;
    ck_assert_ok(ri_kafka_names_of(ri_str_of(filter), &names));
    return names;
}

static ri_str str_or_null(const char *s)
{
    return s ? ri_str_of(s) : RI_STR_NONE;
}

START_TEST(test_names)
{
    static const struct { const char *filter, *prefix; bool keyed; } rows[] = {
        {"a.b", "a.b", false}, {"a.b.*", "a.b", true}, {"a.b.>", "a.b", true}, {">", "", true},
        {"*", "", true}, {"a.b*", "a.b*", false},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_kafka_names names = names_of(rows[i].filter);
        ck_assert_span(names.prefix, rows[i].prefix);
        ck_assert_int_eq(names.keyed, rows[i].keyed);
    }
    ri_kafka_names none;
    ck_assert_rc(ri_kafka_names_of(RI_STR("a.*.b"), &none), RILL_EINVAL);
    ck_assert_rc(ri_kafka_names_of(RI_STR("*.>"), &none), RILL_EINVAL);
    ck_assert_rc(ri_kafka_names_of(RI_STR(""), &none), RILL_EINVAL);
}
END_TEST

START_TEST(test_rules)
{
    static const struct {
        const char *filter, *key, *value, *name, *header;
        const char *subject, *headers, *data;
    } rows[] = {
        {"t.>", "k", "v", NULL, NULL, "t.k", "", "v"},
        {"t.>", "a.b", "v", NULL, NULL, "t.=YS5i", "", "v"},
        {"t.>", "=k", "v", NULL, NULL, "t.=PWs=", "", "v"},
        {"t.>", "", "v", NULL, NULL, "t.=", "", "v"},
        {"t.>", NULL, "v", NULL, NULL, "t.==", "", "v"},
        {">", "k", "", NULL, NULL, "k", "", ""},
        {"t.>", "k", NULL, NULL, NULL, "t.k", "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", ""},
        {"t", "k", "v", NULL, NULL, "t", "NATS/1.0\r\nKafka-Key: k\r\n\r\n", "v"},
        {"t", NULL, "v", NULL, NULL, "t", "", "v"},
        {"t", "a\nb", "v", NULL, NULL, "t",
         "NATS/1.0\r\nKafka-Next: base64\r\nKafka-Key: YQpi\r\n\r\n", "v"},
        {"t.>", "k", "v", "n", "h", "t.k", "NATS/1.0\r\nn: h\r\n\r\n", "v"},
        {"t.>", "k", "v", "n", NULL, "t.k", "NATS/1.0\r\nKafka-Next: null\r\nn: \r\n\r\n", "v"},
        {"t.>", "k", "v", "n", " h", "t.k",
         "NATS/1.0\r\nKafka-Next: base64\r\nn: IGg=\r\n\r\n", "v"},
        {"t.>", "k", "v", "Nats-TTL", "1", "t.k",
         "NATS/1.0\r\nKafka-Next: name\r\nTmF0cy1UVEw=: 1\r\n\r\n", "v"},
        {"t.>", "k", "v", "", "\n", "t.k",
         "NATS/1.0\r\nKafka-Next: name base64\r\n=: Cg==\r\n\r\n", "v"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_kafka_names names = names_of(rows[i].filter);
        ri_buffer_reset(&wire);
        if (rows[i].name)
            ri_kafka_headers_put(&wire, ri_str_of(rows[i].name), str_or_null(rows[i].header));
        ri_kafka_record r = {.timestamp_ms = 1234, .key = str_or_null(rows[i].key),
                             .value = str_or_null(rows[i].value), .headers = ri_buffer_str(&wire),
                             .nheaders = rows[i].name != NULL};
        ri_kafka_message m;
        ck_assert_ok(ri_kafka_message_read(&names, &r, &text, &m));
        ck_assert_span(m.subject, rows[i].subject);
        ck_assert_span(m.headers, rows[i].headers);
        ck_assert_span(m.data, rows[i].data);
        ck_assert_int_eq(m.time_ns, 1234000000);
        if (m.headers.len) ck_assert_ok(ri_headers_check(m.headers));
    }
}
END_TEST

/* A key that would be too long a token is told by a sum, which is the same in each process. */
START_TEST(test_long_key)
{
    char key[200];
    memset(key, '.', sizeof key);
    ri_kafka_names names = names_of("t.>");
    ri_kafka_record r = {.key = {key, sizeof key}, .value = RI_STR("v")};
    ri_kafka_message m;
    ck_assert_ok(ri_kafka_message_read(&names, &r, &text, &m));
    ck_assert_span(m.subject, "t.=~52348aa6fec0367f");
    ck_assert(ri_str_starts(m.headers, RI_STR("NATS/1.0\r\nKafka-Key: ....")));
}
END_TEST

static ri_str any(rng *r, char *mem, size_t max, bool nullable)
{
    static const char bytes[] = "abc.*>= \t\r\n:\0\xc3\xa9-_Kafka-NextNats-";
    if (nullable && rng_below(r, 5) == 0) return RI_STR_NONE;
    size_t n = rng_below(r, max);
    for (size_t i = 0; i < n; i++) mem[i] = bytes[rng_below(r, sizeof bytes - 1)];
    return (ri_str){mem, n};
}

static bool same(ri_str a, ri_str b)
{
    return (a.ptr != NULL) == (b.ptr != NULL) && ri_str_eq(a, b);
}

/* Keys, values and headers of any bytes, null or not. */
START_TEST(test_there_and_back)
{
    static const char *const filters[] = {"t", "t.a.>", "*"};
    static char mem[20][600];
    rng r;
    rng_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        ri_kafka_names names = names_of(filters[i % 3]);
        ri_buffer_reset(&wire);
        int n = (int)rng_below(&r, 4);
        for (int k = 0; k < n; k++) {
            ri_str name = any(&r, mem[2 * k], 12, false);
            ri_kafka_headers_put(&wire, name, any(&r, mem[2 * k + 1], 12, true));
        }
        ri_kafka_record was = {
            .timestamp_ms = (int64_t)rng_below(&r, 1u << 30),
            .key = any(&r, mem[18], i % 100 ? 12 : 600, true), .value = any(&r, mem[19], 8, true),
            .headers = ri_buffer_str(&wire), .nheaders = n};
        ri_kafka_message m;
        ri_kafka_record is;
        ck_assert_ok(ri_kafka_message_read(&names, &was, &text, &m));
        if (m.headers.len) ck_assert_ok(ri_headers_check(m.headers));
        ck_assert_ok(ri_kafka_message_write(&names, &m, &back, &is));
        ck_quick(same(was.key, is.key) && same(was.value, is.value));
        ck_quick(is.nheaders == n && ri_str_eq(was.headers, is.headers));
        ck_quick(is.timestamp_ms == was.timestamp_ms);
    }
}
END_TEST

/* A message that no Kafka producer wrote. */
START_TEST(test_messages)
{
    ri_kafka_names names = names_of("t.>");
    ri_kafka_record r;
    ri_kafka_message m = {.subject = RI_STR("t.a.b"), .data = RI_STR("x"), .time_ns = 1999999};
    ri_str rest, name, value;
    ck_assert_ok(ri_kafka_message_write(&names, &m, &back, &r));
    ck_assert_ptr_null(r.key.ptr);
    ck_assert_int_eq(r.timestamp_ms, 1);
    rest = r.headers;
    ck_assert_int_eq(ri_kafka_headers_next(&rest, &name, &value), 1);
    ck_assert_span(name, "Nats-Subject");
    ck_assert_span(value, "t.a.b");
    m = (ri_kafka_message){.subject = RI_STR("t.k"), .data = RI_STR(""),
                           .headers = RI_STR("NATS/1.0\r\nKV-Operation: PURGE\r\n\r\n")};
    ck_assert_ok(ri_kafka_message_write(&names, &m, &back, &r));
    ck_assert_span(r.key, "k");
    ck_assert_ptr_null(r.value.ptr);
    ck_assert_int_eq(r.nheaders, 1);
    m.headers = RI_STR("NATS/1.0\r\nKafka-Next: base64\r\nh: ?\r\n\r\n");
    ck_assert_rc(ri_kafka_message_write(&names, &m, &back, &r), RILL_EPROTO);
    m.subject = RI_STR("t.=?");
    ck_assert_rc(ri_kafka_message_write(&names, &m, &back, &r), RILL_EPROTO);
}
END_TEST

/* More headers than a block may have: they are left out, and that is told; the rest is there. */
START_TEST(test_too_many_headers)
{
    ri_kafka_names names = names_of("t.>");
    ri_kafka_message m;
    ri_buffer_reset(&wire);
    for (int i = 0; i < 5000; i++)
        ri_kafka_headers_put(&wire, RI_STR("name"), RI_STR("0123456789"));
    ri_kafka_record r = {.key = RI_STR("k"), .value = RI_STR("v"), .headers = ri_buffer_str(&wire),
                         .nheaders = 5000};
    ck_assert_ok(ri_kafka_message_read(&names, &r, &text, &m));
    ck_assert_span(m.headers, "NATS/1.0\r\nKafka-Omitted: 5000 headers of 80000 bytes\r\n\r\n");
    ck_assert_span(m.subject, "t.k");
    ck_assert_span(m.data, "v");
}
END_TEST

SUITE_MAIN_ROWS("kafka_message", SUITE_WITH(setup, teardown, test_names, test_rules,
                                            test_long_key,
                                            test_there_and_back, test_messages,
                                            test_too_many_headers))
