/* SPDX-License-Identifier: Apache-2.0
 *
 * An order takes from the stock and writes an invoice, and never one without the other: a batch is
 * stored whole, over several streams, or not at all. Prints
 *
 *     order 1: stored, 2 in STOCK, 1 in INVOICES
 *     order 2: ECONFLICT, 2 in STOCK, 1 in INVOICES
 *     order 2: stored, 3 in STOCK, 2 in INVOICES
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rill.h"

#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }

static int count(rill_bus *bus, const char *stream)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, stream, &info));
    return (int)info.msgs;
}

/* The stock of pears is to be what it was at number `seen`, when the order was looked at. */
static void order(rill_bus *bus, const char *name, uint64_t seen)
{
    rill_batch *batch;
    OK(rill_batch_begin(bus, &batch, NULL));
    OK(rill_batch_add(batch, "stock.pears", "-1", 2, RILL_OPTS(rill_post, .expect_last_seq = &seen,
                                                                .expect_subject = "stock.pears")));
    OK(rill_batch_add(batch, "invoices", name, strlen(name), NULL));
    int rc = rill_batch_commit(batch, NULL, 5000);
    rill_batch_close(batch);
    printf("%s: %s, %d in STOCK, %d in INVOICES\n", name, rc < 0 ? rill_errname(rc) : "stored",
           count(bus, "STOCK"), count(bus, "INVOICES"));
}

int main(void)
{
    rill_bus *bus;
    OK(rill_open(&bus, "mem:", NULL));
    OK(rill_stream_ensure(bus, "STOCK", RILL_OPTS(rill_stream_opts, .subjects = "stock.*")));
    OK(rill_stream_ensure(bus, "INVOICES", RILL_OPTS(rill_stream_opts, .subjects = "invoices")));
    OK(rill_append(bus, "stock.pears", "+10", 3, NULL, NULL, 5000));
    order(bus, "order 1", 1);
    order(bus, "order 2", 1); /* somebody took one since it looked */
    order(bus, "order 2", 2);
    return rill_close(bus, 1000) < 0;
}
