/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/jwt.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/web/nkey.h"

enum {
    JWT_HEADER_MAX = 1024, /* bytes of the first part */
    JWT_SHOWN = 32,        /* bytes of a word that a sentence shows */
    JWT_VERSION = 2,
};

static int jwt_refuse(const char *why)
{
    return ri_err(RILL_EINVAL, "that JWT is none: %s", why);
}

/* A part in the arena, as JSON; its root has to be an object. */
static int jwt_part(ri_str text, ri_arena *arena, const char *what, ri_json *root)
{
    size_t len;
    char *bytes = ri_arena_alloc(arena, ri_base64_size(text) + 1);
    if (!bytes) return RILL_ENOMEM;
    if (!text.len || ri_base64_read_url(text, bytes, &len) < 0)
        return ri_err(RILL_EINVAL, "that JWT is none: its %s is not base64 of URLs", what);
    if (ri_json_parse(root, (ri_str){bytes, len}) < 0 || ri_json_kind_of(*root) != RI_JSON_OBJECT)
        return ri_err(RILL_EINVAL, "that JWT is none: its %s is no object of JSON", what);
    return RILL_OK;
}

int ri_jwt_string(ri_json value, ri_arena *arena, ri_str *out)
{
    int rc = ri_json_string(value, arena, out);
    if (rc < 0) return rc;
    if (out->len && memchr(out->ptr, 0, out->len)) return jwt_refuse("a text in it has a 0");
    if (!out->ptr) *out = RI_STR("");
    return RILL_OK;
}

static int jwt_header(ri_str text, ri_arena *arena)
{
    ri_json root;
    ri_str type, algorithm;
    int rc = jwt_part(text, arena, "header", &root);
    if (rc < 0) return rc;
    if ((rc = ri_json_text(ri_json_get(root, "typ"), arena, &type)) < 0 ||
        (rc = ri_json_text(ri_json_get(root, "alg"), arena, &algorithm)) < 0)
        return rc;
    if (!ri_str_eq_nocase(type, RI_STR("JWT"))) return jwt_refuse("its header has no typ of JWT");
    if (ri_str_eq_nocase(algorithm, RI_STR("ed25519")))
        return jwt_refuse("it is of version 1, which is not supported; nsc makes it anew");
    if (ri_str_eq_nocase(algorithm, RI_STR("ed25519-nkey"))) return RILL_OK;
    return ri_err(RILL_EINVAL, "that JWT is none: unexpected \"%.*s\" algorithm, and not "
                  "ed25519-nkey", (int)RI_MIN(algorithm.len, (size_t)JWT_SHOWN),
                  algorithm.len ? algorithm.ptr : "");
}

/* A time that is before 1970, or no number, is as none that has been: it lets nothing in. */
static int jwt_time(ri_json claims, const char *name, int64_t *out)
{
    ri_json value = ri_json_get(claims, name);
    *out = ri_json_integer(value);
    if (ri_json_kind_of(value) == RI_JSON_NULL) return RILL_OK;
    if (ri_json_kind_of(value) == RI_JSON_INTEGER && *out >= 0) return RILL_OK;
    return ri_err(RILL_EINVAL, "that JWT is none: its %s is no time", name);
}

static int jwt_times(ri_jwt *jwt, ri_json claims)
{
    int rc = jwt_time(claims, "iat", &jwt->issued_s);
    if (rc == RILL_OK) rc = jwt_time(claims, "exp", &jwt->expires_s);
    return rc < 0 ? rc : jwt_time(claims, "nbf", &jwt->not_before_s);
}

static int jwt_claims(ri_jwt *jwt, ri_str text, ri_arena *arena)
{
    ri_json claims;
    int rc = jwt_part(text, arena, "claims", &claims);
    if (rc < 0) return rc;
    jwt->nats = ri_json_get(claims, "nats");
    if (ri_json_kind_of(jwt->nats) != RI_JSON_OBJECT) return jwt_refuse("its claims have no nats");
    int64_t version = ri_json_integer(ri_json_get(jwt->nats, "version"));
    if (version != JWT_VERSION)
        return ri_err(RILL_EINVAL, "that JWT is none: its version is %lld, and not %d",
                      (long long)version, JWT_VERSION);
    if ((rc = jwt_times(jwt, claims)) < 0 ||
        (rc = ri_jwt_string(ri_json_get(claims, "iss"), arena, &jwt->issuer)) < 0 ||
        (rc = ri_jwt_string(ri_json_get(claims, "sub"), arena, &jwt->subject)) < 0 ||
        (rc = ri_jwt_string(ri_json_get(claims, "name"), arena, &jwt->name)) < 0 ||
        (rc = ri_jwt_string(ri_json_get(claims, "aud"), arena, &jwt->audience)) < 0 ||
        (rc = ri_jwt_string(ri_json_get(jwt->nats, "type"), arena, &jwt->type)) < 0)
        return rc;
    if (!ri_nkey_kind(jwt->issuer)) return jwt_refuse("its issuer is no public nkey");
    if (!ri_nkey_kind(jwt->subject)) return jwt_refuse("its subject is no public nkey");
    return RILL_OK;
}

int ri_jwt_read(ri_jwt *jwt, ri_str text, ri_arena *arena)
{
    RI_ASSERT(arena && (text.ptr || !text.len));
    ri_str rest = text, parts[3] = {{0}}, more;
    *jwt = (ri_jwt){0};
    if (text.len > RI_LIMIT_JWT)
        return ri_err(RILL_EINVAL, "that JWT is none: it has %zu bytes; at most %d", text.len,
                      RI_LIMIT_JWT);
    for (size_t i = 0; i < RI_LEN(parts); i++)
        if (!ri_str_cut(&rest, '.', &parts[i])) return jwt_refuse("it has not three parts");
    if (ri_str_cut(&rest, '.', &more)) return jwt_refuse("it has more than three parts");
    if (parts[0].len > JWT_HEADER_MAX) return jwt_refuse("its header is too long");
    jwt->signs = (ri_str){text.ptr, parts[0].len + 1 + parts[1].len};
    jwt->signature = parts[2];
    RI_ASSERT(jwt->signs.len < text.len);
    int rc = jwt_header(parts[0], arena);
    return rc < 0 ? rc : jwt_claims(jwt, parts[1], arena);
}

bool ri_jwt_is_signed(const ri_jwt *jwt)
{
    RI_ASSERT(jwt->issuer.len && jwt->signs.len);
    return ri_nkey_signed_by(jwt->issuer, jwt->signs, jwt->signature);
}

static bool jwt_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static ri_str jwt_trim(ri_str text)
{
    while (text.len && jwt_is_blank(text.ptr[0])) text = ri_str_from(text, 1);
    while (text.len && jwt_is_blank(text.ptr[text.len - 1])) text.len--;
    return text;
}

ri_str ri_jwt_undress(ri_str text)
{
    ri_str line;
    text = jwt_trim(text);
    if (ri_str_starts(text, RI_STR("eyJ"))) return text;
    for (bool inside = false; ri_str_cut(&text, '\n', &line);) {
        line = jwt_trim(line);
        if (ri_str_starts(line, RI_STR("---"))) inside = !inside;
        else if (inside && ri_str_starts(line, RI_STR("eyJ"))) return line;
    }
    return RI_STR_NONE;
}
