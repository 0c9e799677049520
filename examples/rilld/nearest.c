/* SPDX-License-Identifier: Apache-2.0 */
#include "nearest.h"

#include <ctype.h>
#include <string.h>

static size_t nearest_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int nearest_same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Letters between two words: each row of the table is made from the two above it. */
static size_t nearest_away(const char *a, size_t alen, const char *b, size_t blen)
{
    size_t rows[3][NEAREST_WORD_MAX + 1];
    for (size_t j = 0; j <= blen; j++) rows[0][j] = j;
    for (size_t i = 1; i <= alen; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= blen; j++) {
            size_t change = above[j - 1] + !nearest_same(a[i - 1], b[j - 1]);
            row[j] = nearest_least(change, nearest_least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && nearest_same(a[i - 1], b[j - 2]) &&
                nearest_same(a[i - 2], b[j - 1]))
                row[j] = nearest_least(row[j], before[j - 2] + 1);
        }
    }
    return rows[alen % 3][blen];
}

const char *nearest_word(const char *words, const char *name, size_t most, size_t *len,
                         size_t *away)
{
    const char *best = NULL;
    size_t name_len = strlen(name);
    if (name_len > NEAREST_WORD_MAX) return NULL;
    for (const char *p = words; *p;) {
        size_t word = strcspn(p, " ");
        size_t d = word > NEAREST_WORD_MAX ? most + 1 : nearest_away(p, word, name, name_len);
        if (d <= most) {
            best = p;
            *len = word;
            *away = d;
            most = d - (d > 0);
            if (d == 0) break;
        }
        p += word + (p[word] == ' ');
    }
    return best;
}
