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

static int jserror_class(ri_js_code err_code, int code)
{
    if (err_code == RI_JS_STREAM_WRONG_LAST_SEQUENCE ||
        err_code == RI_JS_STREAM_WRONG_LAST_SEQUENCE_CONSTANT ||
        err_code == RI_JS_STREAM_WRONG_LAST_MSG_ID || err_code == RI_JS_STREAM_NOT_MATCH)
        return RILL_ECONFLICT;
    if (err_code == RI_JS_STREAM_NAME_EXIST || err_code == RI_JS_CONSUMER_ALREADY_EXISTS ||
        err_code == RI_JS_CONSUMER_NAME_EXIST ||
        err_code == RI_JS_ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE)
        return RILL_EEXIST;
    if (err_code == RI_JS_STREAM_MESSAGE_EXCEEDS_MAXIMUM ||
        err_code == RI_JS_STREAM_HEADER_EXCEEDS_MAXIMUM)
        return RILL_ETOOBIG;
    if (err_code == RI_JS_SEQUENCE_NOT_FOUND) return RILL_ENOENT;
    if (err_code == RI_JS_STREAM_OFFLINE_REASON || err_code == RI_JS_CONSUMER_OFFLINE_REASON)
        return RILL_ECORRUPT;
    if (err_code == RI_JS_STORAGE_RESOURCES_EXCEEDED ||
        err_code == RI_JS_MEMORY_RESOURCES_EXCEEDED)
        return RILL_EFULL;
    switch (code) {
    case 404: return RILL_ENOENT;
    case 412: return RILL_ENOTSUP;
    case 429: return RILL_EAGAIN;
    case 503: return RILL_EFULL;
    default: return RILL_EINVAL;
    }
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
    return ri_err(jserror_class(err_code, row->code), "%s", text);
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
