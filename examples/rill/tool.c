/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

int64_t tool_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t tool_wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int tool_timeout_ms(const tool *t)
{
    uint64_t ms = tool_number(t, OPT_TIMEOUT, TOOL_TIMEOUT_MS);
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

int tool_code(int err)
{
    switch (err) {
    case RILL_OK: return TOOL_OK;
    case RILL_EINVAL: return TOOL_USAGE;
    case RILL_ENOENT: return TOOL_NOT_FOUND;
    case RILL_EEXIST:
    case RILL_ECONFLICT:
    case RILL_EFENCED:
    case RILL_EBUSY: return TOOL_CONFLICT;
    case RILL_ECONN:
    case RILL_ECLOSED: return TOOL_UNREACHABLE;
    case RILL_EAUTH: return TOOL_REFUSED;
    case RILL_ETIMEDOUT:
    case RILL_ENOREPLY: return TOOL_TIMEOUT;
    case RILL_ECORRUPT: return TOOL_DAMAGED;
    case RILL_EFULL:
    case RILL_ETOOBIG: return TOOL_FULL;
    case RILL_EUNSURE: return TOOL_UNSURE;
    case RILL_ECANCELED: return TOOL_INTERRUPTED;
    default: return TOOL_FAILED;
    }
}

/* ---- What is said on stderr ---- */

/* Also on rill's threads. */
static pthread_mutex_t tool_lock = PTHREAD_MUTEX_INITIALIZER;

static void tool_write(tool *t, const text *line)
{
    pthread_mutex_lock(&tool_lock);
    if (t->held) {
        if (t->later.len < TOOL_LATER_MAX) text_add(&t->later, line->ptr, line->len);
    } else {
        fflush(stdout);
        fwrite(line->ptr, 1, line->len, stderr);
    }
    pthread_mutex_unlock(&tool_lock);
}

void tool_release(tool *t)
{
    pthread_mutex_lock(&tool_lock);
    t->held = false;
    if (t->later.len) fwrite(t->later.ptr, 1, t->later.len, stderr);
    text_free(&t->later);
    pthread_mutex_unlock(&tool_lock);
}

static void tool_put(tool *t, out_colour colour, const char *word, const char *sentence)
{
    text shown = {0};
    bool colours = t->out.error_colour;
    text_addf(&shown, "%srill%s%s:%s ", out_on(colours, colour), *word ? " " : "", word,
              out_off(colours));
    text_add_shown(&shown, sentence, strlen(sentence), false);
    text_puts(&shown, "\n");
    tool_write(t, &shown);
    text_free(&shown);
}

static void tool_hint(tool *t, const char *hint)
{
    text shown = {0};
    if (!hint) return;
    text_addf(&shown, "%s      %s%s\n", out_on(t->out.error_colour, OUT_DIM), hint,
              out_off(t->out.error_colour));
    tool_write(t, &shown);
    text_free(&shown);
}

int tool_error(tool *t, int code, const char *format, ...)
{
    char sentence[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    tool_put(t, OUT_RED, "", sentence);
    return code;
}

void tool_note(tool *t, const char *format, ...)
{
    char sentence[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    tool_put(t, OUT_YELLOW, "note", sentence);
}

/* What one may do about it. */
static const char *tool_advice(const tool *t, int err)
{
    switch (err) {
    case RILL_ECONN: return "is a server there? --url, RILL_URL and 'rill context' say where";
    case RILL_EAUTH: return strstr(rill_errmsg(), "certificate") ?
        "--tls-ca names who signed the server's certificate, and --tls-name its host" :
        "--user and --password, --creds or --nkey say who you are";
    case RILL_EBUSY: return t->url && strncmp(t->url, "file:", 5) == 0 ?
        "another process has the store open: ask that one, by its nats:// URL" : NULL;
    case RILL_ENOREPLY: return "nobody listens on that subject, and no stream takes it";
    case RILL_ETIMEDOUT: return "--timeout gives it longer";
    case RILL_EUNSURE: return "it may have been done or not: look before you do it again";
    case RILL_EIO: return "is the disk there, and may this user write to it?";
    default: return NULL;
    }
}

int tool_failed(tool *t, int err, const char *what)
{
    char sentence[1536];
    int why = err;
    snprintf(sentence, sizeof sentence, "%s", rill_errmsg());
    const char *lost = err == RILL_ECLOSED ? link_lost(&why) : NULL;
    int code = tool_error(t, tool_code(why), "%s: %s", what,
                          err == RILL_ECANCELED ? "interrupted" : lost ? lost : sentence);
    tool_hint(t, tool_advice(t, why));
    return code;
}

bool tool_sure(tool *t, const char *format, const char *name)
{
    char question[512], answer[16] = "";
    if (tool_has(t, OPT_FORCE)) return true;
    snprintf(question, sizeof question, format, name);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        tool_error(t, TOOL_USAGE, "%s? Nobody is here to answer: --force does it unasked",
                   question);
        return false;
    }
    text shown = {0};
    text_add_shown(&shown, question, strlen(question), false);
    fprintf(stderr, "%s? [y/N] ", shown.ptr);
    text_free(&shown);
    if (!fgets(answer, sizeof answer, stdin)) answer[0] = 0;
    if (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0) return true;
    tool_error(t, TOOL_USAGE, "left as it is");
    return false;
}
