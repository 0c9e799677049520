/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration that a program follows: the values there are, a mark behind the last, and then
 * each change when it happens. NATS clients may watch and set the same keys. Prints
 *
 *     color = blue
 *     size = 7
 *     that is all there was
 *     size = 8
 *     color is gone
 *     size is at revision 3, so "expect 2" fails: ECONFLICT
 */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }

static void follow(rill_sub *watch)
{
    const rill_msg *m;
    OK(rill_next(watch, &m, 5000));
    if (m->flags & RILL_MSG_DELETED)
        printf("%.*s is gone\n", RILL_ARG(m->key));
    else
        printf("%.*s = %.*s\n", RILL_ARG(m->key), RILL_ARG(m->data));
    if (m->flags & RILL_MSG_CAUGHT_UP) printf("that is all there was\n");
}

int main(void)
{
    rill_bus *bus;
    rill_kv *kv;
    rill_sub *watch;
    OK(rill_open(&bus, "mem:", NULL)); /* or "file:DIR" */
    OK(rill_kv_open(bus, &kv, "config", NULL));
    OK(rill_kv_put(kv, "color", "blue", 4, NULL, NULL));
    OK(rill_kv_put(kv, "size", "7", 1, NULL, NULL));
    OK(rill_kv_watch(kv, &watch, NULL));
    follow(watch);
    follow(watch);

    uint64_t revision = 2;
    const rill_kv_opts *still = RILL_OPTS(rill_kv_opts, .expect = &(uint64_t){revision});
    OK(rill_kv_put(kv, "size", "8", 1, still, &revision)); /* only if it is at revision 2 */
    follow(watch);
    OK(rill_kv_delete(kv, "color", NULL));
    follow(watch);
    int rc = rill_kv_put(kv, "size", "9", 1, still, NULL);
    printf("size is at revision %d, so \"expect 2\" fails: %s\n", (int)revision, rill_errname(rc));
    rill_sub_close(watch);
    rill_kv_close(kv);
    return rill_close(bus, 1000) < 0;
}
