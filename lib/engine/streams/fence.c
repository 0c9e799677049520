/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and consumers that are there, and are not served: their records in the catalogue cannot
 * be read, or ask for more than this version knows. Absent they are not: under their names nothing
 * else is made, and what only their configuration could allow to go stays.
 *
 *     a stream      stands in js->fenced and nowhere else: nobody finds it by its name. It has its
 *                   track, unless that is not known. Its subjects, its origins are known if that
 *                   part of the record can be read (`legible`): what is published on these
 *                   subjects is refused. Else nothing that takes a subject of its messages is made.
 *     a consumer    stands in its stream's list, wants every subject, and goes on from its state:
 *                   so the stream keeps what it has not settled. It delivers nothing.
 *
 * Records that are lost as a whole leave no names. A track that no record names is a stream without
 * a name; an id in the track of states that no record names is a consumer of any stream, and then
 * no stream of the store lets anything go by interest (ri_fence_doubts()).
 *
 * A fence falls when the stream or consumer is deleted by its name. */
#include "engine/streams/fence.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"
#include "store/index/subject_index.h"

#define FENCE_ACK_WAIT (30 * RI_SEC)

int ri_fence_level(const ri_js_map *metadata)
{
    uint64_t level;
    for (uint32_t i = 0; i < metadata->len; i++) {
        const ri_js_pair *pair = &metadata->items[i];
        if (!ri_str_is(pair->key, "_nats.req.level")) continue;
        if (ri_number_read(pair->value, &level) && level <= RI_JS_API_LEVEL) continue;
        return ri_err(RILL_EPROTO, "unsupported - required API level: %.*s, current API level: %d",
                      RI_ARG(pair->value), RI_JS_API_LEVEL);
    }
    return RILL_OK;
}

/* ---- What is published ---- */

static int fence_refuse(const ri_stream *stream, ri_js_error *e)
{
    return ri_jserror_set(e, RI_JS_STREAM_OFFLINE_REASON, "%.*s", RI_ARG(stream->offline));
}

static bool fence_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    ri_stream *stream = ri_container_of(party, ri_stream, party);
    ri_js *js = stream->js;
    ri_js_error e;
    ri_js_append *a = d->p->append;
    if (stream->closing || d->p->stored) return false;
    int rc = fence_refuse(stream, &e);
    if (a && !a->taken) {
        a->taken = true;
        ri_js_append_refuse(a, rc, &e);
        ri_list_push(&js->now_waiters, &a->waiter.link);
    } else if (d->m->reply.len) {
        ri_buffer_reset(&js->answer);
        ri_jshot_puback_error(&e, stream->conf.name, &js->answer);
        if (!js->answer.failed) ri_js_answer(js, NULL, d->m->reply, ri_buffer_str(&js->answer));
    }
    return true;
}

static const ri_party_ops fence_ops = {.deliver = fence_deliver};

static bool fence_takes(const ri_stream *fence, ri_str subject)
{
    bool takes = !fence->legible;
    for (uint32_t i = 0; i < fence->conf.subjects.len && !takes; i++)
        takes = ri_subject_match(fence->conf.subjects.items[i], subject);
    return takes;
}

int ri_fence_no_stream(ri_js *js, ri_str subject, ri_js_error *e)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_list_each (link, &js->fenced) {
        const ri_stream *fence = ri_container_of(link, ri_stream, fenced_link);
        if (fence_takes(fence, subject)) return fence_refuse(fence, e);
    }
    return ri_jserror_set(e, RI_JS_STREAM_NOT_FOUND, NULL);
}

/* ---- Making ---- */

int ri_fence_stream(ri_js *js, const ri_fence *what)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_arena arena;
    ri_stream_conf conf;
    ri_stream *stream;
    ri_arena_init(&arena, js->host);
    bool legible = what->json.len > 0 &&
                   ri_jsapi_decode(&ri_jsapi_stream_core, what->json, false, &arena, &conf) >= 0;
    if (!legible) conf = (ri_stream_conf){.num_replicas = 1};
    conf.name = what->name;
    conf.storage = RI_STORE_FILE;
    int rc = ri_stream_new(js, &conf, what->number, &stream);
    ri_arena_fini(&arena);
    if (rc < 0) return rc;
    char *reason = ri_arena_copy(&stream->arena, what->reason.ptr, what->reason.len);
    stream->party.ops = &fence_ops;
    stream->offline = (ri_str){reason, what->reason.len};
    stream->legible = legible;
    stream->catalog_seq = what->seq;
    rc = reason ? ri_stream_listen(stream) : RILL_ENOMEM;
    if (rc < 0)
        ri_stream_free(stream);
    else
        ri_list_push(&js->fenced, &stream->fenced_link);
    return rc;
}

int ri_fence_consumer(ri_stream *stream, const ri_fence *what)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_consumer_conf conf = {.durable_name = what->name, .name = what->name,
                             .ack_policy = RI_ACK_EXPLICIT, .ack_wait = FENCE_ACK_WAIT,
                             .max_deliver = -1, .num_replicas = 1};
    ri_consumer *c;
    int rc = ri_consumer_new(stream, &conf, what->name, what->number, &c);
    if (rc < 0) return rc;
    char *reason = ri_arena_copy(&c->arena, what->reason.ptr, what->reason.len);
    c->offline = (ri_str){reason, what->reason.len};
    c->catalog_seq = what->seq;
    c->created_ns = what->created_ns;
    rc = reason ? ri_stream_add_consumer(stream, c) : RILL_ENOMEM;
    if (rc < 0) ri_consumer_free(c);
    return rc;
}

/* ---- Asking ---- */

static ri_stream *fence_find(ri_js *js, ri_str name)
{
    ri_list_each (link, &js->fenced) {
        ri_stream *fence = ri_container_of(link, ri_stream, fenced_link);
        if (name.len && ri_str_eq(fence->conf.name, name)) return fence;
    }
    return NULL;
}

bool ri_fence_is_named(ri_js *js, ri_str name)
{
    RI_ASSERT(ri_js_is_sound(js));
    return fence_find(js, name) != NULL;
}

bool ri_fence_why(ri_js *js, ri_str name, ri_js_error *e)
{
    RI_ASSERT(ri_js_is_sound(js));
    const ri_stream *fence = fence_find(js, name);
    if (fence) fence_refuse(fence, e);
    return fence != NULL;
}

ri_consumer *ri_fence_consumer_of(ri_stream *stream, ri_str name)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_consumer *c = ri_map_get(&stream->consumers, ri_hash(name), &name);
    return c && c->offline.len ? c : NULL;
}

bool ri_fence_why_consumer(ri_stream *stream, ri_str consumer, ri_js_error *e)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    const ri_consumer *c = ri_fence_consumer_of(stream, consumer);
    if (c) ri_jserror_set(e, RI_JS_CONSUMER_OFFLINE_REASON, "%.*s", RI_ARG(c->offline));
    return c != NULL;
}

int ri_fence_each(ri_js *js, ri_stream *of, ri_arena *arena, ri_js_map *out)
{
    RI_ASSERT(ri_js_is_sound(js));
    size_t n = 0, most = of ? of->nconsumers : 0;
    if (!of) ri_list_each (link, &js->fenced) most++;
    *out = (ri_js_map){ri_arena_alloc(arena, ri_size_mul(most + 1, sizeof *out->items)), 0};
    if (!out->items) return RILL_ENOMEM;
    for (size_t i = 0; of && i < most; i++)
        if (of->list[i]->offline.len)
            out->items[n++] = (ri_js_pair){of->list[i]->name, of->list[i]->offline};
    if (!of) ri_list_each (link, &js->fenced) {
        const ri_stream *fence = ri_container_of(link, ri_stream, fenced_link);
        if (fence->conf.name.len)
            out->items[n++] = (ri_js_pair){fence->conf.name, fence->offline};
    }
    out->len = (uint32_t)n;
    return RILL_OK;
}

/* ---- What a fence keeps others from ---- */

static bool fence_overlaps(const ri_stream *fence, ri_str subject)
{
    uint64_t visited = 0;
    if (!fence->legible) return fence->track && ri_track_last_of(fence->track, subject, &visited);
    for (uint32_t i = 0; i < fence->conf.subjects.len; i++)
        if (ri_subject_overlaps(fence->conf.subjects.items[i], subject)) return true;
    return false;
}

int ri_fence_check(ri_js *js, const ri_stream_conf *conf, ri_js_error *e)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_list_each (link, &js->fenced) {
        const ri_stream *fence = ri_container_of(link, ri_stream, fenced_link);
        bool same = ri_str_eq(fence->conf.name, conf->name);
        for (uint32_t i = 0; i < conf->subjects.len && !same; i++)
            same = fence_overlaps(fence, conf->subjects.items[i]);
        if (same) return fence_refuse(fence, e);
    }
    return RILL_OK;
}

static bool fence_copies(const ri_stream *fence, ri_str name)
{
    const ri_stream_conf *conf = &fence->conf;
    bool copies = !fence->legible || (conf->mirror && ri_str_eq(conf->mirror->name, name));
    for (uint32_t i = 0; i < conf->sources.len && !copies; i++)
        copies = ri_str_eq(conf->sources.items[i].name, name);
    return copies;
}

bool ri_fence_doubts(const ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    const ri_js *js = stream->js;
    if (!stream->reopened) return false;
    if (js->lost_consumers) return true;
    ri_list_each (link, &js->fenced)
        if (fence_copies(ri_container_of(link, ri_stream, fenced_link), stream->conf.name))
            return true;
    return false;
}

/* ---- Deleting ---- */

int ri_fence_delete(ri_js *js, ri_str name, ri_js_error *e)
{
    ri_stream *fence = fence_find(js, name);
    if (!fence) return ri_jserror_set(e, RI_JS_STREAM_NOT_FOUND, NULL);
    int rc = ri_catalog_drop_all_of(js, name);
    if (rc >= 0) rc = ri_stream_delete(fence, e);
    for (size_t i = 0; i < js->nstreams; i++) ri_retention_review(js->sorted[i]);
    return rc;
}

int ri_fence_delete_consumer(ri_stream *stream, ri_str consumer, ri_js_error *e)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_consumer *c = ri_fence_consumer_of(stream, consumer);
    return c ? ri_consumer_delete(c) : ri_jserror_set(e, RI_JS_CONSUMER_NOT_FOUND, NULL);
}
