/* SPDX-License-Identifier: Apache-2.0 */
/* Push consumers: messages go to the deliver subject while somebody is bound to it: has subscribed
 * to that very subject, with a deliver group as a member of that queue, else in no queue. Others
 * who hear of it, by a wildcard or in another queue, get a copy of what goes there anyway; for
 * them alone nothing does, so that who only looks on uses up no delivery.
 *
 * Flow control counts the bytes that were sent and not yet confirmed:
 *
 *     0 ------------------ window / 2 ------------------ window
 *     |     just send           | a request is sent       | stop; heartbeats name the request
 *
 * The receiver answers the request when it has worked off all before it: the bytes up to there
 * are confirmed, and the window doubles, up to PUSH_WINDOW_MAX. With the ack policy flow_control
 * the answer's header Nats-Last-Stream settles all up to there; who has something to settle is
 * asked with the heartbeats, too. Nothing is delivered again meanwhile: the receiver says when
 * it has lost something. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "codec/nats/headers.h"
#include "engine/streams/js_state.h"

enum {
    PUSH_UNIT_GROUPS = 16,               /* so many groups looked at are a unit of the budget */
    PUSH_WINDOW_MAX = 32 * 1024 * 1024,  /* bytes */
    PUSH_WINDOW_FIRST = PUSH_WINDOW_MAX / 16,
};

struct ri_push {
    size_t window;         /* bytes that may be unconfirmed; 0: no flow control */
    size_t sent;           /* unconfirmed */
    size_t asked;          /* of these, before the request that is open */
    int64_t beat_due_ns;   /* monotonic */
    bool bound;            /* somebody was bound ... */
    uint64_t interest_changes; /* ... when the router's interest had changed so often */
    size_t flow_len;       /* of `flow`; 0: no request is open */
    char flow[600];        /* $JS.FC.<stream>.<consumer>.<4 characters> */
};

int ri_push_init(ri_consumer *c)
{
    ri_js *js = c->stream->js;
    c->push = ri_new(js->host, ri_push);
    if (!c->push) return RILL_ENOMEM;
    c->push->window = c->conf.flow_control ? PUSH_WINDOW_FIRST : 0;
    if (c->conf.idle_heartbeat > 0) {
        c->push->beat_due_ns = ri_ns_add(js->mono_ns, c->conf.idle_heartbeat);
        ri_js_arm_consumer(c, c->push->beat_due_ns);
    }
    return RILL_OK;
}

void ri_push_fini(ri_consumer *c)
{
    if (c->push) ri_delete(c->stream->js->host, c->push);
    c->push = NULL;
}

/* In a match the subscriptions of the subject itself come first, also within a group. */
static bool push_is_literal(ri_interest_entry *const *entries, uint32_t n)
{
    return n > 0 && entries[0]->node == NULL;
}

bool ri_push_bound(const ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_router *router = c->stream->js->router;
    ri_account *account = c->stream->js->account;
    const ri_match *match = ri_match_cache_get(&account->cache, &account->interest,
                                               c->conf.deliver_subject);
    if (!match) return true; /* out of memory: the delivery says so, and is tried again */
    if (c->conf.deliver_group.len == 0) return push_is_literal(match->plain, match->nplain);
    ri_budget_spend(&router->budget, match->ngroups / PUSH_UNIT_GROUPS);
    for (uint32_t i = 0; i < match->ngroups; i++)
        if (ri_str_eq(match->groups[i].queue, c->conf.deliver_group))
            return push_is_literal(match->groups[i].members, match->groups[i].n);
    return false;
}

/* The same, asked before each message: what was answered holds until the interest changes. */
static bool push_is_bound(ri_consumer *c)
{
    uint64_t changes = c->stream->js->account->interest.changes;
    if (c->push->bound && c->push->interest_changes == changes) return true;
    c->push->interest_changes = changes;
    return c->push->bound = ri_push_bound(c);
}

static void push_ask(ri_consumer *c)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    ri_js *js = c->stream->js;
    ri_push *push = c->push;
    uint32_t random;
    char id[5] = "";
    js->host->entropy(js->host->arg, &random, sizeof random);
    for (int i = 0; i < 4; i++, random /= 62) id[i] = digits[random % 62];
    int len = snprintf(push->flow, sizeof push->flow, "$JS.FC.%.*s.%.*s.%s",
                       RI_ARG(c->stream->conf.name), RI_ARG(c->name), id);
    RI_ASSERT(len > 0 && (size_t)len < sizeof push->flow);
    push->flow_len = (size_t)len;
    push->asked = push->sent;
    ri_deliver_status(js, c->conf.deliver_subject, (ri_str){push->flow, push->flow_len},
                      "100 FlowControl Request", "");
}

static void push_count(ri_consumer *c, size_t bytes)
{
    ri_js *js = c->stream->js;
    ri_push *push = c->push;
    if (c->conf.idle_heartbeat > 0)
        push->beat_due_ns = ri_ns_add(js->mono_ns, c->conf.idle_heartbeat);
    if (c->conf.rate_limit_bps > 0) {
        double ns = (double)bytes * 8 * (double)RI_SEC / (double)c->conf.rate_limit_bps;
        c->paced_ns = ri_ns_add(RI_MAX(c->paced_ns, js->mono_ns), (int64_t)RI_MIN(ns, 1e15));
    }
    if (!push->window) return;
    push->sent += bytes;
    if (push->sent > push->window / 2 && !push->flow_len) push_ask(c);
}

/* What the receiver says that it has worked off; true if there is more of it to be settled. */
static bool push_settle(ri_consumer *c, ri_str headers)
{
    ri_str text;
    uint64_t seq;
    return c->conf.ack_policy == RI_ACK_FLOW_CONTROL &&
           ri_headers_find(headers, RI_STR("Nats-Last-Stream"), &text) &&
           ri_number_read(text, &seq) && ri_ack_all(c, seq) == 1;
}

bool ri_push_flow(ri_consumer *c, ri_str subject, ri_str headers)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_push *push = c->push;
    if (!push->flow_len || !ri_str_eq(subject, (ri_str){push->flow, push->flow_len})) return false;
    c->busy_mono_ns = c->stream->js->mono_ns;
    if (push_settle(c, headers)) return true;
    push->flow_len = 0;
    push->sent -= push->asked;
    push->asked = 0;
    push->window = RI_MIN(push->window * 2, (size_t)PUSH_WINDOW_MAX);
    ri_js_ready(c);
    return false;
}

void ri_push_step(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_push *push = c->push;
    push->bound = false; /* the deliver subject may be another one */
    do {
        ri_parcel parcel;
        if (!push_is_bound(c)) {
            ri_js_park(c, RI_PARKED_UNBOUND);
            return;
        }
        if (push->window && push->sent >= push->window) return; /* until the answer comes */
        ri_supply supply = ri_deliver_next(c, "", &parcel);
        if (supply != RI_SUPPLY_PARCEL) {
            if (supply == RI_SUPPLY_DRY) ri_wake_sleep(c);
            return;
        }
        int sent = ri_deliver_send(c, &parcel, c->conf.deliver_subject);
        if (sent == 0) ri_js_park(c, RI_PARKED_UNBOUND);
        if (sent <= 0) return;
        push_count(c, parcel.bytes);
    } while (ri_budget_left(&c->stream->js->router->budget));
    ri_js_ready(c);
}

void ri_push_due(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_push *push = c->push;
    if (!push || c->conf.idle_heartbeat <= 0) return;
    int64_t now = c->stream->js->mono_ns;
    if (push->beat_due_ns > now) return;
    push->beat_due_ns = ri_ns_add(now, c->conf.idle_heartbeat);
    if (!ri_push_bound(c)) return;
    ri_deliver_heartbeat(c, c->conf.deliver_subject, (ri_str){push->flow, push->flow_len});
    bool unsettled = c->conf.ack_policy == RI_ACK_FLOW_CONTROL && ri_consumer_npending(c) > 0;
    if (unsettled && !push->flow_len) push_ask(c);
}

int64_t ri_push_next_ns(const ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    return c->push && c->conf.idle_heartbeat > 0 ? c->push->beat_due_ns : INT64_MAX;
}
