/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro.h"

#include "codec/subject/subject.h"

/* ---- The table ---- */

/* Two numbers are the peer's: 1 is that of the inbox. */
enum { MICRO_SUB_FIRST = 2 };

rill_sub *ri_micro_sub_of(rill_bus *bus, uint64_t sid)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    if (sid < MICRO_SUB_FIRST || sid > UINT32_MAX) return NULL;
    rill_sub *sub = &bus->subs[((uint32_t)sid - MICRO_SUB_FIRST) % bus->max_subs];
    return sub->sid == sid && sub->state != RI_MICRO_SUB_FREE ? sub : NULL;
}

static ri_str micro_sub_text(char **at, ri_str s)
{
    ri_str copy = {*at, s.len};
    if (s.len) memcpy(*at, s.ptr, s.len);
    (*at)[s.len] = 0;
    *at += s.len + 1;
    return copy;
}

static rill_sub *micro_sub_free_one(rill_bus *bus)
{
    uint32_t i = 0;
    while (i < bus->max_subs && bus->subs[i].state != RI_MICRO_SUB_FREE) i++;
    return i < bus->max_subs ? &bus->subs[i] : NULL;
}

static uint32_t micro_sub_bound(uint64_t given, uint64_t most)
{
    return (uint32_t)(given == 0 || given > most ? most : given);
}

rill_sub *ri_micro_sub_new(rill_bus *bus, ri_str subject, ri_str group, const rill_sub_opts *opts)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    if (subject.len + group.len > bus->max_subject_bytes) {
        ri_err(RILL_ETOOBIG, "the subject and group have %zu bytes, more than max_subject_bytes",
               subject.len + group.len);
        return NULL;
    }
    rill_sub *sub = micro_sub_free_one(bus);
    if (!sub) {
        ri_err(RILL_EFULL, "all %lu subscriptions are in use", (unsigned long)bus->max_subs);
        return NULL;
    }
    char *text = sub->text, *at = text;
    uint32_t place = (uint32_t)(sub - bus->subs), uses = sub->uses;
    bus->subs_end = RI_MAX(bus->subs_end, place + 1);
    bus->may_block |= opts->when_full == RILL_FULL_BLOCK;
    *sub = (rill_sub){.bus = bus, .sid = uses * bus->max_subs + place + MICRO_SUB_FIRST,
                      .uses = uses + 1, .text = text, .on_msg = opts->on_msg,
                      .arg = opts->arg, .when_full = opts->when_full, .limit = opts->limit_msgs,
                      .on_publisher = opts->on_publisher,
                      .auto_ack = opts->ack == RILL_ACK_AUTO};
    sub->pending_max = micro_sub_bound(opts->pending_msgs, bus->max_pending);
    sub->pending_bytes_max = micro_sub_bound(opts->pending_bytes, UINT32_MAX);
    sub->subject = micro_sub_text(&at, subject);
    sub->group = micro_sub_text(&at, group);
    return sub;
}

/* ---- Queues ---- */

static size_t micro_sub_size(const ri_micro_msg *msg)
{
    return msg->m.subject.len + msg->m.reply.len + msg->headers.len + msg->m.data.len;
}

bool ri_micro_sub_has_room(const rill_sub *sub, size_t bytes)
{
    RI_ASSERT(sub->pending <= sub->pending_max && sub->pending_bytes <= sub->pending_bytes_max);
    return sub->bus->entries_free > 0 && sub->pending < sub->pending_max &&
           bytes <= sub->pending_bytes_max - RI_MIN(sub->pending_bytes, sub->pending_bytes_max);
}

static ri_micro_entry *micro_sub_pop(rill_sub *sub)
{
    ri_micro_entry *entry = sub->first;
    RI_ASSERT(entry && sub->pending > 0);
    sub->first = entry->next;
    if (!sub->first) sub->last = NULL;
    sub->pending--;
    sub->pending_bytes -= (uint32_t)micro_sub_size(entry->msg);
    return entry;
}

static void micro_sub_give_back(rill_bus *bus, ri_micro_entry *entry)
{
    RI_ASSERT(entry->msg && entry->msg->bus == bus);
    ri_micro_msg_drop(entry->msg);
    *entry = (ri_micro_entry){.next = bus->entries};
    bus->entries = entry;
    bus->entries_free++;
    RI_ASSERT(bus->entries_free <= bus->max_pending);
}

static void micro_sub_push(rill_sub *sub, ri_micro_msg *msg)
{
    rill_bus *bus = sub->bus;
    ri_micro_entry *entry = bus->entries;
    RI_ASSERT(entry && bus->entries_free > 0);
    bus->entries = entry->next;
    bus->entries_free--;
    msg->refs++;
    *entry = (ri_micro_entry){.msg = msg};
    if (sub->last) sub->last->next = entry;
    else sub->first = entry;
    sub->last = entry;
    sub->pending++;
    sub->pending_bytes += (uint32_t)micro_sub_size(msg);
}

/* What the last read has lent goes back. */
static void micro_sub_return(rill_sub *sub)
{
    while (sub->lent) {
        ri_micro_entry *entry = sub->lent;
        sub->lent = entry->next;
        if (sub->auto_ack && !entry->msg->settled && entry->msg->ack.len > 0)
            sub->bus->peer->settle(sub->bus, entry->msg, RI_MICRO_ACK, 0);
        micro_sub_give_back(sub->bus, entry);
    }
}

void ri_micro_sub_free(rill_sub *sub)
{
    RI_ASSERT(!sub->in_callback && !sub->first && !sub->lent);
    if (sub->reader) sub->bus->peer->forget(sub->bus, sub);
    sub->reader = NULL;
    sub->state = RI_MICRO_SUB_FREE;
    rill_bus *bus = sub->bus;
    while (bus->subs_end > 0 && bus->subs[bus->subs_end - 1].state == RI_MICRO_SUB_FREE)
        bus->subs_end--;
}

void ri_micro_sub_stop(rill_sub *sub)
{
    RI_ASSERT(sub->state != RI_MICRO_SUB_FREE);
    if (sub->state != RI_MICRO_SUB_OPEN) return;
    sub->state = RI_MICRO_SUB_STOPPED;
    sub->bus->peer->unlisten(sub->bus, sub);
}

/* ---- Delivery ---- */

static void micro_sub_end(rill_sub *sub)
{
    RI_ASSERT(sub->state == RI_MICRO_SUB_OPEN || sub->state == RI_MICRO_SUB_STOPPED);
    bool stopped = sub->state == RI_MICRO_SUB_STOPPED;
    rill_bus *bus = sub->bus;
    sub->state = RI_MICRO_SUB_ENDING;
    while (sub->first) micro_sub_give_back(bus, micro_sub_pop(sub));
    micro_sub_return(sub);
    if (!stopped || sub->sent) bus->peer->unlisten(bus, sub);
    else ri_micro_sub_free(sub);
}

/* Run the callback with a message that this holds; not within another. */
static void micro_sub_run(rill_sub *sub, ri_micro_msg *msg)
{
    rill_bus *bus = sub->bus;
    RI_ASSERT(!bus->in_callback && sub->on_msg && msg->refs > 0);
    sub->in_callback = true;
    ri_micro_bus_callback(bus, true);
    sub->on_msg(sub, &msg->m, sub->arg);
    ri_micro_bus_callback(bus, false);
    sub->in_callback = false;
    if (sub->auto_ack && !msg->settled && msg->ack.len > 0)
        bus->peer->settle(bus, msg, RI_MICRO_ACK, 0);
    if (sub->state == RI_MICRO_SUB_ENDING) { /* it was closed in its own callback */
        sub->state = RI_MICRO_SUB_OPEN;
        micro_sub_end(sub);
    }
}

static bool micro_sub_make_room(rill_sub *sub, size_t bytes)
{
    if (ri_micro_sub_has_room(sub, bytes)) return true;
    while (sub->when_full == RILL_FULL_DROP_OLD && sub->first && !ri_micro_sub_has_room(sub,
                                                                                        bytes)) {
        micro_sub_give_back(sub->bus, micro_sub_pop(sub));
        sub->dropped++;
        sub->bus->stats.dropped_msgs++;
        sub->bus->ev_slow = true;
    }
    return ri_micro_sub_has_room(sub, bytes);
}

void ri_micro_sub_take(rill_sub *sub, ri_micro_msg *msg, bool at_once)
{
    RI_CHECK(sub->bus, RI_MICRO_MAGIC);
    RI_ASSERT(msg->refs > 0 && msg->bus == sub->bus);
    rill_bus *bus = sub->bus;
    if (sub->state != RI_MICRO_SUB_OPEN) return;
    sub->delivered++;
    bus->stats.out_msgs++;
    bus->stats.out_bytes += msg->m.data.len;
    bool last = sub->limit > 0 && sub->delivered >= sub->limit;
    if (last) ri_micro_sub_stop(sub);
    if (at_once && sub->on_msg && !sub->first && !bus->in_callback) {
        micro_sub_run(sub, msg);
    } else if (micro_sub_make_room(sub, micro_sub_size(msg))) {
        micro_sub_push(sub, msg);
        if (bus->on_ready) bus->on_ready(bus->arg);
    } else {
        sub->dropped++;
        bus->stats.dropped_msgs++;
        bus->ev_slow = true;
        if (sub->when_full == RILL_FULL_DISCONNECT) ri_micro_sub_stop(sub);
    }
}

void ri_micro_sub_dispatch(rill_bus *bus)
{
    RI_ASSERT(!bus->in_callback);
    if (bus->entries_free == bus->max_pending) return;
    for (uint32_t i = 0; i < bus->subs_end; i++) {
        rill_sub *sub = &bus->subs[i];
        for (uint32_t n = sub->on_msg ? sub->pending : 0; n > 0 && sub->first; n--) {
            ri_micro_entry *entry = micro_sub_pop(sub);
            micro_sub_run(sub, entry->msg);
            micro_sub_give_back(bus, entry);
        }
    }
}

/* ---- rill.h ---- */

static int micro_sub_open(rill_bus *bus, rill_sub **out, const char *subject,
                          const rill_sub_opts *opts)
{
    int rc = ri_subject_check_filter(ri_str_of(subject));
    if (rc >= 0 && opts->group) rc = ri_subject_check_queue(ri_str_of(opts->group));
    if (rc < 0) return rc;
    if (opts->filter || opts->from || opts->ack || opts->headers_only ||
        opts->no_headers)
        return ri_err(RILL_EINVAL, "an option of stored messages was given to rill_subscribe()");
    ri_str group = ri_str_of(opts->group);
    rill_sub *sub = ri_micro_sub_new(bus, ri_str_of(subject), group, opts);
    if (!sub)
        return strlen(subject) + group.len > bus->max_subject_bytes ? RILL_ETOOBIG : RILL_EFULL;
    sub->state = RI_MICRO_SUB_OPEN;
    bus->peer->listen(bus, sub);
    *out = sub;
    return RILL_OK;
}

int rill_subscribe(rill_bus *bus, rill_sub **sub, const char *subject, const rill_sub_opts *opts)
{
    static const rill_sub_opts none;
    if (!sub) return ri_err(RILL_EINVAL, "no place for the subscription was given");
    *sub = NULL;
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    if (!subject) rc = ri_err(RILL_EINVAL, "the subject is NULL");
    else rc = micro_sub_open(bus, sub, subject, opts ? opts : &none);
    return ri_micro_bus_leave(bus, rc);
}

static bool micro_sub_has(void *arg)
{
    const rill_sub *sub = arg;
    return sub->first || sub->state != RI_MICRO_SUB_OPEN;
}

static int micro_sub_wait(rill_sub *sub, uint32_t want, int timeout_ms)
{
    RI_ASSERT(!sub->on_msg && !sub->lent);
    rill_bus *bus = sub->bus;
    int64_t until = ri_micro_bus_until(bus, timeout_ms);
    if (sub->first) return RILL_OK;
    if (sub->state != RI_MICRO_SUB_OPEN)
        return ri_err(RILL_ECLOSED, "the subscription has ended");
    if (timeout_ms != 0 && ri_micro_bus_calls_back(bus))
        return ri_err(RILL_EDEADLK, "a callback would have to wait for a message");
    if (sub->reader) bus->peer->want(bus, sub, want, until);
    int rc = ri_micro_bus_wait(bus, micro_sub_has, sub, until);
    if (rc >= 0 && !sub->first) rc = ri_err(RILL_ECLOSED, "the subscription has ended");
    if (rc == RILL_ETIMEDOUT && timeout_ms == 0)
        rc = ri_err(RILL_EAGAIN, "no message is waiting");
    return rc;
}

static int micro_sub_read(rill_sub *sub, const rill_msg **msgs, size_t max, int timeout_ms)
{
    if (sub->on_msg) return ri_err(RILL_EINVAL, "the subscription has a callback");
    micro_sub_return(sub);
    int rc = micro_sub_wait(sub, (uint32_t)RI_MIN(max, (size_t)sub->bus->max_pending), timeout_ms);
    if (rc < 0) return rc;
    int n = 0;
    for (; (size_t)n < max && sub->first; n++) {
        ri_micro_entry *entry = micro_sub_pop(sub);
        entry->next = sub->lent;
        sub->lent = entry;
        msgs[n] = &entry->msg->m;
    }
    return n;
}

int rill_read(rill_sub *sub, const rill_msg **msgs, size_t max, int timeout_ms)
{
    if (!sub || !msgs || max == 0 || max > 4096)
        return ri_err(RILL_EINVAL, "a subscription and room for 1 to 4096 messages are needed");
    msgs[0] = NULL;
    int rc = ri_micro_bus_enter(sub->bus);
    if (rc < 0) return rc;
    return ri_micro_bus_leave(sub->bus, micro_sub_read(sub, msgs, max, timeout_ms));
}

int rill_next(rill_sub *sub, const rill_msg **m, int timeout_ms)
{
    int rc = rill_read(sub, m, 1, timeout_ms);
    return rc < 0 ? rc : RILL_OK;
}

int rill_sub_stop(rill_sub *sub)
{
    int rc = sub ? ri_micro_bus_enter(sub->bus) : ri_err(RILL_EINVAL, "the subscription is NULL");
    if (rc < 0) return rc;
    ri_micro_sub_stop(sub);
    return ri_micro_bus_leave(sub->bus, RILL_OK);
}

void ri_micro_sub_close(rill_sub *sub)
{
    RI_CHECK(sub->bus, RI_MICRO_MAGIC);
    if (sub->in_callback) sub->state = RI_MICRO_SUB_ENDING; /* it ends when that returns */
    else if (sub->state == RI_MICRO_SUB_OPEN || sub->state == RI_MICRO_SUB_STOPPED)
        micro_sub_end(sub);
}

void rill_sub_close(rill_sub *sub)
{
    if (!sub || ri_micro_bus_enter(sub->bus) < 0) return;
    ri_micro_sub_close(sub);
    ri_micro_bus_leave(sub->bus, RILL_OK);
}

int rill_sub_status(rill_sub *sub, rill_sub_info *out)
{
    if (!sub || !out || out->size < sizeof out->size)
        return ri_err(RILL_EINVAL, "a subscription and a rill_sub_info with its size are needed");
    int rc = ri_micro_bus_enter(sub->bus);
    if (rc < 0) return rc;
    rill_sub_info info = {.size = out->size, .pending_msgs = sub->pending,
                          .pending_bytes = sub->pending_bytes, .dropped_msgs = sub->dropped,
                          .delivered_msgs = sub->delivered};
    memcpy(out, &info, RI_MIN(out->size, sizeof info));
    return ri_micro_bus_leave(sub->bus, RILL_OK);
}
