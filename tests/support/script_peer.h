/* SPDX-License-Identifier: Apache-2.0 */
/* A second kind of peer, which proves that ri_peer_ops holds more than the broker of this process.
 * It keeps what it is asked as lines of text, and answers from a script, later than asked: on a
 * thread of its own, or, under RILL_DRIVE_HOST, in its turn.
 *
 *     it hears     PUB SUBJECT TEXT    SUB SUBJECT    UNSUB SUBJECT    APPEND SUBJECT TEXT
 *                  ASK KIND STREAM SUBJECT    MORE N    SETTLE HOW     LEAVE
 *     it answers   the appends and the questions, each by the next row of the script */
#ifndef RI_TEST_SCRIPT_PEER_H
#define RI_TEST_SCRIPT_PEER_H

#include "front/handle/peer.h"

typedef struct script_row {
    bool never;            /* it is not answered */
    int rc;                /* what it is answered with ... */
    const char *sentence;  /* ... if that is a failure */
    uint64_t seq;          /* of a receipt or a message; a count */
    const char *subject, *headers, *data; /* of a message */
    const char *names[4];
    ri_ask_joined joined;
} script_row;

/* `rows` live as long as the bus. */
int script_open(rill_bus **bus, rill_drive drive, const script_row *rows);
/* A message comes for who subscribed to `where`. */
void script_bring(rill_bus *bus, const char *where, const ri_message *m);
/* What was heard since the last call, lent until the next one. */
const char *script_heard(rill_bus *bus);

#endif
