/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/live/router.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/live/trade.h"

enum { ROUTER_TRIES = 16 }; /* members of a group that are tried or passed over in a unit */

int ri_router_init(ri_router *router, const ri_host *host)
{
    *router = (ri_router){.host = host};
    ri_budget_init(&router->budget);
    ri_memory_init(&router->memory);
    ri_ledger_init(&router->work, &router->memory, RI_MEMORY_WORK);
    ri_ledger_init(&router->deliveries, &router->memory, RI_MEMORY_DELIVERIES);
    ri_list_init(&router->backlog);
    ri_list_init(&router->orphans);
    ri_account_init(&router->global, router, host);
    host->entropy(host->arg, &router->turn, sizeof router->turn);
    router->pool = ri_packet_pool_open(host);
    return router->pool ? RILL_OK : RILL_ENOMEM;
}

void ri_router_fini(ri_router *router)
{
    RI_ASSERT(ri_interest_count(&router->global.interest) == 0 || router->pool);
    if (!router->host) return;
    RI_ASSERT(!ri_router_has_backlog(router));
    ri_account_fini(&router->global);
    if (router->errands)
        ri_free(router->host, router->errands, router->cap_errands * sizeof *router->errands);
    ri_packet_pool_close(router->pool);
    *router = (ri_router){0};
}

struct ri_fan {
    ri_party *from;
    ri_account *account;     /* that it was published in; a reference */
    ri_list link;            /* in router->backlog */
    ri_packet *packet;       /* a reference */
    ri_message m;            /* what is in it */
    ri_publish p;            /* of that */
    uint64_t stamp;          /* the mark; 0: others are before it */
    const ri_match *match;   /* where `at` counts, ... */
    ri_interest_entry **plain;
    ri_interest_key key;
    uint64_t generation;     /* ... if it is the subject's still */
    uint32_t at;
    int took;
    ri_fan *next;            /* of the same publisher, in another account, behind this one */
    size_t route_len;
    char route[];            /* what it is matched by */
};

/* Of one who goes. */
static void router_forget_backlog(const ri_party *party)
{
    ri_list_each (link, &party->router->backlog) {
        ri_fan *fan = ri_container_of(link, ri_fan, link);
        if (fan->from == party) ri_router_fan_drop(&fan);
    }
}

void ri_party_init(ri_party *party, ri_router *router, const ri_party_ops *ops)
{
    RI_ASSERT(router && ops->deliver);
    *party = (ri_party){.ops = ops, .router = router};
    party->account = ri_account_ref(&router->global);
    ri_list_init(&party->subs);
    ri_list_init(&party->asking);
}

void ri_party_enter(ri_party *party, ri_account *account)
{
    RI_ASSERT(party->router && account->router == party->router);
    if (party->account == account) return;
    ri_account_unref(party->account);
    party->account = ri_account_ref(account);
}

void ri_party_fini(ri_party *party)
{
    if (!party->router) return;
    if (party->queues) router_forget_backlog(party);
    ri_list_each (link, &party->subs)
        ri_router_unsubscribe(ri_container_of(link, ri_subscription, link));
    if (!ri_list_empty(&party->asking)) ri_errand_leave(party);
    if (party->asker) {
        party->asker->party = NULL;
        ri_asker_unref(party->asker);
        party->asker = NULL;
    }
    ri_account_unref(party->account);
    party->account = NULL;
    party->router = NULL;
}

ri_asker *ri_party_asker(ri_party *party)
{
    if (!party->asker) {
        ri_asker *asker = ri_new(party->router->host, ri_asker);
        if (!asker) return NULL;
        *asker = (ri_asker){.host = party->router->host, .party = party, .refs = 1};
        party->asker = asker;
    }
    party->asker->refs++;
    return party->asker;
}

void ri_asker_unref(ri_asker *asker)
{
    RI_ASSERT(asker->refs > 0);
    if (--asker->refs == 0) ri_delete(asker->host, asker);
}

int ri_router_place(ri_party *party, ri_subscription *sub)
{
    RI_ASSERT(party->router && sub->entry.subject.len > 0);
    int rc = ri_interest_add(&party->account->interest, &sub->entry);
    if (rc < 0) return rc;
    sub->party = party;
    sub->account = ri_account_ref(party->account);
    sub->delivered = 0;
    sub->shadows = NULL;
    ri_account_stir(sub->account);
    ri_list_push(&party->subs, &sub->link);
    party->nsubs++;
    return RILL_OK;
}

int ri_router_subscribe(ri_party *party, ri_subscription *sub)
{
    int rc = ri_router_place(party, sub);
    if (ri_likely(rc < 0 || !sub->account->trade)) return rc;
    rc = ri_shadow_follow(sub);
    if (rc < 0) ri_router_unsubscribe(sub);
    return rc;
}

void ri_router_unsubscribe(ri_subscription *sub)
{
    if (!ri_list_linked(&sub->link)) return;
    if (ri_unlikely(sub->shadows != NULL)) ri_shadow_drop(sub);
    ri_interest_remove(&sub->account->interest, &sub->entry);
    ri_account_stir(sub->account);
    ri_account_unref(sub->account);
    sub->account = NULL;
    ri_list_remove(&sub->link);
    RI_ASSERT(sub->party->nsubs > 0);
    sub->party->nsubs--;
}

bool ri_router_limit(ri_subscription *sub, uint64_t max)
{
    RI_ASSERT(sub->party);
    sub->max = max;
    if (max == 0 || sub->delivered < max) return false;
    ri_router_unsubscribe(sub);
    return true;
}

ri_packet *ri_delivery_packet(ri_delivery *d)
{
    RI_ASSERT(d->m && d->router);
    if (!d->packet) d->packet = ri_packet_new(d->router->pool, d->m, d->time_ns);
    if (ri_likely(d->packet != NULL))
        ri_packet_give(d->router->pool, d->packet, 1);
    else
        d->no_memory = true;
    return d->packet;
}

/* The probe gets where the message goes; true: the message goes no further itself. */
static bool router_probe(const ri_delivery *d, ri_party *party, const ri_subscription *sub)
{
    ri_probe *probe = d->p->probe;
    if (!party->ops->stores) {
        probe->egress(probe, party, sub);
        if (probe->only) return true;
    }
    return false;
}

static inline bool router_deliver(ri_delivery *d, ri_interest_entry *entry)
{
    ri_subscription *sub = ri_container_of(entry, ri_subscription, entry);
    ri_party *party = sub->party;
    if (ri_unlikely(party == d->from && party->no_echo)) return false;
    if (ri_unlikely(d->p->direct) && !party->ops->direct) return false;
    if (ri_unlikely(sub->max && sub->delivered >= sub->max)) return false;
    const ri_probe *probe = d->p->probe;
    if (ri_unlikely(probe != NULL) && router_probe(d, party, sub)) return true;
    if (!party->ops->deliver(party, sub, d)) return false;
    if (ri_unlikely(probe != NULL) && probe->only) return true;
    party->out_msgs++;
    party->out_bytes += d->m->headers.len + d->m->data.len;
    if (ri_unlikely(++sub->delivered == sub->max)) {
        sub->next_ended = d->ended;
        d->ended = sub;
        d->more = true;
    }
    return true;
}

uint64_t ri_router_random(ri_router *router) /* a multiplicative congruential step */
{
    router->turn = router->turn * 6364136223846793005ULL + 1442695040888963407ULL;
    return router->turn;
}

static uint32_t router_dice(ri_router *router, uint32_t n) /* a number below n */
{
    return (uint32_t)(((ri_router_random(router) >> 32) * n) >> 32);
}

/* By lot; if that one takes nothing, the next in the row that does. One party may have very many
 * members: when it is shut they are passed over, and what that costs is counted. */
static bool router_deliver_group(ri_delivery *d, const ri_match_group *group)
{
    RI_ASSERT(group->n > 0);
    uint32_t at = group->n > 1 ? router_dice(d->router, group->n) : 0;
    const ri_party *shut = NULL;
    bool took = false;
    uint32_t tried = 0;
    for (; tried < group->n && !took; tried++) {
        const ri_subscription *sub = ri_container_of(group->members[at], ri_subscription, entry);
        if (sub->party != shut) {
            took = router_deliver(d, group->members[at]);
            if (!took && sub->party->ops->shut && sub->party->ops->shut(sub->party))
                shut = sub->party;
        }
        if (++at == group->n) at = 0;
    }
    if (ri_unlikely(tried > 1)) ri_budget_spend(&d->router->budget, tried / ROUTER_TRIES);
    if (took) return true;
    ri_subscription *sub = ri_container_of(group->members[at], ri_subscription, entry);
    if (sub->party->ops->missed) sub->party->ops->missed(sub->party, sub);
    return false;
}

/* Take those off the router that have had their max: the match is no longer walked. */
static void router_end(ri_delivery *d)
{
    while (d->ended) {
        ri_subscription *sub = d->ended;
        d->ended = sub->next_ended;
        sub->next_ended = NULL;
        ri_router_unsubscribe(sub);
        sub->party->ops->ended(sub->party, sub);
    }
}

/* What is left to be done when the match is no longer walked; how many more took it. */
RI_COLD static int router_follow(ri_delivery *d)
{
    if (d->touched) ri_shadow_release(d);
    if (d->ended) router_end(d);
    return d->errands ? ri_errand_run(d) : 0;
}

static RI_INLINE int router_route(ri_delivery *d, const ri_match *match)
{
    int took = 0;
    for (uint32_t i = 0; i < match->nplain; i++) took += router_deliver(d, match->plain[i]);
    for (uint32_t i = 0; i < match->ngroups; i++)
        took += router_deliver_group(d, &match->groups[i]);
    if (d->packet) ri_packet_take_back(d->router->pool, d->packet);
    if (ri_unlikely(d->more)) return took + router_follow(d);
    return took;
}

/* ---- Very many receivers ---- */

enum {
    FAN_LEAST = 2048,     /* receivers up to which they get a message at once */
    FAN_STEP = 64,        /* that get it before the budget is asked */
    FAN_PASS_UNITS = 4,   /* of a step over some that have it */
    FAN_ENDED_UNITS = 5,  /* of one whose subscription ends by it */
};

/* The subscriptions that got it are marked: if the interest changes between two slices, the others
 * are found by that. The marks are those of one fan at a time. */

static bool fan_has_reached(const ri_fan *fan, ri_interest_entry *entry)
{
    return ri_container_of(entry, ri_subscription, entry)->fanned == fan->stamp;
}

static void fan_mark(const ri_fan *fan, ri_interest_entry *entry)
{
    ri_container_of(entry, ri_subscription, entry)->fanned = fan->stamp;
}

static bool fan_deliver_group(const ri_fan *fan, ri_delivery *d, const ri_match_group *group)
{
    RI_ASSERT(group->n > 0);
    for (uint32_t i = 0; i < group->n; i++)
        if (fan_has_reached(fan, group->members[i])) return false;
    for (uint32_t i = 0; i < group->n; i++) fan_mark(fan, group->members[i]);
    return router_deliver_group(d, group);
}

/* To the next receiver: how many took it, -1 if it was reached before. */
static int fan_deliver(const ri_fan *fan, ri_delivery *d, const ri_match *match)
{
    uint32_t at = fan->at;
    if (at >= match->nplain) return fan_deliver_group(fan, d, &match->groups[at - match->nplain]);
    if (fan_has_reached(fan, match->plain[at])) return -1;
    fan_mark(fan, match->plain[at]);
    return router_deliver(d, match->plain[at]);
}

/* As many as the budget allows, some at least. */
static uint32_t fan_deliver_some(ri_fan *fan, ri_delivery *d, const ri_match *match)
{
    ri_router *router = d->router;
    uint64_t bytes = fan->m.headers.len + fan->m.data.len;
    uint32_t total = match->nplain + match->ngroups, took = 0, tried = 0;
    bool left = true;
    while (fan->at < total && (left || tried < FAN_STEP)) {
        uint32_t before = took;
        for (int i = 0; i < FAN_STEP && fan->at < total; i++, fan->at++) {
            int n = fan_deliver(fan, d, match);
            tried += n >= 0;
            took += n > 0;
        }
        uint64_t units = FAN_STEP + ri_budget_bytes((took - before) * bytes);
        left = ri_budget_spend(&router->budget, took == before ? FAN_PASS_UNITS : units);
    }
    return took;
}

static void fan_count(ri_fan *fan, ri_delivery *d, uint32_t took)
{
    ri_router *router = d->router;
    router->out_msgs += took;
    router->out_bytes += took * (fan->m.headers.len + fan->m.data.len);
    fan->took += (int)took;
    for (const ri_subscription *sub = d->ended; sub; sub = sub->next_ended)
        ri_budget_spend(&router->budget, FAN_ENDED_UNITS);
}

/* True if there are more. */
static bool fan_slice(ri_fan *fan, ri_router *router)
{
    ri_str route = {fan->route, fan->route_len};
    ri_interest *interest = &fan->account->interest;
    const ri_match *match = ri_match_cache_get(&fan->account->cache, interest, route);
    if (!match) return false;
    uint64_t generation = ri_interest_generation(interest, &fan->key);
    if (fan->match != match || fan->plain != match->plain || fan->generation != generation)
        fan->at = 0;
    ri_delivery d = {.router = router, .from = fan->from, .m = &fan->m, .p = &fan->p,
                     .time_ns = fan->packet->time_ns};
    router->fanning = true;
    uint32_t took = fan_deliver_some(fan, &d, match);
    router->fanning = false;
    fan->match = match;
    fan->plain = match->plain;
    fan->generation = generation;
    bool more = fan->at < match->nplain + match->ngroups;
    fan_count(fan, &d, took);
    if (d.packet) ri_packet_take_back(router->pool, d.packet);
    fan->p.fan = ri_list_linked(&fan->link) ? NULL : &fan->next;
    fan->took += router_follow(&d);
    return more;
}

static ri_fan *fan_new(ri_account *account, ri_party *from, ri_str route, const ri_publish *p)
{
    ri_router *router = from->router;
    const ri_message *m = p->m;
    ri_fan *fan = ri_alloc(router->host, sizeof *fan + route.len);
    ri_packet *packet = fan ? ri_packet_new(router->pool, m, router->time_ns) : NULL;
    if (!packet) {
        ri_free(router->host, fan, fan ? sizeof *fan + route.len : 0);
        return NULL;
    }
    *fan = (ri_fan){.from = from, .account = ri_account_ref(account), .packet = packet,
                    .route_len = route.len,
                    .m = {ri_packet_subject(packet), ri_packet_reply(packet),
                          ri_packet_headers(packet), ri_packet_data(packet), 0},
                    .p = {.m = &fan->m, .frame = p->frame, .stored = p->stored,
                          .direct = p->direct, .errands = p->errands}};
    memcpy(fan->route, route.ptr, route.len);
    ri_list_init(&fan->link);
    ri_interest_key_init(&fan->key, (ri_str){fan->route, route.len}, ri_hash(route));
    return fan;
}

static void fan_free(ri_fan *fan)
{
    ri_router *router = fan->from->router;
    if (router->fan == fan) router->fan = NULL;
    ri_list_remove(&fan->link);
    ri_packet_unref(fan->packet);
    ri_account_unref(fan->account);
    ri_free(router->host, fan, sizeof *fan + fan->route_len);
}

bool ri_router_fan_on(ri_fan **at)
{
    RI_ASSERT(at);
    ri_fan *fan = *at;
    ri_router *router = fan->from->router;
    if (router->fan && router->fan != fan) return true;
    if (!router->fan) fan->stamp = ++router->fans;
    router->fan = fan;
    if (fan_slice(fan, router)) return true;
    ri_party *from = fan->from;
    if (ri_unlikely(fan->took == 0) && fan->m.reply.len && from->ops->no_responders)
        from->ops->no_responders(from, &fan->m);
    *at = fan->next;
    fan_free(fan);
    return *at != NULL;
}

void ri_router_fan_drop(ri_fan **at)
{
    while (*at) {
        ri_fan *fan = *at;
        *at = fan->next;
        fan_free(fan);
    }
}

void ri_router_backlog_some(ri_router *router)
{
    RI_ASSERT(!router->fanning);
    while (ri_router_has_backlog(router) && ri_budget_left(&router->budget)) {
        ri_fan *fan = ri_container_of(router->backlog.next, ri_fan, link);
        if (ri_router_fan_on(&fan)) return;
    }
}

/* Begins with it, or puts it behind others. False: it has to be done in one go. */
static bool fan_begin(ri_account *account, ri_party *from, ri_str route, const ri_publish *p)
{
    ri_fan **at = p->fan;
    bool rests = (at || from->queues) && !p->append; /* the appender would be gone */
    ri_fan *fan = rests ? fan_new(account, from, route, p) : NULL;
    if (!fan) return false;
    if (at && *at) { /* of the same message, elsewhere */
        while (*at) at = &(*at)->next;
        *at = fan;
    } else if (at) {
        *at = fan;
        ri_router_fan_on(at);
    } else {
        ri_list_push(&from->router->backlog, &fan->link);
    }
    return true;
}

static inline ri_str router_route_of(const ri_publish *p)
{
    return ri_unlikely(p->route.len > 0) ? p->route : p->m->subject;
}

/* Who gets it; NULL when out of memory. */
static inline const ri_match *router_match(ri_account *account, const ri_publish *p)
{
    if (p->match) return p->match;
    uint64_t hash = p->m->hash;
    const ri_match *match =
        hash && p->route.len == 0
            ? ri_match_cache_find(&account->cache, &account->interest, p->m->subject, hash)
            : ri_match_cache_get(&account->cache, &account->interest, router_route_of(p));
    if (ri_unlikely(account->cache.visited > 0)) {
        ri_budget_spend(&account->router->budget, account->cache.visited);
        account->cache.visited = 0;
    }
    return match;
}

/* Live messages are counted in steps, since one takes much less than a unit. */
enum {
    STEPS_A_UNIT = 8,
    STEPS_A_MESSAGE = 2,
    STEPS_A_RECEIVER = 1,
    STEPS_NEAR = 32, /* of so many receivers the processor's caches hold what is needed */
    STEPS_FAR = 4,   /* of each where there are more */
};

static inline void router_spend(ri_router *router, uint64_t steps)
{
    steps += router->steps;
    router->steps = steps % STEPS_A_UNIT;
    if (steps >= STEPS_A_UNIT) ri_budget_spend(&router->budget, steps / STEPS_A_UNIT);
}

static inline uint64_t router_steps(uint64_t took, uint64_t bytes)
{
    uint64_t steps = took * (ri_likely(took <= STEPS_NEAR) ? STEPS_A_RECEIVER : STEPS_FAR);
    /* What goes to a socket is written outside the gate. */
    return STEPS_A_MESSAGE + steps + ri_budget_bytes(bytes) * STEPS_A_UNIT / 2;
}

static RI_INLINE int router_reach(ri_party *from, const ri_publish *p, const ri_match *match)
{
    ri_router *router = from->router;
    const ri_message *m = p->m;
    ri_delivery d = {.router = router, .from = from, .m = m, .p = p, .time_ns = router->time_ns};
    int took = router_route(&d, match);
    if (ri_unlikely(took == 0 && d.no_memory)) return RILL_ENOMEM;
    if (ri_unlikely(p->probe != NULL) && p->probe->only) {
        ri_budget_spend(&router->budget, 1 + (uint64_t)took);
        return took;
    }
    uint64_t bytes = (uint64_t)took * (m->headers.len + m->data.len);
    router->out_msgs += (uint64_t)took;
    router->out_bytes += bytes;
    router_spend(router, router_steps((uint64_t)took, bytes));
    return took;
}

/* For very many: true if they get it by and by. Else in one go, and so many are not reported one by
 * one. */
RI_COLD static bool router_fans(ri_account *account, ri_party *from, const ri_publish *p,
                                ri_publish *unreported)
{
    if (p->probe && p->probe->only) return true;
    if (fan_begin(account, from, router_route_of(p), p)) return true;
    *unreported = *p;
    unreported->probe = NULL;
    return false;
}

/* In the account of a callout's service. False: it is asked by somebody who may not. */
RI_COLD static bool router_guard(const ri_party *from, const ri_publish **p, ri_publish *guarded)
{
    ri_str route = router_route_of(*p);
    bool asked = ri_str_is(route, RI_ACCOUNT_ASKED);
    if (!asked && !ri_str_starts(route, RI_STR(RI_ACCOUNT_ANSWERS))) return true;
    *guarded = **p;
    guarded->direct = true;
    *p = guarded;
    return !asked || from->ops->asks;
}

static RI_INLINE int router_send(ri_account *account, ri_party *from, const ri_publish *p)
{
    ri_publish unreported, guarded;
    if (ri_unlikely(account->callout) && !router_guard(from, &p, &guarded)) return 0;
    ri_router *router = from->router;
    const ri_match *match = router_match(account, p);
    if (ri_unlikely(!match)) return RILL_ENOMEM;
    uint32_t receivers = match->nplain + match->ngroups;
    if (ri_unlikely(receivers > FAN_LEAST)) {
        if (router_fans(account, from, p, &unreported)) return 1;
        p = &unreported;
    }
    if (receivers > 0) return router_reach(from, p, match);
    router_spend(router, STEPS_A_MESSAGE);
    return 0;
}

RI_COLD int ri_router_send(ri_account *account, ri_party *from, const ri_publish *p)
{
    RI_ASSERT(from->router && p->m && !p->match && p->errands > 0);
    return router_send(account, from, p);
}

int ri_router_publish(ri_party *from, const ri_publish *p)
{
    RI_ASSERT(from->router && p->m && p->m->subject.len > 0);
    ri_router *router = from->router;
    const ri_message *m = p->m;
    int took = router_send(from->account, from, p);
    if (took < 0 || p->route.len) return took;
    size_t bytes = m->headers.len + m->data.len;
    from->in_msgs++;
    from->in_bytes += bytes;
    router->in_msgs++;
    router->in_bytes += bytes;
    if (ri_unlikely(took == 0) && m->reply.len && from->ops->no_responders)
        from->ops->no_responders(from, m);
    return took;
}
