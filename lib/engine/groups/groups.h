/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator of Kafka's groups: who is a member, who reads which partitions, and how far each
 * group has come. One owner, no socket, clock, thread or lock; time comes in as an argument, a
 * request as a struct of spans that are lent for the call.
 *
 *     door: request --> ri_groups_join() ... --> a code at once, or the request waits
 *                                                  |
 *           members come, time passes, a commit of the log ends
 *                                                  |
 *     door: answer  <-- call->done(call) <---------+      once, from any call of the owner's turn
 *
 * A classic group, whose members agree among themselves who reads what:
 *
 *                   a first member joins                all have joined again, or time is up
 *      +-------+ ----------------------> +-----------+ -------------------> +------------+
 *      | Empty |                         | Preparing |                      | Completing |
 *      +-------+ <---------------------- +-----------+ <------------------- +------------+
 *          |     nobody has joined again       ^         a member comes,          |
 *          |                                   |         goes, or changes         | the leader has
 *          | deleted, or                       |                                  | said who reads
 *          | nothing of it                     | a member comes,                  | what, and that
 *          | is left                           | goes, or changes                 | is on disk
 *          v                                   |                                  v
 *      +-------+                               |                              +--------+
 *      | Dead  |                               +----------------------------- | Stable |
 *      +-------+                                                              +--------+
 *
 *     Empty        no member. The group is kept for its offsets, and for its generation.
 *     Preparing    JoinGroup waits: until all members have asked, none that was given an id is
 *                  still expected, or the longest of their rebalance timeouts has passed; in a
 *                  group that was empty as long as new ones keep coming within the initial delay.
 *                  Heartbeats say 27.
 *     Completing   JoinGroup was answered: one generation more, a protocol that all have, a leader.
 *                  SyncGroup waits for the leader's, and for that to be on disk. Who does not ask
 *                  within the rebalance timeout goes. Commits of offsets say 27.
 *     Stable       each has its assignment, and renews its session by heartbeats and commits.
 *     Dead         it is no more; those who still hold it see this.
 *
 * What holds in each state is asserted by ri_group_is_sound() (groups_state.h).
 *
 * A member that sends no heartbeat for its session timeout goes, unless its JoinGroup or SyncGroup
 * waits. One that is static (it has an instance id) keeps its place while it is away: who comes
 * with that instance id and no member id takes the place over, and who had it is fenced (82).
 *
 * *Offsets* are committed by members of the generation, or by whoever likes as long as the group
 * has no member; that makes a group that is not there, too. They go when they are deleted, with
 * their group or topic, or when their retention is over: behind the last member of the group, or,
 * of a topic that no member reads, behind the commit.
 *
 * *The protocol of KIP-848.* A group is of this kind, here called modern, or classic, as its first
 * member is. Members say what they subscribe and what they have, and are given partitions, one
 * heartbeat after the other (modern.h).
 *
 * *From one kind to the other.* A group without members becomes what the first that joins needs.
 * One with members does while they go on reading, as the configuration allows
 * (ri_groups_migration), if it is of the type "consumer" (groups_migrate.c):
 *
 *               a modern member joins: what the leader had assigned is what each has, and
 *               an epoch begins, in which the coordinator assigns
 *      classic  ------------------------------------------------------------------------>  modern
 *               <------------------------------------------------------------------------
 *               the last modern member goes: what each was to have is its assignment, and
 *               a generation begins, in which a leader assigns
 *
 * In between the group is modern, and its classic members ask it as they ask a classic group
 * (groups_mixed.c): the generation of a member is its epoch, nobody waits in JoinGroup, nobody
 * leads, and SyncGroup gives what is the member's by then. Offsets, and what members are called,
 * stay.
 *
 * Metadata and assignments pass through byte for byte. Only which topics a group of the type
 * "consumer" has subscribed is read out of them, when offsets shall be deleted or expire.
 *
 * *On disk.* What a restart must know stands in a track of the log (groups_record.c), and no answer
 * that says something of it leaves before it is there: it waits for the commit that holds it, the
 * same for all. Without a log on disk groups last as long as the process.
 *
 * *Bounds.* limits.h names how many groups, members and bytes there may be; all count as the
 * broker's durable memory, and where that is used up nothing new comes to be known: who asks for
 * it gets 15 or 81. What is linear in a group is bounded by these; what is linear in all groups is
 * done in slices of the turn's budget. */
#ifndef RI_GROUPS_H
#define RI_GROUPS_H

#include "base/buffer.h"
#include "engine/streams/js.h"

typedef struct ri_groups ri_groups;
typedef struct ri_group ri_group;

/* Kafka's numbers of what the coordinator may answer. */
typedef enum ri_group_error {
    RI_GROUP_NONE = 0,
    RI_GROUP_METADATA_TOO_LARGE = 12,  /* of an offset */
    RI_GROUP_NOT_AVAILABLE = 15,       /* no room, or the log takes nothing: to be tried again */
    RI_GROUP_NOT_COORDINATOR = 16,     /* the coordinator has been closed meanwhile */
    RI_GROUP_ILLEGAL_GENERATION = 22,
    RI_GROUP_INCONSISTENT_PROTOCOL = 23,
    RI_GROUP_INVALID_ID = 24,
    RI_GROUP_UNKNOWN_MEMBER = 25,
    RI_GROUP_INVALID_SESSION_TIMEOUT = 26,
    RI_GROUP_REBALANCING = 27,
    RI_GROUP_UNSUPPORTED_VERSION = 35,
    RI_GROUP_INVALID_REQUEST = 42,
    RI_GROUP_NON_EMPTY = 68,
    RI_GROUP_NOT_FOUND = 69,
    RI_GROUP_MEMBER_ID_REQUIRED = 79,
    RI_GROUP_MAX_SIZE = 81,
    RI_GROUP_FENCED_INSTANCE = 82,
    RI_GROUP_SUBSCRIBED = 86,
    RI_GROUP_FENCED_EPOCH = 110,
    RI_GROUP_UNRELEASED_INSTANCE = 111,
    RI_GROUP_UNSUPPORTED_ASSIGNOR = 112,
    RI_GROUP_STALE_EPOCH = 113,
    RI_GROUP_INVALID_REGEX = 128,
} ri_group_error;

/* Which way a group with members may become one of the other kind; of the protocol type "consumer".
 * Classic members may join a modern group unless neither way is allowed. */
typedef enum ri_groups_migration {
    RI_GROUPS_DISABLED = 0,
    RI_GROUPS_UPGRADE = 1,       /* a classic one, when a modern member joins */
    RI_GROUPS_DOWNGRADE = 2,     /* a modern one, when its last modern member has gone */
    RI_GROUPS_BIDIRECTIONAL = RI_GROUPS_UPGRADE | RI_GROUPS_DOWNGRADE,
} ri_groups_migration;
const char *ri_groups_migration_name(ri_groups_migration migration); /* Kafka's */

typedef struct ri_groups_conf {  /* by Kafka's names */
    int32_t min_session_ms;      /* group.min.session.timeout.ms */
    int32_t max_session_ms;      /* group.max.session.timeout.ms */
    int32_t initial_delay_ms;    /* group.initial.rebalance.delay.ms */
    uint32_t max_size;           /* group.max.size; RI_LIMIT_GROUP_MEMBERS at most */
    int32_t sweep_ms;            /* offsets.retention.check.interval.ms */
    int64_t retention_ms;        /* offsets.retention.minutes */
    uint32_t offset_metadata_bytes; /* offset.metadata.max.bytes */
    int32_t modern_session_ms;   /* group.consumer.session.timeout.ms */
    int32_t modern_interval_ms;  /* group.consumer.heartbeat.interval.ms */
    int32_t assign_ms;           /* group.consumer.assignment.interval.ms */
    uint32_t modern_max_size;    /* group.consumer.max.size; RI_LIMIT_GROUP_MEMBERS at most */
    ri_groups_migration migration; /* group.consumer.migration.policy */
} ri_groups_conf;
/* Kafka's defaults. */
void ri_groups_conf_init(ri_groups_conf *conf);
/* The same, and what the text says otherwise: lines of "name=value", by those names; those that are
 * empty or begin with # are nothing, as is NULL. RILL_EINVAL, with a sentence. */
int ri_groups_conf_read(ri_groups_conf *conf, const char *text);

enum { RI_GROUP_TOPIC_ID = 16 }; /* bytes; all zero: the id is not known */

typedef struct ri_groups_topic {
    ri_str name;                 /* lent until the owner's next call */
    uint8_t id[RI_GROUP_TOPIC_ID];
    int32_t partitions;
} ri_groups_topic;

struct ri_group_offset;

/* Which topics there are, as modern groups ask their owner. False: there is no such one. */
typedef struct ri_groups_topics {
    bool (*by_name)(void *arg, ri_str name, ri_groups_topic *out);
    bool (*by_id)(void *arg, const uint8_t *id, ri_groups_topic *out);
    uint64_t (*version)(void *arg); /* not 0; another whenever a topic came, went or grew */
    /* What holds the partition that an offset was committed for; NULL: it is no more. The function
     * may be NULL, where nobody asks. */
    ri_stream *(*partition)(void *arg, const struct ri_group_offset *committed);
} ri_groups_topics;

typedef struct ri_groups_opts {
    const ri_host *host;
    ri_js *js;                   /* lent: whose commits are waited for */
    ri_log *log;                 /* lent: its file log; NULL: nothing outlasts the process */
    const ri_groups_conf *conf;  /* copied; NULL: Kafka's defaults */
} ri_groups_opts;

/* Reads what the log knows of groups; members that it knows have a whole session to come back. */
int ri_groups_open(ri_groups **groups, const ri_groups_opts *opts, int64_t now_wall_ns,
                   int64_t now_mono_ns);
const ri_groups_conf *ri_groups_conf_of(const ri_groups *groups);
/* These are the topics that there are from now on; lent until others are given. NULL: none. */
void ri_groups_set_topics(ri_groups *groups, const ri_groups_topics *topics, void *arg);
/* There are none any more, if those that were given last were given with this argument. */
void ri_groups_drop_topics(ri_groups *groups, const void *arg);
/* Who still waits is answered 16. Before the js is closed. */
void ri_groups_close(ri_groups *groups);

/* ---- The turn ---- */

/* The time of what is asked from now on; nothing happens yet. */
void ri_groups_clock(ri_groups *groups, int64_t now_wall_ns, int64_t now_mono_ns);
/* As much of what is due, and of what goes in slices, as the budget of the turn allows. */
void ri_groups_step(ri_groups *groups, int64_t now_wall_ns, int64_t now_mono_ns);
bool ri_groups_waiting(const ri_groups *groups); /* is there work for a step? */
int64_t ri_groups_next_due_ns(const ri_groups *groups); /* monotonic; INT64_MAX: never */

/* ---- Requests ---- */

/* What each request begins with. It stands in its owner's memory until `done` was called, which may
 * be before the call that takes the request has returned. What was asked is lent for that call
 * only; what is answered is set right before `done`, and lent for it. `done` calls none of the
 * functions here but those that list members. */
typedef struct ri_group_call {
    void (*done)(struct ri_group_call *call);
    ri_group_error error;        /* answered */
    struct ri_group_call **slot; /* where the engine keeps it; NULL: it does not wait */
} ri_group_call;
/* Nobody wants the answer any more: `done` is not called. What was asked is done nevertheless. */
void ri_groups_forget(ri_group_call *call);

/* In all requests a span with ptr NULL is Kafka's null. */

typedef struct ri_group_protocol {
    ri_str name, metadata;
} ri_group_protocol;

typedef struct ri_group_join {
    ri_group_call call;
    /* asked */
    ri_str group, member, instance, client_id, client_host, protocol_type;
    const ri_group_protocol *protocols;
    size_t nprotocols;
    int32_t session_ms, rebalance_ms;
    bool asks_for_id;      /* version 4 and up: who has no id is given one, and asks again */
    bool skips_assignment; /* version 9 and up: a leader may be asked not to assign */
    /* answered */
    int32_t generation;    /* -1: none */
    ri_str given_type, given_protocol, leader, given_member;
    bool skip;             /* SkipAssignment */
    const ri_group *members; /* whose members are listed, by ri_groups_next_member(); NULL: none */
    bool waits_for_disk;   /* of the engine: what waits is the answer, not the member */
} ri_group_join;
void ri_groups_join(ri_groups *groups, ri_group_join *join);
/* The same as ri_groups_forget() when the client has gone: a member that was never answered goes at
 * once, and its group with it, if that was never more. */
void ri_groups_join_gone(ri_groups *groups, ri_group_join *join);

typedef struct ri_group_assignment {
    ri_str member, bytes;
} ri_group_assignment;

typedef struct ri_group_sync {
    ri_group_call call;
    /* asked */
    ri_str group, member, instance, protocol_type, protocol;
    int32_t generation;
    const ri_group_assignment *assignments;
    size_t nassignments;
    /* answered */
    ri_str given_type, given_protocol, assignment;
} ri_group_sync;
void ri_groups_sync(ri_groups *groups, ri_group_sync *sync);

typedef struct ri_group_beat {
    ri_str group, member, instance;
    int32_t generation;
} ri_group_beat;
ri_group_error ri_groups_heartbeat(ri_groups *groups, const ri_group_beat *beat);

typedef struct ri_group_leaver {
    ri_str member, instance; /* member empty, instance not: whoever has that place */
    ri_group_error error;    /* answered */
} ri_group_leaver;

typedef struct ri_group_leave {
    ri_group_call call;
    ri_str group;
    ri_group_leaver *leavers; /* stay their owner's until `done` was called */
    size_t nleavers;
    size_t nleft;             /* 0 at first; those of them who have left, or cannot */
} ri_group_leave; /* call.error is of all of them */
/* As many as the budget of the turn allows. True: there are more, whom another call takes. */
bool ri_groups_leave(ri_groups *groups, ri_group_leave *leave);

/* ---- The protocol of KIP-848 ---- */

typedef struct ri_group_topic_partitions {
    const uint8_t *topic_id;
    const int32_t *partitions;
    size_t n;
} ri_group_topic_partitions;

typedef struct ri_group_pulse { /* ConsumerGroupHeartbeat */
    ri_group_call call;
    /* asked */
    ri_str group, member, instance, rack, client_id, client_host, assignor, regex;
    const ri_str *topics;  /* SubscribedTopicNames */
    size_t ntopics;
    bool says_topics;      /* they are not null */
    const ri_group_topic_partitions *owned; /* TopicPartitions */
    size_t nowned;
    bool says_owned;       /* they are not null */
    int32_t epoch, rebalance_ms;
    bool makes_id;         /* version 1 and up: members make their ids themselves */
    /* answered */
    const char *message;   /* NULL: none */
    ri_str given_member;
    int32_t given_epoch, interval_ms;
    bool gives_assignment; /* else Assignment is null */
    const ri_group_topic_partitions *assigned;
    size_t nassigned;
} ri_group_pulse;
void ri_groups_pulse(ri_groups *groups, ri_group_pulse *pulse);

/* ---- Offsets ---- */

typedef struct ri_group_offset {
    ri_str topic;
    uint8_t topic_id[RI_GROUP_TOPIC_ID];
    int32_t partition;
    int32_t leader_epoch;  /* -1: none */
    int64_t offset;        /* -1: none was committed */
    ri_str metadata;
} ri_group_offset;

/* A request of any length: begin, then what it is about, one by one, and end, in as many turns as
 * its owner likes. An error of begin is the answer, and nothing more is called. call.done comes of
 * end, which is owed to each that was begun; it says 0, or what all of it ended with. */

typedef struct ri_group_commit {
    ri_group_call call;
    ri_str group, instance; /* lent for begin */
    ri_str member;         /* lent until the end */
    int32_t generation;    /* -1, and no member: of no member; or a member's epoch */
    int64_t retention_ms;  /* -1: that of the configuration */
    bool knows_epochs;     /* version 9 and up: of modern members, and 69 for a group that is not
                            * there, which else is 22 */
    bool checks;           /* answered by begin: each of it is to be checked before the first put */
    ri_group *held;        /* of the engine, until the end */
    bool any;
} ri_group_commit;
ri_group_error ri_groups_commit_begin(ri_groups *groups, ri_group_commit *commit);
/* Only if commit->checks: an error is that of all of the request, of which nothing is put then. */
ri_group_error ri_groups_commit_check(ri_group_commit *commit, const ri_group_offset *offset);
/* That topic and partition are there is looked at by the owner. */
ri_group_error ri_groups_commit_put(ri_group_commit *commit, const ri_group_offset *offset);
void ri_groups_commit_end(ri_group_commit *commit);

typedef struct ri_offsets_walk { /* of the engine: a place among a group's offsets */
    ri_list link;
    ri_list *topic, *offset;
} ri_offsets_walk;

typedef struct ri_group_fetch {
    ri_group_call call;
    ri_str group;          /* lent for begin */
    ri_str member;         /* the same; NULL: of no member */
    int32_t epoch;         /* of the member */
    ri_group *held;        /* of the engine, until the end; NULL: there is none */
    ri_offsets_walk walk;
    bool walks, tired;
} ri_group_fetch;
/* A group that is not there has committed nothing. */
ri_group_error ri_groups_fetch_begin(ri_groups *groups, ri_group_fetch *fetch);
/* What was committed for wanted->topic and partition, if it was for the topic of that id; lent
 * until the owner's next call. */
void ri_groups_fetch_get(ri_group_fetch *fetch, ri_group_offset *wanted);
/* All that the group has committed, topic by topic: 1, 0 or RI_CURSOR_CUT, as
 * ri_groups_walk_next(). */
int ri_groups_fetch_next(ri_group_fetch *fetch, ri_group_offset *out);
void ri_groups_fetch_end(ri_group_fetch *fetch);

typedef struct ri_group_erase { /* OffsetDelete */
    ri_group_call call;
    ri_str group;          /* lent for begin */
    ri_group *held;        /* of the engine, until the end */
    bool any;
} ri_group_erase;
ri_group_error ri_groups_erase_begin(ri_groups *groups, ri_group_erase *erase);
/* Of a topic, before its partitions: 86: a member reads it, and none of its offsets may go. */
ri_group_error ri_groups_erase_topic(ri_group_erase *erase, ri_str topic);
ri_group_error ri_groups_erase_put(ri_group_erase *erase, ri_str topic, int32_t partition);
void ri_groups_erase_end(ri_group_erase *erase);

/* The topic is no more: what any group has committed for it goes, in slices. RILL_ENOMEM: it goes
 * when its time is over. */
int ri_groups_topic_gone(ri_groups *groups, ri_str name, const uint8_t *topic_id);

/* ---- What there is ---- */

/* A member as JoinGroup's answer and DescribeGroups list it; lent until the owner's next call. */
typedef struct ri_group_member_info {
    ri_str member, instance, client_id, client_host;
    ri_str metadata;       /* of the protocol that was chosen; empty: none was */
    ri_str assignment;
} ri_group_member_info;
typedef struct ri_group_place {
    const void *next;      /* zeroed: the first */
    bool begun;
} ri_group_place;
/* The next member in the order in which they came; false: there are no more. */
bool ri_groups_next_member(const ri_group *group, ri_group_place *place,
                           ri_group_member_info *out);

typedef struct ri_group_info {
    ri_str name, state, type, protocol_type;
    ri_str protocol;       /* only of a stable group; empty */
    size_t nmembers;
    const ri_group *group; /* its members by ri_groups_next_member() */
} ri_group_info;
/* RI_GROUP_NOT_FOUND: there is no such classic group; `out` says Dead then. */
ri_group_error ri_groups_describe(ri_groups *groups, ri_str name, ri_group_info *out);

typedef struct ri_group_modern_info { /* ConsumerGroupDescribe */
    ri_str name, state, assignor;
    int32_t epoch, assignment_epoch;
    const ri_group *group; /* its members by ri_groups_next_modern() */
} ri_group_modern_info;
/* RI_GROUP_NOT_FOUND: there is no such group of the protocol of KIP-848; `out` says Dead then. */
ri_group_error ri_groups_describe_modern(ri_groups *groups, ri_str name,
                                         ri_group_modern_info *out);

typedef struct ri_group_modern_member {
    ri_str member, instance, rack, client_id, client_host, regex;
    int32_t epoch;
    size_t ntopics;        /* that it subscribes: names by ri_groups_subscribed() */
    bool classic;          /* it speaks the classic protocol */
    const void *of;        /* for the functions below */
} ri_group_modern_member;
bool ri_groups_next_modern(const ri_group *group, ri_group_place *place,
                           ri_group_modern_member *out);
ri_str ri_groups_subscribed(const ri_group_modern_member *member, size_t i); /* i < ntopics */
/* The next partition that the member has, or, with `target`, shall have, in order of topics; those
 * of topics that are no more are left out. False: there are no more. */
typedef struct ri_group_part {
    ri_groups_topic topic;
    int32_t partition;
    size_t at;             /* zeroed: the first */
} ri_group_part;
bool ri_groups_next_part(ri_groups *groups, const ri_group_modern_member *member, bool target,
                         ri_group_part *part);

/* A walk over all groups that lasts through turns; those that come or go meanwhile may be listed
 * or not. */
typedef struct ri_groups_walk {
    ri_list link;          /* among all walks */
    ri_list *at;           /* the group that is next */
    ri_group *in;          /* the one that was listed last; NULL: it has gone, or there was none */
    ri_offsets_walk offsets; /* of that one, once somebody asks for them */
    bool tired;            /* the budget was used up by the last one */
    const ri_str *states, *types; /* of those that are listed; lent; none: of all */
    size_t nstates, ntypes;
} ri_groups_walk;
void ri_groups_walk_begin(ri_groups *groups, ri_groups_walk *walk);
/* 1: `out` is the next, lent until the owner's next call; 0: there are no more; RI_CURSOR_CUT: the
 * budget of the turn is used up before the next was found. */
int ri_groups_walk_next(ri_groups *groups, ri_groups_walk *walk, ri_group_info *out);
/* The same for the next offset that the group which was listed last has committed, topic by topic.
 * 0 as well if that group has gone. */
int ri_groups_walk_offset(ri_groups *groups, ri_groups_walk *walk, ri_group_offset *out);
/* What holds the partition that an offset was committed for; NULL: it is no more. */
ri_stream *ri_groups_partition(const ri_groups *groups, const ri_group_offset *committed);
/* Is there something to end? Closing the groups ends all walks. */
static inline bool ri_groups_walk_is_on(const ri_groups_walk *walk)
{
    return ri_list_linked(&walk->link);
}
void ri_groups_walk_end(ri_groups_walk *walk);

typedef struct ri_group_delete {
    ri_group_call call;
    ri_str group;
} ri_group_delete;
void ri_groups_delete(ri_groups *groups, ri_group_delete *request);

#endif
