/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream is configured to be: made, changed, and shown. */
#include <stdio.h>
#include <string.h>

#include "run.h"
#include "stream.h"
#include "tool.h"

static const char *const conf_keeps[] = {"limits", "interest", "work"};

static uint32_t conf_u32(uint64_t number)
{
    return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

/* What the command line has, over what stands in `o`. */
static void conf_given(const tool *t, rill_stream_opts *o)
{
    if (tool_has(t, OPT_DESCRIPTION)) o->description = tool_text(t, OPT_DESCRIPTION);
    if (tool_has(t, OPT_SUBJECT)) o->subjects = tool_text(t, OPT_SUBJECT);
    o->max_msgs = tool_number(t, OPT_MAX_MSGS, o->max_msgs);
    o->max_bytes = tool_number(t, OPT_MAX_BYTES, o->max_bytes);
    o->max_msgs_per_subject = tool_number(t, OPT_MAX_PER_SUBJECT, o->max_msgs_per_subject);
    o->max_age_ms = (int64_t)tool_number(t, OPT_MAX_AGE, (uint64_t)o->max_age_ms);
    o->max_msg_bytes = conf_u32(tool_number(t, OPT_MAX_MSG, o->max_msg_bytes));
    o->max_groups = conf_u32(tool_number(t, OPT_MAX_GROUPS, o->max_groups));
    o->dedupe_window_ms = conf_u32(tool_number(t, OPT_DEDUPE, o->dedupe_window_ms));
    o->partitions = conf_u32(tool_number(t, OPT_PARTITIONS, o->partitions));
    if (tool_has(t, OPT_REPLICAS)) {
        uint64_t replicas = tool_number(t, OPT_REPLICAS, 0);
        o->replicas = replicas > UINT8_MAX ? UINT8_MAX : (uint8_t)replicas;
    }
    if (tool_has(t, OPT_KEEP)) o->keep = (rill_keep)tool_number(t, OPT_KEEP, 0);
    if (tool_has(t, OPT_REJECT)) o->reject_when_full = tool_number(t, OPT_REJECT, 0) == 1;
    if (tool_has(t, OPT_ALLOW_TTL)) o->allow_ttl = true;
    if (tool_has(t, OPT_MEMORY)) o->in_memory = true;
    if (tool_has(t, OPT_COMPACT)) o->compact = true;
}

static int conf_changed(tool *t, const char *stream, const char *did)
{
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "stream", stream);
    out_flag(&t->out, did, true);
    out_row_end(&t->out);
    out_say(&t->out, "%s %s", did, stream);
    return TOOL_OK;
}

/* ---- add ---- */

static void conf_subjects(const tool *t, text *subjects)
{
    for (size_t i = 1; i < t->args.nwords; i++)
        text_addf(subjects, "%s%s", i > 1 ? " " : "", t->args.words[i]);
}

int run_stream_add(tool *t)
{
    const char *stream = tool_word(t, 0);
    rill_stream_opts opts = {.size = sizeof opts};
    rill_stream_info there = {.size = sizeof there};
    text subjects = {0};
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    if (rill_stream_status(t->bus, stream, &there) >= 0)
        return tool_error(t, TOOL_CONFLICT, "there is a stream %s; 'rill stream edit' changes it",
                          stream);
    conf_given(t, &opts);
    conf_subjects(t, &subjects);
    if (subjects.len) opts.subjects = subjects.ptr;
    int err = rill_stream_ensure(t->bus, stream, &opts);
    text_free(&subjects);
    return err < 0 ? tool_failed(t, err, stream) : conf_changed(t, stream, "created");
}

/* ---- edit ---- */

typedef struct conf_edit {
    tool *t;
    int err;
} conf_edit;

/* Within the description, whose texts are lent. */
static int conf_edit_one(const rill_stream_desc *desc, void *arg)
{
    conf_edit *edit = arg;
    rill_stream_opts opts = *desc->opts;
    opts.size = sizeof opts;
    conf_given(edit->t, &opts);
    edit->err = rill_stream_ensure(edit->t->bus, desc->name, &opts);
    return edit->err < 0;
}

int run_stream_edit(tool *t)
{
    const char *stream = tool_word(t, 0);
    conf_edit edit = {.t = t};
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_stream_describe(t->bus, stream, conf_edit_one, &edit);
    if (edit.err < 0) err = edit.err;
    return err < 0 ? tool_failed(t, err, stream) : conf_changed(t, stream, "changed");
}

/* ---- info ---- */

static void conf_show_limits(out *o, const rill_stream_opts *opts)
{
    if (opts->max_msgs || o->json) out_count(o, "max_msgs", opts->max_msgs);
    if (opts->max_bytes || o->json) out_size(o, "max_bytes", opts->max_bytes);
    if (opts->max_msgs_per_subject || o->json)
        out_count(o, "max_msgs_per_subject", opts->max_msgs_per_subject);
    if (opts->max_age_ms || o->json) out_span(o, "max_age_ns", stream_ns(opts->max_age_ms));
    if (opts->max_msg_bytes) out_size(o, "max_msg_bytes", opts->max_msg_bytes);
    if (opts->max_groups) out_count(o, "max_groups", opts->max_groups);
    if (opts->dedupe_window_ms) out_span(o, "dedupe_window_ns", stream_ns(opts->dedupe_window_ms));
    out_text(o, "when_full", opts->reject_when_full ? "reject" : "drop");
}

static void conf_show_opts(out *o, const rill_stream_opts *opts)
{
    if (opts->description) out_text(o, "description", opts->description);
    out_text(o, "subjects", opts->subjects ? opts->subjects : "");
    out_text(o, "keep", opts->keep < 3 ? conf_keeps[opts->keep] : "unknown");
    out_text(o, "storage", opts->in_memory ? "memory" : "file");
    conf_show_limits(o, opts);
    if (opts->replicas > 1) out_count(o, "replicas", opts->replicas);
    if (opts->compact) out_flag(o, "compact", true);
    if (opts->allow_ttl) out_flag(o, "allow_ttl", true);
    if (opts->allow_schedules) out_flag(o, "allow_schedules", true);
    if (opts->deny_erase) out_flag(o, "deny_erase", true);
    if (opts->deny_purge) out_flag(o, "deny_purge", true);
    if (opts->mirror) out_text(o, "mirror_of", opts->mirror->stream);
    for (size_t i = 0; i < opts->nsources && !o->json; i++)
        out_text(o, "source", opts->sources[i]->stream);
    if (opts->republish_to) out_text(o, "republish_to", opts->republish_to);
}

int stream_show(const rill_stream_desc *desc, void *arg)
{
    out *o = arg;
    const rill_stream_info *info = desc->info;
    out_begin(o, OUT_LIST);
    out_row(o);
    out_text(o, "name", desc->name);
    conf_show_opts(o, desc->opts);
    out_count(o, "messages", info->msgs);
    out_size(o, "bytes", info->bytes);
    out_count(o, "first_seq", info->first_seq);
    out_time(o, "first_time", info->first_time_ns);
    out_count(o, "last_seq", info->last_seq);
    out_time(o, "last_time", info->last_time_ns);
    out_count(o, "distinct_subjects", info->subjects);
    out_count(o, "groups", info->groups);
    if (info->partitions > 1) out_count(o, "partitions", info->partitions);
    if (info->ids_forgotten) out_count(o, "ids_forgotten", info->ids_forgotten);
    out_row_end(o);
    out_end(o);
    return 0;
}

int run_stream_info(tool *t)
{
    const char *stream = tool_word(t, 0);
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_stream_describe(t->bus, stream, stream_show, &t->out);
    return err < 0 ? tool_failed(t, err, stream) : TOOL_OK;
}
