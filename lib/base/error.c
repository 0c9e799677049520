/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A fixed buffer for each thread, so that "out of memory" can be said. */
static _Thread_local char error_text[RI_ERROR_TEXT_MAX];

int ri_err(int code, const char *fmt, ...)
{
    RI_ASSERT(code < 0);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error_text, sizeof error_text, fmt, ap);
    va_end(ap);
    return code;
}

int ri_err_os(int code, int os_errno, const char *fmt, ...)
{
    RI_ASSERT(code < 0 && os_errno > 0);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(error_text, sizeof error_text, fmt, ap);
    va_end(ap);
    char room[128];
#if defined(__GLIBC__) && defined(_GNU_SOURCE) /* this form returns the text, maybe not in `room` */
    const char *reason = strerror_r(os_errno, room, sizeof room);
#else
    const char *reason = room;
    if (strerror_r(os_errno, room, sizeof room) != 0)
        snprintf(room, sizeof room, "error %d", os_errno);
#endif
    if (n >= 0 && (size_t)n < sizeof error_text)
        snprintf(error_text + n, sizeof error_text - (size_t)n, ": %s", reason);
    return code;
}

int ri_err_wrap(int code, const char *fmt, ...)
{
    RI_ASSERT(code < 0);
    char inner[RI_ERROR_TEXT_MAX];
    memcpy(inner, error_text, sizeof inner);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(error_text, sizeof error_text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof error_text)
        snprintf(error_text + n, sizeof error_text - (size_t)n, ": %s", inner);
    return code;
}

int ri_err_nomem(size_t bytes)
{
    return ri_err(RILL_ENOMEM, "out of memory: %zu bytes were asked for", bytes);
}

const char *ri_err_text(void)
{
    return error_text;
}

int ri_failure_keep(ri_failure *failure, int code)
{
    failure->code = code < 0 ? code : 0;
    if (code < 0) memcpy(failure->text, error_text, sizeof error_text);
    return code;
}

int ri_failure_restore(const ri_failure *failure)
{
    if (failure->code < 0) memcpy(error_text, failure->text, sizeof error_text);
    return failure->code;
}

const char *ri_err_name(int code)
{
    switch (code) {
    case 0: return "OK";
#define RI_X(name, num, text) case -(num): return #name;
        RILL_ERROR_MAP(RI_X)
#undef RI_X
    default: return "EUNKNOWN";
    }
}

const char *ri_err_class(int code)
{
    switch (code) {
    case 0: return "success";
#define RI_X(name, num, text) case -(num): return text;
        RILL_ERROR_MAP(RI_X)
#undef RI_X
    default: return "not an error code of rill";
    }
}
