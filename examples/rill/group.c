/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: what JetStream calls durable consumers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "run.h"
#include "stream.h"
#include "tool.h"

/* ---- ls, info and lag ---- */

static void group_fields(out *o, const rill_group_info *info)
{
    out_count(o, "lag", info->lag_msgs);
    out_span(o, "lag_age_ns", info->lag_ns);
    out_count(o, "unacked", info->unacked_msgs);
    out_count(o, "redelivered", info->redelivered_msgs);
    out_count(o, "waiting", info->waiting);
    out_time(o, "active", info->active_ns);
}

typedef struct group_list {
    tool *t;
    const char *stream;
    int err;
} group_list;

static int group_row(const char *group, void *arg)
{
    group_list *list = arg;
    out *o = &list->t->out;
    rill_group_info info = {.size = sizeof info};
    list->err = rill_group_status(list->t->bus, list->stream, group, &info);
    if (list->err == RILL_ENOENT) return list->err = 0; /* it has gone meanwhile */
    if (list->err < 0) return 1;
    out_row(o);
    out_text(o, "stream", list->stream);
    out_text(o, "group", group);
    group_fields(o, &info);
    out_row_end(o);
    return 0;
}

static int group_rows(const char *stream, void *arg)
{
    group_list *list = arg;
    list->stream = stream;
    int err = rill_group_each(list->t->bus, stream, group_row, list);
    if (err < 0 && err != RILL_ENOENT) list->err = err;
    return list->err < 0;
}

/* The groups of a stream, or, without one, of all. */
static int group_table(tool *t, const char *stream)
{
    group_list list = {.t = t, .stream = stream};
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    out_begin(&t->out, OUT_TABLE);
    int err = stream ? rill_group_each(t->bus, stream, group_row, &list) :
                       rill_stream_each(t->bus, group_rows, &list);
    if (err >= 0) err = list.err;
    if (err < 0) return tool_failed(t, err, stream ? stream : "groups");
    out_end(&t->out);
    return TOOL_OK;
}

int run_group_ls(tool *t)
{
    return group_table(t, tool_word(t, 0));
}

int run_group_lag(tool *t)
{
    return group_table(t, tool_word(t, 0));
}

int run_group_info(tool *t)
{
    const char *stream = tool_word(t, 0), *group = tool_word(t, 1);
    rill_group_info info = {.size = sizeof info};
    out *o = &t->out;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_group_status(t->bus, stream, group, &info);
    if (err < 0) return tool_failed(t, err, group);
    out_begin(o, OUT_LIST);
    out_row(o);
    out_text(o, "stream", stream);
    out_text(o, "group", group);
    group_fields(o, &info);
    out_size(o, "lag_bytes", info.lag_bytes);
    out_count(o, "delivered_seq", info.delivered_seq);
    out_count(o, "settled_seq", info.settled_seq);
    if (info.paused_until_ns) out_time(o, "paused_until", info.paused_until_ns);
    out_row_end(o);
    out_end(o);
    return TOOL_OK;
}

/* ---- add and rm ---- */

static uint32_t group_u32(uint64_t number)
{
    return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

int run_group_add(tool *t)
{
    static const rill_ack_mode acks[] = {RILL_ACK_EACH, RILL_ACK_UPTO, RILL_ACK_NONE};
    const char *stream = tool_word(t, 0), *group = tool_word(t, 1);
    rill_sub_opts opts = {
        .size = sizeof opts, .filter = tool_text(t, OPT_FILTER),
        .ack = acks[tool_number(t, OPT_ACK, 0)],
        .ack_wait_ms = group_u32(tool_number(t, OPT_ACK_WAIT, 0)),
        .max_deliveries = group_u32(tool_number(t, OPT_MAX_DELIVERIES, 0)),
        .max_unacked = group_u32(tool_number(t, OPT_MAX_UNACKED, 0)),
        .dead_letters = tool_text(t, OPT_DEAD_LETTERS),
        .inactive_ms = (int64_t)tool_number(t, OPT_INACTIVE, 0)};
    rill_group_info there = {.size = sizeof there};
    if (!stream_from(t, &opts)) return TOOL_USAGE;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    if (rill_group_status(t->bus, stream, group, &there) >= 0)
        return tool_error(t, TOOL_CONFLICT, "there is a group %s of %s", group, stream);
    int err = rill_group_ensure(t->bus, stream, group, &opts);
    return err < 0 ? tool_failed(t, err, group) : stream_done(t, "created", "group", group);
}

int run_group_rm(tool *t)
{
    const char *stream = tool_word(t, 0), *group = tool_word(t, 1);
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    if (!tool_sure(t, "delete the group %s and its place", group)) return TOOL_USAGE;
    int err = rill_group_delete(t->bus, stream, group);
    return err < 0 ? tool_failed(t, err, group) : stream_done(t, "deleted", "group", group);
}

/* ---- next ---- */

/* Take messages, show each, and settle it when it is shown and not before. */
static int group_take(tool *t, rill_sub *sub, uint64_t most)
{
    uint64_t wait_ms = tool_number(t, OPT_WAIT, (uint64_t)tool_timeout_ms(t)), count = 0;
    const rill_msg *m;
    int err = RILL_OK;
    while (count < most && (err = link_next(sub, &m, (int64_t)wait_ms)) >= 0) {
        if (!message_show(t, m, 0)) return TOOL_PIPE;
        count++;
        if (tool_has(t, OPT_NO_ACK)) continue;
        err = rill_ack(m);
        /* A group without acks has nothing to settle, and another member may have been quicker. */
        if (err < 0 && err != RILL_EINVAL && err != RILL_ENOENT) break;
    }
    if (err == RILL_ETIMEDOUT && count > 0) err = RILL_OK;
    if (err == RILL_ETIMEDOUT)
        return tool_error(t, TOOL_TIMEOUT, "%s: no message came in time", tool_word(t, 1));
    if (err < 0 && err != RILL_EINVAL && err != RILL_ENOENT)
        return link_ended(t, err, tool_word(t, 1));
    err = rill_flush(t->bus, tool_timeout_ms(t));
    return err < 0 ? tool_failed(t, err, tool_word(t, 1)) : TOOL_OK;
}

int run_group_next(tool *t)
{
    const char *stream = tool_word(t, 0), *group = tool_word(t, 1);
    rill_group_info there = {.size = sizeof there};
    rill_sub *sub = NULL;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    /* To read by a name that is not there would make a group of it. */
    int err = rill_group_status(t->bus, stream, group, &there);
    if (err >= 0)
        err = rill_consume(t->bus, &sub, stream, RILL_OPTS(rill_sub_opts, .group = group));
    if (err < 0) return tool_failed(t, err, group);
    code = group_take(t, sub, tool_number(t, OPT_COUNT, 1));
    rill_sub_close(sub);
    return code;
}

/* ---- Places ---- */

static int group_moved(tool *t, int err, const char *did)
{
    return err < 0 ? tool_failed(t, err, tool_word(t, 1)) :
                     stream_done(t, did, "group", tool_word(t, 1));
}

int run_group_seek(tool *t)
{
    rill_at at = {.size = sizeof at, .seq = tool_number(t, OPT_SEQ, 0),
                  .time_ns = (int64_t)tool_number(t, OPT_TIME, 0)};
    int given = tool_has(t, OPT_FIRST) + tool_has(t, OPT_LAST) + tool_has(t, OPT_NEW) +
                tool_has(t, OPT_SEQ) + tool_has(t, OPT_TIME);
    if (given != 1)
        return tool_error(t, TOOL_USAGE, "where to? Give one of --first, --last, --new, --seq and "
                          "--time");
    at.from = tool_has(t, OPT_FIRST) ? RILL_FROM_FIRST : tool_has(t, OPT_LAST) ? RILL_FROM_LAST :
              tool_has(t, OPT_NEW) ? RILL_FROM_NEW : tool_has(t, OPT_SEQ) ? RILL_FROM_SEQ :
              RILL_FROM_TIME;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    return group_moved(t, rill_group_seek(t->bus, tool_word(t, 0), tool_word(t, 1), &at), "moved");
}

int run_group_reset(tool *t)
{
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    if (!tool_sure(t, "let the group %s read all again, from the first message on",
                   tool_word(t, 1)))
        return TOOL_USAGE;
    return group_moved(t, rill_group_seek(t->bus, tool_word(t, 0), tool_word(t, 1),
                                          RILL_OPTS(rill_at, .from = RILL_FROM_FIRST)), "reset");
}

int run_group_pause(tool *t)
{
    uint64_t ms;
    if (!args_span(tool_word(t, 2), &ms))
        return tool_error(t, TOOL_USAGE, "'%s' is no time; write 5s, 2m, 1h or 7d",
                          tool_word(t, 2));
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int64_t until_ns = tool_wall_ns() + stream_ns((int64_t)ms);
    return group_moved(t, rill_group_pause(t->bus, tool_word(t, 0), tool_word(t, 1), until_ns),
                       "paused");
}

int run_group_resume(tool *t)
{
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    return group_moved(t, rill_group_pause(t->bus, tool_word(t, 0), tool_word(t, 1), 0),
                       "resumed");
}
