/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http/http_login.h"

#ifdef RI_HAVE_CRYPT
#include <crypt.h>
#endif

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/rfc3339.h"
#include "front/broker/failed_login.h"
#include "front/broker/password.h"
#include "front/broker/peer_host.h"
#include "front/http/http_session.h"

enum { HTTP_LOGIN_MAX = RI_HTTP_HEAD_MAX }; /* bytes of what is said: a JWT has some 1000 */

/* ---- What was said ---- */

typedef struct http_words {
    bool bearer;
    ri_str user, password;      /* bearer: the password is the token */
    char room[HTTP_LOGIN_MAX + 4];
} http_words;

static bool http_login_read_basic(ri_str text, http_words *words)
{
    size_t len;
    if (text.len > HTTP_LOGIN_MAX || ri_base64_read(text, words->room, &len) < 0) return false;
    const char *colon = memchr(words->room, ':', len);
    if (!colon || memchr(words->room, 0, len)) return false;
    words->user = (ri_str){words->room, (size_t)(colon - words->room)};
    words->password = (ri_str){colon + 1, len - words->user.len - 1};
    return true;
}

static bool http_login_read(ri_str header, http_words *words)
{
    const char *blank = header.len ? memchr(header.ptr, ' ', header.len) : NULL;
    ri_str scheme = {header.ptr, blank ? (size_t)(blank - header.ptr) : header.len};
    ri_str rest = ri_str_from(header, scheme.len + (blank != NULL));
    words->bearer = ri_str_eq_nocase(scheme, RI_STR("Bearer"));
    words->user = RI_STR_NONE;
    words->password = rest;
    if (words->bearer) return rest.len > 0 && rest.len <= HTTP_LOGIN_MAX;
    return ri_str_eq_nocase(scheme, RI_STR("Basic")) && http_login_read_basic(rest, words);
}

/* ---- What is wanted ---- */

const char *ri_http_login_why_not(const ri_http_server *server)
{
    const ri_broker_conf *conf = &server->broker->conf;
    if (conf->on_login) return "the program decides who comes in, and is not asked over HTTP";
    if (conf->callout) return "a service decides who comes in, and is not asked over HTTP";
    if (conf->trust || conf->token || conf->user || conf->password || conf->access) return NULL;
    return "this broker has no users, and nobody is shown over HTTP what messages say";
}

/* The password or its hash; NULL: it can be nobody. `who`: whom it makes him. */
static const char *http_login_wanted(const ri_broker_conf *conf, const http_words *words,
                                     ri_access_user **who)
{
    uint64_t hash;
    *who = NULL;
    if (words->bearer) return conf->access ? NULL : conf->token;
    if (conf->access) {
        ri_access_user *user = ri_access_find(conf->access, words->user);
        if (!user || ri_access_is_key(user) || ri_access_is_dn(user, &hash)) return NULL;
        *who = user; /* without a password he comes by his certificate, not asked for here */
        return *ri_access_password(user) ? ri_access_password(user) : NULL;
    }
    if (!conf->user && !conf->password) return NULL;
    if (!ri_password_same(ri_str_of(conf->user), words->user)) return NULL;
    return conf->password ? conf->password : "";
}

ri_account *ri_http_login_account(const ri_http_session *s)
{
    const ri_broker *broker = s->server->broker;
    const ri_access_user *who = s->login.who;
    RI_ASSERT(s->login.right);
    if (!who || strcmp(ri_access_account(who), RI_ACCOUNT_GLOBAL) == 0)
        return &s->server->broker->router.global;
    return ri_accounts_find(broker->conf.accounts, ri_access_account(who));
}

/* ---- Verdicts ---- */

static void http_login_digest(ri_str text, uint8_t out[RI_SHA256_LEN])
{
    ri_sha256 sha;
    ri_sha256_init(&sha);
    ri_sha256_add(&sha, text);
    ri_sha256_end(&sha, out);
}

static void http_login_forget(ri_http_login *login)
{
    ri_access_unref(login->access);
    login->access = NULL;
    login->who = NULL;
    login->known = login->right = false;
}

/* Inside the gate. */
static ri_http_verdict http_login_know(ri_http_login *login, ri_access *access, ri_access_user *who,
                                       bool right)
{
    login->known = true;
    login->until_s = INT64_MAX;
    login->right = right;
    if (right) login->access = ri_access_ref(access);
    if (right) login->who = who;
    return right ? RI_HTTP_LOGIN_YES : RI_HTTP_LOGIN_NO;
}

static int64_t http_login_now_s(const ri_http_server *server)
{
    return ri_wall_ns(&server->broker->host) / RI_SEC;
}

ri_http_verdict ri_http_login_look(ri_http_session *s, const ri_http_request *request)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    ri_http_login *login = &s->login;
    uint8_t digest[RI_SHA256_LEN];
    http_words words;
    ri_access_user *who;
    RI_ASSERT(ri_broker_is_entered(s->server->broker) && !login->check);
    if (ri_http_login_why_not(s->server)) return RI_HTTP_LOGIN_NONE;
    http_login_digest(request->login, digest);
    if (login->known && login->epoch == conf->login_epoch &&
        http_login_now_s(s->server) < login->until_s &&
        memcmp(digest, login->digest, sizeof digest) == 0)
        return login->right ? RI_HTTP_LOGIN_YES : RI_HTTP_LOGIN_NO;
    http_login_forget(login);
    memcpy(login->digest, digest, sizeof digest);
    login->epoch = conf->login_epoch;
    if (!http_login_read(request->login, &words)) {
        explicit_bzero(words.room, sizeof words.room);
        return RI_HTTP_LOGIN_NO;
    }
    if (conf->trust) { /* which looks at JWTs alone: nobody guesses one */
        explicit_bzero(words.room, sizeof words.room);
        return RI_HTTP_LOGIN_LATER;
    }
    if (ri_failed_login_holds(s->server->broker, s->peer, words.user)) {
        explicit_bzero(words.room, sizeof words.room);
        return RI_HTTP_LOGIN_HELD;
    }
    const char *want = http_login_wanted(conf, &words, &who);
    bool hashed = want && ri_password_is_hash(ri_str_of(want));
    bool right = want && !hashed && ri_password_same(ri_str_of(want), words.password);
    const ri_guesser guesser = ri_failed_login_guesser(s->peer, words.user);
    explicit_bzero(words.room, sizeof words.room);
#ifdef RI_HAVE_CRYPT
    if (hashed) return RI_HTTP_LOGIN_LATER;
#endif
    if (!right) ri_failed_login_note(s->server->broker, &guesser);
    return http_login_know(login, conf->access, who, right);
}

/* ---- Hashes and JWTs ---- */

typedef struct http_check {
    ri_job job;
    const ri_host *host;
    ri_http_session *session; /* NULL: he has gone. The loop's thread's */
    ri_access *access;        /* a reference: what `who` is of; or NULL */
    ri_access_user *who;
    char want[256];           /* copies */
    char given[HTTP_LOGIN_MAX + 1];
    bool looked, same;
    ri_guesser guesser;       /* whom a failure counts for */
    ri_trust *trust;          /* a reference: that judges what was given; or NULL */
    char peer[RI_PEER_HOST_MAX];
    int64_t until_s;
    atomic_bool gone;         /* nobody waits for it any more: it need not be compared */
    uint32_t *nchecks;        /* server->nchecks */
#ifdef RI_HAVE_CRYPT
    struct crypt_data data;
#endif
} http_check;

/* A visitor signs nothing, so that only a bearer comes in; and his connection is of a kind of its
 * own. Whom a service decides about does not: it is not asked over HTTP. */
static void http_login_judge(http_check *check)
{
    int64_t now_s = ri_wall_ns(check->host) / RI_SEC;
    const ri_trust_case shown = {.jwt = ri_str_of(check->given), .host = check->peer,
                                 .type = "HTTP", .now_s = now_s,
                                 .east_s = ri_rfc3339_east_s(now_s)};
    ri_trust_verdict verdict;
    int rc = ri_trust_judge(check->trust, &shown, &verdict);
    if (rc < 0) return;
    check->same = verdict.why == RI_TRUST_LET_IN && !verdict.asks;
    check->until_s = verdict.until_s;
    check->access = verdict.access;
    if (check->same) check->who = ri_access_first(check->access);
    else ri_host_log(check->host, RILL_WARN, "HTTP %s - refused: %s", check->peer,
                     verdict.asks ? "a service decides about his account's users" : verdict.text);
}

static void http_login_run(ri_job *job)
{
    http_check *check = ri_container_of(job, http_check, job);
    RI_ASSERT(!check->same);
    if (atomic_load(&check->gone)) return;
    check->looked = true;
    if (check->trust) {
        http_login_judge(check);
        return;
    }
#ifdef RI_HAVE_CRYPT
    const char *made = crypt_rn(check->given, check->want, &check->data, (int)sizeof check->data);
    check->same = made && ri_password_same(ri_str_of(check->want), ri_str_of(made));
#endif
}

static void http_login_drop_check(http_check *check)
{
    const ri_host *host = check->host;
    if (check->session) check->session->login.check = NULL;
    ri_access_unref(check->access);
    ri_trust_unref(check->trust);
    RI_ASSERT(*check->nchecks > 0);
    (*check->nchecks)--;
    explicit_bzero(check, sizeof *check);
    ri_delete(host, check);
}

/* Inside the gate: what is to be compared. NULL: there is no memory, or nothing any more. */
static http_check *http_login_new_check(ri_http_session *s, ri_str header)
{
    const ri_broker_conf *conf = &s->server->broker->conf;
    http_words words;
    ri_access_user *who;
    if (s->server->nchecks >= RI_LIMIT_HTTP_VISITORS) return NULL; /* of those who went, too */
    if (!http_login_read(header, &words)) return NULL;
    const char *want = conf->trust ? "" : http_login_wanted(conf, &words, &who);
    http_check *check = want && strlen(want) < sizeof check->want
                            ? ri_new(&s->server->broker->host, http_check) : NULL;
    if (check) {
        check->job.run = http_login_run;
        ri_list_init(&check->job.link);
        check->host = &s->server->broker->host;
        check->session = s;
        check->access = conf->trust ? NULL : ri_access_ref(conf->access);
        check->who = conf->trust ? NULL : who;
        check->trust = ri_trust_ref(conf->trust);
        check->until_s = INT64_MAX;
        ri_peer_address(s->peer, check->peer);
        check->guesser = ri_failed_login_guesser(s->peer, words.user);
        memcpy(check->want, want, strlen(want));
        memcpy(check->given, words.password.ptr, words.password.len);
        check->nchecks = &s->server->nchecks;
        s->server->nchecks++;
        s->login.check = check;
    }
    explicit_bzero(words.room, sizeof words.room);
    return check;
}

static bool http_login_put(ri_http_session *s, ri_str head)
{
    ri_http_server *server = s->server;
    ri_http_request request;
    int status;
    RI_ASSERT(!s->login.check && ri_buffer_size(&s->login.head) == 0);
    ri_buffer_put_str(&s->login.head, head);
    if (s->login.head.failed || ri_http_read(head, &request, &status) < 0) return false;
    ri_http_server_enter(server);
    http_check *check = http_login_new_check(s, request.login);
    ri_http_server_leave(server);
    if (check && ri_worker_put(&server->worker, &check->job) == RILL_OK) return true;
    if (check) http_login_drop_check(check);
    return false;
}

bool ri_http_login_begin(ri_http_session *s, ri_str head)
{
    if (http_login_put(s, head)) return true;
    const ri_host *host = s->login.head.host;
    ri_buffer_fini(&s->login.head); /* or the next request would be read behind it */
    ri_buffer_init(&s->login.head, host);
    s->login.head.secret = true;
    return false;
}

static void http_login_obey(ri_http_login *login, const http_check *check)
{
    http_login_know(login, check->access, check->who, check->same);
    login->until_s = check->until_s;
}

ri_http_session *ri_http_login_next(ri_http_server *server)
{
    for (ri_job *job; (job = ri_worker_done(&server->worker)) != NULL;) {
        http_check *check = ri_container_of(job, http_check, job);
        ri_http_session *s = check->session;
        ri_http_server_enter(server);
        if (s && s->login.epoch == server->broker->conf.login_epoch)
            http_login_obey(&s->login, check);
        if (check->looked && !check->same && !check->trust) /* also of one who has gone */
            ri_failed_login_note(server->broker, &check->guesser);
        ri_http_server_leave(server);
        http_login_drop_check(check);
        if (s) return s;
    }
    return NULL;
}

void ri_http_login_forget_all(ri_http_server *server)
{
    for (ri_job *job; (job = ri_worker_done(&server->worker)) != NULL;)
        http_login_drop_check(ri_container_of(job, http_check, job));
}

void ri_http_login_init(ri_http_login *login, const ri_host *host)
{
    RI_ASSERT(!login->known && !login->check);
    ri_buffer_init(&login->head, host);
    login->head.secret = true;
}

void ri_http_login_fini(ri_http_login *login)
{
    if (login->check) {
        login->check->session = NULL;
        atomic_store(&login->check->gone, true);
    }
    login->check = NULL;
    http_login_forget(login);
    ri_buffer_fini(&login->head);
}

/* ---- Who is he? ---- */

/* {"user":..,"account":..} of one who has logged in; else "why" not. No messages, and always 200,
 * so that a page can ask. */
static void http_login_who(ri_http_answer *a, const ri_http_request *request)
{
    ri_http_session *s = a->session;
    ri_page_json j;
    ri_http_server_enter(a->server);
    const char *why = ri_http_login_why_not(a->server);
    bool right = s->login.right && request->login.len > 0 && !request->foreign && !why;
    const ri_access_user *who = right ? s->login.who : NULL;
    ri_http_answer_json(a, &j, true);
    ri_page_json_bool(&j, "login", right);
    if (who) ri_page_json_text(&j, "user", ri_access_name(who));
    if (right) ri_page_json_text(&j, "account", who ? ri_access_account(who) : RI_ACCOUNT_GLOBAL);
    ri_page_json_text(&j, "why", why);
    ri_page_json_close(&j, '}');
    ri_http_server_leave(a->server);
}

const ri_http_route ri_http_who_route = {.path = "/who", .asks = true, .begin = http_login_who};

/* A browser asks for the password here, and has it for all that follows. */
static void http_login_ask(ri_http_answer *a, const ri_http_request *request)
{
    (void)request;
    a->status = 303;
    a->location = "./";
}

const ri_http_route ri_http_login_route = {
    .path = "/login", .guarded = true, .begin = http_login_ask};
