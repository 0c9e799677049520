/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds memory of one share of the budget (memory.h), and who of them has most.
 *
 *     ledger   the share, and a list of the claims that have a good part of it
 *     claim    what one owner holds: a batch, an asker's requests, a transfer, a consumer's pulls
 *
 * An owner grows its claim before it takes memory and shrinks it behind. Where the share is used up
 * the greediest claim is cut for it: what it holds counts as free at once, its owner gives the
 * memory back now or in its next step, and it gets nothing more until it has ended. Whoever would
 * be the greediest itself is refused. So nobody who has little is cut for those who have much.
 *
 * All claims of a ledger belong to whoever is inside the gate. */
#ifndef RI_CLAIM_H
#define RI_CLAIM_H

#include "base/list.h"
#include "base/memory.h"

typedef struct ri_claim ri_claim;

struct ri_claim {
    ri_list link;   /* in ledger->large, while the claim has much */
    uint64_t bytes;
    bool cut;       /* the claim's bytes count no more, and it gets no others */
    /* Called within whatever somebody else is doing, a publish perhaps: it frees memory, or notes
     * that it is to be freed. NULL: this one is never cut. */
    void (*give_up)(ri_claim *claim);
};

typedef struct ri_ledger {
    ri_memory *memory;
    ri_memory_kind kind;
    ri_list large;  /* ri_claim.link */
} ri_ledger;

void ri_ledger_init(ri_ledger *ledger, ri_memory *memory, ri_memory_kind kind);

void ri_claim_init(ri_claim *claim, void (*give_up)(ri_claim *claim));
/* False: refused, and nothing has changed for this claim. */
bool ri_claim_grow(ri_ledger *ledger, ri_claim *claim, uint64_t more);
/* `more` is counted in any case */
void ri_claim_add(ri_ledger *ledger, ri_claim *claim, uint64_t more);
void ri_claim_shrink(ri_ledger *ledger, ri_claim *claim, uint64_t less);
/* Set what the claim holds in all; false: it could not grow so far. */
bool ri_claim_set(ri_ledger *ledger, ri_claim *claim, uint64_t bytes);
/* The same, counted in any case; of claims that are not cut. */
void ri_claim_count(ri_ledger *ledger, ri_claim *claim, uint64_t bytes);
/* The claim holds nothing, and is as new. */
void ri_claim_end(ri_ledger *ledger, ri_claim *claim);
/* For claims that are not cut: is there no room for one that shall grow? The last eighth of the
 * share is for those that have less than half of what the greediest has. */
bool ri_claim_waits(const ri_ledger *ledger, const ri_claim *claim);

#endif
