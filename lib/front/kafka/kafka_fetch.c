/* SPDX-License-Identifier: Apache-2.0 */
/* Fetch: batches of many partitions, in the order in which they are asked for, in slices of the
 * turn's budget.
 *
 *     look up  ->  read what is there  ->  enough, an error, or no time left?  ->  answer
 *                        ^                          | no
 *                        +--- of those partitions to which something is committed meanwhile
 *
 * Who waits for very many partitions and is woken by one reads that one: a list has those that
 * grew. What is large is not read in the small part of a turn that a request has first.
 *
 * The first batch of all goes out whole, however large it is; the others keep to the limits, of the
 * request, of each partition, and of this broker's memory: the more is read and waits unread, of
 * all clients, the less is read into one answer. A partition that is named twice is an
 * error: else it would be read, and watched, as often as it is named. A session, which would spare
 * a client to name its partitions each time, is never opened: that is said by the number 0. */
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "front/kafka/kafka_serve.h"

enum {
    KAFKA_FETCH_WAITING = 4, /* times what may wait for one connection: of all, at which answers
                                have one batch each */
    KAFKA_FETCH_SHARE = 8,   /* of what is left of that one answer may take a part */
    KAFKA_FETCH_UNITS = 4,   /* of the turn, for a partition that is looked up, or at, ... */
    KAFKA_FETCH_DROPPED = 4, /* ... and for so many that are forgotten, one */
};

typedef struct kafka_fetch_part {
    ri_watch watch;       /* of its stream, from when it was looked up to the answer */
    ri_buffer records;
    uint64_t id;          /* of the stream, if no part before this one has it */
    int64_t offset;       /* next to be read */
    size_t max;           /* bytes that may still be read */
    ri_list grown;        /* in the fetch's, while there is more than was read of it */
    ri_kafka_request *r;
    ri_kafka_fetch_answer_partition *out;
} kafka_fetch_part;

typedef struct kafka_fetch {
    ri_kafka_fetch_answer answer;
    kafka_fetch_part *parts; /* of all partitions, as they are asked for */
    uint32_t nparts;
    ri_buffer **records;     /* of all parts, once it is answered */
    uint32_t *seen, mask;    /* 1 + the part of a stream, by the stream's hash; 0: none is there */
    uint32_t topic, partition; /* next to be looked up */
    uint32_t at;             /* of the parts, the next that is read for the first time */
    uint32_t finished;       /* of the parts, the next whose answer is finished */
    ri_list grown;           /* kafka_fetch_part.grown, of those that were read before */
    kafka_fetch_part *now;   /* that is read now; NULL: none is begun */
    ri_fetch reader;         /* of that one */
    size_t bytes, max, most; /* read; that may be now; that may be if nobody else is there */
    size_t held;             /* what the buffers of all have taken */
    bool found;              /* the topic that is looked up is there: */
    ri_kafka_topic of;
    bool looked_up;          /* all are */
    bool wrong;              /* of some partition: the answer does not wait */
    bool full;               /* the next batch found no room: nothing more is looked for */
    bool logged;             /* the log has a line of what failed */
    bool parked;             /* it waits for records */
    bool timed;              /* its time is set */
} kafka_fetch;

/* ---- Looking up ---- */

static void kafka_fetch_grew(ri_watch *watch)
{
    kafka_fetch_part *part = ri_container_of(watch, kafka_fetch_part, watch);
    RI_ASSERT(ri_kafka_request_is_begun(part->r));
    kafka_fetch *f = part->r->work;
    RI_ASSERT(f && part >= f->parts && part < f->parts + f->nparts);
    if (!watch->stream && part == f->now) ri_fetch_close(&f->reader);
    if (!ri_list_linked(&part->grown)) ri_list_push(&f->grown, &part->grown);
    if (ri_unlikely(part->r->sample_ns) && f->parked)
        part->r->sample_ns = ri_mono_ns(part->r->arena.host);
    if (f->parked) ri_kafka_request_ready(part->r);
}

static ri_kafka_error kafka_fetch_diverges(const ri_kafka_fetch_request_partition *in,
                                           const ri_fetch_ends *ends,
                                           ri_kafka_fetch_answer_partition *out)
{
    if (in->last_fetched_epoch < 0) return RI_KAFKA_E_NONE;
    if (in->last_fetched_epoch == RI_KAFKA_EPOCH && in->fetch_offset <= ends->end)
        return RI_KAFKA_E_NONE;
    out->diverging_epoch.epoch = RI_KAFKA_EPOCH;
    out->diverging_epoch.end_offset = ends->end;
    return RI_KAFKA_E_NONE;
}

/* Has an earlier part that stream? Else it is this one's from now on. */
static bool kafka_fetch_is_twin(kafka_fetch *f, const ri_stream *stream)
{
    RI_ASSERT(f->nparts > 0 && f->nparts <= f->mask);
    uint64_t id = ri_stream_id(stream);
    uint32_t at = (uint32_t)ri_hash_u64(id) & f->mask;
    for (; f->seen[at]; at = (at + 1) & f->mask)
        if (f->parts[f->seen[at] - 1].id == id) return true;
    f->seen[at] = f->nparts;
    f->parts[f->nparts - 1].id = id;
    return false;
}

/* Open it for reading, if it can be. */
static ri_kafka_error kafka_fetch_open(ri_kafka_request *r,
                                       const ri_kafka_fetch_request_partition *in,
                                       kafka_fetch_part *part)
{
    kafka_fetch *f = r->work;
    ri_fetch_ends ends;
    bool by_id = r->head.version >= 13;
    if (!f->found) return by_id ? RI_KAFKA_E_UNKNOWN_TOPIC_ID : RI_KAFKA_E_UNKNOWN_TOPIC;
    ri_stream *stream = ri_kafka_catalog_partition(ri_kafka_serve_js(r), &f->of, in->partition);
    if (!stream) return RI_KAFKA_E_UNKNOWN_TOPIC;
    if (kafka_fetch_is_twin(f, stream)) return RI_KAFKA_E_INVALID_REQUEST;
    ri_kafka_error error = ri_kafka_serve_epoch(in->current_leader_epoch);
    if (error != RI_KAFKA_E_NONE) return error;
    ri_fetch_ends_of(stream, &ends);
    if (in->fetch_offset < ends.start || in->fetch_offset > ends.end)
        return RI_KAFKA_E_OFFSET_OUT_OF_RANGE;
    part->offset = in->fetch_offset;
    part->max = (size_t)RI_MAX(in->partition_max_bytes, 0);
    ri_watch_begin(&part->watch, stream);
    return kafka_fetch_diverges(in, &ends, part->out);
}

/* The topic that is looked up now. In a later turn it may have gone. */
static void kafka_fetch_enter(ri_kafka_request *r)
{
    kafka_fetch *f = r->work;
    ri_js *js = ri_kafka_serve_js(r);
    const ri_kafka_fetch_request *q = r->body;
    const ri_kafka_fetch_request_topic *in = &q->topics.items[f->topic];
    f->found = r->head.version >= 13
                   ? ri_kafka_catalog_find_id(r->session->server->catalog, js, &in->topic_id,
                                              &f->of)
                   : ri_kafka_catalog_find(js, in->topic, &f->of);
}

static bool kafka_fetch_topic(ri_kafka_request *r, const ri_kafka_fetch_request_topic *in,
                              ri_kafka_fetch_answer_topic *out)
{
    kafka_fetch_enter(r);
    out->topic = in->topic;
    out->topic_id = in->topic_id;
    return RI_KAFKA_SERVE_LIST(r, &out->partitions, fetch_answer_partition, in->partitions.len);
}

/* The next partition of all. False: there are no more, or the session ends. */
static bool kafka_fetch_look_up(ri_kafka_request *r)
{
    const ri_kafka_fetch_request *q = r->body;
    kafka_fetch *f = r->work;
    if (f->topic == q->topics.len) return false;
    const ri_kafka_fetch_request_topic *in = &q->topics.items[f->topic];
    ri_kafka_fetch_answer_topic *out = &f->answer.topics.items[f->topic];
    ri_budget_spend(&r->session->server->broker->router.budget, KAFKA_FETCH_UNITS);
    if (f->partition == 0 && !kafka_fetch_topic(r, in, out)) return false;
    if (f->partition < in->partitions.len) {
        kafka_fetch_part *part = &f->parts[f->nparts++];
        const ri_kafka_fetch_request_partition *of = &in->partitions.items[f->partition];
        part->r = r;
        part->watch.grew = kafka_fetch_grew;
        part->out = &out->partitions.items[f->partition++];
        part->out->partition_index = of->partition;
        part->out->high_watermark = -1;
        ri_buffer_init(&part->records, r->arena.host);
        part->out->error_code = (int16_t)kafka_fetch_open(r, of, part);
        f->wrong = f->wrong || part->out->error_code || part->out->diverging_epoch.epoch >= 0;
    }
    if (f->partition == in->partitions.len) {
        f->topic++;
        f->partition = 0;
    }
    return true;
}

/* ---- Reading ---- */

static bool kafka_fetch_is_read(const kafka_fetch_part *part) /* to its end */
{
    ri_fetch_ends ends;
    ri_fetch_ends_of(part->watch.stream, &ends);
    return part->offset >= ends.end;
}

/* What was made room for and not used goes: the request counts what its buffers take. */
static void kafka_fetch_count(kafka_fetch *f, kafka_fetch_part *part, size_t cap)
{
    ri_kafka_server *server = part->r->session->server;
    if (ri_buffer_size(&part->records) == 0) ri_outq_pool_keep(&server->pool, &part->records);
    RI_ASSERT(f->held >= cap);
    f->held = f->held - cap + part->records.cap;
}

/* How much all may read has become less, or more, while this one was read. */
static void kafka_fetch_share(const ri_kafka_request *r, kafka_fetch *f)
{
    const ri_broker *broker = r->session->server->broker;
    const ri_memory *memory = &broker->router.memory;
    uint64_t most = ri_u64_mul(broker->conf.max_pending_bytes, KAFKA_FETCH_WAITING);
    uint64_t held = ri_u64_add(ri_memory_used(memory, RI_MEMORY_OUTPUT),
                               ri_memory_used(memory, RI_MEMORY_WORK));
    uint64_t left = RI_MIN(most - RI_MIN(most, held), ri_memory_left(memory, RI_MEMORY_WORK));
    left = RI_MIN(left, ri_memory_left(memory, RI_MEMORY_OUTPUT)); /* what is read becomes that */
    uint64_t share = left / KAFKA_FETCH_SHARE;
    f->max = (size_t)RI_MIN((uint64_t)f->most, RI_MAX(share, (uint64_t)f->bytes));
}

/* As much as goes now. True: the budget of the turn is used up, and there may be more. What finds
 * no room, since others have taken all, is not even looked for: that would read it from the
 * disk. */
static bool kafka_fetch_read(ri_kafka_request *r, kafka_fetch_part *part)
{
    kafka_fetch *f = r->work;
    kafka_fetch_share(r, f);
    ri_stream *stream = part->watch.stream;
    size_t before = ri_buffer_size(&part->records), cap = part->records.cap;
    size_t left = f->max > f->bytes ? f->max - f->bytes : 0;
    RI_ASSERT(f->held >= f->bytes);
    ri_budget_spend(&r->session->server->broker->router.budget, KAFKA_FETCH_UNITS);
    if (!stream) f->wrong = true; /* it never was there, or it went: nothing more will come */
    if (!stream || part->out->error_code || part->out->diverging_epoch.epoch >= 0) return false;
    if (f->full || (f->bytes > 0 && RI_MIN(part->max, left) == 0)) return false;
    size_t max = RI_MIN(part->max, left), likely = ri_fetch_likely(stream, part->offset, max);
    if (likely > 0 && !r->goes_on) return true; /* others first, who ask for less */
    if (!f->reader.open) ri_fetch_open(&f->reader, stream);
    if (likely > 0 && cap == 0) ri_kafka_server_lend(r->session->server, likely, &part->records);
    int rc = ri_fetch_some(&f->reader, stream, &part->offset, max, f->bytes == 0, &part->records);
    size_t got = ri_buffer_size(&part->records) - before;
    f->bytes += got;
    kafka_fetch_count(f, part, cap);
    f->full = rc == 0 && left <= part->max && !kafka_fetch_is_read(part);
    part->max -= RI_MIN(part->max, got);
    if (rc >= 0) return rc == 1;
    if (f->bytes > 0 && rc != RILL_EINVAL) return false; /* what was read goes out first */
    f->wrong = true;
    part->out->error_code = rc == RILL_EINVAL ? RI_KAFKA_E_OFFSET_OUT_OF_RANGE
                                              : RI_KAFKA_E_STORAGE;
    if (rc != RILL_EINVAL && !f->logged)
        ri_host_log(&r->session->server->broker->host, RILL_ERROR, "a fetch: %s", ri_err_text());
    f->logged = f->logged || rc != RILL_EINVAL;
    return false;
}

/* The bytes that may be read into the answer: also those of others are in memory. */
static size_t kafka_fetch_most(const ri_kafka_request *r)
{
    const ri_kafka_fetch_request *q = r->body;
    const ri_broker *broker = r->session->server->broker;
    size_t most = (size_t)RI_MAX(q->max_bytes, 0);
    most = RI_MIN(most, (size_t)RI_LIMIT_KAFKA_FETCH);
    most = (size_t)RI_MIN((uint64_t)most, broker->conf.max_pending_bytes / 2);
    return ri_broker_has_room(broker) ? most : 0;
}

/* How many partitions are named. False: more than there can be, and the session ends. */
static bool kafka_fetch_may_name(ri_kafka_request *r, size_t *named)
{
    const ri_kafka_fetch_request *q = r->body;
    size_t streams = ri_js_nstreams(ri_kafka_serve_js(r)), n = 0;
    for (uint32_t i = 0; i < q->topics.len; i++) n += q->topics.items[i].partitions.len;
    *named = n;
    if (n <= ri_size_add(streams, RI_LIMIT_KAFKA_PARTITIONS)) return true;
    ri_err(RILL_ETOOBIG, "%zu partitions are named, and there are no more than %zu", n, streams);
    ri_kafka_request_refuse(r);
    return false;
}

static bool kafka_fetch_begin(ri_kafka_request *r)
{
    const ri_kafka_fetch_request *q = r->body;
    kafka_fetch *f = ri_kafka_request_alloc(r, sizeof *f);
    size_t n;
    if (!f || !kafka_fetch_may_name(r, &n)) return false;
    ri_kafka_blank(ri_kafka_fetch_answer_type(), &f->answer);
    if (!RI_KAFKA_SERVE_LIST(r, &f->answer.topics, fetch_answer_topic, q->topics.len))
        return false;
    f->parts = ri_kafka_request_alloc(r, ri_size_mul(n + 1, sizeof *f->parts));
    while (f->mask / 2 < n) f->mask = 2 * f->mask + 1;
    f->seen = f->parts ? ri_kafka_request_alloc(r, ((size_t)f->mask + 1) * sizeof *f->seen) : NULL;
    f->max = f->most = kafka_fetch_most(r);
    ri_list_init(&f->grown);
    if (f->seen) r->work = f;
    return f->seen != NULL;
}

/* ---- Answering ---- */

static void kafka_fetch_finish(const kafka_fetch_part *part, int8_t isolation)
{
    ri_kafka_fetch_answer_partition *out = part->out;
    out->records = ri_buffer_size(&part->records) ? ri_buffer_str(&part->records) : RI_STR("");
    if (part->watch.stream && !out->error_code) {
        ri_fetch_ends ends;
        ri_fetch_ends_of(part->watch.stream, &ends);
        out->high_watermark = out->last_stable_offset = ends.end;
        out->log_start_offset = ends.start;
        if (isolation == 1) /* none, which is not null */
            out->aborted_transactions.items = ri_kafka_request_items(
                part->r, ri_kafka_fetch_answer_aborted_transaction_type(), 0);
    } else if (!out->error_code) {
        out->error_code = RI_KAFKA_E_UNKNOWN_TOPIC; /* it went meanwhile */
    }
}

/* True: the budget of the turn is used up, and there are more to finish. */
static bool kafka_fetch_answer(ri_kafka_request *r)
{
    const ri_kafka_fetch_request *q = r->body;
    kafka_fetch *f = r->work;
    ri_budget *budget = &r->session->server->broker->router.budget;
    if (!f->records)
        f->records = ri_kafka_request_alloc(r, ((size_t)f->nparts + 1) * sizeof *f->records);
    if (!f->records) return false;
    while (f->finished < f->nparts) {
        kafka_fetch_part *part = &f->parts[f->finished];
        kafka_fetch_finish(part, q->isolation_level);
        ri_watch_end(&part->watch);
        f->records[f->finished++] = &part->records;
        if (!ri_budget_spend(budget, 1) && f->finished < f->nparts) return true;
    }
    if (r->session->end) return false;
    if (f->bytes) ri_kafka_request_sampled(r, &r->session->server->door.delivery);
    ri_kafka_request_answer_records(r, &f->answer, f->records);
    if (r->stage == RI_KAFKA_DONE) ri_kafka_fetch_drop(r);
    return false;
}

static bool kafka_fetch_park(ri_kafka_request *r)
{
    const ri_kafka_fetch_request *q = r->body;
    kafka_fetch *f = r->work;
    int64_t now_ns = ri_loop_now(&r->session->server->loop);
    int64_t wait_ns = ri_ns_of_ms(RI_MIN(q->max_wait_ms, RI_LIMIT_KAFKA_WAIT_MS));
    f->parked = true;
    if (f->timed) return false;
    f->timed = true;
    if (ri_kafka_request_until(r, ri_ns_add(now_ns, wait_ns)) < 0)
        ri_kafka_session_end(r->session, RI_KAFKA_END_MEMORY);
    return false;
}

/* A client that names a session has one of another broker, or of before a restart. */
static bool kafka_fetch_refuse(ri_kafka_request *r)
{
    const ri_kafka_fetch_request *q = r->body;
    ri_kafka_fetch_answer answer;
    if (q->session_epoch <= 0) return false;
    ri_kafka_blank(ri_kafka_fetch_answer_type(), &answer);
    answer.error_code = RI_KAFKA_E_NO_SESSION;
    ri_kafka_request_answer(r, &answer);
    return true;
}

/* The part that is read next: each once, then those that grew. NULL: there is none. */
static kafka_fetch_part *kafka_fetch_next(kafka_fetch *f)
{
    if (f->at < f->nparts) return &f->parts[f->at++];
    ri_list *item = ri_list_pop(&f->grown);
    return item ? ri_container_of(item, kafka_fetch_part, grown) : NULL;
}

/* What is there is read, as far as the budget goes. True: there is more. */
static bool kafka_fetch_read_on(ri_kafka_request *r)
{
    kafka_fetch *f = r->work;
    const ri_budget *budget = &r->session->server->broker->router.budget;
    while (f->now || (f->now = kafka_fetch_next(f)) != NULL) {
        ri_list_remove(&f->now->grown);
        bool more = kafka_fetch_read(r, f->now);
        if (!more) ri_fetch_close(&f->reader);
        if (!more) f->now = NULL;
        if (more || !ri_budget_left(budget)) return true;
    }
    return false;
}

bool ri_kafka_fetch_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_fetch_request *q = r->body;
    const ri_budget *budget = &r->session->server->broker->router.budget;
    kafka_fetch *f = r->work;
    if (!f && (kafka_fetch_refuse(r) || !kafka_fetch_begin(r))) return false;
    f = r->work;
    f->parked = false;
    if (f->partition > 0) kafka_fetch_enter(r);
    while (!f->looked_up) {
        f->looked_up = !kafka_fetch_look_up(r);
        if (r->session->end) return false;
        if (!f->looked_up && !ri_budget_left(budget)) return ri_kafka_request_claim(r, 0);
    }
    bool more = !f->records && kafka_fetch_read_on(r);
    if (!ri_kafka_request_claim(r, f->held) || more) return more && !r->session->end;
    bool enough = (int64_t)f->bytes >= q->min_bytes || (f->bytes && f->bytes >= f->max) || f->full;
    if (!f->records && !enough && !f->wrong && !r->late && q->max_wait_ms > 0 && q->topics.len)
        return kafka_fetch_park(r);
    return kafka_fetch_answer(r);
}

void ri_kafka_fetch_drop(ri_kafka_request *r)
{
    RI_ASSERT(r);
    kafka_fetch *f = r->work;
    for (uint32_t i = 0; f && i < f->nparts; i++) {
        ri_watch_end(&f->parts[i].watch);
        ri_buffer_fini(&f->parts[i].records);
    }
    if (!f) return;
    ri_fetch_close(&f->reader);
    ri_budget_spend(&r->session->server->broker->router.budget, f->nparts / KAFKA_FETCH_DROPPED);
    f->nparts = 0;
}
