/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of streams behind a server that answers by a script, in virtual time: what they ask for,
 * and that an ordered one sees each message once, whatever is lost on the way. */
#include <stdio.h>

#include "base/error.h"
#include "support/far.h"
#include "support/suite.h"

#define OK(call)                                                    \
    do {                                                            \
        int ok_rc = (call);                                         \
        ck_assert_msg(ok_rc >= 0, "%s: %s", #call, ri_err_text());  \
    } while (0)
#define CREATE "$JS.API.CONSUMER.CREATE.S."
#define LOOK "$JS.API.CONSUMER.INFO.S."
#define MADE "{\"name\":\"%n\",\"config\":{\"ack_policy\":\"none\"},\"num_pending\":9}"
#define GROUP "{\"name\":\"g\",\"config\":{\"durable_name\":\"g\",\"name\":\"g\"," \
              "\"ack_policy\":\"explicit\",\"ack_wait\":30000000000,\"max_ack_pending\":1000}}"
#define GONE "{\"error\":{\"code\":404,\"err_code\":10014,\"description\":\"consumer not found\"}}"

static far f;
static char name[64]; /* of the consumer that was made last */
static unsigned sid;  /* of the reader's inbox */
static rill_sub *sub;
static const far_row nothing[] = {{NULL, NULL}};
enum { SEND_MAX = 20000 };

/* The name and the inbox that the handle has told the server of. */
static const char *hear(void)
{
    const char *heard = far_hear(&f), *at = strstr(heard, CREATE);
    if (at) sscanf(at + strlen(CREATE), "%63[A-Za-z0-9]", name);
    for (at = heard; (at = strstr(at, "SUB _INBOX.")); at += 4)
        sscanf(at, "SUB _INBOX.%*[A-Za-z0-9] %u\r", &sid);
    return heard;
}

/* A reader of the group that is configured so, or, NULL, one of its own without acks. Its answers
 * are there before it asks. */
static void begin_with(const char *group)
{
    const far_row made[] = {{CREATE, MADE}, {NULL, NULL}};
    const far_row there[] = {{LOOK, group}, {NULL, NULL}};
    memset(&f, 0, sizeof f);
    fault_init(&f.fault);
    OK(far_open(&f, "nats://a", RILL_OPTS(rill_opts, .send_buffer_bytes = SEND_MAX,
                                          .call_timeout_ms = 60000)));
    far_greet(&f);
    far_hear(&f);
    far_follow(&f, group ? there : made);
    if (group) OK(rill_consume(f.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g",
                                                           .pending_bytes = 4000)));
    else OK(rill_tail(f.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .pending_bytes = 4000)));
    if (group) snprintf(name, sizeof name, "g");
    const char *heard = hear();
    ck_assert_msg(group || strstr(heard, "CONSUMER.MSG.NEXT.S."), "%s", heard);
    far_follow(&f, nothing);
}

static void begin(bool group)
{
    begin_with(group ? GROUP : NULL);
}

static void end(void)
{
    rill_sub_close(sub);
    far_close(&f);
    fault_fini(&f.fault);
}

/* A message of the consumer's, by its number in the stream and in the consumer. */
static void bring(const char *from, int seq, int number, const char *text)
{
    static char line[8192];
    snprintf(line, sizeof line, "MSG s.a %u $JS.ACK.S.%s.1.%d.%d.1000.5 %zu\r\n%s\r\n", sid, from,
             seq, number, strlen(text), text);
    far_say(&f, line);
}

static void say_status(const char *line, const char *headers)
{
    char text[400];
    size_t len = strlen(line) + strlen(headers) + 4;
    snprintf(text, sizeof text, "HMSG _INBOX.x %u %zu %zu\r\n%s\r\n%s\r\n\r\n", sid, len, len, line,
             headers);
    far_say(&f, text);
}

static void next_is(const char *text)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, 0));
    ck_assert_str_eq(m->data.ptr, text);
}

static void nothing_waits(void)
{
    const rill_msg *m;
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
}

/* It has made another consumer, which begins there, and asks that one. */
static void healed(const char *start)
{
    char was[64];
    snprintf(was, sizeof was, "%s", name);
    const char *heard = hear();
    ck_assert_str_ne(name, was);
    ck_assert_msg(strstr(heard, start), "%s is not in: %s", start, heard);
    ck_assert_msg(strstr(heard, "CONSUMER.MSG.NEXT.S."), "it does not ask: %s", heard);
}

static const far_row again[] = {{CREATE, MADE}, {NULL, NULL}};

START_TEST(a_gap_is_healed)
{
    char old[64];
    begin(false);
    bring(name, 10, 1, "one");
    next_is("one");
    snprintf(old, sizeof old, "%s", name);
    far_follow(&f, again);
    bring(name, 14, 3, "three"); /* the second was lost */
    healed("\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":11");
    bring(old, 15, 4, "four"); /* what the old one has sent */
    nothing_waits();
    bring(name, 12, 1, "two");
    bring(name, 14, 2, "three");
    next_is("two");
    next_is("three");
    nothing_waits();
    end();
}
END_TEST

/* What was on its way is lost with the connection, whether something follows or not. */
START_TEST(a_lost_connection_is_healed)
{
    begin(false);
    bring(name, 10, 1, "one");
    next_is("one");
    hear();
    far_cut(&f);
    far_follow(&f, again);
    far_pass(&f, 1 * RI_SEC);
    far_say(&f, FAR_INFO "}\r\nPONG\r\n");
    healed("\"opt_start_seq\":11");
    bring(name, 11, 1, "two");
    next_is("two");
    end();
}
END_TEST

START_TEST(a_heartbeat_tells_of_a_loss)
{
    begin(false);
    bring(name, 10, 1, "one");
    next_is("one");
    hear();
    say_status("NATS/1.0 100 Idle Heartbeat", "Nats-Last-Consumer: 1\r\nNats-Last-Stream: 10");
    HEARS(&f, "");
    far_follow(&f, again);
    say_status("NATS/1.0 100 Idle Heartbeat", "Nats-Last-Consumer: 2\r\nNats-Last-Stream: 11");
    healed("\"opt_start_seq\":11");
    end();
}
END_TEST

START_TEST(one_that_is_deleted_is_made_anew)
{
    begin(false);
    far_follow(&f, again);
    say_status("NATS/1.0 409 Consumer Deleted", "X: 1");
    healed("\"deliver_policy\":\"all\""); /* none has come: as it was made first */
    bring(name, 1, 1, "one");
    next_is("one");
    end();
}
END_TEST

/* A message that finds no room comes again, and those behind it, when the reader has read. */
START_TEST(what_finds_no_room_comes_again)
{
    static char large[3000];
    memset(large, 'x', sizeof large - 1);
    begin(false);
    bring(name, 10, 1, large);
    bring(name, 11, 2, large);
    bring(name, 12, 3, "small"); /* not out of order */
    hear();
    far_follow(&f, again);
    next_is(large);
    nothing_waits();
    healed("\"opt_start_seq\":11");
    bring(name, 11, 1, "second");
    bring(name, 12, 2, "third");
    next_is("second");
    next_is("third");
    end();
}
END_TEST

/* Of a request that has ended what is left is asked for again. */
START_TEST(an_ended_request_is_made_again)
{
    begin(false);
    far_pass(&f, RI_SEC);
    say_status("NATS/1.0 408 Request Timeout", "Nats-Pending-Messages: 7");
    const char *heard = hear();
    ck_assert_msg(strstr(heard, "\"batch\":7"), "%s", heard);
    say_status("NATS/1.0 408 Request Timeout", "Nats-Pending-Messages: 3"); /* too soon */
    HEARS(&f, "");
    far_pass(&f, RI_SEC);
    heard = hear();
    ck_assert_msg(strstr(heard, "\"batch\":3"), "%s", heard);
    far_pass(&f, RI_SEC);
    say_status("NATS/1.0 408 Request Timeout", "Nats-Pending-Messages: 99999999999999999999");
    heard = hear();
    ck_assert_msg(strstr(heard, "\"batch\":"), "%s", heard);
    end();
}
END_TEST

/* A server that refuses the size of each request is asked again later, once: its refusals do not
 * make more and more requests. */
START_TEST(refusals_do_not_multiply)
{
    begin(false);
    for (int i = 0; i < 500; i++)
        say_status("NATS/1.0 409 Exceeded MaxRequestBatch of 10", "Nats-Pending-Messages: 7");
    HEARS(&f, "");
    far_pass(&f, 400 * RI_MS);
    size_t requests = 0;
    for (const char *at = hear(); (at = strstr(at, "\"batch\":")) != NULL; at++) requests++;
    ck_assert_uint_ge(requests, 1);
    ck_assert_uint_le(requests, 500);
    end();
}
END_TEST

/* A server that cannot do it now is asked a quarter of a second later. */
START_TEST(a_change_of_leader_is_waited_for)
{
    begin(false);
    say_status("NATS/1.0 409 Leadership Change", "Nats-Pending-Messages: 5");
    HEARS(&f, "");
    far_pass(&f, 100 * RI_MS);
    HEARS(&f, "");
    far_pass(&f, 400 * RI_MS);
    const char *heard = hear();
    ck_assert_msg(strstr(heard, "\"batch\":5"), "%s", heard);
    end();
}
END_TEST

START_TEST(silence_is_looked_into)
{
    begin(false);
    for (int i = 0; i < 8; i++) { /* it lives */
        far_pass(&f, 5 * RI_SEC);
        say_status("NATS/1.0 100 Idle Heartbeat", "Nats-Last-Consumer: 0");
    }
    HEARS(&f, "");
    far_follow(&f, again);
    for (int i = 0; i < 4; i++) far_pass(&f, 5 * RI_SEC);
    healed("\"deliver_policy\":\"all\"");
    far_follow(&f, again);
    say_status("NATS/1.0 503", "X: 1"); /* its server is gone, and the consumer with it */
    far_pass(&f, 500 * RI_MS);
    healed("\"deliver_policy\":\"all\"");
    end();
}
END_TEST

/* A group that is gone ends its readers; one that was made anew does not. */
START_TEST(a_group_that_is_gone_ends_its_readers)
{
    static const far_row there[] = {{LOOK, GROUP}, {NULL, NULL}};
    static const far_row gone[] = {{LOOK, GONE}, {NULL, NULL}};
    const rill_msg *m;
    begin(true);
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    const char *heard = hear();
    ck_assert_msg(strstr(heard, "\"batch\":1}"), "%s", heard);
    far_follow(&f, there);
    say_status("NATS/1.0 409 Consumer Deleted", "X: 1");
    heard = hear();
    ck_assert_msg(strstr(heard, LOOK "g") && strstr(heard, "\"batch\":1}"), "%s", heard);
    far_follow(&f, gone);
    say_status("NATS/1.0 503", "X: 1");
    hear();
    ck_assert_rc(rill_next(sub, &m, 0), RILL_ECLOSED);
    end();
}
END_TEST

/* The time of a message that lay here begins anew when it is handed out; one whose time has run out
 * is somebody else's. */
START_TEST(what_lay_too_long_is_not_handed_out)
{
    const rill_msg *m;
    begin(true);
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    hear();
    bring("g", 1, 1, "one");
    far_pass(&f, 10 * RI_SEC);
    OK(rill_next(sub, &m, 0));
    ck_assert_str_eq(m->data.ptr, "one");
    const char *heard = hear();
    ck_assert_msg(strstr(heard, "PUB $JS.ACK.S.g.1.1.1.1000.5 4\r\n+WPI"), "%s", heard);
    OK(rill_ack(m));
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    bring("g", 2, 2, "two");
    far_pass(&f, 31 * RI_SEC);
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    end();
}
END_TEST

/* What a stranger brings to the reader's inbox has nobody to settle it with: nothing is said to
 * where it wants an answer, however long it lay. */
START_TEST(what_a_stranger_brings_is_not_settled)
{
    static const char *const replies[] = {"", "of.his "};
    const rill_msg *m;
    char line[100];
    begin(true);
    for (int i = 0; i < 2; i++) {
        ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
        hear();
        snprintf(line, sizeof line, "MSG s.a %u %s2\r\nhi\r\n", sid, replies[i]);
        far_say(&f, line);
        far_pass(&f, 10 * RI_SEC);
        OK(rill_next(sub, &m, 0));
        ck_assert_str_eq(m->data.ptr, "hi");
        const char *heard = hear();
        ck_assert_msg(!strstr(heard, "+WPI"), "%s", heard);
    }
    end();
}
END_TEST

/* Nothing comes for a reader who has stopped waiting: its request ends when the read does. */
START_TEST(a_request_lasts_as_long_as_its_read)
{
    const rill_msg *m;
    begin(true);
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    const char *heard = hear();
    ck_assert_msg(strstr(heard, "{\"expires\":1000000000,\"batch\":1}"), "%s", heard);
    end();
}
END_TEST

/* ---- What a server makes us send ---- */

static ri_nats_peer *peer(void)
{
    return ri_nats_peer_of(f.bus);
}

/* The server reads nothing any more. */
static void stall(void)
{
    hear();
    far_follow(&f, NULL); /* which would read */
    f.pipes[f.ndials - 1].flow[0].room = 1;
    OK(rill_publish(f.bus, "s", "it fills the pipe", 17, NULL));
    far_turn(&f);
}

/* It ends one request after the other, or sends what was not asked for, and reads nothing. */
START_TEST(a_stalled_server_makes_nobody_hold_more)
{
    static char large[3000];
    memset(large, 'x', sizeof large - 1);
    const rill_msg *m;
    begin(_i > 0);
    if (_i) ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    f.fault.now_ns += RI_SEC; /* it may end now */
    stall();
    for (int i = 0; i < 3000; i++) {
        if (_i == 0) say_status("NATS/1.0 408 Request Timeout", "Nats-Pending-Messages: 400");
        if (_i == 1) bring("g", i + 1, i + 1, i < 2 ? large : "x"); /* there is no room for it */
    }
    const rill_msg *last = NULL;
    int rc = RILL_OK;
    if (_i == 1) OK(rill_next(sub, &last, 0));
    for (int i = 0; i < 20000 && _i == 1 && rc == RILL_OK; i++) rc = rill_working(last);
    if (_i == 1) ck_assert_rc(rc, RILL_EAGAIN);
    if (_i == 1) ck_assert_rc(rill_ack(last), RILL_EAGAIN);
    ck_assert_uint_lt(peer()->out.bytes + peer()->conn.pending, 2 * SEND_MAX + 2000);
    f.pipes[f.ndials - 1].flow[0].room = 1 << 20; /* it reads again */
    const char *heard = hear();
    if (_i == 0) ck_assert_msg(strstr(heard, "MSG.NEXT"), "it asks no more: %s", heard);
    if (_i == 1) OK(rill_ack(last)); /* nothing was settled before */
    heard = hear();
    if (_i == 1) ck_assert_msg(strstr(heard, "$JS.ACK.S.g.1.1.1.1000.5 0\r\n"), "%s", heard);
    end();
}
END_TEST

/* ---- What one request may want ---- */

#define LIMITED "{\"name\":\"g\",\"config\":{\"durable_name\":\"g\",\"name\":\"g\"," \
                "\"ack_policy\":\"explicit\",\"ack_wait\":30000000000,\"max_ack_pending\":1000," \
                "\"max_batch\":3,\"max_expires\":800000000,\"max_bytes\":5000}}"

static void asks_for(const char *what)
{
    const char *heard = hear();
    ck_assert_msg(strstr(heard, what), "%s is not in: %s", what, heard);
}

static void wants(size_t n)
{
    const rill_msg *msgs[64];
    ck_assert_rc(rill_read(sub, msgs, n, 0), RILL_EAGAIN);
}

START_TEST(limits_of_a_consumer_are_obeyed)
{
    begin_with(LIMITED);
    wants(50);
    const char *heard = hear();
    size_t requests = 0;
    for (const char *at = heard; (at = strstr(at, "MSG.NEXT")); at++) requests++;
    ck_assert_uint_eq(requests, 8); /* not 17 */
    ck_assert_msg(strstr(heard, "{\"expires\":800000000,\"batch\":3,\"max_bytes\":5000}"), "%s",
                  heard);
    for (int i = 1; i <= 24; i++) bring("g", i, i, "x");
    asks_for("\"batch\":3");
    /* A message that is larger than any request may be comes alone. */
    far_pass(&f, RI_SEC);
    say_status("NATS/1.0 409 Message Size Exceeds MaxBytes", "Nats-Pending-Messages: 24");
    asks_for("{\"expires\":800000000,\"batch\":1}");
    end();
}
END_TEST

/* A consumer that was given limits while it is read says so once. */
START_TEST(limits_are_learnt)
{
    begin(true);
    wants(50);
    asks_for("{\"expires\":1000000000,\"batch\":50}");
    say_status("NATS/1.0 409 Exceeded MaxRequestBatch of 20", "X: 1");
    far_pass(&f, 300 * RI_MS);
    asks_for("{\"expires\":1000000000,\"batch\":20}");
    say_status("NATS/1.0 409 Exceeded MaxRequestExpires of 250ms", "X: 1");
    far_pass(&f, 300 * RI_MS);
    asks_for("{\"expires\":250000000,\"batch\":20}");
    say_status("NATS/1.0 409 Exceeded MaxRequestExpires of whatever", "X: 1");
    far_pass(&f, 300 * RI_MS);
    asks_for("{\"expires\":125000000,\"batch\":20}");
    say_status("NATS/1.0 409 Exceeded MaxRequestMaxBytes of 7000", "X: 1");
    far_pass(&f, 300 * RI_MS);
    asks_for("{\"expires\":125000000,\"batch\":20,\"max_bytes\":7000}");
    far_notes(&f);
    say_status("NATS/1.0 409 Exceeded Something", "X: 1");
    ck_assert_str_eq(far_notes(&f), "ERROR EPROTO\n");
    ck_assert_ptr_eq(f.concerned, sub);
    end();
}
END_TEST

/* ---- Seeking ---- */

#define DELETED "{\"success\":true}"
#define REFUSED "{\"error\":{\"code\":400,\"err_code\":10026,\"description\":\"too many\"}}"

/* What the old consumer has sent, and says of its requests, comes to an inbox that nobody hears. */
START_TEST(a_seek_leaves_its_inbox)
{
    begin(false);
    unsigned old_sid = sid;
    char line[256], old[64];
    snprintf(old, sizeof old, "%s", name);
    far_follow(&f, again);
    OK(rill_seek(sub, RILL_AT(5)));
    const char *heard = hear();
    ck_assert_uint_ne(sid, old_sid);
    snprintf(line, sizeof line, "UNSUB %u\r\n", old_sid);
    ck_assert_msg(strstr(heard, line), "%s", heard);
    far_follow(&f, nothing);
    snprintf(line, sizeof line, "HMSG _INBOX.x %u 33 33\r\nNATS/1.0 409 Consumer Deleted\r\n\r\n"
             "\r\n", old_sid);
    far_say(&f, line);
    HEARS(&f, ""); /* no other consumer is made */
    bring(name, 5, 1, "five");
    next_is("five");
    end();
}
END_TEST

/* A seek that fails changes nothing: the reader goes on where it was. */
START_TEST(a_seek_that_fails)
{
    static const far_row refused[] = {{CREATE, REFUSED}, {CREATE, MADE}, {NULL, NULL}};
    begin(false);
    bring(name, 10, 1, "ten");
    next_is("ten");
    far_follow(&f, refused);
    ck_assert_int_lt(rill_seek(sub, RILL_AT(5)), 0);
    hear();
    far_pass(&f, 300 * RI_MS);
    healed("\"opt_start_seq\":11");
    bring(name, 11, 1, "eleven");
    next_is("eleven");
    end();
}
END_TEST

/* While another call waits: the callback that it drives closes what that is about. */
static void close_it(rill_sub *other, const rill_msg *m, void *arg)
{
    ck_assert(other != sub && m);
    rill_sub_close(sub);
    *(bool *)arg = true;
}

/* What the server has sent to it, and sends still, comes to nobody; both consumers are deleted,
 * whether the second one was made or not. */
START_TEST(a_reader_that_left_within_a_seek)
{
    const far_row rows[] = {{CREATE, _i ? REFUSED : MADE}, {NULL, NULL}};
    rill_sub *live;
    unsigned live_sid = 0;
    bool closed = false;
    char old[64], line[128];
    begin(false);
    bring(name, 10, 1, "ten");
    snprintf(old, sizeof old, "%s", name);
    OK(rill_subscribe(f.bus, &live, "x", RILL_OPTS(rill_sub_opts, .on_msg = close_it,
                                                   .arg = &closed)));
    far_turn(&f);
    sscanf(far_hear(&f), "SUB x %u\r", &live_sid);
    snprintf(line, sizeof line, "MSG x %u 2\r\nhi\r\n", live_sid);
    pipe_put(&f.pipes[f.ndials - 1].end[1], line, strlen(line)); /* it is read within the seek */
    far_follow(&f, rows);
    ck_assert_rc(rill_seek(sub, RILL_AT(5)), RILL_ECLOSED);
    ck_assert_str_eq(rill_errmsg(), "the subscription was closed");
    ck_assert(closed);
    far_follow(&f, nothing);
    const char *heard = hear();
    ck_assert_str_ne(name, old);
    snprintf(line, sizeof line, "CONSUMER.DELETE.S.%s ", old);
    ck_assert_msg(strstr(heard, line), "%s is not in: %s", line, heard);
    snprintf(line, sizeof line, "CONSUMER.DELETE.S.%s ", name);
    ck_assert_msg(strstr(heard, line), "%s is not in: %s", line, heard);
    bring(old, 11, 2, "eleven");
    bring(name, 5, 1, "five");
    rill_sub_close(live);
    far_cut(&f); /* nothing of it is mended, or asked for, any more */
    far_pass(&f, RI_SEC);
    far_greet(&f);
    heard = far_hear(&f);
    ck_assert_msg(!strstr(heard, "$JS.API.CONSUMER"), "%s", heard);
    far_close(&f);
    fault_fini(&f.fault);
}
END_TEST

/* An older server has no other way than to delete the group and to make it anew: that is tried as
 * long as the call may take. */
START_TEST(a_group_is_made_anew_until_it_is_there)
{
    const far_row rows[] = {
        {LOOK, GROUP}, {"$JS.API.CONSUMER.DELETE.S.g", DELETED}, {CREATE, REFUSED},
        {"$JS.API.CONSUMER.DELETE.S.g", GONE}, {CREATE, REFUSED},
        {"$JS.API.CONSUMER.DELETE.S.g", GONE}, {CREATE, GROUP}, {NULL, NULL}};
    const rill_msg *m;
    begin(true);
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    hear();
    f.fault.step_ns = 5 * RI_MS;
    far_follow(&f, rows);
    OK(rill_seek(sub, RILL_AT(5)));
    f.fault.step_ns = 0;
    const char *heard = hear();
    ck_assert_msg(strstr(heard, "\"opt_start_seq\":5"), "%s", heard);
    ck_assert_ptr_null(f.script->subject); /* all of it was needed */
    ck_assert_rc(rill_next(sub, &m, 0), RILL_EAGAIN);
    end();
}
END_TEST

START_TEST(a_group_that_cannot_be_made_anew)
{
    far_row rows[100] = {{LOOK, GROUP}, {"$JS.API.CONSUMER.DELETE.S.g", DELETED}};
    for (size_t i = 2; i + 2 < RI_LEN(rows); i += 2) {
        rows[i] = (far_row){CREATE, REFUSED};
        rows[i + 1] = (far_row){"$JS.API.CONSUMER.DELETE.S.g", GONE};
    }
    begin(true);
    f.fault.step_ns = 500 * RI_MS;
    far_follow(&f, rows);
    int rc = rill_seek(sub, RILL_AT(5));
    ck_assert_int_lt(rc, 0);
    ck_assert_msg(strstr(rill_errmsg(), "the group g is deleted"), "%s", rill_errmsg());
    f.fault.step_ns = 0;
    end();
}
END_TEST

SUITE_MAIN_ROWS("nats_pull",
    SUITE_ONCE(a_gap_is_healed, a_lost_connection_is_healed, a_heartbeat_tells_of_a_loss,
               one_that_is_deleted_is_made_anew, what_finds_no_room_comes_again,
               an_ended_request_is_made_again, refusals_do_not_multiply,
               a_change_of_leader_is_waited_for, silence_is_looked_into,
               a_group_that_is_gone_ends_its_readers, what_lay_too_long_is_not_handed_out,
               what_a_stranger_brings_is_not_settled,
               a_request_lasts_as_long_as_its_read, limits_of_a_consumer_are_obeyed,
               limits_are_learnt, a_seek_leaves_its_inbox, a_seek_that_fails,
               a_group_is_made_anew_until_it_is_there, a_group_that_cannot_be_made_anew),
    SUITE_EACH(2, a_stalled_server_makes_nobody_hold_more, a_reader_that_left_within_a_seek))
