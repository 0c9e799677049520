/* SPDX-License-Identifier: Apache-2.0 */
/* The main() of a program of Check tests, which were written with START_TEST:
 *
 *     SUITE_MAIN("map", test_put, test_take)
 *     SUITE_MAIN_ROWS("queue", SUITE_ONCE(test_empty), SUITE_EACH(3, test_put, test_take))
 *
 * A test of SUITE_EACH runs for each _i from 0 on. */
#ifndef RI_TEST_MAIN_H
#define RI_TEST_MAIN_H

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Valgrind runs the test: each step takes some fifty times as long, and loops go in longer ones. */
static inline bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

typedef struct suite_row {
    int times;
    void (*setup)(void), (*teardown)(void); /* around each test, or NULL */
    const TTest *const *tests;              /* the last one is NULL */
} suite_row;

#define SUITE_LIST(...) .tests = (const TTest *const[]){__VA_ARGS__, NULL}
#define SUITE_ONCE(...) SUITE_EACH(1, __VA_ARGS__)
#define SUITE_EACH(count, ...) {.times = (int)(count), SUITE_LIST(__VA_ARGS__)}
#define SUITE_WITH(before, behind, ...) \
    {.times = 1, .setup = (before), .teardown = (behind), SUITE_LIST(__VA_ARGS__)}

static inline int suite_run(const char *name, const suite_row *rows, size_t nrows,
                            enum fork_status fork_status)
{
    Suite *suite = suite_create(name);
    for (const suite_row *row = rows; row < rows + nrows; row++) {
        TCase *tcase = tcase_create(name);
        if (row->setup) tcase_add_checked_fixture(tcase, row->setup, row->teardown);
        for (const TTest *const *test = row->tests; *test; test++)
            tcase_add_loop_test(tcase, *test, 0, row->times);
        suite_add_tcase(suite, tcase);
    }
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, fork_status);
    /* Behind each assertion Check moves twice as many bytes, which is most of the time there. */
    if (under_valgrind()) setenv("CK_MAX_MSG_SIZE", "1024", 1);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define SUITE_MAIN_ROWS(name, ...)                                                        \
    int main(void)                                                                        \
    {                                                                                     \
        const suite_row rows[] = {__VA_ARGS__};                                           \
        return suite_run(name, rows, sizeof rows / sizeof *rows, CK_FORK_GETENV);         \
    }
#define SUITE_MAIN(name, ...) SUITE_MAIN_ROWS(name, SUITE_ONCE(__VA_ARGS__))

#endif
