/* SPDX-License-Identifier: Apache-2.0 */
/* Random work on a log over a disk that loses power, again and again.
 *
 *     crash_sim --seeds N [--from S]     N seeds, each some crashes long
 *     crash_sim --long N [--from S]      longer, over many segments; between two losses of power
 *                                        processes are killed, within a sync, too
 *     crash_sim --every [S]              one recorded workload: power lost at every single write
 *
 * After each loss the log is opened and must show exactly the state of one of the commits that
 * may have survived: the last one acknowledged as synced, or a later one that was under way.
 * Every index is compared with the naive model, then the work goes on from there. A killed process
 * leaves all that it gave to the system, which is not on the disk for that. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "support/fake_os.h"
#include "support/log_model.h"

#define SIM_NOW_NS (1000 * RI_SEC)

enum {
    SIM_STATES_MAX = 400, SIM_STEPS = 120, SIM_ROUNDS = 4, SIM_LONG_ROUNDS = 12,
    SIM_LONG_STEPS = 500
};

typedef struct sim {
    fake_os disk;
    ri_host host;
    ri_log *log;
    rng r;
    model now;                     /* with the open commit */
    model states[SIM_STATES_MAX];  /* that may survive: the acknowledged one first */
    size_t nstates;
    uint64_t seed;
    bool killed;                   /* and not without power: what was written is not on disk */
    bool synced;                   /* what is changed at the moment needs a sync */
    bool damaged;                  /* the log spoke of damage, which no crash may cause */
    uint64_t crashes, commits, cleans;
} sim;

static void sim_damage(void *arg, const ri_damage *damage)
{
    sim *s = arg;
    s->damaged = true;
    fprintf(stderr, "seed %" PRIu64 ": damage: %s\n", s->seed, damage->sentence);
}

static int sim_open(sim *s, bool read_only)
{
    ri_log_opts opts = {
        .host = &s->host, .os = &s->disk.os, .dir = "/log", .segment_bytes = 16384,
        .damage = sim_damage, .arg = s, .read_only = read_only,
        .cache_bytes = s->seed % 2, /* half of the seeds keep next to nothing in memory */
    };
    s->synced = true;
    return ri_log_open(&s->log, &opts);
}

static void sim_state(sim *s)
{
    if (s->nstates == SIM_STATES_MAX) abort();
    model_copy(&s->states[s->nstates++], &s->now);
}

/* The state with this index is on disk for certain. */
static void sim_synced(sim *s, size_t i)
{
    for (size_t n = 0; n < i; n++) model_free(&s->states[n]);
    memmove(s->states, s->states + i, (s->nstates - i) * sizeof s->states[0]);
    s->nstates -= i;
    memset(s->states + s->nstates, 0, i * sizeof s->states[0]);
}

/* Changes of one kind follow: those that must be synced, or those that need not be. */
static void sim_ease(sim *s)
{
    static const ri_safety levels[] = {RI_SAFETY_WRITTEN, RI_SAFETY_MEMORY};
    uint64_t dice = rng_below(&s->r, 8);
    s->synced = dice >= RI_LEN(levels);
    ri_log_ease(s->log, s->synced ? RI_SAFETY_SYNCED : levels[dice]);
}

/* A commit whose writing overlaps with further changes. */
static int sim_commit(sim *s)
{
    bool synced = s->synced;
    if (synced) ri_log_need(s->log, RI_SAFETY_SYNCED); /* one without entries, too */
    ri_commit job;
    if (ri_log_id(s->log) % 2 && ri_log_found_begin(s->log, &job)) {
        ri_log_commit_io(&job);
        ri_log_commit_end(s->log, &job);
    }
    int rc = ri_log_commit_begin(s->log, &job);
    if (rc < 0) return rc;
    sim_ease(s);
    sim_state(s);
    size_t mine = s->nstates - 1;
    for (uint64_t n = rng_below(&s->r, 4); n; n--)
        if ((rc = model_change(&s->now, s->log, &s->r)) < 0) break;
    ri_log_commit_io(&job);
    int end = ri_log_commit_end(s->log, &job);
    s->commits++;
    if (end == 0 && synced) sim_synced(s, mine);
    return end < 0 ? end : rc;
}

static int sim_step(sim *s)
{
    uint64_t dice = rng_below(&s->r, 100);
    if (dice < 78) return model_change(&s->now, s->log, &s->r);
    if (dice < 93 && s->nstates < SIM_STATES_MAX - 2) return sim_commit(s);
    if (dice < 96) return RI_MIN(model_compact(&s->now, s->log, SIM_NOW_NS + s->now.now_ns), 0);
    int rc = ri_log_clean(s->log);
    s->cleans += rc > 0;
    return rc < 0 ? rc : 0;
}

static void sim_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0x5a, len); /* the log's id: the same each run */
}

/* Open what the power left and find it among the states. */
static int sim_check(sim *s)
{
    char why[SIM_STATES_MAX > 8 ? 8 : 1][300];
    int rc = sim_open(s, true);
    if (rc < 0) {
        fprintf(stderr, "seed %" PRIu64 ": open: %s\n", s->seed, ri_err_text());
        return 1;
    }
    size_t found = s->nstates;
    for (size_t i = s->nstates; i-- > 0 && found == s->nstates;)
        if (!model_compare(&s->states[i], s->log, why[i % RI_LEN(why)], sizeof why[0])) found = i;
    ri_log_close(s->log);
    s->log = NULL;
    if (found == s->nstates || s->damaged) {
        fprintf(stderr, "seed %" PRIu64 ": no state of %zu survived whole\n", s->seed, s->nstates);
        for (size_t i = 0; i < RI_MIN(s->nstates, RI_LEN(why)); i++)
            fprintf(stderr, "   state %zu: %s\n", i, why[i]);
        return 1;
    }
    model_copy(&s->now, &s->states[found]);
    size_t kept = s->killed ? found + 1 : 0; /* those before may still be what the power leaves */
    for (size_t i = kept; i < s->nstates; i++) model_free(&s->states[i]);
    s->nstates = kept;
    if (!s->killed) sim_state(s); /* what survived once must survive from now on */
    return 0;
}

static void sim_free(sim *s)
{
    ri_log_close(s->log);
    for (size_t i = 0; i < s->nstates; i++) model_free(&s->states[i]);
    model_free(&s->now);
    fake_os_fini(&s->disk);
    free(s);
}

static sim *sim_new(uint64_t seed, bool growing)
{
    sim *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->seed = seed;
    rng_init(&s->r, seed);
    s->host.entropy = sim_entropy;
    ri_hash_seed(&s->host); /* before the system's: a run is told by its number */
    ri_host_init(&s->host, NULL);
    s->host.entropy = sim_entropy;
    fake_os_init(&s->disk);
    s->now.growing = growing;
    sim_state(s);
    return s;
}

/* Work until the power goes or the steps are done; then lose it, and look. */
static int sim_round(sim *s, size_t steps, fake_os_loss loss)
{
    int rc = sim_open(s, false);
    char why[300];
    if (rc == 0 && !s->disk.off && model_compare(&s->now, s->log, why, sizeof why)) {
        fprintf(stderr, "seed %" PRIu64 ": after opening: %s\n", s->seed, why);
        return 1;
    }
    for (size_t i = 0; rc == 0 && i < steps; i++) rc = sim_step(s);
    bool expected = s->disk.off || rc == 0;
    if (!expected) {
        fprintf(stderr, "seed %" PRIu64 ": %d %s\n", s->seed, rc, ri_err_text());
        return 1;
    }
    /* What an orderly close would write may be written, too. */
    sim_state(s);
    if (s->log && rc == 0 && rng_below(&s->r, 2) == 0) {
        ri_log_close(s->log);
    } else if (s->log) {
        s->disk.off = true;
        ri_log_close(s->log);
    }
    s->log = NULL;
    s->crashes++;
    if (s->killed) fake_os_kill(&s->disk);
    else fake_os_crash(&s->disk, loss, rng_next(&s->r));
    return sim_check(s);
}

static int sim_seed(uint64_t seed, bool is_long, uint64_t *crashes)
{
    sim *s = sim_new(seed, is_long);
    int bad = 0, rounds = is_long ? SIM_LONG_ROUNDS : SIM_ROUNDS;
    size_t steps = is_long ? SIM_LONG_STEPS : SIM_STEPS;
    if (rng_below(&s->r, 3) == 0) s->disk.short_seed = seed + 1;
    for (int i = 0; i < rounds && !bad; i++) {
        s->disk.fail_at = rng_below(&s->r, 4) ? s->disk.calls + 1 + rng_below(&s->r, steps) : 0;
        s->disk.power_at_fail = true;
        s->killed = is_long && rng_below(&s->r, 3) > 0;
        bad = sim_round(s, steps, (fake_os_loss)rng_below(&s->r, 3));
    }
    *crashes += s->crashes;
    sim_free(s);
    return bad;
}

/* The same workload with the power lost at call 1, 2, 3 ... until it gets through. */
static int sim_every(uint64_t seed)
{
    size_t last = 0;
    for (size_t at = 1;; at++) {
        for (int loss = FAKE_OS_KEEP; loss <= FAKE_OS_RANDOM; loss++) {
            sim *s = sim_new(seed, false);
            s->disk.fail_at = at;
            s->disk.power_at_fail = true;
            int bad = sim_round(s, 3 * SIM_STEPS, (fake_os_loss)loss);
            if (!bad) bad = sim_round(s, SIM_STEPS / 4, FAKE_OS_DROP);
            bool through = s->disk.calls < at;
            last = s->disk.calls;
            if (bad) fprintf(stderr, "power lost at call %zu, loss %d\n", at, loss);
            sim_free(s);
            if (bad) return 1;
            if (through) {
                printf("power lost at each of %zu calls: every state whole\n", last);
                return 0;
            }
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t n = 100, from = 1, crashes = 0;
    bool is_long = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--every") == 0)
            return sim_every(i + 1 < argc ? strtoull(argv[i + 1], NULL, 0) : 7);
        if (i + 1 == argc) return 2;
        is_long = is_long || strcmp(argv[i], "--long") == 0;
        if (strcmp(argv[i], "--seeds") == 0 || strcmp(argv[i], "--long") == 0)
            n = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--from") == 0) from = strtoull(argv[++i], NULL, 0);
        else return 2;
    }
    for (uint64_t seed = from; seed < from + n; seed++)
        if (sim_seed(seed, is_long, &crashes)) return 1;
    printf("%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " losses of power, every state whole\n",
           n, from, crashes);
    return 0;
}
