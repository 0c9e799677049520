/* SPDX-License-Identifier: Apache-2.0 */
#include "uart_wire.h"

#include "board.h"

enum { ESCAPE = 0x10, DIAL = 0x44, CLOSED = 0x43 };

static struct {
    bool open, escaped;      /* the bridge has answered; the last byte that came was an escape */
    bool closed;             /* it has said so, behind bytes that were read */
    uint8_t owed[2];         /* to be written before all else: an escape and what is behind it */
    size_t nowed;
} line;

static bool uart_pay(void)
{
    while (line.nowed > 0 && board_write(&line.owed[2 - line.nowed], 1) == 1) line.nowed--;
    return line.nowed == 0;
}

static void uart_owe(uint8_t byte)
{
    line.owed[0] = ESCAPE;
    line.owed[1] = byte;
    line.nowed = 2;
    uart_pay();
}

static int64_t uart_read(void *arg, void *buf, size_t len)
{
    uint8_t *out = buf, byte;
    size_t n = 0;
    (void)arg;
    uart_pay();
    if (line.closed) return 0;
    while (n < len && board_read(&byte, 1) == 1) {
        bool escaped = line.escaped;
        line.escaped = !escaped && byte == ESCAPE;
        if (line.escaped) continue;
        if (escaped && byte == DIAL) {
            line.open = true;
            n = 0; /* that was of the connection before */
        } else if (escaped && byte == CLOSED && line.open) {
            line.closed = true;
            return (int64_t)n; /* 0 now, or in the next call */
        } else if (line.open) {
            out[n++] = byte;
        }
    }
    return n > 0 ? (int64_t)n : RILL_EAGAIN;
}

static int64_t uart_write(void *arg, const void *buf, size_t len)
{
    const uint8_t *in = buf;
    size_t n = 0;
    (void)arg;
    while (n < len && uart_pay()) {
        if (in[n] == ESCAPE) uart_owe(ESCAPE);
        else if (board_write(&in[n], 1) == 0) break;
        n++;
    }
    return n > 0 ? (int64_t)n : RILL_EAGAIN;
}

static void uart_close(void *arg)
{
    (void)arg;
    line.open = false;
}

int uart_dial(rill_wire **wire, const char *address, void *arg)
{
    static const rill_wire_ops ops = {sizeof ops, uart_read, uart_write, uart_close, NULL};
    (void)address; /* the bridge knows where to */
    (void)arg;
    line.open = line.escaped = line.closed = false;
    uart_owe(DIAL);
    return rill_wire_new(wire, &ops, NULL, NULL);
}
