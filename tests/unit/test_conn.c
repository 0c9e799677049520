/* SPDX-License-Identifier: Apache-2.0 */
/* A connection over a socketpair, with a protocol that is nothing but lengths: an operation is
 * four bytes, little end first, and so many bytes behind them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "support/fault.h"
#include "net/conn.h"
#include "net/gate.h"
#include "net/park.h"
#include "support/rng.h"
#include "support/suite.h"

enum { FRAME_MAX = 3 * 1024 * 1024, WAIT_MS = 10000 };

typedef struct pump {
    ri_host host;
    ri_loop loop;
    ri_gate gate;
    ri_park changed;     /* signalled whenever something below changes */
    ri_outq_pool pool;
    ri_conn conn;
    int peer;            /* the other end */
    char *shared;
    bool open;
    /* Inside the gate. */
    uint64_t frames, bytes, sum;
    size_t calls;        /* of on_bytes */
    ri_conn_end end;
    bool ended, written, echo, quit;
    bool tells_need;     /* on_bytes() says how long a frame is */
    size_t share;        /* frames that it takes before it holds; 0: all */
    size_t held;         /* times that it did */
    int pause;           /* 1: pause, -1: go on; obeyed at the next turn */
} pump;

static uint64_t pump_sum(uint64_t sum, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) sum = sum * 31 + (unsigned char)bytes[i];
    return sum;
}

static uint32_t pump_len(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static size_t pump_on_bytes(ri_conn *conn, const char *bytes, size_t len, size_t *need)
{
    pump *p = ri_container_of(conn, pump, conn);
    size_t used = 0, frames = 0;
    ri_gate_enter(&p->gate);
    p->calls++;
    while (len - used >= 4) {
        if (p->share && frames++ == p->share) {
            conn->hold = true;
            p->held++;
            break;
        }
        size_t size = pump_len(bytes + used);
        if (len - used - 4 < size) {
            if (p->tells_need) *need = size + 4;
            break;
        }
        p->sum = pump_sum(p->sum, bytes + used + 4, size);
        p->frames++;
        p->bytes += size;
        if (p->echo) {
            ck_assert(ri_outq_put(&conn->out, &p->pool, bytes + used, size + 4));
            conn->pending += size + 4;
        }
        used += size + 4;
    }
    ri_gate_leave(&p->gate);
    ri_park_signal(&p->changed);
    return used;
}

static void pump_on_writable(ri_conn *conn)
{
    ri_conn_write(conn);
}

static void pump_on_end(ri_conn *conn, ri_conn_end end)
{
    pump *p = ri_container_of(conn, pump, conn);
    ri_gate_enter(&p->gate);
    p->ended = true;
    p->end = end;
    ri_gate_leave(&p->gate);
    ri_park_signal(&p->changed);
}

static const ri_conn_ops pump_ops = {pump_on_bytes, pump_on_writable, pump_on_end, NULL};

static void pump_on_turn(void *arg)
{
    pump *p = arg;
    ri_gate_enter(&p->gate);
    int pause = p->pause;
    p->pause = 0;
    ri_conn_settle(&p->conn, &p->pool);
    if (!p->conn.full && !p->conn.sending.bytes) ri_conn_take(&p->conn, &p->pool);
    bool quit = p->quit;
    ri_gate_leave(&p->gate);
    if (pause) ri_conn_pause(&p->conn, pause > 0);
    ri_conn_go_on(&p->conn);
    if (p->conn.held && !p->conn.paused) ri_loop_wake(&p->loop);
    if (!p->conn.full) ri_conn_write(&p->conn);
    ri_gate_enter(&p->gate);
    ri_conn_settle(&p->conn, &p->pool);
    p->written = p->conn.pending == 0;
    ri_gate_leave(&p->gate);
    ri_park_signal(&p->changed);
    if (quit) ri_loop_stop(&p->loop);
}

static int pump_open(pump *p, const ri_host *host)
{
    *p = (pump){.host = *host, .peer = -1, .tells_need = true};
    ri_park_init(&p->changed);
    ri_gate_init(&p->gate);
    ri_outq_pool_init(&p->pool, &p->host, NULL);
    int rc = ri_loop_init(&p->loop, &p->host, pump_on_turn, p);
    if (rc < 0) return rc;
    if (!(p->shared = ri_alloc(&p->host, RI_CONN_READ_SIZE))) return RILL_ENOMEM;
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p->peer = fds[1];
    rc = ri_conn_init(&p->conn, &p->loop, fds[0], p->shared, &pump_ops);
    if (rc < 0) {
        close(fds[0]);
        return rc;
    }
    p->conn.write_deadline_ms = WAIT_MS;
    p->open = true;
    return RILL_OK;
}

static void pump_close(pump *p)
{
    if (p->loop.started) {
        ri_gate_enter(&p->gate);
        p->quit = true;
        ri_gate_leave(&p->gate);
        ri_loop_wake(&p->loop);
        ri_loop_join(&p->loop);
    }
    if (p->open) ri_conn_fini(&p->conn, &p->pool);
    if (p->peer >= 0) close(p->peer);
    ri_outq_pool_fini(&p->pool);
    ri_free(&p->host, p->shared, RI_CONN_READ_SIZE);
    ri_loop_fini(&p->loop);
    ri_park_fini(&p->changed);
}

static void pump_start(pump *p)
{
    ri_host host;
    ri_host_init(&host, NULL);
    ck_assert_ok(pump_open(p, &host));
}

/* Wait until `condition`, seen inside the gate, holds. */
#define PUMP_WAIT(p, condition)                                                      \
    do {                                                                             \
        bool there_ = false;                                                         \
        for (int64_t due_ = ri_mono_ns(&(p)->host) + WAIT_MS * RI_MS; !there_;) {     \
            uint32_t seen_ = ri_park_count(&(p)->changed);                           \
            ri_gate_enter(&(p)->gate);                                               \
            there_ = (condition);                                                    \
            ri_gate_leave(&(p)->gate);                                               \
            if (there_) break;                                                       \
            ck_assert_msg(ri_mono_ns(&(p)->host) < due_, "waited in vain: " #condition); \
            ri_park_wait(&(p)->changed, seen_, WAIT_MS * RI_MS);                     \
        }                                                                            \
    } while (0)

static void peer_write(int fd, const char *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, bytes + done, len - done);
        if (n > 0) done += (size_t)n;
        if (n > 0 || errno == EINTR) continue;
        ck_assert_int_eq(errno, EAGAIN);
        struct pollfd pfd = {fd, POLLOUT, 0};
        ck_assert_int_gt(poll(&pfd, 1, WAIT_MS), 0);
    }
}

static size_t peer_read(int fd, char *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        struct pollfd pfd = {fd, POLLIN, 0};
        if (poll(&pfd, 1, WAIT_MS) <= 0) break;
        ssize_t n = read(fd, bytes + done, len - done);
        if (n <= 0) break;
        done += (size_t)n;
    }
    return done;
}

static size_t frame_make(char *out, size_t size, rng *r)
{
    for (int i = 0; i < 4; i++) out[i] = (char)(size >> (8 * i));
    for (size_t i = 0; i < size; i++) out[4 + i] = (char)rng_next(r);
    return size + 4;
}

/* Three frames, cut into two writes at every byte; with and without their length being told. */
START_TEST(every_split)
{
    rng r;
    rng_init(&r, 1);
    char bytes[256];
    size_t len = frame_make(bytes, 60, &r);
    len += frame_make(bytes + len, 0, &r);
    len += frame_make(bytes + len, 100, &r);
    uint64_t sum = pump_sum(0, bytes + 4, 60);
    sum = pump_sum(sum, bytes + len - 100, 100);
    for (int told = 0; told < 2; told++) {
        for (size_t cut = 1; cut < len; cut++) {
            pump p;
            pump_start(&p);
            p.tells_need = told;
            ck_assert_ok(ri_loop_start(&p.loop));
            peer_write(p.peer, bytes, cut);
            PUMP_WAIT(&p, p.calls == 1 || p.frames == 3);
            peer_write(p.peer, bytes + cut, len - cut);
            PUMP_WAIT(&p, p.frames == 3);
            ck_assert_uint_eq(p.bytes, 160);
            ck_assert(p.sum == sum);
            pump_close(&p);
        }
    }
}
END_TEST

/* Bytes that come one by one, and a frame that is too big for any one read, then small ones at
 * its heels: what was kept is not looked at again and again. */
START_TEST(big_frame)
{
    rng r;
    rng_init(&r, 2);
    char *bytes = malloc(FRAME_MAX + 1000);
    size_t len = frame_make(bytes, FRAME_MAX, &r);
    for (int i = 0; i < 5; i++) len += frame_make(bytes + len, 20, &r);
    pump p;
    pump_start(&p);
    ck_assert_ok(ri_loop_start(&p.loop));
    peer_write(p.peer, bytes, len);
    PUMP_WAIT(&p, p.frames == 6);
    uint64_t sum = pump_sum(0, bytes + 4, FRAME_MAX);
    for (size_t i = 0; i < 5; i++) sum = pump_sum(sum, bytes + 4 + FRAME_MAX + i * 24 + 4, 20);
    ck_assert(p.sum == sum);
    ck_assert_uint_lt(p.calls, 10);
    ck_assert(p.conn.own == NULL);
    pump_close(&p);
    free(bytes);
}
END_TEST

/* A length alone costs no memory; the buffer grows with what comes. */
START_TEST(big_promise)
{
    fault f;
    fault_init(&f);
    pump p;
    ck_assert_ok(pump_open(&p, &f.host));
    size_t before = f.supply.peak_bytes;
    ck_assert_ok(ri_loop_start(&p.loop));
    char head[24] = {0, 0, 0, 3}; /* 48 MiB */
    peer_write(p.peer, head, sizeof head);
    PUMP_WAIT(&p, p.calls == 1);
    ri_gate_enter(&p.gate);
    p.pause = 1;
    ri_gate_leave(&p.gate);
    ri_loop_wake(&p.loop);
    pump_close(&p);
    ck_assert_uint_lt(f.supply.peak_bytes - before, 64 * 1024);
    fault_fini(&f);
}
END_TEST

/* What is echoed comes back whole, though the reader takes it late and in small pieces. */
START_TEST(slow_reader)
{
    rng r;
    rng_init(&r, 3);
    size_t cap = 4 * 1024 * 1024, len = 0;
    char *bytes = malloc(cap + 70000), *back = malloc(cap + 70000);
    while (len < cap) len += frame_make(bytes + len, rng_below(&r, 60000), &r);
    pump p;
    pump_start(&p);
    p.echo = true;
    ck_assert_ok(ri_loop_start(&p.loop));
    peer_write(p.peer, bytes, len);
    PUMP_WAIT(&p, p.bytes + p.frames * 4 == len);
    for (size_t done = 0; done < len;) {
        size_t part = RI_MIN(1 + rng_below(&r, 10000), len - done);
        ck_assert_uint_eq(peer_read(p.peer, back + done, part), part);
        done += part;
    }
    ck_assert_mem_eq(bytes, back, len);
    PUMP_WAIT(&p, p.written);
    ck_assert_uint_eq(p.conn.pending, 0);
    pump_close(&p);
    free(bytes);
    free(back);
}
END_TEST

/* Who takes no byte for the write deadline is given up, and not before. */
START_TEST(deadline)
{
    rng r;
    rng_init(&r, 4);
    size_t len = 2 * 1024 * 1024;
    char *bytes = malloc(len + 4);
    frame_make(bytes, len, &r);
    pump p;
    pump_start(&p);
    p.echo = true;
    p.conn.write_deadline_ms = 150;
    int64_t start_ns = ri_mono_ns(&p.host);
    ck_assert_ok(ri_loop_start(&p.loop));
    peer_write(p.peer, bytes, len + 4);
    PUMP_WAIT(&p, p.ended);
    ck_assert_int_eq(p.end, RI_CONN_DEADLINE);
    ck_assert(ri_mono_ns(&p.host) - start_ns >= 150 * RI_MS);
    pump_close(&p);
    free(bytes);
}
END_TEST

/* The peer ends its side: what it sent before counts, and it still gets its answer. */
START_TEST(half_close)
{
    rng r;
    rng_init(&r, 5);
    char bytes[104], back[104];
    frame_make(bytes, 100, &r);
    pump p;
    pump_start(&p);
    p.echo = true;
    ck_assert_ok(ri_loop_start(&p.loop));
    peer_write(p.peer, bytes, sizeof bytes);
    shutdown(p.peer, SHUT_WR);
    PUMP_WAIT(&p, p.ended);
    ck_assert_int_eq(p.end, RI_CONN_EOF);
    ck_assert_uint_eq(p.frames, 1);
    ck_assert_uint_eq(peer_read(p.peer, back, sizeof back), sizeof back);
    ck_assert_mem_eq(bytes, back, sizeof back);
    pump_close(&p);
}
END_TEST

/* While paused nothing is read; then all of it is. */
START_TEST(paused)
{
    rng r;
    rng_init(&r, 6);
    char bytes[104];
    frame_make(bytes, 100, &r);
    pump p;
    pump_start(&p);
    p.pause = 1;
    ck_assert_ok(ri_loop_start(&p.loop));
    ri_loop_wake(&p.loop);
    PUMP_WAIT(&p, p.pause == 0);
    peer_write(p.peer, bytes, sizeof bytes);
    for (int i = 0; i < 20; i++) { /* turns of the loop that could have read it */
        uint32_t seen = ri_park_count(&p.changed);
        ri_loop_wake(&p.loop);
        ri_park_wait(&p.changed, seen, WAIT_MS * RI_MS);
    }
    ri_gate_enter(&p.gate);
    ck_assert_uint_eq(p.frames, 0);
    p.pause = -1;
    ri_gate_leave(&p.gate);
    ri_loop_wake(&p.loop);
    PUMP_WAIT(&p, p.frames == 1);
    pump_close(&p);
}
END_TEST

static int body_faults(fault *f, void *arg)
{
    (void)arg;
    rng r;
    rng_init(&r, 7);
    char bytes[40004];
    frame_make(bytes, 40000, &r);
    pump p;
    int rc = pump_open(&p, &f->host);
    if (rc == RILL_OK) {
        rc = ri_loop_start(&p.loop);
        peer_write(p.peer, bytes, 30000);
        PUMP_WAIT(&p, p.ended || p.calls > 0);
        if (!p.ended) peer_write(p.peer, bytes + 30000, sizeof bytes - 30000);
        PUMP_WAIT(&p, p.ended || p.frames == 1);
        if (p.ended) rc = p.end == RI_CONN_NO_MEMORY ? RILL_ENOMEM : RILL_EBUG;
    }
    pump_close(&p);
    return rc;
}

START_TEST(faults)
{
    ck_assert_uint_ge(fault_each(body_faults, NULL), 3);
}
END_TEST

/* Input is taken by shares of five frames, and the last frame is cut at every byte: all of it comes
 * in order, nothing is read meanwhile, and pausing holds it back. */
START_TEST(shares)
{
    enum { FRAMES = 33, SIZE = 40 };
    rng r;
    rng_init(&r, 5);
    char bytes[FRAMES * (SIZE + 4)];
    size_t len = 0;
    uint64_t sum = 0;
    for (int i = 0; i < FRAMES; i++) {
        size_t n = frame_make(bytes + len, SIZE, &r);
        sum = pump_sum(sum, bytes + len + 4, SIZE);
        len += n;
    }
    for (int told = 0; told < 2; told++) {
        for (size_t cut = len - SIZE - 6; cut <= len; cut++) {
            pump p;
            pump_start(&p);
            p.tells_need = told;
            p.share = 5;
            peer_write(p.peer, bytes, cut);
            ck_assert_ok(ri_loop_start(&p.loop));
            PUMP_WAIT(&p, p.frames >= FRAMES - 2);
            peer_write(p.peer, bytes + cut, len - cut);
            PUMP_WAIT(&p, p.frames == FRAMES);
            ck_quick(p.sum == sum && p.held >= 6);
            pump_close(&p);
        }
    }
}
END_TEST

/* It goes while there is input that waits for its turn; or pauses, and goes on. */
START_TEST(share_ends)
{
    rng r;
    rng_init(&r, 6);
    char bytes[100 * 14];
    size_t len = 0;
    for (int i = 0; i < 100; i++) len += frame_make(bytes + len, 10, &r);
    pump p;
    pump_start(&p);
    p.share = 1;
    peer_write(p.peer, bytes, len);
    p.pause = 1;
    ck_assert_ok(ri_loop_start(&p.loop));
    PUMP_WAIT(&p, p.pause == 0);
    PUMP_WAIT(&p, p.frames <= 1);
    ri_gate_enter(&p.gate);
    p.pause = -1;
    ri_gate_leave(&p.gate);
    ri_loop_wake(&p.loop);
    PUMP_WAIT(&p, p.frames >= 2);
    pump_close(&p); /* most is still held, or read */

    pump_start(&p);
    p.share = 1;
    peer_write(p.peer, bytes, len);
    close(p.peer);
    p.peer = -1;
    ck_assert_ok(ri_loop_start(&p.loop));
    PUMP_WAIT(&p, p.ended); /* the end is seen when all before it was taken */
    ck_assert_uint_eq(p.frames, 100);
    ck_assert_int_eq(p.end, RI_CONN_EOF);
    pump_close(&p);
}
END_TEST

SUITE_MAIN("conn", every_split, big_frame, big_promise, slow_reader, deadline, half_close, paused,
           faults, shares, share_ends)
