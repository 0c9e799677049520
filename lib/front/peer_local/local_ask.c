/* SPDX-License-Identifier: Apache-2.0 */
/* What a program asks the JetStream API of the broker in its own process. */
#include "base/assert.h"
#include "base/error.h"
#include "front/jetstream/jetstream_api.h"
#include "front/peer_local/local_durable.h"

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

int ri_local_ask(rill_bus *bus, const char *subject, ri_str body, rill_msg **answer,
                 int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_js_ask ask;
    ri_durable *durable;
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    ri_jetstream_api *api = ri_jetstream_api_of(ri_durable_service(durable));
    if (!api) rc = ri_err(RILL_ENOTSUP, "the broker was opened without jetstream");
    if (rc == RILL_OK && (rc = ri_jetstream_api_ask(api, &ask, ri_str_of(subject), body)) ==
        RILL_OK) {
        if (!ri_durable_wait(durable, &ask.over, timeout_ns))
            rc = ri_err(RILL_ETIMEDOUT, "there was no answer to %s in time", subject);
        else if (ask.closed)
            rc = ri_err(RILL_ECLOSED, "the broker was closed before it answered");
        else
            rc = ask_answer(bus, &ask, answer);
        ri_jetstream_api_ask_end(&ask);
    }
    ri_broker_leave(bus->broker);
    return rc;
}
