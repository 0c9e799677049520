/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the coordinator of groups, by Kafka's names. */
#include <string.h>

#include "base/error.h"
#include "engine/groups/groups.h"
#include "support/suite.h"

START_TEST(test_all)
{
    ri_groups_conf conf;
    ck_assert_ok(ri_groups_conf_read(&conf,
        "group.min.session.timeout.ms=1\n"
        "group.max.session.timeout.ms = 2\n"
        "  group.initial.rebalance.delay.ms=0  \n"
        "# a remark\n\n"
        "group.max.size=3\r\n"
        "offsets.retention.minutes=4\n"
        "offsets.retention.check.interval.ms=5\n"
        "offset.metadata.max.bytes=6\n"
        "group.consumer.session.timeout.ms=8\n"
        "group.consumer.heartbeat.interval.ms=7\n"
        "group.consumer.assignment.interval.ms=9\n"
        "group.consumer.max.size=10\n"
        "group.consumer.migration.policy=Upgrade"));
    ck_assert_int_eq(conf.min_session_ms, 1);
    ck_assert_int_eq(conf.max_session_ms, 2);
    ck_assert_int_eq(conf.initial_delay_ms, 0);
    ck_assert_uint_eq(conf.max_size, 3);
    ck_assert_int_eq(conf.retention_ms, 4 * 60000);
    ck_assert_int_eq(conf.sweep_ms, 5);
    ck_assert_uint_eq(conf.offset_metadata_bytes, 6);
    ck_assert_int_eq(conf.modern_interval_ms, 7);
    ck_assert_int_eq(conf.modern_session_ms, 8);
    ck_assert_int_eq(conf.assign_ms, 9);
    ck_assert_uint_eq(conf.modern_max_size, 10);
    ck_assert_int_eq(conf.migration, RI_GROUPS_UPGRADE);
}
END_TEST

/* Nothing said is Kafka's default; a line says the last word. */
START_TEST(test_defaults)
{
    ri_groups_conf conf, defaults;
    ri_groups_conf_init(&defaults);
    const char *const none[] = {NULL, "", "\n\n", "# nothing"};
    for (size_t i = 0; i < RI_LEN(none); i++) {
        ck_assert_ok(ri_groups_conf_read(&conf, none[i]));
        ck_assert_int_eq(conf.min_session_ms, defaults.min_session_ms);
        ck_assert_int_eq(conf.retention_ms, defaults.retention_ms);
        ck_assert_int_eq(conf.migration, defaults.migration);
    }
    ck_assert_ok(ri_groups_conf_read(&conf, "group.max.size=3\ngroup.max.size=4"));
    ck_assert_uint_eq(conf.max_size, 4);
    ck_assert_ok(ri_groups_conf_read(&conf, "offsets.retention.minutes=2147483647"));
    ck_assert_int_eq(conf.retention_ms, INT64_C(2147483647) * 60000);
}
END_TEST

START_TEST(test_wrong)
{
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"group.max.size", "\"group.max.size\" has no ="},
        {"=", " is no setting of groups that this broker has"},
        {"log.dirs=/x", "log.dirs is no setting of groups that this broker has"},
        {"group.max.size=", "group.max.size is a number from 1 to 2147483647, not "},
        {"group.max.size=0", "group.max.size is a number from 1 to 2147483647, not 0"},
        {"group.max.size=2147483648",
         "group.max.size is a number from 1 to 2147483647, not 2147483648"},
        {"group.max.size=99999999999999999999999",
         "group.max.size is a number from 1 to 2147483647, not 99999999999999999999999"},
        {"group.initial.rebalance.delay.ms=-1",
         "group.initial.rebalance.delay.ms is a number from 0 to 2147483647, not -1"},
        {"offset.metadata.max.bytes=4097",
         "offset.metadata.max.bytes is a number from 0 to 4096, not 4097"},
        {"group.consumer.migration.policy=up",
         "group.consumer.migration.policy is disabled, upgrade, downgrade or bidirectional, not "
         "up"},
        {"group.max.session.timeout.ms=5999",
         "group.min.session.timeout.ms is 6000, and group.max.session.timeout.ms 5999"},
        {"group.consumer.session.timeout.ms=5000",
         "group.consumer.heartbeat.interval.ms is 5000: less than "
         "group.consumer.session.timeout.ms, which is 5000"},
    };
    ri_groups_conf conf;
    for (size_t i = 0; i < RI_LEN(wrong); i++) {
        ck_assert_int_eq(ri_groups_conf_read(&conf, wrong[i].text), RILL_EINVAL);
        ck_assert_str_eq(ri_err_text(), wrong[i].why);
    }
}
END_TEST

/* However it is cut off, it is read or refused, and nothing else. */
START_TEST(test_cut)
{
    static const char text[] = "group.max.size=12\ngroup.consumer.migration.policy=disabled\n";
    char part[sizeof text];
    ri_groups_conf conf;
    for (size_t len = 0; len < sizeof text; len++) {
        memcpy(part, text, len);
        part[len] = 0;
        int rc = ri_groups_conf_read(&conf, part);
        ck_assert(rc == RILL_OK || rc == RILL_EINVAL);
        if (len >= 17) ck_assert_uint_eq(conf.max_size, 12);
    }
}
END_TEST

SUITE_MAIN("groups_conf", test_all, test_defaults, test_wrong, test_cut)
