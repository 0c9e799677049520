/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as a program has it: a broker that listens with it, and handles that dial it. Looped, _i is
 * the drive: 0 a thread, 1 the caller. */
#include <pthread.h>
#include <unistd.h>

#include "api.h"
#include "support/peer.h"

#define TLS(name) GOLDEN_DIR "/tls/" name
#define SERVER                                                                               \
    .size = sizeof(rill_tls), .cert_file = TLS("server.pem"), .key_file = TLS("server.key"), \
    .timeout_ms = WAIT_MS
#define BELIEVES .size = sizeof(rill_tls), .ca_file = TLS("ca.pem")

enum { WAIT_MS = 20000 };

static rill_broker *broker;
static int port;
static char url[80];
static char said[4096]; /* what the handles' events were about */
static pthread_mutex_t said_lock = PTHREAD_MUTEX_INITIALIZER; /* each handle has its own thread */
static atomic_int events, ups;

static void serve(const rill_broker_opts *broker_opts, const rill_listen_opts *opts)
{
    OK(rill_broker_open(&broker, broker_opts));
    OK(port = rill_broker_listen(broker, "nats://127.0.0.1:0", opts));
    snprintf(url, sizeof url, "tls://localhost:%d", port);
}

static void serve_tls(const rill_tls *tls)
{
    serve(NULL, RILL_OPTS(rill_listen_opts, .tls = tls));
}

static void end(void)
{
    OK(rill_broker_close(broker, WAIT_MS));
}

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    (void)arg;
    pthread_mutex_lock(&said_lock);
    size_t len = strlen(said);
    if (ev->kind == RILL_EV_UP || ev->kind == RILL_EV_ERROR)
        snprintf(said + len, sizeof said - len, "%s %s\n", ev->kind == RILL_EV_UP ? "UP" : "ERROR",
                 ev->kind == RILL_EV_UP ? "" : ev->detail);
    pthread_mutex_unlock(&said_lock);
    if (ev->kind == RILL_EV_UP) atomic_fetch_add(&ups, 1);
    atomic_fetch_add(&events, 1);
}

static bool has_said(const char *text)
{
    pthread_mutex_lock(&said_lock);
    bool has = strstr(said, text) != NULL;
    pthread_mutex_unlock(&said_lock);
    return has;
}

static int join(int drive, const char *at, const rill_tls *tls, rill_bus **bus)
{
    return rill_open(bus, at, RILL_OPTS(rill_opts, .tls = tls, .no_redial = true,
                                        .on_event = on_event,
                                        .connect_timeout_ms = WAIT_MS,
                                        .drive = drive ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD));
}

/* A message goes around. */
static void echo(rill_bus *bus)
{
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "echo", NULL));
    OK(rill_publish(bus, "echo", "hello", 5, NULL));
    OK(rill_next(sub, &m, WAIT_MS));
    TEXT_IS(m->data, "hello");
    rill_sub_close(sub);
}

static int seen(const rill_conn_info *conn, void *arg)
{
    snprintf(arg, 80, "%s %.4s", conn->tls_version, conn->tls_cipher);
    return 1;
}

/* Behind INFO, before it, and whatever the client prefers; by name and by address. */
START_TEST(live)
{
    static const rill_tls servers[] = {{SERVER}, {SERVER, .handshake_first = true},
                                       {SERVER, .handshake_first = true, .first_ms = 50},
                                       {SERVER, .handshake_first = true, .first_ms = WAIT_MS}};
    for (size_t how = 0; how < 4; how++) {
        bool first = how == 1 || how == 3;
        const rill_tls client = {BELIEVES, .handshake_first = first};
        rill_bus *bus;
        char agreed[80] = "";
        serve_tls(&servers[how]);
        snprintf(url, sizeof url, "%s://%s:%d", how % 2 ? "nats" : "tls",
                 how == 2 ? "127.0.0.1" : "localhost", port);
        OK(join(_i, url, &client, &bus));
        echo(bus);
        ck_assert_int_eq(rill_broker_conns(broker, NULL, seen, agreed), 1);
        ck_assert_msg(strcmp(agreed, "1.2 TLS_") == 0 || strcmp(agreed, "1.3 TLS_") == 0, "%s",
                      agreed);
        OK(rill_close(bus, WAIT_MS));
        end();
    }
}
END_TEST

/* nats:// without options takes TLS of a server that asks for it, by the system's list, which is
 * said to be another one here; tls:// likewise. */
START_TEST(by_the_system)
{
    rill_bus *bus;
    serve_tls(&(rill_tls){SERVER});
    char plain[80];
    snprintf(plain, sizeof plain, "nats://localhost:%d", port);
    setenv("SSL_CERT_FILE", TLS("ca.pem"), 1);
    OK(join(_i, plain, NULL, &bus));
    echo(bus);
    OK(rill_close(bus, WAIT_MS));
    OK(join(_i, url, NULL, &bus));
    echo(bus);
    OK(rill_close(bus, WAIT_MS));
    setenv("SSL_CERT_FILE", TLS("client.pem"), 1);
    FAILS(join(_i, plain, NULL, &bus), RILL_EAUTH);
    ck_assert_msg(strstr(rill_errmsg(), "signed by \"test CA\", who is not believed here"), "%s",
                  rill_errmsg());
    setenv("SSL_CERT_FILE", "/no/such/list", 1);
    FAILS(join(_i, plain, NULL, &bus), RILL_EIO);
    FAILS(join(_i, url, NULL, &bus), RILL_EIO);
    end();
}
END_TEST

START_TEST(refused)
{
    static const struct {
        rill_tls server, client;
        const char *host;
        int code;
        const char *why;
    } rows[] = {
        {{SERVER}, {.size = sizeof(rill_tls), .ca_file = TLS("stranger.pem")}, "localhost",
         RILL_EAUTH, "was signed by \"test CA\", who is not believed here"},
        {{.size = sizeof(rill_tls), .cert_file = TLS("elsewhere.pem"),
          .key_file = TLS("elsewhere.key")}, {BELIEVES}, "localhost", RILL_EAUTH,
         "the certificate is of \"elsewhere.example\", and not of \"localhost\""},
        {{.size = sizeof(rill_tls), .cert_file = TLS("elsewhere.pem"),
          .key_file = TLS("elsewhere.key")}, {BELIEVES}, "127.0.0.1", RILL_EAUTH,
         "and not of \"127.0.0.1\""},
        {{.size = sizeof(rill_tls), .cert_file = TLS("expired.pem"),
          .key_file = TLS("expired.key")}, {BELIEVES}, "localhost", RILL_EAUTH,
         "has expired at 2021-01-01T00:00:00Z"},
        {{SERVER}, {BELIEVES, .server_name = "other.example"}, "localhost", RILL_EAUTH,
         "and not of \"other.example\""},
        {{SERVER, .ca_file = TLS("ca.pem"), .verify_peer = true}, {BELIEVES}, "localhost", 0,
         "the other side has ended TLS"}, /* in what words, its TLS library decides */
        {{SERVER}, {BELIEVES, .handshake_first = true}, "localhost", RILL_EPROTO,
         "the server speaks no TLS"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rill_bus *bus;
        serve_tls(&rows[i].server);
        snprintf(url, sizeof url, "tls://%s:%d", rows[i].host, port);
        int rc = join(_i, url, &rows[i].client, &bus);
        ck_assert_msg(rc < 0 && (!rows[i].code || rc == rows[i].code), "%zu: %s: %s", i,
                      rill_errname(rc), rill_errmsg());
        ck_assert_msg(strstr(rill_errmsg(), rows[i].why) &&
                      strstr(rill_errmsg(), rows[i].host), "%zu: %s", i, rill_errmsg());
        end();
    }
}
END_TEST

/* A server without TLS, of whom it is wanted, and one that leaves the choice. */
START_TEST(wanted)
{
    rill_bus *bus;
    const rill_tls client = {BELIEVES};
    serve(NULL, NULL);
    FAILS(join(_i, url, &client, &bus), RILL_ENOTSUP);
    ck_assert_msg(strstr(rill_errmsg(), "offers no TLS, which is wanted"), "%s", rill_errmsg());
    end();
    serve(NULL, RILL_OPTS(rill_listen_opts, .tls = &(rill_tls){SERVER}, .tls_optional = true));
    char agreed[80] = "", plain[80];
    OK(join(_i, url, &client, &bus));
    echo(bus);
    rill_broker_conns(broker, NULL, seen, agreed);
    ck_assert_str_ne(agreed, " ");
    OK(rill_close(bus, WAIT_MS));
    snprintf(plain, sizeof plain, "nats://localhost:%d", port);
    OK(join(_i, plain, NULL, &bus));
    echo(bus);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* A client's own certificate, from memory, its key behind a password. */
START_TEST(certificates)
{
    char cert[4096], key[4096];
    FILE *file = fopen(TLS("server.pem"), "r");
    cert[fread(cert, 1, sizeof cert - 1, file)] = 0;
    fclose(file);
    file = fopen(TLS("locked.key"), "r");
    key[fread(key, 1, sizeof key - 1, file)] = 0;
    fclose(file);
    rill_bus *bus;
    serve_tls(&(rill_tls){SERVER, .ca_file = TLS("ca.pem"), .verify_peer = true});
    const rill_tls client = {BELIEVES, .cert_pem = cert, .key_pem = key, .key_password = "sesame"};
    OK(join(_i, url, &client, &bus));
    echo(bus);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

static void on_certificate(const rill_login *login, void *arg)
{
    (void)arg;
    const char *subject = login->certificate ? login->certificate : "none";
    rill_login_answer(login, RILL_OPTS(rill_user, .user = subject), NULL);
}

static int see_user(const rill_conn_info *conn, void *arg)
{
    snprintf(arg, 80, "%s", conn->user ? conn->user : "nobody");
    return 0;
}

static int see_none(const rill_conn_info *conn, void *arg)
{
    (void)conn;
    (void)arg;
    return 0;
}

/* By his certificate a client is a user, with his rights; or the program is told whose it is. */
START_TEST(certified)
{
    rill_bus *bus;
    char seen[80];
    static const char *const only[] = {"mine.>"};
    const rill_user named = {.size = sizeof named, .user = "CN=named", .publish_allow = only,
                             .npublish_allow = 1};
    const rill_user *const users[] = {&named};
    const rill_tls client = {BELIEVES, .cert_file = TLS("named.pem"), .key_file = TLS("named.key")};
    const rill_tls server = {SERVER, .ca_file = TLS("maps.pem"), .verify_peer = _i == 1,
                             .verify_and_map = _i == 0};
    serve(_i ? RILL_OPTS(rill_broker_opts, .on_login = on_certificate)
             : RILL_OPTS(rill_broker_opts, .users = users, .nusers = 1),
          RILL_OPTS(rill_listen_opts, .tls = &server));
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .tls = &client)));
    ck_assert_int_eq(rill_broker_conns(broker, NULL, see_user, seen), 1);
    ck_assert_str_eq(seen, "CN=named");
    OK(rill_publish(bus, "mine.a", "x", 1, NULL));
    OK(rill_flush(bus, WAIT_MS));
    OK(rill_close(bus, WAIT_MS));
    const rill_tls other = {BELIEVES, .cert_file = TLS("subject.pem"),
                            .key_file = TLS("subject.key")};
    int rc = rill_open(&bus, url, RILL_OPTS(rill_opts, .tls = &other));
    ck_assert_int_eq(rc, _i ? RILL_OK : RILL_EAUTH);
    if (rc == RILL_OK) {
        ck_assert_int_eq(rill_broker_conns(broker, NULL, see_user, seen), 1);
        ck_assert_str_eq(seen, "CN=Bob\\, Jr,OU=dev+OU=ops+OU=all,O=Acme,L=Berlin,C=DE,DC=com,"
                         "DC=example");
        OK(rill_close(bus, WAIT_MS));
    }
    FAILS(rill_open(&bus, url, RILL_OPTS(rill_opts, .tls = &(rill_tls){
          BELIEVES, .verify_and_map = true})), RILL_EINVAL);
    end();
}
END_TEST

/* Who came by a certificate that its listener does not believe any more is nobody when it is asked
 * again: a user of that name, or whom the program would have let in. */
START_TEST(certified_no_more)
{
    rill_bus *bus;
    char at[80];
    const rill_user named = {.size = sizeof named, .user = "CN=named"};
    const rill_user more = {.size = sizeof more, .user = "more"};
    const rill_user *const users[] = {&named, &more};
    const rill_tls client = {BELIEVES, .cert_file = TLS("named.pem"), .key_file = TLS("named.key")};
    rill_tls server = {SERVER, .ca_file = TLS("maps.pem"), .verify_and_map = true};
    serve(RILL_OPTS(rill_broker_opts, .users = users, .nusers = 1),
          RILL_OPTS(rill_listen_opts, .tls = &server));
    atomic_store(&ups, 0);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .tls = &client, .on_event = on_event)));
    snprintf(at, sizeof at, "nats://127.0.0.1:%d", port);
    ck_assert_int_eq(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls = &server)),
                     port);
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .users = users, .nusers = 2)));
    echo(bus);
    server.ca_file = TLS("ca.pem");
    ck_assert_int_eq(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls = &server)),
                     port);
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .users = users, .nusers = 1)));
    EVENTUALLY(rill_broker_conns(broker, NULL, see_none, NULL) == 0);
    rill_close(bus, 0);
    end();
}
END_TEST

/* A user without a password comes by his certificate, so that by another listener his name alone is
 * nothing; where no listener takes certificates for users it is what is configured. */
START_TEST(certified_alone)
{
    rill_bus *bus;
    const rill_user named = {.size = sizeof named, .user = "CN=named"};
    const rill_user plain = {.size = sizeof plain, .user = "plain"};
    const rill_user secret = {.size = sizeof secret, .user = "secret", .password = "pw"};
    const rill_user *const users[] = {&named, &plain, &secret};
    const rill_tls server = {SERVER, .ca_file = TLS("maps.pem"), .verify_and_map = _i == 0};
    serve(RILL_OPTS(rill_broker_opts, .users = users, .nusers = 3),
          RILL_OPTS(rill_listen_opts, .tls = &server));
    int other = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
    ck_assert_int_gt(other, 0);
    for (int i = 0; i < 3; i++) {
        const char *password = users[i]->password;
        snprintf(url, sizeof url, "nats://%s:%s@127.0.0.1:%d", users[i]->user,
                 password ? password : "", other);
        bool in = _i == 1 || password;
        ck_assert_int_eq(rill_open(&bus, url, NULL), in ? RILL_OK : RILL_EAUTH);
        if (in) OK(rill_close(bus, WAIT_MS));
    }
    end();
}
END_TEST

/* A key that both sides share, in place of all certificates. */
START_TEST(shared_key)
{
    rill_bus *bus;
    rill_tls shares = {.size = sizeof shares, .psk = "000102030405060708090a0b0c0d0e0f",
                       .psk_identity = "pump 7", .timeout_ms = WAIT_MS};
    int rc = rill_broker_open(&broker, NULL);
    OK(rc);
    rc = rill_broker_listen(broker, "nats://127.0.0.1:0", RILL_OPTS(rill_listen_opts,
                            .tls = &shares));
    if (rc == RILL_ENOTSUP) { /* it was built without */
        ck_assert_ptr_nonnull(strstr(rill_errmsg(), "psk: this library was built without"));
        end();
        return;
    }
    OK(port = rc);
    snprintf(url, sizeof url, "tls://localhost:%d", port);
    shares.timeout_ms = 0;
    OK(join(_i, url, &shares, &bus));
    echo(bus);
    OK(rill_close(bus, WAIT_MS));
    shares.psk_identity = "pump 8";
    ck_assert_int_lt(join(_i, url, &shares, &bus), 0);
    FAILS(rill_broker_listen(broker, "nats://127.0.0.1:0", RILL_OPTS(rill_listen_opts,
          .tls = &(rill_tls){SERVER, .psk = shares.psk, .psk_identity = "x"})), RILL_EINVAL);
    end();
}
END_TEST

START_TEST(insecure)
{
    rill_bus *bus;
    atomic_store(&events, 0);
    serve_tls(&(rill_tls){.size = sizeof(rill_tls), .cert_file = TLS("expired.pem"),
                          .key_file = TLS("expired.key")});
    OK(join(_i, url, &(rill_tls){.size = sizeof(rill_tls), .insecure = true}, &bus));
    echo(bus);
    while (_i && atomic_load(&events) < 2) OK(rill_poll(bus, 100));
    EVENTUALLY(atomic_load(&events) >= 2);
    ck_assert(has_said("UP"));
    ck_assert(has_said("is insecure: nobody has verified who that is"));
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* Large and many, both ways at once, and what is stored. */
START_TEST(load)
{
    enum { MANY = 20000, BIG = 700000 };
    static char big[BIG];
    rill_bus *from, *to;
    rill_sub *sub;
    const rill_msg *m;
    for (size_t i = 0; i < BIG; i++) big[i] = (char)(i * 31 + i / 997);
    serve(RILL_OPTS(rill_broker_opts, .jetstream = true),
          RILL_OPTS(rill_listen_opts, .tls = &(rill_tls){SERVER}));
    const rill_tls client = {BELIEVES};
    OK(join(_i, url, &client, &from));
    OK(join(0, url, &client, &to));
    OK(rill_stream_ensure(to, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>",
                                             .in_memory = true)));
    OK(rill_subscribe(to, &sub, "s.>", RILL_OPTS(rill_sub_opts, .pending_msgs = MANY * 2)));
    OK(rill_flush(to, WAIT_MS));
    for (int i = 0; i < MANY; i++) {
        int rc = rill_publish(from, "s.n", &i, sizeof i, NULL);
        while (rc == RILL_EAGAIN) {
            OK(rill_flush(from, WAIT_MS));
            rc = rill_publish(from, "s.n", &i, sizeof i, NULL);
        }
        OK(rc);
    }
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_append(from, "s.big", big, BIG, NULL, &receipt, WAIT_MS));
    ck_assert_uint_eq(receipt.seq, MANY + 1);
    for (int i = 0; i < MANY; i++) {
        int n;
        OK(rill_next(sub, &m, WAIT_MS));
        memcpy(&n, m->data.ptr, sizeof n);
        ck_assert_int_eq(n, i);
    }
    OK(rill_next(sub, &m, WAIT_MS));
    ck_assert(m->data.len == BIG && memcmp(m->data.ptr, big, BIG) == 0);
    rill_sub_close(sub);
    OK(rill_close(from, WAIT_MS));
    OK(rill_close(to, WAIT_MS));
    end();
}
END_TEST

/* New certificates come into use where it listens, and what is there stays; bad ones change
 * nothing. The end of the first is told by rill_broker_about(). */
START_TEST(listen_again)
{
    rill_bus *old, *bus;
    rill_broker_info info = {.size = sizeof info};
    const rill_tls client = {BELIEVES};
    char at[80];
    serve_tls(&(rill_tls){SERVER});
    snprintf(at, sizeof at, "nats://127.0.0.1:%d", port);
    OK(join(_i, url, &client, &old));
    echo(old);
    OK(rill_broker_about(broker, &info));
    ck_assert(info.tls_expires_ns == INT64_C(3345062400) * 1000000000); /* 2076 */
    ck_assert_ptr_nonnull(strchr(info.tls_library, '.'));
    const rill_tls bad = {SERVER, .ciphers = "none"};
    FAILS(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls = &bad)), RILL_EINVAL);
    OK(join(_i, url, &client, &bus));
    OK(rill_close(bus, WAIT_MS));
    const rill_tls ended = {.size = sizeof ended, .cert_file = TLS("expired.pem"),
                            .key_file = TLS("expired.key")};
    ck_assert_int_eq(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls = &ended)),
                     port);
    FAILS(join(_i, url, &client, &bus), RILL_EAUTH);
    EVENTUALLY((rill_broker_about(broker, &info), info.tls_expires_ns) ==
               INT64_C(1609459200) * 1000000000);
    ck_assert_int_eq(rill_broker_listen(broker, at, NULL), port);
    FAILS(join(_i, url, &client, &bus), RILL_ENOTSUP);
    echo(old);
    OK(rill_close(old, WAIT_MS));
    end();
}
END_TEST

/* The server is gone, and there again: the handle dials it, by a session that is resumed or not. */
START_TEST(again)
{
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    const rill_tls client = {BELIEVES};
    atomic_store(&ups, 0);
    serve_tls(&(rill_tls){SERVER});
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .tls = &client, .on_event = on_event,
                                      .redial_min_ms = 1, .redial_max_ms = 20)));
    OK(rill_subscribe(bus, &sub, "a", NULL));
    OK(rill_flush(bus, WAIT_MS));
    for (int i = 0; i < 3; i++) {
        char at[80];
        EVENTUALLY(atomic_load(&ups) > i);
        OK(rill_broker_close(broker, 0));
        OK(rill_broker_open(&broker, NULL));
        snprintf(at, sizeof at, "nats://127.0.0.1:%d", port);
        OK(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls = &(rill_tls){SERVER})));
        EVENTUALLY(atomic_load(&ups) > i + 1); /* what went into the old connection would be lost */
        OK(rill_publish(bus, "a", "there", 5, NULL));
        OK(rill_next(sub, &m, WAIT_MS));
        TEXT_IS(m->data, "there");
    }
    rill_sub_close(sub);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* Over a unix socket, and what cannot be. */
START_TEST(places)
{
    rill_bus *bus;
    char path[80], at[100];
    snprintf(path, sizeof path, "/tmp/rill-tls-%d.sock", (int)getpid());
    snprintf(at, sizeof at, "unix:%s", path);
    OK(rill_broker_open(&broker, NULL));
    const rill_tls client = {BELIEVES}, server = {SERVER};
    OK(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls = &server)));
    OK(join(_i, at, &client, &bus));
    echo(bus);
    OK(rill_close(bus, WAIT_MS));
    FAILS(join(_i, "mem:", &client, &bus), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "tls is for nats://"));
    FAILS(join(_i, "kafka://localhost", &client, &bus), RILL_EINVAL);
    FAILS(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .tls = &client)), RILL_EINVAL);
    rill_tls short_one = {.size = 4};
    FAILS(join(_i, at, &short_one, &bus), RILL_EINVAL);
    rill_tls newer = {BELIEVES};
    newer.reserved[3] = true;
    FAILS(join(_i, at, &newer, &bus), RILL_EINVAL);
    FAILS(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls_optional = true)),
          RILL_EINVAL);
    const rill_tls first = {SERVER, .handshake_first = true};
    FAILS(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls = &first,
                                                   .tls_optional = true)), RILL_EINVAL);
    end();
}
END_TEST

/* What a place for Kafka's clients may be; that it serves them says test_kafka.c. */
START_TEST(kafka_places)
{
    char at[80];
    const rill_tls server = {SERVER}, late = {SERVER, .handshake_first = true, .first_ms = 50};
    rill_broker_info info = {.size = sizeof info};
    OK(rill_broker_open(&broker, NULL));
    FAILS(rill_broker_listen(broker, "kafkas://127.0.0.1:0", NULL), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "wants tls with a certificate"));
    FAILS(rill_broker_listen(broker, "kafkas://127.0.0.1:0", RILL_OPTS(rill_listen_opts,
                             .tls = &server, .tls_optional = true)), RILL_ENOTSUP);
    FAILS(rill_broker_listen(broker, "kafkas://127.0.0.1:0", RILL_OPTS(rill_listen_opts,
                             .tls = &late)), RILL_ENOTSUP);
    OK(port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL));
    OK(rill_broker_about(broker, &info));
    ck_assert_int_eq(info.tls_expires_ns, 0);
    snprintf(at, sizeof at, "kafkas://127.0.0.1:%d", port);
    OK(rill_broker_listen(broker, at, RILL_OPTS(rill_listen_opts, .tls = &server)));
    EVENTUALLY((rill_broker_about(broker, &info), info.tls_expires_ns) ==
               INT64_C(3345062400) * 1000000000); /* 2076 */
    snprintf(at, sizeof at, "kafka://127.0.0.1:%d", port);
    OK(rill_broker_listen(broker, at, NULL));
    EVENTUALLY((rill_broker_about(broker, &info), info.tls_expires_ns) == 0);
    end();
}
END_TEST

SUITE_MAIN_ROWS("api_tls", SUITE_ONCE(kafka_places, certified_no_more),
                 SUITE_EACH(2, certified, certified_alone, shared_key, live, by_the_system, refused,
                                      wanted, certificates, insecure, load, listen_again, again,
                                      places))
