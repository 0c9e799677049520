/* SPDX-License-Identifier: Apache-2.0 */
/* The one request of modern members, ConsumerGroupHeartbeat: to join (epoch 0), to live, to leave
 * (-1), or to leave for a while (-2, of a static member). What is null in it has not changed. */
#include "engine/groups/modern.h"

enum { MODERN_LEAVES = -1, MODERN_RESTS = -2 }; /* epochs of requests */

static void modern_refuse(ri_group_pulse *pulse, ri_group_error error, const char *message)
{
    RI_ASSERT(error != RI_GROUP_NONE && message);
    pulse->call.error = error;
    pulse->message = message;
    pulse->given_member = RI_STR_NONE;
    pulse->given_epoch = 0;
    pulse->interval_ms = 0;
    pulse->gives_assignment = false;
    pulse->call.done(&pulse->call);
}

/* ---- What is wrong with a request by itself ---- */

static bool modern_is_empty(ri_str text)
{
    return text.ptr && text.len == 0;
}

static const char *modern_fault_of_join(const ri_group_pulse *pulse)
{
    if (pulse->rebalance_ms == -1) return "the first request of a member has a RebalanceTimeoutMs";
    if (!pulse->says_owned || pulse->nowned > 0) return "who joins has no TopicPartitions";
    if (!pulse->says_topics && !pulse->regex.ptr)
        return "who joins has SubscribedTopicNames, or a SubscribedTopicRegex";
    return NULL;
}

static const char *modern_fault(const ri_group_pulse *pulse)
{
    bool needs_id = pulse->makes_id || pulse->epoch > 0 || pulse->epoch == MODERN_LEAVES;
    if (needs_id && pulse->member.len == 0) return "MemberId is empty";
    if (pulse->group.len == 0) return "GroupId is empty";
    if (modern_is_empty(pulse->instance)) return "InstanceId is empty";
    if (modern_is_empty(pulse->rack)) return "RackId is empty";
    if (pulse->epoch == 0) return modern_fault_of_join(pulse);
    if (pulse->epoch == MODERN_RESTS && !pulse->instance.ptr) return "InstanceId is missing";
    if (pulse->epoch < MODERN_RESTS) return "MemberEpoch is none";
    return NULL;
}

static const char *modern_excess(const ri_group_pulse *pulse)
{
    size_t n = 0;
    if (pulse->ntopics > RI_LIMIT_GROUP_SUBSCRIPTIONS) return "it subscribes too many topics";
    if (pulse->nowned > RI_LIMIT_GROUP_PARTITIONS) return "it owns too many topics";
    for (size_t i = 0; i < pulse->nowned && n <= RI_LIMIT_GROUP_PARTITIONS; i++)
        n += pulse->owned[i].n;
    return n > RI_LIMIT_GROUP_PARTITIONS ? "it owns too many partitions" : NULL;
}

/* ---- The group ---- */

/* A group without members becomes one of the other kind, even if it waits for one that was given an
 * id. */
static int modern_convert(ri_group *group)
{
    int rc = ri_modern_open(group);
    if (rc < 0) return rc;
    ri_groups_write_gone(group);
    ri_classic_clear(group, RI_GROUP_UNKNOWN_MEMBER); /* ids that were given */
    ri_groups_disarm(group->groups, &group->timer);
    ri_classic_choose(group, NULL);
    group->state = RI_CLASSIC_EMPTY;
    return RILL_OK;
}

/* `upgrades`: it was a classic one with members. */
static ri_group_error modern_group(ri_groups *groups, const ri_group_pulse *pulse, ri_group **out,
                                   bool *upgrades)
{
    *upgrades = false;
    ri_group *group = *out = ri_groups_find(groups, pulse->group);
    bool joins = pulse->epoch == 0;
    if (!group && !joins) return RI_GROUP_NOT_FOUND;
    if (!group && ri_groups_make(groups, pulse->group, out) < 0) return RI_GROUP_NOT_AVAILABLE;
    group = *out;
    if (group->modern) return RI_GROUP_NONE;
    if (!joins) return RI_GROUP_NOT_FOUND;
    if (ri_classic_size(group) > 0) {
        ri_group_error error = ri_groups_upgrade(group);
        *upgrades = !error;
        return error;
    }
    return modern_convert(group) < 0 ? RI_GROUP_NOT_AVAILABLE : RI_GROUP_NONE;
}

/* ---- The member ---- */

static ri_group_error modern_check_epoch(const ri_modern_member *member,
                                         const ri_group_pulse *pulse)
{
    if (pulse->epoch == 0 || pulse->epoch == member->epoch) return RI_GROUP_NONE;
    if (pulse->epoch > member->epoch) return RI_GROUP_FENCED_EPOCH;
    bool lost = pulse->epoch == member->previous && ri_modern_owns_only_assigned(member, pulse);
    return lost ? RI_GROUP_NONE : RI_GROUP_FENCED_EPOCH; /* lost: our last answer */
}

static ri_group_error modern_add(ri_group *group, const ri_group_pulse *pulse, ri_str id,
                                 ri_modern_member **out)
{
    if (ri_modern_size(group) >= group->groups->conf.modern_max_size) return RI_GROUP_MAX_SIZE;
    return ri_modern_add(group, pulse, id, out) < 0 ? RI_GROUP_NOT_AVAILABLE : RI_GROUP_NONE;
}

int ri_modern_return(ri_modern_member *member, const ri_group_pulse *pulse, ri_str id)
{
    RI_ASSERT(member->instance.ptr);
    int rc = ri_modern_rename(member, pulse, id);
    if (rc < 0) return rc;
    member->epoch = member->previous = 0;
    member->dirty = true;
    return RILL_OK;
}

/* A static member that was away is there again, under another id perhaps. Of one that speaks the
 * classic protocol nobody can say that it is away: who comes takes its place. */
static ri_group_error modern_return(ri_modern_member *member, const ri_group_pulse *pulse,
                                    ri_str id)
{
    if (member->epoch != MODERN_RESTS && !member->classic) return RI_GROUP_UNRELEASED_INSTANCE;
    return ri_modern_return(member, pulse, id) < 0 ? RI_GROUP_NOT_AVAILABLE : RI_GROUP_NONE;
}

/* `fresh`: it was not there before. */
static ri_group_error modern_member(ri_group *group, const ri_group_pulse *pulse, ri_str id,
                                    ri_modern_member **out, bool *fresh)
{
    bool joins = pulse->epoch == 0, is_static = pulse->instance.ptr != NULL;
    ri_modern_member *member = is_static ? ri_modern_find_static(group, pulse->instance)
                                         : ri_modern_find(group, id);
    *out = member;
    *fresh = !member && joins;
    if (*fresh && is_static && ri_modern_find(group, id)) return RI_GROUP_INVALID_REQUEST;
    if (*fresh) return modern_add(group, pulse, id, out);
    if (!member) return RI_GROUP_UNKNOWN_MEMBER;
    if (is_static && joins) return modern_return(member, pulse, id);
    if (is_static && !ri_str_eq(member->id, id)) return RI_GROUP_FENCED_INSTANCE;
    return modern_check_epoch(member, pulse);
}

/* ---- Changes ---- */

static bool modern_says_other(ri_str asked, ri_str has)
{
    return asked.ptr && !(has.ptr && ri_str_eq(asked, has));
}

static int modern_update_names(ri_modern_member *member, const ri_group_pulse *pulse)
{
    if (!modern_says_other(pulse->rack, member->rack) &&
        ri_str_eq(pulse->client_id, member->client_id) &&
        ri_str_eq(pulse->client_host, member->client_host))
        return RILL_OK;
    int rc = ri_modern_rename(member, pulse, member->id);
    if (rc >= 0) member->dirty = true;
    return rc;
}

/* What of the request changes the member: 1 if it subscribes something else. */
static int modern_update(ri_modern_member *member, const ri_group_pulse *pulse)
{
    ri_str assignor;
    int rc = modern_update_names(member, pulse);
    if (rc >= 0 && pulse->says_topics)
        rc = ri_modern_subscribe(member, pulse->topics, pulse->ntopics);
    if (rc < 0) return rc;
    if (pulse->rebalance_ms != -1 && pulse->rebalance_ms != member->rebalance_ms) {
        member->rebalance_ms = pulse->rebalance_ms;
        member->dirty = true;
    }
    if (modern_says_other(pulse->assignor, member->assignor) &&
        ri_modern_assignor_of(pulse->assignor, &assignor)) {
        ri_modern_prefer(member, assignor);
        member->dirty = true;
    }
    member->dirty = member->dirty || rc == 1;
    return rc;
}

static void modern_next_epoch(ri_group *group)
{
    ri_modern *modern = group->modern;
    modern->epoch = modern->epoch == INT32_MAX ? 1 : modern->epoch + 1;
    modern->dirty = true;
}

/* A new target for a new epoch, unless the last one is too young. */
static int modern_retarget(ri_group *group)
{
    ri_modern *modern = group->modern;
    const ri_groups *groups = group->groups;
    if (modern->assignment_epoch >= modern->epoch) return RILL_OK;
    int64_t next_ns = ri_ns_add(modern->assigned_ns, ri_ns_of_ms(groups->conf.assign_ms));
    if (modern->assigned_ns != INT64_MIN && groups->mono_ns < next_ns) return RILL_OK;
    int rc = ri_modern_assign(group);
    if (rc < 0) return rc;
    modern->assignment_epoch = modern->epoch;
    modern->assigned_ns = groups->mono_ns;
    return RILL_OK;
}

static void modern_time(ri_modern_member *member, bool changed)
{
    ri_groups *groups = member->group->groups;
    ri_modern_renew(member);
    if (member->state != RI_MODERN_UNREVOKED) ri_groups_disarm(groups, &member->revoke);
    else if (changed) ri_groups_arm(groups, &member->revoke, member->rebalance_ms);
}

/* Topics have changed, or the request changes what the group subscribes: one epoch more. */
static int modern_look(ri_group *group, bool bump)
{
    if (!bump && !ri_modern_is_stale(group)) return RILL_OK;
    int found = ri_modern_look_up(group);
    if (found < 0) return found;
    if (bump || found == 1) modern_next_epoch(group);
    return RILL_OK;
}

int ri_modern_hear(ri_modern_member *member, const ri_group_pulse *pulse)
{
    ri_group *group = member->group;
    RI_ASSERT(group->modern);
    ri_str assignor = ri_modern_assignor(group);
    int subscribes = modern_update(member, pulse);
    if (subscribes < 0) return subscribes;
    bool bump = subscribes == 1 || group->modern->stirred ||
                !ri_str_eq(assignor, ri_modern_assignor(group));
    int rc = modern_look(group, bump);
    if (rc < 0) return rc;
    group->modern->stirred = false;
    return subscribes;
}

int ri_modern_move(ri_modern_member *member, const ri_group_pulse *pulse, bool resubscribed)
{
    int rc = modern_retarget(member->group);
    if (rc >= 0) rc = ri_modern_reconcile(member, pulse, resubscribed);
    if (rc > 0) member->dirty = true;
    return rc;
}

int ri_modern_refresh(ri_group *group)
{
    RI_ASSERT(group->modern && ri_modern_size(group) > 0);
    int rc = modern_look(group, false);
    if (rc >= 0) rc = modern_retarget(group);
    return rc < 0 ? rc : ri_modern_persist(group, NULL);
}

/* All that follows from the request; as ri_modern_reconcile(). */
static int modern_advance(ri_modern_member *member, const ri_group_pulse *pulse)
{
    if (member->classic) member->dirty = true;
    ri_modern_mute(member); /* it has come over */
    int subscribes = ri_modern_hear(member, pulse);
    if (subscribes < 0) return subscribes;
    int rc = ri_modern_move(member, pulse, subscribes == 1);
    if (rc >= 0) modern_time(member, rc > 0);
    return rc;
}

/* ---- Answers ---- */

static uint32_t modern_count_topics(const ri_modern_set *set)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < set->n; i++)
        n += i == 0 || set->parts[i].topic != set->parts[i - 1].topic;
    return n;
}

/* In one block, since the answer may have to wait for the disk: topics, their partitions, their
 * ids, and the id of the member. */
static char *modern_block(const ri_modern_member *member, ri_group_pulse *pulse, size_t *size)
{
    const ri_modern_set *set = &member->assigned;
    uint32_t ntopics = modern_count_topics(set), t = 0;
    size_t ids = ntopics * sizeof(ri_group_topic_partitions) + set->n * sizeof(int32_t);
    *size = ids + (size_t)ntopics * RI_GROUP_TOPIC_ID + member->id.len + 1;
    char *block = ri_alloc(member->group->groups->host, *size);
    if (!block) return NULL;
    ri_group_topic_partitions *topics = (ri_group_topic_partitions *)(void *)block;
    int32_t *partitions = (int32_t *)(void *)(topics + ntopics);
    for (uint32_t i = 0; i < set->n; i++) {
        partitions[i] = set->parts[i].partition;
        if (i > 0 && set->parts[i].topic == set->parts[i - 1].topic) {
            topics[t - 1].n++;
            continue;
        }
        char *id = block + ids + (size_t)t * RI_GROUP_TOPIC_ID;
        memcpy(id, set->parts[i].topic->id, RI_GROUP_TOPIC_ID);
        topics[t++] = (ri_group_topic_partitions){(uint8_t *)id, partitions + i, 1};
    }
    RI_ASSERT(t == ntopics);
    char *id = block + ids + (size_t)ntopics * RI_GROUP_TOPIC_ID;
    ri_str_put(id, member->id);
    pulse->given_member = (ri_str){id, member->id.len};
    pulse->assigned = topics;
    pulse->nassigned = ntopics;
    return block;
}

/* Leaves when all that it says is on disk. The block goes with it. */
static void modern_answer(ri_group *group, ri_group_pulse *pulse, char *block, size_t size)
{
    pulse->call.error = RI_GROUP_NONE;
    pulse->message = NULL;
    if (ri_groups_write_answer_from(group, &pulse->call, block, size) < 0)
        modern_refuse(pulse, RI_GROUP_NOT_AVAILABLE, "out of memory");
}

static bool modern_is_full(const ri_group_pulse *pulse)
{
    return pulse->rebalance_ms != -1 && (pulse->says_topics || pulse->regex.ptr) &&
           pulse->says_owned;
}

/* Answers about the group wait for what has changed from here on. */
int ri_modern_persist(ri_group *group, ri_modern_member *member)
{
    bool dirty = group->modern->dirty || (member && member->dirty);
    int rc = ri_modern_save(group, member);
    if (rc < 0 || !dirty) return rc;
    return ri_groups_write_begin(group, NULL, NULL, RI_STR_NONE);
}

static const char *modern_sentence(ri_group_error error)
{
    switch (error) {
    case RI_GROUP_NOT_FOUND: return "there is no such consumer group";
    case RI_GROUP_UNKNOWN_MEMBER: return "the group has no such member";
    case RI_GROUP_MAX_SIZE: return "the group has as many members as it may have";
    case RI_GROUP_FENCED_INSTANCE: return "another member has the instance id";
    case RI_GROUP_UNRELEASED_INSTANCE: return "a member that is there has the instance id";
    case RI_GROUP_FENCED_EPOCH: return "the epoch is not the member's: it shall give up what it "
                                       "has, and join anew";
    case RI_GROUP_INVALID_REQUEST: return "a member of that id has another instance id";
    default: return "the broker cannot do that now";
    }
}

/* ---- Living ---- */

static ri_group_error modern_beat_as(ri_group *group, ri_group_pulse *pulse, ri_str id)
{
    ri_modern_member *member;
    bool fresh;
    size_t size;
    ri_group_error error = modern_member(group, pulse, id, &member, &fresh);
    if (error) return error;
    int rc = modern_advance(member, pulse);
    char *block = rc >= 0 ? modern_block(member, pulse, &size) : NULL;
    int saved = block ? ri_modern_persist(group, member) : RILL_OK;
    if (!block || saved < 0) {
        if (block) ri_free(group->groups->host, block, size);
        if (fresh && !member->record_seq) ri_modern_remove(member);
        return RI_GROUP_NOT_AVAILABLE;
    }
    pulse->given_epoch = member->epoch;
    pulse->interval_ms = group->groups->conf.modern_interval_ms;
    pulse->gives_assignment = pulse->epoch == 0 || rc == RI_MODERN_REASSIGNED ||
                              modern_is_full(pulse);
    modern_answer(group, pulse, block, size);
    return RI_GROUP_NONE;
}

/* The id that it brings, or, in the first version, one that is made. */
static ri_group_error modern_beat(ri_group *group, ri_group_pulse *pulse)
{
    ri_groups *groups = group->groups;
    size_t len;
    if (pulse->member.len > 0) return modern_beat_as(group, pulse, pulse->member);
    char *made = ri_classic_make_id(groups, RI_STR(""), &len);
    if (!made) return RI_GROUP_NOT_AVAILABLE;
    ri_group_error error = modern_beat_as(group, pulse, (ri_str){made + 1, len - 1}); /* no dash */
    ri_free(groups->host, made, len + 1);
    return error;
}

/* ---- Leaving ---- */

static void modern_remove_leavers(ri_group *group)
{
    ri_list_each (link, &group->modern->members) {
        ri_modern_member *member = ri_container_of(link, ri_modern_member, link);
        if (member->leaves) ri_modern_remove(member);
    }
    modern_next_epoch(group);
    if (ri_modern_size(group) > 0) return;
    group->modern->assignment_epoch = group->modern->epoch; /* there is nothing to assign */
    group->modern->assigned_ns = INT64_MIN;
    group->modern->hash = 0;
}

/* Those that leave go, and the others share what they had; or the group is a classic one, if it may
 * and none but members of that kind stay. */
static void modern_let_go(ri_group *group)
{
    if (ri_groups_may_downgrade(group, NULL) && ri_groups_downgrade(group, true) >= 0) return;
    modern_remove_leavers(group);
}

void ri_groups_modern_fence(ri_modern_member *member)
{
    ri_group *group = member->group;
    RI_ASSERT(ri_group_is_sound(group) && group->modern);
    member->leaves = true;
    modern_let_go(group);
    if (group->modern) ri_modern_persist(group, NULL); /* or, without room, with the next change */
}

/* What it has stays its own, until it is back or its session is over. */
static int modern_rest(ri_modern_member *member)
{
    ri_modern_set assigned = {0}, none = {0};
    const ri_host *host = member->group->groups->host;
    int rc = RILL_OK;
    for (uint32_t i = 0; i < member->assigned.n && rc >= 0; i++) {
        ri_modern_part part = member->assigned.parts[i];
        part.epoch = 0;
        rc = ri_modern_set_push(host, &assigned, part);
    }
    if (rc >= 0) rc = ri_modern_set_parts(member, &assigned, &none);
    ri_modern_set_fini(host, &assigned);
    if (rc < 0) return rc;
    member->epoch = MODERN_RESTS;
    member->dirty = true;
    ri_groups_disarm(member->group->groups, &member->revoke);
    return RILL_OK;
}

static ri_group_error modern_find_leaver(ri_group *group, const ri_group_pulse *pulse,
                                         ri_modern_member **out)
{
    bool is_static = pulse->instance.ptr != NULL;
    *out = is_static ? ri_modern_find_static(group, pulse->instance)
                     : ri_modern_find(group, pulse->member);
    if (!*out) return RI_GROUP_UNKNOWN_MEMBER;
    bool other = is_static && !ri_str_eq((*out)->id, pulse->member);
    return other ? RI_GROUP_FENCED_INSTANCE : RI_GROUP_NONE;
}

static ri_group_error modern_leave(ri_group *group, ri_group_pulse *pulse)
{
    ri_modern_member *member;
    size_t size;
    ri_group_error error = modern_find_leaver(group, pulse, &member);
    if (error) return error;
    ri_modern_set assigned = member->assigned;
    member->assigned = (ri_modern_set){0}; /* the answer lists nothing */
    char *block = modern_block(member, pulse, &size);
    member->assigned = assigned;
    if (!block) return RI_GROUP_NOT_AVAILABLE;
    int rc = RILL_OK;
    bool rests = pulse->epoch == MODERN_RESTS;
    member->leaves = !rests;
    if (rests) rc = modern_rest(member);
    else modern_let_go(group);
    if (rc >= 0 && group->modern) rc = ri_modern_persist(group, rests ? member : NULL);
    if (rc < 0) {
        ri_free(group->groups->host, block, size);
        return RI_GROUP_NOT_AVAILABLE;
    }
    pulse->given_epoch = pulse->epoch;
    pulse->interval_ms = 0;
    pulse->gives_assignment = false;
    modern_answer(group, pulse, block, size);
    return RI_GROUP_NONE;
}

/* Who was to be the first modern member is not: the group is what it was, and its members, whose
 * requests were answered 27, join anew. */
static void modern_undo(ri_group *group)
{
    if (group->modern->nclassic == ri_modern_size(group)) ri_groups_downgrade(group, true);
}

void ri_groups_pulse(ri_groups *groups, ri_group_pulse *pulse)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    RI_ASSERT(pulse->call.done && !pulse->call.slot);
    ri_group *group;
    ri_str assignor;
    bool leaves = pulse->epoch == MODERN_LEAVES || pulse->epoch == MODERN_RESTS, upgrades;
    ri_groups_spend(groups, 4 + pulse->nowned);
    const char *fault = modern_fault(pulse);
    if (!fault) fault = modern_excess(pulse);
    if (fault) {
        modern_refuse(pulse, RI_GROUP_INVALID_REQUEST, fault);
        return;
    }
    if (pulse->assignor.ptr && !ri_modern_assignor_of(pulse->assignor, &assignor)) {
        modern_refuse(pulse, RI_GROUP_UNSUPPORTED_ASSIGNOR, "assignors are uniform and range");
        return;
    }
    if (pulse->regex.len > 0) {
        modern_refuse(pulse, RI_GROUP_INVALID_REGEX, "this broker knows no regular expressions");
        return;
    }
    ri_group_error error = modern_group(groups, pulse, &group, &upgrades);
    if (!error) error = leaves ? modern_leave(group, pulse) : modern_beat(group, pulse);
    if (error && upgrades) modern_undo(group);
    if (error) modern_refuse(pulse, error, modern_sentence(error));
}

/* ---- What else is asked of a modern group ---- */

bool ri_groups_modern_leave(ri_group *group, ri_group_leave *leave)
{
    RI_ASSERT(group->modern);
    bool any = false, left = true;
    while (left && leave->nleft < leave->nleavers) {
        ri_group_leaver *leaver = &leave->leavers[leave->nleft++];
        left = ri_budget_spend(&group->groups->router->budget, RI_GROUP_LEAVE_UNITS);
        bool is_static = leaver->instance.ptr != NULL;
        ri_modern_member *member = is_static ? ri_modern_find_static(group, leaver->instance)
                                             : ri_modern_find(group, leaver->member);
        bool other = member && is_static && leaver->member.len > 0 &&
                     !ri_str_eq(member->id, leaver->member);
        leaver->error = !member ? RI_GROUP_UNKNOWN_MEMBER
                        : other ? RI_GROUP_FENCED_INSTANCE : RI_GROUP_NONE;
        if (leaver->error) continue;
        member->leaves = true;
        any = true;
    }
    if (any) modern_let_go(group);
    if (any && group->modern && ri_modern_persist(group, NULL) < 0)
        leave->call.error = RI_GROUP_NOT_AVAILABLE;
    return any;
}

/* The epoch is not the member's: the classic protocol has another word for that. */
static ri_group_error modern_stale(const ri_modern_member *member)
{
    return member->classic ? RI_GROUP_ILLEGAL_GENERATION : RI_GROUP_STALE_EPOCH;
}

/* With an older epoch a member commits for what it has had since then. */
ri_group_error ri_groups_modern_commit(ri_group *group, ri_group_commit *commit)
{
    RI_ASSERT(group->modern);
    if (commit->generation < 0 && ri_modern_size(group) == 0) return RI_GROUP_NONE;
    const ri_modern_member *member = ri_modern_find(group, commit->member);
    if (!member) return RI_GROUP_UNKNOWN_MEMBER;
    if (!commit->knows_epochs && !member->classic) return RI_GROUP_UNSUPPORTED_VERSION;
    if (commit->generation > member->epoch) return modern_stale(member);
    commit->checks = commit->generation < member->epoch;
    return RI_GROUP_NONE;
}

ri_group_error ri_groups_modern_check(const ri_group *group, const ri_group_commit *commit,
                                      const ri_group_offset *offset)
{
    const ri_modern_member *member = ri_modern_find(group, commit->member);
    const ri_modern_topic *topic = ri_modern_find_topic(group, offset->topic_id);
    if (!member) return RI_GROUP_UNKNOWN_MEMBER;
    const ri_modern_part *part = NULL;
    if (topic && offset->partition >= 0) {
        part = ri_modern_set_find(&member->assigned, topic, offset->partition);
        if (!part) part = ri_modern_set_find(&member->revoking, topic, offset->partition);
    }
    return part && commit->generation >= part->epoch ? RI_GROUP_NONE : modern_stale(member);
}

ri_group_error ri_groups_modern_fetch(const ri_group *group, const ri_group_fetch *fetch)
{
    RI_ASSERT(group->modern);
    if (!fetch->member.ptr) return RI_GROUP_NONE;
    const ri_modern_member *member = ri_modern_find(group, fetch->member);
    if (!member) return RI_GROUP_UNKNOWN_MEMBER;
    return fetch->epoch == member->epoch ? RI_GROUP_NONE : modern_stale(member);
}
