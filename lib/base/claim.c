/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/claim.h"

/* Claims above this part of the share are listed; so the list is short. */
enum { CLAIM_LARGE = 512 };

void ri_ledger_init(ri_ledger *ledger, ri_memory *memory, ri_memory_kind kind)
{
    RI_ASSERT(kind >= 0 && kind < RI_MEMORY_KINDS);
    *ledger = (ri_ledger){.memory = memory, .kind = kind};
    ri_list_init(&ledger->large);
}

void ri_claim_init(ri_claim *claim, void (*give_up)(ri_claim *claim))
{
    *claim = (ri_claim){.give_up = give_up};
    ri_list_init(&claim->link);
}

/* Put the claim into the list, or take it out, by what it has now. */
static void claim_place(ri_ledger *ledger, ri_claim *claim)
{
    RI_ASSERT(!claim->cut || claim->bytes == 0 || !claim->give_up);
    bool large = claim->bytes > ri_memory_share(ledger->memory, ledger->kind) / CLAIM_LARGE;
    if (large == ri_list_linked(&claim->link)) return;
    if (large) ri_list_push(&ledger->large, &claim->link);
    else ri_list_remove(&claim->link);
}

static void claim_refund(ri_ledger *ledger, ri_claim *claim, uint64_t bytes)
{
    RI_ASSERT(claim->bytes >= bytes);
    claim->bytes -= bytes;
    ri_memory_refund(ledger->memory, ledger->kind, bytes);
    claim_place(ledger, claim);
}

static ri_claim *claim_greediest(const ri_ledger *ledger)
{
    ri_claim *most = NULL;
    ri_list_each (link, &ledger->large) {
        ri_claim *claim = ri_container_of(link, ri_claim, link);
        RI_ASSERT(!claim->cut);
        if (claim->give_up && (!most || claim->bytes > most->bytes)) most = claim;
    }
    return most;
}

bool ri_claim_grow(ri_ledger *ledger, ri_claim *claim, uint64_t more)
{
    if (claim->cut) return false;
    uint64_t wanted = claim->bytes + more;
    while (!ri_memory_take(ledger->memory, ledger->kind, more)) {
        ri_claim *most = claim_greediest(ledger);
        ri_memory_refused(ledger->memory);
        if (!most || most == claim || most->bytes < wanted) return false;
        claim_refund(ledger, most, most->bytes);
        most->cut = true;
        most->give_up(most);
    }
    RI_ASSERT(wanted >= more);
    claim->bytes = wanted;
    claim_place(ledger, claim);
    return true;
}

void ri_claim_shrink(ri_ledger *ledger, ri_claim *claim, uint64_t less)
{
    RI_ASSERT(claim->cut || less <= claim->bytes);
    if (!claim->cut) claim_refund(ledger, claim, less);
}

bool ri_claim_set(ri_ledger *ledger, ri_claim *claim, uint64_t bytes)
{
    if (bytes > claim->bytes) return ri_claim_grow(ledger, claim, bytes - claim->bytes);
    ri_claim_shrink(ledger, claim, claim->bytes - bytes);
    return !claim->cut;
}

void ri_claim_count(ri_ledger *ledger, ri_claim *claim, uint64_t bytes)
{
    RI_ASSERT(!claim->give_up);
    if (bytes > claim->bytes)
        ri_claim_add(ledger, claim, bytes - claim->bytes);
    else
        ri_claim_shrink(ledger, claim, claim->bytes - bytes);
}

void ri_claim_end(ri_ledger *ledger, ri_claim *claim)
{
    claim_refund(ledger, claim, claim->bytes);
    RI_ASSERT(!ri_list_linked(&claim->link));
    claim->cut = false;
}

void ri_claim_add(ri_ledger *ledger, ri_claim *claim, uint64_t more)
{
    ri_memory_charge(ledger->memory, ledger->kind, more);
    claim->bytes += more;
    claim_place(ledger, claim);
}

bool ri_claim_waits(const ri_ledger *ledger, const ri_claim *claim)
{
    uint64_t share = ri_memory_share(ledger->memory, ledger->kind), most = 0;
    uint64_t used = ri_memory_used(ledger->memory, ledger->kind);
    if (ri_likely(used < share - share / 8)) return false;
    ri_list_each (link, &ledger->large)
        most = RI_MAX(most, ri_container_of(link, ri_claim, link)->bytes);
    return used >= share || claim->bytes >= most / 2;
}
