/* SPDX-License-Identifier: Apache-2.0 */
/* Records that stay in librdkafka's queues until rill_read() takes them from there. */
#include "kafka_mock.h"

#include <pthread.h>
#include <time.h>

enum { RECORDS = 3000, RECORD_MAX = 1500, LARGE = 700000, KEPT = 100 };

/* What the i-th record is like: its size, and whether it has a key, headers, or no value. */
static size_t size_of(uint64_t i) { return i % 1000 == 500 ? LARGE : 10 + i * 37 % RECORD_MAX; }
static bool has_key(uint64_t i) { return i % 3 == 0; }
static bool has_header(uint64_t i) { return i % 5 == 0; }
static bool is_gone(uint64_t i) { return i % 50 == 0 && has_key(i); }

static void fill(char *text, uint64_t i)
{
    memset(text, 'a' + (int)(i % 26), size_of(i));
}

static void append_all(rill_bus *bus)
{
    char *text = malloc(LARGE), key[16];
    for (uint64_t i = 1; i <= RECORDS; i++) {
        rill_header headers[3];
        size_t n = 0;
        snprintf(key, sizeof key, "k%llu", (unsigned long long)i);
        if (has_key(i))
            headers[n++] = (rill_header){RILL_STR("Kafka-Key"), {key, strlen(key)}};
        if (is_gone(i)) headers[n++] = (rill_header){RILL_STR("KV-Operation"), RILL_STR("DEL")};
        if (has_header(i)) headers[n++] = (rill_header){RILL_STR("trace"), {key, strlen(key)}};
        fill(text, i);
        OK(rill_publish(bus, "orders", text, is_gone(i) ? 0 : size_of(i),
                        RILL_OPTS(rill_post, .headers = headers, .nheaders = n)));
    }
    OK(rill_flush(bus, 60000));
    free(text);
}

/* `bare`: read without headers. */
static void is_record(const rill_msg *m, uint64_t i, bool bare)
{
    char key[16];
    rill_str trace;
    static char text[LARGE];
    ck_assert_uint_eq(m->seq, i);
    snprintf(key, sizeof key, "k%llu", (unsigned long long)i);
    TEXT_IS(m->subject, "orders");
    TEXT_IS(m->stream, "orders");
    TEXT_IS(m->key, has_key(i) ? key : "");
    bool traced = has_header(i) && !bare;
    ck_assert_int_eq(rill_header_get(m, "trace", &trace), traced);
    if (traced) TEXT_IS(trace, key);
    ck_assert_uint_eq(m->nheaders,
                      bare ? 0 : (uint32_t)(has_key(i) + has_header(i) + is_gone(i)));
    ck_assert_int_eq((m->flags & RILL_MSG_DELETED) != 0, is_gone(i));
    fill(text, i);
    ck_assert_uint_eq(m->data.len, is_gone(i) ? 0 : size_of(i));
    ck_assert_mem_eq(m->data.ptr, text, m->data.len);
    ck_assert_int_eq(m->data.ptr[m->data.len], 0);
    ck_assert_int_eq(m->subject.ptr[m->subject.len] | m->key.ptr[m->key.len], 0);
    ck_assert_int_gt(m->time_ns, 0);
}

/* All of them, whatever they have and however large they are, by reads of one and of many; what is
 * kept of a read outlives it, and the reader. */
START_TEST(kinds)
{
    begin();
    const rill_msg *msgs[1000];
    rill_msg *kept[KEPT];
    uint64_t at = 0, kept_at[KEPT], reads = 0;
    uint32_t nkept = 0;
    rill_bus *bus = join(_i, NULL);
    append_all(bus);
    rill_sub *sub = tail(bus, NULL);
    while (at < RECORDS) {
        int n = rill_read(sub, msgs, reads++ % 4 ? 1000 : 1, 40000);
        OK(n);
        ck_assert_int_gt(n, 0);
        for (int i = 0; i < n; i++) is_record(msgs[i], at + (uint64_t)i + 1, false);
        for (int i = 0; i < n && nkept < KEPT; i += n / 3 + 1) {
            kept_at[nkept] = at + (uint64_t)i + 1;
            ck_assert_ptr_nonnull(kept[nkept++] = rill_msg_ref(msgs[i]));
        }
        at += (uint64_t)n;
    }
    ck_assert_uint_gt(reads, 10); /* none lends more than its bytes allow */
    rill_sub_info info = {.size = sizeof info};
    OK(rill_sub_status(sub, &info));
    ck_assert_uint_eq(info.delivered_msgs, RECORDS);
    rill_sub_close(sub);
    for (uint32_t i = 0; i < nkept; i++) {
        is_record(kept[i], kept_at[i], false);
        rill_msg_unref(kept[i]);
    }
    end(bus);
}
END_TEST

static void take_bare(rill_sub *sub, const rill_msg *m, void *arg)
{
    atomic_int *n = arg;
    (void)sub;
    is_record(m, (uint64_t)*n + 1, true);
    ++*n;
}

/* A reader that wants no headers has all else, by reads and by callbacks; a key and a deletion are
 * no headers of Kafka's. */
START_TEST(without_headers)
{
    begin();
    const rill_msg *msgs[1000];
    atomic_int called = 0;
    rill_bus *bus = join(_i, NULL);
    append_all(bus);
    rill_sub *sub = tail(bus, RILL_OPTS(rill_sub_opts, .no_headers = true));
    for (uint64_t at = 0; at < RECORDS;) {
        int n = rill_read(sub, msgs, 1000, 40000);
        OK(n);
        ck_assert_int_gt(n, 0);
        for (int i = 0; i < n; i++) is_record(msgs[i], ++at, true);
        rill_msg *kept = rill_msg_ref(msgs[n - 1]);
        is_record(kept, at, true);
        rill_msg_unref(kept);
    }
    rill_sub_close(sub); /* then who is called back has is_record() for himself */
    sub = tail(bus, RILL_OPTS(rill_sub_opts, .no_headers = true, .on_msg = take_bare,
                              .arg = (void *)&called));
    DRIVEN(bus, _i, called == RECORDS);
    rill_sub_close(sub);
    end(bus);
}
END_TEST

static bool is_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, 0) == 1;
}

/* The descriptor of a reader is readable while there is something, and not when all was read. */
START_TEST(watched)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    append_numbers(bus, "orders", 3);
    rill_sub *sub = tail(bus, NULL);
    int fd = rill_sub_fd(sub);
    OK(fd);
    for (int round = 0; round < 3; round++) {
        DRIVEN(bus, _i, is_readable(fd));
        for (int i = 1; i <= 3; i++) {
            const rill_msg *m = next(sub);
            ck_assert_uint_eq(m->seq, (uint64_t)(3 * round + i));
            if (i == 1) DRIVEN(bus, _i, is_readable(fd)); /* there is more */
        }
        const rill_msg *m;
        FAILS(rill_next(sub, &m, 0), RILL_EAGAIN);
        ck_assert(!is_readable(fd));
        append_numbers(bus, "orders", 3);
    }
    rill_sub_close(sub);
    end(bus);
}
END_TEST

/* What was taken out of librdkafka's queue before the reader sought elsewhere is not lent. */
START_TEST(sought)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    append_numbers(bus, "orders", 100);
    rill_sub *sub = tail(bus, NULL);
    for (int round = 0; round < 3; round++) {
        ck_assert_uint_eq(next(sub)->seq, 1);
        ck_assert_uint_eq(next(sub)->seq, 2);
        OK(rill_seek(sub, RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .seq = 70)));
        ck_assert_uint_eq(next(sub)->seq, 70);
        OK(rill_seek(sub, RILL_OPTS(rill_at, .from = RILL_FROM_FIRST)));
    }
    rill_sub_close(sub);
    end(bus);
}
END_TEST

/* Who asks for no more still reads what has come, and then the end. */
START_TEST(stopped)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    append_numbers(bus, "orders", 100);
    rill_sub *sub = tail(bus, NULL);
    uint64_t n = 1;
    ck_assert_uint_eq(next(sub)->seq, n);
    int fd = rill_sub_fd(sub);
    OK(fd);
    OK(rill_sub_stop(sub));
    ck_assert(is_readable(fd));
    append_numbers(bus, "orders", 100);
    const rill_msg *m;
    int rc;
    while ((rc = rill_next(sub, &m, 0)) == RILL_OK) ck_assert_uint_eq(m->seq, ++n);
    ck_assert_int_eq(rc, RILL_ECLOSED);
    ck_assert_uint_gt(n, 1);
    ck_assert_uint_le(n, 200);
    FAILS(rill_next(sub, &m, 1000), RILL_ECLOSED);
    ck_assert(is_readable(fd));
    rill_sub_close(sub);
    end(bus);
}
END_TEST

typedef struct waiter {
    rill_sub *sub;
    int rc;
} waiter;

static void *wait_for_one(void *arg)
{
    waiter *w = arg;
    const rill_msg *m;
    w->rc = rill_next(w->sub, &m, -1);
    return NULL;
}

/* Who waits hears that the handle was closed; messages that are lent then stay until their reader
 * is closed, too. */
START_TEST(closed)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    append(bus, "orders", "x");
    rill_sub *waits = tail(bus, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_NEW));
    rill_sub *lends = tail(bus, NULL);
    const rill_msg *lent = next(lends), *m;
    waiter w = {.sub = waits};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_one, &w), 0);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    OK(rill_close(bus, 60000));
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.rc, RILL_ECLOSED);
    TEXT_IS(lent->data, "x");
    FAILS(rill_next(lends, &m, 1000), RILL_ECLOSED);
    rill_sub_close(lends);
    rill_sub_close(waits);
    end(NULL);
}
END_TEST

SUITE_MAIN_ROWS("kafka_read",
    SUITE_EACH(2, kinds, without_headers, watched, sought, stopped, closed))
