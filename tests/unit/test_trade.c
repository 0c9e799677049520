/* SPDX-License-Identifier: Apache-2.0 */
/* What accounts have of one another: streams against a model by the dice, and services. */
#include "engine/live/trade.h"

#include <stdio.h>

#include "base/error.h"
#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "front/broker/accounts.h"
#include "support/fault.h"
#include "support/suite.h"

enum { SPACES = 4, PARTIES = 8, SUBS = 12, STEPS = 3000, ROWS = 5, CROWD = 3000 };

#define ACCOUNT(...) (&(const rill_account){.size = sizeof(rill_account), __VA_ARGS__})
#define EXPORT(...) (&(const rill_export){.size = sizeof(rill_export), __VA_ARGS__})
#define IMPORT(...) (&(const rill_import){.size = sizeof(rill_import), __VA_ARGS__})
#define EXPORTS(...) \
    .exports = (const rill_export *const[]){__VA_ARGS__}, \
    .nexports = sizeof((const rill_export *const[]){__VA_ARGS__}) / sizeof(void *)
#define IMPORTS(...) \
    .imports = (const rill_import *const[]){__VA_ARGS__}, \
    .nimports = sizeof((const rill_import *const[]){__VA_ARGS__}) / sizeof(void *)

static fault f;
static ri_router router;
static ri_accounts *accounts;

static int make(ri_accounts **out, const rill_account *const *rows, size_t n)
{
    rill_broker_opts opts = {.size = sizeof opts, .accounts = rows, .naccounts = n};
    return ri_accounts_new(&router, &f.host, &opts, NULL, out);
}

static void begin(void)
{
    fault_init(&f);
    ck_assert_ok(ri_router_init(&router, &f.host));
    accounts = NULL;
}

static void configure(const rill_account *const *rows, size_t n)
{
    ri_accounts *fresh;
    ck_assert_ok(make(&fresh, rows, n));
    ri_accounts_take_over(fresh, accounts);
    ri_accounts_free(accounts);
    accounts = fresh;
}

static void finish(void)
{
    ri_accounts_unlink(accounts);
    for (size_t i = 0; i < ri_accounts_count(accounts); i++)
        ck_assert_uint_eq(ri_interest_count(&ri_accounts_at(accounts, i)->interest), 0);
    ck_assert_uint_eq(ri_memory_used(&router.memory, RI_MEMORY_INTEREST), 0);
    ri_accounts_free(accounts);
    ri_router_fini(&router);
    fault_fini(&f);
}

/* ---- Streams, by the dice ---- */

typedef struct ear {
    ri_party party;
    int space;
    ri_subscription subs[SUBS];
    char subjects[SUBS][24], queues[SUBS][2];
    bool on[SUBS];
    uint32_t got[SUBS], want[SUBS];
    char last[SUBS][64];    /* the subject of what came last */
} ear;

static ear ears[PARTIES];

static bool ear_take(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ear *e = ri_container_of(party, ear, party);
    size_t i = (size_t)(sub - e->subs);
    e->got[i]++;
    ck_assert_uint_lt(d->m->subject.len, sizeof e->last[i]);
    memcpy(e->last[i], d->m->subject.ptr, d->m->subject.len);
    e->last[i][d->m->subject.len] = 0;
    return true;
}

static void ear_ended(ri_party *party, ri_subscription *sub)
{
    ear *e = ri_container_of(party, ear, party);
    e->on[sub - e->subs] = false;
}

static const ri_party_ops ear_ops = {.deliver = ear_take, .ended = ear_ended};

static uint64_t seed;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(((seed >> 33) * n) >> 31);
}

static const char *const names[SPACES] = {"A0", "A1", "A2", "A3"};

/* How imports may map; the model knows each by its number. */
static const struct { const char *subject, *to; } maps[] = {
    {"a.>", NULL}, {"a.*", "m.*"}, {"*.*", "s.$2.$1"}, {"a.b", "lit"}, {"b.>", "in.b.>"},
    {"*.c.*", "x.{{wildcard(2)}}.y.{{wildcard(1)}}"}};

typedef struct model_import {
    int importer, exporter;
    size_t map;
} model_import;
static model_import model[SPACES * ROWS];
static size_t nmodel;

/* What `subject` is by map i, written out by hand; false: it is not of it. */
static bool model_map(size_t i, const char *subject, char *out, size_t cap)
{
    char t[3][8] = {{0}};
    int n = sscanf(subject, "%7[^.].%7[^.].%7[^.]", t[0], t[1], t[2]);
    if (!ri_subject_match(ri_str_of(maps[i].subject), ri_str_of(subject))) return false;
    switch (i) {
    case 0: snprintf(out, cap, "%s", subject); break;
    case 1: snprintf(out, cap, "m.%s", t[1]); break;
    case 2: snprintf(out, cap, "s.%s.%s", t[1], t[0]); break;
    case 3: snprintf(out, cap, "lit"); break;
    case 4: snprintf(out, cap, "in.%s", subject); break;
    default: snprintf(out, cap, "x.%s.y.%s", t[2], t[0]); break;
    }
    ck_assert_int_gt(n, 0);
    return true;
}

/* By an order of the accounts that the dice want, so that there is no cycle. */
static void draw_config(void)
{
    static const rill_export all_of_it = {.size = sizeof all_of_it, .subject = ">"};
    const rill_export *exports = &all_of_it;
    int order[SPACES] = {0, 1, 2, 3};
    rill_import rows[SPACES][ROWS];
    const rill_import *lists[SPACES][ROWS];
    rill_account own[SPACES];
    const rill_account *all[SPACES];
    ri_accounts *fresh;
    for (int s = 0; s < SPACES; s++) {
        uint32_t other = dice(SPACES);
        int was = order[s];
        order[s] = order[other];
        order[other] = was;
    }
    do {
        nmodel = 0;
        for (int s = 0; s < SPACES; s++) {
            int rank = 0;
            while (order[rank] != s) rank++;
            own[s] = (rill_account){.size = sizeof own[s], .name = names[s], .exports = &exports,
                                    .nexports = 1, .imports = lists[s],
                                    .nimports = rank ? dice(ROWS) : 0};
            all[s] = &own[s];
            for (size_t i = 0; i < own[s].nimports; i++) {
                model_import *m = &model[nmodel++];
                *m = (model_import){s, order[dice((uint32_t)rank)], dice(RI_LEN(maps))};
                rows[s][i] = (rill_import){.size = sizeof rows[s][i], .to = maps[m->map].to,
                                           .account = names[m->exporter],
                                           .subject = maps[m->map].subject};
                lists[s][i] = &rows[s][i];
            }
        }
    } while (make(&fresh, all, SPACES) < 0); /* two were the same */
    ri_accounts_take_over(fresh, accounts);
    ri_accounts_free(accounts);
    accounts = fresh;
}

static void draw_subject(char *out, size_t cap, bool wild)
{
    static const char *const words[] = {"a", "b", "c", "m", "s", "x", "in", "y", "lit", "*"};
    int n = snprintf(out, cap, "%s", words[dice(wild ? 10 : 3)]);
    for (uint32_t more = dice(4); more > 0; more--)
        n += snprintf(out + n, cap - (size_t)n, ".%s", words[dice(wild ? 10 : 3)]);
    if (wild && dice(3) == 0) snprintf(out + n, cap - (size_t)n, ".>");
    if (wild && dice(12) == 0) snprintf(out, cap, ">");
}

static void step_subscribe(ear *e)
{
    uint32_t i = dice(SUBS);
    if (e->on[i]) {
        ri_router_unsubscribe(&e->subs[i]);
        e->on[i] = false;
        return;
    }
    draw_subject(e->subjects[i], sizeof e->subjects[i], true);
    e->queues[i][0] = (char)("\0\0qr"[dice(4)]);
    e->subs[i] = (ri_subscription){.entry.subject = ri_str_of(e->subjects[i]),
                                   .entry.queue = ri_str_of(e->queues[i])};
    ck_assert_ok(ri_router_subscribe(&e->party, &e->subs[i]));
    e->on[i] = true;
}

/* How often each is to get it, and by which ways; a group has one of all its ways. */
static int model_publish(int space, const char *subject)
{
    int took = 0;
    bool groups[256] = {false};
    for (int p = 0; p < PARTIES; p++) {
        for (int i = 0; i < SUBS; i++) {
            ear *e = &ears[p];
            e->want[i] = 0;
            if (!e->on[i]) continue;
            ri_str filter = e->subs[i].entry.subject;
            e->want[i] += e->space == space && ri_subject_match(filter, ri_str_of(subject));
            for (size_t k = 0; k < nmodel; k++) {
                char local[64];
                e->want[i] += model[k].importer == e->space && model[k].exporter == space &&
                              model_map(model[k].map, subject, local, sizeof local) &&
                              ri_subject_match(filter, ri_str_of(local));
            }
            unsigned char queue = (unsigned char)e->queues[i][0];
            if (queue && e->want[i]) groups[queue] = true;
            else if (!queue) took += (int)e->want[i];
        }
    }
    return took + groups['q'] + groups['r'];
}

static void step_publish(ear *from)
{
    char subject[24];
    draw_subject(subject, sizeof subject, false);
    int want = model_publish(from->space, subject), queues[2] = {0, 0};
    for (int p = 0; p < PARTIES; p++) memset(ears[p].got, 0, sizeof ears[p].got);
    ri_message m = {.subject = ri_str_of(subject), .data = RI_STR("x")};
    ck_assert_int_eq(ri_router_publish(&from->party, &(ri_publish){.m = &m}), want);
    for (int p = 0; p < PARTIES; p++) {
        for (int i = 0; i < SUBS; i++) {
            const ear *e = &ears[p];
            if (e->queues[i][0] && e->got[i]) {
                ck_assert_msg(e->want[i] > 0, "%s: %s of %s", subject, e->subjects[i],
                              names[e->space]);
                queues[e->queues[i][0] == 'r'] += (int)e->got[i];
            } else if (e->on[i] && !e->queues[i][0] && e->got[i] != e->want[i]) {
                ck_abort_msg("%s in %d: %s of %s got %u, not %u", subject, from->space,
                             e->subjects[i], names[e->space], e->got[i], e->want[i]);
            }
            if (e->got[i])
                ck_assert_msg(ri_subject_match(ri_str_of(e->subjects[i]), ri_str_of(e->last[i])),
                              "%s came as %s", subject, e->last[i]);
        }
    }
    ck_assert_int_le(queues[0], 1);
    ck_assert_int_le(queues[1], 1);
}

START_TEST(test_dice)
{
    seed = (uint64_t)_i * 7919 + 3;
    begin();
    draw_config();
    for (int p = 0; p < PARTIES; p++) {
        ears[p] = (ear){.space = (int)dice(SPACES)};
        ri_party_init(&ears[p].party, &router, &ear_ops);
        ri_party_enter(&ears[p].party, ri_accounts_find(accounts, names[ears[p].space]));
    }
    for (int i = 0; i < (under_valgrind() ? STEPS / 20 : STEPS); i++) {
        ear *e = &ears[dice(PARTIES)];
        uint32_t what = dice(40);
        if (what == 0) draw_config(); /* a reload */
        else if (what < 18) step_subscribe(e);
        else step_publish(e);
    }
    for (int p = 0; p < PARTIES; p++) ri_party_fini(&ears[p].party);
    finish();
}
END_TEST

/* Filters of 16 tokens, whose wildcards are where the bits of a number are. */
static void shape_of(uint32_t bits, char out[48])
{
    for (int i = 0; i < 16; i++) {
        out[2 * i] = i == 0 ? 's' : bits >> (i % 15) & 1 ? '*' : 'w';
        out[2 * i + 1] = '.';
    }
    strcpy(out + 32, "z");
}

static char shape_texts[2 * CROWD][48];
static ri_subscription shape_subs[2 * CROWD];

/* Whoever imports places its wildcards in a few ways at the exporter, and the exporter, and others
 * who import, in theirs. */
START_TEST(test_shapes)
{
    begin();
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A", IMPORTS(IMPORT(.account = "B", .subject = "s.>"))),
        ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "s.>"))),
        ACCOUNT(.name = "C", IMPORTS(IMPORT(.account = "B", .subject = "s.>")))}, 3);
    static const char *const of[] = {"A", "C", "B"};
    ri_party parties[3];
    size_t n = 0, taken[3] = {0, 0, 0};
    for (int p = 0; p < 3; p++) {
        ri_party_init(&parties[p], &router, &ear_ops);
        ri_party_enter(&parties[p], ri_accounts_find(accounts, of[p]));
        int rc = RILL_OK;
        for (uint32_t bits = 1; rc == RILL_OK && n < 2 * CROWD; bits++, n++) {
            shape_of(bits, shape_texts[n]);
            shape_subs[n] = (ri_subscription){.entry.subject = ri_str_of(shape_texts[n])};
            rc = ri_router_subscribe(&parties[p], &shape_subs[n]);
            taken[p] += rc == RILL_OK;
        }
        ck_assert_int_eq(rc, RILL_EFULL);
        ck_assert_uint_eq(parties[p].nshadows, p < 2 ? taken[p] : 0);
    }
    ck_assert_uint_gt(taken[0], 10);
    ck_assert_uint_eq(taken[0], taken[1]); /* as much as the first one */
    ck_assert_uint_gt(taken[2], 4 * taken[0]);
    for (int p = 0; p < 3; p++) ri_party_fini(&parties[p]);
    ck_assert_uint_eq(ri_accounts_find(accounts, "A")->trade->shapes.deep, 0);
    finish();
}
END_TEST

/* A subscription that ends by its count ends whichever way the last one comes. */
START_TEST(test_max)
{
    begin();
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A", IMPORTS(IMPORT(.account = "B", .subject = "s.*", .to = "t.*"))),
        ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "s.>")))}, 2);
    ear *a = &ears[0], *b = &ears[1];
    *a = *b = (ear){0};
    ri_party_init(&a->party, &router, &ear_ops);
    ri_party_init(&b->party, &router, &ear_ops);
    ri_party_enter(&a->party, ri_accounts_find(accounts, "A"));
    ri_party_enter(&b->party, ri_accounts_find(accounts, "B"));
    a->subs[0] = (ri_subscription){.entry.subject = RI_STR(">")};
    ck_assert_ok(ri_router_subscribe(&a->party, &a->subs[0]));
    ck_assert(!ri_router_limit(&a->subs[0], 2));
    ri_message there = {.subject = RI_STR("s.1"), .data = RI_STR("x")};
    ri_message here = {.subject = RI_STR("u"), .data = RI_STR("x")};
    ck_assert_int_eq(ri_router_publish(&a->party, &(ri_publish){.m = &here}), 1);
    ck_assert_int_eq(ri_router_publish(&b->party, &(ri_publish){.m = &there}), 1);
    ck_assert_str_eq(a->last[0], "t.1");
    ck_assert_int_eq(ri_router_publish(&b->party, &(ri_publish){.m = &there}), 0);
    ck_assert_uint_eq(ri_interest_count(&ri_accounts_find(accounts, "B")->interest), 0);
    ri_party_fini(&a->party);
    ri_party_fini(&b->party);
    finish();
}
END_TEST

static ri_party crowd[CROWD];
static ri_subscription crowd_subs[CROWD];
static uint32_t crowd_got;

static bool crowd_take(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party, (void)sub;
    ck_quick(ri_str_is(d->m->subject, "many.all"));
    crowd_got++;
    return true;
}

static const ri_party_ops crowd_ops = {.deliver = crowd_take, .ended = ear_ended};

/* Very many in other accounts get a message in slices, as in its own; by a service, too. */
static void fan_over(bool service)
{
    begin();
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A", EXPORTS(EXPORT(.subject = "many.*", .service = true)),
                IMPORTS(IMPORT(.account = "B", .subject = "all", .to = "many.all"))),
        ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "all"))),
        ACCOUNT(.name = "C", IMPORTS(IMPORT(.account = "A", .subject = "many.all", .to = "ask",
                                            .service = true)))}, 3);
    ri_party *from = &ears[0].party;
    ri_party_init(from, &router, &ear_ops);
    ri_party_enter(from, ri_accounts_find(accounts, service ? "C" : "B"));
    for (int i = 0; i < CROWD; i++) {
        ri_party_init(&crowd[i], &router, &crowd_ops);
        ri_party_enter(&crowd[i], ri_accounts_find(accounts, "A"));
        crowd_subs[i] = (ri_subscription){.entry.subject = RI_STR("many.all")};
        ck_quick(ri_router_subscribe(&crowd[i], &crowd_subs[i]) == RILL_OK);
    }
    ri_fan *fan = NULL;
    ri_message m = {.subject = service ? RI_STR("ask") : RI_STR("all"), .data = RI_STR("x")};
    crowd_got = 0;
    ri_budget_open(&router.budget);
    ri_budget_spend(&router.budget, RI_BUDGET_TURN);
    ck_assert_int_gt(ri_router_publish(from, &(ri_publish){.m = &m, .fan = &fan}), 0);
    ri_budget_close(&router.budget);
    ck_assert_ptr_nonnull(fan);
    ck_assert_uint_lt(crowd_got, CROWD);
    while (ri_router_fan_on(&fan)) ri_budget_open(&router.budget);
    ck_assert_uint_eq(crowd_got, CROWD);
    for (int i = 0; i < CROWD; i++) ri_party_fini(&crowd[i]);
    ri_party_fini(from);
    finish();
}

START_TEST(test_fan)
{
    fan_over(_i == 1);
}
END_TEST

/* ---- Services ---- */

typedef struct end { /* one who asks, or answers */
    ri_party party;
    ri_subscription sub;
    uint32_t got, none, lines;  /* of the headers of what came last */
    char subject[64], reply[64], info[64];
} end;

static bool end_take(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    end *e = ri_container_of(party, end, party);
    ri_str info = RI_STR_NONE;
    (void)sub;
    e->got++;
    e->lines = ri_headers_count(d->m->headers);
    ri_headers_find(d->m->headers, RI_STR("Nats-Request-Info"), &info);
    snprintf(e->subject, sizeof e->subject, "%.*s", RI_ARG(d->m->subject));
    snprintf(e->reply, sizeof e->reply, "%.*s", RI_ARG(d->m->reply));
    snprintf(e->info, sizeof e->info, "%.*s", RI_ARG(info));
    return true;
}

static void end_none(ri_party *party, const ri_message *m)
{
    (void)m;
    ri_container_of(party, end, party)->none++;
}

static void end_ended(ri_party *party, ri_subscription *sub)
{
    (void)party, (void)sub;
}

static const ri_party_ops end_ops = {.deliver = end_take, .ended = end_ended,
                                     .no_responders = end_none};

static void end_open(end *e, const char *account, const char *subject)
{
    *e = (end){.sub.entry.subject = ri_str_of(subject)};
    ri_party_init(&e->party, &router, &end_ops);
    ri_party_enter(&e->party, ri_accounts_find(accounts, account));
    ck_assert_ok(ri_router_subscribe(&e->party, &e->sub));
}

static int say(end *e, const char *subject, const char *reply, const char *data)
{
    ri_message m = {.subject = ri_str_of(subject), .reply = ri_str_of(reply),
                    .data = ri_str_of(data)};
    return ri_router_publish(&e->party, &(ri_publish){.m = &m});
}

static void services(void)
{
    begin();
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A",
                EXPORTS(EXPORT(.subject = "do.>", .service = true)),
                IMPORTS(IMPORT(.account = "B", .subject = "svc.*", .to = "do.*", .service = true),
                        IMPORT(.account = "B", .subject = "many", .service = true))),
        ACCOUNT(.name = "B",
                EXPORTS(EXPORT(.subject = "svc.*", .service = true, .answer_ms = 1000),
                        EXPORT(.subject = "many", .service = true, .answer_ms = 1000,
                               .answers = RILL_ANSWERS_STREAM))),
        ACCOUNT(.name = "C", IMPORTS(IMPORT(.account = "A", .subject = "do.x", .to = "far",
                                            .service = true)))}, 3);
}

START_TEST(test_service)
{
    end client, server, far;
    services();
    end_open(&client, "A", "inbox");
    end_open(&server, "B", ">");
    end_open(&far, "C", "inbox");
    ck_assert_int_eq(say(&client, "do.q", "inbox", "?"), 1);
    ck_assert_str_eq(server.subject, "svc.q");
    ck_assert_str_eq(server.info, "{\"acc\":\"A\"}");
    ck_assert_int_eq(say(&server, server.reply, "", "!"), 2); /* it hears itself */
    ck_assert_uint_eq(client.got, 1);
    ck_assert_str_eq(client.subject, "inbox");
    char first[64];
    ck_assert_int_eq(say(&client, "do.q", "inbox", "?"), 1);
    snprintf(first, sizeof first, "%s", server.reply);
    ck_assert_int_eq(say(&server, first, "", "!"), 2);
    ck_assert_int_eq(say(&server, first, "", "!"), 1); /* there is one answer */
    ck_assert_uint_eq(client.got, 2);
    /* Through two services. */
    ck_assert_int_eq(say(&far, "far", "inbox", "?"), 1);
    ck_assert_str_eq(server.subject, "svc.x");
    ck_assert_str_eq(server.info, "{\"acc\":\"C\",\"svc\":\"A\"}");
    ck_assert_int_eq(say(&server, server.reply, "", "!"), 2);
    ck_assert_uint_eq(far.got, 1);
    ck_assert_uint_eq(client.got, 2);
    ck_assert_uint_eq(ri_errand_waiting(ri_accounts_find(accounts, "A")), 0);
    /* An answer that comes too late. */
    ck_assert_int_eq(say(&client, "do.q", "inbox", "?"), 1);
    router.time_ns += INT64_C(1000000000);
    ck_assert_int_eq(say(&server, server.reply, "", "!"), 1);
    ck_assert_uint_eq(client.got, 2);
    /* Nobody is there. */
    ri_router_unsubscribe(&server.sub);
    ck_assert_int_eq(say(&client, "do.q", "inbox", "?"), 0);
    ck_assert_uint_eq(client.none, 1);
    ck_assert_int_eq(say(&far, "far", "inbox", "?"), 0);
    ck_assert_uint_eq(far.none, 1);
    ck_assert_uint_eq(ri_errand_waiting(ri_accounts_find(accounts, "A")), 0);
    ck_assert_uint_eq(ri_errand_waiting(ri_accounts_find(accounts, "B")), 0);
    ri_party_fini(&client.party);
    ri_party_fini(&server.party);
    ri_party_fini(&far.party);
    finish();
}
END_TEST

START_TEST(test_many_answers)
{
    end client, server;
    services();
    end_open(&client, "A", "inbox");
    end_open(&server, "B", "many");
    ck_assert_int_eq(say(&client, "many", "inbox", "?"), 1);
    for (int i = 0; i < 5; i++) {
        router.time_ns += INT64_C(900000000); /* each one counts anew */
        ck_assert_int_eq(say(&server, server.reply, "ack", "!"), 1);
        ck_assert_str_eq(client.reply, "ack");
    }
    ck_assert_int_eq(say(&server, server.reply, "", ""), 1);
    ck_assert_int_eq(say(&server, server.reply, "", "!"), 0);
    ck_assert_uint_eq(client.got, 6);
    ri_party_fini(&client.party);
    ri_party_fini(&server.party);
    finish();
}
END_TEST

/* A reload takes the import away: what is under way is answered, and nothing new comes. */
START_TEST(test_reload)
{
    end client, server;
    services();
    end_open(&client, "A", "inbox");
    end_open(&server, "B", "svc.*");
    ck_assert_int_eq(say(&client, "do.q", "inbox", "?"), 1);
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A"),
        ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "svc.*", .service = true)))}, 2);
    ck_assert_int_eq(say(&client, "do.q", "inbox", "?"), 0);
    ck_assert_int_eq(say(&server, server.reply, "", "!"), 1);
    ck_assert_uint_eq(client.got, 1);
    ri_party_fini(&client.party);
    ri_party_fini(&server.party);
    finish();
}
END_TEST

/* Who floods a service that never answers forgets his own requests, and nobody else's. */
START_TEST(test_flood)
{
    end flood, other, server;
    begin();
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A", IMPORTS(IMPORT(.account = "B", .subject = "svc", .service = true))),
        ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "svc", .service = true))),
        ACCOUNT(.name = "C", IMPORTS(IMPORT(.account = "B", .subject = "svc", .service = true)))},
        3);
    end_open(&flood, "A", "inbox");
    end_open(&other, "C", "inbox");
    end_open(&server, "B", "svc");
    char first[64], kept[64];
    ck_assert_int_eq(say(&other, "svc", "inbox", "?"), 1);
    snprintf(kept, sizeof kept, "%s", server.reply);
    for (int i = 0; i < RI_LIMIT_REPLIES + 100; i++) {
        ck_quick(say(&flood, "svc", "inbox", "?") == 1);
        if (i == 0) snprintf(first, sizeof first, "%s", server.reply);
    }
    ck_assert_uint_eq(ri_errand_waiting(ri_accounts_find(accounts, "B")), RI_LIMIT_REPLIES + 1);
    ck_assert_int_eq(say(&server, first, "", "!"), 0);
    ck_assert_int_eq(say(&server, kept, "", "!"), 1);
    ck_assert_int_eq(say(&server, server.reply, "", "!"), 1);
    ck_assert_uint_eq(other.got, 1);
    ck_assert_uint_eq(flood.got, 1);
    router.time_ns += INT64_C(121000000000); /* they are forgotten when others come */
    for (int i = 0; i < RI_LIMIT_REPLIES; i++) ck_quick(say(&flood, "svc", "inbox", "?") == 1);
    ck_assert_uint_le(ri_errand_waiting(ri_accounts_find(accounts, "B")), RI_LIMIT_REPLIES);
    ri_party_fini(&flood.party);
    ri_party_fini(&other.party);
    ri_party_fini(&server.party);
    finish();
}
END_TEST

/* In one account, too: whoever has most forgets, and gets no more room by coming again. */
START_TEST(test_flood_of_a_colleague)
{
    enum { ASKED = 50 };
    end flood, colleague, late, server;
    char kept[ASKED][64], again[64];
    services();
    end_open(&flood, "A", "none");
    end_open(&colleague, "A", "inbox");
    end_open(&server, "B", "svc.*");
    for (int i = 0; i < ASKED; i++) {
        ck_assert_int_eq(say(&colleague, "do.q", "inbox", "?"), 1);
        snprintf(kept[i], sizeof kept[i], "%s", server.reply);
    }
    ck_assert_uint_gt(colleague.party.trade_bytes, ASKED * 64);
    for (int i = 0; i < RI_LIMIT_REPLIES + 100; i++)
        ck_quick(say(&flood, "do.q", "none", "?") == 1);
    snprintf(again, sizeof again, "%s", server.reply);
    ck_assert_uint_eq(ri_errand_waiting(ri_accounts_find(accounts, "B")), RI_LIMIT_REPLIES);
    ck_assert_uint_gt(flood.party.trade_bytes, 64 * (RI_LIMIT_REPLIES - ASKED));
    ri_party_fini(&flood.party); /* what it has asked stays, and is what goes first */
    end_open(&late, "A", "none");
    for (int i = 0; i < 100; i++) ck_quick(say(&late, "do.q", "none", "?") == 1);
    ck_assert_int_eq(say(&server, again, "", "!"), 1);
    for (int i = 0; i < ASKED; i++) ck_assert_int_eq(say(&server, kept[i], "", "!"), 1);
    ck_assert_uint_eq(colleague.got, ASKED);
    ck_assert_uint_eq(colleague.party.trade_bytes, 0);
    ri_party_fini(&late.party);
    uint64_t held = ri_memory_used(&router.memory, RI_MEMORY_INTEREST);
    ck_assert(ri_errand_forget_orphans(&router));
    ck_assert_uint_lt(ri_memory_used(&router.memory, RI_MEMORY_INTEREST), held);
    while (ri_errand_forget_orphans(&router)) {}
    ck_assert_uint_eq(ri_memory_used(&router.memory, RI_MEMORY_INTEREST), 0);
    ck_assert_uint_eq(ri_errand_waiting(ri_accounts_find(accounts, "B")), 0);
    ri_party_fini(&colleague.party);
    ri_party_fini(&server.party);
    finish();
}
END_TEST

/* Shadows are charged to whose subscription they are of, as long as they are there. */
START_TEST(test_charged)
{
    end much, little;
    services();
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A", IMPORTS(IMPORT(.account = "B", .subject = "s.>"),
                                     IMPORT(.account = "B", .subject = "s.*"))),
        ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "s.>")))}, 2);
    end_open(&much, "A", ">");
    end_open(&little, "A", "t");
    uint64_t held = ri_memory_used(&router.memory, RI_MEMORY_INTEREST);
    ck_assert_uint_gt(held, 0);
    ck_assert_uint_eq(much.party.trade_bytes, held);
    ck_assert_uint_eq(little.party.trade_bytes, 0);
    ri_router_unsubscribe(&much.sub);
    ck_assert_uint_eq(much.party.trade_bytes, 0);
    ri_party_fini(&much.party);
    ri_party_fini(&little.party);
    finish();
}
END_TEST

/* One subscription that cannot be followed at a reload does not take the import from the others. */
START_TEST(test_one_is_missed)
{
    enum { LEFT = 2 };
    static const char *const subjects[] = {"s.a",
                                          "s.*.b.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*"};
    end one[LEFT], server;
    static ri_subscription deep[RI_LIMIT_SHAPES];
    static char names_of[RI_LIMIT_SHAPES][64];
    const rill_account *b = ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "s.>")));
    begin();
    configure((const rill_account *const[]){ACCOUNT(.name = "A"), b}, 2);
    for (int i = 0; i < LEFT; i++) end_open(&one[i], "A", subjects[i]);
    end_open(&server, "B", "none");
    int rc = RILL_OK;
    for (int i = 0; rc == RILL_OK && i < RI_LIMIT_SHAPES; i++) { /* as many as there may be */
        char *out = names_of[i];
        for (int bit = 0; bit < 13; bit++)
            out += sprintf(out, "%s%s", bit ? "." : "", bit == 12 || i >> bit & 1 ? "*" : "w");
        deep[i] = (ri_subscription){.entry.subject = ri_str_of(names_of[i])};
        rc = ri_router_subscribe(&server.party, &deep[i]);
    }
    ck_assert_int_eq(rc, RILL_EFULL);
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A", IMPORTS(IMPORT(.account = "B", .subject = "s.>"))), b}, 2);
    ck_assert_ptr_null(one[1].sub.shadows);
    ck_assert_int_eq(say(&server, "s.a", "", "!"), 1);
    ck_assert_uint_eq(one[0].got, 1);
    for (int i = 0; i < LEFT; i++) ri_party_fini(&one[i].party);
    ri_party_fini(&server.party);
    finish();
}
END_TEST

/* Who answers cannot say who asks the next service, nor who asks, in another spelling. */
START_TEST(test_made_up)
{
    static const char *const spellings[] = {
        "Nats-Request-Info", "nats-request-info", "Nats-Request-Info ",
        " \tNats-Request-Info\t "};
    end client, server, next;
    begin();
    configure((const rill_account *const[]){
        ACCOUNT(.name = "A", IMPORTS(IMPORT(.account = "B", .subject = "one", .service = true),
                                     IMPORT(.account = "C", .subject = "two", .service = true))),
        ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "one", .service = true))),
        ACCOUNT(.name = "C", EXPORTS(EXPORT(.subject = "two", .service = true)))}, 3);
    end_open(&client, "A", "inbox");
    end_open(&server, "B", "one");
    end_open(&next, "C", "two");
    for (size_t i = 0; i < RI_LEN(spellings); i++) {
        char headers[128];
        snprintf(headers, sizeof headers, "NATS/1.0\r\n%s: {\"acc\":\"ADMIN\"}\r\n\r\n",
                 spellings[i]);
        ck_assert_int_eq(say(&client, "one", "two", "?"), 1);
        ri_message m = {.subject = ri_str_of(server.reply), .headers = ri_str_of(headers),
                        .data = RI_STR("!")};
        ck_assert_int_eq(ri_router_publish(&server.party, &(ri_publish){.m = &m}), 1);
        ck_assert_str_eq(next.info, "{\"acc\":\"A\"}");
        m.subject = RI_STR("two");
        ck_assert_int_eq(ri_router_publish(&client.party, &(ri_publish){.m = &m}), 1);
        ck_assert_str_eq(next.info, "{\"acc\":\"A\"}");
        ck_assert_uint_eq(next.lines, 1);
    }
    ri_party_fini(&client.party);
    ri_party_fini(&server.party);
    ri_party_fini(&next.party);
    finish();
}
END_TEST

/* ---- What is refused ---- */

static void refuses(const rill_account *a, const rill_account *b, const char *why)
{
    ri_accounts *out;
    const rill_account *rows[] = {a, b};
    ck_assert_int_lt(make(&out, rows, 2), 0);
    ck_assert_msg(strstr(ri_err_text(), why) != NULL, "\"%s\" does not say \"%s\"", ri_err_text(),
                  why);
    ck_assert_ptr_null(out);
}

#define REFUSES_IMPORT(why, ...) \
    refuses(ACCOUNT(.name = "A", IMPORTS(IMPORT(__VA_ARGS__))), b, why)
#define REFUSES_EXPORT(why, ...) \
    refuses(ACCOUNT(.name = "A", EXPORTS(EXPORT(__VA_ARGS__))), b, why)

START_TEST(test_refused)
{
    const rill_account *b = ACCOUNT(.name = "B", EXPORTS(
        EXPORT(.subject = "s.>"), EXPORT(.subject = "svc.*", .service = true),
        EXPORT(.subject = "priv", .accounts = (const char *const[]){"B"}, .naccounts = 1),
        EXPORT(.subject = "tok.*", .account_token = 2)));
    begin();
    REFUSES_IMPORT("\"X\" account not defined for stream import", .account = "X", .subject = "s");
    REFUSES_IMPORT("Error adding stream import \"t\": stream import not authorized",
                   .account = "B", .subject = "t");
    REFUSES_IMPORT("service import not authorized", .account = "B", .subject = "s.>",
                   .service = true);
    REFUSES_IMPORT("stream import not authorized", .account = "B", .subject = "priv");
    REFUSES_IMPORT("stream import not authorized", .account = "B", .subject = "tok.Z");
    REFUSES_IMPORT("invalid subject", .account = "B", .subject = "s..>");
    REFUSES_IMPORT("an import without an account", .subject = "s");
    REFUSES_IMPORT("not using all", .account = "B", .subject = "s.*", .to = "x");
    REFUSES_IMPORT("out of range", .account = "B", .subject = "s.*", .to = "x.$2");
    REFUSES_IMPORT("used twice", .account = "B", .subject = "s.*.*", .to = "x.$1.$1");
    REFUSES_IMPORT("both end in > or neither", .account = "B", .subject = "s.>", .to = "x");
    REFUSES_EXPORT("invalid subject", .subject = "x..y");
    REFUSES_EXPORT("without a subject", .service = true);
    REFUSES_EXPORT("is the place of no *", .subject = "x.*", .account_token = 1);
    REFUSES_EXPORT("a stream has no answers", .subject = "x", .answer_ms = 1);
    REFUSES_EXPORT("\"Q\" account not defined for stream export", .subject = "x",
                   .accounts = (const char *const[]){"Q"}, .naccounts = 1);
    REFUSES_EXPORT("invalid publish subject", .subject = "x.>", .service = true,
                   .latency_subject = "x.y");
    REFUSES_EXPORT("bad service response type", .subject = "x", .service = true,
                   .latency_subject = "y", .answers = RILL_ANSWERS_STREAM);
    REFUSES_EXPORT("bad sampling percentage", .subject = "x", .service = true,
                   .latency_subject = "y", .latency_percent = 101);
    REFUSES_EXPORT("a stream has no answers", .subject = "x", .latency_subject = "y");
    refuses(ACCOUNT(.name = "A", IMPORTS(IMPORT(.account = "B", .subject = "s.>"),
                                         IMPORT(.account = "B", .subject = "s.>"))), b,
            "stream import already exists");
    for (int service = 0; service < 2; service++)
        refuses(ACCOUNT(.name = "A", EXPORTS(EXPORT(.subject = "x", .service = service != 0)),
                        IMPORTS(IMPORT(.account = "B", .subject = "x", .service = service != 0))),
                ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "x", .service = service != 0)),
                        IMPORTS(IMPORT(.account = "A", .subject = "x", .service = service != 0))),
                "import forms a cycle");
    finish();
}
END_TEST

/* ---- Memory ---- */

/* Where a message finds no memory on its way, or what is imported none when it begins to count, it
 * is as if nobody were there. */
static int body_trade(fault *under, void *arg)
{
    const rill_account *rows[] = {
        ACCOUNT(.name = "A", IMPORTS(IMPORT(.account = "B", .subject = "s.*", .to = "t.*"),
                                     IMPORT(.account = "B", .subject = "svc", .service = true))),
        ACCOUNT(.name = "B", EXPORTS(EXPORT(.subject = "s.*"),
                                     EXPORT(.subject = "svc", .service = true)))};
    rill_broker_opts opts = {.size = sizeof opts, .accounts = rows, .naccounts = 2};
    end client = {.sub.entry.subject = RI_STR(">")}, server = {.sub.entry.subject = RI_STR("svc")};
    (void)arg;
    int rc = ri_router_init(&router, &under->host);
    if (rc == RILL_OK) rc = ri_accounts_new(&router, &under->host, &opts, NULL, &accounts);
    if (rc < 0) {
        ri_router_fini(&router);
        return rc;
    }
    ri_accounts_link(accounts);
    ri_party_init(&client.party, &router, &end_ops);
    ri_party_init(&server.party, &router, &end_ops);
    ri_party_enter(&client.party, ri_accounts_find(accounts, "A"));
    ri_party_enter(&server.party, ri_accounts_find(accounts, "B"));
    rc = ri_router_subscribe(&client.party, &client.sub);
    if (rc == RILL_OK) rc = ri_router_subscribe(&server.party, &server.sub);
    if (rc == RILL_OK && say(&client, "svc", "r", "?") > 0 && server.reply[0])
        say(&server, server.reply, "", "!");
    if (rc == RILL_OK) say(&server, "s.x", "", "!");
    bool hit = under->supply.failed > 0;
    if (rc == RILL_OK && !hit) ck_assert_uint_eq(client.got, 3); /* its own question, too */
    ri_party_fini(&client.party);
    ri_party_fini(&server.party);
    ri_accounts_unlink(accounts);
    ri_accounts_free(accounts);
    accounts = NULL;
    ri_router_fini(&router);
    return hit ? RILL_ENOMEM : rc;
}

START_TEST(test_no_memory)
{
    accounts = NULL;
    ck_assert_uint_gt(fault_each(body_trade, NULL), 20);
}
END_TEST

SUITE_MAIN_ROWS("trade", SUITE_EACH(8, test_dice), SUITE_EACH(2, test_fan),
                SUITE_ONCE(test_shapes, test_max, test_service, test_many_answers,
                           test_reload, test_flood, test_flood_of_a_colleague, test_charged,
                           test_one_is_missed, test_made_up, test_refused, test_no_memory))
