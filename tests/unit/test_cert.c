/* SPDX-License-Identifier: Apache-2.0 */
/* Names in certificates, and which user they name: certificates of tests/golden/tls, whole, cut at
 * every byte and with every byte another; names as texts, the same and others. */
#include <stdio.h>

#include "base/base64.h"
#include "base/error.h"
#include "codec/web/dn.h"
#include "engine/access/certified.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

#define SUBJECT "CN=Bob\\, Jr,OU=all,OU=ops+OU=dev,O=Acme,L=Berlin,C=DE,DC=example,DC=com"
#define TURNED "DC=com,DC=example,C=DE,L=Berlin,O=Acme,OU=dev+OU=ops,OU=all,CN=Bob\\, Jr"
#define OF_GO "CN=Bob\\, Jr,OU=dev+OU=ops+OU=all,O=Acme,L=Berlin,C=DE"

static char der_bytes[RI_CERT_MAX];

/* What stands between the lines of a PEM file. */
static ri_str golden(const char *name)
{
    char path[256], text[4096], line[128];
    size_t len = 0, n = 0;
    snprintf(path, sizeof path, GOLDEN_DIR "/tls/%s.pem", name);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file))
        if (line[0] != '-')
            len += (size_t)snprintf(text + len, sizeof text - len, "%.*s",
                                    (int)strcspn(line, "\n"), line);
    fclose(file);
    ck_assert_ok(ri_base64_read((ri_str){text, len}, der_bytes, &n));
    return (ri_str){der_bytes, n};
}

START_TEST(alternative_names)
{
    ri_cert cert;
    ri_str name;
    ck_assert_ok(ri_cert_read(&cert, golden("named")));
    ri_str emails = cert.names, hosts = cert.names, uris = cert.names;
    ck_assert(ri_cert_next_name(&emails, RI_CERT_EMAIL, &name));
    ck_assert_span(name, "first@example.com");
    ck_assert(ri_cert_next_name(&emails, RI_CERT_EMAIL, &name));
    ck_assert_span(name, "second@example.com");
    ck_assert(!ri_cert_next_name(&emails, RI_CERT_EMAIL, &name));
    ck_assert(ri_cert_next_name(&hosts, RI_CERT_DNS, &name));
    ck_assert_span(name, "named.example");
    ck_assert(ri_cert_next_name(&uris, RI_CERT_URI, &name));
    ck_assert_span(name, "spiffe://example/named");
    ck_assert_ok(ri_cert_read(&cert, golden("subject")));
    ck_assert_uint_eq(cert.names.len, 0);
}
END_TEST

static int subject_text(fault *f, void *arg)
{
    (void)arg;
    ri_buffer out;
    ri_buffer_init(&out, &f->host);
    int rc = ri_certified_put_subject(golden("subject"), &out);
    if (rc == RILL_OK) ck_assert_span(ri_buffer_str(&out), OF_GO ",DC=com,DC=example");
    ri_buffer_fini(&out);
    return rc;
}

START_TEST(a_subject_as_a_text)
{
    ck_assert_uint_gt(fault_each(subject_text, NULL), 0);
}
END_TEST

/* A subject that would end in the midst, or has a control character, is not said at all, and nor is
 * one that cannot be read. Other bytes are. */
START_TEST(a_subject_that_is_not_said)
{
    static const char bad[] = "\0\1\n\x1f\x7f", good[] = " ~\x80";
    ri_host host;
    ri_buffer out;
    ri_str der = golden("subject");
    char *at = memmem(der_bytes, der.len, "Acme", 4);
    ck_assert_ptr_nonnull(at);
    ri_host_init(&host, NULL);
    ri_buffer_init(&out, &host);
    for (size_t i = 0; i < sizeof bad - 1; i++) {
        at[1] = bad[i];
        ck_assert_rc(ri_certified_put_subject(der, &out), RILL_EPROTO);
        ck_assert_uint_eq(ri_buffer_size(&out), 0);
    }
    for (size_t i = 0; i < sizeof good - 1; i++) {
        at[1] = good[i];
        ck_assert_ok(ri_certified_put_subject(der, &out));
        ri_buffer_reset(&out);
    }
    ck_assert_rc(ri_certified_put_subject((ri_str){der.ptr, der.len - 1}, &out), RILL_EPROTO);
    ri_buffer_fini(&out);
}
END_TEST

/* A domain component cannot pass for other attributes: where the text is compared as nats-server
 * does it is as it stands in the certificate. */
START_TEST(a_domain_that_would_be_more)
{
    ri_host host;
    ri_buffer out;
    ri_cert cert;
    ri_str der = golden("subject");
    char *at = memmem(der_bytes, der.len, "example", 7);
    ck_assert_ptr_nonnull(at);
    memcpy(at, "x,O=abc", 7);
    ri_host_init(&host, NULL);
    ri_buffer_init(&out, &host);
    ck_assert_ok(ri_certified_put_subject(der, &out));
    ck_assert_span(ri_buffer_str(&out), OF_GO ",DC=com,DC=x\\,O=abc");
    ri_buffer_reset(&out);
    ck_assert_ok(ri_cert_read(&cert, der));
    ri_cert_put_domain(&cert, true, &out);
    ck_assert_span(ri_buffer_str(&out), ",DC=com,DC=x,O=abc");
    ri_buffer_fini(&out);
}
END_TEST

/* Every byte that is there is looked at, and none behind. */
START_TEST(what_is_no_certificate)
{
    ri_cert cert;
    ri_str der = golden(_i ? "subject" : "named");
    ri_dn dn;
    for (size_t len = 0; len < der.len; len++)
        ck_assert_rc(ri_cert_read(&cert, (ri_str){guard_copy(der.ptr, len), len}), RILL_EINVAL);
    for (size_t i = 0; i < der.len; i++) {
        char *copy = guard_copy(der.ptr, der.len);
        for (int flip = 1; flip < 256; flip *= 2) {
            copy[i] = (char)(der.ptr[i] ^ flip);
            if (ri_cert_read(&cert, (ri_str){copy, der.len}) == RILL_OK) ri_dn_of_cert(&dn, &cert);
        }
    }
    guard_free();
    ck_assert_rc(ri_cert_read(&cert, (ri_str){der_bytes, RI_CERT_MAX + 1}), RILL_EINVAL);
}
END_TEST

/* ---- Distinguished names ---- */

static const struct {
    const char *a, *b;
    bool ordered, same; /* in this order, and in any */
} pairs[] = {
    {"CN=a", "CN=a", true, true},
    {"CN=a", "cn=a", true, true},
    {"CN=a", "CN=A", false, false},
    {" CN = a  , O= b ", "CN=a,O=b", true, true},
    {"CN=a,O=b", "O=b,CN=a", false, true},
    {"CN=a+O=b", "O=b+CN=a", true, true},
    {"CN=a+O=b", "CN=a,O=b", false, false},
    {"OU=a,OU=a,OU=b", "OU=a,OU=b,OU=b", false, false},
    {"OU=a+OU=a+OU=b", "OU=b+OU=a+OU=b", true, true},
    {"CN=a\\2cb", "CN=a\\,b", true, true},
    {"CN=\\ a\\ ", "CN=a", false, false},
    {"CN=a\\ ", "CN=a\\20", true, true},
    {"CN=,O=b", "CN=,O=b", true, true},
};

START_TEST(names_that_are_the_same)
{
    ri_dn a, b;
    ri_str text_a = ri_str_of(pairs[_i].a), text_b = ri_str_of(pairs[_i].b);
    ck_assert(ri_dn_parse(&a, (ri_str){guard_copy(text_a.ptr, text_a.len), text_a.len}));
    ck_assert(ri_dn_parse(&b, (ri_str){guard_copy(text_b.ptr, text_b.len), text_b.len}));
    ck_assert_int_eq(ri_dn_same(&a, &b, true), pairs[_i].ordered);
    ck_assert_int_eq(ri_dn_same(&b, &a, true), pairs[_i].ordered);
    ck_assert_int_eq(ri_dn_same(&a, &b, false), pairs[_i].same);
    ck_assert_int_eq(ri_dn_same(&b, &a, false), pairs[_i].same);
    ck_assert_int_eq(ri_dn_hash(&a) == ri_dn_hash(&b), pairs[_i].same);
    guard_free();
}
END_TEST

START_TEST(texts_that_are_no_names)
{
    static const char *const texts[] = {"", "a", "CN", "=a", "CN=", "CN=a,", "CN=a,O", "CN=#04",
                                        "CN=a=b", "CN=a\\", "CN=a\\2", "CN=a\\xx", "CN=a,,O=b",
                                        "+"};
    ri_dn dn;
    for (size_t i = 0; i < RI_LEN(texts); i++) {
        size_t len = strlen(texts[i]);
        ck_assert_msg(!ri_dn_parse(&dn, (ri_str){guard_copy(texts[i], len), len}), "%s", texts[i]);
    }
    char many[RI_DN_BYTES * 2];
    size_t len = 0;
    for (int i = 0; i <= RI_DN_PARTS; i++)
        len += (size_t)snprintf(many + len, sizeof many - len, "%sO=a", i ? "," : "");
    ck_assert(!ri_dn_parse(&dn, (ri_str){many, len}));
    ck_assert(ri_dn_parse(&dn, (ri_str){many, len - 4}));
    memset(many, 'x', sizeof many);
    memcpy(many, "CN=", 3);
    ck_assert(!ri_dn_parse(&dn, (ri_str){many, RI_DN_BYTES + 2}));
    ck_assert(ri_dn_parse(&dn, (ri_str){many, RI_DN_BYTES + 1}));
    guard_free();
}
END_TEST

/* ---- Users ---- */

static const struct {
    const char *cert, *users[3];
    int who; /* -1: nobody */
} named[] = {
    {"named", {"CN=named", "second@example.com", "first@example.com"}, 2},
    {"named", {"CN=named", "other.example", "second@example.com"}, 2},
    {"named", {"spiffe://example/named", "other.example", "CN=named"}, 1},
    {"named", {"CN=x", "cn = named", "named"}, 1},
    {"named", {"named", "CN=other", "first@example.co"}, -1},
    {"subject", {"O=Acme", TURNED, SUBJECT}, 2},
    {"subject", {"O=Acme", SUBJECT "x", TURNED}, 2},
    {"subject", {"a", OF_GO, OF_GO ",DC=com,DC=example"}, 2},
    {"subject", {"a", OF_GO, "Bob, Jr"}, 1},
    {"subject", {"a", "b", "Bob, Jr"}, -1},
};

static int who_is_it(fault *f, void *arg)
{
    int row = *(int *)arg;
    ri_access *access;
    rill_user users[3];
    const rill_user *rows[3];
    for (size_t i = 0; i < 3; i++) {
        users[i] = (rill_user){.size = sizeof users[i], .user = named[row].users[i]};
        rows[i] = &users[i];
    }
    int rc = ri_access_new(&f->host, rows, 3, &access);
    if (rc < 0) return rc;
    ri_access_user *user = ri_certified_user(access, &f->host, golden(named[row].cert));
    bool hit = f->supply.failed > 0;
    if (!hit && named[row].who < 0) ck_assert_ptr_null(user);
    if (!hit && named[row].who >= 0) {
        ck_assert_ptr_nonnull(user);
        ck_assert_str_eq(ri_access_name(user), named[row].users[named[row].who]);
    }
    ri_access_unref(access);
    return hit ? RILL_ENOMEM : RILL_OK;
}

START_TEST(which_user_it_is)
{
    int row = _i;
    ck_assert_uint_gt(fault_each(who_is_it, &row), 0);
}
END_TEST

SUITE_MAIN_ROWS("cert", SUITE_ONCE(alternative_names, a_subject_as_a_text,
                                   a_subject_that_is_not_said, a_domain_that_would_be_more,
                                   texts_that_are_no_names),
                SUITE_EACH(2, what_is_no_certificate),
                SUITE_EACH(RI_LEN(pairs), names_that_are_the_same),
                SUITE_EACH(RI_LEN(named), which_user_it_is))
