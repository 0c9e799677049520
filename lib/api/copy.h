/* SPDX-License-Identifier: Apache-2.0 */
/* Deep copies of what programs hand over: an option struct with all that it points to, in an arena,
 * by a table of its pointers. For calls that outlive what they were given (api/start.c). The tables
 * have a row for each pointer; tests/meta/copies.py looks. */
#ifndef RI_COPY_H
#define RI_COPY_H

#include "base/alloc.h"

typedef struct ri_copy_type ri_copy_type;

extern const ri_copy_type ri_copy_call, ri_copy_stream_opts;

/* A copy of the library's own size, whatever the caller's is. RILL_EINVAL as of ri_args_opts(),
 * RILL_ENOMEM. */
int ri_copy_in(ri_arena *arena, const ri_copy_type *type, const void *given, const void **out);

#endif
