/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "store/keep/compaction.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

static fault f;
static ri_compaction c;

static void begin(uint32_t max_keys)
{
    fault_init(&f);
    ri_compaction_init(&c, &f.host, max_keys);
}

static void end(void)
{
    ri_compaction_fini(&c);
    fault_fini(&f);
}

static ri_compaction_verdict judge(const char *key, uint64_t seq, bool tombstone, int64_t horizon)
{
    ri_compaction_record r = {ri_str_of(key), seq, tombstone, horizon};
    return ri_compaction_judge(&c, &r, 1000);
}

START_TEST(test_verdicts)
{
    begin(100);
    ck_assert_int_eq(judge("a", 1, false, -1), RI_COMPACTION_KEEP); /* nothing was shown yet */
    ck_assert_ok(ri_compaction_note(&c, RI_STR("a"), 2));
    ck_assert_ok(ri_compaction_note(&c, RI_STR("b"), 3));
    ck_assert_ok(ri_compaction_note(&c, RI_STR("a"), 5));
    ck_assert_ok(ri_compaction_note(&c, RI_STR_NONE, 6));
    ck_assert_ok(ri_compaction_note(&c, RI_STR(""), 7));
    ck_assert_int_eq(judge("a", 1, false, -1), RI_COMPACTION_DEAD); /* older than the range */
    ck_assert_int_eq(judge("a", 2, false, -1), RI_COMPACTION_DEAD);
    ck_assert_int_eq(judge("a", 5, false, -1), RI_COMPACTION_KEEP);
    ck_assert_int_eq(judge("b", 3, false, -1), RI_COMPACTION_KEEP);
    ck_assert_int_eq(judge("z", 1, false, -1), RI_COMPACTION_KEEP); /* no newer one */
    ck_assert_int_eq(judge(NULL, 6, false, -1), RI_COMPACTION_DEAD); /* no key */
    ck_assert_int_eq(judge("", 4, false, -1), RI_COMPACTION_DEAD);  /* the empty key is one */
    ck_assert_int_eq(judge("", 7, false, -1), RI_COMPACTION_KEEP);
    ck_assert_int_eq(judge("a", 8, false, -1), RI_COMPACTION_KEEP); /* behind what was shown */
    ck_assert_int_eq(judge(NULL, 8, false, -1), RI_COMPACTION_KEEP);
    ck_assert_int_eq(judge("a", 2, true, 2000), RI_COMPACTION_DEAD); /* superseded tombstone */
    ck_assert_int_eq(judge("b", 3, true, -1), RI_COMPACTION_STAMP);
    ck_assert_int_eq(judge("b", 3, true, 1001), RI_COMPACTION_KEEP);
    ck_assert_int_eq(judge("b", 3, true, 1000), RI_COMPACTION_DEAD);
    end();
}
END_TEST

START_TEST(test_bound)
{
    begin(100);
    char key[2] = "";
    for (uint64_t i = 0; i < 100; i++) {
        key[0] = (char)i;
        ck_assert_ok(ri_compaction_note(&c, (ri_str){key, 1}, i + 1));
    }
    ck_assert_rc(ri_compaction_note(&c, RI_STR("new"), 101), RILL_EFULL);
    ck_assert_uint_eq(c.end_seq, 101); /* the round ends before it */
    ck_assert_int_eq(judge("new", 101, false, -1), RI_COMPACTION_KEEP);
    key[0] = 5;
    ck_assert_ok(ri_compaction_note(&c, (ri_str){key, 1}, 101)); /* known ones go on */
    end();
}
END_TEST

/* What is not dead is the last of each key, of a random log. */
START_TEST(test_model)
{
    enum { RECORDS = 20000, KEYS = 3000 };
    begin(KEYS);
    rng r;
    rng_init(&r, rng_seed(1));
    static uint32_t keys[RECORDS];
    static uint32_t last[KEYS];
    for (uint32_t i = 0; i < RECORDS; i++) {
        keys[i] = (uint32_t)rng_below(&r, KEYS);
        last[keys[i]] = i;
        ck_assert_ok(ri_compaction_note(&c, (ri_str){(char *)&keys[i], 4}, i + 1));
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        ri_compaction_record record = {{(char *)&keys[i], 4}, i + 1, false, -1};
        ck_assert_int_eq(ri_compaction_judge(&c, &record, 1000),
                         last[keys[i]] == i ? RI_COMPACTION_KEEP : RI_COMPACTION_DEAD);
    }
    end();
}
END_TEST

static int body(fault *at, void *arg)
{
    (void)arg;
    ri_compaction cc;
    ri_compaction_init(&cc, &at->host, 200);
    int rc = 0;
    uint64_t n = 0;
    for (; n < 200 && rc == 0; n++) {
        rc = ri_compaction_note(&cc, (ri_str){(char *)&n, sizeof n}, n + 1);
        ck_assert_uint_eq(cc.end_seq, rc == 0 ? n + 2 : n ? n + 1 : 0);
        ck_assert_uint_eq(cc.len, rc == 0 ? n + 1 : n);
    }
    ri_compaction_fini(&cc);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(body, NULL), 3);
}
END_TEST

SUITE_MAIN("compaction", test_verdicts, test_bound, test_model, test_faults)
