/* SPDX-License-Identifier: Apache-2.0 */
/* How far something is, on stderr: a bar with rate and time left on a terminal, else a line each
 * second. Nothing with --json. */
#ifndef RILL_TOOL_BAR_H
#define RILL_TOOL_BAR_H

#include "tool.h"

typedef struct bar {
    tool *t;
    const char *what;
    uint64_t done, total;            /* bytes; total 0: nobody knows */
    int64_t began_ns, shown_ns;
    bool drawn;                      /* the cursor stands behind the bar */
} bar;

void bar_begin(bar *b, tool *t, const char *what, uint64_t total);
void bar_move(bar *b, uint64_t done);
/* Full if it went well; the line is ended. */
void bar_end(bar *b, bool well);
/* The line is ended for something else to be said; the next bar_move() draws again. */
void bar_break(bar *b);

#endif
