/* SPDX-License-Identifier: Apache-2.0 */
#include "operators.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys.h"

enum { OPERATORS_FILE_MAX = 1 << 20 }; /* bytes of a JWT */

static bool operators_add(daemon_options *options, const config_node *node, daemon_jwts *to,
                          const char *text, char *owned)
{
    const char **texts = realloc(to->texts, (to->n + 1) * sizeof *texts);
    if (texts) to->texts = texts;
    char **all = realloc(to->owned, (to->nowned + 1) * sizeof *all);
    if (all) to->owned = all;
    if (!texts || !all) {
        free(owned);
        return keys_fail(options, node, "out of memory");
    }
    if (owned) all[to->nowned++] = owned;
    texts[to->n++] = owned ? owned : text;
    return true;
}

static bool operators_file(daemon_options *options, const config_node *node, daemon_jwts *to)
{
    FILE *file = fopen(node->text, "rb");
    if (!file)
        return keys_fail(options, node, "%s: cannot read \"%.100s\": %s", node->key ? node->key :
                         "operator", node->text, strerror(errno));
    char *text = malloc(OPERATORS_FILE_MAX + 1);
    size_t len = text ? fread(text, 1, OPERATORS_FILE_MAX + 1, file) : 0;
    fclose(file);
    if (!text || len > OPERATORS_FILE_MAX) {
        free(text);
        return keys_fail(options, node, "\"%.100s\" has more than %d bytes", node->text,
                         OPERATORS_FILE_MAX);
    }
    text[len] = 0;
    return operators_add(options, node, to, NULL, text);
}

static bool operators_want_text(daemon_options *options, const config_node *node, const char *key)
{
    if (node->type == CONFIG_STRING) return true;
    return keys_fail(options, node, "error parsing %s: unsupported type %s", key,
                     config_type_name(node->type));
}

static bool operators_one(daemon_options *options, const config_node *node, const char *key)
{
    if (!operators_want_text(options, node, key)) return false;
    if (strncmp(node->text, "eyJ", 3) == 0)
        return operators_add(options, node, &options->operators, node->text, NULL);
    return operators_file(options, node, &options->operators);
}

bool operators_read(daemon_options *options, config_node *node)
{
    if (node->type != CONFIG_ARRAY) return operators_one(options, node, node->key);
    for (const config_node *at = node->first; at; at = at->next)
        if (!operators_one(options, at, node->key)) return false;
    return true;
}

static bool operators_key(daemon_options *options, const config_node *node, const char *key)
{
    if (!operators_want_text(options, node, key)) return false;
    if (node->text[0] != 'O')
        return keys_fail(options, node, "trust key \"%.100s\" required to be a valid public "
                         "operator nkey", node->text);
    return operators_add(options, node, &options->operators, node->text, NULL);
}

bool operators_keys(daemon_options *options, config_node *node)
{
    if (node->type != CONFIG_ARRAY) return operators_key(options, node, node->key);
    for (const config_node *at = node->first; at; at = at->next)
        if (!operators_key(options, at, node->key)) return false;
    return true;
}

static bool operators_bool(daemon_options *options, const config_node *node, bool *out)
{
    if (node->type != CONFIG_BOOL)
        return keys_fail(options, node, "resolver: %s is true or false", node->key);
    *out = node->number != 0;
    return true;
}

static bool operators_limit(daemon_options *options, const config_node *node)
{
    if (node->type != CONFIG_INT || node->number < 0 || node->number > INT32_MAX)
        return keys_fail(options, node, "resolver: limit is a number of accounts");
    options->resolver_conf.limit = (size_t)node->number;
    return true;
}

/* Of other servers, which this one does not ask. */
static bool operators_span(daemon_options *options, const config_node *node)
{
    int64_t ns;
    if (node->type != CONFIG_STRING || !config_duration_ns(node->text, &ns) || ns < 0)
        return keys_fail(options, node, "resolver: %s is a duration, such as \"2m\"", node->key);
    options_note_add(options, "resolver: %s does nothing: no other server is asked for JWTs",
                     node->key);
    return true;
}

/* By the name that `type` has; NULL: nothing is said. */
static bool operators_dir_type(daemon_options *options, const config_node *node,
                               const config_node *type)
{
    daemon_resolver *conf = &options->resolver_conf;
    const char *name = type && type->type == CONFIG_STRING ? type->text : "";
    bool memory = strcasecmp(name, "MEMORY") == 0 || strcasecmp(name, "MEM") == 0;
    conf->cache = strcasecmp(name, "CACHE") == 0;
    if (!memory && !conf->cache && strcasecmp(name, "FULL") != 0)
        return keys_fail(options, node, "resolver: type \"%.100s\" is none; full, cache and memory "
                         "are", name);
    if (memory) *conf = (daemon_resolver){0};
    else if (!conf->dir)
        return keys_fail(options, node, "dir has no value and needs to point to a directory");
    if (conf->cache && conf->allow_delete)
        return keys_fail(options, node, "CACHE does not accept allow_delete");
    if (conf->hard_delete && !conf->allow_delete)
        return keys_fail(options, node, "hard_delete has no effect without delete");
    return true;
}

static bool operators_dir(daemon_options *options, const config_node *node)
{
    daemon_resolver *conf = &options->resolver_conf;
    *conf = (daemon_resolver){0};
    for (const config_node *at = node->first; at; at = at->next) {
        bool good = true;
        if (strcasecmp(at->key, "type") == 0) {
        } else if (strcasecmp(at->key, "dir") == 0) {
            good = operators_want_text(options, at, "resolver dir");
            conf->dir = good && at->text[0] ? at->text : NULL;
        } else if (strcasecmp(at->key, "allow_delete") == 0) {
            good = operators_bool(options, at, &conf->allow_delete);
        } else if (strcasecmp(at->key, "hard_delete") == 0) {
            good = operators_bool(options, at, &conf->hard_delete);
        } else if (strcasecmp(at->key, "limit") == 0) {
            good = operators_limit(options, at);
        } else if (strcasecmp(at->key, "interval") == 0 || strcasecmp(at->key, "ttl") == 0 ||
                   strcasecmp(at->key, "timeout") == 0) {
            good = operators_span(options, at);
        } else {
            good = keys_fail(options, at, "resolver: unknown field \"%.100s\"", at->key);
        }
        if (!good) return false;
    }
    return operators_dir_type(options, node, config_find(node, "type"));
}

bool operators_resolver(daemon_options *options, config_node *node)
{
    const char *text = node->type == CONFIG_STRING ? node->text : "";
    options->resolver = true;
    options->resolver_conf = (daemon_resolver){0};
    if (strcasecmp(text, "MEMORY") == 0 || strcasecmp(text, "MEM") == 0) return true;
    if (strncasecmp(text, "URL", 3) == 0 || strncasecmp(text, "http", 4) == 0)
        return keys_fail(options, node, "resolver: a URL is not supported by this broker, which "
                         "has no libcurl; MEMORY is");
    if (node->type == CONFIG_MAP) return operators_dir(options, node);
    return keys_fail(options, node, "resolver: \"%.100s\" is none; MEMORY and a map with dir and "
                     "type are", text);
}

/* The key beside each JWT is for the reader of the file, and has to be that of the account. */
bool operators_preload(daemon_options *options, config_node *node)
{
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "preload should be a map of "
                         "account_public_key:account_jwt");
    for (const config_node *at = node->first; at; at = at->next) {
        if (at->key[0] != 'A' || strlen(at->key) != 56)
            return keys_fail(options, at, "preload account nkey \"%.100s\" is not valid", at->key);
        if (at->type != CONFIG_STRING)
            return keys_fail(options, at, "preload account \"%.100s\" is no JWT", at->key);
        if (!operators_add(options, at, &options->account_jwts, at->text, NULL)) return false;
    }
    return true;
}

bool operators_finish(daemon_options *options)
{
    rill_broker_opts *broker = &options->broker;
    if (options->operators.n && !options->resolver) {
        snprintf(options->error, sizeof options->error,
                 "operators require an account resolver to be configured");
        return false;
    }
    if (!options->operators.n && (options->resolver || options->account_jwts.n)) {
        snprintf(options->error, sizeof options->error,
                 "resolver guards access, and needs an operator who has signed the accounts");
        return false;
    }
    broker->operators = options->operators.texts;
    broker->noperators = options->operators.n;
    broker->account_jwts = options->account_jwts.texts;
    broker->naccount_jwts = options->account_jwts.n;
    return true;
}

static void operators_free_jwts(daemon_jwts *jwts)
{
    for (size_t i = 0; i < jwts->nowned; i++) free(jwts->owned[i]);
    free(jwts->owned);
    free(jwts->texts);
    *jwts = (daemon_jwts){0};
}

void operators_free(daemon_options *options)
{
    operators_free_jwts(&options->operators);
    operators_free_jwts(&options->account_jwts);
}
