/* SPDX-License-Identifier: Apache-2.0 */
/* Members of groups: the partitions that they are given, what of them is settled, and the positions
 * that follow from it. See "A group" in kafka_peer.h. */
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/peer_kafka/kafka_read.h"

/* ---- Positions ---- */

/* Inside the gate: a floor has moved, and is to be committed. */
static void kafka_moved(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    RI_ASSERT(ri_kafka_peer_is_entered(peer) && reader->member);
    uint64_t number = ++peer->settles;
    if (reader->committing && reader->dirty_next == 0) reader->dirty_next = number;
    if (reader->dirty) return;
    reader->dirty = number;
    ri_kafka_peer_call(peer);
}

static bool kafka_is_owed(const ri_kafka_place *place)
{
    return place->floor >= 0 && place->floor > place->committed;
}

/* Inside the gate: the positions that are not committed, as a list; NULL: there are none. */
static rd_kafka_topic_partition_list_t *kafka_floors(ri_kafka_reader *reader)
{
    const ri_kafka_lib *lib = &reader->peer->lib;
    rd_kafka_topic_partition_list_t *list = NULL;
    RI_ASSERT(ri_kafka_peer_is_entered(reader->peer) && reader->member);
    for (uint32_t i = 0; i < reader->nplaces; i++) {
        ri_kafka_place *place = &reader->places[i];
        if (!kafka_is_owed(place)) continue;
        if (!list) list = lib->topic_partition_list_new((int)reader->nplaces);
        if (!list) return NULL;
        lib->topic_partition_list_add(list, reader->stream, place->partition)->offset =
            place->floor;
        place->commit_epoch = place->epoch;
    }
    return list;
}

static bool kafka_owes_any(const ri_kafka_reader *reader)
{
    bool owes = false;
    for (uint32_t i = 0; i < reader->nplaces; i++)
        owes = owes || kafka_is_owed(&reader->places[i]);
    return owes;
}

/* Inside the gate: it is tried again after a pause, if there is still something to commit. The
 * program hears of the first of several failures in a row; of a rebalance that is under way it
 * hears only if that has taken the partitions. */
static void kafka_commit_failed(ri_kafka_reader *reader, rd_kafka_resp_err_t err)
{
    ri_kafka_peer *peer = reader->peer;
    int code = ri_kafka_lib_code(err);
    bool rebalances = code == RILL_EFENCED || code == RILL_EBUSY;
    bool known = reader->again_ns != 0 || (rebalances && kafka_owes_any(reader));
    reader->pause_ns = RI_MIN(RI_MAX(2 * reader->pause_ns, RI_KAFKA_AGAIN_MIN_NS),
                              RI_KAFKA_AGAIN_MAX_NS);
    reader->again_ns = ri_ns_add(ri_mono_ns(&peer->bus.host), reader->pause_ns);
    if (known || peer->closing) return;
    ri_kafka_lib_err(&peer->lib, err, "store the position of %s in %s", reader->name,
                     reader->stream);
    ri_kafka_peer_event(peer, RILL_EV_ERROR, code);
}

/* Inside the gate: what became of each position; the first failure, or none. Of partitions that
 * the reader has sought in, or lost, meanwhile, the answer says nothing. */
static rd_kafka_resp_err_t kafka_commit_result(ri_kafka_reader *reader, rd_kafka_event_t *event)
{
    const ri_kafka_lib *lib = &reader->peer->lib;
    rd_kafka_resp_err_t all = lib->event_error(event), first = all;
    const rd_kafka_topic_partition_list_t *list = lib->event_topic_partition_list(event);
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *one = &list->elems[i];
        rd_kafka_resp_err_t err = one->err ? one->err : all;
        ri_kafka_place *place = ri_kafka_read_place(reader, one->partition);
        bool stands = place && place->commit_epoch == place->epoch;
        if (!err && stands) place->committed = RI_MAX(place->committed, one->offset);
        if (!first) first = err;
    }
    return first;
}

static void kafka_committed(ri_kafka_reader *reader, rd_kafka_event_t *event)
{
    ri_kafka_peer *peer = reader->peer;
    ri_broker_enter(peer->bus.broker);
    RI_ASSERT(reader->committing > 0);
    reader->committing--;
    rd_kafka_resp_err_t err = kafka_commit_result(reader, event);
    if (err) {
        kafka_commit_failed(reader, err);
    } else {
        reader->again_ns = reader->pause_ns = 0;
        reader->dirty = reader->dirty_next;
        ri_kafka_send_rest(peer);
    }
    ri_broker_leave(peer->bus.broker);
}

/* Inside the gate. */
static void kafka_commit_begin(ri_kafka_reader *reader, rd_kafka_topic_partition_list_t *list)
{
    const ri_kafka_lib *lib = &reader->peer->lib;
    rd_kafka_resp_err_t err = lib->commit_queue(reader->rk, list, reader->commit_queue, NULL, NULL);
    lib->topic_partition_list_destroy(list);
    reader->dirty_next = 0;
    if (err) kafka_commit_failed(reader, err);
    else reader->committing++;
}

/* Inside the gate: nothing is owed, or the rest waits for the commit under way, or for its time. */
static void kafka_commit_next(ri_kafka_reader *reader)
{
    const ri_kafka_peer *peer = reader->peer;
    if (reader->committing || reader->dirty == 0) return;
    if (reader->again_ns > ri_mono_ns(&peer->bus.host)) return;
    rd_kafka_topic_partition_list_t *list = kafka_floors(reader);
    if (list) {
        kafka_commit_begin(reader, list);
        return;
    }
    reader->dirty = 0; /* its partitions are gone, or the floors have come back */
    ri_kafka_send_rest(reader->peer);
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
    ri_kafka_group_taken(reader);
    kafka_commit_next(reader);
    ri_broker_leave(peer->bus.broker);
}

bool ri_kafka_group_owes(const ri_kafka_reader *reader, uint64_t settles)
{
    return reader->dirty && reader->dirty <= settles;
}

int64_t ri_kafka_group_due_ns(const ri_kafka_reader *reader)
{
    if (reader->dirty == 0 || reader->committing) return -1;
    return RI_MAX(ri_ns_sub(reader->again_ns, ri_mono_ns(&reader->peer->bus.host)), 0);
}

/* Inside the gate: those at the front that are settled leave the row. */
static void kafka_advance(ri_kafka_reader *reader, ri_kafka_place *place, uint64_t taken)
{
    int64_t floor = place->floor;
    RI_ASSERT(floor >= 0 && place->first <= place->end);
    while (place->first < place->end && place->row[place->first].taken_at <= taken) {
        floor = place->row[place->first].offset + 1;
        place->first++;
    }
    if (place->first < place->end) floor = place->row[place->first].offset;
    if (place->first == place->end) place->first = place->end = 0;
    if (floor <= place->floor) return;
    place->floor = floor;
    if (reader->member) kafka_moved(reader); /* else nobody keeps it */
}

/* Without acks a message is settled when its reader has taken it out of the queue. */
void ri_kafka_group_taken(ri_kafka_reader *reader)
{
    RI_ASSERT(ri_kafka_peer_is_entered(reader->peer));
    if (reader->acks || !reader->sub) return;
    uint64_t taken = atomic_load(&reader->sub->popped_msgs);
    for (uint32_t i = 0; i < reader->nplaces; i++)
        if (reader->places[i].first < reader->places[i].end)
            kafka_advance(reader, &reader->places[i], taken);
}

bool ri_kafka_group_waits(const ri_kafka_reader *reader)
{
    bool waits = false;
    for (uint32_t i = 0; i < reader->nplaces && !reader->acks; i++)
        waits = waits || reader->places[i].first < reader->places[i].end;
    return waits;
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
    RI_ASSERT(place->end < place->cap && reader->sub);
    if (place->floor < 0) place->floor = place->committed = offset;
    uint64_t taken_at = reader->acks ? RI_KAFKA_UNSETTLED : reader->sub->pushed_msgs;
    place->row[place->end++] = (ri_kafka_due){offset, taken_at};
    if (reader->acks) reader->unsettled++;
}

void ri_kafka_group_place_moved(ri_kafka_reader *reader, ri_kafka_place *place, int64_t offset)
{
    RI_ASSERT(ri_kafka_peer_is_entered(reader->peer));
    RI_ASSERT(place->first <= place->end);
    for (uint32_t i = place->first; i < place->end && reader->acks; i++)
        if (place->row[i].taken_at != RI_KAFKA_SETTLED) reader->unsettled--;
    place->first = place->end = 0;
    place->floor = offset;
    place->committed = -1;
    place->epoch = ++reader->epochs;
    if (reader->member) kafka_moved(reader);
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
    bool there = at < place->end && place->row[at].offset == offset &&
                 place->row[at].taken_at != RI_KAFKA_SETTLED;
    if (!there) return ri_err(RILL_ENOENT, "the message was settled before");
    bool full = reader->unsettled >= reader->unsettled_max;
    for (uint32_t i = reader->upto ? place->first : at; i <= at; i++) {
        if (place->row[i].taken_at == RI_KAFKA_SETTLED) continue;
        RI_ASSERT(reader->unsettled > 0);
        reader->unsettled--;
        place->row[i].taken_at = RI_KAFKA_SETTLED;
    }
    kafka_advance(reader, place, 0);
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
    if (!place || mark.epoch < place->first_epoch)
        return ri_err(RILL_EFENCED, "partition %u of %s went to another member of %s",
                      mark.partition, reader->stream, reader->name);
    if (mark.epoch != place->epoch)
        return ri_err(RILL_ENOENT, "the message was delivered before %s went to another place",
                      reader->name);
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
    ri_kafka_peer *peer = reader->peer;
    if (reader->given) peer->lib.topic_partition_list_destroy(reader->given);
    reader->given = NULL;
    ri_broker_enter(peer->bus.broker);
    ri_kafka_read_places_clear(reader);
    reader->unsettled = 0;
    reader->epoch++;
    ri_broker_leave(peer->bus.broker);
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

/* The places of all that are given; false: not of all of them, for want of memory. */
static bool kafka_places_begin(ri_kafka_reader *reader, const rd_kafka_topic_partition_list_t *list)
{
    bool whole = true;
    for (int i = 0; i < list->cnt && whole; i++)
        whole = strcmp(list->elems[i].topic, reader->stream) != 0 ||
                ri_kafka_read_place(reader, list->elems[i].partition) ||
                kafka_place_begin(reader, list->elems[i].partition);
    return whole;
}

/* Until there is memory for all of them nothing of them is read. */
void ri_kafka_group_assign(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    if (!reader->given || !kafka_places_begin(reader, reader->given)) return;
    peer->lib.assign(reader->rk, reader->given);
    peer->lib.topic_partition_list_destroy(reader->given);
    reader->given = NULL;
    ri_broker_enter(peer->bus.broker);
    reader->assigned = true;
    ri_broker_leave(peer->bus.broker);
}

/* Inside the gate: the program hears that what it has settled comes again. */
static void kafka_lost_positions(ri_kafka_reader *reader)
{
    for (uint32_t i = 0; i < reader->nplaces; i++) {
        if (!kafka_is_owed(&reader->places[i])) continue;
        int rc = ri_err(RILL_EFENCED, "another member of %s has partition %d of %s, from before "
                        "what was settled here last", reader->name, reader->places[i].partition,
                        reader->stream);
        ri_kafka_peer_event(reader->peer, RILL_EV_ERROR, rc);
        return;
    }
}

/* What was settled by now is committed before another member has them. */
static void kafka_revoked(ri_kafka_reader *reader, bool lost)
{
    ri_kafka_peer *peer = reader->peer;
    ri_broker_enter(peer->bus.broker);
    ri_kafka_group_taken(reader);
    rd_kafka_topic_partition_list_t *list = lost ? NULL : kafka_floors(reader);
    if (lost) kafka_lost_positions(reader);
    if (list) kafka_commit_begin(reader, list);
    ri_broker_leave(peer->bus.broker);
    kafka_forget_places(reader);
    peer->lib.assign(reader->rk, NULL);
}

void ri_kafka_group_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                              rd_kafka_topic_partition_list_t *list, void *opaque)
{
    ri_kafka_reader *reader = opaque;
    ri_kafka_peer *peer = reader->peer;
    RI_ASSERT(reader->member);
    if (err != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        kafka_revoked(reader, peer->lib.assignment_lost(rk));
        return;
    }
    if (reader->given) peer->lib.topic_partition_list_destroy(reader->given);
    reader->given = peer->lib.topic_partition_list_copy(list);
    ri_kafka_group_assign(reader);
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
        if ((reader->committing || reader->dirty) && !late) return false;
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
