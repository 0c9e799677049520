/* SPDX-License-Identifier: Apache-2.0 */
/* Appending from a program: a publish whose receipt comes back, to whoever waits for it or to the
 * dispatcher. */
#include "base/deadline.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/handle/bus_reap.h"
#include "front/handle/peer.h"

/* Before an append is made again that found no taker; half as much more by chance. */
#define APPEND_PAUSE_NS (100 * RI_MS)

/* ---- One that waits ---- */

void ri_bus_append_over(ri_js_append *append, int rc)
{
    if (append->code) return;
    if (rc == RILL_ECLOSED) ri_err(rc, "the broker was closed before the commit");
    ri_js_append_fail(append, rc);
}

/* The texts within stay as they are until there is an answer. `why` is the owner's room; NULL: it
 * has none yet. */
static void append_init(ri_js_append *append, void (*done)(ri_js_waiter *waiter, int rc),
                        const ri_safety *safety, ri_failure *why)
{
    append->waiter.done = done;
    ri_list_init(&append->waiter.link);
    append->safety = safety;
    append->why = why;
    append->code = append->err_code = 0;
    append->seq = 0;
    append->duplicate = false;
    append->partition = 0;
}

static void append_waited_done(ri_js_waiter *waiter, int rc)
{
    ri_bus_appending *a = ri_container_of(waiter, ri_bus_appending, append.waiter);
    ri_bus_append_over(&a->append, rc);
    a->over = true;
    if (a->bus->ops->late) ri_bus_notify(a->bus);
}

int ri_bus_append_result(const ri_js_append *append, rill_receipt *out)
{
    if (out) *out = (rill_receipt){.size = sizeof *out, .seq = append->seq,
                                   .partition = append->partition,
                                   .duplicate = append->duplicate};
    if (append->err_code == RI_JS_STREAM_NOT_FOUND)
        return ri_err(RILL_ENOREPLY, "no stream takes that subject");
    int rc = ri_js_append_failure(append);
    return append->err_code ? ri_bus_words_say(rc) : rc;
}

/* Inside the gate: nobody waits for it any more. */
static int append_give_up(rill_bus *bus, ri_js_append *append)
{
    bool linked = ri_list_linked(&append->waiter.link);
    bool unsent = linked && bus->ops->give_up && bus->ops->give_up(bus, append);
    ri_list_remove(&append->waiter.link);
    if (atomic_load(&bus->closed))
        return ri_err(RILL_ECLOSED, "the bus was closed before the message was stored");
    return unsent ? ri_err(RILL_ETIMEDOUT, "the message could not be sent in time, and is not sent")
                  : ri_err(RILL_ETIMEDOUT, "the message is not committed yet");
}

static int append_once(rill_bus *bus, const ri_message *m, const ri_safety *safety,
                       rill_receipt *out, int64_t timeout_ns)
{
    ri_bus_appending a;
    a.bus = bus;
    a.over = false;
    append_init(&a.append, append_waited_done, safety, &a.why);
    ri_bus_inline frame = {.m = m};
    int rc = ri_bus_enter_append(bus);
    if (rc < 0) return rc;
    if ((rc = ri_bus_check(bus, m)) == RILL_OK) {
        ri_publish p = {.m = m, .append = &a.append, .frame = &frame};
        rc = bus->ops->append(bus, &p, true);
        if (rc >= 0 && !a.over && !ri_bus_await(bus, &a.over, timeout_ns)) {
            if (timeout_ns == 0) ri_list_remove(&a.append.waiter.link); /* it is sent, unawaited */
            rc = append_give_up(bus, &a.append);
        }
    }
    ri_broker_leave(bus->broker);
    if (frame.first) ri_bus_inline_run(bus->broker, &frame);
    return a.over ? ri_bus_append_result(&a.append, out) : rc;
}

/* Outside the gate. */
static void append_pause(rill_bus *bus, int64_t ns)
{
    int64_t until = ri_deadline_in(&bus->host, ns), left = ns;
    for (; left > 0 && !atomic_load(&bus->closed); left = ri_deadline_left_ns(&bus->host, until))
        ri_bus_sleep(bus, &bus->answer, ri_park_count(&bus->answer), left);
}

/* Has each of the subjects a stream? The failure that the thread holds stays, whatever the answer
 * is. */
static bool append_is_taken(rill_bus *bus, const ri_str *subjects, size_t n, int64_t until)
{
    bool takes = bus->ops->takes != NULL;
    ri_failure why;
    ri_failure_keep(&why, RILL_ENOREPLY);
    for (size_t i = 0; i < n && takes; i++)
        takes = bus->ops->takes(bus, subjects[i], ri_deadline_left_ns(&bus->host, until));
    ri_failure_restore(&why);
    return takes;
}

/* So that those who wait for a leader do not come all at once. */
static int64_t append_pause_ns(rill_bus *bus)
{
    ri_broker_enter(bus->broker);
    uint64_t dice = ri_nuid_number(&bus->nuid);
    ri_broker_leave(bus->broker);
    return APPEND_PAUSE_NS + (int64_t)(dice % (APPEND_PAUSE_NS / 2));
}

int ri_bus_append_again(rill_bus *bus, const ri_str *subjects, size_t n, int64_t until,
                        bool *awaits)
{
    int64_t left = ri_deadline_left_ns(&bus->host, until);
    RI_ASSERT(n > 0);
    if (left == 0 && !*awaits) return RILL_ENOREPLY; /* there is no time to ask */
    if (left && !append_is_taken(bus, subjects, n, until)) return RILL_ENOREPLY;
    *awaits = true;
    left = ri_deadline_left_ns(&bus->host, until);
    int64_t pause = append_pause_ns(bus);
    append_pause(bus, left < 0 ? pause : RI_MIN(pause, left));
    if (ri_deadline_left_ns(&bus->host, until)) return RILL_OK;
    return ri_err(RILL_ETIMEDOUT, "the stream that takes %.*s has no leader, and did not get one "
                  "in time", RI_ARG(subjects[0]));
}

int ri_bus_append(rill_bus *bus, const ri_message *m, const ri_safety *safety, rill_receipt *out,
                  int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    int64_t until = ri_deadline_in(&bus->host, timeout_ns);
    bool awaits = false;
    int rc = append_once(bus, m, safety, out, timeout_ns);
    while (rc == RILL_ENOREPLY
           && (rc = ri_bus_append_again(bus, &m->subject, 1, until, &awaits)) == RILL_OK)
        rc = append_once(bus, m, safety, out, ri_deadline_left_ns(&bus->host, until));
    return rc;
}

int ri_bus_append_begin(rill_bus *bus, ri_bus_appending *a, const ri_message *m)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    a->bus = NULL;
    a->over = false;
    append_init(&a->append, append_waited_done, NULL, &a->why);
    ri_bus_inline frame = {.m = m};
    int rc = ri_bus_enter_append(bus);
    if (rc < 0) return rc;
    if ((rc = ri_bus_check(bus, m)) == RILL_OK) {
        ri_publish p = {.m = m, .append = &a->append, .frame = &frame};
        a->bus = bus;
        rc = bus->ops->append(bus, &p, true);
    }
    bool refused = rc < 0 || a->append.code;
    if (refused) ri_list_remove(&a->append.waiter.link);
    if (refused) a->bus = NULL;
    ri_broker_leave(bus->broker);
    if (frame.first) ri_bus_inline_run(bus->broker, &frame);
    if (rc < 0) return rc;
    return refused ? ri_bus_append_result(&a->append, NULL) : RILL_OK;
}

int ri_bus_append_end(ri_bus_appending *a, rill_receipt *out, int64_t timeout_ns)
{
    rill_bus *bus = a->bus;
    ri_broker_enter(bus->broker);
    bool late = !ri_bus_await(bus, &a->over, timeout_ns);
    int rc = late ? append_give_up(bus, &a->append) : RILL_OK;
    a->bus = NULL;
    ri_broker_leave(bus->broker);
    return late ? rc : ri_bus_append_result(&a->append, out);
}

void ri_bus_append_forget(ri_bus_appending *a)
{
    if (!a->bus) return;
    ri_broker_enter(a->bus->broker);
    append_give_up(a->bus, &a->append);
    ri_broker_leave(a->bus->broker);
    a->bus = NULL;
}

/* ---- Many at once ---- */

/* Structs that are kept for the next appends: when none are under way, and while there are some. */
enum { APPEND_SPARE_MAX = 4096, APPEND_SPARE_BUSY_MAX = 65536 };

struct ri_bus_storing {
    ri_list link; /* in bus->appending, then in bus->stored */
    rill_bus *bus;
    ri_bus_done done;
    int64_t due_ns; /* monotonic: when a peer that answers late has failed to */
    ri_js_append append;
};

/* Of a peer that does not answer late, whose engine says itself why an append has failed. */
typedef struct append_with_room {
    ri_bus_storing a;
    ri_failure why;
} append_with_room;

static ri_bus_storing *append_alloc(rill_bus *bus)
{
    if (bus->ops->late) return ri_alloc(&bus->host, sizeof(ri_bus_storing));
    append_with_room *whole = ri_alloc(&bus->host, sizeof *whole);
    return whole ? &whole->a : NULL;
}

static ri_failure *append_room(ri_bus_storing *a)
{
    return a->bus->ops->late ? NULL : &ri_container_of(a, append_with_room, a)->why;
}

/* Of one that answers late: the room is there for an append that has failed. */
static void append_drop_room(ri_bus_storing *a)
{
    if (!a->bus->ops->late || !a->append.why) return;
    ri_delete(&a->bus->host, a->append.why);
    a->append.why = NULL;
}

static void append_free(ri_bus_storing *a)
{
    const ri_host *host = &a->bus->host;
    append_drop_room(a);
    ri_free(host, a, a->bus->ops->late ? sizeof *a : sizeof(append_with_room));
}

/* Inside the gate. */
static bool append_none_waits(const rill_bus *bus)
{
    return ri_list_empty(&bus->appending) && ri_list_empty(&bus->held);
}

/* Inside the gate: what was held is the dispatcher's. */
static void append_hand_in(rill_bus *bus)
{
    RI_ASSERT(!bus->holding);
    ri_list_splice(&bus->stored, &bus->held);
    bus->all_stored = append_none_waits(bus);
    ri_bus_work(bus);
    if (bus->ops->late && bus->all_stored) ri_bus_notify(bus);
}

/* Inside the gate. */
static void append_over(ri_bus_storing *a, int rc)
{
    rill_bus *bus = a->bus;
    if (rc < 0 && !a->append.why) {
        ri_failure said; /* an allocation that fails has a sentence, too */
        ri_failure_keep(&said, rc);
        a->append.why = ri_new(&bus->host, ri_failure);
        ri_failure_restore(&said);
    }
    ri_bus_append_over(&a->append, rc);
    ri_list_remove(&a->link);
    ri_list_push(&bus->held, &a->link);
    if (!bus->holding) append_hand_in(bus);
}

void ri_bus_appends_hold(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    bus->holding = true;
}

void ri_bus_appends_release(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    bus->holding = false;
    if (!ri_list_empty(&bus->held)) append_hand_in(bus);
}

static void append_async_done(ri_js_waiter *waiter, int rc)
{
    ri_bus_storing *a = ri_container_of(waiter, ri_bus_storing, append.waiter);
    append_over(a, rc);
}

/* Inside the gate: structs of appends that have ended are kept for the next ones; those that are
 * too many are left in `ended`. */
static void append_give(rill_bus *bus, ri_list *ended)
{
    uint32_t most = ri_list_empty(&bus->appending) ? APPEND_SPARE_MAX : APPEND_SPARE_BUSY_MAX;
    for (ri_list *link; bus->nspare < most && (link = ri_list_pop(ended)); bus->nspare++)
        ri_list_push(&bus->spare, link);
    for (ri_list *link; bus->nspare > most && (link = ri_list_pop(&bus->spare)); bus->nspare--)
        ri_list_push(ended, link);
}

/* Outside the gate. */
static void append_free_all(ri_list *ended)
{
    for (ri_list *link; (link = ri_list_pop(ended));)
        append_free(ri_container_of(link, ri_bus_storing, link));
}

/* ---- Those that outlive who made them ---- */

void ri_bus_stray_init(ri_bus_stray *stray, rill_bus *bus, size_t size,
                       void (*done)(ri_js_waiter *waiter, int rc))
{
    append_init(&stray->append, done, NULL, &stray->why);
    ri_list_init(&stray->link);
    stray->bus = bus;
    stray->size = size;
}

static void append_stray_done(ri_js_waiter *waiter, int rc)
{
    ri_bus_stray *stray = ri_container_of(waiter, ri_bus_stray, append.waiter);
    (void)rc;
    ri_list_remove(&stray->link);
    ri_free(&stray->bus->host, stray, stray->size);
}

void ri_bus_stray_leave(ri_bus_stray *stray)
{
    RI_ASSERT(ri_broker_is_entered(stray->bus->broker));
    RI_ASSERT(ri_list_linked(&stray->append.waiter.link));
    stray->append.waiter.done = append_stray_done;
    ri_list_push(&stray->bus->strays, &stray->link);
}

void ri_bus_stray_give_up(ri_bus_stray *stray)
{
    RI_ASSERT(ri_broker_is_entered(stray->bus->broker));
    append_give_up(stray->bus, &stray->append);
}

void ri_bus_appends_fini(rill_bus *bus)
{
    for (ri_list *link; (link = ri_list_pop(&bus->strays));) {
        ri_bus_stray *stray = ri_container_of(link, ri_bus_stray, link);
        ri_free(&bus->host, stray, stray->size);
    }
    ri_list_splice(&bus->spare, &bus->stored); /* that nobody has reaped */
    ri_list_splice(&bus->spare, &bus->held);
    append_free_all(&bus->spare);
}

/* Inside the gate: the oldest of those under way is the next to be late. */
static int append_await_first(rill_bus *bus)
{
    if (ri_list_empty(&bus->appending) || ri_timer_armed(&bus->append_timer.timer)) return RILL_OK;
    const ri_bus_storing *first = ri_container_of(bus->appending.next, ri_bus_storing, link);
    return ri_heap_set(&bus->timers, &bus->append_timer.timer, first->due_ns);
}

void ri_bus_appends_date(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    int64_t due_ns = 0;
    for (ri_list *link = bus->appending.prev; link != &bus->appending; link = link->prev) {
        ri_bus_storing *a = ri_container_of(link, ri_bus_storing, link);
        if (a->due_ns != INT64_MAX) break;
        if (due_ns == 0) due_ns = ri_ns_add(ri_mono_ns(&bus->host), bus->answer_ns);
        a->due_ns = due_ns;
    }
}

static void append_late(rill_bus *bus, ri_bus_timer *timer)
{
    int64_t now_ns = ri_mono_ns(&bus->host);
    (void)timer;
    ri_bus_appends_date(bus);
    ri_list_each (link, &bus->appending) {
        ri_bus_storing *a = ri_container_of(link, ri_bus_storing, link);
        if (a->due_ns > now_ns) break;
        append_over(a, append_give_up(bus, &a->append));
    }
    append_await_first(bus); /* the heap has room for the timer that it has just given back */
}

/* Inside the gate: a peer that may never answer is waited for so long, the same for each; so the
 * list is in the order of their ends, and one timer serves all. It may be early: it looks again. */
static int append_set_timer(rill_bus *bus, ri_bus_storing *a)
{
    bool armed = ri_timer_armed(&bus->append_timer.timer), dated = bus->ops->dates && armed;
    a->due_ns = dated ? INT64_MAX : ri_ns_add(ri_mono_ns(&bus->host), bus->answer_ns);
    if (armed) return RILL_OK;
    bus->append_timer.due = append_late;
    int rc = append_await_first(bus);
    if (rc == RILL_OK) ri_bus_work(bus); /* the dispatcher's sleep gets shorter */
    return rc;
}

static int append_async_send(rill_bus *bus, const ri_message *m, ri_bus_storing *a,
                             ri_bus_inline *frame)
{
    ri_list_push(&bus->appending, &a->link);
    bus->all_stored = false;
    int rc = bus->ops->late ? append_set_timer(bus, a) : RILL_OK;
    ri_publish p = {.m = m, .append = &a->append, .frame = frame};
    if (rc == RILL_OK) rc = bus->ops->append(bus, &p, false);
    if (rc >= 0 || ri_list_linked(&a->append.waiter.link)) return RILL_OK;
    ri_list_remove(&a->link); /* `done` will not be called */
    bus->all_stored = append_none_waits(bus);
    return rc;
}

/* Inside the gate. The texts within stay as they are until there is an answer. */
static ri_bus_storing *append_new(rill_bus *bus, const ri_safety *safety, const ri_bus_done *done)
{
    ri_list *link = ri_list_pop(&bus->spare);
    ri_bus_storing *a = link ? ri_container_of(link, ri_bus_storing, link)
                               : append_alloc(bus);
    if (!a) return NULL;
    if (link) bus->nspare--;
    a->bus = bus;
    append_init(&a->append, append_async_done, safety, append_room(a));
    a->done = *done;
    ri_list_init(&a->link);
    return a;
}

int ri_bus_append_async(rill_bus *bus, const ri_message *m, const ri_safety *safety,
                        const ri_bus_done *done)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_bus_inline frame = {.m = m};
    int rc = ri_bus_enter_append(bus);
    if (ri_unlikely(rc == RILL_OK && !bus->has_thread && bus->drive == RILL_DRIVE_THREAD &&
                    !bus->reap)) {
        ri_broker_leave(bus->broker);
        rc = ri_bus_need_thread(bus);
        if (rc == RILL_OK) rc = ri_bus_enter_append(bus);
    }
    if (rc < 0) return rc;
    if ((rc = ri_bus_check(bus, m)) == RILL_OK) {
        ri_bus_storing *a = append_new(bus, safety, done);
        rc = a ? append_async_send(bus, m, a, &frame) : RILL_ENOMEM;
        if (a && rc < 0) append_free(a);
    }
    ri_broker_leave(bus->broker);
    if (frame.first) ri_bus_inline_run(bus->broker, &frame);
    return rc;
}

void ri_bus_appends_fail(rill_bus *bus)
{
    ri_bus_appends_release(bus);
    ri_list_each (link, &bus->appending) {
        ri_bus_storing *a = ri_container_of(link, ri_bus_storing, link);
        append_give_up(bus, &a->append);
        append_over(a, RILL_ECLOSED);
    }
}

bool ri_bus_appends_wait(rill_bus *bus, int64_t timeout_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    bool stored = true;
    ri_broker_enter(bus->broker);
    if (!append_none_waits(bus))
        stored = ri_bus_await(bus, &bus->all_stored, timeout_ns);
    ri_broker_leave(bus->broker);
    return stored;
}

int ri_bus_append_cancel(rill_bus *bus, const void *arg)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    int n = 0;
    ri_list_each (link, &bus->appending) {
        ri_bus_storing *a = ri_container_of(link, ri_bus_storing, link);
        if (a->done.arg != arg) continue;
        append_give_up(bus, &a->append);
        ri_err(RILL_ECANCELED, "the append was taken back: the message may be stored or not");
        append_over(a, RILL_ECANCELED);
        n++;
    }
    return n;
}

static void append_answer(rill_bus *bus, const ri_bus_storing *a)
{
    rill_receipt receipt;
    ri_bus_frame frame;
    const ri_bus_done *done = &a->done;
    int rc = ri_bus_append_result(&a->append, &receipt);
    if (done->kind == RI_BUS_DONE_ITEM) {
        ri_bus_reap_receipt(bus, rc, &receipt, done->arg);
        return;
    }
    ri_bus_frame_push(&frame, bus, NULL);
    RI_ASSERT(done->kind == RI_BUS_DONE_STORED || done->kind == RI_BUS_DONE_CALL);
    if (done->kind == RI_BUS_DONE_STORED)
        done->stored(rc, &receipt, done->arg);
    else
        done->call(&(rill_item){.kind = RILL_ITEM_DONE, .err = rc, .arg = done->arg,
                                .detail = rc < 0 ? ri_err_text() : NULL,
                                .receipt = rc < 0 ? NULL : &receipt}, done->arg);
    ri_bus_frame_pop(&frame);
}

/* The first of those whose turn it is; NULL: there is none, or no room for it. */
static ri_bus_storing *append_next(rill_bus *bus, ri_list *due)
{
    ri_list *first = due->next;
    if (first == due) return NULL;
    ri_bus_storing *a = ri_container_of(first, ri_bus_storing, link);
    if (a->done.kind == RI_BUS_DONE_ITEM && !ri_bus_reap_has_room(bus)) return NULL;
    ri_list_remove(first);
    return a;
}

int ri_bus_append_hand_over(rill_bus *bus)
{
    ri_list due, ended;
    ri_list_init(&due);
    ri_list_init(&ended);
    ri_broker_enter(bus->broker);
    ri_list_splice(&due, &bus->stored);
    ri_broker_leave(bus->broker);
    int count = 0;
    for (ri_bus_storing *a; (a = append_next(bus, &due)); count++) {
        append_answer(bus, a);
        append_drop_room(a);
        ri_list_push(&ended, &a->link);
    }
    if (count == 0 && ri_list_empty(&due)) return 0;
    ri_broker_enter(bus->broker);
    append_give(bus, &ended);
    ri_list_splice(&due, &bus->stored); /* behind those that found no room */
    ri_list_splice(&bus->stored, &due);
    ri_broker_leave(bus->broker);
    append_free_all(&ended);
    return count;
}
