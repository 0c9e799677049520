/* SPDX-License-Identifier: Apache-2.0 */
/* Subject transforms: a source filter and a destination with functions of its wildcards.
 *
 *     foo.*.*   ->  bar.$2.{{partition(3,1)}}        foo.a.b -> bar.b.2
 *     orders.>  ->  eu.orders.>                      what > matched is carried over
 *
 * Functions, each a whole token: $n, {{wildcard(n)}}, {{partition(buckets,n,..)}},
 * {{random(n)}}, {{split(n,sep)}}, {{splitFromLeft(n,i)}}, {{splitFromRight(n,i)}},
 * {{sliceFromLeft(n,size)}}, {{sliceFromRight(n,size)}}, {{left(n,len)}}, {{right(n,len)}}. */
#ifndef RI_TRANSFORM_H
#define RI_TRANSFORM_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"

#define RI_TRANSFORM_TOKENS_MAX 256 /* of the destination, and wildcards of the source */

typedef struct ri_transform ri_transform;

/* `src` empty: any subject. RILL_EINVAL with a sentence; RILL_ENOMEM. */
int ri_transform_new(const ri_host *host, ri_str src, ri_str dest, ri_transform **out);
void ri_transform_free(ri_transform *transform); /* NULL is a no-op */
/* The transformed subject, appended to `out`: 1, or 0 when the source does not match. `random`
 * is for {{random}}. A failed allocation shows in out->failed. */
int ri_transform_apply(const ri_transform *transform, ri_str subject, uint64_t random,
                       ri_buffer *out);

#endif
