/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool message_data(tool *t, const char *word, text *data)
{
    char piece[16384];
    size_t n;
    if (!word || strcmp(word, "-") != 0) {
        text_puts(data, word ? word : "");
        return true;
    }
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0) {
        text_add(data, piece, n);
        if (data->len <= MESSAGE_DATA_MAX) continue;
        tool_error(t, TOOL_FULL, "standard input has more than %d MiB: no broker takes that as one "
                   "message; 'rill obj put' stores data of any length", MESSAGE_DATA_MAX >> 20);
        return false;
    }
    if (!ferror(stdin)) return text_add(data, "", 0), true;
    tool_error(t, TOOL_FAILED, "standard input: %s", strerror(errno));
    return false;
}

static bool message_header(tool *t, const char *value, rill_header *header)
{
    const char *colon = strchr(value, ':');
    if (!colon || colon == value) {
        tool_error(t, TOOL_USAGE, "--header '%s': write NAME:VALUE", value);
        return false;
    }
    const char *rest = colon + 1 + (colon[1] == ' ');
    header->name = (rill_str){value, (size_t)(colon - value)};
    header->value = (rill_str){rest, strlen(rest)};
    return true;
}

bool message_options(tool *t, message_post *post)
{
    size_t n = 0;
    for (size_t i = 0; i < t->args.nlist; i++)
        if (t->args.list[i].id == OPT_HEADER &&
            !message_header(t, t->args.list[i].value, &post->headers[n++]))
            return false;
    post->expect = tool_number(t, OPT_EXPECT, 0);
    uint64_t ttl = tool_number(t, OPT_TTL, 0);
    if (ttl >= UINT32_MAX) {
        tool_error(t, TOOL_USAGE, "--ttl: at most 49 days");
        return false;
    }
    post->post = (rill_post){.size = sizeof post->post, .reply = tool_text(t, OPT_REPLY),
                             .headers = post->headers, .nheaders = n,
                             .msg_id = tool_text(t, OPT_MSG_ID),
                             .expect_last_seq = tool_has(t, OPT_EXPECT) ? &post->expect : NULL,
                             .ttl_ms = (uint32_t)ttl};
    return true;
}

/* ---- Showing ---- */

static void message_json(out *o, const rill_msg *m)
{
    out_begin(o, OUT_LINE);
    out_row(o);
    out_bytes(o, "subject", m->subject.ptr, m->subject.len);
    if (m->reply.len) out_bytes(o, "reply", m->reply.ptr, m->reply.len);
    if (m->stream.len) out_bytes(o, "stream", m->stream.ptr, m->stream.len);
    if (m->seq) out_count(o, "seq", m->seq);
    if (m->partition) out_count(o, "partition", m->partition);
    if (m->deliveries) out_count(o, "deliveries", m->deliveries);
    if (m->key.len) out_bytes(o, "key", m->key.ptr, m->key.len);
    if (m->time_ns) out_time(o, "time", m->time_ns);
    if (m->flags & RILL_MSG_DELETED) out_flag(o, "deleted", true);
    out_headers(o, m);
    out_bytes(o, "data", m->data.ptr, m->data.len);
    out_row_end(o);
}

static void message_shown(const out *o, out_colour colour, rill_str s)
{
    text shown = {0};
    text_add_shown(&shown, s.ptr, s.len, false);
    printf("%s%s%s", out_on(o->colour, colour), shown.ptr, out_off(o->colour));
    text_free(&shown);
}

/* "#3 orders.new, number 17 of ORDERS, at 2026-..., wants an answer at _INBOX.x" */
static void message_head(const out *o, const rill_msg *m, uint64_t count)
{
    text when = {0};
    if (count) printf("%s#%" PRIu64 "%s ", out_on(o->colour, OUT_DIM), count, out_off(o->colour));
    message_shown(o, OUT_CYAN, m->subject);
    fputs(out_on(o->colour, OUT_DIM), stdout);
    if (m->seq) printf(", number %" PRIu64, m->seq);
    if (m->partition) printf(" of partition %" PRIu32, m->partition);
    if (m->deliveries > 1) printf(", delivery %" PRIu32, m->deliveries);
    if (m->seq && m->time_ns) text_add_time(&when, m->time_ns);
    if (when.len) printf(", at %s", when.ptr);
    fputs(out_off(o->colour), stdout);
    if (m->reply.len && !m->seq) {
        printf(", answer to ");
        message_shown(o, OUT_PLAIN, m->reply);
    }
    putchar('\n');
    text_free(&when);
}

bool message_show(tool *t, const rill_msg *m, uint64_t count)
{
    out *o = &t->out;
    if (o->json) {
        message_json(o, m);
        return out_flush();
    }
    if (!tool_has(t, OPT_RAW)) {
        message_head(o, m, count);
        for (uint32_t i = 0; i < m->nheaders; i++) {
            rill_header header = rill_header_at(m, i);
            message_shown(o, OUT_DIM, header.name);
            printf(": ");
            message_shown(o, OUT_PLAIN, header.value);
            putchar('\n');
        }
    }
    out_data(o, m->data.ptr, m->data.len, tool_has(t, OPT_RAW));
    if (!tool_has(t, OPT_RAW)) puts(m->data.len ? "\n" : "");
    return out_flush();
}
