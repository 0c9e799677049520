/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/hash.h"
#include "base/map.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

typedef struct item {
    uint64_t key;
    bool in;
} item;

static bool item_same(const void *at, const void *key)
{
    return ((const item *)at)->key == *(const uint64_t *)key;
}

/* Few distinct hashes, so that runs of equal and wrapped hashes are the rule. */
static uint64_t bad_hash(uint64_t key)
{
    return key % 7 ? key % 5 : UINT64_MAX - key % 3;
}

START_TEST(test_empty)
{
    fault f;
    fault_init(&f);
    ri_map map;
    ri_map_init(&map, &f.host, item_same);
    uint64_t key = 1;
    ck_assert_ptr_null(ri_map_get(&map, 1, &key));
    ck_assert_ptr_null(ri_map_take(&map, 1, &key));
    ri_map_each(it, &map) ck_abort();
    ri_map_fini(&map);
    fault_fini(&f);
}
END_TEST

static void random_map(uint64_t seed, uint64_t (*hash)(uint64_t), size_t keys, int steps)
{
    rng r;
    rng_init(&r, seed);
    fault f;
    fault_init(&f);
    ri_map map;
    ri_map_init(&map, &f.host, item_same);
    item *items = calloc(keys, sizeof *items);
    size_t in = 0;
    for (int i = 0; i < steps; i++) {
        item *it = &items[rng_below(&r, keys)];
        it->key = (uint64_t)(it - items);
        if (it->in) {
            ri_map_fetch(&map, hash(it->key));
            const item *peeked = ri_map_peek(&map, hash(it->key));
            ck_assert(!peeked || hash(peeked->key) == hash(it->key));
            ck_assert_ptr_eq(ri_map_get(&map, hash(it->key), &it->key), it);
            ck_assert_ptr_eq(ri_map_take(&map, hash(it->key), &it->key), it);
            in--;
        } else {
            ck_assert_ptr_null(ri_map_get(&map, hash(it->key), &it->key));
            ck_assert_ok(ri_map_put(&map, hash(it->key), it));
            in++;
        }
        it->in = !it->in;
        ck_assert_uint_eq(map.len, in);
    }
    size_t seen = 0;
    ri_map_each(at, &map) {
        ck_assert(((item *)at)->in);
        seen++;
    }
    ck_assert_uint_eq(seen, in);
    for (uint64_t key = 0; key < keys; key++) {
        ck_assert(!!ri_map_get(&map, hash(key), &key) == items[key].in);
    }
    ri_map_fini(&map);
    free(items);
    fault_fini(&f);
}

START_TEST(test_random)
{
    random_map(rng_seed(1), ri_hash_u64, 1000, 50000);
    random_map(rng_seed(2), ri_hash_u64, 40, 20000);
}
END_TEST

START_TEST(test_collisions)
{
    random_map(rng_seed(3), bad_hash, 60, 20000);
}
END_TEST

static int fault_put(fault *f, void *arg)
{
    (void)arg;
    item items[200];
    ri_map map;
    ri_map_init(&map, &f->host, item_same);
    int rc = 0;
    size_t put = 0;
    for (; put < RI_LEN(items) && rc == 0; put++) {
        items[put] = (item){put, true};
        rc = ri_map_put(&map, ri_hash_u64(put), &items[put]);
        if (rc < 0) break;
    }
    ck_assert_uint_eq(map.len, put); /* a refused put changed nothing */
    for (uint64_t key = 0; key < put; key++) {
        ck_assert_ptr_eq(ri_map_get(&map, ri_hash_u64(key), &key), &items[key]);
    }
    ri_map_fini(&map);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(fault_put, NULL), 3);
}
END_TEST

SUITE_MAIN("map", test_empty, test_random, test_collisions, test_faults)
