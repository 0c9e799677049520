/* SPDX-License-Identifier: Apache-2.0 */
/* What groups read back from their track: any bytes as records are taken or passed over, without a
 * read outside them. What was taken is sound, and is the same after it was written anew and read
 * again.
 *
 * An input is a list of records, each with its length in front. As few random bytes are a record,
 * an input whose first byte is odd is read as choices of which a record is made, with one byte of
 * it changed now and then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/groups/modern.h"
#include "support/fuzz.h"
#include "support/world.h"

typedef struct choices {
    const uint8_t *at, *end;
} choices;

static unsigned choose(choices *c, unsigned n)
{
    return c->at < c->end ? *c->at++ % n : 0;
}

static void put_number(ri_buffer *out, unsigned n) /* small, of either kind */
{
    char byte = (char)(n & 0x7f);
    ri_buffer_put(out, &byte, 1);
}

/* A name of few that there are, so that they meet. */
static void put_name(ri_buffer *out, choices *c, bool optional)
{
    static const char *const names[] = {"", "a", "b", "c", "consumer", "range"};
    unsigned i = choose(c, 8);
    if (optional && i >= 6) {
        put_number(out, 0);
        return;
    }
    const char *name = names[i % 6];
    put_number(out, (unsigned)strlen(name) + optional);
    ri_buffer_puts(out, name);
}

static void put_classic(ri_buffer *out, choices *c)
{
    ri_buffer_puts(out, "G");
    put_name(out, c, false);
    put_number(out, choose(c, 128));
    put_number(out, choose(c, 128));
    for (int i = 0; i < 3; i++) put_name(out, c, true);
    unsigned n = choose(c, 4);
    put_number(out, n);
    for (; n > 0; n--) {
        put_name(out, c, false);
        put_name(out, c, true);
        for (int i = 0; i < 2; i++) put_name(out, c, false);
        for (int i = 0; i < 2; i++) put_number(out, choose(c, 128));
        for (int i = 0; i < 2; i++) put_name(out, c, false);
    }
}

static void put_offset(ri_buffer *out, choices *c)
{
    static const char id[RI_GROUP_TOPIC_ID] = {1};
    ri_buffer_puts(out, "O");
    for (int i = 0; i < 2; i++) put_name(out, c, false);
    put_number(out, choose(c, 4));
    put_number(out, sizeof id);
    ri_buffer_put(out, id, sizeof id);
    for (int i = 0; i < 4; i++) put_number(out, choose(c, 128));
    put_name(out, c, false);
}

static void put_modern(ri_buffer *out, choices *c)
{
    ri_buffer_puts(out, "C");
    put_name(out, c, false);
    for (int i = 0; i < 2; i++) put_number(out, choose(c, 128));
}

static void put_set(ri_buffer *out, choices *c)
{
    char id[RI_GROUP_TOPIC_ID] = {0};
    unsigned topics = choose(c, 3);
    put_number(out, topics);
    for (; topics > 0; topics--) {
        unsigned parts = choose(c, 4);
        id[0] = (char)choose(c, 3);
        put_number(out, sizeof id);
        ri_buffer_put(out, id, sizeof id);
        put_number(out, parts);
        for (; parts > 0; parts--) {
            put_number(out, choose(c, 16));
            put_number(out, choose(c, 16));
        }
    }
}

static void put_known(ri_buffer *out, choices *c)
{
    unsigned n = choose(c, 4);
    put_number(out, choose(c, 128));
    put_number(out, n);
    for (; n > 0; n--) {
        put_name(out, c, false);
        put_name(out, c, false);
    }
}

static void put_member(ri_buffer *out, choices *c)
{
    bool speaks = choose(c, 2);
    ri_buffer_puts(out, speaks ? "K" : "M");
    for (int i = 0; i < 2; i++) put_name(out, c, false);
    for (int i = 0; i < 2; i++) put_name(out, c, true);
    for (int i = 0; i < 2; i++) put_name(out, c, false);
    put_name(out, c, true);
    for (int i = 0; i < 3; i++) put_number(out, choose(c, 128));
    put_number(out, choose(c, 8));
    unsigned n = choose(c, 3);
    put_number(out, n);
    for (; n > 0; n--) put_name(out, c, false);
    put_set(out, c);
    put_set(out, c);
    if (speaks) put_known(out, c);
}

static void put_grave(ri_buffer *out, choices *c)
{
    ri_buffer_puts(out, "D");
    put_name(out, c, false);
}

static void append(ri_track *track, ri_str data)
{
    ri_record record = {.time_ns = 1, .subject = RI_STR("g"), .data = data};
    fuzz_require(ri_track_append(track, &record) == 0, "append");
}

static void ended(ri_group_call *call)
{
    (void)call;
}

static void append_made(ri_track *track, choices *c, const ri_host *host)
{
    ri_buffer out;
    ri_buffer_init(&out, host);
    unsigned kind = choose(c, 16);
    if (kind < 4) put_classic(&out, c);
    else if (kind < 8) put_offset(&out, c);
    else if (kind < 14) put_member(&out, c);
    else if (kind < 15) put_modern(&out, c);
    else put_grave(&out, c);
    unsigned at = choose(c, 255);
    if (at < ri_buffer_size(&out)) out.ptr[at] = (char)(out.ptr[at] ^ (1 << choose(c, 8)));
    append(track, ri_buffer_str(&out));
    ri_buffer_fini(&out);
}

static void append_raw(ri_track *track, choices *c)
{
    size_t len = choose(c, 256), left = (size_t)(c->end - c->at);
    len = RI_MIN(len, left);
    append(track, (ri_str){(const char *)c->at, len});
    c->at += len;
}

static void list_offsets(ri_groups *groups, ri_str group, ri_buffer *out)
{
    ri_group_fetch fetch = {.call.done = ended, .group = group};
    ri_group_offset got;
    int rc;
    fuzz_require(ri_groups_fetch_begin(groups, &fetch) == 0, "fetch");
    while ((rc = ri_groups_fetch_next(&fetch, &got)) != 0)
        if (rc == 1)
            ri_buffer_printf(out, "  %.*s/%d %lld %d %.*s\n", RI_ARG(got.topic), got.partition,
                             (long long)got.offset, got.leader_epoch, RI_ARG(got.metadata));
    ri_groups_fetch_end(&fetch);
}

static int by_id(const void *a, const void *b)
{
    const ri_modern_part *x = a, *y = b;
    int order = memcmp(x->topic->id, y->topic->id, sizeof x->topic->id);
    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* In an order that does not depend on which topic was read first. */
static void list_set(const ri_modern_set *set, ri_buffer *out)
{
    ri_modern_part *parts = malloc((set->n + 1) * sizeof *parts);
    fuzz_require(parts != NULL, "memory");
    if (set->n) memcpy(parts, set->parts, set->n * sizeof *parts);
    qsort(parts, set->n, sizeof *parts, by_id);
    for (uint32_t i = 0; i < set->n; i++)
        ri_buffer_printf(out, " %d/%d@%d", parts[i].topic->id[0], parts[i].partition,
                         parts[i].epoch);
    free(parts);
}

static void list_modern(const ri_group *group, ri_buffer *out)
{
    ri_list_each (link, &group->modern->members) {
        const ri_modern_member *m = ri_container_of(link, ri_modern_member, link);
        ri_buffer_printf(out, "  %.*s %.*s %.*s %d %d %d %d %u:", RI_ARG(m->id),
                         RI_ARG(m->instance), RI_ARG(m->assignor), m->rebalance_ms, m->epoch,
                         m->previous, (int)m->state, m->nreads);
        list_set(&m->assigned, out);
        list_set(&m->revoking, out);
        for (size_t i = 0; i < m->known.n; i++)
            ri_buffer_printf(out, " %.*s=%.*s %d", (int)m->known.known[i].protocol->len,
                             m->known.known[i].protocol->name,
                             RI_ARG(m->known.known[i].metadata), m->session_ms);
        ri_buffer_puts(out, "\n");
    }
}

/* All that there is, in a text. */
static void list(ri_groups *groups, ri_buffer *out)
{
    ri_groups_walk walk = {0};
    ri_group_info info;
    ri_group_member_info m;
    int rc;
    ri_groups_walk_begin(groups, &walk);
    while ((rc = ri_groups_walk_next(groups, &walk, &info)) != 0) {
        ri_group_place place = {0};
        if (rc != 1) continue;
        ri_buffer_printf(out, "%.*s %.*s %.*s/%.*s\n", RI_ARG(info.name), RI_ARG(info.state),
                         RI_ARG(info.protocol_type), RI_ARG(info.protocol));
        ri_group_modern_info modern;
        if (ri_groups_describe_modern(groups, info.name, &modern) == 0) {
            list_modern(modern.group, out);
            info.group = NULL;
        }
        while (info.group && ri_groups_next_member(info.group, &place, &m))
            ri_buffer_printf(out, "  %.*s %.*s %.*s %.*s=%.*s\n", RI_ARG(m.member),
                             RI_ARG(m.instance), RI_ARG(m.client_id), RI_ARG(m.metadata),
                             RI_ARG(m.assignment));
        list_offsets(groups, info.name, out);
    }
    ri_groups_walk_end(&walk);
}

static void rewrite(ri_groups *groups)
{
    ri_list_each (link, &groups->all) {
        ri_group *group = ri_container_of(link, ri_group, link);
        fuzz_require(ri_group_is_sound(group), "a sound group");
        fuzz_require(ri_groups_write_group(group) == 0, "write");
        if (group->modern)
            ri_list_each (at, &group->modern->members)
                fuzz_require(ri_groups_write_member(ri_container_of(at, ri_modern_member, link))
                                 == 0, "write");
        ri_offsets_walk walk;
        ri_offset *offset;
        ri_offsets_walk_begin(group, &walk);
        while ((offset = ri_offsets_walk_next(group, &walk)) != NULL)
            fuzz_require(ri_groups_write_offset(offset, &offset->record_seq) == 0, "write");
        ri_offsets_walk_end(&walk);
    }
}

static ri_groups *open_groups(world *w)
{
    ri_groups *groups;
    ri_groups_opts opts = {.host = &w->f->host, .js = w->js, .log = w->log};
    fuzz_require(ri_groups_open(&groups, &opts, w->wall_ns, w->mono_ns) == 0, "open");
    return groups;
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static world w;
    ri_track *track;
    ri_track_opts opts = {0};
    ri_buffer first, second;
    choices c = {data, data + size};
    if (size < 2) return 0;
    fuzz_require(world_init(&w, NULL) == 0, "world");
    fuzz_require(ri_log_track(w.log, RI_JS_TRACK_GROUPS, &opts, &track) == 0, "track");
    bool made = choose(&c, 2);
    for (int n = 0; c.at < c.end && n < 64; n++) {
        if (made) append_made(track, &c, &w.f->host);
        else append_raw(track, &c);
    }
    world_turn(&w);
    ri_buffer_init(&first, &w.f->host);
    ri_buffer_init(&second, &w.f->host);
    ri_groups *groups = open_groups(&w);
    list(groups, &first);
    rewrite(groups);
    ri_groups_close(groups);
    world_turn(&w);
    groups = open_groups(&w);
    list(groups, &second);
    if (!ri_str_eq(ri_buffer_str(&first), ri_buffer_str(&second)))
        fprintf(stderr, "%.*s\n---\n%.*s\n", RI_ARG(ri_buffer_str(&first)),
                RI_ARG(ri_buffer_str(&second)));
    fuzz_require(ri_str_eq(ri_buffer_str(&first), ri_buffer_str(&second)), "the same again");
    ri_groups_close(groups);
    ri_buffer_fini(&first);
    ri_buffer_fini(&second);
    world_fini(&w);
    return 0;
}
