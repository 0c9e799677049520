/* SPDX-License-Identifier: Apache-2.0 */
/* Growing an array that its owner keeps as a pointer and a capacity: to twice its capacity. */
#ifndef RI_ARRAY_H
#define RI_ARRAY_H

#include "base/alloc.h"

/* Room for `need` items of `size` bytes in all in the array whose pointer stands at `array`, and
 * whose capacity, in items, at `cap`; both are set. RILL_ENOMEM changes nothing. To be freed with
 * *cap * size bytes. */
int ri_array_reserve(const ri_host *host, void *array, uint32_t *cap, size_t need, size_t size);
/* The same of one whose capacity is a size_t. */
int ri_array_reserve_long(const ri_host *host, void *array, size_t *cap, size_t need, size_t size);

#endif
