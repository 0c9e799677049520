/* SPDX-License-Identifier: Apache-2.0 */
/* After a mass close, or a burst of large requests, the memory goes back to the system, a while
 * later: by a worker, since it takes long. Each door's loop watches for itself, since in a broker
 * any of them may be the only one that has turns. */
#ifndef RI_TRIM_H
#define RI_TRIM_H

#include "front/broker/broker.h"
#include "net/loop.h"
#include "net/worker.h"

typedef struct ri_trim { /* of the loop's thread, but for the job while it runs */
    const ri_broker *broker;
    ri_loop *loop;
    ri_worker *worker;
    uint64_t high;       /* the most that was used since the last time */
    int64_t next_ns;     /* not before that */
    bool runs;           /* the worker has the job, or has done it */
    ri_job job;
    ri_loop_timer timer; /* until a quiet moment */
} ri_trim;

/* All three stay as long as it is watched. */
void ri_trim_init(ri_trim *trim, const ri_broker *broker, ri_loop *loop, ri_worker *worker);
void ri_trim_watch(ri_trim *trim); /* at the end of each turn */
/* Is it this one's job, which the worker has done? */
bool ri_trim_done(ri_trim *trim, const ri_job *job);

#endif
