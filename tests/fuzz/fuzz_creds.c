/* SPDX-License-Identifier: Apache-2.0 */
/* A file of credentials, of bytes or of the words that such files have; the seed in it, and a
 * signature by that. The same bytes as the key that a client shows, and as its signature. */
#include "codec/web/creds.h"
#include "codec/web/nkey.h"
#include "support/fuzz.h"
#include "support/guard.h"

static size_t grammar(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "-----BEGIN NATS USER JWT-----", "------END NATS USER JWT------", "\n", "\r\n", " ", "-",
        "-----BEGIN USER NKEY SEED-----", "------END USER NKEY SEED------", "eyJ0.eyJq.c2ln", "\t",
        "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY", "=", "\xff", "BEGIN", "END",
        "SAABRKGXI4CPRJR44Y6N4XIAMPROXGYFI6OO2AVZQOQKA33267CEZ2BGFA", "SU", "U", "AAAAAAAAAAAA",
        "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4", "***", "---",
    };
    return fuzz_words(text, cap, words, sizeof words / sizeof *words, data, size);
}

/* What a client shows a broker: a key, and a signature, which is nobody's here. */
static void shown(ri_str text)
{
    size_t len = text.len < RI_NKEY_LEN ? text.len : RI_NKEY_LEN;
    ri_str key = {guard_copy(text.ptr, len), len};
    bool well = ri_nkey_check_user(key) == RILL_OK;
    fuzz_require(!well || len == RI_NKEY_LEN, "a key of another length");
    guard_free();
    ri_str known = RI_STR("UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
    ri_str signature = {guard_copy(text.ptr, text.len), text.len};
    fuzz_require(!ri_nkey_signed(known, RI_STR("nonce"), signature),
                 "a signature by chance");
    guard_free();
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static ri_host host;
    char text[2048], key[RI_NKEY_LEN + 1];
    const char *bytes = text;
    ri_creds creds;
    ri_buffer out;
    if (!host.alloc) ri_host_init(&host, NULL);
    if (size < 1) return 0;
    size_t len = size - 1;
    if (data[0] & 1) len = grammar(text, sizeof text, data + 1, size - 1);
    else bytes = (const char *)data + 1;
    if (ri_creds_read((ri_str){guard_copy(bytes, len), len}, &creds) == RILL_OK) {
        ri_buffer_init(&out, &host);
        bool well = ri_nkey_check(creds.seed) == RILL_OK;
        int rc = ri_nkey_sign(creds.seed, creds.jwt, &out);
        fuzz_require(!well || (rc == 0 && ri_nkey_public(creds.seed, key) == 0), "a good seed");
        ri_buffer_fini(&out);
    }
    guard_free();
    shown((ri_str){bytes, len});
    return 0;
}
