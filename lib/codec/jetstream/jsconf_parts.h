/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules of streams and consumers share. Only the codec's jsconf files look at this. */
#ifndef RI_JSCONF_PARTS_H
#define RI_JSCONF_PARTS_H

#include "codec/jetstream/jsconf.h"

enum {
    JSCONF_NAME_MAX = 255,              /* bytes of a stream's or consumer's name */
    JSCONF_DESCRIPTION_MAX = 4 * 1024,
    JSCONF_METADATA_MAX = 128 * 1024,   /* keys and values */
};

size_t ri_jsconf_metadata_len(const ri_js_map *metadata);
/* Can subjects be mapped from src (empty: all) to dest? If not, why. An empty dest maps nothing. */
bool ri_jsconf_mapping_ok(ri_str src, ri_str dest, char *why, size_t why_size);
/* A duration as Go prints it: 2m0s, 1.5s, 100ms. */
void ri_jsconf_duration(int64_t ns, char *out, size_t out_size);

int ri_jsconf_mirror(const ri_stream_conf *conf, const ri_host *host, ri_js_error *e);
int ri_jsconf_sources(const ri_stream_conf *conf, const ri_host *host, ri_js_error *e);

#endif
