/* SPDX-License-Identifier: Apache-2.0 */
/* The names in a certificate of X.509, of whose bearer a TLS library has seen already that he holds
 * its key, and that somebody who is believed has signed it. Here it is read once more, out of its
 * DER, since two libraries name things differently, and who somebody is must not depend on that.
 *
 *     Certificate { TBSCertificate { [0] version, serial, algorithm, issuer, validity,
 *                                    SUBJECT, key, [1], [2], [3] { extensions } }, ... }
 *                                       |                           |
 *                                       |                           2.5.29.17: alternative names,
 *                                       |                           each with its kind as its tag
 *                                       { RDN { attribute {type, value}, ... }, ... }
 *
 * Lengths are definite and of four bytes at most, tags of one byte, as DER has them here. Nothing
 * is copied: texts are of the certificate's bytes, and may hold any of them, 0 too. */
#ifndef RI_CERT_H
#define RI_CERT_H

#include "base/buffer.h"

enum { RI_CERT_MAX = 16 * 1024 }; /* bytes of a certificate; of longer ones nobody is named */

typedef struct ri_cert {
    ri_str subject; /* its RDNs, in DER */
    ri_str names;   /* its alternative names, likewise; empty: none */
} ri_cert;

/* RILL_EINVAL: it is none. */
int ri_cert_read(ri_cert *cert, ri_str der);

typedef enum ri_cert_kind { /* tags of alternative names */
    RI_CERT_EMAIL = 0x81,
    RI_CERT_DNS = 0x82,
    RI_CERT_URI = 0x86,
} ri_cert_kind;

/* The next name of that kind, *rest being cert->names at first; false: there is none any more. */
bool ri_cert_next_name(ri_str *rest, ri_cert_kind kind, ri_str *name);

typedef struct ri_cert_attribute {
    const char *type;  /* "CN"; NULL: one that has no name here */
    ri_str value;
    bool is_text;      /* the value is one, and not a number or what else there is */
    uint32_t rdn;      /* of which RDN it is, from 0 */
} ri_cert_attribute;

/* A walk over the attributes of a subject. */
typedef struct ri_cert_walk {
    ri_str rest, set;  /* RDNs to come; what is left of the one that it is in */
    uint32_t nrdns;
    bool failed;       /* what stands there is no subject */
} ri_cert_walk;

void ri_cert_walk_init(ri_cert_walk *walk, const ri_cert *cert);
bool ri_cert_walk_next(ri_cert_walk *walk, ri_cert_attribute *out);

/* The subject as Go's library writes it, and nats-server therefore: its nine known types in an
 * order of their own, the last one first, attributes of one type joined by '+'. */
void ri_cert_put_subject(const ri_cert *cert, ri_buffer *out);
/* ",DC=example,DC=com": its domain components, in the order in which they stand there; `raw`: with
 * nothing escaped, as nats-server compares them. */
void ri_cert_put_domain(const ri_cert *cert, bool raw, ri_buffer *out);
/* The subject can be said: it is one, and no text in it has a 0 or another control character, which
 * would end it for some readers, or hide what follows. */
bool ri_cert_is_plain(const ri_cert *cert);

#endif
