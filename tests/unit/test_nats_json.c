/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/json.h"
#include "codec/nats_json.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

static ri_str guarded(const char *text)
{
    return (ri_str){guard_copy(text, strlen(text)), strlen(text)};
}

static int escape(fault *f, void *arg)
{
    static const struct { ri_str in; const char *out; } rows[] = {
        {RI_STR("foo.>"), "\"foo.\\u003e\""},
        {RI_STR("<&\"\\\n\r\t\b\f\x01\x1f"), "\"\\u003c\\u0026\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\""},
        {RI_STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"), "\"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\""},
        {RI_STR("\xff" "a\xc3"), "\"\\ufffda\\ufffd\""},
        {RI_STR("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""}, /* a surrogate */
        {RI_STR("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\""},
        {RI_STR("\xc0\x80\xf5"), "\"\\ufffd\\ufffd\\ufffd\""},
        {RI_STR("\x7f"), "\"\x7f\""},
        {{NULL, 0}, "\"\""},
    };
    (void)arg;
    int rc = RILL_OK;
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_buffer b;
        ri_buffer_init(&b, &f->host);
        ri_json_put_string(&b, (ri_str){guard_copy(rows[i].in.ptr, rows[i].in.len), rows[i].in.len});
        if (b.failed) rc = RILL_ENOMEM;
        else ck_assert_span(ri_buffer_str(&b), rows[i].out);
        ri_buffer_fini(&b);
    }
    return rc;
}

START_TEST(test_escape)
{
    ck_assert_uint_gt(fault_each(escape, NULL), 1);
    guard_free();
}
END_TEST

START_TEST(test_values)
{
    ri_json *root;
    ck_assert_ok(ri_json_parse(&root, guarded("{\"Name\":\"x\\u0000y\",\"n\":-7,\"r\":1.5,\"t\":true,"
                                              "\"z\":null,\"a\":[1,\"b\"],\"NAME\":\"big\"}")));
    ck_assert_int_eq(ri_json_kind_of(root), RI_JSON_OBJECT);
    ri_str s = ri_json_string(ri_json_get(root, "Name"));
    ck_assert(s.len == 3 && memcmp(s.ptr, "x\0y", 3) == 0);
    ck_assert_span(ri_json_string(ri_json_get(root, "NAME")), "big");
    ck_assert_int_eq((int)ri_json_integer(ri_json_get(root, "N")), -7);
    ck_assert(ri_json_real(ri_json_get(root, "r")) == 1.5 && ri_json_bool(ri_json_get(root, "t")));
    ck_assert_int_eq(ri_json_kind_of(ri_json_get(root, "z")), RI_JSON_NULL);
    const ri_json *a = ri_json_get(root, "a");
    ck_assert(ri_json_len(a) == 2 && ri_json_integer(ri_json_at(a, 0)) == 1);
    ck_assert_ptr_null(ri_json_at(a, 2));
    ck_assert_ptr_null(ri_json_get(root, "none"));
    void *at = NULL;
    ri_str name;
    const ri_json *value;
    size_t n = 0;
    while (ri_json_next(root, &at, &name, &value)) n++;
    ck_assert_uint_eq(n, ri_json_len(root));
    ri_json_free(root);
    static const char *bad[] = {"", "{", "{\"a\":}", "{\"a\":1}x", "\xff", "[1,]"};
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        ck_assert_rc(ri_json_parse(&root, guarded(bad[i])), RILL_EPROTO);
        ck_assert_ptr_null(root);
    }
    ri_json_free(NULL);
    ck_assert(!ri_json_bool(NULL) && ri_json_integer(NULL) == 0 && ri_json_len(NULL) == 0);
    guard_free();
}
END_TEST

static int info_round(fault *f, void *arg)
{
    (void)arg;
    ri_arena arena;
    ri_buffer b;
    ri_arena_init(&arena, &f->host);
    ri_buffer_init(&b, &f->host);
    ri_str urls[] = {RI_STR("10.0.0.1:4222"), RI_STR("[::1]:4223")};
    ri_nats_info in, out;
    ri_nats_info_init(&in);
    in.server_id = in.server_name = RI_STR("NABC");
    in.version = RI_STR("2.12.0");
    in.go = RI_STR("go1.25");
    in.host = RI_STR("0.0.0.0");
    in.port = 4222;
    in.headers = true;
    in.max_payload = 1048576;
    in.client_id = 7;
    in.client_ip = RI_STR("127.0.0.1");
    in.connect_urls = (ri_str_list){urls, 2};
    in.ldm = true;
    ri_nats_info_write(&in, &b);
    int rc = b.failed ? RILL_ENOMEM : RILL_OK;
    const char *want =
        "{\"server_id\":\"NABC\",\"server_name\":\"NABC\",\"version\":\"2.12.0\",\"proto\":1,"
        "\"go\":\"go1.25\",\"host\":\"0.0.0.0\",\"port\":4222,\"headers\":true,"
        "\"max_payload\":1048576,\"client_id\":7,\"client_ip\":\"127.0.0.1\","
        "\"connect_urls\":[\"10.0.0.1:4222\",\"[::1]:4223\"],\"ldm\":true}";
    if (rc == RILL_OK) {
        ck_assert_span(ri_buffer_str(&b), want);
        ri_nats_info_init(&out);
        rc = ri_nats_info_read(&out, ri_buffer_str(&b), &arena);
    }
    if (rc == RILL_OK) {
        ck_assert(ri_str_eq(out.server_id, in.server_id) && out.port == 4222 && out.ldm);
        ck_assert(out.connect_urls.len == 2 && out.client_id == 7 && out.headers);
        ck_assert_span(out.connect_urls.items[1], "[::1]:4223");
        ck_assert(!out.jetstream && out.nonce.len == 0 && out.max_payload == 1048576);
    }
    ri_buffer_fini(&b);
    ri_arena_fini(&arena);
    return rc;
}

START_TEST(test_info)
{
    ck_assert_uint_ge(fault_each(info_round, NULL), 2);
}
END_TEST

START_TEST(test_connect)
{
    fault f;
    fault_init(&f);
    ri_arena arena;
    ri_arena_init(&arena, &f.host);
    ri_nats_connect c;
    ri_nats_connect_init(&c);
    ck_assert_ok(ri_nats_connect_read(&c, guarded("{}"), &arena));
    ck_assert(c.verbose && c.pedantic && c.echo && !c.headers && c.protocol == 0);
    const char *text = "{\"Verbose\":false,\"pedantic\":false,\"ECHO\":false,\"user\":\"d\\u0026rek\","
                       "\"pass\":\"s3\",\"protocol\":1,\"headers\":true,\"no_responders\":true,"
                       "\"unknown\":{\"a\":[1]},\"name\":null,\"lang\":\"c\"}";
    for (size_t cut = 0; cut < strlen(text); cut++) {
        ri_nats_connect torn;
        ri_nats_connect_init(&torn);
        ck_assert_rc(ri_nats_connect_read(&torn, (ri_str){guard_copy(text, cut), cut}, &arena),
                     RILL_EPROTO);
    }
    ck_assert_ok(ri_nats_connect_read(&c, guarded(text), &arena));
    ck_assert(!c.verbose && !c.pedantic && !c.echo && c.headers && c.no_responders);
    ck_assert(c.protocol == 1 && c.name.len == 0);
    ck_assert_span(c.user, "d&rek");
    ck_assert_int_eq(c.user.ptr[c.user.len], 0);
    /* a wrong type changes nothing, and a second CONNECT keeps what it does not say */
    ck_assert_rc(ri_nats_connect_read(&c, guarded("{\"user\":\"x\",\"verbose\":1}"), &arena),
                 RILL_EPROTO);
    ck_assert_span(c.user, "d&rek");
    ck_assert_ok(ri_nats_connect_read(&c, guarded("{\"pass\":\"other\"}"), &arena));
    ck_assert(ri_str_is(c.user, "d&rek") && ri_str_is(c.pass, "other") && c.headers);
    static const char *bad[] = {"[]", "1", "null", "{\"protocol\":\"1\"}", "{\"user\":{}}", "\r"};
    for (size_t i = 0; i < RI_LEN(bad); i++)
        ck_assert_rc(ri_nats_connect_read(&c, guarded(bad[i]), &arena), RILL_EPROTO);

    ri_buffer b;
    ri_buffer_init(&b, &f.host);
    ri_nats_connect_write(&c, &b);
    ri_nats_connect again;
    ri_nats_connect_init(&again);
    ck_assert_ok(ri_nats_connect_read(&again, ri_buffer_str(&b), &arena));
    ck_assert(!again.echo && !again.verbose && again.headers && again.protocol == 1);
    ck_assert(ri_str_eq(again.user, c.user) && ri_str_eq(again.pass, c.pass));
    ri_buffer_fini(&b);
    ri_arena_fini(&arena);
    fault_fini(&f);
    guard_free();
}
END_TEST

SUITE_MAIN("nats_json", test_escape, test_values, test_info, test_connect)
