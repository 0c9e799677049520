/* SPDX-License-Identifier: Apache-2.0 */
/* A handle on flash, as a program for firmware has it: streams, groups, buckets, and a stream that
 * is carried to another bus while the power of either end goes again and again. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"
#include "support/nor.h"
#include "support/suite.h"

enum { ARENA = 49152 };

/* A device: its flash, and the handle that it has while it has power. */
typedef struct device {
    nor flash;
    rill_bus *bus;
    rill_host host;
    rill_memory memory;
    _Alignas(8) char arena[ARENA];
} device;

static device here, there;
static int64_t now_ns;
static int errors;

static int64_t clock_of(void *arg)
{
    (void)arg;
    return now_ns += 1000;
}

static void entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0x5e, len);
}

static void idle(void *arg, int64_t ns)
{
    (void)arg;
    now_ns += ns < 0 || ns > RI_MS ? RI_MS : ns;
}

static void event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    (void)arg;
    errors += ev->kind == RILL_EV_ERROR;
}

static int device_open(device *d, const char *url)
{
    memset(d->arena, 0xa5, sizeof d->arena); /* what it knew is gone */
    d->host = (rill_host){.size = sizeof d->host, .mono_ns = clock_of, .entropy = entropy,
                          .idle = idle};
    d->memory = (rill_memory){.size = sizeof d->memory, .arena = d->arena, .arena_bytes = ARENA,
                              .max_subs = 4, .max_pending = 8, .max_calls = 4,
                              .max_msg_bytes = 512};
    d->bus = NULL;
    return rill_open(&d->bus, url, RILL_OPTS(rill_opts, .host = &d->host, .drive = RILL_DRIVE_HOST,
                     .on_event = event, .memory = &d->memory, .flash = &d->flash.dev));
}

static void device_make(device *d, uint64_t seed)
{
    nor_init(&d->flash, 16, 2048, 4, seed);
    ck_assert_ok(device_open(d, "flash:a?record=256&keys=8&format"));
}

static void setup(void)
{
    now_ns = RI_SEC;
    errors = 0;
    device_make(&here, 1);
    device_make(&there, 2);
}

static void teardown(void)
{
    rill_close(here.bus, 0);
    rill_close(there.bus, 0);
    nor_fini(&here.flash);
    nor_fini(&there.flash);
}

static void again(device *d)
{
    ck_assert_ok(rill_close(d->bus, 0));
    ck_assert_ok(device_open(d, "flash:a?record=256&keys=8"));
}

static int number_of(const rill_msg *m)
{
    return atoi(m->data.ptr);
}

static void count_one(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    ++*(int *)arg;
}

START_TEST(test_open)
{
    rill_bus *bus = here.bus;
    ck_assert_uint_eq(rill_caps(bus), RILL_CAN_STREAM | RILL_CAN_KV);
    ck_assert_rc(rill_publish(bus, "a", "", 0, NULL), RILL_ENOTSUP);
    ck_assert_rc(rill_append(bus, "a", "", 0, NULL, NULL, 100), RILL_ENOREPLY);
    ck_assert_ok(rill_close(bus, 0));
    ck_assert_rc(device_open(&here, "flash:a?record=256&keys=8&tail=1"), RILL_EINVAL);
    ck_assert_rc(device_open(&here, "flash:a?record=many"), RILL_EINVAL);
    ck_assert_rc(device_open(&here, "flash:a?record=513"), RILL_EINVAL);
    ck_assert_rc(device_open(&here, "flash:a?streams=5"), RILL_ENOTSUP);
    ck_assert_rc(device_open(&here, "flash:a?streams=99"), RILL_EINVAL);
    memset(here.flash.bytes, 0xff, 16 * 2048);
    memset(here.flash.state, 0, 16 * 2048);
    ck_assert_rc(device_open(&here, "flash:a?record=256"), RILL_ENOENT);
    ck_assert_ok(device_open(&here, "flash:a?record=256&format"));
    ck_assert_ok(rill_stream_ensure(here.bus, "S", NULL));
    ck_assert_ok(rill_close(here.bus, 0));
    ck_assert_ok(device_open(&here, "flash:a?record=256&format"));
    ck_assert_ok(rill_append(here.bus, "S", "x", 1, NULL, NULL, 100)); /* it was there */
    ck_assert_ok(rill_close(here.bus, 0));
    ck_assert_ok(device_open(&here, "flash:a?record=256&format=always"));
    ck_assert_rc(rill_append(here.bus, "S", "x", 1, NULL, NULL, 100), RILL_ENOREPLY);
}
END_TEST

START_TEST(test_streams)
{
    rill_bus *bus = here.bus;
    rill_sub *sub;
    const rill_msg *m;
    rill_receipt receipt = {.size = sizeof receipt};
    rill_header header = {RILL_STR("Colour"), RILL_STR("red")};
    ck_assert_rc(rill_stream_ensure(bus, "OLD", RILL_OPTS(rill_stream_opts, .max_age_ms = 5)),
                 RILL_ENOTSUP);
    ck_assert_rc(rill_stream_ensure(bus, "A", RILL_OPTS(rill_stream_opts,
                 .subjects = "a.name.that.is.much.too.long.for.so.small.a.place.>")), RILL_ETOOBIG);
    ck_assert_ok(rill_stream_ensure(bus, "A", RILL_OPTS(rill_stream_opts, .subjects = "a.> b",
                                                        .max_bytes = 4000)));
    ck_assert_ok(rill_stream_ensure(bus, "A", RILL_OPTS(rill_stream_opts, .subjects = "a.> b",
                                                        .max_bytes = 4000)));
    ck_assert_rc(rill_stream_ensure(bus, "A", RILL_OPTS(rill_stream_opts, .subjects = "c")),
                 RILL_EEXIST);
    ck_assert_ok(rill_append(bus, "a.1", "one", 3, RILL_OPTS(rill_post, .headers = &header,
                             .nheaders = 1), &receipt, 100));
    ck_assert_ok(rill_append(bus, "b", "two", 3, NULL, &receipt, 100));
    ck_assert_uint_eq(receipt.seq, 2);
    char large[300] = {0};
    ck_assert_rc(rill_append(bus, "b", large, sizeof large, NULL, NULL, 100), RILL_ETOOBIG);
    again(&here);
    ck_assert_ok(rill_tail(here.bus, &sub, "A", RILL_OPTS(rill_sub_opts, .filter = "a.*")));
    ck_assert_ok(rill_next(sub, &m, 100));
    ck_assert_str_eq(m->data.ptr, "one");
    rill_str value;
    ck_assert_int_eq(rill_header_get(m, "Colour", &value), 1);
    ck_assert_span(value, "red");
    ck_assert_rc(rill_next(sub, &m, 5), RILL_ETIMEDOUT);
    rill_sub_close(sub);
    ck_assert_ok(rill_consume(here.bus, &sub, "A", RILL_OPTS(rill_sub_opts, .group = "g",
                                                             .ack_wait_ms = 1000)));
    ck_assert_ok(rill_next(sub, &m, 100));
    ck_assert_uint_eq(m->deliveries, 1);
    ck_assert_ok(rill_ack(m));
    ck_assert_rc(rill_ack(m), RILL_ENOENT);
    ck_assert_ok(rill_next(sub, &m, 100));
    ck_assert_str_eq(m->subject.ptr, "b");
    ck_assert_ok(rill_nak(m, 50));
    int64_t then = now_ns;
    ck_assert_ok(rill_next(sub, &m, 1000));
    ck_assert_int_ge(now_ns - then, 50 * RI_MS);
    ck_assert_uint_eq(m->deliveries, 2);
    again(&here);
    ck_assert_ok(rill_consume(here.bus, &sub, "A", RILL_OPTS(rill_sub_opts, .group = "g")));
    ck_assert_ok(rill_next(sub, &m, 100));
    ck_assert_uint_eq(m->seq, 2);
    ck_assert_int_eq(errors, 0);
}
END_TEST

START_TEST(test_buckets)
{
    rill_kv *kv;
    rill_msg *m;
    uint64_t rev = 0, expect = 1;
    ck_assert_rc(rill_kv_open(here.bus, &kv, "conf", RILL_OPTS(rill_bucket_opts, .history = 3)),
                 RILL_ENOTSUP);
    ck_assert_ok(rill_kv_open(here.bus, &kv, "conf",
                              RILL_OPTS(rill_bucket_opts, .max_bytes = 4000)));
    ck_assert_ok(rill_kv_create(kv, "rate", "5", 1, NULL, &rev));
    ck_assert_uint_eq(rev, 1);
    ck_assert_rc(rill_kv_create(kv, "rate", "6", 1, NULL, NULL), RILL_EEXIST);
    ck_assert_ok(rill_kv_put(kv, "rate", "7", 1, RILL_OPTS(rill_kv_opts, .expect = &expect), &rev));
    ck_assert_rc(rill_kv_put(kv, "rate", "8", 1, RILL_OPTS(rill_kv_opts, .expect = &expect), NULL),
                 RILL_ECONFLICT);
    again(&here);
    ck_assert_ok(rill_kv_open(here.bus, &kv, "conf",
                              RILL_OPTS(rill_bucket_opts, .must_exist = true)));
    ck_assert_ok(rill_kv_get(kv, "rate", &m));
    ck_assert_str_eq(m->data.ptr, "7");
    ck_assert_str_eq(m->key.ptr, "rate");
    ck_assert_uint_eq(m->seq, 2);
    rill_msg_unref(m);
    ck_assert_ok(rill_kv_delete(kv, "rate", NULL));
    ck_assert_ok(rill_kv_delete(kv, "rate", NULL));
    again(&here);
    ck_assert_ok(rill_kv_open(here.bus, &kv, "conf", NULL));
    ck_assert_rc(rill_kv_get(kv, "rate", &m), RILL_ENOENT);
    ck_assert_ok(rill_kv_create(kv, "rate", "9", 1, NULL, &rev));
}
END_TEST

/* ---- Watching ---- */

static char log_text[1024];

/* "key=data" of each, with ! behind what was caught up with, and - in place of what is gone. */
static void note(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    size_t used = strlen(log_text);
    bool gone = m->flags & RILL_MSG_DELETED;
    snprintf(log_text + used, sizeof log_text - used, "%s%s%s%s ", m->key.ptr,
             m->key.len ? gone ? "-" : "=" : "", m->data.ptr,
             m->flags & RILL_MSG_CAUGHT_UP ? "!" : "");
}

static void check_log(const char *want)
{
    while (rill_wait_ms(here.bus) == 0) ck_assert_int_ge(rill_poll(here.bus, 0), 0);
    ck_assert_str_eq(log_text, want);
    log_text[0] = 0;
}

START_TEST(test_watch)
{
    rill_kv *kv;
    rill_sub *all, *some, *late;
    char key[16];
    log_text[0] = 0;
    ck_assert_ok(rill_kv_open(here.bus, &kv, "conf", RILL_OPTS(rill_bucket_opts,
                                                               .max_bytes = 4000)));
    ck_assert_ok(rill_kv_watch(kv, &all, RILL_OPTS(rill_sub_opts, .on_msg = note)));
    check_log("! ");
    ck_assert_ok(rill_kv_put(kv, "a", "1", 1, NULL, NULL));
    ck_assert_ok(rill_kv_put(kv, "b.c", "2", 1, NULL, NULL));
    check_log("a=1 b.c=2 ");
    ck_assert_ok(rill_kv_put(kv, "a", "3", 1, NULL, NULL));
    ck_assert_ok(rill_kv_put(kv, "a", "4", 1, NULL, NULL)); /* the last one, as anywhere */
    check_log("a=4 ");
    ck_assert_ok(rill_kv_delete(kv, "b.c", NULL));
    ck_assert_ok(rill_kv_put(kv, "b.d", "5", 1, NULL, NULL));
    check_log("b.c- b.d=5 ");
    rill_sub_close(all);
    ck_assert_ok(rill_kv_put(kv, "b.e", "6", 1, NULL, NULL));
    ck_assert_ok(rill_kv_watch(kv, &some, RILL_OPTS(rill_sub_opts, .on_msg = note,
                                                    .filter = "b.*")));
    check_log("b.d=5 b.e=6! ");
    ck_assert_ok(rill_kv_delete(kv, "a", NULL));
    ck_assert_ok(rill_kv_purge(kv, "b.d", NULL));
    check_log("b.d- ");
    rill_sub_close(some);
    ck_assert_ok(rill_kv_watch(kv, &late, RILL_OPTS(rill_sub_opts, .on_msg = note,
                                                    .from = RILL_FROM_NEW)));
    check_log("! ");
    ck_assert_ok(rill_kv_delete(kv, "b.e", NULL));
    for (int i = 0; i < 8; i++) { /* as many keys as there may be, the deletion unread */
        ck_assert_int_eq(errors, 0);
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_ok(rill_kv_put(kv, key, "", 0, NULL, NULL));
    }
    while (rill_wait_ms(here.bus) == 0) ck_assert_int_ge(rill_poll(here.bus, 0), 0);
    ck_assert_int_eq(errors, 1); /* it was lost, and the watch ends */
    ck_assert_str_eq(log_text, "");
    rill_sub_close(late);
}
END_TEST

/* ---- Ids ---- */

START_TEST(test_ids)
{
    rill_receipt receipt = {.size = sizeof receipt};
    const rill_post one = {.size = sizeof one, .msg_id = "one"};
    ck_assert_ok(rill_stream_ensure(here.bus, "S", NULL));
    ck_assert_ok(rill_append(here.bus, "S", "x", 1, &one, &receipt, 100));
    ck_assert(!receipt.duplicate);
    ck_assert_ok(rill_append(here.bus, "S", "y", 1, NULL, NULL, 100));
    again(&here);
    ck_assert_ok(rill_append(here.bus, "S", "x", 1, &one, &receipt, 100));
    ck_assert(receipt.duplicate);
    ck_assert_uint_eq(receipt.seq, 1);
    ck_assert_rc(rill_stream_ensure(here.bus, "T", RILL_OPTS(rill_stream_opts,
                 .dedupe_window_ms = 1000)), RILL_ENOTSUP);
    ck_assert_ok(rill_close(here.bus, 0));
    ck_assert_ok(device_open(&here, "flash:a?ids=0&record=256&keys=8&format=always"));
    ck_assert_ok(rill_stream_ensure(here.bus, "S", NULL));
    ck_assert_rc(rill_append(here.bus, "S", "x", 1, &one, NULL, 100), RILL_ENOTSUP);
    ck_assert_ok(rill_close(here.bus, 0));
    ck_assert_rc(device_open(&here, "flash:a?ids=8&record=256&keys=8"), RILL_ENOTSUP);
    ck_assert_ok(device_open(&here, "flash:a?ids=0&record=256&keys=8"));
}
END_TEST

/* Each is stored under its id until that is acknowledged, whatever became of the power; what has
 * been read is gone from the queue, and known still. Each is read once, but for those that were
 * read when the power went. */
START_TEST(test_ids_without_power)
{
    rng dice;
    char id[12];
    int stored = 0, come = 0, twice = 0, cuts = 0;
    rng_init(&dice, rng_seed(41) + (uint64_t)_i);
    here.flash.drifts = true;
    for (int round = 0; round < 150; round++) {
        here.flash.tear = (int)rng_below(&dice, NOR_TEARS);
        here.flash.cut_at = here.flash.ops + 1 + rng_below(&dice, 40);
        while (!here.flash.off) {
            rill_stream_ensure(here.bus, "S", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK));
            size_t len = (size_t)snprintf(id, sizeof id, "%d", stored);
            rill_post post = {.size = sizeof post, .msg_id = id};
            rill_receipt receipt = {.size = sizeof receipt};
            int rc = rill_append(here.bus, "S", id, len, &post, &receipt, 100);
            twice += rc >= 0 && receipt.duplicate;
            stored += rc >= 0;
            rill_sub *sub;
            const rill_msg *m;
            if (rng_below(&dice, 3) || rill_consume(here.bus, &sub, "S",
                                                    RILL_OPTS(rill_sub_opts, .group = "g")) < 0)
                continue;
            while (rill_next(sub, &m, 0) == RILL_OK) {
                int n = number_of(m);
                ck_assert_int_le(n, come);
                come += n == come;
                if (rill_ack(m) < 0) break;
            }
            rill_sub_close(sub);
        }
        cuts++;
        rill_close(here.bus, 0);
        nor_power(&here.flash);
        here.flash.cut_at = 0;
        ck_assert_ok(device_open(&here, "flash:a?record=256&keys=8"));
    }
    ck_assert_int_eq(cuts, 150);
    ck_assert_int_gt(twice, 0); /* some were cut off when they had happened */
    ck_assert_int_gt(come, 50);
    rill_sub *sub;
    const rill_msg *m;
    ck_assert_ok(rill_consume(here.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g")));
    for (int last = -1; rill_next(sub, &m, 0) == RILL_OK;) { /* what is there is there once */
        ck_assert_int_gt(number_of(m), last);
        last = number_of(m);
        come = last + 1;
        ck_assert_ok(rill_ack(m));
    }
    ck_assert_int_ge(come, stored);
    ck_assert_int_le(come, stored + 1); /* the last one was not acknowledged, and may be there */
}
END_TEST

/* ---- Store and forward ---- */

static void make_streams(void)
{
    (void)rill_stream_ensure(here.bus, "OUT", RILL_OPTS(rill_stream_opts, .subjects = "log.>",
                             .keep = RILL_KEEP_WORK, .reject_when_full = true));
    (void)rill_stream_ensure(there.bus, "IN", RILL_OPTS(rill_stream_opts, .subjects = "log.>"));
}

START_TEST(test_forward)
{
    rill_forward *fwd;
    rill_forward_info info = {.size = sizeof info};
    rill_sub *sub;
    const rill_msg *m;
    char text[8];
    make_streams();
    ck_assert_rc(rill_forward_open(&fwd, here.bus, "OUT", there.bus, "IN", NULL), RILL_EINVAL);
    ck_assert_ok(rill_forward_open(&fwd, here.bus, "OUT", there.bus, "IN",
                                   RILL_OPTS(rill_forward_opts, .name = "up", .window = 4)));
    for (int i = 0; i < 20; i++)
        ck_assert_ok(rill_append(here.bus, "log.x", text, (size_t)snprintf(text, 8, "%d", i), NULL,
                                 NULL, 100));
    for (int i = 0; i < 60; i++) {
        ck_assert_int_ge(rill_poll(here.bus, 0), 0);
        ck_assert_int_ge(rill_poll(there.bus, 0), 0);
    }
    ck_assert_ok(rill_forward_status(fwd, &info));
    ck_assert_uint_eq(info.msgs, 20);
    ck_assert_uint_eq(info.lag_msgs, 0);
    ck_assert_ok(rill_tail(there.bus, &sub, "IN", NULL));
    for (int i = 0; i < 20; i++) {
        ck_assert_ok(rill_next(sub, &m, 100));
        ck_assert_int_eq(number_of(m), i);
        rill_str id;
        ck_assert_int_eq(rill_header_get(m, "Nats-Msg-Id", &id), 1);
        ck_assert(ri_str_starts(id, RI_STR("up/OUT/0/")));
    }
    ck_assert_ok(rill_tail(here.bus, &sub, "OUT", NULL)); /* and it is gone here */
    ck_assert_rc(rill_next(sub, &m, 5), RILL_ETIMEDOUT);
    ck_assert_ok(rill_forward_close(fwd, 100));
}
END_TEST

/* All headers are carried, but for what their publisher asked of the source. */
START_TEST(test_forward_headers)
{
    enum { MANY = 14 };
    rill_forward *fwd;
    rill_sub *sub;
    const rill_msg *m;
    char names[MANY][4];
    rill_header headers[MANY];
    make_streams();
    for (int i = 0; i < MANY; i++) {
        size_t len = (size_t)snprintf(names[i], sizeof names[i], "H%d", i);
        headers[i] = (rill_header){{names[i], len}, {names[i], 1}};
    }
    ck_assert_ok(rill_append(here.bus, "log.x", "data", 4, RILL_OPTS(rill_post,
                 .headers = headers, .nheaders = MANY, .msg_id = "own"), NULL, 100));
    ck_assert_ok(rill_append(here.bus, "log.x", "bare", 4, NULL, NULL, 100));
    ck_assert_ok(rill_forward_open(&fwd, here.bus, "OUT", there.bus, "IN",
                                   RILL_OPTS(rill_forward_opts, .name = "up")));
    for (int i = 0; i < 10; i++) {
        ck_assert_int_ge(rill_poll(here.bus, 0), 0);
        ck_assert_int_ge(rill_poll(there.bus, 0), 0);
    }
    ck_assert_ok(rill_tail(there.bus, &sub, "IN", NULL));
    ck_assert_ok(rill_next(sub, &m, 100));
    ck_assert_span(m->data, "data");
    ck_assert_uint_eq(m->nheaders, MANY + 2);
    for (uint32_t i = 0, at = 0; i < m->nheaders; i++) {
        rill_header h = rill_header_at(m, i);
        if (ri_str_is(h.name, "Nats-Msg-Id")) ck_assert(ri_str_starts(h.value, RI_STR("up/OUT/")));
        else if (ri_str_is(h.name, "Nats-Expected-Stream")) ck_assert_span(h.value, "IN");
        else ck_assert(ri_str_eq(h.name, headers[at++].name));
    }
    ck_assert_ok(rill_next(sub, &m, 100));
    ck_assert_span(m->data, "bare");
    ck_assert_uint_eq(m->nheaders, 2);
    ck_assert_ok(rill_forward_close(fwd, 100));
}
END_TEST

/* The source is closed while the target has not said what became of what is under way: its memory
 * is touched no more. */
START_TEST(test_forward_left)
{
    rill_forward *fwd;
    rill_forward_info info = {.size = sizeof info};
    make_streams();
    ck_assert_ok(rill_forward_open(&fwd, here.bus, "OUT", there.bus, "IN",
                                   RILL_OPTS(rill_forward_opts, .name = "up", .window = 2)));
    for (int i = 0; i < 4; i++)
        ck_assert_ok(rill_append(here.bus, "log.x", "0", 1, NULL, NULL, 100));
    ck_assert_int_ge(rill_poll(here.bus, 0), 0);
    ck_assert_ok(rill_forward_status(fwd, &info));
    ck_assert_uint_ge(info.under_way, 1);
    ck_assert_ok(rill_close(here.bus, 0));
    memset(here.arena, 0xa5, sizeof here.arena);
    for (int i = 0; i < 4; i++) ck_assert_int_ge(rill_poll(there.bus, 0), 0);
    for (size_t i = 0; i < sizeof here.arena; i++) ck_quick((uint8_t)here.arena[i] == 0xa5);
    ck_assert_ok(device_open(&here, "flash:a?record=256&keys=8"));
}
END_TEST

/* A program that sleeps as long as rill_wait_ms() says gets all that is stored. */
START_TEST(test_wait)
{
    int heard = 0;
    rill_sub *sub;
    make_streams();
    for (int i = 0; i < 5; i++)
        ck_assert_ok(rill_append(here.bus, "log.x", "0", 1, NULL, NULL, 100));
    ck_assert_ok(rill_tail(here.bus, &sub, "OUT", RILL_OPTS(rill_sub_opts, .on_msg = count_one,
                                                            .arg = &heard)));
    for (int i = 0; i < 100 && rill_wait_ms(here.bus) == 0; i++) rill_poll(here.bus, 0);
    ck_assert_int_eq(heard, 5);
    ck_assert_int_eq(rill_wait_ms(here.bus), -1);
    ck_assert_ok(rill_append(here.bus, "log.x", "0", 1, NULL, NULL, 100));
    ck_assert_int_eq(rill_wait_ms(here.bus), 0);
    rill_poll(here.bus, 0);
    ck_assert_int_eq(heard, 6);
}
END_TEST

/* The last, and acks of all before it; what flash cannot do is refused. */
START_TEST(test_options)
{
    rill_sub *sub;
    const rill_msg *m[3];
    make_streams();
    for (int i = 0; i < 3; i++)
        ck_assert_ok(rill_append(here.bus, "log.x", &"abc"[i], 1, NULL, NULL, 100));
    ck_assert_ok(rill_tail(here.bus, &sub, "OUT", RILL_OPTS(rill_sub_opts,
                                                            .from = RILL_FROM_LAST)));
    ck_assert_ok(rill_next(sub, m, 5));
    ck_assert_span(m[0]->data, "c");
    rill_sub_close(sub);
    ck_assert_rc(rill_tail(here.bus, &sub, "OUT", RILL_OPTS(rill_sub_opts,
                           .from = RILL_FROM_LAST_PER_SUBJECT)), RILL_ENOTSUP);
    ck_assert_rc(rill_tail(here.bus, &sub, "OUT", RILL_OPTS(rill_sub_opts, .headers_only = true)),
                 RILL_ENOTSUP);
    ck_assert_ok(rill_consume(here.bus, &sub, "OUT", RILL_OPTS(rill_sub_opts, .group = "g",
                              .ack = RILL_ACK_UPTO, .ack_wait_ms = 100)));
    for (int i = 0; i < 3; i++) {
        ck_assert_ok(rill_next(sub, m, 5));
        if (i == 1) ck_assert_ok(rill_ack(m[0]));
    }
    now_ns += RI_SEC;
    ck_assert_ok(rill_next(sub, m, 5));
    ck_assert_span(m[0]->data, "c");
    ck_assert_rc(rill_next(sub, m, 5), RILL_ETIMEDOUT);
    rill_sub_close(sub);
}
END_TEST

/* What has come since the last time: numbers go on from `n`, each first after those before it. */
static int carried(int n)
{
    rill_sub *sub;
    const rill_msg *m;
    ck_assert_ok(rill_consume(there.bus, &sub, "IN", RILL_OPTS(rill_sub_opts, .group = "check")));
    while (rill_next(sub, &m, 0) == RILL_OK) {
        ck_assert_int_le(number_of(m), n); /* one that came twice is known by its id */
        n += number_of(m) == n;
        ck_assert_ok(rill_ack(m));
    }
    rill_sub_close(sub);
    return n;
}

/* Either device loses its power within some operations of its flash, again and again. What was
 * acknowledged to the sensor comes, in order, and leaves the queue only then. */
START_TEST(test_forward_without_power)
{
    rill_forward *fwd = NULL;
    rng dice;
    char text[8];
    int stored = 0, come = 0;
    rng_init(&dice, rng_seed(40) + (uint64_t)_i);
    here.flash.drifts = there.flash.drifts = true;
    make_streams();
    for (int round = 0; round < 150; round++) {
        device *d = rng_below(&dice, 2) ? &here : &there;
        d->flash.tear = (int)rng_below(&dice, NOR_TEARS);
        d->flash.cut_at = d->flash.ops + 1 + rng_below(&dice, 30);
        if (rill_forward_open(&fwd, here.bus, "OUT", there.bus, "IN",
                              RILL_OPTS(rill_forward_opts, .name = "up")) < 0) fwd = NULL;
        for (int i = 0; i < 12 && !here.flash.off && !there.flash.off; i++) {
            size_t len = (size_t)snprintf(text, sizeof text, "%d", stored);
            if (rng_below(&dice, 3))
                stored += rill_append(here.bus, "log.x", text, len, NULL, NULL, 100) == 0;
            rill_poll(here.bus, 0);
            rill_poll(there.bus, 0);
        }
        rill_forward_close(fwd, 0);
        fwd = NULL;
        for (int i = 0; i < 2; i++) { /* the one that lost its power, or was reset, comes back */
            d = i ? &here : &there;
            bool was_off = d->flash.off;
            rill_close(d->bus, 0);
            nor_power(&d->flash);
            ck_assert_ok(device_open(d, "flash:a?record=256&keys=8"));
            if (!was_off) d->flash.cut_at = 0;
        }
        make_streams();
        /* One that was cut off is stored once more: it may have happened. */
        size_t len = (size_t)snprintf(text, sizeof text, "%d", stored);
        ck_assert_ok(rill_append(here.bus, "log.x", text, len, NULL, NULL, 100));
        stored++;
        come = carried(come);
    }
    ck_assert_int_gt(come, 100); /* not only at the end */
    ck_assert_ok(rill_forward_open(&fwd, here.bus, "OUT", there.bus, "IN",
                                   RILL_OPTS(rill_forward_opts, .name = "up")));
    rill_forward_info info = {.size = sizeof info, .lag_msgs = 1};
    for (int i = 0; i < 100000 && info.lag_msgs > 0; i++) {
        rill_poll(here.bus, 1);
        rill_poll(there.bus, 0);
        ck_assert_ok(rill_forward_status(fwd, &info));
        come = carried(come);
    }
    ck_assert_uint_eq(info.lag_msgs, 0);
    ck_assert_int_eq(carried(come), stored);
    ck_assert_ok(rill_forward_close(fwd, 100));
}
END_TEST

/* ---- Tasks beside a forward that gives a message to the other end ---- */

static pthread_mutex_t locks[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static void (*meanwhile)(void); /* once, when the source is free and the target is not taken yet */
static rill_forward *shared;
static atomic_bool waits;

static void lock_source(void *arg, bool enter)
{
    (void)arg;
    if (enter) pthread_mutex_lock(&locks[0]);
    else pthread_mutex_unlock(&locks[0]);
}

static void lock_target(void *arg, bool enter)
{
    (void)arg;
    void (*now)(void) = enter ? meanwhile : NULL;
    if (now) meanwhile = NULL;
    if (now) now();
    if (enter) pthread_mutex_lock(&locks[1]);
    else pthread_mutex_unlock(&locks[1]);
}

static void *task_of(void *arg)
{
    (void)arg;
    static _Thread_local char one;
    return &one;
}

static void wait_a_moment(void *arg, int64_t ns)
{
    (void)arg;
    (void)ns;
    atomic_store(&waits, true);
    sched_yield();
}

static void *append_other(void *arg)
{
    (void)arg;
    rill_header header = {RILL_STR("Trace"), RILL_STR("ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ")};
    int rc = rill_append(here.bus, "log.x", "second", 6,
                         RILL_OPTS(rill_post, .headers = &header, .nheaders = 1), NULL, 100);
    return (void *)(intptr_t)rc;
}

static void *close_shared(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)rill_forward_close(shared, 0);
}

static pthread_t other;

static void append_meanwhile(void)
{
    void *rc;
    pthread_create(&other, NULL, append_other, NULL);
    pthread_join(other, &rc);
    ck_assert_int_eq((int)(intptr_t)rc, RILL_OK);
}

static void close_meanwhile(void)
{
    atomic_store(&waits, false);
    pthread_create(&other, NULL, close_shared, NULL);
    while (!atomic_load(&waits)) sched_yield();
}

/* Two buses that tasks share, with one message in the source. */
static void share(void)
{
    here.host.lock = lock_source;
    there.host.lock = lock_target;
    device *const both[] = {&here, &there};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ok(rill_close(both[i]->bus, 0));
        both[i]->host.idle = wait_a_moment;
        both[i]->host.task = task_of;
        ck_assert_ok(rill_open(&both[i]->bus, "flash:a?record=256&keys=8",
                               RILL_OPTS(rill_opts, .host = &both[i]->host,
                                         .drive = RILL_DRIVE_HOST, .memory = &both[i]->memory,
                                         .flash = &both[i]->flash.dev)));
    }
    make_streams();
    ck_assert_ok(rill_append(here.bus, "log.x", "the first, of which no byte may change", 38, NULL,
                             NULL, 100));
    ck_assert_ok(rill_forward_open(&shared, here.bus, "OUT", there.bus, "IN",
                                   RILL_OPTS(rill_forward_opts, .name = "up")));
}

static void came(int i, const char *text)
{
    rill_sub *sub;
    const rill_msg *m;
    ck_assert_ok(rill_tail(there.bus, &sub, "IN", NULL));
    for (; i >= 0; i--) ck_assert_ok(rill_next(sub, &m, 100));
    ck_assert_uint_eq(m->data.len, strlen(text));
    ck_assert_mem_eq(m->data.ptr, text, m->data.len);
    rill_sub_close(sub);
}

START_TEST(test_forward_beside_an_append)
{
    share();
    meanwhile = append_meanwhile;
    for (int i = 0; i < 50; i++) {
        ck_assert_int_ge(rill_poll(here.bus, 0), 0);
        ck_assert_int_ge(rill_poll(there.bus, 0), 0);
    }
    ck_assert_ptr_null(meanwhile);
    came(0, "the first, of which no byte may change");
    came(1, "second");
    ck_assert_ok(rill_forward_close(shared, 100));
}
END_TEST

START_TEST(test_forward_beside_its_close)
{
    void *rc;
    share();
    meanwhile = close_meanwhile;
    for (int i = 0; i < 50; i++) {
        ck_assert_int_ge(rill_poll(here.bus, 0), 0);
        ck_assert_int_ge(rill_poll(there.bus, 0), 0);
    }
    ck_assert_ptr_null(meanwhile);
    pthread_join(other, &rc);
    ck_assert_int_le((int)(intptr_t)rc, RILL_OK); /* it had no time to be told that all came */
    came(0, "the first, of which no byte may change");
}
END_TEST

SUITE_MAIN_ROWS("micro_flash", SUITE_WITH(setup, teardown, test_open, test_streams, test_buckets,
                                          test_watch, test_ids, test_forward,
                                          test_forward_headers, test_forward_left, test_wait,
                                          test_forward_beside_an_append,
                                          test_forward_beside_its_close, test_options),
                {.times = 6, .setup = setup, .teardown = teardown,
                 SUITE_LIST(test_forward_without_power, test_ids_without_power)})
