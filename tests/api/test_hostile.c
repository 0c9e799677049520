/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of a stream that behave badly, by the dice: they vanish with messages in flight, settle
 * twice, late, what they never had, and what is another group's; the stream is full, or deleted
 * under its readers; and the store is closed and opened again between any two of these. Time is
 * the test's own. What must hold:
 *
 *     what a group has settled it does not get again, not even a copy that was under way to it
 *     what it has not settled comes, in the end, whatever was done meanwhile
 *     a settlement of a message that was not delivered to that group changes nothing
 *     nothing hangs, and each refusal has its code */
#include <inttypes.h>

#include "kinds.h"

enum {
    HOSTILE_SEEDS = 24,
    HOSTILE_STEPS = 120,
    HOSTILE_MSGS = 60,
    HOSTILE_GROUPS = 2,
    ACK_WAIT_MS = 1000,
};

static int64_t leap_ns; /* of both clocks */

static int64_t clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec + leap_ns;
}

static int64_t mono_ns(void *arg)
{
    (void)arg;
    return clock_of(CLOCK_MONOTONIC);
}

static int64_t wall_ns(void *arg)
{
    (void)arg;
    return clock_of(CLOCK_REALTIME);
}

static const rill_host hooks = {.size = sizeof hooks, .mono_ns = mono_ns, .wall_ns = wall_ns};

typedef struct group {
    const char *name;
    rill_sub *sub;                   /* NULL: nobody reads it now */
    rill_msg *held;                  /* one that is not settled, or was: for later misdeeds */
    bool settled[HOSTILE_MSGS + 1];  /* by sequence */
} group;

typedef struct play {
    rill_bus *bus;
    char url[80];
    uint64_t dice;
    uint64_t stored;                 /* messages in S, 1 and up */
    group groups[HOSTILE_GROUPS];
} play;

static uint32_t roll(play *p, uint32_t n)
{
    p->dice = p->dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->dice >> 33) % n;
}

static void open_store(play *p)
{
    OK(rill_open(&p->bus, p->url, RILL_OPTS(rill_opts, .host = &hooks, .drive = RILL_DRIVE_HOST,
                                            .sync = RILL_SYNC_NEVER)));
    OK(rill_stream_ensure(p->bus, "S", RILL_OPTS(rill_stream_opts, .max_msgs = HOSTILE_MSGS,
                                                 .reject_when_full = true)));
}

/* Its loans and its copies under way end with the reader. */
static void vanish(group *g)
{
    rill_sub_close(g->sub);
    g->sub = NULL;
}

static void step_vanish(play *p)
{
    vanish(&p->groups[roll(p, HOSTILE_GROUPS)]);
}

static void step_restart(play *p)
{
    bool sub_first = roll(p, 2);
    for (int i = 0; i < HOSTILE_GROUPS; i++)
        if (sub_first) vanish(&p->groups[i]);
    OK(rill_close(p->bus, 20000));
    for (int i = 0; i < HOSTILE_GROUPS; i++) {
        if (p->groups[i].held) FAILS(rill_ack(p->groups[i].held), RILL_ECLOSED);
        rill_msg_unref(p->groups[i].held);
        p->groups[i].held = NULL;
        vanish(&p->groups[i]);
    }
    open_store(p);
}

static void step_append(play *p)
{
    rill_receipt receipt = {.size = sizeof receipt};
    int rc = rill_append(p->bus, "S", "x", 1, NULL, &receipt, 5000);
    if (p->stored == HOSTILE_MSGS) {
        FAILS(rc, RILL_EFULL);
        return;
    }
    OK(rc);
    ck_assert_uint_eq(receipt.seq, ++p->stored);
}

/* The next message of the group is noted as seen. */
static int take(play *p, group *g, const rill_msg **m)
{
    if (!g->sub)
        OK(rill_consume(p->bus, &g->sub, "S", RILL_OPTS(rill_sub_opts, .group = g->name,
                                                        .pending_msgs = 1,
                                                        .ack_wait_ms = ACK_WAIT_MS)));
    int rc = rill_next(g->sub, m, 0);
    if (rc == RILL_EAGAIN) { /* that asked for it */
        OK(rill_poll(p->bus, 0));
        rc = rill_next(g->sub, m, 0);
    }
    if (rc < 0) return rc;
    uint64_t seq = (*m)->seq;
    ck_assert_uint_ge(seq, 1);
    ck_assert_uint_le(seq, p->stored);
    ck_assert_msg(!g->settled[seq], "%s: %d was settled", g->name, (int)seq);
    return rc;
}

static void step_read(play *p)
{
    group *g = &p->groups[roll(p, HOSTILE_GROUPS)];
    const rill_msg *m;
    int rc = take(p, g, &m);
    if (rc == RILL_EAGAIN) return;
    OK(rc);
    switch (roll(p, 6)) {
    case 0: /* held, and settled some other time */
        rill_msg_unref(g->held);
        ck_assert_ptr_nonnull(g->held = rill_msg_ref(m));
        return;
    case 1: OK(rill_nak(m, 0)); return;
    case 2: OK(rill_working(m)); return;
    case 3: return; /* forgotten */
    case 4: OK(rill_term(m)); break;
    default: OK(rill_ack(m)); break;
    }
    g->settled[m->seq] = true;
}

/* What is held, which may have been delivered again, settled, or both. */
static void step_late(play *p)
{
    group *g = &p->groups[roll(p, HOSTILE_GROUPS)];
    if (!g->held) return;
    for (uint32_t times = 1 + roll(p, 2); times > 0; times--) {
        int rc = rill_ack(g->held);
        ck_assert_msg(rc == RILL_OK || rc == RILL_ENOENT, "%s", rill_errname(rc));
    }
    g->settled[g->held->seq] = true;
}

/* An acknowledgement as a NATS client sends it, of what its sender was never given. */
static void step_forge(play *p)
{
    static const char *const words[] = {"+ACK", "-NAK", "+TERM", "+WPI", "+NXT", "",
                                        "-NAK {\"delay\":-1}"};
    const char *word = words[roll(p, sizeof words / sizeof *words)];
    const char *name = p->groups[roll(p, HOSTILE_GROUPS)].name;
    uint64_t seq = 1 + roll(p, HOSTILE_MSGS);
    char subject[200];
    size_t size = sizeof subject;
    switch (roll(p, 5)) {
    case 0: snprintf(subject, size, "$JS.ACK.NONE.%s.1.%" PRIu64 ".1.17000000.0", name, seq); break;
    case 1: snprintf(subject, size, "$JS.ACK.S.nobody.1.%" PRIu64 ".1.17000000.0", seq); break;
    case 2: /* not there yet */
        snprintf(subject, size, "$JS.ACK.S.%s.1.%" PRIu64 ".1.17000000.0", name, p->stored + seq);
        break;
    case 3: snprintf(subject, size, "$JS.ACK.S.%s.%" PRIu64, name, seq); break;
    default: snprintf(subject, size, "$JS.ACK.S.%s.1.-%" PRIu64 ".x.17000000.0", name, seq); break;
    }
    OK(rill_publish(p->bus, subject, word, strlen(word), NULL));
}

static void step_time(play *p)
{
    leap_ns += (ACK_WAIT_MS + 500) * INT64_C(1000000);
    OK(rill_poll(p->bus, 0));
}

/* Another stream goes away while a message of it is in flight. */
static void step_delete(play *p)
{
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_stream_ensure(p->bus, "T", NULL));
    OK(rill_append(p->bus, "T", "x", 1, NULL, NULL, 20000));
    OK(rill_append(p->bus, "T", "y", 1, NULL, NULL, 20000));
    OK(rill_consume(p->bus, &sub, "T", RILL_OPTS(rill_sub_opts, .group = "t", .max_unacked = 1)));
    OK(rill_next(sub, &m, 20000));
    rill_msg *kept = rill_msg_ref(m);
    if (roll(p, 2)) OK(rill_group_delete(p->bus, "T", "t"));
    OK(rill_stream_delete(p->bus, "T"));
    FAILS(rill_ack(kept), RILL_ECLOSED);
    FAILS(rill_next(sub, &m, 5000), RILL_ECLOSED);
    FAILS(rill_consume(p->bus, &(rill_sub *){NULL}, "T", NULL), RILL_ENOENT);
    FAILS(rill_append(p->bus, "T", "z", 1, NULL, NULL, 5000), RILL_ENOREPLY);
    rill_msg_unref(kept);
    rill_sub_close(sub);
}

/* With good readers, at last, each group gets all that it has not settled. */
static void see_all(play *p)
{
    const rill_msg *m;
    step_time(p);
    for (int i = 0; i < HOSTILE_GROUPS; i++) {
        group *g = &p->groups[i];
        uint64_t left = 0;
        for (uint64_t seq = 1; seq <= p->stored; seq++) left += !g->settled[seq];
        for (int64_t until = api_now_ms() + 10000; left > 0;) {
            ck_assert_msg(api_now_ms() < until, "%s: %d do not come", g->name, (int)left);
            if (take(p, g, &m) == RILL_EAGAIN) continue;
            left--;
            OK(rill_ack(m));
            g->settled[m->seq] = true;
        }
    }
    step_restart(p);
    for (int i = 0; i < HOSTILE_GROUPS; i++) FAILS(take(p, &p->groups[i], &m), RILL_EAGAIN);
}

START_TEST(bad_readers)
{
    static void (*const steps[])(play *) = {
        step_append, step_append, step_read, step_read, step_read, step_read, step_late, step_forge,
        step_vanish, step_time, step_restart, step_delete,
    };
    play p = {.dice = (uint64_t)_i * 7919 + 1, .groups = {{.name = "g"}, {.name = "h"}}};
    make_dir();
    snprintf(p.url, sizeof p.url, "file:%s", dir);
    open_store(&p);
    for (int i = 0; i < HOSTILE_STEPS; i++) steps[roll(&p, sizeof steps / sizeof *steps)](&p);
    for (int i = 0; i < 10; i++) step_append(&p);
    see_all(&p);
    for (int i = 0; i < HOSTILE_GROUPS; i++) {
        rill_msg_unref(p.groups[i].held);
        vanish(&p.groups[i]);
    }
    OK(rill_close(p.bus, 20000));
    remove_dir();
}
END_TEST

SUITE_MAIN_ROWS("hostile", SUITE_EACH(HOSTILE_SEEDS, bad_readers))
