/* SPDX-License-Identifier: Apache-2.0 */
/* Handles over nats:// on the days on which servers go, or do not answer, over real sockets. What
 * a server may say wrongly is in tests/unit/test_nats_link.c. Looped, _i is the drive: 0 a thread,
 * 1 the caller. */
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listening.h"
#include "support/scratch.h"

static char url[80], dir[SCRATCH_LEN];

static void serve_again(void)
{
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .dir = dir, .jetstream = true)));
    port = port ? rill_broker_listen(broker, url, NULL) : listen_to_return(broker);
    OK(port);
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
}

static void serve(void)
{
    scratch_make(dir);
    port = 0;
    serve_again();
}

static void serve_no_more(void)
{
    OK(rill_broker_close(broker, 20000));
    scratch_remove(dir);
}

static void nap_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

typedef struct told {
    atomic_int up, down, reason;
} told;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    told *t = arg;
    (void)bus;
    if (ev->kind == RILL_EV_UP) atomic_fetch_add(&t->up, 1);
    if (ev->kind != RILL_EV_DOWN) return;
    atomic_store(&t->reason, ev->err);
    atomic_fetch_add(&t->down, 1);
}

static rill_bus *join(int drive, told *t, const rill_opts *opts)
{
    rill_bus *bus = NULL;
    rill_opts own = {.size = sizeof own};
    if (opts) own = *opts;
    own.drive = drive ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD;
    own.on_event = on_event;
    own.arg = t;
    own.redial_min_ms = 5;
    own.redial_max_ms = 20;
    OK(rill_open(&bus, url, &own));
    return bus;
}

static void turn(rill_bus *bus, int drive)
{
    if (drive) OK(rill_poll(bus, 1));
    else nap_ms(1);
}

static void turn_until(rill_bus *bus, int drive, atomic_int *what, int n)
{
    for (int64_t until = api_now_ms() + 30000; atomic_load(what) < n && api_now_ms() < until;)
        turn(bus, drive);
    ck_assert_int_ge(atomic_load(what), n);
}

/* ---- Servers that come and go under 10 000 messages in a second ---- */

enum { STORM = 12000, TICK = 10, OUTAGES = 3 };

typedef struct storm_answer {
    atomic_int times, err;
} storm_answer;

static struct storm {
    storm_answer answers[STORM];
    atomic_int answered;
    bool refused[STORM];
    int stored[STORM];
} *storm;

static void storm_told(int err, const rill_receipt *receipt, void *arg)
{
    storm_answer *answer = arg;
    (void)receipt;
    atomic_store(&answer->err, err);
    atomic_fetch_add(&answer->times, 1);
    atomic_fetch_add(&storm->answered, 1);
}

static void *storm_outages(void *arg)
{
    atomic_int *over = arg;
    for (int i = 0; i < OUTAGES; i++) {
        nap_ms(250);
        OK(rill_broker_close(broker, 20000));
        nap_ms(30);
        serve_again();
    }
    atomic_store(over, 1);
    return NULL;
}

/* Begins all of them, whatever the server does; how many were taken. */
static int storm_blow(rill_bus *bus, int drive, atomic_int *over)
{
    int taken = 0;
    for (int i = 0; i < STORM; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", i);
        int rc = rill_append_async(bus, "S", text, (size_t)len, NULL, storm_told,
                                   &storm->answers[i]);
        storm->refused[i] = rc < 0;
        if (rc < 0) ck_assert_int_eq(rc, RILL_EAGAIN);
        taken += rc >= 0;
        if (i % TICK == TICK - 1) turn(bus, drive);
    }
    turn_until(bus, drive, over, 1);
    turn_until(bus, drive, &storm->answered, taken);
    return taken;
}

static void storm_read(rill_bus *bus)
{
    const rill_msg *m;
    rill_sub *sub;
    OK(rill_tail(bus, &sub, "S", NULL));
    do {
        OK(rill_next(sub, &m, 20000));
        storm->stored[atoi(m->data.ptr)]++;
    } while (m->pending > 0);
    rill_sub_close(sub);
}

/* Each append is told once, by the call or by its callback. What is acknowledged is stored, and
 * what is refused is not; what is unsure is stored once or not at all. */
START_TEST(nothing_acknowledged_is_lost)
{
    told t = {0};
    atomic_int over = 0;
    pthread_t outages;
    storm = calloc(1, sizeof *storm);
    serve();
    rill_bus *bus = join(_i, &t, NULL);
    OK(rill_stream_ensure(bus, "S", NULL));
    pthread_create(&outages, NULL, storm_outages, &over);
    int taken = storm_blow(bus, _i, &over), acked = 0, unsure = 0;
    pthread_join(outages, NULL);
    turn_until(bus, _i, &t.up, OUTAGES + 1);
    storm_read(bus);
    for (int i = 0; i < STORM; i++) {
        int err = atomic_load(&storm->answers[i].err);
        ck_assert_int_eq(atomic_load(&storm->answers[i].times), storm->refused[i] ? 0 : 1);
        ck_assert_msg(storm->stored[i] <= 1, "%d is stored %d times", i, storm->stored[i]);
        if (storm->refused[i]) ck_assert_int_eq(storm->stored[i], 0);
        else if (err == RILL_OK) ck_assert_msg(storm->stored[i] == 1, "%d is lost", i);
        else ck_assert_int_eq(err, RILL_EUNSURE);
        acked += !storm->refused[i] && err == RILL_OK;
        unsure += err == RILL_EUNSURE;
    }
    ck_assert_int_eq(acked + unsure, taken);
    ck_assert_int_ge(acked, TICK);
    ck_assert_int_ge(atomic_load(&t.down), OUTAGES);
    OK(rill_close(bus, 20000));
    serve_no_more();
    free(storm);
}
END_TEST

/* ---- A connection of which only one half is left ---- */

typedef struct half {
    int listener;
    pthread_t thread;
    atomic_int conns, pongs;
} half;

static void half_say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until PING has come; how many of them came at once, 0: the end. */
static int half_hear_pings(int fd)
{
    char text[4096];
    size_t len = 0;
    while (len < sizeof text - 1) {
        ssize_t n = recv(fd, text + len, sizeof text - 1 - len, 0);
        if (n <= 0) return 0;
        len += (size_t)n;
        text[len] = 0;
        int pings = 0;
        for (const char *at = text; (at = strstr(at, "PING\r\n")) != NULL; at += 6) pings++;
        if (pings > 0) return pings;
    }
    return 0;
}

/* The first connection gets its login and nothing more, and is not closed; the next is served. */
static void *half_serve(void *arg)
{
    half *h = arg;
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = accept(h->listener, NULL, NULL);
        half_say(fds[i], "INFO {\"server_id\":\"H\",\"version\":\"2.10.0\",\"headers\":true,"
                         "\"max_payload\":1048576}\r\n");
        int asks = half_hear_pings(fds[i]);
        atomic_fetch_add(&h->conns, 1); /* before the handle hears that it is up */
        if (asks > 0) half_say(fds[i], "PONG\r\n");
    }
    for (int pings; (pings = half_hear_pings(fds[1])) > 0;)
        for (int i = 0; i < pings; i++) {
            half_say(fds[1], "PONG\r\n");
            atomic_fetch_add(&h->pongs, 1);
        }
    for (int i = 0; i < 2; i++) close(fds[i]);
    return NULL;
}

static void half_begin(half *h)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    *h = (half){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ck_assert_int_eq(bind(h->listener, (struct sockaddr *)&addr, sizeof addr), 0);
    ck_assert_int_eq(listen(h->listener, 4), 0);
    getsockname(h->listener, (struct sockaddr *)&addr, &len);
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", ntohs(addr.sin_port));
    pthread_create(&h->thread, NULL, half_serve, h);
}

/* Pings find out that nobody is there, and whoever waits is told. */
START_TEST(half_open)
{
    enum { PING_MS = 1000 }; /* whoever answers may be kept from it for some of them */
    half h;
    told t = {0};
    half_begin(&h);
    rill_bus *bus = join(_i, &t, RILL_OPTS(rill_opts, .ping_interval_ms = PING_MS, .ping_max = 2));
    int64_t begun = api_now_ms();
    FAILS(rill_append(bus, "s", "x", 1, NULL, NULL, 20000), RILL_EUNSURE);
    ck_assert_int_ge(api_now_ms() - begun, PING_MS);
    turn_until(bus, _i, &t.up, 2);
    ck_assert_int_ge(atomic_load(&t.down), 1);
    ck_assert_int_eq(atomic_load(&t.reason), RILL_ECONN);
    ck_assert_int_eq(atomic_load(&h.conns), 2);
    OK(rill_flush(bus, 20000));
    turn_until(bus, _i, &h.pongs, atomic_load(&h.pongs) + 3);
    ck_assert_int_eq(atomic_load(&t.up), 2); /* this one answers, and stays */
    OK(rill_close(bus, 20000));
    pthread_join(h.thread, NULL);
    close(h.listener);
}
END_TEST

/* ---- A name that nobody can say anything about ---- */

static atomic_bool names_hang;
static atomic_int names_asked, names_answered;

#define NOBODY "nobody.knows.invalid"

/* In place of the C library's: while names hang it does not come back with that one. */
int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict found)
{
    int (*system)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&system = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!name || strcmp(name, NOBODY) != 0) return system(name, service, hints, found);
    atomic_fetch_add(&names_asked, 1);
    while (atomic_load(&names_hang)) nap_ms(1);
    atomic_fetch_add(&names_answered, 1);
    return EAI_AGAIN;
}

/* Whoever turns the handle is not held up by it, nor is another handle, nor the close. */
START_TEST(a_name_that_is_looked_up_for_ever)
{
    told t = {0}, other = {0};
    rill_bus *bus;
    atomic_store(&names_asked, 0);
    atomic_store(&names_answered, 0);
    atomic_store(&names_hang, true);
    OK(rill_open(&bus, "nats://" NOBODY,
                 RILL_OPTS(rill_opts, .drive = _i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD,
                           .no_wait = true, .connect_timeout_ms = 60000, .on_event = on_event,
                           .arg = &t)));
    int64_t begun = api_now_ms();
    while (atomic_load(&names_asked) == 0 && api_now_ms() - begun < 20000) turn(bus, _i);
    ck_assert_int_ge(atomic_load(&names_asked), 1);
    begun = api_now_ms();
    for (int i = 0; i < 20 && _i; i++) OK(rill_poll(bus, 0));
    OK(rill_publish(bus, "s", "x", 1, NULL));
    serve();
    rill_bus *well = join(0, &other, NULL);
    OK(rill_flush(well, 20000));
    OK(rill_close(well, 20000));
    FAILS(rill_close(bus, 50), RILL_ETIMEDOUT); /* what was to be sent was not */
    ck_assert_int_lt(api_now_ms() - begun, 20000);
    ck_assert_int_eq(atomic_load(&names_answered), 0);
    ck_assert_int_eq(atomic_load(&t.up), 0);
    atomic_store(&names_hang, false);
    EVENTUALLY(atomic_load(&names_answered) == atomic_load(&names_asked));
    serve_no_more();
}
END_TEST

/* ---- While a callback waits, or does not come back ---- */

typedef struct stuck {
    rill_bus *bus;
    atomic_int inside, may_go, rc, more;
} stuck;

static void append_within(rill_sub *sub, const rill_msg *m, void *arg)
{
    stuck *s = arg;
    (void)sub, (void)m;
    if (atomic_fetch_add(&s->inside, 1)) {
        atomic_fetch_add(&s->more, 1);
        return;
    }
    while (!atomic_load(&s->may_go)) nap_ms(1); /* the server has gone */
    atomic_store(&s->rc, rill_append(s->bus, "S", "x", 1, NULL, NULL, 30000));
}

static void *goes_and_comes(void *arg)
{
    stuck *s = arg;
    while (!atomic_load(&s->inside)) nap_ms(1);
    OK(rill_broker_close(broker, 20000));
    atomic_store(&s->may_go, 1);
    nap_ms(50);
    serve_again();
    return NULL;
}

/* The connection comes back while a callback waits for it, and brings what comes then. */
START_TEST(a_callback_waits_over_an_outage)
{
    told t = {0};
    stuck s = {.rc = 1};
    pthread_t thread;
    serve();
    s.bus = join(_i, &t, NULL);
    rill_sub *sub;
    OK(rill_stream_ensure(s.bus, "S", NULL));
    OK(rill_subscribe(s.bus, &sub, "live", RILL_OPTS(rill_sub_opts, .on_msg = append_within,
                                                     .arg = &s)));
    OK(rill_flush(s.bus, 20000));
    pthread_create(&thread, NULL, goes_and_comes, &s);
    api_send(s.bus, "live", "1");
    for (int64_t until = api_now_ms() + 30000; atomic_load(&s.rc) == 1 && api_now_ms() < until;)
        turn(s.bus, _i);
    pthread_join(thread, NULL);
    int rc = atomic_load(&s.rc); /* it was sent over the old connection, or over the new one */
    ck_assert_msg(rc == RILL_OK || rc == RILL_EUNSURE, "%s", rill_errname(rc));
    turn_until(s.bus, _i, &t.up, 2);
    OK(rill_flush(s.bus, 20000));
    api_send(s.bus, "live", "2");
    turn_until(s.bus, _i, &s.more, 1);
    rill_sub_close(sub);
    OK(rill_close(s.bus, 20000));
    serve_no_more();
}
END_TEST

static void stay_within(rill_sub *sub, const rill_msg *m, void *arg)
{
    stuck *s = arg;
    (void)sub, (void)m;
    atomic_store(&s->inside, 1);
    while (!atomic_load(&s->may_go)) nap_ms(1);
    atomic_store(&s->more, 1);
}

/* Input goes on for all others, and a close has its time, while a callback does not come back and
 * the server goes and comes. */
START_TEST(a_close_while_a_callback_blocks)
{
    told t = {0};
    static stuck s;
    s = (stuck){0};
    serve();
    rill_bus *bus = join(0, &t, NULL);
    rill_sub *sub, *other;
    const rill_msg *m;
    OK(rill_subscribe(bus, &sub, "live", RILL_OPTS(rill_sub_opts, .on_msg = stay_within,
                                                   .arg = &s)));
    OK(rill_subscribe(bus, &other, "other", NULL));
    api_send(bus, "live", "1");
    EVENTUALLY(atomic_load(&s.inside));
    OK(rill_broker_close(broker, 20000));
    serve_again();
    api_send(bus, "other", "2");
    OK(rill_next(other, &m, 20000)); /* it is up again */
    TEXT_IS(m->data, "2");
    if (_i) OK(rill_broker_close(broker, 20000));
    int64_t begun = api_now_ms();
    FAILS(rill_close(bus, 50), RILL_ETIMEDOUT);
    ck_assert_int_lt(api_now_ms() - begun, 20000);
    ck_assert_int_eq(atomic_load(&s.more), 0);
    atomic_store(&s.may_go, 1);
    EVENTUALLY(atomic_load(&s.more));
    rill_sub_close(other);
    rill_sub_close(sub);
    if (_i) serve_again();
    serve_no_more();
}
END_TEST

SUITE_MAIN_ROWS("bad_days",
    SUITE_EACH(2, nothing_acknowledged_is_lost, half_open, a_name_that_is_looked_up_for_ever,
               a_callback_waits_over_an_outage, a_close_while_a_callback_blocks))
