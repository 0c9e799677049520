/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots and restores as a client makes them, at a desk: a taker is sent the chunks, and what it
 * has is sent back. The desk's answers come to "in". */
#ifndef RI_TEST_TAKER_H
#define RI_TEST_TAKER_H

#include "support/desk.h"

typedef struct taker { /* a client that is sent the chunks */
    world *w;
    ri_party party;
    ri_subscription sub;
    ri_buffer bytes;
    unsigned chunks;
    char ack[200];       /* the reply of the last chunk; empty: it had none */
    char status[64];     /* of the message that ended it */
    bool acks;           /* in the next turn */
} taker;

int taker_init(taker *t, desk *d, const char *subject);
void taker_fini(taker *t);

#define CONF "{\"name\":\"S\",\"subjects\":[\"s.*\"]}"
#define RESTORE "{\"config\":" CONF "}"
#define REPLY(type) "in: in {\"type\":\"io.nats.jetstream.api.v1." type "\""
#define NOTHING_LEFT "[     0] " REPLY("stream_names_response") ",\"total\":0,\"offset\":0," \
                     "\"limit\":1024,\"streams\":null}\n"

desk *desk_new(void); /* the one of its test */
/* Five messages, of which the third is gone, and a consumer that has two of them. */
void fill(desk *d);
/* The archive of S into `t`, which acknowledges. */
int archive(taker *t, desk *d, const char *request);
/* Where the chunks of a restore go: out of the answer to its request. */
bool restore_begin(desk *d, const char *body, char to[200]);
void restore_send(desk *d, const char *to, ri_str chunk);
void restore_all(desk *d, ri_str bytes);
/* All that a client may see of the stream. */
void look(desk *d, char out[8192]);

#endif
