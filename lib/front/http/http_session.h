/* SPDX-License-Identifier: Apache-2.0 */
/* One visitor behind a socket, and the one request that he has in hand.
 *
 *     READING --head is whole--> MAKING (in the row, a slice a turn) --> WRITING --> READING
 *        |                          ^                                       |
 *        |                          +------ a short answer skips it         +--> the end, if the
 *        +--no head in time, or one that is refused (an answer, then the end)    request says so
 *
 * What comes behind a request is held until its answer is written. A session belongs to the loop's
 * thread, but for its end, which anybody may ask for inside the gate. */
#ifndef RI_HTTP_SESSION_H
#define RI_HTTP_SESSION_H

#include "codec/web/http_read.h"
#include "front/http/http_answer.h"
#include "front/http/http_login.h"
#include "front/http/http_server.h"
#include "net/conn.h"

typedef struct ri_http_session ri_http_session;

typedef enum ri_http_end {
    RI_HTTP_END_NOT,
    RI_HTTP_END_DONE,     /* the visitor closed, or has what he asked for */
    RI_HTTP_END_LATE,     /* no request came in time */
    RI_HTTP_END_BROKEN,   /* a read or a write failed, or he did not read for too long */
    RI_HTTP_END_CROWDED,  /* he made way for another */
    RI_HTTP_END_MEMORY,
    RI_HTTP_END_SHUTDOWN,
} ri_http_end;

struct ri_http_session {
    ri_conn conn;            /* first: L but for its out-queue */
    ri_http_server *server;
    const ri_http_listener *at;
    ri_http_end end;         /* why it ends; NOT: open. Inside the gate */
    bool busy;               /* L: a request is in hand */
    bool last;               /* L: none is read behind it */
    bool winding;            /* L: it ends, as this thread knows */
    bool shut;               /* L: our side of the stream is ended */
    bool hurried;            /* L: the broker closes, and there is a time by which it is over */
    bool dead;               /* L: in server->dead */
    bool shaking;            /* L: TLS, whose handshake is not over */
    bool listening;          /* L: to what happens (http_events.c); it is busy as long */
    uint32_t missed;         /* L: events in a row that were left out, since it has not read */
    ri_list listen_link;     /* L: server->listeners */
    ri_http_login login;     /* L: who he is, as he has said last */
    struct ri_http_follow *follow; /* messages that he reads; set on the loop's thread, within the
                                      gate; NULL: none. It is busy as long */
    ri_list touched_link;    /* server->touched */
    size_t sought;           /* L: bytes at the front in which no head ends */
    ri_http_answer answer;   /* L: while it is busy */
    bool only_head, gzips, keep_said;  /* L: of the request in hand */
    ri_list link;            /* server->sessions */
    ri_list ending_link;     /* server->ending */
    ri_list row_link;        /* L: server->row */
    ri_list ready_link;      /* L: server->ready */
    ri_list work_link;       /* L: server->work, then server->dead */
    ri_loop_timer timer;     /* L: until a head is whole, or an answer read; lingering */
    int64_t since_ns;        /* L: monotonic, when it came, or asked last */
    char peer[RI_LISTEN_PEER_MAX];
};

/* Takes over the socket. After a failure the caller has still to close it. Inside the gate, on the
 * loop's thread. */
int ri_http_session_open(ri_http_server *server, int fd, const ri_http_listener *at,
                         const char *peer);
/* Any thread, inside the gate; it ends at the loop's next turn. The first reason counts. */
void ri_http_session_end(ri_http_session *s, ri_http_end end);
void ri_http_session_free(ri_http_session *s); /* inside the gate */

/* Of the loop's thread, inside the gate: that is written to it in this turn. */
void ri_http_session_push(ri_http_session *s, ri_str bytes);
/* Any thread, inside the gate: that is written to it soon; ... */
void ri_http_session_hand(ri_http_session *s, ri_str bytes);
/* ... it is looked at in the loop's next turn. */
void ri_http_session_touch(ri_http_session *s);

/* ---- Outside the gate, on the loop's thread ---- */

/* A slice of its answer, which it enters the gate for. True: others wanted the gate meanwhile. */
bool ri_http_session_make(ri_http_session *s);
/* Something was written: is it all of the answer? */
void ri_http_session_drained(ri_http_session *s);
/* It ends: it leaves the row, and goes on to wind down step by step. */
void ri_http_session_wind_down(ri_http_session *s);
void ri_http_session_read_on(ri_http_session *s);
/* On the loop's thread, outside the gate. */
void ri_http_session_write(ri_http_session *s);
/* There is a verdict on who he is: his request goes on. */
void ri_http_session_checked(ri_http_session *s);

/* ---- http_events.c: on the loop's thread, outside the gate ---- */
void ri_http_events_init(ri_http_server *server);
void ri_http_events_join(ri_http_session *s);
void ri_http_events_leave(ri_http_session *s); /* if it has joined; any thread when it is freed */

/* ---- http_follow.c: on the loop's thread ---- */
void ri_http_follow_join(ri_http_session *s);  /* outside the gate: the head is queued */
void ri_http_follow_go_on(ri_http_session *s); /* inside: a stream's next messages, if it is time */
void ri_http_follow_drop(ri_http_session *s);  /* inside; none: no-op */
bool ri_http_follow_is_old(const ri_http_session *s); /* inside: its rights are those of before */

#endif
