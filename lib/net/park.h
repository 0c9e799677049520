/* SPDX-License-Identifier: Apache-2.0 */
/* A place where threads sleep until something changes. A waiter reads the count, looks whether
 * what it waits for is there, and sleeps only while the count stays what it was, so that no
 * wake-up is lost and none is repeated. On demand the same change can be seen by poll(). */
#ifndef RI_PARK_H
#define RI_PARK_H

#include <poll.h>
#include <pthread.h>

#include "base/list.h"

/* Somebody who does not sleep on a park, and wants to hear of its next signal. */
typedef struct ri_park_watch {
    ri_list link;
    void (*fire)(struct ri_park_watch *watch); /* by whoever signals, under the park's lock */
} ri_park_watch;

typedef struct ri_park {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t count;   /* signals so far */
    uint32_t waiting; /* threads asleep */
    int fd;           /* an eventfd, once ri_park_fd() was called; else -1 */
    bool readable;    /* the fd has been made so */
    bool unseen;      /* nobody looks at the fd: signals leave it alone */
    ri_list watches;  /* ri_park_watch.link */
} ri_park;

void ri_park_init(ri_park *park);
void ri_park_fini(ri_park *park);
void ri_park_signal(ri_park *park);     /* wake all; any thread */
uint32_t ri_park_count(ri_park *park);  /* the value to give to ri_park_wait() */
/* Until the count is not `seen`, or timeout_ns (< 0: for ever) has passed: false then. */
bool ri_park_wait(ri_park *park, uint32_t seen, int64_t timeout_ns);
/* Each signal fires the watch, from now on, if the count is `seen` still; else false. */
bool ri_park_watch_begin(ri_park *park, uint32_t seen, ri_park_watch *watch);
void ri_park_watch_end(ri_park *park, ri_park_watch *watch); /* it fires no more */
/* As ri_park_wait(), and until one of the `n` descriptors is ready. `bell` is an eventfd that one
 * thread at a time uses, for this. `fds` has room for one more. */
void ri_park_poll(ri_park *park, uint32_t seen, int64_t timeout_ns, int bell, struct pollfd *fds,
                  int n);
/* Readable from a signal until ri_park_calm(). A negative errno when none can be had. */
int ri_park_fd(ri_park *park);
void ri_park_calm(ri_park *park);
/* Does anybody look at the descriptor? While nobody does a signal costs no system call. Who begins
 * to look reads the count behind this call. */
void ri_park_look(ri_park *park, bool looks);

#endif
