/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "run.h"

int stream_done(tool *t, const char *did, const char *kind, const char *name)
{
    text shown = {0};
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, kind, name);
    out_flag(&t->out, did, true);
    out_row_end(&t->out);
    text_add_shown(&shown, name, strlen(name), false);
    out_say(&t->out, "%s %s %s", did, kind, shown.ptr);
    text_free(&shown);
    return TOOL_OK;
}

/* ---- ls and find ---- */

static void stream_row(out *o, const rill_stream_desc *desc)
{
    out_row(o);
    out_text(o, "name", desc->name);
    out_text(o, "subjects", desc->opts->subjects ? desc->opts->subjects : "");
    out_count(o, "messages", desc->info->msgs);
    out_size(o, "bytes", desc->info->bytes);
    out_count(o, "groups", desc->info->groups);
    out_time(o, "last_time", desc->info->last_time_ns);
    out_row_end(o);
}

static int stream_ls_one(const rill_stream_desc *desc, void *arg)
{
    stream_row(&((tool *)arg)->out, desc);
    return 0;
}

static int stream_list(tool *t, rill_stream_fn each)
{
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    out_begin(&t->out, OUT_TABLE);
    int err = rill_stream_describe(t->bus, NULL, each, t);
    if (err < 0) return tool_failed(t, err, "streams");
    out_end(&t->out);
    return TOOL_OK;
}

int run_stream_ls(tool *t)
{
    return stream_list(t, stream_ls_one);
}

/* Does a subject match a filter of tokens, '*' and a last '>'? */
static bool stream_matches(const char *filter, size_t len, const char *subject)
{
    const char *end = filter + len;
    while (filter < end && *subject) {
        size_t n = strcspn(filter, ". "), m = strcspn(subject, ".");
        if (n > (size_t)(end - filter)) n = (size_t)(end - filter);
        if (n == 1 && *filter == '>') return true;
        bool star = n == 1 && *filter == '*';
        if (!star && (n != m || memcmp(filter, subject, n) != 0)) return false;
        filter += n + (filter + n < end);
        subject += m + (subject[m] == '.');
    }
    return filter == end && *subject == 0;
}

static bool stream_takes(const char *filters, const char *subject)
{
    for (const char *p = filters ? filters : ""; *p;) {
        size_t n = strcspn(p, " ");
        if (stream_matches(p, n, subject)) return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

static int stream_find_one(const rill_stream_desc *desc, void *arg)
{
    tool *t = arg;
    const rill_stream_info *info = desc->info;
    const char *subject = tool_text(t, OPT_SUBJECT);
    int64_t idle_ns = stream_ns((int64_t)tool_number(t, OPT_IDLE, 0));
    bool found = (!subject || stream_takes(desc->opts->subjects, subject)) &&
                 (!tool_has(t, OPT_EMPTY) || info->msgs == 0) &&
                 (!tool_has(t, OPT_OVER) || info->msgs > tool_number(t, OPT_OVER, 0)) &&
                 (!tool_has(t, OPT_BYTES) || info->bytes > tool_number(t, OPT_BYTES, 0)) &&
                 (!tool_has(t, OPT_IDLE) || info->last_time_ns < tool_wall_ns() - idle_ns) &&
                 (!tool_has(t, OPT_NO_GROUPS) || info->groups == 0);
    if (found) stream_row(&t->out, desc);
    return 0;
}

int run_stream_find(tool *t)
{
    return stream_list(t, stream_find_one);
}

/* ---- Removing ---- */

int run_stream_purge(tool *t)
{
    const char *stream = tool_word(t, 0);
    uint64_t purged = 0;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    if (!tool_sure(t, "remove messages of the stream %s", stream)) return TOOL_USAGE;
    int err = rill_stream_purge(t->bus, stream,
                                RILL_OPTS(rill_purge_opts, .filter = tool_text(t, OPT_FILTER),
                                          .before_seq = tool_number(t, OPT_BEFORE, 0),
                                          .keep_msgs = tool_number(t, OPT_KEEP_LAST, 0)), &purged);
    if (err < 0) return tool_failed(t, err, stream);
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "stream", stream);
    out_count(&t->out, "purged", purged);
    out_row_end(&t->out);
    out_say(&t->out, "removed %" PRIu64 " messages", purged);
    return TOOL_OK;
}

int run_stream_rm(tool *t)
{
    const char *stream = tool_word(t, 0);
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    if (!tool_sure(t, "delete the stream %s with its messages and groups", stream))
        return TOOL_USAGE;
    int err = rill_stream_delete(t->bus, stream);
    return err < 0 ? tool_failed(t, err, stream) : stream_done(t, "deleted", "stream", stream);
}

static bool stream_seq(tool *t, const char *word, uint64_t *seq)
{
    if (args_number(word, seq)) return true;
    tool_error(t, TOOL_USAGE, "'%s' is no number of a message", word);
    return false;
}

int run_stream_erase(tool *t)
{
    const char *stream = tool_word(t, 0);
    uint64_t seq;
    if (!stream_seq(t, tool_word(t, 1), &seq)) return TOOL_USAGE;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    if (!tool_sure(t, "erase that message of %s", stream)) return TOOL_USAGE;
    int err = rill_stream_erase(t->bus, stream, RILL_AT(seq));
    return err < 0 ? tool_failed(t, err, stream) :
                     stream_done(t, "erased", "message", tool_word(t, 1));
}

/* ---- Reading ---- */

int run_stream_get(tool *t)
{
    const char *stream = tool_word(t, 0), *word = tool_word(t, 1);
    rill_at at = {.size = sizeof at, .from = RILL_FROM_LAST, .filter = tool_text(t, OPT_FILTER)};
    rill_msg *m = NULL;
    if (word && !stream_seq(t, word, &at.seq)) return TOOL_USAGE;
    if (word) at.from = RILL_FROM_SEQ;
    else if (tool_has(t, OPT_TIME)) at.from = RILL_FROM_TIME;
    else if (tool_has(t, OPT_FIRST)) at.from = RILL_FROM_FIRST;
    at.time_ns = (int64_t)tool_number(t, OPT_TIME, 0);
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_stream_get(t->bus, stream, &at, &m);
    if (err < 0) return tool_failed(t, err, stream);
    code = message_show(t, m, 0) ? TOOL_OK : TOOL_PIPE;
    rill_msg_unref(m);
    return code;
}

bool stream_from(tool *t, rill_sub_opts *opts)
{
    static const rill_from froms[] = {RILL_FROM_FIRST, RILL_FROM_LAST, RILL_FROM_LAST_PER_SUBJECT,
                                      RILL_FROM_NEW};
    int given = tool_has(t, OPT_FROM) + tool_has(t, OPT_SEQ) + tool_has(t, OPT_TIME);
    if (given > 1) {
        tool_error(t, TOOL_USAGE, "--from, --seq and --since name one place: give one of them");
        return false;
    }
    opts->from = froms[tool_number(t, OPT_FROM, 0)];
    if (tool_has(t, OPT_SEQ)) opts->from = RILL_FROM_SEQ;
    if (tool_has(t, OPT_TIME)) opts->from = RILL_FROM_TIME;
    opts->from_seq = tool_number(t, OPT_SEQ, 0);
    opts->from_time_ns = (int64_t)tool_number(t, OPT_TIME, 0);
    return true;
}

/* Is there anything to read? What comes while a status asks a server is in neither of its numbers:
 * the next one has it. */
static int stream_waits(rill_sub *sub, bool *waits)
{
    rill_sub_info info = {.size = sizeof info};
    int err = rill_sub_status(sub, &info);
    if (err >= 0 && info.lag_msgs + info.pending_msgs == 0) err = rill_sub_status(sub, &info);
    *waits = err >= 0 && info.lag_msgs + info.pending_msgs > 0;
    return err;
}

static int stream_follow(tool *t, rill_sub *sub, const char *stream)
{
    uint64_t most = tool_number(t, OPT_COUNT, 0), count = 0;
    int64_t wait_ms = tool_has(t, OPT_WAIT) ? (int64_t)tool_number(t, OPT_WAIT, 0) : -1;
    const rill_msg *m;
    bool read = true, more = true, end = tool_has(t, OPT_END);
    int err = end ? stream_waits(sub, &more) : RILL_OK;
    while (more && (err = link_next(sub, &m, wait_ms)) >= 0) {
        bool last = end && m->pending == 0;
        read = message_show(t, m, 0);
        more = read && !last && !(most && ++count == most);
    }
    return !read ? TOOL_PIPE : link_ended(t, err, stream);
}

int run_stream_tail(tool *t)
{
    const char *stream = tool_word(t, 0);
    rill_sub_opts opts = {.size = sizeof opts, .filter = tool_text(t, OPT_FILTER)};
    rill_sub *sub = NULL;
    if (!stream_from(t, &opts)) return TOOL_USAGE;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_tail(t->bus, &sub, stream, &opts);
    if (err < 0) return tool_failed(t, err, stream);
    code = stream_follow(t, sub, stream);
    rill_sub_close(sub);
    return code;
}
