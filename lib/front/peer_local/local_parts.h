/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of several partitions, of which each is a stream to the engine (codec/topic.h). What is
 * asked of the topic is asked of each of them, or of the one that is meant:
 *
 *     made, deleted                        each, the last one first: so partitions that are made
 *                                          are none of the topic's before all of them are, and
 *                                          what is left of a deletion that was cut short is a
 *                                          topic still
 *     changed, sealed                      each
 *     status                               sums, and the lowest and highest of the others
 *     purge                                each, and the sum; RILL_ENOTSUP with a number
 *     get, erase                           the one
 *     join, group made, changed, deleted   each, by one name, the first one last: where that has
 *                                          the group, the others have it, but for those that
 *                                          were added later
 *     seek                                 each in one stay, or with a number the one
 *
 * Whoever may not ask one of them asks none: all are looked at before the first is asked. Calls
 * that wait leave the gate between two partitions, so the broker may be closed there.
 *
 * So a group's members share the messages of all partitions, as they share those of one, and
 * nobody is given partitions for himself: a message goes to whoever asks first, and what is in
 * order is each partition as a reader gets it. A reader asks each partition for as many as he wants
 * in all, since he cannot know which will have them: what comes beyond that waits in his queue, and
 * counts as unacked with acks. max_unacked is of each partition. */
#ifndef RI_LOCAL_PARTS_H
#define RI_LOCAL_PARTS_H

#include "front/peer_local/local.h"

typedef int (*ri_local_answer)(rill_bus *bus, ri_ask *ask);

/* Inside the gate: how many partitions a stream has; 1 if there is none of that name, too. */
uint32_t ri_local_parts_count(rill_bus *bus, const char *stream);
/* The stream of a partition; NULL: it is gone, or too long. */
ri_stream *ri_local_parts_stream(rill_bus *bus, const char *topic, uint32_t partition);
/* What is asked of the topic: may the handle ask it of that partition? */
int ri_local_parts_guard(rill_bus *bus, const ri_ask *ask, uint32_t partition);
/* A part of a topic, and none of its own? */
bool ri_local_parts_is_part(ri_js *js, ri_stream *stream);
/* A later partition of that topic? */
bool ri_local_parts_is_of(ri_stream *stream, ri_str topic);

/* What `answer` answers for one stream, for all that are meant. */
int ri_local_parts_each(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
int ri_local_parts_each_back(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
int ri_local_parts_one(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
int ri_local_parts_ensure(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
int ri_local_parts_purge(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
int ri_local_parts_join(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
int ri_local_parts_group_ensure(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
int ri_local_parts_group_status(rill_bus *bus, ri_ask *ask, ri_local_answer answer);
/* Adds to what is known of partition 0. */
void ri_local_parts_fill(rill_bus *bus, const char *topic, rill_stream_info *out);

/* Outside the gate: a message with a key goes to the partition of that key, whose subject `text`
 * has then. */
int ri_local_parts_route(rill_bus *bus, ri_message *m, ri_buffer *text);
/* Inside the gate: where a message on that subject is stored. */
uint32_t ri_local_parts_of(rill_bus *bus, ri_str subject);

#endif
