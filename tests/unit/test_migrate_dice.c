/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of a group whose members are of both kinds.
 *
 *     happens    clients join, live, vanish for a while, leave, and come back as the other kind;
 *                some are static, and come back without having left; they commit what they have;
 *                answers and requests cross; time; restarts; a policy for each history
 *
 * After each step no two members have the same partition, neither as the coordinator thinks of them
 * nor as those think that are in its epoch. When nothing changes any more, all come to rest: each
 * partition of a topic that a member subscribes has one reader, and what was committed last is what
 * is fetched, whatever the group was in between. RILL_SEED chooses other histories. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "support/band.h"
#include "support/rng.h"
#include "support/suite.h"

enum { PLAYERS = 6, HISTORIES = 60, OPERATIONS = 300, ROUNDS = 45, PARTITIONS = 5 };

typedef enum part { GONE, IDLE, JOINING, JOINED, SYNCING, STABLE } part; /* of a classic client */

static band b;
static rng dice;
static part parts[PLAYERS];
static int64_t committed[BAND_TOPICS][PARTITIONS];
static unsigned met[130], upgrades, downgrades, mixed;
static bool was_classic;

static part *part_of(const band_player *p)
{
    return &parts[p - b.players];
}

static bool is_classic(void)
{
    ri_group_info info;
    return ri_groups_describe(b.groups, RI_STR("g"), &info) == RI_GROUP_NONE;
}

/* ---- What holds ---- */

static band_player *player_of(ri_str id)
{
    for (size_t i = 0; i < b.nplayers; i++)
        if (ri_str_is(id, b.players[i].id)) return &b.players[i];
    return NULL;
}

/* A classic client that was sent away for being silent may join under its old id, and reads what it
 * had until it has fetched what it has now; Kafka cannot know either. */
static void check_member(const ri_group_modern_member *member, uint64_t owned[BAND_TOPICS])
{
    ri_group_part at = {.at = 0};
    uint64_t has[BAND_TOPICS] = {0};
    const band_player *p = player_of(member->member);
    while (ri_groups_next_part(b.groups, member, false, &at))
        for (size_t t = 0; t < BAND_TOPICS; t++)
            if (ri_str_is(at.topic.name, b.topics[t].name)) has[t] |= UINT64_C(1) << at.partition;
    for (size_t t = 0; t < BAND_TOPICS; t++) {
        if (owned[t] & has[t]) ck_abort_msg("two members own a partition");
        owned[t] |= has[t];
        bool same = p && p->generation == member->epoch && p->speaks == member->classic &&
                    (!p->speaks || *part_of(p) == STABLE);
        if (same && (p->has[t] & ~has[t])) ck_abort_msg("%s has too much", p->who);
    }
}

/* Members of a classic group that are in its generation, and have heard what they have. */
static void check_classic(const ri_group *group)
{
    ri_group_place place = {0};
    ri_group_member_info member;
    uint64_t all[BAND_TOPICS] = {0};
    const band_player *first = NULL;
    while (ri_groups_next_member(group, &place, &member)) {
        const band_player *p = player_of(member.member);
        if (!p || !p->speaks || *part_of(p) != STABLE) continue;
        if (first && p->generation != first->generation) continue;
        first = first ? first : p;
        for (size_t t = 0; t < BAND_TOPICS; t++) {
            if (all[t] & p->has[t]) ck_abort_msg("%s reads what another reads", p->who);
            all[t] |= p->has[t];
        }
    }
}

static void check(void)
{
    ri_group_modern_info info;
    ri_group_place place = {0};
    ri_group_modern_member member;
    uint64_t owned[BAND_TOPICS] = {0};
    unsigned kinds = 0;
    ri_group_info as_classic;
    bool classic = !ri_groups_describe(b.groups, RI_STR("g"), &as_classic);
    if (classic) check_classic(as_classic.group);
    if (ri_groups_describe_modern(b.groups, RI_STR("g"), &info)) {
        downgrades += classic && !was_classic;
        was_classic = classic;
        return;
    }
    while (ri_groups_next_modern(info.group, &place, &member)) {
        check_member(&member, owned);
        kinds |= member.classic ? 1 : 2;
    }
    mixed += kinds == 3;
    upgrades += was_classic && (kinds & 1);
    was_classic = false;
}

/* ---- Classic clients ---- */

static void lose(band_player *p)
{
    memset(p->has, 0, sizeof p->has);
    p->generation = p->speaks ? -1 : 0;
}

/* What an error tells a client. */
static void hear(band_player *p, int error)
{
    met[error]++;
    if (error == 0 || error == 27) return;
    lose(p);
    if (error != 22 && error != 79) p->id[0] = 0;
}

/* Where it is then: one whose place another has taken gives up. */
static part after(int error, part well)
{
    return error == 0 ? well : error == 82 ? GONE : IDLE;
}

static void heard_join(band_player *p)
{
    hear(p, p->error);
    *part_of(p) = after(p->error, JOINED);
}

static void ask_to_join(band_player *p)
{
    p->eager = is_classic(); /* the assignor of the leader below moves partitions at once */
    if (p->joining || p->syncing) return;
    *part_of(p) = JOINING;
    band_join(p);
    band_turn(&b);
}

/* Each topic's partitions in turn to those who subscribe it, in bytes. */
static void put(ri_buffer *out, uint32_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;) {
        char byte = (char)(value >> 8 * i);
        ri_buffer_put(out, &byte, 1);
    }
}

static bool subscribes(const band_player *p, const char *topic)
{
    ri_str rest = ri_str_of(p->subscribes), name;
    while (rest.len && ri_str_cut(&rest, ' ', &name))
        if (ri_str_is(name, topic)) return true;
    return false;
}

static bool is_led_by(const band_player *p, const band_player *leader)
{
    part at = *part_of(p);
    bool joined = at == JOINED || at == SYNCING || (at == JOINING && !p->joining);
    return p->speaks && p->generation == leader->generation && joined;
}

static void put_share(const band_player *of, const band_player *leader, ri_buffer *out)
{
    put(out, 1, 2);
    put(out, 2, 4);
    for (size_t t = 0; t < 2; t++) {
        const char *name = b.topics[t].name;
        uint32_t mine[PARTITIONS], n = 0, who = 0, all = 0;
        for (size_t i = 0; i < b.nplayers; i++)
            all += is_led_by(&b.players[i], leader) && subscribes(&b.players[i], name);
        for (size_t i = 0; i < b.nplayers; i++) {
            const band_player *p = &b.players[i];
            if (!is_led_by(p, leader) || !subscribes(p, name)) continue;
            for (uint32_t k = who++; k < (uint32_t)b.topics[t].partitions && p == of; k += all)
                mine[n++] = k;
        }
        put(out, (uint32_t)strlen(name), 2);
        ri_buffer_puts(out, name);
        put(out, n, 4);
        for (uint32_t i = 0; i < n; i++) put(out, mine[i], 4);
    }
    put(out, UINT32_MAX, 4);
}

static void ask_to_sync(band_player *p)
{
    ri_buffer bytes[PLAYERS];
    ri_group_assignment given[PLAYERS] = {{{NULL, 0}, {NULL, 0}}};
    size_t n = 0;
    *part_of(p) = SYNCING;
    for (size_t i = 0; p->leads && i < b.nplayers; i++) {
        const band_player *of = &b.players[i];
        if (of != p && !is_led_by(of, p)) continue;
        ri_buffer_init(&bytes[n], &b.w.f->host);
        put_share(of, p, &bytes[n]);
        given[n] = (ri_group_assignment){ri_str_of(of->id), ri_buffer_str(&bytes[n])};
        n++;
    }
    band_sync_as(p, given, n);
    for (size_t i = 0; i < n; i++) ri_buffer_fini(&bytes[i]);
    band_turn(&b);
}

static void heard_sync(band_player *p)
{
    hear(p, p->error);
    *part_of(p) = after(p->error, STABLE);
}

static void beat(band_player *p)
{
    int error = band_beat(p);
    band_turn(&b);
    hear(p, error);
    *part_of(p) = after(error, STABLE);
}

/* The next thing that the client does of itself. */
static void live_classic(band_player *p)
{
    switch (*part_of(p)) {
    case GONE: break;
    case IDLE: ask_to_join(p); break;
    case JOINING: if (!p->joining) heard_join(p); break;
    case JOINED: ask_to_sync(p); break;
    case SYNCING: if (!p->syncing) heard_sync(p); break;
    case STABLE: beat(p); break;
    }
}

static void live_modern(band_player *p)
{
    if (*part_of(p) == GONE || p->pulsing) return;
    band_pulse(p);
    band_turn(&b);
    if (p->error != 0) lose(p);
    *part_of(p) = after(p->error, IDLE);
    met[p->error]++;
}

static void live(band_player *p)
{
    if (p->speaks) live_classic(p);
    else live_modern(p);
}

/* ---- What else happens ---- */

static void leave(band_player *p)
{
    bool is_member = p->speaks ? *part_of(p) == STABLE : p->generation > 0;
    if (!is_member) return;
    if (!p->speaks) band_pulse_as(p, p->instance && rng_below(&dice, 2) ? -2 : -1);
    else if (!p->instance) band_leave(p); /* as clients do: a static one only vanishes */
    band_turn(&b);
    lose(p);
    *part_of(p) = GONE;
}

/* It comes back, as the other kind perhaps; without having left if it is static. */
static void come(band_player *p)
{
    if (p->joining || p->syncing || p->pulsing || p->leaving || p->committing) return;
    if (*part_of(p) != GONE && !(p->instance && rng_below(&dice, 4) == 0)) return;
    p->speaks = rng_below(&dice, 2);
    lose(p);
    p->id[0] = 0;
    p->asks_all = p->reports = false;
    *part_of(p) = IDLE;
}

static void change(band_player *p)
{
    static const char *const subscriptions[] = {"t", "t u", "u"};
    part at = *part_of(p);
    if (p->speaks && (at == JOINING || at == JOINED || at == SYNCING)) return; /* it was said */
    p->subscribes = subscriptions[rng_below(&dice, RI_LEN(subscriptions))];
    p->asks_all = true;
    if (p->speaks && *part_of(p) == STABLE) *part_of(p) = IDLE;
}

/* Of something that it has, as far as it knows. */
static void commit(band_player *p)
{
    static int64_t next;
    size_t t = rng_below(&dice, 2), k = rng_below(&dice, PARTITIONS);
    char text[64];
    bool is_member = p->speaks ? *part_of(p) == STABLE : p->generation > 0;
    if (!is_member || p->committing || !(p->has[t] >> k & 1)) return;
    if (++next > 1000000) next = 1;
    snprintf(text, sizeof text, "%s/%zu=%lld", b.topics[t].name, k, (long long)next);
    band_commit(p, text);
    bool put_ = p->committing;
    band_turn(&b);
    if (put_ && p->error == 0) committed[t][k] = next;
}

static void play(band_player *p, uint64_t what)
{
    if (what < 60) live(p);
    else if (what < 64) change(p);
    else if (what < 70) leave(p);
    else if (what < 80) come(p);
    else if (what < 88) commit(p);
    else if (what < 97) band_wait(&b, (int64_t)rng_below(&dice, 1500));
    else if (what < 98) band_wait(&b, (int64_t)rng_below(&dice, 60000));
    else if (what < 99) {
        for (size_t i = 0; i < b.nplayers; i++) {
            band_player *q = &b.players[i];
            if (q->joining || q->syncing) parts[i] = IDLE; /* its connection is gone */
            band_hang_up(q);
        }
        ck_assert_ok(band_restart(&b));
    }
}

/* ---- Rest ---- */

static bool is_at_rest(const band_player *p)
{
    return p->speaks ? *part_of(p) == STABLE : *part_of(p) != GONE && p->generation > 0;
}

static void check_rest(void)
{
    uint64_t all[BAND_TOPICS] = {0}, wanted[BAND_TOPICS] = {0};
    for (size_t i = 0; i < b.nplayers; i++) {
        const band_player *p = &b.players[i];
        if (!is_at_rest(p)) continue;
        for (size_t t = 0; t < 2; t++) {
            if (all[t] & p->has[t]) ck_abort_msg("a partition has two readers");
            all[t] |= p->has[t];
            if (subscribes(p, b.topics[t].name))
                wanted[t] = (UINT64_C(1) << b.topics[t].partitions) - 1;
        }
    }
    ck_quick(memcmp(all, wanted, sizeof all) == 0);
    for (size_t t = 0; t < 2; t++)
        for (size_t k = 0; k < PARTITIONS; k++)
            if (committed[t][k])
                ck_quick(band_fetch_one(&b, "g", b.topics[t].name, NULL, (int32_t)k) ==
                         committed[t][k]);
}

static void come_to_rest(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < b.nplayers; i++) {
            band_player *p = &b.players[i];
            for (int k = 0; k < 3; k++) {
                bool alive = p->speaks && *part_of(p) == STABLE;
                live(p);
                check();
                if (alive || !p->speaks) break;
            }
        }
        band_wait(&b, 2000);
        check();
    }
    check_rest();
}

/* ---- Histories ---- */

static void add_player(int i)
{
    static const char *const instances[PLAYERS] = {"one", "one", "two"};
    char who[8];
    snprintf(who, sizeof who, "p%d", i);
    band_player *p = band_add(&b, who, "g");
    p->subscribes = "t u";
    p->rebalance_ms = 10000;
    p->instance = instances[i];
    p->speaks = i % 2;
    parts[i] = IDLE;
}

static void history(uint64_t seed)
{
    static const ri_groups_migration policies[] = {
        RI_GROUPS_BIDIRECTIONAL, RI_GROUPS_BIDIRECTIONAL, RI_GROUPS_BIDIRECTIONAL,
        RI_GROUPS_UPGRADE, RI_GROUPS_DOWNGRADE, RI_GROUPS_DISABLED};
    rng_init(&dice, seed);
    ck_assert_ok(band_init(&b, NULL));
    b.quiet = true;
    b.conf.initial_delay_ms = 500;
    b.conf.migration = policies[rng_below(&dice, RI_LEN(policies))];
    ri_groups_close(b.groups);
    b.groups = NULL;
    ck_assert_ok(band_reopen(&b));
    band_set_topic(&b, "t", PARTITIONS);
    band_set_topic(&b, "u", 2);
    memset(committed, 0, sizeof committed);
    was_classic = false;
    for (int i = 0; i < PLAYERS; i++) add_player(i);
    for (int i = 0; i < OPERATIONS; i++) {
        play(&b.players[rng_below(&dice, PLAYERS)], rng_below(&dice, 99));
        check();
    }
    come_to_rest();
    band_fini(&b);
}

START_TEST(test_histories)
{
    static const int errors[] = {0, 22, 23, 25, 27, 69, 79, 82};
    uint64_t seed = rng_seed(1);
    for (uint64_t i = 0; i < HISTORIES; i++) {
        if (getenv("RILL_SHOW")) printf("history %llu\n", (unsigned long long)(seed + i));
        history(seed + i);
    }
    for (size_t i = 0; i < RI_LEN(errors); i++)
        ck_assert_msg(met[errors[i]] > 0, "error %d was never answered", errors[i]);
    ck_assert_uint_gt(upgrades, 10);
    ck_assert_uint_gt(downgrades, 10);
    ck_assert_uint_gt(mixed, 100);
}
END_TEST

SUITE_MAIN("migrate_dice", test_histories)
