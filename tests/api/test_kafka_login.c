/* SPDX-License-Identifier: Apache-2.0 */
/* As whom a kafka:// handle logs in: what a broker hears that is only this test's, which takes
 * SaslHandshake and what follows it, and hangs up. librdkafka's own cluster for tests knows no
 * logins. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"

enum { KEY_SASL_HANDSHAKE = 17, KEY_API_VERSIONS = 18, ROOM = 256 };

static int listener;
static char url[64], heard[ROOM]; /* "\0USER\0PASSWORD", with a 0 behind it */
static atomic_int nheard;

static bool take(int fd, void *out, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t got = read(fd, (char *)out + at, len - at);
        if (got <= 0) return false;
        at += (size_t)got;
    }
    return true;
}

/* A frame of ROOM bytes at most, without its size; how many, -1: there is none. */
static int take_frame(int fd, char out[ROOM])
{
    uint32_t size;
    if (!take(fd, &size, sizeof size) || (size = ntohl(size)) > ROOM) return -1;
    return take(fd, out, size) ? (int)size : -1;
}

/* A request for that is answered, with its number in it. */
static bool answer(int fd, char key, char *text, size_t len)
{
    char frame[ROOM];
    if (take_frame(fd, frame) < 8 || frame[0] != 0 || frame[1] != key) return false;
    memcpy(text + 4, frame + 4, 4);
    return write(fd, text, len) == (ssize_t)len;
}

/* Both requests are known in their first form, so that the login is a frame of its own. */
static void serve(int fd)
{
    char versions[] = {0, 0, 0, 26, 0, 0, 0, 0, 0, 0, 3, 0, KEY_SASL_HANDSHAKE, 0, 0, 0, 0, 0,
                       0, KEY_API_VERSIONS, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0};
    char mechanisms[] = {0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 5, 'P', 'L', 'A', 'I', 'N'};
    char frame[ROOM];
    if (!answer(fd, KEY_API_VERSIONS, versions, sizeof versions)) return;
    if (!answer(fd, KEY_SASL_HANDSHAKE, mechanisms, sizeof mechanisms)) return;
    int n = take_frame(fd, frame);
    if (n <= 0 || n >= ROOM || nheard) return;
    memcpy(heard, frame, (size_t)n);
    nheard = n;
}

static void *broker(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0 || errno == EINTR;) {
        if (fd < 0) continue;
        serve(fd);
        close(fd);
    }
    return NULL;
}

/* What a handle says that opens such a broker, and does not wait for it; NULL: nothing. */
static void hears(const char *login, const rill_opts *given, const char *user, const char *password)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    pthread_t thread;
    rill_bus *bus;
    nheard = 0;
    memset(heard, 0, sizeof heard);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, broker, NULL), 0);
    snprintf(url, sizeof url, "kafka://%s127.0.0.1:%d", login, ntohs(at.sin_port));
    rill_opts opts = *given;
    opts.no_wait = true;
    OK(rill_open(&bus, url, &opts));
    EVENTUALLY(nheard > 0);
    ck_assert_int_eq(nheard, 2 + strlen(user) + strlen(password));
    ck_assert_str_eq(heard + 1, user);
    ck_assert_str_eq(heard + 1 + strlen(user) + 1, password);
    OK(rill_close(bus, 20000));
    shutdown(listener, SHUT_RDWR); /* ends accept() */
    pthread_join(thread, NULL);
    close(listener);
}

START_TEST(by_a_name)
{
    hears("ada:p%40ss@", RILL_OPTS(rill_opts, .name = "t"), "ada", "p@ss");
    hears("", RILL_OPTS(rill_opts, .user = "ada", .password = "p@ss"), "ada", "p@ss");
}
END_TEST

static int ask(rill_creds *creds, void *arg)
{
    (void)creds;
    (void)arg;
    return RILL_OK;
}

static void refused(const char *where, const rill_opts *opts, const char *why)
{
    rill_bus *bus;
    FAILS(rill_open(&bus, where, opts), RILL_EINVAL);
    ck_assert_msg(strstr(rill_errmsg(), why), "%s", rill_errmsg());
    ck_assert_ptr_null(strstr(rill_errmsg(), "s3cret"));
}

START_TEST(what_is_wrong_is_said)
{
    const char *at = "kafka://127.0.0.1:1";
    refused(at, RILL_OPTS(rill_opts, .token = "s3cret"), "Kafka has no tokens");
    refused(at, RILL_OPTS(rill_opts, .password = "s3cret"), "no user");
    refused(at, RILL_OPTS(rill_opts, .user = ""), "user is empty");
    refused(at, RILL_OPTS(rill_opts, .user = "ada"), "sasl.password must be set"); /* its rule */
    refused(at, RILL_OPTS(rill_opts, .on_creds = ask), "on_creds: kafka does not ask");
    refused("kafka://bob:s3cret@127.0.0.1:1", RILL_OPTS(rill_opts, .user = "ada"),
            "user and the login in the URL");
    refused("mem:", RILL_OPTS(rill_opts, .on_creds = ask), "on_creds: mem does not ask");
    rill_bus *bus; /* no server: nobody logs in, as with nkey_seed */
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .user = "ada", .password = "s3cret")));
    OK(rill_close(bus, 20000));
}
END_TEST

/* Nobody takes that login in time: the sentence says whom it was about, and not by what. */
START_TEST(a_wrong_password)
{
    rill_bus *bus;
    rill_broker *open;
    int port;
    char at[64];
    OK(rill_broker_open(&open, NULL));
    OK(port = rill_broker_listen(open, "kafka://127.0.0.1:0", NULL)); /* where nobody logs in */
    snprintf(at, sizeof at, "kafka://127.0.0.1:%d", port);
    int rc = rill_open(&bus, at, RILL_OPTS(rill_opts, .user = "ada", .password = "s3cret",
                                           .connect_timeout_ms = 20000));
    FAILS(rc, RILL_EAUTH);
    ck_assert_ptr_null(strstr(rill_errmsg(), "s3cret"));
    OK(rill_broker_close(open, 20000));
}
END_TEST

SUITE_MAIN("kafka_login", by_a_name, what_is_wrong_is_said, a_wrong_password)
