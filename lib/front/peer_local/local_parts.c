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

bool ri_local_parts_is_of(ri_stream *stream, ri_str topic)
{
    ri_str name = ri_stream_conf_of(stream)->name;
    return parts_index(stream) && ri_topic_cut(&name, RI_TOPIC_STREAM) && ri_str_eq(name, topic);
}

/* ---- Asking ---- */

/* Whatever the handle may do: what it undoes is its own. */
static int parts_undo(rill_bus *bus, const ri_ask *ask, uint32_t partition, ri_local_answer answer)
{
    char name[PARTS_NAME_MAX];
    ri_ask own = *ask;
    if (!bus->broker->durable) /* closed while the former partition's commit was waited for */
        return ri_err(RILL_ECLOSED, "the broker was closed before all partitions were asked");
    parts_name(ask->stream, partition, name);
    own.stream = name;
    return answer(bus, &own);
}

int ri_local_parts_guard(rill_bus *bus, const ri_ask *ask, uint32_t partition)
{
    char name[PARTS_NAME_MAX];
    ri_ask own = *ask;
    if (!ri_local_is_guarded(bus)) return RILL_OK;
    parts_name(ask->stream, partition, name);
    own.stream = name;
    return ri_local_guard_ask(bus, &own);
}

/* Others may have come since all were looked at: to make what is gone is another right. */
static int parts_ask(rill_bus *bus, const ri_ask *ask, uint32_t partition, ri_local_answer answer)
{
    int rc = bus->broker->durable ? ri_local_parts_guard(bus, ask, partition) : RILL_OK;
    return rc < 0 ? rc : parts_undo(bus, ask, partition, answer);
}

/* The same of one that may have gone, or never have had what is asked for: then it is through. */
static int parts_ask_more(rill_bus *bus, const ri_ask *ask, uint32_t partition,
                          ri_local_answer answer)
{
    RI_ASSERT(partition > 0);
    int rc = parts_ask(bus, ask, partition, answer);
    return rc == RILL_ENOENT ? RILL_OK : rc;
}

/* Before anything is done to the first one, which was looked at already. */
static int parts_guard_all(rill_bus *bus, const ri_ask *ask, uint32_t n)
{
    int rc = RILL_OK;
    if (!ri_local_is_guarded(bus)) return rc;
    for (uint32_t i = 1; i < n && rc >= 0; i++) rc = ri_local_parts_guard(bus, ask, i);
    return rc;
}

int ri_local_parts_each(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    int rc = parts_guard_all(bus, ask, n);
    int first = rc < 0 ? rc : answer(bus, ask);
    rc = first;
    for (uint32_t i = 1; i < n && rc >= 0; i++) rc = parts_ask_more(bus, ask, i, answer);
    return rc < 0 ? rc : first;
}

int ri_local_parts_each_back(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    int rc = parts_guard_all(bus, ask, n);
    for (uint32_t i = n - 1; i > 0 && rc >= 0; i--) rc = parts_ask_more(bus, ask, i, answer);
    return rc < 0 ? rc : parts_ask(bus, ask, 0, answer);
}

int ri_local_parts_one(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    if (ask->partition == 0) return answer(bus, ask);
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    if (ask->partition >= n)
        return ri_err(RILL_ENOENT, "partition is %u, and %s has %u", ask->partition, ask->stream,
                      n);
    return parts_ask(bus, ask, ask->partition, answer);
}

/* ---- Streams ---- */

static int parts_check(const ri_ask *ask, uint32_t n)
{
    char last[PARTS_NAME_MAX];
    const ri_stream_conf *conf = ask->conf;
    parts_name(ask->stream, n - 1, last);
    if (n > RI_LIMIT_KAFKA_PARTITIONS)
        return ri_err(RILL_EINVAL, "partitions is %u; at most %d", n, RI_LIMIT_KAFKA_PARTITIONS);
    if (conf->mirror || conf->sources.len || conf->subject_transform)
        return ri_err(RILL_EINVAL, "partitions, and a mirror, sources or transform_to");
    if (strlen(last) >= RI_ASK_NAME_MAX)
        return ri_err(RILL_EINVAL, "partitions is %u: the name of the last one's stream, %s, has "
                      "more than %d bytes", n, last, RI_ASK_NAME_MAX - 1);
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
    if (partition == 0 || !bus->broker->durable) return parts_ask(bus, ask, partition, answer);
    ri_buffer_init(&text, &bus->host);
    parts_name(ask->stream, partition, name);
    ri_topic_put(conf.subjects.len ? conf.subjects.items[0] : conf.name, RI_TOPIC_SUBJECT,
                 partition, &text);
    ri_str subject = ri_buffer_str(&text);
    conf.name = ri_str_of(name);
    conf.subjects = (ri_strs){&subject, 1};
    own.stream = name;
    own.conf = &conf;
    int rc = text.failed ? RILL_ENOMEM : answer(bus, &own);
    ri_buffer_fini(&text);
    return rc;
}

static bool parts_arena_put(ri_arena *arena, ri_str *text)
{
    const char *copy = ri_arena_copy(arena, text->ptr, text->len);
    if (copy) text->ptr = copy;
    return copy != NULL;
}

static bool parts_has(const ri_stream_conf *conf, uint32_t n, ri_str key)
{
    for (uint32_t i = 0; i < n; i++)
        if (ri_str_eq(conf->metadata.items[i].key, key)) return true;
    return false;
}

/* The options that are numbers and words. */
static void parts_adopt_options(const ri_stream_conf *was, ri_stream_conf *conf)
{
    if (conf->max_consumers < 0) conf->max_consumers = was->max_consumers;
    if (conf->max_msgs < 0) conf->max_msgs = was->max_msgs;
    if (conf->max_bytes < 0) conf->max_bytes = was->max_bytes;
    if (conf->max_msgs_per_subject < 0) conf->max_msgs_per_subject = was->max_msgs_per_subject;
    if (conf->max_msg_size < 0) conf->max_msg_size = was->max_msg_size;
    if (!conf->max_age) conf->max_age = was->max_age;
    if (!conf->duplicate_window && (!conf->max_age || was->duplicate_window <= conf->max_age))
        conf->duplicate_window = was->duplicate_window; /* ids are kept no longer than messages */
    if (conf->discard == RI_DISCARD_OLD) conf->discard = was->discard;
    if (conf->storage == RI_STORE_FILE) conf->storage = was->storage;
    conf->discard_new_per_subject |= was->discard_new_per_subject;
    conf->deny_delete |= was->deny_delete;
    conf->deny_purge |= was->deny_purge;
    conf->allow_msg_ttl |= was->allow_msg_ttl;
    conf->compression = was->compression;
}

/* What a program does not say of a topic stays as it is, whoever has set it, and so does its
 * subject: else more partitions would cost what Kafka's clients have configured. */
static bool parts_adopt(ri_arena *arena, const ri_stream_conf *was, ri_stream_conf *conf)
{
    uint32_t given = conf->metadata.len;
    parts_adopt_options(was, conf);
    if (!conf->description.len) conf->description = was->description;
    if (!parts_arena_put(arena, &conf->description)) return false;
    for (uint32_t i = 0; i < was->metadata.len; i++) {
        ri_js_pair pair = was->metadata.items[i];
        if (parts_has(conf, given, pair.key)) continue;
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

/* Those from `from` on, which were made for one before them that could not be: nobody has seen them
 * as a part of the topic, unless somebody else has made the missing one meanwhile. */
static void parts_unmake(rill_bus *bus, const char *topic, uint32_t from, uint32_t n, int rc)
{
    ri_failure failure;
    RI_ASSERT(from > 0 && rc < 0);
    ri_failure_keep(&failure, rc);
    ri_ask own = {.kind = RI_ASK_STREAM_DELETE, .stream = topic};
    for (uint32_t i = from; i < n && bus->broker->durable; i++) {
        if (ri_local_parts_stream(bus, topic, from - 1)) break;
        parts_undo(bus, &own, i, ri_local_stream_delete);
    }
    ri_failure_restore(&failure);
}

/* New ones from the last one down, so that they are none of the topic's before all of them are. */
static int parts_ensure_new(rill_bus *bus, const ri_ask *ask, uint32_t have, uint32_t n,
                            ri_local_answer answer)
{
    int rc = RILL_OK;
    uint32_t i = n, made = n; /* those below, down to i, are made by this call */
    while (i > have && rc >= 0) {
        rc = parts_ensure_one(bus, ask, --i, answer);
        if (rc == RILL_OK) made = i; /* it was there */
    }
    if (rc < 0 && i + 1 < made) parts_unmake(bus, ask->stream, i + 1, made, rc);
    return rc;
}

/* `have` is 0 if there is none. 1: it is new. */
static int parts_ensure_all(rill_bus *bus, const ri_ask *ask, uint32_t have, uint32_t n,
                            ri_local_answer answer)
{
    int rc = n > 1 ? parts_check(ask, n) : RILL_OK;
    if (rc == RILL_OK) rc = parts_guard_all(bus, ask, n);
    for (uint32_t i = 0; i < have && rc >= 0; i++) rc = parts_ensure_one(bus, ask, i, answer);
    if (rc >= 0) rc = parts_ensure_new(bus, ask, have, n, answer);
    return rc < 0 ? rc : have == 0;
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
    bool good = parts_conf(&arena, was, &conf);
    int rc = good ? parts_ensure_all(bus, &own, was ? have : 0, n, answer) : RILL_ENOMEM;
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
    rc = parts_guard_all(bus, ask, n);
    for (uint32_t i = 0; i < n && rc == RILL_OK; i++) {
        rc = parts_ask(bus, ask, i, answer);
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

static ri_consumer *parts_consumer(rill_bus *bus, const char *topic, uint32_t partition,
                                   ri_str name)
{
    ri_stream *stream = ri_local_parts_stream(bus, topic, partition);
    return stream && name.len ? ri_stream_consumer(stream, name) : NULL;
}

/* Asks one partition for its part of a group. A group that is there, but not in that partition,
 * which was added later, has in it what it has in the first one, and all of its messages are to
 * come: else those that came before anybody joined anew would be nobody's. Where it is there, it
 * is compared by all but where it began, which need not be the same for that. */
static int parts_group_ask(rill_bus *bus, const ri_ask *ask, uint32_t partition,
                           ri_local_answer answer)
{
    ri_bus_group_draft draft = *ask->draft;
    rill_sub_opts opts = *ask->draft->opts;
    ri_consumer_conf *conf = &draft.request.conf;
    ri_ask own = *ask;
    if (partition == 0 || !bus->broker->durable) return parts_ask(bus, ask, partition, answer);
    opts.from = RILL_FROM_FIRST;
    draft.opts = &opts;
    own.draft = &draft;
    const ri_consumer *first = parts_consumer(bus, ask->stream, 0, conf->name);
    if (first && !parts_consumer(bus, ask->stream, partition, conf->name)) {
        const ri_consumer_conf *is = ri_consumer_conf_of(first);
        if (ask->kind == RI_ASK_JOIN) *conf = *is; /* lent, and copied by the answer at once */
        conf->pause_until = is->pause_until;
        conf->deliver_policy = RI_DELIVER_ALL;
        conf->opt_start_seq = 0;
        conf->opt_start_time = 0;
    }
    return parts_ask(bus, &own, partition, answer);
}

/* The first one last: where it is there, the group is there in all that there were. */
int ri_local_parts_group_ensure(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    int rc = parts_guard_all(bus, ask, n);
    for (uint32_t i = n; i > 0 && rc >= 0; i--) rc = parts_group_ask(bus, ask, i - 1, answer);
    return rc;
}

/* A reader of his own, who has not joined all, has joined none. */
static void parts_unjoin(rill_bus *bus, const ri_ask *ask, const char *name, uint32_t from,
                         uint32_t n, int rc)
{
    ri_failure failure;
    ri_ask own = {.kind = RI_ASK_GROUP_DELETE, .stream = ask->stream, .group = name};
    ri_failure_keep(&failure, rc);
    for (uint32_t i = from; i < n; i++) /* the reader's own: whoever may join may leave */
        parts_undo(bus, &own, i, ri_local_group_delete);
    ri_failure_restore(&failure);
}

static int parts_check_join(rill_bus *bus, const ri_ask *ask, uint32_t n)
{
    if (n > RI_LIMIT_READER_PARTITIONS)
        return ri_err(RILL_ENOTSUP, "%s has %u partitions, and who reads a stream from a program "
                      "takes up to %d", ask->stream, n, RI_LIMIT_READER_PARTITIONS);
    if (n > 1 && ask->draft->opts->filter)
        return ri_err(RILL_ENOTSUP, "filter: %s has %u partitions, and one subject", ask->stream,
                      n);
    const ri_consumer *first = parts_consumer(bus, ask->stream, 0, ask->draft->request.conf.name);
    int rc = parts_guard_all(bus, ask, n);
    if (rc < 0 || !first) return rc;
    return ri_bus_group_may_join(ask->draft, ri_consumer_conf_of(first));
}

/* The first one last, as in ri_local_parts_group_ensure(); its consumer is what a reader knows. */
int ri_local_parts_join(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    char name[RI_ASK_NAME_MAX] = "";
    uint32_t n = ri_local_parts_count(bus, ask->stream), i = n;
    ri_ask_joined *joined = ask->out.joined, other;
    ri_str *named = &ask->draft->request.conf.name, given = *named;
    uint64_t pending = 0;
    int rc = parts_check_join(bus, ask, n);
    if (rc < 0 || n == 1) return rc < 0 ? rc : answer(bus, ask);
    while (i > 0 && rc == RILL_OK) {
        ask->out.joined = --i ? &other : joined;
        rc = parts_group_ask(bus, ask, i, answer);
        if (rc < 0) break;
        pending += ask->out.joined->pending;
        snprintf(name, sizeof name, "%s", ask->out.joined->name);
        *named = ri_str_of(name);
    }
    ask->out.joined = joined;
    *named = given;
    if (rc < 0 && !ask->draft->request.conf.durable_name.len)
        parts_unjoin(bus, ask, name, i + 1, n, rc);
    joined->pending = pending;
    joined->parts = n;
    joined->window = RI_MAX(PARTS_WINDOW / n, 1);
    return rc;
}

/* Of a partition that was added and that nobody has joined: all of it is to come. */
static void parts_status_new(rill_bus *bus, const char *topic, uint32_t partition,
                             rill_group_info *out)
{
    ri_stream_info info = {0};
    ri_stream *stream = ri_local_parts_stream(bus, topic, partition);
    if (!stream) return;
    ri_stream_info_of(stream, &info);
    out->lag_msgs = info.state.messages;
    out->lag_bytes = info.state.bytes;
    if (info.state.messages)
        out->lag_ns = RI_MAX(ri_ns_sub(ri_wall_ns(&bus->host), info.state.first_ts), 0);
}

int ri_local_parts_group_status(rill_bus *bus, ri_ask *ask, ri_local_answer answer)
{
    uint32_t n = ri_local_parts_count(bus, ask->stream);
    rill_group_info *out = ask->out.group, info;
    int rc = parts_guard_all(bus, ask, n);
    if (rc == RILL_OK) rc = answer(bus, ask);
    ri_ask own = *ask;
    own.out.group = &info;
    for (uint32_t i = 1; i < n && rc == RILL_OK; i++) {
        info = (rill_group_info){.size = sizeof info};
        rc = parts_ask(bus, &own, i, answer);
        if (rc == RILL_ENOENT) parts_status_new(bus, ask->stream, i, &info);
        if (rc < 0 && rc != RILL_ENOENT) break;
        rc = RILL_OK;
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
