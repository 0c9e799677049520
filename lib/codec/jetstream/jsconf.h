/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and rules of JetStream configurations, as far as they can be known from the
 * configuration alone. What needs to see other streams or consumers (overlapping subjects, the
 * origin of a mirror, unique filters on a work queue, counts) is the engine's, with the codes of
 * codec/jetstream/jserror.h.
 *
 * Every check returns RILL_OK, RILL_ENOMEM, or fills *e and returns the nearest RILL_E*. */
#ifndef RI_JSCONF_H
#define RI_JSCONF_H

#include "codec/jetstream/jsapi.h"

typedef struct ri_js_limits { /* of the server and account; 0 is no limit but where said */
    int64_t duplicate_window;      /* ns: the longest, and the default is at most this */
    int64_t max_ack_pending;       /* -1, 0: none */
    int64_t max_batch;             /* of a pull request; -1, 0: none */
    int64_t max_stream_bytes_file, max_stream_bytes_memory; /* -1, 0: none */
    bool max_bytes_required;
    uint32_t max_subjects;         /* of a stream, and filters of a consumer; 0: as many as can
                                      be */
    bool observer;                 /* a consumer that only looks: it may do so in any stream */
} ri_js_limits;

/* Brings *conf to the form that is stored and shown: defaults in, -1 for no limit, implied flags
 * set; then checks it. What is added lives in `arena`. `pedantic`: refuse where a value would
 * have to be changed. */
int ri_jsconf_stream(ri_stream_conf *conf, const ri_js_limits *limits, bool pedantic,
                     ri_arena *arena, ri_js_error *e);
/* May a stream that is `old` become `conf`, which has been through ri_jsconf_stream()? */
int ri_jsconf_stream_update(const ri_stream_conf *old, const ri_stream_conf *conf, bool pedantic,
                            ri_js_error *e);
/* What being sealed brings with it; after ri_jsconf_stream_update(). */
void ri_jsconf_seal(ri_stream_conf *conf);
/* The same for a consumer of a stream. */
int ri_jsconf_consumer(ri_consumer_conf *conf, const ri_stream_conf *stream,
                       const ri_js_limits *limits, bool pedantic, ri_arena *arena, ri_js_error *e);
int ri_jsconf_consumer_update(const ri_consumer_conf *old, const ri_consumer_conf *conf,
                              ri_js_error *e);
/* Names of streams and consumers: 1 to 255 characters, none of . * > / \ or blank. */
bool ri_jsconf_name_ok(ri_str name);
bool ri_jsconf_group_ok(ri_str name); /* of a priority group, not empty */
/* Set _nats.req.level, and drop what only replies carry. The map is made anew in `arena`. */
int ri_jsconf_level(ri_js_map *metadata, int level, ri_arena *arena);
/* The API level that a configuration needs (metadata _nats.req.level). */
int ri_jsconf_stream_level(const ri_stream_conf *conf);
int ri_jsconf_consumer_level(const ri_consumer_conf *conf);

/* A stream that keeps the last message of each subject says so in its metadata, by how long a
 * deleted subject's last message stays: "rill.compact": "24h0m0s". 1, 0 if it does not, or
 * RILL_EINVAL for what is no duration. */
int ri_jsconf_compact(const ri_stream_conf *conf, int64_t *tombstone_ns);
/* When a compacted stream is looked through: as soon as so many thousandths of its messages came
 * since the last time ("rill.compact_dirty": "500"), or the first of these is so old
 * ("rill.compact_lag": "1m0s"; INT64_MAX: never for that). RILL_EINVAL for other values. */
int ri_jsconf_compact_when(const ri_stream_conf *conf, uint32_t *dirty, int64_t *lag_ns);
/* A stream that takes Kafka's record batches says so in its metadata when it is made:
 * "rill.batches": "on". 1, 0 if it does not, or RILL_EINVAL for another word than "on" and
 * "off". */
int ri_jsconf_batches(const ri_stream_conf *conf);
/* Does it ask, in its metadata, that a publish is refused whose id could not be remembered? 1, 0,
 * or RILL_EINVAL: it says neither "refuse" nor "forget". */
int ri_jsconf_dedupe_strict(const ri_stream_conf *conf);

#endif
