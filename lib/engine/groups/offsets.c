/* SPDX-License-Identifier: Apache-2.0 */
/* The offsets that a group has committed: by topic, and in it by partition. Each has one record in
 * the track, which the next commit takes the place of.
 *
 *     ri_group.topics --> ri_offset_topic --> ri_offset      in the order of their first commits
 *
 * An offset is of the topic that had its name when it was committed: it keeps that topic's id, and
 * who asks for another topic of the same name does not find it. */
#include "engine/groups/modern.h"
#include "engine/groups/subscription.h"

enum { /* bytes, beside those that are known: entries of maps and lists */
    OFFSETS_TOPIC_BYTES = 192,
    OFFSETS_OFFSET_BYTES = 48,
};
enum { OFFSETS_SCAN_BYTES = 64 }; /* of subscriptions that are looked through in a visit */

static bool offsets_same_topic(const void *item, const void *key)
{
    const ri_offset_topic *topic = item;
    return ri_str_eq((ri_str){topic->name, topic->name_len}, *(const ri_str *)key);
}

static bool offsets_same(const void *item, const void *key)
{
    return ((const ri_offset *)item)->partition == *(const int32_t *)key;
}

static uint64_t offsets_hash(int32_t partition)
{
    return ri_hash_number((uint32_t)partition);
}

/* ---- Finding ---- */

ri_offset_topic *ri_offsets_topic(const ri_group *group, ri_str name)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    return ri_map_get(&group->topics_by_name, ri_hash(name), &name);
}

ri_offset *ri_offsets_find(const ri_offset_topic *topic, int32_t partition)
{
    return topic ? ri_map_get(&topic->by_partition, offsets_hash(partition), &partition) : NULL;
}

bool ri_offsets_is_of(const ri_offset *offset, const uint8_t *topic_id)
{
    static const uint8_t none[RI_GROUP_TOPIC_ID];
    return memcmp(offset->topic_id, topic_id, sizeof none) == 0 ||
           memcmp(offset->topic_id, none, sizeof none) == 0 ||
           memcmp(topic_id, none, sizeof none) == 0;
}

/* ---- Coming and going ---- */

static int offsets_hold(ri_group *group, uint64_t add, uint64_t take)
{
    RI_ASSERT(group->offsets_held + add >= take);
    return ri_groups_hold(group->groups, &group->offsets_held,
                          group->offsets_held + add - take);
}

static uint64_t offsets_topic_bytes(const ri_offset_topic *topic)
{
    return sizeof *topic + OFFSETS_TOPIC_BYTES + topic->name_len;
}

static uint64_t offsets_bytes(const ri_offset *offset)
{
    return sizeof *offset + OFFSETS_OFFSET_BYTES + offset->metadata.len;
}

static void offsets_free_topic(ri_offset_topic *topic)
{
    const ri_host *host = topic->group->groups->host;
    RI_ASSERT(ri_list_empty(&topic->offsets));
    ri_map_fini(&topic->by_partition);
    if (topic->name) ri_free(host, topic->name, topic->name_len + 1);
    ri_delete(host, topic);
}

static int offsets_make_topic(ri_group *group, ri_str name, ri_offset_topic **out)
{
    const ri_host *host = group->groups->host;
    ri_offset_topic *topic = ri_new(host, ri_offset_topic);
    if (!topic) return RILL_ENOMEM;
    topic->group = group;
    topic->name_len = name.len;
    ri_list_init(&topic->link);
    ri_list_init(&topic->offsets);
    ri_map_init(&topic->by_partition, host, offsets_same);
    topic->name = ri_strdup(host, name.ptr, name.len);
    int rc = topic->name ? offsets_hold(group, offsets_topic_bytes(topic), 0) : RILL_ENOMEM;
    if (rc >= 0 && (rc = ri_map_put(&group->topics_by_name, ri_hash(name), topic)) < 0)
        offsets_hold(group, 0, offsets_topic_bytes(topic));
    if (rc < 0) {
        offsets_free_topic(topic);
        return rc;
    }
    ri_list_push(&group->topics, &topic->link);
    *out = topic;
    return RILL_OK;
}

/* Walks that stand at it go on behind it. */
static void offsets_pass(ri_group *group, const ri_list *topic, const ri_list *offset)
{
    ri_list_each (link, &group->walks) {
        ri_offsets_walk *walk = ri_container_of(link, ri_offsets_walk, link);
        if (offset && walk->offset == offset) walk->offset = offset->next;
        if (topic && walk->topic == topic) {
            walk->topic = topic->next;
            walk->offset = NULL;
        }
    }
}

static void offsets_drop_topic(ri_offset_topic *topic)
{
    ri_group *group = topic->group;
    ri_str name = {topic->name, topic->name_len};
    offsets_pass(group, &topic->link, NULL);
    ri_map_take(&group->topics_by_name, ri_hash(name), &name);
    ri_list_remove(&topic->link);
    offsets_hold(group, 0, offsets_topic_bytes(topic));
    offsets_free_topic(topic);
}

void ri_offsets_free(ri_offset *offset)
{
    ri_offset_topic *topic = offset->topic;
    ri_group *group = topic->group;
    RI_ASSERT(ri_offsets_find(topic, offset->partition) == offset && group->noffsets > 0);
    offsets_pass(group, NULL, &offset->link);
    ri_map_take(&topic->by_partition, offsets_hash(offset->partition), &offset->partition);
    ri_list_remove(&offset->link);
    offsets_hold(group, 0, offsets_bytes(offset));
    if (offset->metadata.len)
        ri_free(group->groups->host, (char *)(uintptr_t)offset->metadata.ptr,
                offset->metadata.len);
    ri_delete(group->groups->host, offset);
    group->noffsets--;
    if (ri_list_empty(&topic->offsets)) offsets_drop_topic(topic);
}

int ri_offsets_drop(ri_offset *offset)
{
    int rc = ri_groups_write_gone_offset(offset);
    if (rc >= 0) ri_offsets_free(offset);
    return rc;
}

static int offsets_make_in(ri_offset_topic *topic, int32_t partition, ri_offset **out)
{
    ri_group *group = topic->group;
    if (group->noffsets >= RI_LIMIT_GROUP_OFFSETS && !group->groups->loading)
        return ri_err(RILL_EFULL, "the group has committed %d offsets", RI_LIMIT_GROUP_OFFSETS);
    ri_offset *offset = ri_new(group->groups->host, ri_offset);
    if (!offset) return RILL_ENOMEM;
    *offset = (ri_offset){.topic = topic, .partition = partition, .metadata = RI_STR("")};
    int rc = offsets_hold(group, offsets_bytes(offset), 0);
    if (rc >= 0 && (rc = ri_map_put(&topic->by_partition, offsets_hash(partition), offset)) < 0)
        offsets_hold(group, 0, offsets_bytes(offset));
    if (rc < 0) {
        ri_delete(group->groups->host, offset);
        return rc;
    }
    ri_list_push(&topic->offsets, &offset->link);
    group->noffsets++;
    *out = offset;
    return RILL_OK;
}

/* One that is there, or a new one without a record. */
int ri_offsets_make(ri_group *group, ri_str name, int32_t partition, ri_offset **out)
{
    ri_offset_topic *topic = ri_offsets_topic(group, name);
    int rc = RILL_OK;
    if ((*out = ri_offsets_find(topic, partition)) != NULL) return RILL_OK;
    if (!topic && (rc = offsets_make_topic(group, name, &topic)) < 0) return rc;
    rc = offsets_make_in(topic, partition, out);
    if (rc < 0 && ri_list_empty(&topic->offsets)) offsets_drop_topic(topic);
    return rc;
}

/* All that may fail comes before the record, and the record before the rest. */
int ri_offsets_set(ri_offset *offset, const ri_offset *as, ri_str metadata, bool writes)
{
    ri_group *group = offset->topic->group;
    const ri_host *host = group->groups->host;
    ri_offset next = *as, was = *offset;
    char *copy = ri_alloc(host, metadata.len);
    if (!copy && metadata.len) return RILL_ENOMEM;
    next.topic = offset->topic;
    next.partition = offset->partition;
    next.metadata = metadata;
    int rc = offsets_hold(group, metadata.len, was.metadata.len);
    if (rc >= 0 && writes && (rc = ri_groups_write_offset(&next, &offset->record_seq)) < 0)
        offsets_hold(group, was.metadata.len, metadata.len);
    if (rc < 0) {
        if (copy) ri_free(host, copy, metadata.len);
        return rc;
    }
    if (copy) memcpy(copy, metadata.ptr, metadata.len);
    if (was.metadata.len) ri_free(host, (char *)(uintptr_t)was.metadata.ptr, was.metadata.len);
    memcpy(offset->topic_id, next.topic_id, sizeof offset->topic_id);
    offset->offset = next.offset;
    offset->leader_epoch = next.leader_epoch;
    offset->commit_ns = next.commit_ns;
    offset->expire_ns = next.expire_ns;
    offset->metadata = (ri_str){copy ? copy : "", metadata.len};
    offset->known = true;
    return RILL_OK;
}

/* ---- Walks ---- */

void ri_offsets_walk_begin(ri_group *group, ri_offsets_walk *walk)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    ri_list_push(&group->walks, &walk->link);
    walk->topic = group->topics.next;
    walk->offset = NULL;
}

bool ri_offsets_walk_begin_at(ri_group *group, ri_offsets_walk *walk, ri_str name)
{
    ri_offset_topic *topic = ri_offsets_topic(group, name);
    if (!topic) return false;
    ri_offsets_walk_begin(group, walk);
    walk->topic = &topic->link;
    return true;
}

/* Topic by topic; one that is made behind the walk is met, one before it is not. */
ri_offset *ri_offsets_walk_next(ri_group *group, ri_offsets_walk *walk)
{
    RI_ASSERT(ri_list_linked(&walk->link));
    while (walk->topic != &group->topics) {
        ri_offset_topic *topic = ri_container_of(walk->topic, ri_offset_topic, link);
        if (!walk->offset) walk->offset = topic->offsets.next;
        if (walk->offset != &topic->offsets) {
            ri_offset *offset = ri_container_of(walk->offset, ri_offset, link);
            walk->offset = offset->link.next;
            return offset;
        }
        walk->topic = topic->link.next;
        walk->offset = NULL;
    }
    return NULL;
}

void ri_offsets_walk_end(ri_offsets_walk *walk)
{
    ri_list_remove(&walk->link);
}

/* ---- Subscriptions ---- */

static bool offsets_is_consumer(const ri_group *group)
{
    return group->protocol_type.ptr && ri_str_is(group->protocol_type, "consumer");
}

/* 1: it reads the topic; 0: it does not; -1: nobody can say. */
static int offsets_member_reads(const ri_classic_member *member, ri_str name)
{
    ri_subscription_reader r;
    ri_str topic, metadata = ri_classic_metadata(member);
    int rc;
    ri_groups_spend(member->group->groups, metadata.len / OFFSETS_SCAN_BYTES);
    if (!ri_subscription_begin(&r, metadata)) return -1;
    while ((rc = ri_subscription_topic(&r, &topic)) > 0)
        if (ri_str_eq(topic, name)) return 1;
    return rc;
}

bool ri_offsets_is_subscribed(ri_group *group, ri_str topic)
{
    bool reads = false;
    if (group->modern) return ri_modern_is_subscribed(group, topic);
    if (!offsets_is_consumer(group)) return false;
    ri_list_each (link, &group->members) {
        int rc = offsets_member_reads(ri_container_of(link, ri_classic_member, link), topic);
        if (rc < 0) return true; /* who does not know keeps them */
        reads = reads || rc > 0;
    }
    return reads;
}

/* ---- Time ---- */

/* Since when an offset is of no use; INT64_MAX: it is of use. */
static int64_t offsets_since_ns(ri_group *group, const ri_offset *offset)
{
    if (group->modern || !group->protocol_type.ptr) return offset->commit_ns;
    if (group->state == RI_CLASSIC_EMPTY) return group->state_since_ns;
    bool stable = group->state == RI_CLASSIC_STABLE && offsets_is_consumer(group);
    return stable ? offset->commit_ns : INT64_MAX;
}

static bool offsets_is_over(ri_group *group, const ri_offset *offset)
{
    const ri_groups *groups = group->groups;
    int64_t since_ns = offsets_since_ns(group, offset);
    if (since_ns == INT64_MAX) return false;
    if (offset->expire_ns != INT64_MAX) return groups->wall_ns >= offset->expire_ns;
    return ri_ns_sub(groups->wall_ns, since_ns) >= ri_ns_of_ms(groups->conf.retention_ms);
}

/* Of all of a group, from the walk's place on: true if it is cut. Topics that the group reads are
 * looked for once for each, when the walk comes to its first offset that is over. */
bool ri_offsets_expire_some(ri_group *group, ri_offsets_walk *walk)
{
    ri_budget *budget = &group->groups->router->budget;
    ri_offset *offset;
    while ((offset = ri_offsets_walk_next(group, walk)) != NULL) {
        const ri_offset_topic *topic = offset->topic;
        if (offsets_is_over(group, offset)) {
            if (ri_offsets_is_subscribed(group, (ri_str){topic->name, topic->name_len})) {
                walk->topic = topic->link.next;
                walk->offset = NULL;
            } else {
                ri_offsets_drop(offset);
            }
        }
        if (!ri_budget_spend(budget, 1)) return true;
    }
    return false;
}

/* Those of a topic that is no more, from the walk's place in it on: true if it is cut. */
bool ri_offsets_drop_topic_some(ri_group *group, ri_offsets_walk *walk, ri_str name,
                                const uint8_t *topic_id)
{
    ri_budget *budget = &group->groups->router->budget;
    ri_offset *offset;
    while ((offset = ri_offsets_walk_next(group, walk)) != NULL) {
        if (!ri_str_eq((ri_str){offset->topic->name, offset->topic->name_len}, name)) break;
        if (ri_offsets_is_of(offset, topic_id)) ri_offsets_drop(offset);
        if (!ri_budget_spend(budget, 1)) return true;
    }
    return false;
}

/* What the log does not let go stays in it, and is dead when it is read again. */
bool ri_offsets_drop_some(ri_group *group)
{
    ri_budget *budget = &group->groups->router->budget;
    RI_ASSERT(group->state == RI_CLASSIC_DEAD);
    while (group->noffsets > 0) {
        ri_offset_topic *topic = ri_container_of(group->topics.next, ri_offset_topic, link);
        ri_offset *offset = ri_container_of(topic->offsets.next, ri_offset, link);
        if (ri_groups_write_gone_offset(offset) < 0) group->stays = true;
        ri_offsets_free(offset);
        if (!ri_budget_spend(budget, 1) && group->noffsets > 0) return true;
    }
    return false;
}

void ri_offsets_init(ri_group *group)
{
    ri_list_init(&group->topics);
    ri_list_init(&group->walks);
    ri_map_init(&group->topics_by_name, group->groups->host, offsets_same_topic);
}

void ri_offsets_clear(ri_group *group)
{
    while (!ri_list_empty(&group->topics)) {
        ri_offset_topic *topic = ri_container_of(group->topics.next, ri_offset_topic, link);
        ri_offsets_free(ri_container_of(topic->offsets.next, ri_offset, link));
    }
    RI_ASSERT(group->noffsets == 0);
}

void ri_offsets_fini(ri_group *group)
{
    RI_ASSERT(ri_list_empty(&group->walks));
    ri_offsets_clear(group); /* of one that was dying when all was closed */
    ri_map_fini(&group->topics_by_name);
}
