/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts on one router: who hears what, who moves, and how long an account is there. */
#include <stdio.h>

#include "base/error.h"
#include "codec/subject/subject.h"
#include "engine/live/router.h"
#include "front/broker/accounts.h"
#include "support/fault.h"
#include "support/suite.h"

enum { SPACES = 5, PARTIES = 12, SUBS = 40, STEPS = 4000, CROWD = 3000 };

typedef struct ear {
    ri_party party;
    ri_subscription subs[SUBS];
    char subjects[SUBS][16];
    bool on[SUBS];
    int space;           /* what the model knows: where it is now */
    int of[SUBS];        /* ... and where each subscription was made */
    uint32_t got[SUBS];
} ear;

static fault f;
static ri_router router;
static ri_account *spaces[SPACES];
static ear ears[PARTIES];

static bool ear_take(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)d;
    ear *e = ri_container_of(party, ear, party);
    e->got[sub - e->subs]++;
    return true;
}

static void ear_ended(ri_party *party, ri_subscription *sub)
{
    (void)party, (void)sub;
}

static const ri_party_ops ear_ops = {.deliver = ear_take, .ended = ear_ended};

static void spaces_open(void)
{
    fault_init(&f);
    ck_assert_ok(ri_router_init(&router, &f.host));
    spaces[0] = &router.global;
    for (int i = 1; i < SPACES; i++) {
        char name[8];
        snprintf(name, sizeof name, "A%d", i);
        spaces[i] = ri_account_new(&router, &f.host, ri_str_of(name), NULL);
        ck_assert_ptr_nonnull(spaces[i]);
    }
}

static void spaces_close(void)
{
    for (int i = 1; i < SPACES; i++) ri_account_unref(spaces[i]);
    ri_router_fini(&router);
    fault_fini(&f);
}

/* ---- The dice ---- */

static uint64_t seed;

static uint32_t dice(uint32_t n)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(((seed >> 33) * n) >> 31);
}

static void draw_subject(char *out, size_t cap, bool wild)
{
    static const char *const words[] = {"a", "b", "c", "*"};
    int n = snprintf(out, cap, "%s", words[dice(wild ? 4 : 3)]);
    for (uint32_t more = dice(3); more > 0; more--)
        n += snprintf(out + n, cap - (size_t)n, ".%s", words[dice(wild ? 4 : 3)]);
    if (wild && dice(4) == 0) snprintf(out + n, cap - (size_t)n, ".>");
}

static void step_subscribe(ear *e)
{
    int i = (int)dice(SUBS);
    if (e->on[i]) {
        ri_router_unsubscribe(&e->subs[i]);
        e->on[i] = false;
        return;
    }
    draw_subject(e->subjects[i], sizeof e->subjects[i], true);
    e->subs[i] = (ri_subscription){.entry.subject = ri_str_of(e->subjects[i])};
    ck_assert_ok(ri_router_subscribe(&e->party, &e->subs[i]));
    e->on[i] = true;
    e->of[i] = e->space;
}

static void step_move(ear *e)
{
    e->space = (int)dice(SPACES);
    ri_party_enter(&e->party, spaces[e->space]);
}

/* Whoever has subscribed in the publisher's account gets it, and nobody else. */
static void step_publish(ear *from)
{
    char subject[16];
    draw_subject(subject, sizeof subject, false);
    uint32_t before[PARTIES][SUBS];
    for (int p = 0; p < PARTIES; p++) memcpy(before[p], ears[p].got, sizeof before[p]);
    ri_message m = {.subject = ri_str_of(subject), .data = RI_STR("x")};
    int took = ri_router_publish(&from->party, &(ri_publish){.m = &m}), want = 0;
    for (int p = 0; p < PARTIES; p++) {
        for (int i = 0; i < SUBS; i++) {
            bool hears = ears[p].on[i] && ears[p].of[i] == from->space &&
                         ri_subject_match(ears[p].subs[i].entry.subject, ri_str_of(subject));
            want += hears;
            if (ears[p].got[i] != before[p][i] + hears)
                ck_abort_msg("%s in %d, to %s of %d", subject, from->space, ears[p].subjects[i],
                             ears[p].of[i]);
        }
    }
    ck_assert_int_eq(took, want);
}

START_TEST(test_dice)
{
    seed = (uint64_t)_i * 7919 + 1;
    spaces_open();
    for (int p = 0; p < PARTIES; p++) {
        ears[p] = (ear){.space = 0};
        ri_party_init(&ears[p].party, &router, &ear_ops);
        step_move(&ears[p]);
    }
    for (int i = 0; i < (under_valgrind() ? STEPS / 20 : STEPS); i++) {
        ear *e = &ears[dice(PARTIES)];
        uint32_t what = dice(20);
        if (what == 0) step_move(e);
        else if (what < 8) step_subscribe(e);
        else step_publish(e);
    }
    for (int p = 0; p < PARTIES; p++) ri_party_fini(&ears[p].party);
    for (int i = 0; i < SPACES; i++)
        ck_assert_uint_eq(ri_interest_count(&spaces[i]->interest), 0);
    spaces_close();
}
END_TEST

/* ---- Coming and going ---- */

/* An account that nobody configures any more is there while somebody is in it, and no longer. */
START_TEST(test_life)
{
    spaces_open();
    ear *in = &ears[0], *out = &ears[1];
    ri_account *gone = ri_account_new(&router, &f.host, RI_STR("gone"), NULL);
    ri_party_init(&in->party, &router, &ear_ops);
    ri_party_init(&out->party, &router, &ear_ops);
    ri_party_enter(&in->party, gone);
    ri_party_enter(&out->party, gone);
    in->subs[0] = (ri_subscription){.entry.subject = RI_STR("s")};
    out->subs[0] = (ri_subscription){.entry.subject = RI_STR("s")};
    in->got[0] = out->got[0] = 0;
    ck_assert_ok(ri_router_subscribe(&in->party, &in->subs[0]));
    ck_assert_ok(ri_router_subscribe(&out->party, &out->subs[0]));
    ri_account_unref(gone); /* it is configured no more */
    ri_party_enter(&out->party, &router.global);
    ri_party_fini(&in->party);
    ri_message m = {.subject = RI_STR("s"), .data = RI_STR("x")};
    ck_assert_int_eq(ri_router_publish(&out->party, &(ri_publish){.m = &m}), 0);
    ck_assert_uint_eq(out->got[0], 0);
    ck_assert_uint_eq(gone->refs, 1); /* what was subscribed to there holds it alone */
    ri_router_unsubscribe(&out->subs[0]);
    ck_assert_ok(ri_router_subscribe(&out->party, &out->subs[0]));
    ck_assert_int_eq(ri_router_publish(&out->party, &(ri_publish){.m = &m}), 1);
    ri_party_fini(&out->party);
    spaces_close();
}
END_TEST

static ri_party crowd[CROWD];
static ri_subscription crowd_subs[CROWD];
static uint32_t crowd_got;

static bool crowd_take(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party, (void)sub, (void)d;
    crowd_got++;
    return true;
}

static const ri_party_ops crowd_ops = {.deliver = crowd_take, .ended = ear_ended};

/* A message on its way to very many goes on where it was published, wherever its publisher is. */
START_TEST(test_fan)
{
    spaces_open();
    ri_party *from = &ears[0].party;
    ri_party_init(from, &router, &ear_ops);
    ri_account *space = ri_account_new(&router, &f.host, RI_STR("many"), NULL);
    ri_party_enter(from, space);
    for (int i = 0; i < CROWD; i++) {
        ri_party_init(&crowd[i], &router, &crowd_ops);
        ri_party_enter(&crowd[i], space);
        crowd_subs[i] = (ri_subscription){.entry.subject = RI_STR("all")};
        ck_quick(ri_router_subscribe(&crowd[i], &crowd_subs[i]) == RILL_OK);
    }
    ri_account_unref(space);
    ri_fan *fan = NULL;
    ri_message m = {.subject = RI_STR("all"), .data = RI_STR("x")};
    crowd_got = 0;
    ri_budget_open(&router.budget);
    ri_budget_spend(&router.budget, RI_BUDGET_TURN);
    ck_assert_int_gt(ri_router_publish(from, &(ri_publish){.m = &m, .fan = &fan}), 0);
    ri_budget_close(&router.budget);
    ck_assert_ptr_nonnull(fan);
    ck_assert_uint_lt(crowd_got, CROWD);
    ri_party_enter(from, &router.global);
    while (ri_router_fan_on(&fan)) ri_budget_open(&router.budget);
    ck_assert_uint_eq(crowd_got, CROWD);
    for (int i = 0; i < CROWD; i++) ri_party_fini(&crowd[i]);
    ri_party_fini(from);
    spaces_close();
}
END_TEST

/* ---- What a broker is configured with ---- */

#define ACCOUNT(...) (&(const rill_account){.size = sizeof(rill_account), __VA_ARGS__})
#define USER(...) (&(const rill_user){.size = sizeof(rill_user), __VA_ARGS__})

static int make(ri_accounts **out, const rill_account *const *rows, size_t n,
                const rill_user *const *users, size_t nusers, const char *system)
{
    rill_broker_opts opts = {.size = sizeof opts, .accounts = rows, .naccounts = n, .users = users,
                             .nusers = nusers, .system_account = system};
    return ri_accounts_new(&router, &f.host, &opts, NULL, out);
}

static void refuses(const rill_account *row, const rill_user *user, const char *system,
                    const char *why)
{
    ri_accounts *accounts;
    ck_assert_rc(make(&accounts, &row, 1, &user, user != NULL, system), RILL_EINVAL);
    ck_assert_msg(strstr(ri_err_text(), why) != NULL, "\"%s\" does not say \"%s\"", ri_err_text(),
                  why);
    ck_assert_ptr_null(accounts);
}

START_TEST(test_refused)
{
    ri_accounts *accounts;
    const rill_mapping bad = {.size = sizeof bad, .from = "a..b", .to = "c"};
    const rill_mapping *mappings[] = {&bad};
    const rill_account *twice[] = {ACCOUNT(.name = "A"), ACCOUNT(.name = "B"),
                                   ACCOUNT(.name = "A")};
    spaces_open();
    refuses(ACCOUNT(.name = NULL), NULL, NULL, "account \"\"");
    refuses(ACCOUNT(.name = "a b"), NULL, NULL, "no blanks");
    refuses(ACCOUNT(.name = "$G"), NULL, NULL, "\"$G\" is a Reserved Account");
    refuses(ACCOUNT(.name = "A"), NULL, "B", "system_account: \"B\" is no account");
    refuses(ACCOUNT(.name = "A"), USER(.user = "u", .account = "B"), NULL,
            "user \"u\": there is no account \"B\"");
    refuses(ACCOUNT(.name = "A", .mappings = mappings, .nmappings = 1), NULL, NULL,
            "account \"A\": mapping 0: invalid subject a..b");
    ck_assert_rc(make(&accounts, twice, 3, NULL, 0, NULL), RILL_EINVAL);
    ck_assert_str_eq(ri_err_text(), "Duplicate Account Entry: A");
    ck_assert_rc(make(&accounts, NULL, 0, NULL, 0, "A"), RILL_EINVAL);
    ck_assert_ok(make(&accounts, NULL, 0, NULL, 0, NULL));
    ck_assert_ptr_null(accounts);
    spaces_close();
}
END_TEST

static int body_make(fault *under, void *arg)
{
    const rill_mapping mapping = {.size = sizeof mapping, .from = "a", .to = "b"};
    const rill_mapping *mappings[] = {&mapping};
    const rill_account *rows[] = {ACCOUNT(.name = "B"),
                                  ACCOUNT(.name = "A", .mappings = mappings, .nmappings = 1)};
    rill_broker_opts opts = {.size = sizeof opts, .accounts = rows, .naccounts = 2};
    ri_accounts *accounts = NULL;
    (void)arg;
    int rc = ri_accounts_new(&router, &under->host, &opts, NULL, &accounts);
    if (rc < 0) ck_assert_ptr_null(accounts);
    else ck_assert_str_eq(ri_accounts_at(accounts, 0)->name, "A");
    ri_accounts_free(accounts);
    return rc;
}

/* Each allocation fails once: nothing is kept. */
START_TEST(test_no_memory)
{
    spaces_open();
    ck_assert_uint_gt(fault_each(body_make, NULL), 5);
    spaces_close();
}
END_TEST

/* A reload: who was there stays who he is, with what is configured now. */
START_TEST(test_take_over)
{
    const rill_account *before[] = {ACCOUNT(.name = "C"), ACCOUNT(.name = "A", .max_subs = 1),
                                    ACCOUNT(.name = "B")};
    const rill_account *after[] = {ACCOUNT(.name = "D"), ACCOUNT(.name = "A", .max_subs = 2),
                                   ACCOUNT(.name = "C")};
    ri_accounts *old, *new;
    spaces_open();
    ck_assert_ok(make(&old, before, 3, NULL, 0, "C"));
    ck_assert_ok(make(&new, after, 3, NULL, 0, "A"));
    ri_account *a = ri_accounts_find(old, "A"), *b = ri_accounts_find(old, "B");
    ck_assert(!ri_accounts_same(old, new));
    ri_party *party = &ears[0].party;
    ri_party_init(party, &router, &ear_ops);
    ri_party_enter(party, b);
    ri_accounts_take_over(new, old);
    ri_accounts_free(old);
    ck_assert_ptr_eq(ri_accounts_find(new, "A"), a);
    ck_assert_uint_eq(a->limits.subs, 2);
    ck_assert(a->system);
    ck_assert(!ri_accounts_find(new, "C")->system);
    ck_assert_ptr_null(ri_accounts_find(new, "B"));
    ck_assert_str_eq(party->account->name, "B"); /* it is in there still */
    ck_assert_ptr_nonnull(ri_accounts_find(new, "D"));
    ri_party_fini(party);
    ri_accounts_free(new);
    spaces_close();
}
END_TEST

SUITE_MAIN_ROWS("account", SUITE_EACH(8, test_dice),
                SUITE_ONCE(test_life, test_fan, test_refused, test_no_memory, test_take_over))
