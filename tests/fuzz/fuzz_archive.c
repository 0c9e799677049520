/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks of a restore, as a stranger may send them to the API: whatever they hold, the answer is
 * an error and nothing is left, or a stream that can be archived and restored again to the same
 * archive. The first byte chooses: the bytes as they are, or entries with right checksums made of
 * them; the second, how long chunks are. */
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "codec/s2_frame.h"
#include "support/desk.h"
#include "support/fuzz.h"

#define check(holds) fuzz_require((holds), #holds)

static char restore_to[200];    /* of the last answer: where chunks go */
static ri_buffer archive;       /* that a snapshot sent */

static bool hear(ri_client *client, ri_subscription *sub, ri_delivery *d)
{
    (void)client;
    if (ri_str_is(sub->entry.subject, "chunks")) {
        ri_buffer_put_str(&archive, d->m->data);
        return true;
    }
    char text[600];
    snprintf(text, sizeof text, "%.*s", RI_ARG(d->m->data));
    const char *at = strstr(text, "\"deliver_subject\":\"");
    if (at) sscanf(at, "\"deliver_subject\":\"%199[^\"]", restore_to);
    return true;
}

static void ended(ri_client *client, ri_subscription *sub)
{
    (void)client, (void)sub;
}

static const ri_client_ops ops = {.deliver = hear, .ended = ended};

static void restore(desk *d, ri_str bytes, size_t chunk)
{
    restore_to[0] = 0;
    desk_ask(d, "STREAM.RESTORE.S", "{\"config\":{\"name\":\"S\",\"subjects\":[\"s.>\"],"
                                    "\"allow_msg_ttl\":true}}");
    check(*restore_to);
    ri_message m = {.subject = ri_str_of(restore_to), .reply = RI_STR("in")};
    while (bytes.len) {
        m.data = (ri_str){bytes.ptr, RI_MIN(chunk, bytes.len)};
        ri_router_publish(&d->w.from, &m, NULL);
        bytes = ri_str_from(bytes, m.data.len);
    }
    m.data = RI_STR_NONE;
    ri_router_publish(&d->w.from, &m, NULL);
    desk_turn(d);
}

static void snapshot(desk *d)
{
    ri_buffer_reset(&archive);
    desk_ask(d, "STREAM.SNAPSHOT.S", "{\"deliver_subject\":\"chunks\",\"no_consumers\":true,"
                                     "\"chunk_size\":1048576,\"window_size\":33554432}");
}

static void number(ri_buffer *out, uint64_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) ri_buffer_put(out, &(char){(char)(n >> 8 * i)}, 1);
}

/* An entry of one byte that chooses its kind and parts, and what follows. */
static void entry(ri_buffer *out, uint8_t choice, uint8_t next, uint64_t *seq)
{
    static const char *const parts[] = {
        "s.a", "s.b.c", "s.*", "", "x", "{\"durable_name\":\"c\"}", "{\"name\":\"e\"}", "{",
        "{\"durable_name\":\"p\",\"deliver_subject\":\"out\",\"ack_policy\":\"explicit\"}",
        "NATS/1.0\r\nNats-TTL: 1\r\n\r\n", "NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n", "NATS/1.0",
        "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n",
    };
    static const char kinds[] = "MMMMMCE?";
    ri_str subject = ri_str_of(parts[next % RI_LEN(parts)]);
    ri_str headers = ri_str_of(choice & 8 ? parts[9 + next % 4] : "");
    size_t from = ri_buffer_size(out);
    *seq += choice >> 6;
    ri_buffer_put(out, &kinds[choice % 8], 1);
    number(out, subject.len, 4);
    number(out, headers.len, 4);
    number(out, choice & 16, 4);
    number(out, choice & 32 ? *seq << 40 : *seq, 8);
    number(out, next * UINT64_C(1000000000), 8);
    ri_buffer_put_str(out, subject);
    ri_buffer_put_str(out, headers);
    ri_buffer_put(out, "0123456789abcdef", choice & 16);
    ri_str whole = ri_str_from(ri_buffer_str(out), from);
    number(out, ri_crc32c(0, whole.ptr, whole.len), 4);
}

static void make(ri_buffer *out, const uint8_t *data, size_t size)
{
    ri_buffer plain;
    ri_buffer_init(&plain, out->host);
    ri_buffer_puts(&plain, "RILLARC1");
    uint64_t seq = 1;
    for (size_t i = 0; i + 1 < size && i < 400; i += 2) entry(&plain, data[i], data[i + 1], &seq);
    ri_s2_frame_begin(out);
    ri_s2_frame_put(out, ri_buffer_str(&plain));
    ri_buffer_fini(&plain);
}

static void there_and_back(desk *d)
{
    ri_buffer first;
    ri_buffer_init(&first, &d->w.f->host);
    snapshot(d);
    ri_buffer_put_str(&first, ri_buffer_str(&archive));
    desk_ask(d, "STREAM.DELETE.S", "");
    restore(d, ri_buffer_str(&first), first.len);
    check(ri_js_stream(d->w.js, RI_STR("S")) != NULL);
    snapshot(d);
    check(ri_str_eq(ri_buffer_str(&archive), ri_buffer_str(&first)));
    ri_buffer_fini(&first);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static desk d;
    if (size < 2) return 0;
    memset(&d, 0, sizeof d);
    check(desk_init(&d, NULL, NULL) >= 0);
    ri_client client;
    ri_subscription subs[2] = {{.entry.subject = RI_STR("in")},
                               {.entry.subject = RI_STR("chunks")}};
    ri_client_init(&client, &d.w.router, &ops);
    for (int i = 0; i < 2; i++) check(ri_router_subscribe(&client, &subs[i]) >= 0);
    ri_buffer_init(&archive, &d.w.f->host);
    ri_buffer made;
    ri_buffer_init(&made, &d.w.f->host);
    if (data[0] & 1) make(&made, data + 2, size - 2);
    else ri_buffer_put(&made, data + 2, size - 2);
    restore(&d, ri_buffer_str(&made), data[1] ? data[1] * 16u : made.len);
    if (ri_js_stream(d.w.js, RI_STR("S"))) there_and_back(&d);
    ri_buffer_fini(&made);
    ri_buffer_fini(&archive);
    ri_client_fini(&client);
    desk_fini(&d, NULL);
    return 0;
}
