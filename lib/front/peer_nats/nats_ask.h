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
/* Outside the gate. */
bool ri_nats_stream_takes(rill_bus *bus, ri_str subject, int64_t timeout_ns);
/* What STREAM.INFO says; RILL_ENOENT. */
int ri_nats_stream_info(ri_nats_api *api, const char *stream, const ri_stream_info **info);
/* The same, with the numbers that are missing between the first and the last. */
int ri_nats_stream_deleted(ri_nats_api *api, const char *stream, const ri_stream_info **info);

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

/* A consumer that is made begins there: by its time, or at `seq`. */
void ri_nats_group_begin_at(ri_consumer_conf *conf, const rill_at *at, uint64_t seq);

/* ---- nats_pull.c: inside the gate ---- */
typedef struct ri_nats_reader ri_nats_reader;
/* For a subscription that is to come, which finds it by its number. */
int ri_nats_pull_new(ri_nats_peer *peer, const char *stream, const ri_consumer_info *info, bool own,
                     uint32_t *number);
int ri_nats_pull_more(rill_sub *sub, uint32_t n);
void ri_nats_pull_enough(rill_sub *sub);
bool ri_nats_pull_hand_out(rill_sub *sub, const ri_packet *m);
int ri_nats_pull_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how);
void ri_nats_pull_leave(rill_sub *sub);
void ri_nats_pull_heal(ri_nats_reader *reader);
/* Before a group is sent elsewhere, and behind it, whether it was or not. */
void ri_nats_pull_hold(ri_nats_peer *peer, const char *stream, const char *group);
void ri_nats_pull_go_on(ri_nats_peer *peer, const char *stream, const char *group, bool elsewhere);
/* So many of its messages, up to the one that it has counted as `delivered`, lie in queues of
 * readers here. */
uint64_t ri_nats_pull_unread(ri_nats_peer *peer, const char *stream, const char *group,
                             uint64_t delivered);
/* What the server calls a consumer that had this name when its reader began. */
const char *ri_nats_pull_name(ri_nats_peer *peer, const char *stream, const char *group);
bool ri_nats_pull_is_own(rill_sub *sub); /* it has a consumer of its own */
/* Such a reader goes on there; waits for the answer. */
int ri_nats_pull_seek(ri_nats_api *api, rill_sub *sub, const rill_at *at, uint64_t seq);

#endif
