/* SPDX-License-Identifier: Apache-2.0 */
/* /accountz and /accstatz: which accounts there are, what they have of one another, and what their
 * connections do. Connections are walked in slices; what is summed is of those that are there. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "engine/live/trade.h"
#include "front/broker/durable.h"
#include "front/pages/page.h"
#include "front/pages/page_varz.h"

enum { ACCOUNTZ_NAME = 256 };

typedef struct accountz_sum { /* of the connections that it has; messages also of those before */
    char *name;              /* owned */
    uint64_t conns, subs, in_msgs, in_bytes, out_msgs, out_bytes;
} accountz_sum;

typedef struct accountz_work {
    char account[ACCOUNTZ_NAME]; /* empty: all */
    char names[RI_LIMIT_SYSTEM_BODY]; /* of these, a line each; empty: of all */
    bool unused;             /* those without connections, too */
    bool begun;
    ri_buffer sums;          /* accountz_sum, by name; of one account alone, or of all */
    ri_broker_conns_query walk;
    ri_page *page;
} accountz_work;

/* ---- Sums ---- */

static accountz_sum *accountz_sums(const accountz_work *w, size_t *n)
{
    ri_str bytes = ri_buffer_str(&w->sums);
    *n = bytes.len / sizeof(accountz_sum);
    return (accountz_sum *)(void *)(uintptr_t)bytes.ptr;
}

static int accountz_compare(const void *a, const void *b)
{
    return strcmp(((const accountz_sum *)a)->name, ((const accountz_sum *)b)->name);
}

static void accountz_on_conn(void *arg, const ri_broker_conn *conn)
{
    size_t n;
    accountz_sum *sums = accountz_sums(arg, &n);
    ri_str of = conn->account.len ? conn->account : ri_str_of(RI_ACCOUNT_GLOBAL);
    const accountz_sum wanted = {.name = (char *)(uintptr_t)of.ptr};
    RI_ASSERT(conn->info.id && of.ptr[of.len] == 0);
    accountz_sum *sum = bsearch(&wanted, sums, n, sizeof wanted, accountz_compare);
    if (!sum) return;
    sum->conns++;
    sum->subs += conn->info.subs;
    sum->in_msgs += conn->info.in_msgs;
    sum->in_bytes += conn->info.in_bytes;
    sum->out_msgs += conn->info.out_msgs;
    sum->out_bytes += conn->info.out_bytes;
}

static void accountz_add(accountz_work *w, const ri_account *account)
{
    const ri_account_gone *gone = &account->gone;
    accountz_sum sum = {.name = ri_strdup(w->sums.host, account->name, strlen(account->name)),
                        .in_msgs = gone->in_msgs, .in_bytes = gone->in_bytes,
                        .out_msgs = gone->out_msgs, .out_bytes = gone->out_bytes};
    ri_buffer_put(&w->sums, &sum, sizeof sum);
    if (sum.name && !w->sums.failed) return;
    if (sum.name) ri_free(w->sums.host, sum.name, strlen(sum.name) + 1);
    else if (!w->sums.failed) ri_buffer_cut(&w->sums, ri_buffer_size(&w->sums) - sizeof sum);
    w->sums.failed = true;
}

static bool accountz_means(const accountz_work *w, const char *name)
{
    ri_str rest = ri_str_of(w->names), line;
    if (w->account[0]) return strcmp(name, w->account) == 0;
    while (ri_str_cut(&rest, '\n', &line))
        if (ri_str_is(line, name)) return true;
    return !w->names[0];
}

/* How many there are the configuration says; a reload looks at all of them at once, too. */
static void accountz_start(accountz_work *w, ri_broker *broker)
{
    const ri_account *account;
    size_t n;
    for (size_t i = 0; (account = ri_broker_account_at(broker, i)) != NULL; i++)
        if (accountz_means(w, account->name)) accountz_add(w, account);
    accountz_sum *sums = accountz_sums(w, &n);
    ri_budget_spend(&broker->router.budget, n);
    if (n > 1) qsort(sums, n, sizeof *sums, accountz_compare);
    w->begun = true;
}

static bool accountz_collect(ri_page *page)
{
    accountz_work *w = page->work;
    ri_broker *broker = page->broker;
    RI_ASSERT(ri_broker_is_entered(broker));
    RI_ASSERT(w->page == page);
    if (!w->begun) accountz_start(w, broker);
    page->body.failed = page->body.failed || w->sums.failed;
    return ri_page_charge(page, w->sums.cap) && ri_broker_list_conns(broker, &w->walk);
}

static void accountz_open(ri_page *page, ri_str query)
{
    accountz_work *w = ri_page_work(page, sizeof *w);
    if (!w) return;
    ri_buffer_init(&w->sums, page->body.host);
    ri_page_query_get(query, "acc", w->account, sizeof w->account);
    ri_page_query_get(query, "accs", w->names, sizeof w->names);
    w->unused = ri_page_query_bool(query, "unused");
    w->page = page;
    w->walk = (ri_broker_conns_query){.max = UINT64_MAX, .put = accountz_on_conn, .arg = w,
                                      .budget = &page->broker->router.budget};
}

static void accountz_drop(ri_page *page)
{
    accountz_work *w = page->work;
    size_t n;
    accountz_sum *sums = accountz_sums(w, &n);
    for (size_t i = 0; i < n; i++) ri_free(page->body.host, sums[i].name, strlen(sums[i].name) + 1);
    ri_buffer_fini(&w->sums);
}

/* ---- /accountz ---- */

static void accountz_put_export(const ri_export *row, ri_page_json *j)
{
    static const char *const answers[] = {"Singleton", "Streamed", "Chunked"};
    ri_page_json_open(j, NULL, '{');
    ri_page_json_text(j, "subject", row->subject);
    ri_page_json_text(j, "type", row->service ? "service" : "stream");
    if (row->naccounts) {
        ri_page_json_open(j, "approved_accounts", '[');
        for (size_t i = 0; i < row->naccounts; i++)
            ri_page_json_text(j, NULL, row->accounts[i]);
        ri_page_json_close(j, ']');
    }
    if (row->service && (size_t)row->answers < RI_LEN(answers))
        ri_page_json_text(j, "response_type", answers[row->answers]);
    ri_page_json_close(j, '}');
}

static void accountz_put_import(const ri_import *row, ri_page_json *j)
{
    const char *local = row->to ? row->to : row->subject;
    ri_page_json_open(j, NULL, '{');
    ri_page_json_text(j, "subject", row->subject);
    ri_page_json_text(j, "account", row->from);
    if (row->service) ri_page_json_text(j, "to", local);
    ri_page_json_text(j, "local_subject", local);
    ri_page_json_text(j, "type", row->service ? "service" : "stream");
    ri_page_json_bool(j, "invalid", row->account == NULL);
    ri_page_json_bool(j, "share", row->share);
    ri_page_json_bool(j, "tracking", row->latency_subject != NULL);
    ri_page_json_close(j, '}');
}

static void accountz_put_trade(const ri_trade *trade, ri_page_json *j)
{
    if (trade && trade->nexports) {
        ri_page_json_open(j, "exports", '[');
        for (size_t i = 0; i < trade->nexports; i++) accountz_put_export(&trade->exports[i], j);
        ri_page_json_close(j, ']');
    }
    if (trade && trade->nimports) {
        ri_page_json_open(j, "imports", '[');
        for (size_t i = 0; i < trade->nimports; i++) accountz_put_import(&trade->imports[i], j);
        ri_page_json_close(j, ']');
    }
}

static void accountz_put_matches(const ri_account *account, ri_page_json *j)
{
    rill_stats s = {.size = sizeof s};
    ri_broker_account_stats(account, &s);
    ri_page_json_open(j, "sublist_stats", '{');
    ri_page_put_matches(&s, j);
    ri_page_json_close(j, '}');
}

static bool accountz_global_has(const ri_broker *broker)
{
    return ri_durable_streams(broker) == broker->durable && broker->durable &&
           ri_page_js_counts(broker, broker->durable);
}

/* What its JWT says of it. */
static void accountz_put_claims(const ri_broker *broker, const ri_account *account,
                                ri_page_json *j)
{
    ri_str name = ri_str_of(account->name);
    const ri_claims_account *claims = ri_trust_claims_of(broker->conf.trust, name);
    if (claims) ri_page_json_string(j, "issuer_key", claims->issuer);
    ri_page_json_string(j, "name_tag", ri_trust_name_of(broker->conf.trust, name));
    if (!claims || !claims->tags.n) return;
    ri_page_json_open(j, "tags", '[');
    for (size_t i = 0; i < claims->tags.n; i++) ri_page_json_text(j, NULL, claims->tags.at[i]);
    ri_page_json_close(j, ']');
}

static void accountz_put_detail(const ri_broker *broker, const ri_account *account,
                                const accountz_sum *sum, ri_page_json *j)
{
    bool global = account == &broker->router.global;
    ri_page_json_text(j, "account_name", account->name);
    ri_page_json_time(j, "update_time", broker->conf_ns);
    if (account->system) ri_page_json_bool(j, "is_system", true);
    ri_page_json_bool(j, "expired", false);
    ri_page_json_bool(j, "complete", true);
    ri_page_json_bool(j, "jetstream_enabled", global ? accountz_global_has(broker)
                                                     : ri_account_has_streams(account));
    ri_page_json_uint(j, "leafnode_connections", 0);
    ri_page_json_uint(j, "client_connections", sum->conns);
    ri_page_json_uint(j, "subscriptions", sum->subs);
    accountz_put_trade(account->trade, j);
    accountz_put_claims(broker, account, j);
    accountz_put_matches(account, j);
}

static const ri_account *accountz_find(const ri_broker *broker, const char *name)
{
    const ri_account *account;
    for (size_t i = 0; (account = ri_broker_account_at(broker, i)) != NULL; i++)
        if (strcmp(account->name, name) == 0) return account;
    return NULL;
}

static void accountz_put(ri_page *page, const accountz_work *w)
{
    const ri_broker *broker = page->broker;
    const ri_account *system = ri_accounts_system(broker->conf.accounts), *account;
    size_t n;
    const accountz_sum *sums = accountz_sums(w, &n);
    ri_page_json j;
    RI_ASSERT(!w->account[0] || n <= 1);
    account = w->account[0] ? accountz_find(broker, w->account) : NULL;
    ri_page_json_begin(page, &j, page->inner);
    if (system && !page->inner) ri_page_json_text(&j, "system_account", system->name);
    if (account && n && page->inner) {
        accountz_put_detail(broker, account, sums, &j);
    } else if (account && n) {
        ri_page_json_open(&j, "account_detail", '{');
        accountz_put_detail(broker, account, sums, &j);
        ri_page_json_close(&j, '}');
    } else {
        ri_page_json_open(&j, "accounts", '[');
        for (size_t i = 0; (account = ri_broker_account_at(broker, i)) != NULL; i++)
            ri_page_json_text(&j, NULL, account->name);
        ri_page_json_close(&j, ']');
    }
    ri_page_json_close(&j, '}');
}

static bool accountz_step(ri_page *page)
{
    const accountz_work *w = page->work;
    if (!w) return false;
    if (w->account[0] && !accountz_find(page->broker, w->account)) {
        ri_page_say(page, 400, "Account %s does not exist", w->account);
        return false;
    }
    if (w->account[0] && accountz_collect(page)) return true;
    if (!page->body.failed) accountz_put(page, w);
    return false;
}

const ri_page_kind ri_page_accountz = {.begin = accountz_open, .step = accountz_step,
                                       .drop = accountz_drop};

/* ---- /accstatz ---- */

static void accountz_put_way(const char *key, uint64_t msgs, uint64_t bytes, ri_page_json *j)
{
    static const char *const others[] = {"gateways", "routes", "leafs"};
    ri_page_json_open(j, key, '{');
    ri_page_json_uint(j, "msgs", msgs);
    ri_page_json_uint(j, "bytes", bytes);
    for (size_t i = 0; i < RI_LEN(others); i++) {
        ri_page_json_open(j, others[i], '{');
        ri_page_json_uint(j, "msgs", 0);
        ri_page_json_uint(j, "bytes", 0);
        ri_page_json_close(j, '}');
    }
    ri_page_json_close(j, '}');
}

static void accountz_put_stat(const ri_broker *broker, const accountz_sum *sum, uint64_t slow,
                              ri_page_json *j)
{
    ri_str name = ri_str_of(sum->name);
    ri_page_json_open(j, NULL, '{');
    ri_page_json_string(j, "acc", name);
    ri_page_json_string(j, "name", ri_trust_name_of(broker->conf.trust, name));
    ri_page_json_uint(j, "conns", sum->conns);
    ri_page_json_uint(j, "leafnodes", 0);
    ri_page_json_uint(j, "total_conns", sum->conns);
    ri_page_json_uint(j, "num_subscriptions", sum->subs);
    accountz_put_way("sent", sum->out_msgs, sum->out_bytes, j);
    accountz_put_way("received", sum->in_msgs, sum->in_bytes, j);
    ri_page_json_uint(j, "slow_consumers", slow);
    ri_page_json_close(j, '}');
}

/* While there is $G alone, what is counted of all is its own, with what has gone. */
static void accountz_put_global(const ri_broker *broker, ri_page_json *j)
{
    rill_stats s = {.size = sizeof s};
    char name[] = RI_ACCOUNT_GLOBAL;
    RI_ASSERT(!ri_accounts_count(broker->conf.accounts));
    ri_broker_counts_inside(broker, &s);
    const accountz_sum sum = {.name = name, .conns = s.conns, .in_msgs = s.in_msgs,
                              .in_bytes = s.in_bytes, .out_msgs = s.out_msgs,
                              .out_bytes = s.out_bytes,
                              .subs = ri_interest_count(&broker->router.global.interest)};
    accountz_put_stat(broker, &sum, s.slow_conns, j);
}

/* nats-server lists those in use, over HTTP $G, too; it has no answer in $SYS.REQ where that is
 * nobody. */
static void accountz_put_stats(ri_page *page, const accountz_work *w, ri_page_json *j)
{
    size_t n, listed = 0;
    const accountz_sum *sums = accountz_sums(w, &n);
    for (size_t i = 0; i < n; i++) {
        bool global = !page->system && strcmp(sums[i].name, RI_ACCOUNT_GLOBAL) == 0;
        if (!sums[i].conns && !w->unused && !global) continue;
        accountz_put_stat(page->broker, &sums[i], 0, j);
        listed++;
    }
    page->silent = listed == 0 && !w->unused;
}

static bool accountz_step_stats(ri_page *page)
{
    const accountz_work *w = page->work;
    const ri_broker *broker = page->broker;
    ri_page_json j;
    if (!w || accountz_collect(page)) return w && !page->body.failed;
    if (page->body.failed) return false;
    ri_page_json_begin(page, &j, false);
    ri_page_json_open(&j, "account_statz", '[');
    if (!ri_accounts_count(broker->conf.accounts)) accountz_put_global(broker, &j);
    else accountz_put_stats(page, w, &j);
    ri_page_json_close(&j, ']');
    ri_page_json_close(&j, '}');
    return false;
}

const ri_page_kind ri_page_accstatz = {
    .bools = "unused", .begin = accountz_open, .step = accountz_step_stats,
    .drop = accountz_drop};
