/* SPDX-License-Identifier: Apache-2.0 */
#include "support/mint.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "codec/web/nkey.h"

static char *mint_room(void)
{
    static char rooms[8][MINT_MAX];
    static unsigned turn;
    return rooms[turn++ % 8];
}

static void mint_part(ri_buffer *out, const char *text)
{
    ri_base64_put_url(out, ri_str_of(text));
    while (ri_buffer_size(out) && out->ptr[out->len - 1] == '=')
        ri_buffer_cut(out, ri_buffer_size(out) - 1);
}

const char *mint_sign(const char *seed, const char *text)
{
    ri_host host;
    ri_buffer out;
    char *room = mint_room();
    ri_host_init(&host, NULL);
    ri_buffer_init(&out, &host);
    if (ri_nkey_sign(ri_str_of(seed), ri_str_of(text), &out) < 0) abort();
    snprintf(room, MINT_MAX, "%.*s", (int)out.len, out.ptr);
    ri_buffer_fini(&out);
    return room;
}

const char *mint_raw(const char *seed, const char *header, const char *claims)
{
    ri_host host;
    ri_buffer out;
    char *room = mint_room();
    ri_host_init(&host, NULL);
    ri_buffer_init(&out, &host);
    mint_part(&out, header);
    ri_buffer_puts(&out, ".");
    mint_part(&out, claims);
    ri_str text = ri_buffer_str(&out);
    ri_buffer signature;
    ri_buffer_init(&signature, &host);
    if (out.failed || ri_nkey_sign(ri_str_of(seed), text, &signature) < 0) abort();
    int n = snprintf(room, MINT_MAX, "%.*s.%.*s", (int)out.len, out.ptr, (int)signature.len,
                     signature.ptr);
    if (n >= MINT_MAX) abort();
    ri_buffer_fini(&signature);
    ri_buffer_fini(&out);
    return room;
}

const char *mint(const char *seed, const char *type, const char *subject, const char *head,
                 const char *nats)
{
    char claims[MINT_MAX], issuer[RI_NKEY_LEN + 1];
    if (ri_nkey_public(ri_str_of(seed), issuer) < 0) abort();
    int n = snprintf(claims, sizeof claims, "{\"iat\":1000,\"iss\":\"%s\",\"sub\":\"%s\"%s%s,"
                     "\"nats\":{\"type\":\"%s\",\"version\":2%s%s}}", issuer, subject,
                     *head ? "," : "", head, type, *nats ? "," : "", nats);
    if (n >= MINT_MAX) abort();
    return mint_raw(seed, "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}", claims);
}
