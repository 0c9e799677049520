/* SPDX-License-Identifier: Apache-2.0 */
/* What goes out: messages become records, which librdkafka carries, and its reports become
 * receipts. See "What goes out" in kafka_peer.h. */
#include <stdio.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/kafka/kafka_message.h"
#include "codec/nats/headers.h"
#include "front/peer_kafka/kafka_read.h"

enum {
    KAFKA_ROOM_MS = 5,       /* how often who waits for room looks for it by himself */
    KAFKA_SPARE_MAX = 65536, /* ri_kafka_sent that are kept for the next appends */
    KAFKA_STAGED_ONE = 4096, /* bytes of a record that is put on the stage */
    KAFKA_STAYS = 16,        /* gifts to librdkafka for one partition, before the next one's turn */
    KAFKA_ASKED = 64,        /* of so many gifts one is without a partition */
    KAFKA_COUNT_BITS = 32,   /* of peer->partitions, below those of the hash */
};

static void kafka_lose(ri_kafka_peer *peer, void *opaque, int rc);

/* ---- Topics ---- */

/* Inside the gate, with nothing on the stage: a handle of the topic, which is kept until another
 * one takes its place; NULL, with *rc: there is none. */
static rd_kafka_topic_t *kafka_topic(ri_kafka_peer *peer, ri_str name, int *rc)
{
    char text[RI_KAFKA_TOPIC_MAX + 1];
    RI_ASSERT(ri_kafka_peer_is_entered(peer) && (!peer->stage || peer->stage->n == 0));
    if (name.len > RI_KAFKA_TOPIC_MAX) {
        *rc = ri_err(RILL_ENOREPLY, "a topic's name has at most %d bytes", RI_KAFKA_TOPIC_MAX);
        return NULL;
    }
    rd_kafka_topic_t **slot = &peer->topics[ri_hash(name) % RI_KAFKA_TOPICS];
    if (*slot && ri_str_is(name, peer->lib.topic_name(*slot))) return *slot;
    snprintf(text, sizeof text, "%.*s", RI_ARG(name));
    rd_kafka_topic_t *topic = peer->lib.topic_new(peer->rk, text, NULL);
    if (!topic) {
        *rc = ri_err_nomem(0);
        return NULL;
    }
    if (*slot) peer->lib.topic_destroy(*slot);
    return *slot = topic;
}

/* ---- Partitions ---- */

int32_t ri_kafka_send_partition(const rd_kafka_topic_t *topic, const void *key, size_t key_len,
                                int32_t n, void *opaque, void *sent)
{
    ri_kafka_peer *peer = opaque;
    const ri_kafka_lib *lib = &peer->lib;
    RI_ASSERT(n > 0);
    uint64_t hash = ri_hash(ri_str_of(lib->topic_name(topic)));
    uint64_t whose = hash >> KAFKA_COUNT_BITS << KAFKA_COUNT_BITS;
    atomic_store_explicit(&peer->partitions[hash % RI_KAFKA_TOPICS], whose | (uint32_t)n,
                          memory_order_relaxed);
    uint32_t gifts = atomic_load_explicit(&peer->gifts, memory_order_relaxed);
    int32_t at = (int32_t)(gifts / KAFKA_STAYS % (uint32_t)n);
    if (!key && lib->topic_partition_available(topic, at)) return at;
    return lib->msg_partitioner_murmur2_random(topic, key, key_len, n, NULL, sent);
}

/* Inside the gate: the partition of one more gift without keys. */
static int32_t kafka_pick(ri_kafka_peer *peer, ri_str topic)
{
    uint32_t gifts = atomic_fetch_add_explicit(&peer->gifts, 1, memory_order_relaxed) + 1;
    if (!peer->picks || gifts % KAFKA_ASKED == 0) return RD_KAFKA_PARTITION_UA;
    uint64_t hash = ri_hash(topic);
    uint64_t known = atomic_load_explicit(&peer->partitions[hash % RI_KAFKA_TOPICS],
                                          memory_order_relaxed);
    uint32_t n = (uint32_t)known;
    if (n == 0 || known >> KAFKA_COUNT_BITS != hash >> KAFKA_COUNT_BITS)
        return RD_KAFKA_PARTITION_UA;
    return (int32_t)(gifts / KAFKA_STAYS % n);
}

/* ---- The stage ---- */

/* Inside the gate: records have ended, for which producers and flushes may wait. */
static void kafka_notify_waiters(ri_kafka_peer *peer)
{
    if (peer->room_wanted) ri_park_signal(&peer->bus.broker->room);
    ri_kafka_send_rest(peer);
}

/* Inside the gate: what librdkafka has said of those that it was given; false: it was full. */
static bool kafka_stage_given(ri_kafka_peer *peer)
{
    ri_kafka_staging *stage = peer->stage;
    bool lost = false, full = false;
    for (; stage->first < stage->n; stage->first++) {
        const rd_kafka_message_t *one = &stage->records[stage->first];
        if ((full = one->err == RD_KAFKA_RESP_ERR__QUEUE_FULL)) break;
        if (!one->err) continue;
        int rc = ri_kafka_lib_err(&peer->lib, one->err, "append to %.*s", RI_ARG(stage->name));
        kafka_lose(peer, one->_private, rc == RILL_ENOENT ? RILL_ENOREPLY : rc);
        lost = true;
    }
    if (lost) kafka_notify_waiters(peer);
    if (full) return false;
    stage->first = stage->n = 0;
    stage->used = 0;
    return true;
}

static void kafka_stage_give(ri_kafka_peer *peer, int32_t partition)
{
    ri_kafka_staging *stage = peer->stage;
    peer->lib.produce_batch(stage->topic, partition, RD_KAFKA_MSG_F_COPY,
                            stage->records + stage->first, (int)(stage->n - stage->first));
}

/* Inside the gate: is the stage empty now? */
static bool kafka_stage_clear(ri_kafka_peer *peer)
{
    ri_kafka_staging *stage = peer->stage;
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    if (!stage || stage->n == 0) return true;
    RI_ASSERT(stage->first < stage->n && stage->n <= RI_KAFKA_STAGED);
    ri_bus_appends_date(&peer->bus);
    int32_t partition = kafka_pick(peer, stage->name);
    kafka_stage_give(peer, partition);
    bool gone = stage->records[stage->first].err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    if (gone && partition >= 0) { /* the topic was made anew, with less of them */
        atomic_store(&peer->partitions[ri_hash(stage->name) % RI_KAFKA_TOPICS], 0);
        kafka_stage_give(peer, RD_KAFKA_PARTITION_UA);
    }
    return kafka_stage_given(peer);
}

/* It could not be cleared. */
static int kafka_stage_full(const ri_kafka_peer *peer)
{
    RI_ASSERT(peer->stage->n > 0);
    return ri_err(RILL_EAGAIN, "append to %.*s: librdkafka has no room for more",
                  RI_ARG(peer->stage->name));
}

void ri_kafka_send_staged(ri_kafka_peer *peer)
{
    peer->stage_watched = peer->stage && peer->stage->n > 0;
    kafka_stage_clear(peer);
}

int64_t ri_kafka_send_due_ns(const ri_kafka_peer *peer)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    return peer->stage_watched ? RI_KAFKA_STAGED_NS : -1;
}

/* Inside the gate: the stage for one more record of that topic, with room for it; NULL: there is
 * none, for want of room at librdkafka (RILL_EAGAIN) or of memory. */
static ri_kafka_staging *kafka_stage_for(ri_kafka_peer *peer, ri_str name, size_t len, int *rc)
{
    ri_kafka_staging *stage = peer->stage;
    *rc = RILL_OK;
    bool fits = stage && stage->n < RI_KAFKA_STAGED &&
                len <= RI_KAFKA_STAGED_BYTES - stage->used && ri_str_eq(stage->name, name);
    if (ri_likely(fits)) return stage;
    if (!kafka_stage_clear(peer)) *rc = kafka_stage_full(peer);
    else if (!stage && !(stage = peer->stage = ri_new(&peer->bus.host, ri_kafka_staging)))
        *rc = RILL_ENOMEM;
    if (*rc < 0) return NULL;
    stage->topic = kafka_topic(peer, name, rc);
    stage->name = stage->topic ? ri_str_of(peer->lib.topic_name(stage->topic)) : RI_STR_NONE;
    return stage->topic ? stage : NULL;
}

/* Inside the gate. Who turns is called for the first of several. */
static int kafka_stage_put(ri_kafka_peer *peer, const ri_message *m, void *opaque)
{
    int rc;
    ri_kafka_staging *stage = kafka_stage_for(peer, m->subject, m->data.len, &rc);
    if (!stage) return rc;
    char *data = stage->bytes + stage->used;
    if (m->data.len) memcpy(data, m->data.ptr, m->data.len);
    stage->used += m->data.len;
    stage->records[stage->n++] = (rd_kafka_message_t){.payload = data, .len = m->data.len,
                                                      ._private = opaque};
    if (!peer->stage_watched && stage->n == 1) ri_kafka_peer_call(peer);
    return RILL_OK;
}

/* ---- A record ---- */

typedef struct kafka_refused { /* headers that ask for what no broker does */
    const char *begins, *why;
} kafka_refused;

static const kafka_refused kafka_refusals[] = {
    {"Nats-Msg-Id", "msg_id: Kafka keeps no window of ids"},
    {"Nats-Expected-", "expect_last_seq: Kafka compares nothing before it stores"},
    {"Nats-TTL", "ttl_ms: Kafka ends records by the age that their topic has, max_age_ms"},
    {"Nats-Schedule", "schedules: Kafka stores a record when it comes"},
    {"Nats-Rollup", "rollups: Kafka removes from the front of a topic, or by compact"},
};

static int kafka_check_headers(ri_str block)
{
    rill_header h;
    while (ri_headers_next(&block, &h))
        for (size_t i = 0; i < RI_LEN(kafka_refusals); i++)
            if (ri_str_starts(h.name, ri_str_of(kafka_refusals[i].begins)))
                return ri_err(RILL_ENOTSUP, "%s", kafka_refusals[i].why);
    return RILL_OK;
}

static rd_kafka_headers_t *kafka_headers(ri_kafka_peer *peer, const ri_kafka_record *record)
{
    rd_kafka_headers_t *headers = peer->lib.headers_new((size_t)record->nheaders);
    ri_str rest = record->headers, name, value;
    while (headers && ri_kafka_headers_next(&rest, &name, &value) == 1)
        if (peer->lib.header_add(headers, name.ptr, (ssize_t)name.len, value.ptr,
                                 (ssize_t)value.len)) {
            peer->lib.headers_destroy(headers);
            headers = NULL;
        }
    return headers;
}

/* What librdkafka says when it does not take a message, or has not delivered it. */
static int kafka_not_taken(ri_kafka_peer *peer, rd_kafka_resp_err_t err, rd_kafka_topic_t *topic)
{
    if (!err) return RILL_OK;
    int rc = ri_kafka_lib_err(&peer->lib, err, "append to %s", peer->lib.topic_name(topic));
    return rc == RILL_ENOENT ? RILL_ENOREPLY : rc;
}

static int kafka_produce_full(ri_kafka_peer *peer, rd_kafka_t *rk, rd_kafka_topic_t *topic,
                              const ri_kafka_record *record, void *opaque)
{
    rd_kafka_headers_t *headers = NULL;
    if (record->nheaders && !(headers = kafka_headers(peer, record))) return ri_err_nomem(0);
    rd_kafka_vu_t fields[7] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)record->value.ptr, record->value.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)(uintptr_t)record->key.ptr, record->key.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = peer->lib.produceva(rk, fields, headers ? 6 : 5);
    if (!error) return RILL_OK;
    rd_kafka_resp_err_t err = peer->lib.error_code(error);
    peer->lib.error_destroy(error);
    if (headers) peer->lib.headers_destroy(headers);
    return kafka_not_taken(peer, err, topic);
}

int ri_kafka_send_record(ri_kafka_peer *peer, rd_kafka_t *rk, rd_kafka_topic_t *topic,
                         const ri_message *m, void *opaque)
{
    RI_ASSERT(rk && topic);
    if (m->reply.len)
        return ri_err(RILL_ENOTSUP, "Kafka carries no answers: a message has no reply");
    if (ri_likely(m->headers.len == 0)) {
        int failed = peer->lib.produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                                       (void *)(uintptr_t)(m->data.len ? m->data.ptr : ""),
                                       m->data.len, NULL, 0, opaque);
        return failed ? kafka_not_taken(peer, peer->lib.last_error(), topic) : RILL_OK;
    }
    int rc = kafka_check_headers(m->headers);
    if (rc < 0) return rc;
    ri_buffer text;
    ri_buffer_init(&text, &peer->bus.host);
    ri_kafka_names names = {.prefix = m->subject};
    ri_kafka_message message = {m->subject, m->headers, m->data, 0};
    ri_kafka_record record;
    rc = ri_kafka_message_write(&names, &message, &text, &record);
    if (rc == RILL_EPROTO) rc = RILL_EINVAL;
    if (rc == RILL_OK) rc = kafka_produce_full(peer, rk, topic, &record, opaque);
    ri_buffer_fini(&text);
    return rc;
}

/* What librdkafka hands back with the report of a record that nobody waits for: its number, which
 * is odd then, as no address of a ri_kafka_sent is. */
static void *kafka_tag(uint64_t number)
{
    return (void *)(uintptr_t)(number << 1 | 1);
}

static uint64_t kafka_number_of(const void *opaque)
{
    uintptr_t tag = (uintptr_t)opaque;
    return tag & 1 ? tag >> 1 : ((const ri_kafka_sent *)opaque)->number;
}

/* Inside the gate: a record that is put on no stage, behind those that are there. */
static int kafka_put_now(ri_kafka_peer *peer, const ri_message *m, void *opaque)
{
    int rc = RILL_OK;
    if (!kafka_stage_clear(peer)) return kafka_stage_full(peer);
    rd_kafka_topic_t *topic = kafka_topic(peer, m->subject, &rc);
    if (!topic) return rc;
    if (peer->stage) peer->stage->name = RI_STR_NONE; /* its topic may have gone for this one */
    ri_bus_appends_date(&peer->bus);
    atomic_fetch_add_explicit(&peer->gifts, 1, memory_order_relaxed);
    return ri_kafka_send_record(peer, peer->rk, topic, m, opaque);
}

/* Inside the gate: one record, by the handle's producer; `now`: somebody waits for it. */
static int kafka_put(ri_kafka_peer *peer, const ri_message *m, ri_kafka_sent *sent, bool now)
{
    if (ri_unlikely(peer->unsent >= peer->window))
        return ri_err(RILL_EAGAIN, "%llu records are not delivered yet, and no more may be",
                      (unsigned long long)peer->unsent);
    if (sent) sent->number = peer->sent + 1;
    void *opaque = sent ? sent : kafka_tag(peer->sent + 1);
    bool plain = !now && m->headers.len == 0 && m->reply.len == 0 &&
                 m->data.len <= KAFKA_STAGED_ONE;
    int rc = ri_likely(plain) ? kafka_stage_put(peer, m, opaque) : kafka_put_now(peer, m, opaque);
    if (rc < 0) return rc;
    peer->sent++;
    peer->unsent++;
    peer->bus.party.in_msgs++;
    peer->bus.party.in_bytes += m->data.len;
    return RILL_OK;
}

/* ---- Room ---- */

/* Inside the gate, which it leaves and enters again: until something was delivered, or for a
 * little while. False: the time is up. */
static bool kafka_await_room(ri_kafka_peer *peer, int64_t until_ns)
{
    rill_bus *bus = &peer->bus;
    int64_t left_ns = ri_deadline_left_ns(&bus->host, until_ns);
    if (left_ns == 0 || peer->closing) return false;
    if (left_ns < 0 || left_ns > KAFKA_ROOM_MS * RI_MS) left_ns = KAFKA_ROOM_MS * RI_MS;
    uint32_t seen = ri_park_count(&bus->broker->room);
    peer->room_wanted++;
    ri_broker_leave(bus->broker);
    if (bus->drive == RILL_DRIVE_THREAD) ri_park_wait(&bus->broker->room, seen, left_ns);
    else ri_bus_sleep(bus, &bus->broker->room, seen, left_ns);
    ri_broker_enter(bus->broker);
    peer->room_wanted--;
    return true;
}

/* ---- Publish and append ---- */

int ri_kafka_send_publish(rill_bus *bus, const ri_message *m)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    ri_broker_enter(bus->broker);
    int64_t until_ns = 0;
    int rc = ri_bus_check(bus, m);
    while (rc == RILL_OK && (rc = kafka_put(peer, m, NULL, false)) == RILL_EAGAIN) {
        if (until_ns == 0)
            until_ns = ri_deadline_in(&bus->host, ri_timeout_ns(bus->send_timeout_ms));
        if (!kafka_await_room(peer, until_ns)) break;
        rc = ri_bus_check(bus, m);
    }
    ri_broker_leave(bus->broker);
    return rc < 0 ? rc : 1;
}

int ri_kafka_send_enter(rill_bus *bus)
{
    ri_broker_enter(bus->broker);
    if (!atomic_load(&bus->closed)) return RILL_OK;
    ri_broker_leave(bus->broker);
    return ri_err(RILL_ECLOSED, "the bus is closed");
}

static ri_kafka_sent *kafka_sent_new(ri_kafka_peer *peer, ri_js_append *append)
{
    ri_list *link = ri_list_pop(&peer->spare);
    ri_kafka_sent *sent = link ? ri_container_of(link, ri_kafka_sent, calls)
                               : ri_alloc(&peer->bus.host, sizeof *sent);
    if (!sent) return NULL;
    if (link) peer->nspare--;
    ri_list_init(&sent->calls);
    sent->append = append;
    return sent;
}

static void kafka_sent_free(ri_kafka_peer *peer, ri_kafka_sent *sent)
{
    RI_ASSERT(ri_list_empty(&sent->calls));
    if (peer->nspare >= KAFKA_SPARE_MAX) {
        ri_delete(&peer->bus.host, sent);
        return;
    }
    ri_list_init(&sent->calls);
    ri_list_push(&peer->spare, &sent->calls);
    peer->nspare++;
}

/* What a broker promises is the topic's to say, and acks of kafka_config. */
static int kafka_check_append(const ri_publish *p)
{
    if (!p->append->safety) return RILL_OK;
    return ri_err(RILL_ENOTSUP, "sync of one message: how safe a record is when it is acknowledged "
                  "is said by its topic, and by acks in kafka_config");
}

int ri_kafka_send_append(rill_bus *bus, const ri_publish *p, bool awaited)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    RI_ASSERT(ri_kafka_peer_is_entered(peer) && p->append);
    RI_ASSERT(!ri_list_linked(&p->append->waiter.link));
    int rc = kafka_check_append(p);
    if (rc < 0) return rc;
    ri_kafka_sent *sent = kafka_sent_new(peer, p->append);
    if (!sent) return RILL_ENOMEM;
    int64_t until_ns = 0;
    while ((rc = kafka_put(peer, p->m, sent, awaited)) == RILL_EAGAIN) {
        if (!awaited) break; /* the handle has the append in a list, and may end it meanwhile */
        if (until_ns == 0) until_ns = ri_deadline_in(&bus->host, bus->answer_ns);
        if (!kafka_await_room(peer, until_ns)) break;
    }
    if (rc < 0) kafka_sent_free(peer, sent);
    else ri_list_push(&sent->calls, &p->append->waiter.link);
    return rc;
}

/* ---- Reports ---- */

/* How it ended. A broker may have stored what it was sent and gave no answer to. */
static int kafka_outcome(ri_kafka_peer *peer, const rd_kafka_message_t *message)
{
    if (ri_likely(!message->err)) return RILL_OK;
    if (peer->lib.message_status(message) != RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED)
        return kafka_not_taken(peer, message->err, message->rkt);
    return ri_err(RILL_EUNSURE, "append to %s: it was sent, and there was no answer: %s",
                  peer->lib.topic_name(message->rkt), peer->lib.err2str(message->err));
}

/* Inside the gate: nobody waited for what was refused. */
static void kafka_lost(ri_kafka_peer *peer, const rd_kafka_message_t *message)
{
    ri_failure refused;
    int rc = kafka_outcome(peer, message);
    ri_failure_keep(&refused, rc);
    if (!peer->closing) ri_bus_report_refused(&peer->bus, &refused);
}

/* Inside the gate: a flush waits for the records that were there before it alone. */
static void kafka_count_report(ri_kafka_peer *peer, uint64_t number)
{
    RI_ASSERT(peer->unsent > 0);
    peer->unsent--;
    ri_list_each (link, &peer->flushes) {
        ri_kafka_flush *flush = ri_container_of(link, ri_kafka_flush, link);
        if (number <= flush->last) flush->left--;
    }
}

/* Inside the gate: an append that somebody waits for has ended. */
static void kafka_sent_end(ri_kafka_peer *peer, ri_kafka_sent *sent, int rc)
{
    ri_js_append *append = sent->append;
    if (!ri_list_empty(&sent->calls)) {
        RI_ASSERT(sent->calls.next == &append->waiter.link);
        ri_list_remove(&append->waiter.link);
        append->waiter.done(&append->waiter, rc);
    }
    kafka_sent_free(peer, sent);
}

/* Inside the gate: librdkafka has not taken a record from the stage. */
static void kafka_lose(ri_kafka_peer *peer, void *opaque, int rc)
{
    ri_failure refused;
    kafka_count_report(peer, kafka_number_of(opaque));
    if (!((uintptr_t)opaque & 1)) {
        kafka_sent_end(peer, opaque, rc);
        return;
    }
    ri_failure_keep(&refused, rc);
    if (!peer->closing) ri_bus_report_refused(&peer->bus, &refused);
}

/* Inside the gate. */
static void kafka_report(ri_kafka_peer *peer, const rd_kafka_message_t *message)
{
    void *opaque = message->_private;
    kafka_count_report(peer, kafka_number_of(opaque));
    ri_kafka_sent *sent = (uintptr_t)opaque & 1 ? NULL : opaque;
    if (!sent) {
        if (message->err) kafka_lost(peer, message);
        return;
    }
    int rc = RILL_OK;
    if (!ri_list_empty(&sent->calls)) rc = kafka_outcome(peer, message);
    if (rc == RILL_OK && !ri_list_empty(&sent->calls)) {
        sent->append->seq = ri_kafka_seq_of(message->offset);
        sent->append->partition = (uint32_t)message->partition;
    }
    kafka_sent_end(peer, sent, rc);
}

/* Inside the gate, for a while; false: there are no more. Each is looked at when librdkafka has
 * just touched it: to collect them first would fetch each twice. */
static bool kafka_report_some(ri_kafka_peer *peer, rd_kafka_event_t *event, bool *stored)
{
    const rd_kafka_message_t *message = NULL;
    ri_broker_enter(peer->bus.broker);
    for (int i = 0; i < RI_KAFKA_TAKE && (message = peer->lib.event_message_next(event)); i++) {
        *stored = *stored || !message->err;
        kafka_report(peer, message);
    }
    ri_broker_leave(peer->bus.broker);
    return message != NULL;
}

/* librdkafka has room again when the event is gone, and no earlier. Who has waited for a receipt to
 * try again finds that room. */
void ri_kafka_send_reports(ri_kafka_peer *peer, rd_kafka_event_t *event)
{
    bool stored = false;
    ri_broker_enter(peer->bus.broker);
    if (!peer->closing) ri_bus_appends_hold(&peer->bus);
    ri_broker_leave(peer->bus.broker);
    while (kafka_report_some(peer, event, &stored)) continue;
    peer->lib.event_destroy(event);
    ri_broker_enter(peer->bus.broker);
    ri_bus_appends_release(&peer->bus);
    ri_kafka_send_staged(peer);
    kafka_notify_waiters(peer);
    ri_broker_leave(peer->bus.broker);
    if (stored && !peer->up) ri_kafka_peer_up(peer, true);
}

/* ---- Flush ---- */

void ri_kafka_send_rest(ri_kafka_peer *peer)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    ri_list_each (link, &peer->flushes) {
        ri_kafka_flush *flush = ri_container_of(link, ri_kafka_flush, link);
        if (flush->over || flush->left > 0 || ri_kafka_read_owes(peer, flush->settles)) continue;
        flush->over = true;
        ri_bus_notify(&peer->bus);
    }
}

int ri_kafka_send_flush(rill_bus *bus, int timeout_ms, bool stored)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    ri_kafka_flush flush = {.over = false};
    (void)stored; /* an acknowledgement says both */
    if (!peer->rk) return RILL_OK;
    ri_broker_enter(bus->broker);
    ri_kafka_read_taken(peer);
    kafka_stage_clear(peer);
    flush.last = peer->sent;
    flush.left = peer->unsent;
    flush.settles = peer->settles;
    ri_list_push(&peer->flushes, &flush.link);
    ri_kafka_send_rest(peer);
    bool over = flush.over || ri_bus_await(bus, &flush.over, ri_timeout_ns(timeout_ms));
    ri_list_remove(&flush.link);
    ri_broker_leave(bus->broker);
    if (over) return RILL_OK;
    if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
    return ri_err(RILL_ETIMEDOUT, "%llu records, or positions of groups, are not stored yet",
                  (unsigned long long)flush.left);
}

/* Nobody waits for what is on the stage. */
static void kafka_stage_drop(ri_kafka_peer *peer)
{
    ri_kafka_staging *stage = peer->stage;
    if (!stage) return;
    for (; stage->first < stage->n; stage->first++) {
        void *opaque = stage->records[stage->first]._private;
        RI_ASSERT(peer->unsent > 0);
        peer->unsent--;
        if (!((uintptr_t)opaque & 1)) kafka_sent_free(peer, opaque);
    }
    ri_delete(&peer->bus.host, stage);
    peer->stage = NULL;
}

/* What is not delivered by now is not delivered: its reports come at once. A record that is on its
 * way back from a broker may be nowhere when all is purged, and is purged the next time. */
void ri_kafka_send_fini(ri_kafka_peer *peer)
{
    kafka_stage_drop(peer);
    for (size_t i = 0; i < RI_KAFKA_TOPICS; i++)
        if (peer->topics[i]) peer->lib.topic_destroy(peer->topics[i]);
    while (peer->rk && peer->queue && peer->unsent > 0) {
        peer->lib.purge(peer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_event_t *event = peer->lib.queue_poll(peer->queue, 100);
        if (!event) continue;
        if (peer->lib.event_type(event) == RD_KAFKA_EVENT_DR) ri_kafka_send_reports(peer, event);
        else peer->lib.event_destroy(event);
    }
    for (ri_list *link; (link = ri_list_pop(&peer->spare));)
        ri_delete(&peer->bus.host, ri_container_of(link, ri_kafka_sent, calls));
}
