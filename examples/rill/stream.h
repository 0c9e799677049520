/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands about streams, groups and buckets share. */
#ifndef RILL_TOOL_STREAM_H
#define RILL_TOOL_STREAM_H

#include <stdint.h>

#include "rill.h"
#include "tool.h"

/* ms as ns; what is too far stays the farthest. */
static inline int64_t stream_ns(int64_t ms)
{
    return ms > INT64_MAX / 1000000 ? INT64_MAX : ms * 1000000;
}

/* A rill_stream_fn that shows all of it; `arg` is an out. */
int stream_show(const rill_stream_desc *desc, void *arg);
/* --from, --seq and --since. False: it has been said. */
bool stream_from(tool *t, rill_sub_opts *opts);
/* One word of what was done, and to what. */
int stream_done(tool *t, const char *did, const char *kind, const char *name);

#endif
