/* SPDX-License-Identifier: Apache-2.0 */
/* A byte pump over one wire (wire.h), most often a socket; it knows no protocol.
 *
 * In.  What arrives is read into the loop's shared buffer and handed to on_bytes(), which uses
 * as many bytes as make whole operations. The rest, the beginning of an operation, is kept in a
 * buffer of the connection's own until more comes:
 *
 *     own buffer |### kept ###|..... need .....|      shared |.... what lies behind ....|
 *                              \____ one readv() fills both ____/
 *
 * If on_bytes() said how long the operation is, the wire is read straight into that buffer and
 * nothing is parsed before it is whole; the buffer grows with what has really come, so that a
 * big number alone costs no memory. A connection between two operations keeps no buffer.
 *
 * If on_bytes() has done enough for this turn it sets `hold`: the rest of what was read is held,
 * and nothing more is read, until ri_conn_go_on() hands it over, in turn with other connections.
 *
 * Out. Two queues. `out` is filled by whoever is inside the gate that guards it; `sending`
 * belongs to the loop's thread. A flush of many connections is three steps:
 *
 *     inside the gate   ri_conn_take()     out -> sending, if sending is empty
 *     outside           ri_conn_write()    writev() until done or the wire is full
 *     inside            ri_conn_settle()   chunks and packets go back, `pending` is put right
 *
 * While the wire is full, or has not passed on what it took, the connection waits for it, at most
 * the write deadline. */
#ifndef RI_CONN_H
#define RI_CONN_H

#include "net/fd_wire.h"
#include "net/loop.h"
#include "net/outq.h"
#include "net/wire.h"

enum {
    RI_CONN_READ_SIZE = RI_LOOP_SHARED_SIZE,
    RI_CONN_READ_NARROW = 64 * 1024,
    RI_CONN_KEPT_MAX = 192 * 1024, /* of an operation whose length is not known yet */
};

typedef struct ri_conn ri_conn;

typedef enum ri_conn_end {
    RI_CONN_EOF,          /* the peer sends no more; what is queued can still be written */
    RI_CONN_READ_FAILED,  /* a read failed, or the peer has reset the connection */
    RI_CONN_WRITE_FAILED,
    RI_CONN_DEADLINE,     /* the peer took no byte for the write deadline */
    RI_CONN_NO_MEMORY,
} ri_conn_end;

/* All run on the loop's thread, outside the gate, and may not free the connection. */
typedef struct ri_conn_ops {
    /* Use whole operations, at least the first; returns the bytes used. If a part is left, *need is
     * how many bytes it takes to be whole, from its beginning, or 0 if that is not known yet, which
     * may be so for the first RI_CONN_KEPT_MAX bytes only. With conn->hold set, what is left may be
     * any number of operations. */
    size_t (*on_bytes)(ri_conn *conn, const char *bytes, size_t len, size_t *need);
    void (*on_writable)(ri_conn *conn); /* after the wire was full */
    void (*on_end)(ri_conn *conn, ri_conn_end end);
    /* There is no memory for more of its input: some connection, which may be this one, is to be
     * deafened for it. False if there is none. May be NULL. */
    bool (*on_crowded)(ri_conn *conn);
} ri_conn_ops;

struct ri_conn {
    const ri_conn_ops *ops;
    ri_wire *wire;            /* &socket, or a wire that was given to ri_conn_init() */
    ri_fd_wire socket;        /* embedded, so that most connections are one piece of memory */
    bool paused;              /* not reading at present */
    bool deaf;                /* what comes is thrown away */
    bool eof;                 /* the peer sends no more; it may still read */
    bool ended;               /* broken or silenced: no more events */
    bool narrow;              /* read little at once */
    bool full;                /* the wire took no more at the last write, or holds what it took */
    bool whole;               /* on_bytes() has one long operation, in a buffer that may be taken */
    bool hold;                /* on_bytes() stopped before the end of what it was given */
    char *own;                /* beginning of an operation; NULL: nothing is kept */
    size_t own_len, own_cap;
    _Atomic int64_t read_ns;  /* when bytes last came: of the loop's clock */
    size_t own_need;          /* bytes of that operation, or 0: not known */
    char *held;               /* what was read and not yet handed over; NULL: nothing */
    uint32_t held_at, held_len; /* of it is left [held_at, held_len); of one read at most */
    uint32_t write_deadline_ms;
    uint32_t read_most;       /* bytes to read at once: about what a turn uses, so that little is
                                 copied to be held */
    ri_loop_timer write_timer; /* while the wire is full */
    ri_outq sending;          /* bytes being written; the loop's own */
    ri_outq out;              /* bytes that came since; guarded by the gate */
    size_t pending;           /* guarded by the gate: bytes in `sending` and `out` */
};

/* Takes over `wire`, which is on no loop yet, and closes it with the connection; reading begins at
 * once. RILL_EIO or RILL_ENOMEM, and then `wire` is still the caller's. */
int ri_conn_init(ri_conn *conn, ri_loop *loop, ri_wire *wire, const ri_conn_ops *ops);
/* The same over a socket `fd` that does not block. */
int ri_conn_init_fd(ri_conn *conn, ri_loop *loop, int fd, const ri_conn_ops *ops);
/* Its bytes go over `wire` from now on, which lies over the one so far (TLS), is on no loop, and
 * owns that one. Nothing waits to be written, and if this is called by on_bytes() that uses all it
 * was given. After RILL_EIO or RILL_ENOMEM the connection is of no use but to ri_conn_fini(). */
int ri_conn_put_over(ri_conn *conn, ri_wire *wire);
/* Closes. Inside the gate, on the loop's thread, and not from one of the ops. */
void ri_conn_fini(ri_conn *conn, ri_outq_pool *pool);

/* ---- On the loop's thread, outside the gate ---- */
void ri_conn_pause(ri_conn *conn, bool paused);
/* Hands over what is held. Nothing if it is paused; `held` says whether there is more. */
void ri_conn_go_on(ri_conn *conn);
/* From on_bytes(), if `whole` is set: the buffer that it was given, of `len` bytes, is the caller's
 * from now on, for ri_free(), and does not count as input any more. */
void ri_conn_take_whole(ri_conn *conn, size_t len);
void ri_conn_deafen(ri_conn *conn);   /* read and forget from now on */
void ri_conn_shut(ri_conn *conn);     /* send no more: the peer sees the end of the stream */
void ri_conn_silence(ri_conn *conn);  /* no events any more */
void ri_conn_write(ri_conn *conn);    /* may call on_end() */

/* ---- Inside the gate ---- */
/* What is queued is dropped as long as the budget lasts, of a connection that is silenced: so much
 * memory may be in there that it does not go at once. True: all is, and it may end. On the loop's
 * thread. */
bool ri_conn_drop_some(ri_conn *conn, ri_outq_pool *pool, ri_budget *budget);
bool ri_conn_take(ri_conn *conn, ri_outq_pool *pool); /* is there something to write? */
void ri_conn_settle(ri_conn *conn, ri_outq_pool *pool); /* on the loop's thread */

#endif
