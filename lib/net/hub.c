/* SPDX-License-Identifier: Apache-2.0 */
#include "net/hub.h"

#include "base/assert.h"
#include "base/error.h"
#include "net/fork_lock.h"

struct ri_hub {
    ri_loop loop;
    ri_host host;
    uint32_t refs;           /* guarded by hub_all.lock */
    ri_list link;            /* in hub_all; its own: in none */
    pthread_mutex_t lock;    /* guards `row`, `closing` and `left` of guests */
    pthread_cond_t left;     /* signalled when one has left */
    ri_list row;             /* ri_hub_guest.link */
    bool closing;
};

static void hub_forget_all(void);

/* Where those who come with the same hooks find each other. */
static struct {
    ri_fork_lock lock;
    ri_list list;
} hub_all = {.lock = RI_FORK_LOCK(hub_forget_all)};

static void hub_forget_all(void)
{
    ri_list_init(&hub_all.list);
}

static void hub_let_go(ri_hub *hub, ri_hub_guest *guest)
{
    pthread_mutex_lock(&hub->lock);
    RI_ASSERT(!guest->left && !ri_list_linked(&guest->link));
    guest->left = true;
    pthread_cond_broadcast(&hub->left);
    pthread_mutex_unlock(&hub->lock);
}

/* Those who call meanwhile are the next turn's. */
static void hub_on_turn(void *arg)
{
    ri_hub *hub = arg;
    ri_list row, *link;
    ri_list_init(&row);
    pthread_mutex_lock(&hub->lock);
    ri_list_splice(&row, &hub->row);
    bool closing = hub->closing;
    pthread_mutex_unlock(&hub->lock);
    while ((link = ri_list_pop(&row))) {
        ri_hub_guest *guest = ri_container_of(link, ri_hub_guest, link);
        atomic_store(&guest->called, false);
        guest->turn(guest);
        if (!guest->leaves) continue;
        ri_loop_run_ends(&hub->loop); /* its wires are closed before anybody hears of it */
        hub_let_go(hub, guest);
    }
    if (closing) ri_loop_stop(&hub->loop);
}

static void hub_free(ri_hub *hub)
{
    RI_ASSERT(ri_list_empty(&hub->row) && !ri_list_linked(&hub->link));
    ri_loop_fini(&hub->loop);
    pthread_mutex_destroy(&hub->lock);
    pthread_cond_destroy(&hub->left);
    ri_host host = hub->host;
    ri_delete(&host, hub);
}

static int hub_new(ri_hub **out, const rill_host *hooks, bool own)
{
    ri_host host;
    ri_host_init(&host, hooks);
    ri_hub *hub = ri_new(&host, ri_hub);
    if (!hub) return RILL_ENOMEM;
    hub->host = host;
    hub->refs = 1;
    ri_list_init(&hub->link);
    ri_list_init(&hub->row);
    pthread_mutex_init(&hub->lock, NULL);
    pthread_cond_init(&hub->left, NULL);
    int rc = ri_loop_init(&hub->loop, &hub->host, hub_on_turn, hub);
    if (rc == RILL_OK && !own) rc = ri_loop_start(&hub->loop);
    if (rc < 0) hub_free(hub);
    else *out = hub;
    return rc;
}

/* By what the table says, since it need not be where it was. */
static bool hub_is_of(const ri_hub *hub, const ri_host *host)
{
    const ri_host *own = &hub->host;
    return own->arg == host->arg && own->alloc == host->alloc && own->mono_ns == host->mono_ns &&
           own->wall_ns == host->wall_ns && own->entropy == host->entropy && own->log == host->log;
}

static ri_hub *hub_find(const rill_host *hooks)
{
    ri_host host;
    ri_host_init(&host, hooks);
    ri_list_each (link, &hub_all.list) {
        ri_hub *hub = ri_container_of(link, ri_hub, link);
        if (hub_is_of(hub, &host)) return hub;
    }
    return NULL;
}

int ri_hub_open(ri_hub **hub, const rill_host *hooks, bool own)
{
    if (own) return hub_new(hub, hooks, true);
    int rc = RILL_OK;
    ri_fork_lock_enter(&hub_all.lock);
    ri_hub *shared = hub_find(hooks);
    if (shared) {
        shared->refs++;
        *hub = shared;
    } else if ((rc = hub_new(hub, hooks, false)) == RILL_OK) {
        ri_list_push(&hub_all.list, &(*hub)->link);
    }
    ri_fork_lock_leave(&hub_all.lock);
    return rc;
}

ri_loop *ri_hub_loop(ri_hub *hub)
{
    return &hub->loop;
}

void ri_hub_call_first(ri_hub *hub, ri_hub_guest *guest)
{
    RI_ASSERT(guest->turn);
    if (atomic_exchange(&guest->called, true)) return;
    pthread_mutex_lock(&hub->lock);
    ri_list_push(&hub->row, &guest->link);
    pthread_mutex_unlock(&hub->lock);
    ri_loop_wake(&hub->loop);
}

void ri_hub_leave(ri_hub *hub, ri_hub_guest *guest)
{
    RI_ASSERT(guest->turn && !guest->leaves);
    pthread_mutex_lock(&hub->lock);
    ri_list_remove(&guest->link);
    guest->leaves = true;
    pthread_mutex_unlock(&hub->lock);
}

void ri_hub_await_left(ri_hub *hub, ri_hub_guest *guest)
{
    pthread_mutex_lock(&hub->lock);
    while (!guest->left) {
        if (hub->loop.started) {
            pthread_cond_wait(&hub->left, &hub->lock);
            continue;
        }
        pthread_mutex_unlock(&hub->lock);
        ri_loop_turn(&hub->loop);
        pthread_mutex_lock(&hub->lock);
    }
    pthread_mutex_unlock(&hub->lock);
}

void ri_hub_close(ri_hub *hub)
{
    if (!hub) return;
    ri_fork_lock_enter(&hub_all.lock);
    RI_ASSERT(hub->refs > 0);
    bool last = --hub->refs == 0;
    if (last) ri_list_remove(&hub->link); /* whoever comes now opens another */
    ri_fork_lock_leave(&hub_all.lock);
    if (!last) return;
    pthread_mutex_lock(&hub->lock);
    hub->closing = true;
    pthread_mutex_unlock(&hub->lock);
    ri_loop_wake(&hub->loop);
    ri_loop_join(&hub->loop);
    hub_free(hub);
}
