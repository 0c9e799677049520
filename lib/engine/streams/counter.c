/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: each message of such a stream adds to the total of its subject, which is stored as
 * the body {"val":"<total>"}. Totals are signed decimals of any length up to COUNTER_DIGITS.
 *
 * What comes from a counter of another stream is its total: the difference to the last one from
 * there is added, and the totals of all such origins stand in Nats-Counter-Sources, as JSON by
 * stream and subject. Each later message of the subject has that header, too.
 *
 * The total that counts is that of the subject's last message, which may still be in the open
 * commit, where no cursor reads it: those totals are kept here until it is done. */
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "codec/nats/headers.h"
#include "codec/limits.h"
#include "engine/streams/js_state.h"

enum { COUNTER_DIGITS = 120 }; /* of a total */
#define COUNTER_SOURCES "Nats-Counter-Sources"

typedef struct counter_number {
    bool negative;
    size_t len;
    char digits[COUNTER_DIGITS + 1]; /* most significant first, no leading zeroes but "0" */
} counter_number;

struct ri_js_total {
    uint64_t seq;          /* the message that has it */
    bool sourced;          /* and has Nats-Counter-Sources */
    counter_number value;
    size_t subject_len;
    char subject[];
};

/* ---- Decimals ---- */

static bool counter_read(ri_str s, counter_number *n)
{
    *n = (counter_number){0};
    if (s.len && (s.ptr[0] == '+' || s.ptr[0] == '-')) {
        n->negative = s.ptr[0] == '-';
        s = ri_str_from(s, 1);
    }
    if (s.len == 0) return false;
    while (s.len > 1 && s.ptr[0] == '0') s = ri_str_from(s, 1);
    if (s.len > COUNTER_DIGITS) return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return false;
    memcpy(n->digits, s.ptr, s.len);
    n->len = s.len;
    if (n->len == 1 && n->digits[0] == '0') n->negative = false;
    return true;
}

static int counter_compare(const counter_number *a, const counter_number *b) /* without signs */
{
    if (a->len != b->len) return a->len < b->len ? -1 : 1;
    return memcmp(a->digits, b->digits, a->len);
}

/* The digit `i` places from the right. */
static int counter_digit(const counter_number *n, size_t i)
{
    return i < n->len ? n->digits[n->len - 1 - i] - '0' : 0;
}

/* |a| + |b|, or |a| - |b| where |a| >= |b|. */
static bool counter_combine(const counter_number *a, const counter_number *b, bool subtract,
                            counter_number *out)
{
    char reversed[COUNTER_DIGITS + 2];
    size_t len = 0;
    int carry = 0;
    for (size_t i = 0; i < RI_MAX(a->len, b->len) || carry; i++) {
        int second = counter_digit(b, i);
        int d = counter_digit(a, i) + (subtract ? -second : second) + carry;
        carry = d > 9 ? 1 : d < 0 ? -1 : 0;
        reversed[len++] = (char)('0' + d - 10 * carry);
    }
    while (len > 1 && reversed[len - 1] == '0') len--;
    if (len > COUNTER_DIGITS) return false;
    for (size_t i = 0; i < len; i++) out->digits[i] = reversed[len - 1 - i];
    out->len = len;
    return true;
}

static bool counter_add(const counter_number *a, const counter_number *b, counter_number *out)
{
    *out = (counter_number){0};
    bool subtract = a->negative != b->negative;
    bool swap = subtract && counter_compare(a, b) < 0;
    if (!counter_combine(swap ? b : a, swap ? a : b, subtract, out)) return false;
    out->negative = swap ? b->negative : a->negative;
    if (out->len == 1 && out->digits[0] == '0') out->negative = false;
    return true;
}

/* ---- Totals of what is not committed ---- */

static bool counter_same(const void *item, const void *key)
{
    const struct ri_js_total *total = item;
    return ri_str_eq((ri_str){total->subject, total->subject_len}, *(const ri_str *)key);
}

static void counter_free(ri_stream *stream, struct ri_js_total *total)
{
    ri_free(stream->js->host, total, sizeof *total + total->subject_len);
}

void ri_counter_fini(ri_stream *stream)
{
    ri_map_each (item, &stream->totals) counter_free(stream, item);
    ri_map_fini(&stream->totals);
}

void ri_counter_committed(ri_stream *stream, uint64_t visible_seq)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (stream->totals.len == 0) return;
    ri_map_each (item, &stream->totals)
        if (((struct ri_js_total *)item)->seq > visible_seq) return; /* all or none: simpler */
    ri_counter_fini(stream);
    ri_map_init(&stream->totals, stream->js->host, counter_same);
}

void ri_counter_init(ri_stream *stream)
{
    ri_map_init(&stream->totals, stream->js->host, counter_same);
}

static int counter_keep(ri_stream *stream, ri_str subject, const counter_number *value,
                        bool sourced)
{
    const ri_host *host = stream->js->host;
    struct ri_js_total *total = ri_map_get(&stream->totals, ri_hash(subject), &subject);
    if (!total) {
        total = ri_alloc(host, sizeof *total + subject.len);
        if (!total) return RILL_ENOMEM;
        memcpy(total->subject, subject.ptr, total->subject_len = subject.len);
        if (ri_map_put(&stream->totals, ri_hash(subject), total) < 0) {
            counter_free(stream, total);
            return RILL_ENOMEM;
        }
    }
    total->value = *value;
    total->sourced = sourced;
    total->seq = stream->last_seq + 1;
    return RILL_OK;
}

/* ---- Ingest ---- */

int ri_counter_check(const ri_ingest *in, ri_js_error *e)
{
    const ri_asked *asked = &in->asked;
    counter_number number;
    if (!in->stream->conf.allow_msg_counter)
        return asked->has_incr ? ri_jserror_set(e, RI_JS_MESSAGE_INCR_DISABLED, NULL) : RILL_OK;
    if (in->internal) return RILL_OK;
    if (!asked->incr.len) return ri_jserror_set(e, RI_JS_MESSAGE_INCR_MISSING, NULL);
    if (in->data.len) return ri_jserror_set(e, RI_JS_MESSAGE_INCR_PAYLOAD, NULL);
    bool expects = asked->has_expected_seq || asked->has_expected_subject_seq ||
                   asked->has_expected_msg_id || asked->expected_stream.len || asked->rollup.len;
    if (expects || !counter_read(asked->incr, &number))
        return ri_jserror_set(e, RI_JS_MESSAGE_INCR_INVALID, NULL);
    return RILL_OK;
}

static bool counter_parse_body(ri_str body, counter_number *out)
{
    ri_str key = RI_STR("\"val\"");
    for (size_t i = 0; i + key.len < body.len; i++) {
        ri_str at = ri_str_from(body, i), value;
        if (!ri_str_starts(at, key)) continue;
        at = ri_str_from(at, key.len);
        return ri_str_cut(&at, '"', &value) && ri_str_cut(&at, '"', &value) &&
               counter_read(value, out);
    }
    return false;
}

/* The subject's total, and what it has of sources; the latter is lent by the open cursor. */
static int counter_last(ri_stream *stream, ri_str subject, counter_number *out, ri_str *sources,
                        ri_js_error *e)
{
    *out = (counter_number){.len = 1, .digits = "0"};
    *sources = RI_STR_NONE;
    ri_subject_info info;
    if (ri_track_subject(stream->track, subject, &info) < 0) return RILL_OK;
    const struct ri_js_total *total = ri_map_get(&stream->totals, ri_hash(subject), &subject);
    if (total && total->seq == info.last_seq) {
        *out = total->value;
        if (!total->sourced) return RILL_OK;
    }
    ri_record record;
    if (ri_cursor_get(&stream->open_cursor, info.last_seq, &record) < 0 ||
        !counter_parse_body(record.data, out))
        return ri_jserror_set(e, RI_JS_MESSAGE_COUNTER_BROKEN, NULL);
    if (record.headers.len) ri_headers_find(record.headers, RI_STR(COUNTER_SOURCES), sources);
    return RILL_OK;
}

/* ---- What came from where ---- */

typedef struct counter_origin { /* of a copied message */
    ri_str stream, subject;
    counter_number total;   /* there */
} counter_origin;

static bool counter_member(ri_json object, ri_str wanted, ri_json *value)
{
    ri_json rest = ri_json_first(object), name;
    while (ri_json_member(&rest, &name, value))
        if (ri_json_is(name, wanted)) return true;
    *value = (ri_json){NULL, NULL};
    return false;
}

static void counter_put_total(ri_buffer *out, const counter_number *n)
{
    ri_buffer_printf(out, "%s%.*s", n->negative ? "-" : "", (int)n->len, n->digits);
}

/* A member of an object, `name` with its quotes. */
static void counter_put_member(ri_buffer *out, ri_str name, ri_str value)
{
    if (out->ptr[out->head + ri_buffer_size(out) - 1] != '{') ri_buffer_put(out, ",", 1);
    ri_buffer_put_str(out, name);
    ri_buffer_put(out, ":", 1);
    ri_buffer_put_str(out, value);
}

/* The members of `old` in their order, and among them `name` with `value`, in place of what it has
 * there. Names are in the order of their bytes; value is JSON. */
static int counter_put_object(ri_buffer *out, ri_json old, ri_str name, ri_str value,
                              ri_arena *arena)
{
    ri_json rest = ri_json_first(old), there, kept;
    ri_buffer quoted;
    bool done = false;
    int rc = RILL_OK;
    ri_buffer_init(&quoted, out->host);
    ri_json_put_string(&quoted, name);
    ri_buffer_put(out, "{", 1);
    while (rc >= 0 && !out->failed && !quoted.failed && ri_json_member(&rest, &there, &kept)) {
        ri_str text;
        rc = ri_json_text(there, arena, &text);
        int order = rc < 0 ? 0 : ri_str_cmp(name, text);
        if (order <= 0 && !done) counter_put_member(out, ri_buffer_str(&quoted), value);
        done = done || order <= 0;
        if (order != 0) counter_put_member(out, ri_json_literal(there), ri_json_literal(kept));
    }
    if (!done && !out->failed && !quoted.failed)
        counter_put_member(out, ri_buffer_str(&quoted), value);
    ri_buffer_put(out, "}", 1);
    bool failed = out->failed || quoted.failed;
    ri_buffer_fini(&quoted);
    return rc < 0 ? rc : failed ? ri_err_nomem(0) : RILL_OK;
}

/* The sources of a counter, with the new total of one. */
static int counter_put_sources(ri_buffer *out, ri_json old, const counter_origin *from,
                               ri_arena *arena)
{
    ri_buffer total, stream;
    ri_json of_stream;
    ri_buffer_init(&total, out->host);
    ri_buffer_init(&stream, out->host);
    ri_buffer_put(&total, "\"", 1);
    counter_put_total(&total, &from->total);
    ri_buffer_put(&total, "\"", 1);
    counter_member(old, from->stream, &of_stream);
    int rc = total.failed ? ri_err_nomem(0)
                          : counter_put_object(&stream, of_stream, from->subject,
                                               ri_buffer_str(&total), arena);
    if (rc >= 0)
        rc = counter_put_object(out, old, from->stream, ri_buffer_str(&stream), arena);
    ri_buffer_fini(&total);
    ri_buffer_fini(&stream);
    return rc;
}

/* Which origin it came from, and what its total is there. */
static bool counter_read_origin(const ri_ingest *in, counter_origin *from)
{
    ri_str rest = in->asked.source, tokens[5] = {{0}}; /* stream, number, filter, dest, subject */
    size_t n = 0;
    while (n < RI_LEN(tokens) && ri_str_cut(&rest, ' ', &tokens[n])) n++;
    from->stream = tokens[0];
    from->subject = n == RI_LEN(tokens) ? tokens[4] : in->subject;
    return n > 0 && counter_parse_body(in->data, &from->total);
}

/* What came from there before; 0 if nothing did. False: that is no number. */
static bool counter_before(ri_json sources, const counter_origin *from, counter_number *before)
{
    char text[COUNTER_DIGITS + 2];
    ri_json of_stream, total;
    *before = (counter_number){.len = 1, .digits = "0"};
    if (!counter_member(sources, from->stream, &of_stream)) return true;
    if (!counter_member(of_stream, from->subject, &total)) return true;
    size_t len = ri_json_copy(total, text, sizeof text);
    return counter_read((ri_str){text, len}, before);
}

/* The difference to what came from there before; and the sources as they are then. */
static int counter_from_origin(const ri_ingest *in, ri_str sources, counter_number *increment,
                               ri_buffer *out, ri_js_error *e)
{
    counter_origin from;
    ri_json root = {NULL, NULL};
    counter_number before;
    if (!counter_read_origin(in, &from) ||
        (sources.len && ri_json_parse(&root, sources) < 0) ||
        !counter_before(root, &from, &before))
        return ri_jserror_set(e, RI_JS_MESSAGE_COUNTER_BROKEN, NULL);
    if (before.len > 1 || before.digits[0] != '0') before.negative = !before.negative;
    if (!counter_add(&from.total, &before, increment))
        return ri_jserror_set(e, RI_JS_MESSAGE_COUNTER_BROKEN, NULL);
    ri_arena arena;
    ri_arena_init(&arena, out->host);
    int rc = counter_put_sources(out, root, &from, &arena);
    ri_arena_fini(&arena);
    if (rc == RILL_ENOMEM) return ri_jserror_no_memory(e);
    return rc < 0 ? ri_jserror_set(e, RI_JS_MESSAGE_COUNTER_BROKEN, NULL) : RILL_OK;
}

static void counter_put_header(ri_buffer *out, const char *name, ri_str value)
{
    ri_buffer_printf(out, "%s: ", name);
    ri_buffer_put_str(out, value);
    ri_buffer_puts(out, "\r\n");
}

/* The headers, with what is known of sources and, of a copy, what it adds: in the place of what
 * was there, or behind all. */
static int counter_headers(ri_ingest *in, ri_str sources, const counter_number *increment)
{
    ri_buffer *out = &in->stream->js->counted, *text = &in->stream->js->status;
    ri_str rest = in->headers;
    rill_header header;
    bool put = false;
    ri_buffer_reset(out);
    ri_buffer_reset(text);
    if (increment) counter_put_total(text, increment);
    ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    while (ri_headers_next(&rest, &header)) {
        if (increment && ri_str_is(header.name, "Nats-Incr")) {
            counter_put_header(out, "Nats-Incr", ri_buffer_str(text));
        } else if (!ri_str_is(header.name, COUNTER_SOURCES)) {
            ri_buffer_printf(out, "%.*s: %.*s\r\n", RI_ARG(header.name), RI_ARG(header.value));
        } else if (!put) {
            counter_put_header(out, COUNTER_SOURCES, sources);
            put = true;
        }
    }
    if (!put) counter_put_header(out, COUNTER_SOURCES, sources);
    ri_buffer_puts(out, "\r\n");
    if (out->failed || text->failed) return RILL_ENOMEM;
    if (out->len > RI_LIMIT_HEADER_BYTES) return RILL_ETOOBIG;
    in->headers = ri_buffer_str(out);
    return RILL_OK;
}

/* What the message adds, with its headers as they will be stored. */
static int counter_increment(ri_ingest *in, ri_str sources, counter_number *increment,
                             ri_js_error *e)
{
    bool copied = in->internal && in->asked.has_source;
    ri_buffer now;
    ri_buffer_init(&now, in->stream->js->host);
    int rc = RILL_OK;
    if (copied)
        rc = counter_from_origin(in, sources, increment, &now, e);
    else if (!counter_read(in->asked.incr, increment))
        rc = ri_jserror_set(e, RI_JS_MESSAGE_INCR_INVALID, NULL);
    else
        ri_buffer_put_str(&now, sources);
    if (rc >= 0 && now.len) {
        rc = now.failed ? RILL_ENOMEM
                        : counter_headers(in, ri_buffer_str(&now), copied ? increment : NULL);
        if (rc == RILL_ENOMEM) rc = ri_jserror_no_memory(e);
        else if (rc < 0) rc = ri_jserror_set(e, RI_JS_STREAM_HEADER_EXCEEDS_MAXIMUM, NULL);
    }
    ri_buffer_fini(&now);
    return rc;
}

int ri_counter_apply(ri_ingest *in, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    ri_buffer *out = &stream->js->record;
    counter_number increment, last, sum;
    ri_str sources;
    int rc;
    if ((rc = counter_last(stream, in->subject, &last, &sources, e)) < 0) return rc;
    if ((rc = counter_increment(in, sources, &increment, e)) < 0) return rc;
    if (!counter_add(&last, &increment, &sum))
        return ri_jserror_set(e, RI_JS_MESSAGE_INCR_INVALID, NULL);
    ri_buffer_reset(out);
    ri_buffer_puts(out, "{\"val\":\"");
    counter_put_total(out, &sum);
    ri_buffer_puts(out, "\"}");
    bool sourced = sources.len || in->internal;
    if (out->failed || counter_keep(stream, in->subject, &sum, sourced) < 0)
        return ri_jserror_no_memory(e);
    in->data = ri_buffer_str(out);
    in->val = (ri_str){in->data.ptr + 8, in->data.len - 10};
    return RILL_OK;
}
