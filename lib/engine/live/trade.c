/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/live/trade.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"

enum { TRADE_ANSWER_MS = 120000, TRADE_SEARCH = 65536, TRADE_DEPTH = 64 };

/* ---- Rows ---- */

static char *trade_copy(const ri_host *host, const char *text)
{
    return ri_strdup(host, text, strlen(text));
}

static void trade_drop(const ri_host *host, char *text)
{
    if (text) ri_free(host, text, strlen(text) + 1);
}

static const char *trade_kind(bool service)
{
    return service ? "service" : "stream";
}

static int trade_export_fails(const ri_export *e, const char *why)
{
    return ri_err(RILL_EINVAL, "Error adding %s export \"%.100s\": %s", trade_kind(e->service),
                  e->subject, why);
}

static int trade_import_fails(const ri_import *i, const char *why)
{
    return ri_err(RILL_EINVAL, "Error adding %s import \"%.100s\": %s", trade_kind(i->service),
                  i->subject, why);
}

/* The token of `subject` at a place that counts from 1; none: empty. */
static ri_str trade_token(ri_str subject, uint32_t place)
{
    ri_str token = RI_STR_NONE, rest = subject;
    for (uint32_t i = 0; i < place; i++)
        if (!ri_subject_token(&rest, &token)) return RI_STR_NONE;
    return token;
}

static int trade_check_export(const ri_export *e, const rill_export *row)
{
    ri_str latency = ri_str_of(row->latency_subject ? row->latency_subject : "");
    if (!ri_subject_is_filter(ri_str_of(e->subject)))
        return trade_export_fails(e, "invalid subject");
    if (row->account_token && !ri_str_is(trade_token(ri_str_of(e->subject), row->account_token),
                                         "*"))
        return trade_export_fails(e, "account_token is the place of no *");
    if (!e->service && (row->latency_subject || row->answers || row->answer_ms))
        return trade_export_fails(e, "a stream has no answers");
    if (row->answers < 0 || row->answers > RILL_ANSWERS_CHUNKED)
        return trade_export_fails(e, "unknown answers");
    if (row->latency_percent > 100)
        return trade_export_fails(e, "bad sampling percentage, should be 1-100");
    if (row->latency_subject && (!ri_subject_is_literal(latency) ||
                                 ri_subject_overlaps(ri_str_of(e->subject), latency)))
        return ri_err(RILL_EINVAL, "Error adding service latency sampling for \"%.100s\" on "
                      "subject \"%.100s\": invalid publish subject", e->subject,
                      row->latency_subject);
    if (row->latency_subject && row->answers != RILL_ANSWERS_ONE)
        return ri_err(RILL_EINVAL, "Error adding service latency sampling for \"%.100s\" on "
                      "subject \"%.100s\": bad service response type", e->subject,
                      row->latency_subject);
    return RILL_OK;
}

static int trade_copy_accounts(const ri_host *host, ri_export *e, const rill_export *row)
{
    if (row->naccounts == 0) return RILL_OK;
    if (row->naccounts > RI_LIMIT_ACCOUNTS) return trade_export_fails(e, "too many accounts");
    e->accounts = ri_calloc(host, ri_size_mul(row->naccounts, sizeof *e->accounts));
    if (!e->accounts) return RILL_ENOMEM;
    e->naccounts = row->naccounts;
    for (size_t i = 0; i < e->naccounts; i++) {
        if (!row->accounts[i]) return trade_export_fails(e, "an account without a name");
        if (!(e->accounts[i] = trade_copy(host, row->accounts[i]))) return RILL_ENOMEM;
    }
    return RILL_OK;
}

static int trade_add_export(ri_trade *t, const rill_export *row)
{
    RI_ASSERT(t->nexports < t->cap_exports);
    ri_export *e = &t->exports[t->nexports++];
    *e = (ri_export){.service = row->service, .answers = row->answers,
                     .account_token = row->account_token, .latency_percent = row->latency_percent,
                     .answer_ms = row->answer_ms ? row->answer_ms : TRADE_ANSWER_MS};
    if (!row->subject) return ri_err(RILL_EINVAL, "an export without a subject");
    if (!(e->subject = trade_copy(t->host, row->subject))) return RILL_ENOMEM;
    int rc = trade_check_export(e, row);
    if (rc == RILL_OK) rc = trade_copy_accounts(t->host, e, row);
    if (rc == RILL_OK && row->latency_subject &&
        !(e->latency_subject = trade_copy(t->host, row->latency_subject)))
        rc = RILL_ENOMEM;
    return rc;
}

/* ---- How the subjects of an import are mapped ---- */

enum { TRADE_WILDCARDS = 32 };

typedef struct trade_map {
    ri_buffer local, inward, outward; /* a filter; what `subject` becomes, and what becomes of it */
    uint8_t place[TRADE_WILDCARDS];   /* of the exporter's wildcard, counted in `local`; from 1 */
    uint32_t nwild, nused;
    const char *why;                  /* it cannot be */
} trade_map;

/* Which of the wildcards it stands for: $n or {{wildcard(n)}}, or the next one for a `*`; 0: it is
 * a word. */
static uint32_t trade_reference(ri_str token, uint32_t next)
{
    static const char name[] = "{{wildcard(";
    size_t at = 0, n = 0;
    if (ri_str_is(token, "*")) return next;
    if (token.len > 1 && token.ptr[0] == '$') at = 1;
    else if (ri_str_starts(token, RI_STR(name))) at = sizeof name - 1;
    else return 0;
    size_t end = at == 1 ? token.len : token.len - RI_MIN(token.len, (size_t)3);
    for (; at < end && token.ptr[at] >= '0' && token.ptr[at] <= '9'; at++)
        n = RI_MIN(n * 10 + (size_t)(token.ptr[at] - '0'), (size_t)1000);
    return at < end ? 0 : (uint32_t)n;
}

static void trade_put_token(ri_buffer *b, ri_str token)
{
    if (ri_buffer_size(b)) ri_buffer_puts(b, ".");
    ri_buffer_put_str(b, token);
}

static void trade_map_local(trade_map *map, ri_str to)
{
    ri_str token;
    while (ri_subject_token(&to, &token)) {
        uint32_t n = trade_reference(token, map->nused + 1);
        if (n == 0) {
            trade_put_token(&map->local, token);
            trade_put_token(&map->inward, token);
            continue;
        }
        if (n > map->nwild || map->place[n - 1]) {
            map->why = n > map->nwild ? "wildcard index out of range" : "a wildcard is used twice";
            return;
        }
        map->place[n - 1] = (uint8_t)++map->nused;
        trade_put_token(&map->local, RI_STR("*"));
        char text[16];
        snprintf(text, sizeof text, "$%u", (unsigned)n);
        trade_put_token(&map->inward, ri_str_of(text));
    }
    if (map->nused < map->nwild) map->why = "not using all of the token wildcard(s)";
}

static void trade_map_outward(trade_map *map, ri_str subject)
{
    ri_str token;
    uint32_t at = 0;
    while (ri_subject_token(&subject, &token)) {
        char text[16];
        bool wild = ri_str_is(token, "*");
        if (wild) snprintf(text, sizeof text, "$%u", (unsigned)map->place[at++]);
        trade_put_token(&map->outward, wild ? ri_str_of(text) : token);
    }
}

static bool trade_ends_open(ri_str s)
{
    return ri_str_is(s, ">") || (s.len > 1 && s.ptr[s.len - 1] == '>' && s.ptr[s.len - 2] == '.');
}

static int trade_map_make(ri_import *i, const ri_host *host, trade_map *map)
{
    ri_str subject = ri_str_of(i->subject), to = ri_str_of(i->to), rest = subject, token;
    while (ri_subject_token(&rest, &token)) map->nwild += ri_str_is(token, "*");
    if (map->nwild > TRADE_WILDCARDS) map->why = "too many wildcards";
    if (!map->why) trade_map_local(map, to);
    if (map->why) return RILL_EINVAL;
    if (map->local.failed || map->inward.failed) return RILL_ENOMEM;
    if (trade_ends_open(subject) != trade_ends_open(to)) map->why = "both end in > or neither";
    if (!ri_subject_is_filter(ri_buffer_str(&map->local))) map->why = "invalid subject";
    if (map->why) return RILL_EINVAL;
    trade_map_outward(map, subject);
    ri_buffer_put(&map->local, "", 1);
    if (map->local.failed || map->outward.failed) return RILL_ENOMEM;
    i->local = trade_copy(host, ri_buffer_str(&map->local).ptr);
    if (!i->local) return RILL_ENOMEM;
    int rc = ri_transform_new(host, subject, ri_buffer_str(&map->inward), &i->inward);
    if (rc < 0) return rc;
    return ri_transform_new(host, ri_str_of(i->local), ri_buffer_str(&map->outward), &i->outward);
}

static int trade_map_import(ri_import *i, const ri_host *host)
{
    trade_map map = {0};
    ri_buffer_init(&map.local, host);
    ri_buffer_init(&map.inward, host);
    ri_buffer_init(&map.outward, host);
    int rc = trade_map_make(i, host, &map);
    ri_buffer_fini(&map.local);
    ri_buffer_fini(&map.inward);
    ri_buffer_fini(&map.outward);
    if (map.why)
        return ri_err(rc, "Error adding %s import \"%.100s\": failed to create mapping transform "
                      "from \"%.100s\" to \"%.100s\": %s", trade_kind(i->service), i->subject,
                      i->subject, i->to, map.why);
    return rc;
}

static int trade_add_import(ri_trade *t, const rill_import *row)
{
    RI_ASSERT(t->nimports < t->cap_imports);
    ri_import *i = &t->imports[t->nimports++];
    *i = (ri_import){.service = row->service, .share = row->share};
    ri_list_init(&i->replies);
    ri_map_init(&i->askers, t->host, ri_errand_same_party);
    ri_heap_init(&i->asking, t->host);
    ri_buffer_init(&i->name, t->host);
    if (!row->account || !row->subject || !*row->account || !*row->subject)
        return ri_err(RILL_EINVAL, "an import without an account and a subject");
    i->from = trade_copy(t->host, row->account);
    i->subject = trade_copy(t->host, row->subject);
    i->to = trade_copy(t->host, row->to ? row->to : row->subject);
    if (!i->from || !i->subject || !i->to) return RILL_ENOMEM;
    if (!ri_subject_is_filter(ri_str_of(i->subject)))
        return trade_import_fails(i, "invalid subject");
    if (strcmp(i->subject, i->to) != 0) return trade_map_import(i, t->host);
    i->local = trade_copy(t->host, i->subject);
    return i->local ? RILL_OK : RILL_ENOMEM;
}

static int trade_check_twice(const ri_trade *t)
{
    for (size_t k = 0; k < t->nimports; k++) {
        const ri_import *a = &t->imports[k];
        for (size_t j = 0; j < k; j++) {
            const ri_import *b = &t->imports[j];
            if (a->service != b->service || strcmp(a->local, b->local) != 0 ||
                strcmp(a->from, b->from) != 0 || strcmp(a->subject, b->subject) != 0)
                continue;
            if (!a->service) return trade_import_fails(a, "stream import already exists");
            return ri_err(RILL_EINVAL, "Duplicate service import subject \"%.100s\", previously "
                          "used in import for account \"%.100s\", subject \"%.100s\"", a->local,
                          b->from, b->subject);
        }
    }
    return RILL_OK;
}

static int trade_fill(ri_trade *t, const rill_account *row)
{
    int rc = RILL_OK;
    for (size_t i = 0; rc == RILL_OK && i < row->nexports; i++)
        rc = trade_add_export(t, row->exports[i]);
    for (size_t i = 0; rc == RILL_OK && i < row->nimports; i++)
        rc = trade_add_import(t, row->imports[i]);
    return rc < 0 ? rc : trade_check_twice(t);
}

int ri_trade_new(const ri_host *host, const rill_account *row, ri_trade **out)
{
    *out = NULL;
    if (row->nexports > RI_LIMIT_EXPORTS || row->nimports > RI_LIMIT_EXPORTS)
        return ri_err(RILL_ETOOBIG, "%zu exports and %zu imports; at most %d of each",
                      row->nexports, row->nimports, RI_LIMIT_EXPORTS);
    if (row->nexports == 0 && row->nimports == 0) return RILL_OK;
    ri_trade *t = ri_new(host, ri_trade);
    if (!t) return RILL_ENOMEM;
    *t = (ri_trade){.host = host, .cap_exports = row->nexports, .cap_imports = row->nimports};
    ri_shapes_init(&t->shapes, host);
    if (row->nexports)
        t->exports = ri_calloc(host, ri_size_mul(row->nexports, sizeof *t->exports));
    if (row->nimports)
        t->imports = ri_calloc(host, ri_size_mul(row->nimports, sizeof *t->imports));
    bool good = (t->exports || !row->nexports) && (t->imports || !row->nimports);
    int rc = good ? trade_fill(t, row) : RILL_ENOMEM;
    if (rc < 0) ri_trade_free(t);
    else *out = t;
    return rc;
}

static void trade_free_export(const ri_host *host, ri_export *e)
{
    for (size_t i = 0; i < e->naccounts; i++) trade_drop(host, e->accounts[i]);
    if (e->accounts) ri_free(host, e->accounts, ri_size_mul(e->naccounts, sizeof *e->accounts));
    trade_drop(host, e->subject);
    trade_drop(host, e->latency_subject);
}

static void trade_free_import(const ri_host *host, ri_import *i)
{
    RI_ASSERT(!i->exporter && i->nreplies == 0);
    trade_drop(host, i->from);
    trade_drop(host, i->subject);
    trade_drop(host, i->to);
    trade_drop(host, i->local);
    ri_transform_free(i->inward);
    ri_transform_free(i->outward);
    ri_map_fini(&i->askers);
    ri_heap_fini(&i->asking);
    ri_buffer_fini(&i->name);
}

void ri_trade_free(ri_trade *t)
{
    if (!t) return;
    const ri_host *host = t->host;
    for (size_t i = 0; i < t->nexports; i++) trade_free_export(host, &t->exports[i]);
    for (size_t i = 0; i < t->nimports; i++) trade_free_import(host, &t->imports[i]);
    if (t->exports) ri_free(host, t->exports, ri_size_mul(t->cap_exports, sizeof *t->exports));
    if (t->imports) ri_free(host, t->imports, ri_size_mul(t->cap_imports, sizeof *t->imports));
    ri_shapes_fini(&t->shapes);
    ri_delete(host, t);
}

/* ---- Two of them, for a reload ---- */

static bool trade_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool trade_same_export(const ri_export *a, const ri_export *b)
{
    bool same = trade_same_text(a->subject, b->subject) && a->service == b->service &&
                a->answers == b->answers && a->answer_ms == b->answer_ms &&
                a->account_token == b->account_token && a->naccounts == b->naccounts &&
                trade_same_text(a->latency_subject, b->latency_subject) &&
                a->latency_percent == b->latency_percent;
    for (size_t i = 0; same && i < a->naccounts; i++)
        same = trade_same_text(a->accounts[i], b->accounts[i]);
    return same;
}

static bool trade_same_import(const ri_import *a, const ri_import *b)
{
    return a->service == b->service && a->share == b->share && trade_same_text(a->from, b->from) &&
           trade_same_text(a->subject, b->subject) && trade_same_text(a->to, b->to);
}

bool ri_trade_same(const ri_trade *a, const ri_trade *b)
{
    if (!a || !b) return a == b;
    bool same = a->nexports == b->nexports && a->nimports == b->nimports;
    for (size_t i = 0; same && i < a->nexports; i++)
        same = trade_same_export(&a->exports[i], &b->exports[i]);
    for (size_t i = 0; same && i < a->nimports; i++)
        same = trade_same_import(&a->imports[i], &b->imports[i]);
    return same;
}

/* ---- Who may import what ---- */

static bool trade_export_allows(const ri_export *e, const char *account, ri_str subject)
{
    if (e->account_token && !ri_str_eq(trade_token(subject, e->account_token), ri_str_of(account)))
        return false;
    for (size_t i = 0; i < e->naccounts; i++)
        if (strcmp(e->accounts[i], account) == 0) return true;
    return e->naccounts == 0;
}

const ri_export *ri_trade_allows(const ri_trade *exporter, const char *account, bool service,
                                 ri_str subject)
{
    if (!exporter) return NULL;
    for (int near = 0; near < 2; near++) /* the very one decides, if there is one */
        for (size_t i = 0; i < exporter->nexports; i++) {
            const ri_export *e = &exporter->exports[i];
            ri_str own = ri_str_of(e->subject);
            bool is = ri_str_eq(own, subject);
            if (e->service != service || is != (near == 0) || !ri_subject_covers(own, subject))
                continue;
            if (trade_export_allows(e, account, subject)) return e;
            if (is) return NULL;
        }
    return NULL;
}

/* ---- Cycles ---- */

typedef struct trade_search {
    ri_trade_find find;
    const void *accounts;
    const ri_account *origin; /* that an import must not come back to */
    bool service;
    uint32_t steps;           /* as many as may still be taken */
} trade_search;

/* Does what is imported by `subject` from `account` come, by what that one imports, from the
 * origin? 1, 0; RILL_EFULL: the search is too long. */
static int trade_comes_back(trade_search *search, const ri_account *account, ri_str subject,
                            uint32_t depth)
{
    const ri_trade *t = account ? account->trade : NULL;
    if (depth == TRADE_DEPTH) return RILL_EFULL;
    for (size_t i = 0; t && i < t->nimports; i++) {
        const ri_import *next = &t->imports[i];
        if (search->steps == 0) return RILL_EFULL;
        search->steps--;
        if (next->service != search->service ||
            !ri_subject_overlaps(ri_str_of(next->local), subject))
            continue;
        const ri_account *there = search->find(search->accounts, next->from);
        if (there == search->origin) return 1;
        int rc = trade_comes_back(search, there, ri_str_of(next->subject), depth + 1);
        if (rc != 0) return rc;
    }
    return 0;
}

static int trade_check_import(const ri_account *account, const ri_import *i, trade_search *search)
{
    const ri_account *exporter = search->find(search->accounts, i->from);
    if (!exporter)
        return ri_err(RILL_EINVAL, "\"%.100s\" account not defined for %s import", i->from,
                      trade_kind(i->service));
    ri_str subject = ri_str_of(i->subject);
    if (!ri_trade_allows(exporter->trade, account->name, i->service, subject))
        return trade_import_fails(i, i->service ? "service import not authorized"
                                                : "stream import not authorized");
    if (exporter->callout && ri_str_is(subject, RI_ACCOUNT_ASKED))
        return trade_import_fails(i, "it is between the server and its callout's service");
    search->service = i->service;
    int rc = trade_comes_back(search, exporter, subject, 0);
    if (rc == 0) return RILL_OK;
    return trade_import_fails(i, rc > 0 ? "import forms a cycle" : "search cycle depth exhausted");
}

void ri_trade_prune(ri_account *account, ri_trade_find find, const void *accounts)
{
    ri_trade *t = account->trade;
    trade_search search = {.find = find, .accounts = accounts, .origin = account,
                           .steps = TRADE_SEARCH};
    for (size_t i = 0; t && i < t->nimports;) {
        ri_import *import = &t->imports[i];
        RI_ASSERT(!import->exporter && ri_list_empty(&import->replies));
        if (trade_check_import(account, import, &search) == RILL_OK) {
            i++;
            continue;
        }
        ri_host_log(t->host, RILL_WARN, "account %s: %s", account->name, ri_err_text());
        trade_free_import(t->host, import);
        *import = t->imports[--t->nimports];
        ri_list_init(&import->replies);
    }
}

int ri_trade_check(const ri_account *account, ri_trade_find find, const void *accounts)
{
    const ri_trade *t = account->trade;
    int rc = RILL_OK;
    if (!t) return RILL_OK;
    trade_search search = {.find = find, .accounts = accounts, .origin = account,
                           .steps = TRADE_SEARCH};
    for (size_t i = 0; i < t->nexports; i++)
        for (size_t k = 0; k < t->exports[i].naccounts; k++)
            if (!find(accounts, t->exports[i].accounts[k]))
                return ri_err(RILL_EINVAL, "\"%.100s\" account not defined for %s export",
                              t->exports[i].accounts[k], trade_kind(t->exports[i].service));
    for (size_t i = 0; rc == RILL_OK && i < t->nimports; i++)
        rc = trade_check_import(account, &t->imports[i], &search);
    return rc;
}

bool ri_trade_is_sampled(const ri_trade *t)
{
    for (size_t i = 0; t && i < t->nimports; i++)
        if (t->imports[i].latency_subject) return true;
    return false;
}

/* ---- Life ---- */

static void trade_unlink_import(ri_import *i)
{
    if (!i->exporter) return;
    RI_ASSERT(!i->of);
    ri_shadow_drop_all(i);
    ri_errand_detach(i);
    ri_party_fini(&i->party);
    trade_drop(i->name.host, i->latency_subject);
    i->latency_subject = NULL;
    ri_account_unref(i->exporter);
    i->exporter = i->account = NULL;
}

void ri_trade_unlink(ri_account *account)
{
    ri_trade *t = account->trade;
    for (size_t i = 0; t && i < t->nimports; i++) trade_unlink_import(&t->imports[i]);
}

void ri_trade_close(ri_account *account)
{
    ri_trade_unlink(account);
    ri_errand_close(account);
}

static int trade_link_service(ri_import *i)
{
    int rc = ri_errand_desk(i->exporter);
    if (rc < 0) return rc;
    ri_party_enter(&i->party, i->account);
    i->sub = (ri_subscription){.entry.subject = ri_str_of(i->local)};
    return ri_router_place(&i->party, &i->sub);
}

/* One that cannot be followed is passed over: the others have what is imported. */
static void trade_link_stream(ri_import *i, ri_subscription *const *subs, size_t n)
{
    size_t missed = 0;
    bool no_memory = false;
    ri_party_enter(&i->party, i->exporter);
    for (size_t k = 0; k < n; k++) {
        int rc = ri_shadow_follow_one(i, subs[k]);
        missed += rc < 0;
        no_memory = no_memory || rc == RILL_ENOMEM;
    }
    if (missed)
        ri_host_log(i->name.host, RILL_ERROR, "account %s: import \"%s\" from %s: %zu "
                    "subscriptions do not have it: %s", i->account->name, i->subject, i->from,
                    missed, no_memory ? "out of memory" : ri_err_text());
}

static int trade_link_import(ri_account *account, ri_import *i, ri_account *exporter,
                             const ri_export *e, ri_subscription *const *subs, size_t n)
{
    RI_ASSERT(!i->exporter && e->service == i->service);
    i->account = account;
    i->exporter = ri_account_ref(exporter);
    i->answers = e->answers;
    i->answer_ms = e->answer_ms;
    i->latency_percent = e->latency_percent;
    ri_party_init(&i->party, account->router, i->service ? &ri_errand_ops : &ri_shadow_ops);
    int rc = RILL_OK;
    if (e->latency_subject && !(i->latency_subject = trade_copy(i->name.host, e->latency_subject)))
        rc = RILL_ENOMEM;
    if (rc == RILL_OK && i->service) rc = trade_link_service(i);
    else if (rc == RILL_OK) trade_link_stream(i, subs, n);
    if (rc < 0) trade_unlink_import(i);
    return rc;
}

typedef struct trade_subs {
    const ri_host *host;
    ri_subscription **all;
    size_t n, cap;
} trade_subs;

/* Those of clients and streams; what trade has put there itself is passed over. */
static bool trade_collect(void *arg, ri_interest_entry *ring)
{
    trade_subs *subs = arg;
    ri_interest_entry *at = ring;
    do {
        ri_subscription *sub = ri_container_of(at, ri_subscription, entry);
        const ri_party_ops *ops = sub->party->ops;
        if (ops->deliver != ri_shadow_ops.deliver && ops->deliver != ri_errand_ops.deliver &&
            subs->n < subs->cap)
            subs->all[subs->n++] = sub;
        at = at->next;
    } while (at != ring);
    return true;
}

static bool trade_imports_streams(const ri_trade *t)
{
    for (size_t i = 0; i < t->nimports; i++)
        if (!t->imports[i].service) return true;
    return false;
}

void ri_trade_link(ri_account *account, ri_trade_find find, const void *accounts)
{
    ri_trade *t = account->trade;
    if (!t || t->nimports == 0) return;
    trade_subs subs = {.host = t->host, .cap = ri_interest_count(&account->interest)};
    size_t bytes = ri_size_mul(subs.cap, sizeof *subs.all);
    if (subs.cap && trade_imports_streams(t)) {
        subs.all = ri_alloc(t->host, bytes);
        if (subs.all) ri_interest_each(&account->interest, trade_collect, &subs);
        else ri_host_log(t->host, RILL_ERROR, "account %s: out of memory for what it imports",
                         account->name);
    }
    for (size_t i = 0; i < t->nimports; i++) {
        ri_import *import = &t->imports[i];
        ri_account *exporter = find(accounts, import->from);
        const ri_export *e = exporter ? ri_trade_allows(exporter->trade, account->name,
                                                        import->service,
                                                        ri_str_of(import->subject)) : NULL;
        int rc = e ? trade_link_import(account, import, exporter, e, subs.all, subs.n)
                   : ri_err(RILL_ENOENT, "it is not exported to it any more");
        if (rc < 0)
            ri_host_log(t->host, RILL_ERROR, "account %s: import \"%s\" from %s: %s", account->name,
                        import->subject, import->from,
                        rc == RILL_ENOMEM ? "out of memory" : ri_err_text());
    }
    if (subs.all) ri_free(t->host, subs.all, bytes);
}
