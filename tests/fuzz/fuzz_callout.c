/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a callout's service: bytes as they are, in the clear and where a sealed one is
 * awaited, and a right answer with words of the fuzzer's in its own claims or in those of its user,
 * signed as they have to be. */
#include <stdio.h>
#include <string.h>

#include "engine/access/callout.h"
#include "support/fuzz.h"
#include "support/guard.h"
#include "support/mint.h"

static ri_host host;
static ri_callout_keys keys;
static ri_callout *callouts[2]; /* in the clear; sealed */

static bool begin(void)
{
    static const char *const users[] = {"auth"};
    ri_xkey service;
    ri_claims_callout rules = {.issuer = RI_STR(MINT_ACCOUNT), .account = RI_STR("AUTH"),
                               .users = {(const char **)(uintptr_t)users, 1}};
    if (callouts[1]) return true;
    ri_host_init(&host, NULL);
    if (ri_nkey_new(&host, 'N', keys.seed, keys.id) < 0) return false; /* no libsodium */
    if (ri_xkey_new(&keys.xkey, &host) < 0 || ri_xkey_new(&service, &host) < 0) return false;
    if (ri_callout_new(&host, &rules, &callouts[0]) < 0) return false;
    rules.xkey = ri_str_of(service.key);
    return ri_callout_new(&host, &rules, &callouts[1]) == RILL_OK;
}

/* Is he let in? */
static bool hear(ri_callout *callout, ri_str answer)
{
    ri_callout_letter *letter =
        ri_callout_letter_new(&host, &keys, NULL, callout, ri_callout_rules(callout));
    if (!letter) return false;
    ri_callout_ref(callout);
    snprintf(letter->user, sizeof letter->user, "%s", MINT_USER);
    snprintf(letter->peer, sizeof letter->peer, "10.0.0.7");
    letter->type = "STANDARD";
    letter->asks = false;
    ri_str copy = {guard_copy(answer.ptr, answer.len), answer.len};
    ri_buffer_put_str(&letter->text, copy);
    ri_callout_work(letter);
    fuzz_require(letter->rc == RILL_OK, "a verdict");
    bool in = letter->verdict.access != NULL;
    fuzz_require(in == (letter->verdict.why == RI_TRUST_LET_IN), "let in, or not");
    fuzz_require(in || letter->verdict.text[0], "a reason");
    ri_callout_letter_free(letter);
    guard_free();
    return in;
}

static size_t grammar(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "{", "}", "[", "]", ":", ",", "1", "-1", "\"\"", "null", "\"x\"", "\"jwt\":", "\"error\":",
        "\"issuer_account\":\"" MINT_ACCOUNT "\"", "\"pub\":", "\"sub\":", "\"allow\":",
        "\"deny\":", "\"resp\":", "\"max\":", "\"ttl\":", "\"subs\":", "\"payload\":", "\"tags\":",
        "\"src\":", "\"10.0.0.0/8\"", "\"times\":", "\"start\":\"00:00:00\"",
        "\"end\":\"23:59:59\"", "\"times_location\":\"UTC\"", "\"allowed_connection_types\":",
        "\"STANDARD\"", "\"a.*\"", "\">\"", "\"$SYS.>\"", "\"bearer_token\":true", "\\u0000",
        "\xff",
    };
    return fuzz_words(text, cap, words, sizeof words / sizeof *words, data, size);
}

/* "nats" of a response whose user has these claims; `inside` or of the response itself. */
static void hear_words(const char *text, bool inside)
{
    static char nats[MINT_MAX];
    char to[200];
    const char *user = mint(MINT_ACCOUNT_SEED, "user", MINT_USER, "\"aud\":\"APP\"",
                            inside ? text : "");
    snprintf(to, sizeof to, "\"aud\":\"%s\"", keys.id);
    snprintf(nats, sizeof nats, "\"jwt\":\"%s\"%s%s", user, inside || !text[0] ? "" : ",",
             inside ? "" : text);
    hear(callouts[0], ri_str_of(mint(MINT_ACCOUNT_SEED, "authorization_response", MINT_USER, to,
                                     nats)));
}

int fuzz_one(const uint8_t *data, size_t size)
{
    char text[1500];
    if (size < 1 || !begin()) return 0;
    ri_str bytes = {(const char *)data + 1, size - 1};
    if (!(data[0] & 1)) {
        fuzz_require(!hear(callouts[data[0] >> 1 & 1], bytes), "let in by chance");
        return 0;
    }
    size_t len = grammar(text, sizeof text - 1, data + 1, size - 1);
    text[len] = 0;
    if (memchr(text, 0, len)) return 0;
    hear_words(text, data[0] & 2);
    return 0;
}
