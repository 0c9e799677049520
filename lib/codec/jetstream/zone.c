/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/zone.h"

#include <ctype.h>

#include "base/error.h"
#include "base/number.h"

enum {
    ZONE_HEAD = 44, ZONE_TIME = 8, ZONE_TYPE = 6,
    ZONE_DAY = 86400, ZONE_YEAR = 31556952, /* seconds; the latter on average */
    ZONE_OFFSET_MAX = 26 * 3600, ZONE_HOURS_MAX = 167,
};

bool ri_zone_is_name(ri_str name)
{
    if (name.len == 0 || name.len > RI_ZONE_NAME_MAX) return false;
    for (ri_str rest = name, part; ri_str_cut(&rest, '/', &part);) {
        if (part.len == 0) return false;
        for (size_t i = 0; i < part.len; i++)
            if (!isalnum((unsigned char)part.ptr[i]) && !strchr("_-+", part.ptr[i])) return false;
    }
    return name.ptr[name.len - 1] != '/';
}

/* ---- The table ---- */

static int64_t zone_number(const char *p, size_t len) /* big-endian, signed */
{
    uint64_t n = *p & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < len; i++) n = n << 8 | (unsigned char)p[i];
    return (int64_t)n;
}

static int32_t zone_offset(const ri_zone *zone, size_t type)
{
    return (int32_t)zone_number(zone->types.ptr + type * ZONE_TYPE, 4);
}

static int64_t zone_time(const ri_zone *zone, size_t i)
{
    return zone_number(zone->times.ptr + i * ZONE_TIME, ZONE_TIME);
}

typedef struct zone_counts {
    uint64_t isut, isstd, leap, time, type, letters;
} zone_counts;

static bool zone_head(ri_str file, zone_counts *n)
{
    uint64_t *const counts[] = {&n->isut, &n->isstd, &n->leap, &n->time, &n->type, &n->letters};
    if (file.len < ZONE_HEAD || !ri_str_starts(file, RI_STR("TZif")) || file.ptr[4] < '2')
        return false;
    for (size_t i = 0; i < RI_LEN(counts); i++)
        *counts[i] = (uint64_t)zone_number(file.ptr + 20 + 4 * i, 4) & UINT32_MAX;
    return true;
}

static uint64_t zone_block(const zone_counts *n, uint64_t time_size)
{
    return n->time * (time_size + 1) + n->type * ZONE_TYPE + n->letters +
           n->leap * (time_size + 4) + n->isstd + n->isut;
}

static ri_str zone_cut(ri_str *rest, uint64_t len)
{
    ri_str part = {rest->ptr, (size_t)len};
    *rest = ri_str_from(*rest, (size_t)len);
    return part;
}

/* Times ascend, each names a type, and no offset is absurd. */
static bool zone_is_sound(const ri_zone *zone)
{
    size_t ntypes = zone->types.len / ZONE_TYPE;
    if (ntypes == 0) return false;
    for (size_t i = 0; i < ntypes; i++) {
        int32_t offset = zone_offset(zone, i);
        if (offset > ZONE_OFFSET_MAX || offset < -ZONE_OFFSET_MAX) return false;
    }
    for (size_t i = 0; i < zone->kinds.len; i++) {
        if ((unsigned char)zone->kinds.ptr[i] >= ntypes) return false;
        if (i > 0 && zone_time(zone, i) <= zone_time(zone, i - 1)) return false;
    }
    return true;
}

/* ---- The rule ---- */

static bool zone_letters(ri_str *s) /* a name of three or more, passed over */
{
    size_t n = 0;
    bool quoted = s->len && s->ptr[0] == '<';
    if (quoted) *s = ri_str_from(*s, 1);
    while (n < s->len && (quoted ? s->ptr[n] != '>' : isalpha((unsigned char)s->ptr[n]))) n++;
    if (n < 3 || (quoted && n == s->len)) return false;
    *s = ri_str_from(*s, n + quoted);
    return true;
}

static bool zone_digits(ri_str *s, int32_t max, int32_t *out)
{
    size_t n = 0;
    uint64_t value;
    while (n < s->len && isdigit((unsigned char)s->ptr[n])) n++;
    if (!ri_number_read((ri_str){s->ptr, n}, &value) || value > (uint64_t)max) return false;
    *out = (int32_t)value;
    *s = ri_str_from(*s, n);
    return true;
}

static bool zone_skip(ri_str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c) return false;
    *s = ri_str_from(*s, 1);
    return true;
}

static bool zone_hours(ri_str *s, int32_t max, int32_t *seconds) /* [+-]h[:mm[:ss]] */
{
    int32_t hour, minute = 0, second = 0;
    bool minus = zone_skip(s, '-');
    if (!minus) zone_skip(s, '+');
    if (!zone_digits(s, max, &hour)) return false;
    if (zone_skip(s, ':') && !zone_digits(s, 59, &minute)) return false;
    if (zone_skip(s, ':') && !zone_digits(s, 59, &second)) return false;
    *seconds = (hour * 3600 + minute * 60 + second) * (minus ? -1 : 1);
    return true;
}

static bool zone_day(ri_str *s, ri_zone_day *day)
{
    *day = (ri_zone_day){.form = '0', .at_s = 2 * 3600};
    if (!zone_skip(s, ',')) return false;
    if (zone_skip(s, 'M')) {
        day->form = 'M';
        if (!zone_digits(s, 12, &day->month) || !day->month || !zone_skip(s, '.')) return false;
        if (!zone_digits(s, 5, &day->week) || !day->week || !zone_skip(s, '.')) return false;
        if (!zone_digits(s, 6, &day->day)) return false;
    } else {
        if (zone_skip(s, 'J')) day->form = 'J';
        if (!zone_digits(s, 365, &day->day) || (day->form == 'J' && !day->day)) return false;
    }
    return !zone_skip(s, '/') || zone_hours(s, ZONE_HOURS_MAX, &day->at_s);
}

static bool zone_rule(ri_str s, ri_zone *zone)
{
    zone->ruled = s.len > 0;
    if (!zone->ruled) return true;
    if (!zone_letters(&s) || !zone_hours(&s, 24, &zone->std_s)) return false;
    zone->std_s = -zone->std_s; /* POSIX counts to the west */
    zone->shifts = s.len > 0;
    if (!zone->shifts) return true;
    zone->summer_s = zone->std_s + 3600;
    if (!zone_letters(&s)) return false;
    if (s.len && s.ptr[0] != ',') {
        if (!zone_hours(&s, 24, &zone->summer_s)) return false;
        zone->summer_s = -zone->summer_s;
    }
    return zone_day(&s, &zone->begins) && zone_day(&s, &zone->ends) && s.len == 0;
}

int ri_zone_read(ri_str file, ri_zone *zone)
{
    *zone = (ri_zone){0};
    zone_counts n;
    ri_str rest = file, rule;
    bool ok = zone_head(rest, &n) && rest.len - ZONE_HEAD >= zone_block(&n, 4);
    if (ok) rest = ri_str_from(rest, ZONE_HEAD + (size_t)zone_block(&n, 4));
    ok = ok && zone_head(rest, &n) && rest.len - ZONE_HEAD >= zone_block(&n, ZONE_TIME);
    if (ok) {
        ri_str block = ri_str_from(rest, ZONE_HEAD);
        rest = ri_str_from(block, (size_t)zone_block(&n, ZONE_TIME));
        zone->times = zone_cut(&block, n.time * ZONE_TIME);
        zone->kinds = zone_cut(&block, n.time);
        zone->types = zone_cut(&block, n.type * ZONE_TYPE);
    }
    ok = ok && zone_is_sound(zone) && zone_skip(&rest, '\n');
    if (ok && ri_str_cut(&rest, '\n', &rule) && zone_rule(rule, zone)) return RILL_OK;
    *zone = (ri_zone){0};
    return ri_err(RILL_EPROTO, "that is no file of the tz database, version 2 or later");
}

/* ---- Asking ---- */

static bool zone_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970 to a day of a month; days of the year are those of a month 1. */
static int64_t zone_days(int64_t year, int32_t month, int64_t day)
{
    static const int16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - 1;
    return 365 * (year - 1970) + (y / 4 - y / 100 + y / 400) - 477 + before[month - 1] +
           (month > 2 && zone_is_leap(year)) + day - 1;
}

/* When that day comes in a year, in seconds of UTC. */
static int64_t zone_begin(const ri_zone_day *day, int64_t year, int32_t offset_s)
{
    int64_t days;
    if (day->form == 'M') {
        int64_t first = zone_days(year, day->month, 1), weekday = (first % 7 + 11) % 7;
        int64_t end = day->month == 12 ? zone_days(year + 1, 1, 1)
                                       : zone_days(year, day->month + 1, 1);
        days = first + (day->day - weekday + 7) % 7 + (day->week - 1) * 7;
        if (days >= end) days -= 7;
    } else {
        bool behind = day->form == 'J' && zone_is_leap(year) && day->day >= 60; /* 29 February */
        days = zone_days(year, 1, 1) + day->day - (day->form == 'J') + behind;
    }
    return days * ZONE_DAY + day->at_s - offset_s;
}

static int32_t zone_by_rule(const ri_zone *zone, int64_t utc_s, int64_t *until_s)
{
    int64_t near = 1970 + utc_s / ZONE_YEAR, since_s = INT64_MIN;
    int32_t offset_s = zone->std_s;
    if (!zone->shifts) return offset_s;
    for (int64_t year = near - 2; year <= near + 2; year++) {
        int64_t begin_s = zone_begin(&zone->begins, year, zone->std_s);
        int64_t end_s = zone_begin(&zone->ends, year, zone->summer_s);
        if (end_s <= utc_s && end_s > since_s) {
            since_s = end_s;
            offset_s = zone->std_s;
        }
        if (begin_s <= utc_s && begin_s >= since_s) {
            since_s = begin_s;
            offset_s = zone->summer_s;
        }
        if (begin_s > utc_s) *until_s = RI_MIN(*until_s, begin_s);
        if (end_s > utc_s) *until_s = RI_MIN(*until_s, end_s);
    }
    return offset_s;
}

int32_t ri_zone_at(const ri_zone *zone, int64_t utc_s, int64_t *until_s)
{
    size_t low = 0, n = zone->kinds.len, high = n;
    *until_s = INT64_MAX;
    while (low < high) { /* the first change that is still to come */
        size_t mid = low + (high - low) / 2;
        if (zone_time(zone, mid) <= utc_s) low = mid + 1;
        else high = mid;
    }
    if (low == n && zone->ruled) return zone_by_rule(zone, utc_s, until_s);
    if (low < n) *until_s = zone_time(zone, low);
    if (zone->types.len == 0) return 0;
    return zone_offset(zone, low ? (unsigned char)zone->kinds.ptr[low - 1] : 0);
}
