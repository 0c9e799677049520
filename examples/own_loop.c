/* SPDX-License-Identifier: Apache-2.0
 *
 * rill within a poll() loop that a program has anyway: no thread is started, callbacks run
 * inside rill_poll(). The loop's other descriptor here is a pipe with lines. Prints
 *
 *     from the bus: one
 *     from the bus: two
 *     from the pipe: stop
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rill.h"

static int check(int rc)
{
    if (rc >= 0) return rc;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

static void show(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    printf("from the bus: %.*s\n", RILL_ARG(m->data));
    if (m->data.ptr[0] != 't') return;
    int *own = arg;
    if (write(own[1], "stop", 4) != 4) exit(1);
}

int main(void)
{
    int own[2];
    rill_bus *bus;
    rill_sub *sub;
    if (pipe(own) < 0) return 1;
    check(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    check(rill_subscribe(bus, &sub, "news", RILL_OPTS(rill_sub_opts, .on_msg = show, .arg = own)));
    check(rill_publish(bus, "news", "one", 3, NULL));
    check(rill_publish(bus, "news", "two", 3, NULL));

    struct pollfd fds[] = {{.fd = own[0], .events = POLLIN},
                           {.fd = check(rill_fd(bus)), .events = POLLIN}};
    while (poll(fds, 2, rill_wait_ms(bus)) >= 0) {
        check(rill_poll(bus, 0)); /* cheap when nothing is due */
        char line[8];
        ssize_t len = fds[0].revents != 0 ? read(own[0], line, sizeof line) : 0;
        if (len <= 0) continue;
        printf("from the pipe: %.*s\n", (int)len, line);
        break;
    }
    rill_sub_close(sub);
    return rill_close(bus, 1000) < 0;
}
