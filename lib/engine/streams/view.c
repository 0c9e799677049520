/* SPDX-License-Identifier: Apache-2.0 */
/* A track of a stream that takes Kafka's record batches holds records of both kinds:
 *
 *     track     [1 message] [2..40 batch, gzip] [41 message] [42..42 control] [43..90 batch] ...
 *                                |
 *     cursors   consumer A at 7 -+- consumer B at 30       mirror at 60, a direct get of 88 ...
 *                                v                                |
 *     at hand          [2..40, unpacked once]             [43..90, being unpacked]
 *
 * A reader's cursor asks the view of the track for each record. The view takes it out of a batch
 * that is at hand; else the cursor brings the batch, and the view unpacks it, for all readers,
 * in slices of the budget if the cursor has one. A batch at hand counts in the broker's memory
 * for work; it goes when others are wanted more and no cursor stands in it. Of those that are being
 * unpacked the one that was begun last goes first, and waits for those before it where memory is
 * short: if each took the room of another none would come to its end. Control records, and
 * those that compaction took out of a batch, have their numbers, and no reader sees them.
 *
 * A batch's records have no places in the index of subjects: such a stream has none, and is
 * searched record by record, in slices. What needs the index is refused when the stream is
 * configured. */
#include "engine/streams/view.h"

#include "base/error.h"
#include "codec/kafka/kafka_message.h"
#include "codec/kafka/unpack.h"
#include "codec/limits.h"
#include "engine/streams/js_state.h"

enum {
    VIEW_OPEN = 32,          /* batches at hand, of all streams */
    VIEW_KEPT = 64 * 1024 * 1024, /* bytes of these, while some of them can go */
    VIEW_COST = 4,           /* times as much as to copy them it takes to unpack bytes */
    VIEW_PIECE = 64 * 1024,  /* bytes that are unpacked at least, before the budget is asked, ... */
    VIEW_FIRST = 4096,       /* ... but so many at first: who waits for memory does them again */
    VIEW_MOVED = 1024 * 1024, /* bytes that are copied at most for more room: more moves by its
                                 pages */
    VIEW_STRIDE = 16,        /* records between two whose places are known */
    VIEW_WALKED = 8,         /* records that are passed in a unit */
    VIEW_CHECKED = 256,      /* records that are looked at before the budget is asked */
    VIEW_TRIM = 16,          /* hidden records that are looked past at the end */
};
#define VIEW_LEFT_NS RI_SEC  /* one that is not unpacked further for so long, nobody waits for */

typedef struct view_mark { /* the records from here on */
    uint32_t at;           /* bytes into the records */
    int32_t left;          /* so many records */
    int32_t last_delta;    /* offset of the one before */
} view_mark;

typedef struct view_batch {
    ri_held held;          /* first */
    ri_list link;          /* in view->batches, where it is found */
    ri_list age_link;      /* in js->viewed, the one that was wanted last at the end */
    ri_js *js;             /* NULL: it was given up, and stays for the cursors that stand in it */
    ri_view *view;
    uint32_t refs;         /* cursors, and who is at work on it */
    ri_claim claim;
    ri_kafka_batch head;   /* of it; its spans are of no use */
    size_t packed_len;     /* with the checksum, differs in one that was rewritten */
    ri_unpack unpack;
    bool ready;            /* unpacked */
    uint64_t begun;        /* of js->views_begun */
    int64_t moved_ns;      /* monotonic: when a slice of it was unpacked last */
    ri_buffer plain;
    view_mark *marks;      /* each VIEW_STRIDE records, as far as somebody has read */
    uint32_t nmarks, cap_marks;
    view_mark near;        /* behind the record that was read last */
    view_mark checked;     /* before it is appended: behind the last that was looked at */
} view_batch;

struct ri_view {
    ri_stream *stream;
    ri_track_view ops;
    ri_kafka_names names;  /* points into the configuration */
    ri_list batches;       /* view_batch.link */
    ri_list looked;        /* view_batch.link of those that are unpacked to be appended: their
                              numbers are not known yet */
    ri_failure failure;    /* that is to be reported */
    uint64_t failed_seq;   /* first of the batch that it is of, which is not reported again */
    uint64_t last_of, last_seq; /* what ri_view_last() found out last */
};

/* ---- At hand ---- */

static void view_free(view_batch *b)
{
    const ri_host *host = b->plain.host;
    RI_ASSERT(b->refs == 0 && !b->js);
    ri_unpack_fini(&b->unpack);
    ri_buffer_fini(&b->plain);
    ri_free(host, b->marks, b->cap_marks * sizeof *b->marks);
    ri_delete(host, b);
}

static void view_unref(view_batch *b)
{
    RI_ASSERT(b->refs > 0);
    if (--b->refs == 0 && !b->js) view_free(b);
}

static void view_release(ri_held *held)
{
    view_unref(ri_container_of(held, view_batch, held));
}

/* Nobody finds it any more. */
static void view_forget(view_batch *b)
{
    ri_js *js = b->js;
    if (!js) return;
    ri_list_remove(&b->link);
    ri_list_remove(&b->age_link);
    RI_ASSERT(js->nviewed > 0);
    js->nviewed--;
    ri_claim_end(&js->router->work, &b->claim);
    b->js = NULL;
    b->view = NULL;
    if (b->refs == 0) view_free(b);
}

static void view_give_up(ri_claim *claim)
{
    view_forget(ri_container_of(claim, view_batch, claim));
}

/* Is somebody about to unpack the rest of it? */
static bool view_is_at_work(const view_batch *b)
{
    return !b->ready && ri_ns_sub(b->js->mono_ns, b->moved_ns) < VIEW_LEFT_NS;
}

/* The one goes that nobody has wanted for longest; or, of those at work, the one that was begun
 * last, if that was behind `self`. False: none can go. */
static bool view_make_room(ri_js *js, const view_batch *self)
{
    view_batch *last = NULL;
    ri_list_each (link, &js->viewed) {
        view_batch *b = ri_container_of(link, view_batch, age_link);
        if (b->refs || b == self) continue;
        if (!view_is_at_work(b)) {
            view_forget(b);
            return true;
        }
        if (!last || b->begun > last->begun) last = b;
    }
    if (!last || (self && last->begun < self->begun)) return false;
    view_forget(last);
    return true;
}

static bool view_is_first(const view_batch *self)
{
    ri_list_each (link, &self->js->viewed) {
        const view_batch *b = ri_container_of(link, view_batch, age_link);
        if (b != self && view_is_at_work(b) && b->begun < self->begun) return false;
    }
    return true;
}

static bool view_fits(const view_batch *b, uint64_t bytes)
{
    const ri_memory *memory = &b->js->router->memory;
    return bytes <= b->claim.bytes ||
           ri_u64_add(ri_memory_used(memory, RI_MEMORY_WORK), bytes - b->claim.bytes) <=
               ri_memory_share(memory, RI_MEMORY_WORK);
}

/* 1: others were begun before, and there is no room beside them; whoever `waits` comes again. */
static int view_claim(view_batch *b, uint64_t bytes, bool waits)
{
    while (b->js && !view_fits(b, bytes))
        if (!view_make_room(b->js, b)) break;
    if (b->js && waits && !view_fits(b, bytes) && !view_is_first(b)) return 1;
    if (b->js) ri_claim_set(&b->js->router->work, &b->claim, bytes);
    if (b->js && b->claim.bytes >= bytes) return RILL_OK;
    return ri_err(RILL_ENOMEM, "the broker's memory has no room for a record batch of %llu bytes",
                  (unsigned long long)bytes);
}

static uint64_t view_kept(const ri_js *js)
{
    uint64_t bytes = 0;
    ri_list_each (link, &js->viewed)
        bytes += ri_container_of(link, view_batch, age_link)->claim.bytes;
    return bytes;
}

static view_batch *view_new(ri_view *view, const ri_kafka_batch *head)
{
    ri_js *js = view->stream->js;
    while ((js->nviewed >= VIEW_OPEN || view_kept(js) > VIEW_KEPT) && view_make_room(js, NULL)) {}
    view_batch *b = ri_new(js->host, view_batch);
    if (!b) return NULL;
    *b = (view_batch){.held.release = view_release, .js = js, .view = view, .head = *head,
                      .packed_len = head->bytes.len, .begun = ++js->views_begun,
                      .moved_ns = js->mono_ns};
    b->head.bytes = b->head.records = RI_STR_NONE;
    b->near.left = head->count;
    b->near.last_delta = -1;
    b->checked = b->near;
    ri_claim_init(&b->claim, view_give_up);
    ri_buffer_init(&b->plain, js->host);
    ri_unpack_init(&b->unpack, js->host, ri_kafka_batch_codec(head), RI_LIMIT_KAFKA_UNPACKED);
    ri_list_push(&view->batches, &b->link);
    ri_list_push(&js->viewed, &b->age_link);
    js->nviewed++;
    return b;
}

static bool view_has(const view_batch *b, uint64_t seq)
{
    return seq >= ri_kafka_seq_of(b->head.base_offset) &&
           seq <= ri_kafka_seq_of(ri_kafka_batch_last_offset(&b->head));
}

static view_batch *view_find(const ri_view *view, uint64_t seq)
{
    ri_list_each (link, &view->batches) {
        view_batch *b = ri_container_of(link, view_batch, link);
        if (view_has(b, seq)) return b;
    }
    return NULL;
}

/* ---- Unpacking ---- */

static int view_no_unpack(ri_view *view, const ri_kafka_batch *head, int rc)
{
    uint64_t first = ri_kafka_seq_of(head->base_offset);
    if (rc == RILL_ENOMEM) return rc;
    if (rc == RILL_EPROTO || rc == RILL_ETOOBIG) rc = RILL_ECORRUPT;
    ri_err_wrap(rc, "stream %.*s, messages %llu to %llu", RI_ARG(view->stream->conf.name),
                (unsigned long long)first,
                (unsigned long long)ri_kafka_seq_of(ri_kafka_batch_last_offset(head)));
    if (view->failed_seq == first) return rc;
    view->failed_seq = first;
    ri_failure_keep(&view->failure, rc);
    ri_js_busy(view->stream);
    return rc;
}

enum { VIEW_WAITS = 2 };

/* Much that was unpacked may be moved when it gets more room: that is a step of its own, in front
 * of the one that needs it. True: it was. */
static bool view_grow(view_batch *b, size_t bytes)
{
    size_t cap = b->plain.cap, len = b->plain.len;
    if (len < VIEW_PIECE) return false;
    ri_buffer_room(&b->plain, bytes); /* if there is none, who unpacks says so */
    if (b->plain.cap == cap) return false;
    ri_budget_spend(&b->js->router->budget, ri_budget_bytes(RI_MIN(len, (size_t)VIEW_MOVED)));
    return true;
}

/* A slice of it, or all that is left: 1 if there is more, VIEW_WAITS if it is to be begun again
 * when others are done, 0, or a code. */
static int view_unpack_some(view_batch *b, ri_str packed, ri_budget *budget)
{
    ri_budget *turn = &b->js->router->budget; /* it is spent in any case, and cut for `budget` */
    do {
        size_t bytes = RI_LIMIT_KAFKA_UNPACKED, before = b->plain.len;
        if (budget)
            bytes = (size_t)RI_MAX(budget->left - budget->floor, 0) * RI_BUDGET_BYTES / VIEW_COST;
        bytes = RI_MIN(RI_MAX(bytes, (size_t)VIEW_PIECE), (size_t)RI_LIMIT_KAFKA_UNPACKED);
        if (before == 0) bytes = VIEW_FIRST;
        if (budget && view_grow(b, bytes)) continue;
        int rc = ri_unpack_some(&b->unpack, packed, bytes, &b->plain);
        if (rc < 0) return rc;
        size_t made = b->plain.len - before; /* maybe nothing, after as much work */
        ri_budget_spend(turn, VIEW_COST * ri_budget_bytes(rc == 1 ? RI_MAX(made, bytes) : made));
        b->moved_ns = b->js->mono_ns;
        int claimed = view_claim(b, sizeof *b + b->plain.cap, budget != NULL);
        if (claimed != RILL_OK) return claimed == 1 ? VIEW_WAITS : claimed;
        if (rc == 0) return 0;
    } while (!budget || ri_budget_left(budget));
    return 1;
}

static int view_unpack(view_batch *b, ri_str packed, ri_budget *budget)
{
    ri_view *view = b->view;
    ri_kafka_batch head = b->head;
    b->refs++; /* claims of others may give it up */
    int rc = view_unpack_some(b, packed, budget);
    if (rc == 0) {
        ri_unpack_fini(&b->unpack);
        b->ready = true;
    } else if (rc != 1) {
        if (rc < 0) rc = view_no_unpack(view, &head, rc);
        view_forget(b);
    }
    view_unref(b);
    return rc > 0 ? RI_CURSOR_CUT : rc;
}

/* The batch is at hand from now on, if it is not cut: RILL_OK, RI_CURSOR_CUT, or a code. Control
 * batches are not: *out stays NULL. */
static int view_bring(ri_view *view, ri_str bytes, uint64_t seq, ri_budget *budget,
                      view_batch **out)
{
    ri_kafka_batch head;
    *out = NULL;
    int rc = ri_kafka_batch_parse(bytes, RI_LIMIT_KAFKA_BATCH_MAX, &head);
    if (rc <= 0) return ri_err(RILL_ECORRUPT, "what stands there is no record batch");
    if (head.attributes & RI_KAFKA_CONTROL) return RILL_OK;
    view_batch *b = view_find(view, seq);
    if (b && (b->head.crc != head.crc || b->packed_len != bytes.len)) { /* it was rewritten */
        view_forget(b);
        b = NULL;
    }
    if (!b && (rc = ri_unpack_has(ri_kafka_batch_codec(&head))) < 0)
        return view_no_unpack(view, &head, rc);
    if (!b && !(b = view_new(view, &head))) return RILL_ENOMEM;
    rc = b->ready ? RILL_OK : view_unpack(b, head.records, budget);
    if (rc == RILL_OK) *out = b;
    return rc;
}

/* ---- One record ---- */

/* The place from which the offset is the fewest records away. */
static view_mark view_start(const view_batch *b, int32_t delta)
{
    uint32_t low = 0, high = b->nmarks;
    view_mark start = {.left = b->head.count, .last_delta = -1};
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (b->marks[mid].last_delta < delta) low = mid + 1;
        else high = mid;
    }
    if (low) start = b->marks[low - 1];
    return b->near.last_delta < delta && b->near.left < start.left ? b->near : start;
}

static void view_note(view_batch *b, const view_mark *mark)
{
    int32_t known = b->nmarks ? b->marks[b->nmarks - 1].left : b->head.count;
    if (mark->left > known - VIEW_STRIDE) return;
    if (b->nmarks == b->cap_marks) {
        uint32_t cap = b->cap_marks ? b->cap_marks * 2 : 16;
        view_mark *grown = ri_realloc(b->plain.host, b->marks, b->cap_marks * sizeof *grown,
                                      cap * sizeof *grown);
        if (!grown) return; /* the way there is longer */
        b->marks = grown;
        b->cap_marks = cap;
    }
    b->marks[b->nmarks++] = *mark;
}

/* 1, 0 if it is not there, RILL_E*. */
static int view_seek(view_batch *b, uint64_t seq, ri_kafka_record *r)
{
    int64_t offset = ri_kafka_offset_of(seq);
    ri_str plain = ri_buffer_str(&b->plain);
    view_mark at = view_start(b, (int32_t)(offset - b->head.base_offset));
    ri_kafka_records it = {&b->head, plain.ptr + at.at, plain.ptr + plain.len, at.left,
                           at.last_delta};
    uint64_t walked = 0;
    int rc;
    while ((rc = ri_kafka_records_next(&it, r)) == 1) {
        at = (view_mark){(uint32_t)(it.p - plain.ptr), it.left, it.last_delta};
        view_note(b, &at);
        walked++;
        if (r->offset >= offset) break;
    }
    ri_budget_spend(&b->js->router->budget, walked / VIEW_WALKED);
    if (rc <= 0) return rc;
    b->near = at;
    return r->offset == offset;
}

static int view_read_from(ri_view *view, view_batch *b, ri_buffer *text, ri_record *out)
{
    ri_kafka_record r;
    ri_kafka_message m;
    int rc = view_seek(b, out->seq, &r);
    if (rc < 0) return view_no_unpack(view, &b->head, rc);
    if (rc == 0) return RI_VIEW_HIDDEN;
    if ((rc = ri_kafka_message_read(&view->names, &r, text, &m)) < 0) return rc;
    out->time_ns = m.time_ns;
    out->subject = m.subject;
    out->headers = m.headers;
    out->data = m.data;
    out->flags = 0;
    return RI_VIEW_RECORD;
}

static int view_read(void *arg, const ri_str *batch, ri_budget *budget, ri_buffer *text,
                     ri_record *out, ri_held **held)
{
    ri_view *view = arg;
    view_batch *b = view_find(view, out->seq);
    if (!batch && (!b || !b->ready)) return RI_VIEW_AWAY;
    int rc = batch ? view_bring(view, *batch, out->seq, budget, &b) : RILL_OK;
    if (rc != RILL_OK) return rc;
    if (!b) return RI_VIEW_HIDDEN;
    ri_list_remove(&b->age_link);
    ri_list_push(&b->js->viewed, &b->age_link);
    b->refs++;
    *held = &b->held;
    return view_read_from(view, b, text, out);
}

/* ---- A batch that is read raw ---- */

int ri_view_open_batch(ri_stream *stream, const ri_record *record, ri_held **held)
{
    ri_view *view = stream->view;
    view_batch *b;
    RI_ASSERT(record->flags & RI_RECORD_BATCH);
    if (!view) return ri_err(RILL_ENOTSUP, "the stream takes no record batches any more");
    int rc = view_bring(view, record->data, record->seq, &stream->js->router->budget, &b);
    if (rc != RILL_OK) return rc;
    if (!b) return ri_err(RILL_ENOTSUP, "records of a control batch are nobody's");
    ri_list_remove(&b->age_link);
    ri_list_push(&b->js->viewed, &b->age_link);
    b->refs++;
    *held = &b->held;
    return RILL_OK;
}

int ri_view_batch_record(ri_held *held, uint64_t seq, ri_kafka_record *out)
{
    view_batch *b = ri_container_of(held, view_batch, held);
    RI_ASSERT(b->refs > 0 && b->ready && b->js);
    return view_has(b, seq) ? view_seek(b, seq, out) : 0;
}

/* ---- With its stream ---- */

int ri_view_check(const ri_stream_conf *conf, ri_js_error *e)
{
    ri_kafka_names names;
    if (ri_jsconf_batches(conf) <= 0) return RILL_OK;
    int rc = ri_kafka_names_of(conf->subjects.items[0], &names);
    return rc < 0 ? ri_jserror_of(e, RI_JS_STREAM_INVALID_CONFIG, rc) : RILL_OK;
}

int ri_view_open(ri_stream *stream)
{
    ri_view *view = stream->view;
    if (ri_jsconf_batches(&stream->conf) <= 0) return RILL_OK;
    if (stream->conf.subjects.len == 0) /* of a store that nobody of ours has written */
        return ri_err(RILL_ECORRUPT, "stream %.*s takes record batches and has no subject",
                      RI_ARG(stream->conf.name));
    if (!view) {
        if (!(view = ri_new(stream->js->host, ri_view))) return RILL_ENOMEM;
        view->stream = stream;
        view->ops = (ri_track_view){view_read, view};
        ri_list_init(&view->batches);
        ri_list_init(&view->looked);
        stream->view = view;
    }
    ri_track_set_view(stream->track, &view->ops);
    return ri_kafka_names_of(stream->conf.subjects.items[0], &view->names);
}

void ri_view_close(ri_stream *stream)
{
    ri_view *view = stream->view;
    if (!view) return;
    ri_list_splice(&view->batches, &view->looked);
    while (!ri_list_empty(&view->batches))
        view_forget(ri_container_of(view->batches.next, view_batch, link));
    if (stream->track) ri_track_set_view(stream->track, NULL);
    ri_delete(stream->js->host, view);
    stream->view = NULL;
}

void ri_view_erased(ri_stream *stream, uint64_t seq)
{
    view_batch *b = stream->view ? view_find(stream->view, seq) : NULL;
    if (b) view_forget(b);
}

void ri_view_step(ri_stream *stream)
{
    ri_view *view = stream->view;
    if (!view || !view->failure.code) return;
    ri_js_event event = {.kind = RI_JS_UNREADABLE, .code = view->failure.code,
                         .reason = ri_str_of(view->failure.text)};
    view->failure.code = 0;
    ri_js_notify(stream->js, &event);
}

uint64_t ri_view_last(ri_stream *stream, uint64_t to)
{
    ri_record record;
    ri_cursor cursor;
    ri_view *view = stream->view;
    if (!view || to == 0) return to;
    if (view->last_of == to) return view->last_seq;
    ri_cursor_init(&cursor, stream->track);
    uint64_t at = RI_MIN(to, stream->last_seq);
    int rc = RILL_ENOENT;
    for (int i = 0; i < VIEW_TRIM && at && rc == RILL_ENOENT; i++, at--)
        rc = ri_cursor_get(&cursor, at, &record);
    ri_cursor_fini(&cursor);
    view->last_of = to;
    view->last_seq = rc == RILL_OK ? at + 1 : rc == RILL_ENOENT ? at : to;
    return view->last_seq;
}

/* A batch is found by the last of its times. */
uint64_t ri_view_seq_at(ri_stream *stream, uint64_t seq, int64_t time_ns)
{
    ri_record record;
    for (int i = 0; i < RI_LIMIT_KAFKA_TAKEN; i++, seq = record.seq + 1)
        if (ri_cursor_next(&stream->cursor, seq, NULL, &record) <= 0 || record.time_ns >= time_ns)
            break;
    return seq;
}

bool ri_view_keyed(const ri_stream *stream)
{
    return stream->view && stream->view->names.keyed;
}

void ri_view_subject(void *arg, ri_str key, ri_buffer *out)
{
    const ri_stream *stream = arg;
    ri_kafka_message_subject(&stream->view->names, key, out);
}

uint64_t ri_view_batch_end(const ri_record *record)
{
    ri_kafka_batch b;
    RI_ASSERT(record->flags & RI_RECORD_BATCH);
    if (ri_kafka_batch_parse(record->data, RI_LIMIT_KAFKA_BATCH_MAX, &b) <= 0) return record->seq;
    return RI_MAX(record->seq, ri_kafka_seq_of(ri_kafka_batch_last_offset(&b)));
}

/* ---- Appending ---- */

static int view_may_append(const ri_stream *stream, ri_str batch)
{
    const ri_stream_conf *conf = &stream->conf;
    if (!stream->view)
        return ri_err(RILL_ENOTSUP, "stream %.*s takes no record batches", RI_ARG(conf->name));
    if (conf->sealed) return ri_err(RILL_EINVAL, "stream %.*s is sealed", RI_ARG(conf->name));
    size_t most = conf->max_msg_size >= 0 ? (size_t)conf->max_msg_size : RI_LIMIT_KAFKA_BATCH;
    if (batch.len > most)
        return ri_err(RILL_ETOOBIG, "a record batch of %zu bytes, stream %.*s takes %zu", batch.len,
                      RI_ARG(conf->name), most);
    return RILL_OK;
}

/* Discard new: is there room for so many? */
static int view_admit(const ri_stream *stream, uint64_t count, uint64_t bytes)
{
    const ri_stream_conf *conf = &stream->conf;
    ri_track_info info;
    if (conf->discard != RI_DISCARD_NEW) return RILL_OK;
    ri_track_counts(stream->track, &info);
    if (conf->max_msgs > 0 && info.count + count > (uint64_t)conf->max_msgs)
        return ri_err(RILL_EFULL, "stream %.*s: maximum messages exceeded", RI_ARG(conf->name));
    if (conf->max_bytes > 0 && info.bytes + bytes > (uint64_t)conf->max_bytes)
        return ri_err(RILL_EFULL, "stream %.*s: maximum bytes exceeded", RI_ARG(conf->name));
    return RILL_OK;
}

static int view_no_key(int64_t record)
{
    return ri_err(RILL_EINVAL, "record %lld has no key, and the stream keeps the last of each",
                  (long long)record);
}

/* A compacted stream keeps the last of each key, so each record has one. For who asks for all that
 * have none, the others are looked at, too. */
static int view_check_key(const ri_kafka_record *r, int64_t record, const ri_view_ask *ask)
{
    ri_view_keyless *keyless = ask->keyless;
    if (r->key.ptr) return RILL_OK;
    if (!keyless) return view_no_key(record);
    RI_ASSERT(keyless->len <= keyless->cap && keyless->cap > 0);
    if (keyless->len < keyless->cap) keyless->at[keyless->len++] = (int32_t)record;
    return RILL_OK;
}

static int view_check_keys(const ri_kafka_batch *head, const ri_view_ask *ask)
{
    ri_kafka_records it;
    ri_kafka_record r;
    int rc, bad;
    ri_kafka_records_init(&it, head, head->records);
    while ((rc = ri_kafka_records_next(&it, &r)) == 1)
        if ((bad = view_check_key(&r, r.offset - head->base_offset, ask)) < 0) return bad;
    return rc;
}

static view_batch *view_looked(const ri_view_ask *ask)
{
    return ask->looked ? ri_container_of(ask->looked, view_batch, held) : NULL;
}

void ri_view_ask_drop(ri_view_ask *ask)
{
    view_batch *b = view_looked(ask);
    ask->looked = NULL;
    if (!b) return;
    view_forget(b);
    view_unref(b);
}

/* Unpack it, to look at it: 1 if that goes on in a later turn. */
static int view_look(ri_view *view, const ri_kafka_batch *head, ri_view_ask *ask)
{
    view_batch *b = view_looked(ask);
    if (!b) {
        if (!(b = view_new(view, head))) return RILL_ENOMEM;
        b->refs++;
        ask->looked = &b->held;
        ri_list_remove(&b->link);
        ri_list_push(&view->looked, &b->link);
    }
    if (!b->js || b->view != view)
        return ri_err(RILL_ENOMEM, "the broker's memory has no room for a record batch any more");
    if (b->ready) return RILL_OK;
    int rc = view_unpack_some(b, head->records, ask->slices ? &b->js->router->budget : NULL);
    b->ready = rc == 0;
    if (rc == VIEW_WAITS) ri_view_ask_drop(ask);
    return RI_MIN(rc, 1);
}

/* One record of a batch that is to be appended: has it the next number, and a key, where each has
 * to have one? */
static int view_check_record(const ri_kafka_record *r, int64_t offset, bool keyed,
                             const ri_view_ask *ask)
{
    if (r->offset != offset)
        return ri_err(RILL_EPROTO, "record %lld has offset delta %lld", (long long)offset,
                      (long long)r->offset);
    return keyed ? view_check_key(r, offset, ask) : RILL_OK;
}

/* The records that were unpacked, in slices, if the asker has them: 1 if there are more. */
static int view_check_records(const ri_kafka_batch *head, bool keyed, const ri_view_ask *ask)
{
    view_batch *b = view_looked(ask);
    RI_ASSERT(b->ready && b->checked.left <= head->count);
    ri_budget *budget = &b->js->router->budget;
    ri_str plain = ri_buffer_str(&b->plain);
    ri_kafka_records it = {head, plain.ptr, NULL, b->checked.left, b->checked.last_delta};
    ri_kafka_record r;
    int rc = 1;
    if (plain.ptr) it.p += b->checked.at;
    if (plain.ptr) it.end = plain.ptr + plain.len;
    while (rc == 1) {
        int32_t was = it.left;
        for (int i = 0; rc == 1 && i < VIEW_CHECKED; i++) {
            int64_t offset = head->count - it.left;
            if ((rc = ri_kafka_records_next(&it, &r)) != 1) break;
            int bad = view_check_record(&r, offset, keyed, ask);
            if (bad < 0) return bad;
        }
        b->checked = (view_mark){(uint32_t)(it.p - plain.ptr), it.left, it.last_delta};
        b->moved_ns = b->js->mono_ns;
        if (!ri_budget_spend(budget, (uint64_t)(was - it.left) / VIEW_WALKED + 1) && ask->slices)
            break;
    }
    return rc;
}

/* Is it whole, within the bounds, and can it be read? What has to be unpacked for that is at hand
 * for the readers, too: ask->looked, or NULL. 1 if there is more to be unpacked. */
static int view_check_batch(ri_stream *stream, const ri_kafka_batch *head, ri_view_ask *ask)
{
    ri_view *view = stream->view;
    ri_budget *budget = &stream->js->router->budget;
    int64_t tombstone_ns;
    bool packed = ri_kafka_batch_codec(head) != RI_KAFKA_CODEC_NONE;
    int rc = ask->looked ? RILL_OK : ri_kafka_batch_verify(head);
    if (rc < 0 || head->attributes & RI_KAFKA_CONTROL) return rc;
    if (head->count > RI_LIMIT_KAFKA_TAKEN)
        return ri_err(RILL_ETOOBIG, "a batch of %d records, of which %d are taken", head->count,
                      RI_LIMIT_KAFKA_TAKEN);
    bool keyed = ri_jsconf_compact(&stream->conf, &tombstone_ns) == 1;
    if (packed) {
        if ((rc = view_look(view, head, ask)) != 0) return rc;
        rc = view_check_records(head, keyed, ask);
    } else {
        ri_budget_spend(budget, (uint64_t)head->count / VIEW_WALKED);
        if (keyed) rc = view_check_keys(head, ask);
    }
    bool bad = rc == RILL_OK && ask->keyless && ask->keyless->len > 0;
    return bad ? view_no_key(ask->keyless->at[0]) : rc;
}

/* A copy that has the time of now, as a stream that says so gives to each of its batches. */
static int view_stamp(ri_stream *stream, ri_view_ask *ask, ri_str *batch)
{
    ri_js *js = stream->js;
    ri_buffer_reset(&js->record);
    ri_buffer_put_str(&js->record, *batch);
    if (js->record.failed) return RILL_ENOMEM;
    ask->append_time_ms = js->wall_ns / RI_MS;
    ri_kafka_batch_set_append_time(js->record.ptr, batch->len, ask->append_time_ms);
    *batch = ri_buffer_str(&js->record);
    ri_budget_spend(&js->router->budget, 2 * ri_budget_bytes(batch->len));
    return RILL_OK;
}

static int view_put(ri_stream *stream, ri_str batch, const ri_kafka_batch *head,
                    ri_view_ask *ask)
{
    ri_log *log = stream->store->log;
    ri_batch_receipt receipt;
    bool eased = ask->safety && log == stream->js->files.log;
    if (eased) ri_log_ease(log, *ask->safety);
    int rc = ri_track_append_batch(stream->track, batch, &receipt);
    ask->verdict = receipt.verdict;
    ask->duplicate = rc == 1;
    ask->first_seq = receipt.first_seq;
    ask->last_seq = receipt.first_seq + (uint64_t)head->last_offset_delta;
    if (rc == 0) {
        stream->last_seq = ask->last_seq;
        stream->last_time_ns = RI_MAX(stream->last_time_ns, stream->js->wall_ns);
        ri_ingest_set_last_id(stream, RI_STR_NONE);
        ri_stream_touch(stream);
        ri_retention_came(stream, ask->first_seq, ri_ns_of_ms(head->max_timestamp_ms));
        ri_retention_stored(stream, RI_STR_NONE);
    }
    if (eased) ri_log_ease(log, ri_log_safety(log));
    return rc;
}

/* What was unpacked to look at it is at hand under the numbers that it got. */
static void view_keep(ri_str batch, ri_view_ask *ask)
{
    view_batch *b = view_looked(ask);
    ri_kafka_batch head;
    if (!b) return;
    if (!b->js || ask->duplicate || ri_kafka_batch_parse(batch, batch.len, &head) <= 0) {
        ri_view_ask_drop(ask);
        return;
    }
    b->head = head;
    b->head.bytes = b->head.records = RI_STR_NONE;
    b->head.base_offset = ri_kafka_offset_of(ask->first_seq);
    ri_list_remove(&b->link);
    ri_list_push(&b->view->batches, &b->link);
    ask->looked = NULL;
    view_unref(b);
}

int ri_view_append_batch(ri_stream *stream, ri_str batch, ri_view_ask *ask)
{
    ri_js *js = stream->js;
    ri_kafka_batch head;
    RI_CHECK(stream, RI_STREAM_MAGIC);
    RI_ASSERT(ask->waiter.done);
    ask->append_time_ms = -1;
    ask->verdict = RI_PRODUCERS_APPEND;
    int rc = view_may_append(stream, batch);
    if (rc >= 0) rc = ri_kafka_batch_parse(batch, RI_LIMIT_KAFKA_BATCH_MAX, &head);
    if (rc >= 0 && (size_t)rc != batch.len)
        rc = ri_err(RILL_EPROTO, "a record batch of %zu bytes that says another length", batch.len);
    if (rc >= 0 && (rc = view_check_batch(stream, &head, ask)) == 1) return rc;
    if (rc >= 0) rc = view_admit(stream, (uint64_t)head.last_offset_delta + 1, batch.len);
    bool control = rc >= 0 && head.attributes & RI_KAFKA_CONTROL;
    if (rc >= 0 && ask->stamp && !control) rc = view_stamp(stream, ask, &batch);
    if (rc >= 0) rc = view_put(stream, batch, &head, ask);
    if (rc < 0) {
        ri_view_ask_drop(ask);
        return rc;
    }
    view_keep(batch, ask);
    if (!ask->duplicate && !control) ri_spread_add(stream, ask->first_seq, ask->last_seq);
    ri_budget_spend(&js->router->budget, ri_budget_bytes(batch.len));
    ri_js_wait(js, stream->store->log, &ask->waiter);
    return RILL_OK;
}
