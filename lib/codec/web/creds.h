/* SPDX-License-Identifier: Apache-2.0 */
/* The file by which a user of NATS logs in: a JWT, which is for the server, and the seed of the key
 * that it names, which is for nobody.
 *
 *     -----BEGIN NATS USER JWT-----
 *     eyJ...
 *     ------END NATS USER JWT------
 *     (words for whoever reads it)
 *     -----BEGIN USER NKEY SEED-----
 *     SU...
 *     ------END USER NKEY SEED------ */
#ifndef RI_CREDS_H
#define RI_CREDS_H

#include "base/str.h"

enum { RI_CREDS_MAX = 64 * 1024 }; /* bytes of such a file */

typedef struct ri_creds {
    ri_str jwt, seed; /* in the text */
} ri_creds;

/* RILL_EINVAL says what is missing, and shows nothing of the text. Nothing outside of the two
 * blocks is looked at, and the seed is not checked. */
int ri_creds_read(ri_str text, ri_creds *creds);

#endif
