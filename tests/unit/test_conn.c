/* SPDX-License-Identifier: Apache-2.0 */
/* A connection with a protocol that is nothing but lengths: an operation is four bytes, little end
 * first, and so many bytes behind them. Each case runs over all wires: a socketpair with the loop
 * on its own thread, a pipe in memory with the loop turned by the test in virtual time, a program's
 * wire whose functions move the bytes of such a pipe, and TLS and WebSocket over a pipe, both ends
 * of which are on that loop. */
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
#include "net/host_wire.h"
#include "net/park.h"
#include "net/tls_wire.h"
#include "net/ws_wire.h"
#include "support/pipe.h"
#include "support/rng.h"
#include "support/suite.h"

enum { FRAME_MAX = 3 * 1024 * 1024, WAIT_MS = 20000, TURNS_MAX = 1000000 };

static bool over_pipe;   /* which wire it is */
static bool over_host;   /* the pipe is a program's */
static bool over_tls;    /* over the pipe there is TLS */
static bool over_ws;     /* ... or WebSocket, of which the connection is the server's or ... */
static bool ws_client;   /* ... the client's end */

/* Each test says it, for the one before it may have run in this process. */
static void go_over(bool pipe, bool host, bool tls, bool ws)
{
    over_ws = ws;
    ws_client = false;
    over_pipe = pipe;
    over_host = host;
    over_tls = tls;
}
static fault still_clock; /* of the pump over a pipe, of which there is one at a time */

typedef struct pump {
    ri_host host;
    ri_loop loop;
    ri_gate gate;
    ri_park changed;     /* signalled whenever something below changes */
    ri_outq_pool pool;
    ri_conn conn;
    int peer;            /* the other end, of a socketpair */
    pipe_pair pipe;      /* or a pipe */
    rill_wire *wire;     /* of the program that has its other end; NULL: none */
    ri_wire *peer_over;  /* TLS or WebSocket over its other end; NULL: none */
    ri_ws_conf *ws;      /* of a server's end */
    ri_tls_conf *confs[2]; /* the connection's, and the peer's; NULL: confs_shared() */
    bool virtual, open;  /* its clock is still_clock's */
    int turns;
    /* Inside the gate. */
    uint64_t frames, bytes, sum;
    size_t calls;        /* of on_bytes */
    ri_conn_end end;
    bool ended, written, echo, quit;
    bool tells_need;     /* on_bytes() says how long a frame is */
    size_t share;        /* frames that it takes before it holds; 0: all */
    size_t held;         /* times that it did */
    size_t refuses;      /* a frame of more bytes is refused: it, and all behind it, is held */
    bool refused;
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
        bool whole = len - used - 4 >= size;
        p->refused = p->refused || (p->refuses && whole && size > p->refuses);
        if (p->refused) {
            conn->hold = true;
            p->held++;
            break;
        }
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

/* ---- The functions of a program ---- */

static int64_t pump_answer(ssize_t n)
{
    return n >= 0 ? n : n == -EAGAIN ? RILL_EAGAIN : RILL_ECONN;
}

static int64_t pump_program_read(void *arg, void *buf, size_t len)
{
    pipe_end *end = &((pump *)arg)->pipe.end[0];
    return pump_answer(end->wire.ops->readv(&end->wire, &(struct iovec){buf, len}, 1));
}

static int64_t pump_program_write(void *arg, const void *buf, size_t len)
{
    pipe_end *end = &((pump *)arg)->pipe.end[0];
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    return pump_answer(end->wire.ops->writev(&end->wire, &iov, 1));
}

static void pump_program_close(void *arg)
{
    pump *p = arg;
    ck_assert(!ri_gate_is_taken(&p->gate));
    p->wire = NULL;
    p->pipe.end[0].wire.ops->close(&p->pipe.end[0].wire);
}

static const rill_wire_ops pump_program_ops = {.size = sizeof pump_program_ops,
    .read = pump_program_read, .write = pump_program_write, .close = pump_program_close};

/* The peer has done something at its end. */
static void pump_ready(pump *p)
{
    ri_host_wire_ready(p->wire);
}

static int pump_open_host(pump *p)
{
    ri_wire *wire;
    int rc = ri_host_wire_new(&p->wire, &pump_program_ops, p, NULL);
    if (rc < 0) return rc;
    ck_assert_ok(ri_host_wire_take(p->wire, &wire));
    rc = ri_conn_init(&p->conn, &p->loop, wire, &pump_ops);
    if (rc < 0) wire->ops->close(wire);
    return rc;
}

/* Nothing: the test reads when it wants to. */
static void peer_on_ready(ri_wire *wire, unsigned what)
{
    (void)wire;
    (void)what;
}

static int confs_make(ri_tls_conf *confs[2], const ri_host *host)
{
    int rc = ri_tls_conf_new(&confs[0], host,
                             RILL_OPTS(rill_tls, .cert_file = GOLDEN_DIR "/tls/server.pem",
                                       .key_file = GOLDEN_DIR "/tls/server.key"), true);
    return rc < 0 ? rc : ri_tls_conf_new(&confs[1], host,
                                         RILL_OPTS(rill_tls, .ca_file = GOLDEN_DIR "/tls/ca.pem"),
                                         false);
}

/* Of all pumps of a test, so that all but the first resume a session, which is quick. */
static ri_tls_conf **confs_shared(void)
{
    static ri_tls_conf *shared[2];
    static ri_host host;
    ri_host_init(&host, NULL);
    if (!shared[0]) ck_assert_ok(confs_make(shared, &host));
    return shared;
}

/* TLS over both ends of the pipe. */
static int pump_open_tls(pump *p)
{
    static const ri_tls_wire_opts client = {.name = "localhost"}, server = {0};
    ri_wire *wire;
    ri_tls_conf **confs = p->virtual ? confs_shared() : p->confs;
    int rc = p->virtual ? RILL_OK : confs_make(confs, &p->host);
    if (rc == RILL_OK)
        rc = ri_tls_wire_new(&p->peer_over, confs[1], &p->pipe.end[1].wire, &client);
    if (rc < 0) return rc;
    ri_wire_attach(p->peer_over, &p->loop, peer_on_ready, p);
    if ((rc = p->peer_over->ops->watch(p->peer_over, 0)) < 0) return rc;
    if ((rc = ri_tls_wire_new(&wire, confs[0], &p->pipe.end[0].wire, &server)) < 0) return rc;
    rc = ri_conn_init(&p->conn, &p->loop, wire, &pump_ops);
    if (rc < 0) wire->ops->close(wire);
    return rc;
}

/* WebSocket over both ends of the pipe. */
static int pump_open_ws(pump *p)
{
    const ri_ws_conf conf = {.deflates = false};
    int rc = ri_ws_conf_new(&p->ws, &p->host, &conf);
    if (rc < 0) return rc;
    const ri_ws_wire_opts server = {.timeout_ns = RI_SEC, .conf = p->ws};
    const ri_ws_wire_opts client = {.timeout_ns = RI_SEC, .host = "h:1", .path = "/"};
    ri_wire *wire;
    rc = ri_ws_wire_new(&p->peer_over, &p->host, &p->pipe.end[1].wire,
                        ws_client ? &server : &client);
    if (rc < 0) return rc;
    ri_wire_attach(p->peer_over, &p->loop, peer_on_ready, p);
    if ((rc = p->peer_over->ops->watch(p->peer_over, 0)) < 0) return rc;
    rc = ri_ws_wire_new(&wire, &p->host, &p->pipe.end[0].wire, ws_client ? &client : &server);
    if (rc < 0) return rc;
    rc = ri_conn_init(&p->conn, &p->loop, wire, &pump_ops);
    if (rc < 0) wire->ops->close(wire);
    return rc;
}

static int pump_open(pump *p, const ri_host *host)
{
    *p = (pump){.host = *host, .peer = -1, .tells_need = true,
                .virtual = host == &still_clock.host};
    ri_park_init(&p->changed);
    ri_gate_init(&p->gate);
    ri_outq_pool_init(&p->pool, &p->host, NULL);
    int rc = ri_loop_init(&p->loop, &p->host, pump_on_turn, p);
    if (rc < 0) return rc;
    pipe_init(&p->pipe);
    if (over_tls) {
        rc = pump_open_tls(p);
    } else if (over_ws) {
        rc = pump_open_ws(p);
    } else if (over_host) {
        rc = pump_open_host(p);
    } else if (over_pipe) {
        rc = ri_conn_init(&p->conn, &p->loop, &p->pipe.end[0].wire, &pump_ops);
    } else {
        int fds[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        p->peer = fds[1];
        rc = ri_conn_init_fd(&p->conn, &p->loop, fds[0], &pump_ops);
        if (rc < 0) close(fds[0]);
    }
    if (rc < 0) return rc;
    p->conn.write_deadline_ms = WAIT_MS;
    p->open = true;
    return RILL_OK;
}

/* Begin to turn: from here on the pump's fields are looked at by PUMP_WAIT. */
static int pump_run(pump *p)
{
    return over_pipe ? RILL_OK : ri_loop_start(&p->loop);
}

/* One turn over a pipe. If there is nothing to do the time of the next timer comes. */
static void pump_turn(pump *p)
{
    bool idle = ri_list_empty(&p->loop.soon) && atomic_load(&p->loop.rest) == 0;
    int64_t due_ns = ri_heap_next(&p->loop.timers);
    if (idle && p->virtual && due_ns != INT64_MAX) still_clock.now_ns = due_ns;
    ri_loop_turn(&p->loop);
}

static void peer_close(pump *p)
{
    pipe_end *end = &p->pipe.end[1];
    if (p->peer_over) p->peer_over->ops->close(p->peer_over);
    p->peer_over = NULL;
    if (over_pipe && end->pair && !end->closed) end->wire.ops->close(&end->wire);
    pump_ready(p);
    if (p->peer >= 0) close(p->peer);
    p->peer = -1;
}

static void peer_shut(pump *p)
{
    ri_wire *wire = p->peer_over ? p->peer_over : &p->pipe.end[1].wire;
    if (over_pipe) wire->ops->shut(wire);
    else shutdown(p->peer, SHUT_WR);
    pump_ready(p);
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
    if (p->open) ri_loop_run_ends(&p->loop);
    ck_assert_ptr_null(p->wire);
    peer_close(p);
    if (p->pipe.end[0].pair) pipe_fini(&p->pipe);
    for (int i = 0; i < 2; i++) ri_tls_conf_unref(p->confs[i]);
    ri_ws_conf_unref(p->ws);
    ri_outq_pool_fini(&p->pool);
    ri_loop_fini(&p->loop);
    ri_park_fini(&p->changed);
    if (p->virtual) fault_fini(&still_clock);
}

static void pump_start(pump *p)
{
    ri_host host;
    ri_host_init(&host, NULL);
    if (!over_pipe) {
        ck_assert_ok(pump_open(p, &host));
        return;
    }
    fault_init(&still_clock);
    ck_assert_ok(pump_open(p, &still_clock.host));
}

/* Something may have changed since `seen`: a turn over a pipe, else a sleep. */
static void pump_wait(pump *p, uint32_t seen, int64_t due_ns, const char *what)
{
    if (over_pipe) {
        ck_assert_msg(p->turns++ < TURNS_MAX, "waited in vain: %s", what);
        pump_turn(p);
        return;
    }
    ck_assert_msg(ri_mono_ns(&p->host) < due_ns, "waited in vain: %s", what);
    ri_park_wait(&p->changed, seen, WAIT_MS * RI_MS);
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
            if (!there_) pump_wait(p, seen_, due_, #condition);                      \
        }                                                                            \
    } while (0)

/* What the peer does when nothing goes at present. */
static bool peer_wait(pump *p, short what)
{
    struct pollfd pfd = {p->peer, what, 0};
    if (!over_pipe) return poll(&pfd, 1, WAIT_MS) > 0;
    if (p->turns++ >= TURNS_MAX) return false;
    pump_turn(p);
    return true;
}

/* Why the TLS, or WebSocket, of the peer is broken, if it is. */
static int pump_code(const pump *p)
{
    if (over_ws && p->peer_over) return ri_ws_wire_code(ri_ws_wire_of(p->peer_over));
    return p->peer_over ? ri_tls_wire_code(ri_tls_wire_of(p->peer_over)) : RILL_OK;
}

static ssize_t peer_put(pump *p, const char *bytes, size_t len)
{
    struct iovec iov = {(char *)(uintptr_t)bytes, len};
    if (p->peer_over) return p->peer_over->ops->writev(p->peer_over, &iov, 1);
    return over_pipe ? (ssize_t)pipe_put(&p->pipe.end[1], bytes, len) : write(p->peer, bytes, len);
}

static ssize_t peer_get(pump *p, char *bytes, size_t len)
{
    struct iovec iov = {bytes, len};
    if (p->peer_over) return p->peer_over->ops->readv(p->peer_over, &iov, 1);
    return over_pipe ? (ssize_t)pipe_get(&p->pipe.end[1], bytes, len) : read(p->peer, bytes, len);
}

static void peer_write(pump *p, const char *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = peer_put(p, bytes + done, len - done);
        pump_ready(p);
        if (p->peer_over && (p->ended || pump_code(p) < 0)) return;
        if (n > 0) done += (size_t)n;
        else ck_assert(peer_wait(p, POLLOUT));
    }
}

static size_t peer_read(pump *p, char *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = peer_get(p, bytes + done, len - done);
        if (n > 0) pump_ready(p);
        if (n > 0) done += (size_t)n;
        else if (!peer_wait(p, POLLIN)) break;
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
static void case_every_split(void)
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
            ck_assert_ok(pump_run(&p));
            peer_write(&p, bytes, cut);
            PUMP_WAIT(&p, p.calls == 1 || p.frames == 3);
            peer_write(&p, bytes + cut, len - cut);
            PUMP_WAIT(&p, p.frames == 3);
            ck_assert_uint_eq(p.bytes, 160);
            ck_assert(p.sum == sum);
            pump_close(&p);
        }
    }
}

/* Bytes that come one by one, and a frame that is too big for any one read, then small ones at
 * its heels: what was kept is not looked at again and again. */
static void case_big_frame(void)
{
    rng r;
    rng_init(&r, 2);
    char *bytes = malloc(FRAME_MAX + 1000);
    size_t len = frame_make(bytes, FRAME_MAX, &r);
    for (int i = 0; i < 5; i++) len += frame_make(bytes + len, 20, &r);
    pump p;
    pump_start(&p);
    ck_assert_ok(pump_run(&p));
    peer_write(&p, bytes, len);
    PUMP_WAIT(&p, p.frames == 6);
    uint64_t sum = pump_sum(0, bytes + 4, FRAME_MAX);
    for (size_t i = 0; i < 5; i++) sum = pump_sum(sum, bytes + 4 + FRAME_MAX + i * 24 + 4, 20);
    ck_assert(p.sum == sum);
    ck_assert_uint_lt(p.calls, 10);
    ck_assert(p.conn.own == NULL);
    pump_close(&p);
    free(bytes);
}

/* A length alone costs no memory; the buffer grows with what comes. */
static void case_big_promise(void)
{
    fault f;
    fault_init(&f);
    pump p;
    ck_assert_ok(pump_open(&p, &f.host));
    size_t before = f.supply.peak_bytes;
    ck_assert_ok(pump_run(&p));
    char head[24] = {0, 0, 0, 3}; /* 48 MiB */
    peer_write(&p, head, sizeof head);
    PUMP_WAIT(&p, p.calls == 1);
    ri_gate_enter(&p.gate);
    p.pause = 1;
    ri_gate_leave(&p.gate);
    ri_loop_wake(&p.loop);
    pump_close(&p);
    ck_assert_uint_lt(f.supply.peak_bytes - before, 64 * 1024);
    fault_fini(&f);
}

/* What is echoed comes back whole, though the reader takes it late and in small pieces. */
static void case_slow_reader(void)
{
    rng r;
    rng_init(&r, 3);
    size_t cap = 4 * 1024 * 1024, len = 0;
    char *bytes = malloc(cap + 70000), *back = malloc(cap + 70000);
    while (len < cap) len += frame_make(bytes + len, rng_below(&r, 60000), &r);
    pump p;
    pump_start(&p);
    p.echo = true;
    ck_assert_ok(pump_run(&p));
    peer_write(&p, bytes, len);
    PUMP_WAIT(&p, p.bytes + p.frames * 4 == len);
    for (size_t done = 0; done < len;) {
        size_t most = 1 + rng_below(&r, 10000), part = RI_MIN(most, len - done);
        ck_assert_uint_eq(peer_read(&p, back + done, part), part);
        done += part;
    }
    ck_assert_mem_eq(bytes, back, len);
    PUMP_WAIT(&p, p.written);
    ck_assert_uint_eq(p.conn.pending, 0);
    pump_close(&p);
    free(bytes);
    free(back);
}

/* Who takes no byte for the write deadline is given up, and not before. */
static void case_deadline(void)
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
    ck_assert_ok(pump_run(&p));
    peer_write(&p, bytes, len + 4);
    PUMP_WAIT(&p, p.ended);
    ck_assert_int_eq(p.end, RI_CONN_DEADLINE);
    ck_assert(ri_mono_ns(&p.host) - start_ns >= 150 * RI_MS);
    pump_close(&p);
    free(bytes);
}

/* The peer ends its side: what it sent before counts, and it still gets its answer. */
static void case_half_close(void)
{
    rng r;
    rng_init(&r, 5);
    char bytes[104], back[104];
    frame_make(bytes, 100, &r);
    pump p;
    pump_start(&p);
    p.echo = true;
    ck_assert_ok(pump_run(&p));
    peer_write(&p, bytes, sizeof bytes);
    peer_shut(&p);
    PUMP_WAIT(&p, p.ended);
    ck_assert_int_eq(p.end, RI_CONN_EOF);
    ck_assert_uint_eq(p.frames, 1);
    ck_assert_uint_eq(peer_read(&p, back, sizeof back), sizeof back);
    ck_assert_mem_eq(bytes, back, sizeof back);
    pump_close(&p);
}

/* While paused nothing is read; then all of it is. */
static void case_paused(void)
{
    rng r;
    rng_init(&r, 6);
    char bytes[104];
    frame_make(bytes, 100, &r);
    pump p;
    pump_start(&p);
    p.pause = 1;
    ck_assert_ok(pump_run(&p));
    ri_loop_wake(&p.loop);
    PUMP_WAIT(&p, p.pause == 0);
    peer_write(&p, bytes, sizeof bytes);
    for (int i = 0; i < 20; i++) { /* turns of the loop that could have read it */
        uint32_t seen = ri_park_count(&p.changed);
        ri_loop_wake(&p.loop);
        pump_wait(&p, seen, INT64_MAX, "a turn");
    }
    ri_gate_enter(&p.gate);
    ck_assert_uint_eq(p.frames, 0);
    p.pause = -1;
    ri_gate_leave(&p.gate);
    ri_loop_wake(&p.loop);
    PUMP_WAIT(&p, p.frames == 1);
    pump_close(&p);
}

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
        rc = pump_run(&p);
        peer_write(&p, bytes, 30000);
        PUMP_WAIT(&p, p.ended || p.calls > 0 || pump_code(&p) < 0);
        if (!p.ended) peer_write(&p, bytes + 30000, sizeof bytes - 30000);
        PUMP_WAIT(&p, p.ended || p.frames == 1 || pump_code(&p) < 0);
        if (pump_code(&p) < 0) rc = pump_code(&p);
        else if (p.ended) rc = p.end == RI_CONN_NO_MEMORY ? RILL_ENOMEM : RILL_EBUG;
    }
    pump_close(&p);
    return rc;
}

static void case_faults(void)
{
    ck_assert_uint_ge(fault_each(body_faults, NULL), 3);
}

/* Input is taken by shares of five frames, and the last frame is cut at every byte: all of it comes
 * in order, nothing is read meanwhile, and pausing holds it back. */
static void case_shares(void)
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
            peer_write(&p, bytes, cut);
            ck_assert_ok(pump_run(&p));
            PUMP_WAIT(&p, p.frames >= FRAMES - 2);
            peer_write(&p, bytes + cut, len - cut);
            PUMP_WAIT(&p, p.frames == FRAMES);
            ck_quick(p.sum == sum && p.held >= 6);
            pump_close(&p);
        }
    }
}

/* A long frame that is refused, while others before it are not answered yet: it goes, what stands
 * behind it is held, and nothing more is read. */
static void case_refused(void)
{
    enum { LONG = 600000, SHORT = 40 };
    rng r;
    rng_init(&r, 7);
    char *bytes = malloc(LONG + 2 * (SHORT + 4) + 4);
    size_t len = frame_make(bytes, SHORT, &r);
    len += frame_make(bytes + len, LONG, &r);
    len += frame_make(bytes + len, SHORT, &r);
    pump p;
    pump_start(&p);
    p.tells_need = true;
    p.refuses = SHORT;
    ck_assert_ok(pump_run(&p));
    peer_write(&p, bytes, len);
    PUMP_WAIT(&p, p.refused);
    peer_write(&p, bytes, SHORT + 4);
    pump_close(&p); /* the loop's thread is over */
    ck_assert_uint_eq(p.frames, 1);
    free(bytes);
}

/* It goes while there is input that waits for its turn; or pauses, and goes on. */
static void case_share_ends(void)
{
    rng r;
    rng_init(&r, 6);
    char bytes[100 * 14];
    size_t len = 0;
    for (int i = 0; i < 100; i++) len += frame_make(bytes + len, 10, &r);
    pump p;
    pump_start(&p);
    p.share = 1;
    peer_write(&p, bytes, len);
    p.pause = 1;
    ck_assert_ok(pump_run(&p));
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
    peer_write(&p, bytes, len);
    peer_close(&p);
    ck_assert_ok(pump_run(&p));
    PUMP_WAIT(&p, p.ended); /* the end is seen when all before it was taken */
    ck_assert_uint_eq(p.frames, 100);
    ck_assert_int_eq(p.end, RI_CONN_EOF);
    pump_close(&p);
}

/* ---- What only a pipe does when it is asked to ---- */

_Static_assert(sizeof(void *) != 8 || sizeof(ri_conn) <= 432 + sizeof(struct event),
               "a connection over a socket costs no byte for there being other wires");

/* One byte a call, both ways, and one call in two that finds nothing though it was told to come. */
START_TEST(crumbs)
{
    rng r;
    rng_init(&r, 8);
    char bytes[604], back[604];
    size_t len = frame_make(bytes, 600, &r);
    go_over(true, false, false, false);
    pump p;
    pump_start(&p);
    p.echo = true;
    p.pipe.flow[0].step = p.pipe.flow[1].step = 1;
    p.pipe.flow[0].room = 3;
    peer_write(&p, bytes, len);
    for (size_t done = 0; done < len; done++) {
        p.pipe.flow[0].refuse = p.pipe.flow[1].refuse = (unsigned)done % 2;
        ck_quick(peer_read(&p, back + done, 1) == 1);
    }
    ck_assert_mem_eq(bytes, back, len);
    PUMP_WAIT(&p, p.written);
    ck_assert(!p.conn.full && p.pipe.end[0].watched == RI_WIRE_READ);
    pump_close(&p);
}
END_TEST

/* What is inside of a wire before it is watched, or behind a read that left some, is told of in the
 * next turn, which does not sleep; one that is paused or held is not told. */
START_TEST(bytes_inside)
{
    rng r;
    rng_init(&r, 9);
    char bytes[3 * 24];
    size_t len = 0;
    for (int i = 0; i < 3; i++) len += frame_make(bytes + len, 20, &r);
    go_over(true, false, false, false);
    pump p;
    pump_start(&p);
    peer_write(&p, bytes, len);
    p.pipe.flow[1].step = 24;
    for (uint64_t i = 0; i < 3; i++) {
        ck_assert(!ri_list_empty(&p.loop.soon));
        ck_assert_uint_eq(p.frames, i);
        ri_loop_turn(&p.loop);
    }
    ck_assert_uint_eq(p.frames, 3);
    ck_assert(ri_list_empty(&p.loop.soon));
    ri_conn_pause(&p.conn, true);
    peer_write(&p, bytes, len);
    ck_assert(ri_list_empty(&p.loop.soon));
    int told = p.pipe.end[0].told;
    for (int i = 0; i < 5; i++) ri_loop_turn(&p.loop);
    ck_assert_int_eq(p.pipe.end[0].told, told);
    ri_conn_pause(&p.conn, false);
    ri_loop_turn(&p.loop);
    ck_assert_uint_eq(p.frames, 4);
    pump_close(&p);
}
END_TEST

/* A wire that breaks: while it is read, while it is written to, and behind the peer's last byte. */
START_TEST(broken)
{
    rng r;
    rng_init(&r, 10);
    char bytes[104];
    frame_make(bytes, 100, &r);
    go_over(true, false, false, false);
    for (int how = 0; how < 3; how++) {
        pump p;
        pump_start(&p);
        p.echo = true;
        p.pipe.flow[0].room = 10;
        peer_write(&p, bytes, sizeof bytes);
        PUMP_WAIT(&p, p.frames == 1 && p.conn.full);
        if (how < 2) pipe_break(&p.pipe, 1 - how, ECONNRESET);
        if (how == 2) peer_shut(&p);
        if (how == 2) PUMP_WAIT(&p, p.ended && p.end == RI_CONN_EOF);
        if (how == 2) peer_close(&p);
        ri_conn_end want = how == 0 ? RI_CONN_READ_FAILED : RI_CONN_WRITE_FAILED;
        PUMP_WAIT(&p, p.end == want);
        ck_assert(p.conn.ended && p.pipe.end[0].watched == 0);
        pump_close(&p);
    }
}
END_TEST

#define CASES_MAP(X)                                                                     \
    X(every_split) X(big_frame) X(big_promise) X(slow_reader) X(deadline) X(half_close)  \
    X(paused) X(faults) X(shares) X(share_ends) X(refused)

#define X(name)                \
    START_TEST(socket_##name)  \
    {                          \
        go_over(false, false, false, false); \
        case_##name();         \
    }                          \
    END_TEST                   \
    START_TEST(host_##name)    \
    {                          \
        go_over(true, true, false, false);   \
        case_##name();         \
    }                          \
    END_TEST                   \
    START_TEST(pipe_##name)    \
    {                          \
        go_over(true, false, false, false);  \
        case_##name();         \
    }                          \
    END_TEST                   \
    START_TEST(tls_##name)     \
    {                          \
        go_over(true, false, true, false);   \
        case_##name();         \
    }                          \
    END_TEST                   \
    START_TEST(ws_##name)      \
    {                          \
        go_over(true, false, false, true);   \
        case_##name();         \
        ws_client = true;      \
        case_##name();         \
    }                          \
    END_TEST
CASES_MAP(X)
#undef X

/* Where the build has none of it, there is none to be tried. */
#ifdef RI_HAVE_WEBSOCKET
#define X(name) socket_##name, pipe_##name, host_##name, tls_##name, ws_##name,
#else
#define X(name) socket_##name, pipe_##name, host_##name, tls_##name,
#endif
SUITE_MAIN("conn", CASES_MAP(X) crumbs, bytes_inside, broken)
