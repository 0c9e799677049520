/* SPDX-License-Identifier: Apache-2.0 */
/* What the owner of a broker calls it by: tags, and names with values. They are in what it says of
 * itself, /varz and $SYS, and a request of the system's account may mean those with a tag alone. */
#ifndef RI_LABELS_H
#define RI_LABELS_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "rill.h"

typedef struct ri_label {
    ri_str name, value;
} ri_label;

typedef struct ri_labels { /* fixed once it is made */
    ri_arena arena;          /* of all that follows */
    ri_str *tags;            /* in lower case, without blanks around, each once */
    size_t ntags;
    ri_label *metadata;
    size_t nmetadata;
} ri_labels;

/* Of server_tags and server_metadata. *labels is NULL where there are none. RILL_EINVAL and
 * RILL_ETOOBIG name what is wrong; RILL_ENOMEM. */
int ri_labels_new(ri_labels **labels, const ri_host *host, const rill_broker_opts *opts);
void ri_labels_free(ri_labels *labels, const ri_host *host); /* NULL is nothing */
/* Is it one of the tags, as nats-server compares them: neither case nor blanks around count? */
bool ri_labels_has(const ri_labels *labels, ri_str tag);
/* Members of an object of JSON, `,"tags":[...],"metadata":{...}`, as far as there are such. */
void ri_labels_put(const ri_labels *labels, ri_buffer *out);

#endif
