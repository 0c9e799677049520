/* SPDX-License-Identifier: Apache-2.0 */
/* What is read back from disk behind a checksum: subject sets, producers. Any bytes
 * are refused or taken, without a read outside them; what was taken is written and read again
 * the same. The first byte of an input picks the reader. */
#include <string.h>

#include "store/memory/producers.h"
#include "store/index/sets.h"
#include "support/fuzz.h"
#include "support/guard.h"

static ri_host host;

static void stored_sets(ri_str bytes)
{
    ri_sets sets;
    if (ri_sets_view(&sets, bytes) < 0 || sets.records > 100000) return;
    ri_select select;
    ri_select_init(&select, &host);
    uint32_t ids[32];
    size_t n = 0;
    for (uint32_t s = 0; s < sets.subjects && n < 32; s++) {
        ids[n++] = s;
    }
    fuzz_require(ri_select_from(&select, &sets, ids, n) == 0, "select");
    uint32_t at = 0, count = 0;
    for (; (at = ri_select_next(&select, at)) < sets.records; at++) count++;
    fuzz_require(count <= sets.records, "no more than there are");
    at = ri_select_prev(&select, UINT32_MAX);
    fuzz_require(at <= sets.records && (at < sets.records) == (count > 0), "a last if any");
    ri_select_fini(&select);
}

static void stored_producers(ri_str bytes)
{
    ri_producers producers, again;
    ri_buffer out;
    ri_producers_init(&producers, &host, &(ri_producers_opts){0});
    ri_producers_init(&again, &host, &(ri_producers_opts){0});
    ri_buffer_init(&out, &host);
    if (ri_producers_read(&producers, bytes.ptr, bytes.len) == 0) {
        ri_producers_write(&producers, &out);
        fuzz_require(ri_str_eq(ri_buffer_str(&out), bytes), "writes what it read");
        fuzz_require(ri_producers_read(&again, out.ptr, out.len) == 0, "reads what it wrote");
        fuzz_require(ri_producers_stable(&again) == ri_producers_stable(&producers), "stable");
    }
    ri_producers_fini(&producers);
    ri_producers_fini(&again);
    ri_buffer_fini(&out);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    ri_host_init(&host, NULL);
    if (size < 3) return 0;
    size_t len = size - 3;
    char *p = guard_copy(data + 3, len);
    if (data[0] % 2) {
        if (len >= 8) { /* few records and subjects, so that the sets are reached */
            memset(p + 2, 0, 2);
            memset(p + 5, 0, 3);
        }
        stored_sets((ri_str){p, len});
    } else {
        if (len >= 8) {
            memcpy(p, "\1\0\0\0", 4);
            memset(p + 5, 0, 3);
        }
        stored_producers((ri_str){p, len});
    }
    return 0;
}
