/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones: the rule by itself, and the system's database against the C library. That the reader
 * keeps within its bytes stands in test_texts.c, where a file and rules of it are rows. */
#include "codec/jetstream/zone.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "codec/jetstream/cron.h"
#include "support/rng.h"
#include "support/suite.h"

#define DATABASE "/usr/share/zoneinfo/"

/* A file without changes, of this rule. */
static ri_str file_of(const char *rule, char *out, size_t cap)
{
    size_t at = 0;
    for (int block = 0; block < 2; block++) {
        memset(out + at, 0, 51);
        memcpy(out + at, "TZif3", 5);
        out[at + 39] = out[at + 43] = 1; /* one type, one letter */
        at += 51;
    }
    at += (size_t)snprintf(out + at, cap - at, "\n%s\n", rule);
    return (ri_str){out, at};
}

static int64_t at(const char *text)
{
    int64_t ns;
    ck_assert(ri_rfc3339_read(ri_str_of(text), &ns));
    return ns;
}

START_TEST(test_rule)
{
    static const struct { const char *rule, *utc; int offset_s; const char *until; } rows[] = {
        {"<+0530>-5:30", "2026-01-01T00:00:00Z", 19800, NULL},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T00:59:59Z", 3600, "2026-03-29T01:00:00Z"},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z", 7200, "2026-10-25T01:00:00Z"},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-12-31T23:59:59Z", 3600, "2027-03-28T01:00:00Z"},
        /* In the south the year begins in summer. */
        {"AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 39600, "2026-04-04T16:00:00Z"},
        {"AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-07-01T00:00:00Z", 36000, "2026-10-03T16:00:00Z"},
        /* Hours of another day, negative summer time, days of the year with and without leap. */
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-06-01T00:00:00Z", -3600, "2026-10-25T01:00:00Z"},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2026-01-01T00:00:00Z", 0, "2026-03-29T01:00:00Z"},
        {"AAA0BBB,J60/0,J61/0", "2028-03-01T12:00:00Z", 3600, "2028-03-01T23:00:00Z"},
        {"AAA0BBB,60/0,61/0", "2028-03-01T12:00:00Z", 3600, "2028-03-01T23:00:00Z"},
        {"AAA0BBB,59/0,60/0", "2028-02-29T12:00:00Z", 3600, "2028-02-29T23:00:00Z"},
        /* Summer all year: each end is the next begin. */
        {"XXX3EDT4,0/0,J365/23", "2026-06-01T00:00:00Z", -14400, "2027-01-01T03:00:00Z"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        char bytes[256];
        ri_zone zone;
        int64_t until;
        ck_assert_ok(ri_zone_read(file_of(rows[i].rule, bytes, sizeof bytes), &zone));
        ck_assert_int_eq(ri_zone_at(&zone, at(rows[i].utc) / RI_SEC, &until), rows[i].offset_s);
        if (rows[i].until)
            ck_assert_msg(until == at(rows[i].until) / RI_SEC, "%s %s: %lld", rows[i].rule,
                          rows[i].utc, (long long)until);
        else
            ck_assert_int_eq(until, INT64_MAX);
    }
}
END_TEST

START_TEST(test_cron)
{
    static const struct { const char *cron, *after, *next; } rows[] = {
        {"0 0 12 * * *", "2026-07-01T00:00:00Z", "2026-07-01T10:00:00Z"},
        {"0 0 12 * * *", "2026-12-01T00:00:00Z", "2026-12-01T11:00:00Z"},
        {"0 0 0 1 1 *", "2026-07-01T00:00:00Z", "2026-12-31T23:00:00Z"},
        {"0 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"}, /* not on the 29th */
        {"0 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"}, /* twice on the 25th */
        {"0 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
        {"0 30 2 * * *", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
    };
    char bytes[256];
    ri_zone zone;
    ri_cron cron;
    ck_assert_ok(ri_zone_read(file_of("CET-1CEST,M3.5.0,M10.5.0/3", bytes, sizeof bytes), &zone));
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        char text[RI_RFC3339_MAX + 1];
        ck_assert(ri_cron_read(ri_str_of(rows[i].cron), &cron));
        text[ri_rfc3339_write(text, ri_cron_next_in(&cron, &zone, at(rows[i].after)))] = 0;
        ck_assert_str_eq(text, rows[i].next);
    }
    /* The clocks skip it each year. */
    ck_assert_ok(ri_zone_read(file_of("AAA0BBB,J60/2,J300", bytes, sizeof bytes), &zone));
    ck_assert(ri_cron_read(RI_STR("0 30 2 1 3 *"), &cron));
    ck_assert_int_eq(ri_cron_next_in(&cron, &zone, at("2026-01-01T00:00:00Z")), INT64_MAX);
}
END_TEST

/* As the C library reads the same file, at random times and around each change. */
static void compare_zone(const char *name)
{
    static char bytes[RI_ZONE_FILE_MAX];
    char path[128];
    ri_zone zone;
    rng random;
    snprintf(path, sizeof path, DATABASE "%s", name);
    FILE *file = fopen(path, "rb");
    if (!file) return; /* not all systems have it */
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert_ok(ri_zone_read((ri_str){bytes, len}, &zone));
    setenv("TZ", name, 1);
    tzset();
    rng_init(&random, rng_seed(1));
    int64_t until = 0;
    for (int i = 0; i < 4000; i++) {
        bool near = i % 4 != 0 && until != INT64_MAX; /* before, at and behind the next change */
        time_t t = near ? (time_t)(until + i % 4 - 2)
                        : (time_t)rng_below(&random, 8000000000) - 2000000000;
        struct tm tm;
        int64_t ends;
        ck_assert_ptr_nonnull(localtime_r(&t, &tm));
        int32_t offset = ri_zone_at(&zone, t, &ends);
        ck_assert_msg(offset == tm.tm_gmtoff, "%s at %lld: %d, not %ld", name, (long long)t, offset,
                      tm.tm_gmtoff);
        if (!near) until = ends;
    }
}

START_TEST(test_database)
{
    static const char *const names[] = {
        "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Dublin",
        "Africa/Casablanca", "Asia/Gaza", "America/Nuuk", "Pacific/Apia", "Etc/GMT-14", "UTC",
        "America/Argentina/Buenos_Aires"};
    for (size_t i = 0; i < RI_LEN(names); i++) {
        ck_assert(ri_zone_is_name(ri_str_of(names[i])));
        compare_zone(names[i]);
    }
}
END_TEST

START_TEST(test_names)
{
    static const char *const bad[] = {"", "/", "/etc/passwd", "a/", "a//b", "..", "../x", "a/../b",
                                      "a.b", "a b", "a\\b", "a\nb", "\xc3\xa9"};
    char longer[RI_ZONE_NAME_MAX + 2];
    memset(longer, 'a', sizeof longer);
    ck_assert(ri_zone_is_name((ri_str){longer, RI_ZONE_NAME_MAX}));
    ck_assert(!ri_zone_is_name((ri_str){longer, RI_ZONE_NAME_MAX + 1}));
    ck_assert(ri_zone_is_name(RI_STR("Etc/GMT+1")));
    for (size_t i = 0; i < RI_LEN(bad); i++)
        ck_assert_msg(!ri_zone_is_name(ri_str_of(bad[i])), "%s", bad[i]);
}
END_TEST

SUITE_MAIN("zone", test_rule, test_cron, test_database, test_names)
