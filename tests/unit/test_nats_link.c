/* SPDX-License-Identifier: Apache-2.0 */
/* A nats:// handle and its servers in virtual time (support/far.h): login, loss, redial, what
 * survives, and what servers do that they should not. */
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "support/far.h"
#include "support/suite.h"

#define OK(call)                                                    \
    do {                                                            \
        int ok_rc = (call);                                         \
        ck_assert_msg(ok_rc >= 0, "%s: %s", #call, ri_err_text());  \
    } while (0)

static far f;

static void begin(const char *url, const rill_opts *opts)
{
    memset(&f, 0, sizeof f);
    fault_init(&f.fault);
    ck_assert_ok(far_open(&f, url, opts));
}

static void end(void)
{
    if (f.bus) far_close(&f);
    fault_fini(&f.fault);
}

static void publish(const char *subject, const char *text)
{
    OK(rill_publish(f.bus, subject, text, strlen(text), NULL));
}

static rill_sub *subscribe(const char *subject, const rill_sub_opts *opts)
{
    rill_sub *sub;
    OK(rill_subscribe(f.bus, &sub, subject, opts));
    return sub;
}

static void on_reply(int err, const rill_msg *m, void *arg)
{
    snprintf(arg, 64, "%s %s", ri_err_name(err), m ? m->data.ptr : "-");
}

static void next_is(rill_sub *sub, const char *text)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, 0));
    ck_assert_str_eq(m->data.ptr, text);
}

START_TEST(login)
{
    begin("nats://u%20x:p@a:1", RILL_OPTS(rill_opts, .name = "me \"1\"", .no_echo = true));
    NOTES(&f, "dial a:1\n");
    HEARS(&f, ""); /* nothing before INFO */
    rill_sub *sub = subscribe("s.*", RILL_OPTS(rill_sub_opts, .group = "g"));
    publish("early", "x");
    far_say(&f, FAR_INFO "}\r\n");
    HEARS(&f, "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,"
              "\"user\":\"u x\",\"pass\":\"p\",\"name\":\"me \\\"1\\\"\",\"lang\":\"rill\","
              "\"version\":\"0.1.0\",\"protocol\":1,\"echo\":false,\"headers\":true,"
              "\"no_responders\":true}\r\nPING\r\n");
    NOTES(&f, "");
    far_say(&f, "PONG\r\n");
    HEARS(&f, "SUB s.* g 1\r\nPUB early 1\r\nx\r\n");
    NOTES(&f, "UP\n");
    far_say(&f, "MSG s.a 1 r 2\r\nhi\r\nPING\r\nMSG s.a 7 1\r\n?\r\n");
    next_is(sub, "hi");
    HEARS(&f, "PONG\r\n");
    rill_sub_close(sub);
    HEARS(&f, "UNSUB 1\r\n");
    end();
}
END_TEST

START_TEST(token)
{
    begin("nats://tok@a", NULL);
    far_say(&f, FAR_INFO "}\r\n");
    ck_assert_ptr_nonnull(strstr(far_hear(&f), "\"auth_token\":\"tok\""));
    end();
}
END_TEST

/* All servers at once, then pauses that double, a fifth more or less. */
START_TEST(redial)
{
    begin("nats://a,b", RILL_OPTS(rill_opts, .fixed_servers = true, .redial_min_ms = 100,
                                  .redial_max_ms = 300));
    f.refuse = 100;
    far_turn(&f);
    end();
    begin("nats://a,b", RILL_OPTS(rill_opts, .fixed_servers = true, .redial_min_ms = 100,
                                  .redial_max_ms = 300));
    far_cut(&f); /* a */
    NOTES(&f, "dial a:4222\ndial b:4222\n");
    f.refuse = 4;
    far_cut(&f);
    NOTES(&f, "DOWN ECONN\n");
    far_pass(&f, 79 * RI_MS);
    NOTES(&f, "");
    far_pass(&f, 41 * RI_MS);
    NOTES(&f, "dial a:4222\ndial b:4222\n");
    far_pass(&f, 159 * RI_MS);
    NOTES(&f, "");
    far_pass(&f, 81 * RI_MS);
    NOTES(&f, "dial a:4222\ndial b:4222\n"); /* DOWN is told once */
    far_pass(&f, 360 * RI_MS);
    NOTES(&f, "dial a:4222\n");
    far_greet(&f);
    NOTES(&f, "UP\n");
    far_cut(&f);
    NOTES(&f, "dial b:4222\nDOWN ECONN\n");
    end();
}
END_TEST

/* A server that accepts and says nothing, half of an INFO, no PONG: each has its time. */
START_TEST(slow_servers)
{
    begin("nats://a,b,c,d", RILL_OPTS(rill_opts, .fixed_servers = true,
                                      .connect_timeout_ms = 500));
    NOTES(&f, "dial a:4222\n");
    far_pass(&f, 499 * RI_MS);
    NOTES(&f, "");
    far_pass(&f, RI_MS);
    NOTES(&f, "dial b:4222\n");
    far_say(&f, FAR_INFO);
    far_pass(&f, 500 * RI_MS);
    NOTES(&f, "dial c:4222\n");
    far_say(&f, FAR_INFO "}\r\n");
    far_pass(&f, 500 * RI_MS);
    NOTES(&f, "dial d:4222\n");
    far_greet(&f);
    NOTES(&f, "UP\n");
    end();
}
END_TEST

/* Subscriptions come back under their numbers, with what is left of their maximum. */
START_TEST(resubscribe)
{
    begin("nats://a", NULL);
    far_greet(&f);
    rill_sub *gone = subscribe("gone", NULL);
    rill_sub *sub = subscribe("s", NULL);
    rill_sub *three = subscribe("t", RILL_OPTS(rill_sub_opts, .limit_msgs = 3));
    rill_sub *one = subscribe("o", RILL_OPTS(rill_sub_opts, .limit_msgs = 1));
    HEARS(&f, "SUB gone 1\r\nSUB s 2\r\nSUB t 3\r\nUNSUB 3 3\r\nSUB o 4\r\nUNSUB 4 1\r\n");
    rill_sub_close(gone);
    far_say(&f, "MSG t 3 1\r\n1\r\nMSG t 3 1\r\n2\r\nMSG o 4 1\r\nx\r\nMSG o 4 1\r\ny\r\n");
    next_is(one, "x");
    const rill_msg *m;
    ck_assert_int_eq(rill_next(one, &m, 0), RILL_ECLOSED); /* y is more than it has asked for */
    far_cut(&f);
    far_pass(&f, 120 * RI_MS);
    far_greet(&f);
    const char *heard = far_hear(&f);
    ck_assert_ptr_nonnull(strstr(heard, "SUB s 2\r\n"));
    ck_assert_ptr_nonnull(strstr(heard, "SUB t 3\r\nUNSUB 3 1\r\n"));
    ck_assert_uint_eq(strlen(heard), strlen("SUB s 2\r\nSUB t 3\r\nUNSUB 3 1\r\n"));
    far_say(&f, "MSG s 2 1\r\nz\r\nMSG t 3 1\r\n3\r\nMSG t 3 1\r\n4\r\n");
    next_is(sub, "z");
    for (int i = 1; i <= 3; i++) next_is(three, (char[]){(char)('0' + i), 0});
    ck_assert_int_eq(rill_next(three, &m, 0), RILL_ECLOSED);
    rill_sub_close(sub);
    rill_sub_close(three);
    rill_sub_close(one);
    HEARS(&f, "UNSUB 2\r\n");
    end();
}
END_TEST

/* What was not taken when the connection broke is sent over the next one, and only that. */
START_TEST(survives)
{
    f.room = 0;
    begin("nats://a", NULL);
    far_greet(&f);
    f.pipes[f.ndials - 1].flow[0].room = 10;
    publish("a", "taken");                 /* a part of it is written */
    far_turn(&f);
    rill_sub *sub = subscribe("s", NULL);
    OK(rill_publish(f.bus, "b", "kept", 4,
                    RILL_OPTS(rill_post, .headers = &(rill_header){RILL_STR("h"), RILL_STR("v")},
                              .nheaders = 1)));
    publish("c", "");
    far_turn(&f);
    far_cut(&f);
    publish("d", "later");
    far_pass(&f, 120 * RI_MS);
    far_greet(&f);
    HEARS(&f, "SUB s 1\r\nHPUB b 18 22\r\nNATS/1.0\r\nh: v\r\n\r\nkept\r\nPUB c 0\r\n\r\n"
              "PUB d 5\r\nlater\r\n");
    rill_sub_close(sub);
    end();
}
END_TEST

/* send_buffer_bytes holds while there is no connection, and then it goes on. */
START_TEST(full)
{
    begin("nats://a", RILL_OPTS(rill_opts, .send_buffer_bytes = 1000));
    char data[100] = {0};
    int sent = 0, rc;
    while ((rc = rill_publish(f.bus, "a", data, sizeof data, NULL)) == RILL_OK) sent++;
    ck_assert_int_eq(rc, RILL_EAGAIN);
    ck_assert_int_ge(sent, 8);
    ck_assert_int_le(sent, 10);
    far_greet(&f);
    far_hear(&f);
    OK(rill_publish(f.bus, "a", data, sizeof data, NULL));
    end();
}
END_TEST

/* One message may be larger than what may wait: it goes when nothing else does. */
START_TEST(larger_than_the_bound)
{
    static const char data[2000];
    begin("nats://a", RILL_OPTS(rill_opts, .send_buffer_bytes = 1000));
    far_greet(&f);
    far_hear(&f);
    OK(rill_publish(f.bus, "a", data, sizeof data, NULL));
    OK(rill_publish(f.bus, "a", data, sizeof data, NULL));
    end();
}
END_TEST

/* A server may ask as often as it likes, as long as it takes the answers. */
START_TEST(asked_often)
{
    begin("nats://a", NULL);
    far_greet(&f);
    far_hear(&f);
    NOTES(&f, "dial a:4222\nUP\n");
    for (int i = 0; i < 2 * RI_NATS_PONGS_MAX; i++) {
        far_say(&f, "PING\r\n");
        HEARS(&f, "PONG\r\n");
    }
    NOTES(&f, "");
    end();
}
END_TEST

static void count_late(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    ck_assert_int_lt(err, 0);
    ++*(int *)arg;
}

/* Receipts that are lost over a connection that lives do not fill the window for good. */
START_TEST(receipts_that_never_come)
{
    int late = 0;
    begin("nats://a", RILL_OPTS(rill_opts, .max_inflight = 2, .call_timeout_ms = 1000));
    far_greet(&f);
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 2; i++)
            OK(rill_append_async(f.bus, "s", "x", 1, NULL, count_late, &late));
        far_pass(&f, 2 * RI_SEC);
        ck_assert_int_eq(late, 2 * round);
    }
    end();
}
END_TEST

START_TEST(stale)
{
    begin("nats://a,b", RILL_OPTS(rill_opts, .fixed_servers = true, .ping_interval_ms = 1000));
    far_greet(&f);
    far_pass(&f, RI_SEC);
    HEARS(&f, "PING\r\n");
    far_say(&f, "PONG\r\n");
    far_pass(&f, RI_SEC);
    HEARS(&f, "PING\r\n");
    NOTES(&f, "dial a:4222\nUP\n");
    far_pass(&f, RI_SEC);
    NOTES(&f, "");
    far_pass(&f, RI_SEC);
    NOTES(&f, "dial b:4222\nDOWN ECONN\n");
    end();
}
END_TEST

/* A flush has its own PONG, of the connection that is up when it comes to it. */
START_TEST(flush)
{
    begin("nats://a", NULL);
    ck_assert_int_eq(rill_flush(f.bus, 0), RILL_ETIMEDOUT);
    far_greet(&f);
    OK(rill_flush(f.bus, 0)); /* nothing was sent */
    publish("a", "");
    ck_assert_int_eq(rill_flush(f.bus, 0), RILL_ETIMEDOUT);
    HEARS(&f, "PUB a 0\r\n\r\nPING\r\n");
    ck_assert_int_eq(rill_flush(f.bus, 0), RILL_ETIMEDOUT);
    far_say(&f, "PONG\r\nPONG\r\nPONG\r\n"); /* one more than was asked for */
    OK(rill_flush(f.bus, 0));
    publish("a", "");
    ck_assert_int_eq(rill_flush(f.bus, 0), RILL_ETIMEDOUT);
    far_hear(&f);
    far_cut(&f);
    far_pass(&f, 120 * RI_MS);
    far_greet(&f);
    publish("a", "");
    far_hear(&f);
    ck_assert_int_eq(rill_flush(f.bus, 0), RILL_ETIMEDOUT);
    HEARS(&f, "PING\r\n");
    far_say(&f, "PONG\r\n");
    OK(rill_flush(f.bus, 0));
    end();
}
END_TEST

/* What the server has sent before it reads UNSUB is not lost by a drain. */
static void on_drained(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    strcat(arg, m->data.ptr);
}

START_TEST(drain)
{
    char got[16] = "";
    begin("nats://a", NULL);
    far_greet(&f);
    rill_sub *sub = subscribe("s", RILL_OPTS(rill_sub_opts, .on_msg = on_drained, .arg = got));
    HEARS(&f, "SUB s 1\r\n");
    ck_assert_int_eq(rill_drain(f.bus, 0), RILL_ETIMEDOUT);
    HEARS(&f, "UNSUB 1\r\nPING\r\n");
    far_say(&f, "MSG s 1 1\r\nx\r\nPONG\r\n");
    ck_assert_str_eq(got, "x");
    OK(rill_drain(f.bus, 0)); /* no PONG is asked for again */
    HEARS(&f, "");
    far_say(&f, "MSG s 1 1\r\ny\r\n"); /* it is over */
    ck_assert_str_eq(got, "x");
    rill_sub_close(sub);
    end();
}
END_TEST

/* A reader that is stopped has what the server has sent it, and then the end. */
START_TEST(stop)
{
    const rill_msg *m;
    begin("nats://a", NULL);
    far_greet(&f);
    rill_sub *sub = subscribe("s", NULL), *other = subscribe("t", NULL);
    far_hear(&f);
    OK(rill_sub_stop(sub));
    OK(rill_sub_stop(sub));
    HEARS(&f, "UNSUB 1\r\nPING\r\n");
    ck_assert_int_eq(rill_next(sub, &m, 0), RILL_EAGAIN); /* it may come still */
    far_say(&f, "MSG s 1 1\r\nx\r\nPONG\r\nMSG s 1 1\r\ny\r\n");
    next_is(sub, "x");
    ck_assert_int_eq(rill_next(sub, &m, 0), RILL_ECLOSED);
    rill_sub_close(sub);
    OK(rill_sub_stop(other)); /* lost with its connection: nothing comes any more */
    far_cut(&f);
    ck_assert_int_eq(rill_next(other, &m, 0), RILL_ECLOSED);
    rill_sub_close(other);
    sub = subscribe("u", NULL); /* there is no connection: it ends at once */
    OK(rill_sub_stop(sub));
    ck_assert_int_eq(rill_next(sub, &m, 0), RILL_ECLOSED);
    rill_sub_close(sub);
    sub = subscribe("v", NULL); /* closed while the server is asked */
    far_pass(&f, 120 * RI_MS);
    far_greet(&f);
    OK(rill_sub_stop(sub));
    rill_sub_close(sub);
    far_hear(&f);
    far_say(&f, "MSG v 4 1\r\nx\r\nPONG\r\n");
    ck_assert_uint_eq(far_peer(&f)->subs.len, 0);
    end();
}
END_TEST

/* Left as soon as it has answered what was asked; not if nobody else is known. */
START_TEST(lame_duck)
{
    begin("nats://a", NULL);
    far_greet(&f);
    far_say(&f, FAR_INFO ",\"ldm\":true}\r\n");
    HEARS(&f, "");
    far_say(&f, FAR_INFO ",\"ldm\":true,\"connect_urls\":[\"b:1\"]}\r\n");
    HEARS(&f, "PING\r\n");
    NOTES(&f, "dial a:4222\nUP\n");
    far_say(&f, "PONG\r\n");
    NOTES(&f, "dial b:1\nDOWN ECONN\n");
    end();
}
END_TEST

#define LAME FAR_INFO ",\"ldm\":true,\"connect_urls\":[\"b:1\"]}\r\n"

/* It has acknowledged what it was given, and hears nothing new: what comes meanwhile goes to the
 * next server. */
START_TEST(lame_duck_answers_first)
{
    far_ended e = {.err = 1};
    begin("nats://a", NULL);
    far_greet(&f);
    OK(rill_append_async(f.bus, "s", "one", 3, NULL, far_on_stored, &e));
    const char *reply = far_replied(&f, "PUB s ");
    far_say(&f, LAME);
    HEARS(&f, "PING\r\n");
    publish("meanwhile", "x");
    far_say(&f, "PONG\r\n");
    far_pass(&f, RI_SEC);
    HEARS(&f, "");
    NOTES(&f, "dial a:4222\nUP\n");
    far_acknowledge(&f, reply, 7);
    ck_assert_int_eq(e.err, RILL_OK);
    ck_assert_uint_eq(e.seq, 7);
    far_pass(&f, RI_NATS_LOOK_NS);
    NOTES(&f, "dial b:1\nDOWN ECONN\n");
    far_greet(&f);
    ck_assert_ptr_nonnull(strstr(far_hear(&f), "PUB meanwhile 1\r\nx\r\n"));
    end();
}
END_TEST

/* It does not answer: it is left all the same. */
START_TEST(lame_duck_does_not_answer)
{
    far_ended e = {.err = 1};
    begin("nats://a", RILL_OPTS(rill_opts, .call_timeout_ms = 60000));
    far_greet(&f);
    OK(rill_append_async(f.bus, "s", "one", 3, NULL, far_on_stored, &e));
    far_hear(&f);
    far_say(&f, LAME);
    far_say(&f, _i ? "PONG\r\n" : "+OK\r\n");
    far_pass(&f, RI_NATS_LEAVE_NS - RI_MS);
    NOTES(&f, "dial a:4222\nUP\n");
    far_pass(&f, RI_NATS_LOOK_NS + RI_MS);
    NOTES(&f, "dial b:1\nDOWN ECONN\n");
    ck_assert_int_eq(e.err, RILL_EUNSURE);
    end();
}
END_TEST

/* Servers that take every login and keep nobody are dialled ever more slowly, as those that are not
 * there; one that has kept us for some time is not among them. */
START_TEST(servers_that_keep_nobody)
{
    begin("nats://a,b", RILL_OPTS(rill_opts, .fixed_servers = true));
    for (int i = 0; i < 40; i++) {
        if (!far_peer(&f)->conn.wire) far_pass(&f, 50 * RI_MS);
        if (!far_peer(&f)->conn.wire) continue;
        far_greet(&f);
        far_cut(&f);
    }
    ck_assert_int_le(f.ndials, 2 + 2 * 5); /* 100, 200, 400, 800 ms in 2 s */
    while (!far_peer(&f)->conn.wire) far_pass(&f, 100 * RI_MS);
    far_greet(&f);
    far_pass(&f, RI_NATS_STOOD_NS);
    far_hear(&f);
    f.notes[0] = 0;
    far_cut(&f); /* the other one at once, and then a short pause */
    far_cut(&f);
    far_pass(&f, 120 * RI_MS);
    const char *notes = far_notes(&f), *second = strstr(notes, "dial");
    ck_assert_msg(second && strstr(second + 1, "dial"), "%s", notes);
    end();
}
END_TEST

static const struct { const char *said; const char *notes; } nonsense[] = {
    {"MSG a 1 2147483648\r\n", "DOWN EPROTO\n"},
    {"MSG a 1 999999999\r\n", "DOWN EPROTO\n"},
    {"MSG a 1\r\n", "DOWN EPROTO\n"},
    {"HELLO\r\n", "DOWN EPROTO\n"},
    {"PUB a 1\r\nx\r\n", "DOWN EPROTO\n"},
    {"INFO {\"port\":\"x\"}\r\n", "DOWN EPROTO\n"},
    {"INFO []\r\n", "DOWN EPROTO\n"},
    {"-ERR 'Stale Connection'\r\n", "DOWN ECONN\n"},
    {"-ERR 'Permissions Violation for Publish to \"x.y\"'\r\n", "ERROR EAUTH x.y\n"},
    {"-ERR 'Invalid Subject'\r\n", "ERROR EINVAL\n"},
    {"-ERR 'what?'\r\n", "ERROR EPROTO\n"},
    {"PONG\r\n", ""},
    {"+OK\r\nINFO {}\r\n", ""},
    {"MSG a 18446744073709551616 0\r\n\r\nMSG a x 0\r\n\r\n", ""},
};

START_TEST(bad_servers)
{
    begin("nats://a", NULL);
    far_greet(&f);
    NOTES(&f, "dial a:4222\nUP\n");
    far_say(&f, nonsense[_i].said);
    NOTES(&f, nonsense[_i].notes);
    far_pass(&f, 120 * RI_MS);
    if (strstr(nonsense[_i].notes, "DOWN")) { /* it is dialled again */
        far_greet(&f);
        NOTES(&f, "dial a:4222\nUP\n");
    }
    publish("still", "1");
    HEARS(&f, "PUB still 1\r\n1\r\n");
    end();
}
END_TEST

static const char *const early[] = {
    "PING\r\n", "PONG\r\n", "MSG a 1 0\r\n\r\n", "HTTP/1.1 400\r\n", "+OK\r\n",
    "-ERR 'maximum connections exceeded'\r\n", "INFO {}\r\nMSG a 1 0\r\n\r\n",
};

/* Of a server with TLS the login goes through that, so that nothing of it is in clear; one that
 * says more behind its INFO, or that speaks no TLS then, is left. */
START_TEST(secure)
{
    static const rill_tls tls = {.size = sizeof tls, .ca_file = GOLDEN_DIR "/tls/ca.pem"};
    static const char *const says[] = {
        FAR_INFO ",\"tls_required\":true}\r\nPING\r\n", FAR_INFO ",\"tls_required\":true}\r\nP",
        FAR_INFO ",\"tls_required\":true}\r\n\x16\x03\x03", FAR_INFO "}\r\n"};
    for (size_t i = 0; i < RI_LEN(says) + 2; i++) {
        bool good = i >= RI_LEN(says);
        begin("nats://u:secret@a,b", RILL_OPTS(rill_opts, .fixed_servers = true, .tls = &tls));
        far_turn(&f);
        far_say(&f, good ? FAR_INFO ",\"tls_available\":true}\r\n" : says[i]);
        if (good) {
            const char *hello = far_hear(&f);
            ck_assert_int_eq(hello[0], 22); /* a handshake */
            ck_assert_ptr_null(strstr(hello, "secret"));
            NOTES(&f, "dial a:4222\n");
            if (i > RI_LEN(says)) far_say(&f, "PONG\r\n");
            else far_pass(&f, 2 * RI_SEC); /* which is the time of it all */
        }
        NOTES(&f, good ? "dial b:4222\n" : "dial a:4222\ndial b:4222\n");
        end();
    }
}
END_TEST

START_TEST(bad_greetings)
{
    begin("nats://a,b", RILL_OPTS(rill_opts, .fixed_servers = true));
    far_turn(&f);
    far_say(&f, early[_i]);
    NOTES(&f, "dial a:4222\ndial b:4222\n");
    far_greet(&f);
    NOTES(&f, "UP\n");
    end();
}
END_TEST

/* A line without end, and PINGs whose answers nobody reads. */
START_TEST(floods)
{
    begin("nats://a", NULL);
    far_greet(&f);
    static char line[300000];
    memset(line, 'x', sizeof line);
    memcpy(line, "-ERR '", 6);
    far_say_bytes(&f, line, sizeof line);
    NOTES(&f, "dial a:4222\nUP\nDOWN EPROTO\n");
    far_pass(&f, 120 * RI_MS);
    far_greet(&f);
    f.pipes[f.ndials - 1].flow[0].room = 3;
    for (int i = 0; i < 3000 && !strstr(f.notes, "DOWN"); i++) far_say(&f, "PING\r\n");
    NOTES(&f, "dial a:4222\nUP\nDOWN EPROTO\n");
    end();
}
END_TEST

/* The same refusal twice, and a server is not asked any more; none is left: the end. */
START_TEST(refused_login)
{
    begin("nats://a,b", RILL_OPTS(rill_opts, .fixed_servers = true));
    for (int i = 0; i < 4; i++) {
        far_turn(&f);
        far_say(&f, FAR_INFO "}\r\n");
        far_hear(&f);
        far_say(&f, "-ERR 'Authorization Violation'\r\n");
        if (i == 1) far_pass(&f, 120 * RI_MS);
    }
    ck_assert_int_eq(rill_publish(f.bus, "a", "", 0, NULL), RILL_ECLOSED);
    far_close(&f);
    ck_assert_str_eq(f.notes, "dial a:4222\ndial b:4222\nDOWN EAUTH\ndial a:4222\n"
                     "dial b:4222\nCLOSED\n");
    end();
}
END_TEST

START_TEST(no_redial)
{
    begin("nats://a", RILL_OPTS(rill_opts, .no_redial = true));
    far_greet(&f);
    far_cut(&f);
    ck_assert_int_eq(rill_publish(f.bus, "a", "", 0, NULL), RILL_ECLOSED);
    far_close(&f);
    ck_assert_str_eq(f.notes, "dial a:4222\nUP\nDOWN ECONN\nCLOSED\n");
    end();
    begin("nats://a", RILL_OPTS(rill_opts, .max_redials = 2));
    f.refuse = 10;
    far_cut(&f);
    for (int i = 0; i < 20 && f.bus && rill_poll(f.bus, 0) >= 0; i++) far_pass(&f, 200 * RI_MS);
    far_close(&f);
    ck_assert_str_eq(f.notes, "dial a:4222\nDOWN ECONN\ndial a:4222\ndial a:4222\nCLOSED\n");
    end();
}
END_TEST

/* Answers to requests: the inbox comes with the first, comes back with a connection, and 503 is
 * told at once. */
START_TEST(requests)
{
    char first[64] = "", second[64] = "", third[64] = "", inbox[80], line[256];
    begin("nats://a", NULL);
    far_greet(&f);
    OK(rill_request_async(f.bus, "ask", "?", 1, NULL, 1000, on_reply, first));
    OK(rill_request_async(f.bus, "ask", "?", 1, NULL, 1000, on_reply, second));
    OK(rill_request_async(f.bus, "ask", "?", 1, NULL, 1000, on_reply, third));
    const char *at = far_hear(&f);
    ck_assert_int_eq(sscanf(at, "SUB %79s 1\r\n", inbox), 1);
    ck_assert_str_eq(inbox + strlen(inbox) - 2, ".*");
    char replies[3][80];
    for (int i = 0; i < 3; i++) {
        at = strstr(at, "PUB ask ");
        ck_assert_int_eq(sscanf(at, "PUB ask %79s 1\r\n", replies[i]), 1);
        at++;
    }
    snprintf(line, sizeof line, "MSG %s 1 2\r\nno\r\nMSG %s 1 2\r\nhi\r\n", replies[1],
             replies[1]);
    far_say(&f, line);
    ck_assert_str_eq(second, "OK no");
    snprintf(line, sizeof line, "HMSG %s 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", replies[0]);
    far_say(&f, line);
    ck_assert_str_eq(first, "ENOREPLY -");
    far_cut(&f);
    far_pass(&f, 120 * RI_MS);
    far_greet(&f);
    snprintf(line, sizeof line, "SUB %s 1\r\n", inbox);
    HEARS(&f, line);
    far_pass(&f, RI_SEC);
    ck_assert_str_eq(third, "ETIMEDOUT -");
    end();
}
END_TEST

/* A message of 3 MB in small pieces, and one that is too large for the server. */
START_TEST(large)
{
    begin("nats://a", NULL);
    far_greet_with(&f, ",\"max_payload\":4000000");
    rill_sub *sub = subscribe("s", NULL);
    size_t len = 3000000;
    char *data = malloc(len + 1);
    memset(data, 'd', len);
    data[len] = 0;
    far_say(&f, "MSG s 1 3000000\r\n");
    far_say_bytes(&f, data, len);
    far_say(&f, "\r\n");
    next_is(sub, data);
    free(data);
    static char more[4000001];
    ck_assert_int_eq(rill_publish(f.bus, "s", more, sizeof more, NULL), RILL_ETOOBIG);
    rill_sub_close(sub);
    end();
}
END_TEST

/* A line that is written again is taken from the last message: whatever differs from that one shows
 * in what the server hears. */
START_TEST(same_again)
{
    begin("nats://a", NULL);
    far_greet(&f);
    for (int i = 0; i < 3; i++) publish("a.b", (char[]){(char)('x' + i), 'y', 0});
    HEARS(&f, "PUB a.b 2\r\nxy\r\nPUB a.b 2\r\nyy\r\nPUB a.b 2\r\nzy\r\n");
    publish("a.c", "xy");   /* another subject of that length, one that is longer, another size */
    publish("a.b.c", "xy");
    publish("a.b.c", "xyz");
    HEARS(&f, "PUB a.c 2\r\nxy\r\nPUB a.b.c 2\r\nxy\r\nPUB a.b.c 3\r\nxyz\r\n");
    publish("a.b", "xy");
    publish("a.b", "");
    OK(rill_publish(f.bus, "a.b", "xy", 2, RILL_OPTS(rill_post, .reply = "r")));
    publish("a.b", "xy");
    HEARS(&f, "PUB a.b 2\r\nxy\r\nPUB a.b 0\r\n\r\nPUB a.b r 2\r\nxy\r\nPUB a.b 2\r\nxy\r\n");
    OK(rill_publish(f.bus, "a.b", "xy", 2,
                    RILL_OPTS(rill_post, .headers = &(rill_header){RILL_STR("h"), RILL_STR("v")},
                              .nheaders = 1)));
    publish("a.b", "xy");
    HEARS(&f, "HPUB a.b 18 20\r\nNATS/1.0\r\nh: v\r\n\r\nxy\r\nPUB a.b 2\r\nxy\r\n");
    ck_assert_int_eq(rill_publish(f.bus, "a b", "xy", 2, NULL), RILL_EINVAL);
    ck_assert_int_eq(rill_publish(f.bus, "", "xy", 2, NULL), RILL_EINVAL);
    ck_assert_int_eq(rill_publish(f.bus, "a.b", NULL, 2, NULL), RILL_EINVAL);
    publish("a.b", "zz");
    HEARS(&f, "PUB a.b 2\r\nzz\r\n");
    end();
}
END_TEST

/* Subjects of every length around those whose lines are kept, each of them several times. */
START_TEST(same_again_of_any_length)
{
    char subject[2 * RI_NATS_AGAIN_MAX], want[4 * sizeof subject];
    begin("nats://a", NULL);
    far_greet(&f);
    far_hear(&f);
    for (size_t len = 1; len < sizeof subject; len++) {
        memset(subject, 's', len);
        subject[len] = 0;
        publish(subject, "first"); /* in a row of others a line is not kept at once */
        for (int i = 0; i < RI_NATS_AGAIN_MISSES; i++) publish(subject, "again");
        far_hear(&f);
        publish(subject, "x5x5x");
        publish(subject, "last.");
        snprintf(want, sizeof want, "PUB %s 5\r\nx5x5x\r\nPUB %s 5\r\nlast.\r\n", subject,
                 subject);
        HEARS(&f, want);
    }
    end();
}
END_TEST

/* What is the same is looked at again where the handle, or what the server takes, has changed. */
START_TEST(same_again_elsewhere)
{
    begin("nats://a", NULL);
    far_greet(&f);
    publish("a", "xy");
    publish("a", "xy");
    far_hear(&f);
    far_cut(&f);
    publish("a", "12");
    far_pass(&f, 120 * RI_MS);
    far_greet_with(&f, ",\"max_payload\":2");
    publish("a", "34");
    HEARS(&f, "PUB a 2\r\n12\r\nPUB a 2\r\n34\r\n");
    far_say(&f, FAR_INFO ",\"max_payload\":1}\r\n");
    ck_assert_int_eq(rill_publish(f.bus, "a", "56", 2, NULL), RILL_ETOOBIG);
    far_say(&f, FAR_INFO ",\"max_payload\":2}\r\n");
    publish("a", "78");
    HEARS(&f, "PUB a 2\r\n78\r\n");
    end();
}
END_TEST

static int many(const char *subject, size_t n, ...)
{
    rill_str rows[8];
    va_list texts;
    va_start(texts, n);
    ck_assert_uint_le(n, RI_LEN(rows));
    for (size_t i = 0; i < n; i++) {
        const char *text = va_arg(texts, const char *);
        rows[i] = (rill_str){text, text ? strlen(text) : 1};
    }
    va_end(texts);
    return rill_publish_many(f.bus, subject, rows, n);
}

START_TEST(many_in_one_call)
{
    begin("nats://a", NULL);
    far_greet_with(&f, ",\"max_payload\":3");
    ck_assert_int_eq(many("a.b", 5, "xy", "zz", "abc", "", "de"), 5);
    HEARS(&f, "PUB a.b 2\r\nxy\r\nPUB a.b 2\r\nzz\r\nPUB a.b 3\r\nabc\r\nPUB a.b 0\r\n\r\n"
              "PUB a.b 2\r\nde\r\n");
    ck_assert_int_eq(many("a.c", 2, "xy", "zz"), 2); /* it is another subject than before */
    HEARS(&f, "PUB a.c 2\r\nxy\r\nPUB a.c 2\r\nzz\r\n");
    ck_assert_int_eq(many("a.c", 4, "xy", "zz", "four", "xy"), 2);
    HEARS(&f, "PUB a.c 2\r\nxy\r\nPUB a.c 2\r\nzz\r\n");
    ck_assert_int_eq(many("a.c", 2, "four", "xy"), RILL_ETOOBIG);
    ck_assert_int_eq(many("a.c", 3, "12", NULL, "34"), 1);
    ck_assert_int_eq(many("a.c", 2, NULL, "34"), RILL_EINVAL);
    ck_assert_int_eq(many("a c", 2, "12", "34"), RILL_EINVAL);
    ck_assert_int_eq(many(NULL, 2, "12", "34"), RILL_EINVAL);
    ck_assert_int_eq(rill_publish_many(f.bus, "a", NULL, 1), RILL_EINVAL);
    ck_assert_int_eq(rill_publish_many(NULL, "a", NULL, 0), RILL_EINVAL);
    ck_assert_int_eq(rill_publish_many(f.bus, "a", NULL, 0), 0);
    HEARS(&f, "PUB a.c 2\r\n12\r\n");
    end();
}
END_TEST

/* More than go in one turn inside the gate, of any sizes; those that went are counted. */
START_TEST(very_many_in_one_call)
{
    enum { N = 1000 };
    static char want[N * 40], data[60];
    static rill_str rows[N];
    size_t len = 0, bytes = 0;
    rill_stats stats = {.size = sizeof stats};
    memset(data, 'd', sizeof data);
    begin("nats://a", NULL);
    far_greet(&f);
    for (int i = 0; i < N; i++) {
        rows[i] = (rill_str){data, (size_t)(i % 100 < 90 ? 7 : i % 13)};
        bytes += rows[i].len;
        len += (size_t)snprintf(want + len, sizeof want - len, "PUB m %zu\r\n%.*s\r\n",
                                rows[i].len, (int)rows[i].len, data);
    }
    ck_assert_int_eq(rill_publish_many(f.bus, "m", rows, N), N);
    HEARS(&f, want);
    OK(rill_bus_stats(f.bus, &stats));
    ck_assert_uint_eq(stats.in_msgs, N);
    ck_assert_uint_eq(stats.in_bytes, bytes);
    end();
}
END_TEST

/* What there is room for goes, and the rest when there is some again. */
START_TEST(many_of_which_some_have_room)
{
    rill_str rows[40];
    for (int i = 0; i < 40; i++) rows[i] = (rill_str){"0123456789", 10};
    begin("nats://a", RILL_OPTS(rill_opts, .send_buffer_bytes = 400));
    int went = rill_publish_many(f.bus, "m", rows, 40);
    ck_assert_int_gt(went, 5);
    ck_assert_int_lt(went, 40);
    ck_assert_int_eq(rill_publish_many(f.bus, "m", rows + went, 40 - (size_t)went), RILL_EAGAIN);
    far_greet(&f);
    far_hear(&f);
    ck_assert_int_gt(rill_publish_many(f.bus, "m", rows + went, 40 - (size_t)went), 0);
    end();
}
END_TEST

static int scarce_body(fault *given, void *arg)
{
    (void)arg;
    memset(&f, 0, sizeof f);
    f.fault = *given;
    f.fault.hooks.arg = &f.fault;
    f.fault.host.arg = &f.fault;
    int rc = far_open(&f, "nats://u:p@a", NULL);
    rill_sub *sub = NULL;
    if (rc == RILL_OK) {
        rc = rill_subscribe(f.bus, &sub, "s.*", NULL);
        far_turn(&f);
        if (rc == RILL_OK && f.ndials) {
            far_say(&f, FAR_INFO ",\"connect_urls\":[\"b:1\"]}\r\n");
            far_say(&f, "PONG\r\n");
            rc = rill_publish(f.bus, "a", "x", 1, NULL);
            far_say(&f, "MSG s.a 1 2\r\nhi\r\n-ERR 'Permissions Violation'\r\nPING\r\n");
            far_cut(&f);
        }
        rill_sub_close(sub);
        far_close(&f);
    }
    *given = f.fault;
    return rc;
}

/* No allocation that fails brings down more than a call or a connection. */
START_TEST(scarce)
{
    fault_each(scarce_body, NULL);
}
END_TEST

SUITE_MAIN_ROWS("nats_link",
    SUITE_ONCE(login, token, redial, slow_servers, resubscribe, survives, full,
               larger_than_the_bound, asked_often, receipts_that_never_come, stale, flush, drain,
               stop, lame_duck, lame_duck_answers_first, servers_that_keep_nobody,
               floods, refused_login, no_redial,
               requests, large, same_again, same_again_of_any_length, same_again_elsewhere,
               many_in_one_call, very_many_in_one_call, many_of_which_some_have_room,
               scarce),
    SUITE_EACH(2, lame_duck_does_not_answer),
    SUITE_EACH(RI_LEN(nonsense), bad_servers), SUITE_EACH(RI_LEN(early), bad_greetings),
    SUITE_ONCE(secure))
