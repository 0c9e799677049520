/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "codec/nats/headers.h"
#include "codec/limits.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

static ri_str guarded(const char *text)
{
    return (ri_str){guard_copy(text, strlen(text)), strlen(text)};
}

START_TEST(test_check)
{
    static const char *good[] = {
        "NATS/1.0\r\n\r\n",
        "NATS/1.0 503\r\n\r\n",
        "NATS/1.0 100 Idle Heartbeat\r\nA: b\r\n\r\n",
        "NATS/1.0\r\nA:b\r\nA: \r\nx y: z\r\n\r\n",
    };
    static const char *bad[] = {
        "", "NATS/1.0", "NATS/1.0\r\n", "NATS/1.0\r\nA: b\r\n", "NATS/1.0\r\nA: b\r\n\r\nx",
        "NATS/1.1\r\n\r\n", "NATS/1.0x\r\n\r\n", "HTTP/1.1 200\r\n\r\n",
        "NATS/1.0\r\nnothing\r\n\r\n",
        "NATS/1.0\r\n: v\r\n\r\n", "NATS/1.0\n\n", "\r\n\r\n",
    };
    for (size_t i = 0; i < RI_LEN(good); i++) {
        ck_assert_ok(ri_headers_check(guarded(good[i])));
        for (size_t cut = 0; cut < strlen(good[i]); cut++)
            ck_assert_rc(ri_headers_check((ri_str){guard_copy(good[i], cut), cut}), RILL_EPROTO);
    }
    for (size_t i = 0; i < RI_LEN(bad); i++)
        ck_assert_msg(ri_headers_check(guarded(bad[i])) == RILL_EPROTO, "\"%s\"", bad[i]);
    guard_free();
}
END_TEST

START_TEST(test_find_and_walk)
{
    const char *text = "NATS/1.0 200 Key: no\r\nKey:  one \r\nkey: small\r\nEmpty:\r\n"
                       "Not a header\r\nKeyLong: x\r\nA: Key: inner\r\nKey: two\r\n\r\n";
    ri_str block = guarded(text), value;
    ck_assert(ri_headers_find(block, RI_STR("Key"), &value));
    ck_assert_span(value, "one ");
    ck_assert(ri_headers_find(block, RI_STR("key"), &value));
    ck_assert_span(value, "small");
    ck_assert(ri_headers_find(block, RI_STR("Empty"), &value) && value.len == 0);
    ck_assert(!ri_headers_find(block, RI_STR("KEY"), &value));
    ck_assert(!ri_headers_find(block, RI_STR("Not a header"), &value));
    ck_assert(!ri_headers_find(block, RI_STR(""), &value));
    ck_assert(!ri_headers_find(RI_STR_NONE, RI_STR("a"), &value));
    static const char *walk[] = {"Key", "one ", "key", "small", "Empty", "", "KeyLong", "x",
                                 "A", "Key: inner", "Key", "two"};
    ri_str rest = block;
    rill_header header;
    size_t n = 0;
    for (; ri_headers_next(&rest, &header); n += 2) {
        ck_assert(n < RI_LEN(walk));
        ck_assert_span(header.name, walk[n]);
        ck_assert_span(header.value, walk[n + 1]);
    }
    ck_assert_uint_eq(n, RI_LEN(walk));
    ck_assert_uint_eq(ri_headers_count(block), RI_LEN(walk) / 2);
    for (size_t cut = 0; cut < strlen(text); cut++) { /* torn ones are walked safely */
        ri_str torn = {guard_copy(text, cut), cut};
        ck_assert_uint_le(ri_headers_count(torn), RI_LEN(walk) / 2);
        ri_headers_find(torn, RI_STR("Key"), &value);
        ri_headers_status(torn, &value);
    }
    guard_free();
}
END_TEST

START_TEST(test_status)
{
    static const struct { const char *block, *description; int status; } rows[] = {
        {"NATS/1.0 503\r\n\r\n", "", 503},
        {"NATS/1.0 100 Idle Heartbeat\r\n\r\n", "Idle Heartbeat", 100},
        {"NATS/1.0  404  No Messages \r\nA: b\r\n\r\n", "No Messages", 404},
        {"NATS/1.0\r\n\r\n", "", 0},
        {"NATS/1.0 50\r\n\r\n", "", 0},
        {"NATS/1.0 5034\r\n\r\n", "", 0},
        {"NATS/1.0 x03\r\n\r\n", "", 0},
        {"HTTP/1.0 503\r\n\r\n", "", 0},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_str description;
        ck_assert_int_eq(ri_headers_status(guarded(rows[i].block), &description), rows[i].status);
        ck_assert_span(description, rows[i].description);
    }
    guard_free();
}
END_TEST

START_TEST(test_build)
{
    rill_header headers[] = {{RI_STR("A"), RI_STR("1")}, {RI_STR("B-b"), RI_STR("")}};
    const char *want = "NATS/1.0\r\nA: 1\r\nB-b: \r\n\r\n";
    char out[100];
    int size = ri_headers_size(headers, 2);
    ck_assert_int_eq(size, (int)strlen(want));
    ck_assert_ptr_eq(ri_headers_write(out, headers, 2), out + size);
    ck_assert(memcmp(out, want, (size_t)size) == 0);
    ck_assert_int_eq(ri_headers_size(NULL, 0), 0);
    ck_assert_ptr_eq(ri_headers_write(out, NULL, 0), out);
    static const rill_header bad[] = {
        {{"", 0}, {"v", 1}},      {{NULL, 0}, {"v", 1}},  {{"a:b", 3}, {"v", 1}},
        {{"a b", 3}, {"v", 1}},   {{"a\r", 2}, {"v", 1}}, {{"a\0b", 3}, {"v", 1}},
        {{"a", 1}, {"x\ry", 3}},  {{"a", 1}, {"x\n", 2}}, {{"a", 1}, {"x\0y", 3}},
    };
    for (size_t i = 0; i < RI_LEN(bad); i++) ck_assert_rc(ri_headers_size(&bad[i], 1), RILL_EINVAL);
    static char big[RI_LIMIT_HEADER_BYTES + 1];
    memset(big, 'x', sizeof big);
    size_t fits = RI_LIMIT_HEADER_BYTES - strlen(RI_HEADERS_EMPTY) - strlen("a: \r\n");
    rill_header large = {RI_STR("a"), {big, fits}};
    ck_assert_int_eq(ri_headers_size(&large, 1), RI_LIMIT_HEADER_BYTES);
    large.value.len++;
    ck_assert_rc(ri_headers_size(&large, 1), RILL_ETOOBIG);
    large.value.len = SIZE_MAX;
    ck_assert_rc(ri_headers_size(&large, 1), RILL_ETOOBIG);
}
END_TEST

static void block_is(const ri_buffer *b, const char *want)
{
    ck_assert_msg(ri_str_is(ri_buffer_str(b), want), "\"%.*s\" is not \"%s\"",
                  RI_ARG(ri_buffer_str(b)), want);
}

static int edit(fault *f, void *arg)
{
    (void)arg;
    ri_buffer b;
    ri_buffer_init(&b, &f->host);
    int rc;
    if ((rc = ri_headers_add(&b, RI_STR("A"), RI_STR("1"))) < 0) goto out;
    if ((rc = ri_headers_add(&b, RI_STR("B"), RI_STR("2"))) < 0) goto out;
    if ((rc = ri_headers_add(&b, RI_STR("A"), RI_STR("3"))) < 0) goto out;
    block_is(&b, "NATS/1.0\r\nA: 1\r\nB: 2\r\nA: 3\r\n\r\n");
    if ((rc = ri_headers_replace(&b, RI_STR("A"), RI_STR("4"))) < 0) goto out;
    block_is(&b, "NATS/1.0\r\nB: 2\r\nA: 4\r\n\r\n");
    ck_assert_int_eq(ri_headers_cut(&b, RI_STR("C")), 0);
    ck_assert_int_eq(ri_headers_cut(&b, RI_STR("B")), 1);
    block_is(&b, "NATS/1.0\r\nA: 4\r\n\r\n");
    ck_assert_int_eq(ri_headers_cut(&b, RI_STR("A")), 1);
    block_is(&b, "");
    ri_buffer_puts(&b, "NATS/1.0 200 ok\r\nA: 1\r\nA: 2\r\n\r\n");
    ck_assert_int_eq(ri_headers_cut(&b, RI_STR("A")), 2);
    block_is(&b, "NATS/1.0 200 ok\r\n\r\n");
    ck_assert_rc(ri_headers_add(&b, RI_STR("a:"), RI_STR("")), RILL_EINVAL);
    ck_assert_rc(ri_headers_replace(&b, RI_STR("a"), RI_STR("\n")), RILL_EINVAL);
    block_is(&b, "NATS/1.0 200 ok\r\n\r\n");
    char large[1000];
    memset(large, 'x', sizeof large);
    rc = ri_headers_add(&b, RI_STR("Large"), (ri_str){large, sizeof large});
    if (rc < 0) block_is(&b, "NATS/1.0 200 ok\r\n\r\n");
    for (int i = 0; rc >= 0 && i < 100; i++)
        rc = ri_headers_add(&b, RI_STR("Large"), (ri_str){large, sizeof large});
    if (rc == RILL_ETOOBIG) rc = RILL_OK; /* the 65th */
    else ck_assert_int_eq(rc, RILL_ENOMEM);
out:
    ri_buffer_fini(&b);
    return rc;
}

START_TEST(test_edit)
{
    ck_assert_uint_gt(fault_each(edit, NULL), 2);
    fault f;
    fault_init(&f);
    ri_buffer b;
    ri_buffer_init(&b, &f.host);
    ri_buffer_puts(&b, "NATS/1.0\r\nA: 1");
    ck_assert_rc(ri_headers_add(&b, RI_STR("B"), RI_STR("2")), RILL_EPROTO);
    ck_assert_rc(ri_headers_replace(&b, RI_STR("B"), RI_STR("2")), RILL_EPROTO);
    ck_assert_int_eq(ri_headers_cut(&b, RI_STR("A")), 0);
    ri_buffer_fini(&b);
    fault_fini(&f);
}
END_TEST

/* In no spelling that any reader might take for the name does it stay. */
START_TEST(test_alike)
{
    static const struct {
        const char *before, *after;
        int cut;
    } rows[] = {
        {"NATS/1.0\r\nWho: 1\r\n\r\n", "", 1},
        {"NATS/1.0\r\nA: 1\r\nwhO : 1\r\n \tWho\t: 2\r\n\r\n", "NATS/1.0\r\nA: 1\r\n\r\n", 2},
        {"NATS/1.0\r\nA: 1\nWho: 1\rWho: 2\r\n\r\n",
         "NATS/1.0\r\nA: 1 Who: 1 Who: 2\r\n\r\n", 0},
        {"NATS/1.0 \nWho: 1\r\nWho: 2\r\n\r\n", "NATS/1.0  Who: 1\r\n\r\n", 1},
        {"NATS/1.0\r\nWhom: 1\r\nW ho: 2\r\n\r\n", "NATS/1.0\r\nWhom: 1\r\nW ho: 2\r\n\r\n", 0},
        {"", "", 0}};
    fault f;
    fault_init(&f);
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_buffer b;
        ri_buffer_init(&b, &f.host);
        ri_buffer_puts(&b, rows[i].before);
        ck_assert_int_eq(ri_headers_cut_alike(&b, RI_STR("Who")), rows[i].cut);
        ck_assert_msg(ri_str_is(ri_buffer_str(&b), rows[i].after), "row %zu", i);
        ri_buffer_fini(&b);
    }
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("headers", test_check, test_find_and_walk, test_status, test_build, test_edit,
           test_alike)
