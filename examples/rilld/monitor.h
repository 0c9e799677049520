/* SPDX-License-Identifier: Apache-2.0 */
/* nats-server's monitoring port: GET /varz, /connz and so on answer JSON with its
 * fields; see pages.h. The main thread serves it between signals, with descriptors that never
 * block. A visitor has a bounded time for each request, and may make another on the same
 * connection. When all places are taken, the one that has been silent longest makes way for who
 * comes: visitors that say nothing keep nobody out. A page that asks the engine much is shown to
 * one visitor a turn, so that the others wait for one such page at the most.
 *
 *     monitor_open --> monitor_watch() gives descriptors for poll(), monitor_turn() serves
 *     those that are ready, monitor_close() */
#ifndef RILLD_MONITOR_H
#define RILLD_MONITOR_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "rill.h"

enum {
    PAGES_MAX = 16,
    MONITOR_VISITORS_MAX = 32,
    MONITOR_FDS_MAX = MONITOR_VISITORS_MAX + 1,
    MONITOR_REQUEST_MAX_BYTES = 8192,
    MONITOR_VISIT_MS = 10000,  /* how long one visitor may take for a request */
    MONITOR_REST_MS = 100,     /* between two tries to accept while no descriptor is left */
};

typedef struct monitor_visitor {
    int fd;
    int64_t until_ms;         /* then it is closed */
    size_t request_len;       /* what was read and not answered ... */
    char request[MONITOR_REQUEST_MAX_BYTES]; /* ... here */
    bool keep;                /* it may ask again after this answer */
    char *answer;             /* NULL: still reading */
    size_t answer_len, sent;
    bool told;                /* all was sent: wait for its end, lest a reset eats the answer */
    bool waits;               /* its request is whole, and its page is for a later turn */
} monitor_visitor;

/* Whom it speaks of. What the pointers lead to may change between turns. */
typedef struct monitor_subject {
    rill_broker *broker;
    rill_bus *bus;            /* for questions to JetStream; NULL without it */
    const daemon_options *options;
    int port;                 /* of clients */
    int64_t start_ns;         /* wall clock: since when the daemon runs ... */
    int64_t config_ns;        /* ... and with this configuration */
} monitor_subject;

typedef struct monitor {
    int listen_fd;            /* -1: there is no monitor */
    int port;
    monitor_subject subject;
    uint64_t shown[PAGES_MAX];  /* how often each page was, in the order of pages_find() */
    monitor_visitor *visitors[MONITOR_VISITORS_MAX];  /* NULL: nobody */
    size_t first;             /* whose turn is the first, for who wants a long page */
    bool long_shown;          /* in this turn */
    int64_t rest_until_ms;    /* nobody is accepted before: no descriptor was left */
} monitor;

/* Listen on HOST:PORT (0: any port). False with errno. */
bool monitor_open(monitor *self, const char *host, int port);
void monitor_close(monitor *self);
/* Fill in what to wait for; returns how many. *wait_ms becomes the time until the next of its
 * visitors is late, if that comes before what it was (-1: no bound). */
nfds_t monitor_watch(const monitor *self, struct pollfd fds[MONITOR_FDS_MAX], int *wait_ms);
/* Serve what poll() said is ready, and show out who is late. */
void monitor_turn(monitor *self, const struct pollfd *fds, nfds_t nfds);

#endif
