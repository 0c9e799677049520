/* SPDX-License-Identifier: Apache-2.0 */
/* An open-addressing map from a key's 64-bit hash to a pointer whose owner holds the key.
 *
 *     slots:  [h|item] [ - ] [h|item] [h|item] [ - ] ...      a power of two, at most 3/4 full
 *
 * A lookup walks from its home slot to the first empty one and asks `same` about every item of
 * equal hash. A removal moves later items of the run back, so there are no tombstones and the
 * table does not age. */
#ifndef RI_MAP_H
#define RI_MAP_H

#include "base/alloc.h"
#include "base/str.h"

/* Is `item` the one with this key? */
typedef bool (*ri_map_same)(const void *item, const void *key);

typedef struct ri_map_slot {
    uint64_t hash;
    void *item; /* NULL: empty */
} ri_map_slot;

typedef struct ri_map {
    const ri_host *host;
    ri_map_same same;
    ri_map_slot *slots;
    size_t len, cap; /* items; slots, a power of two or 0 */
} ri_map;

/* What holds between any two calls; for assertions. */
static inline bool ri_map_is_sound(const ri_map *map)
{
    return (map->cap & (map->cap - 1)) == 0 && map->len * 4 <= map->cap * 3 &&
           (map->slots != NULL) == (map->cap > 0);
}

void ri_map_init(ri_map *map, const ri_host *host, ri_map_same same);
void ri_map_fini(ri_map *map); /* frees no item: each is its owner's */
void *ri_map_get(const ri_map *map, uint64_t hash, const void *key);
/* Add an item whose key is not there yet. RILL_ENOMEM changes nothing. */
int ri_map_put(ri_map *map, uint64_t hash, void *item);
/* Take out the item with this key, or NULL if there is none. */
void *ri_map_take(ri_map *map, uint64_t hash, const void *key);

static inline uint64_t ri_map_bytes(const ri_map *map)
{
    return map->cap * sizeof *map->slots;
}
uint64_t ri_map_growth(const ri_map *map); /* bytes that one more item would add */

/* Begin to fetch the slots where a search for `hash` will begin. */
static inline void ri_map_fetch(const ri_map *map, uint64_t hash)
{
    if (map->cap == 0) return;
    const ri_map_slot *home = &map->slots[hash & (map->cap - 1)];
    __builtin_prefetch(home);
    __builtin_prefetch(home + 3); /* a third of all searches goes on into the next line */
}
/* What that slot holds, if it has this hash: most likely what is looked for. */
static inline const void *ri_map_peek(const ri_map *map, uint64_t hash)
{
    if (map->cap == 0) return NULL;
    const ri_map_slot *slot = &map->slots[hash & (map->cap - 1)];
    return slot->hash == hash ? slot->item : NULL;
}

/* `void *it` walks all items, in no order; the map may not change meanwhile. */
#define ri_map_each(it, map) \
    for (size_t it##_i = 0; it##_i < (map)->cap; it##_i++) \
        for (void *it = (map)->slots[it##_i].item; it; it = NULL)

#endif
