/* SPDX-License-Identifier: Apache-2.0 */
/* What a coordinator may be configured with, by Kafka's names of it: lines of "name=value". */
#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "codec/limits.h"
#include "engine/groups/groups.h"

enum { GROUPS_CONF_MINUTE_MS = 60000 };

typedef enum conf_kind {
    CONF_I32,     /* int32_t */
    CONF_U32,     /* uint32_t */
    CONF_MINUTES, /* int64_t of ms, said in minutes */
    CONF_POLICY,  /* ri_groups_migration, by its name */
} conf_kind;

#define GROUPS_CONF_AT(field) offsetof(ri_groups_conf, field)

static const struct groups_conf_row {
    const char *name;
    conf_kind kind;
    size_t offset;
    int64_t min, max;
} groups_conf_rows[] = {
    {"group.min.session.timeout.ms", CONF_I32, GROUPS_CONF_AT(min_session_ms), 1, INT32_MAX},
    {"group.max.session.timeout.ms", CONF_I32, GROUPS_CONF_AT(max_session_ms), 1, INT32_MAX},
    {"group.initial.rebalance.delay.ms", CONF_I32, GROUPS_CONF_AT(initial_delay_ms), 0, INT32_MAX},
    {"group.max.size", CONF_U32, GROUPS_CONF_AT(max_size), 1, INT32_MAX},
    {"offsets.retention.minutes", CONF_MINUTES, GROUPS_CONF_AT(retention_ms), 1, INT32_MAX},
    {"offsets.retention.check.interval.ms", CONF_I32, GROUPS_CONF_AT(sweep_ms), 1, INT32_MAX},
    {"offset.metadata.max.bytes", CONF_U32, GROUPS_CONF_AT(offset_metadata_bytes), 0,
     RI_LIMIT_OFFSET_METADATA},
    {"group.consumer.session.timeout.ms", CONF_I32, GROUPS_CONF_AT(modern_session_ms), 1,
     INT32_MAX},
    {"group.consumer.heartbeat.interval.ms", CONF_I32, GROUPS_CONF_AT(modern_interval_ms), 1,
     INT32_MAX},
    {"group.consumer.assignment.interval.ms", CONF_I32, GROUPS_CONF_AT(assign_ms), 0, INT32_MAX},
    {"group.consumer.max.size", CONF_U32, GROUPS_CONF_AT(modern_max_size), 1, INT32_MAX},
    {"group.consumer.migration.policy", CONF_POLICY, GROUPS_CONF_AT(migration), 0, 0},
};

static ri_str groups_conf_trim(ri_str s)
{
    while (s.len && (unsigned char)s.ptr[0] <= ' ') s = ri_str_from(s, 1);
    while (s.len && (unsigned char)s.ptr[s.len - 1] <= ' ') s.len--;
    return s;
}

static int groups_conf_policy(ri_str value, ri_groups_migration *out)
{
    for (int policy = RI_GROUPS_DISABLED; policy <= RI_GROUPS_BIDIRECTIONAL; policy++) {
        *out = (ri_groups_migration)policy;
        if (ri_str_eq_nocase(value, ri_str_of(ri_groups_migration_name(*out)))) return RILL_OK;
    }
    return ri_err(RILL_EINVAL, "group.consumer.migration.policy is disabled, upgrade, downgrade or "
                  "bidirectional, not %.*s", (int)RI_MIN(value.len, (size_t)80), value.ptr);
}

static int groups_conf_set(ri_groups_conf *conf, const struct groups_conf_row *row, ri_str value)
{
    RI_ASSERT(row->offset < sizeof *conf);
    int64_t n;
    char *field = (char *)conf + row->offset;
    if (row->kind == CONF_POLICY) return groups_conf_policy(value, &conf->migration);
    if (!ri_number_read_i64(value, &n) || n < row->min || n > row->max)
        return ri_err(RILL_EINVAL, "%s is a number from %lld to %lld, not %.*s", row->name,
                      (long long)row->min, (long long)row->max,
                      (int)RI_MIN(value.len, (size_t)80), value.len ? value.ptr : "");
    int32_t small = (int32_t)n;
    uint32_t count = (uint32_t)n;
    int64_t ms = n * GROUPS_CONF_MINUTE_MS;
    if (row->kind == CONF_I32) memcpy(field, &small, sizeof small);
    else if (row->kind == CONF_U32) memcpy(field, &count, sizeof count);
    else memcpy(field, &ms, sizeof ms);
    return RILL_OK;
}

static int groups_conf_line(ri_groups_conf *conf, ri_str line)
{
    ri_str name;
    line = groups_conf_trim(line);
    if (line.len == 0 || line.ptr[0] == '#') return RILL_OK;
    if (!memchr(line.ptr, '=', line.len) || !ri_str_cut(&line, '=', &name))
        return ri_err(RILL_EINVAL, "\"%.*s\" has no =", (int)RI_MIN(line.len, (size_t)80),
                      line.ptr);
    name = groups_conf_trim(name);
    for (size_t i = 0; i < RI_LEN(groups_conf_rows); i++)
        if (ri_str_is(name, groups_conf_rows[i].name))
            return groups_conf_set(conf, &groups_conf_rows[i], groups_conf_trim(line));
    return ri_err(RILL_EINVAL, "%.*s is no setting of groups that this broker has",
                  (int)RI_MIN(name.len, (size_t)80), name.len ? name.ptr : "");
}

/* What each is beside the others. */
static int groups_conf_check(const ri_groups_conf *conf)
{
    if (conf->min_session_ms > conf->max_session_ms)
        return ri_err(RILL_EINVAL, "group.min.session.timeout.ms is %d, and "
                      "group.max.session.timeout.ms %d", conf->min_session_ms,
                      conf->max_session_ms);
    if (conf->modern_interval_ms >= conf->modern_session_ms)
        return ri_err(RILL_EINVAL, "group.consumer.heartbeat.interval.ms is %d: less than "
                      "group.consumer.session.timeout.ms, which is %d", conf->modern_interval_ms,
                      conf->modern_session_ms);
    return RILL_OK;
}

int ri_groups_conf_read(ri_groups_conf *conf, const char *text)
{
    RI_ASSERT(conf);
    ri_str rest = ri_str_of(text), line;
    int rc = RILL_OK;
    ri_groups_conf_init(conf);
    while (rc == RILL_OK && rest.len && ri_str_cut(&rest, '\n', &line))
        rc = groups_conf_line(conf, line);
    return rc == RILL_OK ? groups_conf_check(conf) : rc;
}
