/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/subject/transform.h"

#include "base/error.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

static int apply(const char *src, const char *dest, const char *subject, char *out, size_t size)
{
    fault f;
    ri_transform *t;
    ri_buffer b;
    fault_init(&f);
    ri_buffer_init(&b, &f.host);
    int rc = ri_transform_new(&f.host, ri_str_of(src), ri_str_of(dest), &t);
    if (rc >= 0) {
        size_t len = strlen(subject);
        rc = ri_transform_apply(t, (ri_str){guard_copy(subject, len), len}, 7, &b);
        ck_assert(!b.failed && ri_buffer_size(&b) < size);
        if (b.len) memcpy(out, b.ptr, b.len);
        out[b.len] = 0;
        ri_transform_free(t);
    }
    ri_buffer_fini(&b);
    fault_fini(&f);
    return rc;
}

START_TEST(test_functions)
{
    static const struct { const char *src, *dest, *subject, *want; } rows[] = {
        {"foo", "bar", "foo", "bar"},
        {"foo.*.*", "bar.$2.$1", "foo.a.b", "bar.b.a"},
        {"foo.*.*", "bar.{{wildcard(2)}}.{{ Wildcard( 1 ) }}", "foo.a.b", "bar.b.a"},
        {"foo.>", "bar.x.>", "foo.a.b", "bar.x.a.b"},
        {">", "all.>", "foo.a", "all.foo.a"},
        {"", "all.>", "foo.a", "all.foo.a"},
        {"foo.*", "p.{{partition(10,1)}}", "foo.bar", "p.2"},
        {"foo.*", "p.{{partition(5)}}", "foo.bar", "p.1"},
        {"foo.*", "{{split(1,-)}}", "foo.-a-b--c-", "a.b.c"},
        {"foo.*", "{{splitFromLeft(1,2)}}", "foo.abcde", "ab.cde"},
        {"foo.*", "{{SplitFromRight(1,2)}}", "foo.abcde", "abc.de"},
        {"foo.*", "{{splitFromLeft(1,9)}}", "foo.abcde", "abcde"},
        {"foo.*", "{{sliceFromLeft(1,2)}}", "foo.abcde", "ab.cd.e"},
        {"foo.*", "{{sliceFromRight(1,2)}}", "foo.abcde", "a.bc.de"},
        {"foo.*", "{{left(1,2)}}", "foo.abcde", "ab"},
        {"foo.*", "{{right(1,2)}}", "foo.abcde", "de"},
        {"foo.*", "{{left(1,9)}}", "foo.abc", "abc"},
        {"foo.*", "$x.1", "foo.abc", "$x.1"},
    };
    char out[256];
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ck_assert_int_eq(apply(rows[i].src, rows[i].dest, rows[i].subject, out, sizeof out), 1);
        ck_assert_str_eq(out, rows[i].want);
    }
    ck_assert_int_eq(apply("foo.*", "bar", "other.a", out, sizeof out), 0);
    ck_assert_int_eq(apply("foo.*", "r.{{random(5)}}", "foo.a", out, sizeof out), 1);
    ck_assert(out[2] >= '0' && out[2] < '5' && !out[3]);
}
END_TEST

START_TEST(test_refused)
{
    static const char *const dests[] = {
        "bar.$3", "bar.{{wildcard(3)}}", "bar.{{wildcard(0)}}", "bar.{{nothing(1)}}",
        "bar.{{wildcard}}",
        "bar.{{partition(0,1)}}", "bar.{{partition(3,3)}}", "bar.{{split(1)}}", "bar.{{split(1,)}}",
        "bar.{{left(1)}}", "bar.{{left(1,x)}}", "bar.{{random(0)}}", "bar.>", "a..b", "", "*", ".a",
        "a.",
    };
    char out[256];
    for (size_t i = 0; i < RI_LEN(dests); i++)
        ck_assert_msg(apply("foo.*.*", dests[i], "foo.a.b", out, sizeof out) == RILL_EINVAL, "%s",
                      dests[i]);
    ck_assert_rc(apply("foo..", "x", "foo", out, sizeof out), RILL_EINVAL);
    ck_assert_rc(apply("foo.>", "x", "foo.a", out, sizeof out), RILL_EINVAL);
}
END_TEST

static int fault_new(fault *f, void *arg)
{
    (void)arg;
    ri_transform *t;
    int rc = ri_transform_new(&f->host, RI_STR("a.*"), RI_STR("b.$1"), &t);
    if (rc >= 0) ri_transform_free(t);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_eq(fault_each(fault_new, NULL), 1);
}
END_TEST

SUITE_MAIN("transform", test_functions, test_refused, test_faults)
