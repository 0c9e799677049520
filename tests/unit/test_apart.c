/* SPDX-License-Identifier: Apache-2.0 */
/* Which subjects a new stream may take, and what it costs to find that out, in units. */
#include "engine/streams/apart.h"

#include <stdio.h>

#include "support/streams.h"

enum { MANY = 400, CROWD = 2100 };

/* Does somebody take that subject, who is not called so? */
static bool taken(world *w, const char *name, const char *subject, int64_t *units)
{
    ri_str subjects[] = {RI_STR("new"), ri_str_of(subject)};
    ri_apart c;
    ri_apart_init(&c, w->js, ri_str_of(name), &(ri_strs){subjects, RI_LEN(subjects)});
    int64_t before = w->router.budget.left;
    c.whole = true;
    ck_assert_ok(ri_apart_some(w->js, &c));
    *units = before - w->router.budget.left;
    ri_apart_fini(&c);
    return c.found;
}

/* Who takes a plain subject is looked up: that costs as much however many streams there are. */
START_TEST(test_plain)
{
    world *w = open_world();
    ri_stream *last;
    char json[64];
    int64_t first = 0, units;
    ck_assert_ok(world_stream(w, "{\"name\":\"W\",\"subjects\":[\"w.*.x\"]}", NULL, NULL));
    for (int i = 0; i < MANY; i++) {
        snprintf(json, sizeof json, "{\"name\":\"S%03d\",\"subjects\":[\"s.%03d\"]}", i, i);
        ck_assert_ok(world_stream(w, json, &last, NULL));
        if (i == 0) ck_assert(!taken(w, "T", "t", &first));
    }
    ck_assert(!taken(w, "T", "t", &units));
    ck_assert_int_eq(units, first);
    ck_assert(taken(w, "T", "s.007", &units));
    ck_assert(taken(w, "T", "w.1.x", &units)); /* by one with a wildcard */
    ck_assert(!taken(w, "T", "w.1.y", &units));
    ck_assert(!taken(w, "S007", "s.007", &units)); /* a stream's own */
    ck_assert(taken(w, "S007", "s.008", &units));
    ck_assert_int_le(units, first);
    ck_assert(taken(w, "T", "s.*", &units));
    ck_assert(!taken(w, "T", "t.*", &units));
    ck_assert_int_ge(units, MANY); /* a filter is compared with all */
    static ri_subscription crowd[CROWD];
    ri_party *party = world_listen(w, "c", "t")->sub.party;
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (ri_subscription){.entry.subject = RI_STR("t")};
        ck_assert_ok(ri_router_subscribe(party, &crowd[i]));
    }
    ck_assert(!taken(w, "T", "t", &units)); /* so many hear it that streams are compared */
    ck_assert_int_ge(units, MANY / 8);
    ck_assert_int_le(units, 2 * MANY);
    ck_assert(taken(w, "T", "s.007", &units));
    ck_assert_ok(ri_stream_delete(last, NULL));
    ck_assert(!taken(w, "T", "s.399", &units));
    world_fini(w);
}
END_TEST

SUITE_MAIN("apart", test_plain)
