/* SPDX-License-Identifier: Apache-2.0 */
/* The budget of a turn: how much is done inside the gate before somebody else gets it.
 *
 * A *turn* is one stay inside the gate. Work in it is counted in *units*: a unit is about 100 ns,
 * which is one record, subject, entry or subscription visited, or RI_BUDGET_BYTES bytes copied or
 * scanned. Units are counted, not measured: a test asserts how long a turn may be without a clock.
 *
 *     who           does what
 *     turn's owner  ri_budget_open() behind the entering of the gate, ri_budget_close() before
 *                   the leaving: the loop for each read of a connection and for each turn of the
 *                   streams, a driver or a waiter for the turns that it takes;
 *                   ri_budget_open_part() for one of several that are in a stay together
 *     any loop      ri_budget_spend() for each step whose number a peer can choose; when that is
 *                   false the loop keeps its place, and its owner says that there is more
 *     scheduler     ri_budget_slice() before it serves one of several askers, so that each has its
 *                   share of the turn; ri_budget_whole() behind the last
 *
 *     left  |------------------------------------------------| 0 .......
 *           ^ open: limit          ^ floor of a slice         ^ end of the turn
 *
 * A step is not divided: the last one may bring `left` below the end, by its own length, which is
 * why a step whose length a peer can choose is cut into pieces. Whoever is called makes at least
 * one step, also when nothing is left: so all work comes to its end, however small the turns are.
 *
 * Work outside of a turn (an opening, a publish by a thread of the program) spends as well, since
 * it passes the same code; it is neither bounded nor counted by this. */
#ifndef RI_BUDGET_H
#define RI_BUDGET_H

#include "base/defs.h"

enum {
    RI_BUDGET_TURN = 10000, /* units: about a millisecond */
    RI_BUDGET_SLICE = 2500, /* units of one asker, or of one connection's input, at a time */
    RI_BUDGET_BYTES = 256,  /* so many bytes that are copied or scanned are a unit */
    RI_BUDGET_LONG = 5,     /* no turn is longer than so many times `limit` */
};

typedef struct ri_budget {
    int64_t left;     /* units of this turn; below 0: the last step was longer than what was left */
    int64_t floor;    /* of the slice at hand; 0: the whole turn */
    int64_t limit;    /* units of a turn */
    int64_t given;    /* of the one that goes on */
    bool open;        /* a turn is going on */
    uint64_t turns;   /* turns that are over */
    uint64_t spent;   /* units spent in these turns */
    uint64_t longest; /* units of the longest turn */
    uint64_t cut;     /* turns that ended because nothing was left */
} ri_budget;

static inline void ri_budget_init(ri_budget *b)
{
    *b = (ri_budget){.left = RI_BUDGET_TURN, .limit = RI_BUDGET_TURN, .given = RI_BUDGET_TURN};
}

static inline void ri_budget_close(ri_budget *b)
{
    if (!b->open) return;
    uint64_t spent = (uint64_t)(b->given - b->left);
    b->open = false;
    b->floor = 0;
    b->turns++;
    b->spent += spent;
    b->longest = RI_MAX(b->longest, spent);
    b->cut += b->left <= 0;
}

/* A turn begins; one that was not closed is over. */
static inline void ri_budget_open(ri_budget *b)
{
    ri_budget_close(b);
    b->left = b->given = b->limit;
    b->open = true;
}

/* The same, of one that has but a part of a turn's units, whatever slices are made of it. */
static inline void ri_budget_open_part(ri_budget *b, int64_t units)
{
    ri_budget_open(b);
    b->left = b->given = RI_MIN(units, b->limit);
}

/* Are units left, of the turn and of the slice? */
static inline bool ri_budget_left(const ri_budget *b)
{
    return b->left > b->floor;
}

/* Takes `units` of work that was done; false: what is left of it goes on in a later turn. */
static inline bool ri_budget_spend(ri_budget *b, uint64_t units)
{
    b->left -= (int64_t)units;
    return ri_budget_left(b);
}

/* The units of so many bytes that are copied or scanned. */
static inline uint64_t ri_budget_bytes(uint64_t bytes)
{
    return bytes / RI_BUDGET_BYTES;
}

/* What comes next may spend `units`, or what is left of the turn. */
static inline void ri_budget_slice(ri_budget *b, int64_t units)
{
    b->floor = RI_MAX(b->left - units, 0);
}

static inline void ri_budget_whole(ri_budget *b)
{
    b->floor = 0;
}

#endif
