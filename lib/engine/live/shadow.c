/* SPDX-License-Identifier: Apache-2.0 */
/* What is imported of streams: shadows of subscriptions (trade.h). */
#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "engine/live/trade.h"

struct ri_shadow {
    ri_subscription sub;      /* in the exporter's account; its party is the import's */
    ri_subscription *main;    /* what it is the shadow of */
    struct ri_shadow *next;   /* of the same */
    size_t size;
    char bytes[];             /* subject and queue */
};

typedef struct ri_shadow shadow;

static shadow *shadow_of(ri_subscription *sub)
{
    return ri_container_of(sub, shadow, sub);
}

/* ---- A message ---- */

/* What comes of it at the importer is made once, whoever gets it there. */
static bool shadow_meet(ri_import *i, ri_delivery *d)
{
    if (i->of == d) return true;
    RI_ASSERT(!i->of);
    ri_str subject = d->p->route.len ? d->p->route : d->m->subject;
    i->m = *d->m;
    i->m.hash = 0;
    ri_buffer_reset(&i->name);
    if (!i->inward) {
        i->m.subject = subject;
    } else {
        if (!ri_transform_apply(i->inward, subject, 0, &i->name) || i->name.failed) return false;
        i->m.subject = ri_buffer_str(&i->name);
    }
    if (i->m.subject.len > RI_LIMIT_CONTROL_LINE_MAX) return false;
    i->p = (ri_publish){.m = &i->m, .frame = d->p->frame};
    i->d = (ri_delivery){.router = d->router, .from = d->from, .m = &i->m, .p = &i->p,
                         .time_ns = d->time_ns};
    i->of = d;
    i->touched = d->touched;
    d->touched = i;
    d->more = true;
    return true;
}

void ri_shadow_release(ri_delivery *d)
{
    while (d->touched) {
        ri_import *i = d->touched;
        RI_ASSERT(i->of == d && !i->d.ended);
        d->touched = i->touched;
        if (i->d.packet) ri_packet_take_back(d->router->pool, i->d.packet);
        i->d.packet = NULL;
        i->touched = NULL;
        i->of = NULL;
    }
}

static bool shadow_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_import *i = ri_container_of(party, ri_import, party);
    ri_subscription *main = shadow_of(sub)->main;
    ri_party *to = main->party;
    if (to == d->from && to->no_echo) return false;
    if (main->max && main->delivered >= main->max) return false;
    if (!shadow_meet(i, d)) {
        d->no_memory = true;
        return false;
    }
    bool took = to->ops->deliver(to, main, &i->d);
    d->no_memory = d->no_memory || i->d.no_memory;
    if (!took) return false;
    to->out_msgs++;
    to->out_bytes += d->m->headers.len + d->m->data.len;
    if (++main->delivered == main->max) {
        main->next_ended = d->ended;
        d->ended = main;
    }
    return true;
}

static void shadow_missed(ri_party *party, ri_subscription *sub)
{
    (void)party;
    ri_subscription *main = shadow_of(sub)->main;
    if (main->party->ops->missed) main->party->ops->missed(main->party, main);
}

static bool shadow_has_room(ri_party *party, ri_subscription *sub, const ri_message *m)
{
    (void)party;
    ri_subscription *main = shadow_of(sub)->main;
    return !main->party->ops->has_room || main->party->ops->has_room(main->party, main, m);
}

static void shadow_ended(ri_party *party, ri_subscription *sub) /* never: it has no max */
{
    (void)party, (void)sub;
    RI_ASSERT(sub->max > 0);
}

const ri_party_ops ri_shadow_ops = {
    .deliver = shadow_deliver,
    .missed = shadow_missed,
    .ended = shadow_ended,
    .has_room = shadow_has_room,
};

/* ---- Coming and going ---- */

/* What both filters match, as a filter; they overlap. */
static void shadow_meet_filters(ri_str a, ri_str b, ri_buffer *out)
{
    ri_str x, y;
    while (ri_subject_token(&a, &x) && ri_subject_token(&b, &y)) {
        bool open_x = ri_str_is(x, ">") && !a.len, open_y = ri_str_is(y, ">") && !b.len;
        if (ri_buffer_size(out)) ri_buffer_puts(out, ".");
        if (open_x || open_y) {
            ri_str tail = open_x ? y : x, more = open_x ? b : a;
            ri_buffer_put_str(out, tail);
            if (more.len) {
                ri_buffer_puts(out, ".");
                ri_buffer_put_str(out, more);
            }
            return;
        }
        ri_buffer_put_str(out, ri_str_is(x, "*") ? y : x);
    }
}

/* By which the exporter's messages are heard; empty: there is no memory. */
static ri_str shadow_subject(const ri_import *i, ri_str subject, ri_buffer *meet, ri_buffer *out)
{
    shadow_meet_filters(ri_str_of(i->local), subject, meet);
    if (meet->failed) return RI_STR_NONE;
    if (!i->outward) return ri_buffer_str(meet);
    if (!ri_transform_apply(i->outward, ri_buffer_str(meet), 0, out) || out->failed)
        return RI_STR_NONE;
    return ri_buffer_str(out);
}

static void shadow_free(ri_import *i, shadow *s)
{
    ri_router *router = i->party.router;
    ri_shapes_remove(&i->account->trade->shapes, s->sub.entry.subject);
    ri_router_unsubscribe(&s->sub);
    RI_ASSERT(s->main->party->nshadows > 0);
    s->main->party->nshadows--;
    ri_memory_refund(&router->memory, RI_MEMORY_INTEREST, s->size);
    RI_ASSERT(s->main->party->trade_bytes >= s->size);
    s->main->party->trade_bytes -= s->size;
    ri_budget_spend(&router->budget, 1);
    ri_free(router->host, s, s->size);
}

/* Somebody who subscribes may have room made for it; a reload has what there is. */
static bool shadow_take(ri_import *i, shadow *s, bool comes)
{
    ri_router *router = i->party.router;
    ri_party *party = s->main->party;
    party->trade_bytes += s->size;
    if (ri_memory_charge(&router->memory, RI_MEMORY_INTEREST, s->size)) return true;
    if (ri_errand_forget_orphans(router) ||
        (comes && party->ops->make_interest && party->ops->make_interest(party)))
        return true;
    party->trade_bytes -= s->size;
    ri_memory_refund(&router->memory, RI_MEMORY_INTEREST, s->size);
    return false;
}

/* It stands in the exporter's interest, unless its wildcards are in a way too many: there, or of
 * this importer. */
static int shadow_enter(ri_import *i, shadow *s)
{
    ri_shapes *own = &i->account->trade->shapes;
    const ri_shapes *all = &i->exporter->interest.shapes;
    uint32_t before_own = own->deep, before = all->deep;
    int rc = ri_shapes_add(own, s->sub.entry.subject);
    if (rc < 0) return rc;
    if ((rc = ri_router_place(&i->party, &s->sub)) < 0) {
        ri_shapes_remove(own, s->sub.entry.subject);
        return rc;
    }
    if ((own->deep <= RI_LIMIT_SHADOW_SHAPES || own->deep == before_own) &&
        (all->deep <= RI_LIMIT_SHAPES / 2 || all->deep == before))
        return RILL_OK;
    ri_shapes_remove(own, s->sub.entry.subject);
    ri_router_unsubscribe(&s->sub);
    return ri_err(RILL_EFULL, "subscriptions to what is imported place their wildcards in too many "
                  "ways");
}

static int shadow_place(ri_import *i, shadow *s, bool comes)
{
    if (!shadow_take(i, s, comes))
        return ri_err(RILL_EFULL, "no memory for subscriptions to what is imported");
    int rc = shadow_enter(i, s);
    if (rc < 0) {
        s->main->party->trade_bytes -= s->size;
        ri_memory_refund(&i->party.router->memory, RI_MEMORY_INTEREST, s->size);
    }
    return rc;
}

static int shadow_add(ri_import *i, ri_subscription *main, ri_str subject, bool comes)
{
    const ri_host *host = i->party.router->host;
    ri_str queue = main->entry.queue;
    size_t size = sizeof(shadow) + subject.len + queue.len;
    shadow *s = ri_alloc(host, size);
    if (!s) return RILL_ENOMEM;
    *s = (shadow){.main = main, .size = size};
    memcpy(s->bytes, subject.ptr, subject.len);
    if (queue.len) memcpy(s->bytes + subject.len, queue.ptr, queue.len);
    s->sub.entry.subject = (ri_str){s->bytes, subject.len};
    s->sub.entry.queue = (ri_str){s->bytes + subject.len, queue.len};
    int rc = shadow_place(i, s, comes);
    if (rc < 0) {
        ri_free(host, s, size);
        return rc;
    }
    s->next = main->shadows;
    main->shadows = s;
    main->party->nshadows++;
    return RILL_OK;
}

static int shadow_follow(ri_import *i, ri_subscription *sub, bool comes)
{
    if (!i->exporter || i->service ||
        !ri_subject_overlaps(ri_str_of(i->local), sub->entry.subject))
        return RILL_OK;
    ri_buffer meet, out;
    ri_buffer_init(&meet, i->name.host);
    ri_buffer_init(&out, i->name.host);
    ri_str subject = shadow_subject(i, sub->entry.subject, &meet, &out);
    int rc = subject.len ? shadow_add(i, sub, subject, comes) : RILL_ENOMEM;
    ri_buffer_fini(&meet);
    ri_buffer_fini(&out);
    return rc;
}

int ri_shadow_follow_one(ri_import *i, ri_subscription *sub)
{
    return shadow_follow(i, sub, false);
}

int ri_shadow_follow(ri_subscription *sub)
{
    ri_trade *t = sub->account->trade;
    RI_ASSERT(!sub->shadows);
    ri_budget_spend(&sub->account->router->budget, t->nimports / 2);
    for (size_t i = 0; i < t->nimports; i++) {
        int rc = shadow_follow(&t->imports[i], sub, true);
        if (rc < 0) {
            ri_shadow_drop(sub);
            return rc;
        }
    }
    return RILL_OK;
}

void ri_shadow_drop(ri_subscription *sub)
{
    while (sub->shadows) {
        shadow *s = sub->shadows;
        sub->shadows = s->next;
        shadow_free(ri_container_of(s->sub.party, ri_import, party), s);
    }
}

void ri_shadow_drop_all(ri_import *i)
{
    if (i->service) return;
    ri_list_each (link, &i->party.subs) {
        shadow *s = shadow_of(ri_container_of(link, ri_subscription, link));
        shadow **at = &s->main->shadows;
        while (*at != s) at = &(*at)->next;
        *at = s->next;
        shadow_free(i, s);
    }
}
