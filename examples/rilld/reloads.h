/* SPDX-License-Identifier: Apache-2.0 */
/* $SYS.REQ.SERVER.<id>.RELOAD: who is in the system's account asks for what SIGHUP does. Those that
 * wait share one reload, which the caller does; each hears what came of it. All of it is on the
 * main thread, by a bus that is in the system's account. */
#ifndef RILLD_RELOADS_H
#define RILLD_RELOADS_H

#include <stdbool.h>

#include "options.h"

struct ri_buffer;

enum { RELOADS_MAX = 16 /* asked at once */, RELOADS_ERROR_BYTES = 512,
       RELOADS_ACCOUNT_BYTES = 256 };

typedef struct reloads {
    rill_broker *broker;
    rill_bus *bus;            /* NULL: there is no system's account */
    rill_sub *sub;
    char account[RELOADS_ACCOUNT_BYTES]; /* where the bus is */
    const rill_msg *asked[RELOADS_MAX];
    int nasked;
    uint64_t answers;         /* so far */
    bool jetstream;
} reloads;

/* Zeroed before the first time. It listens in that account, whatever it was before; one that is not
 * there: it does not. */
void reloads_start(reloads *self, rill_broker *broker, const char *account, bool jetstream);
void reloads_stop(reloads *self);
int reloads_fd(reloads *self); /* for the caller's poll(); -1: there is nothing to wait for */
int reloads_wait_ms(reloads *self);
bool reloads_turn(reloads *self); /* is it asked? Then reloads_answer() follows */
/* `error` empty: it is done. */
void reloads_answer(reloads *self, const char *error);

/* "server":{...}, as answers in $SYS.REQ begin. */
void reloads_put_server(rill_broker *broker, bool jetstream, uint64_t seq, struct ri_buffer *out);

#endif
