/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/trim.h"

#include "base/assert.h"
#include "base/saturate.h"

enum {
    TRIM_BYTES = 4 * 1024 * 1024, /* freed, and half of what there was, so that it is given to the
                                     system ... */
    TRIM_MS = 500,                /* ... after so long ... */
    TRIM_REST_MS = 5000,          /* ... but so long after the last time */
};

static uint64_t trim_used(const ri_trim *trim)
{
    const ri_router *router = &trim->broker->router;
    uint64_t used = ri_packet_pool_bytes(router->pool);
    for (int i = 0; i < RI_MEMORY_KINDS; i++) used += ri_memory_used(&router->memory, i);
    return used;
}

static void trim_run(ri_job *job) /* the worker's thread */
{
    ri_host_trim(&ri_container_of(job, ri_trim, job)->broker->host);
}

static void trim_on_due(ri_loop_timer *timer)
{
    ri_trim *trim = ri_container_of(timer, ri_trim, timer);
    RI_ASSERT(!trim->runs);
    trim->high = trim_used(trim);
    trim->next_ns = ri_ns_add(ri_loop_now(trim->loop), TRIM_REST_MS * RI_MS);
    trim->runs = ri_worker_put(trim->worker, &trim->job) == RILL_OK;
}

void ri_trim_init(ri_trim *trim, const ri_broker *broker, ri_loop *loop, ri_worker *worker)
{
    RI_ASSERT(broker && loop && worker);
    trim->broker = broker;
    trim->loop = loop;
    trim->worker = worker;
    trim->timer.fn = trim_on_due;
    trim->job.run = trim_run;
    ri_list_init(&trim->job.link);
}

void ri_trim_watch(ri_trim *trim)
{
    uint64_t used = trim_used(trim);
    if (ri_likely(used >= trim->high)) {
        trim->high = used;
        return;
    }
    uint64_t freed = trim->high - used;
    if (ri_likely(freed < TRIM_BYTES || freed < used)) return;
    if (trim->runs || ri_timer_armed(&trim->timer.timer)) return;
    int64_t due_ns = ri_ns_add(ri_loop_now(trim->loop), TRIM_MS * RI_MS);
    if (ri_loop_timer_set(trim->loop, &trim->timer, RI_MAX(due_ns, trim->next_ns)) < 0)
        trim->high = used;
}

bool ri_trim_done(ri_trim *trim, const ri_job *job)
{
    RI_ASSERT(job);
    if (job != &trim->job) return false;
    trim->runs = false;
    return true;
}
