/* SPDX-License-Identifier: Apache-2.0 */
/* A nats:// handle and the servers that it dials, all in one thread and in virtual time: the test
 * is every server, by pipes in memory (pipe.h), says what they say and sees what they hear.
 *
 *     far f;
 *     far_open(&f, "nats://a", RILL_OPTS(rill_opts, ...));      it is not waited for
 *     far_greet(&f);                  the server's side of a login; the handle is up
 *     far_say(&f, "MSG a 1 2\r\nhi\r\n");
 *     HEARS(&f, "PUB a 2\r\nhi\r\n");
 *     far_pass(&f, 100 * RI_MS);      time goes on, and what is due runs
 *     far_close(&f);
 *
 * What the handle does is noted, one line each: "dial a:4222", "UP", "DOWN ECONN". */
#ifndef RI_TEST_FAR_H
#define RI_TEST_FAR_H

#include "front/peer_nats/nats_peer.h"
#include "support/fault.h"
#include "support/pipe.h"

#define FAR_INFO "INFO {\"server_id\":\"S\",\"version\":\"2.10.0\",\"headers\":true," \
                 "\"max_payload\":1048576,\"jetstream\":true,\"port\":4222"

#define FAR_THEN "\x1e" /* between answers to one request */
#define FAR_CUT "\x18"  /* in place of an answer: the server closes the connection */

enum { FAR_DIALS_MAX = 64 };

/* What the server answers to a request whose subject begins so; in the text "%n" stands for the
 * token of the subject behind the stream's, which names a consumer. An answer that begins with
 * "NATS/1.0" is a header block, and what stands behind its empty line; one that begins with "-ERR"
 * is said as it is. */
typedef struct far_row {
    const char *subject, *answer;
} far_row;

typedef struct far {
    fault fault;             /* its clock, memory and dice */
    ri_nats_dialler dialler;
    rill_bus *bus;
    pipe_pair pipes[FAR_DIALS_MAX];
    int ndials;              /* pipes that were given out */
    int refuse;              /* so many of the next ones are refused */
    size_t room;             /* what a pipe holds; 0: the usual */
    const far_row *script;   /* the next answers, the last row being {NULL}; NULL: the test's */
    const far_row *serves;   /* the same, each as often as it is asked for */
    const char *info;        /* with `serves`: how it greets */
    int answered;            /* so many times by `serves` */
    int changes_at;          /* when that is so many, `serves` becomes `changed`; 0: never */
    const far_row *changed;
    unsigned answer_sid;     /* of the handle's inbox for answers */
    ri_wire_ops ops;         /* of a wire that the script listens at ... */
    ssize_t (*pipe_writev)(ri_wire *wire, const struct iovec *iov, int n); /* ... that of a pipe */
    rill_sub *concerned;     /* by the last event that was about a subscription */
    char notes[8192];        /* since they were looked at last */
    char told[8192];         /* what far_notes() has lent */
    char why[512];           /* what the last failure that was told has said */
    char heard[1 << 20];     /* the same of far_hear() */
    size_t nheard;           /* of it, what the script has heard, which is to be heard still */
    size_t judged;           /* of that, what it has looked at */
} far;

/* drive, host and no_wait of `opts` are set here; NULL: no others. */
int far_open(far *f, const char *url, const rill_opts *opts);
void far_close(far *f);
void far_turn(far *f);                 /* until nothing more happens */
void far_pass(far *f, int64_t ns);
void far_say(far *f, const char *text);
/* From now on requests are answered by this script, also while a call of the handle waits. */
void far_follow(far *f, const far_row *script);
/* The same, each row again and again, and it answers logins: the handle comes back by itself. */
void far_serve(far *f, const far_row *rows, const char *info);
void far_say_bytes(far *f, const char *bytes, size_t len);
void far_cut(far *f);                  /* the server closes the connection */
/* INFO, and PONG behind the login; all of it is heard then. `more`: fields of the INFO, with a
 * comma in front. */
void far_greet(far *f);
void far_greet_with(far *f, const char *more);
const char *far_hear(far *f);          /* what the current server has been sent */
const char *far_notes(far *f);
ri_nats_peer *far_peer(const far *f);

/* ---- Appends ---- */
typedef struct far_ended {
    int err;                 /* the test sets it to 1: it has not ended */
    uint64_t seq;
    char text[160];          /* why */
} far_ended;
void far_on_stored(int err, const rill_receipt *receipt, void *ended);
/* The reply subject of the line that begins so, which has been sent, or is now; lent. */
const char *far_replied(far *f, const char *line);
void far_acknowledge(far *f, const char *reply, int seq);

#define HEARS(f, text) ck_assert_str_eq(far_hear(f), text)
#define NOTES(f, text) ck_assert_str_eq(far_notes(f), text)

#endif
