/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes and goes is said in the system's account (front/broker/system_event.h). Of one that
 * ends that is done as it is taken off the router, behind all publishes: it may have been ended
 * within one. */
#include "base/assert.h"
#include "base/saturate.h"
#include "front/broker/system_event.h"
#include "front/nats/nats_session.h"

enum { NEWS_SUBS = 8 }; /* of the turn's part for subscriptions, an event takes as much as those */

/* A service, or the program, has said who he is: what he called himself is nothing then. */
static bool news_is_named(const ri_nats_session *s)
{
    bool asked = s->ticket && s->ticket->asked[0] && ri_access_badge_of(s->who).name.len;
    return s->who && (asked || s->server->broker->conf.on_login);
}

ri_str ri_nats_news_user(const ri_nats_session *s)
{
    const ri_nats_login *login = &s->login;
    const char *known = s->who && s->end != RI_NATS_END_AUTH ? ri_access_name(s->who) : "";
    bool asked = s->ticket && s->ticket->asked[0];
    if (*known && news_is_named(s)) return ri_str_of(known);
    if (login->nkey || login->user) return ri_str_of(login->nkey ? login->nkey : login->user);
    if (*known && !asked) return ri_str_of(known);
    return ri_str_of(login->token ? "[REDACTED]" : "");
}

/* Of one that was not let in it is known what it called itself. */
static int news_say(const ri_nats_session *s, const char *reason)
{
    ri_broker *broker = s->server->broker;
    ri_broker_conn conn = {0};
    if (!ri_system_event_heard(broker)) return 0;
    ri_nats_session_describe(s, ri_ns_sub(ri_wall_ns(&broker->host), ri_mono_ns(&broker->host)),
                             &conn);
    if (s->end == RI_NATS_END_MAX_ACCOUNT_CONNS) conn.account = ri_str_of(s->party.account->name);
    return ri_system_event_client(broker, &(ri_system_client){
        .conn = &conn, .jwt = ri_str_of(s->login.jwt), .reason = reason,
        .unknown = s->end == RI_NATS_END_AUTH});
}

void ri_nats_news_enter(const ri_nats_session *s)
{
    RI_ASSERT(s->connected);
    news_say(s, NULL);
}

void ri_nats_news_leave(ri_nats_session *s, uint32_t *subs)
{
    RI_ASSERT(s->end);
    ri_account *account = s->counted;
    if (account) {
        account->gone.in_msgs += s->party.in_msgs;
        account->gone.in_bytes += s->party.in_bytes;
        account->gone.out_msgs += s->party.out_msgs;
        account->gone.out_bytes += s->party.out_bytes;
        ri_account_ref(account); /* its name is said behind its leaving */
    }
    int events = ri_nats_access_leave(s);
    s->counted = account;
    events += news_say(s, ri_nats_session_end_text(s->end));
    s->counted = NULL;
    ri_account_unref(account);
    *subs -= RI_MIN(*subs, NEWS_SUBS * (uint32_t)events);
}
