/* SPDX-License-Identifier: Apache-2.0 */
#include "front/peer_kafka/kafka_ask.h"

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"

enum {
    KAFKA_SLICE_MS = 50, /* how often who waits looks whether the handle is closed */
    /* librdkafka 2.0 breaks down when a question about a group has timed out and is answered all
     * the same: such a one does not time out in there, and who waits for it gives it up. */
    KAFKA_GROUP_MS = 3600000,
    KAFKA_LONGEST_MS = 1800000, /* that librdkafka is asked to wait */
};

/* ---- The time of a call ---- */

int ri_kafka_ask_left_ms(const ri_kafka_call *call)
{
    int64_t left_ns = ri_deadline_left_ns(&call->peer->bus.host, call->until_ns);
    int64_t left_ms = left_ns / RI_MS + (left_ns % RI_MS > 0);
    return (int)RI_MIN(left_ms, KAFKA_LONGEST_MS);
}

int ri_kafka_ask_pause(const ri_kafka_call *call, int64_t ns, const char *what)
{
    ri_kafka_peer *peer = call->peer;
    if (atomic_load(&peer->bus.closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
    int64_t left_ns = ri_deadline_left_ns(&peer->bus.host, call->until_ns);
    if (left_ns == 0) return ri_err(RILL_ETIMEDOUT, "%s: there was no answer in time", what);
    uint32_t seen = ri_park_count(&peer->work);
    ri_park_wait(&peer->work, seen, RI_MIN(left_ns, ns));
    return RILL_OK;
}

bool ri_kafka_ask_is_early(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_NOT_COORDINATOR ||
           err == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           err == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
           err == RD_KAFKA_RESP_ERR__WAIT_COORD;
}

/* ---- One request ---- */

static bool kafka_changes(rd_kafka_admin_op_t op)
{
    return op != RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS && op != RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS;
}

int ri_kafka_ask_begin(ri_kafka_admin *admin, const ri_kafka_call *call, rd_kafka_admin_op_t op)
{
    ri_kafka_peer *peer = call->peer;
    char why[128];
    RI_ASSERT(peer->rk && peer->asking > 0);
    if (!peer->up) return ri_err(RILL_ECONN, "no broker of %s is to be had", peer->brokers);
    *admin = (ri_kafka_admin){.call = call, .queue = peer->lib.queue_new(peer->rk),
                              .options = peer->lib.AdminOptions_new(peer->rk, op),
                              .changes = kafka_changes(op)};
    if (!admin->queue || !admin->options) {
        ri_kafka_ask_end(admin);
        return ri_err_nomem(0);
    }
    int left_ms = RI_MAX(ri_kafka_ask_left_ms(call), 1);
    bool topics = op <= RD_KAFKA_ADMIN_OP_DELETERECORDS;
    peer->lib.AdminOptions_set_request_timeout(admin->options, topics ? left_ms : KAFKA_GROUP_MS,
                                               why, sizeof why);
    if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS || op == RD_KAFKA_ADMIN_OP_DELETETOPICS ||
        op == RD_KAFKA_ADMIN_OP_DELETERECORDS)
        peer->lib.AdminOptions_set_operation_timeout(admin->options, RI_MAX(left_ms / 2, 1), why,
                                                     sizeof why);
    return RILL_OK;
}

/* The code of an answer that says that there was none: what changes something may have done so. */
static int kafka_code(const ri_kafka_admin *admin, int code)
{
    bool unsure = code == RILL_ETIMEDOUT || code == RILL_ECONN;
    return admin->changes && unsure ? RILL_EUNSURE : code;
}

int ri_kafka_ask_await(ri_kafka_admin *admin, const char *what)
{
    ri_kafka_peer *peer = admin->call->peer;
    RI_ASSERT(admin->queue && !admin->event);
    while (!admin->event) {
        int left_ms = ri_kafka_ask_left_ms(admin->call);
        if (atomic_load(&peer->bus.closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
        if (left_ms == 0)
            return ri_err(kafka_code(admin, RILL_ETIMEDOUT), "%s: there was no answer in time",
                          what);
        admin->event = peer->lib.queue_poll(admin->queue, RI_MIN(left_ms, KAFKA_SLICE_MS));
    }
    rd_kafka_resp_err_t err = peer->lib.event_error(admin->event);
    if (!err) return RILL_OK;
    return ri_err(kafka_code(admin, ri_kafka_lib_code(err)), "%s: %s", what,
                  peer->lib.event_error_string(admin->event));
}

void ri_kafka_ask_end(ri_kafka_admin *admin)
{
    const ri_kafka_lib *lib = &admin->call->peer->lib;
    if (admin->event) lib->event_destroy(admin->event);
    if (admin->options) lib->AdminOptions_destroy(admin->options);
    if (admin->queue) lib->queue_destroy(admin->queue);
}

int ri_kafka_ask_topic_result(ri_kafka_admin *admin, const rd_kafka_topic_result_t **results,
                              size_t n, const char *what)
{
    const ri_kafka_lib *lib = &admin->call->peer->lib;
    RI_ASSERT(admin->event);
    if (n != 1) return ri_err(RILL_EPROTO, "%s: %zu answers to one question", what, n);
    rd_kafka_resp_err_t err = lib->topic_result_error(results[0]);
    const char *text = lib->topic_result_error_string(results[0]);
    if (!err) return RILL_OK;
    return ri_err(kafka_code(admin, ri_kafka_lib_code(err)), "%s: %s", what,
                  text ? text : lib->err2str(err));
}

int ri_kafka_ask_group_result(ri_kafka_admin *admin, const rd_kafka_group_result_t **results,
                              size_t n, const char *what)
{
    const ri_kafka_lib *lib = &admin->call->peer->lib;
    if (n != 1) return ri_err(RILL_EPROTO, "%s: %zu answers to one question", what, n);
    const rd_kafka_error_t *error = lib->group_result_error(results[0]);
    if (!error) return RILL_OK;
    return ri_err(kafka_code(admin, ri_kafka_lib_code(lib->error_code(error))), "%s: %s", what,
                  lib->error_string(error));
}

/* ---- All of them ---- */

static int kafka_cannot(const ri_ask *ask)
{
    switch (ask->kind) {
    case RI_ASK_STREAM_MAKE:
        return ri_err(RILL_ENOTSUP, "Kafka holds no buckets: it finds no message by its key, and "
                      "compares no revision before it stores");
    case RI_ASK_STREAM_SEAL: return ri_err(RILL_ENOTSUP, "Kafka seals no topic");
    case RI_ASK_STREAM_ERASE:
        return ri_err(RILL_ENOTSUP, "Kafka erases no single message: rill_stream_purge() removes "
                      "all before a number, and compact what has a newer message of its key");
    case RI_ASK_GROUP_PAUSE: return ri_err(RILL_ENOTSUP, "Kafka pauses no group");
    case RI_ASK_KEYS: return ri_err(RILL_ENOTSUP, "Kafka lists no keys");
    case RI_ASK_API: return ri_err(RILL_ENOTSUP, "that is a question for a NATS server");
    default: return ri_err(RILL_ENOTSUP, "Kafka cannot do that");
    }
}

static int kafka_subjects(const ri_kafka_call *call, const ri_ask *ask)
{
    rill_stream_info info = {.size = sizeof info};
    int rc = ri_kafka_topic_status(call, ask->stream, &info);
    if (rc == RILL_OK && info.msgs)
        ri_buffer_put(ask->out.names, ask->stream, strlen(ask->stream) + 1);
    return rc;
}

static int kafka_answer(const ri_kafka_call *call, const ri_ask *ask)
{
    switch (ask->kind) {
    case RI_ASK_STREAM_ENSURE: return ri_kafka_topic_ensure(call, ask);
    case RI_ASK_STREAM_DELETE: return ri_kafka_topic_delete(call, ask);
    case RI_ASK_STREAM_STATUS: return ri_kafka_topic_status(call, ask->stream, ask->out.stream);
    case RI_ASK_STREAM_DESCRIBE: return ri_kafka_topic_describe(call, ask);
    case RI_ASK_STREAM_NAMES: return ri_kafka_topic_names(call, ask);
    case RI_ASK_STREAM_PURGE: return ri_kafka_topic_purge(call, ask);
    case RI_ASK_STREAM_SETTLED: return RILL_OK;
    case RI_ASK_GET: case RI_ASK_LAST: case RI_ASK_NEXT: return ri_kafka_place_message(call, ask);
    case RI_ASK_SUBJECTS: return kafka_subjects(call, ask);
    case RI_ASK_JOIN: return ri_kafka_join(call, ask);
    case RI_ASK_SEEK: return ri_kafka_join_seek(call, ask);
    case RI_ASK_GROUP_ENSURE: return ri_kafka_join_ensure(call, ask);
    case RI_ASK_GROUP_DELETE: return ri_kafka_outside_delete(call, ask);
    case RI_ASK_GROUP_STATUS: return ri_kafka_outside_status(call, ask);
    case RI_ASK_GROUP_NAMES: return ri_kafka_outside_names(call, ask);
    case RI_ASK_STREAM_MAKE: case RI_ASK_STREAM_SEAL: case RI_ASK_STREAM_DROP:
    case RI_ASK_STREAM_ERASE: case RI_ASK_KEYS: case RI_ASK_GROUP_PAUSE: case RI_ASK_API:
    case RI_ASK_KINDS: break;
    }
    return kafka_cannot(ask);
}

/* What goes to librdkafka as a name must be one. */
static int kafka_check_stream(const ri_ask *ask)
{
    size_t len = ask->stream ? strlen(ask->stream) : 1;
    if (len > 0 && len <= RI_KAFKA_TOPIC_MAX) return RILL_OK;
    return ri_err(RILL_EINVAL, "a topic's name has 1 to %d bytes, not %zu", RI_KAFKA_TOPIC_MAX,
                  len);
}

int ri_kafka_ask(rill_bus *bus, ri_ask *ask)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    RI_ASSERT(peer->rk && ask->kind < RI_ASK_KINDS);
    int rc = kafka_check_stream(ask);
    if (rc < 0) return rc;
    ri_kafka_call call = {peer, ri_deadline_in(&bus->host, bus->answer_ns)};
    peer->asking++;
    ri_broker_leave(bus->broker);
    rc = kafka_answer(&call, ask);
    ri_broker_enter(bus->broker);
    peer->asking--;
    ri_park_signal(&peer->work);
    return rc;
}
