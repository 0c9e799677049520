/* SPDX-License-Identifier: Apache-2.0 */
/* The NATS door through a broker, over real sockets: what a wire script cannot see, such as
 * embedded publishers, memory, limits of the process, time, and failing allocations. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/number.h"
#include "support/fault.h"
#include "support/peer.h"
#include "support/suite.h"

enum { WAIT_MS = 20000 };

static int64_t test_now_ms(void)
{
    ri_host host;
    ri_host_init(&host, NULL);
    return ri_mono_ns(&host) / RI_MS;
}

/* Let the kernel keep little of what this one does not read. */
static void peer_narrow(peer *p)
{
    int size = 64 * 1024;
    ck_assert_int_eq(setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
}

/* ---- A broker that listens ---- */

typedef struct door {
    rill_broker *broker;
    int port;
} door;

static door door_open(const rill_broker_opts *opts)
{
    door d;
    ck_assert_ok(rill_broker_open(&d.broker, opts));
    d.port = rill_broker_listen(d.broker, "nats://127.0.0.1:0", NULL);
    ck_assert_msg(d.port > 0, "%s", ri_err_text());
    return d;
}

static rill_stats door_stats(door *d)
{
    rill_stats stats = {.size = sizeof stats};
    ck_assert_ok(rill_broker_stats(d->broker, &stats));
    return stats;
}

/* Until `field` of the statistics is `want`. */
#define DOOR_WAIT(d, field, want)                                                     \
    do {                                                                              \
        int64_t due_ = test_now_ms() + WAIT_MS;                                       \
        while (door_stats(d).field != (want)) {                                       \
            ck_assert_msg(test_now_ms() < due_, #field " is %llu, not %llu",          \
                          (unsigned long long)door_stats(d).field,                    \
                          (unsigned long long)(want));                                \
            poll(NULL, 0, 1);                                                         \
        }                                                                             \
    } while (0)

/* ---- Tests ---- */

START_TEST(both_ways)
{
    door d = door_open(NULL);
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    ck_assert_ok(rill_broker_bus(d.broker, &bus, NULL));
    ck_assert_ok(rill_subscribe(bus, &sub, "to.here", NULL));
    peer p;
    peer_open(&p, d.port);
    peer_send(&p, "SUB to.there 7\r\nPUB to.here back.* 5\r\nhello\r\n");
    ck_assert_ok(rill_next(sub, &m, WAIT_MS));
    ck_assert_span(m->data, "hello");
    ck_assert_span(m->reply, "back.*");
    rill_header header = {RILL_STR("A"), RILL_STR("b")};
    rill_post post = {.size = sizeof post, .headers = &header, .nheaders = 1};
    ck_assert_ok(rill_publish(bus, "to.there", "hi", 2, NULL));
    ck_assert_ok(rill_publish(bus, "to.there", "hi", 2, &post));
    peer_expect(&p, "MSG to.there 7 2");
    peer_expect(&p, "hi");
    peer_expect(&p, "HMSG to.there 7 18 20");
    peer_expect(&p, "NATS/1.0");
    peer_expect(&p, "A: b");
    peer_expect(&p, "");
    peer_expect(&p, "hi");
    peer_sync(&p);
    DOOR_WAIT(&d, conns, 1);
    close(p.fd);
    DOOR_WAIT(&d, conns, 0);
    ck_assert_uint_eq(door_stats(&d).conns_total, 1);
    rill_sub_close(sub);
    ck_assert_ok(rill_close(bus, WAIT_MS));
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

START_TEST(unix_socket)
{
    char path[64], url[80];
    snprintf(path, sizeof path, "/tmp/rill-test-%d.sock", (int)getpid());
    snprintf(url, sizeof url, "unix:%s", path);
    for (int round = 0; round < 2; round++) {
        rill_broker *broker;
        ck_assert_ok(rill_broker_open(&broker, NULL));
        ck_assert_int_eq(rill_broker_listen(broker, url, NULL), 0);
        ck_assert_int_eq(rill_broker_listen(broker, url, NULL), 0); /* it listens there */
        rill_broker *other;
        ck_assert_ok(rill_broker_open(&other, NULL));
        ck_assert_int_eq(rill_broker_listen(other, url, NULL), RILL_EIO); /* it is in use */
        ck_assert_ok(rill_broker_close(other, WAIT_MS));
        peer p = {.fd = peer_dial_unix(path)};
        ck_assert_int_ge(p.fd, 0);
        peer_greet(&p);
        peer_sync(&p);
        ck_assert_ok(rill_broker_close(broker, WAIT_MS));
        peer_expect_end(&p);
        close(p.fd);
        ck_assert_int_ne(access(path, F_OK), 0);
        /* A file that a crash has left behind is no hindrance. */
        int left = socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        strcpy(addr.sun_path, path);
        ck_assert_int_eq(bind(left, (struct sockaddr *)&addr, sizeof addr), 0);
        close(left);
    }
    unlink(path);
}
END_TEST

START_TEST(bad_places)
{
    rill_broker *broker, *other;
    ck_assert_ok(rill_broker_open(&broker, NULL));
    ck_assert_ok(rill_broker_open(&other, NULL));
    ck_assert_int_eq(rill_broker_listen(broker, "mem:x", NULL), RILL_EINVAL);
    const char *two = "nats://127.0.0.1:0,127.0.0.1:0";
    ck_assert_int_eq(rill_broker_listen(broker, two, NULL), RILL_EINVAL);
    ck_assert_int_eq(rill_broker_listen(broker, "nats://203.0.113.1:0", NULL), RILL_EIO);
    ck_assert_int_eq(rill_broker_listen(broker, "unix:/no/such/folder/x", NULL), RILL_EIO);
    int port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
    ck_assert_int_gt(port, 0);
    char url[64];
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    ck_assert_int_eq(rill_broker_listen(broker, url, NULL), port);
    ck_assert_int_eq(rill_broker_listen(other, url, NULL), RILL_EIO);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "in use"));
    ck_assert_ok(rill_broker_close(other, WAIT_MS));
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
}
END_TEST

/* A payload beyond what is copied, to several at once, with and without headers. */
START_TEST(big_payload)
{
    enum { SIZE = 1024 * 1024, PEERS = 3 };
    door d = door_open(NULL);
    peer *to = calloc(PEERS, sizeof *to);
    for (int i = 0; i < PEERS; i++) {
        peer_open(&to[i], d.port);
        peer_send(&to[i], "SUB big 1\r\n");
        peer_sync(&to[i]);
    }
    char *data = malloc(SIZE);
    for (int i = 0; i < SIZE; i++) data[i] = (char)(i * 7 + i / 251);
    peer from;
    peer_open(&from, d.port);
    for (int round = 0; round < 3; round++) {
        char line[64];
        snprintf(line, sizeof line, round ? "HPUB big 12 %d\r\nNATS/1.0\r\n\r\n" : "PUB big %d\r\n",
                 SIZE);
        peer_send(&from, line);
        peer_send_bytes(&from, data, round ? SIZE - 12 : SIZE);
        peer_send(&from, "\r\n");
    }
    for (int i = 0; i < PEERS; i++) {
        for (int round = 0; round < 3; round++) {
            peer_expect(&to[i], round ? "HMSG big 1 12 1048576" : "MSG big 1 1048576");
            if (round) peer_expect(&to[i], "NATS/1.0");
            if (round) peer_expect(&to[i], "");
            size_t len = round ? SIZE - 12 : SIZE;
            for (size_t done = 0; done < len;) {
                if (to[i].len == 0) ck_assert(peer_fill(&to[i]));
                size_t part = RI_MIN(to[i].len, len - done);
                ck_assert_mem_eq(to[i].buf, data + done, part);
                peer_eat(&to[i], part);
                done += part;
            }
            peer_expect(&to[i], "");
        }
        close(to[i].fd);
    }
    close(from.fd);
    free(data);
    free(to);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

/* A subscriber that does not read is closed when too much waits for it, without a word; the
 * others get all. */
START_TEST(slow_consumer)
{
    door d = door_open(RILL_OPTS(rill_broker_opts, .max_pending_bytes = 1024 * 1024));
    rill_bus *bus;
    ck_assert_ok(rill_broker_bus(d.broker, &bus, NULL));
    peer slow, good;
    peer_open(&slow, d.port);
    peer_open(&good, d.port);
    peer_send(&slow, "SUB s 1\r\n");
    peer_send(&good, "SUB g 1\r\n");
    peer_sync(&slow);
    peer_sync(&good);
    char data[1000] = {0};
    for (int i = 0; door_stats(&d).slow_conns == 0; i++) {
        ck_assert_int_lt(i, 100000);
        rill_publish(bus, "s", data, sizeof data, NULL);
    }
    ck_assert_ok(rill_publish(bus, "g", "still", 5, NULL));
    peer_expect(&good, "MSG g 1 5");
    peer_expect(&good, "still");
    DOOR_WAIT(&d, conns, 1);
    ck_assert_uint_eq(door_stats(&d).slow_conns, 1);
    ck_assert_uint_ge(door_stats(&d).dropped_msgs, 1);
    while (slow.len = 0, peer_fill(&slow))
        ck_assert_ptr_null(memmem(slow.buf, slow.len, "-ERR", 4));
    close(slow.fd);
    close(good.fd);
    ck_assert_ok(rill_close(bus, WAIT_MS));
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

typedef struct flood {
    int port;
    int count;
} flood;

static void *flood_run(void *arg)
{
    flood *f = arg;
    peer *p = calloc(1, sizeof *p);
    peer_open(p, f->port);
    enum { BATCH = 200, SIZE = 1000 };
    char *block = malloc(BATCH * (SIZE + 32));
    size_t len = 0;
    for (int i = 0; i < BATCH; i++) {
        len += (size_t)sprintf(block + len, "PUB f %d\r\n", SIZE);
        memset(block + len, 'x', SIZE);
        len += SIZE;
        block[len++] = '\r';
        block[len++] = '\n';
    }
    for (int i = 0; i < f->count; i += BATCH) peer_send_bytes(p, block, len);
    peer_sync(p);
    close(p->fd);
    free(block);
    free(p);
    return NULL;
}

/* A publisher much faster than its reader: it is slowed, and nothing is lost, while the reader
 * keeps reading at all. */
START_TEST(fast_producer)
{
    enum { COUNT = 40000 };
    door d = door_open(RILL_OPTS(rill_broker_opts, .max_pending_bytes = 8 * 1024 * 1024));
    peer to;
    peer_open(&to, d.port);
    peer_send(&to, "SUB f 1\r\n");
    peer_sync(&to);
    flood f = {d.port, COUNT};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, flood_run, &f), 0);
    size_t frame = strlen("MSG f 1 1000\r\n") + 1002;
    for (size_t left = COUNT * frame, step = 0; left > 0; step++) {
        if (step % 200 == 0) poll(NULL, 0, 1); /* dawdle: the queue must fill */
        size_t part = RI_MIN(left, sizeof to.buf);
        peer_skip(&to, part);
        left -= part;
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(to.len % 6, 0); /* but for PINGs */
    ck_assert_uint_eq(door_stats(&d).dropped_msgs, 0);
    close(to.fd);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

typedef struct racer {
    rill_bus *bus;
    int count;
} racer;

static void *racer_run(void *arg)
{
    racer *r = arg;
    for (int i = 0; i < r->count; i++)
        ck_assert_int_ge(rill_publish(r->bus, "race", "0123456789", 10, NULL), 0);
    return NULL;
}

/* Publishers on threads of this process, connections that come and go, and a steady reader. */
START_TEST(race)
{
    enum { THREADS = 3, COUNT = 3000 };
    door d = door_open(NULL);
    peer to;
    peer_open(&to, d.port);
    peer_send(&to, "SUB race 1\r\nSUB back 2\r\n");
    peer_sync(&to);
    racer racers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        racers[i].count = COUNT;
        ck_assert_ok(rill_broker_bus(d.broker, &racers[i].bus, NULL));
        pthread_create(&threads[i], NULL, racer_run, &racers[i]);
    }
    for (int i = 0; i < 50; i++) {
        peer guest;
        peer_open(&guest, d.port);
        peer_send(&guest, "SUB race 1\r\nSUB race q 2\r\nPUB back 1\r\nx\r\nUNSUB 1 5\r\n");
        if (i % 2) peer_send(&guest, "PING\r\n");
        close(guest.fd);
    }
    int raced = 0, back = 0;
    while (raced < THREADS * COUNT || back < 50) {
        bool is_race = strcmp(peer_line(&to), "MSG race 1 10") == 0;
        *(is_race ? &raced : &back) += 1;
        peer_expect(&to, is_race ? "0123456789" : "x");
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_ok(rill_flush(racers[i].bus, WAIT_MS));
        ck_assert_ok(rill_close(racers[i].bus, WAIT_MS));
    }
    peer_sync(&to);
    DOOR_WAIT(&d, conns, 1);
    close(to.fd);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

/* A flush returns when the socket has all; not in time while the reader takes nothing. A close
 * writes what is queued, or says that it could not. */
START_TEST(flush_and_close)
{
    enum { SIZE = 900 * 1000, COUNT = 20 };
    char *data = calloc(1, SIZE);
    for (int reads = 0; reads < 2; reads++) {
        door d = door_open(NULL);
        rill_bus *bus;
        ck_assert_ok(rill_broker_bus(d.broker, &bus, NULL));
        peer p;
        peer_open(&p, d.port);
        peer_narrow(&p);
        peer_send(&p, "SUB big 1\r\n");
        peer_sync(&p);
        ck_assert_ok(rill_publish(bus, "big", "x", 1, NULL));
        ck_assert_ok(rill_flush(bus, WAIT_MS));
        for (int i = 0; i < COUNT; i++) ck_assert_ok(rill_publish(bus, "big", data, SIZE, NULL));
        ck_assert_int_eq(rill_flush(bus, 30), RILL_ETIMEDOUT);
        peer_expect(&p, "MSG big 1 1");
        peer_expect(&p, "x");
        for (int i = 0; i < COUNT * reads; i++) {
            peer_expect(&p, "MSG big 1 900000");
            peer_skip(&p, SIZE + 2);
        }
        if (reads) ck_assert_ok(rill_flush(bus, WAIT_MS));
        rill_close(bus, 0);
        ck_assert_int_eq(rill_broker_close(d.broker, reads ? WAIT_MS : 30),
                         reads ? RILL_OK : RILL_ETIMEDOUT);
        close(p.fd);
    }
    free(data);
}
END_TEST

/* What was queued just before a close arrives. */
START_TEST(last_words)
{
    door d = door_open(NULL);
    rill_bus *bus;
    ck_assert_ok(rill_broker_bus(d.broker, &bus, NULL));
    peer p;
    peer_open(&p, d.port);
    peer_send(&p, "SUB last 1\r\n");
    peer_sync(&p);
    for (int i = 0; i < 100; i++) ck_assert_ok(rill_publish(bus, "last", "word", 4, NULL));
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
    for (int i = 0; i < 100; i++) {
        peer_expect(&p, "MSG last 1 4");
        peer_expect(&p, "word");
    }
    peer_expect_end(&p);
    close(p.fd);
    ck_assert_ok(rill_close(bus, WAIT_MS));
}
END_TEST

START_TEST(write_deadline)
{
    door d = door_open(RILL_OPTS(rill_broker_opts, .write_deadline_ms = 100));
    rill_bus *bus;
    ck_assert_ok(rill_broker_bus(d.broker, &bus, NULL));
    peer p;
    peer_open(&p, d.port);
    peer_narrow(&p);
    peer_send(&p, "SUB big 1\r\n");
    peer_sync(&p);
    char *data = calloc(1, 1000000);
    for (int i = 0; i < 20; i++) ck_assert_ok(rill_publish(bus, "big", data, 1000000, NULL));
    DOOR_WAIT(&d, conns, 0);
    ck_assert_uint_eq(door_stats(&d).slow_conns, 1);
    close(p.fd);
    free(data);
    ck_assert_ok(rill_close(bus, WAIT_MS));
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

static atomic_llong slow_ns; /* what the clock of the next test says */

static int64_t slow_clock(void *arg)
{
    (void)arg;
    return atomic_load(&slow_ns);
}

/* One byte a second, for longer than pings may stay unanswered: whoever is within a message cannot
 * answer, but is not dead. It is the clock that runs, `other` sees each second pass. */
START_TEST(slow_writer)
{
    const rill_host hooks = {.size = sizeof hooks, .mono_ns = slow_clock};
    atomic_store(&slow_ns, RI_SEC);
    door d = door_open(RILL_OPTS(rill_broker_opts, .host = &hooks, .ping_interval_ms = 10000));
    peer slow, other;
    peer_open(&slow, d.port);
    peer_open(&other, d.port);
    peer_send(&other, "SUB foo 1\r\n");
    atomic_fetch_add(&slow_ns, 3 * RI_SEC);
    peer_sync(&other);
    ck_assert_str_eq(peer_any_line(&slow), "PING");
    peer_send(&slow, "PONG\r\n");
    peer_sync(&slow);
    atomic_fetch_add(&slow_ns, 20 * RI_SEC);
    peer_sync(&other);
    ck_assert_str_eq(peer_any_line(&slow), "PING"); /* answered much later */
    char text[128];
    int len = snprintf(text, sizeof text, "PUB foo 100\r\n%0100d\r\n", 7);
    for (int i = 0; i < len; i++) {
        peer_send_bytes(&slow, text + i, 1);
        atomic_fetch_add(&slow_ns, RI_SEC);
        if (i + 1 < len) peer_sync(&other);
    }
    peer_expect(&other, "MSG foo 1 100");
    peer_skip(&other, 102);
    peer_send(&slow, "PONG\r\n");
    peer_sync(&slow);
    close(slow.fd);
    close(other.fd);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

START_TEST(lame_duck)
{
    enum { PEERS = 5 };
    door d = door_open(NULL);
    peer *p = calloc(PEERS, sizeof *p);
    for (int i = 0; i < PEERS; i++) peer_open(&p[i], d.port);
    int64_t start_ms = test_now_ms();
    ck_assert_ok(rill_broker_lame_duck(d.broker, 50, 100));
    for (int i = 0; i < PEERS; i++) {
        ck_assert_ptr_nonnull(strstr(peer_line(&p[i]), "\"ldm\":true"));
        peer_expect_end(&p[i]);
        ck_assert_int_ge(test_now_ms() - start_ms, 50);
        close(p[i].fd);
    }
    DOOR_WAIT(&d, conns, 0);
    ck_assert_int_lt(peer_dial(d.port), 0);
    ck_assert_int_eq(rill_broker_listen(d.broker, "nats://127.0.0.1:0", NULL), RILL_ECLOSED);
    free(p);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

static void login_open(peer *p, int port, const char *connect, const char *answer)
{
    peer_visit(p, port);
    ck_assert_ptr_nonnull(strstr(peer_line(p), "\"auth_required\":true"));
    peer_send(p, connect);
    peer_send(p, "\r\nPING\r\n");
    peer_expect(p, answer);
}

START_TEST(login)
{
    rill_broker_opts opts = {.size = sizeof opts, .user = "me", .password = "secret",
                             .auth_timeout_ms = 20000};
    door d = door_open(&opts);
    peer good, p;
    login_open(&good, d.port, "CONNECT {\"verbose\":false,\"user\":\"me\",\"pass\":\"secret\"}",
               "PONG");
    login_open(&p, d.port, "CONNECT {\"verbose\":false,\"user\":\"me\",\"pass\":\"secre\"}",
               "-ERR 'Authorization Violation'");
    peer_expect_end(&p);
    close(p.fd);
    login_open(&p, d.port, "CONNECT {}", "-ERR 'Authorization Violation'");
    close(p.fd);
    login_open(&p, d.port, "SUB foo 1", "-ERR 'Authorization Violation'");
    close(p.fd);
    opts.auth_timeout_ms = 60; /* too little for who has to be quick on a busy machine */
    ck_assert_ok(rill_broker_reload(d.broker, &opts));
    peer_visit(&p, d.port);
    peer_line(&p);
    peer_expect(&p, "-ERR 'Authentication Timeout'");
    peer_expect_end(&p);
    close(p.fd);
    peer_sync(&good);
    opts.auth_timeout_ms = 20000;
    opts.password = "another";
    ck_assert_ok(rill_broker_reload(d.broker, &opts));
    peer_expect(&good, "-ERR 'Authorization Violation'");
    peer_expect_end(&good);
    close(good.fd);
    /* A bcrypt hash, of "secret"; without libcrypt nobody gets in by it. */
    opts.password = "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    ck_assert_ok(rill_broker_reload(d.broker, &opts));
    login_open(&p, d.port, "CONNECT {\"user\":\"me\",\"pass\":\"wrong\"}",
               "-ERR 'Authorization Violation'");
    close(p.fd);
    login_open(&p, d.port, "CONNECT {\"user\":\"me\",\"pass\":\"secret\",\"verbose\":false}",
#ifdef RI_HAVE_CRYPT
               "PONG");
#else
               "-ERR 'Authorization Violation'");
#endif
    close(p.fd);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

/* Out of descriptors: the listener rests, others are served, and it takes up again. */
START_TEST(no_descriptors)
{
    if (under_valgrind()) return; /* its accept4() loses them */
    door d = door_open(NULL);
    peer p;
    peer_open(&p, d.port);
    int spare[64], nspare = 0;
    struct rlimit old, low;
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    int dials[4];
    for (int i = 0; i < 4; i++) dials[i] = socket(AF_INET, SOCK_STREAM, 0);
    low.rlim_cur = (rlim_t)dials[3] + 1; /* nothing above that can be opened */
    setrlimit(RLIMIT_NOFILE, &low);
    while (nspare < 64 && (spare[nspare] = open("/dev/null", O_RDONLY)) >= 0) nspare++;
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)d.port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(connect(dials[i], (struct sockaddr *)&addr, sizeof addr), 0);
    for (int i = 0; i < 20; i++) peer_sync(&p);
    ck_assert_uint_eq(door_stats(&d).conns, 1);
    setrlimit(RLIMIT_NOFILE, &old);
    DOOR_WAIT(&d, conns, 5);
    for (int i = 0; i < 4; i++) close(dials[i]);
    for (int i = 0; i < nspare; i++) close(spare[i]);
    close(p.fd);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

/* Ten thousand connections that say hello and then nothing: at most 2 KB each. */
START_TEST(idle_connections)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int count = (int)RI_MIN(under_valgrind() ? 1000 : 10000, (limit.rlim_cur - 100) / 2);
    fault f;
    fault_init(&f);
    ri_host clock;
    ri_host_init(&clock, NULL);
    f.hooks.mono_ns = clock.mono_ns;
    door d = door_open(RILL_OPTS(rill_broker_opts, .host = &f.hooks));
    int *fds = calloc((size_t)count, sizeof *fds);
    peer *p = calloc(1, sizeof *p);
    size_t before = 0;
    for (int i = 0; i < count; i++) {
        peer_open(p, d.port);
        fds[i] = p->fd;
        if (i == 0) DOOR_WAIT(&d, conns, 1);
        if (i == 0) before = f.supply.bytes;
    }
    DOOR_WAIT(&d, conns, (uint64_t)count);
    size_t each = (f.supply.bytes - before) / (size_t)(count - 1);
    ck_assert_msg(each <= 2048, "%zu bytes each", each);
    peer_sync(p);
    for (int i = 0; i < count; i++) close(fds[i]);
    DOOR_WAIT(&d, conns, 0);
    free(p);
    free(fds);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
    fault_fini(&f);
}
END_TEST

/* One read of a publisher, for many receivers: it is written as it is routed, not all at once. */
START_TEST(wide_fan)
{
    enum { PEERS = 200, MSGS = 10000 };
    fault f;
    fault_init(&f);
    ri_host clock;
    ri_host_init(&clock, NULL);
    f.hooks.mono_ns = clock.mono_ns;
    door d = door_open(RILL_OPTS(rill_broker_opts, .host = &f.hooks));
    peer *p = calloc(PEERS + 1, sizeof *p);
    for (int i = 0; i <= PEERS; i++) {
        peer_open(&p[i], d.port);
        if (i == PEERS) break;
        peer_send(&p[i], "SUB w 1\r\n");
        peer_sync(&p[i]);
    }
    static const char msg[] = "PUB w 16\r\n0123456789abcdef\r\n";
    size_t len = sizeof msg - 1;
    char *block = malloc(MSGS * len);
    for (size_t i = 0; i < MSGS; i++) memcpy(block + i * len, msg, len);
    peer_send_bytes(&p[PEERS], block, MSGS * len);
    peer_sync(&p[PEERS]);
    for (int i = 0; i < PEERS; i++) {
        peer_skip(&p[i], MSGS * (sizeof "MSG w 1 16\r\n0123456789abcdef\r\n" - 1));
        ck_assert_uint_eq(p[i].len % 6, 0); /* but for PINGs */
    }
    for (int i = 0; i <= PEERS; i++) close(p[i].fd);
    free(block);
    free(p);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
    ck_assert_msg(f.supply.peak_bytes < 24 * 1024 * 1024, "%zu bytes", f.supply.peak_bytes);
    fault_fini(&f);
}
END_TEST

/* One message is for very many subscriptions, of several connections. What its publisher says
 * behind it is obeyed behind it, the publisher's end, too; a bystander is answered meanwhile; and
 * no turn is long. A program's publish reaches as many. */
START_TEST(crowd)
{
    enum { PEERS = 20, SUBS = 1500, DIGITS = 10 + 2 * 90 + 3 * 900 + 4 * 500 };
    static const char *const said[] = {
        "PUB w 0\r\n\r\nPUB w 2\r\nhi\r\nPING\r\n",
        "HPUB w 12 12\r\nNATS/1.0\r\n\r\n\r\nPUB w 2\r\nhi\r\nPING\r\n",
    };
    door d = door_open(NULL);
    peer *p = calloc(PEERS + 2, sizeof *p);
    char line[64];
    for (int i = 0; i < PEERS + 2; i++) {
        peer_open(&p[i], d.port);
        for (int n = 0; i < PEERS && n < SUBS; n++) {
            snprintf(line, sizeof line, "SUB w %d\r\n", n);
            peer_send(&p[i], line);
        }
        peer_sync(&p[i]);
    }
    for (size_t round = 0; round < RI_LEN(said); round++) {
        size_t first = round ? sizeof "HMSG w 1 12 12\r\nNATS/1.0\r\n\r\n\r\n" - 2
                             : sizeof "MSG w 1 0\r\n\r\n" - 2;
        size_t bytes = SUBS * (first + sizeof "MSG w 1 2\r\nhi\r\n" - 2) + 2 * DIGITS;
        peer_send(&p[PEERS], said[round]);
        peer_sync(&p[PEERS + 1]);
        peer_expect(&p[PEERS], "PONG");
        for (int i = 0; i < PEERS; i++) peer_skip(&p[i], bytes);
    }
    peer_send(&p[PEERS], "PUB w 2\r\nhi\r\n");
    close(p[PEERS].fd); /* all the same they get it */
    size_t bytes = SUBS * (sizeof "MSG w 1 2\r\nhi\r\n" - 2) + DIGITS;
    for (int i = 0; i < PEERS; i++) peer_skip(&p[i], bytes);
    rill_bus *bus;
    ck_assert_ok(rill_broker_bus(d.broker, &bus, NULL));
    ck_assert_ok(rill_publish(bus, "w", "hi", 2, NULL));
    for (int i = 0; i < PEERS; i++) peer_skip(&p[i], bytes);
    ck_assert_ok(rill_close(bus, WAIT_MS));
    rill_stats stats = door_stats(&d);
    ck_assert_uint_le(stats.turn_units_max, 20000);
    ck_assert_uint_eq(stats.out_msgs, PEERS * SUBS * 6);
    for (int i = 0; i < PEERS + 2; i++) if (i != PEERS) close(p[i].fd);
    free(p);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

/* The longest line that can be allowed, in pieces and with blanks before its arguments. */
START_TEST(long_line)
{
    enum { LINE = 64 * 1024 };
    rill_broker *none;
    ck_assert_int_eq(rill_broker_open(&none, RILL_OPTS(rill_broker_opts,
                                                       .max_control_line_bytes = LINE + 1)),
                     RILL_EINVAL);
    door d = door_open(RILL_OPTS(rill_broker_opts, .max_control_line_bytes = LINE));
    char *line = malloc(2 * LINE);
    for (int longer = 0; longer < 2; longer++) {
        peer p;
        peer_open(&p, d.port);
        memset(line, ' ', LINE);
        memset(line + LINE, 'x', LINE);
        peer_send(&p, "SUB");
        for (int i = 0; i < 32; i++) {
            peer_send_bytes(&p, line + i * 4000, 4000);
            poll(NULL, 0, 1);
        }
        peer_send_bytes(&p, line + 32 * 4000, LINE + LINE - 32 * 4000 - 2);
        peer_send(&p, longer ? "xx 1\r\n" : " 1\r\n");
        if (longer) peer_expect(&p, "-ERR 'maximum control line exceeded'");
        else peer_sync(&p);
        close(p.fd);
    }
    free(line);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

static int64_t test_cpu_ms(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

/* A loop that looks for input before it sleeps, because it is told to or finds that it pays,
 * answers as ever, and sleeps when there has been none for a while. */
START_TEST(spinning)
{
    static const uint32_t spin_us[] = {0, 20000};
    for (size_t i = 0; i < RI_LEN(spin_us); i++) {
        door d = door_open(RILL_OPTS(rill_broker_opts, .spin_us = spin_us[i]));
        peer p;
        peer_open(&p, d.port);
        for (int k = 0; k < 200; k++) peer_sync(&p);
        int64_t busy_ms = test_cpu_ms();
        poll(NULL, 0, 400);
        busy_ms = test_cpu_ms() - busy_ms;
        ck_assert_msg(busy_ms <= 60, "%lld of 400 ms", (long long)busy_ms);
        close(p.fd);
        ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
    }
}
END_TEST

/* Many subscriptions of one connection, and the bound on them. */
START_TEST(many_subs)
{
    enum { SUBS = 100000 };
    door d = door_open(RILL_OPTS(rill_broker_opts, .max_subs = SUBS));
    peer p;
    peer_open(&p, d.port);
    char line[64];
    for (int i = 0; i <= SUBS; i++) {
        snprintf(line, sizeof line, "SUB many.%d %d\r\n", i, i);
        peer_send(&p, line);
    }
    peer_expect(&p, "-ERR 'maximum subscriptions exceeded'");
    peer_send(&p, "PUB many.77777 1\r\nx\r\n");
    peer_expect(&p, "MSG many.77777 77777 1");
    peer_expect(&p, "x");
    peer_sync(&p);
    ck_assert_uint_eq(door_stats(&d).subs, SUBS);
    close(p.fd);
    DOOR_WAIT(&d, subs, 0);
    ck_assert_ok(rill_broker_close(d.broker, WAIT_MS));
}
END_TEST

/* All that a session can ask for, while each allocation fails once: it works, or the connection
 * ends; nothing leaks, and the broker lives. */
static int body_faults(fault *f, void *arg)
{
    (void)arg;
    rill_broker *broker;
    int rc = rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .host = &f->hooks));
    if (rc < 0) return rc;
    int port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
    rc = port < 0 ? port : RILL_OK;
    peer p = {.fd = -1};
    if (rc == RILL_OK && (p.fd = peer_dial(port)) >= 0) {
        const char *ask =
            PEER_CONNECT "PING\r\nSUB foo.* 1\r\nSUB > q 2\r\nSUB foo..x 3\r\nPUB foo.a 5\r\nhello"
                          "\r\nHPUB foo.b in 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUNSUB 1\r\nUNSUB 2 "
                          "1\r\n"
                          "PUB nobody foo.me 0\r\n\r\nPUB $NRG.x 0\r\n\r\nPUB done 0\r\n\r\n"
                          "PING\r\n";
        peer_try(&p, ask, strlen(ask));
        int pongs = 0;
        for (const char *line = "x"; pongs < 2 && *line;) {
            line = peer_line(&p);
            while (!*line && memmem(p.buf, p.len, "\r\n", 2)) line = peer_line(&p);
            pongs += strcmp(line, "PONG") == 0;
        }
        if (pongs < 2) rc = RILL_ENOMEM;
        close(p.fd);
    }
    int closed = rill_broker_close(broker, WAIT_MS);
    return rc < 0 ? rc : closed;
}

START_TEST(faults)
{
    ck_assert_uint_gt(fault_each(body_faults, NULL), 20);
}
END_TEST

SUITE_MAIN("nats_server", both_ways, unix_socket, bad_places, big_payload, slow_consumer,
           fast_producer, race, flush_and_close, last_words, write_deadline, slow_writer,
           lame_duck, login, no_descriptors, idle_connections, wide_fan, crowd, long_line, spinning,
           many_subs, faults)
