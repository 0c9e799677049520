/* SPDX-License-Identifier: Apache-2.0 */
/* Live messages: pub, sub and req. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "run.h"
#include "tool.h"

/* ---- pub ---- */

static int live_append(tool *t, const char *subject, const text *data, const message_post *post)
{
    rill_receipt got = {.size = sizeof got};
    int err = rill_append(t->bus, subject, data->ptr, data->len, &post->post, &got,
                          tool_timeout_ms(t));
    if (err < 0) return tool_failed(t, err, subject);
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "subject", subject);
    out_count(&t->out, "seq", got.seq);
    if (got.partition) out_count(&t->out, "partition", got.partition);
    out_flag(&t->out, "duplicate", got.duplicate);
    out_row_end(&t->out);
    out_say(&t->out, "stored as number %" PRIu64 "%s", got.seq,
            got.duplicate ? ", by an earlier message of that id" : "");
    return TOOL_OK;
}

/* One message, by either way; an exit code. */
static int live_send(tool *t, const char *subject, const text *data, const message_post *post)
{
    if (tool_has(t, OPT_APPEND)) return live_append(t, subject, data, post);
    int err = rill_publish(t->bus, subject, data->ptr, data->len, &post->post);
    if (err == RILL_EAGAIN) { /* what waits to be sent has to leave first */
        err = rill_flush(t->bus, tool_timeout_ms(t));
        if (err >= 0) err = rill_publish(t->bus, subject, data->ptr, data->len, &post->post);
    }
    return err < 0 ? tool_failed(t, err, subject) : TOOL_OK;
}

/* Each line of standard input; *sent is how many went. */
static int live_lines(tool *t, const char *subject, const message_post *post, uint64_t *sent)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int code = TOOL_OK;
    while (code == TOOL_OK && !stop_asked() && (n = getline(&line, &size, stdin)) >= 0) {
        if (n > 0 && line[n - 1] == '\n') n--;
        text data = {.ptr = line, .len = (size_t)n};
        code = live_send(t, subject, &data, post);
        if (code == TOOL_OK) (*sent)++;
    }
    if (code == TOOL_OK && ferror(stdin))
        code = tool_error(t, TOOL_FAILED, "standard input: %s", strerror(errno));
    free(line);
    return code;
}

static int live_copies(tool *t, const char *subject, const message_post *post, uint64_t *sent)
{
    text data = {0};
    uint64_t count = tool_number(t, OPT_COUNT, 1);
    int code = message_data(t, tool_word(t, 1), &data) ? TOOL_OK : TOOL_FAILED;
    stop_loop(count > 1);
    while (code == TOOL_OK && *sent < count && !stop_asked()) {
        code = live_send(t, subject, &data, post);
        if (code == TOOL_OK) (*sent)++;
    }
    stop_loop(false);
    text_free(&data);
    return code == TOOL_OK && stop_asked() ? TOOL_INTERRUPTED : code;
}

int run_pub(tool *t)
{
    const char *subject = tool_word(t, 0);
    message_post post;
    uint64_t sent = 0;
    bool append = tool_has(t, OPT_APPEND);
    if (!append && (tool_has(t, OPT_MSG_ID) || tool_has(t, OPT_EXPECT) || tool_has(t, OPT_TTL)))
        return tool_error(t, TOOL_USAGE, "--id, --expect-last and --ttl go with --append");
    if (!message_options(t, &post)) return TOOL_USAGE;
    t->refusal_ends = true;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    code = tool_has(t, OPT_LINES) ? live_lines(t, subject, &post, &sent) :
                                    live_copies(t, subject, &post, &sent);
    int err = code == TOOL_OK ? rill_flush(t->bus, tool_timeout_ms(t)) : RILL_OK, why;
    if (err < 0) return tool_failed(t, err, subject);
    if (append || code != TOOL_OK) return code;
    if (link_lost(&why)) return tool_failed(t, RILL_ECLOSED, subject);
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "subject", subject);
    out_count(&t->out, "published", sent);
    out_row_end(&t->out);
    out_say(&t->out, "published %" PRIu64 " message%s", sent, sent == 1 ? "" : "s");
    return TOOL_OK;
}

/* ---- sub ---- */

int run_sub(tool *t)
{
    const char *subject = tool_word(t, 0);
    uint64_t most = tool_number(t, OPT_COUNT, 0), count = 0;
    rill_sub *sub = NULL;
    const rill_msg *m;
    int code = link_open(t), err;
    if (code != TOOL_OK) return code;
    err = rill_subscribe(t->bus, &sub, subject,
                         RILL_OPTS(rill_sub_opts, .group = tool_text(t, OPT_QUEUE),
                                   .limit_msgs = most));
    if (err < 0) return tool_failed(t, err, subject);
    if (rill_flush(t->bus, tool_timeout_ms(t)) >= 0 && !t->out.json && t->out.terminal)
        tool_note(t, "listening to %s", subject);
    int64_t wait_ms = tool_has(t, OPT_WAIT) ? (int64_t)tool_number(t, OPT_WAIT, 0) : -1;
    bool read = true;
    while (read && (err = link_next(sub, &m, wait_ms)) >= 0) {
        read = message_show(t, m, ++count);
        if (most && count == most) break;
    }
    code = !read ? TOOL_PIPE : link_ended(t, err, subject);
    rill_sub_close(sub);
    return code;
}

/* ---- req ---- */

static bool live_answer(tool *t, const rill_msg *m)
{
    if (t->out.json) return message_show(t, m, 0);
    out_data(&t->out, m->data.ptr, m->data.len, tool_has(t, OPT_RAW));
    bool ends = m->data.len > 0 && m->data.ptr[m->data.len - 1] == '\n';
    if (!tool_has(t, OPT_RAW) && !ends) putchar('\n');
    return out_flush();
}

/* A server's word that nobody listens: empty, and it names what was asked. */
static bool live_is_nobody(const rill_msg *m, const char *subject)
{
    rill_str asked;
    return m->data.len == 0 && m->nheaders == 1 &&
           rill_header_get(m, "Nats-Subject", &asked) == 1 && asked.len == strlen(subject) &&
           memcmp(asked.ptr, subject, asked.len) == 0;
}

/* Several answers, each to an inbox of ours, until there are `most` (0: no limit) or the time is
 * up, which is a failure if there was none. */
static int live_gather(tool *t, const char *subject, const text *data, rill_post *post,
                       uint64_t most)
{
    char inbox[RILL_INBOX_LEN];
    rill_sub *sub = NULL;
    const rill_msg *m;
    uint64_t count = 0;
    int err = rill_inbox(t->bus, inbox, sizeof inbox);
    if (err >= 0) err = rill_subscribe(t->bus, &sub, inbox, NULL);
    post->reply = inbox;
    if (err >= 0) err = rill_publish(t->bus, subject, data->ptr, data->len, post);
    int64_t end_ns = tool_now_ns() + (int64_t)tool_timeout_ms(t) * 1000000;
    bool read = true;
    while (err >= 0 && read && (most == 0 || count < most)) {
        int64_t left_ms = (end_ns - tool_now_ns()) / 1000000;
        err = link_next(sub, &m, left_ms > 0 ? left_ms : 0);
        if (err < 0 || live_is_nobody(m, subject)) break;
        count++;
        read = live_answer(t, m);
    }
    rill_sub_close(sub);
    if (!read) return TOOL_PIPE;
    if (err == RILL_ETIMEDOUT && count > 0 && most == 0) return TOOL_OK;
    if (err == RILL_ETIMEDOUT || (err >= 0 && (most == 0 || count < most)))
        return tool_error(t, TOOL_TIMEOUT, "%s: %" PRIu64 " answer%s came", subject, count,
                          count == 1 ? "" : "s");
    return err < 0 ? tool_failed(t, err, subject) : TOOL_OK;
}

int run_req(tool *t)
{
    const char *subject = tool_word(t, 0);
    message_post post;
    text data = {0};
    rill_msg *answer = NULL;
    if (!message_options(t, &post)) return TOOL_USAGE;
    int code = message_data(t, tool_word(t, 1), &data) ? link_open(t) : TOOL_FAILED;
    if (code == TOOL_OK && tool_number(t, OPT_REPLIES, 1) != 1) {
        code = live_gather(t, subject, &data, &post.post, tool_number(t, OPT_REPLIES, 1));
    } else if (code == TOOL_OK) {
        int err = rill_request(t->bus, subject, data.ptr, data.len, &post.post, &answer,
                               tool_timeout_ms(t));
        if (err < 0) code = tool_failed(t, err, subject);
        else if (!live_answer(t, answer)) code = TOOL_PIPE;
        rill_msg_unref(answer);
    }
    text_free(&data);
    return code;
}
