/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/guesses.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/saturate.h"

enum { GUESS_MOST = 64, GUESS_PER_S = 4 };

static const size_t guesses_bytes = RI_GUESS_ROWS * sizeof(ri_guess_row);

ri_guess_bound ri_guesses_bound_of(uint32_t most, uint32_t per_s)
{
    if (!most) most = GUESS_MOST;
    if (!per_s) per_s = GUESS_PER_S;
    int64_t interval_ns = RI_SEC / per_s;
    return (ri_guess_bound){.most = most, .interval_ns = RI_MAX(interval_ns, (int64_t)1)};
}

void ri_guesses_fini(ri_guesses *g, const ri_host *host)
{
    if (g->rows) ri_free(host, g->rows, guesses_bytes);
    g->rows = NULL;
}

/* What a host has at hand as all users together. */
static ri_guess_bound guesses_of_all(ri_guess_bound bound)
{
    RI_ASSERT(bound.most != UINT32_MAX);
    uint32_t most = bound.most < UINT32_MAX / RI_GUESS_USERS ? bound.most * RI_GUESS_USERS
                                                             : UINT32_MAX - 1;
    int64_t interval_ns = RI_MAX(bound.interval_ns / RI_GUESS_USERS, (int64_t)1);
    return (ri_guess_bound){.most = most, .interval_ns = interval_ns};
}

ri_guesser ri_guesses_guesser(ri_str host, ri_str user)
{
    ri_guesser who;
    uint64_t named[2];
    ri_hash128(host.ptr, host.len, who.host);
    ri_hash128(user.ptr, user.len, named);
    for (int i = 0; i < 2; i++) who.pair[i] = who.host[i] + named[i];
    return who;
}

/* The time until all are at hand, from when there was none. */
static int64_t guesses_span_ns(ri_guess_bound bound)
{
    RI_ASSERT(bound.interval_ns > 0 && bound.most != UINT32_MAX);
    return ri_ns_mul(bound.most, bound.interval_ns);
}

static bool guesses_row_is(const ri_guess_row *row, const uint64_t key[2])
{
    return row->clear_ns && row->key[0] == key[0] && row->key[1] == key[1];
}

/* The row of that key, or the one of its set that it would get. */
static ri_guess_row *guesses_row(const ri_guesses *g, const uint64_t key[2])
{
    ri_guess_row *set = g->rows + key[0] % (RI_GUESS_ROWS / RI_GUESS_WAYS) * RI_GUESS_WAYS;
    ri_guess_row *first = set;
    RI_ASSERT(g->rows);
    for (ri_guess_row *row = set; row < set + RI_GUESS_WAYS; row++) {
        if (guesses_row_is(row, key)) return row;
        if (row->clear_ns < first->clear_ns) first = row;
    }
    return first;
}

/* NULL if it has one at hand. */
static ri_guess_row *guesses_row_held(const ri_guesses *g, ri_guess_bound bound,
                                      const uint64_t key[2], int64_t now_ns)
{
    ri_guess_row *row = guesses_row(g, key);
    if (!guesses_row_is(row, key)) return NULL;
    int64_t owed_ns = ri_ns_sub(row->clear_ns, now_ns);
    return owed_ns > ri_ns_sub(guesses_span_ns(bound), bound.interval_ns) ? row : NULL;
}

static uint64_t guesses_report(ri_guess_row *row, int64_t now_ns)
{
    uint64_t n = ++row->unreported;
    if (now_ns < row->report_ns) return 0;
    row->unreported = 0;
    row->report_ns = ri_ns_add(now_ns, RI_GUESS_REPORT_S * RI_SEC);
    return n;
}

bool ri_guesses_hold(ri_guesses *g, ri_guess_bound bound, const ri_guesser *who, int64_t now_ns,
                     uint64_t *report)
{
    *report = 0;
    if (!g->rows || bound.most == UINT32_MAX) return false;
    ri_guess_row *row = guesses_row_held(g, guesses_of_all(bound), who->host, now_ns);
    if (!row) row = guesses_row_held(g, bound, who->pair, now_ns);
    if (!row) return false;
    g->refused++;
    *report = guesses_report(row, now_ns);
    return true;
}

static void guesses_row_add(const ri_guesses *g, ri_guess_bound bound, const uint64_t key[2],
                            int64_t now_ns)
{
    ri_guess_row *row = guesses_row(g, key);
    if (!guesses_row_is(row, key)) *row = (ri_guess_row){.key = {key[0], key[1]}};
    int64_t clear_ns = ri_ns_add(RI_MAX(row->clear_ns, now_ns), bound.interval_ns);
    int64_t most_ns = ri_ns_mul(RI_GUESS_DEBT, guesses_span_ns(bound));
    row->clear_ns = RI_MIN(clear_ns, ri_ns_add(now_ns, most_ns));
    RI_ASSERT(row->clear_ns > 0);
}

void ri_guesses_fail(ri_guesses *g, const ri_host *host, ri_guess_bound bound,
                     const ri_guesser *who, int64_t now_ns)
{
    RI_ASSERT(now_ns >= 0);
    g->failed++;
    if (bound.most == UINT32_MAX) return;
    if (!g->rows && !(g->rows = ri_calloc(host, guesses_bytes))) return;
    guesses_row_add(g, guesses_of_all(bound), who->host, now_ns);
    guesses_row_add(g, bound, who->pair, now_ns);
}
