/* SPDX-License-Identifier: Apache-2.0 */
/* $JS.API.DIRECT.GET: stored messages as messages. What nats-server answers by not listening (no
 * such stream, direct access off) is told by the status of nobody listening, 503. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "codec/headers.h"
#include "codec/limits.h"
#include "codec/subject.h"
#include "front/js_request.h"

typedef struct direct_state { /* one request under way */
    ri_js_request *r;
    ri_stream *stream;
    ri_str name;               /* of the stream */
    const ri_js_msg_get_request *get;
    bool counts;               /* tell what is left, and the sequence before */
    uint64_t pending;          /* left after the message being sent */
    uint64_t last_seq;         /* of the message before, 0 at first */
    uint64_t bytes, bytes_max;
    ri_buffer headers;
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

/* The stored headers, then what is told of the message. */
static ri_str direct_headers(direct_state *s, const ri_record *record)
{
    ri_buffer *out = &s->headers;
    ri_buffer_reset(out);
    if (s->get->no_hdr && !s->get->multi_last.len) return (ri_str){NULL, 0};
    if (record->headers.len > 2)
        ri_buffer_put(out, record->headers.ptr, record->headers.len - 2); /* less the last CRLF */
    else
        ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    char time[RI_RFC3339_MAX];
    direct_put(out, RI_STR("Nats-Stream: "), s->name);
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

static int direct_load(direct_state *s, uint64_t seq, bool first, ri_record *out)
{
    const ri_js_msg_get_request *get = s->get;
    if (get->next_by_subj.len) return ri_stream_get_next(s->stream, seq, get->next_by_subj, out);
    if (!seq) return ri_stream_get_last(s->stream, get->last_by_subj, out);
    if (first && !s->counts) return ri_stream_get(s->stream, seq, out);
    return ri_stream_get_next(s->stream, seq, (ri_str){NULL, 0}, out);
}

static void direct_row(direct_state *s)
{
    const ri_js_msg_get_request *get = s->get;
    uint64_t seq = get->start_time ? ri_stream_seq_at(s->stream, get->start_time) : get->seq;
    int64_t batch = RI_MAX(get->batch, 1);
    ri_filter filter = {&get->next_by_subj, get->next_by_subj.len ? 1 : 0};
    s->counts = get->batch > 0;
    if (s->counts) s->pending = ri_track_count(ri_stream_track(s->stream), seq, &filter);
    for (int64_t i = 0; i < batch; i++) {
        ri_record record;
        if (direct_load(s, seq, i == 0, &record) < 0) {
            if (i > 0) break;
            ri_js_request_status(s->r, "404 Message Not Found");
            return;
        }
        s->pending -= s->pending > 0;
        seq = record.seq + 1;
        if (!direct_send(s, &record)) break;
    }
    if (s->counts) direct_end(s, 0);
}

/* ---- The last of many subjects ---- */

typedef struct direct_lasts { /* their sequences, while they are gathered */
    ri_cursor cursor;
    ri_arena *arena;
    uint64_t *seqs;
    uint32_t len;
    uint64_t from, up_to;      /* committed ones */
    uint64_t asked_to;         /* of the open commit, when these are gone */
    int rc;
    bool too_many;
} direct_lasts;

static int direct_last(void *arg, const ri_subject_info *info)
{
    direct_lasts *l = arg;
    uint64_t seq = info->last_seq;
    if (seq > l->up_to) {
        ri_record record;
        ri_filter filter = {&info->subject, 1};
        int rc = ri_cursor_prev(&l->cursor, l->up_to, &filter, &record);
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
static int direct_gather(direct_lasts *l, ri_track *track, const ri_strs *filters)
{
    for (uint32_t i = 0; i < filters->len && !l->too_many && l->rc >= 0; i++)
        if (ri_subject_is_filter(filters->items[i]))
            ri_track_each_subject(track, filters->items[i], direct_last, l);
    if (l->rc < 0) return l->rc;
    qsort(l->seqs, l->len, sizeof *l->seqs, direct_by_seq);
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->len; i++)
        if (!n || l->seqs[n - 1] != l->seqs[i]) l->seqs[n++] = l->seqs[i];
    l->len = n;
    return RILL_OK;
}

static void direct_send_lasts(direct_state *s, const direct_lasts *l, uint64_t up_to)
{
    s->counts = true;
    for (uint32_t i = 0; i < l->len; i++) {
        ri_record record;
        if (ri_stream_get_open(s->stream, l->seqs[i], &record) < 0) {
            ri_js_request_status(s->r, "404 Message Not Found");
            return;
        }
        s->pending = l->len - i - 1;
        if (!direct_send(s, &record)) break;
        if (s->get->batch > 0 && (int64_t)i + 1 >= s->get->batch) break;
    }
    direct_end(s, up_to);
}

static void direct_multi(direct_state *s)
{
    ri_track *track = ri_stream_track(s->stream);
    ri_track_info info;
    ri_track_status(track, &info);
    direct_lasts l = {.arena = &s->r->arena, .from = s->get->seq, .up_to = s->get->up_to_seq};
    if (s->get->up_to_time) {
        l.up_to = ri_stream_seq_at(s->stream, s->get->up_to_time);
        if (l.up_to <= info.first_seq) {
            ri_js_request_status(s->r, "404 No Results");
            return;
        }
        l.up_to--;
    }
    l.asked_to = l.up_to ? l.up_to : UINT64_MAX;
    if (!l.up_to) l.up_to = info.visible_seq;
    uint64_t told = l.up_to;
    l.up_to = RI_MIN(l.up_to, info.visible_seq);
    l.seqs = ri_arena_alloc(&s->r->arena, RI_LIMIT_JS_DIRECT_SUBJECTS * sizeof *l.seqs);
    if (!l.seqs) return;
    ri_cursor_init(&l.cursor, track);
    int rc = direct_gather(&l, track, &s->get->multi_last);
    ri_cursor_fini(&l.cursor);
    if (rc < 0)
        ri_js_request_status(s->r, "500 reading failed");
    else if (l.too_many)
        ri_js_request_status(s->r, "413 Too Many Results");
    else if (!l.len)
        ri_js_request_status(s->r, "404 No Results");
    else
        direct_send_lasts(s, &l, told);
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
    direct_state s = {.r = r, .stream = stream, .name = conf->name, .get = &get,
                      .bytes_max = get.max_bytes > 0 ? (uint64_t)get.max_bytes
                                                     : RI_LIMIT_JS_DIRECT_BYTES};
    ri_buffer_init(&s.headers, &r->api->host);
    if (get.multi_last.len)
        direct_multi(&s);
    else
        direct_row(&s);
    ri_buffer_fini(&s.headers);
}
