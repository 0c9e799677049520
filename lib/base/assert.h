/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions state what the programmer of rill promises; what the outside world does wrong is
 * an error code, never an assertion. They are compiled out by -DNDEBUG, as in a release, to the
 * last byte, so that they may stand on the paths of every message; all other builds have them,
 * those of sanitizers, fuzzers and crash tests among them.
 *
 * ri_<word>_is_sound() says what holds of a struct between any two calls: magic, ranges, counts
 * that agree. It is asserted where a function is entered from another file. An object that
 * crosses files starts with a magic, so that a stale or wrong pointer is met at once. */
#ifndef RI_ASSERT_H
#define RI_ASSERT_H

#include <assert.h>
#include <stddef.h>

#ifdef NDEBUG
#define RI_ASSERT(condition) ((void)sizeof((condition) ? 1 : 0)) /* compiled, never run */
#else
#define RI_ASSERT(condition) assert(condition)
#endif
#define RI_CHECK(object, magic_value) \
    RI_ASSERT((object) != NULL && (object)->magic == (magic_value))

#endif
