/* SPDX-License-Identifier: Apache-2.0 */
/* JetStream's client for firmware against a server by script: what it asks, and what it makes of
 * the answers. */
#include "rig.h"

#include "micro/micro_scan.h"

/* What was asked last, of each kind. */
static struct {
    int creates, pulls, acks;
    char create[600], create_to[200], pull[100], pull_to[200], inbox[100], ack[100], ack_to[200];
    const char *answer;  /* to the next creation; NULL: it is made */
    bool mute;
} js;

static void js_reply(ri_str to, const char *text)
{
    ck_assert_int_eq(rig_deliver(to, RI_STR_NONE, ri_str_of(text)), 1);
}

static void js_copy(char *out, size_t size, ri_str s)
{
    snprintf(out, size, "%.*s", (int)s.len, s.len ? s.ptr : "");
}

static bool js_api(const ri_message *m)
{
    static const char made[] = "{\"type\":\"x\",\"name\":\"c\"}";
    bool create = ri_str_starts(m->subject, RI_STR("$JS.API.CONSUMER.CREATE.")) ||
                  ri_str_starts(m->subject, RI_STR("$JS.API.STREAM."));
    if (create) {
        js.creates++;
        js_copy(js.create_to, sizeof js.create_to, m->subject);
        js_copy(js.create, sizeof js.create, m->data);
        if (!js.mute) js_reply(m->reply, js.answer ? js.answer : made);
    } else if (ri_str_starts(m->subject, RI_STR("$JS.API.CONSUMER.MSG.NEXT."))) {
        js.pulls++;
        js_copy(js.pull_to, sizeof js.pull_to, m->subject);
        js_copy(js.pull, sizeof js.pull, m->data);
        js_copy(js.inbox, sizeof js.inbox, m->reply);
    } else if (ri_str_starts(m->subject, RI_STR("$JS.ACK."))) {
        js.acks++;
        js_copy(js.ack_to, sizeof js.ack_to, m->subject);
        js_copy(js.ack, sizeof js.ack, m->data);
    } else {
        return false;
    }
    return true;
}

/* The server hands out a message to whoever pulled last. */
static void js_hand(const char *subject, uint64_t seq, uint64_t pending, const char *data)
{
    char reply[200], line[400];
    const char *sid = NULL;
    for (int i = 0; i < r.nsubs; i++)
        if (strcmp(r.subs[i].subject, js.inbox) == 0) sid = r.subs[i].sid;
    ck_assert_ptr_nonnull(sid);
    snprintf(reply, sizeof reply, "$JS.ACK.S.c.1.%d.%d.1700000000000000000.%d", (int)seq, (int)seq,
             (int)pending);
    snprintf(line, sizeof line, "MSG %s %s %s %zu\r\n%s\r\n", subject, sid, reply, strlen(data),
             data);
    rig_say(line);
}

static void js_status(const char *status)
{
    char line[400];
    for (int i = 0; i < r.nsubs; i++) {
        if (strcmp(r.subs[i].subject, js.inbox) != 0) continue;
        size_t len = sizeof "NATS/1.0 \r\n\r\n" - 1 + strlen(status);
        snprintf(line, sizeof line, "HMSG %s %s %zu %zu\r\nNATS/1.0 %s\r\n\r\n\r\n", js.inbox,
                 r.subs[i].sid, len, len, status);
        rig_say(line);
    }
}

static void js_begin(void)
{
    rig_init();
    rig_log[0] = 0;
    memset(&js, 0, sizeof js);
    r.memory.max_readers = 2;
    ck_assert_ok(rig_open("nats://host"));
    r.api = js_api;
}

static rill_sub *js_group(rill_msg_fn on_msg)
{
    rill_sub *sub;
    ck_assert_ok(rill_consume(r.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "w",
                                                          .on_msg = on_msg)));
    return sub;
}

/* Messages are asked for one by one, when somebody reads; what they say of themselves is there. */
START_TEST(test_group)
{
    const rill_msg *m;
    js_begin();
    rill_sub *sub = js_group(NULL);
    ck_assert_str_eq(js.create_to, "$JS.API.CONSUMER.CREATE.S.w");
    ck_assert_ptr_nonnull(strstr(js.create, "\"action\":\"create\""));
    ck_assert_ptr_nonnull(strstr(js.create, "\"durable_name\":\"w\""));
    ck_assert_ptr_nonnull(strstr(js.create, "\"ack_policy\":\"explicit\""));
    rig_run(100);
    ck_assert_int_eq(js.pulls, 0);
    ck_assert_rc(rill_next(sub, &m, 50), RILL_ETIMEDOUT);
    ck_assert_str_eq(js.pull_to, "$JS.API.CONSUMER.MSG.NEXT.S.w");
    ck_assert_str_eq(js.pull, "{\"batch\":1,\"expires\":200000000}");
    js_hand("orders.eu", 7, 3, "seven");
    ck_assert_ok(rill_next(sub, &m, 50));
    ck_assert_uint_eq(m->seq, 7);
    ck_assert_uint_eq(m->pending, 3);
    ck_assert_uint_eq(m->deliveries, 1);
    ck_assert_int_eq(m->time_ns, 1700000000000000000);
    ck_assert_span(m->stream, "S");
    ck_assert_str_eq(m->reply.ptr, "");
    ck_assert_ok(rill_working(m));
    ck_assert_ok(rill_nak(m, 1500));
    ck_assert_rc(rill_ack(m), RILL_ENOENT);
    ck_assert_ok(rill_flush(r.bus, 100));
    ck_assert_int_eq(js.acks, 2);
    ck_assert_str_eq(js.ack, "-NAK {\"delay\":1500000000}");
    ck_assert_str_eq(js.ack_to, "$JS.ACK.S.c.1.7.7.1700000000000000000.3");
    int pulls = js.pulls;
    ck_assert_rc(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
    ck_assert_int_eq(js.pulls, pulls + 1);
    js_status("408 Request Timeout");
    ck_assert_rc(rill_next(sub, &m, 20), RILL_ETIMEDOUT); /* asks anew */
    ck_assert_int_eq(js.pulls, pulls + 2);
    rill_sub_close(sub);
    ck_assert_ok(rill_flush(r.bus, 100));
    ck_assert_int_eq(r.unsubs_seen, 1);
    rig_done();
}
END_TEST

/* A pull whose end was lost is over a second behind its time. */
START_TEST(test_lost_pull)
{
    js_begin();
    js_group(rig_hear);
    rig_run(10);
    ck_assert_int_eq(js.pulls, 1);
    rig_run(5900);
    ck_assert_int_eq(js.pulls, 1);
    rig_run(200);
    ck_assert_int_eq(js.pulls, 2);
    rig_done();
}
END_TEST

START_TEST(test_auto_ack)
{
    rill_sub *sub;
    js_begin();
    ck_assert_ok(rill_consume(r.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "w",
                                                          .on_msg = rig_hear,
                                                          .ack = RILL_ACK_AUTO)));
    rig_run(10);
    js_hand("orders.eu", 1, 0, "x");
    rig_run(10);
    ck_assert_str_eq(rig_log, "orders.eu=x|");
    ck_assert_str_eq(js.ack, "+ACK");
    ck_assert_int_eq(js.pulls, 2);
    rig_done();
}
END_TEST

/* A group goes on where it was; who reads in order begins behind what it has had. */
START_TEST(test_connected_anew)
{
    rill_sub *tail;
    js_begin();
    js_group(rig_hear);
    rig_run(10);
    ck_assert_int_eq(js.creates, 1);
    ck_assert_ok(rill_tail(r.bus, &tail, "S", RILL_OPTS(rill_sub_opts, .on_msg = rig_hear,
                                                        .filter = "orders.*")));
    ck_assert_ptr_nonnull(strstr(js.create, "\"ack_policy\":\"none\""));
    ck_assert_ptr_nonnull(strstr(js.create, "\"filter_subject\":\"orders.*\""));
    char first[200];
    strcpy(first, js.create_to);
    rig_run(10);
    js_hand("orders.a", 4, 1, "4");
    rig_run(10);
    js_hand("orders.a", 5, 0, "5");
    rig_run(10);
    r.connected = false;
    rig_run(500);
    ck_assert_int_eq(r.connects, 2);
    ck_assert_int_eq(js.creates, 3);
    ck_assert_ptr_nonnull(strstr(js.create,
                                 "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":6"));
    ck_assert_str_ne(js.create_to, first);
    rig_run(10);
    js_hand("orders.a", 5, 1, "again"); /* it had it */
    js_hand("orders.a", 6, 0, "6");
    rig_run(10);
    ck_assert_str_eq(rig_log, "orders.a=4|orders.a=5|orders.a=6|");
    rig_done();
}
END_TEST

/* The server is away when it would have to be made anew: it is tried until it is there. */
START_TEST(test_made_later)
{
    rill_sub *tail;
    js_begin();
    ck_assert_ok(rill_tail(r.bus, &tail, "S", RILL_OPTS(rill_sub_opts, .on_msg = rig_hear)));
    js.answer = "{\"error\":{\"code\":503,\"err_code\":10008,\"description\":\"later\"}}";
    r.connected = false;
    rig_run(3000);
    ck_assert_int_ge(js.creates, 3);
    js.answer = NULL;
    rig_run(1000);
    ck_assert_int_ge(js.pulls, 1);
    js.answer = "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"none\"}}";
    r.connected = false;
    rig_run(1000);
    ck_assert_int_eq(r.events[r.nevents - 1].kind, RILL_EV_ERROR);
    ck_assert_int_eq(r.events[r.nevents - 1].err, RILL_ENOENT);
    ck_assert_int_eq(tail->state, RI_MICRO_SUB_STOPPED);
    rig_done();
}
END_TEST

typedef struct js_error_case {
    const char *answer;
    int plain, strict; /* without an option, and with one */
} js_error_case;

static const js_error_case js_errors[] = {
    {"{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}",
     RILL_ENOENT,
     RILL_ENOENT},
    {"{\"error\":{\"code\":400,\"err_code\":10148,\"description\":\"consumer already exists\"}}",
     RILL_OK,
     RILL_EEXIST},
    {"{\"error\":{\"code\":500,\"err_code\":10047,\"description\":\"no room\"}}", RILL_EFULL,
     RILL_EFULL},
    {"{\"error\":{\"code\":400,\"err_code\":1}}", RILL_EINVAL, RILL_EINVAL},
    {"no JSON", RILL_OK, RILL_OK},
};

START_TEST(test_errors)
{
    const js_error_case *c = &js_errors[_i];
    rill_sub *sub;
    js_begin();
    js.answer = c->answer;
    ck_assert_rc(rill_consume(r.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "w")), c->plain);
    ck_assert_int_eq(sub != NULL, c->plain == RILL_OK);
    rill_sub_close(sub);
    ck_assert_rc(rill_consume(r.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "w",
                                                          .ack_wait_ms = 5)),
                 c->strict);
    rill_sub_close(sub);
    ck_assert_ok(rill_flush(r.bus, 100));
    ck_assert_uint_eq(r.bus->calls_open, 0);
    rig_done();
}
END_TEST

START_TEST(test_bounds)
{
    rill_sub *subs[3];
    char name[80];
    js_begin();
    ck_assert_ok(rill_consume(r.bus, &subs[0], "S", RILL_OPTS(rill_sub_opts, .group = "w")));
    ck_assert_ok(rill_tail(r.bus, &subs[1], "S", NULL));
    ck_assert_rc(rill_tail(r.bus, &subs[2], "S", NULL), RILL_EFULL);
    ck_assert_ptr_null(subs[2]);
    rill_sub_close(subs[1]);
    ck_assert_ok(rill_flush(r.bus, 100));
    ck_assert_ok(rill_tail(r.bus, &subs[1], "S", NULL));
    memset(name, 'n', sizeof name);
    name[65] = 0;
    ck_assert_rc(rill_consume(r.bus, &subs[2], name, NULL), RILL_EINVAL);
    ck_assert_rc(rill_consume(r.bus, &subs[2], "a.b", NULL), RILL_EINVAL);
    ck_assert_rc(rill_consume(r.bus, &subs[2], NULL, NULL), RILL_EINVAL);
    ck_assert_rc(rill_tail(r.bus, &subs[2], "S", RILL_OPTS(rill_sub_opts, .group = "w")),
                 RILL_EINVAL);
    js.mute = true;
    rill_sub_close(subs[1]);
    ck_assert_ok(rill_flush(r.bus, 100));
    ck_assert_rc(rill_tail(r.bus, &subs[1], "S", NULL), RILL_ETIMEDOUT);
    ck_assert_ok(rill_flush(r.bus, 100)); /* its place is free when the server has let it go */
    r.api = NULL;
    ck_assert_rc(rill_tail(r.bus, &subs[1], "S", NULL), RILL_ENOTSUP);
    ck_assert_rc(rill_append(r.bus, "nobody", "", 0, NULL, NULL, 100), RILL_ENOREPLY);
    rig_done();
}
END_TEST

START_TEST(test_deleted)
{
    const rill_msg *m;
    js_begin();
    rill_sub *sub = js_group(NULL);
    ck_assert_rc(rill_next(sub, &m, 10), RILL_ETIMEDOUT);
    js_status("409 Consumer Deleted");
    ck_assert_rc(rill_next(sub, &m, 1000), RILL_ECLOSED);
    rig_run(1);
    ck_assert_int_eq(r.events[r.nevents - 1].err, RILL_ENOENT);
    rig_done();
}
END_TEST

/* With all messages held there is no room: it is given back, to be delivered later. */
START_TEST(test_no_room)
{
    rill_msg *kept[9];
    const rill_msg *m;
    rill_sub *live;
    js_begin();
    rill_sub *sub = js_group(NULL);
    ck_assert_ok(rill_subscribe(r.bus, &live, "live", NULL));
    ck_assert_rc(rill_next(sub, &m, 10), RILL_ETIMEDOUT);
    for (int i = 0; i < 8; i++) {
        ck_assert_ok(rill_publish(r.bus, "live", "x", 1, NULL));
        ck_assert_ok(rill_next(live, &m, 100));
        kept[i] = rill_msg_ref(m);
    }
    for (int i = 0; i < 8; i++) ck_assert_ok(rill_publish(r.bus, "live", "x", 1, NULL));
    ck_assert_ok(rill_flush(r.bus, 100));
    rig_run(10);
    for (int i = 0; i < 8; i++) rill_msg_unref(kept[i]);
    js_hand("orders.eu", 1, 0, "x");
    rig_run(10);
    ck_assert_ok(rill_flush(r.bus, 100));
    ck_assert_str_eq(js.ack, "");
    ck_assert_ok(rill_next(sub, &m, 10));
    rig_done();
}
END_TEST

/* ---- Buckets ---- */

static rill_kv *js_bucket(void)
{
    rill_kv *kv;
    ck_assert_ok(rill_kv_open(r.bus, &kv, "conf", RILL_OPTS(rill_bucket_opts, .history = 3)));
    return kv;
}

START_TEST(test_bucket)
{
    rill_kv *kv, *more;
    rill_msg *m;
    js_begin();
    kv = js_bucket();
    ck_assert_str_eq(js.create_to, "$JS.API.STREAM.CREATE.KV_conf");
    ck_assert_ptr_nonnull(strstr(js.create, "\"subjects\":[\"$KV.conf.>\"]"));
    ck_assert_ptr_nonnull(strstr(js.create, "\"max_msgs_per_subject\":3"));
    ck_assert_ptr_nonnull(strstr(js.create, "\"allow_direct\":true"));
    ck_assert_rc(rill_kv_put(kv, "a b", "x", 1, NULL, NULL), RILL_EINVAL);
    ck_assert_rc(rill_kv_put(kv, ".a", "x", 1, NULL, NULL), RILL_EINVAL);
    ck_assert_rc(rill_kv_put(kv, "a*", "x", 1, NULL, NULL), RILL_EINVAL);
    ck_assert_rc(rill_kv_put(kv, "a", "x", 1, NULL, NULL), RILL_ENOENT); /* nobody takes it */
    ck_assert_rc(rill_kv_get(kv, "a", &m), RILL_ENOREPLY);
    js.answer = "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"no\"}}";
    ck_assert_rc(rill_kv_open(r.bus, &more, "none", RILL_OPTS(rill_bucket_opts,
                                                              .must_exist = true)),
                 RILL_ENOENT);
    ck_assert_str_eq(js.create_to, "$JS.API.STREAM.INFO.KV_none");
    js.answer = "{\"error\":{\"code\":400,\"err_code\":10058,\"description\":\"other\"}}";
    ck_assert_ok(rill_kv_open(r.bus, &more, "old", NULL)); /* it stays as it is */
    ck_assert_rc(rill_kv_open(r.bus, &more, "third", NULL), RILL_EFULL);
    ck_assert_rc(rill_kv_open(r.bus, &more, "a.b", NULL), RILL_EINVAL);
    rig_done();
}
END_TEST

static void js_changed(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    size_t used = strlen(rig_log);
    snprintf(rig_log + used, sizeof rig_log - used, "%s=%s%s%s|", m->key.ptr, m->data.ptr,
             m->flags & RILL_MSG_DELETED ? " gone" : "", m->flags & RILL_MSG_CAUGHT_UP ? " all"
                 : "");
}

START_TEST(test_watch)
{
    rill_sub *sub;
    js_begin();
    rill_kv *kv = js_bucket();
    ck_assert_ok(rill_kv_watch(kv, &sub, RILL_OPTS(rill_sub_opts, .on_msg = js_changed)));
    ck_assert_ptr_nonnull(strstr(js.create, "\"deliver_policy\":\"last_per_subject\""));
    rig_run(10);
    ck_assert_str_eq(js.pull, "{\"batch\":1,\"no_wait\":true}");
    if (_i == 0) {
        js_status("404 No Messages");
        rig_run(10);
        ck_assert_str_eq(rig_log, "= all|");
    } else {
        js_hand("$KV.conf.a", 3, 1, "x");
        rig_run(10);
        js_hand("$KV.conf.b.c", 4, 0, "y");
        rig_run(10);
        ck_assert_str_eq(rig_log, "a=x|b.c=y all|");
    }
    ck_assert_str_eq(js.pull, "{\"batch\":1,\"expires\":5000000000}");
    rig_log[0] = 0;
    js_hand("$KV.conf.a", 5, 0, "z");
    rig_run(10);
    ck_assert_str_eq(rig_log, "a=z|");
    rig_done();
}
END_TEST

/* A read that has given up asks no more; the pull that it sent does. */
START_TEST(test_gave_up)
{
    const rill_msg *m;
    js_begin();
    rill_sub *sub = js_group(NULL);
    ck_assert_rc(rill_next(sub, &m, 50), RILL_ETIMEDOUT);
    for (int i = 0; i < 10; i++) {
        rig_run(250);
        js_status("408 Request Timeout");
    }
    ck_assert_int_le(js.pulls, 2);
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN); /* asks, and does not wait */
    rig_run(5);
    int pulls = js.pulls;
    js_hand("a", 1, 0, "one");
    rig_run(5);
    ck_assert_ok(rill_next(sub, &m, 0));
    rig_run(500);
    ck_assert_int_eq(js.pulls, pulls);
    rig_done();
}
END_TEST

/* While there is no connection, a reader keeps nobody awake. */
START_TEST(test_rests_while_down)
{
    js_begin();
    js_group(rig_hear);
    rig_run(10);
    r.connected = false;
    r.refuse = true;
    rig_run(8000);
    int rests = 0;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_ge(rill_poll(r.bus, 0), 0);
        rests += rill_wait_ms(r.bus) > 0;
        r.now_ns += RI_MS;
    }
    ck_assert_int_gt(rests, 90);
    r.refuse = false;
    rig_run(9000);
    ck_assert_int_eq(rig_count(RILL_EV_UP), 2);
    rig_done();
}
END_TEST

/* Who reads in order gets what came while the program held all messages, too, and an old pull's
 * end does not hinder it. */
START_TEST(test_missed)
{
    const rill_msg *m;
    rill_msg *held[9];
    rill_sub *sub, *live;
    js_begin();
    ck_assert_ok(rill_tail(r.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_NEW)));
    ck_assert_ok(rill_subscribe(r.bus, &live, "live", NULL));
    ck_assert_rc(rill_next(sub, &m, 20), RILL_ETIMEDOUT);
    for (int i = 0; i < 9; i++) {
        rig_deliver(RI_STR("live"), RI_STR_NONE, RI_STR("x"));
        ck_assert_ok(rill_next(live, &m, 20));
        held[i] = rill_msg_ref(m);
        if (i < 8) continue;
        js_hand("a", 41, 0, "lost");
        rig_run(5);
        js_status("408 Request Timeout");
        rig_run(5);
    }
    for (int i = 0; i < 9; i++) rill_msg_unref(held[i]);
    ck_assert_rc(rill_next(live, &m, 0), RILL_EAGAIN);
    js_status("408 Request Timeout");
    int creates = js.creates;
    ck_assert_rc(rill_next(sub, &m, 500), RILL_ETIMEDOUT);
    ck_assert_int_eq(js.creates, creates + 1);
    ck_assert_ptr_nonnull(strstr(js.create, "\"opt_start_seq\":41"));
    js_hand("a", 41, 0, "found");
    ck_assert_ok(rill_next(sub, &m, 50));
    ck_assert_span(m->data, "found");
    rig_done();
}
END_TEST

/* All that rill does is within the lock of the host, which is not taken twice. */
static int js_locked, js_locks;

static void js_lock(void *arg, bool enter)
{
    (void)arg;
    js_locked += enter ? 1 : -1;
    js_locks++;
    ck_assert(js_locked == 0 || js_locked == 1);
}

START_TEST(test_lock)
{
    rill_sub *sub;
    rill_kv *kv;
    js_begin();
    ck_assert_ok(rill_close(r.bus, 1000));
    r.host.lock = js_lock;
    js_locked = js_locks = 0;
    ck_assert_ok(rig_open("nats://host"));
    js.answer = "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"none\"}}";
    ck_assert_rc(rill_consume(r.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "w")),
                 RILL_ENOENT);
    js.answer = NULL;
    ck_assert_ok(rill_kv_open(r.bus, &kv, "b", NULL));
    int locks = js_locks;
    r.silent = true; /* it waits: idle() is outside */
    ck_assert_rc(rill_kv_put(kv, "k", "v", 1, RILL_OPTS(rill_kv_opts, .ttl_ms = 0), NULL),
                 RILL_ETIMEDOUT);
    r.silent = false;
    ck_assert_int_gt(js_locks, locks);
    ck_assert_int_eq(js_locked, 0);
    rig_done();
}
END_TEST

SUITE_MAIN_ROWS("micro js",
                SUITE_ONCE(test_group, test_gave_up, test_rests_while_down, test_missed, test_lock,
                           test_lost_pull, test_auto_ack, test_connected_anew,
                           test_made_later, test_bounds, test_deleted, test_no_room, test_bucket),
                SUITE_EACH(RI_LEN(js_errors), test_errors), SUITE_EACH(2, test_watch))
