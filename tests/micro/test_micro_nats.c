/* SPDX-License-Identifier: Apache-2.0 */
/* The client of NATS for firmware: bytes that come one by one, connections that end anywhere, and
 * each of its bounds. */
#include "rig.h"

static void nats_begin(void)
{
    rig_init();
    rig_log[0] = 0;
}

static rill_sub *nats_listen(const char *subject)
{
    rill_sub *sub;
    ck_assert_ok(rill_subscribe(r.bus, &sub, subject, RILL_OPTS(rill_sub_opts,
                                                                .on_msg = rig_hear)));
    return sub;
}

static void nats_serve(rill_sub *sub, const rill_msg *m, void *arg)
{
    rig_hear(sub, m, arg);
    ck_assert_ok(rill_reply(m, "pong", 4, NULL));
}

/* What a program does, with a wire that moves _i bytes at a time; 0: all. */
START_TEST(test_split)
{
    nats_begin();
    r.read_most = (size_t)_i;
    r.write_most = (size_t)(_i % 3 ? _i : 1);
    rill_sub *sub, *ask;
    rill_msg *reply;
    const rill_msg *m;
    ck_assert_ok(rig_open("nats://u:p%22@host:77"));
    ck_assert_str_eq(r.address, "host:77");
    ck_assert_ptr_nonnull(strstr(r.connect, "\"user\":\"u\",\"pass\":\"p\\\"\""));
    ck_assert_ok(rill_subscribe(r.bus, &sub, "a.*", NULL));
    ck_assert_ok(rill_subscribe(r.bus, &ask, "ask", RILL_OPTS(rill_sub_opts,
                                                              .on_msg = nats_serve)));
    ck_assert_ok(rill_publish(r.bus, "a.b", "one", 3, NULL));
    ck_assert_ok(rill_publish(r.bus, "a.c", "", 0, RILL_OPTS(rill_post, .reply = "back")));
    ck_assert_ok(rill_next(sub, &m, 1000));
    ck_assert_str_eq(m->data.ptr, "one");
    ck_assert_ok(rill_next(sub, &m, 1000));
    ck_assert_str_eq(m->reply.ptr, "back");
    ck_assert_ok(rill_request(r.bus, "ask", "ping", 4, NULL, &reply, 1000));
    ck_assert_str_eq(reply->data.ptr, "pong");
    rill_msg_unref(reply);
    ck_assert_rc(rill_request(r.bus, "nobody", "", 0, NULL, &reply, 1000), RILL_ENOREPLY);
    rill_receipt receipt = {.size = sizeof receipt};
    ck_assert_ok(rill_append(r.bus, "js.x", "stored", 6, NULL, &receipt, 1000));
    ck_assert_uint_eq(receipt.seq, 1);
    rill_sub_close(sub);
    ck_assert_ok(rill_flush(r.bus, 1000));
    ck_assert_int_eq(r.nsubs, 2); /* ask and the inbox */
    ck_assert_int_eq(r.connects, 1);
    rig_done();
    ck_assert_int_eq(r.closes, 1);
}
END_TEST

/* The wire takes _i bytes of two publishes, and is cut: each message arrives, once and whole, or
 * was with the server already. */
START_TEST(test_cut_in_output)
{
    nats_begin();
    ck_assert_ok(rig_open("nats://host"));
    nats_listen("in");
    ck_assert_ok(rill_flush(r.bus, 1000));
    r.heard[0] = 0;
    r.write_left = (size_t)_i;
    r.cut_then = true;
    ck_assert_ok(rill_publish(r.bus, "out.a", "first", 5, NULL));
    ck_assert_ok(rill_publish(r.bus, "out.b", "second", 6, NULL));
    rig_run(1000);
    ck_assert_ok(rill_flush(r.bus, 1000));
    ck_assert_str_eq(r.heard, "out.a  first|out.b  second|");
    bool cut = r.connects == 2;
    ck_assert_int_eq(rig_count(RILL_EV_DOWN), cut);
    ck_assert_int_eq(rig_count(RILL_EV_UP), 1 + cut);
    rig_say("MSG in 2 2\r\nok\r\n"); /* the subscription is there again */
    rig_run(5);
    ck_assert_str_eq(rig_log, "in=ok|");
    ck_assert_str_eq(r.subs[0].subject, "in");
    ck_assert_int_eq(r.nsubs, 1);
    rig_done();
}
END_TEST

/* The wire gives _i bytes of three messages, and is cut: what came whole is handed out, nothing
 * half. */
START_TEST(test_cut_in_input)
{
    static const char three[] = "MSG in 2 3\r\none\r\nMSG in 2 3\r\ntwo\r\nMSG in 2 5\r\nthree\r\n";
    nats_begin();
    ck_assert_ok(rig_open("nats://host"));
    nats_listen("in");
    ck_assert_ok(rill_flush(r.bus, 1000));
    r.read_left = (size_t)_i;
    r.cut_then = true;
    rig_say(three);
    rig_run(1000);
    ck_assert_int_eq(r.connects, 2);
    const char *whole = _i >= 53 ? "in=one|in=two|in=three|" : _i >= 34 ? "in=one|in=two|"
                      : _i >= 17 ? "in=one|" : "";
    ck_assert_str_eq(rig_log, whole);
    rig_say("MSG in 2 2\r\nok\r\n");
    rig_run(5);
    ck_assert_ptr_nonnull(strstr(rig_log, "in=ok|"));
    rig_done();
}
END_TEST

static const char *const nats_garbage[] = {
    "HTTP/1.1 400 Bad Request\r\n\r\n", "MSG in 2 x\r\n", "MSG in 2 3\r\nabcd\r\n", "\r\n",
        "PUB a 1\r\nx\r\n",
    "MSG in 2 99999999999\r\n", "HMSG in 2 5 3\r\nabc\r\n",
};

START_TEST(test_garbage)
{
    nats_begin();
    ck_assert_ok(rig_open("nats://host"));
    rig_say(nats_garbage[_i]);
    rig_run(300);
    ck_assert_int_eq(r.connects, 2);
    ck_assert_int_eq(rig_count(RILL_EV_DOWN), 1);
    for (int i = 0; i < r.nevents; i++)
        if (r.events[i].kind == RILL_EV_DOWN) ck_assert_int_eq(r.events[i].err, RILL_EPROTO);
    ck_assert_ok(rill_flush(r.bus, 1000));
    rig_done();
}
END_TEST

/* Bytes by the dice never end in anything but a connection that is made anew. */
START_TEST(test_noise)
{
    static const char *const parts[] = {"MSG ", "in", " 2", " ", "\r\n", "3", "HMSG", "INFO {",
                                        "-ERR '", "PING", "99999", "NATS/1.0", "\"", "{", "\x01"};
    nats_begin();
    r.dice = (uint32_t)_i + 1;
    ck_assert_ok(rig_open("nats://host"));
    nats_listen("in");
    for (int i = 0; i < 3000; i++) {
        uint8_t dice;
        rig_entropy(NULL, &dice, 1);
        if (r.in_len < 1000) rig_say(parts[dice % RI_LEN(parts)]);
        rill_poll(r.bus, dice % 7 == 0);
    }
    rig_check_guards();
    r.in_len = 0;
    r.connected = false; /* what was begun is over */
    rig_run(20000);
    rig_log[0] = 0;
    ck_assert_ok(rill_publish(r.bus, "in", "sane", 4, NULL));
    ck_assert_ok(rill_flush(r.bus, 20000));
    rig_run(10);
    ck_assert_str_eq(rig_log, "in=sane|");
    rig_done();
}
END_TEST

/* ---- What is too large ---- */

static void nats_big(const char *before, size_t len)
{
    char chunk[100];
    memset(chunk, 'x', sizeof chunk);
    rig_say(before);
    for (; len > 0; len -= RI_MIN(len, sizeof chunk))
        rig_say_bytes(chunk, RI_MIN(len, sizeof chunk));
    rig_say("\r\n");
}

START_TEST(test_too_large)
{
    char before[64];
    nats_begin();
    r.read_most = (size_t)_i;
    ck_assert_ok(rig_open("nats://host"));
    nats_listen("in");
    ck_assert_ok(rill_flush(r.bus, 1000));
    size_t sizes[] = {254, 255, 700, 1000, 5000, 20000};
    for (size_t i = 0; i < RI_LEN(sizes); i++) {
        snprintf(before, sizeof before, "MSG in 2 %zu\r\n", sizes[i]);
        nats_big(before, sizes[i]);
        rig_say("MSG in 2 2\r\nok\r\n");
        rig_run(_i == 1 ? 2000 : 20);
        ck_assert_uint_eq(strlen(rig_log), i == 0 ? 254 + 4 + 6 : 6);
        rig_log[0] = 0;
        if (i > 0) ck_assert_int_eq(rig_count(RILL_EV_ERROR), (int)i);
    }
    ck_assert_int_eq(r.events[r.nevents - 1].err, RILL_ETOOBIG);
    /* A line that is longer than all there is room for, its size torn anywhere. */
    rig_say("MSG ");
    for (int i = 0; i < 500 + _i; i++) rig_say("abc");
    rig_say(" 2 1234\r\n");
    nats_big("", 1234);
    rig_say("MSG in 2 2\r\nok\r\n");
    rig_run(2000);
    ck_assert_str_eq(rig_log, "in=ok|");
    ck_assert_int_eq(r.connects, 1);
    rig_done();
}
END_TEST

START_TEST(test_large_info)
{
    static char info[4096];
    nats_begin();
    int len = snprintf(info, sizeof info, "INFO {\"server_id\":\"X\",\"headers\":true,"
                       "\"max_payload\":100,\"connect_urls\":[\"");
    memset(info + len, 'u', 3000);
    strcpy(info + len + 3000, "\"]}\r\n");
    r.info = info;
    ck_assert_ok(rig_open("nats://host"));
    char data[200] = {0};
    ck_assert_rc(rill_publish(r.bus, "a", data, 101, NULL), RILL_ETOOBIG);
    ck_assert_ok(rill_publish(r.bus, "a", data, 100, NULL));
    ck_assert_ok(rill_flush(r.bus, 1000));
    rig_done();
}
END_TEST

/* An answer that is larger than max_msg_bytes ends its request. */
static void nats_large_answer(int err, const rill_msg *reply, void *arg)
{
    ck_assert_ptr_null(reply);
    *(int *)arg = err;
}

START_TEST(test_large_answer)
{
    size_t size = _i == 0 ? 300 : 5000;
    int err = 1;
    char before[128];
    nats_begin();
    ck_assert_ok(rig_open("nats://host"));
    r.silent = true;
    ck_assert_ok(rill_request_async(r.bus, "ask", "", 0, NULL, 1000, nats_large_answer, &err));
    rig_run(5);
    const char *inbox = strstr(r.out, "_INBOX.");
    ck_assert_ptr_nonnull(inbox);
    snprintf(before, sizeof before, "MSG %.30s0 1 %zu\r\n", inbox, size);
    nats_big(before, size);
    rig_run(5);
    ck_assert_int_eq(err, RILL_ETOOBIG);
    r.silent = false;
    rig_done();
}
END_TEST

/* The callback of one may wait, and lose the connection meanwhile. */
static void nats_large_waits(int err, const rill_msg *reply, void *arg)
{
    nats_large_answer(err, reply, arg);
    r.connected = false;
    r.refuse = true;
    ck_assert_rc(rill_append(r.bus, "js.a", "", 0, NULL, NULL, 50), RILL_ETIMEDOUT);
}

START_TEST(test_lost_in_callback)
{
    int err = 1;
    char before[128];
    nats_begin();
    ck_assert_ok(rig_open("nats://host"));
    r.silent = true;
    ck_assert_ok(rill_request_async(r.bus, "ask", "", 0, NULL, 1000, nats_large_waits, &err));
    rig_run(5);
    snprintf(before, sizeof before, "MSG %.30s0 1 5000\r\n", strstr(r.out, "_INBOX."));
    nats_big(before, 5000);
    rig_run(5);
    ck_assert_int_eq(err, RILL_ETOOBIG);
    r.silent = r.refuse = false;
    rig_run(1000);
    ck_assert_int_eq(rig_count(RILL_EV_UP), 2);
    rig_done();
}
END_TEST

/* ---- Connections ---- */

/* Pauses double, from 100 ms to 8 s, a fifth more or less; no_wait lets it begin so. */
START_TEST(test_backoff)
{
    nats_begin();
    r.refuse = r.opts.no_wait = true;
    ck_assert_ok(rig_open("nats://host"));
    ck_assert_int_eq(r.dials, 0);
    int64_t pause = 100;
    rill_poll(r.bus, 0);
    for (int dials = 1; dials < 12; dials++) {
        ck_assert_int_eq(r.dials, dials);
        int64_t from = r.now_ns;
        while (r.dials == dials) rill_poll(r.bus, 1);
        int64_t ms = (r.now_ns - from) / RI_MS;
        ck_assert_int_ge(ms, pause * 8 / 10 - 2);
        ck_assert_int_le(ms, pause * 12 / 10 + 2);
        pause = RI_MIN(pause * 2, (int64_t)8000);
    }
    ck_assert_int_le(rill_wait_ms(r.bus), 9600);
    ck_assert_int_ge(rill_wait_ms(r.bus), 6400);
    r.refuse = false;
    ck_assert_ok(rill_publish(r.bus, "early", "1", 1, NULL)); /* it waits */
    rig_run(10000);
    ck_assert_str_eq(r.heard, "early  1|");
    rig_done();
}
END_TEST

START_TEST(test_open_fails)
{
    nats_begin();
    r.refuse = true;
    ck_assert_rc(rig_open("nats://one,two:5"), RILL_ECONN);
    ck_assert_int_eq(r.dials, 2);
    r.refuse = false;
    r.info = "INFO {\"tls_required\":true}\r\n";
    ck_assert_rc(rig_open("nats://one"), RILL_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "TLS"));
    r.info = "-ERR 'Authorization Violation'\r\n";
    ck_assert_rc(rig_open("nats://one"), RILL_EAUTH);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "Authorization Violation"));
    r.silent = true;
    int64_t before = r.now_ns;
    ck_assert_rc(rig_open("nats://one"), RILL_ETIMEDOUT);
    ck_assert_int_ge(r.now_ns - before, 2000 * RI_MS);
    ck_assert_int_eq(r.closes, r.dials - 2);
    ck_assert_rc(rig_open("nats://a b"), RILL_EINVAL);
}
END_TEST

START_TEST(test_silence)
{
    nats_begin();
    r.opts.ping_interval_ms = 1000;
    ck_assert_ok(rig_open("nats://host"));
    rig_run(10000);
    ck_assert_int_ge(r.pings, 9);
    ck_assert_int_eq(r.connects, 1);
    r.no_pong = true;
    rig_run(3500);
    ck_assert_int_eq(rig_count(RILL_EV_DOWN), 1);
    r.no_pong = false;
    r.connected = false;
    rig_run(4000);
    ck_assert_ok(rill_flush(r.bus, 5000));
    rig_done();
}
END_TEST

START_TEST(test_give_up)
{
    nats_begin();
    r.opts.max_redials = 2;
    ck_assert_ok(rig_open("nats://host"));
    r.refuse = true;
    r.connected = false;
    rig_run(100);
    for (int i = 0; i < 1000 && !r.bus->closed; i++) rill_poll(r.bus, 1);
    ck_assert_rc(rill_publish(r.bus, "a", "x", 1, NULL), RILL_ECLOSED);
    rill_close(r.bus, 0);
    rig_check_guards();
}
END_TEST

START_TEST(test_refused)
{
    rill_sub *sub;
    const rill_msg *m;
    nats_begin();
    ck_assert_ok(rig_open("nats://host"));
    ck_assert_ok(rill_subscribe(r.bus, &sub, "secret", NULL));
    ck_assert_ok(rill_flush(r.bus, 1000));
    rig_say("-ERR 'Permissions Violation for Subscription to \"secret\"'\r\n");
    ck_assert_rc(rill_next(sub, &m, 1000), RILL_ECLOSED);
    ck_assert_int_eq(rig_count(RILL_EV_ERROR), 1);
    ck_assert_int_eq(r.events[r.nevents - 1].err, RILL_EAUTH);
    rig_say("-ERR 'Permissions Violation for Publish to \"js.x\"'\r\n");
    ck_assert_rc(rill_append(r.bus, "js.x", "", 0, NULL, NULL, 1000), RILL_EAUTH);
    ck_assert_int_eq(rig_count(RILL_EV_ERROR), 1); /* the call has ended in its place */
    r.silent = true;
    int err = 1;
    ck_assert_ok(rill_request_async(r.bus, "other", "", 0, NULL, 5000, nats_large_answer, &err));
    rig_run(5);
    rig_say("-ERR 'Permissions Violation for Publish to \"other\"'\r\n");
    rig_run(5);
    ck_assert_int_eq(err, RILL_EAUTH);
    r.silent = false;
    rig_done();
}
END_TEST

/* ---- Output ---- */

START_TEST(test_send_buffer)
{
    int sent = 0, rc = 0;
    char data[100] = {0};
    nats_begin();
    r.opts.send_buffer_bytes = 1024;
    ck_assert_ok(rig_open("nats://host"));
    r.write_left = 0; /* the wire stalls */
    while ((rc = rill_publish(r.bus, "a", data, sizeof data, NULL)) == RILL_OK) sent++;
    ck_assert_int_eq(rc, RILL_EAGAIN);
    ck_assert_int_ge(sent, 8);
    ck_assert_int_gt(rill_wait_ms(r.bus), -1);
    r.write_left = 150; /* one whole, and half of another */
    rig_run(2);
    ck_assert_ok(rill_publish(r.bus, "a", data, sizeof data, NULL));
    r.write_left = SIZE_MAX;
    ck_assert_ok(rill_flush(r.bus, 1000));
    ck_assert_int_eq(r.pubs, sent + 1);
    rig_done();
}
END_TEST

typedef struct nats_stored {
    int n, err;
} nats_stored;

static void nats_store(int err, const rill_receipt *receipt, void *arg)
{
    nats_stored *stored = arg;
    ck_assert_int_eq(receipt != NULL, err == RILL_OK);
    stored->n++;
    stored->err = err;
}

/* What the server may have is unsure; what it cannot have is sent again. */
START_TEST(test_unsure)
{
    nats_stored first = {0}, second = {0};
    nats_begin();
    ck_assert_ok(rig_open("nats://host"));
    ck_assert_ok(rill_append(r.bus, "js.a", "0", 1, NULL, NULL, 1000)); /* the inbox is there */
    ck_assert_ok(rill_flush(r.bus, 1000));
    r.silent = true;
    ck_assert_ok(rill_append_async(r.bus, "js.a", "1", 1, NULL, nats_store, &first));
    rig_run(3);
    r.write_left = 5;
    r.cut_then = true;
    ck_assert_ok(rill_append_async(r.bus, "js.a", "2", 1, NULL, nats_store, &second));
    for (int i = 0; i < 100 && r.closes == 0; i++) rill_poll(r.bus, 1);
    r.silent = false;
    rig_run(3000);
    ck_assert_int_eq(first.n, 1);
    ck_assert_int_eq(first.err, RILL_EUNSURE);
    ck_assert_int_eq(second.n, 1);
    ck_assert_int_eq(second.err, RILL_OK);
    rig_done();
}
END_TEST

/* The callback of an append that is unsure may store it once more: that is what connects anew, and
 * what it was lost by does not count against the new connection. */
static void nats_store_again(int err, const rill_receipt *receipt, void *arg)
{
    nats_store(err, receipt, arg);
    if (err != RILL_EUNSURE) return;
    r.silent = false;
    ck_assert_ok(rill_append(r.bus, "js.a", "1", 1, NULL, NULL, 1000));
}

START_TEST(test_unsure_waits)
{
    nats_stored first = {0};
    nats_begin();
    r.opts.max_redials = 1;
    ck_assert_ok(rig_open("nats://host,nats://other"));
    r.silent = true;
    ck_assert_ok(rill_append_async(r.bus, "js.a", "1", 1, NULL, nats_store_again, &first));
    rig_run(3);
    r.connected = false;
    rig_run(3000);
    ck_assert_int_eq(first.n, 1);
    ck_assert_int_eq(r.connects, 2);
    ck_assert_ok(rill_append(r.bus, "js.a", "2", 1, NULL, NULL, 1000));
    rig_done();
}
END_TEST

/* A callback that waits: what comes meanwhile waits, too, and nothing is called within it. */
static void nats_wait(rill_sub *sub, const rill_msg *m, void *arg)
{
    rill_receipt receipt = {.size = sizeof receipt};
    (void)arg;
    rig_hear(sub, m, NULL);
    ck_assert_ok(rill_append(r.bus, "js.c", m->data.ptr, m->data.len, NULL, &receipt, 1000));
    rill_msg *reply;
    ck_assert_rc(rill_request(r.bus, "ask", "", 0, NULL, &reply, 1000), RILL_EDEADLK);
    size_t used = strlen(rig_log);
    snprintf(rig_log + used, sizeof rig_log - used, "stored %d|", (int)receipt.seq);
}

START_TEST(test_wait_in_callback)
{
    rill_sub *sub;
    nats_begin();
    ck_assert_ok(rig_open("nats://host"));
    ck_assert_ok(rill_subscribe(r.bus, &sub, "in", RILL_OPTS(rill_sub_opts, .on_msg = nats_wait)));
    ck_assert_ok(rill_flush(r.bus, 1000));
    rig_say("MSG in 2 1\r\na\r\nMSG in 2 1\r\nb\r\nMSG in 2 1\r\nc\r\n");
    rig_run(20);
    ck_assert_str_eq(rig_log, "in=a|stored 1|in=b|stored 2|in=c|stored 3|");
    rig_done();
}
END_TEST

SUITE_MAIN_ROWS("micro nats",
                SUITE_ONCE(test_large_info, test_backoff, test_open_fails, test_silence,
                           test_give_up, test_lost_in_callback, test_unsure_waits,
                           test_refused, test_send_buffer, test_unsure, test_wait_in_callback),
                SUITE_EACH(64, test_split), SUITE_EACH(2, test_large_answer),
                SUITE_EACH(60, test_cut_in_output),
                SUITE_EACH(54, test_cut_in_input), SUITE_EACH(RI_LEN(nats_garbage), test_garbage),
                SUITE_EACH(12, test_noise), SUITE_EACH(8, test_too_large))
