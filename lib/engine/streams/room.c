/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of what is durable: what is known of streams and consumers stays until they are
 * deleted, so it is never cut. It has half of the broker's memory at most, and where that is used
 * up nothing more comes to be known:
 *
 *     who asks                           counted                          when it is used up
 *     stream, consumer, its update       here: configurations, filters    refused, 10023
 *     message on a subject that is new   the index, by the slab it is in  refused, 10023
 *     message on a subject that is there the same                         stored
 *     message with a time of its own     here: 16 bytes                   refused, if it is the one
 *                                                                         that needs more
 *     message with an id                 ids.c                            see there
 *
 * So those who are there go on, whoever has filled it. A store is opened whatever it needs: it is
 * counted, and nothing is refused for it. */
#include "base/assert.h"
#include "base/error.h"
#include "engine/streams/js_state.h"

enum { /* bytes, beside those that are known: entries of maps, lists and indexes */
    ROOM_STREAM = 1024,   /* its track, and where it is listed */
    ROOM_CONSUMER = 512,
    ROOM_SUBJECT = 256,   /* of a stream: a subscription */
    ROOM_ORIGIN = 1024,   /* of a stream that copies */
    ROOM_FILTER = 96,     /* of a consumer: it listens while that sleeps */
};

int ri_room_check(ri_js *js, const char *what, ri_js_error *e)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_memory *memory = &js->router->memory;
    if (ri_likely(!ri_memory_is_full(memory, RI_MEMORY_DURABLE))) return RILL_OK;
    ri_memory_refused(memory);
    return ri_jserror_set(e, RI_JS_INSUFFICIENT_RESOURCES,
                          ": no room for %s: half of memory_bytes is taken by what is known of "
                          "streams", what);
}

int ri_room_admit(const ri_ingest *in, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    ri_subject_info info;
    if (ri_likely(!ri_memory_is_full(&stream->js->router->memory, RI_MEMORY_DURABLE)))
        return RILL_OK;
    const ri_js_agenda *ttls = &stream->ttls;
    if ((in->asked.ttl_ns > 0 || in->asked.has_schedule) && ttls->len == ttls->cap)
        return ri_room_check(stream->js, "another message with a time of its own", e);
    if (!ri_track_is_indexed(stream->track) ||
        ri_track_subject_bounds(stream->track, in->subject, &info) >= 0)
        return RILL_OK;
    return ri_room_check(stream->js, "another subject", e);
}

static void room_hold(ri_js *js, uint64_t *held, uint64_t bytes)
{
    ri_memory *memory = &js->router->memory;
    if (bytes > *held) ri_memory_charge(memory, RI_MEMORY_DURABLE, bytes - *held);
    else ri_memory_refund(memory, RI_MEMORY_DURABLE, *held - bytes);
    *held = bytes;
}

void ri_room_stream(ri_stream *stream)
{
    RI_ASSERT(stream->magic == RI_STREAM_MAGIC);
    uint64_t origins = stream->conf.sources.len + (stream->conf.mirror != NULL);
    uint64_t times = stream->ttls.cap + stream->lifted_ttls.cap + stream->schedules.cap;
    room_hold(stream->js, &stream->held,
              sizeof *stream + ROOM_STREAM + stream->arena.bytes + times * sizeof(ri_js_expiry) +
              (uint64_t)stream->nsubs * ROOM_SUBJECT + origins * ROOM_ORIGIN);
}

void ri_room_consumer(ri_consumer *c)
{
    RI_ASSERT(c->magic == RI_CONSUMER_MAGIC);
    room_hold(c->stream->js, &c->held,
              sizeof *c + ROOM_CONSUMER + c->arena.bytes + c->npicks * sizeof *c->picks +
              ri_filters_bytes(&c->compiled) + c->filter.nsubjects * ROOM_FILTER);
}

void ri_room_leave(ri_js *js, uint64_t *held)
{
    room_hold(js, held, 0);
}
