/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/jshot.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "codec/subject/subject.h"

/* ---- Publish acks ---- */

static void jshot_put_uint(ri_buffer *out, uint64_t n)
{
    char digits[RI_NUMBER_MAX];
    ri_buffer_put(out, digits, ri_number_write(digits, n));
}

#define JSHOT_PUT(out, literal) ri_buffer_put((out), (literal), sizeof(literal) - 1)

void ri_jshot_puback_head(ri_str stream, ri_str domain, ri_buffer *out)
{
    JSHOT_PUT(out, "{\"stream\":");
    ri_json_put_string(out, stream);
    if (domain.len) {
        JSHOT_PUT(out, ",\"domain\":");
        ri_json_put_string(out, domain);
    }
    JSHOT_PUT(out, ",\"seq\":");
}

size_t ri_jshot_puback_put(ri_str head, uint64_t seq, char *out)
{
    memcpy(out, head.ptr, head.len);
    size_t len = head.len + ri_number_write(out + head.len, seq);
    out[len++] = '}';
    RI_ASSERT(len <= head.len + RI_JS_PUBACK_MAX);
    return len;
}

void ri_jshot_puback(const ri_js_puback *ack, ri_buffer *out)
{
    ri_jshot_puback_head(ack->stream, ack->domain, out);
    jshot_put_uint(out, ack->seq);
    if (ack->duplicate) JSHOT_PUT(out, ",\"duplicate\": true");
    if (ack->val.len) {
        JSHOT_PUT(out, ",\"val\":");
        ri_json_put_string(out, ack->val);
    }
    if (ack->batch.len) {
        JSHOT_PUT(out, ",\"batch\":");
        ri_json_put_string(out, ack->batch);
        JSHOT_PUT(out, ",\"count\":");
        jshot_put_uint(out, ack->count);
    }
    JSHOT_PUT(out, "}");
}

void ri_jshot_puback_error(const ri_js_error *e, ri_str stream, ri_buffer *out)
{
    RI_ASSERT(e->code);
    ri_buffer_printf(out, "{\"error\":{\"code\":%d,\"err_code\":%d,\"description\":", (int)e->code,
                     (int)e->err_code);
    ri_json_put_string(out, ri_str_of(e->text));
    JSHOT_PUT(out, "},\"stream\":");
    ri_json_put_string(out, stream);
    JSHOT_PUT(out, ",\"seq\":0}");
}

#undef JSHOT_PUT

/* ---- A scanner of flat objects: names and plain values, whitespace between ---- */

typedef struct jshot_scan {
    const char *at, *end;
} jshot_scan;

static void jshot_blank(jshot_scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n'))
        s->at++;
}

static bool jshot_char(jshot_scan *s, char c)
{
    jshot_blank(s);
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static bool jshot_string(jshot_scan *s, ri_str *out)
{
    if (!jshot_char(s, '"')) return false;
    const char *from = s->at;
    for (; s->at < s->end && *s->at != '"'; s->at++)
        if (*s->at == '\\' || (unsigned char)*s->at < ' ' || (unsigned char)*s->at >= 0x80)
            return false;
    if (s->at == s->end) return false;
    *out = (ri_str){from, (size_t)(s->at++ - from)};
    return true;
}

/* A number or a word, as text. */
static bool jshot_word(jshot_scan *s, ri_str *out)
{
    jshot_blank(s);
    const char *from = s->at;
    while (s->at < s->end && *s->at != ',' && *s->at != '}' && *s->at > ' ' && *s->at != '"')
        s->at++;
    *out = (ri_str){from, (size_t)(s->at - from)};
    return out->len > 0;
}

static bool jshot_i64(jshot_scan *s, int64_t *n)
{
    ri_str word;
    if (!jshot_word(s, &word) || word.ptr[0] == '+') return false;
    ri_str digits = word.ptr[0] == '-' ? ri_str_from(word, 1) : word;
    return !(digits.len > 1 && digits.ptr[0] == '0') && ri_number_read_i64(word, n);
}

static bool jshot_u64(jshot_scan *s, uint64_t *n)
{
    ri_str word;
    if (!jshot_word(s, &word) || (word.len > 1 && word.ptr[0] == '0')) return false;
    return ri_number_read(word, n);
}

static bool jshot_bool(jshot_scan *s, bool *b)
{
    ri_str word;
    if (!jshot_word(s, &word)) return false;
    *b = ri_str_is(word, "true");
    return *b || ri_str_is(word, "false");
}

/* ---- Pull requests ---- */

static bool jshot_pull_member(jshot_scan *s, ri_str name, ri_js_pull_request *pull)
{
    const struct {
        const char *name;
        int64_t *n;
        ri_str *text;
    } fields[] = {
        {"batch", &pull->batch, NULL},
        {"expires", &pull->expires, NULL},
        {"idle_heartbeat", &pull->idle_heartbeat, NULL},
        {"max_bytes", &pull->max_bytes, NULL},
        {"min_pending", &pull->min_pending, NULL},
        {"min_ack_pending", &pull->min_ack_pending, NULL},
        {"priority", &pull->priority, NULL},
        {"group", NULL, &pull->group},
        {"id", NULL, &pull->id},
    };
    if (ri_str_is(name, "no_wait")) return jshot_bool(s, &pull->no_wait);
    for (size_t i = 0; i < RI_LEN(fields); i++) {
        if (!ri_str_is(name, fields[i].name)) continue;
        return fields[i].n ? jshot_i64(s, fields[i].n) : jshot_string(s, fields[i].text);
    }
    return false;
}

int ri_jshot_pull_read(ri_str body, ri_js_pull_request *pull)
{
    *pull = (ri_js_pull_request){0};
    jshot_scan s = {.at = body.ptr, .end = body.ptr ? body.ptr + body.len : NULL};
    jshot_blank(&s);
    if (s.at == s.end) {
        pull->batch = 1;
        pull->plain = true;
        return RILL_OK;
    }
    if (*s.at != '{') {
        ri_str rest = {s.at, (size_t)(s.end - s.at)};
        uint64_t n;
        while (rest.len && rest.ptr[rest.len - 1] <= ' ') rest.len--;
        if (!ri_number_read(rest, &n) || n > INT32_MAX) return RILL_EAGAIN;
        pull->batch = n ? (int64_t)n : 1;
        pull->plain = true;
        return RILL_OK;
    }
    s.at++;
    for (bool first = true; !jshot_char(&s, '}'); first = false) {
        ri_str name;
        if ((!first && !jshot_char(&s, ',')) || !jshot_string(&s, &name) || !jshot_char(&s, ':') ||
            !jshot_pull_member(&s, name, pull)) {
            *pull = (ri_js_pull_request){0};
            return RILL_EAGAIN;
        }
    }
    jshot_blank(&s);
    if (s.at != s.end) {
        *pull = (ri_js_pull_request){0};
        return RILL_EAGAIN;
    }
    if (pull->batch == 0) pull->batch = 1;
    return RILL_OK;
}

/* ---- Reading publish acks ---- */

static bool jshot_error_member(jshot_scan *s, ri_js_error *e)
{
    if (!jshot_char(s, '{')) return false;
    for (bool first = true; !jshot_char(s, '}'); first = false) {
        ri_str name, text;
        int64_t n = 0;
        if ((!first && !jshot_char(s, ',')) || !jshot_string(s, &name) || !jshot_char(s, ':'))
            return false;
        if (ri_str_is(name, "description")) {
            if (!jshot_string(s, &text)) return false;
            size_t len = RI_MIN(text.len, RI_JS_TEXT_MAX - 1);
            memcpy(e->text, text.ptr, len);
            e->text[len] = 0;
        } else if (!jshot_i64(s, &n) || n < 0 || n > 65535) {
            return false;
        } else if (ri_str_is(name, "code")) {
            e->code = (int32_t)n;
        } else if (ri_str_is(name, "err_code")) {
            e->err_code = (int32_t)n;
        }
    }
    return e->code != 0;
}

static bool jshot_puback_member(jshot_scan *s, ri_str name, ri_js_puback *ack, ri_js_error *e)
{
    if (ri_str_is(name, "stream")) return jshot_string(s, &ack->stream);
    if (ri_str_is(name, "seq")) return jshot_u64(s, &ack->seq);
    if (ri_str_is(name, "domain")) return jshot_string(s, &ack->domain);
    if (ri_str_is(name, "duplicate")) return jshot_bool(s, &ack->duplicate);
    if (ri_str_is(name, "val")) return jshot_string(s, &ack->val);
    if (ri_str_is(name, "batch")) return jshot_string(s, &ack->batch);
    if (ri_str_is(name, "count")) return jshot_u64(s, &ack->count);
    if (ri_str_is(name, "error")) return jshot_error_member(s, e);
    ri_str ignored;
    return jshot_string(s, &ignored) || jshot_word(s, &ignored);
}

/* Texts with escapes, as errors have now and then, and names beyond ASCII go through the full
 * decoder. */
static int jshot_puback_slow(ri_str json, ri_js_puback *ack, ri_js_error *e)
{
    ri_json root;
    int rc = ri_json_parse(&root, json);
    if (rc < 0) return rc;
    ri_json error = ri_json_get(root, "error");
    ri_jserror_read(e, error);
    *ack = (ri_js_puback){0};
    if (e->code) return RILL_OK;
    ri_json stream = ri_json_get(root, "stream");
    ri_str name = ri_json_literal(stream);
    if (ri_json_kind_of(stream) != RI_JSON_STRING || name.len <= 2 ||
        !ri_number_read(ri_json_literal(ri_json_get(root, "seq")), &ack->seq))
        return ri_err(RILL_EPROTO, "no publish ack");
    if (!memchr(name.ptr, '\\', name.len)) ack->stream = (ri_str){name.ptr + 1, name.len - 2};
    ack->duplicate = ri_json_bool(ri_json_get(root, "duplicate"));
    return RILL_OK;
}

int ri_jshot_puback_read(ri_str json, ri_js_puback *ack, ri_js_error *e)
{
    *ack = (ri_js_puback){0};
    *e = (ri_js_error){0};
    jshot_scan s = {.at = json.ptr, .end = json.ptr ? json.ptr + json.len : NULL};
    if (!jshot_char(&s, '{')) return ri_err(RILL_EPROTO, "no publish ack");
    for (bool first = true; !jshot_char(&s, '}'); first = false) {
        ri_str name;
        if ((!first && !jshot_char(&s, ',')) || !jshot_string(&s, &name) || !jshot_char(&s, ':') ||
            !jshot_puback_member(&s, name, ack, e))
            return jshot_puback_slow(json, ack, e);
    }
    jshot_blank(&s);
    if (s.at != s.end || (!e->code && !ack->stream.len))
        return ri_err(RILL_EPROTO, "no publish ack");
    return RILL_OK;
}

/* ---- Ack subjects ---- */

static size_t jshot_ack_token(char *out, uint64_t n)
{
    out[0] = '.';
    return 1 + ri_number_write(out + 1, n);
}

size_t ri_jshot_ack_write(const ri_js_ack *ack, char *out)
{
    RI_ASSERT(ack->stream.len && ack->consumer.len && ack->time_ns >= 0);
    char *at = out;
    memcpy(at, "$JS.ACK.", 8);
    memcpy(at += 8, ack->stream.ptr, ack->stream.len);
    at += ack->stream.len;
    *at++ = '.';
    memcpy(at, ack->consumer.ptr, ack->consumer.len);
    at += ack->consumer.len;
    at += jshot_ack_token(at, ack->deliveries);
    at += jshot_ack_token(at, ack->stream_seq);
    at += jshot_ack_token(at, ack->consumer_seq);
    at += jshot_ack_token(at, (uint64_t)ack->time_ns);
    at += jshot_ack_token(at, ack->pending);
    size_t n = (size_t)(at - out);
    RI_ASSERT(n <= ack->stream.len + ack->consumer.len + RI_JS_ACK_MAX);
    return n;
}

/* Eight digits, whose worth is put together in one word: pairs of digits, then pairs of these, then
 * both halves. False: they are not all digits. */
static bool jshot_eight(const char *s, uint64_t *n)
{
    const unsigned char *u = (const unsigned char *)s;
    uint64_t x = (uint64_t)u[0] | (uint64_t)u[1] << 8 | (uint64_t)u[2] << 16 |
                 (uint64_t)u[3] << 24 | (uint64_t)u[4] << 32 | (uint64_t)u[5] << 40 |
                 (uint64_t)u[6] << 48 | (uint64_t)u[7] << 56;
    uint64_t high = 0xf0f0f0f0f0f0f0f0ULL, pairs = 0x000000ff000000ffULL;
    x ^= 0x3030303030303030ULL; /* a digit is 0 to 9 now; 6 more, and it is no more than 15 */
    if ((x | (x + 0x0606060606060606ULL)) & high) return false;
    x = x * 10 + (x >> 8);
    *n = ((x & pairs) * (100 + (1000000ULL << 32)) +
          (x >> 16 & pairs) * (1 + (10000ULL << 32))) >> 32;
    return true;
}

/* The next digits and the dot behind them, or the end; a `large` number has sixteen and more. NULL
 * for what has another byte, or more digits than always fit. */
static inline const char *jshot_ack_number(const char *at, const char *end, bool large, uint64_t *n)
{
    const char *start = at;
    uint64_t value = 0, first, second;
    if (large && end - at > 16 && jshot_eight(at, &first) && jshot_eight(at + 8, &second)) {
        value = first * 100000000 + second;
        at += 16;
    }
    for (; at < end && *at >= '0' && *at <= '9'; at++) value = value * 10 + (unsigned)(*at - '0');
    size_t len = (size_t)(at - start);
    *n = value;
    if (len == 0 || len >= RI_NUMBER_MAX || (at < end && *at != '.')) return NULL;
    return at + (at < end);
}

/* v1, with the numbers that it has in this century. */
static bool jshot_ack_read_plain(ri_str rest, ri_js_ack *ack)
{
    uint64_t numbers[5];
    ack->domain = ack->account_hash = RI_STR_NONE;
    if (!ri_str_cut(&rest, '.', &ack->stream) || !ri_str_cut(&rest, '.', &ack->consumer) ||
        !rest.len || !ack->stream.len || !ack->consumer.len) return false;
    const char *at = rest.ptr, *end = at + rest.len;
    for (int i = 0; i < 5; i++)
        if (!(at = jshot_ack_number(at, end, i == 3, &numbers[i]))) return false;
    if (at != end || end[-1] == '.' || numbers[3] > INT64_MAX) return false;
    ack->deliveries = numbers[0];
    ack->stream_seq = numbers[1];
    ack->consumer_seq = numbers[2];
    ack->time_ns = (int64_t)numbers[3];
    ack->pending = numbers[4];
    return true;
}

/* Of more tokens, or of larger numbers. */
static bool jshot_ack_read_any(ri_str rest, ri_js_ack *ack)
{
    enum { JSHOT_TOKENS = 11 };
    ri_str tokens[JSHOT_TOKENS];
    size_t n = 2;
    while (n < JSHOT_TOKENS && ri_subject_token(&rest, &tokens[n])) n++;
    if (n != 9 && n != JSHOT_TOKENS) return false;
    *ack = (ri_js_ack){0};
    const ri_str *t = &tokens[2];
    if (n == JSHOT_TOKENS) {
        if (!ri_str_is(t[0], "_")) ack->domain = t[0];
        ack->account_hash = t[1];
        t += 2;
    }
    ack->stream = t[0];
    ack->consumer = t[1];
    return t[0].len && t[1].len && ri_number_read(t[2], &ack->deliveries) &&
           ri_number_read(t[3], &ack->stream_seq) && ri_number_read(t[4], &ack->consumer_seq) &&
           ri_number_read_i64(t[5], &ack->time_ns) && ri_number_read(t[6], &ack->pending);
}

bool ri_jshot_ack_read(ri_str subject, ri_js_ack *ack)
{
    if (!ri_str_starts(subject, RI_STR("$JS.ACK."))) return false;
    ri_str rest = ri_str_from(subject, 8);
    return jshot_ack_read_plain(rest, ack) || jshot_ack_read_any(rest, ack);
}
