/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the classic protocol by members of a modern group: JoinGroup is the heartbeat that
 * says all anew, and is answered at once, without a leader; SyncGroup gets what the coordinator has
 * assigned; Heartbeat says when there is something else to have. The generation of a member is its
 * epoch. */
#include "engine/groups/modern.h"

/* ---- JoinGroup ---- */

static size_t mixed_bytes(const ri_group_join *join)
{
    size_t bytes = 0;
    for (size_t i = 0; i < join->nprotocols; i++) bytes += join->protocols[i].metadata.len;
    return bytes;
}

static ri_group_error mixed_check_join(const ri_group *group, const ri_group_join *join)
{
    bool there = ri_modern_find_static(group, join->instance) ||
                 (join->member.len > 0 && ri_modern_find(group, join->member));
    if (!there && ri_modern_size(group) >= group->groups->conf.modern_max_size)
        return RI_GROUP_MAX_SIZE;
    if (group->groups->conf.migration == RI_GROUPS_DISABLED || !ri_modern_supports(group, join))
        return RI_GROUP_INCONSISTENT_PROTOCOL;
    bool too_long = group->member_bytes + mixed_bytes(join) > RI_LIMIT_GROUP_BYTES;
    return too_long ? RI_GROUP_MAX_SIZE : RI_GROUP_NONE;
}

/* NULL: it is new. */
static ri_group_error mixed_find(const ri_group *group, const ri_group_join *join, ri_str id,
                                 ri_modern_member **out)
{
    *out = join->instance.ptr ? ri_modern_find_static(group, join->instance)
                              : ri_modern_find(group, id);
    if (!join->instance.ptr || join->member.len == 0) return RI_GROUP_NONE;
    if (!*out) return RI_GROUP_UNKNOWN_MEMBER;
    return ri_str_eq((*out)->id, id) ? RI_GROUP_NONE : RI_GROUP_FENCED_INSTANCE;
}

/* Waits, as all that is said about the group, for what of it is on its way to the disk. */
static ri_group_error mixed_answer_join(ri_group *group, ri_group_join *join, ri_str id,
                                        int32_t generation)
{
    ri_str protocol = join->protocols[0].name;
    size_t size = id.len + protocol.len + 1;
    char *block = ri_alloc(group->groups->host, size);
    if (!block) return RI_GROUP_NOT_AVAILABLE;
    ri_str_put(ri_str_put(block, id), protocol);
    join->call.error = RI_GROUP_NONE;
    join->waits_for_disk = true;
    join->generation = generation;
    join->given_type = RI_STR("consumer");
    join->given_protocol = (ri_str){block + id.len, protocol.len};
    join->leader = RI_STR("");
    join->given_member = (ri_str){block, id.len};
    join->skip = false;
    join->members = NULL;
    int rc = ri_groups_write_answer_from(group, &join->call, block, size);
    return rc < 0 ? RI_GROUP_NOT_AVAILABLE : RI_GROUP_NONE;
}

static void mixed_time(ri_modern_member *member, const ri_group_join *join)
{
    ri_groups *groups = member->group->groups;
    ri_modern_renew(member);
    ri_groups_arm(groups, &member->sync, join->rebalance_ms);
    ri_groups_disarm(groups, &member->revoke);
}

/* The member, with the id, as the request has it; on its way to its target, unless the group is
 * about to become a classic one that rebalances anyway. */
static int mixed_take(ri_group *group, ri_modern_member **member, const ri_group_join *join,
                      const ri_group_pulse *pulse, ri_str id, bool downgrades)
{
    const ri_modern *modern = group->modern;
    int rc = RILL_OK;
    if (!*member) rc = ri_modern_add(group, pulse, id, member);
    else if (!ri_str_eq((*member)->id, id)) rc = ri_modern_return(*member, pulse, id);
    if (rc >= 0) rc = ri_modern_speak(*member, join);
    if (rc >= 0) rc = ri_modern_hear(*member, pulse);
    bool stale = modern->assignment_epoch < modern->epoch;
    if (rc >= 0 && !(downgrades && stale)) rc = ri_modern_move(*member, pulse, rc == 1);
    return rc;
}

static ri_group_error mixed_join_as(ri_group *group, ri_group_join *join, ri_str id,
                                    const ri_group_pulse *pulse, ri_modern_member *member)
{
    bool fresh = !member;
    bool downgrades = join->instance.ptr && member && ri_groups_may_downgrade(group, member);
    int rc = mixed_take(group, &member, join, pulse, id, downgrades);
    if (rc < 0) {
        if (fresh && member && !member->record_seq) ri_modern_remove(member);
        return RI_GROUP_NOT_AVAILABLE;
    }
    int32_t generation = member->epoch;
    mixed_time(member, join);
    bool stale = group->modern->assignment_epoch < group->modern->epoch;
    if (downgrades) ri_groups_downgrade(group, stale);
    if (group->modern && ri_modern_persist(group, member) < 0) return RI_GROUP_NOT_AVAILABLE;
    return mixed_answer_join(group, join, id, generation);
}

static ri_group_error mixed_join_with(ri_group *group, ri_group_join *join, ri_str id)
{
    ri_groups *groups = group->groups;
    ri_modern_member *member;
    ri_modern_says says;
    ri_group_error error = mixed_find(group, join, id, &member);
    if (error) return error;
    int rc = ri_modern_listen(groups, join->protocols[0].metadata, &says);
    if (rc == RILL_EPROTO) return RI_GROUP_INCONSISTENT_PROTOCOL;
    if (rc < 0) return rc == RILL_ETOOBIG ? RI_GROUP_INVALID_REQUEST : RI_GROUP_NOT_AVAILABLE;
    says.pulse.instance = join->instance;
    says.pulse.client_id = join->client_id;
    says.pulse.client_host = join->client_host;
    says.pulse.rebalance_ms = join->rebalance_ms;
    error = mixed_join_as(group, join, id, &says.pulse, member);
    ri_modern_says_fini(groups, &says);
    return error;
}

void ri_groups_mixed_join(ri_group *group, ri_group_join *join)
{
    ri_groups *groups = group->groups;
    RI_ASSERT(group->modern && ri_modern_size(group) > 0);
    size_t len = 0;
    char *made = NULL;
    ri_str id = join->member, given = RI_STR("");
    ri_group_error error = mixed_check_join(group, join);
    if (!error && id.len == 0) {
        made = ri_classic_make_id(groups, RI_STR(""), &len);
        id = made ? (ri_str){made + 1, len - 1} : RI_STR_NONE; /* no dash */
        if (!made) error = RI_GROUP_NOT_AVAILABLE;
    }
    if (!error && made && join->asks_for_id && !join->instance.ptr) {
        error = RI_GROUP_MEMBER_ID_REQUIRED;
        given = id;
    }
    if (!error) error = mixed_join_with(group, join, id);
    if (error) {
        ri_classic_refuse_join(join, error, given);
        join->call.done(&join->call);
    }
    if (made) ri_free(groups->host, made, len + 1);
}

/* ---- SyncGroup ---- */

static ri_group_error mixed_find_member(const ri_group *group, ri_str id, ri_str instance,
                                        ri_modern_member **out)
{
    *out = instance.ptr ? ri_modern_find_static(group, instance) : ri_modern_find(group, id);
    if (!*out) return RI_GROUP_UNKNOWN_MEMBER;
    if (instance.ptr && !ri_str_eq((*out)->id, id)) return RI_GROUP_FENCED_INSTANCE;
    return (*out)->classic ? RI_GROUP_NONE : RI_GROUP_UNKNOWN_MEMBER;
}

/* It has so long to come back. */
static ri_group_error mixed_call_back(ri_modern_member *member)
{
    if (!ri_timer_armed(&member->revoke.timer))
        ri_groups_arm(member->group->groups, &member->revoke, member->rebalance_ms);
    return RI_GROUP_REBALANCING;
}

static ri_group_error mixed_check_sync(const ri_group *group, const ri_group_sync *sync,
                                       ri_modern_member **out)
{
    ri_group_error error = mixed_find_member(group, sync->member, sync->instance, out);
    if (error) return error;
    ri_modern_member *member = *out;
    if (sync->generation != member->epoch) return RI_GROUP_ILLEGAL_GENERATION;
    if ((sync->protocol_type.ptr && !ri_str_is(sync->protocol_type, "consumer")) ||
        (sync->protocol.ptr && !ri_str_eq(sync->protocol, ri_modern_protocol(member))))
        return RI_GROUP_INCONSISTENT_PROTOCOL;
    bool behind = group->modern->assignment_epoch > member->epoch &&
                  member->state != RI_MODERN_UNREVOKED;
    return behind ? mixed_call_back(member) : RI_GROUP_NONE;
}

static ri_str mixed_copy(char **at, ri_str text)
{
    ri_str copy = {text.ptr ? *at : NULL, text.len};
    *at = ri_str_put(*at, text);
    return copy;
}

static ri_group_error mixed_answer_sync(const ri_modern_member *member, ri_group_sync *sync)
{
    ri_group *group = member->group;
    ri_groups *groups = group->groups;
    ri_buffer *out = &groups->record;
    ri_buffer_reset(out);
    ri_modern_put_assignment(groups, &member->assigned, ri_modern_metadata(member), out);
    if (out->failed) return RI_GROUP_NOT_AVAILABLE;
    ri_str assignment = ri_buffer_str(out);
    size_t size = assignment.len + sync->protocol_type.len + sync->protocol.len + 1;
    char *block = ri_alloc(groups->host, size), *at = block;
    if (!block) return RI_GROUP_NOT_AVAILABLE;
    sync->call.error = RI_GROUP_NONE;
    sync->assignment = mixed_copy(&at, assignment);
    sync->given_type = mixed_copy(&at, sync->protocol_type);
    sync->given_protocol = mixed_copy(&at, sync->protocol);
    int rc = ri_groups_write_answer_from(group, &sync->call, block, size);
    return rc < 0 ? RI_GROUP_NOT_AVAILABLE : RI_GROUP_NONE;
}

void ri_groups_mixed_sync(ri_group *group, ri_group_sync *sync)
{
    ri_modern_member *member;
    ri_group_error error = mixed_check_sync(group, sync, &member);
    if (!error) {
        ri_groups_spend(group->groups, 4 * (uint64_t)member->assigned.n);
        ri_groups_disarm(group->groups, &member->sync);
        ri_modern_renew(member);
        error = mixed_answer_sync(member, sync);
    }
    if (!error) return;
    ri_classic_refuse_sync(sync, error);
    sync->call.done(&sync->call);
}

/* ---- Heartbeat ---- */

ri_group_error ri_groups_mixed_heartbeat(ri_group *group, const ri_group_beat *beat)
{
    ri_modern_member *member;
    ri_group_error error = mixed_find_member(group, beat->member, beat->instance, &member);
    if (error) return error;
    if (beat->generation != member->epoch) return RI_GROUP_ILLEGAL_GENERATION;
    ri_modern_renew(member);
    ri_modern_refresh(group); /* what does not go well now does with the next heartbeat */
    bool behind = member->epoch < group->modern->assignment_epoch;
    if (behind || member->state == RI_MODERN_UNREVOKED || ri_modern_may_have_more(member))
        return mixed_call_back(member);
    return RI_GROUP_NONE;
}
