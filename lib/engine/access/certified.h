/* SPDX-License-Identifier: Apache-2.0 */
/* Which user a certificate names (rill_tls.verify_and_map), as nats-server finds him. The first of
 * these that is the name of a user who has no key of NATS:
 *
 *     1  alternative names: each e-mail, then each DNS name, then each URI
 *     2  the subject, compared as a distinguished name; then in any order of its RDNs
 *     3  the subject as Go writes it, with its domain components behind it, if it has some
 *     4  ... and without them
 *
 * Cost: for 2 the hash of the subject is compared with those of all users' names, which were taken
 * when the users came; only names of the same hash are read. */
#ifndef RI_CERTIFIED_H
#define RI_CERTIFIED_H

#include "base/buffer.h"
#include "engine/access/access.h"

/* NULL: nobody, or that is no certificate, or there is no memory to see it. */
ri_access_user *ri_certified_user(const ri_access *access, const ri_host *host, ri_str der);
/* Of the turn, that looking for him costs. */
uint32_t ri_certified_units(const ri_access *access);
/* The subject, as of 3, but with all escaped, behind `out`. RILL_EPROTO: there is none that can be
 * said; RILL_ENOMEM. */
int ri_certified_put_subject(ri_str der, ri_buffer *out);

#endif
