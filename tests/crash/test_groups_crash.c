/* SPDX-License-Identifier: Apache-2.0 */
/* Groups over a disk that loses power at every single write in turn.
 *
 * Members and others commit, delete offsets and whole groups, and agree on assignments, and a group
 * becomes of the other kind and back, while commits of the log come now and then. What each
 * operation leaves behind is written down. After the loss all that groups know is what some
 * operation had left: the last that was answered, or a later one. */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "support/band.h"
#include "support/fake_os.h"
#include "support/rng.h"
#include "support/suite.h"

enum { GROUPS = 3, PARTITIONS = 4, OPS = 60, MANY = 300 };

typedef struct crash_state { /* -1, 0: nothing */
    int64_t offsets[GROUPS][PARTITIONS];
    int64_t many;              /* of each of the last group's partitions from PARTITIONS on */
    int assigned;              /* of the group that has a member */
    int modern;                /* the group that a modern member comes to and leaves is one */
} crash_state;

typedef struct crash_wait {    /* for the answer of one operation */
    struct crash *c;
    int op;
    union { ri_group_commit commit; ri_group_erase erase; ri_group_delete deletion; } of;
    bool over;
} crash_wait;

typedef struct crash {
    band b;
    fake_os disk;
    rng random;
    crash_state states[OPS + 1]; /* behind each operation */
    int op;                    /* the last */
    int answered;              /* the last of which an answer has come that it is done */
    crash_wait waits[OPS + 1];
    band_player *member, *classic, *modern;
    int rc;
} crash;

static const char *const names[GROUPS] = {"a", "b", "c"};

/* ---- The work ---- */

static void crash_turn(crash *c)
{
    world *w = &c->b.w;
    for (int turns = 0; c->rc >= 0; turns++) {
        ck_quick(turns < 10000);
        if (ri_js_waiting(w->js)) ri_js_step(w->js, w->wall_ns, w->mono_ns);
        if (ri_groups_waiting(c->b.groups)) band_step(&c->b);
        if (ri_log_dirty(w->log)) {
            ri_js_prepare(w->js, w->log);
            c->rc = ri_log_commit(w->log);
            ri_js_committed(w->js, w->log, c->rc, w->wall_ns, w->mono_ns);
        } else if (!ri_js_waiting(w->js) && !ri_groups_waiting(c->b.groups)) {
            break;
        }
    }
}

static void crash_over(crash_wait *wait, ri_group_error error)
{
    wait->over = true;
    if (!error) wait->c->answered = RI_MAX(wait->c->answered, wait->op);
}

static void crash_committed(ri_group_call *call)
{
    crash_over(ri_container_of(call, crash_wait, of.commit.call), call->error);
}

static void crash_erased(ri_group_call *call)
{
    crash_over(ri_container_of(call, crash_wait, of.erase.call), call->error);
}

static void crash_deleted(ri_group_call *call)
{
    crash_over(ri_container_of(call, crash_wait, of.deletion.call), call->error);
}

static ri_group_error crash_put(ri_group_commit *commit, int32_t partition, int64_t offset)
{
    ri_group_offset given = {.topic = RI_STR("t"), .partition = partition, .offset = offset,
                             .metadata = RI_STR("what belongs to it")};
    return ri_groups_commit_put(commit, &given);
}

/* Of one partition, or, of the last group, of very many at once. */
static void crash_commit(crash *c, crash_wait *wait, crash_state *now)
{
    size_t g = rng_below(&c->random, GROUPS), p = rng_below(&c->random, PARTITIONS);
    bool many = g == GROUPS - 1 && rng_below(&c->random, 4) == 0;
    ri_group_commit *commit = &wait->of.commit;
    *commit = (ri_group_commit){.call.done = crash_committed, .group = ri_str_of(names[g]),
                                .member = RI_STR(""), .generation = -1, .retention_ms = -1};
    ck_quick(ri_groups_commit_begin(c->b.groups, commit) == 0);
    ri_group_error error = crash_put(commit, (int32_t)p, wait->op);
    for (int i = PARTITIONS; many && i < MANY && !error; i++)
        error = crash_put(commit, i, wait->op);
    if (error) c->rc = RILL_EIO; /* nothing of the open commit comes to the disk any more */
    now->offsets[g][p] = wait->op;
    if (many) now->many = wait->op;
    ri_groups_commit_end(commit);
}

static void crash_erase(crash *c, crash_wait *wait, crash_state *now)
{
    size_t g = rng_below(&c->random, GROUPS), p = rng_below(&c->random, PARTITIONS);
    ri_group_erase *erase = &wait->of.erase;
    *erase = (ri_group_erase){.call.done = crash_erased, .group = ri_str_of(names[g])};
    if (ri_groups_erase_begin(c->b.groups, erase)) return;
    ri_groups_erase_put(erase, RI_STR("t"), (int32_t)p);
    now->offsets[g][p] = -1;
    ri_groups_erase_end(erase);
}

static void crash_delete(crash *c, crash_wait *wait, crash_state *now)
{
    size_t g = rng_below(&c->random, GROUPS);
    wait->of.deletion = (ri_group_delete){.call.done = crash_deleted,
                                          .group = ri_str_of(names[g])};
    ri_groups_delete(c->b.groups, &wait->of.deletion);
    if (wait->of.deletion.call.error) return;
    for (int p = 0; p < PARTITIONS; p++) now->offsets[g][p] = -1;
    if (g == GROUPS - 1) now->many = -1;
}

/* The one member of a group joins anew, and is assigned the number of the operation. */
static void crash_assign(crash *c, crash_wait *wait, crash_state *now)
{
    char text[BAND_ID + 16];
    band_player *m = c->member;
    band_join(m);
    ck_quick(!m->joining && m->error == 0);
    snprintf(text, sizeof text, "%s=%d", m->id, wait->op);
    band_sync(m, text);
    now->assigned = wait->op;
    crash_turn(c);
    if (!m->syncing && m->error == 0) crash_over(wait, RI_GROUP_NONE);
}

/* A modern member comes to the group of the classic one, or goes. */
static void crash_migrate(crash *c, crash_wait *wait, crash_state *now)
{
    band_player *n = c->modern;
    bool joins = !now->modern;
    band_pulse_as(n, joins ? 0 : -1);
    now->modern = joins;
    crash_turn(c);
    ck_quick(c->rc < 0 || (!n->pulsing && n->error == 0));
    if (!n->pulsing && n->error == 0) crash_over(wait, RI_GROUP_NONE);
}

static void crash_work(crash *c)
{
    while (c->op < OPS && c->rc >= 0) {
        crash_state *now = &c->states[++c->op];
        crash_wait *wait = &c->waits[c->op];
        *now = now[-1];
        *wait = (crash_wait){.c = c, .op = c->op};
        uint64_t what = rng_below(&c->random, 100);
        if (what < 70) crash_commit(c, wait, now);
        else if (what < 78) crash_erase(c, wait, now);
        else if (what < 85) crash_delete(c, wait, now);
        else if (what < 93) crash_assign(c, wait, now);
        else crash_migrate(c, wait, now);
        if (rng_below(&c->random, 2)) crash_turn(c);
    }
    crash_turn(c);
}

/* ---- After the loss ---- */

/* Whichever kind the group is, it has all members of that time. */
static int crash_kind(crash *c)
{
    ri_group_modern_info info;
    ri_group_info classic;
    ri_group_place place = {0};
    ri_group_modern_member member;
    ri_group_member_info other;
    unsigned n = 0, nclassic = 0;
    if (ri_groups_describe_modern(c->b.groups, RI_STR("x"), &info)) {
        ck_quick(ri_groups_describe(c->b.groups, RI_STR("x"), &classic) == 0);
        while (ri_groups_next_member(classic.group, &place, &other)) n++;
        ck_quick(n == 1);
        return 0;
    }
    while (ri_groups_next_modern(info.group, &place, &member)) {
        n++;
        nclassic += member.classic;
    }
    ck_quick(n == 2 && nclassic == 1);
    return 1;
}

static void crash_look(crash *c, crash_state *out)
{
    ri_group_info info;
    ri_group_place place = {0};
    ri_group_member_info member;
    char text[16] = "0";
    for (int g = 0; g < GROUPS; g++)
        for (int p = 0; p < PARTITIONS; p++)
            out->offsets[g][p] = band_fetch_one(&c->b, names[g], "t", NULL, p);
    out->many = band_fetch_one(&c->b, names[GROUPS - 1], "t", NULL, PARTITIONS);
    for (int p = PARTITIONS; p < MANY; p++)
        ck_quick(band_fetch_one(&c->b, names[GROUPS - 1], "t", NULL, p) == out->many);
    ri_groups_describe(c->b.groups, RI_STR("m"), &info);
    if (info.group && ri_groups_next_member(info.group, &place, &member))
        snprintf(text, sizeof text, "%.*s", RI_ARG(member.assignment));
    out->assigned = atoi(text);
    out->modern = crash_kind(c);
}

static void crash_check(crash *c)
{
    crash_state found;
    memset(&found, 0, sizeof found);
    crash_look(c, &found);
    int op = c->answered;
    while (op <= c->op && memcmp(&found, &c->states[op], sizeof found) != 0) op++;
    if (op > c->op) ck_abort_msg("none of the operations %d to %d left this", c->answered, c->op);
}

static ri_log *crash_open(crash *c)
{
    ri_log *log;
    ri_log_opts opts = {.host = &c->b.w.own.host, .os = &c->disk.os, .dir = "/log",
                        .segment_bytes = 65536, .safety = RI_SAFETY_SYNCED};
    ck_assert_ok(ri_log_open(&log, &opts));
    return log;
}

/* The members that there are from the beginning. */
static void crash_begin(crash *c)
{
    char text[BAND_ID + 16];
    band_set_topic(&c->b, "t", PARTITIONS);
    c->member = band_add(&c->b, "m", "m");
    c->member->old = true;
    band_join(c->member);
    c->classic = band_add(&c->b, "x", "x");
    c->classic->old = c->classic->speaks = true;
    c->classic->subscribes = "t";
    band_join(c->classic);
    c->modern = band_add(&c->b, "n", "x");
    c->modern->subscribes = "t";
    band_wait(&c->b, 3000);
    snprintf(text, sizeof text, "%s=t/0,t/1", c->classic->id);
    band_sync(c->classic, text);
    crash_turn(c);
    ck_quick(!c->classic->syncing && c->classic->error == 0);
}

/* One run with the power lost at change `at`; false: it went through without. */
static bool crash_run(size_t at, fake_os_loss loss, uint64_t seed)
{
    static crash c;
    memset(&c, 0, sizeof c);
    memset(c.states[0].offsets, 0xff, sizeof c.states[0].offsets);
    c.states[0].many = -1;
    fault_init(&c.b.w.own);
    fake_os_init(&c.disk);
    rng_init(&c.random, seed);
    ck_assert_ok(band_init_with(&c.b, &c.b.w.own, crash_open(&c)));
    c.b.quiet = true;
    crash_begin(&c);
    c.disk.fail_at = c.disk.calls + at;
    c.disk.power_at_fail = true;
    c.disk.fail_errno = EIO;
    crash_work(&c);
    bool hit = c.rc < 0;
    band_down(&c.b);
    for (int i = 1; i <= c.op; i++) ck_quick(c.waits[i].over || c.states[i].assigned == i ||
                                             c.states[i].modern != c.states[i - 1].modern ||
                                             memcmp(&c.states[i], &c.states[i - 1],
                                                    sizeof c.states[i]) == 0);
    c.disk.fail_at = 0;
    fake_os_crash(&c.disk, loss, seed);
    ck_assert_ok(band_up(&c.b, crash_open(&c)));
    crash_check(&c);
    c.rc = 0;
    crash_turn(&c); /* what was deleted half is deleted whole */
    crash_check(&c);
    band_fini(&c.b);
    fake_os_fini(&c.disk);
    return hit;
}

static void crash_every(fake_os_loss loss, uint64_t seed)
{
    size_t at = 1;
    while (crash_run(at, loss, seed + at)) at++;
    ck_assert_uint_gt(at, 20);
}

START_TEST(test_nothing_unsynced_survives)
{
    crash_every(FAKE_OS_DROP, 0);
}
END_TEST

START_TEST(test_all_unsynced_survives)
{
    crash_every(FAKE_OS_KEEP, 1000);
}
END_TEST

START_TEST(test_some_unsynced_survives)
{
    for (uint64_t round = 0; round < 3; round++) crash_every(FAKE_OS_RANDOM, round * 1000 + 2000);
}
END_TEST

SUITE_MAIN("groups_crash", test_nothing_unsynced_survives, test_all_unsynced_survives,
           test_some_unsynced_survives)
