/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of a classic group, played to the engine and to a model of arrays and loops.
 *
 *     players    eight clients of one group: old and new versions, three of which share two
 *                instance ids, with one of two protocols or both, whose metadata change
 *     happens    what a client does next, mostly; else any of JoinGroup, SyncGroup, Heartbeat and
 *                LeaveGroup, with the id that was answered, or with none; hanging up; time, in
 *                which most send heartbeats; commits, now or later; restarts
 *
 * Behind each the model says which answers were given, with which error and generation, who leads,
 * who has which assignment, and the whole of DescribeGroups is compared. RILL_SEED chooses other
 * histories, RILL_SHOW says what happens. */
#include <stdio.h>

#include "base/error.h"
#include "support/band.h"
#include "support/rng.h"
#include "support/suite.h"

enum { PLAYERS = 8, STATICS = 3, MEMBERS = 64, HISTORIES = 60, OPERATIONS = 400, WRITES = 64,
       SERIALS = 1000 };
enum { SWEEP_MS = 600000, DELAY_MS = 3000, NEW_MS = 300000 };

typedef enum { EMPTY, PREPARING, COMPLETING, STABLE } model_state;
static const char *const names[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"};

typedef struct model_member {
    unsigned serial;         /* of the id; another place, another serial */
    int player;              /* that asked last; whoever waits is this one */
    int instance;            /* 0: none */
    int knows, metadata[2];  /* bits: 1: the first protocol, 2: the second */
    int session_ms, rebalance_ms;
    bool fresh, joining, syncing, sync_due;
    bool heard;              /* the one that waits has not hung up */
    int64_t due;             /* of the session; INT64_MAX: it is not counted */
    unsigned assigned;       /* 0: nothing */
} model_member;

typedef struct model_write { /* on its way to the disk */
    enum { SYNCED, REPLACED, LEFT, NOTHING } kind;
    int generation, player;
    unsigned serial, leader;
    bool heard;
} model_write;

typedef struct model_group {
    bool there;
    model_state state, before;
    int generation;
    unsigned leader;         /* its serial; 0: none */
    int protocol;            /* 0: none; 1: the first name, 2: the second */
    model_member members[MEMBERS];
    int n;
} model_group;

typedef struct model_client {
    unsigned believes;       /* the serial that it was answered last; 0: none */
    int generation, instance, knows, metadata[2], session_ms, rebalance_ms;
    bool old, leads;
    unsigned answers;        /* that were given */
    int error;               /* of the last */
} model_client;

typedef struct model {
    band *b;
    rng random;
    int64_t now;
    model_group g, saved;    /* as it is, and as the disk has it */
    struct { unsigned serial; int64_t due; } pending[MEMBERS];
    int npending;
    int64_t timer;           /* of the group; INT64_MAX: none */
    bool newcomer;
    int64_t delay, delay_left;
    int64_t sweep;
    model_write writes[WRITES];
    int nwrites;
    unsigned serials;
    char ids[SERIALS][BAND_ID]; /* by serial; "": not known yet */
    model_client clients[PLAYERS];
} model;

static bool show;
static unsigned met[4], given[128]; /* states behind an operation; errors that were answered */

/* ---- What is known ---- */

static model_member *find(model *m, unsigned serial)
{
    for (int i = 0; serial && i < m->g.n; i++)
        if (m->g.members[i].serial == serial) return &m->g.members[i];
    return NULL;
}

static model_member *find_instance(model *m, int instance)
{
    for (int i = 0; i < m->g.n; i++)
        if (m->g.members[i].instance == instance) return &m->g.members[i];
    return NULL;
}

static int find_pending(model *m, unsigned serial)
{
    for (int i = 0; serial && i < m->npending; i++)
        if (m->pending[i].serial == serial) return i;
    return -1;
}

static void unexpect(model *m, int i)
{
    m->pending[i] = m->pending[--m->npending];
}

static int how_many_joining(const model *m)
{
    int n = 0;
    for (int i = 0; i < m->g.n; i++) n += m->g.members[i].joining;
    return n;
}

static bool all_joined(const model *m)
{
    return how_many_joining(m) == m->g.n && m->npending == 0;
}

static int longest(const model *m)
{
    int ms = 0;
    for (int i = 0; i < m->g.n; i++) ms = RI_MAX(ms, m->g.members[i].rebalance_ms);
    return ms;
}

static int how_many_know(const model *m, int protocol)
{
    int n = 0;
    for (int i = 0; i < m->g.n; i++) n += (m->g.members[i].knows & protocol) != 0;
    return n;
}

/* Who knows both names the first one first; the second wins where not all know the first. */
static int elect(const model *m)
{
    return how_many_know(m, 1) == m->g.n ? 1 : 2;
}

static void enter(model *m, model_state state)
{
    m->g.before = m->g.state;
    m->g.state = state;
}

/* ---- Answers ---- */

static void answer(model *m, int player, int error)
{
    m->clients[player].answers++;
    m->clients[player].error = error;
    given[error]++;
}

/* The id that an answer to JoinGroup names is what the client brings from then on. */
static void answer_join(model *m, model_member *who, int error)
{
    if (!who->joining) return;
    who->joining = false;
    if (!who->heard) return;
    model_client *c = &m->clients[who->player];
    answer(m, who->player, error);
    c->believes = error == 25 ? 0 : who->serial;
    if (!error) c->generation = m->g.generation;
    c->leads = !error && m->g.leader == who->serial;
}

static void answer_sync(model *m, model_member *who, int error)
{
    if (!who->syncing) return;
    who->syncing = false;
    if (who->heard) answer(m, who->player, error);
}

static void drop(model *m, unsigned serial, int error)
{
    model_member *who = find(m, serial);
    model_group *g = &m->g;
    answer_join(m, who, error);
    answer_sync(m, who, error);
    memmove(who, who + 1, (size_t)(&g->members[g->n] - (who + 1)) * sizeof *who);
    g->n--;
    if (g->leader == serial) g->leader = g->n ? g->members[0].serial : 0;
}

/* ---- The states ---- */

static void save(model *m)
{
    m->saved = m->g;
}

static void prepare(model *m);

static void complete(model *m)
{
    model_group *g = &m->g;
    m->timer = INT64_MAX;
    m->delay_left = 0;
    for (int i = 0; i < g->n;) {
        if (g->members[i].joining || g->members[i].instance) i++;
        else drop(m, g->members[i].serial, 25);
    }
    model_member *leader = find(m, g->leader);
    if (leader && !leader->joining) {
        for (int i = g->n; i-- > 0;)
            if (g->members[i].joining) leader = &g->members[i];
        if (!leader->joining) {
            m->timer = m->now + longest(m);
            return;
        }
        g->leader = leader->serial;
    }
    g->generation++;
    if (g->n == 0) {
        g->protocol = 0;
        enter(m, EMPTY);
        save(m);
        m->writes[m->nwrites++] = (model_write){.kind = NOTHING};
        return;
    }
    g->protocol = elect(m);
    enter(m, COMPLETING);
    for (int i = 0; i < g->n; i++) {
        model_member *who = &g->members[i];
        who->due = m->now + who->session_ms;
        who->fresh = false;
        who->sync_due = true;
        answer_join(m, who, 0);
    }
    m->timer = m->now + longest(m);
}

static void complete_if_joined(model *m)
{
    if (m->g.state == PREPARING && m->g.before != EMPTY && all_joined(m)) complete(m);
}

static void answer_syncs(model *m, int error)
{
    for (int i = 0; i < m->g.n; i++) {
        model_member *who = &m->g.members[i];
        if (!who->syncing) continue;
        answer_sync(m, who, error);
        who->due = m->now + who->session_ms;
    }
}

static void prepare(model *m)
{
    model_group *g = &m->g;
    bool first = g->state == EMPTY;
    if (g->state == COMPLETING) {
        for (int i = 0; i < g->n; i++) g->members[i].assigned = 0;
        answer_syncs(m, 27);
    }
    for (int i = 0; i < g->n; i++) g->members[i].sync_due = false;
    m->timer = INT64_MAX;
    enter(m, PREPARING);
    if (first) {
        m->newcomer = false;
        m->delay = DELAY_MS;
        m->delay_left = RI_MAX(longest(m) - DELAY_MS, 0);
        m->timer = m->now + DELAY_MS;
    } else if (all_joined(m)) {
        complete(m);
    } else {
        m->timer = m->now + longest(m);
    }
}

static void changed(model *m)
{
    if (m->g.state == PREPARING) complete_if_joined(m);
    else prepare(m);
}

/* ---- Time ---- */

static void timer_due(model *m)
{
    model_group *g = &m->g;
    m->timer = INT64_MAX;
    if (g->state == PREPARING && g->before == EMPTY && m->newcomer && m->delay_left > 0) {
        int64_t next = RI_MIN(DELAY_MS, m->delay_left);
        m->newcomer = false;
        m->delay_left = RI_MAX(m->delay_left - m->delay, 0);
        m->delay = next;
        m->timer = m->now + next;
    } else if (g->state == PREPARING) {
        complete(m);
    } else if (g->state != EMPTY) {
        bool any = false;
        for (int i = 0; i < g->n;) {
            if (!g->members[i].sync_due) i++;
            else drop(m, g->members[i].serial, 25), any = true;
        }
        if (any) prepare(m);
    }
}

static void session_due(model *m, model_member *who)
{
    who->due = INT64_MAX;
    if (!who->fresh && (who->joining || who->syncing)) return;
    drop(m, who->serial, 25);
    if (m->g.state == STABLE || m->g.state == COMPLETING) prepare(m);
    else if (m->g.state == PREPARING && all_joined(m)) complete(m);
}

static void sweep_due(model *m)
{
    m->sweep = m->now + SWEEP_MS;
    if (!m->g.there || m->g.state != EMPTY || m->nwrites) return;
    m->npending = 0;
    m->g = m->saved = (model_group){0};
}

/* One thing of all that is due by now, the earliest; false: nothing is. */
static bool one_is_due(model *m, int64_t until)
{
    int64_t at = RI_MIN(m->timer, m->sweep);
    for (int i = 0; i < m->g.n; i++) at = RI_MIN(at, m->g.members[i].due);
    for (int i = 0; i < m->npending; i++) at = RI_MIN(at, m->pending[i].due);
    if (at > until) return false;
    m->now = RI_MAX(m->now, at);
    for (int i = 0; i < m->npending; i++)
        if (m->pending[i].due == at) {
            unexpect(m, i);
            if (m->g.state == PREPARING && all_joined(m)) complete(m);
            return true;
        }
    for (int i = 0; i < m->g.n; i++)
        if (m->g.members[i].due == at) {
            session_due(m, &m->g.members[i]);
            return true;
        }
    if (m->timer == at) timer_due(m);
    else sweep_due(m);
    return true;
}

/* ---- The disk ---- */

static void one_is_written(model *m, const model_write *w)
{
    model_member *who = find(m, w->serial);
    if (w->kind == SYNCED && m->g.state == COMPLETING && m->g.generation == w->generation) {
        answer_syncs(m, 0);
        enter(m, STABLE);
    }
    if (w->kind == REPLACED && who && who->joining && m->g.state == STABLE) {
        model_client *c = &m->clients[who->player];
        bool heard = who->heard;
        answer_join(m, who, 0);
        if (heard && c->old) c->leads = false; /* its old id is named, or another's */
    }
    if (w->kind == LEFT && w->heard) answer(m, w->player, w->generation);
}

static void commit(model *m)
{
    model_write writes[WRITES];
    int n = m->nwrites;
    memcpy(writes, m->writes, sizeof writes);
    m->nwrites = 0;
    for (int i = 0; i < n; i++) one_is_written(m, &writes[i]);
}

static void turn(model *m)
{
    do commit(m);
    while (one_is_due(m, m->now) || m->nwrites);
}

/* ---- Requests ---- */

static void set_protocols(model_member *who, const model_client *c)
{
    who->knows = c->knows;
    memcpy(who->metadata, c->metadata, sizeof who->metadata);
    who->session_ms = c->session_ms;
    who->rebalance_ms = c->rebalance_ms;
}

static void refuse(model *m, int player, int error, unsigned serial)
{
    answer(m, player, error);
    m->clients[player].believes = serial;
    m->clients[player].leads = false;
}

static void wait_join(model *m, model_member *who, int player)
{
    answer_join(m, who, 27);
    who->joining = who->heard = true;
    who->player = player;
}

static void join_as(model *m, int player, unsigned serial)
{
    model_client *c = &m->clients[player];
    int i = find_pending(m, serial);
    if (i >= 0) unexpect(m, i);
    model_member *who = &m->g.members[m->g.n++];
    *who = (model_member){.serial = serial, .player = player, .instance = c->instance,
                          .fresh = true, .due = m->now + NEW_MS};
    set_protocols(who, c);
    if (!m->g.leader) m->g.leader = serial;
    if (m->g.state == PREPARING && m->g.before == EMPTY) m->newcomer = true;
    wait_join(m, who, player);
    changed(m);
}

static void replace(model *m, int player, model_member *who)
{
    unsigned was = who->serial, leader = m->g.leader;
    answer_join(m, who, 82);
    answer_sync(m, who, 82);
    for (int i = 0; i < m->nwrites; i++)
        if (m->writes[i].serial == was && m->writes[i].kind == REPLACED) m->writes[i].serial = 0;
    who->serial = ++m->serials;
    if (m->g.leader == was) m->g.leader = who->serial;
    set_protocols(who, &m->clients[player]);
    who->fresh = false;
    who->due = m->now + who->session_ms;
    wait_join(m, who, player);
    if (m->g.state != STABLE || elect(m) != m->g.protocol) {
        changed(m);
        return;
    }
    save(m);
    m->writes[m->nwrites++] = (model_write){.kind = REPLACED, .serial = who->serial,
                                            .leader = leader};
}

static bool same(const model_member *who, const model_client *c)
{
    return who->knows == c->knows && (!(c->knows & 1) || who->metadata[0] == c->metadata[0]) &&
           (!(c->knows & 2) || who->metadata[1] == c->metadata[1]);
}

static bool is_supported(model *m, const model_client *c)
{
    if (m->g.state == EMPTY) return true;
    return ((c->knows & 1) && how_many_know(m, 1) == m->g.n) ||
           ((c->knows & 2) && how_many_know(m, 2) == m->g.n);
}

static void join_member(model *m, int player, model_member *who)
{
    model_client *c = &m->clients[player];
    bool leads = m->g.leader == who->serial;
    if ((m->g.state == COMPLETING && same(who, c)) ||
        (m->g.state == STABLE && same(who, c) && !leads)) {
        answer(m, player, 0);
        c->generation = m->g.generation;
        c->leads = leads;
        return;
    }
    set_protocols(who, c);
    wait_join(m, who, player);
    changed(m);
}

/* The error of a request that brings an id, or an instance id. */
static int check(model *m, int player)
{
    const model_client *c = &m->clients[player];
    model_member *who = c->instance ? find_instance(m, c->instance) : NULL;
    if (c->instance && !who) return 25;
    if (who && who->serial != c->believes) return 82;
    return find(m, c->believes) ? 0 : 25;
}

static void do_join(model *m, int player)
{
    model_client *c = &m->clients[player];
    model_member *who = c->instance ? find_instance(m, c->instance) : NULL;
    if (!m->g.there && c->believes) {
        refuse(m, player, 25, c->believes);
        return;
    }
    m->g.there = true;
    if (!is_supported(m, c)) {
        refuse(m, player, 23, c->believes);
    } else if (!c->believes && who) {
        replace(m, player, who);
    } else if (!c->believes && !c->old && !c->instance) {
        m->pending[m->npending].serial = ++m->serials;
        m->pending[m->npending++].due = m->now + c->session_ms;
        refuse(m, player, 79, m->serials);
    } else if (!c->believes) {
        join_as(m, player, ++m->serials);
    } else if (!c->instance && find_pending(m, c->believes) >= 0) {
        join_as(m, player, c->believes);
    } else if (check(m, player)) {
        refuse(m, player, check(m, player), c->believes);
    } else {
        join_member(m, player, find(m, c->believes));
    }
}

static void do_sync(model *m, int player)
{
    model_client *c = &m->clients[player];
    int error = m->g.there ? check(m, player) : 25;
    if (!error && c->generation != m->g.generation) error = 22;
    if (!error && m->g.state == PREPARING) error = 27;
    model_member *who = find(m, c->believes);
    if (!error) {
        who->sync_due = false;
        bool any = false;
        for (int i = 0; i < m->g.n; i++) any = any || m->g.members[i].sync_due;
        if (!any) m->timer = INT64_MAX;
    }
    if (error || m->g.state == STABLE) {
        answer(m, player, error);
        return;
    }
    answer_sync(m, who, 27);
    who->syncing = who->heard = true;
    who->player = player;
    if (m->g.leader != who->serial) return;
    for (int i = 0; i < m->g.n; i++) /* the test assigns to each its place and the generation */
        m->g.members[i].assigned = (unsigned)(m->g.generation * 100 + i + 1);
    save(m);
    m->writes[m->nwrites++] = (model_write){.kind = SYNCED, .generation = m->g.generation};
}

static int do_beat(model *m, int player)
{
    model_client *c = &m->clients[player];
    int error = m->g.there ? check(m, player) : 25;
    if (!error && c->generation != m->g.generation) error = 22;
    if (error) return error;
    model_member *who = find(m, c->believes);
    who->due = m->now + who->session_ms;
    return m->g.state == PREPARING ? 27 : 0;
}

static void do_leave(model *m, int player)
{
    model_client *c = &m->clients[player];
    int error = 25, i = find_pending(m, c->believes);
    model_member *who = NULL;
    if (m->g.there && !c->believes && c->instance) who = find_instance(m, c->instance);
    else if (m->g.there && c->believes && i < 0 && !(error = check(m, player)))
        who = find(m, c->believes);
    if (i >= 0 && c->believes) unexpect(m, i);
    if (who) drop(m, who->serial, 25);
    if (who || (i >= 0 && c->believes)) {
        error = 0;
        if (m->g.state != EMPTY) changed(m);
    }
    if (m->g.there && m->nwrites)
        m->writes[m->nwrites++] = (model_write){.kind = LEFT, .generation = error, .heard = true,
                                                .player = player};
    else
        answer(m, player, error);
}

static void do_restart(model *m)
{
    for (int i = 0; i < m->nwrites; i++) /* whoever waits hears that the coordinator is gone */
        if (m->writes[i].kind == LEFT && m->writes[i].heard) answer(m, m->writes[i].player, 16);
    m->nwrites = 0;
    for (int i = 0; i < m->g.n; i++) {
        answer_join(m, &m->g.members[i], 16);
        answer_sync(m, &m->g.members[i], 16);
    }
    m->g = m->saved;
    m->g.state = m->g.n ? STABLE : EMPTY;
    m->g.before = STABLE;
    m->npending = 0;
    m->timer = INT64_MAX;
    m->sweep = m->now + SWEEP_MS;
    for (int i = 0; i < m->g.n; i++) {
        model_member *who = &m->g.members[i];
        who->fresh = who->joining = who->syncing = who->sync_due = false;
        who->due = m->now + who->session_ms;
        who->knows = m->g.protocol;
    }
}

/* ---- Played to both ---- */

static band_player *arm(model *m, int player)
{
    static const char *const texts[] = {"m0", "m1", "m2"};
    band_player *p = &m->b->players[player];
    const model_client *c = &m->clients[player];
    p->nprotocols = 0;
    for (int i = 0; i < 2; i++) {
        if (!(c->knows & (i + 1))) continue;
        p->protocols[p->nprotocols].name = i ? "second" : "first";
        p->protocols[p->nprotocols++].metadata = texts[c->metadata[i]];
    }
    return p;
}

static void play_sync(model *m, int player)
{
    char text[4096] = "";
    size_t len = 0;
    ri_group_info info;
    ri_group_place place = {0};
    ri_group_member_info member;
    band_player *p = arm(m, player);
    ri_groups_describe(m->b->groups, RI_STR("g"), &info);
    for (int i = 1; info.group && ri_groups_next_member(info.group, &place, &member); i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s=%d", len ? " " : "",
                                RI_ARG(member.member), p->generation * 100 + i);
    band_sync(p, text);
}

static void pass(model *m, int64_t ms)
{
    int64_t until = m->now + ms;
    band_wait(m->b, ms);
    turn(m);
    while (one_is_due(m, until)) turn(m);
    m->now = until;
}

static void hang_up(model *m, int player)
{
    band_hang_up(&m->b->players[player]);
    for (int i = 0; i < m->g.n; i++)
        if (m->g.members[i].player == player) m->g.members[i].heard = false;
    for (int i = 0; i < m->nwrites; i++)
        if (m->writes[i].player == player) m->writes[i].heard = false;
}

typedef enum { JOIN, SYNC, BEAT, LEAVE, FORGET, HANG_UP, WAIT, LONG, RESTART, NONE } move;

static void beat(model *m, int player)
{
    int got = band_beat(&m->b->players[player]), want = do_beat(m, player);
    if (got != want) ck_abort_msg("a heartbeat says %d, not %d", got, want);
    given[want]++;
    if (want) m->clients[player].error = m->b->players[player].error = want;
}

/* What the client would do after what it has heard last. */
static move sensible(model *m, int player)
{
    const model_client *c = &m->clients[player];
    if (c->error == 25 || c->error == 82 || c->error == 16) return c->believes ? FORGET : JOIN;
    if (!c->believes || c->error == 79 || c->error == 27 || c->error == 22) return JOIN;
    return m->b->players[player].syncs == c->generation ? BEAT : SYNC;
}

static move any(model *m)
{
    static const uint8_t weights[] = {[JOIN] = 20, [SYNC] = 15, [BEAT] = 20, [LEAVE] = 3,
                                      [FORGET] = 4, [HANG_UP] = 6, [WAIT] = 25, [LONG] = 4,
                                      [RESTART] = 2};
    uint64_t at = rng_below(&m->random, 99);
    move what = JOIN;
    while (what < NONE && at >= weights[what]) at -= weights[what++];
    return what;
}

static void wait(model *m, int64_t ms)
{
    for (int i = 0; i < PLAYERS; i++) {
        const band_player *p = &m->b->players[i];
        bool waits = p->joining || p->syncing || p->leaving;
        if (!waits && m->clients[i].believes && rng_below(&m->random, 8)) beat(m, i);
    }
    pass(m, ms);
}

static void play(model *m, int player, move what)
{
    band_player *p = &m->b->players[player];
    model_client *c = &m->clients[player];
    bool waits = p->joining || p->syncing || p->leaving;
    if (show) printf("%lld: %d does %d%s\n", (long long)m->now, player, (int)what,
                     waits ? ", and waits" : "");
    if (waits && what < HANG_UP) return;
    switch (what) {
    case JOIN:
        if (rng_below(&m->random, 8) == 0) c->metadata[0] = (int)rng_below(&m->random, 3);
        band_join(arm(m, player));
        do_join(m, player);
        break;
    case SYNC:
        p->syncs = p->generation;
        play_sync(m, player);
        do_sync(m, player);
        break;
    case BEAT: beat(m, player); break;
    case LEAVE:
        band_leave(p);
        do_leave(m, player);
        break;
    case FORGET:
        p->id[0] = 0;
        c->believes = 0;
        break;
    case HANG_UP:
        if (waits) hang_up(m, player);
        break;
    case WAIT: wait(m, (int64_t)rng_below(&m->random, 1500)); break;
    case LONG: pass(m, (int64_t)rng_below(&m->random, rng_below(&m->random, 6) ? 9000 : 400000));
        break;
    case RESTART:
        ck_assert_ok(band_restart(m->b));
        do_restart(m);
        break;
    case NONE: break;
    }
}

/* ---- Compared ---- */

static void compare_members(model *m, const ri_group *group)
{
    ri_group_place place = {0};
    ri_group_member_info got;
    int i = 0;
    for (; ri_groups_next_member(group, &place, &got); i++) {
        ck_quick(i < m->g.n);
        const model_member *who = &m->g.members[i];
        char text[16] = "", *id = m->ids[who->serial];
        if (!*id) snprintf(id, BAND_ID, "%.*s", RI_ARG(got.member));
        ck_quick(ri_str_is(got.member, id));
        if (who->assigned) snprintf(text, sizeof text, "%u", who->assigned);
        ck_quick(ri_str_is(got.assignment, text));
        if (m->g.protocol && (who->knows & m->g.protocol)) {
            snprintf(text, sizeof text, "m%d", who->metadata[m->g.protocol - 1]);
            ck_quick(ri_str_is(got.metadata, text));
        }
    }
    ck_quick(i == m->g.n);
}

static void compare(model *m)
{
    ri_group_info info;
    ri_group_error error = ri_groups_describe(m->b->groups, RI_STR("g"), &info);
    ck_quick((int)error == (m->g.there ? 0 : 69));
    ck_quick(ri_str_is(info.state, m->g.there ? names[m->g.state] : "Dead"));
    if (info.group) compare_members(m, info.group);
    for (int i = 0; i < PLAYERS; i++) {
        const band_player *p = &m->b->players[i];
        const model_client *c = &m->clients[i];
        if (!(p->answers == c->answers)) ck_abort_msg("%d got %u answers, not %u", i, p->answers,
                      c->answers);
        if (!(p->error == c->error)) ck_abort_msg("%d hears %d, not %d", i, p->error, c->error);
        if (!(p->leads == c->leads)) ck_abort_msg("%d leads", i);
        if (!c->believes) continue;
        ck_quick(p->generation == c->generation);
        char *id = m->ids[c->believes];
        if (!*id) snprintf(id, BAND_ID, "%s", p->id);
        ck_quick(strcmp(p->id, id) == 0);
    }
}

static void history(uint64_t seed)
{
    static band b;
    static model m;
    ck_assert_ok(band_init(&b, NULL));
    b.quiet = true;
    m = (model){.b = &b, .timer = INT64_MAX, .sweep = SWEEP_MS};
    rng_init(&m.random, seed);
    for (int i = 0; i < PLAYERS; i++) {
        model_client *c = &m.clients[i];
        band_player *p = band_add(&b, "p", "g");
        *c = (model_client){.generation = -1, .old = rng_below(&m.random, 3) == 0, .knows = 3,
                            .instance = i < STATICS ? 1 + i % 2 : 0};
        if (rng_below(&m.random, 4) == 0) c->knows = 1 + (int)rng_below(&m.random, 2);
        c->session_ms = p->session_ms = 6001 + 2 * (int)rng_below(&m.random, 4000);
        c->rebalance_ms = p->rebalance_ms = 2000 + 2 * (int)rng_below(&m.random, 10000);
        p->old = c->old;
        p->instance = c->instance ? (const char *[]){"one", "two"}[c->instance - 1] : NULL;
    }
    for (int i = 0; i < OPERATIONS; i++) {
        int player = (int)rng_below(&m.random, PLAYERS);
        play(&m, player, rng_below(&m.random, 5) ? sensible(&m, player) : any(&m));
        if (rng_below(&m.random, 3)) {
            band_turn(&b);
            turn(&m);
        }
        compare(&m);
        met[m.g.state] += m.g.there;
    }
    for (int i = 0; i < PLAYERS; i++) band_hang_up(&b.players[i]);
    band_fini(&b);
}

START_TEST(test_histories)
{
    uint64_t seed = rng_seed(1);
    show = getenv("RILL_SHOW") != NULL;
    for (uint64_t i = 0; i < HISTORIES; i++) {
        if (show) printf("-- history %llu\n", (unsigned long long)(seed + i));
        history(seed + i);
    }
    static const int errors[] = {0, 16, 22, 23, 25, 27, 79, 82};
    for (size_t i = 0; i < RI_LEN(errors); i++) {
        if (show) printf("error %d: %u times\n", errors[i], given[errors[i]]);
        ck_assert_uint_gt(given[errors[i]], HISTORIES / 4);
    }
    for (int i = 0; i < 4; i++) {
        if (show) printf("%s: %u times\n", names[i], met[i]);
        ck_assert_uint_gt(met[i], HISTORIES * OPERATIONS / 100);
    }
}
END_TEST

SUITE_MAIN("groups_model", test_histories)
