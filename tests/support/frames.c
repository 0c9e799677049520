/* SPDX-License-Identifier: Apache-2.0 */
#include "support/frames.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/die.h"

enum { FRAME_RECORD_HEAD = 13 }; /* direction, connection, time, length */

typedef struct frame_open {
    uint32_t conn, correlation_id;
    int16_t key, version;
} frame_open;

static void frame_want(bool holds, const char *what)
{
    if (!holds) die("recorded frames: %s", what);
}

static uint32_t frame_u32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

void frame_file_open(frame_file *file, const char *path)
{
    FILE *f = fopen(path, "rb");
    frame_want(f != NULL, path);
    frame_want(fseek(f, 0, SEEK_END) == 0, path);
    long size = ftell(f);
    rewind(f);
    *file = (frame_file){.bytes = malloc((size_t)size), .len = (size_t)size};
    frame_want(size > 0 && fread(file->bytes, 1, file->len, f) == file->len, path);
    fclose(f);
}

void frame_file_close(frame_file *file)
{
    free(file->bytes);
    free(file->open);
}

static void frame_note(frame_file *file, uint32_t conn, frame_seen *out)
{
    frame_want(out->bytes.len >= 8, "a request has a header");
    out->key = (int16_t)(frame_u32(out->bytes.ptr) >> 16);
    out->version = (int16_t)frame_u32(out->bytes.ptr);
    if (file->nopen == file->cap_open) {
        file->cap_open = file->cap_open ? 2 * file->cap_open : 64;
        file->open = realloc(file->open, file->cap_open * sizeof *file->open);
        frame_want(file->open != NULL, "memory");
    }
    file->open[file->nopen++] = (frame_open){conn, frame_u32(out->bytes.ptr + 4), out->key,
                                             out->version};
}

static void frame_match(frame_file *file, uint32_t conn, frame_seen *out)
{
    frame_want(out->bytes.len >= 4, "an answer has a header");
    for (size_t i = file->nopen; i-- > 0;) {
        frame_open *o = &file->open[i];
        if (o->conn != conn || o->correlation_id != frame_u32(out->bytes.ptr)) continue;
        out->key = o->key;
        out->version = o->version;
        *o = file->open[--file->nopen];
        return;
    }
    die("a recorded answer has no request");
}

bool frame_file_next(frame_file *file, frame_seen *out)
{
    if (file->at == file->len) return false;
    frame_want(file->len - file->at >= FRAME_RECORD_HEAD, "a recorded frame is whole");
    const char *p = file->bytes + file->at;
    size_t len = frame_u32(p + 9);
    frame_want(file->len - file->at - FRAME_RECORD_HEAD >= len, "a recorded frame is whole");
    frame_want(p[0] == '<' || p[0] == '>', "a recorded frame has a direction");
    *out = (frame_seen){.is_answer = p[0] == '<', .bytes = {p + FRAME_RECORD_HEAD, len}};
    if (out->is_answer) frame_match(file, frame_u32(p + 1), out);
    else frame_note(file, frame_u32(p + 1), out);
    file->at += FRAME_RECORD_HEAD + len;
    return true;
}

int frame_answer_body(const ri_kafka_api *api, int16_t version, ri_str *frame)
{
    size_t head = 4;
    if (api->key != RI_KAFKA_API_VERSIONS && ri_kafka_frame_is_flexible(api, version)) {
        if (frame->len <= head || frame->ptr[head] != 0) return RILL_EPROTO;
        head++;
    }
    if (frame->len < head) return RILL_EPROTO;
    *frame = ri_str_from(*frame, head);
    return RILL_OK;
}
