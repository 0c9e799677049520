/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle asks its peer about streams and their groups: one struct for all of it, so that a
 * peer has one way to ask, and one to be answered.
 *
 * The fields that a kind reads stand beside it. What it fills is in `out`, written inside the gate
 * before the ask is over, and only if that is no failure. Names in NATS's column are subjects
 * behind $JS.API. */
#ifndef RI_ASK_H
#define RI_ASK_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/list.h"
#include "codec/jetstream/jsapi.h"
#include "front/handle/bus_stored.h"

typedef enum ri_ask_kind {
    /*                      reads                       fills      NATS                        */
    RI_ASK_STREAM_MAKE,  /* stream, conf: of a new one; NULL: it must be there
                                                                   STREAM.CREATE, or .INFO     */
    RI_ASK_STREAM_ENSURE, /* stream, conf; 1: it is new            STREAM.CREATE, or .UPDATE   */
    RI_ASK_STREAM_SEAL,  /* stream                                 STREAM.UPDATE               */
    RI_ASK_STREAM_DELETE, /* stream                                STREAM.DELETE               */
    RI_ASK_STREAM_STATUS, /* stream                     stream     STREAM.INFO                 */
    RI_ASK_STREAM_DESCRIBE, /* stream, take, arg: take() is lent what there is
                                                                   STREAM.INFO                 */
    RI_ASK_STREAM_NAMES, /*                             names      STREAM.NAMES                */
    RI_ASK_STREAM_PURGE, /* stream, subject, seq, keep  count      STREAM.PURGE                */
    RI_ASK_STREAM_DROP,  /* stream, subject: purge, but nobody waits for the commit            */
    RI_ASK_STREAM_ERASE, /* stream, seq                            STREAM.MSG.DELETE           */
    RI_ASK_STREAM_SETTLED, /* stream: what was appended by now can be seen; NATS: it is so     */
    RI_ASK_GET,          /* stream, seq                 msg        DIRECT.GET                  */
    RI_ASK_LAST,         /* stream, subject, or empty   msg        DIRECT.GET, last_by_subj    */
    RI_ASK_NEXT,         /* stream, subject, seq, or time_ns: the first from there on
                                                        msg        DIRECT.GET, next_by_subj    */
    RI_ASK_SUBJECTS,     /* stream, subject: a filter   names      STREAM.INFO, subjects_filter */
    RI_ASK_KEYS,         /* the same, without those whose last message deletes
                                                        names      DIRECT.GET, multi_last      */
    RI_ASK_JOIN,         /* stream, draft               joined     CONSUMER.INFO, .CREATE      */
    RI_ASK_SEEK,         /* stream, group, at, which is not LAST, last; sub, if a reader's:
                            ri_bus_consume_skip()
                                                                   CONSUMER.DELETE, .CREATE    */
    RI_ASK_GROUP_ENSURE, /* stream, draft; 1: it is new            CONSUMER.CREATE             */
    RI_ASK_GROUP_DELETE, /* stream, group                          CONSUMER.DELETE             */
    RI_ASK_GROUP_STATUS, /* stream, group               group      CONSUMER.INFO               */
    RI_ASK_GROUP_NAMES,  /* stream                      names      CONSUMER.NAMES              */
    RI_ASK_GROUP_PAUSE,  /* stream, group, time_ns                 CONSUMER.PAUSE              */
    RI_ASK_API,          /* subject, body, timeout_ns: 0 is over at once
                                                        msg        subject                     */
    RI_ASK_KINDS,
} ri_ask_kind;

enum { RI_ASK_NAME_MAX = 256 };

typedef struct ri_ask_joined { /* what the reader must know of its consumer */
    char name[RI_ASK_NAME_MAX];
    bool acks;          /* the reader has to settle messages */
    bool counted;       /* deliveries of a message are limited */
    bool exact;         /* the peer is to see how many messages the reader has taken */
    bool pulled;        /* its messages stay with the peer until the reader calls pull() */
    int64_t max_unacked; /* <= 0: no limit */
    uint32_t window;    /* so many may be asked for at once, without acks; 0: the usual number */
    uint64_t pending;   /* messages that are there for the reader */
    uint64_t queue_bytes; /* that may wait in the handle's queue; 0: all of pending_bytes */
    uint32_t reader;    /* the peer's number for this reader */
    uint32_t parts;     /* partitions that are read; 0: the peer needs no word of them */
} ri_ask_joined;

typedef struct ri_ask {
    ri_ask_kind kind;
    const char *stream, *group;
    uint32_t partition;  /* of GET, LAST, NEXT and ERASE; 0 where a stream has one */
    uint32_t partitions; /* of STREAM_ENSURE; 0: as many as there are, one if it is new */
    ri_str subject, body;
    uint64_t seq, keep;
    int64_t time_ns, timeout_ns;
    const rill_at *at;
    bool last;           /* of SEEK: `at` is the number of the last message, for LAST */
    const ri_stream_conf *conf;
    ri_bus_group_draft *draft;
    rill_sub *sub;
    /* Called inside the gate; `conf` and `info` are lent for the call. */
    int (*take)(void *arg, const ri_stream_conf *conf, const rill_stream_info *info);
    void *arg;
    union {
        rill_stream_info *stream;
        rill_group_info *group;
        ri_buffer *names;  /* each name with a 0 behind it: ri_ask_put_name() */
        rill_msg **msg;    /* becomes the caller's */
        uint64_t *count;
        ri_ask_joined *joined;
    } out;
    /* While the ask is under way; guarded by the gate. */
    rill_bus *bus;
    ri_list link;          /* in a list of the peer's; not linked: nobody waits */
    bool over;
    int rc;
    ri_failure failure;
} ri_ask;

/* Outside the gate: asks, and waits for the answer; what the peer said, or RILL_ETIMEDOUT. */
int ri_ask_run(rill_bus *bus, ri_ask *ask);
/* One more of `names`; a subject with a 0 within, which a stranger published on, is left out. */
void ri_ask_put_name(ri_buffer *names, ri_str name);
/* Inside the gate, by the peer, of one that is linked: it ended with `rc`, kept with the thread's
 * sentence. */
void ri_ask_over(ri_ask *ask, int rc);

#endif
