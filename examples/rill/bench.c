/* SPDX-License-Identifier: Apache-2.0 */
/* How fast is it? Each client is a bus of its own on a thread of its own. What is measured is what
 * a program sees: of pub the call itself, of request and append until the answer is here, of sub
 * the time since the message was sent, if `bench pub` of this machine has sent it.
 *
 * To look at the clock twice costs as much as to publish. So where messages follow each other
 * quickly, one in 64 on average is timed and stands for those since the last one that was; of pub
 * it is a call of its own, and those between go in one (rill_publish_many). Which
 * one is a matter of dice: what comes back after each so many messages is not seen too often. */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"
#include "run.h"
#include "tool.h"

enum {
    BENCH_CLIENTS_MAX = 256,
    BENCH_WINDOW_MAX = 65536,
    BENCH_READ_MAX = 256,      /* messages that are read at once */
    BENCH_SIZE_MAX = 8 << 20,
    BENCH_QUICK_NS = 4000,     /* from one message to the next: below that not all are timed */
    BENCH_GAP_BITS = 7,
    BENCH_GAP_MAX = 1 << BENCH_GAP_BITS,  /* for so many a message stands at most */
};

static const char bench_magic[8] = {'R', 'i', 'l', 'l', 'B', 'n', 'c', 'h'};

typedef struct bench_stamp {   /* at the beginning of a message's data */
    char magic[8];
    int64_t sent_ns;           /* since 1970, by this machine's clock */
    uint64_t stands_for;       /* messages */
} bench_stamp;

typedef struct bench_run {
    tool *t;
    const char *what, *subject;
    uint64_t count;            /* of all clients */
    size_t size;
    uint32_t clients, window;
    pthread_barrier_t ready;
    pthread_mutex_t lock;      /* of what is said on stderr */
} bench_run;

typedef struct bench_client {
    bench_run *run;
    int (*work)(struct bench_client *c);
    pthread_t thread;
    rill_bus *bus;
    bool driven;               /* by this thread: a thread for it would take its part of what is
                                  measured */
    uint64_t count, done, bytes;
    int64_t began_ns, ended_ns;
    histogram times;
    uint64_t timed_next;       /* the number of the next message that is timed ... */
    uint64_t stands_for;       /* ... and for how many it stands */
    int64_t timed_ns;          /* when the last one began */
    uint32_t dice;
    char *data;
    rill_str rows[BENCH_GAP_MAX]; /* of pub: each is that */
    sem_t room;                /* of appends: how many more may be under way */
    _Atomic int failed;        /* the first error of an append that was begun */
    int code;
} bench_client;

static int bench_failed(bench_client *c, int err)
{
    bench_run *run = c->run;
    pthread_mutex_lock(&run->lock);
    int code = tool_failed(run->t, err, run->subject);
    pthread_mutex_unlock(&run->lock);
    return code;
}

static bool bench_is_timed(const bench_client *c)
{
    return c->done == c->timed_next;
}

/* The message c->done began then and was timed: which is the next one? */
static void bench_timed(bench_client *c, int64_t began_ns)
{
    bool quick = began_ns - c->timed_ns < (int64_t)c->stands_for * BENCH_QUICK_NS;
    c->dice = c->dice * 1664525 + 1013904223;
    c->stands_for = quick ? 1 + (c->dice >> (32 - BENCH_GAP_BITS)) : 1;
    c->timed_next = c->done + c->stands_for;
    c->timed_ns = began_ns;
    assert(c->stands_for >= 1 && c->stands_for <= BENCH_GAP_MAX);
}

/* What is timed says when it was sent; what is not, nothing. */
static void bench_stamp_now(const bench_client *c, bool timed)
{
    bench_stamp stamp;
    if (c->run->size < sizeof stamp) return;
    if (!timed) {
        if (c->data[0]) c->data[0] = 0; /* a byte written just now would hold up the copy */
        return;
    }
    memcpy(stamp.magic, bench_magic, sizeof bench_magic);
    stamp.sent_ns = tool_wall_ns();
    stamp.stands_for = c->stands_for;
    memcpy(c->data, &stamp, sizeof stamp);
}

/* ---- pub ---- */

/* A call of its own. */
static int bench_pub_timed(bench_client *c)
{
    int64_t before = tool_now_ns();
    bench_stamp_now(c, true);
    int err = rill_publish(c->bus, c->run->subject, c->data, c->run->size, NULL);
    if (err < 0) return err;
    histogram_add(&c->times, tool_now_ns() - before, c->stands_for);
    bench_timed(c, before);
    return 1;
}

/* Those until the next one that is timed, in one call. */
static int bench_pub_many(bench_client *c)
{
    uint64_t n = c->count - c->done;
    if (c->timed_next - c->done < n) n = c->timed_next - c->done;
    assert(n > 0 && n <= BENCH_GAP_MAX);
    bench_stamp_now(c, false);
    return rill_publish_many(c->bus, c->run->subject, c->rows, (size_t)n);
}

static int bench_pub(bench_client *c)
{
    const bench_run *run = c->run;
    int err = RILL_OK;
    while (c->done < c->count && err >= 0 && !stop_asked()) {
        err = bench_is_timed(c) ? bench_pub_timed(c) : bench_pub_many(c);
        if (err > 0) c->done += (uint64_t)err;
        else if (err == RILL_EAGAIN) /* what waits to be sent has to leave first */
            err = c->driven ? rill_poll(c->bus, tool_timeout_ms(run->t))
                            : rill_flush(c->bus, tool_timeout_ms(run->t));
    }
    if (err >= 0) err = rill_flush(c->bus, tool_timeout_ms(run->t));
    return err < 0 ? bench_failed(c, err) : TOOL_OK;
}

/* ---- sub and consume ---- */

static void bench_take(bench_client *c, const rill_msg *m)
{
    bench_stamp stamp;
    if (c->done++ == 0) c->began_ns = tool_now_ns();
    c->bytes += m->data.len;
    /* What is stored has waited for its reader, which says nothing. */
    if (m->seq != 0 || m->data.len < sizeof stamp) return;
    memcpy(&stamp, m->data.ptr, sizeof stamp);
    if (memcmp(stamp.magic, bench_magic, sizeof bench_magic) != 0) return;
    uint64_t stands_for = stamp.stands_for < BENCH_GAP_MAX ? stamp.stands_for : BENCH_GAP_MAX;
    histogram_add(&c->times, tool_wall_ns() - stamp.sent_ns, stands_for);
}

/* Until all have come, or none for as long as an answer may take. */
static int bench_read(bench_client *c, rill_sub *sub, bool settle)
{
    const rill_msg *msgs[BENCH_READ_MAX];
    int64_t last_ns = tool_now_ns(), most_ns = (int64_t)tool_timeout_ms(c->run->t) * 1000000;
    int n = 0;
    while (c->done < c->count && !stop_asked()) {
        uint64_t left = c->count - c->done;
        n = rill_read(sub, msgs, left < BENCH_READ_MAX ? left : BENCH_READ_MAX, TOOL_SLICE_MS);
        for (int i = 0; i < n; i++) {
            bench_take(c, msgs[i]);
            int err = settle ? rill_ack(msgs[i]) : RILL_OK;
            if (err < 0) return bench_failed(c, err);
        }
        if (n > 0) last_ns = tool_now_ns();
        else if (n != RILL_ETIMEDOUT && n != RILL_EAGAIN) return bench_failed(c, n);
        else if (tool_now_ns() - last_ns > most_ns) return bench_failed(c, RILL_ETIMEDOUT);
    }
    int err = settle ? rill_flush(c->bus, tool_timeout_ms(c->run->t)) : RILL_OK;
    return err < 0 ? bench_failed(c, err) : TOOL_OK;
}

static int bench_sub(bench_client *c)
{
    rill_sub *sub = NULL;
    int err = rill_subscribe(c->bus, &sub, c->run->subject, NULL);
    int code = err < 0 ? bench_failed(c, err) : bench_read(c, sub, false);
    rill_sub_close(sub);
    return code;
}

static int bench_consume(bench_client *c)
{
    rill_sub *sub = NULL;
    int err = rill_consume(c->bus, &sub, c->run->subject, NULL);
    int code = err < 0 ? bench_failed(c, err) : bench_read(c, sub, true);
    rill_sub_close(sub);
    return code;
}

/* ---- request ---- */

static void bench_answer(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    if (m->reply.len) rill_reply(m, m->data.ptr, m->data.len, NULL);
}

static int bench_request(bench_client *c)
{
    const bench_run *run = c->run;
    int err = RILL_OK;
    while (c->done < c->count && !stop_asked()) {
        rill_msg *answer = NULL;
        int64_t before = tool_now_ns();
        err = rill_request(c->bus, run->subject, c->data, run->size, NULL, &answer,
                           tool_timeout_ms(run->t));
        if (err < 0) return bench_failed(c, err);
        histogram_add(&c->times, tool_now_ns() - before, 1);
        rill_msg_unref(answer);
        c->done++;
    }
    return TOOL_OK;
}

/* ---- append ---- */

typedef struct bench_append_one {  /* that is timed */
    bench_client *c;
    int64_t sent_ns;
    uint64_t stands_for;
} bench_append_one;

static void bench_stored(int err, const rill_receipt *receipt, void *arg)
{
    bench_client *c = arg;
    (void)receipt;
    if (err < 0) c->failed = err;
    sem_post(&c->room);
}

/* Callbacks of one bus never overlap: the histogram is theirs while appends are under way. */
static void bench_stored_timed(int err, const rill_receipt *receipt, void *arg)
{
    bench_append_one *one = arg;
    if (err >= 0) histogram_add(&one->c->times, tool_now_ns() - one->sent_ns, one->stands_for);
    bench_stored(err, receipt, one->c);
    free(one);
}

static int bench_append_timed(bench_client *c)
{
    const bench_run *run = c->run;
    bench_append_one *one = malloc(sizeof *one);
    if (!one) return RILL_ENOMEM;
    int64_t now = tool_now_ns();
    *one = (bench_append_one){.c = c, .sent_ns = now, .stands_for = c->stands_for};
    int err = rill_append_async(c->bus, run->subject, c->data, run->size, NULL,
                                bench_stored_timed, one);
    if (err < 0) free(one);
    else bench_timed(c, now);
    return err;
}

static int bench_append(bench_client *c)
{
    const bench_run *run = c->run;
    int err = RILL_OK;
    while (c->done < c->count && err >= 0 && !c->failed && !stop_asked()) {
        while (sem_wait(&c->room) < 0) continue;
        err = bench_is_timed(c) ? bench_append_timed(c)
            : rill_append_async(c->bus, run->subject, c->data, run->size, NULL, bench_stored, c);
        if (err >= 0) {
            c->done++;
            continue;
        }
        sem_post(&c->room);
        if (err == RILL_EAGAIN) err = rill_flush(c->bus, tool_timeout_ms(run->t));
    }
    for (uint32_t i = 0; i < run->window; i++)
        while (sem_wait(&c->room) < 0) continue;
    if (err >= 0) err = c->failed;
    return err < 0 ? bench_failed(c, err) : TOOL_OK;
}

/* ---- All of them ---- */

static void *bench_thread(void *arg)
{
    bench_client *c = arg;
    pthread_barrier_wait(&c->run->ready);
    c->began_ns = tool_now_ns();
    c->code = c->work(c);
    c->ended_ns = tool_now_ns();
    return NULL;
}

static void bench_report(bench_run *run, const bench_client *clients)
{
    static histogram all;
    static const struct {
        const char *name;
        double share;
    } shares[] = {{"p50_ns", .5}, {"p90_ns", .9}, {"p99_ns", .99}, {"p99_9_ns", .999}};
    out *o = &run->t->out;
    int64_t began = INT64_MAX, ended = 0;
    uint64_t done = 0, bytes = 0;
    for (uint32_t i = 0; i < run->clients; i++) {
        const bench_client *c = &clients[i];
        histogram_merge(&all, &c->times);
        if (c->began_ns < began) began = c->began_ns;
        if (c->ended_ns > ended) ended = c->ended_ns;
        done += c->done;
        bytes += c->bytes ? c->bytes : c->done * run->size;
    }
    double seconds = ended > began ? (double)(ended - began) / 1e9 : 1e-9;
    out_begin(o, OUT_LIST);
    out_row(o);
    out_text(o, "bench", run->what);
    out_count(o, "clients", run->clients);
    out_count(o, "messages", done);
    out_real(o, "seconds", seconds, 6);
    out_count(o, "messages_per_s", (uint64_t)((double)done / seconds));
    out_size(o, "bytes_per_s", (uint64_t)((double)bytes / seconds));
    for (size_t i = 0; i < sizeof shares / sizeof shares[0] && all.n; i++)
        out_span(o, shares[i].name, histogram_at(&all, shares[i].share));
    if (all.n) out_span(o, "max_ns", all.max_ns);
    out_row_end(o);
    if (!o->json) histogram_draw(o, &all);
}

static bool bench_client_open(bench_run *run, bench_client *c, int (*work)(bench_client *),
                              uint32_t i)
{
    tool *t = run->t;
    *c = (bench_client){.run = run, .work = work, .stands_for = 1, .dice = i,
                        .data = calloc(1, run->size + 1)};
    for (size_t k = 0; k < BENCH_GAP_MAX; k++) c->rows[k] = (rill_str){c->data, run->size};
    c->count = run->count / run->clients + (i < run->count % run->clients);
    /* Who hears or reads has all of it. */
    if (work == bench_sub || work == bench_consume) c->count = run->count;
    sem_init(&c->room, 0, run->window);
    /* A broker without a name is its bus's own: all clients are at that one. */
    const char *url = tool_text(t, OPT_URL);
    bool alone = i == 0 || (url && strcmp(url, "mem:") == 0);
    c->driven = work == bench_pub && link_can_drive(t);
    if (c->driven) c->code = link_open_driven(t, &c->bus);
    else if (alone) c->bus = t->bus;
    else c->code = link_open_again(t, &c->bus);
    return c->code == TOOL_OK && c->data;
}

static int bench_all(bench_run *run, int (*work)(bench_client *))
{
    tool *t = run->t;
    bench_client *clients = calloc(run->clients, sizeof *clients);
    uint32_t open = 0, started = 0;
    int code = clients ? TOOL_OK : tool_error(t, TOOL_FAILED, "out of memory");
    while (code == TOOL_OK && open < run->clients) {
        if (!bench_client_open(run, &clients[open], work, open)) code = clients[open].code;
        open++;
    }
    pthread_barrier_init(&run->ready, NULL, run->clients);
    while (code == TOOL_OK && started < run->clients) {
        if (pthread_create(&clients[started].thread, NULL, bench_thread, &clients[started]) != 0) {
            tool_error(t, TOOL_FAILED, "no thread can be started for client %u", started + 1);
            _Exit(TOOL_FAILED); /* those that were started wait for it */
        }
        started++;
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(clients[i].thread, NULL);
        if (clients[i].code != TOOL_OK) code = clients[i].code;
    }
    if (code == TOOL_OK) bench_report(run, clients);
    for (uint32_t i = 0; i < open; i++) {
        if (clients[i].bus != t->bus) rill_close(clients[i].bus, TOOL_CLOSE_MS);
        free(clients[i].data);
        sem_destroy(&clients[i].room);
    }
    pthread_barrier_destroy(&run->ready);
    free(clients);
    return code == TOOL_OK && stop_asked() ? TOOL_INTERRUPTED : code;
}

static int bench_begin(tool *t, bench_run *run, const char *what, uint64_t count)
{
    uint64_t clients = tool_number(t, OPT_CLIENTS, 1), window = tool_number(t, OPT_WINDOW, 1);
    uint64_t size = tool_number(t, OPT_BYTES, 128);
    *run = (bench_run){.t = t, .what = what, .subject = tool_word(t, 0), .size = (size_t)size,
                       .count = tool_number(t, OPT_COUNT, count), .clients = (uint32_t)clients,
                       .window = (uint32_t)window};
    pthread_mutex_init(&run->lock, NULL);
    if (clients < 1 || clients > BENCH_CLIENTS_MAX)
        return tool_error(t, TOOL_USAGE, "--clients: 1 to %d", BENCH_CLIENTS_MAX);
    if (window < 1 || window > BENCH_WINDOW_MAX)
        return tool_error(t, TOOL_USAGE, "--window: 1 to %d", BENCH_WINDOW_MAX);
    if (size > BENCH_SIZE_MAX)
        return tool_error(t, TOOL_USAGE, "--size: at most %d MiB", BENCH_SIZE_MAX >> 20);
    if (run->count < clients)
        return tool_error(t, TOOL_USAGE, "--count: at least one for each client");
    stop_loop(true);
    return link_open(t);
}

static int bench_do(tool *t, const char *what, uint64_t count, int (*work)(bench_client *))
{
    static bench_run run;
    int code = bench_begin(t, &run, what, count);
    return code == TOOL_OK ? bench_all(&run, work) : code;
}

int run_bench_pub(tool *t)
{
    return bench_do(t, "pub", 1000000, bench_pub);
}

int run_bench_sub(tool *t)
{
    return bench_do(t, "sub", 1000000, bench_sub);
}

int run_bench_append(tool *t)
{
    return bench_do(t, "append", 10000, bench_append);
}

int run_bench_consume(tool *t)
{
    return bench_do(t, "consume", 100000, bench_consume);
}

int run_bench_request(tool *t)
{
    static bench_run run;
    rill_bus *bus = NULL;
    rill_sub *sub = NULL;
    int code = bench_begin(t, &run, "request", 10000), err = RILL_OK;
    if (code != TOOL_OK) return code;
    if (!tool_has(t, OPT_OTHERS)) {
        bool alone = strncmp(tool_text(t, OPT_URL) ? tool_text(t, OPT_URL) : "", "mem:", 4) == 0;
        if (!alone) code = link_open_again(t, &bus);
        if (code != TOOL_OK) return code;
        err = rill_subscribe(bus ? bus : t->bus, &sub, run.subject,
                             RILL_OPTS(rill_sub_opts, .on_msg = bench_answer, .group = "bench"));
        if (err >= 0) err = rill_flush(bus ? bus : t->bus, tool_timeout_ms(t));
    }
    code = err < 0 ? tool_failed(t, err, run.subject) : bench_all(&run, bench_request);
    rill_sub_close(sub);
    rill_close(bus, TOOL_CLOSE_MS);
    return code;
}
