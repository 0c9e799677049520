/* SPDX-License-Identifier: Apache-2.0 */
/* What its owner calls a broker by, and the path below which its pages are. */
#include <stdio.h>

#include "base/error.h"
#include "codec/limits.h"
#include "front/broker/labels.h"
#include "front/http/http_base.h"
#include "support/fault.h"
#include "support/suite.h"

static const char *const tags[] = {"A:b", "x", " x\t", "", "X", "y\""};
static const char *const metadata[] = {"region=eu", "k w=a=b", "e="};
static const rill_broker_opts both = {.size = sizeof both, .server_tags = tags,
                                      .nserver_tags = RI_LEN(tags), .server_metadata = metadata,
                                      .nserver_metadata = RI_LEN(metadata)};

START_TEST(they_are_shown)
{
    fault f;
    ri_buffer out;
    ri_labels *labels = NULL;
    fault_init(&f);
    ri_buffer_init(&out, &f.host);
    ck_assert_ok(ri_labels_new(&labels, &f.host, &(const rill_broker_opts){.size = sizeof both}));
    ck_assert_ptr_null(labels);
    ri_labels_put(NULL, &out);
    ck_assert(!ri_labels_has(NULL, RI_STR("x")));
    ck_assert_uint_eq(out.len, 0);
    ck_assert_ok(ri_labels_new(&labels, &f.host, &both));
    ri_labels_put(labels, &out);
    ck_assert_span(ri_buffer_str(&out), ",\"tags\":[\"a:b\",\"x\",\"y\\\"\"],\"metadata\":"
                   "{\"region\":\"eu\",\"k w\":\"a=b\",\"e\":\"\"}");
    ck_assert(ri_labels_has(labels, RI_STR("a:B")) && ri_labels_has(labels, RI_STR(" X ")));
    ck_assert(!ri_labels_has(labels, RI_STR("a")) && !ri_labels_has(labels, RI_STR("a:bc")));
    ck_assert(!ri_labels_has(labels, RI_STR_NONE));
    ri_labels_free(labels, &f.host);
    ri_labels_free(NULL, &f.host);
    ri_buffer_fini(&out);
    fault_fini(&f);
}
END_TEST

static void refuses(const char *const *texts, size_t n, bool tag, int code, const char *why)
{
    fault f;
    ri_labels *labels = NULL;
    rill_broker_opts opts = {.size = sizeof opts};
    fault_init(&f);
    *(tag ? &opts.server_tags : &opts.server_metadata) = texts;
    *(tag ? &opts.nserver_tags : &opts.nserver_metadata) = n;
    ck_assert_rc(ri_labels_new(&labels, &f.host, &opts), code);
    ck_assert_ptr_null(labels);
    ck_assert_msg(strstr(ri_err_text(), why), "%s", ri_err_text());
    fault_fini(&f);
}
#define REFUSES(tag, code, why, ...) \
    refuses((const char *const[]){__VA_ARGS__}, RI_LEN(((const char *const[]){__VA_ARGS__})), \
            tag, code, why)

START_TEST(what_is_wrong_is_named)
{
    static const char *many[RI_LIMIT_LABELS + 1];
    static char huge[RI_LIMIT_LABELS_BYTES + 2];
    REFUSES(false, RILL_EINVAL, "\"plain\" is not NAME=VALUE", "plain");
    REFUSES(false, RILL_EINVAL, "\"=x\" is not NAME=VALUE", "=x");
    REFUSES(false, RILL_EINVAL, "\"\" is not NAME=VALUE", "");
    REFUSES(false, RILL_EINVAL, "\"a\" is there twice", "a=1", "b=1", "a=2");
    REFUSES(true, RILL_EINVAL, "server_tags: the one at 1 is NULL", "a", NULL);
    for (size_t i = 0; i < RI_LEN(many); i++) many[i] = "t";
    refuses(many, RI_LEN(many), true, RILL_ETOOBIG, "server_tags: there are 65; at most 64");
    memset(huge, 'h', sizeof huge - 1);
    REFUSES(true, RILL_ETOOBIG, "8193 bytes; at most 8192", huge);
    REFUSES(false, RILL_ETOOBIG, "server_metadata: 8193 bytes; at most 8192", huge);
}
END_TEST

static int make(fault *f, void *arg)
{
    (void)arg;
    ri_labels *labels = NULL;
    char *base;
    int rc = ri_labels_new(&labels, &f->host, &both);
    if (rc == RILL_OK) {
        rc = ri_http_base_new(&base, &f->host, "base");
        ri_http_base_free(base, &f->host);
    }
    ri_labels_free(labels, &f->host);
    return rc;
}

START_TEST(each_allocation_fails_once)
{
    ck_assert_uint_ge(fault_each(make, NULL), 3);
}
END_TEST

START_TEST(a_base_is_cleaned)
{
    static const struct { const char *given, *made; } rows[] = {
        {NULL, NULL}, {"", NULL}, {"/", NULL}, {"//", NULL}, {"a", "/a/"}, {"/a", "/a/"},
        {"a/", "/a/"}, {"//a//b.c//", "/a/b.c/"}, {"...", "/.../"}};
    static const struct { const char *given, *why; } wrong[] = {
        {"a b", "at byte 1"}, {"a?b", "at byte 1"}, {"#", "at byte 0"}, {"a%20", "at byte 1"},
        {"\xc3\xa4", "at byte 0"}, {"a\n", "at byte 1"}, {"a/../b", "has \"..\""},
        {".", "has \".\""}, {"a/.", "has \".\""}};
    fault f;
    char *base, longest[RI_LIMIT_BASE_PATH + 2];
    fault_init(&f);
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ck_assert_ok(ri_http_base_new(&base, &f.host, rows[i].given));
        ck_assert_pstr_eq(base, rows[i].made);
        ri_http_base_free(base, &f.host);
    }
    for (size_t i = 0; i < RI_LEN(wrong); i++) {
        ck_assert_rc(ri_http_base_new(&base, &f.host, wrong[i].given), RILL_EINVAL);
        ck_assert_msg(strstr(ri_err_text(), wrong[i].why), "%s", ri_err_text());
    }
    memset(longest, 'a', sizeof longest);
    longest[RI_LIMIT_BASE_PATH + 1] = 0;
    ck_assert_rc(ri_http_base_new(&base, &f.host, longest), RILL_EINVAL);
    longest[RI_LIMIT_BASE_PATH] = 0;
    ck_assert_ok(ri_http_base_new(&base, &f.host, longest));
    ck_assert_uint_eq(strlen(base), RI_LIMIT_BASE_PATH + 2);
    ri_http_base_free(base, &f.host);
    fault_fini(&f);
}
END_TEST

START_TEST(what_is_below_it)
{
    static const struct { const char *base, *path, *below; } rows[] = {
        {NULL, "/varz", "/varz"}, {NULL, "/", "/"}, {NULL, "*", NULL},
        {"/a/", "/a/varz", "/varz"}, {"/a/", "/a/", "/"}, {"/a/", "/a", ""}, {"/a/", "/", NULL},
        {"/a/", "/varz", NULL}, {"/a/", "/ab", NULL}, {"/a/", "/ab/varz", NULL},
        {"/a/", "/A/varz", NULL}, {"/a/b/", "/a/varz", NULL}, {"/a/b/", "/a/b/x", "/x"}};
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_str below = ri_http_base_below(rows[i].base, ri_str_of(rows[i].path));
        ck_assert(!below.ptr == !rows[i].below);
        if (below.ptr) ck_assert_span(below, rows[i].below);
    }
}
END_TEST

SUITE_MAIN("labels", they_are_shown, what_is_wrong_is_named, each_allocation_fails_once,
           a_base_is_cleaned, what_is_below_it)
