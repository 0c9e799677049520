/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks of a restore, as a stranger may send them to the API: whatever they hold, the answer is
 * an error and nothing is left, or a stream that can be archived and restored again to the same
 * archive. The first byte chooses what the others are: the chunks as they are; what is in their
 * frames; or entries, or files of a tar with right checksums, made of them. The second says how
 * long chunks are. */
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "codec/archive/archive.h"
#include "codec/archive/highway.h"
#include "codec/archive/s2_frame.h"
#include "support/desk.h"
#include "support/fuzz.h"

#define check(holds) fuzz_require((holds), #holds)

static char restore_to[200];    /* of the last answer: where chunks go */
static ri_buffer archive;       /* that a snapshot sent */

static bool hear(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party;
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

static void ended(ri_party *party, ri_subscription *sub)
{
    (void)party, (void)sub;
}

static const ri_party_ops ops = {.deliver = hear, .ended = ended};

static void restore(desk *d, ri_str bytes, size_t chunk)
{
    restore_to[0] = 0;
    desk_ask(d, "STREAM.RESTORE.S", "{\"config\":{\"name\":\"S\",\"subjects\":[\"s.>\"],"
                                    "\"allow_msg_ttl\":true}}");
    check(*restore_to);
    ri_message m = {.subject = ri_str_of(restore_to), .reply = RI_STR("in")};
    while (bytes.len) {
        m.data = (ri_str){bytes.ptr, RI_MIN(chunk, bytes.len)};
        ri_router_publish(&d->w.from, &(ri_publish){.m = &m});
        bytes = ri_str_from(bytes, m.data.len);
    }
    m.data = RI_STR_NONE;
    ri_router_publish(&d->w.from, &(ri_publish){.m = &m});
    desk_turn(d);
}

static void snapshot(desk *d)
{
    ri_buffer_reset(&archive);
    desk_ask(d, "STREAM.SNAPSHOT.S", "{\"deliver_subject\":\"chunks\","
                                     "\"chunk_size\":1048576,\"window_size\":33554432}");
}

/* ---- Made of the input: each byte or two of it choose a part ---- */

static const char *const subjects[] = {"s.a", "s.b.c", "s.*", "",
                                       "x", "s.a\r\nPING", "s..b", "s.c"};
static const char *const blocks[] = {
    "", "NATS/1.0\r\nNats-TTL: 1\r\n\r\n", "NATS/1.0\r\nNats-Msg-Id: a\r\n\r\n", "NATS/1.0",
    "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", "NATS/1.0\r\nNats-TTL: never\r\n\r\n",
    "NATS/1.0\r\nNats-TTL: soon\r\n\r\n", "NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\n\r\n"};
static const char *const confs[] = {
    "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\"}", "{\"name\":\"c\"}", "{",
    "{\"durable_name\":\"c\",\"deliver_subject\":\"out\",\"ack_policy\":\"all\"}",
    ("{\"durable_name\":\"c\",\"ack_policy\":\"explicit\",\"deliver_policy\":\"last_per_subject\","
     "\"filter_subject\":\"s.>\",\"max_deliver\":2}"), "{\"durable_name\":\"d\"}"};

/* A number of the size of the small ones, or at a limit. */
static uint64_t pick(uint8_t n)
{
    static const uint64_t edges[] = {0, UINT64_MAX, INT64_MAX, UINT64_C(1) << 62,
                                     (UINT64_C(1) << 62) - 1, UINT64_C(1) << 61, UINT32_MAX, 9};
    return n < 248 ? n / 8 : edges[n - 248];
}

static void made_entry(ri_buffer *out, const uint8_t *in, uint64_t *seq)
{
    static const char data[] = "0123456789abcdef";
    ri_buffer json;
    if (in[0] % 4 != 3) {
        *seq += 1 + in[0] / 64;
        uint64_t at = in[0] % 4 == 2 ? pick(in[2]) : *seq;
        ri_archive_put_message(out, &(ri_archive_item){
            .seq = at, .time_ns = (int64_t)(pick(in[3]) * UINT64_C(1000000000)),
            .name = ri_str_of(subjects[in[1] % 8]), .headers = ri_str_of(blocks[in[1] / 8 % 8]),
            .data = {data, in[1] / 64 * 5u}});
        return;
    }
    ri_buffer_init(&json, out->host);
    ri_archive_writer w;
    ri_archive_place place = {pick(in[1]), pick(in[2]), pick(in[3]), pick(in[4])};
    ri_archive_state_begin(&w, &json, ri_str_of(confs[in[5] % 6]), &place);
    for (int i = 0; i < in[6] % 4; i++)
        ri_archive_state_put(&w, &(ri_archive_pending){pick(in[7 + i]), pick(in[8 + i]),
                                                       (int64_t)pick(in[9 + i]), 1, false});
    for (int i = 0; i < in[6] / 4 % 3; i++)
        ri_archive_state_put(&w, &(ri_archive_pending){.stream_seq = pick(in[7 + i]),
                                                       .deliveries = pick(in[9]) + 1,
                                                       .again = true});
    ri_archive_state_more(&w, &(ri_archive_more){.created_ns = (int64_t)pick(in[9]),
                                                 .next_seq = pick(in[10])});
    for (int i = 0; i < in[6] / 16 % 4; i++) ri_archive_state_pick(&w, pick(in[8 + i]));
    ri_archive_state_end(&w);
    ri_archive_put_consumer(out, RI_STR("c"), ri_buffer_str(&json), 1);
    ri_buffer_fini(&json);
}

static void made_entries(ri_buffer *out, const uint8_t *data, size_t size)
{
    char state[200];
    uint64_t seq = 0;
    snprintf(state, sizeof state, "{\"first_seq\":%llu,\"last_seq\":%llu,\"consumer_count\":%d}",
             (unsigned long long)pick(data[0]), (unsigned long long)pick(data[1]), data[2] % 3);
    ri_archive_put_begin(out, ri_str_of(state), 1);
    for (size_t i = 3; i + 16 < size && i < 2000; i += 12) made_entry(out, data + i, &seq);
    if (size % 8) ri_archive_put_end(out);
}

static void put_little(ri_buffer *out, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++) ri_buffer_put(out, &(char){(char)(n >> 8 * i)}, 1);
}

static void key(ri_highway *h, const char *text)
{
    ri_sha256 sha;
    uint8_t bytes[RI_SHA256_LEN];
    ri_sha256_init(&sha);
    ri_sha256_add(&sha, ri_str_of(text));
    ri_sha256_end(&sha, bytes);
    ri_highway_init(h, bytes);
}

static void made_record(ri_buffer *out, const uint8_t *in, uint64_t *seq)
{
    ri_highway h;
    ri_str subject = ri_str_of(subjects[in[0] % 8]), headers = ri_str_of(blocks[in[0] / 8 % 8]);
    ri_str body = {"0123456789", in[1] % 10u};
    uint64_t at = in[1] >= 250 ? pick(in[2]) : ++*seq;
    if (in[1] >= 200 && in[1] < 220) at |= UINT64_C(1) << (in[1] < 210 ? 63 : 62);
    uint32_t len = (uint32_t)(30 + subject.len + body.len + (headers.len ? 4 + headers.len : 0));
    put_little(out, headers.len ? len | UINT32_C(1) << 31 : len, 4);
    size_t from = ri_buffer_size(out);
    put_little(out, at, 8);
    put_little(out, pick(in[2]), 8);
    key(&h, "S-1");
    ri_highway_add(&h, ri_str_from(ri_buffer_str(out), from));
    put_little(out, subject.len, 2);
    ri_buffer_put_str(out, subject);
    if (headers.len) put_little(out, headers.len, 4);
    ri_buffer_put_str(out, headers);
    ri_buffer_put_str(out, body);
    ri_highway_add(&h, subject);
    ri_highway_add(&h, headers);
    ri_highway_add(&h, body);
    put_little(out, ri_highway_end(&h), 8);
}

static void made_file(ri_buffer *out, const char *name, ri_str body)
{
    char head[512] = {0};
    static const char fill[512];
    unsigned sum = 8 * ' ';
    snprintf(head, 100, "%s", name);
    snprintf(head + 124, 12, "%011zo", body.len);
    head[156] = '0';
    for (int i = 0; i < 512; i++) sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    ri_buffer_put(out, head, sizeof head);
    ri_buffer_put_str(out, body);
    ri_buffer_put(out, fill, (512 - body.len % 512) % 512);
}

/* A meta.inf with its checksum, and whose name that is keyed by. */
static void made_meta(ri_buffer *out, const char *folder, const char *name, ri_str json)
{
    char path[40], hex[17];
    ri_highway h;
    key(&h, name);
    ri_highway_add(&h, json);
    uint64_t hash = ri_highway_end(&h);
    for (int i = 0; i < 8; i++) snprintf(hex + 2 * i, 3, "%02x", (unsigned)(hash >> 8 * i & 255));
    snprintf(path, sizeof path, "%smeta.inf", folder);
    made_file(out, path, json);
    snprintf(path, sizeof path, "%smeta.sum", folder);
    made_file(out, path, ri_str_of(hex));
}

static void made_tar(ri_buffer *out, const uint8_t *data, size_t size)
{
    static const char zeros[1024];
    ri_buffer block, index;
    ri_highway h;
    uint64_t seq = 0;
    size_t half = size / 2;
    ri_buffer_init(&block, out->host);
    ri_buffer_init(&index, out->host);
    made_meta(out, "", "S", RI_STR("{\"name\":\"S\"}"));
    for (size_t i = 1; i + 3 < half; i += 3) made_record(&block, data + i, &seq);
    made_file(out, "msgs/1.blk", ri_buffer_str(&block));
    if (data[0] & 1) {
        ri_buffer_put(&index, data + half, size - half < 300 ? size - half : 300);
        key(&h, "S");
        ri_highway_add(&h, ri_buffer_str(&index));
        put_little(&index, ri_highway_end(&h), 8);
        made_file(out, "msgs/index.db", ri_buffer_str(&index));
    }
    if (data[0] & 2) {
        made_meta(out, "obs/c/", "S/c", ri_str_of(confs[data[0] / 4 % 6]));
        made_file(out, "obs/c/o.dat", (ri_str){(const char *)data + half, size - half});
    }
    if (!(data[0] & 128)) ri_buffer_put(out, zeros, sizeof zeros);
    ri_buffer_fini(&block);
    ri_buffer_fini(&index);
}

static void make(ri_buffer *out, uint8_t choice, const uint8_t *data, size_t size)
{
    ri_buffer plain;
    ri_buffer_init(&plain, out->host);
    if (choice % 4 == 0 || size < 8) {
        ri_buffer_put(out, data, size);
    } else if (choice % 4 == 1) {
        ri_buffer_put(&plain, data, size);
    } else if (choice % 4 == 2) {
        made_entries(&plain, data, size);
    } else {
        made_tar(&plain, data, size);
    }
    if (ri_buffer_size(&plain)) ri_s2_frame_begin(out);
    ri_s2_frame_put(out, ri_buffer_str(&plain));
    ri_buffer_fini(&plain);
}

/* An archive tells when it was made at its front, and so nothing else differs: the clock stands. */
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
    /* Its consumers do what they can. */
    ri_message m = {.subject = RI_STR("$JS.API.CONSUMER.MSG.NEXT.S.c"), .reply = RI_STR("in"),
                    .data = RI_STR("9")};
    ri_router_publish(&d->w.from, &(ri_publish){.m = &m});
    desk_wait(d, 31000);
    desk_ask(d, "STREAM.INFO.S", "{\"deleted_details\":true}");
    ri_buffer_fini(&first);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static desk d;
    if (size < 2) return 0;
    memset(&d, 0, sizeof d);
    check(desk_init(&d, NULL, NULL) >= 0);
    ri_party party;
    ri_subscription subs[2] = {{.entry.subject = RI_STR("in")},
                               {.entry.subject = RI_STR("chunks")}};
    ri_party_init(&party, &d.w.router, &ops);
    for (int i = 0; i < 2; i++) check(ri_router_subscribe(&party, &subs[i]) >= 0);
    ri_buffer_init(&archive, &d.w.f->host);
    ri_buffer made;
    ri_buffer_init(&made, &d.w.f->host);
    make(&made, data[0], data + 2, size - 2);
    restore(&d, ri_buffer_str(&made), data[1] ? data[1] * 16u : made.len);
    if (ri_js_stream(d.w.js, RI_STR("S"))) there_and_back(&d);
    ri_buffer_fini(&made);
    ri_buffer_fini(&archive);
    ri_party_fini(&party);
    desk_fini(&d, NULL);
    return 0;
}
