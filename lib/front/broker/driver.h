/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers: who turns the durable half of a broker, so that commits are made and timers run.
 *
 *     rank     filler                                     turns
 *     hosts    ri_broker.hosts, always there              in rill_poll() of a host-driven bus
 *     thread   ri_broker.thread, when a bus wants it      on a thread of its own
 *     loop     embedded in a door that has a loop         at the end of each turn of that loop
 *
 * All that are there stand in broker->drivers by their rank; the first of them is broker->driver,
 * and it alone turns. One that joins in front of the others takes over, and when it leaves the
 * next one is woken and goes on. The durable half only says wake(), inside the gate and on any
 * thread, when work waits for a turn or a timer is due before the driver meant to look again; it
 * says so once a piece of work, not once a message. The driver then calls ri_durable_turn() or
 * ri_durable_loop_turn() on its own thread, and asks ri_durable_due_ns() how long it may sleep.
 *
 * A loop has others who wait for it than those who append. So it only begins a commit that takes
 * long to write, for its bytes or since the disk is slow, and hands it to the thread; it waits for
 * that one when a MiB has come in behind it, and who publishes is never faster than the disk.
 *
 * A driver belongs to whoever embeds it, who takes it out before its memory goes. */
#ifndef RI_DRIVER_H
#define RI_DRIVER_H

#include <pthread.h>

#include "base/list.h"
#include "net/park.h"

struct ri_broker;
struct ri_durable;

typedef enum ri_driver_rank { RI_DRIVER_HOSTS, RI_DRIVER_THREAD, RI_DRIVER_LOOP } ri_driver_rank;

typedef struct ri_driver ri_driver;
typedef struct ri_driver_ops {
    ri_driver_rank rank;
    bool alone;                     /* it turns by itself; else only when the program calls */
    void (*wake)(ri_driver *driver); /* inside the gate, any thread; does not wait */
} ri_driver_ops;

struct ri_driver {
    const ri_driver_ops *ops;
    ri_list link;                   /* in broker->drivers */
};

typedef struct ri_driver_thread {
    ri_driver driver;
    struct ri_broker *broker;
    struct ri_durable *durable;     /* that it turns */
    ri_park park;                   /* where it sleeps */
    pthread_t thread;
    /* Guarded by the gate. */
    bool started;                   /* it is to be joined */
    bool ended;                     /* it was asked to end */
    bool sleeping;                  /* it sleeps, or is about to: a wake must signal `park` */
    bool handed;                    /* the driver that turns has begun a commit, to be written by
                                       this thread */
} ri_driver_thread;

/* The broker is new or goes; nobody else knows it. */
void ri_driver_init(struct ri_broker *broker);
void ri_driver_fini(struct ri_broker *broker);
/* Inside the gate: `driver` stands in the row, or does not any more (twice is harmless). */
void ri_driver_join(struct ri_broker *broker, ri_driver *driver);
void ri_driver_leave(struct ri_broker *broker, ri_driver *driver);
/* Inside the gate, broker->durable being there: the thread runs. RILL_ENOMEM. */
int ri_driver_need_thread(struct ri_broker *broker);
/* Inside the gate. A commit that has begun is written by the thread, which is there: the durable
 * half begins no other before that one has ended, and is not closed. */
bool ri_driver_has_thread(const struct ri_broker *broker);
void ri_driver_hand_commit(struct ri_broker *broker);
/* Outside the gate: the thread, if there is one, has ended; broker->durable has gone before. */
void ri_driver_stop_thread(struct ri_broker *broker);

#endif
