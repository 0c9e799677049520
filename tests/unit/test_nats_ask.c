/* SPDX-License-Identifier: Apache-2.0 */
/* What a nats:// handle asks of streams, groups and buckets: each call with each of its allocations
 * failing once, and answers that are lost or that say "not now"; over a server by a table, in
 * virtual time (support/far.h). */
#include <stdio.h>

#include "base/error.h"
#include "support/far.h"
#include "support/suite.h"

#define INFO_2_15 "INFO {\"server_id\":\"S\",\"version\":\"2.15.0\",\"headers\":true," \
                  "\"max_payload\":1048576,\"jetstream\":true}\r\n"
#define IN_A_CLUSTER "INFO {\"server_id\":\"S\",\"version\":\"2.15.0\",\"headers\":true," \
                     "\"max_payload\":1048576,\"jetstream\":true,\"cluster\":\"c\"}\r\n"
#define STREAM "{\"config\":{\"name\":\"S\",\"subjects\":[\"s\"],\"retention\":\"limits\"," \
               "\"max_consumers\":-1,\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0," \
               "\"max_msgs_per_subject\":-1,\"max_msg_size\":-1,\"discard\":\"old\"," \
               "\"storage\":\"file\",\"num_replicas\":1,\"duplicate_window\":120000000000," \
               "\"allow_direct\":true},\"created\":\"2024-01-01T00:00:00Z\"," \
               "\"state\":{\"messages\":2,\"bytes\":99,\"first_seq\":1,\"last_seq\":2," \
               "\"subjects\":{\"$KV.B.one\":1,\"$KV.B.two\":1}},\"total\":2,\"limit\":1000}"
#define NO_STREAM "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":" \
                  "\"stream not found\"}}"
#define NO_LEADER "{\"error\":{\"code\":503,\"err_code\":10008,\"description\":" \
                  "\"JetStream system temporarily unavailable\"}}"
#define GROUP "{\"name\":\"g\",\"config\":{\"durable_name\":\"g\",\"name\":\"g\"," \
              "\"ack_policy\":\"explicit\",\"ack_wait\":30000000000,\"max_ack_pending\":1000}," \
              "\"num_pending\":0,\"delivered\":{\"consumer_seq\":0,\"stream_seq\":0}," \
              "\"ack_floor\":{\"consumer_seq\":0,\"stream_seq\":0}}"
#define READER "{\"name\":\"%n\",\"config\":{\"ack_policy\":\"none\",\"name\":\"%n\"}," \
               "\"num_pending\":0}"
#define STORED(subject, seq, text)                                                             \
    "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: " subject "\r\nNats-Sequence: " seq           \
    "\r\nNats-Time-Stamp: 2024-01-01T00:00:00Z\r\n\r\n" text
#define ACK "{\"stream\":\"S\",\"seq\":3}"
#define API "$JS.API."

/* The first that fits counts. */
static const far_row answers[] = {
    {API "STREAM.INFO.NEW", NO_STREAM},
    {API "STREAM.INFO.", STREAM},
    {API "STREAM.CREATE.", STREAM},
    {API "STREAM.UPDATE.", STREAM},
    {API "STREAM.NAMES", "{\"streams\":[\"S\",\"T\"],\"total\":2,\"offset\":0,\"limit\":1024}"},
    {API "STREAM.PURGE.", "{\"success\":true,\"purged\":2}"},
    {API "STREAM.MSG.DELETE.", "{\"success\":true}"},
    {API "STREAM.DELETE.", "{\"success\":true}"},
    {API "DIRECT.GET.", STORED("$KV.B.one", "1", "first") FAR_THEN
                        STORED("$KV.B.two", "2", "second") FAR_THEN "NATS/1.0 204 EOB\r\n\r\n"},
    {API "CONSUMER.INFO.S.g", GROUP},
    {API "CONSUMER.CREATE.S.g", GROUP},
    {API "CONSUMER.CREATE.", READER},
    {API "CONSUMER.RESET.S.g", GROUP},
    {API "CONSUMER.DELETE.", "{\"success\":true}"},
    {API "CONSUMER.PAUSE.", "{\"paused\":true}"},
    {API "CONSUMER.LIST.", "{\"consumers\":[" GROUP "],\"total\":1,\"offset\":0,\"limit\":256}"},
    {API "INFO", "{\"memory\":0}"},
    {"echo", "answered"},
    {"s", ACK},
    {"$KV.", ACK},
    {"$O.", ACK},
    {NULL, NULL},
};

static far f;

enum { ANSWER_MS = 100, LONG_MS = 3000 };

static int begin_for(uint32_t answer_ms, const far_row *serves, const char *info, fault *given)
{
    memset(&f, 0, sizeof f);
    if (given) f.fault = *given;
    else fault_init(&f.fault);
    f.fault.hooks.arg = f.fault.host.arg = &f.fault;
    f.fault.step_ns = answer_ms * RI_MS / 100; /* so often a wait looks at the time */
    far_serve(&f, serves, info);
    return far_open(&f, "nats://a", RILL_OPTS(rill_opts, .call_timeout_ms = answer_ms,
                                              .redial_min_ms = 1, .redial_max_ms = 1));
}

static int begin(const far_row *serves, const char *info, fault *given)
{
    return begin_for(ANSWER_MS, serves, info, given);
}

static void end(fault *given)
{
    if (f.bus) far_close(&f);
    if (given) *given = f.fault;
    else fault_fini(&f.fault);
}

/* ---- Each allocation fails once ---- */

static int each_name(const char *name, void *arg)
{
    (void)name;
    (void)arg;
    return 0;
}

static int each_stream(const rill_stream_desc *desc, void *arg)
{
    (void)desc;
    (void)arg;
    return 0;
}

static int ensure_new(void)
{
    return rill_stream_ensure(f.bus, "NEW", RILL_OPTS(rill_stream_opts, .subjects = "a b.>"));
}

static int ensure_old(void)
{
    return rill_stream_ensure(f.bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s"));
}

static int status(void)
{
    rill_stream_info info = {.size = sizeof info};
    return rill_stream_status(f.bus, "S", &info);
}

static int describe(void)
{
    return rill_stream_describe(f.bus, "S", each_stream, NULL);
}

static int list(void)
{
    return rill_stream_each(f.bus, each_name, NULL);
}

static int purge(void)
{
    return rill_stream_purge(f.bus, "S", RILL_OPTS(rill_purge_opts, .filter = "s"), NULL);
}

static int erase(void)
{
    return rill_stream_erase(f.bus, "S", RILL_AT(1));
}

static int delete(void)
{
    return rill_stream_delete(f.bus, "S");
}

static int get(void)
{
    rill_msg *m = NULL;
    int rc = rill_stream_get(f.bus, "S", RILL_AT(1), &m);
    rill_msg_unref(m);
    return rc;
}

static int append(void)
{
    return rill_append(f.bus, "s", "x", 1, RILL_OPTS(rill_post, .msg_id = "id"), NULL, 100);
}

static int append_async(void)
{
    far_ended e = {.err = 1};
    int rc = rill_append_async(f.bus, "s", "x", 1, NULL, far_on_stored, &e);
    if (rc < 0) return rc;
    while (e.err == 1) far_turn(&f);
    return e.err;
}

static int batch(void)
{
    rill_batch *batch;
    int rc = rill_batch_begin(f.bus, &batch, NULL);
    if (rc < 0) return rc;
    for (int i = 0; i < 3 && rc == RILL_OK; i++) rc = rill_batch_add(batch, "s", "x", 1, NULL);
    if (rc == RILL_OK) rc = rill_batch_commit(batch, NULL, 100);
    rill_batch_close(batch);
    return rc;
}

static int join(void)
{
    rill_sub *sub = NULL;
    int rc = rill_consume(f.bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g"));
    if (rc == RILL_OK) rc = rill_seek(sub, RILL_AT(1));
    rill_sub_close(sub);
    return rc;
}

static int tail(void)
{
    rill_sub *sub = NULL;
    int rc = rill_tail(f.bus, &sub, "S", NULL);
    if (rc == RILL_OK) rc = rill_seek(sub, RILL_AT_TIME(1));
    if (rc == RILL_OK) rc = rill_sub_stop(sub);
    rill_sub_close(sub);
    return rc;
}

static int groups(void)
{
    rill_group_info info = {.size = sizeof info};
    int rc = rill_group_ensure(f.bus, "S", "g", NULL);
    if (rc >= 0) rc = rill_group_status(f.bus, "S", "g", &info);
    if (rc >= 0) rc = rill_group_each(f.bus, "S", each_name, NULL);
    if (rc >= 0) rc = rill_group_seek(f.bus, "S", "g", RILL_AT(1));
    if (rc >= 0) rc = rill_group_pause(f.bus, "S", "g", 1);
    if (rc >= 0) rc = rill_group_delete(f.bus, "S", "g");
    return rc;
}

static int keys(void)
{
    rill_kv *kv = NULL;
    rill_msg *m = NULL;
    int rc = rill_kv_open(f.bus, &kv, "B", NULL);
    if (rc >= 0) rc = rill_kv_put(kv, "one", "x", 1, NULL, NULL);
    if (rc >= 0) rc = rill_kv_get(kv, "one", &m);
    if (rc >= 0) rc = rill_kv_each(kv, NULL, each_name, NULL);
    if (rc >= 0) rc = rill_kv_delete(kv, "one", NULL);
    rill_msg_unref(m);
    rill_kv_close(kv);
    return rc;
}

static int64_t one_piece(void *buf, size_t cap, void *arg)
{
    if ((*(int *)arg)++) return 0;
    ck_assert_uint_ge(cap, 5);
    memcpy(buf, "piece", 5);
    return 5;
}

static int objects(void)
{
    int asked = 0;
    rill_objs *objs = NULL;
    int rc = rill_objs_open(f.bus, &objs, "B", NULL);
    if (rc >= 0) rc = rill_obj_put(objs, "one", one_piece, &asked);
    rill_objs_close(objs);
    return rc;
}

static int ask(void)
{
    rill_msg *m = NULL;
    int rc = rill_jetstream_ask(f.bus, API "INFO", "", 0, &m, 100);
    rill_msg_unref(m);
    return rc;
}

static int request(void)
{
    rill_msg *m = NULL;
    int rc = rill_request(f.bus, "echo", "x", 1, NULL, &m, 100);
    rill_msg_unref(m);
    return rc;
}

static int (*const calls[])(void) = {
    ensure_new, ensure_old, status, describe, list, purge, erase, delete, get, append, append_async,
    batch, join, tail, groups, keys, objects, ask, request,
};

/* What a call may say of an allocation that failed on its way, or of the connection that did. */
static bool is_honest(int rc)
{
    return rc >= 0 || rc == RILL_ENOMEM || rc == RILL_EUNSURE || rc == RILL_ETIMEDOUT ||
           rc == RILL_ECLOSED;
}

static int scarce_body(fault *given, void *arg)
{
    int (*call)(void) = *(int (*const *)(void))arg;
    int rc = begin(answers, INFO_2_15, given);
    if (rc == RILL_OK) rc = call();
    bool failed = f.fault.supply.failed;
    ck_assert_msg(failed ? is_honest(rc) : rc >= 0, "%s: %s", ri_err_name(rc), ri_err_text());
    /* The handle goes on, whatever has failed. */
    if (failed && f.bus) ck_assert_msg(status() == RILL_OK, "then: %s", ri_err_text());
    end(given);
    return rc < 0 && failed ? RILL_ENOMEM : RI_MIN(rc, RILL_OK);
}

START_TEST(an_allocation_that_fails)
{
    size_t met = fault_each(scarce_body, (void *)(uintptr_t)&calls[_i]);
    ck_assert_uint_ge(met, 15);
}
END_TEST

/* ---- Answers that are lost, and "not now" ---- */

static int count_names(const char *name, void *arg)
{
    ck_assert(strcmp(name, "one") == 0 || strcmp(name, "two") == 0);
    ++*(int *)arg;
    return 0;
}

/* To list keys changes nothing: it begins again over another connection, and each is there once. */
START_TEST(a_list_that_is_lost_is_asked_for_again)
{
    far_row lossy[RI_LEN(answers)];
    int names = 0;
    rill_kv *kv;
    memcpy(lossy, answers, sizeof answers);
    for (size_t i = 0; i < RI_LEN(lossy) - 1; i++)
        if (strcmp(lossy[i].subject, API "DIRECT.GET.") == 0)
            lossy[i].answer = STORED("$KV.B.one", "1", "first") FAR_THEN FAR_CUT;
    ck_assert_ok(begin(lossy, INFO_2_15, NULL));
    ck_assert_ok(rill_kv_open(f.bus, &kv, "B", NULL));
    f.answered = 0;
    f.changes_at = 2; /* STREAM.INFO, and the list that is cut */
    f.changed = answers;
    ck_assert_rc(rill_kv_each(kv, NULL, count_names, &names), RILL_OK);
    ck_assert_int_eq(names, 2);
    ck_assert_int_eq(f.ndials, 2);
    rill_kv_close(kv);
    end(NULL);
}
END_TEST

/* A server that names what is none of the bucket's, shorter than what is cut off a key, is not
 * believed. */
START_TEST(a_name_without_the_prefix_is_no_key)
{
    far_row wrong[RI_LEN(answers)];
    int names = 0;
    rill_kv *kv;
    memcpy(wrong, answers, sizeof answers);
    for (size_t i = 0; i < RI_LEN(wrong) - 1; i++)
        if (strcmp(wrong[i].subject, API "DIRECT.GET.") == 0)
            wrong[i].answer = STORED("$KV.B.one", "1", "first") FAR_THEN
                              STORED("s", "2", "second") FAR_THEN "NATS/1.0 204 EOB\r\n\r\n";
    ck_assert_ok(begin(wrong, INFO_2_15, NULL));
    ck_assert_ok(rill_kv_open(f.bus, &kv, "B", NULL));
    ck_assert_rc(rill_kv_each(kv, NULL, count_names, &names), RILL_OK);
    ck_assert_int_eq(names, 1);
    rill_kv_close(kv);
    end(NULL);
}
END_TEST

/* ---- A cluster without a leader ---- */

#define NOBODY "NATS/1.0 503\r\n\r\n"

/* A stream whose servers have no leader is waited for; one that is not there is not. */
START_TEST(a_stream_without_a_leader_is_waited_for)
{
    const far_row absent[] = {{"s", NOBODY}, {API "STREAM.NAMES", "{\"streams\":[],\"total\":0}"},
                              {NULL, NULL}};
    const far_row leaderless[] = {{"s", NOBODY}, {API "STREAM.NAMES", "{\"streams\":[\"S\"]}"},
                                  {NULL, NULL}};
    const far_row no_leader_at_all[] = {{"s", NOBODY}, {API "STREAM.NAMES", NO_LEADER},
                                        {NULL, NULL}};
    const far_row *const tables[] = {absent, leaderless, no_leader_at_all};
    ck_assert_ok(begin_for(LONG_MS, tables[_i], IN_A_CLUSTER, NULL));
    int64_t begun_ns = f.fault.now_ns;
    int rc = rill_append(f.bus, "s", "x", 1, NULL, NULL, LONG_MS);
    int64_t took_ns = f.fault.now_ns - begun_ns;
    if (_i == 0) {
        ck_assert_rc(rc, RILL_ENOREPLY);
        ck_assert_int_lt(took_ns, LONG_MS * RI_MS);
    } else {
        ck_assert_rc(rc, RILL_ETIMEDOUT);
        ck_assert_ptr_nonnull(strstr(rill_errmsg(), "no leader"));
        ck_assert_int_ge(took_ns, LONG_MS * RI_MS);
    }
    end(NULL);
}
END_TEST

/* It is stored as soon as there is one, and a bucket whose stream is gone says so at once. */
START_TEST(a_leader_that_comes)
{
    static far_row late[] = {{"$KV.B.", NOBODY}, {API "STREAM.NAMES", "{\"streams\":[\"S\"]}"},
                             {API "STREAM.INFO.", STREAM}, {NULL, NULL}};
    rill_kv *kv;
    uint64_t rev;
    ck_assert_ok(begin_for(LONG_MS, late, IN_A_CLUSTER, NULL));
    ck_assert_ok(rill_kv_open(f.bus, &kv, "B", NULL));
    f.changes_at = 4; /* requests that were answered */
    f.changed = answers;
    ck_assert_rc(rill_kv_put(kv, "one", "x", 1, NULL, &rev), RILL_OK);
    ck_assert_uint_eq(rev, 3);
    static const far_row gone[] = {{"$KV.B.", NOBODY}, {API "STREAM.NAMES", "{\"streams\":[]}"},
                                   {NULL, NULL}};
    f.serves = gone;
    ck_assert_rc(rill_kv_put(kv, "one", "x", 1, NULL, &rev), RILL_ENOENT);
    rill_kv_close(kv);
    end(NULL);
}
END_TEST

/* A batch of which nobody took the first message, or the last, is sent again, whole. */
START_TEST(a_batch_is_sent_again_to_the_leader_that_comes)
{
    static const far_row none[] = {{"s", NOBODY}, {API "STREAM.NAMES", "{\"streams\":[\"S\"]}"},
                                   {NULL, NULL}};
    static const far_row lost[] = {{"s.first", ""}, {"s.last", NOBODY},
                                   {API "STREAM.NAMES", "{\"streams\":[\"S\"]}"}, {NULL, NULL}};
    static const far_row leads[] = {{"s.first", ""}, {"s.last", ACK}, {NULL, NULL}};
    static const far_row gone[] = {{"s", NOBODY}, {API "STREAM.NAMES", "{\"streams\":[]}"},
                                   {NULL, NULL}};
    static const struct {
        const far_row *serves;
        int changes_at; /* messages and questions, one for each end of it, before a leader comes */
        int rc;
    } rows[] = {{none, 5, RILL_OK}, {lost, 4, RILL_OK}, {gone, 0, RILL_ENOREPLY},
                {none, 0, RILL_ETIMEDOUT}};
    ck_assert_ok(begin_for(LONG_MS, rows[_i].serves, IN_A_CLUSTER, NULL));
    f.changes_at = rows[_i].changes_at;
    f.changed = leads;
    rill_batch *batch;
    rill_receipt receipt = {.size = sizeof receipt};
    ck_assert_ok(rill_batch_begin(f.bus, &batch, NULL));
    ck_assert_ok(rill_batch_add(batch, "s.first", "a", 1, NULL));
    ck_assert_ok(rill_batch_add(batch, "s.middle", "b", 1, NULL));
    ck_assert_ok(rill_batch_add(batch, "s.last", "c", 1, NULL));
    far_hear(&f);
    ck_assert_rc(rill_batch_commit(batch, &receipt, LONG_MS), rows[_i].rc);
    const char *heard = far_hear(&f), *once = strstr(heard, "HPUB s.middle ");
    ck_assert_ptr_nonnull(once);
    ck_assert_int_eq(strstr(once + 1, "HPUB s.middle ") != NULL, rows[_i].rc != RILL_ENOREPLY);
    if (rows[_i].rc == RILL_OK) ck_assert_uint_eq(receipt.seq, 3);
    rill_batch_close(batch);
    end(NULL);
}
END_TEST

/* The API of a cluster says for a while that it has no leader. */
START_TEST(an_api_without_a_leader_is_asked_again)
{
    static const far_row never[] = {{API, NO_LEADER}, {NULL, NULL}};
    ck_assert_ok(begin_for(LONG_MS, never, IN_A_CLUSTER, NULL));
    ck_assert_rc(status(), RILL_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "no leader"));
    f.answered = 0;
    f.changes_at = 1;
    f.changed = answers;
    ck_assert_rc(status(), RILL_OK);
    end(NULL);
}
END_TEST

SUITE_MAIN_ROWS("nats_ask",
    SUITE_EACH(RI_LEN(calls), an_allocation_that_fails),
    SUITE_EACH(3, a_stream_without_a_leader_is_waited_for),
    SUITE_EACH(4, a_batch_is_sent_again_to_the_leader_that_comes),
    SUITE_ONCE(a_list_that_is_lost_is_asked_for_again, a_name_without_the_prefix_is_no_key,
               a_leader_that_comes, an_api_without_a_leader_is_asked_again))
