/* SPDX-License-Identifier: Apache-2.0
 *
 * A durable queue: jobs are on disk when rill_append() returns, outlive the program, go to one
 * worker each, come again when the worker says so, and are gone when it has acked them. Prints
 *
 *     3 jobs wait
 *     resize 1 is done
 *     resize 2 failed, again in 50 ms
 *     resize 3 is done
 *     resize 2 is done, at delivery 2
 *     0 jobs wait
 */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }

static void count(rill_bus *bus)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "JOBS", &info));
    printf("%d jobs wait\n", (int)info.msgs);
}

int main(void)
{
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_open(&bus, "file:queue.data", NULL));
    rill_stream_delete(bus, "JOBS"); /* of a run that was broken off */
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    OK(rill_append(bus, "JOBS", "resize 1", 8, NULL, NULL, 5000));
    OK(rill_append(bus, "JOBS", "resize 2", 8, NULL, NULL, 5000));
    OK(rill_append(bus, "JOBS", "resize 3", 8, NULL, NULL, 5000));
    OK(rill_close(bus, 1000)); /* the program ends, and starts again */

    OK(rill_open(&bus, "file:queue.data", NULL));
    count(bus);
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "workers")));
    for (int done = 0; done < 3;) {
        OK(rill_next(sub, &m, 5000));
        if (m->data.ptr[7] == '2' && m->deliveries == 1) {
            printf("%.*s failed, again in 50 ms\n", RILL_ARG(m->data));
            OK(rill_nak(m, 50));
            continue;
        }
        printf("%.*s is done", RILL_ARG(m->data));
        m->deliveries > 1 ? printf(", at delivery %u\n", m->deliveries) : printf("\n");
        OK(rill_ack(m));
        done++;
    }
    count(bus);
    rill_sub_close(sub);
    return rill_close(bus, 1000) < 0;
}
