/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/error.h"
#include "store/index/subject_index.h"
#include "store/index/subject_walk.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

static fault f;
static ri_subject_index idx;

static void begin(void)
{
    fault_init(&f);
    ri_subject_index_init(&idx, &f.host);
}

static void end(void)
{
    ri_subject_index_fini(&idx);
    fault_fini(&f);
}

static void add(const char *subject, uint64_t seq)
{
    ck_assert_ok(ri_subject_index_add(&idx, ri_str_of(subject), seq));
    ck_assert_ptr_null(ri_subject_walk_verify(&idx));
}

static void take(const char *subject, uint64_t seq)
{
    ck_assert_ok(ri_subject_index_remove(&idx, ri_str_of(subject), seq));
    ck_assert_ptr_null(ri_subject_walk_verify(&idx));
}

static void shows(const char *want)
{
    ri_buffer out;
    ri_buffer_init(&out, &f.host);
    ri_subject_walk_show(&idx, &out);
    ck_assert_msg(ri_str_is(ri_buffer_str(&out), want), "it shows\n%.*s, not\n%s",
                  RI_ARG(ri_buffer_str(&out)), want);
    ri_buffer_fini(&out);
}

static ri_subject_entry entry(const char *subject)
{
    ri_subject_entry e;
    ck_assert_ok(ri_subject_index_find(&idx, ri_str_of(subject), &e));
    return e;
}

START_TEST(test_shapes)
{
    begin();
    shows("");
    add("a.cc.d", 1); /* empty */
    shows("[\"a.cc.d\"] 1..1 x1\n");
    add("a.b", 2); /* leaf differs */
    shows("(\"a.\") 2 of 2\n"
          "  b [\"\"] 2..2 x1\n"
          "  c [\"c.d\"] 1..1 x1\n");
    add("a.c", 3); /* leaf differs where one ends */
    shows("(\"a.\") 2 of 2\n"
          "  b [\"\"] 2..2 x1\n"
          "  c (\"\") 1 of 1\n"
          "    end [\"\"] 3..3 x1\n"
          "    c [\".d\"] 1..1 x1\n");
    add("ax", 4); /* prefix differs */
    add("a.d", 5); /* no child, full node */
    add("a.", 6); /* no end (the tree holds any bytes) */
    add("a.b", 300); /* found; the number is wider */
    shows("(\"a\") 2 of 2\n"
          "  . (\"\") 3 of 3\n"
          "    end [\"\"] 6..6 x1\n"
          "    b [\"\"] 2..300 x2\n"
          "    c (\"\") 1 of 1\n"
          "      end [\"\"] 3..3 x1\n"
          "      c [\".d\"] 1..1 x1\n"
          "    d [\"\"] 5..5 x1\n"
          "  x [\"\"] 4..4 x1\n");
    take("ax", 4); /* one node in place of two */
    take("a.c", 3);
    shows("(\"a.\") 3 of 3\n"
          "  end [\"\"] 6..6 x1\n"
          "  b [\"\"] 2..300 x2\n"
          "  c [\"c.d\"] 1..1 x1\n"
          "  d [\"\"] 5..5 x1\n");
    take("a.", 6);
    take("a.cc.d", 1);
    take("a.b", 2);
    take("a.b", 300);
    shows("[\"a.d\"] 5..5 x1\n"); /* folded into a leaf */
    take("a.d", 5);
    shows("");
    ck_assert_uint_eq(idx.len, 0);
    ck_assert_uint_eq(f.supply.bytes, 0); /* nothing is kept for nothing */
    end();
}
END_TEST

START_TEST(test_ends)
{
    begin();
    for (uint64_t seq = 10; seq <= 50; seq += 10) add("s", seq);
    take("s", 30);
    ri_subject_entry e = entry("s");
    ck_assert(e.first_known && e.last_known && e.first_seq == 10 && e.last_seq == 50);
    take("s", 10);
    e = entry("s");
    ck_assert(!e.first_known && e.first_seq == 11 && e.last_known && e.count == 3);
    ck_assert_rc(ri_subject_index_remove(&idx, RI_STR("s"), 10), RILL_ENOENT);
    ck_assert_ok(ri_subject_index_settle(&idx, RI_STR("s"), 20, 50));
    e = entry("s");
    ck_assert(e.first_known && e.first_seq == 20);
    take("s", 50);
    e = entry("s");
    ck_assert(!e.last_known && e.last_seq == 49 && e.count == 2);
    take("s", 20); /* one left, neither end known */
    e = entry("s");
    ck_assert(!e.first_known && !e.last_known && e.count == 1);
    ck_assert(e.first_seq == 21 && e.last_seq == 49);
    ck_assert_rc(ri_subject_index_add(&idx, RI_STR("s"), 49), RILL_EINVAL);
    add("s", 60); /* an append makes the last exact */
    e = entry("s");
    ck_assert(e.last_known && e.last_seq == 60 && !e.first_known && e.count == 2);
    take("s", 60);
    take("s", 40);
    ck_assert_rc(ri_subject_index_find(&idx, RI_STR("s"), &e), RILL_ENOENT);

    add("t", 70); /* only the newest counts: never a look */
    for (uint64_t seq = 80; seq < 200; seq += 7) {
        add("t", seq);
        take("t", seq == 80 ? 70 : seq - 7);
        e = entry("t");
        ck_assert(e.first_known && e.last_known && e.first_seq == seq && e.count == 1);
    }
    add("u", 1000); /* consecutive: the ends follow by themselves */
    for (uint64_t seq = 1001; seq < 1005; seq++) add("u", seq);
    take("u", 1000);
    take("u", 1004);
    e = entry("u");
    ck_assert(e.first_known && e.last_known && e.first_seq == 1001 && e.last_seq == 1003);
    end();
}
END_TEST

START_TEST(test_put)
{
    begin();
    ri_subject_entry in = {5, UINT64_MAX, 1ull << 40, false, true}, out;
    ck_assert_ok(ri_subject_index_put(&idx, RI_STR("big"), &in));
    out = entry("big");
    ck_assert_mem_eq(&in.first_seq, &out.first_seq, 3 * sizeof(uint64_t));
    ck_assert(!out.first_known && out.last_known);
    in = (ri_subject_entry){7, 7, 1, false, false};
    ck_assert_ok(ri_subject_index_put(&idx, RI_STR("big"), &in));
    out = entry("big");
    ck_assert(out.first_known && out.first_seq == 7 && out.count == 1);
    in = (ri_subject_entry){7, 8, 3, true, true};
    ck_assert_rc(ri_subject_index_put(&idx, RI_STR("big"), &in), RILL_EINVAL);
    in = (ri_subject_entry){7, 8, 0, true, true};
    ck_assert_rc(ri_subject_index_put(&idx, RI_STR("big"), &in), RILL_EINVAL);
    static char longest[RI_SUBJECT_INDEX_LEN_MAX + 1];
    memset(longest, 'q', sizeof longest);
    ri_str name = {longest, sizeof longest};
    ck_assert_rc(ri_subject_index_add(&idx, name, 1), RILL_EINVAL);
    ck_assert_rc(ri_subject_index_add(&idx, RI_STR_NONE, 1), RILL_EINVAL);
    name.len--;
    ck_assert_ok(ri_subject_index_add(&idx, name, 1));
    for (size_t len = name.len; len-- > 1;) { /* as deep as it goes: an end at every byte */
        ck_assert_ok(ri_subject_index_add(&idx, (ri_str){longest, len}, 1));
    }
    ck_assert_ptr_null(ri_subject_walk_verify(&idx));
    for (size_t len = name.len; len > 0; len -= 2) {
        ck_assert_ok(ri_subject_index_drop(&idx, (ri_str){longest, len}));
    }
    ck_assert_rc(ri_subject_index_drop(&idx, name), RILL_ENOENT);
    ck_assert_ptr_null(ri_subject_walk_verify(&idx));
    ck_assert_uint_eq(idx.len, 1 + RI_SUBJECT_INDEX_LEN_MAX / 2);
    end();
}
END_TEST

static int collect(void *arg, ri_str subject, const ri_subject_entry *e)
{
    ck_assert_uint_ge(e->count, 1);
    ri_subject_entry again;
    ck_assert_ok(ri_subject_index_find(&idx, subject, &again)); /* legal within a walk */
    ri_buffer_put_str(arg, subject);
    ri_buffer_puts(arg, " ");
    return ri_str_is(subject, "stop") ? 42 : 0;
}

/* The same, cut as often as can be. How often that was. */
static int filter_in_slices(const char *text, int want_rc, const char *want)
{
    ri_buffer out;
    ri_budget budget;
    ri_budget_init(&budget);
    budget.left = 0;
    ri_subject_place place = {.budget = &budget};
    ri_buffer_init(&out, &f.host);
    ri_buffer_init(&place.next, &f.host);
    int rc, cuts = 0;
    while ((rc = ri_subject_index_some(&idx, ri_str_of(text), &place, collect, &out)) == 1)
        ck_assert_int_lt(++cuts, 10000);
    ck_assert_int_eq(rc, want_rc);
    ck_assert_msg(ri_str_is(ri_buffer_str(&out), want), "%s finds %.*s, not %s", text,
                  RI_ARG(ri_buffer_str(&out)), want);
    ri_buffer_fini(&out);
    ri_buffer_fini(&place.next);
    return cuts;
}

static void filter(const char *text, int want_rc, const char *want)
{
    ri_buffer out;
    ri_buffer_init(&out, &f.host);
    ck_assert_rc(ri_subject_index_each(&idx, ri_str_of(text), collect, &out), want_rc);
    ck_assert_msg(ri_str_is(ri_buffer_str(&out), want), "%s finds %.*s, not %s", text,
                  RI_ARG(ri_buffer_str(&out)), want);
    ri_buffer_fini(&out);
    filter_in_slices(text, want_rc, want);
}

START_TEST(test_filters)
{
    begin();
    filter(">", 0, "");
    const char *names[] = {"a", "a.b", "a.b.c", "a.bb.c", "a.c.c", "ab.c", "b", "b.a*.x",
                           "b.a>.x"};
    for (size_t i = 0; i < RI_LEN(names); i++) add(names[RI_LEN(names) - 1 - i], i + 1);
    filter("", 0, "a a.b a.b.c a.bb.c a.c.c ab.c b b.a*.x b.a>.x ");
    filter(">", 0, "a a.b a.b.c a.bb.c a.c.c ab.c b b.a*.x b.a>.x ");
    filter("*", 0, "a b ");
    filter("*.*", 0, "a.b ab.c ");
    filter("a.>", 0, "a.b a.b.c a.bb.c a.c.c ");
    filter("a.*", 0, "a.b ");
    filter("a.*.c", 0, "a.b.c a.bb.c a.c.c ");
    filter("*.b.>", 0, "a.b.c ");
    filter("*.*.*", 0, "a.b.c a.bb.c a.c.c b.a*.x b.a>.x ");
    filter("a.b", 0, "a.b ");
    filter("a.b.", 0, "");
    filter("a.bx", 0, "");
    filter("*.*.*.*", 0, "");
    filter("a.*.c.>", 0, "");
    filter("b.a*.x", 0, "b.a*.x "); /* a star within a token is a byte */
    filter("b.a>.x", 0, "b.a>.x ");
    add("stop", 99);
    add("z", 100);
    filter("*", 42, "a b stop ");
    end();
}
END_TEST

/* One child of each byte and back: every size of node, both ways. */
START_TEST(test_node_sizes)
{
    begin();
    char name[] = "prefix.?tail";
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 256; i++) {
            name[7] = (char)(i * 77);
            ck_assert_ok(ri_subject_index_add(&idx, ri_str_of(name[7] ? name : "prefix."), i + 1));
            ck_assert_ptr_null(ri_subject_walk_verify(&idx));
        }
        ck_assert_uint_eq(idx.len, 256);
        for (unsigned i = 0; i < 256; i++) {
            name[7] = (char)((i ^ 0x5a) * 77);
            ri_str s = ri_str_of(name[7] ? name : "prefix.");
            ck_assert_ok(ri_subject_index_remove(&idx, s, (i ^ 0x5a) + 1));
            ck_assert_ptr_null(ri_subject_walk_verify(&idx));
            ck_assert_rc(ri_subject_index_remove(&idx, s, (i ^ 0x5a) + 1), RILL_ENOENT);
        }
        ck_assert_uint_eq(idx.len, 0);
    }
    end();
}
END_TEST

#define FAULT_NAMES 60

static size_t fault_name(char *out, unsigned n) /* long common parts, ends within one another */
{
    memset(out, 'c', 300 + n * 7 % 40);
    size_t len = 300 + n * 7 % 40;
    return len + (size_t)sprintf(out + len, "%u.%u", n % 3, n % 20);
}

static int fault_body_adds(fault *at, void *arg)
{
    (void)arg;
    ri_subject_index t;
    ri_subject_index_init(&t, &at->host);
    char name[400];
    int rc = 0;
    unsigned n = 0;
    for (; n < FAULT_NAMES; n++) {
        size_t len = fault_name(name, n);
        rc = ri_subject_index_add(&t, (ri_str){name, len}, n < 30 ? n + 1 : (uint64_t)n << 20);
        ck_assert_ptr_null(ri_subject_walk_verify(&t));
        if (rc < 0) break;
    }
    ri_subject_entry e;
    for (unsigned i = 0; i < FAULT_NAMES; i++) { /* what was refused changed nothing */
        size_t len = fault_name(name, i);
        int found = ri_subject_index_find(&t, (ri_str){name, len}, &e);
        ck_assert_int_eq(found == 0, i < n);
    }
    ri_subject_index_fini(&t);
    return rc;
}

/* Removing never fails for want of memory; the tree only stays larger. */
static int fault_body_removes(fault *at, void *arg)
{
    (void)arg;
    size_t fail_at = at->supply.fail_at;
    at->supply.fail_at = 0;
    ri_subject_index t;
    ri_subject_index_init(&t, &at->host);
    char name[400];
    for (unsigned n = 0; n < FAULT_NAMES; n++) {
        size_t len = fault_name(name, n);
        ck_assert_ok(ri_subject_index_add(&t, (ri_str){name, len}, n + 1));
    }
    at->supply.fail_at = at->supply.calls + fail_at;
    at->supply.fail_after = fail_at % 2;
    for (unsigned n = 0; n < FAULT_NAMES; n++) {
        size_t len = fault_name(name, n);
        ck_assert_ok(ri_subject_index_remove(&t, (ri_str){name, len}, n + 1));
        ck_assert_ptr_null(ri_subject_walk_verify(&t));
    }
    ck_assert_uint_eq(t.len, 0);
    ri_subject_index_fini(&t);
    return 0;
}

static int fault_visit(void *arg, ri_str subject, const ri_subject_entry *e)
{
    (void)subject;
    *(uint64_t *)arg += e->count;
    return 0;
}

static int fault_body_each(fault *at, void *arg)
{
    (void)arg;
    ri_subject_index t;
    ri_subject_index_init(&t, &at->host);
    char name[100] = "";
    int rc = 0;
    uint64_t seen = 0, n = 0;
    for (; n < 90 && rc == 0; n++) {
        name[n] = 'a';
        rc = ri_subject_index_add(&t, (ri_str){name, n + 1}, n + 1);
    }
    if (rc == 0) rc = ri_subject_index_each(&t, RI_STR(">"), fault_visit, &seen);
    ck_assert(rc < 0 || seen == n);
    ri_subject_index_fini(&t);
    return rc;
}

START_TEST(test_faults)
{
    ck_assert_uint_ge(fault_each(fault_body_adds, NULL), 5);
    ck_assert_uint_ge(fault_each(fault_body_each, NULL), 5);
    fault_each(fault_body_removes, NULL);
}
END_TEST

/* Many subjects: memory each, and nothing lost. */
START_TEST(test_many)
{
    begin();
    rng r;
    rng_init(&r, rng_seed(1));
    enum { MANY = 100000 };
    char name[40];
    for (unsigned i = 0; i < MANY; i++) {
        int len = sprintf(name, "orders.%02u.%016llx", i % 50, (unsigned long long)rng_next(&r));
        ck_assert_ok(ri_subject_index_add(&idx, (ri_str){name, (size_t)len}, i + 1));
    }
    ck_assert_uint_eq(idx.len, MANY);
    ck_assert_ptr_null(ri_subject_walk_verify(&idx));
    ck_assert_uint_eq(idx.slab.bytes, f.supply.bytes);
    ck_assert_uint_le(idx.slab.bytes / MANY, 48);
    uint64_t count = 0;
    ck_assert_ok(ri_subject_index_each(&idx, RI_STR("*.07.*"), fault_visit, &count));
    ck_assert_uint_eq(count, MANY / 50);
    rng_init(&r, rng_seed(1));
    for (unsigned i = 0; i < MANY; i++) {
        int len = sprintf(name, "orders.%02u.%016llx", i % 50, (unsigned long long)rng_next(&r));
        ck_assert_ok(ri_subject_index_remove(&idx, (ri_str){name, (size_t)len}, i + 1));
    }
    ck_assert_uint_eq(f.supply.bytes, 0);
    end();
}
END_TEST

/* Records counted by way of hints, while subjects come and go and leaves move, give the index that
 * they give without. */
START_TEST(test_hints)
{
    enum { HINTED = 40, STEPS = 200000 };
    static ri_subject_hint hints[HINTED];
    static uint64_t held[HINTED]; /* records of each, one after another from `from` on */
    ri_subject_index plain;
    rng r;
    begin();
    ri_subject_index_init(&plain, &f.host);
    rng_init(&r, rng_seed(7));
    char name[40];
    unsigned counted = 0;
    for (uint64_t seq = 1; seq <= STEPS; seq++) {
        unsigned n = (unsigned)(rng_next(&r) % HINTED);
        ri_str subject = {name, (size_t)sprintf(name, "a%.*s.%u", (int)(n % 9), "bbbbbbbbb", n)};
        ri_subject_entry e, want;
        if (rng_next(&r) % 256 == 0) { /* all of it goes */
            ck_assert_int_eq(ri_subject_index_drop(&idx, subject) == 0, held[n] > 0);
            ri_subject_index_drop(&plain, subject);
            held[n] = 0;
        } else if (held[n] > 0 && rng_next(&r) % 3 == 0) {
            ck_assert_ok(ri_subject_index_find(&idx, subject, &e));
            ck_assert_ok(ri_subject_index_remove(&idx, subject, e.last_seq));
            ck_assert_ok(ri_subject_index_remove(&plain, subject, e.last_seq));
            held[n]--;
        } else {
            counted += hints[n].moves == idx.moves;
            ck_assert_ok(ri_subject_index_add_hinted(&idx, subject, seq << n % 30, &hints[n]));
            ck_assert_ok(ri_subject_index_add(&plain, subject, seq << n % 30));
            held[n]++;
        }
        int found = ri_subject_index_find(&idx, subject, &e);
        ck_quick(found == ri_subject_index_find(&plain, subject, &want));
        ck_quick((found == 0) == (held[n] > 0));
        if (found == 0)
            ck_quick(e.first_seq == want.first_seq && e.last_seq == want.last_seq &&
                     e.count == want.count && e.count == held[n] &&
                     e.first_known == want.first_known && e.last_known == want.last_known);
    }
    ck_assert_ptr_null(ri_subject_walk_verify(&idx));
    ck_assert_uint_gt(counted, STEPS / 4);
    ri_subject_index_fini(&plain);
    end();
}
END_TEST

/* Walks in slices over many subjects that share beginnings of every length, while others come and
 * go: each that stays is met once, in order. */
START_TEST(test_slices)
{
    begin();
    ri_buffer want;
    ri_buffer_init(&want, &f.host);
    char name[64];
    uint64_t seq = 0;
    for (int i = 0; i < 400; i++) {
        int len = snprintf(name, sizeof name, "%0*d.%d", 1 + i % 30, i, i % 7);
        ck_assert_int_gt(len, 0);
        if (i % 30 == 29) add(name, ++seq);
    }
    for (int a = 0; a < 12; a++)
        for (int b = 0; b < 12; b++) {
            snprintf(name, sizeof name, "t.%c%c%c.%d", 'a' + a, 'a' + a, 'a' + b, b);
            add(name, ++seq);
        }
    ck_assert_ok(ri_subject_index_each(&idx, RI_STR(">"), collect, &want));
    ri_buffer_put(&want, "", 1);
    ck_assert_int_gt(filter_in_slices(">", 0, want.ptr), 15);
    ri_buffer_reset(&want);
    ck_assert_ok(ri_subject_index_each(&idx, RI_STR("t.*.3"), collect, &want));
    ri_buffer_put(&want, "", 1);
    ck_assert_int_gt(filter_in_slices("t.*.3", 0, want.ptr), 1);
    ck_assert_int_gt(filter_in_slices("*.*.nobody", 0, ""), 10);

    ri_budget budget;
    ri_budget_init(&budget);
    budget.left = 0;
    ri_subject_place place = {.budget = &budget};
    ri_buffer out;
    ri_buffer_init(&out, &f.host);
    ri_buffer_init(&place.next, &f.host);
    for (int i = 0; ri_subject_index_some(&idx, RI_STR("t.*.3"), &place, collect, &out) == 1; i++) {
        snprintf(name, sizeof name, "t.%c%c.x%d", 'a' + i % 12, 'a' + i % 5, i);
        add(name, ++seq);
        if (i % 2) ck_assert_ok(ri_subject_index_drop(&idx, ri_str_of(name)));
    }
    ri_buffer_put(&out, "", 1);
    ck_assert_str_eq(out.ptr, want.ptr);
    ri_buffer_fini(&out);
    ri_buffer_fini(&place.next);
    ri_buffer_fini(&want);
    end();
}
END_TEST

SUITE_MAIN("subject_index", test_hints, test_shapes, test_ends, test_put, test_filters,
           test_node_sizes,
           test_faults, test_many, test_slices)
