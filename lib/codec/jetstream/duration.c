/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/duration.h"

#include "base/assert.h"
#include "base/number.h"
#include "base/saturate.h"

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

/* The digits at the front of *s, cut off. */
static ri_str duration_digits(ri_str *s)
{
    ri_str digits = {s->ptr, 0};
    while (digits.len < s->len && s->ptr[digits.len] >= '0' && s->ptr[digits.len] <= '9')
        digits.len++;
    *s = ri_str_from(*s, digits.len);
    return digits;
}

/* What stands behind the point is so much of a unit; digits behind the 17th change nothing. */
static uint64_t duration_fraction(ri_str digits, int64_t unit_ns)
{
    RI_ASSERT(unit_ns > 0);
    uint64_t value = 0, scale = 1;
    for (size_t i = 0; i < digits.len && i < 17; i++) {
        value = value * 10 + (uint64_t)(digits.ptr[i] - '0');
        scale *= 10;
    }
    return (uint64_t)((double)value * ((double)unit_ns / (double)scale)); /* exact for whole ns */
}

/* A number and its unit, cut off *s and added to *total_ns. */
static bool duration_term(ri_str *s, uint64_t *total_ns)
{
    uint64_t n = 0;
    ri_str whole = duration_digits(s), fraction = {NULL, 0};
    if (s->len && s->ptr[0] == '.') {
        *s = ri_str_from(*s, 1);
        fraction = duration_digits(s);
    }
    if (whole.len + fraction.len == 0 || (whole.len && !ri_number_read(whole, &n))) return false;
    const duration_unit *unit = duration_find(*s);
    if (!unit || n > (uint64_t)(INT64_MAX / unit->ns)) return false;
    *s = ri_str_from(*s, strlen(unit->name));
    uint64_t ns = n * (uint64_t)unit->ns + duration_fraction(fraction, unit->ns);
    *total_ns = ri_u64_add(*total_ns, ns);
    return *total_ns <= (uint64_t)INT64_MAX;
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
    uint64_t total_ns = 0;
    while (s.len)
        if (!duration_term(&s, &total_ns)) return false;
    *ns = negative ? -(int64_t)total_ns : (int64_t)total_ns;
    return true;
}

/* value, then '.' and `digits` of fraction without the zeroes at its end, then the unit. */
static size_t duration_part(char *out, uint64_t value, uint64_t fraction, int digits,
                            const char *unit)
{
    RI_ASSERT(digits >= 0 && digits <= 9);
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
    RI_ASSERT(len <= 1);
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
