/* SPDX-License-Identifier: Apache-2.0 */
/* The framing of S2 and Snappy streams, in which archives travel. What is written is not
 * compressed; what is read may be.
 *
 *     ff 06 00 00 "S2sTwO" or "sNaPpY"                 at the front
 *     01 | length u24 | masked crc32c u32 | bytes      length counts the checksum, too
 *     00 | length u24 | masked crc32c u32 | block      compressed (codec/s2_block.h)
 *     80 and above | length u24 | ..                   passed over
 *
 * Numbers are little-endian; the checksum is of the bytes before their compression, rotated right
 * by 15, + a282ead8. Pure. */
#ifndef RI_S2_FRAME_H
#define RI_S2_FRAME_H

#include "base/buffer.h"
#include "base/str.h"

#define RI_S2_FRAME_MAX (4 << 20) /* bytes of data in a chunk, as S2's writers make at most */

void ri_s2_frame_begin(ri_buffer *out);
void ri_s2_frame_put(ri_buffer *out, ri_str plain);
/* The chunk at the front of `in`: the bytes used, what it carries being appended to `plain` (at
 * most RI_S2_FRAME_MAX bytes, nothing for what is no data), 0 for more, RILL_EPROTO for what is
 * damaged, or RILL_ENOMEM. */
int64_t ri_s2_frame_read(ri_str in, ri_buffer *plain);

#endif
