/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/js_answers.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "codec/nats/headers.h"

int ri_js_answers_read(const ri_jsapi_type *type, ri_str json, ri_arena *arena, void *out,
                       int *err_code)
{
    RI_ASSERT(ri_jsapi_size(type) >= sizeof(ri_js_head));
    *err_code = 0;
    while (json.len && (json.ptr[0] == ' ' || json.ptr[0] == '\n')) json = ri_str_from(json, 1);
    if (json.len == 0 || json.ptr[0] != '{')
        return ri_err(RILL_EPROTO, "an answer that is no JSON object");
    int rc = ri_jsapi_decode_answer(type, json, arena, out);
    if (rc < 0) return rc == RILL_ENOMEM ? rc : ri_err_wrap(rc, "an answer");
    const ri_js_error *e = ((const ri_js_head *)out)->error;
    if (!e) return RILL_OK;
    *err_code = e->err_code;
    if (!e->code) return ri_err(RILL_EPROTO, "an answer with an error that has no number");
    if (!e->text[0]) return ri_err(ri_jserror_nearest(e), "the error %d, %d", e->code, e->err_code);
    return ri_err(ri_jserror_nearest(e), "%s", e->text);
}

/* ---- Messages ---- */

static uint64_t answers_number(ri_str text)
{
    uint64_t n;
    if (ri_number_read(text, &n)) return n;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return 0;
    return text.len ? UINT64_MAX : 0; /* too many digits */
}

/* Does this header begin what the server has added? One of that name may be the message's own: the
 * last of them counts. */
static bool answers_is_mark(const rill_header *h)
{
    return ri_str_is(h->name, "Nats-Stream");
}

static const char *answers_mark(ri_str headers)
{
    ri_str rest = headers;
    rill_header h;
    const char *mark = NULL;
    while (ri_headers_next(&rest, &h))
        if (answers_is_mark(&h)) mark = h.name.ptr;
    return mark;
}

bool ri_js_answers_message(ri_str headers, ri_js_found *found)
{
    *found = (ri_js_found){0};
    const char *mark = answers_mark(headers);
    if (!mark) return false;
    ri_str rest = {mark, (size_t)(headers.ptr + headers.len - mark)};
    rill_header h;
    bool has_subject = false, has_seq = false, has_time = false;
    while (ri_headers_next(&rest, &h)) {
        if (answers_is_mark(&h)) found->stream = h.value;
        else if (ri_str_is(h.name, "Nats-Subject"))
            has_subject = (found->subject = h.value).len > 0;
        else if (ri_str_is(h.name, "Nats-Sequence"))
            has_seq = (found->seq = answers_number(h.value)) > 0;
        else if (ri_str_is(h.name, "Nats-Time-Stamp"))
            has_time = ri_rfc3339_read(h.value, &found->time_ns);
        else if (ri_str_is(h.name, "Nats-Num-Pending"))
            found->pending = answers_number(h.value);
    }
    size_t own = (size_t)(mark - headers.ptr);
    if (own > sizeof RI_HEADERS_FIRST "\r\n" - 1) found->headers = (ri_str){headers.ptr, own};
    return has_subject && has_seq && has_time;
}

/* ---- Status lines ---- */

/* How texts begin, without regard to case; NULL: any other of that code. */
static const struct {
    int code;
    const char *text;
    ri_js_status_kind kind;
} answers_statuses[] = {
    {100, "FlowControl", RI_JS_STATUS_STALLED},
    {100, NULL, RI_JS_STATUS_BEAT},
    {204, NULL, RI_JS_STATUS_END},
    {404, NULL, RI_JS_STATUS_NOTHING},
    {408, "Request Timeout", RI_JS_STATUS_OVER},
    {408, "Requests Pending", RI_JS_STATUS_OVER},
    {408, "Interest Expired", RI_JS_STATUS_OVER},
    {409, "Consumer Deleted", RI_JS_STATUS_GONE},
    {409, "Message Size Exceeds MaxBytes", RI_JS_STATUS_OVER},
    {409, "Batch Completed", RI_JS_STATUS_OVER},
    {409, "Exceeded MaxWaiting", RI_JS_STATUS_MOVED},
    {409, "Leadership Change", RI_JS_STATUS_MOVED},
    {409, "Server Shutdown", RI_JS_STATUS_MOVED},
    {413, NULL, RI_JS_STATUS_TOO_MANY},
    {503, NULL, RI_JS_STATUS_NOBODY},
};

static bool answers_begins(ri_str text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && ri_str_eq_nocase((ri_str){text.ptr, len}, (ri_str){with, len});
}

static ri_js_status_kind answers_kind(int code, ri_str text)
{
    for (size_t i = 0; i < RI_LEN(answers_statuses); i++) {
        const char *with = answers_statuses[i].text;
        if (answers_statuses[i].code == code && (!with || answers_begins(text, with)))
            return answers_statuses[i].kind;
    }
    return RI_JS_STATUS_REFUSED;
}

bool ri_js_answers_status(ri_str headers, ri_js_status *status)
{
    *status = (ri_js_status){0};
    status->code = headers.len ? ri_headers_status(headers, &status->text) : 0;
    if (!status->code) return false;
    status->kind = answers_kind(status->code, status->text);
    ri_str rest = headers;
    rill_header h;
    while (ri_headers_next(&rest, &h)) {
        if (ri_str_is(h.name, "Nats-Pending-Messages")) {
            status->counts = true;
            status->pending_msgs = answers_number(h.value);
        } else if (ri_str_is(h.name, "Nats-Pending-Bytes")) {
            status->pending_bytes = answers_number(h.value);
        } else if (ri_str_is(h.name, "Nats-Last-Consumer")) {
            status->places = true;
            status->last_consumer = answers_number(h.value);
        } else if (ri_str_is(h.name, "Nats-Last-Stream")) {
            status->last_stream = answers_number(h.value);
        }
    }
    return true;
}

/* ---- Configurations ---- */

int ri_js_answers_change(ri_str json, const char *name, ri_str literal, ri_buffer *out)
{
    RI_ASSERT(ri_buffer_is_sound(out));
    ri_json root, key, value;
    int rc = ri_json_parse(&root, json);
    if (rc < 0) return ri_err_wrap(rc, "an answer");
    ri_json config = ri_json_get(root, "config");
    if (ri_json_kind_of(config) != RI_JSON_OBJECT)
        return ri_err(RILL_EPROTO, "an answer without the configuration of the stream");
    ri_buffer_puts(out, "{");
    for (ri_json rest = ri_json_first(config); ri_json_member(&rest, &key, &value);) {
        if (ri_json_is(key, ri_str_of(name))) continue;
        ri_buffer_put_str(out, ri_json_literal(key));
        ri_buffer_puts(out, ":");
        ri_buffer_put_str(out, ri_json_literal(value));
        ri_buffer_puts(out, ",");
    }
    ri_json_put_string(out, ri_str_of(name));
    ri_buffer_puts(out, ":");
    ri_buffer_put_str(out, literal);
    ri_buffer_puts(out, "}");
    return out->failed ? RILL_ENOMEM : RILL_OK;
}
