/* SPDX-License-Identifier: Apache-2.0 */
#include "callouts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keys.h"

static bool callouts_text(daemon_options *options, const config_node *node, const char **text)
{
    if (node->type != CONFIG_STRING)
        return keys_fail(options, node, "%s should be %s, not %s", node->key,
                         config_type_name(CONFIG_STRING), config_type_name(node->type));
    *text = node->text;
    return true;
}

static bool callouts_list(daemon_options *options, const config_node *node, const char *what,
                          const char *const **list, size_t *n)
{
    size_t count = 0;
    if (node->type != CONFIG_ARRAY)
        return keys_fail(options, node, "Expected %s field to be an array, got %s", what,
                         config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next, count++)
        if (at->type != CONFIG_STRING)
            return keys_fail(options, node, "%s has what is no string, but %s", what,
                             config_type_name(at->type));
    const char **texts = calloc(count + 1, sizeof *texts);
    if (!texts) return keys_fail(options, node, "out of memory");
    free((void *)*list);
    *list = texts;
    *n = count;
    for (const config_node *at = node->first; at; at = at->next) *texts++ = at->text;
    return true;
}

static bool callouts_is(const config_node *node, const char *name, const char *other)
{
    return strcasecmp(node->key, name) == 0 || strcasecmp(node->key, other) == 0;
}

/* What may guard access is not passed over. */
static bool callouts_key(daemon_options *options, const config_node *node)
{
    rill_broker_opts *broker = &options->broker;
    if (callouts_is(node, "issuer", "issuer"))
        return callouts_text(options, node, &broker->callout_issuer);
    if (callouts_is(node, "account", "acc"))
        return callouts_text(options, node, &broker->callout_account);
    if (callouts_is(node, "xkey", "key"))
        return callouts_text(options, node, &broker->callout_xkey);
    if (callouts_is(node, "auth_users", "users"))
        return callouts_list(options, node, "auth_users", &broker->callout_users,
                             &broker->ncallout_users);
    if (callouts_is(node, "allowed_accounts", "allowed_accounts"))
        return callouts_list(options, node, "allowed accounts", &broker->callout_accounts,
                             &broker->ncallout_accounts);
    return keys_fail(options, node, "Unknown field \"%s\" parsing authorization callout",
                     node->key);
}

bool callouts_read(daemon_options *options, config_node *node)
{
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "Expected authorization callout to be a map/struct, got %s",
                         config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next)
        if (!callouts_key(options, at)) return false;
    if (!options->broker.callout_issuer)
        return keys_fail(options, node, "Authorization callouts require an issuer to be specified");
    if (!options->broker.ncallout_users)
        return keys_fail(options, node, "Authorization callouts require authorized users to be "
                         "specified");
    return true;
}

void callouts_free(daemon_options *options)
{
    free((void *)options->broker.callout_users);
    free((void *)options->broker.callout_accounts);
    options->broker.callout_users = options->broker.callout_accounts = NULL;
}
