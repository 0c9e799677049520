/* SPDX-License-Identifier: Apache-2.0 */
/* What this build is made of: the doors and the peers that it has. The one file that names them. */
#ifndef RI_BUILD_H
#define RI_BUILD_H

#include "codec/nats/url.h"
#include "front/broker/broker.h"
#include "front/broker/service.h"

/* Doors that a broker can listen with; a NULL ends the list. */
extern const ri_door_ops *const ri_build_doors[];
/* The API that a broker with `jetstream` hosts. */
extern const ri_service_ops *const ri_build_service;
/* Open a handle at this broker of the process. */
int ri_build_join(rill_bus **bus, ri_broker *broker, const rill_opts *opts);
/* Open a handle on what the URL names. RILL_EINVAL: no peer of this build has its scheme. */
int ri_build_open(rill_bus **bus, const ri_url *url, const rill_opts *opts);
int ri_build_salvage(const char *from, const char *to, const ri_host *host, rill_care_fn fn,
                     void *arg);

#endif
