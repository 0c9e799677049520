/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker says in its system's account without being asked, as nats-server does:
 *
 *     $SYS.ACCOUNT.<account>.CONNECT, .DISCONNECT     a connection has logged in, has gone
 *     $SYS.SERVER.<id>.CLIENT.AUTH.ERR                ... since it could not log in
 *     $SYS.SERVER.ACCOUNT.<account>.CONNS, and        an account has another number of them; not of
 *     $SYS.ACCOUNT.<account>.SERVER.CONNS             $G, which nats-server says nothing of, either
 *     $SYS.SERVER.<id>.LAMEDUCK                       it takes no more
 *     $SYS.SERVER.<id>.STATSZ                         how it fares, each 10 s: the answer to
 *                                                     $SYS.REQ.SERVER.<id>.STATSZ, which it asks
 *                                                     itself; CONNS come each 30 s, too
 *
 * A text is made when somebody listens for it, and not else: without a system's account all of
 * this is one comparison, and with one a look at its interest. What is said of one connection is
 * bounded by what is kept of its names. All inside the gate, and not within a publish. */
#ifndef RI_SYSTEM_EVENT_H
#define RI_SYSTEM_EVENT_H

#include "front/broker/broker.h"

typedef struct ri_system_client {
    const ri_broker_conn *conn;
    ri_str jwt;              /* empty: it showed none */
    const char *reason;      /* why it has gone; NULL: it has come */
    bool unknown;            /* ... since nobody knows it */
} ri_system_client;

/* Is there anybody who could listen? Else nothing has to be known of a connection. */
bool ri_system_event_heard(const ri_broker *b);
/* So many messages were made of it, for whoever counts what a turn does: likewise below. */
int ri_system_event_client(ri_broker *b, const ri_system_client *client);
int ri_system_event_conns(ri_broker *b, const ri_account *account);
void ri_system_event_lame_duck(ri_broker *b);
/* What is said from time to time, in slices: CONNS of each account that has connections, STATSZ.
 * When it wants to be called again: monotonic; INT64_MAX: never. */
int64_t ri_system_event_tend(ri_broker *b);
/* The number of the next answer or event of the system: they are counted from 1. */
static inline uint64_t ri_system_event_number(ri_broker *b)
{
    return ++b->system_seq;
}

#endif
