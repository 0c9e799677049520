/* SPDX-License-Identifier: Apache-2.0 */
/* What a session has subscribed to, as pages list it: all at once, in the order of the subscribing,
 * or, where each has to be compared, in the order of the map, within the budget of a turn. */
#include "base/assert.h"
#include "codec/subject/subject.h"
#include "front/nats/nats_session.h"

/* Are all that are not looked at yet listed by their number alone, `all` being here? A session may
 * have a million. */
static bool listed_by_number(const ri_broker_subs_query *query, uint64_t before, uint64_t all)
{
    return !query->opts->matches && !query->overlaps.len &&
           (query->count == query->max || before + all <= query->opts->skip);
}

static void listed_meet(const ri_nats_session *s, const ri_subscription *sub,
                        ri_broker_subs_query *query)
{
    const char *matches = query->opts->matches;
    const ri_nats_sub *nats_sub = ri_container_of(sub, ri_nats_sub, sub);
    const ri_interest_entry *entry = &sub->entry;
    if (ri_nats_session_has_forgotten(s, nats_sub)) return;
    if (matches && !ri_subject_match(entry->subject, ri_str_of(matches))) return;
    if (query->overlaps.len && !ri_subject_overlaps(entry->subject, query->overlaps)) return;
    if (!ri_broker_subs_want(query)) return;
    const ri_broker_sub found = {
        .info = {.conn = s->cid, .msgs = sub->delivered, .max_msgs = sub->max},
        .subject = entry->subject, .queue = entry->queue, .sid = nats_sub->sid};
    query->put(query->arg, &found);
}

/* A place of the map is a step, whether it is empty or not. One that has ended has none left: what
 * it had subscribed to goes in slices, and stands in the map until all has gone. */
static void listed_compare(const ri_nats_session *s, ri_broker_subs_query *query)
{
    bool left = true;
    size_t end = s->end ? 0 : s->subs.cap;
    while (query->at < end && left) {
        const ri_nats_sub *sub = s->subs.slots[query->at++].item;
        if (sub) listed_meet(s, &sub->sub, query);
        left = ri_budget_spend(query->budget, 1);
        if (query->overlaps.len && query->count == query->max) query->at = end; /* heard */
    }
    query->more = query->at < end;
    if (!query->more) query->at = 0;
}

void ri_nats_session_list_subs(const ri_nats_session *s, ri_broker_subs_query *query)
{
    uint64_t before = query->total, all = s->subs.len;
    if (query->budget && (query->opts->matches || query->overlaps.len)) {
        listed_compare(s, query);
        return;
    }
    RI_ASSERT(!query->more && !query->overlaps.len);
    ri_list_each (item, &s->party.subs) {
        if (listed_by_number(query, before, all)) {
            query->total = before + all;
            return;
        }
        ri_budget_spend(&s->party.router->budget, 1);
        listed_meet(s, ri_container_of(item, ri_subscription, link), query);
    }
}
