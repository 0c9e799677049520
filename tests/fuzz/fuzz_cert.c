/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate in DER, and a distinguished name as a text: of bytes, or of pieces that such ones
 * have. What is read as a name is the same as itself, and its subject has a text. */
#include "codec/web/dn.h"
#include "support/fuzz.h"
#include "support/guard.h"

#include <stdio.h>

static size_t grammar(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "CN=", "OU=", "DC=", "cn", "=", ",", "+", "\\", "\\2c", "\\,", " ", "#", "a", "example",
        "0", "1", "\x06\x03\x55\x04\x03", "\x13\x01\x61", "\x31\x0c", "\x30\x0a", "\xa3", "\x04",
        "\x02\x01\x01", "\x30\x80", "\x82\x01", "\x30\x03\x06\x01*",
    };
    return fuzz_words(text, cap, words, sizeof words / sizeof *words, data, size);
}

static void certificate(const ri_host *host, ri_str der)
{
    ri_cert cert;
    ri_dn dn;
    ri_buffer text;
    ri_str name;
    if (ri_cert_read(&cert, der) < 0) return;
    for (ri_str rest = cert.names; ri_cert_next_name(&rest, RI_CERT_DNS, &name);)
        fuzz_require(name.len <= der.len, "a name that is longer than its certificate");
    if (ri_dn_of_cert(&dn, &cert)) fuzz_require(ri_dn_same(&dn, &dn, true), "another subject");
    ri_buffer_init(&text, host);
    ri_cert_put_subject(&cert, &text);
    ri_cert_put_domain(&cert, true, &text);
    if (ri_cert_is_plain(&cert)) ri_cert_put_domain(&cert, false, &text);
    fuzz_require(!text.failed, "no memory");
    ri_buffer_fini(&text);
}

/* Around a subject all that a certificate has beside it. */
static void subject(const ri_host *host, ri_str rdns)
{
    char der[128];
    if (rdns.len > 100) return;
    size_t len = (size_t)snprintf(der, sizeof der, "0%c0%c\x02\x01\x01" "0%c0%c0%c0%c",
                                  (int)(rdns.len + 15), (int)(rdns.len + 13), 0, 0, 0,
                                  (int)rdns.len);
    fuzz_require(len == 15, "its head");
    memcpy(der + len, rdns.ptr, rdns.len);
    memcpy(der + len + rdns.len, "0\0", 2);
    len += rdns.len + 2;
    certificate(host, (ri_str){guard_copy(der, len), len});
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static ri_host host;
    char text[2048];
    ri_dn dn;
    const char *bytes = text;
    if (!host.alloc) ri_host_init(&host, NULL);
    if (size < 1) return 0;
    size_t len = size - 1;
    if (data[0] & 1) len = grammar(text, sizeof text, data + 1, size - 1);
    else bytes = (const char *)data + 1;
    ri_str input = {guard_copy(bytes, len), len};
    if (ri_dn_parse(&dn, input)) {
        fuzz_require(dn.nparts > 0 && dn.nrdns > 0 && dn.nrdns <= dn.nparts, "its parts");
        fuzz_require(ri_dn_same(&dn, &dn, true) && ri_dn_same(&dn, &dn, false), "another name");
    }
    certificate(&host, input);
    subject(&host, input);
    guard_free();
    return 0;
}
