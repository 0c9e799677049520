/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that a service on the bus decides about, over pipes and in a time that the test says: who
 * comes and waits, who goes meanwhile, answers that are late, large, or none. */
#include <stdio.h>

#include "base/error.h"
#include "front/nats/nats_session.h"
#include "support/fault.h"
#include "support/mint.h"
#include "support/pipe.h"
#include "support/suite.h"

#ifdef RI_HAVE_SODIUM

#define NOW 2000
#define VIOLATION "-ERR 'Authorization Violation'"

enum { TURNS = 40, ROOM = 16384, CROWD = 700 };

typedef struct guest {
    pipe_pair p;
    char out[ROOM]; /* what it has heard */
    size_t len;
    bool here;
} guest;

typedef struct hall {
    fault *f;
    ri_broker *broker;
    ri_nats_server *server;
    guest service, joe, eve;
    char user[RI_NKEY_LEN + 1], reply[100]; /* of what was asked last */
} hall;

static const rill_user auth = {.size = sizeof auth, .user = "auth", .password = "a",
                               .account = "AUTH"};
static const rill_user *const users[] = {&auth};
static const rill_account app = {.size = sizeof app, .name = "APP"},
    own = {.size = sizeof own, .name = "AUTH"};
static const rill_account *const accounts[] = {&app, &own};
static const char *const service_names[] = {"auth"};

static rill_broker_opts hall_opts(const hall *h)
{
    return (rill_broker_opts){.size = sizeof(rill_broker_opts), .host = &h->f->hooks,
                              .users = users, .nusers = 1, .accounts = accounts, .naccounts = 2,
                              .max_msg_bytes = 2 << 20, .callout_issuer = MINT_ACCOUNT,
                              .callout_account = "AUTH", .callout_users = service_names,
                              .ncallout_users = 1};
}

static int hall_open(hall *h, fault *f)
{
    *h = (hall){.f = f};
    f->now_ns = NOW * RI_SEC;
    const rill_broker_opts opts = hall_opts(h);
    int rc = ri_broker_new(&h->broker, &opts);
    if (rc < 0) return rc;
    ri_broker_enter(h->broker);
    rc = ri_nats_server_make(&h->server, h->broker);
    if (rc == RILL_OK) h->server->worker.here = true;
    ri_broker_leave(h->broker);
    return rc;
}

static void guest_end(guest *g)
{
    if (g->here) pipe_fini(&g->p);
    g->here = false;
}

static void hall_close(hall *h)
{
    if (h->server) {
        ri_broker_enter(h->broker);
        ri_nats_door.end(&h->server->door, 0);
        ri_broker_leave(h->broker);
        ri_nats_door.close(&h->server->door);
    }
    if (h->broker) {
        ri_broker_close(h->broker, 0);
        ri_broker_unref(h->broker);
    }
    guest_end(&h->service);
    guest_end(&h->joe);
    guest_end(&h->eve);
}

static void turn(hall *h)
{
    for (int i = 0; i < TURNS; i++) ri_loop_turn(&h->server->loop);
}

static void later(hall *h, int64_t ms)
{
    h->f->now_ns += ms * RI_MS;
    turn(h);
}

/* What it has heard since the last time; lent until then. */
static const char *heard(guest *g)
{
    g->len = pipe_get(&g->p.end[1], g->out, ROOM - 1);
    g->out[g->len] = 0;
    return g->out;
}

/* As long as it is listened to. */
static void say(hall *h, guest *g, const char *text)
{
    size_t len = strlen(text);
    for (size_t n; (n = pipe_put(&g->p.end[1], text, len)) > 0; text += n, len -= n) turn(h);
    turn(h);
}

static int come(hall *h, guest *g, const char *peer, const char *connect)
{
    pipe_init(&g->p);
    g->here = true;
    int rc = ri_nats_server_accept(h->server, &g->p.end[0].wire, peer);
    if (rc < 0) return rc;
    turn(h);
    heard(g);
    say(h, g, connect);
    return RILL_OK;
}

static int listen_to(hall *h)
{
    return come(h, &h->service, "10.0.0.1:1", "CONNECT {\"verbose\":false,\"user\":\"auth\","
                "\"pass\":\"a\"}\r\nSUB $SYS.REQ.USER.AUTH 1\r\nPING\r\n");
}

static int ask(hall *h, guest *g, const char *peer)
{
    return come(h, g, peer, "CONNECT {\"verbose\":false,\"user\":\"joe\"}\r\nPING\r\n");
}

/* The service has heard a request, of several the last one: whose key is to be in the answer, and
 * where that goes. */
static bool asked(hall *h)
{
    ri_arena arena;
    ri_jwt jwt;
    ri_str user;
    static const char line[] = "MSG $SYS.REQ.USER.AUTH 1 ";
    const char *text = strstr(heard(&h->service), line);
    for (const char *next; text && (next = strstr(text + 1, line)) != NULL;) text = next;
    if (!text || sscanf(text, "MSG %*s 1 %99s", h->reply) != 1) return false;
    const char *body = strstr(text, "\r\n") + 2, *end = strstr(body, "\r\n");
    ri_arena_init(&arena, &h->f->host);
    bool good = ri_jwt_read(&jwt, (ri_str){body, (size_t)(end - body)}, &arena) == RILL_OK &&
                ri_jwt_string(ri_json_get(jwt.nats, "user_nkey"), &arena, &user) == RILL_OK;
    if (good) snprintf(h->user, sizeof h->user, "%s", user.ptr);
    ri_arena_fini(&arena);
    return good;
}

static void answer(hall *h, const char *text)
{
    char line[200];
    snprintf(line, sizeof line, "PUB %s %zu\r\n", h->reply, strlen(text));
    say(h, &h->service, line);
    say(h, &h->service, text);
    say(h, &h->service, "\r\n");
}

static void let_in(hall *h, const char *head)
{
    char nats[4096], to[200];
    const char *jwt = mint(MINT_ACCOUNT_SEED, "user", h->user, head, "\"subs\":-1");
    snprintf(nats, sizeof nats, "\"jwt\":\"%s\"", jwt);
    snprintf(to, sizeof to, "\"aud\":\"%s\"", h->broker->keys.id);
    answer(h, mint(MINT_ACCOUNT_SEED, "authorization_response", h->user, to, nats));
}

static void open_both(hall *h, fault *f)
{
    fault_init(f);
    ck_assert_ok(hall_open(h, f));
    ck_assert_ok(listen_to(h));
    ck_assert_str_eq(heard(&h->service), "PONG\r\n");
    ck_assert_ok(ask(h, &h->joe, "10.0.0.7:1"));
    ck_assert(asked(h));
}

static void close_both(hall *h, fault *f)
{
    hall_close(h);
    fault_fini(f);
}

START_TEST(he_waits_and_comes_in)
{
    fault f;
    hall h;
    open_both(&h, &f);
    ck_assert_str_eq(heard(&h.joe), "");
    say(&h, &h.joe, "SUB a 1\r\nPUB a 1\r\nx\r\n"); /* he is not read yet */
    later(&h, 1900);
    ck_assert_str_eq(heard(&h.joe), "");
    let_in(&h, "\"aud\":\"APP\"");
    ck_assert_str_eq(heard(&h.joe), "PONG\r\nMSG a 1 1\r\nx\r\n");
    let_in(&h, "\"aud\":\"APP\""); /* a second answer is nobody's */
    later(&h, 10000);
    say(&h, &h.joe, "PING\r\n");
    ck_assert_ptr_nonnull(strstr(heard(&h.joe), "PONG"));
    ck_assert_uint_eq(h.server->nasking, 0);
    close_both(&h, &f);
}
END_TEST

START_TEST(nobody_answers)
{
    fault f;
    hall h;
    open_both(&h, &f);
    later(&h, 1999);
    ck_assert_str_eq(heard(&h.joe), "");
    later(&h, 1);
    ck_assert_str_eq(heard(&h.joe), "-ERR 'Authentication Timeout'\r\n");
    later(&h, 100);
    ck_assert(h.joe.p.end[0].closed);
    let_in(&h, "\"aud\":\"APP\"");
    ck_assert_uint_eq(h.server->nasking + h.server->callouts.len, 0);
    ck_assert_uint_eq(h.server->nsessions, 1);
    close_both(&h, &f);
}
END_TEST

/* He goes, and is missed when the answer comes; his is not the answer of who comes then. */
START_TEST(he_goes_meanwhile)
{
    fault f;
    hall h;
    char user[RI_NKEY_LEN + 1], reply[100];
    open_both(&h, &f);
    memcpy(user, h.user, sizeof user);
    memcpy(reply, h.reply, sizeof reply);
    h.joe.p.end[1].wire.ops->close(&h.joe.p.end[1].wire);
    turn(&h);
    ck_assert_ok(ask(&h, &h.eve, "10.0.0.8:1"));
    ck_assert(asked(&h));
    ck_assert_str_ne(h.user, user);
    ck_assert_str_ne(h.reply, reply);
    memcpy(h.user, user, sizeof user);
    let_in(&h, "\"aud\":\"APP\""); /* joe's answer, to what was asked about eve */
    ck_assert_str_eq(heard(&h.eve), VIOLATION "\r\n");
    close_both(&h, &f);
}
END_TEST

START_TEST(his_time_is_over)
{
    fault f;
    hall h;
    open_both(&h, &f);
    let_in(&h, "\"aud\":\"APP\",\"exp\":2060");
    ck_assert_str_eq(heard(&h.joe), "PONG\r\n");
    later(&h, 59000);
    ck_assert_ptr_null(strstr(heard(&h.joe), "-ERR"));
    later(&h, 1000);
    ck_assert_ptr_nonnull(strstr(heard(&h.joe), "-ERR 'User Authentication Expired'"));
    close_both(&h, &f);
}
END_TEST

static void reload_at_once(hall *h, const char *const *callout_accounts)
{
    rill_broker_opts opts = hall_opts(h);
    opts.callout_accounts = callout_accounts;
    opts.ncallout_accounts = callout_accounts ? 1 : 0;
    ck_assert_ok(ri_broker_reload(h->broker, &opts));
    ri_broker_enter(h->broker);
    ri_nats_door.reload(&h->server->door); /* it is not in the broker's list */
    ri_broker_leave(h->broker);
}

static void reload(hall *h, const char *const *callout_accounts)
{
    reload_at_once(h, callout_accounts);
    turn(h);
}

/* Who is in is asked about anew, goes on meanwhile, and has to be let in again. */
START_TEST(a_reload)
{
    static const char *const some[] = {"APP"};
    fault f;
    hall h;
    open_both(&h, &f);
    let_in(&h, "\"aud\":\"APP\"");
    reload(&h, NULL);
    ck_assert(!asked(&h)); /* nothing is another */
    reload(&h, some);
    ck_assert(asked(&h));
    heard(&h.joe);
    say(&h, &h.joe, "PING\r\n");
    ck_assert_ptr_nonnull(strstr(heard(&h.joe), "PONG\r\n"));
    let_in(&h, "\"aud\":\"APP\"");
    reload(&h, NULL);
    ck_assert(asked(&h));
    later(&h, 1999);
    ck_assert_ptr_null(strstr(heard(&h.joe), "-ERR"));
    later(&h, 1);
    ck_assert_str_eq(heard(&h.joe), VIOLATION "\r\n");
    close_both(&h, &f);
}
END_TEST

/* What was asked before a reload is asked again behind it. */
START_TEST(a_reload_while_he_waits)
{
    static const char *const some[] = {"APP"};
    fault f;
    hall h;
    open_both(&h, &f);
    reload(&h, some);
    let_in(&h, "\"aud\":\"APP\"");
    ck_assert(asked(&h));
    ck_assert_str_eq(heard(&h.joe), "");
    let_in(&h, "\"aud\":\"APP\"");
    ck_assert_str_eq(heard(&h.joe), "PONG\r\n");
    close_both(&h, &f);
}
END_TEST

/* Who is in waits for a place, for the worker, for what it makes, or for the answer when the next
 * reload comes: he is asked about anew, once, and what was made for the last one is nobody's. */
START_TEST(a_reload_upon_a_reload)
{
    static const char *const some[] = {"APP"};
    for (int turns = 0; turns < 8; turns++) {
        fault f;
        hall h;
        open_both(&h, &f);
        let_in(&h, "\"aud\":\"APP\"");
        heard(&h.joe);
        reload_at_once(&h, some);
        for (int i = 0; i < turns; i++) ri_loop_turn(&h.server->loop);
        reload(&h, NULL);
        ck_assert(asked(&h));
        ck_assert_uint_eq(h.server->nasking, 1);
        ck_assert_uint_eq(h.server->callouts.len, 1);
        let_in(&h, "\"aud\":\"APP\"");
        later(&h, 2000);
        ck_assert_uint_eq(h.server->nasking + h.server->callouts.len, 0);
        say(&h, &h.joe, "PING\r\n");
        ck_assert_ptr_nonnull(strstr(heard(&h.joe), "PONG\r\n"));
        ck_assert(!h.joe.p.end[0].closed);
        close_both(&h, &f);
    }
}
END_TEST

START_TEST(an_answer_that_is_too_large)
{
    fault f;
    hall h;
    static char large[RI_CALLOUT_ANSWER_MAX + 2];
    open_both(&h, &f);
    memset(large, 'e', sizeof large - 1);
    answer(&h, large);
    ck_assert_str_eq(heard(&h.joe), VIOLATION "\r\n");
    ck_assert_uint_eq(ri_memory_used(&h.broker->router.memory, RI_MEMORY_WORK), 0);
    close_both(&h, &f);
}
END_TEST

/* One host has as many places as are left for others, however many come from it. */
START_TEST(many_of_one_host)
{
    fault f;
    hall h;
    static guest crowd[CROWD];
    open_both(&h, &f);
    size_t asked_about = 1;
    for (size_t i = 0; i < CROWD; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "10.0.0.7:%zu", i + 2);
        ck_assert_ok(ask(&h, &crowd[i], peer));
        asked_about += asked(&h);
    }
    ck_assert_uint_eq(asked_about, RI_LOGINS_OPEN / 2);
    ck_assert_ok(ask(&h, &h.eve, "10.0.0.8:1"));
    ck_assert(asked(&h));
    let_in(&h, "\"aud\":\"APP\"");
    ck_assert_str_eq(heard(&h.eve), "PONG\r\n");
    hall_close(&h);
    for (size_t i = 0; i < CROWD; i++) guest_end(&crowd[i]);
    fault_fini(&f);
}
END_TEST

/* It closes while somebody waits: at the service, and at the worker. */
START_TEST(the_door_closes)
{
    fault f;
    hall h;
    open_both(&h, &f);
    close_both(&h, &f);
}
END_TEST

static int whole(fault *f, void *arg)
{
    hall *h = arg;
    int rc = hall_open(h, f);
    if (rc == RILL_OK) rc = listen_to(h);
    if (rc == RILL_OK) rc = ask(h, &h->joe, "10.0.0.7:1");
    if (rc == RILL_OK && asked(h)) let_in(h, "\"aud\":\"APP\",\"exp\":2060");
    if (rc == RILL_OK && !strstr(heard(&h->joe), "PONG")) rc = RILL_ENOMEM;
    hall_close(h);
    return rc;
}

START_TEST(every_allocation_fails_once)
{
    static hall h;
    ck_assert_uint_gt(fault_each(whole, &h), 50);
}
END_TEST

SUITE_MAIN("nats_callout", he_waits_and_comes_in, nobody_answers, he_goes_meanwhile,
           his_time_is_over, a_reload, a_reload_while_he_waits, a_reload_upon_a_reload,
           an_answer_that_is_too_large, many_of_one_host, the_door_closes,
           every_allocation_fails_once)

#else

START_TEST(there_is_no_libsodium)
{
    ck_assert_rc(ri_nkey_check_user(RI_STR("U")), RILL_ENOTSUP);
}
END_TEST

SUITE_MAIN("nats_callout", there_is_no_libsodium)

#endif
