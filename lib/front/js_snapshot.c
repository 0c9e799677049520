/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots and restores: a stream as a row of chunks, opaque to clients, and back.
 *
 *     snapshot: chunks to the client's subject, each with a reply on which the client says that it
 *     has it; a window of chunks is under way; an empty message with status 204 ends it.
 *     restore: chunks to our subject, each a request that is answered with an empty message; an
 *     empty chunk ends it, and is answered as STREAM.CREATE is.
 *
 * What travels is framed as an S2 stream (codec/s2_frame.h), since tools look into it. Within, the
 * archive is little-endian, "RILLARC1" and then entries, each
 *
 *     kind u8 | a u32 | b u32 | c u32 | seq u64 | time i64 | a + b + c bytes | crc32c u32
 *
 *     'C'  a consumer: a configuration as JSON; seq: its ack floor, in the stream's counting
 *     'M'  a message: a subject, b headers, c data; seq and time its own
 *     'E'  the end; seq: the last that the stream has assigned
 *
 * with the checksum over all of the entry before it. Messages come in the order of their numbers.
 * A restored stream takes no publishes before it is whole: until then its only subject is one
 * that nobody knows. A restored consumer starts behind its ack floor: what was acknowledged out of
 * order comes again. */
#include <stdio.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "codec/jsconf.h"
#include "codec/limits.h"
#include "codec/s2_frame.h"
#include "codec/subject.h"
#include "front/js_request.h"

#define SNAPSHOT_MAGIC "RILLARC1"

enum {
    SNAPSHOT_CHUNK = 128 * 1024,
    SNAPSHOT_CHUNK_MAX = 1024 * 1024,
    SNAPSHOT_WINDOW = 8 * 1024 * 1024,
    SNAPSHOT_WINDOW_MAX = 32 * 1024 * 1024,
    SNAPSHOT_LEAST = 1024,          /* bytes of a chunk and of a window */
    SNAPSHOT_TURN = 16,             /* chunks in one step */
    SNAPSHOT_IDLE_SEC = 5,          /* a silent client is given up after */
    SNAPSHOT_LOOK_MS = 5,           /* between looks whether the client listens by now, */
    SNAPSHOT_LISTEN_SEC = 2,        /* for so long */
    SNAPSHOT_HEAD = 29,             /* bytes of an entry before its parts */
    SNAPSHOT_PART_MAX = 1024 * 1024, /* subject, headers, a consumer's configuration */
};

struct ri_js_transfer {
    ri_list link;               /* in api->transfers */
    ri_jetstream_api *api;
    ri_subscription sub;        /* acks of chunks, or chunks */
    char subject[320];          /* of sub */
    ri_str id;                  /* the nuid, within subject */
    bool restore;
    int64_t due_ns;             /* given up then, unless something comes */
    ri_buffer bytes;            /* framed; snapshot: not yet sent; restore: not yet read */
    ri_buffer plain;            /* likewise, before or after the framing */
    ri_arena arena;
    ri_stream_conf conf;        /* restore: what the stream shall be; else its name counts */
    int64_t begun_ns;           /* wall clock */
    uint64_t came;              /* restore: bytes of chunks */
    int64_t created;            /* of the stream, to know it from a later one of that name */
    /* Snapshot. */
    ri_str deliver;             /* where the chunks go */
    uint64_t next_seq, last_seq; /* first not yet in the archive; last that shall be */
    uint64_t chunk_bytes, slots; /* of a chunk; how many more may be sent now */
    uint64_t index;             /* of the next chunk, from 1 */
    int64_t look_ns;            /* no chunk before */
    bool heard;                 /* the client listens, or had its time to begin */
    bool ended;                 /* 'E' is in `bytes` */
    /* Restore. */
    bool begun;                 /* the magic was seen */
    bool whole;                 /* 'E' was seen */
    ri_js_error failed;         /* code 0: all went well up to now */
};

/* ---- Common ---- */

static void snapshot_free(ri_js_transfer *t)
{
    ri_jetstream_api *api = t->api;
    if (ri_interest_is_in(&t->sub.entry)) ri_router_unsubscribe(&t->sub);
    ri_list_remove(&t->link);
    api->ntransfers--;
    ri_buffer_fini(&t->bytes);
    ri_buffer_fini(&t->plain);
    ri_arena_fini(&t->arena);
    ri_delete(&api->host, t);
}

static void snapshot_touch(ri_js_transfer *t)
{
    t->due_ns = t->api->mono_ns + SNAPSHOT_IDLE_SEC * RI_SEC;
}

/* In the list and subscribed; NULL: answered. */
static ri_js_transfer *snapshot_open(ri_js_request *r, const char *verb, const char *tail)
{
    ri_jetstream_api *api = r->api;
    ri_js_transfer *t =
        api->ntransfers < RI_LIMIT_JS_TRANSFERS ? ri_new(&api->host, ri_js_transfer) : NULL;
    if (!t) {
        ri_js_request_fail_with(r, RI_JS_INSUFFICIENT_RESOURCES);
        return NULL;
    }
    t->api = api;
    ri_arena_init(&t->arena, &api->host);
    ri_buffer_init(&t->bytes, &api->host);
    ri_buffer_init(&t->plain, &api->host);
    ri_list_push(&api->transfers, &t->link);
    api->ntransfers++;
    snapshot_touch(t);
    char id[RI_NUID_LEN];
    ri_nuid_next(&api->nuid, id);
    int n = snprintf(t->subject, sizeof t->subject, "$JS.SNAPSHOT.%s.%.*s.", verb,
                     RI_ARG(r->stream));
    RI_ASSERT(n > 0 && (size_t)n + RI_NUID_LEN + 3 < sizeof t->subject);
    t->id = (ri_str){t->subject + n, RI_NUID_LEN};
    n += snprintf(t->subject + n, sizeof t->subject - (size_t)n, "%.*s%s", RI_NUID_LEN, id, tail);
    t->sub.entry.subject = (ri_str){t->subject, (size_t)n};
    if (ri_router_subscribe(&api->client, &t->sub) >= 0) return t;
    snapshot_free(t);
    ri_js_request_fail_with(r, RI_JS_INSUFFICIENT_RESOURCES);
    return NULL;
}

static void snapshot_put(ri_buffer *out, uint64_t n, size_t bytes)
{
    char little[8];
    for (size_t i = 0; i < bytes; i++) little[i] = (char)(n >> (8 * i));
    ri_buffer_put(out, little, bytes);
}

static uint64_t snapshot_get(const char *p, size_t bytes)
{
    uint64_t n = 0;
    for (size_t i = bytes; i-- > 0;) n = n << 8 | (unsigned char)p[i];
    return n;
}

static void snapshot_entry(ri_buffer *out, char kind, const ri_record *e)
{
    size_t from = ri_buffer_size(out);
    ri_buffer_put(out, &kind, 1);
    snapshot_put(out, e->subject.len, 4);
    snapshot_put(out, e->headers.len, 4);
    snapshot_put(out, e->data.len, 4);
    snapshot_put(out, e->seq, 8);
    snapshot_put(out, (uint64_t)e->time_ns, 8);
    ri_buffer_put_str(out, e->subject);
    ri_buffer_put_str(out, e->headers);
    ri_buffer_put_str(out, e->data);
    if (out->failed) return;
    ri_str entry = ri_str_from(ri_buffer_str(out), from);
    snapshot_put(out, ri_crc32c(0, entry.ptr, entry.len), 4);
}

/* ---- Snapshot ---- */

static void snapshot_consumers(ri_js_transfer *t, ri_stream *stream)
{
    size_t n;
    ri_consumer *const *consumers = ri_stream_consumers(stream, &n);
    for (size_t i = 0; i < n; i++) {
        const ri_consumer_conf *conf = ri_consumer_conf_of(consumers[i]);
        if (conf->direct) continue;
        ri_consumer_info info = {0};
        ri_consumer_info_of(consumers[i], &info);
        ri_buffer json;
        ri_buffer_init(&json, &t->api->host);
        ri_jsapi_encode(&ri_jsapi_consumer_conf, conf, &json);
        if (json.failed) t->plain.failed = true;
        ri_record entry = {.subject = ri_buffer_str(&json), .seq = info.ack_floor.stream_seq,
                           .time_ns = info.created};
        if (!json.failed) snapshot_entry(&t->plain, 'C', &entry);
        ri_buffer_fini(&json);
    }
}

static uint64_t snapshot_clamp(int64_t n, int64_t standard, int64_t most)
{
    return (uint64_t)RI_MIN(RI_MAX(n ? n : standard, SNAPSHOT_LEAST), most);
}

void ri_js_snapshot_create(ri_js_request *r)
{
    ri_js_snapshot_request request;
    if (ri_js_request_is_empty(r->body)) {
        ri_js_request_fail_with(r, RI_JS_BAD_REQUEST);
        return;
    }
    ri_stream *stream = ri_js_request_stream(r);
    if (!stream || !ri_js_request_decode(r, &ri_jsapi_snapshot_request, &request)) return;
    if (!ri_subject_is_literal(request.deliver_subject)) {
        ri_js_request_fail_with(r, RI_JS_SNAPSHOT_DELIVER_SUBJECT_INVALID);
        return;
    }
    ri_js_transfer *t = snapshot_open(r, "ACK", ".>");
    if (!t) return;
    ri_str deliver = request.deliver_subject;
    t->deliver = (ri_str){ri_arena_copy(&t->arena, deliver.ptr, deliver.len), deliver.len};
    t->conf.name = (ri_str){ri_arena_copy(&t->arena, r->stream.ptr, r->stream.len), r->stream.len};
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    t->created = info.created;
    t->next_seq = info.state.first_seq;
    t->last_seq = info.state.last_seq;
    t->index = 1;
    t->chunk_bytes = snapshot_clamp(request.chunk_size, SNAPSHOT_CHUNK, SNAPSHOT_CHUNK_MAX);
    uint64_t window = snapshot_clamp(request.window_size, SNAPSHOT_WINDOW, SNAPSHOT_WINDOW_MAX);
    t->slots = RI_MAX(window / t->chunk_bytes, 1);
    ri_s2_frame_begin(&t->bytes);
    ri_buffer_puts(&t->plain, SNAPSHOT_MAGIC);
    if (!request.no_consumers) snapshot_consumers(t, stream);
    if (!t->deliver.ptr || !t->conf.name.ptr || t->bytes.failed ||
        t->plain.failed) {
        snapshot_free(t);
        ri_js_request_fail_with(r, RI_JS_INSUFFICIENT_RESOURCES);
        return;
    }
    ri_js_snapshot_reply reply = {.config = info.config, .state = &info.state};
    ri_js_request_answer(r, &reply);
    t->begun_ns = r->api->wall_ns;
    ri_js_advisory_transfer(r->api, &(ri_js_transfer_event){.stream = t->conf.name,
                                                            .state = &info.state});
}

/* More of the archive into t->bytes, a chunk at least if there is so much. */
static int snapshot_fill(ri_js_transfer *t)
{
    ri_stream *stream = ri_js_stream(t->api->js, t->conf.name);
    ri_stream_info info = {0};
    if (stream) ri_stream_info_of(stream, &info);
    if (!stream || info.created != t->created)
        return ri_err(RILL_ENOENT, "the stream was deleted");
    while (!t->ended && ri_buffer_size(&t->bytes) + ri_buffer_size(&t->plain) < t->chunk_bytes) {
        ri_record record;
        int rc = t->next_seq <= t->last_seq && t->next_seq
                     ? ri_stream_get_next(stream, t->next_seq, (ri_str){NULL, 0}, &record)
                     : RILL_ENOENT;
        if (rc < 0 && rc != RILL_ENOENT) return rc;
        t->ended = rc < 0 || record.seq > t->last_seq;
        if (t->ended)
            snapshot_entry(&t->plain, 'E', &(ri_record){.seq = t->last_seq});
        else
            snapshot_entry(&t->plain, 'M', &record);
        if (!t->ended) t->next_seq = record.seq + 1;
    }
    if (t->plain.failed) return RILL_ENOMEM;
    ri_s2_frame_put(&t->bytes, ri_buffer_str(&t->plain));
    ri_buffer_reset(&t->plain);
    return t->bytes.failed ? RILL_ENOMEM : RILL_OK;
}

static void snapshot_finish(ri_js_transfer *t, const char *status)
{
    char block[200];
    int n = snprintf(block, sizeof block, "NATS/1.0 %.150s\r\n\r\n", status);
    ri_str none = {NULL, 0};
    ri_js_request_publish(t->api, t->deliver, none, (ri_str){block, (size_t)n}, none);
    bool well = strcmp(status, "204") == 0;
    ri_js_advisory_transfer(t->api, &(ri_js_transfer_event){
                                        .over = true, .stream = t->conf.name,
                                        .begun_ns = t->begun_ns, .error = well ? NULL : status});
    snapshot_free(t);
}

/* One chunk; false when the transfer is over, and gone. */
static bool snapshot_send(ri_js_transfer *t)
{
    if (snapshot_fill(t) < 0) {
        char status[200];
        snprintf(status, sizeof status, "500 %s", ri_err_text());
        snapshot_finish(t, status);
        return false;
    }
    ri_str none = {NULL, 0}, chunk = ri_buffer_str(&t->bytes);
    chunk.len = RI_MIN(chunk.len, t->chunk_bytes);
    bool last = t->ended && chunk.len < t->chunk_bytes;
    char ack[400];
    int n = snprintf(ack, sizeof ack, "%.*s%llu.%llu", (int)t->sub.entry.subject.len - 1,
                     t->subject, (unsigned long long)chunk.len, (unsigned long long)t->index++);
    ri_str reply = {ack, (size_t)n};
    if (chunk.len) ri_js_request_publish(t->api, t->deliver, last ? none : reply, none, chunk);
    ri_buffer_eat(&t->bytes, chunk.len);
    snapshot_touch(t);
    t->slots--;
    if (last) snapshot_finish(t, "204");
    return !last;
}

static bool snapshot_runs(const ri_js_transfer *t)
{
    return !t->restore && t->slots > 0 && t->look_ns <= t->api->mono_ns;
}

static bool snapshot_is_other(void *arg, ri_interest_entry *ring)
{
    return !ri_str_eq(ring->subject, ((const ri_js_transfer *)arg)->deliver);
}

/* A client may subscribe to the chunks only after our answer, and hold a wildcard above them
 * before: the first chunk waits for a subscription to their very subject, as nats-server's does. */
static void snapshot_turn(ri_js_transfer *t)
{
    const ri_interest *interest = &t->api->client.router->interest;
    int64_t now = t->api->mono_ns, begun = t->due_ns - SNAPSHOT_IDLE_SEC * RI_SEC;
    if (t->look_ns > now) return;
    t->heard = t->heard || now >= begun + SNAPSHOT_LISTEN_SEC * RI_SEC ||
               !ri_interest_walk(interest, t->deliver, ri_hash(t->deliver), snapshot_is_other, t);
    if (!t->heard) {
        t->look_ns = now + SNAPSHOT_LOOK_MS * (RI_SEC / 1000);
        return;
    }
    if (!ri_interest_any(interest, t->deliver)) {
        snapshot_finish(t, "408 No Interest");
        return;
    }
    for (int i = 0; i < SNAPSHOT_TURN && t->slots; i++)
        if (!snapshot_send(t)) return;
    if (!t->slots && t->api->mono_ns >= t->due_ns) snapshot_finish(t, "408 No Flow Response");
}

/* ---- Restore ---- */

/* What the stream is until it is whole. */
static void snapshot_hide(ri_js_transfer *t, ri_stream_conf *conf, ri_str *subject)
{
    *conf = t->conf;
    *subject = (ri_str){t->subject + 1, t->sub.entry.subject.len - 1}; /* less the $ */
    if (conf->mirror) return;
    conf->subjects = (ri_strs){subject, 1};
    conf->sources = (ri_js_sources){NULL, 0};
    conf->republish = NULL;
    conf->subject_transform = NULL;
    conf->sealed = false;
}

static int snapshot_check(ri_js_request *r, ri_js_restore_request *request, ri_js_error *e)
{
    if (!request->config.name.len) request->config.name = r->stream;
    if (!ri_str_eq(request->config.name, r->stream))
        return ri_jserror_set(e, RI_JS_STREAM_MISMATCH, NULL);
    if (memchr(r->stream.ptr, '/', r->stream.len) || memchr(r->stream.ptr, '\\', r->stream.len))
        return ri_jserror_set(e, RI_JS_STREAM_NAME_CONTAINS_PATH_SEPARATORS, NULL);
    int rc = ri_jsconf_stream(&request->config, NULL, false, &r->arena, e);
    if (rc < 0) return rc;
    if (ri_js_stream(r->js, r->stream))
        return ri_jserror_set(e, RI_JS_STREAM_NAME_EXIST_RESTORE_FAILED, NULL);
    return RILL_OK;
}

void ri_js_snapshot_restore(ri_js_request *r)
{
    ri_js_restore_request request;
    if (ri_js_request_is_empty(r->body)) {
        ri_js_request_fail_with(r, RI_JS_BAD_REQUEST);
        return;
    }
    if (!ri_js_request_decode(r, &ri_jsapi_restore_request, &request)) return;
    ri_js_error e = {0};
    int rc = snapshot_check(r, &request, &e);
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_RESTORE);
        return;
    }
    ri_js_transfer *t = snapshot_open(r, "RESTORE", "");
    if (!t) return;
    t->restore = true;
    ri_js_stream_request hidden = {0};
    ri_str subject;
    ri_stream *stream;
    rc = ri_jsapi_copy_stream_conf(&t->conf, &request.config, &t->arena);
    if (rc >= 0) {
        snapshot_hide(t, &hidden.conf, &subject);
        r->api->muted = true;
        rc = ri_stream_create(r->js, &hidden, &stream, &e);
        r->api->muted = false;
    }
    if (rc < 0) {
        snapshot_free(t);
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_RESTORE);
        return;
    }
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    t->created = info.created;
    ri_js_restore_reply reply = {.deliver_subject = t->sub.entry.subject};
    ri_js_request_answer(r, &reply);
    t->begun_ns = r->api->wall_ns;
    ri_js_advisory_transfer(r->api, &(ri_js_transfer_event){.restore = true,
                                                            .stream = t->conf.name});
}

/* The stream that is being restored, or NULL: somebody deleted it. */
static ri_stream *snapshot_target(ri_js_transfer *t)
{
    ri_stream *stream = ri_js_stream(t->api->js, t->conf.name);
    ri_stream_info info = {0};
    if (stream) ri_stream_info_of(stream, &info);
    return stream && info.created == t->created ? stream : NULL;
}

static int snapshot_take_consumer(ri_stream *stream, ri_js_transfer *t, const ri_record *e)
{
    ri_js_consumer_request request = {.stream_name = t->conf.name};
    int rc = ri_jsapi_decode(&ri_jsapi_consumer_conf, e->subject, false, &t->arena, &request.conf);
    if (rc < 0) return rc;
    ri_consumer *consumer;
    rc = ri_consumer_create(stream, &request, &consumer, &t->failed);
    if (rc < 0) return rc;
    uint64_t reset;
    /* What may not be reset starts where its configuration says. */
    if (e->seq) ri_consumer_reset(consumer, e->seq + 1, &reset, NULL);
    return RILL_OK;
}

static int snapshot_take(ri_js_transfer *t, char kind, ri_record *e)
{
    ri_stream *stream = snapshot_target(t);
    if (!stream) return ri_err(RILL_ENOENT, "the stream was deleted");
    if (t->whole) return ri_err(RILL_EPROTO, "something follows the archive's end");
    switch (kind) {
    case 'C': return snapshot_take_consumer(stream, t, e);
    case 'M': return ri_stream_restore(stream, e, &t->failed);
    case 'E':
        t->whole = true;
        return ri_stream_skip(stream, e->seq);
    default: return ri_err(RILL_EPROTO, "an unknown entry");
    }
}

/* Reads the entry at the front of what came: its bytes, 0 for more, RILL_EPROTO. */
static int64_t snapshot_read(ri_str in, char *kind, ri_record *e)
{
    if (in.len < SNAPSHOT_HEAD) return 0;
    uint64_t a = snapshot_get(in.ptr + 1, 4), b = snapshot_get(in.ptr + 5, 4);
    uint64_t c = snapshot_get(in.ptr + 9, 4);
    if (a > SNAPSHOT_PART_MAX || b > SNAPSHOT_PART_MAX || c > RI_LIMIT_PAYLOAD_MAX)
        return ri_err(RILL_EPROTO, "the archive is damaged");
    size_t len = SNAPSHOT_HEAD + a + b + c;
    if (in.len < len + 4) return 0;
    if (snapshot_get(in.ptr + len, 4) != ri_crc32c(0, in.ptr, len))
        return ri_err(RILL_EPROTO, "the archive is damaged");
    const char *at = in.ptr + SNAPSHOT_HEAD;
    *kind = in.ptr[0];
    *e = (ri_record){.seq = snapshot_get(in.ptr + 13, 8),
                     .time_ns = (int64_t)snapshot_get(in.ptr + 21, 8),
                     .subject = {at, a},
                     .headers = {at + a, b},
                     .data = {at + a + b, c}};
    return (int64_t)len + 4;
}

/* What came, out of its frames. */
static int snapshot_unframe(ri_js_transfer *t)
{
    ri_str part;
    int64_t n;
    while ((n = ri_s2_frame_read(ri_buffer_str(&t->bytes), &part)) > 0) {
        ri_buffer_put_str(&t->plain, part);
        ri_buffer_eat(&t->bytes, (size_t)n);
    }
    return n < 0 ? (int)n : t->plain.failed ? RILL_ENOMEM : RILL_OK;
}

static int snapshot_read_all(ri_js_transfer *t)
{
    const size_t magic = sizeof SNAPSHOT_MAGIC - 1;
    int rc = t->bytes.failed ? RILL_ENOMEM : snapshot_unframe(t);
    if (rc < 0) return rc;
    if (!t->begun) {
        if (ri_buffer_size(&t->plain) < magic) return RILL_OK;
        if (!ri_str_starts(ri_buffer_str(&t->plain), RI_STR(SNAPSHOT_MAGIC)))
            return ri_err(RILL_EPROTO, "this is no archive of a rill stream");
        ri_buffer_eat(&t->plain, magic);
        t->begun = true;
    }
    for (;;) {
        char kind = 0;
        ri_record e;
        int64_t n = snapshot_read(ri_buffer_str(&t->plain), &kind, &e);
        if (n <= 0) return (int)n;
        rc = snapshot_take(t, kind, &e);
        if (rc < 0) return rc;
        ri_buffer_eat(&t->plain, (size_t)n);
    }
}

/* The stream was never told of, so its end is not told either. */
static void snapshot_undo(ri_js_transfer *t)
{
    ri_stream *stream = snapshot_target(t);
    t->api->muted = true;
    if (stream) ri_stream_delete(stream, NULL);
    t->api->muted = false;
}

/* The last chunk: the stream gets its own subjects and is told. */
static void snapshot_whole(ri_js_transfer *t, ri_js_request *r)
{
    ri_js_stream_request request = {.conf = t->conf};
    ri_stream *stream = snapshot_target(t);
    int rc = RILL_OK;
    if (!t->failed.code && !t->whole)
        rc = ri_jserror_set(&t->failed, RI_JS_STREAM_RESTORE, "unexpected EOF");
    else if (!t->failed.code && !stream)
        rc = ri_jserror_set(&t->failed, RI_JS_STREAM_RESTORE, "the stream was deleted");
    t->api->muted = true;
    if (rc >= 0 && !t->failed.code && !t->conf.mirror)
        rc = ri_stream_update(stream, &request, &t->failed);
    t->api->muted = false;
    if (rc < 0 || t->failed.code) {
        snapshot_undo(t);
        ri_js_request_fail_rc(r, rc, &t->failed, RI_JS_STREAM_RESTORE);
        return;
    }
    ri_js_advisory_event(t->api, &(ri_js_event){.kind = RI_JS_STREAM_CREATED,
                                                .stream = t->conf.name});
    ri_js_stream_reply reply = {.info = ri_js_stream_api_tell(r, stream)};
    if (reply.info) ri_js_request_answer_committed(r, ri_stream_log(stream), &reply);
}

static void snapshot_chunk(ri_js_transfer *t, ri_js_request *r)
{
    static const ri_js_route created = {"", 0, 0, "stream_create_response",
                                        &ri_jsapi_stream_reply, false, true, NULL};
    r->route = &created;
    r->type = RI_STR("io.nats.jetstream.api.v1.stream_create_response");
    snapshot_touch(t);
    if (!r->body.len) {
        snapshot_whole(t, r);
        ri_js_advisory_transfer(t->api, &(ri_js_transfer_event){
                                            .restore = true, .over = true, .bytes = t->came,
                                            .stream = t->conf.name, .begun_ns = t->begun_ns});
        snapshot_free(t);
        return;
    }
    t->came += r->body.len;
    ri_buffer_put_str(&t->bytes, r->body);
    int rc = snapshot_read_all(t);
    if (rc < 0) {
        char why[160];
        snprintf(why, sizeof why, "%s", ri_err_text());
        if (t->failed.err_code != RI_JS_STREAM_RESTORE)
            ri_jserror_set(&t->failed, RI_JS_STREAM_RESTORE, "%s", why);
        ri_js_request_fail(r, &t->failed);
        snapshot_undo(t);
        snapshot_free(t);
        return;
    }
    ri_str none = {NULL, 0};
    ri_js_request_publish(t->api, r->reply, none, none, none);
}

/* ---- What comes for transfers ---- */

bool ri_js_snapshot_message(ri_js_request *r)
{
    if (!ri_str_starts(r->subject, RI_STR("$JS.SNAPSHOT."))) return false;
    ri_str rest = r->subject, token[7] = {{NULL, 0}};
    for (size_t n = 0; n < RI_LEN(token) && ri_subject_token(&rest, &token[n]);) n++;
    ri_list_each(link, &r->api->transfers) {
        ri_js_transfer *t = ri_container_of(link, ri_js_transfer, link);
        if (!ri_str_eq(t->id, token[4])) continue;
        if (t->restore)
            snapshot_chunk(t, r);
        else
            t->slots++;
        break;
    }
    return true;
}

bool ri_js_snapshot_waiting(const ri_jetstream_api *api)
{
    ri_list_each(link, &api->transfers)
        if (snapshot_runs(ri_container_of(link, ri_js_transfer, link))) return true;
    return false;
}

void ri_js_snapshot_step(ri_jetstream_api *api)
{
    ri_list_each(link, &api->transfers) {
        ri_js_transfer *t = ri_container_of(link, ri_js_transfer, link);
        if (!t->restore) {
            snapshot_turn(t);
        } else if (api->mono_ns >= t->due_ns) {
            snapshot_undo(t);
            snapshot_free(t);
        }
    }
}

int64_t ri_js_snapshot_due_ns(const ri_jetstream_api *api)
{
    int64_t due = INT64_MAX;
    ri_list_each(link, &api->transfers) {
        const ri_js_transfer *t = ri_container_of(link, ri_js_transfer, link);
        due = RI_MIN(due, t->look_ns > api->mono_ns ? t->look_ns : t->due_ns);
    }
    return due;
}

void ri_js_snapshot_close_all(ri_jetstream_api *api)
{
    while (!ri_list_empty(&api->transfers))
        snapshot_free(ri_container_of(api->transfers.next, ri_js_transfer, link));
}
