/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/limits.h"
#include "engine/streams/js_state.h"

/* A step has a slice of the turn's budget for each kind of work, so that none waits for another's
 * end; what is left when it is used up is the next step's. */
enum { JS_SLICE = RI_BUDGET_TURN / 4 };
enum { JS_ACCOUNTED = 8 }; /* streams whose messages are summed up in a unit */
enum {
    JS_INSERTED = 16,    /* streams that go to their places one by one; more are sorted at once */
    JS_GROWN_SLICE = RI_BUDGET_TURN / 2,
    JS_GROWN_UNITS = 3, /* of the turn, for a stream that hears that its commit is over */
    JS_WAITER_UNITS = 3, /* of the turn, for one whose commit is over */
};

/* ---- Answers ---- */

/* In an outbox: this, the subject, the body; then the next, aligned. */
typedef struct js_answer {
    uint32_t subject_len, body_len;
} js_answer;

static ri_outbox *js_outbox_of(ri_js *js, ri_js_store *store)
{
    if (store && ri_log_dirty(store->log)) return &store->open;
    if (store && store->flying_now) return &store->flying; /* what it confirms is on its way */
    return &js->now;
}

bool ri_js_answer_begin(ri_js *js, ri_js_store *store, ri_str subject, size_t body_max,
                        ri_js_draft *draft)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_outbox *box = js_outbox_of(js, store);
    size_t size = RI_ALIGN(sizeof(js_answer) + subject.len + body_max, 8);
    char *at = ri_buffer_room(&box->bytes, size);
    if (!at) return false;
    memcpy(at + sizeof(js_answer), subject.ptr, subject.len);
    *draft = (ri_js_draft){box, at + sizeof(js_answer) + subject.len, subject.len};
    return true;
}

void ri_js_answer_end(const ri_js_draft *draft, size_t body_len)
{
    js_answer head = {.subject_len = (uint32_t)draft->subject_len,
                      .body_len = (uint32_t)body_len};
    memcpy(draft->body - draft->subject_len - sizeof head, &head, sizeof head);
    ri_buffer_added(&draft->box->bytes, RI_ALIGN(sizeof head + draft->subject_len + body_len, 8));
}

void ri_js_answer(ri_js *js, ri_js_store *store, ri_str subject, ri_str body)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_js_draft draft;
    if (!ri_js_answer_begin(js, store, subject, body.len, &draft)) return;
    if (body.len) memcpy(draft.body, body.ptr, body.len);
    ri_js_answer_end(&draft, body.len);
}

/* What is sent instead of a PubAck whose commit failed. */
static void js_answer_failed(ri_js *js, ri_str subject, ri_str body, int rc)
{
    if (body.len == 0) return; /* an ack of an ack: silence makes its sender ask again */
    ri_js_puback ack;
    ri_js_error was, e;
    if (ri_jshot_puback_read(body, &ack, &was) < 0) ack.stream = RI_STR_NONE;
    ri_jserror_set(&e, RI_JS_STREAM_STORE_FAILED, "%s", ri_err_class(rc));
    ri_buffer_reset(&js->scratch);
    ri_jshot_puback_error(&e, ack.stream, &js->scratch);
    if (js->scratch.failed) return;
    ri_message m = {.subject = subject, .data = ri_buffer_str(&js->scratch)};
    ri_router_publish(&js->party, &(ri_publish){.m = &m});
}

/* Publish the first answer of a box. What it makes others answer goes into other boxes. */
static void js_outbox_send_one(ri_js *js, ri_outbox *box, int rc)
{
    const char *at = box->bytes.ptr + box->bytes.head;
    js_answer head;
    memcpy(&head, at, sizeof head);
    ri_str subject = {at + sizeof head, head.subject_len};
    ri_str body = {subject.ptr + subject.len, head.body_len};
    ri_message m = {.subject = subject, .data = body};
    if (rc < 0)
        js_answer_failed(js, subject, body, rc);
    else
        ri_router_publish(&js->party, &(ri_publish){.m = &m});
    box->bytes.head += RI_ALIGN(sizeof head + subject.len + body.len, 8);
}

static bool js_outbox_is_empty(const ri_outbox *box)
{
    return ri_buffer_size(&box->bytes) == 0;
}

static void js_outbox_send(ri_js *js, ri_outbox *box, int rc)
{
    while (!js_outbox_is_empty(box)) js_outbox_send_one(js, box, rc);
    ri_buffer_reset(&box->bytes);
}

/* What may leave from now on, behind what may already. */
static void js_outbox_release(ri_js *js, ri_outbox *box)
{
    if (js_outbox_is_empty(&js->leaving)) {
        ri_outbox empty = js->leaving;
        js->leaving = *box;
        *box = empty;
    } else if (!js_outbox_is_empty(box)) {
        ri_buffer_put_str(&js->leaving.bytes, ri_buffer_str(&box->bytes));
        if (js->leaving.bytes.failed) { /* no memory for a row: the row leaves at once */
            js->leaving.bytes.failed = false;
            js_outbox_send(js, &js->leaving, RILL_OK);
            js_outbox_send(js, box, RILL_OK);
        }
    }
    ri_buffer_reset(&box->bytes);
}

static void js_waiter_done(ri_list *link, int rc)
{
    ri_js_waiter *waiter = ri_container_of(link, ri_js_waiter, link);
    waiter->done(waiter, rc);
}

/* As many answers and waiters as the budget allows, at least one of each. */
static void js_leave(ri_js *js)
{
    ri_budget *budget = &js->router->budget;
    if (!js_outbox_is_empty(&js->leaving)) {
        do js_outbox_send_one(js, &js->leaving, RILL_OK);
        while (!js_outbox_is_empty(&js->leaving) && ri_budget_left(budget));
        if (!js_outbox_is_empty(&js->leaving)) return;
        ri_buffer_reset(&js->leaving.bytes);
    }
    ri_list *link;
    bool left = true;
    while (left && (link = ri_list_pop(&js->landed)) != NULL) {
        js_waiter_done(link, RILL_OK);
        left = ri_budget_spend(budget, JS_WAITER_UNITS);
    }
}

/* Streams whose commit is over hear of it, as many as a part of the turn allows, and at least one.
 * One that waits for that here may be in the next commit meanwhile: it hears of both at once, or is
 * touched again. */
static void js_notify_grown(ri_js *js)
{
    ri_budget *budget = &js->router->budget;
    ri_list *link;
    bool left = true;
    ri_budget_slice(budget, JS_GROWN_SLICE);
    while (left && (link = ri_list_pop(&js->grown)) != NULL) {
        ri_stream_committed(ri_container_of(link, ri_stream, touched_link));
        left = ri_budget_spend(budget, JS_GROWN_UNITS);
    }
    ri_budget_whole(budget);
}

static void js_waiters_done(ri_list *waiters, int rc)
{
    ri_list done;
    ri_list_init(&done);
    ri_list_splice(&done, waiters);
    for (ri_list *link; (link = ri_list_pop(&done)) != NULL;) js_waiter_done(link, rc);
}

void ri_js_wait(ri_js *js, ri_log *log, ri_js_waiter *waiter)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_js_store *store = log ? ri_js_store_of(js, log) : js->files.log ? &js->files : &js->memory;
    ri_list *list = &js->now_waiters;
    if (store->log && ri_log_dirty(store->log))
        list = &store->waiters;
    else if (store->flying_now)
        list = &store->flying_waiters;
    ri_list_push(list, &waiter->link);
}

void ri_js_notify(ri_js *js, const ri_js_event *event)
{
    RI_ASSERT(ri_js_is_sound(js));
    if (js->opts.event) js->opts.event(js->opts.arg, event);
}

/* ---- Lists of who has something to do ---- */

void ri_js_park(ri_consumer *c, ri_parked where)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (c->parked == where) return;
    ri_js *js = c->stream->js;
    ri_list_remove(&c->ready_link);
    c->parked = where;
    switch (where) {
    case RI_PARKED_NO: break;
    case RI_PARKED_READY: ri_list_push(&js->ready, &c->ready_link); break;
    case RI_PARKED_HUNGRY: ri_list_push(&c->stream->hungry, &c->ready_link); break;
    case RI_PARKED_ASLEEP: ri_list_push(&c->stream->asleep, &c->ready_link); break;
    case RI_PARKED_UNBOUND: ri_list_push(&js->unbound, &c->ready_link); break;
    }
}

void ri_js_ready(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_js_park(c, RI_PARKED_READY);
}

void ri_js_busy(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (!ri_list_linked(&stream->busy_link)) ri_list_push(&stream->js->busy, &stream->busy_link);
}

void ri_js_arm(ri_stream *stream, int64_t due_ns)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (due_ns == INT64_MAX) return;
    if (ri_timer_armed(&stream->timer) && stream->timer.due_ns <= due_ns) return;
    ri_heap_set(&stream->js->stream_timers, &stream->timer, due_ns);
}

void ri_js_arm_consumer(ri_consumer *c, int64_t due_ns)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (due_ns == INT64_MAX) return;
    if (ri_timer_armed(&c->timer) && c->timer.due_ns <= due_ns) return;
    ri_heap_set(&c->stream->js->consumer_timers, &c->timer, due_ns);
}

int64_t ri_js_mono_of(const ri_js *js, int64_t wall_ns)
{
    if (wall_ns == INT64_MAX) return INT64_MAX;
    return ri_ns_add(js->mono_ns, ri_ns_sub(wall_ns, js->wall_ns));
}

int64_t ri_js_wall_of(const ri_js *js, int64_t mono_ns)
{
    if (mono_ns == INT64_MAX) return INT64_MAX;
    return ri_ns_add(js->wall_ns, ri_ns_sub(mono_ns, js->mono_ns));
}

/* ---- Opening ---- */

static bool js_stream_same(const void *item, const void *key)
{
    return ri_str_eq(((const ri_stream *)item)->conf.name, *(const ri_str *)key);
}

static bool js_client_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party, (void)sub, (void)d;
    return false; /* it has no subscriptions */
}

static const ri_party_ops js_client_ops = {.deliver = js_client_deliver};

static void js_store_init(ri_js *js, ri_js_store *store, ri_log *log)
{
    *store = (ri_js_store){.log = log, .save_due_ns = INT64_MAX};
    ri_buffer_init(&store->open.bytes, js->host);
    ri_buffer_init(&store->flying.bytes, js->host);
    ri_list_init(&store->waiters);
    ri_list_init(&store->flying_waiters);
    ri_list_init(&store->unsaved);
    ri_list_init(&store->gone);
    ri_list_init(&store->moved);
    ri_list_init(&store->touched);
}

static void js_store_fini(ri_js_store *store)
{
    if (!store->waiters.next) return;
    if (store->ids) ri_cursor_fini(&store->ids_cursor);
    if (store->places) ri_cursor_fini(&store->places_cursor);
    js_waiters_done(&store->flying_waiters, RILL_ECLOSED);
    js_waiters_done(&store->waiters, RILL_ECLOSED);
    ri_buffer_fini(&store->open.bytes);
    ri_buffer_fini(&store->flying.bytes);
}

static void js_init(ri_js *js, const ri_js_opts *opts)
{
    const ri_host *host = opts->host;
    *js = (ri_js){.magic = RI_JS_MAGIC, .host = host, .opts = *opts, .router = opts->router,
                  .next_track = RI_JS_TRACK_FIRST, .next_consumer = 1};
    js->limits = opts->limits ? *opts->limits
                              : (ri_js_account_limits){-1, -1, -1, -1, -1, -1, -1, false};
    js->account = opts->account ? opts->account : &js->router->global;
    ri_party_init(&js->party, js->router, &js_client_ops);
    ri_party_enter(&js->party, js->account);
    js->party.queues = true;
    ri_list_init(&js->ear_queue);
    ri_list_init(&js->settling);
    js_store_init(js, &js->files, opts->file_log);
    js_store_init(js, &js->memory, opts->memory_log);
    ri_map_init(&js->streams, host, js_stream_same);
    ri_heap_init(&js->stream_timers, host);
    ri_heap_init(&js->consumer_timers, host);
    ri_list_init(&js->ready);
    ri_list_init(&js->unbound);
    ri_list_init(&js->looking);
    ri_list_init(&js->landed);
    ri_list_init(&js->grown);
    ri_list_init(&js->busy);
    ri_list_init(&js->now_waiters);
    ri_list_init(&js->spare);
    ri_list_init(&js->zones);
    ri_list_init(&js->viewed);
    ri_list_init(&js->lent);
    ri_ledger_init(&js->ids, &js->router->memory, RI_MEMORY_DURABLE);
    ri_list_init(&js->spent);
    ri_list_init(&js->fenced);
    ri_list_init(&js->awaiting);
    ri_buffer_init(&js->fenced_ids, host);
    ri_buffer_init(&js->now.bytes, host);
    ri_buffer_init(&js->leaving.bytes, host);
    ri_buffer_init(&js->scratch, host);
    ri_buffer_init(&js->record, host);
    ri_buffer_init(&js->headers, host);
    ri_buffer_init(&js->subject, host);
    ri_buffer_init(&js->answer, host);
    ri_buffer_init(&js->lived, host);
    ri_buffer_init(&js->counted, host);
    ri_buffer_init(&js->ack_head, host);
    ri_buffer_init(&js->status, host);
    ri_nuid_init(&js->nuid, host);
}

int ri_js_open(ri_js **out, const ri_js_opts *opts, int64_t now_wall_ns, int64_t now_mono_ns)
{
    *out = NULL;
    ri_js *js = ri_new(opts->host, ri_js);
    if (!js) return RILL_ENOMEM;
    js_init(js, opts);
    js->wall_ns = now_wall_ns;
    js->mono_ns = js->owner_mono_ns = now_mono_ns;
    js->offset_ns = ri_ns_sub(now_wall_ns, now_mono_ns);
    int rc;
    if ((rc = ri_ack_init(js)) < 0) goto fail;
    if ((rc = ri_catalog_load(js)) < 0) goto fail;
    *out = js;
    return RILL_OK;
fail:
    ri_js_close(js);
    return rc;
}

void ri_js_close(ri_js *js)
{
    if (!js) return;
    RI_CHECK(js, RI_JS_MAGIC);
    if (js->files.log) ri_log_take_lent(js->files.log);
    if (js->memory.log) ri_log_take_lent(js->memory.log);
    if (js->memory.flying_now) ri_log_commit_end(js->memory.log, &js->memory_job);
    while (js->nstreams > 0) ri_stream_free(js->sorted[js->nstreams - 1]);
    while (!ri_list_empty(&js->fenced))
        ri_stream_free(ri_container_of(js->fenced.next, ri_stream, fenced_link));
    js_waiters_done(&js->landed, RILL_OK);
    js_waiters_done(&js->now_waiters, RILL_ECLOSED);
    js_store_fini(&js->files);
    js_store_fini(&js->memory);
    ri_batch_give_back_all(js);
    ri_ack_fini(js);
    ri_pending_spare_fini(js);
    ri_schedule_fini(js);
    ri_party_fini(&js->party);
    ri_map_fini(&js->streams);
    ri_free(js->host, js->sorted, js->streams_cap * sizeof *js->sorted);
    ri_heap_fini(&js->stream_timers);
    ri_heap_fini(&js->consumer_timers);
    ri_buffer_fini(&js->now.bytes);
    ri_buffer_fini(&js->leaving.bytes);
    ri_buffer_fini(&js->scratch);
    ri_buffer_fini(&js->record);
    ri_buffer_fini(&js->headers);
    ri_buffer_fini(&js->subject);
    ri_buffer_fini(&js->answer);
    ri_buffer_fini(&js->lived);
    ri_buffer_fini(&js->counted);
    ri_buffer_fini(&js->ack_head);
    ri_buffer_fini(&js->status);
    ri_buffer_fini(&js->fenced_ids);
    ri_delete(js->host, js);
}

uint32_t ri_js_reader(ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    if (++js->readers == 0) js->readers = 1;
    return js->readers;
}

void ri_js_shutdown(ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    for (size_t i = 0; i < js->nstreams; i++) {
        ri_stream *stream = js->sorted[i];
        for (size_t k = 0; k < stream->nconsumers; k++)
            ri_pull_end_all(stream->list[k], "409 Server Shutdown", true);
    }
}

/* ---- The turn ---- */

bool ri_js_waiting(const ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    return ri_router_has_backlog(js->router) ||
           !ri_list_empty(&js->ready) || !ri_list_empty(&js->busy) ||
           !ri_list_empty(&js->ear_queue) || !ri_list_empty(&js->settling) ||
           ri_pending_spare_is_much(js) || !ri_list_empty(&js->now_waiters) ||
           !js_outbox_is_empty(&js->now) || !js_outbox_is_empty(&js->leaving) ||
           !ri_list_empty(&js->landed) || !ri_list_empty(&js->grown) ||
           !ri_list_empty(&js->looking) || js->overdue ||
           js->files.save_now || js->memory.save_now ||
           (js->memory.log && (ri_log_dirty(js->memory.log) || js->memory.flying_now)) ||
           !ri_list_empty(&js->spent) ||
           (!ri_list_empty(&js->unbound) &&
            js->interest_changes != js->account->interest.changes);
}

int64_t ri_js_next_due_ns(const ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    int64_t due = RI_MIN(ri_heap_next(&js->stream_timers), ri_heap_next(&js->consumer_timers));
    due = RI_MIN(due, js->files.save_due_ns);
    return RI_MIN(due, js->memory.save_due_ns);
}

/* Whose work does not end in its slice is due at once again, behind the others that are. */
static void js_run_timers(ri_js *js)
{
    ri_budget *budget = &js->router->budget;
    ri_timer *timer;
    bool left = true;
    ri_budget_slice(budget, JS_SLICE);
    while (left && (timer = ri_heap_due(&js->stream_timers, js->mono_ns)) != NULL) {
        ri_stream_due(ri_container_of(timer, ri_stream, timer));
        left = ri_budget_spend(budget, 1);
    }
    left = true;
    ri_budget_slice(budget, JS_SLICE);
    while (left && (timer = ri_heap_due(&js->consumer_timers, js->mono_ns)) != NULL) {
        ri_consumer_due(ri_container_of(timer, ri_consumer, timer));
        left = ri_budget_spend(budget, 1);
    }
    ri_budget_whole(budget);
    js->overdue = ri_heap_next(&js->stream_timers) <= js->mono_ns ||
                  ri_heap_next(&js->consumer_timers) <= js->mono_ns;
}

/* Push consumers that had nobody to deliver to look again when somebody has subscribed. */
static void js_look_for_subscribers(ri_js *js)
{
    ri_budget *budget = &js->router->budget;
    if (js->interest_changes != js->account->interest.changes) {
        js->interest_changes = js->account->interest.changes;
        ri_list_splice(&js->looking, &js->unbound);
    }
    ri_budget_slice(budget, JS_SLICE);
    bool left = true;
    while (left && !ri_list_empty(&js->looking)) {
        ri_consumer *c = ri_container_of(js->looking.next, ri_consumer, ready_link);
        ri_js_park(c, RI_PARKED_NO);
        ri_js_park(c, ri_push_bound(c) ? RI_PARKED_READY : RI_PARKED_UNBOUND);
        left = ri_budget_spend(budget, 2);
    }
    ri_budget_whole(budget);
}

static void js_run_streams(ri_js *js)
{
    ri_budget *budget = &js->router->budget;
    ri_budget_slice(budget, JS_SLICE);
    ri_list *link;
    bool left = true;
    while (left && (link = ri_list_pop(&js->busy)) != NULL) {
        ri_stream_step(ri_container_of(link, ri_stream, busy_link));
        left = ri_budget_spend(budget, 1);
    }
    ri_budget_whole(budget);
}

/* What was published to very many; consumers rest meanwhile. */
static void js_run_backlog(ri_js *js)
{
    if (ri_likely(!ri_router_has_backlog(js->router))) return;
    ri_budget_slice(&js->router->budget, JS_SLICE);
    ri_router_backlog_some(js->router);
    ri_budget_whole(&js->router->budget);
}

/* Each has a share of the turn, and stands behind the others if that was not enough. */
static void js_run_consumers(ri_js *js)
{
    ri_budget *budget = &js->router->budget;
    while (!ri_list_empty(&js->ready) && !ri_router_has_backlog(js->router)) {
        ri_consumer *c = ri_container_of(js->ready.next, ri_consumer, ready_link);
        ri_js_park(c, RI_PARKED_NO);
        ri_budget_slice(budget, RI_BUDGET_SLICE);
        ri_deliver_step(c);
        ri_budget_whole(budget);
        if (!ri_budget_spend(budget, 1)) break;
    }
}

static void js_save(ri_js *js, ri_js_store *store)
{
    if (store->save_now || store->save_due_ns <= js->mono_ns) ri_state_save(js, store);
}

static void js_commit_memory(ri_js *js)
{
    ri_js_store *store = &js->memory;
    int rc = RILL_OK;
    if (!store->log || (!store->flying_now && !ri_log_dirty(store->log))) return;
    if (!store->flying_now) {
        ri_js_prepare(js, store->log);
        rc = ri_log_commit_begin(store->log, &js->memory_job);
    }
    if (rc >= 0) {
        if (ri_log_commit_io_some(&js->memory_job, &js->router->budget)) return;
        rc = ri_log_commit_end(store->log, &js->memory_job);
    }
    ri_js_committed(js, store->log, rc, js->wall_ns, js->mono_ns);
}

/* What is answered here may make others answer: they are for the next step. */
static void js_send_now(ri_js *js)
{
    js_outbox_release(js, &js->now);
    ri_list_splice(&js->landed, &js->now_waiters);
    js_leave(js);
}

/* The wall clock was set: what is due by it is due at another time of the timers' clock. */
static void js_set_timers(ri_js *js)
{
    for (size_t i = 0; i < js->nstreams; i++) {
        ri_stream *stream = js->sorted[i];
        if (stream->schedules.len) ri_schedule_again(stream);
        if (stream->conf.max_age > 0 || stream->ttls.len || stream->schedules.len)
            ri_js_arm(stream, js->mono_ns);
        for (size_t k = 0; k < stream->nconsumers; k++)
            if (stream->list[k]->paused) ri_js_arm_consumer(stream->list[k], js->mono_ns);
    }
}

void ri_js_clock(ri_js *js, int64_t now_wall_ns, int64_t now_mono_ns)
{
    RI_ASSERT(ri_js_is_sound(js));
    int64_t now = js->owner_mono_ns = RI_MAX(js->owner_mono_ns, now_mono_ns);
    js->wall_ns = now_wall_ns;
    /* A publish may have been a little ahead; or have taken a set wall clock for time that
     * passed. */
    js->mono_ns = js->mono_ns > ri_ns_add(now, RI_JS_LEAP_NS) ? now : RI_MAX(js->mono_ns, now);
    int64_t offset_ns = ri_ns_sub(now_wall_ns, now), by_ns = ri_ns_sub(offset_ns, js->offset_ns);
    if (by_ns > -RI_JS_LEAP_NS && by_ns < RI_JS_LEAP_NS) return;
    js->offset_ns = offset_ns;
    js_set_timers(js);
}

void ri_js_arrive(ri_js *js, int64_t now_wall_ns, int64_t now_mono_ns)
{
    RI_CHECK(js, RI_JS_MAGIC);
    ri_js_clock(js, now_wall_ns, now_mono_ns);
    ri_budget_slice(&js->router->budget, JS_SLICE);
    ri_ack_step(js);
    js_run_timers(js);
}

void ri_js_step(ri_js *js, int64_t now_wall_ns, int64_t now_mono_ns)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_budget_spend(&js->router->budget, 1); /* steps that find nothing end a turn, too */
    ri_js_arrive(js, now_wall_ns, now_mono_ns);
    js_run_backlog(js);
    if (ri_unlikely(!ri_list_empty(&js->grown))) js_notify_grown(js);
    js_look_for_subscribers(js);
    js_run_streams(js);
    js_run_consumers(js);
    ri_pending_spare_trim(js);
    js_save(js, &js->files);
    js_save(js, &js->memory);
    js_commit_memory(js);
    if (ri_unlikely(!ri_list_empty(&js->spent))) ri_batch_give_back(js);
    js_send_now(js);
}

ri_js_store *ri_js_store_of(ri_js *js, ri_log *log)
{
    RI_ASSERT(log && (log == js->files.log || log == js->memory.log));
    RI_ASSERT(ri_js_is_sound(js));
    return log == js->files.log ? &js->files : &js->memory;
}

bool ri_js_unsaved(ri_js *js, ri_log *log)
{
    RI_ASSERT(ri_js_is_sound(js));
    return !ri_list_empty(&ri_js_store_of(js, log)->unsaved);
}

void ri_js_note_lasts(ri_js *js, ri_log *log)
{
    RI_ASSERT(ri_js_is_sound(js));
    /* In a damaged log a last message may be lost, not gone: nothing is added for it there. */
    if (ri_log_each_damage(log, UINT32_MAX, NULL, NULL)) return;
    for (size_t i = 0; i < js->nstreams; i++)
        if (js->sorted[i]->store->log == log) ri_last_save(js->sorted[i]);
}

void ri_js_prepare(ri_js *js, ri_log *log)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_js_store *store = ri_js_store_of(js, log);
    RI_ASSERT(!store->flying_now);
    ri_state_save(js, store);
    ri_ids_save(store);
    ri_places_save(store);
    ri_outbox empty = store->flying;
    store->flying = store->open;
    store->open = empty;
    RI_ASSERT(ri_buffer_size(&store->open.bytes) == 0);
    ri_list_splice(&store->flying_waiters, &store->waiters);
    store->flying_now = true;
}

void ri_js_committed(ri_js *js, ri_log *log, int rc, int64_t now_wall_ns, int64_t now_mono_ns)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_js_clock(js, now_wall_ns, now_mono_ns);
    ri_js_store *store = ri_js_store_of(js, log);
    ri_failure failure;
    ri_failure_keep(&failure, rc);
    RI_ASSERT(store->flying_now);
    store->flying_now = false;
    ri_list_splice(&js->grown, &store->touched);
    js_notify_grown(js);
    if (rc >= 0) {
        js_outbox_release(js, &store->flying);
        ri_list_splice(&js->landed, &store->flying_waiters);
        js_leave(js);
        return;
    }
    js_outbox_send(js, &js->leaving, RILL_OK);
    js_waiters_done(&js->landed, RILL_OK);
    js_outbox_send(js, &store->flying, rc);
    ri_failure_restore(&failure);
    js_waiters_done(&store->flying_waiters, rc);
}

/* ---- Native publishes ---- */

void ri_js_append_fail(ri_js_append *append, int rc)
{
    RI_ASSERT(append->waiter.done);
    append->code = rc < 0 ? rc : RILL_OK;
    if (append->why) ri_failure_keep(append->why, rc);
}

int ri_js_append_failure(const ri_js_append *append)
{
    if (!append->code) return RILL_OK;
    RI_ASSERT(!append->why || append->why->code == append->code);
    return append->why ? ri_failure_restore(append->why)
                       : ri_err(append->code, "%s", ri_err_class(append->code));
}

void ri_js_append_refuse(ri_js_append *a, int rc, const ri_js_error *e)
{
    RI_ASSERT(rc < 0);
    if (!a->code) ri_js_append_fail(a, rc);
    a->err_code = e->code ? e->err_code : 0;
}

int ri_js_publish(ri_js *js, ri_party *from, const ri_publish *p)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_js_append *a = p->append;
    RI_ASSERT(a && p->m->reply.len == 0 && !p->stored);
    a->code = a->err_code = 0;
    a->taken = false;
    a->stream = NULL;
    a->seq = 0;
    a->duplicate = false;
    int took = ri_router_publish(from, p);
    if (took < 0 || a->taken) return took;
    ri_js_error e = {0};
    ri_js_append_refuse(a, ri_fence_no_stream(js, p->m->subject, &e), &e);
    ri_list_push(&js->now_waiters, &a->waiter.link);
    return took;
}

/* ---- Asking ---- */

ri_stream *ri_js_stream(ri_js *js, ri_str name)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_stream *stream = js->found;
    if (stream && ri_str_same(stream->conf.name, name)) return stream;
    stream = ri_map_get(&js->streams, ri_hash(name), &name);
    if (stream) js->found = stream;
    return stream;
}

static int js_by_name(const void *a, const void *b)
{
    const ri_stream *const *x = a, *const *y = b;
    return ri_str_cmp((*x)->conf.name, (*y)->conf.name);
}

uint64_t ri_js_changes(const ri_js *js)
{
    RI_CHECK(js, RI_JS_MAGIC);
    return js->versions + 1;
}

/* Of the first `high` in order, the first that does not stand before `name`. */
static size_t js_place_of(const ri_js *js, ri_str name, size_t high)
{
    size_t low = 0;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (ri_str_cmp(js->sorted[mid]->conf.name, name) < 0) low = mid + 1;
        else high = mid;
    }
    return low;
}

/* Who makes streams and lists them in turn has one more each time: it goes to its place. */
static void js_insert_one(ri_js *js)
{
    RI_ASSERT(js->nsorted < js->nstreams);
    ri_stream *stream = js->sorted[js->nsorted];
    size_t at = js_place_of(js, stream->conf.name, js->nsorted);
    memmove(js->sorted + at + 1, js->sorted + at, (js->nsorted - at) * sizeof *js->sorted);
    js->sorted[at] = stream;
    js->nsorted++;
}

/* Those that came since are sorted by themselves, and merged with the others from the end on;
 * false: there is no memory for that. */
static bool js_merge(ri_js *js)
{
    size_t more = js->nstreams - js->nsorted;
    ri_stream **came = ri_alloc(js->host, ri_size_mul(more, sizeof *came));
    if (!came) return false;
    memcpy(came, js->sorted + js->nsorted, more * sizeof *came);
    qsort(came, more, sizeof *came, js_by_name);
    for (size_t i = js->nsorted, k = more; k > 0; k--) {
        size_t at = js_place_of(js, came[k - 1]->conf.name, i);
        memmove(js->sorted + at + k, js->sorted + at, (i - at) * sizeof *js->sorted);
        js->sorted[at + k - 1] = came[k - 1];
        i = at;
    }
    js->nsorted = js->nstreams;
    ri_free(js->host, came, more * sizeof *came);
    return true;
}

static void js_put_in_order(ri_js *js)
{
    if (js->nstreams - js->nsorted > JS_INSERTED && js_merge(js)) return;
    while (js->nsorted < js->nstreams) js_insert_one(js);
}

size_t ri_js_place(const ri_js *js, const ri_stream *stream)
{
    if (js->sorted[js->nstreams - 1] == stream) return js->nstreams - 1; /* a close goes so */
    size_t at = js_place_of(js, stream->conf.name, js->nsorted);
    if (at < js->nsorted && js->sorted[at] == stream) return at;
    for (at = js->nsorted; js->sorted[at] != stream; at++) RI_ASSERT(at < js->nstreams);
    return at;
}

size_t ri_js_nstreams(const ri_js *js)
{
    RI_CHECK(js, RI_JS_MAGIC);
    return js->nstreams;
}

ri_stream *const *ri_js_streams(ri_js *js, size_t *n)
{
    RI_ASSERT(ri_js_is_sound(js) && js->nsorted <= js->nstreams);
    js_put_in_order(js);
    *n = js->nstreams;
    return js->sorted;
}

ri_stream *const *ri_js_streams_after(ri_js *js, ri_str name, size_t *n)
{
    RI_ASSERT(ri_js_is_sound(js));
    size_t low = 0, high;
    ri_stream *const *all = ri_js_streams(js, n);
    for (high = name.len ? *n : 0; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (ri_str_cmp(all[mid]->conf.name, name) <= 0) low = mid + 1;
        else high = mid;
    }
    *n -= low;
    return low ? all + low : all; /* none at all: NULL */
}

ri_consumer *const *ri_js_consumers_after(ri_stream *stream, ri_str name, size_t *n)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    size_t low = 0, high;
    ri_consumer *const *all = ri_stream_consumers(stream, n);
    for (high = name.len ? *n : 0; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (ri_str_cmp(all[mid]->name, name) <= 0) low = mid + 1;
        else high = mid;
    }
    *n -= low;
    return low ? all + low : all; /* none at all: NULL */
}

ri_stream *ri_js_stream_on(ri_js *js, uint64_t track_id)
{
    RI_ASSERT(ri_js_is_sound(js));
    for (size_t i = 0; i < js->nstreams; i++)
        if (js->sorted[i]->track_id == track_id && js->sorted[i]->store == &js->files)
            return js->sorted[i];
    return NULL;
}

int ri_js_stream_of(ri_js *js, ri_str subject, ri_stream **stream)
{
    RI_ASSERT(ri_js_is_sound(js));
    *stream = NULL;
    ri_account *account = js->account;
    const ri_match *match = ri_match_cache_get(&account->cache, &account->interest, subject);
    if (!match) return RILL_ENOMEM;
    for (uint32_t i = 0; i < match->nplain && !*stream; i++) {
        ri_subscription *sub = ri_container_of(match->plain[i], ri_subscription, entry);
        if (sub->party->ops->stores)
            *stream = ri_container_of(sub->party, ri_stream, party);
    }
    return RILL_OK;
}

void ri_js_limit(ri_js *js, const ri_js_account_limits *limits, uint64_t max_file_bytes,
                 uint64_t max_memory_bytes)
{
    RI_ASSERT(ri_js_is_sound(js) && limits);
    js->limits = *limits;
    js->opts.max_file_bytes = max_file_bytes;
    js->opts.max_memory_bytes = max_memory_bytes;
}

void ri_js_account_of(const ri_js *js, ri_js_account *out)
{
    RI_ASSERT(ri_js_is_sound(js));
    *out = (ri_js_account){.streams = js->nstreams, .consumers = js->nconsumers,
                           .limits = js->limits, .domain = ri_str_of(js->opts.domain)};
    ri_budget_spend(&js->router->budget, js->nstreams / JS_ACCOUNTED);
    for (size_t i = 0; i < js->nstreams; i++) {
        const ri_stream *stream = js->sorted[i];
        ri_track_info info;
        ri_track_counts(stream->track, &info);
        uint64_t reserved = stream->conf.max_bytes > 0 ? (uint64_t)stream->conf.max_bytes : 0;
        bool memory = stream->conf.storage == RI_STORE_MEMORY;
        *(memory ? &out->memory : &out->storage) += info.bytes;
        uint64_t *sum = memory ? &out->reserved_memory : &out->reserved_storage;
        *sum = ri_u64_add(*sum, reserved);
    }
}

uint32_t ri_js_max_subjects(const ri_js *js)
{
    return js->opts.max_subjects ? js->opts.max_subjects : RI_LIMIT_JS_NAMED_MAX;
}

const char *ri_js_domain(const ri_js *js)
{
    return js->opts.domain;
}

ri_router *ri_js_router(const ri_js *js)
{
    return js->router;
}

int64_t ri_js_wall_ns(const ri_js *js)
{
    return js->wall_ns;
}
