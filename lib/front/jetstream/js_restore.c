/* SPDX-License-Identifier: Apache-2.0 */
/* Restores: a stream out of an archive that comes in chunks (js_backup.c says how).
 *
 *     chunk --> bytes --frames--> plain --items--> the stream
 *
 * A chunk is answered once all of it is in the stream, so that a client that waits for its answers
 * has one chunk under way; one that does not wait may have RI_LIMIT_ARCHIVE_WAITING bytes of them.
 * What is kept besides is a frame, the item at hand and, of a consumer, its pending messages.
 *
 * A restored stream takes no publishes before it is whole: until then its only subject is one that
 * nobody knows. Its consumers are held until then (engine/streams/carry.h). Whatever goes wrong,
 * nothing of it is left. */
#include <stdio.h>

#include "base/assert.h"
#include "base/array.h"
#include "base/error.h"
#include "codec/jetstream/jsconf.h"
#include "codec/limits.h"
#include "codec/archive/s2_frame.h"
#include "codec/subject/subject.h"
#include "front/jetstream/js_transfer.h"

enum { /* units of a budget */
    RESTORE_ITEM_UNITS = 4,
    RESTORE_MESSAGE_UNITS = 10,
    RESTORE_CONSUMER_UNITS = 100,
    RESTORE_PENDING_UNITS = 2,
};

typedef struct restore_pending { /* in the arena of the consumer at hand */
    ri_timer order;              /* its time is the sequence */
    uint64_t consumer_seq;
    int64_t sent_ns;
} restore_pending;

static bool restore_spend(const ri_js_transfer *t, uint64_t units)
{
    return ri_budget_spend(&t->api->party.router->budget, units);
}

static uint64_t restore_max_bytes(const ri_jetstream_api *api)
{
    return api->opts.max_msg_bytes ? api->opts.max_msg_bytes : RI_LIMIT_PAYLOAD_MAX;
}

/* ---- Beginning ---- */

/* What the stream is until it is whole. */
static void restore_hide(ri_js_transfer *t, ri_stream_conf *conf, ri_str *subject)
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

static int restore_check(ri_js_request *r, ri_js_restore_request *request, ri_js_error *e)
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
    return ri_fence_why(r->js, r->stream, e) ? RILL_ECORRUPT : RILL_OK;
}

static int restore_begin(ri_js_transfer *t, const ri_stream_conf *conf, ri_js_error *e)
{
    ri_jetstream_api *api = t->api;
    ri_js_stream_request hidden = {0};
    ri_str subject;
    ri_stream *stream;
    t->restore = true;
    t->phase = RI_TRANSFER_READING;
    t->begun_ns = api->wall_ns;
    int rc = ri_jsapi_copy_stream_conf(&t->conf, conf, &t->arena);
    if (rc < 0) return rc;
    ri_archive_init(&t->archive, &api->host, t->conf.name);
    t->archive.max_data = restore_max_bytes(api);
    ri_heap_init(&t->consumer.order, &api->host);
    ri_arena_init(&t->consumer.arena, &api->host);
    restore_hide(t, &hidden.conf, &subject);
    api->muted = true;
    rc = ri_carry_create(api->js, &hidden, &stream, e);
    api->muted = false;
    if (rc < 0) return rc;
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    t->created = info.created;
    return RILL_OK;
}

void ri_js_restore_create(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_js_restore_request request;
    if (ri_js_request_is_empty(r->body)) {
        ri_js_request_fail_with(r, RI_JS_BAD_REQUEST);
        return;
    }
    if (!ri_js_request_decode(r, &ri_jsapi_restore_request, &request)) return;
    ri_js_error e = {0};
    int rc = restore_check(r, &request, &e);
    if (rc < 0) {
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_RESTORE);
        return;
    }
    ri_js_transfer *t = ri_js_backup_open(r, "RESTORE", "");
    if (!t) return;
    rc = restore_begin(t, &request.config, &e);
    if (rc < 0) {
        ri_js_backup_free(t);
        ri_js_request_fail_rc(r, rc, &e, RI_JS_STREAM_RESTORE);
        return;
    }
    ri_js_restore_reply reply = {.deliver_subject = t->sub.entry.subject};
    ri_js_request_answer(r, &reply);
    ri_js_advisory_transfer(r->api, &(ri_js_transfer_event){.restore = true,
                                                            .stream = t->conf.name});
}

static void restore_forget_consumer(ri_js_transfer *t)
{
    ri_js_carried *c = &t->consumer;
    const ri_host *host = &t->api->host;
    ri_heap_fini(&c->order);
    ri_arena_fini(&c->arena);
    ri_free(host, c->picks, c->cap_picks * sizeof *c->picks);
    *c = (ri_js_carried){.name_len = 0};
    ri_heap_init(&c->order, host);
    ri_arena_init(&c->arena, host);
}

void ri_js_restore_fini(ri_js_transfer *t)
{
    ri_buffer_fini(&t->acks);
    if (!t->restore) return;
    restore_forget_consumer(t);
    ri_archive_fini(&t->archive);
}

uint64_t ri_js_restore_bytes(const ri_js_transfer *t)
{
    const ri_js_carried *c = &t->consumer;
    const ri_archive *a = &t->archive;
    return t->acks.cap + a->path.cap + a->config.cap + a->consumer.cap + c->arena.bytes +
           c->order.cap * sizeof *c->order.timers + c->cap_picks * sizeof *c->picks;
}

/* ---- A consumer ---- */

static ri_consumer *restore_consumer_of(ri_js_transfer *t, ri_stream *stream)
{
    const ri_js_carried *carried = &t->consumer;
    ri_consumer *c = ri_stream_consumer(stream, (ri_str){carried->name, carried->name_len});
    return c && ri_carry_holds(c) ? c : NULL; /* it may have been deleted and made anew */
}

static int restore_name(ri_consumer_conf *conf, ri_str name, ri_js_carried *carried)
{
    if (name.len == 0 || name.len > sizeof carried->name)
        return ri_err(RILL_EPROTO, "the archive has a consumer with a name of %zu bytes", name.len);
    if ((conf->durable_name.len && !ri_str_eq(conf->durable_name, name)) ||
        (conf->name.len && !ri_str_eq(conf->name, name)))
        return ri_err(RILL_EPROTO, "the archive has a consumer of two names");
    conf->name = name;
    memcpy(carried->name, name.ptr, name.len);
    carried->name_len = name.len;
    return RILL_OK;
}

static int restore_place(ri_js_transfer *t, ri_stream *stream, ri_consumer *c)
{
    ri_js_carried *carried = &t->consumer;
    const ri_archive_place *kept = &carried->state.place;
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    ri_carry_place place = {kept->delivered_consumer, kept->delivered_stream,
                            kept->floor_consumer, kept->floor_stream, carried->more.next_seq,
                            carried->more.created_ns, carried->more.delivered_ns,
                            carried->more.acked_ns};
    return ri_carry_put(c, &place, RI_MAX(t->archive.last_seq, info.state.last_seq));
}

static int restore_consumer(ri_js_transfer *t, ri_stream *stream, const ri_archive_item *item)
{
    ri_js_carried *carried = &t->consumer;
    ri_js_consumer_request request = {.stream_name = t->conf.name, .action = RI_ACTION_CREATE};
    ri_consumer *c;
    if (t->nconsumers++ >= RI_LIMIT_ARCHIVE_CONSUMERS)
        return ri_err(RILL_EPROTO, "the archive has more than %d consumers",
                      RI_LIMIT_ARCHIVE_CONSUMERS);
    int rc = ri_jsapi_decode(&ri_jsapi_consumer_conf, item->config, false, &carried->arena,
                             &request.conf);
    if (rc >= 0) rc = restore_name(&request.conf, item->name, carried);
    if (rc < 0) return rc;
    if (ri_stream_consumer(stream, item->name))
        return ri_err(RILL_EPROTO, "the archive has consumer %.*s twice", RI_ARG(item->name));
    if ((rc = ri_archive_more_read(item->more, &carried->more)) < 0) return rc;
    int kept = ri_archive_state_open(&carried->state, item->state);
    if (kept < 0) return kept;
    if ((rc = ri_consumer_create(stream, &request, &c, &t->failed)) < 0) return rc;
    ri_carry_hold(c);
    if (kept && (rc = restore_place(t, stream, c)) < 0) return rc;
    t->phase = RI_TRANSFER_CONSUMER;
    return RILL_OK;
}

/* One pending message more into the heap: an archive has them in any order. */
static int restore_collect(ri_js_transfer *t, const ri_archive_pending *p)
{
    ri_js_carried *carried = &t->consumer;
    if (p->stream_seq > RI_LIMIT_SEQUENCE) return RILL_OK; /* beyond all that can be pending */
    if (t->npending++ >= RI_LIMIT_ARCHIVE_PENDING)
        return ri_err(RILL_EPROTO, "the archive has more than %d pending messages",
                      RI_LIMIT_ARCHIVE_PENDING);
    restore_pending *pending = ri_arena_alloc(&carried->arena, sizeof *pending);
    if (!pending) return RILL_ENOMEM;
    *pending = (restore_pending){.consumer_seq = p->consumer_seq, .sent_ns = p->sent_ns};
    return ri_heap_set(&carried->order, &pending->order, (int64_t)p->stream_seq);
}

static int restore_hand_over(ri_js_carried *carried, ri_consumer *c)
{
    ri_timer *timer = ri_heap_due(&carried->order, INT64_MAX);
    restore_pending *p = ri_container_of(timer, restore_pending, order);
    ri_carry_pending pending = {.stream_seq = (uint64_t)timer->due_ns, .deliveries = 1,
                                .consumer_seq = p->consumer_seq, .sent_ns = p->sent_ns};
    return ri_carry_pending_add(c, &pending);
}

static int restore_pick(ri_js_transfer *t)
{
    ri_js_carried *carried = &t->consumer;
    uint64_t seq;
    int rc = ri_archive_more_pick(&carried->more, &seq);
    if (rc <= 0) return rc;
    if (t->npending++ >= RI_LIMIT_ARCHIVE_PENDING)
        return ri_err(RILL_EPROTO, "the archive has more than %d pending messages",
                      RI_LIMIT_ARCHIVE_PENDING);
    rc = ri_array_reserve(&t->api->host, &carried->picks, &carried->cap_picks,
                          (size_t)carried->npicks + 1, sizeof *carried->picks);
    if (rc < 0) return rc;
    carried->picks[carried->npicks++] = seq;
    return 1;
}

/* A step of giving a consumer its state: 1, or 0 when it has it. */
static int restore_state(ri_js_transfer *t, ri_consumer *c)
{
    ri_js_carried *carried = &t->consumer;
    if (!carried->ahead) {
        int rc = ri_archive_state_next(&carried->state, &carried->next);
        if (rc < 0) return rc;
        if (rc > 0 && !carried->next.again) {
            rc = restore_collect(t, &carried->next);
            return rc < 0 ? rc : 1;
        }
        if (rc > 0) carried->ahead = true;
    }
    if (carried->order.len) {
        int rc = restore_hand_over(carried, c);
        return rc < 0 ? rc : 1;
    }
    if (carried->ahead) {
        ri_carry_again(c, carried->next.stream_seq, carried->next.deliveries);
        carried->ahead = false;
        return 1;
    }
    int rc = restore_pick(t);
    return rc != 0 ? rc : ri_carry_picks(c, carried->picks, carried->npicks);
}

static int restore_consumer_step(ri_js_transfer *t, ri_stream *stream)
{
    ri_consumer *c = restore_consumer_of(t, stream);
    restore_spend(t, RESTORE_PENDING_UNITS);
    int rc = c ? restore_state(t, c) : 0;
    if (rc != 0) return rc;
    restore_forget_consumer(t);
    t->phase = RI_TRANSFER_READING;
    return 1;
}

/* ---- Items ---- */

static int restore_message(ri_js_transfer *t, ri_stream *stream, const ri_archive_item *item)
{
    uint64_t bytes = item->name.len + item->headers.len + item->data.len;
    ri_record record = {.seq = item->seq, .time_ns = item->time_ns, .subject = item->name,
                        .headers = item->headers, .data = item->data};
    restore_spend(t, RESTORE_MESSAGE_UNITS + ri_budget_bytes(bytes));
    return ri_carry_message(stream, &record, restore_max_bytes(t->api), &t->failed);
}

static int restore_item(ri_js_transfer *t, ri_stream *stream, const ri_archive_item *item)
{
    switch (item->kind) {
    case RI_ARCHIVE_FIRST: return item->seq > 1 ? ri_carry_skip(stream, item->seq - 1) : RILL_OK;
    case RI_ARCHIVE_CONSUMER:
        restore_spend(t, RESTORE_CONSUMER_UNITS + ri_budget_bytes(item->state.len));
        return restore_consumer(t, stream, item);
    case RI_ARCHIVE_MESSAGE: return restore_message(t, stream, item);
    case RI_ARCHIVE_GONE:
        t->gone = item->seq;
        t->gone_last = item->last;
        t->phase = RI_TRANSFER_GONE;
        return RILL_OK;
    case RI_ARCHIVE_NOTHING: restore_spend(t, RESTORE_MESSAGE_UNITS); return RILL_OK;
    case RI_ARCHIVE_END:
        t->whole = true;
        return ri_carry_end(stream, item->seq, item->time_ns);
    }
    return RILL_OK;
}

/* The next frame out of what came: 1, or 0 when there is none. */
static int restore_unframe(ri_js_transfer *t)
{
    const unsigned char identifier = 0xff;
    size_t before = ri_buffer_size(&t->plain);
    if (!t->framed && ri_buffer_size(&t->bytes) &&
        (unsigned char)*ri_buffer_str(&t->bytes).ptr != identifier)
        return ri_err(RILL_EPROTO, "this is no S2 stream");
    int64_t n = ri_s2_frame_read(ri_buffer_str(&t->bytes), &t->plain);
    if (n <= 0) return (int)n;
    ri_buffer_eat(&t->bytes, (size_t)n);
    t->framed = true;
    restore_spend(t, RESTORE_ITEM_UNITS + ri_budget_bytes(ri_buffer_size(&t->plain) - before));
    return 1;
}

/* What came is read: 1 if something was done, 0 when more has to come. */
static int restore_read(ri_js_transfer *t, ri_stream *stream)
{
    ri_archive_item item;
    restore_spend(t, RESTORE_ITEM_UNITS);
    int rc = ri_archive_next(&t->archive, &t->plain, false, &item);
    if (rc > 0) {
        rc = restore_item(t, stream, &item);
        return rc < 0 ? rc : 1;
    }
    if (rc == 0) rc = restore_unframe(t);
    if (rc != 0 || !t->ended) return rc;
    if (ri_buffer_size(&t->bytes)) return ri_err(RILL_EPROTO, "unexpected EOF");
    return ri_archive_next(&t->archive, &t->plain, true, &item);
}

/* ---- The end ---- */

/* The stream gets its own subjects. */
static int restore_reveal(ri_js_transfer *t, ri_stream *stream)
{
    ri_js_stream_request request = {.conf = t->conf};
    t->phase = RI_TRANSFER_RELEASE;
    int rc = RILL_OK;
    t->api->muted = true;
    if (!t->conf.mirror) rc = ri_stream_update(stream, &request, &t->failed);
    t->api->muted = false;
    if (rc >= 0) ri_carry_whole(stream);
    return rc;
}

/* Consumers are let go, one by one: 1, or 0 when none is held. Others may be made and deleted
 * meanwhile, which moves them: the last look is at all. */
static int restore_release(ri_js_transfer *t, ri_stream *stream)
{
    size_t n;
    ri_consumer *const *consumers = ri_stream_consumers(stream, &n);
    restore_spend(t, RESTORE_MESSAGE_UNITS);
    if (t->nlet_go >= n) {
        size_t i = 0;
        while (i < n && !ri_carry_holds(consumers[i])) i++;
        restore_spend(t, n / RESTORE_ITEM_UNITS);
        t->nlet_go = i;
        if (i == n) return 0;
    }
    ri_consumer *c = consumers[t->nlet_go++];
    if (ri_carry_holds(c)) ri_carry_let_go(c);
    return 1;
}

/* ---- Answers ---- */

static void restore_request(ri_js_transfer *t, ri_js_request *r, ri_str reply)
{
    static const ri_js_route created = {"", 0, 0, "stream_create_response",
                                        &ri_jsapi_stream_reply, false, true, NULL,
                                        false};
    *r = (ri_js_request){.api = t->api, .js = t->api->js, .route = &created, .reply = reply,
                         .subject = t->sub.entry.subject, .stream = t->conf.name,
                         .type = RI_STR("io.nats.jetstream.api.v1.stream_create_response")};
    ri_arena_init(&r->arena, &t->api->host);
}

/* The first of the subjects that wait for an answer, which is taken out. */
static ri_str restore_next_ack(ri_js_transfer *t)
{
    ri_str acks = ri_buffer_str(&t->acks), reply;
    uint32_t len;
    memcpy(&len, acks.ptr, sizeof len);
    reply = (ri_str){acks.ptr + sizeof len, len};
    ri_buffer_eat(&t->acks, sizeof len + len);
    return reply; /* eaten bytes stay where they are until more are put */
}

/* All that came is in the stream: its chunks are answered, but for the one that ends it. */
static void restore_acknowledge(ri_js_transfer *t)
{
    ri_str none = RI_STR_NONE;
    while (ri_buffer_size(&t->acks))
        ri_js_request_publish(t->api, restore_next_ack(t), none, none, none);
}

/* A slice of the end of the stream; false: there is more. Nobody was informed of the stream, so
 * nobody is of its end, either. */
static bool restore_undo(ri_js_transfer *t)
{
    ri_stream *stream = ri_js_backup_stream(t);
    t->api->muted = true;
    int rc = stream ? ri_stream_delete_some(stream, NULL) : RILL_OK;
    t->api->muted = false;
    return rc != 1;
}

static void restore_over(ri_js_transfer *t)
{
    ri_js_advisory_transfer(t->api, &(ri_js_transfer_event){
                                        .restore = true, .over = true, .bytes = t->came,
                                        .stream = t->conf.name, .begun_ns = t->begun_ns});
    ri_js_backup_free(t);
}

/* Who waits longest for an answer gets it, unless it was given up; what comes later finds
 * nobody. */
static void restore_undo_turn(ri_js_transfer *t)
{
    if (!restore_undo(t)) return;
    if (!t->failed.code) {
        ri_js_backup_free(t);
        return;
    }
    if (ri_buffer_size(&t->acks)) {
        ri_js_request r;
        restore_request(t, &r, restore_next_ack(t));
        ri_js_request_fail(&r, &t->failed);
        ri_arena_fini(&r.arena);
    }
    restore_over(t);
}

/* A stream of many consumers goes in slices, and until then only who is to be answered is kept. */
static void restore_undo_begin(ri_js_transfer *t)
{
    t->phase = RI_TRANSFER_UNDOING;
    t->busy = true;
    restore_forget_consumer(t);
    ri_buffer_fini(&t->bytes);
    ri_buffer_fini(&t->plain);
    ri_js_backup_charge(t);
    restore_undo_turn(t);
}

static void restore_fail(ri_js_transfer *t, int rc)
{
    char why[160];
    snprintf(why, sizeof why, "%s", rc == RILL_ENOMEM ? "out of memory" : ri_err_text());
    if (!t->failed.code || t->failed.err_code != RI_JS_STREAM_RESTORE) {
        ri_js_error e = {0};
        if (t->failed.code) snprintf(why, sizeof why, "%s", t->failed.text);
        ri_jserror_set(&e, RI_JS_STREAM_RESTORE, "%s", why);
        t->failed = e;
    }
    restore_undo_begin(t);
}

static void restore_succeed(ri_js_transfer *t, ri_stream *stream)
{
    ri_js_request r;
    ri_js_advisory_event(t->api, &(ri_js_event){.kind = RI_JS_STREAM_CREATED,
                                                .stream = t->conf.name});
    while (ri_buffer_size(&t->acks)) {
        restore_request(t, &r, restore_next_ack(t));
        if (ri_buffer_size(&t->acks)) { /* chunks that were not waited for */
            ri_js_request_publish(t->api, r.reply, RI_STR_NONE, RI_STR_NONE, RI_STR_NONE);
        } else {
            ri_js_stream_reply reply = {.info = ri_js_stream_api_describe(&r, stream)};
            if (reply.info) ri_js_request_answer_committed(&r, ri_stream_log(stream), &reply);
        }
        ri_arena_fini(&r.arena);
    }
    restore_over(t);
}

/* ---- The work ---- */

/* A step: 1 if something was done, 0 when more has to come, or the transfer is over (`*over`). */
static int restore_step(ri_js_transfer *t, ri_stream *stream, bool *over)
{
    switch (t->phase) {
    case RI_TRANSFER_CONSUMER: return restore_consumer_step(t, stream);
    case RI_TRANSFER_GONE: {
        restore_spend(t, RESTORE_MESSAGE_UNITS);
        int rc = ri_carry_gone(stream, &t->gone, t->gone_last);
        if (rc == 0) t->phase = RI_TRANSFER_READING;
        return rc < 0 ? rc : 1;
    }
    case RI_TRANSFER_RELEASE: {
        int rc = restore_release(t, stream);
        *over = rc == 0;
        return rc;
    }
    default: break;
    }
    int rc = restore_read(t, stream);
    if (rc != 0 || !t->ended || !t->whole) return rc;
    rc = restore_reveal(t, stream);
    return rc < 0 ? rc : 1;
}

void ri_js_restore_turn(ri_js_transfer *t)
{
    RI_ASSERT(t->restore && t->api);
    if (t->phase == RI_TRANSFER_UNDOING) {
        restore_undo_turn(t);
        return;
    }
    if (t->claim.cut) {
        restore_fail(t, ri_js_backup_charge(t));
        return;
    }
    if (!t->busy) {
        if (t->api->mono_ns >= t->due_ns) ri_js_restore_give_up(t);
        return;
    }
    bool over = false;
    ri_stream *stream = ri_js_backup_stream(t);
    int rc = stream ? 1 : ri_err(RILL_ENOENT, "the stream was deleted");
    while (rc > 0) {
        rc = restore_step(t, stream, &over);
        if (rc >= 0 && !over && ri_js_backup_charge(t) < 0) rc = RILL_EFULL;
        if (!restore_spend(t, 0)) break;
    }
    if (over) {
        restore_succeed(t, stream);
        return;
    }
    ri_js_backup_touch(t);
    if (rc < 0) {
        restore_fail(t, rc);
    } else if (rc == 0) {
        t->busy = false;
        restore_acknowledge(t);
    }
}

void ri_js_restore_give_up(ri_js_transfer *t)
{
    RI_ASSERT(t->restore);
    t->failed = (ri_js_error){0};
    restore_undo_begin(t);
}

/* ---- What comes ---- */

void ri_js_restore_chunk(ri_js_transfer *t, ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    RI_ASSERT(t->restore && t->api);
    if (t->phase == RI_TRANSFER_UNDOING) return;
    ri_js_backup_touch(t);
    uint32_t len = (uint32_t)r->reply.len;
    size_t waiting = ri_buffer_size(&t->bytes) + ri_buffer_size(&t->acks);
    ri_buffer_put(&t->acks, &len, sizeof len);
    ri_buffer_put_str(&t->acks, r->reply);
    if (t->acks.failed) {
        restore_fail(t, RILL_ENOMEM);
        return;
    }
    if (ri_js_request_was_cut(r)) {
        restore_fail(t, ri_err(RILL_EFULL, "insufficient memory"));
        return;
    }
    if (t->ended) {
        restore_fail(t, ri_err(RILL_EPROTO, "a chunk came behind the last"));
        return;
    }
    if (waiting + r->body.len > RI_LIMIT_ARCHIVE_WAITING + restore_max_bytes(t->api)) {
        restore_fail(t, ri_err(RILL_EPROTO, "chunks were sent without waiting for their answers"));
        return;
    }
    t->busy = true;
    t->ended = r->body.len == 0;
    t->came += r->body.len;
    ri_buffer_put_str(&t->bytes, r->body);
    restore_spend(t, RESTORE_ITEM_UNITS + ri_budget_bytes(r->body.len));
    int rc = t->bytes.failed ? RILL_ENOMEM : ri_js_backup_charge(t);
    if (rc < 0) restore_fail(t, rc);
}
