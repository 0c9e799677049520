/* SPDX-License-Identifier: Apache-2.0 */
/* Places in topics: partitions, their ends, the offset of a time, and single records. */
#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "codec/kafka/kafka_message.h"
#include "codec/subject/subject.h"
#include "front/peer_kafka/kafka_ask.h"

enum { KAFKA_GET_MS = 50 }; /* how often who reads a record looks whether the handle is closed */

int ri_kafka_place_count(const ri_kafka_call *call, const char *stream, int32_t *n)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    const struct rd_kafka_metadata *metadata;
    *n = 0;
    rd_kafka_topic_t *topic = lib->topic_new(call->peer->rk, stream, NULL);
    if (!topic) return ri_err(RILL_EINVAL, "\"%.255s\" is no name of a topic", stream);
    rd_kafka_resp_err_t err = lib->metadata(call->peer->rk, 0, topic, &metadata,
                                            ri_kafka_ask_left_ms(call));
    lib->topic_destroy(topic);
    if (err) return ri_kafka_lib_err(lib, err, "ask for the topic %s", stream);
    if (metadata->topic_cnt == 1) {
        err = metadata->topics[0].err;
        *n = metadata->topics[0].partition_cnt;
    }
    lib->metadata_destroy(metadata);
    if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || (!err && *n == 0))
        return ri_err(RILL_ENOENT, "there is no topic %s", stream);
    if (err) return ri_kafka_lib_err(lib, err, "ask for the topic %s", stream);
    if (*n > RI_KAFKA_PARTITIONS_MAX)
        return ri_err(RILL_ENOTSUP, "%s has %d partitions, more than %d", stream, *n,
                      RI_KAFKA_PARTITIONS_MAX);
    return RILL_OK;
}

int ri_kafka_place_ends(const ri_kafka_call *call, const char *stream, int32_t partition,
                        int64_t *low, int64_t *high)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    rd_kafka_resp_err_t err = lib->query_watermark_offsets(call->peer->rk, stream, partition, low,
                                                           high, ri_kafka_ask_left_ms(call));
    if (!err) return RILL_OK;
    if (ri_kafka_lib_code(err) == RILL_ENOENT)
        return ri_err(RILL_ENOENT, "there is no partition %d of a topic %s", partition, stream);
    return ri_kafka_lib_err(lib, err, "ask for the ends of %s", stream);
}

/* ---- All partitions of a topic, asked for at once ---- */

rd_kafka_topic_partition_list_t *ri_kafka_place_list(ri_kafka_peer *peer, const char *stream,
                                                     int32_t n)
{
    rd_kafka_topic_partition_list_t *list = peer->lib.topic_partition_list_new(n);
    for (int32_t i = 0; list && i < n; i++)
        peer->lib.topic_partition_list_add(list, stream, i)->offset = RD_KAFKA_OFFSET_INVALID;
    if (!list) ri_err_nomem(0);
    return list;
}

/* Each offset of `list` becomes the first of a record of `time`: milliseconds, or one of the words
 * that the protocol has for both ends of a partition. < 0: there is none. */
static int kafka_find_times(const ri_kafka_call *call, const char *stream, int64_t time,
                            rd_kafka_topic_partition_list_t *list)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    for (int i = 0; i < list->cnt; i++) list->elems[i].offset = time;
    rd_kafka_resp_err_t err = lib->offsets_for_times(call->peer->rk, list,
                                                     ri_kafka_ask_left_ms(call));
    for (int i = 0; i < list->cnt && !err; i++) err = list->elems[i].err;
    return err ? ri_kafka_lib_err(lib, err, "ask for places in %s", stream) : RILL_OK;
}

int ri_kafka_place_all_ends(const ri_kafka_call *call, const char *stream, int32_t n,
                            ri_kafka_ends *ends)
{
    *ends = (ri_kafka_ends){ri_kafka_place_list(call->peer, stream, n),
                            ri_kafka_place_list(call->peer, stream, n)};
    int rc = ends->low && ends->high ? RILL_OK : RILL_ENOMEM;
    if (rc == RILL_OK) rc = kafka_find_times(call, stream, RD_KAFKA_OFFSET_BEGINNING, ends->low);
    if (rc == RILL_OK) rc = kafka_find_times(call, stream, RD_KAFKA_OFFSET_END, ends->high);
    if (rc < 0) ri_kafka_place_ends_fini(call->peer, ends);
    return rc;
}

void ri_kafka_place_ends_fini(ri_kafka_peer *peer, ri_kafka_ends *ends)
{
    if (ends->low) peer->lib.topic_partition_list_destroy(ends->low);
    if (ends->high) peer->lib.topic_partition_list_destroy(ends->high);
    *ends = (ri_kafka_ends){NULL, NULL};
}

static int64_t kafka_ms_of(int64_t time_ns)
{
    return RI_MAX(time_ns / RI_MS + (time_ns % RI_MS > 0), 0);
}

int ri_kafka_place_find(const ri_kafka_call *call, const char *stream, const rill_at *at,
                        const ri_kafka_ends *ends, rd_kafka_topic_partition_list_t *list)
{
    RI_ASSERT(ends->low->cnt == list->cnt && ends->high->cnt == list->cnt);
    if (at->from == RILL_FROM_TIME) {
        int rc = kafka_find_times(call, stream, kafka_ms_of(at->time_ns), list);
        if (rc < 0) return rc;
    }
    for (int i = 0; i < list->cnt; i++) {
        int64_t low = ends->low->elems[i].offset, high = ends->high->elems[i].offset;
        int64_t *offset = &list->elems[i].offset;
        switch (at->from) {
        case RILL_FROM_FIRST: *offset = low; break;
        case RILL_FROM_LAST:
        case RILL_FROM_LAST_PER_SUBJECT: *offset = RI_MAX(high - 1, low); break;
        case RILL_FROM_NEW: *offset = high; break;
        case RILL_FROM_SEQ:
            *offset = ri_kafka_offset_of(RI_MIN(RI_MAX(at->seq, 1), INT64_MAX));
            break;
        case RILL_FROM_TIME: *offset = *offset < 0 ? high : *offset; break;
        }
    }
    return RILL_OK;
}

/* ---- Single records ---- */

typedef struct kafka_get { /* one partition that is read for a moment */
    const ri_kafka_call *call;
    ri_kafka_peer *peer;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    int32_t partition;
    bool started;
} kafka_get;

/* An instance for it is kept from the last time, or made; two who ask at once have one each. */
static int kafka_get_begin(kafka_get *get, const ri_kafka_call *call, const char *stream,
                           int32_t partition)
{
    static const ri_kafka_setting own[] = {{"enable.partition.eof", "true"},
                                           {"fetch.wait.max.ms", "10"}};
    ri_kafka_peer *peer = call->peer;
    const ri_kafka_lib *lib = &peer->lib;
    *get = (kafka_get){.call = call, .peer = peer, .partition = partition};
    ri_broker_enter(peer->bus.broker);
    get->rk = peer->getter;
    peer->getter = NULL;
    ri_broker_leave(peer->bus.broker);
    int rc = get->rk ? RILL_OK
                     : ri_kafka_conf_new(peer, RI_KAFKA_READS, own, RI_LEN(own), NULL, &get->rk);
    if (rc < 0) return rc;
    get->topic = lib->topic_new(get->rk, stream, NULL);
    get->queue = lib->queue_new(get->rk);
    return get->topic && get->queue ? RILL_OK : ri_err_nomem(0);
}

static void kafka_get_stop(kafka_get *get)
{
    if (get->started) get->peer->lib.consume_stop(get->topic, get->partition);
    get->started = false;
}

static void kafka_get_end(kafka_get *get)
{
    ri_kafka_peer *peer = get->peer;
    kafka_get_stop(get);
    if (get->queue) peer->lib.queue_destroy(get->queue);
    if (get->topic) peer->lib.topic_destroy(get->topic);
    ri_broker_enter(peer->bus.broker);
    bool keep = get->rk && !peer->getter;
    if (keep) peer->getter = get->rk;
    ri_broker_leave(peer->bus.broker);
    if (!keep && get->rk)
        peer->lib.destroy_flags(get->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

/* The next record; RILL_ENOENT: there is none. */
static int kafka_get_next(kafka_get *get, rd_kafka_message_t **record)
{
    ri_kafka_peer *peer = get->peer;
    for (;;) {
        int left_ms = ri_kafka_ask_left_ms(get->call);
        if (left_ms == 0) return ri_err(RILL_ETIMEDOUT, "the record did not come in time");
        if (atomic_load(&peer->bus.closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
        if (peer->lib.consume_batch_queue(get->queue, RI_MIN(left_ms, KAFKA_GET_MS), record,
                                          1) != 1) continue;
        rd_kafka_resp_err_t err = (*record)->err;
        if (!err) return RILL_OK;
        peer->lib.message_destroy(*record);
        if (err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            return ri_err(RILL_ENOENT, "there is no such message");
        if (ri_kafka_lib_code(err) != RILL_ECONN)
            return ri_kafka_lib_err(&peer->lib, err, "read %s", peer->lib.topic_name(get->topic));
    }
}

static int kafka_get_at(kafka_get *get, int64_t offset, rd_kafka_message_t **record)
{
    const ri_kafka_lib *lib = &get->peer->lib;
    RI_ASSERT(get->topic && get->queue);
    kafka_get_stop(get);
    if (lib->consume_start_queue(get->topic, get->partition, offset, get->queue))
        return ri_kafka_lib_err(lib, lib->last_error(), "read %s", lib->topic_name(get->topic));
    get->started = true;
    return kafka_get_next(get, record);
}

/* The last record before `high`: what ends a transaction has an offset, too, and is none. */
static int kafka_get_last(kafka_get *get, int64_t low, int64_t high, rd_kafka_message_t **record)
{
    rd_kafka_message_t *next;
    int rc = RILL_ENOENT;
    for (int64_t step = 1; rc == RILL_ENOENT; step *= 2) {
        int64_t from = step > high - low ? low : high - step;
        rc = kafka_get_at(get, from, record);
        if (from == low || step > INT64_MAX / 4) break;
    }
    while (rc == RILL_OK && (*record)->offset < high - 1) {
        int more = kafka_get_next(get, &next);
        if (more == RILL_ENOENT) break;
        get->peer->lib.message_destroy(*record);
        if (more < 0) return more;
        *record = next;
    }
    return rc;
}

typedef struct kafka_wish {
    int64_t offset, low, high;
    bool last, exact;
} kafka_wish;

static int kafka_get_wish(kafka_get *get, const kafka_wish *wish, rill_msg **m)
{
    ri_kafka_peer *peer = get->peer;
    rd_kafka_message_t *record = NULL;
    int rc = wish->last ? kafka_get_last(get, wish->low, wish->high, &record)
                        : kafka_get_at(get, wish->offset, &record);
    if (rc < 0) return rc;
    bool there = !wish->exact || record->offset == wish->offset;
    ri_broker_enter(peer->bus.broker);
    rc = there ? ri_kafka_read_own(peer, record, m)
               : ri_err(RILL_ENOENT, "there is no message with that number");
    ri_broker_leave(peer->bus.broker);
    peer->lib.message_destroy(record);
    return rc;
}

static int kafka_get_one(const ri_kafka_call *call, const char *stream, int32_t partition,
                         const kafka_wish *wish, rill_msg **m)
{
    kafka_get get;
    if (wish->offset < wish->low || wish->offset >= wish->high)
        return ri_err(RILL_ENOENT, "there is no such message in %s", stream);
    int rc = kafka_get_begin(&get, call, stream, partition);
    if (rc == RILL_OK) rc = kafka_get_wish(&get, wish, m);
    ri_failure failure; /* the sentence outlives what follows */
    ri_failure_keep(&failure, rc);
    kafka_get_end(&get);
    return rc < 0 ? ri_failure_restore(&failure) : rc;
}

int ri_kafka_place_get(const ri_kafka_call *call, const char *stream, int32_t partition,
                       int64_t offset, rill_msg **m)
{
    kafka_wish wish = {.offset = offset};
    int rc = ri_kafka_place_ends(call, stream, partition, &wish.low, &wish.high);
    wish.offset = RI_MAX(wish.offset, wish.low);
    return rc < 0 ? rc : kafka_get_one(call, stream, partition, &wish, m);
}

/* The first record of that time or later; behind the end if there is none. */
static int kafka_wish_time(const ri_kafka_call *call, const ri_ask *ask, int32_t partition,
                           kafka_wish *wish)
{
    rd_kafka_topic_partition_list_t *list = call->peer->lib.topic_partition_list_new(1);
    if (!list) return ri_err_nomem(0);
    call->peer->lib.topic_partition_list_add(list, ask->stream, partition);
    int rc = kafka_find_times(call, ask->stream, kafka_ms_of(ask->time_ns), list);
    wish->offset = list->elems[0].offset < 0 ? wish->high : list->elems[0].offset;
    call->peer->lib.topic_partition_list_destroy(list);
    return rc;
}

int ri_kafka_place_message(const ri_kafka_call *call, const ri_ask *ask)
{
    RI_ASSERT(ask->out.msg && call->peer->asking > 0);
    int32_t n, partition = (int32_t)RI_MIN(ask->partition, INT32_MAX);
    int rc = ri_kafka_place_count(call, ask->stream, &n);
    if (rc < 0) return rc;
    if (partition >= n)
        return ri_err(RILL_ENOENT, "%s has %d partitions", ask->stream, n);
    if (ask->subject.len && !ri_subject_match(ask->subject, ri_str_of(ask->stream)))
        return ri_err(RILL_ENOENT, "the subject of a topic is its name, %s", ask->stream);
    kafka_wish wish = {.last = ask->kind == RI_ASK_LAST, .exact = ask->kind == RI_ASK_GET};
    rc = ri_kafka_place_ends(call, ask->stream, partition, &wish.low, &wish.high);
    if (rc < 0) return rc;
    if (wish.last) wish.offset = wish.high - 1;
    else if (wish.exact) wish.offset = ri_kafka_offset_of(RI_MIN(ask->seq, INT64_MAX));
    else if (ask->time_ns) rc = kafka_wish_time(call, ask, partition, &wish);
    else wish.offset = RI_MAX(ri_kafka_offset_of(RI_MAX(ask->seq, 1)), wish.low);
    return rc < 0 ? rc : kafka_get_one(call, ask->stream, partition, &wish, ask->out.msg);
}
