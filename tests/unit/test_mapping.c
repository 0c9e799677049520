/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/subject/mapping.h"

#include <stdio.h>

#include "base/error.h"
#include "codec/limits.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

#define PERCENT(n) ((uint64_t)(n) << 32) /* a roll of the dice */

/* What becomes of the subject: itself, another one, or "". */
static const char *mapped(const ri_mappings *m, const char *subject, uint64_t random,
                          const ri_host *host)
{
    static char out[256];
    ri_buffer b;
    uint32_t units;
    size_t len = strlen(subject);
    ri_buffer_init(&b, host);
    ri_mapped how = ri_mappings_apply(m, (ri_str){guard_copy(subject, len), len}, random, &b,
                                      &units);
    ck_assert_uint_lt(units, 200);
    if (how == RI_MAPPED_NOT) snprintf(out, sizeof out, "%s", subject);
    else if (how == RI_MAPPED_NOWHERE) out[0] = 0;
    else snprintf(out, sizeof out, "%.*s", RI_ARG(ri_buffer_str(&b)));
    ri_buffer_fini(&b);
    return out;
}

#define ROW(...) (&(const rill_mapping){sizeof(rill_mapping), __VA_ARGS__, 0})

static const rill_mapping *const some[] = {
    ROW("w.>", "any.>", 0), ROW("w.*.*", "never", 0), ROW("w.x.y", "literal", 0),
    ROW("a.*", "b.$1", 40), ROW("half", "half.b", 50), ROW("a.*", "c.{{wildcard(1)}}", 30),
    ROW("lost", "lost", 50), ROW("lost", "kept", 25), ROW("blank", "b c", 0),
};

START_TEST(test_where)
{
    static const struct {
        const char *subject;
        uint64_t random;
        const char *want;
    } rows[] = {
        {"w.a.b", 0, "any.a.b"},     /* the first of those with wildcards */
        {"w.x.y", 0, "literal"},     /* but one without is before them */
        {"w", 0, "w"}, {"any.a", 0, "any.a"}, {"w.*.b", 0, "w.*.b"}, {"w..b", 0, "w..b"},
        {"a.q", 0, "b.q"}, {"a.q", PERCENT(39), "b.q"}, {"a.q", PERCENT(40), "c.q"},
        {"a.q", PERCENT(69), "c.q"}, {"a.q", PERCENT(70), "a.q"}, {"half", PERCENT(49), "half.b"},
        {"half", PERCENT(50), "half"}, {"lost", PERCENT(49), "lost"}, {"lost", PERCENT(74), "kept"},
        {"lost", PERCENT(75), ""}, {"blank", 0, ""}, /* what is no subject goes nowhere */
    };
    fault f;
    ri_mappings *m;
    fault_init(&f);
    ck_assert_ok(ri_mappings_new(&f.host, some, RI_LEN(some), &m));
    for (size_t i = 0; i < RI_LEN(rows); i++)
        ck_assert_str_eq(mapped(m, rows[i].subject, rows[i].random, &f.host), rows[i].want);
    ri_mappings_free(m);
    ck_assert_ok(ri_mappings_new(&f.host, NULL, 0, &m));
    ck_assert_ptr_null(m);
    fault_fini(&f);
}
END_TEST

START_TEST(test_refused)
{
    const rill_mapping *const rows[] = {
        ROW(NULL, "b", 0), ROW("a", NULL, 0), ROW("a..b", "b", 0), ROW("", "b", 0),
        ROW("a", "b.$1", 0),
        ROW("a.>", "b", 0), ROW("a", "b", 101), ROW("a.*", "b.{{none(1)}}", 0), ROW("a", "b.*", 0),
    };
    static const rill_mapping *many[RI_LIMIT_MAPPINGS + 1];
    fault f;
    ri_mappings *m;
    fault_init(&f);
    for (size_t i = 0; i < RI_LEN(rows); i++)
        ck_assert_rc(ri_mappings_new(&f.host, &rows[i], 1, &m), RILL_EINVAL);
    const rill_mapping *const twice[] = {ROW("a", "b", 60), ROW("a", "c", 41)};
    ck_assert_rc(ri_mappings_new(&f.host, twice, 2, &m), RILL_EINVAL);
    ck_assert_rc(ri_mappings_new(&f.host, many, RI_LEN(many), &m), RILL_ETOOBIG);
    fault_fini(&f);
}
END_TEST

static int fault_new(fault *f, void *arg)
{
    (void)arg;
    ri_mappings *m;
    int rc = ri_mappings_new(&f->host, some, RI_LEN(some), &m);
    if (rc >= 0) ri_mappings_free(m);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_gt(fault_each(fault_new, NULL), RI_LEN(some));
}
END_TEST

SUITE_MAIN("mapping", test_where, test_refused, test_faults)
