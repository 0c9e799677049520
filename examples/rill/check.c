/* SPDX-License-Identifier: Apache-2.0 */
/* For monitoring systems: one line, with figures behind a bar, and 0, 1, 2 or 3 as exit code: ok,
 * warning, critical, unknown. What cannot be reached, or is not there, is critical; a command line
 * that is wrong is unknown. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "run.h"
#include "stream.h"
#include "tool.h"

static const char *const check_words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

typedef struct check_limit {
    const char *what;        /* "lag" */
    const char *unit;        /* "s" for times; "" */
    double value, warn, crit; /* warn and crit < 0: none */
} check_limit;

static int check_level(const check_limit *limit)
{
    if (limit->crit >= 0 && limit->value > limit->crit) return CHECK_CRITICAL;
    return limit->warn >= 0 && limit->value > limit->warn ? CHECK_WARNING : CHECK_OK;
}

static void check_figure(text *line, const char *unit, double value)
{
    if (value >= 0) text_addf(line, unit[0] ? "%.6f%s" : "%.0f%s", value, unit);
}

static int check_say(tool *t, int level, const char *sentence, const check_limit *limit)
{
    static const out_colour colours[] = {OUT_GREEN, OUT_YELLOW, OUT_RED, OUT_CYAN};
    out *o = &t->out;
    text shown = {0}, figures = {0};
    out_begin(o, OUT_LINE);
    out_row(o);
    out_text(o, "status", check_words[level]);
    out_text(o, "message", sentence);
    if (limit) out_real(o, limit->what, limit->value, limit->unit[0] ? 6 : 0);
    out_row_end(o);
    text_add_shown(&shown, sentence, strlen(sentence), false);
    if (limit) {
        text_addf(&figures, " | %s=", limit->what);
        check_figure(&figures, limit->unit, limit->value);
        text_puts(&figures, ";");
        check_figure(&figures, "", limit->warn);
        text_puts(&figures, ";");
        check_figure(&figures, "", limit->crit);
    }
    out_say(o, "%s%s%s - %s%s", out_on(o->colour, colours[level]), check_words[level],
            out_off(o->colour), shown.ptr, figures.ptr ? figures.ptr : "");
    text_free(&shown);
    text_free(&figures);
    return level;
}

/* A failure of rill, or of the opening, which has been said on stderr already. */
static int check_failed(tool *t, int code)
{
    bool asked_wrongly = code == TOOL_USAGE;
    return check_say(t, asked_wrongly ? CHECK_UNKNOWN : CHECK_CRITICAL,
                     code == TOOL_NOT_FOUND ? "it is not there" :
                     code == TOOL_REFUSED ? "it is refused" :
                     asked_wrongly ? "it was asked wrongly" : "it cannot be reached", NULL);
}

/* --warn and --crit as numbers, or as seconds of spans. False: it has been said. */
static bool check_limits(tool *t, check_limit *limit)
{
    const opt_id ids[] = {OPT_WARN, OPT_CRIT};
    double *into[] = {&limit->warn, &limit->crit};
    for (size_t i = 0; i < 2; i++) {
        const char *given = tool_text(t, ids[i]);
        uint64_t number;
        *into[i] = -1;
        if (!given) continue;
        bool good = limit->unit[0] ? args_span(given, &number) : args_number(given, &number);
        if (!good) {
            tool_error(t, TOOL_USAGE, "'%s' is no limit here: write %s", given,
                       limit->unit[0] ? "500ms, 5s, 2m or 1h" : "a number");
            return false;
        }
        *into[i] = limit->unit[0] ? (double)number / 1000 : (double)number;
    }
    return true;
}

static int check_result(tool *t, const check_limit *limit, const char *of)
{
    text sentence = {0}, value = {0};
    if (limit->unit[0]) text_add_span(&value, (int64_t)(limit->value * 1e9));
    else text_add_count(&value, (uint64_t)limit->value);
    text_addf(&sentence, "%s: %s is %s", of, limit->what, value.ptr);
    int level = check_say(t, check_level(limit), sentence.ptr, limit);
    text_free(&sentence);
    text_free(&value);
    return level;
}

int run_check_connection(tool *t)
{
    check_limit limit = {.what = "rtt", .unit = "s"};
    if (!check_limits(t, &limit)) return check_failed(t, TOOL_USAGE);
    int code = link_open(t);
    if (code != TOOL_OK) return check_failed(t, code);
    int64_t rtt_ns;
    int err = link_round_trip(t, &rtt_ns);
    if (err < 0) return check_failed(t, tool_failed(t, err, t->url));
    limit.value = (double)rtt_ns / 1e9;
    return check_result(t, &limit, t->url);
}

/* The largest lag of a stream's groups. */
typedef struct check_lag {
    tool *t;
    const char *stream;
    uint64_t most;
    int err;
} check_lag;

static int check_lag_one(const char *group, void *arg)
{
    check_lag *lag = arg;
    rill_group_info info = {.size = sizeof info};
    lag->err = rill_group_status(lag->t->bus, lag->stream, group, &info);
    if (lag->err == RILL_ENOENT) return lag->err = 0;
    if (lag->err >= 0 && info.lag_msgs > lag->most) lag->most = info.lag_msgs;
    return lag->err < 0;
}

static int check_age(tool *t, const char *of, int64_t time_ns)
{
    check_limit limit = {.what = "age", .unit = "s"};
    if (!check_limits(t, &limit)) return check_failed(t, TOOL_USAGE);
    if (time_ns == 0) return check_say(t, CHECK_CRITICAL, "there is no message", NULL);
    limit.value = (double)(tool_wall_ns() - time_ns) / 1e9;
    if (limit.value < 0) limit.value = 0;
    return check_result(t, &limit, of);
}

int run_check_stream(tool *t)
{
    const char *stream = tool_word(t, 0);
    check_lag lag = {.t = t, .stream = stream};
    check_limit limit = {.what = "lag", .unit = ""};
    rill_stream_info info = {.size = sizeof info};
    bool by_age = tool_has(t, OPT_AGE);
    if (!by_age && !check_limits(t, &limit)) return check_failed(t, TOOL_USAGE);
    int code = link_open(t);
    if (code != TOOL_OK) return check_failed(t, code);
    int err = rill_stream_status(t->bus, stream, &info);
    if (err >= 0 && by_age) return check_age(t, stream, info.last_time_ns);
    if (err >= 0) err = rill_group_each(t->bus, stream, check_lag_one, &lag);
    if (err >= 0) err = lag.err;
    if (err < 0) return check_failed(t, tool_failed(t, err, stream));
    limit.value = (double)lag.most;
    return check_result(t, &limit, stream);
}

int run_check_group(tool *t)
{
    const char *stream = tool_word(t, 0), *group = tool_word(t, 1);
    check_limit limit = {.what = tool_has(t, OPT_AGE) ? "lag_age" : "lag",
                         .unit = tool_has(t, OPT_AGE) ? "s" : ""};
    rill_group_info info = {.size = sizeof info};
    if (!check_limits(t, &limit)) return check_failed(t, TOOL_USAGE);
    int code = link_open(t);
    if (code != TOOL_OK) return check_failed(t, code);
    int err = rill_group_status(t->bus, stream, group, &info);
    if (err < 0) return check_failed(t, tool_failed(t, err, group));
    limit.value = tool_has(t, OPT_AGE) ? (double)info.lag_ns / 1e9 : (double)info.lag_msgs;
    return check_result(t, &limit, group);
}

int run_check_kv(tool *t)
{
    const char *bucket = tool_word(t, 0), *key = tool_word(t, 1);
    rill_kv *kv = NULL;
    rill_msg *m = NULL;
    int code = link_open(t);
    if (code != TOOL_OK) return check_failed(t, code);
    int err = rill_kv_open(t->bus, &kv, bucket, RILL_OPTS(rill_bucket_opts, .must_exist = true));
    if (err >= 0) err = rill_kv_get(kv, key, &m);
    int level = err < 0 ? check_failed(t, tool_failed(t, err, key)) :
                          check_age(t, key, m->time_ns);
    rill_msg_unref(m);
    rill_kv_close(kv);
    return level;
}
