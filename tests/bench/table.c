/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdio.h>

static int table_rows, table_short;

static void table_line(const char *work, const char *rill, const char *peer, const char *goals[3],
                       const char *verdict)
{
    printf("%-34s  %-22s  %-28s  %-9s  %-9s  %-9s  %s\n", work, rill, peer, goals[0], goals[1],
           goals[2], verdict);
    fflush(stdout);
}

static bool table_holds(const table_row *row, double goal)
{
    return row->less ? row->value <= goal : row->value >= goal;
}

void table_put(const table_row *row)
{
    char value[32], must[32] = "", aim[32] = "";
    const char *verdict = "", *goals[3] = {value, must, aim};
    if (table_rows++ == 0)
        table_line("work", "rill", "peer", (const char *[]){"factor", "must", "aim"}, "");
    snprintf(value, sizeof value, row->value < 10 ? "%.2f%s" : "%.1f%s", row->value, row->unit);
    if (row->must > 0) {
        snprintf(must, sizeof must, "%s%g%s", row->less ? "<= " : "", row->must, row->unit);
        snprintf(aim, sizeof aim, "%s%g%s", row->less ? "<= " : "", row->aim, row->unit);
        verdict = table_holds(row, row->aim) ? "aim" : table_holds(row, row->must) ? "ok" : "short";
        table_short += !table_holds(row, row->must);
    }
    table_line(row->work, row->rill, row->peer, goals, verdict);
}

int table_end(void)
{
    printf("%d rows hold, %d fall short\n", table_rows - table_short, table_short);
    return table_short;
}
