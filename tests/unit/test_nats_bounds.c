/* SPDX-License-Identifier: Apache-2.0 */
/* What a nats:// handle holds at most, whoever causes it, and what a server lets nobody listen to;
 * in virtual time (support/far.h). */
#include <stdio.h>

#include "base/error.h"
#include "support/far.h"
#include "support/suite.h"

#define OK(call)                                                    \
    do {                                                            \
        int ok_rc = (call);                                         \
        ck_assert_msg(ok_rc >= 0, "%s: %s", #call, ri_err_text());  \
    } while (0)

#define REFUSED "Permissions Violation for Subscription to "

static far f;

static void begin(const rill_opts *opts)
{
    memset(&f, 0, sizeof f);
    fault_init(&f.fault);
    ck_assert_ok(far_open(&f, "nats://a", opts));
}

static void end(void)
{
    far_close(&f);
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

static void next_is(rill_sub *sub, const char *text)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, 0));
    ck_assert_str_eq(m->data.ptr, text);
}

/* ---- What may wait to be sent ---- */

static size_t waits(void)
{
    return far_peer(&f)->out.bytes + far_peer(&f)->conn.pending;
}

/* The server reads nothing any more. */
static void stall(void)
{
    far_hear(&f);
    f.pipes[f.ndials - 1].flow[0].room = 1;
}

/* A call whose time is up before it could be sent is not sent later; one that nobody wanted to wait
 * for is. */
START_TEST(what_was_given_up_is_not_sent)
{
    far_ended e[50];
    static char text[1000];
    begin(RILL_OPTS(rill_opts, .call_timeout_ms = 1000, .connect_timeout_ms = 60000));
    publish("kept", "1");
    for (size_t i = 0; i < RI_LEN(e); i++)
        OK(rill_append_async(f.bus, "late", text, sizeof text, NULL, far_on_stored, &e[i]));
    ck_assert_int_eq(rill_append(f.bus, "unawaited", "x", 1, NULL, NULL, 0), RILL_ETIMEDOUT);
    publish("kept", "2");
    far_pass(&f, 2 * RI_SEC);
    for (size_t i = 0; i < RI_LEN(e); i++) ck_assert_int_eq(e[i].err, RILL_ETIMEDOUT);
    ck_assert_msg(strstr(e[0].text, "is not sent"), "%s", e[0].text);
    ck_assert_uint_lt(waits(), 4 * sizeof text); /* the memory has gone, too */
    far_greet(&f);
    const char *heard = far_hear(&f);
    ck_assert_ptr_null(strstr(heard, "PUB late"));
    ck_assert_ptr_nonnull(strstr(heard, "PUB kept 1\r\n1\r\n"));
    ck_assert_ptr_nonnull(strstr(heard, "PUB kept 1\r\n2\r\n"));
    ck_assert_ptr_nonnull(strstr(heard, "PUB unawaited _INBOX."));
    OK(rill_append_async(f.bus, "sent", "x", 1, NULL, far_on_stored, &e[0]));
    ck_assert_ptr_nonnull(strstr(far_hear(&f), "PUB sent"));
    far_pass(&f, 2 * RI_SEC);
    ck_assert_int_eq(e[0].err, RILL_ETIMEDOUT);
    ck_assert_msg(!strstr(e[0].text, "is not sent"), "%s", e[0].text);
    end();
}
END_TEST

/* What a program asks again and again, while the server takes nothing. */
START_TEST(a_stalled_server_bounds_the_program)
{
    begin(RILL_OPTS(rill_opts, .send_buffer_bytes = 10000));
    far_greet(&f);
    stall();
    publish("s", "it fills the pipe");
    far_turn(&f);
    int refused = 0;
    rill_msg *answer;
    for (int i = 0; i < 20000; i++) {
        if (_i == 0) {
            rill_sub *sub;
            int rc = rill_subscribe(f.bus, &sub, "some.subject", NULL);
            refused += rc == RILL_EAGAIN;
            ck_assert(rc == RILL_OK || rc == RILL_EAGAIN);
            rill_sub_close(sub);
        } else if (_i == 1) {
            refused += rill_flush(f.bus, 0) == RILL_ETIMEDOUT;
        } else {
            refused += rill_jetstream_ask(f.bus, "$JS.API.INFO", "", 0, &answer, 0) == RILL_EAGAIN;
        }
    }
    ck_assert_int_gt(refused, 0);
    ck_assert_uint_lt(waits(), 3 * 10000);
    end();
}
END_TEST

/* Events that nobody hears have a bound, and what is told last is how it is. */
START_TEST(events_have_a_bound)
{
    begin(NULL);
    far_greet(&f);
    NOTES(&f, "dial a:4222\nUP\n");
    ri_nats_peer *peer = far_peer(&f);
    ri_broker_enter(f.bus->broker);
    for (int i = 0; i < 1000; i++) {
        ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_ERROR, .code = RILL_EAUTH});
        ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_DOWN, .code = RILL_ECONN});
        ri_nats_peer_report(peer, &(ri_nats_news){.kind = RILL_EV_UP});
    }
    ck_assert_uint_le(peer->nevents, RI_NATS_EVENTS_MAX + 1);
    ri_broker_leave(f.bus->broker);
    const char *notes = far_notes(&f);
    ck_assert_str_eq(notes + strlen(notes) - 3, "UP\n");
    end();
}
END_TEST

/* Receipts are told apart, however many are under way. */
START_TEST(very_many_receipts)
{
    enum { LOTS = 100000 };
    static far_ended e[LOTS];
    rill_bus *none;
    begin(RILL_OPTS(rill_opts, .max_inflight = LOTS, .send_buffer_bytes = 100 << 20));
    far_greet(&f);
    for (int i = 0; i < LOTS; i++) {
        e[i] = (far_ended){.err = 1};
        OK(rill_append_async(f.bus, "s", "x", 1, NULL, far_on_stored, &e[i]));
        if (i % 1000 == 0) far_hear(&f);
    }
    far_hear(&f);
    char room[RI_NATS_REPLY_MAX + 1] = "";
    const ri_nats_call *last = far_peer(&f)->calls.slots[LOTS - 1];
    ri_nats_calls_reply(far_peer(&f), last, room);
    far_acknowledge(&f, room, 5);
    ck_assert_int_eq(e[LOTS - 1].err, RILL_OK);
    ck_assert_uint_eq(e[LOTS - 1].seq, 5);
    ck_assert_int_eq(e[LOTS - 1 - 65536].err, 1);
    end();
    ck_assert_int_eq(rill_open(&none, "nats://127.0.0.1:1", RILL_OPTS(rill_opts, .max_inflight =
                     RI_NATS_APPENDS_MAX + 1)), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "max_inflight"));
}
END_TEST

/* ---- What a server lets nobody listen to ---- */

/* The one that is refused ends, and is told; those beside it live. */
START_TEST(a_refused_subscription)
{
    const rill_msg *m;
    begin(NULL);
    far_greet(&f);
    rill_sub *first = subscribe("s", NULL), *again = subscribe("s", NULL);
    rill_sub *group = subscribe("s", RILL_OPTS(rill_sub_opts, .group = "g"));
    rill_sub *other = subscribe("t", NULL);
    NOTES(&f, "dial a:4222\nUP\n");
    far_say(&f, "-ERR '" REFUSED "\"s\" using queue \"g\"'\r\n");
    NOTES(&f, "ERROR EAUTH s\n");
    ck_assert_ptr_eq(f.concerned, group);
    ck_assert_int_eq(rill_next(group, &m, 0), RILL_ECLOSED);
    ck_assert_int_eq(rill_next(first, &m, 0), RILL_EAGAIN);
    far_say(&f, "-ERR '" REFUSED "\"s\" (sid \"2\")'\r\n");
    far_notes(&f);
    ck_assert_ptr_eq(f.concerned, again);
    ck_assert_int_eq(rill_next(again, &m, 0), RILL_ECLOSED);
    far_say(&f, "-ERR '" REFUSED "\"s\"'\r\n");
    far_notes(&f);
    ck_assert_ptr_eq(f.concerned, first);
    ck_assert_int_eq(rill_next(first, &m, 0), RILL_ECLOSED);
    f.concerned = NULL;
    far_say(&f, "-ERR '" REFUSED "\"s\"'\r\n");
    NOTES(&f, "ERROR EAUTH s\n");
    ck_assert_ptr_null(f.concerned);
    far_say(&f, "MSG t 4 1\r\nx\r\n");
    next_is(other, "x");
    far_hear(&f);
    far_cut(&f);
    far_pass(&f, 120 * RI_MS);
    far_greet(&f);
    HEARS(&f, "SUB t 4\r\n"); /* what was refused is not wanted again */
    rill_sub_close(first);
    rill_sub_close(again);
    rill_sub_close(group);
    rill_sub_close(other);
    end();
}
END_TEST

static void on_reply(int err, const rill_msg *m, void *arg)
{
    snprintf(arg, 64, "%s %s", ri_err_name(err), m ? m->data.ptr : "-");
}

/* No inbox, no answers: who waits for one is told at once, and the next asks for an inbox anew. */
START_TEST(refused_inboxes)
{
    char answered[64] = "", inbox[80], line[256];
    far_ended e = {.err = 1};
    begin(NULL);
    far_greet(&f);
    OK(rill_request_async(f.bus, "ask", "?", 1, NULL, 1000, on_reply, answered));
    ck_assert_int_eq(sscanf(far_hear(&f), "SUB %79s 1\r\n", inbox), 1);
    snprintf(line, sizeof line, "-ERR '" REFUSED "\"%s\"'\r\n",
             inbox);
    far_say(&f, line);
    ck_assert_str_eq(answered, "EAUTH -");
    OK(rill_append_async(f.bus, "s", "one", 3, NULL, far_on_stored, &e));
    ck_assert_int_eq(sscanf(far_hear(&f), "SUB %79s 2\r\n", inbox), 1);
    snprintf(line, sizeof line, "-ERR '" REFUSED "\"%s\"'\r\n",
             inbox);
    far_say(&f, line);
    ck_assert_int_eq(e.err, RILL_EUNSURE); /* its message may be stored */
    OK(rill_request_async(f.bus, "ask", "?", 1, NULL, 1000, on_reply, answered));
    ck_assert_int_eq(sscanf(far_hear(&f), "SUB %79s 3\r\n", inbox), 1);
    OK(rill_append_async(f.bus, "s", "one", 3, NULL, far_on_stored, &e));
    const char *reply = far_replied(&f, "PUB s ");
    far_acknowledge(&f, reply, 3);
    ck_assert_int_eq(e.err, RILL_OK);
    end();
}
END_TEST

/* An answer that came before the refusal is one, though who waits for it has not run in between. */
START_TEST(refused_behind_the_answer)
{
    char inbox[80], answer[256];
    far_ended e = {.err = 1};
    const far_row script[] = {{"$JS.API.STREAM.DELETE.S", answer}, {NULL, NULL}};
    begin(NULL);
    far_greet(&f);
    far_follow(&f, script);
    OK(rill_append_async(f.bus, "s", "one", 3, NULL, far_on_stored, &e));
    ck_assert_int_eq(sscanf(far_hear(&f), "SUB %79s 1\r\n", inbox), 1);
    snprintf(answer, sizeof answer, "{\"success\":true}" FAR_THEN "-ERR '" REFUSED "\"%s\"'\r\n",
             inbox);
    OK(rill_stream_delete(f.bus, "S"));
    far_turn(&f);
    ck_assert_int_eq(e.err, RILL_EUNSURE); /* the inbox was refused */
    end();
}
END_TEST

/* ---- What a server lets nobody publish ---- */

#define UNPERMITTED(subject) "-ERR 'Permissions Violation for Publish to \"" subject "\"'\r\n"

static void append(const char *subject, far_ended *e)
{
    *e = (far_ended){.err = 1};
    OK(rill_append_async(f.bus, subject, "x", 1, NULL, far_on_stored, e));
}

/* The oldest append on that subject is over at once, with the server's sentence; others wait on,
 * and what has no reply subject is told by an event. */
START_TEST(an_append_that_is_not_permitted)
{
    far_ended e[4];
    begin(NULL);
    far_greet(&f);
    far_notes(&f);
    append("open", &e[0]);
    char open[80];
    snprintf(open, sizeof open, "%s", far_replied(&f, "PUB open "));
    append("shut", &e[1]);
    append("shut", &e[2]);
    far_hear(&f);
    append("shut", &e[3]);
    far_say(&f, UNPERMITTED("shut"));
    ck_assert_int_eq(e[1].err, RILL_EAUTH);
    ck_assert_msg(strstr(e[1].text, "nats://a:4222 says: Permissions Violation for Publish to"),
                  "%s", e[1].text);
    ck_assert(e[0].err == 1 && e[2].err == 1 && e[3].err == 1);
    NOTES(&f, "");
    far_say(&f, UNPERMITTED("shut") UNPERMITTED("shut"));
    ck_assert(e[2].err == RILL_EAUTH && e[3].err == RILL_EAUTH && e[0].err == 1);
    NOTES(&f, "");
    publish("shut", "1");
    far_say(&f, UNPERMITTED("shut"));
    NOTES(&f, "ERROR EAUTH shut\n"); /* nobody waits on that any more */
    far_say(&f, "-ERR 'Invalid Publish Subject \"open\"'\r\n");
    ck_assert_int_eq(e[0].err, 1);
    far_acknowledge(&f, open, 3);
    ck_assert_int_eq(e[0].err, RILL_OK);
    end();
}
END_TEST

/* What has not left yet, since the server takes nothing, is not what was refused; and what is asked
 * over another connection is not, either. */
START_TEST(what_has_not_left_is_permitted)
{
    far_ended e = {.err = 1};
    begin(RILL_OPTS(rill_opts, .call_timeout_ms = 60000));
    far_greet(&f);
    far_notes(&f);
    far_hear(&f);
    OK(rill_append_async(f.bus, "s", "x", 1, NULL, far_on_stored, &e));
    ri_broker_enter(f.bus->broker);
    ck_assert(!ri_bus_asked_refuse(f.bus, RI_STR("s"), RILL_EAUTH));
    ri_broker_leave(f.bus->broker);
    far_turn(&f);
    ck_assert_int_eq(e.err, 1);
    far_cut(&f);
    ck_assert_int_eq(e.err, RILL_EUNSURE);
    far_pass(&f, 120 * RI_MS);
    far_greet(&f);
    far_notes(&f);
    far_say(&f, UNPERMITTED("s"));
    NOTES(&f, "ERROR EAUTH s\n");
    end();
}
END_TEST

static void on_refused(int err, const rill_msg *m, void *arg)
{
    ck_assert_ptr_null(m);
    snprintf(arg, 160, "%s %s", ri_err_name(err), rill_errmsg());
}

/* Requests, with and without somebody who waits, and what is asked of JetStream. */
START_TEST(a_request_that_is_not_permitted)
{
    static const far_row refuses[] = {
        {"ask", UNPERMITTED("ask")},
        {"$JS.API.STREAM.DELETE.S", UNPERMITTED("$JS.API.STREAM.DELETE.S")},
        {NULL, NULL}};
    char answered[160] = "", kept[160] = "";
    rill_msg *m = NULL;
    begin(NULL);
    far_greet(&f);
    far_notes(&f);
    OK(rill_request_async(f.bus, "shut", "?", 1, NULL, 60000, on_refused, answered));
    OK(rill_request_async(f.bus, "open", "?", 1, NULL, 1000, on_refused, kept));
    far_say(&f, UNPERMITTED("shut"));
    ck_assert_msg(strstr(answered, "EAUTH nats://a:4222 says: Permissions Violation"), "%s",
                  answered);
    far_pass(&f, RI_SEC);
    ck_assert_msg(strstr(kept, "ETIMEDOUT"), "%s", kept);
    far_follow(&f, refuses);
    ck_assert_int_eq(rill_request(f.bus, "ask", "?", 1, NULL, &m, 10000), RILL_EAUTH);
    ck_assert_msg(strstr(rill_errmsg(), "Violation for Publish to \"ask\""), "%s", rill_errmsg());
    ck_assert_int_eq(rill_stream_delete(f.bus, "S"), RILL_EAUTH);
    ck_assert_msg(strstr(rill_errmsg(), "STREAM.DELETE.S"), "%s", rill_errmsg());
    NOTES(&f, "");
    OK(rill_request_async(f.bus, "shut", "?", 1, NULL, 60000, on_refused, answered));
    far_hear(&f);
    ri_broker_enter(f.bus->broker);
    ri_err(RILL_EAUTH, "it is never handed over");
    ck_assert(ri_bus_asked_refuse(f.bus, RI_STR("shut"), RILL_EAUTH));
    ri_broker_leave(f.bus->broker);
    end();
}
END_TEST

/* A batch ends with the message whose answer would have ended it. */
START_TEST(a_batch_that_is_not_permitted)
{
    static const far_row refuses[] = {
        {"b.1", ""}, {"b.2", UNPERMITTED("b.2")}, {NULL, NULL}};
    rill_batch *batch;
    begin(NULL);
    far_greet_with(&f, ",\"version\":\"2.12.0\"");
    far_follow(&f, refuses);
    OK(rill_batch_begin(f.bus, &batch, NULL));
    OK(rill_batch_add(batch, "b.1", "x", 1, NULL));
    OK(rill_batch_add(batch, "b.2", "x", 1, NULL));
    ck_assert_int_eq(rill_batch_commit(batch, NULL, 10000), RILL_EAUTH);
    ck_assert_msg(strstr(rill_errmsg(), "Publish to \"b.2\""), "%s", rill_errmsg());
    rill_batch_close(batch);
    end();
}
END_TEST

static bool an_entry_is_refused(rill_bus *bus, ri_bus_asked *asked, int code)
{
    (void)bus;
    ck_assert_int_eq(code, RILL_EAUTH);
    ri_bus_asked_over(asked);
    return true;
}

/* However many others stand in the row of a subject, a look at it is bounded; and out of memory
 * things are as if the server had said nothing. */
START_TEST(a_look_for_what_is_not_permitted_is_bounded)
{
    enum { LOTS = RI_BUS_ASKED_ROWS * (RI_BUS_ASKED_LOOK_MAX + 300) };
    ri_bus_asked_table *table;
    char subject[32];
    begin(NULL);
    far_greet(&f);
    table = &f.bus->asked;
    static ri_bus_asked asked[LOTS + 1];
    for (int i = 0; i <= LOTS; i++) {
        asked[i].refused = an_entry_is_refused;
        snprintf(subject, sizeof subject, "s.%d", i);
        ri_bus_asked_add(table, &f.bus->host, &asked[i], ri_str_of(subject));
    }
    ri_broker_enter(f.bus->broker);
    ck_assert(ri_bus_asked_refuse(f.bus, RI_STR("s.0"), RILL_EAUTH));
    /* The last one of its row. */
    ck_assert(!ri_bus_asked_refuse(f.bus, ri_str_of(subject), RILL_EAUTH));
    ck_assert(!ri_bus_asked_refuse(f.bus, RI_STR("s.x"), RILL_EAUTH));
    ri_broker_leave(f.bus->broker);
    for (int i = 0; i <= LOTS; i++) ri_bus_asked_over(&asked[i]);
    end();
}
END_TEST

SUITE_MAIN_ROWS("nats_bounds",
    SUITE_ONCE(what_was_given_up_is_not_sent, events_have_a_bound, very_many_receipts,
               a_refused_subscription, refused_inboxes, refused_behind_the_answer,
               an_append_that_is_not_permitted,
               what_has_not_left_is_permitted, a_request_that_is_not_permitted,
               a_batch_that_is_not_permitted, a_look_for_what_is_not_permitted_is_bounded),
    SUITE_EACH(3, a_stalled_server_bounds_the_program))
