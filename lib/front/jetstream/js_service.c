/* SPDX-License-Identifier: Apache-2.0 */
/* The JetStream API as a service of a broker: what it asks the broker for, and its table. */
#include "base/error.h"
#include "front/broker/broker.h"
#include "front/broker/departed.h"
#include "front/broker/venue.h"
#include "front/jetstream/js_request.h"

static ri_jetstream_api *service_api(const ri_service *service)
{
    return ri_container_of((ri_service *)(uintptr_t)service, ri_jetstream_api, service);
}

ri_jetstream_api *ri_jetstream_api_of(ri_service *service)
{
    return service && service->ops == &ri_jetstream_service ? service_api(service) : NULL;
}

static const char *service_host(const ri_broker *b)
{
    const ri_venue *at = ri_venue_find(b, RI_URL_NATS);
    return at && at->name ? at->name : "";
}

static const ri_js_house service_house = {
    .host = service_host, .page = ri_js_pages_answer, .act = ri_js_acts_answer};

static int service_open(ri_service **service, const ri_service_opts *opts)
{
    ri_broker *b = opts->broker;
    ri_jetstream_api *api;
    ri_jetstream_api_opts own = {
        .host = &b->host, .router = &b->router, .account = opts->account,
        .domain = opts->domain, .server_name = b->name,
        .server_id = b->keys.id, .version = b->version, .max_msg_bytes = b->conf.max_msg_bytes,
        .broker = b, .house = &service_house, .attends = opts->attends,
    };
    int rc = ri_jetstream_api_open(&api, &own);
    if (rc < 0) return rc;
    api->service.ops = &ri_jetstream_service;
    *service = &api->service;
    return RILL_OK;
}

/* Where there is a system's account somebody may ask who has gone. */
static void service_keep(const ri_service *service)
{
    ri_broker *b = service_api(service)->opts.broker;
    if (ri_accounts_system(b->conf.accounts) && ri_departed_keep(b) < 0)
        ri_host_log(&b->host, RILL_ERROR, "connections that have gone: %s", ri_err_text());
}

static int service_start(ri_service *service, ri_js *js)
{
    service_keep(service);
    return ri_jetstream_api_start(service_api(service), js);
}

static bool service_waiting(const ri_service *service)
{
    return ri_jetstream_api_waiting(service_api(service));
}

static void service_step(ri_service *service, int64_t now_wall_ns, int64_t now_mono_ns)
{
    ri_jetstream_api_step(service_api(service), now_wall_ns, now_mono_ns);
}

static int64_t service_next_due_ns(const ri_service *service)
{
    return ri_jetstream_api_next_due_ns(service_api(service));
}

static void service_event(ri_service *service, const ri_js_event *event)
{
    ri_jetstream_api_event(service_api(service), event);
}

static void service_accounts(ri_service *service)
{
    service_keep(service);
    ri_js_system_move(service_api(service));
    ri_js_absent_move(service_api(service));
}

static void service_counts(const ri_service *service, uint64_t *total, uint64_t *errors)
{
    ri_jetstream_api_stats stats;
    ri_jetstream_api_stats_of(service_api(service), &stats);
    *total = stats.total;
    *errors = stats.errors;
}

static void service_close(ri_service *service)
{
    ri_jetstream_api_close(service_api(service));
}

const ri_service_ops ri_jetstream_service = {
    .open = service_open,
    .start = service_start,
    .waiting = service_waiting,
    .step = service_step,
    .next_due_ns = service_next_due_ns,
    .event = service_event,
    .accounts = service_accounts,
    .counts = service_counts,
    .close = service_close,
};
