/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of a group of the protocol of KIP-848.
 *
 *     happens    clients join, live, leave for good or for a while, come back; they subscribe
 *                something else, prefer another assignor, take their time to give up partitions,
 *                and do not get answers; topics come, grow and go; time; restarts
 *
 * After each step nobody who is a member has a partition that another member has, nor one that the
 * coordinator does not think it has. When nothing changes any more, all come to rest in a few
 * heartbeats: each has what it shall have, each partition of a topic that somebody subscribes has
 * one reader, and where all subscribe the same nobody has two more than another. RILL_SEED chooses
 * other histories. */
#include <stdio.h>

#include "base/error.h"
#include "support/band.h"
#include "support/rng.h"
#include "support/suite.h"

enum { PLAYERS = 6, HISTORIES = 60, OPERATIONS = 300, ROUNDS = 12 };

static band b;
static rng dice;
static const char *const topics[] = {"t", "u", "v"};
static const char *const subscriptions[] = {"t", "u", "t u", "t u v", "v", "none"};
static unsigned met[130], rests; /* errors that were answered; histories that came to rest */

/* ---- What holds ---- */

typedef struct kept { /* what the coordinator thinks of a member */
    uint64_t has[BAND_TOPICS], target[BAND_TOPICS];
} kept;

static void keep(const ri_group_modern_member *member, bool target, uint64_t out[BAND_TOPICS])
{
    ri_group_part part = {.at = 0};
    memset(out, 0, BAND_TOPICS * sizeof *out);
    while (ri_groups_next_part(b.groups, member, target, &part))
        for (size_t t = 0; t < BAND_TOPICS; t++)
            if (ri_str_is(part.topic.name, b.topics[t].name))
                out[t] |= UINT64_C(1) << part.partition;
}

static band_player *player_of(ri_str id)
{
    for (size_t i = 0; i < b.nplayers; i++)
        if (ri_str_is(id, b.players[i].id) && b.players[i].generation > 0) return &b.players[i];
    return NULL;
}

/* Partitions of topics that are no more do not count. */
static uint64_t there(size_t t)
{
    int32_t n = b.topics[t].partitions;
    return n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

static void check(void)
{
    ri_group_modern_info info;
    ri_group_place place = {0};
    ri_group_modern_member member;
    uint64_t owned[BAND_TOPICS] = {0};
    if (ri_groups_describe_modern(b.groups, RI_STR("g"), &info)) return;
    while (ri_groups_next_modern(info.group, &place, &member)) {
        kept k;
        keep(&member, false, k.has);
        const band_player *p = player_of(member.member);
        for (size_t t = 0; t < BAND_TOPICS; t++) {
            if (owned[t] & k.has[t]) ck_abort_msg("two members own a partition");
            owned[t] |= k.has[t];
            if (p && (p->has[t] & there(t) & ~k.has[t])) ck_abort_msg("%s has too much", p->who);
        }
    }
}

/* ---- Rest ---- */

static size_t count(const uint64_t has[BAND_TOPICS])
{
    size_t n = 0;
    for (size_t t = 0; t < BAND_TOPICS; t++) n += (size_t)__builtin_popcountll(has[t]);
    return n;
}

static bool subscribes(const band_player *p, const char *topic)
{
    ri_str rest = ri_str_of(p->subscribes), name;
    while (rest.len && ri_str_cut(&rest, ' ', &name))
        if (ri_str_is(name, topic)) return true;
    return false;
}

static void check_rest(void)
{
    ri_group_modern_info info;
    ri_group_place place = {0};
    ri_group_modern_member member;
    uint64_t all[BAND_TOPICS] = {0}, wanted[BAND_TOPICS] = {0};
    size_t least = SIZE_MAX, most = 0;
    bool same = true;
    const char *first = NULL;
    if (ri_groups_describe_modern(b.groups, RI_STR("g"), &info)) return;
    while (ri_groups_next_modern(info.group, &place, &member)) {
        kept k;
        keep(&member, false, k.has);
        keep(&member, true, k.target);
        const band_player *p = player_of(member.member);
        ck_quick(p != NULL && p->generation == info.epoch && info.epoch == info.assignment_epoch);
        ck_quick(memcmp(k.has, k.target, sizeof k.has) == 0);
        for (size_t t = 0; t < BAND_TOPICS; t++) {
            ck_quick((p->has[t] & there(t)) == k.has[t]);
            all[t] |= k.has[t];
            if (b.topics[t].partitions && subscribes(p, b.topics[t].name)) wanted[t] = there(t);
        }
        first = first ? first : p->subscribes;
        same = same && strcmp(first, p->subscribes) == 0;
        least = RI_MIN(least, count(k.has));
        most = RI_MAX(most, count(k.has));
    }
    ck_quick(memcmp(all, wanted, sizeof all) == 0);
    if (same && first && ri_str_is(info.assignor, "uniform")) ck_quick(most - least <= 1);
}

static void come_to_rest(void)
{
    ri_group_modern_info info;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < b.nplayers; i++) {
            band_player *p = &b.players[i];
            p->keeps = false;
            band_yield(p);
            if (p->generation <= 0) continue;
            band_pulse(p);
            band_turn(&b);
            check();
        }
        band_wait(&b, 1000);
    }
    band_wait(&b, 50000); /* those who rest, or do not know that they are fenced, go */
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < b.nplayers; i++) {
            band_player *p = &b.players[i];
            if (p->generation < 0) continue;
            band_pulse(p); /* who was sent away joins anew */
            band_turn(&b);
        }
        band_wait(&b, 1000);
        check();
    }
    check_rest();
    if (!ri_groups_describe_modern(b.groups, RI_STR("g"), &info))
        rests += ri_str_is(info.state, "Stable") || ri_str_is(info.state, "Empty");
}

/* ---- Histories ---- */

/* The answer goes the way of all packets: the client is as it was, and says all again. One that has
 * not yet taken what it was assigned before could take what is not its own any more. */
static void lose_answer(band_player *p)
{
    band_player was = *p;
    if (p->generation <= 0 || memcmp(p->has, p->assigned, sizeof p->has) != 0) return;
    band_pulse(p);
    band_turn(&b);
    if (p->error) return;
    p->generation = was.generation;
    p->asks_all = true;
    memcpy(p->has, was.has, sizeof p->has);
    memcpy(p->assigned, was.assigned, sizeof p->assigned);
}

static void change(band_player *p)
{
    static const char *const assignors[] = {"uniform", "range", NULL};
    p->subscribes = subscriptions[rng_below(&dice, RI_LEN(subscriptions))];
    p->assignor = assignors[rng_below(&dice, 3)];
    p->asks_all = true;
}

static void change_topics(void)
{
    const char *name = topics[rng_below(&dice, RI_LEN(topics))];
    int32_t now = 0, next = (int32_t)rng_below(&dice, 12);
    for (size_t t = 0; t < BAND_TOPICS; t++)
        if (strcmp(b.topics[t].name, name) == 0) now = b.topics[t].partitions;
    if (next == 0 || next > now) band_set_topic(&b, name, rng_below(&dice, 10) ? next : 0);
}

static void leave(band_player *p)
{
    if (p->generation <= 0) return;
    band_pulse_as(p, p->instance && rng_below(&dice, 2) ? -2 : -1);
}

static void play(band_player *p, uint64_t what)
{
    if (what < 60) band_pulse(p);
    else if (what < 66) change(p);
    else if (what < 70) p->keeps = rng_below(&dice, 3) == 0;
    else if (what < 76) band_yield(p);
    else if (what < 80) leave(p);
    else if (what < 84) lose_answer(p);
    else if (what < 88) change_topics();
    else if (what < 97) band_wait(&b, (int64_t)rng_below(&dice, 1200));
    else if (what < 98) band_wait(&b, (int64_t)rng_below(&dice, 60000));
    else if (what < 99) ck_assert_ok(band_restart(&b));
    if (p->pulsing) band_turn(&b);
    met[p->error]++;
}

static void history(uint64_t seed)
{
    rng_init(&dice, seed);
    ck_assert_ok(band_init(&b, NULL));
    b.quiet = true;
    for (size_t i = 0; i < RI_LEN(topics); i++) band_set_topic(&b, topics[i], 2 + 3 * (int32_t)i);
    for (int i = 0; i < PLAYERS; i++) {
        char who[8];
        snprintf(who, sizeof who, "p%d", i);
        band_player *p = band_add(&b, who, "g");
        p->subscribes = "t u";
        p->rebalance_ms = 10000;
        p->instance = i < 3 ? (const char *[]){"one", "one", "two"}[i] : NULL;
    }
    for (int i = 0; i < OPERATIONS; i++) {
        play(&b.players[rng_below(&dice, PLAYERS)], rng_below(&dice, 100));
        check();
    }
    come_to_rest();
    band_fini(&b);
}

START_TEST(test_histories)
{
    static const int errors[] = {0, 25, 82, 110, 111};
    uint64_t seed = rng_seed(1);
    for (uint64_t i = 0; i < HISTORIES; i++) {
        if (getenv("RILL_SHOW")) printf("history %llu\n", (unsigned long long)(seed + i));
        history(seed + i);
    }
    for (size_t i = 0; i < RI_LEN(errors); i++)
        ck_assert_msg(met[errors[i]] > 0, "error %d was never answered", errors[i]);
    ck_assert_uint_eq(rests, HISTORIES);
}
END_TEST

SUITE_MAIN("modern_dice", test_histories)
