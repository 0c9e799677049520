/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that the program answers: who owns one when, in every order of answer, end and close. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "front/broker/login.h"
#include "front/broker/peer_host.h"
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

static ri_login *ask_of(ri_login_desk *desk, const char *peer)
{
    ri_login *login;
    const rill_login of = {.size = sizeof of, .peer = peer};
    ck_assert_int_eq(ri_login_new(desk, &of, desk, &login), RILL_OK);
    return login;
}

static void answer_all(ri_login **logins, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(ri_login_answer(logins[i], NULL, NULL), RILL_OK);
        ri_login_forget(logins[i]);
    }
}

/* One host wants all places: it gets half of them, and another is asked about at once. What it has
 * got back it may have again. */
START_TEST(one_host_wants_all)
{
    enum { HALF = RI_LOGINS_OPEN / 2, MANY = RI_LOGINS_OPEN + 1 };
    fault f;
    fault_init(&f);
    static ri_login_seat seats[MANY];
    static ri_login *logins[HALF];
    ri_login_seat other = {0};
    ri_login_desk *desk = desk_of(&f.host);
    for (size_t i = 0; i < MANY; i++)
        ck_assert_int_eq(ri_login_seat_take(desk, i % 2 ? "9.9.9.9:1" : "9.9.9.9:2", &seats[i]),
                         RILL_OK);
    for (size_t i = 0; i < HALF; i++) {
        ck_assert_ptr_eq(ri_login_seat_next(desk, false), &seats[i]);
        logins[i] = ask_of(desk, "9.9.9.9:1");
    }
    ck_assert_ptr_null(ri_login_seat_next(desk, false));
    ck_assert_int_eq(ri_login_seat_take(desk, "1.2.3.4:1", &other), RILL_OK);
    ck_assert_ptr_eq(ri_login_seat_next(desk, false), &other);
    ck_assert_ptr_null(ri_login_seat_next(desk, false));
    ck_assert_int_eq(ri_login_answer(logins[0], NULL, NULL), RILL_OK);
    ck_assert_ptr_eq(ri_login_next(desk), logins[0]);
    ri_login_free(logins[0]);
    ck_assert_ptr_eq(ri_login_seat_next(desk, false), &seats[HALF]);
    for (size_t i = HALF + 1; i < MANY; i++) ri_login_seat_leave(desk, &seats[i]);
    ri_login_seat_leave(desk, &seats[0]); /* who sits nowhere */
    answer_all(logins + 1, HALF - 1);
    ri_login_desk_close(desk);
    fault_fini(&f);
}
END_TEST

/* Hosts take turns, however many of the first one came before, and each in its own order. */
START_TEST(hosts_take_turns)
{
    static const char *const peers[] = {"[::1]:1", "[::1]:2", "[::1]:3", "unix", "b:1", "[::1]:4"};
    static const int order[] = {0, 3, 4, 1, 2, 5};
    fault f;
    fault_init(&f);
    ri_login_seat seats[6] = {0};
    ri_login_desk *desk = desk_of(&f.host);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(ri_login_seat_take(desk, peers[i], &seats[i]), RILL_OK);
    for (size_t i = 0; i < 6; i++)
        ck_assert_ptr_eq(ri_login_seat_next(desk, false), &seats[order[i]]);
    ck_assert_ptr_null(ri_login_seat_next(desk, false));
    ri_login_desk_close(desk);
    fault_fini(&f);
}
END_TEST

START_TEST(a_host_is_an_address_or_half_of_one)
{
    static const char *const rows[][2] = {
        {"10.0.0.7:51234", "10.0.0.7"},
        {"[::ffff:10.0.0.7]:1", "10.0.0.7"},
        {"[2001:db8:1:2::3]:4", "2001:db8:1:2::/64"},
        {"[2001:db8:1:2:ffff:1:2:3]:65535", "2001:db8:1:2::/64"},
        {"[2001:db8:1:3::3]:4", "2001:db8:1:3::/64"},
        {"[::1]:4222", "::/64"},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", "ffff:ffff:ffff:ffff::/64"},
        {"@", "@"}, {"", ""}, {":", ""}, {"[]:1", "[]"}, {"[zz]:1", "zz"}, {"name:7", "name"},
    };
    char host[RI_PEER_HOST_MAX], longer[2 * RI_PEER_HOST_MAX];
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_peer_host(rows[i][0], host);
        ck_assert_str_eq(host, rows[i][1]);
    }
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    ri_peer_host(longer, host);
    ck_assert_uint_eq(strlen(host), sizeof host - 1);
}
END_TEST

/* Who has many addresses of one network has the share of one host. */
START_TEST(a_network_is_one_host)
{
    static const char *const peers[] = {"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1",
                                        "[2001:db8:0:1::1]:1"};
    static const int order[] = {0, 3, 1, 2};
    fault f;
    fault_init(&f);
    ri_login_seat seats[4] = {0};
    ri_login_desk *desk = desk_of(&f.host);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(ri_login_seat_take(desk, peers[i], &seats[i]), RILL_OK);
    for (size_t i = 0; i < 4; i++)
        ck_assert_ptr_eq(ri_login_seat_next(desk, false), &seats[order[i]]);
    ri_login_desk_close(desk);
    fault_fini(&f);
}
END_TEST

/* A place is free when its asker leaves, though the program has not answered; but who comes and
 * leaves again and again does not make it hold more than so many. The answers that come later are
 * nobody's, and wake the desk, at which somebody waits. */
START_TEST(who_leaves_gives_his_place_back)
{
    enum { HELD = RI_LOGINS_HELD / 2 };
    fault f;
    fault_init(&f);
    static ri_login *logins[HELD];
    ri_login_seat seat = {0};
    ri_login_desk *desk = desk_of(&f.host);
    for (size_t i = 0; i < HELD; i++) {
        ck_assert_int_eq(ri_login_seat_take(desk, "9.9.9.9:1", &seat), RILL_OK);
        ck_assert_ptr_eq(ri_login_seat_next(desk, false), &seat);
        ri_login_forget(logins[i] = ask_of(desk, "9.9.9.9:1"));
    }
    ck_assert_int_eq(ri_login_seat_take(desk, "9.9.9.9:1", &seat), RILL_OK);
    ck_assert_ptr_null(ri_login_seat_next(desk, false));
    ck_assert_int_eq(ri_login_answer(logins[0], &ada, NULL), RILL_OK);
    ck_assert_int_eq(woken, 1);
    ck_assert_ptr_null(ri_login_next(desk));
    ck_assert_ptr_eq(ri_login_seat_next(desk, false), &seat);
    for (size_t i = 1; i < HELD; i++)
        ck_assert_int_eq(ri_login_answer(logins[i], NULL, NULL), RILL_OK);
    ck_assert_int_eq(woken, 1); /* nobody waits for these */
    ri_login_desk_close(desk);
    fault_fini(&f);
}
END_TEST

/* Many hosts take all places, and who waits then is found as soon as one is free; where nobody is
 * to be asked any more he is found at once. */
START_TEST(full)
{
    fault f;
    fault_init(&f);
    static ri_login *logins[RI_LOGINS_OPEN];
    char peer[32];
    ri_login_seat seat = {0};
    ri_login_desk *desk = desk_of(&f.host);
    for (size_t i = 0; i < RI_LOGINS_OPEN; i++) {
        snprintf(peer, sizeof peer, "10.0.%zu.1:1", i);
        ck_assert_int_eq(ri_login_seat_take(desk, peer, &seat), RILL_OK);
        ck_assert_ptr_eq(ri_login_seat_next(desk, false), &seat);
        logins[i] = ask_of(desk, peer);
    }
    ck_assert_int_eq(ri_login_seat_take(desk, "1.2.3.4:5", &seat), RILL_OK);
    ck_assert_ptr_null(ri_login_seat_next(desk, false));
    ck_assert_ptr_eq(ri_login_seat_next(desk, true), &seat);
    ck_assert_int_eq(ri_login_seat_take(desk, "1.2.3.4:5", &seat), RILL_OK);
    ri_login_forget(logins[7]);
    ck_assert_ptr_eq(ri_login_seat_next(desk, false), &seat);
    ck_assert_int_eq(ri_login_answer(logins[7], NULL, NULL), RILL_OK);
    logins[7] = logins[0];
    answer_all(logins + 1, RI_LOGINS_OPEN - 1);
    ri_login_desk_close(desk);
    fault_fini(&f);
}
END_TEST

static int faults_run(fault *f, void *arg)
{
    (void)arg;
    ri_login_desk *desk;
    ri_login *login;
    ri_login_seat seat = {0};
    int rc = ri_login_desk_new(&f->host, wake, NULL, &desk);
    if (rc < 0) return rc;
    rc = ri_login_seat_take(desk, facts.peer, &seat);
    ri_login_seat_leave(desk, &seat);
    if (rc == RILL_OK && (rc = ri_login_new(desk, &facts, desk, &login)) == RILL_OK) {
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

SUITE_MAIN("login", answers, askers_go, no_user, one_host_wants_all, hosts_take_turns,
           a_host_is_an_address_or_half_of_one, a_network_is_one_host,
           who_leaves_gives_his_place_back, full, no_memory)
