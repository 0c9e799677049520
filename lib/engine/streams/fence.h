/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and consumers that are there, and are not served, since their records cannot be read.
 * ri_js_stream() and ri_stream_consumer() do not know them; who found nothing asks here. */
#ifndef RI_FENCE_H
#define RI_FENCE_H

#include "engine/streams/stream.h"

/* Is there such a stream of that name? Then `e` says why it is not served (10194). */
bool ri_fence_why(ri_js *js, ri_str name, ri_js_error *e);
/* The same of a consumer (10195). */
bool ri_fence_why_consumer(ri_stream *stream, ri_str consumer, ri_js_error *e);
/* Delete it with all that it has; RILL_ENOENT, and `e`, if there is no such one. Publishes. */
int ri_fence_delete(ri_js *js, ri_str name, ri_js_error *e);
int ri_fence_delete_consumer(ri_stream *stream, ri_str consumer, ri_js_error *e);
/* Names and reasons of all such streams, or of such consumers of `of`; spans are lent until one of
 * them is deleted. */
int ri_fence_each(ri_js *js, ri_stream *of, ri_arena *arena, ri_js_map *out);

#endif
