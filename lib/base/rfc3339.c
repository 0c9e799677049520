/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rfc3339.h"

#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/saturate.h"

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. Years are counted from
 * March, so that the leap day ends one, in eras of 400 years. */
static int64_t rfc3339_days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void rfc3339_date(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + era * 400 + (*month <= 2);
    RI_ASSERT(*day >= 1 && *day <= 31 && *month >= 1 && *month <= 12);
}

/* `digits` digits with zeros in front, and what follows them. */
static char *rfc3339_put(char *at, int64_t number, int digits, char then)
{
    RI_ASSERT(number >= 0 && number < RI_SEC && digits > 0);
    uint32_t n = (uint32_t)number;
    int i = digits;
    for (; i >= 2; i -= 2, n /= 100) { /* one division waits for the other */
        at[i - 1] = (char)('0' + n % 100 % 10);
        at[i - 2] = (char)('0' + n % 100 / 10);
    }
    if (i) at[0] = (char)('0' + n);
    at[digits] = then;
    return at + digits + 1;
}

size_t ri_rfc3339_write(char out[RI_RFC3339_MAX], int64_t time_ns)
{
    static const char year1[] = "0001-01-01T00:00:00Z";
    if (time_ns == RI_RFC3339_YEAR1) {
        memcpy(out, year1, sizeof year1 - 1);
        return sizeof year1 - 1;
    }
    int64_t sec = time_ns / RI_SEC, nsec = time_ns % RI_SEC;
    if (nsec < 0) {
        nsec += RI_SEC;
        sec--;
    }
    int64_t days = sec / 86400, rest = sec % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    RI_ASSERT(nsec >= 0 && nsec < RI_SEC && rest >= 0 && rest < 86400);
    int64_t year, month, day;
    rfc3339_date(days, &year, &month, &day);
    RI_ASSERT(year >= 1000 && year <= 9999);
    char *at = rfc3339_put(out, year, 4, '-');
    at = rfc3339_put(at, month, 2, '-');
    at = rfc3339_put(at, day, 2, 'T');
    at = rfc3339_put(at, rest / 3600, 2, ':');
    at = rfc3339_put(at, rest / 60 % 60, 2, ':');
    at = rfc3339_put(at, rest % 60, 2, '.');
    at = rfc3339_put(at, nsec, 9, 'Z') - 1;
    while (at[-1] == '0') at--;
    if (at[-1] == '.') at--;
    *at++ = 'Z';
    RI_ASSERT(at - out <= RI_RFC3339_MAX);
    return (size_t)(at - out);
}

/* `digits` digits at the front of *s. */
static bool rfc3339_number(ri_str *s, size_t digits, int64_t *n)
{
    if (s->len < digits) return false;
    *n = 0;
    for (size_t i = 0; i < digits; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9') return false;
        *n = *n * 10 + (s->ptr[i] - '0');
    }
    *s = ri_str_from(*s, digits);
    return true;
}

static bool rfc3339_char(ri_str *s, char c)
{
    if (!s->len || s->ptr[0] != c) return false;
    *s = ri_str_from(*s, 1);
    return true;
}

static bool rfc3339_fraction(ri_str *s, int64_t *nsec)
{
    *nsec = 0;
    if (!rfc3339_char(s, '.') && !rfc3339_char(s, ',')) return true;
    int64_t unit = RI_SEC / 10;
    size_t digits = 0;
    for (; s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9'; digits++, unit /= 10) {
        *nsec += (s->ptr[0] - '0') * unit;
        *s = ri_str_from(*s, 1);
    }
    return digits > 0;
}

static bool rfc3339_offset(ri_str *s, int64_t *sec)
{
    *sec = 0;
    if (rfc3339_char(s, 'Z')) return true;
    int64_t sign = rfc3339_char(s, '+') ? 1 : rfc3339_char(s, '-') ? -1 : 0;
    int64_t hours, minutes;
    if (!sign || !rfc3339_number(s, 2, &hours) || !rfc3339_char(s, ':') ||
        !rfc3339_number(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *sec = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int64_t rfc3339_month_days(int64_t year, int64_t month)
{
    RI_ASSERT(month >= 1 && month <= 12);
    if (month == 2) return 28 + ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0);
    return 30 + ((month + (month > 7)) & 1);
}

bool ri_rfc3339_read(ri_str s, int64_t *time_ns)
{
    int64_t year, month, day, hour, minute, second, nsec, offset;
    if (!rfc3339_number(&s, 4, &year) || !rfc3339_char(&s, '-') ||
        !rfc3339_number(&s, 2, &month) || !rfc3339_char(&s, '-') ||
        !rfc3339_number(&s, 2, &day) || !rfc3339_char(&s, 'T') ||
        !rfc3339_number(&s, 2, &hour) || !rfc3339_char(&s, ':') ||
        !rfc3339_number(&s, 2, &minute) || !rfc3339_char(&s, ':') ||
        !rfc3339_number(&s, 2, &second) || !rfc3339_fraction(&s, &nsec) ||
        !rfc3339_offset(&s, &offset) || s.len)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > rfc3339_month_days(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    int64_t sec = rfc3339_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second -
                  offset;
    if (sec <= INT64_MIN / RI_SEC)
        *time_ns = RI_RFC3339_YEAR1;
    else if (sec >= INT64_MAX / RI_SEC)
        *time_ns = INT64_MAX;
    else
        *time_ns = ri_ns_of_s(sec) + nsec;
    return true;
}

int32_t ri_rfc3339_east_s(int64_t at_s)
{
    struct tm local;
    time_t at = (time_t)at_s;
    return localtime_r(&at, &local) ? (int32_t)local.tm_gmtoff : 0;
}
