/* SPDX-License-Identifier: Apache-2.0 */
#include "front/peer_nats/nats_calls.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/number.h"
#include "base/saturate.h"
#include "codec/jetstream/jshot.h"
#include "codec/nats/headers.h"
#include "front/peer_nats/nats_peer.h"

#define CALLS_SWEEP_NS INT64_C(512) /* for a slot, between two sweeps: a hundredth of the time */

enum {
    CALLS_SLOT_BITS = 20,
    CALLS_SLOT_MASK = (1 << CALLS_SLOT_BITS) - 1,
    CALLS_RANDOM_BITS = 44,
    CALLS_SWEEP_LEN = 1024, /* slots, of which fewer are not swept */
    CALLS_PREFIX = 7 + RI_NUID_LEN + 1,
};

static bool calls_is_idle(const ri_nats_call *call)
{
    return !call->question && ri_list_empty(&call->waiters);
}

/* It lies in `out` still. */
static bool calls_waits_to_leave(const ri_nats_peer *peer, const ri_nats_call *call)
{
    return call->bytes && call->takes == peer->takes;
}

static void calls_free(ri_nats_peer *peer, ri_nats_call *call)
{
    ri_nats_calls *calls = &peer->calls;
    RI_ASSERT(calls_is_idle(call) && call->number != UINT64_MAX);
    RI_ASSERT(!call->append || calls->appends > 0);
    size_t unsent = calls_waits_to_leave(peer, call) ? call->bytes : 0;
    ri_bus_asked_over(&call->asked);
    if (call->append) calls->appends--;
    call->append = NULL;
    call->batch = call->once = false;
    call->bytes = 0;
    call->number = UINT64_MAX; /* no answer has it */
    call->next_free = calls->free;
    calls->free = call;
    if (unsent) ri_nats_send_is_over(peer, unsent);
}

static void calls_sweep(ri_nats_peer *peer)
{
    for (uint32_t i = 0; i < peer->calls.len; i++) {
        ri_nats_call *call = peer->calls.slots[i];
        if (call->number != UINT64_MAX && calls_is_idle(call) &&
            !calls_waits_to_leave(peer, call)) calls_free(peer, call);
    }
}

/* Who finds all slots taken looks again and again while they are answered. */
void ri_nats_calls_sweep(ri_nats_peer *peer)
{
    ri_nats_calls *calls = &peer->calls;
    int64_t now_ns = ri_mono_ns(&peer->bus.host);
    if (now_ns < calls->sweep_ns) return;
    calls_sweep(peer);
    calls->sweep_ns = ri_ns_add(now_ns, RI_MAX(CALLS_SWEEP_NS * (int64_t)calls->len,
                                               RI_NATS_PAUSE_NS));
}

static bool calls_unpermitted(rill_bus *bus, ri_bus_asked *asked, int code);

static int calls_grow(ri_nats_peer *peer)
{
    ri_nats_calls *calls = &peer->calls;
    if (calls->len == RI_NATS_CALLS_MAX)
        return ri_err(RILL_EAGAIN, "%d calls are under way", RI_NATS_CALLS_MAX);
    int rc = ri_array_reserve(&peer->bus.host, &calls->slots, &calls->cap, calls->len + 1,
                              sizeof *calls->slots);
    if (rc < 0) return rc;
    ri_nats_call *call = ri_new(&peer->bus.host, ri_nats_call);
    if (!call) return RILL_ENOMEM;
    ri_list_init(&call->waiters);
    call->asked.refused = calls_unpermitted;
    call->number = UINT64_MAX;
    call->slot = calls->len;
    calls->slots[calls->len++] = call;
    call->next_free = calls->free;
    calls->free = call;
    return RILL_OK;
}

static int calls_open_inbox(ri_nats_peer *peer)
{
    ri_nats_calls *calls = &peer->calls;
    if (calls->has_inbox) return RILL_OK;
    memcpy(calls->prefix, "_INBOX.", 7);
    ri_nuid_next(&peer->bus.nuid, calls->prefix + 7);
    memcpy(calls->nowhere, calls->prefix, CALLS_PREFIX - 1);
    memcpy(calls->nowhere + CALLS_PREFIX - 1, ".-", 3);
    memcpy(calls->prefix + 7 + RI_NUID_LEN, ".*", 3);
    calls->inbox.entry.subject = ri_str_of(calls->prefix);
    int rc = ri_nats_subs_subscribe(&peer->bus, &calls->inbox);
    calls->has_inbox = rc == RILL_OK;
    return rc;
}

/* Again when there are twice as many, so that a slot is looked at once for each that is made. */
static void calls_sweep_now(ri_nats_peer *peer)
{
    ri_nats_calls *calls = &peer->calls;
    calls_sweep(peer);
    calls->sweep_len = RI_MIN(RI_MAX(2 * calls->len, CALLS_SWEEP_LEN), RI_NATS_CALLS_MAX);
}

static int calls_new(ri_nats_peer *peer, ri_nats_call **out)
{
    ri_nats_calls *calls = &peer->calls;
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    int rc = calls_open_inbox(peer);
    if (rc == RILL_OK && !calls->free && calls->len >= calls->sweep_len) calls_sweep_now(peer);
    if (rc == RILL_OK && !calls->free) rc = calls_grow(peer);
    if (rc < 0) return rc;
    ri_nats_call *call = calls->free;
    calls->free = call->next_free;
    uint64_t dice = ri_nuid_number(&peer->bus.nuid) >> (64 - CALLS_RANDOM_BITS);
    call->number = dice << CALLS_SLOT_BITS | call->slot;
    call->takes = peer->takes;
    RI_ASSERT(call->bytes == 0 && calls_is_idle(call));
    *out = call;
    return RILL_OK;
}

ri_str ri_nats_calls_reply(const ri_nats_peer *peer, const ri_nats_call *call,
                           char room[RI_NATS_REPLY_MAX])
{
    RI_ASSERT(peer->calls.has_inbox && call->number != UINT64_MAX);
    memcpy(room, peer->calls.prefix, CALLS_PREFIX);
    return (ri_str){room, CALLS_PREFIX + ri_number_write(room + CALLS_PREFIX, call->number)};
}

int ri_nats_calls_send(ri_nats_peer *peer, ri_nats_call *call, const ri_message *m)
{
    size_t before = peer->out.bytes;
    int rc = ri_nats_send_message(peer, m);
    if (rc < 0) return rc;
    call->bytes += peer->out.bytes - before;
    ri_bus_asked_over(&call->asked);
    ri_bus_asked_add(&peer->bus.asked, &peer->bus.host, &call->asked, m->subject);
    return RILL_OK;
}

int ri_nats_calls_append(ri_nats_peer *peer, ri_js_append *append, ri_nats_call **out)
{
    int rc = calls_new(peer, out);
    if (rc < 0) return rc;
    (*out)->append = append;
    ri_list_push(&(*out)->waiters, &append->waiter.link);
    peer->calls.appends++;
    return RILL_OK;
}

void ri_nats_calls_drop(ri_nats_peer *peer, ri_nats_call *call)
{
    if (call->append) ri_list_remove(&call->append->waiter.link);
    call->question = NULL;
    calls_free(peer, call);
}

bool ri_nats_calls_give_up(ri_nats_peer *peer, ri_js_append *append)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && ri_list_linked(&append->waiter.link));
    ri_nats_call *call = ri_container_of(append->waiter.link.next, ri_nats_call, waiters);
    RI_ASSERT(call->append == append);
    bool unsent = calls_waits_to_leave(peer, call);
    ri_nats_calls_drop(peer, call);
    return unsent;
}

bool ri_nats_calls_are_under_way(const ri_nats_peer *peer)
{
    for (uint32_t i = 0; i < peer->calls.len; i++) {
        const ri_nats_call *call = peer->calls.slots[i];
        if (call->number != UINT64_MAX && !calls_is_idle(call) &&
            !calls_waits_to_leave(peer, call)) return true;
    }
    return false;
}

/* ---- Answers ---- */

static ri_nats_call *calls_find(const ri_nats_peer *peer, ri_str subject)
{
    uint64_t number;
    if (!ri_number_read(ri_str_from(subject, CALLS_PREFIX), &number)) return NULL;
    uint64_t slot = number & CALLS_SLOT_MASK;
    if (slot >= peer->calls.len) return NULL;
    ri_nats_call *call = peer->calls.slots[slot];
    return call->number == number ? call : NULL;
}

bool ri_nats_calls_is_over(const ri_nats_peer *peer, ri_str reply)
{
    uint64_t number;
    ri_str prefix = {peer->calls.prefix, CALLS_PREFIX};
    if (!peer->calls.has_inbox || !ri_str_starts(reply, prefix)) return false;
    if (!ri_number_read(ri_str_from(reply, CALLS_PREFIX), &number)) return false;
    return !calls_find(peer, reply);
}

/* The append is over with `rc`, which is kept with the thread's sentence. */
static void calls_append_over(ri_nats_peer *peer, ri_nats_call *call, int rc)
{
    ri_js_append *append = call->append;
    bool waits = !ri_list_empty(&call->waiters);
    if (waits) ri_list_remove(&append->waiter.link);
    RI_ASSERT(append && !call->question);
    calls_free(peer, call);
    if (peer->calls.appends <= peer->conf.max_inflight / 2) ri_nats_send_notify_room(peer);
    if (waits) append->waiter.done(&append->waiter, rc);
}

static int calls_read_ack(ri_js_append *append, ri_str json)
{
    ri_js_puback ack;
    ri_js_error e;
    int rc = ri_jshot_puback_read(json, &ack, &e);
    if (rc < 0) return rc;
    if (e.code) {
        append->err_code = e.err_code;
        return ri_bus_js_error(&e, RILL_OK);
    }
    append->seq = ack.seq;
    append->duplicate = ack.duplicate;
    return RILL_OK;
}

static void calls_append_answer(ri_nats_peer *peer, ri_nats_call *call, const ri_message *m,
                                int status)
{
    int rc = RILL_OK;
    RI_ASSERT(call->append);
    if (call->batch && m->data.len == 0 && !status) return;
    if (status == 503 && m->data.len == 0) {
        call->append->err_code = RI_JS_STREAM_NOT_FOUND;
        rc = ri_err(RILL_ENOREPLY, "no stream takes that subject");
    } else {
        rc = calls_read_ack(call->append, m->data);
    }
    calls_append_over(peer, call, rc);
}

static void calls_question_over(ri_nats_peer *peer, ri_nats_question *q, int rc)
{
    RI_ASSERT(!q->over);
    ri_failure_keep(&q->failure, rc);
    ri_bus_asked_over(&q->call->asked);
    q->over = q->woken = true;
    if (!q->done) {
        ri_bus_notify(&peer->bus);
        return;
    }
    ri_nats_calls_forget(peer, q);
    q->done(q);
}

static void calls_question_answer(ri_nats_peer *peer, ri_nats_question *q, const ri_message *m,
                                  int status)
{
    int rc = RILL_OK;
    if (q->over) return;
    q->status = status;
    if (status == 503 && m->data.len == 0) {
        rc = ri_err(RILL_ENOREPLY, "nobody answers %.*s", RI_ARG(q->subject));
    } else if (q->many && !status) {
        rc = q->take(q, m);
        if (rc >= 0) return;
    } else if (!q->many) {
        ri_router *router = &peer->bus.broker->router;
        q->packet = ri_packet_new(router->pool, m, router->time_ns);
        if (!q->packet) rc = RILL_ENOMEM;
    }
    calls_question_over(peer, q, rc);
}

void ri_nats_calls_answer(ri_nats_peer *peer, const ri_message *m)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_str description;
    ri_nats_call *call = calls_find(peer, m->subject);
    if (!call) return; /* it is too late */
    int status = m->headers.len ? ri_headers_status(m->headers, &description) : 0;
    if (call->question) calls_question_answer(peer, call->question, m, status);
    else if (calls_is_idle(call)) calls_free(peer, call);
    else calls_append_answer(peer, call, m, status);
}

static void calls_lose(ri_nats_peer *peer, ri_nats_call *call)
{
    ri_nats_question *q = call->question;
    if (q) {
        q->lost = true;
        ri_bus_asked_over(&call->asked);
        if (q->done) {
            calls_question_over(peer, q, ri_err(RILL_ECONN, "the connection was lost"));
            return;
        }
        q->woken = true;
        ri_bus_notify(&peer->bus);
    } else if (calls_is_idle(call)) {
        calls_free(peer, call);
    } else {
        calls_append_over(peer, call, ri_err(RILL_EUNSURE, "the connection to %s was lost before "
                                             "the message was acknowledged", peer->server));
    }
}

void ri_nats_calls_lost(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    for (uint32_t i = 0; i < peer->calls.len; i++) {
        ri_nats_call *call = peer->calls.slots[i];
        bool lost = call->once || call->takes < peer->takes;
        if (call->number != UINT64_MAX && lost) calls_lose(peer, call);
    }
}

void ri_nats_calls_refused(ri_nats_peer *peer, int code)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && code < 0);
    peer->calls.has_inbox = false;
    for (uint32_t i = 0; i < peer->calls.len; i++) {
        ri_nats_call *call = peer->calls.slots[i];
        if (call->number == UINT64_MAX) continue;
        if (call->question && call->question->over) continue; /* who waits has not run yet */
        bool undone = calls_waits_to_leave(peer, call) || (call->question && call->question->reads);
        int rc = ri_err(undone ? code : RILL_EUNSURE, "%s lets this bus have no answers",
                        peer->server);
        if (call->question) calls_question_over(peer, call->question, rc);
        else if (calls_is_idle(call)) calls_free(peer, call);
        else calls_append_over(peer, call, rc);
    }
}

/* One that the server does not let us publish. */
static bool calls_unpermitted(rill_bus *bus, ri_bus_asked *asked, int code)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    ri_nats_call *call = ri_container_of(asked, ri_nats_call, asked);
    RI_ASSERT(call->number != UINT64_MAX);
    if (calls_waits_to_leave(peer, call)) return false;
    if (call->question) calls_question_over(peer, call->question, code);
    else if (calls_is_idle(call)) calls_free(peer, call);
    else calls_append_over(peer, call, code);
    return true;
}

/* ---- Questions ---- */

static int calls_put_question(ri_nats_peer *peer, ri_nats_question *q)
{
    char room[RI_NATS_REPLY_MAX];
    int rc = calls_new(peer, &q->call);
    if (rc < 0) return rc;
    q->call->question = q;
    q->woken = q->over = q->lost = false;
    q->failure.code = RILL_OK;
    if (q->begin) q->begin(q);
    ri_message m = {.subject = q->subject, .headers = q->headers, .data = q->body,
                    .reply = ri_nats_calls_reply(peer, q->call, room)};
    if ((rc = ri_nats_calls_send(peer, q->call, &m)) < 0) ri_nats_calls_forget(peer, q);
    return rc;
}

int ri_nats_calls_put(ri_nats_peer *peer, ri_nats_question *q)
{
    RI_ASSERT(q->done && !q->call);
    return calls_put_question(peer, q);
}

void ri_nats_calls_forget(ri_nats_peer *peer, ri_nats_question *q)
{
    if (!q->call) return;
    RI_ASSERT(ri_nats_peer_is_entered(peer) && q->call->question == q);
    ri_nats_calls_drop(peer, q->call);
    q->call = NULL;
}

ri_str ri_nats_calls_nowhere(const ri_nats_peer *peer)
{
    return ri_str_of(peer->calls.nowhere);
}

static int calls_unanswered(ri_nats_peer *peer, const ri_nats_question *q)
{
    if (atomic_load(&peer->bus.closed))
        return ri_err(RILL_ECLOSED, "the bus was closed before there was an answer");
    return ri_err(RILL_ETIMEDOUT, "%.*s was not answered in time", RI_ARG(q->subject));
}

/* Nobody waits for the answer; what is asked leaves all the same. */
static void calls_leave_question(ri_nats_question *q)
{
    RI_ASSERT(q->call && q->call->question == q);
    q->call->question = NULL;
    q->call = NULL;
}

int ri_nats_calls_ask(ri_nats_peer *peer, ri_nats_question *q, int64_t until_ns)
{
    int rc = q->unawaited ? ri_nats_send_has_room(peer) : RILL_OK;
    while (rc == RILL_OK) {
        int64_t left = ri_deadline_left_ns(&peer->bus.host, until_ns);
        if (left == 0 && !q->unawaited) return calls_unanswered(peer, q);
        if ((rc = calls_put_question(peer, q)) < 0) return rc;
        bool woken = ri_bus_await(&peer->bus, &q->woken, left);
        if (q->unawaited && !woken) calls_leave_question(q);
        else ri_nats_calls_forget(peer, q);
        if (q->over) return ri_failure_restore(&q->failure);
        if (!woken || atomic_load(&peer->bus.closed)) return calls_unanswered(peer, q);
        if (!q->reads)
            return ri_err(RILL_EUNSURE, "the connection to %s was lost before it answered %.*s",
                          peer->server, RI_ARG(q->subject));
    }
    return rc;
}

void ri_nats_calls_fini(ri_nats_peer *peer)
{
    ri_nats_calls *calls = &peer->calls;
    for (uint32_t i = 0; i < calls->len; i++) ri_delete(&peer->bus.host, calls->slots[i]);
    ri_free(&peer->bus.host, calls->slots, calls->cap * sizeof *calls->slots);
}
