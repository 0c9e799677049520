/* SPDX-License-Identifier: Apache-2.0 */
/* What members of a modern group that speak the classic protocol say and are answered, in their
 * own words: their metadata is read as if a heartbeat had said it, and what they have is written as
 * an assignment that a leader could have made. */
#include "engine/groups/modern.h"
#include "engine/groups/subscription.h"

static bool classic_topic(const ri_groups *groups, ri_str name, ri_groups_topic *out)
{
    return groups->topics && groups->topics->by_name(groups->topics_arg, name, out);
}

/* ---- What it knows ---- */

ri_str ri_modern_protocol(const ri_modern_member *member)
{
    RI_ASSERT(member->classic && member->known.n > 0);
    const ri_classic_protocol *protocol = member->known.known[0].protocol;
    return (ri_str){protocol->name, protocol->len};
}

ri_str ri_modern_metadata(const ri_modern_member *member)
{
    RI_ASSERT(member->classic && member->known.n > 0);
    return member->known.known[0].metadata;
}

bool ri_modern_supports(const ri_group *group, const ri_group_join *join)
{
    RI_ASSERT(group->modern);
    return ri_str_is(join->protocol_type, "consumer") &&
           ri_classic_shares(group, join, group->modern->nclassic);
}

int ri_modern_speak(ri_modern_member *member, const ri_group_join *join)
{
    ri_group *group = member->group;
    ri_classic_block block;
    RI_ASSERT(group->modern && join->nprotocols > 0);
    int rc = ri_classic_block_init(group, join, &block);
    if (rc < 0) return rc;
    if ((rc = ri_modern_hold_known(member, block.len)) < 0) {
        ri_classic_block_fini(group, &block);
        return rc;
    }
    RI_ASSERT(group->member_bytes >= member->known.len);
    group->member_bytes += block.len - member->known.len;
    if (member->classic) ri_classic_block_fini(group, &member->known);
    else group->modern->nclassic++;
    member->known = block;
    member->classic = true;
    member->session_ms = join->session_ms;
    member->dirty = true;
    return RILL_OK;
}

void ri_modern_mute(ri_modern_member *member)
{
    ri_group *group = member->group;
    if (!member->classic) return;
    RI_ASSERT(group->modern->nclassic > 0 && group->member_bytes >= member->known.len);
    ri_modern_hold_known(member, 0); /* less than before: it is there */
    group->member_bytes -= member->known.len;
    group->modern->nclassic--;
    ri_classic_block_fini(group, &member->known);
    member->known = (ri_classic_block){0};
    member->classic = false;
    ri_groups_disarm(group->groups, &member->sync);
    ri_groups_disarm(group->groups, &member->revoke);
}

/* ---- Metadata ---- */

typedef struct classic_counts {
    size_t names, topics, partitions;
} classic_counts;

static bool classic_count(ri_str metadata, classic_counts *n, ri_str *rack)
{
    ri_subscription_reader r;
    ri_str topic, partitions;
    int rc;
    if (!ri_subscription_begin(&r, metadata)) return false;
    while ((rc = ri_subscription_topic(&r, &topic)) == 1) n->names++;
    if (rc < 0 || !ri_subscription_begin_owned(&r)) return false;
    while ((rc = ri_subscription_parts(&r, &topic, &partitions)) == 1) {
        n->topics++;
        n->partitions += ri_subscription_count(partitions);
    }
    return rc == 0 && ri_subscription_end(&r, rack);
}

/* Topics that are not there are left out. */
static void classic_fill(const ri_groups *groups, ri_str metadata, const classic_counts *n,
                         ri_modern_says *says)
{
    ri_group_pulse *pulse = &says->pulse;
    ri_str *names = (ri_str *)(void *)says->block, topic, partitions;
    ri_group_topic_partitions *owned = (ri_group_topic_partitions *)(void *)(names + n->names);
    int32_t *partition = (int32_t *)(void *)(owned + n->topics);
    uint8_t *id = (uint8_t *)(partition + n->partitions);
    ri_subscription_reader r;
    ri_groups_topic found;
    pulse->topics = names;
    pulse->owned = owned;
    ri_subscription_begin(&r, metadata);
    while (ri_subscription_topic(&r, &topic) == 1) names[pulse->ntopics++] = topic;
    ri_subscription_begin_owned(&r);
    while (ri_subscription_parts(&r, &topic, &partitions) == 1) {
        size_t count = ri_subscription_count(partitions);
        if (!classic_topic(groups, topic, &found)) continue;
        memcpy(id, found.id, RI_GROUP_TOPIC_ID);
        owned[pulse->nowned++] = (ri_group_topic_partitions){id, partition, count};
        for (size_t i = 0; i < count; i++) *partition++ = ri_subscription_partition(partitions, i);
        id += RI_GROUP_TOPIC_ID;
    }
}

int ri_modern_listen(ri_groups *groups, ri_str metadata, ri_modern_says *says)
{
    classic_counts n = {0, 0, 0};
    *says = (ri_modern_says){.pulse = {.says_topics = true, .says_owned = true}};
    if (!classic_count(metadata, &n, &says->pulse.rack))
        return ri_err(RILL_EPROTO, "the metadata is no subscription of a consumer");
    if (n.names > RI_LIMIT_GROUP_SUBSCRIPTIONS || n.topics > RI_LIMIT_GROUP_PARTITIONS ||
        n.partitions > RI_LIMIT_GROUP_PARTITIONS)
        return ri_err(RILL_ETOOBIG, "the subscription of a consumer is too long");
    if (says->pulse.rack.len == 0) says->pulse.rack = RI_STR_NONE;
    says->size = n.names * sizeof(ri_str) + n.topics * sizeof(ri_group_topic_partitions) +
                 n.partitions * sizeof(int32_t) + n.topics * RI_GROUP_TOPIC_ID + 1;
    says->block = ri_alloc(groups->host, says->size);
    if (!says->block) return RILL_ENOMEM;
    ri_groups_spend(groups, 2 * (n.names + n.topics) + n.partitions);
    classic_fill(groups, metadata, &n, says);
    RI_ASSERT(says->pulse.ntopics == n.names && says->pulse.nowned <= n.topics);
    return RILL_OK;
}

void ri_modern_says_fini(const ri_groups *groups, ri_modern_says *says)
{
    if (says->block) ri_free(groups->host, says->block, says->size);
    says->block = NULL;
}

/* ---- Assignments ---- */

static int classic_take_parts(ri_group *group, ri_str name, ri_str partitions, int32_t epoch,
                              ri_modern_set *out)
{
    ri_groups_topic found;
    if (!classic_topic(group->groups, name, &found)) return RILL_OK;
    ri_modern_part part = {ri_modern_find_topic(group, found.id), 0, epoch};
    int rc = RILL_OK;
    size_t n = ri_subscription_count(partitions);
    for (size_t i = 0; i < n && rc >= 0; i++) {
        part.partition = ri_subscription_partition(partitions, i);
        if (part.partition < 0 || part.partition >= found.partitions ||
            part.partition >= RI_LIMIT_GROUP_PARTITIONS ||
            (part.topic && ri_modern_owner(part.topic, part.partition)))
            continue;
        if (!part.topic && !(part.topic = ri_modern_topic_of(group, found.id))) return RILL_ENOMEM;
        rc = ri_modern_set_push(group->groups->host, out, part);
    }
    return rc;
}

int ri_modern_take_assignment(ri_group *group, ri_str bytes, int32_t epoch, ri_modern_set *out)
{
    ri_subscription_reader r;
    ri_str name, partitions, user_data;
    int rc, added = RILL_OK;
    if (bytes.len == 0) return RILL_OK; /* it has not been given one yet */
    ri_groups_spend(group->groups, bytes.len / 4);
    if (!ri_subscription_begin_assignment(&r, bytes)) return RILL_EPROTO;
    while (added >= 0 && (rc = ri_subscription_parts(&r, &name, &partitions)) == 1)
        added = classic_take_parts(group, name, partitions, epoch, out);
    ri_modern_set_sort(out);
    if (added < 0) return added;
    if (rc < 0 || !ri_subscription_end_assignment(&r, &user_data)) return RILL_EPROTO;
    return user_data.len > 0 ? RILL_ENOTSUP : RILL_OK;
}

static bool classic_topic_by_id(const ri_groups *groups, const ri_modern_topic *topic,
                                ri_groups_topic *out)
{
    return groups->topics && groups->topics->by_id(groups->topics_arg, topic->id, out);
}

/* How many of the set, from that one on, are of the same topic. */
static uint32_t classic_run(const ri_modern_set *set, uint32_t from)
{
    uint32_t n = 0;
    while (from + n < set->n && set->parts[from + n].topic == set->parts[from].topic) n++;
    return n;
}

void ri_modern_put_assignment(const ri_groups *groups, const ri_modern_set *set, ri_str metadata,
                              ri_buffer *out)
{
    ri_subscription_reader r;
    ri_groups_topic found;
    size_t topics = 0;
    ri_subscription_begin(&r, metadata); /* whose version it is to have */
    for (uint32_t i = 0; i < set->n; i += classic_run(set, i))
        topics += classic_topic_by_id(groups, set->parts[i].topic, &found);
    ri_subscription_put(out, RI_MAX(r.version, 0), topics);
    for (uint32_t i = 0, n; i < set->n; i += n) {
        n = classic_run(set, i);
        if (!classic_topic_by_id(groups, set->parts[i].topic, &found)) continue;
        ri_subscription_put_topic(out, found.name, n);
        for (uint32_t k = i; k < i + n; k++)
            ri_subscription_put_partition(out, set->parts[k].partition);
    }
    ri_subscription_put_end(out);
}
