/* SPDX-License-Identifier: Apache-2.0 */
/* Appending to streams behind a server: a message whose reply subject brings the PubAck. */
#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "codec/nats/headers.h"
#include "front/peer_nats/nats_peer.h"

static int nats_append_check(ri_nats_peer *peer, const ri_js_append *append)
{
    if (append->safety)
        return ri_err(RILL_ENOTSUP, "how safe a message is when it is acknowledged says the "
                      "configuration of %s, not the message", peer->server);
    return ri_nats_send_has_room(peer);
}

/* Inside the gate: so much is under way that whoever comes with more is slowed down. What nobody
 * waits for any more is not: its answer may never come. */
static bool nats_append_is_crowded(ri_nats_peer *peer)
{
    if (peer->calls.appends >= peer->conf.max_inflight) ri_nats_calls_sweep(peer);
    return peer->calls.appends >= peer->conf.max_inflight || !ri_nats_send_is_easy(peer);
}

int ri_nats_append_enter(rill_bus *bus)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    ri_broker_enter(bus->broker);
    if (ri_unlikely(peer->state == RI_NATS_UP && nats_append_is_crowded(peer))) {
        peer->room_wanted = true;
        uint32_t seen = ri_park_count(&peer->room);
        ri_broker_leave(bus->broker);
        ri_bus_sleep(bus, &peer->room, seen, RI_NATS_PAUSE_NS);
        ri_broker_enter(bus->broker);
    }
    if (!atomic_load(&bus->closed)) return RILL_OK;
    ri_broker_leave(bus->broker);
    return ri_err(RILL_ECLOSED, "the bus is closed");
}

bool ri_nats_append_give_up(rill_bus *bus, ri_js_append *append)
{
    return ri_nats_calls_give_up(ri_nats_peer_of(bus), append);
}

int ri_nats_append(rill_bus *bus, const ri_publish *p, bool awaited)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    char room[RI_NATS_REPLY_MAX];
    ri_nats_call *call;
    int rc = nats_append_check(peer, p->append);
    if (rc == RILL_OK && !awaited && peer->calls.appends >= peer->conf.max_inflight)
        rc = ri_err(RILL_EAGAIN, "%u messages are not acknowledged yet", peer->calls.appends);
    if (rc == RILL_OK) rc = ri_nats_calls_append(peer, p->append, &call);
    if (rc < 0) return rc;
    ri_message m = *p->m;
    m.reply = ri_nats_calls_reply(peer, call, room);
    call->once = p->once;
    if ((rc = ri_nats_calls_send(peer, call, &m)) < 0) ri_nats_calls_drop(peer, call);
    return rc;
}

/* ---- Batches ---- */

enum { APPEND_BATCH_ID = RI_NUID_LEN };

/* The message with the headers that make it a part of the batch, in `mem`. */
static int nats_append_batch_headers(ri_buffer *mem, ri_message *m, ri_str id, size_t number,
                                     bool last)
{
    char digits[RI_NUMBER_MAX];
    ri_str sequence = {digits, ri_number_write(digits, number)};
    ri_buffer_reset(mem);
    ri_buffer_put_str(mem, m->headers);
    int rc = mem->failed ? RILL_ENOMEM : ri_headers_replace(mem, RI_STR("Nats-Batch-Id"), id);
    if (rc >= 0) rc = ri_headers_replace(mem, RI_STR("Nats-Batch-Sequence"), sequence);
    if (rc >= 0 && last) rc = ri_headers_replace(mem, RI_STR("Nats-Batch-Commit"), RI_STR("1"));
    m->headers = ri_buffer_str(mem);
    return rc < 0 ? rc : RILL_OK;
}

/* The first asks for an answer, too: whether the stream takes batches at all is said there. */
static int nats_append_batch_put(ri_nats_peer *peer, const ri_js_batch *batch, ri_nats_call *call,
                                 ri_str reply)
{
    char id[APPEND_BATCH_ID];
    ri_buffer mem;
    int rc = RILL_OK;
    ri_nuid_next(&peer->bus.nuid, id);
    ri_buffer_init(&mem, &peer->bus.host);
    for (size_t i = 0; i < batch->count && rc == RILL_OK; i++) {
        ri_message m = ri_js_batch_at(batch, i);
        bool last = i + 1 == batch->count;
        rc = nats_append_batch_headers(&mem, &m, (ri_str){id, sizeof id}, i + 1, last);
        if (i == 0 || last) m.reply = reply;
        if (rc == RILL_OK) rc = ri_nats_calls_send(peer, call, &m);
    }
    ri_buffer_fini(&mem);
    return rc;
}

/* One message alone needs no batch, which the server may not know. What was put before a failure
 * stays without its end, and the server drops it. The messages stay with the batch, which is
 * sent again if its stream has no leader now. */
int ri_nats_append_batch(rill_bus *bus, ri_js_batch *batch, ri_js_append *append)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    char room[RI_NATS_REPLY_MAX];
    ri_nats_call *call;
    int rc = batch->count ? nats_append_check(peer, append)
                          : ri_err(RILL_EINVAL, "the batch is empty");
    if (rc == RILL_OK && batch->count > 1) rc = ri_nats_peer_needs(peer, 2, 12, "atomic batches");
    if (rc == RILL_OK) rc = ri_nats_calls_append(peer, append, &call);
    if (rc < 0) return rc;
    ri_str reply = ri_nats_calls_reply(peer, call, room);
    call->batch = batch->count > 1;
    if (call->batch) {
        rc = nats_append_batch_put(peer, batch, call, reply);
    } else {
        ri_message m = ri_js_batch_at(batch, 0);
        m.reply = reply;
        rc = ri_nats_calls_send(peer, call, &m);
    }
    if (rc < 0) ri_nats_calls_drop(peer, call);
    return rc;
}
