/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "engine/streams/fetch.h"
#include "engine/streams/js_state.h"

enum { WATCH_NOTIFIED = 4 }; /* that are notified, for a unit of the turn */

void ri_watch_begin(ri_watch *watch, ri_stream *stream)
{
    RI_CHECK(stream, RI_STREAM_MAGIC);
    RI_ASSERT(watch->grew && !watch->stream);
    watch->stream = stream;
    ri_list_push(&stream->watches, &watch->link);
}

void ri_watch_end(ri_watch *watch)
{
    if (!watch->stream) return;
    ri_list_remove(&watch->link);
    watch->stream = NULL;
}

void ri_watch_grew(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    uint64_t n = 0;
    ri_list_each (link, &stream->watches) {
        ri_watch *watch = ri_container_of(link, ri_watch, link);
        watch->grew(watch);
        n++;
    }
    ri_budget_spend(&stream->js->router->budget, n / WATCH_NOTIFIED);
}

void ri_watch_gone(ri_stream *stream)
{
    for (ri_list *link; stream->watches.next && (link = ri_list_pop(&stream->watches)) != NULL;) {
        ri_watch *watch = ri_container_of(link, ri_watch, link);
        watch->stream = NULL;
        watch->grew(watch);
    }
}
