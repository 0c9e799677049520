/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection may answer: how often, how long, and how much of it is known at a time. */
#include "engine/access/replies.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

enum { FOR_NS = 1000, KNOWN = 4096 };

static ri_str S(const char *text)
{
    return ri_str_of(text);
}

START_TEST(how_often_and_how_long)
{
    fault f;
    ri_replies r;
    fault_init(&f);
    ri_replies_init(&r, &f.host, NULL);
    ck_assert(!ri_replies_use(&r, S("in.1"), 0, FOR_NS, 1));
    ri_replies_note(&r, S("in.1"), 0, FOR_NS);
    ri_replies_note(&r, S("in.2"), 0, FOR_NS);
    ck_assert(!ri_replies_use(&r, S("in.3"), 0, FOR_NS, 1));
    ck_assert(ri_replies_use(&r, S("in.1"), FOR_NS, FOR_NS, 1));
    ck_assert(!ri_replies_use(&r, S("in.1"), FOR_NS, FOR_NS, 1)); /* once */
    ck_assert(!ri_replies_use(&r, S("in.2"), FOR_NS + 1, FOR_NS, 1)); /* late */
    ck_assert(!ri_replies_use(&r, S("in.2"), FOR_NS, FOR_NS, 1)); /* then it is forgotten */
    ck_assert_uint_eq(r.bytes, 0);
    ri_replies_note(&r, S("in.1"), 5000, INT64_MAX);
    for (int i = 0; i < 100; i++)
        ck_assert(ri_replies_use(&r, S("in.1"), INT64_MAX, INT64_MAX, UINT32_MAX));
    ri_replies_note(&r, S("in.2"), 5000, FOR_NS);
    ck_assert(ri_replies_use(&r, S("in.2"), 5000, FOR_NS, 1));
    ri_replies_note(&r, S("in.2"), 7000, FOR_NS); /* it is asked so again */
    ck_assert(ri_replies_use(&r, S("in.2"), 8000, FOR_NS, 1));
    ri_replies_fini(&r);
    ri_replies_fini(&r);
    fault_fini(&f);
}
END_TEST

/* The oldest goes for the next, one that was asked again is young, and bytes are bounded, too. */
START_TEST(so_many)
{
    fault f;
    ri_replies r;
    ri_memory memory;
    char text[2000], first[] = "in.0";
    fault_init(&f);
    ri_memory_init(&memory);
    ri_replies_init(&r, &f.host, &memory);
    for (int i = 0; i < KNOWN; i++) {
        snprintf(text, sizeof text, "in.%d", i);
        ri_replies_note(&r, S(text), i, INT64_MAX);
    }
    ri_replies_note(&r, S(first), KNOWN, INT64_MAX);
    ri_replies_note(&r, S("one more"), KNOWN, INT64_MAX);
    ck_assert_uint_eq(r.by_subject.len, KNOWN);
    ck_assert(!ri_replies_use(&r, S("in.1"), KNOWN, INT64_MAX, 1));
    ck_assert(ri_replies_use(&r, S(first), KNOWN, INT64_MAX, 1));
    ck_assert(ri_replies_use(&r, S("in.2"), KNOWN, INT64_MAX, 1));
    ck_assert_uint_eq(ri_memory_used(&memory, RI_MEMORY_INTEREST), r.bytes);
    memset(text, 'x', sizeof text);
    for (int i = 0; i < KNOWN; i++) {
        snprintf(text, 8, "%07d", i);
        text[7] = '.';
        ri_replies_note(&r, (ri_str){text, sizeof text}, KNOWN, INT64_MAX);
        ck_quick(r.bytes <= 1024 * 1024);
    }
    ck_assert_uint_lt(r.by_subject.len, 1024 * 1024 / sizeof text);
    /* What is too old goes when another comes, two at a time. */
    size_t before = r.by_subject.len;
    ri_replies_note(&r, S("late"), INT64_MAX, 10);
    ck_assert_uint_eq(r.by_subject.len, before - 1);
    ri_replies_fini(&r);
    ck_assert_uint_eq(ri_memory_used(&memory, RI_MEMORY_INTEREST), 0);
    fault_fini(&f);
}
END_TEST

/* Without room, of memory or of the budget, the answer is refused, and nothing is lost. */
START_TEST(no_room)
{
    fault f;
    ri_replies r;
    ri_memory memory;
    fault_init(&f);
    ri_memory_init(&memory);
    ri_memory_set_limit(&memory, 1);
    ri_replies_init(&r, &f.host, &memory);
    ri_replies_note(&r, S("in.1"), 0, FOR_NS);
    ck_assert(!ri_replies_use(&r, S("in.1"), 0, FOR_NS, 1));
    ck_assert_uint_eq(ri_memory_used(&memory, RI_MEMORY_INTEREST), 0);
    ri_replies_fini(&r);
    fault_fini(&f);
}
END_TEST

static int ask(fault *f, void *arg)
{
    ri_replies r;
    (void)arg;
    ri_replies_init(&r, &f->host, NULL);
    ri_replies_note(&r, S("in.1"), 0, FOR_NS);
    int rc = ri_replies_use(&r, S("in.1"), 0, FOR_NS, 1) ? RILL_OK : RILL_ENOMEM;
    ri_replies_fini(&r);
    return rc;
}

START_TEST(no_memory)
{
    ck_assert_uint_eq(fault_each(ask, NULL), 2);
}
END_TEST

/* By the dice, beside an array of times. */
START_TEST(dice)
{
    enum { NAMES = 40, STEPS = 2000 };
    struct {
        bool known;
        int64_t asked_ns;
        uint32_t used;
    } model[NAMES] = {0};
    fault f;
    rng rolls;
    ri_replies r;
    rng_init(&rolls, (uint64_t)_i + 1);
    fault_init(&f);
    ri_replies_init(&r, &f.host, NULL);
    int64_t now_ns = 0;
    for (int i = 0; i < STEPS; i++) {
        char text[16];
        uint32_t at = (uint32_t)rng_below(&rolls, NAMES);
        snprintf(text, sizeof text, "in.%u", at);
        now_ns += (int64_t)rng_below(&rolls, 60);
        if (rng_below(&rolls, 3) == 0) {
            ri_replies_note(&r, S(text), now_ns, FOR_NS);
            model[at].known = true;
            model[at].asked_ns = now_ns;
            model[at].used = 0;
        } else {
            bool may = model[at].known && now_ns - model[at].asked_ns <= FOR_NS &&
                       model[at].used < 3;
            model[at].used += may;
            model[at].known = may;
            ck_quick(ri_replies_use(&r, S(text), now_ns, FOR_NS, 3) == may);
        }
    }
    ri_replies_fini(&r);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN_ROWS("replies", SUITE_ONCE(how_often_and_how_long, so_many, no_room, no_memory),
                SUITE_EACH(20, dice))
