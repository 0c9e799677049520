/* SPDX-License-Identifier: Apache-2.0 */
/* What reading and building a header block (headers.c) have in common with editing one
 * (headers_edit.c), which needs a buffer that grows. */
#ifndef RI_HEADERS_PRIVATE_H
#define RI_HEADERS_PRIVATE_H

#include "base/str.h"

/* ---- headers.c ---- */
/* Cut the next line, without its CRLF, off *rest; false if there is no whole one. */
bool ri_headers_line(ri_str *rest, ri_str *line);
/* A line without its CRLF into name and value; false if it is no header. */
bool ri_headers_split(ri_str line, rill_header *header);
/* RILL_EINVAL for a name or value that would tear the block. */
int ri_headers_check_one(ri_str name, ri_str value);
size_t ri_headers_line_size(ri_str name, ri_str value);
int ri_headers_too_big(void); /* RILL_ETOOBIG, with the sentence */
char *ri_headers_copy(char *out, ri_str s);
char *ri_headers_write_line(char *out, ri_str name, ri_str value);

#endif
