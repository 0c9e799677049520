/* SPDX-License-Identifier: Apache-2.0 */
#include "care.h"

#include <dirent.h>
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
    if (care->damage) {
        printf("%s\n", care->damage->sentence);
        return 0;
    }
    int64_t now_ms = care_now_ms();
    if (care->total_bytes == 0 || (run->told_ms != 0 && now_ms - run->told_ms < CARE_TELL_MS))
        return 0;
    run->told_ms = now_ms;
    fprintf(stderr, "%s%s: %.0f %% of this pass%s", run->terminal ? "\r" : "", run->program,
            (double)care->done_bytes * 100 / (double)care->total_bytes,
            run->terminal ? "" : "\n");
    fflush(stderr);
    return 0;
}

/* Are there files of a store in `dir` itself? */
static bool care_is_store(const char *dir)
{
    DIR *files = opendir(dir);
    if (!files) return false;
    bool found = false;
    for (struct dirent *file; !found && (file = readdir(files)) != NULL;) {
        const char *end = strrchr(file->d_name, '.');
        found = end && strcmp(end, ".seg") == 0;
    }
    closedir(files);
    return found;
}

/* The stores of `dir`: the one in its "jetstream", the one in itself, or both: 0 to 2 paths in
 * `below`, "" or "/jetstream". Where there is none it is said of `dir` itself. */
static int care_find(const char *below[2], const char *dir)
{
    char path[PATH_MAX];
    struct stat found;
    int n = 0, len = snprintf(path, sizeof path, "%s/jetstream", dir);
    if (len < 0 || len >= PATH_MAX) return 0;
    bool inner = stat(path, &found) == 0 && S_ISDIR(found.st_mode);
    if (!inner || care_is_store(dir)) below[n++] = "";
    if (inner) below[n++] = "/jetstream";
    return n;
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

/* The worse of two results: what could not be read is worse than damage. */
static int care_worse(int a, int b)
{
    if (a == CARE_FAILED || b == CARE_FAILED) return CARE_FAILED;
    return a == CARE_DAMAGED ? a : b;
}

static int care_too_long(const char *program, const char *path)
{
    fprintf(stderr, "%s: %s: the path is too long\n", program, path);
    return CARE_FAILED;
}

int care_check(const char *program, const char *dir)
{
    care_run run = {.program = program};
    const char *below[2];
    char store[PATH_MAX];
    int result = CARE_WHOLE, n = care_find(below, dir);
    if (n == 0) return care_too_long(program, dir);
    for (int i = 0; i < n; i++) {
        snprintf(store, sizeof store, "%s%s", dir, below[i]);
        result = care_worse(result, care_run_on(&run, store, NULL));
    }
    return result;
}

static int care_salvage_one(care_run *run, const char *from, const char *to, const char *below)
{
    char store[PATH_MAX], saved[PATH_MAX];
    snprintf(store, sizeof store, "%s%s", from, below);
    int len = snprintf(saved, sizeof saved, "%s%s", to, below);
    if (len < 0 || len >= PATH_MAX) return care_too_long(run->program, to);
    if (access(store, F_OK) < 0) {
        fprintf(stderr, "%s: %s: %m\n", run->program, store);
        return CARE_FAILED;
    }
    if (!files_make_dirs(saved)) {
        fprintf(stderr, "%s: mkdir %s: %m\n", run->program, saved);
        return CARE_FAILED;
    }
    return care_run_on(run, store, saved);
}

int care_salvage(const char *program, const char *from, const char *to)
{
    care_run run = {.program = program};
    const char *below[2];
    int result = CARE_WHOLE, n = care_find(below, from);
    if (n == 0) return care_too_long(program, from);
    for (int i = 0; i < n; i++)
        result = care_worse(result, care_salvage_one(&run, from, to, below[i]));
    return result;
}
