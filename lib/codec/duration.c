/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/duration.h"

#include "base/number.h"

typedef struct duration_unit {
    const char *name;
    int64_t ns;
} duration_unit;

/* Longer names first where one begins with another. */
static const duration_unit duration_units[] = {
    {"ns", 1}, {"us", 1000}, {"\xc2\xb5s", 1000}, {"\xce\xbcs", 1000}, {"ms", RI_MS},
    {"s", RI_SEC}, {"m", 60 * RI_SEC}, {"h", 3600 * RI_SEC},
};

static const duration_unit *duration_find(ri_str s)
{
    for (size_t i = 0; i < RI_LEN(duration_units); i++)
        if (ri_str_starts(s, ri_str_of(duration_units[i].name))) return &duration_units[i];
    return NULL;
}

/* Digits at the front of *s as value and scale (a power of ten); false on overflow. */
static bool duration_digits(ri_str *s, uint64_t *value, uint64_t *scale)
{
    size_t n = 0;
    *value = 0;
    *scale = 1;
    for (; n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9'; n++) {
        if (*value > (uint64_t)INT64_MAX / 10 - 1) return false;
        *value = *value * 10 + (uint64_t)(s->ptr[n] - '0');
        *scale *= 10;
    }
    *s = ri_str_from(*s, n);
    return true;
}

bool ri_duration_read(ri_str s, int64_t *ns)
{
    bool negative = s.len && s.ptr[0] == '-';
    if (s.len && (s.ptr[0] == '-' || s.ptr[0] == '+')) s = ri_str_from(s, 1);
    if (ri_str_is(s, "0")) {
        *ns = 0;
        return true;
    }
    if (s.len == 0) return false;
    double sum = 0;
    uint64_t total = 0;
    while (s.len) {
        uint64_t whole, fraction = 0, scale = 1, ignored;
        size_t before = s.len, point = 0;
        if (!duration_digits(&s, &whole, &ignored)) return false;
        if (s.len && s.ptr[0] == '.') {
            s = ri_str_from(s, point = 1);
            if (!duration_digits(&s, &fraction, &scale)) return false;
        }
        if (before - s.len == point) return false; /* no digit */
        const duration_unit *unit = duration_find(s);
        if (!unit) return false;
        s = ri_str_from(s, strlen(unit->name));
        sum += (double)whole * (double)unit->ns;
        if (sum > 9.2e18) return false;
        total += whole * (uint64_t)unit->ns +
                 (uint64_t)((double)fraction / (double)scale * (double)unit->ns);
    }
    *ns = negative ? -(int64_t)total : (int64_t)total;
    return true;
}

/* value, then '.' and `digits` of fraction without the zeroes at its end, then the unit. */
static size_t duration_part(char *out, uint64_t value, uint64_t fraction, int digits,
                            const char *unit)
{
    size_t len = ri_number_write(out, value);
    if (fraction) {
        out[len] = '.';
        for (int i = digits; i > 0; i--, fraction /= 10) out[len + i] = (char)('0' + fraction % 10);
        len += (size_t)digits + 1;
        while (out[len - 1] == '0') len--;
    }
    memcpy(out + len, unit, strlen(unit));
    return len + strlen(unit);
}

size_t ri_duration_write(char out[RI_DURATION_MAX], int64_t ns)
{
    size_t len = 0;
    if (ns < 0) out[len++] = '-';
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (u == 0) return duration_part(out, 0, 0, 0, "s");
    if (u < 1000) return len + duration_part(out + len, u, 0, 0, "ns");
    if (u < 1000000) return len + duration_part(out + len, u / 1000, u % 1000, 3, "\xc2\xb5s");
    if (u < (uint64_t)RI_SEC)
        return len + duration_part(out + len, u / 1000000, u % 1000000, 6, "ms");
    uint64_t seconds = u / (uint64_t)RI_SEC;
    if (seconds >= 3600) len += duration_part(out + len, seconds / 3600, 0, 0, "h");
    if (seconds >= 60) len += duration_part(out + len, seconds / 60 % 60, 0, 0, "m");
    return len + duration_part(out + len, seconds % 60, u % (uint64_t)RI_SEC, 9, "s");
}
