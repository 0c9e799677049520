/* SPDX-License-Identifier: Apache-2.0 */
/* tool_loop URL COUNT SIZE: a loop of rill_publish() that measures nothing on its way, over a
 * handle as `rill bench pub` opens it: what that costs beyond this is its own. */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"
#include "wire.h"

enum { LOOP_SEND_BYTES = 1 << 20, LOOP_WAIT_MS = 20000 };

int main(int argc, char **argv)
{
    rill_bus *bus;
    if (argc != 4) wire_die("tool_loop URL COUNT SIZE");
    long count = atol(argv[2]);
    size_t size = strtoul(argv[3], NULL, 10);
    char *data = wire_alloc(size + 1);
    if (rill_open(&bus, argv[1], RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST,
                                           .send_buffer_bytes = LOOP_SEND_BYTES)) < 0)
        wire_die("%s", rill_errmsg());
    int64_t began_ns = wire_now_ns();
    for (long done = 0; done < count;) {
        int err = rill_publish(bus, "bench", data, size, NULL);
        if (err >= 0) done++;
        if (err == RILL_EAGAIN) err = rill_poll(bus, LOOP_WAIT_MS);
        if (err < 0) wire_die("%s", rill_errmsg());
    }
    if (rill_flush(bus, LOOP_WAIT_MS) < 0) wire_die("%s", rill_errmsg());
    printf("per_s=%.0f\n", (double)count / ((double)(wire_now_ns() - began_ns) / 1e9));
    rill_close(bus, LOOP_WAIT_MS);
    free(data);
    return 0;
}
