/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include <string.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
enum {
    UART_LINE = 0x40004000, UART_TEXT = 0x40005000,
    UART_DATA = 0, UART_STATE = 4, UART_CTRL = 8, UART_INT = 12, UART_BAUDDIV = 16,
    UART_TX_FULL = 1, UART_RX_FULL = 2, UART_TX_ON = 1, UART_RX_ON = 2, UART_RX_INT = 8,
    SYSTICK = 0xE000E010, SYSTICK_RELOAD = 4, SYSTICK_VALUE = 8,
    NVIC_ENABLE = 0xE000E100,
    CLOCK_HZ = 25000000, TICKS = 1000, /* a second */
    RING = 1024,                       /* a power of two: bytes that came and were not read yet */
    BYTE_SPINS = 250,                  /* about the time of a byte on the line */
    BOOTED = 0x600df1a5,
};

extern uint32_t board_text_end[], board_data[], board_data_end[], board_bss[], board_bss_end[];
extern uint32_t board_stack_top[];
int main(void);

static volatile uint32_t ticks, rounds; /* rounds: of `ticks`, 49 days each */
static volatile uint32_t ring_head, ring_tail;
static uint8_t ring[RING];
static uint32_t dice;

__attribute__((section(".noinit"))) uint32_t board_boots;
__attribute__((section(".noinit"))) static uint32_t booted;

/* ---- Start and interrupts ---- */

static void board_reset(void)
{
    size_t data = (size_t)((char *)board_data_end - (char *)board_data);
    memcpy(board_data, board_text_end, data);
    memset(board_bss, 0, (size_t)((char *)board_bss_end - (char *)board_bss));
    if (booted != BOOTED) board_boots = 0;
    booted = BOOTED;
    board_boots++;
    main();
    for (;;) board_sleep();
}

static void board_fault(void)
{
    board_print("fault\n");
    board_exit(1);
    for (;;) {
    }
}

/* Of a scheduler, if there is one: board_ticked() is called each millisecond, board_came() when a
 * byte has come, and board_switch() is the exception PendSV. */
__attribute__((weak)) void board_ticked(void)
{
}

__attribute__((weak)) void board_came(void)
{
}

__attribute__((weak)) void board_switch(void)
{
    board_fault();
}

static void board_tick(void)
{
    if (++ticks == 0) rounds++;
    board_ticked();
}

/* One byte each; what finds no room is lost, as on any line without flow control. */
static void board_byte(void)
{
    REG(UART_LINE + UART_INT) = 2;
    while (REG(UART_LINE + UART_STATE) & UART_RX_FULL) {
        uint8_t byte = (uint8_t)REG(UART_LINE + UART_DATA);
        if (ring_head - ring_tail < RING) ring[ring_head++ % RING] = byte;
    }
    board_came();
}

extern const uintptr_t board_vectors[16 + 4];
__attribute__((section(".vectors"), used)) const uintptr_t board_vectors[16 + 4] = {
    [0] = (uintptr_t)board_stack_top,
    [1] = (uintptr_t)board_reset,
    [2] = (uintptr_t)board_fault, [3] = (uintptr_t)board_fault, [4] = (uintptr_t)board_fault,
    [5] = (uintptr_t)board_fault, [6] = (uintptr_t)board_fault, [11] = (uintptr_t)board_fault,
    [14] = (uintptr_t)board_switch, [15] = (uintptr_t)board_tick,
    [16] = (uintptr_t)board_byte,
};

void board_start(void)
{
    REG(UART_LINE + UART_BAUDDIV) = REG(UART_TEXT + UART_BAUDDIV) = CLOCK_HZ / 115200;
    REG(UART_LINE + UART_CTRL) = UART_TX_ON | UART_RX_ON | UART_RX_INT;
    REG(UART_TEXT + UART_CTRL) = UART_TX_ON;
    REG(SYSTICK + SYSTICK_RELOAD) = CLOCK_HZ / TICKS - 1;
    REG(SYSTICK + SYSTICK_VALUE) = 0;
    REG(SYSTICK) = 7; /* on, its interrupt, the processor's clock */
    REG(NVIC_ENABLE) = 1;
}

/* ---- What a program calls ---- */

int64_t board_ns(void)
{
    uint32_t high, low;
    do {
        high = rounds;
        low = ticks;
    } while (high != rounds);
    return (int64_t)((uint64_t)high << 32 | low) * (1000000000 / TICKS);
}

void board_sleep(void)
{
    __asm volatile("wfi");
}

size_t board_read(void *buf, size_t len)
{
    uint8_t *out = buf;
    size_t n = 0;
    while (n < len && ring_tail != ring_head) out[n++] = ring[ring_tail++ % RING];
    return n;
}

size_t board_write(const void *buf, size_t len)
{
    const uint8_t *in = buf;
    size_t n = 0;
    for (int spins = 0; n < len && spins < BYTE_SPINS; spins++) {
        if (REG(UART_LINE + UART_STATE) & UART_TX_FULL) continue;
        REG(UART_LINE + UART_DATA) = in[n++];
        spins = 0;
    }
    return n;
}

void board_print(const char *text)
{
    for (; *text; text++) {
        while (REG(UART_TEXT + UART_STATE) & UART_TX_FULL) {
        }
        REG(UART_TEXT + UART_DATA) = (uint8_t)*text;
    }
}

void board_print_number(uint32_t n)
{
    char digits[11], *at = digits + sizeof digits - 1;
    *at = 0;
    do *--at = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    board_print(at);
}

/* The emulated board has no source of noise: this makes names that differ by start and by moment,
 * and that a stranger can guess. Where that matters use a generator of hardware. */
void board_random(void *out, size_t len)
{
    uint8_t *at = out;
    dice ^= REG(SYSTICK + SYSTICK_VALUE) ^ ticks << 16 ^ board_boots * 2654435761u ^ 1;
    for (size_t i = 0; i < len; i++) {
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        at[i] = (uint8_t)(dice >> 11);
    }
}

void board_exit(int status)
{
    register uint32_t call __asm("r0") = 0x18; /* SYS_EXIT */
    register uint32_t why __asm("r1") = status == 0 ? 0x20026 : 0x20023;
    __asm volatile("bkpt 0xab" : : "r"(call), "r"(why) : "memory");
}

void board_ticks_begin(void)
{
    REG(SYSTICK) = 0;
    REG(SYSTICK + SYSTICK_RELOAD) = 0xffffff;
    REG(SYSTICK + SYSTICK_VALUE) = 0;
    REG(SYSTICK) = 5;
}

uint32_t board_ticks(void)
{
    return REG(SYSTICK + SYSTICK_VALUE);
}

/* ---- What rill asks of its host ---- */

static int64_t host_now(void *arg)
{
    (void)arg;
    return board_ns();
}

static void host_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    board_random(out, len);
}

static void host_idle(void *arg, int64_t ns)
{
    (void)arg;
    if (ns != 0) board_sleep();
}

const rill_host board_host = {.size = sizeof board_host, .mono_ns = host_now,
                              .entropy = host_entropy, .idle = host_idle};
