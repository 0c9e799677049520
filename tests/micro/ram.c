/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle takes of its arena beside what the program sizes: rill_bus_stats() says how much of
 * it is used, which is linear in each size, so that with two values for each it is known what it
 * would be if all were 0. */
#include "board.h"
#include "rill.h"

#include <string.h>

static _Alignas(8) char arena[24 * 1024];

static void fail(const char *what)
{
    board_print(what);
    board_print(": ");
    board_print(rill_errmsg());
    board_print("\n");
    board_exit(1);
}

/* A size, its two values, and the one that it has now. */
typedef struct size_of {
    uint32_t low, high, now;
} size_of;

enum { SUBS, PENDING, CALLS, MSG, SUBJECT, READERS, BUCKETS, COMMON,
       STREAMS = COMMON, GROUPS, IDS, KEYS, RECORD, BLOCKS, ALL };

/* Chosen so that nothing is rounded up to a multiple of 8. */
static size_of sizes[ALL] = {
    [SUBS] = {1, 2, 1}, [PENDING] = {1, 2, 1}, [CALLS] = {1, 2, 1}, [MSG] = {1020, 2044, 1020},
    [SUBJECT] = {62, 126, 62}, [READERS] = {1, 2, 1}, [BUCKETS] = {1, 2, 1}, [STREAMS] = {1, 2, 1},
    [GROUPS] = {1, 2, 1}, [IDS] = {2, 4, 2}, [KEYS] = {2, 4, 2}, [RECORD] = {128, 192, 128},
    [BLOCKS] = {6, 8, 6},
};

#ifdef RI_MICRO_FLASH
enum { BLOCK = 2048, MOST = 8 };
static unsigned char flash[MOST * BLOCK];

static int flash_read(void *arg, uint32_t at, void *buf, uint32_t len)
{
    (void)arg;
    memcpy(buf, flash + at, len);
    return 0;
}

static int flash_program(void *arg, uint32_t at, const void *buf, uint32_t len)
{
    (void)arg;
    memcpy(flash + at, buf, len);
    return 0;
}

static int flash_erase(void *arg, uint32_t block)
{
    (void)arg;
    memset(flash + block * BLOCK, 0xff, BLOCK);
    return 0;
}

static char *put(char *at, const char *name, uint32_t n)
{
    char digits[10];
    size_t len = 0;
    at = strcpy(at, name) + strlen(name);
    do digits[len++] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    while (len > 0) *at++ = digits[--len];
    *at = 0;
    return at;
}
#endif

static int no_dial(rill_wire **wire, const char *address, void *arg)
{
    (void)wire;
    (void)address;
    (void)arg;
    return RILL_ECONN;
}

static int32_t used(const char *url)
{
    const rill_memory memory = {
        .size = sizeof memory, .arena = arena, .arena_bytes = sizeof arena,
        .max_subs = sizes[SUBS].now, .max_pending = sizes[PENDING].now,
        .max_calls = sizes[CALLS].now, .max_msg_bytes = sizes[MSG].now,
        .max_subject_bytes = sizes[SUBJECT].now, .max_readers = sizes[READERS].now,
        .max_buckets = sizes[BUCKETS].now,
    };
    rill_bus *bus;
    rill_stats stats = {.size = sizeof stats};
    rill_opts opts = {.size = sizeof opts, .host = &board_host, .drive = RILL_DRIVE_HOST,
                      .no_wait = true, .dial = no_dial, .memory = &memory};
#ifdef RI_MICRO_FLASH
    char text[96];
    const rill_flash dev = {.size = sizeof dev, .read = flash_read, .program = flash_program,
                            .erase = flash_erase, .block_bytes = BLOCK,
                            .blocks = sizes[BLOCKS].now, .program_bytes = 4};
    if (url[0] == 'f') {
        char *at = put(text, "flash:x?format=always&streams=", sizes[STREAMS].now);
        at = put(at, "&groups=", sizes[GROUPS].now);
        at = put(at, "&ids=", sizes[IDS].now);
        at = put(at, "&keys=", sizes[KEYS].now);
        put(at, "&record=", sizes[RECORD].now);
        opts.flash = &dev;
        url = text;
    }
#endif
    if (rill_open(&bus, url, &opts) < 0) fail("open");
    if (rill_bus_stats(bus, &stats) < 0) fail("stats");
    if (rill_close(bus, 0) != RILL_OK && url[0] != 'n') fail("close");
    return (int32_t)stats.memory_bytes;
}

/* If all sizes in [first, end) were 0. Calls itself once for each of them. */
static int32_t without(const char *url, int first, int end)
{
    if (first == end) return used(url);
    size_of *s = &sizes[first];
    s->now = s->high;
    int32_t high = without(url, first + 1, end);
    s->now = s->low;
    int32_t low = without(url, first + 1, end), step = (int32_t)(s->high - s->low);
    if ((high - low) % step != 0) fail("not linear");
    return low - (high - low) / step * (int32_t)s->low;
}

static void measure(const char *url, int end)
{
    int32_t fixed = without(url, 0, COMMON);
    if (end > COMMON) fixed += without(url, COMMON, end) - used(url);
    board_print(url);
    board_print(" ");
    board_print_number((uint32_t)fixed);
    board_print(" bytes\n");
}

int main(void)
{
    board_start();
#ifdef RI_MICRO_MEM
    measure("mem:", COMMON);
#endif
#ifdef RI_MICRO_NATS
    measure("nats://h", COMMON);
#endif
#ifdef RI_MICRO_FLASH
    measure("flash:", ALL);
#endif
    board_exit(0);
}
