/* SPDX-License-Identifier: Apache-2.0 */
#include "front/peer_nats/nats_ask.h"

#include "base/assert.h"
#include "base/error.h"

/* What was appended before is stored when its receipt has come. */
static int nats_ask_settled(ri_nats_api *api, ri_ask *ask)
{
    (void)api;
    (void)ask;
    return RILL_OK;
}

static int nats_ask_api(ri_nats_api *api, ri_ask *ask)
{
    ri_packet *packet;
    /* It may be a request that changes something: a lost one is not made again. */
    int status, rc = ri_nats_api_raw(api, ask->subject, ask->body, false, &packet, &status);
    if (rc < 0) return rc;
    *ask->out.msg = ri_bus_msg_own(&api->peer->bus, packet);
    return *ask->out.msg ? RILL_OK : RILL_ENOMEM;
}

static const ri_nats_ask_fn nats_ask_fns[RI_ASK_KINDS] = {
    [RI_ASK_STREAM_MAKE] = ri_nats_stream_make,
    [RI_ASK_STREAM_ENSURE] = ri_nats_stream_ensure,
    [RI_ASK_STREAM_SEAL] = ri_nats_stream_seal,
    [RI_ASK_STREAM_DELETE] = ri_nats_stream_delete,
    [RI_ASK_STREAM_STATUS] = ri_nats_stream_status,
    [RI_ASK_STREAM_DESCRIBE] = ri_nats_stream_describe,
    [RI_ASK_STREAM_NAMES] = ri_nats_stream_names,
    [RI_ASK_STREAM_PURGE] = ri_nats_stream_purge,
    [RI_ASK_STREAM_DROP] = ri_nats_stream_purge,
    [RI_ASK_STREAM_ERASE] = ri_nats_stream_erase,
    [RI_ASK_STREAM_SETTLED] = nats_ask_settled,
    [RI_ASK_GET] = ri_nats_stored_get,
    [RI_ASK_LAST] = ri_nats_stored_get,
    [RI_ASK_NEXT] = ri_nats_stored_get,
    [RI_ASK_SUBJECTS] = ri_nats_stream_subjects,
    [RI_ASK_KEYS] = ri_nats_stored_keys,
    [RI_ASK_JOIN] = ri_nats_group_join,
    [RI_ASK_SEEK] = ri_nats_group_seek,
    [RI_ASK_GROUP_ENSURE] = ri_nats_group_ensure,
    [RI_ASK_GROUP_DELETE] = ri_nats_group_delete,
    [RI_ASK_GROUP_STATUS] = ri_nats_group_status,
    [RI_ASK_GROUP_NAMES] = ri_nats_group_names,
    [RI_ASK_GROUP_PAUSE] = ri_nats_group_pause,
    [RI_ASK_API] = nats_ask_api,
};

int ri_nats_ask(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker) && nats_ask_fns[ask->kind]);
    ri_nats_api api;
    ri_nats_api_begin(&api, bus, ask->kind == RI_ASK_API ? ask->timeout_ns : bus->answer_ns);
    int rc = nats_ask_fns[ask->kind](&api, ask);
    ri_nats_api_end(&api);
    return rc;
}
