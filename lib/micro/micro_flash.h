/* SPDX-License-Identifier: Apache-2.0 */
/* What the peer that is a store on flash has, and what carries a stream of it to another bus. */
#ifndef RI_MICRO_FLASH_H
#define RI_MICRO_FLASH_H

#include "micro/flash/flash.h"
#include "micro/micro.h"

enum { RI_MICRO_FORWARDS = 2, RI_MICRO_FLIGHTS = 8, RI_MICRO_FORWARD_ID = 128 };
#define RI_MICRO_FLASH_NONE UINT32_MAX /* no group */

/* One message that was sent, and whose acknowledgement has not come. */
typedef struct ri_micro_flight {
    struct rill_forward *forward;
    uint32_t seq; /* 0: free */
} ri_micro_flight;

struct rill_forward {
    rill_bus *from, *to;      /* from NULL: it is free */
    uint32_t stream, group, window, under_way;
    uint32_t retry_min_ms, retry_max_ms, pause_ms;
    int64_t pause_until_ns;
    ri_str into;              /* in `text`, behind the name */
    char text[RI_FLASH_NAME + 1 + RI_FLASH_TITLE + 1];
    ri_micro_flight flights[RI_MICRO_FLIGHTS];
    uint64_t msgs, bytes, known_msgs, failures;
    int err;
    bool sending;             /* a message is given to `to`, without the lock of `from` */
};

typedef struct ri_micro_flash {
    ri_flash *f;
    ri_flash_conf conf;
    rill_flash dev;
    void *memory;
    size_t memory_bytes;
    char *buf;                /* one message, of max_record bytes */
    char *sent;               /* likewise: while it is given to the other bus others use `buf` */
    struct ri_micro_flash_reader *readers;
    bool format_missing, format_always;
    bool due_now;             /* since the last turn that moved nothing something has changed */
    rill_forward forwards[RI_MICRO_FORWARDS];
    /* What is being sent, while it is given to the other bus. */
    char id[RI_MICRO_FORWARD_ID], subject[RI_FLASH_SUBJECT + 1];
    rill_header expected;
    rill_post post;
} ri_micro_flash;

/* The number of the stream with this name on flash; RILL_ENOENT. */
int ri_micro_flash_stream(const ri_flash *f, ri_str name);
ri_str ri_micro_flash_name(const ri_flash *f, uint32_t stream);
/* micro_forward.c */
int ri_micro_forward_turn(rill_bus *bus);
int64_t ri_micro_forward_due(rill_bus *bus);
void ri_micro_forward_end(rill_bus *bus); /* the bus is closed */

#endif
