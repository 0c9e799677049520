/* SPDX-License-Identifier: Apache-2.0 */
/* Signals. A loop over messages looks for them itself and closes what it has opened. A single call
 * that waits for an answer has nothing to close: the process ends where it is, since a store that
 * is open recovers, and a server sees the connection end. What is half written has been registered
 * here, and goes. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "tool.h"

static volatile sig_atomic_t stop_came, stop_in_loop;
static const char *volatile stop_file, *volatile stop_bytes;
static const struct termios *volatile stop_saved;
static volatile sig_atomic_t stop_fd;

static void stop_handler(int number)
{
    int saved = errno;
    (void)number;
    if (!stop_in_loop || stop_came) {
        if (stop_file) unlink(stop_file);
        if (stop_saved) tcsetattr(STDIN_FILENO, TCSANOW, (const struct termios *)stop_saved);
        if (stop_bytes && write(stop_fd, stop_bytes, strlen(stop_bytes)) < 0) stop_came = 1;
        _exit(TOOL_INTERRUPTED);
    }
    stop_came = 1;
    errno = saved;
}

void stop_install(void)
{
    struct sigaction action = {.sa_handler = stop_handler, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, quiet = {.sa_handler = SIG_DFL};
    sigfillset(&action.sa_mask);
    const int ours[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        struct sigaction before;
        /* Who was started to ignore it (nohup) goes on doing so. */
        if (sigaction(ours[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(ours[i], &action, NULL);
    }
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGWINCH, &quiet, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

void stop_loop(bool begins)
{
    stop_in_loop = begins;
}

bool stop_asked(void)
{
    return stop_came != 0;
}

void stop_remove(const char *path)
{
    stop_file = path;
}

void stop_restore(int fd, const char *bytes)
{
    stop_fd = fd;
    stop_bytes = bytes;
}

void stop_termios(const struct termios *saved)
{
    stop_saved = saved;
}
