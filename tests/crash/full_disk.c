/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that is really full: a small tmpfs, of as many MiB as are given, in a mount namespace of
 * this process alone. Appends are refused with RILL_EFULL; reads, acks, erasures go on; after a
 * purge appends work again without reopening; what was acknowledged is there when the directory is
 * opened again. Skipped (77) where nothing may be mounted. */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "rill.h"
#include "support/scratch.h"

enum { DATA_LEN = 60000, JOBS = 20, RECORDS_MAX = 5000, SKIP = 77 };

#define NEED(holds, ...)                    \
    do {                                    \
        if (holds) break;                   \
        fprintf(stderr, "%d: ", __LINE__);  \
        fprintf(stderr, __VA_ARGS__);       \
        fputc('\n', stderr);                \
        exit(EXIT_FAILURE);                 \
    } while (0)
#define OK(call) NEED((call) >= 0, "%s: %s", #call, rill_errmsg())

static char url[80];
static uint64_t disk_mib = 100;
static char data[DATA_LEN];

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int skip(const char *what)
{
    printf("skipped: %s: %s\n", what, strerror(errno));
    return SKIP;
}

/* The bytes of message `seq`; another length for each. */
static size_t make(uint64_t seq)
{
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(seq * 31 + i * (seq % 7 + 1));
    return sizeof data - seq % 1000;
}

static int append(rill_bus *bus, uint64_t seq)
{
    rill_receipt receipt = {.size = sizeof receipt};
    size_t len = make(seq);
    int rc = rill_append(bus, seq % 2 ? "big.odd" : "big.even", data, len, NULL, &receipt, 20000);
    NEED(rc < 0 || receipt.seq == seq, "got %" PRIu64 ", not %" PRIu64, receipt.seq, seq);
    return rc;
}

static void check(rill_bus *bus, uint64_t seq)
{
    rill_msg *m;
    OK(rill_stream_get(bus, "BIG", RILL_AT(seq), &m));
    NEED(m->data.len == make(seq) && !memcmp(m->data.ptr, data, m->data.len),
         "%" PRIu64 " has other bytes", seq);
    rill_msg_unref(m);
}

/* Each live message from `first` on, in order; erased ones are not there. */
static void check_all(rill_bus *bus, uint64_t first, uint64_t last, uint64_t erased)
{
    rill_msg *m;
    for (uint64_t seq = first; seq <= last; seq++) {
        if (seq != erased) check(bus, seq);
        else NEED(rill_stream_get(bus, "BIG", RILL_AT(seq), &m) == RILL_ENOENT,
                  "an erased one is there");
    }
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "BIG", &info));
    NEED(info.last_seq == last, "ends at %" PRIu64 ", not %" PRIu64, info.last_seq, last);
    NEED(info.msgs == last + 1 - first - (erased >= first), "%" PRIu64 " messages", info.msgs);
}

static uint64_t jobs(rill_bus *bus)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "JOBS", &info));
    return info.msgs;
}

/* All that is read, acked, erased while the disk is full. */
static void work_when_full(rill_bus *bus, uint64_t last)
{
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "workers")));
    for (int i = 0; i < JOBS; i++) {
        OK(rill_next(sub, &m, 20000));
        OK(rill_ack(m));
    }
    OK(rill_flush(bus, 20000));
    NEED(jobs(bus) == 0, "acked jobs are still there");
    rill_sub_close(sub);
    OK(rill_stream_erase(bus, "BIG", RILL_AT(5)));
    check_all(bus, 1, last, 5);
}

typedef struct async_told {
    atomic_int err;
    char sentence[600];
} async_told;

static void stored(int err, const rill_receipt *receipt, void *arg)
{
    async_told *told = arg;
    (void)receipt;
    snprintf(told->sentence, sizeof told->sentence, "%s", rill_errmsg());
    atomic_store(&told->err, err);
}

/* Who hears of the refusal hears what was asked of which directory, and how many bytes. */
static void check_sentence(const char *sentence)
{
    NEED(strstr(sentence, url + 5) && strstr(sentence, "bytes"), "only: %s", sentence);
}

static void refuse_async(rill_bus *bus, uint64_t seq)
{
    async_told told = {.err = 1};
    size_t len = make(seq);
    OK(rill_append_async(bus, "big.odd", data, len, NULL, stored, &told));
    int64_t until_ms = now_ms() + 20000;
    while (atomic_load(&told.err) == 1 && now_ms() < until_ms)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    NEED(atomic_load(&told.err) == RILL_EFULL, "%s", rill_errname(atomic_load(&told.err)));
    check_sentence(told.sentence);
}

static void run(void)
{
    rill_bus *bus;
    rill_sub *sub;
    OK(rill_open(&bus, url, NULL));
    OK(rill_stream_ensure(bus, "BIG", RILL_OPTS(rill_stream_opts, .subjects = "big.*")));
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK)));
    OK(rill_consume(bus, &sub, "JOBS", RILL_OPTS(rill_sub_opts, .group = "workers")));
    rill_sub_close(sub);
    for (int i = 0; i < JOBS; i++) OK(rill_append(bus, "JOBS", "job", 3, NULL, NULL, 20000));
    uint64_t last = 0;
    int rc;
    while ((rc = append(bus, last + 1)) >= 0 && last < RECORDS_MAX) last++;
    NEED(rc == RILL_EFULL, "%s, not RILL_EFULL: %s", rill_errname(rc), rill_errmsg());
    printf("full after %" PRIu64 " messages: %s\n", last, rill_errmsg());
    check_sentence(rill_errmsg());
    NEED(last * DATA_LEN > disk_mib * 1000000 / 2, "full too early");
    NEED(append(bus, last + 1) == RILL_EFULL, "not full any more");
    refuse_async(bus, last + 1);
    work_when_full(bus, last);

    uint64_t first = last - 20; /* what stays */
    OK(rill_stream_purge(bus, "BIG", RILL_OPTS(rill_purge_opts, .before_seq = first), NULL));
    int64_t until_ms = now_ms() + 20000;
    while ((rc = append(bus, last + 1)) == RILL_EFULL && now_ms() < until_ms)
        nanosleep(&(struct timespec){0, 5000000}, NULL); /* until the space is reclaimed */
    NEED(rc >= 0, "no append after the purge: %s", rill_errmsg());
    last++;
    for (int i = 0; i < 200; i++) {
        OK(append(bus, last + 1));
        last++;
    }
    check_all(bus, first, last, 0);
    OK(rill_close(bus, 20000));

    OK(rill_open(&bus, url, NULL));
    check_all(bus, first, last, 0);
    NEED(jobs(bus) == 0, "acked jobs came back");
    OK(append(bus, last + 1));
    OK(rill_close(bus, 20000));
}

int main(int argc, char **argv)
{
    char dir[SCRATCH_LEN], opts[32];
    if (argc > 1) disk_mib = strtoull(argv[1], NULL, 10);
    if (geteuid() == 0 ? unshare(CLONE_NEWNS) : unshare(CLONE_NEWUSER | CLONE_NEWNS))
        return skip("no mount namespace of its own");
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) return skip("mounts stay shared");
    scratch_make(dir);
    snprintf(opts, sizeof opts, "size=%dm", (int)disk_mib);
    if (mount("tmpfs", dir, "tmpfs", 0, opts)) {
        int rc = skip("no tmpfs may be mounted");
        scratch_remove(dir);
        return rc;
    }
    snprintf(url, sizeof url, "file:%s/store", dir);
    run();
    NEED(umount(dir) == 0, "umount: %s", strerror(errno));
    scratch_remove(dir);
    return EXIT_SUCCESS;
}
