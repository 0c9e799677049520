/* SPDX-License-Identifier: Apache-2.0 */
/* What the log knows of groups, when they are opened. Records come in the order in which they were
 * written. Each group is put together as its record says; one that stands there twice, since its
 * older record could not be removed, is that of the later. */
#include "engine/groups/groups_state.h"

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
    if (group->state == RI_CLASSIC_STABLE) ri_classic_choose(group, ri_classic_elect(group));
}

/* As it is before anything is known of its members. */
static void load_clear(ri_group *group)
{
    ri_classic_clear(group, RI_GROUP_NOT_COORDINATOR);
    ri_classic_choose(group, NULL);
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

static int load_record(ri_groups *groups, const ri_record *record)
{
    ri_groups_reader r;
    char kind = ri_groups_record_kind(record->data, &r);
    if (kind == RI_GROUPS_CLASSIC) return load_group(groups, record->seq, &r);
    if (kind == RI_GROUPS_OFFSET) return load_offset(groups, record->seq, &r);
    if (kind == RI_GROUPS_GRAVE) return load_grave(groups, record->seq, &r);
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
    return RI_MIN(rc, 0);
}
