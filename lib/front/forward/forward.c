/* SPDX-License-Identifier: Apache-2.0 */
/* A forward's life, and its phases. See forward.h for the picture. */
#include "front/forward/forward.h"

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/subject/subject.h"

#define FORWARD_SLICE_NS (5 * RI_MS) /* of a close that drives two buses in turn */

/* ---- Phases ---- */

static bool forward_may_go(ri_forward_phase is, ri_forward_phase phase)
{
    switch (phase) {
    case RI_FORWARD_REST: return is == RI_FORWARD_DRAIN;
    case RI_FORWARD_JOIN: return is == RI_FORWARD_REST || is == RI_FORWARD_JOIN;
    case RI_FORWARD_LOOK: return is == RI_FORWARD_JOIN;
    case RI_FORWARD_OPEN: return is == RI_FORWARD_JOIN || is == RI_FORWARD_LOOK;
    case RI_FORWARD_FLOW: return is == RI_FORWARD_OPEN;
    case RI_FORWARD_DRAIN: return is != RI_FORWARD_ENDED && is != RI_FORWARD_DRAIN;
    case RI_FORWARD_ENDED: return true;
    }
    return false;
}

ri_forward_phase ri_forward_phase_of(rill_forward *f)
{
    RI_ASSERT(ri_forward_is_sound(f));
    ri_broker_enter(f->to->broker);
    ri_forward_phase phase = f->phase;
    ri_broker_leave(f->to->broker);
    return phase;
}

void ri_forward_call(ri_bus_job *job, rill_bus *bus, int64_t ns)
{
    ri_broker_enter(bus->broker);
    if (ns > 0) ri_bus_job_call_in(job, ns);
    else ri_bus_job_call(job);
    ri_broker_leave(bus->broker);
}

/* Inside the gate of `to`: how long it rests, longer each time. */
static int64_t forward_pause_ns(rill_forward *f)
{
    int64_t pause_ns = f->pause_ns ? ri_ns_mul(f->pause_ns, 2) : f->retry_min_ns;
    f->pause_ns = RI_MIN(pause_ns, f->retry_max_ns);
    RI_ASSERT(ri_broker_is_entered(f->to->broker) && f->pause_ns > 0);
    int64_t fifth_ns = RI_MAX(f->pause_ns / 5, 1);
    int64_t dice_ns = (int64_t)(ri_nuid_number(&f->to->nuid) % (uint64_t)ri_ns_mul(fifth_ns, 2));
    return ri_ns_add(ri_ns_sub(f->pause_ns, fifth_ns), dice_ns);
}

/* Outside the gates: whoever is to act in that phase is called. */
static void forward_begin(rill_forward *f, ri_forward_phase phase, int64_t pause_ns)
{
    RI_ASSERT(pause_ns >= 0);
    switch (phase) {
    case RI_FORWARD_REST:
    case RI_FORWARD_JOIN:
    case RI_FORWARD_OPEN:
    case RI_FORWARD_DRAIN: ri_forward_call(&f->reader, f->from, pause_ns); break;
    case RI_FORWARD_LOOK: ri_forward_call(&f->writer, f->to, pause_ns); break;
    case RI_FORWARD_FLOW:
    case RI_FORWARD_ENDED: break;
    }
}

void ri_forward_go(rill_forward *f, ri_forward_phase phase)
{
    RI_ASSERT(ri_forward_is_sound(f) && phase != RI_FORWARD_REST);
    ri_broker_enter(f->to->broker);
    bool goes = forward_may_go(f->phase, phase);
    if (goes) f->phase = phase;
    if (goes && phase == RI_FORWARD_OPEN) f->failing = f->broken = false;
    ri_broker_leave(f->to->broker);
    bool settles = phase == RI_FORWARD_LOOK && !f->to->ops->ids;
    if (goes) forward_begin(f, phase, settles ? RI_FORWARD_SETTLE_NS : 0);
}

void ri_forward_fail(rill_forward *f, int rc)
{
    RI_ASSERT(ri_forward_is_sound(f) && rc < 0);
    ri_broker_enter(f->to->broker);
    bool fails = forward_may_go(f->phase, RI_FORWARD_DRAIN);
    if (fails) {
        ri_failure_keep(&f->why, rc);
        f->phase = RI_FORWARD_DRAIN;
        f->drain_ns = ri_mono_ns(&f->to->host);
        f->failing = true;
        f->info.failures++;
    }
    ri_broker_leave(f->to->broker);
    if (fails) forward_begin(f, RI_FORWARD_DRAIN, 0);
}

void ri_forward_drained(rill_forward *f)
{
    int64_t pause_ns = 0;
    ri_broker_enter(f->to->broker);
    RI_ASSERT(ri_forward_is_sound(f) && (f->nsent == 0) == ri_list_empty(&f->sent));
    bool drained = f->phase == RI_FORWARD_DRAIN && !f->reading && f->nsent == 0;
    if (drained) {
        f->phase = f->stopping ? RI_FORWARD_ENDED : RI_FORWARD_REST;
        pause_ns = f->stopping ? 0 : forward_pause_ns(f);
        ri_park_signal(&f->ended);
    }
    ri_forward_phase phase = f->phase;
    ri_broker_leave(f->to->broker);
    if (drained) forward_begin(f, phase, pause_ns);
}

int ri_forward_check_up(rill_bus *bus, const char *what)
{
    ri_broker_enter(bus->broker);
    bool up = !bus->ops->up || bus->ops->up(bus);
    ri_broker_leave(bus->broker);
    return up ? RILL_OK : ri_err(RILL_ECONN, "there is no connection to the %s", what);
}

/* ---- Open ---- */

static int forward_copy_text(rill_forward *f, const char **to, const char *text)
{
    *to = text ? ri_arena_copy(&f->arena, text, strlen(text)) : NULL;
    return text && !*to ? RILL_ENOMEM : RILL_OK;
}

static int forward_check_name(const char *what, const char *name, size_t most)
{
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len > most)
        return ri_err(RILL_EINVAL, "%s has 1 to %zu bytes, not %zu", what, most, len);
    if (strpbrk(name, " \t\r\n\f/"))
        return ri_err(RILL_EINVAL, "%s has no blanks and no slash", what);
    return RILL_OK;
}

static int forward_check(const rill_bus *to, const char *stream, const char *into,
                         const rill_forward_opts *opts)
{
    int rc = forward_check_name("the name of a forward", opts->name, 255);
    if (rc == RILL_OK && strpbrk(opts->name, ".*>\\"))
        rc = ri_err(RILL_EINVAL, "the name of a forward has no dots and wildcards");
    if (rc == RILL_OK) rc = forward_check_name("the source", stream, 255);
    if (rc == RILL_OK) rc = forward_check_name("the target", into, 255);
    if (rc < 0) return rc;
    if (opts->window > RI_FORWARD_WINDOW_MAX)
        return ri_err(RILL_EINVAL, "window is %u; at most %d", opts->window, RI_FORWARD_WINDOW_MAX);
    if (opts->map_from && !opts->map_to) return ri_err(RILL_EINVAL, "map_from without map_to");
    if (opts->map_to && to->ops->key)
        return ri_err(RILL_EINVAL, "map_to: the subject of %s is its name", into);
    if (opts->retry_min_ms && opts->retry_max_ms && opts->retry_min_ms > opts->retry_max_ms)
        return ri_err(RILL_EINVAL, "retry_min_ms is more than retry_max_ms");
    return RILL_OK;
}

/* What its group is to be, in its own copies of the texts. A peer whose members get back by
 * themselves what they had knows no ack_wait. */
static int forward_plan_group(rill_forward *f, const rill_forward_opts *opts)
{
    f->group = (rill_sub_opts){
        .size = sizeof f->group, .group = f->name, .from = opts->from, .from_seq = opts->from_seq,
        .from_time_ns = opts->from_time_ns, .max_unacked = f->window,
        .ack_wait_ms = f->from->ops->rewinds ? RI_FORWARD_ACK_WAIT_MS : 0};
    int rc = forward_copy_text(f, &f->group.filter, opts->filter);
    if (rc == RILL_OK) rc = forward_copy_text(f, &f->group.dead_letters, opts->dead_letters);
    ri_bus_group_draft draft;
    return rc < 0 ? rc : ri_bus_group_plan(&draft, &f->group, false);
}

static int forward_plan_names(rill_forward *f)
{
    ri_buffer names;
    ri_buffer_init(&names, &f->to->host);
    ri_buffer_printf(&names, "%s/%s/", f->name, f->stream);
    ri_str text = ri_buffer_str(&names);
    f->names = (ri_str){names.failed ? NULL : ri_arena_copy(&f->arena, text.ptr, text.len),
                        text.len};
    ri_buffer_fini(&names);
    f->header = f->to->ops->ids ? RI_STR("Nats-Msg-Id") : RI_STR(RI_ORIGIN_HEADER);
    return f->names.ptr ? RILL_OK : RILL_ENOMEM;
}

static int forward_plan(rill_forward *f, const char *stream, const char *into,
                        const rill_forward_opts *opts)
{
    f->window = opts->window ? opts->window : RI_FORWARD_WINDOW;
    f->retry_min_ns = opts->retry_min_ms ? ri_ns_of_ms(opts->retry_min_ms)
                                         : RI_FORWARD_RETRY_MIN_NS;
    f->retry_max_ns = opts->retry_max_ms ? ri_ns_of_ms(opts->retry_max_ms)
                                         : RI_FORWARD_RETRY_MAX_NS;
    f->retry_max_ns = RI_MAX(f->retry_max_ns, f->retry_min_ns);
    f->rested_ns = ri_mono_ns(&f->to->host);
    int rc = forward_copy_text(f, &f->name, opts->name);
    if (rc == RILL_OK) rc = forward_copy_text(f, &f->stream, stream);
    if (rc == RILL_OK) rc = forward_copy_text(f, &f->into, into);
    if (rc == RILL_OK) rc = forward_plan_group(f, opts);
    if (rc == RILL_OK) rc = forward_plan_names(f);
    if (rc < 0 || !opts->map_to) return rc;
    return ri_transform_new(&f->to->host, ri_str_of(opts->map_from), ri_str_of(opts->map_to),
                            &f->map);
}

static void forward_free(rill_forward *f)
{
    ri_host host = f->to->host;
    rill_bus *from = f->from, *to = f->to;
    ri_forward_look_end(f);
    ri_forward_read_fini(f);
    ri_forward_send_fini(f);
    ri_forward_look_forget(f);
    ri_transform_free(f->map);
    ri_arena_fini(&f->arena);
    ri_park_fini(&f->ended);
    f->magic = 0;
    ri_delete(&host, f);
    ri_bus_unref(from);
    ri_bus_unref(to);
}

static rill_forward *forward_new(rill_bus *from, rill_bus *to)
{
    rill_forward *f = ri_new(&to->host, rill_forward);
    if (!f) return NULL;
    f->magic = RI_FORWARD_MAGIC;
    f->from = from;
    f->to = to;
    ri_bus_ref(from);
    ri_bus_ref(to);
    ri_arena_init(&f->arena, &to->host);
    ri_park_init(&f->ended);
    ri_list_init(&f->sent);
    ri_list_init(&f->spare);
    ri_buffer_init(&f->block, &to->host);
    ri_buffer_init(&f->subject, &to->host);
    return f;
}

/* Two of one name that read one stream would share its messages, and mix their order. */
static int forward_check_alone(const rill_forward *f)
{
    bool alone = true;
    ri_broker_enter(f->from->broker);
    ri_list_each (link, &f->from->jobs) {
        const ri_bus_job *job = ri_container_of(link, ri_bus_job, link);
        if (job->run != ri_forward_read_run || job == &f->reader) continue;
        const rill_forward *other = ri_container_of(job, const rill_forward, reader);
        alone = alone && (strcmp(other->name, f->name) || strcmp(other->stream, f->stream));
    }
    ri_broker_leave(f->from->broker);
    return alone ? RILL_OK : ri_err(RILL_EBUSY, "%s is forwarded by the name %s already",
                                    f->stream, f->name);
}

static void forward_from_shut(ri_bus_job *job)
{
    /* Nothing is read any more; what is on its way at `to` is answered. */
    ri_park_signal(&ri_container_of(job, rill_forward, reader)->ended);
}

/* Inside the gate of `to`: nothing is answered any more. */
static void forward_to_shut(ri_bus_job *job)
{
    rill_forward *f = ri_container_of(job, rill_forward, writer);
    RI_ASSERT(ri_forward_is_sound(f));
    f->phase = RI_FORWARD_ENDED;
    ri_list_each (link, &f->sent)
        ri_bus_stray_give_up(&ri_container_of(link, ri_forward_sent, link)->stray);
    ri_park_signal(&f->ended);
}

static int forward_start(rill_forward *f)
{
    int rc = ri_bus_job_begin(&f->writer, f->to, ri_forward_send_run, forward_to_shut);
    if (rc == RILL_OK)
        rc = ri_bus_job_begin(&f->reader, f->from, ri_forward_read_run, forward_from_shut);
    if (rc == RILL_OK) rc = forward_check_alone(f);
    if (rc == RILL_OK) ri_forward_call(&f->reader, f->from, 0);
    return rc;
}

int ri_forward_open(rill_forward **out, rill_bus *from, const char *stream, rill_bus *to,
                    const char *into, const rill_forward_opts *opts)
{
    RI_ASSERT(ri_bus_is_sound(from) && ri_bus_is_sound(to));
    int rc = forward_check(to, stream, into, opts);
    if (rc < 0) return rc;
    rill_forward *f = forward_new(from, to);
    if (!f) return RILL_ENOMEM;
    rc = forward_plan(f, stream, into, opts);
    if (rc == RILL_OK) rc = forward_start(f);
    if (rc < 0) {
        ri_failure why; /* the sentence outlives what follows */
        ri_failure_keep(&why, rc);
        ri_bus_job_end(&f->reader);
        ri_bus_job_end(&f->writer);
        forward_free(f);
        return ri_failure_restore(&why);
    }
    *out = f;
    return RILL_OK;
}

/* ---- Status ---- */

/* Inside the gate of `to`. */
static void forward_fill(rill_forward *f, rill_forward_info *out)
{
    *out = f->info;
    out->size = sizeof *out;
    out->under_way = f->nsent;
    out->up = f->phase == RI_FORWARD_FLOW && !f->failing;
    out->err = f->why.code;
    if (f->why.code) memcpy(out->why, f->why.text, RI_MIN(sizeof out->why, sizeof f->why.text));
    out->why[sizeof out->why - 1] = 0;
    if (ri_list_empty(&f->sent)) return;
    int64_t first_ns = ri_container_of(f->sent.next, ri_forward_sent, link)->origin.time_ns;
    out->lag_ns = RI_MAX(ri_ns_sub(ri_wall_ns(&f->to->host), first_ns), 0);
}

int ri_forward_status(rill_forward *f, rill_forward_info *out)
{
    RI_ASSERT(ri_forward_is_sound(f));
    rill_group_info group = {.size = sizeof group};
    ri_broker_enter(f->to->broker);
    forward_fill(f, out);
    ri_broker_leave(f->to->broker);
    out->closed = atomic_load(&f->from->closed) || atomic_load(&f->to->closed);
    int rc = out->closed ? RILL_ECLOSED : ri_forward_check_up(f->from, "source");
    if (rc == RILL_OK) rc = ri_bus_group_status(f->from, f->stream, f->name, &group);
    out->lag_known = rc == RILL_OK;
    if (rc < 0) return RILL_OK;
    out->lag_msgs = ri_u64_add(group.lag_msgs, group.unacked_msgs);
    if (!out->lag_ns) out->lag_ns = group.lag_ns;
    return RILL_OK;
}

/* ---- Close ---- */

/* Under RILL_DRIVE_HOST whoever closes is the dispatcher, of one bus or of both in turn, for a
 * little while each; false: threads see to it. */
static bool forward_drive(rill_forward *f, int64_t left_ns)
{
    RI_ASSERT(left_ns != 0);
    rill_bus *buses[2] = {f->from, f->to};
    int64_t slice_ns = left_ns < 0 ? FORWARD_SLICE_NS : RI_MIN(left_ns, FORWARD_SLICE_NS);
    bool driven = false;
    for (int i = 0; i < 2; i++) {
        if (buses[i]->drive != RILL_DRIVE_HOST) continue;
        driven = true;
        uint32_t seen = ri_park_count(&f->ended);
        if (ri_bus_poll(buses[i], slice_ns) < 0) ri_park_wait(&f->ended, seen, slice_ns);
    }
    return driven;
}

/* Until it has ended, or nobody is there who could see to it; false: the time is up. */
static bool forward_await_end(rill_forward *f, int64_t timeout_ns)
{
    int64_t until = ri_deadline_in(&f->to->host, timeout_ns);
    for (;;) {
        uint32_t seen = ri_park_count(&f->ended);
        if (atomic_load(&f->from->closed) || atomic_load(&f->to->closed)) return true;
        if (ri_forward_phase_of(f) == RI_FORWARD_ENDED) return true;
        int64_t left = ri_deadline_left_ns(&f->to->host, until);
        if (left == 0) return false;
        if (!forward_drive(f, left)) ri_park_wait(&f->ended, seen, left);
    }
}

int ri_forward_close(rill_forward *f, int64_t timeout_ns)
{
    RI_ASSERT(ri_forward_is_sound(f));
    if (ri_bus_in_callback(f->from) || ri_bus_in_callback(f->to))
        return ri_err(RILL_EDEADLK, "a callback of one of its buses cannot close a forward");
    ri_broker_enter(f->to->broker);
    f->stopping = f->failing = true;
    bool drains = forward_may_go(f->phase, RI_FORWARD_DRAIN);
    if (drains) {
        f->phase = RI_FORWARD_DRAIN;
        f->drain_ns = ri_mono_ns(&f->to->host);
    }
    ri_broker_leave(f->to->broker);
    if (drains) forward_begin(f, RI_FORWARD_DRAIN, 0);
    bool ended = forward_await_end(f, timeout_ns);
    ri_bus_job_end(&f->reader);
    ri_bus_job_end(&f->writer);
    forward_free(f);
    if (ended) return RILL_OK;
    return ri_err(RILL_ETIMEDOUT, "messages were under way: they may be stored, or not");
}
