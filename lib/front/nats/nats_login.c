/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in: one user and password, or a token, or users by their names or keys. A
 * configured value may be a bcrypt hash, which takes long to check on purpose, and so does a
 * signature, though less. The worker does so, one at a time:
 *
 *     CONNECT --> in the row `checking`, not read --> login_check_run() --> verdict --> read on
 *
 * and everybody else goes on. There may wait as many as there may be connections, for as long as it
 * takes: nobody learns that he is wrong before his check, unless too many as he have been
 * wrong (front/broker/failed_login.h). */
#ifdef RI_HAVE_CRYPT
#include <crypt.h>
#endif

#include <stdio.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "codec/web/nkey.h"
#include "engine/access/certified.h"
#include "front/broker/failed_login.h"
#include "front/broker/password.h"
#include "front/nats/nats_session.h"

enum {
    LOGIN_LOOKS = 64, /* of those that wait are looked at for one of another host, and so many
                         are refused at a time */
};

bool ri_nats_login_guards(const ri_broker_conf *conf)
{
    return conf->token || conf->user || conf->password || conf->access || conf->on_login ||
           conf->trust || conf->callout;
}

bool ri_nats_login_is_believed(const ri_nats_session *s)
{
    const ri_tls_conf *conf = s->at ? s->at->tls : NULL;
    if (!s->cert.len || !conf || !conf->verify) return true;
    return memcmp(conf->ca, s->cert_ca, sizeof conf->ca) == 0;
}

bool ri_nats_login_maps(const ri_nats_session *s)
{
    return s->server->broker->conf.access && !s->login.nkey && s->at && s->at->tls &&
           s->at->tls->maps;
}

bool ri_nats_login_asked(const ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    return ri_nats_login_guards(conf) && (!conf->no_auth_user || ri_nats_login_maps(s));
}

static bool login_shows_nothing(const ri_nats_session *s)
{
    const ri_nats_login *login = &s->login;
    return !login->user && !login->password && !login->token && !login->nkey &&
           !ri_nats_login_maps(s);
}

/* Is what it shows judged by something that can be guessed? A program or a service that is asked
 * may look at all of it, what stands beside a key, too. */
static bool login_is_guess(const ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    const ri_nats_login *login = &s->login;
    if (!ri_nats_login_guards(conf) || (!login->user && !login->password && !login->token))
        return false;
    if (conf->on_login || conf->callout) return true;
    if (conf->trust) return login->password || login->token || !login->jwt;
    return !login->nkey && !ri_nats_login_maps(s);
}

/* Of a token the user's name that may stand beside it is no part. */
static ri_str login_claims(const ri_nats_session *s)
{
    bool by_token = s->server->broker->conf.token && s->login.token;
    return s->login.user && !by_token ? ri_str_of(s->login.user) : RI_STR_NONE;
}

bool ri_nats_login_held(ri_nats_session *s)
{
    RI_ASSERT(s->verifying);
    if (!login_is_guess(s)) return false;
    if (!ri_failed_login_holds(s->server->broker, s->peer, login_claims(s))) return false;
    s->verifying = false;
    /* Clients give up for good on a server that has refused them twice; he who is right may come
     * again in a moment. */
    ri_nats_session_fail(s, RI_NATS_END_AUTH_TIMEOUT, "Authentication Timeout");
    return true;
}

void ri_nats_login_note(const ri_nats_session *s)
{
    if (!login_is_guess(s)) return;
    const ri_guesser who = ri_failed_login_guesser(s->peer, login_claims(s));
    ri_failed_login_note(s->server->broker, &who);
}

bool ri_nats_login_is_nobody(const ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    return ri_accounts_only_system(conf->accounts) && !conf->no_auth_user &&
           login_shows_nothing(s);
}

static ri_access_user *login_certified(const ri_nats_session *s)
{
    ri_broker *broker = s->server->broker;
    if (!s->cert.len || !ri_nats_login_is_believed(s)) return NULL;
    ri_budget_spend(&broker->router.budget, ri_certified_units(broker->conf.access));
    return ri_certified_user(broker->conf.access, &broker->host, s->cert);
}

ri_access_user *ri_nats_login_user(const ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    const ri_nats_login *login = &s->login;
    if (!conf->access) return NULL;
    if (ri_nats_login_maps(s)) return login_certified(s);
    const char *name = login->nkey ? login->nkey : login->user;
    if (conf->no_auth_user && login_shows_nothing(s)) name = conf->no_auth_user;
    ri_access_user *user = ri_access_find(conf->access, ri_str_of(name));
    return user && ri_access_is_key(user) == (login->nkey != NULL) ? user : NULL;
}

ri_str ri_nats_login_nonce(ri_nats_session *s)
{
    const ri_broker *broker = s->server->broker;
    uint8_t bytes[RI_NATS_NONCE_LEN * 6 / 8];
    bool asks = broker->conf.on_login || broker->conf.trust || broker->conf.callout;
    if (!asks && !ri_access_has_keys(broker->conf.access)) return RI_STR_NONE;
    if (s->nonce[0]) return ri_str_of(s->nonce);
    ri_buffer text;
    broker->host.entropy(broker->host.arg, bytes, sizeof bytes);
    ri_buffer_init(&text, &broker->host);
    ri_base64_put_url(&text, (ri_str){(const char *)bytes, sizeof bytes});
    if (!text.failed) snprintf(s->nonce, sizeof s->nonce, "%.*s", RI_NATS_NONCE_LEN, text.ptr);
    ri_buffer_fini(&text);
    return ri_str_of(s->nonce);
}

/* What is configured, for what was given; NULL: there is nothing that it could be. */
static const char *login_wanted(const ri_nats_session *s, const char **given)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    const ri_nats_login *login = &s->login;
    bool token = conf->token && login->token;
    if (conf->on_login) { /* whose key it is the program says, when he has shown that he has it */
        *given = login->sig ? login->sig : "";
        return login->nkey;
    }
    if (conf->access) {
        const ri_access_user *user = ri_nats_login_user(s);
        bool is_key = user && ri_access_is_key(user);
        *given = is_key ? login->sig : login->password;
        if (!*given) *given = "";
        if (!user) return NULL;
        return is_key ? ri_access_name(user) : ri_access_password(user);
    }
    if (!token && !conf->user && !conf->password) return NULL;
    const char *want = token ? conf->token : conf->password;
    *given = token ? login->token : login->password;
    if (!*given) *given = "";
    return want ? want : "";
}

static bool login_right_user(const ri_broker_conf *conf, const ri_nats_login *login)
{
    bool by_name = !conf->on_login && !conf->access && !(conf->token && login->token);
    if (!by_name) return true; /* see login_wanted() */
    return ri_password_same(ri_str_of(conf->user), ri_str_of(login->user));
}

/* A user without a password comes by his certificate, where a listener takes those: by another one
 * his name alone is nothing. */
static bool login_wants_certificate(const ri_nats_session *s, const char *want)
{
    const ri_broker *broker = s->server->broker;
    return !*want && broker->conf.access && !ri_nats_login_maps(s) && ri_venue_maps(broker);
}

ri_nats_verdict ri_nats_login_look(const ri_nats_session *s)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    const ri_nats_login *login = &s->login;
    const char *given = "", *want;
    if (!ri_nats_login_guards(conf)) return RI_NATS_VERDICT_YES;
    if (conf->trust)
        return login->jwt || ri_trust_sentinel(conf->trust) ? RI_NATS_VERDICT_LATER
                                                            : RI_NATS_VERDICT_NO;
    if (conf->on_login && !login->nkey) return RI_NATS_VERDICT_ASK;
    if (ri_nats_callout_decides(s)) return RI_NATS_VERDICT_ASK;
    if (ri_nats_login_is_nobody(s)) return RI_NATS_VERDICT_YES;
    if (!(want = login_wanted(s, &given))) return RI_NATS_VERDICT_NO;
    if (conf->no_auth_user && login_shows_nothing(s)) return RI_NATS_VERDICT_YES;
    if (login->nkey && (conf->access || conf->on_login))
        return login->sig && s->nonce[0] ? RI_NATS_VERDICT_LATER : RI_NATS_VERDICT_NO;
    if (login_wants_certificate(s, want)) return RI_NATS_VERDICT_NO;
    if (ri_password_is_hash(ri_str_of(want)))
#ifdef RI_HAVE_CRYPT
        return RI_NATS_VERDICT_LATER;
#else
        return RI_NATS_VERDICT_NO; /* a hash is not its own password */
#endif
    bool same = ri_password_same(ri_str_of(want), ri_str_of(given));
    return same && login_right_user(conf, login) ? RI_NATS_VERDICT_YES : RI_NATS_VERDICT_NO;
}

/* ---- Hashes and signatures, one at a time ---- */

struct ri_nats_check {
    ri_job job;
    ri_nats_session *session; /* NULL: it is gone; read and written inside the gate */
    uint32_t epoch;           /* of the configuration that `want` is of */
    bool user, same;          /* the verdict */
    bool is_guess;
    ri_guesser who;           /* whom a failure counts for, if it is one */
    char *want, *given;       /* copies */
    const ri_host *host;
    ri_nats_hearing *hearing; /* of a JWT, in place of these; owned; or NULL */
    ri_callout_letter *letter; /* to or from a callout's service, likewise */
    char nonce[RI_NATS_NONCE_LEN + 1]; /* not empty: `given` is the signature of it by `want` */
#ifdef RI_HAVE_CRYPT
    struct crypt_data data;
#endif
};

static void login_check_run(ri_job *job)
{
    ri_nats_check *check = ri_container_of(job, ri_nats_check, job);
    if (check->letter) {
        ri_callout_work(check->letter);
        return;
    }
    if (check->hearing) {
        ri_nats_ticket_hear(check->hearing, check->host);
        return;
    }
    if (check->nonce[0]) {
        check->same = ri_nkey_signed(ri_str_of(check->want), ri_str_of(check->nonce),
                                     ri_str_of(check->given));
        return;
    }
#ifdef RI_HAVE_CRYPT
    const char *made = crypt_rn(check->given, check->want, &check->data, (int)sizeof check->data);
    check->same = made && ri_password_same(ri_str_of(check->want), ri_str_of(made));
#endif
}

static void login_free(const ri_host *host, char *text)
{
    if (!text) return;
    size_t size = strlen(text) + 1;
    explicit_bzero(text, size); /* it may be a secret */
    ri_free(host, text, size);
}

void ri_nats_login_forget(ri_job *job, const ri_host *host)
{
    ri_nats_check *check = ri_container_of(job, ri_nats_check, job);
    if (check->session) check->session->check = NULL;
    login_free(host, check->want);
    login_free(host, check->given);
    ri_nats_ticket_hearing_free(check->hearing, host);
    ri_callout_letter_free(check->letter);
    ri_delete(host, check);
}

static ri_nats_check *login_check_new(ri_nats_session *s)
{
    const ri_host *host = &s->server->broker->host;
    const ri_broker_conf *conf = &s->server->broker->conf;
    const char *given = "", *want = login_wanted(s, &given);
    ri_nats_check *check = ri_new(host, ri_nats_check);
    if (!check) return NULL;
    if (!want) want = ""; /* a reload has taken it or its user away since: no hash is that */
    *check = (ri_nats_check){.job.run = login_check_run, .epoch = conf->login_epoch,
                             .host = host, .user = login_right_user(conf, &s->login),
                             .is_guess = login_is_guess(s),
                             .who = ri_failed_login_guesser(s->peer, login_claims(s)),
                             .want = ri_strdup(host, want, strlen(want)),
                             .given = ri_strdup(host, given, strlen(given))};
    if (s->login.nkey && (conf->access || conf->on_login))
        memcpy(check->nonce, s->nonce, sizeof check->nonce);
    ri_list_init(&check->job.link);
    check->letter = ri_nats_callout_lend(s);
    bool hears = conf->trust && !check->letter;
    if (hears) check->hearing = ri_nats_ticket_hearing(s);
    if (!check->want || !check->given || (hears && !check->hearing)) {
        ri_nats_login_forget(&check->job, host);
        return NULL;
    }
    return check;
}

void ri_nats_login_wait(ri_nats_session *s)
{
    RI_ASSERT(s->server);
    ri_nats_server *server = s->server;
    if (!ri_list_linked(&s->check_link)) {
        ri_list_push(&server->checking, &s->check_link);
        server->nchecking++;
    }
    ri_loop_wake(&server->loop);
}

void ri_nats_login_leave(ri_nats_session *s)
{
    if (ri_list_linked(&s->check_link)) s->server->nchecking--;
    ri_list_remove(&s->check_link);
    if (s->check) s->check->session = NULL;
    s->check = NULL;
}

bool ri_nats_login_is_checked(const ri_nats_session *s)
{
    return s->check || ri_list_linked(&s->check_link);
}

/* The first in the row that is of another host than the last one was: so none keeps others out
 * by many attempts. */
static ri_nats_session *login_next(ri_nats_server *server)
{
    ri_nats_session *first = NULL;
    int looks = LOGIN_LOOKS;
    char host[RI_PEER_HOST_MAX];
    ri_list_each (link, &server->checking) {
        ri_nats_session *s = ri_container_of(link, ri_nats_session, check_link);
        if (!first) first = s;
        ri_peer_host(s->peer, host);
        if (strcmp(host, server->checked_host) != 0) return s;
        if (--looks == 0) break;
    }
    return first;
}

/* The next that is not refused: many of a host that guesses may have come before the first of them
 * was found wrong. What is to and from a service was let pass before. */
static ri_nats_session *login_take(ri_nats_server *server)
{
    ri_nats_session *s;
    for (int looks = LOGIN_LOOKS; (s = login_next(server)) != NULL; looks--) {
        if (looks == 0) {
            ri_loop_wake(&server->loop);
            return NULL;
        }
        ri_nats_login_leave(s);
        if (!s->verifying || s->callout || !ri_nats_login_held(s)) return s;
    }
    return NULL;
}

ri_job *ri_nats_login_begin(ri_nats_server *server)
{
    ri_nats_session *s;
    if (server->check_runs || !(s = login_take(server))) return NULL;
    ri_peer_host(s->peer, server->checked_host);
    ri_nats_check *check = login_check_new(s);
    if (!check) {
        ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
        return NULL;
    }
    server->check_runs = true;
    check->session = s;
    s->check = check;
    return &check->job;
}

void ri_nats_login_fail(ri_nats_server *server, ri_job *job)
{
    ri_nats_session *s = ri_container_of(job, ri_nats_check, job)->session;
    server->check_runs = false;
    ri_nats_login_forget(job, &server->broker->host);
    if (s) ri_nats_session_end(s, RI_NATS_END_NO_MEMORY);
}

static void login_obey(ri_nats_session *s, bool old, bool right, ri_nats_hearing *hearing)
{
    RI_ASSERT(!s->callout);
    if (old) ri_nats_op_login(s);
    else if (hearing) ri_nats_ticket_obey(s, hearing);
    else if (right && s->server->broker->conf.on_login) ri_nats_desk_join(s);
    else ri_nats_op_verdict(s, right);
}

/* Of one who has gone, so that his failure counts nevertheless. */
static bool login_was_wrong(const ri_nats_check *check)
{
    if (check->letter) return false; /* a service's, whom he does not wait for */
    if (!check->is_guess) return false;
    const ri_nats_hearing *h = check->hearing;
    if (h) return h->rc == RILL_OK && h->verdict.why == RI_TRUST_REFUSED;
    return !check->same || !check->user;
}

ri_nats_session *ri_nats_login_end(ri_nats_server *server, ri_job *job)
{
    ri_nats_check *check = ri_container_of(job, ri_nats_check, job);
    ri_nats_session *s = check->session;
    bool old = check->epoch != server->broker->conf.login_epoch;
    bool right = check->same && check->user;
    ri_nats_hearing *hearing = check->hearing;
    ri_callout_letter *letter = check->letter;
    bool wanted = s && !s->end;
    server->check_runs = false;
    if (!wanted && login_was_wrong(check))
        ri_failed_login_note(server->broker, &check->who);
    check->hearing = NULL;
    if (wanted) check->letter = NULL;
    ri_nats_login_forget(job, &server->broker->host);
    if (wanted && letter) ri_nats_callout_worked(s, letter);
    else if (wanted) login_obey(s, old, right, hearing);
    ri_nats_ticket_hearing_free(hearing, &server->broker->host);
    return s && !s->end ? s : NULL;
}
static int login_copy(char **to, const ri_host *host, ri_str s)
{
    if (s.len && memchr(s.ptr, 0, s.len)) s.len = 0; /* nobody's */
    *to = s.len ? ri_strdup(host, s.ptr, s.len) : NULL;
    return s.len && !*to ? RILL_ENOMEM : RILL_OK;
}

int ri_nats_login_set(ri_nats_login *login, const ri_host *host, const ri_nats_connect *connect)
{
    ri_nats_login made = {0};
    if (login_copy(&made.user, host, connect->user) < 0 ||
        login_copy(&made.password, host, connect->pass) < 0 ||
        login_copy(&made.token, host, connect->auth_token) < 0 ||
        login_copy(&made.nkey, host, connect->nkey) < 0 ||
        login_copy(&made.jwt, host, connect->jwt) < 0 ||
        login_copy(&made.sig, host, connect->sig) < 0) {
        ri_nats_login_fini(&made, host);
        return RILL_ENOMEM;
    }
    ri_nats_login_fini(login, host);
    *login = made;
    return RILL_OK;
}

void ri_nats_login_fini(ri_nats_login *login, const ri_host *host)
{
    login_free(host, login->user);
    login_free(host, login->password);
    login_free(host, login->token);
    login_free(host, login->nkey);
    login_free(host, login->jwt);
    login_free(host, login->sig);
    *login = (ri_nats_login){0};
}
