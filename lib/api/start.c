/* SPDX-License-Identifier: Apache-2.0 */
#include "api/start.h"

#include "api/args.h"
#include "base/deadline.h"
#include "front/forward/forward.h"
#include "front/handle/bus_reap.h"
#include "front/handle/peer.h"

/* The fields that are given. */
static uint32_t start_fields(const rill_call *c)
{
    return (c->sub ? RI_VERB_SUB : 0u) | (c->kv ? RI_VERB_KV : 0u) |
           (c->objs ? RI_VERB_OBJS : 0u) | (c->to ? RI_VERB_TO : 0u) |
           (c->batch ? RI_VERB_BATCH : 0u) | (c->name ? RI_VERB_NAME : 0u) |
           (c->group ? RI_VERB_GROUP : 0u) | (c->data || c->len ? RI_VERB_DATA : 0u) |
           (c->post ? RI_VERB_POST : 0u) | (c->sub_opts ? RI_VERB_SUB_OPTS : 0u) |
           (c->stream_opts ? RI_VERB_STREAM_OPTS : 0u) |
           (c->bucket_opts ? RI_VERB_BUCKET_OPTS : 0u) |
           (c->kv_opts ? RI_VERB_KV_OPTS : 0u) | (c->purge_opts ? RI_VERB_PURGE_OPTS : 0u) |
           (c->at ? RI_VERB_AT : 0u) | (c->time_ns ? RI_VERB_TIME : 0u) |
           (c->forward ? RI_VERB_FORWARD : 0u);
}

static const char *start_field_name(uint32_t fields)
{
    static const char *const names[] = {
        "sub", "kv", "objs", "to", "batch", "name", "group", "data", "post", "sub_opts",
        "stream_opts", "bucket_opts", "kv_opts", "purge_opts", "at", "time_ns", "forward"};
    size_t i = 0;
    while (!(fields & 1u << i)) i++;
    RI_ASSERT(i < RI_LEN(names));
    return names[i];
}

/* The handles that it names are open, and of this bus; rill_obj_link() looks at `to`. */
static int start_handles(rill_bus *bus, const rill_call *c)
{
    bool same = (!c->sub || (ri_args_sub(c->sub) == RILL_OK && c->sub->bus == bus)) &&
                (!c->kv || ri_bus_kv_bus(c->kv) == bus) &&
                (!c->objs || ri_bus_obj_bus(c->objs) == bus) &&
                (!c->batch || ri_bus_batch_bus(c->batch) == bus) &&
                (!c->forward || (ri_forward_is_sound(c->forward) && c->forward->from == bus));
    return same ? RILL_OK : ri_err(RILL_EINVAL, "a handle of the call is not one of this bus");
}

static int start_check(rill_bus *bus, const rill_call *c, const ri_verb **verb)
{
    *verb = ri_verb_of(c->verb);
    if (!*verb) return ri_err(RILL_EINVAL, "verb is %d", (int)c->verb);
    uint32_t extra = start_fields(c) & ~(*verb)->fields;
    if (extra)
        return ri_err(RILL_EINVAL, "RILL_DO_%s does not look at %s", (*verb)->name,
                      start_field_name(extra));
    int rc = ri_args_data(c->data, c->len);
    if (rc == RILL_OK && c->verb == RILL_DO_OBJ_PUT && c->len > RILL_START_DATA_MAX)
        return ri_err(RILL_ETOOBIG, "%zu bytes of an object: rill_obj_put() is for more than %d",
                      c->len, RILL_START_DATA_MAX);
    return rc < 0 ? rc : start_handles(bus, c);
}

/* What has a shorter way, with no time of its own. */
static bool start_is_short(const rill_call *c)
{
    return c->verb == RILL_DO_REQUEST || (c->verb == RILL_DO_APPEND && c->timeout_ms == 0);
}

static int start_timeout_ms(rill_bus *bus, const rill_call *c)
{
    RI_ASSERT(bus->answer_ns > 0);
    if (c->timeout_ms > 0) return c->timeout_ms;
    if (c->timeout_ms < 0) return INT32_MAX; /* an end that it never sees, but by a cancel */
    return (int)RI_MIN(bus->answer_ns / RI_MS, INT32_MAX);
}

static int start_short(rill_bus *bus, const rill_call *c, const ri_bus_done *done)
{
    ri_str data = {c->data, c->len};
    RI_ASSERT(start_is_short(c));
    if (c->verb == RILL_DO_APPEND) return ri_send_append(bus, c->name, data, c->post, done);
    int timeout_ms = c->timeout_ms < 0 ? -1 : start_timeout_ms(bus, c);
    return ri_send_request(bus, c->name, data, c->post, timeout_ms, done);
}

static void start_free(ri_bus_call *call)
{
    ri_start *s = ri_container_of(call, ri_start, call);
    RI_ASSERT(s->bus == call->bus && s->item == &call->item);
    ri_host host = s->bus->host;
    if (!call->delivered) { /* nobody knows of what it has opened */
        rill_sub_close(s->item->sub);
        rill_kv_close(s->item->kv);
        rill_objs_close(s->item->objs);
    }
    ri_verb_drop(s);
    ri_buffer_fini(&s->bytes);
    ri_free(&host, s->rows, s->rows_cap * sizeof *s->rows);
    ri_arena_fini(&s->arena);
    ri_delete(&host, s);
}

/* What a call that failed has made is given back, and its item has nothing but that. */
static void start_undo(ri_start *s)
{
    rill_item *item = s->item;
    RI_ASSERT(!s->call.delivered);
    ri_verb_drop(s);
    s->msg = NULL;
    *item = (rill_item){.kind = item->kind, .arg = item->arg};
}

static int start_run(ri_bus_call *call)
{
    ri_start *s = ri_container_of(call, ri_start, call);
    ri_failure why;
    RI_ASSERT(s->c && s->c->verb && s->verb == ri_verb_of(s->c->verb));
    int rc = ri_failure_keep(&why, s->verb->run(s));
    if (rc >= 0) return rc;
    start_undo(s);
    return ri_failure_restore(&why);
}

static ri_start *start_new(rill_bus *bus, const ri_verb *verb, const rill_call *c,
                           rill_done_fn done, void *arg)
{
    RI_ASSERT(verb && verb == ri_verb_of(c->verb) && (done || bus->reap));
    ri_start *s = ri_new(&bus->host, ri_start);
    if (!s) return NULL;
    s->call.bus = s->bus = bus;
    s->call.run = start_run;
    s->call.free = start_free;
    s->call.done = done;
    s->call.beside = verb->beside;
    s->call.arg = arg;
    s->verb = verb;
    s->item = &s->call.item;
    s->timeout_ms = start_timeout_ms(bus, c);
    s->call.begin_ns = ri_deadline_in(&bus->host,
                                      c->timeout_ms < 0 ? -1 : ri_ns_of_ms(s->timeout_ms));
    /* A verb that is timed has its own end, and needs no other but a cancel. */
    s->call.until_ns = verb->timed ? INT64_MAX : s->call.begin_ns;
    ri_arena_init(&s->arena, &bus->host);
    ri_buffer_init(&s->bytes, &bus->host);
    return s;
}

static int start_long(rill_bus *bus, const ri_verb *verb, const rill_call *c,
                      rill_done_fn done, void *arg)
{
    const void *copy = NULL;
    ri_start *s = start_new(bus, verb, c, done, arg);
    if (!s) return RILL_ENOMEM;
    int rc = ri_copy_in(&s->arena, &ri_copy_call, c, &copy);
    s->c = copy;
    if (rc == RILL_OK) rc = ri_bus_call_start(&s->call);
    if (rc < 0) {
        ri_failure why;
        ri_failure_keep(&why, rc);
        start_free(&s->call);
        ri_failure_restore(&why);
    }
    return rc;
}

int rill_start(rill_bus *bus, const rill_call *call, rill_done_fn done, void *arg)
{
    rill_call own;
    const ri_verb *verb;
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!call) return ri_err(RILL_EINVAL, "the call is NULL");
    if ((rc = ri_args_opts(&own, sizeof own, call, "rill_call")) < 0) return rc;
    own.size = sizeof own;
    if (!done && !bus->reap) return ri_err(RILL_EINVAL, "done is NULL, and there is no reap");
    if ((rc = start_check(bus, &own, &verb)) < 0) return rc;
    if (!start_is_short(&own)) return start_long(bus, verb, &own, done, arg);
    const ri_bus_done heard = {.kind = done ? RI_BUS_DONE_CALL : RI_BUS_DONE_ITEM, .call = done,
                               .arg = arg};
    rc = start_short(bus, &own, &heard);
    /* What the call itself cannot do has changed nothing, and is its answer, as of all others. */
    bool refused = rc < 0 && rc != RILL_EAGAIN && rc != RILL_ENOMEM && rc != RILL_ECLOSED;
    return refused ? start_long(bus, verb, &own, done, arg) : rc;
}

int rill_cancel(rill_bus *bus, void *arg)
{
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!arg) return ri_err(RILL_EINVAL, "arg is NULL, which names no call");
    return ri_bus_call_cancel(bus, arg);
}

int rill_reap(rill_bus *bus, rill_reaped **out, size_t max, int timeout_ms)
{
    if (!out) return ri_err(RILL_EINVAL, "out is NULL");
    *out = NULL;
    int rc = ri_args_bus_to_the_end(bus);
    if (rc < 0) return rc;
    if (!bus->reap) return ri_err(RILL_EINVAL, "the bus was opened without reap");
    if (max == 0) return ri_err(RILL_EINVAL, "max is 0");
    if (ri_bus_in_callback(bus))
        return ri_err(RILL_EDEADLK, "a callback of this bus cannot reap");
    return ri_bus_reap(bus, out, max, ri_timeout_ns(timeout_ms));
}

void rill_reaped_free(rill_reaped *reaped)
{
    if (reaped) ri_bus_reap_free(reaped);
}
