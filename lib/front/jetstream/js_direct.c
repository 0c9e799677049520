/* SPDX-License-Identifier: Apache-2.0 */
/* $JS.API.DIRECT.GET: stored messages as messages. What nats-server answers by not listening (no
 * such stream, direct access off) is answered by the status of nobody listening, 503. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "codec/nats/headers.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "front/jetstream/js_request.h"
#include "store/index/subject_index.h"

enum { DIRECT_UNITS = 4 }; /* of a message that is read, beside its sending */

typedef struct direct_state { /* one request under way */
    ri_js_request *r;
    ri_stream *stream;         /* in this slice */
    ri_js_msg_get_request get;
    bool counts;               /* say what is left, and the sequence before */
    uint64_t pending;          /* left after the message being sent */
    uint64_t last_seq;         /* of the message before, 0 at first */
    uint64_t bytes, bytes_max;
    ri_buffer headers;
    uint64_t seq;              /* a row: of the next message */
    ri_stream_search search;   /* ... by subject */
    bool searches;
    ri_cursor counter;         /* of what is left, before the first is sent ... */
    uint64_t count_from;       /* ... from here on; 0: all are counted */
    int64_t sent;              /* messages */
    struct direct_lasts *lasts; /* not a row: the last of many subjects */
} direct_state;

/* One for each message: by hand, since a format costs more than all else of a get. */
static void direct_put(ri_buffer *out, ri_str name, ri_str value)
{
    ri_buffer_put_str(out, name);
    ri_buffer_put_str(out, value);
    ri_buffer_put(out, "\r\n", 2);
}

static void direct_put_uint(ri_buffer *out, ri_str name, uint64_t n)
{
    char digits[RI_NUMBER_MAX];
    direct_put(out, name, (ri_str){digits, ri_number_write(digits, n)});
}

/* The stored headers, then what is said of the message. */
static ri_str direct_headers(direct_state *s, const ri_record *record)
{
    ri_buffer *out = &s->headers;
    ri_buffer_reset(out);
    if (s->get.no_hdr && !s->get.multi_last.len) return (ri_str){NULL, 0};
    if (record->headers.len > 2)
        ri_buffer_put(out, record->headers.ptr, record->headers.len - 2); /* less the last CRLF */
    else
        ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    char time[RI_RFC3339_MAX];
    direct_put(out, RI_STR("Nats-Stream: "), s->r->stream);
    direct_put(out, RI_STR("Nats-Subject: "), record->subject);
    direct_put_uint(out, RI_STR("Nats-Sequence: "), record->seq);
    direct_put(out, RI_STR("Nats-Time-Stamp: "),
               (ri_str){time, ri_rfc3339_write(time, record->time_ns)});
    if (s->counts) {
        direct_put_uint(out, RI_STR("Nats-Num-Pending: "), s->pending);
        direct_put_uint(out, RI_STR("Nats-Last-Sequence: "), s->last_seq);
    }
    ri_buffer_put(out, "\r\n", 2);
    return ri_buffer_str(out);
}

/* Very many get the answers: those that were sent have to reach them first. */
static bool direct_is_held(const direct_state *s)
{
    return ri_router_has_backlog(s->r->api->party.router);
}

/* The connection that asks may be closed for being too slow, if it gets more than this. */
static bool direct_has_room(const direct_state *s, const ri_record *record)
{
    const ri_party *party = s->r->asker ? s->r->asker->party : NULL;
    if (!party || !party->ops->room) return true;
    return party->ops->room(party) > record->headers.len + record->data.len;
}

/* False when no more may be sent in this answer. */
static bool direct_send(direct_state *s, const ri_record *record)
{
    ri_str headers = direct_headers(s, record);
    if (s->headers.failed) return false;
    s->bytes += record->subject.len + record->headers.len + record->data.len;
    s->last_seq = record->seq;
    ri_js_request_publish(s->r->api, s->r->reply, (ri_str){NULL, 0}, headers, record->data);
    return s->bytes < s->bytes_max;
}

static void direct_end(direct_state *s, uint64_t up_to)
{
    char status[160];
    int n = snprintf(status, sizeof status,
                     "204 EOB\r\nNats-Num-Pending: %llu\r\nNats-Last-Sequence: %llu",
                     (unsigned long long)s->pending, (unsigned long long)s->last_seq);
    if (up_to)
        snprintf(status + n, sizeof status - (size_t)n, "\r\nNats-UpTo-Sequence: %llu",
                 (unsigned long long)up_to);
    ri_js_request_status(s->r, status);
}

/* ---- One message, or a row of them ---- */

/* 1: the search goes on in a later slice. */
static int direct_load(direct_state *s, bool first, ri_record *out)
{
    if (s->searches) {
        if (!s->search.last) s->search.from = RI_MAX(s->search.from, s->seq);
        return ri_stream_search_some(s->stream, &s->search, out);
    }
    if (first && !s->counts) return ri_stream_get(s->stream, s->seq, out);
    return ri_stream_get_next(s->stream, s->seq, RI_STR_NONE, out);
}

static void direct_row_begin(direct_state *s)
{
    const ri_js_msg_get_request *get = &s->get;
    ri_track *track = ri_stream_track(s->stream);
    ri_str subject = get->next_by_subj;
    ri_subject_info info;
    s->seq = get->start_time ? ri_stream_seq_at(s->stream, get->start_time) : get->seq;
    s->searches = subject.len || !s->seq;
    if (subject.len) ri_stream_search_next(s->stream, &s->search, subject, s->seq);
    else if (s->searches) ri_stream_search_last(s->stream, &s->search, get->last_by_subj);
    s->counts = get->batch > 0;
    if (!s->counts) return;
    bool one = subject.len && !ri_subject_has_wildcard(subject) && ri_track_is_indexed(track);
    if (one && ri_track_subject_bounds(track, subject, &info) < 0) return;
    if (one && s->seq <= info.first_seq) {
        s->pending = info.count;
        return;
    }
    ri_cursor_init(&s->counter, track);
    s->counter.budget = ri_js_request_budget(s->r);
    s->count_from = RI_MAX(s->seq, 1u);
}

/* True if there is more to be counted. */
static bool direct_count(direct_state *s)
{
    ri_filter filter = {&s->get.next_by_subj, s->get.next_by_subj.len ? 1 : 0};
    if (!s->count_from) return false;
    if (ri_cursor_count_some(&s->counter, &s->count_from, UINT64_MAX, &filter, &s->pending))
        return true;
    ri_cursor_fini(&s->counter);
    s->count_from = 0;
    return false;
}

/* One more message, or a part of the search for it: true if it was not the last. */
static bool direct_row_one(direct_state *s)
{
    ri_record record;
    int rc = direct_load(s, s->sent == 0, &record);
    if (rc == 1) return true;
    if (rc < 0) {
        if (s->sent) return false;
        ri_js_request_status(s->r, "404 Message Not Found");
        s->counts = false;
        return false;
    }
    if (s->sent && !direct_has_room(s, &record)) return false;
    s->pending -= s->pending > 0;
    s->seq = record.seq + 1;
    return direct_send(s, &record) && ++s->sent < s->get.batch;
}

static bool direct_row(direct_state *s)
{
    ri_budget *budget = ri_js_request_budget(s->r);
    if (direct_count(s)) return true;
    do {
        if (direct_row_one(s)) continue;
        if (s->counts) direct_end(s, 0);
        return false;
    } while (ri_budget_spend(budget, DIRECT_UNITS) && !direct_is_held(s));
    return true;
}

/* ---- The last of many subjects ---- */

typedef struct direct_lasts { /* their sequences, while they are gathered */
    ri_cursor cursor;
    ri_subject_place place;    /* in the filter at hand */
    uint32_t filter;           /* its number */
    uint64_t *seqs;
    uint32_t len, sent;
    uint64_t from, up_to;      /* committed ones */
    uint64_t asked_to;         /* of the open commit, when these are gone */
    uint64_t named_to;             /* as up to which */
    uint64_t search_from;      /* of the subject that is looked for below up_to; 0: the first
                                  look */
    int rc;
    bool too_many, gathered;
} direct_lasts;

/* The walk ends, and begins with this subject again. */
static int direct_again(direct_lasts *l, ri_str subject)
{
    ri_buffer_reset(&l->place.next);
    ri_buffer_put_str(&l->place.next, subject);
    return l->place.next.failed ? (l->rc = RILL_ENOMEM) : 1;
}

static int direct_last(void *arg, const ri_subject_info *info)
{
    direct_lasts *l = arg;
    uint64_t seq = info->last_seq;
    if (seq > l->up_to) {
        ri_record record;
        ri_filter filter = {&info->subject, 1};
        int rc = ri_cursor_prev(&l->cursor, l->search_from ? l->search_from : l->up_to, &filter,
                                &record);
        l->search_from = rc == RI_CURSOR_CUT ? record.seq : 0;
        if (rc == RI_CURSOR_CUT) return direct_again(l, info->subject);
        if (rc < 0) return l->rc = rc;
        if (rc > 0) seq = record.seq;
        else if (seq > l->asked_to) return 0;
    }
    if (seq < l->from || seq == 0) return 0;
    if (l->len == RI_LIMIT_JS_DIRECT_SUBJECTS) {
        l->too_many = true;
        return 1;
    }
    l->seqs[l->len++] = seq;
    return 0;
}

static int direct_by_seq(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorted, each once: filters may overlap. */
static void direct_sort(direct_lasts *l)
{
    uint32_t n = 0;
    qsort(l->seqs, l->len, sizeof *l->seqs, direct_by_seq);
    for (uint32_t i = 0; i < l->len; i++)
        if (!n || l->seqs[n - 1] != l->seqs[i]) l->seqs[n++] = l->seqs[i];
    l->len = n;
}

/* More of them: true if there is more to be gathered. */
static bool direct_gather(direct_state *s)
{
    direct_lasts *l = s->lasts;
    const ri_strs *filters = &s->get.multi_last;
    ri_track *track = ri_stream_track(s->stream);
    bool cut = false;
    while (l->filter < filters->len && !l->too_many && l->rc >= 0 && !cut) {
        ri_str filter = filters->items[l->filter];
        int rc = 0;
        if (ri_subject_is_filter(filter))
            rc = ri_track_some_subjects(track, filter, true, &l->place, direct_last, l);
        cut = rc == 1 && !l->too_many;
        if (rc < 0) l->rc = rc;
        if (cut) break;
        ri_buffer_reset(&l->place.next);
        l->filter++;
        cut = !ri_budget_spend(l->place.budget, 1);
    }
    return cut && l->filter < filters->len;
}

/* What is wrong with what was gathered; NULL: it can be sent. */
static const char *direct_gathered(direct_lasts *l)
{
    if (l->rc < 0) return "500 reading failed";
    if (l->too_many) return "413 Too Many Results";
    direct_sort(l);
    return l->len ? NULL : "404 No Results";
}

static bool direct_send_lasts(direct_state *s)
{
    direct_lasts *l = s->lasts;
    s->counts = true;
    for (; l->sent < l->len; l->sent++) {
        ri_record record;
        if (!ri_budget_spend(l->place.budget, DIRECT_UNITS) || direct_is_held(s)) return true;
        if (ri_stream_get_open(s->stream, l->seqs[l->sent], &record) < 0) {
            if (l->sent) continue; /* it went since it was found */
            ri_js_request_status(s->r, "404 Message Not Found");
            return false;
        }
        if (l->sent && !direct_has_room(s, &record)) break;
        s->pending = l->len - l->sent - 1;
        if (!direct_send(s, &record)) break;
        if (s->get.batch > 0 && (int64_t)l->sent + 1 >= s->get.batch) break;
    }
    direct_end(s, l->named_to);
    return false;
}

static bool direct_multi(direct_state *s)
{
    direct_lasts *l = s->lasts;
    if (!l->gathered) {
        if (direct_gather(s)) return true;
        l->gathered = true;
        const char *wrong = direct_gathered(l);
        if (wrong) {
            ri_js_request_status(s->r, wrong);
            return false;
        }
    }
    return direct_send_lasts(s);
}

/* False: answered, or no memory. */
static bool direct_multi_begin(direct_state *s)
{
    ri_track_info info;
    ri_track_status(ri_stream_track(s->stream), &info);
    if (!ri_track_is_indexed(ri_stream_track(s->stream))) {
        ri_js_request_status(s->r, "400 Multi Last Not Available For Record Batches");
        return false;
    }
    direct_lasts *l = s->lasts = ri_arena_alloc(&s->r->arena, sizeof *l);
    if (!l) return false;
    *l = (direct_lasts){.from = s->get.seq, .up_to = s->get.up_to_seq,
                        .place.budget = ri_js_request_budget(s->r)};
    ri_buffer_init(&l->place.next, &s->r->api->host);
    ri_cursor_init(&l->cursor, ri_stream_track(s->stream));
    l->cursor.budget = l->place.budget;
    if (s->get.up_to_time) {
        l->up_to = ri_stream_seq_at(s->stream, s->get.up_to_time);
        if (l->up_to <= info.first_seq) {
            ri_js_request_status(s->r, "404 No Results");
            return false;
        }
        l->up_to--;
    }
    l->asked_to = l->up_to ? l->up_to : UINT64_MAX;
    l->named_to = l->up_to = l->up_to ? l->up_to : info.visible_seq;
    l->up_to = RI_MIN(l->up_to, info.visible_seq);
    l->seqs = ri_arena_alloc(&s->r->arena, RI_LIMIT_JS_DIRECT_SUBJECTS * sizeof *l->seqs);
    return l->seqs != NULL;
}

/* ---- The request ---- */

/* NULL: may be served; else the status that says why not. */
static const char *direct_check(const ri_js_msg_get_request *get)
{
    bool seq = get->seq, last = get->last_by_subj.len, next = get->next_by_subj.len;
    bool time = get->start_time, multi = get->multi_last.len;
    if (!seq && !last && !next && !multi && !time) return "408 Empty Request";
    if ((seq && last) || (seq && time) || (time && last) || (last && next) ||
        (last && get->batch > 0) || (last && multi) || (next && multi) ||
        (get->up_to_seq && get->up_to_time))
        return "408 Bad Request";
    return NULL;
}

/* DIRECT.GET.<stream>.<subject>: the last of that subject; nothing else may be asked for. */
static const char *direct_by_subject(ri_str subject, ri_js_msg_get_request *get)
{
    if (get->last_by_subj.len || get->next_by_subj.len || get->multi_last.len || get->seq ||
        get->batch || get->start_time || get->up_to_seq || get->up_to_time)
        return "408 Bad Request";
    get->last_by_subj = subject;
    return NULL;
}

static const char *direct_read(ri_js_request *r, ri_js_msg_get_request *get)
{
    if (ri_js_request_level_too_high(r->headers)) return "412 Required Api Level";
    if (!r->rest.len && !r->body.len) return "408 Empty Request";
    *get = (ri_js_msg_get_request){0};
    if (r->body.len &&
        ri_jsapi_decode(&ri_jsapi_msg_get_request, r->body, false, &r->arena, get) < 0)
        return "408 Malformed Request";
    return r->rest.len ? direct_by_subject(r->rest, get) : direct_check(get);
}

static bool direct_step(ri_js_request *r)
{
    direct_state *s = r->work;
    s->stream = ri_js_stream(r->js, r->stream);
    if (!s->stream || ri_stream_id(s->stream) != r->stream_id) {
        ri_js_request_nobody(r); /* it went in between */
        return false;
    }
    return s->lasts ? direct_multi(s) : direct_row(s);
}

static void direct_drop(ri_js_request *r)
{
    direct_state *s = r->work;
    ri_buffer_fini(&s->headers);
    ri_stream_search_end(&s->search);
    ri_cursor_fini(&s->counter);
    if (!s->lasts) return;
    ri_buffer_fini(&s->lasts->place.next);
    ri_cursor_fini(&s->lasts->cursor);
}

static void direct_begin(ri_js_request *r, ri_stream *stream, const ri_js_msg_get_request *get)
{
    direct_state *s = ri_arena_alloc(&r->arena, sizeof *s);
    if (!s) return;
    *s = (direct_state){.r = r, .stream = stream, .get = *get,
                        .bytes_max = get->max_bytes > 0 ? (uint64_t)get->max_bytes
                                                        : RI_LIMIT_JS_DIRECT_BYTES};
    ri_buffer_init(&s->headers, &r->api->host);
    r->work = s;
    r->drop = direct_drop;
    if (!get->multi_last.len) direct_row_begin(s);
    else if (!direct_multi_begin(s)) return;
    ri_js_request_go_on(r, direct_step);
}

void ri_js_direct_get(ri_js_request *r)
{
    if (!r->reply.len) return;
    ri_stream *stream = ri_js_stream(r->js, r->stream);
    const ri_stream_conf *conf = stream ? ri_stream_conf_of(stream) : NULL;
    if (!conf || !(conf->allow_direct || (conf->mirror && conf->mirror_direct))) {
        ri_js_request_nobody(r);
        return;
    }
    ri_js_msg_get_request get;
    const char *wrong = direct_read(r, &get);
    if (wrong) {
        ri_js_request_status(r, wrong);
        return;
    }
    direct_begin(r, stream, &get);
}
