/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts.h"
#include "callouts.h"
#include "operators.h"
#include "files.h"
#include "flags.h"
#include "keys.h"
#include "labels.h"
#include "log_syslog.h"
#include "users.h"

#define FIELD(name) offsetof(daemon_options, name)

static const flag_spec option_flags[] = {
    {"a addr net", FLAG_TEXT, FIELD(host)},
    {"p port", FLAG_INT, FIELD(port)},
    {"n name server_name", FLAG_TEXT, FIELD(server_name)},
    {"server_version", FLAG_TEXT, FIELD(version)},
    {"P pid", FLAG_TEXT, FIELD(pid_file)},
    {"m http_port", FLAG_INT, FIELD(http_port)},
    {"ms https_port", FLAG_INT, FIELD(https_port)},
    {"kafka", FLAG_INT, FIELD(kafka_port)},
    {"c config", FLAG_TEXT, FIELD(config_file)},
    {"t", FLAG_SWITCH, FIELD(test_config)},
    {"sl signal", FLAG_TEXT, FIELD(signal)},
    {"check", FLAG_TEXT, FIELD(check_dir)},
    {"salvage", FLAG_TEXT, FIELD(salvage_from)},
    {"client_advertise", FLAG_TEXT, FIELD(broker.advertise)},
    {"ports_file_dir", FLAG_TEXT, FIELD(ports_file_dir)},
    {"l log", FLAG_TEXT, FIELD(log.file)},
    {"T logtime", FLAG_SWITCH, FIELD(log.time)},
    {"logtime_utc", FLAG_SWITCH, FIELD(log.utc)},
    {"s syslog", FLAG_SWITCH, FIELD(log.syslog)},
    {"r remote_syslog", FLAG_TEXT, FIELD(log.remote)},
    {"D debug", FLAG_SWITCH, FIELD(log.debug)},
    {"V trace", FLAG_SWITCH, FIELD(log.trace)},
    {"VV", FLAG_SWITCH, FIELD(verbose_trace)},
    {"DV", FLAG_SWITCH, FIELD(debug_trace)},
    {"DVV", FLAG_SWITCH, FIELD(debug_verbose)},
    {"log_size_limit", FLAG_SIZE, FIELD(log.size_limit)},
    {"log_format", FLAG_TEXT, FIELD(log_format)},
    {"max_traced_msg_len", FLAG_INT, FIELD(max_traced)},
    {"js jetstream", FLAG_SWITCH, FIELD(jetstream)},
    {"sd store_dir", FLAG_TEXT, FIELD(store_dir)},
    {"user", FLAG_TEXT, FIELD(user)},
    {"pass", FLAG_TEXT, FIELD(password)},
    {"auth", FLAG_TEXT, FIELD(token)},
    {"tls", FLAG_SWITCH, FIELD(tls.on)},
    {"tlsverify", FLAG_SWITCH, FIELD(tls.conf.verify_peer)},
    {"tlscert", FLAG_TEXT, FIELD(tls.conf.cert_file)},
    {"tlskey", FLAG_TEXT, FIELD(tls.conf.key_file)},
    {"tlscacert", FLAG_TEXT, FIELD(tls.conf.ca_file)},
    {"routes", FLAG_TEXT, FIELD(routes)},
    {"cluster", FLAG_TEXT, FIELD(cluster)},
    {"cluster_name", FLAG_TEXT, FIELD(cluster_name)},
    {"cluster_listen", FLAG_TEXT, FIELD(cluster_listen)},
    {"cluster_advertise", FLAG_TEXT, FIELD(cluster_advertise)},
    {"no_advertise", FLAG_SWITCH, FIELD(no_advertise)},
    {"connect_retries", FLAG_INT, FIELD(connect_retries)},
    {"profile", FLAG_INT, FIELD(profile_port)},
    {"h help", FLAG_SWITCH, FIELD(help)},
    {"help_tls", FLAG_SWITCH, FIELD(help_tls)},
    {"v version", FLAG_SWITCH, FIELD(show_version)},
};

static bool options_fail(daemon_options *options, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(options->error, sizeof options->error, format, args);
    va_end(args);
    return false;
}

void options_note_add(daemon_options *options, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    options_note *note = malloc(sizeof *note + strlen(text) + 1);
    if (!note) return; /* a warning less is no reason to fail */
    strcpy(note->text, text);
    note->next = NULL;
    options_note **at = &options->notes;
    while (*at) at = &(*at)->next;
    *at = note;
}

static void options_defaults(daemon_options *options)
{
    options->host = "0.0.0.0";
    options->port = OPTIONS_PORT;
    options->log.time = true;
    options->lame_duck_grace_ms = 10000;
    options->lame_duck_duration_ms = 120000;
    options->broker.size = sizeof options->broker;
    options->tls.conf.size = options->kafka_tls.conf.size = sizeof options->tls.conf;
    options->web_tls.conf.size = sizeof options->tls.conf;
    options->web.size = sizeof options->web;
    options->kafka.size = sizeof options->kafka;
}

static bool options_flags(daemon_options *options, int argc, char **argv)
{
    char error[FLAGS_ERROR_BYTES];
    int rest = flags_parse(option_flags, sizeof option_flags / sizeof option_flags[0], options,
                           argc, argv, error);
    if (rest < 0) {
        options->usage_error = true;
        return options_fail(options, "%s", error);
    }
    for (; rest < argc; rest++) {
        if (strcmp(argv[rest], "version") == 0)
            options->show_version = true;
        else if (strcmp(argv[rest], "help") == 0)
            options->help = true;
        else if (options->salvage_from && !options->salvage_to)
            options->salvage_to = argv[rest];
        else
            return options_fail(options, "unrecognized command: \"%.200s\"", argv[rest]);
    }
    if (options->salvage_from && !options->salvage_to) {
        options->usage_error = true;
        return options_fail(options, "--salvage FROM TO: TO is missing");
    }
    return true;
}

/* What was asked for and is not there. */
static void options_missing(daemon_options *options)
{
    const struct {
        bool asked;
        const char *what;
    } lacks[] = {
        {options->routes != NULL || options->cluster || options->cluster_name ||
             options->cluster_listen || options->cluster_advertise ||
             options->no_advertise || options->connect_retries != 0,
         "clustering is not supported by this broker"},
        {options->profile_port != 0, "profiling is not supported by this broker"},
    };
    for (size_t i = 0; i < sizeof lacks / sizeof lacks[0]; i++)
        if (lacks[i].asked) options_note_add(options, "%s", lacks[i].what);
}

/* Each flag of TLS asks for it. What is wrong with its files is said by whoever reads them. */
static bool options_tls(daemon_options *options)
{
    const rill_tls *tls = &options->tls.conf;
    if (tls->verify_peer || tls->cert_file || tls->key_file || tls->ca_file) options->tls.on = true;
    if (options->tls_optional && !options->tls.on)
        return options_fail(options, "allow_non_tls without a tls block");
    return true;
}

const rill_listen_opts *options_listen(const daemon_options *options, rill_listen_opts *room)
{
    *room = (rill_listen_opts){.size = sizeof *room, .tls_optional = options->tls_optional,
                               .tls = options->tls.on ? &options->tls.conf : NULL};
    return room;
}

const rill_listen_opts *options_listen_kafka(const daemon_options *options, rill_listen_opts *room)
{
    *room = options->kafka;
    room->tls = options->kafka_tls.on ? &options->kafka_tls.conf : NULL;
    return room;
}

const rill_listen_opts *options_listen_web(const daemon_options *options, rill_listen_opts *room)
{
    *room = options->web;
    room->ws_origins = options->web_origins;
    room->ws_cookies = options->web_cookies;
    room->tls = options->web_tls.on ? &options->web_tls.conf : NULL;
    return room;
}

/* As nats-server has it: a visitor shows no certificate. */
const rill_listen_opts *options_listen_http(daemon_options *options, rill_listen_opts *room)
{
    *room = (rill_listen_opts){.size = sizeof *room, .http_base_path = options->http_base_path};
    if (!options->https_port) return room;
    options->https = options->tls.conf;
    options->https.verify_peer = options->https.verify_and_map = false;
    options->https.first_ms = 0;
    room->tls = &options->https;
    return room;
}

/* Would a broker open this door? It also says what this build has not. */
static bool options_try_door(daemon_options *options, const char *what, const char *url,
                             const rill_listen_opts *opts)
{
    rill_broker *broker;
    if (rill_broker_open(&broker, NULL) < 0)
        return options_fail(options, "%s: %s", what, rill_errmsg());
    bool good = rill_broker_listen(broker, url, opts) >= 0;
    if (!good) options_fail(options, "%s: %s", what, rill_errmsg());
    rill_broker_close(broker, 0);
    return good;
}

/* What the file says of the ports beside that for clients of NATS. */
static bool options_try_doors(daemon_options *options)
{
    rill_listen_opts room;
    if (options->web_port &&
        !options_try_door(options, "websocket", options->web_tls.on ? "wss://127.0.0.1:0"
                                                                    : "ws://127.0.0.1:0",
                          options_listen_web(options, &room)))
        return false;
    if (options->kafka_tls.on &&
        !options_try_door(options, "kafka: tls", "kafkas://127.0.0.1:0",
                          options_listen_kafka(options, &room)))
        return false;
    if (!options->http_port && !options->https_port) return true;
    return options_try_door(options, "http", options->https_port ? "https://127.0.0.1:0"
                                                                 : "http://127.0.0.1:0",
                            options_listen_http(options, &room));
}

bool options_try(daemon_options *options)
{
    rill_listen_opts room;
    rill_broker *broker;
    const rill_broker_opts who = {.size = sizeof who, .users = options->broker.users,
                                  .nusers = options->broker.nusers,
                                  .accounts = options->broker.accounts,
                                  .naccounts = options->broker.naccounts,
                                  .system_account = options->broker.system_account,
                                  .operators = options->broker.operators,
                                  .noperators = options->broker.noperators,
                                  .account_jwts = options->broker.account_jwts,
                                  .naccount_jwts = options->broker.naccount_jwts,
                                  .default_sentinel = options->broker.default_sentinel,
                                  .callout_issuer = options->broker.callout_issuer,
                                  .callout_account = options->broker.callout_account,
                                  .callout_xkey = options->broker.callout_xkey,
                                  .callout_users = options->broker.callout_users,
                                  .ncallout_users = options->broker.ncallout_users,
                                  .callout_accounts = options->broker.callout_accounts,
                                  .ncallout_accounts = options->broker.ncallout_accounts,
                                  .user = options->broker.user,
                                  .password = options->broker.password,
                                  .token = options->broker.token,
                                  .jetstream = options->jetstream,
                                  .no_auth_user = options->broker.no_auth_user};
    if (!labels_try(options)) return false;
    if (rill_broker_open(&broker, &who) < 0)
        return options_fail(options, "authorization: %s", rill_errmsg());
    bool good = !options->tls.on ||
                rill_broker_listen(broker, "nats://127.0.0.1:0",
                                   options_listen(options, &room)) >= 0;
    if (!good) options_fail(options, "tls: %s", rill_errmsg());
    rill_broker_close(broker, 0);
    return good && options_try_doors(options);
}

/* STORE_DIR/jetstream, as nats-server has it. */
static bool options_streams(daemon_options *options)
{
    if (!options->jetstream) return true;
    const char *base = options->store_dir, *temporary = getenv("TMPDIR");
    const char *below = "/jetstream";
    if (!base) {
        options->store_temporary = true;
        base = temporary && temporary[0] ? temporary : "/tmp";
        below = "/rilld/jetstream";
    }
    size_t size = strlen(base) + strlen(below) + 1;
    options->stream_dir = malloc(size);
    if (!options->stream_dir) return options_fail(options, "out of memory");
    snprintf(options->stream_dir, size, "%s%s", base, below);
    options->broker.jetstream = true;
    options->broker.dir = options->stream_dir;
    return true;
}

static bool options_log(daemon_options *options)
{
    log_options *log = &options->log;
    const char *format = options->log_format ? options->log_format : "text";
    if (options->debug_trace || options->debug_verbose) log->debug = true;
    if (options->debug_trace || options->debug_verbose || options->verbose_trace) log->trace = true;
    log->json = strcmp(format, "json") == 0;
    if (!log->json && strcmp(format, "text") != 0)
        return options_fail(options, "log_format is text or json, not \"%.80s\"", format);
    if (!log->remote || syslog_url_is_good(log->remote)) return true;
    return options_fail(options, "remote_syslog is udp://HOST:PORT, tcp://HOST:PORT or "
                        "unix://PATH, not \"%.200s\"", log->remote);
}

/* As rill_listen_opts has them. */
static bool options_cookies(daemon_options *options)
{
    const char *const words[] = {"user", "pass", "token", "jwt"};
    const char *const names[] = {options->user_cookie, options->password_cookie,
                                 options->token_cookie, options->jwt_cookie};
    size_t len = 1, at = 0;
    if (options->jwt_cookie && options->operators.n == 0)
        return options_fail(options, "trusted operators or trusted keys configuration is required "
                            "for JWT authentication via cookie \"%.100s\"", options->jwt_cookie);
    for (size_t i = 0; i < 4; i++)
        if (names[i]) len += strlen(words[i]) + strlen(names[i]) + 2;
    if (len == 1) return true;
    options->web_cookies = calloc(1, len);
    if (!options->web_cookies) return options_fail(options, "out of memory");
    for (size_t i = 0; i < 4; i++)
        if (names[i])
            at += (size_t)snprintf(options->web_cookies + at, len - at, "%s%s=%s", at ? "," : "",
                                   words[i], names[i]);
    if (!options->web.ws_same_origin && !options->web_origins)
        options_note_add(options, "websocket: cookies say who somebody is, and pages of any origin "
                         "may connect: say same_origin or allowed_origins");
    return true;
}

static bool options_check(daemon_options *options)
{
    if (options->port < -1 || options->port > 65535)
        return options_fail(options, "%d is no port", options->port);
    if (options->http_port < -1 || options->http_port > 65535)
        return options_fail(options, "%d is no port", options->http_port);
    if (options->https_port < -1 || options->https_port > 65535)
        return options_fail(options, "%d is no port", options->https_port);
    if (options->https_port && options->http_port)
        return options_fail(options, "can't specify both HTTP (%d) and HTTPs (%d) ports",
                            options->http_port, options->https_port);
    if (options->https_port && !options->tls.on)
        return options_fail(options, "TLS cert and key required for HTTPS");
    if (options->kafka_port < -1 || options->kafka_port > 65535)
        return options_fail(options, "%d is no port", options->kafka_port);
    if (!options->kafka_host) options->kafka_host = options->host;
    if (options->kafka_port) options->jetstream = true;
    if (!options->web_host) options->web_host = options->host;
    if (options->port == 0) options->port = OPTIONS_PORT;
    if (!options->http_host) options->http_host = options->host;
    if (options->server_name && strpbrk(options->server_name, " \t\r\n") != NULL)
        return options_fail(options, "server name cannot contain spaces");
    if (options->token && options->user)
        return options_fail(options, "Cannot have a user/pass and token");
    if (options->password && !options->user)
        return options_fail(options, "a password wants a user beside it");
    if (options->user && !options->password) options->password = "";
    if (!options_log(options) || !options_cookies(options)) return false;
    if (options->max_traced > 0) options->broker.trace_data_bytes = (uint32_t)options->max_traced;
    options->broker.trace = options->log.trace;
    options->broker.name = options->server_name;
    options->broker.version = options->version;
    options->broker.user = options->user;
    options->broker.password = options->password;
    options->broker.token = options->token;
    options_missing(options);
    return options_tls(options) && options_streams(options);
}

bool options_load(daemon_options *options, int argc, char **argv)
{
    *options = (daemon_options){0};
    options_defaults(options);
    if (!options_flags(options, argc, argv)) return false;
    if (options->help || options->show_version || options->signal ||
        options->check_dir || options->salvage_from)
        return true;
    if (options->config_file && options->config_file[0]) {
        /* The file goes between the defaults and the flags, so the flags are read again. */
        const char *path = options->config_file;
        *options = (daemon_options){0};
        options_defaults(options);
        if (!config_load(&options->config, path))
            return options_fail(options, "%s", options->config.error);
        if (!keys_apply(options, options->config.root)) return false;
        if (!options_flags(options, argc, argv)) return false;
    } else if (options->test_config) {
        return options_fail(options, "must specify [-c, --config] option to check configuration "
                            "file syntax");
    }
    return options_check(options);
}

void options_free(daemon_options *options)
{
    for (size_t i = 0; i < options->broker.nmappings; i++) free((void *)options->mappings[i]);
    free(options->mappings);
    users_free(options);
    accounts_free(options);
    operators_free(options);
    callouts_free(options);
    labels_free(options);
    free(options->tls.ciphers);
    free(options->kafka_tls.ciphers);
    free(options->kafka_config);
    free(options->web_tls.ciphers);
    free(options->web_origins);
    free(options->web_cookies);
    config_free(&options->config);
    for (options_note *note = options->notes, *next; note; note = next) {
        next = note->next;
        free(note);
    }
    free(options->stream_dir);
    *options = (daemon_options){0};
}

void options_set_limits(daemon_options *options, const daemon_options *before)
{
    rill_broker_opts *broker = &options->broker;
    if (!options->jetstream) return;
    options->own_max_memory = broker->max_stream_memory_bytes == 0;
    options->own_max_store = broker->max_store_bytes == 0;
    if (options->own_max_memory && (!before || before->own_max_memory))
        broker->max_stream_memory_bytes = before ? before->broker.max_stream_memory_bytes
                                                 : files_memory_bytes() / 4 * 3;
    if (options->own_max_store && (!before || before->own_max_store))
        broker->max_store_bytes = before ? before->broker.max_store_bytes
                                         : files_room_bytes(options->stream_dir) / 4 * 3;
}

static bool options_same(const char *one, const char *other)
{
    return !one || !other ? one == other : strcmp(one, other) == 0;
}

const char *options_fixed_change(const daemon_options *now, const daemon_options *next)
{
    if (!options_same(now->host, next->host)) return "Host";
    if (now->port != next->port) return "Port";
    if (!options_same(now->kafka_host, next->kafka_host) || now->kafka_port != next->kafka_port ||
        !options_same(now->kafka.advertise, next->kafka.advertise) ||
        now->kafka.no_auto_create != next->kafka.no_auto_create ||
        now->kafka.partitions != next->kafka.partitions ||
        !options_same(now->kafka_config, next->kafka_config))
        return "Kafka";
    if (!options_same(now->web_host, next->web_host) || now->web_port != next->web_port ||
        now->web_tls.on != next->web_tls.on)
        return "Websocket";
    if (!options_same(now->http_host, next->http_host)) return "HTTPHost";
    if (!options_same(now->http_base_path, next->http_base_path)) return "HTTPBasePath";
    if (now->http_port != next->http_port) return "HTTPPort";
    if (now->https_port != next->https_port) return "HTTPSPort";
    if (!options_same(now->server_name, next->server_name)) return "ServerName";
    if (!options_same(now->version, next->version)) return "Version";
    if (now->jetstream != next->jetstream) return "JetStream";
    if (!options_same(now->store_dir, next->store_dir)) return "StoreDir";
    if (!options_same(now->broker.domain, next->broker.domain)) return "JetStreamDomain";
    if (now->broker.sync != next->broker.sync ||
        now->broker.sync_interval_ms != next->broker.sync_interval_ms)
        return "SyncInterval";
    if (now->broker.spin_us != next->broker.spin_us) return "Spin";
    if (now->broker.max_store_bytes != next->broker.max_store_bytes) return "JetStreamMaxStore";
    if (now->broker.max_stream_memory_bytes != next->broker.max_stream_memory_bytes)
        return "JetStreamMaxMemory";
    if (now->broker.max_dedupe_ms != next->broker.max_dedupe_ms ||
        now->broker.max_unacked != next->broker.max_unacked ||
        now->broker.max_pull_batch != next->broker.max_pull_batch ||
        now->broker.max_subjects != next->broker.max_subjects)
        return "JetStreamLimits";
    if (!options_same(now->ports_file_dir, next->ports_file_dir)) return "PortsFileDir";
    return NULL;
}

void options_usage(const char *program)
{
    printf("\nUsage: %s [options]\n"
           "\nServer Options:\n"
           "    -a, --addr, --net <host>         Bind to host address (default: 0.0.0.0)\n"
           "    -p, --port <port>                Use port for clients (default: 4222; -1: any)\n"
           "    -n, --name\n"
           "        --server_name <server_name>  Server name (default: auto)\n"
           "        --server_version <version>   Version announced to clients\n"
           "    -P, --pid <file>                 File to store PID\n"
           "    -m, --http_port <port>           Use port for http monitoring\n"
           "    -ms, --https_port <port>         Use port for https monitoring\n"
           "        --kafka <port>               Use port for Kafka's clients; enables JetStream\n"
           "                                     (TLS there, and what groups may do: kafka {}\n"
           "                                     of the file)\n"
           "    -c, --config <file>              Configuration file\n"
           "    -t                               Test configuration and exit\n"
           "    -sl,--signal <signal>[=<pid>]    Send signal to a running process (ldm, stop,\n"
           "                                     quit, term, reopen, reload); <pid> is a PID or\n"
           "                                     the path of a PID file\n"
           "        --ports_file_dir <dir>       Creates a ports file in the specified directory\n"
           "                                     (<executable_name>_<pid>.ports)\n"
           "\nJetStream Options:\n"
           "    -js, --jetstream                 Enable JetStream\n"
           "    -sd, --store_dir <dir>           Set the storage directory\n"
           "        --check <dir>                Look for damage in a store that is not in use\n"
           "        --salvage <from> <to>        Copy what is whole of it to a new one. Both end\n"
           "                                     with 0: no damage, 3: damages, 1: neither\n"
           "\nLogging Options:\n"
           "    -l, --log <file>                 File to redirect log output\n"
           "    -T, --logtime                    Timestamp log entries (default: true)\n"
           "        --logtime_utc                Timestamps in UTC (default: false)\n"
           "        --log_size_limit <bytes>     Put a log file of this size aside\n"
           "        --log_format <format>        text, or json: an object a line\n"
           "    -s, --syslog                     Log to syslog\n"
           "    -r, --remote_syslog <url>        Log to a syslog elsewhere (udp://host:514)\n"
           "    -D, --debug                      Enable debugging output\n"
           "    -V, --trace                      Trace the raw protocol\n"
           "    -DV                              Debug and trace\n"
           "        --max_traced_msg_len <len>   Maximum printable length for traced messages\n",
           program);
    printf("\nAuthorization Options:\n"
           "        --user <user>                User required for connections\n"
           "        --pass <password>            Password required for connections\n"
           "        --auth <token>               Authorization token required for connections\n"
           "\nTLS Options:\n"
           "        --tls                        Enable TLS, do not verify clients\n"
           "        --tlscert <file>             Server certificate, and those who signed it\n"
           "        --tlskey <file>              Private key of the certificate\n"
           "        --tlsverify                  Enable TLS, verify client certificates\n"
           "        --tlscacert <file>           Certificates that those of clients are signed by\n"
           "\nCommon Options:\n"
           "    -h, --help                       Show this message\n"
           "    -v, --version                    Show version\n"
           "\nnats-server's other options are understood. What of them is missing here is named\n"
           "in a warning.\n\n");
}
