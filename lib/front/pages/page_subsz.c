/* SPDX-License-Identifier: Apache-2.0 */
/* /subsz: what is remembered of who gets a message, and the subscriptions of clients, connection by
 * connection in slices. */
#include "base/assert.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "front/pages/page.h"
#include "front/pages/page_conn.h"

enum {
    SUBSZ_LIMIT = 1024,  /* subscriptions on a page that names no limit */
    SUBSZ_ACCOUNT = 256,
    SUBSZ_UNITS = 8,     /* of the turn, for an account or a subscription that is listed */
};

typedef struct subsz_work {
    char test[RI_PAGE_QUERY_VALUE];   /* a subject; empty: all are meant */
    char account[SUBSZ_ACCOUNT]; /* empty: all */
    bool list;
    uint64_t offset, limit;
    size_t next;             /* account that is counted next */
    rill_stats sums;
    uint64_t conn;           /* that was looked at last */
    ri_str of;               /* the account of the connection at hand */
    rill_conn_subs_opts opts;
    ri_broker_subs_query query;
    ri_page *page;
    ri_buffer text;          /* the list */
    ri_page_json json;       /* of it */
} subsz_work;

static void subsz_on_sub(void *arg, const ri_broker_sub *sub)
{
    subsz_work *w = arg;
    RI_ASSERT(w->list && w->of.len);
    if (ri_page_is_full(w->page, w->text.len)) return;
    ri_page_conn_put_sub(sub, w->of, ri_trust_name_of(w->page->broker->conf.trust, w->of),
                         &w->json);
    ri_budget_spend(&w->page->broker->router.budget, SUBSZ_UNITS);
}

/* What is looked at is a connection after the other: a subscription that is there all the time is
 * listed once, unless it is compared with something and the connection's others come and go. */
static void subsz_on_conn(void *arg, const ri_broker_conn *conn)
{
    subsz_work *w = arg;
    w->query.more = false;
    w->of = conn->account.len ? conn->account : ri_str_of(RI_ACCOUNT_GLOBAL);
    if (w->account[0] && !ri_str_is(w->of, w->account)) return;
    if (w->opts.conn != conn->info.id) w->query.at = 0;
    w->opts.conn = conn->info.id;
    ri_broker_subs_of(w->page->broker, &w->query);
}

static bool subsz_conns(subsz_work *w, ri_broker *broker)
{
    for (;;) {
        ri_broker_conns_query one = {.after = w->conn, .max = 1, .put = subsz_on_conn, .arg = w};
        ri_broker_list_conns(broker, &one);
        RI_ASSERT(one.after >= w->conn);
        if (one.after == w->conn) return true;
        if (w->query.more) return false;
        w->conn = one.after;
        if (!ri_budget_spend(&broker->router.budget, 1)) return false;
    }
}

static bool subsz_accounts(subsz_work *w, const ri_broker *broker, ri_budget *budget)
{
    const ri_account *account;
    while ((account = ri_broker_account_at(broker, w->next)) != NULL) {
        w->next++;
        if (w->account[0] && strcmp(account->name, w->account) != 0) continue;
        ri_broker_account_stats(account, &w->sums);
        if (!ri_budget_spend(budget, SUBSZ_UNITS)) return false;
    }
    return true;
}

static bool subsz_step(ri_page *page)
{
    subsz_work *w = page->work;
    ri_broker *broker = page->broker;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (!w) return false;
    bool done = subsz_accounts(w, broker, &broker->router.budget) &&
                ((!w->list && !w->test[0]) || subsz_conns(w, broker));
    page->body.failed = page->body.failed || w->text.failed;
    return ri_page_charge(page, 2 * (uint64_t)w->text.cap) && !done;
}

void ri_page_put_matches(const rill_stats *s, ri_page_json *j)
{
    double known = s->matches > 0 ? (double)s->matches_known / (double)s->matches : 0;
    double seen = (double)RI_MAX(s->answers_told, UINT64_C(1));
    ri_page_json_uint(j, "num_subscriptions", s->subs);
    ri_page_json_uint(j, "num_cache", s->answers);
    ri_page_json_uint(j, "num_inserts", s->subs_begun);
    ri_page_json_uint(j, "num_removes", s->subs_ended);
    ri_page_json_uint(j, "num_matches", s->matches);
    ri_page_json_number(j, "cache_hit_rate", known);
    ri_page_json_uint(j, "max_fanout", s->receivers_max);
    ri_page_json_number(j, "avg_fanout", (double)s->receivers / seen);
}

static void subsz_finish(ri_page *page)
{
    subsz_work *w = page->work;
    ri_page_json j;
    if (!w || page->body.failed) return;
    ri_page_json_begin(page, &j, false);
    ri_page_put_matches(&w->sums, &j);
    ri_page_json_uint(&j, "total", w->query.total);
    ri_page_json_uint(&j, "offset", w->offset);
    ri_page_json_uint(&j, "limit", w->limit);
    if (w->list) {
        ri_page_json_open(&j, "subscriptions_list", '[');
        ri_buffer_put_str(&page->body, ri_buffer_str(&w->text));
        j.follows = w->query.count > 0;
        ri_page_json_close(&j, ']');
    }
    ri_page_json_close(&j, '}');
}

static void subsz_begin(ri_page *page, ri_str query)
{
    subsz_work *w = ri_page_work(page, sizeof *w);
    if (!w) return;
    ri_buffer_init(&w->text, page->body.host);
    w->json = (ri_page_json){.out = &w->text, .depth = 2, .flat = page->system,
                             .tight = page->system};
    w->list = ri_page_query_bool(query, "subs");
    ri_page_query_get(query, "test", w->test, sizeof w->test);
    ri_page_query_get(query, "acc", w->account, sizeof w->account);
    w->offset = ri_page_query_number(query, "offset", 0);
    w->limit = ri_page_query_number(query, "limit", 0);
    w->limit = RI_MIN(w->limit ? w->limit : SUBSZ_LIMIT, RI_LIMIT_HTTP_SUBS);
    if (w->test[0] && !ri_subject_is_literal(ri_str_of(w->test))) {
        ri_page_say(page, 400, "invalid test subject, must be valid publish subject: %s",
                           w->test);
        return;
    }
    w->page = page;
    w->opts = (rill_conn_subs_opts){.size = sizeof w->opts, .skip = w->offset,
                                    .matches = w->test[0] ? w->test : NULL};
    w->query = (ri_broker_subs_query){.opts = &w->opts, .max = w->list ? w->limit : 0,
                                      .put = subsz_on_sub, .arg = w,
                                      .budget = &page->broker->router.budget};
}

static void subsz_drop(ri_page *page)
{
    subsz_work *w = page->work;
    ri_buffer_fini(&w->text);
}

const ri_page_kind ri_page_subsz = {
    .bools = "subs", .ints = "offset limit",
    .begin = subsz_begin, .step = subsz_step, .finish = subsz_finish, .drop = subsz_drop};
