/* SPDX-License-Identifier: Apache-2.0 */
/* A process that uses a directory through rill.h is killed (SIGKILL) at a random moment, again and
 * again on the same directory:
 *
 *     kill [ROUNDS [ROOM [SEED]]]
 *
 * ROOM is how many KiB the disk says to have left, 0: the truth; with little, the store has many
 * small files. The child appends to a stream LOG, which a stream COPY has as its source, and a work
 * queue WORK, reads and acks the queue, erases and purges, and tells each step over a pipe: what it
 * is about to destroy before it does, what was acknowledged after. The parent then opens the
 * directory and compares. For each sequence it keeps a note; a message that was acknowledged, or
 * seen by an earlier check, is there with its bytes unless its destruction was begun; one that was
 * destroyed, or not there at a check, never comes back; numbers grow along the stream. COPY has
 * each message that LOG has, once. A message's bytes follow from its number. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rill.h"
#include "support/rng.h"
#include "support/scratch.h"

enum { DATA_MAX = 9000, BATCH = 32, KEEP = 300, KEEP_COPY = 3000, UNDER_WAY_MAX = 400 };
enum { KIND_LOG, KIND_WORK, KIND_COPY, KINDS };
enum { THERE = 1, MAY_GO = 2, GONE = 4, SETTLED = 8, DRAINED = 16 };

typedef enum told_what {
    TOLD_READY,     /* both streams were ensured */
    TOLD_APPENDED,  /* message `n` of `kind` has `seq` */
    TOLD_REMOVING,  /* `seq` of `kind` is about to be erased, or acked */
    TOLD_REMOVED,   /* it was, and that is committed */
    TOLD_PURGING,   /* LOG, all below `seq` */
    TOLD_PURGED,
    TOLD_DELIVERED, /* `seq` of WORK, whose bytes are right */
    TOLD_FAILED,    /* a call returned what it may not; the sentence is on stderr */
} told_what;

typedef struct told { /* what goes over the pipe, in one write */
    uint32_t what, kind;
    uint64_t seq, n;
} told;

typedef struct note { /* of one sequence */
    uint64_t n;       /* number of its message; 0: not known */
    uint32_t bits;
} note;

typedef struct book { /* what the parent knows of a stream */
    note *notes;      /* by sequence */
    uint64_t cap, last_seq;
    uint64_t low;     /* all below are gone */
    uint64_t *live;   /* numbers of the messages that are there */
    size_t nlive, cap_live;
} book;

static const char *const names[KINDS] = {"LOG", "WORK", "COPY"};
static const char *const subjects[KINDS] = {"LOG", "WORK", "LOG"};
static book books[KINDS];
static bool ready;
static uint64_t seed, round_now, appended, settled, removed;
static char dir[SCRATCH_LEN], url[80];
static uint64_t room_kib;

#define NEED(holds, ...)                                                             \
    do {                                                                             \
        if (holds) break;                                                            \
        fprintf(stderr, "round %" PRIu64 " of seed %" PRIu64 " in %s: ", round_now, seed, dir); \
        fprintf(stderr, __VA_ARGS__);                                                \
        fputc('\n', stderr);                                                         \
        exit(EXIT_FAILURE);                                                          \
    } while (0)

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* This one stands before the C library's: the disk may say that it is small. */
int statvfs(const char *path, struct statvfs *out)
{
    struct statfs fs;
    if (syscall(SYS_statfs, path, &fs) < 0) return -1;
    *out = (struct statvfs){.f_bsize = (unsigned long)fs.f_bsize, .f_frsize = 1024,
                            .f_blocks = fs.f_blocks, .f_bavail = fs.f_bavail};
    if (room_kib) out->f_bavail = room_kib;
    else out->f_frsize = (unsigned long)fs.f_frsize;
    return 0;
}

/* ---- Messages ---- */

static size_t message_make(uint64_t n, char *out)
{
    rng r;
    rng_init(&r, n);
    size_t len = 8 + rng_below(&r, rng_below(&r, 8) ? 300 : DATA_MAX - 8);
    memcpy(out, &n, 8);
    for (size_t i = 8; i < len; i++) out[i] = (char)(rng_next(&r) >> 30);
    return len;
}

static void message_subject(uint32_t kind, uint64_t n, char out[32])
{
    snprintf(out, 32, "%s.%u", subjects[kind], (unsigned)(n % 7));
}

/* The number of a message that is whole, else 0. */
static uint64_t message_check(uint32_t kind, const rill_msg *m)
{
    char want[DATA_MAX], subject[32];
    uint64_t n;
    if (m->data.len < 8) return 0;
    memcpy(&n, m->data.ptr, 8);
    message_subject(kind, n, subject);
    if (message_make(n, want) != m->data.len || memcmp(want, m->data.ptr, m->data.len)) return 0;
    return strlen(subject) == m->subject.len && !memcmp(subject, m->subject.ptr, m->subject.len)
               ? n : 0;
}

static int streams_ensure(rill_bus *bus)
{
    int a = rill_stream_ensure(bus, "LOG", RILL_OPTS(rill_stream_opts, .subjects = "LOG.*"));
    int b = rill_stream_ensure(bus, "WORK", RILL_OPTS(rill_stream_opts, .subjects = "WORK.*",
                                                      .keep = RILL_KEEP_WORK));
    const rill_source *log = RILL_OPTS(rill_source, .stream = "LOG");
    int c = rill_stream_ensure(bus, "COPY", RILL_OPTS(rill_stream_opts, .sources = &log,
                                                      .nsources = 1, .max_msgs = KEEP_COPY));
    return a < 0 ? a : b < 0 ? b : c < 0 ? c : a + b + c;
}

static int queue_open(rill_bus *bus, rill_sub **sub)
{
    return rill_consume(bus, sub, "WORK", RILL_OPTS(rill_sub_opts, .group = "workers",
                                                    .ack_wait_ms = 100));
}

/* ---- The child ---- */

static int pipe_out;
static atomic_int under_way;
static _Atomic uint64_t last_appended; /* of LOG, acknowledged */

static void tell(told_what what, uint32_t kind, uint64_t seq, uint64_t n)
{
    told t = {what, kind, seq, n};
    if (write(pipe_out, &t, sizeof t) != (ssize_t)sizeof t) _exit(3);
}

static void child_need(int rc, const char *what)
{
    if (rc >= 0) return;
    fprintf(stderr, "child: %s: %s: %s\n", what, rill_errname(rc), rill_errmsg());
    tell(TOLD_FAILED, 0, 0, 0);
    _exit(2);
}

typedef struct post {
    uint64_t n;
    uint32_t kind;
} post;

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    post *p = arg;
    child_need(err, "append");
    if (p->kind == KIND_LOG) atomic_store(&last_appended, receipt->seq);
    tell(TOLD_APPENDED, p->kind, receipt->seq, p->n);
    free(p);
    atomic_fetch_sub(&under_way, 1);
}

static void child_append(rill_bus *bus, uint32_t kind, uint64_t n, bool wait)
{
    char data[DATA_MAX], subject[32];
    size_t len = message_make(n, data);
    message_subject(kind, n, subject);
    if (wait) {
        rill_receipt receipt = {.size = sizeof receipt};
        child_need(rill_append(bus, subject, data, len, NULL, &receipt, 20000), "append");
        tell(TOLD_APPENDED, kind, receipt.seq, n);
        return;
    }
    post *p = malloc(sizeof *p);
    if (!p) _exit(4);
    *p = (post){n, kind};
    atomic_fetch_add(&under_way, 1);
    child_need(rill_append_async(bus, subject, data, len, NULL, on_stored, p), "append_async");
    if (atomic_load(&under_way) > UNDER_WAY_MAX) child_need(rill_flush(bus, 20000), "flush");
}

/* Most of what came is acked; the rest comes again. */
static void child_work(rill_bus *bus, rill_sub *sub, rng *r)
{
    const rill_msg *msgs[BATCH];
    uint64_t acked[BATCH];
    size_t nacked = 0;
    int n = rill_read(sub, msgs, BATCH, 1);
    if (n == RILL_ETIMEDOUT) return;
    child_need(n, "read");
    for (int i = 0; i < n; i++) {
        uint64_t number = message_check(KIND_WORK, msgs[i]);
        if (!number) child_need(RILL_ECORRUPT, "a delivered message");
        tell(TOLD_DELIVERED, KIND_WORK, msgs[i]->seq, number);
        if (rng_below(r, 8) == 0) continue;
        tell(TOLD_REMOVING, KIND_WORK, msgs[i]->seq, 0);
        child_need(rill_ack(msgs[i]), "ack");
        acked[nacked++] = msgs[i]->seq;
    }
    if (rng_below(r, 6) == 0) return;
    child_need(rill_flush(bus, 20000), "flush");
    for (size_t i = 0; i < nacked; i++) tell(TOLD_REMOVED, KIND_WORK, acked[i], 0);
}

static void child_destroy(rill_bus *bus, rng *r)
{
    uint64_t last = atomic_load(&last_appended);
    if (last < 2) return;
    if (last > KEEP && rng_below(r, 3) == 0) {
        uint64_t before = last - rng_below(r, KEEP);
        tell(TOLD_PURGING, KIND_LOG, before, 0);
        const rill_purge_opts *old = RILL_OPTS(rill_purge_opts, .before_seq = before);
        child_need(rill_stream_purge(bus, "LOG", old, NULL), "purge");
        tell(TOLD_PURGED, KIND_LOG, before, 0);
        return;
    }
    uint64_t seq = last - rng_below(r, last < KEEP ? last : KEEP);
    tell(TOLD_REMOVING, KIND_LOG, seq, 0);
    int rc = rill_stream_erase(bus, "LOG", RILL_AT(seq));
    if (rc == RILL_ENOENT) return;
    child_need(rc, "erase");
    tell(TOLD_REMOVED, KIND_LOG, seq, 0);
}

static void child_run(void)
{
    rng r;
    rill_bus *bus;
    rill_sub *sub;
    uint64_t n = round_now * 1000000;
    rng_init(&r, seed + round_now * 1000);
    child_need(rill_open(&bus, url, NULL), "open");
    child_need(streams_ensure(bus), "ensure");
    tell(TOLD_READY, 0, 0, 0);
    child_need(queue_open(bus, &sub), "consume");
    for (;;) {
        uint64_t dice = rng_below(&r, 100), many = 1 + rng_below(&r, 20);
        if (dice < 40) {
            while (many--) child_append(bus, KIND_LOG, ++n, false);
        } else if (dice < 50) {
            child_append(bus, KIND_LOG + (uint32_t)rng_below(&r, KIND_COPY), ++n, true);
        } else if (dice < 65) {
            while (many--) child_append(bus, KIND_WORK, ++n, false);
        } else if (dice < 92) {
            child_work(bus, sub, &r);
        } else {
            child_destroy(bus, &r);
        }
    }
}

/* ---- The parent ---- */

static note *book_note(book *b, uint64_t seq)
{
    if (seq >= b->cap) {
        uint64_t cap = b->cap ? b->cap : 4096;
        while (seq >= cap) cap *= 2;
        note *grown = realloc(b->notes, cap * sizeof *grown);
        NEED(grown, "out of memory");
        memset(grown + b->cap, 0, (cap - b->cap) * sizeof *grown);
        b->notes = grown;
        b->cap = cap;
    }
    return &b->notes[seq];
}

static void book_live(book *b, uint64_t n)
{
    if (b->nlive == b->cap_live) {
        b->cap_live = b->cap_live ? b->cap_live * 2 : 4096;
        b->live = realloc(b->live, b->cap_live * sizeof *b->live);
        NEED(b->live, "out of memory");
    }
    b->live[b->nlive++] = n;
}

static void book_there(uint32_t kind, uint64_t seq, uint64_t n)
{
    note *at = book_note(&books[kind], seq);
    NEED(!at->n || at->n == n, "%s %" PRIu64 " was message %" PRIu64 ", is %" PRIu64,
         names[kind], seq, at->n, n);
    at->n = n;
    at->bits |= THERE;
    if (seq > books[kind].last_seq) books[kind].last_seq = seq;
}

static void take(const told *t)
{
    book *b = &books[t->kind];
    switch ((told_what)t->what) {
    case TOLD_READY:
        ready = true;
        return;
    case TOLD_APPENDED:
        NEED(!(book_note(b, t->seq)->bits & GONE), "%s %" PRIu64 " was given twice",
             names[t->kind], t->seq);
        book_there(t->kind, t->seq, t->n);
        appended++;
        return;
    case TOLD_REMOVING:
        book_note(b, t->seq)->bits |= MAY_GO;
        return;
    case TOLD_REMOVED:
        book_note(b, t->seq)->bits |= SETTLED;
        if (t->kind == KIND_WORK) settled++;
        else removed++;
        return;
    case TOLD_PURGING:
        for (uint64_t seq = b->low; seq < t->seq; seq++) book_note(b, seq)->bits |= MAY_GO;
        return;
    case TOLD_PURGED:
        for (uint64_t seq = b->low; seq < t->seq; seq++) book_note(b, seq)->bits |= SETTLED;
        removed++;
        return;
    case TOLD_DELIVERED: /* what was gone before this round; within it an older copy may wait */
        NEED(!(book_note(b, t->seq)->bits & GONE), "settled message %" PRIu64 " came again",
             t->seq);
        return;
    case TOLD_FAILED:
        NEED(false, "the child failed");
    }
}

/* Reads until `until_us`, or, < 0, to the end, or till the first word, if that is asked for. */
static void listen_until(int fd, int64_t until_us, bool first)
{
    static char held[sizeof(told)]; /* a part of one, when a read ends within it */
    static size_t nheld;
    for (;;) {
        if (until_us >= 0) {
            int64_t left_us = until_us - now_us();
            struct pollfd p = {.fd = fd, .events = POLLIN};
            if (left_us <= 0) return;
            struct timespec left = {left_us / 1000000, left_us % 1000000 * 1000};
            if (ppoll(&p, 1, &left, NULL) <= 0) continue;
        }
        ssize_t got = read(fd, held + nheld, sizeof held - nheld);
        NEED(got >= 0 || errno == EINTR, "read: %s", strerror(errno));
        if (got == 0) {
            nheld = 0;
            return;
        }
        if (got > 0) nheld += (size_t)got;
        if (nheld < sizeof held) continue;
        told t;
        memcpy(&t, held, sizeof t);
        take(&t);
        nheld = 0;
        if (first) return;
    }
}

static void kill_one(rng *r)
{
    int ends[2];
    NEED(pipe(ends) == 0, "pipe: %s", strerror(errno));
    int64_t delay_us = 1000 + (int64_t)rng_below(r, 59000);
    bool opening = rng_below(r, 4) == 0; /* counted from the start, else once it is at work */
    int64_t until_us = now_us() + (opening ? delay_us : 20000000);
    fflush(NULL);
    pid_t child = fork();
    NEED(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) {
        close(ends[0]);
        pipe_out = ends[1];
        atomic_store(&last_appended, books[KIND_LOG].last_seq);
        child_run();
    }
    close(ends[1]);
    listen_until(ends[0], until_us, !opening);
    if (!opening) listen_until(ends[0], now_us() + delay_us, false);
    NEED(kill(child, SIGKILL) == 0, "kill: %s", strerror(errno));
    listen_until(ends[0], -1, false);
    close(ends[0]);
    int status;
    NEED(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
    NEED(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself: %x",
         (unsigned)status);
}

/* May the message be gone although nobody removed it? */
static bool check_may_go(uint32_t kind, uint64_t seq, uint64_t last_seq)
{
    return kind == KIND_COPY && seq + KEEP_COPY <= last_seq;
}

static void check_stream(rill_bus *bus, uint32_t kind)
{
    book *b = &books[kind];
    rill_stream_info info = {.size = sizeof info};
    b->nlive = 0;
    NEED(rill_stream_status(bus, names[kind], &info) == 0, "status: %s", rill_errmsg());
    NEED(info.last_seq >= b->last_seq, "%s ends at %" PRIu64 ", was at %" PRIu64, names[kind],
         info.last_seq, b->last_seq);
    uint64_t found = 0, before = 0, low = 0;
    for (uint64_t seq = b->low; seq <= info.last_seq; seq++) {
        rill_msg *m;
        note *at = book_note(b, seq);
        if (at->bits & GONE) continue; /* one that came back is counted by info.msgs */
        int rc = rill_stream_get(bus, names[kind], RILL_AT(seq), &m);
        if (rc == RILL_ENOENT) {
            NEED(!(at->bits & THERE) || at->bits & MAY_GO || check_may_go(kind, seq, info.last_seq),
                 "%s %" PRIu64 " was acknowledged and is lost", names[kind], seq);
            at->bits |= GONE;
            continue;
        }
        NEED(rc == 0, "get %s %" PRIu64 ": %s", names[kind], seq, rill_errmsg());
        NEED(!(at->bits & SETTLED), "%s %" PRIu64 " came back", names[kind], seq);
        uint64_t n = message_check(kind, m);
        NEED(n && m->seq == seq, "%s %" PRIu64 " has other bytes", names[kind], seq);
        NEED(n > before, "%s %" PRIu64 " is out of order", names[kind], seq);
        book_there(kind, seq, n);
        book_live(b, n);
        rill_msg_unref(m);
        before = n;
        found++;
        if (!low) low = seq;
    }
    NEED(found == info.msgs, "%s has %" PRIu64 " messages and says %" PRIu64, names[kind], found,
         info.msgs);
    b->last_seq = info.last_seq;
    b->low = low ? low : info.last_seq + 1;
}

/* Wait until the copy has the last message of LOG, or a later one that is gone from there. */
static void check_catches_up(rill_bus *bus)
{
    const book *log = &books[KIND_LOG];
    uint64_t last = log->nlive ? log->live[log->nlive - 1] : 0, n = 0;
    for (int64_t until_us = now_us() + 20000000; n < last && now_us() < until_us;) {
        rill_stream_info info = {.size = sizeof info};
        rill_msg *m;
        NEED(rill_stream_status(bus, "COPY", &info) == 0, "status: %s", rill_errmsg());
        if (rill_stream_get(bus, "COPY", RILL_AT(info.last_seq), &m) == 0) {
            n = message_check(KIND_COPY, m);
            rill_msg_unref(m);
        }
        if (n < last) nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    NEED(n >= last, "COPY ends with message %" PRIu64 ", LOG with %" PRIu64, n, last);
}

/* Both are in order. */
static void check_copy(void)
{
    const book *log = &books[KIND_LOG], *copy = &books[KIND_COPY];
    size_t at = 0;
    for (size_t i = 0; i < log->nlive && copy->nlive; i++) {
        while (at < copy->nlive && copy->live[at] < log->live[i]) at++;
        if (log->live[i] < copy->live[0]) continue; /* dropped there */
        NEED(at < copy->nlive && copy->live[at] == log->live[i],
             "message %" PRIu64 " of LOG is not in COPY", log->live[i]);
    }
}

static rill_bus *check(void)
{
    rill_bus *bus;
    NEED(rill_open(&bus, url, NULL) == 0, "open: %s", rill_errmsg());
    int made = streams_ensure(bus);
    NEED(made >= 0, "ensure: %s", rill_errmsg());
    NEED(!ready || !made, "a stream that was ensured is lost");
    ready = true;
    check_stream(bus, KIND_LOG);
    check_catches_up(bus);
    check_stream(bus, KIND_WORK);
    check_stream(bus, KIND_COPY);
    check_copy();
    return bus;
}

/* What is left of the queue is delivered, all of it and nothing else. */
static uint64_t drain(rill_bus *bus)
{
    book *b = &books[KIND_WORK];
    rill_stream_info info = {.size = sizeof info};
    rill_sub *sub;
    const rill_msg *m;
    int64_t until_us = now_us() + 20000000;
    uint64_t left, drained = 0;
    NEED(rill_stream_status(bus, "WORK", &info) == 0, "status: %s", rill_errmsg());
    NEED(queue_open(bus, &sub) == 0, "consume: %s", rill_errmsg());
    for (left = info.msgs; left && now_us() < until_us;) {
        int rc = rill_next(sub, &m, 1000);
        if (rc == RILL_ETIMEDOUT) continue;
        NEED(rc == 0, "next: %s", rill_errmsg());
        note *at = book_note(b, m->seq);
        NEED(!(at->bits & (GONE | SETTLED)), "settled message %" PRIu64 " came again", m->seq);
        NEED(message_check(KIND_WORK, m) == at->n, "WORK %" PRIu64 " has other bytes", m->seq);
        NEED(rill_ack(m) == 0, "ack: %s", rill_errmsg());
        if (at->bits & DRAINED) continue;
        at->bits |= DRAINED;
        left--;
        drained++;
    }
    NEED(!left, "%" PRIu64 " messages of the queue did not come", left);
    rill_sub_close(sub);
    return drained;
}

int main(int argc, char **argv)
{
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 100;
    room_kib = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
    seed = argc > 3 ? strtoull(argv[3], NULL, 0) : rng_seed((uint64_t)now_us());
    scratch_make(dir);
    snprintf(url, sizeof url, "file:%s/store", dir);
    rng r;
    rng_init(&r, seed);
    for (uint32_t kind = 0; kind < KINDS; kind++) books[kind].low = 1;
    for (round_now = 1; round_now <= rounds; round_now++) {
        kill_one(&r);
        rill_bus *bus = check();
        uint64_t drained = round_now == rounds ? drain(bus) : 0;
        NEED(rill_close(bus, 20000) == 0, "close: %s", rill_errmsg());
        if (round_now < rounds) continue;
        printf("%" PRIu64 " kills, seed %" PRIu64 ": %" PRIu64 " appends acknowledged, %" PRIu64
               " acks flushed, %" PRIu64 " erasures and purges, %" PRIu64 " drained\n",
               rounds, seed, appended, settled, removed, drained);
    }
    /* A check that had nothing to check is none. */
    NEED(rounds < 20 || (appended > rounds && settled && removed), "too little was done");
    scratch_sizes s = scratch_measure(dir);
    scratch_remove(dir);
    NEED(!room_kib || s.largest <= room_kib * 1024 / 4, "a file of %" PRIu64, s.largest);
    NEED(!room_kib || rounds < 20 || s.files > 4, "only %" PRIu64 " files", s.files);
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        free(books[kind].notes);
        free(books[kind].live);
    }
    return EXIT_SUCCESS;
}
