/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"

enum {
    CONN_IOV = 128,            /* pieces in one writev() */
    CONN_OWN_FIRST = 16 * 1024, /* a bigger buffer is not made before so much has come */
    CONN_READ_LEAST = 16 * 1024, /* a read is not made shorter than this */
    CONN_CROWDED = 16,          /* connections that are held back for one piece of input, at most */
};

static ri_loop *conn_loop(const ri_conn *conn)
{
    return conn->wire->loop;
}

/* Let the wire know what to wait for. */
static int conn_update(ri_conn *conn)
{
    unsigned want = 0;
    if (!conn->ended && !conn->paused && !conn->held && !conn->eof) want |= RI_WIRE_READ;
    if (!conn->ended && conn->full) want |= RI_WIRE_WRITE;
    return conn->wire->ops->watch(conn->wire, want);
}

static void conn_end(ri_conn *conn, ri_conn_end end)
{
    if (conn->ended) return;
    ri_conn_silence(conn);
    conn->ops->on_end(conn, end);
}

/* Count `bytes` more of input: other connections, or this one, are closed for it if need be. */
static bool conn_take_room(ri_conn *conn, size_t bytes)
{
    for (int i = 0; i < CONN_CROWDED; i++) {
        if (ri_memory_take(conn_loop(conn)->memory, RI_MEMORY_INPUT, bytes)) return true;
        if (!conn->ops->on_crowded || !conn->ops->on_crowded(conn) || conn->deaf) break;
    }
    if (!conn->deaf) conn_end(conn, RI_CONN_NO_MEMORY);
    return false;
}

static void conn_free_own(ri_conn *conn, char *own, size_t cap)
{
    ri_memory_refund(conn_loop(conn)->memory, RI_MEMORY_INPUT, cap);
    ri_free(conn_loop(conn)->host, own, cap);
}

static void conn_drop_own(ri_conn *conn)
{
    conn_free_own(conn, conn->own, conn->own_cap);
    conn->own = NULL;
    conn->own_len = conn->own_cap = conn->own_need = 0;
}

static void conn_drop_held(ri_conn *conn)
{
    if (conn->held) conn_free_own(conn, conn->held, conn->held_len);
    conn->held = NULL;
    conn->held_at = conn->held_len = 0;
    conn->hold = false;
}

/* Hold a copy of bytes that stand in the shared buffer. */
static void conn_hold(ri_conn *conn, const char *bytes, size_t len)
{
    RI_ASSERT(!conn->held && len > 0 && len <= RI_CONN_READ_SIZE);
    if (!conn_take_room(conn, len)) return;
    conn->held = ri_alloc(conn_loop(conn)->host, len);
    if (conn->held) {
        memcpy(conn->held, bytes, len);
        conn->held_len = (uint32_t)len;
    } else {
        ri_memory_refund(conn_loop(conn)->memory, RI_MEMORY_INPUT, len);
    }
    if (!conn->held || conn_update(conn) < 0) conn_end(conn, RI_CONN_NO_MEMORY);
}

/* Make the own buffer as big as the operation, or twice what has come of it. */
static bool conn_grow_own(ri_conn *conn)
{
    size_t cap = RI_MIN(conn->own_need, RI_MAX(conn->own_len * 2, CONN_OWN_FIRST));
    if (cap <= conn->own_cap) return true;
    size_t more = cap - conn->own_cap;
    if (!conn_take_room(conn, more)) return false;
    char *own = ri_realloc(conn_loop(conn)->host, conn->own, conn->own_cap, cap);
    if (!own) {
        ri_memory_refund(conn_loop(conn)->memory, RI_MEMORY_INPUT, more);
        conn_end(conn, RI_CONN_NO_MEMORY);
        return false;
    }
    conn->own = own;
    conn->own_cap = cap;
    return true;
}

/* Keep what on_bytes() left of the beginning of an operation. */
static void conn_keep(ri_conn *conn, const char *bytes, size_t len, size_t need)
{
    RI_ASSERT(!conn->own && len > 0);
    RI_ASSERT(need > len || len <= RI_CONN_KEPT_MAX);
    if (!conn_take_room(conn, len)) return;
    conn->own = ri_alloc(conn_loop(conn)->host, len);
    if (!conn->own) {
        ri_memory_refund(conn_loop(conn)->memory, RI_MEMORY_INPUT, len);
        conn_end(conn, RI_CONN_NO_MEMORY);
        return;
    }
    memcpy(conn->own, bytes, len);
    conn->own_len = conn->own_cap = len;
    conn->own_need = need > len ? need : 0;
    if (conn->own_need) conn_grow_own(conn);
}

/* A read was used, or a part of it: how much shall the next one be? */
static void conn_learn(ri_conn *conn, size_t used, size_t len)
{
    size_t most = conn->read_most;
    if (conn->hold && used < len)
        most = RI_MAX(used, CONN_READ_LEAST);
    else if (len >= most)
        most = RI_MIN(most + most / 8, RI_CONN_READ_SIZE);
    conn->read_most = (uint32_t)most;
}

static void conn_feed(ri_conn *conn, const char *bytes, size_t len)
{
    size_t need = 0;
    conn->hold = false;
    size_t used = conn->ops->on_bytes(conn, bytes, len, &need);
    RI_ASSERT(used <= len);
    if (conn->ended || conn->deaf) return;
    conn_learn(conn, used, len);
    if (used == len) return;
    if (conn->hold) conn_hold(conn, bytes + used, len - used);
    else conn_keep(conn, bytes + used, len - used, need);
}

void ri_conn_go_on(ri_conn *conn)
{
    if (!conn->held || conn->paused) return;
    char *held = conn->held;
    size_t size = conn->held_len, len = size - conn->held_at, need = 0;
    const char *bytes = held + conn->held_at;
    conn->held = NULL; /* so that ri_conn_deafen() in between drops nothing */
    conn->hold = false;
    size_t used = conn->ops->on_bytes(conn, bytes, len, &need);
    RI_ASSERT(used <= len);
    bool over = conn->ended || conn->deaf;
    if (!over && conn->hold && used < len) {
        conn->held = held;
        conn->held_at += (uint32_t)used;
        return;
    }
    conn->held_at = conn->held_len = 0;
    if (!over && used < len) conn_keep(conn, bytes + used, len - used, need);
    conn_free_own(conn, held, size);
    if (conn_update(conn) < 0) conn_end(conn, RI_CONN_NO_MEMORY);
}

/* Bytes have come behind the own buffer's and, when that is full, into the shared one. */
static void conn_got_own(ri_conn *conn, size_t got)
{
    size_t own = RI_MIN(got, conn->own_cap - conn->own_len);
    conn->own_len += own;
    if (conn->own_len < conn->own_need) {
        if (conn->own_len == conn->own_cap) conn_grow_own(conn);
        return;
    }
    char *whole = conn->own;
    size_t len = conn->own_len, need = 0;
    RI_ASSERT(conn->own_cap == len);
    conn->own = NULL;
    conn->own_len = conn->own_cap = conn->own_need = 0;
    conn->hold = false;
    conn->whole = true;
    size_t used = conn->ops->on_bytes(conn, whole, len, &need);
    if (conn->whole) conn_free_own(conn, whole, len);
    conn->whole = false;
    if (conn->ended || conn->deaf) return;
    RI_ASSERT(used == len || conn->hold); /* refused: it goes, and what is behind it is held */
    (void)used;
    if (got > own) conn_feed(conn, conn_loop(conn)->shared, got - own);
}

void ri_conn_take_whole(ri_conn *conn, size_t len)
{
    RI_ASSERT(conn->whole);
    ri_memory_refund(conn_loop(conn)->memory, RI_MEMORY_INPUT, len);
    conn->whole = false;
}

static void conn_read_end(ri_conn *conn, ssize_t got)
{
    if (got == -EAGAIN) return;
    /* Operations have ends of their own, so that an end of TLS which was not announced takes
     * nothing away that was whole: many clients just go. */
    if (got < 0 && got != -ECONNABORTED) {
        conn_end(conn, got == -ENOMEM ? RI_CONN_NO_MEMORY : RI_CONN_READ_FAILED);
        return;
    }
    conn->eof = true;
    conn_drop_own(conn);
    conn_update(conn); /* if this fails, the next write meets the same failure */
    conn->ops->on_end(conn, RI_CONN_EOF);
}

static size_t conn_read_size(const ri_conn *conn)
{
    return RI_MIN(conn->read_most, conn->narrow ? RI_CONN_READ_NARROW : RI_CONN_READ_SIZE);
}

static void conn_note_read(ri_conn *conn, size_t bytes)
{
    conn_loop(conn)->read_bytes += bytes;
    atomic_store_explicit(&conn->read_ns, ri_loop_now(conn_loop(conn)), memory_order_relaxed);
}

static void conn_read_into_own(ri_conn *conn)
{
    struct iovec iov[2] = {{conn->own + conn->own_len, conn->own_cap - conn->own_len},
                           {conn_loop(conn)->shared, conn_read_size(conn)}};
    /* Nothing may stand behind a part of an operation. */
    int n = conn->own_cap >= conn->own_need ? 2 : 1;
    ssize_t got = conn->wire->ops->readv(conn->wire, iov, n);
    if (got <= 0) {
        conn_read_end(conn, got);
        return;
    }
    conn_note_read(conn, (size_t)got);
    conn_got_own(conn, (size_t)got);
}

static void conn_read(ri_conn *conn)
{
    if (conn->own_need) {
        conn_read_into_own(conn);
        return;
    }
    /* The beginning of a line whose end has not come, so it is short. */
    size_t kept = conn->own_len;
    RI_ASSERT(kept <= RI_CONN_KEPT_MAX);
    char *shared = conn_loop(conn)->shared;
    struct iovec iov = {shared + kept, RI_MIN(conn_read_size(conn), RI_CONN_READ_SIZE - kept)};
    ssize_t got = conn->wire->ops->readv(conn->wire, &iov, 1);
    if (got <= 0) {
        conn_read_end(conn, got);
        return;
    }
    conn_note_read(conn, (size_t)got);
    if (conn->deaf) return;
    if (kept) {
        memcpy(shared, conn->own, kept);
        conn_drop_own(conn);
    }
    conn_feed(conn, shared, kept + (size_t)got);
}

static void conn_on_ready(ri_wire *wire, unsigned what)
{
    ri_conn *conn = wire->owner;
    if (what & RI_WIRE_WRITE && !conn->ended) conn->ops->on_writable(conn);
    if (!(what & RI_WIRE_READ) || conn->ended || conn->paused || conn->held || conn->eof) return;
    conn_read(conn);
}

static void conn_on_deadline(ri_loop_timer *timer)
{
    conn_end(ri_container_of(timer, ri_conn, write_timer), RI_CONN_DEADLINE);
}

static int conn_begin(ri_conn *conn, ri_loop *loop, ri_wire *wire)
{
    conn->wire = wire;
    ri_wire_attach(wire, loop, conn_on_ready, conn);
    conn->read_ns = ri_loop_now(loop);
    int rc = conn_update(conn);
    if (rc == RILL_OK) return rc;
    ri_wire_detach(wire);
    *conn = (ri_conn){0};
    return rc;
}

int ri_conn_init(ri_conn *conn, ri_loop *loop, ri_wire *wire, const ri_conn_ops *ops)
{
    *conn = (ri_conn){.ops = ops, .read_most = RI_CONN_READ_SIZE,
                      .write_timer.fn = conn_on_deadline};
    return conn_begin(conn, loop, wire);
}

int ri_conn_init_fd(ri_conn *conn, ri_loop *loop, int fd, const ri_conn_ops *ops)
{
    *conn = (ri_conn){.ops = ops, .read_most = RI_CONN_READ_SIZE,
                      .write_timer.fn = conn_on_deadline};
    ri_fd_wire_init(&conn->socket, fd);
    return conn_begin(conn, loop, &conn->socket.wire);
}

int ri_conn_put_over(ri_conn *conn, ri_wire *wire)
{
    RI_ASSERT(conn->wire && !conn->ended && !conn->full && conn->sending.bytes == 0);
    RI_ASSERT(!conn->own && !conn->held);
    ri_loop *loop = conn_loop(conn);
    ri_wire *below = conn->wire;
    below->ops->watch(below, 0);
    ri_wire_detach(below);
    conn->wire = wire;
    ri_wire_attach(wire, loop, conn_on_ready, conn);
    return conn_update(conn);
}

void ri_conn_fini(ri_conn *conn, ri_outq_pool *pool)
{
    if (!conn->wire) return;
    ri_conn_silence(conn);
    conn_drop_own(conn);
    conn_drop_held(conn);
    ri_outq_fini(&conn->sending, pool);
    ri_outq_fini(&conn->out, pool);
    conn->wire->ops->close(conn->wire);
    *conn = (ri_conn){0};
}

void ri_conn_pause(ri_conn *conn, bool paused)
{
    RI_ASSERT(conn->wire && conn->ops);
    conn->paused = paused;
    if (conn_update(conn) < 0) conn_end(conn, RI_CONN_NO_MEMORY);
}

void ri_conn_deafen(ri_conn *conn)
{
    RI_ASSERT(conn->wire && conn->ops);
    if (conn->deaf) return;
    conn->deaf = true;
    conn_drop_own(conn);
    conn_drop_held(conn);
    conn->paused = false;
    if (conn_update(conn) < 0) conn_end(conn, RI_CONN_NO_MEMORY);
}

void ri_conn_shut(ri_conn *conn)
{
    conn->wire->ops->shut(conn->wire);
}

void ri_conn_silence(ri_conn *conn)
{
    conn->ended = true;
    conn->full = false;
    ri_loop_timer_cancel(conn_loop(conn), &conn->write_timer);
    conn_update(conn);
}

/* The wire takes no more now: wait for it, but not for ever. */
static void conn_wait_writable(ri_conn *conn, bool progress)
{
    if (progress || !ri_timer_armed(&conn->write_timer.timer)) {
        ri_loop *loop = conn_loop(conn);
        int64_t due_ns = ri_ns_add(ri_loop_now(loop), ri_ns_of_ms(conn->write_deadline_ms));
        if (ri_loop_timer_set(loop, &conn->write_timer, due_ns) < 0) {
            conn_end(conn, RI_CONN_NO_MEMORY);
            return;
        }
    }
    conn->full = true;
    if (conn_update(conn) < 0) conn_end(conn, RI_CONN_NO_MEMORY);
}

/* The wire has taken all that there was, and passed it on. */
static void conn_wait_no_more(ri_conn *conn)
{
    conn->full = false;
    ri_loop_timer_cancel(conn_loop(conn), &conn->write_timer);
    if (conn_update(conn) < 0) conn_end(conn, RI_CONN_NO_MEMORY);
}

void ri_conn_write(ri_conn *conn)
{
    RI_ASSERT(conn->wire && conn->held_at <= conn->held_len);
    bool progress = false;
    while (!conn->ended && conn->sending.bytes > 0) {
        struct iovec iov[CONN_IOV];
        int n = ri_outq_iov(&conn->sending, iov, CONN_IOV);
        size_t len = 0;
        for (int i = 0; i < n; i++) len += iov[i].iov_len;
        ssize_t put = conn->wire->ops->writev(conn->wire, iov, n);
        RI_ASSERT(put <= (ssize_t)len);
        if (put < 0 && put != -EAGAIN) {
            conn_end(conn, put == -ENOMEM ? RI_CONN_NO_MEMORY : RI_CONN_WRITE_FAILED);
            return;
        }
        if (put > 0) ri_outq_written(&conn->sending, (size_t)put);
        progress = progress || put > 0;
        if (put < 0 || (size_t)put < len) {
            conn_wait_writable(conn, progress);
            return;
        }
    }
    if (!conn->ended && ri_wire_holds(conn->wire)) conn_wait_writable(conn, progress);
    else if (conn->full) conn_wait_no_more(conn);
}

bool ri_conn_drop_some(ri_conn *conn, ri_outq_pool *pool, ri_budget *budget)
{
    RI_ASSERT(conn->ended && pool);
    bool all = ri_outq_drop_some(&conn->sending, pool, budget) &&
               ri_outq_drop_some(&conn->out, pool, budget);
    conn->pending = conn->sending.bytes + conn->out.bytes;
    return all;
}

bool ri_conn_take(ri_conn *conn, ri_outq_pool *pool)
{
    if (conn->sending.bytes > 0) return true;
    if (conn->out.bytes == 0) return false;
    ri_outq_take(&conn->sending, &conn->out, pool);
    return true;
}

void ri_conn_settle(ri_conn *conn, ri_outq_pool *pool)
{
    RI_ASSERT(conn->wire && conn->ops);
    ri_outq_settle(&conn->sending, pool);
    RI_ASSERT(conn->pending >= conn->sending.bytes);
    conn->pending = conn->sending.bytes + conn->out.bytes;
}
