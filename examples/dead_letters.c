/* SPDX-License-Identifier: Apache-2.0
 *
 * A job that cannot be done shall not block the others nor be lost: after max_deliveries, or when
 * the worker says never again, it goes to another stream, with headers that tell why. Prints
 *
 *     good is done
 *     bad failed
 *     bad failed
 *     absurd is refused
 *     DEAD has bad: max_deliver, number 2 of JOBS
 *     DEAD has absurd: terminated, number 3 of JOBS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rill.h"

#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }

static void work(const rill_msg *m)
{
    const char *job = m->data.ptr;
    bool bad = strcmp(job, "bad") == 0, absurd = strcmp(job, "absurd") == 0;
    printf("%s %s\n", job, bad ? "failed" : absurd ? "is refused" : "is done");
    OK(bad ? rill_nak(m, 20) : absurd ? rill_term(m) : rill_ack(m));
}

int main(void)
{
    static const char *const jobs[] = {"good", "bad", "absurd"};
    rill_bus *bus;
    rill_sub *sub, *dead;
    const rill_msg *m;
    OK(rill_open(&bus, "mem:", NULL)); /* or "file:DIR" */
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    OK(rill_stream_ensure(bus, "DEAD", NULL));
    OK(rill_consume(bus, &sub, "JOBS",
                    RILL_OPTS(rill_sub_opts, .group = "workers", .max_deliveries = 2,
                              .max_unacked = 1, .dead_letters = "DEAD")));
    for (int i = 0; i < 3; i++)
        OK(rill_append(bus, "JOBS", jobs[i], strlen(jobs[i]), NULL, NULL, 5000));
    for (int i = 0; i < 4; i++) {
        OK(rill_next(sub, &m, 5000));
        work(m);
    }
    OK(rill_tail(bus, &dead, "DEAD", NULL));
    for (int i = 0; i < 2; i++) {
        rill_str why, number;
        OK(rill_next(dead, &m, 5000));
        OK(rill_header_get(m, "Rill-Dead-Reason", &why));
        OK(rill_header_get(m, "Rill-Dead-Sequence", &number));
        printf("DEAD has %.*s: %.*s, number %.*s of JOBS\n", RILL_ARG(m->data), RILL_ARG(why),
               RILL_ARG(number));
    }
    rill_sub_close(sub), rill_sub_close(dead);
    return rill_close(bus, 1000) < 0;
}
