/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and subscriptions listed to a function of the program, which may call rill: they are
 * copied inside the gate, so many at a time, and listed outside of it. */
#ifndef RI_ROLL_H
#define RI_ROLL_H

#include "front/broker/broker.h"

/* As rill_broker_conns() and rill_broker_subs(): how many were listed; RILL_ENOMEM. */
int ri_roll_conns(ri_broker *b, uint64_t after, rill_conn_fn fn, void *arg);
int ri_roll_subs(ri_broker *b, const rill_conn_subs_opts *opts, rill_conn_sub_fn fn, void *arg,
                 uint64_t *total);

#endif
