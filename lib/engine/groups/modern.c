/* SPDX-License-Identifier: Apache-2.0 */
/* What a modern group has: members, the names that they subscribe, the topics behind these, and who
 * owns which partition. */
#include <stdlib.h>

#include "base/array.h"
#include "engine/groups/modern.h"

enum { /* bytes, beside those that are known: entries of maps, lists and the heap */
    MODERN_MEMBER_BYTES = 256,
    MODERN_NAME_BYTES = 96,
};

/* ---- Finding ---- */

static bool modern_same(const void *item, const void *key)
{
    return ri_str_eq(((const ri_modern_member *)item)->id, *(const ri_str *)key);
}

static bool modern_same_instance(const void *item, const void *key)
{
    return ri_str_eq(((const ri_modern_member *)item)->instance, *(const ri_str *)key);
}

static bool modern_same_name(const void *item, const void *key)
{
    const ri_modern_name *name = item;
    return ri_str_eq((ri_str){name->name, name->len}, *(const ri_str *)key);
}

static bool modern_same_topic(const void *item, const void *key)
{
    return memcmp(((const ri_modern_topic *)item)->id, key, RI_GROUP_TOPIC_ID) == 0;
}

ri_modern_member *ri_modern_find(const ri_group *group, ri_str id)
{
    RI_ASSERT(group->modern);
    return ri_map_get(&group->modern->by_id, ri_hash(id), &id);
}

ri_modern_member *ri_modern_find_static(const ri_group *group, ri_str instance)
{
    RI_ASSERT(group->modern);
    if (!instance.ptr) return NULL;
    return ri_map_get(&group->modern->by_instance, ri_hash(instance), &instance);
}

ri_modern_topic *ri_modern_find_topic(const ri_group *group, const uint8_t *id)
{
    return ri_map_get(&group->modern->topics, ri_hash_bytes(id, RI_GROUP_TOPIC_ID), id);
}

ri_modern_member *ri_modern_owner(const ri_modern_topic *topic, int32_t partition)
{
    RI_ASSERT(partition >= 0);
    return (uint32_t)partition < topic->nowners ? topic->owners[partition] : NULL;
}

bool ri_modern_reads(const ri_modern_member *member, const ri_modern_topic *topic)
{
    uint32_t low = 0, high = member->nreads;
    if (!topic->name) return false;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (member->reads[mid]->number < topic->name->number) low = mid + 1;
        else high = mid;
    }
    return low < member->nreads && member->reads[low] == topic->name;
}

bool ri_modern_is_subscribed(const ri_group *group, ri_str text)
{
    const ri_modern_name *name = ri_map_get(&group->modern->names, ri_hash(text), &text);
    return name && name->subscribers > 0;
}

/* ---- Topics ---- */

ri_modern_topic *ri_modern_topic_of(ri_group *group, const uint8_t *id)
{
    ri_modern *modern = group->modern;
    const ri_host *host = group->groups->host;
    ri_modern_topic *topic = ri_modern_find_topic(group, id);
    if (topic || !(topic = ri_new(host, ri_modern_topic))) return topic;
    memcpy(topic->id, id, sizeof topic->id);
    topic->number = modern->ntopics++;
    if (ri_map_put(&modern->topics, ri_hash_bytes(id, RI_GROUP_TOPIC_ID), topic) >= 0) return topic;
    ri_delete(host, topic);
    return NULL;
}

void ri_modern_topic_drop(ri_group *group, ri_modern_topic *topic)
{
    const ri_host *host = group->groups->host;
    if (topic->refs > 0) return;
    RI_ASSERT(!topic->name);
    ri_map_take(&group->modern->topics, ri_hash_bytes(topic->id, RI_GROUP_TOPIC_ID), topic->id);
    ri_free(host, topic->owners, topic->nowners * sizeof *topic->owners);
    ri_delete(host, topic);
}

static void modern_topic_leave(ri_group *group, ri_modern_topic *topic)
{
    RI_ASSERT(topic->refs > 0);
    topic->refs--;
    ri_modern_topic_drop(group, topic);
}

/* Room to say who owns the partition. */
static int modern_topic_room(ri_group *group, ri_modern_topic *topic, int32_t partition)
{
    RI_ASSERT(partition >= 0 && partition < RI_LIMIT_GROUP_PARTITIONS);
    if ((uint32_t)partition < topic->nowners) return RILL_OK;
    size_t was = topic->nowners;
    int rc = ri_array_reserve(group->groups->host, &topic->owners, &topic->nowners,
                              (size_t)partition + 1, sizeof *topic->owners);
    if (rc >= 0)
        memset(topic->owners + was, 0, (topic->nowners - was) * sizeof *topic->owners);
    return rc;
}

/* ---- Names ---- */

static void modern_name_set_topic(ri_group *group, ri_modern_name *name, ri_modern_topic *topic)
{
    ri_modern_topic *was = name->topic;
    if (was == topic) return;
    if (topic) {
        if (topic->name) topic->name->topic = NULL, topic->refs--;
        topic->refs++;
        topic->name = name;
    }
    name->topic = topic;
    if (!was) return;
    was->name = NULL;
    modern_topic_leave(group, was);
}

static void modern_name_drop(ri_group *group, ri_modern_name *name)
{
    const ri_host *host = group->groups->host;
    ri_str text = {name->name, name->len};
    if (name->subscribers > 0) return;
    modern_name_set_topic(group, name, NULL);
    ri_map_take(&group->modern->names, ri_hash(text), &text);
    ri_free(host, name->name, name->len + 1);
    ri_delete(host, name);
}

/* Which topic has the name now. */
static int modern_name_look_up(ri_group *group, ri_modern_name *name)
{
    const ri_groups *groups = group->groups;
    ri_groups_topic found;
    bool there = groups->topics &&
                 groups->topics->by_name(groups->topics_arg, (ri_str){name->name, name->len},
                                         &found);
    ri_modern_topic *topic = there ? ri_modern_topic_of(group, found.id) : NULL;
    if (there && !topic) return RILL_ENOMEM;
    if (topic) topic->partitions = RI_MIN(found.partitions, RI_LIMIT_GROUP_PARTITIONS);
    modern_name_set_topic(group, name, topic);
    return RILL_OK;
}

static ri_modern_name *modern_name_of(ri_group *group, ri_str text)
{
    ri_modern *modern = group->modern;
    const ri_host *host = group->groups->host;
    ri_modern_name *name = ri_map_get(&modern->names, ri_hash(text), &text);
    if (name || !(name = ri_new(host, ri_modern_name))) return name;
    name->number = modern->nnames++;
    name->len = text.len;
    name->name = ri_strdup(host, text.ptr, text.len);
    if (name->name && ri_map_put(&modern->names, ri_hash(text), name) >= 0) {
        if (modern_name_look_up(group, name) >= 0) return name;
        modern_name_drop(group, name);
        return NULL;
    }
    if (name->name) ri_free(host, name->name, name->len + 1);
    ri_delete(host, name);
    return NULL;
}

/* Of the names that are subscribed and there: which topics, with how many partitions. Their order
 * does not matter. */
static uint64_t modern_hash(const ri_group *group)
{
    uint64_t hash = 0;
    ri_map_each (item, &group->modern->names) {
        const ri_modern_name *name = item;
        if (!name->topic || name->subscribers == 0) continue;
        char id[RI_GROUP_TOPIC_ID + 4];
        memcpy(id, name->topic->id, RI_GROUP_TOPIC_ID);
        memcpy(id + RI_GROUP_TOPIC_ID, &name->topic->partitions, 4);
        hash += ri_hash_plain(id, sizeof id) ^ ri_hash_plain(name->name, name->len);
    }
    return hash;
}

static uint64_t modern_version(const ri_groups *groups)
{
    return groups->topics ? groups->topics->version(groups->topics_arg) : 0;
}

bool ri_modern_is_stale(const ri_group *group)
{
    return !group->modern->looked_up || group->modern->version != modern_version(group->groups);
}

int ri_modern_look_up(ri_group *group)
{
    ri_modern *modern = group->modern;
    if (ri_modern_is_stale(group)) {
        ri_groups_spend(group->groups, 2 * modern->names.len);
        ri_map_each (item, &modern->names) {
            int rc = modern_name_look_up(group, item);
            if (rc < 0) return rc;
        }
        modern->version = modern_version(group->groups);
        modern->looked_up = true;
    }
    uint64_t hash = modern_hash(group);
    if (hash == modern->hash) return 0;
    modern->hash = hash;
    return 1;
}

/* ---- Subscriptions ---- */

static int modern_by_number(const void *a, const void *b)
{
    const ri_modern_name *const *x = a, *const *y = b;
    return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static void modern_drop_reads(ri_group *group, ri_modern_name **reads, uint32_t n, uint32_t cap)
{
    for (uint32_t i = 0; i < n; i++) {
        reads[i]->subscribers--;
        modern_name_drop(group, reads[i]);
    }
    ri_free(group->groups->host, reads, cap * sizeof *reads);
}

static bool modern_same_reads(const ri_modern_member *member, ri_modern_name **reads, uint32_t n)
{
    if (member->nreads != n) return false;
    for (uint32_t i = 0; i < n; i++)
        if (member->reads[i] != reads[i]) return false;
    return true;
}

static void modern_take_reads(ri_modern_member *member, ri_modern_name **reads, uint32_t n,
                              uint32_t cap)
{
    ri_group *group = member->group;
    group->modern->nsubscriptions += n;
    group->modern->nsubscriptions -= member->nreads;
    modern_drop_reads(group, member->reads, member->nreads, member->reads_cap);
    member->reads = reads;
    member->nreads = n;
    member->reads_cap = cap;
}

/* Each name once, by number, each with one subscriber more. */
static int modern_find_names(ri_group *group, const ri_str *names, size_t n,
                             ri_modern_name **reads, uint32_t *found)
{
    for (size_t i = 0; i < n; i++) {
        ri_modern_name *name = modern_name_of(group, names[i]);
        if (!name) return RILL_ENOMEM;
        name->subscribers++;
        reads[(*found)++] = name;
    }
    if (*found < 2) return RILL_OK;
    qsort(reads, *found, sizeof *reads, modern_by_number);
    uint32_t kept = 0;
    for (uint32_t i = 1; i < *found; i++) {
        if (reads[kept] == reads[i]) reads[i]->subscribers--; /* it is there already */
        else reads[++kept] = reads[i];
    }
    *found = kept + 1;
    return RILL_OK;
}

static uint64_t modern_bytes(const ri_modern_member *member, size_t names_len, size_t nreads)
{
    return sizeof *member + MODERN_MEMBER_BYTES + names_len + nreads * MODERN_NAME_BYTES +
           member->known.len;
}

int ri_modern_hold_known(ri_modern_member *member, size_t bytes)
{
    uint64_t others = modern_bytes(member, member->names_len, member->nreads) - member->known.len;
    return ri_groups_hold_member(member->group->groups, &member->held, others + bytes);
}

int ri_modern_subscribe(ri_modern_member *member, const ri_str *names, size_t n)
{
    ri_group *group = member->group;
    const ri_modern *modern = group->modern;
    if (modern->nsubscriptions - member->nreads + n > RI_LIMIT_GROUP_SUBSCRIPTIONS)
        return ri_err(RILL_EFULL, "the members of the group subscribe more than %d topics",
                      RI_LIMIT_GROUP_SUBSCRIPTIONS);
    uint32_t found = 0, cap = (uint32_t)n;
    ri_modern_name **reads = ri_calloc(group->groups->host, ri_size_mul(n, sizeof *reads));
    if (!reads && n) return RILL_ENOMEM;
    ri_groups_spend(group->groups, 2 * n);
    int rc = modern_find_names(group, names, n, reads, &found);
    if (rc >= 0)
        rc = ri_groups_hold_member(group->groups, &member->held,
                            modern_bytes(member, member->names_len, found));
    bool same = rc >= 0 && modern_same_reads(member, reads, found);
    if (rc < 0 || same) {
        modern_drop_reads(group, reads, found, cap);
        return rc < 0 ? rc : 0;
    }
    modern_take_reads(member, reads, found, cap);
    return 1;
}

/* ---- Partitions ---- */

static void modern_ref_parts(const ri_modern_set *set)
{
    for (uint32_t i = 0; i < set->n; i++) set->parts[i].topic->refs++;
}

static void modern_drop_parts(ri_group *group, ri_modern_set *set)
{
    for (uint32_t i = 0; i < set->n; i++) modern_topic_leave(group, set->parts[i].topic);
    ri_modern_set_fini(group->groups->host, set);
}

static void modern_own(ri_modern_member *member, const ri_modern_set *set, bool owns)
{
    for (uint32_t i = 0; i < set->n; i++) {
        ri_modern_member **owner = &set->parts[i].topic->owners[set->parts[i].partition];
        if (owns) *owner = member;
        else if (*owner == member) *owner = NULL;
    }
}

static int modern_room_for(ri_group *group, const ri_modern_set *set)
{
    int rc = RILL_OK;
    for (uint32_t i = 0; i < set->n && rc >= 0; i++)
        rc = modern_topic_room(group, set->parts[i].topic, set->parts[i].partition);
    return rc;
}

int ri_modern_set_parts(ri_modern_member *member, ri_modern_set *assigned,
                        ri_modern_set *revoking)
{
    ri_group *group = member->group;
    int rc = modern_room_for(group, assigned);
    if (rc >= 0) rc = modern_room_for(group, revoking);
    if (rc < 0) return rc;
    ri_modern_set was[] = {member->assigned, member->revoking};
    modern_own(member, &was[0], false);
    modern_own(member, &was[1], false);
    member->assigned = *assigned;
    member->revoking = *revoking;
    *assigned = *revoking = (ri_modern_set){0};
    modern_ref_parts(&member->assigned);
    modern_ref_parts(&member->revoking);
    modern_own(member, &member->assigned, true);
    modern_own(member, &member->revoking, true);
    modern_drop_parts(group, &was[0]);
    modern_drop_parts(group, &was[1]);
    return RILL_OK;
}

void ri_modern_set_target(ri_modern_member *member, ri_modern_set *target)
{
    ri_modern_set was = member->target;
    member->target = *target;
    *target = (ri_modern_set){0};
    modern_ref_parts(&member->target);
    modern_drop_parts(member->group, &was);
}

/* ---- Members ---- */

static ri_str modern_copy_name(char **at, ri_str name)
{
    ri_str copy = {name.ptr ? *at : NULL, name.len};
    *at = ri_str_put(*at, name);
    return copy;
}

/* What the request does not say stays; `id`, and the client are always said. */
static int modern_set_names(ri_modern_member *member, const ri_group_pulse *pulse, ri_str id)
{
    ri_str instance = pulse->instance.ptr ? pulse->instance : member->instance;
    ri_str rack = pulse->rack.ptr ? pulse->rack : member->rack;
    size_t len = id.len + instance.len + rack.len + pulse->client_id.len +
                 pulse->client_host.len + 1;
    char *names = ri_alloc(member->group->groups->host, len), *at = names;
    if (!names) return RILL_ENOMEM;
    int rc = ri_groups_hold_member(member->group->groups, &member->held,
                            modern_bytes(member, len, member->nreads));
    if (rc < 0) {
        ri_free(member->group->groups->host, names, len);
        return rc;
    }
    member->id = modern_copy_name(&at, id);
    member->instance = modern_copy_name(&at, instance);
    member->rack = modern_copy_name(&at, rack);
    member->client_id = modern_copy_name(&at, pulse->client_id);
    member->client_host = modern_copy_name(&at, pulse->client_host);
    if (member->names) ri_free(member->group->groups->host, member->names, member->names_len);
    member->names = names;
    member->names_len = len;
    return RILL_OK;
}

static void modern_session_due(ri_groups_timer *timer)
{
    ri_groups_modern_fence(ri_container_of(timer, ri_modern_member, session));
}

static void modern_revoke_due(ri_groups_timer *timer)
{
    ri_groups_modern_fence(ri_container_of(timer, ri_modern_member, revoke));
}

/* Each that is late goes, whatever it is late with. */
static void modern_sync_due(ri_groups_timer *timer)
{
    ri_groups_modern_fence(ri_container_of(timer, ri_modern_member, sync));
}

void ri_modern_renew(ri_modern_member *member)
{
    ri_groups *groups = member->group->groups;
    ri_groups_arm(groups, &member->session,
                  member->classic ? member->session_ms : groups->conf.modern_session_ms);
}

static void modern_free(ri_modern_member *member)
{
    ri_group *group = member->group;
    ri_groups *groups = group->groups;
    ri_modern_set none[2] = {{0}};
    ri_groups_timer_fini(groups, &member->session);
    ri_groups_timer_fini(groups, &member->revoke);
    ri_groups_timer_fini(groups, &member->sync);
    ri_modern_set_parts(member, &none[0], &none[1]); /* needs no memory */
    ri_modern_set_target(member, &none[0]);
    modern_take_reads(member, NULL, 0, 0);
    ri_groups_hold_member(groups, &member->held, 0);
    if (member->names) ri_free(groups->host, member->names, member->names_len);
    ri_delete(groups->host, member);
}

static int modern_fill(ri_modern_member *member, const ri_group_pulse *pulse, ri_str id)
{
    ri_group *group = member->group;
    ri_modern *modern = group->modern;
    int rc = ri_groups_timer_init(group->groups, &member->session, modern_session_due);
    if (rc < 0) return rc;
    if ((rc = ri_groups_timer_init(group->groups, &member->revoke, modern_revoke_due)) < 0 ||
        (rc = ri_groups_timer_init(group->groups, &member->sync, modern_sync_due)) < 0)
        return rc;
    if ((rc = modern_set_names(member, pulse, id)) < 0) return rc;
    if ((rc = ri_map_put(&modern->by_id, ri_hash(member->id), member)) < 0) return rc;
    if (!member->instance.ptr) return RILL_OK;
    rc = ri_map_put(&modern->by_instance, ri_hash(member->instance), member);
    if (rc < 0) ri_map_take(&modern->by_id, ri_hash(member->id), &member->id);
    return rc;
}

int ri_modern_add(ri_group *group, const ri_group_pulse *pulse, ri_str id,
                  ri_modern_member **out)
{
    RI_ASSERT(!ri_modern_find(group, id) && !ri_modern_find_static(group, pulse->instance));
    ri_modern_member *member = ri_new(group->groups->host, ri_modern_member);
    if (!member) return RILL_ENOMEM;
    member->group = group;
    member->rebalance_ms = -1;
    ri_list_init(&member->link);
    int rc = modern_fill(member, pulse, id);
    if (rc < 0) {
        modern_free(member);
        return rc;
    }
    ri_list_push(&group->modern->members, &member->link);
    *out = member;
    return RILL_OK;
}

/* Its maps are given the new names; there is room, since they have as many as before. */
int ri_modern_rename(ri_modern_member *member, const ri_group_pulse *pulse, ri_str id)
{
    ri_modern *modern = member->group->modern;
    ri_map_take(&modern->by_id, ri_hash(member->id), &member->id);
    if (member->instance.ptr)
        ri_map_take(&modern->by_instance, ri_hash(member->instance), &member->instance);
    bool was_static = member->instance.ptr != NULL;
    int rc = modern_set_names(member, pulse, id);
    ri_map_put(&modern->by_id, ri_hash(member->id), member);
    if (was_static) ri_map_put(&modern->by_instance, ri_hash(member->instance), member);
    return rc;
}

static void modern_unlink(ri_modern_member *member)
{
    ri_modern *modern = member->group->modern;
    RI_ASSERT(ri_modern_find(member->group, member->id) == member);
    ri_modern_prefer(member, RI_STR_NONE);
    ri_modern_mute(member);
    ri_map_take(&modern->by_id, ri_hash(member->id), &member->id);
    if (member->instance.ptr)
        ri_map_take(&modern->by_instance, ri_hash(member->instance), &member->instance);
    ri_list_remove(&member->link);
    modern_free(member);
}

void ri_modern_remove(ri_modern_member *member)
{
    ri_groups_write_gone_member(member);
    modern_unlink(member);
}

/* ---- The group ---- */

ri_str ri_modern_assignor(const ri_group *group)
{
    return group->modern->nrange > group->modern->nuniform ? RI_STR("range") : RI_STR("uniform");
}

void ri_modern_prefer(ri_modern_member *member, ri_str assignor)
{
    ri_modern *modern = member->group->modern;
    ri_str was = member->assignor;
    if (was.ptr) *(ri_str_is(was, "range") ? &modern->nrange : &modern->nuniform) -= 1;
    if (assignor.ptr) *(ri_str_is(assignor, "range") ? &modern->nrange : &modern->nuniform) += 1;
    member->assignor = assignor;
}

const char *ri_modern_state_name(const ri_group *group)
{
    const ri_modern *modern = group->modern;
    if (ri_list_empty(&modern->members)) return "Empty";
    if (modern->epoch > modern->assignment_epoch) return "Assigning";
    ri_list_each (link, &modern->members)
        if (!ri_modern_is_reconciled(ri_container_of(link, ri_modern_member, link)))
            return "Reconciling";
    return "Stable";
}

int ri_modern_open(ri_group *group)
{
    const ri_host *host = group->groups->host;
    RI_ASSERT(!group->modern);
    ri_modern *modern = ri_new(host, ri_modern);
    if (!modern) return RILL_ENOMEM;
    modern->assigned_ns = INT64_MIN;
    ri_list_init(&modern->members);
    ri_map_init(&modern->by_id, host, modern_same);
    ri_map_init(&modern->by_instance, host, modern_same_instance);
    ri_map_init(&modern->names, host, modern_same_name);
    ri_map_init(&modern->topics, host, modern_same_topic);
    group->modern = modern;
    return RILL_OK;
}

void ri_modern_close(ri_group *group, bool erases)
{
    ri_modern *modern = group->modern;
    if (!modern) return;
    while (!ri_list_empty(&modern->members)) {
        ri_modern_member *member = ri_container_of(modern->members.next, ri_modern_member, link);
        if (erases) ri_groups_write_gone_member(member);
        modern_unlink(member);
    }
    ri_groups_hold(group->groups, &modern->held, 0);
    RI_ASSERT(modern->names.len == 0 && modern->topics.len == 0 && modern->nsubscriptions == 0);
    ri_map_fini(&modern->by_id);
    ri_map_fini(&modern->by_instance);
    ri_map_fini(&modern->names);
    ri_map_fini(&modern->topics);
    ri_delete(group->groups->host, modern);
    group->modern = NULL;
}

int ri_modern_save(ri_group *group, ri_modern_member *member)
{
    ri_modern *modern = group->modern;
    int rc = RILL_OK;
    if (modern->dirty) rc = ri_groups_write_group(group);
    if (rc >= 0) modern->dirty = false;
    if (rc >= 0 && member && member->dirty) {
        rc = ri_groups_write_member(member);
        if (rc >= 0) member->dirty = false;
    }
    return rc;
}
