/* SPDX-License-Identifier: Apache-2.0 */
#include "support/desk.h"

#include <stdio.h>

int desk_init(desk *d, fault *f, const char *domain)
{
    d->api = NULL;
    int rc = f ? world_init_with(&d->w, f, NULL) : world_init(&d->w, NULL);
    if (rc < 0) return rc;
    ri_jetstream_api_opts opts = {
        .host = &d->w.f->host, .router = &d->w.router, .domain = domain,
        .server_name = "desk", .server_id = "ID", .version = "2.12.0",
    };
    rc = ri_jetstream_api_open(&d->api, &opts);
    if (rc < 0) return rc;
    d->w.also = ri_jetstream_api_event;
    d->w.also_arg = d->api;
    return ri_jetstream_api_start(d->api, d->w.js);
}

void desk_fini(desk *d, fault *f)
{
    d->w.also = NULL;
    ri_jetstream_api_close(d->api);
    if (f) world_fini_with(&d->w);
    else world_fini(&d->w);
}

void desk_slice(desk *d)
{
    ri_budget_open(&d->w.router.budget);
    ri_jetstream_api_step(d->api, d->w.wall_ns, d->w.mono_ns);
    ri_budget_close(&d->w.router.budget);
}

void desk_turn(desk *d)
{
    do {
        desk_slice(d);
        world_turn(&d->w);
    } while (ri_jetstream_api_waiting(d->api));
}

void desk_ask(desk *d, const char *path, const char *body)
{
    char subject[300];
    snprintf(subject, sizeof subject, "$JS.API.%s", path);
    world_publish(&d->w, subject, "in", "", body);
    desk_turn(d);
}

void desk_wait(desk *d, int64_t ms)
{
    int64_t end = d->w.mono_ns + ms * RI_MS;
    desk_turn(d);
    while (d->w.mono_ns < end) {
        int64_t due = RI_MIN(ri_jetstream_api_next_due_ns(d->api), ri_js_next_due_ns(d->w.js));
        world_move(&d->w, RI_MIN(RI_MAX(due, d->w.mono_ns), end));
        desk_turn(d);
    }
}

void desk_forget(desk *d)
{
    ri_buffer_reset(&d->w.told);
}
