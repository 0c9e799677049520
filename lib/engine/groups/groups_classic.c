/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of classic members: JoinGroup, SyncGroup, Heartbeat, LeaveGroup. What is wrong is
 * answered in Kafka's order, since clients act on which of several faults they hear of. */
#include "engine/groups/modern.h"

/* ---- JoinGroup ---- */

static void classic_refuse(ri_group_join *join, ri_group_error error, ri_str member)
{
    ri_classic_refuse_join(join, error, member);
    join->call.done(&join->call);
}

/* Is there room for one more of a group's members, as group.max.size says? */
static bool classic_accepts(const ri_group *group, ri_str id)
{
    const ri_classic_member *member = ri_classic_find(group, id);
    size_t most = group->groups->conf.max_size;
    switch (group->state) {
    case RI_CLASSIC_EMPTY:
    case RI_CLASSIC_DEAD: return true;
    case RI_CLASSIC_PREPARING: return (member && member->joining) || group->njoining < most;
    case RI_CLASSIC_COMPLETING:
    case RI_CLASSIC_STABLE: return member || ri_classic_size(group) < most;
    }
    return false;
}

/* There is no room for the one with this id, which may be a member of a group that was larger. */
static void classic_turn_away(ri_group *group, ri_str id)
{
    ri_classic_pending *pending = ri_classic_find_pending(group, id);
    ri_classic_member *member = ri_classic_find(group, id);
    if (pending) ri_classic_unexpect(pending);
    if (member) ri_classic_remove(member, RI_GROUP_MAX_SIZE);
}

/* Bytes that a member takes of its group's. */
static size_t classic_join_bytes(const ri_group_join *join)
{
    size_t bytes = join->client_id.len + join->client_host.len + join->member.len +
                   join->instance.len;
    for (size_t i = 0; i < join->nprotocols; i++)
        bytes += join->protocols[i].name.len + join->protocols[i].metadata.len;
    return bytes;
}

static void classic_join_as(ri_group *group, ri_group_join *join, ri_str id)
{
    ri_classic_member *member;
    if (ri_classic_add(group, join, id, &member) < 0) {
        classic_refuse(join, RI_GROUP_NOT_AVAILABLE, join->member);
        return;
    }
    if (group->state == RI_CLASSIC_PREPARING && group->previous == RI_CLASSIC_EMPTY)
        group->newcomer = true;
    ri_classic_wait_join(member, join);
    ri_classic_begin_session(member);
    ri_classic_changed(group);
}

static void classic_rejoin(ri_group *group, ri_classic_member *member, ri_group_join *join)
{
    if (ri_classic_update(member, join) < 0) {
        classic_refuse(join, RI_GROUP_NOT_AVAILABLE, member->id);
        return;
    }
    ri_classic_wait_join(member, join);
    ri_classic_changed(group);
}

/* The id under which it shall ask again. */
static void classic_give_id(ri_group *group, ri_group_join *join, ri_str id)
{
    if (group->pending_by_id.len >= RI_LIMIT_GROUP_MEMBERS)
        classic_refuse(join, RI_GROUP_MAX_SIZE, RI_STR(""));
    else if (ri_classic_expect(group, id, join->session_ms) < 0)
        classic_refuse(join, RI_GROUP_NOT_AVAILABLE, RI_STR(""));
    else
        classic_refuse(join, RI_GROUP_MEMBER_ID_REQUIRED, id);
}

/* The disk knows the new id of a static member, or it does not. */
static void classic_replaced(ri_groups_write *write, int rc)
{
    ri_classic_member *member = write->member;
    if (!member) return;
    member->replacing = NULL;
    if (rc == RILL_ECLOSED || member->group->state != RI_CLASSIC_STABLE)
        return; /* it waits as the others do */
    if (rc < 0) {
        ri_classic_answer_join(member, RI_GROUP_NOT_AVAILABLE);
        return;
    }
    ri_classic_answer_replaced(member, (ri_str){write->text, write->text_len});
}

/* A static member that is there already, in a stable group whose protocol stays the same: nobody
 * else notices. The answer waits until the disk knows the new id. */
static void classic_replace_quietly(ri_classic_member *member, ri_str leader)
{
    ri_group *group = member->group;
    int rc = ri_groups_write_group(group);
    if (rc >= 0) rc = ri_groups_write_begin(group, classic_replaced, NULL, leader);
    if (rc < 0) {
        ri_classic_answer_join(member, RI_GROUP_NOT_AVAILABLE);
        return;
    }
    ri_groups_write *write = ri_container_of(group->groups->writes.prev, ri_groups_write, link);
    if (member->replacing) member->replacing->member = NULL;
    member->replacing = write;
    write->member = member;
}

/* Who waits as the one that was there is fenced, and the member has the new id. */
static int classic_take_over(ri_classic_member *member, const ri_group_join *join, ri_str id)
{
    int rc = ri_classic_update(member, join);
    if (rc < 0) return rc;
    ri_classic_answer_join(member, RI_GROUP_FENCED_INSTANCE);
    ri_classic_answer_sync(member, RI_GROUP_FENCED_INSTANCE);
    if ((rc = ri_classic_rename(member, id)) < 0) return rc;
    member->is_new = false;
    ri_classic_renew(member);
    return RILL_OK;
}

static void classic_replace(ri_classic_member *member, ri_group_join *join, ri_str id)
{
    ri_group *group = member->group;
    const ri_host *host = group->groups->host;
    ri_str was = group->leader->id; /* a client of old is to take it for another */
    char *leader = ri_strdup(host, was.ptr, was.len);
    if (!leader || classic_take_over(member, join, id) < 0) {
        classic_refuse(join, RI_GROUP_NOT_AVAILABLE, RI_STR(""));
    } else {
        ri_classic_wait_join(member, join);
        if (group->state == RI_CLASSIC_STABLE && ri_classic_elect(group) == group->protocol)
            classic_replace_quietly(member, (ri_str){leader, was.len});
        else
            ri_classic_changed(group);
    }
    if (leader) ri_free(host, leader, was.len + 1);
}

/* It brings no id. */
static void classic_join_new(ri_group *group, ri_group_join *join)
{
    ri_groups *groups = group->groups;
    bool is_static = join->instance.ptr != NULL;
    size_t len;
    char *made = ri_classic_make_id(groups, is_static ? join->instance : join->client_id, &len);
    ri_str id = {made, len};
    if (!made) {
        classic_refuse(join, RI_GROUP_NOT_AVAILABLE, RI_STR(""));
        return;
    }
    ri_classic_member *there = is_static ? ri_classic_find_static(group, join->instance) : NULL;
    if (there) classic_replace(there, join, id);
    else if (!is_static && join->asks_for_id) classic_give_id(group, join, id);
    else classic_join_as(group, join, id);
    ri_free(groups->host, made, len + 1);
}

static void classic_answer_as_it_is(const ri_classic_member *member, ri_group_join *join)
{
    ri_classic_fill_join(member, join);
    join->call.done(&join->call);
}

/* It brings the id of a member. */
static void classic_join_member(ri_group *group, ri_group_join *join)
{
    ri_classic_member *member = ri_classic_find(group, join->member);
    RI_ASSERT(member);
    bool same = ri_classic_matches(member, join);
    switch (group->state) {
    case RI_CLASSIC_PREPARING:
        classic_rejoin(group, member, join);
        break;
    case RI_CLASSIC_COMPLETING:
        if (same) classic_answer_as_it_is(member, join);
        else classic_rejoin(group, member, join);
        break;
    case RI_CLASSIC_STABLE:
        if (same && member != group->leader) classic_answer_as_it_is(member, join);
        else classic_rejoin(group, member, join);
        break;
    case RI_CLASSIC_EMPTY:
    case RI_CLASSIC_DEAD: break; /* without members */
    }
}

/* It brings an id: one that it was given, or that of a member. */
static void classic_join_known(ri_group *group, ri_group_join *join)
{
    if (!join->instance.ptr && ri_classic_find_pending(group, join->member)) {
        classic_join_as(group, join, join->member);
        return;
    }
    ri_group_error error = ri_classic_check(group, join->member, join->instance);
    if (error) classic_refuse(join, error, join->member);
    else classic_join_member(group, join);
}

static void classic_join(ri_group *group, ri_group_join *join)
{
    if (!classic_accepts(group, join->member)) {
        classic_turn_away(group, join->member);
        classic_refuse(join, RI_GROUP_MAX_SIZE, RI_STR(""));
    } else if (!ri_classic_supports(group, join)) {
        classic_refuse(join, RI_GROUP_INCONSISTENT_PROTOCOL, join->member);
    } else if (group->member_bytes + classic_join_bytes(join) > RI_LIMIT_GROUP_BYTES) {
        classic_refuse(join, RI_GROUP_MAX_SIZE, join->member);
    } else if (join->member.len == 0) {
        classic_join_new(group, join);
    } else {
        classic_join_known(group, join);
    }
}

/* A modern group without members becomes a classic one, and keeps its offsets. */
static void classic_convert(ri_group *group)
{
    ri_groups_write_gone(group);
    ri_modern_close(group, true);
    group->generation = 0;
    group->state_since_ns = group->groups->wall_ns;
}

static ri_group_error classic_check_join(const ri_groups *groups, const ri_group_join *join)
{
    if (join->group.len == 0) return RI_GROUP_INVALID_ID;
    if (join->session_ms < groups->conf.min_session_ms ||
        join->session_ms > groups->conf.max_session_ms)
        return RI_GROUP_INVALID_SESSION_TIMEOUT;
    if (join->nprotocols > RI_LIMIT_GROUP_PROTOCOLS ||
        classic_join_bytes(join) > RI_LIMIT_GROUP_METADATA)
        return RI_GROUP_INVALID_REQUEST;
    return RI_GROUP_NONE;
}

void ri_groups_join(ri_groups *groups, ri_group_join *join)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(join->call.done && !join->call.slot && join->member.ptr);
    ri_groups_spend(groups, classic_join_bytes(join) / RI_BUDGET_BYTES);
    join->waits_for_disk = false;
    ri_group_error error = classic_check_join(groups, join);
    ri_group *group = error ? NULL : ri_groups_find(groups, join->group);
    if (!error && !group) {
        if (join->member.len > 0) error = RI_GROUP_UNKNOWN_MEMBER;
        else if (ri_groups_make(groups, join->group, &group) < 0) error = RI_GROUP_NOT_AVAILABLE;
    }
    if (error) {
        classic_refuse(join, error, join->member);
        return;
    }
    if (group->modern && ri_groups_is_empty(group)) classic_convert(group);
    if (group->modern) ri_groups_mixed_join(group, join);
    else classic_join(group, join);
    RI_ASSERT(ri_group_is_sound(group));
}

void ri_groups_join_gone(ri_groups *groups, ri_group_join *join)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    if (!join->call.slot) return;
    if (join->waits_for_disk) {
        ri_groups_forget(&join->call); /* a member of a modern group, which has its session */
        return;
    }
    ri_classic_member *member = ri_container_of(join->call.slot, ri_classic_member, join);
    ri_group *group = member->group;
    RI_ASSERT(group->groups == groups && member->joining);
    ri_groups_forget(&join->call);
    if (!member->is_new) return; /* others know it: it goes when its session is over */
    ri_classic_remove(member, RI_GROUP_UNKNOWN_MEMBER);
    if (ri_groups_is_blank(group) && ri_list_empty(&group->pending)) ri_groups_drop(group);
    else ri_classic_complete_if_joined(group);
}

/* ---- SyncGroup ---- */

static void classic_refuse_sync(ri_group_sync *sync, ri_group_error error)
{
    ri_classic_refuse_sync(sync, error);
    sync->call.done(&sync->call);
}

/* Does the request name another protocol, or type, than the group's? */
static bool classic_differs(ri_str asked, ri_str has)
{
    return asked.ptr && has.ptr && !ri_str_eq(asked, has);
}

static ri_group_error classic_check_sync(const ri_group *group, const ri_group_sync *sync)
{
    ri_group_error error = ri_classic_check(group, sync->member, sync->instance);
    if (error) return error;
    if (sync->generation != group->generation) return RI_GROUP_ILLEGAL_GENERATION;
    if (classic_differs(sync->protocol_type, group->protocol_type) ||
        classic_differs(sync->protocol, ri_classic_protocol_name(group)))
        return RI_GROUP_INCONSISTENT_PROTOCOL;
    return group->state == RI_CLASSIC_PREPARING ? RI_GROUP_REBALANCING : RI_GROUP_NONE;
}

/* What the leader has said is on disk, or it is not. */
static void classic_synced(ri_groups_write *write, int rc)
{
    ri_group *group = write->group;
    if (rc == RILL_ECLOSED || group->state != RI_CLASSIC_COMPLETING ||
        group->generation != write->generation)
        return;
    if (rc < 0) {
        ri_classic_fail_sync(group);
        return;
    }
    ri_classic_answer_syncs(group, RI_GROUP_NONE);
    ri_classic_set_state(group, RI_CLASSIC_STABLE);
}

/* Members that the leader does not name have nothing to read, whatever they had before. */
static int classic_take_assignments(ri_group *group, const ri_group_sync *sync)
{
    ri_classic_unassign(group);
    for (size_t i = 0; i < sync->nassignments; i++) {
        const ri_group_assignment *given = &sync->assignments[i];
        ri_classic_member *member = ri_classic_find(group, given->member);
        int rc = member ? ri_classic_assign(member, given->bytes) : RILL_OK;
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

static void classic_take_leaders(ri_group *group, const ri_group_sync *sync)
{
    int rc = classic_take_assignments(group, sync);
    if (rc >= 0) rc = ri_groups_write_group(group);
    if (rc >= 0) rc = ri_groups_write_begin(group, classic_synced, NULL, RI_STR_NONE);
    if (rc < 0) ri_classic_fail_sync(group);
}

static void classic_sync(ri_group *group, ri_group_sync *sync)
{
    ri_group_error error = classic_check_sync(group, sync);
    if (error) {
        classic_refuse_sync(sync, error);
        return;
    }
    ri_classic_member *member = ri_classic_find(group, sync->member);
    ri_classic_synced(member);
    if (group->nsync_due == 0) ri_groups_disarm(group->groups, &group->timer);
    if (group->state == RI_CLASSIC_STABLE) {
        ri_classic_fill_sync(member, sync);
        sync->call.done(&sync->call);
        return;
    }
    RI_ASSERT(group->state == RI_CLASSIC_COMPLETING);
    ri_classic_wait_sync(member, sync);
    if (member == group->leader) classic_take_leaders(group, sync);
}

static ri_group_error classic_check_assignments(ri_groups *groups, const ri_group_sync *sync)
{
    uint64_t bytes = 0;
    if (sync->nassignments > RI_LIMIT_GROUP_MEMBERS) return RI_GROUP_INVALID_REQUEST;
    for (size_t i = 0; i < sync->nassignments; i++) bytes += sync->assignments[i].bytes.len;
    ri_groups_spend(groups, bytes / RI_BUDGET_BYTES + sync->nassignments);
    return bytes > RI_LIMIT_GROUP_BYTES ? RI_GROUP_INVALID_REQUEST : RI_GROUP_NONE;
}

void ri_groups_sync(ri_groups *groups, ri_group_sync *sync)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(sync->call.done && !sync->call.slot && sync->member.ptr);
    ri_group *group = NULL;
    ri_group_error error = sync->group.len == 0 ? RI_GROUP_INVALID_ID
                                                : classic_check_assignments(groups, sync);
    if (!error && !(group = ri_groups_find(groups, sync->group))) error = RI_GROUP_UNKNOWN_MEMBER;
    if (error) classic_refuse_sync(sync, error);
    else if (group->modern) ri_groups_mixed_sync(group, sync);
    else classic_sync(group, sync);
    RI_ASSERT(!group || ri_group_is_sound(group));
}

/* ---- Heartbeat ---- */

ri_group_error ri_groups_heartbeat(ri_groups *groups, const ri_group_beat *beat)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(beat->member.ptr);
    ri_groups_spend(groups, 1);
    if (beat->group.len == 0) return RI_GROUP_INVALID_ID;
    ri_group *group = ri_groups_find(groups, beat->group);
    if (!group) return RI_GROUP_UNKNOWN_MEMBER;
    if (group->modern) return ri_groups_mixed_heartbeat(group, beat);
    ri_group_error error = ri_classic_check(group, beat->member, beat->instance);
    if (error) return error;
    if (beat->generation != group->generation) return RI_GROUP_ILLEGAL_GENERATION;
    ri_classic_renew(ri_classic_find(group, beat->member));
    return group->state == RI_CLASSIC_PREPARING ? RI_GROUP_REBALANCING : RI_GROUP_NONE;
}

/* ---- LeaveGroup ---- */

static ri_group_error classic_leave_one(ri_group *group, const ri_group_leaver *leaver)
{
    ri_classic_member *member;
    ri_classic_pending *pending;
    if (leaver->member.len == 0) {
        member = leaver->instance.ptr ? ri_classic_find_static(group, leaver->instance) : NULL;
        if (!member) return RI_GROUP_UNKNOWN_MEMBER;
    } else if ((pending = ri_classic_find_pending(group, leaver->member)) != NULL) {
        ri_classic_unexpect(pending);
        return RI_GROUP_NONE;
    } else {
        ri_group_error error = ri_classic_check(group, leaver->member, leaver->instance);
        if (error) return error;
        member = ri_classic_find(group, leaver->member);
    }
    ri_classic_remove(member, RI_GROUP_UNKNOWN_MEMBER);
    return RI_GROUP_NONE;
}

/* Has any of them gone? */
static bool classic_leave(ri_group *group, ri_group_leave *leave)
{
    bool any = false, left = true;
    while (left && leave->nleft < leave->nleavers) {
        ri_group_leaver *leaver = &leave->leavers[leave->nleft++];
        leaver->error = classic_leave_one(group, leaver);
        any = any || leaver->error == RI_GROUP_NONE;
        left = ri_budget_spend(&group->groups->router->budget, RI_GROUP_LEAVE_UNITS);
    }
    return any;
}

static bool classic_leave_any(ri_group *group, ri_group_leave *leave)
{
    if (group->modern) return ri_groups_modern_leave(group, leave);
    return classic_leave(group, leave);
}

static ri_group_error classic_check_leave(const ri_group_leave *leave)
{
    if (leave->group.len == 0) return RI_GROUP_INVALID_ID;
    return leave->nleavers > RI_LIMIT_GROUP_MEMBERS ? RI_GROUP_INVALID_REQUEST : RI_GROUP_NONE;
}

/* There is no such group, or none any more. */
static void classic_leave_nothing(ri_group_leave *leave)
{
    for (size_t i = leave->nleft; !leave->call.error && i < leave->nleavers; i++)
        leave->leavers[i].error = RI_GROUP_UNKNOWN_MEMBER;
    leave->call.done(&leave->call);
}

bool ri_groups_leave(ri_groups *groups, ri_group_leave *leave)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(leave->call.done && !leave->call.slot && leave->nleft <= leave->nleavers);
    ri_group *group = NULL;
    if (leave->nleft == 0) leave->call.error = classic_check_leave(leave);
    if (!leave->call.error) group = ri_groups_find(groups, leave->group);
    if (!group) {
        classic_leave_nothing(leave);
        return false;
    }
    if (classic_leave_any(group, leave) && group->state != RI_CLASSIC_EMPTY)
        ri_classic_changed(group);
    RI_ASSERT(ri_group_is_sound(group));
    if (leave->nleft < leave->nleavers) return true;
    ri_groups_write_answer(group, &leave->call);
    return false;
}
