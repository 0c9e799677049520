/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/live/account.h"

#include "base/assert.h"
#include "codec/limits.h"
#include "engine/live/trade.h"

void ri_account_init(ri_account *account, struct ri_router *router, const ri_host *host)
{
    RI_ASSERT(router && host);
    *account = (ri_account){.router = router, .name = RI_ACCOUNT_GLOBAL, .refs = 1};
    account->streams = (ri_js_account_limits){-1, -1, -1, -1, -1, -1, -1, false};
    ri_list_init(&account->stir_link);
    ri_interest_init(&account->interest, host);
    ri_match_cache_init(&account->cache, host, 0, 0);
}

void ri_account_fini(ri_account *account)
{
    ri_match_cache_fini(&account->cache);
    ri_interest_fini(&account->interest);
}

ri_account *ri_account_new(struct ri_router *router, const ri_host *host, ri_str name,
                           ri_mappings *mappings)
{
    RI_ASSERT(name.len > 0);
    ri_account *account = ri_new(host, ri_account);
    char *own = account ? ri_strdup(host, name.ptr, name.len) : NULL;
    if (!own) {
        if (account) ri_delete(host, account);
        return NULL;
    }
    ri_account_init(account, router, host);
    account->name = own;
    account->mappings = mappings;
    return account;
}

static bool account_is_global(const ri_account *account)
{
    return account->name[0] == '$' && strcmp(account->name, RI_ACCOUNT_GLOBAL) == 0;
}

void ri_account_unref(ri_account *account)
{
    if (!account) return;
    RI_ASSERT(account->refs > 0);
    account->refs--;
    if (account->refs > 0 || account_is_global(account)) return;
    const ri_host *host = account->interest.host;
    RI_ASSERT(ri_interest_count(&account->interest) == 0 && account->nconns == 0);
    RI_ASSERT(!account->stirs && !account->desk);
    ri_trade_free(account->trade);
    ri_account_fini(account);
    ri_mappings_free((ri_mappings *)(uintptr_t)account->mappings);
    ri_free(host, (char *)(uintptr_t)account->name, strlen(account->name) + 1);
    ri_delete(host, account);
}

void ri_account_adopt(ri_account *account, ri_account *from)
{
    RI_ASSERT(strcmp(account->name, from->name) == 0);
    const ri_mappings *mappings = account->mappings;
    account->mappings = from->mappings;
    from->mappings = mappings;
    account->limits = from->limits;
    account->system = from->system;
    account->callout = from->callout;
    account->streams = from->streams;
    account->jetstream = from->jetstream;
}

void ri_account_share_cache(ri_account *account, size_t accounts)
{
    RI_ASSERT(accounts > 0);
    size_t bytes = RI_LIMIT_ACCOUNTS_CACHE_BYTES / accounts;
    bytes = RI_MAX(bytes, (size_t)RI_LIMIT_ACCOUNT_CACHE_LEAST);
    account->cache.max_bytes = RI_MIN(bytes, (size_t)RI_LIMIT_CACHE_BYTES);
}
