/* SPDX-License-Identifier: Apache-2.0 */
#include "support/band.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "engine/groups/subscription.h"

enum { BAND_UUID = 36 };

static void band_tell(band *b, const char *fmt, ...) RI_PRINTF(2, 3);

static void band_tell(band *b, const char *fmt, ...)
{
    char text[4096];
    va_list args;
    if (b->quiet) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ri_buffer_puts(&b->told, text);
}

static void band_begin(band *b, const char *who)
{
    band_tell(b, "[%6lld] %s: ", (long long)(b->w.mono_ns / RI_MS), who);
}

/* Is there a UUID at the end? */
static bool band_is_random(ri_str id)
{
    return id.len >= BAND_UUID && (id.len == BAND_UUID || id.ptr[id.len - BAND_UUID - 1] == '-') &&
           id.ptr[id.len - 28] == '-' && id.ptr[id.len - 13] == '-';
}

static size_t band_number(band *b, ri_str uuid)
{
    size_t i = 0;
    while (i < b->nids && memcmp(b->ids[i], uuid.ptr, BAND_UUID) != 0) i++;
    ck_assert_uint_lt(i, BAND_IDS);
    if (i == b->nids) memcpy(b->ids[b->nids++], uuid.ptr, BAND_UUID);
    return i + 1;
}

static void band_tell_id(band *b, ri_str id)
{
    if (b->quiet) return;
    if (!id.ptr) {
        band_tell(b, "null");
    } else if (band_is_random(id)) {
        ri_str prefix = {id.ptr, id.len - BAND_UUID};
        band_tell(b, "%.*s%zu", RI_ARG(prefix), band_number(b, ri_str_from(id, prefix.len)));
    } else {
        band_tell(b, "%.*s", RI_ARG(id));
    }
}

static void band_tell_text(band *b, ri_str text)
{
    if (text.ptr) band_tell(b, "%.*s", RI_ARG(text));
    else band_tell(b, "null");
}

/* The id that is told as `short_id`, such as "a-1". */
static ri_str band_id(band *b, const char *short_id, char out[BAND_ID])
{
    const char *dash = strrchr(short_id, '-');
    size_t n = dash ? (size_t)atoi(dash + 1) : 0;
    if (!dash || n == 0 || n > b->nids) return ri_str_of(short_id);
    int len = snprintf(out, BAND_ID, "%.*s-%.*s", (int)(dash - short_id), short_id, BAND_UUID,
                       b->ids[n - 1]);
    return (ri_str){out, (size_t)len};
}

/* ---- Topics ---- */

static bool band_fill_topic(const band_topic *topic, ri_groups_topic *out)
{
    *out = (ri_groups_topic){.name = ri_str_of(topic->name), .partitions = topic->partitions};
    out->id[0] = topic->number;
    out->id[15] = 1;
    return topic->partitions > 0;
}

static bool band_by_name(void *arg, ri_str name, ri_groups_topic *out)
{
    band *b = arg;
    for (size_t i = 0; i < BAND_TOPICS; i++)
        if (ri_str_is(name, b->topics[i].name)) return band_fill_topic(&b->topics[i], out);
    return false;
}

static bool band_by_id(void *arg, const uint8_t *id, ri_groups_topic *out)
{
    band *b = arg;
    for (size_t i = 0; i < BAND_TOPICS; i++)
        if (b->topics[i].number == id[0] && b->topics[i].partitions)
            return band_fill_topic(&b->topics[i], out);
    return false;
}

static uint64_t band_version(void *arg)
{
    return ((band *)arg)->version;
}

static const ri_groups_topics band_topics = {band_by_name, band_by_id, band_version, NULL};

void band_set_topic(band *b, const char *name, int32_t partitions)
{
    size_t i = 0;
    while (i < BAND_TOPICS && strcmp(b->topics[i].name, name) != 0) i++;
    for (size_t k = 0; i == BAND_TOPICS && k < BAND_TOPICS; k++)
        if (!b->topics[k].partitions) i = k;
    ck_assert_uint_lt(i, BAND_TOPICS);
    band_topic *topic = &b->topics[i];
    if (!topic->partitions) topic->number = ++b->numbers;
    snprintf(topic->name, sizeof topic->name, "%s", partitions ? name : "");
    topic->partitions = partitions;
    for (size_t k = 0; !partitions && k < b->nplayers; k++)
        b->players[k].has[i] = b->players[k].assigned[i] = 0;
    b->version++;
}

/* BAND_TOPICS: it is no more. */
static size_t band_topic_of(const band *b, const uint8_t *id)
{
    size_t i = 0;
    while (i < BAND_TOPICS && !(b->topics[i].number == id[0] && b->topics[i].partitions)) i++;
    return i;
}

/* ---- The band ---- */

static int band_open(band *b)
{
    ri_groups_opts opts = {.host = &b->w.f->host, .js = b->w.js, .log = b->w.log,
                           .conf = &b->conf};
    int rc = ri_groups_open(&b->groups, &opts, b->w.wall_ns, b->w.mono_ns);
    if (rc >= 0) ri_groups_set_topics(b->groups, &band_topics, b);
    return rc;
}

int band_init_with(band *b, fault *f, ri_log *log)
{
    memset(b, 0, offsetof(band, w));
    b->groups = NULL;
    b->nids = b->nplayers = 0;
    memset(b->topics, 0, sizeof b->topics);
    b->version = 1, b->numbers = 0;
    b->quiet = false;
    ri_groups_conf_init(&b->conf);
    int rc = world_init_with(&b->w, f, log);
    ri_buffer_init(&b->told, &f->host);
    return rc < 0 ? rc : band_open(b);
}

int band_init(band *b, ri_log *log)
{
    fault_init(&b->w.own);
    return band_init_with(b, &b->w.own, log);
}

void band_fini_with(band *b)
{
    ri_groups_close(b->groups);
    ri_buffer_fini(&b->told);
    world_fini_with(&b->w);
}

void band_fini(band *b)
{
    ri_groups_close(b->groups);
    b->groups = NULL;
    ri_buffer_fini(&b->told);
    world_fini(&b->w);
}

int band_reopen(band *b)
{
    return band_open(b);
}

int band_restart(band *b)
{
    ri_groups_close(b->groups);
    b->groups = NULL;
    int rc = world_restart(&b->w);
    return rc < 0 ? rc : band_open(b);
}

void band_down(band *b)
{
    ri_groups_close(b->groups);
    b->groups = NULL;
    world_down(&b->w);
}

int band_up(band *b, ri_log *log)
{
    int rc = world_up(&b->w, log);
    return rc < 0 ? rc : band_open(b);
}

band_player *band_add(band *b, const char *who, const char *group)
{
    ck_assert_uint_lt(b->nplayers, BAND_PLAYERS);
    band_player *p = &b->players[b->nplayers++];
    *p = (band_player){.b = b, .group = group, .type = "consumer", .nprotocols = 1,
                       .session_ms = 10000, .rebalance_ms = 60000, .generation = -1};
    p->protocols[0].name = "range";
    p->protocols[0].metadata = "";
    snprintf(p->who, sizeof p->who, "%s", who);
    return p;
}

void band_step(band *b)
{
    ri_budget_open(&b->w.router.budget);
    ri_groups_step(b->groups, b->w.wall_ns, b->w.mono_ns);
    ri_budget_close(&b->w.router.budget);
}

void band_turn(band *b)
{
    for (int turns = 0;; turns++) {
        if (turns >= 100000) ck_abort_msg("the groups never come to rest");
        world_turn(&b->w);
        if (!ri_groups_waiting(b->groups)) break;
        band_step(b);
    }
}

void band_wait(band *b, int64_t ms)
{
    int64_t end = b->w.mono_ns + ms * RI_MS;
    band_turn(b);
    while (b->w.mono_ns < end) {
        int64_t due = RI_MIN(ri_groups_next_due_ns(b->groups), ri_js_next_due_ns(b->w.js));
        world_move(&b->w, RI_MIN(RI_MAX(due, b->w.mono_ns), end));
        ri_groups_clock(b->groups, b->w.wall_ns, b->w.mono_ns);
        band_turn(b);
    }
}

/* ---- What consumers say to each other ---- */

static void band_put(ri_buffer *out, uint32_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;) {
        char byte = (char)(value >> 8 * i);
        ri_buffer_put(out, &byte, 1);
    }
}

static void band_put_name(ri_buffer *out, ri_str name)
{
    band_put(out, (uint32_t)name.len, 2);
    ri_buffer_put_str(out, name);
}

/* Topics with the partitions of these bits. */
static void band_put_parts(const band *b, const uint64_t has[BAND_TOPICS], ri_buffer *out)
{
    uint32_t n = 0;
    for (size_t t = 0; t < BAND_TOPICS; t++) n += has[t] != 0;
    band_put(out, n, 4);
    for (size_t t = 0; t < BAND_TOPICS; t++) {
        if (!has[t]) continue;
        band_put_name(out, ri_str_of(b->topics[t].name));
        band_put(out, (uint32_t)__builtin_popcountll(has[t]), 4);
        for (uint32_t k = 0; k < 64; k++)
            if (has[t] >> k & 1) band_put(out, k, 4);
    }
}

static void band_put_subscription(const band_player *p, ri_buffer *out)
{
    ri_str rest = ri_str_of(p->subscribes ? p->subscribes : ""), name;
    uint32_t n = rest.len > 0;
    for (size_t i = 0; i < rest.len; i++) n += rest.ptr[i] == ' ';
    band_put(out, 1, 2);
    band_put(out, n, 4);
    while (rest.len && ri_str_cut(&rest, ' ', &name)) band_put_name(out, name);
    band_put(out, UINT32_MAX, 4); /* nothing of the assignor's own */
    band_put_parts(p->b, p->has, out);
}

/* "t/0,t/1" as an assignment. */
static void band_put_assignment(const band *b, ri_str text, ri_buffer *out)
{
    uint64_t has[BAND_TOPICS] = {0};
    ri_str part, name;
    while (text.len && ri_str_cut(&text, ',', &part)) {
        ri_str_cut(&part, '/', &name);
        for (size_t t = 0; t < BAND_TOPICS; t++)
            if (ri_str_is(name, b->topics[t].name)) has[t] |= UINT64_C(1) << (part.ptr[0] - '0');
    }
    band_put(out, 1, 2);
    band_put_parts(b, has, out);
    band_put(out, UINT32_MAX, 4);
}

static void band_hear_assignment(band_player *p, ri_str bytes)
{
    ri_subscription_reader r;
    ri_str name, partitions, user_data;
    int rc;
    memset(p->assigned, 0, sizeof p->assigned);
    if (bytes.len == 0) return;
    if (!ri_subscription_begin_assignment(&r, bytes)) ck_abort_msg("that is no assignment");
    while ((rc = ri_subscription_parts(&r, &name, &partitions)) == 1)
        for (size_t t = 0; t < BAND_TOPICS; t++)
            for (size_t i = 0; i < ri_subscription_count(partitions); i++)
                if (ri_str_is(name, p->b->topics[t].name))
                    p->assigned[t] |= UINT64_C(1) << ri_subscription_partition(partitions, i);
    if (rc < 0 || !ri_subscription_end_assignment(&r, &user_data))
        ck_abort_msg("the assignment is cut off");
}

static void band_tell_parts(band *b, const uint64_t has[BAND_TOPICS])
{
    const char *gap = "";
    band_tell(b, " {");
    for (size_t t = 0; t < BAND_TOPICS; t++)
        for (int p = 0; p < 64; p++) {
            if (!(has[t] >> p & 1)) continue;
            band_tell(b, "%s%s/%d", gap, b->topics[t].name, p);
            gap = " ";
        }
    band_tell(b, "}");
}

/* ---- JoinGroup ---- */

static void band_joined(ri_group_call *call)
{
    band_player *p = ri_container_of(call, band_player, join.call);
    band *b = p->b;
    const ri_group_join *join = &p->join;
    ri_group_place place = {0};
    ri_group_member_info member;
    p->joining = false;
    p->answers++;
    p->leads = join->leader.len && ri_str_eq(join->leader, join->given_member);
    p->error = join->call.error;
    band_begin(b, p->who);
    band_tell(b, "join %d", join->call.error);
    if (join->generation != -1) {
        p->generation = join->generation;
        band_tell(b, " gen %d ", join->generation);
        band_tell_text(b, join->given_type);
        band_tell(b, "/");
        band_tell_text(b, join->given_protocol);
        band_tell(b, " leader ");
        band_tell_id(b, join->leader);
    }
    band_tell(b, " as ");
    band_tell_id(b, join->given_member);
    snprintf(p->id, sizeof p->id, "%.*s", RI_ARG(join->given_member));
    if (join->skip) band_tell(b, " skip");
    if (join->members) band_tell(b, " {");
    for (int n = 0; join->members && ri_groups_next_member(join->members, &place, &member); n++) {
        band_tell(b, "%s", n ? ", " : "");
        band_tell_id(b, member.member);
        band_tell(b, "=%.*s", RI_ARG(member.metadata));
    }
    band_tell(b, "%s\n", join->members ? "}" : "");
}

void band_join(band_player *p)
{
    band *b = p->b;
    ri_group_protocol protocols[BAND_PROTOCOLS];
    if (p->joining) ck_abort_msg("%s joins already", p->who);
    for (size_t i = 0; i < p->nprotocols; i++)
        protocols[i] = (ri_group_protocol){ri_str_of(p->protocols[i].name),
                                           ri_str_of(p->protocols[i].metadata)};
    for (size_t i = 0; i < p->nprotocols; i++)
        if (p->protocols[i].len) protocols[i].metadata.len = p->protocols[i].len;
    ri_buffer metadata;
    ri_buffer_init(&metadata, &b->w.f->host);
    if (p->eager) memset(p->has, 0, sizeof p->has);
    if (p->speaks) band_put_subscription(p, &metadata);
    for (size_t i = 0; p->speaks && i < p->nprotocols; i++)
        protocols[i].metadata = ri_buffer_str(&metadata);
    char id[BAND_ID];
    memcpy(id, p->id, sizeof id); /* what is asked is lent for the call only */
    p->join = (ri_group_join){
        .call.done = band_joined, .group = ri_str_of(p->group), .member = ri_str_of(id),
        .instance = ri_str_of(p->instance), .client_id = ri_str_of(p->who),
        .client_host = RI_STR("/127.0.0.1"), .protocol_type = ri_str_of(p->type),
        .protocols = protocols, .nprotocols = p->nprotocols, .session_ms = p->session_ms,
        .rebalance_ms = p->rebalance_ms, .asks_for_id = !p->old, .skips_assignment = !p->old,
    };
    p->joining = true;
    ri_groups_join(b->groups, &p->join);
    ri_buffer_fini(&metadata);
}

/* ---- SyncGroup ---- */

static void band_synced(ri_group_call *call)
{
    band_player *p = ri_container_of(call, band_player, sync.call);
    const ri_group_sync *sync = &p->sync;
    p->syncing = false;
    p->answers++;
    p->error = sync->call.error;
    band_begin(p->b, p->who);
    band_tell(p->b, "sync %d", sync->call.error);
    if (p->speaks && !p->error) {
        band_hear_assignment(p, sync->assignment);
        band_tell_parts(p->b, p->assigned);
        if (!p->keeps) band_yield(p);
    } else if (sync->given_type.ptr)
        band_tell(p->b, " %.*s/%.*s \"%.*s\"", RI_ARG(sync->given_type),
                  RI_ARG(sync->given_protocol), RI_ARG(sync->assignment));
    band_tell(p->b, "\n");
}

void band_sync_as(band_player *p, const ri_group_assignment *given, size_t n)
{
    if (p->syncing) ck_abort_msg("%s syncs already", p->who);
    p->sync = (ri_group_sync){
        .call.done = band_synced, .group = ri_str_of(p->group), .member = ri_str_of(p->id),
        .instance = ri_str_of(p->instance), .generation = p->generation,
        .assignments = given, .nassignments = n,
    };
    p->syncing = true;
    ri_groups_sync(p->b->groups, &p->sync);
}

void band_sync(band_player *p, const char *assignments)
{
    ri_group_assignment given[BAND_PLAYERS] = {{{NULL, 0}, {NULL, 0}}};
    char ids[BAND_PLAYERS][BAND_ID], names[BAND_PLAYERS][BAND_ID];
    ri_buffer bytes[BAND_PLAYERS];
    size_t n = 0;
    ri_str rest = ri_str_of(assignments), part, name;
    while (rest.len && ri_str_cut(&rest, ' ', &part)) {
        ri_str_cut(&part, '=', &name);
        snprintf(names[n], BAND_ID, "%.*s", RI_ARG(name));
        given[n] = (ri_group_assignment){band_id(p->b, names[n], ids[n]), part};
        if (p->speaks) {
            ri_buffer_init(&bytes[n], &p->b->w.f->host);
            band_put_assignment(p->b, part, &bytes[n]);
            given[n].bytes = ri_buffer_str(&bytes[n]);
        }
        n++;
    }
    band_sync_as(p, given, n);
    for (size_t i = 0; p->speaks && i < n; i++) ri_buffer_fini(&bytes[i]);
}

/* ---- The others ---- */

int band_beat(band_player *p)
{
    ri_group_beat beat = {ri_str_of(p->group), ri_str_of(p->id), ri_str_of(p->instance),
                          p->generation};
    return (int)ri_groups_heartbeat(p->b->groups, &beat);
}

static void band_left(ri_group_call *call)
{
    band_player *p = ri_container_of(call, band_player, leave.call);
    p->leaving = false;
    p->answers++;
    p->error = p->leave.call.error ? p->leave.call.error : p->leaver.error;
    band_begin(p->b, p->who);
    band_tell(p->b, "leave %d, %d\n", p->leave.call.error, p->leaver.error);
}

void band_leave(band_player *p)
{
    if (p->leaving) ck_abort_msg("%s leaves already", p->who);
    p->leaving = true;
    p->leaver = (ri_group_leaver){.member = ri_str_of(p->id), .instance = ri_str_of(p->instance)};
    p->leave = (ri_group_leave){.call.done = band_left, .group = ri_str_of(p->group),
                                .leavers = &p->leaver, .nleavers = 1};
    while (ri_groups_leave(p->b->groups, &p->leave)) continue;
}

void band_hang_up(band_player *p)
{
    ri_groups_forget(&p->join.call);
    ri_groups_forget(&p->sync.call);
    ri_groups_forget(&p->leave.call);
    ri_groups_forget(&p->commit.call);
    ri_groups_forget(&p->pulse.call);
    p->pulsing = false;
    p->joining = p->syncing = p->leaving = p->committing = false;
}

/* ---- ConsumerGroupHeartbeat ---- */

static void band_take_assignment(band_player *p)
{
    const ri_group_pulse *pulse = &p->pulse;
    memset(p->assigned, 0, sizeof p->assigned);
    for (size_t i = 0; i < pulse->nassigned; i++) {
        size_t t = band_topic_of(p->b, pulse->assigned[i].topic_id);
        for (size_t k = 0; t < BAND_TOPICS && k < pulse->assigned[i].n; k++)
            p->assigned[t] |= UINT64_C(1) << pulse->assigned[i].partitions[k];
    }
    if (!p->keeps) band_yield(p);
}

void band_yield(band_player *p)
{
    memcpy(p->has, p->assigned, sizeof p->has);
    p->reports = true;
}

static void band_pulsed(ri_group_call *call)
{
    band_player *p = ri_container_of(call, band_player, pulse.call);
    const ri_group_pulse *pulse = &p->pulse;
    p->pulsing = false;
    p->answers++;
    p->error = (int)call->error;
    band_begin(p->b, p->who);
    band_tell(p->b, "beat %d", p->error);
    if (p->error) {
        if (p->error == 110 || p->error == 25) p->generation = 0;
        if (p->error == 110 || p->error == 25) memset(p->has, 0, sizeof p->has);
        band_tell(p->b, "\n");
        return;
    }
    p->generation = pulse->given_epoch;
    snprintf(p->id, sizeof p->id, "%.*s", RI_ARG(pulse->given_member));
    band_tell(p->b, " epoch %d", p->generation);
    if (pulse->gives_assignment) {
        band_take_assignment(p);
        band_tell_parts(p->b, p->assigned);
    }
    if (p->generation < 0) memset(p->has, 0, sizeof p->has);
    band_tell(p->b, "\n");
}

typedef struct band_owned { /* what a request says of it */
    ri_group_topic_partitions topics[BAND_TOPICS];
    int32_t partitions[BAND_TOPICS][64];
    uint8_t ids[BAND_TOPICS][RI_GROUP_TOPIC_ID];
    size_t n;
} band_owned;

static void band_fill_owned(const band_player *p, band_owned *owned)
{
    owned->n = 0;
    for (size_t t = 0; t < BAND_TOPICS; t++) {
        ri_group_topic_partitions *topic = &owned->topics[owned->n];
        ri_groups_topic known;
        if (!p->has[t]) continue;
        band_fill_topic(&p->b->topics[t], &known);
        memcpy(owned->ids[owned->n], known.id, sizeof known.id);
        *topic = (ri_group_topic_partitions){owned->ids[owned->n], owned->partitions[owned->n], 0};
        for (int k = 0; k < 64; k++)
            if (p->has[t] >> k & 1) owned->partitions[owned->n][topic->n++] = k;
        owned->n++;
    }
}

void band_pulse_as(band_player *p, int32_t epoch)
{
    static band_owned owned;
    ri_str names[BAND_TOPICS], rest = ri_str_of(p->subscribes ? p->subscribes : "");
    char id[BAND_ID];
    size_t n = 0;
    while (rest.len && ri_str_cut(&rest, ' ', &names[n])) n++;
    if (p->pulsing) ck_abort_msg("%s sends a heartbeat already", p->who);
    if (!p->id[0]) snprintf(p->id, sizeof p->id, "%s", p->who);
    memcpy(id, p->id, sizeof id);
    if (epoch == 0) memset(p->has, 0, sizeof p->has);
    bool all = epoch == 0 || p->asks_all;
    p->pulse = (ri_group_pulse){
        .call.done = band_pulsed, .group = ri_str_of(p->group), .member = ri_str_of(id),
        .instance = ri_str_of(p->instance), .client_id = ri_str_of(p->who),
        .client_host = RI_STR("/127.0.0.1"), .assignor = ri_str_of(p->assignor),
        .topics = names, .ntopics = n, .says_topics = all,
        .epoch = epoch, .rebalance_ms = all ? p->rebalance_ms : -1, .makes_id = true,
        .says_owned = all || p->reports,
    };
    band_fill_owned(p, &owned);
    if (epoch != 0) p->pulse.owned = owned.topics, p->pulse.nowned = owned.n;
    p->pulsing = true;
    p->reports = p->asks_all = false;
    ri_groups_pulse(p->b->groups, &p->pulse);
}

void band_pulse(band_player *p)
{
    band_pulse_as(p, RI_MAX(p->generation, 0));
}

static void band_tell_kept(band *b, const ri_group_modern_member *member, bool target)
{
    ri_group_part part = {.at = 0};
    const char *gap = "";
    band_tell(b, " {");
    while (ri_groups_next_part(b->groups, member, target, &part)) {
        band_tell(b, "%s%.*s/%d", gap, RI_ARG(part.topic.name), part.partition);
        gap = " ";
    }
    band_tell(b, "}");
}

void band_describe_modern(band *b, const char *group)
{
    ri_group_modern_info info;
    ri_group_place place = {0};
    ri_group_modern_member member;
    ri_group_error error = ri_groups_describe_modern(b->groups, ri_str_of(group), &info);
    band_tell(b, "%s: %d %.*s %.*s epoch %d/%d\n", group, error, RI_ARG(info.state),
              RI_ARG(info.assignor), info.epoch, info.assignment_epoch);
    while (info.group && ri_groups_next_modern(info.group, &place, &member)) {
        band_tell(b, "  ");
        band_tell_id(b, member.member);
        band_tell(b, "%s%.*s%s epoch %d", member.instance.ptr ? "/" : "", RI_ARG(member.instance),
                  member.classic ? " classic" : "", member.epoch);
        band_tell_kept(b, &member, false);
        band_tell_kept(b, &member, true);
        band_tell(b, "\n");
    }
}

/* ---- Offsets ---- */

static void band_committed(ri_group_call *call)
{
    band_player *p = ri_container_of(call, band_player, commit.call);
    p->committing = false;
    p->answers++;
    p->error = call->error;
    band_begin(p->b, p->who);
    band_tell(p->b, "commit %d\n", call->error);
}

static bool band_commit_begin(band_player *p)
{
    if (p->committing) ck_abort_msg("%s commits already", p->who);
    p->commit = (ri_group_commit){
        .call.done = band_committed, .group = ri_str_of(p->group), .member = ri_str_of(p->id),
        .instance = ri_str_of(p->instance), .generation = p->generation,
        .retention_ms = p->retention_ms ? p->retention_ms : -1, .knows_epochs = !p->old,
    };
    if (!p->id[0]) p->commit.member = RI_STR("");
    p->error = (int)ri_groups_commit_begin(p->b->groups, &p->commit);
    p->committing = p->error == 0;
    if (p->error) {
        band_begin(p->b, p->who);
        band_tell(p->b, "commit %d\n", p->error);
    }
    return p->committing;
}

int band_commit_one(band_player *p, const char *topic, const uint8_t *topic_id, int32_t partition,
                    int64_t offset, const char *metadata)
{
    ri_group_offset given = {.topic = ri_str_of(topic), .partition = partition, .offset = offset,
                             .leader_epoch = 3, .metadata = ri_str_of(metadata)};
    if (topic_id) memcpy(given.topic_id, topic_id, sizeof given.topic_id);
    if (!band_commit_begin(p)) return p->error;
    ri_group_error error = ri_groups_commit_put(&p->commit, &given);
    ri_groups_commit_end(&p->commit);
    return (int)error;
}

/* "topic/partition", of which the topic is copied. */
static ri_group_offset band_where(ri_str text, char *topic)
{
    ri_str name;
    ri_str_cut(&text, '/', &name);
    snprintf(topic, 64, "%.*s", RI_ARG(name));
    char digits[16];
    snprintf(digits, sizeof digits, "%.*s", RI_ARG(text));
    return (ri_group_offset){.topic = ri_str_of(topic), .partition = atoi(digits)};
}

void band_commit(band_player *p, const char *offsets)
{
    ri_str rest = ri_str_of(offsets), part, where;
    char topic[64], digits[32];
    if (!band_commit_begin(p)) return;
    while (rest.len && ri_str_cut(&rest, ' ', &part)) {
        ri_str_cut(&part, '=', &where);
        ri_group_offset given = band_where(where, topic);
        ri_str number;
        ri_str_cut(&part, ',', &number);
        snprintf(digits, sizeof digits, "%.*s", RI_ARG(number));
        given.offset = atoll(digits);
        given.leader_epoch = -1;
        given.metadata = part.len ? part : RI_STR("");
        ri_group_error error = ri_groups_commit_put(&p->commit, &given);
        if (error) {
            band_begin(p->b, p->who);
            band_tell(p->b, "%s/%d %d\n", topic, given.partition, error);
        }
    }
    ri_groups_commit_end(&p->commit);
}

typedef struct band_fetching {
    ri_group_fetch fetch;
    band *b;
    ri_buffer text;
} band_fetching;

static void band_fetched(ri_group_call *call)
{
    band_fetching *f = ri_container_of(call, band_fetching, fetch.call);
    band_begin(f->b, "fetch");
    band_tell(f->b, "%d%.*s\n", call->error, RI_ARG(ri_buffer_str(&f->text)));
    ri_buffer_fini(&f->text);
    free(f);
}

void band_fetch(band *b, const char *group)
{
    static ri_host host;
    band_fetching *f = calloc(1, sizeof *f);
    ri_group_offset got;
    int rc;
    ck_assert(f != NULL);
    ri_host_init(&host, NULL);
    f->b = b;
    ri_buffer_init(&f->text, &host);
    f->fetch = (ri_group_fetch){.call.done = band_fetched, .group = ri_str_of(group)};
    ck_assert_int_eq(ri_groups_fetch_begin(b->groups, &f->fetch), 0);
    while ((rc = ri_groups_fetch_next(&f->fetch, &got)) != 0) {
        if (rc != 1) continue;
        ri_buffer_printf(&f->text, " %.*s/%d=%lld", RI_ARG(got.topic), got.partition,
                         (long long)got.offset);
        if (got.metadata.len) ri_buffer_printf(&f->text, ",%.*s", RI_ARG(got.metadata));
    }
    ri_groups_fetch_end(&f->fetch);
}

static void band_nothing(ri_group_call *call)
{
    (void)call;
}

int64_t band_fetch_one(band *b, const char *group, const char *topic, const uint8_t *topic_id,
                       int32_t partition)
{
    ri_group_fetch fetch = {.call.done = band_nothing, .group = ri_str_of(group)};
    ri_group_offset wanted = {.topic = ri_str_of(topic), .partition = partition};
    if (topic_id) memcpy(wanted.topic_id, topic_id, sizeof wanted.topic_id);
    ck_assert_int_eq(ri_groups_fetch_begin(b->groups, &fetch), 0);
    ri_groups_fetch_get(&fetch, &wanted);
    int64_t offset = wanted.offset;
    ri_groups_fetch_end(&fetch);
    ri_groups_forget(&fetch.call);
    return offset;
}

typedef struct band_erasure {
    ri_group_erase erase;
    band *b;
} band_erasure;

static void band_erased(ri_group_call *call)
{
    band_erasure *e = ri_container_of(call, band_erasure, erase.call);
    band_begin(e->b, "erase");
    band_tell(e->b, "%d\n", call->error);
    free(e);
}

void band_erase(band *b, const char *group, const char *offsets)
{
    ri_str rest = ri_str_of(offsets), part;
    char topic[64];
    band_erasure *e = calloc(1, sizeof *e);
    ck_assert(e != NULL);
    e->b = b;
    e->erase = (ri_group_erase){.call.done = band_erased, .group = ri_str_of(group)};
    e->erase.call.error = ri_groups_erase_begin(b->groups, &e->erase);
    if (e->erase.call.error) {
        band_erased(&e->erase.call);
        return;
    }
    while (rest.len && ri_str_cut(&rest, ' ', &part)) {
        ri_group_offset where = band_where(part, topic);
        ri_group_error error = ri_groups_erase_topic(&e->erase, where.topic);
        if (!error) error = ri_groups_erase_put(&e->erase, where.topic, where.partition);
        if (error) band_tell(b, "%s/%d %d\n", topic, where.partition, error);
    }
    ri_groups_erase_end(&e->erase);
}

void band_describe(band *b, const char *group)
{
    ri_group_info info;
    ri_group_place place = {0};
    ri_group_member_info member;
    ri_group_error error = ri_groups_describe(b->groups, ri_str_of(group), &info);
    band_tell(b, "%s: %d %.*s %.*s/%.*s", group, error, RI_ARG(info.state),
              RI_ARG(info.protocol_type), RI_ARG(info.protocol));
    while (info.group && ri_groups_next_member(info.group, &place, &member)) {
        band_tell(b, " ");
        band_tell_id(b, member.member);
        band_tell(b, "(%.*s", RI_ARG(member.client_id));
        if (member.instance.ptr) band_tell(b, "/%.*s", RI_ARG(member.instance));
        band_tell(b, ")=%.*s>%.*s", RI_ARG(member.metadata), RI_ARG(member.assignment));
    }
    band_tell(b, "\n");
}

void band_list(band *b)
{
    ri_groups_walk walk = {0};
    ri_group_info info;
    int rc;
    ri_groups_walk_begin(b->groups, &walk);
    while ((rc = ri_groups_walk_next(b->groups, &walk, &info)) != 0)
        if (rc == 1)
            band_tell(b, "%.*s %.*s %.*s %.*s\n", RI_ARG(info.name), RI_ARG(info.type),
                      RI_ARG(info.state), RI_ARG(info.protocol_type));
    ri_groups_walk_end(&walk);
}

typedef struct band_deletion {
    ri_group_delete request;
    band *b;
    char *group;
} band_deletion;

static void band_deleted(ri_group_call *call)
{
    band_deletion *d = ri_container_of(call, band_deletion, request.call);
    band_begin(d->b, d->group);
    band_tell(d->b, "deleted %d\n", d->request.call.error);
    free(d->group);
    free(d);
}

void band_delete(band *b, const char *group)
{
    band_deletion *d = calloc(1, sizeof *d);
    ck_assert(d != NULL);
    d->b = b;
    d->group = strdup(group);
    d->request.call.done = band_deleted;
    d->request.group = ri_str_of(d->group);
    ri_groups_delete(b->groups, &d->request);
}

void band_told(band *b, const char *want, const char *file, int line)
{
    ri_str got = ri_buffer_str(&b->told);
    if (!ri_str_is(got, want))
        ck_abort_msg("%s:%d\n-- told:\n%.*s-- not:\n%s", file, line, RI_ARG(got), want);
    ri_buffer_reset(&b->told);
}
