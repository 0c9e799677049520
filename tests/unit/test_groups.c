/* SPDX-License-Identifier: Apache-2.0 */
/* Classic groups: each request in each state, what is wrong with it in Kafka's order, and what is
 * known after a restart. Whole stories are tests/sim/test_group_*.c. */
#include <stdio.h>

#include "base/error.h"
#include "codec/limits.h"
#include "support/band.h"
#include "support/suite.h"

static band b;

static void setup(void)
{
    ck_assert_ok(band_init(&b, NULL));
}

static void teardown(void)
{
    band_fini(&b);
}

/* A member of a stable group by itself. */
static band_player *stable(const char *who, const char *group)
{
    band_player *p = band_add(&b, who, group);
    char self[64];
    band_join(p);
    band_join(p);
    band_wait(&b, 3000);
    snprintf(self, sizeof self, "%s=all", p->id);
    band_sync(p, self);
    band_turn(&b);
    ck_assert_int_eq(p->error, 0);
    ri_buffer_reset(&b.told);
    return p;
}

START_TEST(test_join_faults)
{
    band_player *p = band_add(&b, "a", "");
    p->session_ms = 1;
    band_join(p);
    p->group = "g";
    band_join(p);
    p->session_ms = 1800001;
    band_join(p);
    p->session_ms = 6000;
    p->nprotocols = 0;
    band_join(p);
    p->nprotocols = 1;
    p->type = "";
    band_join(p);
    BAND_TOLD(&b, "[     0] a: join 24 as \n[     0] a: join 26 as \n[     0] a: join 26 as \n"
                  "[     0] a: join 23 as \n[     0] a: join 23 as \n");
    snprintf(p->id, sizeof p->id, "who-are-you");
    p->group = "none";
    p->type = "consumer";
    band_join(p);
    p->group = "g";
    band_join(p);
    BAND_TOLD(&b, "[     0] a: join 25 as who-are-you\n[     0] a: join 25 as who-are-you\n");
    band_list(&b);
    BAND_TOLD(&b, "g classic Empty \n");
}
END_TEST

/* A second protocol type, or protocols that not all know, do not come in. */
START_TEST(test_inconsistent)
{
    stable("a", "g");
    band_player *p = band_add(&b, "p", "g");
    p->type = "connect";
    band_join(p);
    p->type = "consumer";
    p->protocols[0].name = "sticky";
    band_join(p);
    BAND_TOLD(&b, "[  3000] p: join 23 as \n[  3000] p: join 23 as \n");
    p->protocols[1].name = "range";
    p->nprotocols = 2;
    band_join(p);
    BAND_TOLD(&b, "[  3000] p: join 79 as p-2\n");
}
END_TEST

/* What a member asks in a stable group. */
START_TEST(test_stable)
{
    band_player *a = stable("a", "g");
    band_describe(&b, "g");
    BAND_TOLD(&b, "g: 0 Stable consumer/range a-1(a)=>all\n");
    ck_assert_int_eq(band_beat(a), 0);
    a->generation = 7;
    ck_assert_int_eq(band_beat(a), 22);
    band_sync(a, "");
    a->generation = 1;
    a->instance = "x";
    ck_assert_int_eq(band_beat(a), 25);
    band_sync(a, "");
    a->instance = NULL;
    band_sync(a, "");
    snprintf(a->id, sizeof a->id, "b");
    ck_assert_int_eq(band_beat(a), 25);
    band_sync(a, "");
    a->group = "h";
    band_sync(a, "");
    ck_assert_int_eq(band_beat(a), 25);
    a->group = "";
    band_sync(a, "");
    ck_assert_int_eq(band_beat(a), 24);
    BAND_TOLD(&b, "[  3000] a: sync 22\n[  3000] a: sync 25\n"
                  "[  3000] a: sync 0 consumer/range \"all\"\n[  3000] a: sync 25\n"
                  "[  3000] a: sync 25\n[  3000] a: sync 24\n");
}
END_TEST

/* The leader that joins again wants another assignment; a follower does not, if it is the same. */
START_TEST(test_rejoin)
{
    band_player *a = stable("a", "g"), *c = band_add(&b, "c", "g");
    band_join(c);
    band_join(c);
    ck_assert_int_eq(band_beat(a), 27);
    band_join(a);
    BAND_TOLD(&b, "[  3000] c: join 79 as c-2\n"
                  "[  3000] a: join 0 gen 2 consumer/range leader a-1 as a-1 {a-1=, c-2=}\n"
                  "[  3000] c: join 0 gen 2 consumer/range leader a-1 as c-2\n");
    ck_assert_int_eq(band_beat(a), 0);
    band_join(c); /* the same again: it may not have got the answer */
    band_sync(c, "");
    band_sync(a, "a-1=x c-2=y");
    BAND_TOLD(&b, "[  3000] c: join 0 gen 2 consumer/range leader a-1 as c-2\n");
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] a: sync 0 consumer/range \"x\"\n"
                  "[  3000] c: sync 0 consumer/range \"y\"\n");
    band_join(c);
    BAND_TOLD(&b, "[  3000] c: join 0 gen 2 consumer/range leader a-1 as c-2\n");
    c->protocols[0].metadata = "other";
    band_join(c);
    ck_assert_int_eq(band_beat(a), 27);
    ck_assert_int_eq(band_beat(c), 27);
    band_join(a);
    BAND_TOLD(&b, "[  3000] a: join 0 gen 3 consumer/range leader a-1 as a-1 {a-1=, c-2=other}\n"
                  "[  3000] c: join 0 gen 3 consumer/range leader a-1 as c-2\n");
    /* While it completes, other metadata begin it anew; who waits for an assignment hears so. */
    band_sync(a, "");
    c->protocols[0].metadata = "third";
    band_join(c);
    BAND_TOLD(&b, "[  3000] a: sync 27\n");
    band_join(a);
    BAND_TOLD(&b, "[  3000] a: join 0 gen 4 consumer/range leader a-1 as a-1 {a-1=, c-2=third}\n"
                  "[  3000] c: join 0 gen 4 consumer/range leader a-1 as c-2\n");
    band_turn(&b); /* what the disk says of generation 3 does not matter any more */
    band_describe(&b, "g");
    BAND_TOLD(&b, "g: 0 CompletingRebalance consumer/ a-1(a)=> c-2(c)=third>\n");
}
END_TEST

/* Among the protocols that all know the one that most name first. */
START_TEST(test_votes)
{
    static const char *const orders[3][3] = {
        {"x", "y", "z"}, {"z", "y", "q"}, {"q", "y", "z"}};
    band_player *p[3];
    for (int i = 0; i < 3; i++) {
        p[i] = band_add(&b, (const char *[]){"a", "b", "c"}[i], "g");
        p[i]->nprotocols = 3;
        for (int k = 0; k < 3; k++) {
            p[i]->protocols[k].name = orders[i][k];
            p[i]->protocols[k].metadata = orders[i][k];
        }
        p[i]->old = true;
        band_join(p[i]);
    }
    band_wait(&b, 10000);
    BAND_TOLD(&b, "[  6000] a: join 0 gen 1 consumer/y leader a-1 as a-1 {a-1=y, b-2=y, c-3=y}\n"
                  "[  6000] b: join 0 gen 1 consumer/y leader a-1 as b-2\n"
                  "[  6000] c: join 0 gen 1 consumer/y leader a-1 as c-3\n");
}
END_TEST

START_TEST(test_leave)
{
    band_player *a = stable("a", "g");
    ri_group_leaver leavers[] = {
        {.member = RI_STR("nobody")}, {.member = RI_STR(""), .instance = RI_STR("i")},
        {.member = RI_STR("")}, {.member = RI_STR("nobody"), .instance = RI_STR("i")}};
    band_leave(a);
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] a: leave 0, 0\n");
    band_leave(a);
    a->group = "h";
    band_leave(a);
    a->group = "";
    band_leave(a);
    BAND_TOLD(&b, "[  3000] a: leave 0, 25\n[  3000] a: leave 0, 25\n[  3000] a: leave 24, 0\n");
    band_describe(&b, "g");
    BAND_TOLD(&b, "g: 0 Empty consumer/\n");
    a->leave.leavers = leavers;
    a->leave.nleavers = RI_LEN(leavers);
    a->leave.group = RI_STR("g");
    while (ri_groups_leave(b.groups, &a->leave)) continue;
    for (size_t i = 0; i < RI_LEN(leavers); i++) ck_assert_int_eq(leavers[i].error, 25);
}
END_TEST

static int left_calls;

static void note_left(ri_group_call *call)
{
    ck_assert_int_eq(call->error, 0);
    left_calls++;
}

/* As many as a group may have leave in one request, in turns of the usual length, and hear of it
 * when the last of them has. A group that goes in between is none to leave. */
START_TEST(test_leave_in_turns)
{
    enum { MANY = RI_LIMIT_GROUP_MEMBERS, LONG = RI_BUDGET_TURN + 100 };
    static char ids[MANY][sizeof ((band_player *)0)->id];
    static ri_group_leaver leavers[MANY];
    band_player *p = band_add(&b, "p", "g");
    ri_budget *budget = &b.w.router.budget;
    b.quiet = true;
    for (int round = 0; round < 2; round++) {
        ri_group_leave leave = {.call.done = note_left, .group = RI_STR("g"), .leavers = leavers,
                                .nleavers = MANY};
        int turns = 0;
        bool more = true;
        for (int i = 0; i < MANY; i++) {
            p->id[0] = 0;
            band_join(p);
            ck_assert_int_eq(p->error, 79);
            memcpy(ids[i], p->id, sizeof ids[i]);
            leavers[i] = (ri_group_leaver){.member = ri_str_of(ids[i])};
        }
        left_calls = 0;
        ri_budget_init(budget);
        for (; more; turns++) {
            ck_assert_int_eq(left_calls, 0);
            if (round == 1 && turns == 2) band_delete(&b, "g");
            ri_budget_open(budget);
            more = ri_groups_leave(b.groups, &leave);
            ri_budget_close(budget);
        }
        ck_assert_int_eq(left_calls, 1);
        ck_assert_uint_le(budget->longest, LONG);
        ck_assert_int_gt(turns, round ? 2 : 3);
        ck_assert_int_eq(leavers[0].error, 0);
        ck_assert_int_eq(leavers[MANY - 1].error, round ? 25 : 0);
    }
}
END_TEST

/* A group that members have used is deleted when it is empty, and answered when that is on disk. */
START_TEST(test_delete)
{
    band_player *a = stable("a", "g");
    band_delete(&b, "g");
    band_delete(&b, "h");
    BAND_TOLD(&b, "[  3000] g: deleted 68\n[  3000] h: deleted 69\n");
    band_leave(a);
    band_delete(&b, "g");
    BAND_TOLD(&b, "");
    band_describe(&b, "g");
    band_list(&b);
    BAND_TOLD(&b, "g: 69 Dead /\n");
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] a: leave 0, 0\n[  3000] g: deleted 0\n");
    ck_assert_ok(band_restart(&b));
    band_list(&b);
    BAND_TOLD(&b, "");
}
END_TEST

/* Ids that were given and are not used end with their session, and are not waited for any more. */
START_TEST(test_pending)
{
    band_player *a = stable("a", "g"), *c = band_add(&b, "c", "g");
    c->session_ms = 6000;
    band_join(c);
    band_join(a);
    BAND_TOLD(&b, "[  3000] c: join 79 as c-2\n");
    band_wait(&b, 6000);
    BAND_TOLD(&b, "[  9000] a: join 0 gen 2 consumer/range leader a-1 as a-1 {a-1=}\n");
    band_join(c);
    BAND_TOLD(&b, "[  9000] c: join 25 as c-2\n");
    c->id[0] = 0;
    band_join(c);
    band_leave(c);
    band_join(c);
    BAND_TOLD(&b, "[  9000] c: join 79 as c-3\n[  9000] c: leave 0, 0\n"
                  "[  9000] c: join 25 as c-3\n");
    /* One with an instance id is not one of these. */
    c->id[0] = 0;
    band_join(c);
    c->instance = "i";
    band_join(c);
    BAND_TOLD(&b, "[  9000] c: join 79 as c-4\n[  9000] c: join 25 as c-4\n");
}
END_TEST

START_TEST(test_max_size)
{
    ri_groups_close(b.groups);
    b.conf.max_size = 2;
    ri_groups_opts opts = {.host = &b.w.f->host, .js = b.w.js, .log = b.w.log, .conf = &b.conf};
    ck_assert_ok(ri_groups_open(&b.groups, &opts, b.w.wall_ns, b.w.mono_ns));
    band_player *p[3];
    for (int i = 0; i < 3; i++) {
        p[i] = band_add(&b, (const char *[]){"a", "b", "c"}[i], "g");
        band_join(p[i]);
    }
    for (int i = 0; i < 3; i++) band_join(p[i]);
    BAND_TOLD(&b, "[     0] a: join 79 as a-1\n[     0] b: join 79 as b-2\n"
                  "[     0] c: join 79 as c-3\n[     0] c: join 81 as \n");
    band_wait(&b, 10000);
    BAND_TOLD(&b, "[  6000] a: join 0 gen 1 consumer/range leader a-1 as a-1 {a-1=, b-2=}\n"
                  "[  6000] b: join 0 gen 1 consumer/range leader a-1 as b-2\n");
    band_join(p[2]);
    BAND_TOLD(&b, "[ 10000] c: join 81 as \n");
}
END_TEST

/* A static member that comes back with no id takes its own place over. */
START_TEST(test_static)
{
    band_player *a = stable("a", "g"), *s = band_add(&b, "s", "g"), *t = band_add(&b, "s", "g");
    s->instance = t->instance = "i";
    band_join(s);
    band_join(a);
    band_sync(a, "a-1=x i-2=y");
    band_sync(s, "");
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] a: join 0 gen 2 consumer/range leader a-1 as a-1 {a-1=, i-2=}\n"
                  "[  3000] s: join 0 gen 2 consumer/range leader a-1 as i-2\n"
                  "[  3000] a: sync 0 consumer/range \"x\"\n"
                  "[  3000] s: sync 0 consumer/range \"y\"\n");
    band_join(t);
    BAND_TOLD(&b, ""); /* the disk does not know it yet */
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] s: join 0 gen 2 consumer/range leader a-1 as i-3\n");
    ck_assert_int_eq(band_beat(s), 82);
    ck_assert_int_eq(band_beat(t), 0);
    ck_assert_int_eq(band_beat(a), 0);
    band_join(s);
    band_leave(s);
    band_sync(s, "");
    BAND_TOLD(&b, "[  3000] s: join 82 as i-2\n[  3000] s: leave 0, 82\n[  3000] s: sync 82\n");
    band_sync(t, "");
    BAND_TOLD(&b, "[  3000] s: sync 0 consumer/range \"y\"\n");
    /* What is chosen changes with it: all are asked. */
    t->protocols[0].metadata = "new";
    t->id[0] = 0;
    band_join(t);
    band_turn(&b);
    ck_assert_int_eq(band_beat(a), 0); /* the name of the protocol is the same */
    BAND_TOLD(&b, "[  3000] s: join 0 gen 2 consumer/range leader a-1 as i-4\n");
    /* By an administrator, who knows no member id. */
    s->id[0] = 0;
    band_leave(s);
    BAND_TOLD(&b, "[  3000] s: leave 0, 0\n");
    ck_assert_int_eq(band_beat(a), 27);
}
END_TEST

/* A static leader: one that can be told so skips the assignment, an old one is named otherwise. */
START_TEST(test_static_leader)
{
    band_player *s = band_add(&b, "s", "g");
    s->instance = "i";
    band_join(s);
    band_wait(&b, 3000);
    band_sync(s, "i-1=y");
    band_turn(&b);
    s->id[0] = 0;
    band_join(s);
    band_turn(&b);
    s->id[0] = 0;
    s->old = true;
    band_join(s);
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] s: join 0 gen 1 consumer/range leader i-1 as i-1 {i-1=}\n"
                  "[  3000] s: sync 0 consumer/range \"y\"\n"
                  "[  3000] s: join 0 gen 1 consumer/range leader i-2 as i-2 skip {i-2=}\n"
                  "[  3000] s: join 0 gen 1 consumer/range leader i-2 as i-3\n");
}
END_TEST

/* What the disk knows comes back: members, their assignments, the generation of an empty group. */
START_TEST(test_restart)
{
    band_player *a = stable("a", "g"), *e = stable("e", "empty"), *s = band_add(&b, "s", "g");
    s->instance = "i";
    band_join(s);
    band_join(a);
    band_sync(a, "a-1=x i-3=y");
    band_sync(s, "");
    band_leave(e);
    band_turn(&b);
    ri_buffer_reset(&b.told);
    ck_assert_ok(band_restart(&b));
    band_list(&b);
    band_describe(&b, "g");
    BAND_TOLD(&b, "g classic Stable consumer\nempty classic Empty consumer\n"
                  "g: 0 Stable consumer/range a-1(a)=>x i-3(s/i)=>y\n");
    ck_assert_int_eq(band_beat(a), 0);
    band_sync(s, "");
    e->id[0] = 0;
    band_join(e);
    band_join(e);
    band_wait(&b, 3000);
    BAND_TOLD(&b, "[  6000] s: sync 0 consumer/range \"y\"\n[  6000] e: join 79 as e-4\n"
                  "[  9000] e: join 0 gen 3 consumer/range leader e-4 as e-4 {e-4=}\n");
    /* The sessions began anew with it. */
    band_wait(&b, 8000);
    band_describe(&b, "g");
    BAND_TOLD(&b, "g: 0 Empty consumer/\n");
}
END_TEST

/* Who waits hears that the coordinator is gone; who hung up hears nothing. */
START_TEST(test_close)
{
    band_player *a = band_add(&b, "a", "g"), *c = band_add(&b, "c", "g");
    a->old = c->old = true;
    band_join(a);
    band_join(c);
    band_hang_up(c);
    ri_groups_close(b.groups);
    b.groups = NULL;
    BAND_TOLD(&b, "[     0] a: join 16 as a-1\n");
}
END_TEST

/* A group that is empty goes with the next sweep; one that has members stays. */
START_TEST(test_sweep)
{
    band_player *a = stable("a", "g"), *c = stable("c", "h");
    band_leave(a);
    for (int i = 0; i < 100; i++) {
        band_wait(&b, 6000);
        ck_assert_int_eq(band_beat(c), 0);
    }
    ri_buffer_reset(&b.told);
    band_list(&b);
    BAND_TOLD(&b, "h classic Stable consumer\n");
    ck_assert_ok(band_restart(&b));
    band_list(&b);
    BAND_TOLD(&b, "h classic Stable consumer\n");
}
END_TEST

/* Where a turn is one unit each group and each of its offsets is a slice, and is listed once. What
 * goes meanwhile is not missed by the walk, and who closes the groups ends it. */
static int walked_in_units(ri_groups_walk *walk, char *told, int until)
{
    ri_budget *budget = &b.w.router.budget;
    ri_group_info info;
    ri_group_offset offset;
    bool in_group = false;
    int slices = 0;
    for (int rc = 1; slices < until && (rc || in_group); slices++) {
        ri_budget_open(budget);
        ri_budget_slice(budget, 1);
        in_group = in_group && rc;
        rc = in_group ? ri_groups_walk_offset(b.groups, walk, &offset)
                      : ri_groups_walk_next(b.groups, walk, &info);
        ck_assert_int_ne(rc, RI_CURSOR_CUT); /* each has a unit, and so goes on */
        if (rc && in_group)
            told += sprintf(told, " %.*s/%d=%d", RI_ARG(offset.topic), offset.partition,
                            (int)offset.offset);
        else if (rc)
            told += sprintf(told, "%.*s:%zu", RI_ARG(info.name), info.nmembers);
        else if (in_group)
            told += sprintf(told, "; ");
        if (!in_group && rc) in_group = true;
        ck_assert(!rc || !ri_budget_left(budget));
        ri_budget_whole(budget);
        ri_budget_close(budget);
    }
    return slices;
}

START_TEST(test_walk_offsets)
{
    char told[200] = "";
    ri_groups_walk walk = {0};
    band_player *p = band_add(&b, "p", "g"), *m = band_add(&b, "m", "i");
    b.quiet = true;
    band_commit(p, "t/0=5 t/1=7 u/0=3");
    band_turn(&b);
    p->group = "h";
    band_commit(p, "t/0=1 v/2=2");
    band_turn(&b);
    band_join(m);
    band_join(m);
    ri_groups_walk_begin(b.groups, &walk);
    ck_assert_int_eq(walked_in_units(&walk, told, 100), 12);
    ck_assert_str_eq(told, "g:0 t/0=5 t/1=7 u/0=3; h:0 t/0=1 v/2=2; i:1; ");
    ri_groups_walk_end(&walk);
    /* The group that it is in goes, behind an offset. */
    ri_groups_walk_begin(b.groups, &walk);
    ck_assert_int_eq(walked_in_units(&walk, told, 2), 2);
    ck_assert_str_eq(told, "g:0 t/0=5");
    band_delete(&b, "g");
    ri_budget_open(&b.w.router.budget);
    ck_assert_int_eq(ri_groups_walk_offset(b.groups, &walk, &(ri_group_offset){0}), 0);
    walked_in_units(&walk, told, 100);
    ck_assert_str_eq(told, "h:0 t/0=1 v/2=2; i:1; ");
    /* Who closes the groups ends a walk that is on. */
    ri_groups_walk_end(&walk);
    ri_groups_walk_begin(b.groups, &walk);
    ck_assert_int_eq(walked_in_units(&walk, told, 2), 2);
    band_turn(&b);
    ck_assert_ok(band_restart(&b)); /* they are closed, and read again */
    ck_assert(!ri_groups_walk_is_on(&walk));
    ri_groups_walk_end(&walk);
}
END_TEST

/* The list is cut where the turn is over, and goes on whatever was deleted meanwhile. */
START_TEST(test_walk)
{
    char name[16];
    band_player *p = band_add(&b, "p", NULL);
    b.quiet = true;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "g%d", i);
        p->group = name;
        p->id[0] = 0;
        band_join(p);
    }
    b.quiet = false;
    ri_str states[] = {RI_STR("stable"), RI_STR("EMPTY")}, types[] = {RI_STR("Classic")};
    ri_groups_walk walk = {.states = states, .nstates = 2, .types = types, .ntypes = 1};
    ri_group_info info;
    int cuts = 0, found = 0, rc;
    ri_groups_walk_begin(b.groups, &walk);
    b.w.router.budget.limit = 20;
    ri_budget_open(&b.w.router.budget);
    while ((rc = ri_groups_walk_next(b.groups, &walk, &info)) != 0) {
        found += rc == 1;
        if (rc == 1 && found % 3 == 1) {
            snprintf(name, sizeof name, "g%d", found); /* the one that is next */
            b.quiet = true;
            band_delete(&b, name);
            b.quiet = false;
            found++;
        }
        if (rc == 1) continue;
        cuts++;
        ri_budget_open(&b.w.router.budget);
    }
    b.w.router.budget.limit = RI_BUDGET_TURN;
    ri_groups_walk_end(&walk);
    ck_assert_int_gt(cuts, 10);
    ck_assert_int_eq(found, 300);
    types[0] = RI_STR("consumer");
    ri_groups_walk_begin(b.groups, &walk);
    while ((rc = ri_groups_walk_next(b.groups, &walk, &info)) == RI_CURSOR_CUT) continue;
    ck_assert_int_eq(rc, 0);
    ri_groups_walk_end(&walk);
    b.quiet = true;
    band_turn(&b);
}
END_TEST

/* ---- Bounds ---- */

START_TEST(test_bounds)
{
    static char big[RI_LIMIT_GROUP_METADATA];
    memset(big, 'x', sizeof big - 1);
    band_player *p = band_add(&b, "p", "g");
    p->protocols[0].metadata = big;
    band_join(p);
    BAND_TOLD(&b, "[     0] p: join 42 as \n");
    p->old = true;
    big[sizeof big - 1024] = 0;
    for (int i = 0; i < 4; i++) {
        p = band_add(&b, "p", "g");
        p->old = true;
        p->protocols[0].metadata = big;
        band_join(p);
    }
    BAND_TOLD(&b, ""); /* they wait */
    p = band_add(&b, "q", "g");
    p->old = true;
    p->protocols[0].metadata = big;
    band_join(p);
    BAND_TOLD(&b, "[     0] q: join 81 as \n");
    b.quiet = true;
}
END_TEST

/* Ids are given until there are as many as a group may have members. */
START_TEST(test_ids_bound)
{
    band_player *p = band_add(&b, "p", "g");
    b.quiet = true;
    for (int i = 0; i < RI_LIMIT_GROUP_MEMBERS; i++) {
        p->id[0] = 0;
        band_join(p);
        ck_assert_int_eq(p->error, 79);
    }
    p->id[0] = 0;
    band_join(p);
    ck_assert_int_eq(p->error, 81);
}
END_TEST

/* Where durable memory is used up nothing new is known, and those who are there go on. */
START_TEST(test_memory)
{
    band_player *a = stable("a", "g"), *c = band_add(&b, "c", "g");
    ri_memory_set_limit(&b.w.router.memory,
                        2 * ri_memory_used(&b.w.router.memory, RI_MEMORY_DURABLE));
    c->old = true;
    band_join(c);
    c->group = "h";
    band_join(c);
    BAND_TOLD(&b, "[  3000] c: join 15 as \n[  3000] c: join 15 as \n");
    ck_assert_int_eq(band_beat(a), 0);
    band_join(a);
    BAND_TOLD(&b, "[  3000] a: join 0 gen 2 consumer/range leader a-1 as a-1 {a-1=}\n");
    ri_memory_set_limit(&b.w.router.memory, 0);
    uint64_t before = ri_memory_used(&b.w.router.memory, RI_MEMORY_DURABLE);
    c->group = "h";
    band_join(c);
    ck_assert_uint_gt(ri_memory_used(&b.w.router.memory, RI_MEMORY_DURABLE), before);
    band_leave(c);
    ri_buffer_reset(&b.told);
}
END_TEST

static void ignore(ri_group_call *call)
{
    (void)call;
}

static bool is_there(const char *group)
{
    ri_group_info info;
    return ri_groups_describe(b.groups, ri_str_of(group), &info) == RI_GROUP_NONE;
}

static uint64_t held(void)
{
    return ri_memory_used(&b.w.router.memory, RI_MEMORY_DURABLE);
}

static void gone(band_player *p)
{
    ck_assert(p->joining);
    ri_groups_join_gone(b.groups, &p->join);
    p->joining = false;
}

/* Whose client goes before it is answered was never a member, and leaves nothing. */
START_TEST(test_gone)
{
    band_player *c = band_add(&b, "c", "h"), *d = band_add(&b, "d", "g");
    uint64_t before = held();
    c->old = d->old = true;
    band_join(c);
    ck_assert(is_there("h"));
    gone(c);
    ck_assert(!is_there("h"));
    ck_assert_uint_eq(held(), before);
    band_player *a = stable("a", "g");
    band_join(d);
    gone(d);
    ck_assert_int_ne(band_beat(a), 0); /* it is to join again, and is alone then */
    band_join(a);
    band_turn(&b);
    BAND_TOLD(&b, "[  3000] a: join 0 gen 2 consumer/range leader a-1 as a-1 {a-1=}\n");
}
END_TEST

/* Groups of which there is nothing but an id that was given give way to others, the oldest first;
 * one that has a member stays. */
START_TEST(test_give_way)
{
    char name[16];
    band_player *a = stable("a", "g"), *c = band_add(&b, "c", name);
    b.quiet = true;
    for (int i = 1; i < RI_LIMIT_GROUPS; i++) {
        snprintf(name, sizeof name, "h%d", i);
        c->id[0] = 0;
        ri_group_join join = {.call.done = ignore, .group = ri_str_of(name), .member = RI_STR(""),
                              .client_id = RI_STR("c"), .client_host = RI_STR("/"),
                              .protocol_type = RI_STR("consumer"), .session_ms = 1800000,
                              .rebalance_ms = 6000, .asks_for_id = true};
        ri_group_protocol protocol = {RI_STR("range"), RI_STR("")};
        join.protocols = &protocol;
        join.nprotocols = 1;
        ri_groups_join(b.groups, &join);
    }
    ck_assert(is_there("h1") && is_there("h2"));
    b.quiet = false;
    band_player *d = band_add(&b, "d", "new");
    d->old = true;
    band_join(d);
    ck_assert(d->joining && is_there("new") && !is_there("h1") && is_there("h2"));
    ck_assert_int_eq(band_beat(a), 0);
    gone(d);
}
END_TEST

/* What members hold has a bound of its own: others have room still. */
START_TEST(test_members_memory)
{
    enum { EACH = 100000 };
    static char metadata[EACH];
    char name[16];
    ri_memory_set_limit(&b.w.router.memory, RI_MEMORY_MIN);
    uint64_t most = ri_memory_share(&b.w.router.memory, RI_MEMORY_DURABLE) / 4, before = held();
    band_player *c = band_add(&b, "c", name);
    c->old = true;
    c->protocols[0].metadata = metadata;
    c->protocols[0].len = EACH;
    b.quiet = true;
    int n = 0;
    for (c->error = 0; n < 1000 && c->error == 0; n++) {
        snprintf(name, sizeof name, "h%d", n);
        c->id[0] = 0;
        c->joining = false;
        band_join(c);
        if (c->joining) ri_groups_forget(&c->join.call);
    }
    ck_assert_int_eq(c->error, RI_GROUP_NOT_AVAILABLE);
    ck_assert_uint_le(held() - before, most + EACH);
    ck_assert_int_ge(n, (int)(most / EACH) - 1);
    b.quiet = false;
    ri_memory_set_limit(&b.w.router.memory, 0);
}
END_TEST

/* ---- Each allocation fails once ---- */

static int scarce(fault *f, void *arg)
{
    static band s;
    (void)arg;
    int rc = band_init_with(&s, f, NULL);
    s.quiet = true;
    if (rc >= 0) {
        band_player *a = band_add(&s, "a", "g"), *i = band_add(&s, "i", "g");
        i->instance = "i";
        a->nprotocols = 2;
        a->protocols[1].name = "other";
        for (int round = 0; round < 3; round++) {
            if (!a->joining) band_join(a);
            if (round == 2) i->id[0] = 0;
            if (!i->joining) band_join(i);
            band_wait(&s, 7000);
            if (!a->syncing) band_sync(a, "a-1=x");
            if (!i->syncing) band_sync(i, "");
            band_turn(&s);
        }
        band_leave(a);
        band_wait(&s, 1000);
    }
    band_fini_with(&s);
    return rc;
}

START_TEST(test_scarce)
{
    ck_assert_uint_gt(fault_each(scarce, NULL), 0);
}
END_TEST

SUITE_MAIN_ROWS("groups",
                SUITE_WITH(setup, teardown, test_join_faults, test_inconsistent, test_stable,
                           test_rejoin, test_votes, test_leave, test_leave_in_turns, test_delete,
                           test_pending, test_max_size, test_static, test_static_leader,
                           test_restart, test_close, test_sweep, test_walk,
                           test_walk_offsets, test_bounds,
                           test_ids_bound, test_memory, test_gone, test_give_way,
                           test_members_memory),
                SUITE_ONCE(test_scarce))
