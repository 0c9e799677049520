/* SPDX-License-Identifier: Apache-2.0 */
/* Places in topics: partitions, their ends, the offset of a time, and single records. */
#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "codec/kafka/kafka_message.h"
#include "codec/subject/subject.h"
#include "front/peer_kafka/kafka_ask.h"

int ri_kafka_place_count(ri_kafka_peer *peer, const char *stream, int32_t *n)
{
    const ri_kafka_lib *lib = &peer->lib;
    const struct rd_kafka_metadata *metadata;
    *n = 0;
    rd_kafka_topic_t *topic = lib->topic_new(peer->rk, stream, NULL);
    if (!topic) return ri_err(RILL_EINVAL, "\"%.255s\" is no name of a topic", stream);
    rd_kafka_resp_err_t err = lib->metadata(peer->rk, 0, topic, &metadata,
                                            ri_kafka_peer_answer_ms(peer));
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

int ri_kafka_place_ends(ri_kafka_peer *peer, const char *stream, int32_t partition, int64_t *low,
                        int64_t *high)
{
    const ri_kafka_lib *lib = &peer->lib;
    rd_kafka_resp_err_t err = lib->query_watermark_offsets(peer->rk, stream, partition, low, high,
                                                           ri_kafka_peer_answer_ms(peer));
    if (!err) return RILL_OK;
    if (ri_kafka_lib_code(err) == RILL_ENOENT)
        return ri_err(RILL_ENOENT, "there is no partition %d of a topic %s", partition, stream);
    return ri_kafka_lib_err(lib, err, "ask for the ends of %s", stream);
}

/* The first record of that time or later; behind the end if there is none. */
static int kafka_find_time(ri_kafka_peer *peer, const char *stream, int32_t partition,
                           int64_t time_ns, int64_t high, int64_t *offset)
{
    const ri_kafka_lib *lib = &peer->lib;
    rd_kafka_topic_partition_list_t *list = lib->topic_partition_list_new(1);
    if (!list) return ri_err_nomem(0);
    rd_kafka_topic_partition_t *one = lib->topic_partition_list_add(list, stream, partition);
    int64_t ms = time_ns / RI_MS + (time_ns % RI_MS > 0);
    one->offset = ms < 0 ? 0 : ms;
    rd_kafka_resp_err_t err = lib->offsets_for_times(peer->rk, list, ri_kafka_peer_answer_ms(peer));
    if (!err) err = one->err;
    *offset = one->offset < 0 ? high : one->offset;
    lib->topic_partition_list_destroy(list);
    return err ? ri_kafka_lib_err(lib, err, "look for a time in %s", stream) : RILL_OK;
}

int ri_kafka_place_find(ri_kafka_peer *peer, const char *stream, int32_t partition,
                        const rill_at *at, int64_t *offset)
{
    int64_t low, high;
    int rc = ri_kafka_place_ends(peer, stream, partition, &low, &high);
    if (rc < 0) return rc;
    switch (at->from) {
    case RILL_FROM_FIRST: *offset = low; break;
    case RILL_FROM_LAST:
    case RILL_FROM_LAST_PER_SUBJECT: *offset = RI_MAX(high - 1, low); break;
    case RILL_FROM_NEW: *offset = high; break;
    case RILL_FROM_SEQ: *offset = ri_kafka_offset_of(RI_MIN(RI_MAX(at->seq, 1), INT64_MAX)); break;
    case RILL_FROM_TIME:
        return kafka_find_time(peer, stream, partition, at->time_ns, high, offset);
    }
    return RILL_OK;
}

/* ---- Single records ---- */

typedef struct kafka_get { /* one partition that is read for a moment */
    ri_kafka_peer *peer;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    int32_t partition;
    bool started;
} kafka_get;

/* An instance for it is kept from the last time, or made; two who ask at once have one each. */
static int kafka_get_begin(kafka_get *get, ri_kafka_peer *peer, const char *stream,
                           int32_t partition)
{
    static const ri_kafka_setting own[] = {{"enable.partition.eof", "true"},
                                           {"fetch.wait.max.ms", "10"}};
    const ri_kafka_lib *lib = &peer->lib;
    *get = (kafka_get){.peer = peer, .partition = partition};
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
static int kafka_get_next(kafka_get *get, int64_t until_ns, rd_kafka_message_t **record)
{
    ri_kafka_peer *peer = get->peer;
    for (;;) {
        if (ri_deadline_left_ns(&peer->bus.host, until_ns) == 0)
            return ri_err(RILL_ETIMEDOUT, "the record did not come in time");
        if (atomic_load(&peer->bus.closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
        if (peer->lib.consume_batch_queue(get->queue, 50, record, 1) != 1) continue;
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
    int64_t until_ns = ri_deadline_in(&get->peer->bus.host, get->peer->bus.answer_ns);
    RI_ASSERT(get->topic && get->queue);
    kafka_get_stop(get);
    if (lib->consume_start_queue(get->topic, get->partition, offset, get->queue))
        return ri_kafka_lib_err(lib, lib->last_error(), "read %s", lib->topic_name(get->topic));
    get->started = true;
    return kafka_get_next(get, until_ns, record);
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
    int64_t until_ns = ri_deadline_in(&get->peer->bus.host, get->peer->bus.answer_ns);
    while (rc == RILL_OK && (*record)->offset < high - 1) {
        int more = kafka_get_next(get, until_ns, &next);
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

static int kafka_get_one(ri_kafka_peer *peer, const char *stream, int32_t partition,
                         const kafka_wish *wish, rill_msg **m)
{
    kafka_get get;
    if (wish->offset < wish->low || wish->offset >= wish->high)
        return ri_err(RILL_ENOENT, "there is no such message in %s", stream);
    int rc = kafka_get_begin(&get, peer, stream, partition);
    if (rc == RILL_OK) rc = kafka_get_wish(&get, wish, m);
    ri_failure failure; /* the sentence outlives what follows */
    ri_failure_keep(&failure, rc);
    kafka_get_end(&get);
    return rc < 0 ? ri_failure_restore(&failure) : rc;
}

int ri_kafka_place_get(ri_kafka_peer *peer, const char *stream, int32_t partition, int64_t offset,
                       rill_msg **m)
{
    kafka_wish wish = {.offset = offset};
    int rc = ri_kafka_place_ends(peer, stream, partition, &wish.low, &wish.high);
    wish.offset = RI_MAX(wish.offset, wish.low);
    return rc < 0 ? rc : kafka_get_one(peer, stream, partition, &wish, m);
}

int ri_kafka_place_message(ri_kafka_peer *peer, const ri_ask *ask)
{
    RI_ASSERT(ask->out.msg && peer->asking > 0);
    int32_t n, partition = (int32_t)RI_MIN(ask->partition, INT32_MAX);
    int rc = ri_kafka_place_count(peer, ask->stream, &n);
    if (rc < 0) return rc;
    if (partition >= n)
        return ri_err(RILL_ENOENT, "%s has %d partitions", ask->stream, n);
    if (ask->subject.len && !ri_subject_match(ask->subject, ri_str_of(ask->stream)))
        return ri_err(RILL_ENOENT, "the subject of a topic is its name, %s", ask->stream);
    kafka_wish wish = {.last = ask->kind == RI_ASK_LAST, .exact = ask->kind == RI_ASK_GET};
    rc = ri_kafka_place_ends(peer, ask->stream, partition, &wish.low, &wish.high);
    if (rc < 0) return rc;
    if (wish.last) wish.offset = wish.high - 1;
    else if (wish.exact) wish.offset = ri_kafka_offset_of(RI_MIN(ask->seq, INT64_MAX));
    else if (ask->time_ns)
        rc = kafka_find_time(peer, ask->stream, partition, ask->time_ns, wish.high, &wish.offset);
    else wish.offset = RI_MAX(ri_kafka_offset_of(RI_MAX(ask->seq, 1)), wish.low);
    return rc < 0 ? rc : kafka_get_one(peer, ask->stream, partition, &wish, ask->out.msg);
}
