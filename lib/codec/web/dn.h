/* SPDX-License-Identifier: Apache-2.0 */
/* Distinguished names, of certificates and as texts of RFC 4514, and whether two are the same:
 *
 *     "CN=alice, OU=a+OU=b, DC=example, DC=com"
 *      \_____/  \________/  RDNs, the last one of a certificate's first; an RDN is a set
 *
 * Types are compared without regard to case, values byte by byte. Blanks around a value do not
 * count, unless a backslash is before them. */
#ifndef RI_DN_H
#define RI_DN_H

#include "codec/web/cert.h"

enum {
    RI_DN_PARTS = 32,   /* attributes of a name; a longer one is none */
    RI_DN_BYTES = 1024, /* of what a text says without its backslashes */
};

typedef struct ri_dn_part {
    ri_str type, value;
    uint32_t rdn;       /* of which RDN, from 0 */
} ri_dn_part;

typedef struct ri_dn {
    uint32_t nparts, nrdns;
    ri_dn_part parts[RI_DN_PARTS];
    char bytes[RI_DN_BYTES]; /* of a text: its types and values */
    size_t len;
} ri_dn;

/* False: it is none, or too long. A text is not kept. */
bool ri_dn_parse(ri_dn *dn, ri_str text);
/* Its values are those of the certificate. False: it has attributes that have no name here. */
bool ri_dn_of_cert(ri_dn *dn, const ri_cert *cert);
/* `ordered`: their RDNs stand in the same order, too. */
bool ri_dn_same(const ri_dn *a, const ri_dn *b, bool ordered);
/* Names that are the same in any order have the same, which is keyed (base/hash.h). */
uint64_t ri_dn_hash(const ri_dn *dn);

#endif
