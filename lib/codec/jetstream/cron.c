/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/cron.h"

#include "base/assert.h"
#include "base/number.h"
#include "base/saturate.h"

typedef struct cron_name {
    const char *name, *fields;
} cron_name;

static const cron_name cron_names[] = {
    {"@yearly", "0 0 0 1 1 *"}, {"@annually", "0 0 0 1 1 *"}, {"@monthly", "0 0 0 1 * *"},
    {"@weekly", "0 0 0 * * 0"}, {"@daily", "0 0 0 * * *"},    {"@midnight", "0 0 0 * * *"},
    {"@hourly", "0 0 * * * *"},
};

static const char cron_words[] = "janfebmaraprmayjunjulaugsepoctnovdecsunmontuewedthufrisat";

/* A number, or the name of a month or weekday. */
static bool cron_number(ri_str s, uint64_t *n)
{
    if (ri_number_read(s, n)) return true;
    if (s.len != 3) return false;
    for (uint64_t i = 0; i < 19; i++)
        if (ri_str_eq_nocase(s, (ri_str){cron_words + 3 * i, 3})) {
            *n = i < 12 ? i + 1 : i - 12;
            return true;
        }
    return false;
}

/* One of a list: * or n or a-b, with /step. */
static bool cron_part(ri_str part, uint64_t min, uint64_t max, uint64_t *bits)
{
    RI_ASSERT(min < max && max < 64);
    ri_str range, step_text = part, low_text, high_text;
    uint64_t low = min, high = max, step = 1;
    ri_str_cut(&step_text, '/', &range);
    bool stepped = range.len < part.len;
    if (stepped && (!ri_number_read(step_text, &step) || step == 0)) return false;
    if (!ri_str_is(range, "*") && !ri_str_is(range, "?")) {
        high_text = range;
        ri_str_cut(&high_text, '-', &low_text);
        if (!cron_number(low_text, &low)) return false;
        if (low_text.len < range.len) {
            if (!cron_number(high_text, &high)) return false;
        } else if (!stepped) {
            high = low;
        }
    }
    if (low < min || high > max || low > high) return false;
    for (uint64_t n = low; n <= high; n += step) *bits |= 1ULL << n;
    return true;
}

static bool cron_field(ri_str *rest, uint64_t min, uint64_t max, uint64_t *bits, bool *any)
{
    ri_str field, part;
    *bits = 0;
    if (!ri_str_word(rest, &field)) return false;
    if (any) *any = ri_str_is(field, "*") || ri_str_is(field, "?");
    while (ri_str_cut(&field, ',', &part))
        if (!cron_part(part, min, max, bits)) return false;
    return true;
}

bool ri_cron_read(ri_str s, ri_cron *cron)
{
    *cron = (ri_cron){0};
    for (size_t i = 0; i < RI_LEN(cron_names); i++)
        if (ri_str_is(s, cron_names[i].name)) s = ri_str_of(cron_names[i].fields);
    ri_str extra;
    bool ok = cron_field(&s, 0, 59, &cron->second, NULL) &&
              cron_field(&s, 0, 59, &cron->minute, NULL) &&
              cron_field(&s, 0, 23, &cron->hour, NULL) &&
              cron_field(&s, 1, 31, &cron->day, &cron->any_day) &&
              cron_field(&s, 1, 12, &cron->month, NULL) &&
              cron_field(&s, 0, 7, &cron->weekday, &cron->any_weekday);
    if (cron->weekday & 1ULL << 7) cron->weekday |= 1; /* both are Sunday */
    return ok && !ri_str_word(&s, &extra);
}

/* Month (1 to 12) and day (1 to 31) of days since 1970, by the civil calendar. */
static void cron_date(int64_t days, uint64_t *month, uint64_t *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    uint64_t doe = (uint64_t)(z - era * 146097);
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    RI_ASSERT(*month >= 1 && *month <= 12);
}

static bool cron_on(const ri_cron *cron, int64_t days)
{
    uint64_t month, day, weekday = (uint64_t)((days % 7 + 11) % 7); /* 1970 began on a Thursday */
    cron_date(days, &month, &day);
    RI_ASSERT(month >= 1 && month <= 12 && day >= 1 && day <= 31 && weekday < 7);
    if (!(cron->month >> month & 1)) return false;
    bool by_day = cron->day >> day & 1, by_weekday = cron->weekday >> weekday & 1;
    if (cron->any_day || cron->any_weekday) return by_day && by_weekday;
    return by_day || by_weekday;
}

enum { CRON_YEARS = 8 };

int64_t ri_cron_next(const ri_cron *cron, int64_t after_ns)
{
    RI_ASSERT(after_ns >= 0);
    enum { DAY = 86400 };
    int64_t start = after_ns / RI_SEC + 1, first_day = start / DAY;
    for (int64_t days = first_day; days < first_day + CRON_YEARS * 366; days++) {
        if (!cron_on(cron, days)) continue;
        int64_t from = days == first_day ? start % DAY : 0;
        for (int64_t s = from; s < DAY; s++) {
            if (!(cron->hour >> (s / 3600) & 1)) {
                s += 3600 - s % 3600 - 1;
            } else if (!(cron->minute >> (s / 60 % 60) & 1)) {
                s += 60 - s % 60 - 1;
            } else if (cron->second >> (s % 60) & 1) {
                return ri_ns_of_s(days * DAY + s);
            }
        }
    }
    return INT64_MAX;
}

int64_t ri_cron_next_in(const ri_cron *cron, const ri_zone *zone, int64_t after_ns)
{
    int64_t after_s = after_ns / RI_SEC, until_s;
    int64_t end_s = after_s + CRON_YEARS * 366 * INT64_C(86400);
    while (after_s < end_s) { /* from one change of the clocks to the next */
        int32_t offset_s = ri_zone_at(zone, after_s + 1, &until_s);
        int64_t local_ns = ri_cron_next(cron, ri_ns_of_s(after_s + offset_s));
        if (local_ns == INT64_MAX) break;
        if (local_ns / RI_SEC - offset_s < until_s) 
            return ri_ns_sub(local_ns, ri_ns_of_s(offset_s));
        after_s = until_s - 1;
    }
    return INT64_MAX;
}
