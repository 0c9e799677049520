/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle listens to: which subscriptions there are, by their sids, and how each of them
 * ends.
 *
 *     unsubscribe   UNSUB: what is on its way is passed over
 *     finish        UNSUB, PING ... PONG: what was on its way has come, and it ends then
 *     its maximum   has come: forget
 *     refused       -ERR: the server has not taken it, or takes it back. It ends, and RILL_EV_ERROR
 *                   has it
 *
 * When a connection is lost, nothing is on its way any more: those that finish end. */
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "front/peer_nats/nats_peer.h"

static bool nats_subs_same(const void *item, const void *key)
{
    return ((const ri_subscription *)item)->fanned == *(const uint64_t *)key;
}

ri_subscription *ri_nats_subs_find(ri_nats_peer *peer, uint64_t sid)
{
    return ri_map_get(&peer->subs, ri_hash_u64(sid), &sid);
}

/* SUB, and UNSUB with what is left of its maximum, into `q`. */
static size_t nats_subs_put(ri_nats_peer *peer, ri_outq *q, const ri_subscription *core)
{
    ri_str subject = core->entry.subject, queue = core->entry.queue;
    char *start = ri_outq_room(q, &peer->chunks, RI_NATS_SUB_ROOM(subject.len, queue.len) +
                                                     RI_NATS_UNSUB_ROOM);
    if (!start) return 0;
    char *at = ri_nats_put_sub(start, subject, queue, core->fanned);
    if (core->max) at = ri_nats_put_unsub(at, core->fanned, core->max - core->delivered);
    ri_outq_added(q, (size_t)(at - start));
    return (size_t)(at - start);
}

int ri_nats_subs_subscribe(rill_bus *bus, ri_subscription *core)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    int rc = ri_nats_send_has_spare(peer);
    if (rc < 0) return rc;
    core->fanned = ++peer->last_sid;
    core->delivered = 0;
    core->party = &bus->party;
    if ((rc = ri_map_put(&peer->subs, ri_hash_u64(core->fanned), core)) < 0) return rc;
    if (peer->state == RI_NATS_UP && !nats_subs_put(peer, &peer->out, core)) {
        ri_map_take(&peer->subs, ri_hash_u64(core->fanned), &core->fanned);
        return RILL_ENOMEM;
    }
    bus->party.nsubs++;
    peer->unflushed = true;
    ri_nats_peer_call(peer);
    return RILL_OK;
}

int ri_nats_subs_subscribe_all(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_map_each (item, &peer->subs) {
        size_t bytes = nats_subs_put(peer, &peer->conn.out, item);
        if (!bytes) return ri_err(RILL_ENOMEM, "no memory to subscribe again");
        peer->conn.pending += bytes;
    }
    return RILL_OK;
}

/* ---- Ends ---- */

/* False: out of memory, and what comes for that sid is passed over. */
static bool nats_subs_put_unsub(ri_nats_peer *peer, const ri_subscription *core)
{
    RI_ASSERT(peer->state == RI_NATS_UP);
    char *at = ri_outq_room(&peer->out, &peer->chunks, RI_NATS_UNSUB_ROOM);
    if (!at) return false;
    ri_outq_added(&peer->out, (size_t)(ri_nats_put_unsub(at, core->fanned, 0) - at));
    peer->unflushed = true;
    ri_nats_peer_call(peer);
    return true;
}

static void nats_subs_forget(ri_nats_peer *peer, ri_subscription *core)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (!ri_map_take(&peer->subs, ri_hash_u64(core->fanned), &core->fanned)) return;
    RI_ASSERT(peer->bus.party.nsubs > 0);
    peer->bus.party.nsubs--;
}

void ri_nats_subs_end(ri_nats_peer *peer, ri_subscription *core)
{
    nats_subs_forget(peer, core);
    peer->bus.party.ops->ended(&peer->bus.party, core);
}

void ri_nats_subs_unsubscribe(rill_bus *bus, ri_subscription *core)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (ri_nats_subs_find(peer, core->fanned) != core) return;
    nats_subs_forget(peer, core);
    if (peer->state == RI_NATS_UP) nats_subs_put_unsub(peer, core);
}

bool ri_nats_subs_finish(rill_bus *bus, ri_subscription *core)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (peer->state != RI_NATS_UP || ri_nats_subs_find(peer, core->fanned) != core) return false;
    if (ri_array_reserve(&bus->host, &peer->finishes, &peer->cap_finishes, peer->nfinishes + 1,
                         sizeof *peer->finishes) < 0) return false;
    if (!nats_subs_put_unsub(peer, core) || !ri_nats_send_ping(peer)) return false;
    peer->finishes[peer->nfinishes++] = (ri_nats_finish){core->fanned, peer->pings};
    return true;
}

/* The first so many have finished, but for those that have ended otherwise. */
static void nats_subs_finished(ri_nats_peer *peer, uint32_t n)
{
    RI_ASSERT(n <= peer->nfinishes);
    for (uint32_t i = 0; i < n; i++) {
        ri_subscription *core = ri_nats_subs_find(peer, peer->finishes[i].sid);
        if (core) ri_nats_subs_end(peer, core);
    }
    peer->nfinishes -= n;
    if (n && peer->nfinishes)
        memmove(peer->finishes, peer->finishes + n, peer->nfinishes * sizeof *peer->finishes);
}

void ri_nats_subs_pong(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    uint32_t n = 0;
    while (n < peer->nfinishes && peer->finishes[n].ping <= peer->pongs) n++;
    nats_subs_finished(peer, n);
}

void ri_nats_subs_lost(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    nats_subs_finished(peer, peer->nfinishes);
}

/* ---- Refused ---- */

static bool nats_subs_is_meant(const ri_subscription *core, const ri_nats_err *err, bool queued)
{
    if (!ri_str_eq(core->entry.subject, err->subject)) return false;
    return queued || ri_str_eq(core->entry.queue, err->queue);
}

/* The oldest of those that are alike, each of which is refused. `queued`: of any queue group. */
static ri_subscription *nats_subs_oldest(ri_nats_peer *peer, const ri_nats_err *err, bool queued)
{
    ri_subscription *oldest = NULL;
    ri_map_each (item, &peer->subs) {
        ri_subscription *core = item;
        if (nats_subs_is_meant(core, err, queued) && (!oldest || core->fanned < oldest->fanned))
            oldest = core;
    }
    return oldest;
}

/* A server may say the number, or the queue group, or none of them. */
static ri_subscription *nats_subs_meant(ri_nats_peer *peer, const ri_nats_err *err)
{
    uint64_t sid;
    if (err->sid.len) return ri_number_read(err->sid, &sid) ? ri_nats_subs_find(peer, sid) : NULL;
    ri_subscription *core = nats_subs_oldest(peer, err, false);
    return core || err->queue.len ? core : nats_subs_oldest(peer, err, true);
}

void ri_nats_subs_refused(ri_nats_peer *peer, const ri_nats_err *err)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && err->subscription && err->code < 0);
    ri_subscription *core = nats_subs_meant(peer, err);
    ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_ERROR, .code = err->code,
                                              .subject = err->subject,
                                              .sid = core ? core->fanned : 0});
    if (!core) return;
    if (core == &peer->calls.inbox) {
        nats_subs_forget(peer, core);
        ri_nats_calls_refused(peer, err->code);
    } else if (core == &peer->bus.inbox) {
        nats_subs_forget(peer, core);
        ri_bus_requests_refused(&peer->bus, err->code);
    } else {
        ri_nats_subs_end(peer, core);
    }
}

void ri_nats_subs_init(ri_nats_peer *peer)
{
    ri_map_init(&peer->subs, &peer->bus.host, nats_subs_same);
}

void ri_nats_subs_fini(ri_nats_peer *peer)
{
    ri_map_fini(&peer->subs);
    ri_free(&peer->bus.host, peer->finishes, peer->cap_finishes * sizeof *peer->finishes);
}
