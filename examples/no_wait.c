/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever can be asked can be asked without waiting: rill_start() takes the call as a verb with
 * its arguments, and `done` runs when it is over. Here a key is put, and read from the callback of
 * that; a second call is taken back. Prints
 *
 *     put: revision 1
 *     get: red
 *     request: ECANCELED
 */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

static int check(int rc)
{
    if (rc >= 0) return rc;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

static rill_bus *bus;
static rill_kv *kv;
static int left = 2; /* that are to end */

static void have(const rill_item *item, void *what)
{
    if (item->err) printf("%s: %s\n", (char *)what, rill_errname(item->err));
    else printf("%s: %.*s\n", (char *)what, RILL_ARG(item->msg->data));
    left--;
}

static void stored(const rill_item *item, void *what)
{
    check(item->err);
    printf("%s: revision %d\n", (char *)what, (int)item->count);
    check(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_KV_GET, .kv = kv, .name = "colour"),
                     have, "get"));
}

int main(void)
{
    rill_sub *deaf;
    check(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    check(rill_kv_open(bus, &kv, "things", NULL));
    check(rill_subscribe(bus, &deaf, "deaf", NULL));
    check(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = kv, .name = "colour",
                                    .data = "red", .len = 3), stored, "put"));
    while (left > 1) check(rill_poll(bus, 1000));
    check(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_REQUEST, .name = "deaf"), have,
                     "request"));
    check(rill_cancel(bus, "request"));
    while (left > 0) check(rill_poll(bus, 1000));
    rill_sub_close(deaf);
    rill_kv_close(kv);
    return rill_close(bus, 1000) < 0;
}
