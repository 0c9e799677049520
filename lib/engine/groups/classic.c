/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a classic group, which groups.h draws: what makes a rebalance begin, and how one
 * ends. Requests come in groups_classic.c. */
#include "engine/groups/groups_state.h"

enum { CLASSIC_NEW_MEMBER_MS = 300000 }; /* how long the first JoinGroup of a member may wait */

static const struct {
    const char *name;
    uint32_t before; /* bits of the states from which it is entered */
} classic_states[] = {
    [RI_CLASSIC_EMPTY] = {"Empty", 1u << RI_CLASSIC_PREPARING},
    [RI_CLASSIC_PREPARING] = {"PreparingRebalance", 1u << RI_CLASSIC_STABLE |
                              1u << RI_CLASSIC_COMPLETING | 1u << RI_CLASSIC_EMPTY},
    [RI_CLASSIC_COMPLETING] = {"CompletingRebalance", 1u << RI_CLASSIC_PREPARING},
    [RI_CLASSIC_STABLE] = {"Stable", 1u << RI_CLASSIC_COMPLETING},
    [RI_CLASSIC_DEAD] = {"Dead", ~0u},
};

const char *ri_classic_state_name(ri_classic_state state)
{
    return classic_states[state].name;
}

void ri_classic_set_state(ri_group *group, ri_classic_state state)
{
    RI_ASSERT(classic_states[state].before & 1u << group->state);
    group->previous = group->state;
    group->state = state;
    group->state_since_ns = group->groups->wall_ns;
}

bool ri_classic_can_rebalance(const ri_group *group)
{
    return classic_states[RI_CLASSIC_PREPARING].before & 1u << group->state;
}

/* ---- Answers ---- */

void ri_classic_renew(ri_classic_member *member)
{
    ri_groups_arm(member->group->groups, &member->session, member->session_ms);
}

void ri_classic_begin_session(ri_classic_member *member)
{
    member->is_new = true;
    ri_groups_arm(member->group->groups, &member->session, CLASSIC_NEW_MEMBER_MS);
}

void ri_classic_wait_join(ri_classic_member *member, ri_group_join *join)
{
    ri_group *group = member->group;
    ri_classic_answer_join(member, RI_GROUP_REBALANCING); /* of one that it has given up */
    member->joining = true;
    group->njoining++;
    ri_groups_park(&member->join, &join->call);
}

void ri_classic_fill_join(const ri_classic_member *member, ri_group_join *join)
{
    const ri_group *group = member->group;
    join->call.error = RI_GROUP_NONE;
    join->generation = group->generation;
    join->given_type = group->protocol_type;
    join->given_protocol = ri_classic_protocol_name(group);
    join->leader = group->leader ? group->leader->id : RI_STR("");
    join->given_member = member->id;
    join->skip = false;
    join->members = group->leader == member ? group : NULL;
}

void ri_classic_refuse_join(ri_group_join *join, ri_group_error error, ri_str member)
{
    RI_ASSERT(error != RI_GROUP_NONE);
    join->call.error = error;
    join->generation = -1;
    join->given_type = join->given_protocol = RI_STR_NONE;
    join->leader = RI_STR("");
    join->given_member = member;
    join->skip = false;
    join->members = NULL;
}

/* What Kafka says to one that is gone has no member id. */
void ri_classic_answer_join(ri_classic_member *member, ri_group_error error)
{
    if (!member->joining) return;
    RI_ASSERT(member->group->njoining > 0);
    member->joining = false;
    member->group->njoining--;
    ri_group_call *call = ri_groups_unpark(&member->join);
    if (!call) return;
    ri_group_join *join = ri_container_of(call, ri_group_join, call);
    if (error == RI_GROUP_NONE) ri_classic_fill_join(member, join);
    else ri_classic_refuse_join(join, error, error == RI_GROUP_UNKNOWN_MEMBER ? RI_STR("")
                                                                              : member->id);
    call->done(call);
}

/* Its place goes on under another id. A leader that can skip the assignment is asked to, and gets
 * the members; of one that cannot the old id is named as the leader, so that it does not assign. */
void ri_classic_answer_replaced(ri_classic_member *member, ri_str leader)
{
    if (!member->joining) return;
    member->joining = false;
    member->group->njoining--;
    ri_group_call *call = ri_groups_unpark(&member->join);
    if (!call) return;
    ri_group_join *join = ri_container_of(call, ri_group_join, call);
    ri_classic_fill_join(member, join);
    join->skip = join->skips_assignment && member->group->leader == member;
    if (!join->skips_assignment) {
        join->leader = leader;
        join->members = NULL;
    }
    call->done(call);
}

void ri_classic_wait_sync(ri_classic_member *member, ri_group_sync *sync)
{
    ri_classic_answer_sync(member, RI_GROUP_REBALANCING);
    member->syncing = true;
    ri_groups_park(&member->sync, &sync->call);
}

void ri_classic_refuse_sync(ri_group_sync *sync, ri_group_error error)
{
    sync->call.error = error;
    sync->given_type = sync->given_protocol = RI_STR_NONE;
    sync->assignment = RI_STR("");
}

void ri_classic_fill_sync(const ri_classic_member *member, ri_group_sync *sync)
{
    sync->call.error = RI_GROUP_NONE;
    sync->given_type = member->group->protocol_type;
    sync->given_protocol = ri_classic_protocol_name(member->group);
    sync->assignment = member->assignment;
}

void ri_classic_answer_sync(ri_classic_member *member, ri_group_error error)
{
    if (!member->syncing) return;
    member->syncing = false;
    ri_group_call *call = ri_groups_unpark(&member->sync);
    if (!call) return;
    ri_group_sync *sync = ri_container_of(call, ri_group_sync, call);
    if (error == RI_GROUP_NONE) ri_classic_fill_sync(member, sync);
    else ri_classic_refuse_sync(sync, error);
    call->done(call);
}

/* ---- Syncing ---- */

void ri_classic_synced(ri_classic_member *member)
{
    ri_group *group = member->group;
    if (!member->sync_is_due) return;
    RI_ASSERT(group->nsync_due > 0);
    member->sync_is_due = false;
    group->nsync_due--;
}

/* Nobody is waited for any more. */
static void classic_forget_syncs(ri_group *group)
{
    ri_list_each (link, &group->members)
        ri_classic_synced(ri_container_of(link, ri_classic_member, link));
    RI_ASSERT(group->nsync_due == 0);
    ri_groups_disarm(group->groups, &group->timer);
}

/* Each that waits for its assignment gets it, or learns why there is none. */
void ri_classic_answer_syncs(ri_group *group, ri_group_error error)
{
    RI_ASSERT(group->state == RI_CLASSIC_COMPLETING);
    ri_groups_spend(group->groups, ri_classic_size(group));
    ri_list_each (link, &group->members) {
        ri_classic_member *member = ri_container_of(link, ri_classic_member, link);
        if (!member->syncing) continue;
        ri_classic_answer_sync(member, error);
        ri_classic_renew(member);
    }
}

void ri_classic_unassign(ri_group *group)
{
    ri_list_each (link, &group->members)
        ri_classic_assign(ri_container_of(link, ri_classic_member, link), RI_STR(""));
}

/* ---- Joining ---- */

static int32_t classic_rebalance_ms(const ri_group *group)
{
    int32_t most_ms = 0;
    ri_list_each (link, &group->members) {
        const ri_classic_member *member = ri_container_of(link, ri_classic_member, link);
        most_ms = RI_MAX(most_ms, member->rebalance_ms);
    }
    return most_ms;
}

static bool classic_all_joined(const ri_group *group)
{
    return group->njoining == ri_classic_size(group) && ri_list_empty(&group->pending);
}

/* Those that have not come back; static ones keep their place. */
static void classic_remove_absent(ri_group *group)
{
    ri_list_each (link, &group->members) {
        ri_classic_member *member = ri_container_of(link, ri_classic_member, link);
        if (!member->joining && !member->instance.ptr)
            ri_classic_remove(member, RI_GROUP_UNKNOWN_MEMBER);
    }
}

/* False: there are members, and none of them has come back. */
static bool classic_has_leader(ri_group *group)
{
    if (!group->leader || group->leader->joining) return true;
    ri_list_each (link, &group->members) {
        ri_classic_member *member = ri_container_of(link, ri_classic_member, link);
        if (!member->joining) continue;
        group->leader = member;
        return true;
    }
    return false;
}

static void classic_become_empty(ri_group *group)
{
    ri_classic_choose(group, NULL);
    ri_classic_set_state(group, RI_CLASSIC_EMPTY);
    /* If the disk does not take it, a restart knows an older generation. */
    if (ri_groups_write_group(group) >= 0)
        ri_groups_write_begin(group, NULL, NULL, RI_STR_NONE);
}

/* All hear of the new generation, and are to send their SyncGroup. */
static void classic_begin_syncing(ri_group *group)
{
    ri_classic_choose(group, ri_classic_elect(group));
    ri_classic_set_state(group, RI_CLASSIC_COMPLETING);
    ri_list_each (link, &group->members) {
        ri_classic_member *member = ri_container_of(link, ri_classic_member, link);
        ri_classic_renew(member);
        member->is_new = false;
        member->sync_is_due = true;
        group->nsync_due++;
    }
    ri_groups_arm(group->groups, &group->timer, classic_rebalance_ms(group));
    ri_list_each (link, &group->members)
        ri_classic_answer_join(ri_container_of(link, ri_classic_member, link), RI_GROUP_NONE);
}

static void classic_complete(ri_group *group)
{
    RI_ASSERT(group->state == RI_CLASSIC_PREPARING);
    ri_groups_spend(group->groups, 4 * ri_classic_size(group) + 1);
    ri_groups_disarm(group->groups, &group->timer);
    group->delay_left_ms = 0;
    classic_remove_absent(group);
    if (!classic_has_leader(group)) { /* they are all static, and away */
        ri_groups_arm(group->groups, &group->timer, classic_rebalance_ms(group));
        return;
    }
    RI_ASSERT(group->nsync_due == 0);
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    if (ri_classic_size(group) == 0) classic_become_empty(group);
    else classic_begin_syncing(group);
}

void ri_classic_complete_if_joined(ri_group *group)
{
    RI_ASSERT(ri_group_is_sound(group));
    if (group->state != RI_CLASSIC_PREPARING || group->previous == RI_CLASSIC_EMPTY) return;
    if (classic_all_joined(group)) classic_complete(group);
}

/* The first members of a group are waited for: others may be about to come. */
static void classic_begin_delay(ri_group *group)
{
    int64_t delay_ms = RI_MAX(group->groups->conf.initial_delay_ms, 0);
    group->newcomer = false;
    group->delay_ms = delay_ms;
    group->delay_left_ms = RI_MAX((int64_t)classic_rebalance_ms(group) - delay_ms, 0);
    ri_groups_arm(group->groups, &group->timer, delay_ms);
}

static void classic_delay_due(ri_group *group)
{
    if (!group->newcomer || group->delay_left_ms == 0) {
        classic_complete(group);
        return;
    }
    int64_t next_ms = RI_MIN((int64_t)group->groups->conf.initial_delay_ms, group->delay_left_ms);
    group->newcomer = false;
    group->delay_left_ms = RI_MAX(group->delay_left_ms - group->delay_ms, 0);
    group->delay_ms = next_ms;
    ri_groups_arm(group->groups, &group->timer, next_ms);
}

void ri_classic_prepare(ri_group *group)
{
    RI_ASSERT(ri_classic_can_rebalance(group));
    ri_groups_spend(group->groups, 2 * ri_classic_size(group));
    bool first = group->state == RI_CLASSIC_EMPTY;
    if (group->state == RI_CLASSIC_COMPLETING) {
        ri_classic_unassign(group);
        ri_classic_answer_syncs(group, RI_GROUP_REBALANCING);
    }
    classic_forget_syncs(group);
    ri_classic_set_state(group, RI_CLASSIC_PREPARING);
    if (first) classic_begin_delay(group);
    else if (classic_all_joined(group)) classic_complete(group);
    else ri_groups_arm(group->groups, &group->timer, classic_rebalance_ms(group));
}

void ri_classic_changed(ri_group *group)
{
    if (ri_classic_can_rebalance(group)) ri_classic_prepare(group);
    else ri_classic_complete_if_joined(group);
}

/* The disk does not take what the leader has said: all are to begin anew. */
void ri_classic_fail_sync(ri_group *group)
{
    RI_ASSERT(group->state == RI_CLASSIC_COMPLETING);
    ri_classic_unassign(group);
    ri_classic_answer_syncs(group, RI_GROUP_NOT_AVAILABLE);
    ri_classic_prepare(group);
}

/* ---- Time ---- */

static void classic_sync_due(ri_group *group)
{
    if (group->nsync_due == 0) return;
    ri_groups_spend(group->groups, ri_classic_size(group));
    ri_list_each (link, &group->members) {
        ri_classic_member *member = ri_container_of(link, ri_classic_member, link);
        if (member->sync_is_due) ri_classic_remove(member, RI_GROUP_UNKNOWN_MEMBER);
    }
    ri_classic_prepare(group);
}

void ri_classic_due(ri_groups_timer *timer)
{
    ri_group *group = ri_container_of(timer, ri_group, timer);
    RI_ASSERT(ri_group_is_sound(group));
    switch (group->state) {
    case RI_CLASSIC_PREPARING:
        if (group->previous == RI_CLASSIC_EMPTY) classic_delay_due(group);
        else classic_complete(group);
        break;
    case RI_CLASSIC_COMPLETING:
    case RI_CLASSIC_STABLE: classic_sync_due(group); break;
    case RI_CLASSIC_EMPTY:
    case RI_CLASSIC_DEAD: break;
    }
}

void ri_classic_session_due(ri_groups_timer *timer)
{
    ri_classic_member *member = ri_container_of(timer, ri_classic_member, session);
    ri_group *group = member->group;
    RI_ASSERT(ri_group_is_sound(group));
    if (!member->is_new && (member->joining || member->syncing)) return; /* it waits for us */
    ri_classic_remove(member, RI_GROUP_UNKNOWN_MEMBER);
    ri_classic_left(group);
}

void ri_classic_left(ri_group *group)
{
    if (group->state == RI_CLASSIC_STABLE || group->state == RI_CLASSIC_COMPLETING)
        ri_classic_prepare(group);
    else if (group->state == RI_CLASSIC_PREPARING && classic_all_joined(group))
        classic_complete(group);
}

void ri_classic_pending_due(ri_groups_timer *timer)
{
    ri_classic_pending *pending = ri_container_of(timer, ri_classic_pending, session);
    ri_group *group = pending->group;
    ri_classic_unexpect(pending);
    if (group->state == RI_CLASSIC_PREPARING && classic_all_joined(group)) classic_complete(group);
}
