/* SPDX-License-Identifier: Apache-2.0 */
/* A sensor: each reading is stored on flash first, and carried to the stream READINGS of a server
 * whenever there is a connection. It is deleted here when it is stored there, and not before. */
#include "board.h"
#include "kept_flash.h"
#include "rill.h"
#include "uart_wire.h"

static _Alignas(8) char flash_arena[14 * 1024], line_arena[14 * 1024];

static void check(int rc)
{
    if (rc >= 0) return;
    board_print(rill_errmsg());
    board_print("\n");
}

int main(void)
{
    rill_memory memory = {.size = sizeof memory, .arena = flash_arena, .max_subs = 1,
                          .arena_bytes = sizeof flash_arena, .max_pending = 2, .max_calls = 2,
                          .max_msg_bytes = 256, .max_readers = 1, .max_buckets = 1};
    rill_bus *flash = NULL, *line = NULL;
    rill_forward *forward;
    board_start();
    check(rill_open(&flash, "flash:readings?streams=1&groups=1&keys=0&record=256&format",
                    RILL_OPTS(rill_opts, .host = &board_host, .drive = RILL_DRIVE_HOST,
                              .memory = &memory, .flash = &kept_flash)));
    check(rill_stream_ensure(flash, "READINGS", RILL_OPTS(rill_stream_opts,
                             .keep = RILL_KEEP_WORK, .reject_when_full = true)));
    memory.arena = line_arena;
    memory.arena_bytes = sizeof line_arena;
    check(rill_open(&line, "nats://bridge", RILL_OPTS(rill_opts, .host = &board_host,
                    .drive = RILL_DRIVE_HOST, .no_wait = true, .dial = uart_dial,
                    .memory = &memory)));
    check(rill_forward_open(&forward, flash, "READINGS", line, "READINGS",
                            RILL_OPTS(rill_forward_opts, .name = "sensor-7")));
    for (uint32_t reading = 1;; reading++) {
        const uint32_t data[2] = {board_boots, reading};
        rill_receipt receipt = {.size = sizeof receipt};
        if (rill_append(flash, "READINGS", data, sizeof data, NULL, &receipt, 0) == RILL_OK)
            board_print_number((uint32_t)receipt.seq);
        else board_print(rill_errmsg());
        board_print(" stored\n");
        for (int64_t until = board_ns() + 50000000; board_ns() < until;) {
            check(rill_poll(flash, 0));
            check(rill_poll(line, 5));
        }
    }
}
