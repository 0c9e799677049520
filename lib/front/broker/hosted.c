/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/broker.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "net/task.h"

/* Somebody who sleeps on his park, since another one is the sentry, or turns. */
typedef struct hosted_waiter {
    ri_list link;
    ri_park *park;
} hosted_waiter;

#define HOSTED_LOOP(link) ri_container_of(link, ri_loop, host_link)

void ri_hosted_init(ri_hosted *h, bool on)
{
    *h = (ri_hosted){.on = on, .bell = -1};
    ri_list_init(&h->loops);
    ri_list_init(&h->waiting);
    ri_list_init(&h->eyes);
    ri_park_init(&h->idle);
}

void ri_hosted_fini(ri_hosted *h)
{
    RI_ASSERT(!h->turning && !h->sentry);
    RI_ASSERT(ri_list_empty(&h->loops) && ri_list_empty(&h->waiting) && ri_list_empty(&h->eyes));
    if (h->bell >= 0) close(h->bell);
    ri_park_fini(&h->idle);
}

/* Inside the gate: something has changed for those who sleep beside a sentry, if there is one. */
static void hosted_call_waiting(ri_hosted *h)
{
    ri_list_each (link, &h->waiting) {
        hosted_waiter *waiter = ri_container_of(link, hosted_waiter, link);
        ri_park_signal(waiter->park);
    }
}

/* Inside the gate: somebody turns no more, or is the sentry no more. */
static void hosted_let_go(ri_hosted *h)
{
    ri_park_signal(&h->idle);
    if (!h->sentry && !h->turning) hosted_call_waiting(h);
}

/* ---- Turns ---- */

void ri_hosted_turn(ri_broker *b)
{
    RI_ASSERT(ri_broker_is_entered(b));
    ri_hosted *h = &b->hosted;
    if (h->turning || ri_list_empty(&h->loops)) return;
    h->turning = true; /* so that no loop leaves */
    for (ri_list *link = h->loops.next; link != &h->loops; link = link->next) {
        ri_loop *loop = HOSTED_LOOP(link);
        if (loop->stopped) continue;
        ri_broker_leave(b);
        ri_loop_turn(loop);
        ri_loop_rest(loop);
        ri_broker_enter(b);
    }
    h->turning = false;
    hosted_let_go(h);
}

int64_t ri_hosted_due_ns(ri_broker *b)
{
    RI_ASSERT(ri_broker_is_entered(b));
    ri_hosted *h = &b->hosted;
    int64_t due = -1;
    if (h->turning) return -1;
    ri_list_each (link, &h->loops) {
        ri_loop *loop = HOSTED_LOOP(link);
        int64_t one = loop->stopped ? -1 : ri_loop_due_ns(loop);
        if (one >= 0 && (due < 0 || one < due)) due = one;
    }
    return due;
}

/* ---- Sleeps ---- */

/* Inside the gate, which it leaves and enters again. */
static void hosted_sleep_aside(ri_broker *b, ri_park *park, uint32_t seen, int64_t timeout_ns)
{
    RI_ASSERT(ri_broker_is_entered(b));
    hosted_waiter waiter = {.park = park};
    ri_list_push(&b->hosted.waiting, &waiter.link);
    ri_broker_leave(b);
    ri_park_wait(park, seen, timeout_ns);
    ri_broker_enter(b);
    ri_list_remove(&waiter.link);
}

/* The same, on the descriptors of all loops, too. */
static void hosted_sleep_sentry(ri_broker *b, ri_park *park, uint32_t seen, int64_t timeout_ns)
{
    ri_hosted *h = &b->hosted;
    RI_ASSERT(!h->turning && !h->sentry && h->bell >= 0);
    struct pollfd fds[RI_HOSTED_LOOPS + 1];
    int n = 0;
    ri_list_each (link, &h->loops)
        fds[n++] = (struct pollfd){.fd = ri_loop_outer_fd(HOSTED_LOOP(link)), .events = POLLIN};
    RI_ASSERT(n <= RI_HOSTED_LOOPS);
    h->sentry = park;
    ri_broker_leave(b);
    ri_park_poll(park, seen, timeout_ns, h->bell, fds, n);
    ri_broker_enter(b);
    h->sentry = NULL;
    hosted_let_go(h);
}

void ri_hosted_sleep(ri_broker *b, ri_park *park, uint32_t seen, int64_t timeout_ns)
{
    ri_broker_enter(b);
    ri_hosted *h = &b->hosted;
    RI_ASSERT(h->on);
    if (h->turning || h->sentry || h->bell < 0) hosted_sleep_aside(b, park, seen, timeout_ns);
    else hosted_sleep_sentry(b, park, seen, timeout_ns);
    ri_broker_leave(b);
}

bool ri_hosted_wait(ri_broker *b, ri_park *park, uint32_t seen, int64_t timeout_ns)
{
    if (!b->hosted.on || ri_task_yields()) return ri_park_wait(park, seen, timeout_ns);
    int64_t until_ns = ri_deadline_in(&b->host, timeout_ns);
    for (;;) {
        ri_broker_enter(b);
        ri_hosted_turn(b);
        int64_t due_ns = ri_hosted_due_ns(b);
        ri_broker_leave(b);
        int64_t left_ns = ri_deadline_left_ns(&b->host, until_ns);
        if (ri_park_count(park) != seen) return true;
        if (left_ns == 0) return false;
        if (due_ns < 0 || (left_ns >= 0 && left_ns < due_ns)) due_ns = left_ns;
        if (due_ns != 0) ri_hosted_sleep(b, park, seen, due_ns);
    }
}

/* ---- Descriptors ---- */

static int hosted_eye_add(const ri_hosted_eye *eye, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(eye->fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int ri_hosted_eye_fd(ri_broker *b, ri_hosted_eye *eye, ri_park *park)
{
    RI_ASSERT(ri_broker_is_entered(b) && b->hosted.on);
    if (eye->open) return eye->fd;
    int park_fd = ri_park_fd(park), rc = 0;
    if (park_fd < 0) return park_fd;
    if ((eye->fd = epoll_create1(EPOLL_CLOEXEC)) < 0) return -errno;
    eye->open = true;
    ri_list_push(&b->hosted.eyes, &eye->link);
    rc = hosted_eye_add(eye, park_fd);
    ri_list_each (link, &b->hosted.loops)
        if (rc == 0) rc = hosted_eye_add(eye, ri_loop_outer_fd(HOSTED_LOOP(link)));
    if (rc < 0) ri_hosted_eye_close(b, eye);
    return rc < 0 ? rc : eye->fd;
}

void ri_hosted_eye_close(ri_broker *b, ri_hosted_eye *eye)
{
    RI_ASSERT(ri_broker_is_entered(b));
    if (!eye->open) return;
    ri_list_remove(&eye->link);
    close(eye->fd);
    eye->open = false;
}

/* ---- The loops of doors ---- */

int ri_hosted_join(ri_broker *b, ri_loop *loop)
{
    RI_ASSERT(ri_broker_is_entered(b) && b->hosted.on && !loop->started);
    ri_hosted *h = &b->hosted;
    if (h->bell < 0 && (h->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
        return ri_err_os(RILL_EIO, errno, "open the descriptor of a broker");
    int fd = ri_loop_outer_fd(loop);
    if (fd < 0) return ri_err_os(RILL_EIO, -fd, "open the descriptor of a door");
    ri_list_each (link, &h->eyes) {
        int rc = hosted_eye_add(ri_container_of(link, ri_hosted_eye, link), fd);
        if (rc < 0) return ri_err_os(RILL_EIO, -rc, "watch the descriptor of a door");
    }
    ri_loop_rest(loop);
    ri_list_push(&h->loops, &loop->host_link);
    if (h->sentry) ri_park_signal(h->sentry); /* he sleeps on too few descriptors */
    else hosted_call_waiting(h);
    return RILL_OK;
}

static void hosted_await_idle(ri_broker *b)
{
    uint32_t seen = ri_park_count(&b->hosted.idle);
    ri_broker_leave(b);
    ri_park_wait(&b->hosted.idle, seen, -1);
    ri_broker_enter(b);
}

void ri_hosted_finish(ri_broker *b, ri_loop *loop)
{
    RI_ASSERT(ri_broker_is_sound(b) && b->hosted.on && ri_list_linked(&loop->host_link));
    ri_hosted *h = &b->hosted;
    ri_park mine; /* which nobody signals but who turns */
    ri_park_init(&mine);
    for (;;) {
        uint32_t seen = ri_park_count(&mine);
        ri_broker_enter(b);
        ri_hosted_turn(b);
        bool over = !h->turning && loop->stopped;
        int64_t due_ns = ri_hosted_due_ns(b);
        ri_broker_leave(b);
        if (over) break;
        if (due_ns != 0) ri_hosted_sleep(b, &mine, seen, due_ns);
    }
    ri_broker_enter(b);
    while (h->turning || h->sentry) hosted_await_idle(b); /* nobody has its descriptor in hand */
    ri_list_remove(&loop->host_link);
    ri_broker_leave(b);
    ri_park_fini(&mine);
}
