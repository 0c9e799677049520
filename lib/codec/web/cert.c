/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/cert.h"

#include "base/assert.h"
#include "base/error.h"

enum {
    CERT_SEQUENCE = 0x30,
    CERT_SET = 0x31,
    CERT_OID = 0x06,
    CERT_OCTETS = 0x04,
    CERT_BOOLEAN = 0x01,
    CERT_VERSION = 0xa0,    /* of the certificate, with its tag 0 */
    CERT_EXTENSIONS = 0xa3,
};

/* ---- DER ---- */

/* How many bytes the length has that says how long the body is; 0: it is none of DER's. */
static size_t cert_length(const uint8_t *at, size_t left, size_t *len)
{
    if (left == 0) return 0;
    if (at[0] < 0x80) {
        *len = at[0];
        return 1;
    }
    size_t n = at[0] & 0x7f;
    if (n == 0 || n > 4 || n >= left) return 0;
    *len = 0;
    for (size_t i = 1; i <= n; i++) *len = *len << 8 | at[i];
    return n + 1;
}

/* The next element; false: there is no whole one. */
static bool cert_take(ri_str *rest, uint8_t *tag, ri_str *body)
{
    size_t len = 0;
    if (rest->len < 2) return false;
    const uint8_t *at = (const uint8_t *)rest->ptr;
    size_t head = 1 + cert_length(at + 1, rest->len - 1, &len);
    if (head == 1 || len > rest->len - head) return false;
    *tag = at[0];
    *body = (ri_str){rest->ptr + head, len};
    *rest = ri_str_from(*rest, head + len);
    return true;
}

static bool cert_take_tag(ri_str *rest, uint8_t want, ri_str *body)
{
    uint8_t tag;
    ri_str before = *rest;
    if (cert_take(rest, &tag, body) && tag == want) return true;
    *rest = before;
    return false;
}

/* ---- The certificate ---- */

static bool cert_skip(ri_str *rest, int n)
{
    uint8_t tag;
    ri_str body;
    while (n > 0 && cert_take(rest, &tag, &body)) n--;
    return n == 0;
}

/* An extension: its OID, maybe a boolean, its octets. Those of the alternative names are a
 * sequence. */
static bool cert_extension(ri_cert *cert, ri_str one)
{
    ri_str oid, critical, octets;
    if (!cert_take_tag(&one, CERT_OID, &oid)) return false;
    cert_take_tag(&one, CERT_BOOLEAN, &critical);
    if (!cert_take_tag(&one, CERT_OCTETS, &octets)) return false;
    if (!ri_str_eq(oid, RI_STR("\x55\x1d\x11"))) return true;
    return !cert->names.ptr && cert_take_tag(&octets, CERT_SEQUENCE, &cert->names);
}

static bool cert_extensions(ri_cert *cert, ri_str tbs)
{
    uint8_t tag;
    ri_str body, list, one;
    while (cert_take(&tbs, &tag, &body)) {
        if (tag != CERT_EXTENSIONS) continue;
        if (!cert_take_tag(&body, CERT_SEQUENCE, &list)) return false;
        while (cert_take_tag(&list, CERT_SEQUENCE, &one))
            if (!cert_extension(cert, one)) return false;
        return list.len == 0;
    }
    return tbs.len == 0;
}

int ri_cert_read(ri_cert *cert, ri_str der)
{
    ri_str all, tbs, version;
    RI_ASSERT(cert && (der.ptr || !der.len));
    *cert = (ri_cert){.names = RI_STR_NONE};
    bool well = der.len <= RI_CERT_MAX && cert_take_tag(&der, CERT_SEQUENCE, &all) &&
                cert_take_tag(&all, CERT_SEQUENCE, &tbs);
    if (well) cert_take_tag(&tbs, CERT_VERSION, &version);
    /* Serial number, algorithm, issuer, validity; behind the subject its key. */
    well = well && cert_skip(&tbs, 4) && cert_take_tag(&tbs, CERT_SEQUENCE, &cert->subject) &&
           cert_skip(&tbs, 1) && cert_extensions(cert, tbs);
    return well ? RILL_OK : ri_err(RILL_EINVAL, "that is no certificate");
}

bool ri_cert_next_name(ri_str *rest, ri_cert_kind kind, ri_str *name)
{
    uint8_t tag;
    RI_ASSERT(rest && name);
    while (cert_take(rest, &tag, name))
        if (tag == kind) return true;
    return false;
}

/* ---- The subject ---- */

/* In the order in which Go writes subjects, from its end. */
static const struct {
    const char *name;
    const char *oid;
    bool once; /* the last one counts */
} cert_types[] = {
    {"SERIALNUMBER", "\x55\x04\x05", true}, {"CN", "\x55\x04\x03", true},
    {"OU", "\x55\x04\x0b", false},          {"O", "\x55\x04\x0a", false},
    {"POSTALCODE", "\x55\x04\x11", false},  {"STREET", "\x55\x04\x09", false},
    {"L", "\x55\x04\x07", false},           {"ST", "\x55\x04\x08", false},
    {"C", "\x55\x04\x06", false},
};

#define CERT_DC "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"

static const char *cert_type(ri_str oid)
{
    for (size_t i = 0; i < RI_LEN(cert_types); i++)
        if (ri_str_eq(oid, ri_str_of(cert_types[i].oid))) return cert_types[i].name;
    return ri_str_eq(oid, RI_STR(CERT_DC)) ? "DC" : NULL;
}

/* UTF8, Numeric, Printable, Teletex, IA5. */
static bool cert_is_text(uint8_t tag)
{
    return tag == 12 || (tag >= 18 && tag <= 20) || tag == 22;
}

void ri_cert_walk_init(ri_cert_walk *walk, const ri_cert *cert)
{
    RI_ASSERT(walk && cert);
    *walk = (ri_cert_walk){.rest = cert->subject};
}

bool ri_cert_walk_next(ri_cert_walk *walk, ri_cert_attribute *out)
{
    ri_str pair, oid;
    uint8_t tag;
    RI_ASSERT(walk && out);
    while (!walk->failed && walk->set.len == 0) {
        if (walk->rest.len == 0) return false;
        walk->failed = !cert_take_tag(&walk->rest, CERT_SET, &walk->set);
        if (!walk->failed && walk->set.len) walk->nrdns++;
    }
    walk->failed = walk->failed || !cert_take_tag(&walk->set, CERT_SEQUENCE, &pair) ||
                   !cert_take_tag(&pair, CERT_OID, &oid) || !cert_take(&pair, &tag, &out->value);
    if (walk->failed) return false;
    out->type = cert_type(oid);
    out->is_text = cert_is_text(tag);
    out->rdn = walk->nrdns - 1;
    return true;
}

/* What RFC 2253 has escaped is. */
static void cert_put_value(ri_buffer *out, ri_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool end = i == 0 || i + 1 == value.len;
        bool special = c && strchr(",+\"\\<>;", c) != NULL;
        if (special || (c == ' ' && end) || (c == '#' && i == 0)) ri_buffer_put(out, "\\", 1);
        ri_buffer_put(out, &c, 1);
    }
}

/* All attributes of a type, or the last of them. */
static void cert_put_type(const ri_cert *cert, size_t type, ri_buffer *out)
{
    ri_cert_walk walk;
    ri_cert_attribute at;
    size_t begin = ri_buffer_size(out), n = 0;
    const char *name = cert_types[type].name;
    ri_cert_walk_init(&walk, cert);
    while (ri_cert_walk_next(&walk, &at)) {
        if (at.type != name || !at.is_text) continue;
        if (cert_types[type].once) ri_buffer_cut(out, begin);
        bool follows = n++ > 0 && !cert_types[type].once;
        ri_buffer_puts(out, follows ? "+" : begin ? "," : "");
        ri_buffer_printf(out, "%s=", name);
        cert_put_value(out, at.value);
    }
}

void ri_cert_put_subject(const ri_cert *cert, ri_buffer *out)
{
    RI_ASSERT(cert && ri_buffer_size(out) == 0);
    for (size_t i = 0; i < RI_LEN(cert_types); i++) cert_put_type(cert, i, out);
}

void ri_cert_put_domain(const ri_cert *cert, bool raw, ri_buffer *out)
{
    ri_cert_walk walk;
    ri_cert_attribute at;
    RI_ASSERT(cert && out);
    ri_cert_walk_init(&walk, cert);
    while (ri_cert_walk_next(&walk, &at)) {
        if (!at.type || strcmp(at.type, "DC") != 0 || !at.is_text) continue;
        ri_buffer_puts(out, ",DC=");
        if (raw) ri_buffer_put_str(out, at.value);
        else cert_put_value(out, at.value);
    }
}

static bool cert_is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

bool ri_cert_is_plain(const ri_cert *cert)
{
    ri_cert_walk walk;
    ri_cert_attribute at;
    RI_ASSERT(cert);
    ri_cert_walk_init(&walk, cert);
    while (ri_cert_walk_next(&walk, &at))
        for (size_t i = 0; at.is_text && i < at.value.len; i++)
            if (cert_is_control(at.value.ptr[i])) return false;
    return !walk.failed;
}
