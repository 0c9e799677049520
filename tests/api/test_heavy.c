/* SPDX-License-Identifier: Apache-2.0 */
/* Commits of many bytes are not written on the thread that reads and writes connections. */
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "listening.h"
#include "support/peer.h"
#include "support/scratch.h"

enum { SMALL = 100, LARGE = 6 << 20, THREADS = 8 };

/* What each thread of this process wrote to files. These two stand before the C library's: the
 * store's writes come here. */
typedef struct writer {
    atomic_int tid;
    atomic_llong bytes;
} writer;
static writer writers[THREADS];

static void count(long n)
{
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

static void publish(peer *p, size_t len)
{
    char head[64];
    char *data = calloc(1, len + 2);
    ck_assert_ptr_nonnull(data);
    memcpy(data + len, "\r\n", 2);
    int n = snprintf(head, sizeof head, "PUB S inbox %zu\r\n", len);
    peer_send_bytes(p, head, (size_t)n);
    peer_send_bytes(p, data, len + 2);
    free(data);
    ck_assert(peer_hear(p, "\"stream\":\"S\""));
    ck_assert(peer_hear(p, "\r\n"));
}

START_TEST(a_large_commit_is_written_by_the_thread_that_commits)
{
    static peer p;
    char dir[SCRATCH_LEN];
    int64_t bytes = 0;
    scratch_make(dir);
    start(RILL_OPTS(rill_broker_opts, .dir = dir, .max_msg_bytes = 8 << 20));
    rill_bus *bus = NULL;
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "S", NULL));
    peer_open(&p, port);
    peer_send(&p, "SUB inbox 1\r\n");
    publish(&p, SMALL);
    clear();
    publish(&p, SMALL);
    int loop = most(&bytes); /* a small commit is made by the loop that read it */
    ck_assert_int_ge(bytes, SMALL);
    clear();
    publish(&p, LARGE);
    ck_assert_int_ne(most(&bytes), loop);
    ck_assert_int_ge(bytes, LARGE);
    ck_assert_int_lt(bytes_of(loop), LARGE / 4);
    clear();
    publish(&p, SMALL);
    ck_assert_int_ge(bytes_of(loop), SMALL);
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 4);
    close(p.fd);
    OK(rill_close(bus, -1));
    OK(rill_broker_close(broker, -1));
    scratch_remove(dir);
}
END_TEST

SUITE_MAIN("heavy", a_large_commit_is_written_by_the_thread_that_commits)
