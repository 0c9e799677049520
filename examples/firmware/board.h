/* SPDX-License-Identifier: Apache-2.0 */
/* The board: an MPS2 with a Cortex-M3 (AN385), which QEMU emulates. Two serial lines, a clock, and
 * memory that a reset leaves as it is. Another board has another board.c. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rill.h"

void board_start(void);               /* clocks, interrupts, serial lines */
int64_t board_ns(void);               /* since then */
void board_sleep(void);               /* until an interrupt: a byte has come,
    or a millisecond is over */
size_t board_read(void *buf, size_t len);        /* of the line to the server: what has come */
size_t board_write(const void *buf, size_t len); /* what it takes */
void board_ticked(void);              /* each millisecond: a scheduler may have its own, ... */
void board_came(void);                /* ... of this, when a byte has come, ... */
void board_switch(void);              /* ... and of this, the exception PendSV */
void board_print(const char *text);   /* on the other line, for people */
void board_print_number(uint32_t n);
void board_random(void *out, size_t len);
void board_exit(int status);          /* ends the emulator, if it was started with -semihosting */
uint32_t board_ticks(void);           /* counts down, 24 bits, 25 MHz: for measurements */
void board_ticks_begin(void);         /* ... from where; ends board_ns() */
extern const rill_host board_host;    /* this clock, this randomness and this sleep */
extern uint32_t board_boots;          /* how often it was started since it has power */

#endif
