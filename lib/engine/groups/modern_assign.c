/* SPDX-License-Identifier: Apache-2.0 */
/* Who shall read what: the assignors of the coordinator.
 *
 *     range     each topic by itself: its partitions in a row, divided among those who subscribe
 *               it, the first of whom have one more; members in order of instance ids, then of ids
 *     uniform   as many for each as can be, and as few changes as can be: each keeps what it has up
 *               to its share, what is left goes to those who have less. Where members subscribe
 *               different topics a partition goes to the one with the least of those who may have
 *               it, and afterwards partitions move from who has most to who has least, until that
 *               changes nothing
 *
 * All partitions stand in one row, topic by topic, and an assignor writes the index of a member
 * beside each. Then each member's target is read out of the row, in order. */
#include <stdlib.h>

#include "engine/groups/modern.h"

enum {
    ASSIGN_ROUNDS = 16, /* of balancing, at most */
    ASSIGN_SETS = 4,    /* sets that a partition may be in, and the row of owners */
};

typedef struct assign {
    ri_group *group;
    const ri_host *host;
    bool range;                  /* else uniform */
    ri_modern_member **members;  /* in order of joining, or of names */
    uint32_t *loads;             /* of each, partitions */
    uint32_t nmembers;
    ri_modern_topic **topics;    /* that somebody subscribes, by number */
    uint32_t ntopics;
    int32_t *owners;             /* of each partition: an index of `members`; -1: nobody */
    uint32_t npartitions;
    uint32_t *subscribers;       /* of each topic in a row: indexes of `members` */
    uint32_t *first;             /* of each topic: where its subscribers begin; and the end */
    uint32_t *shares;            /* of each member: how many it shall have */
} assign;

static const char *const assign_names[] = {"uniform", "range"};

bool ri_modern_assignor_of(ri_str name, ri_str *out)
{
    for (size_t i = 0; i < RI_LEN(assign_names); i++)
        if (ri_str_is(name, assign_names[i])) {
            *out = ri_str_of(assign_names[i]);
            return true;
        }
    return false;
}

/* ---- What there is ---- */

static int assign_by_names(const void *x, const void *y)
{
    const ri_modern_member *a = *(ri_modern_member *const *)x, *b = *(ri_modern_member *const *)y;
    if (a->instance.ptr && b->instance.ptr) return ri_str_cmp(a->instance, b->instance);
    if (a->instance.ptr || b->instance.ptr) return a->instance.ptr ? -1 : 1;
    return ri_str_cmp(a->id, b->id);
}

static int assign_by_number(const void *a, const void *b)
{
    const ri_modern_topic *const *x = a, *const *y = b;
    return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static int assign_find_topics(assign *a)
{
    ri_modern *modern = a->group->modern;
    a->topics = ri_calloc(a->host, ri_size_mul(modern->names.len, sizeof *a->topics));
    if (!a->topics && modern->names.len) return RILL_ENOMEM;
    ri_map_each (item, &modern->names) {
        ri_modern_name *name = item;
        if (name->topic && name->subscribers) a->topics[a->ntopics++] = name->topic;
    }
    if (a->ntopics) qsort(a->topics, a->ntopics, sizeof *a->topics, assign_by_number);
    uint64_t n = 0;
    for (uint32_t i = 0; i < a->ntopics; i++) {
        a->topics[i]->index = i;
        a->topics[i]->first = (uint32_t)n;
        n += (uint32_t)RI_MAX(a->topics[i]->partitions, 0);
        if (n > RI_LIMIT_GROUP_PARTITIONS)
            return ri_err(RILL_EFULL, "the topics of the group have more than %d partitions",
                          RI_LIMIT_GROUP_PARTITIONS);
    }
    a->npartitions = (uint32_t)n;
    int rc = ri_groups_hold(a->group->groups, &a->group->modern->held,
                            n * ASSIGN_SETS * sizeof(ri_modern_part));
    if (rc < 0) return rc;
    a->owners = ri_alloc(a->host, ri_size_mul(n, sizeof *a->owners));
    if (!a->owners && n) return RILL_ENOMEM;
    for (uint32_t i = 0; i < a->npartitions; i++) a->owners[i] = -1;
    return RILL_OK;
}

static int assign_find_members(assign *a)
{
    size_t n = ri_modern_size(a->group);
    a->members = ri_calloc(a->host, ri_size_mul(n, sizeof *a->members));
    a->loads = ri_calloc(a->host, ri_size_mul(n, sizeof *a->loads));
    a->shares = ri_calloc(a->host, ri_size_mul(n, sizeof *a->shares));
    if (!a->members || !a->loads || !a->shares) return RILL_ENOMEM;
    ri_list_each (link, &a->group->modern->members) {
        ri_modern_member *member = ri_container_of(link, ri_modern_member, link);
        a->members[a->nmembers++] = member;
    }
    RI_ASSERT(a->nmembers == n);
    if (a->range) qsort(a->members, n, sizeof *a->members, assign_by_names);
    return RILL_OK;
}

/* Calls `fn` with the index of each topic that a member subscribes and that there is. */
static void assign_each_read(assign *a, void (*fn)(assign *a, uint32_t topic, uint32_t member))
{
    for (uint32_t i = 0; i < a->nmembers; i++)
        for (uint32_t k = 0; k < a->members[i]->nreads; k++) {
            const ri_modern_topic *topic = a->members[i]->reads[k]->topic;
            if (topic) fn(a, topic->index, i);
        }
}

static void assign_count_subscriber(assign *a, uint32_t topic, uint32_t member)
{
    (void)member;
    a->first[topic + 1]++;
}

static void assign_put_subscriber(assign *a, uint32_t topic, uint32_t member)
{
    a->subscribers[a->first[topic]++] = member;
}

/* Where the subscribers of each topic stand, in the order of `members`. */
static int assign_find_subscribers(assign *a)
{
    size_t most = a->group->modern->nsubscriptions;
    a->first = ri_calloc(a->host, ri_size_mul((size_t)a->ntopics + 1, sizeof *a->first));
    a->subscribers = ri_calloc(a->host, ri_size_mul(most, sizeof *a->subscribers));
    if (!a->first || (!a->subscribers && most)) return RILL_ENOMEM;
    assign_each_read(a, assign_count_subscriber);
    for (uint32_t t = 0; t < a->ntopics; t++) a->first[t + 1] += a->first[t];
    RI_ASSERT(a->first[a->ntopics] <= most);
    assign_each_read(a, assign_put_subscriber); /* which moves each beginning to its end */
    memmove(a->first + 1, a->first, a->ntopics * sizeof *a->first);
    a->first[0] = 0;
    return RILL_OK;
}

static void assign_fini(assign *a)
{
    size_t n = ri_modern_size(a->group), names = a->group->modern->names.len;
    ri_free(a->host, a->members, n * sizeof *a->members);
    ri_free(a->host, a->loads, n * sizeof *a->loads);
    ri_free(a->host, a->shares, n * sizeof *a->shares);
    ri_free(a->host, a->topics, names * sizeof *a->topics);
    ri_free(a->host, a->owners, a->npartitions * sizeof *a->owners);
    if (a->first) ri_free(a->host, a->first, ((size_t)a->ntopics + 1) * sizeof *a->first);
    ri_free(a->host, a->subscribers,
            a->group->modern->nsubscriptions * sizeof *a->subscribers);
}

static uint32_t assign_count(const ri_modern_topic *topic)
{
    return (uint32_t)RI_MAX(topic->partitions, 0);
}

static void assign_give(assign *a, uint32_t partition, uint32_t member)
{
    RI_ASSERT(partition < a->npartitions && member < a->nmembers);
    if (a->owners[partition] >= 0) a->loads[a->owners[partition]]--;
    a->owners[partition] = (int32_t)member;
    a->loads[member]++;
}

/* ---- range ---- */

static void assign_range(assign *a)
{
    for (uint32_t t = 0; t < a->ntopics; t++) {
        uint32_t n = assign_count(a->topics[t]), at = a->topics[t]->first;
        uint32_t nsubscribers = a->first[t + 1] - a->first[t];
        for (uint32_t i = 0; i < nsubscribers; i++) {
            uint32_t share = n / nsubscribers + (i < n % nsubscribers);
            for (; share > 0; share--) assign_give(a, at++, a->subscribers[a->first[t] + i]);
        }
    }
}

/* ---- uniform, where all subscribe the same ---- */

/* Keeps up to so many of what it has; how many less that is. */
static uint32_t assign_keep(assign *a, uint32_t i, uint32_t share)
{
    const ri_modern_set *target = &a->members[i]->target;
    for (uint32_t k = 0; k < target->n && share > 0; k++) {
        const ri_modern_part *part = &target->parts[k];
        if (part->partition >= part->topic->partitions ||
            !ri_modern_reads(a->members[i], part->topic))
            continue;
        uint32_t partition = part->topic->first + (uint32_t)part->partition;
        if (a->owners[partition] >= 0) continue;
        assign_give(a, partition, i);
        share--;
    }
    return share;
}

/* Some members have one more than the others: those that have it already, as far as there are such,
 * and the last ones where not. */
static void assign_evenly(assign *a)
{
    uint32_t share = a->npartitions / a->nmembers, extra = a->npartitions % a->nmembers;
    for (uint32_t i = 0; i < a->nmembers; i++) {
        uint32_t left = assign_keep(a, i, share + (extra > 0));
        bool has_extra = extra > 0 && (left == 0 || a->nmembers - i <= extra);
        extra -= has_extra;
        a->shares[i] = share + has_extra;
    }
    uint32_t i = 0;
    for (uint32_t p = 0; p < a->npartitions; p++) {
        if (a->owners[p] >= 0) continue;
        while (a->loads[i] >= a->shares[i]) i++; /* the shares are as many as there are */
        assign_give(a, p, i);
    }
}

/* ---- uniform, where they subscribe different topics ---- */

typedef struct assign_order { /* of topics */
    uint32_t topic, partitions, subscribers;
} assign_order;

/* Those with the most partitions for each subscriber first. */
static int assign_by_need(const void *x, const void *y)
{
    const assign_order *a = x, *b = y;
    uint64_t need_a = (uint64_t)a->partitions * b->subscribers;
    uint64_t need_b = (uint64_t)b->partitions * a->subscribers;
    if (need_a != need_b) return need_a > need_b ? -1 : 1;
    if (a->subscribers != b->subscribers) return a->subscribers < b->subscribers ? -1 : 1;
    return (a->topic > b->topic) - (a->topic < b->topic);
}

static assign_order *assign_order_topics(const assign *a)
{
    assign_order *order = ri_alloc(a->host, ri_size_mul(a->ntopics, sizeof *order));
    for (uint32_t t = 0; order && t < a->ntopics; t++)
        order[t] = (assign_order){t, assign_count(a->topics[t]), a->first[t + 1] - a->first[t]};
    if (order && a->ntopics) qsort(order, a->ntopics, sizeof *order, assign_by_need);
    return order;
}

/* A heap of the subscribers of a topic, the one with the least load on top; of equals the first. */
static bool assign_before(const assign *a, uint32_t x, uint32_t y)
{
    return a->loads[x] != a->loads[y] ? a->loads[x] < a->loads[y] : x < y;
}

static void assign_sift(const assign *a, uint32_t *heap, uint32_t n, uint32_t i)
{
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && assign_before(a, heap[child + 1], heap[child])) child++;
        if (!assign_before(a, heap[child], heap[i])) return;
        uint32_t was = heap[i];
        heap[i] = heap[child];
        heap[child] = was;
    }
}

static uint32_t assign_heap(const assign *a, uint32_t topic, uint32_t **heap)
{
    uint32_t n = a->first[topic + 1] - a->first[topic];
    *heap = a->subscribers + a->first[topic];
    for (uint32_t i = n / 2; i-- > 0;) assign_sift(a, *heap, n, i);
    return n;
}

static void assign_rest(assign *a, uint32_t topic)
{
    uint32_t *heap, n = assign_heap(a, topic, &heap);
    uint32_t from = a->topics[topic]->first, to = from + assign_count(a->topics[topic]);
    for (uint32_t p = from; p < to && n > 0; p++) {
        if (a->owners[p] >= 0) continue;
        assign_give(a, p, heap[0]);
        assign_sift(a, heap, n, 0);
    }
}

/* Partitions of the topic go from those who have more to who has least of all: how many. Who gives
 * one away may have less than the heap says; that is put right in the next round. */
static uint32_t assign_balance(assign *a, uint32_t topic)
{
    uint32_t *heap, n = assign_heap(a, topic, &heap), moved = 0;
    uint32_t from = a->topics[topic]->first, to = from + assign_count(a->topics[topic]);
    for (uint32_t p = to; p-- > from && n > 1;) {
        uint32_t owner = (uint32_t)a->owners[p];
        if (a->loads[owner] <= a->loads[heap[0]] + 1) continue;
        assign_give(a, p, heap[0]);
        assign_sift(a, heap, n, 0);
        moved++;
    }
    return moved;
}

static int assign_unevenly(assign *a)
{
    assign_order *order = assign_order_topics(a);
    if (!order && a->ntopics) return RILL_ENOMEM;
    for (uint32_t i = 0; i < a->nmembers; i++) assign_keep(a, i, UINT32_MAX);
    for (uint32_t t = 0; t < a->ntopics; t++) assign_rest(a, order[t].topic);
    uint32_t moved = 1;
    for (int round = 0; round < ASSIGN_ROUNDS && moved > 0; round++) {
        moved = 0;
        for (uint32_t t = 0; t < a->ntopics; t++) moved += assign_balance(a, order[t].topic);
    }
    ri_free(a->host, order, a->ntopics * sizeof *order);
    return RILL_OK;
}

/* Does each name have all members as subscribers? */
static bool assign_is_homogeneous(const assign *a)
{
    for (uint32_t t = 0; t < a->ntopics; t++)
        if (a->first[t + 1] - a->first[t] != a->nmembers) return false;
    return true;
}

/* ---- The targets ---- */

static int assign_read_out(const assign *a, ri_modern_set *targets)
{
    int rc = RILL_OK;
    for (uint32_t t = 0; t < a->ntopics; t++) {
        ri_modern_topic *topic = a->topics[t];
        for (int32_t p = 0; p < topic->partitions && rc >= 0; p++) {
            int32_t owner = a->owners[topic->first + (uint32_t)p];
            ri_modern_part part = {topic, p, 0};
            if (owner >= 0) rc = ri_modern_set_push(a->host, &targets[owner], part);
        }
    }
    return rc;
}

static int assign_set_targets(assign *a)
{
    ri_modern_set *targets = ri_calloc(a->host, ri_size_mul(a->nmembers, sizeof *targets));
    if (!targets) return RILL_ENOMEM;
    int rc = assign_read_out(a, targets);
    for (uint32_t i = 0; i < a->nmembers; i++) {
        if (rc >= 0) ri_modern_set_target(a->members[i], &targets[i]);
        ri_modern_set_fini(a->host, &targets[i]);
    }
    ri_free(a->host, targets, a->nmembers * sizeof *targets);
    return rc;
}

static int assign_run(assign *a)
{
    int rc;
    if ((rc = assign_find_members(a)) < 0 || (rc = assign_find_topics(a)) < 0 ||
        (rc = assign_find_subscribers(a)) < 0)
        return rc;
    ri_groups_spend(a->group->groups, 4 * (uint64_t)a->npartitions + a->first[a->ntopics] +
                                      a->nmembers);
    if (a->range) assign_range(a);
    else if (assign_is_homogeneous(a)) assign_evenly(a);
    else rc = assign_unevenly(a);
    return rc < 0 ? rc : assign_set_targets(a);
}

int ri_modern_assign(ri_group *group)
{
    RI_ASSERT(ri_modern_size(group) > 0);
    assign a = {.group = group, .host = group->groups->host,
                .range = ri_str_is(ri_modern_assignor(group), "range")};
    int rc = assign_run(&a);
    assign_fini(&a);
    return rc;
}
