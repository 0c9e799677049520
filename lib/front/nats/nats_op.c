/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks for, obeyed in the order of its coming. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/subject/subject.h"
#include "front/nats/nats_session.h"

enum {
    OP_DROP_SUBS = 2, /* forgotten subscriptions that go with each new one */
    OP_SUB_UNITS = 10, /* of the turn, for one that comes or goes */
};

static void op_say_err(ri_nats_session *s, const char *fmt, ri_str subject)
{
    ri_buffer text;
    ri_buffer_init(&text, s->party.router->host);
    ri_buffer_puts(&text, "-ERR '");
    ri_buffer_printf(&text, fmt, RI_ARG(subject));
    ri_buffer_puts(&text, "'\r\n");
    if (text.failed) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
    else ri_nats_deliver_raw(s, ri_buffer_str(&text));
    ri_buffer_fini(&text);
}

static void op_ok(ri_nats_session *s)
{
    if (ri_unlikely(s->verbose)) ri_nats_deliver_raw(s, RI_NATS_OK_LINE);
}

/* Subjects that the server keeps to itself. */
static bool op_reserved(ri_nats_session *s, const ri_nats_op *op)
{
    ri_str subject = op->m.subject, reply = op->m.reply;
    if (subject.ptr[0] == '_' || subject.ptr[0] == '$') {
        if (ri_str_starts(subject, RI_STR("_GR_.")) || ri_str_starts(subject, RI_STR("$NRG."))) {
            op_say_err(s, "Permissions Violation for Publish to \"%.*s\"", subject);
            return true;
        }
    }
    if (!ri_access_keeps_reply(reply)) return false;
    op_say_err(s, "Permissions Violation for Publish with Reply of \"%.*s\"", reply);
    return true;
}

/* Its subject becomes another one, by the configuration; false: it goes nowhere. */
static bool op_map(ri_nats_session *s, ri_message *m)
{
    ri_router *router = s->party.router;
    ri_buffer *to = &s->server->mapped;
    uint32_t units;
    ri_buffer_reset(to);
    ri_mapped mapped = ri_mappings_apply(s->party.account->mappings, m->subject,
                                         ri_router_random(router), to, &units);
    if (units) ri_budget_spend(&router->budget, units);
    if (mapped != RI_MAPPED_TO) return mapped == RI_MAPPED_NOT;
    m->subject = ri_buffer_str(to);
    m->hash = 0;
    return true;
}

/* A +OK says that it is taken, and not what it was taken for. */
static int op_publish_probed(ri_nats_session *s, const ri_message *m, ri_str asked)
{
    ri_str dest;
    bool mapped = asked.ptr != m->subject.ptr;
    if (s->who && s->let != m->subject.ptr && !ri_nats_access_publish(s, m->subject, !mapped))
        return 0;
    op_ok(s);
    if (ri_unlikely(m->headers.len > 0) && ri_nats_probe_asked(m->headers, &dest)) {
        if (s->who && !ri_nats_access_publish(s, dest, false)) return 0;
        return ri_nats_probe_publish(s, dest, m, asked);
    }
    return ri_router_publish(&s->party, &(ri_publish){.m = m, .fan = &s->fan});
}

static int op_publish_mapped(ri_nats_session *s, ri_message m)
{
    ri_str asked = m.subject;
    bool maps = s->party.account->mappings != NULL;
    if (!maps || op_map(s, &m)) return op_publish_probed(s, &m, asked);
    op_ok(s);
    return 0;
}

/* Nothing is to be looked at but who gets it: so are most messages. */
static inline bool op_is_plain(const ri_nats_session *s, const ri_message *m)
{
    bool free = !s->who || s->let == m->subject.ptr;
    return free && !m->headers.len && !s->verbose && !s->party.account->mappings;
}

static void op_publish(ri_nats_session *s, const ri_nats_op *op)
{
    if (ri_unlikely(s->pedantic) && !ri_subject_is_literal(op->m.subject))
        op_say_err(s, "Invalid Publish Subject", RI_STR_NONE);
    if (ri_unlikely(op_reserved(s, op))) return;
    int rc = ri_likely(op_is_plain(s, &op->m))
                 ? ri_router_publish(&s->party, &(ri_publish){.m = &op->m, .fan = &s->fan})
                 : op_publish_mapped(s, op->m);
    if (ri_unlikely(rc < 0)) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
}

static ri_nats_sub *op_sub_new(const ri_host *host, const ri_nats_op *op)
{
    size_t size = sizeof(ri_nats_sub) + op->m.subject.len + op->queue.len + op->sid.len;
    ri_nats_sub *sub = ri_calloc(host, size);
    if (!sub) return NULL;
    sub->size = (uint32_t)size;
    char *p = sub->bytes;
    memcpy(p, op->m.subject.ptr, op->m.subject.len);
    sub->sub.entry.subject = (ri_str){p, op->m.subject.len};
    p += op->m.subject.len;
    if (op->queue.len) memcpy(p, op->queue.ptr, op->queue.len);
    sub->sub.entry.queue = (ri_str){p, op->queue.len};
    p += op->queue.len;
    memcpy(p, op->sid.ptr, op->sid.len);
    sub->sid = (ri_str){p, op->sid.len};
    return sub;
}

static int op_sub_add(ri_nats_session *s, const ri_nats_op *op)
{
    const ri_host *host = s->party.router->host;
    ri_nats_sub *sub = op_sub_new(host, op);
    if (!sub) return RILL_ENOMEM;
    sub->login = s->logins;
    if (s->who && !ri_nats_access_subscribe(s, sub)) {
        ri_free(host, sub, sub->size);
        return RILL_EAUTH;
    }
    if (!ri_nats_session_charge_sub(s, sub)) {
        ri_free(host, sub, sub->size);
        return RILL_EFULL;
    }
    int rc = ri_map_put(&s->subs, ri_hash(sub->sid), sub);
    if (rc == RILL_OK && (rc = ri_router_subscribe(&s->party, &sub->sub)) < 0)
        ri_map_take(&s->subs, ri_hash(sub->sid), &sub->sid);
    if (rc < 0) ri_nats_session_free_sub(s, sub);
    return rc;
}

static size_t op_tokens(ri_str subject)
{
    size_t tokens = 1;
    for (size_t i = 0; i < subject.len; i++) tokens += subject.ptr[i] == '.';
    return tokens;
}

static bool op_subscribe_refused(ri_nats_session *s, const ri_nats_op *op)
{
    uint32_t max = s->server->broker->conf.max_sub_tokens;
    if (ri_unlikely(op->queue.len == 5 && ri_str_is(op->queue, "_sys_"))) {
        op_say_err(s, "Permissions Violation for Subscription to \"%.*s\" using queue \"_sys_\"",
                   op->m.subject);
        return true;
    }
    if (ri_likely(!max || op_tokens(op->m.subject) <= max)) return false;
    op_say_err(s, "Permissions Violation for Subscription to \"%.*s\", too many tokens",
               op->m.subject);
    return true;
}

static uint32_t op_max_subs(const ri_nats_session *s)
{
    uint32_t max = s->server->broker->conf.max_subs, own = s->party.account->limits.subs;
    if (own && (!max || own < max)) max = own;
    own = s->who ? ri_access_max_subs(s->who) : UINT32_MAX;
    return own != UINT32_MAX && (!max || own < max) ? own : max;
}

static void op_subscribe(ri_nats_session *s, const ri_nats_op *op)
{
    uint32_t max = op_max_subs(s);
    if (max && s->subs.len + s->party.nshadows >= max) {
        op_say_err(s, "maximum subscriptions exceeded", RI_STR_NONE);
        return;
    }
    if (!ri_map_get(&s->subs, ri_hash(op->sid), &op->sid)) {
        if (op_subscribe_refused(s, op)) return;
        if (!ri_subject_is_filter(op->m.subject)) {
            op_say_err(s, "Invalid Subject", RI_STR_NONE);
            return;
        }
        /* Old ones go at least as fast as new ones come. */
        if (ri_unlikely(ri_list_linked(&s->forget_link)))
            ri_nats_session_drop_forgotten(s, &(uint32_t){OP_DROP_SUBS});
        int rc = op_sub_add(s, op);
        if (rc == RILL_ENOMEM) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
        else if (rc == RILL_EFULL) op_say_err(s, "maximum subscriptions exceeded", RI_STR_NONE);
        else if (rc < 0 && rc != RILL_EAUTH) op_say_err(s, "Invalid Subject", RI_STR_NONE);
        if (rc < 0) return;
    }
    op_ok(s);
}

static void op_unsubscribe(ri_nats_session *s, const ri_nats_op *op)
{
    ri_nats_sub *sub = ri_map_get(&s->subs, ri_hash(op->sid), &op->sid);
    if (sub) {
        bool ended = op->max == 0;
        if (ended) ri_router_unsubscribe(&sub->sub);
        else ended = ri_router_limit(&sub->sub, op->max);
        if (ended) {
            if (s->server->broker->conf.trace) ri_nats_trace_gone(s, sub->sid);
            ri_map_take(&s->subs, ri_hash(sub->sid), &sub->sid);
            ri_nats_session_free_sub(s, sub);
        }
    }
    op_ok(s);
}

static void op_ping(ri_nats_session *s)
{
    ri_nats_deliver_raw(s, RI_NATS_PONG_LINE);
    if (!s->connected || s->greeted) return;
    s->greeted = true;
    if (s->async_info) ri_nats_session_say_info(s, true);
}

static void op_pong(ri_nats_session *s)
{
    int64_t now_ns = ri_mono_ns(&s->server->broker->host);
    if (s->pings_out) s->rtt_ns = RI_MAX(ri_ns_sub(now_ns, s->ping_ns), 1);
    s->pings_out = 0;
    s->ponged = true;
}

/* What is wrong with a CONNECT beside its credentials. */
static ri_nats_end op_connect_end(const ri_nats_connect *connect, bool headers)
{
    if (connect->account.len || connect->new_account) return RI_NATS_END_AUTH;
    if (connect->protocol < 0 || connect->protocol > 1) return RI_NATS_END_BAD_CLIENT_PROTOCOL;
    if (connect->no_responders && !headers) return RI_NATS_END_NO_RESPONDERS_HEADERS;
    return RI_NATS_END_NOT;
}

static void op_refuse_login(ri_nats_session *s)
{
    ri_nats_login_note(s);
    ri_host_log(&s->server->broker->host, RILL_ERROR, "%s - cid:%llu - authentication error",
                s->peer, (unsigned long long)s->cid);
    ri_nats_session_fail(s, RI_NATS_END_AUTH, "Authorization Violation");
}

static void op_welcome(ri_nats_session *s)
{
    if (s->login_end == RI_NATS_END_BAD_CLIENT_PROTOCOL) {
        ri_nats_session_fail(s, s->login_end, "invalid client protocol");
    } else if (s->login_end == RI_NATS_END_NO_RESPONDERS_HEADERS) {
        ri_nats_session_fail(s, s->login_end, "no responders requires headers support");
    } else {
        s->connected = true;
        s->parser.connect_only = false;
        op_ok(s);
        ri_nats_session_connected(s);
        ri_nats_news_enter(s);
    }
}

/* Whose certificate says who he is has called himself something else. */
static void op_warn_certified(const ri_nats_session *s)
{
    const char *user = s->login.user;
    if (!user || !ri_nats_login_maps(s) || strcmp(user, ri_access_name(s->who)) == 0) return;
    ri_host_log(&s->server->broker->host, RILL_WARN, "%s - cid:%llu - User \"%.100s\" found in "
                "connect proto, but user required from cert", s->peer, (unsigned long long)s->cid,
                user);
}

void ri_nats_op_verdict(ri_nats_session *s, bool right)
{
    bool again = !s->verifying; /* the configuration was changed under it */
    bool in = right && ri_nats_access_enter(s);
    if (in && !again) op_warn_certified(s);
    s->verifying = false;
    if (right && !in) return;
    if (!right && again) ri_nats_session_fail(s, RI_NATS_END_AUTH, "Authorization Violation");
    else if (!right) op_refuse_login(s);
    else if (!again) op_welcome(s);
}

bool ri_nats_op_login(ri_nats_session *s)
{
    ri_nats_desk_leave(s);
    ri_nats_verdict verdict = ri_nats_login_look(s);
    if (verdict == RI_NATS_VERDICT_LATER && !s->verifying && ri_nats_access_known(s))
        verdict = RI_NATS_VERDICT_YES;
    if (verdict == RI_NATS_VERDICT_LATER) {
        ri_nats_login_wait(s);
        return true;
    }
    if (verdict == RI_NATS_VERDICT_ASK) {
        if (s->server->broker->conf.callout) ri_nats_callout_join(s, NULL, NULL);
        else ri_nats_desk_join(s);
        return true;
    }
    ri_nats_op_verdict(s, verdict == RI_NATS_VERDICT_YES);
    return false;
}

/* Until the verdict comes its time does not run, unless it is the program that takes it. */
static void op_log_in(ri_nats_session *s, const ri_nats_connect *connect)
{
    s->login_end = op_connect_end(connect, s->headers);
    if (s->login_end == RI_NATS_END_AUTH) {
        op_refuse_login(s);
        return;
    }
    ri_nats_login_leave(s); /* a verdict on what it said before is none on what it says now */
    s->verifying = true;
    if (ri_nats_login_held(s)) return;
    if (ri_nats_op_login(s) && !ri_nats_desk_has(s))
        ri_loop_timer_cancel(&s->server->loop, &s->timer);
}

/* What a later CONNECT leaves out stays as the one before it said. */
static void op_recall(const ri_nats_session *s, ri_nats_connect *connect)
{
    connect->verbose = s->verbose;
    connect->pedantic = s->pedantic;
    connect->echo = !s->party.no_echo;
    connect->headers = s->headers;
    connect->no_responders = s->no_responders;
    connect->protocol = s->async_info;
    connect->user = ri_str_of(s->login.user);
    connect->pass = ri_str_of(s->login.password);
    connect->auth_token = ri_str_of(s->login.token);
    connect->nkey = ri_str_of(s->login.nkey);
    connect->jwt = ri_str_of(s->login.jwt);
    connect->sig = ri_str_of(s->login.sig);
}

static void op_connect(ri_nats_session *s, ri_str json)
{
    const ri_host *host = s->party.router->host;
    ri_arena arena;
    ri_arena_init(&arena, host);
    ri_nats_connect connect;
    ri_nats_connect_init(&connect);
    if (s->connected) op_recall(s, &connect);
    int rc = ri_nats_connect_read(&connect, json, &arena);
    if (rc == RILL_OK) ri_nats_tls_show_cookies(s, &connect);
    if (rc == RILL_OK) rc = ri_nats_login_set(&s->login, host, &connect);
    ri_nats_tls_forget_cookies(s);
    if (rc == RILL_OK) {
        if (s->connected || s->who) ri_nats_session_forget_subs(s);
        s->verbose = connect.verbose;
        s->pedantic = connect.pedantic;
        s->party.no_echo = !connect.echo;
        bool headers = connect.headers && !s->server->broker->conf.no_headers;
        s->headers = s->parser.headers = headers;
        s->no_responders = connect.no_responders;
        s->async_info = connect.protocol >= 1;
        ri_nats_session_set_name(s, &connect);
        op_log_in(s, &connect);
    } else {
        ri_nats_session_end(s, rc == RILL_ENOMEM ? RI_NATS_END_NO_MEMORY : RI_NATS_END_PROTOCOL);
    }
    ri_arena_fini(&arena);
}

void ri_nats_op_obey(ri_nats_session *s, const ri_nats_op *op)
{
    RI_ASSERT(op->kind != 0 && s->server);
    if (ri_likely(op->kind == RI_NATS_PUB || op->kind == RI_NATS_HPUB)) {
        op_publish(s, op);
        return;
    }
    bool subs = op->kind == RI_NATS_SUB || op->kind == RI_NATS_UNSUB;
    ri_budget_spend(&s->party.router->budget, subs ? OP_SUB_UNITS : 1);
    switch (op->kind) {
    case RI_NATS_PUB:
    case RI_NATS_HPUB: return; /* see above */
    case RI_NATS_SUB: op_subscribe(s, op); return;
    case RI_NATS_UNSUB: op_unsubscribe(s, op); return;
    case RI_NATS_CONNECT: op_connect(s, op->text); return;
    case RI_NATS_PING: op_ping(s); return;
    case RI_NATS_PONG: op_pong(s); return;
    case RI_NATS_INFO:
    case RI_NATS_OK: return;
    case RI_NATS_ERR:
    case RI_NATS_MSG:
    case RI_NATS_HMSG: ri_nats_session_end(s, RI_NATS_END_PROTOCOL); return;
    }
}

void ri_nats_op_refuse(ri_nats_session *s)
{
    ri_nats_end end = RI_NATS_END_PROTOCOL;
    switch (s->parser.failure) {
    case RI_NATS_LONG_LINE: end = RI_NATS_END_CONTROL_LINE; break;
    case RI_NATS_BIG_PAYLOAD: end = RI_NATS_END_PAYLOAD; break;
    case RI_NATS_NO_LOGIN: end = RI_NATS_END_AUTH; break;
    case RI_NATS_FINE:
    case RI_NATS_BAD_OPERATION:
    case RI_NATS_BAD_ARGUMENTS:
    case RI_NATS_NO_HEADERS: break;
    }
    const char *text = ri_nats_failure_text(s->parser.failure);
    if (text) ri_nats_session_fail(s, end, text);
    else ri_nats_session_end(s, end);
}
