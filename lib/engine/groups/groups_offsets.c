/* SPDX-License-Identifier: Apache-2.0 */
/* The requests about offsets: OffsetCommit, OffsetFetch, OffsetDelete. Each is begun, then given
 * its partitions one by one, as the budget of its owner's turns allows, and ended; it holds its
 * group meanwhile. What a commit has said of one partition counts as soon as it was said; the
 * answer to all leaves when the last of it is on disk. */
#include "engine/groups/modern.h"

static ri_group *offsets_hold_group(ri_group *group)
{
    if (group) group->holds++;
    return group;
}

/* Answered when all that the group has written is on disk, if it shall wait for that. */
static void offsets_end(ri_group **held, ri_group_call *call, bool waits)
{
    ri_group *group = *held;
    call->error = RI_GROUP_NONE;
    *held = NULL;
    if (waits && ri_groups_write_begin(group, NULL, call, RI_STR_NONE) < 0) {
        call->error = RI_GROUP_NOT_AVAILABLE; /* nobody can say when it is */
        waits = false;
    }
    if (group) ri_groups_release(group);
    if (!waits) call->done(call);
}

/* ---- OffsetCommit ---- */

static ri_group_error offsets_check_member(const ri_group *group, const ri_group_commit *commit)
{
    if (commit->generation < 0 && group->state == RI_CLASSIC_EMPTY) return RI_GROUP_NONE;
    if (commit->generation < 0 && commit->member.len == 0 && !commit->instance.ptr)
        return RI_GROUP_UNKNOWN_MEMBER; /* only members may, as long as there are some */
    ri_group_error error = ri_classic_check(group, commit->member, commit->instance);
    if (error) return error;
    if (commit->generation != group->generation) return RI_GROUP_ILLEGAL_GENERATION;
    return group->state == RI_CLASSIC_COMPLETING ? RI_GROUP_REBALANCING : RI_GROUP_NONE;
}

static ri_group_error offsets_begin(ri_groups *groups, ri_group_commit *commit,
                                    ri_group **out)
{
    ri_group *group = *out = ri_groups_find(groups, commit->group);
    if (!group && commit->generation >= 0)
        return commit->knows_epochs ? RI_GROUP_NOT_FOUND : RI_GROUP_ILLEGAL_GENERATION;
    if (!group && ri_groups_make(groups, commit->group, out) < 0) return RI_GROUP_NOT_AVAILABLE;
    if ((*out)->modern) return ri_groups_modern_commit(*out, commit);
    ri_group_error error = offsets_check_member(*out, commit);
    ri_classic_member *member = error ? NULL : ri_classic_find(*out, commit->member);
    if (member) ri_classic_renew(member);
    return error;
}

ri_group_error ri_groups_commit_begin(ri_groups *groups, ri_group_commit *commit)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(commit->call.done && !commit->call.slot && commit->member.ptr);
    ri_group *group;
    ri_groups_spend(groups, 1);
    commit->checks = commit->any = false;
    if (!commit->group.ptr) return RI_GROUP_INVALID_ID;
    ri_group_error error = offsets_begin(groups, commit, &group);
    if (!error) commit->held = offsets_hold_group(group);
    return error;
}

static int64_t offsets_expire_ns(const ri_groups *groups, int64_t retention_ms)
{
    if (retention_ms == -1) return INT64_MAX;
    return ri_ns_add(groups->wall_ns, ri_ns_of_ms(retention_ms));
}

ri_group_error ri_groups_commit_check(ri_group_commit *commit, const ri_group_offset *offset)
{
    RI_ASSERT(commit->held && commit->checks);
    ri_groups_spend(commit->held->groups, 1);
    if (!commit->held->modern) return RI_GROUP_NOT_AVAILABLE; /* it is another kind meanwhile */
    return ri_groups_modern_check(commit->held, commit, offset);
}

ri_group_error ri_groups_commit_put(ri_group_commit *commit, const ri_group_offset *given)
{
    ri_group *group = commit->held;
    RI_ASSERT(group && group->magic == RI_GROUP_MAGIC && given->topic.ptr);
    ri_groups *groups = group->groups;
    ri_offset *offset, as = {.offset = given->offset, .leader_epoch = given->leader_epoch,
                             .commit_ns = groups->wall_ns,
                             .expire_ns = offsets_expire_ns(groups, commit->retention_ms)};
    memcpy(as.topic_id, given->topic_id, sizeof as.topic_id);
    ri_groups_spend(groups, 4);
    if (given->metadata.len > groups->conf.offset_metadata_bytes)
        return RI_GROUP_METADATA_TOO_LARGE;
    if (group->state == RI_CLASSIC_DEAD) return RI_GROUP_NOT_AVAILABLE; /* deleted meanwhile */
    if (ri_offsets_make(group, given->topic, given->partition, &offset) < 0)
        return RI_GROUP_NOT_AVAILABLE;
    if (ri_offsets_set(offset, &as, given->metadata, true) < 0) {
        if (!offset->known) ri_offsets_free(offset);
        return RI_GROUP_NOT_AVAILABLE;
    }
    commit->any = true;
    return RI_GROUP_NONE;
}

void ri_groups_commit_end(ri_group_commit *commit)
{
    RI_ASSERT(commit->held && commit->held->magic == RI_GROUP_MAGIC);
    offsets_end(&commit->held, &commit->call, commit->any);
}

/* ---- OffsetFetch ---- */

ri_group_error ri_groups_fetch_begin(ri_groups *groups, ri_group_fetch *fetch)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(fetch->call.done && !fetch->call.slot);
    ri_groups_spend(groups, 1);
    if (!fetch->group.ptr) return RI_GROUP_INVALID_ID;
    ri_group *group = ri_groups_find(groups, fetch->group);
    ri_group_error error = group && group->modern ? ri_groups_modern_fetch(group, fetch)
                                                  : RI_GROUP_NONE;
    fetch->walks = fetch->tired = false;
    fetch->held = error ? NULL : offsets_hold_group(group);
    return error;
}

void ri_offsets_fill(const ri_offset *offset, ri_group_offset *out)
{
    out->topic = (ri_str){offset->topic->name, offset->topic->name_len};
    memcpy(out->topic_id, offset->topic_id, sizeof out->topic_id);
    out->partition = offset->partition;
    out->offset = offset->offset;
    out->leader_epoch = offset->leader_epoch;
    out->metadata = offset->metadata;
}

void ri_groups_fetch_get(ri_group_fetch *fetch, ri_group_offset *wanted)
{
    RI_ASSERT(wanted->topic.ptr);
    wanted->offset = wanted->leader_epoch = -1;
    wanted->metadata = RI_STR("");
    if (!fetch->held) return;
    ri_groups_spend(fetch->held->groups, 1);
    ri_offset *offset = ri_offsets_find(ri_offsets_topic(fetch->held, wanted->topic),
                                        wanted->partition);
    if (offset && offset->known && ri_offsets_is_of(offset, wanted->topic_id))
        ri_offsets_fill(offset, wanted);
}

int ri_groups_fetch_next(ri_group_fetch *fetch, ri_group_offset *out)
{
    ri_group *group = fetch->held;
    if (!group) return 0;
    if (!fetch->walks) ri_offsets_walk_begin(group, &fetch->walk);
    fetch->walks = true;
    if (fetch->tired) {
        fetch->tired = false;
        return RI_CURSOR_CUT;
    }
    const ri_offset *offset = ri_offsets_walk_next(group, &fetch->walk);
    if (!offset) return 0;
    fetch->tired = !ri_budget_spend(&group->groups->router->budget, 1);
    ri_offsets_fill(offset, out);
    return 1;
}

void ri_groups_fetch_end(ri_group_fetch *fetch)
{
    if (fetch->walks) ri_offsets_walk_end(&fetch->walk);
    fetch->walks = false;
    offsets_end(&fetch->held, &fetch->call, fetch->held && fetch->held->writes > 0);
}

/* ---- OffsetDelete ---- */

static ri_group_error offsets_check_erase(const ri_group *group)
{
    if (!group) return RI_GROUP_NOT_FOUND;
    if (group->modern) return RI_GROUP_NONE;
    bool consumer = group->protocol_type.ptr && ri_str_is(group->protocol_type, "consumer");
    return group->state == RI_CLASSIC_EMPTY || consumer ? RI_GROUP_NONE : RI_GROUP_NON_EMPTY;
}

ri_group_error ri_groups_erase_begin(ri_groups *groups, ri_group_erase *erase)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(erase->call.done && !erase->call.slot);
    ri_groups_spend(groups, 1);
    if (erase->group.len == 0) return RI_GROUP_INVALID_ID;
    ri_group *group = ri_groups_find(groups, erase->group);
    ri_group_error error = offsets_check_erase(group);
    if (!error) erase->held = offsets_hold_group(group);
    return error;
}

ri_group_error ri_groups_erase_topic(ri_group_erase *erase, ri_str topic)
{
    RI_ASSERT(erase->held && topic.ptr);
    return ri_offsets_is_subscribed(erase->held, topic) ? RI_GROUP_SUBSCRIBED : RI_GROUP_NONE;
}

ri_group_error ri_groups_erase_put(ri_group_erase *erase, ri_str topic, int32_t partition)
{
    RI_ASSERT(erase->held && topic.ptr);
    ri_groups_spend(erase->held->groups, 1);
    ri_offset *offset = ri_offsets_find(ri_offsets_topic(erase->held, topic), partition);
    if (!offset) return RI_GROUP_NONE;
    if (ri_offsets_drop(offset) < 0) return RI_GROUP_NOT_AVAILABLE;
    erase->any = true;
    return RI_GROUP_NONE;
}

void ri_groups_erase_end(ri_group_erase *erase)
{
    RI_ASSERT(erase->held && erase->held->magic == RI_GROUP_MAGIC);
    /* What is gone already may be so in a record that is on its way. */
    offsets_end(&erase->held, &erase->call, erase->any || erase->held->writes > 0);
}
