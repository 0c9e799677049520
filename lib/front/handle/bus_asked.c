/* SPDX-License-Identifier: Apache-2.0 */
#include "front/handle/bus_asked.h"

#include "base/assert.h"
#include "base/hash.h"
#include "front/handle/bus.h"

static ri_list *bus_asked_row(const ri_bus_asked_table *table, uint64_t subject)
{
    return &table->rows[subject % RI_BUS_ASKED_ROWS];
}

static bool bus_asked_begin(ri_bus_asked_table *table, const ri_host *host)
{
    table->rows = ri_calloc(host, RI_BUS_ASKED_ROWS * sizeof *table->rows);
    if (!table->rows) return false;
    for (int i = 0; i < RI_BUS_ASKED_ROWS; i++) ri_list_init(&table->rows[i]);
    return true;
}

void ri_bus_asked_add(ri_bus_asked_table *table, const ri_host *host, ri_bus_asked *asked,
                      ri_str subject)
{
    RI_ASSERT(asked->refused && !ri_list_linked(&asked->link));
    if (!table->rows && !bus_asked_begin(table, host)) return;
    asked->subject = ri_hash(subject);
    ri_list_push(bus_asked_row(table, asked->subject), &asked->link);
}

bool ri_bus_asked_refuse(rill_bus *bus, ri_str subject, int code)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker) && code < 0);
    if (!bus->asked.rows || !subject.len) return false;
    uint64_t hash = ri_hash(subject);
    int looked = 0;
    ri_list_each (link, bus_asked_row(&bus->asked, hash)) {
        ri_bus_asked *asked = ri_container_of(link, ri_bus_asked, link);
        if (asked->subject == hash) return asked->refused(bus, asked, code);
        if (++looked == RI_BUS_ASKED_LOOK_MAX) break;
    }
    return false;
}

void ri_bus_asked_fini(ri_bus_asked_table *table, const ri_host *host)
{
    if (table->rows) ri_free(host, table->rows, RI_BUS_ASKED_ROWS * sizeof *table->rows);
    table->rows = NULL;
}
