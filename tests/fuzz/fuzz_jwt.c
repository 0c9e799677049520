/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs of NATS: bytes as they are, and claims in words of theirs, put into a JWT whose signature is
 * nobody's. As a user's, of whom it is taken for granted that he has signed, they meet an account
 * with a scoped key; as an account's and an operator's they are read. */
#include <stdio.h>

#include "base/base64.h"
#include "codec/web/nkey.h"
#include "engine/access/trust.h"
#include "golden/jwt.h"
#include "support/fuzz.h"
#include "support/guard.h"
#include "support/mint.h"

static size_t grammar(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "{", "}", "[", "]", ":", ",", "1", "-1", "0", "\"\"", "true", "null", "1e9", "\"x\"",
        "\"pub\":", "\"sub\":", "\"allow\":", "\"deny\":", "\"resp\":", "\"max\":", "\"ttl\":",
        "\"limits\":", "\"conn\":", "\"tiered_limits\":", "\"R1\":", "\"disk_storage\":",
        "\"signing_keys\":", "\"kind\":\"user_scope\"", "\"key\":\"" MINT_SCOPED "\"",
        "\"template\":", "\"revocations\":", "\"" MINT_USER "\"", "\"*\":", "\"mappings\":",
        "\"subject\":", "\"weight\":", "\"tags\":", "\"a:1\"", "\"times\":",
        "\"start\":\"10:00:00\"",
        "\"end\":\"23:59:59\"", "\"src\":", "\"10.0.0.0/8\"", "\"::/0\"", "\"times_location\":",
        "\"allowed_connection_types\":", "\"STANDARD\"", "\"authorization\":", "\"auth_users\":",
        "\"issuer_account\":\"" MINT_ACCOUNT "\"", "\"bearer_token\":true", "\"a.{{tag(a)}}\"",
        "\"{{name()}}\"", "\"default_permissions\":", "\"system_account\":\"" MINT_ACCOUNT "\"",
        "\"subs\":-1", "\\u0000", "\xff",
    };
    return fuzz_words(text, cap, words, sizeof words / sizeof *words, data, size);
}

static void put_part(ri_buffer *out, const char *text, size_t len)
{
    ri_base64_put_url(out, (ri_str){text, len});
    while (ri_buffer_size(out) && out->ptr[out->len - 1] == '=')
        ri_buffer_cut(out, ri_buffer_size(out) - 1);
}

/* One of `type` with these members of "nats". */
static void dress(ri_buffer *out, const char *type, ri_str nats)
{
    char claims[4096];
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    const char *issuer = *type == 'u' ? MINT_SCOPED : MINT_OPERATOR;
    const char *subject = *type == 'u' ? MINT_USER : *type == 'a' ? MINT_ACCOUNT : MINT_OPERATOR;
    int n = snprintf(claims, sizeof claims, "{\"iss\":\"%s\",\"sub\":\"%s\",\"name\":\"n\","
                     "\"nats\":{\"version\":2,\"type\":\"%s\",%.*s}}", issuer, subject, type,
                     RI_ARG(nats));
    put_part(out, header, sizeof header - 1);
    ri_buffer_puts(out, ".");
    put_part(out, claims, n < (int)sizeof claims ? (size_t)n : sizeof claims - 1);
    ri_buffer_puts(out, ".c2ln");
}

/* What is read holds no more than its text says, and can be asked. */
static void read_one(const ri_host *host, ri_str text)
{
    ri_arena arena;
    ri_jwt jwt;
    ri_claims_account account;
    ri_claims_operator operator;
    ri_arena_init(&arena, host);
    ri_str copy = {guard_copy(text.ptr, text.len), text.len};
    if (ri_jwt_read(&jwt, copy, &arena) == RILL_OK) {
        fuzz_require(!ri_jwt_is_signed(&jwt), "a signature by chance");
        if (ri_claims_read_account(&account, &jwt, &arena) == RILL_OK) {
            ri_claims_is_revoked(&account, ri_str_of(MINT_USER), 0);
            ri_claims_signer_of(&account, ri_str_of(MINT_SCOPED));
        }
        ri_claims_read_operator(&operator, &jwt, &arena);
    }
    guard_free();
    ri_arena_fini(&arena);
}

static void judge_one(const ri_trust *trust, ri_str text, bool known)
{
    ri_trust_verdict verdict;
    ri_str copy = {guard_copy(text.ptr, text.len), text.len};
    ri_trust_case shown = {.jwt = copy, .host = "10.0.0.1", .type = "STANDARD", .now_s = 40000,
                           .known = known};
    int rc = ri_trust_judge(trust, &shown, &verdict);
    fuzz_require(rc == RILL_OK, "a verdict");
    fuzz_require(known || !verdict.access, "let in by chance");
    fuzz_require(!verdict.access == (verdict.why != RI_TRUST_LET_IN), "let in, or not");
    ri_access_unref(verdict.access);
    guard_free();
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static ri_host host;
    static ri_trust *trust;
    static const char *const types[] = {"user", "account", "operator"};
    const char *operators[] = {MINT_SIGNER}, *accounts[] = {golden_account};
    const ri_trust_texts texts = {.operators = operators, .noperators = 1, .accounts = accounts,
                                  .naccounts = 1};
    char text[3000];
    if (!host.alloc) ri_host_init(&host, NULL);
    if (!trust && ri_trust_new(&host, &texts, &trust) < 0) return 0; /* no libsodium */
    if (size < 1) return 0;
    if (!(data[0] & 1)) {
        ri_str bytes = {(const char *)data + 1, size - 1};
        read_one(&host, bytes);
        judge_one(trust, bytes, true);
        ri_jwt_undress(bytes);
        return 0;
    }
    ri_buffer jwt;
    ri_str nats = {text, grammar(text, sizeof text, data + 1, size - 1)};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ri_buffer_init(&jwt, &host);
        dress(&jwt, types[i], nats);
        read_one(&host, ri_buffer_str(&jwt));
        judge_one(trust, ri_buffer_str(&jwt), data[0] & 2);
        ri_buffer_fini(&jwt);
    }
    return 0;
}
