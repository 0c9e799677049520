/* SPDX-License-Identifier: Apache-2.0 */
/* Users of a broker as a program has them: who comes in, what each may do, and what a reload takes
 * from those who are there. Looped, _i is the drive of the broker: 0 a thread, 1 its caller. */
#include <unistd.h>

#include "api.h"
#include "support/peer.h"

#define ROWS(...) ((const char *const[]){__VA_ARGS__})
#define LIST(field, ...) .field = ROWS(__VA_ARGS__), \
                         .n##field = sizeof ROWS(__VA_ARGS__) / sizeof(char *)
#define KEY "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define CONNECT(user, pass) "CONNECT {\"verbose\":false,\"headers\":true,\"user\":\"" user \
                            "\",\"pass\":\"" pass "\"}\r\n"
#define VIOLATION "-ERR 'Permissions Violation for "

enum { WAIT_MS = 20000 };

static const rill_user ada = {.size = sizeof ada, .user = "ada", .password = "p",
                              LIST(publish_allow, "a.>", "log"), LIST(publish_deny, "a.no"),
                              LIST(subscribe_allow, "a.>", "log", "jobs.* workers"),
                              LIST(subscribe_deny, "a.secret")};
static const rill_user service = {.size = sizeof service, .user = "service", .password = "p",
                                  LIST(subscribe_allow, "svc.>", "_INBOX.>"),
                                  .allow_responses = true};
static const rill_user guest = {.size = sizeof guest, .user = "guest",
                                LIST(publish_allow, "svc.>"), LIST(subscribe_allow, "_INBOX.>")};
static const rill_user boss = {.size = sizeof boss, .user = "boss", .password = "p"};

static rill_broker *broker;
static pthread_t turner;
static atomic_bool over;
static bool hosted;
static int port;
static char url[200];

static void *turn(void *arg)
{
    rill_bus *bus;
    OK(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    atomic_store((atomic_bool *)arg, true);
    while (!atomic_load(&over)) OK(rill_poll(bus, 5));
    OK(rill_close(bus, WAIT_MS));
    return NULL;
}

static void serve(bool by_host, const rill_user *const *users, size_t n, const char *nobody)
{
    atomic_bool turns = false;
    hosted = by_host;
    rill_drive drive = by_host ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD;
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = users, .nusers = n,
                                           .no_auth_user = nobody, .drive = drive)));
    OK(port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    atomic_store(&over, false);
    if (!by_host) return;
    ck_assert_int_eq(pthread_create(&turner, NULL, turn, &turns), 0);
    EVENTUALLY(atomic_load(&turns));
}

static void reload(const rill_user *const *users, size_t n, const char *nobody)
{
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .users = users, .nusers = n,
                                            .no_auth_user = nobody)));
}

static void end(void)
{
    atomic_store(&over, true);
    if (hosted) pthread_join(turner, NULL);
    OK(rill_broker_close(broker, WAIT_MS));
}

static const char *as(const char *who)
{
    snprintf(url, sizeof url, "nats://%s%s127.0.0.1:%d", who, who[0] ? "@" : "", port);
    return url;
}

static const rill_opts once = {.size = sizeof once, .no_redial = true};

static void enter(rill_bus **bus, const char *who)
{
    OK(rill_open(bus, as(who), &once));
}

/* A raw client, since a program's handle would tell the errors as events. */
static void visit(peer *p, const char *connect)
{
    peer_visit(p, port);
    peer_hear(p, "\r\n");
    peer_send(p, connect);
    peer_sync(p);
}

START_TEST(who_comes_in)
{
    const rill_user by_key = {.size = sizeof by_key, .nkey = KEY, LIST(publish_allow, "a")};
    rill_bus *bus;
    serve(_i, (const rill_user *const[]){&ada, &boss}, 2, NULL);
    FAILS(rill_open(&bus, as("ada:x"), &once), RILL_EAUTH);
    FAILS(rill_open(&bus, as("ad:p"), &once), RILL_EAUTH);
    FAILS(rill_open(&bus, as(""), &once), RILL_EAUTH);
    enter(&bus, "ada:p");
    OK(rill_close(bus, WAIT_MS));
    rill_broker *other;
    int rc = rill_broker_open(&other, RILL_OPTS(rill_broker_opts, .nusers = 1,
                                                .users = (const rill_user *const[]){&by_key}));
    if (rc != RILL_ENOTSUP) { /* there is libsodium */
        OK(rc);
        OK(rill_broker_close(other, WAIT_MS));
        reload((const rill_user *const[]){&boss, &by_key}, 2, NULL);
        rill_opts keyed = {.size = sizeof keyed, .no_redial = true, .nkey_seed = SEED};
        OK(rill_open(&bus, as(""), &keyed));
        OK(rill_close(bus, WAIT_MS));
        FAILS(rill_open(&bus, as(KEY ":"), &once), RILL_EAUTH); /* the key is no secret */
        FAILS(rill_open(&bus, as("ada:p"), &once), RILL_EAUTH);
    }
    end();
}
END_TEST

START_TEST(what_each_may_do)
{
    peer p;
    serve(_i, (const rill_user *const[]){&ada, &boss}, 2, NULL);
    visit(&p, CONNECT("ada", "p"));
    peer_send(&p, "SUB a.> 1\r\nSUB b 2\r\nSUB jobs.x 3\r\nSUB jobs.x workers 4\r\n");
    peer_expect(&p, VIOLATION "Subscription to \"b\"'");
    peer_expect(&p, VIOLATION "Subscription to \"jobs.x\"'");
    peer_send(&p, "PUB a.no 1\r\n1\r\nPUB a.secret 1\r\n1\r\nPUB a.b 1\r\n1\r\n");
    peer_expect(&p, VIOLATION "Publish to \"a.no\"'");
    peer_expect(&p, "MSG a.b 1 1");
    peer_expect(&p, "1");
    peer_sync(&p);
    close(p.fd);
    end();
}
END_TEST

static void tell(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    OK(rill_reply(m, "noon", 4, NULL));
}

/* One asks who has not said who he is, and one answers who may publish nothing else. */
START_TEST(answers)
{
    rill_bus *server, *client;
    rill_sub *sub;
    rill_msg *answer;
    peer p;
    serve(_i, (const rill_user *const[]){&service, &guest, &boss}, 3, "guest");
    enter(&server, "service:p");
    OK(rill_subscribe(server, &sub, "svc.time", RILL_OPTS(rill_sub_opts, .on_msg = tell)));
    OK(rill_flush(server, WAIT_MS));
    enter(&client, "");
    for (int i = 0; i < 3; i++) {
        OK(rill_request(client, "svc.time", "?", 1, NULL, &answer, WAIT_MS));
        TEXT_IS(answer->data, "noon");
        rill_msg_unref(answer);
    }
    visit(&p, CONNECT("service", "p"));
    peer_send(&p, "SUB svc.raw 1\r\nPUB _INBOX.x 1\r\n1\r\n");
    peer_expect(&p, VIOLATION "Publish to \"_INBOX.x\"'");
    peer_sync(&p);
    OK(rill_publish(client, "svc.raw", "?", 1, RILL_OPTS(rill_post, .reply = "_INBOX.x")));
    peer_expect(&p, "MSG svc.raw 1 _INBOX.x 1");
    peer_expect(&p, "?");
    peer_send(&p, "PUB _INBOX.x 1\r\n1\r\nPUB _INBOX.x 1\r\n1\r\n");
    peer_expect(&p, VIOLATION "Publish to \"_INBOX.x\"'");
    peer_sync(&p);
    close(p.fd);
    rill_sub_close(sub);
    OK(rill_close(client, WAIT_MS));
    OK(rill_close(server, WAIT_MS));
    end();
}
END_TEST

static int count_conn(const rill_conn_info *info, void *arg)
{
    (void)info;
    ++*(int *)arg;
    return 0;
}

static int conns(void)
{
    int n = 0;
    OK(rill_broker_conns(broker, NULL, count_conn, &n));
    return n;
}

/* A right that is taken away, a password that is another, a user who goes, and one who stays as he
 * was; then nobody is asked any more, and then all are. */
START_TEST(a_reload)
{
    const rill_user less = {.size = sizeof less, .user = "ada", .password = "p",
                            LIST(publish_allow, "log"), LIST(subscribe_allow, "log", "a.b"),
                            LIST(subscribe_deny, "a.secret")};
    const rill_user changed = {.size = sizeof changed, .user = "boss", .password = "q"};
    peer p, chief, silent;
    serve(_i, (const rill_user *const[]){&ada, &boss, &service, &guest}, 4, "guest");
    visit(&p, CONNECT("ada", "p"));
    visit(&chief, CONNECT("boss", "p"));
    visit(&silent, "");
    peer_send(&p, "SUB a.> 1\r\nSUB log 2\r\nSUB jobs.x workers 3\r\n");
    peer_sync(&p);
    peer_send(&chief, "SUB > 1\r\n");
    peer_sync(&chief);
    reload((const rill_user *const[]){&less, &changed, &service}, 3, NULL);
    peer_expect(&p, VIOLATION "Subscription to \"a.>\" (sid \"1\")'");
    peer_expect(&p, VIOLATION "Subscription to \"jobs.x\" using queue \"workers\" (sid \"3\")'");
    peer_expect(&chief, "-ERR 'Authorization Violation'");
    peer_expect_end(&chief);
    peer_expect(&silent, "-ERR 'Authorization Violation'");
    peer_expect_end(&silent);
    EVENTUALLY(conns() == 1);
    peer_send(&p, "PUB a.b 1\r\n1\r\nPUB log 1\r\n1\r\n");
    peer_expect(&p, VIOLATION "Publish to \"a.b\"'");
    peer_expect(&p, "MSG log 2 1");
    peer_expect(&p, "1");
    reload(NULL, 0, NULL);
    peer_send(&p, "SUB b 1\r\nPUB b 1\r\n2\r\n");
    peer_expect(&p, "MSG b 1 1");
    peer_expect(&p, "2");
    close(chief.fd);
    visit(&chief, "");
    peer_send(&chief, "SUB any 1\r\n");
    peer_expect(&chief, "+OK");
    peer_sync(&chief);
    reload((const rill_user *const[]){&ada, &boss}, 2, NULL);
    peer_expect(&p, VIOLATION "Subscription to \"b\" (sid \"1\")'");
    peer_expect(&chief, "-ERR 'Authorization Violation'");
    peer_expect_end(&chief);
    FAILS(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .no_auth_user = "nobody")),
          RILL_EINVAL);
    peer_sync(&p);
    close(p.fd);
    close(chief.fd);
    close(silent.fd);
    end();
}
END_TEST

/* More subscriptions than a turn looks at: all that are not allowed any more go, whatever comes for
 * them meanwhile, and all others stay. */
START_TEST(a_reload_of_many)
{
    enum { SUBS = 20000 };
    const rill_user half = {.size = sizeof half, .user = "ada", .password = "p",
                            LIST(subscribe_allow, "a.even.*"), LIST(publish_allow, "a.>")};
    rill_bus *bus;
    peer p;
    char text[64];
    int refused = 0;
    serve(_i, (const rill_user *const[]){&ada, &boss}, 2, NULL);
    visit(&p, CONNECT("ada", "p"));
    for (int i = 0; i < SUBS; i++) {
        snprintf(text, sizeof text, "SUB a.%s.%d %d\r\n", i % 2 ? "odd" : "even", i, i);
        peer_send(&p, text);
    }
    peer_sync(&p);
    enter(&bus, "boss:p");
    reload((const rill_user *const[]){&half, &boss}, 2, NULL);
    OK(rill_publish(bus, "a.odd.19999", "no", 2, NULL));
    OK(rill_publish(bus, "a.even.19998", "y", 1, NULL));
    OK(rill_flush(bus, WAIT_MS));
    bool got = false;
    while (refused < SUBS / 2 || !got) {
        const char *line = peer_line(&p);
        if (strncmp(line, VIOLATION "Subscription to \"a.odd.",
                    strlen(VIOLATION "Subscription to \"a.odd.")) == 0) {
            refused++;
        } else { /* and nothing that it may not hear any more */
            ck_assert_str_eq(line, "MSG a.even.19998 19998 1");
            peer_expect(&p, "y");
            got = true;
        }
    }
    peer_sync(&p);
    close(p.fd);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

START_TEST(refused)
{
    const rill_user wrong = {.size = sizeof wrong, .user = "eve", LIST(publish_allow, "a..b")};
    const rill_user later = {.size = sizeof later, .user = "eve", .reserved2 = 1};
    const rill_user *const eve[] = {&wrong}, *const newer[] = {&later};
    const rill_user *const both[] = {&ada, &ada};
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = eve, .nusers = 1)),
          RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "user \"eve\": publish allow: subject \"a..b\""));
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = newer, .nusers = 1)),
          RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = both, .nusers = 2)),
          RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = both, .nusers = 1,
                                              .token = "t")), RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .no_auth_user = "ada")),
          RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = both, .nusers = 1,
                                              .no_auth_user = "eve")), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "no_auth_user: \"eve\" not present"));
}
END_TEST

SUITE_MAIN_ROWS("users", SUITE_ONCE(refused),
                SUITE_EACH(2, who_comes_in, what_each_may_do, answers, a_reload, a_reload_of_many))
