/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in, where the program decides that (rill_broker_opts.on_login):
 *
 *     CONNECT --> in the row of its host, not read --> on_login() --> ... an answer --> read on
 *        \                ^
 *         with a key --> its signature is checked first (nats_login.c)
 *
 * The program is asked on the loop's thread, outside the gate, and answers whenever it wants
 * (front/broker/login.h). Until then the time to log in runs. A client that goes meanwhile, and is
 * not read, is missed when it is over. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
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
    if (!ri_nats_desk_has(s)) return;
    RI_ASSERT(s->server->nasking > 0);
    s->server->nasking--;
    ri_login_seat_leave(s->server->desk, &s->seat);
    if (!s->asked) return;
    ri_login_forget(s->asked);
    s->asked = NULL;
    if (s->server->nasking) ri_loop_wake(&s->server->loop); /* somebody may wait for the place */
}

static ri_login *desk_login(ri_nats_server *server, ri_nats_session *s)
{
    const ri_nats_login *shown = &s->login;
    rill_login facts = {.size = sizeof facts, .peer = s->peer, .client = ri_nats_session_name(s),
                        .user = shown->user, .password = shown->password, .token = shown->token,
                        .nkey = shown->nkey, .encrypted = s->tls != NULL};
    ri_login *login;
    ri_login_new(server->desk, &facts, s, &login);
    return login;
}

/* Inside the gate: the next to be asked about, with whoever is asked; NULL: none. */
static ri_login *desk_next(ri_nats_server *server, rill_login_fn *fn, void **arg)
{
    const ri_broker_conf *conf = &server->broker->conf;
    ri_login_seat *seat;
    if (!server->desk) return NULL;
    while ((seat = ri_login_seat_next(server->desk, !conf->on_login)) != NULL) {
        ri_nats_session *s = ri_container_of(seat, ri_nats_session, seat);
        server->nasking--;
        if (!conf->on_login) { /* a reload: nobody is asked any more */
            ri_nats_op_login(s);
            continue;
        }
        ri_login *login = desk_login(server, s);
        if (!login) {
            ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
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
        ri_nats_server_leave(server);
        if (!login) return;
        fn(&login->facts, arg);
    }
}
