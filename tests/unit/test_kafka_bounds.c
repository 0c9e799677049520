/* SPDX-License-Identifier: Apache-2.0 */
/* What a client of Kafka can make the broker do with one request: counted in units of its turns and
 * in bytes, without a clock. What is too much ends the session of whoever asks, and no other. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "codec/limits.h"
#include "front/broker/broker.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_errors.h"
#include "front/kafka/kafka_session.h"
#include "support/kclient.h"
#include "support/produce.h"
#include "support/suite.h"

enum { WAIT_MS = 20000, OUT = 1024 * 1024 }; /* bytes that wait, behind which none is begun */

static rill_broker *broker;
static int port;
static kclient c;
static produce p;

static void setup(void)
{
    memset(&p, 0, sizeof p);
    ck_assert_ok(rill_broker_open(&broker, NULL));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL);
    ck_assert_msg(port > 0, "%s", ri_err_text());
    kclient_open(&c, port);
}

static void teardown(void)
{
    kclient_close(&c);
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
    produce_fini(&p);
}

/* The longest turn that was taken, in units; and the longest is forgotten. */
static uint64_t longest(void)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    uint64_t units = b->router.budget.longest;
    b->router.budget.longest = 0;
    ri_broker_leave(b);
    return units;
}

static uint64_t spent(void)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    uint64_t units = b->router.budget.spent;
    ri_broker_leave(b);
    return units;
}

/* A batch of n records of 1000 bytes. */
static ri_str batch(int n)
{
    char value[1001] = {0};
    memset(value, 'v', sizeof value - 1);
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_NONE, -1, -1);
    for (int i = 0; i < n; i++)
        produce_add(&p, NULL, value, NULL, ri_wall_ns(&c.host) / RI_MS);
    return produce_end(&p);
}

static uint64_t work_bytes(void)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    uint64_t bytes = ri_memory_used(&b->router.memory, RI_MEMORY_WORK);
    ri_broker_leave(b);
    return bytes;
}

static ri_kafka_server *server_of(ri_broker *b)
{
    return ri_container_of(ri_container_of(b->doors.next, ri_door, link), ri_kafka_server, door);
}

/* What the pool keeps for later, in buffers and in chunks of its three sizes: nobody has it. */
static uint64_t spare_bytes(const ri_outq_pool *pool)
{
    static const uint64_t sizes[RI_OUTQ_SIZES] = {1024, 8192, 65536};
    uint64_t bytes = pool->kept_bytes;
    for (int i = 0; i < RI_OUTQ_SIZES; i++) bytes += pool->nfree[i] * sizes[i];
    return bytes;
}

/* What is queued for clients, or is being read for them; and how many of them have so much waiting
 * that nothing more is begun for them. */
static uint64_t held_bytes(uint32_t *blocked)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    const ri_memory *memory = &b->router.memory;
    uint64_t bytes = ri_memory_used(memory, RI_MEMORY_OUTPUT) +
                     ri_memory_used(memory, RI_MEMORY_WORK) -
                     spare_bytes(&server_of(b)->pool);
    *blocked = 0;
    ri_list_each (item, &server_of(b)->sessions)
        *blocked += ri_container_of(item, ri_kafka_session, link)->conn.pending >= OUT;
    ri_broker_leave(b);
    return bytes;
}

static void send_describe(uint32_t n, ri_str *keys, uint32_t nkeys)
{
    KCLIENT_BLANK(describe_configs_request, q);
    ri_kafka_describe_configs_request_resource *all = calloc(n, sizeof *all);
    for (uint32_t i = 0; i < n; i++) {
        all[i] = (ri_kafka_describe_configs_request_resource){RI_KAFKA_RESOURCE_TOPIC, RI_STR("t"),
                                                              {keys, nkeys}};
    }
    q.resources.items = all;
    q.resources.len = n;
    kclient_send(&c, RI_KAFKA_DESCRIBE_CONFIGS, 4, &q);
    free(all);
}

static void again(void)
{
    ck_assert(kclient_ended(&c));
    kclient_close(&c);
    kclient_open(&c, port);
}

/* A large answer is made in slices, and becomes bytes outside the gate; one that is too large ends
 * its session, and nothing of it stays. */
START_TEST(test_large)
{
    enum { LARGE = 1000, TOO_LARGE = 100000, TOPIC = 400 }; /* units of the settings of one */
    kclient_created(&c, "t", 1);
    longest();
    send_describe(LARGE, NULL, 0);
    ri_kafka_describe_configs_answer *a = kclient_read(&c, RI_KAFKA_DESCRIBE_CONFIGS, 4);
    ck_assert_uint_eq(a->results.len, LARGE);
    ck_assert_span(a->results.items[LARGE - 1].resource_name, "t");
    uint64_t units = longest();
    ck_assert_msg(units <= RI_BUDGET_TURN + TOPIC, "a turn of %llu units",
                  (unsigned long long)units);
    send_describe(TOO_LARGE, NULL, 0);
    again();
    ck_assert_uint_le(longest(), 3 * RI_BUDGET_TURN); /* the list of its results is made at once */
    kclient_created(&c, "other", 1);
    ck_assert_uint_eq(work_bytes(), 0);
}
END_TEST

/* Lists that name more than there can be end their session. */
START_TEST(test_long_lists)
{
    enum { MANY = RI_LIMIT_KAFKA_PARTITIONS + 1, KEYS = 2 * RI_LIMIT_KAFKA_SETTINGS + 1 };
    static int32_t partitions[MANY];
    static ri_kafka_alter_partition_reassignments_request_partition moved[MANY];
    ri_str keys[KEYS];
    kclient_created(&c, "t", 1);
    KCLIENT_BLANK(describe_log_dirs_request, dirs);
    ri_kafka_describe_log_dirs_request_topic of = {RI_STR("t"), {partitions, MANY}};
    KCLIENT_ONE(dirs.topics, &of);
    kclient_send(&c, RI_KAFKA_DESCRIBE_LOG_DIRS, 4, &dirs);
    again();
    KCLIENT_BLANK(elect_leaders_request, elect);
    ri_kafka_elect_leaders_request_topic led = {RI_STR("t"), {partitions, MANY}};
    KCLIENT_ONE(elect.topics, &led);
    kclient_send(&c, RI_KAFKA_ELECT_LEADERS, 2, &elect);
    again();
    KCLIENT_BLANK(alter_partition_reassignments_request, move);
    ri_kafka_alter_partition_reassignments_request_topic way = {RI_STR("t"), {moved, MANY}};
    KCLIENT_ONE(move.topics, &way);
    kclient_send(&c, RI_KAFKA_ALTER_PARTITION_REASSIGNMENTS, 1, &move);
    again();
    for (size_t i = 0; i < KEYS; i++) keys[i] = RI_STR("nope");
    send_describe(1, keys, KEYS - 1);
    ri_kafka_describe_configs_answer *a = kclient_read(&c, RI_KAFKA_DESCRIBE_CONFIGS, 4);
    ck_assert_uint_eq(a->results.items[0].configs.len, 0);
    send_describe(1, keys, KEYS);
    again();
}
END_TEST

/* Who names a partition again and again reads it once. */
START_TEST(test_fetch_twins)
{
    enum { MANY = RI_LIMIT_KAFKA_PARTITIONS, TOO_MANY = MANY + 2 };
    static ri_kafka_fetch_request_partition same[TOO_MANY];
    kclient_created(&c, "t", 1);
    ck_assert_int_eq(
        kclient_produced(&c, 9, kclient_produce("t", 0, batch(10))).error_code, 0);
    ri_kafka_fetch_request *q = kclient_fetch("t", 0, 0, 0);
    for (int i = 0; i < TOO_MANY; i++) same[i] = q->topics.items[0].partitions.items[0];
    for (int i = 0; i < MANY; i += 2) same[i].fetch_offset = 1000; /* which is none */
    same[0].fetch_offset = 0;
    q->topics.items[0].partitions.items = same;
    q->topics.items[0].partitions.len = MANY;
    longest();
    ri_kafka_fetch_answer *a = kclient_ask(&c, RI_KAFKA_FETCH, 12, q);
    ck_assert_uint_eq(a->topics.items[0].partitions.len, MANY);
    ck_assert_int_eq(a->topics.items[0].partitions.items[0].error_code, 0);
    ck_assert_uint_gt(a->topics.items[0].partitions.items[0].records.len, 0);
    int twins = 0;
    for (int i = 1; i < MANY; i++) {
        const ri_kafka_fetch_answer_partition *one = &a->topics.items[0].partitions.items[i];
        twins += one->error_code == RI_KAFKA_E_INVALID_REQUEST && one->records.len == 0;
    }
    ck_assert_int_eq(twins, MANY - 1);
    ck_assert_uint_le(longest(), RI_BUDGET_TURN + RI_BUDGET_SLICE);
    q->topics.items[0].partitions.items = same;
    q->topics.items[0].partitions.len = TOO_MANY; /* there is one stream */
    kclient_send(&c, RI_KAFKA_FETCH, 12, q);
    again();
}
END_TEST

/* Behind the batch that found no room none is looked for. */
START_TEST(test_fetch_full)
{
    enum { MANY = 100, EACH = 60 };
    static ri_kafka_fetch_request_partition of[MANY];
    kclient_created(&c, "t", MANY);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(
            kclient_produced(&c, 9, kclient_produce("t", i, batch(EACH))).error_code, 0);
    ri_kafka_fetch_request *q = kclient_fetch("t", 0, 0, 0);
    for (int i = 0; i < MANY; i++) {
        of[i] = q->topics.items[0].partitions.items[0];
        of[i].partition = i;
    }
    q->topics.items[0].partitions.items = of;
    q->topics.items[0].partitions.len = MANY;
    size_t size = batch(EACH).len;
    q->max_bytes = (int32_t)(size + size / 2);
    uint64_t before = spent();
    ri_kafka_fetch_answer *a = kclient_ask(&c, RI_KAFKA_FETCH, 12, q);
    uint64_t units = spent() - before;
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(a->topics.items[0].partitions.items[i].error_code, 0);
        ck_assert_int_eq(a->topics.items[0].partitions.items[i].records.len > 0, i == 0);
    }
    ck_assert_msg(units < 10 * size / RI_BUDGET_BYTES, "%llu units", (unsigned long long)units);
}
END_TEST

/* A request that takes some turns has its batches before those of the next one. */
START_TEST(test_in_order)
{
    enum { MANY = 8, EACH = 900 };
    static ri_kafka_produce_request_partition of[MANY];
    kclient_created(&c, "t", MANY);
    ri_kafka_produce_request *q = kclient_produce("t", 0, batch(EACH));
    for (int i = 0; i < MANY; i++) {
        of[i] = q->topics.items[0].partitions.items[0];
        of[i].index = i;
    }
    q->topics.items[0].partitions.items = of;
    q->topics.items[0].partitions.len = MANY;
    longest();
    kclient_put(&c, RI_KAFKA_PRODUCE, 9, q);
    kclient_put(&c, RI_KAFKA_PRODUCE, 9, kclient_produce("t", MANY - 1, batch(1)));
    kclient_flush(&c);
    for (int i = 0; i < 2; i++) {
        ri_kafka_produce_answer *a = kclient_read(&c, RI_KAFKA_PRODUCE, 9);
        ri_kafka_produce_answer_partition *last = &a->topics.items[0].partitions.items[0];
        if (i == 0) last += MANY - 1;
        ck_assert_int_eq(last->index, MANY - 1);
        ck_assert_int_eq(last->error_code, 0);
        ck_assert_int_eq(last->base_offset, i * EACH);
    }
    ck_assert_uint_le(longest(), 2 * RI_BUDGET_TURN);
}
END_TEST

/* Clients that ask for all there is and read none of it make the broker hold a part of it, however
 * many they are. */
START_TEST(test_unread)
{
    enum { READERS = 24, PENDING = 8 * 1024 * 1024, EACH = 100, BATCHES = 80, ASKED = 200 };
    static kclient readers[READERS];
    uint32_t blocked = 0;
    uint64_t held = 0;
    ck_assert_ok(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts,
                                                      .max_pending_bytes = PENDING)));
    kclient_created(&c, "t", 1);
    for (int i = 0; i < BATCHES; i++)
        ck_assert_int_eq(
            kclient_produced(&c, 9, kclient_produce("t", 0, batch(EACH))).error_code, 0);
    ri_kafka_fetch_request *q = kclient_fetch("t", 0, 0, 0);
    q->max_bytes = q->topics.items[0].partitions.items[0].partition_max_bytes = INT32_MAX;
    for (int i = 0; i < READERS; i++) {
        kclient_open(&readers[i], port);
        setsockopt(readers[i].p.fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
        for (int k = 0; k < ASKED; k++) kclient_put(&readers[i], RI_KAFKA_FETCH, 12, q);
        kclient_flush(&readers[i]);
    }
    int64_t due_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    while (blocked < READERS && ri_mono_ns(&c.host) < due_ns) {
        held = RI_MAX(held, held_bytes(&blocked));
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    ck_assert_uint_eq(blocked, READERS);
    ck_assert_msg(held <= 4 * PENDING + READERS * (OUT + 2 * EACH * 1024), "%llu bytes",
                  (unsigned long long)held);
    for (int i = 0; i < READERS; i++) kclient_close(&readers[i]);
}
END_TEST

/* A broker of little memory reads less for each of them, and cuts nobody off. */
START_TEST(test_unread_small)
{
    enum { READERS = 8, EACH = 100, BATCHES = 80, LITTLE = 64 * 1024 * 1024 };
    static kclient readers[READERS];
    uint32_t blocked = 0;
    ck_assert_ok(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .memory_bytes = LITTLE)));
    kclient_created(&c, "t", 1);
    for (int i = 0; i < BATCHES; i++)
        ck_assert_int_eq(
            kclient_produced(&c, 9, kclient_produce("t", 0, batch(EACH))).error_code, 0);
    ri_kafka_fetch_request *q = kclient_fetch("t", 0, 0, 0);
    q->max_bytes = q->topics.items[0].partitions.items[0].partition_max_bytes = INT32_MAX;
    for (int i = 0; i < READERS; i++) {
        kclient_open(&readers[i], port);
        setsockopt(readers[i].p.fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
        for (int k = 0; k < 50; k++) kclient_put(&readers[i], RI_KAFKA_FETCH, 12, q);
        kclient_flush(&readers[i]);
    }
    int64_t due_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    while (blocked < READERS && ri_mono_ns(&c.host) < due_ns) {
        held_bytes(&blocked);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    ck_assert_uint_eq(blocked, READERS);
    for (int i = 0; i < READERS; i++) kclient_close(&readers[i]);
}
END_TEST

/* ---- Very many partitions ---- */

enum { WIDE = 2000 };

static ri_kafka_fetch_request *fetch_wide(int32_t min_bytes)
{
    static ri_kafka_fetch_request_partition all[WIDE];
    ri_kafka_fetch_request *q = kclient_fetch("w", 0, 0, WAIT_MS * 6);
    for (int32_t i = 0; i < WIDE; i++) {
        all[i] = q->topics.items[0].partitions.items[0];
        all[i].partition = i;
    }
    q->topics.items[0].partitions.items = all;
    q->topics.items[0].partitions.len = WIDE;
    q->min_bytes = min_bytes;
    return q;
}

/* As many requests as that wait, or have waited: looked at until it is so. */
static void await_parked(uint32_t n)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    int64_t due_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    for (uint32_t parked = 0; parked < n;) {
        ck_assert_int_lt(ri_mono_ns(&c.host), due_ns);
        parked = 0;
        ri_broker_enter(b);
        ri_list_each (item, &server_of(b)->sessions) {
            const ri_kafka_session *s = ri_container_of(item, ri_kafka_session, link);
            if (ri_list_empty(&s->requests)) continue;
            parked += ri_timer_armed(
                &ri_container_of(s->requests.next, ri_kafka_request, link)->timer.timer);
        }
        ri_broker_leave(b);
    }
}

/* What a partition costs is counted: to write to very many, to wait for them, to leave amid, and to
 * delete them takes many turns, none of which is long. */
START_TEST(test_wide)
{
    enum { LEAVERS = 8 };
    static ri_kafka_produce_request_partition of[WIDE];
    static kclient leavers[LEAVERS];
    kclient_created(&c, "w", WIDE);
    ri_kafka_produce_request *q = kclient_produce("w", 0, batch(1));
    for (int32_t i = 0; i < WIDE; i++) {
        of[i] = q->topics.items[0].partitions.items[0];
        of[i].index = i;
    }
    q->topics.items[0].partitions.items = of;
    q->topics.items[0].partitions.len = WIDE;
    longest();
    uint64_t before = spent();
    ri_kafka_produce_answer *a = kclient_ask(&c, RI_KAFKA_PRODUCE, 9, q);
    for (uint32_t i = 0; i < WIDE; i++)
        ck_assert_int_eq(a->topics.items[0].partitions.items[i].error_code, 0);
    ck_assert_uint_ge(spent() - before, 40 * WIDE);
    for (int i = 0; i < LEAVERS; i++) {
        kclient_open(&leavers[i], port);
        kclient_send(&leavers[i], RI_KAFKA_FETCH, 12, fetch_wide(INT32_MAX));
    }
    await_parked(LEAVERS);
    for (int i = 0; i < LEAVERS; i++) kclient_close(&leavers[i]);
    ri_kafka_fetch_answer *f = kclient_ask(&c, RI_KAFKA_FETCH, 12, fetch_wide(1));
    ck_assert_uint_gt(f->topics.items[0].partitions.items[WIDE - 1].records.len, 0);
    before = spent();
    ri_kafka_delete_topics_request_topic gone = {.name = RI_STR("w")};
    KCLIENT_BLANK(delete_topics_request, d);
    KCLIENT_ONE(d.topics, &gone);
    ri_kafka_delete_topics_answer *deleted = kclient_ask(&c, RI_KAFKA_DELETE_TOPICS, 6, &d);
    ck_assert_int_eq(deleted->responses.items[0].error_code, 0);
    ck_assert_uint_ge(spent() - before, 100 * WIDE);
    ck_assert_uint_le(longest(), RI_BUDGET_TURN + RI_BUDGET_SLICE);
}
END_TEST

/* Who waits for very many partitions looks at the one that grew, and not at all of them. */
START_TEST(test_grown)
{
    enum { GROWN = 10 };
    kclient reader;
    kclient_created(&c, "w", WIDE);
    kclient_open(&reader, port);
    ri_str one = batch(1);
    kclient_send(&reader, RI_KAFKA_FETCH, 12, fetch_wide((int32_t)(GROWN * one.len)));
    await_parked(1);
    uint64_t before = spent();
    for (int i = 0; i < GROWN; i++) kclient_produced(&c, 9, kclient_produce("w", 7 * i, one));
    ck_assert_uint_lt(spent() - before, GROWN * WIDE); /* all of them: several times as much */
    ri_kafka_fetch_answer *f = kclient_read(&reader, RI_KAFKA_FETCH, 12);
    for (int i = 0; i < WIDE; i++)
        ck_assert_int_eq(f->topics.items[0].partitions.items[i].records.len > 0,
                         i % 7 == 0 && i / 7 < GROWN);
    kclient_close(&reader);
}
END_TEST

/* How many requests were cut, and have more to do. */
static uint32_t slow(void)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    uint32_t n = 0;
    ri_broker_enter(b);
    ri_list_each (item, &server_of(b)->slow) n++;
    ri_broker_leave(b);
    return n;
}

static void set_limit(int64_t units)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    b->router.budget.limit = units;
    ri_broker_leave(b);
}

/* Who waits for a record has it before those who ask for much have each had a turn. This thread may
 * be late itself: one time in many is enough. */
START_TEST(test_woken_first)
{
    enum { CROWD = 32, IDS = 20000, TRIES = 50 };
    static ri_kafka_metadata_request_topic ids[IDS];
    static kclient crowd[CROWD];
    kclient reader;
    uint64_t least = UINT64_MAX;
    kclient_created(&c, "t", 1);
    kclient_created(&c, "w", WIDE);
    KCLIENT_BLANK(metadata_request, q);
    for (int i = 0; i < IDS; i++) memset(&ids[i].topic_id, 1 + i % 100, sizeof ids[i].topic_id);
    q.topics.items = ids;
    q.topics.len = IDS;
    kclient_open(&reader, port);
    set_limit(1); /* the first of them goes on slowly until the last has begun */
    for (int i = 0; i < CROWD; i++) {
        kclient_open(&crowd[i], port);
        kclient_send(&crowd[i], RI_KAFKA_METADATA, 12, &q);
    }
    int64_t due_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    while (slow() < CROWD) ck_assert_int_lt(ri_mono_ns(&c.host), due_ns);
    set_limit(RI_BUDGET_TURN);
    for (int i = 0; i < TRIES && least > CROWD / 4 * RI_BUDGET_TURN; i++) {
        kclient_send(&reader, RI_KAFKA_FETCH, 12, kclient_fetch("t", 0, i, WAIT_MS));
        uint64_t before = spent();
        kclient_produced(&c, 9, kclient_produce("t", 0, batch(1)));
        kclient_read(&reader, RI_KAFKA_FETCH, 12);
        uint64_t units = spent() - before;
        if (slow() == CROWD) least = RI_MIN(least, units);
    }
    ck_assert_msg(least <= CROWD / 4 * RI_BUDGET_TURN, "%llu units", (unsigned long long)least);
    for (int i = 0; i < CROWD; i++) kclient_close(&crowd[i]);
    kclient_close(&reader);
}
END_TEST

/* Who may read nothing at the moment waits as others do, and is not answered at once. */
START_TEST(test_no_room)
{
    enum { SHORT_MS = 50 };
    kclient_created(&c, "t", 1);
    ri_kafka_fetch_request *q = kclient_fetch("t", 0, 0, SHORT_MS);
    q->min_bytes = 1;
    q->max_bytes = 0;
    int64_t start_ns = ri_mono_ns(&c.host);
    ri_kafka_fetch_answer *a = kclient_ask(&c, RI_KAFKA_FETCH, 12, q);
    ck_assert_int_ge(ri_mono_ns(&c.host) - start_ns, SHORT_MS * RI_MS / 2);
    ck_assert_uint_eq(a->topics.items[0].partitions.items[0].records.len, 0);
}
END_TEST

/* What was unpacked to be looked at is kept for readers, but not all of it. */
START_TEST(test_unpacked)
{
    enum { EACH = 6 * 1024 * 1024, BATCHES = 14, KEPT = 64 * 1024 * 1024 };
    char *value = calloc(1, EACH + 1);
    memset(value, 'a', EACH);
    kclient_created(&c, "t", 1);
    for (int i = 0; i < BATCHES; i++) {
        produce_begin(&p, &c.host, RI_KAFKA_CODEC_GZIP, -1, -1);
        produce_add(&p, NULL, value, NULL, ri_wall_ns(&c.host) / RI_MS);
        ri_str packed = produce_end(&p);
        ck_assert_uint_lt(packed.len, EACH / 100);
        longest();
        ck_assert_int_eq(
            kclient_produced(&c, 9, kclient_produce("t", 0, packed)).error_code, 0);
        ck_assert_uint_le(work_bytes(), KEPT + 2 * EACH);
        ck_assert_uint_le(longest(), RI_BUDGET_TURN + RI_BUDGET_SLICE);
    }
    free(value);
}
END_TEST

/* A batch that is unpacked in several turns, with another request behind it in the same bytes, and
 * bytes of somebody else meanwhile. */
START_TEST(test_cut_before_another)
{
    enum { EACH = 6 * 1024 * 1024, IDS = 2000 };
    static ri_kafka_metadata_request_topic ids[IDS];
    char *value = calloc(1, EACH + 1);
    kclient other;
    memset(value, 'a', EACH);
    kclient_created(&c, "t", 1);
    kclient_open(&other, port);
    KCLIENT_BLANK(metadata_request, q);
    for (int i = 0; i < IDS; i++) memset(&ids[i].topic_id, 'x', sizeof ids[i].topic_id);
    q.topics.items = ids;
    q.topics.len = IDS;
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_GZIP, -1, -1);
    produce_add(&p, NULL, value, NULL, ri_wall_ns(&c.host) / RI_MS);
    ri_str packed = produce_end(&p);
    ck_assert_uint_lt(packed.len, IDS * sizeof ids[0].topic_id);
    kclient_put(&c, RI_KAFKA_PRODUCE, 9, kclient_produce("t", 0, packed));
    kclient_put(&c, RI_KAFKA_LIST_OFFSETS, 7, kclient_offsets("t", 0, -1));
    kclient_flush(&c);
    kclient_send(&other, RI_KAFKA_METADATA, 12, &q);
    ri_kafka_produce_answer *a = kclient_read(&c, RI_KAFKA_PRODUCE, 9);
    ck_assert_int_eq(a->topics.items[0].partitions.items[0].error_code, 0);
    ri_kafka_list_offsets_answer *o = kclient_read(&c, RI_KAFKA_LIST_OFFSETS, 7);
    ck_assert_int_eq(o->topics.items[0].partitions.items[0].offset, 1);
    kclient_read(&other, RI_KAFKA_METADATA, 12);
    kclient_close(&other);
    free(value);
}
END_TEST

/* A codec that knows one block only is unpacked in slices as well. */
START_TEST(test_one_block)
{
    enum { EACH = 1000000 };
    char *value = calloc(1, EACH + 1);
    memset(value, 'a', EACH);
    kclient_created(&c, "t", 1);
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_SNAPPY, -1, -1);
    p.unframed = true;
    produce_add(&p, NULL, value, NULL, ri_wall_ns(&c.host) / RI_MS);
    longest();
    ck_assert_int_eq(
        kclient_produced(&c, 9, kclient_produce("t", 0, produce_end(&p))).error_code, 0);
    ck_assert_uint_le(longest(), RI_BUDGET_TURN + RI_BUDGET_SLICE);
    free(value);
}
END_TEST

/* Many records of a batch are looked at in slices of the turn, too. */
START_TEST(test_many_records)
{
    enum { MANY = RI_LIMIT_KAFKA_TAKEN / 2 };
    kclient_created(&c, "t", 1);
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_GZIP, -1, -1);
    int64_t now_ms = ri_wall_ns(&c.host) / RI_MS;
    for (int i = 0; i < MANY; i++) produce_add(&p, NULL, "", NULL, now_ms);
    longest();
    ck_assert_int_eq(
        kclient_produced(&c, 9, kclient_produce("t", 0, produce_end(&p))).error_code, 0);
    ck_assert_uint_le(longest(), RI_BUDGET_TURN + RI_BUDGET_SLICE);
}
END_TEST

/* A topic that keeps the last of each key names the records that have none, packed or not. */
START_TEST(test_keyless)
{
    int codec = _i ? RI_KAFKA_CODEC_GZIP : RI_KAFKA_CODEC_NONE;
    ri_kafka_create_topics_request *q = kclient_create("t", 1);
    ri_kafka_create_topics_request_config compact = {RI_STR("cleanup.policy"), RI_STR("compact")};
    q->topics.items[0].configs.items = &compact;
    q->topics.items[0].configs.len = 1;
    ri_kafka_create_topics_answer *made = kclient_ask(&c, RI_KAFKA_CREATE_TOPICS, 7, q);
    ck_assert_int_eq(made->topics.items[0].error_code, 0);
    produce_begin(&p, &c.host, codec, -1, -1);
    for (int i = 0; i < 5; i++)
        produce_add(&p, i % 2 ? NULL : "k", "v", NULL, ri_wall_ns(&c.host) / RI_MS);
    ri_str bad = produce_end(&p);
    ri_kafka_produce_answer_partition a = kclient_produced(&c, 9, kclient_produce("t", 0, bad));
    ck_assert_int_eq(a.error_code, RI_KAFKA_E_INVALID_RECORD);
    ck_assert_uint_eq(a.record_errors.len, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(a.record_errors.items[i].batch_index, 1 + 2 * i);
        ck_assert_uint_gt(a.record_errors.items[i].batch_index_error_message.len, 0);
    }
    a = kclient_produced(&c, 7, kclient_produce("t", 0, bad));
    ck_assert_int_eq(a.error_code, RI_KAFKA_E_INVALID_RECORD);
    produce_begin(&p, &c.host, codec, -1, -1);
    produce_add(&p, "k", "v", NULL, ri_wall_ns(&c.host) / RI_MS);
    a = kclient_produced(&c, 9, kclient_produce("t", 0, produce_end(&p)));
    ck_assert_int_eq(a.error_code, 0);
    ck_assert_int_eq(a.base_offset, 0);
    ck_assert_uint_eq(a.record_errors.len, 0);
}
END_TEST

/* Of the buffers that large answers came in, the door keeps some for the next, and gives them back
 * when none comes for a while. */
/* What the door keeps of buffers, and how often it has lent some, at the same moment. */
static uint64_t kept_bytes(uint64_t *lent)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    const ri_outq_pool *pool = &server_of(b)->pool;
    uint64_t bytes = pool->kept_bytes;
    if (lent) *lent = pool->lent;
    ri_broker_leave(b);
    return bytes;
}

/* Fetches until buffers are kept, of which some were lent since `*lent`. They are kept for a second
 * only: if this thread looks too late, it fetches again. */
static uint64_t fetch_kept(uint64_t *lent)
{
    enum { LOOKS = 200 };
    uint64_t was = *lent;
    int64_t until_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    for (int i = 0; ; i++) {
        if (i % LOOKS == 0) kclient_ask(&c, RI_KAFKA_FETCH, 12, kclient_fetch("t", 0, 0, 0));
        uint64_t bytes = kept_bytes(lent);
        if (bytes && *lent > was) return bytes;
        ck_assert_int_lt(ri_mono_ns(&c.host), until_ns);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

START_TEST(test_kept)
{
    enum { EACH = 700 };
    uint64_t lent = 0;
    kclient_created(&c, "t", 1);
    ck_assert_int_eq(
        kclient_produced(&c, 9, kclient_produce("t", 0, batch(EACH))).error_code, 0);
    ck_assert_uint_eq(kept_bytes(NULL), 0);
    uint64_t bytes = fetch_kept(&lent);
    ck_assert_uint_ge(bytes, EACH * 1000);
    ck_assert_uint_eq(fetch_kept(&lent), bytes); /* the same again */
    int64_t until_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    while (kept_bytes(NULL) > 0) {
        ck_assert_int_lt(ri_mono_ns(&c.host), until_ns);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    uint32_t blocked;
    ck_assert_uint_lt(held_bytes(&blocked), EACH * 1000);
}
END_TEST

/* Who sleeps before the gate, in place of a thread that may be late: the loop naps for him, and he
 * is inside meanwhile. He counts the parts of turns that used up their budget while he slept. */
static struct {
    atomic_bool there;
    _Atomic(pthread_t) apart; /* whose naps are his own */
    uint64_t visits, cut, most; /* inside the gate */
} sleeper;

int nanosleep(const struct timespec *left, struct timespec *rest)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    if (!atomic_load(&sleeper.there) || pthread_equal(pthread_self(), atomic_load(&sleeper.apart)))
        return clock_nanosleep(CLOCK_REALTIME, 0, left, rest);
    ri_broker_enter(b);
    uint64_t cut = b->router.budget.cut;
    sleeper.most = RI_MAX(sleeper.most, cut - sleeper.cut);
    sleeper.cut = cut;
    sleeper.visits++;
    ri_broker_leave(b);
    return 0;
}

/* Where each part of the loop's turn uses up a budget, whoever sleeps before the gate is inside
 * between any two of them; whoever asks is answered all the same, and reads each record once. */
START_TEST(test_parts)
{
    enum { TIMES = 60 };
    ri_broker *b = (ri_broker *)(void *)broker;
    kclient reader;
    kclient_created(&c, "t", 1);
    kclient_open(&reader, port);
    ri_broker_enter(b);
    b->router.budget.limit = 1;
    sleeper.cut = b->router.budget.cut;
    sleeper.visits = sleeper.most = 0;
    atomic_store(&sleeper.apart, pthread_self());
    atomic_store(&sleeper.there, true);
    atomic_fetch_add(&b->gate.sleepers, 1);
    ri_broker_leave(b);
    for (int64_t i = 0; i < TIMES; i++) {
        kclient_send(&reader, RI_KAFKA_FETCH, 11, kclient_fetch("t", 0, i, WAIT_MS));
        ck_assert_int_eq(kclient_produced(&c, 9, kclient_produce("t", 0, batch(1))).base_offset, i);
        const ri_kafka_fetch_answer *r = kclient_read(&reader, RI_KAFKA_FETCH, 11);
        ck_assert_uint_eq(r->topics.len, 1);
        ck_assert_int_eq(r->topics.items[0].partitions.items[0].high_watermark, i + 1);
        ck_assert_uint_ge(r->topics.items[0].partitions.items[0].records.len, 1000);
    }
    ri_broker_enter(b);
    atomic_fetch_sub(&b->gate.sleepers, 1);
    atomic_store(&sleeper.there, false);
    ri_broker_leave(b);
    ck_assert_uint_ge(sleeper.visits, TIMES);
    ck_assert_uint_eq(sleeper.most, 1);
    kclient_close(&reader);
}
END_TEST

int main(void)
{
    const suite_row rows[] = {
        {.times = 2, .setup = setup, .teardown = teardown, SUITE_LIST(test_keyless)},
        SUITE_WITH(setup, teardown, test_large, test_long_lists, test_fetch_twins, test_fetch_full,
                   test_in_order, test_unread, test_unread_small, test_wide, test_grown,
                   test_woken_first, test_no_room, test_unpacked, test_cut_before_another,
                   test_one_block, test_many_records, test_kept, test_parts)};
    return suite_run("kafka_bounds", rows, RI_LEN(rows), CK_FORK_GETENV);
}
