/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/assert.h"

enum { MAP_FIRST = 8 };

void ri_map_init(ri_map *map, const ri_host *host, ri_map_same same)
{
    *map = (ri_map){.host = host, .same = same};
}

void ri_map_fini(ri_map *map)
{
    RI_ASSERT(ri_map_is_sound(map));
    if (map->host) ri_free(map->host, map->slots, map->cap * sizeof *map->slots);
    *map = (ri_map){.host = map->host, .same = map->same};
}

static size_t map_find(const ri_map *map, uint64_t hash, const void *key)
{
    RI_ASSERT(map->len < map->cap);
    size_t mask = map->cap - 1, i = hash & mask;
    for (; map->slots[i].item; i = (i + 1) & mask)
        if (map->slots[i].hash == hash && map->same(map->slots[i].item, key)) break;
    return i;
}

void *ri_map_get(const ri_map *map, uint64_t hash, const void *key)
{
    RI_ASSERT(ri_map_is_sound(map));
    if (map->len == 0) return NULL;
    return map->slots[map_find(map, hash, key)].item;
}

static void map_place(ri_map_slot *slots, size_t cap, ri_map_slot slot)
{
    RI_ASSERT(slot.item && cap > 0);
    size_t i = slot.hash & (cap - 1);
    while (slots[i].item) i = (i + 1) & (cap - 1);
    slots[i] = slot;
}

static bool map_is_full(const ri_map *map)
{
    return (map->len + 1) * 4 > map->cap * 3;
}

static size_t map_next_cap(const ri_map *map)
{
    return map->cap ? map->cap * 2 : MAP_FIRST;
}

uint64_t ri_map_growth(const ri_map *map)
{
    return map_is_full(map) ? (map_next_cap(map) - map->cap) * sizeof *map->slots : 0;
}

static int map_grow(ri_map *map)
{
    size_t cap = map_next_cap(map);
    ri_map_slot *slots = ri_calloc(map->host, cap * sizeof *slots);
    if (!slots) return RILL_ENOMEM;
    for (size_t i = 0; i < map->cap; i++)
        if (map->slots[i].item) map_place(slots, cap, map->slots[i]);
    ri_free(map->host, map->slots, map->cap * sizeof *slots);
    map->slots = slots;
    map->cap = cap;
    RI_ASSERT(ri_map_is_sound(map));
    return RILL_OK;
}

int ri_map_put(ri_map *map, uint64_t hash, void *item)
{
    RI_ASSERT(item);
    RI_ASSERT(ri_map_is_sound(map));
    if (map_is_full(map) && map_grow(map) < 0) return RILL_ENOMEM;
    map_place(map->slots, map->cap, (ri_map_slot){hash, item});
    map->len++;
    return RILL_OK;
}

/* Close the hole at `i`: each later item of the run moves into the hole if its home allows it. */
static void map_close(ri_map *map, size_t i)
{
    RI_ASSERT(map->slots[i].item && i < map->cap);
    size_t mask = map->cap - 1;
    for (size_t next = (i + 1) & mask; map->slots[next].item; next = (next + 1) & mask) {
        size_t home = map->slots[next].hash & mask;
        if (((next - home) & mask) < ((next - i) & mask)) continue;
        map->slots[i] = map->slots[next];
        i = next;
    }
    map->slots[i].item = NULL;
}

void *ri_map_take(ri_map *map, uint64_t hash, const void *key)
{
    RI_ASSERT(ri_map_is_sound(map));
    if (map->len == 0) return NULL;
    size_t i = map_find(map, hash, key);
    void *item = map->slots[i].item;
    if (!item) return NULL;
    map_close(map, i);
    map->len--;
    return item;
}
