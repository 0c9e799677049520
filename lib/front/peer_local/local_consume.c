/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of the streams at hand: a reader asks its consumer by direct calls, and what it settles
 * is settled when the call returns. */
#include "base/error.h"
#include "codec/jetstream/jshot.h"
#include "front/peer_local/local_parts.h"

/* Inside the gate; NULL when it, its stream or all of them are gone. */
static ri_consumer *consume_find(const rill_bus *bus, ri_str stream_name, ri_str name)
{
    ri_durable *durable = bus->broker->durable;
    ri_stream *stream = durable ? ri_js_stream(ri_durable_js(durable), stream_name) : NULL;
    return stream ? ri_stream_consumer(stream, name) : NULL;
}

/* That of a partition, of which the reader has `parts`. */
static ri_consumer *consume_of(const rill_sub *sub, uint32_t partition)
{
    const ri_bus_consumer *c = sub->consumer;
    if (!sub->bus->broker->durable) return NULL;
    if (partition == 0) return consume_find(sub->bus, ri_str_of(c->stream), ri_str_of(c->name));
    ri_stream *stream = ri_local_parts_stream(sub->bus, c->stream, partition);
    return stream ? ri_stream_consumer(stream, ri_str_of(c->name)) : NULL;
}

static int consume_request(ri_consumer *consumer, const ri_bus_consumer *c, uint32_t n)
{
    ri_str inbox = ri_str_of(c->inbox);
    if (c->acks) return ri_consumer_ask(consumer, c->reader, inbox, n);
    return ri_consumer_pull(consumer, inbox, &(ri_js_pull_request){.batch = n});
}

int ri_local_consume_more(rill_sub *sub, uint32_t n)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub) && ri_broker_is_entered(sub->bus->broker));
    const ri_bus_consumer *c = sub->consumer;
    int rc = ri_local_is_guarded(sub->bus) ? ri_local_guard_more(sub) : RILL_OK;
    for (uint32_t i = 0; i < c->parts && rc == RILL_OK; i++) {
        ri_consumer *consumer = consume_of(sub, i);
        if (!consumer) return ri_err(RILL_ECLOSED, "the stream or the group is gone");
        if (c->parts > 1) ri_consumer_unask(consumer, ri_str_of(c->inbox)); /* and asked for all */
        rc = consume_request(consumer, c, c->parts > 1 ? n + c->asked : n);
    }
    ri_durable_touched(sub->bus->broker->durable);
    return rc;
}

void ri_local_consume_enough(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub) && ri_broker_is_entered(sub->bus->broker));
    for (uint32_t i = 0; i < sub->consumer->parts; i++) {
        ri_consumer *consumer = consume_of(sub, i);
        if (consumer) ri_consumer_unask(consumer, ri_str_of(sub->consumer->inbox));
    }
}

bool ri_local_consume_hand_out(rill_sub *sub, const ri_packet *m)
{
    ri_js_ack ack;
    RI_ASSERT(ri_bus_sub_is_sound(sub) && ri_broker_is_entered(sub->bus->broker));
    if (!ri_jshot_ack_read(ri_packet_reply(m), &ack)) return true;
    ri_consumer *consumer = consume_find(sub->bus, ack.stream, ri_str_of(sub->consumer->name));
    return consumer && ri_consumer_hand_out(consumer, ack.stream_seq, ack.consumer_seq);
}

void ri_local_consume_leave(rill_sub *sub)
{
    RI_ASSERT(ri_bus_sub_is_sound(sub) && ri_broker_is_entered(sub->bus->broker));
    ri_durable *durable = sub->bus->broker->durable;
    for (uint32_t i = 0; i < sub->consumer->parts; i++) {
        ri_consumer *consumer = consume_of(sub, i);
        if (!consumer) continue;
        ri_consumer_unask(consumer, ri_str_of(sub->consumer->inbox));
        if (sub->consumer->own) ri_consumer_delete(consumer);
    }
    if (sub->consumer->own && durable && ri_durable_waits(durable)) ri_durable_nudge(durable);
}

/* ---- Settling ---- */

/* Of an ack that settles very many messages: the others, turn by turn. */
static int consume_settle_rest(rill_bus *bus, const ri_js_ack *ack)
{
    ri_consumer *consumer;
    int rc;
    do {
        if ((rc = ri_local_pass(bus)) < 0) return rc;
        consumer = consume_find(bus, ack->stream, ack->consumer);
        rc = consumer ? ri_consumer_ack_more(consumer, ack->stream_seq) : RILL_OK;
    } while (rc == 1);
    ri_budget_close(&bus->broker->router.budget);
    return rc;
}

static int consume_settle_one(rill_bus *bus, ri_consumer **consumer, const ri_js_ack *ack,
                              ri_str how)
{
    if (!*consumer) return ri_err(RILL_ECLOSED, "the stream or the group of the message is gone");
    if (ri_consumer_conf_of(*consumer)->ack_policy == RI_ACK_NONE)
        return ri_err(RILL_EINVAL, "the message came without acknowledgement");
    int rc = ri_consumer_ack(*consumer, ack->stream_seq, ack->deliveries, how);
    if (rc != 1) return rc;
    rc = consume_settle_rest(bus, ack);
    *consumer = rc < 0 ? NULL : consume_find(bus, ack->stream, ack->consumer);
    return rc;
}

int ri_local_consume_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how)
{
    ri_js_ack ack;
    ri_str of = RI_STR_NONE; /* the stream of the message before: messages of partitions differ */
    ri_consumer *consumer = NULL;
    bool guarded = ri_local_is_guarded(bus);
    int rc = RILL_OK, denied = RILL_OK; /* denied: of any, though the last one may be settled */
    for (size_t i = 0; i < n && bus->broker->durable; i++) {
        if (!ri_jshot_ack_read(msgs[i].ack, &ack)) continue;
        int may = guarded ? ri_local_guard_publish(bus, msgs[i].ack) : RILL_OK;
        if (may < 0) {
            denied = may;
            continue;
        }
        if (!ri_str_eq(of, ack.stream)) consumer = consume_find(bus, ack.stream, ack.consumer);
        of = ack.stream;
        rc = consume_settle_one(bus, &consumer, &ack, how);
    }
    if (bus->broker->durable) ri_durable_touched(bus->broker->durable);
    return denied < 0 ? denied : rc;
}
