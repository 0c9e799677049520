/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/nats/nats_err.h"

#include "base/assert.h"
#include "base/defs.h"

typedef struct nats_err_row {
    const char *begins;
    int code;
    ri_nats_err_verdict verdict;
} nats_err_row;

static const nats_err_row nats_err_rows[] = {
    {"Permissions Violation", RILL_EAUTH, RI_NATS_ERR_STAYS},
    {"Invalid Subject", RILL_EINVAL, RI_NATS_ERR_STAYS},
    {"Invalid Publish Subject", RILL_EINVAL, RI_NATS_ERR_STAYS},
    {"Maximum Subscriptions Exceeded", RILL_EFULL, RI_NATS_ERR_STAYS},
    {"Authorization Violation", RILL_EAUTH, RI_NATS_ERR_LOGIN},
    {"User Authentication Expired", RILL_EAUTH, RI_NATS_ERR_LOGIN},
    {"User Authentication Revoked", RILL_EAUTH, RI_NATS_ERR_LOGIN},
    {"Account Authentication Expired", RILL_EAUTH, RI_NATS_ERR_LOGIN},
    {"Authentication Timeout", RILL_EAUTH, RI_NATS_ERR_ENDS},
    {"Maximum Connections Exceeded", RILL_ECONN, RI_NATS_ERR_ENDS},
    {"Maximum Account Active Connections Exceeded", RILL_ECONN, RI_NATS_ERR_ENDS},
    {"Connection Throttling", RILL_ECONN, RI_NATS_ERR_ENDS},
    {"Stale Connection", RILL_ECONN, RI_NATS_ERR_ENDS},
    {"Maximum Payload Violation", RILL_ETOOBIG, RI_NATS_ERR_ENDS},
    {"Maximum Control Line Exceeded", RILL_ETOOBIG, RI_NATS_ERR_ENDS},
    {"Unknown Protocol Operation", RILL_EPROTO, RI_NATS_ERR_ENDS},
    {"Invalid Client Protocol", RILL_EPROTO, RI_NATS_ERR_ENDS},
    {"No Responders Requires Headers Support", RILL_EPROTO, RI_NATS_ERR_ENDS},
    {"Attempted To Connect To", RILL_EPROTO, RI_NATS_ERR_ENDS},
};

/* What stands between the first two double quotes; *rest is what is behind the second. */
static ri_str nats_err_quoted(ri_str text, ri_str *rest)
{
    const char *open = text.len ? memchr(text.ptr, '"', text.len) : NULL;
    *rest = RI_STR_NONE;
    if (!open) return RI_STR_NONE;
    ri_str in = ri_str_from(text, (size_t)(open + 1 - text.ptr));
    const char *close = in.len ? memchr(in.ptr, '"', in.len) : NULL;
    if (!close) return RI_STR_NONE;
    *rest = ri_str_from(in, (size_t)(close + 1 - in.ptr));
    return (ri_str){in.ptr, (size_t)(close - in.ptr)};
}

static bool nats_err_begins(ri_str text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && ri_str_eq_nocase((ri_str){text.ptr, len}, (ri_str){with, len});
}

void ri_nats_err_read(ri_str text, ri_nats_err *err)
{
    RI_ASSERT(text.ptr || text.len == 0);
    *err = (ri_nats_err){.code = RILL_EPROTO, .verdict = RI_NATS_ERR_STAYS};
    for (size_t i = 0; i < RI_LEN(nats_err_rows); i++) {
        if (!nats_err_begins(text, nats_err_rows[i].begins)) continue;
        err->code = nats_err_rows[i].code;
        err->verdict = nats_err_rows[i].verdict;
        break;
    }
    ri_str rest, end;
    err->subject = nats_err_quoted(text, &rest);
    err->subscription = nats_err_begins(text, "Permissions Violation for Subscription to");
    if (nats_err_begins(rest, " using queue")) err->queue = nats_err_quoted(rest, &end);
    if (nats_err_begins(rest, " (sid")) err->sid = nats_err_quoted(rest, &end);
}
