/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/nats/headers.h"
#include "support/streams.h"

START_TEST(test_batch)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"allow_atomic\":true");
    w->events = true;
    world_publish(w, "s.a", "ack", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n", "1");
    world_turn(w);
    WORLD_TOLD(w, "[     0] app: ack\n"); /* empty: it is staged */
    world_publish(w, "s.b", "", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 2\r\n", "2");
    world_turn(w);
    ck_assert_uint_eq(state_of(s).messages, 0);
    expect(w, "s.c", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 3\r\nNats-Batch-Commit: 1\r\n", "3",
           "{\"stream\":\"S\",\"seq\":3,\"batch\":\"b\",\"count\":3}");
    ck_assert_uint_eq(state_of(s).messages, 3);
    expect(w, "s.c", "Nats-Batch-Id: c\r\nNats-Batch-Sequence: 2\r\n", "",
           ERR(400, 10176, "atomic publish batch is incomplete"));
    world_publish(w, "s.b", "", "Nats-Batch-Id: d\r\nNats-Batch-Sequence: 1\r\n", "2");
    expect(w, "s.c", "Nats-Batch-Id: d\r\nNats-Batch-Sequence: 2\r\nNats-Batch-Commit: 1\r\n"
           "Nats-Expected-Last-Subject-Sequence: 9\r\n", "3",
           ERR(400, 10071, "wrong last sequence: 3"));
    ck_assert_uint_eq(state_of(s).messages, 3); /* none of it */
    world_publish(w, "s.b", "", "Nats-Batch-Id: e\r\nNats-Batch-Sequence: 1\r\n", "2");
    world_turn(w);
    world_wait(w, 11000);
    WORLD_TOLD(w, "[ 10000] event: batch abandoned S (timeout)\n");
    world_fini(w);
}
END_TEST

typedef struct batch_try {
    const char *conf, *subjects[4], *answer;
    uint64_t messages; /* that are there afterwards */
} batch_try;

/* Limits that refuse: all of a batch has room, or none of it is stored. Two of s.a are there. */
START_TEST(test_batch_with_limits)
{
#define BATCH_OK(n) "{\"stream\":\"S\",\"seq\":" #n ",\"batch\":\"b\",\"count\":3}"
#define BATCH_NO(what) ERR(503, 10077, "maximum " what " exceeded")
    static const batch_try tries[] = {
        {"\"max_msgs\":4", {"s.a", "s.b", "s.c"}, BATCH_NO("messages"), 2},
        {"\"max_msgs\":5", {"s.a", "s.b", "s.c"}, BATCH_OK(5), 5},
        {"\"max_msgs\":4,\"max_msgs_per_subject\":9", {"s.a", "s.b", "s.c"}, BATCH_NO("messages"),
         2},
        {"\"max_msgs\":4,\"max_msgs_per_subject\":2", {"s.a", "s.b", "s.c"}, BATCH_OK(5), 4},
        {"\"max_msgs\":3,\"max_msgs_per_subject\":2", {"s.b", "s.b", "s.b"}, BATCH_NO("messages"),
         2},
        {"\"max_msgs\":4,\"max_msgs_per_subject\":2", {"s.b", "s.b", "s.b"}, BATCH_OK(5), 4},
        {"\"max_msgs_per_subject\":4,\"discard_new_per_subject\":true", {"s.a", "s.a", "s.a"},
         BATCH_NO("messages per subject"), 2},
        {"\"max_msgs_per_subject\":2,\"discard_new_per_subject\":true", {"s.b", "s.b", "s.a"},
         BATCH_NO("messages per subject"), 2},
        {"\"max_msgs_per_subject\":3,\"discard_new_per_subject\":true", {"s.b", "s.b", "s.a"},
         BATCH_OK(5), 5},
        {"\"max_bytes\":340", {"s.a", "s.b", "s.c"}, BATCH_NO("bytes"), 2},
        {"\"max_bytes\":400", {"s.a", "s.b", "s.c"}, BATCH_OK(5), 5},
        {"\"max_bytes\":340,\"max_msgs_per_subject\":2", {"s.a", "s.b", "s.c"}, BATCH_OK(5), 4},
        {"\"max_bytes\":310,\"max_msgs_per_subject\":2", {"s.a", "s.b", "s.c"}, BATCH_NO("bytes"),
         2},
    };
    for (size_t i = 0; i < RI_LEN(tries); i++) {
        world *w = open_world();
        char conf[256], headers[128];
        snprintf(conf, sizeof conf, "\"allow_atomic\":true,\"discard\":\"new\",%s", tries[i].conf);
        ri_stream *s = stream(w, conf);
        world_publish(w, "s.a", "", "", "old");
        world_publish(w, "s.a", "", "", "old");
        world_turn(w);
        for (int n = 1; n < 3; n++) {
            snprintf(headers, sizeof headers, "Nats-Batch-Id: b\r\nNats-Batch-Sequence: %d\r\n", n);
            world_publish(w, tries[i].subjects[n - 1], "", headers, "new");
        }
        expect(w, tries[i].subjects[2], "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 3\r\n"
               "Nats-Batch-Commit: 1\r\n", "new", tries[i].answer);
        ck_assert_msg(state_of(s).messages == tries[i].messages, "%s: %llu messages",
                      tries[i].conf, (unsigned long long)state_of(s).messages);
        world_fini(w);
    }
}
END_TEST

/* A batch of as many messages as there may be, with long headers, each with an id and a subject of
 * its own; the last one says something about those before it. */
START_TEST(test_batch_full)
{
    static const struct { const char *subject, *headers, *answer; } lasts[] = {
        {"s.1000", "Nats-Msg-Id: 1000\r\n",
         "{\"stream\":\"S\",\"seq\":1000,\"batch\":\"b\",\"count\":1000}"},
        {"s.1000", "Nats-Msg-Id: 500\r\n",
         ERR(400, 10201, "atomic publish batch contains duplicate message id")},
        {"s.500", "Nats-Expected-Last-Subject-Sequence: 0\r\n",
         ERR(400, 10164, "wrong last sequence")},
        {"s.1000", "Nats-Expected-Last-Subject-Sequence-Subject: s.999\r\n"
                   "Nats-Expected-Last-Subject-Sequence: 0\r\n",
         ERR(400, 10164, "wrong last sequence")},
        {"s.1000", "Nats-Expected-Last-Subject-Sequence: 0\r\n",
         "{\"stream\":\"S\",\"seq\":1000,\"batch\":\"b\",\"count\":1000}"},
        {"s.7", "Nats-Rollup: sub\r\n",
         ERR(500, 10111, "batch rollup sub invalid")},
    };
    static char filler[600];
    for (size_t at = 0; at + 10 < sizeof filler;)
        at += (size_t)sprintf(filler + at, "X-%04zu: y\r\n", at);
    for (size_t i = 0; i < RI_LEN(lasts); i++) {
        world *w = open_world();
        ri_stream *s = stream(w, "\"allow_atomic\":true,\"allow_rollup_hdrs\":true");
        char headers[sizeof filler + 200], subject[16];
        for (int n = 1; n < 1000; n++) {
            snprintf(headers, sizeof headers, "Nats-Batch-Id: b\r\nNats-Batch-Sequence: %d\r\n%s"
                     "Nats-Msg-Id: %d\r\n", n, filler, n);
            snprintf(subject, sizeof subject, "s.%d", n);
            world_publish(w, subject, "", headers, "x");
        }
        snprintf(headers, sizeof headers, "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1000\r\n"
                 "Nats-Batch-Commit: 1\r\n%s", lasts[i].headers);
        expect(w, lasts[i].subject, headers, "x", lasts[i].answer);
        bool good = lasts[i].answer[2] == 's';
        ck_assert_uint_eq(state_of(s).messages, good ? 1000 : 0);
        ri_record r;
        ri_str value;
        if (good) ck_assert_ok(ri_stream_get(s, 321, &r));
        if (good) ck_assert(ri_headers_find(r.headers, RI_STR("Nats-Msg-Id"), &value));
        if (good) ck_assert_span(value, "321");
        world_fini(w);
    }
}
END_TEST

/* A batch that ends with a message of its own: the one before gets the mark. */
START_TEST(test_batch_eob)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"allow_atomic\":true");
    for (int n = 1; n <= 2; n++) {
        char headers[100];
        snprintf(headers, sizeof headers, "Nats-Batch-Id: b\r\nNats-Batch-Sequence: %d\r\n"
                 "Nats-Msg-Id: %d\r\n", n, n);
        world_publish(w, n == 1 ? "s.a" : "s.b", "", headers, n == 1 ? "one" : "two");
    }
    expect(w, "s.c", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 3\r\nNats-Batch-Commit: eob\r\n", "",
           "{\"stream\":\"S\",\"seq\":2,\"batch\":\"b\",\"count\":2}");
    ri_record r;
    ri_str value;
    ck_assert_ok(ri_stream_get(s, 2, &r));
    ck_assert_span(r.subject, "s.b");
    ck_assert_span(r.data, "two");
    ck_assert(ri_headers_find(r.headers, RI_STR("Nats-Batch-Commit"), &value));
    ck_assert_ok(ri_stream_get(s, 1, &r));
    ck_assert(!ri_headers_find(r.headers, RI_STR("Nats-Batch-Commit"), &value));
    expect(w, "s.c", "Nats-Msg-Id: 2\r\n", "", "{\"stream\":\"S\",\"seq\":2,\"duplicate\": true}");
    world_fini(w);
}
END_TEST

/* Open batches share the memory for work with all else that is work: the sum has the bound. */
START_TEST(test_batch_memory)
{
    static char data[20001];
    world *w = open_world();
    ri_ledger *work = &w->router.work;
    ri_claim filling, other;
    stream(w, "\"allow_atomic\":true");
    memset(data, 'x', sizeof data - 1);
    ri_memory_set_limit(&w->router.memory, 8 * 64 * 1024);
    ri_claim_init(&filling, NULL);
    ri_claim_init(&other, NULL);
    ck_assert(ri_claim_grow(work, &filling, 32 * 1024));
    world_publish(w, "s.a", "", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n", data);
    expect(w, "s.a", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 2\r\n", data,
           ERR(429, 10210, "atomic publish too many inflight"));
    world_publish(w, "s.a", "", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n", data);
    ri_list stirred; /* as of an account that is stepped when something has come for it */
    ri_list_init(&stirred);
    ri_list_init(&w->router.global.stir_link);
    w->router.global.stirs = &stirred;
    ck_assert(ri_claim_grow(work, &other, 16 * 1024)); /* it has less: the batch goes */
    ck_assert(ri_list_linked(&w->router.global.stir_link)); /* and its memory, by a step */
    ri_list_remove(&w->router.global.stir_link);
    w->router.global.stirs = NULL;
    expect(w, "s.a", "Nats-Batch-Id: b\r\nNats-Batch-Sequence: 2\r\n", "",
           ERR(400, 10176, "atomic publish batch is incomplete"));
    ri_claim_end(work, &filling);
    ri_claim_end(work, &other);
    ck_assert_uint_eq(ri_memory_used(&w->router.memory, RI_MEMORY_WORK), 0);
    world_fini(w);
}
END_TEST

enum { LARGE = 45000, LARGE_MESSAGES = 1000 };

/* In a turn of its own, as a connection's input is. */
static void publish_large(world *w, int n, bool in_headers, const char *filler)
{
    char head[160], subject[16];
    static char block[LARGE + 200];
    bool last = n == LARGE_MESSAGES;
    int len = snprintf(head, sizeof head, "NATS/1.0\r\nNats-Batch-Id: b\r\nNats-Batch-Sequence: %d"
                       "\r\nNats-Msg-Id: %d\r\n%s", n, n, last ? "Nats-Batch-Commit: 1\r\n" : "");
    memcpy(block, head, (size_t)len);
    if (in_headers) len += sprintf(block + len, "X: %s\r\n", filler);
    len += sprintf(block + len, "\r\n");
    snprintf(subject, sizeof subject, "s.%d", n);
    ri_message m = {.subject = ri_str_of(subject), .reply = ri_str_of(last ? "ack" : ""),
                    .headers = {block, (size_t)len},
                    .data = in_headers ? RI_STR("x") : ri_str_of(filler)};
    ri_budget_open(&w->router.budget);
    ck_assert_int_eq(ri_router_publish(&w->from, &(ri_publish){.m = &m}), 1);
    ri_budget_close(&w->router.budget);
}

/* The longest batch there may be, of long headers or payloads: its commit is no longer than a turn,
 * and what is published before its bytes are stored comes behind it. */
START_TEST(test_batch_large)
{
    static char filler[LARGE + 1];
    memset(filler, 'y', LARGE);
    for (int kind = 0; kind < 4; kind++) {
        bool in_headers = kind & 1, memory = kind & 2;
        world *w = open_world();
        ri_stream *s = stream(w, memory ? "\"allow_atomic\":true,\"storage\":\"memory\""
                                        : "\"allow_atomic\":true");
        world_turn(w);
        for (int n = 1; n <= LARGE_MESSAGES; n++) publish_large(w, n, in_headers, filler);
        world_publish(w, "s.z", "ack", "Nats-Expected-Last-Sequence: 1000\r\n", "behind");
        world_publish(w, "s.z", "ack", "Nats-Msg-Id: 500\r\n", "again");
        world_turn(w);
        WORLD_TOLD(w, "[     0] app: ack {\"stream\":\"S\",\"seq\":1000,\"batch\":\"b\","
                      "\"count\":1000}\n"
                      "[     0] app: ack {\"stream\":\"S\",\"seq\":1001}\n"
                      "[     0] app: ack {\"stream\":\"S\",\"seq\":500,\"duplicate\": true}\n");
        ck_assert_uint_le(w->router.budget.longest, RI_BUDGET_TURN + LARGE / RI_BUDGET_BYTES * 2);
        ck_assert_uint_eq(ri_memory_used(&w->router.memory, RI_MEMORY_WORK), 0);
        ck_assert_uint_eq(state_of(s).messages, LARGE_MESSAGES + 1);
        ri_record r;
        ri_str value;
        ck_assert_ok(ri_stream_get(s, 321, &r));
        ck_assert(ri_headers_find(r.headers, RI_STR("Nats-Msg-Id"), &value));
        ck_assert_span(value, "321");
        if (in_headers) ck_assert(ri_headers_find(r.headers, RI_STR("X"), &value));
        ck_assert(ri_str_eq(in_headers ? value : r.data, (ri_str){filler, LARGE}));
        world_fini(w);
    }
}
END_TEST

SUITE_MAIN("batch", test_batch, test_batch_with_limits,
           test_batch_full, test_batch_eob, test_batch_memory,
           test_batch_large)
