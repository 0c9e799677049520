/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and consumers over a disk that loses power at every single write in turn.
 *
 * Two streams get the same messages: LOG keeps them, QUEUE until they are acknowledged. A durable
 * consumer of each is read, and acks are asked to be confirmed. After each loss:
 *
 *     a message whose PubAck came is in LOG, and in QUEUE unless it was acknowledged
 *     a message whose ack was confirmed is not delivered again, and not in QUEUE
 *     a message whose PubAck came is known by its id, there or not: it is not stored again
 *     every other one is delivered
 *     nothing is pending that was not delivered, no count is off */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "codec/jetstream/jshot.h"
#include "support/fake_os.h"
#include "support/rng.h"
#include "support/suite.h"
#include "support/world.h"

enum { CRASH_MESSAGES = 40, CRASH_MAX = 200 };

typedef struct crash {
    fake_os disk;
    ri_host host;
    world w;
    rng random;
    unsigned published;                    /* messages, to each stream */
    bool stored[2][CRASH_MAX];             /* the PubAck came; by message, from 1 */
    bool tried[2][CRASH_MAX];              /* an ack was sent */
    bool confirmed[2][CRASH_MAX];          /* and its confirmation came */
    bool delivered[2][CRASH_MAX];          /* since the last restart */
    bool damaged;
    int rc;
} crash;

static crash *crash_now; /* the one that listeners report to */
static const char *const crash_names[] = {"LOG", "QUEUE"};

/* ---- What clients hear ---- */

static bool crash_hear(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party, (void)sub;
    crash *c = crash_now;
    unsigned which, i;
    ri_js_ack ack;
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)RI_MIN(d->m->subject.len, 120), d->m->subject.ptr);
    if (sscanf(text, "stored.%u.%u", &which, &i) == 2) {
        c->stored[which][i] = c->stored[which][i] ||
                              !memmem(d->m->data.ptr, d->m->data.len, "error", 5);
    } else if (sscanf(text, "confirmed.%u.%u", &which, &i) == 2) {
        c->confirmed[which][i] = true;
    } else if (ri_jshot_ack_read(d->m->reply, &ack)) {
        which = ri_str_is(ack.stream, "QUEUE");
        snprintf(text, sizeof text, "%.*s", RI_ARG(d->m->data));
        ck_assert_int_eq(sscanf(text, "m%u", &i), 1);
        ck_assert_msg(!c->confirmed[which][i], "%s: m%u is delivered after its ack was confirmed",
                      crash_names[which], i);
        c->delivered[which][i] = true;
        ri_buffer_printf(&c->w.acks, "%u %u %.*s\n", which, i, RI_ARG(d->m->reply));
    }
    return true;
}

static const ri_party_ops crash_ops = {.deliver = crash_hear};

/* ---- The work ---- */

static int crash_open_log(crash *c)
{
    ri_log_opts opts = {.host = &c->host, .os = &c->disk.os, .dir = "/log", .segment_bytes = 16384,
                        .safety = RI_SAFETY_SYNCED};
    return ri_log_open(&c->w.log, &opts);
}

static void crash_commit(crash *c)
{
    world *w = &c->w;
    for (int turns = 0; c->rc >= 0 && (ri_js_waiting(w->js) || ri_log_dirty(w->log)); turns++) {
        ck_assert_int_lt(turns, 10000);
        ri_js_step(w->js, w->wall_ns, w->mono_ns);
        if (!ri_log_dirty(w->log)) continue;
        ri_js_prepare(w->js, w->log);
        c->rc = ri_log_commit(w->log);
        ri_js_committed(w->js, w->log, c->rc, w->wall_ns, w->mono_ns);
    }
}

static void crash_publish(crash *c)
{
    char subject[32], reply[32], data[32];
    unsigned i = ++c->published;
    snprintf(data, sizeof data, "m%u", i);
    for (unsigned which = 0; which < 2; which++) {
        snprintf(subject, sizeof subject, "%s.%u", which ? "queue" : "log", i % 3);
        snprintf(reply, sizeof reply, "stored.%u.%u", which, i);
        char id[48];
        snprintf(id, sizeof id, "Nats-Msg-Id: m%u\r\n", i);
        world_publish(&c->w, subject, reply, id, data);
    }
}

static void crash_pull(crash *c, const char *batch)
{
    for (unsigned which = 0; which < 2; which++) {
        ri_stream *s = ri_js_stream(c->w.js, ri_str_of(crash_names[which]));
        ri_consumer *consumer = s ? ri_stream_consumer(s, RI_STR("c")) : NULL;
        if (consumer) ck_assert_int_ge(world_pull(&c->w, consumer, "in", batch), 0);
    }
}

/* Acknowledge what came, some of it. */
static void crash_ack(crash *c, unsigned percent)
{
    ri_buffer was = c->w.acks;
    ri_buffer_init(&c->w.acks, &c->w.f->host);
    ri_str rest = ri_buffer_str(&was), line;
    while (rest.len && ri_str_cut(&rest, '\n', &line)) {
        unsigned which, i;
        char text[256], subject[200], reply[64];
        snprintf(text, sizeof text, "%.*s", RI_ARG(line));
        ck_assert_int_eq(sscanf(text, "%u %u %199s", &which, &i, subject), 3);
        if (rng_below(&c->random, 100) >= percent) continue;
        snprintf(reply, sizeof reply, "confirmed.%u.%u", which, i);
        c->tried[which][i] = true;
        world_publish(&c->w, subject, reply, "", "+ACK");
    }
    ri_buffer_fini(&was);
}

static void crash_create(crash *c)
{
    world *w = &c->w;
    if (c->rc >= 0)
        world_stream(w, "{\"name\":\"LOG\",\"subjects\":[\"log.>\"]}", NULL, NULL);
    if (c->rc >= 0)
        world_stream(w, "{\"name\":\"QUEUE\",\"subjects\":[\"queue.>\"],"
                     "\"retention\":\"workqueue\"}", NULL, NULL);
    for (unsigned which = 0; which < 2; which++)
        if (ri_js_stream(w->js, ri_str_of(crash_names[which])))
            world_consumer(w, crash_names[which],
                           "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                           "\"ack_wait\":1000000000}", NULL, NULL);
}

static void crash_work(crash *c)
{
    for (int i = 0; i < CRASH_MESSAGES && c->rc >= 0; i++) {
        crash_publish(c);
        if (i % 2) crash_commit(c);
        if (c->rc >= 0 && i % 3 == 0) crash_pull(c, "4");
        if (c->rc >= 0 && i % 4 == 0) crash_ack(c, 60);
        c->w.mono_ns += 70 * RI_MS;
        c->w.wall_ns += 70 * RI_MS;
        crash_commit(c);
    }
}

/* ---- After the loss ---- */

static void crash_check_kept(crash *c)
{
    for (unsigned which = 0; which < 2; which++) {
        ri_stream *s = ri_js_stream(c->w.js, ri_str_of(crash_names[which]));
        bool there[CRASH_MAX] = {false};
        ri_record r;
        for (uint64_t from = 1; s && ri_stream_get_next(s, from, RI_STR_NONE, &r) >= 0;) {
            char text[32];
            unsigned i;
            from = r.seq + 1;
            snprintf(text, sizeof text, "%.*s", RI_ARG(r.data));
            ck_assert_int_eq(sscanf(text, "m%u", &i), 1);
            there[i] = true;
        }
        for (unsigned i = 1; i <= c->published; i++) {
            if (c->stored[which][i] && !(which && c->tried[which][i]))
                ck_assert_msg(there[i], "%s: m%u was stored and is gone", crash_names[which], i);
            if (which && c->confirmed[which][i])
                ck_assert_msg(!there[i], "%s: m%u was acknowledged and is there",
                              crash_names[which], i);
        }
    }
}

/* Read all there is, over the time of an ack wait. */
static void crash_check_delivered(crash *c)
{
    memset(c->delivered, 0, sizeof c->delivered);
    for (int turn = 0; turn < 4; turn++) {
        crash_pull(c, "1000");
        crash_commit(c);
        c->w.mono_ns += 600 * RI_MS;
        c->w.wall_ns += 600 * RI_MS;
        ri_js_step(c->w.js, c->w.wall_ns, c->w.mono_ns);
        crash_commit(c);
    }
    for (unsigned which = 0; which < 2; which++)
        for (unsigned i = 1; i <= c->published; i++)
            if (c->stored[which][i] && !c->tried[which][i])
                ck_assert_msg(c->delivered[which][i], "%s: m%u is not delivered",
                              crash_names[which], i);
}

static void crash_check_counts(crash *c)
{
    for (unsigned which = 0; which < 2; which++) {
        ri_stream *s = ri_js_stream(c->w.js, ri_str_of(crash_names[which]));
        ri_consumer *consumer = s ? ri_stream_consumer(s, RI_STR("c")) : NULL;
        if (!consumer) continue;
        ri_consumer_info info;
        ri_consumer_info_of(consumer, &info);
        ck_assert_uint_le(info.num_ack_pending, info.delivered.stream_seq);
        ck_assert_uint_le(info.ack_floor.stream_seq, info.delivered.stream_seq);
        ck_assert_uint_le(info.delivered.stream_seq, ri_stream_conf_of(s) ? 1u << 20 : 0);
    }
}

static void crash_check_known(crash *c)
{
    for (unsigned which = 0; which < 2; which++) {
        ri_stream *s = ri_js_stream(c->w.js, ri_str_of(crash_names[which]));
        for (unsigned i = 1; s && i <= c->published; i++) {
            ri_stream_info before, after;
            char subject[32], id[48];
            if (!c->stored[which][i]) continue;
            snprintf(subject, sizeof subject, "%s.%u", which ? "queue" : "log", i % 3);
            snprintf(id, sizeof id, "Nats-Msg-Id: m%u\r\n", i);
            ri_stream_info_of(s, &before);
            world_publish(&c->w, subject, "", id, "again");
            ri_stream_info_of(s, &after);
            ck_assert_msg(before.state.last_seq == after.state.last_seq, "%s: m%u is stored twice",
                          crash_names[which], i);
        }
    }
}

/* One run with the power lost at change `at`; false: it went through without. */
static bool crash_run(size_t at, fake_os_loss loss, uint64_t seed)
{
    static crash c;
    memset(&c, 0, sizeof c);
    crash_now = &c;
    ri_host_init(&c.host, NULL);
    fake_os_init(&c.disk);
    rng_init(&c.random, seed);
    ri_log_opts opts = {.host = &c.host, .os = &c.disk.os, .dir = "/log", .segment_bytes = 16384};
    ri_log *log;
    ck_assert_ok(ri_log_open(&log, &opts));
    ck_assert_ok(world_init(&c.w, log));
    ri_party ear;
    ri_subscription subs[3] = {{.entry.subject = RI_STR("stored.>")},
                               {.entry.subject = RI_STR("confirmed.>")},
                               {.entry.subject = RI_STR("in")}};
    ri_party_init(&ear, &c.w.router, &crash_ops);
    for (size_t i = 0; i < RI_LEN(subs); i++) ck_assert_ok(ri_router_subscribe(&ear, &subs[i]));
    crash_create(&c); /* stands on the disk before the power may go */
    c.disk.fail_at = c.disk.calls + at;
    c.disk.power_at_fail = true;
    c.disk.fail_errno = EIO;
    crash_work(&c);
    bool hit = c.rc < 0;
    ri_buffer_reset(&c.w.acks);
    ri_js_close(c.w.js);
    ri_log_close(c.w.log);
    c.w.js = NULL;
    c.disk.fail_at = 0;
    fake_os_crash(&c.disk, loss, seed);
    ck_assert_ok(crash_open_log(&c));
    c.rc = 0;
    ri_js_opts js_opts = {.host = &c.w.f->host, .router = &c.w.router, .file_log = c.w.log,
                          .memory_log = c.w.memory};
    ck_assert_ok(ri_js_open(&c.w.js, &js_opts, c.w.wall_ns, c.w.mono_ns));
    crash_check_kept(&c);
    crash_check_known(&c);
    crash_check_delivered(&c);
    crash_check_counts(&c);
    ri_party_fini(&ear);
    world_fini(&c.w);
    fake_os_fini(&c.disk);
    return hit;
}

static void crash_every(fake_os_loss loss)
{
    size_t at = 1;
    while (crash_run(at, loss, at)) at++;
    printf("power lost at each of %zu changes\n", at - 1);
    ck_assert_uint_gt(at, 30);
}

START_TEST(test_nothing_unsynced_survives)
{
    crash_every(FAKE_OS_DROP);
}
END_TEST

START_TEST(test_all_unsynced_survives)
{
    crash_every(FAKE_OS_KEEP);
}
END_TEST

START_TEST(test_some_unsynced_survives)
{
    for (uint64_t round = 0; round < 3; round++)
        for (size_t at = 1; crash_run(at, FAKE_OS_RANDOM, round * 1000 + at);) at++;
}
END_TEST

SUITE_MAIN("consumer_crash", test_nothing_unsynced_survives, test_all_unsynced_survives,
           test_some_unsynced_survives)
