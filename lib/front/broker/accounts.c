/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "engine/live/router.h"
#include "engine/live/trade.h"

enum {
    ACCOUNTS_NAME_MAX = 255,
    ACCOUNTS_LOOK_S = 60, /* between two looks at the clock of the day */
};

struct ri_accounts {
    const ri_host *host;
    ri_account **list;     /* owned references, by name */
    size_t n, cap;
    bool jetstream;        /* the broker has streams */
    bool only_system;      /* it is the system's alone, and all users are of it */
    int64_t turns_s;       /* of Unix: an activation begins or ends then; INT64_MAX: none does */
};

static int accounts_by_name(const void *a, const void *b)
{
    ri_account *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static int accounts_name_is(const void *key, const void *item)
{
    ri_account *const *account = item;
    return strcmp(key, (*account)->name);
}

ri_account *ri_accounts_find(const ri_accounts *accounts, const char *name)
{
    if (!accounts) return NULL;
    ri_account **found = bsearch(name, accounts->list, accounts->n, sizeof *accounts->list,
                                 accounts_name_is);
    return found ? *found : NULL;
}

ri_account *ri_accounts_system(const ri_accounts *accounts)
{
    for (size_t i = 0; i < ri_accounts_count(accounts); i++)
        if (accounts->list[i]->system) return accounts->list[i];
    return NULL;
}

size_t ri_accounts_count(const ri_accounts *accounts)
{
    return accounts ? accounts->n : 0;
}

ri_account *ri_accounts_at(const ri_accounts *accounts, size_t i)
{
    RI_ASSERT(i < accounts->n);
    return accounts->list[i];
}

static bool accounts_same_streams(const ri_account *a, const ri_account *b)
{
    const ri_js_account_limits *x = &a->streams, *y = &b->streams;
    if (a->jetstream != b->jetstream) return false;
    return !a->jetstream ||
           (x->max_memory == y->max_memory && x->max_storage == y->max_storage &&
            x->max_streams == y->max_streams && x->max_consumers == y->max_consumers &&
            x->max_ack_pending == y->max_ack_pending &&
            x->memory_max_stream_bytes == y->memory_max_stream_bytes &&
            x->storage_max_stream_bytes == y->storage_max_stream_bytes &&
            x->max_bytes_required == y->max_bytes_required);
}

/* Has each account of `a` that has streams them in `b`, too? */
static int accounts_check_streams(const ri_accounts *a, const ri_accounts *b)
{
    for (size_t i = 0; i < ri_accounts_count(a); i++) {
        const ri_account *one = ri_accounts_at(a, i), *other = ri_accounts_find(b, one->name);
        bool same = other ? accounts_same_streams(one, other) : !one->jetstream;
        if (!same)
            return ri_err(RILL_EINVAL, "account \"%.100s\": a reload cannot change whether it has "
                          "streams, nor what they may take", one->name);
    }
    return RILL_OK;
}

int ri_accounts_check_reload(const ri_accounts *from, const ri_accounts *to)
{
    int rc = accounts_check_streams(from, to);
    return rc < 0 ? rc : accounts_check_streams(to, from);
}

bool ri_accounts_same(const ri_accounts *a, const ri_accounts *b)
{
    bool same = ri_accounts_count(a) == ri_accounts_count(b);
    for (size_t i = 0; same && i < ri_accounts_count(a); i++) {
        const ri_account *of_a = ri_accounts_at(a, i), *of_b = ri_accounts_at(b, i);
        same = strcmp(of_a->name, of_b->name) == 0 && of_a->system == of_b->system;
    }
    return same;
}

bool ri_accounts_only_system(const ri_accounts *accounts)
{
    return accounts && accounts->only_system;
}

/* ---- Making them ---- */

static bool accounts_is_name(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    bool good = len > 0 && len <= ACCOUNTS_NAME_MAX;
    for (size_t i = 0; good && i < len; i++) good = (unsigned char)name[i] > ' ' && name[i] != 127;
    return good;
}

static int accounts_check_name(const char *name)
{
    if (!accounts_is_name(name))
        return ri_err(RILL_EINVAL, "account \"%.100s\": a name has 1 to %d letters, and no blanks",
                      name ? name : "", ACCOUNTS_NAME_MAX);
    if (strcmp(name, RI_ACCOUNT_GLOBAL) == 0)
        return ri_err(RILL_EINVAL, "\"%s\" is a Reserved Account", name);
    return RILL_OK;
}

static int64_t accounts_limit(uint64_t given)
{
    return given ? (int64_t)RI_MIN(given, (uint64_t)INT64_MAX) : -1;
}

static ri_js_account_limits accounts_streams(const rill_account *row)
{
    return (ri_js_account_limits){
        .max_memory = accounts_limit(row->max_stream_memory_bytes),
        .max_storage = accounts_limit(row->max_store_bytes),
        .max_streams = accounts_limit(row->max_streams),
        .max_consumers = accounts_limit(row->max_groups),
        .max_ack_pending = accounts_limit(row->max_unacked),
        .memory_max_stream_bytes = accounts_limit(row->max_memory_stream_bytes),
        .storage_max_stream_bytes = accounts_limit(row->max_stream_bytes),
        .max_bytes_required = row->max_bytes_required,
    };
}

/* What a row says is wrong, and in which account. */
static int accounts_wrong(int rc, const char *name)
{
    char why[512];
    if (rc == RILL_ENOMEM) return rc;
    snprintf(why, sizeof why, "%s", ri_err_text());
    return ri_err(rc, "account \"%.100s\": %s", name, why);
}

static int accounts_make(ri_accounts *accounts, struct ri_router *router, const char *name,
                         const rill_mapping *const *rows, size_t n)
{
    ri_mappings *mappings = NULL;
    int rc = ri_mappings_new(accounts->host, rows, n, &mappings);
    if (rc < 0) return accounts_wrong(rc, name);
    ri_account *account = ri_account_new(router, accounts->host, ri_str_of(name), mappings);
    if (!account) {
        ri_mappings_free(mappings);
        return RILL_ENOMEM;
    }
    ri_account_share_cache(account, accounts->cap);
    accounts->list[accounts->n++] = account;
    return RILL_OK;
}

static int accounts_add(ri_accounts *accounts, struct ri_router *router, const rill_account *row,
                        bool jetstream)
{
    int rc = accounts_check_name(row->name);
    if (rc < 0) return rc;
    if (row->jetstream && !jetstream)
        return ri_err(RILL_EINVAL, "account \"%.100s\": jetstream, and the broker has none",
                      row->name);
    rc = accounts_make(accounts, router, row->name, row->mappings, row->nmappings);
    if (rc < 0) return rc;
    ri_account *account = accounts->list[accounts->n - 1];
    rc = ri_trade_new(accounts->host, row, &account->trade);
    if (rc < 0) return accounts_wrong(rc, row->name);
    account->limits = (ri_account_limits){row->max_conns, row->max_subs, row->max_msg_bytes};
    account->jetstream = row->jetstream;
    account->streams = accounts_streams(row);
    return RILL_OK;
}

/* ---- What JWTs say of exports and imports ---- */

typedef struct accounts_rows { /* of one account, in the arena */
    const ri_trust *trust;
    ri_arena arena;
    int64_t now_s;
    rill_account row;
} accounts_rows;

/* Has that account a JWT for what this one exports? */
static bool accounts_has_token(const accounts_rows *rows, const ri_claims_account *importer,
                               const ri_claims_account *exporter, const ri_claims_export *of)
{
    for (size_t i = 0; i < importer->nimports; i++) {
        const ri_claims_import *import = &importer->imports[i];
        if (import->row.service == of->row.service &&
            strcmp(import->row.account, exporter->key.ptr) == 0 &&
            ri_subject_covers(ri_str_of(of->row.subject), ri_str_of(import->row.subject)) &&
            ri_claims_is_active(import, of, importer->key, rows->now_s))
            return true;
    }
    return false;
}

/* Who may import it; nobody: this account, to which it is no import. */
static int accounts_list_importers(accounts_rows *rows, const ri_claims_account *exporter,
                                   const ri_claims_export *of, rill_export *row)
{
    size_t n = 0, count = ri_trust_count(rows->trust);
    for (size_t i = 0; i < count; i++)
        n += accounts_has_token(rows, ri_trust_at(rows->trust, i), exporter, of);
    const char **list = ri_arena_alloc(&rows->arena, ri_size_mul(n + 1, sizeof *list));
    if (!list) return RILL_ENOMEM;
    for (size_t i = n = 0; i < count; i++) {
        const ri_claims_account *importer = ri_trust_at(rows->trust, i);
        if (accounts_has_token(rows, importer, exporter, of)) list[n++] = importer->key.ptr;
    }
    if (n == 0) list[n++] = exporter->key.ptr;
    row->accounts = list;
    row->naccounts = n;
    return RILL_OK;
}

static int accounts_rows_fill(accounts_rows *rows, const ri_claims_account *claims)
{
    size_t nexports = claims->nexports, nimports = claims->nimports;
    rill_export *exports = ri_arena_alloc(&rows->arena, ri_size_mul(nexports + 1, sizeof *exports));
    const rill_export **exported = ri_arena_alloc(&rows->arena,
                                                  ri_size_mul(nexports + 1, sizeof *exported));
    const rill_import **imported = ri_arena_alloc(&rows->arena,
                                                  ri_size_mul(nimports + 1, sizeof *imported));
    if (!exports || !exported || !imported) return RILL_ENOMEM;
    for (size_t i = 0; i < nexports; i++) {
        const ri_claims_export *of = &claims->exports[i];
        exports[i] = of->row;
        exported[i] = &exports[i];
        int rc = of->by_token ? accounts_list_importers(rows, claims, of, &exports[i]) : RILL_OK;
        if (rc < 0) return rc;
    }
    for (size_t i = 0; i < nimports; i++) imported[i] = &claims->imports[i].row;
    rows->row = (rill_account){.size = sizeof rows->row, .name = claims->key.ptr,
                               .exports = exported, .nexports = nexports, .imports = imported,
                               .nimports = nimports};
    return RILL_OK;
}

/* When what it imports by activations changes next. */
static int64_t accounts_turns_s(const ri_claims_account *claims, int64_t now_s)
{
    int64_t next_s = INT64_MAX;
    for (size_t i = 0; i < claims->nimports; i++) {
        const ri_claims_import *import = &claims->imports[i];
        if (!import->is_active) continue;
        if (import->not_before_s > now_s) next_s = RI_MIN(next_s, import->not_before_s);
        if (import->expires_s > now_s) next_s = RI_MIN(next_s, import->expires_s);
    }
    return next_s;
}

static int accounts_trade_claimed(ri_accounts *accounts, ri_account *account,
                                  const ri_trust *trust, const ri_claims_account *claims)
{
    RI_ASSERT(!account->trade);
    accounts_rows rows = {.trust = trust, .now_s = ri_wall_ns(accounts->host) / RI_SEC};
    accounts->turns_s = RI_MIN(accounts->turns_s, accounts_turns_s(claims, rows.now_s));
    if (claims->nexports + claims->nimports == 0) return RILL_OK;
    ri_arena_init(&rows.arena, accounts->host);
    int rc = accounts_rows_fill(&rows, claims);
    if (rc == RILL_OK) rc = ri_trade_new(accounts->host, &rows.row, &account->trade);
    ri_arena_fini(&rows.arena);
    return rc < 0 ? accounts_wrong(rc, claims->key.ptr) : rc;
}

/* Its limits of subscriptions and payloads are those of its users (engine/access/trust.c). */
static int accounts_add_claimed(ri_accounts *accounts, struct ri_router *router,
                                const ri_trust *trust, const ri_claims_account *claims,
                                bool jetstream)
{
    size_t n = claims->nmappings;
    const rill_mapping **rows = ri_calloc(accounts->host, ri_size_mul(n, sizeof *rows));
    if (n && !rows) return RILL_ENOMEM;
    for (size_t i = 0; i < n; i++) rows[i] = &claims->mappings[i];
    int rc = accounts_make(accounts, router, claims->key.ptr, rows, n);
    if (rows) ri_free(accounts->host, rows, ri_size_mul(n, sizeof *rows));
    if (rc < 0) return rc;
    ri_account *account = accounts->list[accounts->n - 1];
    account->limits.conns = claims->conns < 0 ? 0 : (uint32_t)RI_MIN(claims->conns, INT32_MAX);
    account->jetstream = claims->jetstream && jetstream;
    account->callout = ri_claims_has_callout(claims);
    account->streams = claims->streams;
    return accounts_trade_claimed(accounts, account, trust, claims);
}

static int accounts_sort(ri_accounts *accounts)
{
    ri_account **list = accounts->list;
    qsort(list, accounts->n, sizeof *list, accounts_by_name);
    for (size_t i = 1; i < accounts->n; i++)
        if (strcmp(list[i - 1]->name, list[i]->name) == 0)
            return ri_err(RILL_EINVAL, "Duplicate Account Entry: %.100s", list[i]->name);
    return RILL_OK;
}

/* Whose users may ask about all of the broker: the one that is named, or "$SYS" if it is there. */
static int accounts_name_system(ri_accounts *accounts, const char *name)
{
    ri_account *system = ri_accounts_find(accounts, name ? name : RI_ACCOUNT_SYSTEM);
    if (system) system->system = true;
    if (system || !name) return RILL_OK;
    return ri_err(RILL_EINVAL, "system_account: \"%.100s\" is no account", name);
}

static bool accounts_is_global(const char *name)
{
    return !name || !*name || strcmp(name, RI_ACCOUNT_GLOBAL) == 0;
}

/* Each user is of an account that is there. */
static int accounts_check_users(ri_accounts *accounts, const rill_broker_opts *opts)
{
    size_t of_system = 0;
    for (size_t i = 0; i < opts->nusers; i++) {
        const rill_user *user = opts->users[i];
        if (accounts_is_global(user->account)) continue;
        const ri_account *account = ri_accounts_find(accounts, user->account);
        if (!account)
            return ri_err(RILL_EINVAL, "user \"%.100s\": there is no account \"%.100s\"",
                          user->nkey ? user->nkey : user->user ? user->user : "", user->account);
        of_system += account->system;
    }
    if (accounts && accounts->n == 1)
        accounts->only_system = opts->nusers > 0 && of_system == opts->nusers;
    return RILL_OK;
}

static ri_account *accounts_find(const void *accounts, const char *name)
{
    return ri_accounts_find(accounts, name);
}

/* In operator mode an account is made by who does not see the others: an import that is not
 * exported does nothing, which the log says. In a configuration it is an error. */
static int accounts_check_trade(const ri_accounts *accounts, bool operated)
{
    for (size_t i = 0; i < accounts->n; i++) {
        if (operated) ri_trade_prune(accounts->list[i], accounts_find, accounts);
        int rc = ri_trade_check(accounts->list[i], accounts_find, accounts);
        if (rc < 0) return accounts_wrong(rc, accounts->list[i]->name);
    }
    return RILL_OK;
}

void ri_accounts_link(ri_accounts *accounts)
{
    for (size_t i = 0; i < ri_accounts_count(accounts); i++)
        ri_trade_link(accounts->list[i], accounts_find, accounts);
}

void ri_accounts_unlink(ri_accounts *accounts)
{
    for (size_t i = 0; i < ri_accounts_count(accounts); i++) ri_trade_close(accounts->list[i]);
}

static int accounts_fill(ri_accounts *accounts, struct ri_router *router,
                         const rill_broker_opts *opts, const ri_trust *trust)
{
    const char *system = trust ? ri_trust_system(trust) : opts->system_account;
    int rc = RILL_OK;
    for (size_t i = 0; rc == RILL_OK && i < opts->naccounts; i++)
        rc = accounts_add(accounts, router, opts->accounts[i], opts->jetstream);
    for (size_t i = 0; rc == RILL_OK && i < ri_trust_count(trust); i++)
        rc = accounts_add_claimed(accounts, router, trust, ri_trust_at(trust, i), opts->jetstream);
    if (rc == RILL_OK) rc = accounts_sort(accounts);
    ri_account *asked = NULL;
    if (rc == RILL_OK && opts->callout_account)
        asked = ri_accounts_find(accounts, opts->callout_account);
    if (asked) asked->callout = true;
    if (rc == RILL_OK) rc = accounts_check_trade(accounts, trust != NULL);
    if (rc == RILL_OK) rc = accounts_name_system(accounts, system);
    return rc < 0 ? rc : accounts_check_users(accounts, opts);
}

int ri_accounts_new(struct ri_router *router, const ri_host *host, const rill_broker_opts *opts,
                    const ri_trust *trust, ri_accounts **out)
{
    RI_ASSERT(router && out);
    size_t n = opts->naccounts + ri_trust_count(trust);
    *out = NULL;
    if (n > RI_LIMIT_ACCOUNTS)
        return ri_err(RILL_ETOOBIG, "%zu accounts; at most %d", n, RI_LIMIT_ACCOUNTS);
    if (n == 0 && opts->system_account)
        return ri_err(RILL_EINVAL, "system_account: \"%.100s\" is no account",
                      opts->system_account);
    if (n == 0) return accounts_check_users(NULL, opts);
    ri_accounts *accounts = ri_new(host, ri_accounts);
    if (!accounts) return RILL_ENOMEM;
    *accounts = (ri_accounts){.host = host, .cap = n, .turns_s = INT64_MAX,
                              .jetstream = opts->jetstream};
    accounts->list = ri_calloc(host, ri_size_mul(n, sizeof *accounts->list));
    int rc = accounts->list ? accounts_fill(accounts, router, opts, trust) : RILL_ENOMEM;
    if (rc < 0) ri_accounts_free(accounts);
    else *out = accounts;
    return rc;
}

void ri_accounts_free(ri_accounts *accounts)
{
    if (!accounts) return;
    const ri_host *host = accounts->host;
    RI_ASSERT(accounts->n <= accounts->cap);
    ri_accounts_unlink(accounts);
    for (size_t i = 0; i < accounts->n; i++) ri_account_unref(accounts->list[i]);
    if (accounts->list)
        ri_free(host, accounts->list, ri_size_mul(accounts->cap, sizeof *accounts->list));
    ri_delete(host, accounts);
}

/* All of them the same, and what they have of one another? */
static bool accounts_same_trade(const ri_accounts *a, const ri_accounts *b)
{
    bool same = ri_accounts_count(a) == ri_accounts_count(b);
    for (size_t i = 0; same && i < ri_accounts_count(a); i++)
        same = strcmp(a->list[i]->name, b->list[i]->name) == 0 &&
               ri_trade_same(a->list[i]->trade, b->list[i]->trade);
    return same;
}

/* The one that is in use takes the place of the one that was made anew, with all that it says. */
static void accounts_replace(ri_accounts *accounts, size_t i, ri_account *by, bool same)
{
    ri_account *fresh = accounts->list[i];
    ri_account_adopt(by, fresh);
    if (!same) {
        ri_trade *trade = by->trade;
        by->trade = fresh->trade;
        fresh->trade = trade;
    }
    ri_account_share_cache(by, accounts->n);
    accounts->list[i] = by;
}

void ri_accounts_readmit(ri_accounts *accounts, ri_account *account)
{
    ri_account *fresh = ri_accounts_find(accounts, account->name);
    if (!fresh || fresh == account) return;
    size_t i = 0;
    while (accounts->list[i] != fresh) i++;
    accounts_replace(accounts, i, ri_account_ref(account), false);
    ri_account_unref(fresh);
}

/* Both tables are in the order of names. */
static void accounts_take_over(ri_accounts *accounts, ri_accounts *from, bool same)
{
    if (!accounts || !from) return;
    RI_ASSERT(accounts->n == accounts->cap && from->n == from->cap);
    for (size_t i = 0, k = 0; i < accounts->n && k < from->n;) {
        int order = strcmp(accounts->list[i]->name, from->list[k]->name);
        if (order == 0) {
            ri_account *fresh = accounts->list[i];
            accounts_replace(accounts, i, from->list[k], same);
            from->list[k] = fresh;
        }
        i += order <= 0;
        k += order >= 0;
    }
}

/* Those of an operator once more, by what the clock says now. */
static int accounts_turn(ri_accounts **accounts, struct ri_router *router, const ri_trust *trust)
{
    const rill_broker_opts none = {.size = sizeof none, .jetstream = (*accounts)->jetstream};
    ri_accounts *fresh;
    int rc = ri_accounts_new(router, (*accounts)->host, &none, trust, &fresh);
    if (rc < 0) return rc;
    ri_accounts_take_over(fresh, *accounts);
    ri_accounts_free(*accounts);
    *accounts = fresh;
    return RILL_OK;
}

static bool accounts_are_sampled(const ri_accounts *accounts)
{
    for (size_t i = 0; i < accounts->n; i++)
        if (ri_trade_is_sampled(accounts->list[i]->trade)) return true;
    return false;
}

int64_t ri_accounts_tend(ri_accounts **accounts, struct ri_router *router, const ri_trust *trust)
{
    if (!*accounts) return INT64_MAX;
    const ri_host *host = (*accounts)->host;
    int64_t now_s = ri_wall_ns(host) / RI_SEC;
    if ((*accounts)->turns_s <= now_s && trust && accounts_turn(accounts, router, trust) < 0)
        ri_host_log(host, RILL_ERROR, "activations of accounts: %s", ri_err_text());
    for (size_t i = 0; i < (*accounts)->n; i++) ri_errand_expire((*accounts)->list[i]);
    int64_t left_s = (*accounts)->turns_s == INT64_MAX
                         ? INT64_MAX : RI_MAX((*accounts)->turns_s - now_s, 1);
    if (accounts_are_sampled(*accounts)) left_s = 1;
    if (left_s == INT64_MAX) return INT64_MAX;
    /* the clock of the day may be set: it is looked at each minute */
    return ri_ns_add(ri_mono_ns(host), ri_ns_mul(RI_MIN(left_s, ACCOUNTS_LOOK_S), RI_SEC));
}

void ri_accounts_take_over(ri_accounts *accounts, ri_accounts *from)
{
    bool same = accounts_same_trade(accounts, from);
    for (size_t i = 0; !same && i < ri_accounts_count(from); i++) {
        ri_trade_unlink(from->list[i]);
        if (!ri_accounts_find(accounts, from->list[i]->name)) from->list[i]->jetstream = false;
    }
    accounts_take_over(accounts, from, same);
    if (!same) ri_accounts_link(accounts);
}
