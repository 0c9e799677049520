/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle asks about streams and groups (front/handle/ask.h), in requests to a server. All
 * are called inside the gate, and leave it while they wait. */
#ifndef RI_NATS_ASK_H
#define RI_NATS_ASK_H

#include "front/peer_nats/nats_api.h"

/* ---- nats_ask.c ---- */
int ri_nats_ask(rill_bus *bus, ri_ask *ask);

typedef int (*ri_nats_ask_fn)(ri_nats_api *api, ri_ask *ask);

/* ---- nats_stream.c ---- */
int ri_nats_stream_make(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_ensure(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_seal(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_delete(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_status(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_describe(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_names(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_purge(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_erase(ri_nats_api *api, ri_ask *ask);
int ri_nats_stream_subjects(ri_nats_api *api, ri_ask *ask);
/* What STREAM.INFO says; RILL_ENOENT. */
int ri_nats_stream_info(ri_nats_api *api, const char *stream, const ri_stream_info **info);

/* ---- nats_stored.c ---- */
int ri_nats_stored_get(ri_nats_api *api, ri_ask *ask);
int ri_nats_stored_keys(ri_nats_api *api, ri_ask *ask);
/* The number of the first message that was stored then or later, or of the next one. */
int ri_nats_stored_seq_at(ri_nats_api *api, const char *stream, int64_t time_ns, uint64_t *seq);

/* ---- nats_group.c ---- */
int ri_nats_group_join(ri_nats_api *api, ri_ask *ask);
int ri_nats_group_ensure(ri_nats_api *api, ri_ask *ask);
int ri_nats_group_delete(ri_nats_api *api, ri_ask *ask);
int ri_nats_group_seek(ri_nats_api *api, ri_ask *ask);
int ri_nats_group_pause(ri_nats_api *api, ri_ask *ask);
int ri_nats_group_status(ri_nats_api *api, ri_ask *ask);
int ri_nats_group_names(ri_nats_api *api, ri_ask *ask);

/* ---- nats_pull.c: inside the gate ---- */
typedef struct ri_nats_reader ri_nats_reader;
/* For a subscription that is to come, which finds it by its number. */
int ri_nats_pull_new(ri_nats_peer *peer, const char *stream, const ri_consumer_info *info, bool own,
                     uint32_t *number);
int ri_nats_pull_more(rill_sub *sub, uint32_t n);
void ri_nats_pull_enough(rill_sub *sub);
int ri_nats_pull_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how);
void ri_nats_pull_leave(rill_sub *sub);
void ri_nats_pull_heal(ri_nats_reader *reader);
bool ri_nats_pull_is_own(rill_sub *sub); /* it has a consumer of its own */
/* Such a reader goes on there; waits for the answer. */
int ri_nats_pull_seek(ri_nats_api *api, rill_sub *sub, uint64_t seq);

#endif
