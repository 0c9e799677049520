/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/dn.h"

#include <strings.h>

#include "base/assert.h"
#include "base/hash.h"

/* What is being read: an attribute, whose type and then whose value go to dn->bytes. */
typedef struct dn_reader {
    ri_dn *dn;
    ri_str rest;
    size_t begin;     /* of the type or the value, in dn->bytes */
    size_t blanks;    /* that stand at its end at the moment, without a backslash */
} dn_reader;

static bool dn_put(dn_reader *r, char c)
{
    if (r->dn->len == RI_DN_BYTES) return false;
    r->dn->bytes[r->dn->len++] = c;
    return true;
}

static int dn_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind a backslash: a character that has a meaning of its own otherwise, or two digits. */
static bool dn_read_escape(dn_reader *r)
{
    if (r->rest.len == 0) return false;
    char c = r->rest.ptr[0];
    r->blanks = 0;
    if (c && strchr(" \"#+,;<=>\\", c)) {
        r->rest = ri_str_from(r->rest, 1);
        return dn_put(r, c);
    }
    int high = dn_digit(c), low = r->rest.len > 1 ? dn_digit(r->rest.ptr[1]) : -1;
    if (high < 0 || low < 0) return false;
    r->rest = ri_str_from(r->rest, 2);
    return dn_put(r, (char)(high << 4 | low));
}

/* Up to one of `ends`, which *end is then; 0: it is the end of the text. False: no such text. */
static bool dn_read_word(dn_reader *r, const char *ends, char *end, ri_str *out)
{
    r->begin = r->dn->len;
    r->blanks = 0;
    *end = 0;
    while (r->rest.len && !*end) {
        char c = r->rest.ptr[0];
        r->rest = ri_str_from(r->rest, 1);
        if (c && strchr(ends, c)) {
            *end = c;
        } else if (c == '\\') {
            if (!dn_read_escape(r)) return false;
        } else if (c == '=') {
            return false;
        } else if (c != ' ' || r->dn->len > r->begin) {
            r->blanks = c == ' ' ? r->blanks + 1 : 0;
            if (!dn_put(r, c)) return false;
        }
    }
    RI_ASSERT(r->dn->len - r->begin >= r->blanks);
    r->dn->len -= r->blanks;
    *out = (ri_str){r->dn->bytes + r->begin, r->dn->len - r->begin};
    return true;
}

bool ri_dn_parse(ri_dn *dn, ri_str text)
{
    dn_reader r = {.dn = dn, .rest = text};
    char end;
    RI_ASSERT(dn && (text.ptr || !text.len));
    dn->nparts = dn->nrdns = 0;
    dn->len = 0;
    do {
        if (dn->nparts == RI_DN_PARTS) return false;
        ri_dn_part *part = &dn->parts[dn->nparts++];
        part->rdn = dn->nrdns;
        if (!dn_read_word(&r, "=,+", &end, &part->type)) return false;
        if (end != '=' || !part->type.len) return false;
        if (r.rest.len && r.rest.ptr[0] == '#') return false; /* a value in DER */
        if (!dn_read_word(&r, ",+", &end, &part->value)) return false;
        if (!end && !part->value.len) return false;
        if (end != '+') dn->nrdns++;
    } while (end);
    return true;
}

bool ri_dn_of_cert(ri_dn *dn, const ri_cert *cert)
{
    ri_cert_walk walk;
    ri_cert_attribute at;
    RI_ASSERT(dn && cert);
    dn->nparts = dn->nrdns = 0;
    dn->len = 0;
    ri_cert_walk_init(&walk, cert);
    while (ri_cert_walk_next(&walk, &at)) {
        if (dn->nparts == RI_DN_PARTS || !at.type || !at.is_text) return false;
        dn->parts[dn->nparts++] = (ri_dn_part){ri_str_of(at.type), at.value, at.rdn};
    }
    dn->nrdns = walk.nrdns;
    for (uint32_t i = 0; i < dn->nparts; i++) /* the last one is the first of a text */
        dn->parts[i].rdn = dn->nrdns - 1 - dn->parts[i].rdn;
    return !walk.failed && dn->nparts > 0;
}

/* ---- The same ---- */

static bool dn_same_part(const ri_dn_part *a, const ri_dn_part *b)
{
    return a->type.len == b->type.len && strncasecmp(a->type.ptr, b->type.ptr, a->type.len) == 0 &&
           ri_str_eq(a->value, b->value);
}

static uint32_t dn_count(const ri_dn *dn, uint32_t rdn)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < dn->nparts; i++) n += dn->parts[i].rdn == rdn;
    return n;
}

/* Each attribute of this RDN is in that one. */
static bool dn_has_all(const ri_dn *a, uint32_t rdn_a, const ri_dn *b, uint32_t rdn_b)
{
    for (uint32_t i = 0; i < a->nparts; i++) {
        bool found = a->parts[i].rdn != rdn_a;
        for (uint32_t k = 0; k < b->nparts && !found; k++)
            found = b->parts[k].rdn == rdn_b && dn_same_part(&a->parts[i], &b->parts[k]);
        if (!found) return false;
    }
    return true;
}

static bool dn_same_rdn(const ri_dn *a, uint32_t rdn_a, const ri_dn *b, uint32_t rdn_b)
{
    return dn_count(a, rdn_a) == dn_count(b, rdn_b) && dn_has_all(a, rdn_a, b, rdn_b) &&
           dn_has_all(b, rdn_b, a, rdn_a);
}

bool ri_dn_same(const ri_dn *a, const ri_dn *b, bool ordered)
{
    uint64_t used = 0;
    RI_ASSERT(a->nrdns <= RI_DN_PARTS && b->nrdns <= RI_DN_PARTS);
    if (a->nrdns != b->nrdns || a->nparts != b->nparts) return false;
    for (uint32_t i = 0; i < a->nrdns; i++) {
        uint32_t first = ordered ? i : 0, last = ordered ? i + 1 : b->nrdns, k = first;
        while (k < last && ((used >> k & 1) || !dn_same_rdn(a, i, b, k))) k++;
        if (k == last) return false;
        used |= UINT64_C(1) << k;
    }
    return true;
}

/* ---- Hashes ---- */

static uint64_t dn_hash_part(const ri_dn_part *part)
{
    uint64_t hash = part->type.len;
    for (size_t i = 0; i < part->type.len; i++) {
        char c = part->type.ptr[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        hash = ri_hash_number(hash ^ (unsigned char)c);
    }
    return ri_hash_number(hash ^ ri_hash(part->value));
}

/* Two RDNs are the same if they are so as sets, of as many attributes: the least and the most of
 * their attributes' hashes are the same then, also where one is there twice. */
static uint64_t dn_hash_rdn(const ri_dn *dn, uint32_t rdn)
{
    uint64_t least = UINT64_MAX, most = 0;
    for (uint32_t i = 0; i < dn->nparts; i++) {
        if (dn->parts[i].rdn != rdn) continue;
        uint64_t hash = dn_hash_part(&dn->parts[i]);
        least = RI_MIN(least, hash);
        most = RI_MAX(most, hash);
    }
    return ri_hash_number(least ^ ri_hash_number(most + dn_count(dn, rdn)));
}

uint64_t ri_dn_hash(const ri_dn *dn)
{
    uint64_t sum = dn->nrdns;
    RI_ASSERT(dn->nparts <= RI_DN_PARTS && dn->nrdns <= RI_DN_PARTS);
    for (uint32_t rdn = 0; rdn < dn->nrdns; rdn++) sum += dn_hash_rdn(dn, rdn);
    return sum;
}
