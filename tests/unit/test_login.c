/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that the program answers: who owns one when, in every order of answer, end and close. */
#include <string.h>

#include "base/error.h"
#include "front/broker/login.h"
#include "support/fault.h"
#include "support/suite.h"

static const rill_user ada = {.size = sizeof ada, .user = "ada"};
static const rill_login facts = {.size = sizeof facts, .peer = "1.2.3.4:5", .user = "u",
                                 .password = "p"};
static int woken;

static void wake(void *arg)
{
    (void)arg;
    woken++;
}

static ri_login_desk *desk_of(const ri_host *host)
{
    ri_login_desk *desk;
    woken = 0;
    ck_assert_int_eq(ri_login_desk_new(host, wake, NULL, &desk), RILL_OK);
    return desk;
}

static ri_login *ask(ri_login_desk *desk)
{
    ri_login *login;
    ck_assert_int_eq(ri_login_new(desk, &facts, desk, &login), RILL_OK);
    return login;
}

START_TEST(answers)
{
    fault f;
    fault_init(&f);
    ri_login_desk *desk = desk_of(&f.host);
    ri_login *first = ask(desk), *second = ask(desk);
    ck_assert_str_eq(first->facts.user, "u");
    ck_assert_ptr_null(first->facts.token);
    ck_assert_ptr_null(ri_login_next(desk));
    ck_assert_int_eq(ri_login_answer(second, &ada, NULL), RILL_OK);
    ck_assert_int_eq(ri_login_answer(first, NULL, "no"), RILL_OK);
    ck_assert_int_eq(woken, 2);
    ck_assert_ptr_eq(ri_login_next(desk), second);
    ck_assert_str_eq(ri_access_name(ri_access_first(second->access)), "ada");
    ri_login_free(second);
    ck_assert_int_eq(ri_login_answer(first, &ada, NULL), RILL_EINVAL); /* a second time */
    ck_assert_ptr_eq(ri_login_next(desk), first);
    ck_assert_ptr_null(first->access);
    ck_assert_str_eq(first->why, "no");
    ri_login_free(first);
    ri_login_desk_close(desk);
    fault_fini(&f);
}
END_TEST

/* The asker goes: before the answer, behind it, and with the door; the desk lives as long as the
 * last login. */
START_TEST(askers_go)
{
    fault f;
    fault_init(&f);
    ri_login_desk *desk = desk_of(&f.host);
    ri_login *before = ask(desk), *behind = ask(desk), *door = ask(desk);
    ri_login_forget(before);
    ck_assert_int_eq(ri_login_answer(before, &ada, NULL), RILL_OK);
    ck_assert_int_eq(woken, 0);
    ck_assert_int_eq(ri_login_answer(behind, &ada, NULL), RILL_OK);
    ck_assert_int_eq(woken, 1);
    ri_login_forget(behind);
    ck_assert_ptr_null(ri_login_next(desk));
    ri_login_forget(door);
    ri_login_desk_close(desk);
    ck_assert_int_eq(ri_login_answer(door, NULL, NULL), RILL_OK);
    ck_assert_int_eq(woken, 1);
    ri_login_desk_close(NULL);
    fault_fini(&f);
}
END_TEST

START_TEST(no_user)
{
    fault f;
    fault_init(&f);
    const rill_user nameless = {.size = sizeof nameless};
    ri_login_desk *desk = desk_of(&f.host);
    ri_login *login = ask(desk);
    ck_assert_int_eq(ri_login_answer(login, &nameless, NULL), RILL_EINVAL);
    ck_assert_int_eq(ri_login_answer(login, NULL, NULL), RILL_OK); /* still to be answered */
    ri_login_forget(login);
    ri_login_desk_close(desk);
    fault_fini(&f);
}
END_TEST

START_TEST(full)
{
    fault f;
    fault_init(&f);
    static ri_login *logins[RI_LOGINS_OPEN];
    ri_login_desk *desk = desk_of(&f.host);
    for (size_t i = 0; i < RI_LOGINS_OPEN; i++) {
        ck_assert(!ri_login_desk_is_full(desk));
        logins[i] = ask(desk);
    }
    ck_assert(ri_login_desk_is_full(desk));
    ri_login_forget(logins[0]); /* the program has it yet */
    ck_assert(ri_login_desk_is_full(desk));
    ck_assert_int_eq(ri_login_answer(logins[0], NULL, NULL), RILL_OK);
    ck_assert(!ri_login_desk_is_full(desk));
    for (size_t i = 1; i < RI_LOGINS_OPEN; i++) {
        ck_assert_int_eq(ri_login_answer(logins[i], NULL, NULL), RILL_OK);
        ri_login_forget(logins[i]);
    }
    ri_login_desk_close(desk);
    fault_fini(&f);
}
END_TEST

static int faults_run(fault *f, void *arg)
{
    (void)arg;
    ri_login_desk *desk;
    ri_login *login;
    int rc = ri_login_desk_new(&f->host, wake, NULL, &desk);
    if (rc < 0) return rc;
    if ((rc = ri_login_new(desk, &facts, desk, &login)) == RILL_OK) {
        rc = ri_login_answer(login, &ada, NULL);
        if (rc < 0) ri_login_answer(login, NULL, NULL);
        ri_login_forget(login);
    }
    ri_login_desk_close(desk);
    return rc;
}

START_TEST(no_memory)
{
    ck_assert_uint_gt(fault_each(faults_run, NULL), 3);
}
END_TEST

SUITE_MAIN("login", answers, askers_go, no_user, full, no_memory)
