/* SPDX-License-Identifier: Apache-2.0 */
/* What a bucket of objects says of one object, as JSON:
 *
 *     {"name":"a.txt","options":{"max_chunk_size":131072},"bucket":"B","nuid":"<22>","size":7,
 *      "mtime":"0001-01-01T00:00:00Z","chunks":1,"digest":"SHA-256=<base64, of URLs, padded>"}
 *
 * A link has "options":{"link":{"bucket":"B","name":"n"}}, no pieces and no digest; what is deleted
 * has "deleted":true and neither. The time is never that of the text: the message's own counts. */
#ifndef RI_OBJMETA_H
#define RI_OBJMETA_H

#include "base/buffer.h"
#include "base/str.h"

enum { RI_OBJMETA_NUID_MAX = 64 };

typedef struct ri_objmeta {
    rill_obj_info info;                 /* all but size, time_ns and seq */
    char nuid[RI_OBJMETA_NUID_MAX + 1]; /* the token that its pieces' subject ends in */
    uint32_t chunk_bytes;               /* written as max_chunk_size; 0: not */
    bool has_digest;
} ri_objmeta;

/* RILL_ECORRUPT says what is wrong; RILL_ENOMEM. */
int ri_objmeta_read(ri_objmeta *meta, ri_str text);
void ri_objmeta_write(ri_buffer *out, const ri_objmeta *meta, ri_str bucket);

#endif
