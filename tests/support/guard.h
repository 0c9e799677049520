/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs against a page that may not be touched: reading one byte past the end ends the test. */
#ifndef RI_TEST_GUARD_H
#define RI_TEST_GUARD_H

#include <stddef.h>

/* A copy of `len` bytes whose end lies against a PROT_NONE page. Never NULL, also for len 0.
 * Good until guard_free(), or until 16 more copies were made: the oldest is then reused. */
char *guard_copy(const void *data, size_t len);
/* Give back all that guard_copy() holds. */
void guard_free(void);

#endif
