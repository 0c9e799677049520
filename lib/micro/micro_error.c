/* SPDX-License-Identifier: Apache-2.0 */
/* base/error.h without printf and without threads: one sentence, that of the last failure of
 * whoever called last, cut to what it has room for. The formats are those that the files of this
 * build use: %s %.*s %c %d %u %x %zu %llu and their like, with a width for digits. */
#include "micro/micro.h"

#include <stdarg.h>

enum { MICRO_ERROR_TEXT = 160 }; /* bytes, its 0 included */

static char micro_error_text[MICRO_ERROR_TEXT];

typedef struct micro_error_out {
    char *at, *end; /* one byte before the last, which is for the 0 */
} micro_error_out;

static void micro_error_put(micro_error_out *out, const char *s, size_t len)
{
    RI_ASSERT(out->at <= out->end);
    size_t room = (size_t)(out->end - out->at);
    if (len > room) len = room;
    memcpy(out->at, s, len);
    out->at += len;
}

static void micro_error_number(micro_error_out *out, uint64_t n, bool hex, unsigned width)
{
    RI_ASSERT(width <= RI_NUMBER_MAX);
    char digits[RI_NUMBER_MAX];
    size_t len = 0;
    if (!hex) {
        len = ri_number_write(digits, n);
    } else {
        for (unsigned shift = 60;; shift -= 4) {
            unsigned digit = (unsigned)(n >> shift) & 15;
            if (len > 0 || digit > 0 || shift == 0)
                digits[len++] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
            if (shift == 0) break;
        }
    }
    for (; width > len; width--) micro_error_put(out, "0", 1);
    micro_error_put(out, digits, len);
}

/* What stands between % and the letter. */
typedef struct micro_error_spec {
    unsigned width, longs; /* longs: 0 int, 1 long or size_t, 2 long long */
    int precision;         /* < 0: none */
    bool size;
} micro_error_spec;

static const char *micro_error_read(const char *at, micro_error_spec *spec, va_list *ap)
{
    *spec = (micro_error_spec){.precision = -1};
    while (*at >= '0' && *at <= '9') spec->width = spec->width * 10 + (unsigned)(*at++ - '0');
    if (at[0] == '.' && at[1] == '*') {
        spec->precision = va_arg(*ap, int);
        at += 2;
    }
    for (; *at == 'l' || *at == 'z' || *at == 'j'; at++) {
        spec->longs += *at == 'l' ? 1 : *at == 'j' ? 2 : 0;
        spec->size |= *at == 'z';
    }
    return at;
}

static uint64_t micro_error_unsigned(const micro_error_spec *spec, va_list *ap)
{
    if (spec->size) return va_arg(*ap, size_t);
    if (spec->longs >= 2) return va_arg(*ap, unsigned long long);
    return spec->longs == 1 ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);
}

static void micro_error_signed(micro_error_out *out, const micro_error_spec *spec, va_list *ap)
{
    int64_t n = spec->longs >= 2 ? va_arg(*ap, long long)
              : spec->longs == 1 ? va_arg(*ap, long) : va_arg(*ap, int);
    if (n < 0) micro_error_put(out, "-", 1);
    micro_error_number(out, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, false, spec->width);
}

static void micro_error_string(micro_error_out *out, const micro_error_spec *spec, va_list *ap)
{
    const char *s = va_arg(*ap, const char *);
    size_t len = 0, most = spec->precision < 0 ? SIZE_MAX : (size_t)spec->precision;
    while (s && len < most && s[len]) len++;
    micro_error_put(out, s ? s : "", len);
}

static void micro_error_write(micro_error_out *out, const char *fmt, va_list *ap)
{
    while (*fmt) {
        const char *from = fmt;
        while (*fmt && *fmt != '%') fmt++;
        micro_error_put(out, from, (size_t)(fmt - from));
        if (!*fmt) return;
        micro_error_spec spec;
        fmt = micro_error_read(fmt + 1, &spec, ap);
        char c = *fmt ? *fmt++ : '%';
        switch (c) {
        case 's': micro_error_string(out, &spec, ap); break;
        case 'u':
            micro_error_number(out, micro_error_unsigned(&spec, ap), false, spec.width);
            break;
        case 'x': micro_error_number(out, micro_error_unsigned(&spec, ap), true, spec.width); break;
        case 'd': micro_error_signed(out, &spec, ap); break;
        case 'c': c = (char)va_arg(*ap, int); /* fall through */
        default: micro_error_put(out, &c, 1);
        }
    }
}

int ri_err(int code, const char *fmt, ...)
{
    RI_ASSERT(code < 0);
    micro_error_out out = {micro_error_text, micro_error_text + MICRO_ERROR_TEXT - 1};
    va_list ap;
    va_start(ap, fmt);
    micro_error_write(&out, fmt, &ap);
    va_end(ap);
    *out.at = 0;
    return code;
}

int ri_err_nomem(size_t bytes)
{
    return ri_err(RILL_ENOMEM, "out of memory: %zu bytes were asked for", bytes);
}

const char *ri_err_text(void)
{
    return micro_error_text;
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

const char *rill_errmsg(void)
{
    return micro_error_text;
}

const char *rill_errname(int err)
{
    return ri_err_name(err);
}

const char *rill_strerror(int err)
{
    return ri_err_class(err);
}

uint32_t rill_version(void)
{
    return RILL_VERSION;
}
