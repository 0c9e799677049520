/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs on Debian's libnats share. Each does a user's work against the server that
 * NATS_URL names and prints what it saw, in words that are the same whichever server that is. */
#ifndef PEERS_NATSC_H
#define PEERS_NATSC_H

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NATSC_WAIT_MS 30000

/* The call must succeed. */
#define OK(call) natsc_ok((call), #call, __LINE__)
/* The condition must hold. */
#define HOLDS(condition) natsc_holds((condition), #condition, __LINE__)

static inline void natsc_ok(natsStatus status, const char *what, int line)
{
    if (status == NATS_OK) return;
    fprintf(stderr, "line %d: %s: %s\n", line, what, natsStatus_GetText(status));
    exit(1);
}

static inline void natsc_holds(int holds, const char *what, int line)
{
    if (holds) return;
    fprintf(stderr, "line %d: does not hold: %s\n", line, what);
    exit(1);
}

static inline const char *natsc_url(void)
{
    const char *url = getenv("NATS_URL");
    return url != NULL ? url : "nats://127.0.0.1:4222";
}

static inline natsConnection *natsc_connect(void)
{
    natsConnection *conn;
    natsOptions *opts;
    OK(natsOptions_Create(&opts));
    OK(natsOptions_SetURL(opts, natsc_url()));
    OK(natsOptions_SetTimeout(opts, NATSC_WAIT_MS)); /* two seconds are little on a busy machine */
    OK(natsConnection_Connect(&conn, opts));
    natsOptions_Destroy(opts);
    return conn;
}

/* The next message; yours to destroy. */
static inline natsMsg *natsc_next(natsSubscription *sub)
{
    natsMsg *msg;
    OK(natsSubscription_NextMsg(&msg, sub, NATSC_WAIT_MS));
    return msg;
}

/* How many wait at a subscription once all that was published has come. */
static inline int natsc_waiting(natsConnection *conn, natsSubscription *sub)
{
    int msgs = 0, bytes = 0;
    OK(natsConnection_FlushTimeout(conn, NATSC_WAIT_MS));
    OK(natsSubscription_GetPending(sub, &msgs, &bytes));
    return msgs;
}

#endif
