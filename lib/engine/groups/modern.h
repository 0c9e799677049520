/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of the protocol of KIP-848, in which the coordinator says who reads what; nobody but the
 * files of groups includes this.
 *
 *     heartbeat      group epoch          target                 member
 *     --------->     one more when    --> who shall read     --> who reads what now: moves towards
 *                    members or what      what: computed for     its target step by step, so that
 *                    they read change     the newest epoch       no partition has two readers
 *
 *     ri_modern --- ri_modern_member: names that it subscribes, target, assigned, revoking
 *         |  |
 *         |  +----- ri_modern_name: a topic's name that somebody subscribes
 *         +-------- ri_modern_topic: a topic's id, and who owns its partitions
 *
 * A member is in one of three states towards the epoch of the target:
 *
 *     Stable       it has all of its target                               epoch: the target's
 *     Unrevoked    it must give something up before anything else         epoch: the one before
 *     Unreleased   it has what is free of its target; others are to give  epoch: the target's
 *                  up the rest
 *
 * A partition is owned by the member that has it assigned, or is still to give it up. What is
 * written down (groups_record.c) is the group's epoch, and of each member all but its target: that
 * is computed anew after a restart, for one epoch more, from what each has. */
#ifndef RI_MODERN_H
#define RI_MODERN_H

#include "engine/groups/groups_state.h"

typedef struct ri_modern_topic {
    uint8_t id[RI_GROUP_TOPIC_ID];
    uint32_t number;        /* orders the parts of sets; not used twice */
    uint32_t refs;          /* names that are it, and parts of sets */
    int32_t partitions;     /* as it was when names were looked up last */
    struct ri_modern_name *name; /* that it has; NULL: no name that is subscribed */
    uint32_t index, first;  /* while a target is computed: among topics, of its partitions */
    ri_modern_member **owners; /* owned; by partition, NULL: nobody */
    uint32_t nowners;       /* its size */
} ri_modern_topic;

typedef struct ri_modern_name {
    char *name;             /* owned */
    size_t len;
    uint32_t number;        /* orders the names of a member */
    uint32_t subscribers;   /* members */
    ri_modern_topic *topic; /* that has this name; NULL: there is none */
} ri_modern_name;

typedef struct ri_modern_part {
    ri_modern_topic *topic;
    int32_t partition;
    int32_t epoch;          /* since which it is assigned; of a target: 0 */
} ri_modern_part;

typedef struct ri_modern_set { /* of partitions, in order of topics' numbers */
    ri_modern_part *parts;  /* owned */
    uint32_t n, cap;
} ri_modern_set;

typedef enum ri_modern_state {
    RI_MODERN_STABLE,
    RI_MODERN_UNREVOKED,
    RI_MODERN_UNRELEASED,
} ri_modern_state;

struct ri_modern_member {
    ri_list link;           /* in modern->members */
    bool classic;           /* it speaks the classic protocol, and knows: */
    bool leaves;            /* it is about to go */
    int32_t session_ms;     /* of one that is classic */
    ri_classic_block known; /* the same: protocols, one at least */
    ri_group *group;
    ri_str id, instance, rack, client_id, client_host; /* in `names`; NULL: none */
    char *names;            /* owned */
    size_t names_len;
    ri_str assignor;        /* a constant; NULL: none is asked for */
    int32_t rebalance_ms;
    int32_t epoch, previous;
    ri_modern_state state;
    ri_modern_name **reads; /* owned; by their numbers */
    uint32_t nreads, reads_cap;
    ri_modern_set target, assigned, revoking;
    ri_groups_timer session;
    ri_groups_timer revoke; /* until when it is to have given up `revoking`; of one that is classic:
                             * to have joined anew */
    ri_groups_timer sync;   /* of one that is classic: until when it is to fetch what it has */
    bool dirty;             /* its record does not say what it is */
    uint64_t record_seq;    /* 0: it has none */
    uint64_t held;          /* of the broker's memory */
};

struct ri_modern {
    int32_t epoch, assignment_epoch;
    uint64_t hash;          /* of the topics that are subscribed, and of their partitions */
    uint64_t version;       /* of the topics when they were looked up last */
    bool looked_up;
    int64_t assigned_ns;    /* monotonic: when the target was computed last; INT64_MIN: never */
    ri_list members;        /* ri_modern_member.link, in order of joining */
    ri_map by_id, by_instance;
    ri_map names;           /* ri_modern_name by name */
    ri_map topics;          /* ri_modern_topic by id */
    uint32_t nnames, ntopics; /* made so far */
    size_t nsubscriptions;  /* names of all members */
    size_t nuniform, nrange; /* members that ask for these assignors */
    size_t nclassic;        /* members that speak the classic protocol */
    uint64_t held;          /* of the broker's memory, for what is assigned */
    bool dirty;             /* the group's record does not say what it is */
    bool stirred;           /* it was rebalancing when it was upgraded: an epoch is to begin */
};

static inline size_t ri_modern_size(const ri_group *group)
{
    return group->modern->by_id.len;
}

/* ---- modern.c: members, names, topics ---- */

int ri_modern_open(ri_group *group);   /* it is a modern group from now on; RILL_ENOMEM */
/* It is none any more; its members are gone, and their records if it `erases`. */
void ri_modern_close(ri_group *group, bool erases);
ri_modern_member *ri_modern_find(const ri_group *group, ri_str id);
ri_modern_member *ri_modern_find_static(const ri_group *group, ri_str instance);
/* A member without anything; the names are those of a request. RILL_ENOMEM, RILL_EFULL. */
int ri_modern_add(ri_group *group, const ri_group_pulse *pulse, ri_str id,
                  ri_modern_member **out);
int ri_modern_rename(ri_modern_member *member, const ri_group_pulse *pulse, ri_str id);
void ri_modern_remove(ri_modern_member *member); /* with its record */
/* What it subscribes is `names` from now on: 1 if that is something else; RILL_ENOMEM, _EFULL. */
int ri_modern_subscribe(ri_modern_member *member, const ri_str *names, size_t n);
bool ri_modern_reads(const ri_modern_member *member, const ri_modern_topic *topic);
bool ri_modern_is_subscribed(const ri_group *group, ri_str name);
/* Looks all names up, if the topics have changed since: 1 if what they are is something else. */
int ri_modern_look_up(ri_group *group);
/* The topic with this id, one that is made if need be; NULL: out of memory. */
ri_modern_topic *ri_modern_topic_of(ri_group *group, const uint8_t *id);
ri_modern_topic *ri_modern_find_topic(const ri_group *group, const uint8_t *id);
void ri_modern_topic_drop(ri_group *group, ri_modern_topic *topic); /* if nobody refers to it */
ri_modern_member *ri_modern_owner(const ri_modern_topic *topic, int32_t partition);
/* The member has these from now on, which are taken; RILL_ENOMEM: they are the caller's still. */
int ri_modern_set_parts(ri_modern_member *member, ri_modern_set *assigned,
                        ri_modern_set *revoking);
void ri_modern_set_target(ri_modern_member *member, ri_modern_set *target);
ri_str ri_modern_assignor(const ri_group *group); /* that most ask for */
void ri_modern_prefer(ri_modern_member *member, ri_str assignor); /* a constant, or none */
bool ri_modern_is_stale(const ri_group *group);   /* have topics changed since the last look-up? */
const char *ri_modern_state_name(const ri_group *group);
int ri_modern_save(ri_group *group, ri_modern_member *member); /* what is to be written of both */
void ri_modern_renew(ri_modern_member *member);   /* its session begins anew */
/* Room in the broker's memory for so many bytes of protocols; RILL_EFULL. */
int ri_modern_hold_known(ri_modern_member *member, size_t bytes);

/* ---- groups_modern.c: what a heartbeat does, whichever protocol it came in ---- */

/* What the request says is so from now on: 1 if the member subscribes something else. */
int ri_modern_hear(ri_modern_member *member, const ri_group_pulse *pulse);
/* A new target if one is due, and a step towards it; as ri_modern_reconcile(). */
int ri_modern_move(ri_modern_member *member, const ri_group_pulse *pulse, bool resubscribed);
/* Whether topics have changed is looked at, and a target is made if one is due. */
int ri_modern_refresh(ri_group *group);
int ri_modern_persist(ri_group *group, ri_modern_member *member); /* save; answers wait for it */
/* Its place goes on under another id, in an epoch of its own. */
int ri_modern_return(ri_modern_member *member, const ri_group_pulse *pulse, ri_str id);

/* ---- modern_classic.c: members that speak the classic protocol ---- */

/* The member knows the protocols of the request from now on; RILL_ENOMEM, RILL_EFULL. */
int ri_modern_speak(ri_modern_member *member, const ri_group_join *join);
void ri_modern_mute(ri_modern_member *member);    /* it speaks that of KIP-848 from now on */
ri_str ri_modern_protocol(const ri_modern_member *member);
ri_str ri_modern_metadata(const ri_modern_member *member); /* of that protocol */
/* Is the request one of a consumer, with a protocol that all classic members know? */
bool ri_modern_supports(const ri_group *group, const ri_group_join *join);
typedef struct ri_modern_says { /* metadata as a heartbeat would have said it */
    ri_group_pulse pulse;   /* with topics, what it owns, and a rack */
    char *block;            /* owned */
    size_t size;
} ri_modern_says;
/* RILL_EPROTO: it is none of a consumer; RILL_ETOOBIG, RILL_ENOMEM. */
int ri_modern_listen(ri_groups *groups, ri_str metadata, ri_modern_says *says);
void ri_modern_says_fini(const ri_groups *groups, ri_modern_says *says);
/* The partitions of an assignment that are there and that nobody owns yet, at the end of `out`.
 * RILL_EPROTO: it is none; RILL_ENOTSUP: an assignor has said more in it; RILL_ENOMEM. */
int ri_modern_take_assignment(ri_group *group, ri_str bytes, int32_t epoch, ri_modern_set *out);
/* The set as an assignment, in the version of the metadata. */
void ri_modern_put_assignment(const ri_groups *groups, const ri_modern_set *set, ri_str metadata,
                              ri_buffer *out);

/* ---- modern_set.c ---- */

/* At its end, in whatever order. */
int ri_modern_set_push(const ri_host *host, ri_modern_set *set, ri_modern_part part);
void ri_modern_set_sort(ri_modern_set *set);      /* and each once */
const ri_modern_part *ri_modern_set_find(const ri_modern_set *set, const ri_modern_topic *topic,
                                         int32_t partition);
bool ri_modern_set_eq(const ri_modern_set *a, const ri_modern_set *b); /* epochs, too */
void ri_modern_set_fini(const ri_host *host, ri_modern_set *set);
/* The same of one that no member has taken: topics that nobody refers to go with it. */
void ri_modern_set_abandon(ri_group *group, ri_modern_set *set);

/* ---- modern_assign.c ---- */

/* The target of each member for the group's epoch. RILL_ENOMEM, RILL_EFULL: it is as it was. */
int ri_modern_assign(ri_group *group);
bool ri_modern_assignor_of(ri_str name, ri_str *out); /* the constant; false: none has that name */

/* ---- modern_reconcile.c ---- */

/* A step of the member towards its target, with what the request says that it has: 1 if it is
 * another than before, RI_MODERN_REASSIGNED if what it has assigned is, too; RILL_ENOMEM. */
enum { RI_MODERN_REASSIGNED = 2 };
int ri_modern_reconcile(ri_modern_member *member, const ri_group_pulse *pulse, bool resubscribed);
bool ri_modern_is_reconciled(const ri_modern_member *member);
/* Has all that the member waits for been given up by the others? */
bool ri_modern_may_have_more(const ri_modern_member *member);
/* Is all that it says that it has among what it has assigned? */
bool ri_modern_owns_only_assigned(const ri_modern_member *member, const ri_group_pulse *pulse);

#endif
