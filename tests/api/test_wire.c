/* SPDX-License-Identifier: Apache-2.0 */
/* Connections over wires of the program's: sockets that it has made, and bytes in memory. */
#include "kinds.h"
#include "support/duct.h"
#include "tasks.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* ---- A socket that the program has made ---- */

typedef struct sock {
    int fd;
    atomic_int closes;
} sock;

static int64_t sock_answer(ssize_t n)
{
    return n >= 0 ? n : errno == EAGAIN ? RILL_EAGAIN : RILL_ECONN;
}

static int64_t sock_read(void *arg, void *buf, size_t len)
{
    return sock_answer(recv(((sock *)arg)->fd, buf, len, 0));
}

static int64_t sock_write(void *arg, const void *buf, size_t len)
{
    return sock_answer(send(((sock *)arg)->fd, buf, len, MSG_NOSIGNAL));
}

static void sock_close(void *arg)
{
    sock *s = arg;
    close(s->fd);
    atomic_fetch_add(&s->closes, 1);
}

static int sock_fd(void *arg)
{
    return ((sock *)arg)->fd;
}

static const rill_wire_ops sock_ops = {sizeof sock_ops, sock_read, sock_write, sock_close, sock_fd};

/* ---- A broker, a handle, and what lies between them ---- */

enum { LINK_MEMORY, LINK_SOCK, LINK_KINDS, LINK_DIALS = 16 };

typedef struct link_pair {
    int kind;
    rill_drive drive;       /* of both ends */
    size_t step;            /* bytes that a call moves at most; 0: all */
    rill_broker *broker;
    rill_bus *inside;       /* at the broker, which it turns if it is driven */
    rill_bus *far;          /* over the wires */
    atomic_int dials;
    int refuse;             /* so many dials are refused first */
    void (*_Atomic on_dial)(struct link_pair *l); /* within a dial */
    bool nobody;            /* no broker is at the other end */
    duct_pair ducts[LINK_DIALS];
    sock socks[LINK_DIALS][2];
    atomic_int err;         /* what call_within() found: 1, or -1 */
    pthread_mutex_t lock;   /* guards what follows */
    char events[64];        /* a letter each: Up, Down, Error, Slow, Closed */
    char detail[512];       /* of the last that had an error */
} link_pair;

static void link_note(rill_bus *bus, const rill_event *ev, void *arg)
{
    link_pair *l = arg;
    (void)bus;
    pthread_mutex_lock(&l->lock);
    size_t len = strlen(l->events);
    if (len + 1 < sizeof l->events) l->events[len] = "?UDESC"[ev->kind];
    if (ev->err)
        snprintf(l->detail, sizeof l->detail, "%s: %s", rill_errname(ev->err), ev->detail);
    pthread_mutex_unlock(&l->lock);
}

static bool link_saw(link_pair *l, const char *events)
{
    pthread_mutex_lock(&l->lock);
    bool same = strcmp(l->events, events) == 0;
    pthread_mutex_unlock(&l->lock);
    return same;
}

static int link_wires(link_pair *l, int n, rill_wire **a, rill_wire **b)
{
    int fds[2], rc;
    if (l->kind == LINK_MEMORY) {
        duct_init(&l->ducts[n]);
        l->ducts[n].end[0].step = l->ducts[n].end[1].step = l->step;
        l->ducts[n].end[0].arg = l->ducts[n].end[1].arg = l;
        *a = duct_wire(&l->ducts[n].end[0], NULL);
        *b = duct_wire(&l->ducts[n].end[1], NULL);
        return RILL_OK;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0) return RILL_EIO;
    for (int i = 0; i < 2; i++) l->socks[n][i].fd = fds[i];
    if ((rc = rill_wire_new(a, &sock_ops, &l->socks[n][0], NULL)) < 0) return rc;
    return rill_wire_new(b, &sock_ops, &l->socks[n][1], NULL);
}

static int link_dial(rill_wire **wire, const char *address, void *arg)
{
    link_pair *l = arg;
    rill_wire *other;
    int n = atomic_load(&l->dials);
    (void)address;
    if (n == LINK_DIALS) return RILL_EFULL;
    atomic_fetch_add(&l->dials, 1);
    void (*on_dial)(link_pair *) = atomic_load(&l->on_dial);
    if (on_dial) on_dial(l);
    if (l->refuse && l->refuse--) return RILL_ECONN;
    int rc = link_wires(l, n, wire, &other);
    if (rc < 0) return rc;
    return l->nobody ? rill_wire_close(other) : rill_broker_accept(l->broker, "nats://pipe", other);
}

static void link_serve(link_pair *l)
{
    pthread_mutex_init(&l->lock, NULL);
    OK(rill_broker_open(&l->broker, RILL_OPTS(rill_broker_opts, .jetstream = true,
                                              .drive = l->drive)));
    OK(rill_broker_bus(l->broker, &l->inside, RILL_OPTS(rill_opts, .drive = l->drive)));
}

static int link_open(link_pair *l)
{
    rill_opts opts = {.size = sizeof opts, .drive = l->drive, .on_event = link_note, .arg = l,
                      .connect_timeout_ms = l->nobody ? 100 : 20000,
                      .redial_min_ms = 1, .redial_max_ms = 2,
                      .no_wait = l->drive == RILL_DRIVE_HOST, .dial = link_dial};
    return rill_open(&l->far, "nats://there", &opts);
}

/* Driven ends move when this is called. */
static void link_turn(link_pair *l)
{
    if (l->drive != RILL_DRIVE_HOST) return;
    if (l->far) rill_poll(l->far, 0);
    if (l->inside) rill_poll(l->inside, 0);
}

/* Until the condition holds, at most 50 s. */
#define LINK_UNTIL(l, condition)                                                        \
    do {                                                                                \
        int64_t until_ = api_now_ms() + 50000;                                          \
        while (!(condition) && api_now_ms() < until_) {                                 \
            link_turn(l);                                                               \
            if ((l)->drive != RILL_DRIVE_HOST) poll(NULL, 0, 1);                        \
        }                                                                               \
        ck_assert_msg(condition, "%s did not come true in 50 s", #condition);           \
    } while (0)

static int link_closes(link_pair *l, int n, int end)
{
    if (l->kind == LINK_SOCK) return atomic_load(&l->socks[n][end].closes);
    pthread_mutex_lock(&l->ducts[n].lock);
    int closes = l->ducts[n].end[end].closes;
    pthread_mutex_unlock(&l->ducts[n].lock);
    return closes;
}

/* Each wire that there was has been closed once when the handles are. */
static void link_close(link_pair *l)
{
    int rc = rill_close(l->far, l->drive == RILL_DRIVE_HOST ? 0 : 5000);
    if (rc != RILL_ETIMEDOUT || l->drive != RILL_DRIVE_HOST) OK(rc); /* nobody turns the broker */
    int dials = atomic_load(&l->dials);
    for (int n = 0; n < dials; n++)
        if (l->ducts[n].end[0].duct || l->socks[n][0].fd)
            ck_assert_int_eq(link_closes(l, n, 0), 1);
    OK(rill_close(l->inside, 20000));
    OK(rill_broker_close(l->broker, 20000));
    for (int n = 0; n < dials; n++)
        if (l->ducts[n].end[0].duct || l->socks[n][0].fd)
            ck_assert_int_eq(link_closes(l, n, 1), 1);
}

typedef struct asked {
    char text[32];
    atomic_bool over;
} asked;

static void note_answer(int err, const rill_msg *reply, void *arg)
{
    asked *a = arg;
    snprintf(a->text, sizeof a->text, "%s", err ? rill_errname(err) : reply->data.ptr);
    atomic_store(&a->over, true);
}

static void echo(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)arg;
    rill_reply(m, m->data.ptr, m->data.len, NULL);
}

static void count(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)m;
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* Live messages, requests both ways and large ones. */
static void link_try(link_pair *l)
{
    enum { COUNT = 100, LARGE = 300000 };
    rill_sub *here, *there, *plain;
    asked one = {.text = ""}, two = {.text = ""};
    char *large = calloc(1, LARGE);
    atomic_int n = 0;
    OK(rill_subscribe(l->inside, &here, "here", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    OK(rill_subscribe(l->far, &there, "there", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    OK(rill_subscribe(l->inside, &plain, "plain", RILL_OPTS(rill_sub_opts, .on_msg = count,
                                                            .arg = &n)));
    OK(rill_request_async(l->far, "here", "ping", 4, NULL, 40000, note_answer, &one));
    LINK_UNTIL(l, atomic_load(&one.over));
    ck_assert_str_eq(one.text, "ping");
    OK(rill_request_async(l->inside, "there", "pong", 4, NULL, 40000, note_answer, &two));
    LINK_UNTIL(l, atomic_load(&two.over));
    ck_assert_str_eq(two.text, "pong");
    for (int i = 0; i < COUNT; i++) OK(rill_publish(l->far, "plain", "x", 1, NULL));
    OK(rill_publish(l->far, "plain", large, LARGE, NULL));
    LINK_UNTIL(l, atomic_load(&n) == COUNT + 1);
    rill_sub_close(here);
    rill_sub_close(there);
    rill_sub_close(plain);
    free(large);
}

static link_pair the_link; /* of this test's process */

/* Rows: over memory and over a socket, each with threads and without. */
static link_pair *link_begin(int row)
{
    the_link = (link_pair){.kind = row % LINK_KINDS,
                       .drive = row < LINK_KINDS ? RILL_DRIVE_THREAD : RILL_DRIVE_HOST};
    link_serve(&the_link);
    return &the_link;
}
enum { ROWS = 2 * LINK_KINDS };

START_TEST(a_handle_and_a_broker_speak_over_it)
{
    int before = threads();
    link_pair *l = link_begin(_i);
    OK(link_open(l));
    LINK_UNTIL(l, link_saw(l, "U"));
    link_try(l);
    if (l->drive == RILL_DRIVE_HOST) ck_assert_int_eq(threads(), before);
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(l->broker, &stats));
    ck_assert_uint_eq(stats.conns, 1);
    link_close(l);
    ck_assert(link_saw(l, "UC"));
    EVENTUALLY(threads() == before);
}
END_TEST


/* ---- Bytes in crumbs ---- */

START_TEST(bytes_come_in_crumbs)
{
    link_pair *l = link_begin(_i % 2 ? LINK_MEMORY : LINK_KINDS + LINK_MEMORY);
    rill_sub *sub;
    l->step = (size_t[]){1, 2, 3, 5, 7, 64}[_i / 2];
    OK(link_open(l));
    OK(rill_subscribe(l->inside, &sub, "here", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    for (int i = 0; i < 20; i++) {
        asked a = {.text = ""};
        char body[16];
        int len = snprintf(body, sizeof body, "%d", i * 1234567);
        LINK_UNTIL(l, link_saw(l, "U"));
        OK(rill_request_async(l->far, "here", body, (size_t)len, NULL, 40000, note_answer, &a));
        LINK_UNTIL(l, atomic_load(&a.over));
        ck_assert_str_eq(a.text, body);
    }
    rill_sub_close(sub);
    link_close(l);
}
END_TEST

/* ---- What cannot be ---- */

typedef struct odd {
    bool write;      /* of write(); else of read() */
    int64_t answer;
    const char *says;
} odd;

static const odd odds[] = {
    {false, INT64_MAX, "read() of the program's wire was asked for 262144 bytes and answered "
                       "9223372036854775807"},
    {false, 262145, "read() of the program's wire was asked for 262144 bytes and answered 262145"},
    {false, INT64_MIN, "read() of the program's wire answered -9223372036854775808, which is no "
                       "code of rill.h"},
    {false, -5000, "read() of the program's wire answered -5000, which is no code of rill.h"},
    {false, RILL_ECONN, "read() of the program's wire failed: ECONN"},
    {true, 100000, "write() of the program's wire was asked for"},
    {true, -4711, "write() of the program's wire answered -4711, which is no code of rill.h"},
    {true, RILL_EIO, "write() of the program's wire failed: EIO"},
};
enum { ODDS = sizeof odds / sizeof odds[0] };

static void be_odd(duct_end *end, const odd *o)
{
    pthread_mutex_lock(&end->duct->lock);
    if (o->write) end->odd_write = o->answer;
    else end->odd_read = o->answer;
    if (end->wire) rill_wire_ready(end->wire);
    pthread_mutex_unlock(&end->duct->lock);
}

/* The connection is lost with a sentence, dialled again, and as good as before. */
START_TEST(a_wire_that_answers_nonsense_is_given_up)
{
    const odd *o = &odds[_i / 2];
    link_pair *l = link_begin(_i % 2 ? LINK_MEMORY : LINK_KINDS + LINK_MEMORY);
    OK(link_open(l));
    LINK_UNTIL(l, link_saw(l, "U"));
    be_odd(&l->ducts[0].end[0], o);
    OK(rill_publish(l->far, "a", "x", 1, NULL));
    LINK_UNTIL(l, link_saw(l, "UDU"));
    ck_assert_msg(strncmp(l->detail, "ECONN: ", 7) == 0 && strstr(l->detail, o->says),
                  "\"%s\" does not say \"%s\"", l->detail, o->says);
    ck_assert_int_eq(atomic_load(&l->dials), 2);
    link_try(l);
    link_close(l);
}
END_TEST

/* The same at the broker's end: that connection ends, and the next one is served. */
START_TEST(a_broker_bears_nonsense)
{
    const odd *o = &odds[_i / 2];
    link_pair *l = link_begin(_i % 2 ? LINK_MEMORY : LINK_KINDS + LINK_MEMORY);
    rill_sub *sub;
    OK(link_open(l));
    LINK_UNTIL(l, link_saw(l, "U"));
    OK(rill_subscribe(l->far, &sub, "a", NULL));
    link_try(l); /* it is subscribed by then */
    be_odd(&l->ducts[0].end[1], o);
    OK(rill_publish(l->inside, "a", "x", 1, NULL));
    LINK_UNTIL(l, link_saw(l, "UDU"));
    rill_sub_close(sub);
    link_try(l);
    link_close(l);
}
END_TEST

static int fd_of_none(void *arg)
{
    (void)arg;
    return -1;
}

static int file_fd;
static int fd_of_file(void *arg)
{
    (void)arg;
    return file_fd;
}

START_TEST(a_table_is_looked_at)
{
    duct_pair p;
    rill_wire *wire = (void *)&p;
    rill_wire_ops ops = duct_ops, bare = {0};
    duct_init(&p);
    FAILS(rill_wire_new(NULL, &ops, NULL, NULL), RILL_EINVAL);
    FAILS(rill_wire_new(&wire, NULL, NULL, NULL), RILL_EINVAL);
    ck_assert_ptr_null(wire);
    FAILS(rill_wire_new(&wire, &bare, NULL, NULL), RILL_EINVAL);
    ops.read = NULL;
    FAILS(rill_wire_new(&wire, &ops, NULL, NULL), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "read of a rill_wire_ops is NULL");
    ops = duct_ops, ops.write = NULL;
    FAILS(rill_wire_new(&wire, &ops, NULL, NULL), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "write of a rill_wire_ops is NULL");
    ops = duct_ops, ops.close = NULL;
    FAILS(rill_wire_new(&wire, &ops, NULL, NULL), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "close of a rill_wire_ops is NULL");
    ops = duct_ops, ops.fd = fd_of_none;
    FAILS(rill_wire_new(&wire, &ops, NULL, NULL), RILL_EINVAL);
    ck_assert_str_eq(rill_errmsg(), "fd() of the program's wire answered -1, which is no "
                                    "descriptor");
    FILE *file = tmpfile();
    file_fd = fileno(file);
    ops.fd = fd_of_file;
    FAILS(rill_wire_new(&wire, &ops, NULL, NULL), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "a file, which cannot be watched"));
    fclose(file);
    FAILS(rill_wire_new(&wire, &ops, NULL, NULL), RILL_EINVAL);
    rill_wire_ready(NULL);
    OK(rill_wire_close(NULL));
    OK(rill_wire_close(duct_wire(&p.end[0], NULL)));
    ck_assert_int_eq(p.end[0].closes, 1);
    ck_assert_int_eq(p.end[0].reads + p.end[0].writes, 0);
}
END_TEST

/* ---- Whose it is ---- */

START_TEST(a_wire_is_given_once)
{
    link_pair *l = link_begin(_i ? LINK_MEMORY : LINK_KINDS + LINK_MEMORY);
    duct_pair p;
    duct_init(&p);
    rill_wire *wire = duct_wire(&p.end[0], NULL);
    OK(rill_broker_accept(l->broker, "nats://a", wire));
    FAILS(rill_broker_accept(l->broker, "nats://a", wire), RILL_EBUSY);
    FAILS(rill_wire_close(wire), RILL_EBUSY);
    ck_assert(!duct_is_closed(&p.end[0]));
    FAILS(rill_broker_accept(l->broker, "nats://a", NULL), RILL_EINVAL);
    char long_name[80];
    snprintf(long_name, sizeof long_name, "nats://%064d", 1);
    const char *const bad[] = {"nats:", "nats://", "a", "", "ftp://x", "nats://a b", long_name};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int closes = p.end[1].closes;
        FAILS(rill_broker_accept(l->broker, bad[i], duct_wire(&p.end[1], NULL)), RILL_EINVAL);
        ck_assert_int_eq(p.end[1].closes, closes + 1);
    }
    FAILS(rill_broker_accept(NULL, "nats://a", duct_wire(&p.end[1], NULL)), RILL_EINVAL);
    FAILS(rill_broker_accept(l->broker, NULL, duct_wire(&p.end[1], NULL)), RILL_EINVAL);
    ck_assert_int_eq(p.end[1].closes, 9);
    OK(link_open(l));
    link_close(l);
    ck_assert_int_eq(p.end[0].closes, 1);
}
END_TEST

static int dial_oddly(rill_wire **wire, const char *address, void *arg)
{
    static duct_pair p;
    int *row = arg;
    (void)address;
    if (*row == 0) return RILL_OK; /* and no wire */
    if (*row == 1) return 4711;
    duct_init(&p);
    if (*row == 2) *wire = duct_wire(&p.end[0], NULL), p.end[0].mute = true;
    if (*row == 3) *wire = (rill_wire *)(void *)&p;
    if (*row == 4) *wire = duct_wire(&p.end[0], NULL);
    if (*row == 4) OK(rill_broker_accept(the_link.broker, "nats://x", *wire));
    return *row == 2 ? RILL_EAUTH : RILL_OK;
}

/* What a dial() answers instead of a wire is why there is no connection. */
START_TEST(a_dial_is_looked_at)
{
    static const char *const says[] = {
        "dial() of there:4222: that is no wire", "dial() of there:4222: that is no wire",
        "dial() of there:4222: EAUTH", "dial() of there:4222: that is no wire",
        "dial() of there:4222: the wire was given away before: it is used once"};
    rill_bus *bus;
    int row = _i;
    link_pair *l = link_begin(LINK_MEMORY);
    OK(link_open(l));
    ck_assert_int_lt(rill_open(&bus, "nats://there", RILL_OPTS(rill_opts, .arg = &row,
                                                               .dial = dial_oddly)), 0);
    ck_assert_str_eq(rill_errmsg(), says[_i]);
    FAILS(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .dial = dial_oddly)), RILL_EINVAL);
    FAILS(rill_open(&bus, "kafka://a", RILL_OPTS(rill_opts, .dial = dial_oddly)), RILL_EINVAL);
    link_close(l);
}
END_TEST

/* Nobody answers, or what comes is never told of: the deadline that sockets have. */
START_TEST(a_wire_that_is_never_ready_meets_the_deadline)
{
    link_pair *l = link_begin(LINK_MEMORY);
    duct_pair p[2];
    for (int i = 0; i < 2; i++) duct_init(&p[i]);
    l->nobody = true;
    l->drive = RILL_DRIVE_THREAD;
    FAILS(link_open(l), RILL_ECONN);
    l->nobody = false;
    OK(link_open(l));
    link_close(l);
}
END_TEST

static int dial_mute(rill_wire **wire, const char *address, void *arg)
{
    duct_end *end = arg;
    (void)address;
    end->mute = true;
    *wire = duct_wire(end, NULL);
    return RILL_OK;
}

START_TEST(a_mute_wire_meets_the_deadline)
{
    duct_pair p;
    rill_bus *bus;
    duct_init(&p);
    int64_t begun = api_now_ms();
    FAILS(rill_open(&bus, "nats://there",
                    RILL_OPTS(rill_opts, .drive = _i ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD,
                              .arg = &p.end[0], .connect_timeout_ms = 50, .no_redial = true,
                              .dial = dial_mute)), RILL_ECONN);
    ck_assert_str_eq(rill_errmsg(), "nats://there:4222: no INFO in time");
    ck_assert_int_ge(api_now_ms() - begun, 50);
    ck_assert_int_eq(p.end[0].closes, 1);
    ck_assert_int_eq(p.end[0].reads, 1); /* it was not asked again and again */
}
END_TEST

/* ---- Refused dials, and another after each loss ---- */

START_TEST(dials_are_made_again)
{
    link_pair *l = link_begin(_i);
    l->refuse = 5;
    rill_opts opts = {.size = sizeof opts, .drive = l->drive, .on_event = link_note, .arg = l,
                      .redial_min_ms = 1, .redial_max_ms = 2, .no_wait = true, .dial = link_dial};
    OK(rill_open(&l->far, "nats://there", &opts));
    LINK_UNTIL(l, link_saw(l, "DU"));
    ck_assert_int_eq(atomic_load(&l->dials), 6);
    ck_assert_str_eq(l->detail, "ECONN: dial() of there:4222: ECONN");
    link_try(l);
    link_close(l);
}
END_TEST

/* ---- What may not be called within ---- */

static void call_within(link_pair *l)
{
    rill_sub *sub;
    rill_msg *reply;
    if (!l->far || atomic_load(&l->err)) return;
    bool all = rill_close(l->far, 0) == RILL_EDEADLK && rill_close(l->inside, 0) == RILL_EDEADLK &&
               rill_broker_close(l->broker, 0) == RILL_EDEADLK &&
               rill_poll(l->far, 0) == RILL_EDEADLK && rill_flush(l->far, 0) == RILL_EDEADLK &&
               rill_publish(l->far, "a", "x", 1, NULL) == RILL_EDEADLK &&
               rill_subscribe(l->far, &sub, "a", NULL) == RILL_EDEADLK &&
               rill_request(l->inside, "a", "x", 1, NULL, &reply, 0) == RILL_EDEADLK;
    atomic_store(&l->err, all ? 1 : -1);
}

static void read_within(duct_end *end)
{
    call_within(end->arg);
}

START_TEST(a_function_of_a_wire_may_not_call_rill)
{
    link_pair *l = link_begin(_i % 2 ? LINK_MEMORY : LINK_KINDS + LINK_MEMORY);
    OK(link_open(l));
    LINK_UNTIL(l, link_saw(l, "U"));
    int end = _i / 2;
    pthread_mutex_lock(&l->ducts[0].lock);
    if (end == 2) atomic_store(&l->on_dial, call_within);
    else l->ducts[0].end[end].within = read_within;
    pthread_mutex_unlock(&l->ducts[0].lock);
    if (end == 2) be_odd(&l->ducts[0].end[0], &odds[4]);
    LINK_UNTIL(l, link_saw(l, end == 2 ? "UDU" : "U"));
    link_try(l);
    LINK_UNTIL(l, atomic_load(&l->err));
    ck_assert_int_eq(atomic_load(&l->err), 1);
    link_close(l);
}
END_TEST

/* ---- Other threads ---- */

static atomic_bool hammer_on;

static void *hammer(void *arg)
{
    duct_pair *p = arg;
    while (atomic_load(&hammer_on)) {
        pthread_mutex_lock(&p->lock);
        for (int i = 0; i < 2; i++)
            if (p->end[i].wire) rill_wire_ready(p->end[i].wire);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

START_TEST(ready_is_said_by_other_threads)
{
    link_pair *l = link_begin(_i ? LINK_MEMORY : LINK_KINDS + LINK_MEMORY);
    pthread_t thread;
    OK(link_open(l));
    LINK_UNTIL(l, link_saw(l, "U"));
    atomic_store(&hammer_on, true);
    pthread_create(&thread, NULL, hammer, &l->ducts[0]);
    for (int i = 0; i < 20; i++) link_try(l);
    be_odd(&l->ducts[0].end[0], &odds[4]); /* closed while it is told to be ready */
    LINK_UNTIL(l, link_saw(l, "UDU"));
    link_try(l);
    link_close(l);
    atomic_store(&hammer_on, false);
    pthread_join(thread, NULL);
}
END_TEST

/* ---- A broker that its host turns ---- */

/* Who sleeps on what rill_fd() says, and no longer than rill_wait_ms(), misses nothing, and does
 * not spin. */
START_TEST(descriptors_tell_when_to_turn)
{
    link_pair *l = link_begin(LINK_KINDS + _i);
    rill_sub *sub;
    asked a = {.text = ""};
    int polls = 0;
    OK(link_open(l));
    struct pollfd fds[2] = {{.fd = rill_fd(l->far), .events = POLLIN},
                            {.fd = rill_fd(l->inside), .events = POLLIN}};
    OK(rill_subscribe(l->inside, &sub, "here", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    OK(rill_request_async(l->far, "here", "ping", 4, NULL, 30000, note_answer, &a));
    for (; !atomic_load(&a.over); polls++) {
        int far_ms = rill_wait_ms(l->far), inside_ms = rill_wait_ms(l->inside);
        int ms = far_ms < 0 || (inside_ms >= 0 && inside_ms < far_ms) ? inside_ms : far_ms;
        ck_assert_int_ge(poll(fds, 2, ms < 0 || ms > 30000 ? 30000 : ms), 0);
        OK(rill_poll(l->far, 0));
        OK(rill_poll(l->inside, 0));
    }
    ck_assert_str_eq(a.text, "ping");
    ck_assert_int_lt(polls, 100);
    for (int i = 0; i < 20; i++) link_turn(l);
    for (int i = 0; i < 2; i++) { /* at rest, until a timer is due */
        ck_assert_int_eq(poll(fds, 2, 0), 0);
        ck_assert_int_ne(rill_wait_ms(i ? l->far : l->inside), 0);
    }
    rill_sub_close(sub);
    link_close(l);
}
END_TEST

typedef struct turner {
    rill_bus *bus;
    atomic_bool *over;
    pthread_t thread;
} turner;

static void *turn_on(void *arg)
{
    turner *t = arg;
    while (!atomic_load(t->over)) {
        int rc = rill_poll(t->bus, 50);
        if (rc == RILL_ECLOSED) break;
        OK(rc);
    }
    return NULL;
}

static void ask_all(rill_bus *far)
{
    rill_msg *reply, *got;
    rill_kv *kv;
    rill_receipt receipt = {.size = sizeof receipt};
    OK(rill_request(far, "here", "ping", 4, NULL, &reply, 30000));
    TEXT_IS(reply->data, "ping");
    rill_msg_unref(reply);
    OK(rill_stream_ensure(far, "S", RILL_OPTS(rill_stream_opts, .in_memory = true)));
    for (int i = 0; i < 20; i++) OK(rill_append(far, "S", "x", 1, NULL, &receipt, 30000));
    ck_assert_uint_ge(receipt.seq, 20);
    OK(rill_kv_open(far, &kv, "B", RILL_OPTS(rill_bucket_opts, .in_memory = true)));
    OK(rill_kv_put(kv, "k", "v", 1, NULL, NULL));
    OK(rill_kv_get(kv, "k", &got));
    rill_msg_unref(got);
    rill_kv_close(kv);
    OK(rill_flush(far, 30000));
}

/* By two threads, over a socket that it listens at: whoever comes turns, and no thread is made. */
START_TEST(several_threads_turn_one_broker)
{
    atomic_bool over = false;
    rill_broker *broker;
    turner turners[2];
    rill_sub *sub;
    rill_bus *far;
    char url[64];
    int before = threads();
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .jetstream = true,
                                           .drive = RILL_DRIVE_HOST)));
    for (int i = 0; i < 2; i++) {
        turners[i].over = &over;
        OK(rill_broker_bus(broker, &turners[i].bus, RILL_OPTS(rill_opts,
                                                              .drive = RILL_DRIVE_HOST)));
    }
    OK(rill_subscribe(turners[0].bus, &sub, "here", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    for (int i = 0; i < 2; i++) pthread_create(&turners[i].thread, NULL, turn_on, &turners[i]);
    int port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
    OK(port);
    ck_assert_int_eq(threads(), before + 2);
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    for (int i = 0; i < 5; i++) {
        OK(rill_open(&far, url, NULL));
        ask_all(far);
        OK(rill_close(far, 20000));
    }
    if (_i == 0) atomic_store(&over, true);
    else OK(rill_broker_close(broker, 20000)); /* while they turn it */
    for (int i = 0; i < 2; i++) pthread_join(turners[i].thread, NULL);
    rill_sub_close(sub);
    for (int i = 0; i < 2; i++) OK(rill_close(turners[i].bus, 20000));
    if (_i == 0) OK(rill_broker_close(broker, 20000));
}
END_TEST

static void *ask_from_afar(void *arg)
{
    rill_bus *far;
    rill_sub *sub;
    link_pair *l = arg;
    OK(rill_open(&far, "nats://there", RILL_OPTS(rill_opts, .arg = l, .dial = link_dial)));
    OK(rill_subscribe(far, &sub, "there", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    ask_all(far);
    rill_msg *reply;
    OK(rill_request(far, "over", "x", 1, NULL, &reply, 30000)); /* as long as it is needed */
    rill_msg_unref(reply);
    rill_sub_close(sub);
    OK(rill_close(far, 20000));
    atomic_store(&l->dials, 100);
    return NULL;
}

/* Calls that wait, of a bus by which a broker is turned, turn it. */
START_TEST(waits_turn_the_broker)
{
    link_pair *l = link_begin(LINK_KINDS + _i);
    pthread_t thread;
    rill_sub *sub, *over;
    rill_msg *reply = NULL;
    const rill_msg *m;
    OK(rill_subscribe(l->inside, &sub, "here", RILL_OPTS(rill_sub_opts, .on_msg = echo)));
    OK(rill_subscribe(l->inside, &over, "over", NULL));
    pthread_create(&thread, NULL, ask_from_afar, l);
    OK(rill_next(over, &m, 50000)); /* all that is asked is answered in this one */
    OK(rill_request(l->inside, "there", "pong", 4, NULL, &reply, 30000));
    TEXT_IS(reply->data, "pong");
    rill_msg_unref(reply);
    for (int i = 0; i < 1000; i++) OK(rill_publish(l->inside, "there", "x", 1, NULL));
    OK(rill_flush(l->inside, 30000));
    OK(rill_reply(m, "", 0, NULL));
    while (atomic_load(&l->dials) < 100) OK(rill_poll(l->inside, 50));
    pthread_join(thread, NULL);
    rill_sub_close(sub);
    rill_sub_close(over);
    OK(rill_close(l->inside, 20000));
    OK(rill_broker_close(l->broker, 20000));
}
END_TEST

/* On disk, with a password whose hash is checked: still without a thread. */
START_TEST(a_driven_broker_has_no_thread)
{
    make_dir();
    static link_pair pair;
    link_pair *l = &pair;
    int before = threads();
    l->drive = RILL_DRIVE_HOST;
    pthread_mutex_init(&l->lock, NULL);
    OK(rill_broker_open(&l->broker,
        RILL_OPTS(rill_broker_opts, .user = "u", .dir = dir, .jetstream = true,
                  .password = "$2a$04$6NG81HL6s.WJHHVcH7jRQe2NlzXmpR6Ew2ySpXHmSRFMhFH5mHmRW",
                  .drive = RILL_DRIVE_HOST)));
    OK(rill_broker_bus(l->broker, &l->inside, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST)));
    OK(link_open(l));
    LINK_UNTIL(l, link_saw(l, "D")); /* it has no password */
    ck_assert_ptr_nonnull(strstr(l->detail, "EAUTH"));
    OK(rill_stream_ensure(l->inside, "S", NULL));
    for (int i = 0; i < 10; i++) OK(rill_append(l->inside, "S", "x", 1, NULL, NULL, 30000));
    ck_assert_int_eq(threads(), before);
    FAILS(rill_close(l->far, 0), RILL_ETIMEDOUT); /* and it is closed */
    OK(rill_close(l->inside, 20000));
    OK(rill_broker_close(l->broker, 20000));
    scratch_remove(dir);
}
END_TEST

START_TEST(who_drives_is_fixed)
{
    rill_broker *broker;
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .drive = (rill_drive)7)),
          RILL_EINVAL);
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .drive = RILL_DRIVE_HOST)));
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .max_conns = 5)));
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .drive = RILL_DRIVE_HOST)));
    OK(rill_broker_close(broker, 0));
    OK(rill_broker_open(&broker, NULL));
    FAILS(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .drive = RILL_DRIVE_HOST)),
          RILL_EINVAL);
    OK(rill_broker_close(broker, 0));
}
END_TEST

SUITE_MAIN_ROWS("wire",
    SUITE_ONCE(a_table_is_looked_at, a_wire_that_is_never_ready_meets_the_deadline,
               a_driven_broker_has_no_thread, who_drives_is_fixed),
    SUITE_EACH(2, descriptors_tell_when_to_turn, several_threads_turn_one_broker,
               waits_turn_the_broker, a_wire_is_given_once, a_mute_wire_meets_the_deadline,
               ready_is_said_by_other_threads),
    SUITE_EACH(ROWS, a_handle_and_a_broker_speak_over_it, dials_are_made_again),
    SUITE_EACH(5, a_dial_is_looked_at),
    SUITE_EACH(6, a_function_of_a_wire_may_not_call_rill),
    SUITE_EACH(12, bytes_come_in_crumbs),
    SUITE_EACH(2 * ODDS, a_wire_that_answers_nonsense_is_given_up, a_broker_bears_nonsense))
