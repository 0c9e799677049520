/* SPDX-License-Identifier: Apache-2.0 */
/* The store on flash by itself: streams, buckets and groups over a device in memory. What becomes
 * of it when the power goes is in test_flash_power.c. */
#include "micro/flash/flash.h"

#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "micro/flash/flash_private.h"
#include "support/flash_model.h"
#include "support/suite.h"

typedef struct store {
    nor flash;
    ri_flash_conf conf;
    ri_flash *f;
    _Alignas(8) char memory[65536];
    char buf[4096];
} store;
static store st;

static void store_remount(void)
{
    memset(st.memory, 0x5a, sizeof st.memory);
    ck_assert_ok(ri_flash_mount(&st.f, &st.conf, st.memory, sizeof st.memory));
}

static void store_make(uint32_t blocks, uint32_t block_bytes, uint32_t program_bytes)
{
    nor_init(&st.flash, blocks, block_bytes, program_bytes, 1);
    st.conf = (ri_flash_conf){.dev = &st.flash.dev, .log_id = 77, .max_record = 512, .max_keys = 32,
                              .max_streams = 4, .max_groups = 4};
    ck_assert_uint_le(ri_flash_need(&st.conf), sizeof st.memory);
    ck_assert_ok(ri_flash_format(&st.conf, st.memory, sizeof st.memory));
    store_remount();
}

static void setup(void)
{
    store_make(16, 4096, 4);
}

static void teardown(void)
{
    nor_fini(&st.flash);
}

static uint32_t make(const char *name, uint32_t flags, uint32_t msgs, uint32_t bytes)
{
    ri_flash_limits limits = {flags, msgs, bytes};
    int stream = ri_flash_stream_ensure(st.f, ri_str_of(name), &limits);
    ck_assert_msg(stream >= 0, "%s: %s", name, ri_err_text());
    return (uint32_t)stream;
}

static int append(uint32_t stream, const char *subject, const char *data)
{
    ri_flash_msg msg = {.subject = ri_str_of(subject), .data = ri_str_of(data), .time_ns = 5};
    return ri_flash_append(st.f, stream, &msg, NULL);
}

static int next(uint32_t stream, uint32_t seq, ri_flash_msg *msg)
{
    return ri_flash_next(st.f, stream, seq, st.buf, sizeof st.buf, msg);
}

static int put(uint32_t bucket, const char *key, const char *data, uint32_t expect)
{
    ri_flash_msg msg = {.subject = ri_str_of(key), .data = ri_str_of(data)};
    return ri_flash_put(st.f, bucket, &msg, expect, NULL);
}

static int forget(uint32_t bucket, const char *key, uint32_t expect)
{
    ri_flash_msg msg = {.subject = ri_str_of(key)};
    return ri_flash_delete(st.f, bucket, &msg, expect);
}

static int get(uint32_t bucket, const char *key, ri_flash_msg *msg)
{
    return ri_flash_get(st.f, bucket, ri_str_of(key), st.buf, sizeof st.buf, msg);
}

START_TEST(test_sum_is_crc32c)
{
    char bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * i + 3);
    for (size_t len = 0; len <= sizeof bytes; len++)
        ck_quick(ri_flash_sum(9, bytes, len) == ri_crc32c(9, bytes, len));
}
END_TEST

/* Bytes on flash, written down: they are the same whatever machine wrote them. */
START_TEST(test_bytes_on_flash)
{
    static const unsigned char head[28] = {'r', 'i', 'l', 'l', 'n', 'o', 'r', '\n', 77, 0, 0, 0,
                                           1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    uint32_t block = 0;
    while (memcmp(st.flash.bytes + block * 4096 + 12, head + 12, 4) != 0) block++;
    const unsigned char *at = st.flash.bytes + block * 4096;
    ck_assert_mem_eq(at, head, sizeof head);
    ck_assert_mem_eq(at, at + 64, RI_FLASH_HEAD);
    ri_flash_record r = {.len = 0x123, .headers = 2, .sum = 0x04030201, .seq = 0x08070605,
                         .time = 0x1112131415161718, .mark = 0x21222324, .kind = 1, .stream = 3,
                         .flags = 1, .subject = 4};
    static const unsigned char want[32] = {
        0x65, 0xa4, 0xa3, 0xcc, 0x23, 0x01, 2,    0,    1,    2,    3,    4,    5, 6, 7, 8,
        0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 1, 3, 1, 4};
    unsigned char out[32];
    ri_flash_put_record(out, ri_flash_seed(77, 1, 128), &r);
    ck_assert_mem_eq(out, want, sizeof want);
}
END_TEST

START_TEST(test_stream)
{
    ri_flash_msg msg;
    ri_flash_stream_info info;
    uint32_t s = make("orders", 0, 0, 8192);
    ck_assert_rc(next(s, 0, &msg), RILL_ENOENT);
    ck_assert_ok(append(s, "orders.eu", "8B"));
    ck_assert_ok(append(s, "orders.us", ""));
    store_remount();
    ck_assert_int_eq(ri_flash_stream_find(st.f, RI_STR("orders")), (int)s);
    ck_assert_ok(next(s, 0, &msg));
    ck_assert_span(msg.subject, "orders.eu");
    ck_assert_span(msg.data, "8B");
    ck_assert_int_eq(msg.time_ns, 5);
    ck_assert_ok(next(s, 2, &msg));
    ck_assert_uint_eq(msg.data.len, 0);
    ck_assert_rc(next(s, 3, &msg), RILL_ENOENT);
    ck_assert_rc(ri_flash_next(st.f, s, 1, st.buf, 3, &msg), RILL_ETOOBIG);
    ck_assert_ok(ri_flash_stream_about(st.f, s, &info));
    ck_assert_uint_eq(info.msgs, 2);
    ck_assert_uint_eq(info.bytes, 44 + 44);
    ck_assert_rc(next(9, 0, &msg), RILL_ENOENT);
    ck_assert_rc(append(9, "x", ""), RILL_ENOENT);
}
END_TEST

START_TEST(test_oldest_make_room)
{
    ri_flash_msg msg;
    ri_flash_stream_info info;
    uint32_t s = make("three", 0, 3, 0), b = 0;
    for (int i = 0; i < 500; i++) ck_assert_ok(append(s, "x", "12345678"));
    for (int again = 0; again < 2; again++) {
        ck_assert_ok(next(s, 0, &msg));
        ck_assert_uint_eq(msg.seq, 498);
        store_remount();
    }
    ck_assert_ok(ri_flash_stream_delete(st.f, s));
    b = make("bytes", 0, 0, 1000);
    for (int i = 0; i < 500; i++) {
        ck_assert_ok(append(b, "x", "1234567890123456789012345678901234567890"));
        ck_assert_ok(ri_flash_stream_about(st.f, b, &info));
        ck_assert_uint_le(info.bytes, 1000);
    }
    ck_assert_uint_eq(info.msgs, 1000 / 76);
}
END_TEST

static const char sixty[] = "some hundred bytes would be more than this, but it is a start";
static const char forty[] = "some 50 bytes of data, to fill some blocks";

/* A full queue says so, and loses nothing; what is settled makes room. */
START_TEST(test_full)
{
    ri_flash_msg msg;
    ri_flash_limits none = {0, 0, 0};
    uint32_t s = make("q", RI_FLASH_REJECT | RI_FLASH_WORK, 0, 0), n = 0;
    ck_assert_rc(ri_flash_stream_ensure(st.f, RI_STR("more"), &none), RILL_EFULL);
    int g = ri_flash_group_ensure(st.f, s, RI_STR("w"));
    ck_assert_int_ge(g, 0);
    int rc = 0;
    while ((rc = append(s, "q", sixty)) == 0) n++;
    ck_assert_int_eq(rc, RILL_EFULL);
    ck_assert_uint_gt(n, 16 * 4096 / 2 / 110);
    uint64_t erases = 0, erases_after = 0;
    for (uint32_t i = 0; i < 16; i++) erases += st.flash.wear[i];
    for (int i = 0; i < 100; i++) ck_assert_rc(append(s, "q", sixty), RILL_EFULL);
    for (uint32_t i = 0; i < 16; i++) erases_after += st.flash.wear[i];
    ck_assert_uint_eq(erases_after, erases); /* what is refused wears nothing */
    store_remount();
    for (uint32_t seq = 1; seq <= n; seq++) {
        ck_assert_ok(next(s, seq, &msg));
        ck_quick(msg.seq == seq);
    }
    for (uint32_t i = 0; i < 3 * n; i++) { /* one goes, one comes, for some rounds */
        ck_assert_ok(ri_flash_group_next(st.f, (uint32_t)g, 0, 1000, st.buf, sizeof st.buf, &msg));
        ck_quick(msg.seq == i + 1);
        ck_assert_ok(ri_flash_group_ack(st.f, (uint32_t)g, msg.seq));
        ck_assert_ok(append(s, "q", sixty));
    }
    ri_flash_stats stats;
    ri_flash_stats_of(st.f, &stats);
    ck_assert_uint_gt(stats.collected, 10);
    ck_assert_uint_le(stats.programmed_bytes, 10 * stats.asked_bytes);
    ck_assert_uint_le(stats.wear_max - stats.wear_min, 2);
}
END_TEST

START_TEST(test_bucket)
{
    ri_flash_msg msg;
    uint32_t kv = make("kv", RI_FLASH_BUCKET, 0, 8000);
    ck_assert_ok(put(kv, "a", "1", 0));
    ck_assert_ok(put(kv, "b", "1", RI_FLASH_ANY));
    ck_assert_ok(put(kv, "a", "2", 1));
    ck_assert_rc(put(kv, "a", "3", 1), RILL_ECONFLICT);
    ck_assert_rc(put(kv, "a", "3", 0), RILL_ECONFLICT);
    ck_assert_rc(put(kv, "", "3", 0), RILL_EINVAL);
    ck_assert_rc(get(kv, "c", &msg), RILL_ENOENT);
    for (int again = 0; again < 2; again++) {
        ck_assert_ok(get(kv, "a", &msg));
        ck_assert_span(msg.data, "2");
        ck_assert_uint_eq(msg.seq, 3);
        ck_assert_ok(ri_flash_key_after(st.f, kv, 0, st.buf, sizeof st.buf, &msg));
        ck_assert_span(msg.subject, "b");
        ck_assert_ok(ri_flash_key_after(st.f, kv, 2, st.buf, sizeof st.buf, &msg));
        ck_assert_span(msg.subject, "a");
        ck_assert_rc(ri_flash_key_after(st.f, kv, 3, st.buf, sizeof st.buf, &msg), RILL_ENOENT);
        store_remount();
    }
    ck_assert_ok(forget(kv, "a", 3));
    ck_assert_rc(forget(kv, "a", RI_FLASH_ANY), RILL_ENOENT);
    store_remount();
    ck_assert_rc(get(kv, "a", &msg), RILL_ENOENT);
    ck_assert_ok(get(kv, "b", &msg));
    for (int i = 0; i < 31; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_ok(put(kv, key, "v", 0));
    }
    ck_assert_rc(put(kv, "one more", "v", 0), RILL_EFULL);
    ck_assert_ok(put(kv, "k7", "w", RI_FLASH_ANY));
    ck_assert_ok(ri_flash_stream_purge(st.f, kv, UINT32_MAX - 1));
    store_remount();
    ck_assert_rc(get(kv, "k7", &msg), RILL_ENOENT);
}
END_TEST

/* A deletion outlives what it deletes, also when both have gone round the whole flash. */
START_TEST(test_deletions_last)
{
    ri_flash_msg msg;
    uint32_t kv = make("kv", RI_FLASH_BUCKET, 0, 4000), s = make("x", 0, 4, 4000);
    ck_assert_ok(put(kv, "gone", "x", 0));
    ck_assert_ok(put(kv, "stays", "y", 0));
    ck_assert_ok(forget(kv, "gone", RI_FLASH_ANY));
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 40; i++) ck_assert_ok(append(s, "x", forty));
        if (round % 3 == 0) store_remount();
        ck_assert_rc(get(kv, "gone", &msg), RILL_ENOENT);
        ck_assert_ok(get(kv, "stays", &msg));
    }
}
END_TEST

/* Who watches gets deletions, also when their blocks have been collected, until he has read them,
 * or their entry is needed. */
START_TEST(test_deletions_watched)
{
    ri_flash_msg msg;
    char key[8];
    uint32_t kv = make("kv", RI_FLASH_BUCKET, 0, 4000), s = make("x", 0, 4, 4000);
    ck_assert_uint_eq(ri_flash_watch(st.f, kv, 1), 0);
    ck_assert_ok(put(kv, "gone", "x", 0));
    ck_assert_ok(forget(kv, "gone", RI_FLASH_ANY));
    ck_assert_rc(get(kv, "gone", &msg), RILL_ENOENT);
    ck_assert_ok(put(kv, "gone", "y", 0)); /* a new one beside it */
    for (int i = 0; i < 3000; i++) ck_assert_ok(append(s, "x", forty));
    ck_assert_ok(ri_flash_key_after(st.f, kv, 0, st.buf, sizeof st.buf, &msg));
    ck_assert_uint_eq(msg.seq, 2);
    ck_assert(msg.deleted);
    ck_assert_span(msg.subject, "gone");
    ck_assert_uint_eq(ri_flash_watch(st.f, kv, 3), 0);
    ck_assert_ok(ri_flash_key_after(st.f, kv, 0, st.buf, sizeof st.buf, &msg));
    ck_assert_uint_eq(msg.seq, 3);
    ck_assert(!msg.deleted);
    ck_assert_ok(forget(kv, "gone", 3));
    for (int i = 0; i < 31; i++) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_ok(put(kv, key, "v", 0));
    }
    ck_assert_uint_eq(ri_flash_watch(st.f, kv, 3), 0); /* there is an entry for each */
    ck_assert_ok(put(kv, "k31", "v", 0));
    ck_assert_uint_eq(ri_flash_watch(st.f, kv, 3), 4);
    ck_assert_rc(put(kv, "k32", "v", 0), RILL_EFULL);
    ck_assert_ok(forget(kv, "k0", RI_FLASH_ANY));
    ck_assert_uint_eq(ri_flash_watch(st.f, kv, 0), 4); /* nobody watches any more */
    ck_assert_ok(put(kv, "k32", "v", 0));
    store_remount();
    ck_assert_rc(get(kv, "k0", &msg), RILL_ENOENT);
    ck_assert_ok(get(kv, "k32", &msg));
}
END_TEST

/* Deletions that are kept give way when the bucket has its bytes. */
START_TEST(test_deletions_take_no_room)
{
    char data[450], key[8];
    memset(data, 'x', sizeof data);
    data[sizeof data - 1] = 0;
    uint32_t kv = make("kv", RI_FLASH_BUCKET, 0, 1024);
    ri_flash_watch(st.f, kv, 1);
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_ok(put(kv, key, data, 0));
        if (i > 0) {
            snprintf(key, sizeof key, "k%d", i - 1);
            ck_assert_ok(forget(kv, key, RI_FLASH_ANY));
        }
    }
    ck_assert_uint_gt(ri_flash_watch(st.f, kv, 1), 0);
}
END_TEST

static void store_make_ids(uint16_t ids)
{
    nor_fini(&st.flash);
    nor_init(&st.flash, 16, 4096, 4, 1);
    st.conf.max_ids = ids;
    ck_assert_ok(ri_flash_format(&st.conf, st.memory, sizeof st.memory));
    store_remount();
}

static int append_id(uint32_t stream, const char *id, uint32_t *seq)
{
    ri_flash_msg msg = {.subject = RI_STR("s"), .data = RI_STR("data"), .id = ri_str_of(id)};
    return ri_flash_append(st.f, stream, &msg, seq);
}

START_TEST(test_hash_of_ids)
{
    static const uint32_t key[2] = {0x03020100, 0x07060504};
    static const uint8_t want[RI_FLASH_ID] = {0x21, 0x8d, 0x1f, 0x59, 0xb9, 0xb8, 0x3c, 0xc8};
    uint8_t hash[RI_FLASH_ID];
    ri_flash_ids_hash(key, RI_STR(""), hash); /* the first of the vectors that its authors give */
    ck_assert_mem_eq(hash, want, sizeof want);
}
END_TEST

/* The last so many ids are known, whatever became of their messages, and of the power. */
START_TEST(test_ids)
{
    ri_flash_msg msg;
    uint32_t seq = 0, s = make("s", RI_FLASH_WORK, 0, 8000), x = make("x", 0, 4, 4000);
    ck_assert_rc(append_id(s, "a", NULL), RILL_ENOTSUP);
    store_make_ids(3);
    s = make("s", RI_FLASH_WORK, 0, 8000);
    x = make("x", 0, 4, 4000);
    uint32_t g = (uint32_t)ri_flash_group_ensure(st.f, s, RI_STR("g"));
    ck_assert_ok(append_id(s, "a", &seq));
    ck_assert_ok(append_id(s, "b", NULL));
    ck_assert_ok(append_id(x, "a", NULL)); /* of another stream */
    ck_assert_int_eq(append_id(s, "a", &seq), 1);
    ck_assert_uint_eq(seq, 1);
    ck_assert_ok(next(s, 1, &msg));
    ck_assert_span(msg.data, "data");
    ck_assert_ok(ri_flash_group_ack_all(st.f, g, 2));
    for (int round = 0; round < 40; round++) { /* they are collected */
        for (int i = 0; i < 50; i++) ck_assert_ok(append(x, "x", forty));
        if (round % 3 == 0) store_remount();
        ck_assert_int_eq(append_id(s, "b", &seq), 1);
        ck_assert_uint_eq(seq, 2);
    }
    ck_assert_int_eq(append_id(s, "a", NULL), 1);
    ck_assert_ok(append_id(s, "c", NULL));
    ck_assert_int_eq(append_id(s, "b", NULL), 1);
    ck_assert_ok(append_id(s, "a", &seq)); /* three others have come since */
    ck_assert_uint_eq(seq, 4);
    store_remount();
    ck_assert_int_eq(append_id(s, "a", NULL), 1);
    ck_assert_int_eq(append_id(s, "c", NULL), 1);
    ck_assert_ok(append_id(s, "b", NULL));
    ck_assert_ok(ri_flash_stream_delete(st.f, s));
    s = make("t", RI_FLASH_WORK, 0, 8000); /* with the number of the one that has gone */
    ck_assert_ok(append_id(s, "b", NULL));
    store_remount();
    ck_assert_int_eq(append_id(s, "b", NULL), 1);
    ck_assert_ok(append_id(s, "c", NULL));
    st.conf.max_ids = 4;
    ck_assert_rc(ri_flash_mount(&st.f, &st.conf, st.memory, sizeof st.memory), RILL_ENOTSUP);
    st.conf.max_ids = RI_FLASH_IDS + 1;
    ck_assert_uint_eq(ri_flash_need(&st.conf), 0);
}
END_TEST

START_TEST(test_group)
{
    ri_flash_msg msg;
    uint32_t s = make("s", 0, 0, 8000);
    int g = ri_flash_group_ensure(st.f, s, RI_STR("g"));
    uint32_t group = (uint32_t)g;
    for (int i = 0; i < 40; i++) ck_assert_ok(append(s, "x", "y"));
    for (uint32_t i = 1; i <= RI_FLASH_WINDOW; i++) {
        ck_assert_ok(ri_flash_group_next(st.f, group, 0, 1000, st.buf, sizeof st.buf, &msg));
        ck_assert_uint_eq(msg.seq, i);
    }
    ck_assert_rc(ri_flash_group_next(st.f, group, 0, 1000, st.buf, sizeof st.buf, &msg),
                 RILL_EAGAIN);
    ck_assert_ok(ri_flash_group_ack(st.f, group, 2));
    ck_assert_ok(ri_flash_group_ack(st.f, group, 2));
    ck_assert_rc(ri_flash_group_ack(st.f, group, 36), RILL_EINVAL);
    ck_assert_ok(ri_flash_group_nak(st.f, group, 3, 0, 10));
    ck_assert_ok(ri_flash_group_next(st.f, group, 20 * RI_MS, 1000, st.buf, sizeof st.buf, &msg));
    ck_assert_uint_eq(msg.seq, 3);
    ck_assert_uint_eq(msg.tries, 2);
    ck_assert_ok(ri_flash_group_ack(st.f, group, 1));
    ri_flash_group_info info;
    ck_assert_ok(ri_flash_group_about(st.f, group, &info));
    ck_assert_uint_eq(info.acked_seq, 2);
    ck_assert_uint_eq(info.out, 30);
    ck_assert_uint_eq(info.waiting, 8);
    ck_assert_ok(ri_flash_group_ack(st.f, group, 5));
    store_remount();
    ck_assert_int_eq(ri_flash_group_find(st.f, s, RI_STR("g")), g);
    uint32_t want[] = {3, 4, 6, 7};
    for (size_t i = 0; i < RI_LEN(want); i++) {
        ck_assert_ok(ri_flash_group_next(st.f, group, 0, 1000, st.buf, sizeof st.buf, &msg));
        ck_assert_uint_eq(msg.seq, want[i]);
    }
    ck_assert_ok(ri_flash_group_ack_all(st.f, group, 30));
    ck_assert_ok(ri_flash_stream_purge(st.f, s, 35));
    ck_assert_ok(ri_flash_group_next(st.f, group, 0, 1000, st.buf, sizeof st.buf, &msg));
    ck_assert_uint_eq(msg.seq, 35);
    ck_assert_ok(ri_flash_group_delete(st.f, group));
    ck_assert_rc(ri_flash_group_ack(st.f, group, 36), RILL_ENOENT);
    store_remount();
    ck_assert_rc(ri_flash_group_find(st.f, s, RI_STR("g")), RILL_ENOENT);
}
END_TEST

/* Records may be damaged whose numbers a group has settled: nobody gets these again, and the group
 * goes on behind them, also from what is written as a whole later. */
START_TEST(test_group_beyond_its_stream)
{
    ri_flash_msg msg;
    uint32_t s = make("s", 0, 0, 8000);
    uint32_t group = (uint32_t)ri_flash_group_ensure(st.f, s, RI_STR("g"));
    for (int i = 0; i < 3; i++) ck_assert_ok(append(s, "x", "y"));
    ck_assert_ok(ri_flash_group_write(st.f, group, (uint8_t)s, 0, 0x3fe, NULL)); /* 2 to 10 */
    store_remount();
    ck_assert_ok(append(s, "x", "new"));
    ck_assert_ok(next(s, 4, &msg));
    ck_assert_uint_eq(msg.seq, 11);
    for (int i = 0; i < 400; i++) ck_assert_ok(append(s, "x", "y"));
    store_remount();
    ck_assert_ok(ri_flash_group_ack(st.f, group, 1));
    ri_flash_group_info info;
    ck_assert_ok(ri_flash_group_about(st.f, group, &info));
    ck_assert_uint_ge(info.acked_seq, 10);
}
END_TEST

START_TEST(test_streams_come_and_go)
{
    ri_flash_msg msg;
    ri_flash_limits other = {RI_FLASH_REJECT, 0, 600}, less = {0, 2, 600};
    uint32_t s = make("s", 0, 0, 4000);
    for (int i = 0; i < 5; i++) ck_assert_ok(append(s, "x", "y"));
    ck_assert_rc(ri_flash_stream_ensure(st.f, RI_STR("s"), &other), RILL_EEXIST);
    ck_assert_int_eq(ri_flash_stream_ensure(st.f, RI_STR("s"), &less), (int)s);
    ck_assert_ok(next(s, 0, &msg));
    ck_assert_uint_eq(msg.seq, 4);
    less.max_msgs = 100;
    ck_assert_int_eq(ri_flash_stream_ensure(st.f, RI_STR("s"), &less), (int)s);
    store_remount(); /* what the lower limit removed stays away */
    ck_assert_ok(next(s, 0, &msg));
    ck_assert_uint_eq(msg.seq, 4);
    ck_assert_int_ge(ri_flash_group_ensure(st.f, s, RI_STR("g")), 0);
    ck_assert_ok(ri_flash_stream_delete(st.f, s));
    uint32_t again = make("s", RI_FLASH_BUCKET, 0, 4000);
    ck_assert_uint_eq(again, s);
    store_remount();
    ck_assert_rc(ri_flash_group_find(st.f, s, RI_STR("g")), RILL_ENOENT);
    ck_assert_rc(next(s, 0, &msg), RILL_ENOENT);
    ck_assert_ok(put(s, "k", "v", 0));
    make("t", 0, 0, 600);
    make("u", 0, 0, 600);
    make("v", 0, 0, 600);
    ck_assert_rc(ri_flash_stream_ensure(st.f, RI_STR("w"), &other), RILL_EFULL);
    ri_str name = RI_STR("a name that is longer than all 47 bytes of a title");
    ck_assert_rc(ri_flash_stream_ensure(st.f, name, &other), RILL_EINVAL);
}
END_TEST

START_TEST(test_options_are_looked_at)
{
    rill_flash dev = st.flash.dev;
    ri_flash_conf good = st.conf, conf = good;
    conf.dev = &dev;
    dev.program_bytes = 3;
    ck_assert_uint_eq(ri_flash_need(&conf), 0);
    dev = st.flash.dev, dev.blocks = 3;
    ck_assert_uint_eq(ri_flash_need(&conf), 0);
    dev = st.flash.dev, dev.block_bytes = 4095;
    ck_assert_uint_eq(ri_flash_need(&conf), 0);
    dev = st.flash.dev, dev.block_bytes = 512;
    ck_assert_uint_eq(ri_flash_need(&conf), 0);
    dev = st.flash.dev, dev.erase = NULL;
    ck_assert_uint_eq(ri_flash_need(&conf), 0);
    conf = good, conf.max_record = 2000;
    ck_assert_uint_eq(ri_flash_need(&conf), 0);
    conf = good, conf.max_streams = 17;
    ck_assert_uint_eq(ri_flash_need(&conf), 0);
    conf = good, conf.reserve = 13;
    ck_assert_uint_eq(ri_flash_need(&conf), 0);
    ck_assert_rc(ri_flash_mount(&st.f, &good, st.memory, ri_flash_need(&good) - 1), RILL_ENOMEM);
    conf = good, conf.max_streams = 5; /* it was formatted for 4 */
    ck_assert_rc(ri_flash_mount(&st.f, &conf, st.memory, sizeof st.memory), RILL_ENOTSUP);
}
END_TEST

/* A flash without a store, of noise, or half formatted, is refused. */
START_TEST(test_no_store)
{
    nor *n = &st.flash;
    uint64_t ops = n->ops;
    size_t size = 16 * 4096;
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < size; i++)
            n->bytes[i] = (unsigned char)(kind < 2 ? kind - 1 : (int)(rng_next(&n->dice) >> 9));
        ck_assert_rc(ri_flash_mount(&st.f, &st.conf, st.memory, sizeof st.memory), RILL_ENOENT);
    }
    ck_assert_uint_eq(n->ops, ops); /* and nothing was written */
    for (uint64_t cut = 1;; cut++) {
        n->cut_at = n->ops + cut;
        int rc = ri_flash_format(&st.conf, st.memory, sizeof st.memory);
        nor_power(n);
        if (rc == 0) break;
        rc = ri_flash_mount(&st.f, &st.conf, st.memory, sizeof st.memory);
        ck_assert_msg(rc == 0 || rc == RILL_ENOENT || rc == RILL_ECORRUPT, "%llu: %d",
                      (unsigned long long)cut, rc);
    }
    n->fail_reads = true;
    ck_assert_rc(ri_flash_mount(&st.f, &st.conf, st.memory, sizeof st.memory), RILL_EIO);
    n->fail_reads = false;
    store_remount();
}
END_TEST

/* Each byte of the heads of the newest block is damaged in each copy, and in both: the other one
 * stands for it, or the store is refused, and comes back when the byte does. */
START_TEST(test_heads_damaged)
{
    ri_flash_msg msg;
    uint32_t s = make("s", 0, 0, 4000);
    ck_assert_ok(append(s, "x", "y"));
    uint32_t block = st.f->head;
    unsigned char *head = st.flash.bytes + block * 4096;
    for (uint32_t i = 0; i < RI_FLASH_HEAD; i++) {
        for (int which = 1; which <= 3; which++) {
            for (int copy = 0; copy < 2; copy++)
                if (which >> copy & 1) head[copy * 64 + i] ^= 0x10;
            uint64_t ops = st.flash.ops;
            int rc = ri_flash_mount(&st.f, &st.conf, st.memory, sizeof st.memory);
            if (which < 3) {
                ck_assert_ok(rc);
                ck_assert_ok(next(s, 0, &msg));
            } else {
                ck_assert_int_lt(rc, 0);
                ck_assert_uint_eq(st.flash.ops, ops);
            }
            for (int copy = 0; copy < 2; copy++)
                if (which >> copy & 1) head[copy * 64 + i] ^= 0x10;
        }
    }
    store_remount();
    ck_assert_ok(next(s, 0, &msg));
}
END_TEST

/* Each bit of a stored message is turned, one at a time: that message is lost and counted, its
 * neighbours are not. */
START_TEST(test_one_bit)
{
    ri_flash_msg msg;
    ri_flash_stats stats;
    uint32_t s = make("s", 0, 0, 4000);
    for (int i = 0; i < 3; i++) ck_assert_ok(append(s, "subject", "some data"));
    store_remount();
    ck_assert_ok(append(s, "behind", "it"));
    ri_flash_record r;
    ck_assert_ok(ri_flash_find(st.f, s, 2, &r));
    for (uint32_t bit = 0; bit < r.len * 8u; bit++) {
        st.flash.bytes[r.at + bit / 8] ^= (unsigned char)(1 << bit % 8);
        if (bit % 7 == 0) store_remount();
        ck_assert_ok(next(s, 0, &msg));
        ck_quick(msg.seq == 1);
        ck_assert_ok(next(s, 2, &msg));
        ck_quick(msg.seq == 3);
        ck_assert_ok(next(s, 4, &msg));
        ck_quick(ri_str_is(msg.subject, "behind"));
        st.flash.bytes[r.at + bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    ri_flash_stats_of(st.f, &stats);
    ck_assert_uint_gt(stats.damaged, 0);
    ck_assert_ok(next(s, 2, &msg));
    ck_assert_uint_eq(msg.seq, 2);
}
END_TEST

/* A block that is missing is not passed over, unless that was asked for. */
START_TEST(test_block_missing)
{
    ri_flash_msg msg;
    ri_flash_stats stats;
    uint32_t s = make("s", RI_FLASH_REJECT, 0, 0);
    for (int i = 0; i < 300; i++) ck_assert_ok(append(s, "x", forty));
    uint32_t block = ri_flash_block_of(st.f, st.f->head_seq - 2);
    memset(st.flash.bytes + block * 4096, 0xff, 4096);
    ck_assert_rc(ri_flash_mount(&st.f, &st.conf, st.memory, sizeof st.memory), RILL_ECORRUPT);
    st.conf.accept_loss = true;
    store_remount();
    ri_flash_stats_of(st.f, &stats);
    ck_assert_uint_eq(stats.lost_blocks, 1);
    uint32_t n = 0;
    for (uint32_t seq = 0; next(s, seq, &msg) == 0; seq = msg.seq + 1) n++;
    ck_assert_uint_ge(n, 300 - 4096 / 76);
    ck_assert_uint_lt(n, 300);
}
END_TEST

/* A message that is made to look like the records of a store is one message. */
START_TEST(test_a_record_in_a_message)
{
    ri_flash_msg msg;
    uint32_t s = make("s", 0, 0, 4000);
    ck_assert_ok(append(s, "x", "first"));
    ri_flash_record r;
    ck_assert_ok(ri_flash_find(st.f, s, 1, &r));
    char copy[64];
    memcpy(copy, st.flash.bytes + r.at, r.len);
    ri_flash_msg fake = {.subject = RI_STR("abcd"), .data = {copy, r.len}};
    ck_assert_ok(ri_flash_append(st.f, s, &fake, NULL));
    ck_assert_ok(append(s, "x", "third"));
    ck_assert_ok(ri_flash_find(st.f, s, 2, &r));
    st.flash.bytes[r.at + 1] ^= 4; /* so that the walk looks into it */
    store_remount();
    ck_assert_ok(next(s, 2, &msg));
    ck_assert_uint_eq(msg.seq, 3);
    ck_assert_ok(next(s, 0, &msg));
    ck_assert_span(msg.data, "first");
}
END_TEST

/* Blocks that fail, with and without saying so, when they are erased or programmed. */
START_TEST(test_bad_blocks)
{
    ri_flash_msg msg;
    ri_flash_stats stats;
    uint32_t s = make("s", 0, 20, 8000), kv = make("kv", RI_FLASH_BUCKET, 0, 4000);
    ck_assert_ok(put(kv, "k", "v", 0));
    for (uint32_t i = 0; i < 1500; i++) {
        if (i % 300 == 150) {
            st.flash.silent = i % 600 == 150;
            *(i < 700 ? &st.flash.bad_program : &st.flash.bad_erase) = (i / 300 * 5 + 1) % 16;
        }
        ck_assert_ok(append(s, "x", forty));
        if (i % 100 == 0) store_remount();
        ck_assert_ok(get(kv, "k", &msg));
    }
    ck_assert_ok(next(s, 0, &msg));
    ck_assert_uint_eq(msg.seq, 1481);
    ri_flash_stats_of(st.f, &stats);
    ck_assert_uint_ge(stats.bad_blocks, 2);
    ck_assert_uint_le(stats.bad_blocks, 5);
}
END_TEST

START_TEST(test_wear)
{
    ri_flash_stats stats;
    ri_flash_msg msg;
    uint32_t rests = make("rests", RI_FLASH_REJECT, 0, 12000), s = make("s", 0, 10, 4000);
    for (int i = 0; i < 150; i++) ck_assert_ok(append(rests, "x", "this does not change"));
    for (int i = 0; i < 20000; i++) ck_assert_ok(append(s, "x", forty));
    store_remount();
    ri_flash_stats_of(st.f, &stats);
    ck_assert_uint_gt(stats.wear_min, 10);
    ck_assert_uint_le(stats.wear_max - stats.wear_min, 3);
    for (uint32_t i = 0; i < 16; i++) {
        ck_assert_uint_ge(st.flash.wear[i], stats.wear_min);
        ck_assert_uint_le(st.flash.wear[i], stats.wear_max);
    }
    ck_assert_ok(next(rests, 150, &msg));
    ck_assert_uint_eq(msg.seq, 150);
    uint32_t before = stats.wear_min;
    ck_assert_ok(ri_flash_format(&st.conf, st.memory, sizeof st.memory)); /* it is kept */
    store_remount();
    ri_flash_stats_of(st.f, &stats);
    ck_assert_uint_gt(stats.wear_min, before);
}
END_TEST

SUITE_MAIN_ROWS("flash", SUITE_WITH(setup, teardown, test_sum_is_crc32c, test_bytes_on_flash,
    test_stream, test_oldest_make_room, test_full, test_bucket, test_deletions_last,
    test_deletions_watched, test_deletions_take_no_room, test_hash_of_ids, test_ids, test_group,
    test_group_beyond_its_stream, test_streams_come_and_go, test_options_are_looked_at,
    test_no_store, test_heads_damaged, test_one_bit, test_block_missing,
    test_a_record_in_a_message, test_bad_blocks, test_wear))
