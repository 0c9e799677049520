/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says of itself at its monitoring port: /varz, which rilld and nats-server have. */
#ifndef RILL_TOOL_MONITOR_H
#define RILL_TOOL_MONITOR_H

#include "text.h"
#include "tool.h"

typedef struct monitor_figures {
    double connections, subscriptions, in_msgs, out_msgs, in_bytes, out_bytes, slow_consumers, mem;
} monitor_figures;

/* `place` is HOST:PORT, or a URL with that. An exit code; a failure has been said. */
int monitor_ask(tool *t, const char *place, monitor_figures *figures);
void monitor_rates(monitor_figures *rates, const monitor_figures *now,
                   const monitor_figures *before, double seconds);
/* A line for people; `figures` NULL: nobody was asked. */
void monitor_line(text *line, const monitor_figures *figures, const monitor_figures *rates);
/* JSON. */
void monitor_fields(out *o, const monitor_figures *figures);

#endif
