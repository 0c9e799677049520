/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a classic group: their names, the protocols that they know, their assignments.
 *
 * The names of a protocol are few and each member brings all of them, so they are kept once for a
 * group, with the number of members that know each. A protocol can be the group's if that is the
 * number of all; among these each member votes for the one that it named first. */
#include <stdio.h>

#include "engine/groups/groups_state.h"

enum { /* bytes, beside those that are known: entries of maps, lists and the heap */
    MEMBER_BYTES = 192,
};
enum { MEMBER_UUID = 36 }; /* characters */

/* ---- Finding ---- */

static bool member_same(const void *item, const void *key)
{
    return ri_str_eq(((const ri_classic_member *)item)->id, *(const ri_str *)key);
}

static bool member_same_instance(const void *item, const void *key)
{
    return ri_str_eq(((const ri_classic_member *)item)->instance, *(const ri_str *)key);
}

static bool member_same_pending(const void *item, const void *key)
{
    const ri_classic_pending *pending = item;
    return ri_str_eq((ri_str){pending->id, pending->len}, *(const ri_str *)key);
}

static bool member_same_protocol(const void *item, const void *key)
{
    const ri_classic_protocol *protocol = item;
    return ri_str_eq((ri_str){protocol->name, protocol->len}, *(const ri_str *)key);
}

ri_classic_member *ri_classic_find(const ri_group *group, ri_str id)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    return ri_map_get(&group->by_id, ri_hash(id), &id);
}

ri_classic_member *ri_classic_find_static(const ri_group *group, ri_str instance)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC && instance.ptr);
    return ri_map_get(&group->by_instance, ri_hash(instance), &instance);
}

ri_classic_pending *ri_classic_find_pending(const ri_group *group, ri_str id)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    return ri_map_get(&group->pending_by_id, ri_hash(id), &id);
}

ri_group_error ri_classic_check(const ri_group *group, ri_str id, ri_str instance)
{
    const ri_classic_member *member;
    if (instance.ptr) {
        if (!(member = ri_classic_find_static(group, instance))) return RI_GROUP_UNKNOWN_MEMBER;
        if (!ri_str_eq(member->id, id)) return RI_GROUP_FENCED_INSTANCE;
    }
    return ri_classic_find(group, id) ? RI_GROUP_NONE : RI_GROUP_UNKNOWN_MEMBER;
}

/* ---- Protocols ---- */

static ri_classic_protocol *member_protocol(const ri_group *group, ri_str name)
{
    return ri_map_get(&group->protocols, ri_hash(name), &name);
}

static void member_protocol_drop(ri_group *group, ri_classic_protocol *protocol)
{
    ri_str name = {protocol->name, protocol->len};
    if (protocol->count > 0 || group->protocol == protocol) return;
    ri_map_take(&group->protocols, ri_hash(name), &name);
    ri_free(group->groups->host, protocol->name, protocol->len + 1);
    ri_delete(group->groups->host, protocol);
}

/* One more member knows it; NULL: out of memory. */
static ri_classic_protocol *member_protocol_use(ri_group *group, ri_str name)
{
    const ri_host *host = group->groups->host;
    ri_classic_protocol *protocol = member_protocol(group, name);
    if (!protocol) {
        if (!(protocol = ri_new(host, ri_classic_protocol))) return NULL;
        protocol->name = ri_strdup(host, name.ptr, name.len);
        protocol->len = name.len;
        if (!protocol->name || ri_map_put(&group->protocols, ri_hash(name), protocol) < 0) {
            if (protocol->name) ri_free(host, protocol->name, name.len + 1);
            ri_delete(host, protocol);
            return NULL;
        }
    }
    protocol->count++;
    return protocol;
}

static void member_protocol_leave(ri_group *group, ri_classic_protocol *protocol)
{
    RI_ASSERT(protocol->count > 0);
    protocol->count--;
    member_protocol_drop(group, protocol);
}

void ri_classic_choose(ri_group *group, ri_classic_protocol *protocol)
{
    RI_ASSERT(!protocol || protocol->count > 0);
    ri_classic_protocol *before = group->protocol;
    group->protocol = protocol;
    if (before) member_protocol_drop(group, before);
}

size_t ri_classic_distinct(const ri_group_join *join, ri_group_protocol *out)
{
    RI_ASSERT(join->nprotocols <= RI_LIMIT_GROUP_PROTOCOLS);
    size_t n = 0;
    for (size_t i = 0; i < join->nprotocols; i++) {
        size_t k = 0;
        while (k < n && !ri_str_eq(out[k].name, join->protocols[i].name)) k++;
        if (k == n) out[n++] = join->protocols[i];
    }
    return n;
}

bool ri_classic_shares(const ri_group *group, const ri_group_join *join, size_t n)
{
    for (size_t i = 0; i < join->nprotocols; i++) {
        const ri_classic_protocol *protocol = member_protocol(group, join->protocols[i].name);
        if ((protocol ? protocol->count : 0) == n) return true;
    }
    return false;
}

bool ri_classic_supports(const ri_group *group, const ri_group_join *join)
{
    RI_ASSERT(ri_group_is_sound(group));
    if (group->state == RI_CLASSIC_EMPTY) return join->protocol_type.len && join->nprotocols;
    if (!group->protocol_type.ptr || !ri_str_eq(group->protocol_type, join->protocol_type))
        return false;
    return ri_classic_shares(group, join, ri_classic_size(group));
}

/* The one that most members name before the others that all know; of several the one that comes
 * first with the oldest member. */
ri_classic_protocol *ri_classic_elect(ri_group *group)
{
    RI_ASSERT(ri_classic_size(group) > 0);
    ri_classic_protocol *best = NULL;
    size_t n = ri_classic_size(group);
    ri_classic_member *first = ri_container_of(group->members.next, ri_classic_member, link);
    for (size_t i = 0; i < first->nknown; i++) first->known[i].protocol->votes = 0;
    ri_list_each (link, &group->members) {
        ri_classic_member *member = ri_container_of(link, ri_classic_member, link);
        size_t i = 0;
        while (i < member->nknown && member->known[i].protocol->count < n) i++;
        if (i < member->nknown) member->known[i].protocol->votes++;
        ri_groups_spend(group->groups, i);
    }
    for (size_t i = 0; i < first->nknown; i++) {
        ri_classic_protocol *protocol = first->known[i].protocol;
        if (protocol->count == n && (!best || protocol->votes > best->votes)) best = protocol;
    }
    RI_ASSERT(best); /* who shares none with all was refused */
    return best;
}

ri_str ri_classic_metadata(const ri_classic_member *member)
{
    const ri_classic_protocol *chosen = member->group->protocol;
    for (size_t i = 0; chosen && i < member->nknown; i++)
        if (member->known[i].protocol == chosen) return member->known[i].metadata;
    return RI_STR("");
}

bool ri_classic_matches(const ri_classic_member *member, const ri_group_join *join)
{
    ri_group_protocol asked[RI_LIMIT_GROUP_PROTOCOLS];
    size_t n = ri_classic_distinct(join, asked);
    if (n != member->nknown) return false;
    for (size_t i = 0; i < n; i++) {
        const ri_classic_protocol *protocol = member->known[i].protocol;
        if (!ri_str_eq((ri_str){protocol->name, protocol->len}, asked[i].name) ||
            !ri_str_eq(member->known[i].metadata, asked[i].metadata))
            return false;
    }
    return true;
}

/* ---- What a member has ---- */

/* One without bytes was never allocated. */
static void member_free_assignment(ri_classic_member *member)
{
    ri_str was = member->assignment;
    if (was.len) ri_free(member->group->groups->host, (char *)(uintptr_t)was.ptr, was.len);
}

static size_t member_bytes(const ri_classic_member *member)
{
    return member->names_len + member->known_len + member->assignment.len;
}

/* Its bytes are counted anew, in the group and in the broker's memory. RILL_EFULL. */
static int member_count(ri_classic_member *member, size_t was, size_t is)
{
    ri_group *group = member->group;
    int rc = ri_groups_hold_member(group->groups, &member->held,
                                   sizeof *member + MEMBER_BYTES + is);
    if (rc < 0) return rc;
    RI_ASSERT(group->member_bytes >= was);
    group->member_bytes += is - was;
    return RILL_OK;
}

void ri_classic_block_fini(ri_group *group, const ri_classic_block *block)
{
    for (size_t i = 0; i < block->n; i++) member_protocol_leave(group, block->known[i].protocol);
    ri_free(group->groups->host, block->known, block->len);
}

int ri_classic_block_init(ri_group *group, const ri_group_join *join, ri_classic_block *block)
{
    ri_group_protocol asked[RI_LIMIT_GROUP_PROTOCOLS];
    size_t n = ri_classic_distinct(join, asked);
    *block = (ri_classic_block){.len = n * sizeof *block->known};
    for (size_t i = 0; i < n; i++) block->len += asked[i].metadata.len;
    block->known = ri_alloc(group->groups->host, block->len);
    if (!block->known && block->len) return RILL_ENOMEM;
    char *at = (char *)(block->known + n);
    for (; block->n < n; block->n++) {
        ri_classic_known *known = &block->known[block->n];
        known->metadata = (ri_str){at, asked[block->n].metadata.len};
        at = ri_str_put(at, asked[block->n].metadata);
        known->protocol = member_protocol_use(group, asked[block->n].name);
        if (known->protocol) continue;
        ri_classic_block_fini(group, block);
        return RILL_ENOMEM;
    }
    return RILL_OK;
}

int ri_classic_update(ri_classic_member *member, const ri_group_join *join)
{
    ri_classic_block block, was = {member->known, member->nknown, member->known_len};
    int rc = ri_classic_block_init(member->group, join, &block);
    if (rc < 0) return rc;
    size_t bytes = member_bytes(member);
    rc = member_count(member, bytes, bytes - was.len + block.len);
    ri_classic_block_fini(member->group, rc < 0 ? &block : &was);
    if (rc < 0) return rc;
    member->known = block.known;
    member->nknown = block.n;
    member->known_len = block.len;
    member->session_ms = join->session_ms;
    member->rebalance_ms = join->rebalance_ms;
    return RILL_OK;
}

int ri_classic_assign(ri_classic_member *member, ri_str bytes)
{
    const ri_host *host = member->group->groups->host;
    size_t was = member_bytes(member);
    char *copy = ri_alloc(host, bytes.len);
    if (!copy && bytes.len) return RILL_ENOMEM;
    int rc = member_count(member, was, was - member->assignment.len + bytes.len);
    if (rc < 0) {
        ri_free(host, copy, bytes.len);
        return rc;
    }
    if (bytes.len) memcpy(copy, bytes.ptr, bytes.len);
    member_free_assignment(member);
    member->assignment = (ri_str){copy ? copy : "", bytes.len};
    return RILL_OK;
}

static ri_str member_name(char **at, ri_str name)
{
    ri_str copy = {name.ptr ? *at : NULL, name.len};
    *at = ri_str_put(*at, name);
    return copy;
}

/* All its names in one block; the old ones stay the caller's. */
static int member_set_names(ri_classic_member *member, ri_str id, ri_str instance,
                            ri_str client_id, ri_str client_host)
{
    size_t len = id.len + instance.len + client_id.len + client_host.len;
    char *names = ri_alloc(member->group->groups->host, len + 1), *at = names;
    if (!names) return RILL_ENOMEM;
    member->id = member_name(&at, id);
    member->instance = member_name(&at, instance);
    member->client_id = member_name(&at, client_id);
    member->client_host = member_name(&at, client_host);
    member->names = names;
    member->names_len = len + 1;
    return RILL_OK;
}

/* ---- Coming and going ---- */

static void member_free(ri_classic_member *member)
{
    ri_group *group = member->group;
    const ri_host *host = group->groups->host;
    RI_ASSERT(!member->join && !member->sync);
    if (member->replacing) member->replacing->member = NULL;
    ri_groups_timer_fini(group->groups, &member->session);
    ri_groups_hold_member(group->groups, &member->held, 0);
    ri_classic_block_fini(group, &(ri_classic_block){member->known, member->nknown,
                                                     member->known_len});
    member_free_assignment(member);
    if (member->names) ri_free(host, member->names, member->names_len);
    ri_delete(host, member);
}

static int member_fill(ri_classic_member *member, const ri_group_join *join, ri_str id)
{
    ri_group *group = member->group;
    int rc = ri_groups_timer_init(group->groups, &member->session, ri_classic_session_due);
    if (rc < 0) return rc;
    rc = member_set_names(member, id, join->instance, join->client_id, join->client_host);
    if (rc < 0) return rc;
    if ((rc = member_count(member, 0, member->names_len)) < 0) return rc;
    if ((rc = ri_classic_update(member, join)) < 0) return rc;
    if ((rc = ri_map_put(&group->by_id, ri_hash(id), member)) < 0) return rc;
    if (!join->instance.ptr) return RILL_OK;
    rc = ri_map_put(&group->by_instance, ri_hash(join->instance), member);
    if (rc < 0) ri_map_take(&group->by_id, ri_hash(id), &id);
    return rc;
}

int ri_classic_set_type(ri_group *group, ri_str type)
{
    const ri_host *host = group->groups->host;
    bool same = group->protocol_type.ptr && ri_str_eq(group->protocol_type, type);
    if (ri_classic_size(group) > 0 || !type.ptr || same) return RILL_OK;
    char *copy = ri_strdup(host, type.ptr, type.len);
    if (!copy) return RILL_ENOMEM;
    if (group->protocol_type.ptr)
        ri_free(host, (char *)(uintptr_t)group->protocol_type.ptr, group->protocol_type.len + 1);
    group->protocol_type = (ri_str){copy, type.len};
    return RILL_OK;
}

int ri_classic_add(ri_group *group, const ri_group_join *join, ri_str id,
                   ri_classic_member **out)
{
    RI_ASSERT(!ri_classic_find(group, id));
    RI_ASSERT(!join->instance.ptr || !ri_classic_find_static(group, join->instance));
    int rc = ri_classic_set_type(group, join->protocol_type);
    if (rc < 0) return rc;
    ri_classic_member *member = ri_new(group->groups->host, ri_classic_member);
    if (!member) return RILL_ENOMEM;
    member->group = group;
    member->assignment = RI_STR("");
    if ((rc = member_fill(member, join, id)) < 0) {
        group->member_bytes -= member->held ? member_bytes(member) : 0;
        member_free(member);
        return rc;
    }
    ri_list_push(&group->members, &member->link);
    if (!group->leader) group->leader = member;
    ri_classic_pending *pending = ri_classic_find_pending(group, member->id);
    if (pending) ri_classic_unexpect(pending);
    *out = member;
    return RILL_OK;
}

void ri_classic_remove(ri_classic_member *member, ri_group_error error)
{
    ri_group *group = member->group;
    RI_ASSERT(ri_classic_find(group, member->id) == member);
    ri_map_take(&group->by_id, ri_hash(member->id), &member->id);
    if (member->instance.ptr)
        ri_map_take(&group->by_instance, ri_hash(member->instance), &member->instance);
    ri_list_remove(&member->link);
    if (group->leader == member)
        group->leader = ri_list_empty(&group->members)
                            ? NULL : ri_container_of(group->members.next, ri_classic_member, link);
    if (member->sync_is_due) ri_classic_synced(member);
    ri_classic_answer_join(member, error);
    ri_classic_answer_sync(member, error);
    group->member_bytes -= member_bytes(member);
    member_free(member);
}

int ri_classic_rename(ri_classic_member *member, ri_str id)
{
    ri_group *group = member->group;
    RI_ASSERT(!ri_classic_find(group, id));
    ri_str was_id = member->id;
    char *names = member->names;
    size_t names_len = member->names_len;
    size_t was = member_bytes(member), is = was - was_id.len + id.len;
    int rc = member_count(member, was, is);
    if (rc < 0) return rc;
    ri_map_take(&group->by_id, ri_hash(was_id), &was_id);
    rc = member_set_names(member, id, member->instance, member->client_id, member->client_host);
    if (rc < 0) member_count(member, is, was);
    else ri_free(group->groups->host, names, names_len);
    ri_map_put(&group->by_id, ri_hash(member->id), member); /* as many as before: there is room */
    return rc;
}

/* ---- Ids that were given ---- */

/* `prefix` and a UUID of version 4; to be freed with *len + 1 bytes. */
char *ri_classic_make_id(ri_groups *groups, ri_str prefix, size_t *len)
{
    *len = prefix.len + 1 + MEMBER_UUID;
    char *id = ri_alloc(groups->host, *len + 1);
    if (!id) return NULL;
    uint64_t a = ri_nuid_number(&groups->nuid), b = ri_nuid_number(&groups->nuid);
    a = (a & ~UINT64_C(0xf000)) | 0x4000;
    b = (b & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    char *at = ri_str_put(id, prefix);
    snprintf(at, MEMBER_UUID + 2, "-%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff), (unsigned)(b >> 48),
             (unsigned long long)(b & UINT64_C(0xffffffffffff)));
    return id;
}

static void member_pending_free(ri_classic_pending *pending)
{
    ri_groups *groups = pending->group->groups;
    ri_groups_timer_fini(groups, &pending->session);
    ri_groups_hold_member(groups, &pending->held, 0);
    if (pending->id) ri_free(groups->host, pending->id, pending->len + 1);
    ri_delete(groups->host, pending);
}

static int member_pending_fill(ri_classic_pending *pending, ri_str id)
{
    ri_groups *groups = pending->group->groups;
    int rc = ri_groups_hold_member(groups, &pending->held, sizeof *pending + MEMBER_BYTES + id.len);
    if (rc < 0) return rc;
    if ((rc = ri_groups_timer_init(groups, &pending->session, ri_classic_pending_due)) < 0)
        return rc;
    pending->id = ri_strdup(groups->host, id.ptr, id.len);
    if (!pending->id) return RILL_ENOMEM;
    pending->len = id.len;
    return ri_map_put(&pending->group->pending_by_id, ri_hash(id), pending);
}

int ri_classic_expect(ri_group *group, ri_str id, int32_t session_ms)
{
    RI_ASSERT(!ri_classic_find(group, id) && !ri_classic_find_pending(group, id));
    if (group->pending_by_id.len >= RI_LIMIT_GROUP_MEMBERS)
        return ri_err(RILL_EFULL, "%d ids of the group were given to nobody who came back",
                      RI_LIMIT_GROUP_MEMBERS);
    ri_classic_pending *pending = ri_new(group->groups->host, ri_classic_pending);
    if (!pending) return RILL_ENOMEM;
    pending->group = group;
    int rc = member_pending_fill(pending, id);
    if (rc < 0) {
        member_pending_free(pending);
        return rc;
    }
    ri_list_push(&group->pending, &pending->link);
    ri_groups_arm(group->groups, &pending->session, session_ms);
    return RILL_OK;
}

void ri_classic_unexpect(ri_classic_pending *pending)
{
    ri_str id = {pending->id, pending->len};
    RI_ASSERT(ri_classic_find_pending(pending->group, id) == pending);
    ri_map_take(&pending->group->pending_by_id, ri_hash(id), &id);
    ri_list_remove(&pending->link);
    member_pending_free(pending);
}

/* ---- A group's ---- */

void ri_classic_init(ri_group *group)
{
    const ri_host *host = group->groups->host;
    group->previous = RI_CLASSIC_DEAD;
    ri_list_init(&group->members);
    ri_list_init(&group->pending);
    ri_map_init(&group->by_id, host, member_same);
    ri_map_init(&group->by_instance, host, member_same_instance);
    ri_map_init(&group->pending_by_id, host, member_same_pending);
    ri_map_init(&group->protocols, host, member_same_protocol);
}

void ri_classic_clear(ri_group *group, ri_group_error error)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    while (!ri_list_empty(&group->members))
        ri_classic_remove(ri_container_of(group->members.next, ri_classic_member, link), error);
    while (!ri_list_empty(&group->pending))
        ri_classic_unexpect(ri_container_of(group->pending.next, ri_classic_pending, link));
}

void ri_classic_fini(ri_group *group)
{
    RI_ASSERT(ri_classic_size(group) == 0 && ri_list_empty(&group->pending));
    const ri_host *host = group->groups->host;
    ri_classic_choose(group, NULL);
    if (group->protocol_type.ptr)
        ri_free(host, (char *)(uintptr_t)group->protocol_type.ptr, group->protocol_type.len + 1);
    group->protocol_type = RI_STR_NONE;
    ri_map_fini(&group->by_id);
    ri_map_fini(&group->by_instance);
    ri_map_fini(&group->pending_by_id);
    ri_map_fini(&group->protocols);
}
