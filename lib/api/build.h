/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RI_BUILD_H
#define RI_BUILD_H

#include "front/broker/broker.h"

/* A bus at this broker; options as the caller gave them. */
int ri_build_bus(rill_bus **bus, ri_broker *broker, const rill_opts *opts);

#endif
