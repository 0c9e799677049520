/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"

START_TEST(test_sentences)
{
    ck_assert_int_eq(ri_err(RILL_EIO, "pwrite %s at %d", "x.seg", 7), RILL_EIO);
    ck_assert_str_eq(ri_err_text(), "pwrite x.seg at 7");
    ck_assert_int_eq(ri_err_wrap(RILL_EIO, "stream %s", "ORDERS"), RILL_EIO);
    ck_assert_str_eq(ri_err_text(), "stream ORDERS: pwrite x.seg at 7");
    ck_assert_int_eq(ri_err_os(RILL_EFULL, ENOSPC, "write"), RILL_EFULL);
    ck_assert_str_eq(ri_err_text(), "write: No space left on device");
    ck_assert_int_eq(ri_err_nomem(42), RILL_ENOMEM);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "42"));
}
END_TEST

/* Longer than there is room for: cut, never beyond. */
START_TEST(test_long)
{
    char longest[2 * RI_ERROR_TEXT_MAX];
    memset(longest, 'e', sizeof longest);
    longest[sizeof longest - 1] = 0;
    ri_err(RILL_EIO, "%s", longest);
    ck_assert_uint_eq(strlen(ri_err_text()), RI_ERROR_TEXT_MAX - 1);
    ri_err_wrap(RILL_EIO, "%s", longest);
    ck_assert_uint_eq(strlen(ri_err_text()), RI_ERROR_TEXT_MAX - 1);
    ri_err_os(RILL_EIO, EIO, "%s", longest);
    ck_assert_uint_eq(strlen(ri_err_text()), RI_ERROR_TEXT_MAX - 1);
    longest[RI_ERROR_TEXT_MAX - 3] = 0;
    ri_err_os(RILL_EIO, EIO, "%s", longest); /* the colon is all that fits */
    ck_assert_uint_eq(strlen(ri_err_text()), RI_ERROR_TEXT_MAX - 1);
}
END_TEST

static void *other_thread(void *arg)
{
    *(bool *)arg = strcmp(ri_err_text(), "") == 0;
    ri_err(RILL_EIO, "another");
    return NULL;
}

START_TEST(test_threads)
{
    ri_err(RILL_EIO, "mine");
    bool was_empty = false;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, &was_empty), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(was_empty);
    ck_assert_str_eq(ri_err_text(), "mine");
}
END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(ri_err_name(0), "OK");
    ck_assert_str_eq(ri_err_name(RILL_ENOMEM), "ENOMEM");
    ck_assert_str_eq(ri_err_name(RILL_EBUG), "EBUG");
    ck_assert_str_eq(ri_err_name(-10000), "EUNKNOWN");
#define COUNT(name, num, text) +1
    enum { CODES = 0 RILL_ERROR_MAP(COUNT) };
    for (int code = -CODES; code < 0; code++) { /* each code has both texts */
        ck_assert_str_ne(ri_err_name(code), "EUNKNOWN");
        ck_assert_str_ne(ri_err_class(code), ri_err_class(1));
    }
    ck_assert_str_eq(ri_err_name(-CODES - 1), "EUNKNOWN");
    ck_assert_str_eq(ri_err_name(RILL_ERR_FIRST_), "EUNKNOWN");
}
END_TEST

/* A failure that is kept outlives the sentences that are made meanwhile, and other threads' too. */
START_TEST(test_failure)
{
    ri_failure kept, none;
    ck_assert_int_eq(ri_failure_keep(&kept, ri_err(RILL_EIO, "sync %s", "x.seg")), RILL_EIO);
    ri_err(RILL_EFULL, "another");
    ck_assert_int_eq(ri_failure_keep(&none, RILL_OK), RILL_OK);
    ck_assert_int_eq(ri_failure_restore(&none), 0);
    ck_assert_str_eq(ri_err_text(), "another");
    ri_failure copy = kept;
    ck_assert_int_eq(ri_failure_restore(&copy), RILL_EIO);
    ck_assert_str_eq(ri_err_text(), "sync x.seg");
}
END_TEST

SUITE_MAIN("error", test_failure, test_sentences, test_long, test_threads, test_names)
