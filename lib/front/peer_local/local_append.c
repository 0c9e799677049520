/* SPDX-License-Identifier: Apache-2.0 */
/* Appending from a program: a publish whose receipt comes back without a byte of JSON. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "front/peer_local/local_durable.h"

int ri_local_js_error(const ri_js_error *e, int rc)
{
    if (!e->code) return rc;
    if (e->err_code == RI_JS_STREAM_SUBJECT_OVERLAP) return ri_err(RILL_EEXIST, "%s", e->text);
    return ri_err(rc < 0 ? rc : ri_jserror_set(NULL, (ri_js_code)e->err_code, NULL), "%s", e->text);
}

int ri_local_durable_enter(rill_bus *bus, ri_durable **durable)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    static const ri_durable_opts hosted = {.hosted = true};
    ri_broker *broker = bus->broker;
    int rc = RILL_OK;
    ri_broker_enter(broker);
    if (ri_unlikely(!broker->durable)) {
        ri_broker_leave(broker);
        rc = ri_broker_need_durable(broker, bus->drive == RILL_DRIVE_HOST ? &hosted : NULL);
        if (rc < 0) return rc;
        ri_broker_enter(broker);
    }
    *durable = broker->durable;
    if (!*durable || atomic_load(&bus->closed))
        rc = ri_err(RILL_ECLOSED, "the bus is closed");
    else if (bus->drive == RILL_DRIVE_THREAD)
        rc = ri_driver_need_thread(broker);
    if (rc < 0) ri_broker_leave(broker);
    else ri_durable_clock(*durable);
    return rc;
}

int ri_local_durable_pass(rill_bus *bus, ri_durable **durable)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_budget *budget = &bus->broker->router.budget;
    ri_budget_close(budget);
    ri_durable_touched(*durable);
    ri_broker_leave(bus->broker);
    ri_gate_pass(&bus->broker->gate);
    int rc = ri_local_durable_enter(bus, durable);
    if (rc == RILL_OK) ri_budget_open(budget);
    return rc;
}

typedef struct local_wait {
    ri_js_waiter waiter;
    ri_failure failure; /* of the commit, maybe on another thread */
    bool over;
} local_wait;

static void local_wait_done(ri_js_waiter *waiter, int rc)
{
    local_wait *wait = ri_container_of(waiter, local_wait, waiter);
    ri_failure_keep(&wait->failure, rc);
    wait->over = true;
}

static int local_wait_result(const local_wait *wait)
{
    if (wait->failure.code == RILL_ECLOSED)
        return ri_err(RILL_ECLOSED, "the broker was closed before the commit");
    return ri_failure_tell(&wait->failure);
}

int ri_local_durable_wait(ri_durable *durable, ri_log *log)
{
    local_wait wait = {.waiter = {.done = local_wait_done}};
    ri_list_init(&wait.waiter.link);
    ri_js_wait(ri_durable_js(durable), log, &wait.waiter);
    ri_durable_wait(durable, &wait.over, -1);
    return local_wait_result(&wait);
}

int ri_local_durable_flush(rill_bus *bus, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable = bus->broker->durable;
    if (!durable) return RILL_OK;
    local_wait wait = {.waiter = {.done = local_wait_done}};
    ri_list_init(&wait.waiter.link);
    ri_js_wait(ri_durable_js(durable), NULL, &wait.waiter);
    if (!ri_durable_wait(durable, &wait.over, timeout_ns)) {
        ri_list_remove(&wait.waiter.link);
        return ri_err(RILL_ETIMEDOUT, "the commit is still under way");
    }
    return local_wait_result(&wait);
}

/* ---- One that waits ---- */

typedef struct append_call {
    ri_js_append append;
    bool over;
} append_call;

void ri_local_append_over(ri_js_append *append, int rc)
{
    if (append->failure.code) return;
    if (rc == RILL_ECLOSED) ri_err(rc, "the broker was closed before the commit");
    ri_failure_keep(&append->failure, rc);
}

/* The texts within stay as they are until there is something to tell. */
static void append_init(ri_js_append *append, void (*done)(ri_js_waiter *waiter, int rc),
                        const ri_safety *safety)
{
    append->waiter.done = done;
    ri_list_init(&append->waiter.link);
    append->safety = safety;
    append->failure.code = append->err_code = 0;
}

static void append_call_done(ri_js_waiter *waiter, int rc)
{
    append_call *a = ri_container_of(waiter, append_call, append.waiter);
    ri_local_append_over(&a->append, rc);
    a->over = true;
}

static int append_result(const ri_js_append *append, rill_receipt *out)
{
    if (out) *out = (rill_receipt){.size = sizeof *out, .seq = append->seq,
                                   .duplicate = append->duplicate};
    if (append->err_code == RI_JS_STREAM_NOT_FOUND)
        return ri_err(RILL_ENOREPLY, "no stream takes that subject");
    return ri_failure_tell(&append->failure);
}

int ri_local_append(rill_bus *bus, const ri_message *m, const ri_safety *safety, rill_receipt *out,
                    int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable;
    append_call a;
    a.over = false;
    append_init(&a.append, append_call_done, safety);
    ri_bus_inline frame = {.m = m};
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    bool late = false;
    if ((rc = ri_local_check(bus, m)) == RILL_OK) {
        rc = ri_js_publish(ri_durable_js(durable), &bus->party,
                           &(ri_publish){.m = m, .append = &a.append, .frame = &frame});
        if (rc >= 0 && !a.over) late = !ri_durable_wait(durable, &a.over, timeout_ns);
        if (late) ri_list_remove(&a.append.waiter.link);
    }
    ri_broker_leave(bus->broker);
    if (frame.first) ri_local_run_inline(bus->broker, &frame);
    if (late) return ri_err(RILL_ETIMEDOUT, "the message is not committed yet");
    return a.over ? append_result(&a.append, out) : rc;
}

/* ---- Many at once ---- */

enum { APPEND_SPARE_MAX = 1024 }; /* kept for the next use */

struct ri_bus_storing {
    ri_js_append append;
    rill_bus *bus;
    rill_stored_fn done;
    void *arg;
    ri_list link; /* in bus->appending, then in bus->stored */
};

/* Inside the gate. */
static void append_over(ri_bus_storing *a, int rc)
{
    rill_bus *bus = a->bus;
    ri_local_append_over(&a->append, rc);
    ri_list_remove(&a->link);
    ri_list_push(&bus->stored, &a->link);
    bus->all_stored = ri_list_empty(&bus->appending);
    ri_bus_work(bus);
}

static void append_async_done(ri_js_waiter *waiter, int rc)
{
    ri_bus_storing *a = ri_container_of(waiter, ri_bus_storing, append.waiter);
    append_over(a, rc);
}

/* Inside the gate: keep some for the next use, and free the others. */
static void append_give(rill_bus *bus, ri_list *told)
{
    for (ri_list *link; (link = ri_list_pop(told));) {
        ri_bus_storing *a = ri_container_of(link, ri_bus_storing, link);
        if (bus->nspare == APPEND_SPARE_MAX) {
            ri_delete(&bus->host, a);
            continue;
        }
        ri_list_push(&bus->spare, &a->link);
        bus->nspare++;
    }
}

void ri_local_appends_fini(rill_bus *bus)
{
    for (ri_list *link; (link = ri_list_pop(&bus->spare));)
        ri_delete(&bus->host, ri_container_of(link, ri_bus_storing, link));
}

static int append_async_send(rill_bus *bus, ri_durable *durable, const ri_message *m,
                             ri_bus_storing *a, ri_bus_inline *frame)
{
    ri_list_push(&bus->appending, &a->link);
    bus->all_stored = false;
    int rc = ri_js_publish(ri_durable_js(durable), &bus->party,
                           &(ri_publish){.m = m, .append = &a->append, .frame = frame});
    if (rc < 0 && !ri_list_linked(&a->append.waiter.link)) { /* it will never be told */
        ri_list_remove(&a->link);
        bus->all_stored = ri_list_empty(&bus->appending);
        return rc;
    }
    if (ri_durable_waits(durable)) ri_durable_nudge(durable);
    return RILL_OK;
}

/* Inside the gate. */
static ri_bus_storing *append_new(rill_bus *bus, const ri_safety *safety, rill_stored_fn done,
                                    void *arg)
{
    ri_list *link = ri_list_pop(&bus->spare);
    ri_bus_storing *a = link ? ri_container_of(link, ri_bus_storing, link)
                               : ri_alloc(&bus->host, sizeof *a);
    if (!a) return NULL;
    if (link) bus->nspare--;
    append_init(&a->append, append_async_done, safety);
    a->bus = bus;
    a->done = done;
    a->arg = arg;
    ri_list_init(&a->link);
    return a;
}

int ri_local_append_async(rill_bus *bus, const ri_message *m, const ri_safety *safety,
                          rill_stored_fn done, void *arg)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable;
    ri_bus_inline frame = {.m = m};
    int rc = ri_local_durable_enter(bus, &durable);
    if (ri_unlikely(rc == RILL_OK && !bus->has_thread && bus->drive == RILL_DRIVE_THREAD)) {
        ri_broker_leave(bus->broker);
        rc = ri_bus_need_thread(bus);
        if (rc == RILL_OK) rc = ri_local_durable_enter(bus, &durable);
    }
    if (rc < 0) return rc;
    if ((rc = ri_local_check(bus, m)) == RILL_OK) {
        ri_bus_storing *a = append_new(bus, safety, done, arg);
        rc = a ? append_async_send(bus, durable, m, a, &frame) : RILL_ENOMEM;
        if (a && rc < 0) ri_delete(&bus->host, a);
    }
    ri_broker_leave(bus->broker);
    if (frame.first) ri_local_run_inline(bus->broker, &frame);
    return rc;
}

void ri_local_appends_fail(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_list_each (link, &bus->appending) {
        ri_bus_storing *a = ri_container_of(link, ri_bus_storing, link);
        ri_list_remove(&a->append.waiter.link);
        append_over(a, RILL_ECLOSED);
    }
}

bool ri_local_appends_wait(rill_bus *bus, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    bool stored = true;
    ri_broker_enter(bus->broker);
    if (bus->broker->durable && !ri_list_empty(&bus->appending))
        stored = ri_durable_wait(bus->broker->durable, &bus->all_stored, timeout_ns);
    ri_broker_leave(bus->broker);
    return stored;
}

int ri_local_tell_stored(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_list due, told;
    ri_list_init(&due);
    ri_list_init(&told);
    ri_broker_enter(bus->broker);
    ri_list_splice(&due, &bus->stored);
    ri_broker_leave(bus->broker);
    int count = 0;
    for (ri_list *link; (link = ri_list_pop(&due)); count++) {
        ri_bus_storing *a = ri_container_of(link, ri_bus_storing, link);
        rill_receipt receipt;
        ri_bus_frame frame;
        int rc = append_result(&a->append, &receipt);
        ri_bus_frame_push(&frame, bus, NULL);
        a->done(rc, &receipt, a->arg);
        ri_bus_frame_pop(&frame);
        ri_list_push(&told, link);
    }
    if (count == 0) return 0;
    ri_broker_enter(bus->broker);
    append_give(bus, &told);
    ri_broker_leave(bus->broker);
    return count;
}
