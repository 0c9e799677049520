/* SPDX-License-Identifier: Apache-2.0 */
/* The path below which a place shows what it has: http_base_path of rill_listen_opts. */
#ifndef RI_HTTP_BASE_H
#define RI_HTTP_BASE_H

#include "base/alloc.h"
#include "base/str.h"

/* "base", "/base/" and "//base" are "/base/"; *base is owned by the caller, and NULL for "/", and
 * for NULL. RILL_EINVAL says what is wrong; RILL_ENOMEM. */
int ri_http_base_new(char **base, const ri_host *host, const char *text);
void ri_http_base_free(char *base, const ri_host *host); /* NULL is nothing */
/* What `path` is below it, from its '/' on: the whole of it if `base` is NULL. Empty with a
 * pointer: it is the base without its last '/'. No pointer: it is not below it. */
ri_str ri_http_base_below(const char *base, ri_str path);

#endif
