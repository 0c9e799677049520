/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "codec/web/nkey.h"
#include "engine/access/claims.h"
#include "log.h"
#include "reloads.h"

enum {
    RESOLVER_SUBS = 7,
    RESOLVER_PENDING = JWT_DIR_MAX,    /* requests that wait, ... */
    RESOLVER_PENDING_BYTES = 16 << 20, /* ... and their bytes */
    RESOLVER_BATCH = 256,              /* JWTs that are kept together */
};

typedef enum resolver_kind {
    RESOLVER_FULL,
    RESOLVER_CACHE,
    RESOLVER_MEMORY,
} resolver_kind;

/* Where it is asked. A reload hands it over, with the requests that wait. */
typedef struct resolver_line {
    resolver *owner;            /* who answers */
    rill_bus *bus;
    rill_sub *subs[RESOLVER_SUBS];
} resolver_line;

struct resolver {
    resolver_kind kind;
    bool deletes, for_good;     /* accounts may be deleted; without a copy that stays */
    ri_host host;
    ri_arena arena;             /* what operators claim */
    ri_claims_operator *operators; /* in the arena: of a public key, that alone */
    size_t noperators;
    const char *system;         /* the system's account; lent, or in the arena; NULL: none */
    jwt_dir dir;
    const char **texts;         /* ours; what the broker was given */
    size_t cap;
    rill_broker *broker;
    const daemon_options *options;
    resolver_line *line;        /* owned; NULL: nobody is there who could ask */
    uint64_t answers;           /* so far */
    /* JWTs that are neither in memory nor kept yet: one of an account, and who waits for it. */
    jwt_dir_entry *entries[RESOLVER_BATCH], *befores[RESOLVER_BATCH];
    rill_msg *asks[RESOLVER_BATCH];
    size_t nbatch;
};

/* ---- Whom to believe ---- */

static bool resolver_fail(char error[JWT_DIR_ERROR], const char *text)
{
    snprintf(error, JWT_DIR_ERROR, "%s", text);
    return false;
}

static int resolver_read_operator(resolver *r, const char *text, ri_claims_operator *out)
{
    ri_jwt jwt;
    *out = (ri_claims_operator){.key = ri_str_of(text)};
    if (ri_nkey_kind(out->key) == 'O') return RILL_OK;
    int rc = ri_jwt_read(&jwt, ri_jwt_undress(ri_str_of(text)), &r->arena);
    return rc < 0 ? rc : ri_claims_read_operator(out, &jwt, &r->arena);
}

static bool resolver_read_operators(resolver *r, daemon_options *options)
{
    const daemon_jwts *jwts = &options->operators;
    r->system = options->broker.system_account;
    r->operators = ri_arena_alloc(&r->arena, ri_size_mul(jwts->n, sizeof *r->operators));
    for (size_t i = 0; i < jwts->n; i++) {
        ri_claims_operator *operator = &r->operators[i];
        int rc = r->operators ? resolver_read_operator(r, jwts->texts[i], operator) : RILL_ENOMEM;
        if (rc < 0) {
            snprintf(options->error, sizeof options->error, "operator: %s", ri_err_text());
            return false;
        }
        if (!r->system && operator->system_account.len) r->system = operator->system_account.ptr;
        r->noperators++;
    }
    return true;
}

/* May that key sign accounts? `own`: it is the key of an operator who signs with others. */
static bool resolver_believes(const resolver *r, ri_str key, bool *own)
{
    *own = false;
    for (size_t i = 0; i < r->noperators; i++) {
        const ri_claims_operator *operator = &r->operators[i];
        bool is_own = ri_str_eq(key, operator->key);
        if (is_own && !operator->strict) return true;
        *own = *own || is_own;
        for (size_t k = 0; k < operator->signers.n; k++)
            if (ri_str_is(key, operator->signers.at[k])) return true;
    }
    return false;
}

static bool resolver_judge(const resolver *r, const ri_jwt *jwt, char error[JWT_DIR_ERROR])
{
    bool own;
    if (resolver_believes(r, jwt->issuer, &own)) return true;
    return resolver_fail(error, own ? "operator requires issuer to be a signing key"
                                    : "Account JWT not signed by trusted operator");
}

/* jwt_dir_check */
static bool resolver_check(void *arg, jwt_dir_entry *entry, char error[JWT_DIR_ERROR])
{
    resolver *r = arg;
    ri_arena arena;
    ri_jwt jwt;
    ri_claims_account claims;
    ri_arena_init(&arena, &r->host);
    int rc = ri_jwt_read(&jwt, ri_jwt_undress((ri_str){entry->text, entry->len}), &arena);
    if (jwt.subject.len == JWT_DIR_KEY)
        snprintf(entry->key, sizeof entry->key, "%s", jwt.subject.ptr);
    if (rc == RILL_OK) rc = ri_claims_read_account(&claims, &jwt, &arena);
    if (rc == RILL_OK && !ri_jwt_is_signed(&jwt))
        rc = ri_err(RILL_EINVAL, "claim failed signature verification");
    bool good = rc < 0 ? resolver_fail(error, ri_err_text()) : resolver_judge(r, &jwt, error);
    if (rc == RILL_OK) {
        entry->is_signed = true;
        entry->issued_s = claims.issued_s;
        entry->expires_s = claims.expires_s;
    }
    ri_arena_fini(&arena);
    return good;
}

/* ---- What the broker has ---- */

static bool resolver_list(resolver *r, char error[JWT_DIR_ERROR])
{
    size_t n = r->dir.n;
    if (n >= r->cap) {
        const char **texts = realloc(r->texts, (n + 16) * sizeof *texts);
        if (!texts) return resolver_fail(error, "out of memory");
        r->texts = texts;
        r->cap = n + 16;
    }
    for (size_t i = 0; i < n; i++) r->texts[i] = r->dir.entries[i]->text;
    return true;
}

/* What is in memory begins to count. */
static bool resolver_apply(resolver *r, char error[JWT_DIR_ERROR])
{
    rill_broker_opts opts = r->options->broker;
    if (!resolver_list(r, error)) return false;
    opts.account_jwts = r->texts;
    opts.naccount_jwts = r->dir.n;
    return rill_broker_reload(r->broker, &opts) == RILL_OK || resolver_fail(error, rill_errmsg());
}

/* `entry` is taken; NULL: that account goes. All or nothing. */
static bool resolver_change(resolver *r, const char *key, jwt_dir_entry *entry,
                            char error[JWT_DIR_ERROR])
{
    char again[JWT_DIR_ERROR];
    jwt_dir_entry *before;
    if (!jwt_dir_swap(&r->dir, key, entry, &before, error)) {
        jwt_dir_entry_free(entry);
        return false;
    }
    bool applied = resolver_apply(r, error);
    bool good = applied && (entry ? jwt_dir_write(&r->dir, entry, before, error)
                                  : jwt_dir_remove(&r->dir, before, r->for_good, error));
    if (good) {
        jwt_dir_entry_free(before);
        return true;
    }
    jwt_dir_swap(&r->dir, key, before, &entry, again);
    if (applied && !resolver_apply(r, again))
        log_line(RILL_ERROR, "resolver: account %s: %s", key, again);
    jwt_dir_entry_free(entry);
    return false;
}

/* ---- Answers ---- */

static void resolver_put_text(ri_buffer *out, const char *name, const char *text)
{
    ri_buffer_printf(out, "\"%s\":", name);
    ri_json_put_string(out, ri_str_of(text));
}

static void resolver_send(const rill_msg *m, const ri_buffer *out)
{
    ri_str text = ri_buffer_str(out);
    if (m->reply.len && !out->failed && rill_reply(m, text.ptr, text.len, NULL) < 0)
        log_line(RILL_ERROR, "resolver: %s", rill_errmsg());
}

/* `error` NULL: it went well. */
static void resolver_say(resolver *r, const rill_msg *m, const char *account, const char *text,
                         const char *error)
{
    ri_buffer out;
    ri_buffer_init(&out, &r->host);
    log_line(error ? RILL_ERROR : RILL_DEBUG, "%s%s%s%s%s", text, *account ? " - " : "", account,
             error ? " - " : "", error ? error : "");
    ri_buffer_puts(&out, "{");
    reloads_put_server(r->broker, r->options->jetstream, ++r->answers, &out);
    ri_buffer_printf(&out, ",\"%s\":{", error ? "error" : "data");
    if (*account) {
        resolver_put_text(&out, "account", account);
        ri_buffer_puts(&out, ",");
    }
    ri_buffer_printf(&out, "\"code\":%d,\"%s\":", error ? 500 : 200,
                     error ? "description" : "message");
    char all[2 * JWT_DIR_ERROR];
    snprintf(all, sizeof all, "%s%s%s", text, error ? " - " : "", error ? error : "");
    ri_json_put_string(&out, ri_str_of(all));
    ri_buffer_puts(&out, "}}");
    resolver_send(m, &out);
    ri_buffer_fini(&out);
}

/* ---- Requests ---- */

/* The key among the tokens of the subject; false: there is none of an account. */
static bool resolver_key_of(rill_str subject, char key[JWT_DIR_KEY + 1])
{
    ri_str rest = subject, token;
    while (ri_str_cut(&rest, '.', &token)) {
        if (token.len != JWT_DIR_KEY || ri_nkey_kind(token) != 'A') continue;
        memcpy(key, token.ptr, JWT_DIR_KEY);
        key[JWT_DIR_KEY] = 0;
        return true;
    }
    return false;
}

/* `error` NULL: the JWT of that account is kept. */
static void resolver_say_updated(resolver *r, const rill_msg *m, const char *about,
                                 const char *error)
{
    static const char *const did[] = {"jwt updated", "jwt updated cache"};
    static const char *const failed[] = {"jwt update resulted in error",
                                         "jwt update cache resulted in error"};
    bool cache = r->kind == RESOLVER_CACHE;
    resolver_say(r, m, about, error ? failed[cache] : did[cache], error);
}

/* All that waits, or nothing of it. */
static bool resolver_keep_together(resolver *r)
{
    char error[JWT_DIR_ERROR];
    jwt_dir_entry *out;
    size_t n = 0;
    while (n < r->nbatch &&
           jwt_dir_swap(&r->dir, r->entries[n]->key, r->entries[n], &r->befores[n], error))
        n++;
    bool applied = n == r->nbatch && resolver_apply(r, error);
    if (applied && jwt_dir_write_all(&r->dir, r->entries, r->befores, n, error)) {
        for (size_t i = 0; i < n; i++) jwt_dir_entry_free(r->befores[i]);
        return true;
    }
    log_line(RILL_DEBUG, "resolver: %zu JWTs together: %s", r->nbatch, error);
    while (n-- > 0) jwt_dir_swap(&r->dir, r->entries[n]->key, r->befores[n], &out, error);
    if (applied && !resolver_apply(r, error)) log_line(RILL_ERROR, "resolver: %s", error);
    return false;
}

/* What waits is kept, and then answered. */
static void resolver_flush(resolver *r)
{
    char error[JWT_DIR_ERROR], about[JWT_DIR_KEY + 1];
    bool together = r->nbatch > 1 && resolver_keep_together(r);
    for (size_t i = 0; i < r->nbatch; i++) {
        snprintf(about, sizeof about, "%s", r->entries[i]->key);
        bool good = together || resolver_change(r, about, r->entries[i], error);
        resolver_say_updated(r, r->asks[i], about, good ? NULL : error);
        rill_msg_unref(r->asks[i]);
    }
    r->nbatch = 0;
}

static bool resolver_waits_for(const resolver *r, const char *key)
{
    for (size_t i = 0; i < r->nbatch; i++)
        if (strcmp(r->entries[i]->key, key) == 0) return true;
    return false;
}

/* The entry is taken, and answered later. */
static void resolver_put_off(resolver *r, const rill_msg *m, jwt_dir_entry *entry)
{
    rill_msg *ask = rill_msg_ref(m);
    if (!ask) { /* who asks hears nothing, and asks again */
        jwt_dir_entry_free(entry);
        return;
    }
    r->entries[r->nbatch] = entry;
    r->asks[r->nbatch++] = ask;
    if (r->nbatch == RESOLVER_BATCH) resolver_flush(r);
}

/* It is taken, if it says what is not there yet. */
static void resolver_keep(resolver *r, const rill_msg *m, jwt_dir_entry *entry)
{
    const jwt_dir_entry *there = jwt_dir_find(&r->dir, entry->key);
    if (there && strcmp(there->text, entry->text) == 0) {
        resolver_say_updated(r, m, entry->key, NULL);
        jwt_dir_entry_free(entry);
        return;
    }
    resolver_put_off(r, m, entry);
}

/* `key` NULL: that of the account whose JWT it is. */
static void resolver_update(resolver *r, const rill_msg *m, const char *key)
{
    char error[JWT_DIR_ERROR], about[JWT_DIR_KEY + 1];
    ri_str text = ri_jwt_undress(m->data);
    jwt_dir_entry *entry = jwt_dir_entry_new(text.len ? text.ptr : "", text.len);
    if (!entry) return; /* who asks hears nothing, and asks again */
    bool good = resolver_check(r, entry, error);
    snprintf(about, sizeof about, "%s", key ? key : entry->is_signed ? entry->key : "n/a");
    if (good && strcmp(about, entry->key) != 0)
        good = resolver_fail(error, "subject does not match jwt content");
    if (good && resolver_waits_for(r, entry->key)) resolver_flush(r);
    if (good && (r->kind == RESOLVER_FULL || jwt_dir_find(&r->dir, entry->key))) {
        resolver_keep(r, m, entry);
        return;
    }
    jwt_dir_entry_free(entry);
    if (good)
        resolver_say(r, m, about, r->kind == RESOLVER_CACHE ? "jwt update cache skipped"
                                                            : "jwt update skipped", NULL);
    else resolver_say_updated(r, m, about, error);
}

static resolver *resolver_asked(void *arg)
{
    const resolver_line *line = arg;
    return line->owner;
}

static void resolver_on_update(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    resolver_update(resolver_asked(arg), m, NULL);
}

static void resolver_on_update_of(rill_sub *sub, const rill_msg *m, void *arg)
{
    char key[JWT_DIR_KEY + 1];
    (void)sub;
    if (resolver_key_of(m->subject, key)) resolver_update(resolver_asked(arg), m, key);
}

static void resolver_on_lookup(rill_sub *sub, const rill_msg *m, void *arg)
{
    resolver *r = resolver_asked(arg);
    char key[JWT_DIR_KEY + 1];
    (void)sub;
    resolver_flush(r);
    if (!m->reply.len || !resolver_key_of(m->subject, key)) return;
    const jwt_dir_entry *entry = jwt_dir_find(&r->dir, key);
    if (rill_reply(m, entry ? entry->text : "", entry ? entry->len : 0, NULL) < 0)
        log_line(RILL_ERROR, "resolver: %s", rill_errmsg());
}

static bool resolver_is_over(const jwt_dir_entry *entry)
{
    return entry->expires_s && entry->expires_s < (int64_t)time(NULL);
}

static void resolver_on_list(rill_sub *sub, const rill_msg *m, void *arg)
{
    resolver *r = resolver_asked(arg);
    ri_buffer out;
    (void)sub;
    resolver_flush(r);
    bool first = true;
    ri_buffer_init(&out, &r->host);
    ri_buffer_puts(&out, "{\"data\":[");
    for (size_t i = 0; i < r->dir.n; i++) {
        if (resolver_is_over(r->dir.entries[i])) continue;
        ri_buffer_printf(&out, "%s\"%s\"", first ? "" : ",", r->dir.entries[i]->key);
        first = false;
    }
    ri_buffer_puts(&out, "],");
    reloads_put_server(r->broker, r->options->jetstream, ++r->answers, &out);
    ri_buffer_puts(&out, "}");
    resolver_send(m, &out);
    ri_buffer_fini(&out);
}

static void resolver_on_pack(rill_sub *sub, const rill_msg *m, void *arg)
{
    resolver *r = resolver_asked(arg);
    uint8_t hash[JWT_DIR_HASH];
    ri_buffer out;
    (void)sub;
    resolver_flush(r);
    jwt_dir_hash(&r->dir, hash);
    bool same = m->data.len == sizeof hash && memcmp(m->data.ptr, hash, sizeof hash) == 0;
    ri_buffer_init(&out, &r->host);
    for (size_t i = 0; !same && i < r->dir.n; i++) {
        const jwt_dir_entry *entry = r->dir.entries[i];
        ri_buffer_reset(&out);
        ri_buffer_printf(&out, "%s|", entry->key);
        ri_buffer_put(&out, entry->text, entry->len);
        if (!resolver_is_over(entry)) resolver_send(m, &out);
    }
    ri_buffer_reset(&out);
    resolver_send(m, &out);
    ri_buffer_fini(&out);
}

/* ---- Taking accounts away ---- */

/* May all of them go? */
static bool resolver_may_delete(resolver *r, const ri_jwt *jwt, ri_json list,
                                char error[JWT_DIR_ERROR])
{
    bool own;
    ri_json rest = ri_json_first(list), item;
    if (!r->deletes) return resolver_fail(error, "delete must be enabled in server config");
    if (!ri_str_eq(jwt->issuer, jwt->subject)) return resolver_fail(error, "not self signed");
    if (!resolver_believes(r, jwt->issuer, &own) || !ri_jwt_is_signed(jwt))
        return resolver_fail(error, "not trusted");
    if (ri_json_kind_of(list) != RI_JSON_ARRAY) return resolver_fail(error, "malformed request");
    while (ri_json_item(&rest, &item)) {
        char key[JWT_DIR_KEY + 2];
        size_t len = ri_json_copy(item, key, sizeof key);
        if (len != JWT_DIR_KEY || ri_nkey_kind((ri_str){key, len}) != 'A')
            return resolver_fail(error, "malformed request");
        if (r->system && strcmp(key, r->system) == 0)
            return resolver_fail(error, "not allowed to delete system account");
    }
    return true;
}

/* Those that are there go from memory; `gone` has room for all. */
static size_t resolver_take_out(resolver *r, ri_json list, jwt_dir_entry **gone, size_t *passed)
{
    ri_json rest = ri_json_first(list), item;
    char none[JWT_DIR_ERROR];
    size_t n = 0;
    while (ri_json_item(&rest, &item)) {
        char key[JWT_DIR_KEY + 2];
        jwt_dir_entry *before = NULL;
        ri_json_copy(item, key, sizeof key);
        jwt_dir_swap(&r->dir, key, NULL, &before, none);
        if (before) gone[n++] = before;
        else (*passed)++;
    }
    return n;
}

/* The broker changes once, however many they are: it looks at all that stay. */
static size_t resolver_delete_all(resolver *r, ri_json list, size_t *failed,
                                  char error[JWT_DIR_ERROR])
{
    char again[JWT_DIR_ERROR];
    size_t passed = 0;
    jwt_dir_entry **gone = calloc(r->dir.n + 1, sizeof *gone), *before;
    if (!gone) {
        *failed = 1;
        resolver_fail(error, "out of memory");
        return 0;
    }
    size_t n = resolver_take_out(r, list, gone, &passed);
    bool applied = n == 0 || resolver_apply(r, error);
    for (size_t i = 0; i < n; i++) {
        bool good = applied && jwt_dir_remove(&r->dir, gone[i], r->for_good, error);
        passed += good;
        *failed += !good;
        if (good) jwt_dir_entry_free(gone[i]);
        else jwt_dir_swap(&r->dir, gone[i]->key, gone[i], &before, again);
    }
    if (applied && *failed && !resolver_apply(r, again))
        log_line(RILL_ERROR, "resolver: %s", again);
    free(gone);
    return passed;
}

static void resolver_delete(resolver *r, const rill_msg *m, ri_arena *arena)
{
    char error[JWT_DIR_ERROR], text[JWT_DIR_ERROR];
    ri_jwt jwt;
    size_t failed = 0;
    bool good = ri_jwt_read(&jwt, ri_jwt_undress(m->data), arena) == RILL_OK;
    ri_json list = good ? ri_json_get(jwt.nats, "accounts") : (ri_json){0};
    good = good ? resolver_may_delete(r, &jwt, list, error) : resolver_fail(error, ri_err_text());
    if (!good) {
        snprintf(text, sizeof text, "delete accounts request by %s failed",
                 jwt.subject.len ? jwt.subject.ptr : "");
        resolver_say(r, m, "", text, error);
        return;
    }
    size_t passed = resolver_delete_all(r, list, &failed, error);
    int len = snprintf(text, sizeof text, "deleted %zu accounts", passed);
    if (failed) snprintf(text + len, sizeof text - (size_t)len, ", failed for %zu", failed);
    resolver_say(r, m, "", text, failed ? error : NULL);
}

static void resolver_on_delete(rill_sub *sub, const rill_msg *m, void *arg)
{
    resolver *r = resolver_asked(arg);
    ri_arena arena;
    (void)sub;
    resolver_flush(r);
    ri_arena_init(&arena, &r->host);
    resolver_delete(r, m, &arena);
    ri_arena_fini(&arena);
}

/* ---- Coming and going ---- */

/* What is configured counts where the directory has nothing, or what is older. */
static bool resolver_preload(resolver *r, const char *text, char error[JWT_DIR_ERROR])
{
    ri_str jwt = ri_jwt_undress(ri_str_of(text));
    jwt_dir_entry *entry = jwt_dir_entry_new(jwt.len ? jwt.ptr : "", jwt.len), *before = NULL;
    if (!entry) return resolver_fail(error, "out of memory");
    bool good = resolver_check(r, entry, error);
    const jwt_dir_entry *there = good ? jwt_dir_find(&r->dir, entry->key) : NULL;
    bool newer = good && (!there || entry->issued_s > there->issued_s);
    if (!good) {
        char why[JWT_DIR_ERROR];
        snprintf(why, sizeof why, "%s", error);
        snprintf(error, JWT_DIR_ERROR, "account %s: %.180s", entry->key, why);
    }
    if (newer) good = jwt_dir_swap(&r->dir, entry->key, entry, &before, error);
    if (!newer || !good) jwt_dir_entry_free(entry);
    else entry->is_fresh = true;
    jwt_dir_entry_free(before);
    return good;
}

static bool resolver_fill(resolver *r, daemon_options *options, char error[JWT_DIR_ERROR])
{
    const daemon_resolver *conf = &options->resolver_conf;
    size_t limit = conf->limit && conf->limit < JWT_DIR_MAX ? conf->limit : JWT_DIR_MAX;
    if (!jwt_dir_open(&r->dir, conf->dir, limit, resolver_check, r, error)) return false;
    for (size_t i = 0; i < options->account_jwts.n; i++)
        if (!resolver_preload(r, options->account_jwts.texts[i], error)) return false;
    return resolver_list(r, error);
}

bool resolver_open(resolver **out, daemon_options *options)
{
    const daemon_resolver *conf = &options->resolver_conf;
    char error[JWT_DIR_ERROR];
    *out = NULL;
    if (!options->operators.n) return true;
    resolver *r = calloc(1, sizeof *r);
    if (!r) return resolver_fail(options->error, "out of memory");
    ri_host_init(&r->host, NULL);
    ri_arena_init(&r->arena, &r->host);
    r->kind = !conf->dir ? RESOLVER_MEMORY : conf->cache ? RESOLVER_CACHE : RESOLVER_FULL;
    r->deletes = conf->allow_delete || conf->cache;
    r->for_good = conf->hard_delete || conf->cache;
    bool good = resolver_read_operators(r, options);
    if (good && !(good = resolver_fill(r, options, error)))
        snprintf(options->error, sizeof options->error, "resolver: %s", error);
    options->broker.account_jwts = good ? r->texts : NULL;
    options->broker.naccount_jwts = good ? r->dir.n : 0;
    if (good) *out = r;
    else resolver_close(r);
    return good;
}

static void resolver_hang_up(resolver_line *line)
{
    if (!line) return;
    for (size_t i = 0; i < RESOLVER_SUBS; i++) rill_sub_close(line->subs[i]);
    if (line->bus) rill_close(line->bus, 0);
    free(line);
}

void resolver_close(resolver *r)
{
    if (!r) return;
    resolver_hang_up(r->line);
    jwt_dir_free(&r->dir);
    free(r->texts);
    ri_arena_fini(&r->arena);
    free(r);
}

static const struct {
    const char *subject, *group;
    rill_msg_fn on_msg;
    unsigned kinds;            /* bits: of which it is */
} resolver_rows[RESOLVER_SUBS] = {
    {"$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE", NULL, resolver_on_update_of, 7},
    {"$SYS.ACCOUNT.*.CLAIMS.UPDATE", NULL, resolver_on_update_of, 7},
    {"$SYS.REQ.CLAIMS.UPDATE", NULL, resolver_on_update, 1 << RESOLVER_FULL | 1 << RESOLVER_CACHE},
    {"$SYS.REQ.CLAIMS.LIST", NULL, resolver_on_list, 1 << RESOLVER_FULL | 1 << RESOLVER_CACHE},
    {"$SYS.REQ.CLAIMS.DELETE", NULL, resolver_on_delete, 1 << RESOLVER_FULL | 1 << RESOLVER_CACHE},
    {"$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", NULL, resolver_on_lookup, 1 << RESOLVER_FULL},
    {"$SYS.REQ.CLAIMS.PACK", "responder", resolver_on_pack, 1 << RESOLVER_FULL},
};

static int resolver_listen(resolver *r)
{
    const rill_user who = {.size = sizeof who, .user = "resolver", .account = r->system};
    resolver_line *line = r->line = calloc(1, sizeof *line);
    if (!line) return ri_err(RILL_ENOMEM, "out of memory");
    line->owner = r;
    int rc = rill_broker_bus(r->broker, &line->bus, RILL_OPTS(rill_opts, .identity = &who,
                                                              .drive = RILL_DRIVE_HOST));
    for (size_t i = 0; rc == RILL_OK && i < RESOLVER_SUBS; i++) {
        if (!(resolver_rows[i].kinds & 1u << r->kind)) continue;
        const rill_sub_opts opts = {.size = sizeof opts, .on_msg = resolver_rows[i].on_msg,
                                    .arg = line, .group = resolver_rows[i].group,
                                    .pending_bytes = RESOLVER_PENDING_BYTES,
                                    .pending_msgs = RESOLVER_PENDING};
        rc = rill_subscribe(line->bus, &line->subs[i], resolver_rows[i].subject, &opts);
    }
    return rc;
}

/* Is it asked the same in the same account? Then what waits is answered by who comes. */
static bool resolver_hand_over(resolver *before, resolver *r)
{
    if (!before || !before->line || before->kind != r->kind ||
        strcmp(before->system, r->system) != 0)
        return false;
    r->line = before->line;
    r->line->owner = r;
    r->answers = before->answers;
    before->line = NULL;
    return true;
}

bool resolver_start(resolver *r, resolver *before, rill_broker *broker,
                    const daemon_options *options, char error[JWT_DIR_ERROR])
{
    r->broker = broker;
    r->options = options;
    bool kept = jwt_dir_keep(&r->dir, error);
    if (!r->system) return kept; /* nobody is there who could ask */
    if (!resolver_hand_over(before, r) && resolver_listen(r) < 0) {
        resolver_fail(error, rill_errmsg());
        resolver_hang_up(r->line); /* or a line without a bus would be waited at */
        r->line = NULL;
        return false;
    }
    if (r->dir.path)
        log_line(RILL_INFO, "Managing %s jwt in exclusive directory %s",
                 r->kind == RESOLVER_FULL ? "all" : "some", r->dir.path);
    return kept;
}

const char *resolver_system(const resolver *r)
{
    return r ? r->system : NULL;
}

int resolver_fd(resolver *r)
{
    return r && r->line ? rill_fd(r->line->bus) : -1;
}

int resolver_wait_ms(resolver *r)
{
    return r && r->line ? rill_wait_ms(r->line->bus) : -1;
}

void resolver_turn(resolver *r)
{
    if (!r || !r->line) return;
    if (rill_poll(r->line->bus, 0) < 0) log_line(RILL_ERROR, "resolver: %s", rill_errmsg());
    resolver_flush(r);
}
