/* SPDX-License-Identifier: Apache-2.0 */
#include "front/peer_nats/nats_pool.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"

static uint32_t pool_dice(const ri_nats_pool *pool, uint32_t below)
{
    RI_ASSERT(below > 0);
    uint64_t dice;
    pool->host->entropy(pool->host->arg, &dice, sizeof dice);
    return (uint32_t)(dice % below);
}

static void pool_free_text(const ri_nats_pool *pool, char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    if (!text) return;
    explicit_bzero(text, size); /* it may be a password */
    ri_free(pool->host, text, size);
}

static void pool_drop(ri_nats_pool *pool, ri_nats_pool_server *server)
{
    pool_free_text(pool, server->host);
    pool_free_text(pool, server->user);
    pool_free_text(pool, server->password);
    pool_free_text(pool, server->token);
    pool_free_text(pool, server->path);
    *server = (ri_nats_pool_server){0};
}

/* A copy, or NULL for nothing; *rc is RILL_ENOMEM then. */
static char *pool_copy(const ri_nats_pool *pool, ri_str text, int *rc)
{
    if (text.len == 0) return NULL;
    char *copy = ri_strdup(pool->host, text.ptr, text.len);
    if (!copy) *rc = RILL_ENOMEM;
    return copy;
}

static ri_nats_pool_server *pool_find(const ri_nats_pool *pool, ri_str host, uint16_t port)
{
    for (uint32_t i = 0; i < pool->len; i++)
        if (pool->servers[i].port == port && ri_str_is(host, pool->servers[i].host))
            return &pool->servers[i];
    return NULL;
}

static int pool_add(ri_nats_pool *pool, const ri_url_peer *peer, bool of_url)
{
    RI_ASSERT(pool->len <= RI_NATS_POOL_MAX);
    if (pool->len == RI_NATS_POOL_MAX) return RILL_OK; /* enough of them */
    int rc = RILL_OK;
    if (ri_array_reserve(pool->host, &pool->servers, &pool->cap, pool->len + 1,
                         sizeof *pool->servers) < 0)
        return RILL_ENOMEM;
    ri_nats_pool_server *server = &pool->servers[pool->len];
    *server = (ri_nats_pool_server){.port = peer->port, .of_url = of_url, .named = !of_url};
    server->host = pool_copy(pool, peer->host, &rc);
    server->user = pool_copy(pool, peer->user, &rc);
    server->password = pool_copy(pool, peer->password, &rc);
    server->token = pool_copy(pool, peer->token, &rc);
    server->path = pool_copy(pool, peer->path, &rc);
    if (rc < 0) pool_drop(pool, server);
    else pool->len++;
    return rc;
}

/* Those from `first` on in any order. */
static void pool_shuffle(ri_nats_pool *pool, uint32_t first)
{
    RI_ASSERT(first <= pool->len);
    for (uint32_t n = pool->len - first; n > 1; n--) {
        uint32_t other = first + pool_dice(pool, n), last = first + n - 1;
        ri_nats_pool_server moved = pool->servers[other];
        pool->servers[other] = pool->servers[last];
        pool->servers[last] = moved;
    }
}

int ri_nats_pool_init(ri_nats_pool *pool, const ri_host *host, const ri_url *url, bool fixed)
{
    *pool = (ri_nats_pool){.host = host, .fixed = fixed, .is_unix = url->scheme == RI_URL_UNIX,
                           .scheme = url->scheme};
    int rc = RILL_OK;
    if (pool->is_unix) rc = pool_add(pool, &(ri_url_peer){.host = url->path}, true);
    for (uint32_t i = 0; i < url->npeers && rc == RILL_OK; i++)
        if (url->peers[i].host.len == 0)
            rc = ri_err(RILL_EINVAL, "the URL names no host to connect to");
        else if (!pool_find(pool, url->peers[i].host, url->peers[i].port))
            rc = pool_add(pool, &url->peers[i], true);
    if (rc < 0) ri_nats_pool_fini(pool);
    else if (!fixed) pool_shuffle(pool, 0);
    return rc;
}

void ri_nats_pool_fini(ri_nats_pool *pool)
{
    for (uint32_t i = 0; i < pool->len; i++) pool_drop(pool, &pool->servers[i]);
    if (pool->host) ri_free(pool->host, pool->servers, pool->cap * sizeof *pool->servers);
    *pool = (ri_nats_pool){0};
}

static int64_t pool_pause_ns(const ri_nats_pool *pool)
{
    int64_t ns = pool->first_ns;
    for (uint32_t i = 1; i < pool->rounds && ns < pool->most_ns; i++) ns = ri_ns_mul(ns, 2);
    ns = RI_MIN(ns, pool->most_ns);
    int64_t fifth = ns / 5;
    return fifth ? ns - fifth + (int64_t)((double)fifth * 2 * pool_dice(pool, 1001) / 1000) : ns;
}

bool ri_nats_pool_is_round(const ri_nats_pool *pool)
{
    for (uint32_t i = 0, open = 0; i < pool->len; i++) {
        open += !pool->servers[i].barred;
        if (open > pool->tried) return false;
    }
    return true;
}

const ri_nats_pool_server *ri_nats_pool_next(ri_nats_pool *pool, int64_t *pause_ns)
{
    RI_ASSERT(pool->len > 0);
    *pause_ns = 0;
    if (ri_nats_pool_is_round(pool) && pool->tried > 0) {
        pool->tried = 0;
        if (pool->rounds < UINT32_MAX) pool->rounds++;
        *pause_ns = pool_pause_ns(pool);
    }
    for (uint32_t i = 0; i < pool->len; i++) {
        pool->at = pool->begun ? (pool->at + 1) % pool->len : 0;
        pool->begun = true;
        if (pool->servers[pool->at].barred) continue;
        pool->tried++;
        return &pool->servers[pool->at];
    }
    return NULL;
}

const ri_nats_pool_server *ri_nats_pool_current(const ri_nats_pool *pool)
{
    RI_ASSERT(pool->begun && pool->at < pool->len);
    return &pool->servers[pool->at];
}

static bool pool_has_login(const ri_nats_pool_server *server)
{
    return server->user || server->token;
}

const ri_nats_pool_server *ri_nats_pool_login(const ri_nats_pool *pool)
{
    const ri_nats_pool_server *current = ri_nats_pool_current(pool);
    if (pool_has_login(current)) return current;
    for (uint32_t i = 0; i < pool->len; i++)
        if (pool_has_login(&pool->servers[i])) return &pool->servers[i];
    return current;
}

void ri_nats_pool_up(ri_nats_pool *pool)
{
    RI_ASSERT(pool->begun && pool->at < pool->len);
    pool->servers[pool->at].refusals = 0;
}

void ri_nats_pool_stood(ri_nats_pool *pool)
{
    RI_ASSERT(pool->begun && pool->at < pool->len);
    pool->tried = 1; /* when it is lost the others are first, and it comes behind a pause */
    pool->rounds = 0;
}

void ri_nats_pool_refused(ri_nats_pool *pool)
{
    RI_ASSERT(pool->begun && pool->at < pool->len);
    ri_nats_pool_server *server = &pool->servers[pool->at];
    if (++server->refusals < RI_NATS_POOL_REFUSALS) return;
    server->barred = true;
    if (pool->tried > 0) pool->tried--; /* it does not count any more */
}

/* "10.0.0.1:4222" or "[::1]:4222". */
static bool pool_read(ri_str text, ri_url_peer *peer)
{
    const char *colon = NULL;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == ':') colon = text.ptr + i;
    uint64_t port;
    if (!colon || !ri_number_read(ri_str_from(text, (size_t)(colon + 1 - text.ptr)), &port) ||
        port == 0 || port > UINT16_MAX)
        return false;
    ri_str host = {text.ptr, (size_t)(colon - text.ptr)};
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = (ri_str){host.ptr + 1, host.len - 2};
    *peer = (ri_url_peer){.host = host, .port = (uint16_t)port};
    return host.len > 0 && !memchr(host.ptr, 0, host.len);
}

/* Those that are of nobody any more go, but the current one. */
static void pool_prune(ri_nats_pool *pool)
{
    RI_ASSERT(pool->at < pool->len);
    uint32_t kept = 0, at = pool->at;
    for (uint32_t i = 0; i < pool->len; i++) {
        ri_nats_pool_server *server = &pool->servers[i];
        if (!server->of_url && !server->named && i != at) {
            pool_drop(pool, server);
            continue;
        }
        if (i == at) pool->at = kept;
        pool->servers[kept++] = *server;
    }
    pool->len = kept;
}

int ri_nats_pool_learn(ri_nats_pool *pool, const ri_str_list *urls)
{
    RI_ASSERT(pool->begun);
    if (pool->fixed || pool->is_unix || urls->len == 0) return RILL_OK;
    for (uint32_t i = 0; i < pool->len; i++) pool->servers[i].named = false;
    uint32_t first = pool->len;
    int rc = RILL_OK;
    for (uint32_t i = 0; i < urls->len && rc == RILL_OK; i++) {
        ri_url_peer peer;
        if (!pool_read(urls->items[i], &peer)) continue;
        ri_nats_pool_server *known = pool_find(pool, peer.host, peer.port);
        if (known) known->named = true;
        else rc = pool_add(pool, &peer, false);
    }
    if (rc < 0) return rc;
    pool_shuffle(pool, first);
    pool_prune(pool);
    return RILL_OK;
}

bool ri_nats_pool_has_other(const ri_nats_pool *pool)
{
    RI_ASSERT(pool->begun);
    for (uint32_t i = 0; i < pool->len; i++)
        if (i != pool->at && !pool->servers[i].barred) return true;
    return false;
}

void ri_nats_pool_write(const ri_nats_pool *pool, const ri_nats_pool_server *server, char *out,
                        size_t room)
{
    const char *scheme = ri_url_scheme_name(pool->scheme);
    bool ipv6 = strchr(server->host, ':') != NULL;
    if (pool->is_unix) snprintf(out, room, "unix:%s", server->host);
    else snprintf(out, room, "%s://%s%s%s:%u", scheme, ipv6 ? "[" : "", server->host,
                  ipv6 ? "]" : "", server->port);
}

static bool pool_is_address(const char *host)
{
    return strchr(host, ':') || strspn(host, "0123456789.") == strlen(host);
}

const char *ri_nats_pool_name(const ri_nats_pool *pool)
{
    const ri_nats_pool_server *current = ri_nats_pool_current(pool);
    if (pool->is_unix) return "localhost";
    if (current->of_url || !pool_is_address(current->host)) return current->host;
    for (uint32_t i = 0; i < pool->len; i++)
        if (pool->servers[i].of_url && !pool_is_address(pool->servers[i].host))
            return pool->servers[i].host;
    return current->host;
}
