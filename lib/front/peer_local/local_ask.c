/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the streams at hand is over when the call returns. */
#include "base/error.h"
#include "front/jetstream/jetstream_api.h"
#include "front/peer_local/local_parts.h"

/* Inside the gate: the answer as a message of the caller's own. */
static int ask_answer(rill_bus *bus, const ri_js_ask *ask, rill_msg **answer)
{
    ri_router *router = &bus->broker->router;
    ri_message m = {.subject = RI_STR("_ASK"), .data = ri_buffer_str(&ask->answer)};
    if (ask->answer.failed) return RILL_ENOMEM;
    ri_packet *packet = ri_packet_new(router->pool, &m, router->time_ns);
    *answer = packet ? ri_bus_msg_own(bus, packet) : NULL;
    return *answer ? RILL_OK : RILL_ENOMEM;
}

static int ask_api(rill_bus *bus, ri_ask *a)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_js_ask ask;
    ri_durable *durable = bus->broker->durable;
    ri_jetstream_api *api = ri_jetstream_api_of(ri_durable_service(durable));
    if (!api) return ri_err(RILL_ENOTSUP, "the broker was opened without jetstream");
    int rc = ri_jetstream_api_ask(api, &ask, a->subject, a->body);
    if (rc < 0) return rc;
    if (!ri_durable_wait(durable, &ask.over, a->timeout_ns))
        rc = ri_err(RILL_ETIMEDOUT, "there was no answer to %.*s in time", RI_ARG(a->subject));
    else if (ask.closed)
        rc = ri_err(RILL_ECLOSED, "the broker was closed before it answered");
    else
        rc = ask_answer(bus, &ask, a->out.msg);
    ri_jetstream_api_ask_end(&ask);
    return rc;
}

int ri_local_ask(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    typedef int ask_of_parts(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
    static const struct {
        ri_local_answer answer;
        ask_of_parts *parts; /* of a stream of several partitions; NULL: as it says itself */
    } rows[RI_ASK_KINDS] = {
        [RI_ASK_STREAM_MAKE] = {ri_local_stream_make, NULL},
        [RI_ASK_STREAM_ENSURE] = {ri_local_stream_ensure, ri_local_parts_ensure},
        [RI_ASK_STREAM_SEAL] = {ri_local_stream_seal, ri_local_parts_each},
        [RI_ASK_STREAM_DELETE] = {ri_local_stream_delete, ri_local_parts_each_back},
        [RI_ASK_STREAM_STATUS] = {ri_local_stream_status, NULL},
        [RI_ASK_STREAM_DESCRIBE] = {ri_local_stream_describe, NULL},
        [RI_ASK_STREAM_NAMES] = {ri_local_stream_names, NULL},
        [RI_ASK_STREAM_PURGE] = {ri_local_stream_purge, ri_local_parts_purge},
        [RI_ASK_STREAM_DROP] = {ri_local_stream_drop, NULL},
        [RI_ASK_STREAM_ERASE] = {ri_local_stream_erase, ri_local_parts_one},
        [RI_ASK_STREAM_SETTLED] = {ri_local_stream_settled, ri_local_parts_each},
        [RI_ASK_GET] = {ri_local_stream_get, ri_local_parts_one},
        [RI_ASK_LAST] = {ri_local_stream_get, ri_local_parts_one},
        [RI_ASK_NEXT] = {ri_local_stream_next, ri_local_parts_one},
        [RI_ASK_SUBJECTS] = {ri_local_stream_subjects, NULL},
        [RI_ASK_KEYS] = {ri_local_stream_subjects, NULL},
        [RI_ASK_JOIN] = {ri_local_group_join, ri_local_parts_join},
        [RI_ASK_SEEK] = {ri_local_group_seek, NULL},
        [RI_ASK_GROUP_ENSURE] = {ri_local_group_ensure, ri_local_parts_group_ensure},
        [RI_ASK_GROUP_DELETE] = {ri_local_group_delete, ri_local_parts_each_back},
        [RI_ASK_GROUP_STATUS] = {ri_local_group_status, ri_local_parts_group_status},
        [RI_ASK_GROUP_NAMES] = {ri_local_group_names, NULL},
        [RI_ASK_GROUP_PAUSE] = {ri_local_group_pause, ri_local_parts_each},
        [RI_ASK_API] = {ask_api, NULL},
    };
    int rc = ri_local_is_guarded(bus) ? ri_local_guard_ask(bus, ask) : RILL_OK;
    if (rc < 0) return rc;
    ri_local_answer answer = rows[ask->kind].answer;
    return rows[ask->kind].parts ? rows[ask->kind].parts(bus, ask, answer) : answer(bus, ask);
}
