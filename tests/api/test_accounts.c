/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts of a broker, as a program configures them: who is where, what each is told of it, and
 * what a reload does. */
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "support/peer.h"
#include "support/scratch.h"

#define ROWS(...) ((const rill_account *const[]){__VA_ARGS__})
#define ACCOUNT(...) (&(const rill_account){.size = sizeof(rill_account), __VA_ARGS__})
#define USER(...) (&(const rill_user){.size = sizeof(rill_user), __VA_ARGS__})
#define CONNECT(user) "CONNECT {\"verbose\":false,\"protocol\":1,\"user\":\"" user \
                      "\",\"pass\":\"p\"}\r\nPING\r\n"

enum { WAIT_MS = 20000, MANY = 1000, CROWD = 8, ROUNDS = 20 };

static rill_broker *broker;
static int port;

static void serve(const rill_broker_opts *opts)
{
    OK(rill_broker_open(&broker, opts));
    OK(port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
}

/* In, and in that account. */
static void enter(peer *p, const char *connect, const char *account)
{
    char want[100];
    peer_visit(p, port);
    peer_hear(p, "\r\n");
    peer_send(p, connect);
    peer_expect(p, "PONG");
    snprintf(want, sizeof want, "\"remote_account\":\"%s\"", account);
    ck_assert(peer_hear(p, want));
    ck_assert(peer_hear(p, "\r\n"));
}

static void hears(peer *p, const char *subject, const char *data)
{
    char want[100];
    snprintf(want, sizeof want, "MSG %s 1 %zu", subject, strlen(data));
    peer_expect(p, want);
    peer_expect(p, data);
}

typedef struct listing {
    char text[200];
} listing;

static int list(const rill_conn_info *info, void *arg)
{
    listing *l = arg;
    size_t len = strlen(l->text);
    snprintf(l->text + len, sizeof l->text - len, "%s@%s ", info->user, info->account);
    return 0;
}

static void decide(const rill_login *login, void *arg)
{
    rill_user as = {.size = sizeof as, .user = login->user, .account = login->password};
    (void)arg;
    OK(rill_login_answer(login, &as, NULL));
}

START_TEST(each_hears_its_own)
{
    const rill_user *users[] = {USER(.user = "a", .password = "p", .account = "A"),
                                USER(.user = "b", .password = "p", .account = "B"),
                                USER(.user = "g", .password = "p")};
    const rill_broker_opts opts = {.size = sizeof opts, .users = users, .nusers = 3,
                                   .accounts = ROWS(ACCOUNT(.name = "A"), ACCOUNT(.name = "B")),
                                   .naccounts = 2};
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    peer a, b, g;
    listing l = {""};
    serve(&opts);
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_subscribe(bus, &sub, ">", NULL));
    enter(&a, CONNECT("a"), "A");
    enter(&b, CONNECT("b"), "B");
    enter(&g, CONNECT("g"), "$G");
    OK(rill_broker_conns(broker, NULL, list, &l));
    ck_assert_str_eq(l.text, "a@A b@B g@$G ");
    peer_send(&a, "SUB > 1\r\nPING\r\n");
    peer_expect(&a, "PONG");
    peer_send(&b, "SUB > 1\r\nPUB x 1\r\n1\r\n");
    hears(&b, "x", "1");
    peer_send(&g, "PUB y 1\r\n2\r\n");
    OK(rill_next(sub, &m, WAIT_MS));
    ck_assert(memcmp(m->subject.ptr, "y", 1) == 0);
    OK(rill_publish(bus, "z", "3", 1, NULL));
    peer_sync(&a);
    peer_sync(&b);
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(broker, &stats));
    ck_assert_uint_eq(stats.subs, 3);
    close(a.fd);
    close(b.fd);
    close(g.fd);
    rill_sub_close(sub);
    OK(rill_close(bus, WAIT_MS));
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

/* The program names the account; one that is not there lets nobody in. */
START_TEST(the_program_decides)
{
    rill_broker_opts opts = {.size = sizeof opts, .on_login = decide,
                             .accounts = ROWS(ACCOUNT(.name = "A")), .naccounts = 1};
    peer p;
    serve(&opts);
    peer in;
    enter(&in, "CONNECT {\"verbose\":false,\"protocol\":1,\"user\":\"u\",\"pass\":\"A\"}\r\n"
               "PING\r\n", "A");
    peer_visit(&p, port);
    peer_hear(&p, "\r\n");
    peer_send(&p, "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"X\"}\r\n");
    peer_expect(&p, "-ERR 'Authorization Violation'");
    peer_expect_end(&p);
    close(p.fd);
    opts.accounts = NULL; /* it is configured no more: who is in it is asked about again */
    opts.naccounts = 0;
    OK(rill_broker_reload(broker, &opts));
    peer_expect(&in, "-ERR 'Authorization Violation'");
    peer_expect_end(&in);
    close(in.fd);
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

START_TEST(refused)
{
    const rill_user *user = USER(.user = "u", .account = "X");
    rill_bus *bus;
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = &user, .nusers = 1)),
          RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "there is no account \"X\""));
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .naccounts = 1)), RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .naccounts = 5000)), RILL_ETOOBIG);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .naccounts = 1,
                                              .accounts = ROWS(ACCOUNT(.name = "A",
                                                                       .reserved = {true})))),
          RILL_EINVAL);
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .naccounts = 1,
                                           .accounts = ROWS(ACCOUNT(.name = "A")))));
    FAILS(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .identity = USER(.user = "u",
                                                                              .account = "B"))),
          RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "identity: there is no account \"B\""));
    OK(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .identity = USER(.user = "u",
                                                                           .account = "$G"))));
    OK(rill_close(bus, WAIT_MS));
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

static int said(rill_sub *sub, char *out)
{
    const rill_msg *m;
    int rc = rill_next(sub, &m, WAIT_MS);
    if (rc == RILL_OK) snprintf(out, 16, "%.*s", RILL_ARG(m->data));
    return rc;
}

/* A bus of the process hears and is heard there, and nowhere else. */
START_TEST(a_bus_within)
{
    static const char *const deny[] = {"secret"};
    const rill_user *users = USER(.user = "a", .password = "p", .account = "A");
    rill_broker_opts opts = {.size = sizeof opts, .users = &users, .nusers = 1, .naccounts = 1,
                             .accounts = ROWS(ACCOUNT(.name = "A"))};
    rill_bus *in, *out;
    rill_sub *inside, *outside;
    peer a;
    char text[16];
    serve(&opts);
    enter(&a, CONNECT("a"), "A");
    OK(rill_broker_bus(broker, &out, NULL));
    OK(rill_broker_bus(broker, &in, RILL_OPTS(rill_opts, .identity = USER(
        .user = "own", .account = "A", .publish_deny = deny, .npublish_deny = 1))));
    ck_assert_uint_eq(rill_caps(in), RILL_CAN_REQUEST);
    OK(rill_subscribe(in, &inside, "x", NULL));
    OK(rill_subscribe(out, &outside, "x", NULL));
    peer_send(&a, "SUB y 1\r\nPUB x 1\r\n1\r\nPING\r\n");
    peer_expect(&a, "PONG");
    OK(said(inside, text));
    ck_assert_str_eq(text, "1");
    OK(rill_publish(out, "y", "no", 2, NULL));
    OK(rill_publish(in, "y", "2", 1, NULL));
    peer_expect(&a, "MSG y 1 1");
    peer_expect(&a, "2");
    FAILS(rill_publish(in, "secret", "3", 1, NULL), RILL_EAUTH);
    FAILS(rill_append(in, "x", "4", 1, NULL, NULL, WAIT_MS), RILL_ENOTSUP);
    FAILS(rill_stream_delete(in, "S"), RILL_ENOTSUP);
    opts.users = NULL; /* the account goes, and it stays */
    opts.nusers = 0;
    opts.accounts = NULL;
    opts.naccounts = 0;
    OK(rill_broker_reload(broker, &opts));
    OK(rill_publish(in, "x", "5", 1, NULL));
    OK(said(inside, text));
    ck_assert_str_eq(text, "5");
    const rill_msg *m;
    FAILS(rill_next(outside, &m, 0), RILL_EAGAIN);
    rill_sub_close(inside);
    rill_sub_close(outside);
    OK(rill_close(in, WAIT_MS));
    OK(rill_close(out, WAIT_MS));
    close(a.fd);
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

/* One that is flooded with subscriptions, messages and connections is no matter of another's. */
START_TEST(one_is_full)
{
    const rill_user *users[] = {USER(.user = "a", .password = "p", .account = "A"),
                                USER(.user = "b", .password = "p", .account = "B")};
    const rill_broker_opts opts = {
        .size = sizeof opts, .users = users, .nusers = 2, .naccounts = 2,
        .accounts = ROWS(ACCOUNT(.name = "A", .max_conns = 2, .max_subs = 100,
                                 .max_msg_bytes = 10), ACCOUNT(.name = "B"))};
    peer a, b, third;
    char line[40];
    serve(&opts);
    enter(&b, CONNECT("b"), "B");
    enter(&a, CONNECT("a"), "A");
    peer_send(&b, "SUB x 1\r\n");
    for (int i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "SUB x %d\r\n", i);
        peer_send(&a, line);
    }
    for (int i = 100; i < MANY; i++) peer_expect(&a, "-ERR 'maximum subscriptions exceeded'");
    peer more;
    enter(&more, CONNECT("a"), "A");
    peer_visit(&third, port);
    peer_hear(&third, "\r\n");
    peer_send(&third, CONNECT("a"));
    peer_expect(&third, "-ERR 'maximum account active connections exceeded'");
    peer_send(&a, "PUB x 11\r\n");
    while (strcmp(peer_line(&a), "-ERR 'Maximum Payload Violation'") != 0) {}
    peer_send(&b, "PUB x 11\r\n12345678901\r\n");
    hears(&b, "x", "12345678901");
    peer_sync(&b);
    close(a.fd);
    close(b.fd);
    close(more.fd);
    close(third.fd);
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

/* Reloads take an account away while those who are in it go, and bring it back. */
START_TEST(one_comes_and_goes)
{
    const rill_user *users[] = {USER(.user = "b", .password = "p", .account = "B"),
                                USER(.user = "a", .password = "p", .account = "A")};
    rill_broker_opts both = {
        .size = sizeof both, .users = users, .nusers = 2, .naccounts = 2,
        .accounts = ROWS(ACCOUNT(.name = "B"), ACCOUNT(.name = "A"))};
    rill_broker_opts one = both;
    peer b, in[CROWD];
    one.nusers = one.naccounts = 1;
    serve(&both);
    enter(&b, CONNECT("b"), "B");
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CROWD; i++) {
            enter(&in[i], CONNECT("a"), "A");
            peer_send(&in[i], "SUB x 1\r\nSUB y 2\r\n");
            peer_sync(&in[i]);
        }
        OK(rill_broker_reload(broker, &one));
        for (int i = 0; i < CROWD; i++) {
            peer_expect(&in[i], "-ERR 'Authorization Violation'");
            peer_expect_end(&in[i]);
            close(in[i].fd);
        }
        OK(rill_broker_reload(broker, &both));
    }
    listing l = {""};
    OK(rill_broker_conns(broker, NULL, list, &l));
    ck_assert_str_eq(l.text, "b@B ");
    peer_sync(&b);
    close(b.fd);
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

/* ---- Streams ---- */

static const rill_user *const storers[] = {USER(.user = "a", .password = "p", .account = "A"),
                                           USER(.user = "b", .password = "p", .account = "B")};

static const rill_account *const stores[] = {
    ACCOUNT(.name = "A", .jetstream = true),
    ACCOUNT(.name = "B", .jetstream = true, .max_store_bytes = 1 << 20)};

static rill_broker_opts stored(const char *dir)
{
    return (rill_broker_opts){.size = sizeof(rill_broker_opts), .dir = dir, .jetstream = true,
                              .users = storers, .nusers = 2, .accounts = stores, .naccounts = 2};
}

/* The answer to one request has this word in it. */
static void answers(peer *p, const char *subject, const char *body, const char *word)
{
    char line[400];
    snprintf(line, sizeof line, "PUB %s in %zu\r\n%s\r\n", subject, strlen(body), body);
    peer_send(p, line);
    const char *head = peer_line(p);
    ck_assert_msg(strncmp(head, "MSG in 1 ", 9) == 0, "%s", head);
    const char *answer = peer_line(p);
    ck_assert_msg(strstr(answer, word) != NULL, "%s has no %s", answer, word);
}

static void ear(peer *p, const char *connect, const char *account)
{
    enter(p, connect, account);
    peer_send(p, "SUB in 1\r\n");
}

/* Looped: in memory, and on disk, where all is there again, also in a copy. */
START_TEST(streams_of_each)
{
    char base[SCRATCH_LEN], dir[SCRATCH_LEN + 10], copy[SCRATCH_LEN + 10];
    scratch_make(base);
    snprintf(dir, sizeof dir, "%s/store", base);
    snprintf(copy, sizeof copy, "%s/copy", base);
    rill_broker_opts opts = stored(_i ? dir : NULL);
    const char *create = _i ? "{\"name\":\"S\",\"subjects\":[\"s.>\"]}"
                            : "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"storage\":\"memory\"}";
    peer a, b;
    rill_bus *bus;
    serve(&opts);
    ear(&a, CONNECT("a"), "A");
    ear(&b, CONNECT("b"), "B");
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    answers(&a, "$JS.API.STREAM.CREATE.S", create, "did_create");
    answers(&b, "$JS.API.STREAM.CREATE.S", create, "did_create");
    answers(&a, "s.x", "1", "\"seq\":1");
    answers(&a, "s.x", "2", "\"seq\":2");
    answers(&b, "s.x", "1", "\"seq\":1");
    answers(&b, "$JS.API.INFO", "", _i ? "\"max_storage\":1048576" : "\"streams\":1");
    rill_broker_opts other = opts;
    other.accounts = ROWS(ACCOUNT(.name = "A"), ACCOUNT(.name = "B", .jetstream = true));
    FAILS(rill_broker_reload(broker, &other), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "account \"A\": a reload cannot change"));
    OK(rill_broker_reload(broker, &opts));
    if (_i) OK(rill_store_snapshot(bus, copy));
    answers(&a, "s.x", "3", "\"seq\":3");
    close(a.fd);
    close(b.fd);
    OK(rill_close(bus, WAIT_MS));
    OK(rill_broker_close(broker, WAIT_MS));
    const char *const again[] = {dir, copy};
    for (int i = 0; _i && i < 2; i++) {
        opts.dir = again[i];
        serve(&opts);
        ear(&a, CONNECT("a"), "A");
        ear(&b, CONNECT("b"), "B");
        answers(&a, "$JS.API.STREAM.INFO.S", "", i ? "\"messages\":2," : "\"messages\":3,");
        answers(&b, "$JS.API.STREAM.INFO.S", "", "\"messages\":1,");
        close(a.fd);
        close(b.fd);
        OK(rill_broker_close(broker, WAIT_MS));
    }
    scratch_remove(base);
}
END_TEST

static void on_log(void *arg, rill_level level, const char *text)
{
    bool counts = level == RILL_ERROR && strstr(text, "account \"A\": ");
    if (counts) atomic_fetch_add((atomic_int *)arg, 1);
}

/* What is stored of A cannot be opened: the broker starts, says so once by its name, and answers
 * A's clients; B has its streams, and all is as before when what was in the way is gone. */
START_TEST(one_cannot_be_opened)
{
    enum { PATH = SCRATCH_LEN + 16 };
    char dir[SCRATCH_LEN], all[PATH], in_the_way[PATH];
    atomic_int told = 0;
    const rill_host host = {.size = sizeof host, .log = on_log, .arg = &told};
    scratch_make(dir);
    snprintf(all, sizeof all, "%s/accounts", dir);
    snprintf(in_the_way, sizeof in_the_way, "%s/accounts/A", dir);
    ck_assert_int_eq(mkdir(all, 0700), 0);
    FILE *file = fopen(in_the_way, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fclose(file), 0);
    rill_broker_opts opts = stored(dir);
    const rill_user *users[] = {storers[0], storers[1],
                                USER(.user = "s", .password = "p", .account = "S")};
    const rill_account *accounts[] = {stores[0], stores[1], ACCOUNT(.name = "S")};
    opts.users = users;
    opts.accounts = accounts;
    opts.nusers = opts.naccounts = 3;
    opts.system_account = "S";
    opts.host = &host;
    for (int round = 0; round < 2; round++) {
        const char *create = "{\"name\":\"S\",\"subjects\":[\"s.>\"]}";
        peer a, b, system;
        serve(&opts);
        ck_assert_int_eq(atomic_load(&told), 1);
        ear(&a, CONNECT("a"), "A");
        ear(&b, CONNECT("b"), "B");
        ear(&system, CONNECT("s"), "S");
        answers(&system, "$SYS.REQ.SERVER.PING.HEALTHZ", "", round ? "code\":200" : "code\":503");
        answers(&a, "$JS.API.STREAM.CREATE.S", create, round ? "did_create" : "\"err_code\":10039");
        answers(&b, "$JS.API.STREAM.CREATE.S", create, "\"name\":\"S\"");
        OK(rill_broker_reload(broker, &opts)); /* changes nothing in this */
        answers(&a, "$JS.API.INFO", "", round ? "\"streams\":1" : "\"err_code\":10039");
        close(a.fd);
        close(b.fd);
        close(system.fd);
        OK(rill_broker_close(broker, WAIT_MS));
        if (!round) ck_assert_int_eq(unlink(in_the_way), 0);
    }
    scratch_remove(dir);
}
END_TEST

/* Who asks in one account, goes to another and asks there, all in one write, is answered in both:
 * in each by its own streams. The system's account has streams, too, and is answered once. */
START_TEST(who_moves_is_answered_in_each)
{
    enum { TIMES = 50 };
    static const char both[] = CONNECT("a") "PUB $JS.API.INFO ra 0\r\n\r\n"
                               CONNECT("b") "PUB $JS.API.INFO rb 0\r\n\r\n";
    const rill_user *users[] = {USER(.user = "a", .password = "p", .account = "A"),
                                USER(.user = "b", .password = "p", .account = "B"),
                                USER(.user = "s", .password = "p", .account = "S")};
    const rill_broker_opts opts = {.size = sizeof opts, .users = users, .nusers = 3,
                                   .jetstream = true, .system_account = "S",
                                   .accounts = ROWS(ACCOUNT(.name = "A", .jetstream = true),
                                                    ACCOUNT(.name = "B", .jetstream = true),
                                                    ACCOUNT(.name = "S", .jetstream = true)),
                                   .naccounts = 3};
    peer a, b, s, mover;
    serve(&opts);
    enter(&a, CONNECT("a"), "A");
    enter(&b, CONNECT("b"), "B");
    enter(&s, CONNECT("s"), "S");
    peer_send(&a, "SUB ra 1\r\n");
    peer_send(&b, "SUB rb 1\r\n");
    peer_send(&s, "SUB rs 1\r\n");
    peer_sync(&a);
    peer_sync(&b);
    peer_sync(&s);
    for (int i = 0; i < TIMES; i++) {
        peer_visit(&mover, port);
        peer_send(&mover, both);
        ck_assert(peer_hear(&a, "MSG ra 1 "));
        ck_assert(peer_hear(&a, "\"type\":\"io.nats.jetstream.api.v1.account_info_response\""));
        ck_assert(peer_hear(&b, "MSG rb 1 "));
        ck_assert(peer_hear(&b, "\"type\":\"io.nats.jetstream.api.v1.account_info_response\""));
        close(mover.fd);
    }
    peer_send(&s, "PUB $JS.API.INFO rs 0\r\n\r\nPUB $SYS.REQ.USER.INFO rs 0\r\n\r\n"
                  "PUB $SYS.REQ.SERVER.PING.IDZ rs 0\r\n\r\n");
    for (int i = 0; i < 3; i++) ck_assert(peer_hear(&s, "MSG rs 1 "));
    for (int i = 0; i < 2; i++) ck_assert(peer_hear(&s, "\r\n")); /* a head, and what it says */
    peer_sync(&s);
    close(a.fd);
    close(b.fd);
    close(s.fd);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

#define EXPORT(...) (&(const rill_export){.size = sizeof(rill_export), __VA_ARGS__})
#define IMPORT(...) (&(const rill_import){.size = sizeof(rill_import), __VA_ARGS__})

enum { FLOOD = 20000 };

static const rill_export *const exports[] = {
    EXPORT(.subject = "s.>"), EXPORT(.subject = "ask.*", .service = true)};
static const rill_import *const imports[] = {
    IMPORT(.account = "B", .subject = "s.*", .to = "in.$1"),
    IMPORT(.account = "B", .subject = "ask.*", .to = "q.*", .service = true)};

/* A reads the head and the body of a request; its reply subject is left in `reply`. */
static void asked(peer *p, const char *subject, char *reply, size_t cap)
{
    char got[100] = "", name[100] = "";
    ck_assert_int_eq(sscanf(peer_any_line(p), "MSG %99s 1 %99s", got, name), 2);
    ck_assert_str_eq(got, subject);
    snprintf(reply, cap, "%s", name);
    peer_expect(p, "?");
}

/* A stream is heard by another name, a request is answered, and a reload takes both away. */
START_TEST(one_imports)
{
    const rill_user *users[] = {USER(.user = "a", .password = "p", .account = "A"),
                                USER(.user = "b", .password = "p", .account = "B")};
    const rill_account *with[] = {
        ACCOUNT(.name = "A", .imports = imports, .nimports = 2),
        ACCOUNT(.name = "B", .exports = exports, .nexports = 2)};
    rill_broker_opts opts = {.size = sizeof opts, .users = users, .nusers = 2, .accounts = with,
                             .naccounts = 2};
    char reply[100], text[200];
    peer a, b;
    serve(&opts);
    enter(&a, CONNECT("a"), "A");
    enter(&b, CONNECT("b"), "B");
    peer_send(&a, "SUB > 1\r\nPING\r\n");
    peer_expect(&a, "PONG");
    peer_send(&b, "SUB ask.* 1\r\nPUB s.x 1\r\n1\r\nPING\r\n");
    peer_expect(&b, "PONG");
    hears(&a, "in.x", "1");
    peer_send(&a, "UNSUB 1\r\nSUB inbox 1\r\nPUB q.y inbox 1\r\n?\r\n");
    asked(&b, "ask.y", reply, sizeof reply);
    snprintf(text, sizeof text, "PUB %s 1\r\n!\r\n", reply);
    peer_send(&b, text);
    hears(&a, "inbox", "!");
    peer_send(&a, "SUB > 2\r\nPING\r\n");
    peer_expect(&a, "PONG");
    opts.accounts = ROWS(ACCOUNT(.name = "A"), ACCOUNT(.name = "B"));
    OK(rill_broker_reload(broker, &opts));
    peer_send(&b, "PUB s.x 1\r\n2\r\nPING\r\n");
    peer_expect(&b, "PONG");
    peer_sync(&a);
    close(a.fd);
    close(b.fd);
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

/* Who floods a service that never answers is in nobody's way: not in that of another account that
 * asks the same service, nor of the one that answers. */
START_TEST(one_floods)
{
    const rill_user *users[] = {USER(.user = "a", .password = "p", .account = "A"),
                                USER(.user = "b", .password = "p", .account = "B"),
                                USER(.user = "c", .password = "p", .account = "C")};
    const rill_account *with[] = {
        ACCOUNT(.name = "A", .imports = imports, .nimports = 2),
        ACCOUNT(.name = "B", .exports = exports, .nexports = 2),
        ACCOUNT(.name = "C", .imports = imports, .nimports = 2)};
    const rill_broker_opts opts = {.size = sizeof opts, .users = users, .nusers = 3,
                                   .accounts = with, .naccounts = 3};
    char kept[100], text[200];
    peer a, b, c, d;
    serve(&opts);
    enter(&a, CONNECT("a"), "A");
    enter(&b, CONNECT("b"), "B");
    enter(&c, CONNECT("c"), "C");
    peer_send(&b, "SUB ask.* 1\r\nPING\r\n");
    peer_expect(&b, "PONG");
    peer_send(&c, "SUB inbox 1\r\nPUB q.c inbox 1\r\n?\r\n");
    asked(&b, "ask.c", kept, sizeof kept);
    peer_send(&b, "UNSUB 1\r\nPING\r\n"); /* what follows is for one who never reads */
    peer_expect(&b, "PONG");
    enter(&d, CONNECT("b"), "B");
    peer_send(&d, "SUB ask.a 1\r\nPING\r\n");
    peer_expect(&d, "PONG");
    for (int i = 0; i < FLOOD; i++) peer_send(&a, "PUB q.a inbox 1\r\n?\r\n");
    peer_send(&a, "PING\r\n");
    peer_expect(&a, "PONG");
    snprintf(text, sizeof text, "PUB %s 1\r\n!\r\n", kept);
    peer_send(&b, text);
    hears(&c, "inbox", "!");
    close(a.fd);
    close(b.fd);
    close(c.fd);
    close(d.fd);
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

/* What is wrong with a row says where. */
START_TEST(what_is_not_exported)
{
    const rill_export unsized = {.subject = "x"}, *unsized_row = &unsized;
    rill_broker_opts opts = {.size = sizeof opts, .naccounts = 1,
                             .accounts = ROWS(ACCOUNT(.name = "A", .imports = imports,
                                                      .nimports = 2))};
    ck_assert_int_eq(rill_broker_open(&broker, &opts), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "account \"A\": \"B\" account not defined for stream "
                     "import");
    opts.accounts = ROWS(ACCOUNT(.name = "A", .exports = &unsized_row, .nexports = 1));
    ck_assert_int_eq(rill_broker_open(&broker, &opts), RILL_EINVAL);
    ck_assert(strstr(rill_errmsg(), "rill_export 0: its size is 0") != NULL);
}
END_TEST

SUITE_MAIN_ROWS("accounts",
                SUITE_ONCE(each_hears_its_own, the_program_decides, refused, a_bus_within,
                           one_is_full, who_moves_is_answered_in_each, one_comes_and_goes,
                           one_imports, one_floods, what_is_not_exported, one_cannot_be_opened),
                SUITE_EACH(2, streams_of_each))
