/* SPDX-License-Identifier: Apache-2.0
 *
 * The smallest whole: a broker inside this process, one subscription, one message. Prints
 *
 *     greet.world: hello
 */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

static void check(int rc)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

int main(void)
{
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    check(rill_open(&bus, "mem:", NULL));
    check(rill_subscribe(bus, &sub, "greet.*", NULL));
    check(rill_publish(bus, "greet.world", "hello", 5, NULL));
    check(rill_next(sub, &m, 1000));
    printf("%.*s: %.*s\n", RILL_ARG(m->subject), RILL_ARG(m->data));
    rill_sub_close(sub);
    return rill_close(bus, 1000) < 0;
}
