/* SPDX-License-Identifier: Apache-2.0 */
/* A call that was begun by rill_start(). */
#ifndef RI_START_H
#define RI_START_H

#include "api/copy.h"
#include "api/verb.h"
#include "base/buffer.h"
#include "front/handle/bus_call.h"
#include "rill.h"

struct ri_start {
    ri_bus_call call;
    const ri_verb *verb;
    const rill_call *c;     /* the program's, copied */
    rill_bus *bus;
    ri_arena arena;         /* of `c`, and of lists */
    int timeout_ms;         /* of a verb that is timed */
    rill_item *item;        /* call.item */
    rill_msg *msg;          /* to be given back */
    rill_receipt receipt;
    union {
        rill_stream_info stream;
        rill_group_info group;
        rill_sub_info sub;
        rill_obj_info obj;
        rill_forward_info forward;
    } out;
    ri_buffer bytes;        /* of names, or of an object */
    const void **rows;      /* of msgs or descs ... */
    uint32_t rows_cap;      /* ... which has room for so many */
    size_t nsent;           /* of an object that is put */
};

#endif
