/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile clients of a broker that listens, over real sockets: every operation of the wire, right
 * and wrong, whole and in pieces, requests of the JetStream API by the dice (dice.h), clients
 * that do not read, that leave in the middle, and restarts over the same store. Behind each step
 * must hold
 *
 *     - a bystander's PING is answered within WIRE_WAIT_MS: hostile_engine counts its turns;
 *     - no turn is longer than RI_BUDGET_LONG times its limit in units;
 *     - a close ends in time, and what was accepted is opened again.
 *
 * Time is the machine's own, so a seed does not play quite the same twice. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/error.h"
#include "hostile/dice.h"
#include "hostile/machine.h"
#include "support/peer.h"
#include "support/scratch.h"

enum {
    WIRE_CLIENTS = 6,
    WIRE_WAIT_MS = 30000,
    WIRE_PIECE = 64 * 1024, /* read or sent at a time */
};

typedef struct wire_client {
    int fd;             /* -1: gone */
    bool deaf;          /* does not read */
    char last_ack[512]; /* the last reply subject that it has seen of a delivery */
} wire_client;

typedef struct wire {
    rill_broker *broker;
    int port;
    char dir[SCRATCH_LEN];
    rng random;
    ri_host host;
    ri_buffer out, subject, body, headers;
    wire_client clients[WIRE_CLIENTS];
    int bystander;
    uint64_t step;
    const machine_args *args;
    bool failed;
} wire;

static void wire_fail(wire *w, const char *what, uint64_t number)
{
    fprintf(stderr, "step %" PRIu64 ": %s: %" PRIu64 " %s\n", w->step, what, number, ri_err_text());
    w->failed = true;
}

static int wire_dial(wire *w)
{
    int fd = peer_dial(w->port);
    if (fd < 0) wire_fail(w, "connect", (uint64_t)errno);
    return fd;
}

static void wire_hang_up(wire_client *c)
{
    if (c->fd >= 0) close(c->fd);
    *c = (wire_client){.fd = -1};
}

/* ---- Operations ---- */

static bool wire_chance(wire *w, unsigned percent)
{
    return dice_chance(&w->random, percent);
}

static void wire_connect(wire *w)
{
    static const char *const fields[] = {"verbose", "pedantic", "headers", "no_responders", "echo",
                                         "tls_required", "protocol", "user", "pass", "auth_token",
                                         "lang", "name", "jwt", "nkey", "sig", "unknown"};
    ri_buffer_puts(&w->out, "CONNECT {");
    if (wire_chance(w, 70))
        ri_buffer_puts(&w->out, "\"headers\":true,\"no_responders\":true,\"x\":1");
    else
        ri_buffer_puts(&w->out, "\"x\":1");
    for (uint64_t n = rng_below(&w->random, 4); n > 0; n--) {
        ri_buffer_printf(&w->out, ",\"%s\":", fields[rng_below(&w->random, RI_LEN(fields))]);
        if (wire_chance(w, 60)) ri_buffer_puts(&w->out, wire_chance(w, 50) ? "true" : "false");
        else dice_number(&w->random, &w->out);
    }
    ri_buffer_puts(&w->out, wire_chance(w, 97) ? "}\r\n" : "\r\n");
}

static void wire_sid(wire *w)
{
    static const char *const odd[] = {"x", "-1", "01", "a.b", "\xff", "18446744073709551616", "*"};
    if (wire_chance(w, 95)) ri_buffer_printf(&w->out, "%u", (unsigned)rng_below(&w->random, 20));
    else ri_buffer_puts(&w->out, odd[rng_below(&w->random, RI_LEN(odd))]);
}

static void wire_sub(wire *w)
{
    ri_buffer_puts(&w->out, "SUB ");
    uint64_t kind = rng_below(&w->random, 10);
    if (kind < 2) ri_buffer_puts(&w->out, "in.>");
    else if (kind < 5) ri_buffer_printf(&w->out, "d.%u", (unsigned)rng_below(&w->random, 3));
    else dice_subject(&w->random, &w->out, true);
    if (wire_chance(w, 20)) ri_buffer_puts(&w->out, wire_chance(w, 80) ? " g" : " g g");
    ri_buffer_puts(&w->out, " ");
    wire_sid(w);
    ri_buffer_puts(&w->out, "\r\n");
}

static void wire_unsub(wire *w)
{
    ri_buffer_puts(&w->out, "UNSUB ");
    wire_sid(w);
    if (wire_chance(w, 40)) {
        ri_buffer_puts(&w->out, " ");
        dice_integer(&w->random, &w->out);
    }
    ri_buffer_puts(&w->out, "\r\n");
}

/* w->subject, w->headers and w->body, most often with the right lengths. */
static void wire_publish(wire *w, const char *reply)
{
    bool has = ri_buffer_size(&w->headers) > 0;
    size_t block = has ? ri_buffer_size(&w->headers) + sizeof "NATS/1.0\r\n\r\n" - 1 : 0;
    size_t all = block + ri_buffer_size(&w->body);
    ri_buffer_printf(&w->out, "%s %.*s %s ", has ? "HPUB" : "PUB",
                     RI_ARG(ri_buffer_str(&w->subject)), reply);
    bool lie = wire_chance(w, 2);
    if (lie) dice_integer(&w->random, &w->out);
    else if (has) ri_buffer_printf(&w->out, "%zu", block);
    if (has || lie) ri_buffer_puts(&w->out, " ");
    if (!lie || has) ri_buffer_printf(&w->out, "%zu", all);
    ri_buffer_puts(&w->out, "\r\n");
    if (has) {
        ri_buffer_puts(&w->out, "NATS/1.0\r\n");
        ri_buffer_put_str(&w->out, ri_buffer_str(&w->headers));
        ri_buffer_puts(&w->out, "\r\n");
    }
    ri_buffer_put_str(&w->out, ri_buffer_str(&w->body));
    ri_buffer_puts(&w->out, "\r\n");
}

static void wire_garbage(wire *w)
{
    static const char *const lines[] = {
        "PING", "PING", "PONG", "+OK", "-ERR 'x'", "INFO {}", "ping", "PI", "PUB", "SUB", "UNSUB",
        "HPUB a 1 1", "HPUB a 12 5", "MSG a 1 0", "PUB a -1", "PUB a 99999999999999999999",
        "SUB  a  1 ", "CONNECT", "CONNECT {", "\t", "", "HMSG a 1 12 12", "PUB a b c 0", "RS+ a b",
    };
    uint64_t kind = rng_below(&w->random, 20);
    if (kind < 17) {
        ri_buffer_puts(&w->out, lines[rng_below(&w->random, RI_LEN(lines))]);
    } else if (kind < 19) {
        for (uint64_t n = rng_below(&w->random, 100); n > 0; n--) {
            char byte = (char)rng_next(&w->random);
            ri_buffer_put(&w->out, &byte, 1);
        }
    } else {
        for (uint64_t n = rng_below(&w->random, 9000); n > 0; n--) ri_buffer_puts(&w->out, "P");
    }
    ri_buffer_puts(&w->out, "\r\n");
}

/* So many subscriptions to one subject that a message to it is not one turn's work. */
static void wire_crowd(wire *w)
{
    for (uint64_t n = 1000 + rng_below(&w->random, 4000); n > 0; n--)
        ri_buffer_printf(&w->out, "SUB crowd %" PRIu64 "\r\n", n);
    if (wire_chance(w, 30)) ri_buffer_puts(&w->out, "UNSUB 1 1\r\nUNSUB 2\r\nUNSUB 700 3\r\n");
}

static void wire_operation(wire *w, wire_client *c)
{
    uint64_t kind = rng_below(&w->random, 100);
    ri_buffer_reset(&w->subject);
    ri_buffer_reset(&w->headers);
    ri_buffer_reset(&w->body);
    if (kind < 3) wire_connect(w);
    else if (kind < 13 && wire_chance(w, 2)) wire_crowd(w);
    else if (kind < 13) wire_sub(w);
    else if (kind < 18) wire_unsub(w);
    else if (kind < 21) wire_garbage(w);
    else if (kind < 55) {
        ri_buffer_puts(&w->subject, "$JS.API.");
        dice_request(&w->random, &w->subject, &w->body);
        wire_publish(w, wire_chance(w, 80) ? "in.1" : "");
    } else if (kind < 90) {
        if (wire_chance(w, 5)) ri_buffer_puts(&w->subject, "crowd");
        else dice_subject(&w->random, &w->subject, false);
        if (wire_chance(w, 30)) dice_headers(&w->random, &w->headers);
        dice_payload(&w->random, &w->body);
        wire_publish(w, wire_chance(w, 60) ? "in.2" : "");
    } else {
        dice_ack(&w->random, c->last_ack, &w->subject, &w->body);
        wire_publish(w, wire_chance(w, 60) ? "in.3" : "");
    }
}

/* ---- Clients ---- */

/* Take what is there; keep a reply subject that acknowledges. */
static void wire_read(wire_client *c)
{
    static char bytes[WIRE_PIECE];
    ssize_t n;
    while (c->fd >= 0 && (n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0) {
        if (n == 0) {
            wire_hang_up(c);
            return;
        }
        const char *ack = memmem(bytes, (size_t)n, "$JS.ACK.", 8);
        if (ack == NULL) continue;
        size_t most = (size_t)(bytes + n - ack), len = 0;
        while (len < most && len < sizeof c->last_ack - 1 && ack[len] > ' ') len++;
        memcpy(c->last_ack, ack, len);
        c->last_ack[len] = 0;
    }
    if (c->fd >= 0 && errno != EAGAIN && errno != EWOULDBLOCK) wire_hang_up(c);
}

/* Part of it may be lost in a full socket: what follows is then in the midst of it. */
static void wire_send(wire *w, wire_client *c)
{
    ri_str out = ri_buffer_str(&w->out);
    if (wire_chance(w, 3)) out.len = rng_below(&w->random, out.len + 1);
    if (w->args->show) fprintf(stderr, "%" PRIu64 " > %.*s\n", w->step, RI_ARG(out));
    if (send(c->fd, out.ptr, out.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        wire_hang_up(c);
}

static void wire_act(wire *w, wire_client *c)
{
    ri_buffer_reset(&w->out);
    if (c->fd < 0) {
        c->fd = wire_dial(w);
        c->deaf = wire_chance(w, 10);
        if (wire_chance(w, 90))
            ri_buffer_puts(&w->out, "CONNECT {\"headers\":true,\"no_responders\":true,"
                                    "\"verbose\":false}\r\nSUB in.> 1\r\nSUB d.0 2\r\n");
    }
    for (uint64_t n = 1 + rng_below(&w->random, 10); n > 0; n--) wire_operation(w, c);
    wire_send(w, c);
    if (!c->deaf) wire_read(c);
    if (c->fd >= 0 && wire_chance(w, 1)) wire_hang_up(c);
}

/* ---- The broker and its bystander ---- */

static bool wire_await(wire *w, const char *word)
{
    static char bytes[WIRE_PIECE + 1];
    size_t len = 0;
    while (strstr(bytes, word) == NULL || len == 0) {
        struct pollfd pfd = {w->bystander, POLLIN, 0};
        if (poll(&pfd, 1, WIRE_WAIT_MS) <= 0) return false;
        ssize_t n = recv(w->bystander, bytes + len, WIRE_PIECE - len, 0);
        if (n <= 0) return false;
        len += (size_t)n;
        bytes[len] = 0;
    }
    return true;
}

static bool wire_say(wire *w, const char *text)
{
    return send(w->bystander, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static void wire_start(wire *w)
{
    int rc = rill_broker_open(&w->broker, RILL_OPTS(rill_broker_opts, .dir = w->dir,
        .sync = RILL_SYNC_LAZY, .jetstream = true, .max_pending_bytes = 1 << 20));
    if (rc >= 0) rc = w->port = rill_broker_listen(w->broker, "nats://127.0.0.1:0", NULL);
    if (rc < 0) {
        wire_fail(w, "not opened", (uint64_t)-rc);
        return;
    }
    w->bystander = wire_dial(w);
    if (!wire_say(w, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n") ||
        !wire_await(w, "PONG\r\n"))
        wire_fail(w, "the bystander is not let in", 0);
}

static void wire_stop(wire *w)
{
    for (size_t i = 0; i < RI_LEN(w->clients); i++) wire_hang_up(&w->clients[i]);
    close(w->bystander);
    int rc = rill_broker_close(w->broker, WIRE_WAIT_MS);
    w->broker = NULL;
    if (rc < 0) wire_fail(w, "not closed", (uint64_t)-rc);
}

static void wire_check(wire *w)
{
    if (!wire_say(w, "PING\r\n") || !wire_await(w, "PONG\r\n")) {
        wire_fail(w, "the bystander has no answer", 0);
        return;
    }
    rill_stats stats = {.size = sizeof stats};
    rill_broker_stats(w->broker, &stats);
    machine_note_turn(stats.turn_units_max);
    if (stats.turn_units_max > (uint64_t)RI_BUDGET_LONG * RI_BUDGET_TURN)
        wire_fail(w, "units in a turn", stats.turn_units_max);
}

/* ---- Histories ---- */

static void wire_make(wire *w)
{
    unsigned n = (unsigned)w->step;
    wire_client *c = &w->clients[0];
    ri_buffer_reset(&w->out);
    ri_buffer_reset(&w->headers);
    ri_buffer_reset(&w->body);
    ri_buffer_reset(&w->subject);
    ri_buffer_puts(&w->subject, "$JS.API.");
    if (n < DICE_STREAMS) dice_make_stream(&w->random, n, &w->subject, &w->body);
    else dice_make_consumer(&w->random, n % DICE_STREAMS, n / DICE_STREAMS - 1, &w->subject,
                            &w->body);
    if (c->fd < 0) {
        c->fd = wire_dial(w);
        ri_buffer_puts(&w->out, "CONNECT {\"headers\":true,\"verbose\":false}\r\nSUB in.> 1\r\n");
    }
    wire_publish(w, "in.0");
    wire_send(w, c);
}

static void wire_step(wire *w)
{
    machine_watch();
    if (w->step < DICE_STREAMS * (1 + DICE_CONSUMERS)) {
        wire_make(w);
    } else if (rng_below(&w->random, 300) == 0) {
        wire_stop(w);
        if (!w->failed) wire_start(w);
    } else {
        wire_act(w, &w->clients[rng_below(&w->random, RI_LEN(w->clients))]);
    }
    if (!w->failed) wire_check(w);
}

static bool wire_history(const machine_args *args, uint64_t seed)
{
    static wire w;
    w = (wire){.args = args};
    ri_host_init(&w.host, NULL);
    rng_init(&w.random, seed);
    ri_buffer *const buffers[] = {&w.out, &w.subject, &w.body, &w.headers};
    for (size_t i = 0; i < RI_LEN(buffers); i++) ri_buffer_init(buffers[i], &w.host);
    for (size_t i = 0; i < RI_LEN(w.clients); i++) w.clients[i].fd = -1;
    scratch_make(w.dir);
    wire_start(&w);
    for (; w.step < args->steps && !w.failed; w.step++) wire_step(&w);
    if (w.failed) return false; /* the store stays, to be looked at */
    machine_watch();
    wire_stop(&w);
    for (size_t i = 0; i < RI_LEN(buffers); i++) ri_buffer_fini(buffers[i]);
    scratch_remove(w.dir);
    return !w.failed;
}

int main(int argc, char **argv)
{
    machine_args args = machine_arguments(argc, argv, 1000);
    return machine_run(&args, wire_history);
}
