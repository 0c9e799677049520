/* SPDX-License-Identifier: Apache-2.0 */
/* A wire: bytes to and from one place, in order, in both directions, without blocking. The owner
 * of a wire (a connection, or another wire that lies over it) does not know what the wire is made
 * of: a socket (fd_wire.h), functions of the program's (host_wire.h), a pipe in memory, or a
 * protocol such as TLS, which is a wire itself and owns the wire below it.
 *
 *     owner                       wire                      below
 *       | watch(READ) ------------>|                           |
 *       |<--------- on_ready(READ) |<-- the kernel, a wire, or bytes inside
 *       | readv() ---------------->|                           |
 *       | writev() --------------->|--> as much as goes        |
 *       | watch(READ | WRITE) ---->|    when that was not all  |
 *       | shut(), close() -------->|                           |
 *
 * Threads. From ri_wire_attach() on, a wire belongs to the thread of its loop. watch() and close()
 * may be called inside the gate, so they do not wait and do not call the owner. All other calls,
 * and on_ready(), are outside.
 *
 * Reading and writing. Both may move a part of what they are offered, and return -EAGAIN when
 * nothing goes now. The pieces that a call is given hold at least one byte. A wire uses the pieces
 * of writev() until it returns and not later: bytes that it took and could not pass on it has
 * copied, and it takes no more until they are gone. Bytes that it did not take are offered again,
 * perhaps from another place. So a wire keeps a bounded number of bytes inside (TLS: one record
 * each way), charges them to loop->memory, and keeps no buffer while nothing moves.
 *
 * What a turn costs. One call moves no more than its pieces hold. A wire that computes on each byte
 * also takes no more than RI_LOOP_SHARED_SIZE bytes in one call, and is ready again in the next
 * turn: an owner stops writing in this turn when a call has not taken all.
 *
 * Readiness is a level, not an edge. While READ is watched and readv() would not return -EAGAIN,
 * on_ready(READ) comes in every turn of the loop; the same holds for WRITE. The end of the stream
 * is readable, and an error is readable and writable. The kernel does not know of bytes inside a
 * wire: a wire that has some puts itself into the loop's row (ri_loop_soon_put()) in watch(), and
 * whenever it has called its owner and some are left. A turn does not sleep while the row is not
 * empty. on_ready() may be wrong, and then -EAGAIN comes back, but it names only what is watched.
 *
 * A wire over another translates. What its owner watches is what the owner can use, and not what
 * is to be done below. TLS that has to read before it can write watches READ below when its owner
 * watches WRITE, even if that owner is paused; TLS that has to send a handshake or last words
 * watches WRITE below, even if its owner watches nothing. A wire that has read a record which its
 * owner does not take stops reading below. So an owner that does not read holds its peer back
 * through any number of wires.
 *
 * Ending. readv() returns 0 when the peer sends no more, and again each time after that; writing
 * may go on. A wire that knows a stream that was cut from one that was ended (TLS without
 * close_notify) returns -ECONNABORTED for the first. shut() ends this side behind all that writev()
 * took, and nothing is written after it. It neither waits nor fails: words that do not go now (a
 * close_notify, a CLOSE frame) are kept inside and sent when they go. close() drops what is inside,
 * closes the wire below, and frees what the wire has allocated, also itself unless it is embedded
 * in its owner. It may come before the wire is on a loop, and at any time after that, but not from
 * within on_ready(); on_ready() is not called any more. An owner whose last words are to arrive
 * waits until the wire holds() none of its bytes (WRITE is not ready before), calls shut() and
 * gives the peer time before close().
 *
 * Failures are values: readv() and writev() return -errno, never -EINTR, and after any but -EAGAIN
 * ri_err_text() is the sentence that says what failed. The wire is broken then; only close() is
 * still of use. watch() returns a rill code made by ri_err(), and nothing is watched after a
 * failure. */
#ifndef RI_WIRE_H
#define RI_WIRE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/assert.h"
#include "net/loop.h"

enum { RI_WIRE_READ = 1, RI_WIRE_WRITE = 2 };

typedef struct ri_wire ri_wire;

typedef struct ri_wire_ops {
    const char *name; /* "socket"; where a peer asks which host it has reached, if none is known */
    /* Bytes read, which are at least 1; 0: the peer sends no more; -errno. */
    ssize_t (*readv)(ri_wire *wire, const struct iovec *iov, int n);
    /* Bytes taken, which are at least 1; -errno. */
    ssize_t (*writev)(ri_wire *wire, const struct iovec *iov, int n);
    /* What on_ready() is called for from now on: RI_WIRE_READ, RI_WIRE_WRITE, both, or 0. The first
     * call that a wire gets; a wire over another attaches that one then. RILL_EIO, RILL_ENOMEM. */
    int (*watch)(ri_wire *wire, unsigned what);
    void (*shut)(ri_wire *wire);
    void (*close)(ri_wire *wire);
    /* Bytes that writev() has taken are inside, and are to go below. NULL: they never are. */
    bool (*holds)(const ri_wire *wire);
} ri_wire_ops;

typedef void (*ri_wire_ready_fn)(ri_wire *wire, unsigned what);

struct ri_wire {
    const ri_wire_ops *ops;
    ri_loop *loop;             /* NULL: on no loop yet */
    ri_wire_ready_fn on_ready; /* the owner's; on the loop's thread, outside the gate */
    void *owner;
};

/* From now on `wire` is its owner's and the loop's. Nothing is watched yet. */
static inline void ri_wire_attach(ri_wire *wire, ri_loop *loop, ri_wire_ready_fn on_ready,
                                  void *owner)
{
    RI_ASSERT(wire->ops && !wire->loop && loop && on_ready);
    wire->loop = loop;
    wire->on_ready = on_ready;
    wire->owner = owner;
}

static inline bool ri_wire_holds(const ri_wire *wire)
{
    return wire->ops->holds && wire->ops->holds(wire);
}

/* Undoes ri_wire_attach() for a wire whose first watch() has failed. */
static inline void ri_wire_detach(ri_wire *wire)
{
    wire->loop = NULL;
    wire->on_ready = NULL;
    wire->owner = NULL;
}

#endif
