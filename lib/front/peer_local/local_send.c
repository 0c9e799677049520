/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing from a program: the message goes through the gate on the caller's thread. */
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "front/broker/durable.h"
#include "front/handle/bus.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "base/saturate.h"

#define LOCAL_FAN_NS RI_MS /* between two looks whether a message to very many may go on */

/* Programs publish on the same few subjects: the last short one found valid is not read again. */
static int local_check_subject(rill_bus *bus, ri_str subject)
{
    if (subject.len && subject.len == bus->checked_len &&
        memcmp(subject.ptr, bus->checked, subject.len) == 0)
        return RILL_OK;
    int rc = ri_subject_check_literal(subject);
    if (rc == RILL_OK && subject.len <= sizeof bus->checked) {
        memcpy(bus->checked, subject.ptr, subject.len);
        bus->checked_len = subject.len;
    }
    return rc;
}

static int local_draft_number(ri_buffer *mem, const char *name, uint64_t number, const char *unit)
{
    char text[RI_NUMBER_MAX + 4];
    size_t len = ri_number_write(text, number);
    for (; *unit; unit++) text[len++] = *unit;
    return ri_headers_add(mem, ri_str_of(name), (ri_str){text, len});
}

static int local_draft_expected(ri_local_draft *draft, const rill_post *post)
{
    ri_str subject = ri_str_of(post->expect_subject);
    int rc = local_draft_number(&draft->mem, subject.len ? "Nats-Expected-Last-Subject-Sequence"
                                                         : "Nats-Expected-Last-Sequence",
                                *post->expect_last_seq, "");
    if (rc < 0 || subject.len == 0 || ri_str_eq(subject, draft->m.subject)) return rc;
    return ri_headers_add(&draft->mem, RI_STR("Nats-Expected-Last-Subject-Sequence-Subject"),
                          subject);
}

static bool local_is_scheduled(const rill_post *post)
{
    return post->deliver_to || post->deliver_at_ns || post->schedule || post->schedule_zone;
}

static int local_draft_schedule(ri_local_draft *draft, const rill_post *post)
{
    char at[4 + RI_RFC3339_MAX] = "@at ";
    ri_str when = ri_str_of(post->schedule);
    if (!post->deliver_to || !post->deliver_at_ns == !post->schedule)
        return ri_err(RILL_EINVAL, "deliver_to goes with one of deliver_at_ns and schedule");
    if (post->schedule_zone && !post->schedule)
        return ri_err(RILL_EINVAL, "schedule_zone goes with schedule");
    if (post->deliver_at_ns) when = (ri_str){at, 4 + ri_rfc3339_write(at + 4, post->deliver_at_ns)};
    int rc = ri_headers_add(&draft->mem, RI_STR("Nats-Schedule"), when);
    if (rc == RILL_OK && post->schedule_zone)
        rc = ri_headers_add(&draft->mem, RI_STR("Nats-Schedule-Time-Zone"),
                            ri_str_of(post->schedule_zone));
    if (rc < 0) return rc;
    return ri_headers_add(&draft->mem, RI_STR("Nats-Schedule-Target"), ri_str_of(post->deliver_to));
}

static int local_draft_ttl(ri_local_draft *draft, const rill_post *post)
{
    /* What a schedule makes lives so long; the schedule itself until it is done. */
    const char *name = post->deliver_to ? "Nats-Schedule-TTL" : "Nats-TTL";
    if (post->ttl_ms == RILL_TTL_NEVER)
        return ri_headers_add(&draft->mem, ri_str_of(name), RI_STR("never"));
    if (post->ttl_ms < 1000)
        return ri_err(RILL_EINVAL, "ttl_ms is %u, less than 1000", post->ttl_ms);
    return local_draft_number(&draft->mem, name, post->ttl_ms, "ms");
}

/* What a stream is to look at goes as the headers that every publisher of JetStream uses. */
static int local_draft_durable(ri_local_draft *draft, const rill_post *post)
{
    ri_buffer *mem = &draft->mem;
    int rc = RILL_OK;
    for (size_t i = 0; i < post->nheaders && rc == RILL_OK; i++)
        rc = ri_headers_add(mem, post->headers[i].name, post->headers[i].value);
    if (rc == RILL_OK && post->msg_id)
        rc = ri_headers_add(mem, RI_STR("Nats-Msg-Id"), ri_str_of(post->msg_id));
    if (rc == RILL_OK && post->expect_last_seq) rc = local_draft_expected(draft, post);
    if (rc == RILL_OK && post->ttl_ms) rc = local_draft_ttl(draft, post);
    if (rc == RILL_OK && local_is_scheduled(post)) rc = local_draft_schedule(draft, post);
    draft->m.headers = ri_buffer_str(mem);
    return rc;
}

static bool local_is_durable(const rill_post *post)
{
    return post->msg_id || post->expect_last_seq || post->ttl_ms || local_is_scheduled(post);
}

int ri_local_draft_init(ri_local_draft *draft, rill_bus *bus, const char *subject,
                        const rill_post *post)
{
    draft->m = (ri_message){.subject = ri_str_of(subject)};
    ri_buffer_init(&draft->mem, &bus->host);
    if (!post) return RILL_OK;
    if (post->reply) {
        draft->m.reply = ri_str_of(post->reply);
        int rc = ri_subject_check_literal(draft->m.reply);
        if (rc < 0) return ri_err_wrap(rc, "reply");
    }
    if (post->nheaders && !post->headers)
        return ri_err(RILL_EINVAL, "nheaders is %zu, but headers is NULL", post->nheaders);
    if (local_is_durable(post)) return local_draft_durable(draft, post);
    if (post->nheaders == 0) return RILL_OK;
    int size = ri_headers_size(post->headers, post->nheaders);
    if (size < 0) return size;
    char *block = ri_buffer_room(&draft->mem, (size_t)size);
    if (!block) return RILL_ENOMEM;
    ri_headers_write(block, post->headers, post->nheaders);
    draft->m.headers = (ri_str){block, (size_t)size};
    return RILL_OK;
}

void ri_local_draft_fini(ri_local_draft *draft)
{
    ri_buffer_fini(&draft->mem);
}

/* Is some reader that makes publishers wait too full for this message? Inside the gate. */
static bool local_is_blocked(rill_bus *bus, const ri_message *m)
{
    const ri_match *match =
        ri_match_cache_get(&bus->broker->router.cache, &bus->broker->router.interest, m->subject);
    for (uint32_t i = 0; match && i < match->nplain; i++) {
        ri_subscription *sub = ri_container_of(match->plain[i], ri_subscription, entry);
        const ri_party_ops *ops = sub->party->ops;
        if (ops->has_room && !ops->has_room(sub->party, sub, m)) return true;
    }
    return false;
}

/* Enter the gate at a moment when nobody who makes publishers wait is full. */
static int local_enter_unblocked(rill_bus *bus, const ri_message *m)
{
    ri_broker *broker = bus->broker;
    int64_t until = 0;
    for (;;) {
        ri_broker_enter(broker);
        if (ri_likely(broker->blocking_subs == 0) || !local_is_blocked(bus, m)) return RILL_OK;
        uint32_t seen = ri_park_count(&broker->room);
        ri_broker_leave(broker);
        int64_t now = ri_mono_ns(&bus->host);
        if (until == 0) until = ri_ns_add(now, ri_ns_of_ms(bus->send_timeout_ms));
        if (bus->send_timeout_ms >= 0 && now >= until)
            return ri_err(RILL_EAGAIN, "a reader of %.*s has no room", RI_ARG(m->subject));
        ri_park_wait(&broker->room, seen, bus->send_timeout_ms < 0 ? -1 : ri_ns_sub(until, now));
        if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
    }
}

/* What has come for `sub` while its callback ran, until nothing is left and it rests. */
static void local_finish_inline(ri_broker *broker, rill_sub *sub)
{
    ri_broker_enter(broker);
    while (!ri_bus_sub_rest(sub)) {
        ri_broker_leave(broker);
        ri_bus_sub_run(sub, INT32_MAX);
        ri_broker_enter(broker);
    }
    ri_broker_leave(broker);
}

/* Copy a span to `at`, with a 0 behind it; returns what is behind that. */
static inline char *local_lay(char *at, ri_str from, ri_str *to)
{
    size_t len = from.len;
    if (len) memcpy(at, from.ptr, len);
    at[len] = 0;
    to->ptr = at;
    to->len = len;
    return at + len + 1;
}

/* The message as its callbacks see it, on the publisher's stack. */
static void local_view_copy(ri_bus_msg *view, rill_bus *bus, const ri_bus_inline *list,
                            char copy[RI_BUS_INLINE_MAX])
{
    const ri_message *m = list->m;
    char *at = local_lay(copy, m->subject, &view->m.subject);
    at = local_lay(at, m->reply, &view->m.reply);
    at = local_lay(at, m->headers, &view->headers);
    local_lay(at, m->data, &view->m.data);
    view->packet = NULL;
    ri_bus_msg_view_init(view, bus, list->time_ns);
}

void ri_local_run_inline(ri_broker *broker, const ri_bus_inline *list)
{
    RI_ASSERT(ri_broker_is_sound(broker));
    char copy[RI_BUS_INLINE_MAX];
    ri_bus_msg view;
    for (rill_sub *sub = list->first, *next; sub; sub = next) {
        next = sub->next_inline; /* `sub` may be gone when it rests */
        if (sub->inline_packet) {
            ri_bus_sub_run_one(sub, sub->inline_packet);
        } else {
            local_view_copy(&view, sub->bus, list, copy);
            ri_bus_sub_run_view(sub, &view);
        }
        if (!ri_bus_sub_rest_quick(sub)) local_finish_inline(broker, sub);
    }
}

/* Inside the gate, which it leaves and enters again: the message is for so many that others get in
 * between. */
static void local_fan_on(rill_bus *bus, ri_fan **fan)
{
    ri_broker *broker = bus->broker;
    ri_budget *budget = &broker->router.budget;
    bool more = true;
    while (more) {
        bool others = broker->router.fan != *fan;
        bool rests = others || ri_broker_is_crowded(broker);
        uint32_t seen = ri_park_count(&broker->room);
        ri_broker_leave(broker);
        if (rests) ri_park_wait(&broker->room, seen, LOCAL_FAN_NS);
        else ri_gate_pass(&broker->gate);
        ri_broker_enter(broker);
        if (atomic_load(&bus->closed)) break;
        if (rests && ri_broker_is_crowded(broker)) continue;
        ri_budget_open(budget);
        more = ri_router_fan_on(fan);
        ri_budget_close(budget);
    }
    ri_router_fan_drop(fan);
}

int ri_local_check(rill_bus *bus, const ri_message *m)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    size_t len = m->data.len + m->headers.len;
    if (ri_unlikely(atomic_load_explicit(&bus->closed, memory_order_relaxed)))
        return ri_err(RILL_ECLOSED, "the bus is closed");
    if (ri_unlikely(len > bus->broker->conf.max_msg_bytes))
        return ri_err(RILL_ETOOBIG, "%zu bytes are more than max_msg_bytes, %u", len,
                      bus->broker->conf.max_msg_bytes);
    return local_check_subject(bus, m->subject);
}

int ri_local_publish(rill_bus *bus, const ri_message *m)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_broker *broker = bus->broker;
    int rc = local_enter_unblocked(bus, m);
    if (ri_unlikely(rc < 0)) return rc;
    ri_bus_inline frame = {.m = m};
    rc = ri_local_check(bus, m);
    if (ri_likely(rc == RILL_OK)) {
        broker->router.time_ns = ri_coarse_ns(&broker->host);
        ri_fan *fan = NULL; /* nobody waits for readers in between: then all get it at once */
        ri_failure refused;
        refused.code = RILL_OK;
        ri_publish p = {.m = m, .frame = &frame, .fan = broker->blocking_subs ? NULL : &fan,
                        .refused = &refused};
        rc = ri_router_publish(&bus->party, &p);
        if (ri_unlikely(fan != NULL)) local_fan_on(bus, &fan);
        if (ri_unlikely(refused.code < 0)) ri_bus_tell_refused(bus, &refused);
    }
    if (ri_unlikely(broker->durable != NULL) && ri_durable_waits(broker->durable))
        ri_durable_nudge(broker->durable);
    uint32_t stalled = broker->stalled;
    ri_broker_leave(broker);
    if (frame.first) ri_local_run_inline(broker, &frame);
    if (ri_unlikely(stalled)) ri_broker_pause(broker);
    return rc;
}
