/* SPDX-License-Identifier: Apache-2.0 */
/* Atomic batches: messages that are stored together or not at all.
 *
 *     Nats-Batch-Sequence 1, 2, 3 ...   staged in memory; an empty answer to each that wants one
 *     Nats-Batch-Commit: 1 | eob        all are checked, then all are appended to the open commit
 *
 * One commit is durable and visible as a whole, so a batch is. Checks see the stream as it was
 * before the batch; what a check would have to see of the batch itself is refused. A batch that
 * stands still for BATCH_IDLE is dropped in silence; an advisory tells of it.
 *
 * Open batches have claims to the broker's memory for work (base/claim.h). Where it is used up the
 * greediest of all is given up, and a message that would make its own batch that is refused.
 *
 * A program's own batch (ri_js_publish_batch) is dealt out to one staged batch for each stream;
 * these are checked, and only then appended, as if they were one. */
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "engine/streams/js_state.h"

enum {
    BATCH_ID_MAX = 64,          /* bytes */
    BATCH_OPEN_STREAM = 50,     /* batches open in one stream */
    BATCH_OPEN_ALL = 1000,      /* and in all */
    BATCH_FIRST = 16,           /* messages, room for which is made at first */
};
#define BATCH_IDLE_NS (10 * RI_SEC)

typedef struct batch_entry { /* in batch->bytes, before its bytes */
    uint32_t subject_len, headers_len, data_len, size;
} batch_entry;

typedef struct staged_batch {
    ri_list link;             /* in batches->open, the longest idle first; or a part of a
                                 program's batch, in its list */
    ri_js_batch staged;
    size_t last_at;           /* of the newest entry in staged.bytes */
    ri_asked *asked;          /* of each entry what its headers ask for, read once: spans are places
                                 in the block of headers, from 1 on */
    size_t cap_asked;
    int64_t due_ns;           /* monotonic: given up then */
    const char *reason;       /* given up: why */
    ri_stream *stream;
    ri_claim claim;           /* to the broker's memory for work */
    uint64_t before;          /* its last sequence before the batch; of a part */
    size_t id_len;
    char id[BATCH_ID_MAX];
} staged_batch;

struct ri_batches {
    ri_list open;
    ri_list given_up;         /* to be told of */
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

static void batch_fini(staged_batch *b)
{
    ri_free(b->staged.bytes.host, b->asked, b->cap_asked * sizeof *b->asked);
    b->asked = NULL;
    b->cap_asked = 0;
    ri_js_batch_fini(&b->staged);
}

static void batch_close(ri_stream *stream, staged_batch *b)
{
    ri_list_remove(&b->link);
    ri_claim_end(&stream->js->router->work, &b->claim);
    stream->batches->n--;
    stream->js->batches_open--;
    batch_fini(b);
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
    batch_give_up(b->stream, b, "large");
}

static int batch_open(ri_stream *stream, ri_str id, staged_batch **out, ri_js_error *e)
{
    ri_js *js = stream->js;
    if (stream->batches->n >= BATCH_OPEN_STREAM || js->batches_open >= BATCH_OPEN_ALL)
        return ri_jserror_set(e, RI_JS_ATOMIC_PUBLISH_TOO_MANY_INFLIGHT, NULL);
    staged_batch *b = ri_new(js->host, staged_batch);
    if (!b) return ri_jserror_no_memory(e);
    ri_js_batch_init(&b->staged, js->host);
    memcpy(b->id, id.ptr, b->id_len = id.len);
    b->stream = stream;
    ri_claim_init(&b->claim, batch_cut);
    ri_list_push(&stream->batches->open, &b->link);
    stream->batches->n++;
    js->batches_open++;
    *out = b;
    return RILL_OK;
}

/* ---- Staging ---- */

void ri_js_batch_init(ri_js_batch *batch, const ri_host *host)
{
    ri_buffer_init(&batch->bytes, host);
    batch->count = 0;
}

void ri_js_batch_fini(ri_js_batch *batch)
{
    ri_buffer_fini(&batch->bytes);
}

int ri_js_batch_put(ri_js_batch *batch, const ri_message *m)
{
    batch_entry entry = {.subject_len = (uint32_t)m->subject.len,
                         .headers_len = (uint32_t)m->headers.len,
                         .data_len = (uint32_t)m->data.len};
    size_t size = RI_ALIGN(sizeof entry + m->subject.len + m->headers.len + m->data.len, 8);
    entry.size = (uint32_t)size;
    if (ri_buffer_size(&batch->bytes) + size > RI_JS_BATCH_BYTES)
        return ri_err(RILL_EFULL, "a batch of more than %u bytes", RI_JS_BATCH_BYTES);
    char *at = ri_buffer_room(&batch->bytes, size);
    if (!at) return RILL_ENOMEM;
    memcpy(at, &entry, sizeof entry);
    at += sizeof entry;
    memcpy(at, m->subject.ptr, m->subject.len);
    at += m->subject.len;
    if (m->headers.len) memcpy(at, m->headers.ptr, m->headers.len);
    at += m->headers.len;
    if (m->data.len) memcpy(at, m->data.ptr, m->data.len);
    ri_buffer_added(&batch->bytes, size);
    batch->count++;
    return RILL_OK;
}

static size_t batch_entry_at(const ri_js_batch *batch, size_t at, ri_message *m)
{
    batch_entry entry;
    const char *p = batch->bytes.ptr + batch->bytes.head + at;
    memcpy(&entry, p, sizeof entry);
    p += sizeof entry;
    *m = (ri_message){.subject = {p, entry.subject_len},
                      .headers = {p + entry.subject_len, entry.headers_len},
                      .data = {p + entry.subject_len + entry.headers_len, entry.data_len}};
    return at + entry.size;
}

static int batch_reserve(staged_batch *b)
{
    if (b->staged.count < b->cap_asked) return RILL_OK;
    size_t cap = b->cap_asked ? b->cap_asked * 2 : BATCH_FIRST;
    ri_asked *asked = ri_realloc(b->staged.bytes.host, b->asked, b->cap_asked * sizeof *asked,
                                 cap * sizeof *asked);
    if (!asked) return RILL_ENOMEM;
    b->asked = asked;
    b->cap_asked = cap;
    return RILL_OK;
}

static int batch_stage(const ri_ingest *in, staged_batch *b, ri_js_error *e)
{
    ri_message m = {.subject = in->subject, .headers = in->headers, .data = in->data};
    size_t i = b->staged.count;
    if (batch_reserve(b) < 0 || ri_js_batch_put(&b->staged, &m) < 0)
        return ri_jserror_no_memory(e);
    b->asked[i] = in->asked;
    ri_ingest_shift(&b->asked[i], 1 - (uintptr_t)in->headers.ptr);
    return RILL_OK;
}

/* ---- Commit ---- */

typedef struct batch_spot { /* an entry */
    size_t at, i; /* in the bytes; its number */
} batch_spot;

static bool batch_more(const staged_batch *b, const batch_spot *place)
{
    return place->at < ri_buffer_size(&b->staged.bytes);
}

static void batch_load(ri_stream *stream, const staged_batch *b, batch_spot *place,
                       int64_t time_ns, ri_ingest *in)
{
    ri_message m;
    place->at = batch_entry_at(&b->staged, place->at, &m);
    memset(in, 0, sizeof *in);
    in->stream = stream;
    in->time_ns = time_ns;
    in->subject = m.subject;
    in->headers = m.headers;
    in->data = m.data;
    in->asked = b->asked[place->i++];
    ri_ingest_shift(&in->asked, (uintptr_t)in->headers.ptr - 1);
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
    for (batch_spot place = {0, 0}; batch_more(b, &place) && rc >= 0;) {
        batch_load(stream, b, &place, time_ns, &in);
        in.plan = &plan;
        rc = batch_check_one(seen, &in, e);
        batch_words_put(&seen->subjects, in.subject);
        batch_words_put(&seen->ids, in.asked.msg_id);
        seen->any = true;
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
    ri_ingest in;
    for (batch_spot place = {0, 0}; batch_more(b, &place);) {
        batch_load(stream, b, &place, 0, &in);
        if (in.asked.has_msg_id) ri_dedupe_forget(&stream->dedupe, in.asked.msg_id);
    }
    for (uint64_t seq = stream->last_seq; seq > before; seq--)
        ri_track_remove(stream->track, seq, false);
}

/* All of it, or nothing of it. */
static int batch_append(ri_stream *stream, const staged_batch *b, ri_ingest *last, ri_js_error *e)
{
    uint64_t before = stream->last_seq;
    ri_ingest in;
    for (batch_spot place = {0, 0}; batch_more(b, &place);) {
        batch_load(stream, b, &place, last->time_ns, &in);
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
    return rc < 0 ? rc : batch_append(stream, b, in, e);
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
    ri_message m;
    batch_entry_at(&b->staged, b->last_at, &m);
    ri_buffer_reset(copy);
    ri_buffer_put(copy, m.headers.ptr, m.headers.len - 2); /* it has its number in there */
    ri_buffer_puts(copy, mark);
    ri_buffer_put_str(copy, m.subject);
    ri_buffer_put_str(copy, m.data);
    if (copy->failed) return ri_jserror_set(e, RI_JS_INSUFFICIENT_RESOURCES, NULL);
    size_t headers_len = m.headers.len - 2 + sizeof mark - 1;
    ri_str all = ri_buffer_str(copy);
    ri_ingest last = {.headers = {all.ptr, headers_len},
                      .subject = {all.ptr + headers_len, m.subject.len},
                      .data = {all.ptr + headers_len + m.subject.len, m.data.len}};
    ri_ingest_read(last.headers, &last.asked);
    b->staged.bytes.len = b->staged.bytes.head + b->last_at;
    b->staged.count--;
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
    size_t at = ri_buffer_size(&b->staged.bytes);
    int rc = eob ? RILL_OK : batch_charge(in, b, e);
    if (rc >= 0)
        rc = !eob ? batch_stage(in, b, e)
             : b->staged.count ? batch_mark_last(b, &stream->js->headers, e) : RILL_OK;
    if (rc >= 0 && !eob) b->last_at = at;
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
        batch_free(stream, b);
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
    staged_batch *part = ri_new(js->host, staged_batch);
    if (!part) return NULL;
    ri_js_batch_init(&part->staged, js->host);
    part->stream = stream;
    part->before = stream->last_seq;
    ri_list_push(parts, &part->link);
    return part;
}

static int batch_deal_one(ri_js *js, const ri_message *m, ri_list *parts, ri_js_append *a)
{
    ri_ingest in;
    memset(&in, 0, sizeof in);
    int rc = ri_js_stream_of(js, m->subject, &in.stream);
    if (rc < 0) return rc;
    if (!in.stream || in.stream->closing)
        return ri_fence_no_stream(js, m->subject, &a->error);
    if (a->stream && a->stream->store != in.stream->store)
        return ri_err(RILL_EINVAL, "%.*s is on disk, %.*s in memory: a batch is in one of both",
                      RI_ARG((in.stream->store == &js->files ? in.stream : a->stream)->conf.name),
                      RI_ARG((in.stream->store == &js->files ? a->stream : in.stream)->conf.name));
    a->stream = in.stream;
    staged_batch *part = batch_part(js, parts, in.stream);
    rc = part ? ri_ingest_prepare(&in, m) : RILL_ENOMEM;
    return rc < 0 ? rc : batch_stage(&in, part, &a->error);
}

static int batch_deal(ri_js *js, const ri_js_batch *batch, ri_list *parts, ri_js_append *a)
{
    ri_message m;
    for (size_t at = 0, end = ri_buffer_size(&batch->bytes); at < end;) {
        at = batch_entry_at(batch, at, &m);
        int rc = batch_deal_one(js, &m, parts, a);
        if (rc < 0) return rc;
    }
    return a->stream ? RILL_OK : ri_err(RILL_EINVAL, "the batch is empty");
}

static int batch_store(ri_js *js, ri_list *parts, ri_js_append *a)
{
    int rc;
    ri_ingest last = {.time_ns = js->router->time_ns};
    ri_list_each (link, parts) {
        staged_batch *part = ri_container_of(link, staged_batch, link);
        if ((rc = batch_check(part->stream, part, last.time_ns, &a->error)) < 0) return rc;
    }
    ri_list_each (link, parts) {
        staged_batch *part = ri_container_of(link, staged_batch, link);
        if ((rc = batch_append(part->stream, part, &last, &a->error)) < 0) {
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

/* Live subscribers get it, too; the streams have it. */
static void batch_echo(ri_js *js, ri_client *from, const ri_js_batch *batch)
{
    ri_message m;
    js->echoing = true;
    for (size_t at = 0, end = ri_buffer_size(&batch->bytes); at < end;) {
        at = batch_entry_at(batch, at, &m);
        ri_router_publish(from, &m, NULL);
    }
    js->echoing = false;
}

int ri_js_publish_batch(ri_js *js, ri_client *from, const ri_js_batch *batch, ri_js_append *a)
{
    ri_list parts;
    ri_list_init(&parts);
    *a = (ri_js_append){.waiter = a->waiter};
    ri_js_catch_up(js, js->router->time_ns);
    int rc = batch_deal(js, batch, &parts, a);
    if (rc >= 0) rc = batch_store(js, &parts, a);
    for (ri_list *link; (link = ri_list_pop(&parts)) != NULL;) {
        staged_batch *part = ri_container_of(link, staged_batch, link);
        batch_fini(part);
        ri_delete(js->host, part);
    }
    if (rc < 0) return rc;
    batch_echo(js, from, batch);
    ri_js_wait(js, a->stream->store->log, &a->waiter);
    return RILL_OK;
}

/* ---- Giving up ---- */

void ri_batch_step(ri_stream *stream)
{
    ri_js *js = stream->js;
    if (!stream->batches) return;
    for (ri_list *link; (link = ri_list_pop(&stream->batches->given_up)) != NULL;) {
        staged_batch *b = ri_container_of(link, staged_batch, link);
        ri_js_event event = {.kind = RI_JS_BATCH_ABANDONED, .stream = stream->conf.name,
                             .id = {b->id, b->id_len}, .reason = ri_str_of(b->reason)};
        ri_js_tell(js, &event);
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
