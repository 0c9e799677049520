/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of topics: alone (a tail, or rill_consume() without a group), or members of a group. */
#ifndef RI_KAFKA_READ_H
#define RI_KAFKA_READ_H

#include "front/peer_kafka/kafka_peer.h"

/* What a record's message has for a reply subject, never shown; the key's bytes stand behind it. */
typedef struct ri_kafka_mark {
    char sign[4];          /* "$KAF" */
    uint32_t reader, partition;
    uint32_t key_len;      /* UINT32_MAX: there is none */
    int64_t offset, time_ns;
    uint64_t pending;
    uint64_t epoch;        /* the place's when it was delivered */
} ri_kafka_mark;

/* When a message counts as settled: when the reader has taken so many out of its queue. */
#define RI_KAFKA_SETTLED 0
#define RI_KAFKA_UNSETTLED UINT64_MAX /* not before the program says so */

typedef struct ri_kafka_due { /* a message that was delivered */
    int64_t offset;
    uint64_t taken_at;     /* RI_KAFKA_*, or, without acks, its place in the reader's queue */
} ri_kafka_due;

typedef struct ri_kafka_place { /* a partition that a reader has */
    int32_t partition;
    _Atomic int64_t next;     /* the offset of the next message that may come; of one that is pulled
                                 it is changed outside the gate, and asked for inside */
    int64_t seen;             /* behind the last record that came, or where reading began: one
                                 below it is of a partition that began anew */
    rd_kafka_queue_t *queue;  /* of a member: its records; NULL: they come by the reader's */
    bool filled;              /* its queue, or the reader's in the first place: see kafka_wake() */
    /* What was delivered before the reader had this partition, sought in it, or found it made anew,
     * is settled no more: each of these is an epoch. */
    uint64_t epoch, first_epoch;
    /* Guarded by the gate, as are the rows of those who read alone with acks. */
    ri_kafka_due *row;        /* delivered, from `first` to `end`; those before are settled */
    uint32_t first, end, cap;
    int64_t floor;            /* the offset below which all is settled; < 0: none was delivered */
    int64_t committed;        /* that the cluster has; < 0: not known */
    uint64_t commit_epoch;    /* of the commit under way */
} ri_kafka_place;

typedef struct ri_kafka_reader {
    ri_list link;             /* in peer->readers */
    ri_kafka_peer *peer;
    uint32_t number;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;  /* of one that is alone */
    rd_kafka_queue_t *queue;  /* records, or, of a member, rebalances */
    rd_kafka_queue_t *commit_queue; /* of a member: how commits ended */
    rd_kafka_queue_t *leave_queue;  /* the last rebalance; NULL until it leaves */
    uint64_t share;           /* bytes that librdkafka may hold of each partition */
    uint64_t full_msgs, full_bytes; /* of a queue, from which on librdkafka asks for no more */
    uint64_t record_bytes;    /* of the last record that was taken */
    bool member;
    bool acks;                /* messages are settled by the program */
    bool upto;                /* an ack covers all before it */
    bool pulled;              /* its records stay in `queue` and `held` until they are read, by
                                 the thread that reads, which has `taking` set then */

    /* Changed within the gate. */
    rill_sub *sub;            /* NULL: not claimed yet, or gone */
    bool leaving;
    bool seeking;             /* nothing is delivered */
    bool assigned;            /* a member has been given its partitions once */
    bool gone;                /* the topic is */
    uint64_t epoch;           /* seeks and rebalances so far: what was taken before is dropped */
    uint32_t credit;          /* messages that the handle wants */
    uint32_t unsettled, unsettled_max;
    uint32_t committing;      /* commits that are under way: one, and that of a rebalance */
    uint64_t dirty;           /* peer->settles when a floor moved first that is not committed; 0:
                                 all are */
    uint64_t dirty_next;      /* the same of those that moved since the commit under way began */
    int64_t again_ns;         /* when one that failed is tried again; 0: none failed */
    int64_t pause_ns;         /* between the last two tries */
    ri_kafka_place *places;
    uint32_t nplaces, cap_places;
    uint64_t epochs;          /* of all places so far */
    rd_kafka_topic_partition_list_t *given; /* partitions that no memory was found for yet */
    int64_t leave_ns;         /* until when it may take to leave */

    /* Who turns; of one that is pulled, who reads. */
    _Atomic bool taking;      /* records are being taken that are not in `held` yet */
    rd_kafka_message_t *held[RI_KAFKA_TAKE];
    uint32_t held_first, held_end;
    uint32_t turns;           /* which of the places is looked at first */
    uint64_t pending;         /* behind the record at hand, nearly */
    uint64_t held_epoch;
    bool ending;              /* of one that is pulled: its subscription has ended, and `rest` */
    size_t rest;              /* records of those that waited then are not read yet */
    ri_buffer text, wire;     /* of the record at hand of one that is pulled */
    char name[RI_ASK_NAME_MAX];  /* of the group; of one that is alone, one of ours */
    char stream[RI_KAFKA_TOPIC_MAX + 1];
    uint32_t stream_len;
} ri_kafka_reader;

/* ---- kafka_read.c ---- */
int ri_kafka_read_subscribe(rill_bus *bus, ri_subscription *core);
void ri_kafka_read_unsubscribe(rill_bus *bus, ri_subscription *core);
int ri_kafka_read_more(rill_sub *sub, uint32_t n);
void ri_kafka_read_enough(rill_sub *sub);
int ri_kafka_read_pull(rill_sub *sub, ri_bus_msg *views, uint32_t max);
bool ri_kafka_read_pullable(rill_sub *sub);
void ri_kafka_read_leave(rill_sub *sub);
bool ri_kafka_read_view(ri_bus_msg *view);
/* By who turns, outside the gate. */
void ri_kafka_read_turn(ri_kafka_peer *peer);
int64_t ri_kafka_read_due_ns(ri_kafka_peer *peer); /* inside */
void ri_kafka_read_fini(ri_kafka_peer *peer);
/* Inside the gate: what readers without acks have taken is settled; is a position not committed
 * that moved before peer->settles was that? */
void ri_kafka_read_taken(ri_kafka_peer *peer);
bool ri_kafka_read_owes(ri_kafka_peer *peer, uint64_t settles);
/* Inside the gate: the handle is closed, and all readers leave. Is a member among them? */
bool ri_kafka_read_shut(ri_kafka_peer *peer);
/* Outside the gate: a reader that nobody else knows yet, without an instance. */
ri_kafka_reader *ri_kafka_read_new(ri_kafka_peer *peer, const char *stream);
void ri_kafka_read_free(ri_kafka_reader *reader);
/* Inside the gate: it is one of the peer's from now on. */
void ri_kafka_read_add(ri_kafka_reader *reader);
ri_kafka_reader *ri_kafka_read_find(ri_kafka_peer *peer, uint32_t number); /* inside; NULL: none */
/* The same: the next one behind `after`, of a stream and a group; NULL: before the first. */
ri_kafka_reader *ri_kafka_read_named(ri_kafka_peer *peer, const char *stream, const char *name,
                                     const ri_kafka_reader *after);
ri_kafka_place *ri_kafka_read_place(ri_kafka_reader *reader, int32_t partition); /* the same */
/* Inside the gate, or while nobody else knows it: one place more; NULL: out of memory. */
ri_kafka_place *ri_kafka_read_place_add(ri_kafka_reader *reader, int32_t partition);
/* By who turns, or when it is not known yet: all places go. */
void ri_kafka_read_places_clear(ri_kafka_reader *reader);
/* A record's message for the program, which becomes its own; inside the gate. */
int ri_kafka_read_own(ri_kafka_peer *peer, const rd_kafka_message_t *record, rill_msg **m);

/* ---- kafka_group.c ---- */
/* By who turns: partitions are given to the member, or taken from it. */
void ri_kafka_group_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                              rd_kafka_topic_partition_list_t *list, void *opaque);
/* By who turns: partitions that were given begin to be read, if there is memory now. */
void ri_kafka_group_assign(ri_kafka_reader *reader);
int ri_kafka_group_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how);
/* Inside the gate: is there room for one more that is delivered? And it is. */
bool ri_kafka_group_has_room(ri_kafka_reader *reader, ri_kafka_place *place);
void ri_kafka_group_delivered(ri_kafka_reader *reader, ri_kafka_place *place, int64_t offset);
/* Inside the gate, of a member without acks: what its reader has taken is settled. Has that one
 * something to take? */
void ri_kafka_group_taken(ri_kafka_reader *reader);
bool ri_kafka_group_waits(const ri_kafka_reader *reader);
/* Inside the gate: is something not committed that was settled before peer->settles was that? */
bool ri_kafka_group_owes(const ri_kafka_reader *reader, uint64_t settles);
int64_t ri_kafka_group_due_ns(const ri_kafka_reader *reader); /* inside: until the next commit */
/* Inside the gate: a reader goes on there, and what it has not settled is forgotten. */
void ri_kafka_group_place_moved(ri_kafka_reader *reader, ri_kafka_place *place, int64_t offset);
/* By who turns: the partition is read again from there. */
void ri_kafka_group_back(ri_kafka_reader *reader, int32_t partition, int64_t offset);
/* By who turns, outside the gate: commits what is settled, and takes what came of it. */
void ri_kafka_group_commit(ri_kafka_reader *reader);
/* By who turns: one step towards leaving the group; true: it has. */
bool ri_kafka_group_leave(ri_kafka_reader *reader);

#endif
