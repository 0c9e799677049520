/* SPDX-License-Identifier: Apache-2.0 */
/* Batches as transactions of Kafka: all of a batch, of one topic or of several, is read or none.
 *
 * A transaction belongs to an instance of librdkafka with a transactional.id, whose calls wait. So
 * the handle has a second instance for them, made when the first batch is committed, and a thread
 * beside that makes one batch after the other:
 *
 *     commit        thread beside                                          cluster
 *       |-- job -->  init_transactions, once an instance  ------------->  InitProducerId
 *       |            begin, produce ..., flush            ------------->  AddPartitions, Produce
 *       |            commit                               ------------->  EndTxn
 *       |<- receipt  of the last record, by its report
 *
 * What fails before the commit was asked for is aborted, and nothing is stored. An answer to the
 * commit that does not come in time leaves it open: RILL_EUNSURE. Then, and after a fault that
 * librdkafka calls fatal, the instance goes; the next one has the same transactional.id, by which
 * the cluster brings to an end what the last one left. That id is the handle's own, and random, so
 * no handle fences another. What a process that has ended left open is aborted by the cluster after
 * transaction.timeout.ms (60 s), and until then readers of its topics see nothing behind it.
 *
 * A batch of one message is an append. A cluster without transactions, as a broker of ours is,
 * makes a batch RILL_ENOTSUP. Numbers have gaps: what ends a transaction takes one in each
 * partition. */
#include <stdio.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "codec/kafka/kafka_message.h"
#include "front/peer_kafka/kafka_ask.h"

enum {
    KAFKA_TXN_SLICE_MS = 200,  /* how often it looks whether the handle is closed */
    KAFKA_TXN_ABORT_MS = 2000, /* that an abort may take behind the time of the batch */
};
#define KAFKA_TXN_DOUBT_NS RI_SEC /* without a coordinator: then a broker is asked for one */

typedef struct kafka_txn {
    ri_job job;
    ri_kafka_peer *peer;
    ri_list calls;            /* its waiter's link, guarded by the gate; empty: nobody waits */
    ri_js_append *append;     /* of that waiter */
    ri_js_batch batch;
    int64_t until_ns;         /* monotonic */
    rd_kafka_resp_err_t err;  /* the first of what became of its records */
    int64_t offset;           /* of the last one ... */
    int32_t partition;
    rd_kafka_topic_t *topic;  /* of the record that was produced last */
} kafka_txn;

static kafka_txn *kafka_txn_of(ri_job *job)
{
    return ri_container_of(job, kafka_txn, job);
}

/* ---- The time that it has ---- */

/* 0: none is left, or the handle is closed. */
static int kafka_txn_slice_ms(const kafka_txn *txn)
{
    const rill_bus *bus = &txn->peer->bus;
    if (atomic_load(&bus->closed)) return 0;
    int64_t left_ns = ri_deadline_left_ns(&bus->host, txn->until_ns);
    if (left_ns < 0) return KAFKA_TXN_SLICE_MS;
    return (int)RI_MIN((left_ns + RI_MS - 1) / RI_MS, KAFKA_TXN_SLICE_MS);
}

static int kafka_txn_late(const kafka_txn *txn, const char *what)
{
    if (atomic_load(&txn->peer->bus.closed))
        return ri_err(RILL_ECLOSED, "%s: the bus is closed, and the batch is not stored", what);
    return ri_err(RILL_ETIMEDOUT, "%s: there was no answer in time, and the batch is not stored",
                  what);
}

/* ---- The instance ---- */

/* It is of no use any more: the next batch has another one, with the same transactional.id. */
static void kafka_txn_discard(ri_kafka_peer *peer)
{
    if (peer->txn) peer->lib.destroy(peer->txn);
    peer->txn = NULL;
}

/* By flush and poll, on the thread beside. */
static void kafka_txn_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    uintptr_t mark = (uintptr_t)message->_private;
    kafka_txn *txn = (kafka_txn *)(mark & ~(uintptr_t)1); /* odd: it is the last record */
    (void)rk;
    (void)opaque;
    if (!txn->err) txn->err = message->err;
    if (!(mark & 1) || message->err) return;
    txn->offset = message->offset;
    txn->partition = message->partition;
}

/* Of a fatal one the code is that of what it follows from. */
static int kafka_txn_code(ri_kafka_peer *peer, const rd_kafka_error_t *error)
{
    rd_kafka_resp_err_t err = peer->lib.error_code(error);
    char text[RI_ERROR_TEXT_MAX];
    if (err == RD_KAFKA_RESP_ERR__FATAL)
        err = peer->lib.fatal_error(peer->txn, text, sizeof text);
    int code = ri_kafka_lib_code(err);
    return code ? code : RILL_EIO;
}

static int kafka_txn_err(ri_kafka_peer *peer, rd_kafka_error_t *error, const char *what)
{
    int code = kafka_txn_code(peer, error);
    ri_err(code, "%s: %s", what, peer->lib.error_string(error));
    peer->lib.error_destroy(error);
    return code;
}

/* librdkafka looks for a coordinator for ever. Is it known that there is none to be found? */
static bool kafka_txn_in_vain(kafka_txn *txn)
{
    ri_kafka_peer *peer = txn->peer;
    const ri_kafka_call call = {peer, ri_deadline_in(&peer->bus.host, 2 * KAFKA_TXN_DOUBT_NS)};
    ri_broker_enter(peer->bus.broker);
    peer->asking++;
    ri_broker_leave(peer->bus.broker);
    int rc = ri_kafka_topic_transacts(&call);
    ri_broker_enter(peer->bus.broker);
    peer->asking--;
    ri_park_signal(&peer->work);
    ri_broker_leave(peer->bus.broker);
    return rc == 0;
}

static int kafka_txn_none(ri_kafka_peer *peer)
{
    peer->txn_none = true;
    return ri_err(RILL_ENOTSUP, "%s has no transactions, and a batch over kafka:// is one: append "
                  "its messages one by one", peer->brokers);
}

static int kafka_txn_init(kafka_txn *txn)
{
    ri_kafka_peer *peer = txn->peer;
    int64_t doubt_ns = ri_deadline_in(&peer->bus.host, KAFKA_TXN_DOUBT_NS);
    for (int ms; (ms = kafka_txn_slice_ms(txn));) {
        rd_kafka_error_t *error = peer->lib.init_transactions(peer->txn, ms);
        if (!error) return RILL_OK;
        if (!peer->lib.error_is_retriable(error)) {
            bool refused = kafka_txn_code(peer, error) == RILL_EAUTH; /* as where there are none */
            if (!refused || !kafka_txn_in_vain(txn))
                return kafka_txn_err(peer, error, "begin with transactions");
            peer->lib.error_destroy(error);
            return kafka_txn_none(peer);
        }
        peer->lib.error_destroy(error);
        bool doubts = doubt_ns && ri_deadline_left_ns(&peer->bus.host, doubt_ns) == 0;
        if (!doubts) continue;
        if (kafka_txn_in_vain(txn)) return kafka_txn_none(peer);
        doubt_ns = 0;
    }
    return kafka_txn_late(txn, "begin with transactions");
}

static int kafka_txn_open(kafka_txn *txn)
{
    ri_kafka_peer *peer = txn->peer;
    if (peer->txn) return RILL_OK;
    if (peer->txn_none) return kafka_txn_none(peer);
    const ri_kafka_setting own[] = {{"transactional.id", peer->txn_id},
                                    {"sticky.partitioning.linger.ms", "10"}};
    int rc = ri_kafka_conf_new(peer, RI_KAFKA_TRANSACTS, own, RI_LEN(own), NULL, &peer->txn);
    if (rc == RILL_OK) rc = kafka_txn_init(txn);
    return rc;
}

void ri_kafka_txn_conf(ri_kafka_peer *peer, rd_kafka_conf_t *conf)
{
    peer->lib.conf_set_dr_msg_cb(conf, kafka_txn_report);
}

/* ---- A batch ---- */

static rd_kafka_topic_t *kafka_txn_topic(kafka_txn *txn, ri_str name)
{
    const ri_kafka_lib *lib = &txn->peer->lib;
    char text[RI_KAFKA_TOPIC_MAX + 1];
    if (txn->topic && ri_str_is(name, lib->topic_name(txn->topic))) return txn->topic;
    if (txn->topic) lib->topic_destroy(txn->topic);
    snprintf(text, sizeof text, "%.*s", RI_ARG(name));
    txn->topic = lib->topic_new(txn->peer->txn, text, NULL);
    return txn->topic;
}

static int kafka_txn_produce_one(kafka_txn *txn, const ri_message *m, bool last)
{
    ri_kafka_peer *peer = txn->peer;
    int rc = RILL_EAGAIN;
    if (m->subject.len > RI_KAFKA_TOPIC_MAX)
        return ri_err(RILL_ENOREPLY, "a topic's name has at most %d bytes", RI_KAFKA_TOPIC_MAX);
    rd_kafka_topic_t *topic = kafka_txn_topic(txn, m->subject);
    if (!topic) return ri_err_nomem(0);
    void *mark = (void *)((uintptr_t)txn | last);
    for (int ms; rc == RILL_EAGAIN && (ms = kafka_txn_slice_ms(txn));) {
        rc = ri_kafka_send_record(peer, peer->txn, topic, m, mark);
        if (rc == RILL_EAGAIN) peer->lib.poll(peer->txn, ms);
    }
    return rc == RILL_EAGAIN ? kafka_txn_late(txn, "store a batch") : rc;
}

/* Until all records are delivered, or one of them cannot be. */
static int kafka_txn_flush(kafka_txn *txn)
{
    ri_kafka_peer *peer = txn->peer;
    for (int ms; (ms = kafka_txn_slice_ms(txn));) {
        rd_kafka_resp_err_t err = peer->lib.flush(peer->txn, ms);
        if (txn->err || !err) return RILL_OK; /* the commit says what is wrong */
        if (err != RD_KAFKA_RESP_ERR__TIMED_OUT)
            return ri_kafka_lib_err(&peer->lib, err, "store a batch");
    }
    return kafka_txn_late(txn, "store a batch");
}

static int kafka_txn_produce(kafka_txn *txn)
{
    ri_kafka_peer *peer = txn->peer;
    rd_kafka_error_t *error = peer->lib.begin_transaction(peer->txn);
    if (error) return kafka_txn_err(peer, error, "begin a transaction");
    int rc = RILL_OK;
    for (size_t i = 0; i < txn->batch.count && rc == RILL_OK; i++) {
        ri_message m = ri_js_batch_at(&txn->batch, i);
        rc = kafka_txn_produce_one(txn, &m, i + 1 == txn->batch.count);
    }
    if (txn->topic) peer->lib.topic_destroy(txn->topic); /* before the instance may go */
    txn->topic = NULL;
    return rc < 0 ? rc : kafka_txn_flush(txn);
}

/* Nothing of it is stored. An instance that cannot say so is of no use any more. */
static void kafka_txn_abort(kafka_txn *txn)
{
    ri_kafka_peer *peer = txn->peer;
    int64_t until_ns = ri_deadline_in(&peer->bus.host, KAFKA_TXN_ABORT_MS * RI_MS);
    bool again = peer->txn != NULL;
    while (again) {
        rd_kafka_error_t *error = peer->lib.abort_transaction(peer->txn, KAFKA_TXN_SLICE_MS);
        if (!error) return;
        again = peer->lib.error_is_retriable(error) &&
                ri_deadline_left_ns(&peer->bus.host, until_ns) > 0;
        peer->lib.error_destroy(error);
    }
    kafka_txn_discard(peer);
}

/* Of a commit that was refused. What became of the first record that was not delivered says more,
 * unless it was given up because of the same. */
static int kafka_txn_refused(kafka_txn *txn, rd_kafka_error_t *error)
{
    ri_kafka_peer *peer = txn->peer;
    bool given_up = txn->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                    txn->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (!txn->err || given_up) return kafka_txn_err(peer, error, "store a batch");
    peer->lib.error_destroy(error);
    int rc = ri_kafka_lib_err(&peer->lib, txn->err, "store a batch");
    return rc == RILL_ENOENT ? RILL_ENOREPLY : rc;
}

/* Of a commit that can neither be asked for again nor be aborted: its instance was fenced, or
 * worse. `asked`: the commit was asked for before, and had no answer. */
static int kafka_txn_fatal(kafka_txn *txn, rd_kafka_error_t *error, bool asked)
{
    ri_kafka_peer *peer = txn->peer;
    int rc;
    if (asked && !txn->err) {
        rc = ri_err(RILL_EUNSURE, "the commit of a batch was asked for, and what became of it is "
                    "not known: %s", peer->lib.error_string(error));
        peer->lib.error_destroy(error);
    } else {
        rc = kafka_txn_refused(txn, error);
    }
    kafka_txn_discard(peer);
    return rc;
}

/* A slice that was not enough leaves the commit under way. */
static int kafka_txn_commit(kafka_txn *txn)
{
    ri_kafka_peer *peer = txn->peer;
    bool asked = false;
    for (int ms; (ms = kafka_txn_slice_ms(txn)); asked = true) {
        rd_kafka_error_t *error = peer->lib.commit_transaction(peer->txn, ms);
        if (!error) return RILL_OK;
        if (peer->lib.error_txn_requires_abort(error)) return kafka_txn_refused(txn, error);
        if (!peer->lib.error_is_retriable(error)) return kafka_txn_fatal(txn, error, asked);
        peer->lib.error_destroy(error);
    }
    if (!asked) return kafka_txn_late(txn, "store a batch");
    kafka_txn_discard(peer);
    return ri_err(RILL_EUNSURE, "the commit of a batch was asked for, and there was no answer");
}

/* The sentence of what failed outlives the abort. */
static int kafka_txn_make(kafka_txn *txn)
{
    ri_kafka_peer *peer = txn->peer;
    ri_failure why;
    int rc = kafka_txn_open(txn);
    if (rc < 0) {
        ri_failure_keep(&why, rc);
        kafka_txn_discard(peer);
        return ri_failure_restore(&why);
    }
    rc = kafka_txn_produce(txn);
    if (rc == RILL_OK) rc = kafka_txn_commit(txn);
    if (rc == RILL_OK) return RILL_OK;
    ri_failure_keep(&why, rc);
    if (rc != RILL_EUNSURE) kafka_txn_abort(txn);
    if (txn->err) kafka_txn_discard(peer); /* the cluster may miss numbers of its records */
    return ri_failure_restore(&why);
}

/* ---- The thread beside ---- */

static void kafka_txn_run(ri_job *job)
{
    kafka_txn *txn = kafka_txn_of(job);
    ri_kafka_peer *peer = txn->peer;
    int rc = atomic_load(&peer->bus.closed) ? ri_err(RILL_ECLOSED, "the bus is closed")
                                            : kafka_txn_make(txn);
    ri_broker_enter(peer->bus.broker);
    if (!ri_list_empty(&txn->calls)) {
        ri_js_append *append = txn->append;
        ri_list_remove(&append->waiter.link);
        if (rc == RILL_OK) {
            append->seq = ri_kafka_seq_of(txn->offset);
            append->partition = (uint32_t)txn->partition;
        }
        append->waiter.done(&append->waiter, rc);
    }
    ri_broker_leave(peer->bus.broker);
}

static void kafka_txn_free(kafka_txn *txn)
{
    RI_ASSERT(ri_list_empty(&txn->calls) && !txn->topic);
    ri_js_batch_fini(&txn->batch);
    ri_delete(&txn->peer->bus.host, txn);
}

/* On the thread beside; those whose instance is gone have nothing of it. */
static void kafka_txn_done(void *arg)
{
    ri_kafka_peer *peer = arg;
    for (ri_job *job; (job = ri_worker_done(&peer->txns));) kafka_txn_free(kafka_txn_of(job));
}

/* Inside the gate. */
static int kafka_txn_begin(ri_kafka_peer *peer, ri_js_batch *batch, ri_js_append *append)
{
    kafka_txn *txn = ri_new(&peer->bus.host, kafka_txn);
    if (!txn) return RILL_ENOMEM;
    txn->job.run = kafka_txn_run;
    txn->peer = peer;
    txn->append = append;
    txn->until_ns = ri_deadline_in(&peer->bus.host, peer->bus.answer_ns);
    ri_list_init(&txn->calls);
    ri_js_batch_move(&txn->batch, batch);
    ri_list_push(&txn->calls, &append->waiter.link);
    int rc = ri_worker_put(&peer->txns, &txn->job);
    if (rc == RILL_OK) return RILL_OK;
    ri_list_remove(&append->waiter.link);
    kafka_txn_free(txn);
    return rc;
}

int ri_kafka_txn_batch(rill_bus *bus, ri_js_batch *batch, ri_js_append *append)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    RI_ASSERT(ri_kafka_peer_is_entered(peer) && !ri_list_linked(&append->waiter.link));
    if (batch->count == 0) return ri_err(RILL_EINVAL, "the batch is empty");
    if (append->safety)
        return ri_err(RILL_ENOTSUP, "sync of a batch: how safe a record is when it is acknowledged "
                      "is said by its topic");
    if (batch->count > 1) return kafka_txn_begin(peer, batch, append);
    ri_message m = ri_js_batch_at(batch, 0);
    int rc = ri_kafka_send_append(bus, &(ri_publish){.m = &m, .append = append}, true);
    if (rc >= 0) ri_js_batch_fini(batch);
    return rc;
}

void ri_kafka_txn_init(ri_kafka_peer *peer)
{
    memcpy(peer->txn_id, "rill-", 5);
    ri_nuid_next(&peer->bus.nuid, peer->txn_id + 5);
    ri_worker_init(&peer->txns, kafka_txn_done, peer);
}

void ri_kafka_txn_fini(ri_kafka_peer *peer)
{
    ri_worker_stop(&peer->txns);
    kafka_txn_done(peer);
    kafka_txn_discard(peer);
    ri_worker_fini(&peer->txns);
}
