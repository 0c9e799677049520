/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: one wildcard subscription of the bus takes all answers,
 *
 *     _INBOX.<22 characters of the bus>.<number>
 *
 * and the number finds the request. It is drawn by lot: who answers one request learns nothing of
 * where the answer to another goes. Who waits in rill_request() has it on the stack and sleeps on
 * its park; the dispatcher calls back for an asynchronous one. A request is in `requests` from
 * before its message is published until its answer, its timeout or the end of the bus, whichever
 * takes it out; all of that inside the gate, so exactly one of them does. */
#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/saturate.h"
#include "codec/nats/headers.h"
#include "front/handle/bus_reap.h"
#include "front/handle/peer.h"

struct ri_bus_request {
    uint64_t number;
    ri_bus_done done;      /* of one that nobody waits for */
    ri_packet *answer;     /* a reference is held */
    int err;
    bool over;             /* `answer` or `err` is set */
    ri_bus_timer timer;    /* of an asynchronous request */
    ri_list link;          /* in bus->answered */
    ri_bus_asked asked;        /* if the peer refuses what is published, behind it ... */
    ri_failure *why;       /* ... for this reason; NULL: it has not, or out of memory */
    ri_park *park;         /* where somebody waits; NULL: nobody does */
};

bool ri_bus_request_same(const void *item, const void *key)
{
    return ((const ri_bus_request *)item)->number == *(const uint64_t *)key;
}

void ri_bus_request_inbox(rill_bus *bus, char out[RILL_INBOX_LEN])
{
    RI_ASSERT(ri_bus_is_sound(bus));
    memcpy(out, "_INBOX.", 7);
    ri_broker_enter(bus->broker);
    ri_nuid_next(&bus->nuid, out + 7);
    ri_broker_leave(bus->broker);
    out[7 + RI_NUID_LEN] = 0;
}

/* Inside the gate. */
static int request_open_inbox(rill_bus *bus)
{
    if (bus->has_inbox) return RILL_OK;
    char *at = bus->inbox_prefix;
    memcpy(at, "_INBOX.", 7);
    ri_nuid_next(&bus->nuid, at + 7);
    memcpy(at + 7 + RI_NUID_LEN, ".*", 3);
    bus->inbox.entry.subject = ri_str_of(bus->inbox_prefix);
    int rc = bus->ops->subscribe(bus, &bus->inbox);
    bus->has_inbox = rc == RILL_OK;
    return rc;
}

enum {
    REQUEST_PREFIX = 7 + RI_NUID_LEN + 1,
    REQUEST_REPLY_MAX = REQUEST_PREFIX + RI_NUMBER_MAX,
    REQUESTS_MAX = 65536, /* that wait for their answers, of one bus */
};

static bool request_refused(rill_bus *bus, ri_bus_asked *asked, int code);

static int request_add(rill_bus *bus, ri_bus_request *request, ri_str subject)
{
    if (bus->requests.len >= REQUESTS_MAX)
        return ri_err(RILL_EAGAIN, "%d requests wait for their answers", REQUESTS_MAX);
    int rc = atomic_load(&bus->closed) ? ri_err(RILL_ECLOSED, "the bus is closed")
                                       : request_open_inbox(bus);
    if (rc < 0) return rc;
    do request->number = ri_nuid_number(&bus->nuid);
    while (ri_map_get(&bus->requests, ri_hash_u64(request->number), &request->number));
    rc = ri_map_put(&bus->requests, ri_hash_u64(request->number), request);
    request->asked.refused = request_refused;
    if (rc == RILL_OK && bus->ops->refuses)
        ri_bus_asked_add(&bus->asked, &bus->host, &request->asked, subject);
    return rc;
}

static ri_bus_request *request_take(rill_bus *bus, uint64_t number)
{
    ri_bus_request *request = ri_map_take(&bus->requests, ri_hash_u64(number), &number);
    if (!request) return NULL;
    ri_heap_cancel(&bus->timers, &request->timer.timer);
    ri_bus_asked_over(&request->asked);
    return request;
}

/* Inside the gate: the request has been taken out of the map. */
static void request_over(rill_bus *bus, ri_bus_request *request, int err, ri_packet *answer)
{
    RI_ASSERT(!request->over);
    request->over = true;
    request->err = err;
    request->answer = answer;
    if (request->park)
        ri_park_signal(request->park);
    else
        ri_list_push(&bus->answered, &request->link);
    if (!request->park || bus->drive == RILL_DRIVE_HOST) ri_bus_work(bus);
}

/* A server's word that nobody listens. */
static bool request_is_refusal(const ri_message *m)
{
    ri_str description;
    return m->data.len == 0 && m->headers.len && ri_headers_status(m->headers, &description) == 503;
}

bool ri_bus_request_answer(rill_bus *bus, ri_delivery *d)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    uint64_t number;
    ri_str tail = ri_str_from(d->m->subject, REQUEST_PREFIX);
    if (!ri_number_read(tail, &number)) return false;
    ri_packet *packet = NULL;
    bool refused = request_is_refusal(d->m);
    if (!refused && !(packet = ri_delivery_packet(d))) return false;
    ri_bus_request *request = request_take(bus, number);
    if (request)
        request_over(bus, request, refused ? RILL_ENOREPLY : RILL_OK, packet);
    else
        ri_packet_unref(packet); /* a second answer, or one that came too late */
    return request != NULL;
}

static void request_fail_all(rill_bus *bus, int err)
{
    ri_map_each (item, &bus->requests) {
        ri_bus_request *request = item;
        ri_heap_cancel(&bus->timers, &request->timer.timer);
        ri_bus_asked_over(&request->asked);
        request_over(bus, request, err, NULL);
    }
    ri_map_fini(&bus->requests);
}

void ri_bus_requests_fail(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    request_fail_all(bus, RILL_ECLOSED);
}

void ri_bus_requests_refused(rill_bus *bus, int err)
{
    RI_ASSERT(ri_bus_is_sound(bus) && err < 0);
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    bus->has_inbox = false;
    request_fail_all(bus, err);
}

/* The peer does not let it be published, as the thread's sentence says. */
static bool request_refused(rill_bus *bus, ri_bus_asked *asked, int code)
{
    ri_bus_request *request = ri_container_of(asked, ri_bus_request, asked);
    request->why = ri_new(&bus->host, ri_failure);
    if (request->why) ri_failure_keep(request->why, code);
    request_take(bus, request->number);
    request_over(bus, request, code, NULL);
    return true;
}

static void request_write_reply(rill_bus *bus, uint64_t number, char *out, ri_str *reply)
{
    memcpy(out, bus->inbox_prefix, REQUEST_PREFIX);
    *reply = (ri_str){out, REQUEST_PREFIX + ri_number_write(out + REQUEST_PREFIX, number)};
}

static void request_late(rill_bus *bus, ri_bus_timer *timer)
{
    ri_bus_request *request = ri_container_of(timer, ri_bus_request, timer);
    request_take(bus, request->number);
    request_over(bus, request, RILL_ETIMEDOUT, NULL);
}

/* Put the request into the map and publish. A failure takes it out, unless an answer was faster. */
static int request_send(rill_bus *bus, ri_message *m, ri_bus_request *request, int64_t due_ns)
{
    char reply[REQUEST_REPLY_MAX];
    ri_broker_enter(bus->broker);
    int rc = request_add(bus, request, m->subject);
    uint64_t number = request->number;
    request->timer.due = request_late;
    if (rc == RILL_OK && due_ns >= 0 &&
        (rc = ri_heap_set(&bus->timers, &request->timer.timer, due_ns)) < 0)
        request_take(bus, number);
    if (rc == RILL_OK) request_write_reply(bus, number, reply, &m->reply);
    if (rc == RILL_OK && due_ns >= 0) ri_bus_work(bus); /* the dispatcher's sleep gets shorter */
    ri_broker_leave(bus->broker);
    if (rc < 0) return rc;
    int took = bus->ops->publish(bus, m);
    if (took > 0) return RILL_OK;
    if (took == 0) took = ri_err(RILL_ENOREPLY, "nobody listens on %.*s", RI_ARG(m->subject));
    ri_broker_enter(bus->broker);
    bool was_there = request_take(bus, number) != NULL;
    ri_broker_leave(bus->broker);
    return was_there ? took : RILL_OK;
}

/* The sentence of an end without an answer, on the thread that gets it. */
static int request_say(rill_bus *bus, ri_bus_request *request, int err, ri_str subject)
{
    if (request->why) {
        ri_failure_restore(request->why);
        ri_delete(&bus->host, request->why);
        request->why = NULL;
        return err;
    }
    if (err == RILL_ECLOSED) return ri_err(err, "the bus was closed");
    if (err == RILL_ETIMEDOUT && !subject.len) return ri_err(err, "no answer came in time");
    if (err == RILL_ETIMEDOUT)
        return ri_err(err, "no answer on %.*s came in time", RI_ARG(subject));
    if (err == RILL_ENOREPLY)
        return ri_err(err, "nobody listens on %.*s",
                      RI_ARG(subject.len ? subject : RI_STR("that subject")));
    if (err == RILL_ECANCELED) return ri_err(err, "the request was taken back");
    if (err == RILL_EAUTH) return ri_err(err, "the server lets this bus have no answers");
    return err;
}

int ri_bus_request_wait(rill_bus *bus, ri_message *m, rill_msg **reply, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    if (ri_bus_in_callback(bus))
        return ri_err(RILL_EDEADLK, "a callback of this bus cannot wait for an answer");
    ri_park park;
    ri_park_init(&park);
    ri_bus_request request = {.park = &park};
    int64_t until = ri_deadline_in(&bus->host, timeout_ns);
    uint32_t seen = ri_park_count(&park);
    int rc = request_send(bus, m, &request, -1);
    while (rc == RILL_OK) {
        int64_t left = ri_deadline_left_ns(&bus->host, until);
        bool woken = ri_park_count(&park) != seen || ri_bus_sleep(bus, &park, seen, left);
        ri_broker_enter(bus->broker);
        bool over = request.over;
        bool late = !over && !woken && request_take(bus, request.number);
        ri_broker_leave(bus->broker);
        if (late) rc = request_say(bus, &request, RILL_ETIMEDOUT, m->subject);
        if (late || over) break;
    }
    ri_park_fini(&park);
    if (rc < 0) return rc;
    if (request.err) return request_say(bus, &request, request.err, m->subject);
    *reply = ri_bus_msg_own(bus, request.answer);
    return *reply ? RILL_OK : RILL_ENOMEM;
}

int ri_bus_request_async(rill_bus *bus, ri_message *m, int64_t timeout_ns,
                         const ri_bus_done *done)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    int rc = ri_bus_need_thread(bus);
    if (rc < 0) return rc;
    ri_bus_request *request = ri_new(&bus->host, ri_bus_request);
    if (!request) return RILL_ENOMEM;
    request->done = *done;
    ri_list_init(&request->link);
    int64_t due_ns = timeout_ns < 0 ? -1 : ri_ns_add(ri_mono_ns(&bus->host), timeout_ns);
    rc = request_send(bus, m, request, due_ns);
    if (rc < 0) ri_delete(&bus->host, request);
    return rc;
}

int ri_bus_request_cancel(rill_bus *bus, const void *arg)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    int n = 0;
    ri_list found;
    ri_list_init(&found);
    ri_map_each (item, &bus->requests) {
        ri_bus_request *request = item;
        if (!request->park && request->done.arg == arg) ri_list_push(&found, &request->link);
    }
    for (ri_list *link; (link = ri_list_pop(&found)); n++) {
        ri_bus_request *request = ri_container_of(link, ri_bus_request, link);
        request_take(bus, request->number);
        request_over(bus, request, RILL_ECANCELED, NULL);
    }
    return n;
}

static void request_answer(rill_bus *bus, const ri_bus_request *request)
{
    ri_bus_frame frame;
    ri_bus_msg view;
    const ri_bus_done *done = &request->done;
    if (request->answer) ri_bus_msg_view(&view, bus, request->answer);
    const rill_msg *reply = request->answer ? &view.m : NULL;
    rill_item item = {.kind = RILL_ITEM_DONE, .err = request->err, .arg = done->arg, .msg = reply,
                      .detail = request->err < 0 ? ri_err_text() : NULL};
    ri_bus_frame_push(&frame, bus, NULL);
    RI_ASSERT(done->kind == RI_BUS_DONE_REPLY || done->kind == RI_BUS_DONE_CALL);
    if (done->kind == RI_BUS_DONE_REPLY) done->reply(request->err, reply, done->arg);
    else done->call(&item, done->arg);
    ri_bus_frame_pop(&frame);
    ri_packet_unref(request->answer);
}

static void request_hand_over(rill_bus *bus, ri_bus_request *request)
{
    request_say(bus, request, request->err, RI_STR_NONE);
    if (request->done.kind == RI_BUS_DONE_ITEM)
        ri_bus_reap_reply(bus, request->err, request->answer, request->done.arg);
    else
        request_answer(bus, request);
    ri_delete(&bus->host, request);
}

/* The next one whose turn it is; NULL: there is none, or no room for it. */
static ri_bus_request *request_next_answered(rill_bus *bus)
{
    ri_broker_enter(bus->broker);
    ri_list *first = bus->answered.next;
    ri_bus_request *request = ri_container_of(first, ri_bus_request, link);
    if (first == &bus->answered) request = NULL;
    else if (request->done.kind == RI_BUS_DONE_ITEM && !ri_bus_reap_has_room(bus)) request = NULL;
    if (request) ri_list_remove(first);
    ri_broker_leave(bus->broker);
    return request;
}

int ri_bus_request_hand_over(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    int count = 0;
    for (ri_bus_request *request; (request = request_next_answered(bus)); count++)
        request_hand_over(bus, request);
    return count;
}

void ri_bus_requests_fini(rill_bus *bus)
{
    RI_ASSERT(bus->requests.len == 0);
    for (ri_list *link; (link = ri_list_pop(&bus->answered));) { /* that nobody has reaped */
        ri_bus_request *request = ri_container_of(link, ri_bus_request, link);
        ri_packet_unref(request->answer);
        if (request->why) ri_delete(&bus->host, request->why);
        ri_delete(&bus->host, request);
    }
    ri_map_fini(&bus->requests);
}
