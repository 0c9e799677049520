/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the archive's codec share; nobody else includes it. */
#ifndef RI_ARCHIVE_PRIVATE_H
#define RI_ARCHIVE_PRIVATE_H

#include "codec/archive/archive.h"

enum { RI_ARCHIVE_OVER = 99 }; /* the phase behind the end, in either form */

typedef struct archive_cursor { /* over bytes that are there; `bad` where they end too early */
    const char *at, *end;
    bool bad;
} archive_cursor;

static inline archive_cursor ri_archive_cursor(ri_str bytes)
{
    return (archive_cursor){bytes.ptr, bytes.len ? bytes.ptr + bytes.len : bytes.ptr, false};
}

/* ---- archive.c ---- */

uint64_t ri_archive_varint(archive_cursor *c);
int64_t ri_archive_zigzag(archive_cursor *c);
uint64_t ri_archive_little(const char *p, size_t bytes);
int ri_archive_damaged(const char *what); /* RILL_EPROTO */

/* ---- archive_state.c ---- */

/* {"config": .., "state": .., "rill": ..} into its parts. */
int ri_archive_split(ri_str json, ri_archive_item *item);

/* ---- archive_tar.c ---- */

int ri_archive_tar_next(ri_archive *a, ri_buffer *in, ri_archive_item *item);
/* The bytes of the file at hand that are there. */
ri_str ri_archive_window(const ri_archive *a, const ri_buffer *in);
void ri_archive_eat(ri_archive *a, ri_buffer *in, uint64_t bytes); /* of the file at hand */
void ri_archive_key(ri_highway *h, ri_str stream, const char *rest, ri_str name);

/* ---- archive_index.c ---- */

void ri_archive_index_begin(ri_archive *a);
int ri_archive_index_next(ri_archive *a, ri_buffer *in, ri_archive_item *item);
bool ri_archive_index_over(const ri_archive *a); /* all of it was read, and is what its sum says */

#endif
