/* SPDX-License-Identifier: Apache-2.0 */
/* The program around the library: its signals, forks, limits and file rights. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "support/scratch.h"

/* This one stands before the C library's: some syncs are interrupted as if by a signal. */
static atomic_int interrupts;
int fdatasync(int fd);
int fdatasync(int fd)
{
    if (atomic_load(&interrupts) > 0 && atomic_fetch_sub(&interrupts, 1) > 0) {
        errno = EINTR;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* ... and for a while the file system cannot be written. */
static atomic_bool read_only;
int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (atomic_load(&read_only) && (flags & O_ACCMODE) != O_RDONLY) {
        errno = EROFS;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static char dir[SCRATCH_LEN], url[80];

static void setup(void)
{
    scratch_make(dir);
    snprintf(url, sizeof url, "file:%s/store", dir);
}

static void teardown(void)
{
    scratch_remove(dir);
}

static rill_bus *open_stream(void)
{
    rill_bus *bus = api_open(url);
    OK(rill_stream_ensure(bus, "S", NULL));
    return bus;
}

/* ---- Signals ---- */

static pthread_t host_thread;
static atomic_int handled, handled_elsewhere;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(pthread_equal(pthread_self(), host_thread) ? &handled : &handled_elsewhere, 1);
}

static void stored(int rc, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    atomic_fetch_add((atomic_int *)arg, rc == RILL_OK);
}

START_TEST(the_hosts_signals_are_handled_on_its_own_threads)
{
    setup();
    rill_bus *bus = open_stream();
    rill_sub *sub;
    const rill_msg *m;
    atomic_int committed = 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    host_thread = pthread_self();
    OK(rill_consume(bus, &sub, "S", NULL));
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    /* The commits of these, which nobody waits for, are on the library's thread. */
    for (int i = 0; i < 200; i++) {
        OK(rill_append_async(bus, "S", "x", 1, NULL, stored, &committed));
        OK(rill_next(sub, &m, 20000));
        OK(rill_ack(m));
    }
    EVENTUALLY(atomic_load(&handled) > 0 && atomic_load(&committed) == 200);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_eq(atomic_load(&handled_elsewhere), 0);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

START_TEST(a_sync_that_a_signal_interrupts_is_tried_again)
{
    setup();
    rill_bus *bus = open_stream();
    atomic_store(&interrupts, 3);
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    ck_assert_int_le(atomic_load(&interrupts), 0);
    OK(rill_append(bus, "S", "y", 1, NULL, NULL, 20000));
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

/* The signal that the kernel sends at the limit stays at its default, which ends the program. */
START_TEST(a_limit_of_the_process_is_a_full_disk)
{
    setup();
    struct rlimit small = {1 << 20, RLIM_INFINITY};
    ck_assert_int_eq(signal(SIGXFSZ, SIG_DFL) == SIG_ERR, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    rill_bus *bus = NULL;
    int rc = rill_open(&bus, url, NULL);
    if (rc == RILL_OK) rc = rill_stream_ensure(bus, "S", NULL);
    FAILS(rc, RILL_EFULL);
    rill_close(bus, 1000);
    small.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    bus = open_stream();
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

/* ---- Descriptors ---- */

enum { FDS = 400, BIG = 100000, MANY = 500 }; /* some files of messages */

static int use_up(int *fds)
{
    int n = 0;
    while (n < FDS && (fds[n] = open("/dev/null", O_RDONLY)) >= 0) n++;
    ck_assert(n < FDS && errno == EMFILE);
    return n;
}

START_TEST(a_store_goes_on_without_descriptors)
{
    setup();
    static char data[BIG];
    int fds[FDS], n;
    struct rlimit limit, few;
    rill_bus *bus = open_stream();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = (struct rlimit){200, limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    n = use_up(fds);
    for (int i = 0; i < MANY; i++) {
        memset(data, i, sizeof data);
        OK(rill_append(bus, "S", data, sizeof data, NULL, NULL, 20000));
    }
    for (uint64_t seq = 1; seq <= MANY; seq += 50) { /* from files that had to be closed, too */
        rill_msg *m;
        OK(rill_stream_get(bus, "S", RILL_AT(seq), &m));
        ck_assert_int_eq(m->data.ptr[BIG - 1], (char)(seq - 1));
        rill_msg_unref(m);
    }
    while (n > 0) close(fds[--n]);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    OK(rill_close(bus, 20000));
    bus = open_stream();
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, MANY);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

/* ---- Forks ---- */

/* What the child says with its exit status, 0 for all is well. */
static int child_says(pid_t child)
{
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int child_uses(rill_bus *bus, rill_sub *sub, rill_kv *kv, rill_broker *broker,
                      const rill_msg *m)
{
    const rill_msg *next;
    rill_bus *own;
    if (rill_publish(bus, "a", "x", 1, NULL) != RILL_ECLOSED) return 1;
    if (rill_append(bus, "S", "x", 1, NULL, NULL, 1000) != RILL_ECLOSED) return 2;
    if (rill_next(sub, &next, 1000) != RILL_ECLOSED) return 3;
    if (rill_ack(m) != RILL_ECLOSED) return 4;
    if (rill_kv_put(kv, "k", "x", 1, NULL, NULL) != RILL_ECLOSED) return 5;
    if (rill_broker_close(broker, 1000) != RILL_ECLOSED) return 6;
    rill_sub_close(sub);
    rill_kv_close(kv);
    if (rill_close(bus, 1000) != RILL_ECLOSED) return 7;
    if (rill_open(&own, url, NULL) != RILL_EBUSY) return 8;
    /* A child may have a bus of its own, of the same name as its parent's. */
    if (rill_open(&own, "mem:shared", NULL) != RILL_OK) return 9;
    if (rill_publish(own, "a", "x", 1, NULL) != RILL_OK) return 10;
    return rill_close(own, 1000) == RILL_OK ? 0 : 11;
}

START_TEST(a_forked_child_is_told_that_the_handles_are_not_its_own)
{
    setup();
    rill_bus *bus = open_stream(), *shared = api_open("mem:shared");
    rill_broker *broker;
    rill_sub *sub;
    rill_kv *kv;
    const rill_msg *m;
    OK(rill_broker_open(&broker, NULL));
    OK(rill_kv_open(bus, &kv, "K", NULL));
    OK(rill_consume(bus, &sub, "S", NULL));
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    OK(rill_next(sub, &m, 20000));
    pid_t child = fork();
    if (child == 0) _exit(child_uses(bus, sub, kv, broker, m));
    ck_assert_int_eq(child_says(child), 0);
    OK(rill_ack(m)); /* the parent's go on */
    OK(rill_append(bus, "S", "y", 1, NULL, NULL, 20000));
    OK(rill_next(sub, &m, 20000));
    rill_sub_close(sub);
    rill_kv_close(kv);
    OK(rill_broker_close(broker, 20000));
    OK(rill_close(shared, 20000));
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

START_TEST(a_child_that_lives_on_does_not_hold_the_directory)
{
    setup();
    int told[2];
    char byte;
    ck_assert_int_eq(pipe(told), 0);
    rill_bus *bus = open_stream();
    pid_t child = fork();
    if (child == 0) { /* until the parent is through */
        close(told[1]);
        _exit(read(told[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(told[0]);
    OK(rill_close(bus, 20000));
    bus = open_stream();
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    OK(rill_close(bus, 20000));
    close(told[1]);
    ck_assert_int_eq(child_says(child), 0);
    teardown();
}
END_TEST

/* ---- Lifetimes ---- */

/* What another process hears that opens the directory. */
static int others_open(void)
{
    pid_t child = fork();
    rill_bus *bus;
    if (child == 0) {
        int rc = rill_open(&bus, url, NULL);
        if (rc == RILL_OK) rc = rill_close(bus, 1000);
        _exit(-rc);
    }
    return -child_says(child);
}

/* The last thing that is given back ends the broker, whichever it is. */
START_TEST(a_directory_is_locked_until_the_last_is_given_back)
{
    enum { SUB, BUCKET, BATCH, KEPT, KINDS };
    for (int kind = 0; kind < KINDS; kind++) {
        setup();
        rill_bus *bus = open_stream();
        rill_sub *sub = NULL;
        rill_kv *kv = NULL;
        rill_batch *batch = NULL;
        rill_msg *kept = NULL;
        OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
        if (kind == SUB) OK(rill_subscribe(bus, &sub, "a", NULL));
        if (kind == BUCKET) OK(rill_kv_open(bus, &kv, "K", NULL));
        if (kind == BATCH) OK(rill_batch_begin(bus, &batch, NULL));
        if (kind == KEPT) OK(rill_stream_get(bus, "S", RILL_AT(1), &kept));
        OK(rill_close(bus, 20000));
        ck_assert_int_eq(others_open(), RILL_EBUSY);
        rill_sub_close(sub);
        rill_kv_close(kv);
        rill_batch_close(batch);
        rill_msg_unref(kept);
        ck_assert_int_eq(others_open(), RILL_OK);
        teardown();
    }
}
END_TEST

/* ---- Files ---- */

static void check_private(const char *name)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof path, "%s/store%s", dir, name);
    ck_assert_msg(stat(path, &st) == 0, "%s is not there", path);
    ck_assert_msg((st.st_mode & 077) == 0, "%s is open to others: %o", path, st.st_mode & 0777);
}

START_TEST(nobody_else_reads_the_files)
{
    setup();
    mode_t mask = umask(0);
    char copy[96];
    rill_bus *bus = open_stream();
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    snprintf(copy, sizeof copy, "%s/store.copy", dir);
    OK(rill_store_snapshot(bus, copy));
    check_private("");
    check_private("/LOCK");
    check_private("/00000000.seg");
    check_private(".copy");
    check_private(".copy/00000000.seg");
    OK(rill_close(bus, 20000));
    umask(mask);
    teardown();
}
END_TEST

START_TEST(a_directory_that_is_deleted_is_noticed_at_the_next_commit)
{
    setup();
    char store[80];
    rill_bus *bus = open_stream();
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    snprintf(store, sizeof store, "%s/store", dir);
    scratch_remove(store);
    FAILS(rill_append(bus, "S", "y", 1, NULL, NULL, 10000), RILL_EIO);
    ck_assert_msg(strstr(rill_errmsg(), "No such file"), "%s", rill_errmsg());
    rill_close(bus, 1000);
    teardown();
}
END_TEST

static void note(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    if (ev->kind == RILL_EV_ERROR && strstr(ev->detail, "cannot be written"))
        atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(a_store_that_cannot_be_written_says_so_and_is_read)
{
    setup();
    atomic_int told = 0;
    rill_msg *m;
    rill_bus *bus = open_stream();
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    OK(rill_close(bus, 20000));
    atomic_store(&read_only, true);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .on_event = note, .arg = &told)));
    EVENTUALLY(atomic_load(&told) == 1);
    OK(rill_stream_get(bus, "S", RILL_AT(1), &m));
    TEXT_IS(m->data, "x");
    rill_msg_unref(m);
    FAILS(rill_append(bus, "S", "y", 1, NULL, NULL, 10000), RILL_EIO);
    OK(rill_close(bus, 20000));
    teardown();
}
END_TEST

SUITE_MAIN("host", the_hosts_signals_are_handled_on_its_own_threads,
           a_sync_that_a_signal_interrupts_is_tried_again, a_limit_of_the_process_is_a_full_disk,
           a_store_goes_on_without_descriptors,
           a_forked_child_is_told_that_the_handles_are_not_its_own,
           a_child_that_lives_on_does_not_hold_the_directory,
           a_directory_is_locked_until_the_last_is_given_back, nobody_else_reads_the_files,
           a_directory_that_is_deleted_is_noticed_at_the_next_commit,
           a_store_that_cannot_be_written_says_so_and_is_read)
