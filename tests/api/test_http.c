/* SPDX-License-Identifier: Apache-2.0 */
/* The door of HTTP as a program has it: what it answers, over TCP and over TLS's port, and what
 * visitors can do who mean no good. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "visitor.h"
#include "support/scratch.h"
#include "support/supply.h"

enum { PLACES = 64 };

#define TLS(name) GOLDEN_DIR "/tls/" name

/* ---- What it answers ---- */

START_TEST(answers)
{
    serve(NULL);
    ck_assert_int_eq(GET("/healthz"), 200);
    ck_assert_ptr_nonnull(strstr(text, "\r\n\r\n{\"status\":\"ok\"}"));
    ck_assert_ptr_nonnull(strstr(text, "X-Content-Type-Options: nosniff\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "Content-Security-Policy: default-src 'none'"));
    ck_assert_ptr_null(strstr(text, "Access-Control-Allow-Origin"));
    ck_assert_int_eq(GET("/"), 200);
    ck_assert_ptr_nonnull(strstr(text, "script-src 'sha256-"));
    ck_assert_ptr_nonnull(strstr(text, "<title>rill</title>"));
    ck_assert_int_eq(GET("/none"), 404);
    ck_assert_int_eq(get("HEAD /healthz HTTP/1.0\r\n\r\n"), 200);
    ck_assert_ptr_nonnull(strstr(text, "Content-Length: 15\r\n"));
    ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    ck_assert_int_eq(get("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n"), 405);
    ck_assert_ptr_nonnull(strstr(text, "Allow: GET, HEAD\r\n"));
    ck_assert_int_eq(get("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"), 413);
    ck_assert_int_eq(get("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n"
                         "Connection: close\r\n\r\n"), 200);
    ck_assert_ptr_nonnull(strstr(text, "Content-Encoding: gzip\r\n"));
    end();
}
END_TEST

/* Many on one connection, one after the other and all at once, in the order in which they came;
 * cut into single bytes; and by one who has nothing more to say. */
START_TEST(keeps)
{
    static const char two[] = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
                              "GET /none HTTP/1.1\r\nHost: h\r\n\r\n";
    serve(NULL);
    int fd = visit();
    for (int i = 0; i < 100; i++) say(fd, two);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(hear_one(fd), 200);
        ck_assert_int_eq(hear_one(fd), 404);
    }
    for (const char *p = two; *p; p++) say(fd, (char[]){*p, 0});
    ck_assert_int_eq(hear_one(fd), 200);
    ck_assert_int_eq(hear_one(fd), 404);
    say(fd, two);
    shutdown(fd, SHUT_WR);
    ck_assert(hear_all(fd));
    ck_assert_ptr_nonnull(strstr(text, "404 page not found"));
    close(fd);
    fd = visit();
    say(fd, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_assert_int_eq(hear_one(fd), 200);
    ck_assert_ptr_nonnull(strstr(text, "Connection: keep-alive\r\n"));
    close(fd);
    end();
}
END_TEST

/* The value of a sample whose line begins with `name`. */
static double sample(const char *name)
{
    char line[300];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text, line);
    ck_assert_msg(at, "no %s", name);
    return strtod(at + strlen(line), NULL);
}

/* Names that are no good in a label are written so that they stay one. */
START_TEST(metrics)
{
    rill_bus *bus;
    serve(RILL_OPTS(rill_broker_opts, .name = "a\"b\\c\n", .jetstream = true));
    OK(rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "ORDERS", RILL_OPTS(rill_stream_opts, .subjects = "o.*")));
    OK(rill_group_ensure(bus, "ORDERS", "late", NULL));
    for (int i = 0; i < 7; i++) OK(rill_append(bus, "o.1", "12345", 5, NULL, NULL, WAIT_MS));
    ck_assert_int_eq(GET("/metrics"), 200);
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    ck_assert_ptr_nonnull(strstr(text, "{name=\"a\\\"b\\\\c\\n\","));
    ck_assert(sample("rill_stream_messages{account=\"$G\",stream=\"ORDERS\"}") == 7);
    ck_assert(sample("rill_consumer_lag_messages{account=\"$G\",stream=\"ORDERS\","
                     "consumer=\"late\"}") == 7);
    ck_assert(sample("rill_door_connections{door=\"nats\"}") == 0);
    ck_assert(sample("rill_received_messages_total") >= 7);
    ck_assert_ptr_nonnull(strstr(text, "# TYPE rill_received_messages_total counter\n"));
    ck_assert_ptr_null(strstr(text, "# EOF"));
    get("GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        "Accept: application/openmetrics-text\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(text, "# TYPE rill_received_messages counter\n"));
    ck_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* Of a consumer that names a stream for dead letters, how many have been moved, from none on. */
START_TEST(dead_letters_are_counted)
{
    const char *count = "rill_consumer_dead_letters_total{account=\"$G\",stream=\"JOBS\","
                        "consumer=\"works\"}";
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    serve(RILL_OPTS(rill_broker_opts, .jetstream = true));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "DEAD", NULL));
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    OK(rill_group_ensure(bus, "JOBS", "works", RILL_OPTS(rill_sub_opts, .dead_letters = "DEAD")));
    OK(rill_group_ensure(bus, "DEAD", "looks", NULL));
    for (int i = 0; i < 3; i++) OK(rill_append(bus, "JOBS", "x", 1, NULL, NULL, WAIT_MS));
    ck_assert_int_eq(GET("/metrics"), 200);
    ck_assert(sample(count) == 0);
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "works")));
    for (int i = 0; i < 2; i++) {
        OK(rill_next(sub, &m, WAIT_MS));
        OK(rill_term(m));
    }
    rill_sub_close(sub);
    ck_assert_int_eq(GET("/metrics"), 200);
    ck_assert(sample(count) == 2);
    ck_assert(sample("rill_stream_messages{account=\"$G\",stream=\"DEAD\"}") == 2);
    ck_assert_ptr_null(strstr(text, "letters_total{account=\"$G\",stream=\"DEAD\""));
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* Each bucket has all of those before it, and the last one as many as there are. */
static double histogram(const char *name, const char *label)
{
    char bucket[200], end[200];
    double last = -1, n = -1;
    snprintf(bucket, sizeof bucket, "\n%s_bucket{%s%sle=\"", name, label, *label ? "," : "");
    for (const char *at = strstr(text, bucket); at; at = strstr(at + 1, bucket)) {
        const char *value = strchr(at + strlen(bucket), ' ');
        ck_assert_ptr_nonnull(value);
        n = strtod(value, NULL);
        ck_assert_msg(n >= last, "%.200s", at);
        last = n;
    }
    snprintf(end, sizeof end, *label ? "%s_count{%s}" : "%s_count%s", name, label);
    ck_assert(sample(end) == n);
    snprintf(end, sizeof end, *label ? "%s_sum{%s}" : "%s_sum%s", name, label);
    ck_assert((sample(end) > 0) == (n > 0));
    return n;
}

/* A client of NATS that publishes to itself: some of it is measured, and every commit is. */
START_TEST(latencies)
{
    enum { TIMES = 64 };
    rill_bus *bus;
    char heard[256], path[SCRATCH_LEN];
    int nats, http;
    scratch_make(path);
    serve(RILL_OPTS(rill_broker_opts, .dir = path, .jetstream = true));
    OK(nats = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    ck_assert_int_eq(GET("/metrics"), 200);
    ck_assert_ptr_null(strstr(text, "rill_publish_seconds_bucket"));
    ck_assert(sample("rill_store_write_amplification") == 0);
    double syncs = sample("rill_store_syncs_total");
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "ORDERS", RILL_OPTS(rill_stream_opts, .subjects = "o.*")));
    for (int i = 0; i < 5; i++) OK(rill_append(bus, "o.1", "12345", 5, NULL, NULL, WAIT_MS));
    http = port;
    port = nats;
    int fd = visit();
    port = http;
    say(fd, "CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
    for (int i = 0; i < TIMES; i++) {
        say(fd, "PUB a 2\r\nhi\r\nPING\r\n");
        for (size_t len = 0; len < 6 || memcmp(heard + len - 6, "PONG\r\n", 6) != 0;) {
            ssize_t got = recv(fd, heard + (len %= 200), sizeof heard - 200, 0);
            ck_assert_int_gt(got, 0);
            len += (size_t)got;
        }
    }
    ck_assert_int_eq(GET("/metrics"), 200);
    ck_assert(histogram("rill_publish_seconds", "door=\"nats\"") >= 2);
    ck_assert(histogram("rill_delivery_seconds", "door=\"nats\"") >= 2);
    ck_assert(histogram("rill_publish_seconds", "door=\"nats\"") <= TIMES);
    ck_assert(histogram("rill_commit_seconds", "") >= 5);
    ck_assert(sample("rill_store_commits_total") >= 5);
    ck_assert(sample("rill_store_syncs_total") >= syncs + 5);
    ck_assert(sample("rill_store_write_amplification") > 0);
    ck_assert_ptr_nonnull(strstr(text, "# TYPE rill_commit_seconds histogram\n"));
    close(fd);
    OK(rill_close(bus, WAIT_MS));
    end();
    scratch_remove(path);
}
END_TEST

/* As a client of A: one stream. */
static void make_stream(const char *stream, int nats_port)
{
    char line[300], config[100];
    int http_port = port;
    port = nats_port;
    int fd = visit();
    port = http_port;
    snprintf(config, sizeof config, "{\"name\":\"%s\",\"subjects\":[\"%s\"],"
             "\"storage\":\"memory\"}", stream, stream);
    snprintf(line, sizeof line, "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n"
             "SUB i 1\r\nSUB k 2\r\nPUB $JS.API.STREAM.CREATE.%s i %zu\r\n%s\r\n", stream,
             strlen(config), config);
    say(fd, line);
    for (size_t len = 0; !strstr(text, "stream_create_response");) {
        ssize_t got = recv(fd, text + len, 1000, 0);
        ck_assert_int_gt(got, 0);
        len += (size_t)got;
        text[len] = 0;
    }
    ck_assert_msg(!strstr(text, "\"error\""), "%s", text);
    ck_assert_int_eq(GET("/metrics"), 200); /* while the subscriptions are there */
    close(fd);
}

/* Each account's streams once, and sums over all of them. */
START_TEST(metrics_of_accounts)
{
    const rill_account *accounts[] = {
        &(rill_account){.size = sizeof(rill_account), .name = "A", .jetstream = true},
        &(rill_account){.size = sizeof(rill_account), .name = "B", .jetstream = true},
        &(rill_account){.size = sizeof(rill_account), .name = "C"}};
    const rill_user *user = &(rill_user){.size = sizeof(rill_user), .user = "u", .password = "p",
                                         .account = "A"};
    rill_bus *bus;
    int nats;
    serve(RILL_OPTS(rill_broker_opts, .jetstream = true, .accounts = accounts, .naccounts = 3,
                    .users = &user, .nusers = 1));
    OK(nats = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "ORDERS", RILL_OPTS(rill_stream_opts, .subjects = "o.*")));
    GET("/metrics");
    double subs = sample("rill_subscriptions");
    make_stream("S", nats);
    ck_assert(sample("rill_subscriptions") >= subs + 2);
    ck_assert(sample("rill_stream_messages{account=\"$G\",stream=\"ORDERS\"}") == 0);
    const char *once = strstr(text, "rill_stream_messages{account=\"A\",stream=\"S\"}");
    ck_assert_ptr_nonnull(once);
    ck_assert_ptr_null(strstr(once + 1, "rill_stream_messages{account"));
    ck_assert(sample("rill_store_failing") == 0);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* ---- nats-server's answers ---- */

static const char *const pages[] = {
    "/varz", "/connz?subs=detail&auth=1", "/connz?state=closed&sort=reason",
    "/connz?state=any&sort=rtt&limit=2", "/connz?filter_subject=*&acc=$G", "/subsz?subs=1",
    "/subsz?subs=1&test=i&acc=A", "/jsz?consumers=1&config=1", "/jsz?acc=A&streams=1",
    "/jsz?accounts=1&offset=1&limit=1", "/healthz?account=A&stream=S", "/accountz",
    "/accountz?acc=A", "/accstatz?unused=1", "/routez", "/gatewayz", "/leafz", "/ipqueuesz?all=1",
    "/expvarz", "/metrics", "/", "/who"};

static void ask(const char *path)
{
    char line[200];
    snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path);
    int fd = visit();
    say(fd, line);
    hear_all(fd);
    close(fd);
}

/* A broker with accounts, streams, one client that is there and one that has gone. */
static int serve_all(const rill_host *host, rill_bus **bus)
{
    static const rill_export given = {.size = sizeof given, .subject = "s.>"};
    static const rill_import taken = {.size = sizeof taken, .account = "A", .subject = "s.>"};
    static const rill_export *const exports[] = {&given};
    static const rill_import *const imports[] = {&taken};
    static const rill_account a = {.size = sizeof a, .name = "A", .jetstream = true,
                                   .exports = exports, .nexports = 1};
    static const rill_account b = {.size = sizeof b, .name = "B", .imports = imports,
                                   .nimports = 1};
    static const rill_account *const accounts[] = {&a, &b};
    static const rill_user user = {.size = sizeof user, .user = "u", .password = "p",
                                   .account = "A"};
    static const rill_user *const users[] = {&user};
    int nats;
    serve(RILL_OPTS(rill_broker_opts, .jetstream = true, .accounts = accounts, .naccounts = 2,
                    .users = users, .nusers = 1, .host = host));
    OK(nats = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    OK(rill_broker_bus(broker, bus, NULL));
    OK(rill_stream_ensure(*bus, "ORDERS", RILL_OPTS(rill_stream_opts, .subjects = "o.*")));
    OK(rill_group_ensure(*bus, "ORDERS", "late", NULL));
    make_stream("S", nats); /* and that client goes */
    do ask("/connz?state=closed");
    while (!strstr(text, "\"reason\""));
    int http = port;
    port = nats;
    int fd = visit();
    port = http;
    say(fd, "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\",\"name\":\"<i>\"}\r\n"
        "SUB i q 1\r\n");
    do ask("/subsz?subs=1");
    while (!strstr(text, "\"subject\": \"i\""));
    return fd;
}

START_TEST(monitoring)
{
    rill_bus *bus;
    int fd = serve_all(NULL, &bus);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        ask(pages[i]);
        ck_assert_msg(atoi(text + 9) == 200, "%s: %s", pages[i], text);
    }
    ask("/varz");
    has("\"connections\": 1,");
    has("\"auth_required\": true,");
    has("\"host\": \"127.0.0.1\",");
    ask("/connz?subs=detail&auth=1");
    has("\"name\": \"\\u003ci\\u003e\"");
    has("\"authorized_user\": \"u\",\n      \"account\": \"A\"");
    has("\"subject\": \"i\",\n          \"qgroup\": \"q\"");
    ask("/connz?state=closed");
    has("\"reason\": \"");
    ask("/jsz?consumers=1&config=1");
    has("\"name\": \"S\"");
    has("\"name\":\"late\"");
    has("\"streams\": 2,\n  \"consumers\": 1,");
    ask("/jsz?acc=A&streams=1");
    ck_assert_ptr_null(strstr(text, "\"name\": \"ORDERS\""));
    ask("/accountz?acc=B");
    has("\"imports\": [\n      {\n        \"subject\": \"s.\\u003e\"");
    ask("/connz?limit=none");
    ck_assert_int_eq(atoi(text + 9), 400);
    close(fd);
    OK(rill_close(bus, WAIT_MS));
    end();
}
END_TEST

/* What happens comes by itself, to so many at a time; who leaves makes room. */
START_TEST(events)
{
    enum { LISTENERS = 16 };
    static const char listen[] = "GET /events HTTP/1.1\r\nHost: h\r\n\r\n";
    int fds[LISTENERS];
    serve(NULL);
    for (int i = 0; i < LISTENERS; i++) {
        size_t len = 0;
        say(fds[i] = visit(), listen);
        do { /* up to its first event, and the first one's second */
            ssize_t got = recv(fds[i], text + len, 1, 0);
            ck_assert_int_eq(got, 1);
            text[++len] = 0;
        } while (!strstr(text, "}\n\n") || (i == 0 && !strstr(strstr(text, "}\n\n") + 1, "}\n\n")));
        has("Content-Type: text/event-stream\r\n");
        has("\r\n\r\nretry: ");
        has("\n\ndata: {\"name\": ");
        has("\"rill_received_messages_total\": 0,");
        ck_assert_ptr_null(strstr(text, "Content-Length"));
    }
    ck_assert_int_eq(GET("/events"), 503);
    ck_assert_int_eq(get("HEAD /events HTTP/1.0\r\n\r\n"), 503);
    close(fds[0]);
    do say(fds[0] = visit(), listen); /* until it is seen that he has gone */
    while (recv(fds[0], text, 12, MSG_WAITALL) == 12 && atoi(text + 9) == 503 && !close(fds[0]));
    ck_assert_int_eq(atoi(text + 9), 200);
    ck_assert_int_eq(GET("/healthz"), 200);
    end(); /* while they listen */
    for (int i = 0; i < LISTENERS; i++) close(fds[i]);
}
END_TEST

/* Whichever allocation fails while a page is made: it is whole, or it is 503, or he is sent off. */
START_TEST(monitoring_scarce)
{
    supply s;
    rill_bus *bus;
    supply_init(&s);
    const rill_host host = supply_hooks(&s);
    int fd = serve_all(&host, &bus);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        for (size_t n = 1;; n++) {
            pthread_mutex_lock(&s.lock);
            s.calls = s.failed = 0;
            s.fail_at = n;
            pthread_mutex_unlock(&s.lock);
            ask(pages[i]);
            pthread_mutex_lock(&s.lock);
            bool failed = s.failed > 0;
            s.fail_at = 0;
            pthread_mutex_unlock(&s.lock);
            int status = text[0] ? atoi(text + 9) : 0;
            ck_assert_msg(status == 200 || (failed && (status == 503 || status == 0)),
                          "%s, allocation %zu: %s", pages[i], n, text);
            if (!failed) break;
        }
    }
    close(fd);
    OK(rill_close(bus, WAIT_MS));
    end();
    supply_fini(&s);
}
END_TEST

/* ---- Pages of the program's own ---- */

static atomic_int asked, given_back;

static void give_back(const void *data)
{
    free((void *)(uintptr_t)data);
    given_back++;
}

static bool own_page(rill_page *page, void *arg)
{
    ck_assert_ptr_eq(arg, &asked);
    asked++;
    if (strcmp(page->path, "/bad") == 0) page->type = "text/plain\r\nX: y";
    else if (strcmp(page->path, "/gone") == 0) page->status = 410;
    else if (strcmp(page->path, "/a%20b") != 0) return false;
    size_t len = strlen(page->query) + 1;
    page->data = memcpy(malloc(len), page->query, len);
    page->len = len - 1;
    page->done = give_back;
    return true;
}

START_TEST(own_pages)
{
    char url[64];
    serve(NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    ck_assert_int_eq(GET("/gone"), 404);
    OK(rill_broker_listen(broker, url, RILL_OPTS(rill_listen_opts, .on_page = own_page,
                                                 .on_page_arg = &asked)));
    ck_assert_int_eq(GET("/a%20b?x=%2B&y"), 200);
    ck_assert_ptr_nonnull(strstr(text, "Content-Type: text/plain; charset=utf-8\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nx=%2B&y"));
    ck_assert_int_eq(GET("/gone"), 410);
    ck_assert_int_eq(GET("/bad"), 503); /* a type that would be more than one header */
    ck_assert_ptr_null(strstr(text, "X: y"));
    ck_assert_int_eq(GET("/healthz"), 200);
    ck_assert_int_eq(asked, 4);
    ck_assert_int_eq(given_back, 3);
    OK(rill_broker_listen(broker, url, NULL));
    ck_assert_int_eq(GET("/gone"), 404);
    end();
}
END_TEST

/* ---- Who means no good ---- */

START_TEST(floods)
{
    char bytes[200];
    serve(NULL);
    int fd = visit();
    say(fd, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 60; i++) {
        snprintf(bytes, sizeof bytes, "X-%d: %0180d\r\n", i, i);
        if (send(fd, bytes, strlen(bytes), MSG_NOSIGNAL) < 0) break;
    }
    hear_all(fd); /* or it is reset, since not all was read */
    if (text[0]) ck_assert_int_eq(atoi(text + 9), 431);
    close(fd);
    ck_assert_int_eq(get("\x16\x03\x01\x02 hello\r\n\r\n"), 400);
    ck_assert_int_eq(GET("/healthz"), 200);
    end();
}
END_TEST

/* All places are taken by those who say nothing, or a part: they make way. */
START_TEST(silence)
{
    int fds[3 * PLACES];
    serve(NULL);
    for (int i = 0; i < 3 * PLACES; i++) {
        fds[i] = visit();
        if (i % 2) say(fds[i], "GET /healthz HTTP/1.1\r\nHost:");
    }
    ck_assert_int_eq(GET("/healthz"), 200);
    hear_all(fds[0]);
    ck_assert_str_eq(text, "");
    GET("/metrics");
    ck_assert(sample("rill_http_visitors") <= PLACES);
    ck_assert(sample("rill_http_visits_total") > 3 * PLACES);
    for (int i = 0; i < 3 * PLACES; i++) close(fds[i]);
    end();
}
END_TEST

/* Asked for again and again by those who do not read; the next is answered all the same. */
START_TEST(deaf)
{
    static const char ask[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    int fds[PLACES];
    serve(NULL);
    for (int i = 0; i < PLACES; i++) {
        fds[i] = visit();
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
        for (int k = 0; k < 400; k++)
            if (send(fds[i], ask, sizeof ask - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
    }
    ck_assert_int_eq(GET("/healthz"), 200);
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(broker, &stats));
    ck_assert_uint_lt(stats.memory_bytes, 16u << 20);
    ck_assert_uint_eq(stats.conns, 0); /* visitors are no clients */
    for (int i = 0; i < PLACES; i++) close(fds[i]);
    end();
}
END_TEST

/* Visitors who read slowly hold up no close. */
START_TEST(closes)
{
    serve(NULL);
    int silent = visit(), busy = visit();
    say(silent, "GET / HT");
    say(busy, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    ck_assert_int_eq(hear_one(busy), 200);
    int64_t begun_ms = api_now_ms();
    end();
    ck_assert_int_lt(api_now_ms() - begun_ms, WAIT_MS / 2);
    close(silent);
    close(busy);
}
END_TEST

START_TEST(places)
{
    const rill_tls tls = {.size = sizeof tls, .cert_file = TLS("server.pem"),
                          .key_file = TLS("server.key")};
    const rill_tls late = {.size = sizeof late, .cert_file = TLS("server.pem"),
                           .key_file = TLS("server.key"), .first_ms = 100};
    char url[64];
    serve(NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    OK(rill_broker_listen(broker, url, NULL)); /* the same place again */
    FAILS(rill_broker_listen(broker, "https://127.0.0.1:0", NULL), RILL_EINVAL);
    FAILS(rill_broker_listen(broker, "http://127.0.0.1:0/path", NULL), RILL_EINVAL);
    FAILS(rill_broker_listen(broker, "http://user:secret@127.0.0.1:0", NULL), RILL_EINVAL);
    ck_assert_ptr_null(strstr(rill_errmsg(), "secret"));
    FAILS(rill_broker_listen(broker, "http://token@127.0.0.1:0", NULL), RILL_EINVAL);
    FAILS(rill_broker_listen(broker, "http://127.0.0.1:0",
                             RILL_OPTS(rill_listen_opts, .tls = &tls, .tls_optional = true)),
          RILL_ENOTSUP);
    FAILS(rill_broker_listen(broker, "https://127.0.0.1:0",
                             RILL_OPTS(rill_listen_opts, .tls = &late)), RILL_ENOTSUP);
    OK(port = rill_broker_listen(broker, "https://127.0.0.1:0",
                                 RILL_OPTS(rill_listen_opts, .tls = &tls)));
    int fd = visit();
    say(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_all(fd);
    ck_assert_ptr_nonnull(strstr(text, "Client sent an HTTP request to an HTTPS server."));
    close(fd);
    rill_bus *bus;
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    FAILS(rill_open(&bus, url, NULL), RILL_EINVAL); /* it is no peer */
    end();
}
END_TEST

SUITE_MAIN("http", answers, keeps, metrics, dead_letters_are_counted, latencies,
           metrics_of_accounts, monitoring, monitoring_scarce, events, own_pages, floods, silence,
           deaf, closes, places)
