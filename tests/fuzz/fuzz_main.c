/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fuzz.h"
#include "support/rng.h"

#define INPUT_MAX (1 << 20)

void fuzz_require_at(int holds, const char *what, const char *file, int line)
{
    if (holds) return;
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
    abort();
}

size_t fuzz_words(char *text, size_t cap, const char *const *words, size_t nwords,
                  const uint8_t *data, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < size; i++) {
        const char *word = words[data[i] % nwords];
        size_t n = strlen(word);
        if (n > cap - len) break;
        memcpy(text + len, word, n);
        len += n;
    }
    return len;
}

#ifdef RILL_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_one(data, size);
}
#else
static uint8_t input[INPUT_MAX];

static void run_random(unsigned long runs, uint64_t seed)
{
    for (unsigned long run = 0; run < runs; run++) {
        rng r;
        rng_init(&r, seed + run);
        size_t size = rng_below(&r, 1 + (4096u << rng_below(&r, 3)));
        unsigned bits = 1 + (unsigned)rng_below(&r, 8); /* some inputs of few different bytes */
        for (size_t i = 0; i < size; i++) {
            input[i] = (uint8_t)(rng_next(&r) >> 20);
            if (run % 3 == 0) input[i] &= (uint8_t)((1u << bits) - 1);
        }
        fuzz_one(input, size);
    }
    printf("%lu random inputs\n", runs);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "-r") == 0) {
        run_random(strtoul(argv[2], NULL, 0), argc > 3 ? strtoull(argv[3], NULL, 0) : 1);
        return EXIT_SUCCESS;
    }
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            perror(argv[i]);
            return EXIT_FAILURE;
        }
        size_t size = fread(input, 1, sizeof input, file);
        fclose(file);
        fuzz_one(input, size);
    }
    return EXIT_SUCCESS;
}
#endif
