/* SPDX-License-Identifier: Apache-2.0 */
/* Groups over a world (world.h): clients of Kafka's group protocol that ask, and write down what
 * they are answered, with the time:
 *
 *     band_join(a);
 *     band_wait(&b, 3000);
 *     BAND_TOLD(&b, "[  3000] a: join 0 gen 1 consumer/range leader a-1 as a-1 {a-1=}\n");
 *
 * The random part of a member's id is told as a number: a-1 is the first that was made. */
#ifndef RI_TEST_BAND_H
#define RI_TEST_BAND_H

#include "engine/groups/groups.h"
#include "support/world.h"

enum { BAND_IDS = 4096, BAND_PLAYERS = 64, BAND_PROTOCOLS = 4, BAND_ID = 96, BAND_TOPICS = 8 };

typedef struct band band;

typedef struct band_topic {
    char name[16];
    int32_t partitions;     /* 64 at most; 0: it is not there */
    uint8_t number;         /* the first byte of its id */
} band_topic;

typedef struct band_player { /* a client; what it asks with may be changed in between */
    band *b;
    char who[16];
    const char *group, *instance, *type;
    struct { const char *name, *metadata; size_t len; } protocols[BAND_PROTOCOLS]; /* 0: a text */
    size_t nprotocols;
    int32_t session_ms, rebalance_ms;
    int64_t retention_ms;   /* of what it commits; 0: as configured */
    bool speaks;            /* its metadata is a subscription of what it subscribes and has, and
                             * assignments are told as partitions */
    bool eager;             /* it gives up all that it has before it joins */
    bool old;               /* of a version without ids that are given, and without skipping */
    char id[BAND_ID];       /* as it was answered; "" before */
    int32_t generation;
    int error;              /* of the last answer */
    unsigned answers;
    int32_t syncs;          /* the test's: the generation that it has sent its SyncGroup of */
    bool leads;             /* the last answer to JoinGroup named itself the leader */
    bool joining, syncing, leaving; /* an answer is expected */
    ri_group_join join;
    ri_group_sync sync;
    ri_group_leave leave;
    ri_group_leaver leaver;
    /* of the protocol of KIP-848: */
    const char *subscribes; /* names, parted by blanks */
    const char *assignor;
    uint64_t has[BAND_TOPICS], assigned[BAND_TOPICS]; /* bits of partitions */
    bool reports;           /* it has something else than it has said */
    bool keeps;             /* it gives nothing up by itself */
    bool asks_all;          /* its next heartbeat says all again */
    bool pulsing;           /* an answer is expected */
    ri_group_pulse pulse;
    ri_group_commit commit;
    bool committing;        /* an answer is expected */
} band_player;

struct band {
    world w;
    ri_groups *groups;
    ri_groups_conf conf;
    ri_buffer told;
    char ids[BAND_IDS][40]; /* random parts, in the order of their making */
    size_t nids;
    band_player players[BAND_PLAYERS];
    size_t nplayers;
    band_topic topics[BAND_TOPICS];
    uint64_t version;       /* of these */
    uint8_t numbers;        /* that topics were given */
    bool quiet;             /* nothing is written down */
};

/* `log` NULL: one in memory that the band closes. */
int band_init(band *b, ri_log *log);
void band_fini(band *b);
int band_init_with(band *b, fault *f, ri_log *log);
void band_fini_with(band *b);
int band_reopen(band *b);  /* groups that were closed, as b->conf says */
int band_restart(band *b); /* what is not committed by then is lost with the answers */

/* The power goes, and comes back over `log`; see world_down(). */
void band_down(band *b);
int band_up(band *b, ri_log *log);

band_player *band_add(band *b, const char *who, const char *group);
void band_turn(band *b);   /* until nothing is left to do */
void band_step(band *b);   /* one step of the groups; nothing is committed */
void band_wait(band *b, int64_t ms);

void band_join(band_player *p);
/* What the members whose ids are given are to read: "a-1=x b-2=y", or, if it speaks,
 * "a-1=t/0,t/1 b-2=u/0"; "": it is not the leader. */
void band_sync(band_player *p, const char *assignments);
void band_sync_as(band_player *p, const ri_group_assignment *given, size_t n);
int band_beat(band_player *p);
void band_leave(band_player *p);
void band_hang_up(band_player *p); /* its connection goes: it hears of nothing that it asked */
/* ConsumerGroupHeartbeat in the epoch that it was given, as a client would: what it is assigned it
 * has from then on, and what not it has no more, unless it `keeps` that. */
void band_pulse(band_player *p);
void band_pulse_as(band_player *p, int32_t epoch); /* in this one, to join (0) or leave (-1, -2) */
void band_yield(band_player *p); /* it has what it is assigned */
void band_set_topic(band *b, const char *name, int32_t partitions); /* 0: it is deleted */
void band_describe_modern(band *b, const char *group);
/* OffsetCommit as the member that it is: "t/0=5 t/1=7,meta". Errors of partitions are told at once,
 * the end when it is answered. */
void band_commit(band_player *p, const char *offsets);
/* The same of one partition, of one with an id; what was said of it. */
int band_commit_one(band_player *p, const char *topic, const uint8_t *topic_id, int32_t partition,
                    int64_t offset, const char *metadata);
/* All that a group has committed, in a line. */
void band_fetch(band *b, const char *group);
int64_t band_fetch_one(band *b, const char *group, const char *topic, const uint8_t *topic_id,
                       int32_t partition);
/* OffsetDelete of "t/0 t/1". */
void band_erase(band *b, const char *group, const char *offsets);
/* DescribeGroups of one, in a line. */
void band_describe(band *b, const char *group);
void band_list(band *b);
void band_delete(band *b, const char *group);

/* What was told since the last time; the test fails if it is something else. */
void band_told(band *b, const char *want, const char *file, int line);
#define BAND_TOLD(b, want) band_told((b), (want), __FILE__, __LINE__)

#endif
