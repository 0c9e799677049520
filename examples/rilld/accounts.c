/* SPDX-License-Identifier: Apache-2.0 */
#include "accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys.h"
#include "nearest.h"
#include "trades.h"
#include "users.h"

static bool accounts_is(const config_node *node, const char *name, const char *other)
{
    return strcasecmp(node->key, name) == 0 || strcasecmp(node->key, other) == 0;
}

/* NULL: there is no memory for it. It stays where it is. */
static daemon_account *accounts_add(daemon_options *options, const char *name)
{
    daemon_account *account = calloc(1, sizeof *account);
    if (!account) return NULL;
    account->row.size = sizeof account->row;
    account->row.name = name;
    daemon_account **at = &options->accounts;
    while (*at) at = &(*at)->next;
    *at = account;
    options->naccounts++;
    return account;
}

static bool accounts_check_name(daemon_options *options, const config_node *node, const char *name)
{
    if (strcmp(name, "$G") == 0)
        return keys_fail(options, node, "\"%s\" is a Reserved Account", name);
    for (const daemon_account *at = options->accounts; at; at = at->next)
        if (strcmp(at->row.name, name) == 0)
            return keys_fail(options, node, "Duplicate Account Entry: %s", name);
    return true;
}

/* Below 0: none; that it be 0 would let nobody in. */
static bool accounts_limit(daemon_options *options, const config_node *node, uint32_t *limit)
{
    if (node->type != CONFIG_INT)
        return keys_fail(options, node, "%s should be %s, not %s", node->key,
                         config_type_name(CONFIG_INT), config_type_name(node->type));
    if (node->number == 0 || node->number > UINT32_MAX)
        return keys_fail(options, node, "%s is %lld; 1 to %u, or -1 for no limit", node->key,
                         (long long)node->number, UINT32_MAX);
    *limit = node->number < 0 ? 0 : (uint32_t)node->number;
    return true;
}

static bool accounts_not_here(daemon_options *options, const config_node *node)
{
    options_note_add(options, "%s:%d: \"%s\" is not supported by this broker and is ignored",
                     node->file, node->line, node->key);
    return true;
}

static bool accounts_limits(daemon_options *options, const config_node *node, rill_account *row)
{
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "Expected account limits to be a map/struct, got %s",
                         config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next) {
        bool good;
        if (accounts_is(at, "max_connections", "max_conn"))
            good = accounts_limit(options, at, &row->max_conns);
        else if (accounts_is(at, "max_subscriptions", "max_subs"))
            good = accounts_limit(options, at, &row->max_subs);
        else if (accounts_is(at, "max_payload", "max_pay"))
            good = accounts_limit(options, at, &row->max_msg_bytes);
        else if (accounts_is(at, "max_leafnodes", "max_leafs"))
            good = accounts_not_here(options, at);
        else
            good = keys_fail(options, at, "Unknown field \"%s\" parsing account limits", at->key);
        if (!good) return false;
    }
    return true;
}

static bool accounts_size(daemon_options *options, const config_node *node, uint64_t *bytes)
{
    if (node->type != CONFIG_INT)
        return keys_fail(options, node, "%s should be %s, not %s", node->key,
                         config_type_name(CONFIG_INT), config_type_name(node->type));
    *bytes = node->number > 0 ? (uint64_t)node->number : 0;
    return true;
}

static bool accounts_count(daemon_options *options, const config_node *node, uint32_t *count)
{
    if (node->type == CONFIG_INT && node->number <= 0) return true; /* no limit */
    return accounts_limit(options, node, count);
}

static bool accounts_flag(daemon_options *options, const config_node *node, bool *flag)
{
    if (node->type != CONFIG_BOOL)
        return keys_fail(options, node, "%s should be %s, not %s", node->key,
                         config_type_name(CONFIG_BOOL), config_type_name(node->type));
    *flag = node->number != 0;
    return true;
}

static bool accounts_streams_limit(daemon_options *options, const config_node *node,
                                   rill_account *row)
{
    if (accounts_is(node, "max_memory", "max_mem") || accounts_is(node, "memory", "mem"))
        return accounts_size(options, node, &row->max_stream_memory_bytes);
    if (accounts_is(node, "max_store", "max_file") || accounts_is(node, "max_disk", "store") ||
        accounts_is(node, "disk", "disk"))
        return accounts_size(options, node, &row->max_store_bytes);
    if (accounts_is(node, "max_streams", "streams"))
        return accounts_count(options, node, &row->max_streams);
    if (accounts_is(node, "max_consumers", "consumers"))
        return accounts_count(options, node, &row->max_groups);
    if (accounts_is(node, "max_ack_pending", "max_ack_pending"))
        return accounts_count(options, node, &row->max_unacked);
    if (accounts_is(node, "mem_max_stream_bytes", "memory_max_stream_bytes"))
        return accounts_size(options, node, &row->max_memory_stream_bytes);
    if (accounts_is(node, "disk_max_stream_bytes", "store_max_stream_bytes"))
        return accounts_size(options, node, &row->max_stream_bytes);
    if (accounts_is(node, "max_bytes_required", "max_stream_bytes") ||
        accounts_is(node, "max_bytes", "max_bytes"))
        return accounts_flag(options, node, &row->max_bytes_required);
    if (accounts_is(node, "cluster_traffic", "cluster_traffic"))
        return accounts_not_here(options, node);
    return keys_fail(options, node, "Unknown field \"%s\" parsing account jetstream", node->key);
}

/* true, or enabled, or what its streams may take. */
static bool accounts_jetstream(daemon_options *options, const config_node *node, rill_account *row)
{
    bool text = node->type == CONFIG_STRING;
    row->jetstream = node->type == CONFIG_MAP || (node->type == CONFIG_BOOL && node->number) ||
                     (text && (strcasecmp(node->text, "enabled") == 0 ||
                               strcasecmp(node->text, "enable") == 0));
    bool known = row->jetstream || node->type == CONFIG_BOOL ||
                 (text && (strcasecmp(node->text, "disabled") == 0 ||
                           strcasecmp(node->text, "disable") == 0));
    if (!known)
        return keys_fail(options, node, "Expected 'enabled' or 'disabled' for string value, got "
                         "'%s'", text ? node->text : config_type_name(node->type));
    if (node->type != CONFIG_MAP) return true;
    for (const config_node *at = node->first; at; at = at->next)
        if (!accounts_streams_limit(options, at, row)) return false;
    return true;
}

/* Those of the broker are read into the same place, which they get back. */
static bool accounts_mappings(daemon_options *options, config_node *node, daemon_account *account)
{
    const rill_mapping **rows = options->mappings;
    size_t n = options->broker.nmappings;
    options->mappings = account->mappings;
    options->broker.nmappings = account->row.nmappings;
    bool good = keys_mappings(options, node);
    account->mappings = options->mappings;
    account->row.nmappings = options->broker.nmappings;
    account->row.mappings = account->mappings;
    options->broker.mappings = options->mappings = rows;
    options->broker.nmappings = n;
    return good;
}

/* What may guard access is not ignored, and neither is what would let others hear. */
static bool accounts_unknown(daemon_options *options, const config_node *node)
{
    static const char known[] = "users default_permissions mappings limits jetstream exports "
                                "imports";
    size_t len, away;
    if (accounts_is(node, "nkey", "nkey"))
        return keys_fail(options, node, "\"%s\" of an account is not supported by this broker",
                         node->key);
    const char *near = nearest_word(known, node->key, strlen(node->key) / 4 + 1, &len, &away);
    return keys_fail(options, node, "unknown field \"%s\"%s%.*s%s What may guard access is not "
                     "ignored", node->key, near ? "; \"" : ".", near ? (int)len : 0,
                     near ? near : "", near ? "\" was meant?" : "");
}

static bool accounts_field(daemon_options *options, config_node *node, daemon_account *account)
{
    if (accounts_is(node, "users", "users"))
        return users_read(options, node, account->row.name);
    if (accounts_is(node, "default_permissions", "default_permissions"))
        return users_read_permissions(options, node, &account->defaults);
    if (accounts_is(node, "mappings", "maps")) return accounts_mappings(options, node, account);
    if (accounts_is(node, "jetstream", "jetstream"))
        return accounts_jetstream(options, node, &account->row);
    if (accounts_is(node, "limits", "limits")) return accounts_limits(options, node, &account->row);
    if (accounts_is(node, "exports", "exports")) return trades_exports(options, node, account);
    if (accounts_is(node, "imports", "imports")) return trades_imports(options, node, account);
    if (accounts_is(node, "msg_trace", "trace_dest")) return accounts_not_here(options, node);
    return accounts_unknown(options, node);
}

static bool accounts_account(daemon_options *options, config_node *node)
{
    if (!accounts_check_name(options, node, node->key)) return false;
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "Expected map entries for accounts");
    daemon_account *account = accounts_add(options, node->key);
    if (!account) return keys_fail(options, node, "out of memory");
    size_t first = options->nusers;
    for (config_node *at = node->first; at; at = at->next)
        if (!accounts_field(options, at, account)) return false;
    users_default(options, first, &account->defaults);
    return true;
}

static bool accounts_name(daemon_options *options, const config_node *node)
{
    if (node->type != CONFIG_STRING)
        return keys_fail(options, node, "Expected account name string, got %s",
                         config_type_name(node->type));
    if (!accounts_check_name(options, node, node->text)) return false;
    return accounts_add(options, node->text) || keys_fail(options, node, "out of memory");
}

bool accounts_read(daemon_options *options, config_node *node)
{
    if (options->accounts) return keys_fail(options, node, "accounts is there twice");
    if (node->type != CONFIG_MAP && node->type != CONFIG_ARRAY)
        return keys_fail(options, node, "Expected accounts to be a map or an array, got %s",
                         config_type_name(node->type));
    for (config_node *at = node->first; at; at = at->next) {
        bool good = node->type == CONFIG_ARRAY ? accounts_name(options, at)
                                               : accounts_account(options, at);
        if (!good) return false;
    }
    options->account_rows = calloc(options->naccounts + 1, sizeof *options->account_rows);
    return options->account_rows || keys_fail(options, node, "out of memory");
}

void accounts_finish(daemon_options *options)
{
    size_t i = 0;
    for (const daemon_account *at = options->accounts; at; at = at->next)
        options->account_rows[i++] = &at->row;
    options->broker.accounts = options->account_rows;
    options->broker.naccounts = i;
}

void accounts_free(daemon_options *options)
{
    for (daemon_account *at = options->accounts, *next; at; at = next) {
        next = at->next;
        for (size_t i = 0; i < at->row.nmappings; i++) free((void *)at->mappings[i]);
        free(at->mappings);
        users_free_lists(&at->defaults);
        trades_free(at);
        free(at);
    }
    free(options->account_rows);
    options->accounts = NULL;
    options->account_rows = NULL;
    options->naccounts = 0;
}
