/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in, where a service decides that (engine/access/callout.h):
 *
 *     CONNECT --> in the row of its host --> begin: a place --> the worker: a request
 *                     (nats_desk.c)                                |
 *        server->asked, by time <-- published in the service's account, from a window
 *           |       |
 *          due   an answer --> server->answered --> the worker: a verdict
 *           |                                          |            |
 *        refused                                    refused    in, with a ticket
 *
 * In operator mode his own JWT is heard before (nats_ticket.c), and says which account is asked.
 *
 * A window is a party with one subscription, to all answers to this server, in an account where
 * somebody was asked; it stays until a reload that finds it idle, so that logins change no
 * interest. Whose answer it is says the last token of its subject, which nobody can guess. An
 * answer may come within anybody's publish: it is copied, and the loop is woken.
 *
 * Bounds. How many are asked about at a time, and who is next, is the desk's
 * (front/broker/login.h); an answer is charged as work until there is a verdict, and has
 * RI_CALLOUT_ANSWER_MAX bytes at most. Who is not let in within auth_timeout_ms is closed by his
 * own timer; who is in already, and asked about by a reload, when the answer is due. The first
 * answer counts. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/rfc3339.h"
#include "base/saturate.h"
#include "front/nats/nats_session.h"

enum {
    CALLOUT_ID = 8, /* characters of the server's id in the subjects of answers */
    CALLOUT_SUBJECT = 64, /* room for one of these */
};

struct ri_nats_window {
    ri_list link;            /* server->windows */
    ri_party party;
    ri_subscription sub;
    ri_nats_server *server;
    uint32_t nasked;         /* who wait for an answer here */
    char subject[CALLOUT_SUBJECT];
};

#define CALLOUT_OF(item) ri_container_of(item, ri_nats_callout, link)

static ri_str callout_token(const ri_nats_callout *c)
{
    return (ri_str){c->token, sizeof c->token};
}

static bool callout_is(const void *item, const void *key)
{
    return ri_str_eq(callout_token(item), *(const ri_str *)key);
}

static void callout_say(const ri_nats_session *s, const char *why)
{
    ri_host_log(&s->server->broker->host, RILL_WARN, "%s - cid:%llu - refused: %s", s->peer,
                (unsigned long long)s->cid, why);
}

/* ---- Windows ---- */

/* It may be within a publish: no interest changes here. */
static bool callout_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_nats_window *window = ri_container_of(party, ri_nats_window, party);
    ri_nats_server *server = window->server;
    size_t before = sub->entry.subject.len - 1; /* of the star */
    ri_str token = ri_str_from(d->m->subject, RI_MIN(before, d->m->subject.len));
    ri_nats_callout *c = ri_map_take(&server->callouts, ri_hash(token), &token);
    if (!c) return true; /* nobody waits for it any more */
    RI_ASSERT(c->letter && c->window == window && window->nasked > 0);
    ri_buffer *text = &c->letter->text;
    uint64_t bytes = d->m->data.len;
    bool fits = bytes <= RI_CALLOUT_ANSWER_MAX &&
                ri_memory_take(&server->broker->router.memory, RI_MEMORY_WORK, bytes);
    window->nasked--;
    c->window = NULL;
    c->bytes = fits ? bytes : 0;
    ri_buffer_reset(text);
    if (fits) ri_buffer_put_str(text, d->m->data);
    else callout_say(c->session, "the answer of the callout's service is too large");
    ri_list_remove(&c->link);
    ri_list_push(&server->answered, &c->link);
    ri_loop_wake(&server->loop);
    return true;
}

static const ri_party_ops callout_ops = {
    .deliver = callout_deliver, .direct = true, .asks = true};

static void callout_close_window(ri_nats_window *window)
{
    RI_ASSERT(window->nasked == 0);
    ri_list_remove(&window->link);
    ri_party_fini(&window->party);
    ri_delete(&window->server->broker->host, window);
}

static ri_nats_window *callout_open_window(ri_nats_server *server, ri_account *account)
{
    ri_nats_window *window = ri_new(&server->broker->host, ri_nats_window);
    if (!window) return NULL;
    window->server = server;
    ri_list_init(&window->link);
    snprintf(window->subject, sizeof window->subject, RI_CALLOUT_ANSWERS "%.*s.*", CALLOUT_ID,
             server->broker->keys.id);
    ri_party_init(&window->party, &server->broker->router, &callout_ops);
    ri_party_enter(&window->party, account);
    window->party.queues = true;
    window->sub.entry.subject = ri_str_of(window->subject);
    if (ri_router_place(&window->party, &window->sub) == RILL_OK) {
        ri_list_push(&server->windows, &window->link);
        return window;
    }
    callout_close_window(window);
    return NULL;
}

static ri_nats_window *callout_window(ri_nats_server *server, ri_account *account)
{
    ri_list_each (link, &server->windows) {
        ri_nats_window *window = ri_container_of(link, ri_nats_window, link);
        ri_budget_spend(&server->broker->router.budget, 1);
        if (window->party.account == account) return window;
    }
    return callout_open_window(server, account);
}

static void callout_on_due(ri_loop_timer *timer)
{
    (void)timer; /* the turn that follows looks at the time */
}

void ri_nats_callout_init(ri_nats_server *server)
{
    const ri_host *host = &server->broker->host;
    ri_list_init(&server->windows);
    ri_list_init(&server->asked);
    ri_list_init(&server->answered);
    ri_map_init(&server->callouts, host, callout_is);
    ri_nuid_init(&server->nuid, host);
    server->asked_timer.fn = callout_on_due;
}

void ri_nats_callout_reload(ri_nats_server *server)
{
    ri_list_each (link, &server->windows) {
        ri_nats_window *window = ri_container_of(link, ri_nats_window, link);
        if (window->nasked == 0) callout_close_window(window);
    }
}

void ri_nats_callout_fini(ri_nats_server *server)
{
    RI_ASSERT(ri_list_empty(&server->asked) && ri_list_empty(&server->answered));
    ri_nats_callout_reload(server);
    RI_ASSERT(ri_list_empty(&server->windows) && server->callouts.len == 0);
    ri_map_fini(&server->callouts);
}

/* ---- Coming and going ---- */

bool ri_nats_callout_decides(const ri_nats_session *s)
{
    const ri_claims_callout *rules = ri_callout_rules(s->server->broker->conf.callout);
    if (!rules) return false;
    const ri_access_user *user = ri_nats_login_user(s);
    if (!user) return true;
    if (ri_claims_is_exempt(rules, ri_str_of(ri_access_name(user)))) return false;
    const char *account = ri_access_account(user);
    if (!rules->accounts.n || strcmp(account, RI_ACCOUNT_GLOBAL) == 0) return true;
    for (size_t i = 0; i < rules->accounts.n; i++)
        if (strcmp(rules->accounts.at[i], account) == 0) return true;
    return false;
}

/* The key by which answers are sealed is made for the first who is asked about: without it a start
 * is sooner. A broker that cannot have one signs nothing until its next start. */
static void callout_make_key(ri_broker *broker)
{
    ri_callout_keys *keys = &broker->keys;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (keys->xkey.key[0] || !keys->seed[0]) return;
    if (ri_xkey_new(&keys->xkey, &broker->host) == RILL_OK) return;
    explicit_bzero(keys->seed, sizeof keys->seed);
    ri_host_log(&broker->host, RILL_ERROR, "auth callout: no request is signed: %s",
                ri_err_text());
}

void ri_nats_callout_join(ri_nats_session *s, ri_trust *trust, const ri_claims_callout *rules)
{
    ri_broker *broker = s->server->broker;
    RI_ASSERT(!s->callout && !trust == !rules);
    callout_make_key(broker);
    ri_callout *callout = trust ? NULL : broker->conf.callout;
    if (!trust) rules = ri_callout_rules(callout);
    ri_nats_callout *c = ri_new(&broker->host, ri_nats_callout);
    if (c) c->letter = ri_callout_letter_new(&broker->host, &broker->keys, trust, callout, rules);
    if (!c || !c->letter) {
        if (c) ri_delete(&broker->host, c);
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
        return;
    }
    ri_trust_ref(trust);
    ri_callout_ref(callout);
    ri_list_init(&c->link);
    c->session = s;
    s->callout = c;
    s->ask_epoch = broker->conf.login_epoch;
    ri_nats_desk_join(s);
}

/* No answer is awaited any more. */
static void callout_unask(ri_nats_callout *c)
{
    ri_nats_server *server = c->session->server;
    ri_str token = callout_token(c);
    RI_ASSERT(!c->window || !c->bytes);
    ri_list_remove(&c->link);
    if (!c->window) return;
    RI_ASSERT(c->window->nasked > 0);
    c->window->nasked--;
    c->window = NULL;
    ri_map_take(&server->callouts, ri_hash(token), &token);
}

void ri_nats_callout_leave(ri_nats_session *s)
{
    ri_nats_callout *c = s->callout;
    if (!c) return;
    ri_nats_login_leave(s); /* what the worker has, or would be given, is this one's letter */
    callout_unask(c);
    ri_memory_refund(&s->party.router->memory, RI_MEMORY_WORK, c->bytes);
    ri_callout_letter_free(c->letter);
    ri_delete(&s->server->broker->host, c);
    s->callout = NULL;
}

/* ---- Asking ---- */

/* "vVERSION:LANG:NAME", in its parts. */
static void callout_fill_name(const ri_nats_session *s, ri_callout_facts *facts)
{
    ri_broker_conn conn = {0};
    ri_nats_session_describe(s, 0, &conn);
    facts->name = conn.name;
    facts->lang = conn.lang;
    facts->version = conn.version;
}

/* In operator mode he has come in by one, his own or everybody's. */
static const char *callout_jwt(const ri_nats_session *s, const ri_callout_letter *letter)
{
    if (!letter->trust) return NULL;
    return s->login.jwt ? s->login.jwt : ri_trust_sentinel(letter->trust);
}

static void callout_put_facts(const ri_nats_session *s, ri_callout_letter *letter)
{
    const ri_broker *broker = s->server->broker;
    const ri_nats_login *shown = &s->login;
    const char *here = s->at ? s->at->name : s->conn.wire->ops->name;
    ri_callout_facts facts = {
        .server_name = ri_str_of(broker->name), .server_host = ri_str_of(here),
        .server_version = ri_str_of(broker->version), .host = letter->peer, .cid = s->cid,
        .type = s->at && s->at->is_ws ? "websocket" : "nats", .nonce = s->nonce,
        .user = shown->user, .password = shown->password, .token = shown->token,
        .nkey = shown->nkey, .jwt = callout_jwt(s, letter), .sig = shown->sig,
        .protocol = s->async_info,
        .cert = ri_nats_login_is_believed(s) ? s->cert : RI_STR_NONE};
    if (s->tls.version) {
        facts.tls_version = s->tls.version;
        facts.tls_cipher = s->tls.cipher;
    }
    callout_fill_name(s, &facts);
    ri_callout_put_facts(&letter->text, &facts);
}

void ri_nats_callout_begin(ri_nats_session *s)
{
    ri_nats_callout *c = s->callout;
    RI_ASSERT(c && c->letter && !c->window && s->asked);
    ri_callout_letter *letter = c->letter;
    const ri_broker *broker = s->server->broker;
    letter->timeout_ms = broker->conf.auth_timeout_ms;
    letter->type = ri_nats_ticket_type(s);
    letter->east_s = ri_rfc3339_east_s(ri_wall_ns(&broker->host) / RI_SEC);
    ri_peer_address(s->peer, letter->peer);
    callout_put_facts(s, letter);
    ri_nats_login_wait(s);
}

ri_callout_letter *ri_nats_callout_lend(ri_nats_session *s)
{
    if (!s->callout) return NULL;
    ri_callout_letter *letter = s->callout->letter;
    RI_ASSERT(letter && !s->callout->window);
    s->callout->letter = NULL;
    return letter;
}

static ri_account *callout_account(const ri_nats_session *s, const ri_claims_callout *rules)
{
    const ri_broker *broker = s->server->broker;
    if (ri_str_is(rules->account, RI_ACCOUNT_GLOBAL)) return &s->party.router->global;
    return ri_accounts_find(broker->conf.accounts, rules->account.ptr);
}

static int callout_publish(ri_nats_callout *c)
{
    ri_nats_window *window = c->window;
    const ri_callout_letter *letter = c->letter;
    ri_router *router = window->party.router;
    char reply[CALLOUT_SUBJECT], headers[128] = "";
    int len = snprintf(reply, sizeof reply, "%.*s%.*s", (int)strlen(window->subject) - 1,
                       window->subject, RI_ARG(callout_token(c)));
    RI_ASSERT(len > 0 && (size_t)len < sizeof reply);
    if (letter->rules->xkey.len)
        snprintf(headers, sizeof headers, "NATS/1.0\r\n" RI_CALLOUT_XKEY ": %s\r\n\r\n",
                 letter->keys->xkey.key);
    const ri_message m = {.subject = RI_STR(RI_CALLOUT_SUBJECT), .reply = ri_str_of(reply),
                          .headers = ri_str_of(headers), .data = ri_buffer_str(&letter->text)};
    ri_budget_open(&router->budget);
    int rc = ri_router_publish(&window->party, &(ri_publish){.m = &m});
    ri_budget_close(&router->budget);
    return rc < 0 ? rc : RILL_OK;
}

static int callout_send(ri_nats_session *s)
{
    ri_nats_callout *c = s->callout;
    ri_nats_server *server = s->server;
    RI_ASSERT(c && !c->window && !ri_list_linked(&c->link));
    ri_account *account = callout_account(s, c->letter->rules);
    if (!account) return ri_err(RILL_EAUTH, "there is no account \"%.100s\" for a callout",
                                c->letter->rules->account.ptr);
    ri_nats_window *window = callout_window(server, account);
    if (!window) return RILL_ENOMEM;
    ri_nuid_next(&server->nuid, c->token);
    int rc = ri_map_put(&server->callouts, ri_hash(callout_token(c)), c);
    if (rc < 0) return rc;
    int64_t wait_ns = ri_ns_of_ms(server->broker->conf.auth_timeout_ms);
    c->window = window;
    c->due_ns = ri_ns_add(ri_loop_now(&server->loop), wait_ns);
    window->nasked++;
    ri_list_push(&server->asked, &c->link);
    return callout_publish(c);
}

/* ---- The answer ---- */

static void callout_dismiss(ri_nats_session *s, const char *why)
{
    callout_say(s, why);
    ri_nats_desk_leave(s);
    ri_nats_op_verdict(s, false);
}

static void callout_sent(ri_nats_session *s)
{
    int rc = callout_send(s);
    if (rc == RILL_EAUTH) callout_dismiss(s, ri_err_text());
    else if (rc < 0) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    else ri_loop_wake(&s->server->loop); /* its turn sets the timer */
}

static void callout_obey(ri_nats_session *s, ri_callout_letter *letter)
{
    ri_trust_verdict *verdict = &letter->verdict;
    RI_ASSERT(s->callout && !letter->asks && letter->rc == RILL_OK);
    const char *asked = letter->trust ? letter->rules->account.ptr : NULL;
    if (verdict->why != RI_TRUST_LET_IN) {
        callout_dismiss(s, verdict->text);
    } else {
        ri_nats_desk_leave(s);
        ri_nats_ticket_grant(s, letter->trust, asked, verdict);
    }
}

/* What was asked under an earlier configuration was asked in vain, and what was to be is not. */
void ri_nats_callout_worked(ri_nats_session *s, ri_callout_letter *letter)
{
    RI_ASSERT(!s->end && s->callout && !s->callout->letter);
    if (letter->rc < 0) {
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    } else if (s->ask_epoch != s->server->broker->conf.login_epoch) {
        ri_nats_op_login(s);
    } else if (!letter->asks) {
        callout_obey(s, letter);
    } else {
        letter->asks = false;
        s->callout->letter = letter;
        callout_sent(s);
        return;
    }
    ri_callout_letter_free(letter);
}

static void callout_take_answered(ri_nats_server *server)
{
    ri_list *item;
    while ((item = ri_list_pop(&server->answered))) ri_nats_login_wait(CALLOUT_OF(item)->session);
}

void ri_nats_callout_turn(ri_nats_server *server)
{
    int64_t now_ns = ri_loop_now(&server->loop);
    callout_take_answered(server);
    while (!ri_list_empty(&server->asked)) {
        ri_nats_callout *c = CALLOUT_OF(server->asked.next);
        if (c->due_ns > now_ns) {
            if (ri_loop_timer_set(&server->loop, &server->asked_timer, c->due_ns) < 0)
                ri_nats_session_end(c->session, RI_NATS_END_NO_MEMORY);
            return;
        }
        callout_dismiss(c->session, "Authorization callout response not received in time");
    }
    ri_loop_timer_cancel(&server->loop, &server->asked_timer);
}
