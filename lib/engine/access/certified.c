/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/certified.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/web/dn.h"

enum {
    CERTIFIED_NAMES = 64,         /* alternative names of a kind that are tried */
    CERTIFIED_USERS_A_UNIT = 32,  /* the hashes of whose names are compared */
};

static ri_access_user *certified_named(const ri_access *access, ri_str name)
{
    ri_access_user *user = name.len ? ri_access_find(access, name) : NULL;
    return user && !ri_access_is_key(user) ? user : NULL;
}

static ri_access_user *certified_by_kind(const ri_access *access, const ri_cert *cert,
                                         ri_cert_kind kind)
{
    ri_str rest = cert->names, name;
    for (int i = 0; i < CERTIFIED_NAMES && ri_cert_next_name(&rest, kind, &name); i++) {
        ri_access_user *user = certified_named(access, name);
        if (user) return user;
    }
    return NULL;
}

static ri_access_user *certified_by_dn(const ri_access *access, const ri_cert *cert)
{
    ri_dn subject, name;
    ri_access_user *turned = NULL;
    if (!ri_dn_of_cert(&subject, cert)) return NULL;
    uint64_t hash, want = ri_dn_hash(&subject);
    for (size_t i = 0; i < ri_access_count(access); i++) {
        ri_access_user *user = ri_access_at(access, i);
        if (!ri_access_is_dn(user, &hash) || hash != want) continue;
        if (!ri_dn_parse(&name, ri_str_of(ri_access_name(user)))) continue;
        if (ri_dn_same(&name, &subject, true)) return user;
        if (!turned && ri_dn_same(&name, &subject, false)) turned = user;
    }
    return turned;
}

static ri_access_user *certified_by_text(const ri_access *access, const ri_cert *cert,
                                         ri_buffer *text)
{
    ri_access_user *user = NULL;
    RI_ASSERT(ri_buffer_size(text) == 0);
    ri_cert_put_subject(cert, text);
    size_t len = ri_buffer_size(text);
    ri_cert_put_domain(cert, true, text);
    if (text->failed) return NULL;
    if (ri_buffer_size(text) > len) user = certified_named(access, ri_buffer_str(text));
    ri_buffer_cut(text, len);
    return user ? user : certified_named(access, ri_buffer_str(text));
}

ri_access_user *ri_certified_user(const ri_access *access, const ri_host *host, ri_str der)
{
    static const ri_cert_kind kinds[] = {RI_CERT_EMAIL, RI_CERT_DNS, RI_CERT_URI};
    ri_access_user *user = NULL;
    ri_buffer text;
    ri_cert cert;
    RI_ASSERT(access && host);
    if (ri_cert_read(&cert, der) < 0) return NULL;
    for (size_t i = 0; i < RI_LEN(kinds) && !user; i++)
        user = certified_by_kind(access, &cert, kinds[i]);
    if (!user) user = certified_by_dn(access, &cert);
    if (user) return user;
    ri_buffer_init(&text, host);
    user = certified_by_text(access, &cert, &text);
    ri_buffer_fini(&text);
    return user;
}

uint32_t ri_certified_units(const ri_access *access)
{
    return 1 + (uint32_t)(ri_access_count(access) / CERTIFIED_USERS_A_UNIT);
}

int ri_certified_put_subject(ri_str der, ri_buffer *out)
{
    ri_cert cert;
    RI_ASSERT(out && ri_buffer_size(out) == 0);
    if (ri_cert_read(&cert, der) < 0 || !ri_cert_is_plain(&cert))
        return ri_err(RILL_EPROTO, "the certificate has no subject that could be said");
    ri_cert_put_subject(&cert, out);
    ri_cert_put_domain(&cert, false, out);
    return out->failed ? RILL_ENOMEM : RILL_OK;
}
