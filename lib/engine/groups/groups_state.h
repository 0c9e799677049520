/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of groups share; nobody else includes it.
 *
 *   ri_groups ---- ri_group, by name, and in the order of their making
 *      |              |
 *      |              +---- ri_classic_member: in order of joining; its JoinGroup or SyncGroup
 *      |              +---- ri_classic_pending: an id that was given and is not a member's yet
 *      |              +---- ri_classic_protocol: how many members know it
 *      |              +---- ri_offset_topic, ri_offset: what was committed
 *      |
 *      +---- ri_groups_write: a record on its way to the disk, and who waits for it */
#ifndef RI_GROUPS_STATE_H
#define RI_GROUPS_STATE_H

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/nuid.h"
#include "codec/limits.h"
#include "engine/groups/groups.h"

#define RI_GROUPS_MAGIC 0x67727073u
#define RI_GROUP_MAGIC 0x67726f75u

enum { RI_GROUP_LEAVE_UNITS = 12 }; /* of the turn, for one who leaves, and its answers */

/* One thing that is due at a time. */
typedef struct ri_groups_timer {
    ri_timer timer;
    void (*due)(struct ri_groups_timer *timer);
} ri_groups_timer;

typedef struct ri_groups_write ri_groups_write;
typedef struct ri_modern ri_modern;
typedef struct ri_modern_member ri_modern_member;

struct ri_groups {
    uint32_t magic;
    const ri_host *host;
    ri_js *js;
    ri_router *router;        /* its budget and memory */
    ri_log *log;              /* lent; NULL: nothing outlasts the process */
    ri_track *track;          /* of the log; NULL */
    ri_groups_conf conf;
    const ri_groups_topics *topics; /* lent; NULL: there are none */
    void *topics_arg;
    int64_t wall_ns, mono_ns; /* of what is asked now */
    ri_map by_name;           /* ri_group */
    ri_list all;              /* ri_group.link, the oldest first */
    ri_list young;            /* ri_group.young_link, the oldest first */
    uint64_t members_held;    /* of the broker's memory, by members */
    ri_list walks;            /* ri_groups_walk.link */
    ri_list writes;           /* ri_groups_write.link */
    ri_heap timers;           /* ri_groups_timer.timer */
    size_t ntimers;           /* that may be armed: there is room for all */
    bool overdue;             /* a turn was over before all that is due was done */
    ri_groups_walk sweep;     /* of offsets that are over, and groups of which nothing is left */
    bool sweeping;
    ri_group *swept;          /* held: the one at hand; NULL */
    ri_offsets_walk swept_at; /* of its offsets */
    ri_groups_timer sweep_timer;
    ri_list dying;            /* ri_group.link: held: deleted, their offsets go in slices */
    ri_list gone;             /* groups_gone.link: topics that are no more */
    bool loading;             /* what the log knows is being read */
    ri_nuid nuid;
    ri_buffer record;         /* a record being put together */
};

/* ---- Classic groups ---- */

typedef enum ri_classic_state {
    RI_CLASSIC_EMPTY,
    RI_CLASSIC_PREPARING,
    RI_CLASSIC_COMPLETING,
    RI_CLASSIC_STABLE,
    RI_CLASSIC_DEAD,
} ri_classic_state;

typedef struct ri_classic_protocol {
    char *name;            /* owned */
    size_t len;
    uint32_t count;        /* of the members that know it; none do: it is the group's choice */
    uint32_t votes;        /* of the election that is going on */
} ri_classic_protocol;

typedef struct ri_classic_known { /* a protocol that a member knows */
    ri_classic_protocol *protocol;
    ri_str metadata;       /* in the member's block */
} ri_classic_known;

typedef struct ri_classic_block { /* the protocols that a member knows */
    ri_classic_known *known; /* owned, with the metadata behind it; in order of preference */
    size_t n, len;         /* bytes of the block */
} ri_classic_block;

typedef struct ri_classic_member {
    ri_list link;          /* in group->members */
    ri_group *group;
    ri_str id, instance, client_id, client_host; /* in `names`; instance NULL: dynamic */
    char *names;           /* owned */
    size_t names_len;
    ri_classic_known *known; /* owned, with the metadata behind it; in order of preference */
    size_t nknown, known_len; /* bytes of the block */
    ri_str assignment;     /* owned; empty: none */
    int32_t session_ms, rebalance_ms;
    bool is_new;           /* since it came no JoinGroup of it was answered */
    bool joining;          /* its JoinGroup waits, even if nobody wants the answer any more */
    bool syncing;          /* the same of its SyncGroup */
    bool sync_is_due;      /* it has not sent the SyncGroup of this generation */
    ri_group_call *join;   /* of a ri_group_join; NULL */
    ri_group_call *sync;   /* of a ri_group_sync; NULL */
    ri_groups_timer session;
    ri_groups_write *replacing; /* on its way: that it has taken a place over; NULL */
    uint64_t held;         /* of the broker's memory */
} ri_classic_member;

typedef struct ri_classic_pending { /* an id that was given to who asked for one */
    ri_list link;          /* in group->pending */
    ri_group *group;
    char *id;              /* owned */
    size_t len;
    ri_groups_timer session;
    uint64_t held;         /* of the broker's memory */
} ri_classic_pending;

/* ---- Offsets ---- */

typedef struct ri_offset_topic {
    ri_list link;          /* in group->topics */
    ri_group *group;
    char *name;            /* owned */
    size_t name_len;
    ri_map by_partition;   /* ri_offset */
    ri_list offsets;       /* ri_offset.link */
} ri_offset_topic;

typedef struct ri_offset {
    ri_list link;          /* in topic->offsets */
    ri_offset_topic *topic;
    int32_t partition, leader_epoch;
    bool known;            /* it was committed; else it is being made */
    uint8_t topic_id[RI_GROUP_TOPIC_ID];
    int64_t offset;
    int64_t commit_ns, expire_ns; /* wall clock; INT64_MAX: as the configuration says */
    ri_str metadata;       /* owned, if it is not empty */
    uint64_t record_seq;   /* of its record; 0: none */
} ri_offset;

struct ri_group {
    uint32_t magic;
    ri_groups *groups;
    ri_list link;           /* in groups->all */
    ri_list young_link;     /* in groups->young, until it was seen to be more than given ids */
    char *name;             /* owned */
    size_t name_len;
    uint32_t holds;         /* who has a pointer to it beside groups: it stays that long, dead */
    uint32_t writes;        /* records of it that are on their way to the disk */
    uint64_t record_seq;    /* of the record of the group itself; 0: none */
    uint64_t held;          /* of the broker's memory, without its members */
    bool stays;             /* dying, and the log did not let go of some of it */
    /* offsets */
    ri_map topics_by_name;  /* ri_offset_topic */
    ri_list topics;         /* ri_offset_topic.link */
    ri_list walks;          /* ri_offsets_walk.link */
    size_t noffsets;
    uint64_t offsets_held;  /* of the broker's memory */
    ri_modern *modern;      /* modern.h; NULL: it is a classic group */
    /* classic; of a modern one: Empty, and nothing */
    ri_classic_state state, previous;
    int64_t state_since_ns; /* wall clock */
    int32_t generation;
    ri_str protocol_type;   /* owned; NULL: none */
    ri_classic_protocol *protocol; /* of this generation; NULL: none */
    ri_classic_member *leader;
    ri_list members;        /* ri_classic_member.link, in order of joining */
    ri_map by_id;           /* the same by id */
    ri_map by_instance;     /* the static ones by instance */
    ri_list pending;        /* ri_classic_pending.link */
    ri_map pending_by_id;
    ri_map protocols;       /* ri_classic_protocol by name: that some member knows */
    size_t njoining;        /* members whose JoinGroup waits */
    size_t nsync_due;       /* members that have not sent their SyncGroup */
    uint64_t member_bytes;  /* metadata and assignments of all */
    bool unled;             /* of a record that says that it is about to rebalance */
    bool newcomer;          /* somebody came since the initial delay began */
    int64_t delay_ms, delay_left_ms; /* the initial delay that runs, and how much may follow */
    ri_groups_timer timer;  /* Preparing: the end of joining; else: the end of syncing */
};

static inline ri_str ri_groups_name_of(const ri_group *group)
{
    return (ri_str){group->name, group->name_len};
}

static inline size_t ri_classic_size(const ri_group *group)
{
    return group->by_id.len;
}

/* Of this generation; NULL: none. */
static inline ri_str ri_classic_protocol_name(const ri_group *group)
{
    const ri_classic_protocol *protocol = group->protocol;
    return protocol ? (ri_str){protocol->name, protocol->len} : (ri_str){NULL, 0};
}

/* What holds between any two calls; for assertions. */
static inline bool ri_group_is_sound(const ri_group *group)
{
    size_t n = ri_classic_size(group);
    bool empty = group->state == RI_CLASSIC_EMPTY || group->state == RI_CLASSIC_DEAD;
    return group->magic == RI_GROUP_MAGIC && group->groups->magic == RI_GROUPS_MAGIC &&
           group->njoining <= n && group->nsync_due <= n && group->by_instance.len <= n &&
           (group->leader != NULL) == (n > 0) && !(empty && n > 0) && !(group->modern && !empty) &&
           (group->state != RI_CLASSIC_STABLE || group->protocol || n == 0);
}

/* ---- groups.c ---- */

ri_group *ri_groups_find(ri_groups *groups, ri_str name); /* NULL: none */
bool ri_groups_is_empty(const ri_group *group); /* it has no members, of either kind */
int ri_groups_make(ri_groups *groups, ri_str name, ri_group **out); /* RILL_ENOMEM, _EFULL */
/* It is not to be found any more, and freed as soon as nobody holds it. Members are gone; offsets
 * go in slices. */
void ri_groups_drop(ri_group *group);
void ri_groups_release(ri_group *group); /* one hold less */
/* Room for one timer more, so that arming it cannot fail. */
int ri_groups_timer_init(ri_groups *groups, ri_groups_timer *timer,
                         void (*due)(ri_groups_timer *timer));
void ri_groups_timer_fini(ri_groups *groups, ri_groups_timer *timer);
void ri_groups_arm(ri_groups *groups, ri_groups_timer *timer, int64_t in_ms);
void ri_groups_disarm(ri_groups *groups, ri_groups_timer *timer);
/* Units of the turn for so many things visited. */
void ri_groups_spend(ri_groups *groups, uint64_t units);
/* *held is `bytes` of the broker's durable memory from now on. RILL_EFULL: it has no room for that,
 * and nothing changes. What the disk knows already is held in any case. */
int ri_groups_hold(ri_groups *groups, uint64_t *held, uint64_t bytes);
/* The same of a member, or of an id that was given: these have a bound of their own, so that they
 * do not take the room of streams and offsets. */
int ri_groups_hold_member(ri_groups *groups, uint64_t *held, uint64_t bytes);
/* Has it nothing but ids that were given, and was it never more? */
bool ri_groups_is_blank(const ri_group *group);
/* The call waits in *slot from now on, or is answered. */
void ri_groups_park(ri_group_call **slot, ri_group_call *call);
/* Who waits there, and waits no more; NULL: nobody. */
ri_group_call *ri_groups_unpark(ri_group_call **slot);

/* ---- groups_write.c: records on their way to the disk ---- */

struct ri_groups_write {
    ri_list link;          /* in groups->writes */
    ri_js_waiter waiter;
    ri_group *group;       /* held */
    void (*done)(ri_groups_write *write, int rc); /* NULL: only the call wants to know */
    ri_group_call *call;   /* that is answered behind `done`; or NULL */
    int32_t generation;    /* of the group, when this was begun */
    ri_classic_member *member; /* that it is about; NULL: none, or it has gone */
    char *text;            /* owned; what `done` has to know; NULL */
    size_t text_len;
};
/* All that the group has appended is on disk when `write` is done. The last of groups->writes.
 * Without `done` and `call` it makes answers about the group wait. RILL_ENOMEM: nobody will be
 * called. */
int ri_groups_write_begin(ri_group *group, void (*done)(ri_groups_write *write, int rc),
                          ri_group_call *call, ri_str text);
/* Answer at once, or, if records of the group are on their way, when they are on disk. */
void ri_groups_write_answer(ri_group *group, ri_group_call *call);
/* The same; what is answered stands in the block, which is freed behind it, or now if it fails. */
int ri_groups_write_answer_from(ri_group *group, ri_group_call *call, char *block, size_t size);
void ri_groups_write_close(ri_groups *groups); /* who waits is answered 16 */
/* The state of the group as a record, in place of the one before it; no log: nothing happens. */
int ri_groups_write_group(ri_group *group);
int ri_groups_write_classic(ri_group *group); /* as the classic one that it is about to be */
void ri_groups_write_gone(ri_group *group); /* its record dies */
int ri_groups_write_member(ri_modern_member *member);
void ri_groups_write_gone_member(ri_modern_member *member);
/* In place of that one, all its offsets are dead from here on. */
int ri_groups_write_grave(ri_group *group);
/* The offset as a record, in place of *seq. */
int ri_groups_write_offset(const ri_offset *offset, uint64_t *seq);
int ri_groups_write_gone_offset(ri_offset *offset);

/* ---- groups_record.c: what stands in a record ---- */

typedef enum ri_groups_kind {
    RI_GROUPS_CLASSIC = 'G',
    RI_GROUPS_OFFSET = 'O',
    RI_GROUPS_GRAVE = 'D',
    RI_GROUPS_MODERN = 'C',
    RI_GROUPS_MEMBER = 'M',
    RI_GROUPS_SPEAKER = 'K',
} ri_groups_kind;

typedef struct ri_groups_reader {
    const unsigned char *at, *end;
    bool bad;              /* what was read is not what it says */
} ri_groups_reader;

typedef struct ri_groups_saved { /* a group as its record has it; lent as the record is */
    ri_str name, protocol_type, protocol, leader; /* ptr NULL: none */
    int32_t generation;
    int64_t state_since_ns;
    uint32_t nmembers;
} ri_groups_saved;

typedef struct ri_groups_saved_member {
    ri_str id, instance, client_id, client_host, metadata, assignment;
    int32_t session_ms, rebalance_ms;
} ri_groups_saved_member;

typedef struct ri_groups_saved_offset {
    ri_str group, topic, metadata;
    int32_t partition;
    ri_offset values;      /* without what is above, and without its record */
} ri_groups_saved_offset;

typedef struct ri_groups_saved_modern {
    ri_str name;
    int32_t epoch;
    uint64_t hash;
} ri_groups_saved_modern;

typedef struct ri_groups_saved_modern_member { /* then its names, and its two sets */
    ri_str group, id, instance, rack, client_id, client_host, assignor;
    int32_t rebalance_ms, epoch, previous, state;
} ri_groups_saved_modern_member;

typedef struct ri_groups_saved_topic { /* then its partitions */
    ri_str id;
    uint64_t partitions;
} ri_groups_saved_topic;

void ri_groups_record_put(const ri_group *group, ri_buffer *out);
void ri_groups_record_put_modern(const ri_group *group, ri_buffer *out);
void ri_groups_record_put_member(const ri_modern_member *member, ri_buffer *out);
void ri_groups_record_put_offset(const ri_offset *offset, ri_buffer *out);
void ri_groups_record_put_grave(const ri_group *group, ri_buffer *out);
/* The kind of the record, behind which `reader` stands; 0: it is empty. */
char ri_groups_record_kind(ri_str data, ri_groups_reader *reader);
/* The parts of a group's record, one after the other; RILL_EPROTO: it is not what it says. */
int ri_groups_record_group(ri_groups_reader *reader, ri_groups_saved *out);
int ri_groups_record_member(ri_groups_reader *reader, ri_groups_saved_member *out);
int ri_groups_record_offset(ri_groups_reader *reader, ri_groups_saved_offset *out);
int ri_groups_record_grave(ri_groups_reader *reader, ri_str *group);
int ri_groups_record_modern(ri_groups_reader *reader, ri_groups_saved_modern *out);
int ri_groups_record_modern_member(ri_groups_reader *reader, ri_groups_saved_modern_member *out);
/* How many follow, `most` at most; a name; a topic; a partition of it. */
uint64_t ri_groups_record_count(ri_groups_reader *reader, uint64_t most);
int ri_groups_record_name(ri_groups_reader *reader, ri_str *out);
int ri_groups_record_topic(ri_groups_reader *reader, ri_groups_saved_topic *out);
int ri_groups_record_part(ri_groups_reader *reader, int32_t *partition, int32_t *epoch);
/* The protocols of one that speaks the classic protocol, RI_LIMIT_GROUP_PROTOCOLS at most. */
int ri_groups_record_known(ri_groups_reader *reader, int32_t *session_ms,
                           ri_group_protocol *protocols, size_t *n);
int ri_groups_record_end(const ri_groups_reader *reader);

/* ---- groups_modern.c ---- */

void ri_groups_modern_fence(ri_modern_member *member); /* its time is over */
/* LeaveGroup, by members of a modern group, as many as the turn allows; true: some have gone. */
bool ri_groups_modern_leave(ri_group *group, ri_group_leave *leave);
/* Of a commit, and of one of its partitions. */
ri_group_error ri_groups_modern_commit(ri_group *group, ri_group_commit *commit);
ri_group_error ri_groups_modern_check(const ri_group *group, const ri_group_commit *commit,
                                      const ri_group_offset *offset);
ri_group_error ri_groups_modern_fetch(const ri_group *group, const ri_group_fetch *fetch);

/* ---- groups_mixed.c: members of a modern group that speak the classic protocol ---- */

void ri_groups_mixed_join(ri_group *group, ri_group_join *join);
void ri_groups_mixed_sync(ri_group *group, ri_group_sync *sync);
ri_group_error ri_groups_mixed_heartbeat(ri_group *group, const ri_group_beat *beat);

/* ---- groups_migrate.c ---- */

/* A classic group with members becomes a modern one with the same members; or it stays as it is,
 * and the error says why. */
ri_group_error ri_groups_upgrade(ri_group *group);
/* May a modern group be a classic one when the members that `leaves` marks are gone, or when
 * `except`, that stays, speaks the classic protocol from now on? */
bool ri_groups_may_downgrade(const ri_group *group, const ri_modern_member *except);
/* It is one, without those that leave; `rebalances`, or some have not yet what they shall have: its
 * members are to join anew. RILL_ENOMEM, RILL_EFULL: it stays as it is. */
int ri_groups_downgrade(ri_group *group, bool rebalances);

/* ---- groups_load.c ---- */

int ri_groups_load(ri_groups *groups);

/* ---- offsets.c ---- */

ri_offset_topic *ri_offsets_topic(const ri_group *group, ri_str name); /* NULL: none */
ri_offset *ri_offsets_find(const ri_offset_topic *topic, int32_t partition); /* topic may be NULL */
/* Was it committed for the topic with this id, as far as that is known? */
bool ri_offsets_is_of(const ri_offset *offset, const uint8_t *topic_id);
/* One that is there, or a new one that is not known yet. RILL_ENOMEM, RILL_EFULL. */
int ri_offsets_make(ri_group *group, ri_str topic, int32_t partition, ri_offset **out);
/* It is `as` says from now on, with this metadata; `writes`: with a record. */
int ri_offsets_set(ri_offset *offset, const ri_offset *as, ri_str metadata, bool writes);
void ri_offsets_free(ri_offset *offset); /* its record stays */
int ri_offsets_drop(ri_offset *offset);  /* the record first; a failure changes nothing */
void ri_offsets_fill(const ri_offset *offset, ri_group_offset *out);
void ri_offsets_walk_begin(ri_group *group, ri_offsets_walk *walk);
bool ri_offsets_walk_begin_at(ri_group *group, ri_offsets_walk *walk, ri_str topic);
ri_offset *ri_offsets_walk_next(ri_group *group, ri_offsets_walk *walk); /* NULL: the end */
void ri_offsets_walk_end(ri_offsets_walk *walk);
/* Does a member read the topic? Yes, if that cannot be known. */
bool ri_offsets_is_subscribed(ri_group *group, ri_str topic);
/* Slices; true: there is more to do. */
bool ri_offsets_expire_some(ri_group *group, ri_offsets_walk *walk);
bool ri_offsets_drop_topic_some(ri_group *group, ri_offsets_walk *walk, ri_str topic,
                                const uint8_t *topic_id);
bool ri_offsets_drop_some(ri_group *group); /* of one that is dead */
void ri_offsets_init(ri_group *group);
void ri_offsets_clear(ri_group *group);     /* records stay */
void ri_offsets_fini(ri_group *group);

/* ---- classic_member.c ---- */

ri_classic_member *ri_classic_find(const ri_group *group, ri_str id);
ri_classic_member *ri_classic_find_static(const ri_group *group, ri_str instance);
/* A member as `join` describes it, in the group, with this id. RILL_ENOMEM, RILL_EFULL. */
int ri_classic_add(ri_group *group, const ri_group_join *join, ri_str id,
                   ri_classic_member **out);
/* The group is of this type, if it has no member that is of another; NULL: of none. RILL_ENOMEM. */
int ri_classic_set_type(ri_group *group, ri_str type);
/* Is a request by the member that it names: 0, 25 or 82? */
ri_group_error ri_classic_check(const ri_group *group, ri_str id, ri_str instance);
/* It goes; who waits for it is answered `error`. */
void ri_classic_remove(ri_classic_member *member, ri_group_error error);
/* What it knows, and its times, are those of `join` from now on. */
int ri_classic_update(ri_classic_member *member, const ri_group_join *join);
/* The same place, another id: who waits as the old one is answered 82. */
int ri_classic_rename(ri_classic_member *member, ri_str id);
int ri_classic_assign(ri_classic_member *member, ri_str bytes);
bool ri_classic_matches(const ri_classic_member *member, const ri_group_join *join);
/* The protocols of a request, without those whose names were there before. */
size_t ri_classic_distinct(const ri_group_join *join, ri_group_protocol *out);
bool ri_classic_supports(const ri_group *group, const ri_group_join *join);
/* Do `n` members know one of its protocols, as many as are to agree on one? */
bool ri_classic_shares(const ri_group *group, const ri_group_join *join, size_t n);
/* The protocols of a request, each with one more that knows it; RILL_ENOMEM. */
int ri_classic_block_init(ri_group *group, const ri_group_join *join, ri_classic_block *block);
void ri_classic_block_fini(ri_group *group, const ri_classic_block *block);
ri_classic_protocol *ri_classic_elect(ri_group *group); /* the next generation's protocol */
void ri_classic_choose(ri_group *group, ri_classic_protocol *protocol); /* this one's; NULL: none */
ri_str ri_classic_metadata(const ri_classic_member *member); /* of the group's protocol */
int ri_classic_expect(ri_group *group, ri_str id, int32_t session_ms); /* a pending id */
ri_classic_pending *ri_classic_find_pending(const ri_group *group, ri_str id);
void ri_classic_unexpect(ri_classic_pending *pending);
/* `prefix`, a dash, and a UUID; to be freed with *len + 1 bytes. NULL: out of memory. */
char *ri_classic_make_id(ri_groups *groups, ri_str prefix, size_t *len);
void ri_classic_init(ri_group *group);
/* Members and pending ids go; who waits is answered `error`. */
void ri_classic_clear(ri_group *group, ri_group_error error);
void ri_classic_fini(ri_group *group); /* of one without members */

/* ---- classic.c: the states ---- */

void ri_classic_set_state(ri_group *group, ri_classic_state state);
bool ri_classic_can_rebalance(const ri_group *group);
void ri_classic_prepare(ri_group *group);
void ri_classic_changed(ri_group *group); /* members came, or changed */
void ri_classic_left(ri_group *group);    /* one went, for its session is over */
void ri_classic_complete_if_joined(ri_group *group);
void ri_classic_renew(ri_classic_member *member); /* its session begins anew */
void ri_classic_begin_session(ri_classic_member *member); /* of one that has just come */
void ri_classic_due(ri_groups_timer *timer);         /* of a group */
void ri_classic_session_due(ri_groups_timer *timer); /* of a member */
void ri_classic_pending_due(ri_groups_timer *timer);
const char *ri_classic_state_name(ri_classic_state state);
/* A JoinGroup waits, in place of the one that did; is answered; is filled in without being
 * answered, as one of a member, or as one that is refused. The same of a SyncGroup. */
void ri_classic_wait_join(ri_classic_member *member, ri_group_join *join);
void ri_classic_answer_join(ri_classic_member *member, ri_group_error error);
void ri_classic_fill_join(const ri_classic_member *member, ri_group_join *join);
void ri_classic_refuse_join(ri_group_join *join, ri_group_error error, ri_str member);
void ri_classic_answer_replaced(ri_classic_member *member, ri_str leader);
void ri_classic_wait_sync(ri_classic_member *member, ri_group_sync *sync);
void ri_classic_answer_sync(ri_classic_member *member, ri_group_error error);
void ri_classic_fill_sync(const ri_classic_member *member, ri_group_sync *sync);
void ri_classic_refuse_sync(ri_group_sync *sync, ri_group_error error);
void ri_classic_answer_syncs(ri_group *group, ri_group_error error); /* of all that wait */
void ri_classic_synced(ri_classic_member *member);   /* its SyncGroup has come */
void ri_classic_fail_sync(ri_group *group);
void ri_classic_unassign(ri_group *group); /* nobody has anything to read */

#endif
