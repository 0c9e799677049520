/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/login.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/map.h"
#include "front/broker/peer_host.h"

enum { LOGIN_MAGIC = 0x6c6f676e };

struct ri_login_host {       /* there as long as somebody of it waits or is asked about */
    ri_list link;            /* desk->row, while somebody waits */
    ri_list waiting;         /* ri_login_seat.link */
    size_t open, held;       /* of those of the desk */
    size_t size;             /* of the allocation */
    size_t name_len;
    char name[];
};

struct ri_login_desk {
    ri_host host;
    atomic_uint refs;        /* the door, and each login */
    pthread_mutex_t lock;    /* guards what is below, and askers and answers of logins */
    ri_list answered;        /* ri_login.link */
    ri_map hosts;            /* by name */
    ri_list row;             /* hosts of which somebody waits */
    bool stuck;              /* none of these has a place, and nothing has changed since */
    size_t open;             /* places that are taken */
    size_t held;             /* the program has so many, those of askers who have gone, too */
    void (*wake)(void *arg); /* NULL: the door is closed */
    void *wake_arg;
};

static bool login_host_is(const void *item, const void *key)
{
    const ri_login_host *host = item;
    return ri_str_eq((ri_str){host->name, host->name_len}, *(const ri_str *)key);
}

int ri_login_desk_new(const ri_host *host, void (*wake)(void *arg), void *arg,
                      ri_login_desk **out)
{
    RI_ASSERT(host && wake);
    ri_login_desk *desk = ri_new(host, ri_login_desk);
    *out = desk;
    if (!desk) return RILL_ENOMEM;
    desk->host = *host;
    desk->wake = wake;
    desk->wake_arg = arg;
    atomic_init(&desk->refs, 1);
    ri_list_init(&desk->answered);
    ri_list_init(&desk->row);
    ri_map_init(&desk->hosts, &desk->host, login_host_is);
    pthread_mutex_init(&desk->lock, NULL);
    return RILL_OK;
}

static void login_desk_unref(ri_login_desk *desk)
{
    RI_ASSERT(atomic_load(&desk->refs) > 0);
    if (atomic_fetch_sub_explicit(&desk->refs, 1, memory_order_acq_rel) != 1) return;
    RI_ASSERT(ri_list_empty(&desk->answered) && desk->held == 0);
    RI_ASSERT(desk->hosts.len == 0);
    ri_host host = desk->host; /* it may free its own owner */
    ri_map_fini(&desk->hosts);
    pthread_mutex_destroy(&desk->lock);
    ri_delete(&host, desk);
}

void ri_login_desk_close(ri_login_desk *desk)
{
    if (!desk) return;
    pthread_mutex_lock(&desk->lock);
    desk->wake = NULL;
    RI_ASSERT(ri_list_empty(&desk->answered) && ri_list_empty(&desk->row));
    pthread_mutex_unlock(&desk->lock);
    login_desk_unref(desk);
}

/* ---- Hosts and their places: inside the lock ---- */

static ri_login_host *login_host_of(ri_login_desk *desk, const char *peer)
{
    char text[RI_PEER_HOST_MAX];
    ri_peer_host(peer, text);
    ri_str name = ri_str_of(text);
    ri_login_host *host = ri_map_get(&desk->hosts, ri_hash(name), &name);
    if (host) return host;
    size_t size = sizeof *host + name.len;
    if (!(host = ri_calloc(&desk->host, size))) return NULL;
    ri_list_init(&host->link);
    ri_list_init(&host->waiting);
    host->size = size;
    host->name_len = name.len;
    memcpy(host->name, name.ptr, name.len);
    if (ri_map_put(&desk->hosts, ri_hash(name), host) == RILL_OK) return host;
    ri_free(&desk->host, host, size);
    return NULL;
}

/* Something of it has gone: maybe all has. */
static void login_host_let_go(ri_login_desk *desk, ri_login_host *host)
{
    ri_str name = {host->name, host->name_len};
    desk->stuck = false;
    if (ri_list_empty(&host->waiting)) ri_list_remove(&host->link);
    if (!ri_list_empty(&host->waiting) || host->held) return;
    RI_ASSERT(host->open == 0);
    ri_map_take(&desk->hosts, ri_hash(name), &name);
    ri_free(&desk->host, host, host->size);
}

static bool login_host_has_place(const ri_login_desk *desk, const ri_login_host *host)
{
    RI_ASSERT(desk->open <= RI_LOGINS_OPEN && desk->held <= RI_LOGINS_HELD);
    return host->open < RI_LOGINS_OPEN - desk->open && host->held < RI_LOGINS_HELD - desk->held;
}

int ri_login_seat_take(ri_login_desk *desk, const char *peer, ri_login_seat *seat)
{
    RI_ASSERT(desk && peer && !seat->host);
    pthread_mutex_lock(&desk->lock);
    ri_login_host *host = login_host_of(desk, peer);
    if (host) {
        if (ri_list_empty(&host->waiting)) ri_list_push(&desk->row, &host->link);
        ri_list_push(&host->waiting, &seat->link);
        seat->host = host;
        desk->stuck = false;
    }
    pthread_mutex_unlock(&desk->lock);
    return host ? RILL_OK : RILL_ENOMEM;
}

static void login_seat_free(ri_login_desk *desk, ri_login_seat *seat)
{
    ri_login_host *host = seat->host;
    ri_list_remove(&seat->link);
    seat->host = NULL;
    login_host_let_go(desk, host);
}

void ri_login_seat_leave(ri_login_desk *desk, ri_login_seat *seat)
{
    if (!seat->host) return;
    pthread_mutex_lock(&desk->lock);
    login_seat_free(desk, seat);
    pthread_mutex_unlock(&desk->lock);
}

/* While a place is left only hosts that have some themselves are passed by, so they are few. */
static ri_login_host *login_host_next(ri_login_desk *desk, bool all)
{
    bool full = desk->open == RI_LOGINS_OPEN || desk->held == RI_LOGINS_HELD;
    if ((desk->stuck || full) && !all) return NULL;
    ri_list_each (link, &desk->row) {
        ri_login_host *host = ri_container_of(link, ri_login_host, link);
        if (all || login_host_has_place(desk, host)) return host;
    }
    desk->stuck = true;
    return NULL;
}

ri_login_seat *ri_login_seat_next(ri_login_desk *desk, bool all)
{
    ri_login_seat *seat = NULL;
    pthread_mutex_lock(&desk->lock);
    ri_login_host *host = login_host_next(desk, all);
    if (host) {
        seat = ri_container_of(host->waiting.next, ri_login_seat, link);
        ri_list_remove(&host->link);
        ri_list_push(&desk->row, &host->link); /* the others are before it now */
        login_seat_free(desk, seat);
    }
    pthread_mutex_unlock(&desk->lock);
    return seat;
}

/* ---- One login ---- */

static size_t login_text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *login_lay(char **at, const char *text)
{
    size_t size = login_text_size(text);
    if (!text) return NULL;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static void login_destroy(ri_login *login)
{
    ri_login_desk *desk = login->desk;
    size_t bytes = login->bytes;
    explicit_bzero(login, bytes); /* it has a password */
    ri_free(&desk->host, login, bytes);
    login_desk_unref(desk);
}

/* It takes a place. */
static int login_open(ri_login_desk *desk, ri_login *login)
{
    pthread_mutex_lock(&desk->lock);
    ri_login_host *host = login->host = login_host_of(desk, login->facts.peer);
    if (host) {
        host->open++;
        host->held++;
        desk->open++;
        desk->held++;
    }
    pthread_mutex_unlock(&desk->lock);
    return host ? RILL_OK : RILL_ENOMEM;
}

/* Inside the lock: the asker goes, or is answered. */
static void login_leave_place(ri_login *login)
{
    RI_ASSERT(login->host->open > 0 && login->desk->open > 0);
    login->host->open--;
    login->desk->open--;
    login->desk->stuck = false;
}

int ri_login_new(ri_login_desk *desk, const rill_login *facts, void *asker, ri_login **out)
{
    RI_ASSERT(desk && facts->peer && asker);
    size_t bytes = sizeof(ri_login) + login_text_size(facts->peer) +
                   login_text_size(facts->client) + login_text_size(facts->user) +
                   login_text_size(facts->password) + login_text_size(facts->token) +
                   login_text_size(facts->nkey) +
                   login_text_size(facts->certificate);
    ri_login *login = *out = ri_calloc(&desk->host, bytes);
    if (!login) return RILL_ENOMEM;
    char *at = login->texts;
    login->facts = *facts;
    login->facts.peer = login_lay(&at, facts->peer);
    login->facts.client = login_lay(&at, facts->client);
    login->facts.user = login_lay(&at, facts->user);
    login->facts.password = login_lay(&at, facts->password);
    login->facts.token = login_lay(&at, facts->token);
    login->facts.nkey = login_lay(&at, facts->nkey);
    login->facts.certificate = login_lay(&at, facts->certificate);
    login->magic = LOGIN_MAGIC;
    login->bytes = bytes;
    login->desk = desk;
    login->asker = asker;
    ri_list_init(&login->link);
    atomic_fetch_add_explicit(&desk->refs, 1, memory_order_relaxed);
    if (login_open(desk, login) == RILL_OK) return RILL_OK;
    login_destroy(login);
    *out = NULL;
    return RILL_ENOMEM;
}

void ri_login_free(ri_login *login)
{
    RI_ASSERT(login->magic == LOGIN_MAGIC && login->answered);
    ri_access_unref(login->access);
    login_destroy(login);
}

void ri_login_forget(ri_login *login)
{
    RI_ASSERT(login->magic == LOGIN_MAGIC);
    pthread_mutex_lock(&login->desk->lock);
    bool ours = login->answered;
    if (!ours) login_leave_place(login);
    login->asker = NULL;
    ri_list_remove(&login->link);
    pthread_mutex_unlock(&login->desk->lock);
    if (ours) ri_login_free(login);
}

ri_login *ri_login_next(ri_login_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    ri_list *link = ri_list_pop(&desk->answered);
    pthread_mutex_unlock(&desk->lock);
    return link ? ri_container_of(link, ri_login, link) : NULL;
}

static int login_access(const ri_login *login, const rill_user *as, ri_access **out)
{
    *out = NULL;
    if (login->magic != LOGIN_MAGIC) return ri_err(RILL_EINVAL, "that is no login");
    return as ? ri_access_new(&login->desk->host, &as, 1, out) : RILL_OK;
}

/* Inside the lock: the program has it no more. */
static void login_give_back(ri_login *login)
{
    ri_login_desk *desk = login->desk;
    RI_ASSERT(!login->answered && login->host->held > 0 && desk->held > 0);
    login->answered = true;
    if (login->asker) login_leave_place(login);
    login->host->held--;
    desk->held--;
    login_host_let_go(desk, login->host);
    login->host = NULL;
    if (login->asker) ri_list_push(&desk->answered, &login->link);
    bool wanted = login->asker || !ri_list_empty(&desk->row);
    if (wanted && desk->wake) desk->wake(desk->wake_arg);
}

int ri_login_answer(ri_login *login, const rill_user *as, const char *why)
{
    ri_access *access;
    int rc = login_access(login, as, &access);
    if (rc < 0) return rc;
    ri_login_desk *desk = login->desk;
    pthread_mutex_lock(&desk->lock);
    bool again = login->answered;
    bool gone = !again && !login->asker;
    if (!again) {
        login->access = access;
        snprintf(login->why, sizeof login->why, "%s", why ? why : "");
        login_give_back(login);
    }
    pthread_mutex_unlock(&desk->lock);
    if (gone) ri_login_free(login);
    if (!again) return RILL_OK;
    ri_access_unref(access);
    return ri_err(RILL_EINVAL, "that login is answered already");
}
