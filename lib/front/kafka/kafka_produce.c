/* SPDX-License-Identifier: Apache-2.0 */
/* Produce, and the ids of idempotent producers. Of each partition the batch is looked at and
 * appended, in slices of the turn's budget; when all have come to the disk, by one commit as a
 * rule, the request is answered. Who wants no answer gets none, and loses the connection if
 * something was wrong. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/jsconf.h"
#include "codec/kafka/kafka_batch.h"
#include "codec/kafka/kafka_message.h"
#include "codec/limits.h"
#include "engine/streams/view.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_serve.h"

enum {
    PRODUCE_KEYLESS = 1024, /* records without a key that are listed, of a batch */
    PRODUCE_UNITS = 4,      /* of the turn, for a partition that is looked for, ... */
    PRODUCE_PUT = 36,       /* ... and one whose batch is appended, beside the batch's bytes */
    PRODUCE_DROPPED = 4,    /* that are forgotten, for a unit */
};

typedef struct kafka_produce_part { /* one that waits for its commit */
    ri_view_ask ask;
    ri_view_keyless keyless;    /* where each record has to have a key, and who asks hears which
                                   have none */
    ri_kafka_request *r;
    ri_kafka_produce_answer_partition *out;
} kafka_produce_part;

typedef struct kafka_produce {
    ri_kafka_produce_answer answer;
    kafka_produce_part **parts; /* of all partitions, those that wait; NULL: it does not */
    uint32_t nparts, waiting;
    uint32_t topic, partition;  /* next to be looked at */
    kafka_produce_part *looking; /* of that one, while its batch is unpacked; NULL: it is not */
    bool found;                 /* the topic that is looked at is there: */
    ri_kafka_topic at;
    bool over;                  /* all are looked at */
    bool wrong;                 /* something was */
} kafka_produce;

/* ---- One batch ---- */

/* Why the engine does not take it, as Kafka's code. */
static ri_kafka_error kafka_produce_refused(const ri_stream *stream, int rc,
                                            const ri_view_ask *ask)
{
    switch (ask->verdict) {
    case RI_PRODUCERS_OUT_OF_ORDER: return RI_KAFKA_E_OUT_OF_ORDER;
    case RI_PRODUCERS_FENCED:
    case RI_PRODUCERS_STALE_COORDINATOR: return RI_KAFKA_E_PRODUCER_EPOCH;
    case RI_PRODUCERS_BAD_STATE: return RI_KAFKA_E_TXN_STATE;
    case RI_PRODUCERS_APPEND:
    case RI_PRODUCERS_DUPLICATE: break;
    }
    const ri_stream_conf *conf = ri_stream_conf_of(stream);
    switch (rc) {
    case RILL_ETOOBIG: return RI_KAFKA_E_MESSAGE_TOO_LARGE;
    case RILL_ECORRUPT: return RI_KAFKA_E_CORRUPT_MESSAGE;
    case RILL_EPROTO: return RI_KAFKA_E_INVALID_RECORD;
    case RILL_ENOTSUP: return RI_KAFKA_E_NO_COMPRESSION;
    case RILL_EINVAL: return conf->sealed ? RI_KAFKA_E_POLICY : RI_KAFKA_E_INVALID_RECORD;
    case RILL_EFULL: return conf->discard == RI_DISCARD_NEW ? RI_KAFKA_E_POLICY
                                                            : RI_KAFKA_E_STORAGE;
    default: return RI_KAFKA_E_STORAGE;
    }
}

/* Times that are too far from now are refused, where producers give them. */
static ri_kafka_error kafka_produce_check_time(const ri_kafka_request *r, const ri_stream *stream,
                                               const ri_kafka_batch *b, bool *stamps)
{
    int64_t now_ms = r->session->server->broker->router.time_ns / RI_MS;
    ri_kafka_times times = ri_kafka_configs_times(ri_stream_conf_of(stream));
    *stamps = times.stamps;
    if (times.stamps) return RI_KAFKA_E_NONE;
    bool far = b->attributes & RI_KAFKA_LOG_APPEND_TIME ||
               ri_ns_sub(b->max_timestamp_ms, now_ms) > times.after_ms ||
               ri_ns_sub(now_ms, b->base_timestamp_ms) > times.before_ms;
    if (!far) return RI_KAFKA_E_NONE;
    ri_err(RILL_EINVAL, "times from %lld to %lld ms: the topic takes what is %lld ms before now, "
           "and %lld ms behind it, at most", (long long)b->base_timestamp_ms,
           (long long)b->max_timestamp_ms, (long long)times.before_ms,
           (long long)times.after_ms);
    return RI_KAFKA_E_INVALID_TIMESTAMP;
}

/* What is wrong before the stream is asked: it is to be one batch, of the kind of today. *stamps:
 * its times shall be those of now. */
static ri_kafka_error kafka_produce_check(const ri_kafka_request *r, const ri_stream *stream,
                                          ri_str records, ri_kafka_produce_answer_partition *out,
                                          bool *stamps)
{
    ri_fetch_ends ends;
    ri_kafka_batch b;
    int rc = ri_kafka_batch_parse(records, RI_LIMIT_KAFKA_BATCH_MAX, &b);
    if (rc >= 0 && (records.len == 0 || (size_t)rc != records.len))
        rc = ri_err(RILL_EPROTO, "a partition gets one record batch, and that whole");
    if (rc < 0) return RI_KAFKA_E_INVALID_RECORD;
    if (b.attributes & RI_KAFKA_TRANSACTIONAL) {
        ri_err(RILL_ENOTSUP, "there are no transactions here");
        return RI_KAFKA_E_TXN_ID_DENIED;
    }
    ri_fetch_ends_of(stream, &ends);
    out->log_start_offset = ends.start;
    if (b.attributes & RI_KAFKA_CONTROL) {
        ri_err(RILL_EPROTO, "a control batch is the coordinator's");
        return RI_KAFKA_E_INVALID_RECORD;
    }
    if (ri_kafka_batch_codec(&b) == RI_KAFKA_CODEC_ZSTD && r->head.version < 7) {
        ri_err(RILL_ENOTSUP, "zstd is for version 7 and later ones");
        return RI_KAFKA_E_NO_COMPRESSION;
    }
    return kafka_produce_check_time(r, stream, &b, stamps);
}

static void kafka_produce_done(ri_js_waiter *waiter, int rc);

/* A byte of the batch is room for one record's place at most. */
static kafka_produce_part *kafka_produce_begin_part(ri_kafka_request *r, const ri_stream *stream,
                                                    ri_str records)
{
    kafka_produce_part *part = ri_kafka_request_alloc(r, sizeof *part);
    int64_t tombstone_ns;
    if (!part || r->head.version < 8 ||
        ri_jsconf_compact(ri_stream_conf_of(stream), &tombstone_ns) != 1)
        return part;
    uint32_t cap = (uint32_t)RI_MIN(records.len, (size_t)PRODUCE_KEYLESS);
    part->keyless.at = ri_kafka_request_alloc(r, cap * sizeof *part->keyless.at);
    if (!part->keyless.at) return NULL;
    part->keyless.cap = cap;
    part->ask.keyless = &part->keyless;
    return part;
}

/* Which records are wrong, so that their producer can send the others again. */
static void kafka_produce_blame(ri_kafka_request *r, const ri_view_keyless *keyless,
                                ri_kafka_produce_answer_partition *out)
{
    if (keyless->len == 0 || !RI_KAFKA_SERVE_LIST(r, &out->record_errors,
                                                  produce_answer_record_error, keyless->len))
        return;
    for (uint32_t i = 0; i < keyless->len; i++) {
        out->record_errors.items[i].batch_index = keyless->at[i];
        out->record_errors.items[i].batch_index_error_message =
            RI_STR("the record has no key, and the topic keeps the last of each");
    }
}

static ri_kafka_error kafka_produce_append(ri_kafka_request *r, ri_stream *stream, ri_str records,
                                           ri_kafka_produce_answer_partition *out, bool stamps)
{
    kafka_produce *p = r->work;
    kafka_produce_part *part = p->looking ? p->looking
                                          : kafka_produce_begin_part(r, stream, records);
    if (!part) return RI_KAFKA_E_STORAGE;
    part->ask.slices = true;
    part->ask.waiter.done = kafka_produce_done;
    part->ask.stamp = stamps;
    part->r = r;
    part->out = out;
    int rc = ri_view_append_batch(stream, records, &part->ask);
    p->looking = rc == 1 ? part : NULL;
    if (rc == 1) return RI_KAFKA_E_NONE;
    if (rc < 0) {
        kafka_produce_blame(r, &part->keyless, out);
        return kafka_produce_refused(stream, rc, &part->ask);
    }
    r->session->server->stored = true;
    ri_budget_spend(&r->session->server->broker->router.budget, PRODUCE_PUT);
    out->base_offset = ri_kafka_offset_of(part->ask.first_seq);
    out->log_append_time_ms = part->ask.append_time_ms;
    p->parts[p->nparts++] = part;
    p->waiting++;
    return RI_KAFKA_E_NONE;
}

/* ---- One partition ---- */

static ri_kafka_error kafka_produce_partition(ri_kafka_request *r,
                                              const ri_kafka_produce_request_partition *in,
                                              ri_kafka_produce_answer_partition *out)
{
    const ri_kafka_produce_request *q = r->body;
    kafka_produce *p = r->work;
    bool by_id = r->head.version >= 13;
    if (q->acks < -1 || q->acks > 1) {
        ri_err(RILL_EINVAL, "acks is %d", q->acks);
        return RI_KAFKA_E_INVALID_ACKS;
    }
    if (q->transactional_id.ptr) {
        ri_err(RILL_ENOTSUP, "there are no transactions here");
        return RI_KAFKA_E_TXN_ID_DENIED;
    }
    ri_stream *stream = p->found ? ri_kafka_catalog_partition(ri_kafka_serve_js(r), &p->at,
                                                              in->index)
                                 : NULL;
    if (!stream) {
        ri_err(RILL_ENOENT, "there is no such %s", p->found ? "partition" : "topic");
        return by_id && !p->found ? RI_KAFKA_E_UNKNOWN_TOPIC_ID : RI_KAFKA_E_UNKNOWN_TOPIC;
    }
    if (ri_jsconf_batches(ri_stream_conf_of(stream)) != 1) {
        ri_err(RILL_ENOTSUP, "stream %.*s takes no record batches: it was made without the "
               "metadata rill.batches", RI_ARG(ri_stream_conf_of(stream)->name));
        return RI_KAFKA_E_POLICY;
    }
    bool stamps = false;
    ri_kafka_error error = kafka_produce_check(r, stream, in->records, out, &stamps);
    if (error != RI_KAFKA_E_NONE) return error;
    return kafka_produce_append(r, stream, in->records, out, stamps);
}

/* What was unpacked of the batch that is looked at is not wanted. */
static void kafka_produce_look_away(kafka_produce *p)
{
    if (p->looking) ri_view_ask_drop(&p->looking->ask);
    p->looking = NULL;
}

static void kafka_produce_fail(ri_kafka_request *r, ri_kafka_produce_answer_partition *out,
                               ri_kafka_error error)
{
    kafka_produce *p = r->work;
    kafka_produce_look_away(p);
    p->wrong = true;
    out->error_code = (int16_t)error;
    out->base_offset = out->log_append_time_ms = -1;
    ri_kafka_serve_why(r, &out->error_message);
}

/* ---- The request ---- */

static bool kafka_produce_begin(ri_kafka_request *r)
{
    const ri_kafka_produce_request *q = r->body;
    kafka_produce *p = r->work = ri_kafka_request_alloc(r, sizeof *p);
    size_t n = 0;
    if (!p) return false;
    if (!RI_KAFKA_SERVE_LIST(r, &p->answer.topics, produce_answer_topic, q->topics.len))
        return false;
    for (uint32_t i = 0; i < q->topics.len; i++) n += q->topics.items[i].partitions.len;
    p->parts = ri_kafka_request_alloc(r, (n + 1) * sizeof *p->parts);
    return p->parts != NULL;
}

/* The topic that is looked at now. In a later turn it may have gone. */
static void kafka_produce_enter(ri_kafka_request *r)
{
    kafka_produce *p = r->work;
    ri_js *js = ri_kafka_serve_js(r);
    const ri_kafka_produce_request *q = r->body;
    const ri_kafka_produce_request_topic *in = &q->topics.items[p->topic];
    p->found = r->head.version >= 13
                   ? ri_kafka_catalog_find_id(r->session->server->catalog, js, &in->topic_id,
                                              &p->at)
                   : ri_kafka_catalog_find(js, in->name, &p->at);
}

/* The names in the frame go with it. */
static bool kafka_produce_topic(ri_kafka_request *r, const ri_kafka_produce_request_topic *in,
                                ri_kafka_produce_answer_topic *out)
{
    kafka_produce_enter(r);
    out->topic_id = in->topic_id;
    return ri_kafka_serve_copy(r, in->name, &out->name) &&
           RI_KAFKA_SERVE_LIST(r, &out->partitions, produce_answer_partition, in->partitions.len);
}

/* The next partition of all. False: there are no more, or the session ends. */
static bool kafka_produce_next(ri_kafka_request *r)
{
    const ri_kafka_produce_request *q = r->body;
    kafka_produce *p = r->work;
    if (p->topic == q->topics.len) return false;
    const ri_kafka_produce_request_topic *in = &q->topics.items[p->topic];
    ri_kafka_produce_answer_topic *out = &p->answer.topics.items[p->topic];
    ri_budget_spend(&r->session->server->broker->router.budget, PRODUCE_UNITS);
    if (p->partition == 0 && !p->looking && !kafka_produce_topic(r, in, out)) return false;
    if (p->partition < in->partitions.len) {
        ri_kafka_produce_answer_partition *part = &out->partitions.items[p->partition];
        const ri_kafka_produce_request_partition *of = &in->partitions.items[p->partition];
        part->index = of->index;
        ri_kafka_error error = kafka_produce_partition(r, of, part);
        if (error != RI_KAFKA_E_NONE) kafka_produce_fail(r, part, error);
        if (p->looking) return !r->session->end;
        p->partition++;
    }
    if (p->partition == in->partitions.len) {
        p->topic++;
        p->partition = 0;
    }
    return !r->session->end;
}

static void kafka_produce_answer(ri_kafka_request *r)
{
    const kafka_produce *p = r->work;
    ri_kafka_request_sampled(r, &r->session->server->door.publish);
    if (((const ri_kafka_produce_request *)r->body)->acks != 0) {
        ri_kafka_request_answer_kept(r, &p->answer);
        return;
    }
    if (p->wrong) ri_kafka_session_refuse(r->session, "a produce that wants no answer");
    ri_kafka_request_silent(r);
}

static void kafka_produce_done(ri_js_waiter *waiter, int rc)
{
    kafka_produce_part *part = ri_container_of(waiter, kafka_produce_part, ask.waiter);
    ri_kafka_request *r = part->r;
    kafka_produce *p = r->work;
    RI_ASSERT(p->waiting > 0);
    p->waiting--;
    if (rc < 0) kafka_produce_fail(r, part->out, RI_KAFKA_E_STORAGE);
    if (p->waiting == 0 && p->over && !r->session->end) kafka_produce_answer(r);
}

bool ri_kafka_produce_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_budget *budget = &r->session->server->broker->router.budget;
    kafka_produce *p = r->work;
    if (!p && !kafka_produce_begin(r)) return false;
    p = r->work;
    if (p->partition > 0 || p->looking) kafka_produce_enter(r);
    while (!p->over) {
        if (!kafka_produce_next(r)) {
            if (r->session->end) return false;
            p->over = true;
        } else if (p->looking || !ri_budget_left(budget)) {
            return ri_kafka_request_claim(r, 0);
        }
    }
    bool waits = ((const ri_kafka_produce_request *)r->body)->acks != 0;
    if (!waits) ri_kafka_produce_drop(r);
    if (!waits || p->waiting == 0) kafka_produce_answer(r);
    return false;
}

void ri_kafka_produce_drop(ri_kafka_request *r)
{
    kafka_produce *p = r->work;
    if (!p) return;
    for (uint32_t i = 0; i < p->nparts; i++) ri_list_remove(&p->parts[i]->ask.waiter.link);
    ri_budget_spend(&r->session->server->broker->router.budget, p->nparts / PRODUCE_DROPPED);
    kafka_produce_look_away(p);
}

/* ---- InitProducerId ---- */

/* An id that no other has, also before or after a restart: what partitions know of a producer lasts
 * for days. */
static int64_t kafka_produce_new_id(const ri_host *host)
{
    uint64_t id;
    host->entropy(host->arg, &id, sizeof id);
    return (int64_t)(id >> 2);
}

bool ri_kafka_producer_id_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_init_producer_id_request *q = r->body;
    ri_kafka_init_producer_id_answer answer;
    ri_kafka_blank(ri_kafka_init_producer_id_answer_type(), &answer);
    answer.producer_epoch = -1;
    if (q->transactional_id.ptr && q->transactional_id.len == 0)
        answer.error_code = RI_KAFKA_E_INVALID_REQUEST;
    else if ((q->producer_id == -1) != (q->producer_epoch == -1))
        answer.error_code = RI_KAFKA_E_INVALID_REQUEST;
    else if (q->transactional_id.ptr)
        answer.error_code = RI_KAFKA_E_TXN_ID_DENIED; /* there are no transactions: it gives up */
    if (answer.error_code == RI_KAFKA_E_NONE) {
        answer.producer_id = kafka_produce_new_id(&r->session->server->broker->host);
        answer.producer_epoch = 0;
    }
    ri_kafka_request_answer(r, &answer);
    return false;
}
