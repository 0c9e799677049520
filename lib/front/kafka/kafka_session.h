/* SPDX-License-Identifier: Apache-2.0 */
/* One Kafka client behind a socket, and its requests.
 *
 *     bytes --> READ ---------> BEGUN -----------------------> DONE ------> its answer is queued
 *               decoded         waits for a commit, for   |    ^     when all before it are
 *                               records, for its turn,    v    |
 *                               a time                    WRITTEN, if its answer is large
 *
 * Answers leave in the order of their requests. Kafka does one request of a connection after the
 * other; so does this, but for Produce: those that follow each other are begun together, each when
 * the one before it has appended all of its batches, and one commit is for all. A request that may
 * not begin yet is kept, and nothing is read behind it.
 *
 * A request is a step function that is called inside the gate, until it has answered: it does as
 * much as the budget of the turn allows, and says whether there is more, or what it waits for. The
 * session owns it, and drops it when it ends: what it waits for forgets it.
 *
 * A session belongs to the loop's thread and to the gate: fields marked L are touched by the loop's
 * thread only; all others only inside the gate. */
#ifndef RI_KAFKA_SESSION_H
#define RI_KAFKA_SESSION_H

#include "codec/kafka/kafka_frame.h"
#include "engine/streams/fetch.h"
#include "engine/streams/js.h"
#include "front/kafka/kafka_server.h"
#include "net/conn.h"
#include "net/tls.h"

typedef struct ri_kafka_session ri_kafka_session;
typedef struct ri_kafka_request ri_kafka_request;

/* A kind of request that this door serves. */
typedef struct ri_kafka_served {
    int16_t key;
    int16_t first, last;     /* versions that it serves; what is announced is ... */
    int16_t announced;       /* ... from this one on, where clients are to see another */
    bool together;           /* those that follow each other are begun together */
    /* Inside the gate. True: there is more to do, in a later turn; else it is done, or waits. */
    bool (*step)(ri_kafka_request *r);
    /* It is not wanted any more: what it waits for forgets it. NULL: nothing does. */
    void (*drop)(ri_kafka_request *r);
} ri_kafka_served;

typedef enum ri_kafka_stage {
    RI_KAFKA_READ,
    RI_KAFKA_BEGUN,
    RI_KAFKA_WRITTEN, /* its large answer becomes a frame outside the gate */
    RI_KAFKA_DONE,
} ri_kafka_stage;

struct ri_kafka_request {
    ri_list link;            /* session->requests, as they came; then server->spent */
    ri_list busy_link;       /* server->coded; ->busy or ->slow, while it can go on; then
                                ->written_apart */
    ri_kafka_session *session;
    const ri_kafka_served *kind;
    ri_kafka_head head;
    ri_kafka_stage stage;
    ri_arena arena;          /* body, answer, and what the step keeps */
    ri_str frame;            /* without its size */
    size_t owned;            /* bytes of the buffer that it fills, which is its own; 0: it is not */
    void *body;              /* the request's struct; NULL: of a version that is not known */
    ri_kafka_reading *reading; /* of that, in the arena, while it is `coded` */
    void *work;              /* the step's own; NULL at its first call; in the arena */
    ri_loop_timer timer;     /* L: it is busy when that is due; `late` is set */
    int64_t sample_ns;       /* one that is measured: when it began, or what it waited for came; 0:
                                it is not */
    bool coded;              /* its frame is large, and decoded in slices, in later turns */
    bool lent;               /* `frame`, and what of the body points into it, is the connection's */
    bool late;
    bool goes_on;            /* its step has more to do, in a later turn */
    bool silent;             /* it is done, and not answered */
    ri_buffer answer;        /* the frame, once it is done */
    ri_buffer splices;       /* ri_kafka_splice: what belongs between its bytes, which is ... */
    ri_buffer *const *records; /* ... all of these buffers, one after the other; the step's */
    const void *kept;        /* the answer, in the arena, while it is written */
    uint64_t claimed;        /* bytes of session->claim */
    uint64_t beside;         /* of these, what is not the arena's */
    uint64_t decoded;        /* bytes of the arena when the answer was begun */
};

typedef enum ri_kafka_end {
    RI_KAFKA_END_NOT,
    RI_KAFKA_END_CLIENT,     /* the client closed */
    RI_KAFKA_END_BROKEN,     /* a read or a write failed, or it did not read for too long */
    RI_KAFKA_END_REFUSED,    /* what it sent cannot be answered */
    RI_KAFKA_END_MEMORY,
    RI_KAFKA_END_KICKED,
    RI_KAFKA_END_SHUTDOWN,
} ri_kafka_end;

struct ri_kafka_session {
    ri_conn conn;            /* first: L but for its out-queue */
    ri_kafka_server *server;
    const ri_kafka_listener *at;
    uint64_t cid;
    ri_list requests;        /* ri_kafka_request.link */
    uint32_t nrequests;
    uint32_t napart;         /* of those that are begun and not done: not begun together */
    ri_claim claim;          /* for requests that wait, to the broker's memory for work */
    ri_kafka_end end;        /* why it ends; NOT: open */
    bool refused;            /* what it sent last cannot be answered: it ends behind the others */
    bool winding;            /* its requests are dropped */
    bool shut;               /* L: our side of the stream is ended */
    bool dead;               /* L: in server->dead */
    bool touched;            /* in server->touched */
    ri_list link;            /* server->sessions */
    ri_list touched_link, ending_link;
    ri_list ready_link;      /* server->ready */
    ri_list work_link;       /* L: server->work, then server->dead */
    ri_loop_timer timer;     /* L: lingering */
    uint64_t out_epoch, sending_epoch; /* server->epoch when the oldest of these bytes was queued;
                                          0: there are none */
    uint64_t in_msgs, out_msgs, in_bytes, out_bytes; /* requests and answers */
    int64_t start_ns;        /* wall clock */
    char *client;            /* "SOFTWARE VERSION", as it says itself; owned; NULL: it has not */
    char *client_id;         /* of its last request; owned; NULL: none */
    bool shaking;            /* L: TLS, whose handshake is not over */
    ri_tls_about tls;        /* what was agreed upon; no version: nothing, or not yet */
    char peer[RI_LISTEN_PEER_MAX];
    char host[RI_LISTEN_PEER_MAX]; /* where the client found us */
};

/* ---- kafka_session.c ---- */

/* Takes over the socket. After a failure the caller has still to close it. Inside the gate, on the
 * loop's thread, as are all below unless said otherwise. */
int ri_kafka_session_open(ri_kafka_server *server, int fd, const ri_kafka_listener *at,
                          const char *peer);
/* Any thread; it ends at the loop's next turn. The first reason counts. */
void ri_kafka_session_end(ri_kafka_session *s, ri_kafka_end end);
/* The same, once all that it asked before is answered, with a sentence for the log:
 * ri_err_text(). */
void ri_kafka_session_refuse(ri_kafka_session *s, const char *what);
/* Its requests are dropped: it goes on to wind down. */
void ri_kafka_session_detach(ri_kafka_session *s);
/* Outside the gate: how it goes on, step by step, once it is ending. */
void ri_kafka_session_wind_down(ri_kafka_session *s);
void ri_kafka_session_free(ri_kafka_session *s);
/* Its frame is decoded now, or a slice of it (1), or it cannot be: a code. */
void ri_kafka_session_decoded(ri_kafka_session *s, ri_kafka_request *r, int rc);
/* Outside the gate: begin what was kept, and read on. */
void ri_kafka_session_go_on(ri_kafka_session *s);
/* Output was written, or a request has done its work: may it begin more? */
void ri_kafka_session_drained(ri_kafka_session *s);
void ri_kafka_session_describe(const ri_kafka_session *s, int64_t boot_ns, ri_broker_conn *out);

/* The answers of those that are done, as far as all before them are, are queued. Any thread. */
void ri_kafka_session_emit(ri_kafka_session *s);

/* ---- kafka_tls.c: on the loop's thread ---- */

/* Inside the gate: the wire becomes TLS, if the session's listener has it. RILL_ENOMEM, RILL_EIO:
 * the session is of no use but to be freed. */
int ri_kafka_tls_open(ri_kafka_session *s);
/* Outside: the first bytes have come through TLS. */
void ri_kafka_tls_on_open(ri_kafka_session *s);
/* Inside: the connection has failed, and ri_err_text() is why. Was it in its handshake? Then the
 * log says so. */
void ri_kafka_tls_failed(const ri_kafka_session *s);
/* Do these bytes, which are no frame, begin TLS? */
bool ri_kafka_tls_is_hello(ri_str bytes);

/* ---- kafka_request.c: inside the gate; any thread, if nothing else is said ---- */

/* One that is measured is over: how long it took goes there. */
void ri_kafka_request_sampled(ri_kafka_request *r, ri_histogram *of);
/* The answer, a struct of the API's type, becomes a frame, which leaves in its turn. A step that
 * has answered returns false. */
void ri_kafka_request_answer(ri_kafka_request *r, const void *answer);
/* It is done, and not answered. */
void ri_kafka_request_silent(ri_kafka_request *r);
/* It can go on: its step is called in the loop's next turn. */
void ri_kafka_request_ready(ri_kafka_request *r);
/* On the loop's thread: it can go on at that time, at the latest; `late` says that it is over.
 * RILL_ENOMEM. */
int ri_kafka_request_until(ri_kafka_request *r, int64_t due_ns);
/* The same of an answer that lies in the request's memory, with all that it names but what never
 * goes: if it is large it becomes a frame on the loop's thread, outside the gate. */
void ri_kafka_request_answer_kept(ri_kafka_request *r, const void *answer);
/* The same of a kind that is not begun together with others: RECORDS that are not empty are all
 * that is in these buffers, in their order, which stay until it is dropped. Large ones go out with
 * their memory, without a copy, and are empty then. */
void ri_kafka_request_answer_records(ri_kafka_request *r, const void *answer,
                                     ri_buffer *const *records);
/* What it asks for is too much to be answered: its session ends, with ri_err_text() in the log. A
 * step returns false then. */
void ri_kafka_request_refuse(ri_kafka_request *r);
/* Memory of the request, zeroed; structs of a type, blank; and bytes. NULL: the session ends, for
 * want of memory or since the answer would be larger than RI_LIMIT_KAFKA_ANSWER, and the step
 * returns false. */
void *ri_kafka_request_alloc(ri_kafka_request *r, size_t size);
void *ri_kafka_request_items(ri_kafka_request *r, const ri_kafka_type *type, size_t n);
char *ri_kafka_request_copy(ri_kafka_request *r, ri_str bytes);
/* What its arena and its buffers have grown to counts as the broker's work; `more` bytes beside the
 * arena's. False: there is no room, and the session ends. */
bool ri_kafka_request_claim(ri_kafka_request *r, uint64_t more);

static inline bool ri_kafka_request_is_begun(const ri_kafka_request *r) /* where a step may be */
{
    return r->stage == RI_KAFKA_BEGUN && r->kind && r->session;
}

/* For kafka_session.c, on the loop's thread. A frame without its size; outside the gate.
 * RILL_EPROTO, RILL_ENOTSUP, RILL_ETOOBIG, RILL_ENOMEM. */
int ri_kafka_request_read(ri_kafka_session *s, ri_str frame, ri_kafka_request **out);
/* A slice of one that is `coded`, and has its frame. 1: there is more; 0; or a code as above. */
int ri_kafka_request_decode(ri_kafka_request *r);
/* Its frame would go: its buffer becomes the request's, or it is read anew from a copy.
 * RILL_ENOMEM. */
int ri_kafka_request_keep(ri_kafka_request *r);
void ri_kafka_request_begin(ri_kafka_request *r);
void ri_kafka_request_go_on(ri_kafka_request *r); /* its step, once */
/* Outside the gate: its answer becomes a frame, and it is done. */
void ri_kafka_request_write(ri_kafka_request *r);
void ri_kafka_request_drop(ri_kafka_request *r);  /* nothing refers to it any more but its lists */
void ri_kafka_request_free(ri_kafka_request *r);  /* it was dropped, or is done */

/* ---- kafka_serve.c ---- */

/* NULL: not served. */
const ri_kafka_served *ri_kafka_served_of(int16_t key);
const ri_kafka_served *ri_kafka_served_at(size_t i); /* by their keys; NULL behind the last */

#endif
