/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that take more than their share of the broker's time and memory, and one beside them
 * who only wants his echo. What must hold: the bystander goes on, whatever is done to the broker
 * meanwhile; and what the greedy ones can make grow has its bound. */
#include "listening.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/peer.h"

static peer *visit(const char *connect_options)
{
    peer *p = calloc(1, sizeof *p);
    peer_visit(p, port);
    peer_send(p, "CONNECT {\"verbose\":false,\"pedantic\":false");
    peer_send(p, connect_options);
    peer_send(p, "}\r\n");
    return p;
}

static peer *visit_quietly(void)
{
    peer *p = visit("");
    peer_send(p, "PING\r\n");
    ck_assert(peer_hear(p, "PONG\r\n"));
    return p;
}

static void leave(peer *p)
{
    close(p->fd);
    free(p);
}

/* ---- The bystander ---- */

enum {
    ECHOES_AFTER = 3,      /* round trips that must still succeed once the attack is over */
    BUDGET = 64 * 1024 * 1024,
};

typedef struct bystander {
    pthread_t thread;
    peer *peer;
    atomic_bool over;
    atomic_int echoes;
    uint64_t memory_bytes; /* the most that the broker told, as it went on */
    uint64_t rss_bytes;    /* and the most that the process had, beside what it had before */
    uint64_t rss_before;
} bystander;

/* What this process has in memory; 0 where that tells nothing of the broker. */
static uint64_t rss_bytes(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#else
    if (under_valgrind()) return 0;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*u %lu", &pages), 1);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
#endif
}

static void look(bystander *b)
{
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(broker, &stats));
    uint64_t rss = rss_bytes();
    rss -= rss > b->rss_before ? b->rss_before : rss;
    if (stats.memory_bytes > b->memory_bytes) b->memory_bytes = stats.memory_bytes;
    if (rss > b->rss_bytes) b->rss_bytes = rss;
}

static void *stand_by(void *arg)
{
    bystander *b = arg;
    for (int left = ECHOES_AFTER; left > 0; left -= atomic_load(&b->over)) {
        char line[64], want[32];
        int n = atomic_load(&b->echoes);
        snprintf(want, sizeof want, "echo %d.\r\n", n);
        snprintf(line, sizeof line, "PUB echo %zu\r\n%s", strlen(want) - 2, want);
        peer_send(b->peer, line);
        ck_assert_msg(peer_hear(b->peer, want), "the bystander was cut");
        atomic_fetch_add(&b->echoes, 1);
        if (n % 16 == 0) look(b);
    }
    return NULL;
}

static void stand(bystander *b)
{
    *b = (bystander){.peer = visit_quietly(), .rss_before = rss_bytes()};
    peer_send(b->peer, "SUB echo 1\r\n");
    pthread_create(&b->thread, NULL, stand_by, b);
    EVENTUALLY(atomic_load(&b->echoes) > 0);
}

static void dismiss(bystander *b)
{
    atomic_store(&b->over, true);
    pthread_join(b->thread, NULL);
    leave(b->peer);
    look(b);
}

static void start_small(bystander *b, bool jetstream)
{
    start(RILL_OPTS(rill_broker_opts, .memory_bytes = BUDGET, .jetstream = jetstream));
    stand(b);
}

static uint64_t refusals(void)
{
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(broker, &stats));
    return stats.memory_refusals;
}

/* The bystander has seen that the budget held. */
static void stop_small(bystander *b)
{
    dismiss(b);
    ck_assert_uint_gt(refusals(), 0);
    ck_assert_uint_le(b->memory_bytes, BUDGET);
    ck_assert_uint_le(b->rss_bytes, BUDGET / 10 * 13);
    /* And what they held is the system's again. */
    EVENTUALLY(rss_bytes() <= b->rss_before + BUDGET / 5);
    OK(rill_broker_close(broker, 20000));
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
        peer_send_bytes(p, line, (size_t)len);
    }
    peer_send(p, "PING\r\n");
    ck_assert(peer_hear(p, "PONG\r\n"));
    leave(p);
    dismiss(&b);
    OK(rill_broker_close(broker, 20000));
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
        peer_send_bytes(p, line, (size_t)len);
    }
    peer_send(p, "PING\r\n");
    ck_assert(peer_hear(p, "PONG\r\n"));
    peer_send(p, "CONNECT {}\r\nSUB many.7 a\r\nPUB many.7 1\r\nx\r\nPUB many.299999 1\r\ny\r\n"
           "UNSUB 7\r\nSUB many.8 7\r\nPUB many.8 1\r\nz\r\nPING\r\n");
    ck_assert(peer_hear(p, "MSG"));
    ck_assert(peer_hear(p, " many.7 a 1\r\nx\r\nMSG many.8 7 1\r\nz\r\nPONG\r\n"));
    EVENTUALLY((rill_broker_stats(broker, &stats), stats.subs == 3));
    peer_send(p, "CONNECT {}\r\n");
    leave(p); /* with some that are forgotten already */
    EVENTUALLY((rill_broker_stats(broker, &stats), stats.subs == 1));
    dismiss(&b);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static int64_t end_after(const char *sin, const char *word)
{
    peer *p = visit_quietly();
    int64_t from_ms = api_now_ms();
    peer_send(p, sin);
    if (word) ck_assert(peer_hear(p, word));
    while (peer_hear(p, "nothing of the kind")) continue;
    leave(p);
    return api_now_ms() - from_ms;
}

/* Who was told what was wrong, or has nothing to be told, is not listened to any more. */
START_TEST(after_an_error_the_connection_is_closed)
{
    start(NULL);
    int64_t least_ms = INT64_MAX;
    for (int i = 0; i < 3 || (i < 20 && least_ms >= 700); i++) { /* others use the machine, too */
        int64_t ms = end_after("PUB a 1048577\r\nxxxxxxx", "-ERR 'Maximum Payload Violation'\r\n");
        least_ms = ms < least_ms ? ms : least_ms;
    }
    ck_assert_int_lt(least_ms, 700);
    /* One that goes on to send does not find out by a wait, but by a reset. */
    peer *p = visit_quietly();
    static char junk[65536];
    peer_send(p, "PUB a 104857600\r\n");
    bool reset = false;
    for (int i = 0; i < 200000 && !reset; i++)
        reset = send(p->fd, junk, sizeof junk, MSG_NOSIGNAL) < 0 &&
                (errno == ECONNRESET || errno == EPIPE);
    ck_assert(reset);
    leave(p);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* A reload that allows fewer connections than there are closes the youngest of them. */
START_TEST(fewer_connections)
{
    peer *peers[5];
    rill_stats stats = {.size = sizeof stats};
    start(NULL);
    for (int i = 0; i < 5; i++) peers[i] = visit_quietly();
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .max_conns = 2)));
    for (int i = 2; i < 5; i++) {
        ck_assert(peer_hear(peers[i], "-ERR 'maximum connections exceeded'\r\n"));
        leave(peers[i]);
    }
    for (int i = 0; i < 2; i++) {
        peer_send(peers[i], "PING\r\n");
        ck_assert(peer_hear(peers[i], "PONG\r\n"));
        leave(peers[i]);
    }
    EVENTUALLY((rill_broker_stats(broker, &stats), stats.conns == 0));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* What INFO says, and what is refused by it. */
START_TEST(what_is_configured_is_obeyed)
{
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .advertise = "a@b")), RILL_EINVAL);
    start(RILL_OPTS(rill_broker_opts, .advertise = "example.org:4333", .max_sub_tokens = 3,
                    .no_headers = true));
    peer *p = visit(",\"headers\":true");
    ck_assert(peer_hear(p, "\"host\":\"example.org\",\"port\":4333,\"headers\":false"));
    peer_send(p,
              "SUB a.b.c.d 1\r\nSUB a.b.c 2\r\nSUB a.b.c _sys_ 3\r\nPUB a.b.c 1\r\nx\r\nPING\r\n");
    ck_assert(peer_hear(p, "-ERR 'Permissions Violation for Subscription to \"a.b.c.d\", too many "
                           "tokens'"));
    ck_assert(peer_hear(p, "-ERR 'Permissions Violation for Subscription to \"a.b.c\" using queue "
                           "\"_sys_\"'"));
    ck_assert(peer_hear(p, "\r\nMSG a.b.c 2 1\r\nx\r\nPONG\r\n"));
    peer_send(p, "HPUB a.b.c 12 13\r\nNATS/1.0\r\n\r\nx\r\n");
    while (peer_hear(p, "MSG")) ck_abort_msg("a message with headers was taken");
    leave(p);
    FAILS(rill_broker_listen(broker, "nats://127.0.0.1:0",
                             RILL_OPTS(rill_listen_opts, .advertise = "a@b")), RILL_EINVAL);
    port = rill_broker_listen(broker, "nats://127.0.0.1:0",
                              RILL_OPTS(rill_listen_opts, .advertise = "elsewhere.org"));
    OK(port);
    p = visit("");
    char told[80];
    snprintf(told, sizeof told, "\"host\":\"elsewhere.org\",\"port\":%d,", port);
    ck_assert(peer_hear(p, told));
    leave(p);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* ---- Attempts to log in ---- */

/* Two hashes of "secret", and one of another word. */
static const char hash_a[] = "$2b$08$abcdefghijklmnopqrstuuKxCcvB7KZ7.BpDoK0bh6qM7Dl1/xiJa";
static const char hash_b[] = "$2b$08$zyxwvutsrqponmlkjihgfe/6O4n9Fec4kmf0LnaNBajGZ0MVm/t5C";
static const char hash_other[] = "$2b$08$abcdefghijklmnopqrstuuUU80QXrnnCgZ9JT6yOsfhqgpsr6Umjm";
#define SECRET ",\"user\":\"me\",\"pass\":\"secret\""

/* Many hashes take long on a machine that has much else to do. */
enum { PATIENCE_MS = 120000 };

static peer *log_in(void)
{
    peer *p = visit(SECRET);
    peer_send(p, "PING\r\n");
    return p;
}

/* Is a hashed password checked at all here? */
static bool has_hashes(void)
{
    start(RILL_OPTS(rill_broker_opts, .user = "me", .password = hash_a,
                    .auth_timeout_ms = PATIENCE_MS));
    peer *p = log_in();
    bool has = peer_hear(p, "PONG\r\n");
    leave(p);
    if (!has) OK(rill_broker_close(broker, 20000));
    return has;
}

static double busy_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A hash takes long to check on purpose; that is nobody else's concern. */
START_TEST(attempts_to_log_in)
{
    enum { PEERS = 30 };
    bystander b = {.peer = NULL};
    peer *peers[PEERS];
    if (!has_hashes()) return;
    b.peer = log_in();
    ck_assert(peer_hear(b.peer, "PONG\r\n"));
    peer_send(b.peer, "SUB echo 1\r\n");
    pthread_create(&b.thread, NULL, stand_by, &b);
    EVENTUALLY(atomic_load(&b.echoes) > 0);
    int before = atomic_load(&b.echoes);
    for (int i = 0; i < PEERS; i++)
        peers[i] = i % 3 ? visit(",\"user\":\"me\",\"pass\":\"guess\"") : log_in();
    for (int i = 0; i < PEERS; i++) {
        ck_assert(peer_hear(peers[i], i % 3 ? "-ERR 'Authorization Violation'" : "PONG\r\n"));
        if (i % 7 == 0) leave(peers[i]);
    }
    ck_assert_int_gt(atomic_load(&b.echoes) - before, 3 * PEERS);
    for (int i = 0; i < PEERS; i++)
        if (i % 7) leave(peers[i]);
    for (int i = 0; i < PEERS; i++) leave(visit(",\"user\":\"me\",\"pass\":\"gone\""));
    dismiss(&b);
    OK(rill_broker_close(broker, 20000)); /* with some that wait for their verdict */
}
END_TEST

/* As many may wait for their check as there may be connections: nobody who is right is told that he
 * is wrong because others came before him. */
START_TEST(many_attempts_to_log_in)
{
    enum { PEERS = 1500 };
    static const char quick[] = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
    static int fds[PEERS];
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < PEERS * 2 + 200 || rss_bytes() == 0) return; /* it would take minutes */
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (!has_hashes()) return;
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .user = "me", .password = quick,
                                            .auth_timeout_ms = PATIENCE_MS)));
    static const char login[] = "CONNECT {\"verbose\":false" SECRET "}\r\nPING\r\n";
    for (int i = 0; i < PEERS; i++) {
        fds[i] = peer_dial(port);
        ck_assert_int_ge(fds[i], 0);
        ck_assert_int_eq(send(fds[i], login, sizeof login - 1, MSG_NOSIGNAL), sizeof login - 1);
    }
    for (int i = 0; i < PEERS; i++) {
        peer p = {.fd = fds[i]};
        ck_assert_msg(peer_hear(&p, "PONG\r\n"), "number %d was refused", i);
        close(fds[i]);
    }
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* After a reload only those are checked again whose hash is another now, and meanwhile they go
 * on. */
START_TEST(a_reload_checks_what_was_changed)
{
    enum { PEERS = 30 };
    peer *peers[PEERS];
    if (!has_hashes()) return;
    double one_ms = busy_ms();
    for (int i = 0; i < PEERS; i++) {
        peers[i] = log_in();
        ck_assert(peer_hear(peers[i], "PONG\r\n"));
    }
    one_ms = (busy_ms() - one_ms) / PEERS;
    double same_ms = busy_ms();
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .user = "me", .password = hash_a,
                                            .auth_timeout_ms = PATIENCE_MS, .max_subs = 5)));
    peer *p = log_in(); /* behind all that the reload has to check */
    ck_assert(peer_hear(p, "PONG\r\n"));
    leave(p);
    ck_assert_double_lt(busy_ms() - same_ms, one_ms * PEERS / 2);
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .user = "me", .password = hash_b,
                                            .auth_timeout_ms = PATIENCE_MS)));
    p = log_in();
    ck_assert(peer_hear(p, "PONG\r\n"));
    leave(p);
    for (int i = 0; i < PEERS; i++) {
        peer_send(peers[i], "PING\r\n");
        ck_assert(peer_hear(peers[i], "PONG\r\n"));
    }
    OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .user = "me", .password = hash_other,
                                            .auth_timeout_ms = PATIENCE_MS)));
    for (int i = 0; i < PEERS; i++) {
        ck_assert(peer_hear(peers[i], "-ERR 'Authorization Violation'"));
        leave(peers[i]);
    }
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* ---- Attacks on the memory ---- */

static char block[1024 * 1024];

START_TEST(receivers_who_do_not_read)
{
    enum { READERS = 12, MSGS = 400, LEN = 256 * 1024 };
    bystander b;
    peer *readers[READERS];
    start_small(&b, false);
    for (int i = 0; i < READERS; i++) {
        readers[i] = visit_quietly();
        peer_send(readers[i], i % 2 ? "SUB big 1\r\nPING\r\n" : "SUB small 1\r\nPING\r\n");
        ck_assert(peer_hear(readers[i], "PONG\r\n"));
    }
    peer *p = visit_quietly();
    for (int i = 0; i < MSGS; i++) { /* big ones are shared by their receivers, small ones copied */
        peer_send(p, "PUB big 262144\r\n");
        peer_send_bytes(p, block, LEN);
        peer_send(p, "\r\n");
        for (int k = 0; k < LEN / 4096; k++) {
            peer_send(p, "PUB small 4000\r\n");
            peer_send_bytes(p, block, 4000);
            peer_send(p, "\r\n");
        }
    }
    peer_send(p, "PING\r\n");
    ck_assert(peer_hear(p, "PONG\r\n"));
    leave(p);
    for (int i = 0; i < READERS; i++) leave(readers[i]);
    stop_small(&b);
}
END_TEST

START_TEST(answers_that_nobody_reads)
{
    enum { PEERS = 8, BYTES = 12 * 1024 * 1024 };
    bystander b;
    peer *peers[PEERS];
    start_small(&b, false);
    for (size_t i = 0; i + 6 <= sizeof block; i += 6) memcpy(block + i, "PING\r\n", 6);
    size_t len = sizeof block / 6 * 6;
    for (int i = 0; i < PEERS; i++) peers[i] = visit_quietly();
    for (int n = 0; n < BYTES; n += (int)len)
        for (int i = 0; i < PEERS; i++) peer_try(peers[i], block, len);
    EVENTUALLY(refusals() > 0);
    for (int i = 0; i < PEERS; i++) leave(peers[i]);
    stop_small(&b);
}
END_TEST

START_TEST(messages_of_which_a_part_comes)
{
    enum { PEERS = 100, LEN = 900000 };
    bystander b;
    peer *peers[PEERS];
    start_small(&b, false);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = visit_quietly();
        peer_send(peers[i], "PUB a 1000000\r\n");
        peer_try(peers[i], block, LEN);
    }
    EVENTUALLY(refusals() > 0);
    for (int i = 0; i < PEERS; i++) leave(peers[i]);
    /* And a message of that size goes through, with all of that gone. */
    peer *p = visit_quietly();
    peer_send(p, "SUB a 1\r\nPUB a 1000000\r\n");
    peer_send_bytes(p, block, 1000000);
    peer_send(p, "\r\n");
    ck_assert(peer_hear(p, "MSG a 1 1000000\r\n"));
    leave(p);
    stop_small(&b);
}
END_TEST

START_TEST(subscriptions_without_end)
{
    enum { PEERS = 4, SUBS = 60000 };
    bystander b;
    peer *peers[PEERS];
    start_small(&b, false);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = visit_quietly();
        for (int k = 0; k < SUBS; k++) {
            char line[80];
            int len = snprintf(line, sizeof line, "SUB greedy.%d.%d %d\r\n", i, k, k);
            if (!peer_try(peers[i], line, (size_t)len)) break;
        }
    }
    EVENTUALLY(refusals() > 0);
    peer *p = visit_quietly(); /* somebody with few of them gets one more */
    peer_send(p, "SUB modest 1\r\nPUB modest 1\r\nx\r\n");
    ck_assert(peer_hear(p, "MSG modest 1 1\r\nx\r\n"));
    leave(p);
    for (int i = 0; i < PEERS; i++) leave(peers[i]);
    stop_small(&b);
}
END_TEST

START_TEST(subscriptions_of_the_program_that_strangers_fill)
{
    enum { SUBS = 8, MSGS = 300 };
    bystander b;
    rill_bus *bus;
    rill_sub *subs[SUBS];
    start_small(&b, false);
    OK(rill_broker_bus(broker, &bus, NULL));
    for (int i = 0; i < SUBS; i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "fill.%d", i);
        OK(rill_subscribe(bus, &subs[i], subject, NULL));
    }
    peer *p = visit_quietly();
    for (int i = 0; i < MSGS; i++) {
        char line[40];
        snprintf(line, sizeof line, "PUB fill.%d 262144\r\n", i % SUBS);
        peer_send(p, line);
        peer_send_bytes(p, block, 262144);
        peer_send(p, "\r\n");
    }
    peer_send(p, "PING\r\n");
    ck_assert(peer_hear(p, "PONG\r\n"));
    leave(p);
    uint64_t kept = 0;
    const rill_msg *m;
    for (int i = 0; i < SUBS; i++) {
        rill_sub_info info = {.size = sizeof info};
        OK(rill_sub_status(subs[i], &info));
        kept += info.pending_msgs;
        ck_assert_uint_gt(info.pending_msgs, 0); /* each has its share */
        ck_assert_uint_eq(info.pending_msgs + info.dropped_msgs, (MSGS + SUBS - 1 - i) / SUBS);
        while (rill_next(subs[i], &m, 0) == RILL_OK) continue;
        rill_sub_close(subs[i]);
    }
    ck_assert_uint_lt(kept, MSGS);
    /* With that gone there is room again. */
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "again", NULL));
    for (int i = 0; i < 20; i++) OK(rill_publish(bus, "again", block, 262144, NULL));
    for (int i = 0; i < 20; i++) OK(rill_next(sub, &m, 0));
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    stop_small(&b);
}
END_TEST

/* What the program keeps of messages is its own affair: nobody is cut for it. */
START_TEST(messages_that_the_program_keeps)
{
    enum { MSGS = 400, LEN = 200000, SLOW = 40 };
    static rill_msg *kept[MSGS];
    bystander b;
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    char line[64];
    start_small(&b, false);
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_subscribe(bus, &sub, "keep", NULL));
    peer *p = visit_quietly(), *slow = visit_quietly();
    peer_send(slow, "SUB slow 1\r\nPING\r\n");
    ck_assert(peer_hear(slow, "PONG\r\n"));
    for (int i = 0; i < MSGS; i++) {
        snprintf(line, sizeof line, "PUB %s %d\r\n", i < SLOW ? "slow" : "keep", LEN);
        peer_send(p, line);
        peer_send_bytes(p, block, LEN);
        peer_send(p, "\r\n");
        if (i < SLOW) continue;
        OK(rill_next(sub, &m, 20000));
        kept[i] = rill_msg_ref(m);
        ck_assert_ptr_nonnull(kept[i]);
    }
    peer_send(p, "PUB slow 3\r\nend\r\nPING\r\n");
    ck_assert(peer_hear(p, "PONG\r\n"));
    ck_assert_msg(peer_hear(slow, "MSG slow 1 3\r\nend\r\n"), "it was cut");
    dismiss(&b);
    ck_assert_uint_eq(refusals(), 0);
    ck_assert_uint_lt(b.memory_bytes, BUDGET / 2);
    for (int i = SLOW; i < MSGS; i++) rill_msg_unref(kept[i]);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    leave(p);
    leave(slow);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static void say_batch(peer *p, const char *id, int seq, size_t len, const char *more)
{
    char head[200], line[100];
    int n = snprintf(head, sizeof head,
                     "NATS/1.0\r\nNats-Batch-Id: %s\r\nNats-Batch-Sequence: %d\r\n%s"
                     "\r\n", id, seq, more);
    snprintf(line, sizeof line, "HPUB b.x answer %d %zu\r\n", n, (size_t)n + len);
    peer_send(p, line);
    peer_send(p, head);
    peer_send_bytes(p, block, len);
    peer_send(p, "\r\n");
}

START_TEST(batches_that_stay_open)
{
    enum { BATCHES = 40, MSGS = 12, LEN = 100000 };
    bystander b;
    start_small(&b, true);
    peer *p = visit(",\"headers\":true"), *q = visit(",\"headers\":true");
    static const char create[] = "{\"name\":\"B\",\"subjects\":[\"b.*\"],\"storage\":\"memory\","
                                 "\"allow_atomic\":true}";
    char line[200];
    snprintf(line, sizeof line, "SUB answer 1\r\nPUB $JS.API.STREAM.CREATE.B answer %zu\r\n%s\r\n",
             strlen(create), create);
    peer_send(p, line);
    ck_assert(peer_hear(p, "stream_create_response"));
    for (int seq = 1; seq <= MSGS; seq++)
        for (int i = 0; i < BATCHES; i++) {
            char id[16];
            snprintf(id, sizeof id, "greedy%d", i);
            say_batch(p, id, seq, LEN, "");
        }
    ck_assert(peer_hear(p, "atomic publish batch is incomplete")); /* of one that was given up */
    peer_send(q, "SUB answer 1\r\n");
    say_batch(q, "modest", 1, 10, "");
    say_batch(q, "modest", 2, 10, "Nats-Batch-Commit: 1\r\n");
    ck_assert(peer_hear(q, "\"batch\":\"modest\",\"count\":2"));
    leave(p);
    leave(q);
    stop_small(&b);
}
END_TEST

/* What stays until it is deleted has half of the budget: then more is refused, and a stream that is
 * there goes on. */
START_TEST(streams_that_stay)
{
    enum { FILLER = 60000, MOST = 1000 };
    static char request[FILLER + 400], filler[FILLER + 1];
    bystander b;
    rill_bus *bus;
    char name[32];
    int n = 0;
    start_small(&b, true);
    peer *p = visit_quietly();
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "KEPT", RILL_OPTS(rill_stream_opts, .subjects = "kept",
                                                 .in_memory = true)));
    OK(rill_append(bus, "kept", "x", 1, NULL, NULL, 20000));
    memset(filler, 'm', FILLER);
    peer_send(p, "SUB answers 1\r\n");
    for (; n < MOST && refusals() == 0; n++) {
        char body[FILLER + 200];
        int len = snprintf(body, sizeof body, "{\"name\":\"A%d\",\"subjects\":[\"a%d\"],"
                           "\"storage\":\"memory\",\"metadata\":{\"m\":\"%s\"}}", n, n, filler);
        snprintf(request, sizeof request, "PUB $JS.API.STREAM.CREATE.A%d answers %d\r\n%s\r\n", n,
                 len, body);
        peer_send(p, request);
        ck_assert(peer_hear(p, "stream_create_response"));
    }
    ck_assert_int_gt(n, 200);
    ck_assert_int_lt(n, MOST);
    ck_assert(peer_hear(p, "\"err_code\":10023"));
    FAILS(rill_stream_ensure(bus, "MORE", NULL), RILL_EFULL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "memory_bytes"));
    FAILS(rill_consume(bus, &(rill_sub *){NULL}, "KEPT", RILL_OPTS(rill_sub_opts, .group = "g")),
          RILL_EFULL);
    OK(rill_append(bus, "kept", "x", 1, NULL, NULL, 20000));
    for (int i = 0; i < n - 1; i++) {
        snprintf(name, sizeof name, "A%d", i);
        OK(rill_stream_delete(bus, name));
    }
    OK(rill_stream_ensure(bus, "MORE", RILL_OPTS(rill_stream_opts, .in_memory = true)));
    leave(p);
    stop_small(&b);
    OK(rill_close(bus, 20000));
}
END_TEST

SUITE_MAIN("greedy", sids_that_would_collide, a_connect_that_drops_many_subscriptions,
           after_an_error_the_connection_is_closed, fewer_connections, what_is_configured_is_obeyed,
           attempts_to_log_in, many_attempts_to_log_in, a_reload_checks_what_was_changed,
           receivers_who_do_not_read,
           answers_that_nobody_reads, messages_of_which_a_part_comes, subscriptions_without_end,
           subscriptions_of_the_program_that_strangers_fill, messages_that_the_program_keeps,
           batches_that_stay_open, streams_that_stay)
