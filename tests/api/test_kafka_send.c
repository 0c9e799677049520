/* SPDX-License-Identifier: Apache-2.0 */
/* Many records at once over kafka://: in which order they stay, who gets them, and how a reader
 * that is behind catches up. */
#include "kafka_mock.h"

#include <time.h>

typedef struct answers {
    atomic_int stored, failed;
} answers;

static void on_ended(int err, const rill_receipt *receipt, void *arg)
{
    answers *a = arg;
    (void)receipt;
    if (err == RILL_OK) a->stored++;
    else a->failed++;
}

typedef struct partitions_told {
    atomic_int of[3], n;
} partitions_told;

static void on_partition(int err, const rill_receipt *receipt, void *arg)
{
    partitions_told *told = arg;
    OK(err);
    ck_assert_uint_lt(receipt->partition, 3);
    told->of[receipt->partition]++;
    told->n++;
}

/* Records that go by themselves, and those that go together, stay in the order of their calls. */
START_TEST(staged)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    const rill_header header = {RILL_STR("trace"), RILL_STR("7")};
    answers a = {0};
    int asyncs = 0;
    for (int i = 0; i < 2000; i++) {
        const rill_post *post =
            i % 7 == 0 ? RILL_OPTS(rill_post, .headers = &header, .nheaders = 1) : NULL;
        if (i % 97 == 0) OK(rill_append(bus, "orders", &i, sizeof i, post, NULL, 60000));
        else if (i % 31 == 0) OK(rill_publish(bus, "orders", &i, sizeof i, post));
        else OK(rill_append_async(bus, "orders", &i, sizeof i, post, on_ended, &a));
        asyncs += i % 97 != 0 && i % 31 != 0;
        if (i % 50 == 0) OK(rill_publish(bus, "wide", "x", 1, NULL)); /* between them */
    }
    DRIVEN(bus, _i, a.stored == asyncs);
    rill_sub *sub;
    OK(rill_tail(bus, &sub, "orders", NULL));
    for (int i = 0; i < 2000; i++) {
        const rill_msg *m = next(sub);
        int value;
        memcpy(&value, m->data.ptr, sizeof value);
        ck_assert_int_eq(value, i);
        ck_assert_uint_eq(m->nheaders, i % 7 == 0);
    }
    rill_sub_close(sub);
    end(bus);
}
END_TEST

/* Who waits for a receipt when there is no room finds some with it: else he could wait for ever. */
START_TEST(room)
{
    begin();
    rill_bus *bus = join_with(_i, (rill_opts){.max_inflight = 500});
    answers a = {0};
    int full = 0;
    for (int i = 0; i < 10000; i++) {
        int rc, seen = a.stored;
        while ((rc = rill_append_async(bus, "orders", &i, sizeof i, NULL, on_ended, &a)) ==
               RILL_EAGAIN) {
            DRIVEN(bus, _i, a.stored != seen);
            seen = a.stored;
            full++;
        }
        OK(rc);
    }
    DRIVEN(bus, _i, a.stored == 10000);
    ck_assert_int_gt(full, 0);
    ck_assert_int_eq(a.failed, 0);
    end(bus);
}
END_TEST

/* A reader that goes takes no reports of records with it that come meanwhile. */
START_TEST(reader_goes)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    answers a = {0};
    append(bus, "orders", "x");
    for (int round = 1; round <= 20; round++) {
        rill_sub *sub = tail(bus, NULL);
        next_is(sub, "x");
        rill_sub_close(sub);
        for (int i = 0; i < 10; i++)
            OK(rill_append_async(bus, "orders", "x", 1, NULL, on_ended, &a));
        DRIVEN(bus, _i, a.stored == 10 * round);
    }
    end(bus);
}
END_TEST

/* Each partition has its turn, without a key, and the receipts say so. */
START_TEST(spread)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    static partitions_told told;
    told = (partitions_told){.n = 0};
    for (int i = 0; i < 15000; i++) {
        int rc;
        while ((rc = rill_append_async(bus, "wide", &i, sizeof i, NULL, on_partition, &told)) ==
               RILL_EAGAIN) DRIVEN(bus, _i, told.n > 0);
        OK(rc);
    }
    DRIVEN(bus, _i, told.n == 15000);
    for (int i = 0; i < 3; i++) ck_assert_int_gt(told.of[i], 0);
    end(bus);
}
END_TEST

/* A reader that empties a full queue does not wait for librdkafka to look at it again, which up to
 * 2.1 takes it a second each time. */
START_TEST(behind)
{
    enum { ALL = 3000 };
    begin();
    rill_bus *bus = join(_i, "queued.min.messages=100");
    answers a = {0};
    for (int i = 0; i < ALL; i++)
        OK(rill_append_async(bus, "orders", &i, sizeof i, NULL, on_ended, &a));
    DRIVEN(bus, _i, a.stored == ALL);
    rill_sub *sub;
    OK(rill_tail(bus, &sub, "orders", NULL));
    time_t began = time(NULL);
    for (int i = 0; i < ALL; i++) ck_assert_uint_eq(next(sub)->seq, (uint64_t)i + 1);
    ck_assert_int_lt(time(NULL) - began, 10);
    rill_sub_close(sub);
    end(bus);
}
END_TEST

/* ---- Batches, which are transactions ---- */

enum { MOCK_INIT_PRODUCER_ID = 22, MOCK_ADD_PARTITIONS = 24, MOCK_END = 26 };

static rill_batch *batch_of(rill_bus *bus, const char *topic, int n)
{
    rill_batch *batch;
    OK(rill_batch_begin(bus, &batch, NULL));
    for (int i = 1; i <= n; i++) OK(rill_batch_add(batch, topic, &i, sizeof i, NULL));
    return batch;
}

/* Until it is over, whatever its end. */
static int commit(rill_batch *batch, rill_receipt *last)
{
    *last = (rill_receipt){.size = sizeof *last};
    int rc = rill_batch_commit(batch, last, 40000);
    rill_batch_close(batch);
    return rc;
}

START_TEST(batches)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    rill_receipt last;
    OK(commit(batch_of(bus, "orders", 5), &last));
    ck_assert_uint_eq(last.seq, 5);
    rill_batch *batch = batch_of(bus, "orders", 2);
    const rill_header keyed = {RILL_STR("Kafka-Key"), RILL_STR("k")};
    for (int i = 0; i < 3; i++)
        OK(rill_batch_add(batch, "wide", &i, sizeof i,
                          RILL_OPTS(rill_post, .headers = &keyed, .nheaders = 1)));
    OK(rill_batch_commit(batch, &last, 40000));
    ck_assert_uint_eq(last.seq, 3);
    OK(rill_batch_commit(batch, &last, 40000)); /* the same answer */
    ck_assert_uint_eq(last.seq, 3);
    FAILS(rill_batch_add(batch, "orders", "x", 1, NULL), RILL_EINVAL);
    rill_batch_close(batch);
    OK(commit(batch_of(bus, "orders", RILL_BATCH_MAX), &last));
    ck_assert_uint_eq(last.seq, 7 + RILL_BATCH_MAX);
    OK(commit(batch_of(bus, "orders", 1), &last)); /* no transaction is needed for it */
    ck_assert_uint_eq(last.seq, 8 + RILL_BATCH_MAX);
    FAILS(commit(batch_of(bus, "orders", 0), &last), RILL_EINVAL);
    rill_sub *sub = tail(bus, NULL);
    for (uint64_t i = 1; i <= 8 + RILL_BATCH_MAX; i++) ck_assert_uint_eq(next(sub)->seq, i);
    rill_sub_close(sub);
    end(bus);
}
END_TEST

/* What fails for good is told, and the next batch is stored all the same. */
START_TEST(batches_refused)
{
    static const struct {
        int request, err, want;
    } faults[] = {
        {MOCK_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RILL_OK},
        {MOCK_END, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RILL_OK},
        {MOCK_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RILL_EAUTH},
        {MOCK_PRODUCE, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RILL_ETOOBIG},
        {MOCK_END, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, RILL_EFENCED},
        {MOCK_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
         RILL_EAUTH},
    };
    begin();
    rill_bus *bus = join(_i, NULL);
    rill_receipt last;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        rd_kafka_mock_push_request_errors(cluster, (int16_t)faults[i].request, 1, faults[i].err);
        int rc = commit(batch_of(bus, "orders", 3), &last);
        bool doubted = faults[i].want == RILL_EFENCED && rc == RILL_EUNSURE; /* it came late */
        ck_assert_msg(rc == faults[i].want || doubted, "fault %zu: %d, %s", i, rc, rill_errmsg());
        rd_kafka_mock_clear_request_errors(cluster, (int16_t)faults[i].request);
    }
    rill_batch *batch = batch_of(bus, "orders", 2);
    OK(rill_batch_add(batch, "orders", "x", 1, RILL_OPTS(rill_post, .msg_id = "7")));
    FAILS(commit(batch, &last), RILL_ENOTSUP);
    OK(rill_batch_begin(bus, &batch, RILL_OPTS(rill_batch_opts, .sync = RILL_SYNC_ALWAYS)));
    OK(rill_batch_add(batch, "orders", "x", 1, NULL));
    FAILS(commit(batch, &last), RILL_ENOTSUP);
    OK(commit(batch_of(bus, "orders", 3), &last));
    end(bus);
}
END_TEST

/* A commit that is not answered leaves open what became of it. */
START_TEST(batches_unsure)
{
    begin();
    rill_bus *bus = join_with(_i, (rill_opts){.call_timeout_ms = 2000});
    rill_receipt last;
    OK(commit(batch_of(bus, "orders", 3), &last));
    for (int id = 1; id <= 3; id++)
        rd_kafka_mock_broker_push_request_error_rtts(cluster, id, MOCK_END, 1,
                                                     RD_KAFKA_RESP_ERR_NO_ERROR, 60000);
    rill_batch *batch = batch_of(bus, "orders", 3);
    FAILS(rill_batch_commit(batch, &last, 1), RILL_ETIMEDOUT); /* it is under way */
    FAILS(commit(batch, &last), RILL_EUNSURE);
    end(bus);
}
END_TEST

/* Nor is it known when the answer is a fault, and the commit was under way before. */
START_TEST(batches_doubted)
{
    begin();
    rill_bus *bus = join(_i, NULL);
    rill_receipt last;
    OK(commit(batch_of(bus, "orders", 3), &last));
    for (int id = 1; id <= 3; id++)
        rd_kafka_mock_broker_push_request_error_rtts(cluster, id, MOCK_END, 1,
                                                     RD_KAFKA_RESP_ERR_PRODUCER_FENCED, 1000);
    FAILS(commit(batch_of(bus, "orders", 3), &last), RILL_EUNSURE);
    ck_assert_msg(strstr(rill_errmsg(), "is not known"), "%s", rill_errmsg());
    end(bus);
}
END_TEST

/* A handle that is closed waits for none; a broker of ours has no transactions. */
START_TEST(batches_closed)
{
    rill_broker *broker;
    rill_receipt last = {.size = sizeof last};
    int port;
    begin();
    rill_bus *bus = join(_i, NULL);
    set_all(false);
    rill_batch *batch = batch_of(bus, "orders", 3);
    FAILS(rill_batch_commit(batch, &last, 1), RILL_ETIMEDOUT);
    rill_close(bus, 0);
    FAILS(rill_batch_commit(batch, &last, 1000), RILL_ECLOSED);
    rill_batch_close(batch);
    end(NULL);
    OK(rill_broker_open(&broker, NULL));
    OK(port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL));
    snprintf(url, sizeof url, "kafka://127.0.0.1:%d", port);
    bus = join(_i, NULL);
    OK(rill_stream_ensure(bus, "plain", NULL));
    OK(commit(batch_of(bus, "plain", 1), &last));
    FAILS(commit(batch_of(bus, "plain", 2), &last), RILL_ENOTSUP);
    ck_assert_msg(strstr(rill_errmsg(), "has no transactions"), "%s", rill_errmsg());
    OK(rill_close(bus, 60000));
    OK(rill_broker_close(broker, 60000));
}
END_TEST

SUITE_MAIN_ROWS("kafka_send", SUITE_EACH(2, staged, room, reader_goes, spread, behind, batches,
                                         batches_refused, batches_unsure, batches_doubted,
                                         batches_closed))
