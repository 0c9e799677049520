/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/jserror.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

typedef struct jserror_row {
    int err_code, code;
    const char *text;
} jserror_row;

static const jserror_row jserror_rows[] = {
#define JSERROR_X(name, err_code, code, text) {err_code, code, text},
    RI_JS_ERRORS(JSERROR_X)
#undef JSERROR_X
};

/* The rows are in order of err_code. */
static const jserror_row *jserror_find(int err_code)
{
    size_t from = 0, to = RI_LEN(jserror_rows);
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (jserror_rows[mid].err_code == err_code) return &jserror_rows[mid];
        if (jserror_rows[mid].err_code < err_code)
            from = mid + 1;
        else
            to = mid;
    }
    return NULL;
}

const char *ri_jserror_text(int err_code)
{
    const jserror_row *row = jserror_find(err_code);
    return row ? row->text : NULL;
}

int ri_jserror_http(int err_code)
{
    const jserror_row *row = jserror_find(err_code);
    return row ? row->code : 0;
}

/* The table's text with each {x} replaced by the next line of `values`. */
static void jserror_fill(char out[RI_JS_TEXT_MAX], const char *text, const char *values)
{
    size_t n = 0;
    while (*text && n < RI_JS_TEXT_MAX - 1) {
        if (*text != '{') {
            out[n++] = *text++;
            continue;
        }
        while (*text && *text++ != '}') {}
        while (*values && *values != '\n' && n < RI_JS_TEXT_MAX - 1) out[n++] = *values++;
        if (*values == '\n') values++;
    }
    while (n && ((unsigned char)out[n - 1] & 0xc0) == 0x80 && n == RI_JS_TEXT_MAX - 1) n--;
    out[n] = 0;
}

/* Errors whose class does not follow from their code. */
static const struct {
    ri_js_code err_code;
    int class;
} jserror_classes[] = {
    {RI_JS_ACCOUNT_RESOURCES_EXCEEDED, RILL_EFULL},
    {RI_JS_CLUSTER_INCOMPLETE, RILL_EAGAIN},
    {RI_JS_CLUSTER_NOT_ASSIGNED, RILL_EAGAIN},
    {RI_JS_CLUSTER_NOT_AVAIL, RILL_EAGAIN},
    {RI_JS_CLUSTER_NOT_LEADER, RILL_EAGAIN},
    {RI_JS_CLUSTER_REQUIRED, RILL_ENOTSUP},
    {RI_JS_CONSUMER_NAME_EXIST, RILL_EEXIST},
    {RI_JS_MAXIMUM_CONSUMERS_LIMIT, RILL_EFULL},
    {RI_JS_MAXIMUM_STREAMS_LIMIT, RILL_EFULL},
    {RI_JS_CLUSTER_UN_SUPPORT_FEATURE, RILL_ENOTSUP},
    {RI_JS_NO_ACCOUNT, RILL_ENOTSUP},
    {RI_JS_NOT_ENABLED_FOR_ACCOUNT, RILL_ENOTSUP},
    {RI_JS_MEMORY_RESOURCES_EXCEEDED, RILL_EFULL},
    {RI_JS_SEQUENCE_NOT_FOUND, RILL_ENOENT},
    {RI_JS_STORAGE_RESOURCES_EXCEEDED, RILL_EFULL},
    {RI_JS_STREAM_MESSAGE_EXCEEDS_MAXIMUM, RILL_ETOOBIG},
    {RI_JS_STREAM_NAME_EXIST, RILL_EEXIST},
    {RI_JS_STREAM_NOT_MATCH, RILL_ECONFLICT},
    {RI_JS_STREAM_SUBJECT_OVERLAP, RILL_EEXIST},
    {RI_JS_STREAM_WRONG_LAST_MSG_ID, RILL_ECONFLICT},
    {RI_JS_STREAM_WRONG_LAST_SEQUENCE, RILL_ECONFLICT},
    {RI_JS_STREAM_REPLICAS_NOT_SUPPORTED, RILL_ENOTSUP},
    {RI_JS_NOT_ENABLED, RILL_ENOTSUP},
    {RI_JS_STREAM_HEADER_EXCEEDS_MAXIMUM, RILL_ETOOBIG},
    {RI_JS_STREAM_OFFLINE, RILL_EAGAIN},
    {RI_JS_CONSUMER_OFFLINE, RILL_EAGAIN},
    {RI_JS_CONSUMER_ALREADY_EXISTS, RILL_EEXIST},
    {RI_JS_STREAM_DUPLICATE_MESSAGE_CONFLICT, RILL_EAGAIN},
    {RI_JS_STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_NOT_READY, RILL_EAGAIN},
    {RI_JS_STREAM_WRONG_LAST_SEQUENCE_CONSTANT, RILL_ECONFLICT},
    {RI_JS_ATOMIC_PUBLISH_DISABLED, RILL_ENOTSUP},
    {RI_JS_STREAM_OFFLINE_REASON, RILL_ECORRUPT},
    {RI_JS_CONSUMER_OFFLINE_REASON, RILL_ECORRUPT},
    {RI_JS_ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE, RILL_EEXIST},
};

static int jserror_class(int err_code, int code)
{
    for (size_t i = 0; i < RI_LEN(jserror_classes); i++)
        if ((int)jserror_classes[i].err_code == err_code) return jserror_classes[i].class;
    switch (code) {
    case 404: return RILL_ENOENT;
    case 408: return RILL_ETIMEDOUT;
    case 412: return RILL_ENOTSUP;
    case 429: return RILL_EAGAIN;
    case 503: return RILL_EFULL;
    default: return RILL_EINVAL;
    }
}

static int32_t jserror_number(ri_json value)
{
    return (int32_t)RI_MIN(RI_MAX(ri_json_integer(value), 0), INT32_MAX);
}

void ri_jserror_read(ri_js_error *e, ri_json value)
{
    e->code = jserror_number(ri_json_get(value, "code"));
    e->err_code = jserror_number(ri_json_get(value, "err_code"));
    ri_json_copy(ri_json_get(value, "description"), e->text, RI_JS_TEXT_MAX);
}

int ri_jserror_nearest(const ri_js_error *e)
{
    return jserror_class(e->err_code, e->code);
}

int ri_jserror_set(ri_js_error *e, ri_js_code err_code, const char *fmt, ...)
{
    const jserror_row *row = jserror_find((int)err_code);
    RI_ASSERT(row);
    char values[RI_JS_TEXT_MAX] = "";
    if (fmt) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(values, sizeof values, fmt, ap);
        va_end(ap);
    }
    char text[RI_JS_TEXT_MAX];
    jserror_fill(text, row->text, values);
    if (e) {
        e->code = row->code;
        e->err_code = row->err_code;
        memcpy(e->text, text, sizeof text);
    }
    return ri_err(jserror_class(row->err_code, row->code), "%s", text);
}

int ri_jserror_of(ri_js_error *e, ri_js_code err_code, int rc)
{
    ri_js_error own;
    if (!e) e = &own;
    ri_jserror_set(e, err_code, "%s", ri_err_text());
    return ri_err(rc, "%s", e->text);
}

int ri_jserror_no_memory(ri_js_error *e)
{
    ri_jserror_set(e, RI_JS_INSUFFICIENT_RESOURCES, NULL);
    return ri_err(RILL_ENOMEM, "out of memory");
}
