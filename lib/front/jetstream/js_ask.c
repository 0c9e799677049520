/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of this process to its own JetStream API, which no bus hears: nobody else can see them,
 * and nobody else can answer.
 *
 *     ri_jetstream_api_ask() --> the row of api->own --> handled as every request is
 *                                                             |
 *     ask->answer <-- ri_js_ask_take(): is the subject of the answer the very bytes of the
 *                     question's reply? Whatever a stranger sends has other bytes.
 *
 * The question's packet keeps these bytes while the question waits. */
#include "base/assert.h"
#include "base/error.h"
#include "front/jetstream/js_request.h"

int ri_jetstream_api_ask(ri_jetstream_api *api, ri_js_ask *ask, ri_str subject, ri_str body)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    ri_router *router = api->party.router;
    ri_message m = {.subject = subject, .reply = RI_STR("_ASK"), .data = body};
    *ask = (ri_js_ask){.packet = ri_packet_new(router->pool, &m, router->time_ns)};
    ri_list_init(&ask->link);
    ri_buffer_init(&ask->answer, router->host); /* it may outlive the API */
    if (!ask->packet) return RILL_ENOMEM;
    ri_delivery d = {.router = router, .from = &api->own, .m = &m, .packet = ask->packet};
    if (!ri_js_row_put(api, &d, false)) {
        ri_jetstream_api_ask_end(ask);
        return ri_err(RILL_EAGAIN, "too many requests of the JetStream API wait");
    }
    ri_list_push(&api->asks, &ask->link);
    return RILL_OK;
}

void ri_jetstream_api_ask_end(ri_js_ask *ask)
{
    ri_list_remove(&ask->link);
    ri_buffer_fini(&ask->answer);
    if (ask->packet) ri_packet_unref(ask->packet);
    ask->packet = NULL;
}

void ri_js_ask_close_all(ri_jetstream_api *api)
{
    for (ri_list *link; (link = ri_list_pop(&api->asks)) != NULL;) {
        ri_js_ask *ask = ri_container_of(link, ri_js_ask, link);
        ask->over = ask->closed = true;
    }
}

static ri_js_ask *ask_of(const ri_jetstream_api *api, ri_str reply)
{
    ri_list_each (link, &api->asks) {
        ri_js_ask *ask = ri_container_of(link, ri_js_ask, link);
        if (ri_packet_reply(ask->packet).ptr == reply.ptr) return ask;
    }
    return NULL;
}

bool ri_js_ask_is_own(const ri_js_request *r)
{
    return r->asker && r->asker->party == &r->api->own;
}

bool ri_js_ask_waits(const ri_js_request *r)
{
    return ask_of(r->api, r->reply) != NULL;
}

bool ri_js_ask_take(ri_jetstream_api *api, ri_str subject, ri_str data)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    ri_js_ask *ask = ask_of(api, subject);
    if (!ask) return false;
    ri_buffer_reset(&ask->answer);
    ri_buffer_put_str(&ask->answer, data);
    ask->over = true;
    return true;
}
