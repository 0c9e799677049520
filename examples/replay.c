/* SPDX-License-Identifier: Apache-2.0
 *
 * What is stored can be read again, by any number of readers, each from where it likes. Prints
 *
 *     all:     1 eu=10 2 us=20 3 eu=11 4 us=21 5 eu=12
 *     eu only: 1 eu=10 3 eu=11 5 eu=12
 *     from 4:  4 us=21 5 eu=12
 *     newest:  4 us=21 5 eu=12
 *     last:    6 eu=13
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rill.h"

#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }

static void store(rill_bus *bus, const char *subject, const char *text)
{
    OK(rill_append(bus, subject, text, strlen(text), NULL, NULL, 5000));
}

/* A reader of its own, until it has had all that are there. */
static void show(rill_bus *bus, const char *what, const rill_sub_opts *from)
{
    const rill_msg *m;
    rill_sub *sub;
    OK(rill_tail(bus, &sub, "PRICES", from));
    printf("%-8s", what);
    do {
        OK(rill_next(sub, &m, 5000));
        printf(" %d %s=%.*s", (int)m->seq, m->subject.ptr + 7, RILL_ARG(m->data));
    } while (m->pending > 0);
    printf("\n");
    rill_sub_close(sub);
}

int main(void)
{
    rill_bus *bus;
    OK(rill_open(&bus, "mem:", NULL)); /* or "file:DIR" */
    OK(rill_stream_ensure(bus, "PRICES", RILL_OPTS(rill_stream_opts, .subjects = "prices.*")));
    store(bus, "prices.eu", "10"), store(bus, "prices.us", "20"), store(bus, "prices.eu", "11");
    store(bus, "prices.us", "21"), store(bus, "prices.eu", "12");
    show(bus, "all:", NULL);
    show(bus, "eu only:", RILL_OPTS(rill_sub_opts, .filter = "prices.eu"));
    show(bus, "from 4:", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_SEQ, .from_seq = 4));
    show(bus, "newest:", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_LAST_PER_SUBJECT));
    store(bus, "prices.eu", "13");
    show(bus, "last:", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_LAST));
    return rill_close(bus, 1000) < 0;
}
