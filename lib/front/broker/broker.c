/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/broker.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/process.h"
#include "codec/limits.h"
#include "codec/nats/url.h"
#include "front/broker/departed.h"
#include "front/broker/durable.h"
#include "front/broker/member.h"
#include "front/broker/rooms.h"
#include "front/broker/system_event.h"
#include "net/listen.h"
#include "net/machine.h"
#include "net/tls.h"
#include "net/wire.h"

#define BROKER_VERSION "2.15.2" /* of the nats-server whose answers ours are compared with */
#define BROKER_MEMORY (UINT64_C(1) << 30) /* the budget where the machine's memory is not known */

enum {
    BROKER_PAUSE_MS = 10,   /* the longest that a fast publisher is held at once */
    BROKER_ADVERTISE_MAX = 300,
    BROKER_SMALL = 64,      /* who has less than that part of the share of output is left alone */
    BROKER_SHED_STEPS = 64, /* of the share of output; so much more, and its receivers are looked
                               at again */
};

/* ---- Options ---- */

static int broker_copy_text(const ri_host *host, char **to, const char *from)
{
    *to = NULL;
    if (from && !(*to = ri_strdup(host, from, strlen(from)))) return RILL_ENOMEM;
    return RILL_OK;
}

static void broker_free_text(const ri_host *host, char *text)
{
    if (text) ri_free(host, text, strlen(text) + 1);
}

static void broker_conf_fini(ri_broker_conf *conf, const ri_host *host)
{
    broker_free_text(host, conf->user);
    broker_free_text(host, conf->password);
    broker_free_text(host, conf->token);
    broker_free_text(host, conf->advertise);
    ri_mappings_free(conf->mappings);
    ri_access_unref(conf->access);
    ri_callout_unref(conf->callout);
    ri_accounts_free(conf->accounts);
    ri_trust_unref(conf->trust);
    broker_free_text(host, conf->no_auth_user);
    broker_free_text(host, conf->kafka_config);
    ri_labels_free(conf->labels, host);
    *conf = (ri_broker_conf){0};
}

#define BROKER_OR(given, otherwise) ((given) ? (given) : (otherwise))

static int broker_conf_check(const rill_broker_opts *o)
{
    if (o->max_msg_bytes > RI_LIMIT_PAYLOAD_MAX)
        return ri_err(RILL_EINVAL, "max_msg_bytes is %u; at most %d", o->max_msg_bytes,
                      RI_LIMIT_PAYLOAD_MAX);
    if (o->max_control_line_bytes > RI_LIMIT_CONTROL_LINE_MAX)
        return ri_err(RILL_EINVAL, "max_control_line_bytes is %u; at most %d",
                      o->max_control_line_bytes, RI_LIMIT_CONTROL_LINE_MAX);
    if (o->drive != RILL_DRIVE_THREAD && o->drive != RILL_DRIVE_HOST)
        return ri_err(RILL_EINVAL, "drive is %d", (int)o->drive);
    if (!o->user != !o->password)
        return ri_err(RILL_EINVAL, "user and password are given together or not at all");
    if (o->nusers && (o->user || o->token))
        return ri_err(RILL_EINVAL, "Can not have a %s and a users array",
                      o->user ? "single user/pass" : "token");
    if (o->on_login && (o->user || o->token || o->nusers || o->no_auth_user))
        return ri_err(RILL_EINVAL, "on_login decides alone: no user, token, users or no_auth_user "
                      "beside it");
    if (o->noperators && (o->user || o->token || o->nusers || o->no_auth_user || o->on_login))
        return ri_err(RILL_EINVAL, "operators do not allow users to be configured directly");
    if (o->callout_issuer && (o->noperators || o->on_login || o->token))
        return ri_err(RILL_EINVAL, o->noperators
                      ? "operators do not allow authorization callouts to be configured directly"
                      : "a callout decides for users: no token or on_login beside it");
    if (o->noperators && o->naccounts)
        return ri_err(RILL_EINVAL, "operators do not allow Accounts to be configured directly");
    if (o->memory_bytes && o->memory_bytes < RI_MEMORY_MIN)
        return ri_err(RILL_EINVAL, "memory_bytes is %llu; at least %d",
                      (unsigned long long)o->memory_bytes, RI_MEMORY_MIN);
    if (o->spin_us > 1000000)
        return ri_err(RILL_EINVAL, "spin_us is %u; at most 1000000", o->spin_us);
    return RILL_OK;
}

int ri_broker_advertise(const ri_host *host, const char *text, char **name, int *port)
{
    char url_text[BROKER_ADVERTISE_MAX];
    ri_url url;
    if (!text) return RILL_OK;
    int n = snprintf(url_text, sizeof url_text, "nats://%s", text);
    if (n < 0 || (size_t)n >= sizeof url_text || strpbrk(text, "/@,"))
        return ri_err(RILL_EINVAL, "advertise is HOST:PORT or HOST, not \"%.100s\"", text);
    int rc = ri_url_parse(&url, host, url_text);
    if (rc < 0) return rc;
    const ri_url_peer *peer = &url.peers[0];
    *port = peer->has_port ? peer->port : 0;
    *name = ri_strdup(host, peer->host.ptr, peer->host.len);
    ri_url_fini(&url);
    return *name ? RILL_OK : RILL_ENOMEM;
}

static uint64_t broker_memory(const rill_broker_opts *o)
{
    if (o->memory_bytes) return o->memory_bytes;
    uint64_t machine = ri_machine_memory();
    return machine ? RI_MAX(machine / 2, (uint64_t)RI_MEMORY_MIN) : BROKER_MEMORY;
}

/* Who is let in without a word has to be a user, and none who shows a key. */
static int broker_copy_no_auth_user(ri_broker_conf *conf, const ri_host *host, const char *name)
{
    if (!name) return RILL_OK;
    if (!conf->access)
        return ri_err(RILL_EINVAL, "no_auth_user: \"%.100s\" present, but users/nkeys are not "
                      "defined", name);
    const ri_access_user *user = ri_access_find(conf->access, ri_str_of(name));
    if (!user || ri_access_is_key(user))
        return ri_err(RILL_EINVAL, "no_auth_user: \"%.100s\" not present as user in "
                      "authorization block", name);
    return broker_copy_text(host, &conf->no_auth_user, name);
}

static int broker_trust(ri_broker_conf *conf, const ri_host *host, const rill_broker_opts *o)
{
    const ri_trust_texts texts = {.operators = o->operators, .noperators = o->noperators,
                                  .accounts = o->account_jwts, .naccounts = o->naccount_jwts,
                                  .system_account = o->noperators ? o->system_account : NULL,
                                  .sentinel = o->default_sentinel};
    if (o->default_sentinel && !o->noperators)
        return ri_err(RILL_EINVAL, "default sentinel requires operators and accounts");
    return ri_trust_new(host, &texts, &conf->trust);
}

static int broker_callout(ri_broker_conf *conf, const ri_host *host, const rill_broker_opts *o)
{
    const ri_claims_callout rules = {
        .issuer = ri_str_of(o->callout_issuer), .account = ri_str_of(o->callout_account),
        .xkey = ri_str_of(o->callout_xkey),
        .users = {(const char **)(uintptr_t)o->callout_users, o->ncallout_users},
        .accounts = {(const char **)(uintptr_t)o->callout_accounts, o->ncallout_accounts}};
    if (o->callout_issuer) return ri_callout_new(host, &rules, &conf->callout);
    if (!o->callout_account && !o->callout_xkey && !o->ncallout_users && !o->ncallout_accounts)
        return RILL_OK;
    return ri_err(RILL_EINVAL, "Authorization callouts require an issuer to be specified");
}

/* The one user of a broker that has a callout is one of a list, so that he has rights. */
static int broker_list_users(ri_broker_conf *conf, const ri_host *host, const rill_broker_opts *o)
{
    const rill_user single = {.size = sizeof single, .user = o->user, .password = o->password};
    const rill_user *const one = &single, **guarded, *const *users = o->users;
    size_t n = o->nusers;
    if (!conf->callout) return ri_access_new(host, users, n, &conf->access);
    if (o->user) {
        users = &one;
        n = 1;
    }
    ri_arena arena;
    ri_arena_init(&arena, host);
    int rc = ri_callout_guard(ri_callout_rules(conf->callout), users, n, &arena, &guarded);
    if (rc == RILL_OK) rc = ri_access_new(host, guarded, n, &conf->access);
    ri_arena_fini(&arena);
    return rc;
}

static bool broker_has_account(const ri_broker_conf *conf, const char *name)
{
    return strcmp(name, RI_ACCOUNT_GLOBAL) == 0 || ri_accounts_find(conf->accounts, name);
}

/* What is configured of $G, which lies in the router. */
static void broker_adopt_global(ri_broker *b)
{
    const ri_claims_callout *rules = ri_callout_rules(b->conf.callout);
    b->router.global.mappings = b->conf.mappings;
    b->router.global.callout = rules && ri_str_is(rules->account, RI_ACCOUNT_GLOBAL);
}

/* What a callout names has to be there: with a user less nobody could be let in. */
static int broker_check_callout(const ri_broker_conf *conf)
{
    const ri_claims_callout *rules = ri_callout_rules(conf->callout);
    if (!rules) return RILL_OK;
    if (!broker_has_account(conf, rules->account.ptr))
        return ri_err(RILL_EINVAL, "Authorization callout account \"%.100s\" not valid",
                      rules->account.ptr);
    for (size_t i = 0; i < rules->users.n; i++)
        if (!conf->access || !ri_access_find(conf->access, ri_str_of(rules->users.at[i])))
            return ri_err(RILL_EINVAL, "Authorization callout user \"%.100s\" not valid",
                          rules->users.at[i]);
    for (size_t i = 0; i < rules->accounts.n; i++)
        if (!broker_has_account(conf, rules->accounts.at[i]))
            return ri_err(RILL_EINVAL, "auth_callout allowed account \"%.100s\" not found in "
                          "configured accounts", rules->accounts.at[i]);
    return RILL_OK;
}

static int broker_read_kafka(ri_broker_conf *conf, const ri_host *host, const char *text)
{
    int rc = ri_groups_conf_read(&conf->groups, text);
    if (rc < 0) return ri_err_wrap(rc, "kafka_config");
    return broker_copy_text(host, &conf->kafka_config, text);
}

static int broker_conf_init(ri_broker_conf *conf, ri_broker *b, const rill_broker_opts *o)
{
    const ri_host *host = &b->host;
    int rc = broker_conf_check(o);
    if (rc < 0) return rc;
    *conf = (ri_broker_conf){
        .max_msg_bytes = BROKER_OR(o->max_msg_bytes, RI_LIMIT_PAYLOAD),
        .max_conns = BROKER_OR(o->max_conns, 65536), .max_subs = o->max_subs,
        .max_control_line_bytes = BROKER_OR(o->max_control_line_bytes, RI_LIMIT_CONTROL_LINE),
        .max_pending_bytes = BROKER_OR(o->max_pending_bytes, UINT64_C(64) << 20),
        .memory_bytes = broker_memory(o),
        .ping_interval_ms = BROKER_OR(o->ping_interval_ms, 120000),
        .ping_max = BROKER_OR(o->ping_max, 2),
        .auth_timeout_ms = BROKER_OR(o->auth_timeout_ms, 2000),
        .write_deadline_ms = BROKER_OR(o->write_deadline_ms, 10000),
        .spin_us = o->spin_us, .on_login = o->on_login, .on_login_arg = o->on_login_arg,
        .guess_bound = ri_guesses_bound_of(o->login_failures, o->login_failures_per_s),
        .max_sub_tokens = o->max_sub_tokens, .no_headers = o->no_headers,
        .trace = o->trace, .trace_data_bytes = o->trace_data_bytes,
    };
    conf->slow_bytes = conf->max_pending_bytes / 4 * 3;
    if ((rc = broker_copy_text(host, &conf->user, o->user)) < 0 ||
        (rc = broker_copy_text(host, &conf->password, o->password)) < 0 ||
        (rc = broker_copy_text(host, &conf->token, o->token)) < 0 ||
        (rc = ri_labels_new(&conf->labels, host, o)) < 0 ||
        (rc = ri_broker_advertise(host, o->advertise, &conf->advertise,
                                  &conf->advertise_port)) < 0 ||
        (rc = ri_mappings_new(host, o->mappings, o->nmappings, &conf->mappings)) < 0 ||
        (rc = broker_callout(conf, host, o)) < 0 ||
        (rc = broker_list_users(conf, host, o)) < 0 ||
        (rc = broker_trust(conf, host, o)) < 0 ||
        (rc = ri_accounts_new(&b->router, host, o, conf->trust, &conf->accounts)) < 0 ||
        (rc = broker_check_callout(conf)) < 0 ||
        (rc = broker_copy_no_auth_user(conf, host, o->no_auth_user)) < 0 ||
        (rc = broker_read_kafka(conf, host, o->kafka_config)) < 0)
        broker_conf_fini(conf, host);
    return rc;
}

/* An id as nats-server's look: N and 55 characters of base 32. With libsodium it is a key, by which
 * the broker signs what it asks a service of those who log in; else it proves nothing. */
static void broker_make_id(ri_broker *b)
{
    ri_callout_keys *keys = &b->keys;
    if (ri_nkey_new(&b->host, 'N', keys->seed, keys->id) == RILL_OK) return;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t raw[55];
    explicit_bzero(keys, sizeof *keys); /* half of a key may lie there; a 0 ends the id */
    b->host.entropy(b->host.arg, raw, sizeof raw);
    keys->id[0] = 'N';
    for (size_t i = 0; i < sizeof raw; i++) keys->id[i + 1] = digits[raw[i] & 31];
}

static int broker_announce(ri_broker *b, const rill_broker_opts *opts)
{
    int rc = broker_copy_text(&b->host, &b->name, opts->name ? opts->name : b->keys.id);
    const char *version = opts->version ? opts->version : BROKER_VERSION;
    return rc < 0 ? rc : broker_copy_text(&b->host, &b->version, version);
}

/* ---- Life ---- */

int ri_broker_new(ri_broker **out, const rill_broker_opts *opts)
{
    static const rill_broker_opts defaults = {.size = sizeof defaults};
    if (!opts) opts = &defaults;
    ri_host host;
    ri_host_init(&host, opts->host);
    ri_broker *b = ri_new(&host, ri_broker);
    if (!b) return RILL_ENOMEM;
    b->magic = RI_BROKER_MAGIC;
    b->stamp = ri_process_stamp();
    b->host = host;
    atomic_init(&b->refs, 1);
    ri_list_init(&b->members);
    ri_list_init(&b->settling);
    ri_list_init(&b->asking);
    ri_list_init(&b->doors);
    ri_list_init(&b->venues);
    b->start_ns = b->conf_ns = ri_wall_ns(&b->host);
    broker_make_id(b);
    ri_tls_library()->version(b->tls_library, sizeof b->tls_library);
    int rc = broker_conf_init(&b->conf, b, opts);
    if (rc == RILL_OK) rc = broker_announce(b, opts);
    if (rc == RILL_OK) rc = ri_router_init(&b->router, &b->host);
    if (rc < 0) {
        ri_router_fini(&b->router);
        broker_conf_fini(&b->conf, &b->host);
        broker_free_text(&host, b->name);
        broker_free_text(&host, b->version);
        ri_delete(&host, b);
        return rc;
    }
    broker_adopt_global(b);
    ri_accounts_link(b->conf.accounts);
    b->pending_cap = UINT64_MAX;
    ri_memory_set_limit(&b->router.memory, b->conf.memory_bytes);
    ri_verdicts_init(&b->verdicts, &b->host, &b->router.memory);
    ri_gate_init(&b->gate);
    ri_park_init(&b->drained);
    ri_park_init(&b->room);
    ri_driver_init(b);
    ri_hosted_init(&b->hosted, opts->drive == RILL_DRIVE_HOST);
    *out = b;
    return RILL_OK;
}

void ri_broker_ref(ri_broker *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
}

bool ri_broker_ref_if_alive(ri_broker *b)
{
    unsigned refs = atomic_load(&b->refs);
    while (refs > 0)
        if (atomic_compare_exchange_weak(&b->refs, &refs, refs + 1)) return true;
    return false;
}

void ri_broker_unref(ri_broker *b)
{
    RI_CHECK(b, RI_BROKER_MAGIC);
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
    RI_ASSERT(ri_list_empty(&b->members));
    if (b->on_gone) b->on_gone(b->on_gone_arg);
    ri_broker_close(b, 0);
    ri_driver_fini(b);
    ri_hosted_fini(&b->hosted);
    ri_departed_free(b);
    ri_venue_free_all(b);
    ri_verdicts_fini(&b->verdicts);
    ri_guesses_fini(&b->guesses, &b->host);
    ri_party_fini(&b->herald);
    ri_accounts_unlink(b->conf.accounts);
    ri_router_fini(&b->router);
    broker_conf_fini(&b->conf, &b->host);
    ri_park_fini(&b->drained);
    ri_park_fini(&b->room);
    broker_free_text(&b->host, b->name);
    broker_free_text(&b->host, b->version);
    b->magic = 0;
    explicit_bzero(&b->keys, sizeof b->keys);
    ri_host host = b->host;
    ri_delete(&host, b);
}

#define BROKER_DOOR(item) ri_container_of(item, ri_door, link)
#define BROKER_MEMBER(item, field) ri_container_of(item, ri_member, field)

/* Lends the next door to a call that waits outside the gate, and takes `door` back; NULL before the
 * first. NULL: that was the last. */
static ri_door *broker_lend_next(ri_broker *b, ri_door *door)
{
    ri_broker_enter(b);
    ri_list *next = door ? door->link.next : b->doors.next;
    if (door) {
        RI_ASSERT(door->users > 0);
        if (--door->users == 0) ri_park_signal(&b->drained);
    }
    door = b->closed || next == &b->doors ? NULL : BROKER_DOOR(next);
    if (door) door->users++;
    ri_broker_leave(b);
    return door;
}

static bool broker_has_lent(const ri_broker *b)
{
    ri_list_each (link, &b->doors)
        if (BROKER_DOOR(link)->users > 0) return true;
    return false;
}

/* Monotonic; INT64_MAX: for ever. */
static int64_t broker_due_ns(const ri_broker *b, int timeout_ms)
{
    return ri_deadline_in(&b->host, ri_timeout_ns(timeout_ms));
}

/* Inside the gate, which it leaves and enters again. */
static void broker_wait_drained(ri_broker *b)
{
    uint32_t seen = ri_park_count(&b->drained);
    ri_broker_leave(b);
    ri_park_wait(&b->drained, seen, -1);
    ri_broker_enter(b);
}

/* Outside the gate, b->durable_opening being true. */
static int broker_open_durable(ri_broker *b, const ri_durable_opts *opts)
{
    ri_durable *durable = NULL;
    int rc = ri_durable_open(&durable, b, opts);
    ri_broker_enter(b);
    b->durable = durable;
    if (durable && !opts->attends) ri_durable_want(durable);
    if (durable && !opts->hosted) rc = ri_driver_need_thread(b);
    if (rc < 0) b->durable = NULL;
    ri_broker_leave(b);
    if (rc < 0) ri_durable_close(durable);
    ri_broker_enter(b);
    b->durable_opening = false;
    ri_park_signal(&b->drained);
    ri_broker_leave(b);
    return rc;
}

int ri_broker_need_durable(ri_broker *b, const ri_durable_opts *opts)
{
    RI_ASSERT(ri_broker_is_sound(b));
    static const ri_durable_opts in_memory = {.dir = NULL};
    ri_broker_enter(b);
    while (b->durable_opening) broker_wait_drained(b);
    int rc = b->closed ? ri_err(RILL_ECLOSED, "the broker is closed") : RILL_OK;
    bool open = rc == RILL_OK && !b->durable;
    b->durable_opening = open;
    if (b->durable && !(opts && opts->attends)) ri_durable_want(b->durable);
    ri_broker_leave(b);
    return open ? broker_open_durable(b, opts ? opts : &in_memory) : rc;
}

/* All doors were asked to end: they do so at the same time. */
static int broker_close_doors(ri_broker *b)
{
    int rc = RILL_OK;
    for (;;) {
        ri_broker_enter(b);
        ri_door *door = ri_list_empty(&b->doors) ? NULL : BROKER_DOOR(b->doors.next);
        ri_broker_leave(b);
        if (!door) return rc;
        int one = door->ops->close(door);
        if (one < 0) rc = one;
    }
}

/* A slice of what the doors have in hand. True: there is more. */
static bool broker_finish_some(ri_broker *b)
{
    bool more = false;
    ri_list_each (link, &b->doors) {
        ri_door *door = BROKER_DOOR(link);
        more = (door->ops->finish && door->ops->finish(door)) || more;
    }
    return more;
}

/* Before their streams go. Others get the gate in between. */
static void broker_finish(ri_broker *b, int64_t due_ns)
{
    while (b->durable && broker_finish_some(b)) {
        if (ri_mono_ns(&b->host) >= due_ns) return;
        ri_broker_leave(b);
        ri_gate_pass(&b->gate);
        ri_broker_enter(b);
    }
}

int ri_broker_close(ri_broker *b, int timeout_ms)
{
    int64_t due_ns = broker_due_ns(b, timeout_ms);
    ri_broker_enter(b);
    b->closed = true;
    ri_list_each (link, &b->members) {
        ri_member *member = BROKER_MEMBER(link, link);
        member->ops->gone(member);
    }
    while (broker_has_lent(b)) broker_wait_drained(b); /* flushes have their own bounds */
    while (b->durable_opening || b->rooms_opening) broker_wait_drained(b);
    broker_finish(b, due_ns);
    ri_durable *durable = b->durable;
    b->durable = NULL;
    if (durable && !ri_list_empty(&b->doors))
        ri_durable_shutdown(durable);
    ri_list_each (link, &b->doors) BROKER_DOOR(link)->ops->end(BROKER_DOOR(link), due_ns);
    ri_broker_leave(b);
    int rc = broker_close_doors(b);
    ri_driver_stop_thread(b);
    ri_durable_close(durable); /* calls that wait for a commit end by this */
    return rc;
}

/* ---- Turns ---- */

/* Each member once: what it does now may give another one, or itself, something to do. */
static void broker_settle_members(ri_broker *b)
{
    for (ri_list *link; (link = ri_list_pop(&b->settling));) {
        ri_member *member = BROKER_MEMBER(link, settle_link);
        member->ops->settle(member);
    }
}

void ri_broker_settle(ri_broker *b)
{
    RI_ASSERT(ri_broker_is_sound(b));
    broker_settle_members(b);
    ri_list_each (link, &b->doors) {
        ri_door *door = BROKER_DOOR(link);
        if (b->output_waits & door->bit) door->ops->wake(door);
    }
    b->output_waits = 0;
}

void ri_broker_pause(ri_broker *b)
{
    RI_ASSERT(ri_broker_is_sound(b));
    ri_broker_enter(b);
    uint32_t seen = ri_park_count(&b->drained);
    bool stalled = b->stalled != 0;
    b->drain_waiters += stalled;
    ri_broker_leave(b);
    if (!stalled) return;
    ri_hosted_wait(b, &b->drained, seen, BROKER_PAUSE_MS * RI_MS);
    ri_broker_enter(b);
    b->drain_waiters--;
    ri_broker_leave(b);
}

/* ---- Memory ---- */

/* The most that waits for one receiver. */
static uint64_t broker_greediest(const ri_broker *b)
{
    uint64_t most = 0;
    ri_list_each (link, &b->doors) {
        const ri_door *door = BROKER_DOOR(link);
        most = RI_MAX(most, door->ops->greediest(door));
    }
    ri_list_each (link, &b->members) {
        const ri_member *member = BROKER_MEMBER(link, link);
        most = RI_MAX(most, member->ops->most_pending(member));
    }
    return most;
}

static void broker_shed_doors(ri_broker *b, uint64_t bytes)
{
    ri_list_each (link, &b->doors) {
        uint64_t gone = BROKER_DOOR(link)->ops->shed(BROKER_DOOR(link), b->pending_cap, bytes);
        if (gone >= bytes) return;
        bytes -= gone;
    }
}

/* Half of what the greediest has is the cap: one look at all of them holds back all that are near
 * it, and the next look is worth while after some growth only. */
void ri_broker_shed(ri_broker *b)
{
    RI_ASSERT(ri_broker_is_sound(b));
    uint64_t used = ri_router_output_bytes(&b->router);
    uint64_t share = ri_memory_share(&b->router.memory, RI_MEMORY_OUTPUT);
    if (used <= share || used < b->shed_at) return;
    b->shed_at = used + share / BROKER_SHED_STEPS;
    ri_list_each (link, &b->doors)
        if (BROKER_DOOR(link)->ops->spare) BROKER_DOOR(link)->ops->spare(BROKER_DOOR(link));
    if ((used = ri_router_output_bytes(&b->router)) <= share) return;
    /* Whoever has little is not the one to be held back, whatever holds the rest. */
    b->pending_cap = RI_MAX(broker_greediest(b) / 2, share / BROKER_SMALL);
    broker_shed_doors(b, used - share / 4 * 3);
}

void ri_broker_relieve(ri_broker *b)
{
    RI_ASSERT(ri_broker_is_sound(b));
    if (ri_likely(b->shed_at == 0)) return;
    uint64_t used = ri_router_output_bytes(&b->router);
    uint64_t share = ri_memory_share(&b->router.memory, RI_MEMORY_OUTPUT);
    if (used <= share) b->shed_at = b->pending_cap == UINT64_MAX ? 0 : share;
    if (used > share / 8 * 7) return;
    b->pending_cap = UINT64_MAX;
    b->shed_at = 0;
}

/* ---- The doors, and what is handed on to them ---- */

/* Outside the gate: the door of a URL, lent until broker_take_back(). */
static int broker_lend(ri_broker *b, const ri_door_ops *const *kinds, const char *url,
                       ri_door **door)
{
    ri_broker_enter(b);
    int rc = b->closed ? ri_err(RILL_ECLOSED, "the broker is closed")
                       : ri_door_have(door, b, kinds, url);
    if (rc == RILL_OK) (*door)->users++;
    ri_broker_leave(b);
    return rc;
}

static void broker_take_back(ri_broker *b, ri_door *door)
{
    ri_broker_enter(b);
    RI_ASSERT(door->users > 0);
    if (--door->users == 0) ri_park_signal(&b->drained);
    ri_broker_leave(b);
}

static void broker_note_venue(ri_broker *b, ri_venue *venue, int port)
{
    ri_broker_enter(b);
    ri_venue_put(b, venue, port);
    ri_broker_leave(b);
}

int ri_broker_listen(ri_broker *b, const ri_door_ops *const *kinds, const char *url,
                     const rill_listen_opts *opts)
{
    RI_ASSERT(ri_broker_is_sound(b));
    ri_door *door = NULL;
    ri_venue *venue = NULL;
    int rc = broker_lend(b, kinds, url, &door);
    if (rc < 0) return rc;
    rc = ri_venue_new(&venue, &b->host, url, opts);
    if (rc == RILL_OK) rc = door->ops->listen(door, url, opts);
    if (rc >= 0) broker_note_venue(b, venue, rc);
    else ri_venue_free(venue, &b->host);
    broker_take_back(b, door);
    return rc;
}

/* NAME of "nats://NAME", which stands in log lines, and in lists of connections; NULL, with a
 * sentence: that is none. */
static const char *broker_read_peer(const char *url)
{
    const char *at = strstr(url, "://");
    const char *name = at ? at + 3 : "";
    size_t len = strlen(name);
    bool fits = len > 0 && len < RI_LISTEN_PEER_MAX;
    for (const char *c = name; fits && *c; c++) fits = *c > ' ' && *c < 127;
    if (fits) return name;
    ri_err(RILL_EINVAL, "\"%.100s\": a connection comes from SCHEME://NAME, with a name of 1 to %d "
           "letters of ASCII", url, RI_LISTEN_PEER_MAX - 1);
    return NULL;
}

static int broker_accept(ri_broker *b, const ri_door_ops *const *kinds, const char *url,
                         ri_wire *wire)
{
    ri_door *door = NULL;
    const char *peer = broker_read_peer(url);
    int rc = peer ? broker_lend(b, kinds, url, &door) : RILL_EINVAL;
    if (rc < 0) return rc;
    rc = door->ops->accept
             ? door->ops->accept(door, wire, peer)
             : ri_err(RILL_ENOTSUP, "%s: takes no wires", door->ops->schemes[0]);
    broker_take_back(b, door);
    return rc;
}

int ri_broker_accept(ri_broker *b, const ri_door_ops *const *kinds, const char *url, ri_wire *wire)
{
    RI_ASSERT(ri_broker_is_sound(b) && wire && !wire->loop);
    int rc = broker_accept(b, kinds, url, wire);
    if (rc == RILL_OK) return rc;
    ri_failure why;
    ri_failure_keep(&why, rc);
    wire->ops->close(wire);
    return ri_failure_restore(&why);
}

int ri_broker_flush(ri_broker *b, int timeout_ms)
{
    RI_ASSERT(ri_broker_is_sound(b));
    int rc = RILL_OK;
    int64_t due_ns = broker_due_ns(b, timeout_ms);
    for (ri_door *door = NULL; (door = broker_lend_next(b, door)) != NULL;) {
        int one = door->ops->flush(door, due_ns);
        if (one < 0) rc = one;
    }
    return rc;
}

bool ri_broker_is_crowded(const ri_broker *b)
{
    RI_ASSERT(ri_broker_is_sound(b));
    ri_list_each (link, &b->doors)
        if (BROKER_DOOR(link)->ops->crowded(BROKER_DOOR(link))) return true;
    return false;
}

static bool broker_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool broker_same_login(const ri_broker_conf *a, const ri_broker_conf *b)
{
    return broker_same_text(a->user, b->user) && broker_same_text(a->password, b->password) &&
           broker_same_text(a->token, b->token) && ri_access_same(a->access, b->access) &&
           broker_same_text(a->no_auth_user, b->no_auth_user) && !a->trust && !b->trust &&
           ri_accounts_same(a->accounts, b->accounts) && ri_callout_same(a->callout, b->callout) &&
           a->on_login == b->on_login && a->on_login_arg == b->on_login_arg;
}

int ri_broker_reload(ri_broker *b, const rill_broker_opts *opts)
{
    RI_ASSERT(ri_broker_is_sound(b));
    ri_broker_conf conf;
    if (opts->name && strcmp(opts->name, b->name) != 0)
        return ri_err(RILL_EINVAL, "a reload cannot change the name %s", b->name);
    if (opts->version && strcmp(opts->version, b->version) != 0)
        return ri_err(RILL_EINVAL, "a reload cannot change the version %s", b->version);
    if (opts->drive && b->hosted.on != (opts->drive == RILL_DRIVE_HOST))
        return ri_err(RILL_EINVAL, "a reload cannot change who drives the broker");
    int rc = broker_conf_init(&conf, b, opts);
    if (rc < 0) return rc;
    ri_broker_enter(b); /* another reload puts another text in the place of this one */
    if (opts->kafka_config && !broker_same_text(conf.kafka_config, b->conf.kafka_config)) {
        ri_broker_leave(b);
        broker_conf_fini(&conf, &b->host);
        return ri_err(RILL_EINVAL, "a reload cannot change kafka_config");
    }
    bool operated = b->conf.trust && conf.trust;
    if (!operated) rc = ri_accounts_check_reload(b->conf.accounts, conf.accounts);
    if (rc < 0) {
        ri_broker_leave(b);
        broker_conf_fini(&conf, &b->host);
        return rc;
    }
    ri_broker_conf old = b->conf;
    if (!conf.kafka_config) { /* it stays */
        conf.kafka_config = old.kafka_config;
        conf.groups = old.groups;
        old.kafka_config = NULL;
    }
    conf.login_epoch = old.login_epoch + !broker_same_login(&old, &conf);
    if (operated && b->durable) ri_rooms_readmit(b->durable, conf.accounts);
    ri_accounts_take_over(conf.accounts, old.accounts);
    if (operated && b->durable) ri_rooms_limit(b->durable);
    b->conf = conf;
    b->conf_ns = ri_wall_ns(&b->host);
    broker_adopt_global(b);
    ri_memory_set_limit(&b->router.memory, conf.memory_bytes);
    ri_list_each (link, &b->doors) BROKER_DOOR(link)->ops->reload(BROKER_DOOR(link));
    if (b->durable) ri_durable_accounts(b->durable);
    ri_accounts_free(old.accounts); /* sessions that end at this moment let go of them, too */
    old.accounts = NULL;
    ri_broker_leave(b);
    broker_conf_fini(&old, &b->host);
    if (operated) ri_rooms_open_more(b);
    return RILL_OK;
}

int ri_broker_lame_duck(ri_broker *b, uint32_t grace_ms, uint32_t duration_ms)
{
    RI_ASSERT(ri_broker_is_sound(b));
    ri_broker_enter(b);
    bool listens = !ri_list_empty(&b->doors);
    ri_system_event_lame_duck(b);
    ri_list_each (link, &b->doors)
        BROKER_DOOR(link)->ops->lame_duck(BROKER_DOOR(link), grace_ms, duration_ms);
    ri_broker_leave(b);
    return listens ? RILL_OK : ri_err(RILL_EINVAL, "the broker does not listen");
}

void ri_broker_account_stats(const ri_account *account, rill_stats *out)
{
    const ri_interest *interest = &account->interest;
    ri_match_cache_sample sample;
    ri_match_cache_sample_of(&account->cache, &sample);
    /* each change is one or the other */
    uint64_t begun = (interest->changes + interest->count) / 2;
    out->subs += ri_interest_count(interest);
    out->subs_begun += begun;
    out->subs_ended += interest->changes - begun;
    out->matches += account->cache.hits + account->cache.misses;
    out->matches_known += account->cache.hits;
    out->answers += sample.answers;
    out->answers_told += sample.seen;
    out->receivers += sample.receivers;
    out->receivers_max = RI_MAX(out->receivers_max, sample.receivers_max);
}

/* Of accounts that a reload took away, and in which somebody still is, nothing is counted. */
static void broker_accounts_stats(const ri_broker *b, rill_stats *out)
{
    ri_broker_account_stats(&b->router.global, out);
    for (size_t i = 0; i < ri_accounts_count(b->conf.accounts); i++)
        ri_broker_account_stats(ri_accounts_at(b->conf.accounts, i), out);
}

void ri_broker_counts_inside(const ri_broker *b, rill_stats *out)
{
    RI_ASSERT(ri_broker_is_sound(b));
    RI_ASSERT(ri_broker_is_entered(b));
    out->in_msgs = b->router.in_msgs;
    out->in_bytes = b->router.in_bytes;
    out->out_msgs = b->router.out_msgs;
    out->out_bytes = b->router.out_bytes;
    out->dropped_msgs = b->router.dropped_msgs;
    const ri_budget *budget = &b->router.budget;
    out->logins_failed = b->guesses.failed;
    out->logins_refused = b->guesses.refused;
    out->turns = budget->turns;
    out->turns_cut = budget->cut;
    out->turn_units = budget->spent;
    out->turn_units_max = budget->longest;
    out->memory_bytes = ri_router_output_bytes(&b->router);
    for (int i = RI_MEMORY_OUTPUT + 1; i < RI_MEMORY_KINDS; i++)
        out->memory_bytes += ri_memory_used(&b->router.memory, i);
    out->memory_max_bytes = b->conf.memory_bytes;
    out->memory_refusals = atomic_load(&b->router.memory.refusals);
    ri_list_each (link, &b->doors) BROKER_DOOR(link)->ops->stats(BROKER_DOOR(link), out);
}

void ri_broker_stats_inside(const ri_broker *b, rill_stats *out)
{
    ri_broker_counts_inside(b, out);
    broker_accounts_stats(b, out);
    if (b->durable) ri_durable_stats(b->durable, out);
}

const ri_account *ri_broker_account_at(const ri_broker *b, size_t i)
{
    RI_ASSERT(ri_broker_is_entered(b));
    if (i == 0) return &b->router.global;
    if (i > ri_accounts_count(b->conf.accounts)) return NULL;
    return ri_accounts_at(b->conf.accounts, i - 1);
}

void ri_broker_stats(ri_broker *b, rill_stats *out)
{
    RI_ASSERT(ri_broker_is_sound(b));
    ri_broker_enter(b);
    ri_broker_stats_inside(b, out);
    ri_broker_leave(b);
}

void ri_broker_subs(ri_broker *b, ri_broker_subs_query *query)
{
    RI_ASSERT(ri_broker_is_sound(b));
    uint64_t conn = query->opts->conn;
    ri_broker_enter(b);
    for (ri_door *d = ri_door_walk(b, 0); d; d = ri_door_walk_on(b, d))
        if (!conn || d->at_id == conn) d->ops->list_subs(d, d->at, query);
    ri_broker_leave(b);
}

bool ri_broker_subs_of(ri_broker *b, ri_broker_subs_query *query)
{
    RI_ASSERT(ri_broker_is_entered(b));
    uint64_t conn = query->opts->conn;
    RI_ASSERT(conn > 0);
    ri_door *d = ri_door_walk(b, conn - 1);
    while (d && d->at_id < conn) d = ri_door_walk_on(b, d);
    if (!d || d->at_id != conn) return false;
    d->ops->list_subs(d, d->at, query);
    return true;
}

bool ri_broker_subs_want(ri_broker_subs_query *query)
{
    bool wanted = query->total++ >= query->opts->skip && query->count < query->max;
    query->count += wanted;
    return wanted;
}

bool ri_broker_list_conns(ri_broker *b, ri_broker_conns_query *query)
{
    RI_ASSERT(ri_broker_is_sound(b));
    RI_ASSERT(ri_broker_is_entered(b));
    for (ri_door *d = ri_door_walk(b, query->after); d && query->max; d = ri_door_walk_on(b, d)) {
        bool left = !query->budget || ri_budget_spend(query->budget, 1);
        if (d->at_id <= query->after) continue;
        query->after = d->at_id;
        ri_broker_conn conn = {0};
        if (query->ids) conn.info.id = d->at_id;
        else if (query->account || !query->skip) d->ops->describe_conn(d, d->at, &conn);
        bool wanted = !query->account || ri_str_is(conn.account, query->account->name);
        if (wanted && query->skip) {
            query->skip--;
        } else if (wanted) {
            query->again = false;
            query->put(query->arg, &conn);
            left = left && (!query->budget || ri_budget_left(query->budget));
            if (query->again) query->after--;
            else query->max--;
        }
        if (!left) return query->max > 0;
    }
    return false;
}
