/* SPDX-License-Identifier: Apache-2.0 */
#include "net/park.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/saturate.h"
#include "net/task.h"

void ri_park_init(ri_park *park)
{
    *park = (ri_park){.fd = -1};
    ri_list_init(&park->watches);
    pthread_mutex_init(&park->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&park->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void ri_park_fini(ri_park *park)
{
    RI_ASSERT(park->waiting == 0 && ri_list_empty(&park->watches));
    if (park->fd >= 0) close(park->fd);
    pthread_cond_destroy(&park->changed);
    pthread_mutex_destroy(&park->lock);
}

static bool park_write(int fd)
{
    uint64_t one = 1;
    return write(fd, &one, sizeof one) == sizeof one;
}

static void park_fire(ri_park *park)
{
    ri_list_each (link, &park->watches) {
        ri_park_watch *watch = ri_container_of(link, ri_park_watch, link);
        watch->fire(watch);
    }
}

void ri_park_signal(ri_park *park)
{
    pthread_mutex_lock(&park->lock);
    park->count++;
    if (park->waiting) pthread_cond_broadcast(&park->changed);
    if (park->fd >= 0 && !park->readable && !park->unseen) park->readable = park_write(park->fd);
    if (ri_unlikely(!ri_list_empty(&park->watches))) park_fire(park);
    pthread_mutex_unlock(&park->lock);
}

uint32_t ri_park_count(ri_park *park)
{
    pthread_mutex_lock(&park->lock);
    uint32_t count = park->count;
    pthread_mutex_unlock(&park->lock);
    return count;
}

static struct timespec park_deadline(int64_t timeout_ns)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    int64_t nsec = ts.tv_nsec + timeout_ns % RI_SEC;
    ts.tv_sec += (time_t)(timeout_ns / RI_SEC + nsec / RI_SEC);
    ts.tv_nsec = (long)(nsec % RI_SEC);
    return ts;
}

bool ri_park_wait(ri_park *park, uint32_t seen, int64_t timeout_ns)
{
    if (ri_task_yields()) return ri_task_wait(park, seen, timeout_ns);
    struct timespec until = park_deadline(timeout_ns < 0 ? 0 : timeout_ns);
    int rc = 0;
    pthread_mutex_lock(&park->lock);
    park->waiting++;
    while (park->count == seen && rc != ETIMEDOUT)
        rc = timeout_ns < 0 ? pthread_cond_wait(&park->changed, &park->lock)
                            : pthread_cond_timedwait(&park->changed, &park->lock, &until);
    park->waiting--;
    bool changed = park->count != seen;
    pthread_mutex_unlock(&park->lock);
    return changed;
}

bool ri_park_watch_begin(ri_park *park, uint32_t seen, ri_park_watch *watch)
{
    RI_ASSERT(watch->fire && !ri_list_linked(&watch->link));
    pthread_mutex_lock(&park->lock);
    bool same = park->count == seen;
    if (same) ri_list_push(&park->watches, &watch->link);
    pthread_mutex_unlock(&park->lock);
    return same;
}

void ri_park_watch_end(ri_park *park, ri_park_watch *watch)
{
    pthread_mutex_lock(&park->lock);
    ri_list_remove(&watch->link);
    pthread_mutex_unlock(&park->lock);
}

typedef struct park_bell {
    ri_park_watch watch;
    int fd;
    bool rung;
} park_bell;

static void park_ring(ri_park_watch *watch)
{
    park_bell *bell = ri_container_of(watch, park_bell, watch);
    if (!bell->rung) bell->rung = park_write(bell->fd);
}

void ri_park_poll(ri_park *park, uint32_t seen, int64_t timeout_ns, int bell_fd, struct pollfd *fds,
                  int n)
{
    RI_ASSERT(bell_fd >= 0 && n >= 0);
    uint64_t count;
    park_bell bell = {.watch.fire = park_ring, .fd = bell_fd};
    ri_list_init(&bell.watch.link);
    if (!ri_park_watch_begin(park, seen, &bell.watch)) return;
    int64_t ms = timeout_ns < 0 ? -1 : RI_MIN(ri_ns_add(timeout_ns, RI_MS - 1) / RI_MS, INT32_MAX);
    fds[n] = (struct pollfd){.fd = bell_fd, .events = POLLIN};
    poll(fds, (nfds_t)n + 1, (int)ms);
    ri_park_watch_end(park, &bell.watch);
    while (bell.rung && read(bell_fd, &count, sizeof count) < 0 && errno == EINTR) continue;
}

int ri_park_fd(ri_park *park)
{
    pthread_mutex_lock(&park->lock);
    if (park->fd < 0) park->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int fd = park->fd < 0 ? -errno : park->fd;
    pthread_mutex_unlock(&park->lock);
    return fd;
}

void ri_park_calm(ri_park *park)
{
    RI_ASSERT(park->fd >= -1);
    pthread_mutex_lock(&park->lock);
    uint64_t seen;
    if (park->readable && read(park->fd, &seen, sizeof seen) == sizeof seen) park->readable = false;
    pthread_mutex_unlock(&park->lock);
}

void ri_park_look(ri_park *park, bool looks)
{
    RI_ASSERT(park->fd >= 0);
    pthread_mutex_lock(&park->lock);
    park->unseen = !looks;
    pthread_mutex_unlock(&park->lock);
}
