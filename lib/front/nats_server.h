/* SPDX-License-Identifier: Apache-2.0 */
/* The NATS door of a broker: listeners, connections, and the one thread that serves them. */
#ifndef RI_NATS_SERVER_H
#define RI_NATS_SERVER_H

#include "front/broker.h"

typedef struct ri_nats_server ri_nats_server;

int ri_nats_server_new(ri_nats_server **server, ri_broker *broker);
int ri_nats_server_listen(ri_nats_server *s, const char *url);
void ri_nats_server_wake(ri_nats_server *s);
int ri_nats_server_flush(ri_nats_server *s, int timeout_ms);
int ri_nats_server_lame_duck(ri_nats_server *s, uint32_t grace_ms, uint32_t duration_ms);
void ri_nats_server_reload(ri_nats_server *s);
void ri_nats_server_stats(ri_nats_server *s, rill_stats *add);
int ri_nats_server_close(ri_nats_server *s, int timeout_ms);

#endif
