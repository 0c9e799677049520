/* SPDX-License-Identifier: Apache-2.0 */
/* Who guesses passwords, by the host that he comes from and the user that he says he is. As one
 * user a host has so many failures at hand, and gets them back one by one:
 *
 *     failures at hand   64 |\
 *                           | \          ___/       one back each interval
 *                           |  \     ___/
 *                         0 |___\___/____________   here its logins are refused, without a look at
 *                                                   what they show: a hash costs nothing then
 *
 * Many logins may be under way before the first of them is found wrong: what has failed beyond the
 * bound is owed, RI_GUESS_DEBT times the bound at most, so that those many are all that there are
 * for a while.
 *
 * As all users together it has RI_GUESS_USERS times as many, and as much faster: who walks through
 * the names comes to that bound, and who guesses one user's password keeps no other user out who
 * comes from the same host.
 *
 * Of each pair, and of each host, there is kept when it will have all of them again (`clear_ns`);
 * the more it has failed, the later that is. Once that is past, it is as one that never failed.
 *
 * Bounds. A table of RI_GUESS_ROWS rows in sets of RI_GUESS_WAYS, made when the first login fails
 * and never larger; a set that is full forgets the row that has all at hand first. So who comes
 * from very many hosts makes this forget some of them, and keeps nobody else out by it. Nobody
 * outside knows which rows share a set (base/hash.h).
 *
 * No clock and no lock is here: whoever has the table says what time it is, and is alone with
 * it. */
#ifndef RI_GUESSES_H
#define RI_GUESSES_H

#include "base/alloc.h"
#include "base/str.h"

enum {
    RI_GUESS_WAYS = 8,
    RI_GUESS_ROWS = 128 * RI_GUESS_WAYS,
    RI_GUESS_USERS = 16,
    RI_GUESS_DEBT = 8,
    RI_GUESS_REPORT_S = 10, /* refusals of a row are reported once in so long */
};

typedef struct ri_guess_bound {
    uint32_t most;       /* failures at hand as one user; UINT32_MAX: no bound, nothing is kept */
    int64_t interval_ns; /* after which one is given back; over 0 */
} ri_guess_bound;

typedef struct ri_guess_row {
    uint64_t key[2];     /* of a host, or of a host and a user */
    int64_t clear_ns;    /* 0: the row is free */
    int64_t report_ns;   /* no refusal is reported before */
    uint64_t unreported; /* refusals since one was */
} ri_guess_row;

typedef struct ri_guesser { /* who comes, without his name: it may be kept, and wipes nothing */
    uint64_t host[2], pair[2];
} ri_guesser;

typedef struct ri_guesses { /* zeroed: nobody has failed */
    ri_guess_row *rows;  /* owned; NULL: none yet */
    uint64_t failed;     /* logins so far that were looked at and failed */
    uint64_t refused;    /* ... that were not looked at */
} ri_guesses;

/* 0 is the default: 64 failures, of which 4 come back a second. */
ri_guess_bound ri_guesses_bound_of(uint32_t most, uint32_t per_s);
/* `user`: none of a token. */
ri_guesser ri_guesses_guesser(ri_str host, ri_str user);
void ri_guesses_fini(ri_guesses *g, const ri_host *host);
/* A login of his comes at `now_ns` (monotonic). True: it is to be refused, and is counted.
 * *report: so many refusals are to be reported now, 0 as a rule. */
bool ri_guesses_hold(ri_guesses *g, ri_guess_bound bound, const ri_guesser *who, int64_t now_ns,
                     uint64_t *report);
/* One of his has failed. Without memory for the table it is counted, and has no bound. */
void ri_guesses_fail(ri_guesses *g, const ri_host *host, ri_guess_bound bound,
                     const ri_guesser *who, int64_t now_ns);

#endif
