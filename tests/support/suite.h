/* SPDX-License-Identifier: Apache-2.0 */
/* What a unit test has beside Check's own assertions. */
#ifndef RI_TEST_SUITE_H
#define RI_TEST_SUITE_H

#include "base/defs.h"
#include "support/main.h"

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

#endif
