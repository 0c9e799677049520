/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of rill_start(): which fields of a rill_call each looks at, and how it is made. */
#ifndef RI_VERB_H
#define RI_VERB_H

#include "base/defs.h"
#include "rill.h"

/* The fields of a rill_call that a verb may look at. */
enum {
    RI_VERB_SUB = 1 << 0, RI_VERB_KV = 1 << 1, RI_VERB_OBJS = 1 << 2, RI_VERB_TO = 1 << 3,
    RI_VERB_BATCH = 1 << 4, RI_VERB_NAME = 1 << 5, RI_VERB_GROUP = 1 << 6,
    RI_VERB_DATA = 1 << 7, RI_VERB_POST = 1 << 8, RI_VERB_SUB_OPTS = 1 << 9,
    RI_VERB_STREAM_OPTS = 1 << 10, RI_VERB_BUCKET_OPTS = 1 << 11, RI_VERB_KV_OPTS = 1 << 12,
    RI_VERB_PURGE_OPTS = 1 << 13, RI_VERB_AT = 1 << 14, RI_VERB_TIME = 1 << 15,
    RI_VERB_FORWARD = 1 << 16,
};

typedef struct ri_start ri_start;
typedef struct ri_verb {
    const char *name;       /* "KV_PUT" */
    int (*run)(ri_start *s); /* on the stack of a task: makes the call that waits */
    uint32_t fields;
    bool timed;             /* its timeout is an argument of the call */
    bool beside;
} ri_verb;

/* NULL: that is none. */
const ri_verb *ri_verb_of(rill_verb verb);
/* What the item of a call points to, and is not its arena's, is given back. */
void ri_verb_drop(ri_start *s);

#endif
