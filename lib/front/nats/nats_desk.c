/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in, where the program decides that (rill_broker_opts.on_login):
 *
 *     CONNECT --> in the row of its host, not read --> on_login() --> ... an answer --> read on
 *        \                ^
 *         with a key --> its signature is checked first (nats_login.c)
 *
 * The program is asked on the loop's thread, outside the gate, and answers whenever it wants
 * (front/broker/login.h). Until then the time to log in runs. A client that goes meanwhile, and is
 * not read, is missed when it is over.
 *
 * Where a service on the bus decides (nats_callout.c), it has the same places, by the same turns;
 * the program is not asked then, and a login only holds the place. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "engine/access/certified.h"
#include "front/nats/nats_session.h"

bool ri_nats_desk_has(const ri_nats_session *s)
{
    return s->asked || s->seat.host;
}

static void desk_wake(void *arg) /* any thread */
{
    ri_loop_wake(&((ri_nats_server *)arg)->loop);
}

static int desk_need(ri_nats_server *server)
{
    if (server->desk) return RILL_OK;
    return ri_login_desk_new(&server->broker->host, desk_wake, server, &server->desk);
}

void ri_nats_desk_join(ri_nats_session *s)
{
    RI_ASSERT(s->server && !s->end);
    ri_nats_server *server = s->server;
    RI_ASSERT(!ri_nats_desk_has(s));
    if (s->verifying) ri_nats_session_hurry(s); /* else it is in already, and a reload asks anew */
    if (desk_need(server) < 0 || ri_login_seat_take(server->desk, s->peer, &s->seat) < 0) {
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
        return;
    }
    server->nasking++;
    ri_loop_wake(&server->loop);
}

void ri_nats_desk_leave(ri_nats_session *s)
{
    if (!ri_nats_desk_has(s)) {
        ri_nats_callout_leave(s); /* it found no seat */
        return;
    }
    RI_ASSERT(s->server->nasking > 0);
    s->server->nasking--;
    bool by_callout = s->callout != NULL;
    ri_nats_callout_leave(s);
    ri_login_seat_leave(s->server->desk, &s->seat);
    if (!s->asked) return;
    ri_login_forget(s->asked);
    if (by_callout) ri_login_answer(s->asked, NULL, NULL); /* nobody else has it */
    s->asked = NULL;
    if (s->server->nasking) ri_loop_wake(&s->server->loop); /* somebody may wait for the place */
}

static int desk_subject(const ri_nats_session *s, ri_buffer *subject)
{
    if (!s->cert.len) return RILL_OK;
    if (!ri_nats_login_is_believed(s))
        return ri_err(RILL_EPROTO, "the certificate is of an earlier CA of the listener");
    int rc = ri_certified_put_subject(s->cert, subject);
    if (rc == RILL_OK) ri_buffer_put(subject, "", 1);
    return rc == RILL_OK && subject->failed ? RILL_ENOMEM : rc;
}

static int desk_login(ri_nats_server *server, ri_nats_session *s, ri_login **login)
{
    const ri_nats_login *shown = &s->login;
    rill_login facts = {.size = sizeof facts, .peer = s->peer, .client = ri_nats_session_name(s),
                        .user = shown->user, .password = shown->password, .token = shown->token,
                        .nkey = shown->nkey, .encrypted = s->tls.version != NULL};
    ri_buffer subject;
    ri_buffer_init(&subject, &server->broker->host);
    int rc = desk_subject(s, &subject);
    if (s->cert.len) facts.certificate = subject.ptr;
    if (rc == RILL_OK) rc = ri_login_new(server->desk, &facts, s, login);
    ri_buffer_fini(&subject);
    return rc;
}

/* The place that it has while a service is asked. */
static int desk_hold(ri_nats_server *server, ri_nats_session *s)
{
    const rill_login facts = {.size = sizeof facts, .peer = s->peer};
    if (s->ask_epoch != server->broker->conf.login_epoch) {
        ri_nats_op_login(s);
        return RILL_OK;
    }
    int rc = ri_login_new(server->desk, &facts, s, &s->asked);
    if (rc < 0) return rc;
    server->nasking++;
    ri_nats_callout_begin(s);
    return RILL_OK;
}

/* Nobody is asked about it. */
static void desk_refuse(ri_nats_session *s, int rc)
{
    RI_ASSERT(rc < 0);
    if (rc != RILL_EPROTO) {
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
        return;
    }
    ri_host_log(&s->server->broker->host, RILL_WARN, "%s - cid:%llu - refused: %s", s->peer,
                (unsigned long long)s->cid, ri_err_text());
    ri_nats_op_verdict(s, false);
}

/* Inside the gate: the next to be asked about, with whoever is asked; NULL: none. */
static ri_login *desk_next(ri_nats_server *server, rill_login_fn *fn, void **arg)
{
    const ri_broker_conf *conf = &server->broker->conf;
    ri_login_seat *seat;
    if (!server->desk) return NULL;
    bool nobody = !conf->on_login && !conf->callout && !conf->trust;
    while ((seat = ri_login_seat_next(server->desk, nobody)) != NULL) {
        ri_nats_session *s = ri_container_of(seat, ri_nats_session, seat);
        server->nasking--;
        if (s->callout) {
            if (desk_hold(server, s) < 0) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
            continue;
        }
        if (s->verifying && ri_nats_login_held(s)) continue; /* too many have failed meanwhile */
        if (!conf->on_login) { /* a reload: nobody is asked any more */
            ri_nats_op_login(s);
            continue;
        }
        ri_login *login = NULL;
        int rc = desk_login(server, s, &login);
        if (rc < 0) {
            desk_refuse(s, rc);
            continue;
        }
        s->asked = login;
        s->ask_epoch = conf->login_epoch;
        server->nasking++;
        *fn = conf->on_login;
        *arg = conf->on_login_arg;
        return login;
    }
    return NULL;
}

/* Inside the gate. */
static void desk_obey(ri_nats_session *s, ri_login *login)
{
    if (s->ask_epoch != s->server->broker->conf.login_epoch) { /* a reload: he was asked in vain */
        ri_nats_op_login(s);
        return;
    }
    s->granted = login->access;
    login->access = NULL;
    if (!s->granted && login->why[0])
        ri_host_log(&s->server->broker->host, RILL_WARN, "%s - cid:%llu - refused: %s", s->peer,
                    (unsigned long long)s->cid, login->why);
    ri_nats_op_verdict(s, s->granted != NULL);
}

/* Inside the gate, since an asker goes there: the next answer. */
static ri_nats_session *desk_answer(ri_nats_server *server)
{
    ri_login *login = server->desk ? ri_login_next(server->desk) : NULL;
    if (!login) return NULL;
    ri_nats_session *s = login->asker;
    RI_ASSERT(s->asked == login);
    s->asked = NULL;
    server->nasking--;
    if (!s->end) desk_obey(s, login);
    ri_login_free(login);
    return s;
}

void ri_nats_desk_turn(ri_nats_server *server)
{
    rill_login_fn fn = NULL;
    void *arg = NULL;
    for (;;) {
        ri_nats_server_enter(server);
        ri_nats_session *s = desk_answer(server);
        bool goes_on = s && !s->end;
        ri_nats_server_leave(server);
        if (!s) break;
        if (goes_on) ri_nats_session_verified(s);
    }
    for (;;) {
        ri_nats_server_enter(server);
        ri_login *login = desk_next(server, &fn, &arg);
        if (!login) ri_nats_callout_turn(server);
        ri_nats_server_leave(server);
        if (!login) return;
        fn(&login->facts, arg);
    }
}
