/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/login.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { LOGIN_MAGIC = 0x6c6f676e };

struct ri_login_desk {
    ri_host host;
    atomic_uint refs;        /* the door, and each login */
    pthread_mutex_t lock;    /* guards what is below, and askers and answers of logins */
    ri_list answered;        /* ri_login.link */
    size_t open;             /* the program has so many */
    void (*wake)(void *arg); /* NULL: the door is closed */
    void *wake_arg;
};

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
    pthread_mutex_init(&desk->lock, NULL);
    return RILL_OK;
}

static void login_desk_unref(ri_login_desk *desk)
{
    RI_ASSERT(atomic_load(&desk->refs) > 0);
    if (atomic_fetch_sub_explicit(&desk->refs, 1, memory_order_acq_rel) != 1) return;
    RI_ASSERT(ri_list_empty(&desk->answered) && desk->open == 0);
    ri_host host = desk->host; /* it may free its own owner */
    pthread_mutex_destroy(&desk->lock);
    ri_delete(&host, desk);
}

void ri_login_desk_close(ri_login_desk *desk)
{
    if (!desk) return;
    pthread_mutex_lock(&desk->lock);
    desk->wake = NULL;
    RI_ASSERT(ri_list_empty(&desk->answered));
    pthread_mutex_unlock(&desk->lock);
    login_desk_unref(desk);
}

bool ri_login_desk_is_full(ri_login_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    bool full = desk->open >= RI_LOGINS_OPEN;
    pthread_mutex_unlock(&desk->lock);
    return full;
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

int ri_login_new(ri_login_desk *desk, const rill_login *facts, void *asker, ri_login **out)
{
    RI_ASSERT(desk && facts->peer && asker);
    size_t bytes = sizeof(ri_login) + login_text_size(facts->peer) +
                   login_text_size(facts->client) + login_text_size(facts->user) +
                   login_text_size(facts->password) + login_text_size(facts->token) +
                   login_text_size(facts->nkey);
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
    login->magic = LOGIN_MAGIC;
    login->bytes = bytes;
    login->desk = desk;
    login->asker = asker;
    ri_list_init(&login->link);
    atomic_fetch_add_explicit(&desk->refs, 1, memory_order_relaxed);
    pthread_mutex_lock(&desk->lock);
    desk->open++;
    pthread_mutex_unlock(&desk->lock);
    return RILL_OK;
}

void ri_login_free(ri_login *login)
{
    RI_ASSERT(login->magic == LOGIN_MAGIC && login->answered);
    ri_login_desk *desk = login->desk;
    size_t bytes = login->bytes;
    ri_access_unref(login->access);
    explicit_bzero(login, bytes); /* it has a password */
    ri_free(&desk->host, login, bytes);
    login_desk_unref(desk);
}

void ri_login_forget(ri_login *login)
{
    RI_ASSERT(login->magic == LOGIN_MAGIC);
    pthread_mutex_lock(&login->desk->lock);
    bool ours = login->answered;
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

int ri_login_answer(ri_login *login, const rill_user *as, const char *why)
{
    ri_access *access;
    int rc = login_access(login, as, &access);
    if (rc < 0) return rc;
    ri_login_desk *desk = login->desk;
    pthread_mutex_lock(&desk->lock);
    bool again = login->answered;
    if (!again) {
        login->answered = true;
        login->access = access;
        snprintf(login->why, sizeof login->why, "%s", why ? why : "");
        RI_ASSERT(desk->open > 0);
        desk->open--;
    }
    bool gone = !again && !login->asker;
    if (!again && !gone) {
        ri_list_push(&desk->answered, &login->link);
        if (desk->wake) desk->wake(desk->wake_arg);
    }
    pthread_mutex_unlock(&desk->lock);
    if (gone) ri_login_free(login);
    if (!again) return RILL_OK;
    ri_access_unref(access);
    return ri_err(RILL_EINVAL, "that login is answered already");
}
