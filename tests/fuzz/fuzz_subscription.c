/* SPDX-License-Identifier: Apache-2.0 */
/* What classic members say in their metadata, and leaders in assignments, in a group that becomes
 * one of KIP-848 and back: any bytes are taken or refused, and the group is sound after each step.
 *
 * An input is a metadata and an assignment, each with its length in front; as few random bytes are
 * either, those of an input whose first byte is odd are laid over ones that are well. */
#include <string.h>

#include "engine/groups/modern.h"
#include "support/fuzz.h"
#include "support/world.h"

enum { CAP = 255 };

static const char metadata[] = "\0\3\0\0\0\1\0\1t\xff\xff\xff\xff\0\0\0\1\0\1t\0\0\0\2"
                               "\0\0\0\0\0\0\0\1\0\0\0\1\xff\xff";
static const char assignment[] = "\0\1\0\0\0\1\0\1t\0\0\0\3\0\0\0\0\0\0\0\1\0\0\0\2"
                                 "\xff\xff\xff\xff";

typedef struct bytes {
    const uint8_t *at, *end;
} bytes;

static uint8_t take(bytes *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* Bytes of the input, or the text with some of them laid over it. */
static ri_str make(bytes *in, bool over, const char *text, size_t len, char *out)
{
    size_t wanted = take(in), n = RI_MIN(wanted, (size_t)(in->end - in->at));
    if (!over) {
        memcpy(out, in->at, n);
        in->at += n;
        return (ri_str){out, n};
    }
    memcpy(out, text, len);
    for (n %= 8; n > 1; n -= 2) {
        size_t where = take(in) % len;
        out[where] = (char)take(in);
    }
    return (ri_str){out, len};
}

/* ---- One topic ---- */

static bool fill(ri_groups_topic *out)
{
    *out = (ri_groups_topic){.name = RI_STR("t"), .id = {1}, .partitions = 3};
    return true;
}

static bool by_name(void *arg, ri_str name, ri_groups_topic *out)
{
    (void)arg;
    return ri_str_is(name, "t") && fill(out);
}

static bool by_id(void *arg, const uint8_t *id, ri_groups_topic *out)
{
    (void)arg;
    return id[0] == 1 && fill(out);
}

static uint64_t version(void *arg)
{
    (void)arg;
    return 1;
}

/* ---- The members ---- */

typedef struct play {
    world w;
    ri_groups *groups;
    ri_group_join join;
    ri_group_sync sync;
    ri_group_pulse pulse;
    char id[80];
    int32_t generation, epoch;
} play;

static void joined(ri_group_call *call)
{
    play *p = ri_container_of(call, play, join.call);
    if (call->error || p->join.given_member.len >= sizeof p->id) return;
    memcpy(p->id, p->join.given_member.ptr, p->join.given_member.len);
    p->id[p->join.given_member.len] = 0;
    p->generation = p->join.generation;
}

static void synced(ri_group_call *call)
{
    (void)call;
}

static void pulsed(ri_group_call *call)
{
    play *p = ri_container_of(call, play, pulse.call);
    p->epoch = call->error ? 0 : p->pulse.given_epoch;
}

static void step(play *p, int64_t ms)
{
    world_move(&p->w, p->w.mono_ns + ms * RI_MS);
    world_turn(&p->w);
    ri_budget_open(&p->w.router.budget);
    ri_groups_step(p->groups, p->w.wall_ns, p->w.mono_ns);
    ri_budget_close(&p->w.router.budget);
    world_turn(&p->w);
    ri_group *group = ri_groups_find(p->groups, RI_STR("g"));
    fuzz_require(group == NULL || ri_group_is_sound(group), "a sound group");
}

static void join(play *p, ri_str said)
{
    ri_group_protocol protocol = {RI_STR("range"), said};
    ri_groups_forget(&p->join.call);
    p->join = (ri_group_join){.call.done = joined, .group = RI_STR("g"),
                              .member = ri_str_of(p->id), .client_id = RI_STR(""),
                              .client_host = RI_STR(""), .protocol_type = RI_STR("consumer"),
                              .protocols = &protocol, .nprotocols = 1, .session_ms = 10000,
                              .rebalance_ms = 10000};
    ri_groups_join(p->groups, &p->join);
    step(p, 3000);
}

static void sync_as(play *p, ri_str given)
{
    ri_group_assignment one = {ri_str_of(p->id), given};
    ri_groups_forget(&p->sync.call);
    p->sync = (ri_group_sync){.call.done = synced, .group = RI_STR("g"),
                              .member = ri_str_of(p->id), .generation = p->generation,
                              .assignments = &one, .nassignments = 1};
    ri_groups_sync(p->groups, &p->sync);
    step(p, 1);
}

static void pulse(play *p, int32_t epoch)
{
    ri_str name = RI_STR("t");
    ri_groups_forget(&p->pulse.call);
    p->pulse = (ri_group_pulse){.call.done = pulsed, .group = RI_STR("g"), .member = RI_STR("n"),
                                .client_id = RI_STR(""), .client_host = RI_STR(""),
                                .topics = &name, .ntopics = 1, .says_topics = epoch == 0,
                                .says_owned = epoch == 0, .epoch = epoch, .rebalance_ms = 5000,
                                .makes_id = true};
    ri_groups_pulse(p->groups, &p->pulse);
    step(p, 1100);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static const ri_groups_topics topics = {by_name, by_id, version, NULL};
    static play p;
    char said_text[CAP], given_text[CAP];
    bytes in = {data, data + size};
    if (size < 3) return 0;
    bool over = take(&in) & 1;
    ri_str said = make(&in, over, metadata, sizeof metadata - 1, said_text);
    ri_str given = make(&in, over, assignment, sizeof assignment - 1, given_text);
    memset(&p, 0, sizeof p);
    fuzz_require(world_init(&p.w, NULL) == 0, "a world");
    ri_groups_opts opts = {.host = &p.w.f->host, .js = p.w.js, .log = p.w.log};
    fuzz_require(ri_groups_open(&p.groups, &opts, p.w.wall_ns, p.w.mono_ns) == 0, "groups");
    ri_groups_set_topics(p.groups, &topics, NULL);
    join(&p, said);
    sync_as(&p, given);
    pulse(&p, 0);
    for (int round = 0; round < 3; round++) {
        join(&p, said);
        sync_as(&p, given);
        pulse(&p, p.epoch);
    }
    pulse(&p, -1);
    join(&p, said);
    ri_groups_forget(&p.join.call);
    ri_groups_forget(&p.sync.call);
    ri_groups_forget(&p.pulse.call);
    ri_groups_close(p.groups);
    world_fini(&p.w);
    return 0;
}
