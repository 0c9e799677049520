/* SPDX-License-Identifier: Apache-2.0 */
#include "bar.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

enum {
    BAR_DRAW_MS = 100,    /* between two drawings on a terminal */
    BAR_LINE_MS = 1000,   /* between two lines elsewhere */
    BAR_CELLS_MAX = 40,
};

void bar_begin(bar *b, tool *t, const char *what, uint64_t total)
{
    int64_t now = tool_now_ns();
    *b = (bar){.t = t, .what = what, .total = total, .began_ns = now, .shown_ns = now};
}

static int bar_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

/* "45 %, 12.0 MiB of 30.0 MiB, 5.1 MiB/s, 4s left" */
static void bar_figures(const bar *b, text *line)
{
    double spent_s = (double)(tool_now_ns() - b->began_ns) / 1e9;
    double rate = spent_s > 0 ? (double)b->done / spent_s : 0;
    if (b->total) text_addf(line, "%3.0f %%, ", 100.0 * (double)b->done / (double)b->total);
    text_add_size(line, b->done);
    if (b->total) {
        text_puts(line, " of ");
        text_add_size(line, b->total);
    }
    text_puts(line, ", ");
    text_add_size(line, (uint64_t)rate);
    text_puts(line, "/s");
    if (b->total > b->done && rate > 1) {
        text_puts(line, ", ");
        text_add_span(line, (int64_t)((double)(b->total - b->done) / rate) * 1000000000);
        text_puts(line, " left");
    }
}

static void bar_draw(bar *b)
{
    text line = {0}, figures = {0};
    bar_figures(b, &figures);
    /* What does not fit in one line would be written below itself again and again. */
    int room = bar_columns() - (int)strlen(b->what) - 2;
    int cells = room - (int)figures.len - 3;
    if (cells > BAR_CELLS_MAX) cells = BAR_CELLS_MAX;
    text_addf(&line, "\r%s ", b->what);
    if (b->total && cells >= 5) {
        int full = (int)((double)cells * (double)b->done / (double)b->total);
        text_puts(&line, "[");
        for (int i = 0; i < cells; i++) text_puts(&line, i < full ? "#" : ".");
        text_puts(&line, "] ");
    }
    text_addf(&line, "%.*s\x1b[K", room > 0 ? room : 0, figures.ptr);
    fputs(line.ptr, stderr);
    fflush(stderr);
    if (!b->drawn) stop_restore(STDERR_FILENO, "\n");
    b->drawn = true;
    text_free(&line);
    text_free(&figures);
}

static void bar_line(const bar *b)
{
    text figures = {0};
    bar_figures(b, &figures);
    fprintf(stderr, "%s: %s\n", b->what, figures.ptr);
    text_free(&figures);
}

void bar_move(bar *b, uint64_t done)
{
    int64_t now = tool_now_ns();
    bool terminal = isatty(STDERR_FILENO) != 0;
    assert(b->t);
    b->done = b->total && done > b->total ? b->total : done;
    int64_t pause_ms = terminal ? BAR_DRAW_MS : BAR_LINE_MS;
    if (b->t->out.json || now - b->shown_ns < pause_ms * 1000000) return;
    b->shown_ns = now;
    if (terminal) bar_draw(b);
    else bar_line(b);
}

void bar_break(bar *b)
{
    if (b->drawn) fputc('\n', stderr);
    b->drawn = false;
    stop_restore(STDERR_FILENO, NULL);
}

void bar_end(bar *b, bool well)
{
    bool terminal = isatty(STDERR_FILENO) != 0;
    if (well && b->total) b->done = b->total;
    if (well && terminal && !b->t->out.json) bar_draw(b);
    bar_break(b);
}
