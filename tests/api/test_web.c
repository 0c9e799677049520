/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket as a program has it: a broker that listens with it, handles that dial it, and strangers
 * who do worse. Looped, _i is the drive: 0 a thread, 1 the caller. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"

#define TLS(name) GOLDEN_DIR "/tls/" name
#define BELIEVES .size = sizeof(rill_tls), .ca_file = TLS("ca.pem")
#define REQUEST                                                                  \
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

enum { WAIT_MS = 20000 };

static rill_broker *broker;
static int port;
static char url[160];

static const rill_tls server_tls = {.size = sizeof server_tls, .cert_file = TLS("server.pem"),
                                    .key_file = TLS("server.key"), .timeout_ms = WAIT_MS};

static void serve(const rill_listen_opts *opts)
{
    OK(rill_broker_open(&broker, NULL));
    OK(port = rill_broker_listen(broker, opts && opts->tls ? "wss://127.0.0.1:0"
                                                           : "ws://127.0.0.1:0", opts));
    snprintf(url, sizeof url, "%s://localhost:%d/some/path?a=b",
             opts && opts->tls ? "wss" : "ws", port);
}

static void end(void)
{
    OK(rill_broker_close(broker, WAIT_MS));
}

static bool compresses; /* join() asks for it */

static int join(int drive, const rill_tls *tls, rill_bus **bus)
{
    return rill_open(bus, url, RILL_OPTS(rill_opts, .tls = tls, .no_redial = true,
                                         .connect_timeout_ms = WAIT_MS,
                                         .ws_compress = compresses,
                                         .drive = drive ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD));
}

/* Messages of many sizes go around, and are what they were. */
static void echo(rill_bus *bus)
{
    static char text[1000000];
    static const size_t sizes[] = {0, 1, 100, 126, 4000, 65536, 300000, sizeof text};
    rill_sub *sub;
    const rill_msg *m;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i * 7 + i / 1000);
    OK(rill_subscribe(bus, &sub, "echo", NULL));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        OK(rill_publish(bus, "echo", text, sizes[i], NULL));
        OK(rill_next(sub, &m, WAIT_MS));
        ck_assert(m->data.len == sizes[i] && memcmp(m->data.ptr, text, sizes[i]) == 0);
    }
    rill_sub_close(sub);
}

static int seen(const rill_conn_info *conn, void *arg)
{
    snprintf(arg, 80, "%d %s", conn->websocket, conn->tls_version[0] ? "TLS" : "plain");
    return 1;
}

START_TEST(handles)
{
    char text[80];
    rill_bus *bus;
    for (int i = 0; i < 4; i++) { /* one side compresses, or both do, or neither */
        compresses = i & 1;
        serve(RILL_OPTS(rill_listen_opts, .ws_compress = i & 2));
        OK(join(_i, NULL, &bus));
        echo(bus);
        OK(rill_close(bus, WAIT_MS));
        end();
    }
    compresses = false;
    serve(NULL);
    OK(join(_i, NULL, &bus));
    echo(bus);
    OK(rill_broker_conns(broker, NULL, seen, text));
    ck_assert_str_eq(text, "1 plain");
    OK(rill_close(bus, WAIT_MS));
    FAILS(join(_i, RILL_OPTS(rill_tls, .ca_file = TLS("ca.pem")), &bus), RILL_EINVAL);
    end();

    serve(RILL_OPTS(rill_listen_opts, .tls = &server_tls));
    OK(join(_i, &(rill_tls){BELIEVES}, &bus));
    echo(bus);
    OK(rill_broker_conns(broker, NULL, seen, text));
    ck_assert_str_eq(text, "1 TLS");
    OK(rill_close(bus, WAIT_MS));
    FAILS(join(_i, NULL, &bus), RILL_EAUTH); /* the system believes nobody of ours */
    snprintf(url, sizeof url, "wss://127.0.0.2:%d", port);
    FAILS(join(_i, &(rill_tls){BELIEVES}, &bus), RILL_ECONN); /* nobody listens there */
    end();
}
END_TEST

/* The other side speaks something else. */
START_TEST(others)
{
    rill_bus *bus;
    OK(rill_broker_open(&broker, NULL));
    OK(port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d", port);
    FAILS(join(_i, NULL, &bus), RILL_ECONN);
    ck_assert_msg(strstr(rill_errmsg(), "the answer to the upgrade is no HTTP") ||
                  strstr(rill_errmsg(), "WebSocket"), "%s", rill_errmsg());
    end();
    serve(NULL);
    snprintf(url, sizeof url, "wss://127.0.0.1:%d", port);
    FAILS(join(_i, NULL, &bus), RILL_EPROTO);
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    rill_opts opts = {.size = sizeof opts, .connect_timeout_ms = 200};
    FAILS(rill_open(&bus, url, &opts), RILL_ECONN);
    end();
}
END_TEST

static atomic_int ups;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    (void)arg;
    if (ev->kind == RILL_EV_UP) atomic_fetch_add(&ups, 1);
}

/* A connection that is lost is dialled again, with its subscriptions. */
START_TEST(redial)
{
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    char place[64];
    serve(NULL);
    atomic_store(&ups, 0);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .on_event = on_event, .redial_min_ms = 1,
                                      .redial_max_ms = 20)));
    OK(rill_subscribe(bus, &sub, "again", NULL));
    OK(rill_flush(bus, WAIT_MS));
    end();
    snprintf(place, sizeof place, "ws://127.0.0.1:%d", port);
    OK(rill_broker_open(&broker, NULL));
    int rc;
    EVENTUALLY((rc = rill_broker_listen(broker, place, NULL)) == port || rc != RILL_EIO);
    OK(rc);
    EVENTUALLY(atomic_load(&ups) == 2);
    OK(rill_publish(bus, "again", "x", 1, NULL));
    OK(rill_next(sub, &m, WAIT_MS));
    TEXT_IS(m->data, "x");
    rill_sub_close(sub);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

START_TEST(listeners)
{
    OK(rill_broker_open(&broker, NULL));
    FAILS(rill_broker_listen(broker, "wss://127.0.0.1:0", NULL), RILL_EINVAL);
    FAILS(rill_broker_listen(broker, "ws://127.0.0.1:0/path", NULL), RILL_EINVAL);
    FAILS(rill_broker_listen(broker, "wss://127.0.0.1:0",
                             RILL_OPTS(rill_listen_opts, .tls = &server_tls,
                                       .tls_optional = true)), RILL_ENOTSUP);
    FAILS(rill_broker_listen(broker, "ws://127.0.0.1:0",
                             RILL_OPTS(rill_listen_opts, .ws_origins = "a.example")), RILL_EINVAL);
    OK(port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    snprintf(url, sizeof url, "ws://127.0.0.1:%d", port);
    FAILS(rill_broker_listen(broker, url, NULL), RILL_EIO); /* something else is there */
    end();
}
END_TEST

/* ---- Strangers ---- */

static int stranger(const char *bytes, size_t len)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval most = {.tv_sec = WAIT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    return fd;
}

/* All that comes until the end of the stream. */
static void hear(int fd, char *out, size_t room)
{
    size_t len = 0;
    ssize_t n;
    while (len < room - 1 && (n = recv(fd, out + len, room - 1 - len, 0)) > 0) len += (size_t)n;
    ck_assert_msg(len == room - 1 || n == 0 || len > 0, "nothing came");
    for (size_t i = 0; i < len; i++) out[i] = out[i] ? out[i] : '.';
    out[len] = 0;
    close(fd);
}

/* A hundred who never end their request, while somebody else goes on as ever; then their time is
 * over, and the others' is not. */
START_TEST(slow_strangers)
{
    enum { STRANGERS = 100 };
    int fds[STRANGERS];
    char byte;
    rill_bus *bus;
    serve(RILL_OPTS(rill_listen_opts, .ws_handshake_ms = 3000));
    OK(join(0, NULL, &bus));
    for (int i = 0; i < STRANGERS; i++) fds[i] = stranger(REQUEST, (size_t)i % 100 + 1);
    echo(bus);
    for (int i = 0; i < STRANGERS; i++) {
        ck_assert_int_le(recv(fds[i], &byte, 1, 0), 0);
        close(fds[i]);
    }
    echo(bus);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

static void check_stranger(const char *frames, size_t len, const char *told)
{
    char bytes[2048], got[4096];
    memcpy(bytes, REQUEST, strlen(REQUEST));
    int fd = stranger(REQUEST, strlen(REQUEST));
    ssize_t n = recv(fd, got, sizeof got - 1, 0); /* the answer, and perhaps INFO */
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(send(fd, frames, len, MSG_NOSIGNAL), (ssize_t)len);
    hear(fd, got, sizeof got);
    ck_assert_msg(strstr(got, told), "\"%s\" is not in \"%s\"", told, got);
}

START_TEST(bad_strangers)
{
    rill_bus *bus;
    serve(NULL);
    OK(join(0, NULL, &bus));
    check_stranger("\x82\x04PING", 6, "mask bit missing");
    check_stranger("\xc2\x80ZZZZ", 6, "compressed frame received");
    check_stranger("\x87\x80ZZZZ", 6, "unknown opcode 7");
    check_stranger("\x88\x82\0\0\0\0\x03\xe9", 8, "\x88");
    check_stranger("\x81\x88\0\0\0\0NONSENSE", 14, "Unknown Protocol Operation");
    char got[4096];
    hear(stranger("BREW / HTTP/1.1\r\n\r\n", 19), got, sizeof got);
    ck_assert_ptr_nonnull(strstr(got, "HTTP/1.1 400 Bad Request"));
    echo(bus);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

SUITE_MAIN_ROWS("web", SUITE_EACH(2, handles, others),
                SUITE_ONCE(redial, listeners, slow_strangers, bad_strangers))
