/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: each message of such a stream adds to the total of its subject, which is stored as
 * the body {"val":"<total>"}. Totals are signed decimals of any length up to COUNTER_DIGITS.
 *
 * The total that counts is that of the subject's last message, which may still be in the open
 * commit, where no cursor reads it: those totals are kept here until it is done. */
#include "base/error.h"
#include "base/hash.h"
#include "engine/js_state.h"

enum { COUNTER_DIGITS = 120 }; /* of a total */

typedef struct counter_number {
    bool negative;
    size_t len;
    char digits[COUNTER_DIGITS + 1]; /* most significant first, no leading zeroes but "0" */
} counter_number;

struct ri_js_total {
    uint64_t seq;          /* the message that has it */
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

static int counter_keep(ri_stream *stream, ri_str subject, const counter_number *value)
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

static int counter_last(ri_stream *stream, ri_str subject, counter_number *out, ri_js_error *e)
{
    *out = (counter_number){.len = 1, .digits = "0"};
    ri_subject_info info;
    if (ri_track_subject(stream->track, subject, &info) < 0) return RILL_OK;
    const struct ri_js_total *total = ri_map_get(&stream->totals, ri_hash(subject), &subject);
    if (total && total->seq == info.last_seq) {
        *out = total->value;
        return RILL_OK;
    }
    ri_record record;
    if (ri_cursor_get(&stream->cursor, info.last_seq, &record) < 0 ||
        !counter_parse_body(record.data, out))
        return ri_jserror_set(e, RI_JS_MESSAGE_COUNTER_BROKEN, NULL);
    return RILL_OK;
}

int ri_counter_apply(ri_ingest *in, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    ri_buffer *out = &stream->js->record;
    counter_number increment, last, sum;
    int rc = counter_last(stream, in->subject, &last, e);
    if (rc < 0) return rc;
    if (!counter_read(in->asked.incr, &increment) || !counter_add(&last, &increment, &sum))
        return ri_jserror_set(e, RI_JS_MESSAGE_INCR_INVALID, NULL);
    ri_buffer_reset(out);
    ri_buffer_printf(out, "{\"val\":\"%s%.*s\"}", sum.negative ? "-" : "", (int)sum.len,
                     sum.digits);
    if (out->failed || counter_keep(stream, in->subject, &sum) < 0)
        return ri_jserror_no_memory(e);
    in->data = ri_buffer_str(out);
    in->val = (ri_str){in->data.ptr + 8, in->data.len - 10};
    return RILL_OK;
}
