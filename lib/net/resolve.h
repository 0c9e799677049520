/* SPDX-License-Identifier: Apache-2.0 */
/* Names of hosts to addresses, without making anybody wait: getaddrinfo() runs in a helper thread.
 *
 *     loop: ask ------> question ------> helper: getaddrinfo()
 *     loop: read  <-- notify() <-------- answered
 *     loop: forget                       whoever is last frees it
 *
 * A process has at most RI_RESOLVE_THREADS helpers, one for each question that is looked up at the
 * moment; they end when no question waits. A look-up cannot be stopped, and may take as long as the
 * system's resolver likes. So a question belongs to nobody's host: its memory is the C library's,
 * and whoever is not interested any more forgets it at once and waits for nothing.
 *
 * libevent's resolver needs no thread. It is not used, since it reads no nsswitch.conf and no
 * answer that is larger than a datagram: a program has to find the servers that all other programs
 * of its machine find. */
#ifndef RI_RESOLVE_H
#define RI_RESOLVE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/defs.h"

enum {
    RI_RESOLVE_THREADS = 4,
    RI_RESOLVE_WAITING = 1024, /* questions that wait for one of them, in a process */
    RI_RESOLVE_NAME_MAX = 255,
};

typedef union ri_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} ri_address;

typedef struct ri_resolve ri_resolve;

/* Is it an address in digits? Then it is in *address, and there is nothing to ask. */
bool ri_resolve_digits(const char *name, uint16_t port, ri_address *address);
/* notify(arg) is called once, by a helper, under the resolver's lock: it may only say that there is
 * something to do. Not called after ri_resolve_forget(). RILL_EINVAL, RILL_EAGAIN: too many wait,
 * RILL_ENOMEM, RILL_EIO. */
int ri_resolve_ask(ri_resolve **question, const char *name, uint16_t port,
                   void (*notify)(void *arg), void *arg);
/* How many addresses it has, of which `max` are written; RILL_EAGAIN: it is looked up still, and no
 * sentence is made; RILL_ECONN with a sentence: there are none. */
int ri_resolve_read(ri_resolve *question, ri_address *addresses, int max);
void ri_resolve_forget(ri_resolve *question); /* NULL is a no-op */

#endif
