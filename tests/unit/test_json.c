/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/json.h"
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
        {RI_STR("<&\"\\\n\r\t\b\f\x01\x1f"),
         "\"\\u003c\\u0026\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\""},
        {RI_STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"),
         "\"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\""},
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
        ri_json_put_string(&b, (ri_str){guard_copy(rows[i].in.ptr, rows[i].in.len),
                                        rows[i].in.len});
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
    ck_assert_ok(ri_json_parse(&root,
                               guarded("{\"Name\":\"x\\u0000y\",\"n\":-7,\"r\":1.5,\"t\":true,"
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

SUITE_MAIN("json", test_escape, test_values)
