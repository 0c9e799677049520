/* SPDX-License-Identifier: Apache-2.0 */
/* Stored messages are published again under another subject, once they are committed: live
 * subscribers see what a reader of the stream will see, with its place in the headers. */
#include "base/assert.h"
#include "base/error.h"
#include "base/rfc3339.h"
#include "codec/nats/headers.h"
#include "engine/streams/js_state.h"

typedef struct ri_js_echo {
    ri_list link;         /* in stream->echoes, by seq */
    uint64_t seq;
    uint64_t before_seq;  /* the last on its subject before it; 0: none */
} ri_js_echo;

enum { REPUBLISH_UNITS = 8 }; /* of a message that is read and put together */

void ri_echo_add(ri_stream *stream, const ri_ingest *in, uint64_t before_seq)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js_echo *echo = ri_new(stream->js->host, ri_js_echo);
    if (!echo) return; /* what is live may be lost; the stream has it */
    echo->seq = in->seq;
    echo->before_seq = before_seq;
    ri_list_push(&stream->echoes, &echo->link);
}

static void republish_one(ri_stream *stream, const ri_js_echo *echo, const ri_record *record)
{
    ri_js *js = stream->js;
    ri_buffer_reset(&js->subject);
    if (ri_transform_apply(stream->republish, record->subject, record->seq, &js->subject) <= 0)
        return;
    ri_buffer *out = &js->scratch;
    ri_buffer_reset(out);
    if (record->headers.len > 2)
        ri_buffer_put(out, record->headers.ptr, record->headers.len - 2);
    else
        ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    char time[RI_RFC3339_MAX];
    size_t time_len = ri_rfc3339_write(time, record->time_ns);
    ri_buffer_printf(out, "Nats-Stream: %.*s\r\nNats-Subject: %.*s\r\nNats-Sequence: %llu\r\n"
                     "Nats-Time-Stamp: %.*s\r\nNats-Last-Sequence: %llu\r\n",
                     RI_ARG(stream->conf.name), RI_ARG(record->subject),
                     (unsigned long long)record->seq, (int)time_len, time,
                     (unsigned long long)echo->before_seq);
    bool bare = stream->conf.republish->headers_only;
    if (bare) ri_buffer_printf(out, "Nats-Msg-Size: %zu\r\n", record->data.len);
    ri_buffer_puts(out, "\r\n");
    size_t headers_len = out->len;
    if (!bare) ri_buffer_put_str(out, record->data);
    if (out->failed || js->subject.failed) return;
    ri_message m = {.subject = ri_buffer_str(&js->subject), .headers = {out->ptr, headers_len},
                    .data = {out->ptr + headers_len, out->len - headers_len}};
    ri_router_publish(&js->party, &(ri_publish){.m = &m});
}

void ri_echo_step(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    bool left = true;
    while (left && !ri_list_empty(&stream->echoes)) {
        ri_js_echo *echo = ri_container_of(stream->echoes.next, ri_js_echo, link);
        if (echo->seq > info.visible_seq) return; /* its commit is not done */
        ri_list_remove(&echo->link);
        ri_record record;
        if (stream->republish && ri_cursor_get(&stream->cursor, echo->seq, &record) >= 0)
            republish_one(stream, echo, &record);
        ri_delete(stream->js->host, echo);
        left = ri_budget_spend(&stream->js->router->budget, REPUBLISH_UNITS);
    }
    if (!ri_list_empty(&stream->echoes)) ri_js_busy(stream);
}

void ri_echo_fini(ri_stream *stream)
{
    for (ri_list *link; stream->echoes.next && (link = ri_list_pop(&stream->echoes)) != NULL;)
        ri_delete(stream->js->host, ri_container_of(link, ri_js_echo, link));
}
