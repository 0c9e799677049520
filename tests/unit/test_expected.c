/* SPDX-License-Identifier: Apache-2.0 */
/* The last sequence under a filter, by the dice, against all messages looked through; and what it
 * costs to ask again. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"
#include "engine/streams/purge.h"
#include "support/rng.h"
#include "support/suite.h"
#include "support/world.h"

enum { MESSAGES = 6000, TEXT = 24 };

static world w_;
static char subjects_[MESSAGES][TEXT]; /* by sequence; empty: gone */
static uint64_t last_;

static ri_stream *begin(const char *more)
{
    char json[256];
    ri_stream *s;
    memset(subjects_, 0, sizeof subjects_);
    last_ = 0;
    ck_assert_ok(world_init(&w_, NULL));
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"]%s}", more);
    ck_assert_ok(world_stream(&w_, json, &s, NULL));
    return s;
}

static void publish(const char *subject)
{
    snprintf(subjects_[++last_], TEXT, "%s", subject);
    ck_assert_int_eq(world_publish(&w_, subject, "", "", "x"), 1);
}

static uint64_t naive(const char *filter)
{
    uint64_t seq = last_;
    while (seq > 0 && !(subjects_[seq][0] &&
                        ri_subject_match(ri_str_of(filter), ri_str_of(subjects_[seq]))))
        seq--;
    return seq;
}

static void dice_subject(rng *r, char out[TEXT], bool filter)
{
    size_t len = (size_t)snprintf(out, TEXT, "s");
    for (int i = 0; i < 2; i++) {
        char word[12];
        /* Some are rare, so that the newest records do not tell. */
        snprintf(word, sizeof word, "%u", (unsigned)(rng_below(r, 8) ? rng_below(r, 3)
                                                                     : rng_below(r, 60)));
        if (filter && rng_below(r, 2)) strcpy(word, "*");
        if (filter && i == 1 && rng_below(r, 6) == 0) strcpy(word, ">");
        len += (size_t)snprintf(out + len, TEXT - len, ".%s", word);
    }
}

START_TEST(test_dice)
{
    uint64_t seed = rng_seed(3);
    for (int round = 0; round < 12; round++) {
        rng r;
        rng_init(&r, seed + (uint64_t)round);
        ri_stream *s = begin("");
        for (int step = 0; step < 2500; step++) {
            char text[TEXT];
            uint64_t purged, seq;
            switch (rng_below(&r, 40)) {
            default: dice_subject(&r, text, false); publish(text); break;
            case 0: case 1: case 2: case 3:
                seq = last_ ? 1 + rng_below(&r, last_) : 0;
                if (rng_below(&r, 2) && last_ > 4) seq = last_ - rng_below(&r, 4);
                if (!seq || ri_stream_erase(s, seq, false, NULL) < 0) break;
                subjects_[seq][0] = 0;
                break;
            case 4: world_turn(&w_); break;
            case 5:
                if (rng_below(&r, 20)) break;
                seq = last_ ? 1 + rng_below(&r, last_) : 1;
                ck_assert_ok(ri_purge_whole(s, RI_STR_NONE, seq, 0, &purged, NULL));
                for (uint64_t i = 1; i < seq; i++) subjects_[i][0] = 0;
                break;
            }
            for (int i = 0; i < 3; i++) {
                dice_subject(&r, text, true);
                uint64_t told = ri_expected_last(s, ri_str_of(text)), want = naive(text);
                if (told != want)
                    ck_abort_msg("seed %llu, round %d, step %d: %s is at %llu, not %llu",
                                 (unsigned long long)seed, round, step, text,
                                 (unsigned long long)want, (unsigned long long)told);
            }
        }
        world_fini(&w_);
    }
}
END_TEST

static uint64_t units(ri_stream *s, const char *filter, uint64_t want)
{
    ri_budget *budget = &w_.router.budget;
    int64_t before = budget->left;
    ck_assert_uint_eq(ri_expected_last(s, ri_str_of(filter)), want);
    return (uint64_t)(before - budget->left);
}

/* Over many subjects: a filter that everything matches costs nothing, and another one what came
 * since. */
START_TEST(test_costs)
{
    ri_stream *s = begin("");
    char subject[TEXT];
    for (int i = 0; i < 5000; i++) {
        snprintf(subject, sizeof subject, "s.%d.%s", i, i == 17 ? "rare" : "x");
        publish(subject);
        if (i % 1000 == 0) world_turn(&w_);
    }
    world_turn(&w_);
    for (int i = 0; i < 100; i++) ck_assert_uint_eq(units(s, "s.>", last_), 0);
    ck_assert_uint_le(units(s, "s.4711.*", 4712), 40); /* the newest, and the way to one subject */
    ck_assert_uint_ge(units(s, "s.*.rare", 18), 5000);
    ck_assert_uint_eq(units(s, "s.*.rare", 18), 32);
    for (int i = 0; i < 200; i++) publish("s.a.x");
    ck_assert_uint_eq(units(s, "s.*.rare", 18), 32 + 200);
    ck_assert_uint_eq(units(s, "s.*.rare", 18), 32);
    ck_assert_ok(ri_stream_erase(s, 18, false, NULL));
    ck_assert_uint_ge(units(s, "s.*.rare", 0), 5000);
    ck_assert_uint_eq(units(s, "s.*.rare", 0), 32);
    world_fini(&w_);
}
END_TEST

SUITE_MAIN("expected", test_dice, test_costs)
