/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of either form: what nats-server made of a stream is read as it was, split at any byte;
 * no byte of it may differ; and what is made by hand is refused where it claims too much.
 *
 * tests/golden/backup has two backups of a stream G, as the nats tool took them: entries.s2 from
 * nats-server 2.15.3, tar.s2 from nats-server 2.10.29. The stream kept 4 messages a subject; some
 * were deleted; C had acknowledged 4 of 7, R had one message twice, L began at the last of each
 * subject, N at what is new. */
#include "codec/archive/archive.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/sha256.h"
#include "codec/archive/highway.h"
#include "codec/limits.h"
#include "codec/archive/s2_frame.h"
#include "support/guard.h"
#include "support/suite.h"

static ri_host host;

static void golden_read(const char *name, ri_buffer *out)
{
    char path[400], block[4096];
    snprintf(path, sizeof path, "%s/backup/%s", GOLDEN_DIR, name);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;) ri_buffer_put(out, block, n);
    fclose(file);
}

/* The same without its frames. */
static void golden_plain(const char *name, ri_buffer *plain)
{
    ri_buffer framed;
    int64_t n;
    ri_buffer_init(&framed, &host);
    golden_read(name, &framed);
    while ((n = ri_s2_frame_read(ri_buffer_str(&framed), plain)) > 0)
        ri_buffer_eat(&framed, (size_t)n);
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(ri_buffer_size(&framed), 0);
    ri_buffer_fini(&framed);
}

/* ---- An archive as text ---- */

static int list_state(ri_str text, ri_str more, ri_buffer *out)
{
    ri_archive_state state;
    ri_archive_pending p;
    ri_archive_more own;
    int rc = ri_archive_state_open(&state, text);
    if (rc < 0) return rc;
    if (rc == 0) ri_buffer_puts(out, " fresh");
    else
        ri_buffer_printf(out, " at %" PRIu64 "/%" PRIu64 " floor %" PRIu64 "/%" PRIu64,
                         state.place.delivered_consumer, state.place.delivered_stream,
                         state.place.floor_consumer, state.place.floor_stream);
    uint64_t sum = 0, n = 0;
    while ((rc = ri_archive_state_next(&state, &p)) > 0) {
        if (p.again)
            ri_buffer_printf(out, " %" PRIu64 " %" PRIu64 " times", p.stream_seq, p.deliveries);
        else sum += p.stream_seq * 100 + p.consumer_seq, n++; /* in any order */
    }
    if (rc < 0) return rc;
    if (n) ri_buffer_printf(out, " %" PRIu64 " pending, %" PRIu64, n, sum);
    if ((rc = ri_archive_more_read(more, &own)) < 0) return rc;
    if (more.len)
        ri_buffer_printf(out, " made %" PRId64 " next %" PRIu64, own.created_ns, own.next_seq);
    for (uint64_t pick; (rc = ri_archive_more_pick(&own, &pick)) > 0;)
        ri_buffer_printf(out, " pick %" PRIu64, pick);
    return rc;
}

static int list_item(const ri_archive_item *item, ri_buffer *out)
{
    int rc = 0;
    switch (item->kind) {
    case RI_ARCHIVE_FIRST: ri_buffer_printf(out, "first %" PRIu64 "\n", item->seq); break;
    case RI_ARCHIVE_CONSUMER:
        ri_buffer_printf(out, "consumer %.*s", RI_ARG(item->name));
        ck_assert_int_eq(item->config.ptr[0], '{');
        rc = list_state(item->state, item->more, out);
        ri_buffer_puts(out, "\n");
        break;
    case RI_ARCHIVE_MESSAGE:
        ck_assert_int_gt(item->time_ns, INT64_C(1700000000000000000));
        ri_buffer_printf(out, "%" PRIu64 " %.*s %zu %.*s\n", item->seq, RI_ARG(item->name),
                         item->headers.len, (int)RI_MIN(item->data.len, 10), item->data.ptr);
        break;
    case RI_ARCHIVE_GONE:
        ri_buffer_printf(out, "gone %" PRIu64 "-%" PRIu64 "\n", item->seq, item->last);
        break;
    case RI_ARCHIVE_END: ri_buffer_printf(out, "end %" PRIu64 "\n", item->seq); break;
    case RI_ARCHIVE_NOTHING: break;
    }
    return rc;
}

/* Read in two pieces; the last rc. */
static int list_split(ri_str bytes, size_t cut, ri_buffer *out)
{
    ri_archive a;
    ri_archive_item item;
    ri_buffer in;
    int rc = 0;
    ri_archive_init(&a, &host, RI_STR("G"));
    ri_buffer_init(&in, &host);
    for (int last = 0; last < 2 && rc >= 0; last++) {
        ri_buffer_put_str(&in, last ? ri_str_from(bytes, cut) : (ri_str){bytes.ptr, cut});
        while ((rc = ri_archive_next(&a, &in, last, &item)) > 0)
            if ((rc = list_item(&item, out)) < 0) break;
    }
    ri_archive_fini(&a);
    ri_buffer_fini(&in);
    return rc;
}

static const char entries_told[] =
    "first 10\n"
    "consumer C at 7/19 floor 4/16 3 pending, 5418\n"
    "consumer R at 3/18 floor 0/9 10 2 times 2 pending, 2803\n"
    "consumer N at 0/26 floor 0/26\n"
    "consumer L at 2/22 floor 2/22\n"
    "10 g.2 19 message 10\n"
    "12 g.0 19 message 12\n"
    "13 g.1 19 message 13\n"
    "16 g.0 19 message 16\n"
    "17 g.1 19 message 17\n"
    "18 g.2 19 message 18\n"
    "19 g.3 19 message 19\n"
    "20 g.0 19 message 20\n"
    "21 g.1 19 message 21\n"
    "22 g.2 19 message 22\n"
    "23 g.3 19 message 23\n"
    "24 g.0 19 message 24\n"
    "25 g.plain 0 no headers\n"
    "end 26\n";

/* What is gone is told by the block, and again by the index behind it. */
static const char tar_told[] =
    "1 g.1 18 message 1 \n"
    "2 g.2 18 message 2 \n"
    "3 g.3 18 message 3 \n"
    "4 g.0 18 message 4 \n"
    "5 g.1 18 message 5 \n"
    "6 g.2 18 message 6 \n"
    "7 g.3 18 message 7 \n"
    "8 g.0 18 message 8 \n"
    "9 g.1 18 message 9 \n"
    "10 g.2 19 message 10\n"
    "gone 11-11\n"
    "12 g.0 19 message 12\n"
    "13 g.1 19 message 13\n"
    "gone 14-14\n"
    "gone 15-15\n"
    "16 g.0 19 message 16\n"
    "17 g.1 19 message 17\n"
    "18 g.2 19 message 18\n"
    "19 g.3 19 message 19\n"
    "20 g.0 19 message 20\n"
    "21 g.1 19 message 21\n"
    "22 g.2 19 message 22\n"
    "23 g.3 19 message 23\n"
    "24 g.0 19 message 24\n"
    "25 g.plain 0 no headers\n"
    "gone 26-26\n"
    "gone 26-26\n"
    "gone 1-9\n"
    "gone 11-11\n"
    "gone 14-15\n"
    "gone 26-26\n"
    "consumer C at 7/19 floor 4/16 3 pending, 5418\n"
    "consumer R at 3/18 floor 0/0 10 2 times 2 pending, 2803\n"
    "consumer N at 0/26 floor 0/0\n"
    "consumer L at 2/23 floor 2/23\n"
    "end 26\n";

START_TEST(test_golden)
{
    static const char *const files[] = {"entries.s2", "tar.s2"};
    const char *wants[] = {entries_told, tar_told};
    for (int i = 0; i < 2; i++) {
        ri_buffer plain, out;
        ri_buffer_init(&plain, &host);
        ri_buffer_init(&out, &host);
        golden_plain(files[i], &plain);
        ri_str bytes = ri_buffer_str(&plain);
        for (size_t cut = 0; cut <= bytes.len; cut += bytes.len > 10000 ? 37 : 1) {
            ri_buffer_reset(&out);
            ck_assert_ok(list_split(bytes, cut, &out));
            ck_assert_span(ri_buffer_str(&out), wants[i]);
        }
        ri_buffer_fini(&plain);
        ri_buffer_fini(&out);
    }
}
END_TEST

/* Framed, each byte of it differs once: it is refused, or the same. */
START_TEST(test_golden_damaged)
{
    static const char *const files[] = {"entries.s2", "tar.s2"};
    const char *wants[] = {entries_told, tar_told};
    for (int i = 0; i < 2; i++) {
        ri_buffer framed, plain, out;
        ri_buffer_init(&framed, &host);
        ri_buffer_init(&plain, &host);
        ri_buffer_init(&out, &host);
        golden_read(files[i], &framed);
        for (size_t at = 0; at < framed.len; at++) {
            framed.ptr[at] ^= (char)(1 << at % 8);
            ri_str rest = ri_buffer_str(&framed);
            int64_t n;
            ri_buffer_reset(&plain);
            ri_buffer_reset(&out);
            while ((n = ri_s2_frame_read(rest, &plain)) > 0) rest = ri_str_from(rest, (size_t)n);
            int rc = n < 0 ? (int)n : list_split(ri_buffer_str(&plain), 0, &out);
            if (rc >= 0 && rest.len == 0)
                ck_assert_msg(ri_str_is(ri_buffer_str(&out), wants[i]), "byte %zu of %s", at,
                              files[i]);
            framed.ptr[at] ^= (char)(1 << at % 8);
        }
        ri_buffer_fini(&framed);
        ri_buffer_fini(&plain);
        ri_buffer_fini(&out);
    }
}
END_TEST

/* Unframed, where only the hashes of a block help: they are of the parts of a message behind one
 * another, and see each byte but those that say where a part ends. */
static size_t little(const char *p, int bytes)
{
    size_t n = 0;
    for (int i = bytes; i-- > 0;) n = n << 8 | (unsigned char)p[i];
    return n;
}

START_TEST(test_block_damaged)
{
    ri_buffer plain, out;
    ri_buffer_init(&plain, &host);
    ri_buffer_init(&out, &host);
    golden_plain("tar.s2", &plain);
    const char *head = memmem(plain.ptr, plain.len, "msgs/1.blk", 10);
    ck_assert(head != NULL);
    size_t end = (size_t)(head - plain.ptr) + 512 + strtoul(head + 124, NULL, 8), len;
    for (size_t from = (size_t)(head - plain.ptr) + 512; from < end; from += len) {
        char *record = plain.ptr + from;
        len = little(record, 4) & ~(UINT32_C(1) << 31);
        size_t headers = record[3] < 0 ? 22 + little(record + 20, 2) : len;
        for (size_t at = 0; at < len; at++) {
            if (at == 20 || at == 21 || (at >= headers && at < headers + 4)) continue;
            record[at] ^= 4;
            ri_buffer_reset(&out);
            ck_assert_msg(list_split(ri_buffer_str(&plain), 0, &out) == RILL_EPROTO,
                          "byte %zu of the record at %zu", at, from);
            record[at] ^= 4;
        }
    }
    ri_buffer_fini(&plain);
    ri_buffer_fini(&out);
}
END_TEST

/* ---- By hand ---- */

static void put_varint(ri_buffer *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) ri_buffer_put(out, &(char){(char)(n | 0x80)}, 1);
    ri_buffer_put(out, &(char){(char)n}, 1);
}

static void put_entry(ri_buffer *out, const char *name, uint64_t seq, uint64_t headers,
                      uint64_t data, const char *body)
{
    put_varint(out, strlen(name));
    put_varint(out, seq ? UINT64_C(2) * 1700000000000000001 : 0);
    put_varint(out, seq);
    put_varint(out, headers);
    put_varint(out, data);
    ri_buffer_puts(out, name);
    ri_buffer_puts(out, body);
}

#define STATE "{\"messages\":1,\"first_seq\":3,\"last_seq\":9,\"consumer_count\":%d}"

static void put_state(ri_buffer *out, int consumers)
{
    char json[200];
    snprintf(json, sizeof json, STATE, consumers);
    ri_buffer_puts(out, RI_ARCHIVE_MAGIC);
    put_entry(out, "state.json", 0, 0, strlen(json), json);
}

static void hand_refused(ri_buffer *archive, const char *why)
{
    ri_buffer out;
    ri_buffer_init(&out, &host);
    ri_str bytes = {guard_copy(archive->ptr, archive->len), archive->len};
    ck_assert_rc(list_split(bytes, 0, &out), RILL_EPROTO);
    ck_assert_msg(strstr(ri_err_text(), why) != NULL, "not %s: %s", why, ri_err_text());
    guard_free();
    ri_buffer_fini(&out);
    ri_buffer_reset(archive);
}

START_TEST(test_entries_refused)
{
    ri_buffer a;
    ri_buffer_init(&a, &host);
    hand_refused(&a, "unexpected EOF");
    ri_buffer_puts(&a, RI_ARCHIVE_MAGIC);
    hand_refused(&a, "unexpected EOF");
    put_state(&a, 0);
    hand_refused(&a, "unexpected EOF");
    ri_buffer_puts(&a, RI_ARCHIVE_MAGIC);
    put_entry(&a, "meta.json", 0, 0, 2, "{}");
    hand_refused(&a, "it begins with no state");
    ri_buffer_puts(&a, RI_ARCHIVE_MAGIC);
    put_entry(&a, "state.json", 0, 0, UINT64_MAX, "");
    hand_refused(&a, "an entry of 18446744073709551615 bytes");
    put_state(&a, 0);
    put_entry(&a, "s", 4, 65536, 0, "");
    hand_refused(&a, "headers of 65536 bytes");
    put_state(&a, 0);
    put_entry(&a, "s", 4, 2, RI_LIMIT_PAYLOAD_MAX + 1, "");
    hand_refused(&a, "an entry of 67108865 bytes");
    put_state(&a, 0);
    put_varint(&a, UINT64_MAX);
    ri_buffer_put(&a, "\0\1\0\0", 4);
    hand_refused(&a, "a subject of 18446744073709551615 bytes");
    put_state(&a, 0);
    for (int i = 0; i < 60; i++) ri_buffer_put(&a, "\xff", 1);
    hand_refused(&a, "an entry's head");
    put_state(&a, 0);
    put_entry(&a, "s", 0, 0, 1, "x");
    hand_refused(&a, "a message without a sequence");
    put_state(&a, 0);
    put_entry(&a, "", 0, 0, 0, "");
    put_entry(&a, "s", 4, 0, 0, "");
    hand_refused(&a, "something follows its end");
    put_state(&a, 1);
    put_entry(&a, "s", 4, 0, 0, "");
    hand_refused(&a, "fewer consumers than it says");
    ri_buffer_fini(&a);
}
END_TEST

START_TEST(test_consumers_refused)
{
    static const struct { const char *json, *why; } rows[] = {
        {"", "consumer"},
        {"[]", "the state of a consumer"},
        {"{\"config\":{}}", "a consumer without state"},
        {"{\"config\":null,\"state\":{}}", "a consumer without configuration"},
        {"{\"config\":{},\"state\":null}", "a consumer without state"},
        {"{\"config\":{},\"state\":{\"delivered\"", "the state of a consumer"},
        {"{\"config\":{},\"state\":{]}", "the state of a consumer"},
        {"{\"config\" 1}", "the state of a consumer"},
        {"{\"con\\\"", "the state of a consumer"},
    };
    ri_buffer a;
    ri_buffer_init(&a, &host);
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        put_state(&a, 1);
        put_entry(&a, "consumers/c", 0, 0, strlen(rows[i].json), rows[i].json);
        hand_refused(&a, rows[i].why);
    }
    ri_buffer_fini(&a);
}
END_TEST

START_TEST(test_states_refused)
{
#define AT "{\"delivered\":{\"consumer_seq\":2,\"stream_seq\":3}," \
           "\"ack_floor\":{\"consumer_seq\":1,\"stream_seq\":2}"
    static const struct { const char *text; size_t len; } rows[] = {
        {"{}", 2},
        {"{\"delivered\":{\"consumer_seq\":-1,\"stream_seq\":3}}", 0},
        {AT ",\"pending\":[]}", 0},
        {AT ",\"pending\":{\"3\":{\"Sequence\":2}}}", 0},
        {AT ",\"pending\":{\"x\":{\"Sequence\":2,\"Timestamp\":1}}}", 0},
        {AT ",\"pending\":{\"3\":{\"Sequence\":18446744073709551616,\"Timestamp\":1}}}", 0},
        {AT ",\"redelivered\":{\"3\":\"x\"}}", 0},
        {AT ",\"pending\":{\"3\\}", 0},  /* a name that ends within an escape */
        {"\x16\x03\0\0\0\0\0\0", 8},      /* an unknown version */
        {"\x15\x02\0\0\0\0\0\0", 8},      /* another mark */
        {"\x16\x02\0\0\0\0", 6},          /* cut short */
        {"\x16\x02\0\0\0\0\x02\x02\x01\x01\x01", 11}, /* two pending, and one is there */
        {"\x16\x02\0\0\0\0\0\x01\x01", 9}, /* one redelivered, and half is there */
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_archive_state state;
        ri_archive_pending p;
        size_t len = rows[i].len ? rows[i].len : strlen(rows[i].text);
        int rc = ri_archive_state_open(&state, (ri_str){guard_copy(rows[i].text, len), len});
        while (rc > 0) rc = ri_archive_state_next(&state, &p);
        ck_assert_msg(rc == RILL_EPROTO, "row %zu: %d", i, rc);
    }
    guard_free();
}
END_TEST

/* A sequence, a count or a time at its limit is told as it is, or saturates. */
START_TEST(test_states_at_limits)
{
    ri_archive_state state;
    ri_archive_pending p;
    ri_str json = ri_str_of(AT ",\"pending\":{\"18446744073709551615\":{\"Sequence\":0,"
                            "\"Timestamp\":-1}},\"redelivered\":{\"3\":18446744073709551615}}");
    ck_assert_int_eq(ri_archive_state_open(&state, json), 1);
    ck_assert_int_eq(ri_archive_state_next(&state, &p), 1);
    ck_assert_uint_eq(p.stream_seq, UINT64_MAX);
    ck_assert_int_eq(p.sent_ns, -1);
    ck_assert_int_eq(ri_archive_state_next(&state, &p), 1);
    ck_assert_uint_eq(p.deliveries, UINT64_MAX);
    ck_assert_int_eq(ri_archive_state_next(&state, &p), 0);
    /* One that was sent 2^62 seconds before 0: as long ago as a time can tell. */
    static const char far[] = "\x16\x02\0\0\0\0\x01\0\x01\x01"
                              "\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\0";
    ck_assert_int_eq(ri_archive_state_open(&state, (ri_str){far, sizeof far - 1}), 1);
    ck_assert_int_eq(ri_archive_state_next(&state, &p), 1);
    ck_assert_int_eq(p.sent_ns, INT64_MIN);
    ck_assert_int_eq(ri_archive_state_next(&state, &p), 0);
}
END_TEST

/* ---- A tar by hand ---- */

static void tar_put(ri_buffer *out, const char *name, const char *size, char kind, ri_str body)
{
    char head[512] = {0}, fill[512] = {0};
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    memcpy(head + 124, size, RI_MIN(strlen(size), 12));
    head[156] = kind;
    memcpy(head + 257, "ustar\00000", 8);
    memset(head + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    ri_buffer_put(out, head, 512);
    ri_buffer_put_str(out, body);
    ri_buffer_put(out, fill, (512 - body.len % 512) % 512);
}

static void tar_text(ri_buffer *out, const char *name, const char *text)
{
    char size[13];
    snprintf(size, sizeof size, "%011zo", strlen(text));
    tar_put(out, name, size, '0', ri_str_of(text));
}

/* The configuration of the stream G, with its checksum. */
static void tar_summed(ri_buffer *out, const char *json)
{
    ri_sha256 sha;
    uint8_t key[RI_SHA256_LEN];
    ri_highway h;
    char hex[17];
    ri_sha256_init(&sha);
    ri_sha256_add(&sha, RI_STR("G"));
    ri_sha256_end(&sha, key);
    ri_highway_init(&h, key);
    ri_highway_add(&h, ri_str_of(json));
    uint64_t hash = ri_highway_end(&h);
    for (int i = 0; i < 8; i++) snprintf(hex + 2 * i, 3, "%02x", (unsigned)(hash >> 8 * i & 255));
    tar_text(out, "meta.inf", json);
    tar_text(out, "meta.sum", hex);
}

START_TEST(test_tar_refused)
{
    static const char zeros[1024];
    ri_buffer a;
    ri_buffer_init(&a, &host);
    ri_buffer_put(&a, "this is neither the one nor the other", 37);
    hand_refused(&a, "unexpected EOF");
    for (int i = 0; i < 40; i++) ri_buffer_puts(&a, "this is neither the one nor the other");
    hand_refused(&a, "neither of nats-server's forms");
    tar_text(&a, "meta.inf", "{\"name\":\"H\"}");
    hand_refused(&a, "stream names do not match");
    tar_text(&a, "meta.inf", "{\"name\":\"G\"}");
    tar_text(&a, "meta.sum", "0123456789abcdef");
    hand_refused(&a, "the checksum of a meta.inf");
    ri_buffer_put(&a, zeros, sizeof zeros);
    hand_refused(&a, "it has no meta.inf");
    tar_text(&a, "meta.inf", "{\"name\":\"G\"}");
    ri_buffer_put(&a, zeros, sizeof zeros);
    hand_refused(&a, "a meta.inf without meta.sum");
    tar_text(&a, "meta.inf", "{\"name\":\"G\"}");
    tar_text(&a, "obs/c/meta.inf", "{}");
    hand_refused(&a, "a meta.inf without meta.sum");
    tar_text(&a, "obs/c/meta.inf", "{}");
    tar_text(&a, "obs/c/o.dat", "");
    hand_refused(&a, "a meta.inf without meta.sum");
    tar_summed(&a, "{\"name\":\"G\"}");
    ri_buffer_put(&a, zeros, sizeof zeros);
    ri_buffer_puts(&a, "x");
    hand_refused(&a, "something follows its end");
    tar_put(&a, "meta.inf", "00000000014", '2', RI_STR_NONE);
    hand_refused(&a, "a file of an unexpected kind");
    tar_put(&a, "meta.inf", "77777777777", '0', RI_STR_NONE);
    hand_refused(&a, "a file of 8589934591 bytes");
    tar_put(&a, "obs/c/o.dat", "\x80\0\0\0\0\xff\xff\xff\xff\xff\xff\xff", '0', RI_STR_NONE);
    hand_refused(&a, "files of a consumer in disorder");
    tar_text(&a, "obs/c/meta.inf", "{}");
    tar_text(&a, "obs/d/o.dat", "");
    hand_refused(&a, "files of a consumer in disorder");
    tar_text(&a, "obs/c/meta.inf", "{}");
    tar_text(&a, "obs/d/meta.inf", "{}");
    hand_refused(&a, "a consumer without o.dat");
    tar_text(&a, "msgs/1.key", "secret");
    hand_refused(&a, "the archive is encrypted");
    tar_text(&a, "errors.txt", "could not read message block");
    hand_refused(&a, "given up: could not read message block");
    tar_text(&a, "msgs/1.blk", "cmp\1 and so on, which is compressed");
    hand_refused(&a, "a compressed block");
    tar_text(&a, "msgs/1.blk", "\x10 too short a record, as it is too short");
    hand_refused(&a, "the length of a record");
    tar_text(&a, "msgs/1.blk", "short");
    hand_refused(&a, "a block is cut short");
    tar_put(&a, "x", "00000000005", 'x', RI_STR("9 path"));
    hand_refused(&a, "an extended header");
    tar_put(&a, "x", "00000000013", 'x', RI_STR("11 size=-1\n"));
    hand_refused(&a, "an extended header");
    tar_text(&a, "msgs/index.db", "\x0b\x05 later than we know of it");
    hand_refused(&a, "an index of an unknown version");
    tar_text(&a, "msgs/index.db", "\x0b\x04\x01");
    hand_refused(&a, "its index");
    ri_buffer_fini(&a);
}
END_TEST

/* The head of the file in a tar; its length. */
static size_t tar_find(ri_str tar, const char *name, size_t *len)
{
    for (size_t at = 0; at + 512 <= tar.len; at += 512 + RI_ALIGN(*len, (size_t)512)) {
        *len = strtoull(tar.ptr + at + 124, NULL, 8);
        if (strcmp(tar.ptr + at, name) == 0) return at;
    }
    ck_abort_msg("%s is not in the archive", name);
    return 0;
}

/* An index that ends early is refused wherever it ends: what it does not tell of would be back. */
START_TEST(test_tar_cut_index)
{
    static const char name[] = "msgs/index.db";
    ri_buffer plain, cut;
    ri_buffer_init(&plain, &host);
    ri_buffer_init(&cut, &host);
    golden_plain("tar.s2", &plain);
    ri_str all = ri_buffer_str(&plain);
    size_t len, at = tar_find(all, name, &len), end = at + 512 + RI_ALIGN(len, (size_t)512);
    for (size_t left = 0; left < len; left++) {
        char size[13];
        snprintf(size, sizeof size, "%011zo", left);
        ri_buffer_put(&cut, all.ptr, at);
        tar_put(&cut, name, size, '0', (ri_str){all.ptr + at + 512, left});
        ri_buffer_put_str(&cut, ri_str_from(all, end));
        hand_refused(&cut, "its index");
    }
    ri_buffer_fini(&plain);
    ri_buffer_fini(&cut);
}
END_TEST

/* What is written is read: nothing is told twice or gets lost. */
START_TEST(test_written)
{
    ri_buffer json, out, told;
    ri_archive_writer w;
    ri_buffer_init(&json, &host);
    ri_buffer_init(&out, &host);
    ri_buffer_init(&told, &host);
    ri_archive_put_begin(&out, RI_STR("{\"first_seq\":3,\"last_seq\":9,\"consumer_count\":2}"), 5);
    for (int i = 0; i < 2; i++) {
        ri_archive_place place = {4, 7, 1, 2};
        ri_buffer_reset(&json);
        ri_archive_state_begin(&w, &json, RI_STR("{\"name\":\"x\"}"), &place);
        for (int k = 0; i && k < 4; k++)
            ri_archive_state_put(&w, &(ri_archive_pending){.stream_seq = 3 + k % 2,
                                                           .consumer_seq = 2 + k % 2,
                                                           .deliveries = 4 + k, .again = k > 1});
        ri_archive_state_more(&w, &(ri_archive_more){.created_ns = -6, .next_seq = 8});
        for (uint64_t k = 0; i && k < 3; k++) ri_archive_state_pick(&w, k + 5);
        ri_archive_state_end(&w);
        ri_archive_put_consumer(&out, i ? RI_STR("b") : RI_STR("a"), ri_buffer_str(&json), 5);
    }
    ri_archive_put_message(&out, &(ri_archive_item){.seq = 4, .time_ns = 1700000000000000001,
                                                    .name = RI_STR("s.t"), .data = RI_STR("data"),
                                                    .headers = RI_STR("NATS/1.0\r\n\r\n")});
    ri_archive_put_end(&out);
    ri_str bytes = ri_buffer_str(&out);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        ri_buffer_reset(&told);
        ck_assert_ok(list_split(bytes, cut, &told));
        ck_assert_span(ri_buffer_str(&told),
                       "first 3\n"
                       "consumer a at 4/7 floor 1/2 made -6 next 8\n"
                       "consumer b at 4/7 floor 1/2 3 6 times 4 7 times 2 pending, 705 made -6 "
                       "next 8 pick 5 pick 6 pick 7\n"
                       "4 s.t 12 data\n"
                       "end 9\n");
    }
    ri_buffer_fini(&json);
    ri_buffer_fini(&out);
    ri_buffer_fini(&told);
}
END_TEST

__attribute__((constructor)) static void archive_host(void)
{
    ri_host_init(&host, NULL);
}

SUITE_MAIN("archive", test_golden, test_golden_damaged, test_block_damaged, test_entries_refused,
           test_consumers_refused, test_states_refused, test_states_at_limits, test_tar_refused,
           test_tar_cut_index, test_written)
