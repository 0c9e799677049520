/* SPDX-License-Identifier: Apache-2.0 */
/* The wire that is TLS over another wire, which it owns: bytes of its owner become records, one for
 * all that is written at once, up to RI_TLS_RECORD bytes.
 *
 *                 hello is whole        a slot is free            done
 *     HELLO ----------------> QUEUED -------------------> SHAKING -----> OPEN
 *       |   (server only)                                    |            |
 *       +---- too late, no TLS, no memory, a bad certificate-+------------+--> BROKEN
 *
 * HELLO    A server waits until the first record of its client is whole. Nothing of the library is
 *          there yet: who connects and says nothing, or a byte now and then, costs a descriptor,
 *          some 400 bytes and what has come of that record.
 * QUEUED   It waits for one of the loop's slots, in turn. A client begins here.
 * SHAKING  It has the memory of the library, and makes one step after the other, in the row of its
 *          loop: a step or a quarter of a millisecond of them in a turn, whoever they are of. So a
 *          thousand who come at once hold up a connection that is there already by one step (a
 *          signature) a turn. Who keeps a slot while it waits for its peer, and others wait for the
 *          slot, is given up after RI_TLS_PATIENCE_MS.
 * OPEN     readv() and writev() move bytes. Nothing is allocated while nothing moves.
 * BROKEN   Its sentence is what readv() and writev() fail with from now on.
 *
 * All of it up to OPEN ends at the configuration's timeout, counted from the first watch(), and
 * behind RI_TLS_HANDSHAKE_MAX bytes.
 *
 * What is kept inside: of the input the rest of what was read from below and not used, at most one
 * record; of the output what the wire below did not take, at most RI_TLS_BURST and one record. A
 * wire whose output was not taken goes on with single records, and grows again when all goes. Room
 * for all that is under way is the loop's, and one for all its wires.
 *
 * An end without close_notify is -ECONNABORTED, as wire.h has it. */
#ifndef RI_TLS_WIRE_H
#define RI_TLS_WIRE_H

#include "net/tls.h"
#include "net/wire.h"

enum {
    RI_TLS_BURST = 64 * 1024,          /* bytes read from below, or written to it, at once */
    RI_TLS_HANDSHAKE_MAX = 128 * 1024, /* bytes that a peer may send before it is through */
    RI_TLS_PATIENCE_MS = 500,
};

typedef struct ri_tls_wire_opts {
    const char *name;    /* a client's: the host or address that it wants to reach */
    const char *head;    /* bytes that were read from below already, at most RI_TLS_RECORD_MAX */
    size_t head_len;
    const char *refusal; /* a server's last words to who speaks no TLS, in its own protocol; lives
                            as long as the wire; or NULL */
} ri_tls_wire_opts;

/* Over `below`, which is the wire's from now on, and on no loop when it is first watched.
 * RILL_ENOMEM, and then `below` is still the caller's. */
int ri_tls_wire_new(ri_wire **wire, ri_tls_conf *conf, ri_wire *below,
                    const ri_tls_wire_opts *opts);

typedef enum ri_tls_wire_state {
    RI_TLS_HELLO,
    RI_TLS_QUEUED,
    RI_TLS_SHAKING,
    RI_TLS_OPEN,
    RI_TLS_BROKEN,
} ri_tls_wire_state;

/* Of a wire that this file has made, on its loop's thread; NULL: it is another. */
typedef struct ri_tls_wire ri_tls_wire;
const ri_tls_wire *ri_tls_wire_of(const ri_wire *wire);
ri_tls_wire_state ri_tls_wire_state_of(const ri_tls_wire *wire);
int ri_tls_wire_code(const ri_tls_wire *wire);        /* BROKEN: why, a rill code; else 0 */
int64_t ri_tls_wire_open_ns(const ri_tls_wire *wire); /* when its handshake has come to its end, of
                                                         the loop's clock; 0: not yet */
/* What was agreed upon; false: nothing yet, or no more. */
bool ri_tls_wire_about(const ri_tls_wire *wire, ri_tls_about *about);
/* The certificate of the other side, in DER, behind `out`, where it had to show one; nothing: it
 * had not, or nothing was agreed upon. */
void ri_tls_wire_shown(const ri_tls_wire *wire, ri_buffer *out);

/* On the loop's thread: so many handshakes may be under way on it. RILL_ENOMEM. */
int ri_tls_wire_set_slots(ri_loop *loop, uint32_t slots);

#endif
