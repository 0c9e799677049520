/* SPDX-License-Identifier: Apache-2.0 */
/* What a -ERR of a server means to a client. Texts are compared by their beginning, without regard
 * to case, since servers put names and numbers behind it. */
#ifndef RI_NATS_ERR_H
#define RI_NATS_ERR_H

#include "base/str.h"

typedef enum ri_nats_err_verdict {
    RI_NATS_ERR_STAYS,   /* one operation was refused; the connection goes on */
    RI_NATS_ERR_ENDS,    /* the server closes it: another connection may do better */
    RI_NATS_ERR_LOGIN,   /* the same, for the credentials: another will not do better with them */
} ri_nats_err_verdict;

typedef struct ri_nats_err {
    int code;            /* RILL_E* */
    ri_nats_err_verdict verdict;
    ri_str subject;      /* that was refused, in the text; empty: none is named */
    bool subscription;   /* it is that of a subscription, which is not in force: */
    ri_str queue, sid;   /* ... with this queue group, and by this number; empty: not said */
} ri_nats_err;

/* `text` is that of an operation: without its quotes. One that is not known is RILL_EPROTO, and
 * stays: a server that means more closes. */
void ri_nats_err_read(ri_str text, ri_nats_err *err);

#endif
