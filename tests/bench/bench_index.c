/* SPDX-License-Identifier: Apache-2.0 */
/* The subject index with 10 million subjects (or argv[1]) of three shapes: memory a subject, and
 * the time of a put, of another record, of a find, of a walk under a filter that matches 1 %, and
 * of a removal. Each works through the subjects in an order of no order, as they come from many
 * sources. Fails when a shape takes more than 96 bytes a subject. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "store/index/subject_index.h"

enum { MUST_BYTES = 96, NAME_MAX_BYTES = 64 };

static ri_host host;
static ri_subject_index idx;
static uint64_t subjects = 10000000;

static void index_die(const char *what)
{
    fprintf(stderr, "bench_index: %s\n", what);
    exit(EXIT_FAILURE);
}

/* The i-th of n things in an order that jumps about: n and the step have no common divisor. */
static uint64_t index_shuffled(uint64_t i)
{
    uint64_t step = 7368787; /* a prime */
    return subjects % step ? i * step % subjects : i;
}

static uint64_t index_mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x7fb5d329728ea185ULL;
    x = (x ^ x >> 27) * 0x81dadef4bc2dd44dULL;
    return x ^ x >> 33;
}

typedef size_t (*index_name)(char *out, uint64_t i);

static size_t index_orders(char *out, uint64_t i) /* orders.42.1234567890 */
{
    return (size_t)sprintf(out, "orders.%02u.%010llu", (unsigned)(i % 100), (unsigned long long)i);
}

static size_t index_random(char *out, uint64_t i) /* kv.s042.5f3a09b1c2d4e6f8 */
{
    return (size_t)sprintf(out, "kv.s%03u.%016llx", (unsigned)(i % 100),
                           (unsigned long long)index_mix(i));
}

static size_t index_sensors(char *out, uint64_t i) /* site.42.dev.123456.temperature */
{
    static const char *kinds[] = {"temperature", "humidity", "pressure", "battery"};
    return (size_t)sprintf(out, "site.%u.dev.%llu.%s", (unsigned)(i % 100),
                           (unsigned long long)(i / 4), kinds[i % 4]);
}

static double index_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void index_add(ri_str name, uint64_t i)
{
    if (ri_subject_index_add(&idx, name, i + 1) < 0) index_die("add");
}

static void index_add_second(ri_str name, uint64_t i)
{
    if (ri_subject_index_add(&idx, name, subjects + i + 1) < 0) index_die("second add");
}

static void index_find(ri_str name, uint64_t i)
{
    ri_subject_entry e;
    (void)i;
    if (ri_subject_index_find(&idx, name, &e) < 0) index_die("find");
}

static void index_remove(ri_str name, uint64_t i)
{
    if (ri_subject_index_remove(&idx, name, i + 1) < 0) index_die("remove");
}

static void index_nothing(ri_str name, uint64_t i)
{
    (void)name;
    (void)i;
}

/* Processor time a subject of a step, in ns; the making of the name is in it. */
static double index_each(index_name name, void (*step)(ri_str name, uint64_t i))
{
    char text[NAME_MAX_BYTES];
    double start = index_now();
    for (uint64_t i = 0; i < subjects; i++) {
        size_t len = name(text, index_shuffled(i));
        step((ri_str){text, len}, i);
    }
    return (index_now() - start) / (double)subjects;
}

static int index_count(void *arg, ri_str subject, const ri_subject_entry *e)
{
    (void)subject;
    *(uint64_t *)arg += e->count;
    return 0;
}

static bool index_shape(const char *title, index_name name, const char *filter)
{
    ri_subject_index_init(&idx, &host);
    double naming = index_each(name, index_nothing);
    double add = index_each(name, index_add) - naming;
    double bytes = (double)idx.slab.bytes / (double)idx.len;
    if (idx.len != subjects) index_die("a subject is missing");
    double find = index_each(name, index_find) - naming;
    uint64_t matched = 0;
    double start = index_now();
    if (ri_subject_index_each(&idx, ri_str_of(filter), index_count, &matched) < 0) {
        index_die("walk");
    }
    double walk = (index_now() - start) / (double)matched;
    double again = index_each(name, index_add_second) - naming;
    double twice = (double)idx.slab.bytes / (double)idx.len;
    double removal = index_each(name, index_remove) - naming;
    char sample[NAME_MAX_BYTES];
    size_t len = name(sample, subjects / 2 + 42);
    printf("%-8s %-32.*s %6.1f B %6.1f B %6.0f ns %6.0f ns %6.0f ns %6.0f ns %6.0f ns (%llu)\n",
           title, (int)len, sample, bytes, twice, add, again, find, removal, walk,
           (unsigned long long)matched);
    ri_subject_index_fini(&idx);
    return bytes <= MUST_BYTES;
}

int main(int argc, char **argv)
{
    if (argc > 1) subjects = strtoull(argv[1], NULL, 0);
    if (subjects < 1000) index_die("at least 1000 subjects");
    ri_host_init(&host, NULL);
    printf("%llu subjects; bytes a subject must be <= %d, aim <= 48\n",
           (unsigned long long)subjects, MUST_BYTES);
    printf("%-8s %-32s %8s %8s %9s %9s %9s %9s %9s\n", "shape", "for example", "1 record",
           "2", "add", "add 2nd", "find", "remove", "walk 1 %");
    bool held = index_shape("orders", index_orders, "orders.42.*");
    held = index_shape("random", index_random, "kv.s042.*") && held;
    held = index_shape("sensors", index_sensors, "site.42.>") && held;
    return held ? EXIT_SUCCESS : EXIT_FAILURE;
}
