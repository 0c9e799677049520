/* SPDX-License-Identifier: Apache-2.0
 *
 * carry FROM STREAM TO TOPIC: what a stream of one URL gets goes to a stream of another one, here
 * from NATS to Kafka, until the input ends:
 *
 *     carry nats://127.0.0.1:4222 orders kafka://127.0.0.1:9092 orders
 *
 * Either end, and this program, may die at any moment and come again: what was carried is there
 * once and in order. It prints how much waits at the source, and what it waits for.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

static void check(int rc)
{
    if (rc >= 0) return;
    fprintf(stderr, "carry: %s\n", rill_errmsg());
    exit(1);
}

/* Has the input ended? It is looked at for a moment. */
static int over(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, 100) > 0 && getchar() == EOF;
}

int main(int argc, char **argv)
{
    rill_bus *from, *to;
    rill_forward *forward;
    uint64_t told = UINT64_MAX, failures = 0;
    if (argc != 5) {
        fprintf(stderr, "usage: carry FROM STREAM TO TOPIC\n");
        return 2;
    }
    check(rill_open(&from, argv[1], RILL_OPTS(rill_opts, .no_wait = true)));
    check(rill_open(&to, argv[3], RILL_OPTS(rill_opts, .no_wait = true)));
    while (rill_stream_ensure(to, argv[4], NULL) < 0 && !over()) puts(rill_errmsg());
    check(rill_forward_open(&forward, from, argv[2], to, argv[4],
                            RILL_OPTS(rill_forward_opts, .name = "carry")));
    while (!over()) {
        rill_forward_info info = {.size = sizeof info};
        if (rill_forward_status(forward, &info) < 0) continue;
        if (!info.up && info.failures != failures) printf("not now: %s\n", info.why);
        failures = info.failures;
        if (info.lag_known && info.lag_msgs != told)
            printf("%llu wait\n", (unsigned long long)(told = info.lag_msgs));
        fflush(stdout);
    }
    rill_forward_close(forward, 5000); /* what that leaves, the next start finds */
    return rill_close(from, 1000) | rill_close(to, 1000) ? 1 : 0;
}
