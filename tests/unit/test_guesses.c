/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that fail: how many a host and a user have, when they come back, and who is not
 * concerned. */
#include "engine/access/guesses.h"

#include <stdio.h>
#include <string.h>

#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

static fault f;
static ri_guesses g;
static ri_guess_bound bound;
static int64_t now_ns;
static uint64_t report;
static ri_guesser one, other;

static ri_guesser from(const char *host, const char *user)
{
    return ri_guesses_guesser(ri_str_of(host), ri_str_of(user));
}

static void setup(void)
{
    fault_init(&f);
    g = (ri_guesses){0};
    bound = ri_guesses_bound_of(0, 0);
    now_ns = 5 * RI_SEC;
    one = from("10.0.0.7", "ann");
    other = from("10.0.0.9", "ann");
}

static void teardown(void)
{
    ri_guesses_fini(&g, &f.host);
    fault_fini(&f);
}

static bool holds(ri_guesser who)
{
    return ri_guesses_hold(&g, bound, &who, now_ns, &report);
}

static void wrong(ri_guesser who)
{
    ri_guesses_fail(&g, &f.host, bound, &who, now_ns);
}

/* As a client does that guesses as fast as it can: how many of n are looked at. */
static int guess(ri_guesser who, int n)
{
    int looked_at = 0;
    for (int i = 0; i < n; i++) {
        if (holds(who)) continue;
        wrong(who);
        looked_at++;
    }
    return looked_at;
}

START_TEST(so_many_and_then_so_many_a_second)
{
    ck_assert_int_eq(guess(one, 1000), 64);
    ck_assert_uint_eq(g.failed, 64);
    ck_assert_uint_eq(g.refused, 936);
    ck_assert(holds(one));
    ck_assert(!holds(other)); /* of which nobody has failed */
    wrong(other);
    ck_assert(!holds(other));
    now_ns += RI_SEC / 4 - 1;
    ck_assert(holds(one));
    now_ns += 1;
    ck_assert_int_eq(guess(one, 100), 1);
    for (int i = 0; i < 40; i++) {
        now_ns += RI_SEC / 4;
        ck_assert_int_eq(guess(one, 100), 1);
    }
    now_ns += 10 * RI_SEC;
    ck_assert_int_eq(guess(one, 100), 40);
    now_ns += 3600 * RI_SEC; /* no more than all of them, however long it was */
    ck_assert_int_eq(guess(one, 100), 64);
}
END_TEST

/* One user's password is guessed: others of that host come in. All their names are walked through:
 * so many and no more. */
START_TEST(of_each_user_and_of_all)
{
    char name[16];
    ck_assert_int_eq(guess(one, 1000), 64);
    ck_assert(holds(one));
    ck_assert(!holds(from("10.0.0.7", "bob")));
    ck_assert(!holds(from("10.0.0.7", "")));
    int looked_at = 64;
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "u%d", i);
        looked_at += guess(from("10.0.0.7", name), 2);
    }
    ck_assert_int_eq(looked_at, 16 * 64);
    ck_assert(holds(from("10.0.0.7", "bob")));
    ck_assert(!holds(other));
    now_ns += RI_SEC / 64;
    ck_assert(!holds(from("10.0.0.7", "bob")));
    ck_assert_int_eq(guess(from("10.0.0.7", "bob"), 10), 1);
}
END_TEST

/* Many were under way before the first of them was found wrong: they are all that there are for as
 * long as they would have taken, within a bound. */
START_TEST(what_fails_beyond_the_bound_is_owed)
{
    for (int i = 0; i < 200; i++) wrong(one);
    now_ns += (200 - 64) * RI_SEC / 4;
    ck_assert(holds(one));
    now_ns += RI_SEC / 4;
    ck_assert_int_eq(guess(one, 10), 1);
    for (int i = 0; i < 100000; i++) wrong(other);
    now_ns += (RI_GUESS_DEBT * 64 - 64) * RI_SEC / 4;
    ck_assert(holds(other));
    now_ns += RI_SEC / 4;
    ck_assert_int_eq(guess(other, 10), 1);
}
END_TEST

START_TEST(other_bounds_also_from_one_moment_to_the_next)
{
    bound = ri_guesses_bound_of(3, 1);
    ck_assert_int_eq(guess(one, 10), 3);
    now_ns += RI_SEC;
    ck_assert_int_eq(guess(one, 10), 1);
    bound = ri_guesses_bound_of(10, 1);
    ck_assert_int_eq(guess(one, 20), 7);
    bound = ri_guesses_bound_of(UINT32_MAX, 1);
    ck_assert_int_eq(guess(one, 10000), 10000);
    bound = ri_guesses_bound_of(UINT32_MAX - 1, 1); /* the most that can be said */
    ck_assert_int_eq(guess(one, 10000), 10000);
    bound = ri_guesses_bound_of(1, UINT32_MAX); /* one in a nanosecond */
    ck_assert_int_eq(guess(other, 10), 1);
    now_ns += 1;
    ck_assert_int_eq(guess(other, 10), 1);
}
END_TEST

START_TEST(nothing_is_kept_where_there_is_no_bound)
{
    bound = ri_guesses_bound_of(UINT32_MAX, 0);
    wrong(one);
    ck_assert_ptr_null(g.rows);
    ck_assert_uint_eq(g.failed, 1);
    ck_assert(!holds(one));
}
END_TEST

/* The first refusal at once, then those of ten seconds in one number. */
START_TEST(refusals_are_told_seldom)
{
    guess(one, 64);
    ck_assert(!holds(other));
    ck_assert_uint_eq(report, 0);
    ck_assert(holds(one));
    ck_assert_uint_eq(report, 1);
    uint64_t told = report;
    int times = 0;
    for (int i = 0; i < 1000; i++) {
        now_ns += RI_SEC / 25; /* 40 s in all, of which each look is one that failed */
        if (!holds(one)) wrong(one);
        told += report;
        times += report > 0;
    }
    ck_assert_int_eq(times, 3);
    ck_assert_uint_le(told, g.refused);
    ck_assert_uint_ge(told + 250, g.refused);
}
END_TEST

/* Many hosts that fail once take no place of one that is held, nor more memory. */
START_TEST(the_table_is_bounded)
{
    char text[32];
    guess(one, 100);
    size_t bytes = f.supply.bytes;
    for (int i = 0; i < 100000; i++) {
        snprintf(text, sizeof text, "2001:db8:%x::/64", i);
        ri_guesser who = from(text, "ann");
        ck_assert(!holds(who));
        wrong(who);
    }
    ck_assert_uint_eq(f.supply.bytes, bytes);
    ck_assert(holds(one));
    ck_assert_uint_eq(g.failed, 100064);
}
END_TEST

/* By a model of each host: what is refused had none at hand, whatever else goes on. */
START_TEST(nobody_is_refused_who_has_some_at_hand)
{
    enum { HOSTS = 2000, STEPS = 200000 };
    static double at_hand[HOSTS];
    static int64_t seen_ns[HOSTS];
    memset(seen_ns, 0, sizeof seen_ns); /* not all of the tests are in processes of their own */
    char text[32];
    rng r;
    rng_init(&r, rng_seed(1));
    bound = ri_guesses_bound_of(5, 10);
    for (int i = 0; i < HOSTS; i++) at_hand[i] = 5;
    for (int i = 0; i < STEPS; i++) {
        int h = (int)rng_below(&r, rng_below(&r, 2) ? 20 : HOSTS);
        now_ns += (int64_t)rng_below(&r, 4) * 1000000;
        double back = (double)(now_ns - seen_ns[h]) / 1e8;
        at_hand[h] = at_hand[h] + back > 5 ? 5 : at_hand[h] + back;
        seen_ns[h] = now_ns;
        snprintf(text, sizeof text, "10.0.%d.%d", h / 256, h % 256);
        ri_guesser who = from(text, "ann");
        bool held = holds(who);
        ck_quick(!held || at_hand[h] < 1.001);
        if (h < 20) ck_quick(held || at_hand[h] > 0.999); /* one of the worst is not forgotten */
        if (held) continue;
        wrong(who);
        at_hand[h] = at_hand[h] < 1 ? 0 : at_hand[h] - 1;
    }
    ck_assert_uint_gt(g.refused, 1000);
}
END_TEST

START_TEST(without_memory_there_is_no_bound)
{
    f.supply.fail_at = f.supply.calls + 1;
    f.supply.fail_after = true;
    ck_assert_int_eq(guess(one, 1000), 1000);
    ck_assert_ptr_null(g.rows);
}
END_TEST

#define TABLE(...) SUITE_WITH(setup, teardown, __VA_ARGS__)

SUITE_MAIN_ROWS("guesses",
                TABLE(so_many_and_then_so_many_a_second, of_each_user_and_of_all,
                      what_fails_beyond_the_bound_is_owed,
                      other_bounds_also_from_one_moment_to_the_next,
                      nothing_is_kept_where_there_is_no_bound, refusals_are_told_seldom,
                      the_table_is_bounded, nobody_is_refused_who_has_some_at_hand,
                      without_memory_there_is_no_bound))
