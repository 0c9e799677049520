/* SPDX-License-Identifier: Apache-2.0 */
/* A live view: streams by what they get, and, where --monitor names its port, what a server says of
 * itself. Two samples make a rate. On a terminal each frame is written over the one before, on the
 * alternate screen, which is left as it was found; --once prints one frame and no escape at all. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "monitor.h"
#include "run.h"
#include "stream.h"
#include "text.h"
#include "tool.h"

enum {
    TOP_STREAMS_MAX = 20000,
    TOP_INTERVAL_MS = 1000,
    TOP_HEAD_LINES = 4,
};

#define TOP_ENTER "\x1b[?1049h\x1b[?25l"
#define TOP_LEAVE "\x1b[?25h\x1b[?1049l"

typedef struct top_row {
    char *name;
    uint64_t msgs, bytes, last_seq;
    uint32_t groups;
    double rate;              /* messages a second */
} top_row;

typedef struct top_sample {
    int64_t at_ns, rtt_ns;
    top_row *rows;            /* by name, as they are listed, until they are shown */
    size_t n, room;
    monitor_figures server;   /* of --monitor */
    monitor_figures rates;    /* of these, in a second */
} top_sample;

static void top_free(top_sample *s)
{
    for (size_t i = 0; i < s->n; i++) free(s->rows[i].name);
    free(s->rows);
    *s = (top_sample){0};
}

/* ---- Samples ---- */

static int top_take_one(const rill_stream_desc *desc, void *arg)
{
    top_sample *s = arg;
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        top_row *rows = room <= 2 * TOP_STREAMS_MAX ? realloc(s->rows, room * sizeof *rows) : NULL;
        if (!rows) return 1;
        s->rows = rows;
        s->room = room;
    }
    s->rows[s->n] = (top_row){.name = strdup(desc->name), .msgs = desc->info->msgs,
                              .bytes = desc->info->bytes, .last_seq = desc->info->last_seq,
                              .groups = desc->info->groups};
    return s->rows[s->n].name == NULL || ++s->n == TOP_STREAMS_MAX;
}

static int top_by_name(const void *a, const void *b)
{
    return strcmp(((const top_row *)a)->name, ((const top_row *)b)->name);
}

static int top_by_rate(const void *a, const void *b)
{
    const top_row *x = a, *y = b;
    return x->rate < y->rate ? 1 : x->rate > y->rate ? -1 : strcmp(x->name, y->name);
}

static void top_sort(top_sample *s, int (*by)(const void *, const void *))
{
    if (s->n > 0) qsort(s->rows, s->n, sizeof *s->rows, by);
}

static int top_take(tool *t, top_sample *s, const top_sample *before)
{
    *s = (top_sample){.at_ns = tool_now_ns()};
    int err = link_round_trip(t, &s->rtt_ns);
    if (err >= 0) err = rill_stream_describe(t->bus, NULL, top_take_one, s);
    if (err < 0) return tool_failed(t, err, t->url);
    int code = tool_has(t, OPT_MONITOR) ? monitor_ask(t, tool_text(t, OPT_MONITOR), &s->server) :
                                          TOOL_OK;
    if (code != TOOL_OK) return code;
    double seconds = (double)(s->at_ns - before->at_ns) / 1e9;
    top_sort(s, top_by_name);
    for (size_t i = 0; i < s->n && before->n > 0; i++) {
        const top_row *was = bsearch(&s->rows[i], before->rows, before->n, sizeof *before->rows,
                                     top_by_name);
        if (was && s->rows[i].last_seq > was->last_seq)
            s->rows[i].rate = (double)(s->rows[i].last_seq - was->last_seq) / seconds;
    }
    if (before->at_ns) monitor_rates(&s->rates, &s->server, &before->server, seconds);
    return TOOL_OK;
}

/* ---- Frames ---- */

/* A line of at most `columns` columns; of a text that is safe to show, without escapes. */
static void top_line(text *frame, const char *line, int columns, bool screen)
{
    size_t len = strlen(line), shown = 0;
    while (screen && shown < len && columns > 0) {
        shown++;
        while (shown < len && ((unsigned char)line[shown] & 0xc0) == 0x80) shown++;
        columns--;
    }
    text_add(frame, line, screen ? shown : len);
    text_puts(frame, screen ? "\x1b[K\r\n" : "\n");
}

static void top_head(text *line, const tool *t, const top_sample *s)
{
    text_puts(line, "rill top  ");
    text_add_shown(line, t->url, strlen(t->url), false);
    text_puts(line, "  round trip ");
    text_add_span(line, s->rtt_ns);
    text_addf(line, "  %zu stream%s", s->n, s->n == 1 ? "" : "s");
}

static void top_row_line(text *line, const top_row *row)
{
    text name = {0}, msgs = {0}, bytes = {0}, rate = {0};
    text_add_shown(&name, row->name, strlen(row->name), false);
    text_add_count(&msgs, row->msgs);
    text_add_size(&bytes, row->bytes);
    text_add_count(&rate, (uint64_t)(row->rate + 0.5));
    text_addf(line, "%-28s %12s %14s %12s %7" PRIu32, name.ptr, rate.ptr, msgs.ptr, bytes.ptr,
              row->groups);
    text_free(&name);
    text_free(&msgs);
    text_free(&bytes);
    text_free(&rate);
}

/* `rows` lines at most, if it is for a screen. */
static void top_frame(text *frame, const tool *t, top_sample *s, int rows, int columns, bool screen)
{
    text line = {0};
    top_head(&line, t, s);
    top_line(frame, line.ptr, columns, screen);
    text_clear(&line);
    monitor_line(&line, tool_has(t, OPT_MONITOR) ? &s->server : NULL, &s->rates);
    top_line(frame, line.ptr ? line.ptr : "", columns, screen);
    text_clear(&line);
    text_addf(&line, "%-28s %12s %14s %12s %7s", "stream", "messages/s", "messages", "bytes",
              "groups");
    top_line(frame, line.ptr, columns, screen);
    top_sort(s, top_by_rate);
    for (size_t i = 0; i < s->n && (!screen || (int)i < rows - TOP_HEAD_LINES); i++) {
        text_clear(&line);
        top_row_line(&line, &s->rows[i]);
        top_line(frame, line.ptr, columns, screen);
    }
    top_sort(s, top_by_name);
    if (screen) text_puts(frame, "\x1b[J(q ends)");
    text_free(&line);
}

static void top_json(tool *t, top_sample *s)
{
    out *o = &t->out;
    out_begin(o, OUT_LINE);
    out_row(o);
    out_text(o, "url", t->url);
    out_span(o, "rtt_ns", s->rtt_ns);
    out_count(o, "streams", s->n);
    if (tool_has(t, OPT_MONITOR)) monitor_fields(o, &s->server);
    out_row_end(o);
    top_sort(s, top_by_rate);
    for (size_t i = 0; i < s->n; i++) {
        out_row(o);
        out_text(o, "stream", s->rows[i].name);
        out_real(o, "messages_per_s", s->rows[i].rate, 3);
        out_count(o, "messages", s->rows[i].msgs);
        out_size(o, "bytes", s->rows[i].bytes);
        out_count(o, "groups", s->rows[i].groups);
        out_row_end(o);
    }
    top_sort(s, top_by_name);
}

/* ---- The terminal ---- */

static void top_resized(int number)
{
    (void)number; /* poll() ends, and the next frame has the new size */
}

/* Wait for the next frame: false if a key or a signal ends it. */
static bool top_wait(int64_t until_ns)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    for (;;) {
        int64_t left_ms = (until_ns - tool_now_ns()) / 1000000;
        if (stop_asked()) return false;
        if (left_ms <= 0) return true;
        int n = poll(&in, 1, left_ms > TOOL_SLICE_MS ? TOOL_SLICE_MS : (int)left_ms);
        char key = 0;
        if (n < 0) return true; /* resized, or a signal, which is seen above the next time */
        if (n > 0 && read(STDIN_FILENO, &key, 1) <= 0) return false;
        if (key == 'q' || key == 'Q' || key == 4) return false;
    }
}

static bool top_draw(tool *t, top_sample *s)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    text frame = {0};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    text_puts(&frame, "\x1b[H");
    top_frame(&frame, t, s, size.ws_row, size.ws_col, true);
    fwrite(frame.ptr, 1, frame.len, stdout);
    text_free(&frame);
    return out_flush();
}

static int top_loop(tool *t, top_sample *before, int64_t interval_ns)
{
    int code = TOOL_OK;
    while (code == TOOL_OK && top_draw(t, before)) {
        top_sample now = {0};
        int64_t next_ns = before->at_ns + interval_ns;
        if (!top_wait(next_ns)) break;
        if (tool_now_ns() < next_ns) continue; /* the terminal has another size */
        code = top_take(t, &now, before);
        top_free(before);
        *before = now;
    }
    return code == TOOL_OK && stop_asked() ? TOOL_INTERRUPTED : code;
}

static int top_screen(tool *t, top_sample *before, int64_t interval_ns)
{
    static struct termios saved;
    /* poll() is interrupted all the same, but no frame that is being written. */
    struct sigaction resized = {.sa_handler = top_resized, .sa_flags = SA_RESTART};
    bool keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;
    if (keys) {
        struct termios raw = saved;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        stop_termios(&saved);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    sigaction(SIGWINCH, &resized, NULL);
    stop_restore(STDOUT_FILENO, TOP_LEAVE);
    fputs(TOP_ENTER, stdout);
    /* What goes wrong is said behind the alternate screen, which would take it away. */
    t->held = true;
    int code = top_loop(t, before, interval_ns);
    fputs(TOP_LEAVE, stdout);
    fflush(stdout);
    stop_restore(STDOUT_FILENO, NULL);
    if (keys) tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    stop_termios(NULL);
    tool_release(t);
    return code;
}

/* ---- Without one ---- */

static int top_once(tool *t, top_sample *before, int64_t interval_ns)
{
    top_sample now = {0};
    text frame = {0};
    while (!stop_asked() && tool_now_ns() < before->at_ns + interval_ns) {
        int64_t left_ms = (before->at_ns + interval_ns - tool_now_ns()) / 1000000 + 1;
        poll(NULL, 0, left_ms > TOOL_SLICE_MS ? TOOL_SLICE_MS : (int)left_ms);
    }
    if (stop_asked()) return TOOL_INTERRUPTED;
    int code = top_take(t, &now, before);
    if (code == TOOL_OK && t->out.json) {
        top_json(t, &now);
    } else if (code == TOOL_OK) {
        top_frame(&frame, t, &now, 0, 0, false);
        fwrite(frame.ptr, 1, frame.len, stdout);
    }
    text_free(&frame);
    top_free(before);
    *before = now;
    return code == TOOL_OK && !out_flush() ? TOOL_PIPE : code;
}

int run_top(tool *t)
{
    top_sample before = {0};
    const top_sample none = {0};
    int64_t interval_ns = stream_ns((int64_t)tool_number(t, OPT_INTERVAL, TOP_INTERVAL_MS));
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    stop_loop(true);
    code = top_take(t, &before, &none);
    bool screen = t->out.terminal && !t->out.json && !tool_has(t, OPT_ONCE);
    if (code == TOOL_OK && screen) {
        code = top_screen(t, &before, interval_ns);
    } else {
        do {
            if (code == TOOL_OK) code = top_once(t, &before, interval_ns);
        } while (code == TOOL_OK && !tool_has(t, OPT_ONCE));
    }
    top_free(&before);
    return code;
}
