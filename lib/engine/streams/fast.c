/* SPDX-License-Identifier: Apache-2.0 */
/* Fast batches: each message is stored as it comes, and answered now and then. What a message is
 * to its batch stands in its reply subject:
 *
 *     <inbox>.<id>.<flow>.<ok|fail>.<sequence>.<operation>.$FI
 *
 *     0 start    the first: {"type":"ack","seq":0,"msgs":<flow>} at once; it is stored, too
 *     1 append   each <flow> messages, once they are committed: {"type":"ack","seq":..,"msgs":..}
 *     2 commit   stored; a PubAck with batch and count, once committed; it may be the first
 *     3 end      the same, itself not stored
 *     4 ping     the last ack again
 *
 * A message that is missing: {"type":"gap","last_seq":..,"seq":..}, the first that is missing and
 * the one that came. One that is refused: {"type":"err","seq":..,"error":{..}}. With `fail` both
 * end the batch with a PubAck for what came before, and the refusal of the first is its answer; so
 * does, in either mode, one that came before.
 *
 * Those of one stream have a claim to the broker's memory for work. Where it is cut they
 * are forgotten, as idle ones are. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "engine/streams/js_state.h"

enum {
    FAST_ID_MAX = 64,
    FAST_FLOW = 10,        /* when nothing is asked for */
    FAST_FLOW_MAX = 500,
    FAST_OPEN_STREAM = 1000,
};
#define FAST_IDLE_NS (10 * RI_SEC)

typedef enum fast_operation {
    FAST_START, FAST_APPEND, FAST_COMMIT, FAST_END, FAST_PING,
} fast_operation;

typedef struct ri_fast {
    ri_list link;          /* in stream->fast, the longest idle first */
    uint64_t seq;          /* of the last message that came, or was passed over */
    uint64_t acked;        /* of the last ack, a multiple of `flow` */
    uint64_t flow;         /* messages of an ack */
    uint64_t stream_seq;   /* of the last one stored; 0: none */
    bool fail;             /* ends at a gap */
    int64_t due_ns;        /* monotonic: forgotten then */
    size_t id_len;
    char id[FAST_ID_MAX];
} ri_fast;

typedef struct fast_place { /* what a reply subject says */
    ri_str id;
    uint64_t flow, seq, operation;
    bool fail;
} fast_place;

bool ri_fast_is(ri_str reply)
{
    return reply.len > 4 && memcmp(reply.ptr + reply.len - 4, ".$FI", 4) == 0;
}

/* The last token of *s, which loses it. */
static ri_str fast_cut_last(ri_str *s)
{
    size_t at = s->len;
    while (at > 0 && s->ptr[at - 1] != '.') at--;
    ri_str token = {s->ptr + at, s->len - at};
    s->len = at ? at - 1 : 0;
    return token;
}

static bool fast_read(ri_str reply, fast_place *place)
{
    fast_cut_last(&reply); /* $FI */
    ri_str operation = fast_cut_last(&reply), seq = fast_cut_last(&reply);
    ri_str mode = fast_cut_last(&reply), flow = fast_cut_last(&reply);
    int64_t asked;
    place->id = fast_cut_last(&reply);
    place->fail = ri_str_is(mode, "fail");
    if (!place->fail && !ri_str_is(mode, "ok")) return false;
    if (!ri_number_read_i64(flow, &asked) || !ri_number_read(seq, &place->seq)) return false;
    place->flow = asked <= 0 ? FAST_FLOW : RI_MIN((uint64_t)asked, FAST_FLOW_MAX);
    if (!ri_number_read(operation, &place->operation) || place->operation > FAST_PING) return false;
    if (place->seq == 0 || place->seq == UINT64_MAX) return false;
    if (place->seq == 1) return place->operation != FAST_APPEND && place->operation != FAST_END;
    return place->operation != FAST_START;
}

static ri_fast *fast_find(ri_stream *stream, ri_str id)
{
    ri_list_each (link, &stream->fast) {
        ri_fast *fast = ri_container_of(link, ri_fast, link);
        if (ri_str_eq((ri_str){fast->id, fast->id_len}, id)) return fast;
    }
    return NULL;
}

static void fast_free(ri_stream *stream, ri_fast *fast)
{
    ri_ledger *work = &stream->js->router->work;
    ri_list_remove(&fast->link);
    stream->nfast--;
    ri_claim_shrink(work, &stream->fast_claim, sizeof *fast);
    ri_delete(stream->js->host, fast);
}

static void fast_cut(ri_claim *claim)
{
    ri_stream *stream = ri_container_of(claim, ri_stream, fast_claim);
    ri_list_each (link, &stream->fast) fast_free(stream, ri_container_of(link, ri_fast, link));
    ri_claim_end(&stream->js->router->work, claim);
}

void ri_fast_init(ri_stream *stream)
{
    ri_list_init(&stream->fast);
    ri_claim_init(&stream->fast_claim, fast_cut);
}

static void fast_renew(ri_stream *stream, ri_fast *fast)
{
    fast->due_ns = stream->js->mono_ns + FAST_IDLE_NS;
    ri_list_remove(&fast->link);
    ri_list_push(&stream->fast, &fast->link);
    ri_js_arm(stream, fast->due_ns);
}

static int fast_open(ri_stream *stream, const fast_place *place, ri_fast **out, ri_js_error *e)
{
    if (place->seq != 1 || place->operation == FAST_PING)
        return ri_jserror_set(e, RI_JS_BATCH_PUBLISH_UNKNOWN_BATCH_ID, NULL);
    if (place->id.len == 0 || place->id.len > FAST_ID_MAX)
        return ri_jserror_set(e, RI_JS_BATCH_PUBLISH_INVALID_BATCH_ID, NULL);
    if (stream->nfast >= FAST_OPEN_STREAM)
        return ri_jserror_set(e, RI_JS_BATCH_PUBLISH_TOO_MANY_INFLIGHT, NULL);
    ri_ledger *work = &stream->js->router->work;
    if (!ri_claim_grow(work, &stream->fast_claim, sizeof(ri_fast)))
        return ri_jserror_set(e, RI_JS_BATCH_PUBLISH_TOO_MANY_INFLIGHT, NULL);
    ri_fast *fast = ri_new(stream->js->host, ri_fast);
    if (!fast) {
        ri_claim_shrink(work, &stream->fast_claim, sizeof *fast);
        return ri_jserror_no_memory(e);
    }
    memcpy(fast->id, place->id.ptr, fast->id_len = place->id.len);
    fast->flow = place->flow;
    fast->fail = place->fail;
    ri_list_push(&stream->fast, &fast->link);
    stream->nfast++;
    *out = fast;
    return RILL_OK;
}

/* ---- Answers ---- */

static void fast_answer_ack(ri_stream *stream, ri_js_store *store, ri_str reply, uint64_t seq,
                            uint64_t flow)
{
    char text[96];
    int len = snprintf(text, sizeof text, "{\"type\":\"ack\",\"seq\":%llu,\"msgs\":%llu}",
                       (unsigned long long)seq, (unsigned long long)flow);
    ri_js_answer(stream->js, store, reply, (ri_str){text, (size_t)len});
}

static void fast_answer_gap(ri_stream *stream, ri_str reply, uint64_t last_seq, uint64_t seq)
{
    char text[96];
    int len = snprintf(text, sizeof text, "{\"type\":\"gap\",\"last_seq\":%llu,\"seq\":%llu}",
                       (unsigned long long)last_seq, (unsigned long long)seq);
    ri_js_answer(stream->js, NULL, reply, (ri_str){text, (size_t)len});
}

static void fast_answer_error(ri_stream *stream, ri_str reply, uint64_t seq, const ri_js_error *e)
{
    ri_buffer *out = &stream->js->answer;
    ri_buffer_reset(out);
    ri_buffer_printf(out, "{\"type\":\"err\",\"seq\":%llu,\"error\":{\"code\":%d,\"err_code\":%d,"
                     "\"description\":\"", (unsigned long long)seq, e->code, e->err_code);
    for (const char *p = e->text; *p; p++) {
        if (*p == '"' || *p == '\\') ri_buffer_put(out, "\\", 1);
        ri_buffer_put(out, p, 1);
    }
    ri_buffer_puts(out, "\"}}");
    if (!out->failed) ri_js_answer(stream->js, NULL, reply, ri_buffer_str(out));
}

/* The ack that is due, if one is: of several, the last. */
static bool fast_flows(ri_stream *stream, ri_fast *fast, ri_str reply)
{
    if (fast->seq < fast->acked + fast->flow) return false;
    fast->acked += (fast->seq - fast->acked) / fast->flow * fast->flow;
    fast_answer_ack(stream, stream->store, reply, fast->acked, fast->flow);
    return true;
}

/* ---- Taking ---- */

static void fast_finish(ri_ingest *in, ri_fast *fast, ri_str reply)
{
    ri_js_error none;
    none.code = 0;
    in->seq = fast->stream_seq;
    in->duplicate = false;
    ri_ingest_answer(in, reply, &none, (ri_str){fast->id, fast->id_len}, fast->seq);
    fast_free(in->stream, fast);
}

/* It was not stored: it is refused, with `e`, or there already. */
static void fast_refuse(ri_ingest *in, ri_fast *fast, const fast_place *place, ri_str reply,
                        const ri_js_error *e)
{
    ri_stream *stream = in->stream;
    bool commit = place->operation == FAST_COMMIT;
    if (in->duplicate) fast_flows(stream, fast, reply);
    if (in->duplicate && !commit) return;
    if (place->fail && fast->seq == 1) { /* as of a publish without a batch */
        ri_ingest_answer(in, reply, e, (ri_str){fast->id, fast->id_len}, place->seq);
        fast_free(stream, fast);
        return;
    }
    if (!in->duplicate) fast_answer_error(stream, reply, place->seq, e);
    if (!place->fail && !commit) return;
    if (!in->duplicate) fast->seq--;
    fast_finish(in, fast, reply);
}

static void fast_store(ri_ingest *in, ri_fast *fast, const fast_place *place, ri_str reply)
{
    ri_js_error e;
    e.code = 0;
    ri_ingest_store(in, &e);
    if (e.code || in->duplicate) {
        fast_refuse(in, fast, place, reply, &e);
        return;
    }
    fast->stream_seq = in->seq;
    if (place->operation == FAST_COMMIT)
        fast_finish(in, fast, reply);
    else
        fast_flows(in->stream, fast, reply);
}

/* It is not the next one. False: the batch has ended. */
static bool fast_passes(ri_ingest *in, ri_fast *fast, uint64_t seq, ri_str reply)
{
    fast_answer_gap(in->stream, reply, fast->seq + 1, seq);
    if (seq > fast->seq && !fast->fail) return true;
    fast_finish(in, fast, reply);
    return false;
}

static void fast_ping(ri_ingest *in, ri_fast *fast, uint64_t seq, ri_str reply)
{
    ri_stream *stream = in->stream;
    if (seq > fast->seq) {
        fast_answer_gap(stream, reply, fast->seq + 1, seq + 1);
        if (fast->fail) {
            fast_finish(in, fast, reply);
            return;
        }
        fast->seq = seq;
        if (fast_flows(stream, fast, reply)) return;
    }
    fast_answer_ack(stream, stream->store, reply, fast->acked, fast->flow);
}

static void fast_take(ri_ingest *in, ri_fast *fast, const fast_place *place, ri_str reply)
{
    fast_renew(in->stream, fast);
    if (place->operation == FAST_PING) {
        fast_ping(in, fast, place->seq, reply);
        return;
    }
    if (place->seq != fast->seq + 1 && !fast_passes(in, fast, place->seq, reply)) return;
    fast->seq = place->seq;
    if (place->operation == FAST_END) {
        fast->seq--; /* it only says so */
        fast_finish(in, fast, reply);
        return;
    }
    if (place->seq == 1 && place->operation != FAST_COMMIT)
        fast_answer_ack(in->stream, NULL, reply, 0, fast->flow);
    fast_store(in, fast, place, reply);
}

void ri_fast_take(ri_ingest *in, ri_str reply)
{
    ri_stream *stream = in->stream;
    fast_place place;
    ri_fast *fast = NULL;
    ri_js_error e;
    e.code = 0;
    if (!stream->conf.allow_batched)
        ri_jserror_set(&e, RI_JS_BATCH_PUBLISH_DISABLED, NULL);
    else if (!fast_read(reply, &place))
        ri_jserror_set(&e, RI_JS_BATCH_PUBLISH_INVALID_PATTERN, NULL);
    else if ((fast = fast_find(stream, place.id)) == NULL)
        fast_open(stream, &place, &fast, &e);
    if (fast)
        fast_take(in, fast, &place, reply);
    else
        ri_ingest_answer(in, reply, &e, RI_STR_NONE, 0);
}

void ri_fast_due(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_list_each (link, &stream->fast) {
        ri_fast *fast = ri_container_of(link, ri_fast, link);
        if (fast->due_ns > stream->js->mono_ns) break;
        fast_free(stream, fast);
    }
}

int64_t ri_fast_next_ns(const ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (ri_list_empty(&stream->fast)) return INT64_MAX;
    return ri_container_of(stream->fast.next, ri_fast, link)->due_ns;
}

void ri_fast_fini(ri_stream *stream)
{
    if (!stream->fast.next) return;
    ri_list_each (link, &stream->fast) fast_free(stream, ri_container_of(link, ri_fast, link));
}
