/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "api/build.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "front/broker/durable.h"
#include "front/broker/login.h"
#include "front/broker/roll.h"
#include "front/handle/peer.h"
#include "net/host_wire.h"

/* The public name of a ri_broker: one object, two types. */
static ri_broker *broker_of(rill_broker *handle)
{
    return (ri_broker *)(void *)handle;
}

static int broker_is_open(rill_broker *handle)
{
    if (!handle) return ri_err(RILL_EINVAL, "the broker is NULL");
    if (broker_of(handle)->magic == RI_BROKER_MAGIC) return RILL_OK;
    return ri_err(RILL_EINVAL, "that is no open broker");
}

static int broker_check(rill_broker *handle)
{
    int rc = broker_is_open(handle);
    return rc < 0 ? rc : ri_args_process(broker_of(handle)->stamp);
}

/* Do the options speak of streams? If not, streams are there, without limits, once a bus asks. */
static bool broker_says_of_streams(const rill_broker_opts *opts)
{
    return opts->dir || opts->jetstream || opts->max_stream_memory_bytes || opts->max_dedupe_ms ||
           opts->max_unacked || opts->max_pull_batch;
}

/* Is there an account whose questions about the server are answered without JetStream, too? */
static bool broker_attends(ri_broker *broker, const rill_broker_opts *opts)
{
    ri_broker_enter(broker);
    bool asks = ri_accounts_system(broker->conf.accounts) != NULL;
    ri_broker_leave(broker);
    return asks && !opts->jetstream && ri_build_service;
}

static int broker_open_streams(ri_broker *broker, const rill_broker_opts *opts)
{
    bool attends = broker_attends(broker, opts);
    ri_durable_opts durable = {
        .dir = opts->dir,
        .domain = opts->domain,
        .max_memory_bytes = opts->max_stream_memory_bytes,
        .max_file_bytes = opts->max_store_bytes,
        .duplicate_window_ns = ri_ns_of_ms(opts->max_dedupe_ms),
        .max_ack_pending = opts->max_unacked,
        .max_batch = opts->max_pull_batch,
        .service = opts->jetstream || attends ? ri_build_service : NULL,
        .attends = attends,
        .hosted = opts->drive == RILL_DRIVE_HOST,
        .max_subjects = RI_MIN(opts->max_subjects ? opts->max_subjects : RI_LIMIT_JS_NAMED,
                               RI_LIMIT_JS_NAMED_MAX),
    };
    int rc = ri_durable_set_sync(&durable, opts->sync, opts->sync_interval_ms);
    if (rc == RILL_OK) rc = ri_broker_need_durable(broker, &durable);
    if (rc == RILL_OK && broker_says_of_streams(opts)) rc = ri_broker_need_durable(broker, NULL);
    return rc;
}

static int broker_users(const rill_broker_opts *own)
{
    int rc = ri_args_rows((const void *const *)own->users, own->nusers, sizeof(rill_user),
                          "rill_user");
    for (size_t i = 0; rc == RILL_OK && i < own->nusers; i++)
        rc = ri_args_user_reserved(own->users[i]);
    return rc;
}

static int broker_exports(const rill_account *row)
{
    int rc = ri_args_rows((const void *const *)row->exports, row->nexports, sizeof(rill_export),
                          "rill_export");
    for (size_t i = 0; rc == RILL_OK && i < row->nexports; i++) {
        const rill_export *export = row->exports[i];
        rc = ri_args_reserved(&export->reserved, sizeof export->reserved, "rill_export");
        if (rc == RILL_OK)
            rc = ri_args_reserved(&export->reserved2, sizeof export->reserved2, "rill_export");
        if (rc == RILL_OK && export->naccounts > 0 && !export->accounts)
            rc = ri_err(RILL_EINVAL, "rill_export: naccounts, and accounts is NULL");
    }
    if (rc == RILL_OK)
        rc = ri_args_rows((const void *const *)row->imports, row->nimports, sizeof(rill_import),
                          "rill_import");
    for (size_t i = 0; rc == RILL_OK && i < row->nimports; i++)
        rc = ri_args_reserved(&row->imports[i]->reserved, sizeof row->imports[i]->reserved,
                              "rill_import");
    return rc;
}

static int broker_accounts(const rill_broker_opts *own)
{
    int rc = ri_args_rows((const void *const *)own->accounts, own->naccounts, sizeof(rill_account),
                          "rill_account");
    for (size_t i = 0; rc == RILL_OK && i < own->naccounts; i++) {
        const rill_account *row = own->accounts[i];
        rc = ri_args_reserved(&row->reserved, sizeof row->reserved, "rill_account");
        if (rc == RILL_OK)
            rc = ri_args_reserved(&row->reserved2, sizeof row->reserved2, "rill_account");
        if (rc == RILL_OK)
            rc = ri_args_rows((const void *const *)row->mappings, row->nmappings,
                              sizeof(rill_mapping), "rill_mapping");
        if (rc == RILL_OK) rc = broker_exports(row);
    }
    return rc;
}

static int broker_texts(const char *const *texts, size_t n, const char *what)
{
    if (n && !texts) return ri_err(RILL_EINVAL, "%s is NULL, with %zu of them", what, n);
    for (size_t i = 0; i < n; i++)
        if (!texts[i]) return ri_err(RILL_EINVAL, "%s: the one at %zu is NULL", what, i);
    return RILL_OK;
}

static int broker_opts(rill_broker_opts *own, const rill_broker_opts *opts)
{
    int rc = RI_ARGS_OPTS(own, opts, "rill_broker_opts");
    if (rc == RILL_OK)
        rc = ri_args_reserved(&own->reserved2, sizeof own->reserved2, "rill_broker_opts");
    if (rc < 0) return rc;
    if (own->nmappings > RI_LIMIT_MAPPINGS)
        return ri_err(RILL_ETOOBIG, "%zu mappings; at most %d", own->nmappings, RI_LIMIT_MAPPINGS);
    if (own->nusers > RI_LIMIT_USERS)
        return ri_err(RILL_ETOOBIG, "%zu users; at most %d", own->nusers, RI_LIMIT_USERS);
    if (own->naccounts > RI_LIMIT_ACCOUNTS)
        return ri_err(RILL_ETOOBIG, "%zu accounts; at most %d", own->naccounts, RI_LIMIT_ACCOUNTS);
    if (own->noperators > RI_LIMIT_OPERATORS)
        return ri_err(RILL_ETOOBIG, "%zu operators; at most %d", own->noperators,
                      RI_LIMIT_OPERATORS);
    if (own->naccount_jwts > RI_LIMIT_ACCOUNTS)
        return ri_err(RILL_ETOOBIG, "%zu account_jwts; at most %d", own->naccount_jwts,
                      RI_LIMIT_ACCOUNTS);
    rc = broker_texts(own->operators, own->noperators, "operators");
    if (rc == RILL_OK) rc = broker_texts(own->account_jwts, own->naccount_jwts, "account_jwts");
    if (rc == RILL_OK)
        rc = broker_texts(own->callout_users, own->ncallout_users, "callout_users");
    if (rc == RILL_OK)
        rc = broker_texts(own->callout_accounts, own->ncallout_accounts, "callout_accounts");
    if (rc == RILL_OK) rc = broker_users(own);
    if (rc == RILL_OK) rc = broker_accounts(own);
    if (rc < 0) return rc;
    return ri_args_rows((const void *const *)own->mappings, own->nmappings, sizeof(rill_mapping),
                        "rill_mapping");
}

int rill_broker_open(rill_broker **broker, const rill_broker_opts *opts)
{
    rill_broker_opts own;
    if (!broker) return ri_err(RILL_EINVAL, "broker is NULL");
    *broker = NULL;
    int rc = broker_opts(&own, opts);
    if (rc < 0) return rc;
    ri_broker *made = NULL;
    rc = ri_broker_new(&made, &own);
    bool opens = rc == RILL_OK && (broker_says_of_streams(&own) || broker_attends(made, &own));
    if (opens && (rc = broker_open_streams(made, &own)) < 0) {
        ri_broker_unref(made);
        made = NULL;
    }
    *broker = (rill_broker *)(void *)made;
    return rc;
}

int rill_login_answer(const rill_login *login, const rill_user *as, const char *why)
{
    rill_user own;
    if (!login) return ri_err(RILL_EINVAL, "the login is NULL");
    int rc = as ? RI_ARGS_OPTS(&own, as, "rill_user") : RILL_OK;
    if (as && rc == RILL_OK) rc = ri_args_user_reserved(&own);
    if (rc < 0) return rc;
    return ri_login_answer((ri_login *)(uintptr_t)login, as ? &own : NULL, why);
}

int rill_broker_close(rill_broker *broker, int timeout_ms)
{
    if (!broker) return RILL_OK;
    int rc = broker_check(broker);
    if (rc < 0) return rc;
    rc = ri_broker_close(broker_of(broker), timeout_ms);
    ri_broker_unref(broker_of(broker));
    return rc;
}

int rill_broker_listen(rill_broker *broker, const char *url, const rill_listen_opts *opts)
{
    rill_listen_opts own;
    int rc = broker_check(broker);
    rill_tls tls;
    if (rc == RILL_OK) rc = RI_ARGS_OPTS(&own, opts, "rill_listen_opts");
    if (rc == RILL_OK)
        rc = ri_args_reserved(&own.reserved2, sizeof own.reserved2, "rill_listen_opts");
    if (rc == RILL_OK) rc = ri_args_tls(&tls, &own.tls);
    if (rc < 0) return rc;
    if (!url) return ri_err(RILL_EINVAL, "url is NULL");
    if (own.tls_optional && !own.tls)
        return ri_err(RILL_EINVAL, "tls_optional without tls");
    if (own.tls_optional && tls.handshake_first && !tls.first_ms)
        return ri_err(RILL_EINVAL, "tls_optional with handshake_first wants first_ms: who speaks "
                      "no TLS has to see INFO");
    return ri_broker_listen(broker_of(broker), ri_build_doors, url, &own);
}

int rill_broker_accept(rill_broker *broker, const char *url, rill_wire *wire)
{
    ri_wire *own;
    int rc = broker_is_open(broker); /* a dial() may call it */
    if (rc == RILL_OK) rc = ri_args_fork(broker_of(broker)->stamp);
    if (rc == RILL_OK && !url) rc = ri_err(RILL_EINVAL, "url is NULL");
    if (rc == RILL_OK && (!strncmp(url, "ws:", 3) || !strncmp(url, "wss:", 4)))
        rc = ri_err(RILL_EINVAL, "%.100s: a wire that is given speaks the protocol of nats://, "
                    "without WebSocket", url);
    if (rc < 0) {
        ri_failure why;
        ri_failure_keep(&why, rc);
        rill_wire_close(wire);
        return ri_failure_restore(&why);
    }
    if ((rc = ri_host_wire_take(wire, &own)) < 0) return rc;
    return ri_broker_accept(broker_of(broker), ri_build_doors, url, own);
}

/* It is `own` from then on. */
static int broker_identity(rill_user *own, const rill_user **identity)
{
    int rc = RI_ARGS_OPTS(own, *identity, "rill_user");
    *identity = own;
    return rc < 0 ? rc : ri_args_user_reserved(own);
}

int rill_broker_bus(rill_broker *broker, rill_bus **bus, const rill_opts *opts)
{
    if (!bus) return ri_err(RILL_EINVAL, "bus is NULL");
    *bus = NULL;
    rill_opts own;
    rill_user identity;
    int rc = broker_check(broker);
    if (rc == RILL_OK) rc = ri_args_bus_opts(&own, opts);
    if (rc == RILL_OK && own.tls)
        return ri_err(RILL_EINVAL, "tls: a bus to this broker touches no socket");
    if (rc == RILL_OK && (own.memory || own.flash))
        rc = ri_err(RILL_ENOTSUP, "memory and flash are for a build for firmware: -Dprofile=micro");
    if (rc == RILL_OK && own.identity) rc = broker_identity(&identity, &own.identity);
    return rc < 0 ? rc : ri_build_join(bus, broker_of(broker), &own);
}

int rill_broker_reload(rill_broker *broker, const rill_broker_opts *opts)
{
    rill_broker_opts own;
    int rc = broker_check(broker);
    if (rc < 0) return rc;
    if ((rc = broker_opts(&own, opts)) < 0) return rc;
    rc = ri_broker_reload(broker_of(broker), &own);
    bool attends = rc == RILL_OK && broker_attends(broker_of(broker), &own);
    return attends ? broker_open_streams(broker_of(broker), &own) : rc;
}

int rill_broker_lame_duck(rill_broker *broker, uint32_t grace_ms, uint32_t duration_ms)
{
    int rc = broker_check(broker);
    return rc < 0 ? rc : ri_broker_lame_duck(broker_of(broker), grace_ms, duration_ms);
}

int rill_broker_stats(rill_broker *broker, rill_stats *out)
{
    rill_stats own = {.size = sizeof own};
    int rc = ri_args_out(&own, sizeof own, out, "rill_stats");
    if (rc == RILL_OK) rc = broker_check(broker);
    if (rc < 0) return rc;
    ri_broker_stats(broker_of(broker), &own);
    return ri_args_out(&own, sizeof own, out, "rill_stats");
}

int rill_broker_about(rill_broker *broker, rill_broker_info *out)
{
    int rc = broker_check(broker);
    if (rc < 0) return rc;
    const ri_broker *b = broker_of(broker);
    rill_broker_info own = {.size = sizeof own, .id = b->keys.id, .version = b->version,
                            .name = b->name, .tls_library = b->tls_library};
    ri_broker_enter(broker_of(broker));
    own.tls_expires_ns = ri_door_tls_expires_ns(b);
    ri_broker_leave(broker_of(broker));
    return ri_args_out(&own, sizeof own, out, "rill_broker_info");
}

int rill_broker_conns(rill_broker *broker, const rill_conns_opts *opts, rill_conn_fn fn, void *arg)
{
    rill_conns_opts own;
    int rc = broker_check(broker);
    if (rc < 0 || (rc = ri_args_opts(&own, sizeof own, opts, "rill_conns_opts")) < 0) return rc;
    if (!fn) return ri_err(RILL_EINVAL, "fn is NULL");
    return ri_roll_conns(broker_of(broker), own.after, fn, arg);
}

int rill_broker_subs(rill_broker *broker, const rill_conn_subs_opts *opts, rill_conn_sub_fn fn,
                     void *arg, uint64_t *total)
{
    rill_conn_subs_opts own;
    uint64_t unheard;
    if (!total) total = &unheard;
    *total = 0;
    int rc = broker_check(broker);
    if (rc < 0 || (rc = ri_args_opts(&own, sizeof own, opts, "rill_conn_subs_opts")) < 0) return rc;
    if (!fn) return ri_err(RILL_EINVAL, "fn is NULL");
    if (own.matches && (rc = ri_subject_check_literal(ri_str_of(own.matches))) < 0) return rc;
    return ri_roll_subs(broker_of(broker), &own, fn, arg, total);
}

int rill_jetstream_ask(rill_bus *bus, const char *subject, const void *body, size_t len,
                       rill_msg **answer, int timeout_ms)
{
    if (!answer) return ri_err(RILL_EINVAL, "answer is NULL");
    *answer = NULL;
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && !subject) rc = ri_err(RILL_EINVAL, "the subject is NULL");
    if (rc == RILL_OK) rc = ri_args_data(body, len);
    if (rc < 0) return rc;
    ri_ask ask = {.kind = RI_ASK_API, .subject = ri_str_of(subject), .body = {body, len},
                  .timeout_ns = ri_timeout_ns(timeout_ms), .out.msg = answer};
    return ri_ask_run(bus, &ask);
}
