/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzz target is one file with fuzz_one(). Built with -Dfuzz=true by clang it is a libFuzzer
 * program; else it has a main of its own (fuzz_main.c):
 *
 *     fuzz_x [FILE...]            each file as an input, or
 *     fuzz_x -r RUNS [SEED]       inputs made at random, the same each time */
#ifndef RI_TEST_FUZZ_H
#define RI_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int fuzz_one(const uint8_t *data, size_t size);
/* A text of the words that the bytes choose, as far as it has room: random bytes alone say nothing
 * that a grammar knows. Returns its length. */
size_t fuzz_words(char *text, size_t cap, const char *const *words, size_t nwords,
                  const uint8_t *data, size_t size);
/* Ends the program with the sentence unless `holds`, in every build. */
void fuzz_require_at(int holds, const char *what, const char *file, int line);
#define fuzz_require(holds, what) fuzz_require_at((holds), (what), __FILE__, __LINE__)

#endif
