/* SPDX-License-Identifier: Apache-2.0 */
/* ListOffsets, OffsetForLeaderEpoch, DeleteRecords: where partitions begin and end. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/kafka/kafka_message.h"
#include "codec/limits.h"
#include "engine/streams/purge.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_serve.h"

enum { /* what a timestamp asks for that is none */
    KAFKA_OFFSETS_LATEST = -1,
    KAFKA_OFFSETS_EARLIEST = -2,
    KAFKA_OFFSETS_LARGEST = -3,       /* of the record with the latest time */
    KAFKA_OFFSETS_EARLIEST_LOCAL = -4,
    KAFKA_OFFSETS_LATEST_TIERED = -5, /* there is no other storage than this */
    KAFKA_OFFSETS_EARLIEST_PENDING = -6,
};

/* Where a request is among its topics and their partitions. */
typedef struct kafka_offsets {
    union {
        ri_kafka_list_offsets_answer list;
        ri_kafka_offset_for_leader_epoch_answer epoch;
        ri_kafka_delete_records_answer records;
    } answer;
    ri_kafka_commit commit;
    uint32_t topic, partition;
    ri_str name;             /* of the topic that is looked at; it is */
    bool found;
    ri_kafka_topic at;
    unsigned char *times;    /* how often each partition of the topic stands there */
    ri_purging purge;        /* of the partition that was looked at last, if: */
    bool purging;
    uint64_t purged_id;      /* its stream's */
    bool changed;
} kafka_offsets;

static void kafka_offsets_enter(ri_kafka_request *r, ri_str topic)
{
    kafka_offsets *o = r->work;
    o->name = topic;
    o->found = ri_kafka_catalog_find(ri_kafka_serve_js(r), topic, &o->at);
}

/* In a later turn: the topic that was looked at may have gone. */
static void kafka_offsets_enter_again(ri_kafka_request *r)
{
    const kafka_offsets *o = r->work;
    if (o->partition > 0) kafka_offsets_enter(r, o->name);
}

static ri_stream *kafka_offsets_stream(const ri_kafka_request *r, int32_t index)
{
    const kafka_offsets *o = r->work;
    return o->found ? ri_kafka_catalog_partition(ri_kafka_serve_js(r), &o->at, index) : NULL;
}

/* Behind the partition that was looked at. True: the turn is over. */
static bool kafka_offsets_next(ri_kafka_request *r, uint32_t partitions)
{
    kafka_offsets *o = r->work;
    if (o->partition == partitions) {
        o->topic++;
        o->partition = 0;
    }
    return !ri_budget_spend(&r->session->server->broker->router.budget, 1);
}

/* ---- ListOffsets ---- */

static ri_kafka_error kafka_offsets_by_time(ri_stream *stream, int64_t time_ms,
                                            ri_kafka_list_offsets_answer_partition *out)
{
    ri_fetch_ends ends;
    ri_record record;
    ri_fetch_ends_of(stream, &ends);
    uint64_t seq = ri_stream_seq_at(stream, ri_ns_of_ms(time_ms));
    if (ri_kafka_offset_of(seq) >= ends.end) return RI_KAFKA_E_NONE; /* there is none */
    if (ri_stream_get_next(stream, seq, RI_STR_NONE, &record) < 0) return RI_KAFKA_E_NONE;
    out->offset = ri_kafka_offset_of(record.seq);
    out->timestamp = record.time_ns / RI_MS;
    out->leader_epoch = RI_KAFKA_EPOCH;
    return RI_KAFKA_E_NONE;
}

static ri_kafka_error kafka_offsets_largest(ri_stream *stream,
                                            ri_kafka_list_offsets_answer_partition *out)
{
    if (!ri_fetch_latest(stream, &out->offset, &out->timestamp)) return RI_KAFKA_E_NONE;
    out->leader_epoch = RI_KAFKA_EPOCH;
    return RI_KAFKA_E_NONE;
}

/* From which version on a timestamp below 0 means something. */
static bool kafka_offsets_is_known(int64_t timestamp, int16_t version)
{
    static const int16_t since[] = {[1] = 1, [2] = 1, [3] = 7, [4] = 8, [5] = 9, [6] = 11};
    return timestamp >= -6 && version >= since[-timestamp];
}

static ri_kafka_error kafka_offsets_find(const ri_kafka_request *r,
                                         const ri_kafka_list_offsets_request_partition *in,
                                         ri_kafka_list_offsets_answer_partition *out)
{
    ri_fetch_ends ends;
    ri_stream *stream = kafka_offsets_stream(r, in->partition_index);
    if (!stream) return RI_KAFKA_E_UNKNOWN_TOPIC;
    ri_kafka_error error = ri_kafka_serve_epoch(in->current_leader_epoch);
    if (error != RI_KAFKA_E_NONE) return error;
    if (in->timestamp >= 0) return kafka_offsets_by_time(stream, in->timestamp, out);
    if (!kafka_offsets_is_known(in->timestamp, r->head.version))
        return RI_KAFKA_E_UNSUPPORTED_VERSION;
    ri_fetch_ends_of(stream, &ends);
    switch ((int)in->timestamp) {
    case KAFKA_OFFSETS_LARGEST: return kafka_offsets_largest(stream, out);
    case KAFKA_OFFSETS_LATEST_TIERED: return RI_KAFKA_E_NONE;
    case KAFKA_OFFSETS_LATEST: out->offset = ends.end; break;
    default: out->offset = ends.start; break;
    }
    out->leader_epoch = RI_KAFKA_EPOCH;
    return RI_KAFKA_E_NONE;
}

/* Partitions of a topic that stand there twice are refused, once. */
typedef enum kafka_twin { KAFKA_TWIN_NONE, KAFKA_TWIN_FIRST, KAFKA_TWIN_LATER } kafka_twin;

static bool kafka_offsets_find_twins(ri_kafka_request *r,
                                     const ri_kafka_list_offsets_request_topic *t)
{
    kafka_offsets *o = r->work;
    o->times = ri_kafka_request_alloc(r, RI_LIMIT_KAFKA_PARTITIONS);
    if (!o->times) return false;
    for (uint32_t i = 0; i < t->partitions.len; i++) {
        int32_t index = t->partitions.items[i].partition_index;
        bool known = index >= 0 && index < RI_LIMIT_KAFKA_PARTITIONS;
        if (known && o->times[index] < 2) o->times[index]++;
    }
    ri_budget_spend(&r->session->server->broker->router.budget, t->partitions.len / 64);
    return true;
}

static kafka_twin kafka_offsets_twin(kafka_offsets *o, int32_t index)
{
    enum { REFUSED = 3 };
    if (index < 0 || index >= RI_LIMIT_KAFKA_PARTITIONS || o->times[index] < 2)
        return KAFKA_TWIN_NONE;
    if (o->times[index] == REFUSED) return KAFKA_TWIN_LATER;
    o->times[index] = REFUSED;
    return KAFKA_TWIN_FIRST;
}

static void kafka_offsets_list_one(ri_kafka_request *r,
                                   const ri_kafka_list_offsets_request_topic *in,
                                   ri_kafka_list_offsets_answer_topic *out)
{
    kafka_offsets *o = r->work;
    const ri_kafka_list_offsets_request_partition *p = &in->partitions.items[o->partition++];
    int32_t index = p->partition_index;
    ri_kafka_list_offsets_answer_partition *a = &out->partitions.items[out->partitions.len];
    kafka_twin twin = kafka_offsets_twin(o, index);
    if (twin == KAFKA_TWIN_LATER) return;
    out->partitions.len++;
    a->partition_index = index;
    a->error_code = (int16_t)(twin == KAFKA_TWIN_FIRST ? RI_KAFKA_E_INVALID_REQUEST
                                                       : kafka_offsets_find(r, p, a));
}

bool ri_kafka_offsets_list_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_list_offsets_request *q = r->body;
    kafka_offsets *o = r->work;
    if (!o) {
        if (!(o = r->work = ri_kafka_request_alloc(r, sizeof *o))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &o->answer.list.topics, list_offsets_answer_topic,
                                 q->topics.len))
            return false;
    }
    kafka_offsets_enter_again(r);
    while (o->topic < q->topics.len) {
        const ri_kafka_list_offsets_request_topic *in = &q->topics.items[o->topic];
        ri_kafka_list_offsets_answer_topic *out = &o->answer.list.topics.items[o->topic];
        if (o->partition == 0) {
            kafka_offsets_enter(r, in->name);
            out->name = in->name;
            if (!RI_KAFKA_SERVE_LIST(r, &out->partitions, list_offsets_answer_partition,
                                     in->partitions.len) || !kafka_offsets_find_twins(r, in))
                return false;
            out->partitions.len = 0;
        }
        if (o->partition < in->partitions.len) kafka_offsets_list_one(r, in, out);
        if (kafka_offsets_next(r, in->partitions.len)) return ri_kafka_request_claim(r, 0);
    }
    ri_kafka_request_answer_kept(r, &o->answer.list);
    return false;
}

/* ---- OffsetForLeaderEpoch ---- */

static ri_kafka_error kafka_offsets_of_epoch(
    const ri_kafka_request *r, const ri_kafka_offset_for_leader_epoch_request_partition *in,
    ri_kafka_offset_for_leader_epoch_answer_partition *out)
{
    ri_fetch_ends ends;
    ri_stream *stream = kafka_offsets_stream(r, in->partition);
    if (!stream) return RI_KAFKA_E_UNKNOWN_TOPIC;
    ri_kafka_error error = ri_kafka_serve_epoch(in->current_leader_epoch);
    if (error != RI_KAFKA_E_NONE || in->leader_epoch != RI_KAFKA_EPOCH) return error;
    ri_fetch_ends_of(stream, &ends);
    out->leader_epoch = RI_KAFKA_EPOCH;
    out->end_offset = ends.end;
    return RI_KAFKA_E_NONE;
}

bool ri_kafka_offsets_epoch_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_offset_for_leader_epoch_request *q = r->body;
    kafka_offsets *o = r->work;
    if (!o) {
        if (!(o = r->work = ri_kafka_request_alloc(r, sizeof *o))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &o->answer.epoch.topics, offset_for_leader_epoch_answer_topic,
                                 q->topics.len))
            return false;
    }
    kafka_offsets_enter_again(r);
    while (o->topic < q->topics.len) {
        const ri_kafka_offset_for_leader_epoch_request_topic *in = &q->topics.items[o->topic];
        ri_kafka_offset_for_leader_epoch_answer_topic *out =
            &o->answer.epoch.topics.items[o->topic];
        if (o->partition == 0) {
            kafka_offsets_enter(r, in->topic);
            out->topic = in->topic;
            if (!RI_KAFKA_SERVE_LIST(r, &out->partitions, offset_for_leader_epoch_answer_partition,
                                     in->partitions.len))
                return false;
        }
        if (o->partition < in->partitions.len) {
            uint32_t i = o->partition++;
            out->partitions.items[i].partition = in->partitions.items[i].partition;
            out->partitions.items[i].error_code =
                (int16_t)kafka_offsets_of_epoch(r, &in->partitions.items[i],
                                                &out->partitions.items[i]);
        }
        if (kafka_offsets_next(r, in->partitions.len)) return ri_kafka_request_claim(r, 0);
    }
    ri_kafka_request_answer_kept(r, &o->answer.epoch);
    return false;
}

/* ---- DeleteRecords ---- */

static bool kafka_offsets_keeps(const ri_kafka_request *r, const ri_stream *stream)
{
    ri_str policy;
    ri_buffer text;
    ri_buffer_init(&text, r->arena.host);
    ri_kafka_configs_get(ri_stream_conf_of(stream), ri_kafka_config_of(RI_STR("cleanup.policy")),
                         &text, &policy);
    bool keeps = ri_str_is(policy, "compact");
    ri_buffer_fini(&text);
    return keeps;
}

/* What is below an offset begins to go, if there is any. */
static ri_kafka_error kafka_offsets_delete(ri_kafka_request *r,
                                           const ri_kafka_delete_records_request_partition *in,
                                           ri_kafka_delete_records_answer_partition *out)
{
    enum { TO_THE_END = -1 };
    kafka_offsets *o = r->work;
    ri_fetch_ends ends;
    ri_js_error e = {0};
    ri_stream *stream = kafka_offsets_stream(r, in->partition_index);
    if (!stream) return RI_KAFKA_E_UNKNOWN_TOPIC;
    if (kafka_offsets_keeps(r, stream)) return RI_KAFKA_E_POLICY;
    ri_fetch_ends_of(stream, &ends);
    int64_t to = in->offset == TO_THE_END ? ends.end : in->offset;
    if (to < 0 || to > ends.end) return RI_KAFKA_E_OFFSET_OUT_OF_RANGE;
    if (to > ends.start) {
        int rc = ri_purge_begin(stream, RI_STR_NONE, ri_kafka_seq_of(to), 0, &o->purge, &e);
        o->purging = rc == RILL_OK;
        if (!o->purging) ri_purge_end(&o->purge);
        if (!o->purging) return RI_KAFKA_E_POLICY;
    }
    o->purged_id = ri_stream_id(stream);
    out->low_watermark = RI_MAX(to, ends.start);
    return RI_KAFKA_E_NONE;
}

/* A slice. True: there is more to do. */
static bool kafka_offsets_purge(ri_kafka_request *r,
                                ri_kafka_delete_records_answer_partition *out)
{
    kafka_offsets *o = r->work;
    RI_ASSERT(o->purging);
    ri_js_error e = {0};
    ri_stream *stream = kafka_offsets_stream(r, out->partition_index);
    bool gone = !stream || ri_stream_id(stream) != o->purged_id;
    int rc = gone ? RILL_ENOENT : ri_purge_some(stream, &o->purge, &e);
    if (rc == 1) return true;
    o->purging = false;
    o->changed = true;
    ri_purge_end(&o->purge);
    if (rc == RILL_OK) return false;
    out->low_watermark = -1;
    out->error_code = gone ? RI_KAFKA_E_UNKNOWN_TOPIC : RI_KAFKA_E_STORAGE;
    return false;
}

/* The next partition, or a slice of it. True: the turn is over. */
static bool kafka_offsets_delete_next(ri_kafka_request *r,
                                      const ri_kafka_delete_records_request_topic *in,
                                      ri_kafka_delete_records_answer_topic *out)
{
    kafka_offsets *o = r->work;
    ri_kafka_delete_records_answer_partition *a = &out->partitions.items[o->partition];
    if (!o->purging && o->partition < in->partitions.len) {
        a->partition_index = in->partitions.items[o->partition].partition_index;
        a->low_watermark = -1;
        a->error_code = (int16_t)kafka_offsets_delete(r, &in->partitions.items[o->partition++], a);
    } else if (o->purging) {
        a--; /* the last */
    }
    if (o->purging && kafka_offsets_purge(r, a)) return true;
    return kafka_offsets_next(r, in->partitions.len);
}

bool ri_kafka_offsets_delete_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_delete_records_request *q = r->body;
    kafka_offsets *o = r->work;
    if (!o) {
        if (!(o = r->work = ri_kafka_request_alloc(r, sizeof *o))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &o->answer.records.topics, delete_records_answer_topic,
                                 q->topics.len))
            return false;
    }
    kafka_offsets_enter_again(r);
    while (o->topic < q->topics.len) {
        const ri_kafka_delete_records_request_topic *in = &q->topics.items[o->topic];
        ri_kafka_delete_records_answer_topic *out = &o->answer.records.topics.items[o->topic];
        if (o->partition == 0) {
            kafka_offsets_enter(r, in->name);
            out->name = in->name;
            if (!RI_KAFKA_SERVE_LIST(r, &out->partitions, delete_records_answer_partition,
                                     in->partitions.len))
                return false;
        }
        if (kafka_offsets_delete_next(r, in, out)) return ri_kafka_request_claim(r, 0);
    }
    if (!ri_kafka_serve_stores(r, &o->commit, &o->changed))
        ri_kafka_request_answer_kept(r, &o->answer.records);
    return false;
}

void ri_kafka_offsets_drop(ri_kafka_request *r)
{
    RI_ASSERT(r);
    kafka_offsets *o = r->work;
    if (!o) return;
    if (o->purging) ri_purge_end(&o->purge);
    ri_kafka_serve_forget(&o->commit);
}
