/* SPDX-License-Identifier: Apache-2.0 */
#include "front/handle/bus_login.h"

#include <string.h>

#include "base/error.h"

static int login_check_text(const char *name, const char *text, bool may_be_empty)
{
    if (!text) return RILL_OK;
    size_t len = strnlen(text, RI_BUS_LOGIN_MAX + 1);
    if (len > RI_BUS_LOGIN_MAX)
        return ri_err(RILL_EINVAL, "%s has more than %d bytes", name, RI_BUS_LOGIN_MAX);
    return len || may_be_empty ? RILL_OK : ri_err(RILL_EINVAL, "%s is empty", name);
}

int ri_bus_login_check(const rill_creds *given)
{
    int rc = login_check_text("user", given->user, false);
    if (rc == RILL_OK) rc = login_check_text("password", given->password, true);
    if (rc == RILL_OK) rc = login_check_text("token", given->token, false);
    if (rc == RILL_OK) rc = login_check_text("jwt", given->jwt, false);
    if (rc == RILL_OK) rc = login_check_text("nkey", given->nkey, false);
    if (rc == RILL_OK) rc = login_check_text("seed", given->seed, false);
    if (rc < 0) return rc;
    if (given->user && given->token)
        return ri_err(RILL_EINVAL, "user and token are two ways to log in: give one");
    if (given->password && !given->user)
        return ri_err(RILL_EINVAL, "there is a password, and no user");
    if (given->seed && (given->nkey || given->is_signed))
        return ri_err(RILL_EINVAL, "seed and %s are two ways to sign: give one",
                      given->nkey ? "nkey" : "signature");
    if (given->is_signed && !given->jwt && !given->nkey)
        return ri_err(RILL_EINVAL, "there is a signature, and no jwt or nkey that says of whom");
    return given->nkey && given->nonce && !given->is_signed
               ? ri_err(RILL_EINVAL, "there is an nkey, and no signature") : RILL_OK;
}

static bool login_is_in(const ri_url *url)
{
    for (uint32_t i = 0; i < url->npeers; i++)
        if (url->peers[i].user.len || url->peers[i].token.len) return true;
    return false;
}

int ri_bus_login_check_opts(const rill_opts *opts, const ri_url *url)
{
    const rill_creds given = {.user = opts->user, .password = opts->password,
                              .token = opts->token};
    int rc = ri_bus_login_check(&given);
    if (rc < 0) return rc;
    const char *name = opts->on_creds ? "on_creds" : opts->user ? "user"
                       : opts->token ? "token" : NULL;
    if (name && login_is_in(url))
        return ri_err(RILL_EINVAL, "%s and the login in the URL are two ways to log in: give one",
                      name);
    if (opts->on_creds && (opts->user || opts->token || opts->creds_file || opts->nkey_seed))
        return ri_err(RILL_EINVAL, "on_creds and %s are two ways to log in: give one",
                      opts->user ? "user" : opts->token ? "token"
                      : opts->creds_file ? "creds_file" : "nkey_seed");
    return RILL_OK;
}
