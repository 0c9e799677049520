/* SPDX-License-Identifier: Apache-2.0 */
/* Who answers: a service of one command line, and a broker of one. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"
#include "run.h"
#include "tool.h"

enum { ANSWER_PRINTED_MAX = 8 << 20 };  /* bytes of what a command prints */

/* ---- reply ---- */

/* The request, as it comes, for the command's standard input: an unnamed file, so that neither of
 * the two waits for the other. */
static int answer_input(const rill_msg *m)
{
    FILE *file = tmpfile();
    int fd = -1;
    if (!file) return -1;
    if (fwrite(m->data.ptr, 1, m->data.len, file) == m->data.len && fflush(file) == 0)
        fd = dup(fileno(file));
    fclose(file);
    if (fd >= 0) lseek(fd, 0, SEEK_SET);
    return fd;
}

/* The command in a shell, from `in`; returns the end of the pipe that it prints into, or -1. */
static int answer_spawn(const char *command, int in, pid_t *pid)
{
    extern char **environ;
    int pipe_fd[2];
    char *argv[] = {"sh", "-c", (char *)command, NULL};
    posix_spawn_file_actions_t files;
    if (pipe2(pipe_fd, O_CLOEXEC) < 0) return -1;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, pipe_fd[1], STDOUT_FILENO);
    posix_spawnattr_t attr;
    sigset_t all;
    posix_spawnattr_init(&attr);
    sigemptyset(&all);
    sigaddset(&all, SIGPIPE);
    sigaddset(&all, SIGXFSZ);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawn(pid, "/bin/sh", &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    close(pipe_fd[1]);
    if (rc == 0) return pipe_fd[0];
    close(pipe_fd[0]);
    errno = rc;
    return -1;
}

/* What the command prints; false if it failed, which has been said. */
static bool answer_command(tool *t, const char *command, const rill_msg *m, text *printed)
{
    char piece[4096];
    pid_t pid;
    int status = 0, in = answer_input(m);
    ssize_t n;
    setenv("RILL_SUBJECT", m->subject.ptr, 1);
    int from = in < 0 ? -1 : answer_spawn(command, in, &pid);
    if (in >= 0) close(in);
    if (from < 0) return tool_error(t, TOOL_FAILED, "%s: %s", command, strerror(errno)), false;
    while ((n = read(from, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0) text_add(printed, piece, (size_t)n);
        if (printed->len > ANSWER_PRINTED_MAX) break;
    }
    close(from);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (printed->len > ANSWER_PRINTED_MAX)
        return tool_note(t, "%s: it prints more than %d MiB", command, ANSWER_PRINTED_MAX >> 20),
               false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    tool_note(t, "%s: it ended with %d; no answer is sent", command,
              WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return false;
}

static int answer_one(tool *t, const rill_msg *m, const message_post *post)
{
    const char *command = tool_text(t, OPT_COMMAND), *fixed = tool_word(t, 1);
    text printed = {0};
    int err = RILL_OK;
    if (m->reply.len == 0) return RILL_OK;
    if (command) {
        if (answer_command(t, command, m, &printed))
            err = rill_reply(m, printed.len ? printed.ptr : "", printed.len, &post->post);
    } else if (fixed) {
        err = rill_reply(m, fixed, strlen(fixed), &post->post);
    } else {
        err = rill_reply(m, m->data.ptr, m->data.len, &post->post);
    }
    text_free(&printed);
    return err;
}

int run_reply(tool *t)
{
    const char *subject = tool_word(t, 0);
    message_post post;
    rill_sub *sub = NULL;
    const rill_msg *m;
    uint64_t most = tool_number(t, OPT_COUNT, 0), count = 0;
    if (tool_word(t, 1) && tool_has(t, OPT_COMMAND))
        return tool_error(t, TOOL_USAGE, "an answer, or --command to make one, but not both");
    if (!message_options(t, &post)) return TOOL_USAGE;
    int code = link_open(t), err;
    if (code != TOOL_OK) return code;
    err = rill_subscribe(t->bus, &sub, subject,
                         RILL_OPTS(rill_sub_opts, .group = tool_text(t, OPT_QUEUE)));
    if (err < 0) return tool_failed(t, err, subject);
    if (rill_flush(t->bus, tool_timeout_ms(t)) >= 0) tool_note(t, "answering on %s", subject);
    bool read = true;
    while (read && (err = link_next(sub, &m, -1)) >= 0) {
        read = message_show(t, m, ++count);
        err = answer_one(t, m, &post);
        if (err < 0 || (most && count == most)) break;
    }
    if (err >= 0) err = rill_flush(t->bus, tool_timeout_ms(t));
    code = !read ? TOOL_PIPE : link_ended(t, err, subject);
    rill_sub_close(sub);
    return code;
}

/* ---- serve ---- */

static void answer_log(void *arg, rill_level level, const char *line)
{
    tool *t = arg;
    if (level <= RILL_WARN) tool_note(t, "%s", line);
}

static int answer_listen(tool *t, rill_broker *broker, const char *url)
{
    int port = rill_broker_listen(broker, url, NULL);
    if (port < 0) return tool_failed(t, port, url);
    const char *colon = strrchr(url, ':');
    bool chosen = colon && strcmp(colon, ":0") == 0;
    text place = {0};
    text_add(&place, url, chosen ? (size_t)(colon - url) : strlen(url));
    if (chosen) text_addf(&place, ":%d", port);
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "listening", place.ptr);
    out_row_end(&t->out);
    out_say(&t->out, "listening on %s", place.ptr);
    text_free(&place);
    return TOOL_OK;
}

int run_serve(tool *t)
{
    const rill_host host = {.size = sizeof host, .arg = t, .log = answer_log};
    const rill_broker_opts opts = {.size = sizeof opts, .host = &host, .jetstream = true,
                                   .dir = tool_text(t, OPT_DIR), .name = tool_text(t, OPT_NAME)};
    rill_broker *broker;
    bool any = false;
    int err = rill_broker_open(&broker, &opts), code = TOOL_OK;
    if (err < 0) return tool_failed(t, err, opts.dir ? opts.dir : "serve");
    for (size_t i = 0; i < t->args.nlist && code == TOOL_OK; i++) {
        if (t->args.list[i].id != OPT_LISTEN) continue;
        any = true;
        code = answer_listen(t, broker, t->args.list[i].value);
    }
    if (!any) code = answer_listen(t, broker, "nats://127.0.0.1:4222");
    if (code == TOOL_OK && !out_flush()) code = TOOL_PIPE;
    stop_loop(true);
    while (code == TOOL_OK && !stop_asked()) poll(NULL, 0, TOOL_SLICE_MS);
    err = rill_broker_close(broker, TOOL_CLOSE_MS);
    if (err < 0) return tool_failed(t, err, "serve");
    return code == TOOL_OK ? TOOL_INTERRUPTED : code;
}
