/* SPDX-License-Identifier: Apache-2.0 */
/* What the log knows of groups, when they are opened. Records come in the order in which they were
 * written. Each group is put together as its record says; one that stands there twice, since its
 * older record could not be removed, is that of the later. */
#include "engine/groups/modern.h"

/* Is it of the record that it cannot be read, and no reason not to serve the rest? */
static bool load_passes_over(ri_groups *groups, int rc, uint64_t seq)
{
    if (rc == RILL_ENOENT || rc == RILL_ECORRUPT) return true; /* reported when it was found */
    if (rc != RILL_EPROTO) return false;
    ri_host_log(groups->host, RILL_WARN, "record %llu of the groups cannot be read: %s",
                (unsigned long long)seq, ri_err_text());
    return true;
}

static int load_member(ri_group *group, const ri_groups_saved *saved,
                       const ri_groups_saved_member *m)
{
    ri_classic_member *member;
    ri_group_protocol protocol = {saved->protocol, m->metadata};
    ri_group_join join = {
        .instance = m->instance, .client_id = m->client_id, .client_host = m->client_host,
        .protocol_type = saved->protocol_type, .protocols = &protocol, .nprotocols = 1,
        .session_ms = m->session_ms, .rebalance_ms = m->rebalance_ms,
    };
    if (ri_classic_find(group, m->id) ||
        (m->instance.ptr && ri_classic_find_static(group, m->instance)))
        return ri_err(RILL_EPROTO, "member %.*s is there twice", RI_ARG(m->id));
    int rc = ri_classic_add(group, &join, m->id, &member);
    if (rc < 0) return rc;
    if (saved->leader.ptr && ri_str_eq(member->id, saved->leader)) group->leader = member;
    ri_classic_renew(member);
    return ri_classic_assign(member, m->assignment);
}

static int load_members(ri_group *group, const ri_groups_saved *saved, ri_groups_reader *r)
{
    ri_groups_saved_member member;
    int rc = RILL_OK;
    for (uint32_t i = 0; i < saved->nmembers && rc >= 0; i++) {
        if ((rc = ri_groups_record_member(r, &member)) >= 0)
            rc = load_member(group, saved, &member);
    }
    return rc < 0 ? rc : ri_groups_record_end(r);
}

static void load_state(ri_group *group, const ri_groups_saved *saved)
{
    group->generation = saved->generation;
    group->state = ri_classic_size(group) > 0 ? RI_CLASSIC_STABLE : RI_CLASSIC_EMPTY;
    group->state_since_ns = saved->state_since_ns;
    group->unled = ri_classic_size(group) > 0 && !saved->leader.ptr;
    if (group->state == RI_CLASSIC_STABLE) ri_classic_choose(group, ri_classic_elect(group));
}

/* As it is before anything is known of its members. */
static void load_clear(ri_group *group)
{
    ri_classic_clear(group, RI_GROUP_NOT_COORDINATOR);
    ri_classic_choose(group, NULL);
    ri_modern_close(group, true);
    group->unled = false;
    group->state = RI_CLASSIC_EMPTY;
    group->generation = 0;
}

static int load_find(ri_groups *groups, ri_str name, ri_group **out)
{
    *out = ri_groups_find(groups, name);
    return *out ? RILL_OK : ri_groups_make(groups, name, out);
}

static int load_group(ri_groups *groups, uint64_t seq, ri_groups_reader *r)
{
    ri_groups_saved saved;
    ri_group *group;
    int rc = ri_groups_record_group(r, &saved);
    if (rc < 0 || (rc = load_find(groups, saved.name, &group)) < 0) return rc;
    ri_groups_write_gone(group); /* its older record, if there is one */
    load_clear(group);
    if ((rc = load_members(group, &saved, r)) < 0 ||
        (rc = ri_classic_set_type(group, saved.protocol_type)) < 0) {
        load_clear(group);
        if (group->noffsets == 0) ri_groups_drop(group);
        return rc;
    }
    group->record_seq = seq;
    load_state(group, &saved);
    RI_ASSERT(ri_group_is_sound(group));
    return RILL_OK;
}

static int load_offset(ri_groups *groups, uint64_t seq, ri_groups_reader *r)
{
    ri_groups_saved_offset saved;
    ri_group *group;
    ri_offset *offset;
    int rc = ri_groups_record_offset(r, &saved);
    if (rc < 0 || (rc = load_find(groups, saved.group, &group)) < 0) return rc;
    if ((rc = ri_offsets_make(group, saved.topic, saved.partition, &offset)) < 0) return rc;
    ri_groups_write_gone_offset(offset); /* its older record, if there is one */
    if ((rc = ri_offsets_set(offset, &saved.values, saved.metadata, false)) < 0) return rc;
    offset->record_seq = seq;
    return RILL_OK;
}

/* What was read of the group so far is that of one that was deleted. */
static int load_grave(ri_groups *groups, uint64_t seq, ri_groups_reader *r)
{
    ri_str name;
    int rc = ri_groups_record_grave(r, &name);
    if (rc < 0) return rc;
    ri_group *group = ri_groups_find(groups, name);
    if (!group || group->noffsets == 0) ri_track_remove(groups->track, seq, false);
    if (!group) return RILL_OK;
    ri_groups_write_gone(group);
    load_clear(group);
    if (group->noffsets > 0) group->record_seq = seq;
    ri_groups_drop(group);
    return RILL_OK;
}

/* ---- The protocol of KIP-848 ---- */

/* The group is modern from now on, whatever older records say. */
static int load_modern_group(ri_groups *groups, ri_str name, ri_group **out)
{
    int rc = load_find(groups, name, out);
    if (rc < 0 || (*out)->modern) return rc;
    ri_groups_write_gone(*out);
    load_clear(*out);
    return ri_modern_open(*out);
}

static int load_modern(ri_groups *groups, uint64_t seq, ri_groups_reader *r)
{
    ri_groups_saved_modern saved;
    ri_group *group;
    int rc = ri_groups_record_modern(r, &saved);
    if (rc < 0 || (rc = load_modern_group(groups, saved.name, &group)) < 0) return rc;
    ri_groups_write_gone(group);
    group->record_seq = seq;
    group->modern->epoch = saved.epoch;
    group->modern->hash = saved.hash;
    return RILL_OK;
}

static int load_names(ri_modern_member *member, ri_groups_reader *r)
{
    const ri_host *host = member->group->groups->host;
    size_t n = ri_groups_record_count(r, RI_LIMIT_GROUP_SUBSCRIPTIONS);
    ri_str *names = ri_alloc(host, ri_size_mul(n, sizeof *names));
    if (!names && n) return RILL_ENOMEM;
    int rc = RILL_OK;
    for (size_t i = 0; i < n && rc >= 0; i++) rc = ri_groups_record_name(r, &names[i]);
    if (rc >= 0) rc = ri_modern_subscribe(member, names, n);
    ri_free(host, names, n * sizeof *names);
    return RI_MIN(rc, 0);
}

static int load_topic(ri_modern_member *member, ri_groups_reader *r, ri_modern_set *set)
{
    ri_group *group = member->group;
    ri_groups_saved_topic saved;
    ri_modern_part part = {NULL, 0, 0};
    int rc = ri_groups_record_topic(r, &saved);
    if (rc < 0) return rc;
    part.topic = ri_modern_topic_of(group, (const uint8_t *)saved.id.ptr);
    if (!part.topic) return RILL_ENOMEM;
    for (uint64_t i = 0; i < saved.partitions && rc >= 0; i++)
        if ((rc = ri_groups_record_part(r, &part.partition, &part.epoch)) >= 0)
            rc = ri_modern_set_push(group->groups->host, set, part);
    return rc;
}

static int load_set(ri_modern_member *member, ri_groups_reader *r, ri_modern_set *set)
{
    uint64_t n = ri_groups_record_count(r, RI_LIMIT_GROUP_PARTITIONS);
    int rc = RILL_OK;
    for (uint64_t i = 0; i < n && rc >= 0; i++) rc = load_topic(member, r, set);
    ri_modern_set_sort(set);
    return rc;
}

/* What it has is what it shall have, until that is computed anew. */
static int load_target(ri_modern_member *member)
{
    const ri_host *host = member->group->groups->host;
    ri_modern_set target = {0};
    int rc = RILL_OK;
    for (uint32_t i = 0; i < member->assigned.n && rc >= 0; i++)
        rc = ri_modern_set_push(host, &target, member->assigned.parts[i]);
    if (rc >= 0) ri_modern_set_target(member, &target);
    ri_modern_set_fini(host, &target);
    return rc;
}

/* Topics that nothing refers to any more, behind one that was read in vain. */
static void load_let_topics_go(ri_group *group)
{
    ri_modern *modern = group->modern;
    for (bool any = true; any;) {
        any = false;
        ri_map_each (item, &modern->topics) {
            ri_modern_topic *topic = item;
            if (topic->refs > 0) continue;
            ri_modern_topic_drop(group, topic);
            any = true;
            break; /* the map is another now */
        }
    }
}

static int load_sets(ri_modern_member *member, ri_groups_reader *r)
{
    const ri_host *host = member->group->groups->host;
    ri_modern_set assigned = {0}, revoking = {0};
    int rc = load_set(member, r, &assigned);
    if (rc >= 0) rc = load_set(member, r, &revoking);
    if (rc >= 0) rc = ri_modern_set_parts(member, &assigned, &revoking);
    ri_modern_set_fini(host, &assigned);
    ri_modern_set_fini(host, &revoking);
    return rc < 0 ? rc : load_target(member);
}

static int load_known(ri_modern_member *member, ri_groups_reader *r)
{
    ri_group_protocol protocols[RI_LIMIT_GROUP_PROTOCOLS];
    ri_group_join join = {.protocols = protocols};
    int rc = ri_groups_record_known(r, &join.session_ms, protocols, &join.nprotocols);
    return rc < 0 ? rc : ri_modern_speak(member, &join);
}

static int load_modern_parts(ri_modern_member *member, const ri_groups_saved_modern_member *saved,
                             bool speaks, ri_groups_reader *r)
{
    ri_str assignor = RI_STR_NONE;
    if (saved->assignor.ptr) ri_modern_assignor_of(saved->assignor, &assignor);
    ri_modern_prefer(member, assignor);
    member->rebalance_ms = saved->rebalance_ms;
    member->epoch = saved->epoch;
    member->previous = saved->previous;
    member->state = (ri_modern_state)saved->state;
    int rc = load_names(member, r);
    if (rc >= 0) rc = load_sets(member, r);
    return rc < 0 || !speaks ? rc : load_known(member, r);
}

static int load_skim_topic(ri_groups_reader *r)
{
    ri_groups_saved_topic saved;
    int32_t partition, epoch;
    int rc = ri_groups_record_topic(r, &saved);
    for (uint64_t i = 0; rc >= 0 && i < saved.partitions; i++)
        rc = ri_groups_record_part(r, &partition, &epoch);
    return rc;
}

/* Can the rest of a member's record be read? Asked before anything of the group is another. */
static int load_skim(ri_groups_reader r, bool speaks)
{
    ri_group_protocol protocols[RI_LIMIT_GROUP_PROTOCOLS];
    int32_t session_ms;
    size_t known;
    ri_str name;
    int rc = RILL_OK;
    uint64_t n = ri_groups_record_count(&r, RI_LIMIT_GROUP_SUBSCRIPTIONS);
    for (uint64_t i = 0; rc >= 0 && i < n; i++) rc = ri_groups_record_name(&r, &name);
    for (int sets = 0; sets < 2; sets++) {
        n = ri_groups_record_count(&r, RI_LIMIT_GROUP_PARTITIONS);
        for (uint64_t i = 0; rc >= 0 && i < n; i++) rc = load_skim_topic(&r);
    }
    if (rc >= 0 && speaks) rc = ri_groups_record_known(&r, &session_ms, protocols, &known);
    return rc < 0 ? rc : ri_groups_record_end(&r);
}

static int load_modern_member(ri_groups *groups, uint64_t seq, bool speaks, ri_groups_reader *r)
{
    ri_groups_saved_modern_member saved;
    ri_group *group;
    ri_modern_member *member, *twin;
    int rc = ri_groups_record_modern_member(r, &saved);
    if (rc < 0 || (rc = load_skim(*r, speaks)) < 0) return rc;
    if ((rc = load_modern_group(groups, saved.group, &group)) < 0) return rc;
    if ((member = ri_modern_find(group, saved.id)) != NULL) ri_modern_remove(member);
    twin = ri_modern_find_static(group, saved.instance);
    if (twin) ri_modern_remove(twin); /* whose place was taken over */
    ri_group_pulse pulse = {.instance = saved.instance, .rack = saved.rack,
                            .client_id = saved.client_id, .client_host = saved.client_host};
    if ((rc = ri_modern_add(group, &pulse, saved.id, &member)) < 0) return rc;
    rc = load_modern_parts(member, &saved, speaks, r);
    if (rc < 0) ri_modern_remove(member);
    else member->record_seq = seq;
    load_let_topics_go(group);
    return rc;
}

/* The targets of modern groups are not known: they are computed anew, for an epoch that no member
 * has seen. */
static void load_begin_epochs(ri_groups *groups)
{
    ri_list_each (link, &groups->all) {
        ri_group *group = ri_container_of(link, ri_group, link);
        ri_modern *modern = group->modern;
        if (!modern && group->unled) ri_classic_prepare(group);
        group->unled = false;
        if (!modern) continue;
        ri_list_each (at, &modern->members) {
            ri_modern_member *member = ri_container_of(at, ri_modern_member, link);
            modern->epoch = RI_MAX(modern->epoch, member->epoch);
            ri_modern_renew(member);
            if (member->state == RI_MODERN_UNREVOKED)
                ri_groups_arm(groups, &member->revoke, member->rebalance_ms);
        }
        if (ri_modern_size(group) == 0) modern->assignment_epoch = modern->epoch;
        else if (modern->epoch < INT32_MAX) modern->epoch++;
        modern->dirty = ri_modern_size(group) > 0;
    }
}

static int load_record(ri_groups *groups, const ri_record *record)
{
    ri_groups_reader r;
    char kind = ri_groups_record_kind(record->data, &r);
    if (kind == RI_GROUPS_CLASSIC) return load_group(groups, record->seq, &r);
    if (kind == RI_GROUPS_OFFSET) return load_offset(groups, record->seq, &r);
    if (kind == RI_GROUPS_GRAVE) return load_grave(groups, record->seq, &r);
    if (kind == RI_GROUPS_MODERN) return load_modern(groups, record->seq, &r);
    if (kind == RI_GROUPS_MEMBER) return load_modern_member(groups, record->seq, false, &r);
    if (kind == RI_GROUPS_SPEAKER) return load_modern_member(groups, record->seq, true, &r);
    return ri_err(RILL_EPROTO, "it is of a kind that this version does not know: %d", kind);
}

int ri_groups_load(ri_groups *groups)
{
    ri_track_opts opts = {0};
    ri_cursor cursor;
    ri_record record = {0};
    if (!groups->log) return RILL_OK;
    int rc = ri_log_track(groups->log, RI_JS_TRACK_GROUPS, &opts, &groups->track);
    if (rc < 0) return rc;
    ri_cursor_init(&cursor, groups->track);
    for (uint64_t from = 1; (rc = ri_cursor_next(&cursor, from, NULL, &record)) != 0;) {
        from = record.seq + 1;
        if (rc > 0) rc = load_record(groups, &record);
        if (rc < 0 && !load_passes_over(groups, rc, record.seq)) break;
    }
    ri_cursor_fini(&cursor);
    if (rc == 0) load_begin_epochs(groups);
    return RI_MIN(rc, 0);
}
