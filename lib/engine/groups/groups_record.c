/* SPDX-License-Identifier: Apache-2.0 */
/* The records of groups, in track 5 of the file log: one live record for each thing that a restart
 * must know. A change appends the new record and removes the old one in the same commit, so that a
 * crash leaves one or the other; where both are found the later counts.
 *
 *     record    <kind> <fields>
 *
 *     G         a classic group:
 *               text  name                     number  generation
 *               number  time since which it is in its state, ns
 *               text? protocol type            text?  protocol          text?  leader
 *               count  members, and for each:
 *                   text  id      text? instance      text  client id      text  client host
 *                   number  session timeout, ms       number  rebalance timeout, ms
 *                   text  metadata of the protocol    text  assignment
 *
 *     O         an offset that was committed:
 *               text  group                    text  topic             number  partition
 *               text  topic id, 16 bytes       number  offset          number  leader epoch, or -1
 *               number  time of the commit, ns
 *               number  time at which it is over, ns; 2^63-1: when its retention is
 *               text  metadata
 *
 *     D         a group was deleted: all records of it that were written before are dead, while
 *               they are removed
 *               text  name
 *
 *     C         a group of the protocol of KIP-848:
 *               text  name       number  epoch       count  hash of the topics that are subscribed
 *
 *     M         a member of one:
 *               text  group      text  id            text? instance id       text? rack
 *               text  client id  text  client host   text? assignor
 *               number  rebalance timeout, ms        number  epoch           number  epoch before
 *               number  state: 0 Stable, 1 Unrevoked, 2 Unreleased
 *               count  topics that it subscribes, and for each:   text  name
 *               what it has assigned, then what it is to give up:
 *                   count  topics, and for each:     text  id, 16 bytes
 *                       count  partitions, and for each:   number  partition
 *                                                          number  epoch since which it has it
 *
 *     K         one that speaks the classic protocol: as M, and behind that
 *               number  session timeout, ms
 *               count  protocols, and for each:          text  name        text  metadata
 *
 *     number    zigzag, 7 bits a byte, the lowest first; the last byte is below 128
 *     count     the same without zigzag
 *     text      count  bytes, and they
 *     text?     count  bytes + 1, and they; 0: there is none
 *
 * A record ends with its last field. What has another kind, or does not end there, is of another
 * version: it is reported, passed over, and stays.
 *
 * A group that is written while it has members comes back as Stable, with these members, each with
 * the one protocol that was chosen; without members it is Empty. One that has members and no leader
 * is about to rebalance, and does so when it is read: nobody else would ask for that. */
#include "engine/groups/modern.h"

/* ---- Writing ---- */

static void record_put_count(ri_buffer *out, uint64_t n)
{
    char bytes[10];
    size_t len = 0;
    for (; n >= 0x80; n >>= 7) bytes[len++] = (char)(n | 0x80);
    bytes[len++] = (char)n;
    ri_buffer_put(out, bytes, len);
}

static void record_put_number(ri_buffer *out, int64_t n)
{
    record_put_count(out, (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0));
}

static void record_put_text(ri_buffer *out, ri_str text)
{
    record_put_count(out, text.len);
    ri_buffer_put_str(out, text);
}

static void record_put_optional(ri_buffer *out, ri_str text)
{
    record_put_count(out, text.ptr ? (uint64_t)text.len + 1 : 0);
    if (text.ptr) ri_buffer_put_str(out, text);
}

static void record_put_member(const ri_classic_member *member, ri_buffer *out)
{
    record_put_text(out, member->id);
    record_put_optional(out, member->instance);
    record_put_text(out, member->client_id);
    record_put_text(out, member->client_host);
    record_put_number(out, member->session_ms);
    record_put_number(out, member->rebalance_ms);
    record_put_text(out, ri_classic_metadata(member));
    record_put_text(out, member->assignment);
}

void ri_groups_record_put(const ri_group *group, ri_buffer *out)
{
    bool led = group->leader && group->state != RI_CLASSIC_PREPARING;
    RI_ASSERT(group->magic == RI_GROUP_MAGIC);
    char kind = RI_GROUPS_CLASSIC;
    ri_buffer_put(out, &kind, 1);
    record_put_text(out, ri_groups_name_of(group));
    record_put_number(out, group->generation);
    record_put_number(out, group->state_since_ns);
    record_put_optional(out, group->protocol_type);
    record_put_optional(out, ri_classic_protocol_name(group));
    record_put_optional(out, led ? group->leader->id : RI_STR_NONE);
    record_put_count(out, ri_classic_size(group));
    ri_list_each (link, &group->members)
        record_put_member(ri_container_of(link, ri_classic_member, link), out);
}

void ri_groups_record_put_offset(const ri_offset *offset, ri_buffer *out)
{
    const ri_offset_topic *topic = offset->topic;
    char kind = RI_GROUPS_OFFSET;
    ri_buffer_put(out, &kind, 1);
    record_put_text(out, ri_groups_name_of(topic->group));
    record_put_text(out, (ri_str){topic->name, topic->name_len});
    record_put_number(out, offset->partition);
    record_put_text(out, (ri_str){(const char *)offset->topic_id, sizeof offset->topic_id});
    record_put_number(out, offset->offset);
    record_put_number(out, offset->leader_epoch);
    record_put_number(out, offset->commit_ns);
    record_put_number(out, offset->expire_ns);
    record_put_text(out, offset->metadata);
}

void ri_groups_record_put_grave(const ri_group *group, ri_buffer *out)
{
    char kind = RI_GROUPS_GRAVE;
    ri_buffer_put(out, &kind, 1);
    record_put_text(out, ri_groups_name_of(group));
}

void ri_groups_record_put_modern(const ri_group *group, ri_buffer *out)
{
    char kind = RI_GROUPS_MODERN;
    ri_buffer_put(out, &kind, 1);
    record_put_text(out, ri_groups_name_of(group));
    record_put_number(out, group->modern->epoch);
    record_put_count(out, group->modern->hash);
}

/* From that one on, of the same topic. */
static uint32_t record_count_parts(const ri_modern_set *set, uint32_t from)
{
    uint32_t n = 0;
    while (from + n < set->n && set->parts[from + n].topic == set->parts[from].topic) n++;
    return n;
}

static void record_put_set(const ri_modern_set *set, ri_buffer *out)
{
    uint64_t topics = 0;
    for (uint32_t i = 0; i < set->n; i += record_count_parts(set, i)) topics++;
    record_put_count(out, topics);
    for (uint32_t i = 0, n; i < set->n; i += n) {
        n = record_count_parts(set, i);
        record_put_text(out, (ri_str){(const char *)set->parts[i].topic->id, RI_GROUP_TOPIC_ID});
        record_put_count(out, n);
        for (uint32_t k = i; k < i + n; k++) {
            record_put_number(out, set->parts[k].partition);
            record_put_number(out, set->parts[k].epoch);
        }
    }
}

static void record_put_known(const ri_modern_member *member, ri_buffer *out)
{
    record_put_number(out, member->session_ms);
    record_put_count(out, member->known.n);
    for (size_t i = 0; i < member->known.n; i++) {
        const ri_classic_known *known = &member->known.known[i];
        record_put_text(out, (ri_str){known->protocol->name, known->protocol->len});
        record_put_text(out, known->metadata);
    }
}

void ri_groups_record_put_member(const ri_modern_member *member, ri_buffer *out)
{
    char kind = member->classic ? RI_GROUPS_SPEAKER : RI_GROUPS_MEMBER;
    ri_buffer_put(out, &kind, 1);
    record_put_text(out, ri_groups_name_of(member->group));
    record_put_text(out, member->id);
    record_put_optional(out, member->instance);
    record_put_optional(out, member->rack);
    record_put_text(out, member->client_id);
    record_put_text(out, member->client_host);
    record_put_optional(out, member->assignor);
    record_put_number(out, member->rebalance_ms);
    record_put_number(out, member->epoch);
    record_put_number(out, member->previous);
    record_put_number(out, member->state);
    record_put_count(out, member->nreads);
    for (uint32_t i = 0; i < member->nreads; i++)
        record_put_text(out, (ri_str){member->reads[i]->name, member->reads[i]->len});
    record_put_set(&member->assigned, out);
    record_put_set(&member->revoking, out);
    if (member->classic) record_put_known(member, out);
}

/* ---- Reading ---- */

static uint64_t record_count(ri_groups_reader *r)
{
    uint64_t n = 0;
    for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned char byte = *r->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return n;
    }
    r->bad = true;
    return 0;
}

static int64_t record_number(ri_groups_reader *r)
{
    uint64_t n = record_count(r);
    return (int64_t)(n >> 1 ^ (n & 1 ? UINT64_MAX : 0));
}

/* One that fits; a writer of ours never wrote another. */
static int32_t record_number32(ri_groups_reader *r)
{
    int64_t n = record_number(r);
    if (n < INT32_MIN || n > INT32_MAX) r->bad = true;
    return r->bad ? 0 : (int32_t)n;
}

static ri_str record_bytes(ri_groups_reader *r, uint64_t len)
{
    if (r->bad || len > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        return RI_STR("");
    }
    ri_str text = {(const char *)r->at, (size_t)len};
    r->at += len;
    return text;
}

static ri_str record_text(ri_groups_reader *r)
{
    return record_bytes(r, record_count(r));
}

static ri_str record_optional(ri_groups_reader *r)
{
    uint64_t len = record_count(r);
    return len ? record_bytes(r, len - 1) : RI_STR_NONE;
}

static int record_verdict(const ri_groups_reader *r)
{
    return r->bad ? ri_err(RILL_EPROTO, "it is cut off, or of another version") : RILL_OK;
}

char ri_groups_record_kind(ri_str data, ri_groups_reader *r)
{
    *r = (ri_groups_reader){.at = (const unsigned char *)data.ptr};
    if (data.len == 0) return 0;
    r->end = r->at + data.len;
    return (char)*r->at++;
}

int ri_groups_record_group(ri_groups_reader *r, ri_groups_saved *out)
{
    RI_ASSERT(r->at <= r->end);
    out->name = record_text(r);
    out->generation = record_number32(r);
    out->state_since_ns = record_number(r);
    out->protocol_type = record_optional(r);
    out->protocol = record_optional(r);
    out->leader = record_optional(r);
    uint64_t n = record_count(r);
    if (n > RI_LIMIT_GROUP_MEMBERS || (n > 0 && !(out->protocol_type.ptr && out->protocol.ptr)))
        r->bad = true;
    out->nmembers = r->bad ? 0 : (uint32_t)n;
    return record_verdict(r);
}

int ri_groups_record_member(ri_groups_reader *r, ri_groups_saved_member *out)
{
    RI_ASSERT(r->at <= r->end);
    out->id = record_text(r);
    out->instance = record_optional(r);
    out->client_id = record_text(r);
    out->client_host = record_text(r);
    out->session_ms = record_number32(r);
    out->rebalance_ms = record_number32(r);
    out->metadata = record_text(r);
    out->assignment = record_text(r);
    return record_verdict(r);
}

int ri_groups_record_offset(ri_groups_reader *r, ri_groups_saved_offset *out)
{
    RI_ASSERT(r->at <= r->end);
    *out = (ri_groups_saved_offset){.group = record_text(r)};
    out->topic = record_text(r);
    out->partition = record_number32(r);
    ri_str topic_id = record_text(r);
    if (topic_id.len == sizeof out->values.topic_id)
        memcpy(out->values.topic_id, topic_id.ptr, sizeof out->values.topic_id);
    else
        r->bad = true;
    out->values.offset = record_number(r);
    out->values.leader_epoch = record_number32(r);
    out->values.commit_ns = record_number(r);
    out->values.expire_ns = record_number(r);
    out->metadata = record_text(r);
    return ri_groups_record_end(r);
}

int ri_groups_record_grave(ri_groups_reader *r, ri_str *group)
{
    *group = record_text(r);
    return ri_groups_record_end(r);
}

int ri_groups_record_modern(ri_groups_reader *r, ri_groups_saved_modern *out)
{
    out->name = record_text(r);
    out->epoch = record_number32(r);
    out->hash = record_count(r);
    if (out->epoch < 0) r->bad = true;
    return ri_groups_record_end(r);
}

int ri_groups_record_modern_member(ri_groups_reader *r, ri_groups_saved_modern_member *out)
{
    RI_ASSERT(r->at <= r->end);
    out->group = record_text(r);
    out->id = record_text(r);
    out->instance = record_optional(r);
    out->rack = record_optional(r);
    out->client_id = record_text(r);
    out->client_host = record_text(r);
    out->assignor = record_optional(r);
    out->rebalance_ms = record_number32(r);
    out->epoch = record_number32(r);
    out->previous = record_number32(r);
    out->state = record_number32(r);
    if (out->state < RI_MODERN_STABLE || out->state > RI_MODERN_UNRELEASED) r->bad = true;
    return record_verdict(r);
}

uint64_t ri_groups_record_count(ri_groups_reader *r, uint64_t most)
{
    uint64_t n = record_count(r);
    if (n > most || n > (uint64_t)(r->end - r->at)) r->bad = true; /* each has a byte at least */
    return r->bad ? 0 : n;
}

int ri_groups_record_name(ri_groups_reader *r, ri_str *out)
{
    *out = record_text(r);
    return record_verdict(r);
}

int ri_groups_record_topic(ri_groups_reader *r, ri_groups_saved_topic *out)
{
    out->id = record_text(r);
    out->partitions = ri_groups_record_count(r, RI_LIMIT_GROUP_PARTITIONS);
    if (out->id.len != RI_GROUP_TOPIC_ID || out->partitions == 0) r->bad = true;
    return record_verdict(r);
}

int ri_groups_record_part(ri_groups_reader *r, int32_t *partition, int32_t *epoch)
{
    *partition = record_number32(r);
    *epoch = record_number32(r);
    if (*partition < 0 || *partition >= RI_LIMIT_GROUP_PARTITIONS) r->bad = true;
    return record_verdict(r);
}

int ri_groups_record_known(ri_groups_reader *r, int32_t *session_ms, ri_group_protocol *protocols,
                           size_t *n)
{
    *session_ms = record_number32(r);
    *n = (size_t)ri_groups_record_count(r, RI_LIMIT_GROUP_PROTOCOLS);
    if (*n == 0) r->bad = true;
    for (size_t i = 0; i < *n; i++) {
        protocols[i].name = record_text(r);
        protocols[i].metadata = record_text(r);
    }
    return record_verdict(r);
}

int ri_groups_record_end(const ri_groups_reader *r)
{
    if (r->at == r->end) return record_verdict(r);
    return ri_err(RILL_EPROTO, "%zu bytes are behind its end", (size_t)(r->end - r->at));
}
