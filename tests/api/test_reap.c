/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, ends of calls and events in one call, over each kind of bus. */
#include "kinds.h"

#include <poll.h>

static rill_bus *reap_kind(int kind, void (*on_ready)(void *), void *arg)
{
    char url[80];
    rill_bus *bus = NULL;
    make_dir();
    if (kind >= KIND_NATS) kind_serve();
    if (kind >= KIND_NATS) snprintf(url, sizeof url, "nats://127.0.0.1:%d", kind_port);
    else snprintf(url, sizeof url, kind ? "file:%s" : "mem:%s", kind ? dir : "");
    OK(rill_open(&bus, url,
                 RILL_OPTS(rill_opts, .drive = kind_drives(kind) ? RILL_DRIVE_HOST
                                                               : RILL_DRIVE_THREAD,
                           .reap = true, .on_ready = on_ready, .arg = arg)));
    return bus;
}

/* What a program keeps of items, in the order they came. */
typedef struct book {
    char text[4096]; /* a word each */
    int n, msgs, dones, events, ends;
} book;

static void write_word(book *b, const char *word, size_t len)
{
    size_t at = strlen(b->text);
    if (at + len + 2 > sizeof b->text) return;
    snprintf(b->text + at, sizeof b->text - at, "%s%.*s", at ? " " : "", (int)len, word);
}

static void keep(book *b, const rill_item *item)
{
    b->n++;
    switch (item->kind) {
    case RILL_ITEM_MSG:
        b->msgs++;
        write_word(b, item->msg->data.ptr, item->msg->data.len);
        break;
    case RILL_ITEM_DONE:
        b->dones++;
        write_word(b, item->arg ? item->arg : "-", item->arg ? strlen(item->arg) : 1);
        if (item->err) write_word(b, rill_errname(item->err), strlen(rill_errname(item->err)));
        rill_sub_close(item->sub); /* which the program has from now on */
        break;
    case RILL_ITEM_EVENT:
        b->events++;
        ck_assert_ptr_nonnull(item->event->detail);
        break;
    case RILL_ITEM_END: b->ends++; break;
    }
}

static int reap_some(rill_bus *bus, book *b, size_t max, int timeout_ms)
{
    rill_reaped *reaped;
    int n = rill_reap(bus, &reaped, max, timeout_ms);
    ck_assert_int_eq(n > 0, reaped != NULL);
    if (n <= 0) return n;
    ck_assert_uint_eq(reaped->n, (size_t)n);
    ck_assert_uint_le(reaped->n, max);
    for (int i = 0; i < n; i++) keep(b, reaped->items[i]);
    rill_reaped_free(reaped);
    return n;
}

#define REAP_UNTIL(bus, b, condition)                                                     \
    do {                                                                                  \
        int64_t until_ = api_now_ms() + 50000;                                            \
        while (!(condition) && api_now_ms() < until_) {                                   \
            int n_ = reap_some(bus, b, 64, 1000);                                         \
            if (n_ != RILL_ETIMEDOUT) OK(n_);                                             \
        }                                                                                 \
        ck_assert_msg(condition, "%s did not come true in 50 s: %s", #condition, (b)->text); \
    } while (0)

static bool has(const book *b, const char *word)
{
    const char *at = b->text;
    size_t len = strlen(word);
    while ((at = strstr(at, word)) != NULL) {
        bool begins = at == b->text || at[-1] == ' ', ends = !at[len] || at[len] == ' ';
        if (begins && ends) return true;
        at += len;
    }
    return false;
}

START_TEST(all_that_comes)
{
    rill_bus *bus = reap_kind(_i, NULL, NULL);
    book b = {.n = 0};
    rill_sub *live, *stored, *watch;
    rill_kv *kv;
    REAP_UNTIL(bus, &b, b.events == 1); /* UP */
    OK(rill_stream_ensure(bus, "S", NULL));
    OK(rill_kv_open(bus, &kv, "B", NULL));
    OK(rill_subscribe(bus, &live, "live", NULL));
    OK(rill_tail(bus, &stored, "S", NULL));
    OK(rill_kv_watch(kv, &watch, NULL));
    for (int i = 0; i < 3; i++) {
        char word[8];
        int len = snprintf(word, sizeof word, "l%d", i);
        OK(rill_publish(bus, "live", word, (size_t)len, NULL));
        word[0] = 's';
        OK(rill_append_async(bus, "S", word, (size_t)len, NULL, NULL, "stored"));
    }
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = kv, .name = "k",
                                 .data = "v", .len = 1), NULL, "put"));
    OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_STREAM_STATUS, .name = "none"), NULL,
                  "status"));
    REAP_UNTIL(bus, &b, has(&b, "l2") && has(&b, "s2") && has(&b, "v") && has(&b, "put") &&
               has(&b, "status"));
    ck_assert(has(&b, "status ENOENT") || strstr(b.text, "status ENOENT"));
    ck_assert_ptr_nonnull(strstr(b.text, "l0"));
    ck_assert(strstr(b.text, "l0") < strstr(b.text, "l1")); /* each sub in its order */
    ck_assert(strstr(b.text, "s0") < strstr(b.text, "s1"));
    REAP_UNTIL(bus, &b, b.dones == 5);
    OK(rill_sub_stop(live));
    REAP_UNTIL(bus, &b, b.ends == 1);
    FAILS(reap_some(bus, &b, 10, 0), RILL_EAGAIN);
    FAILS(reap_some(bus, &b, 10, 20), RILL_ETIMEDOUT);
    rill_sub_close(live);
    rill_sub_close(stored);
    rill_sub_close(watch);
    rill_kv_close(kv);
    end_kind(bus);
}
END_TEST

static void *free_later(void *arg)
{
    rill_reaped_free(arg);
    return NULL;
}

/* Past what a bus begins with. */
static void reap_up(rill_bus *bus)
{
    book b = {.n = 0};
    REAP_UNTIL(bus, &b, b.events == 1);
}

/* Batches outlive the sub and the bus, and are freed in any order, on any thread. */
START_TEST(batches_are_the_programs)
{
    enum { BATCHES = 10, EACH = 20 };
    rill_bus *bus = reap_kind(_i, NULL, NULL);
    rill_reaped *batches[BATCHES] = {NULL};
    rill_sub *sub;
    pthread_t thread;
    char text[2000] = "";
    reap_up(bus);
    OK(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .arg = text)));
    OK(rill_flush(bus, 20000));
    for (int i = 0; i < BATCHES; i++) {
        memset(text, 'a' + i, sizeof text);
        for (int j = 0; j < EACH; j++) OK(rill_publish(bus, "a", text, sizeof text, NULL));
        OK(rill_flush(bus, 20000));
        OK(rill_reap(bus, &batches[i], EACH, 20000));
        ck_assert_int_eq(batches[i]->items[0]->kind, RILL_ITEM_MSG);
        ck_assert_ptr_eq(batches[i]->items[0]->arg, text);
        ck_assert_ptr_eq(batches[i]->items[0]->sub, sub);
        ck_assert_uint_ge(batches[i]->bytes, sizeof text);
        for (size_t left = EACH - batches[i]->n; left > 0;) { /* what came too late for it */
            book b = {.n = 0};
            OK(reap_some(bus, &b, left, 20000));
            left -= (size_t)b.msgs;
        }
    }
    rill_msg *kept = rill_msg_ref(batches[3]->items[0]->msg);
    rill_sub_close(sub);
    end_kind(bus);
    for (int i = 0; i < BATCHES; i++)
        for (size_t j = 0; j < batches[i]->n; j++) {
            const rill_msg *m = batches[i]->items[j]->msg;
            ck_assert_uint_eq(m->data.len, sizeof text);
            ck_assert_int_eq(m->data.ptr[sizeof text - 1], 'a' + i);
            ck_assert_int_eq(m->data.ptr[sizeof text], 0);
        }
    for (int i = BATCHES - 1; i >= 0; i -= 2) {
        pthread_create(&thread, NULL, free_later, batches[i]);
        pthread_join(thread, NULL);
    }
    for (int i = 0; i < BATCHES; i += 2) rill_reaped_free(batches[i]);
    ck_assert_int_eq(kept->data.ptr[0], 'd');
    rill_msg_unref(kept);
    rill_reaped_free(NULL);
}
END_TEST

/* With acks: what is handed out is not handed out again, and AUTO settles with the batch. */
START_TEST(acks)
{
    enum { COUNT = 100 };
    rill_bus *bus = reap_kind(_i, NULL, NULL);
    rill_sub *sub;
    rill_reaped *reaped;
    rill_group_info info = {.size = sizeof info};
    reap_up(bus);
    OK(rill_stream_ensure(bus, "S", NULL));
    for (int i = 0; i < COUNT; i++) append(bus, "S", "x");
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g", .ack = RILL_ACK_AUTO)));
    int got = 0, batches = 0;
    uint64_t seq = 0;
    while (got < COUNT) {
        OK(rill_reap(bus, &reaped, 16, 20000));
        for (size_t i = 0; reaped && i < reaped->n; i++) {
            if (reaped->items[i]->kind != RILL_ITEM_MSG) continue;
            ck_assert_uint_eq(reaped->items[i]->msg->seq, ++seq);
            got++;
        }
        batches++;
        OK(rill_group_status(bus, "S", "g", &info));
        ck_assert_uint_ge(info.unacked_msgs, reaped ? 1 : 0);
        rill_reaped_free(reaped);
    }
    OK(rill_flush(bus, 20000));
    OK(rill_group_status(bus, "S", "g", &info));
    ck_assert_uint_eq(info.unacked_msgs, 0);
    ck_assert_uint_eq(info.settled_seq, COUNT);
    ck_assert_int_ge(batches, COUNT / 16);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

/* ---- Being woken ---- */

typedef struct bell {
    atomic_int rung;
    int fds[2];
} bell;

static void ring(void *arg)
{
    bell *b = arg;
    atomic_fetch_add(&b->rung, 1);
    ck_assert_int_eq(write(b->fds[1], "x", 1), 1);
}

/* on_ready() comes once for all that has come since somebody looked; a loop needs no more. */
START_TEST(on_ready_tells_once)
{
    bell bell = {.rung = 0};
    book b = {.n = 0};
    char x;
    rill_sub *sub;
    ck_assert_int_eq(pipe(bell.fds), 0);
    rill_bus *bus = reap_kind(_i, ring, &bell);
    OK(rill_subscribe(bus, &sub, "a", NULL));
    OK(rill_flush(bus, 20000));
    while (reap_some(bus, &b, 100, 0) >= 0) continue;
    while (poll(&(struct pollfd){bell.fds[0], POLLIN, 0}, 1, 0) == 1)
        ck_assert_int_eq(read(bell.fds[0], &x, 1), 1);
    int before = atomic_load(&bell.rung);
    for (int i = 0; i < 50; i++) OK(rill_publish(bus, "a", "x", 1, NULL));
    OK(rill_flush(bus, 20000));
    EVENTUALLY(atomic_load(&bell.rung) > before);
    ck_assert_int_eq(atomic_load(&bell.rung), before + 1);
    REAP_UNTIL(bus, &b, b.msgs == 50);
    for (int i = 0; i < 200; i++) { /* each time that it rings there is something */
        OK(rill_publish(bus, "a", "x", 1, NULL));
        if (kind_drives(_i)) OK(rill_flush(bus, 20000)); /* else nobody turns it */
        ck_assert_int_eq(poll(&(struct pollfd){bell.fds[0], POLLIN, 0}, 1, 20000), 1);
        ck_assert_int_eq(read(bell.fds[0], &x, 1), 1);
        while (reap_some(bus, &b, 7, 0) > 0) continue;
    }
    ck_assert_int_ge(b.msgs, 240);
    rill_sub_close(sub);
    end_kind(bus);
    close(bell.fds[0]);
    close(bell.fds[1]);
}
END_TEST

/* The descriptor and the time of the next timer are enough for a loop, with either drive. */
START_TEST(a_descriptor_tells)
{
    rill_bus *bus = reap_kind(_i, NULL, NULL);
    book b = {.n = 0};
    rill_sub *sub;
    OK(rill_subscribe(bus, &sub, "deaf", NULL));
    struct pollfd fd = {.fd = rill_fd(bus), .events = POLLIN};
    ck_assert_int_ge(fd.fd, 0);
    OK(rill_request_async(bus, "deaf", "?", 1, NULL, 50, NULL, "asked"));
    while (!has(&b, "ETIMEDOUT")) {
        int ms = rill_wait_ms(bus);
        ck_assert_int_ge(poll(&fd, 1, ms < 0 ? 20000 : ms), 0);
        int rc = reap_some(bus, &b, 10, 0);
        if (rc != RILL_EAGAIN) OK(rc);
    }
    ck_assert(has(&b, "asked") && b.msgs == 1);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

/* ---- Beside callbacks, and other calls ---- */

typedef struct within {
    rill_bus *bus;
    atomic_int n, failed;
} within;

static void call_within(rill_sub *sub, const rill_msg *m, void *arg)
{
    within *w = arg;
    rill_reaped *reaped = (void *)w;
    (void)sub, (void)m;
    if (rill_reap(w->bus, &reaped, 1, 0) != RILL_EDEADLK || reaped) atomic_fetch_add(&w->failed, 1);
    atomic_fetch_add(&w->n, 1);
}

/* A callback of a bus that is reaped runs in rill_reap(), and in nothing else. */
START_TEST(callbacks_run_in_reap)
{
    rill_bus *bus = reap_kind(_i, NULL, NULL);
    within w = {.bus = bus};
    book b = {.n = 0};
    rill_sub *called, *reaped;
    const rill_msg *m;
    OK(rill_subscribe(bus, &called, "a", RILL_OPTS(rill_sub_opts, .on_msg = call_within,
                                                   .arg = &w)));
    OK(rill_subscribe(bus, &reaped, "a", NULL));
    OK(rill_flush(bus, 20000));
    for (int i = 0; i < 10; i++) OK(rill_publish(bus, "a", "x", 1, NULL));
    OK(rill_flush(bus, 20000));
    OK(rill_stream_ensure(bus, "S", NULL)); /* which waits */
    append(bus, "S", "x");
    ck_assert_int_eq(atomic_load(&w.n), 0);
    FAILS(rill_next(reaped, &m, 0), RILL_EINVAL);
    FAILS(rill_poll(bus, 0), RILL_EINVAL);
    REAP_UNTIL(bus, &b, b.msgs == 10 && atomic_load(&w.n) == 10);
    ck_assert_int_eq(atomic_load(&w.failed), 0);
    rill_sub_close(called);
    rill_sub_close(reaped);
    end_kind(bus);
}
END_TEST

START_TEST(arguments)
{
    rill_bus *bus = reap_kind(_i, NULL, NULL), *other;
    rill_reaped *reaped = (void *)&bus;
    FAILS(rill_reap(bus, NULL, 1, 0), RILL_EINVAL);
    FAILS(rill_reap(bus, &reaped, 0, 0), RILL_EINVAL);
    ck_assert_ptr_null(reaped);
    FAILS(rill_reap(NULL, &reaped, 1, 0), RILL_EINVAL);
    OK(rill_open(&other, "mem:", NULL));
    FAILS(rill_reap(other, &reaped, 1, 0), RILL_EINVAL);
    FAILS(rill_append_async(other, "a", "", 0, NULL, NULL, NULL), RILL_EINVAL);
    FAILS(rill_request_async(other, "a", "", 0, NULL, 0, NULL, NULL), RILL_EINVAL);
    OK(rill_close(other, 20000));
    end_kind(bus);
}
END_TEST

static void *reap_for_ever(void *arg)
{
    book b = {.n = 0};
    int rc;
    do rc = reap_some(arg, &b, 10, -1);
    while (rc >= 0);
    ck_assert_int_eq(rc, RILL_ECLOSED);
    return NULL;
}

static void feed_itself(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)m;
    OK(rill_publish(arg, "again", "x", 1, NULL));
}

/* A callback that never runs out of messages does not keep the thread that reaps. */
START_TEST(callbacks_without_end)
{
    rill_bus *bus = reap_kind(_i, NULL, NULL);
    rill_sub *sub;
    rill_reaped *reaped;
    OK(rill_subscribe(bus, &sub, "again", RILL_OPTS(rill_sub_opts, .on_msg = feed_itself,
                                                    .arg = bus)));
    OK(rill_publish(bus, "again", "x", 1, NULL));
    for (int i = 0; i < 3; i++) {
        OK(rill_reap(bus, &reaped, 10, 20000));
        rill_reaped_free(reaped);
    }
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

/* on_ready() is not called any more when rill_close() has returned, whatever ends later. */
START_TEST(closed_is_silent)
{
    bell bell = {.rung = 0};
    rill_sub *sub;
    ck_assert_int_eq(pipe(bell.fds), 0);
    rill_bus *bus = reap_kind(_i, ring, &bell);
    OK(rill_subscribe(bus, &sub, "a", NULL));
    OK(rill_close(bus, 20000));
    int before = atomic_load(&bell.rung);
    rill_sub_close(sub);
    ck_assert_int_eq(atomic_load(&bell.rung), before);
    close(bell.fds[0]);
    close(bell.fds[1]);
    remove_dir();
}
END_TEST

static void end_amid_calls(int kind, int timeout_ms)
{
    rill_bus *bus = reap_kind(kind, NULL, NULL);
    rill_sub *sub;
    rill_kv *kv;
    pthread_t thread;
    OK(rill_kv_open(bus, &kv, "B", NULL));
    OK(rill_subscribe(bus, &sub, "a", NULL));
    if (kind % 2) pthread_create(&thread, NULL, reap_for_ever, bus);
    for (int i = 0; i < 100; i++) {
        OK(rill_publish(bus, "a", "x", 1, NULL));
        OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = kv, .name = "k"),
                      NULL, NULL));
        OK(rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_SUBSCRIBE, .name = "b"), NULL,
                      NULL));
        OK(rill_append_async(bus, "a", "", 0, NULL, NULL, NULL));
    }
    int rc = rill_close(bus, timeout_ms);
    ck_assert(rc == RILL_OK || rc == RILL_ETIMEDOUT);
    if (kind % 2) pthread_join(thread, NULL);
    rill_sub_close(sub);
    rill_kv_close(kv);
    remove_dir();
}

/* What was not reaped goes with the bus; whoever waits hears of its end. */
START_TEST(the_end)
{
    end_amid_calls(_i, 5000);
    end_amid_calls(_i, 0);
}
END_TEST

SUITE_MAIN_ROWS("reap",
    EACH_KIND(all_that_comes, batches_are_the_programs, acks, on_ready_tells_once,
              a_descriptor_tells, callbacks_run_in_reap, callbacks_without_end,
              closed_is_silent, arguments, the_end))
