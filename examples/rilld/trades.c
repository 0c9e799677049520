/* SPDX-License-Identifier: Apache-2.0 */
#include "trades.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys.h"

static bool trades_is(const config_node *node, const char *names)
{
    size_t len = strlen(node->key);
    for (const char *at = names; *at; at += strcspn(at, " "), at += *at == ' ')
        if (strcspn(at, " ") == len && strncasecmp(at, node->key, len) == 0) return true;
    return false;
}

static size_t trades_count(const config_node *array)
{
    size_t n = 0;
    for (const config_node *at = array->first; at; at = at->next) n++;
    return n;
}

/* An array of maps. */
static bool trades_array(daemon_options *options, const config_node *node, const char *what,
                         const char *item)
{
    if (node->type != CONFIG_ARRAY)
        return keys_fail(options, node, "%s should be an array, got %s", what,
                         config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next)
        if (at->type != CONFIG_MAP)
            return keys_fail(options, at, "%s Items should be a map with type entry, got %s", item,
                             config_type_name(at->type));
    return true;
}

static bool trades_text(daemon_options *options, const config_node *node, const char *what,
                        const char **text)
{
    if (node->type != CONFIG_STRING)
        return keys_fail(options, node, "Expected %s to be a string, got %s", what,
                         config_type_name(node->type));
    *text = node->text;
    return true;
}

static bool trades_flag(daemon_options *options, const config_node *node, bool *flag)
{
    if (node->type != CONFIG_BOOL)
        return keys_fail(options, node, "%s should be %s, not %s", node->key,
                         config_type_name(CONFIG_BOOL), config_type_name(node->type));
    *flag = node->number != 0;
    return true;
}

/* ---- Exports ---- */

typedef struct trades_seen { /* of one export or import */
    bool stream, service, answers, latency, trace;
    const char *prefix, *to;
} trades_seen;

static bool trades_kind(daemon_options *options, const config_node *node, trades_seen *seen,
                        bool service)
{
    bool other = service ? seen->stream : seen->service;
    if (other)
        return keys_fail(options, node, "Detected %s%s%s%s but already saw a %s",
                         service ? "service" : "stream", node->type == CONFIG_STRING ? " \"" : "",
                         node->type == CONFIG_STRING ? node->text : "",
                         node->type == CONFIG_STRING ? "\"" : "", service ? "stream" : "service");
    if (service) seen->service = true;
    else seen->stream = true;
    return true;
}

static bool trades_accounts(daemon_options *options, const config_node *node, rill_export *row)
{
    if (node->type != CONFIG_ARRAY)
        return keys_fail(options, node, "Expected accounts to be an array, got %s",
                         config_type_name(node->type));
    const char **names = calloc(trades_count(node) + 1, sizeof *names);
    if (!names) return keys_fail(options, node, "out of memory");
    free((void *)row->accounts);
    row->accounts = names;
    row->naccounts = 0;
    for (const config_node *at = node->first; at; at = at->next)
        if (!trades_text(options, at, "an account", &names[row->naccounts++])) return false;
    return true;
}

static bool trades_response(daemon_options *options, const config_node *node, rill_export *row)
{
    const char *text = "";
    if (!trades_text(options, node, "response type", &text)) return false;
    if (strcasecmp(text, "single") == 0 || strcasecmp(text, "singleton") == 0)
        row->answers = RILL_ANSWERS_ONE;
    else if (strcasecmp(text, "stream") == 0) row->answers = RILL_ANSWERS_STREAM;
    else if (strcasecmp(text, "chunk") == 0 || strcasecmp(text, "chunked") == 0)
        row->answers = RILL_ANSWERS_CHUNKED;
    else return keys_fail(options, node, "Unknown response type: \"%s\"", text);
    return true;
}

static bool trades_threshold(daemon_options *options, const config_node *node, rill_export *row)
{
    static const char expected[] = "Expected response threshold to be a parseable time duration, "
                                   "got";
    int64_t ns;
    if (node->type != CONFIG_STRING)
        return keys_fail(options, node, "%s %s", expected, config_type_name(node->type));
    if (!config_duration_ns(node->text, &ns) || ns < 1000000 || ns / 1000000 > UINT32_MAX)
        return keys_fail(options, node, "%s \"%s\"", expected, node->text);
    row->answer_ms = (uint32_t)(ns / 1000000);
    return true;
}

/* 1 to 100, with a percent sign or without, or "headers": those that ask for it. */
static bool trades_sampling(daemon_options *options, const config_node *node, rill_export *row)
{
    long percent = node->type == CONFIG_INT ? (long)node->number : 0;
    if (node->type == CONFIG_STRING && strcasecmp(node->text, "headers") == 0) {
        row->latency_percent = 0;
        return true;
    }
    if (node->type == CONFIG_STRING) {
        char *end;
        percent = strtol(node->text, &end, 10);
        if (end == node->text || (*end && strcmp(end, "%") != 0)) percent = 0;
    }
    if (percent < 1 || percent > 100)
        return keys_fail(options, node, "bad sampling percentage, should be 1-100");
    row->latency_percent = (uint32_t)percent;
    return true;
}

static bool trades_latency(daemon_options *options, const config_node *node, rill_export *row)
{
    row->latency_percent = 100;
    if (node->type == CONFIG_STRING) {
        row->latency_subject = node->text;
        return true;
    }
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "Expected latency entry to be a map/struct or string, got "
                         "%s", config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next) {
        bool good;
        if (trades_is(at, "sampling")) good = trades_sampling(options, at, row);
        else if (trades_is(at, "subject"))
            good = trades_text(options, at, "latency subject", &row->latency_subject);
        else good = keys_fail(options, at, "unknown field \"%s\"", at->key);
        if (!good) return false;
    }
    return row->latency_subject ||
           keys_fail(options, node, "Latency subject required, but missing");
}

static bool trades_position(daemon_options *options, const config_node *node, rill_export *row)
{
    if (node->type != CONFIG_INT || node->number < 0 || node->number > UINT8_MAX)
        return keys_fail(options, node, "%s is a token's place, from 1", node->key);
    row->account_token = (uint32_t)node->number;
    return true;
}

static bool trades_export_field(daemon_options *options, const config_node *at, rill_export *row,
                                trades_seen *seen)
{
    bool trace;
    if (trades_is(at, "stream") || trades_is(at, "service")) {
        row->service = trades_is(at, "service");
        return trades_text(options, at, row->service ? "service name" : "stream name",
                           &row->subject) && trades_kind(options, at, seen, row->service);
    }
    if (trades_is(at, "accounts")) return trades_accounts(options, at, row);
    if (trades_is(at, "response response_type")) {
        seen->answers = true;
        return trades_response(options, at, row);
    }
    if (trades_is(at, "threshold response_threshold response_max_time response_time")) {
        seen->answers = true;
        return trades_threshold(options, at, row);
    }
    if (trades_is(at, "latency")) {
        seen->latency = true;
        return trades_latency(options, at, row);
    }
    if (trades_is(at, "account_token_position")) return trades_position(options, at, row);
    if (trades_is(at, "allow_trace")) {
        seen->trace = true;
        return trades_flag(options, at, &trace);
    }
    return keys_fail(options, at, "unknown field \"%s\"", at->key);
}

static bool trades_export(daemon_options *options, const config_node *node, rill_export *row)
{
    trades_seen seen = {0};
    const char *what = NULL;
    for (const config_node *at = node->first; at; at = at->next)
        if (!trades_export_field(options, at, row, &seen)) return false;
    if (!seen.stream && !seen.service)
        return keys_fail(options, node, "an export has a stream or a service");
    if (seen.answers) what = "response";
    if (seen.latency) what = "latency";
    if (seen.trace) what = "allow_trace";
    if (seen.stream && what)
        return keys_fail(options, node, "Detected %s directive on non-service", what);
    return true;
}

bool trades_exports(daemon_options *options, const config_node *node, daemon_account *account)
{
    if (account->exports) return keys_fail(options, node, "exports is there twice");
    if (!trades_array(options, node, "Exports", "Export")) return false;
    size_t n = trades_count(node);
    account->exports = calloc(n + 1, sizeof *account->exports);
    account->export_rows = calloc(n + 1, sizeof *account->export_rows);
    if (!account->exports || !account->export_rows)
        return keys_fail(options, node, "out of memory");
    account->row.exports = account->export_rows;
    for (const config_node *at = node->first; at; at = at->next) {
        rill_export *row = &account->exports[account->row.nexports];
        row->size = sizeof *row;
        account->export_rows[account->row.nexports++] = row;
        if (!trades_export(options, at, row)) return false;
    }
    return true;
}

/* ---- Imports ---- */

static bool trades_source(daemon_options *options, const config_node *node, rill_import *row)
{
    const char *what = row->service ? "Service" : "Stream";
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "%s entry should be an account map, got %s", what,
                         config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next) {
        bool good;
        if (trades_is(at, "account"))
            good = trades_text(options, at, "account name", &row->account);
        else if (trades_is(at, "subject"))
            good = trades_text(options, at, "subject name", &row->subject);
        else good = keys_fail(options, at, "unknown field \"%s\"", at->key);
        if (!good) return false;
    }
    return (row->account && row->subject) ||
           keys_fail(options, node, "Expect an account name and a subject");
}

static bool trades_import_field(daemon_options *options, const config_node *at, rill_import *row,
                                trades_seen *seen)
{
    bool trace;
    if (trades_is(at, "stream") || trades_is(at, "service")) {
        row->service = trades_is(at, "service");
        const config_node kind = {.type = CONFIG_MAP, .file = at->file, .line = at->line};
        return trades_kind(options, &kind, seen, row->service) && trades_source(options, at, row);
    }
    if (trades_is(at, "prefix"))
        return trades_text(options, at, "stream import prefix", &seen->prefix);
    if (trades_is(at, "to")) return trades_text(options, at, "service import 'to'", &seen->to);
    if (trades_is(at, "share")) return trades_flag(options, at, &row->share);
    if (trades_is(at, "allow_trace")) {
        seen->trace = true;
        return trades_flag(options, at, &trace);
    }
    return keys_fail(options, at, "unknown field \"%s\"", at->key);
}

/* What it is called here, where that is made of a prefix. */
static bool trades_prefix(daemon_options *options, const config_node *node, rill_import *row,
                          const char *prefix, char **name)
{
    if (strcspn(prefix, "*>") != strlen(prefix))
        return keys_fail(options, node, "Error adding stream import \"%s\": stream import prefix "
                         "can not contain wildcard tokens", row->subject);
    size_t len = strlen(prefix), size = len + strlen(row->subject) + 2;
    if (len > 0 && prefix[len - 1] == '.') len--;
    *name = malloc(size);
    if (!*name) return keys_fail(options, node, "out of memory");
    snprintf(*name, size, "%.*s.%s", (int)len, prefix, row->subject);
    row->to = *name;
    return true;
}

static bool trades_import(daemon_options *options, const config_node *node, rill_import *row,
                          char **name)
{
    trades_seen seen = {0};
    for (const config_node *at = node->first; at; at = at->next)
        if (!trades_import_field(options, at, row, &seen)) return false;
    if (!seen.stream && !seen.service)
        return keys_fail(options, node, "an import has a stream or a service");
    if (seen.prefix && seen.to)
        return keys_fail(options, node, "Stream import can not have a 'prefix' and a 'to' "
                         "property");
    if (seen.trace && seen.service)
        return keys_fail(options, node, "Detected allow_trace directive on a non-stream");
    row->share = row->share && row->service;
    row->to = seen.to;
    if (!seen.prefix || !*seen.prefix || row->service) return true;
    return trades_prefix(options, node, row, seen.prefix, name);
}

bool trades_imports(daemon_options *options, const config_node *node, daemon_account *account)
{
    if (account->imports) return keys_fail(options, node, "imports is there twice");
    if (!trades_array(options, node, "Imports", "Import")) return false;
    size_t n = trades_count(node);
    account->imports = calloc(n + 1, sizeof *account->imports);
    account->import_rows = calloc(n + 1, sizeof *account->import_rows);
    account->import_names = calloc(n + 1, sizeof *account->import_names);
    if (!account->imports || !account->import_rows || !account->import_names)
        return keys_fail(options, node, "out of memory");
    account->row.imports = account->import_rows;
    for (const config_node *at = node->first; at; at = at->next) {
        size_t i = account->row.nimports;
        account->imports[i].size = sizeof *account->imports;
        account->import_rows[account->row.nimports++] = &account->imports[i];
        if (!trades_import(options, at, &account->imports[i], &account->import_names[i]))
            return false;
    }
    return true;
}

void trades_free(daemon_account *account)
{
    for (size_t i = 0; i < account->row.nexports; i++) free((void *)account->exports[i].accounts);
    for (size_t i = 0; i < account->row.nimports; i++) free(account->import_names[i]);
    free(account->exports);
    free(account->export_rows);
    free(account->imports);
    free(account->import_rows);
    free(account->import_names);
}
