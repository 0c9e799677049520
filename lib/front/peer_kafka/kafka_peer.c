/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "front/peer_kafka/kafka_ask.h"
#include "front/peer_kafka/kafka_read.h"
#include "net/thread.h"

enum { KAFKA_PROBE_MS = 200, KAFKA_PROBE_HOST_MS = 20 }; /* how long a sign of life is waited for */
#define KAFKA_OTHER_NS RI_MS /* how often who wants to turn looks whether another one has ended */

static uint32_t kafka_caps(const rill_bus *bus)
{
    (void)bus;
    return RILL_CAN_STREAM;
}

/* ---- Events ---- */

void ri_kafka_peer_event(ri_kafka_peer *peer, rill_event_kind kind, int code)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    if (!ri_bus_hears(&peer->bus) || peer->closing) return;
    if (peer->nevents >= RI_KAFKA_EVENTS_MAX && kind == RILL_EV_ERROR) return;
    ri_kafka_event *event = ri_new(&peer->bus.host, ri_kafka_event);
    if (!event) return;
    event->kind = kind;
    event->what.code = code;
    snprintf(event->what.text, sizeof event->what.text, "%s", ri_err_text());
    if (!peer->events) peer->events_end = &peer->events;
    *peer->events_end = event;
    peer->events_end = &event->next;
    peer->nevents++;
    ri_bus_trouble(&peer->bus);
}

static bool kafka_event(rill_bus *bus, rill_event *ev, ri_failure *detail)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    ri_kafka_event *event = peer->events;
    RI_ASSERT(ri_kafka_peer_is_entered(peer) || peer->closing);
    if (!event) return false;
    RI_ASSERT(peer->nevents > 0);
    peer->events = event->next;
    peer->nevents--;
    ev->kind = event->kind;
    *detail = event->what;
    ri_delete(&bus->host, event);
    return true;
}

void ri_kafka_peer_up(ri_kafka_peer *peer, bool up)
{
    RI_ASSERT(peer->begun && peer->rk);
    ri_broker_enter(peer->bus.broker);
    if (peer->up != up) {
        peer->up = up;
        if (!up) ri_kafka_peer_event(peer, RILL_EV_DOWN, RILL_ECONN);
        if (up) ri_err(RILL_ECONN, "connected to %s", peer->brokers); /* words alone */
        if (up) ri_kafka_peer_event(peer, RILL_EV_UP, RILL_OK);
        peer->was_up = peer->was_up || up;
    }
    ri_broker_leave(peer->bus.broker);
}

/* ---- What librdkafka has for the handle: by who turns, outside the gate ---- */

/* Of one broker's connection there is nothing to say while others are up. */
static void kafka_error(ri_kafka_peer *peer, rd_kafka_resp_err_t err, const char *text)
{
    int code = ri_kafka_lib_code(err);
    bool down = err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, auth = code == RILL_EAUTH;
    bool link = err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__RESOLVE;
    ri_err(code, "%s: %s", peer->brokers, text);
    /* Not being let in is the reason; that connections end follows from it. That all are down says
     * less than why one is. */
    if (auth || (link && peer->why.code != RILL_EAUTH)) ri_failure_keep(&peer->why, code);
    peer->all_down = peer->all_down || down;
    peer->tried = peer->tried || link || auth;
    if (link && !peer->suspect) peer->suspect_ns = ri_mono_ns(&peer->bus.host);
    if (link) peer->suspect = true;
    if (down) ri_kafka_peer_up(peer, false);
    if (down || link || !peer->was_up) return;
    ri_broker_enter(peer->bus.broker);
    ri_kafka_peer_event(peer, RILL_EV_ERROR, code);
    ri_broker_leave(peer->bus.broker);
}

/* A certificate that is not believed is an error of TLS to librdkafka if it came behind the first
 * look for it, and a connection that could not be made (with the sentence of OpenSSL) if it was
 * there at once, as on a machine that is busy. That a connection ended in the midst of a handshake
 * is an error of TLS to OpenSSL, and none to us. */
static rd_kafka_resp_err_t kafka_err_of_tls(rd_kafka_resp_err_t err, const char *text)
{
    if (err != RD_KAFKA_RESP_ERR__TRANSPORT && err != RD_KAFKA_RESP_ERR__SSL) return err;
    if (strstr(text, "unexpected eof while reading")) return RD_KAFKA_RESP_ERR__TRANSPORT;
    return strstr(text, ":SSL routines:") ? RD_KAFKA_RESP_ERR__SSL : err;
}

static void kafka_error_event(ri_kafka_peer *peer, rd_kafka_event_t *event)
{
    char text[RI_ERROR_TEXT_MAX];
    rd_kafka_resp_err_t err = peer->lib.event_error(event);
    snprintf(text, sizeof text, "%s", peer->lib.event_error_string(event));
    if (err == RD_KAFKA_RESP_ERR__FATAL)
        err = peer->lib.fatal_error(peer->rk, text, sizeof text);
    kafka_error(peer, kafka_err_of_tls(err, text), text);
}

static void kafka_log_event(ri_kafka_peer *peer, rd_kafka_event_t *event)
{
    const char *fac, *line;
    int level;
    if (peer->lib.event_log(event, &fac, &line, &level) != 0) return;
    rill_level ours = level <= 3 ? RILL_ERROR : level == 4 ? RILL_WARN
                      : level <= 6 ? RILL_INFO : RILL_DEBUG;
    ri_host_log(&peer->bus.host, ours, "librdkafka: %s", line);
}

static void kafka_poll(ri_kafka_peer *peer)
{
    rd_kafka_event_t *event;
    while ((event = peer->lib.queue_poll(peer->queue, 0))) {
        rd_kafka_event_type_t type = peer->lib.event_type(event);
        if (type == RD_KAFKA_EVENT_DR) {
            ri_kafka_send_reports(peer, event);
            continue;
        }
        if (type == RD_KAFKA_EVENT_ERROR) kafka_error_event(peer, event);
        if (type == RD_KAFKA_EVENT_LOG) kafka_log_event(peer, event);
        peer->lib.event_destroy(event);
    }
}

/* Of instances that read: what concerns connections is the producer's to say. */
static void kafka_others_error(ri_kafka_peer *peer, rd_kafka_event_t *event)
{
    const char *text = peer->lib.event_error_string(event);
    int code = ri_kafka_lib_code(kafka_err_of_tls(peer->lib.event_error(event), text));
    if (code == RILL_ECONN || code == RILL_ETIMEDOUT) return;
    ri_err(code, "%s: a reader: %s", peer->brokers, text);
    ri_broker_enter(peer->bus.broker);
    ri_kafka_peer_event(peer, RILL_EV_ERROR, code);
    ri_broker_leave(peer->bus.broker);
}

static void kafka_poll_others(ri_kafka_peer *peer)
{
    rd_kafka_event_t *event;
    while ((event = peer->lib.queue_poll(peer->others, 0))) {
        if (peer->lib.event_type(event) == RD_KAFKA_EVENT_ERROR) kafka_others_error(peer, event);
        if (peer->lib.event_type(event) == RD_KAFKA_EVENT_LOG) kafka_log_event(peer, event);
        peer->lib.event_destroy(event);
    }
}

/* While the cluster is down, or a connection was lost, somebody asks for a sign of life. That this
 * waits for a moment keeps up nothing: nothing comes. */
static void kafka_probe(ri_kafka_peer *peer)
{
    const struct rd_kafka_metadata *metadata;
    int64_t now_ns = ri_mono_ns(&peer->bus.host);
    bool wanted = !peer->closing && (peer->suspect || !peer->up);
    if (!wanted || now_ns < peer->probe_ns) return;
    peer->probe_ns = ri_ns_add(now_ns, RI_KAFKA_PROBE_NS);
    int wait_ms = peer->bus.drive == RILL_DRIVE_HOST ? KAFKA_PROBE_HOST_MS : KAFKA_PROBE_MS;
    rd_kafka_resp_err_t err = peer->lib.metadata(peer->rk, 0, NULL, &metadata, wait_ms);
    if (!err) {
        peer->lib.metadata_destroy(metadata);
        peer->suspect = false;
        ri_kafka_peer_up(peer, true);
    } else if (peer->up && ri_ns_sub(now_ns, peer->suspect_ns) >= RI_KAFKA_DOWN_NS) {
        ri_kafka_lib_err(&peer->lib, err, "ask %s for a sign of life", peer->brokers);
        ri_kafka_peer_up(peer, false);
    }
}

/* Until the next turn, if nothing happens. */
static int64_t kafka_rest_ns(ri_kafka_peer *peer)
{
    int64_t rest_ns = ri_kafka_read_due_ns(peer), staged_ns = ri_kafka_send_due_ns(peer);
    if (staged_ns >= 0) rest_ns = rest_ns < 0 ? staged_ns : RI_MIN(rest_ns, staged_ns);
    if (!peer->up || peer->suspect)
        rest_ns = rest_ns < 0 ? RI_KAFKA_PROBE_NS : RI_MIN(rest_ns, RI_KAFKA_PROBE_NS);
    return rest_ns;
}

/* Outside the gate; who is here has set `turning`. */
static void kafka_turn_all(ri_kafka_peer *peer)
{
    peer->ready = false;
    kafka_poll(peer);
    kafka_poll_others(peer);
    ri_kafka_read_turn(peer);
    kafka_probe(peer);
}

/* Inside the gate. A thread that was called for the first record on the stage lets it wait for
 * others until it looks again, half a millisecond later. */
static void kafka_turn_staged(ri_kafka_peer *peer)
{
    bool host = peer->bus.drive == RILL_DRIVE_HOST;
    if (host || peer->stage_watched) ri_kafka_send_staged(peer);
    else peer->stage_watched = peer->stage && peer->stage->n > 0;
}

/* Inside the gate, which it leaves and enters again; false: somebody else is at it. */
static bool kafka_turn_once(ri_kafka_peer *peer)
{
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    if (peer->turning) return false;
    peer->turning = true;
    kafka_turn_staged(peer);
    ri_broker_leave(peer->bus.broker);
    kafka_turn_all(peer);
    ri_broker_enter(peer->bus.broker);
    peer->turning = false;
    return true;
}

static void kafka_turn(rill_bus *bus)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    RI_ASSERT(bus->drive == RILL_DRIVE_HOST);
    if (peer->rk && !peer->has_thread) kafka_turn_once(peer);
}

static int64_t kafka_due_ns(rill_bus *bus)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    RI_ASSERT(ri_kafka_peer_is_entered(peer));
    if (!peer->rk || peer->turning) return -1;
    return peer->ready ? 0 : kafka_rest_ns(peer);
}

/* What became ready since the sleeper looked does not wait for the next thing. */
static void kafka_sleep(rill_bus *bus, uint32_t seen, int64_t timeout_ns)
{
    if (!ri_kafka_peer_of(bus)->ready) ri_park_wait(&bus->park, seen, timeout_ns);
}

/* Inside the gate: is there nobody whom a closed handle turns for? */
static bool kafka_is_over(const ri_kafka_peer *peer)
{
    return peer->closing && ri_list_empty(&peer->readers);
}

static void *kafka_thread(void *arg)
{
    ri_kafka_peer *peer = arg;
    ri_broker_enter(peer->bus.broker);
    while (!kafka_is_over(peer)) {
        uint32_t seen = ri_park_count(&peer->work);
        bool turned = kafka_turn_once(peer);
        int64_t rest_ns = !turned ? KAFKA_OTHER_NS : peer->ready ? 0 : kafka_rest_ns(peer);
        if (kafka_is_over(peer)) break;
        ri_broker_leave(peer->bus.broker);
        ri_park_wait(&peer->work, seen, rest_ns);
        ri_broker_enter(peer->bus.broker);
    }
    ri_broker_leave(peer->bus.broker);
    return NULL;
}

void ri_kafka_peer_call(ri_kafka_peer *peer)
{
    peer->ready = true;
    ri_park_signal(peer->bus.drive == RILL_DRIVE_HOST ? &peer->bus.park : &peer->work);
}

void ri_kafka_peer_ready(rd_kafka_t *rk, void *arg)
{
    (void)rk;
    ri_kafka_peer_call(arg);
}

/* ---- Its life ---- */

/* Inside the gate. */
static int kafka_start(ri_kafka_peer *peer)
{
    int err = ri_thread_start(&peer->thread, kafka_thread, peer, 0);
    peer->has_thread = err == 0;
    return err ? ri_err_os(RILL_ENOMEM, err, "start the thread of a kafka:// handle") : RILL_OK;
}

/* Members leave their groups now, though messages and readers of the handle are kept: others of the
 * group wait for them. Under RILL_DRIVE_HOST nobody turns from now on but a thread. */
static void kafka_shut(rill_bus *bus)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    if (!peer->begun) return;
    peer->closing = true;
    bool members = ri_kafka_read_shut(peer);
    if (members && !peer->has_thread) kafka_start(peer); /* else kafka_fini() does it */
    ri_kafka_peer_call(peer);
    ri_park_signal(&peer->work);
}

/* Questions end within call_timeout_ms. */
static void kafka_await_asked(ri_kafka_peer *peer)
{
    for (;;) {
        ri_broker_enter(peer->bus.broker);
        uint32_t asking = peer->asking, seen = ri_park_count(&peer->work);
        ri_broker_leave(peer->bus.broker);
        if (asking == 0) return;
        ri_park_wait(&peer->work, seen, -1);
    }
}

static void kafka_fini(rill_bus *bus)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    rill_event ev;
    ri_failure detail;
    if (!peer->begun) return;
    if (peer->has_thread) pthread_join(peer->thread, NULL);
    RI_ASSERT(!peer->turning);
    kafka_await_asked(peer);
    ri_kafka_txn_fini(peer);
    ri_kafka_read_fini(peer);
    if (peer->getter)
        peer->lib.destroy_flags(peer->getter, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    ri_kafka_send_fini(peer);
    if (peer->queue) peer->lib.queue_destroy(peer->queue);
    if (peer->others) peer->lib.queue_destroy(peer->others);
    if (peer->rk) peer->lib.destroy(peer->rk);
    ri_kafka_conf_fini(peer);
    while (kafka_event(bus, &ev, &detail)) continue;
    ri_buffer_fini(&peer->text);
    ri_buffer_fini(&peer->wire);
    ri_buffer_fini(&peer->mark);
    ri_park_fini(&peer->work);
}

static int kafka_begin(ri_kafka_peer *peer, const ri_url *url, const rill_opts *opts)
{
    ri_park_init(&peer->work);
    ri_list_init(&peer->spare);
    ri_list_init(&peer->readers);
    ri_buffer_init(&peer->text, &peer->bus.host);
    ri_buffer_init(&peer->wire, &peer->bus.host);
    ri_buffer_init(&peer->mark, &peer->bus.host);
    ri_list_init(&peer->flushes);
    ri_kafka_txn_init(peer);
    peer->begun = true;
    int rc = ri_kafka_lib_open(&peer->lib);
    if (rc == RILL_OK) rc = ri_kafka_conf_init(peer, url, opts);
    if (rc == RILL_OK) rc = ri_kafka_conf_new(peer, RI_KAFKA_PRODUCES, NULL, 0, NULL, &peer->rk);
    if (rc < 0) return rc;
    peer->queue = peer->lib.queue_get_main(peer->rk);
    peer->others = peer->lib.queue_new(peer->rk);
    if (!peer->queue || !peer->others) return ri_err_nomem(0);
    peer->lib.queue_cb_event_enable(peer->queue, ri_kafka_peer_ready, peer);
    peer->lib.queue_cb_event_enable(peer->others, ri_kafka_peer_ready, peer);
    return RILL_OK;
}

/* Until a broker answers, or none of them is to be had; nobody else turns yet. A name may have more
 * addresses than the one that failed: there are none when all brokers are down and nothing new was
 * heard of any for as long as librdkafka rests before the next address. */
static int kafka_connect(ri_kafka_peer *peer)
{
    const struct rd_kafka_metadata *metadata;
    int64_t until_ns = ri_deadline_in(&peer->bus.host, peer->connect_ns);
    rd_kafka_resp_err_t err;
    do {
        peer->tried = false;
        err = peer->lib.metadata(peer->rk, 0, NULL, &metadata, KAFKA_PROBE_MS);
        kafka_poll(peer);
        if (!err) peer->lib.metadata_destroy(metadata);
    } while (err && (peer->tried || !peer->all_down) &&
             ri_deadline_left_ns(&peer->bus.host, until_ns));
    if (!err) {
        ri_kafka_peer_up(peer, true);
        return RILL_OK;
    }
    if (peer->why.code < 0) return ri_err_wrap(ri_failure_restore(&peer->why), "connect");
    return ri_err(RILL_ECONN, "connect to %s: no broker has answered in time", peer->brokers);
}

/* librdkafka decides how large a message may be: message.max.bytes. */
static int kafka_open(rill_bus **out, const ri_url *url, const rill_opts *opts)
{
    rill_bus *bus;
    int rc = ri_bus_open_alone(&bus, &ri_kafka_peer_ops, RI_LIMIT_PAYLOAD_MAX, opts);
    if (rc < 0) return rc;
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    rc = kafka_begin(peer, url, opts);
    if (rc == RILL_OK && !opts->no_wait) rc = kafka_connect(peer);
    ri_broker_enter(bus->broker);
    if (rc == RILL_OK && bus->drive == RILL_DRIVE_THREAD) rc = kafka_start(peer);
    ri_broker_leave(bus->broker);
    if (rc < 0) return ri_bus_give_up(bus, rc);
    *out = bus;
    return RILL_OK;
}

static bool kafka_is_up(const rill_bus *bus)
{
    const ri_kafka_peer *peer = ri_container_of(bus, const ri_kafka_peer, bus);
    return peer->up;
}

const ri_peer_ops ri_kafka_peer_ops = {
    .bytes = sizeof(ri_kafka_peer),
    .late = true,
    .dates = true,
    .sleeps = true,
    .partitions = true,
    .key = "Kafka-Key",
    .schemes = 1u << RI_URL_KAFKA | 1u << RI_URL_KAFKAS,
    .open = kafka_open,
    .caps = kafka_caps,
    .shut = kafka_shut,
    .fini = kafka_fini,
    .flush = ri_kafka_send_flush,
    .turn = kafka_turn,
    .due_ns = kafka_due_ns,
    .event = kafka_event,
    .up = kafka_is_up,
    .sleep = kafka_sleep,
    .publish = ri_kafka_send_publish,
    .subscribe = ri_kafka_read_subscribe,
    .unsubscribe = ri_kafka_read_unsubscribe,
    .enter = ri_kafka_send_enter,
    .append = ri_kafka_send_append,
    .append_batch = ri_kafka_txn_batch,
    .ask = ri_kafka_ask,
    .more = ri_kafka_read_more,
    .pull = ri_kafka_read_pull,
    .pullable = ri_kafka_read_pullable,
    .enough = ri_kafka_read_enough,
    .view = ri_kafka_read_view,
    .settle = ri_kafka_group_settle,
    .leave = ri_kafka_read_leave,
};
