/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_seeds FRAMES frame|batch DIR: what real clients and Kafka sent each other, as inputs of
 * fuzz_kafka_frame or fuzz_kafka_batch, each in a file of DIR. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/kafka/kafka_batch.h"
#include "codec/kafka/kafka_table.h"
#include "codec/limits.h"
#include "support/die.h"
#include "support/frames.h"

static const char *dir;
static unsigned seeds;

static void put(const unsigned char *head, size_t len, ri_str rest)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%04u", dir, seeds++);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(head, 1, len, f) != len || fwrite(rest.ptr, 1, rest.len, f) != rest.len ||
        fclose(f) != 0)
        die("%s cannot be written", path);
}

/* The body, behind the API, its version and the direction. */
static void put_frame(const frame_seen *seen)
{
    ri_str body = seen->bytes;
    ri_kafka_head head;
    size_t i = 0;
    const ri_kafka_api *api;
    while ((api = ri_kafka_api_at(i)) && api->key != seen->key) i++;
    if (!api || !ri_kafka_api_has(api, seen->version)) return;
    int rc = seen->is_answer ? frame_answer_body(api, seen->version, &body)
                             : ri_kafka_frame_head(&body, &head);
    if (rc < 0) die("a recorded frame of %s has no head", api->word);
    unsigned char choice[] = {(unsigned char)i, 0, 0};
    choice[1] = (unsigned char)((seen->version - api->first) << 1 | seen->is_answer);
    put(choice, sizeof choice, body);
}

/* Whatever in it has the form of a batch, and its checksum. */
static void put_batches(const frame_seen *seen)
{
    ri_kafka_batch b;
    for (ri_str rest = seen->bytes; rest.len > RI_KAFKA_BATCH_HEADER; rest = ri_str_from(rest, 1)) {
        if (rest.ptr[16] != 2) continue;
        if (ri_kafka_batch_parse(rest, RI_LIMIT_KAFKA_BATCH, &b) <= 0) continue;
        if (ri_kafka_batch_verify(&b) == 0) put((const unsigned char[]){0}, 1, b.bytes);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) die("kafka_seeds FRAMES frame|batch DIR");
    frame_file file;
    frame_seen seen;
    dir = argv[3];
    frame_file_open(&file, argv[1]);
    while (frame_file_next(&file, &seen))
        (strcmp(argv[2], "frame") == 0 ? put_frame : put_batches)(&seen);
    frame_file_close(&file);
    printf("%u seeds\n", seeds);
    return seeds ? EXIT_SUCCESS : EXIT_FAILURE;
}
