/* SPDX-License-Identifier: Apache-2.0
 *
 * Care of a store: check its checksums, copy it while it is in use, and save what can be read of
 * one that is damaged. Prints
 *
 *     checked: 0 damages
 *     the copy has 3 orders, the store 4
 *     damaged: order 2
 *     saved: 2 orders
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rill.h"

#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }

static int orders(const char *url)
{
    rill_bus *bus;
    rill_stream_info info = {.size = sizeof info};
    OK(rill_open(&bus, url, NULL));
    OK(rill_stream_status(bus, "ORDERS", &info));
    OK(rill_close(bus, 1000));
    return (int)info.msgs;
}

static int told(const rill_care *care, void *arg)
{
    (void)arg;
    if (care->damage) printf("damaged: order %d\n", (int)care->damage->first_seq);
    return 0;
}

int main(void)
{
    rill_bus *bus;
    char bytes[4096], *found;
    if (system("rm -rf backup.data backup.copy backup.saved")) return 1;
    OK(rill_open(&bus, "file:backup.data", NULL));
    OK(rill_stream_ensure(bus, "ORDERS", NULL));
    OK(rill_append(bus, "ORDERS", "one coffee", 10, NULL, NULL, 5000));
    OK(rill_append(bus, "ORDERS", "two croissants", 14, NULL, NULL, 5000));
    OK(rill_append(bus, "ORDERS", "three more coffees", 18, NULL, NULL, 5000));
    printf("checked: %d damages\n", rill_store_check(bus, told, NULL));
    OK(rill_store_snapshot(bus, "backup.copy"));
    OK(rill_append(bus, "ORDERS", "the bill", 8, NULL, NULL, 5000));
    OK(rill_close(bus, 1000));
    printf("the copy has %d orders, ", orders("file:backup.copy"));
    printf("the store %d\n", orders("file:backup.data"));
    FILE *file = fopen("backup.copy/00000000.seg", "r+b"); /* a disk that forgets */
    if (!file || fread(bytes, 1, sizeof bytes, file) != sizeof bytes) return 1;
    for (found = bytes; memcmp(found, "croissants", 10) != 0; found++)
        if (found == bytes + sizeof bytes - 10) return 1;
    if (fseek(file, found - bytes, SEEK_SET) || fputs("????", file) < 0 || fclose(file)) return 1;
    OK(rill_store_salvage("backup.copy", "backup.saved", NULL, told, NULL));
    printf("saved: %d orders\n", orders("file:backup.saved"));
    return 0;
}
