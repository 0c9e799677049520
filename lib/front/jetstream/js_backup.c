/* SPDX-License-Identifier: Apache-2.0 */
/* Backups (STREAM.SNAPSHOT): a stream as a row of chunks; and what restores share with them.
 *
 *     backup: chunks to the client's subject, each with a reply on which the client says that it
 *     has it; a window of chunks is under way; an empty message with status 204 ends it.
 *     restore (js_restore.c): chunks to our subject, each a request that is answered with an empty
 *     message; an empty chunk ends it, and is answered as STREAM.CREATE is.
 *
 * What travels is an archive as nats-server makes it (codec/archive/archive.h) in the frames of S2
 * (codec/archive/s2_frame.h). It says at its front how many consumers follow, so these are captured
 * before anything is sent; the archive's messages are those that are there when their turn comes.
 *
 * Transfers take turns, and each makes a slice of what it has to do. What one holds is a claim to
 * the broker's memory for work (base/claim.h); one that is cut ends in its next turn, and says
 * so. */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/limits.h"
#include "codec/archive/s2_frame.h"
#include "codec/subject/subject.h"
#include "front/jetstream/js_transfer.h"

enum {
    BACKUP_CHUNK = 128 * 1024,
    BACKUP_CHUNK_MAX = 1024 * 1024,
    BACKUP_WINDOW = 8 * 1024 * 1024,
    BACKUP_WINDOW_MAX = 32 * 1024 * 1024,
    BACKUP_LEAST = 1024,          /* bytes of a chunk and of a window */
    BACKUP_IDLE_SEC = 5,          /* a silent client is given up after */
    BACKUP_LOOK_MS = 5,           /* between looks whether the client listens by now, */
    BACKUP_LISTEN_SEC = 2,        /* for so long */
    BACKUP_FRAME_BYTES = 64 * 1024, /* of captured consumers that are framed at a time */
    BACKUP_MESSAGE_UNITS = 8,     /* of a budget: a message that is read and framed */
    BACKUP_CONSUMER_UNITS = 64,   /* a consumer, but for what is pending */
};

/* ---- Common ---- */

static ri_budget *backup_budget(const ri_jetstream_api *api)
{
    return &api->party.router->budget;
}

void ri_js_backup_free(ri_js_transfer *t)
{
    RI_ASSERT(t->api->ntransfers > 0);
    ri_jetstream_api *api = t->api;
    if (ri_interest_is_in(&t->sub.entry)) ri_router_unsubscribe(&t->sub);
    ri_list_remove(&t->link);
    api->ntransfers--;
    api->service.held--;
    ri_js_restore_fini(t);
    ri_claim_end(&api->opts.router->work, &t->claim);
    ri_buffer_fini(&t->bytes);
    ri_buffer_fini(&t->plain);
    ri_buffer_fini(&t->consumers);
    ri_arena_fini(&t->arena);
    ri_delete(&api->host, t);
}

void ri_js_backup_touch(ri_js_transfer *t)
{
    RI_ASSERT(t->api);
    t->due_ns = t->api->mono_ns + BACKUP_IDLE_SEC * RI_SEC;
}

/* Its next turn ends it, which nothing else brings about in an account of its own. */
static void backup_cut(ri_claim *claim)
{
    ri_js_transfer *t = ri_container_of(claim, ri_js_transfer, claim);
    ri_account_stir(t->api->party.account);
}

int ri_js_backup_charge(ri_js_transfer *t)
{
    RI_ASSERT(t->api->ntransfers > 0);
    uint64_t bytes = sizeof *t + t->bytes.cap + t->plain.cap + t->consumers.cap + t->arena.bytes;
    if (t->restore) bytes += ri_js_restore_bytes(t);
    if (ri_claim_set(&t->api->opts.router->work, &t->claim, bytes)) return RILL_OK;
    return ri_err(RILL_EFULL, "insufficient memory");
}

ri_js_transfer *ri_js_backup_open(ri_js_request *r, const char *verb, const char *tail)
{
    ri_jetstream_api *api = r->api;
    ri_js_transfer *t =
        api->ntransfers < RI_LIMIT_JS_TRANSFERS ? ri_new(&api->host, ri_js_transfer) : NULL;
    if (!t) {
        ri_js_request_fail_with(r, RI_JS_INSUFFICIENT_RESOURCES);
        return NULL;
    }
    t->api = api;
    ri_claim_init(&t->claim, backup_cut);
    ri_arena_init(&t->arena, &api->host);
    ri_buffer_init(&t->bytes, &api->host);
    ri_buffer_init(&t->plain, &api->host);
    ri_buffer_init(&t->consumers, &api->host);
    ri_buffer_init(&t->acks, &api->host);
    ri_list_push(&api->transfers, &t->link);
    api->ntransfers++;
    api->service.held++;
    ri_js_backup_touch(t);
    char id[RI_NUID_LEN];
    ri_nuid_next(&api->nuid, id);
    int n = snprintf(t->subject, sizeof t->subject, "$JS.SNAPSHOT.%s.%.*s.", verb,
                     RI_ARG(r->stream));
    RI_ASSERT(n > 0 && (size_t)n + RI_NUID_LEN + 3 < sizeof t->subject);
    t->id = (ri_str){t->subject + n, RI_NUID_LEN};
    n += snprintf(t->subject + n, sizeof t->subject - (size_t)n, "%.*s%s", RI_NUID_LEN, id, tail);
    t->sub.entry.subject = (ri_str){t->subject, (size_t)n};
    if (ri_js_backup_charge(t) >= 0 && ri_router_subscribe(&api->party, &t->sub) >= 0) return t;
    ri_js_backup_free(t);
    ri_js_request_fail_with(r, RI_JS_INSUFFICIENT_RESOURCES);
    return NULL;
}

ri_stream *ri_js_backup_stream(const ri_js_transfer *t)
{
    ri_stream *stream = ri_js_stream(t->api->js, t->conf.name);
    ri_stream_info info = {0};
    if (stream) ri_stream_info_of(stream, &info);
    return stream && info.created == t->created ? stream : NULL;
}

/* ---- Consumers ---- */

typedef struct backup_capture {
    ri_archive_writer writer;
    ri_budget *budget;
    bool again; /* those that were delivered more than once, after all of them */
} backup_capture;

static void backup_pending(void *arg, const ri_carry_pending *p)
{
    backup_capture *capture = arg;
    ri_archive_pending pending = {.stream_seq = p->stream_seq, .consumer_seq = p->consumer_seq,
                                  .sent_ns = p->sent_ns, .deliveries = p->deliveries,
                                  .again = capture->again};
    ri_budget_spend(capture->budget, 1);
    if (!capture->again || p->deliveries > 1) ri_archive_state_put(&capture->writer, &pending);
}

static void backup_pick(void *arg, uint64_t seq)
{
    ri_archive_state_pick(&((backup_capture *)arg)->writer, seq);
}

static void backup_no_pick(void *arg, uint64_t seq)
{
    (void)arg, (void)seq;
}

static void backup_no_pending(void *arg, const ri_carry_pending *pending)
{
    (void)arg, (void)pending;
}

/* A consumer as it is now; it is captured as a whole. */
static void backup_consumer(ri_js_transfer *t, ri_consumer *c)
{
    const ri_host *host = &t->api->host;
    ri_buffer conf, json;
    ri_buffer_init(&conf, host);
    ri_buffer_init(&json, host);
    ri_jsapi_encode(&ri_jsapi_consumer_conf, ri_consumer_conf_of(c), &conf);
    ri_carry_place place;
    ri_carry_get(c, &place);
    ri_archive_place kept = {place.delivered_consumer, place.delivered_stream,
                             place.floor_consumer, place.floor_stream};
    ri_archive_more more = {.created_ns = place.created_ns, .next_seq = place.next_seq,
                            .delivered_ns = place.delivered_ns, .acked_ns = place.acked_ns};
    backup_capture capture = {.budget = backup_budget(t->api)};
    ri_carry_visitor pending = {&capture, backup_pending, backup_no_pick};
    ri_carry_visitor picks = {&capture, backup_no_pending, backup_pick};
    ri_archive_state_begin(&capture.writer, &json, ri_buffer_str(&conf), &kept);
    ri_carry_each(c, &pending);
    capture.again = true;
    ri_carry_each(c, &pending);
    ri_archive_state_more(&capture.writer, &more);
    ri_carry_each(c, &picks);
    ri_archive_state_end(&capture.writer);
    if (conf.failed || json.failed) t->consumers.failed = true;
    ri_archive_put_consumer(&t->consumers, ri_consumer_name(c), ri_buffer_str(&json),
                            t->api->wall_ns);
    t->nconsumers++;
    ri_buffer_fini(&conf);
    ri_buffer_fini(&json);
}

static int backup_begin_messages(ri_js_transfer *t)
{
    ri_buffer json;
    ri_buffer_init(&json, &t->api->host);
    t->state.consumer_count = t->nconsumers;
    t->state.first_seq = RI_MAX(t->state.first_seq, 1);
    ri_jsapi_encode(&ri_jsapi_stream_state, &t->state, &json);
    ri_archive_put_begin(&t->plain, ri_buffer_str(&json), t->api->wall_ns);
    bool failed = json.failed || t->plain.failed || t->consumers.failed;
    ri_buffer_fini(&json);
    t->phase = RI_TRANSFER_MESSAGES;
    return failed ? RILL_ENOMEM : RILL_OK;
}

/* Some consumers more, which may come and go meanwhile: those behind the one that was captured
 * last. Then the head of the archive can be written. */
static int backup_capture_some(ri_js_transfer *t, ri_stream *stream)
{
    size_t n;
    ri_str after = {t->after, t->after_len};
    ri_consumer *const *consumers = ri_js_consumers_after(stream, after, &n);
    for (size_t i = 0; i < n; i++) {
        ri_str name = ri_consumer_name(consumers[i]);
        bool kept = !ri_consumer_conf_of(consumers[i])->direct &&
                    !ri_consumer_is_offline(consumers[i]);
        if (kept) backup_consumer(t, consumers[i]);
        RI_ASSERT(name.len < sizeof t->after);
        memcpy(t->after, name.ptr, name.len);
        t->after_len = name.len;
        if (!ri_budget_spend(backup_budget(t->api), BACKUP_CONSUMER_UNITS)) return RILL_OK;
    }
    return backup_begin_messages(t);
}

/* ---- Beginning ---- */

static uint64_t backup_clamp(int64_t n, int64_t standard, int64_t most)
{
    return (uint64_t)RI_MIN(RI_MAX(n ? n : standard, BACKUP_LEAST), most);
}

static bool backup_begin(ri_js_transfer *t, const ri_js_snapshot_request *request,
                           const ri_stream_info *info)
{
    ri_str deliver = request->deliver_subject, name = info->config->name;
    t->deliver = (ri_str){ri_arena_copy(&t->arena, deliver.ptr, deliver.len), deliver.len};
    t->conf.name = (ri_str){ri_arena_copy(&t->arena, name.ptr, name.len), name.len};
    t->created = info->created;
    t->state = info->state;
    t->next_seq = info->state.first_seq;
    t->index = 1;
    t->chunk_bytes = backup_clamp(request->chunk_size, BACKUP_CHUNK, BACKUP_CHUNK_MAX);
    uint64_t window = backup_clamp(request->window_size, BACKUP_WINDOW, BACKUP_WINDOW_MAX);
    t->slots = RI_MAX(window / t->chunk_bytes, 1);
    t->begun_ns = t->api->wall_ns;
    ri_s2_frame_begin(&t->bytes);
    t->phase = RI_TRANSFER_CONSUMERS;
    return t->deliver.ptr && t->conf.name.ptr && !t->bytes.failed &&
           (!request->no_consumers || backup_begin_messages(t) >= 0);
}

void ri_js_backup_create(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
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
    ri_js_transfer *t = ri_js_backup_open(r, "ACK", ".>");
    if (!t) return;
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    if (!backup_begin(t, &request, &info)) {
        ri_js_backup_free(t);
        ri_js_request_fail_with(r, RI_JS_INSUFFICIENT_RESOURCES);
        return;
    }
    ri_js_snapshot_reply reply = {.config = info.config, .state = &info.state};
    ri_js_request_answer(r, &reply);
    ri_js_advisory_transfer(r->api, &(ri_js_transfer_event){.stream = t->conf.name,
                                                            .state = &info.state});
}

/* ---- Chunks ---- */

/* The next message into `plain`, or the end. */
static int backup_message(ri_js_transfer *t, ri_stream *stream)
{
    ri_record r;
    int rc = t->next_seq && t->next_seq <= t->state.last_seq
                 ? ri_stream_get_next(stream, t->next_seq, RI_STR_NONE, &r)
                 : RILL_ENOENT;
    if (rc < 0 && rc != RILL_ENOENT) return rc;
    if (rc < 0 || r.seq > t->state.last_seq) {
        ri_archive_put_end(&t->plain);
        t->phase = RI_TRANSFER_ENDED;
        return RILL_OK;
    }
    if (r.subject.len > RI_LIMIT_CONTROL_LINE) /* of a record batch whose topic's name is long */
        return ri_err(RILL_ENOTSUP, "message %llu has a subject of %zu bytes, of which an archive "
                      "holds %d", (unsigned long long)r.seq, r.subject.len, RI_LIMIT_CONTROL_LINE);
    ri_archive_put_message(&t->plain, &(ri_archive_item){
                                          .seq = r.seq, .time_ns = r.time_ns, .name = r.subject,
                                          .headers = r.headers, .data = r.data});
    t->next_seq = r.seq + 1;
    return RILL_OK;
}

/* A piece of the captured consumers, which come before the messages. */
static void backup_piece(ri_js_transfer *t)
{
    ri_str piece = ri_buffer_str(&t->consumers);
    piece.len = RI_MIN(piece.len, BACKUP_FRAME_BYTES);
    ri_buffer_put_str(&t->plain, piece);
    ri_buffer_eat(&t->consumers, piece.len);
    if (ri_buffer_size(&t->consumers) == 0) ri_buffer_fini(&t->consumers);
}

static bool backup_has_chunk(const ri_js_transfer *t)
{
    return t->phase == RI_TRANSFER_ENDED || ri_buffer_size(&t->bytes) >= t->chunk_bytes;
}

/* More of the archive into t->bytes, until there is a chunk or nothing is left of the budget. */
static int backup_fill(ri_js_transfer *t)
{
    ri_budget *budget = backup_budget(t->api);
    ri_stream *stream = ri_js_backup_stream(t);
    if (!stream) return ri_err(RILL_ENOENT, "the stream was deleted");
    bool more = true;
    while (more && !backup_has_chunk(t)) {
        int rc = RILL_OK;
        if (t->phase == RI_TRANSFER_CONSUMERS)
            rc = backup_capture_some(t, stream);
        else if (ri_buffer_size(&t->consumers))
            backup_piece(t);
        else
            rc = backup_message(t, stream);
        if (rc < 0 || (rc = ri_js_backup_charge(t)) < 0) return rc;
        size_t bytes = ri_buffer_size(&t->plain);
        bool frame = t->phase == RI_TRANSFER_ENDED || ri_buffer_size(&t->consumers) ||
                     ri_buffer_size(&t->bytes) + bytes >= t->chunk_bytes;
        more = ri_budget_spend(budget, BACKUP_MESSAGE_UNITS);
        if (!frame && more) continue;
        more = ri_budget_spend(budget, ri_budget_bytes(bytes));
        ri_s2_frame_put(&t->bytes, ri_buffer_str(&t->plain));
        if (t->plain.failed || t->bytes.failed) return RILL_ENOMEM;
        ri_buffer_reset(&t->plain);
    }
    return RILL_OK;
}

static void backup_finish(ri_js_transfer *t, const char *status)
{
    char block[200];
    int n = snprintf(block, sizeof block, "NATS/1.0 %.150s\r\n\r\n", status);
    ri_str none = {NULL, 0};
    ri_js_request_publish(t->api, t->deliver, none, (ri_str){block, (size_t)n}, none);
    bool well = strcmp(status, "204") == 0;
    ri_js_advisory_transfer(t->api, &(ri_js_transfer_event){
                                        .over = true, .stream = t->conf.name,
                                        .begun_ns = t->begun_ns, .error = well ? NULL : status});
    ri_js_backup_free(t);
}

/* One chunk, if it is ready; false when the transfer is over, and gone. */
static bool backup_send(ri_js_transfer *t)
{
    if (backup_fill(t) < 0) {
        char status[200];
        snprintf(status, sizeof status, "500 %s", ri_err_text());
        backup_finish(t, status);
        return false;
    }
    ri_js_backup_touch(t);
    if (!backup_has_chunk(t)) return true;
    ri_str none = {NULL, 0}, chunk = ri_buffer_str(&t->bytes);
    chunk.len = RI_MIN(chunk.len, t->chunk_bytes);
    bool last = t->phase == RI_TRANSFER_ENDED && chunk.len < t->chunk_bytes;
    char ack[400];
    int n = snprintf(ack, sizeof ack, "%.*s%" PRIu64 ".%" PRIu64, (int)t->sub.entry.subject.len - 1,
                     t->subject, (uint64_t)chunk.len, t->index++);
    ri_str reply = {ack, (size_t)n};
    if (chunk.len) ri_js_request_publish(t->api, t->deliver, last ? none : reply, none, chunk);
    ri_buffer_eat(&t->bytes, chunk.len);
    t->slots--;
    if (last) backup_finish(t, "204");
    return !last;
}

static bool backup_runs(const ri_js_transfer *t)
{
    if (t->claim.cut) return true;
    if (t->restore) return t->busy;
    return t->slots > 0 && t->look_ns <= t->api->mono_ns;
}

static bool backup_is_other(void *arg, ri_interest_entry *ring)
{
    return !ri_str_eq(ring->subject, ((const ri_js_transfer *)arg)->deliver);
}

/* A client may subscribe to the chunks only after our answer, and hold a wildcard above them
 * before: the first chunk waits for a subscription to their very subject, as nats-server's does. */
static void backup_turn(ri_js_transfer *t)
{
    const ri_interest *interest = &t->api->party.account->interest;
    int64_t now = t->api->mono_ns, begun = t->due_ns - BACKUP_IDLE_SEC * RI_SEC;
    if (t->claim.cut) {
        backup_finish(t, "500 insufficient memory");
        return;
    }
    if (t->look_ns > now) return;
    t->heard = t->heard || now >= begun + BACKUP_LISTEN_SEC * RI_SEC ||
               !ri_interest_walk(interest, t->deliver, ri_hash(t->deliver), backup_is_other, t);
    if (!t->heard) {
        t->look_ns = now + BACKUP_LOOK_MS * (RI_SEC / 1000);
        return;
    }
    if (!ri_interest_any(interest, t->deliver)) {
        backup_finish(t, "408 No Interest");
        return;
    }
    do {
        if (t->slots && !backup_send(t)) return;
    } while (t->slots && ri_budget_left(backup_budget(t->api)));
    if (!t->slots && t->api->mono_ns >= t->due_ns) backup_finish(t, "408 No Flow Response");
}

/* ---- What comes for transfers ---- */

bool ri_js_backup_message(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    if (!ri_str_starts(r->subject, RI_STR("$JS.SNAPSHOT."))) return false;
    ri_str rest = r->subject, token[7] = {{NULL, 0}};
    for (size_t n = 0; n < RI_LEN(token) && ri_subject_token(&rest, &token[n]);) n++;
    ri_list_each(link, &r->api->transfers) {
        ri_js_transfer *t = ri_container_of(link, ri_js_transfer, link);
        if (!ri_str_eq(t->id, token[4])) continue;
        if (t->restore)
            ri_js_restore_chunk(t, r);
        else
            t->slots++;
        break;
    }
    return true;
}

bool ri_js_backup_waiting(const ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    ri_list_each(link, &api->transfers)
        if (backup_runs(ri_container_of(link, ri_js_transfer, link))) return true;
    return false;
}

/* Each has its slice; who was served goes behind the others, since a turn may end before that. */
void ri_js_backup_step(ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    ri_budget *budget = backup_budget(api);
    for (uint32_t n = api->ntransfers; n > 0 && !ri_list_empty(&api->transfers); n--) {
        ri_list *link = ri_list_pop(&api->transfers);
        ri_js_transfer *t = ri_container_of(link, ri_js_transfer, link);
        ri_list_push(&api->transfers, link);
        ri_budget_slice(budget, RI_BUDGET_SLICE);
        if (t->restore)
            ri_js_restore_turn(t);
        else
            backup_turn(t);
        ri_budget_whole(budget);
        if (!ri_budget_left(budget)) break;
    }
}

int64_t ri_js_backup_due_ns(const ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    int64_t due = INT64_MAX;
    ri_list_each(link, &api->transfers) {
        const ri_js_transfer *t = ri_container_of(link, ri_js_transfer, link);
        due = RI_MIN(due, t->look_ns > api->mono_ns ? t->look_ns : t->due_ns);
    }
    return due;
}

void ri_js_backup_close_all(ri_jetstream_api *api)
{
    while (!ri_list_empty(&api->transfers))
        ri_js_backup_free(ri_container_of(api->transfers.next, ri_js_transfer, link));
}
