/* SPDX-License-Identifier: Apache-2.0 */
/* A log as naively as can be: arrays of records. Random work is done to it and to a real log,
 * and the two are compared. */
#ifndef RI_TEST_LOG_MODEL_H
#define RI_TEST_LOG_MODEL_H

#include <stdio.h>

#include "store/log/log.h"
#include "support/rng.h"

enum { MODEL_TRACKS = 5, MODEL_SUBJECTS = 7, MODEL_PRODUCERS = 3, MODEL_KEYS = 12 };

typedef struct model_record {
    uint64_t seq, seed;  /* its bytes follow from the seed */
    int64_t time_ns;
    uint32_t len, headers, subject, flags;
    uint32_t batch, of;  /* number in its batch of `of`; of 0: no batch */
    int8_t producer;     /* of the batch; -1: none */
    int16_t epoch;
    int32_t sequence;    /* its base */
} model_record;

typedef struct model_producer {
    int16_t epoch;
    int32_t next;        /* sequence */
    size_t nbatches;
    model_record batches[5]; /* first records of the last ones, oldest first */
} model_producer;

typedef struct model_track {
    uint64_t last_seq;
    model_record *records; /* live ones, by sequence */
    size_t n;
    model_producer producers[MODEL_PRODUCERS];
    uint64_t newest[MODEL_SUBJECTS + MODEL_KEYS]; /* of each key, maybe removed since */
} model_track;

/* Tracks have the ids 1 .. MODEL_TRACKS: 1 and 2 indexed, 3 a state; 4 and 5 take batches, those of
 * 5 from producers that now and then send one again, skip one, or are of yesterday. */
typedef struct model {
    model_track tracks[MODEL_TRACKS];
    int64_t now_ns;
    bool gapless;        /* no sequence is left out on purpose */
    bool growing;        /* more is appended than dies */
} model;

enum { MODEL_TOMBSTONE_NS = 1000 * 1000 };

void model_free(model *m);
void model_copy(model *to, const model *from);
const ri_track_opts *model_opts(unsigned track);
ri_str model_subject(uint32_t i);
/* Compaction of tracks 2 and 4 goes on by a slice: what it removes, and may remove, goes from the
 * model. 1 if there may be more. Has to have been called when a drop of a track made a new one. */
int model_compact(model *m, ri_log *log, int64_t now_ns);
/* After rounds that found nothing more: is there but one record of each key? */
bool model_is_compact(const model *m);
/* One random change, to both. 0, or the log's code and the model unchanged. */
int model_change(model *m, ri_log *log, rng *r);
/* Is what the log shows (and has committed) the model? 0, or 1 with the reason in `why`. Tracks
 * that the log does not have are empty ones. */
int model_compare(const model *m, ri_log *log, char *why, size_t cap);

typedef struct model_diff { /* of what the log shows, from the model */
    uint64_t lost;     /* records that are not there, or cannot be read */
    uint64_t revived;  /* that were removed, and are there */
    uint64_t changed;  /* that have other bytes */
    uint64_t short_by; /* sequences that would be given again */
} model_diff;
void model_differ(const model *m, ri_log *log, model_diff *out);

#endif
