/* SPDX-License-Identifier: Apache-2.0 */
/* What comes: records out of librdkafka's queues become messages of a subscription. See "What
 * comes" in kafka_peer.h. */
#include <stdio.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/kafka/kafka_message.h"
#include "front/peer_kafka/kafka_read.h"

#define KAFKA_BEAT_NS (60 * RI_SEC) /* how often the queue of a member is polled at least */
#define KAFKA_LEAVING_NS (20 * RI_MS) /* ... and who leaves its group, or lacks memory */
#define KAFKA_TAKEN_NS (200 * RI_MS)  /* ... and a queue without acks */
enum {
    KAFKA_ROUNDS = 16,      /* takes of one reader before the next one's turn */
    KAFKA_AHEAD = 4,        /* records before whose turn the next one's data are fetched */
    KAFKA_LOAN = 256 << 10, /* bytes that one read lends, unless a single record has more */
};

/* ---- Live messages: there are none ---- */

int ri_kafka_read_subscribe(rill_bus *bus, ri_subscription *core)
{
    if (core != &bus->inbox && ri_container_of(core, rill_sub, core)->consumer) return RILL_OK;
    return ri_err(RILL_ENOTSUP, "Kafka has no live messages and no answers: rill_tail() reads a "
                  "topic, and with from = RILL_FROM_NEW what comes from now on");
}

void ri_kafka_read_unsubscribe(rill_bus *bus, ri_subscription *core)
{
    (void)bus;
    (void)core;
}

/* ---- A reader ---- */

ri_kafka_reader *ri_kafka_read_new(ri_kafka_peer *peer, const char *stream)
{
    ri_kafka_reader *reader = ri_new(&peer->bus.host, ri_kafka_reader);
    if (!reader) return NULL;
    reader->peer = peer;
    ri_list_init(&reader->link);
    ri_buffer_init(&reader->text, &peer->bus.host);
    ri_buffer_init(&reader->wire, &peer->bus.host);
    snprintf(reader->stream, sizeof reader->stream, "%s", stream);
    reader->stream_len = (uint32_t)strlen(reader->stream);
    return reader;
}

void ri_kafka_read_add(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    reader->number = ++peer->nreaders;
    if (!reader->member)
        snprintf(reader->name, sizeof reader->name, "~reader %u", reader->number);
    ri_list_push(&peer->readers, &reader->link);
}

ri_kafka_reader *ri_kafka_read_find(ri_kafka_peer *peer, uint32_t number)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    ri_list_each (link, &peer->readers) {
        ri_kafka_reader *reader = ri_container_of(link, ri_kafka_reader, link);
        if (reader->number == number) return reader;
    }
    return NULL;
}

ri_kafka_reader *ri_kafka_read_named(ri_kafka_peer *peer, const char *stream, const char *name,
                                     const ri_kafka_reader *after)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    const ri_list *link = after ? &after->link : &peer->readers;
    for (link = link->next; link != &peer->readers; link = link->next) {
        ri_kafka_reader *reader = ri_container_of(link, ri_kafka_reader, link);
        bool same = strcmp(reader->name, name) == 0 && strcmp(reader->stream, stream) == 0;
        if (same && !reader->leaving) return reader;
    }
    return NULL;
}

ri_kafka_place *ri_kafka_read_place(ri_kafka_reader *reader, int32_t partition)
{
    for (uint32_t i = 0; i < reader->nplaces; i++)
        if (reader->places[i].partition == partition) return &reader->places[i];
    return NULL;
}

ri_kafka_place *ri_kafka_read_place_add(ri_kafka_reader *reader, int32_t partition)
{
    RI_ASSERT(reader->nplaces <= reader->cap_places);
    int rc = ri_array_reserve(&reader->peer->bus.host, &reader->places, &reader->cap_places,
                              reader->nplaces + 1, sizeof *reader->places);
    if (rc < 0) return NULL;
    ri_kafka_place *place = &reader->places[reader->nplaces++];
    *place = (ri_kafka_place){.partition = partition, .floor = -1, .committed = -1};
    place->epoch = place->first_epoch = ++reader->epochs;
    return place;
}

void ri_kafka_read_places_clear(ri_kafka_reader *reader)
{
    const ri_host *host = &reader->peer->bus.host;
    for (uint32_t i = 0; i < reader->nplaces; i++) {
        ri_kafka_place *place = &reader->places[i];
        if (place->queue) reader->peer->lib.queue_destroy(place->queue);
        ri_free(host, place->row, place->cap * sizeof *place->row);
    }
    reader->nplaces = 0;
}

static void kafka_drop_held(ri_kafka_reader *reader)
{
    while (reader->held_first < reader->held_end)
        reader->peer->lib.message_destroy(reader->held[reader->held_first++]);
    reader->held_first = reader->held_end = 0;
}

void ri_kafka_read_free(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    const ri_kafka_lib *lib = &peer->lib;
    RI_ASSERT(!ri_list_linked(&reader->link));
    kafka_drop_held(reader);
    if (reader->topic)
        for (uint32_t i = 0; i < reader->nplaces; i++)
            lib->consume_stop(reader->topic, reader->places[i].partition);
    ri_kafka_read_places_clear(reader);
    ri_free(&peer->bus.host, reader->places, reader->cap_places * sizeof *reader->places);
    if (reader->topic) lib->topic_destroy(reader->topic);
    if (reader->queue) lib->queue_destroy(reader->queue);
    if (reader->commit_queue) lib->queue_destroy(reader->commit_queue);
    if (reader->given) lib->topic_partition_list_destroy(reader->given);
    if (reader->leave_queue) lib->queue_destroy(reader->leave_queue);
    if (reader->rk) lib->destroy_flags(reader->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    ri_buffer_fini(&reader->text);
    ri_buffer_fini(&reader->wire);
    ri_delete(&peer->bus.host, reader);
}

/* ---- What the handle wants: inside the gate ---- */

static ri_kafka_reader *kafka_reader_of(rill_sub *sub)
{
    ri_kafka_reader *reader = ri_kafka_read_find(ri_kafka_peer_of(sub->bus),
                                                 sub->consumer->reader);
    if (reader && !reader->sub && !reader->leaving) reader->sub = sub;
    return reader;
}

static void kafka_leave(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    RI_ASSERT(!reader->leaving);
    ri_kafka_group_taken(reader);
    reader->sub = NULL;
    reader->leaving = true;
    reader->leave_ns = ri_ns_add(ri_mono_ns(&peer->bus.host), RI_KAFKA_LEAVE_NS);
    ri_kafka_peer_call(peer);
}

int ri_kafka_read_more(rill_sub *sub, uint32_t n)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_kafka_reader *reader = kafka_reader_of(sub);
    if (!reader || reader->gone) return ri_err(RILL_ECLOSED, "the topic is gone");
    reader->credit = RI_MIN(reader->credit + n, RI_KAFKA_WINDOW);
    ri_kafka_peer_call(reader->peer);
    return RILL_OK;
}

void ri_kafka_read_enough(rill_sub *sub)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_kafka_reader *reader = kafka_reader_of(sub);
    RI_ASSERT(!reader || reader->sub == sub);
    if (reader) reader->credit = 0;
}

void ri_kafka_read_leave(rill_sub *sub)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_kafka_reader *reader = kafka_reader_of(sub);
    if (reader && !reader->leaving) kafka_leave(reader);
}

/* ---- A record as a message ---- */

static inline void kafka_view(ri_bus_msg *view, const ri_kafka_mark *mark, const char *key)
{
    view->m.stream = view->m.subject;
    view->m.seq = ri_kafka_seq_of(mark->offset);
    view->m.partition = mark->partition;
    view->m.deliveries = 1;
    view->m.pending = mark->pending;
    view->m.time_ns = mark->time_ns;
    if (mark->key_len != UINT32_MAX) view->m.key = (ri_str){key, mark->key_len};
    if (view->headers.len && ri_bus_msg_is_deletion(view->headers))
        view->m.flags |= RILL_MSG_DELETED;
}

bool ri_kafka_read_view(ri_bus_msg *view)
{
    ri_kafka_mark mark;
    ri_str reply = view->m.reply;
    if (reply.len < sizeof mark || memcmp(reply.ptr, "$KAF", 4) != 0) return false;
    memcpy(&mark, reply.ptr, sizeof mark);
    view->m.reply = (ri_str){"", 0};
    view->ack = reply;
    kafka_view(view, &mark, reply.ptr + sizeof mark);
    return true;
}

/* Its headers in the form that they have in a batch, into `wire`. */
static int kafka_wire(ri_kafka_peer *peer, const rd_kafka_message_t *from, ri_buffer *wire,
                      ri_kafka_record *record)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len;
    if (peer->lib.message_headers(from, &headers)) return RILL_OK;
    for (size_t i = 0; !peer->lib.header_get_all(headers, i, &name, &value, &len); i++) {
        ri_kafka_headers_put(wire, ri_str_of(name), (ri_str){value, value ? len : 0});
        record->nheaders++;
    }
    record->headers = ri_buffer_str(wire);
    return wire->failed ? RILL_ENOMEM : RILL_OK;
}

/* All of it but what kafka_mark() makes. It points into `text` and the record. `bare`: its headers
 * are not wanted, and then a deletion still says in one that it is that. */
static int kafka_message(ri_kafka_peer *peer, ri_str topic, const rd_kafka_message_t *from,
                         bool bare, ri_buffer *text, ri_buffer *wire, ri_message *out)
{
    rd_kafka_timestamp_type_t type;
    int64_t time_ms = peer->lib.message_timestamp(from, &type);
    ri_kafka_record record = {
        .offset = from->offset, .timestamp_ms = time_ms,
        .key = {from->key, from->key ? from->key_len : 0},
        .value = {from->payload, from->payload ? from->len : 0},
    };
    ri_kafka_names names = {.prefix = topic};
    ri_kafka_message message;
    ri_buffer_reset(wire);
    int rc = bare ? RILL_OK : kafka_wire(peer, from, wire, &record);
    if (rc == RILL_OK) rc = ri_kafka_message_read(&names, &record, text, &message);
    if (rc < 0) return rc;
    *out = (ri_message){.subject = message.subject, .headers = message.headers,
                        .data = message.data};
    return RILL_OK;
}

/* Is it nothing but its value, and its key? To ask librdkafka for headers costs an allocation. */
static inline bool kafka_is_plain(ri_kafka_peer *peer, const rd_kafka_message_t *record, bool bare)
{
    rd_kafka_headers_t *headers;
    if (!record->payload) return false;
    return bare || (!record->key && peer->lib.message_headers(record, &headers));
}

/* Of no reader: that is for the caller to add. */
static ri_kafka_mark kafka_mark(ri_kafka_peer *peer, const rd_kafka_message_t *from)
{
    rd_kafka_timestamp_type_t type;
    int64_t time_ms = peer->lib.message_timestamp(from, &type);
    return (ri_kafka_mark){
        .sign = {'$', 'K', 'A', 'F'}, .partition = (uint32_t)from->partition,
        .key_len = from->key ? (uint32_t)from->key_len : UINT32_MAX, .offset = from->offset,
        .time_ns = time_ms > 0 ? ri_ns_of_ms(time_ms) : 0,
    };
}

static int kafka_mark_key(const ri_kafka_mark *mark, const rd_kafka_message_t *from,
                          ri_buffer *text)
{
    ri_buffer_reset(text);
    ri_buffer_put(text, mark, sizeof *mark);
    if (from->key) ri_buffer_put(text, from->key, from->key_len);
    return text->failed ? RILL_ENOMEM : RILL_OK;
}

int ri_kafka_read_own(ri_kafka_peer *peer, const rd_kafka_message_t *record, rill_msg **m)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    ri_buffer text, mark;
    ri_message message;
    ri_buffer_init(&text, &peer->bus.host);
    ri_buffer_init(&mark, &peer->bus.host);
    ri_str topic = ri_str_of(peer->lib.topic_name(record->rkt));
    int rc = kafka_message(peer, topic, record, false, &text, &peer->wire, &message);
    ri_kafka_mark place = kafka_mark(peer, record);
    if (rc == RILL_OK) rc = kafka_mark_key(&place, record, &mark);
    message.reply = ri_buffer_str(&mark);
    ri_packet *packet = rc == RILL_OK ? ri_packet_new(peer->bus.broker->router.pool, &message, 0)
                                      : NULL;
    *m = packet ? ri_bus_msg_own(&peer->bus, packet) : NULL;
    ri_buffer_fini(&text);
    ri_buffer_fini(&mark);
    return *m ? RILL_OK : RILL_ENOMEM;
}

/* ---- Delivery: by who turns ---- */

static uint64_t kafka_pending(ri_kafka_reader *reader, const rd_kafka_message_t *record)
{
    int64_t low = 0, high = 0;
    const ri_kafka_lib *lib = &reader->peer->lib;
    if (lib->get_watermark_offsets(reader->rk, reader->stream, record->partition, &low, &high))
        return 0;
    return high > record->offset ? (uint64_t)(high - record->offset - 1) : 0;
}

typedef enum kafka_given {
    KAFKA_GIVEN,
    KAFKA_NO_ROOM,   /* the handle asks again when it has some */
    KAFKA_NO_MEMORY, /* it is tried again */
} kafka_given;

/* Inside the gate. */
static kafka_given kafka_give(ri_kafka_reader *reader, const ri_kafka_place *place,
                              const rd_kafka_message_t *record)
{
    ri_kafka_peer *peer = reader->peer;
    rill_bus *bus = &peer->bus;
    RI_ASSERT(ri_kafka_peer_is_entered(peer) && reader->sub && !record->err);
    ri_message m = {.subject = ri_str_of(reader->stream),
                    .data = {record->payload, record->len}};
    bool bare = reader->sub->no_headers, plain = kafka_is_plain(peer, record, bare);
    ri_kafka_mark mark = kafka_mark(peer, record);
    mark.reader = reader->number;
    mark.pending = reader->pending;
    mark.epoch = place->epoch;
    m.reply = (ri_str){(const char *)&mark, sizeof mark};
    if (!plain && kafka_message(peer, m.subject, record, bare, &peer->text, &peer->wire, &m) < 0)
        return KAFKA_NO_MEMORY;
    if (record->key && kafka_mark_key(&mark, record, &peer->mark) < 0) return KAFKA_NO_MEMORY;
    if (record->key) m.reply = ri_buffer_str(&peer->mark);
    ri_publish p = {.m = &m};
    ri_delivery d = {.router = &bus->broker->router, .from = &bus->party, .m = &m, .p = &p,
                     .time_ns = 1};
    bool taken = bus->party.ops->deliver(&bus->party, &reader->sub->core, &d);
    bool no_memory = !taken && d.no_memory;
    if (d.packet) ri_packet_take_back(bus->broker->router.pool, d.packet);
    bus->party.out_msgs += taken;
    bus->party.out_bytes += taken ? record->len : 0;
    return taken ? KAFKA_GIVEN : no_memory ? KAFKA_NO_MEMORY : KAFKA_NO_ROOM;
}

/* Inside the gate: a fault that came in place of a record. */
static void kafka_take_error(ri_kafka_reader *reader, const rd_kafka_message_t *record)
{
    int rc = ri_kafka_lib_err(&reader->peer->lib, record->err, "read %s", reader->stream);
    if (rc == RILL_ECONN) return;
    ri_kafka_peer_event(reader->peer, RILL_EV_ERROR, rc);
    if (rc != RILL_ENOENT) return;
    reader->gone = true;
    if (reader->sub) ri_bus_sub_end(reader->sub);
}

/* Inside the gate: a record from before what was read last. The topic was deleted and made anew,
 * or a broker has lost its end: what comes now has not been read yet. */
static void kafka_began_anew(ri_kafka_reader *reader, ri_kafka_place *place, int64_t offset)
{
    int rc = ri_err(RILL_ENOENT, "partition %d of %s was made anew, or has lost its end: it is "
                    "read on from number %llu", place->partition, reader->stream,
                    (unsigned long long)ri_kafka_seq_of(offset));
    ri_kafka_peer_event(reader->peer, RILL_EV_ERROR, rc);
    ri_kafka_group_place_moved(reader, place, offset);
    place->next = offset;
}

/* Inside the gate: may it be delivered? `kept`: room for it is needed in the row. */
static bool kafka_has_room(ri_kafka_reader *reader, ri_kafka_place *place, bool kept)
{
    if (reader->acks && reader->unsettled >= reader->unsettled_max) return false;
    return !kept || ri_kafka_group_has_room(reader, place);
}

/* Inside the gate: what is held first; false: it stays where it is. */
static bool kafka_pass(ri_kafka_reader *reader)
{
    const rd_kafka_message_t *record = reader->held[reader->held_first];
    RI_ASSERT(reader->credit > 0 && reader->held_first < reader->held_end);
    if (record->err) {
        kafka_take_error(reader, record);
        return true;
    }
    ri_kafka_place *place = ri_kafka_read_place(reader, record->partition);
    if (!place) return true; /* not ours any more */
    if (record->offset < place->seen) kafka_began_anew(reader, place, record->offset);
    bool early = record->offset < place->next, kept = reader->member || reader->acks;
    if (!early && !kafka_has_room(reader, place, kept)) return false;
    kafka_given given = early ? KAFKA_GIVEN : kafka_give(reader, place, record);
    if (given == KAFKA_NO_ROOM) reader->credit = 0; /* the handle asks again when it has room */
    if (given != KAFKA_GIVEN) return false;
    place->seen = record->offset + 1;
    if (early) return true;
    reader->credit--;
    reader->pending -= reader->pending > 0;
    atomic_store_explicit(&place->next, record->offset + 1, memory_order_relaxed);
    if (kept) ri_kafka_group_delivered(reader, place, record->offset);
    return true;
}

/* Outside the gate. How many more are wanted; those that are held went first. */
static uint32_t kafka_pass_all(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    uint32_t from = reader->held_first;
    if (from < reader->held_end && !reader->held[from]->err)
        reader->pending = kafka_pending(reader, reader->held[from]);
    ri_broker_enter(peer->bus.broker);
    bool stale = reader->held_epoch != reader->epoch || reader->leaving;
    if (stale) reader->held_first = reader->held_end;
    bool stops = reader->seeking || !reader->sub || reader->leaving || reader->gone;
    while (!stops && reader->credit && reader->held_first < reader->held_end &&
           kafka_pass(reader)) reader->held_first++;
    uint32_t wanted = stops || (reader->acks && reader->unsettled >= reader->unsettled_max)
                          ? 0 : reader->credit;
    uint64_t epoch = reader->epoch;
    reader->taking = wanted > 0 && reader->held_first == reader->held_end;
    ri_broker_leave(peer->bus.broker);
    while (from < reader->held_first) peer->lib.message_destroy(reader->held[from++]);
    if (reader->held_first < reader->held_end) return 0;
    reader->held_first = reader->held_end = 0;
    reader->held_epoch = epoch;
    return wanted;
}

/* librdkafka up to 2.1, which has once found a queue full, looks at it again when its broker's
 * thread wakes, which is up to a second later, though the reader empties it in ten milliseconds.
 * That thread wakes by a seek, to where the reader is, for which the queue has to be empty. A queue
 * that was not as full as it seemed loses the fetch that is under way, which is made again. */
static void kafka_wake(ri_kafka_reader *reader, uint32_t first, uint32_t end)
{
    const ri_kafka_lib *lib = &reader->peer->lib;
    rd_kafka_topic_partition_list_t *list = lib->topic_partition_list_new((int)(end - first));
    if (!list) return;
    for (uint32_t i = first; i < end; i++)
        lib->topic_partition_list_add(list, reader->stream, reader->places[i].partition)->offset =
            reader->places[i].seen;
    reader->places[first].filled = false;
    rd_kafka_error_t *error = lib->seek_partitions(reader->rk, list, 0);
    if (error) lib->error_destroy(error);
    lib->topic_partition_list_destroy(list);
}

/* Nobody else takes from the queue: what fills it is seen here before it is taken out. */
static void kafka_look(ri_kafka_reader *reader, rd_kafka_queue_t *queue, bool *filled)
{
    uint64_t n = reader->peer->lib.queue_length(queue);
    *filled = *filled || n >= reader->full_msgs ||
              ri_u64_mul(n, reader->record_bytes) >= reader->full_bytes / 2;
}

static uint32_t kafka_take(ri_kafka_reader *reader, rd_kafka_queue_t *queue, uint32_t most,
                           bool *filled)
{
    RI_ASSERT(reader->taking && reader->held_first == 0);
    if (reader->full_msgs) kafka_look(reader, queue, filled);
    most = RI_MIN(most, RI_KAFKA_TAKE - reader->held_end);
    ssize_t n = reader->peer->lib.consume_batch_queue(queue, 0, reader->held + reader->held_end,
                                                      most);
    if (n <= 0) return 0;
    reader->held_end += (uint32_t)n;
    const rd_kafka_message_t *last = reader->held[reader->held_end - 1];
    reader->record_bytes = last->err ? 0 : last->len + last->key_len;
    return (uint32_t)n;
}

/* Of a reader that has all its partitions by one queue. */
static uint32_t kafka_take_alone(ri_kafka_reader *reader, uint32_t most)
{
    bool *filled = &reader->places[0].filled;
    RI_ASSERT(reader->nplaces > 0);
    uint32_t n = kafka_take(reader, reader->queue, most, filled);
    if (n == 0 && *filled) kafka_wake(reader, 0, reader->nplaces);
    return n;
}

static uint32_t kafka_take_any(ri_kafka_reader *reader, uint32_t most)
{
    if (!reader->member) return kafka_take_alone(reader, most);
    uint32_t n = 0;
    for (uint32_t i = 0; i < reader->nplaces && n < most; i++) { /* each in turn is the first */
        uint32_t at = (reader->turns + i) % reader->nplaces;
        ri_kafka_place *place = &reader->places[at];
        uint32_t took = kafka_take(reader, place->queue, most - n, &place->filled);
        if (took == 0 && place->filled) kafka_wake(reader, at, at + 1);
        n += took;
    }
    reader->turns++;
    return n;
}

/* A member's rebalances are served by the look into their queue; all else there is a fault, or a
 * record that has lost its way, to which its partition goes back. */
static void kafka_member_turn(ri_kafka_reader *reader)
{
    rd_kafka_message_t *found[16];
    ri_kafka_peer *peer = reader->peer;
    ssize_t n;
    while ((n = peer->lib.consume_batch_queue(reader->queue, 0, found, RI_LEN(found))) > 0) {
        ri_broker_enter(peer->bus.broker);
        for (ssize_t i = 0; i < n; i++)
            if (found[i]->err) kafka_take_error(reader, found[i]);
        ri_broker_leave(peer->bus.broker);
        for (ssize_t i = 0; i < n; i++) {
            if (!found[i]->err) ri_kafka_group_back(reader, found[i]->partition, found[i]->offset);
            peer->lib.message_destroy(found[i]);
        }
    }
    ri_kafka_group_assign(reader);
    ri_kafka_group_commit(reader);
}

/* ---- Pulled: by the thread that reads ---- */

/* What is taken out of librdkafka's queue becomes views in one go. The bytes of a message lie as
 * those of a packet: subject 0 key 0 headers data 0. */
typedef struct kafka_pulling {
    ri_kafka_reader *reader;
    rill_sub *sub;
    ri_bus_msg *views;
    uint32_t n, max;
    uint64_t bytes;  /* of data */
    bool no_memory;
} kafka_pulling;

/* Of a subscription that has ended what its program still reads is what waited when it read first
 * after that: librdkafka fetches on. */
static bool kafka_pull_is_over(ri_kafka_reader *reader)
{
    if (!reader->sub->ended) return false;
    if (atomic_load(&reader->peer->bus.closed)) return true;
    if (!reader->ending)
        reader->rest = reader->peer->lib.queue_length(reader->queue) +
                       (reader->held_end - reader->held_first);
    reader->ending = true;
    return reader->rest == 0;
}

/* Outside the gate; NULL: nothing may be taken now. Whoever seeks waits until it is. */
static ri_kafka_reader *kafka_pull_begin(rill_sub *sub)
{
    ri_broker *broker = sub->bus->broker;
    ri_broker_enter(broker);
    ri_kafka_reader *reader = kafka_reader_of(sub);
    bool stops = !reader || reader->seeking || reader->leaving || kafka_pull_is_over(reader);
    if (!stops) reader->taking = true;
    bool stale = !stops && reader->held_epoch != reader->epoch;
    if (stale) reader->held_epoch = reader->epoch;
    ri_broker_leave(broker);
    if (stale) reader->rest -= RI_MIN(reader->rest, reader->held_end - reader->held_first);
    if (stale) kafka_drop_held(reader);
    return stops ? NULL : reader;
}

/* Behind it the reader may be gone. */
static void kafka_pull_end(const kafka_pulling *p)
{
    ri_kafka_reader *reader = p->reader;
    ri_kafka_peer *peer = reader->peer;
    ri_broker_enter(peer->bus.broker);
    p->sub->offered_msgs += p->n;
    peer->bus.party.out_msgs += p->n;
    peer->bus.party.out_bytes += p->bytes;
    reader->taking = false;
    if (reader->leaving || reader->seeking) ri_kafka_peer_call(peer);
    ri_broker_leave(peer->bus.broker);
}

/* A place for a message of so many bytes behind those that are lent; NULL: there is none. */
static char *kafka_pull_room(kafka_pulling *p, size_t size)
{
    ri_buffer *loan = &p->sub->consumer->loan;
    size_t most = (size_t)RI_MIN(p->sub->pending_bytes_max, (uint64_t)KAFKA_LOAN);
    if (p->n > 0) return size <= most && loan->len <= most - size ? loan->ptr + loan->len : NULL;
    if (loan->cap > KAFKA_LOAN && size <= KAFKA_LOAN) ri_buffer_fini(loan);
    ri_buffer_reset(loan);
    char *room = ri_buffer_room(loan, RI_MAX(size, most));
    p->no_memory = !room;
    return room;
}

static inline char *kafka_put_text(char *at, ri_str text)
{
    if (text.len) memcpy(at, text.ptr, text.len);
    return at + text.len;
}

/* Its bytes, and a view of them; false: there is no room for it in this read. */
static inline bool kafka_lend(kafka_pulling *p, const ri_message *m, const ri_kafka_mark *mark,
                              ri_str key)
{
    size_t size = m->subject.len + 1 + key.len + 1 + m->headers.len + m->data.len + 1;
    char *subject = kafka_pull_room(p, size);
    if (!subject) return false;
    ri_bus_msg *view = &p->views[p->n];
    char *name = kafka_put_text(subject, m->subject) + 1;
    name[-1] = 0;
    char *headers = kafka_put_text(name, key) + 1;
    headers[-1] = 0;
    char *data = kafka_put_text(headers, m->headers);
    *kafka_put_text(data, m->data) = 0;
    ri_buffer_added(&p->sub->consumer->loan, size);
    view->m.subject = (ri_str){subject, m->subject.len};
    view->m.reply = (ri_str){"", 0};
    view->m.data = (ri_str){data, m->data.len};
    view->headers = (ri_str){headers, m->headers.len};
    view->packet = NULL;
    ri_bus_msg_view_init(view, p->sub->bus, 0);
    kafka_view(view, mark, name);
    if (p->sub->no_headers) ri_bus_msg_view_bare(view);
    p->n++;
    p->bytes += m->data.len;
    return true;
}

/* What it has besides a value is in the reader's buffers. It is not to be settled: without acks it
 * needs no name. */
static bool kafka_pull_message(kafka_pulling *p, const rd_kafka_message_t *record)
{
    ri_kafka_reader *reader = p->reader;
    ri_message m = {.subject = {reader->stream, reader->stream_len},
                    .data = {record->payload, record->len}};
    bool bare = p->sub->no_headers, plain = kafka_is_plain(reader->peer, record, bare);
    if (!plain && kafka_message(reader->peer, m.subject, record, bare, &reader->text,
                                &reader->wire, &m) < 0) {
        p->no_memory = true;
        return false;
    }
    ri_kafka_mark mark = kafka_mark(reader->peer, record);
    mark.pending = reader->pending;
    return kafka_lend(p, &m, &mark, (ri_str){record->key, record->key ? record->key_len : 0});
}

/* Something that happens seldom, and is the gate's. */
static void kafka_pull_fault(ri_kafka_reader *reader, ri_kafka_place *place,
                             const rd_kafka_message_t *record)
{
    ri_broker_enter(reader->peer->bus.broker);
    if (record->err) kafka_take_error(reader, record);
    else kafka_began_anew(reader, place, record->offset);
    ri_broker_leave(reader->peer->bus.broker);
}

/* What is held first; false: it stays there. */
static bool kafka_pull_one(kafka_pulling *p, const rd_kafka_message_t *record)
{
    ri_kafka_reader *reader = p->reader;
    if (ri_unlikely(record->err)) {
        kafka_pull_fault(reader, NULL, record);
        return true;
    }
    ri_kafka_place *place = ri_kafka_read_place(reader, record->partition);
    if (!place) return true;
    if (ri_unlikely(record->offset < place->seen)) kafka_pull_fault(reader, place, record);
    bool early = record->offset < place->next;
    if (!early && !kafka_pull_message(p, record)) return false;
    place->seen = record->offset + 1;
    if (early) return true;
    atomic_store_explicit(&place->next, record->offset + 1, memory_order_relaxed);
    reader->pending -= reader->pending > 0;
    return true;
}

/* Something is held, or was taken just now. */
static bool kafka_pull_held(ri_kafka_reader *reader)
{
    if (reader->held_first < reader->held_end) return true;
    reader->held_first = reader->held_end = 0;
    if (kafka_take_alone(reader, RI_KAFKA_TAKE) == 0) {
        reader->rest = 0; /* what was counted beside records was no record */
        return false;
    }
    if (!reader->held[0]->err) reader->pending = kafka_pending(reader, reader->held[0]);
    return true;
}

/* librdkafka's thread has written the records, on another core: those that come next are fetched
 * in time. */
static inline void kafka_pull_ahead(const ri_kafka_reader *reader)
{
    uint32_t left = reader->held_end - reader->held_first;
    rd_kafka_message_t *const *next = reader->held + reader->held_first;
    if (left > 2 * KAFKA_AHEAD) __builtin_prefetch(next[2 * KAFKA_AHEAD], 1);
    if (left <= KAFKA_AHEAD) return;
    const char *data = next[KAFKA_AHEAD]->payload;
    __builtin_prefetch(data);
    __builtin_prefetch(data + 64);
}

int ri_kafka_read_pull(rill_sub *sub, ri_bus_msg *views, uint32_t max)
{
    ri_kafka_reader *reader = kafka_pull_begin(sub);
    if (!reader) return 0;
    RI_ASSERT(reader->pulled && reader->taking);
    kafka_pulling p = {.reader = reader, .sub = sub, .views = views, .max = max};
    while (p.n < max && (!reader->ending || reader->rest > 0) && kafka_pull_held(reader)) {
        rd_kafka_message_t *record = reader->held[reader->held_first];
        kafka_pull_ahead(reader);
        if (!kafka_pull_one(&p, record)) break;
        reader->held_first++;
        reader->rest -= reader->rest > 0;
        reader->peer->lib.message_destroy(record);
    }
    kafka_pull_end(&p);
    return p.n > 0 ? (int)p.n : p.no_memory ? RILL_ENOMEM : 0;
}

bool ri_kafka_read_pullable(rill_sub *sub)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_kafka_reader *reader = kafka_reader_of(sub);
    if (!reader || reader->seeking || reader->leaving) return false;
    if (kafka_pull_is_over(reader)) return false;
    return reader->held_first < reader->held_end || reader->peer->lib.queue_length(reader->queue);
}

/* By who turns: who reads is woken if there is something for him. */
static void kafka_pulled_turn(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    ri_broker_enter(peer->bus.broker);
    bool reads = reader->sub && !reader->seeking && !reader->leaving;
    if (reads && peer->lib.queue_length(reader->queue) > 0) ri_bus_pull_ready(reader->sub);
    ri_broker_leave(peer->bus.broker);
}

static void kafka_reader_turn(ri_kafka_reader *reader)
{
    uint32_t wanted, rounds = 0;
    if (reader->pulled) {
        kafka_pulled_turn(reader);
        return;
    }
    if (reader->member) kafka_member_turn(reader);
    while ((wanted = kafka_pass_all(reader)) > 0) {
        bool more = rounds++ < KAFKA_ROUNDS, took = more && kafka_take_any(reader, wanted) > 0;
        reader->taking = false;
        if (!more) ri_kafka_peer_call(reader->peer); /* others first */
        if (!took) return;
    }
}

/* ---- All readers ---- */

/* The one behind `reader`, NULL being before the first; and whether that one leaves. */
static ri_kafka_reader *kafka_next(ri_kafka_peer *peer, ri_kafka_reader *reader, bool *leaves)
{
    ri_broker_enter(peer->bus.broker);
    ri_list *link = reader ? reader->link.next : peer->readers.next;
    ri_kafka_reader *next = link == &peer->readers
                                ? NULL : ri_container_of(link, ri_kafka_reader, link);
    /* Who seeks in it, or reads it, knows it still. */
    *leaves = next && next->leaving && !next->seeking && !next->taking;
    ri_broker_leave(peer->bus.broker);
    return next;
}

static void kafka_end(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    RI_ASSERT(reader->leaving && !reader->sub);
    ri_broker_enter(peer->bus.broker);
    ri_list_remove(&reader->link);
    reader->dirty = 0;
    ri_kafka_send_rest(peer);
    ri_broker_leave(peer->bus.broker);
    ri_kafka_read_free(reader);
}

void ri_kafka_read_turn(ri_kafka_peer *peer)
{
    bool leaves, leaves_next;
    ri_kafka_reader *reader = kafka_next(peer, NULL, &leaves);
    while (reader) {
        if (!leaves && !reader->leaving) kafka_reader_turn(reader);
        ri_kafka_reader *next = kafka_next(peer, reader, &leaves_next);
        if (leaves && (!reader->member || ri_kafka_group_leave(reader))) kafka_end(reader);
        reader = next;
        leaves = leaves_next;
    }
}

static int64_t kafka_sooner(int64_t a_ns, int64_t b_ns) /* < 0 is never */
{
    return a_ns < 0 ? b_ns : b_ns < 0 ? a_ns : RI_MIN(a_ns, b_ns);
}

static int64_t kafka_member_due_ns(const ri_kafka_reader *reader)
{
    int64_t due_ns = kafka_sooner(KAFKA_BEAT_NS, ri_kafka_group_due_ns(reader));
    if (ri_kafka_group_waits(reader)) due_ns = kafka_sooner(due_ns, KAFKA_TAKEN_NS);
    return reader->given ? kafka_sooner(due_ns, KAFKA_LEAVING_NS) : due_ns;
}

int64_t ri_kafka_read_due_ns(ri_kafka_peer *peer)
{
    int64_t due_ns = -1;
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    ri_list_each (link, &peer->readers) {
        const ri_kafka_reader *reader = ri_container_of(link, ri_kafka_reader, link);
        bool full = reader->acks && reader->unsettled >= reader->unsettled_max;
        bool short_of = reader->credit > 0 && reader->held_first < reader->held_end && !full;
        if ((reader->member && reader->leaving) || short_of) return KAFKA_LEAVING_NS;
        if (reader->member) due_ns = kafka_sooner(due_ns, kafka_member_due_ns(reader));
    }
    return due_ns;
}

void ri_kafka_read_taken(ri_kafka_peer *peer)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    ri_list_each (link, &peer->readers)
        ri_kafka_group_taken(ri_container_of(link, ri_kafka_reader, link));
}

bool ri_kafka_read_owes(ri_kafka_peer *peer, uint64_t settles)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    ri_list_each (link, &peer->readers)
        if (ri_kafka_group_owes(ri_container_of(link, ri_kafka_reader, link), settles))
            return true;
    return false;
}

bool ri_kafka_read_shut(ri_kafka_peer *peer)
{
    bool member = false;
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    ri_list_each (link, &peer->readers) {
        ri_kafka_reader *reader = ri_container_of(link, ri_kafka_reader, link);
        member = member || reader->member;
        if (!reader->leaving) kafka_leave(reader);
    }
    return member;
}

/* Nobody turns any more, and nobody asks. */
void ri_kafka_read_fini(ri_kafka_peer *peer)
{
    ri_list_each (link, &peer->readers) {
        ri_kafka_reader *reader = ri_container_of(link, ri_kafka_reader, link);
        RI_ASSERT(reader->leaving && !reader->seeking);
        while (reader->member && !ri_kafka_group_leave(reader)) {
            uint32_t seen = ri_park_count(&peer->work);
            ri_park_wait(&peer->work, seen, KAFKA_LEAVING_NS);
        }
        kafka_end(reader);
    }
}
