/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in where JWTs say so (engine/access/trust.h), and how long he may stay:
 *
 *     CONNECT --> in the row `checking`, not read --> the worker: ri_trust_judge() --> read on
 *                                                        |   \
 *                                                        |    his account asks a service about
 *                                                        |    him, too (nats_callout.c)
 *         ticket: by what it was judged, until when  <---+
 *            |
 *            +-- time: "User Authentication Expired", or "Account ..."
 *            +-- the operator says something new: is his account as it was? Then he stays, at once.
 *                Else he is judged again, by the worker, without his signatures
 *
 * The judge's thread has a reference of what was believed when he came; the ticket keeps it, so
 * that what was believed before is gone when the last who came by it has been looked at. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/rfc3339.h"
#include "front/broker/peer_host.h"
#include "front/nats/nats_session.h"

enum { TICKET_LOOK_S = 3600 }; /* the wall clock is looked at once in so long: it may be set */

static int64_t ticket_now_s(const ri_nats_session *s)
{
    return ri_wall_ns(&s->server->broker->host) / RI_SEC;
}

/* ---- Its time ---- */

static void ticket_say_over(ri_nats_session *s, bool of_account)
{
    ri_nats_session_fail(s, RI_NATS_END_EXPIRED,
                         of_account ? "Account Authentication Expired"
                                    : "User Authentication Expired");
}

static void ticket_set_timer(ri_nats_session *s)
{
    ri_nats_ticket *ticket = s->ticket;
    ri_loop *loop = &s->server->loop;
    if (ticket->until_s == INT64_MAX) {
        ri_loop_timer_cancel(loop, &ticket->timer);
        return;
    }
    int64_t left_s = RI_MAX(ri_ns_sub(ticket->until_s, ticket_now_s(s)), (int64_t)0);
    int64_t look_ns = ri_ns_of_s(RI_MIN(left_s, (int64_t)TICKET_LOOK_S));
    if (ri_loop_timer_set(loop, &ticket->timer, ri_ns_add(ri_loop_now(loop), look_ns)) < 0)
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
}

static void ticket_on_timer(ri_loop_timer *timer)
{
    ri_nats_ticket *ticket = ri_container_of(timer, ri_nats_ticket, timer);
    ri_nats_session *s = ticket->session;
    ri_nats_server_enter(s->server);
    RI_ASSERT(s->ticket == ticket);
    if (!s->end && ticket_now_s(s) >= ticket->until_s) ticket_say_over(s, ticket->account_ends);
    else if (!s->end) ticket_set_timer(s);
    ri_nats_server_leave(s->server);
}

/* A reload has any thread, and timers are the loop's: this one finds it when it is due. */
void ri_nats_ticket_void(ri_nats_session *s)
{
    if (!s->ticket) return;
    ri_trust_unref(s->ticket->trust);
    s->ticket->trust = NULL;
    s->ticket->until_s = INT64_MAX;
}

void ri_nats_ticket_drop(ri_nats_session *s)
{
    if (!s->ticket) return;
    ri_loop_timer_cancel(&s->server->loop, &s->ticket->timer);
    ri_trust_unref(s->ticket->trust);
    ri_delete(&s->server->broker->host, s->ticket);
    s->ticket = NULL;
}

/* ---- Judging ---- */

/* Was what it shows looked at before, with the signatures? */
static bool ticket_knows(const ri_nats_session *s)
{
    const ri_nats_ticket *ticket = s->ticket;
    return ticket && ticket->trust && ticket->is_signed && !s->verifying &&
           ticket->login == s->logins;
}

const char *ri_nats_ticket_type(const ri_nats_session *s)
{
    return !s->at ? "IN_PROCESS" : s->at->is_ws ? "WEBSOCKET" : "STANDARD";
}

ri_nats_hearing *ri_nats_ticket_hearing(const ri_nats_session *s)
{
    const ri_broker *broker = s->server->broker;
    const ri_host *host = &broker->host;
    const ri_nats_login *login = &s->login;
    RI_ASSERT(broker->conf.trust);
    ri_nats_hearing *h = ri_new(host, ri_nats_hearing);
    if (!h) return NULL;
    h->trust = ri_trust_ref(broker->conf.trust);
    h->jwt = ri_strdup(host, login->jwt ? login->jwt : "", login->jwt ? strlen(login->jwt) : 0);
    if (login->sig) h->signature = ri_strdup(host, login->sig, strlen(login->sig));
    h->known = ticket_knows(s);
    h->type = ri_nats_ticket_type(s);
    snprintf(h->nonce, sizeof h->nonce, "%s", s->nonce);
    ri_peer_address(s->peer, h->peer);
    if (h->jwt && (h->signature || !login->sig)) return h;
    ri_nats_ticket_hearing_free(h, host);
    return NULL;
}

void ri_nats_ticket_hear(ri_nats_hearing *h, const ri_host *host)
{
    int64_t now_s = ri_wall_ns(host) / RI_SEC;
    const ri_trust_case shown = {.jwt = ri_str_of(h->jwt), .signature = ri_str_of(h->signature),
                                 .nonce = ri_str_of(h->nonce), .host = h->peer,
                                 .type = h->type, .now_s = now_s,
                                 .east_s = ri_rfc3339_east_s(now_s), .known = h->known};
    h->rc = ri_trust_judge(h->trust, &shown, &h->verdict);
}

void ri_nats_ticket_hearing_free(ri_nats_hearing *h, const ri_host *host)
{
    if (!h) return;
    ri_trust_unref(h->trust);
    ri_access_unref(h->verdict.access);
    if (h->jwt) ri_free(host, h->jwt, strlen(h->jwt) + 1);
    if (h->signature) ri_free(host, h->signature, strlen(h->signature) + 1);
    ri_delete(host, h);
}

/* ---- The verdict ---- */

static void ticket_refuse(ri_nats_session *s, const ri_trust_verdict *verdict)
{
    ri_host_log(&s->server->broker->host, RILL_WARN, "%s - cid:%llu - refused: %s", s->peer,
                (unsigned long long)s->cid, verdict->text);
    switch (s->verifying ? RI_TRUST_REFUSED : verdict->why) {
    case RI_TRUST_LET_IN:
    case RI_TRUST_REFUSED: ri_nats_op_verdict(s, false); return;
    case RI_TRUST_EXPIRED: ticket_say_over(s, false); return;
    case RI_TRUST_ACCOUNT_EXPIRED: ticket_say_over(s, true); return;
    case RI_TRUST_REVOKED:
        ri_nats_session_fail(s, RI_NATS_END_REVOKED, "User Authentication Revoked");
        return;
    }
}

static bool ticket_need(ri_nats_session *s)
{
    if (s->ticket) return true;
    s->ticket = ri_new(&s->server->broker->host, ri_nats_ticket);
    if (!s->ticket) return false;
    s->ticket->session = s;
    s->ticket->timer.fn = ticket_on_timer;
    s->ticket->until_s = INT64_MAX;
    return true;
}

void ri_nats_ticket_grant(ri_nats_session *s, ri_trust *trust, const char *asked,
                          ri_trust_verdict *verdict)
{
    RI_ASSERT(verdict->access && !s->granted);
    if (!ticket_need(s)) {
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
        return;
    }
    s->granted = verdict->access;
    verdict->access = NULL;
    ri_nats_op_verdict(s, true);
    if (s->end) return;
    ri_nats_ticket *ticket = s->ticket;
    ri_trust_unref(ticket->trust);
    ticket->trust = ri_trust_ref(trust);
    ticket->until_s = verdict->until_s;
    ticket->account_ends = verdict->account_ends;
    ticket->is_signed = verdict->is_signed;
    ticket->login = s->logins;
    snprintf(ticket->asked, sizeof ticket->asked, "%s", asked ? asked : "");
    ri_nats_session_configure(s);
    ticket_set_timer(s);
}

void ri_nats_ticket_obey(ri_nats_session *s, ri_nats_hearing *h)
{
    RI_ASSERT(!s->end && !s->granted);
    if (h->rc == RILL_OK && h->verdict.why != RI_TRUST_LET_IN) {
        ticket_refuse(s, &h->verdict);
        return;
    }
    if (h->rc < 0) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    else if (h->verdict.asks) ri_nats_callout_join(s, h->trust, h->verdict.asks);
    else ri_nats_ticket_grant(s, h->trust, NULL, &h->verdict);
}

bool ri_nats_ticket_stands(ri_nats_session *s)
{
    ri_trust *now = s->server->broker->conf.trust;
    if (!s->ticket || !s->ticket->trust || !s->who || ri_nats_login_is_checked(s)) return false;
    if (!ri_trust_same_account(s->ticket->trust, now, ri_str_of(ri_access_account(s->who))))
        return false;
    ri_str asked = ri_str_of(s->ticket->asked);
    if (asked.len && !ri_trust_same_account(s->ticket->trust, now, asked)) return false;
    ri_trust_unref(s->ticket->trust);
    s->ticket->trust = ri_trust_ref(now);
    return true;
}
