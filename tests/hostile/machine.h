/* SPDX-License-Identifier: Apache-2.0 */
/* What the hostile machines share: their arguments, a clock that ends them, and the end of a test
 * whose code does not come back.
 *
 *     PROGRAM [--seed N] [--steps N] [--seconds N] [--show]
 *
 * History after history is played, of `steps` each and of the seeds N, N + 1, ..., until the
 * seconds are over; 0 seconds: one history. Each names its seed before it begins, so that the
 * last one named is the one that failed. --show tells each step. */
#ifndef RI_TEST_MACHINE_H
#define RI_TEST_MACHINE_H

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MACHINE_STEP_SECONDS = 60 }; /* a step that takes as long has no end */

typedef struct machine_args {
    uint64_t seed, steps, seconds;
    bool show;
} machine_args;

static inline void machine_no_end(int signal)
{
    static const char text[] = "a step has no end\n";
    ssize_t n = write(2, text, sizeof text - 1);
    (void)signal, (void)n;
    abort();
}

/* The longest turn of all histories so far, which is told at the end; 0: none was looked at. */
static uint64_t machine_longest;

static inline void machine_note_turn(uint64_t units)
{
    if (units > machine_longest) machine_longest = units;
}

/* A step begins. */
static inline void machine_watch(void)
{
    alarm(MACHINE_STEP_SECONDS);
}

static inline machine_args machine_arguments(int argc, char **argv, uint64_t steps)
{
    machine_args args = {.seed = 1, .steps = steps, .seconds = 0};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--show") == 0) args.show = true;
        else if (strcmp(argv[i], "--seed") == 0) args.seed = strtoull(value, NULL, 0), i++;
        else if (strcmp(argv[i], "--steps") == 0) args.steps = strtoull(value, NULL, 0), i++;
        else if (strcmp(argv[i], "--seconds") == 0) args.seconds = strtoull(value, NULL, 0), i++;
    }
    return args;
}

/* `history` plays one; false ends all. Returns what main() returns. */
static inline int machine_run(const machine_args *args,
                              bool (*history)(const machine_args *args, uint64_t seed))
{
    time_t end = time(NULL) + (time_t)args->seconds;
    uint64_t seed = args->seed;
    signal(SIGALRM, machine_no_end);
    do {
        printf("seed %" PRIu64 "\n", seed);
        fflush(stdout);
        if (!history(args, seed)) return EXIT_FAILURE;
        seed++;
    } while (time(NULL) < end);
    alarm(0);
    printf("%" PRIu64 " histories of %" PRIu64 " steps\n", seed - args->seed, args->steps);
    if (machine_longest) printf("the longest turn: %" PRIu64 " units\n", machine_longest);
    return EXIT_SUCCESS;
}

#endif
