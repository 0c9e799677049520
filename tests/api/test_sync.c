/* SPDX-License-Identifier: Apache-2.0 */
/* When a store syncs: each level, by the clock that its host tells. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api.h"
#include "support/scratch.h"

/* This one stands before the C library's: the store's syncs come here and are counted. */
static atomic_int syncs;
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER; /* held: the disk stands still */
int fdatasync(int fd);
int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    pthread_mutex_lock(&disk);
    int rc = (int)syscall(SYS_fdatasync, fd);
    pthread_mutex_unlock(&disk);
    return rc;
}

static char dir[SCRATCH_LEN];
static atomic_llong clock_ns;

static int64_t told_ns(void *arg)
{
    (void)arg;
    return atomic_load(&clock_ns);
}

static const rill_host host = {.size = sizeof host, .mono_ns = told_ns};

static void setup(void)
{
    scratch_make(dir);
    atomic_store(&clock_ns, INT64_C(1000000000));
}

static void teardown(void)
{
    scratch_remove(dir);
}

static void advance_ms(int64_t ms)
{
    atomic_fetch_add(&clock_ns, ms * 1000000);
}

/* A store whose stream S is there, driven by this thread, with nothing left to sync. */
static rill_bus *open_store(rill_sync sync, uint32_t interval_ms)
{
    char url[96];
    rill_bus *bus = NULL;
    snprintf(url, sizeof url, "file:%s", dir);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST, .host = &host,
                                      .sync = sync, .sync_interval_ms = interval_ms)));
    OK(rill_stream_ensure(bus, "S", NULL));
    advance_ms(24 * 60 * 60 * 1000);
    OK(rill_poll(bus, 0));
    return bus;
}

static int syncs_of_append(rill_bus *bus)
{
    int before = atomic_load(&syncs);
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    return atomic_load(&syncs) - before;
}

START_TEST(always)
{
    rill_bus *bus = open_store(RILL_SYNC_ALWAYS, 0);
    ck_assert_int_eq(syncs_of_append(bus), 1);
    ck_assert_int_eq(syncs_of_append(bus), 1);
    rill_close(bus, 1000);
}
END_TEST

START_TEST(never)
{
    rill_bus *bus = open_store(RILL_SYNC_NEVER, 0);
    ck_assert_int_eq(syncs_of_append(bus), 0);
    int before = atomic_load(&syncs);
    advance_ms(24 * 60 * 60 * 1000);
    OK(rill_poll(bus, 0));
    ck_assert_int_eq(atomic_load(&syncs), before);
    rill_close(bus, 1000);
}
END_TEST

/* One sync, an interval after the first message that it is for, and none when all are synced. */
START_TEST(lazy)
{
    rill_bus *bus = open_store(RILL_SYNC_LAZY, 500);
    ck_assert_int_eq(rill_wait_ms(bus), -1);
    ck_assert_int_eq(syncs_of_append(bus), 0);
    advance_ms(400);
    ck_assert_int_eq(syncs_of_append(bus), 0);
    int wait_ms = rill_wait_ms(bus);
    ck_assert_msg(wait_ms > 0 && wait_ms <= 100, "%d ms", wait_ms);
    int before = atomic_load(&syncs);
    OK(rill_poll(bus, 0));
    ck_assert_int_eq(atomic_load(&syncs), before);
    advance_ms(100);
    ck_assert_int_eq(rill_wait_ms(bus), 0);
    OK(rill_poll(bus, 0));
    ck_assert_int_eq(atomic_load(&syncs), before + 1);
    ck_assert_int_eq(rill_wait_ms(bus), -1);
    ck_assert_int_eq(syncs_of_append(bus), 0); /* begins anew */
    rill_close(bus, 1000);
    ck_assert_int_gt(atomic_load(&syncs), before + 1); /* nothing is left for later */
}
END_TEST

/* An append that comes when a sync is due takes it along. */
START_TEST(lazy_busy)
{
    rill_bus *bus = open_store(RILL_SYNC_LAZY, 0); /* 100 ms */
    int total = 0;
    for (int i = 0; i < 100; i++, advance_ms(10)) total += syncs_of_append(bus);
    ck_assert_msg(total >= 9 && total <= 10, "%d syncs in a second", total);
    rill_close(bus, 1000);
}
END_TEST

START_TEST(lazy_thread)
{
    char url[96];
    rill_bus *bus = NULL;
    snprintf(url, sizeof url, "file:%s", dir);
    OK(rill_open(&bus, url, RILL_OPTS(rill_opts, .sync = RILL_SYNC_LAZY, .sync_interval_ms = 20)));
    OK(rill_stream_ensure(bus, "S", NULL));
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    int before = atomic_load(&syncs);
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    EVENTUALLY(atomic_load(&syncs) > before);
    rill_close(bus, 1000);
}
END_TEST

/* Of N messages that were acknowledged, and a process that dies behind the last: how many are
 * left. */
static uint64_t left_behind(rill_sync sync, int n)
{
    static char data[1000];
    pid_t child = fork();
    if (child == 0) {
        rill_bus *bus = open_store(sync, 0);
        for (int i = 0; i < n; i++) OK(rill_append(bus, "S", data, sizeof data, NULL, NULL, 20000));
        kill(getpid(), SIGKILL);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    rill_bus *bus = open_store(RILL_SYNC_ALWAYS, 0);
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.last_seq, info.msgs);
    rill_close(bus, 1000);
    return info.msgs;
}

START_TEST(killed_always)
{
    ck_assert_uint_eq(left_behind(RILL_SYNC_ALWAYS, 40), 40);
}
END_TEST

START_TEST(killed_lazy)
{
    ck_assert_uint_eq(left_behind(RILL_SYNC_LAZY, 600), 600);
}
END_TEST

START_TEST(killed_never)
{
    ck_assert_uint_eq(left_behind(RILL_SYNC_NEVER, 600), 600);
}
END_TEST

/* The last quarter of a megabyte, at most, and not nothing. */
START_TEST(killed_memory)
{
    uint64_t left = left_behind(RILL_SYNC_MEMORY, 600);
    ck_assert_msg(left >= 600 - 262144 / 1000 - 1 && left < 600, "%d", (int)left);
}
END_TEST

/* Of a batch of two. */
static int syncs_of_batch(rill_bus *bus, rill_sync sync)
{
    rill_batch *batch;
    int before = atomic_load(&syncs);
    OK(rill_batch_begin(bus, &batch, RILL_OPTS(rill_batch_opts, .sync = sync)));
    for (int i = 0; i < 2; i++) OK(rill_batch_add(batch, "S", "x", 1, NULL));
    OK(rill_batch_commit(batch, NULL, 20000));
    rill_batch_close(batch);
    return atomic_load(&syncs) - before;
}

START_TEST(each_batch_for_itself)
{
    rill_bus *bus = open_store(RILL_SYNC_ALWAYS, 0);
    ck_assert_int_eq(syncs_of_batch(bus, RILL_SYNC_MEMORY), 0);
    ck_assert_int_eq(syncs_of_batch(bus, RILL_SYNC_NEVER), 0);
    ck_assert_int_eq(syncs_of_batch(bus, RILL_SYNC_DEFAULT), 1);
    ck_assert_int_eq(syncs_of_append(bus), 1);
    rill_close(bus, 1000);
    bus = open_store(RILL_SYNC_MEMORY, 0);
    ck_assert_int_eq(syncs_of_batch(bus, RILL_SYNC_DEFAULT), 0);
    ck_assert_int_eq(syncs_of_batch(bus, RILL_SYNC_ALWAYS), 1);
    ck_assert_int_eq(syncs_of_append(bus), 0);
    rill_close(bus, 1000);
}
END_TEST

static void stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)err, (void)receipt, (void)arg;
}

/* The disk stands still while a commit is under way on the driver's thread. */
static void stand_still(rill_bus *bus)
{
    int before = atomic_load(&syncs);
    pthread_mutex_lock(&disk);
    OK(rill_append_async(bus, "S", "x", 1, NULL, stored, NULL));
    EVENTUALLY(atomic_load(&syncs) > before);
}

/* A batch of two that was sent meanwhile. */
static rill_batch *late_batch(rill_bus *bus)
{
    rill_batch *batch;
    rill_receipt last = {.size = sizeof last};
    OK(rill_batch_begin(bus, &batch, NULL));
    for (int i = 0; i < 2; i++) OK(rill_batch_add(batch, "S", "x", 1, NULL));
    stand_still(bus);
    FAILS(rill_batch_commit(batch, &last, 20), RILL_ETIMEDOUT);
    FAILS(rill_batch_commit(batch, &last, 0), RILL_ETIMEDOUT);
    ck_assert_uint_eq(last.seq, 0);
    FAILS(rill_batch_add(batch, "S", "x", 1, NULL), RILL_EINVAL);
    return batch;
}

/* After a time-out a batch is under way: whoever calls again has its end. */
START_TEST(late_batches)
{
    char url[96];
    rill_bus *bus = NULL;
    rill_stream_info info = {.size = sizeof info};
    rill_receipt last = {.size = sizeof last};
    snprintf(url, sizeof url, "file:%s", dir);
    OK(rill_open(&bus, url, NULL));
    OK(rill_stream_ensure(bus, "S", NULL));
    rill_batch *batch = late_batch(bus);
    pthread_mutex_unlock(&disk);
    OK(rill_batch_commit(batch, &last, 20000));
    ck_assert_uint_eq(last.seq, 3);
    rill_batch_close(batch);
    batch = late_batch(bus); /* it goes on without its handle */
    rill_batch_close(batch);
    pthread_mutex_unlock(&disk);
    OK(rill_flush(bus, 20000));
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 6);
    batch = late_batch(bus); /* or without its bus */
    pthread_mutex_unlock(&disk);
    OK(rill_close(bus, 20000));
    FAILS(rill_batch_commit(batch, NULL, 20000), RILL_ECLOSED);
    rill_batch_close(batch);
    OK(rill_open(&bus, url, NULL));
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 9);
    OK(rill_close(bus, 20000));
}
END_TEST

/* A message that asks for less on a store that promises more, and the other way round. */
START_TEST(each_message_for_itself)
{
    rill_bus *bus = open_store(RILL_SYNC_ALWAYS, 0);
    int before = atomic_load(&syncs);
    OK(rill_append(bus, "S", "x", 1, RILL_OPTS(rill_post, .sync = RILL_SYNC_MEMORY), NULL, 20000));
    ck_assert_int_eq(atomic_load(&syncs), before);
    ck_assert_int_eq(syncs_of_append(bus), 1);
    rill_close(bus, 1000);
    bus = open_store(RILL_SYNC_MEMORY, 0);
    ck_assert_int_eq(syncs_of_append(bus), 0);
    before = atomic_load(&syncs);
    OK(rill_append(bus, "S", "x", 1, RILL_OPTS(rill_post, .sync = RILL_SYNC_ALWAYS), NULL, 20000));
    ck_assert_int_eq(atomic_load(&syncs), before + 1);
    rill_close(bus, 1000); /* and nothing is lost */
    bus = open_store(RILL_SYNC_ALWAYS, 0);
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 4);
    rill_close(bus, 1000);
}
END_TEST

START_TEST(refused)
{
    rill_bus *bus = NULL;
    FAILS(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .sync = (rill_sync)7)), RILL_EINVAL);
    FAILS(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .sync_interval_ms = UINT32_MAX)),
          RILL_EINVAL);
}
END_TEST

SUITE_MAIN_ROWS("sync",
    SUITE_WITH(setup, teardown, always, never, lazy, lazy_busy, lazy_thread, killed_always,
               killed_lazy, killed_never, killed_memory, each_message_for_itself,
               each_batch_for_itself, late_batches, refused))
