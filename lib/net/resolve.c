/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "net/fork_lock.h"
#include "net/thread.h"

enum { RESOLVE_STACK = 256 * 1024, RESOLVE_ADDRESSES = 16 };

typedef enum resolve_state { RESOLVE_WAITS, RESOLVE_RUNS, RESOLVE_OVER } resolve_state;

struct ri_resolve { /* all guarded by resolve_all.lock, but name and port, which stay as they are */
    ri_list link;            /* in resolve_all.waiting */
    resolve_state state;
    bool forgotten;          /* the helper frees it */
    void (*notify)(void *arg);
    void *arg;
    int err;                 /* of getaddrinfo() */
    int count;
    ri_address addresses[RESOLVE_ADDRESSES];
    uint16_t port;
    char name[RI_RESOLVE_NAME_MAX + 1];
};

static void resolve_begin(void);

/* The helpers are the process's: their number is bounded for all handles together. */
static struct {
    ri_fork_lock lock;
    ri_list waiting;
    uint32_t nwaiting, nthreads;
} resolve_all = {.lock = RI_FORK_LOCK(resolve_begin)};

/* The child of a fork has none of its parent's helpers, and none of its questions. */
static void resolve_begin(void)
{
    ri_list_init(&resolve_all.waiting);
    resolve_all.nwaiting = resolve_all.nthreads = 0;
}

static void resolve_set_port(ri_address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET6) address->v6.sin6_port = htons(port);
    else address->v4.sin_port = htons(port);
}

bool ri_resolve_digits(const char *name, uint16_t port, ri_address *address)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, name, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
    } else if (inet_pton(AF_INET6, name, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
    } else {
        return false;
    }
    resolve_set_port(address, port);
    return true;
}

/* Outside the lock. */
static void resolve_look_up(ri_resolve *q)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    q->err = getaddrinfo(q->name, NULL, &hints, &found);
    if (q->err) return;
    for (struct addrinfo *info = found; info && q->count < RESOLVE_ADDRESSES;
         info = info->ai_next) {
        if (info->ai_addrlen > sizeof q->addresses[0]) continue;
        ri_address *address = &q->addresses[q->count++];
        memcpy(address, info->ai_addr, info->ai_addrlen);
        resolve_set_port(address, q->port);
    }
    freeaddrinfo(found);
}

static void *resolve_run(void *arg)
{
    (void)arg;
    ri_list *link;
    ri_fork_lock_enter(&resolve_all.lock);
    while ((link = ri_list_pop(&resolve_all.waiting))) {
        ri_resolve *q = ri_container_of(link, ri_resolve, link);
        RI_ASSERT(q->state == RESOLVE_WAITS && !q->forgotten);
        resolve_all.nwaiting--;
        q->state = RESOLVE_RUNS;
        ri_fork_lock_leave(&resolve_all.lock);
        resolve_look_up(q);
        ri_fork_lock_enter(&resolve_all.lock);
        q->state = RESOLVE_OVER;
        if (q->forgotten) free(q);
        else q->notify(q->arg);
    }
    resolve_all.nthreads--;
    ri_fork_lock_leave(&resolve_all.lock);
    return NULL;
}

/* Under the lock: the question waits; is there somebody for it? */
static int resolve_need_thread(void)
{
    pthread_t thread;
    if (resolve_all.nthreads == RI_RESOLVE_THREADS) return RILL_OK;
    int err = ri_thread_start(&thread, resolve_run, NULL, RESOLVE_STACK);
    if (err && resolve_all.nthreads == 0)
        return ri_err_os(RILL_EIO, err, "start a thread that looks up names");
    if (err) return RILL_OK; /* the others come to it */
    resolve_all.nthreads++;
    pthread_detach(thread);
    return RILL_OK;
}

int ri_resolve_ask(ri_resolve **question, const char *name, uint16_t port,
                   void (*notify)(void *arg), void *arg)
{
    RI_ASSERT(notify);
    size_t len = strlen(name);
    if (len == 0 || len > RI_RESOLVE_NAME_MAX)
        return ri_err(RILL_EINVAL, "the name of a host has 1 to %d bytes", RI_RESOLVE_NAME_MAX);
    ri_resolve *q = calloc(1, sizeof *q);
    if (!q) return ri_err_nomem(sizeof *q);
    memcpy(q->name, name, len);
    q->port = port;
    q->notify = notify;
    q->arg = arg;
    ri_fork_lock_enter(&resolve_all.lock);
    int rc = resolve_all.nwaiting < RI_RESOLVE_WAITING
                 ? resolve_need_thread()
                 : ri_err(RILL_EAGAIN, "too many names wait to be looked up");
    if (rc == RILL_OK) {
        ri_list_push(&resolve_all.waiting, &q->link);
        resolve_all.nwaiting++;
    }
    ri_fork_lock_leave(&resolve_all.lock);
    if (rc < 0) {
        free(q);
        return rc;
    }
    *question = q;
    return RILL_OK;
}

int ri_resolve_read(ri_resolve *q, ri_address *addresses, int max)
{
    RI_ASSERT(max > 0);
    ri_fork_lock_enter(&resolve_all.lock);
    bool over = q->state == RESOLVE_OVER;
    ri_fork_lock_leave(&resolve_all.lock);
    if (!over) return RILL_EAGAIN; /* when it is over the helper has let go of it */
    if (q->err) return ri_err(RILL_ECONN, "look up %s: %s", q->name, gai_strerror(q->err));
    if (q->count == 0) return ri_err(RILL_ECONN, "look up %s: it has no address", q->name);
    int n = RI_MIN(q->count, max);
    memcpy(addresses, q->addresses, (size_t)n * sizeof *addresses);
    return n;
}

void ri_resolve_forget(ri_resolve *q)
{
    if (!q) return;
    ri_fork_lock_enter(&resolve_all.lock);
    bool runs = q->state == RESOLVE_RUNS;
    if (q->state == RESOLVE_WAITS) {
        ri_list_remove(&q->link);
        resolve_all.nwaiting--;
    }
    q->forgotten = true;
    ri_fork_lock_leave(&resolve_all.lock);
    if (!runs) free(q);
}
