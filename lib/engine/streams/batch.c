/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic batches: messages that are stored together or not at all.
 *
 *     Nats-Batch-Sequence 1, 2, 3 ...   staged in memory; an empty answer to each that wants one
 *     Nats-Batch-Commit: 1 | eob        all are checked, then all are appended to the open commit
 *
 * One commit is durable and visible as a whole, so a batch is. Checks see the stream as it was
 * before the batch; what a check would have to see of the batch itself is refused. A batch that
 * stands still for BATCH_IDLE is dropped in silence; an advisory says so.
 *
 * Open batches have claims to the broker's memory for work (base/claim.h). Where it is used up the
 * greediest of all is given up, and a message that would make its own batch that is refused.
 *
 * Messages are copied and summed up as they come. The commit gives them their numbers and places,
 * which is short, and lends the log their bytes (ri_lent): these are copied by the thread that
 * writes the commit. So whoever publishes to the stream meanwhile is next, and nobody waits.
 *
 * A program's own batch (ri_js_publish_batch) is dealt out to one staged batch for each stream;
 * these are checked, and only then appended, as if they were one. */
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "engine/streams/js_state.h"

enum {
    BATCH_ID_MAX = 64,          /* bytes */
    BATCH_OPEN_STREAM = 50,     /* batches open in one stream */
    BATCH_OPEN_ALL = 1000,      /* and in all */
    BATCH_CHUNK_FIRST = 4096,   /* bytes of the first piece of memory */
    BATCH_CHUNK = 65536,        /* and of the others, but for large messages */
    BATCH_LENT = 1024,          /* headers and data of so many bytes are lent, not copied */
    BATCH_CHECK_UNITS = 2,      /* of the turn, for a message that is checked */
    BATCH_FREE_UNITS = 10,      /* and for a piece of memory that is given back */
};
#define BATCH_IDLE_NS (10 * RI_SEC)

typedef struct batch_chunk { /* in batch->chunks */
    ri_list link;
    size_t len, cap;
    char bytes[];
} batch_chunk;

typedef struct batch_entry { /* in a chunk, before its bytes */
    uint32_t subject_len, headers_len, data_len, size;
    uint32_t sum, power;      /* of what may be lent */
} batch_entry;

typedef struct ri_js_staged { /* a message */
    const batch_entry *entry;
    ri_asked asked;           /* what its headers ask for, read once */
} ri_js_staged;

typedef struct staged_batch {
    ri_list link;             /* in batches->open, the longest idle first; or a part of a
                                 program's batch, in its list; then js->lent, js->spent */
    ri_js_batch staged;
    int64_t due_ns;           /* monotonic: given up then */
    const char *reason;       /* given up: why */
    ri_js *js;
    ri_stream *stream;        /* while it is open */
    ri_claim claim;           /* to the broker's memory for work */
    ri_lender lender;         /* of its bytes */
    uint64_t before;          /* its last sequence before the batch; of a part */
    size_t id_len;
    char id[BATCH_ID_MAX];
} staged_batch;

struct ri_batches {
    ri_list open;
    ri_list given_up;         /* to be reported */
    size_t n;                 /* open ones */
};

static ri_batches *batch_list(ri_stream *stream)
{
    if (stream->batches) return stream->batches;
    stream->batches = ri_new(stream->js->host, ri_batches);
    if (!stream->batches) return NULL;
    ri_list_init(&stream->batches->open);
    ri_list_init(&stream->batches->given_up);
    return stream->batches;
}

static staged_batch *batch_find(ri_stream *stream, ri_str id)
{
    ri_list_each (link, &stream->batches->open) {
        staged_batch *b = ri_container_of(link, staged_batch, link);
        if (ri_str_eq((ri_str){b->id, b->id_len}, id)) return b;
    }
    return NULL;
}

static void batch_close(ri_stream *stream, staged_batch *b)
{
    ri_list_remove(&b->link);
    ri_claim_end(&stream->js->router->work, &b->claim);
    stream->batches->n--;
    stream->js->batches_open--;
    ri_js_batch_fini(&b->staged);
}

static void batch_free(ri_stream *stream, staged_batch *b)
{
    batch_close(stream, b);
    ri_delete(stream->js->host, b);
}

static void batch_give_up(ri_stream *stream, staged_batch *b, const char *reason)
{
    batch_close(stream, b);
    b->reason = reason;
    ri_list_push(&stream->batches->given_up, &b->link);
    ri_js_busy(stream);
}

static void batch_cut(ri_claim *claim)
{
    staged_batch *b = ri_container_of(claim, staged_batch, claim);
    ri_stream *stream = b->stream;
    batch_give_up(stream, b, "large");
    ri_account_stir(stream->js->account); /* nothing has come for it that would */
}

static void batch_is_copied(ri_lender *lender);

static staged_batch *batch_new(ri_js *js)
{
    staged_batch *b = ri_new(js->host, staged_batch);
    if (!b) return NULL;
    ri_js_batch_init(&b->staged, js->host);
    ri_claim_init(&b->claim, batch_cut);
    b->lender.done = batch_is_copied;
    b->js = js;
    return b;
}

static int batch_open(ri_stream *stream, ri_str id, staged_batch **out, ri_js_error *e)
{
    ri_js *js = stream->js;
    if (stream->batches->n >= BATCH_OPEN_STREAM || js->batches_open >= BATCH_OPEN_ALL)
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_TOO_MANY_INFLIGHT, NULL);
    staged_batch *b = batch_new(js);
    if (!b) return ri_jserror_no_memory(e);
    memcpy(b->id, id.ptr, b->id_len = id.len);
    b->stream = stream;
    ri_list_push(&stream->batches->open, &b->link);
    stream->batches->n++;
    js->batches_open++;
    *out = b;
    return RILL_OK;
}

/* ---- Staging ---- */

void ri_js_batch_init(ri_js_batch *batch, const ri_host *host)
{
    *batch = (ri_js_batch){.host = host};
    ri_list_init(&batch->chunks);
}

void ri_js_batch_move(ri_js_batch *to, ri_js_batch *from)
{
    *to = *from;
    ri_list_init(&to->chunks);
    ri_list_splice(&to->chunks, &from->chunks);
    ri_js_batch_init(from, to->host);
}

static void batch_forget_all(ri_js_batch *batch)
{
    ri_free(batch->host, batch->all, batch->cap * sizeof *batch->all);
    batch->all = NULL;
    batch->count = batch->cap = batch->bytes = 0;
}

/* One piece of its memory is given back: false if there was none. */
static bool batch_free_chunk(ri_js_batch *batch)
{
    ri_list *link = ri_list_pop(&batch->chunks);
    if (!link) return false;
    batch_chunk *chunk = ri_container_of(link, batch_chunk, link);
    ri_free(batch->host, chunk, sizeof *chunk + chunk->cap);
    return true;
}

void ri_js_batch_fini(ri_js_batch *batch)
{
    batch_forget_all(batch);
    while (batch_free_chunk(batch)) continue;
}

static batch_chunk *batch_last_chunk(const ri_js_batch *batch)
{
    bool none = ri_list_empty(&batch->chunks);
    return none ? NULL : ri_container_of(batch->chunks.prev, batch_chunk, link);
}

static char *batch_room(ri_js_batch *batch, size_t size)
{
    batch_chunk *chunk = batch_last_chunk(batch);
    if (!chunk || chunk->cap - chunk->len < size) {
        size_t cap = chunk ? BATCH_CHUNK : BATCH_CHUNK_FIRST;
        if (size > cap / 4) cap = size;
        if (!(chunk = ri_alloc(batch->host, sizeof *chunk + cap))) return NULL;
        *chunk = (batch_chunk){.cap = cap};
        ri_list_init(&chunk->link);
        ri_list_push(&batch->chunks, &chunk->link);
    }
    chunk->len += size;
    return chunk->bytes + chunk->len - size;
}

static int batch_reserve(ri_js_batch *batch)
{
    return ri_array_reserve_long(batch->host, &batch->all, &batch->cap, batch->count + 1,
                                 sizeof *batch->all);
}

static ri_message batch_message(const batch_entry *entry)
{
    const char *p = (const char *)(entry + 1);
    return (ri_message){.subject = {p, entry->subject_len},
                        .headers = {p + entry->subject_len, entry->headers_len},
                        .data = {p + entry->subject_len + entry->headers_len, entry->data_len}};
}

/* `asked`: of its headers, if that is known. */
static int batch_put(ri_js_batch *batch, const ri_message *m, const ri_asked *asked)
{
    size_t size = RI_ALIGN(sizeof(batch_entry) + m->subject.len + m->headers.len + m->data.len, 8);
    if (batch->bytes + size > RI_JS_BATCH_BYTES)
        return ri_err(RILL_EFULL, "a batch of more than %u bytes", RI_JS_BATCH_BYTES);
    if (batch_reserve(batch) < 0) return RILL_ENOMEM;
    char *at = batch_room(batch, size);
    if (!at) return RILL_ENOMEM;
    batch_entry *entry = (batch_entry *)(void *)at;
    *entry = (batch_entry){.subject_len = (uint32_t)m->subject.len,
                           .headers_len = (uint32_t)m->headers.len,
                           .data_len = (uint32_t)m->data.len, .size = (uint32_t)size};
    at += sizeof *entry;
    memcpy(at, m->subject.ptr, m->subject.len);
    at += m->subject.len;
    if (m->headers.len) memcpy(at, m->headers.ptr, m->headers.len);
    if (m->data.len) memcpy(at + m->headers.len, m->data.ptr, m->data.len);
    ri_js_staged *staged = &batch->all[batch->count++];
    ri_message copy = batch_message(entry);
    ri_lent lent = {0};
    if (copy.headers.len + copy.data.len >= BATCH_LENT)
        ri_lent_sum(&lent, copy.headers, copy.data);
    entry->sum = lent.sum;
    entry->power = lent.power;
    staged->entry = entry;
    if (asked) {
        staged->asked = *asked;
        ri_ingest_shift(&staged->asked, (uintptr_t)at - (uintptr_t)m->headers.ptr);
    } else {
        ri_ingest_read(copy.headers, &staged->asked);
    }
    batch->bytes += size;
    return RILL_OK;
}

int ri_js_batch_put(ri_js_batch *batch, const ri_message *m)
{
    return batch_put(batch, m, NULL);
}

ri_message ri_js_batch_at(const ri_js_batch *batch, size_t i)
{
    RI_ASSERT(i < batch->count);
    return batch_message(batch->all[i].entry);
}

/* The last one is taken out again. */
static void batch_pop(ri_js_batch *batch)
{
    size_t size = batch->all[--batch->count].entry->size;
    batch_last_chunk(batch)->len -= size;
    batch->bytes -= size;
}

static int batch_stage(const ri_ingest *in, staged_batch *b, ri_js_error *e)
{
    ri_message m = {.subject = in->subject, .headers = in->headers, .data = in->data};
    if (batch_put(&b->staged, &m, &in->asked) < 0) return ri_jserror_no_memory(e);
    ri_budget_spend(&in->stream->js->router->budget,
                    ri_budget_bytes(m.headers.len + m.data.len));
    return RILL_OK;
}

/* ---- Commit ---- */

static void batch_load(ri_stream *stream, const ri_js_staged *staged, int64_t time_ns,
                       ri_ingest *in)
{
    ri_message m = batch_message(staged->entry);
    memset(in, 0, sizeof *in);
    in->stream = stream;
    in->time_ns = time_ns;
    in->subject = m.subject;
    in->headers = m.headers;
    in->data = m.data;
    in->asked = staged->asked;
}

/* What is short is copied at once. */
static void batch_lend(ri_ingest *in, const ri_js_staged *staged, ri_lender *lender, ri_lent *lent)
{
    if (in->headers.len + in->data.len < BATCH_LENT) return;
    *lent = (ri_lent){lender, in->headers.ptr, staged->entry->sum, staged->entry->power};
    in->lent = lent;
}

typedef struct batch_words { /* words of messages that were checked; open addressing */
    const ri_host *host;
    ri_str *slots;
    size_t cap; /* a power of two, twice as many as there are messages */
} batch_words;

static int batch_words_init(batch_words *set, const ri_host *host, size_t count)
{
    *set = (batch_words){.host = host, .cap = 2};
    while (set->cap < count * 2) set->cap *= 2;
    set->slots = ri_calloc(host, set->cap * sizeof *set->slots);
    return set->slots ? RILL_OK : RILL_ENOMEM;
}

static void batch_words_fini(batch_words *set)
{
    ri_free(set->host, set->slots, set->slots ? set->cap * sizeof *set->slots : 0);
}

static ri_str *batch_words_slot(const batch_words *set, ri_str word)
{
    size_t i = ri_hash(word) & (set->cap - 1);
    while (set->slots[i].ptr && !ri_str_eq(set->slots[i], word)) i = (i + 1) & (set->cap - 1);
    return &set->slots[i];
}

static bool batch_words_has(const batch_words *set, ri_str word)
{
    return word.len && batch_words_slot(set, word)->ptr;
}

static void batch_words_put(batch_words *set, ri_str word)
{
    if (word.len) *batch_words_slot(set, word) = word;
}

typedef struct batch_seen { /* of the messages before the one that is checked */
    batch_words subjects, ids;
    bool any;
} batch_seen;

static int batch_check_one(const batch_seen *seen, ri_ingest *in, ri_js_error *e)
{
    const ri_asked *asked = &in->asked;
    if (asked->has_expected_msg_id)
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_UNSUPPORTED_HEADER_BATCH,
                              "Nats-Expected-Last-Msg-Id");
    if (asked->has_expected_seq && seen->any)
        return ri_jserror_set(e, RI_JS_STREAM_WRONG_LAST_SEQUENCE_CONSTANT, NULL);
    if (asked->has_msg_id && batch_words_has(&seen->ids, asked->msg_id))
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE, NULL);
    if (asked->has_expected_subject_seq) {
        ri_str subject = asked->has_expected_subject ? asked->expected_subject : in->subject;
        if (batch_words_has(&seen->subjects, subject))
            return ri_jserror_set(e, RI_JS_STREAM_WRONG_LAST_SEQUENCE_CONSTANT, NULL);
    }
    int rc = ri_ingest_check(in, e);
    if (rc < 0) return rc;
    if (ri_str_is(asked->rollup, "all") && seen->any)
        return ri_jserror_set(e, RI_JS_STREAM_ROLLUP_FAILED, "batch rollup all invalid");
    if (ri_str_is(asked->rollup, "sub") && batch_words_has(&seen->subjects, in->subject))
        return ri_jserror_set(e, RI_JS_STREAM_ROLLUP_FAILED, "batch rollup sub invalid");
    if (in->duplicate)
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE, NULL);
    return RILL_OK;
}

static int batch_check_all(ri_stream *stream, const staged_batch *b, batch_seen *seen,
                           int64_t time_ns, ri_js_error *e)
{
    ri_ingest in;
    ri_retention_plan plan;
    ri_retention_plan_init(&plan, stream);
    int rc = RILL_OK;
    for (size_t i = 0; i < b->staged.count && rc >= 0; i++) {
        batch_load(stream, &b->staged.all[i], time_ns, &in);
        in.plan = &plan;
        rc = batch_check_one(seen, &in, e);
        batch_words_put(&seen->subjects, in.subject);
        batch_words_put(&seen->ids, in.asked.msg_id);
        seen->any = true;
        ri_budget_spend(&stream->js->router->budget, BATCH_CHECK_UNITS);
    }
    ri_retention_plan_fini(&plan);
    return rc;
}

static int batch_check(ri_stream *stream, const staged_batch *b, int64_t time_ns, ri_js_error *e)
{
    batch_seen seen = {.any = false};
    int rc = batch_words_init(&seen.subjects, stream->js->host, b->staged.count);
    if (rc >= 0) rc = batch_words_init(&seen.ids, stream->js->host, b->staged.count);
    rc = rc < 0 ? ri_jserror_no_memory(e) : batch_check_all(stream, b, &seen, time_ns, e);
    batch_words_fini(&seen.subjects);
    if (seen.ids.host) batch_words_fini(&seen.ids);
    return rc;
}

/* What was appended since `before` is removed again, and its ids are not known any more. */
static void batch_undo(ri_stream *stream, const staged_batch *b, uint64_t before)
{
    for (size_t i = 0; i < b->staged.count; i++) {
        const ri_asked *asked = &b->staged.all[i].asked;
        if (asked->has_msg_id) ri_dedupe_forget(&stream->dedupe, asked->msg_id);
    }
    for (uint64_t seq = stream->last_seq; seq > before; seq--)
        ri_track_remove(stream->track, seq, false);
}

/* All of it, or nothing of it. */
static int batch_append(ri_stream *stream, const staged_batch *b, ri_lender *lender,
                        ri_ingest *last, ri_js_error *e)
{
    uint64_t before = stream->last_seq;
    ri_ingest in;
    ri_lent lent;
    for (size_t i = 0; i < b->staged.count; i++) {
        batch_load(stream, &b->staged.all[i], last->time_ns, &in);
        batch_lend(&in, &b->staged.all[i], lender, &lent);
        int rc = in.asked.has_incr ? ri_counter_apply(&in, e) : RILL_OK;
        if (rc >= 0) rc = ri_ingest_append(&in, e);
        if (rc >= 0) continue;
        batch_undo(stream, b, before);
        return rc;
    }
    last->seq = in.seq;
    return RILL_OK;
}

static int batch_commit(ri_ingest *in, staged_batch *b, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    int rc = batch_check(stream, b, in->time_ns, e);
    return rc < 0 ? rc : batch_append(stream, b, &b->lender, in, e);
}

/* ---- What is lent ---- */

static void batch_is_copied(ri_lender *lender)
{
    staged_batch *b = ri_container_of(lender, staged_batch, lender);
    ri_list_remove(&b->link);
    ri_list_push(&b->js->spent, &b->link);
}

/* It is over, and is freed when the log has its bytes. It holds memory as long, which cannot be
 * given back before. */
static void batch_rest(staged_batch *b)
{
    b->stream = NULL;
    b->claim.give_up = NULL;
    batch_forget_all(&b->staged);
    ri_list_push(b->lender.records ? &b->js->lent : &b->js->spent, &b->link);
}

void ri_batch_give_back(ri_js *js)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_budget *budget = &js->router->budget;
    bool left = true;
    while (left && !ri_list_empty(&js->spent)) {
        staged_batch *b = ri_container_of(js->spent.next, staged_batch, link);
        left = ri_budget_spend(budget, BATCH_FREE_UNITS);
        if (batch_free_chunk(&b->staged)) continue;
        ri_list_remove(&b->link);
        ri_claim_end(&js->router->work, &b->claim);
        ri_delete(js->host, b);
    }
}

void ri_batch_give_back_all(ri_js *js)
{
    RI_ASSERT(ri_list_empty(&js->lent));
    RI_ASSERT(ri_js_is_sound(js));
    while (!ri_list_empty(&js->spent)) ri_batch_give_back(js);
}

/* ---- Taking ---- */

static int batch_place(ri_ingest *in, staged_batch **out, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    const ri_asked *asked = &in->asked;
    uint64_t seq;
    if (!stream->conf.allow_atomic) return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_DISABLED, NULL);
    if (asked->batch_id.len == 0 || asked->batch_id.len > BATCH_ID_MAX)
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_INVALID_BATCH_ID, NULL);
    if (!ri_number_read(asked->batch_seq, &seq))
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_MISSING_SEQ, NULL);
    if (!batch_list(stream)) return ri_jserror_no_memory(e);
    staged_batch *b = batch_find(stream, asked->batch_id);
    if (seq == 1) {
        if (b) batch_give_up(stream, b, "incomplete");
        return batch_open(stream, asked->batch_id, out, e);
    }
    if (!b) return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_INCOMPLETE_BATCH, NULL);
    if (seq != b->staged.count + 1) {
        batch_give_up(stream, b, "incomplete");
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_INCOMPLETE_BATCH, NULL);
    }
    *out = b;
    return RILL_OK;
}

/* Readers know the end of a batch by the header of its last message: one that was sent before the
 * end was known gets it now. It is taken out and staged anew; the batch ends if that fails. */
static int batch_mark_last(staged_batch *b, ri_buffer *copy, ri_js_error *e)
{
    static const char mark[] = "Nats-Batch-Commit: 1\r\n\r\n";
    ri_message m = batch_message(b->staged.all[b->staged.count - 1].entry);
    ri_buffer_reset(copy);
    ri_buffer_put(copy, m.headers.ptr, m.headers.len - 2); /* it has its number in there */
    ri_buffer_puts(copy, mark);
    ri_buffer_put_str(copy, m.subject);
    ri_buffer_put_str(copy, m.data);
    if (copy->failed) return ri_jserror_set(e, RI_JS_INSUFFICIENT_RESOURCES, NULL);
    size_t headers_len = m.headers.len - 2 + sizeof mark - 1;
    ri_str all = ri_buffer_str(copy);
    ri_ingest last = {.stream = b->stream, .headers = {all.ptr, headers_len},
                      .subject = {all.ptr + headers_len, m.subject.len},
                      .data = {all.ptr + headers_len + m.subject.len, m.data.len}};
    ri_ingest_read(last.headers, &last.asked);
    batch_pop(&b->staged);
    return batch_stage(&last, b, e);
}

/* Count the message, at the expense of greedier ones if need be. */
static int batch_charge(const ri_ingest *in, staged_batch *b, ri_js_error *e)
{
    size_t size = sizeof(batch_entry) + sizeof in->asked + in->subject.len + in->headers.len +
                  in->data.len;
    if (ri_claim_grow(&in->stream->js->router->work, &b->claim, size)) return RILL_OK;
    return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_TOO_MANY_INFLIGHT, NULL);
}

/* Stage it; 1 when the batch is complete. */
static int batch_take(ri_ingest *in, staged_batch *b, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    ri_str commit = in->asked.batch_commit;
    bool final = commit.len > 0, eob = ri_str_is(commit, "eob");
    if (final && !eob && !ri_str_is(commit, "1")) {
        batch_give_up(stream, b, "unsupported");
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_INVALID_BATCH_COMMIT, NULL);
    }
    if (b->staged.count == RI_JS_BATCH_MAX && !eob) {
        batch_give_up(stream, b, "large");
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_TOO_LARGE_BATCH, "%d", RI_JS_BATCH_MAX);
    }
    int rc = eob ? RILL_OK : batch_charge(in, b, e);
    if (rc >= 0)
        rc = !eob ? batch_stage(in, b, e)
             : b->staged.count ? batch_mark_last(b, &stream->js->headers, e) : RILL_OK;
    if (rc < 0) {
        batch_give_up(stream, b, "large");
        return rc;
    }
    b->due_ns = stream->js->mono_ns + BATCH_IDLE_NS;
    ri_list_remove(&b->link);
    ri_list_push(&stream->batches->open, &b->link);
    ri_js_arm(stream, b->due_ns);
    return final;
}

static void batch_end(ri_stream *stream, staged_batch *b)
{
    ri_list_remove(&b->link);
    stream->batches->n--;
    stream->js->batches_open--;
    batch_rest(b);
}

void ri_batch_take(ri_ingest *in, ri_str reply)
{
    ri_stream *stream = in->stream;
    ri_js *js = stream->js;
    staged_batch *b = NULL;
    ri_js_error e;
    e.code = 0;
    int rc = batch_place(in, &b, &e);
    if (rc >= 0) rc = batch_take(in, b, &e);
    if (rc == 0) {
        if (reply.len) ri_js_answer(js, NULL, reply, RI_STR_NONE);
        return;
    }
    ri_str id = in->asked.batch_id;
    uint64_t count = 0;
    if (rc > 0) {
        count = b->staged.count;
        if (count == 0)
            ri_jserror_set(&e, RI_JS_ATOMIC_PUBLISH_INCOMPLETE_BATCH, NULL);
        else
            batch_commit(in, b, &e);
        batch_end(stream, b);
    }
    ri_ingest_answer(in, reply, &e, id, count);
}

/* ---- A program's batch ---- */

/* The part of a batch that is for this stream. */
static staged_batch *batch_part(ri_js *js, ri_list *parts, ri_stream *stream)
{
    ri_list_each (link, parts) {
        staged_batch *part = ri_container_of(link, staged_batch, link);
        if (part->stream == stream) return part;
    }
    staged_batch *part = batch_new(js);
    if (!part) return NULL;
    part->stream = stream;
    part->before = stream->last_seq;
    ri_list_push(parts, &part->link);
    return part;
}

/* What the stream stores as it is stays where it is. */
static int batch_deal_to(staged_batch *part, const ri_ingest *in, const ri_message *m,
                         const ri_js_staged *staged, ri_js_error *e)
{
    bool same = in->subject.ptr == m->subject.ptr && in->headers.ptr == m->headers.ptr;
    if (!same) return batch_stage(in, part, e);
    if (batch_reserve(&part->staged) < 0) return ri_jserror_no_memory(e);
    part->staged.all[part->staged.count++] = *staged;
    return RILL_OK;
}

static int batch_deal_one(ri_js *js, const ri_js_staged *staged, ri_list *parts, ri_js_append *a,
                          ri_js_error *e)
{
    ri_ingest in;
    memset(&in, 0, sizeof in);
    in.asked = staged->asked;
    in.known = true;
    ri_message message = batch_message(staged->entry), *m = &message;
    int rc = ri_js_stream_of(js, m->subject, &in.stream);
    if (rc < 0) return rc;
    if (!in.stream || in.stream->closing)
        return ri_fence_no_stream(js, m->subject, e);
    if (a->stream && a->stream->store != in.stream->store)
        return ri_err(RILL_EINVAL, "%.*s is on disk, %.*s in memory: a batch is in one of both",
                      RI_ARG((in.stream->store == &js->files ? in.stream : a->stream)->conf.name),
                      RI_ARG((in.stream->store == &js->files ? a->stream : in.stream)->conf.name));
    a->stream = in.stream;
    staged_batch *part = batch_part(js, parts, in.stream);
    rc = part ? ri_ingest_prepare(&in, m) : RILL_ENOMEM;
    return rc < 0 ? rc : batch_deal_to(part, &in, m, staged, e);
}

static int batch_deal(ri_js *js, const ri_js_batch *batch, ri_list *parts, ri_js_append *a,
                      ri_js_error *e)
{
    for (size_t i = 0; i < batch->count; i++) {
        int rc = batch_deal_one(js, &batch->all[i], parts, a, e);
        if (rc < 0) return rc;
    }
    return a->stream ? RILL_OK : ri_err(RILL_EINVAL, "the batch is empty");
}

static int batch_store(ri_js *js, ri_list *parts, ri_lender *lender, ri_js_append *a,
                       ri_js_error *e)
{
    int rc;
    ri_ingest last = {.time_ns = js->router->time_ns};
    ri_list_each (link, parts) {
        staged_batch *part = ri_container_of(link, staged_batch, link);
        if ((rc = batch_check(part->stream, part, last.time_ns, e)) < 0) return rc;
    }
    ri_list_each (link, parts) {
        staged_batch *part = ri_container_of(link, staged_batch, link);
        if ((rc = batch_append(part->stream, part, lender, &last, e)) < 0) {
            for (ri_list *done = parts->next; done != link; done = done->next) {
                staged_batch *before = ri_container_of(done, staged_batch, link);
                batch_undo(before->stream, before, before->before);
            }
            return rc;
        }
        if (part->stream == a->stream) a->seq = last.seq;
    }
    return RILL_OK;
}

/* The same, as safely as its program wants it. */
static int batch_store_as(ri_js *js, ri_list *parts, ri_lender *lender, ri_js_append *a,
                          ri_js_error *e)
{
    ri_log *log = a->stream->store->log;
    if (!a->safety || log != js->files.log) return batch_store(js, parts, lender, a, e);
    ri_log_ease(log, *a->safety);
    int rc = batch_store(js, parts, lender, a, e);
    ri_log_ease(log, ri_log_safety(log));
    return rc;
}

/* Live subscribers get it, too; the streams have it. */
static void batch_echo(ri_party *from, const ri_js_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        ri_message m = batch_message(batch->all[i].entry);
        ri_router_publish(from, &(ri_publish){.m = &m, .stored = true});
    }
}

/* All bytes, those of the parts, too, are in one place as long as they are lent. */
static void batch_gather(staged_batch *whole, ri_list *parts, ri_js_batch *batch)
{
    for (ri_list *link; (link = ri_list_pop(parts)) != NULL;) {
        staged_batch *part = ri_container_of(link, staged_batch, link);
        ri_list_splice(&whole->staged.chunks, &part->staged.chunks);
        ri_js_batch_fini(&part->staged);
        ri_delete(whole->js->host, part);
    }
    ri_list_splice(&whole->staged.chunks, &batch->chunks);
    batch_forget_all(batch);
    batch_rest(whole);
}

int ri_js_publish_batch(ri_js *js, ri_party *from, ri_js_batch *batch, ri_js_append *a)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_list parts;
    ri_list_init(&parts);
    ri_js_error e = {0};
    *a = (ri_js_append){.waiter = a->waiter, .safety = a->safety, .why = a->why};
    staged_batch *whole = batch_new(js);
    if (!whole) {
        ri_js_append_refuse(a, RILL_ENOMEM, &e);
        return RILL_ENOMEM;
    }
    ri_js_catch_up(js, js->router->time_ns);
    int rc = batch_deal(js, batch, &parts, a, &e);
    if (rc >= 0) rc = batch_store_as(js, &parts, &whole->lender, a, &e);
    if (rc >= 0) batch_echo(from, batch);
    else ri_js_append_refuse(a, rc, &e);
    batch_gather(whole, &parts, batch);
    if (rc >= 0) ri_js_wait(js, a->stream->store->log, &a->waiter);
    return rc;
}

/* ---- Giving up ---- */

void ri_batch_step(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js *js = stream->js;
    if (!stream->batches) return;
    for (ri_list *link; (link = ri_list_pop(&stream->batches->given_up)) != NULL;) {
        staged_batch *b = ri_container_of(link, staged_batch, link);
        ri_js_event event = {.kind = RI_JS_BATCH_ABANDONED, .stream = stream->conf.name,
                             .id = {b->id, b->id_len}, .reason = ri_str_of(b->reason)};
        ri_js_notify(js, &event);
        ri_delete(js->host, b);
    }
}

void ri_batch_due(ri_stream *stream)
{
    if (!stream->batches) return;
    ri_list_each (link, &stream->batches->open) {
        staged_batch *b = ri_container_of(link, staged_batch, link);
        if (b->due_ns > stream->js->mono_ns) break;
        batch_give_up(stream, b, "timeout");
    }
}

int64_t ri_batch_next_ns(const ri_stream *stream)
{
    if (!stream->batches || ri_list_empty(&stream->batches->open)) return INT64_MAX;
    return ri_container_of(stream->batches->open.next, staged_batch, link)->due_ns;
}

void ri_batch_fini(ri_stream *stream)
{
    const ri_host *host = stream->js->host;
    if (!stream->batches) return;
    ri_list_each (link, &stream->batches->open)
        batch_free(stream, ri_container_of(link, staged_batch, link));
    for (ri_list *link; (link = ri_list_pop(&stream->batches->given_up)) != NULL;)
        ri_delete(host, ri_container_of(link, staged_batch, link));
    ri_delete(host, stream->batches);
    stream->batches = NULL;
}
