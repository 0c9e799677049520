/* SPDX-License-Identifier: Apache-2.0 */
/* The program decides who comes in (rill_broker_opts.on_login): at once or later, on any thread,
 * for clients who wait, who give up, and whose broker is gone. Looped, _i is the drive of the
 * broker: 0 a thread, 1 its caller. */
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "support/peer.h"

#define ROWS(...) ((const char *const[]){__VA_ARGS__})
#define LIST(field, ...) .field = ROWS(__VA_ARGS__), \
                         .n##field = sizeof ROWS(__VA_ARGS__) / sizeof(char *)
#define KEY "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define CONNECT(user, pass) "CONNECT {\"verbose\":false,\"name\":\"tester\",\"user\":\"" user \
                            "\",\"pass\":\"" pass "\"}\r\n"
#define VIOLATION "-ERR 'Permissions Violation for "

enum { WAIT_MS = 20000, KEPT = 8 };

static const rill_user ada = {.size = sizeof ada, .user = "ada", LIST(publish_allow, "a.>"),
                              LIST(subscribe_allow, "a.>")};
static const rill_user anyone = {.size = sizeof anyone, .user = "anyone",
                                 LIST(publish_allow, "open"), LIST(subscribe_allow, "open")};

static rill_broker *broker;
static pthread_t turner;
static atomic_bool over;
static bool hosted;
static int port;

/* What was asked, for those who answer later. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const rill_login *kept[KEPT];
static atomic_int asked;

static void keep(const rill_login *login, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    int n = atomic_load(&asked);
    ck_assert_int_lt(n, KEPT);
    kept[n] = login;
    atomic_store(&asked, n + 1);
    pthread_mutex_unlock(&lock);
}

static const rill_login *login_of(int i)
{
    EVENTUALLY(atomic_load(&asked) > i);
    pthread_mutex_lock(&lock);
    const rill_login *login = kept[i];
    pthread_mutex_unlock(&lock);
    return login;
}

static bool is(const char *text, const char *want)
{
    return text && want ? strcmp(text, want) == 0 : text == want;
}

/* ada with her password, whoever has KEY as her too, and those who show nothing as anyone. */
static void decide(const rill_login *login, void *arg)
{
    const rill_user *as = NULL, nameless = {.size = sizeof nameless};
    ck_assert_int_eq(strncmp(login->peer, "127.0.0.1:", 10), 0);
    ck_assert(!login->encrypted);
    if (is(login->user, "ada") && is(login->password, "p")) as = &ada;
    if (is(login->nkey, KEY)) as = &ada;
    if (!login->user && !login->token && !login->nkey) as = &anyone;
    if (is(login->token, "tok") && is(login->client, "by token")) as = arg;
    FAILS(rill_login_answer(login, &nameless, NULL), RILL_EINVAL); /* and may be answered yet */
    OK(rill_login_answer(login, as, "nobody knows him"));
}

static void *turn(void *arg)
{
    rill_bus *bus;
    OK(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    atomic_store((atomic_bool *)arg, true);
    while (!atomic_load(&over)) OK(rill_poll(bus, 5));
    OK(rill_close(bus, WAIT_MS));
    return NULL;
}

static void serve(bool by_host, rill_login_fn fn, uint32_t timeout_ms)
{
    atomic_bool turns = false;
    hosted = by_host;
    atomic_store(&asked, 0);
    rill_drive drive = by_host ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD;
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .on_login = fn,
                                           .on_login_arg = (void *)(uintptr_t)&anyone,
                                           .auth_timeout_ms = timeout_ms, .drive = drive)));
    OK(port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    atomic_store(&over, false);
    if (!by_host) return;
    ck_assert_int_eq(pthread_create(&turner, NULL, turn, &turns), 0);
    EVENTUALLY(atomic_load(&turns));
}

static void end(void)
{
    atomic_store(&over, true);
    if (hosted) pthread_join(turner, NULL);
    OK(rill_broker_close(broker, WAIT_MS));
}

static const char *as(const char *who)
{
    static char url[200];
    snprintf(url, sizeof url, "nats://%s%s127.0.0.1:%d", who, who[0] ? "@" : "", port);
    return url;
}

/* Says who it is, and does not wait until that is believed. */
static void show(peer *p, const char *connect)
{
    peer_visit(p, port);
    peer_hear(p, "\r\n");
    peer_send(p, connect);
}

START_TEST(who_comes_in)
{
    static const rill_opts once = {.size = sizeof once, .no_redial = true};
    rill_bus *bus;
    peer p;
    serve(_i, decide, 0);
    FAILS(rill_open(&bus, as("ada:x"), &once), RILL_EAUTH);
    FAILS(rill_open(&bus, as("tok"), &once), RILL_EAUTH); /* who is not called so */
    OK(rill_open(&bus, as("ada:p"), &once));
    OK(rill_close(bus, WAIT_MS));
    OK(rill_open(&bus, as("tok"), RILL_OPTS(rill_opts, .no_redial = true, .name = "by token")));
    OK(rill_close(bus, WAIT_MS));
    int rc = rill_open(&bus, as(""), RILL_OPTS(rill_opts, .no_redial = true, .nkey_seed = SEED));
    if (rc != RILL_ENOTSUP) { /* there is libsodium */
        OK(rc);
        OK(rill_close(bus, WAIT_MS));
    }
    show(&p, "CONNECT {\"nkey\":\"" KEY "\",\"sig\":\"AAAA\"}\r\n"); /* the key is no secret */
    peer_expect(&p, "-ERR 'Authorization Violation'");
    peer_expect_end(&p);
    close(p.fd);
    end();
}
END_TEST

START_TEST(what_each_may_do)
{
    peer p, q;
    serve(_i, decide, 0);
    show(&p, CONNECT("ada", "p"));
    show(&q, "CONNECT {\"verbose\":false}\r\n");
    peer_send(&p, "SUB a.> 1\r\nSUB b 2\r\nPUB open 1\r\n1\r\nPUB a.x 1\r\n1\r\n");
    peer_expect(&p, VIOLATION "Subscription to \"b\"'");
    peer_expect(&p, VIOLATION "Publish to \"open\"'");
    peer_expect(&p, "MSG a.x 1 1");
    peer_expect(&p, "1");
    peer_send(&q, "SUB open 1\r\nSUB a.x 2\r\nPUB open 1\r\n2\r\n");
    peer_expect(&q, VIOLATION "Subscription to \"a.x\"'");
    peer_expect(&q, "MSG open 1 1");
    peer_expect(&q, "2");
    peer_sync(&p);
    close(p.fd);
    close(q.fd);
    end();
}
END_TEST

static void *answer_later(void *arg)
{
    OK(rill_login_answer(arg, &ada, NULL));
    return NULL;
}

/* What he has said meanwhile is obeyed behind the answer, with his rights; another waits longer. */
START_TEST(later_on_another_thread)
{
    pthread_t thread;
    peer p, q;
    serve(_i, keep, 60000);
    show(&p, CONNECT("ada", "p"));
    peer_send(&p, "SUB a.> 1\r\nPUB a.x 1\r\n1\r\nSUB b 2\r\n");
    const rill_login *first = login_of(0);
    ck_assert_str_eq(first->client, "tester");
    show(&q, CONNECT("eve", "q"));
    const rill_login *second = login_of(1);
    ck_assert_str_eq(second->user, "eve");
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_later, (void *)(uintptr_t)first), 0);
    peer_expect(&p, "MSG a.x 1 1");
    peer_expect(&p, "1");
    peer_expect(&p, VIOLATION "Subscription to \"b\"'");
    pthread_join(thread, NULL);
    OK(rill_login_answer(second, NULL, "too late"));
    peer_expect(&q, "-ERR 'Authorization Violation'");
    peer_expect_end(&q);
    peer_sync(&p);
    close(p.fd);
    close(q.fd);
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

/* One goes, one's time is over, one stays until the broker has gone; all are answered behind that,
 * and nothing is there any more that an answer could reach. */
START_TEST(answers_that_nobody_waits_for)
{
    peer p, q;
    serve(_i, keep, 300);
    show(&q, CONNECT("slow", "q"));
    const rill_login *slow = login_of(0);
    peer_expect(&q, "-ERR 'Authentication Timeout'");
    peer_expect_end(&q);
    show(&p, CONNECT("gone", "p"));
    const rill_login *gone = login_of(1);
    close(p.fd);
    EVENTUALLY(conns() == 0);
    OK(rill_login_answer(gone, &ada, NULL));
    end();
    serve(_i, keep, 60000);
    show(&p, CONNECT("last", "p"));
    const rill_login *last = login_of(0);
    end();
    OK(rill_login_answer(last, &ada, NULL));
    OK(rill_login_answer(slow, NULL, NULL));
    close(p.fd);
    close(q.fd);
}
END_TEST

/* Who is in is asked about again by another on_login, not by the same; and one that is under way is
 * asked anew. */
START_TEST(a_reload)
{
    peer p, q, r;
    serve(_i, decide, 60000);
    rill_broker_opts opts = {.size = sizeof opts, .on_login = decide, .auth_timeout_ms = 60000,
                             .on_login_arg = (void *)(uintptr_t)&anyone};
    show(&p, CONNECT("ada", "p"));
    show(&q, "CONNECT {\"verbose\":false}\r\n");
    peer_sync(&p);
    peer_sync(&q);
    OK(rill_broker_reload(broker, &opts));
    peer_sync(&p);
    opts.on_login = keep;
    OK(rill_broker_reload(broker, &opts));
    const rill_login *one = login_of(0), *two = login_of(1);
    peer_send(&p, "SUB a.b 1\r\n"); /* he is in until he is not */
    peer_sync(&p);
    bool ada_first = is(one->user, "ada");
    OK(rill_login_answer(ada_first ? one : two, &anyone, NULL));
    OK(rill_login_answer(ada_first ? two : one, NULL, NULL));
    peer_expect(&p, VIOLATION "Subscription to \"a.b\" (sid \"1\")'");
    peer_expect(&q, "-ERR 'Authorization Violation'");
    peer_expect_end(&q);
    show(&r, CONNECT("ada", "p"));
    const rill_login *three = login_of(2);
    opts.on_login = decide;
    OK(rill_broker_reload(broker, &opts));
    OK(rill_login_answer(three, NULL, NULL)); /* by whom nobody is asked any more */
    peer_sync(&r);
    opts.on_login = NULL;
    OK(rill_broker_reload(broker, &opts));
    peer_send(&r, "SUB b 1\r\nPUB b 1\r\n1\r\n");
    peer_expect(&r, "MSG b 1 1");
    close(p.fd);
    close(q.fd);
    close(r.fd);
    end();
}
END_TEST

/* Who is asked about, and by nobody answered. */
enum { HALF = 512 };
static const rill_login *held[HALF + 2];

static void hold(const rill_login *login, void *arg)
{
    (void)arg;
    int n = atomic_load(&asked);
    ck_assert_int_lt(n, HALF + 2);
    held[n] = login;
    atomic_store(&asked, n + 1);
}

/* A connection from this address of the machine's own, which says who it is and reads nothing. */
static int dial_from(const char *address)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(inet_pton(AF_INET, address, &at.sin_addr), 1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)port);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    static const char connect_line[] = CONNECT("many", "p");
    ck_assert_int_eq(send(fd, connect_line, sizeof connect_line - 1, 0), sizeof connect_line - 1);
    return fd;
}

static bool is_of(int i, const char *host)
{
    return strncmp(held[i]->peer, host, strlen(host)) == 0;
}

/* One host has half of the places and wants more: another is asked about at once, and one more of
 * the first when there is an answer for one of those. */
START_TEST(places_of_one_host)
{
    struct rlimit files;
    int fds[HALF + 2];
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    serve(_i, hold, 60000);
    for (int i = 0; i < HALF + 1; i++) fds[i] = dial_from("127.0.0.1");
    EVENTUALLY(atomic_load(&asked) == HALF);
    fds[HALF + 1] = dial_from("127.0.0.2");
    EVENTUALLY(atomic_load(&asked) == HALF + 1);
    ck_assert(is_of(0, "127.0.0.1:") && is_of(HALF, "127.0.0.2:"));
    OK(rill_login_answer(held[0], NULL, NULL));
    EVENTUALLY(atomic_load(&asked) == HALF + 2);
    ck_assert(is_of(HALF + 1, "127.0.0.1:"));
    for (int i = 1; i < HALF + 2; i++) OK(rill_login_answer(held[i], NULL, NULL));
    for (int i = 0; i < HALF + 2; i++) close(fds[i]);
    end();
}
END_TEST

START_TEST(refused)
{
    const rill_user *const users[] = {&ada};
    FAILS(rill_login_answer(NULL, NULL, NULL), RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .on_login = keep, .token = "t")),
          RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .on_login = keep, .users = users,
                                              .nusers = 1)), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "on_login decides alone"));
}
END_TEST

SUITE_MAIN_ROWS("login", SUITE_ONCE(refused),
                SUITE_EACH(2, who_comes_in, what_each_may_do, later_on_another_thread,
                           answers_that_nobody_waits_for, a_reload, places_of_one_host))
