/* SPDX-License-Identifier: Apache-2.0 */
/* Members of groups: the partitions that they are given, what of them is settled, and the positions
 * that follow from it. See "A group" in kafka_peer.h. */
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/peer_kafka/kafka_read.h"

/* ---- Positions ---- */

/* Inside the gate: those that are above what is committed, as a list; NULL: none. */
static rd_kafka_topic_partition_list_t *kafka_floors(ri_kafka_reader *reader)
{
    const ri_kafka_lib *lib = &reader->peer->lib;
    rd_kafka_topic_partition_list_t *list = NULL;
    RI_ASSERT(ri_kafka_peer_is_entered(reader->peer) && reader->member);
    for (uint32_t i = 0; i < reader->nplaces; i++) {
        ri_kafka_place *place = &reader->places[i];
        if (place->floor < 0 || place->floor <= place->committed) continue;
        if (!list) list = lib->topic_partition_list_new((int)reader->nplaces);
        if (!list) return NULL;
        lib->topic_partition_list_add(list, reader->stream, place->partition)->offset =
            place->floor;
        place->committed = place->floor;
    }
    return list;
}

/* Inside the gate: somebody who flushes waits until it is not so. */
static void kafka_dirty(ri_kafka_reader *reader, bool dirty)
{
    ri_kafka_peer *peer = reader->peer;
    RI_ASSERT(reader->member && (reader->dirty || peer->commits < UINT32_MAX));
    if (reader->dirty != dirty) peer->commits += dirty ? 1u : -1u;
    reader->dirty = dirty;
    ri_kafka_peer_rest(peer);
}

/* A commit has ended. One that a rebalance has refused is of partitions that are another's. */
static void kafka_committed(ri_kafka_reader *reader, rd_kafka_event_t *event)
{
    ri_kafka_peer *peer = reader->peer;
    rd_kafka_resp_err_t err = peer->lib.event_error(event);
    int code = ri_kafka_lib_code(err);
    ri_broker_enter(peer->bus.broker);
    reader->committing = false;
    if (code < 0 && code != RILL_EFENCED && code != RILL_EBUSY && !peer->closing) {
        ri_kafka_lib_err(&peer->lib, err, "store the position of %s in %s", reader->name,
                         reader->stream);
        ri_kafka_peer_event(peer, RILL_EV_ERROR, code);
    }
    ri_broker_leave(peer->bus.broker);
}

void ri_kafka_group_commit(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    rd_kafka_event_t *event;
    while ((event = peer->lib.queue_poll(reader->commit_queue, 0))) {
        if (peer->lib.event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT)
            kafka_committed(reader, event);
        peer->lib.event_destroy(event);
    }
    ri_broker_enter(peer->bus.broker);
    rd_kafka_topic_partition_list_t *list = reader->committing ? NULL : kafka_floors(reader);
    if (list) reader->committing = true;
    if (!reader->committing) kafka_dirty(reader, false);
    ri_broker_leave(peer->bus.broker);
    if (!list) return;
    rd_kafka_resp_err_t err = peer->lib.commit_queue(reader->rk, list, reader->commit_queue, NULL,
                                                     NULL);
    peer->lib.topic_partition_list_destroy(list);
    if (!err) return;
    ri_broker_enter(peer->bus.broker);
    reader->committing = false;
    ri_broker_leave(peer->bus.broker);
}

/* Inside the gate: those at the front that are settled leave the row. */
static void kafka_advance(ri_kafka_reader *reader, ri_kafka_place *place)
{
    int64_t floor = place->floor;
    RI_ASSERT(floor >= 0 && place->first <= place->end);
    while (place->first < place->end && place->row[place->first].settled) {
        floor = place->row[place->first].offset + 1;
        place->first++;
    }
    if (place->first < place->end) floor = place->row[place->first].offset;
    if (place->first == place->end) place->first = place->end = 0;
    if (floor <= place->floor) return;
    place->floor = floor;
    if (!reader->member) return; /* nobody keeps it */
    if (!reader->dirty) ri_kafka_peer_call(reader->peer);
    kafka_dirty(reader, true);
}

/* The front of the row is given up first. */
bool ri_kafka_group_has_room(ri_kafka_reader *reader, ri_kafka_place *place)
{
    RI_ASSERT(place->first <= place->end && place->end <= place->cap);
    if (place->end < place->cap) return true;
    if (place->first > place->cap / 2) {
        uint32_t n = place->end - place->first;
        memmove(place->row, place->row + place->first, n * sizeof *place->row);
        place->first = 0;
        place->end = n;
        return true;
    }
    return ri_array_reserve(&reader->peer->bus.host, &place->row, &place->cap, place->end + 1,
                            sizeof *place->row) == RILL_OK;
}

void ri_kafka_group_delivered(ri_kafka_reader *reader, ri_kafka_place *place, int64_t offset)
{
    RI_ASSERT(ri_kafka_peer_is_entered(reader->peer));
    RI_ASSERT(place->end < place->cap);
    if (place->floor < 0) place->floor = place->committed = offset;
    place->row[place->end++] = (ri_kafka_due){offset, !reader->acks};
    if (reader->acks) reader->unsettled++;
    else kafka_advance(reader, place);
}

void ri_kafka_group_place_moved(ri_kafka_reader *reader, ri_kafka_place *place, int64_t offset)
{
    RI_ASSERT(ri_kafka_peer_is_entered(reader->peer));
    RI_ASSERT(place->first <= place->end);
    for (uint32_t i = place->first; i < place->end; i++)
        if (!place->row[i].settled) reader->unsettled--;
    place->first = place->end = 0;
    place->floor = offset;
    place->committed = -1;
    if (reader->member) kafka_dirty(reader, true);
}

/* ---- Settling ---- */

/* Where the offset is in the row, or where it would be. */
static uint32_t kafka_row_find(const ri_kafka_place *place, int64_t offset)
{
    uint32_t low = place->first, high = place->end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (place->row[middle].offset < offset) low = middle + 1;
        else high = middle;
    }
    return low;
}

static int kafka_settle_due(ri_kafka_reader *reader, ri_kafka_place *place, int64_t offset)
{
    uint32_t at = kafka_row_find(place, offset);
    bool there = at < place->end && place->row[at].offset == offset && !place->row[at].settled;
    if (!there) return ri_err(RILL_ENOENT, "the message was settled before");
    bool full = reader->unsettled >= reader->unsettled_max;
    for (uint32_t i = reader->upto ? place->first : at; i <= at; i++) {
        RI_ASSERT(reader->unsettled > 0 || place->row[i].settled);
        if (!place->row[i].settled) reader->unsettled--;
        place->row[i].settled = true;
    }
    kafka_advance(reader, place);
    if (full) ri_kafka_peer_call(reader->peer);
    return RILL_OK;
}

static int kafka_settle_one(ri_kafka_peer *peer, const ri_bus_msg *msg)
{
    ri_kafka_mark mark;
    RI_ASSERT(msg->ack.len >= sizeof mark);
    memcpy(&mark, msg->ack.ptr, sizeof mark);
    ri_kafka_reader *reader = ri_kafka_read_find(peer, mark.reader);
    if (!reader || reader->leaving)
        return ri_err(RILL_ECLOSED, "the reader of the message is gone");
    if (!reader->acks)
        return ri_err(RILL_EINVAL, "the message came without acks: rill_consume() has them");
    ri_kafka_place *place = ri_kafka_read_place(reader, (int32_t)mark.partition);
    if (!place || mark.offset >= place->next)
        return ri_err(RILL_EFENCED, "partition %u of %s went to another member of %s",
                      mark.partition, reader->stream, reader->name);
    return kafka_settle_due(reader, place, mark.offset);
}

int ri_kafka_group_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    if (ri_str_is(how, "+WPI")) return RILL_OK; /* it has all the time there is */
    if (how.len)
        return ri_err(RILL_ENOTSUP, "%s: the place of a group in Kafka is one number, below which "
                      "all is settled", how.ptr[0] == '-' ? "rill_nak()" : "rill_term()");
    int rc = RILL_OK;
    for (size_t i = 0; i < n; i++) {
        int one = kafka_settle_one(ri_kafka_peer_of(bus), &msgs[i]);
        if (rc == RILL_OK) rc = one;
    }
    return rc;
}

/* ---- Rebalances: by who turns ---- */

static void kafka_forget_places(ri_kafka_reader *reader)
{
    ri_broker_enter(reader->peer->bus.broker);
    ri_kafka_read_places_clear(reader);
    reader->unsettled = 0;
    reader->epoch++;
    ri_broker_leave(reader->peer->bus.broker);
}

/* Its records come by a queue of their own from now on. */
static bool kafka_place_begin(ri_kafka_reader *reader, int32_t partition)
{
    ri_kafka_peer *peer = reader->peer;
    rd_kafka_queue_t *queue = peer->lib.queue_get_partition(reader->rk, reader->stream, partition);
    if (!queue) return false;
    peer->lib.queue_forward(queue, NULL);
    peer->lib.queue_cb_event_enable(queue, ri_kafka_peer_ready, peer);
    ri_broker_enter(peer->bus.broker);
    ri_kafka_place *place = ri_kafka_read_place_add(reader, partition);
    if (place) place->queue = queue;
    ri_broker_leave(peer->bus.broker);
    if (!place) peer->lib.queue_destroy(queue);
    return place;
}

static void kafka_assigned(ri_kafka_reader *reader, rd_kafka_topic_partition_list_t *list)
{
    ri_kafka_peer *peer = reader->peer;
    bool whole = true;
    for (int i = 0; i < list->cnt && whole; i++)
        whole = strcmp(list->elems[i].topic, reader->stream) != 0 ||
                ri_kafka_read_place(reader, list->elems[i].partition) ||
                kafka_place_begin(reader, list->elems[i].partition);
    if (!whole) { /* without memory for a part of them it takes none, and gets them again */
        kafka_forget_places(reader);
        peer->lib.assign(reader->rk, NULL);
        return;
    }
    peer->lib.assign(reader->rk, list);
    ri_broker_enter(peer->bus.broker);
    reader->assigned = true;
    ri_broker_leave(peer->bus.broker);
}

/* What was settled by now is committed before another member has them. */
static void kafka_revoked(ri_kafka_reader *reader, bool lost)
{
    ri_kafka_peer *peer = reader->peer;
    ri_broker_enter(peer->bus.broker);
    rd_kafka_topic_partition_list_t *list = lost ? NULL : kafka_floors(reader);
    ri_broker_leave(peer->bus.broker);
    if (list) {
        peer->lib.commit_queue(reader->rk, list, reader->commit_queue, NULL, NULL);
        peer->lib.topic_partition_list_destroy(list);
    }
    kafka_forget_places(reader);
    peer->lib.assign(reader->rk, NULL);
}

void ri_kafka_group_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                              rd_kafka_topic_partition_list_t *list, void *opaque)
{
    ri_kafka_reader *reader = opaque;
    RI_ASSERT(reader->member);
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) kafka_assigned(reader, list);
    else kafka_revoked(reader, reader->peer->lib.assignment_lost(rk));
}

void ri_kafka_group_back(ri_kafka_reader *reader, int32_t partition, int64_t offset)
{
    const ri_kafka_lib *lib = &reader->peer->lib;
    rd_kafka_topic_partition_list_t *list = lib->topic_partition_list_new(1);
    if (!list) return;
    lib->topic_partition_list_add(list, reader->stream, partition)->offset = offset;
    rd_kafka_error_t *error = lib->seek_partitions(reader->rk, list, 0);
    if (error) lib->error_destroy(error);
    lib->topic_partition_list_destroy(list);
}

/* ---- Leaving ---- */

/* What was settled is committed first, as long as there is time. */
bool ri_kafka_group_leave(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    rd_kafka_message_t *found[16];
    bool late = ri_mono_ns(&peer->bus.host) >= reader->leave_ns;
    RI_ASSERT(reader->member && reader->leaving);
    ri_kafka_group_commit(reader);
    if (!reader->leave_queue) {
        if (reader->committing && !late) return false;
        reader->leave_queue = peer->lib.queue_new(reader->rk);
        if (!reader->leave_queue) return late;
        rd_kafka_error_t *error = peer->lib.consumer_close_queue(reader->rk, reader->leave_queue);
        if (error) peer->lib.error_destroy(error);
    }
    ssize_t n;
    while ((n = peer->lib.consume_batch_queue(reader->leave_queue, 0, found, RI_LEN(found))) > 0)
        for (ssize_t i = 0; i < n; i++) peer->lib.message_destroy(found[i]);
    return late || peer->lib.consumer_closed(reader->rk);
}
