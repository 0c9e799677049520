/* SPDX-License-Identifier: Apache-2.0 */
/* Work of the library's own that is done where callbacks run: on the dispatcher of a bus, which is
 * its thread or whoever is in rill_poll(). See ri_bus_job in bus.h. */
#include "base/assert.h"
#include "base/saturate.h"
#include "front/handle/bus.h"

static ri_bus_job *job_of(ri_list *link)
{
    return ri_container_of(link, ri_bus_job, due_link);
}

int ri_bus_job_begin(ri_bus_job *job, rill_bus *bus, void (*run)(ri_bus_job *job),
                     void (*shut)(ri_bus_job *job))
{
    RI_ASSERT(ri_bus_is_sound(bus) && run && shut);
    *job = (ri_bus_job){.run = run, .shut = shut};
    ri_list_init(&job->link);
    ri_list_init(&job->due_link);
    int rc = ri_bus_need_thread(bus);
    if (rc < 0) return rc;
    job->bus = bus;
    ri_bus_ref(bus);
    ri_broker_enter(bus->broker);
    bool closed = atomic_load(&bus->closed);
    if (!closed) ri_list_push(&bus->jobs, &job->link);
    ri_broker_leave(bus->broker);
    if (!closed) return RILL_OK;
    ri_bus_unref(bus);
    job->bus = NULL;
    return ri_err(RILL_ECLOSED, "the bus is closed");
}

/* Inside the gate. */
static void job_push(ri_bus_job *job)
{
    rill_bus *bus = job->bus;
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    if (ri_list_linked(&job->due_link)) return;
    ri_list_push(&bus->due_jobs, &job->due_link);
    ri_bus_work(bus);
}

static void job_timer_due(rill_bus *bus, ri_bus_timer *timer)
{
    (void)bus;
    job_push(ri_container_of(timer, ri_bus_job, timer));
}

void ri_bus_job_call(ri_bus_job *job)
{
    if (!job->ended) job_push(job);
}

/* What finds no memory for its timer is done at once. */
void ri_bus_job_call_in(ri_bus_job *job, int64_t ns)
{
    if (job->ended) return;
    rill_bus *bus = job->bus;
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    job->timer.due = job_timer_due;
    int64_t due_ns = ri_ns_add(ri_mono_ns(&bus->host), ns);
    if (ri_heap_set(&bus->timers, &job->timer.timer, due_ns) < 0) job_push(job);
    else ri_bus_work(bus); /* the dispatcher's sleep gets shorter */
}

int ri_bus_jobs_run(rill_bus *bus)
{
    int ran = 0;
    ri_list due;
    ri_list_init(&due);
    ri_broker_enter(bus->broker);
    RI_ASSERT(bus->dispatching);
    ri_list_splice(&due, &bus->due_jobs); /* those that are called meanwhile have the next turn */
    for (ri_list *link; (link = ri_list_pop(&due)) != NULL; ran++) {
        ri_bus_job *job = job_of(link);
        ri_bus_frame frame;
        job->running = true;
        ri_broker_leave(bus->broker);
        ri_bus_frame_push(&frame, bus, NULL);
        job->run(job);
        ri_bus_frame_pop(&frame);
        ri_broker_enter(bus->broker);
        job->running = false;
        if (job->ended) ri_park_signal(&bus->quiet);
    }
    ri_broker_leave(bus->broker);
    return ran;
}

void ri_bus_jobs_shut(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_list_each (link, &bus->jobs) {
        ri_bus_job *job = ri_container_of(link, ri_bus_job, link);
        job->shut(job);
    }
}

void ri_bus_job_end(ri_bus_job *job)
{
    rill_bus *bus = job->bus;
    if (!bus) return;
    ri_broker_enter(bus->broker);
    job->ended = true;
    ri_list_remove(&job->link);
    ri_list_remove(&job->due_link);
    ri_heap_cancel(&bus->timers, &job->timer.timer);
    while (job->running) {
        uint32_t seen = ri_park_count(&bus->quiet);
        ri_broker_leave(bus->broker);
        ri_park_wait(&bus->quiet, seen, -1);
        ri_broker_enter(bus->broker);
    }
    ri_broker_leave(bus->broker);
    ri_bus_unref(bus);
    job->bus = NULL;
}
