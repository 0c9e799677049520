/* SPDX-License-Identifier: Apache-2.0 */
/* A wire over a serial line, at whose other end bridge.py has a socket. The line carries bytes as
 * they are, but for 0x10: 10 10 is one such byte, 10 44 asks for a new connection, and 10 43 says
 * that it was closed. What came over an earlier connection ends with the answer to that: 10 44. */
#ifndef UART_WIRE_H
#define UART_WIRE_H

#include "rill.h"

int uart_dial(rill_wire **wire, const char *address, void *arg); /* rill_opts.dial */

#endif
