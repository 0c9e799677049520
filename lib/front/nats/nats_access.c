/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may do, by the user that it has logged in as (engine/access/access.h).
 *
 * A reload may take a right away that is in use:
 *
 *     reload --> ri_nats_access_enter() --> server->rechecking --> subscriptions, in slices:
 *                publishing is so at once                          ri_nats_access_keep(), or an end
 *
 * Until its slice comes a subscription gets what its user may hear on any, which costs no more
 * than a look at the message. Whose password or user has gone is closed. Whose password is a hash
 * that is another now has the rights of the new configuration until that is checked. */
#include "base/assert.h"
#include "base/buffer.h"
#include "front/broker/system_event.h"
#include "front/nats/nats_session.h"

enum {
    ACCESS_LOGGED = 10, /* violations of a connection; later ones the client hears alone */
};

static ri_verdicts *access_verdicts(const ri_nats_session *s)
{
    return &s->server->broker->verdicts;
}

static void access_log(ri_nats_session *s, const char *what, ri_str subject)
{
    RI_ASSERT(s->who);
    if (s->violations >= ACCESS_LOGGED) return;
    s->violations++;
    ri_host_log(&s->server->broker->host, RILL_ERROR, "%s - cid:%llu - \"%s\" - %s Violation - "
                "Subject \"%.*s\"", s->peer, (unsigned long long)s->cid,
                ri_access_name(s->who), what, RI_ARG(subject));
}

/* -ERR 'Permissions Violation for Publish to "SUBJECT"'
 *                                 Subscription to "SUBJECT"[ using queue "QUEUE"][ (sid "SID")] */
static void access_say(ri_nats_session *s, const char *what, ri_str subject, ri_str queue,
                       ri_str sid)
{
    ri_buffer text;
    RI_ASSERT(subject.len > 0);
    ri_buffer_init(&text, s->party.router->host);
    ri_buffer_printf(&text, "-ERR 'Permissions Violation for %s to \"%.*s\"", what,
                     RI_ARG(subject));
    if (queue.len) ri_buffer_printf(&text, " using queue \"%.*s\"", RI_ARG(queue));
    if (sid.len) ri_buffer_printf(&text, " (sid \"%.*s\")", RI_ARG(sid));
    ri_buffer_puts(&text, "'\r\n");
    if (text.failed) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    else ri_nats_deliver_raw(s, ri_buffer_str(&text));
    ri_buffer_fini(&text);
}

/* ---- What it was asked, and may answer ---- */

/* The bytes of these are the connection's, where memory is sought. */
static void access_settle(ri_nats_session *s)
{
    uint64_t bytes = s->replies ? s->replies->bytes : 0;
    RI_ASSERT(s->interest_bytes >= s->replies_bytes);
    s->interest_bytes += bytes - s->replies_bytes;
    s->replies_bytes = bytes;
}

static void access_forget_replies(ri_nats_session *s)
{
    if (!s->replies) return;
    ri_replies_fini(s->replies);
    ri_delete(&s->server->broker->host, s->replies);
    s->replies = NULL;
    access_settle(s);
}

static void access_note(ri_nats_session *s, ri_str reply, int64_t for_ns)
{
    const ri_host *host = &s->server->broker->host;
    ri_router *router = s->party.router;
    RI_ASSERT(reply.len > 0);
    if (!s->replies) {
        if (!(s->replies = ri_new(host, ri_replies))) return; /* the answer is refused */
        ri_replies_init(s->replies, host, &router->memory);
    }
    ri_budget_spend(&router->budget, 1);
    ri_replies_note(s->replies, reply, ri_mono_ns(host), for_ns);
    access_settle(s);
}

static bool access_answers(ri_nats_session *s, ri_str subject)
{
    uint32_t max;
    int64_t for_ns;
    if (!s->replies || !ri_access_answers(s->who, &max, &for_ns)) return false;
    bool may = ri_replies_use(s->replies, subject, ri_mono_ns(&s->server->broker->host), for_ns,
                              max);
    access_settle(s);
    return may;
}

/* ---- Coming and going ---- */

/* NULL: there is none of that name. */
static ri_account *access_account(const ri_nats_session *s)
{
    const ri_accounts *accounts = s->server->broker->conf.accounts;
    if (!s->who || strcmp(ri_access_account(s->who), RI_ACCOUNT_GLOBAL) == 0)
        return &s->party.router->global;
    return ri_accounts_find(accounts, ri_access_account(s->who));
}

int ri_nats_access_leave(ri_nats_session *s)
{
    if (!s->counted) return 0;
    RI_ASSERT(s->counted->nconns > 0);
    s->counted->nconns--;
    int events = ri_system_event_conns(s->server->broker, s->counted);
    ri_account_unref(s->counted);
    s->counted = NULL;
    return events;
}

/* What is wrong with that account is said, and it ends. */
static void access_refuse_account(ri_nats_session *s, const ri_account *account)
{
    const ri_host *host = &s->server->broker->host;
    if (account) {
        ri_nats_session_fail(s, RI_NATS_END_MAX_ACCOUNT_CONNS,
                             "maximum account active connections exceeded");
        return;
    }
    ri_host_log(host, RILL_ERROR, "%s - cid:%llu - there is no account \"%.100s\"", s->peer,
                (unsigned long long)s->cid, ri_access_account(s->who));
    ri_nats_session_fail(s, RI_NATS_END_AUTH, "Authorization Violation");
}

bool ri_nats_access_count(ri_nats_session *s)
{
    ri_account *account = s->party.account;
    RI_ASSERT(!s->counted);
    if (account->limits.conns && account->nconns >= account->limits.conns) {
        access_refuse_account(s, account);
        return false;
    }
    account->nconns++;
    s->counted = ri_account_ref(account);
    ri_system_event_conns(s->server->broker, account);
    return true;
}

/* What was subscribed to stays in its account, so that nothing of that goes along to another one.
 * A reload that puts a session elsewhere closes it without a word, to come anew. */
static bool access_enter_account(ri_nats_session *s)
{
    ri_account *account = access_account(s);
    if (account && account == s->counted) return true;
    if (account && s->counted && !s->verifying) {
        ri_nats_session_end(s, RI_NATS_END_CLIENT_CLOSED);
        return false;
    }
    if (s->counted) ri_nats_session_forget_subs(s);
    ri_nats_access_leave(s);
    if (!account) {
        access_refuse_account(s, NULL);
        return false;
    }
    RI_ASSERT(s->party.account == account || !s->subs.len);
    ri_party_enter(&s->party, account);
    if (!s->verifying) return true; /* it has said nothing yet */
    ri_nats_session_configure(s);
    return ri_nats_access_count(s);
}

bool ri_nats_access_enter(ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    ri_access *before = s->access;
    uint32_t max;
    int64_t for_ns;
    if (conf->trust && !s->granted) s->granted = ri_access_ref(before); /* its ticket stands */
    if (!conf->trust) ri_nats_ticket_void(s);
    bool nobody = !s->granted && ri_nats_login_is_nobody(s);
    s->access = s->granted ? s->granted : nobody ? NULL : ri_access_ref(conf->access);
    s->who = s->granted ? ri_access_first(s->access) : nobody ? NULL : ri_nats_login_user(s);
    s->granted = NULL;
    RI_ASSERT(!s->access || s->who);
    s->answers = s->who && ri_access_answers(s->who, &max, &for_ns);
    s->let = NULL;
    if (!s->answers) access_forget_replies(s);
    s->login_epoch = conf->login_epoch;
    ri_nats_session_recheck_subs(s);
    ri_access_unref(before);
    return access_enter_account(s);
}

bool ri_nats_access_known(ri_nats_session *s)
{
    if (s->server->broker->conf.trust) return ri_nats_ticket_stands(s);
    const ri_access_user *user = ri_nats_login_user(s);
    if (!user) return false;
    if (s->who && ri_access_same_secret(s->who, user) && !ri_nats_login_is_checked(s)) return true;
    return !ri_nats_access_enter(s); /* it has ended: there is no verdict to wait for */
}

void ri_nats_access_fini(ri_nats_session *s)
{
    access_forget_replies(s);
    ri_nats_ticket_drop(s);
    ri_access_unref(s->access);
    s->access = NULL;
    s->who = NULL;
}

/* ---- On its way ---- */

bool ri_nats_access_publish(ri_nats_session *s, ri_str subject, bool stays)
{
    RI_ASSERT(s->who);
    if (ri_likely(ri_access_may_publish(s->who, access_verdicts(s), subject))) {
        if (stays) s->let = subject.ptr;
        return true;
    }
    if (access_answers(s, subject)) return true;
    access_log(s, "Publish", subject);
    access_say(s, "Publish", subject, RI_STR_NONE, RI_STR_NONE);
    return false;
}

/* Is it allowed by what is configured now? */
static bool access_check(ri_nats_session *s, ri_nats_sub *sub)
{
    RI_ASSERT(s->who);
    ri_budget_spend(&s->party.router->budget, ri_access_units(s->who) + 1);
    ri_str subject = sub->sub.entry.subject;
    if (!ri_access_may_subscribe(s->who, subject, sub->sub.entry.queue, &sub->watch)) {
        access_log(s, "Subscription", subject);
        return false;
    }
    sub->checked = s->login_epoch;
    return true;
}

bool ri_nats_access_subscribe(ri_nats_session *s, ri_nats_sub *sub)
{
    if (access_check(s, sub)) return true;
    access_say(s, "Subscription", sub->sub.entry.subject, sub->sub.entry.queue, RI_STR_NONE);
    return false;
}

bool ri_nats_access_keep(ri_nats_session *s, ri_nats_sub *sub)
{
    if (access_check(s, sub)) return true;
    access_say(s, "Subscription", sub->sub.entry.subject, sub->sub.entry.queue, sub->sid);
    return false;
}

bool ri_nats_access_deliver(ri_nats_session *s, ri_nats_sub *sub, const ri_message *m,
                            ri_str route)
{
    uint32_t max;
    int64_t for_ns;
    if (!s->who) return true; /* all is allowed since a reload */
    ri_str queue = sub->sub.entry.queue, subject = route.len ? route : m->subject;
    bool checked = ri_likely(sub->checked == s->login_epoch);
    if (queue.len && (sub->watch || !checked)) /* rules of groups are looked at one by one */
        ri_budget_spend(&s->party.router->budget, ri_access_units(s->who) + 1);
    if (!checked && !ri_access_may_hear(s->who, subject, queue)) return false;
    if (checked && sub->watch && !ri_access_may_get(s->who, subject, queue)) return false;
    if (m->reply.len && ri_access_answers(s->who, &max, &for_ns) &&
        !ri_access_may_publish(s->who, access_verdicts(s), m->reply))
        access_note(s, m->reply, for_ns);
    return true;
}
