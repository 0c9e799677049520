/* SPDX-License-Identifier: Apache-2.0 */
/* The broker of a test, which listens on a port that nobody else has. */
#ifndef RI_TEST_LISTENING_H
#define RI_TEST_LISTENING_H

#include <unistd.h>

#include "api.h"

static rill_broker *broker;
static int port;

/* At a port that nobody is given who does not ask for it, so that the broker finds it free when it
 * comes again, whatever other tests do meanwhile. */
static inline int listen_to_return(rill_broker *of)
{
    char url[64];
    int rc = RILL_EIO;
    for (unsigned i = (unsigned)getpid() * 7; rc == RILL_EIO; i++) {
        snprintf(url, sizeof url, "nats://127.0.0.1:%u", 10000 + i % 22000);
        rc = rill_broker_listen(of, url, NULL);
    }
    return rc;
}

static inline void start(const rill_broker_opts *opts)
{
    OK(rill_broker_open(&broker, opts));
    port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
    OK(port);
}

#endif
