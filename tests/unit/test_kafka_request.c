/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the Kafka door whose frames are large: they are decoded in their turn, outside the
 * gate, out of the buffer that they came in. However they come, whenever their client goes, and
 * where memory is short, they are answered as small ones are, or nothing of them stays. */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/error.h"
#include "codec/limits.h"
#include "front/broker/broker.h"
#include "front/kafka/kafka_errors.h"
#include "front/kafka/kafka_session.h"
#include "support/kclient.h"
#include "support/produce.h"
#include "support/suite.h"
#include "support/supply.h"

enum {
    WAIT_MS = 20000,
    IDS = 4200,            /* topics that are asked for: 18 bytes each on the wire */
    LARGE = 64 * 1024,     /* bytes of a frame, from which on it is decoded in its turn */
    WIRE = 256 * 1024,     /* bytes that one read brings: longer frames have a buffer alone */
};

static rill_broker *broker;
static supply memory;
static rill_host hooks;
static int port;
static kclient c;

static void setup(void)
{
    supply_init(&memory);
    hooks = supply_hooks(&memory);
    ck_assert_ok(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .host = &hooks)));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL);
    ck_assert_msg(port > 0, "%s", ri_err_text());
    kclient_open(&c, port);
    kclient_created(&c, "t", 1);
}

static void teardown(void)
{
    kclient_close(&c);
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
    supply_fini(&memory);
}

static ri_broker *inside(void)
{
    ri_broker *b = (ri_broker *)(void *)broker;
    ri_broker_enter(b);
    return b;
}

static ri_kafka_server *server_of(ri_broker *b)
{
    return ri_container_of(ri_container_of(b->doors.next, ri_door, link), ri_kafka_server, door);
}

static uint64_t used(ri_memory_kind kind)
{
    ri_broker *b = inside();
    uint64_t bytes = ri_memory_used(&b->router.memory, kind);
    ri_broker_leave(b);
    return bytes;
}

static bool is_quiet(void)
{
    ri_broker *b = inside();
    const ri_memory *m = &b->router.memory;
    bool quiet = server_of(b)->nsessions == 1 && ri_list_empty(&server_of(b)->coded) &&
                 ri_memory_used(m, RI_MEMORY_WORK) == 0 && ri_memory_used(m, RI_MEMORY_INPUT) == 0;
    ri_broker_leave(b);
    return quiet;
}

static bool has_input(void)
{
    return used(RI_MEMORY_INPUT) > 0;
}

static void await(bool (*holds)(void))
{
    int64_t until_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    while (!holds()) ck_assert_int_lt(ri_mono_ns(&c.host), until_ns);
}

/* ---- One large request ---- */

/* Of topics by ids that are none; ids that differ. */
static const ri_kafka_metadata_request *ask_for(uint32_t n)
{
    static ri_kafka_metadata_request q;
    static ri_kafka_metadata_request_topic ids[4 * IDS];
    ck_assert_uint_le(n, RI_LEN(ids));
    ri_kafka_blank(ri_kafka_metadata_request_type(), &q);
    for (uint32_t i = 0; i < n; i++) {
        ri_kafka_blank(ri_kafka_metadata_request_topic_type(), &ids[i]);
        memset(&ids[i].topic_id, 0x7f, sizeof ids[i].topic_id);
        memcpy(&ids[i].topic_id, &i, sizeof i);
    }
    q.topics.items = ids;
    q.topics.len = n;
    return &q;
}

static void check_answer(kclient *one, uint32_t n)
{
    const ri_kafka_metadata_answer *a = kclient_read(one, RI_KAFKA_METADATA, 12);
    ck_assert_uint_eq(a->topics.len, n);
    for (uint32_t i = 0; i < n; i++) {
        ck_quick(a->topics.items[i].error_code == RI_KAFKA_E_UNKNOWN_TOPIC_ID);
        ck_quick(memcmp(&a->topics.items[i].topic_id, &i, sizeof i) == 0);
    }
}

static ri_str made(kclient *one, uint32_t n)
{
    kclient_put(one, RI_KAFKA_METADATA, 12, ask_for(n));
    ri_str frame = ri_buffer_str(&one->out);
    ck_assert_uint_gt(frame.len, LARGE);
    return frame;
}

static void send_bytes(kclient *one, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(one->p.fd, bytes, len, MSG_NOSIGNAL);
        ck_assert_int_gt(n, 0);
        bytes += n;
        len -= (size_t)n;
    }
}

/* Byte by byte, which are as many ends of what has come. */
START_TEST(test_bytewise)
{
    ri_str frame = made(&c, IDS);
    for (size_t i = 0; i < frame.len; i++) send_bytes(&c, frame.ptr + i, 1);
    ri_buffer_reset(&c.out);
    check_answer(&c, IDS);
    await(is_quiet);
}
END_TEST

/* In two parts, the second of which comes when the first was read; also of a frame that is longer
 * than a read. */
START_TEST(test_halves)
{
    enum { STEPS = 6 };
    const uint32_t n = _i ? 4 * IDS : IDS;
    const size_t edge = _i ? 6 : 24;
    for (size_t cut = 1, len = edge + 1; cut < len;
         cut += cut < edge || cut + edge >= len ? 1 : RI_MIN(len / STEPS, len - edge - cut)) {
        kclient one;
        kclient_open(&one, port);
        ri_str frame = made(&one, n);
        len = frame.len;
        ck_assert_int_eq(frame.len > WIRE, _i);
        send_bytes(&one, frame.ptr, cut);
        await(has_input);
        send_bytes(&one, frame.ptr + cut, frame.len - cut);
        check_answer(&one, n);
        kclient_close(&one);
        await(is_quiet);
    }
}
END_TEST

/* Several in one stream, and small ones between them: in their order. */
START_TEST(test_in_order)
{
    for (int i = 0; i < 4; i++) {
        kclient_put(&c, RI_KAFKA_METADATA, 12, ask_for(i % 2 ? 4 * IDS : IDS));
        kclient_put(&c, RI_KAFKA_LIST_OFFSETS, 7, kclient_offsets("t", 0, -1));
    }
    kclient_flush(&c);
    for (int i = 0; i < 4; i++) {
        check_answer(&c, i % 2 ? 4 * IDS : IDS);
        const ri_kafka_list_offsets_answer *o = kclient_read(&c, RI_KAFKA_LIST_OFFSETS, 7);
        ck_assert_int_eq(o->topics.items[0].partitions.items[0].offset, 0);
    }
    await(is_quiet);
}
END_TEST

/* Batches that take more than a turn stay where they came in, though the connection reads on. */
START_TEST(test_produce)
{
    enum { MANY = 1000, EACH = 900 };
    static ri_kafka_produce_request_partition of[MANY];
    static produce p;
    char value[EACH + 1] = {0};
    memset(value, 'v', EACH);
    kclient_created(&c, "w", MANY);
    produce_begin(&p, &c.host, RI_KAFKA_CODEC_NONE, -1, -1);
    produce_add(&p, NULL, value, NULL, ri_wall_ns(&c.host) / RI_MS);
    ri_kafka_produce_request *q = kclient_produce("w", 0, produce_end(&p));
    for (int32_t i = 0; i < MANY; i++) {
        of[i] = q->topics.items[0].partitions.items[0];
        of[i].index = i;
    }
    q->topics.items[0].partitions.items = of;
    q->topics.items[0].partitions.len = MANY;
    for (int k = 0; k < 3; k++) kclient_put(&c, RI_KAFKA_PRODUCE, 9, q);
    ck_assert_uint_gt(ri_buffer_size(&c.out), 3 * WIRE);
    kclient_flush(&c);
    for (int k = 0; k < 3; k++) {
        const ri_kafka_produce_answer *a = kclient_read(&c, RI_KAFKA_PRODUCE, 9);
        for (uint32_t i = 0; i < MANY; i++) {
            ck_quick(a->topics.items[0].partitions.items[i].error_code == 0);
            ck_quick(a->topics.items[0].partitions.items[i].base_offset == k);
        }
    }
    produce_fini(&p);
    await(is_quiet);
}
END_TEST

/* ---- Who goes ---- */

/* Some of its requests wait to be decoded: it goes now. */
static bool leave_amid(kclient *one)
{
    ri_broker *b = inside();
    bool amid = !ri_list_empty(&server_of(b)->coded);
    if (amid) kclient_close(one);
    ri_broker_leave(b);
    return amid;
}

/* Of a client that goes before its requests are decoded nothing stays. */
START_TEST(test_gone)
{
    enum { CROWD = 24 };
    static kclient crowd[CROWD];
    int64_t until_ns = ri_mono_ns(&c.host) + WAIT_MS * RI_MS;
    for (bool amid = false; !amid;) {
        ck_assert_int_lt(ri_mono_ns(&c.host), until_ns);
        for (int i = 0; i < CROWD; i++) {
            kclient_open(&crowd[i], port);
            kclient_send(&crowd[i], RI_KAFKA_METADATA, 12, ask_for(i % 2 ? 4 * IDS : IDS));
        }
        for (int i = 0; i < CROWD; i++) {
            bool left = leave_amid(&crowd[i]);
            amid = amid || left;
            if (!left) kclient_close(&crowd[i]);
        }
        await(is_quiet);
    }
    kclient_ask(&c, RI_KAFKA_METADATA, 12, kclient_metadata("t"));
}
END_TEST

/* Nor of one that goes in the midst of its frame. */
START_TEST(test_half)
{
    for (int part = 1; part < 8; part++) {
        kclient one;
        kclient_open(&one, port);
        ri_str frame = made(&one, 4 * IDS);
        send_bytes(&one, frame.ptr, frame.len / 8 * (size_t)part);
        await(has_input);
        kclient_close(&one);
        await(is_quiet);
    }
}
END_TEST

/* A frame that ends before its lists do is none: who sent it is closed, and nobody else. */
START_TEST(test_short)
{
    for (size_t cut = 1; cut < IDS * 4; cut = 3 * cut + 1) {
        kclient one;
        kclient_open(&one, port);
        ri_str frame = made(&one, 4 * IDS);
        char *bytes = malloc(frame.len);
        memcpy(bytes, frame.ptr, frame.len);
        size_t size = frame.len - RI_KAFKA_FRAME_SIZE - cut;
        for (int i = 0; i < RI_KAFKA_FRAME_SIZE; i++) bytes[i] = (char)(size >> 8 * (3 - i));
        send_bytes(&one, bytes, size + RI_KAFKA_FRAME_SIZE);
        ck_assert(kclient_ended(&one));
        kclient_close(&one);
        free(bytes);
        await(is_quiet);
    }
    kclient_ask(&c, RI_KAFKA_METADATA, 12, kclient_metadata("t"));
}
END_TEST

/* ---- No memory ---- */

static size_t fail_at(size_t n)
{
    pthread_mutex_lock(&memory.lock);
    size_t failed = memory.failed;
    memory.fail_at = n ? memory.calls + n : 0;
    pthread_mutex_unlock(&memory.lock);
    return failed;
}

/* Each allocation on its way fails once: it is answered, or its session ends; the next one has its
 * answer. What is left is looked at when the broker has closed. */
START_TEST(test_no_memory)
{
    enum { RUNS_MAX = 1000 };
    size_t met = 0, n = 1;
    for (bool hit = true; hit; n++) {
        kclient one;
        ri_str frame;
        ck_assert_uint_lt(n, RUNS_MAX);
        kclient_open(&one, port);
        kclient_ask(&one, RI_KAFKA_METADATA, 12, kclient_metadata("t"));
        size_t before = fail_at(n);
        kclient_send(&one, RI_KAFKA_METADATA, 12, ask_for(_i ? 4 * IDS : IDS));
        if (!kclient_frame(&one, WAIT_MS, &frame)) ck_assert(kclient_ended(&one));
        hit = fail_at(0) > before;
        met += hit;
        kclient_close(&one);
        await(is_quiet);
        kclient_ask(&c, RI_KAFKA_METADATA, 12, kclient_metadata("t"));
    }
    ck_assert_uint_gt(met, 4);
}
END_TEST

int main(void)
{
    const suite_row rows[] = {
        {.times = 2, .setup = setup, .teardown = teardown,
         SUITE_LIST(test_halves, test_no_memory)},
        SUITE_WITH(setup, teardown, test_bytewise, test_in_order, test_produce, test_gone,
                   test_half, test_short)};
    return suite_run("kafka_request", rows, RI_LEN(rows), CK_FORK_GETENV);
}
