/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "accounts.h"
#include "callouts.h"
#include "labels.h"
#include "operators.h"
#include "nearest.h"
#include "users.h"

typedef enum key_kind {
    KEY_TEXT,      /* const char * */
    KEY_BOOL,      /* bool */
    KEY_PORT,      /* int, -1 to 65535; 0 is the default */
    KEY_COUNT,     /* uint32_t; below zero: no limit */
    KEY_SIZE,      /* uint64_t, likewise */
    KEY_DURATION,  /* uint32_t of ms; a bare number is seconds, with a warning */
    KEY_SECONDS,   /* uint32_t of ms; a number of seconds, or a duration */
    KEY_CUSTOM,    /* by its function */
    KEY_IDLE,      /* known; does nothing here */
    KEY_REFUSED,   /* protection that this broker cannot give */
} key_kind;

typedef struct key_row {
    const char *names;  /* with blanks between */
    key_kind kind;
    size_t offset;      /* in options */
    bool (*apply)(daemon_options *options, config_node *node);  /* CUSTOM */
    int64_t max;        /* of a number; 0: what the field holds */
} key_row;

#define FIELD(name) offsetof(daemon_options, name)

enum { KEYS_FIRST_AUTO_MS = 50 }; /* of handshake_first: auto */

static bool keys_block(daemon_options *options, const key_row *keys, size_t nkeys,
                       config_node *map);

bool keys_fail(daemon_options *options, const config_node *node, const char *format, ...)
{
    char what[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(options->error, sizeof options->error, "%s:%d:%d: %s", node->file, node->line,
             node->column, what);
    return false;
}

/* ---- Keys that are not known ---- */

/* What decides who may do what. */
static const char keys_guards[] =
    "authorization user username users password pass token permissions permission "
    "default_permissions accounts nkey tls verify operator operators resolver trusted_keys "
    "verify_and_map pinned_certs handshake_first cert_file key_file ca_file "
    "no_auth_user system_account auth_callout callout allow_non_tls allowed_connection_types "
    "max_connections publish subscribe allow deny";

static bool keys_is_plain(const char *name)
{
    for (const char *p = name; *p; p++)
        if (*p <= ' ' || *p > '~') return false;
    return true;
}

/* A key of no row is an error, as it is for nats-server: a typing error would change in silence
 * what the file says. The sentence goes on with what may have been meant. */
static bool keys_unknown(daemon_options *options, const key_row *keys, size_t nkeys,
                         const config_node *node)
{
    size_t len = 0, away = 0, most = strlen(node->key) / 4 + 1;
    const char *near = NULL;
    int line = node->line, column = node->column;
    if (!keys_is_plain(node->key)) {
        snprintf(options->error, sizeof options->error, "%s:%d:%d: the field \"%s\" has characters "
                 "that are not ASCII, so that it is none that is known", node->file, line, column,
                 node->key);
        return false;
    }
    for (size_t i = 0; i < nkeys; i++) {
        const char *found = nearest_word(keys[i].names, node->key, most, &len, &away);
        if (!found) continue;
        near = found;
        most = away - 1; /* not 0: it would be the key of this row */
    }
    int at = snprintf(options->error, sizeof options->error, "%s:%d:%d: unknown field \"%s\"",
                      node->file, line, column, node->key);
    if (at < 0 || (size_t)at >= sizeof options->error) return false;
    size_t room = sizeof options->error - (size_t)at, same, none;
    if (nearest_word(keys_guards, node->key, 0, &same, &none))
        snprintf(options->error + at, room, "; it guards nothing at this place");
    else if (near)
        snprintf(options->error + at, room, "; \"%.*s\" was meant?", (int)len, near);
    return false;
}

static bool keys_want(daemon_options *options, const config_node *node, config_type type)
{
    if (node->type == type) return true;
    return keys_fail(options, node, "%s should be %s, not %s", node->key, config_type_name(type),
                     config_type_name(node->type));
}

/* ---- Values ---- */

static bool keys_number(daemon_options *options, const config_node *node, int64_t max,
                        int64_t *value)
{
    if (!keys_want(options, node, CONFIG_INT)) return false;
    if (node->number > max)
        return keys_fail(options, node, "%s may be %lld at most, not %lld", node->key,
                         (long long)max, (long long)node->number);
    *value = node->number < 0 ? max : node->number;
    return true;
}

/* A duration, or a number of seconds, to ms; rounded up, since 0 would mean the default. */
static bool keys_duration(daemon_options *options, const config_node *node, bool warn, uint32_t *ms)
{
    int64_t ns = 0;
    double seconds = node->type == CONFIG_FLOAT ? node->real : (double)node->number;
    if (node->type == CONFIG_INT || (!warn && node->type == CONFIG_FLOAT)) {
        if (!(seconds >= 0 && seconds <= 4e6))
            return keys_fail(options, node, "%s is out of range", node->key);
        ns = (int64_t)(seconds * 1e9);
        if (warn)
            options_note_add(options, "%s:%d: invalid use of field \"%s\": %s should be converted "
                             "to a duration", node->file, node->line, node->key, node->key);
    } else if (!keys_want(options, node, CONFIG_STRING)) {
        return false;
    } else if (!config_duration_ns(node->text, &ns)) {
        return keys_fail(options, node, "error parsing %s: invalid duration \"%s\"", node->key,
                         node->text);
    }
    if (ns < 0 || ns / 1000000 >= UINT32_MAX)
        return keys_fail(options, node, "%s is out of range", node->key);
    *ms = (uint32_t)((ns + 999999) / 1000000);
    return true;
}

static bool keys_port(daemon_options *options, const config_node *node, int64_t number)
{
    if (number < -1 || number > 65535)
        return keys_fail(options, node, "%lld is no port", (long long)number);
    options->port = number == 0 ? OPTIONS_PORT : (int)number;
    return true;
}

static bool keys_value(daemon_options *options, const key_row *key, config_node *node)
{
    void *field = (char *)options + key->offset;
    int64_t number = 0;
    switch (key->kind) {
    case KEY_TEXT:
        if (!keys_want(options, node, CONFIG_STRING)) return false;
        *(const char **)field = node->text;
        return true;
    case KEY_BOOL:
        if (!keys_want(options, node, CONFIG_BOOL)) return false;
        *(bool *)field = node->number != 0;
        return true;
    case KEY_PORT:
        return keys_want(options, node, CONFIG_INT) && keys_port(options, node, node->number);
    case KEY_COUNT:
        if (!keys_number(options, node, key->max > 0 ? key->max : UINT32_MAX, &number))
            return false;
        *(uint32_t *)field = (uint32_t)number;
        return true;
    case KEY_SIZE:
        if (!keys_number(options, node, INT64_MAX, &number)) return false;
        *(uint64_t *)field = (uint64_t)number;
        return true;
    case KEY_DURATION: return keys_duration(options, node, true, field);
    case KEY_SECONDS: return keys_duration(options, node, false, field);
    case KEY_CUSTOM: return key->apply(options, node);
    case KEY_IDLE:
        options_note_add(options, "%s:%d: \"%s\" is not supported by this broker and is ignored",
                         node->file, node->line, node->key);
        return true;
    case KEY_REFUSED:
        return keys_fail(options, node, "\"%s\" guards access and is not supported by this broker",
                         node->key);
    }
    return false;
}

/* ---- Keys with a form of their own ---- */

/* PORT, or "HOST:PORT", the host of IPv6 in []. A host that is absent stays what it was. */
static bool keys_address(daemon_options *options, config_node *node, const char **host,
                         int64_t *port)
{
    if (node->type == CONFIG_INT) {
        *port = node->number;
        return true;
    }
    if (!keys_want(options, node, CONFIG_STRING)) return false;
    const char *colon = strrchr(node->text, ':');
    char *rest = NULL;
    *port = colon ? strtol(colon + 1, &rest, 10) : 0;
    if (!colon || rest == colon + 1 || *rest)
        return keys_fail(options, node, "could not parse address string \"%s\"", node->text);
    char *begin = (char *)node->text; /* memory of the tree, which we own */
    size_t len = (size_t)(colon - node->text);
    if (len >= 2 && begin[0] == '[' && begin[len - 1] == ']') {
        begin++;
        len -= 2;
    }
    begin[len] = 0;
    if (len > 0) *host = begin;
    return true;
}

static bool keys_listen(daemon_options *options, config_node *node)
{
    int64_t port;
    return keys_address(options, node, &options->host, &port) && keys_port(options, node, port);
}

static bool keys_look_at(daemon_options *options, config_node *node, int *to)
{
    int64_t port;
    if (!keys_address(options, node, &options->http_host, &port)) return false;
    if (port < -1 || port > 65535)
        return keys_fail(options, node, "%lld is no port", (long long)port);
    *to = (int)port;
    return true;
}

static bool keys_http(daemon_options *options, config_node *node)
{
    return keys_look_at(options, node, &options->http_port);
}

static bool keys_https(daemon_options *options, config_node *node)
{
    return keys_look_at(options, node, &options->https_port);
}

static bool keys_server_name(daemon_options *options, config_node *node)
{
    if (!keys_want(options, node, CONFIG_STRING)) return false;
    if (strpbrk(node->text, " \t\r\n") != NULL)
        return keys_fail(options, node, "server name cannot contain spaces");
    options->server_name = node->text;
    return true;
}

static bool keys_users(daemon_options *options, config_node *node)
{
    return users_read(options, node, NULL);
}

static bool keys_permissions(daemon_options *options, config_node *node)
{
    return users_read_permissions(options, node, &options->user_defaults);
}

static const key_row authorization_keys[] = {
    {"user username", KEY_TEXT, FIELD(user), NULL, 0},
    {"password pass", KEY_TEXT, FIELD(password), NULL, 0},
    {"token", KEY_TEXT, FIELD(token), NULL, 0},
    {"timeout", KEY_SECONDS, FIELD(broker.auth_timeout_ms), NULL, 0},
    {"users", KEY_CUSTOM, 0, keys_users, 0},
    {"permissions permission default_permissions default_permission", KEY_CUSTOM, 0,
     keys_permissions, 0},
    {"auth_callout auth_hook callout", KEY_CUSTOM, 0, callouts_read, 0},
    {"failed_logins", KEY_COUNT, FIELD(broker.login_failures), NULL, 0},
    {"failed_logins_per_second", KEY_COUNT, FIELD(broker.login_failures_per_s), NULL, 0},
    {"proxy_required", KEY_REFUSED, 0, NULL, 0},
};

static bool keys_authorization(daemon_options *options, config_node *node)
{
    size_t first = options->nusers;
    if (!keys_want(options, node, CONFIG_MAP)) return false;
    if (!keys_block(options, authorization_keys,
                    sizeof authorization_keys / sizeof authorization_keys[0], node))
        return false;
    if (options->token && options->user)
        return keys_fail(options, node, "Cannot have a user/pass and token");
    if (options->nusers && (options->token || options->user || options->password))
        return keys_fail(options, node, "Can not have a %s and %s",
                         options->token ? "token" : "single user/pass",
                         options->nusers > first ? "a users array" : "accounts");
    users_default(options, first, &options->user_defaults);
    return true;
}

/* sync_interval: always, or how long what was acknowledged may stay unsynced; never and memory
 * are ours. */
static bool keys_sync(daemon_options *options, config_node *node)
{
    options->broker.sync = RILL_SYNC_ALWAYS;
    if (node->type == CONFIG_STRING && strcasecmp(node->text, "always") == 0) return true;
    if (node->type == CONFIG_STRING && strcasecmp(node->text, "never") == 0) {
        options->broker.sync = RILL_SYNC_NEVER;
        return true;
    }
    if (node->type == CONFIG_STRING && strcasecmp(node->text, "memory") == 0) {
        options->broker.sync = RILL_SYNC_MEMORY;
        return true;
    }
    options->broker.sync = RILL_SYNC_LAZY;
    if (!keys_duration(options, node, true, &options->broker.sync_interval_ms)) return false;
    if (options->broker.sync_interval_ms > 0) return true;
    return keys_fail(options, node, "%s: say always for no time at all", node->key);
}

/* spin: ours; how long the broker looks for more input before it sleeps. */
static bool keys_spin(daemon_options *options, config_node *node)
{
    int64_t ns;
    bool text = node->type == CONFIG_STRING;
    if (!text || !config_duration_ns(node->text, &ns) || ns < 0 || ns > 1000000000)
        return keys_fail(options, node, "spin is a duration of at most 1s, such as \"50us\", "
                         "not %s", text ? node->text : config_type_name(node->type));
    options->broker.spin_us = ns < 1000 ? 1 : (uint32_t)(ns / 1000); /* 0 would be the default */
    return true;
}

/* memory_budget: ours; the least is that of rill_broker_opts.memory_bytes. */
static bool keys_memory(daemon_options *options, config_node *node)
{
    int64_t bytes, least = 32 << 20;
    if (!keys_number(options, node, INT64_MAX, &bytes)) return false;
    if (bytes > 0 && bytes < least)
        return keys_fail(options, node, "memory_budget is %lld; at least %lld", (long long)bytes,
                         (long long)least);
    options->broker.memory_bytes = (uint64_t)bytes;
    return true;
}

static const key_row limit_keys[] = {
    {"max_ack_pending", KEY_COUNT, FIELD(broker.max_unacked), NULL, INT32_MAX},
    {"max_request_batch", KEY_COUNT, FIELD(broker.max_pull_batch), NULL, INT32_MAX},
    {"max_subjects", KEY_COUNT, FIELD(broker.max_subjects), NULL, 100000},
    {"duplicate_window", KEY_DURATION, FIELD(broker.max_dedupe_ms), NULL, 0},
    {"max_ha_assets default_max_consumers batch", KEY_IDLE, 0, NULL, 0},
};

/* limits: what a request to JetStream may ask for. */
static bool keys_limits(daemon_options *options, config_node *node)
{
    return keys_want(options, node, CONFIG_MAP) &&
           keys_block(options, limit_keys, sizeof limit_keys / sizeof limit_keys[0], node);
}

static const key_row jetstream_keys[] = {
    {"enabled enable", KEY_BOOL, FIELD(jetstream), NULL, 0},
    {"store_dir storedir store", KEY_TEXT, FIELD(store_dir), NULL, 0},
    {"max_memory_store max_mem_store max_mem", KEY_SIZE, FIELD(broker.max_stream_memory_bytes),
     NULL, 0},
    {"max_file_store max_file", KEY_SIZE, FIELD(broker.max_store_bytes), NULL, 0},
    {"domain", KEY_TEXT, FIELD(broker.domain), NULL, 0},
    {"sync_interval sync", KEY_CUSTOM, 0, keys_sync, 0},
    {"limits", KEY_CUSTOM, 0, keys_limits, 0},
    {"key ek encryption_key tpm", KEY_REFUSED, 0, NULL, 0},
    {"cipher prev_key prev_ek prev_encryption_key strict unique_tag extension_hint "
     "max_outstanding_catchup max_buffered_msgs max_buffered_size request_queue_limit "
     "info_queue_limit meta_compact meta_compact_size meta_compact_sync max_concurrent_io",
     KEY_IDLE, 0, NULL, 0},
};

/* jetstream: true, or enabled, or a block. */
static bool keys_jetstream(daemon_options *options, config_node *node)
{
    if (node->type == CONFIG_BOOL) {
        options->jetstream = node->number != 0;
        return true;
    }
    if (node->type == CONFIG_STRING) {
        options->jetstream = strcasecmp(node->text, "enabled") == 0 ||
                             strcasecmp(node->text, "enable") == 0;
        if (options->jetstream || strcasecmp(node->text, "disabled") == 0 ||
            strcasecmp(node->text, "disable") == 0)
            return true;
        return keys_fail(options, node, "Expected 'enabled' or 'disabled' for string value, got "
                         "'%s'", node->text);
    }
    if (!keys_want(options, node, CONFIG_MAP)) return false;
    options->jetstream = true;
    return keys_block(options, jetstream_keys, sizeof jetstream_keys / sizeof jetstream_keys[0],
                      node);
}

/* ---- Subject mappings ---- */

static bool keys_mapping_add(daemon_options *options, const config_node *node,
                             const rill_mapping *mapping)
{
    size_t n = options->broker.nmappings;
    const rill_mapping **grown = realloc(options->mappings, (n + 1) * sizeof *grown);
    if (grown) {
        options->mappings = grown;
        options->broker.mappings = grown;
    }
    rill_mapping *added = grown ? malloc(sizeof *added) : NULL;
    if (!added) return keys_fail(options, node, "out of memory");
    *added = *mapping;
    added->size = sizeof *added;
    grown[n] = added;
    options->broker.nmappings = n + 1;
    return true;
}

static bool keys_mapping_weight(daemon_options *options, const config_node *node,
                                rill_mapping *mapping)
{
    char *end = NULL;
    long weight = node->type == CONFIG_INT ? (long)node->number : -1;
    if (node->type == CONFIG_STRING && node->text[0]) {
        weight = strtol(node->text, &end, 10);
        if (*end && strcmp(end, "%") != 0) weight = -1;
    }
    if (weight < 0 || weight > 100)
        return keys_fail(options, node, "a weight is 0 to 100, such as 40 or \"40%%\"");
    mapping->percent = (uint32_t)weight;
    return true;
}

/* { destination: ..., weight: 40% }; what is for one cluster is for none here. */
static bool keys_mapping_part(daemon_options *options, const char *from, const config_node *map)
{
    rill_mapping mapping = {.from = from};
    bool cluster = false, weighed = false;
    if (map->type != CONFIG_MAP)
        return keys_fail(options, map, "Expected an entry for the mapping destination");
    for (const config_node *node = map->first; node; node = node->next) {
        bool text = node->type == CONFIG_STRING;
        if (text && (!strcasecmp(node->key, "dest") || !strcasecmp(node->key, "destination"))) {
            mapping.to = node->text;
        } else if (!strcasecmp(node->key, "weight")) {
            if (!keys_mapping_weight(options, node, &mapping)) return false;
            weighed = true;
        } else if (text && !strcasecmp(node->key, "cluster")) {
            cluster = true;
        } else {
            return keys_fail(options, node, "Unknown field \"%s\" for mapping destination",
                             node->key);
        }
    }
    if (!mapping.to || !weighed)
        return keys_fail(options, map, "Missing %s for mapping of \"%s\"",
                         weighed ? "destination" : "weight", from);
    return cluster || mapping.percent == 0 || keys_mapping_add(options, map, &mapping);
}

static bool keys_mapping(daemon_options *options, const config_node *node)
{
    if (node->type == CONFIG_STRING)
        return keys_mapping_add(options, node, &(rill_mapping){.from = node->key,
                                                               .to = node->text});
    if (node->type != CONFIG_ARRAY) return keys_mapping_part(options, node->key, node);
    for (const config_node *part = node->first; part; part = part->next)
        if (!keys_mapping_part(options, node->key, part)) return false;
    return true;
}

/* mappings: { from: to } or { from: [ { destination, weight } ] }. A broker is asked whether it
 * would take them. */
bool keys_mappings(daemon_options *options, config_node *map)
{
    rill_broker *broker;
    if (!keys_want(options, map, CONFIG_MAP)) return false;
    for (const config_node *node = map->first; node; node = node->next) {
        size_t before = options->broker.nmappings;
        if (!keys_mapping(options, node)) return false;
        size_t n = options->broker.nmappings - before;
        if (rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .nmappings = n,
                                                .mappings = options->mappings + before)) < 0)
            return keys_fail(options, node, "Error adding mapping for \"%s\": %s", node->key,
                             rill_errmsg());
        rill_broker_close(broker, 0);
    }
    return true;
}

/* ---- TLS ---- */

/* true: TLS comes first, and nothing else does; "auto", or a duration: INFO comes in clear if no
 * client has begun TLS in that time. */
static bool keys_handshake_first(daemon_options *options, config_node *node)
{
    options->tls.conf.handshake_first = true;
    options->tls.conf.first_ms = 0;
    if (node->type == CONFIG_BOOL) {
        options->tls.conf.handshake_first = node->number != 0;
        return true;
    }
    if (node->type == CONFIG_STRING && strcasecmp(node->text, "auto") == 0) {
        options->tls.conf.first_ms = KEYS_FIRST_AUTO_MS;
        return true;
    }
    if (!keys_duration(options, node, false, &options->tls.conf.first_ms)) return false;
    if (options->tls.conf.first_ms == 0) options->tls.conf.handshake_first = false;
    return true;
}

static bool keys_min_version(daemon_options *options, config_node *node)
{
    if (!keys_want(options, node, CONFIG_STRING)) return false;
    if (strcmp(node->text, "1.2") == 0) options->tls.conf.min_version = 12;
    else if (strcmp(node->text, "1.3") == 0) options->tls.conf.min_version = 13;
    else return keys_fail(options, node, "min_version is \"1.2\" or \"1.3\", not \"%s\"",
                          node->text);
    return true;
}

static bool keys_verify(daemon_options *options, config_node *node)
{
    if (node->type == CONFIG_STRING && strcasecmp(node->text, "optional") == 0)
        return keys_fail(options, node, "verify: optional guards access and is not supported by "
                         "this broker");
    if (!keys_want(options, node, CONFIG_BOOL)) return false;
    options->tls.conf.verify_peer = node->number != 0;
    return true;
}

static bool keys_cipher_suites(daemon_options *options, config_node *node)
{
    if (!keys_want(options, node, CONFIG_ARRAY)) return false;
    size_t len = 0;
    for (const config_node *at = node->first; at; at = at->next) {
        if (at->type != CONFIG_STRING)
            return keys_fail(options, node, "cipher_suites are names");
        len += strlen(at->text) + 1;
    }
    if (len == 0) return keys_fail(options, node, "cipher_suites: none is named");
    free(options->tls.ciphers);
    options->tls.ciphers = calloc(1, len);
    if (!options->tls.ciphers) return keys_fail(options, node, "out of memory");
    char *to = options->tls.ciphers;
    for (const config_node *at = node->first; at; at = at->next)
        to += snprintf(to, len - (size_t)(to - options->tls.ciphers), "%s%s", at->text,
                       at->next ? " " : "");
    options->tls.conf.ciphers = options->tls.ciphers;
    return true;
}

static const key_row tls_keys[] = {
    {"cert_file", KEY_TEXT, FIELD(tls.conf.cert_file), NULL, 0},
    {"psk", KEY_TEXT, FIELD(tls.conf.psk), NULL, 0},
    {"psk_identity", KEY_TEXT, FIELD(tls.conf.psk_identity), NULL, 0},
    {"key_file", KEY_TEXT, FIELD(tls.conf.key_file), NULL, 0},
    {"ca_file", KEY_TEXT, FIELD(tls.conf.ca_file), NULL, 0},
    {"verify", KEY_CUSTOM, 0, keys_verify, 0},
    {"verify_and_map", KEY_BOOL, FIELD(tls.conf.verify_and_map), NULL, 0},
    {"timeout", KEY_SECONDS, FIELD(tls.conf.timeout_ms), NULL, 0},
    {"handshake_first first immediate", KEY_CUSTOM, 0, keys_handshake_first, 0},
    {"min_version", KEY_CUSTOM, 0, keys_min_version, 0},
    {"cipher_suites", KEY_CUSTOM, 0, keys_cipher_suites, 0},
    {"max_handshakes", KEY_COUNT, FIELD(tls.conf.max_handshakes), NULL, INT32_MAX},
    {"certs verify_cert_and_check_known_urls pinned_certs ocsp_peer cert_store "
     "cert_match cert_match_by cert_match_skip_invalid ca_certs_match certificates",
     KEY_REFUSED, 0, NULL, 0},
    {"curve_preferences connection_rate_limit insecure allow_insecure_cipher_suites", KEY_IDLE, 0,
     NULL, 0},
};

static bool keys_tls(daemon_options *options, config_node *node)
{
    if (!keys_want(options, node, CONFIG_MAP)) return false;
    options->tls.on = true;
    return keys_block(options, tls_keys, sizeof tls_keys / sizeof tls_keys[0], node);
}

/* ---- The port for Kafka's clients ---- */

static bool keys_kafka_listen(daemon_options *options, config_node *node)
{
    int64_t port;
    if (!keys_address(options, node, &options->kafka_host, &port)) return false;
    if (port < -1 || port > 65535 || port == 0)
        return keys_fail(options, node, "%lld is no port", (long long)port);
    options->kafka_port = (int)port;
    return true;
}

static bool keys_kafka_create(daemon_options *options, config_node *node)
{
    if (!keys_want(options, node, CONFIG_BOOL)) return false;
    options->kafka.no_auto_create = node->number == 0;
    return true;
}

/* The same block as the listener's: the rows write to that one's place. */
static bool keys_kafka_tls(daemon_options *options, config_node *node)
{
    daemon_tls listener = options->tls;
    options->tls = options->kafka_tls;
    bool good = keys_tls(options, node);
    options->kafka_tls = options->tls;
    options->tls = listener;
    return good;
}

/* A setting of groups: one more line of broker.kafka_config, by Kafka's own name. */
static bool keys_kafka_group(daemon_options *options, config_node *node)
{
    char number[24];
    if (node->type != CONFIG_INT && !keys_want(options, node, CONFIG_STRING)) return false;
    snprintf(number, sizeof number, "%lld", (long long)node->number);
    const char *value = node->type == CONFIG_INT ? number : node->text;
    if (strchr(value, '\n')) return keys_fail(options, node, "%s has one line", node->key);
    size_t had = options->kafka_config ? strlen(options->kafka_config) : 0;
    size_t len = had + strlen(node->key) + strlen(value) + sizeof "=\n";
    char *grown = realloc(options->kafka_config, len);
    if (!grown) return keys_fail(options, node, "out of memory");
    snprintf(grown + had, len - had, "%s=%s\n", node->key, value);
    options->broker.kafka_config = options->kafka_config = grown;
    return true;
}

/* What the library says of all these lines. */
static bool keys_kafka_try(daemon_options *options, const config_node *node)
{
    rill_broker *broker;
    const char *text = options->kafka_config;
    if (!text) return true;
    if (rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .kafka_config = text)) < 0)
        return keys_fail(options, node, "%s", rill_errmsg());
    rill_broker_close(broker, 0);
    return true;
}

enum { KEYS_PARTITIONS_MAX = 1000 }; /* rill_listen_opts.partitions */

static const key_row kafka_keys[] = {
    {"listen port", KEY_CUSTOM, 0, keys_kafka_listen, 0},
    {"advertise", KEY_TEXT, FIELD(kafka.advertise), NULL, 0},
    {"auto_create", KEY_CUSTOM, 0, keys_kafka_create, 0},
    {"tls", KEY_CUSTOM, 0, keys_kafka_tls, 0},
    {"default_partitions", KEY_COUNT, FIELD(kafka.partitions), NULL, KEYS_PARTITIONS_MAX},
    {"group.min.session.timeout.ms group.max.session.timeout.ms group.initial.rebalance.delay.ms "
     "group.max.size offsets.retention.minutes offsets.retention.check.interval.ms "
     "offset.metadata.max.bytes group.consumer.session.timeout.ms "
     "group.consumer.heartbeat.interval.ms group.consumer.assignment.interval.ms "
     "group.consumer.max.size group.consumer.migration.policy",
     KEY_CUSTOM, 0, keys_kafka_group, 0},
};

static bool keys_kafka(daemon_options *options, config_node *node)
{
    if (!keys_want(options, node, CONFIG_MAP)) return false;
    if (!keys_block(options, kafka_keys, sizeof kafka_keys / sizeof kafka_keys[0], node))
        return false;
    if (options->kafka_port == 0) return keys_fail(options, node, "kafka has no listen");
    return keys_kafka_try(options, node);
}

/* ---- The port for WebSocket ---- */

static bool keys_web_port(daemon_options *options, config_node *node)
{
    int64_t port;
    if (!keys_want(options, node, CONFIG_INT)) return false;
    if ((port = node->number) < -1 || port > 65535)
        return keys_fail(options, node, "%lld is no port", (long long)port);
    options->web_port = (int)port;
    return true;
}

static bool keys_web_listen(daemon_options *options, config_node *node)
{
    int64_t port;
    if (!keys_address(options, node, &options->web_host, &port)) return false;
    if (port < -1 || port > 65535)
        return keys_fail(options, node, "%lld is no port", (long long)port);
    options->web_port = (int)port;
    return true;
}

/* As keys_kafka_tls(). */
static bool keys_web_tls(daemon_options *options, config_node *node)
{
    daemon_tls listener = options->tls;
    options->tls = options->web_tls;
    bool good = keys_tls(options, node);
    options->web_tls = options->tls;
    options->tls = listener;
    return good;
}

/* One origin, or a list of them, which becomes one text. */
static bool keys_web_origins(daemon_options *options, config_node *node)
{
    bool list = node->type == CONFIG_ARRAY;
    if (!list && !keys_want(options, node, CONFIG_STRING)) return false;
    size_t len = list ? 1 : strlen(node->text) + 1, done = 0;
    for (const config_node *at = node->first; list && at; at = at->next) {
        if (at->type != CONFIG_STRING) return keys_fail(options, node, "%s are texts", node->key);
        len += strlen(at->text) + 1;
    }
    free(options->web_origins);
    options->web_origins = calloc(1, len);
    if (!options->web_origins) return keys_fail(options, node, "out of memory");
    if (!list) memcpy(options->web_origins, node->text, len);
    for (const config_node *at = node->first; list && at; at = at->next)
        done += (size_t)snprintf(options->web_origins + done, len - done, "%s%s", at->text,
                                 at->next ? "," : "");
    return true;
}

static const key_row web_keys[] = {
    {"listen", KEY_CUSTOM, 0, keys_web_listen, 0},
    {"port", KEY_CUSTOM, 0, keys_web_port, 0},
    {"host net", KEY_TEXT, FIELD(web_host), NULL, 0},
    {"advertise", KEY_TEXT, FIELD(web.advertise), NULL, 0},
    {"no_tls", KEY_BOOL, FIELD(web_no_tls), NULL, 0},
    {"tls", KEY_CUSTOM, 0, keys_web_tls, 0},
    {"same_origin", KEY_BOOL, FIELD(web.ws_same_origin), NULL, 0},
    {"allowed_origins allowed_origin allow_origins allow_origin origins origin", KEY_CUSTOM, 0,
     keys_web_origins, 0},
    {"handshake_timeout", KEY_SECONDS, FIELD(web.ws_handshake_ms), NULL, 0},
    {"compress compression", KEY_BOOL, FIELD(web.ws_compress), NULL, 0},
    {"headers ping_interval", KEY_IDLE, 0, NULL, 0},
    {"user_cookie", KEY_TEXT, FIELD(user_cookie), NULL, 0},
    {"pass_cookie", KEY_TEXT, FIELD(password_cookie), NULL, 0},
    {"token_cookie", KEY_TEXT, FIELD(token_cookie), NULL, 0},
    {"jwt_cookie", KEY_TEXT, FIELD(jwt_cookie), NULL, 0},
    {"authorization authentication no_auth_user", KEY_REFUSED, 0, NULL, 0},
};

/* As nats-server has it: without a port there is none, and without TLS only if no_tls says so. */
static bool keys_web(daemon_options *options, config_node *node)
{
    if (!keys_want(options, node, CONFIG_MAP)) return false;
    if (!keys_block(options, web_keys, sizeof web_keys / sizeof web_keys[0], node)) return false;
    if (options->web_port && !options->web_tls.on && !options->web_no_tls)
        return keys_fail(options, node, "websocket requires TLS configuration, or no_tls: true");
    return true;
}

/* ---- The file ---- */

enum { KEYS_MSG_MAX_BYTES = 64 << 20 };  /* rill_broker_opts.max_msg_bytes */

static const key_row top_keys[] = {
    {"listen", KEY_CUSTOM, 0, keys_listen, 0},
    {"host net", KEY_TEXT, FIELD(host), NULL, 0},
    {"port", KEY_PORT, 0, NULL, 0},
    {"http http_port monitor_port", KEY_CUSTOM, 0, keys_http, 0},
    {"https https_port", KEY_CUSTOM, 0, keys_https, 0},
    {"http_base_path", KEY_TEXT, FIELD(http_base_path), NULL, 0},
    {"server_name", KEY_CUSTOM, 0, keys_server_name, 0},
    {"server_tags", KEY_CUSTOM, 0, labels_tags, 0},
    {"server_metadata", KEY_CUSTOM, 0, labels_metadata, 0},
    {"debug", KEY_BOOL, FIELD(log.debug), NULL, 0},
    {"trace", KEY_BOOL, FIELD(log.trace), NULL, 0},
    {"trace_verbose", KEY_BOOL, FIELD(verbose_trace), NULL, 0},
    {"logtime", KEY_BOOL, FIELD(log.time), NULL, 0},
    {"logtime_utc", KEY_BOOL, FIELD(log.utc), NULL, 0},
    {"max_traced_msg_len", KEY_COUNT, FIELD(broker.trace_data_bytes), NULL, INT32_MAX},
    {"spin", KEY_CUSTOM, 0, keys_spin, 0},
    {"memory_budget", KEY_CUSTOM, 0, keys_memory, 0},
    {"log_file logfile", KEY_TEXT, FIELD(log.file), NULL, 0},
    {"logfile_size_limit log_size_limit", KEY_SIZE, FIELD(log.size_limit), NULL, 0},
    {"logfile_max_num log_max_num", KEY_COUNT, FIELD(log.max_files), NULL, INT32_MAX},
    {"log_format", KEY_TEXT, FIELD(log_format), NULL, 0},
    {"syslog", KEY_BOOL, FIELD(log.syslog), NULL, 0},
    {"remote_syslog", KEY_TEXT, FIELD(log.remote), NULL, 0},
    {"pid_file pidfile", KEY_TEXT, FIELD(pid_file), NULL, 0},
    {"ports_file_dir", KEY_TEXT, FIELD(ports_file_dir), NULL, 0},
    {"max_payload", KEY_COUNT, FIELD(broker.max_msg_bytes), NULL, KEYS_MSG_MAX_BYTES},
    {"max_control_line", KEY_COUNT, FIELD(broker.max_control_line_bytes), NULL, INT32_MAX},
    {"max_pending", KEY_SIZE, FIELD(broker.max_pending_bytes), NULL, 0},
    {"max_connections max_conn", KEY_COUNT, FIELD(broker.max_conns), NULL, 0},
    {"max_subscriptions max_subs", KEY_COUNT, FIELD(broker.max_subs), NULL, 0},
    {"max_subscription_tokens max_sub_tokens", KEY_COUNT, FIELD(broker.max_sub_tokens), NULL, 255},
    {"no_header_support", KEY_BOOL, FIELD(broker.no_headers), NULL, 0},
    {"client_advertise", KEY_TEXT, FIELD(broker.advertise), NULL, 0},
    {"ping_interval", KEY_DURATION, FIELD(broker.ping_interval_ms), NULL, 0},
    {"ping_max", KEY_COUNT, FIELD(broker.ping_max), NULL, 0},
    {"write_deadline", KEY_DURATION, FIELD(broker.write_deadline_ms), NULL, 0},
    {"lame_duck_duration", KEY_DURATION, FIELD(lame_duck_duration_ms), NULL, 0},
    {"lame_duck_grace_period", KEY_DURATION, FIELD(lame_duck_grace_ms), NULL, 0},
    {"mappings maps", KEY_CUSTOM, 0, keys_mappings, 0},
    {"authorization", KEY_CUSTOM, 0, keys_authorization, 0},
    {"no_auth_user", KEY_TEXT, FIELD(broker.no_auth_user), NULL, 0},
    {"accounts", KEY_CUSTOM, 0, accounts_read, 0},
    {"system_account system", KEY_TEXT, FIELD(broker.system_account), NULL, 0},
    {"jetstream", KEY_CUSTOM, 0, keys_jetstream, 0},
    {"kafka", KEY_CUSTOM, 0, keys_kafka, 0},
    {"websocket ws", KEY_CUSTOM, 0, keys_web, 0},
    {"store_dir storedir", KEY_TEXT, FIELD(store_dir), NULL, 0},
    {"tls", KEY_CUSTOM, 0, keys_tls, 0},
    {"allow_non_tls", KEY_BOOL, FIELD(tls_optional), NULL, 0},
    {"operator operators roots root root_operators root_operator", KEY_CUSTOM, 0,
     operators_read, 0},
    {"trusted trusted_keys", KEY_CUSTOM, 0, operators_keys, 0},
    {"resolver account_resolver accounts_resolver", KEY_CUSTOM, 0, operators_resolver, 0},
    {"resolver_preload", KEY_CUSTOM, 0, operators_preload, 0},
    {"default_sentinel", KEY_TEXT, FIELD(broker.default_sentinel), NULL, 0},
    {"ocsp "
     "resolver_tls resolver_pinned_accounts "
     "proxies",
     KEY_REFUSED, 0, NULL, 0},
    {"cluster gateway leaf leafnode leafnodes mqtt "
     "prof_port prof_block_rate profile trace_headers "
     "write_timeout ocsp_cache "
     "disable_sublist_cache no_sublist_cache no_fast_producer_stall proxy_protocol "
     "no_system_account no_system no_sys_acc default_js_domain "
     "feature_flags max_closed_clients connect_error_reports reconnect_error_reports",
     KEY_IDLE, 0, NULL, 0},
};

static bool key_is(const key_row *key, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = key->names; *p;) {
        size_t word = strcspn(p, " ");
        if (word == len && strncasecmp(p, name, len) == 0) return true;
        p += word + (p[word] == ' ');
    }
    return false;
}

static bool keys_block(daemon_options *options, const key_row *keys, size_t nkeys,
                       config_node *map)
{
    for (config_node *node = map->first; node; node = node->next) {
        const key_row *found = NULL;
        for (size_t i = 0; i < nkeys && !found; i++)
            if (key_is(&keys[i], node->key)) found = &keys[i];
        if (!found) {
            if (!node->used && !keys_unknown(options, keys, nkeys, node)) return false;
            continue;
        }
        if (!keys_value(options, found, node)) return false;
    }
    return true;
}

bool keys_apply(daemon_options *options, config_node *root)
{
    if (!keys_block(options, top_keys, sizeof top_keys / sizeof top_keys[0], root)) return false;
    if (options->accounts) accounts_finish(options);
    if (!operators_finish(options)) return false;
    return users_finish(options);
}
