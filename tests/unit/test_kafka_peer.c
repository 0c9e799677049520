/* SPDX-License-Identifier: Apache-2.0 */
/* What instances that read have to say, as librdkafka would say it: no broker is there. */
#include <string.h>

#include "base/error.h"
#include "front/handle/peer.h"
#include "front/peer_kafka/kafka_peer.h"
#include "support/suite.h"

typedef struct said {
    rd_kafka_resp_err_t err;
    const char *text;
} said;

/* The events that the readers' queue has yet to give. */
static const said *said_next;
static int said_left;
static rd_kafka_queue_t *said_queue;

static rd_kafka_event_t *said_poll(rd_kafka_queue_t *queue, int timeout_ms)
{
    (void)timeout_ms;
    if (queue != said_queue || said_left == 0) return NULL;
    said_left--;
    return (rd_kafka_event_t *)(void *)(uintptr_t)said_next++;
}

static const said *said_of(const rd_kafka_event_t *event)
{
    return (const said *)(const void *)event;
}

static rd_kafka_event_type_t said_type(const rd_kafka_event_t *event)
{
    (void)event;
    return RD_KAFKA_EVENT_ERROR;
}

static rd_kafka_resp_err_t said_err(rd_kafka_event_t *event)
{
    return said_of(event)->err;
}

static const char *said_text(rd_kafka_event_t *event)
{
    return said_of(event)->text;
}

static void said_free(rd_kafka_event_t *event)
{
    (void)event;
}

typedef struct heard {
    int errors, err;
} heard;

static void hear(rill_bus *bus, const rill_event *ev, void *arg)
{
    heard *h = arg;
    (void)bus;
    if (ev->kind != RILL_EV_ERROR) return;
    h->errors++;
    h->err = ev->err;
}

/* A turn in which readers have said all that. */
static void turn_with(rill_bus *bus, const said *what, int n)
{
    ri_kafka_peer *peer = ri_kafka_peer_of(bus);
    ri_kafka_lib real = peer->lib;
    said_next = what;
    said_left = n;
    said_queue = peer->others;
    peer->lib.queue_poll = said_poll;
    peer->lib.event_type = said_type;
    peer->lib.event_error = said_err;
    peer->lib.event_error_string = said_text;
    peer->lib.event_destroy = said_free;
    ck_assert_int_ge(rill_poll(bus, 0), 0);
    ck_assert_int_eq(said_left, 0);
    peer->lib = real;
}

START_TEST(a_connection_of_a_reader_that_ends_is_no_event)
{
    static const said ends[] = {
        {RD_KAFKA_RESP_ERR__SSL, "ssl://h:1/1: SSL handshake failed: error:0A000126:"
                                 "SSL routines::unexpected eof while reading"},
        {RD_KAFKA_RESP_ERR__TRANSPORT, "h:1/1: Disconnected"},
    };
    static const said strangers[] = {
        {RD_KAFKA_RESP_ERR__TRANSPORT, "ssl://h:1/1: error:0A000086:SSL routines::certificate "
                                       "verify failed"},
    };
    rill_bus *bus;
    heard h = {0};
    int rc = rill_open(&bus, "kafka://127.0.0.1:1",
                       RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST, .no_wait = true,
                                 .on_event = hear, .arg = &h));
    if (rc == RILL_ENOTSUP) return; /* librdkafka itself is not here */
    ck_assert_ok(rc);
    turn_with(bus, ends, 2);
    ck_assert_int_eq(h.errors, 0);
    turn_with(bus, strangers, 1);
    ck_assert_int_eq(h.errors, 1);
    ck_assert_int_eq(h.err, RILL_EAUTH);
    ck_assert_ok(rill_close(bus, 0));
}
END_TEST

SUITE_MAIN("kafka_peer", a_connection_of_a_reader_that_ends_is_no_event)
