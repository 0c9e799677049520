/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions state what the programmer of rill promises; what the outside world does wrong is
 * an error code, never an assertion. They are compiled out by -DNDEBUG. An object that crosses
 * files starts with a magic, so that a stale or wrong pointer is met at the door. */
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
