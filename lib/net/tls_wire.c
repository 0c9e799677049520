/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_wire.h"

#include <errno.h>

#include "base/error.h"
#include "base/memory.h"

enum {
    TLS_WIRE_HEAD = 5,                /* bytes of a record's header */
    TLS_WIRE_STEPS = 4,               /* of handshakes, in one turn ... */
    TLS_WIRE_STEP_NS = 250 * 1000,    /* ... or as many as begin in this time */
    TLS_WIRE_OUT = RI_TLS_BURST + 2 * RI_TLS_RECORD_MAX,
    TLS_WIRE_WORDS = 32,              /* records, or steps, in which an alert is sought */
    TLS_WIRE_KEPT_OUT = 2 * TLS_WIRE_OUT, /* what was not taken, and answers of the library's own */
};

/* What all wires of a loop share. The three buffers are used within one call and are empty behind
 * it. */
typedef struct tls_wire_lane {
    ri_loop_annex annex;
    ri_loop *loop;
    ri_loop_soon soon;     /* runs the row */
    ri_loop_timer timer;   /* when the one that has waited longest loses its slot */
    ri_list row;           /* ri_tls_wire.row: those with a step to make, in turn */
    ri_list queue;         /* ri_tls_wire.row: those who wait for a slot */
    ri_list slots;         /* ri_tls_wire.slot: those who have one, who has waited longest first */
    uint32_t nslots, slots_max;
    ri_tls_desk *desk;     /* the library's; NULL: none yet, or it has none */
    char in[RI_TLS_BURST + RI_TLS_RECORD_MAX];
    char out[TLS_WIRE_OUT];
    char plain[RI_TLS_RECORD]; /* pieces that become one record */
} tls_wire_lane;

struct ri_tls_wire {
    ri_wire wire;
    ri_wire *below;
    ri_tls_conf *conf;       /* a reference */
    tls_wire_lane *lane;     /* NULL: on no loop yet */
    ri_tls *tls;             /* from SHAKING on */
    ri_tls_wire_state state : 8;
    uint8_t watched;         /* by the owner */
    bool ended;              /* the peer has said that it sends no more */
    bool cut;                /* the wire below has ended */
    bool shut;               /* this side sends no more ... */
    bool below_shut;         /* ... and the wire below knows it */
    bool charged;            /* the library's memory is counted */
    bool mute;               /* nothing can be written below, as `why` says; what came is read */
    bool opened;             /* it is OPEN, or was */
    uint32_t handshake_bytes;
    uint32_t burst;          /* bytes to encrypt before they are written */
    int code;                /* BROKEN: why, a rill code */
    char *in;                /* read from below and not used: [in_at, in_len); NULL: nothing */
    uint32_t in_at, in_len;
    char *out;               /* not taken by the wire below, likewise */
    uint32_t out_at, out_len;
    ri_loop_soon soon;       /* the owner can use what is inside */
    ri_list row;             /* lane->row or lane->queue */
    ri_list slot;            /* lane->slots */
    int64_t step_ns;         /* when it made its last step, by which it became OPEN */
    ri_loop_timer timer;     /* until it is OPEN */
    const char *refusal;
    ri_failure *why;         /* BROKEN, or mute; NULL: there was no memory for it */
    char name[];             /* with a 0; empty: none */
};

static ri_tls_wire *tls_wire_of(ri_wire *wire)
{
    return ri_container_of(wire, ri_tls_wire, wire);
}

static int tls_wire_update(ri_tls_wire *w);

/* ---- What is kept inside ---- */

static bool tls_wire_has_in(const ri_tls_wire *w)
{
    return w->in_len > w->in_at;
}

static bool tls_wire_has_out(const ri_tls_wire *w)
{
    return w->out_len > w->out_at;
}

static void tls_wire_drop(ri_tls_wire *w, char **kept, uint32_t *at, uint32_t *len,
                          ri_memory_kind kind)
{
    RI_ASSERT(*at <= *len);
    if (!*kept) return;
    if (w->lane) ri_memory_refund(w->lane->loop->memory, kind, *len);
    ri_free(&w->conf->host, *kept, *len);
    *kept = NULL;
    *at = *len = 0;
}

static void tls_wire_drop_in(ri_tls_wire *w)
{
    tls_wire_drop(w, &w->in, &w->in_at, &w->in_len, RI_MEMORY_INPUT);
}

static void tls_wire_drop_out(ri_tls_wire *w)
{
    tls_wire_drop(w, &w->out, &w->out_at, &w->out_len, RI_MEMORY_OUTPUT);
}

/* A copy of bytes that are to stay. */
static int tls_wire_keep_in(ri_tls_wire *w, const char *bytes, size_t len)
{
    RI_ASSERT(!w->in && len <= RI_TLS_RECORD_MAX);
    if (len == 0) return RILL_OK;
    ri_memory *memory = w->lane ? w->lane->loop->memory : NULL;
    if (!ri_memory_take(memory, RI_MEMORY_INPUT, len))
        return ri_err(RILL_ENOMEM, "the memory budget has no room for a TLS record");
    if (!(w->in = ri_alloc(&w->conf->host, len))) {
        ri_memory_refund(memory, RI_MEMORY_INPUT, len);
        return RILL_ENOMEM;
    }
    memcpy(w->in, bytes, len);
    w->in_len = (uint32_t)len;
    return RILL_OK;
}

/* ... behind those that are kept already. */
static int tls_wire_keep_out(ri_tls_wire *w, const char *bytes, size_t len)
{
    RI_ASSERT(len > 0 && w->lane);
    if (w->out_len + len > TLS_WIRE_KEPT_OUT)
        return ri_err(RILL_EPROTO, "the other side asks for answers and does not read them");
    char *out = ri_realloc(&w->conf->host, w->out, w->out_len, w->out_len + len);
    if (!out) return RILL_ENOMEM;
    memcpy(out + w->out_len, bytes, len);
    w->out = out;
    w->out_len += (uint32_t)len;
    ri_memory_charge(w->lane->loop->memory, RI_MEMORY_OUTPUT, len);
    return RILL_OK;
}

/* ---- The wire below ---- */

/* A rill code as the errno of a call that fails. */
static int tls_wire_errno(int code)
{
    switch (code) {
    case RILL_EAUTH: return EACCES;
    case RILL_EPROTO: return EPROTO;
    case RILL_ENOMEM: return ENOMEM;
    case RILL_ETIMEDOUT: return ETIMEDOUT;
    default: return EIO;
    }
}

/* Write to the wire below: how many of them it took, or a rill code. */
static int tls_wire_put(ri_tls_wire *w, const char *bytes, size_t len)
{
    RI_ASSERT(w->lane && len > 0 && !w->below_shut);
    size_t done = 0;
    while (done < len) {
        struct iovec iov = {(char *)(uintptr_t)bytes + done, len - done};
        ssize_t n = w->below->ops->writev(w->below, &iov, 1);
        if (n == -EAGAIN) break;
        if (n < 0) return RILL_EIO; /* the wire below has made a sentence */
        done += (size_t)n;
        if ((size_t)n < iov.iov_len) break;
    }
    return (int)done;
}

static void tls_wire_end_below(ri_tls_wire *w)
{
    if (!w->shut || w->below_shut || tls_wire_has_out(w)) return;
    w->below_shut = true;
    w->below->ops->shut(w->below);
}

/* What is kept goes on its way. */
static int tls_wire_flush(ri_tls_wire *w)
{
    if (!tls_wire_has_out(w)) return RILL_OK;
    int n = tls_wire_put(w, w->out + w->out_at, w->out_len - w->out_at);
    if (n < 0) return n;
    w->out_at += (uint32_t)n;
    if (!tls_wire_has_out(w)) tls_wire_drop_out(w);
    return RILL_OK;
}

/* What the library has made goes on its way, behind what is kept. */
static int tls_wire_send(ri_tls_wire *w, const ri_tls_io *io)
{
    if (io->out_len == 0 || w->mute || w->below_shut) return RILL_OK;
    if (tls_wire_has_out(w)) return tls_wire_keep_out(w, io->out, io->out_len);
    int n = tls_wire_put(w, io->out, io->out_len);
    if (n < 0) return n;
    size_t left = io->out_len - (size_t)n;
    if (left == 0) {
        w->burst = RI_MIN(w->burst * 2, RI_TLS_BURST);
        return RILL_OK;
    }
    w->burst = RI_TLS_RECORD;
    return tls_wire_keep_out(w, io->out + n, left);
}

/* At most `room` bytes from below, behind what is kept, all of which is `io` then and kept no more.
 * Sets w->cut. The bytes read, or a rill code. */
static int tls_wire_fill(ri_tls_wire *w, ri_tls_io *io, size_t room)
{
    tls_wire_lane *lane = w->lane;
    size_t kept = w->in_len - w->in_at;
    RI_ASSERT(kept <= RI_TLS_RECORD_MAX);
    room = RI_MIN(room, sizeof lane->in - kept);
    if (kept) memcpy(lane->in, w->in + w->in_at, kept);
    tls_wire_drop_in(w);
    *io = (ri_tls_io){.in = lane->in, .in_len = kept, .out = lane->out,
                      .out_cap = sizeof lane->out};
    if (w->cut || room == 0) return 0;
    struct iovec iov = {lane->in + kept, room};
    ssize_t n = w->below->ops->readv(w->below, &iov, 1);
    if (n == -EAGAIN) return 0;
    if (n < 0) return n == -ECONNABORTED ? (w->cut = true, 0) : RILL_EIO;
    if (n == 0) w->cut = true;
    io->in_len += (size_t)n;
    return (int)n;
}

/* ---- Slots ---- */

static void tls_wire_call_lane(tls_wire_lane *lane)
{
    ri_loop_soon_put(lane->loop, &lane->soon);
}

static void tls_wire_leave_slot(ri_tls_wire *w)
{
    tls_wire_lane *lane = w->lane;
    if (!lane || !ri_list_linked(&w->slot)) return;
    RI_ASSERT(lane->nslots > 0);
    ri_list_remove(&w->slot);
    lane->nslots--;
    if (!ri_list_empty(&lane->queue)) tls_wire_call_lane(lane);
}

static void tls_wire_free_tls(ri_tls_wire *w)
{
    if (w->tls) w->conf->library->close(w->tls);
    w->tls = NULL;
    if (w->charged)
        ri_memory_refund(w->lane->loop->memory, RI_MEMORY_INTEREST, w->conf->library->bytes);
    w->charged = false;
}

/* It is of no use any more; the thread has the sentence. */
static void tls_wire_break(ri_tls_wire *w, int code)
{
    RI_ASSERT(code < 0 && w->lane);
    if (w->state == RI_TLS_BROKEN) return;
    w->state = RI_TLS_BROKEN;
    w->code = code;
    if (!w->why) w->why = ri_calloc(&w->conf->host, sizeof *w->why);
    if (w->why && !w->why->code) ri_failure_keep(w->why, code);
    ri_list_remove(&w->row);
    tls_wire_leave_slot(w);
    ri_loop_timer_cancel(w->lane->loop, &w->timer);
    tls_wire_drop_in(w);
    tls_wire_drop_out(w);
    tls_wire_free_tls(w);
    tls_wire_update(w); /* which makes the owner hear of it */
}

/* An open wire can write nothing any more, the thread's sentence says why: a peer that has said all
 * and gone is still heard. */
static void tls_wire_mute(ri_tls_wire *w, int code)
{
    RI_ASSERT(code == RILL_EIO && w->lane && w->state != RI_TLS_HELLO);
    if (w->mute || w->state == RI_TLS_BROKEN) return;
    w->why = ri_calloc(&w->conf->host, sizeof *w->why);
    w->mute = true;
    if (w->why) ri_failure_keep(w->why, code);
    tls_wire_drop_out(w);
}

/* The thread's sentence is that of the break. */
static ssize_t tls_wire_fail(const ri_tls_wire *w)
{
    RI_ASSERT(w->state == RI_TLS_BROKEN);
    if (w->why) ri_failure_restore(w->why);
    else ri_err(RILL_ENOMEM, "no memory for TLS");
    return -tls_wire_errno(w->code);
}

/* ---- Readiness ---- */

/* What the owner can do now without the wire below. */
static unsigned tls_wire_inside(const ri_tls_wire *w)
{
    if (w->state == RI_TLS_BROKEN) return RI_WIRE_READ | RI_WIRE_WRITE;
    if (w->state != RI_TLS_OPEN) return 0;
    bool read = w->ended || w->cut || tls_wire_has_in(w) || w->conf->library->pending(w->tls);
    return read ? RI_WIRE_READ : 0;
}

static unsigned tls_wire_want_below(const ri_tls_wire *w)
{
    unsigned want = tls_wire_has_out(w) ? RI_WIRE_WRITE : 0;
    switch (w->state) {
    case RI_TLS_HELLO: return want | RI_WIRE_READ;
    case RI_TLS_QUEUED: return want;
    case RI_TLS_SHAKING: return want | (w->cut || ri_list_linked(&w->row) ? 0 : RI_WIRE_READ);
    case RI_TLS_OPEN:
        if (w->watched & RI_WIRE_READ && !tls_wire_inside(w)) want |= RI_WIRE_READ;
        return want | (w->watched & RI_WIRE_WRITE);
    case RI_TLS_BROKEN: return 0;
    }
    return 0;
}

static int tls_wire_update(ri_tls_wire *w)
{
    if (!w->lane) return RILL_OK;
    if (tls_wire_inside(w) & w->watched) ri_loop_soon_put(w->lane->loop, &w->soon);
    return w->below->ops->watch(w->below, tls_wire_want_below(w));
}

/* What is watched changes from within the loop; if that fails the wire is broken. */
static void tls_wire_go_on(ri_tls_wire *w)
{
    int rc = tls_wire_update(w);
    if (rc < 0) tls_wire_break(w, rc);
}

static void tls_wire_call_owner(ri_tls_wire *w, unsigned ready)
{
    ready &= w->watched;
    if (ready) w->wire.on_ready(&w->wire, ready);
    tls_wire_go_on(w);
}

/* ---- The handshake ---- */

static void tls_wire_enter_row(ri_tls_wire *w)
{
    if (ri_list_linked(&w->row)) return;
    ri_list_push(&w->lane->row, &w->row);
    tls_wire_call_lane(w->lane);
}

static void tls_wire_enter_queue(ri_tls_wire *w)
{
    RI_ASSERT(!ri_list_linked(&w->row));
    w->state = RI_TLS_QUEUED;
    ri_list_push(&w->lane->queue, &w->row);
    tls_wire_call_lane(w->lane);
}

/* May these bytes, from place `at` of all that the peer says on, begin TLS? */
static bool tls_wire_is_tls(const char *bytes, size_t len, size_t at, bool server)
{
    enum { ALERT = 21, HANDSHAKE = 22, MAJOR = 3, MINOR_MAX = 4 };
    for (size_t i = 0; i < len && at + i < TLS_WIRE_HEAD - 2; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (at + i == 0 && byte != HANDSHAKE && (server || byte != ALERT)) return false;
        if (at + i == 1 && byte != MAJOR) return false;
        if (at + i == 2 && byte > MINOR_MAX) return false;
    }
    return true;
}

static int tls_wire_no_tls(ri_tls_wire *w)
{
    if (w->refusal) tls_wire_put(w, w->refusal, strlen(w->refusal));
    return ri_err(RILL_EPROTO, w->conf->server ? "a client speaks no TLS, which is wanted here"
                                               : "the server speaks no TLS");
}

/* 1: the first record is whole; 0: there is more to come; or a rill code. */
static int tls_wire_read_hello(ri_tls_wire *w)
{
    ri_tls_io io;
    int rc = tls_wire_fill(w, &io, RI_TLS_RECORD_MAX - (w->in_len - w->in_at));
    if (rc < 0) return rc;
    const unsigned char *b = (const unsigned char *)io.in;
    size_t need = io.in_len < TLS_WIRE_HEAD ? TLS_WIRE_HEAD
                                            : (size_t)(b[3] << 8 | b[4]) + TLS_WIRE_HEAD;
    bool whole = io.in_len >= TLS_WIRE_HEAD && io.in_len >= need;
    if (!tls_wire_is_tls(io.in, io.in_len, 0, true) || need > RI_TLS_RECORD_MAX)
        return tls_wire_no_tls(w);
    w->handshake_bytes = (uint32_t)io.in_len;
    if (w->cut && !whole)
        return ri_err(RILL_EPROTO, "the client has ended the connection before its handshake");
    rc = tls_wire_keep_in(w, io.in, io.in_len);
    return rc < 0 ? rc : whole;
}

static void tls_wire_on_hello(ri_tls_wire *w)
{
    int rc = tls_wire_read_hello(w);
    if (rc < 0) tls_wire_break(w, rc);
    else if (rc > 0) tls_wire_enter_queue(w);
}

/* There is something inside: for the owner, or for ourselves. */
static void tls_wire_on_soon(ri_loop_soon *soon)
{
    ri_tls_wire *w = ri_container_of(soon, ri_tls_wire, soon);
    if (w->state == RI_TLS_HELLO) tls_wire_on_hello(w);
    tls_wire_call_owner(w, tls_wire_inside(w));
}

/* It has a slot: the library comes in. */
static int tls_wire_take_slot(ri_tls_wire *w)
{
    tls_wire_lane *lane = w->lane;
    RI_ASSERT(w->state == RI_TLS_QUEUED && lane->nslots < lane->slots_max);
    if (!ri_memory_take(lane->loop->memory, RI_MEMORY_INTEREST, w->conf->library->bytes))
        return ri_err(RILL_ENOMEM, "the memory budget has no room for a TLS connection");
    w->charged = true;
    int rc = w->conf->library->open(&w->tls, w->conf, &lane->desk, w->name[0] ? w->name : NULL);
    if (rc < 0) return rc;
    w->state = RI_TLS_SHAKING;
    w->step_ns = ri_loop_now(lane->loop);
    lane->nslots++;
    ri_list_push(&lane->slots, &w->slot);
    tls_wire_enter_row(w);
    return RILL_OK;
}

static void tls_wire_open(ri_tls_wire *w)
{
    RI_ASSERT(w->tls && w->state == RI_TLS_SHAKING);
    w->state = RI_TLS_OPEN;
    w->step_ns = ri_loop_now(w->lane->loop);
    w->opened = true;
    ri_loop_timer_cancel(w->lane->loop, &w->timer);
    tls_wire_leave_slot(w);
}

/* What comes next is the peer's to do. */
static int tls_wire_await_peer(ri_tls_wire *w)
{
    tls_wire_lane *lane = w->lane;
    if (w->cut)
        return ri_err(RILL_EPROTO, "the connection was ended within the handshake");
    w->step_ns = ri_loop_now(lane->loop);
    ri_list_remove(&w->slot);
    ri_list_push(&lane->slots, &w->slot);
    return RILL_OK;
}

/* The first thing that a server says is TLS, or it speaks none. */
static bool tls_wire_hears_tls(const ri_tls_wire *w, const ri_tls_io *io)
{
    RI_ASSERT(w->handshake_bytes >= io->in_len);
    return w->conf->server ||
           tls_wire_is_tls(io->in, io->in_len, w->handshake_bytes - io->in_len, false);
}

/* Nothing can be written below any more, if that is what `code` says: an alert that has come before
 * says why. */
static int tls_wire_last_words(ri_tls_wire *w, int code)
{
    ri_failure why;
    ri_tls_io io;
    char dropped[4096];
    if (code != RILL_EIO || !w->tls) return code;
    ri_failure_keep(&why, code);
    tls_wire_fill(w, &io, RI_TLS_RECORD_MAX - (w->in_len - w->in_at)); /* or what was kept alone */
    int rc = 1;
    for (int i = 0; i < TLS_WIRE_WORDS && rc > 0; i++)
        rc = w->state == RI_TLS_SHAKING
                 ? w->conf->library->handshake(w->tls, &io)
                 : w->conf->library->read(w->tls, &io, dropped, sizeof dropped);
    return rc < 0 && rc != RILL_EIO ? rc : ri_failure_restore(&why);
}

/* One step: DONE, STEP, 0 or a rill code, the output being on its way. */
static int tls_wire_shake(ri_tls_wire *w)
{
    ri_tls_io io;
    int rc = tls_wire_fill(w, &io, RI_TLS_RECORD_MAX - (w->in_len - w->in_at));
    if (rc < 0) return rc;
    w->handshake_bytes += (uint32_t)rc;
    if (w->handshake_bytes > RI_TLS_HANDSHAKE_MAX)
        return ri_err(RILL_EPROTO, "more than %d bytes have come, and no end of the handshake",
                      RI_TLS_HANDSHAKE_MAX);
    if (!tls_wire_hears_tls(w, &io)) return tls_wire_no_tls(w);
    ri_failure why = {0};
    int done = ri_failure_keep(&why, w->conf->library->handshake(w->tls, &io));
    rc = tls_wire_keep_in(w, io.in, io.in_len);
    int sent = tls_wire_send(w, &io); /* a last alert, too */
    if (done < 0) return ri_failure_restore(&why);
    if (sent == RILL_EIO && done == RI_TLS_DONE) tls_wire_mute(w, sent);
    else if (sent < 0) return sent;
    return rc < 0 ? rc : done;
}

static void tls_wire_step(ri_tls_wire *w)
{
    RI_ASSERT(w->state == RI_TLS_SHAKING && !ri_list_linked(&w->row));
    int rc = tls_wire_flush(w);
    if (rc == RILL_OK && !tls_wire_has_out(w)) {
        rc = tls_wire_shake(w);
        if (rc == RI_TLS_DONE) tls_wire_open(w);
        else if (rc == RI_TLS_STEP) tls_wire_enter_row(w);
        else if (rc == 0) rc = tls_wire_await_peer(w);
    }
    if (rc < 0) tls_wire_break(w, tls_wire_last_words(w, rc));
    else tls_wire_go_on(w);
}

static void tls_wire_on_timer(ri_loop_timer *timer)
{
    ri_tls_wire *w = ri_container_of(timer, ri_tls_wire, timer);
    tls_wire_break(w, ri_err(RILL_ETIMEDOUT, "TLS handshake timeout: it was not done in %lld ms",
                             (long long)(w->conf->timeout_ns / RI_MS)));
}

/* ---- The lane ---- */

static void tls_wire_admit(tls_wire_lane *lane)
{
    while (lane->nslots < lane->slots_max && !ri_list_empty(&lane->queue)) {
        ri_list *item = ri_list_pop(&lane->queue);
        ri_tls_wire *w = ri_container_of(item, ri_tls_wire, row);
        int rc = tls_wire_take_slot(w);
        if (rc < 0) tls_wire_break(w, rc);
    }
}

/* Others wait for the slot of whoever has waited longest for its peer: when does it lose that? */
static void tls_wire_hurry(tls_wire_lane *lane)
{
    if (ri_list_empty(&lane->queue) || ri_list_empty(&lane->slots)) {
        ri_loop_timer_cancel(lane->loop, &lane->timer);
        return;
    }
    const ri_tls_wire *first = ri_container_of(lane->slots.next, ri_tls_wire, slot);
    /* Without the timer the timeout of each one ends it. */
    ri_loop_timer_set(lane->loop, &lane->timer,
                      ri_ns_add(first->step_ns, RI_TLS_PATIENCE_MS * RI_MS));
}

static void tls_wire_on_patience(ri_loop_timer *timer)
{
    tls_wire_lane *lane = ri_container_of(timer, tls_wire_lane, timer);
    int64_t now_ns = ri_loop_now(lane->loop);
    ri_list_each (item, &lane->slots) {
        ri_tls_wire *w = ri_container_of(item, ri_tls_wire, slot);
        if (ri_ns_add(w->step_ns, RI_TLS_PATIENCE_MS * RI_MS) > now_ns) break;
        if (ri_list_linked(&w->row)) continue; /* we are late ourselves */
        tls_wire_break(w, ri_err(RILL_ETIMEDOUT, "TLS handshake timeout: nothing came for %d ms "
                                 "while others waited", RI_TLS_PATIENCE_MS));
    }
    tls_wire_call_lane(lane);
}

static void tls_wire_on_lane(ri_loop_soon *soon)
{
    tls_wire_lane *lane = ri_container_of(soon, tls_wire_lane, soon);
    int64_t from_ns = ri_mono_ns(lane->loop->host);
    tls_wire_admit(lane);
    for (int i = 0; i < TLS_WIRE_STEPS && !ri_list_empty(&lane->row); i++) {
        ri_list *item = ri_list_pop(&lane->row);
        tls_wire_step(ri_container_of(item, ri_tls_wire, row));
        if (ri_ns_sub(ri_mono_ns(lane->loop->host), from_ns) > TLS_WIRE_STEP_NS) break;
    }
    tls_wire_hurry(lane);
    if (!ri_list_empty(&lane->row)) tls_wire_call_lane(lane);
}

static void tls_wire_free_lane(ri_loop_annex *annex)
{
    tls_wire_lane *lane = ri_container_of(annex, tls_wire_lane, annex);
    RI_ASSERT(ri_list_empty(&lane->row) && ri_list_empty(&lane->queue) && lane->nslots == 0);
    ri_list_remove(&lane->soon.link);
    ri_loop_timer_cancel(lane->loop, &lane->timer);
    if (lane->desk) ri_tls_library()->desk_free(lane->desk);
    ri_delete(lane->loop->host, lane);
}

static tls_wire_lane *tls_wire_lane_of(ri_loop *loop)
{
    if (loop->annex) return ri_container_of(loop->annex, tls_wire_lane, annex);
    tls_wire_lane *lane = ri_alloc(loop->host, sizeof *lane); /* unwritten pages cost nothing */
    if (!lane) return NULL;
    memset(lane, 0, offsetof(tls_wire_lane, in));
    lane->annex.fini = tls_wire_free_lane;
    lane->loop = loop;
    lane->soon.fn = tls_wire_on_lane;
    lane->timer.fn = tls_wire_on_patience;
    lane->slots_max = RI_TLS_SLOTS;
    ri_list_init(&lane->soon.link);
    ri_list_init(&lane->row);
    ri_list_init(&lane->queue);
    ri_list_init(&lane->slots);
    loop->annex = &lane->annex;
    return lane;
}

int ri_tls_wire_set_slots(ri_loop *loop, uint32_t slots)
{
    RI_ASSERT(loop && slots > 0);
    tls_wire_lane *lane = tls_wire_lane_of(loop);
    if (!lane) return RILL_ENOMEM;
    lane->slots_max = slots;
    tls_wire_call_lane(lane);
    return RILL_OK;
}

/* ---- Reading ---- */

/* Decrypt into the pieces, from the byte `*done` of all on; 1: they are full, 0: more input is
 * needed or none will come, or a rill code. */
static int tls_wire_decrypt(ri_tls_wire *w, ri_tls_io *io, const struct iovec *iov, int n,
                            size_t *done)
{
    size_t before = 0;
    for (int i = 0; i < n; before += iov[i++].iov_len) {
        while (*done < before + iov[i].iov_len) {
            size_t at = *done - before;
            int got = w->conf->library->read(w->tls, io, (char *)iov[i].iov_base + at,
                                           iov[i].iov_len - at);
            if (got < 0) return got;
            if (got == 0) {
                w->ended = w->ended || io->ended;
                return 0;
            }
            *done += (size_t)got;
        }
    }
    return 1;
}

/* Once from below, and all that can be made of it. 1: there may be more; 0: not now; or a code. */
static int tls_wire_pump(ri_tls_wire *w, const struct iovec *iov, int n, size_t room, size_t *done)
{
    ri_tls_io io;
    size_t want = w->conf->library->pending(w->tls) ? 0 : RI_MIN(room - *done, RI_TLS_BURST);
    int read = tls_wire_fill(w, &io, want);
    if (read < 0) return read;
    ri_failure why = {0};
    int rc = ri_failure_keep(&why, tls_wire_decrypt(w, &io, iov, n, done));
    int sent = tls_wire_send(w, &io);
    if (sent == RILL_EIO) tls_wire_mute(w, sent);
    if (rc < 0) return ri_failure_restore(&why);
    if (sent < 0 && sent != RILL_EIO) return sent; /* what is to be said is lost on this side */
    int kept = w->ended ? RILL_OK : tls_wire_keep_in(w, io.in, io.in_len);
    if (kept < 0) return kept;
    return rc == 0 && !w->ended && !w->cut && read == (int)want;
}

static ssize_t tls_wire_readv(ri_wire *wire, const struct iovec *iov, int n)
{
    ri_tls_wire *w = tls_wire_of(wire);
    size_t room = 0, done = 0;
    if (w->state == RI_TLS_BROKEN) return tls_wire_fail(w);
    if (w->state != RI_TLS_OPEN) return -EAGAIN;
    for (int i = 0; i < n; i++) room += iov[i].iov_len;
    RI_ASSERT(room > 0);
    int rc = w->ended ? 0 : 1;
    while (rc > 0) rc = tls_wire_pump(w, iov, n, room, &done);
    if (rc < 0) tls_wire_break(w, rc);
    if (done > 0) return (ssize_t)done;
    if (rc < 0) return tls_wire_fail(w);
    if (w->ended) return 0;
    if (!w->cut) return -EAGAIN;
    ri_err(RILL_ECONN, "the connection was cut: TLS was not ended before");
    return -ECONNABORTED;
}

/* ---- Writing ---- */

/* Where the pieces go on. */
typedef struct tls_wire_place {
    const struct iovec *iov;
    int n;
    size_t at; /* in the first */
} tls_wire_place;

static void tls_wire_skip(tls_wire_place *p, size_t len)
{
    RI_ASSERT(p->n > 0 && p->at < p->iov->iov_len);
    for (p->at += len; p->n > 0 && p->at >= p->iov->iov_len; p->n--, p->iov++)
        p->at -= p->iov->iov_len;
}

/* The next bytes that become a record: of one piece as they are, or gathered from several. */
static ri_str tls_wire_gather(tls_wire_lane *lane, tls_wire_place p)
{
    size_t len = 0;
    if (p.n == 1 || p.iov->iov_len - p.at >= RI_TLS_RECORD)
        return (ri_str){(char *)p.iov->iov_base + p.at,
                        RI_MIN(p.iov->iov_len - p.at, RI_TLS_RECORD)};
    while (p.n > 0 && len < RI_TLS_RECORD) {
        size_t part = RI_MIN(p.iov->iov_len - p.at, RI_TLS_RECORD - len);
        memcpy(lane->plain + len, (char *)p.iov->iov_base + p.at, part);
        len += part;
        tls_wire_skip(&p, part);
    }
    return (ri_str){lane->plain, len};
}

/* Records of a burst, on their way: the bytes in them, or a rill code. */
static int tls_wire_encrypt(ri_tls_wire *w, tls_wire_place *p)
{
    tls_wire_lane *lane = w->lane;
    ri_tls_io io = {.out = lane->out, .out_cap = sizeof lane->out};
    size_t done = 0;
    while (p->n > 0 && done < w->burst) {
        ri_str bytes = tls_wire_gather(lane, *p);
        int n = w->conf->library->write(w->tls, &io, bytes.ptr, bytes.len);
        if (n < 0) return n;
        RI_ASSERT(n > 0 && (size_t)n <= bytes.len);
        done += (size_t)n;
        tls_wire_skip(p, (size_t)n);
    }
    int rc = tls_wire_send(w, &io);
    return rc < 0 ? rc : (int)done;
}

static ssize_t tls_wire_writev(ri_wire *wire, const struct iovec *iov, int n)
{
    ri_tls_wire *w = tls_wire_of(wire);
    size_t done = 0;
    RI_ASSERT(!w->shut && n > 0);
    if (w->state == RI_TLS_BROKEN) return tls_wire_fail(w);
    if (w->state != RI_TLS_OPEN) return -EAGAIN;
    if (w->mute) {
        tls_wire_break(w, RILL_EIO);
        return tls_wire_fail(w);
    }
    int rc = tls_wire_flush(w);
    tls_wire_place p = {iov, n, 0};
    while (rc >= 0 && !tls_wire_has_out(w) && p.n > 0 && done < RI_LOOP_SHARED_SIZE) {
        if ((rc = tls_wire_encrypt(w, &p)) > 0) done += (size_t)rc;
    }
    if (rc < 0) {
        tls_wire_break(w, tls_wire_last_words(w, rc));
        return tls_wire_fail(w);
    }
    tls_wire_go_on(w);
    return done > 0 ? (ssize_t)done : -EAGAIN;
}

/* ---- The rest of the table ---- */

static void tls_wire_on_below(ri_wire *below, unsigned what)
{
    ri_tls_wire *w = below->owner;
    if (what & RI_WIRE_WRITE) {
        int rc = tls_wire_flush(w);
        if (rc < 0 && w->state == RI_TLS_OPEN) tls_wire_mute(w, rc);
        else if (rc < 0) tls_wire_break(w, tls_wire_last_words(w, rc));
        tls_wire_end_below(w);
    }
    switch (w->state) {
    case RI_TLS_HELLO: tls_wire_on_hello(w); break;
    case RI_TLS_SHAKING: tls_wire_enter_row(w); break;
    case RI_TLS_OPEN:
        if (tls_wire_has_out(w)) what &= ~(unsigned)RI_WIRE_WRITE;
        tls_wire_call_owner(w, what);
        return;
    case RI_TLS_QUEUED:
    case RI_TLS_BROKEN: break;
    }
    tls_wire_go_on(w);
}

/* On its loop: the handshake begins. */
static int tls_wire_begin(ri_tls_wire *w)
{
    ri_loop *loop = w->wire.loop;
    RI_ASSERT(!w->lane && w->below->ops != w->wire.ops);
    tls_wire_lane *lane = tls_wire_lane_of(loop);
    if (!lane) return RILL_ENOMEM;
    int rc = ri_loop_timer_set(loop, &w->timer, ri_ns_add(ri_loop_now(loop), w->conf->timeout_ns));
    if (rc < 0) return rc;
    ri_wire_attach(w->below, loop, tls_wire_on_below, w);
    if ((rc = w->below->ops->watch(w->below, RI_WIRE_READ)) < 0) {
        ri_wire_detach(w->below);
        ri_loop_timer_cancel(loop, &w->timer);
        return rc;
    }
    w->lane = lane;
    if (w->in) ri_memory_charge(loop->memory, RI_MEMORY_INPUT, w->in_len);
    if (!w->conf->server) tls_wire_enter_queue(w);
    else if (w->in) ri_loop_soon_put(loop, &w->soon);
    return RILL_OK;
}

static int tls_wire_watch(ri_wire *wire, unsigned what)
{
    ri_tls_wire *w = tls_wire_of(wire);
    RI_ASSERT(wire->loop);
    int rc = w->lane ? RILL_OK : tls_wire_begin(w);
    if (rc < 0) return rc;
    w->watched = (uint8_t)what;
    return tls_wire_update(w);
}

static void tls_wire_shut(ri_wire *wire)
{
    ri_tls_wire *w = tls_wire_of(wire);
    if (w->shut || !w->lane) return;
    w->shut = true;
    if (w->state == RI_TLS_OPEN) {
        char words[256]; /* an alert, in a record */
        ri_tls_io io = {.out = words, .out_cap = sizeof words};
        w->conf->library->shut(w->tls, &io);
        int rc = tls_wire_send(w, &io);
        if (rc < 0) tls_wire_break(w, rc);
    }
    tls_wire_end_below(w);
    tls_wire_go_on(w);
}

static void tls_wire_close(ri_wire *wire)
{
    ri_tls_wire *w = tls_wire_of(wire);
    const ri_host host = w->conf->host;
    ri_list_remove(&w->soon.link);
    ri_list_remove(&w->row);
    tls_wire_leave_slot(w);
    if (w->lane) ri_loop_timer_cancel(w->lane->loop, &w->timer);
    tls_wire_drop_in(w);
    tls_wire_drop_out(w);
    tls_wire_free_tls(w);
    w->below->ops->close(w->below);
    ri_tls_conf_unref(w->conf);
    if (w->why) ri_delete(&host, w->why);
    ri_free(&host, w, sizeof *w + strlen(w->name) + 1);
}

static bool tls_wire_holds(const ri_wire *wire)
{
    const ri_tls_wire *w = ri_container_of(wire, ri_tls_wire, wire);
    return w->state == RI_TLS_OPEN && !w->mute && (tls_wire_has_out(w) || ri_wire_holds(w->below));
}

static const ri_wire_ops tls_wire_ops = {"tls", tls_wire_readv, tls_wire_writev, tls_wire_watch,
                                         tls_wire_shut, tls_wire_close, tls_wire_holds};

int ri_tls_wire_new(ri_wire **wire, ri_tls_conf *conf, ri_wire *below,
                    const ri_tls_wire_opts *opts)
{
    RI_ASSERT(conf && below && opts->head_len <= RI_TLS_RECORD_MAX);
    const char *name = opts->name ? opts->name : "";
    size_t name_size = strlen(name) + 1;
    ri_tls_wire *w = ri_calloc(&conf->host, sizeof *w + name_size);
    if (!w) return RILL_ENOMEM;
    w->conf = conf;
    w->wire.ops = &tls_wire_ops;
    w->below = below;
    w->soon.fn = tls_wire_on_soon;
    w->timer.fn = tls_wire_on_timer;
    w->burst = RI_TLS_BURST;
    w->refusal = opts->refusal;
    memcpy(w->name, name, name_size);
    ri_list_init(&w->soon.link);
    ri_list_init(&w->row);
    ri_list_init(&w->slot);
    if (tls_wire_keep_in(w, opts->head, opts->head_len) < 0) {
        ri_free(&conf->host, w, sizeof *w + name_size);
        return RILL_ENOMEM;
    }
    ri_tls_conf_ref(conf);
    *wire = &w->wire;
    return RILL_OK;
}

const ri_tls_wire *ri_tls_wire_of(const ri_wire *wire)
{
    if (wire->ops != &tls_wire_ops) return NULL;
    return ri_container_of(wire, const ri_tls_wire, wire);
}

ri_tls_wire_state ri_tls_wire_state_of(const ri_tls_wire *w)
{
    return w->state;
}

int ri_tls_wire_code(const ri_tls_wire *w)
{
    return w->code;
}

int64_t ri_tls_wire_open_ns(const ri_tls_wire *w)
{
    return w->opened ? w->step_ns : 0;
}

bool ri_tls_wire_about(const ri_tls_wire *w, ri_tls_about *about)
{
    if (!w->tls || w->state != RI_TLS_OPEN) return false;
    w->conf->library->about(w->tls, about);
    return true;
}

void ri_tls_wire_shown(const ri_tls_wire *w, ri_buffer *out)
{
    if (w->tls && w->state == RI_TLS_OPEN && w->conf->verify) w->conf->library->shown(w->tls, out);
}
