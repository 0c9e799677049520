/* SPDX-License-Identifier: Apache-2.0 */
/* What a password that somebody shows is compared with: one that is configured, or its hash. For
 * the doors where people log in. */
#ifndef RI_PASSWORD_H
#define RI_PASSWORD_H

#include "base/str.h"

/* Is what is configured a hash of bcrypt? Comparing with that takes long, on purpose. */
bool ri_password_is_hash(ri_str want);
/* In a time that shows the length of what was given, and nothing of what was asked for. */
bool ri_password_same(ri_str want, ri_str given);

#endif
