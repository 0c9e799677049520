/* SPDX-License-Identifier: Apache-2.0 */
#include "front/peer_local/local_parts.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/jsconf.h"
#include "codec/kafka/kafka_message.h"
#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "codec/topic.h"

enum {
    PARTS_NAME_MAX = RI_ASK_NAME_MAX + 16, /* bytes of a partition's stream, with its 0 */
    PARTS_WINDOW = 500,                    /* messages that a reader may have asked for, in all */
};

/* ---- Finding ---- */

static ri_js *parts_js(rill_bus *bus)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    return ri_durable_js(bus->broker->durable);
}

/* Which partition it is by its name and subject; 0: none but the first. */
static uint32_t parts_index(ri_stream *stream)
{
    const ri_stream_conf *conf = ri_stream_conf_of(stream);
    ri_str name = conf->name;
    return conf->subjects.len == 1 ? ri_topic_of(&name, conf->subjects.items[0]) : 0;
}

static void parts_name(const char *topic, uint32_t partition, char out[PARTS_NAME_MAX])
{
    if (partition) snprintf(out, PARTS_NAME_MAX, "%s" RI_TOPIC_STREAM "%u", topic, partition);
    else snprintf(out, PARTS_NAME_MAX, "%s", topic);
}

ri_stream *ri_local_parts_stream(rill_bus *bus, const char *topic, uint32_t partition)
{
    char name[PARTS_NAME_MAX];
    parts_name(topic, partition, name);
    ri_stream *stream = ri_js_stream(parts_js(bus), ri_str_of(name));
    if (!stream || partition == 0) return stream;
    return parts_index(stream) == partition && !ri_stream_is_closing(stream) ? stream : NULL;
}

uint32_t ri_local_parts_count(rill_bus *bus, const char *topic)
{
    uint32_t n = 1;
    if (!ri_local_parts_stream(bus, topic, 0)) return n;
    while (n < RI_LIMIT_KAFKA_PARTITIONS && ri_local_parts_stream(bus, topic, n)) n++;
    ri_budget_spend(&bus->broker->router.budget, n - 1);
    return n;
}

bool ri_local_parts_is_part(ri_js *js, ri_stream *stream)
{
    ri_str name = ri_stream_conf_of(stream)->name;
    return parts_index(stream) && ri_topic_cut(&name, RI_TOPIC_STREAM) && ri_js_stream(js, name);
}

/* ---- Asking ---- */

static int parts_ask(rill_bus *bus, const ri_ask *ask, uint32_t partition, ri_local_answer answer)
{
    char name[PARTS_NAME_MAX];
    ri_ask own = *ask;
    parts_name(ask->stream, partition, name);
    own.stream = name;
    int rc = ri_local_is_guarded(bus) ? ri_local_guard_ask(bus, &own) : RILL_OK;
    return rc < 0 ? rc : answer(bus, &own);
}

static int parts_nothing(rill_bus *bus, ri_ask *ask)
{
    (void)bus;
    (void)ask;
    return RILL_OK;
}

int ri_local_parts_guard(rill_bus *bus, const ri_ask *ask, uint32_t partition)
{
    return parts_ask(bus, ask, partition, parts_nothing);
}

int ri_local_parts_each(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    int first = answer(bus, ask), rc = first;
    for (uint32_t i = 1; i < n && rc >= 0; i++) rc = parts_ask(bus, ask, i, answer);
    return rc < 0 ? rc : first;
}

int ri_local_parts_each_back(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    int rc = RILL_OK;
    for (uint32_t i = ri_local_parts_count(bus, ask->stream) - 1; i > 0 && rc >= 0; i--)
        rc = parts_ask(bus, ask, i, answer);
    return rc < 0 ? rc : answer(bus, ask);
}

int ri_local_parts_one(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    if (ask->partition == 0) return answer(bus, ask);
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    if (ask->partition < n) return parts_ask(bus, ask, ask->partition, answer);
    return ri_err(RILL_ENOENT, "partition is %u, and %s has %u", ask->partition, ask->stream, n);
}

/* ---- Streams ---- */

static int parts_check(const ri_ask *ask, uint32_t n)
{
    const ri_stream_conf *conf = ask->conf;
    if (n > RI_LIMIT_KAFKA_PARTITIONS)
        return ri_err(RILL_EINVAL, "partitions is %u; at most %d", n, RI_LIMIT_KAFKA_PARTITIONS);
    if (conf->mirror || conf->sources.len || conf->subject_transform)
        return ri_err(RILL_EINVAL, "partitions, and a mirror, sources or transform_to");
    ri_str subject = conf->subjects.len ? conf->subjects.items[0] : conf->name;
    if (conf->subjects.len <= 1 && ri_subject_is_literal(subject)) return RILL_OK;
    return ri_err(RILL_EINVAL, "partitions: such a stream has one subject, without wildcards, and "
                  "its messages have keys (the header Kafka-Key)");
}

static int parts_ensure_one(rill_bus *bus, const ri_ask *ask, uint32_t partition,
                            ri_local_answer answer)
{
    char name[PARTS_NAME_MAX];
    ri_buffer text;
    ri_stream_conf conf = *ask->conf;
    ri_ask own = *ask;
    ri_buffer_init(&text, &bus->host);
    parts_name(ask->stream, partition, name);
    ri_topic_put(conf.subjects.len ? conf.subjects.items[0] : conf.name, RI_TOPIC_SUBJECT,
                 partition, &text);
    ri_str subject = ri_buffer_str(&text);
    conf.name = ri_str_of(name);
    conf.subjects = (ri_strs){&subject, 1};
    own.stream = name;
    own.conf = &conf;
    int rc = text.failed ? RILL_ENOMEM : RILL_OK;
    if (rc == RILL_OK && ri_local_is_guarded(bus)) rc = ri_local_guard_ask(bus, &own);
    if (rc == RILL_OK) rc = answer(bus, &own);
    ri_buffer_fini(&text);
    return rc;
}

static bool parts_arena_put(ri_arena *arena, ri_str *text)
{
    const char *copy = ri_arena_copy(arena, text->ptr, text->len);
    if (copy) text->ptr = copy;
    return copy != NULL;
}

/* What a program does not say of a topic of Kafka's clients stays as it is: what they have set, and
 * its subject. */
static bool parts_adopt(ri_arena *arena, const ri_stream_conf *was, ri_stream_conf *conf)
{
    for (uint32_t i = 0; i < was->metadata.len; i++) {
        ri_js_pair pair = was->metadata.items[i];
        if (ri_str_is(pair.key, "rill.compact") || ri_str_is(pair.key, "rill.dedupe_full"))
            continue;
        if (!parts_arena_put(arena, &pair.key) || !parts_arena_put(arena, &pair.value))
            return false;
        conf->metadata.items[conf->metadata.len++] = pair;
    }
    if (conf->subjects.len || was->subjects.len != 1) return true;
    ri_str *subject = ri_arena_alloc(arena, sizeof *subject);
    if (!subject) return false;
    *subject = was->subjects.items[0];
    conf->subjects = (ri_strs){subject, 1};
    return parts_arena_put(arena, subject);
}

/* Of a stream that takes record batches, or of a new one of several partitions, which does: so
 * Kafka's clients send to it, too. */
static bool parts_conf(ri_arena *arena, const ri_stream_conf *was, ri_stream_conf *conf)
{
    size_t cap = (size_t)conf->metadata.len + (was ? was->metadata.len : 0) + 1;
    ri_js_pair *items = ri_arena_alloc(arena, ri_size_mul(cap, sizeof *items));
    if (!items) return false;
    if (conf->metadata.len) memcpy(items, conf->metadata.items, conf->metadata.len * sizeof *items);
    conf->metadata.items = items;
    if (!was) items[conf->metadata.len++] = (ri_js_pair){RI_STR("rill.batches"), RI_STR("on")};
    else if (!parts_adopt(arena, was, conf)) return false;
    if (ri_jsconf_batches(conf) == 1) conf->allow_rollup_hdrs = false;
    return true;
}

static int parts_ensure_all(rill_bus *bus, const ri_ask *ask, uint32_t n, ri_local_answer answer)
{
    ri_ask own = *ask;
    int rc = n > 1 ? parts_check(ask, n) : RILL_OK;
    int first = rc < 0 ? rc : answer(bus, &own);
    if (first < 0) return first;
    for (uint32_t i = 1; i < n && rc >= 0; i++) rc = parts_ensure_one(bus, ask, i, answer);
    return rc < 0 ? rc : first;
}

int ri_local_parts_ensure(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    RI_ASSERT(ask->conf);
    uint32_t have = ri_local_parts_count(bus, ask->stream), n = RI_MAX(ask->partitions, have);
    ri_stream *stream = ri_local_parts_stream(bus, ask->stream, 0);
    const ri_stream_conf *was = stream ? ri_stream_conf_of(stream) : NULL;
    if (ask->partitions && ask->partitions < have)
        return ri_err(RILL_EEXIST, "%s has %u partitions, and cannot have fewer", ask->stream,
                      have);
    if (n == 1 && (!was || ri_jsconf_batches(was) != 1)) return answer(bus, ask);
    ri_arena arena;
    ri_stream_conf conf = *ask->conf;
    ri_ask own = *ask;
    ri_arena_init(&arena, &bus->host);
    own.conf = &conf;
    int rc = parts_conf(&arena, was, &conf) ? parts_ensure_all(bus, &own, n, answer) : RILL_ENOMEM;
    ri_arena_fini(&arena);
    return rc;
}

int ri_local_parts_purge(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    uint64_t sum = 0, *out = ask->out.count;
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    int rc = RILL_OK;
    RI_ASSERT(out);
    if (n > 1 && (ask->seq || ask->keep))
        return ri_err(RILL_ENOTSUP, "before_seq and keep_msgs: %s has %u partitions", ask->stream,
                      n);
    for (uint32_t i = 0; i < n && rc == RILL_OK; i++) {
        rc = i ? parts_ask(bus, ask, i, answer) : answer(bus, ask);
        if (rc == RILL_OK) sum += *out;
    }
    *out = sum;
    return rc;
}

static int64_t parts_earlier(int64_t a, int64_t b) /* of two times, of which 0 is none */
{
    return !a || !b ? RI_MAX(a, b) : RI_MIN(a, b);
}

void ri_local_parts_fill(rill_bus *bus, const char *topic, rill_stream_info *out)
{
    out->partitions = ri_local_parts_count(bus, topic);
    for (uint32_t i = 1; i < out->partitions; i++) {
        ri_stream_info info = {0};
        ri_stream_info_of(ri_local_parts_stream(bus, topic, i), &info);
        out->msgs += info.state.messages;
        out->bytes += info.state.bytes;
        out->subjects += info.state.num_subjects;
        out->first_seq = RI_MIN(out->first_seq, info.state.first_seq);
        out->last_seq = RI_MAX(out->last_seq, info.state.last_seq);
        out->first_time_ns = parts_earlier(out->first_time_ns, info.state.first_ts);
        out->last_time_ns = RI_MAX(out->last_time_ns, info.state.last_ts);
    }
}

/* ---- Groups ---- */

/* A reader of his own, who has not joined all, has joined none. */
static void parts_unjoin(rill_bus *bus, const ri_ask *ask, uint32_t n)
{
    ri_failure failure;
    ri_ask own = {.kind = RI_ASK_GROUP_DELETE, .stream = ask->stream,
                  .group = ask->out.joined->name};
    ri_failure_keep(&failure, RILL_ECLOSED);
    for (uint32_t i = 0; i < n; i++) {
        char name[PARTS_NAME_MAX];
        parts_name(ask->stream, i, name);
        own.stream = name;
        ri_local_group_delete(bus, &own); /* the reader's own: whoever may join may leave */
    }
    ri_failure_restore(&failure);
}

int ri_local_parts_join(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    uint32_t i, n = ri_local_parts_count(bus, ask->stream);
    ri_ask_joined *joined = ask->out.joined, other;
    bool own = ask->draft->request.conf.durable_name.len == 0;
    if (n > RI_LIMIT_READER_PARTITIONS)
        return ri_err(RILL_ENOTSUP, "%s has %u partitions, and who reads a stream from a program "
                      "takes up to %d", ask->stream, n, RI_LIMIT_READER_PARTITIONS);
    if (n > 1 && ask->draft->opts->filter)
        return ri_err(RILL_ENOTSUP, "filter: %s has %u partitions, and one subject", ask->stream,
                      n);
    int rc = answer(bus, ask);
    if (rc < 0 || n == 1) return rc;
    ask->draft->request.conf.name = ri_str_of(joined->name);
    ask->out.joined = &other;
    for (i = 1; i < n && rc == RILL_OK; i++) {
        rc = parts_ask(bus, ask, i, answer);
        if (rc == RILL_OK) joined->pending += other.pending;
    }
    ask->out.joined = joined;
    if (rc < 0 && own) parts_unjoin(bus, ask, i - 1);
    joined->parts = n;
    joined->window = RI_MAX(PARTS_WINDOW / n, 1);
    return rc;
}

int ri_local_parts_group_status(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    rill_group_info *out = ask->out.group, info;
    int rc = answer(bus, ask);
    ri_ask own = *ask;
    own.out.group = &info;
    for (uint32_t i = 1; i < n && rc == RILL_OK; i++) {
        info = (rill_group_info){.size = sizeof info};
        if ((rc = parts_ask(bus, &own, i, answer)) < 0) break;
        out->unacked_msgs += info.unacked_msgs;
        out->lag_msgs += info.lag_msgs;
        out->lag_bytes += info.lag_bytes;
        out->redelivered_msgs += info.redelivered_msgs;
        out->lag_ns = RI_MAX(out->lag_ns, info.lag_ns);
        out->active_ns = RI_MAX(out->active_ns, info.active_ns);
    }
    return rc;
}

/* ---- Appending ---- */

/* The key by which Kafka's clients know the message; ptr NULL: it has none. */
static int parts_key(const ri_message *m, ri_buffer *text, ri_str *key)
{
    ri_kafka_record record;
    ri_kafka_message message = {.subject = m->subject, .headers = m->headers, .data = m->data};
    int rc = ri_kafka_message_write(&(ri_kafka_names){m->subject, false}, &message, text, &record);
    *key = record.key;
    return rc;
}

/* Inside the gate. */
static uint32_t parts_count_on(rill_bus *bus, ri_str subject)
{
    ri_stream *stream;
    char name[PARTS_NAME_MAX];
    if (ri_js_stream_of(parts_js(bus), subject, &stream) < 0 || !stream) return 1;
    const ri_stream_conf *conf = ri_stream_conf_of(stream);
    if (conf->subjects.len != 1 || !ri_str_eq(conf->subjects.items[0], subject)) return 1;
    snprintf(name, sizeof name, "%.*s", RI_ARG(conf->name));
    return ri_local_parts_count(bus, name);
}

int ri_local_parts_route(rill_bus *bus, ri_message *m, ri_buffer *text)
{
    ri_str key;
    if (!ri_headers_find(m->headers, RI_STR("Kafka-Key"), &key)) return RILL_OK;
    int rc = ri_local_enter(bus);
    if (rc < 0) return rc;
    uint32_t n = parts_count_on(bus, m->subject);
    ri_broker_leave(bus->broker);
    if (n == 1 || (rc = parts_key(m, text, &key)) < 0 || !key.ptr) return rc;
    uint32_t partition = ri_topic_pick(key, n);
    if (partition == 0) return RILL_OK;
    ri_buffer_reset(text);
    ri_topic_put(m->subject, RI_TOPIC_SUBJECT, partition, text);
    if (text->failed) return RILL_ENOMEM;
    m->subject = ri_buffer_str(text);
    return RILL_OK;
}

uint32_t ri_local_parts_of(rill_bus *bus, ri_str subject)
{
    ri_stream *stream;
    ri_str topic = subject;
    if (!ri_topic_cut(&topic, RI_TOPIC_SUBJECT)) return 0;
    if (ri_js_stream_of(parts_js(bus), subject, &stream) < 0 || !stream) return 0;
    return parts_index(stream);
}
