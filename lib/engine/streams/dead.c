/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: a consumer whose metadata names a stream (key rill.dead_letters) has each message
 * that it gives up on moved there: in the commit that records its giving up it is stored there, and
 * leaves a stream that keeps it for this consumer (by work, or by interest). One that cannot be
 * moved stays where it is, and is reported.
 *
 *     subject, body    as stored
 *     headers          as stored, and Rill-Dead-Stream, Rill-Dead-Consumer, Rill-Dead-Sequence,
 *                      Rill-Dead-Deliveries, Rill-Dead-Reason (max_deliver, or terminated[: why])
 *
 * Of a message that the stream no longer has, nothing is kept: there is nothing to keep. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/nats/headers.h"
#include "engine/streams/js_state.h"

static ri_str dead_stream_name(const ri_consumer *c)
{
    const ri_js_map *metadata = &c->conf.metadata;
    for (uint32_t i = 0; i < metadata->len; i++)
        if (ri_str_is(metadata->items[i].key, "rill.dead_letters")) return metadata->items[i].value;
    return RI_STR_NONE;
}

bool ri_dead_count(const ri_consumer *c, uint64_t *n)
{
    *n = c->ndead;
    return dead_stream_name(c).len > 0;
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

static void dead_report(ri_consumer *c, const ri_pending *p, ri_str to, int rc, const char *why)
{
    char text[RI_JS_TEXT_MAX];
    const ri_stream *stream = c->stream;
    snprintf(text, sizeof text, "message %llu of %.*s, which %.*s has given up on, does not go to "
             "%.*s: %s", (unsigned long long)p->stream_seq, RI_ARG(stream->conf.name),
             RI_ARG(c->name), RI_ARG(to), why);
    ri_host_log(stream->js->host, RILL_WARN, "%s", text);
    ri_js_event event = {.kind = RI_JS_DEAD_LETTER_STUCK, .consumer = c->name,
                         .stream = stream->conf.name, .code = rc, .stream_seq = p->stream_seq,
                         .deliveries = p->deliveries, .reason = ri_str_of(text)};
    ri_js_notify(stream->js, &event);
}

static int dead_store(ri_consumer *c, const ri_pending *p, ri_fate fate, ri_str reason,
                      ri_stream *to, ri_js_error *e)
{
    ri_js *js = c->stream->js;
    ri_record record;
    int rc = ri_cursor_get(&c->stream->cursor, p->stream_seq, &record);
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_STORE_FAILED, rc);
    ri_buffer_reset(&js->record);
    dead_put_headers(c, p, fate, reason, record.headers, &js->record);
    ri_buffer_reset(&js->scratch); /* the append may move what the record points to */
    ri_buffer_put_str(&js->scratch, record.subject);
    ri_buffer_put_str(&js->scratch, record.data);
    if (js->record.failed || js->scratch.failed)
        return ri_jserror_of(e, RI_JS_STREAM_STORE_FAILED, ri_err_nomem(0));
    ri_str kept = ri_buffer_str(&js->scratch);
    ri_ingest in = {.stream = to, .subject = {kept.ptr, record.subject.len},
                    .headers = ri_buffer_str(&js->record),
                    .data = ri_str_from(kept, record.subject.len), .time_ns = js->wall_ns,
                    .internal = true};
    rc = ri_retention_admit(&in, e);
    return rc < 0 ? rc : ri_ingest_append(&in, e);
}

/* Why that stream cannot have them; NULL: it can. A letter in memory of a message on disk would be
 * gone with the process, and the message before it; a mirror's numbers are those of its origin. */
static const char *dead_refused(const ri_consumer *c, const ri_stream *to)
{
    if (!to) return "there is no such stream";
    if (to == c->stream) return "it is the stream that it comes from";
    if (to->conf.mirror) return "it is a mirror";
    if (to->conf.sealed) return "it is sealed";
    if (to->closing) return "it is being deleted";
    if (to->store != c->stream->store && to->store == &to->js->memory)
        return "it is in memory, and the message on disk";
    return NULL;
}

ri_dead ri_dead_letter(ri_consumer *c, const ri_pending *p, ri_fate fate, ri_str reason)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_str name = dead_stream_name(c);
    ri_js_error e = {0};
    if (name.len == 0) return RI_DEAD_NONE;
    ri_stream *to = ri_js_stream(c->stream->js, name);
    const char *wrong = dead_refused(c, to);
    if (wrong) {
        dead_report(c, p, name, to ? RILL_EINVAL : RILL_ENOENT, wrong);
        return RI_DEAD_STUCK;
    }
    int rc = dead_store(c, p, fate, reason, to, &e);
    if (rc >= 0) {
        c->ndead++;
        return RI_DEAD_MOVED;
    }
    dead_report(c, p, name, rc, e.text);
    return RI_DEAD_STUCK;
}
