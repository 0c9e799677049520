/* SPDX-License-Identifier: Apache-2.0 */
/* The broker of a test, which listens on a port that nobody else has. */
#ifndef RI_TEST_LISTENING_H
#define RI_TEST_LISTENING_H

#include "api.h"

static rill_broker *broker;
static int port;

static inline void start(const rill_broker_opts *opts)
{
    OK(rill_broker_open(&broker, opts));
    port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
    OK(port);
}

#endif
