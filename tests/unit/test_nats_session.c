/* SPDX-License-Identifier: Apache-2.0 */
/* A NATS session over a pipe in memory: the server's loop is turned by the test, so that what its
 * input is cut into, and how little of its output goes at once, is what the test says. */
#include <string.h>

#include "base/error.h"
#include "front/nats/nats_server.h"
#include "support/fault.h"
#include "support/pipe.h"
#include "support/suite.h"

enum { TURNS_MAX = 100000 };

static const char session_in[] =
    "CONNECT {\"verbose\":false,\"headers\":true}\r\nPING\r\n"
    "SUB a.* 1\r\nSUB b q 22\r\n"
    "PUB a.x 5\r\nhello\r\n"
    "HPUB b r.e 12 17\r\nNATS/1.0\r\n\r\nworld\r\n"
    "PUB a.y 0\r\n\r\n"
    "UNSUB 1\r\nPUB a.z 1\r\n!\r\n"
    "PING\r\n";
static const char session_out[] =
    "PONG\r\n"
    "MSG a.x 1 5\r\nhello\r\n"
    "HMSG b 22 r.e 12 17\r\nNATS/1.0\r\n\r\nworld\r\n"
    "MSG a.y 1 0\r\n\r\n"
    "PONG\r\n";

typedef struct door {
    ri_broker *broker;
    ri_nats_server *server;
} door;

static int door_open(door *d, const rill_host *hooks)
{
    rill_broker_opts opts = {.size = sizeof opts, .host = hooks};
    *d = (door){0};
    int rc = ri_broker_new(&d->broker, &opts);
    if (rc < 0) return rc;
    ri_broker_enter(d->broker);
    rc = ri_nats_server_make(&d->server, d->broker);
    ri_broker_leave(d->broker);
    return rc;
}

static void door_close(door *d)
{
    if (!d->broker) return;
    if (d->server) {
        ri_broker_enter(d->broker);
        ri_nats_door.end(&d->server->door, 0);
        ri_broker_leave(d->broker);
        ri_nats_door.close(&d->server->door);
    }
    ri_broker_close(d->broker, 0);
    ri_broker_unref(d->broker);
}

/* Turn until the session has closed its end, and keep what it said; false if it goes on for ever.
 * Once it has said `want` it is told that there is no more. */
static bool door_talk(door *d, pipe_pair *p, char *out, size_t max, const char *want)
{
    size_t len = 0;
    pipe_end *far = &p->end[1];
    for (int i = 0; i < TURNS_MAX && !p->end[0].closed; i++) {
        ri_loop_turn(&d->server->loop);
        len += pipe_get(far, out + len, max - len - 1);
        out[len] = 0;
        if (!far->shut && strstr(out, want)) far->wire.ops->shut(&far->wire);
    }
    for (size_t n; (n = pipe_get(far, out + len, max - len - 1)) > 0;) len += n;
    out[len] = 0;
    return p->end[0].closed;
}

/* A whole session with its input read in two parts, or in calls of `step` bytes at most, and
 * `room` for its output. */
static void session_check(door *d, size_t cut, size_t step, size_t room)
{
    pipe_pair p;
    char out[4096];
    pipe_init(&p);
    p.flow[1].cut = cut;
    p.flow[1].step = step;
    p.flow[0].room = room;
    ck_quick(pipe_put(&p.end[1], session_in, RI_MIN(sizeof session_in - 1, step)) > 0);
    for (size_t done = p.flow[1].len; done < sizeof session_in - 1; done = p.flow[1].len)
        ck_quick(pipe_put(&p.end[1], session_in + done, sizeof session_in - 1 - done) > 0);
    ck_quick(ri_nats_server_accept(d->server, &p.end[0].wire, "pipe") == RILL_OK);
    ck_quick(door_talk(d, &p, out, sizeof out, session_out));
    ck_assert_msg(!strncmp(out, "INFO {", 6) && strstr(out, "\r\n"), "cut %zu: %s", cut, out);
    const char *said = strstr(out, "\r\n") + 2;
    ck_assert_msg(!strcmp(said, session_out), "cut %zu, step %zu, room %zu: %s", cut, step, room,
                  said);
    pipe_fini(&p);
}

START_TEST(every_split)
{
    door d;
    ck_assert_ok(door_open(&d, NULL));
    for (size_t cut = 0; cut < sizeof session_in - 1; cut++)
        session_check(&d, cut, SIZE_MAX, SIZE_MAX);
    for (size_t step = 1; step < 8; step++) session_check(&d, 0, step, SIZE_MAX);
    for (size_t room = 1; room < 40; room++) session_check(&d, 0, 11, room);
    ck_assert_uint_eq(d.server->nsessions, 0);
    door_close(&d);
}
END_TEST

/* A wire that waits for the loop when the server goes is closed with it; later ones are refused and
 * stay with their owner. */
START_TEST(closing)
{
    door d;
    ck_assert_ok(door_open(&d, NULL));
    pipe_pair p, late;
    pipe_init(&p);
    pipe_init(&late);
    ck_assert_ok(ri_nats_server_accept(d.server, &p.end[0].wire, "pipe"));
    ri_broker_enter(d.broker);
    ri_nats_door.lame_duck(&d.server->door, 0, 0);
    ri_broker_leave(d.broker);
    ck_assert_rc(ri_nats_server_accept(d.server, &late.end[0].wire, "pipe"), RILL_ECLOSED);
    ck_assert(!p.end[0].closed);
    door_close(&d);
    ck_assert(p.end[0].closed && !late.end[0].closed);
    pipe_fini(&p);
    pipe_fini(&late);
}
END_TEST

static int body_faults(fault *f, void *arg)
{
    (void)arg;
    door d;
    pipe_pair p;
    char out[4096] = "";
    int rc = door_open(&d, &f->hooks);
    pipe_init(&p);
    if (rc == RILL_OK) {
        pipe_put(&p.end[1], session_in, sizeof session_in - 1);
        rc = ri_nats_server_accept(d.server, &p.end[0].wire, "pipe");
        bool taken = rc == RILL_OK;
        if (taken && !door_talk(&d, &p, out, sizeof out, session_out)) rc = RILL_EBUG;
        else if (taken && !strstr(out, session_out)) rc = RILL_ENOMEM;
        if (!taken) ck_quick(!p.end[0].closed);
    }
    door_close(&d);
    pipe_fini(&p);
    return rc;
}

START_TEST(faults)
{
    ck_assert_uint_ge(fault_each(body_faults, NULL), 5);
}
END_TEST

SUITE_MAIN("nats_session", every_split, closing, faults)
