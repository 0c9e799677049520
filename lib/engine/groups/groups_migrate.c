/* SPDX-License-Identifier: Apache-2.0 */
/* Groups that become of the other kind while they have members: a classic one when a member joins
 * with a heartbeat (upgrade), a modern one when the last that does so has gone (downgrade).
 *
 *     upgrade     each member has what the leader has assigned, in the epoch that was its
 *                 generation, and goes on speaking the classic protocol; who waited is to join anew
 *     downgrade   each member has what it was to have, in a stable generation that was the epoch
 *
 * Whichever it becomes is made beside what it is; if that does not go well, it stays what it is. */
#include "engine/groups/modern.h"

const char *ri_groups_migration_name(ri_groups_migration migration)
{
    switch (migration) {
    case RI_GROUPS_DISABLED: return "disabled";
    case RI_GROUPS_UPGRADE: return "upgrade";
    case RI_GROUPS_DOWNGRADE: return "downgrade";
    case RI_GROUPS_BIDIRECTIONAL: return "bidirectional";
    }
    return "disabled";
}

/* ---- Upgrade ---- */

static ri_str migrate_metadata(const ri_classic_member *member,
                               const ri_classic_protocol *protocol)
{
    for (size_t i = 0; i < member->nknown; i++)
        if (member->known[i].protocol == protocol) return member->known[i].metadata;
    return RI_STR("");
}

/* What it has is what it shall have. */
static int migrate_set_target(ri_modern_member *member)
{
    const ri_host *host = member->group->groups->host;
    ri_modern_set target = {0};
    int rc = RILL_OK;
    for (uint32_t i = 0; i < member->assigned.n && rc >= 0; i++) {
        ri_modern_part part = member->assigned.parts[i];
        part.epoch = 0;
        rc = ri_modern_set_push(host, &target, part);
    }
    if (rc >= 0) ri_modern_set_target(member, &target);
    ri_modern_set_fini(host, &target);
    return rc;
}

static int migrate_set_parts(ri_modern_member *member, ri_str assignment, int32_t epoch)
{
    ri_modern_set assigned = {0}, none = {0};
    int rc = ri_modern_take_assignment(member->group, assignment, epoch, &assigned);
    if (rc >= 0) rc = ri_modern_set_parts(member, &assigned, &none);
    ri_modern_set_abandon(member->group, &assigned);
    return rc < 0 ? rc : migrate_set_target(member);
}

/* The protocols as a request would bring them, in `protocols`. */
static ri_group_join migrate_join(const ri_classic_known *known, size_t n,
                                  ri_group_protocol *protocols)
{
    RI_ASSERT(n <= RI_LIMIT_GROUP_PROTOCOLS);
    for (size_t i = 0; i < n; i++) {
        const ri_classic_protocol *protocol = known[i].protocol;
        protocols[i] = (ri_group_protocol){{protocol->name, protocol->len}, known[i].metadata};
    }
    return (ri_group_join){.protocol_type = RI_STR("consumer"), .protocols = protocols,
                           .nprotocols = n};
}

static int migrate_up_as(const ri_classic_member *from, const ri_group_pulse *pulse,
                         ri_modern_member **out)
{
    ri_group *group = from->group;
    ri_group_protocol protocols[RI_LIMIT_GROUP_PROTOCOLS];
    ri_group_join join = migrate_join(from->known, from->nknown, protocols);
    join.session_ms = from->session_ms;
    int rc = ri_modern_add(group, pulse, from->id, out);
    if (rc < 0) return rc;
    ri_modern_member *member = *out;
    member->rebalance_ms = from->rebalance_ms;
    member->epoch = member->previous = group->generation;
    member->dirty = true;
    if ((rc = ri_modern_speak(member, &join)) < 0) return rc;
    rc = ri_modern_subscribe(member, pulse->topics, pulse->ntopics);
    return rc < 0 ? rc : migrate_set_parts(member, from->assignment, group->generation);
}

static int migrate_up(const ri_classic_member *from, const ri_classic_protocol *protocol)
{
    ri_groups *groups = from->group->groups;
    ri_modern_member *member;
    ri_modern_says says;
    int rc = ri_modern_listen(groups, migrate_metadata(from, protocol), &says);
    if (rc < 0) return rc;
    says.pulse.instance = from->instance;
    says.pulse.client_id = from->client_id;
    says.pulse.client_host = from->client_host;
    rc = migrate_up_as(from, &says.pulse, &member);
    ri_modern_says_fini(groups, &says);
    if (rc >= 0) ri_modern_renew(member);
    return rc;
}

static int migrate_all_up(ri_group *group)
{
    const ri_classic_protocol *protocol = group->protocol;
    size_t n = ri_classic_size(group);
    if (!protocol || protocol->count < n) protocol = ri_classic_elect(group);
    int rc = RILL_OK;
    ri_list_each (link, &group->members) {
        rc = migrate_up(ri_container_of(link, ri_classic_member, link), protocol);
        if (rc < 0) return rc;
    }
    group->modern->epoch = group->modern->assignment_epoch = group->generation;
    group->modern->dirty = true;
    group->modern->stirred = group->state != RI_CLASSIC_STABLE;
    return RI_MIN(ri_modern_look_up(group), 0);
}

/* What the disk does not take is written with the next change. */
static void migrate_save_all(ri_group *group)
{
    int rc = RILL_OK;
    ri_list_each (link, &group->modern->members)
        if (rc >= 0) rc = ri_modern_save(group, ri_container_of(link, ri_modern_member, link));
    if (rc >= 0) ri_groups_write_begin(group, NULL, NULL, RI_STR_NONE);
}

static ri_group_error migrate_error(int rc)
{
    bool theirs = rc == RILL_EPROTO || rc == RILL_ENOTSUP || rc == RILL_ETOOBIG;
    return theirs ? RI_GROUP_NOT_FOUND : RI_GROUP_NOT_AVAILABLE;
}

static bool migrate_may_upgrade(const ri_group *group)
{
    const ri_groups_conf *conf = &group->groups->conf;
    return (conf->migration & RI_GROUPS_UPGRADE) && group->protocol_type.ptr &&
           ri_str_is(group->protocol_type, "consumer") &&
           ri_classic_size(group) <= conf->modern_max_size;
}

ri_group_error ri_groups_upgrade(ri_group *group)
{
    RI_ASSERT(ri_group_is_sound(group) && ri_classic_size(group) > 0);
    ri_groups *groups = group->groups;
    if (!migrate_may_upgrade(group)) return RI_GROUP_NOT_FOUND;
    ri_groups_spend(groups, 8 * (uint64_t)ri_classic_size(group));
    int rc = ri_modern_open(group);
    if (rc >= 0 && (rc = migrate_all_up(group)) < 0) ri_modern_close(group, false);
    if (rc < 0) return migrate_error(rc);
    ri_groups_disarm(groups, &group->timer);
    ri_classic_clear(group, RI_GROUP_REBALANCING);
    ri_classic_choose(group, NULL);
    group->state = RI_CLASSIC_EMPTY;
    group->generation = 0;
    migrate_save_all(group);
    RI_ASSERT(ri_group_is_sound(group));
    return RI_GROUP_NONE;
}

/* ---- Downgrade ---- */

/* What is left of the group: how many members, how many of them classic. */
static size_t migrate_count(const ri_group *group, size_t *classic)
{
    size_t n = 0;
    *classic = 0;
    ri_list_each (link, &group->modern->members) {
        const ri_modern_member *member = ri_container_of(link, ri_modern_member, link);
        n += !member->leaves;
        *classic += !member->leaves && member->classic;
    }
    return n;
}

bool ri_groups_may_downgrade(const ri_group *group, const ri_modern_member *except)
{
    const ri_groups *groups = group->groups;
    size_t classic, n;
    RI_ASSERT(group->modern);
    if (!(groups->conf.migration & RI_GROUPS_DOWNGRADE)) return false;
    if (except && except->classic) return false; /* it was no modern one that goes */
    n = migrate_count(group, &classic);
    return n > 0 && classic + (except != NULL) == n && n <= groups->conf.max_size;
}

static int migrate_down(const ri_modern_member *from)
{
    ri_group_protocol protocols[RI_LIMIT_GROUP_PROTOCOLS];
    ri_classic_member *member;
    RI_ASSERT(from->classic);
    ri_group_join join = migrate_join(from->known.known, from->known.n, protocols);
    join.instance = from->instance;
    join.client_id = from->client_id;
    join.client_host = from->client_host;
    join.session_ms = from->session_ms;
    join.rebalance_ms = from->rebalance_ms;
    return ri_classic_add(from->group, &join, from->id, &member);
}

/* What each shall have; false: of some that could not be said. */
static bool migrate_assign(ri_group *group)
{
    ri_groups *groups = group->groups;
    bool all = true;
    ri_list_each (link, &group->members) {
        ri_classic_member *member = ri_container_of(link, ri_classic_member, link);
        const ri_modern_member *was = ri_modern_find(group, member->id);
        ri_buffer_reset(&groups->record);
        ri_modern_put_assignment(groups, &was->target, ri_classic_metadata(member),
                                 &groups->record);
        bool said = !groups->record.failed &&
                    ri_classic_assign(member, ri_buffer_str(&groups->record)) >= 0;
        all = all && said;
        ri_groups_spend(groups, 4 * (uint64_t)was->target.n);
        ri_classic_renew(member);
    }
    return all;
}

static int migrate_all_down(ri_group *group)
{
    ri_list_each (link, &group->modern->members) {
        const ri_modern_member *member = ri_container_of(link, ri_modern_member, link);
        int rc = member->leaves ? RILL_OK : migrate_down(member);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

/* Has each what it shall have? Else it would not hear of the rest: a stable group asks nobody to
 * come again. */
static bool migrate_is_settled(const ri_group *group)
{
    ri_list_each (link, &group->modern->members) {
        const ri_modern_member *member = ri_container_of(link, ri_modern_member, link);
        if (!member->leaves && !ri_modern_is_reconciled(member)) return false;
    }
    return true;
}

int ri_groups_downgrade(ri_group *group, bool rebalances)
{
    ri_groups *groups = group->groups;
    RI_ASSERT(group->modern && ri_classic_size(group) == 0);
    ri_groups_spend(groups, 8 * (uint64_t)ri_modern_size(group));
    bool settled = migrate_is_settled(group);
    int rc = migrate_all_down(group);
    if (rc < 0) {
        ri_classic_clear(group, RI_GROUP_NOT_AVAILABLE); /* nobody waits */
        return rc;
    }
    ri_list_each (link, &group->modern->members)
        ri_modern_mute(ri_container_of(link, ri_modern_member, link));
    ri_classic_choose(group, ri_classic_elect(group));
    group->generation = group->modern->epoch;
    group->state = group->previous = RI_CLASSIC_STABLE;
    group->state_since_ns = groups->wall_ns;
    rebalances = !migrate_assign(group) || rebalances || !settled;
    if (rebalances) ri_classic_prepare(group);
    rc = ri_groups_write_classic(group);
    if (rc >= 0) rc = ri_groups_write_begin(group, NULL, NULL, RI_STR_NONE);
    ri_modern_close(group, rc >= 0); /* else a restart knows the group as it was */
    RI_ASSERT(ri_group_is_sound(group));
    return RILL_OK;
}
