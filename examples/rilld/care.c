/* SPDX-License-Identifier: Apache-2.0 */
#include "care.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "rill.h"

enum { CARE_TELL_MS = 1000 };  /* between two lines about how far it is */

typedef struct care_run {
    const char *program;
    int64_t told_ms;   /* when the last line about how far it is was written; 0: never */
    bool terminal;     /* stderr is one: each of these lines takes the place of the last */
} care_run;

static int64_t care_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int care_told(const rill_care *care, void *arg)
{
    care_run *run = arg;
    if (care->damage != NULL) {
        printf("%s\n", care->damage->sentence);
        return 0;
    }
    int64_t now_ms = care_now_ms();
    if (care->total_bytes == 0 || (run->told_ms != 0 && now_ms - run->told_ms < CARE_TELL_MS)) {
        return 0;
    }
    run->told_ms = now_ms;
    fprintf(stderr, "%s%s: %.0f %% of this pass%s", run->terminal ? "\r" : "", run->program,
            (double)care->done_bytes * 100 / (double)care->total_bytes,
            run->terminal ? "" : "\n");
    fflush(stderr);
    return 0;
}

/* The store in `dir`: "jetstream" in it, if there is that. False: its path is too long. */
static bool care_find(char store[PATH_MAX], const char *dir, bool *below)
{
    struct stat found;
    int len = snprintf(store, PATH_MAX, "%s/jetstream", dir);
    if (len < 0 || len >= PATH_MAX) return false;
    *below = stat(store, &found) == 0 && S_ISDIR(found.st_mode);
    if (!*below) snprintf(store, PATH_MAX, "%s", dir);
    return true;
}

static int care_run_on(care_run *run, const char *from, const char *to)
{
    run->terminal = isatty(STDERR_FILENO) != 0;
    int damages = rill_store_salvage(from, to, NULL, care_told, run);
    if (run->terminal && run->told_ms != 0) fputc('\n', stderr);
    if (damages < 0) {
        fprintf(stderr, "%s: %s\n", run->program, rill_errmsg());
        return CARE_FAILED;
    }
    printf("%s: %d damage%s\n", from, damages, damages == 1 ? "" : "s");
    if (fflush(stdout) != 0) return CARE_FAILED;
    return damages > 0 ? CARE_DAMAGED : CARE_WHOLE;
}

int care_check(const char *program, const char *dir)
{
    care_run run = {.program = program};
    char store[PATH_MAX];
    bool below;
    if (care_find(store, dir, &below)) return care_run_on(&run, store, NULL);
    fprintf(stderr, "%s: %s: the path is too long\n", program, dir);
    return CARE_FAILED;
}

int care_salvage(const char *program, const char *from, const char *to)
{
    care_run run = {.program = program};
    char store[PATH_MAX], saved[PATH_MAX];
    bool below;
    if (!care_find(store, from, &below) ||
        snprintf(saved, sizeof saved, "%s%s", to, below ? "/jetstream" : "") >= PATH_MAX) {
        fprintf(stderr, "%s: %s or %s: the path is too long\n", program, from, to);
        return CARE_FAILED;
    }
    if (access(store, F_OK) < 0) {
        fprintf(stderr, "%s: %s: %m\n", program, store);
        return CARE_FAILED;
    }
    if (!files_make_dirs(saved)) {
        fprintf(stderr, "%s: mkdir %s: %m\n", program, saved);
        return CARE_FAILED;
    }
    return care_run_on(&run, store, saved);
}
