/* SPDX-License-Identifier: Apache-2.0 */
/* Handles whose peer is a NATS server: here a broker of this process, over its listener. Looped, _i
 * is the drive: 0 a thread, 1 the caller. */
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "listening.h"

enum { MANY = 20000, THREADS = 4 };

static char url[80];

static void begin(const rill_broker_opts *opts)
{
    start(opts);
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
}

static rill_bus *join(int i, const rill_opts *opts)
{
    rill_bus *bus = NULL;
    rill_opts own = {.size = sizeof own};
    if (opts) own = *opts;
    own.drive = i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD;
    OK(rill_open(&bus, url, &own));
    return bus;
}

static void next_is(rill_sub *sub, const char *text)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, 20000));
    TEXT_IS(m->data, text);
}

START_TEST(live)
{
    begin(NULL);
    rill_bus *a = join(_i, NULL), *b = join(_i, NULL);
    rill_sub *all, *group[2];
    OK(rill_subscribe(a, &all, "s.*.>", NULL));
    for (int i = 0; i < 2; i++)
        OK(rill_subscribe(a, &group[i], "s.>", RILL_OPTS(rill_sub_opts, .group = "g")));
    OK(rill_flush(a, 20000));
    const rill_header headers[] = {{RILL_STR("k"), RILL_STR("v")}};
    OK(rill_publish(b, "s.1.x", "one", 3,
                    RILL_OPTS(rill_post, .headers = headers, .nheaders = 1, .reply = "r")));
    api_send(b, "s.2", "two");
    OK(rill_flush(b, 20000));
    const rill_msg *m;
    OK(rill_next(all, &m, 20000));
    TEXT_IS(m->subject, "s.1.x");
    TEXT_IS(m->reply, "r");
    TEXT_IS(m->data, "one");
    rill_str value;
    ck_assert_int_eq(rill_header_get(m, "k", &value), 1);
    TEXT_IS(value, "v");
    api_send(b, "s.3.x", "three");
    OK(rill_flush(b, 20000));
    next_is(all, "three"); /* and none in between */
    int got = 0;
    for (int i = 0; got < 3; i++)
        while (rill_next(group[i % 2], &m, 20) >= 0) got++;
    for (int i = 0; i < 2; i++) FAILS(rill_next(group[i], &m, 20), RILL_ETIMEDOUT);
    rill_sub_close(group[0]);
    rill_sub_close(group[1]);
    rill_sub_close(all);
    OK(rill_close(a, 20000));
    OK(rill_close(b, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

START_TEST(limit)
{
    begin(NULL);
    rill_bus *bus = join(_i, NULL);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "s", RILL_OPTS(rill_sub_opts, .limit_msgs = 2)));
    for (int i = 0; i < 5; i++) api_send(bus, "s", "x");
    for (int i = 0; i < 2; i++) next_is(sub, "x");
    FAILS(rill_next(sub, &m, 20000), RILL_ECLOSED);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static void echo(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    OK(rill_reply(m, m->data.ptr, m->data.len, NULL));
}

START_TEST(requests)
{
    begin(NULL);
    rill_bus *asks = join(_i, NULL), *serves = join(0, NULL);
    rill_sub *sub;
    rill_msg *reply;
    FAILS(rill_request(asks, "echo", "?", 1, NULL, &reply, 20000), RILL_ENOREPLY);
    OK(rill_subscribe(serves, &sub, "echo", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    OK(rill_flush(serves, 20000));
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        OK(rill_request(asks, "echo", text, strlen(text), NULL, &reply, 20000));
        TEXT_IS(reply->data, text);
        rill_msg_unref(reply);
    }
    rill_sub_close(sub);
    OK(rill_flush(serves, 20000));
    FAILS(rill_request(asks, "echo", "?", 1, NULL, &reply, 20000), RILL_ENOREPLY);
    OK(rill_close(serves, 20000));
    OK(rill_close(asks, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* A callback asks and flushes: it is told that it must not wait for itself, whatever the peer. */
static void in_callback(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    rill_bus *bus = arg;
    rill_msg *reply;
    if (m->data.len == 0) return;
    FAILS(rill_flush(bus, 1000), RILL_EDEADLK);
    FAILS(rill_request(bus, "x", "", 0, NULL, &reply, 1000), RILL_EDEADLK);
    FAILS(rill_close(bus, 1000), RILL_EDEADLK);
    OK(rill_publish(bus, "done", "", 0, NULL));
}

START_TEST(callbacks)
{
    begin(NULL);
    rill_bus *bus = join(_i, NULL);
    rill_sub *sub, *done;
    OK(rill_subscribe(bus, &sub, "s", RILL_OPTS(rill_sub_opts, .on_msg = in_callback,
                                               .arg = bus)));
    OK(rill_subscribe(bus, &done, "done", NULL));
    api_send(bus, "s", "go");
    next_is(done, "");
    OK(rill_drain(bus, 20000));
    rill_sub_close(sub);
    rill_sub_close(done);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* More than the buffers hold, both ways, in order. */
START_TEST(flood)
{
    begin(NULL);
    rill_bus *from = join(_i, RILL_OPTS(rill_opts, .send_buffer_bytes = 100000)),
             *to = join(0, NULL);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_subscribe(to, &sub, "s", RILL_OPTS(rill_sub_opts, .pending_msgs = MANY + 1)));
    OK(rill_flush(to, 20000));
    for (uint32_t i = 0; i < MANY;) {
        int rc = rill_publish(from, "s", &i, sizeof i, NULL);
        if (rc == RILL_EAGAIN) continue; /* it has paused */
        OK(rc);
        i++;
    }
    OK(rill_flush(from, 20000));
    for (uint32_t i = 0; i < MANY; i++) {
        OK(rill_next(sub, &m, 20000));
        ck_assert(memcmp(m->data.ptr, &i, sizeof i) == 0);
    }
    rill_sub_close(sub);
    OK(rill_close(from, 20000));
    OK(rill_close(to, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static void *publish_many(void *bus)
{
    for (int i = 0; i < MANY / THREADS;) {
        int rc = rill_publish(bus, "s", "x", 1, NULL);
        if (rc == RILL_EAGAIN) continue;
        OK(rc);
        i++;
    }
    return NULL;
}

static void count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(threads)
{
    begin(NULL);
    rill_bus *bus = join(_i, NULL), *to = join(0, NULL);
    rill_sub *sub;
    atomic_int got = 0;
    pthread_t threads[THREADS];
    OK(rill_subscribe(to, &sub, "s", RILL_OPTS(rill_sub_opts, .on_msg = count, .arg = &got,
                                              .pending_msgs = MANY)));
    OK(rill_flush(to, 20000));
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, publish_many, bus);
    while (_i && rill_flush(bus, 10) < 0) continue; /* somebody has to turn the loop */
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    OK(rill_flush(bus, 20000));
    EVENTUALLY(atomic_load(&got) == MANY);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    OK(rill_close(to, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* Requests of several threads over one handle that nobody drives but they. */
static void *ask_many(void *bus)
{
    for (int i = 0; i < 200; i++) {
        rill_msg *reply;
        OK(rill_request(bus, "echo", "x", 1, NULL, &reply, 20000));
        rill_msg_unref(reply);
    }
    return NULL;
}

START_TEST(askers)
{
    begin(NULL);
    rill_bus *bus = join(_i, NULL), *serves = join(0, NULL);
    rill_sub *sub;
    pthread_t threads[THREADS];
    OK(rill_subscribe(serves, &sub, "echo", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    OK(rill_flush(serves, 20000));
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, ask_many, bus);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    OK(rill_close(serves, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

typedef struct seen {
    atomic_int up, down, error, closed;
    char server[80], subject[80];
} seen;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    seen *s = arg;
    if (ev->kind == RILL_EV_CLOSED) atomic_fetch_add(&s->closed, 1);
    if (ev->server && !s->server[0]) snprintf(s->server, sizeof s->server, "%s", ev->server);
    if (ev->kind == RILL_EV_ERROR) {
        snprintf(s->subject, sizeof s->subject, "%s", ev->subject ? ev->subject : "");
        atomic_fetch_add(&s->error, 1);
    }
    if (ev->kind == RILL_EV_UP) atomic_fetch_add(&s->up, 1);
    if (ev->kind == RILL_EV_DOWN) atomic_fetch_add(&s->down, 1);
}

static void drive_until(rill_bus *bus, int i, atomic_int *what, int n)
{
    int64_t until = api_now_ms() + 20000;
    while (atomic_load(what) < n && api_now_ms() < until) {
        if (i) rill_poll(bus, 10);
        else nanosleep(&(struct timespec){0, 200000}, NULL);
    }
    ck_assert_int_ge(atomic_load(what), n);
}

/* The broker goes and comes back at its port: the handle does, too, with its subscriptions, and
 * what was sent in between arrives. */
START_TEST(comes_back)
{
    OK(rill_broker_open(&broker, NULL));
    OK(port = listen_to_return(broker));
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    seen s = {0};
    rill_bus *bus = join(_i, RILL_OPTS(rill_opts, .on_event = on_event, .arg = &s,
                                       .redial_min_ms = 20, .redial_max_ms = 50));
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "s", NULL));
    drive_until(bus, _i, &s.up, 1);
    ck_assert_str_eq(s.server, url);
    for (int round = 1; round <= 3; round++) {
        OK(rill_broker_close(broker, 20000));
        drive_until(bus, _i, &s.down, round);
        api_send(bus, "s", "between");
        OK(rill_broker_open(&broker, NULL));
        OK(rill_broker_listen(broker, url, NULL));
        next_is(sub, "between");
        drive_until(bus, _i, &s.up, round + 1);
        OK(rill_flush(bus, 20000));
    }
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(atomic_load(&s.closed), 1);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

START_TEST(credentials)
{
    begin(RILL_OPTS(rill_broker_opts, .user = "u", .password = "p@"));
    rill_bus *bus = NULL;
    const rill_opts *opts = RILL_OPTS(rill_opts, .drive = _i ? RILL_DRIVE_HOST
                                                             : RILL_DRIVE_THREAD);
    FAILS(rill_open(&bus, url, opts), RILL_EAUTH);
    ck_assert_ptr_null(bus);
    snprintf(url, sizeof url, "nats://u:wrong@127.0.0.1:%d", port);
    FAILS(rill_open(&bus, url, opts), RILL_EAUTH);
    ck_assert_ptr_null(strstr(rill_errmsg(), "wrong"));
    snprintf(url, sizeof url, "nats://u:p%%40@127.0.0.1:%d", port);
    OK(rill_open(&bus, url, opts));
    OK(rill_flush(bus, 20000));
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* A socket that listens and never answers; its port. */
static int deaf_socket(int *fd)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(*fd, (struct sockaddr *)&addr, sizeof addr), 0);
    ck_assert_int_eq(listen(*fd, 16), 0);
    getsockname(*fd, (struct sockaddr *)&addr, &len);
    return ntohs(addr.sin_port);
}

/* What cannot be reached is told in the time that was given; one of a list that can is enough. */
START_TEST(unreachable)
{
    int fd, deaf = deaf_socket(&fd);
    rill_bus *bus = NULL;
    rill_opts opts = {.size = sizeof opts, .connect_timeout_ms = 100,
                      .drive = _i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD};
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", deaf);
    int64_t begun = api_now_ms();
    FAILS(rill_open(&bus, url, &opts), RILL_ECONN);
    ck_assert_int_ge(api_now_ms() - begun, 100);
    ck_assert_int_lt(api_now_ms() - begun, 20000);
    FAILS(rill_open(&bus, "nats://127.0.0.1:1", &opts), RILL_ECONN);
    FAILS(rill_open(&bus, "nats://no-such-host.invalid", &opts), RILL_ECONN);
    FAILS(rill_open(&bus, "unix:/no/such/socket", &opts), RILL_ECONN);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "/no/such/socket"));
    start(NULL);
    snprintf(url, sizeof url, "nats://127.0.0.1:1,127.0.0.1:%d,localhost:%d", deaf, port);
    int rc = RILL_ECONN; /* the last of them answers within it, on a busy machine in a longer one */
    for (int ms = 1000; rc == RILL_ECONN && ms < 20000; ms *= 2) {
        opts.connect_timeout_ms = (uint32_t)ms;
        rc = rill_open(&bus, url, &opts);
    }
    OK(rc);
    OK(rill_flush(bus, 20000));
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
    close(fd);
}
END_TEST

/* Closed at once in each state of its connection: nobody waits longer than was said. */
START_TEST(closes)
{
    int fd, deaf = deaf_socket(&fd);
    rill_opts opts = {.size = sizeof opts, .no_wait = true,
                      .drive = _i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD};
    const char *urls[] = {"nats://127.0.0.1:1", "nats://no-such-host.invalid", NULL, NULL};
    char text[2][80];
    begin(NULL);
    snprintf(text[0], sizeof text[0], "nats://127.0.0.1:%d", deaf);
    urls[2] = text[0];
    urls[3] = url;
    for (int round = 0; round < 40; round++) {
        rill_bus *bus = NULL;
        rill_sub *sub;
        int64_t begun = api_now_ms();
        OK(rill_open(&bus, urls[round % 4], &opts));
        OK(rill_subscribe(bus, &sub, "s", NULL));
        api_send(bus, "s", "x");
        if (round >= 20) rill_flush(bus, 20);
        int rc = rill_close(bus, round % 3 * 5);
        ck_assert(rc == RILL_OK || rc == RILL_ETIMEDOUT);
        ck_assert_int_lt(api_now_ms() - begun, 10000);
        rill_sub_close(sub);
    }
    OK(rill_broker_close(broker, 20000));
    close(fd);
}
END_TEST

/* The descriptor alone, in the program's own loop. */
START_TEST(own_loop)
{
    begin(NULL);
    rill_bus *bus = join(1, NULL), *other = join(0, NULL);
    rill_sub *sub;
    atomic_int got = 0;
    OK(rill_subscribe(bus, &sub, "s", RILL_OPTS(rill_sub_opts, .on_msg = count, .arg = &got)));
    OK(rill_flush(bus, 20000));
    struct pollfd fd = {.fd = rill_fd(bus), .events = POLLIN};
    ck_assert_int_ge(fd.fd, 0);
    OK(rill_publish(bus, "s", "own", 3, NULL));
    api_send(other, "s", "other");
    int64_t until = api_now_ms() + 20000;
    while (atomic_load(&got) < 2 && api_now_ms() < until) {
        poll(&fd, 1, rill_wait_ms(bus));
        OK(rill_poll(bus, 0));
    }
    ck_assert_int_eq(atomic_load(&got), 2);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    OK(rill_close(other, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* TSan ends a child of a fork that begins a thread. ASan's allocator (of gcc 12) has locks that no
 * fork looks after: the child waits for ever for what another thread had in hand. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
static const bool child_has_threads = false;
#else
static const bool child_has_threads = true;
#endif

/* In the child of a fork. */
static bool opens_its_own(void)
{
    rill_bus *own;
    return rill_open(&own, url, NULL) == RILL_OK &&
           rill_publish(own, "s", "child", 5, NULL) == RILL_OK &&
           rill_close(own, 20000) == RILL_OK;
}

/* A child of a fork has no part in its parent's handles, and may have its own. */
START_TEST(forks)
{
    begin(NULL);
    rill_bus *bus = join(0, NULL);
    pid_t child = fork();
    if (child == 0) {
        bool good = rill_publish(bus, "s", "", 0, NULL) == RILL_ECLOSED &&
                    rill_close(bus, 0) == RILL_ECLOSED &&
                    (!child_has_threads || opens_its_own());
        _exit(good ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    OK(rill_flush(bus, 20000));
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* Allocations of a host, of which one forks, and what they hold. */
typedef struct forking {
    atomic_long held;
    pthread_t by;    /* whose allocations are counted: */
    int count, at;   /* the child is made in this one; 0: in none */
    pid_t child;
} forking;

static void *alloc_and_fork(void *arg, void *p, size_t old_size, size_t new_size)
{
    forking *f = arg;
    bool counts = f->at && new_size && pthread_equal(f->by, pthread_self());
    if (counts && ++f->count == f->at && (f->child = fork()) == 0) {
        alarm(20); /* it would wait for ever for what its parent was doing */
        _exit(opens_its_own() ? 0 : 1);
    }
    atomic_fetch_add(&f->held, (long)new_size - (long)old_size);
    if (new_size) return realloc(p, new_size);
    free(p);
    return NULL;
}

/* Whatever the parent is doing when it forks, and whichever locks it has: the child opens its
 * own. */
START_TEST(forks_at_any_time)
{
    begin(NULL);
    if (!child_has_threads) return;
    for (int at = 1;; at++) {
        forking f = {.at = at, .by = pthread_self()};
        rill_host host = {.size = sizeof host, .arg = &f, .alloc = alloc_and_fork};
        rill_bus *bus;
        int status;
        OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .host = &host, .drive = RILL_DRIVE_HOST)));
        OK(rill_close(bus, 20000));
        if (!f.child) break;
        ck_assert_int_eq(waitpid(f.child, &status, 0), f.child);
        ck_assert_msg(status == 0, "allocation %d: %d", at, status);
    }
    for (int at = 1;; at++) { /* and when it opens a shared thread */
        forking f = {.at = at, .by = pthread_self()};
        rill_host host = {.size = sizeof host, .arg = &f, .alloc = alloc_and_fork};
        rill_bus *bus;
        int status;
        OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .host = &host, .no_wait = true)));
        OK(rill_close(bus, 20000));
        if (!f.child) break;
        ck_assert_int_eq(waitpid(f.child, &status, 0), f.child);
        ck_assert_msg(status == 0, "allocation %d: %d", at, status);
    }
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static int threads_of_this_process(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *d; tasks && (d = readdir(tasks));) n += d->d_name[0] != '.';
    if (tasks) closedir(tasks);
    return n;
}

/* Handles share a thread, and the memory behind it, with those that have the same hooks, wherever
 * the table of the hooks stood. */
START_TEST(hooks_are_compared_by_what_they_say)
{
    begin(NULL);
    forking one = {0}, other = {0};
    rill_host host = {.size = sizeof host, .arg = &one, .alloc = alloc_and_fork}, same;
    rill_bus *a, *b, *c;
    OK(rill_open(&a, url, RILL_OPTS(rill_opts, .host = &host)));
    int threads = threads_of_this_process();
    same = host;
    OK(rill_open(&b, url, RILL_OPTS(rill_opts, .host = &same)));
    ck_assert_int_eq(threads_of_this_process(), threads);
    host.arg = &other; /* at the same place */
    OK(rill_open(&c, url, RILL_OPTS(rill_opts, .host = &host)));
    ck_assert_int_eq(threads_of_this_process(), threads + 1);
    OK(rill_close(a, 20000));
    OK(rill_close(b, 20000));
    ck_assert_int_eq(atomic_load(&one.held), 0);
    OK(rill_flush(c, 20000));
    OK(rill_close(c, 20000));
    ck_assert_int_eq(atomic_load(&other.held), 0);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

START_TEST(over_a_unix_socket)
{
    char path[64];
    begin(NULL);
    snprintf(path, sizeof path, "/tmp/rill-remote-%d.sock", getpid());
    snprintf(url, sizeof url, "unix:%s", path);
    OK(rill_broker_listen(broker, url, NULL));
    rill_bus *bus = join(_i, NULL);
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "s", NULL));
    api_send(bus, "s", "x");
    next_is(sub, "x");
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

enum { ROUNDS = 1500, WIDE = 500000 };

typedef struct meeting { /* one sleeps in rill_next(), one turns, the test publishes */
    rill_bus *bus;
    rill_sub *sub;
    atomic_int heard, turned, round;
} meeting;

static void *sleeps(void *arg)
{
    meeting *m = arg;
    const rill_msg *msg;
    while (rill_next(m->sub, &msg, -1) == RILL_OK) atomic_store(&m->heard, atoi(msg->data.ptr));
    return NULL;
}

static void *turns(void *arg)
{
    meeting *m = arg;
    for (int i = 1; i <= ROUNDS; i++) {
        while (atomic_load(&m->round) < i) sched_yield();
        rill_poll(m->bus, 0);
        atomic_store(&m->turned, i);
    }
    return NULL;
}

/* What is published while one sleeps and another has turned leaves by who sleeps. */
START_TEST(who_sleeps_is_woken_while_another_turns)
{
    static char wide[WIDE];
    meeting m = {.heard = 0};
    pthread_t sleeper, turner;
    begin(NULL);
    m.bus = join(1, NULL);
    OK(rill_subscribe(m.bus, &m.sub, "x", NULL));
    OK(rill_flush(m.bus, 20000));
    ck_assert_int_eq(pthread_create(&sleeper, NULL, sleeps, &m), 0);
    ck_assert_int_eq(pthread_create(&turner, NULL, turns, &m), 0);
    for (int i = 1; i <= ROUNDS; i++) {
        snprintf(wide, sizeof wide, "%d", i);
        atomic_store(&m.round, i);
        OK(rill_publish(m.bus, "x", wide, sizeof wide, NULL));
        EVENTUALLY(atomic_load(&m.turned) == i);
        EVENTUALLY(atomic_load(&m.heard) == i);
    }
    pthread_join(turner, NULL);
    OK(rill_sub_stop(m.sub));
    pthread_join(sleeper, NULL);
    rill_sub_close(m.sub);
    OK(rill_close(m.bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

typedef struct opening {
    atomic_bool over;
    atomic_int late;
} opening;

static void count_late(rill_bus *bus, const rill_event *ev, void *arg)
{
    opening *o = arg;
    (void)bus;
    (void)ev;
    if (atomic_load(&o->over)) atomic_fetch_add(&o->late, 1);
}

/* When rill_open() has failed the program may free what its callback stands on. */
START_TEST(an_open_that_fails_is_not_heard_of_any_more)
{
    enum { TIMES = 300 };
    static opening openings[TIMES];
    for (int i = 0; i < TIMES; i++) {
        rill_bus *bus = NULL;
        FAILS(rill_open(&bus, "nats://127.0.0.1:1",
                        RILL_OPTS(rill_opts, .no_redial = true, .on_event = count_late,
                                  .arg = &openings[i])), RILL_ECONN);
        atomic_store(&openings[i].over, true);
        ck_assert_ptr_null(bus);
    }
    for (int i = 0; i < TIMES; i++) ck_assert_int_eq(atomic_load(&openings[i].late), 0);
}
END_TEST

SUITE_MAIN_ROWS("remote",
    SUITE_EACH(2, live, limit, requests, callbacks, flood, threads, askers, comes_back,
               credentials, unreachable, closes, over_a_unix_socket),
    SUITE_ONCE(own_loop, who_sleeps_is_woken_while_another_turns, forks, forks_at_any_time,
               hooks_are_compared_by_what_they_say, an_open_that_fails_is_not_heard_of_any_more))
