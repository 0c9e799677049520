/* SPDX-License-Identifier: Apache-2.0 */
/* How a member comes from what it reads to what it shall read, one heartbeat after the other:
 *
 *     1. what is not in its target any more is to be given up, in the epoch that it is in, until it
 *        says that it has done so (Unrevoked);
 *     2. then it is in the epoch of the target, and has what nobody else owns (Stable, or, while
 *        others own some of it, Unreleased).
 *
 * A topic that it does not subscribe any more is given up at once, whatever the target says. */
#include "engine/groups/modern.h"

typedef struct reconcile_step { /* what the member shall have */
    ri_modern_set kept, revoked, added;
    bool waits;                 /* others own some of its target */
} reconcile_step;

static void reconcile_fini(const ri_host *host, reconcile_step *step)
{
    ri_modern_set_fini(host, &step->kept);
    ri_modern_set_fini(host, &step->revoked);
    ri_modern_set_fini(host, &step->added);
}

bool ri_modern_is_reconciled(const ri_modern_member *member)
{
    return member->state == RI_MODERN_STABLE &&
           member->epoch == member->group->modern->assignment_epoch;
}

bool ri_modern_may_have_more(const ri_modern_member *member)
{
    if (member->state != RI_MODERN_UNRELEASED) return false;
    ri_groups_spend(member->group->groups, member->target.n);
    for (uint32_t i = 0; i < member->target.n; i++) {
        const ri_modern_part *part = &member->target.parts[i];
        const ri_modern_member *owner = ri_modern_owner(part->topic, part->partition);
        if (owner && owner != member) return false;
    }
    return true;
}

/* Does the member say that it has one of these? If it says nothing it may. */
static bool reconcile_owns_any(const ri_modern_member *member, const ri_group_pulse *pulse,
                               const ri_modern_set *set)
{
    if (!pulse->says_owned) return true;
    for (size_t i = 0; i < pulse->nowned; i++) {
        const ri_group_topic_partitions *owned = &pulse->owned[i];
        const ri_modern_topic *topic = ri_modern_find_topic(member->group, owned->topic_id);
        for (size_t k = 0; topic && k < owned->n; k++)
            if (ri_modern_set_find(set, topic, owned->partitions[k])) return true;
    }
    return false;
}

bool ri_modern_owns_only_assigned(const ri_modern_member *member, const ri_group_pulse *pulse)
{
    if (!pulse->says_owned) return false;
    for (size_t i = 0; i < pulse->nowned; i++) {
        const ri_group_topic_partitions *owned = &pulse->owned[i];
        const ri_modern_topic *topic = ri_modern_find_topic(member->group, owned->topic_id);
        if (!topic) return false;
        for (size_t k = 0; k < owned->n; k++)
            if (!ri_modern_set_find(&member->assigned, topic, owned->partitions[k])) return false;
    }
    return true;
}

/* ---- Towards the target ---- */

static int reconcile_split(const ri_modern_member *member, reconcile_step *step)
{
    const ri_host *host = member->group->groups->host;
    int rc = RILL_OK;
    for (uint32_t i = 0; i < member->assigned.n && rc >= 0; i++) {
        ri_modern_part part = member->assigned.parts[i];
        bool stays = ri_modern_set_find(&member->target, part.topic, part.partition) &&
                     ri_modern_reads(member, part.topic);
        rc = ri_modern_set_push(host, stays ? &step->kept : &step->revoked, part);
    }
    return rc;
}

static int reconcile_add(const ri_modern_member *member, reconcile_step *step)
{
    const ri_host *host = member->group->groups->host;
    int rc = RILL_OK;
    for (uint32_t i = 0; i < member->target.n && rc >= 0; i++) {
        ri_modern_part part = member->target.parts[i];
        if (!ri_modern_reads(member, part.topic) ||
            ri_modern_set_find(&member->assigned, part.topic, part.partition))
            continue;
        const ri_modern_member *owner = ri_modern_owner(part.topic, part.partition);
        part.epoch = member->group->modern->assignment_epoch;
        if (owner && owner != member) step->waits = true;
        else rc = ri_modern_set_push(host, &step->added, part);
    }
    return rc;
}

static void reconcile_enter(ri_modern_member *member, ri_modern_state state, int32_t epoch)
{
    member->previous = member->epoch;
    member->epoch = epoch;
    member->state = state;
}

/* What was kept, and what is new, in `kept`. */
static int reconcile_join(const ri_host *host, reconcile_step *step)
{
    int rc = RILL_OK;
    for (uint32_t i = 0; i < step->added.n && rc >= 0; i++)
        rc = ri_modern_set_push(host, &step->kept, step->added.parts[i]);
    ri_modern_set_sort(&step->kept);
    return rc;
}

static int reconcile_take(ri_modern_member *member, reconcile_step *step,
                          const ri_group_pulse *pulse)
{
    const ri_host *host = member->group->groups->host;
    int32_t epoch = member->group->modern->assignment_epoch;
    if (step->revoked.n && reconcile_owns_any(member, pulse, &step->revoked)) {
        int rc = ri_modern_set_parts(member, &step->kept, &step->revoked);
        if (rc >= 0) reconcile_enter(member, RI_MODERN_UNREVOKED, member->epoch);
        return rc;
    }
    int rc = reconcile_join(host, step);
    ri_modern_set_fini(host, &step->revoked);
    if (rc >= 0) rc = ri_modern_set_parts(member, &step->kept, &step->revoked);
    if (rc >= 0)
        reconcile_enter(member, step->waits ? RI_MODERN_UNRELEASED : RI_MODERN_STABLE, epoch);
    return rc;
}

static int reconcile_next(ri_modern_member *member, const ri_group_pulse *pulse)
{
    reconcile_step step = {.waits = false};
    int rc = reconcile_split(member, &step);
    if (rc >= 0) rc = reconcile_add(member, &step);
    if (rc >= 0) rc = reconcile_take(member, &step, pulse);
    reconcile_fini(member->group->groups->host, &step);
    return rc;
}

/* ---- Within an epoch: topics that it does not subscribe any more ---- */

static int reconcile_unsubscribe(ri_modern_member *member, const ri_group_pulse *pulse)
{
    const ri_host *host = member->group->groups->host;
    reconcile_step step = {.waits = false};
    int rc = RILL_OK;
    for (uint32_t i = 0; i < member->assigned.n && rc >= 0; i++) {
        const ri_modern_part *part = &member->assigned.parts[i];
        bool stays = ri_modern_reads(member, part->topic);
        rc = ri_modern_set_push(host, stays ? &step.kept : &step.revoked, *part);
    }
    bool changes = step.revoked.n > 0;
    for (uint32_t i = 0; i < member->revoking.n && rc >= 0 && changes; i++)
        rc = ri_modern_set_push(host, &step.revoked, member->revoking.parts[i]);
    if (rc >= 0 && changes) {
        ri_modern_set_sort(&step.revoked);
        bool owns = reconcile_owns_any(member, pulse, &step.revoked);
        if (!owns) ri_modern_set_fini(host, &step.revoked);
        rc = ri_modern_set_parts(member, &step.kept, &step.revoked);
        if (rc >= 0)
            reconcile_enter(member, owns ? RI_MODERN_UNREVOKED : member->state, member->epoch);
    }
    reconcile_fini(host, &step);
    return rc;
}

static int reconcile_step_of(ri_modern_member *member, const ri_group_pulse *pulse,
                             bool resubscribed)
{
    bool behind = member->epoch != member->group->modern->assignment_epoch;
    switch (member->state) {
    case RI_MODERN_STABLE:
        if (behind) return reconcile_next(member, pulse);
        return resubscribed ? reconcile_unsubscribe(member, pulse) : RILL_OK;
    case RI_MODERN_UNREVOKED:
        if (!reconcile_owns_any(member, pulse, &member->revoking))
            return reconcile_next(member, pulse);
        return resubscribed ? reconcile_unsubscribe(member, pulse) : RILL_OK;
    case RI_MODERN_UNRELEASED: return reconcile_next(member, pulse);
    }
    return RILL_OK;
}

static int reconcile_copy(const ri_host *host, const ri_modern_set *from, ri_modern_set *to)
{
    *to = (ri_modern_set){0};
    int rc = RILL_OK;
    for (uint32_t i = 0; i < from->n && rc >= 0; i++)
        rc = ri_modern_set_push(host, to, from->parts[i]);
    return rc;
}

int ri_modern_reconcile(ri_modern_member *member, const ri_group_pulse *pulse, bool resubscribed)
{
    RI_ASSERT(ri_group_is_sound(member->group) && member->group->modern);
    const ri_host *host = member->group->groups->host;
    ri_modern_set assigned, revoking = {0};
    ri_modern_state state = member->state;
    int32_t epoch = member->epoch, previous = member->previous;
    if (!resubscribed && ri_modern_is_reconciled(member)) return 0;
    ri_groups_spend(member->group->groups, member->assigned.n + member->target.n);
    int rc = reconcile_copy(host, &member->assigned, &assigned);
    if (rc >= 0) rc = reconcile_copy(host, &member->revoking, &revoking);
    if (rc >= 0) rc = reconcile_step_of(member, pulse, resubscribed);
    bool same = rc >= 0 && state == member->state && epoch == member->epoch &&
                previous == member->previous && ri_modern_set_eq(&revoking, &member->revoking);
    bool reassigned = !ri_modern_set_eq(&assigned, &member->assigned);
    ri_modern_set_fini(host, &assigned);
    ri_modern_set_fini(host, &revoking);
    if (rc < 0) return rc;
    return reassigned ? RI_MODERN_REASSIGNED : !same;
}
