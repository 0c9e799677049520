/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: a consumer whose metadata names a stream (key rill.dead_letters) has each message
 * that it gives up on stored there, in the commit that records its giving up.
 *
 *     subject, body    as stored
 *     headers          as stored, and Rill-Dead-Stream, Rill-Dead-Consumer, Rill-Dead-Sequence,
 *                      Rill-Dead-Deliveries, Rill-Dead-Reason (max_deliver, or terminated[: why])
 *
 * Of a message that the stream no longer has, nothing is kept: there is nothing to keep. */
#include "base/error.h"
#include "codec/headers.h"
#include "engine/js_state.h"

static ri_str dead_stream_name(const ri_consumer *c)
{
    const ri_js_map *metadata = &c->conf.metadata;
    for (uint32_t i = 0; i < metadata->len; i++)
        if (ri_str_is(metadata->items[i].key, "rill.dead_letters")) return metadata->items[i].value;
    return RI_STR_NONE;
}

static void dead_put_headers(const ri_consumer *c, const ri_pending *p, ri_fate fate, ri_str reason,
                             ri_str headers, ri_buffer *out)
{
    if (headers.len > 2)
        ri_buffer_put(out, headers.ptr, headers.len - 2);
    else
        ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    ri_buffer_printf(out, "Rill-Dead-Stream: %.*s\r\nRill-Dead-Consumer: %.*s\r\n"
                     "Rill-Dead-Sequence: %llu\r\nRill-Dead-Deliveries: %u\r\n"
                     "Rill-Dead-Reason: %s", RI_ARG(c->stream->conf.name), RI_ARG(c->name),
                     (unsigned long long)p->stream_seq, p->deliveries,
                     fate == RI_FATE_EXHAUSTED ? "max_deliver" : "terminated");
    if (reason.len) ri_buffer_puts(out, ": ");
    for (size_t i = 0; i < reason.len; i++) { /* it came from a receiver: no line of its own */
        char ch = reason.ptr[i] == '\r' || reason.ptr[i] == '\n' ? ' ' : reason.ptr[i];
        ri_buffer_put(out, &ch, 1);
    }
    ri_buffer_puts(out, "\r\n\r\n");
}

void ri_dead_letter(ri_consumer *c, const ri_pending *p, ri_fate fate, ri_str reason)
{
    ri_stream *stream = c->stream;
    ri_js *js = stream->js;
    ri_str name = dead_stream_name(c);
    if (name.len == 0) return;
    ri_stream *to = ri_js_stream(js, name);
    ri_record record;
    if (!to || ri_cursor_get(&stream->cursor, p->stream_seq, &record) < 0) {
        ri_log_line(js->host, RILL_WARN, "dead letter %llu of %.*s > %.*s is not kept: %s",
                    (unsigned long long)p->stream_seq, RI_ARG(stream->conf.name), RI_ARG(c->name),
                    to ? "it is gone" : "no such stream");
        return;
    }
    ri_buffer_reset(&js->record);
    dead_put_headers(c, p, fate, reason, record.headers, &js->record);
    ri_buffer_reset(&js->scratch); /* the append may move what the record points to */
    ri_buffer_put_str(&js->scratch, record.subject);
    ri_buffer_put_str(&js->scratch, record.data);
    if (js->record.failed || js->scratch.failed) return;
    ri_str kept = ri_buffer_str(&js->scratch);
    ri_ingest in = {.stream = to, .subject = {kept.ptr, record.subject.len},
                    .headers = ri_buffer_str(&js->record),
                    .data = ri_str_from(kept, record.subject.len), .time_ns = js->wall_ns,
                    .internal = true};
    ri_js_error e;
    if (ri_retention_admit(&in, &e) < 0 || ri_ingest_append(&in, &e) < 0)
        ri_log_line(js->host, RILL_WARN, "dead letter %llu of %.*s > %.*s is not kept: %s",
                    (unsigned long long)p->stream_seq, RI_ARG(stream->conf.name), RI_ARG(c->name),
                    e.text);
}
