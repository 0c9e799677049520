/* SPDX-License-Identifier: Apache-2.0 */
/* The JetStream API as a service of a broker: what it asks the broker for, and its table. */
#include <string.h>

#include "front/broker/broker.h"
#include "front/broker/durable.h"
#include "front/broker/rooms.h"
#include "front/jetstream/js_request.h"
#include "net/machine.h"

static ri_jetstream_api *service_api(const ri_service *service)
{
    return ri_container_of((ri_service *)(uintptr_t)service, ri_jetstream_api, service);
}

ri_jetstream_api *ri_jetstream_api_of(ri_service *service)
{
    return service && service->ops == &ri_jetstream_service ? service_api(service) : NULL;
}

static bool service_conns(void *arg, ri_broker_conns_query *query)
{
    return ri_broker_list_conns(arg, query);
}

static void service_stats(void *arg, rill_stats *out)
{
    ri_broker_stats_inside(arg, out);
}

/* Each look begins anew, as rooms come and go. */
static ri_js *service_streams_of(const ri_broker *b, const char *account)
{
    struct ri_durable *room = NULL;
    while (b->durable && (room = ri_rooms_after(b->durable, room)) != NULL)
        if (strcmp(ri_rooms_account(room), account) == 0) return ri_durable_js(room);
    return NULL;
}

static bool service_is_failing(const ri_broker *b)
{
    return b->durable && ri_durable_is_failing(b->durable);
}

static const ri_js_house service_house = {
    .account_stats = ri_broker_account_stats, .account_at = ri_broker_account_at,
    .streams_of = service_streams_of, .is_failing = service_is_failing,
    .machine = ri_machine_use_of,
};

static int service_open(ri_service **service, const ri_service_opts *opts)
{
    ri_broker *b = opts->broker;
    ri_jetstream_api *api;
    ri_jetstream_api_opts own = {
        .host = &b->host, .router = &b->router, .account = opts->account,
        .domain = opts->domain, .server_name = b->name,
        .server_id = b->keys.id, .version = b->version, .store_dir = opts->store_dir,
        .max_msg_bytes = b->conf.max_msg_bytes, .max_memory_bytes = opts->max_memory_bytes,
        .max_store_bytes = opts->max_store_bytes, .conns = service_conns,
        .broker_stats = service_stats, .broker = b, .house = &service_house,
    };
    int rc = ri_jetstream_api_open(&api, &own);
    if (rc < 0) return rc;
    api->service.ops = &ri_jetstream_service;
    *service = &api->service;
    return RILL_OK;
}

static int service_start(ri_service *service, ri_js *js)
{
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
