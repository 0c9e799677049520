/* SPDX-License-Identifier: Apache-2.0 */
/* Handles that compress over WebSocket, and a proxy between them and a broker: it hands on what
 * goes either way, until the test lets it lie of what is agreed, cut the connection, or send a
 * compression bomb. One proxy is for one connection after the other. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"

enum { WAIT_MS = 20000, PAYLOAD = 64 * 1024 * 1024 };

/* ---- The proxy ---- */

typedef enum misdeed { NONE, CUT, BOMB, QUIT } misdeed;

typedef struct proxy {
    int listener, port, broker_port;
    pthread_t thread;
    int pipe[2];         /* a byte: what is next */
    const char *bomb;
    size_t bomb_len;
    bool lies;           /* of the first upgrade */
    atomic_size_t carried; /* bytes, without bombs */
} proxy;

static struct sockaddr_in local(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int dial(int port)
{
    struct sockaddr_in to = local(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Who has closed needs no more of it. */
static void send_all(int fd, const char *bytes, size_t len)
{
    ssize_t n = 1;
    for (; len > 0 && n > 0; bytes += n, len -= (size_t)n)
        if ((n = send(fd, bytes, len, MSG_NOSIGNAL)) <= 0) return;
}

/* What a server must not agree to, as it was not offered. */
static void spoil(char *head)
{
    char *word = strstr(head, "client_no_context_takeover");
    ck_assert_ptr_nonnull(word);
    memcpy(word, "client_no_context_takeovex", strlen("client_no_context_takeovex"));
}

/* Until one of the two has closed, or the test says otherwise. */
static misdeed relay(proxy *p, int client, int server)
{
    static char bytes[65536 + 1];
    bool first = true;
    for (;;) {
        struct pollfd at[3] = {{client, POLLIN, 0}, {server, POLLIN, 0}, {p->pipe[0], POLLIN, 0}};
        char said;
        ck_assert_int_gt(poll(at, 3, WAIT_MS * 5), 0);
        if (at[2].revents) {
            ck_assert_int_eq(read(p->pipe[0], &said, 1), 1);
            if (said == BOMB) send_all(client, p->bomb, p->bomb_len);
            if (said == CUT || said == QUIT) return (misdeed)said;
            continue;
        }
        int from = at[1].revents ? server : client;
        ssize_t n = recv(from, bytes, sizeof bytes - 1, 0);
        if (n <= 0) return NONE;
        bytes[n] = 0;
        if (from == server && first && p->lies) {
            spoil(bytes);
            p->lies = false;
        }
        first = first && from == client;
        atomic_fetch_add(&p->carried, (size_t)n);
        send_all(from == client ? server : client, bytes, (size_t)n);
    }
}

static void *proxy_run(void *arg)
{
    proxy *p = arg;
    for (misdeed last = NONE; last != QUIT;) {
        struct pollfd at[2] = {{p->listener, POLLIN, 0}, {p->pipe[0], POLLIN, 0}};
        char said = NONE;
        ck_assert_int_gt(poll(at, 2, WAIT_MS * 5), 0);
        if (at[1].revents) {
            ck_assert_int_eq(read(p->pipe[0], &said, 1), 1);
            last = (misdeed)said;
            continue;
        }
        int client = accept(p->listener, NULL, NULL), server = dial(p->broker_port);
        last = relay(p, client, server);
        close(client);
        close(server);
    }
    return NULL;
}

static void proxy_do(proxy *p, misdeed what)
{
    char byte = (char)what;
    ck_assert_int_eq(write(p->pipe[1], &byte, 1), 1);
}

static void proxy_begin(proxy *p, int broker_port)
{
    struct sockaddr_in at = local(0);
    socklen_t len = sizeof at;
    p->broker_port = broker_port;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(p->listener, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(p->listener, 8), 0);
    ck_assert_int_eq(getsockname(p->listener, (struct sockaddr *)&at, &len), 0);
    p->port = ntohs(at.sin_port);
    ck_assert_int_eq(pipe(p->pipe), 0);
    ck_assert_int_eq(pthread_create(&p->thread, NULL, proxy_run, p), 0);
}

static void proxy_end(proxy *p)
{
    proxy_do(p, QUIT);
    pthread_join(p->thread, NULL);
    close(p->listener);
    close(p->pipe[0]);
    close(p->pipe[1]);
}

/* ---- The bomb: one message, in the fixed codes of deflate, that is more than it may ---- */

typedef struct bits {
    unsigned char *at;
    size_t n;
} bits;

static void bits_put(bits *b, unsigned code, unsigned len) /* its first bit is the highest */
{
    while (len-- > 0) {
        b->at[b->n / 8] |= (unsigned char)((code >> len & 1) << b->n % 8);
        b->n++;
    }
}

static void bits_text(bits *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) bits_put(b, 0x30u + (unsigned char)text[i], 8);
}

/* A message of the largest payload, which no subscription of the handle has. */
static void bits_msg(bits *b)
{
    char line[64];
    size_t left = PAYLOAD - 1;
    bits_text(b, line, (size_t)snprintf(line, sizeof line, "MSG x 999999 %d\r\n.", PAYLOAD));
    for (; left >= 258; left -= 258) bits_put(b, 0xc5u << 5, 13); /* 258 bytes as the last one */
    for (; left > 0; left--) bits_text(b, ".", 1);
    bits_text(b, "\r\n", 2);
}

static void bomb_make(proxy *p)
{
    enum { HEAD = 10, ROOM = 2 * 1024 * 1024 };
    unsigned char *bytes = calloc(1, ROOM);
    ck_assert_ptr_nonnull(bytes);
    bits b = {bytes + HEAD, 0};
    bits_put(&b, 2, 3); /* a block of fixed codes, and not the last one */
    for (int i = 0; i < 4; i++) bits_msg(&b);
    bits_put(&b, 0, 7 + 3); /* its end, and the empty block that a message is cut at */
    size_t len = (b.n + 7) / 8;
    ck_assert_uint_lt(HEAD + len, ROOM);
    bytes[0] = 0xc2;
    bytes[1] = 127;
    for (int i = 0; i < 8; i++) bytes[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
    p->bomb = (char *)bytes;
    p->bomb_len = HEAD + len;
}

/* ---- Handles ---- */

typedef struct seen {
    atomic_int ups, downs;
    char why[256];       /* of the last DOWN or ERROR */
} seen;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    seen *s = arg;
    (void)bus;
    if (ev->kind == RILL_EV_UP) atomic_fetch_add(&s->ups, 1);
    if (ev->kind != RILL_EV_DOWN && ev->kind != RILL_EV_ERROR) return;
    snprintf(s->why, sizeof s->why, "%s", ev->detail);
    if (ev->kind == RILL_EV_DOWN) atomic_fetch_add(&s->downs, 1);
}

static rill_broker *broker;
static int port;

static void serve(void)
{
    OK(rill_broker_open(&broker, NULL));
    OK(port = rill_broker_listen(broker, "ws://127.0.0.1:0",
                                 RILL_OPTS(rill_listen_opts, .ws_compress = true)));
}

static int try_join(int at, seen *s, rill_bus **bus)
{
    char url[64];
    snprintf(url, sizeof url, "ws://127.0.0.1:%d", at);
    return rill_open(bus, url, RILL_OPTS(rill_opts, .ws_compress = true, .on_event = on_event,
                                         .arg = s, .connect_timeout_ms = WAIT_MS,
                                         .redial_min_ms = 1, .redial_max_ms = 20));
}

static rill_bus *join(int at, seen *s)
{
    rill_bus *bus;
    OK(try_join(at, s, &bus));
    return bus;
}

static void echo(rill_bus *bus, rill_sub *sub, const char *subject)
{
    static char text[100000];
    const rill_msg *m;
    memset(text, 'e', sizeof text);
    OK(rill_publish(bus, subject, text, sizeof text, NULL));
    OK(rill_next(sub, &m, WAIT_MS));
    ck_assert(m->data.len == sizeof text && memcmp(m->data.ptr, text, sizeof text) == 0);
}

/* A handle through the proxy, and one beside it, to which nothing happens; what the first suffers,
 * it comes back from, with its subscriptions. */
static void suffer(misdeed what, const char *why)
{
    proxy p = {0};
    seen s = {0}, other = {0};
    rill_sub *sub, *other_sub;
    serve();
    bomb_make(&p);
    proxy_begin(&p, port);
    rill_bus *beside = join(port, &other), *bus = join(p.port, &s);
    OK(rill_subscribe(bus, &sub, "a", NULL));
    OK(rill_subscribe(beside, &other_sub, "b", NULL));
    echo(bus, sub, "a");
    echo(beside, other_sub, "b");
    proxy_do(&p, what);
    EVENTUALLY(atomic_load(&s.downs) >= 1);
    echo(beside, other_sub, "b");
    EVENTUALLY(atomic_load(&s.ups) >= 2);
    OK(rill_flush(bus, WAIT_MS));
    echo(bus, sub, "a");
    echo(beside, other_sub, "b");
    ck_assert_int_eq(atomic_load(&other.downs), 0);
    rill_sub_close(sub);
    rill_sub_close(other_sub);
    OK(rill_close(bus, WAIT_MS));
    OK(rill_close(beside, WAIT_MS));
    ck_assert_msg(strstr(s.why, why), "\"%s\" does not say \"%s\"", s.why, why);
    proxy_end(&p);
    ck_assert_uint_lt(atomic_load(&p.carried), 100000); /* of the 400000 that it would be */
    free((char *)p.bomb);
    OK(rill_broker_close(broker, WAIT_MS));
}

START_TEST(a_bomb_is_not_swallowed)
{
    suffer(BOMB, "a compressed message became more than 268435456 bytes");
}
END_TEST

START_TEST(a_handle_comes_back_compressed)
{
    suffer(CUT, "");
}
END_TEST

START_TEST(an_agreement_that_nobody_offered_is_none)
{
    proxy p = {.lies = true};
    seen s = {0};
    rill_sub *sub;
    rill_bus *bus;
    serve();
    proxy_begin(&p, port);
    FAILS(try_join(p.port, &s, &bus), RILL_ECONN);
    ck_assert_msg(strstr(rill_errmsg(), "extensions that nobody wanted"), "%s", rill_errmsg());
    bus = join(p.port, &s); /* it has told the truth now */
    OK(rill_subscribe(bus, &sub, "a", NULL));
    echo(bus, sub, "a");
    rill_sub_close(sub);
    OK(rill_close(bus, WAIT_MS));
    proxy_end(&p);
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

SUITE_MAIN("web_proxy", a_bomb_is_not_swallowed, a_handle_comes_back_compressed,
           an_agreement_that_nobody_offered_is_none)
