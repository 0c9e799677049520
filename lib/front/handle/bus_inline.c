/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks on the publisher's thread: what a publish owes when it has left the gate. */
#include "front/handle/bus.h"

/* What has come for `sub` while its callback ran, until nothing is left and it rests. */
static void inline_finish(ri_broker *broker, rill_sub *sub)
{
    ri_broker_enter(broker);
    while (!ri_bus_sub_rest(sub)) {
        ri_broker_leave(broker);
        ri_bus_sub_run(sub, INT32_MAX);
        ri_broker_enter(broker);
    }
    ri_broker_leave(broker);
}

/* Copy a span to `at`, with a 0 behind it; returns what is behind that. */
static inline char *inline_lay(char *at, ri_str from, ri_str *to)
{
    size_t len = from.len;
    if (len) memcpy(at, from.ptr, len);
    at[len] = 0;
    to->ptr = at;
    to->len = len;
    return at + len + 1;
}

/* The message as its callbacks see it, on the publisher's stack. */
static void inline_view(ri_bus_msg *view, rill_bus *bus, const ri_bus_inline *list,
                            char copy[RI_BUS_INLINE_MAX])
{
    const ri_message *m = list->m;
    char *at = inline_lay(copy, m->subject, &view->m.subject);
    at = inline_lay(at, m->reply, &view->m.reply);
    at = inline_lay(at, m->headers, &view->headers);
    inline_lay(at, m->data, &view->m.data);
    view->packet = NULL;
    ri_bus_msg_view_init(view, bus, list->time_ns);
}

void ri_bus_inline_run(ri_broker *broker, const ri_bus_inline *list)
{
    char copy[RI_BUS_INLINE_MAX];
    ri_bus_msg view;
    for (rill_sub *sub = list->first, *next; sub; sub = next) {
        next = sub->next_inline; /* `sub` may be gone when it rests */
        if (sub->inline_packet) {
            ri_bus_sub_run_one(sub, sub->inline_packet);
        } else {
            inline_view(&view, sub->bus, list, copy);
            ri_bus_sub_run_view(sub, &view);
        }
        if (!ri_bus_sub_rest_quick(sub)) inline_finish(broker, sub);
    }
}
