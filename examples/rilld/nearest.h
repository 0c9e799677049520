/* SPDX-License-Identifier: Apache-2.0 */
/* Which word was meant: a typing error is told with the word that it is nearest to. */
#ifndef RILLD_NEAREST_H
#define RILLD_NEAREST_H

#include <stddef.h>

enum { NEAREST_WORD_MAX = 48 };  /* bytes; a longer name is near to nothing */

/* The word of `words`, which are parted by blanks, that takes the fewest letters put in, taken out,
 * changed or swapped to become `name`, whatever their case; cut off at `most` of these: NULL if
 * none is so near. *len is its length, *away how many letters that are. */
const char *nearest_word(const char *words, const char *name, size_t most, size_t *len,
                         size_t *away);

#endif
