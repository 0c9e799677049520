/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own. What cannot be made, measured or removed ends the test. What a test
 * does not remove goes when the process that made it exits; one that is killed leaves it. */
#ifndef RI_TEST_SCRATCH_H
#define RI_TEST_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

enum { SCRATCH_LEN = 64 }; /* of a directory's name, with its end */

typedef struct scratch_sizes {
    uint64_t files;
    uint64_t largest;    /* file, bytes */
    uint64_t disk_bytes; /* what all of them take of the disk */
} scratch_sizes;

void scratch_make(char dir[SCRATCH_LEN]);
/* The same in memory, where there is such a place, for many small syncs. */
void scratch_make_quick(char dir[SCRATCH_LEN]);
scratch_sizes scratch_measure(const char *dir);
/* A whole file as a text in `out`, which is returned. One that finds no room ends the test. */
char *scratch_read(const char *path, char *out, size_t room);
/* A directory with all that is in it. One that is not there is no failure. */
void scratch_remove(const char *dir);

#endif
