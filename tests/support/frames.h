/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded frames of Kafka's protocol (tests/golden/kafka/README.md): requests, and the answers
 * that they got. */
#ifndef RI_TEST_FRAMES_H
#define RI_TEST_FRAMES_H

#include "codec/kafka/kafka_frame.h"

typedef struct frame_seen {
    bool is_answer;
    ri_str bytes;
    int16_t key, version; /* of the request; of an answer, that of its request */
} frame_seen;

typedef struct frame_file {
    char *bytes;
    size_t len, at;
    struct frame_open *open; /* requests that were not answered yet */
    size_t nopen, cap_open;
} frame_file;

/* The program ends if the file is not there, or none of these. */
void frame_file_open(frame_file *file, const char *path);
void frame_file_close(frame_file *file);
bool frame_file_next(frame_file *file, frame_seen *out); /* false: that was the last */

/* Where the body of an answer begins. RILL_EPROTO. */
int frame_answer_body(const ri_kafka_api *api, int16_t version, ri_str *frame);

#endif
