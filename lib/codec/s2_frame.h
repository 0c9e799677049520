/* SPDX-License-Identifier: Apache-2.0 */
/* The framing of S2 (and Snappy) streams, without compression: what clients that look into an
 * archive on its way to a file take for one.
 *
 *     ff 06 00 00 "S2sTwO"                             once, at the front
 *     01 | length u24 | masked crc32c u32 | bytes      length counts the checksum, too
 *
 * Numbers are little-endian; the checksum is of the bytes, rotated right by 15, + a282ead8. Pure. */
#ifndef RI_S2_FRAME_H
#define RI_S2_FRAME_H

#include "base/buffer.h"
#include "base/str.h"

void ri_s2_frame_begin(ri_buffer *out);
void ri_s2_frame_put(ri_buffer *out, ri_str plain);
/* The chunk at the front of `in`: bytes used and what it carries, lent (empty for what is no
 * data), 0 for more, or RILL_EPROTO: damaged, or compressed. */
int64_t ri_s2_frame_read(ri_str in, ri_str *plain);

#endif
