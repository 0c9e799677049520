/* SPDX-License-Identifier: Apache-2.0 */
/* The record of what consumers have done: one track for all consumers of a log.
 *
 *     record   <id> S <whole state>              older records of <id> are removed
 *              <id> <operation> <operation> ..   what came after
 *
 *     E <last> <skip> <n>  n messages in a row delivered, the first `skip` behind `last`, which is
 *                       the one that was delivered before
 *     D <skip> <n>      the same, in stores of earlier versions
 *     R <seq>           one delivered again
 *     A <seq> <n>       n in a row settled
 *     L <seq> <time>    due again at that time (NAK)
 *     W <seq>           its clock starts anew (WPI)
 *     T <time>          when what follows was done (D, R, W)
 *
 * Numbers are varints. What a consumer does in a turn becomes one record in that turn's commit:
 * an ack that is confirmed is in the same commit as its confirmation waits for, together with
 * the removal of the message from a work queue. Deliveries alone make no commit; they ride with
 * the next one, at the latest SAVE_LAZY later: to lose them means to deliver again.
 *
 * When the operations have grown to twice the last whole state (and 4 KiB), a new one takes
 * their place: the log keeps no more than thrice the state, and writing costs no more than twice
 * the operations.
 *
 * Where records are lost to damage, the next operation names messages behind those that are
 * known to be delivered. What lies between was perhaps delivered and perhaps settled: it is pending
 * and due, up to STATE_GAP_MAX messages; if there are more, the consumer goes on from where the gap
 * begins. */
#include <stdlib.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/streams/js_state.h"

enum { STATE_OPS_MIN = 4096, STATE_SAVED_MAX = 64, STATE_GAP_MAX = 65536 }; /* bytes; records */
#define STATE_LAZY_NS (200 * RI_MS)
#define STATE_RETRY_NS RI_SEC

/* ---- Writing ---- */

static void state_put(ri_buffer *out, uint64_t n)
{
    char bytes[10];
    size_t len = 0;
    for (; n >= 0x80; n >>= 7) bytes[len++] = (char)(n | 0x80);
    bytes[len++] = (char)n;
    ri_buffer_put(out, bytes, len);
}

static void state_put_op(ri_buffer *out, char op, uint64_t a, uint64_t b)
{
    ri_buffer_put(out, &op, 1);
    state_put(out, a);
    state_put(out, b);
}

static void state_flush_deliveries(ri_consumer *c)
{
    if (!c->run_len) return;
    state_put_op(&c->unsaved, 'E', c->noted_stream, c->run_first - c->noted_stream);
    state_put(&c->unsaved, c->run_len);
    c->noted_stream = c->run_first + c->run_len - 1;
    c->run_len = 0;
}

static void state_flush_acks(ri_consumer *c)
{
    if (!c->acks_len) return;
    state_put_op(&c->unsaved, 'A', c->acks_first, c->acks_len);
    c->acks_len = 0;
}

/* Deliveries first: what is settled may be among them, and never the other way round. */
static void state_flush(ri_consumer *c)
{
    state_flush_deliveries(c);
    state_flush_acks(c);
}

/* Put the time of what follows, if it is not the same. */
static void state_put_time(ri_consumer *c)
{
    int64_t now = c->stream->js->wall_ns;
    char op = 'T';
    if (c->noted_ns == now) return;
    state_flush(c);
    ri_buffer_put(&c->unsaved, &op, 1);
    state_put(&c->unsaved, (uint64_t)now);
    c->noted_ns = now;
}

static void state_note(ri_consumer *c, bool now)
{
    ri_js_store *store = c->stream->store;
    if (!ri_list_linked(&c->unsaved_link)) ri_list_push(&store->unsaved, &c->unsaved_link);
    if (now)
        store->save_now = true;
    else
        store->save_due_ns = RI_MIN(store->save_due_ns, c->stream->js->mono_ns + STATE_LAZY_NS);
}

void ri_state_delivered(ri_consumer *c, uint64_t seq, bool first)
{
    if (!c->kept) return;
    state_note(c, false);
    if (c->whole) return;
    state_put_time(c);
    if (!first) {
        state_flush(c);
        char op = 'R';
        ri_buffer_put(&c->unsaved, &op, 1);
        state_put(&c->unsaved, seq);
    } else if (c->run_len && seq == c->run_first + c->run_len) {
        c->run_len++;
    } else {
        uint64_t last = c->run_len ? c->run_first + c->run_len - 1 : c->noted_stream;
        if (seq <= last) { /* a place before: cannot be written as an operation */
            ri_state_reset(c);
            return;
        }
        state_flush(c);
        c->run_first = seq;
        c->run_len = 1;
    }
}

void ri_state_renewed(ri_consumer *c, uint64_t seq)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    char op = 'W';
    if (!c->kept) return;
    state_note(c, false);
    if (c->whole) return;
    state_put_time(c);
    state_flush(c);
    ri_buffer_put(&c->unsaved, &op, 1);
    state_put(&c->unsaved, seq);
}

void ri_state_settled(ri_consumer *c, uint64_t seq)
{
    if (!c->kept) return;
    state_note(c, true);
    if (c->whole) return;
    if (c->acks_len && seq == c->acks_first + c->acks_len) {
        c->acks_len++;
        return;
    }
    state_flush(c);
    c->acks_first = seq;
    c->acks_len = 1;
}

void ri_state_delayed(ri_consumer *c, uint64_t seq, int64_t due_wall_ns)
{
    if (!c->kept) return;
    state_note(c, false);
    if (c->whole) return;
    state_flush(c);
    state_put_op(&c->unsaved, 'L', seq, (uint64_t)due_wall_ns);
}

void ri_state_reset(ri_consumer *c)
{
    if (!c->kept) return;
    c->whole = true;
    c->run_len = c->acks_len = 0;
    c->noted_ns = 0;
    ri_buffer_fini(&c->unsaved);
    ri_buffer_init(&c->unsaved, c->stream->js->host);
    state_note(c, true);
}

/* The wall clock time that it is due at; 0: its ack wait after it was sent; 1: it is due. */
static uint64_t state_due(const ri_consumer *c, const ri_pending *p)
{
    const ri_js *js = c->stream->js;
    if (p->again) return 1;
    int64_t due_ns = ri_timer_armed(&p->late) ? p->late.due_ns : p->due_ns;
    int64_t wall_ns = ri_js_wall_of(js, due_ns);
    if (wall_ns == ri_ns_add(p->sent_ns, ri_pending_wait_ns(c, p->deliveries))) return 0;
    return (uint64_t)RI_MAX(wall_ns, 1);
}

static void state_put_whole(const ri_consumer *c, ri_buffer *out)
{
    char op = 'S';
    ri_buffer_put(out, &op, 1);
    state_put(out, c->next_seq);
    state_put(out, c->delivered_stream);
    state_put(out, c->delivered_consumer);
    state_put(out, (uint64_t)c->delivered_ns);
    state_put(out, ri_consumer_npending(c));
    uint64_t seq = 0;
    ri_list_each (link, &c->order) {
        const ri_pending *p = ri_container_of(link, ri_pending, order_link);
        state_put(out, p->stream_seq - seq);
        state_put(out, p->consumer_seq);
        state_put(out, p->deliveries);
        state_put(out, (uint64_t)p->sent_ns);
        state_put(out, state_due(c, p));
        seq = p->stream_seq;
    }
    state_put(out, c->npicks - c->pick);
    seq = 0;
    for (uint32_t i = c->pick; i < c->npicks; seq = c->picks[i++])
        state_put(out, c->picks[i] - seq);
}

static int state_reserve(ri_consumer *c)
{
    return ri_array_reserve(c->stream->js->host, &c->saved, &c->saved_cap, (size_t)c->nsaved + 1,
                            sizeof *c->saved);
}

static void state_remove_saved(ri_consumer *c)
{
    for (uint32_t i = 0; i < c->nsaved; i++)
        ri_track_remove(c->stream->store->states, c->saved[i], false);
    c->nsaved = 0;
    c->saved_bytes = 0;
}

static int state_save_one(ri_js *js, ri_js_store *store, ri_consumer *c)
{
    state_flush(c);
    bool whole = c->whole || c->unsaved.failed || c->nsaved >= STATE_SAVED_MAX ||
                 c->saved_bytes > RI_MAX(STATE_OPS_MIN, 2 * c->whole_bytes);
    if (!whole && ri_buffer_size(&c->unsaved) == 0) return RILL_OK;
    ri_buffer_reset(&js->record);
    state_put(&js->record, c->id);
    if (whole)
        state_put_whole(c, &js->record);
    else
        ri_buffer_put_str(&js->record, ri_buffer_str(&c->unsaved));
    int rc = js->record.failed ? RILL_ENOMEM : state_reserve(c);
    if (rc < 0) return rc;
    ri_record record = {.time_ns = js->wall_ns, .subject = RI_STR("c"),
                        .data = ri_buffer_str(&js->record)};
    if ((rc = ri_track_append(store->states, &record)) < 0) return rc;
    if (whole) {
        state_remove_saved(c);
        c->whole_bytes = record.data.len;
        c->noted_stream = c->delivered_stream;
        c->whole = false;
    } else {
        c->saved_bytes += record.data.len;
    }
    c->saved[c->nsaved++] = record.seq;
    c->noted_ns = 0;
    ri_buffer_fini(&c->unsaved); /* 100 000 consumers that were busy once hold nothing */
    ri_buffer_init(&c->unsaved, js->host);
    return RILL_OK;
}

void ri_state_save(ri_js *js, ri_js_store *store)
{
    RI_ASSERT(ri_js_is_sound(js));
    store->save_now = false;
    store->save_due_ns = INT64_MAX;
    ri_list unsaved;
    ri_list_init(&unsaved);
    ri_list_splice(&unsaved, &store->unsaved);
    for (ri_list *link; (link = ri_list_pop(&unsaved)) != NULL;) {
        ri_consumer *c = ri_container_of(link, ri_consumer, unsaved_link);
        if (state_save_one(js, store, c) >= 0) continue;
        /* The disk is full, or memory is: keep no list of what to say, say all of it later. */
        ri_state_reset(c);
        store->save_now = false;
        store->save_due_ns = js->mono_ns + STATE_RETRY_NS;
    }
}

void ri_state_forget(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_list_remove(&c->unsaved_link);
    if (!c->kept) return;
    state_remove_saved(c);
    c->kept = false;
}

/* ---- Reading ---- */

typedef struct state_reader {
    const unsigned char *at, *end;
    bool bad;
} state_reader;

static uint64_t state_get(state_reader *r)
{
    uint64_t n = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end) break;
        unsigned char byte = *r->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return n;
    }
    r->bad = true;
    return 0;
}

/* Behind all that are pending; RILL_ECORRUPT: it is not. */
static int state_add(ri_consumer *c, uint64_t seq, uint64_t consumer_seq, ri_pending **p)
{
    ri_list *last = ri_list_empty(&c->order) ? NULL : c->order.prev;
    if (last && ri_container_of(last, ri_pending, order_link)->stream_seq >= seq)
        return ri_err(RILL_ECORRUPT, "message %llu is out of order", (unsigned long long)seq);
    *p = ri_pending_add(c, seq, consumer_seq);
    return *p ? RILL_OK : RILL_ENOMEM;
}

static int state_get_whole(ri_consumer *c, state_reader *r)
{
    ri_pending_clear(c);
    c->gap = c->gap_wide = false;
    c->next_seq = state_get(r);
    c->delivered_stream = state_get(r);
    c->delivered_consumer = state_get(r);
    c->delivered_ns = (int64_t)state_get(r);
    uint64_t seq = 0;
    ri_pending *p = NULL;
    for (uint64_t n = state_get(r); n > 0 && !r->bad; n--) {
        seq += state_get(r);
        int rc = state_add(c, seq, state_get(r), &p);
        if (rc < 0) return rc;
        p->deliveries = (uint32_t)state_get(r);
        p->sent_ns = (int64_t)state_get(r);
        p->due_ns = (int64_t)state_get(r);
        if (p->deliveries > 1) c->nredelivered++;
    }
    uint64_t npicks = state_get(r);
    if (r->bad || npicks > (uint64_t)(r->end - r->at)) return RILL_ECORRUPT;
    const ri_host *host = c->stream->js->host;
    ri_free(host, c->picks, c->npicks * sizeof *c->picks);
    c->npicks = c->pick = 0;
    c->picks = npicks ? ri_alloc(host, ri_size_mul(npicks, sizeof *c->picks)) : NULL;
    if (npicks && !c->picks) return RILL_ENOMEM;
    for (seq = 0; c->npicks < npicks; c->npicks++) c->picks[c->npicks] = seq += state_get(r);
    ri_room_consumer(c);
    return RILL_OK;
}

/* Nothing behind the last delivered counts until a whole state comes. */
static void state_give_up(ri_consumer *c)
{
    c->gap_wide = true;
    while (!ri_list_empty(&c->order)) {
        ri_pending *p = ri_container_of(c->order.prev, ri_pending, order_link);
        if (p->stream_seq <= c->delivered_stream) break;
        ri_pending_drop(c, p);
    }
}

/* All up to `last` was delivered, as a record says whose forerunners may be lost. */
static int state_fill_gap(ri_consumer *c, uint64_t last)
{
    ri_record record;
    int rc = RILL_OK;
    if (last <= c->delivered_stream || c->conf.ack_policy == RI_ACK_NONE) return RILL_OK;
    uint64_t from = c->delivered_stream + 1, most = ri_consumer_npending(c) + STATE_GAP_MAX;
    c->gap = true;
    while ((rc = ri_cursor_next(&c->cursor, from, &c->filter, &record)) != 0) {
        if ((rc < 0 && !ri_js_is_lost(rc)) || record.seq > last) break;
        from = rc == RI_CURSOR_CUT ? record.seq : record.seq + 1;
        if (rc < 0 || rc == RI_CURSOR_CUT) continue; /* an opening is no turn: it goes on */
        if (ri_consumer_npending(c) == most) {
            state_give_up(c);
            return RILL_OK;
        }
        ri_pending *p = NULL;
        if ((rc = state_add(c, record.seq, ++c->delivered_consumer, &p)) < 0) return rc;
        p->due_ns = 1;
    }
    if (rc < 0 && !ri_js_is_lost(rc)) return rc;
    c->delivered_stream = last;
    c->next_seq = RI_MAX(c->next_seq, last + 1);
    return RILL_OK;
}

static int state_redo_deliveries(ri_consumer *c, uint64_t skip, uint64_t n, int64_t time_ns)
{
    uint64_t seq = c->delivered_stream + skip;
    for (; n > 0; n--, seq++) {
        c->delivered_stream = seq;
        c->delivered_consumer++;
        while (c->pick < c->npicks && c->picks[c->pick] <= seq) c->pick++;
        if (c->conf.ack_policy == RI_ACK_NONE) continue;
        ri_pending *p = NULL;
        int rc = state_add(c, seq, c->delivered_consumer, &p);
        if (rc < 0) return rc;
        p->sent_ns = time_ns;
    }
    if (c->pick == c->npicks) c->next_seq = RI_MAX(c->next_seq, c->delivered_stream + 1);
    c->delivered_ns = time_ns;
    return RILL_OK;
}

static void state_redo_again(ri_consumer *c, uint64_t seq, int64_t time_ns)
{
    c->delivered_consumer++;
    c->delivered_ns = time_ns;
    ri_pending *p = ri_pending_find(c, seq);
    if (!p) return;
    if (++p->deliveries == 2) c->nredelivered++;
    p->delivery = c->delivered_consumer;
    p->sent_ns = time_ns;
    p->due_ns = 0;
}

/* Before an operation: it speaks of what was delivered by then. */
static int state_reach(ri_consumer *c, char op, uint64_t a, uint64_t b)
{
    if (op == 'A') return state_fill_gap(c, ri_u64_add(a, b) - 1);
    return strchr("ERWL", op) ? state_fill_gap(c, a) : RILL_OK;
}

static int state_redo_ops(ri_consumer *c, state_reader *r, int64_t time_ns)
{
    while (r->at < r->end && !r->bad) {
        char op = (char)*r->at++;
        uint64_t a = state_get(r), b = strchr("RTW", op) ? 0 : state_get(r);
        uint64_t n = op == 'E' ? state_get(r) : b;
        ri_pending *p = NULL;
        if (r->bad) break;
        int rc = state_reach(c, op, a, b);
        if (rc < 0) return rc;
        if (c->gap_wide) return RILL_OK;
        if (op == 'D') {
            rc = state_redo_deliveries(c, a, b, time_ns);
        } else if (op == 'E') {
            rc = state_redo_deliveries(c, b, n, time_ns);
        } else if (op == 'T') {
            time_ns = (int64_t)a;
        } else if (op == 'R') {
            state_redo_again(c, a, time_ns);
        } else if (op == 'W') {
            if ((p = ri_pending_find(c, a)) == NULL) continue;
            p->sent_ns = time_ns;
            p->due_ns = 0;
        } else if (op == 'L') {
            if ((p = ri_pending_find(c, a)) != NULL) p->due_ns = (int64_t)b;
        } else if (op == 'A') {
            for (; b > 0; b--, a++)
                if ((p = ri_pending_find(c, a)) != NULL) ri_pending_drop(c, p);
        } else {
            r->bad = true;
        }
        if (rc < 0) return rc;
    }
    return r->bad ? ri_err(RILL_ECORRUPT, "the record makes no sense") : RILL_OK;
}

static int state_redo(ri_consumer *c, const ri_record *record, state_reader *r)
{
    int rc = state_reserve(c);
    if (rc < 0) return rc;
    c->saved[c->nsaved++] = record->seq;
    if (r->at < r->end && *r->at == 'S') {
        r->at++;
        c->whole_bytes = record->data.len;
        return state_get_whole(c, r);
    }
    c->saved_bytes += record->data.len;
    if (c->gap_wide) return RILL_OK;
    return state_redo_ops(c, r, record->time_ns);
}

typedef struct state_clock {
    int64_t due_ns;        /* monotonic */
    ri_pending *pending;
} state_clock;

static int state_by_due(const void *a, const void *b)
{
    const state_clock *x = a, *y = b;
    if (x->due_ns != y->due_ns) return x->due_ns < y->due_ns ? -1 : 1;
    return x->pending->stream_seq < y->pending->stream_seq ? -1 : 1;
}

/* The clocks run on from where they stood: what is overdue is due now, in order. */
static int state_restart_clocks(ri_consumer *c)
{
    ri_js *js = c->stream->js;
    size_t n = ri_consumer_npending(c), i = 0;
    if (n == 0) return RILL_OK;
    state_clock *clocks = ri_alloc(js->host, ri_size_mul(n, sizeof *clocks));
    if (!clocks) return RILL_ENOMEM;
    ri_list_each (link, &c->order) {
        ri_pending *p = ri_container_of(link, ri_pending, order_link);
        int64_t wall_ns = p->due_ns ? p->due_ns
                                    : ri_ns_add(p->sent_ns, ri_pending_wait_ns(c, p->deliveries));
        clocks[i++] = (state_clock){RI_MAX(ri_js_mono_of(js, wall_ns), js->mono_ns), p};
    }
    RI_ASSERT(i == n);
    qsort(clocks, n, sizeof *clocks, state_by_due);
    for (i = 0; i < n; i++) {
        ri_pending *p = clocks[i].pending;
        if (p->due_ns && clocks[i].due_ns > js->mono_ns)
            ri_pending_delay(c, p, clocks[i].due_ns);
        else
            ri_pending_clock_at(c, p, clocks[i].due_ns);
    }
    ri_free(js->host, clocks, n * sizeof *clocks);
    return RILL_OK;
}

static int state_restart(ri_consumer *c)
{
    int rc = state_restart_clocks(c);
    c->noted_stream = c->delivered_stream;
    c->whole = c->nsaved == 0;
    if (c->gap) ri_state_reset(c); /* written anew, without a gap */
    ri_ahead_count_anew(c);
    ri_consumer_started(c);
    return rc;
}

/* Of a consumer that is not served: nobody asks, and no clock runs. */
static void state_rest(ri_consumer *c)
{
    c->noted_stream = c->delivered_stream;
    c->whole = c->nsaved == 0;
}

/* An id that nobody knows: if records of the catalogue are lost, that of a consumer may be. */
static void state_stray(ri_js *js, uint64_t id)
{
    const char *at = js->fenced_ids.ptr + js->fenced_ids.head;
    bool known = !js->damaged;
    for (size_t i = 0; i < ri_buffer_size(&js->fenced_ids) && !known; i += sizeof id)
        known = memcmp(at + i, &id, sizeof id) == 0;
    js->lost_consumers = js->lost_consumers || !known;
}

static bool state_same_id(const void *item, const void *key)
{
    return ((const ri_consumer *)item)->id == *(const uint64_t *)key;
}

/* A consumer whose state cannot be read goes on from what was read of it: at least once. */
static int state_redo_all(ri_js *js, ri_js_store *store, const ri_map *by_id)
{
    ri_cursor cursor;
    ri_cursor_init(&cursor, store->states);
    ri_record record = {0};
    int rc;
    for (uint64_t from = 1; (rc = ri_cursor_next(&cursor, from, NULL, &record)) != 0;) {
        if (rc < 0 && !ri_catalog_pass_over(js, rc, "a state of consumers,", RI_STR("a record")))
            break;
        from = record.seq + 1;
        js->lost_consumers = js->lost_consumers || rc < 0;
        if (rc < 0) continue;
        const unsigned char *bytes = (const unsigned char *)record.data.ptr;
        state_reader r = {.at = bytes, .end = bytes + record.data.len};
        uint64_t id = state_get(&r);
        js->next_consumer = RI_MAX(js->next_consumer, ri_u64_add(id, 1));
        ri_consumer *c = ri_map_get(by_id, ri_hash_u64(id), &id);
        if (!c) state_stray(js, id);
        if (c && c->kept && (rc = state_redo(c, &record, &r)) < 0 &&
            !ri_catalog_pass_over(js, rc, "the state of the consumer", c->name)) break;
    }
    ri_cursor_fini(&cursor);
    return rc;
}

int ri_state_load(ri_js *js, ri_js_store *store)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_map by_id;
    ri_map_init(&by_id, js->host, state_same_id);
    int rc = RILL_OK;
    for (size_t i = 0; i < js->nstreams && rc >= 0; i++)
        for (size_t k = 0; k < js->sorted[i]->nconsumers && rc >= 0; k++) {
            ri_consumer *c = js->sorted[i]->list[k];
            rc = ri_map_put(&by_id, ri_hash_u64(c->id), c);
        }
    if (rc >= 0) rc = state_redo_all(js, store, &by_id);
    js->lost_consumers = js->lost_consumers && js->damaged;
    ri_map_each (item, &by_id) {
        ri_consumer *c = item;
        if (c->offline.len) state_rest(c);
        else if (rc >= 0) rc = state_restart(c);
    }
    ri_map_fini(&by_id);
    return rc;
}
