/* SPDX-License-Identifier: Apache-2.0 */
/* Commits of many bytes are not written on the thread that reads and writes connections, and what
 * comes in meanwhile has a bound. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "listening.h"
#include "support/peer.h"
#include "support/scratch.h"

enum { SMALL = 100, LARGE = 6 << 20, HEAVY = 4 << 20, THREADS = 8 };

/* What each thread of this process wrote to files. These two stand before the C library's: the
 * store's writes come here. */
typedef struct writer {
    atomic_int tid;
    atomic_llong bytes;
} writer;
static writer writers[THREADS];

static atomic_bool held; /* the disk takes nothing for a while */

static void count(long n)
{
    while (atomic_load(&held)) poll(NULL, 0, 1);
    int tid = (int)syscall(SYS_gettid);
    for (int i = 0; i < THREADS; i++) {
        int none = 0;
        if (atomic_compare_exchange_strong(&writers[i].tid, &none, tid) || none == tid) {
            atomic_fetch_add(&writers[i].bytes, n);
            return;
        }
    }
    abort();
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t pos);
ssize_t pwrite(int fd, const void *buf, size_t len, off_t pos)
{
    long n = syscall(SYS_pwrite64, fd, buf, len, pos);
    if (n > 0) count(n);
    return n;
}

ssize_t pwritev(int fd, const struct iovec *iov, int niov, off_t pos);
ssize_t pwritev(int fd, const struct iovec *iov, int niov, off_t pos)
{
    long n = syscall(SYS_pwritev, fd, iov, niov, pos, 0);
    if (n > 0) count(n);
    return n;
}

static pthread_t tester;
static atomic_int loop; /* the thread that reads connections */

ssize_t recv(int fd, void *buf, size_t len, int flags);
ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    if (pthread_self() != tester) atomic_store(&loop, (int)syscall(SYS_gettid));
    return syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}

/* The thread that wrote most since the counts were cleared, and its bytes. */
static int most(int64_t *bytes)
{
    int best = 0;
    for (int i = 1; i < THREADS; i++)
        if (atomic_load(&writers[i].bytes) > atomic_load(&writers[best].bytes)) best = i;
    *bytes = atomic_load(&writers[best].bytes);
    return atomic_load(&writers[best].tid);
}

static void clear(void)
{
    for (int i = 0; i < THREADS; i++) atomic_store(&writers[i].bytes, 0);
}

static int64_t bytes_of(int tid)
{
    for (int i = 0; i < THREADS; i++)
        if (atomic_load(&writers[i].tid) == tid) return atomic_load(&writers[i].bytes);
    return 0;
}

static void send_message(peer *p, const char *form, size_t len)
{
    char head[64];
    char *data = calloc(1, len + 2);
    ck_assert_ptr_nonnull(data);
    memcpy(data + len, "\r\n", 2);
    int n = snprintf(head, sizeof head, form, len);
    peer_send_bytes(p, head, (size_t)n);
    peer_send_bytes(p, data, len + 2);
    free(data);
}

static void publish(peer *p, size_t len)
{
    send_message(p, "PUB S inbox %zu\r\n", len);
    ck_assert(peer_hear(p, "\"stream\":\"S\""));
    ck_assert(peer_hear(p, "\r\n"));
}

/* A broker with a stream S on disk, and somebody who is connected to it. */
static rill_bus *begin(char dir[SCRATCH_LEN], peer *p)
{
    rill_bus *bus = NULL;
    scratch_make(dir);
    tester = pthread_self();
    start(RILL_OPTS(rill_broker_opts, .dir = dir, .max_msg_bytes = 8 << 20));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "S", NULL));
    peer_open(p, port);
    return bus;
}

static void end(const char *dir, rill_bus *bus, peer *p)
{
    close(p->fd);
    OK(rill_close(bus, -1));
    OK(rill_broker_close(broker, -1));
    scratch_remove(dir);
}

START_TEST(a_large_commit_is_written_by_the_thread_that_commits)
{
    static peer p;
    char dir[SCRATCH_LEN];
    int64_t bytes = 0;
    rill_bus *bus = begin(dir, &p);
    peer_send(&p, "SUB inbox 1\r\n");
    publish(&p, SMALL);
    clear();
    publish(&p, LARGE);
    ck_assert_int_ne(atomic_load(&loop), 0);
    ck_assert_int_ne(most(&bytes), atomic_load(&loop));
    ck_assert_int_ge(bytes, LARGE);
    ck_assert_int_lt(bytes_of(atomic_load(&loop)), LARGE / 4);
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 2);
    end(dir, bus, &p);
}
END_TEST

enum { FLOOD = 1024, FLOOD_LEN = 64 << 10, FLOOD_MOST = 16 << 20, FLOOD_QUIET = 50 };

static uint64_t come(void)
{
    rill_stats stats = {.size = sizeof stats};
    OK(rill_broker_stats(broker, &stats));
    return stats.in_msgs;
}

/* Sends from `at` of `len` bytes as long as the other side takes some: where it stopped. */
static size_t send_most(int fd, const char *bytes, size_t at, size_t len)
{
    uint64_t before = UINT64_MAX;
    for (int quiet = 0; quiet < FLOOD_QUIET && at < len;) {
        ssize_t n = send(fd, bytes + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) at += (size_t)n;
        uint64_t now = come();
        quiet = n > 0 || now != before ? 0 : quiet + 1;
        before = now;
        if (n <= 0) poll(NULL, 0, 10);
    }
    return at;
}

START_TEST(a_flood_that_nobody_waits_for_is_no_faster_than_the_disk)
{
    static peer p;
    char dir[SCRATCH_LEN], head[32];
    rill_bus *bus = begin(dir, &p);
    atomic_store(&held, true);
    send_message(&p, "PUB S %zu\r\n", HEAVY); /* the thread has it, and the disk takes nothing */
    size_t one = (size_t)snprintf(head, sizeof head, "PUB S %d\r\n", FLOOD_LEN) + FLOOD_LEN + 2;
    char *bytes = calloc(FLOOD, one);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < FLOOD; i++) {
        memcpy(bytes + i * one, head, strlen(head));
        memcpy(bytes + (i + 1) * one - 2, "\r\n", 2);
    }
    size_t sent = send_most(p.fd, bytes, 0, FLOOD * one);
    ck_assert_uint_lt(sent, FLOOD * one);
    ck_assert_uint_le(come() * FLOOD_LEN, FLOOD_MOST);
    atomic_store(&held, false);
    while (sent < FLOOD * one) sent = send_most(p.fd, bytes, sent, FLOOD * one);
    rill_stream_info info = {.size = sizeof info};
    do OK(rill_stream_status(bus, "S", &info));
    while (info.msgs < FLOOD + 1);
    free(bytes);
    end(dir, bus, &p);
}
END_TEST

SUITE_MAIN("heavy", a_large_commit_is_written_by_the_thread_that_commits,
           a_flood_that_nobody_waits_for_is_no_faster_than_the_disk)
