/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions and assignments of consumers: each version, cut off at each byte, and with each
 * byte changed. What is read stands in memory of its own: a checker sees a byte too many. */
#include <stdlib.h>

#include "base/buffer.h"
#include "engine/groups/subscription.h"
#include "support/suite.h"

static ri_host host;
static ri_buffer out;

static void setup(void)
{
    ri_host_init(&host, NULL);
    ri_buffer_init(&out, &host);
}

static void teardown(void)
{
    ri_buffer_fini(&out);
}

static void put(uint32_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;) {
        char byte = (char)(value >> 8 * i);
        ri_buffer_put(&out, &byte, 1);
    }
}

static void put_name(const char *name)
{
    put((uint32_t)strlen(name), 2);
    ri_buffer_puts(&out, name);
}

static void put_parts(void)
{
    put(1, 4);
    put_name("t");
    put(2, 4);
    put(0, 4);
    put(7, 4);
}

static void put_subscription(uint32_t version)
{
    ri_buffer_reset(&out);
    put(version, 2);
    put(2, 4);
    put_name("t");
    put_name("topic");
    put(3, 4);
    ri_buffer_puts(&out, "own");
    if (version >= 1) put_parts();
    if (version >= 2) put(9, 4);
    if (version >= 3) put_name("rack");
}

/* Is all of it there? */
static bool reads(ri_str bytes, size_t *names, size_t *partitions, ri_str *rack)
{
    ri_subscription_reader r;
    ri_str name, parts;
    int rc;
    *names = *partitions = 0;
    if (!ri_subscription_begin(&r, bytes)) return false;
    while ((rc = ri_subscription_topic(&r, &name)) == 1) ++*names;
    if (rc < 0 || !ri_subscription_begin_owned(&r)) return false;
    while ((rc = ri_subscription_parts(&r, &name, &parts)) == 1) {
        size_t n = ri_subscription_count(parts);
        for (size_t i = 0; i < n; i++) *partitions += ri_subscription_partition(parts, i) >= 0;
    }
    return rc == 0 && ri_subscription_end(&r, rack);
}

static bool reads_assignment(ri_str bytes, size_t *partitions)
{
    ri_subscription_reader r;
    ri_str name, parts, user_data;
    int rc;
    *partitions = 0;
    if (!ri_subscription_begin_assignment(&r, bytes)) return false;
    while ((rc = ri_subscription_parts(&r, &name, &parts)) == 1)
        *partitions += ri_subscription_count(parts);
    return rc == 0 && ri_subscription_end_assignment(&r, &user_data);
}

/* A copy of so many bytes and no more, one of which may be changed. */
static char *copy(size_t len, size_t at, int change)
{
    char *bytes = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(bytes);
    if (len) memcpy(bytes, ri_buffer_str(&out).ptr, len);
    if (at < len) bytes[at] = (char)(bytes[at] ^ change);
    return bytes;
}

START_TEST(test_versions)
{
    for (uint32_t version = 0; version <= 4; version++) {
        size_t names, partitions;
        ri_str rack;
        put_subscription(version);
        ck_assert(reads(ri_buffer_str(&out), &names, &partitions, &rack));
        ck_assert_uint_eq(names, 2);
        ck_assert_uint_eq(partitions, version >= 1 ? 2 : 0);
        ck_assert(version >= 3 ? ri_str_is(rack, "rack") : rack.ptr == NULL);
    }
}
END_TEST

START_TEST(test_cut)
{
    for (uint32_t version = 0; version <= 3; version++) {
        put_subscription(version);
        size_t all = ri_buffer_size(&out), names, partitions;
        for (size_t len = 0; len < all; len++) {
            ri_str rack;
            char *bytes = copy(len, len, 0);
            ck_assert(!reads((ri_str){bytes, len}, &names, &partitions, &rack));
            free(bytes);
        }
    }
}
END_TEST

/* It is read or not, and nothing behind it is. */
START_TEST(test_changed)
{
    put_subscription(3);
    size_t all = ri_buffer_size(&out), names, partitions, well = 0;
    for (size_t at = 0; at < all; at++)
        for (int change = 1; change < 256; change <<= 1) {
            ri_str rack;
            char *bytes = copy(all, at, change);
            well += reads((ri_str){bytes, all}, &names, &partitions, &rack);
            free(bytes);
        }
    ck_assert(well > 0 && well < all * 8);
}
END_TEST

START_TEST(test_assignment)
{
    size_t partitions;
    ri_subscription_put(&out, 9, 1); /* in the newest version that there is here */
    ri_subscription_put_topic(&out, RI_STR("t"), 2);
    ri_subscription_put_partition(&out, 0);
    ri_subscription_put_partition(&out, 7);
    ri_subscription_put_end(&out);
    ri_buffer whole;
    ri_buffer_init(&whole, &host);
    ri_buffer_put_str(&whole, ri_buffer_str(&out));
    ri_buffer_reset(&out);
    put(3, 2);
    put_parts();
    put(UINT32_MAX, 4);
    ck_assert(ri_str_eq(ri_buffer_str(&whole), ri_buffer_str(&out)));
    ri_buffer_fini(&whole);
    size_t all = ri_buffer_size(&out);
    for (size_t len = 0; len <= all; len++) {
        char *bytes = copy(len, len, 0);
        ck_assert_int_eq(reads_assignment((ri_str){bytes, len}, &partitions), len == all);
        free(bytes);
    }
    ck_assert_uint_eq(partitions, 2);
}
END_TEST

SUITE_MAIN_ROWS("subscription", SUITE_WITH(setup, teardown, test_versions, test_cut, test_changed,
                                           test_assignment))
