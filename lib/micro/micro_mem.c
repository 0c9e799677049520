/* SPDX-License-Identifier: Apache-2.0 */
/* The bus of this process: a publish finds its receivers in the table, which is as long as
 * max_subs, and puts one slot into the queue of each. Of a group one member gets it, and they take
 * turns. A message for a subscription with on_publisher is handed out by the publish itself, but
 * from within a callback, where it waits as any other. */
#include "micro/micro.h"

#include "codec/subject/subject.h"

#ifdef RI_MICRO_MEM

/* The peer's state. */
typedef struct micro_mem {
    uint32_t turn; /* of groups: whose turn it is */
} micro_mem;

static int micro_mem_lay(rill_bus *bus, const char *url, const rill_opts *opts)
{
    (void)url;
    (void)opts;
    bus->state = ri_micro_bus_carve(bus, sizeof(micro_mem));
    return RILL_OK;
}

static int micro_mem_open(rill_bus *bus, const rill_opts *opts)
{
    (void)opts;
    *(micro_mem *)bus->state = (micro_mem){0};
    ri_micro_bus_went(bus, true, 0);
    return RILL_OK;
}

static void micro_mem_close(rill_bus *bus)
{
    (void)bus;
}

static int micro_mem_turn(rill_bus *bus)
{
    (void)bus;
    return 0;
}

static int64_t micro_mem_due(rill_bus *bus)
{
    (void)bus;
    return INT64_MAX;
}

static bool micro_mem_flushed(rill_bus *bus, bool begin)
{
    (void)bus;
    (void)begin;
    return true;
}

static bool micro_mem_hears(const rill_sub *sub, ri_str subject)
{
    /* Most subjects are what somebody listens to, to the letter. */
    return sub->state == RI_MICRO_SUB_OPEN &&
           (ri_str_same(sub->subject, subject) || ri_subject_match(sub->subject, subject));
}

/* Of the members of the group of `subs[first]`, which is the first of them that hears it. */
static rill_sub *micro_mem_member(rill_bus *bus, uint32_t first, ri_str subject)
{
    uint32_t members = 0, chosen;
    for (uint32_t i = first; i < bus->subs_end; i++)
        members += micro_mem_hears(&bus->subs[i], subject) &&
                   ri_str_eq(bus->subs[i].group, bus->subs[first].group);
    RI_ASSERT(members > 0);
    chosen = ((micro_mem *)bus->state)->turn++ % members;
    for (uint32_t i = first; i < bus->subs_end; i++)
        if (micro_mem_hears(&bus->subs[i], subject) &&
            ri_str_eq(bus->subs[i].group, bus->subs[first].group) && chosen-- == 0)
            return &bus->subs[i];
    return &bus->subs[first];
}

/* Does an earlier one that hears the subject speak for the group of `subs[i]`? */
static bool micro_mem_is_spoken_for(const rill_bus *bus, uint32_t i, ri_str subject)
{
    RI_ASSERT(i < bus->subs_end);
    ri_str group = bus->subs[i].group;
    for (uint32_t j = 0; group.len > 0 && j < i; j++)
        if (micro_mem_hears(&bus->subs[j], subject) && ri_str_eq(bus->subs[j].group, group))
            return true;
    return false;
}

/* The receiver that stands at `i` and hears the subject, or whom its group has chosen; NULL: an
 * earlier one speaks for the group. */
static rill_sub *micro_mem_receiver(rill_bus *bus, uint32_t i, ri_str subject)
{
    if (micro_mem_is_spoken_for(bus, i, subject)) return NULL;
    rill_sub *sub = &bus->subs[i];
    return sub->group.len == 0 ? sub : micro_mem_member(bus, i, subject);
}

/* Is there a receiver that does not lose messages, and has no room? Those before it take an entry
 * each. */
static bool micro_mem_blocked(rill_bus *bus, const ri_micro_out *out)
{
    uint32_t entries = 0;
    for (uint32_t i = 0; i < bus->subs_end; i++) {
        const rill_sub *sub = &bus->subs[i];
        if (!micro_mem_hears(sub, out->subject)) continue;
        entries += !micro_mem_is_spoken_for(bus, i, out->subject);
        if (sub->when_full == RILL_FULL_BLOCK &&
            (entries > bus->entries_free || !ri_micro_sub_has_room(sub, ri_micro_send_bytes(out))))
            return true;
    }
    return false;
}

/* The place of the next who hears it, from `i` on; subs_end: nobody. */
static uint32_t micro_mem_next(const rill_bus *bus, uint32_t i, ri_str subject)
{
    while (i < bus->subs_end && !micro_mem_hears(&bus->subs[i], subject)) i++;
    return i;
}

static int micro_mem_publish(rill_bus *bus, const ri_micro_out *out, ri_micro_call *call)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    ri_micro_call *answered = ri_micro_call_of(bus, out->subject);
    uint32_t i = answered ? bus->subs_end : micro_mem_next(bus, 0, out->subject);
    if (!answered && i == bus->subs_end) {
        if (!call) return RILL_OK;
        return ri_err(RILL_ENOREPLY, "nobody listens on \"%s\"", out->subject.ptr);
    }
    if (bus->may_block && micro_mem_blocked(bus, out))
        return ri_err(RILL_EAGAIN, "a reader on \"%s\" has no room", out->subject.ptr);
    ri_micro_msg *msg = ri_micro_msg_new(bus);
    if (!msg)
        return ri_err(RILL_EAGAIN, "all %lu messages are held", (unsigned long)bus->max_pending);
    bool fits = ri_micro_msg_fill_out(msg, out);
    RI_ASSERT(fits); /* ri_micro_send_out() has seen to it */
    (void)fits;
    if (bus->host.wall_ns) msg->m.time_ns = bus->host.wall_ns(bus->host.arg);
    if (answered) ri_micro_call_end(bus, answered, RILL_OK, msg);
    for (; i < bus->subs_end; i = micro_mem_next(bus, i + 1, msg->m.subject)) {
        rill_sub *sub = micro_mem_receiver(bus, i, msg->m.subject);
        if (sub) ri_micro_sub_take(sub, msg, sub->on_publisher);
    }
    ri_micro_msg_drop(msg);
    return RILL_OK;
}

static void micro_mem_listen(rill_bus *bus, rill_sub *sub)
{
    (void)bus;
    sub->sent = false;
}

static void micro_mem_unlisten(rill_bus *bus, rill_sub *sub)
{
    (void)bus;
    if (sub->state == RI_MICRO_SUB_ENDING) ri_micro_sub_free(sub);
}

const ri_micro_peer ri_micro_mem_peer = {
    .scheme = "mem:", .caps = RILL_CAN_REQUEST, .lay = micro_mem_lay, .open = micro_mem_open,
    .close = micro_mem_close, .turn = micro_mem_turn, .due = micro_mem_due,
    .flushed = micro_mem_flushed, .publish = micro_mem_publish, .listen = micro_mem_listen,
    .unlisten = micro_mem_unlisten,
};

#endif
