/* SPDX-License-Identifier: Apache-2.0 */
/* A header block, as it stands in HPUB and HMSG:
 *
 *     NATS/1.0 [status [description]] CRLF
 *     Name: value CRLF ...
 *     CRLF
 *
 * Names are compared with regard to case. A name begins right behind a CRLF and ends at its
 * colon; blanks behind the colon are not part of the value. */
#ifndef RI_HEADERS_H
#define RI_HEADERS_H

#include "base/buffer.h"
#include "base/str.h"

#define RI_HEADERS_FIRST "NATS/1.0"
#define RI_HEADERS_EMPTY "NATS/1.0\r\n\r\n"

/* Well formed as above and no longer than RI_LIMIT_HEADER_BYTES; RILL_EPROTO says what is not. */
int ri_headers_check(ri_str block);
/* The first value of `name` (may be empty), or false. For any bytes. */
bool ri_headers_find(ri_str block, ri_str name, ri_str *value);
/* Walk: *rest starts as the block. A line without colon, or an empty name, is passed over. */
bool ri_headers_next(ri_str *rest, rill_header *header);
uint32_t ri_headers_count(ri_str block);
/* The status of the first line, or 0; `description` may be empty. */
int ri_headers_status(ri_str block, ri_str *description);

/* Bytes of the block built of these, or RILL_EINVAL (CR, LF, NUL; an empty name, blanks or a
 * colon in one) or RILL_ETOOBIG. No headers make no block: 0. */
int ri_headers_size(const rill_header *headers, size_t count);
/* Write it, checked before; returns its end. */
char *ri_headers_write(char *out, const rill_header *headers, size_t count);

/* Edit the block that `b` holds, an empty buffer being no headers. RILL_EINVAL as above,
 * RILL_ENOMEM; both change nothing. Name and value may not lie in the buffer. */
int ri_headers_add(ri_buffer *b, ri_str name, ri_str value);     /* behind those there */
int ri_headers_replace(ri_buffer *b, ri_str name, ri_str value); /* exactly one is left */
/* Take out every header of that name; returns how many. A block without any left becomes empty,
 * unless its first line has a status. */
int ri_headers_cut(ri_buffer *b, ri_str name);
/* ... without regard to case and to blanks around it; a lone CR or LF becomes a blank, so that no
 * reader finds one behind it. */
int ri_headers_cut_alike(ri_buffer *b, ri_str name);

#endif
