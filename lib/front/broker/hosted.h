/* SPDX-License-Identifier: Apache-2.0 */
/* A broker that has no thread of its own (rill_broker_opts.drive): whoever is in rill_poll(), or
 * waits in a call, of one of its host-driven buses turns the loops of its doors.
 *
 *     rill_poll(), waits ---> ri_hosted_turn()    one turn of each loop, which does not sleep
 *       nothing to do   ---> ri_hosted_sleep()   until a loop or the park has something
 *     rill_fd()         ---> ri_hosted_eye_fd()  readable when one of them has
 *     closing, flushing ---> ri_hosted_wait()    as ri_park_wait(), and turns meanwhile
 *
 * Threads. The buses of a broker may be polled by several. One at a time turns (`turning`), and one
 * sleeps on the descriptors (`sentry`). All others sleep on their own parks: what they wait for is
 * signalled there, as it is where doors have threads; and when the sentry is awake, or a turn ends
 * and there is no sentry, they are called, so that one of them takes its place. Of the program's
 * callbacks two kinds run in a turn: the functions of its wires, which may not call rill, and
 * on_login.
 *
 * The durable half is turned by hosts, as of any broker without a driver that is alone (driver.h):
 * the doors' drivers do not join. */
#ifndef RI_HOSTED_H
#define RI_HOSTED_H

#include "base/list.h"
#include "net/loop.h"
#include "net/park.h"

struct ri_broker;

enum { RI_HOSTED_LOOPS = 32 }; /* as many as doors */

typedef struct ri_hosted {  /* guarded by the gate */
    bool on;                /* fixed when the broker is made */
    bool turning;           /* somebody turns the loops */
    ri_park *sentry;        /* whose owner sleeps on their descriptors; NULL: nobody does */
    int bell;               /* an eventfd by which that park wakes him; -1: there is no loop yet */
    ri_list loops;          /* ri_loop.host_link */
    ri_list waiting;        /* those who sleep on their parks meanwhile */
    ri_list eyes;           /* ri_hosted_eye.link */
    ri_park idle;           /* signalled when nobody turns or is sentry any more */
} ri_hosted;

/* A descriptor that is readable when a loop has something for a turn, or a park was signalled.
 * Zeroed: it has none yet. */
typedef struct ri_hosted_eye {
    ri_list link;
    bool open;
    int fd;
} ri_hosted_eye;

void ri_hosted_init(ri_hosted *hosted, bool on);
void ri_hosted_fini(ri_hosted *hosted);

/* ---- Of a door: the broker's host turns its loop, which has no thread ---- */
/* Inside the gate. RILL_EIO: there are no descriptors left. */
int ri_hosted_join(struct ri_broker *b, ri_loop *loop);
/* Outside the gate: turns the loops until this one was stopped, and takes it out. */
void ri_hosted_finish(struct ri_broker *b, ri_loop *loop);

/* ---- Of a handle ---- */
/* Inside the gate, which it leaves and enters again. Nothing if somebody turns. */
void ri_hosted_turn(struct ri_broker *b);
/* Inside the gate: until a turn has something to do; -1: never, or somebody turns. */
int64_t ri_hosted_due_ns(struct ri_broker *b);
/* Outside: until the count of `park` is not `seen`, a loop has something, somebody else's turn is
 * over, or the time is up. */
void ri_hosted_sleep(struct ri_broker *b, ri_park *park, uint32_t seen, int64_t timeout_ns);
/* Outside: until the count of `park` is not `seen` (true), or the time is up. For any broker: one
 * that has threads is not turned. */
bool ri_hosted_wait(struct ri_broker *b, ri_park *park, uint32_t seen, int64_t timeout_ns);
/* Inside: the eye's descriptor, opened by the first call; or a negative errno. */
int ri_hosted_eye_fd(struct ri_broker *b, ri_hosted_eye *eye, ri_park *park);
void ri_hosted_eye_close(struct ri_broker *b, ri_hosted_eye *eye); /* inside */

#endif
