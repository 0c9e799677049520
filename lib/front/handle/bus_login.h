/* SPDX-License-Identifier: Apache-2.0 */
/* As whom a handle logs in where rill_opts or on_creds() says so: what may stand beside what. No
 * sentence shows any of it. */
#ifndef RI_BUS_LOGIN_H
#define RI_BUS_LOGIN_H

#include "codec/nats/url.h"
#include "rill.h"

enum { RI_BUS_LOGIN_MAX = 65536 }; /* bytes of one text */

/* user, password, token, jwt, nkey, seed and is_signed, whoever has given them: RILL_EINVAL. */
int ri_bus_login_check(const rill_creds *given);
/* The same of rill_opts.user, .password and .token, beside the URL. */
int ri_bus_login_check_opts(const rill_opts *opts, const ri_url *url);

#endif
