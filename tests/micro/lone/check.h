/* SPDX-License-Identifier: Apache-2.0 */
/* As much of Check as the tests of this folder use, for a machine that has no Check: tests run one
 * after the other in one process, and the first failure ends it. */
#ifndef LONE_CHECK_H
#define LONE_CHECK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum fork_status { CK_FORK_GETENV };
enum print_output { CK_ENV };
typedef struct TTest {
    void (*run)(int _i);
    const char *name;
} TTest;
typedef struct Suite {
    const char *name;
    int ran;
} Suite;
typedef Suite TCase;
typedef Suite SRunner;

#define START_TEST(test)                             \
    static void test##_run(int _i);                  \
    static const TTest test##_row = {test##_run, #test}; \
    static const TTest *const test = &test##_row;    \
    static void test##_run(int _i)                   \
    {                                                \
        (void)_i;
#define END_TEST }

#define ck_fail(...)                                 \
    do {                                             \
        printf("%s:%d: ", __FILE__, __LINE__);       \
        printf(__VA_ARGS__);                         \
        printf("\n");                                \
        exit(1);                                     \
    } while (0)
#define ck_abort_msg(...) ck_fail(__VA_ARGS__)
#define ck_assert_msg(holds, ...) \
    do {                          \
        if (!(holds)) ck_fail(__VA_ARGS__); \
    } while (0)
#define ck_assert(holds) ck_assert_msg(holds, "%s", #holds)
#define CK_NUMBERS(type, form, a, op, b)                                                       \
    do {                                                                                       \
        type a_ = (type)(a), b_ = (type)(b);                                                   \
        ck_assert_msg(a_ op b_, "%s %s %s: %" form ", %" form, #a, #op, #b, a_, b_);           \
    } while (0)
#define ck_assert_int_eq(a, b) CK_NUMBERS(intmax_t, PRIdMAX, a, ==, b)
#define ck_assert_int_ge(a, b) CK_NUMBERS(intmax_t, PRIdMAX, a, >=, b)
#define ck_assert_int_gt(a, b) CK_NUMBERS(intmax_t, PRIdMAX, a, >, b)
#define ck_assert_int_le(a, b) CK_NUMBERS(intmax_t, PRIdMAX, a, <=, b)
#define ck_assert_int_lt(a, b) CK_NUMBERS(intmax_t, PRIdMAX, a, <, b)
#define ck_assert_uint_eq(a, b) CK_NUMBERS(uintmax_t, PRIuMAX, a, ==, b)
#define ck_assert_uint_lt(a, b) CK_NUMBERS(uintmax_t, PRIuMAX, a, <, b)
#define ck_assert_uint_ne(a, b) CK_NUMBERS(uintmax_t, PRIuMAX, a, !=, b)
#define ck_assert_str_eq(a, b) \
    ck_assert_msg(strcmp(a, b) == 0, "%s == %s: \"%s\", \"%s\"", #a, #b, a, b)
#define ck_assert_str_ne(a, b) ck_assert_msg(strcmp(a, b) != 0, "%s is \"%s\"", #a, a)
#define ck_assert_ptr_null(p) ck_assert_msg((p) == NULL, "%s is not NULL", #p)
#define ck_assert_ptr_nonnull(p) ck_assert_msg((p) != NULL, "%s is NULL", #p)

static Suite lone_suite;

static inline Suite *suite_create(const char *name)
{
    lone_suite = (Suite){name, 0};
    return &lone_suite;
}

#define tcase_create(name) (&lone_suite)
#define tcase_add_checked_fixture(tcase, before, behind) ((void)0)
#define suite_add_tcase(suite, tcase) ((void)(tcase))
#define srunner_create(suite) (suite)
#define srunner_set_fork_status(runner, status) ((void)(status))
#define srunner_run_all(runner, mode) ((void)0)
#define srunner_ntests_failed(runner) \
    (printf("100%%: %s: Checks: %d, Failures: 0\n", (runner)->name, (runner)->ran), 0)
#define srunner_free(runner) ((void)0)

static inline void tcase_add_loop_test(TCase *tcase, const TTest *test, int from, int to)
{
    for (int i = from; i < to; i++) {
        test->run(i);
        tcase->ran++;
    }
}

#endif
