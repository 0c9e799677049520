/* SPDX-License-Identifier: Apache-2.0 */
/* What is imported of services: requests on their way to another account, and answers on their way
 * back (trade.h). */
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "engine/live/trade.h"

enum {
    ERRAND_NAME = 6,                        /* letters of a desk's name, and of a reply's */
    ERRAND_PREFIX = 4 + ERRAND_NAME + 1,    /* "_R_.NAME." */
    ERRAND_SWEEP = 4,                       /* replies that are looked at for each new one */
    ERRAND_ROOM = 16,                       /* that are noted, at first */
    ERRAND_UNITS = 4,                       /* of the turn, for each message */
    ERRAND_ORPHANS = 256,                   /* forgotten at a time where there is no memory */
    /* Counted for each reply beside its bytes: so whoever fills either bound has as much. */
    ERRAND_COST = RI_LIMIT_REPLY_BYTES / RI_LIMIT_REPLIES,
};

static const char errand_letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "abcdefghijklmnopqrstuvwxyz";
#define ERRAND_INFO "Nats-Request-Info"

/* What one party has asked by one import, and waits for; there is one while it waits. */
typedef struct ri_asking {
    ri_timer most;           /* in import->asking, by its cost: who has most is at hand */
    ri_list link;            /* party->asking, or router->orphans */
    ri_list replies;         /* ri_reply.asking_link, the oldest first */
    ri_import *import;       /* NULL: it is not linked any more */
    ri_party *party;         /* NULL: it has gone */
    struct ri_desk *desk;    /* that knows the replies */
    uint64_t cost;
} ri_asking;

typedef struct ri_reply {
    ri_list link;            /* import->replies, or desk->loose */
    ri_list desk_link;       /* desk->all */
    ri_list asking_link;     /* asking->replies */
    ri_asking *asking;
    ri_account *to;          /* the importer; a reference */
    rill_answers answers;
    uint32_t answer_ms;
    int64_t expires_ns;
    size_t size;
    ri_str name;             /* in `bytes`, as is the subject that it stands for, ... */
    ri_str back;
    ri_str sample;           /* ... and what is kept of a request that is sampled; else empty */
    char bytes[];
} ri_reply;

/* Of an exporter: who hears its answers. */
struct ri_desk {
    ri_party party;
    ri_subscription sub;
    ri_map replies;          /* by name */
    ri_list all;             /* the same, in the order of their coming */
    ri_list loose;           /* of imports that are not linked any more */
    uint64_t secret, serial; /* of which names are made */
    char filter[ERRAND_PREFIX + 2];
};

typedef struct ri_desk desk;

static bool errand_same(const void *item, const void *key)
{
    const ri_reply *reply = item;
    const ri_str *name = key;
    return ri_str_eq(reply->name, *name);
}

bool ri_errand_same_party(const void *item, const void *key)
{
    const ri_asking *asking = item;
    return asking->party == key;
}

/* ---- Who waits ---- */

static uint64_t errand_party_hash(const ri_party *party)
{
    return ri_hash_bytes(&party, sizeof party);
}

static void errand_charge(ri_asking *a, size_t bytes)
{
    if (a->party) a->party->trade_bytes += bytes;
}

static void errand_refund(ri_asking *a, size_t bytes)
{
    ri_memory_refund(&a->desk->party.router->memory, RI_MEMORY_INTEREST, bytes);
    if (!a->party) return;
    RI_ASSERT(a->party->trade_bytes >= bytes);
    a->party->trade_bytes -= bytes;
}

/* Its party or its import goes: nobody finds it for another request. */
static void errand_hide(ri_asking *a)
{
    if (!a->import || !a->party) return;
    void *taken = ri_map_take(&a->import->askers, errand_party_hash(a->party), a->party);
    RI_ASSERT(taken == a);
    (void)taken;
}

static void errand_end_asking(ri_asking *a)
{
    const ri_host *host = a->desk->party.router->host;
    RI_ASSERT(ri_list_empty(&a->replies) && a->cost == 0);
    errand_hide(a);
    if (a->import) ri_heap_cancel(&a->import->asking, &a->most);
    ri_list_remove(&a->link);
    errand_refund(a, sizeof *a);
    ri_delete(host, a);
}

/* One that is armed is moved, which takes no memory. */
static void errand_rank(ri_asking *a)
{
    if (a->import) (void)ri_heap_set(&a->import->asking, &a->most, -(int64_t)a->cost);
}

static ri_asking *errand_begin_asking(ri_import *i, ri_party *party)
{
    ri_router *router = party->router;
    uint64_t hash = errand_party_hash(party);
    ri_asking *a = ri_map_get(&i->askers, hash, party);
    if (a) return a;
    if (!ri_memory_take(&router->memory, RI_MEMORY_INTEREST, sizeof *a)) return NULL;
    a = ri_new(router->host, ri_asking);
    bool good = a != NULL;
    if (good) {
        *a = (ri_asking){.import = i, .party = party, .desk = i->exporter->desk};
        ri_list_init(&a->replies);
        good = ri_heap_set(&i->asking, &a->most, 0) == RILL_OK;
    }
    if (good && ri_map_put(&i->askers, hash, a) < 0) {
        ri_heap_cancel(&i->asking, &a->most);
        good = false;
    }
    if (!good) {
        ri_memory_refund(&router->memory, RI_MEMORY_INTEREST, sizeof *a);
        if (a) ri_delete(router->host, a);
        return NULL;
    }
    ri_list_push(&party->asking, &a->link);
    errand_charge(a, sizeof *a);
    return a;
}

/* ---- Replies ---- */

static void errand_forget(desk *k, ri_reply *reply)
{
    ri_asking *a = reply->asking;
    void *taken = ri_map_take(&k->replies, ri_hash(reply->name), &reply->name);
    RI_ASSERT(taken == reply);
    (void)taken;
    ri_router *router = k->party.router;
    ri_import *i = a->import;
    ri_list_remove(&reply->link);
    ri_list_remove(&reply->desk_link);
    ri_list_remove(&reply->asking_link);
    if (i) {
        RI_ASSERT(i->nreplies > 0 && i->reply_bytes >= reply->size);
        i->nreplies--;
        i->reply_bytes -= reply->size;
    }
    errand_refund(a, reply->size);
    RI_ASSERT(a->desk == k && a->cost >= reply->size + ERRAND_COST);
    a->cost -= reply->size + ERRAND_COST;
    ri_account_unref(reply->to);
    ri_free(router->host, reply, reply->size);
    if (ri_list_empty(&a->replies)) errand_end_asking(a);
    else errand_rank(a);
}

/* Nobody has answered it in time. */
static void errand_end_late(desk *k, ri_reply *reply)
{
    const ri_import *i = reply->asking->import;
    ri_buffer sample;
    ri_buffer_init(&sample, k->party.router->host);
    if (i) ri_buffer_put_str(&sample, reply->sample);
    errand_forget(k, reply);
    if (ri_buffer_size(&sample))
        ri_latency_report(i, &k->party, NULL, ri_buffer_str(&sample), 504);
    ri_buffer_fini(&sample);
}

static ri_reply *errand_oldest(const ri_list *list)
{
    return ri_list_empty(list) ? NULL : ri_container_of(list->next, ri_reply, link);
}

static void errand_sweep(desk *k, ri_list *list, int64_t now_ns)
{
    ri_reply *reply;
    for (int n = 0; n < ERRAND_SWEEP && (reply = errand_oldest(list)); n++) {
        if (reply->expires_ns > now_ns) return;
        errand_end_late(k, reply);
    }
}

void ri_errand_expire(ri_account *importer)
{
    ri_trade *t = importer->trade;
    for (size_t i = 0; t && i < t->nimports; i++) {
        ri_import *import = &t->imports[i];
        for (int n = 0; import->latency_subject && n < ERRAND_ORPHANS / ERRAND_SWEEP; n++)
            errand_sweep(import->exporter->desk, &import->replies, importer->router->time_ns);
    }
}

static void errand_name(uint64_t random, char *out)
{
    for (int i = 0; i < ERRAND_NAME; i++, random /= 62) out[i] = errand_letters[random % 62];
}

/* A name that nobody can guess who does not know the secret. */
static void errand_new_name(desk *k, char *out)
{
    ri_str name = {out, ERRAND_NAME};
    do {
        uint64_t of[2] = {k->secret, ++k->serial};
        errand_name(ri_hash_bytes(of, sizeof of), out);
    } while (ri_map_get(&k->replies, ri_hash(name), &name));
}

static void errand_forget_oldest_of(ri_asking *a)
{
    RI_ASSERT(!ri_list_empty(&a->replies));
    errand_forget(a->desk, ri_container_of(a->replies.next, ri_reply, asking_link));
}

/* Of the parties that wait by this import, whoever has most forgets its oldest. */
static void errand_forget_most(ri_import *i)
{
    RI_ASSERT(i->nreplies > 0 && i->asking.len > 0);
    errand_forget_oldest_of(ri_container_of(i->asking.timers[0], ri_asking, most));
}

bool ri_errand_forget_orphans(ri_router *router)
{
    int n = 0;
    for (; n < ERRAND_ORPHANS && !ri_list_empty(&router->orphans); n++)
        errand_forget_oldest_of(ri_container_of(router->orphans.next, ri_asking, link));
    return n > 0;
}

/* Its requests may be answered to somebody else: they stay as long as there is room. */
void ri_errand_leave(ri_party *party)
{
    ri_list_each (link, &party->asking) {
        ri_asking *a = ri_container_of(link, ri_asking, link);
        errand_hide(a);
        a->party = NULL;
    }
    ri_list_splice(&party->router->orphans, &party->asking);
}

/* Room for one more of this import and this party. */
static bool errand_make_room(desk *k, ri_import *i, ri_party *party, size_t size)
{
    ri_memory *memory = &k->party.router->memory;
    errand_sweep(k, &i->replies, k->party.router->time_ns);
    errand_sweep(k, &k->loose, k->party.router->time_ns);
    while (i->nreplies > 0 && (i->nreplies >= RI_LIMIT_REPLIES ||
                               i->reply_bytes + size > RI_LIMIT_REPLY_BYTES))
        errand_forget_most(i);
    if (ri_memory_take(memory, RI_MEMORY_INTEREST, size)) return true;
    if (ri_errand_forget_orphans(k->party.router) &&
        ri_memory_take(memory, RI_MEMORY_INTEREST, size))
        return true;
    if (i->nreplies > 0) errand_forget_most(i);
    if (ri_memory_take(memory, RI_MEMORY_INTEREST, size)) return true;
    if (!party->ops->make_interest || !party->ops->make_interest(party)) return false;
    ri_memory_charge(memory, RI_MEMORY_INTEREST, size);
    return true;
}

static ri_reply *errand_reply_new(ri_import *i, ri_str back, ri_str sample, size_t size)
{
    desk *k = i->exporter->desk;
    const ri_router *router = k->party.router;
    ri_reply *reply = ri_alloc(router->host, size);
    if (!reply) return NULL;
    *reply = (ri_reply){.answers = i->answers, .answer_ms = i->answer_ms,
                        .size = size, .name = {reply->bytes, ERRAND_NAME}};
    errand_new_name(k, reply->bytes);
    memcpy(reply->bytes + ERRAND_NAME, back.ptr, back.len);
    reply->back = (ri_str){reply->bytes + ERRAND_NAME, back.len};
    if (sample.len) memcpy(reply->bytes + ERRAND_NAME + back.len, sample.ptr, sample.len);
    reply->sample = (ri_str){reply->bytes + ERRAND_NAME + back.len, sample.len};
    reply->expires_ns = ri_ns_add(router->time_ns, ri_ns_of_ms(i->answer_ms));
    if (ri_map_put(&k->replies, ri_hash(reply->name), reply) == RILL_OK) return reply;
    ri_free(router->host, reply, size);
    return NULL;
}

static void errand_wait(ri_import *i, ri_asking *a, ri_reply *reply)
{
    reply->asking = a;
    reply->to = ri_account_ref(i->account);
    ri_list_push(&i->replies, &reply->link);
    ri_list_push(&a->desk->all, &reply->desk_link);
    ri_list_push(&a->replies, &reply->asking_link);
    i->nreplies++;
    i->reply_bytes += reply->size;
    a->cost += reply->size + ERRAND_COST;
    errand_charge(a, reply->size);
    errand_rank(a);
}

static ri_reply *errand_expect(ri_import *i, ri_party *party, ri_str back, ri_str sample)
{
    desk *k = i->exporter->desk;
    size_t size = sizeof(ri_reply) + ERRAND_NAME + back.len + sample.len;
    if (!errand_make_room(k, i, party, size)) return NULL;
    ri_asking *a = errand_begin_asking(i, party);
    ri_reply *reply = a ? errand_reply_new(i, back, sample, size) : NULL;
    if (reply) {
        errand_wait(i, a, reply);
        return reply;
    }
    ri_memory_refund(&k->party.router->memory, RI_MEMORY_INTEREST, size);
    if (a && ri_list_empty(&a->replies)) errand_end_asking(a);
    return NULL;
}

void ri_errand_detach(ri_import *i)
{
    if (i->nreplies == 0) return;
    while (i->asking.len > 0) {
        ri_asking *a = ri_container_of(i->asking.timers[0], ri_asking, most);
        ri_heap_cancel(&i->asking, &a->most);
        errand_hide(a);
        a->import = NULL;
    }
    ri_list_splice(&i->exporter->desk->loose, &i->replies);
    i->nreplies = 0;
    i->reply_bytes = 0;
}

size_t ri_errand_waiting(const ri_account *exporter)
{
    return exporter->desk ? exporter->desk->replies.len : 0;
}

/* ---- Who asks ---- */

static bool errand_account_of(ri_str info, ri_str *account)
{
    static const char field[] = "\"acc\":\"";
    for (size_t at = 0; at + sizeof field - 1 <= info.len; at++) {
        if (memcmp(info.ptr + at, field, sizeof field - 1) != 0) continue;
        ri_str rest = {info.ptr + at + sizeof field - 1, info.len - at - sizeof field + 1};
        return ri_str_cut(&rest, '"', account);
    }
    return false;
}

/* Of a request that came by a service of this account itself: who has asked that one first, and by
 * which service it came. */
static void errand_put_info(ri_buffer *out, const ri_delivery *d, const ri_import *i)
{
    ri_str before, first;
    ri_buffer_puts(out, "{");
    if (i->share && d->from->ops->facts) d->from->ops->facts(d->from, out);
    ri_buffer_puts(out, "\"acc\":\"");
    if (d->p->errands > 0 && ri_headers_find(d->m->headers, RI_STR(ERRAND_INFO), &before) &&
        errand_account_of(before, &first)) {
        ri_buffer_put_str(out, first);
        ri_buffer_puts(out, "\",\"svc\":\"");
    }
    ri_buffer_puts(out, i->account->name);
    ri_buffer_puts(out, "\"}");
}

/* Those that came, without what a client says of who asks, however it is spelled. */
static bool errand_copy_headers(const ri_delivery *d, ri_buffer *out)
{
    ri_buffer_put_str(out, d->m->headers);
    if (out->failed) return false;
    ri_headers_cut_alike(out, RI_STR(ERRAND_INFO));
    return true;
}

static bool errand_headers(const ri_delivery *d, const ri_import *i, ri_buffer *out)
{
    ri_buffer info;
    ri_buffer_init(&info, out->host);
    errand_put_info(&info, d, i);
    bool good = !info.failed && errand_copy_headers(d, out) &&
                ri_headers_replace(out, RI_STR(ERRAND_INFO), ri_buffer_str(&info)) == RILL_OK;
    ri_buffer_fini(&info);
    return good && !out->failed;
}

/* ---- On the way ---- */

static bool errand_push(ri_router *router, ri_party *party)
{
    if (router->nerrands == router->cap_errands) {
        uint32_t cap = RI_MAX(router->cap_errands * 2, (uint32_t)ERRAND_ROOM);
        if (cap > RI_LIMIT_ERRANDS_NOTED) return false;
        ri_party **grown = ri_realloc(router->host, router->errands,
                                      router->cap_errands * sizeof *grown, cap * sizeof *grown);
        if (!grown) return false;
        router->errands = grown;
        router->cap_errands = cap;
    }
    router->errands[router->nerrands++] = party;
    return true;
}

static bool errand_note(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    if (d->p->probe && d->p->probe->only) return false;
    bool noted = errand_push(party->router, party);
    d->no_memory = d->no_memory || !noted;
    d->errands += noted;
    d->more = d->more || noted;
    return false; /* who takes it is seen later */
}

static void errand_ended(ri_party *party, ri_subscription *sub)
{
    (void)party, (void)sub;
    RI_ASSERT(sub->max > 0); /* never: nobody sets one */
}

const ri_party_ops ri_errand_ops = {.deliver = errand_note, .ended = errand_ended};
static const ri_party_ops errand_desk_ops = {.deliver = errand_note, .ended = errand_ended};

static ri_str errand_route(const ri_delivery *d)
{
    return d->p->route.len ? d->p->route : d->m->subject;
}

static ri_publish errand_publish(const ri_delivery *d, const ri_message *m)
{
    return (ri_publish){.m = m, .frame = d->p->frame, .fan = d->p->fan,
                        .errands = (uint8_t)(d->p->errands + 1)};
}

typedef struct errand_bytes { /* of a message on its way */
    ri_buffer subject, reply, headers, sample;
} errand_bytes;

static void errand_bytes_init(errand_bytes *b, const ri_host *host)
{
    ri_buffer_init(&b->subject, host);
    ri_buffer_init(&b->reply, host);
    ri_buffer_init(&b->headers, host);
    ri_buffer_init(&b->sample, host);
}

static void errand_bytes_fini(errand_bytes *b)
{
    ri_buffer_fini(&b->subject);
    ri_buffer_fini(&b->reply);
    ri_buffer_fini(&b->headers);
    ri_buffer_fini(&b->sample);
}

/* The subject that it has at the exporter. */
static bool errand_subject(const ri_import *i, const ri_delivery *d, errand_bytes *b)
{
    if (!i->outward) ri_buffer_put_str(&b->subject, errand_route(d));
    else if (!ri_transform_apply(i->outward, errand_route(d), 0, &b->subject)) return false;
    return !b->subject.failed && b->subject.len <= RI_LIMIT_CONTROL_LINE_MAX;
}

/* Nobody has it: nobody will answer. */
static void errand_expect_none(ri_import *i, ri_str reply)
{
    desk *k = i->exporter->desk;
    ri_str name = {reply.ptr + ERRAND_PREFIX, reply.len - ERRAND_PREFIX};
    ri_reply *waiting = ri_map_get(&k->replies, ri_hash(name), &name);
    if (waiting) errand_forget(k, waiting);
}

static bool errand_reply(ri_import *i, const ri_delivery *d, errand_bytes *b)
{
    const ri_reply *reply = errand_expect(i, d->from, d->m->reply, ri_buffer_str(&b->sample));
    if (!reply) return false;
    ri_buffer_put(&b->reply, i->exporter->desk->filter, ERRAND_PREFIX);
    ri_buffer_put_str(&b->reply, reply->name);
    return true;
}

static uint32_t errand_dice(ri_router *router)
{
    return (uint32_t)(((ri_router_random(router) >> 32) * 100) >> 32);
}

/* Nobody gets it, or nobody may answer it: that is the whole sample. */
static void errand_report(ri_import *i, const errand_bytes *b, int status)
{
    if (ri_buffer_size(&b->sample))
        ri_latency_report(i, &i->exporter->desk->party, NULL, ri_buffer_str(&b->sample), status);
}

static int errand_ask(ri_import *i, const ri_delivery *d, errand_bytes *b)
{
    if (!errand_subject(i, d, b) || !errand_headers(d, i, &b->headers)) return 0;
    if (i->latency_subject && !ri_latency_begin(i, d, errand_dice(d->router), &b->sample))
        ri_buffer_reset(&b->sample);
    if (!d->m->reply.len) errand_report(i, b, 400);
    if (d->m->reply.len && !errand_reply(i, d, b)) return 0;
    ri_str reply = ri_buffer_str(&b->reply);
    ri_message m = {.subject = ri_buffer_str(&b->subject), .reply = reply,
                    .headers = ri_buffer_str(&b->headers), .data = d->m->data};
    ri_publish p = errand_publish(d, &m);
    int took = b->reply.failed ? 0 : ri_router_send(i->exporter, d->from, &p);
    if (took <= 0 && reply.len) {
        errand_expect_none(i, reply);
        errand_report(i, b, 503);
    }
    return took;
}

/* One more may follow. */
static void errand_keep(desk *k, ri_reply *reply)
{
    reply->expires_ns = ri_ns_add(k->party.router->time_ns, ri_ns_of_ms(reply->answer_ms));
    ri_list *list = reply->asking->import ? &reply->asking->import->replies : &k->loose;
    ri_list_remove(&reply->link);
    ri_list_push(list, &reply->link);
}

static int errand_answer(desk *k, const ri_delivery *d, errand_bytes *b)
{
    ri_str route = errand_route(d);
    ri_str name = {route.ptr + ERRAND_PREFIX, route.len - ERRAND_PREFIX};
    ri_reply *reply = ri_map_get(&k->replies, ri_hash(name), &name);
    if (!reply) return 0;
    bool late = reply->expires_ns <= k->party.router->time_ns;
    bool last = late || reply->answers == RILL_ANSWERS_ONE ||
                d->m->headers.len + d->m->data.len == 0;
    ri_account *to = ri_account_ref(reply->to);
    const ri_import *i = reply->asking->import;
    ri_buffer_put_str(&b->subject, reply->back);
    if (i) ri_buffer_put_str(&b->sample, reply->sample);
    if (last) errand_forget(k, reply);
    else errand_keep(k, reply);
    ri_message m = *d->m;
    m.hash = 0;
    bool good = errand_copy_headers(d, &b->headers) && !late && !b->subject.failed;
    m.headers = ri_buffer_str(&b->headers);
    ri_publish p = errand_publish(d, &m);
    if (d->p->route.len) p.route = ri_buffer_str(&b->subject);
    else m.subject = ri_buffer_str(&b->subject);
    int took = good ? ri_router_send(to, d->from, &p) : 0;
    if (took <= 0 && !last && (reply = ri_map_get(&k->replies, ri_hash(name), &name)))
        errand_forget(k, reply);
    ri_account_unref(to);
    if (ri_buffer_size(&b->sample)) {
        int status = late ? 504 : took > 0 ? 200 : 408;
        ri_latency_report(i, &k->party, status == 200 ? d->from : NULL, ri_buffer_str(&b->sample),
                        status);
    }
    return took;
}

static int errand_go(ri_party *party, const ri_delivery *d)
{
    errand_bytes bytes;
    if (d->p->errands >= RI_LIMIT_ERRANDS) return 0;
    ri_budget_spend(&party->router->budget, ERRAND_UNITS);
    errand_bytes_init(&bytes, party->router->host);
    int took = party->ops == &ri_errand_ops
                   ? errand_ask(ri_container_of(party, ri_import, party), d, &bytes)
                   : errand_answer(ri_container_of(party, desk, party), d, &bytes);
    errand_bytes_fini(&bytes);
    return RI_MAX(took, 0);
}

/* What an errand meets is noted behind those of `d`, and run before the next one of these. */
int ri_errand_run(ri_delivery *d)
{
    ri_router *router = d->router;
    uint32_t first = router->nerrands - d->errands, end = router->nerrands;
    int took = 0;
    RI_ASSERT(router->nerrands >= d->errands);
    for (uint32_t at = first; at < end; at++) took += errand_go(router->errands[at], d);
    RI_ASSERT(router->nerrands == end);
    router->nerrands = first;
    d->errands = 0;
    return took;
}

/* ---- The desk ---- */

int ri_errand_desk(ri_account *exporter)
{
    ri_router *router = exporter->router;
    if (exporter->desk) return RILL_OK;
    desk *k = ri_new(router->host, desk);
    if (!k) return RILL_ENOMEM;
    uint64_t random;
    router->host->entropy(router->host->arg, &k->secret, sizeof k->secret);
    router->host->entropy(router->host->arg, &random, sizeof random);
    ri_map_init(&k->replies, router->host, errand_same);
    ri_list_init(&k->all);
    ri_list_init(&k->loose);
    memcpy(k->filter, "_R_.", 4);
    errand_name(random, k->filter + 4);
    memcpy(k->filter + ERRAND_PREFIX - 1, ".>", 3);
    ri_party_init(&k->party, router, &errand_desk_ops);
    ri_party_enter(&k->party, exporter);
    k->sub.entry.subject = ri_str_of(k->filter);
    int rc = ri_router_place(&k->party, &k->sub);
    if (rc < 0) {
        ri_party_fini(&k->party);
        ri_delete(router->host, k);
        return rc;
    }
    exporter->desk = k;
    return RILL_OK;
}

void ri_errand_close(ri_account *exporter)
{
    desk *k = exporter->desk;
    if (!k) return;
    const ri_host *host = exporter->router->host;
    exporter->desk = NULL;
    ri_list_each (link, &k->all) errand_forget(k, ri_container_of(link, ri_reply, desk_link));
    RI_ASSERT(k->replies.len == 0 && ri_list_empty(&k->loose));
    ri_map_fini(&k->replies);
    ri_party_fini(&k->party);
    ri_delete(host, k);
}
