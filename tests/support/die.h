/* SPDX-License-Identifier: Apache-2.0 */
/* How the helpers of tests end one: with a sentence, on any thread, in a program of Check's or
 * not. */
#ifndef RI_TEST_DIE_H
#define RI_TEST_DIE_H

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
