/* SPDX-License-Identifier: Apache-2.0 */
/* A stream carried from one place to another, until Control-C or until it has caught up. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "stream.h"
#include "tool.h"

enum {
    FORWARD_CLOSE_MS = 5000,
    FORWARD_SHOW_MS = 1000,
};

static void forward_fields(out *o, const rill_forward_info *info)
{
    out_flag(o, "up", info->up);
    out_count(o, "messages", info->msgs);
    out_size(o, "bytes", info->bytes);
    out_count(o, "known", info->known_msgs);
    out_count(o, "dead", info->dead_msgs);
    out_count(o, "failures", info->failures);
    if (info->lag_known) out_count(o, "lag", info->lag_msgs);
    if (info->lag_known) out_span(o, "lag_age_ns", info->lag_ns);
    if (info->why[0]) out_text(o, "why", info->why);
}

static void forward_show(tool *t, const rill_forward_info *info)
{
    text size = {0};
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    if (t->out.json) forward_fields(&t->out, info);
    out_row_end(&t->out);
    text_add_size(&size, info->bytes);
    out_say(&t->out, "%s, %" PRIu64 " messages, %s, %" PRIu64 " waiting", info->up ? "up" : "down",
            info->msgs, size.ptr, info->lag_msgs);
    if (!t->out.json) fflush(stdout);
    text_free(&size);
}

static bool forward_caught_up(const rill_forward_info *info)
{
    return info->up && info->lag_known && info->lag_msgs == 0 && info->under_way == 0;
}

/* A line when something has changed, each second at most; each new failure with its reason. */
static int forward_run(tool *t, rill_forward *forward)
{
    rill_forward_info info = {.size = sizeof info}, shown = {.size = sizeof shown};
    int64_t shown_ns = 0;
    int err = RILL_OK;
    stop_loop(true);
    while (!stop_asked()) {
        err = rill_forward_status(forward, &info);
        if (err < 0 || info.closed) break;
        if (info.failures != shown.failures && info.why[0]) tool_note(t, "%s", info.why);
        bool done = tool_has(t, OPT_UNTIL_EMPTY) && forward_caught_up(&info);
        bool changed = info.msgs != shown.msgs || info.up != shown.up ||
                       info.failures != shown.failures;
        if (done || (changed && tool_now_ns() - shown_ns > FORWARD_SHOW_MS * 1000000LL)) {
            forward_show(t, &info);
            if (!out_flush()) return TOOL_PIPE;
            shown = info;
            shown_ns = tool_now_ns();
        }
        if (done) return TOOL_OK;
        poll(NULL, 0, TOOL_SLICE_MS);
    }
    return err < 0 ? tool_failed(t, err, "forward") :
           stop_asked() ? TOOL_INTERRUPTED : tool_error(t, TOOL_UNREACHABLE, "one end is closed");
}

static int forward_between(tool *t, rill_bus *from, rill_bus *to)
{
    const char *stream = tool_text(t, OPT_STREAM), *into = tool_text(t, OPT_INTO);
    rill_forward *forward = NULL;
    rill_forward_opts opts = {.size = sizeof opts, .name = tool_text(t, OPT_NAME),
                              .filter = tool_text(t, OPT_FILTER), .map_to = tool_text(t, OPT_MAP),
                              .dead_letters = tool_text(t, OPT_DEAD_LETTERS)};
    int err = rill_forward_open(&forward, from, stream, to, into ? into : stream, &opts);
    if (err < 0) return tool_failed(t, err, stream);
    int code = forward_run(t, forward);
    err = rill_forward_close(forward, FORWARD_CLOSE_MS);
    if (err < 0 && code == TOOL_OK) code = tool_failed(t, err, stream);
    return code;
}

int run_forward(tool *t)
{
    rill_bus *from = NULL, *to = NULL;
    if (!tool_has(t, OPT_STREAM) || !tool_has(t, OPT_NAME))
        return tool_error(t, TOOL_USAGE, "--stream says what is carried, and --name under which "
                          "name the source remembers how far: give both");
    int code = link_open_at(t, &from, tool_word(t, 0));
    if (code == TOOL_OK) code = link_open_at(t, &to, tool_word(t, 1));
    if (code == TOOL_OK) code = forward_between(t, from, to);
    rill_close(from, TOOL_CLOSE_MS);
    rill_close(to, TOOL_CLOSE_MS);
    return code;
}
