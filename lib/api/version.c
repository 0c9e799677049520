/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "rill.h"

uint32_t rill_version(void)
{
    return RILL_VERSION;
}

const char *rill_errname(int err)
{
    return ri_err_name(err);
}

const char *rill_strerror(int err)
{
    return ri_err_class(err);
}

const char *rill_errmsg(void)
{
    return ri_err_text();
}
