/* SPDX-License-Identifier: Apache-2.0 */
/* A store whose bytes on flash somebody has changed, and one that somebody has made up: whatever it
 * is, the mount ends, and what it says is there can be read, written, and mounted again.
 *
 * Of an input the first byte says what it is: bytes for all of the flash, or changes, as place and
 * value, of a store that holds; sums are made right again if the second byte is odd, so that what
 * they protect is reached. */
#include <string.h>

#include "micro/flash/flash_private.h"
#include "support/fuzz.h"
#include "support/nor.h"

enum { BLOCKS = 8, BLOCK = 1024, SIZE = BLOCKS * BLOCK, ID = 7 };

static _Alignas(8) char fuzz_memory[16384];
static unsigned char fuzz_whole[SIZE];

static ri_flash_conf fuzz_conf(nor *n, bool accept_loss)
{
    return (ri_flash_conf){.dev = &n->dev, .log_id = ID, .max_record = 96, .max_keys = 6,
                           .max_streams = 3, .max_groups = 2, .reserve = 1,
                           .accept_loss = accept_loss};
}

static void fuzz_use(ri_flash *f)
{
    char buf[256];
    ri_flash_msg msg;
    ri_flash_msg more = {.subject = RI_STR("s"), .data = RI_STR("data")};
    for (uint32_t s = 0; s < 3; s++) {
        uint32_t seq = 0, n = 0;
        while (ri_flash_next(f, s, seq, buf, sizeof buf, &msg) == 0) {
            fuzz_require(msg.seq >= seq && ++n <= SIZE / 32, "messages come in order, and end");
            seq = msg.seq + 1;
        }
        (void)ri_flash_get(f, s, RI_STR("key"), buf, sizeof buf, &msg);
        for (int i = 0; i < 20; i++) (void)ri_flash_append(f, s, &more, NULL);
        (void)ri_flash_put(f, s, &more, RI_FLASH_ANY, NULL);
        (void)ri_flash_delete(f, s, &more, RI_FLASH_ANY);
    }
    for (uint32_t g = 0; g < 2; g++)
        for (int i = 0; i < 3; i++)
            if (ri_flash_group_next(f, g, 0, 10, buf, sizeof buf, &msg) == 0)
                (void)ri_flash_group_ack(f, g, msg.seq);
}

/* A store with something of everything. */
static void fuzz_make(nor *n)
{
    ri_flash_conf conf = fuzz_conf(n, false);
    ri_flash *f;
    ri_flash_msg msg = {.subject = RI_STR("key"), .headers = RI_STR("a: b\r\n"),
                        .data = RI_STR("value")};
    ri_flash_limits work = {RI_FLASH_WORK | RI_FLASH_REJECT, 5, 300}, log = {0, 3, 200};
    ri_flash_limits kv = {RI_FLASH_BUCKET, 0, 200};
    fuzz_require(ri_flash_format(&conf, fuzz_memory, sizeof fuzz_memory) == 0, "formats");
    fuzz_require(ri_flash_mount(&f, &conf, fuzz_memory, sizeof fuzz_memory) == 0, "mounts");
    fuzz_require(ri_flash_stream_ensure(f, RI_STR("work"), &work) == 0, "work");
    fuzz_require(ri_flash_stream_ensure(f, RI_STR("log"), &log) == 1, "log");
    fuzz_require(ri_flash_stream_ensure(f, RI_STR("kv"), &kv) == 2, "kv");
    fuzz_require(ri_flash_group_ensure(f, 0, RI_STR("g")) == 0, "g");
    fuzz_require(ri_flash_group_ensure(f, 1, RI_STR("r")) == 1, "r");
    for (int i = 0; i < 12; i++) {
        (void)ri_flash_append(f, 0, &msg, NULL);
        (void)ri_flash_append(f, 1, &msg, NULL);
        (void)ri_flash_put(f, 2, &msg, RI_FLASH_ANY, NULL);
        if (i == 4) (void)ri_flash_group_ack(f, 0, 2);
    }
}

/* What has a sum gets the right one again: heads, and what stands where records do. */
static void fuzz_mend(unsigned char *bytes)
{
    for (uint32_t block = 0; block < BLOCKS; block++) {
        unsigned char *at = bytes + block * BLOCK;
        for (int copy = 0; copy < 2; copy++)
            ri_flash_put32(at + copy * 64 + 44, ri_flash_sum(0, at + copy * 64, 44));
        for (uint32_t off = 128; off + 32 <= BLOCK; off += 4) {
            uint32_t len = ri_flash_get16(at + off + 4);
            if (at[off + 28] < 1 || at[off + 28] > 5 || len < 32 || len > BLOCK - off) continue;
            ri_flash_put32(at + off + 8, ri_flash_sum(0, at + off + 32, len - 32));
            ri_flash_put32(at + off, ri_flash_sum(ri_flash_seed(ID, ri_flash_get32(at + 12), off),
                                                  at + off + 4, 28));
            off += (len + 3) / 4 * 4 - 4;
        }
    }
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static bool made;
    nor n;
    ri_flash *f;
    if (size < 3) return 0;
    nor_init(&n, BLOCKS, BLOCK, 1, 1);
    n.lenient = true;
    if (!made) {
        fuzz_make(&n);
        memcpy(fuzz_whole, n.bytes, SIZE);
        made = true;
    }
    memcpy(n.bytes, fuzz_whole, SIZE);
    if (data[0] % 4 == 0) {
        memcpy(n.bytes, data + 2, size - 2 < SIZE ? size - 2 : SIZE);
    } else {
        for (size_t i = 2; i + 3 <= size && i < 2 + 3 * 16; i += 3)
            n.bytes[(data[i] | (uint32_t)data[i + 1] << 8) % SIZE] = data[i + 2];
    }
    if (data[1] & 1) fuzz_mend(n.bytes);
    ri_flash_conf conf = fuzz_conf(&n, data[1] & 2);
    if (ri_flash_mount(&f, &conf, fuzz_memory, sizeof fuzz_memory) == 0) {
        fuzz_use(f);
        (void)ri_flash_mount(&f, &conf, fuzz_memory, sizeof fuzz_memory);
    }
    nor_fini(&n);
    return 0;
}
