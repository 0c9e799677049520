/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"

/* One text, or a list of them; they stay in the tree. */
bool labels_tags(daemon_options *options, config_node *node)
{
    bool list = node->type == CONFIG_ARRAY;
    size_t n = 0;
    if (!list && node->type != CONFIG_STRING)
        return keys_fail(options, node, "%s are texts, not %s", node->key,
                         config_type_name(node->type));
    for (const config_node *at = node->first; list && at; at = at->next, n++)
        if (at->type != CONFIG_STRING)
            return keys_fail(options, at, "%s has what is no string, but %s", node->key,
                             config_type_name(at->type));
    const char **texts = calloc(n + 1, sizeof *texts);
    if (!texts) return keys_fail(options, node, "out of memory");
    free((void *)(uintptr_t)options->broker.server_tags);
    options->broker.server_tags = texts;
    options->broker.nserver_tags = list ? n : 1;
    if (!list) texts[0] = node->text;
    for (const config_node *at = node->first; list && at; at = at->next) *texts++ = at->text;
    return true;
}

static void labels_free_metadata(rill_broker_opts *broker)
{
    for (size_t i = 0; i < broker->nserver_metadata; i++)
        free((void *)(uintptr_t)broker->server_metadata[i]);
    free((void *)(uintptr_t)broker->server_metadata);
    broker->server_metadata = NULL;
    broker->nserver_metadata = 0;
}

static bool labels_pair(daemon_options *options, const config_node *at, char **text)
{
    if (at->type != CONFIG_STRING)
        return keys_fail(options, at, "%s is a text, not %s", at->key, config_type_name(at->type));
    if (!at->key[0] || strchr(at->key, '='))
        return keys_fail(options, at, "the name \"%s\" of metadata is empty or has a =", at->key);
    size_t size = strlen(at->key) + strlen(at->text) + 2;
    *text = malloc(size);
    if (!*text) return keys_fail(options, at, "out of memory");
    snprintf(*text, size, "%s=%s", at->key, at->text);
    return true;
}

bool labels_metadata(daemon_options *options, config_node *node)
{
    rill_broker_opts *broker = &options->broker;
    size_t n = 0;
    if (node->type != CONFIG_MAP)
        return keys_fail(options, node, "%s is a map, not %s", node->key,
                         config_type_name(node->type));
    for (const config_node *at = node->first; at; at = at->next) n++;
    labels_free_metadata(broker);
    char **texts = calloc(n + 1, sizeof *texts);
    if (!texts) return keys_fail(options, node, "out of memory");
    broker->server_metadata = (const char *const *)texts;
    for (const config_node *at = node->first; at; at = at->next, broker->nserver_metadata++)
        if (!labels_pair(options, at, &texts[broker->nserver_metadata])) return false;
    return true;
}

bool labels_try(daemon_options *options)
{
    const rill_broker_opts *own = &options->broker;
    const rill_broker_opts labels = {.size = sizeof labels, .server_tags = own->server_tags,
                                     .nserver_tags = own->nserver_tags,
                                     .server_metadata = own->server_metadata,
                                     .nserver_metadata = own->nserver_metadata};
    rill_broker *broker;
    if (!own->nserver_tags && !own->nserver_metadata) return true;
    if (rill_broker_open(&broker, &labels) < 0) {
        snprintf(options->error, sizeof options->error, "%s", rill_errmsg());
        return false;
    }
    rill_broker_close(broker, 0);
    return true;
}

void labels_free(daemon_options *options)
{
    free((void *)(uintptr_t)options->broker.server_tags);
    options->broker.server_tags = NULL;
    labels_free_metadata(&options->broker);
}
