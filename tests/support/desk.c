/* SPDX-License-Identifier: Apache-2.0 */
#include "support/desk.h"

#include <ctype.h>
#include <stdio.h>

#include "base/nuid.h"

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

void desk_turn(desk *d)
{
    do {
        ri_jetstream_api_step(d->api, d->w.wall_ns, d->w.mono_ns);
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

static size_t desk_word(ri_str s)
{
    size_t n = 0;
    while (n < s.len && isalnum((unsigned char)s.ptr[n])) n++;
    return n;
}

void desk_told(desk *d, const char *want, const char *file, int line)
{
    ri_buffer masked;
    ri_buffer_init(&masked, &d->w.f->host);
    for (ri_str rest = ri_buffer_str(&d->w.told); rest.len;) {
        size_t n = desk_word(rest);
        ri_str word = {rest.ptr, n ? n : 1};
        if (n == RI_NUID_LEN)
            ri_buffer_puts(&masked, "ID");
        else
            ri_buffer_put_str(&masked, word);
        rest = ri_str_from(rest, word.len);
    }
    desk_forget(d);
    ri_buffer_put_str(&d->w.told, ri_buffer_str(&masked));
    ri_buffer_fini(&masked);
    world_told(&d->w, want, file, line);
}

void desk_forget(desk *d)
{
    ri_buffer_reset(&d->w.told);
}
