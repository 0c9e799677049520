/* SPDX-License-Identifier: Apache-2.0 */
/* What there is of groups: listed, described, deleted. */
#include "engine/groups/modern.h"

/* ---- Members ---- */

bool ri_groups_next_member(const ri_group *group, ri_group_place *place,
                           ri_group_member_info *out)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    const ri_list *at = place->begun ? place->next : group->members.next;
    place->begun = true;
    place->next = at;
    if (at == &group->members) return false;
    place->next = at->next;
    const ri_classic_member *member = ri_container_of(at, ri_classic_member, link);
    *out = (ri_group_member_info){
        .member = member->id, .instance = member->instance, .client_id = member->client_id,
        .client_host = member->client_host, .metadata = ri_classic_metadata(member),
        .assignment = member->assignment,
    };
    return true;
}

/* ---- Groups ---- */

static void list_fill(const ri_group *group, ri_group_info *out)
{
    if (group->modern) {
        *out = (ri_group_info){
            .name = ri_groups_name_of(group), .type = RI_STR("consumer"),
            .state = ri_str_of(ri_modern_state_name(group)), .protocol_type = RI_STR("consumer"),
            .protocol = RI_STR(""), .nmembers = ri_modern_size(group)};
        return;
    }
    bool stable = group->state == RI_CLASSIC_STABLE;
    *out = (ri_group_info){
        .name = ri_groups_name_of(group), .type = RI_STR("classic"),
        .state = ri_str_of(ri_classic_state_name(group->state)),
        .protocol_type = group->protocol_type.ptr ? group->protocol_type : RI_STR(""),
        .protocol = stable ? ri_classic_protocol_name(group) : RI_STR(""),
        .nmembers = ri_classic_size(group), .group = group,
    };
}

ri_group_error ri_groups_describe(ri_groups *groups, ri_str name, ri_group_info *out)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    ri_group *group = ri_groups_find(groups, name);
    if (group && !group->modern) {
        ri_groups_spend(groups, ri_classic_size(group));
        list_fill(group, out);
        return RI_GROUP_NONE;
    }
    *out = (ri_group_info){.name = name, .state = RI_STR("Dead"), .type = RI_STR("classic"),
                           .protocol_type = RI_STR(""), .protocol = RI_STR("")};
    return RI_GROUP_NOT_FOUND;
}

ri_group_error ri_groups_describe_modern(ri_groups *groups, ri_str name,
                                         ri_group_modern_info *out)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    ri_group *group = ri_groups_find(groups, name);
    *out = (ri_group_modern_info){.name = name, .state = RI_STR("Dead"), .assignor = RI_STR("")};
    if (!group || !group->modern) return RI_GROUP_NOT_FOUND;
    ri_groups_spend(groups, ri_modern_size(group));
    out->state = ri_str_of(ri_modern_state_name(group));
    out->assignor = ri_modern_assignor(group);
    out->epoch = group->modern->epoch;
    out->assignment_epoch = group->modern->assignment_epoch;
    out->group = group;
    return RI_GROUP_NONE;
}

bool ri_groups_next_modern(const ri_group *group, ri_group_place *place,
                           ri_group_modern_member *out)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC && group->modern);
    const ri_list *at = place->begun ? place->next : group->modern->members.next;
    place->begun = true;
    place->next = at;
    if (at == &group->modern->members) return false;
    place->next = at->next;
    const ri_modern_member *member = ri_container_of(at, ri_modern_member, link);
    *out = (ri_group_modern_member){
        .member = member->id, .instance = member->instance, .rack = member->rack,
        .client_id = member->client_id, .client_host = member->client_host,
        .regex = RI_STR(""), .epoch = member->epoch, .ntopics = member->nreads,
        .classic = member->classic, .of = member,
    };
    return true;
}

ri_str ri_groups_subscribed(const ri_group_modern_member *member, size_t i)
{
    const ri_modern_member *of = member->of;
    RI_ASSERT(i < of->nreads);
    return (ri_str){of->reads[i]->name, of->reads[i]->len};
}

/* The i-th of what it shall have; or has: it answers for what it is still to give up, too. */
static const ri_modern_part *list_part(const ri_modern_member *member, bool target, size_t i)
{
    if (target) return i < member->target.n ? &member->target.parts[i] : NULL;
    if (i < member->assigned.n) return &member->assigned.parts[i];
    i -= member->assigned.n;
    return i < member->revoking.n ? &member->revoking.parts[i] : NULL;
}

bool ri_groups_next_part(ri_groups *groups, const ri_group_modern_member *member, bool target,
                         ri_group_part *out)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    const ri_modern_part *part;
    const void *gone = NULL; /* the topic that was looked for in vain, among all that there are */
    while ((part = list_part(member->of, target, out->at)) != NULL) {
        out->at++;
        ri_groups_spend(groups, 1);
        if (part->topic == gone) continue;
        if (!groups->topics ||
            !groups->topics->by_id(groups->topics_arg, part->topic->id, &out->topic)) {
            gone = part->topic;
            continue;
        }
        out->partition = part->partition;
        return true;
    }
    return false;
}

static bool list_names(const ri_str *names, size_t n, ri_str name)
{
    if (n == 0) return true;
    for (size_t i = 0; i < n; i++)
        if (ri_str_eq_nocase(names[i], name)) return true;
    return false;
}

void ri_groups_walk_begin(ri_groups *groups, ri_groups_walk *walk)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    ri_list_push(&groups->walks, &walk->link);
    walk->at = groups->all.next;
}

/* The last one has used the budget up, and there is no other since. */
static bool list_is_cut(const ri_groups *groups, ri_groups_walk *walk)
{
    bool tired = walk->tired;
    walk->tired = false;
    return tired && !ri_budget_left(&groups->router->budget);
}

int ri_groups_walk_next(ri_groups *groups, ri_groups_walk *walk, ri_group_info *out)
{
    RI_ASSERT(ri_groups_walk_is_on(walk));
    while (walk->at != &groups->all) {
        if (list_is_cut(groups, walk)) return RI_CURSOR_CUT;
        ri_group *group = ri_container_of(walk->at, ri_group, link);
        ri_offsets_walk_end(&walk->offsets);
        walk->in = group;
        ri_groups_spend(groups, walk->nstates + walk->ntypes);
        walk->tired = !ri_budget_left(&groups->router->budget);
        walk->at = group->link.next;
        list_fill(group, out);
        if (list_names(walk->states, walk->nstates, out->state) &&
            list_names(walk->types, walk->ntypes, out->type))
            return 1;
    }
    return 0;
}

int ri_groups_walk_offset(ri_groups *groups, ri_groups_walk *walk, ri_group_offset *out)
{
    RI_ASSERT(ri_groups_walk_is_on(walk));
    if (!walk->in) return 0;
    if (list_is_cut(groups, walk)) return RI_CURSOR_CUT;
    if (!ri_list_linked(&walk->offsets.link)) ri_offsets_walk_begin(walk->in, &walk->offsets);
    const ri_offset *offset = ri_offsets_walk_next(walk->in, &walk->offsets);
    if (!offset) return 0;
    walk->tired = !ri_budget_spend(&groups->router->budget, 1);
    ri_offsets_fill(offset, out);
    return 1;
}

ri_stream *ri_groups_partition(const ri_groups *groups, const ri_group_offset *committed)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    const ri_groups_topics *topics = groups->topics;
    return topics && topics->partition ? topics->partition(groups->topics_arg, committed) : NULL;
}

void ri_groups_walk_end(ri_groups_walk *walk)
{
    ri_offsets_walk_end(&walk->offsets);
    ri_list_remove(&walk->link);
}

/* ---- Deleting ---- */

void ri_groups_delete(ri_groups *groups, ri_group_delete *request)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(request->call.done && !request->call.slot);
    ri_groups_spend(groups, 1);
    ri_group *group = ri_groups_find(groups, request->group);
    if (!group) request->call.error = RI_GROUP_NOT_FOUND;
    else if (!ri_groups_is_empty(group)) request->call.error = RI_GROUP_NON_EMPTY;
    else request->call.error = RI_GROUP_NONE;
    if (request->call.error) {
        request->call.done(&request->call);
        return;
    }
    if (ri_groups_write_grave(group) < 0) {
        request->call.error = RI_GROUP_NOT_AVAILABLE;
        request->call.done(&request->call);
        return;
    }
    ri_classic_clear(group, RI_GROUP_UNKNOWN_MEMBER);
    group->holds++;
    ri_groups_drop(group);
    if (ri_groups_write_begin(group, NULL, &request->call, RI_STR_NONE) < 0)
        request->call.done(&request->call);
    ri_groups_release(group);
}
