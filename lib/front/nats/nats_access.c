/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may do, by the user that it has logged in as (engine/access/access.h).
 *
 * A reload may take a right away that is in use. Then all subscriptions of those whom it concerns
 * are looked at again, each when the next message comes for it: one look, however many there are.
 * One that is not allowed any more stays where it is and gets nothing. */
#include "base/assert.h"
#include "base/buffer.h"
#include "front/nats/nats_session.h"

enum {
    ACCESS_LOGGED = 10, /* violations of a connection; later ones the client hears alone */
};

static void access_log(ri_nats_session *s, const char *what, ri_str subject)
{
    if (s->violations >= ACCESS_LOGGED) return;
    s->violations++;
    ri_host_log(&s->server->broker->host, RILL_ERROR, "%s - cid:%llu - \"%s\" - %s Violation - "
                "Subject \"%.*s\"", s->peer, (unsigned long long)s->cid,
                s->login.user ? s->login.user : "", what, RI_ARG(subject));
}

/* -ERR 'Permissions Violation for <what> "<subject>"<before><name><behind>' */
static void access_say(ri_nats_session *s, const char *what, ri_str subject, const char *before,
                       ri_str name, const char *behind)
{
    ri_buffer text;
    RI_ASSERT(subject.len > 0);
    ri_buffer_init(&text, s->party.router->host);
    ri_buffer_printf(&text, "-ERR 'Permissions Violation for %s \"%.*s\"%s%.*s%s'\r\n", what,
                     RI_ARG(subject), before, RI_ARG(name), behind);
    if (text.failed) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    else ri_nats_deliver_raw(s, ri_buffer_str(&text));
    ri_buffer_fini(&text);
}

void ri_nats_access_enter(ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    ri_access *before = s->access;
    s->access = ri_access_ref(conf->access);
    s->who = s->access ? ri_access_find(s->access, ri_str_of(s->login.user)) : NULL;
    RI_ASSERT(!s->access || s->who);
    s->guarded = s->who != NULL;
    s->login_epoch = conf->login_epoch;
    ri_access_unref(before);
}

void ri_nats_access_fini(ri_nats_session *s)
{
    ri_access_unref(s->access);
    s->access = NULL;
    s->who = NULL;
}

bool ri_nats_access_publish(ri_nats_session *s, ri_str subject)
{
    RI_ASSERT(s->who);
    if (ri_likely(ri_access_may_publish(s->who, subject))) return true;
    access_log(s, "Publish", subject);
    access_say(s, "Publish to", subject, "", RI_STR(""), "");
    return false;
}

/* Is it allowed by what is configured now? */
static bool access_check(ri_nats_session *s, ri_nats_sub *sub)
{
    RI_ASSERT(s->who);
    ri_budget_spend(&s->party.router->budget, ri_access_units(s->who) + 1);
    sub->checked = s->login_epoch;
    sub->refused = !ri_access_may_subscribe(s->who, sub->sub.entry.subject, sub->sub.entry.queue,
                                            &sub->watch);
    if (sub->refused) access_log(s, "Subscription", sub->sub.entry.subject);
    return !sub->refused;
}

bool ri_nats_access_subscribe(ri_nats_session *s, ri_nats_sub *sub)
{
    if (access_check(s, sub)) return true;
    ri_str queue = sub->sub.entry.queue;
    access_say(s, "Subscription to", sub->sub.entry.subject, queue.len ? " using queue \"" : "",
               queue, queue.len ? "\"" : "");
    return false;
}

bool ri_nats_access_deliver(ri_nats_session *s, ri_nats_sub *sub, ri_str subject)
{
    RI_ASSERT(s->who);
    if (ri_unlikely(sub->checked != s->login_epoch) && !access_check(s, sub))
        access_say(s, "Subscription to", sub->sub.entry.subject, " (sid \"", sub->sid, "\")");
    return !sub->refused && (!sub->watch || ri_access_may_get(s->who, subject));
}
