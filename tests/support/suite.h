/* SPDX-License-Identifier: Apache-2.0 */
/* The main() of a unit test: SUITE_MAIN("map", test_put, test_take) runs Check tests that were
 * written with START_TEST. */
#ifndef RI_TEST_SUITE_H
#define RI_TEST_SUITE_H

#include <check.h>
#include <stdlib.h>

#include "base/defs.h"

/* RILL_* codes compared with the sentence shown when they differ. */
#define ck_assert_rc(expr, want)                                                    \
    do {                                                                            \
        int rc_ = (expr);                                                           \
        ck_assert_msg(rc_ == (want), "%s is %d, not %d: %s", #expr, rc_, (int)(want), \
                      ri_err_text());                                               \
    } while (0)
#define ck_assert_ok(expr) ck_assert_rc(expr, 0)
/* For the inside of loops: Check's own write a word to a pipe each time. */
#define ck_quick(holds)                                                             \
    do {                                                                            \
        if (!(holds)) ck_abort_msg("broken: %s", #holds);                           \
    } while (0)
#define ck_assert_span(s, text)                                                     \
    ck_assert_msg(ri_str_is((s), (text)), "%s is \"%.*s\", not \"%s\"", #s, RI_ARG(s), (text))

#define SUITE_MAIN(name, ...)                                                       \
    int main(void)                                                                  \
    {                                                                               \
        const TTest *tests[] = {__VA_ARGS__};                                       \
        Suite *suite = suite_create(name);                                          \
        TCase *tcase = tcase_create(name);                                          \
        for (size_t i = 0; i < RI_LEN(tests); i++) tcase_add_test(tcase, tests[i]); \
        suite_add_tcase(suite, tcase);                                              \
        SRunner *runner = srunner_create(suite);                                    \
        srunner_run_all(runner, CK_ENV);                                            \
        int failed = srunner_ntests_failed(runner);                                 \
        srunner_free(runner);                                                       \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                \
    }

#endif
