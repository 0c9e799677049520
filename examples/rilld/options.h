/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon is asked to be: defaults, then the configuration file, then the flags, the
 * later over the earlier. A key of the file that means nothing here is named in a warning. One
 * that asks for protection which this broker cannot give is an error: to start without it would
 * leave a door open that its owner believes shut. */
#ifndef RILLD_OPTIONS_H
#define RILLD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "log.h"
#include "rill.h"

enum {
    OPTIONS_PORT = 4222,
    OPTIONS_ERROR_BYTES = 640,
};

typedef struct options_note {
    struct options_note *next;
    char text[];
} options_note;

typedef struct daemon_user {
    rill_user user;              /* its lists are ours if it has permissions */
    bool has_permissions;
} daemon_user;

typedef struct daemon_account {
    struct daemon_account *next;
    rill_account row;
    const rill_mapping **mappings; /* of it; ours, as are its rows */
    rill_user defaults;          /* what those may do who have no permissions of their own */
    rill_export *exports;        /* of it; ours, as are its imports */
    const rill_export **export_rows;
    rill_import *imports;
    const rill_import **import_rows;
    char **import_names;         /* of those that have a prefix */
} daemon_account;

typedef struct daemon_jwts {
    const char **texts;          /* ours; each is of the configuration, or in `owned` */
    size_t n;
    char **owned;                /* what was read from files */
    size_t nowned;
} daemon_jwts;

typedef struct daemon_resolver { /* where the JWTs of accounts are, besides the file */
    const char *dir;             /* NULL: nowhere */
    bool cache;                  /* it takes new ones of the accounts that it has alone */
    bool allow_delete, hard_delete;
    size_t limit;                /* accounts, at most; 0: as many as a broker may have */
} daemon_resolver;

typedef struct daemon_tls {
    bool on;                     /* the file has a block of it, or a flag is given */
    rill_tls conf;
    char *ciphers;               /* of it; ours */
} daemon_tls;

typedef struct daemon_options {
    /* what to do in place of serving */
    bool help, help_tls, show_version, test_config;
    const char *signal;          /* "reload", "stop=PID", ... */
    const char *check_dir;       /* a store to look at */
    const char *salvage_from, *salvage_to; /* a store to save; a word behind the flags */

    /* the listener */
    const char *host;            /* "0.0.0.0" */
    int port;                    /* 4222; -1: any that is free */
    const char *server_name;     /* NULL: the broker's id */
    const char *version;         /* announced to clients; NULL: the library's choice */

    /* the port for Kafka's clients, who have streams as topics: with it there are streams */
    const char *kafka_host;      /* NULL: host */
    int kafka_port;              /* 0: none; -1: any that is free */
    rill_listen_opts kafka;
    daemon_tls kafka_tls;        /* of that port */
    char *kafka_config;          /* of groups: broker.kafka_config; NULL: nothing is said */

    /* the port for WebSocket, over which NATS is spoken */
    const char *web_host;        /* NULL: host */
    int web_port;                /* 0: none; -1: any that is free */
    rill_listen_opts web;
    daemon_tls web_tls;          /* of that port */
    bool web_no_tls;             /* it goes without */
    char *web_origins;           /* of `web`; ours, as the next */
    char *web_cookies;
    const char *user_cookie, *password_cookie, *token_cookie, *jwt_cookie;

    /* the monitoring port */
    const char *http_host;       /* NULL: host */
    const char *http_base_path;  /* NULL: "/" */
    int http_port, https_port;   /* 0: none; -1: any that is free; one of them at most */
    rill_tls https;              /* what options_listen_http() has made of tls */

    /* files */
    const char *config_file;
    const char *pid_file;
    const char *ports_file_dir;
    log_options log;
    const char *log_format;      /* NULL: "text" */
    bool debug_trace, verbose_trace, debug_verbose;  /* -DV -VV -DVV */

    /* limits and credentials; its strings are ours */
    rill_broker_opts broker;
    const rill_mapping **mappings; /* of `broker`; ours, as are its rows */
    const char *user, *password, *token;
    daemon_account *accounts;    /* ours, as the next, which `broker` has */
    const rill_account **account_rows;
    size_t naccounts;
    daemon_jwts operators;       /* JWTs and public keys, which `broker` has, as the next */
    daemon_jwts account_jwts;
    bool resolver;               /* the file says where accounts come from: */
    daemon_resolver resolver_conf;
    struct daemon_user *users;   /* ours, as the next */
    const rill_user **user_rows;
    size_t nusers;
    rill_user user_defaults;     /* what those may do who have no permissions of their own */
    uint32_t lame_duck_grace_ms, lame_duck_duration_ms;

    /* streams; the limits are in `broker` */
    bool jetstream;
    const char *store_dir;       /* "jetstream" in it is theirs; NULL: in the system's place for
                                    temporary files */
    bool store_temporary;        /* it was NULL */
    char *stream_dir;            /* that directory; ours */
    bool own_max_memory, own_max_store; /* nobody gave the limit: options_set_limits() did */

    /* understood, and told that they do nothing here */
    const char *routes, *cluster, *cluster_name, *cluster_listen, *cluster_advertise;
    bool no_advertise;
    int connect_retries, profile_port, max_traced;

    /* TLS */
    daemon_tls tls;              /* of the listener */
    bool tls_optional;           /* allow_non_tls */

    config_tree config;          /* the file; its strings are used above */
    options_note *notes;         /* warnings, in the order found */
    char error[OPTIONS_ERROR_BYTES];
    bool usage_error;            /* the command line is wrong */
} daemon_options;

/* Read argv and the file that it names; false leaves a sentence in error. options_free() it
 * either way. Strings of argv are used, not copied. */
bool options_load(daemon_options *options, int argc, char **argv);
void options_free(daemon_options *options);
/* Where no limit of streams was given: three quarters of the memory, and of what the disk has for
 * them, as nats-server has it. `before` NULL, or what runs: its limits stay. */
void options_set_limits(daemon_options *options, const daemon_options *before);
/* Does `next`, read later, differ in what cannot change while running? Then what, else NULL. */
const char *options_fixed_change(const daemon_options *now, const daemon_options *next);
/* What the listener is opened with; `room` is lent. */
const rill_listen_opts *options_listen(const daemon_options *options, rill_listen_opts *room);
/* The same for Kafka's clients. */
const rill_listen_opts *options_listen_kafka(const daemon_options *options, rill_listen_opts *room);
/* ... and for WebSocket. */
const rill_listen_opts *options_listen_http(daemon_options *options, rill_listen_opts *room);
const rill_listen_opts *options_listen_web(const daemon_options *options, rill_listen_opts *room);
/* Would a broker take the users, and a listener the files of TLS? False leaves a sentence in
 * error. */
bool options_try(daemon_options *options);
void options_usage(const char *program);

#endif
