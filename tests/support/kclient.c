/* SPDX-License-Identifier: Apache-2.0 */
#include "support/kclient.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "support/die.h"

void kclient_open(kclient *c, int port)
{
    *c = (kclient){0};
    peer_visit(&c->p, port);
    ri_host_init(&c->host, NULL);
    ri_arena_init(&c->arena, &c->host);
    ri_buffer_init(&c->out, &c->host);
    ri_buffer_init(&c->in, &c->host);
}

void kclient_close(kclient *c)
{
    close(c->p.fd);
    ri_arena_fini(&c->arena);
    ri_buffer_fini(&c->out);
    ri_buffer_fini(&c->in);
}

static void kclient_number(ri_buffer *out, uint32_t v, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        char byte = (char)(v >> 8 * i);
        ri_buffer_put(out, &byte, 1);
    }
}

static const ri_kafka_api *kclient_api(int16_t key)
{
    const ri_kafka_api *api = ri_kafka_api_of(key);
    if (!api) die("no rows of key %d", key);
    return api;
}

void kclient_put(kclient *c, int16_t key, int16_t version, const void *request)
{
    const ri_kafka_api *api = kclient_api(key);
    size_t at = ri_buffer_size(&c->out);
    kclient_number(&c->out, 0, 4);
    kclient_number(&c->out, (uint16_t)key, 2);
    kclient_number(&c->out, (uint16_t)version, 2);
    kclient_number(&c->out, (uint32_t)++c->sent, 4);
    kclient_number(&c->out, 4, 2);
    ri_buffer_puts(&c->out, "test");
    if (ri_kafka_frame_is_flexible(api, version)) kclient_number(&c->out, 0, 1);
    if (ri_kafka_frame_write(&(ri_kafka_writer){.out = &c->out}, api, api->request(), version,
                             request) < 0)
        die("a request that cannot be written: %s", ri_err_text());
    size_t size = ri_buffer_size(&c->out) - at - 4;
    char *head = c->out.ptr + c->out.head + at;
    for (int i = 0; i < 4; i++) head[i] = (char)(size >> 8 * (3 - i));
}

void kclient_flush(kclient *c)
{
    ri_str all = ri_buffer_str(&c->out);
    peer_send_bytes(&c->p, all.ptr, all.len);
    ri_buffer_reset(&c->out);
}

void kclient_send(kclient *c, int16_t key, int16_t version, const void *request)
{
    kclient_put(c, key, version, request);
    kclient_flush(c);
}

static uint32_t kclient_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool kclient_frame(kclient *c, int wait_ms, ri_str *frame)
{
    for (;;) {
        ri_str all = ri_buffer_str(&c->in);
        if (all.len >= 4 && all.len - 4 >= kclient_u32(all.ptr)) {
            frame->len = kclient_u32(all.ptr);
            frame->ptr = ri_arena_copy(&c->arena, all.ptr + 4, frame->len);
            if (!frame->ptr) die("out of memory");
            ri_buffer_eat(&c->in, 4 + frame->len);
            return true;
        }
        if (peer_fill_within(&c->p, wait_ms) <= 0) return false;
        ri_buffer_put(&c->in, c->p.buf, c->p.len);
        peer_eat(&c->p, c->p.len);
    }
}

bool kclient_ended(kclient *c)
{
    return c->in.len == c->in.head && peer_fill_within(&c->p, PEER_WAIT_MS) == 0;
}

void *kclient_read(kclient *c, int16_t key, int16_t version)
{
    const ri_kafka_api *api = kclient_api(key);
    ri_str frame;
    if (!kclient_frame(c, PEER_WAIT_MS, &frame)) die("no answer to %s v%d", api->word, version);
    if (frame.len < 4 || (int32_t)kclient_u32(frame.ptr) != ++c->read)
        die("%s v%d: the answer of another request", api->word, version);
    size_t head = 4 + (key != RI_KAFKA_API_VERSIONS && ri_kafka_frame_is_flexible(api, version));
    ri_str body = {frame.ptr + head, frame.len - head};
    void *answer = ri_kafka_items(api->answer(), &c->arena, 1);
    if (ri_kafka_frame_read(api, api->answer(), version, &body, &c->arena, answer) < 0)
        die("%s v%d: an answer that cannot be read: %s", api->word, version, ri_err_text());
    if (body.len) die("%s v%d: %zu bytes behind the answer", api->word, version, body.len);
    return answer;
}

void *kclient_ask(kclient *c, int16_t key, int16_t version, const void *request)
{
    kclient_send(c, key, version, request);
    return kclient_read(c, key, version);
}

/* ---- Requests ---- */

ri_kafka_produce_request *kclient_produce(const char *topic, int32_t partition, ri_str records)
{
    static ri_kafka_produce_request q;
    static ri_kafka_produce_request_topic t;
    static ri_kafka_produce_request_partition p;
    p = (ri_kafka_produce_request_partition){partition, records};
    t = (ri_kafka_produce_request_topic){.name = ri_str_of(topic), .partitions = {&p, 1}};
    q = (ri_kafka_produce_request){.acks = -1, .timeout_ms = 5000, .topics = {&t, 1}};
    return &q;
}

ri_kafka_fetch_request *kclient_fetch(const char *topic, int32_t partition, int64_t offset,
                                      int32_t wait_ms)
{
    static ri_kafka_fetch_request q;
    static ri_kafka_fetch_request_topic t;
    static ri_kafka_fetch_request_partition p;
    ri_kafka_blank(ri_kafka_fetch_request_type(), &q);
    ri_kafka_blank(ri_kafka_fetch_request_topic_type(), &t);
    ri_kafka_blank(ri_kafka_fetch_request_partition_type(), &p);
    p.partition = partition;
    p.fetch_offset = offset;
    p.partition_max_bytes = 1 << 20;
    t.topic = ri_str_of(topic);
    t.partitions.items = &p;
    t.partitions.len = 1;
    q.topics.items = &t;
    q.topics.len = 1;
    q.max_wait_ms = wait_ms;
    q.min_bytes = 1;
    return &q;
}

ri_kafka_list_offsets_request *kclient_offsets(const char *topic, int32_t partition,
                                               int64_t timestamp)
{
    static ri_kafka_list_offsets_request q;
    static ri_kafka_list_offsets_request_topic t;
    static ri_kafka_list_offsets_request_partition p;
    p = (ri_kafka_list_offsets_request_partition){partition, -1, timestamp};
    t = (ri_kafka_list_offsets_request_topic){ri_str_of(topic), {&p, 1}};
    q = (ri_kafka_list_offsets_request){.replica_id = -1, .topics = {&t, 1}};
    return &q;
}

ri_kafka_create_topics_request *kclient_create(const char *topic, int32_t partitions)
{
    static ri_kafka_create_topics_request q;
    static ri_kafka_create_topics_request_topic t;
    t = (ri_kafka_create_topics_request_topic){.name = ri_str_of(topic),
                                               .num_partitions = partitions,
                                               .replication_factor = 1};
    q = (ri_kafka_create_topics_request){.topics = {&t, 1}, .timeout_ms = 5000};
    return &q;
}

void kclient_created(kclient *c, const char *topic, int32_t partitions)
{
    ri_kafka_create_topics_answer *a = kclient_ask(c, RI_KAFKA_CREATE_TOPICS, 7,
                                                   kclient_create(topic, partitions));
    int error = a->topics.items[0].error_code;
    if (error) die("topic %s was not made: error %d", topic, error);
}

ri_kafka_delete_topics_request *kclient_delete(const char *topic)
{
    static ri_kafka_delete_topics_request q;
    static ri_str name;
    name = ri_str_of(topic);
    q = (ri_kafka_delete_topics_request){.topic_names = {&name, 1}};
    return &q;
}

ri_kafka_metadata_request *kclient_metadata(const char *topic)
{
    static ri_kafka_metadata_request q;
    static ri_kafka_metadata_request_topic t;
    ri_kafka_blank(ri_kafka_metadata_request_type(), &q);
    q.allow_auto_topic_creation = false;
    t = (ri_kafka_metadata_request_topic){.name = ri_str_of(topic)};
    if (topic) q.topics.items = &t;
    q.topics.len = topic != NULL;
    return &q;
}

ri_kafka_produce_answer_partition kclient_produced(kclient *c, int16_t version,
                                                   const ri_kafka_produce_request *q)
{
    ri_kafka_produce_answer *a = kclient_ask(c, RI_KAFKA_PRODUCE, version, q);
    if (a->topics.len != 1 || a->topics.items[0].partitions.len != 1)
        die("a produce of one partition, and %u topics in the answer", a->topics.len);
    return a->topics.items[0].partitions.items[0];
}

ri_kafka_fetch_answer_partition kclient_fetched(kclient *c, int16_t version,
                                                const ri_kafka_fetch_request *q)
{
    ri_kafka_fetch_answer *a = kclient_ask(c, RI_KAFKA_FETCH, version, q);
    if (a->topics.len != 1 || a->topics.items[0].partitions.len != 1)
        die("a fetch of one partition, and %u topics in the answer", a->topics.len);
    return a->topics.items[0].partitions.items[0];
}

ri_kafka_list_offsets_answer_partition kclient_listed(kclient *c, int16_t version,
                                                      const ri_kafka_list_offsets_request *q)
{
    ri_kafka_list_offsets_answer *a = kclient_ask(c, RI_KAFKA_LIST_OFFSETS, version, q);
    if (a->topics.len != 1 || a->topics.items[0].partitions.len != 1)
        die("offsets of one partition, and %u topics in the answer", a->topics.len);
    return a->topics.items[0].partitions.items[0];
}
