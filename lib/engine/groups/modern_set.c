/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of partitions: arrays in order, which are merged and searched. */
#include <stdlib.h>

#include "base/array.h"
#include "engine/groups/modern.h"

static int set_order(const void *a, const void *b)
{
    const ri_modern_part *x = a, *y = b;
    if (x->topic != y->topic) return x->topic->number < y->topic->number ? -1 : 1;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

int ri_modern_set_push(const ri_host *host, ri_modern_set *set, ri_modern_part part)
{
    RI_ASSERT(set->n <= set->cap && part.topic);
    int rc = ri_array_reserve(host, &set->parts, &set->cap, (size_t)set->n + 1,
                              sizeof *set->parts);
    if (rc < 0) return rc;
    set->parts[set->n++] = part;
    return RILL_OK;
}

void ri_modern_set_sort(ri_modern_set *set)
{
    uint32_t kept = 0;
    if (set->n < 2) return;
    qsort(set->parts, set->n, sizeof *set->parts, set_order);
    for (uint32_t i = 1; i < set->n; i++)
        if (set_order(&set->parts[kept], &set->parts[i]) != 0) set->parts[++kept] = set->parts[i];
    set->n = kept + 1;
}

const ri_modern_part *ri_modern_set_find(const ri_modern_set *set, const ri_modern_topic *topic,
                                         int32_t partition)
{
    uint32_t low = 0, high = set->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const ri_modern_part *part = &set->parts[mid];
        bool before = part->topic == topic ? part->partition < partition
                                           : part->topic->number < topic->number;
        if (before) low = mid + 1;
        else high = mid;
    }
    if (low == set->n) return NULL;
    const ri_modern_part *part = &set->parts[low];
    return part->topic == topic && part->partition == partition ? part : NULL;
}

bool ri_modern_set_eq(const ri_modern_set *a, const ri_modern_set *b)
{
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        const ri_modern_part *x = &a->parts[i], *y = &b->parts[i];
        if (x->topic != y->topic || x->partition != y->partition || x->epoch != y->epoch)
            return false;
    }
    return true;
}

void ri_modern_set_abandon(ri_group *group, ri_modern_set *set)
{
    ri_modern_set_sort(set); /* those of a topic stand together */
    for (uint32_t i = 0, n; i < set->n; i += n) {
        ri_modern_topic *topic = set->parts[i].topic;
        for (n = 1; i + n < set->n && set->parts[i + n].topic == topic;) n++;
        ri_modern_topic_drop(group, topic);
    }
    ri_modern_set_fini(group->groups->host, set);
}

void ri_modern_set_fini(const ri_host *host, ri_modern_set *set)
{
    ri_free(host, set->parts, set->cap * sizeof *set->parts);
    *set = (ri_modern_set){0};
}
