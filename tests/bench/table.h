/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a benchmark in C, as table.py prints those of the others. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <stdbool.h>

typedef struct table_row {
    const char *work, *rill, *peer; /* what was done, our figure, theirs or "" */
    double value;                   /* what is judged: a factor, or a figure of its own */
    const char *unit;               /* of it: "x", "ns" ... */
    double must, aim;               /* both 0: told, not judged */
    bool less;                      /* less is better */
} table_row;

void table_put(const table_row *row); /* prints it */
int table_end(void);                  /* prints how many fall short, and returns it */

#endif
