/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"

/* The first capacity, in bytes; in items, at least. */
enum { ARRAY_FIRST_BYTES = 64, ARRAY_FIRST = 4 };

int ri_array_reserve_long(const ri_host *host, void *array, size_t *cap, size_t need, size_t size)
{
    RI_ASSERT(size > 0 && need < SIZE_MAX / size / 2);
    if (need <= *cap) return RILL_OK;
    size_t first = RI_MAX(ARRAY_FIRST_BYTES / size, (size_t)ARRAY_FIRST);
    size_t now = RI_MAX(*cap ? *cap * 2 : first, need);
    void *items;
    memcpy(&items, array, sizeof items);
    RI_ASSERT((items != NULL) == (*cap > 0));
    items = ri_realloc(host, items, *cap * size, now * size);
    if (!items) return RILL_ENOMEM;
    memcpy(array, &items, sizeof items);
    *cap = now;
    return RILL_OK;
}

int ri_array_reserve(const ri_host *host, void *array, uint32_t *cap, size_t need, size_t size)
{
    RI_ASSERT(need <= UINT32_MAX / 2);
    size_t wide = *cap;
    int rc = ri_array_reserve_long(host, array, &wide, need, size);
    *cap = (uint32_t)wide;
    return rc;
}
