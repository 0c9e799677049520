/* SPDX-License-Identifier: Apache-2.0 */
/* Who reads a topic: alone, from a place of its own, or as a member of a group, whose place the
 * cluster keeps. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/subject/subject.h"
#include "front/peer_kafka/kafka_ask.h"

enum { KAFKA_PENDING_BYTES = 64 << 20 }; /* the default of rill_sub_opts.pending_bytes */

/* ---- What a reader may ask for ---- */

static const char *kafka_not_kept(const rill_sub_opts *opts)
{
    if (opts->ack_wait_ms) return "ack_wait_ms: a message comes again when its member has left";
    if (opts->max_deliveries) return "max_deliveries: Kafka counts no deliveries";
    if (opts->nbackoff) return "backoff_ms: Kafka puts no message off";
    if (opts->dead_letters) return "dead_letters: Kafka counts no deliveries";
    if (opts->inactive_ms) return "inactive_ms: a group's place ends by the cluster's "
                                  "offsets.retention.minutes";
    if (opts->headers_only) return "headers_only: Kafka sends records whole";
    return opts->original_speed ? "original_speed" : NULL;
}

static int kafka_may_join(const ri_ask *ask)
{
    const ri_consumer_conf *conf = &ask->draft->request.conf;
    const char *not_kept = kafka_not_kept(ask->draft->opts);
    ri_str topic = ri_str_of(ask->stream), filter = conf->filter_subject;
    if (not_kept)
        return ri_err(RILL_ENOTSUP, "Kafka has no such option for a reader: %s", not_kept);
    bool all = filter.len == 0 && conf->filter_subjects.len == 0;
    if (filter.len) all = ri_subject_match(filter, topic);
    for (uint32_t i = 0; i < conf->filter_subjects.len; i++)
        all = all || ri_subject_match(conf->filter_subjects.items[i], topic);
    if (all) return RILL_OK;
    return ri_err(RILL_ENOTSUP, "filter: the subject of a topic is its name, %s", ask->stream);
}

static rill_at kafka_wanted_place(const rill_sub_opts *opts)
{
    return (rill_at){.from = opts->from, .seq = opts->from_seq, .time_ns = opts->from_time_ns};
}

/* ---- Joining ---- */

/* Reads partition `i` from `offset` on, and passes over what is before `wish`. */
static int kafka_start_place(ri_kafka_reader *reader, int32_t i, int64_t offset, int64_t wish)
{
    const ri_kafka_lib *lib = &reader->peer->lib;
    ri_kafka_place *place = ri_kafka_read_place_add(reader, i);
    if (!place) return RILL_ENOMEM;
    place->next = wish;
    place->seen = offset;
    if (lib->consume_start_queue(reader->topic, i, offset, reader->queue))
        return ri_kafka_lib_err(lib, lib->last_error(), "read %s", reader->stream);
    return RILL_OK;
}

static int kafka_start_places(ri_kafka_reader *reader, const rd_kafka_topic_partition_list_t *list,
                              const ri_kafka_ends *ends, uint64_t *pending)
{
    int rc = RILL_OK;
    for (int i = 0; i < list->cnt && rc == RILL_OK; i++) {
        int64_t wish = list->elems[i].offset, offset = ri_kafka_place_within(ends, i, wish);
        *pending += (uint64_t)(ends->high->elems[i].offset - offset);
        rc = kafka_start_place(reader, i, offset, wish);
    }
    return rc;
}

static int kafka_start_alone(const ri_kafka_call *call, ri_kafka_reader *reader, int32_t n,
                             const rill_at *at, uint64_t *pending)
{
    ri_kafka_peer *peer = reader->peer;
    ri_kafka_ends ends;
    RI_ASSERT(!reader->member && reader->nplaces == 0);
    reader->topic = peer->lib.topic_new(reader->rk, reader->stream, NULL);
    reader->queue = peer->lib.queue_new(reader->rk);
    rd_kafka_topic_partition_list_t *list = ri_kafka_place_list(peer, reader->stream, n);
    int rc = reader->topic && reader->queue && list ? RILL_OK : ri_err_nomem(0);
    if (rc == RILL_OK) rc = ri_kafka_place_all_ends(call, reader->stream, n, &ends);
    if (rc == RILL_OK) {
        peer->lib.queue_cb_event_enable(reader->queue, ri_kafka_peer_ready, peer);
        rc = ri_kafka_place_find(call, reader->stream, at, &ends, list);
        if (rc == RILL_OK) rc = kafka_start_places(reader, list, &ends, pending);
        ri_kafka_place_ends_fini(peer, &ends);
    }
    if (list) peer->lib.topic_partition_list_destroy(list);
    return rc;
}

static int kafka_start_member(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    const ri_kafka_lib *lib = &peer->lib;
    RI_ASSERT(reader->member && reader->name[0]);
    reader->queue = lib->queue_get_consumer(reader->rk);
    reader->commit_queue = lib->queue_new(reader->rk);
    rd_kafka_topic_partition_list_t *list = lib->topic_partition_list_new(1);
    if (!reader->queue || !reader->commit_queue || !list) return ri_err_nomem(0);
    lib->queue_cb_event_enable(reader->queue, ri_kafka_peer_ready, peer);
    lib->queue_cb_event_enable(reader->commit_queue, ri_kafka_peer_ready, peer);
    lib->topic_partition_list_add(list, reader->stream, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = lib->subscribe(reader->rk, list);
    lib->topic_partition_list_destroy(list);
    return err ? ri_kafka_lib_err(lib, err, "join the group %s", reader->name) : RILL_OK;
}

static int kafka_start_reader(const ri_kafka_call *call, ri_kafka_reader *reader,
                              const ri_ask *ask, int32_t n, uint64_t *pending)
{
    ri_kafka_peer *peer = reader->peer;
    const rill_sub_opts *opts = ask->draft->opts;
    rill_at at = kafka_wanted_place(opts);
    if (!opts->group) {
        int rc = ri_kafka_conf_new(peer, RI_KAFKA_READS, NULL, 0, reader, &reader->rk);
        return rc < 0 ? rc : kafka_start_alone(call, reader, n, &at, pending);
    }
    ri_kafka_setting group = {"group.id", opts->group};
    snprintf(reader->name, sizeof reader->name, "%s", opts->group);
    int rc = opts->from == RILL_FROM_FIRST
                 ? RILL_OK : ri_kafka_outside_begin(call, ask->stream, opts->group, n, &at);
    if (rc >= 0) rc = ri_kafka_conf_new(peer, RI_KAFKA_COMMITS, &group, 1, reader, &reader->rk);
    return rc < 0 ? rc : kafka_start_member(reader);
}

/* Of the bytes that may wait for a reader one half is for librdkafka's queues, and the other one
 * for that of the handle. */
static uint64_t kafka_room(const rill_sub_opts *opts)
{
    uint64_t bytes = opts->pending_bytes ? opts->pending_bytes : KAFKA_PENDING_BYTES;
    return RI_MAX(bytes / 2, 1);
}

/* Inside the gate, which it leaves: nobody turns for one more reader. */
static int kafka_join_late(ri_kafka_reader *reader)
{
    ri_broker_leave(reader->peer->bus.broker);
    ri_kafka_read_free(reader);
    return ri_err(RILL_ECLOSED, "the bus is closed");
}

int ri_kafka_join(const ri_kafka_call *call, const ri_ask *ask)
{
    ri_kafka_peer *peer = call->peer;
    const ri_consumer_conf *conf = &ask->draft->request.conf;
    int32_t n;
    uint64_t pending = 0;
    RI_ASSERT(ask->out.joined && ask->draft->opts);
    int rc = kafka_may_join(ask);
    if (rc == RILL_OK) rc = ri_kafka_place_count(call, ask->stream, &n);
    if (rc < 0) return rc;
    ri_kafka_reader *reader = ri_kafka_read_new(peer, ask->stream);
    if (!reader) return RILL_ENOMEM;
    reader->share = kafka_room(ask->draft->opts) / (uint64_t)n;
    reader->member = ask->draft->opts->group != NULL;
    reader->acks = !ask->draft->tail && conf->ack_policy != RI_ACK_NONE;
    bool called = ask->draft->opts->on_msg || peer->bus.reap;
    reader->pulled = !reader->member && !reader->acks && !called;
    reader->upto = conf->ack_policy == RI_ACK_ALL;
    reader->unsettled_max = (uint32_t)RI_MIN(RI_MAX(conf->max_ack_pending, 1), UINT32_MAX);
    rc = kafka_start_reader(call, reader, ask, n, &pending);
    if (rc < 0) {
        ri_failure failure; /* the sentence outlives what follows */
        ri_failure_keep(&failure, rc);
        ri_kafka_read_free(reader);
        return ri_failure_restore(&failure);
    }
    ri_broker_enter(peer->bus.broker);
    if (peer->closing) return kafka_join_late(reader);
    ri_kafka_read_add(reader);
    *ask->out.joined = (ri_ask_joined){.acks = reader->acks,
                                       .queue_bytes = kafka_room(ask->draft->opts),
                                       .exact = reader->member && !reader->acks,
                                       .pulled = reader->pulled,
                                       .max_unacked = conf->max_ack_pending,
                                       .window = RI_KAFKA_WINDOW, .pending = pending,
                                       .reader = reader->number};
    memcpy(ask->out.joined->name, reader->name, sizeof reader->name);
    ri_broker_leave(peer->bus.broker);
    ri_kafka_peer_call(peer);
    return RILL_OK;
}

/* ---- Seeking ---- */

/* Outside the gate: nothing is delivered, and nothing is being taken, until kafka_seek_end(). */
static ri_kafka_reader *kafka_seek_begin(const ri_kafka_call *call, const ri_ask *ask)
{
    ri_kafka_peer *peer = call->peer;
    ri_broker_enter(peer->bus.broker);
    ri_kafka_reader *reader = ri_kafka_read_find(peer, ask->sub->consumer->reader);
    bool busy = reader && (reader->seeking || reader->leaving);
    if (reader && !busy) reader->seeking = true;
    ri_broker_leave(peer->bus.broker);
    if (!reader || busy) {
        ri_err(busy ? RILL_EBUSY : RILL_ECLOSED, busy ? "the reader seeks" : "the reader is gone");
        return NULL;
    }
    while (reader->taking) {
        uint32_t seen = ri_park_count(&peer->work);
        if (reader->taking) ri_park_wait(&peer->work, seen, RI_MS);
    }
    return reader;
}

static void kafka_seek_end(ri_kafka_reader *reader, const rd_kafka_topic_partition_list_t *list,
                           rill_sub *sub)
{
    ri_kafka_peer *peer = reader->peer;
    RI_ASSERT(reader->seeking && !reader->taking);
    ri_broker_enter(peer->bus.broker);
    for (int i = 0; list && i < list->cnt; i++) {
        ri_kafka_place *place = ri_kafka_read_place(reader, list->elems[i].partition);
        if (!place) continue;
        ri_kafka_group_place_moved(reader, place, list->elems[i].offset);
    }
    if (list) reader->epoch++;
    if (list && !reader->leaving) ri_bus_consume_skip(sub); /* else the reader is being closed */
    reader->seeking = false;
    /* Who reads meanwhile sleeps, though he may hold records: those of a seek that failed stay. */
    if (reader->pulled && reader->sub) ri_bus_pull_ready(reader->sub);
    ri_broker_leave(peer->bus.broker);
    ri_kafka_peer_call(peer);
}

/* The reader goes on at `offset`, and passes over all before `wish`, which may be beyond the end of
 * the partition. */
static void kafka_seek_wish(ri_kafka_reader *reader, int32_t partition, int64_t offset,
                            int64_t wish)
{
    ri_broker_enter(reader->peer->bus.broker);
    ri_kafka_place *place = ri_kafka_read_place(reader, partition);
    if (place) place->next = wish;
    if (place) place->seen = offset;
    ri_broker_leave(reader->peer->bus.broker);
}

/* librdkafka answers a seek at once. Now and then it passes one over without an answer; so a seek
 * that has none is made again. */
enum { KAFKA_SEEK_MS = 500 };

/* Those of `list` that are beyond the ends of their partitions become those ends: for librdkafka,
 * and as positions of the group. */
static int kafka_seek_to(const ri_kafka_call *call, ri_kafka_reader *reader,
                         const ri_kafka_ends *ends, rd_kafka_topic_partition_list_t *list)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    rd_kafka_topic_partition_list_t *wishes = lib->topic_partition_list_copy(list);
    if (!wishes) return ri_err_nomem(0);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = ri_kafka_place_within(ends, list->elems[i].partition,
                                                      list->elems[i].offset);
    int rc, left_ms;
    do {
        left_ms = ri_kafka_ask_left_ms(call);
        rc = ri_kafka_lib_error(lib, lib->seek_partitions(reader->rk, list,
                                                          RI_MIN(left_ms, KAFKA_SEEK_MS)), "seek");
    } while (rc == RILL_ETIMEDOUT && left_ms > KAFKA_SEEK_MS);
    for (int i = 0; i < list->cnt && rc == RILL_OK; i++) {
        const rd_kafka_topic_partition_t *one = &list->elems[i];
        if (one->err) rc = ri_kafka_lib_err(lib, one->err, "seek in %s", reader->stream);
        else kafka_seek_wish(reader, one->partition, one->offset, wishes->elems[i].offset);
    }
    lib->topic_partition_list_destroy(wishes);
    return rc;
}

static int kafka_seek_reader(const ri_kafka_call *call, const ri_ask *ask,
                             const ri_kafka_ends *ends, rd_kafka_topic_partition_list_t *list)
{
    ri_kafka_peer *peer = call->peer;
    ri_kafka_reader *reader = kafka_seek_begin(call, ask);
    if (!reader) return RILL_ECLOSED;
    int rc = RILL_OK;
    ri_broker_enter(peer->bus.broker);
    for (int i = 0; i < list->cnt && rc == RILL_OK; i++)
        if (!ri_kafka_read_place(reader, list->elems[i].partition))
            rc = ri_err(RILL_EBUSY, "partition %d of %s is another member's, or nobody's yet",
                        list->elems[i].partition, ask->stream);
    ri_broker_leave(peer->bus.broker);
    if (rc == RILL_OK) rc = kafka_seek_to(call, reader, ends, list);
    kafka_seek_end(reader, rc == RILL_OK ? list : NULL, ask->sub);
    return rc;
}

/* Of a number it is about one partition, else about all. */
static void kafka_seek_keep_one(ri_kafka_peer *peer, const ri_ask *ask,
                                rd_kafka_topic_partition_list_t *list)
{
    if (ask->at->from != RILL_FROM_SEQ) return;
    for (int i = list->cnt - 1; i >= 0; i--)
        if (list->elems[i].partition != (int32_t)ask->at->partition)
            peer->lib.topic_partition_list_del_by_idx(list, i);
}

static int kafka_seek_all(const ri_kafka_call *call, const ri_ask *ask, const ri_kafka_ends *ends,
                          rd_kafka_topic_partition_list_t *list)
{
    int rc = ri_kafka_place_find(call, ask->stream, ask->at, ends, list);
    if (rc < 0) return rc;
    kafka_seek_keep_one(call->peer, ask, list);
    if (ask->sub) return kafka_seek_reader(call, ask, ends, list);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = ri_kafka_place_within(ends, list->elems[i].partition,
                                                      list->elems[i].offset);
    return ri_kafka_outside_set(call, ask->group, list);
}

int ri_kafka_join_seek(const ri_kafka_call *call, const ri_ask *ask)
{
    ri_kafka_ends ends;
    int32_t n;
    RI_ASSERT(ask->at);
    int rc = ri_kafka_place_count(call, ask->stream, &n);
    if (rc < 0) return rc;
    if (ask->at->partition >= (uint32_t)n)
        return ri_err(RILL_ENOENT, "%s has %d partitions", ask->stream, n);
    rd_kafka_topic_partition_list_t *list = ri_kafka_place_list(call->peer, ask->stream, n);
    if (!list) return RILL_ENOMEM;
    rc = ri_kafka_place_all_ends(call, ask->stream, n, &ends);
    if (rc == RILL_OK) {
        rc = kafka_seek_all(call, ask, &ends, list);
        ri_kafka_place_ends_fini(call->peer, &ends);
    }
    call->peer->lib.topic_partition_list_destroy(list);
    return rc;
}

int ri_kafka_join_ensure(const ri_kafka_call *call, const ri_ask *ask)
{
    int32_t n;
    rill_at at = kafka_wanted_place(ask->draft->opts);
    int rc = kafka_may_join(ask);
    if (rc == RILL_OK) rc = ri_kafka_place_count(call, ask->stream, &n);
    return rc < 0 ? rc : ri_kafka_outside_begin(call, ask->stream, ask->draft->opts->group, n,
                                                &at);
}
