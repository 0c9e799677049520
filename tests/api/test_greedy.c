/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that take more than their share of the broker's time and memory, and one beside them
 * who only wants his echo. What must hold: the bystander goes on, whatever is done to the broker
 * meanwhile; and what the greedy ones can make grow has its bound. */
#include "api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static rill_broker *broker;
static int port;

static void start(const rill_broker_opts *opts)
{
    OK(rill_broker_open(&broker, opts));
    port = rill_broker_listen(broker, "nats://127.0.0.1:0");
    OK(port);
}

/* ---- A client of few words ---- */

typedef struct peer {
    int fd;
    size_t len;        /* of what has come and was not looked for yet */
    char text[65536];
} peer;

static void say_bytes(peer *p, const char *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = send(p->fd, bytes + done, len - done, MSG_NOSIGNAL);
        ck_assert_msg(n > 0, "send: %s", strerror(errno));
        done += (size_t)n;
    }
}

static void say(peer *p, const char *text)
{
    say_bytes(p, text, strlen(text));
}

/* Read until `word` has come; what lies before it is forgotten. False: the end came first. */
static bool hear(peer *p, const char *word)
{
    for (;;) {
        p->text[p->len] = 0;
        char *at = memmem(p->text, p->len, word, strlen(word));
        if (at) {
            size_t used = (size_t)(at - p->text) + strlen(word);
            memmove(p->text, p->text + used, p->len -= used);
            return true;
        }
        size_t kept = strlen(word) < p->len ? strlen(word) : p->len;
        memmove(p->text, p->text + p->len - kept, kept);
        p->len = kept;
        ssize_t n = read(p->fd, p->text + p->len, sizeof p->text - 1 - p->len);
        ck_assert_msg(n >= 0 || errno == ECONNRESET, "\"%s\" does not come: %s", word, strerror(errno));
        if (n <= 0) return false;
        p->len += (size_t)n;
    }
}

static peer *visit(const char *connect_options)
{
    peer *p = calloc(1, sizeof *p);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval bound = {30, 0};
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    ck_assert_int_eq(connect(p->fd, (struct sockaddr *)&to, sizeof to), 0);
    say(p, "CONNECT {\"verbose\":false,\"pedantic\":false");
    say(p, connect_options);
    say(p, "}\r\n");
    return p;
}

static peer *visit_quietly(void)
{
    peer *p = visit("");
    say(p, "PING\r\n");
    ck_assert(hear(p, "PONG\r\n"));
    return p;
}

static void leave(peer *p)
{
    close(p->fd);
    free(p);
}

/* ---- The bystander ---- */

enum { ECHOES_AFTER = 3 }; /* round trips that must still succeed once the attack is over */

typedef struct bystander {
    pthread_t thread;
    peer *peer;
    atomic_bool over;
    atomic_int echoes;
} bystander;

static void *stand_by(void *arg)
{
    bystander *b = arg;
    for (int left = ECHOES_AFTER; left > 0; left -= atomic_load(&b->over)) {
        char line[64], want[32];
        int n = atomic_load(&b->echoes);
        snprintf(want, sizeof want, "echo %d.\r\n", n);
        snprintf(line, sizeof line, "PUB echo %zu\r\n%s", strlen(want) - 2, want);
        say(b->peer, line);
        ck_assert_msg(hear(b->peer, want), "the bystander was cut");
        atomic_fetch_add(&b->echoes, 1);
    }
    return NULL;
}

static void stand(bystander *b)
{
    *b = (bystander){.peer = visit_quietly()};
    say(b->peer, "SUB echo 1\r\n");
    pthread_create(&b->thread, NULL, stand_by, b);
    EVENTUALLY(atomic_load(&b->echoes) > 0);
}

static void dismiss(bystander *b)
{
    atomic_store(&b->over, true);
    pthread_join(b->thread, NULL);
    leave(b->peer);
}

/* ---- Attacks ---- */

/* Sids that all have one hash where nobody keeps a secret (their first 8 bytes are the ones that
 * xxHash mixes them with): each SUB would be compared with all before it. */
START_TEST(sids_that_would_collide)
{
    enum { SIDS = 200000 };
    static const char begin[] = "\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe";
    bystander b;
    start(NULL);
    stand(&b);
    peer *p = visit_quietly();
    for (int i = 0; i < SIDS; i++) {
        char line[80];
        int len = snprintf(line, sizeof line, "SUB s %s%08dxxxxxxxxxxxxxxxx\r\n", begin, i);
        say_bytes(p, line, (size_t)len);
    }
    say(p, "PING\r\n");
    ck_assert(hear(p, "PONG\r\n"));
    leave(p);
    dismiss(&b);
    OK(rill_broker_close(broker, 5000));
}
END_TEST

/* A CONNECT ends the subscriptions made so far: at once as far as anybody sees, though to take so
 * many off the router goes on for a while beside all else. */
START_TEST(a_connect_that_drops_many_subscriptions)
{
    enum { SUBS = 300000 };
    bystander b;
    rill_stats stats = {.size = sizeof stats};
    start(NULL);
    stand(&b);
    peer *p = visit_quietly();
    for (int i = 0; i < SUBS; i++) {
        char line[80];
        int len = snprintf(line, sizeof line, "SUB many.%d %d\r\n", i, i);
        say_bytes(p, line, (size_t)len);
    }
    say(p, "PING\r\n");
    ck_assert(hear(p, "PONG\r\n"));
    say(p, "CONNECT {}\r\nSUB many.7 a\r\nPUB many.7 1\r\nx\r\nPUB many.299999 1\r\ny\r\n"
           "UNSUB 7\r\nSUB many.8 7\r\nPUB many.8 1\r\nz\r\nPING\r\n");
    ck_assert(hear(p, "MSG"));
    ck_assert(hear(p, " many.7 a 1\r\nx\r\nMSG many.8 7 1\r\nz\r\nPONG\r\n"));
    EVENTUALLY((rill_broker_stats(broker, &stats), stats.subs == 3));
    say(p, "CONNECT {}\r\n");
    leave(p); /* with some that are forgotten already */
    EVENTUALLY((rill_broker_stats(broker, &stats), stats.subs == 1));
    dismiss(&b);
    OK(rill_broker_close(broker, 5000));
}
END_TEST

static int64_t end_after(const char *sin, const char *word)
{
    peer *p = visit_quietly();
    int64_t from_ms = api_now_ms();
    say(p, sin);
    if (word) ck_assert(hear(p, word));
    while (hear(p, "nothing of the kind")) continue;
    leave(p);
    return api_now_ms() - from_ms;
}

/* Who was told what was wrong, or has nothing to be told, is not listened to any more. */
START_TEST(after_an_error_the_connection_is_closed)
{
    start(NULL);
    int64_t least_ms = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        int64_t ms = end_after("PUB a 1048577\r\nxxxxxxx", "-ERR 'Maximum Payload Violation'\r\n");
        least_ms = ms < least_ms ? ms : least_ms;
    }
    ck_assert_int_lt(least_ms, 700);
    /* One that goes on to send does not find out by a wait, but by a reset. */
    peer *p = visit_quietly();
    static char junk[65536];
    say(p, "PUB a 104857600\r\n");
    bool reset = false;
    for (int i = 0; i < 200000 && !reset; i++)
        reset = send(p->fd, junk, sizeof junk, MSG_NOSIGNAL) < 0 &&
                (errno == ECONNRESET || errno == EPIPE);
    ck_assert(reset);
    leave(p);
    OK(rill_broker_close(broker, 5000));
}
END_TEST

API_MAIN("greedy", sids_that_would_collide, a_connect_that_drops_many_subscriptions,
         after_an_error_the_connection_is_closed)
