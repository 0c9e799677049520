/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/cron.h"

#include "base/rfc3339.h"
#include "support/guard.h"
#include "support/suite.h"

static int64_t at(const char *text)
{
    int64_t ns;
    ck_assert(ri_rfc3339_read(ri_str_of(text), &ns));
    return ns;
}

START_TEST(test_next)
{
    static const struct { const char *cron, *after, *next; } rows[] = {
        {"* * * * * *", "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z"},
        {"0 * * * * *", "2026-01-02T03:04:05Z", "2026-01-02T03:05:00Z"},
        {"0 0 * * * *", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
        {"@hourly", "2026-01-02T03:00:00Z", "2026-01-02T04:00:00Z"},
        {"@daily", "2026-02-28T03:00:00Z", "2026-03-01T00:00:00Z"},
        {"@midnight", "2028-02-28T03:00:00Z", "2028-02-29T00:00:00Z"},
        {"@weekly", "2026-01-02T03:00:00Z", "2026-01-04T00:00:00Z"},
        {"@monthly", "2026-01-02T03:00:00Z", "2026-02-01T00:00:00Z"},
        {"@yearly", "2026-01-02T03:00:00Z", "2027-01-01T00:00:00Z"},
        {"0 30 9 * * mon-fri", "2026-01-02T09:30:00Z", "2026-01-05T09:30:00Z"},
        {"*/20 1,2 * * * *", "2026-01-02T03:01:40Z", "2026-01-02T03:02:00Z"},
        {"0 0 12 13 * fri", "2026-01-03T00:00:00Z", "2026-01-09T12:00:00Z"},
        {"0 0 0 29 feb *", "2026-01-03T00:00:00Z", "2028-02-29T00:00:00Z"},
        {"0 0 0 * * 7", "2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z"},
        {"5/10 0 0 1 1 ?", "2026-01-01T00:00:15Z", "2026-01-01T00:00:25Z"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_cron cron;
        size_t len = strlen(rows[i].cron);
        ck_assert_msg(ri_cron_read((ri_str){guard_copy(rows[i].cron, len), len}, &cron), "%s",
                      rows[i].cron);
        char text[RI_RFC3339_MAX + 1];
        text[ri_rfc3339_write(text, ri_cron_next(&cron, at(rows[i].after)))] = 0;
        ck_assert_str_eq(text, rows[i].next);
    }
    ri_cron never;
    ck_assert(ri_cron_read(RI_STR("0 0 0 31 feb *"), &never));
    ck_assert_int_eq(ri_cron_next(&never, at("2026-01-01T00:00:00Z")), INT64_MAX);
}
END_TEST

START_TEST(test_refused)
{
    static const char *const bad[] = {"", "* * * * *", "* * * * * * *", "60 * * * * *",
                                      "* * 24 * * *",
                                      "* * * 0 * *", "* * * * 13 *", "* * * * * 8", "a * * * * *",
                                      "5-3 * * * * *", "*/0 * * * * *", "1,, * * * * *", "@often"};
    for (size_t i = 0; i < RI_LEN(bad); i++) {
        ri_cron cron;
        size_t len = strlen(bad[i]);
        ck_assert_msg(!ri_cron_read((ri_str){guard_copy(bad[i], len), len}, &cron), "%s", bad[i]);
    }
}
END_TEST

SUITE_MAIN("cron", test_next, test_refused)
