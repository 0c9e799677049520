/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting to HOST:PORT, or to a unix socket, without blocking: the name is looked up by a helper
 * (resolve.h), then its addresses are tried one after the other, each for its share of the time.
 *
 *     start --> look up --> connect to the 1st --> the 2nd ... --> done(fd), or done(-1)
 *                  ^ notified from another thread: its owner calls ri_dial_look()
 *
 * All of it on the loop's thread, outside any gate; done() runs once, never from within
 * ri_dial_start(). */
#ifndef RI_DIAL_H
#define RI_DIAL_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "net/loop.h"
#include "net/resolve.h"

enum { RI_DIAL_ADDRESSES = 8 }; /* of one name that are tried */

typedef struct ri_dial ri_dial;
/* A connected socket that does not block and is now yours; or -1, the thread's sentence saying why
 * not. The dial is over. */
typedef void (*ri_dial_fn)(ri_dial *dial, int fd);

struct ri_dial {
    ri_loop *loop;           /* NULL: nothing is dialled */
    ri_dial_fn done;
    void (*notify)(void *arg); /* any thread: ri_dial_look() has something to see */
    void *arg;               /* of notify() */
    ri_resolve *question;
    ri_loop_timer timer;     /* the share of the address that is tried */
    ri_loop_soon soon;       /* what is known at once is reported in the next turn */
    int64_t until_ns;        /* of all of it */
    struct event event;
    bool watching;
    int fd;                  /* -1: none */
    int naddresses, next;    /* of those below: the next to be tried */
    int err;                 /* errno of the last that failed; 0: of none */
    ri_address addresses[RI_DIAL_ADDRESSES];
    char name[RI_RESOLVE_NAME_MAX + 8]; /* "HOST:PORT", or a path, for sentences */
};

/* `path` not NULL: a unix socket. RILL_EINVAL, RILL_EAGAIN, RILL_ENOMEM, RILL_EIO: done() is not
 * called. */
int ri_dial_start(ri_dial *dial, ri_loop *loop, const char *host, uint16_t port, const char *path,
                  int64_t timeout_ns);
void ri_dial_look(ri_dial *dial);
void ri_dial_stop(ri_dial *dial); /* done() is not called any more; nothing dialled: a no-op */

#endif
