/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/error.h"
#include "codec/limits.h"
#include "codec/nats/url.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

/* What was understood, as text. */
static void describe(const ri_url *url, char *out, size_t size)
{
    int n = snprintf(out, size, "%s", ri_url_scheme_name(url->scheme));
    if (url->path.len) n += snprintf(out + n, size - (size_t)n, " path=%.*s", RI_ARG(url->path));
    for (uint32_t i = 0; i < url->npeers; i++) {
        const ri_url_peer *p = &url->peers[i];
        n += snprintf(out + n, size - (size_t)n, " %s:%u%s", p->host.ptr, p->port,
                      p->has_port ? "!" : "");
        ck_assert_uint_eq(strlen(p->host.ptr), p->host.len);
        if (p->user.len || p->password.len)
            n += snprintf(out + n, size - (size_t)n, " user=%s pass=%s", p->user.ptr,
                          p->password.ptr);
        if (p->token.len) n += snprintf(out + n, size - (size_t)n, " token=%s", p->token.ptr);
        if (p->path.len) n += snprintf(out + n, size - (size_t)n, " path=%s", p->path.ptr);
    }
}

static const struct { const char *text, *says; } good[] = {
    {"mem:", "mem"},
    {"mem:orders", "mem path=orders"},
    {"file:data/x", "file path=data/x"},
    {"file:///var/lib", "file path=/var/lib"},
    {"unix:/run/rill.sock", "unix path=/run/rill.sock"},
    {"nats://localhost", "nats localhost:4222"},
    {"NATS://LocalHost:1", "nats LocalHost:1!"},
    {"nats://127.0.0.1:0", "nats 127.0.0.1:0!"},
    {"nats://[::1]", "nats ::1:4222"},
    {"nats://[fe80::1%eth0]:99/", "nats fe80::1%eth0:99!"},
    {"nats://u:p@h", "nats h:4222 user=u pass=p"},
    {"nats://u:@h", "nats h:4222 user=u pass="},
    {"nats://u%40x:p%3aq@h:7", "nats h:7! user=u@x pass=p:q"},
    {"nats://u:p@q@h:7", "nats h:7! user=u pass=p@q"},
    {"nats://tok%2Cen@h", "nats h:4222 token=tok,en"},
    {"nats://a,b:1,[::2]:2,nats://c", "nats a:4222 b:1! ::2:2! c:4222"},
    {"tls://h", "tls h:4222"},
    {"ws://h", "ws h:80"},
    {"wss://h:8443", "wss h:8443!"},
    {"ws://h/", "ws h:80"},
    {"ws://u:p@h:1/a/b?c=@d,wss/e", "ws h:1! user=u pass=p path=a/b?c=@d wss:80 path=e"},
    {"kafka://h,i", "kafka h:9092 i:9092"},
    {"http://h", "http h:8222"},
    {"https://h:1", "https h:1!"},
    {"nats://:4222", "nats :4222!"},
};

static const struct { const char *text, *word; } bad[] = {
    {"", "empty"},
    {"localhost", "no scheme"},
    {"://h", "no scheme"},
    {"ftp://h", "ftp: is no scheme"},
    {"nats:h", "followed by //"},
    {"nats://", "no host"},
    {"nats://a,", "no host"},
    {"nats://,a", "no host"},
    {"nats://h:", "no port"},
    {"nats://h:x", "no port"},
    {"nats://h:65536", "no port"},
    {"nats://h:-1", "no port"},
    {"nats://h:99/path", "no port"},
    {"nats://h/path", "bad character"},
    {"nats://a b", "bad character"},
    {"nats://::1", "[]"},
    {"nats://[::1", "no ]"},
    {"nats://[::1]x", "behind its ]"},
    {"nats://[host]", "bad character"},
    {"nats://@h", "before its @"},
    {"nats://u%4:p@h", "%XX"},
    {"nats://u%zz:p@h", "%XX"},
    {"nats://u%00:p@h", "%XX"},
    {"nats://a,tls://b", "mixes"},
    {"nats://nats://a", "no port"},
    {"file:", "needs a path"},
    {"unix:", "needs a path"},
    {"unix://", "needs a path"},
};

static int parse_all(fault *f, void *arg)
{
    (void)arg;
    int rc = RILL_OK;
    for (size_t i = 0; i < RI_LEN(good) && rc >= 0; i++) {
        ri_url url;
        rc = ri_url_parse(&url, &f->host, guard_copy(good[i].text, strlen(good[i].text) + 1));
        char says[512];
        if (rc >= 0) describe(&url, says, sizeof says);
        if (rc >= 0) ck_assert_str_eq(says, good[i].says);
        ri_url_fini(&url);
        ri_url_fini(&url);
    }
    return rc;
}

START_TEST(test_good)
{
    ck_assert_uint_ge(fault_each(parse_all, NULL), RI_LEN(good));
    guard_free();
}
END_TEST

START_TEST(test_bad)
{
    fault f;
    fault_init(&f);
    ri_url url;
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        const char *text = guard_copy(bad[i].text, strlen(bad[i].text) + 1);
        ck_assert_msg(ri_url_parse(&url, &f.host, text) == RILL_EINVAL, "\"%s\" was taken", text);
        ck_assert_msg(strstr(ri_err_text(), bad[i].word), "%s: %s", bad[i].text, ri_err_text());
        ck_assert_uint_eq(url.npeers, 0);
    }
    ck_assert_rc(ri_url_parse(&url, &f.host, NULL), RILL_EINVAL);
    ck_assert_rc(ri_url_parse(&url, &f.host, "nats://user:hunter2@h:x"), RILL_EINVAL);
    ck_assert_ptr_null(strstr(ri_err_text(), "hunter2"));
    fault_fini(&f);
    guard_free();
}
END_TEST

START_TEST(test_bounds)
{
    fault f;
    fault_init(&f);
    ri_url url;
    static char text[RI_LIMIT_URL + 10];
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "nats://", 7);
    ck_assert_rc(ri_url_parse(&url, &f.host, text), RILL_EINVAL);
    for (int peers = RI_LIMIT_URL_PEERS; peers <= RI_LIMIT_URL_PEERS + 1; peers++) {
        strcpy(text, "nats://h");
        for (int i = 1; i < peers; i++) strcat(text, ",h");
        ck_assert_rc(ri_url_parse(&url, &f.host, text),
                     peers > RI_LIMIT_URL_PEERS ? RILL_EINVAL : 0);
        ri_url_fini(&url);
    }
    for (size_t len = RI_LIMIT_UNIX_PATH; len <= RI_LIMIT_UNIX_PATH + 1; len++) {
        memset(text, 'p', sizeof text);
        memcpy(text, "unix:", 5);
        text[5 + len] = 0;
        ck_assert_rc(ri_url_parse(&url, &f.host, text), len > RI_LIMIT_UNIX_PATH ? RILL_EINVAL : 0);
        ri_url_fini(&url);
    }
    ri_url zero = {0};
    ri_url_fini(&zero);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN("url", test_good, test_bad, test_bounds)
