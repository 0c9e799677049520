/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/groups/modern.h"

enum { /* bytes, beside those that are known: entries of maps and lists */
    GROUPS_GROUP_BYTES = 256,
    GROUPS_LOOKED_AT = 64, /* groups, for one that gives way to another */
};
enum { GROUPS_VISITS = 4 }; /* things that are looked at in a unit of the budget */

void ri_groups_conf_init(ri_groups_conf *conf)
{
    *conf = (ri_groups_conf){.min_session_ms = 6000, .max_session_ms = 1800000,
                             .initial_delay_ms = 3000, .max_size = RI_LIMIT_GROUP_MEMBERS,
                             .sweep_ms = 600000, .retention_ms = 10080 * 60000LL,
                             .offset_metadata_bytes = RI_LIMIT_OFFSET_METADATA,
                             .modern_session_ms = 45000, .modern_interval_ms = 5000,
                             .assign_ms = 1000, .modern_max_size = RI_LIMIT_GROUP_MEMBERS,
                             .migration = RI_GROUPS_BIDIRECTIONAL};
}

/* ---- Timers ---- */

int ri_groups_timer_init(ri_groups *groups, ri_groups_timer *timer,
                         void (*due)(ri_groups_timer *timer))
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    int rc = ri_heap_reserve(&groups->timers, groups->ntimers + 1);
    if (rc < 0) return rc;
    *timer = (ri_groups_timer){.due = due};
    groups->ntimers++;
    return RILL_OK;
}

void ri_groups_timer_fini(ri_groups *groups, ri_groups_timer *timer)
{
    if (!timer->due) return;
    ri_heap_cancel(&groups->timers, &timer->timer);
    RI_ASSERT(groups->ntimers > 0);
    groups->ntimers--;
    timer->due = NULL;
}

void ri_groups_arm(ri_groups *groups, ri_groups_timer *timer, int64_t in_ms)
{
    RI_ASSERT(timer->due && groups->ntimers > 0);
    int64_t due_ns = ri_ns_add(groups->mono_ns, ri_ns_of_ms(RI_MAX(in_ms, 0)));
    ri_heap_set(&groups->timers, &timer->timer, due_ns); /* there is room for it */
}

void ri_groups_disarm(ri_groups *groups, ri_groups_timer *timer)
{
    ri_heap_cancel(&groups->timers, &timer->timer);
}

/* ---- Budget and memory ---- */

void ri_groups_spend(ri_groups *groups, uint64_t visits)
{
    ri_budget_spend(&groups->router->budget, 1 + visits / GROUPS_VISITS);
}

int ri_groups_hold(ri_groups *groups, uint64_t *held, uint64_t bytes)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    ri_memory *memory = &groups->router->memory;
    if (bytes <= *held) {
        ri_memory_refund(memory, RI_MEMORY_DURABLE, *held - bytes);
    } else if (groups->loading) {
        ri_memory_charge(memory, RI_MEMORY_DURABLE, bytes - *held);
    } else if (!ri_memory_take(memory, RI_MEMORY_DURABLE, bytes - *held)) {
        ri_memory_refused(memory);
        return ri_err(RILL_EFULL, "half of memory_bytes is taken by what is known of streams and "
                      "groups");
    }
    *held = bytes;
    return RILL_OK;
}

int ri_groups_hold_member(ri_groups *groups, uint64_t *held, uint64_t bytes)
{
    uint64_t was = *held, others = groups->members_held - was;
    uint64_t share = ri_memory_share(&groups->router->memory, RI_MEMORY_DURABLE) / 4;
    uint64_t most = RI_MIN(share, (uint64_t)RI_LIMIT_GROUPS_BYTES);
    RI_ASSERT(groups->members_held >= was);
    if (bytes > was && !groups->loading && ri_u64_add(others, bytes) > most) {
        ri_memory_refused(&groups->router->memory);
        return ri_err(RILL_EFULL, "members of groups take %llu bytes already",
                      (unsigned long long)groups->members_held);
    }
    int rc = ri_groups_hold(groups, held, bytes);
    groups->members_held = others + *held;
    return rc;
}

/* ---- Which groups there are ---- */

static bool groups_same(const void *item, const void *key)
{
    return ri_str_eq(ri_groups_name_of(item), *(const ri_str *)key);
}

ri_group *ri_groups_find(ri_groups *groups, ri_str name)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    ri_group *group = ri_map_get(&groups->by_name, ri_hash(name), &name);
    RI_ASSERT(!group || ri_group_is_sound(group));
    return group;
}

bool ri_groups_is_empty(const ri_group *group)
{
    return group->modern ? ri_modern_size(group) == 0 : group->state == RI_CLASSIC_EMPTY;
}

static void groups_free(ri_group *group)
{
    ri_groups *groups = group->groups;
    RI_ASSERT(group->holds == 0 && group->writes == 0);
    ri_classic_fini(group);
    ri_offsets_fini(group);
    ri_groups_timer_fini(groups, &group->timer);
    ri_groups_hold(groups, &group->held, 0);
    ri_free(groups->host, group->name, group->name_len + 1);
    group->magic = 0;
    ri_delete(groups->host, group);
}

static int groups_fill(ri_group *group, ri_str name)
{
    ri_groups *groups = group->groups;
    int rc = ri_groups_hold(groups, &group->held, sizeof *group + GROUPS_GROUP_BYTES + name.len);
    if (rc < 0) return rc;
    if ((rc = ri_groups_timer_init(groups, &group->timer, ri_classic_due)) < 0) return rc;
    group->name = ri_strdup(groups->host, name.ptr, name.len);
    if (!group->name) return RILL_ENOMEM;
    group->name_len = name.len;
    return ri_map_put(&groups->by_name, ri_hash(name), group);
}

bool ri_groups_is_blank(const ri_group *group)
{
    return !group->modern && ri_classic_size(group) == 0 && group->noffsets == 0 &&
           group->generation == 0 && group->record_seq == 0 && group->holds == 0 &&
           group->writes == 0;
}

/* Where there are as many groups as there may be the oldest goes that has nothing but ids that were
 * given: who has one of them hears that it is not known, and asks for another. Each group is looked
 * at once. */
static void groups_give_way(ri_groups *groups)
{
    ri_list *link;
    for (int i = 0; i < GROUPS_LOOKED_AT && (link = ri_list_pop(&groups->young)) != NULL; i++) {
        ri_group *group = ri_container_of(link, ri_group, young_link);
        ri_groups_spend(groups, 1);
        if (!ri_groups_is_blank(group)) continue;
        ri_classic_clear(group, RI_GROUP_UNKNOWN_MEMBER);
        ri_groups_drop(group);
        return;
    }
}

int ri_groups_make(ri_groups *groups, ri_str name, ri_group **out)
{
    RI_ASSERT(name.ptr && !ri_groups_find(groups, name));
    *out = NULL;
    if (groups->by_name.len >= RI_LIMIT_GROUPS && !groups->loading) groups_give_way(groups);
    if (groups->by_name.len >= RI_LIMIT_GROUPS)
        return ri_err(RILL_EFULL, "there are %d groups already", RI_LIMIT_GROUPS);
    ri_group *group = ri_new(groups->host, ri_group);
    if (!group) return RILL_ENOMEM;
    group->magic = RI_GROUP_MAGIC;
    group->groups = groups;
    group->state_since_ns = groups->wall_ns;
    ri_list_init(&group->link);
    ri_list_init(&group->young_link);
    ri_classic_init(group);
    ri_offsets_init(group);
    int rc = groups_fill(group, name);
    if (rc < 0) {
        groups_free(group);
        return rc;
    }
    ri_list_push(&groups->all, &group->link);
    ri_list_push(&groups->young, &group->young_link);
    *out = group;
    return RILL_OK;
}

/* Walks that stand at it, or in it, go on with the next. */
static void groups_unlink(ri_group *group)
{
    ri_groups *groups = group->groups;
    ri_list_each (link, &groups->walks) {
        ri_groups_walk *walk = ri_container_of(link, ri_groups_walk, link);
        if (walk->at == &group->link) walk->at = group->link.next;
        if (walk->in != group) continue;
        ri_offsets_walk_end(&walk->offsets);
        walk->in = NULL;
    }
    ri_list_remove(&group->link);
}

void ri_groups_drop(ri_group *group)
{
    RI_ASSERT(ri_group_is_sound(group) && ri_classic_size(group) == 0);
    ri_groups *groups = group->groups;
    ri_str name = ri_groups_name_of(group);
    RI_ASSERT(!group->modern || ri_modern_size(group) == 0);
    ri_modern_close(group, false);
    groups_unlink(group);
    ri_list_remove(&group->young_link);
    ri_map_take(&groups->by_name, ri_hash(name), &name);
    ri_groups_disarm(groups, &group->timer);
    ri_classic_set_state(group, RI_CLASSIC_DEAD);
    if (group->noffsets > 0) {
        group->holds++;
        ri_list_push(&groups->dying, &group->link);
    }
    if (group->holds == 0) groups_free(group);
}

void ri_groups_release(ri_group *group)
{
    RI_ASSERT(group->magic == RI_GROUP_MAGIC && group->holds > 0);
    if (--group->holds == 0 && group->state == RI_CLASSIC_DEAD) groups_free(group);
}

/* ---- Who waits ---- */

void ri_groups_park(ri_group_call **slot, ri_group_call *call)
{
    RI_ASSERT(!*slot && call->done);
    *slot = call;
    call->slot = slot;
}

ri_group_call *ri_groups_unpark(ri_group_call **slot)
{
    ri_group_call *call = *slot;
    *slot = NULL;
    if (call) call->slot = NULL;
    return call;
}

void ri_groups_forget(ri_group_call *call)
{
    if (!call->slot) return;
    RI_ASSERT(*call->slot == call);
    *call->slot = NULL;
    call->slot = NULL;
}

/* ---- Work in slices ---- */

/* Groups that were deleted: their offsets, and at last what says that these are dead. */
static bool groups_bury(ri_groups *groups)
{
    while (!ri_list_empty(&groups->dying)) {
        ri_group *group = ri_container_of(groups->dying.next, ri_group, link);
        if (ri_offsets_drop_some(group)) return true;
        if (!group->stays) ri_groups_write_gone(group);
        ri_list_remove(&group->link);
        ri_groups_release(group);
    }
    return false;
}

typedef struct groups_gone { /* a topic that is no more */
    ri_list link;            /* in groups->gone */
    char *name;              /* owned */
    size_t name_len;
    uint8_t topic_id[RI_GROUP_TOPIC_ID];
    ri_groups_walk walk;
    ri_group *group;         /* held: the one at hand; NULL */
    ri_offsets_walk at;      /* of its offsets */
} groups_gone;

static void groups_free_gone(ri_groups *groups, groups_gone *gone)
{
    RI_ASSERT(!gone->group);
    ri_list_remove(&gone->link);
    ri_groups_walk_end(&gone->walk);
    ri_free(groups->host, gone->name, gone->name_len + 1);
    ri_delete(groups->host, gone);
}

int ri_groups_topic_gone(ri_groups *groups, ri_str name, const uint8_t *topic_id)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    groups_gone *gone = ri_new(groups->host, groups_gone);
    if (!gone) return RILL_ENOMEM;
    gone->name = ri_strdup(groups->host, name.ptr, name.len);
    if (!gone->name) {
        ri_delete(groups->host, gone);
        return RILL_ENOMEM;
    }
    gone->name_len = name.len;
    memcpy(gone->topic_id, topic_id, sizeof gone->topic_id);
    ri_groups_walk_begin(groups, &gone->walk);
    ri_list_push(&groups->gone, &gone->link);
    return RILL_OK;
}

/* The offsets of the group at hand; true: there are more. */
static bool groups_forget_some(groups_gone *gone)
{
    ri_str name = {gone->name, gone->name_len};
    ri_group *group = gone->group;
    if (!group) return false;
    if (ri_offsets_drop_topic_some(group, &gone->at, name, gone->topic_id)) return true;
    ri_offsets_walk_end(&gone->at);
    gone->group = NULL;
    ri_groups_release(group);
    return false;
}

static bool groups_forget_topic(ri_groups *groups, groups_gone *gone)
{
    ri_group_info info;
    int rc = 1;
    while (!groups_forget_some(gone)) {
        if ((rc = ri_groups_walk_next(groups, &gone->walk, &info)) != 1) break;
        ri_group *group = ri_groups_find(groups, info.name);
        if (!ri_offsets_walk_begin_at(group, &gone->at, (ri_str){gone->name, gone->name_len}))
            continue;
        gone->group = group;
        group->holds++;
    }
    return rc != 0;
}

static bool groups_forget_topics(ri_groups *groups)
{
    while (!ri_list_empty(&groups->gone)) {
        groups_gone *gone = ri_container_of(groups->gone.next, groups_gone, link);
        if (groups_forget_topic(groups, gone)) return true;
        groups_free_gone(groups, gone);
    }
    return false;
}

/* The group at hand has no offset any more that is over. */
static void groups_swept(ri_groups *groups)
{
    ri_group *group = groups->swept;
    ri_offsets_walk_end(&groups->swept_at);
    groups->swept = NULL;
    bool over = group->state != RI_CLASSIC_DEAD && ri_groups_is_empty(group) &&
                group->noffsets == 0 && group->holds == 1;
    if (over) {
        ri_groups_write_gone(group);
        ri_classic_clear(group, RI_GROUP_UNKNOWN_MEMBER); /* ids that were given */
        ri_groups_drop(group);
    }
    ri_groups_release(group);
}

/* Offsets that are over go, and groups of which nothing is left. */
static bool groups_sweep(ri_groups *groups)
{
    ri_group_info info;
    int rc = 1;
    if (!groups->sweeping) return false;
    for (;;) {
        if (groups->swept && ri_offsets_expire_some(groups->swept, &groups->swept_at)) return true;
        if (groups->swept) groups_swept(groups);
        if ((rc = ri_groups_walk_next(groups, &groups->sweep, &info)) != 1) break;
        groups->swept = ri_groups_find(groups, info.name);
        groups->swept->holds++;
        ri_offsets_walk_begin(groups->swept, &groups->swept_at);
    }
    if (rc == RI_CURSOR_CUT) return true;
    ri_groups_walk_end(&groups->sweep);
    groups->sweeping = false;
    ri_groups_arm(groups, &groups->sweep_timer, groups->conf.sweep_ms);
    return false;
}

static void groups_sweep_due(ri_groups_timer *timer)
{
    ri_groups *groups = ri_container_of(timer, ri_groups, sweep_timer);
    groups->sweep = (ri_groups_walk){0};
    ri_groups_walk_begin(groups, &groups->sweep);
    groups->sweeping = true;
}

static bool groups_is_busy(const ri_groups *groups)
{
    return groups->overdue || groups->sweeping || !ri_list_empty(&groups->dying) ||
           !ri_list_empty(&groups->gone);
}

static void groups_end_work(ri_groups *groups)
{
    if (groups->swept) {
        ri_offsets_walk_end(&groups->swept_at);
        ri_groups_release(groups->swept);
    }
    if (groups->sweeping) ri_groups_walk_end(&groups->sweep);
    while (!ri_list_empty(&groups->gone)) {
        groups_gone *gone = ri_container_of(groups->gone.next, groups_gone, link);
        ri_group *group = gone->group;
        if (group) ri_offsets_walk_end(&gone->at);
        gone->group = NULL;
        if (group) ri_groups_release(group);
        groups_free_gone(groups, gone);
    }
    while (!ri_list_empty(&groups->dying)) { /* a restart goes on with them */
        ri_group *group = ri_container_of(groups->dying.next, ri_group, link);
        ri_list_remove(&group->link);
        ri_groups_release(group);
    }
}

/* ---- The turn ---- */

void ri_groups_clock(ri_groups *groups, int64_t now_wall_ns, int64_t now_mono_ns)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    groups->wall_ns = now_wall_ns;
    groups->mono_ns = RI_MAX(groups->mono_ns, now_mono_ns);
}

void ri_groups_step(ri_groups *groups, int64_t now_wall_ns, int64_t now_mono_ns)
{
    ri_groups_clock(groups, now_wall_ns, now_mono_ns);
    ri_budget *budget = &groups->router->budget;
    ri_timer *timer;
    bool left = true;
    while (left && (timer = ri_heap_due(&groups->timers, groups->mono_ns)) != NULL) {
        ri_groups_timer *due = ri_container_of(timer, ri_groups_timer, timer);
        due->due(due);
        left = ri_budget_spend(budget, 1);
    }
    groups->overdue = ri_heap_next(&groups->timers) <= groups->mono_ns;
    if (!groups_bury(groups) && !groups_forget_topics(groups)) groups_sweep(groups);
}

bool ri_groups_waiting(const ri_groups *groups)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    return groups_is_busy(groups) ||
           ri_heap_next(&groups->timers) <= groups->mono_ns;
}

int64_t ri_groups_next_due_ns(const ri_groups *groups)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    return groups_is_busy(groups) ? groups->mono_ns : ri_heap_next(&groups->timers);
}

/* ---- Opening ---- */

static void groups_init(ri_groups *groups, const ri_groups_opts *opts)
{
    const ri_host *host = opts->host;
    groups->magic = RI_GROUPS_MAGIC;
    groups->host = host;
    groups->js = opts->js;
    groups->router = ri_js_router(opts->js);
    groups->log = opts->log;
    if (opts->conf) groups->conf = *opts->conf;
    else ri_groups_conf_init(&groups->conf);
    groups->conf.max_size = RI_MIN(groups->conf.max_size, RI_LIMIT_GROUP_MEMBERS);
    groups->conf.modern_max_size = RI_MIN(groups->conf.modern_max_size, RI_LIMIT_GROUP_MEMBERS);
    ri_map_init(&groups->by_name, host, groups_same);
    ri_list_init(&groups->all);
    ri_list_init(&groups->young);
    ri_list_init(&groups->walks);
    ri_list_init(&groups->writes);
    ri_list_init(&groups->dying);
    ri_list_init(&groups->gone);
    ri_heap_init(&groups->timers, host);
    ri_nuid_init(&groups->nuid, host);
    ri_buffer_init(&groups->record, host);
}

int ri_groups_open(ri_groups **out, const ri_groups_opts *opts, int64_t now_wall_ns,
                   int64_t now_mono_ns)
{
    *out = NULL;
    ri_groups *groups = ri_new(opts->host, ri_groups);
    if (!groups) return RILL_ENOMEM;
    groups_init(groups, opts);
    ri_groups_clock(groups, now_wall_ns, now_mono_ns);
    int rc = ri_groups_timer_init(groups, &groups->sweep_timer, groups_sweep_due);
    if (rc >= 0) {
        ri_groups_arm(groups, &groups->sweep_timer, groups->conf.sweep_ms);
        groups->loading = true;
        rc = ri_groups_load(groups);
        groups->loading = false;
    }
    if (rc < 0) {
        ri_groups_close(groups);
        return rc;
    }
    *out = groups;
    return RILL_OK;
}

const ri_groups_conf *ri_groups_conf_of(const ri_groups *groups)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    return &groups->conf;
}

void ri_groups_set_topics(ri_groups *groups, const ri_groups_topics *topics, void *arg)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    groups->topics = topics;
    groups->topics_arg = arg;
}

void ri_groups_drop_topics(ri_groups *groups, const void *arg)
{
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    if (groups->topics_arg == arg) ri_groups_set_topics(groups, NULL, NULL);
}

void ri_groups_close(ri_groups *groups)
{
    if (!groups) return;
    RI_CHECK(groups, RI_GROUPS_MAGIC);
    ri_groups_write_close(groups);
    groups_end_work(groups);
    while (!ri_list_empty(&groups->all)) {
        ri_group *group = ri_container_of(groups->all.next, ri_group, link);
        ri_classic_clear(group, RI_GROUP_NOT_COORDINATOR);
        ri_modern_close(group, false);
        ri_offsets_clear(group);
        ri_groups_drop(group);
    }
    while (ri_list_pop(&groups->walks)) continue;
    ri_groups_timer_fini(groups, &groups->sweep_timer);
    ri_map_fini(&groups->by_name);
    ri_heap_fini(&groups->timers);
    ri_buffer_fini(&groups->record);
    groups->magic = 0;
    ri_delete(groups->host, groups);
}
