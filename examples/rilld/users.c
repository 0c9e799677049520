/* SPDX-License-Identifier: Apache-2.0 */
#include "users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys.h"
#include "nearest.h"

static bool users_is(const config_node *node, const char *name, const char *other)
{
    return strcasecmp(node->key, name) == 0 || strcasecmp(node->key, other) == 0;
}

/* ---- Subjects ---- */

/* A subject, or an array of them; none at all is as if the key were not there. */
static bool users_subjects(daemon_options *options, const config_node *node,
                           const char *const **list, size_t *n)
{
    const config_node *first = node->type == CONFIG_ARRAY ? node->first : node;
    const config_node *end = node->type == CONFIG_ARRAY ? NULL : node->next;
    size_t count = 0;
    for (const config_node *at = first; at != end; at = at->next, count++)
        if (at->type != CONFIG_STRING)
            return keys_fail(options, node, "Expected subject permissions to be a subject, or "
                             "array of subjects, got %s", config_type_name(at->type));
    const char **texts = calloc(count ? count : 1, sizeof *texts);
    if (!texts) return keys_fail(options, node, "out of memory");
    free((void *)*list);
    *list = texts;
    *n = count;
    for (const config_node *at = first; at != end; at = at->next) *texts++ = at->text;
    return true;
}

/* What stands behind `publish` or `subscribe`. */
static bool users_side(daemon_options *options, const config_node *node,
                       const char *const **allow, size_t *nallow, const char *const **deny,
                       size_t *ndeny)
{
    if (node->type != CONFIG_MAP) return users_subjects(options, node, allow, nallow);
    for (const config_node *at = node->first; at; at = at->next) {
        bool good;
        if (users_is(at, "allow", "allow")) good = users_subjects(options, at, allow, nallow);
        else if (users_is(at, "deny", "deny")) good = users_subjects(options, at, deny, ndeny);
        else return keys_fail(options, at, "Unknown field name \"%s\" parsing subject "
                              "permissions, only 'allow' or 'deny' are permitted", at->key);
        if (!good) return false;
    }
    return true;
}

static bool users_is_one_of(const config_node *node, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(node->key, names[i]) == 0) return true;
    return false;
}

/* Below 0: without end. */
static bool users_responses_max(daemon_options *options, const config_node *node, uint32_t *max)
{
    if (node->type != CONFIG_INT)
        return keys_fail(options, node, "%s should be %s, not %s", node->key,
                         config_type_name(CONFIG_INT), config_type_name(node->type));
    if (node->number >= UINT32_MAX)
        return keys_fail(options, node, "%s is %lld; at most %u", node->key,
                         (long long)node->number, UINT32_MAX - 1);
    *max = node->number < 0 ? UINT32_MAX : (uint32_t)node->number;
    return true;
}

static bool users_responses_time(daemon_options *options, const config_node *node, uint32_t *ms)
{
    int64_t ns;
    if (node->type != CONFIG_STRING)
        return keys_fail(options, node, "error parsing expires, not a duration string");
    if (!config_duration_ns(node->text, &ns))
        return keys_fail(options, node, "error parsing expires: invalid duration \"%s\"",
                         node->text);
    int64_t rounded = ns / 1000000 + (ns % 1000000 > 0);
    if (rounded >= UINT32_MAX)
        return keys_fail(options, node, "error parsing expires: %s is too long", node->text);
    *ms = ns < 0 ? UINT32_MAX : (uint32_t)rounded;
    return true;
}

/* true, false, or how often and how long what has come may be answered. */
static bool users_responses(daemon_options *options, const config_node *node, rill_user *user)
{
    static const char *const counts[] = {"max", "max_msgs", "max_messages", "max_responses"};
    static const char *const times[] = {"expires", "expiration", "ttl"};
    if (node->type == CONFIG_BOOL) {
        user->allow_responses = node->number != 0;
        return true;
    }
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "error parsing response permissions, expected a boolean "
                         "or a map");
    user->allow_responses = true;
    for (const config_node *at = node->first; at; at = at->next) {
        bool good;
        if (users_is_one_of(at, counts, sizeof counts / sizeof counts[0]))
            good = users_responses_max(options, at, &user->responses_max);
        else if (users_is_one_of(at, times, sizeof times / sizeof times[0]))
            good = users_responses_time(options, at, &user->responses_ms);
        else
            good = keys_fail(options, at, "Unknown field \"%s\" parsing permissions", at->key);
        if (!good) return false;
    }
    return true;
}

static bool users_permissions(daemon_options *options, const config_node *node, rill_user *user)
{
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "Expected permissions to be a map/struct, got %s",
                         config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next) {
        bool good;
        if (users_is(at, "publish", "pub") || users_is(at, "import", "import"))
            good = users_side(options, at, &user->publish_allow, &user->npublish_allow,
                              &user->publish_deny, &user->npublish_deny);
        else if (users_is(at, "subscribe", "sub") || users_is(at, "export", "export"))
            good = users_side(options, at, &user->subscribe_allow, &user->nsubscribe_allow,
                              &user->subscribe_deny, &user->nsubscribe_deny);
        else if (users_is(at, "allow_responses", "allow_response") ||
                 users_is(at, "publish_allow_responses", "publish_allow_responses"))
            good = users_responses(options, at, user);
        else return keys_fail(options, at, "Unknown field \"%s\" parsing permissions", at->key);
        if (!good) return false;
    }
    return true;
}

/* ---- Users ---- */

static bool users_text(daemon_options *options, const config_node *node, const char **text)
{
    if (node->type != CONFIG_STRING)
        return keys_fail(options, node, "%s should be %s, not %s", node->key,
                         config_type_name(CONFIG_STRING), config_type_name(node->type));
    *text = node->text;
    return true;
}

/* What may guard access is not ignored. */
static bool users_unknown(daemon_options *options, const config_node *node)
{
    size_t len, away;
    const char *near = nearest_word("username password permissions pass user nkey", node->key,
                                    strlen(node->key) / 4 + 1, &len, &away);
    snprintf(options->error, sizeof options->error, "%s:%d:%d: unknown field \"%s\"%s%.*s%s "
             "What may guard access is not ignored", node->file, node->line, node->column,
             node->key, near ? "; \"" : ".", near ? (int)len : 0, near ? near : "",
             near ? "\" was meant?" : "");
    return false;
}

static bool users_user(daemon_options *options, const config_node *node, daemon_user *own)
{
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "Expected user entry to be a map/struct, got %s",
                         config_type_name(node->type));
    rill_user *user = &own->user;
    user->size = sizeof *user;
    for (const config_node *at = node->first; at; at = at->next) {
        bool good;
        if (users_is(at, "user", "username")) {
            good = users_text(options, at, &user->user);
        } else if (users_is(at, "password", "pass")) {
            good = users_text(options, at, &user->password);
        } else if (users_is(at, "permissions", "permission") ||
                   users_is(at, "authorization", "authorization")) {
            good = users_permissions(options, at, user);
            own->has_permissions = true;
        } else if (users_is(at, "nkey", "nkey")) {
            good = users_text(options, at, &user->nkey);
        } else if (users_is(at, "allowed_connection_types", "proxy_required") ||
                   users_is(at, "connection_types", "clients")) {
            return keys_fail(options, at, "\"%s\" guards access and is not supported by this "
                             "broker", at->key);
        } else {
            return users_unknown(options, at);
        }
        if (!good) return false;
    }
    if (user->nkey && (user->user || user->password))
        return keys_fail(options, node, "Nkey users do not take usernames or passwords");
    if (user->user || user->nkey) return true;
    return keys_fail(options, node, "User entry requires a user");
}

bool users_read(daemon_options *options, config_node *node, const char *account)
{
    size_t n = 0, i = options->nusers;
    if (node->type != CONFIG_ARRAY)
        return keys_fail(options, node, "Expected users field to be an array, got %s",
                         config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next) n++;
    for (size_t k = 0; k < i; k++) {
        const char *of = options->users[k].user.account;
        if (of == account) return keys_fail(options, node, "users is there twice");
    }
    daemon_user *grown = realloc(options->users, (i + n + 1) * sizeof *grown);
    if (!grown) return keys_fail(options, node, "out of memory");
    memset(grown + i, 0, (n + 1) * sizeof *grown);
    options->users = grown;
    options->nusers = i + n;
    for (const config_node *at = node->first; at; at = at->next, i++) {
        grown[i].user.account = account;
        if (!users_user(options, at, &grown[i])) return false;
    }
    return true;
}

bool users_read_permissions(daemon_options *options, const config_node *node, rill_user *defaults)
{
    return users_permissions(options, node, defaults);
}

void users_default(daemon_options *options, size_t first, const rill_user *defaults)
{
    for (size_t i = first; i < options->nusers; i++) {
        if (options->users[i].has_permissions) continue;
        rill_user user = *defaults;
        user.size = sizeof user;
        user.user = options->users[i].user.user;
        user.password = options->users[i].user.password;
        user.nkey = options->users[i].user.nkey;
        user.account = options->users[i].user.account;
        options->users[i].user = user;
    }
}

bool users_finish(daemon_options *options)
{
    const rill_user *from = &options->user_defaults;
    bool any = from->npublish_allow || from->npublish_deny || from->nsubscribe_allow ||
               from->nsubscribe_deny || from->allow_responses;
    size_t own = 0; /* users of the block; the others are of accounts */
    for (size_t i = 0; i < options->nusers; i++) own += !options->users[i].user.account;
    if (any && !own) {
        snprintf(options->error, sizeof options->error, "permissions in authorization guards "
                 "access, and is for the users of an array here");
        return false;
    }
    options->user_rows = calloc(options->nusers + 1, sizeof *options->user_rows);
    if (!options->user_rows) {
        snprintf(options->error, sizeof options->error, "out of memory");
        return false;
    }
    for (size_t i = 0; i < options->nusers; i++)
        options->user_rows[i] = &options->users[i].user;
    options->broker.users = options->user_rows;
    options->broker.nusers = options->nusers;
    return true;
}

void users_free_lists(rill_user *user)
{
    free((void *)user->publish_allow);
    free((void *)user->publish_deny);
    free((void *)user->subscribe_allow);
    free((void *)user->subscribe_deny);
}

void users_free(daemon_options *options)
{
    for (size_t i = 0; i < options->nusers; i++)
        if (options->users[i].has_permissions) users_free_lists(&options->users[i].user);
    free(options->users);
    free(options->user_rows);
    users_free_lists(&options->user_defaults);
    options->users = NULL;
    options->user_rows = NULL;
    options->nusers = 0;
    options->user_defaults = (rill_user){0};
}
