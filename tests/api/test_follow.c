/* SPDX-License-Identifier: Apache-2.0 */
/* The door of HTTP for those who log in: who may, and what he reads. */
#include <poll.h>

#include "support/supply.h"
#include "visitor.h"

static const rill_user reader = {.size = sizeof reader, .user = "ann", .password = "pw"};
static const rill_user hashed = {
    .size = sizeof hashed, .user = "hal", /* "secret" */
    .password = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"};
static const rill_user bounded = {
    .size = sizeof bounded, .user = "bob", .password = "pw",
    .publish_allow = (const char *const[]){"open.>"}, .npublish_allow = 1,
    .subscribe_allow = (const char *const[]){"open.>"}, .nsubscribe_allow = 1};
static const rill_user deaf = {
    .size = sizeof deaf, .user = "dea", .password = "pw",
    .subscribe_deny = (const char *const[]){">"}, .nsubscribe_deny = 1};
static const rill_user *const people[] = {&reader, &hashed, &bounded, &deaf};

/* A request with these words in Authorization, and one header more; its status. */
static int get_as(const char *path, const char *login, const char *more)
{
    char line[600];
    snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s%s%s%s\r\n",
             path, login ? "Authorization: " : "", login ? login : "", login ? "\r\n" : "", more);
    return get(line);
}

#define ANN "Basic YW5uOnB3"         /* ann:pw */
#define HAL "basic aGFsOnNlY3JldA==" /* hal:secret */
#define BOB "Basic Ym9iOnB3"         /* bob:pw */
#define DEA "Basic ZGVhOnB3"         /* dea:pw */

static void nobody(const rill_login *login, void *arg)
{
    (void)arg;
    OK(rill_login_answer(login, NULL, "nobody is"));
}

/* What is told to everybody stays so; who he is counts for messages alone. */
START_TEST(logins)
{
    static const char *const wrong[] = {
        NULL, "", "Basic", "Basic ", "Basic !", "Basic YW5u", "Basic YW5uOng=", "Basic eDpwdw==",
        "Basic aGFsOnB3", "Bearer pw", "Bearer ", "Digest YW5uOnB3", "YW5uOnB3",
        "Basic AGFubjpwdw==", "Basic YW5uOnB3AA=="};
    serve(RILL_OPTS(rill_broker_opts, .users = people, .nusers = 4));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(get_as("/follow?subject=a", wrong[i], "") == 401, "%s", wrong[i]);
        ck_assert_ptr_nonnull(strstr(text, "WWW-Authenticate: Basic "));
        ck_assert_int_eq(get_as("/healthz", wrong[i], ""), 200);
        ck_assert_int_eq(get_as("/who", wrong[i], ""), 200);
        has("\"login\": false");
    }
    ck_assert_int_eq(get_as("/who", ANN, ""), 200);
    has("\"user\": \"ann\"");
    ck_assert_int_eq(get_as("/who", HAL, ""), 200);
    has("\"user\": \"hal\"");
    ck_assert_int_eq(get_as("/login", ANN, ""), 303);
    has("Location: ./\r\n");
    ck_assert_int_eq(get_as("/login", NULL, ""), 401);
    ck_assert_int_eq(get_as("/follow?subject=a", ANN, "Authorization: " ANN "\r\n"), 400);
    ck_assert_int_eq(get_as("/follow?subject=a", ANN, "Sec-Fetch-Site: cross-site\r\n"), 403);
    ck_assert_int_eq(get_as("/follow?subject=a..b", ANN, ""), 400);
    ck_assert_int_eq(get_as("/follow", ANN, ""), 400);
    ck_assert_int_eq(get_as("/follow?stream=a.b", ANN, ""), 400);
    ck_assert_int_eq(get_as("/follow?subject=a&seq=x", ANN, ""), 400);
    end();
    serve(NULL);
    ck_assert_int_eq(get_as("/follow?subject=a", ANN, ""), 403);
    has("this broker has no users");
    end();
    serve(RILL_OPTS(rill_broker_opts, .on_login = nobody));
    ck_assert_int_eq(get_as("/follow?subject=a", ANN, ""), 403);
    has("the program decides who comes in");
    end();
    serve(RILL_OPTS(rill_broker_opts, .token = "t"));
    ck_assert_int_eq(get_as("/who", "Bearer t", ""), 200);
    has("\"login\": true");
    ck_assert_int_eq(get_as("/who", "Bearer T", ""), 200);
    has("\"login\": false");
    end();
}
END_TEST

static int follow(const char *query, const char *login)
{
    char line[600];
    int fd = visit();
    snprintf(line, sizeof line, "GET /follow?%s HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n",
             query, login);
    say(fd, line);
    return fd;
}

/* Adds what comes to `text` until it has these words. */
static void hear_until(int fd, const char *words)
{
    size_t len = strlen(text);
    while (!strstr(text, words)) {
        ssize_t got = recv(fd, text + len, sizeof text - 1 - len, 0);
        ck_assert_msg(got > 0, "no %s in ...%.500s", words, text + (len > 500 ? len - 500 : 0));
        len += (size_t)got;
        text[len] = 0;
    }
}

static int follow_well(const char *query, const char *login)
{
    int fd = follow(query, login);
    text[0] = 0;
    hear_until(fd, "retry: 3000\n\n");
    ck_assert_int_eq(atoi(text + 9), 200);
    has("Content-Type: text/event-stream\r\n");
    return fd;
}

/* Live: what its user may hear and no more, markup escaped, long ones cut. */
START_TEST(follows)
{
    static char big[20000];
    rill_bus *bus;
    serve(RILL_OPTS(rill_broker_opts, .users = people, .nusers = 4));
    OK(rill_broker_bus(broker, &bus, NULL));
    ck_assert_int_eq(get_as("/follow?subject=shut", BOB, ""), 403);
    ck_assert_int_eq(get_as("/follow?subject=>", BOB, ""), 403);
    ck_assert_int_eq(get_as("/follow?stream=S", BOB, ""), 403);
    int fd = follow_well("subject=open.%3E", BOB);
    memset(big, 'x', sizeof big);
    OK(rill_publish(bus, "shut", "1", 1, NULL));
    OK(rill_publish(bus, "open.a", "<b>\n\"\xff", 6, RILL_OPTS(rill_post, .reply = "r")));
    OK(rill_publish(bus, "open.b", big, sizeof big, NULL));
    hear_until(fd, "\"size\": 20000");
    hear_until(fd, "\"cut\": true}\n\n");
    has("{\"subject\": \"open.a\"");
    has("\"reply\": \"r\"");
    has("\"data\": \"\\u003cb\\u003e\\n\\\"\\ufffd\"}\n\n");
    ck_assert_ptr_null(strstr(text, "shut"));
    close(fd);
    fd = follow_well("subject=>", ANN);
    OK(rill_publish(bus, "shut", "1", 1, NULL));
    hear_until(fd, "\"subject\": \"shut\"");
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .users = people, .nusers = 1)));
    ck_assert(hear_all(fd)); /* what he may is to be found anew */
    close(fd);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* More than he reads: what is left out is counted, and all the rest goes on. */
START_TEST(follows_much)
{
    enum { MANY = 20, TIMES = 3000, KEPT = 16 };
    static char big[6000];
    rill_bus *bus;
    int fds[MANY], busy = 0;
    serve(RILL_OPTS(rill_broker_opts, .users = people, .nusers = 4));
    OK(rill_broker_bus(broker, &bus, NULL));
    for (int i = 0; i < MANY; i++) {
        fds[i] = follow("subject=a", ANN);
        text[0] = 0;
        hear_until(fds[i], "\r\n\r\n");
        busy += atoi(text + 9) == 503;
    }
    ck_assert_int_eq(busy, MANY - 16);
    memset(big, 'x', sizeof big);
    for (int i = 0; i < TIMES; i++) OK(rill_publish(bus, "a", big, sizeof big, NULL));
    int64_t begun_ms = api_now_ms();
    size_t kept = 0; /* the end of what came: the word may come in two parts */
    for (text[0] = 0; !strstr(text, "\"missed\"");) {
        ck_assert_int_lt(api_now_ms() - begun_ms, WAIT_MS);
        OK(rill_publish(bus, "a", "x", 1, NULL));
        memmove(text, text + strlen(text) - kept, kept);
        ssize_t got = recv(fds[0], text + kept, sizeof text - 1 - kept, MSG_DONTWAIT);
        size_t len = kept + (got > 0 ? (size_t)got : 0);
        text[len] = 0;
        kept = len < KEPT ? len : KEPT;
        if (got < 0) nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(broker, &stats));
    ck_assert_uint_lt(stats.memory_bytes, 16u * 2 << 20);
    for (int i = 0; i < MANY; i++) close(fds[i]);
    do { /* their places become free */
        int fd = follow("subject=a", ANN);
        text[0] = 0;
        hear_until(fd, "\r\n\r\n");
        close(fd);
    } while (atoi(text + 9) != 200);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* Of a stream: all of it, the last of each subject, from a number and from a time; then what comes
 * anew. */
START_TEST(follows_streams)
{
    rill_bus *bus;
    char data[16];
    serve(RILL_OPTS(rill_broker_opts, .users = people, .nusers = 4, .jetstream = true));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    for (int i = 0; i < 100; i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "s.%d", i % 10);
        size_t len = (size_t)snprintf(data, sizeof data, "m%d", i);
        OK(rill_append(bus, subject, data, len, NULL, NULL, WAIT_MS));
    }
    ck_assert_int_eq(get_as("/follow?stream=S", DEA, ""), 403); /* who hears no answers */
    int fd = follow_well("stream=S", ANN);
    hear_until(fd, "\"data\": \"m99\"}");
    for (int i = 0; i < 100; i++) {
        snprintf(data, sizeof data, "\"m%d\"}", i);
        has(data);
    }
    has("\"seq\": 100,\"pending\": 0,");
    OK(rill_append(bus, "s.new", "fresh", 5, NULL, NULL, WAIT_MS));
    hear_until(fd, "\"data\": \"fresh\"}");
    close(fd); /* and its consumer goes */
    EVENTUALLY(GET("/metrics") == 200 &&
               strstr(text, "rill_stream_consumers{account=\"$G\",stream=\"S\"} 0\n"));
    fd = follow_well("stream=S&subject=s.3&last=1", ANN);
    hear_until(fd, "\"data\": \"m93\"}");
    ck_assert_ptr_null(strstr(text, "m83"));
    close(fd);
    fd = follow_well("stream=S&last=1", ANN);
    hear_until(fd, "\"data\": \"fresh\"}");
    ck_assert_ptr_null(strstr(text, "\"m89\""));
    close(fd);
    fd = follow_well("stream=S&seq=99", ANN);
    hear_until(fd, "\"data\": \"fresh\"}");
    ck_assert_ptr_null(strstr(text, "\"m97\""));
    close(fd);
    fd = follow_well("stream=S&since=2000-01-01T00:00:00Z", ANN);
    hear_until(fd, "\"data\": \"m0\"}");
    close(fd);
    fd = follow_well("stream=S&since=yesterday", ANN);
    hear_until(fd, "event: end\n");
    ck_assert(hear_all(fd));
    close(fd);
    fd = follow_well("stream=NONE", ANN);
    hear_until(fd, "event: end\ndata: \"stream not found\"\n\n");
    ck_assert(hear_all(fd));
    close(fd);
    fd = follow_well("stream=S&seq=101", ANN); /* it waits; the stream goes under it */
    hear_until(fd, "fresh");
    OK(rill_stream_delete(bus, "S"));
    hear_until(fd, "event: end\n");
    ck_assert(hear_all(fd));
    close(fd);
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    int stays[] = {follow_well("stream=S", ANN), follow_well("subject=>", ANN)};
    OK(rill_close(bus, WAIT_MS));
    end(); /* under those who follow */
    for (size_t i = 0; i < 2; i++) close(stays[i]);
    serve(RILL_OPTS(rill_broker_opts, .users = people, .nusers = 4));
    fd = follow_well("stream=S", ANN);
    hear_until(fd, "event: end\n");
    ck_assert(hear_all(fd));
    close(fd);
    end();
}
END_TEST

/* Whichever allocation fails: he follows, or is refused, or sent off; nothing is left of him. */
START_TEST(follows_scarce)
{
    supply s;
    rill_bus *bus;
    supply_init(&s);
    const rill_host host = supply_hooks(&s);
    serve(RILL_OPTS(rill_broker_opts, .users = people, .nusers = 4, .jetstream = true,
                    .host = &host));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s")));
    OK(rill_append(bus, "s", "m", 1, NULL, NULL, WAIT_MS));
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        pthread_mutex_lock(&s.lock);
        s.calls = s.failed = 0;
        s.fail_at = n;
        pthread_mutex_unlock(&s.lock);
        int fd = follow(n % 2 ? "stream=S" : "subject=a", n % 3 ? ANN : HAL);
        text[0] = 0;
        size_t len = 0;
        for (ssize_t got = 1; got > 0 && !strstr(text, "\r\n\r\n");) {
            got = recv(fd, text + len, sizeof text - 1 - len, 0);
            if (got > 0) len += (size_t)got;
            text[len] = 0;
        }
        pthread_mutex_lock(&s.lock);
        failed = s.failed > 0 || n < 30;
        s.fail_at = 0;
        pthread_mutex_unlock(&s.lock);
        int status = text[0] ? atoi(text + 9) : 0;
        ck_assert_msg(status == 200 || status == 503 || status == 0 || status == 401,
                      "allocation %zu: %s", n, text);
        close(fd);
    }
    int fd = follow_well("stream=S", ANN);
    hear_until(fd, "\"data\": \"m\"}");
    close(fd);
    OK(rill_close(bus, WAIT_MS));
    end();
    supply_fini(&s);
}
END_TEST

/* One who says that he is sam, by a wrong password; sam's hash takes long to compare. */
static int ask_slowly(void)
{
    int fd = visit();
    say(fd, "GET /login HTTP/1.1\r\nHost: h\r\nAuthorization: Basic c2FtOnB3\r\n\r\n");
    return fd;
}

static void go_away(int fd) /* and not as one who waits for his answer yet */
{
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(fd);
}

/* Is one of these told that too many log in? Others who are answered leave their place, too. */
static bool is_refused(struct pollfd *all, int n)
{
    bool refused = false;
    poll(all, (nfds_t)n, 1);
    for (int i = 0; i < n; i++) {
        if (all[i].fd < 0 || !all[i].revents) continue;
        ssize_t len = recv(all[i].fd, text, sizeof text - 1, 0);
        text[len > 0 ? len : 0] = 0;
        refused = refused || strncmp(text, "HTTP/1.1 503 ", 13) == 0;
        close(all[i].fd);
        all[i].fd = -1;
    }
    return refused;
}

/* Who asks to have a hash compared and goes away leaves it behind: there are so many at most, and
 * whoever asks for something else does not wait for them. */
START_TEST(logins_of_a_crowd)
{
    enum { THERE = 40 };
    static const rill_user slow = {
        .size = sizeof slow, .user = "sam",
        .password = "$2b$11$abcdefghijklmnopqrstuuViuGI07N4McP9Kl.tD6XMEzyuvcY8LG"};
    static const rill_user *const both[] = {&slow, &hashed};
    struct pollfd all[THERE];
    serve(RILL_OPTS(rill_broker_opts, .users = both, .nusers = 2));
    for (int i = 0; i < THERE; i++) all[i] = (struct pollfd){.fd = -1};
    unsigned n = 0;
    do {
        struct pollfd *place = &all[n++ % THERE];
        if (place->fd >= 0) go_away(place->fd);
        *place = (struct pollfd){.fd = ask_slowly(), .events = POLLIN};
    } while (!is_refused(all, THERE));
    ck_assert_uint_ge(n, 64);
    ck_assert_int_eq(GET("/healthz"), 200);
    for (int i = 0; i < THERE; i++)
        if (all[i].fd >= 0) go_away(all[i].fd);
    EVENTUALLY(get_as("/login", HAL, "") == 303); /* and then there is room again */
    end();
}
END_TEST

SUITE_MAIN("follow", logins, logins_of_a_crowd, follows, follows_much, follows_streams,
           follows_scarce)
