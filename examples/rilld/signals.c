/* SPDX-License-Identifier: Apache-2.0 */
#include "signals.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int signals_ours[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
enum { SIGNALS_COUNT = sizeof signals_ours / sizeof signals_ours[0] };

/* The pipe; a handler can have no other context. */
static int signals_pipe[2] = {-1, -1};

static void signals_handler(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    /* A full pipe holds enough signals to act on. */
    ssize_t written = write(signals_pipe[1], &byte, 1);
    (void)written;
    errno = saved;
}

int signals_install(void)
{
    if (pipe2(signals_pipe, O_NONBLOCK | O_CLOEXEC) < 0) return -1;
    struct sigaction action = {.sa_handler = signals_handler, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS_COUNT; i++)
        if (sigaction(signals_ours[i], &action, NULL) < 0) return -1;
    signals_hold(false);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    return sigaction(SIGPIPE, &ignore, NULL) < 0 ? -1 : signals_pipe[0];
}

void signals_hold(bool hold)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < SIGNALS_COUNT; i++) sigaddset(&set, signals_ours[i]);
    sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

const char *signals_name(int number)
{
    switch (number) {
    case SIGHUP: return "hangup";
    case SIGINT: return "interrupt";
    case SIGTERM: return "terminated";
    case SIGUSR1: return "user defined signal 1";
    case SIGUSR2: return "user defined signal 2";
    default: return "unknown";
    }
}

/* ---- To another process ---- */

static int signals_number(const char *name, size_t len)
{
    static const struct {
        const char *name;
        int number;
    } commands[] = {{"stop", SIGKILL}, {"quit", SIGINT},    {"term", SIGTERM},
                    {"reload", SIGHUP}, {"reopen", SIGUSR1}, {"ldm", SIGUSR2}};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strlen(commands[i].name) == len && memcmp(commands[i].name, name, len) == 0)
            return commands[i].number;
    return 0;
}

static bool signals_parse_pid(const char *text, long *pid)
{
    char *rest;
    errno = 0;
    *pid = strtol(text, &rest, 10);
    while (isspace((unsigned char)*rest)) rest++;
    return rest != text && !*rest && errno == 0 && *pid > 0 && *pid <= INT_MAX;
}

/* A number, or a file that holds one. */
static bool signals_pid(const char *text, long *pid)
{
    if (signals_parse_pid(text, pid)) return true;
    FILE *file = fopen(text, "r");
    if (!file) return false;
    char line[64];
    bool good = fgets(line, sizeof line, file) != NULL && signals_parse_pid(line, pid);
    fclose(file);
    return good;
}

/* Is the process the program of that name, by what it was started as? */
static bool signals_is_program(const char *pid, const char *program)
{
    char path[64], name[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    size_t len = fread(name, 1, sizeof name - 1, file);
    fclose(file);
    name[len] = 0; /* the command line's first word ends in a 0 itself */
    const char *slash = strrchr(name, '/');
    return strcmp(!slash ? name : slash + 1, program) == 0;
}

/* The only other process of that program. */
static bool signals_find(const char *program, long *pid, char *error)
{
    DIR *dir = opendir("/proc");
    size_t found = 0;
    size_t len = (size_t)snprintf(error, SIGNALS_ERROR_BYTES, "multiple %.60s processes running:",
                                  program);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        long number;
        if (!signals_parse_pid(entry->d_name, &number) || number == (long)getpid() ||
            !signals_is_program(entry->d_name, program))
            continue;
        found++;
        *pid = number;
        if (len < SIGNALS_ERROR_BYTES - 24)
            len += (size_t)snprintf(error + len, 24, " %ld", number);
    }
    if (dir) closedir(dir);
    if (found == 0)
        snprintf(error, SIGNALS_ERROR_BYTES, "no %.60s processes running", program);
    return found == 1;
}

bool signals_send(const char *command, const char *program, char error[SIGNALS_ERROR_BYTES])
{
    size_t len = strcspn(command, "=");
    int number = signals_number(command, len);
    if (number == 0) {
        snprintf(error, SIGNALS_ERROR_BYTES, "unknown signal \"%.*s\"", (int)(len < 60 ? len : 60),
                 command);
        return false;
    }
    long pid = 0;
    if (command[len] == 0) {
        if (!signals_find(program, &pid, error)) return false;
    } else if (!signals_pid(command + len + 1, &pid)) {
        snprintf(error, SIGNALS_ERROR_BYTES, "invalid pid: %.200s", command + len + 1);
        return false;
    }
    if (kill((pid_t)pid, number) < 0) {
        snprintf(error, SIGNALS_ERROR_BYTES, "signal \"%.*s\" %ld: %s", (int)len, command, pid,
                 strerror(errno));
        return false;
    }
    return true;
}
