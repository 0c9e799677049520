/* SPDX-License-Identifier: Apache-2.0 */
/* A second kind of door, which proves that ri_door_ops holds more than NATS: a protocol of lines,
 * over memory in place of sockets, on a loop of its own.
 *
 *     the peer says      SUB SUBJECT            PUB SUBJECT TEXT
 *     the peer hears     MSG SUBJECT TEXT       BYE, when the door has ended the connection
 *
 * It listens at "mem:". What a peer says is obeyed on the peer's thread; what it is to hear
 * waits in an out-queue, until the loop has written it to the peer. */
#ifndef RI_TEST_LINE_DOOR_H
#define RI_TEST_LINE_DOOR_H

#include "front/broker/broker.h"

extern const ri_door_ops line_door;

typedef struct line_conn line_conn;
/* The door of this broker, which listens. A connection lives as long as its door. */
ri_door *line_door_of(ri_broker *broker);
line_conn *line_dial(ri_door *door);
void line_say(line_conn *conn, const char *line);
/* The peer reads no more: what is written to it stays in the out-queue. Or it reads again. */
void line_hold(line_conn *conn, bool held);
/* What the peer has heard holds this text, or does so within 20 s. */
bool line_hears(line_conn *conn, const char *text);

/* What the table was called for. */
typedef struct line_door_counts {
    unsigned wakes, reloads, lame_ducks, sheds;
} line_door_counts;
line_door_counts line_door_counts_of(ri_door *door);

#endif
