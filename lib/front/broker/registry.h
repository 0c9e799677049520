/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers that are found by name: mem:NAME means the same broker to all of this process. */
#ifndef RI_REGISTRY_H
#define RI_REGISTRY_H

#include "front/broker/broker.h"

/* The broker of that name, made with `opts` if there is none, with a reference for the caller. */
int ri_registry_get(ri_broker **broker, ri_str name, const rill_broker_opts *opts);

#endif
